"""index build --headers, and index headers."""

import pytest
from cli_scenes import make_item, only_error, run, run_json

from stacchip_osml import ChipIndex
from stacchip_osml.imagery.blocks.layout import LevelLayout

BUILD = ("--chip-size", 16, "--assets", "red,nir", "--quality", "scl")


def stored(path):
    return {key[1:]: header.stored for key, header in ChipIndex.open(path).tables.headers.items()}


@pytest.fixture
def without(two_dates, tmp_path):
    """Paths of an index without headers: a file, and a directory."""
    for name in ("index.parquet", "index"):
        run("index", "build", *two_dates, tmp_path / name, *BUILD)
    return tmp_path


def test_build_stores_the_headers_of_all_assets_the_class_band_too(two_dates, tmp_path, index):
    run("index", "build", *two_dates, tmp_path / "out.parquet", *BUILD, "--headers")
    found = ChipIndex.open(tmp_path / "out.parquet")

    assert found.to_arrow().equals(ChipIndex.open(index).to_arrow())
    assert {key[2] for key in found.tables.headers} == {"red", "nir", "scl"}
    for header in found.tables.headers.values():
        facts, layout = header.unpack()
        assert facts.size == header.image.size
        assert all(isinstance(level, LevelLayout) for level in layout.levels)


def test_headers_that_may_not_be_read_cannot_be_stored(two_dates, tmp_path):
    result = run("index", "build", two_dates[0], tmp_path / "x.parquet", "--headers", "--no-read-headers", code=2)

    assert "--headers opens every image, which --no-read-headers forbids" in only_error(result)


@pytest.mark.parametrize("name", ["index.parquet", "index"])
def test_headers_are_added_where_they_lack_and_only_once(without, name):
    path = without / name
    before = ChipIndex.open(path).to_arrow()
    assert set(stored(path).values()) == {None}
    assert run_json("index", "headers", path, "--dry-run") == {"path": str(path), "images": 6, "had": 0, "lacking": 6}
    assert "6 of 6 images lack a stored header" in run("index", "headers", path, "--dry-run").stdout
    assert set(stored(path).values()) == {None}

    answer = run_json("index", "headers", path, "--threads", 2)

    assert answer == {
        "path": str(path), "images": 6, "had": 0, "added": 6, "levels": 6, "levels_with_blocks": 6, "problems": [],
    }  # fmt: skip
    assert None not in stored(path).values()
    assert ChipIndex.open(path).to_arrow().equals(before)
    files = sorted(path.rglob("*") if path.is_dir() else [path])
    times = [file.stat().st_mtime_ns for file in files]
    again = run("index", "headers", path)
    assert "0 headers added, 6 were there; 6 of 6 levels are read by blocks" in again.stdout
    assert [file.stat().st_mtime_ns for file in files] == times


def test_a_portable_index_gets_headers_without_times(without):
    path = without / "index.parquet"
    run("index", "headers", path, "--portable")

    assert {header.modified_ns for header in stored(path).values()} == {None}
    assert {len(header.fingerprint) for header in stored(path).values()} == {32}


def test_images_that_cannot_be_read_stay_without(tmp_path):
    item = make_item(tmp_path / "catalog", "only", seed=1, date="2025-05-01T10:00:00Z")
    path = tmp_path / "index"
    run("index", "build", item, path, "--chip-size", 16, "--assets", "red,nir")
    (gone,) = [path for path in item.parent.rglob("*nir*") if path.is_file()]
    gone.unlink()

    assert "no such file" in only_error(run("index", "headers", path, code=4))
    assert set(stored(path).values()) == {None}
    result = run("index", "headers", path, "--on-error", "skip", code=1)
    assert "1 headers added, 0 were there" in result.stdout
    assert result.stderr.splitlines()[0] == "1 without a header:"
    assert stored(path)["only", "nir"] is None
    assert stored(path)["only", "red"] is not None
    answer = run_json("index", "headers", path, "--on-error", "skip", code=1)
    assert (answer["added"], answer["had"]) == (0, 1)
    assert answer["problems"][0]["error"] == "AssetMissing"


def test_a_path_that_is_no_index_is_exit_code_3(tmp_path):
    assert "no such file or directory" in only_error(run("index", "headers", tmp_path / "none", code=4))
