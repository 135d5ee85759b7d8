"""Files of an index that nobody needs: what killed writers left, and what no version names."""

import errno
import os
import time

import numpy as np
import pytest

from stacchip_osml import ChipIndex, Indexer
from stacchip_osml.encode import atomic
from stacchip_osml.index import files

WEEK_S = 7 * 86_400


@pytest.fixture
def index(write_tiff):
    return Indexer(write_tiff("a.tif", np.ones((90, 90), np.uint8)), 10).create_index()


@pytest.mark.parametrize("form", ["index.parquet", "index"])
def test_the_next_writer_removes_what_a_killed_one_left_long_ago(index, tmp_path, form):
    index.save(tmp_path / form)
    folders = {file.parent for file in tmp_path.rglob("*") if file.suffix in {".parquet", ".json"}}
    for folder in folders:
        for end, age in (("a", 0), ("b", 90_000)):
            left = folder / f".writing-000000000000000{end}.tmp"
            left.touch()
            os.utime(left, (time.time() - age,) * 2)
    atomic._clear.cache_clear()
    index.save(tmp_path / form)

    assert {(file.parent, file.stem[-1]) for file in tmp_path.rglob("*.tmp")} == {(folder, "a") for folder in folders}


def test_whole_files_that_a_killed_writer_left_are_removed_a_week_later(index, tmp_path):
    path = tmp_path / "index"
    index.save(path)
    part = next(path.rglob("part-*.parquet"))
    names = ["part-00000002-0123abcd-00000", "part-00000002-0123abce-00000", "mine"]
    left = [part.with_name(f"{name}.parquet") for name in names]
    for file, age in zip(left, (WEEK_S + 60, WEEK_S - 600, WEEK_S + 60), strict=True):
        file.touch()
        os.utime(file, (time.time() - age,) * 2)
    for file in path.rglob("*-00000001-*.parquet"):  # those that are in use may be as old
        os.utime(file, (0, 0))
    index.head(5).save(path)

    assert [file.exists() for file in left] == [False, True, True]
    assert part.exists()  # of the version before
    assert ChipIndex.open(path).check() == []


@pytest.mark.parametrize("error", [KeyboardInterrupt("now"), OSError(errno.EIO, "now")])
@pytest.mark.parametrize("write", ["rows", "headers"])
def test_what_fails_when_the_version_is_there_already_takes_no_file_of_it(index, tmp_path, monkeypatch, write, error):
    path = tmp_path / "index"
    index.save(path)
    changed = ChipIndex.open(path).with_headers() if write == "headers" else index.head(5)

    def fail(place):
        if place.name == "versions":
            raise error

    monkeypatch.setattr(files, "_sync", fail)
    with pytest.raises(type(error), match="now"):
        changed.save(path)

    opened = ChipIndex.open(path)
    assert files.latest_version(path) == 2
    assert len(opened.to_arrow()) == len(changed)
    assert opened.check() == []
