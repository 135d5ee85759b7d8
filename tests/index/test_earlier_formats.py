"""Indexes that an earlier version wrote: said to be such, and replaced when that is asked for."""

import json

import pyarrow.parquet as pq
import pytest

from stacchip_osml import ChipIndex, Indexer
from stacchip_osml.errors import IndexSchemaError
from stacchip_osml.index.files import latest_version, require_replaceable


@pytest.fixture
def index(make_item):
    return Indexer([make_item("A")], 100).create_index()


@pytest.fixture(params=["old.parquet", "old"])
def old(request, index, tmp_path):
    """An index with the number of the format before, and without columns that it did not have."""
    path = tmp_path / request.param
    index.save(path)
    if path.is_dir():
        document = path / "versions" / "00000001.json"
        document.write_text(json.dumps({**json.loads(document.read_text()), "format": 1}))
        return path
    table = pq.read_table(path).drop_columns(["start_datetime", "end_datetime"])
    metadata = dict(pq.read_metadata(path).metadata)
    metadata[b"stacchip_osml"] = json.dumps({**json.loads(metadata[b"stacchip_osml"]), "version": 1}).encode()
    pq.write_table(table.replace_schema_metadata(metadata), path)
    return path


def test_it_says_that_it_has_to_be_built_again(old):
    with pytest.raises(IndexSchemaError, match=r"an index of an earlier version \(format 1\); build it again"):
        ChipIndex.open(old)


def test_it_is_an_index_that_another_takes_the_place_of(old, index):
    require_replaceable(old)
    index.save(old)

    assert ChipIndex.open(old).to_arrow().equals(index.to_arrow())
    assert old.is_file() or latest_version(old) == 2
