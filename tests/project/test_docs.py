"""README and docs: their examples run, their lists are complete, their links lead somewhere."""

import importlib
import importlib.util
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PYTHON = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^\$ stacchip-osml (.+)$", re.MULTILINE)
CALL = "from stacchip_osml.app.cli import main; main()"
NAME = re.compile(r"`([^`]+)`")
LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)[^)]*\)")


def examples(page: Path) -> str:
    """A page's examples as one program, each on the line it stands on."""
    text = page.read_text(encoding="utf-8")
    lines = [""] * (text.count("\n") + 1)
    for match in PYTHON.finditer(text):
        first = text[: match.start(1)].count("\n")
        for number, line in enumerate(match.group(1).splitlines()):
            lines[first + number] = line
    return "\n".join(lines)


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if PYTHON.search(page.read_text()) or COMMAND.search(page.read_text())],
    ids=lambda page: page.name,
)
def test_the_python_examples_of_a_page_run_and_then_its_commands_in_the_same_folder(page, tmp_path, monkeypatch):
    (tmp_path / "indexes").symlink_to(ROOT / "indexes")
    monkeypatch.chdir(tmp_path)

    exec(compile(examples(page), str(page), "exec"), {"__name__": "example"})

    for command in COMMAND.findall(page.read_text()):
        done = subprocess.run(
            [sys.executable, "-c", CALL, *shlex.split(command)],
            check=False,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == 0, f"{command}: {done.stderr}"


def test_the_readme_example_is_short_and_gives_what_it_says(tmp_path, monkeypatch, capsys):
    (tmp_path / "indexes").symlink_to(ROOT / "indexes")
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "example"}
    source = examples(ROOT / "README.md")
    exec(compile(source, "README.md", "exec"), names)

    assert sum(bool(line.strip()) for line in source.splitlines()) <= 10
    assert len(names["index"]) == 32
    assert 8 <= len(names["clear"]) < 32
    assert names["batch"].pixels.shape == (8, 4, 128, 128)
    assert names["data"][:4] in {b"II*\x00", b"MM\x00*"}
    assert [file.data[:4] for file in names["files"]] == [b"NITF"] * len(names["clear"])
    assert (tmp_path / "chips.parquet").is_file()


def test_links_between_pages_lead_to_files():
    dead = [
        f"{page.name}: {target}"
        for page in PAGES
        for target in LINK.findall(page.read_text())
        if not (page.parent / target).exists()
    ]

    assert dead == []


def test_the_architecture_page_lists_every_module_as_the_module_describes_itself():
    spec = importlib.util.spec_from_file_location("list_modules", ROOT / "docs" / "list_modules.py")
    lister = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(lister)
    page = (ROOT / "docs" / "architecture.md").read_text()

    assert lister.updated(page) == page, "run: python docs/list_modules.py"


def test_the_schema_page_lists_every_column_in_order():
    from stacchip_osml.index import CHIP_SCHEMA

    text = (ROOT / "docs" / "schema.md").read_text()
    table = text.split("## Columns of a chip")[1].split("## Order")[0]
    listed = [
        name for line in table.splitlines() if line.startswith("| `") for name in NAME.findall(line.split("|")[1])
    ]

    assert listed == CHIP_SCHEMA.names


def test_the_command_line_page_lists_every_exit_code():
    from stacchip_osml.app.texts import EXIT_CODES

    text = (ROOT / "docs" / "cli.md").read_text()

    assert [
        f"| {code} | {meaning} |" for code, meaning in EXIT_CODES.items() if f"| {code} | {meaning} |" not in text
    ] == []


def test_every_page_is_in_the_table_of_contents():
    tables = re.findall(r"```\{toctree\}\n(.*?)```", (ROOT / "docs/index.md").read_text(encoding="utf-8"), re.DOTALL)
    listed = [line for table in tables for line in table.splitlines() if line and not line.startswith(":")]

    assert sorted([*listed, "index"]) == sorted(page.stem for page in PAGES if page.parent.name == "docs")


def test_every_public_name_of_every_room_is_on_a_page_of_the_python_interface():
    pages = "\n".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs").glob("api*.md"))
    described = {path.rsplit(".", 1)[-1] for path in re.findall(r"^\.\. [\w:]+:: stacchip_osml\.([\w.]+)", pages, re.M)}
    rooms = ("pixel", "chain", "imagery", "geometry", "encode", "encode.io", "stac", "index", "load", "testing")

    missing = [
        f"{room}.{name}"
        for room in rooms
        for name in importlib.import_module(f"stacchip_osml.{room}").__all__
        if name not in described
    ]

    assert missing == []
