"""What a version says of its files: enough to pass them by, and never taken for another file's."""

import json
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyproj
import pytest

from stacchip_osml import ChipIndex, Indexer, merge
from stacchip_osml.errors import IndexSchemaError
from stacchip_osml.index import files, merged, order, parquet
from stacchip_osml.index.parts import Part, PartRecord

EAST = (14.9, 40, 15.1, 50)
"""Meets the rows of the last place only."""


@pytest.fixture(scope="module")
def index(make_item):
    items = [
        make_item(f"{zone}-{day}", crs=f"EPSG:326{zone}", when=f"2025-05-{day:02d}T12:00:00Z")
        for zone in ("31", "32", "33") for day in (1, 20)
    ]  # fmt: skip
    return Indexer(items, 50).create_index()


@pytest.fixture
def saved(index, tmp_path, small_parts):
    return index.save(tmp_path / "index")


@pytest.fixture
def small_parts(monkeypatch):
    """Row groups of 50 rows, three a file."""
    monkeypatch.setattr(parquet, "ROW_GROUP", 50)
    monkeypatch.setattr(order, "PART_ROWS", 150)


def beside_the_earth(make_item):
    """Give an item of chips without a place, whose row groups have no bounds."""
    item = make_item("far", size=(1000, 1000), transform=(1000, 0, 6_000_000, 0, -1000, 6_000_000))
    wkt = pyproj.CRS("+proj=geos +h=35786023 +lon_0=-75 +sweep=x +ellps=GRS80").to_wkt()
    item["properties"] |= {"proj:code": None, "proj:wkt2": wkt}
    return item


def version_of(path):
    return max((path / "versions").iterdir())


def change_version(path, change):
    version = version_of(path)
    document = json.loads(version.read_text())
    change(document["chips"])
    version.write_text(json.dumps(document))


def last_file(path):
    return Path(ChipIndex.open(path)._store.parts[-1].name)


def parsed(index):
    """Tell which files' footers have been parsed."""
    return ["metadata" in vars(part) for part in index._store.parts]


def require_true_records(path):
    """Compare what the last version says of each file with the file."""
    for part in ChipIndex.open(path)._store.parts:
        alone = Part(part.name)
        assert alone.size_bytes == part.record.size_bytes
        np.testing.assert_array_equal(alone.groups, part.record.groups)


def test_opening_parses_one_footer_and_a_query_those_of_files_that_could_match(saved, index):
    opened = ChipIndex.open(saved)
    assert len(opened) == len(index)
    assert parsed(opened) == [True] + [False] * 12

    found = opened.query(bbox=EAST)
    assert found.to_arrow().equals(index.query(bbox=EAST).to_arrow())
    assert 0 < len(found) < len(index) / 2
    assert True in parsed(opened)[1:]
    assert parsed(opened).count(True) < 7


def test_a_large_collection_is_written_as_several_files_of_whole_row_groups(saved, index):
    opened = ChipIndex.open(saved)
    groups = [part.groups["rows"].tolist() for part in opened._store.parts]

    assert groups == [[50, 50, 50]] * 12 + [[50, 50, 20]]
    assert opened.to_arrow().equals(index.to_arrow())


