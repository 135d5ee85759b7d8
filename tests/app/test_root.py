"""The root command: quick to start, one line an error, the right exit code."""

import json
import re
import subprocess
import sys
import warnings

import click
import pytest
import rasterio
from cli_scenes import only_error, run, run_process

import stacchip_osml
from stacchip_osml.app.cli import COMMANDS, cli
from stacchip_osml.app.output import one_line, size_text
from stacchip_osml.app.texts import EXIT_CODES, failure
from stacchip_osml.errors import (
    AssetMissing,
    ChainError,
    ChipError,
    CommitConflict,
    EncodeError,
    IndexSchemaError,
    ItemError,
    LimitError,
    RemoteReadError,
    WindowError,
)
from stacchip_osml.index import ChipIndex
from tests.geometry.sensor_tres import ichipb

HEAVY = {"numpy", "pyarrow", "rasterio", "shapely", "geopandas", "cv2", "pystac", "requests", "tqdm", "pyproj"}
GROUPS = {"index": ["build", "merge", "query", "info", "check"], "chip": ["cut", "sheet"]}


def all_commands():
    return [[name] for name in COMMANDS] + [[group, name] for group, names in GROUPS.items() for name in names]


@pytest.mark.parametrize("command", [[], *all_commands()], ids=" ".join)
def test_help_of_every_command_works_and_names_it(command):
    assert " ".join(["stacchip-osml", *command]) in run(*command, "--help").stdout


