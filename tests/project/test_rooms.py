"""Imports go one way: a room knows only rooms to its left, and foreign libraries stay where they belong."""

import ast
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "stacchip_osml"
ROOMS = ("pixel", "chain", "imagery", "geometry", "encode", "stac", "index", "load", "app")

# Library → the rooms or files that may import it.
FOREIGN = {
    "numpy": (*ROOMS, "testing"),
    "aws": ("imagery/adapters/osml.py",),
    "affine": ("imagery", "geometry", "encode", "stac", "index", "load", "app"),
    "cv2": ("imagery/resampling", "chain", "encode/codecs.py", "encode/pictures/sheet.py"),
    "rasterio": ("imagery/gdal/library.py", "imagery/gdal/joined.py", "encode/jpeg2000/codecs.py"),
    "imagecodecs": ("encode/codecs.py", "encode/jpeg2000/codecs.py", "encode/jpeg_streams.py", "imagery/blocks"),
    "isal": ("encode/codecs.py",),
    "lxml": ("imagery/xml_trees.py", "encode"),
    "obstore": ("imagery", "stac/documents.py"),
    "pyproj": ("geometry", "encode/tiff/geokeys.py", "stac/crs.py"),
    "shapely": ("geometry", "stac", "index"),
    "pystac": ("stac",),
    "pystac_client": ("stac",),
    "requests": ("stac/api.py",),
    "urllib3": ("stac",),
    "pyarrow": ("stac/geoparquet.py", "stac/plain_rows.py", "stac/arrow_columns.py", "index", "load", "app"),
    "geopandas": ("index",),
    "matplotlib": ("encode/chip.py",),
    "xarray": ("encode/chip.py",),
    "torch": ("load/torch_crew.py", "load/torch_data.py"),
    "click": ("app",),
    "tqdm": ("app",),
}


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Every module that a file names in an import statement, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import"
            yield node.lineno, node.module or ""
            # `from stacchip_osml import index` names a room too.
            if node.module == "stacchip_osml":
                yield from ((node.lineno, f"stacchip_osml.{alias.name}") for alias in node.names)


def room_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE).parts
    return parts[0] if len(parts) > 1 else ""


def breaches(path: Path) -> list[str]:
    room = room_of(path)
    if not room:  # the top level: errors.py stands left of all rooms, __init__.py and __main__.py right
        reachable = set(ROOMS) if path.name in {"__init__.py", "__main__.py"} else set()
    elif room == "testing":
        reachable = {"pixel", "imagery"}
    else:
        reachable = set(ROOMS[: ROOMS.index(room) + 1])
    place = path.relative_to(PACKAGE).as_posix()
    found = []
    for line, name in imports(path):
        top, *rest = name.split(".")
        if top == "stacchip_osml":
            target = rest[0] if rest else ""
            if target in {*ROOMS, "testing"} and target not in reachable | {room}:
                found.append(f"{place}:{line} imports {name}: {room or 'errors'} may not know {target}")
        elif top not in sys.stdlib_module_names and not any(
            place == allowed or place.startswith(f"{allowed}/") for allowed in FOREIGN.get(top, ())
        ):
            found.append(f"{place}:{line} imports {name}: allowed in {', '.join(FOREIGN.get(top, ())) or 'no file'}")
    return found


def test_every_room_imports_only_rooms_to_its_left_and_libraries_it_may_have():
    found = [breach for path in sorted(PACKAGE.rglob("*.py")) for breach in breaches(path)]

    assert found == []


def test_modules_import_each_other_in_no_circle():
    """Imports in functions and for annotations count: they would only hide one."""
    graph = {}
    for path in PACKAGE.rglob("*.py"):
        place = path.relative_to(PACKAGE).as_posix()
        if path.name != "__init__.py":  # names of a room are found when they are asked for
            files = {f"{name.removeprefix('stacchip_osml.').replace('.', '/')}.py" for _, name in imports(path)}
            graph[place] = {file for file in files if (PACKAGE / file).is_file()}

    TopologicalSorter(graph).prepare()  # raises CycleError, which names it


def test_every_folder_of_the_package_is_a_room():
    folders = {path.parent.relative_to(PACKAGE).parts[0] for path in PACKAGE.glob("*/*.py")}

    assert folders == {*ROOMS, "testing"}


@pytest.mark.parametrize(
    ("place", "text", "message"),
    [
        ("stac/new.py", "from stacchip_osml.index import ChipIndex", "stac may not know index"),
        ("pixel/new.py", "def f():\n    import rasterio", "allowed in imagery/gdal/library.py"),
        ("index/new.py", "import torch", "allowed in load/torch_crew.py, load/torch_data.py"),
        ("errors.py", "from stacchip_osml.pixel import PixelWindow", "errors may not know pixel"),
        ("load/new.py", "from stacchip_osml import app", "load may not know app"),
    ],
)
def test_a_breach_would_be_seen(tmp_path, monkeypatch, place, text, message):
    monkeypatch.setattr(sys.modules[__name__], "PACKAGE", tmp_path)
    path = tmp_path / place
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)

    (breach,) = breaches(path)

    assert message in breach