def test_files_are_of_one_collection_whatever_the_chunks_were(make_item):
    items = [make_item("A", collection=name) for name in ("a", "b", None)]
    table = Indexer(items, 100).create_index().to_arrow()
    for rows in (7, 80, 1000):
        chunks = [table.slice(first, rows) for first in range(0, len(table), rows)]
        for full in (3, 80, 100):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(order, "PART_ROWS", full)
                found = [(name, pa.concat_tables(pieces)) for name, pieces in order.by_part(iter(chunks))]
            assert pa.concat_tables(piece for _, piece in found).equals(table)
            for name, piece in found:
                assert piece.column("collection").unique().to_pylist() == [name]
                assert len(piece) <= full
            assert len(found) == 3 * -(-80 // full)


def test_what_is_said_is_true_of_every_version(index, saved, make_item, tmp_path, monkeypatch):
    require_true_records(saved)
    ChipIndex.open(saved).append(Indexer(beside_the_earth(make_item), 50).create_index())
    require_true_records(saved)
    files.replace_headers(saved, 2, ChipIndex.open(saved).tables)
    require_true_records(saved)
    assert int(version_of(saved).stem) == 3

    other = Indexer(make_item("other", collection="more"), 40).create_index().save(tmp_path / "other")
    monkeypatch.setattr(merged, "IN_MEMORY", 10)
    united = merge(saved, other)
    united.save(tmp_path / "united")
    require_true_records(tmp_path / "united")
    opened = ChipIndex.open(tmp_path / "united")
    assert opened.to_arrow().to_pylist() == united.to_arrow().to_pylist()
    assert opened.query(bbox=EAST, columns=["id"]).equals(index.query(bbox=EAST, columns=["id"]))


def test_an_index_that_was_copied_opens_elsewhere(saved, index, tmp_path):
    shutil.copytree(saved, tmp_path / "far" / "away")
    shutil.rmtree(saved)

    assert ChipIndex.open(tmp_path / "far" / "away").to_arrow().equals(index.to_arrow())


def test_a_reader_keeps_its_version_though_its_footers_were_not_read(saved, index):
    opened = ChipIndex.open(saved)
    for rows in (3, 4, 5):
        index.head(rows).save(saved)

    assert parsed(opened).count(True) == 1
    assert opened.to_arrow().equals(index.to_arrow())
    assert len(ChipIndex.open(saved)) == 5


def test_threads_that_touch_a_file_first_get_the_same_rows(saved, index):
    opened = ChipIndex.open(saved)
    barrier = threading.Barrier(8)

    def ask(_):
        barrier.wait()
        return opened.query(bbox=EAST, columns=["id"])

    with ThreadPoolExecutor(8) as pool:
        assert all(found.equals(index.query(bbox=EAST, columns=["id"])) for found in pool.map(ask, range(8)))


def test_a_missing_file_is_named_when_the_index_is_opened(saved):
    name = ChipIndex.open(saved)._store.parts[5].name
    Path(name).unlink()
    with pytest.raises(IndexSchemaError, match=rf"{name}: no such file"):
        ChipIndex.open(saved)


def test_a_file_of_another_size_is_named_when_the_index_is_opened(saved):
    last = last_file(saved)
    last.write_bytes(last.read_bytes() + b"PAR1")
    with pytest.raises(IndexSchemaError, match=rf"{last}: not the file that was committed: it has \d+ bytes, not \d+"):
        ChipIndex.open(saved)


def test_another_file_of_the_same_size_is_never_read_from(saved, index):
    last = last_file(saved)
    data = bytearray(last.read_bytes())
    data[-20] ^= 1
    last.write_bytes(data)
    opened = ChipIndex.open(saved)

    with pytest.raises(IndexSchemaError, match=rf"{last}: not the file that was committed: its footer is another"):
        opened.to_arrow()
    assert opened.row(0) == index.row(0)


@pytest.mark.parametrize("tail", [bytes(8), b"nope", b"\xff\xff\xff\x7fPAR1"])
def test_a_file_that_does_not_end_as_parquet_is_named(saved, tail):
    last = last_file(saved)
    last.write_bytes(last.read_bytes()[: -len(tail)] + tail)
    with pytest.raises(IndexSchemaError, match=rf"{last}: not a Parquet file"):
        ChipIndex.open(saved).to_arrow()


def _swap(entries):
    entries[0]["groups"], entries[1]["groups"] = entries[1]["groups"], entries[0]["groups"]


def _rename(entries):
    entries[0]["name"], entries[1]["name"] = entries[1]["name"], entries[0]["name"]


@pytest.mark.parametrize(
    "change",
    [
        _swap,
        _rename,
        lambda entries: entries[0].update(groups="A" + entries[0]["groups"][1:]),
        lambda entries: entries[0].update(groups=""),
        lambda entries: entries[0].update(size_bytes=entries[0]["size_bytes"] + 1),
        lambda entries: entries[0].update(footer=entries[1]["footer"]),
        lambda entries: entries[0].update(checksum="0" * 16),
    ],
)
def test_what_was_said_of_another_file_is_refused(saved, change):
    change_version(saved, change)
    with pytest.raises(IndexSchemaError, match=rf"{version_of(saved)}: what it says of chips/.* fails its checksum"):
        ChipIndex.open(saved)


@pytest.mark.parametrize(
    "entry",
    ["chips/part.parquet", None, 3, [], {}, {"name": "x"}, {"groups": "A"}, {"groups": "AAAA"}, {"groups": "ÄÄ"}],
)
def test_a_version_that_says_nothing_of_its_files_is_refused(saved, entry):
    def damage(entries):
        entries[0] = {**entries[0], **entry} if isinstance(entry, dict) and "groups" in entry else entry

    change_version(saved, damage)
    with pytest.raises(IndexSchemaError, match=rf"{version_of(saved)}: not readable"):
        ChipIndex.open(saved)


def test_a_file_with_other_columns_is_named(saved):
    last = last_file(saved)
    table = pq.read_table(last, partitioning=None)
    metadata = pq.read_metadata(last).metadata
    table = table.append_column("label", pa.array(range(len(table)))).replace_schema_metadata(metadata)
    pq.write_table(table, last)
    change_version(saved, lambda entries: entries.append(PartRecord.of(entries.pop()["name"], last).to_json()))

    with pytest.raises(IndexSchemaError, match=rf"{last}: its columns differ from the first part's in label"):
        ChipIndex.open(saved).to_arrow()