def leaf_commands(group=cli, path=()):
    for name in group.commands if path else COMMANDS:
        command = group.get_command(None, name)
        if isinstance(command, click.Group):
            yield from leaf_commands(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


@pytest.mark.parametrize("command", [pytest.param(each, id=name) for name, each in leaf_commands() if name != "demo"])
def test_every_command_answers_in_json_and_names_its_values(command):
    options = {option.name: option for option in command.params if isinstance(option, click.Option)}

    assert "as_json" in options
    for option in options.values():
        assert option.help or option.hidden
        if not option.is_flag and isinstance(option.default, (str, int, float)):
            assert option.show_default
        if not option.is_flag and not isinstance(option.type, click.Choice):
            assert option.metavar or hasattr(option.type, "parse")


def test_how_many_threads_is_one_option_of_one_name():
    options = [each for _, command in leaf_commands() for each in command.params if isinstance(each, click.Option)]
    named = {tuple(each.opts) for each in options if re.search("thread|worker|at a time", f"{each.opts}{each.help}")}

    assert named == {("--threads",)}


def test_the_root_help_lists_every_command_and_exit_code():
    text = run("--help").stdout

    assert all(f"\n  {name} " in text for name in COMMANDS)
    assert all(f" {code}  {what}" in text for code, what in EXIT_CODES.items())


@pytest.mark.parametrize("args", [["--help"], ["--version"], ["index", "build", "--help"], ["demo", "--help"]])
def test_help_loads_no_imagery_or_table_library(args):
    code = "\n".join(
        [
            "import sys, json",
            "from stacchip_osml.app.cli import main",
            f"sys.argv = ['stacchip-osml', *{args!r}]",
            "try:",
            "    main()",
            "finally:",
            "    print(json.dumps(sorted({m.split('.')[0] for m in sys.modules})), file=sys.stderr)",
        ]
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    loaded = set(json.loads(done.stderr))

    assert loaded & HEAVY == set()


def test_the_version_is_the_packages():
    assert run("--version").stdout == f"stacchip-osml {stacchip_osml.__version__}\n"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["nonsense"], "No such command 'nonsense' (see stacchip-osml --help)"),
        (["--nonsense"], "No such option"),
        (["index", "info"], "Missing argument 'INDEX' (see stacchip-osml index info --help)"),
        (["index", "build", "x"], "a SOURCE and OUT are needed, got 'x' alone"),
        (["index", "merge", "x"], "INDEXES and OUT are needed, got 'x' alone"),
        (["index", "query", "x", "--bbox", "1,2,3"], "is not west,south,east,north"),
        (["index", "query", "x", "--bbox", "1,5,3,4"], "south is above north"),
        (
            ["index", "query", "x", "--bbox", "500000,4900000,510000,5000000"],
            "not in degrees, longitudes from -180 to 180",
        ),
        (["index", "query", "x", "--bbox", "1,5,3,nan"], "is not west,south,east,north"),
        (["index", "query", "x", "--json", "--format", "csv"], "exclude each other"),
        (["index", "query", "x", "-o", "y", "--columns", "id"], "saves whole rows"),
        (["index", "build", "x", "y", "--chip-size", "0"], "is not a number of pixels"),
        (["index", "build", "x", "y", "--stride", "8by8"], "is not a number of pixels"),
        (["index", "build", "x", "y", "--levels", "0,0"], "levels are different numbers"),
        (["index", "build", "x", "y", "--levels", "31"], "from 0 to 30"),
        (["index", "build", "x", "y", "--assets", "a,,b"], "is not a list of different names"),
        (["index", "build", "x", "y", "--quality", "fmask"], "is not scl or qa_pixel"),
        (["index", "build", "x", "y", "--max-nodata", "0.5"], "--max-nodata needs --quality"),
        (["index", "build", "x", "y", "--edges", "wrap"], "'wrap' is not one of"),
        (["index", "build", "x", "y", "--bbox", "1,2,3,4"], "--bbox would search a STAC API, and 'x' is none"),
        (["index", "build", "https://x", "y", "--query", "{"], "--query is not JSON"),
        (["index", "build", "https://x", "y", "--query", "[]"], "--query must be a JSON object"),
        (["index", "build", "x", "y", "--resampling", "a=area", "--resampling", "a=area"], "each KEY once"),
        (["index", "build", "x", "y", "--resampling", "area", "--resampling", "a=area"], "either one METHOD"),
        (["chip", "cut", "x", "y", "--rows", "5-3"], "ends before it starts"),
        (["chip", "cut", "x", "y", "--rows", "-1"], "is not a row or range of rows"),
        (["chip", "cut", "x", "y", "--display"], "needs --format png, jpeg or jp2"),
        (["chip", "sheet", "x", "y.jpg"], "must end in .png"),
        (["demo", "--data", "/nowhere"], "no sample imagery at /nowhere/imagery/sentinel-like: run this in a checkout"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(args, message):
    result = run(*args, code=2)

    assert message in only_error(result)
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ItemError("no asset"), 3),
        (IndexSchemaError("no index"), 3),
        (WindowError("outside"), 3),
        (ChainError("unknown"), 3),
        (EncodeError("too many bands"), 3),
        (LimitError("too large"), 3),
        (AssetMissing("gone"), 4),
        (RemoteReadError("https://host/x?token=secret", status=503, attempts=4), 4),
        (CommitConflict("another writer"), 5),
        (PermissionError(13, "Permission denied", "/x"), 6),
        (OSError(28, "No space left on device"), 6),
        (ChipError("a setting"), 2),
        (KeyError("surprise"), 70),
    ],
)
def test_every_failure_has_its_exit_code_and_one_line(monkeypatch, error, code):
    def refuse(_):
        raise error

    monkeypatch.setattr(ChipIndex, "open", refuse)
    result = run("index", "info", "some.parquet", code=code)

    assert failure(error)[0] in only_error(result)
    assert "secret" not in result.stderr
    assert result.stdout == ""
    assert code in EXIT_CODES


def test_a_write_failure_that_the_library_named_is_not_a_usage_error():
    error = ChipError("cannot write x: No space left on device")
    error.__cause__ = OSError(28, "No space left on device")

    assert failure(error) == ("cannot write x: No space left on device", 6)


@pytest.mark.parametrize("group", [[], ["index"], ["chip"], ["chain"]], ids=" ".join)
def test_a_group_without_a_command_shows_its_help(group):
    shown = run(*group, code=2)

    assert shown.stdout + shown.stderr == run(*group, "--help").stdout


