"""Keep the module list of architecture.md: one line a file, taken from the file itself.

python docs/list_modules.py writes it anew; a test fails while it is out of date.
"""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "architecture.md"
ROOMS = ("pixel", "chain", "imagery", "geometry", "encode", "stac", "index", "load", "app", "testing")
START, END = "<!-- modules: written by docs/list_modules.py -->\n", "<!-- end of modules -->"


def module_list() -> str:
    """Give the list as Markdown."""
    lines = []
    for room in ("", *ROOMS):
        folder = ROOT / "stacchip_osml" / room
        title = f"`{room}/`" if room else "Top level"
        init = folder / "__init__.py"
        lines += ["", f"### {title}", "", first_line(init), ""]
        lines += [f"- `{path.name}`: {first_line(path)}" for path in sorted(folder.glob("*.py")) if path != init]
        for inner in sorted(path.parent for path in folder.glob("*/__init__.py")) if room else ():
            lines += ["", f"#### `{room}/{inner.name}/`", "", first_line(inner / "__init__.py"), ""]
            lines += [f"- `{path.name}`: {first_line(path)}" for path in sorted(inner.glob("[!_]*.py"))]
    return "\n".join(lines).strip() + "\n"


def first_line(path: Path) -> str:
    """Give the first sentence that a file says of itself."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "no docstring"
    return text.splitlines()[0].replace("``", "`")


def updated(page: str) -> str:
    """Give the page with a fresh list."""
    head, rest = page.split(START)
    _, tail = rest.split(END)
    return head + START + "\n" + module_list() + "\n" + END + tail


if __name__ == "__main__":
    PAGE.write_text(updated(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
