"""What a user or packager relies on: quick imports, documented names, one version, small files."""

import ast
import importlib
import inspect
import json
import pkgutil
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import stacchip_osml

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "stacchip_osml"
HEAVY = {
    "rasterio",
    "pyarrow",
    "geopandas",
    "pandas",
    "cv2",
    "shapely",
    "pyproj",
    "matplotlib",
    "xarray",
    "pystac",
    "pystac_client",
    "stac_geoparquet",
    "imagecodecs",
    "tifffile",
    "obstore",
    "requests",
    "tqdm",
    "click",
    "torch",
}
LONGEST_FILE = 400


def loaded_by(statement: str) -> set[str]:
    code = f"import sys, json; {statement}; print(json.dumps(sorted({{m.split('.')[0] for m in sys.modules}})))"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


@pytest.mark.parametrize(
    "statement", ["import stacchip_osml", "import stacchip_osml.errors", "import stacchip_osml.pixel"]
)
def test_importing_the_package_loads_no_imagery_or_table_library(statement):
    assert loaded_by(statement) & HEAVY == set()


@pytest.mark.parametrize(
    ("names", "more"), [("ChipIndex, Indexer", {"affine", "attrs"}), ("ChipIndex, Chipper, Indexer", set())]
)
def test_the_everyday_names_are_loaded_on_first_use(names, more):
    found = loaded_by(f"from stacchip_osml import {names}")

    assert "pyarrow" in found
    # before a file is opened that blocks alone do not serve, a place looked up; every chip has a transform
    assert found & (HEAVY - {"pyarrow"} | {"http", "lxml", "urllib3"} | more) == set()


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        _ = stacchip_osml.Nonsense


def test_no_file_is_longer_than_400_lines():
    folders = ("stacchip_osml", "tests", "indexes", "docs")
    lengths = {path: path.read_text().count("\n") for folder in folders for path in (ROOT / folder).rglob("*.py")}

    assert {str(path): lines for path, lines in lengths.items() if lines > LONGEST_FILE} == {}


def test_the_version_is_said_once_and_the_changelog_knows_it():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    changelog = (ROOT / "CHANGELOG.md").read_text()

    assert "version" not in project, "the version lives in stacchip_osml/__init__.py"
    assert "version" in project["dynamic"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", stacchip_osml.__version__)
    assert "## [Unreleased]" in changelog or f"## [{stacchip_osml.__version__}]" in changelog


def test_every_library_that_is_imported_is_a_declared_dependency():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = list(project["dependencies"])
    for requirements in project["optional-dependencies"].values():
        wanted += requirements
    declared = {re.split(r"[<>=!~\[; ]", text)[0].lower().replace("-", "_") for text in wanted}
    distribution = {"aws": "osml_imagery_io", "cv2": "opencv_python_headless"}
    imported = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add((node.module or "").split(".")[0])
    foreign = imported - set(sys.stdlib_module_names) - {"stacchip_osml"}

    assert {distribution.get(name, name) for name in foreign} - declared == set()


def public_modules():
    for module in pkgutil.walk_packages([str(PACKAGE)], "stacchip_osml."):
        yield importlib.import_module(module.name)


def test_every_module_and_public_name_is_documented():
    bare = []
    for module in public_modules():
        if not inspect.getdoc(module):
            bare.append(module.__name__)
        for name in getattr(module, "__all__", ()):
            thing = getattr(module, name)
            if not (inspect.isclass(thing) or inspect.isfunction(thing)):
                continue
            if not thing.__doc__ or thing.__doc__.startswith(f"{name}("):  # what dataclass writes by itself
                bare.append(f"{module.__name__}.{name}")
            if inspect.isclass(thing) and thing.__module__.startswith("stacchip_osml"):
                bare += [
                    f"{module.__name__}.{name}.{member}"
                    for member, value in vars(thing).items()
                    if not member.startswith("_")
                    and (inspect.isfunction(value) or isinstance(value, (property, classmethod, staticmethod)))
                    and not inspect.getdoc(getattr(thing, member))
                    and not getattr(thing, "_is_protocol", False)
                ]

    assert bare == []


def test_every_name_in_all_exists():
    missing = [
        f"{module.__name__}.{name}"
        for module in [stacchip_osml, *public_modules()]
        for name in getattr(module, "__all__", ())
        if not hasattr(module, name)
    ]

    assert missing == []


def test_no_public_name_is_hidden_by_a_module_of_that_name():
    """``from room import name`` gives the submodule, once it is loaded, where both have one name."""
    list(public_modules())
    hidden = [
        f"{module.__name__}.{name}"
        for module in [stacchip_osml, *public_modules()]
        for name in getattr(module, "__all__", ())
        if inspect.ismodule(getattr(module, name))
    ]

    assert hidden == []


def test_no_code_prints_or_leaves_work_undone():
    wrong = []
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text()
        wrong += [f"{path}: {word}" for word in ("TODO", "FIXME", "XXX", "raise NotImplementedError") if word in text]
        wrong += [
            f"{path}:{node.lineno}: print"
            for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
        ]

    assert wrong == []