@pytest.mark.parametrize("group", ["index", "chain", "chip"])
def test_the_help_of_a_group_says_in_whole_sentences_what_its_commands_do(group):
    commands = run(group, "--help").stdout.split("Commands:\n")[1].splitlines()

    assert [line for line in commands if not line.endswith(".") or line.endswith("...")] == []


def test_the_package_runs_as_a_module():
    done = subprocess.run(
        [sys.executable, "-m", "stacchip_osml", "--version"], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout) == (0, f"stacchip-osml {stacchip_osml.__version__}\n")


@pytest.mark.parametrize("args", [["--debug", "index", "info", "none"], ["index", "info", "none", "--debug"]])
def test_debug_shows_the_traceback_before_the_line(args):
    lines = run(*args, code=4).stderr.splitlines()

    assert "Traceback (most recent call last):" in lines[:-1]
    assert lines[-1] == "error: none: no such file or directory"


def test_an_interrupt_is_130(monkeypatch):
    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(ChipIndex, "open", interrupt)

    assert run("index", "info", "x", code=130).stderr.splitlines()[-1] == "error: interrupted"


def test_an_error_message_of_several_lines_and_control_characters_becomes_one_printable_line(monkeypatch):
    def refuse(_):
        raise ItemError("first\nsecond \x1b[31mred\x07")

    monkeypatch.setattr(ChipIndex, "open", refuse)

    assert only_error(run("index", "info", "x", code=3)) == r"first second \x1b[31mred\x07"


@pytest.mark.parametrize("args", [["--format", "csv"], ["--json"], []])
def test_a_reader_that_goes_away_is_no_error_message(index, args):
    code = "from stacchip_osml.app.cli import main; main()"
    with subprocess.Popen(
        [sys.executable, "-c", code, "index", "query", str(index), *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        process.stdout.close()
        stderr = process.stderr.read().decode()
        process.wait(timeout=300)

    assert process.returncode == 141
    assert [line for line in stderr.splitlines() if not line.endswith("matches")] == []


def test_what_gdal_prints_by_itself_is_no_part_of_the_results(tmp_path):
    flagged = {"driver": "NITF", "width": 9, "height": 8, "count": 1, "dtype": "uint8"}
    tre = ichipb((0, 0), (8, 9), XFRM_FLAG="01").decode()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rasterio.open(tmp_path / "a.ntf", "w", TRE=f"ICHIPB={tre}", **flagged).close()

    told = run_process("info", "--json", tmp_path / "a.ntf")

    assert "de-warped" in told.stderr  # which GDAL writes to stdout
    assert json.loads(told.stdout)["images"][0]["width"] == 9


def test_the_installed_command_gives_exit_codes_to_the_shell(index, tmp_path):
    assert run_process("index", "info", index).returncode == 0
    assert run_process("index", "info", tmp_path / "none").returncode == 4
    (tmp_path / "text.parquet").write_text("hello")
    assert run_process("index", "info", tmp_path / "text.parquet").returncode == 3
    assert run_process("index", "nonsense").returncode == 2


def test_texts_of_values():
    assert one_line("\ud800 ok") == r"\ud800 ok"
    assert [size_text(size) for size in (0, 1023, 1536, 3 * 2**30)] == ["0 B", "1023 B", "1.5 KiB", "3 GiB"]


def test_the_root_group_is_what_the_project_declares():
    assert cli.name == "stacchip-osml"
    assert list(cli.list_commands(None)) == list(COMMANDS)


def test_a_damaged_image_is_one_line_and_not_gdals_own(two_dates, tmp_path):
    damaged = tmp_path / "damaged.tif"
    damaged.write_bytes((two_dates[0].parent / "red.tif").read_bytes()[:200])
    done = run_process("index", "build", damaged, tmp_path / "out.parquet")

    assert done.returncode in (3, 4)
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("error: ")
