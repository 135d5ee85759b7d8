"""What ``check`` finds, and what an index tells of itself."""

import html
import json
import os
import pickle

import numpy as np
import pyarrow as pa
import pytest

from stacchip_osml import ChipIndex, Indexer, merge
from stacchip_osml.errors import IndexSchemaError


@pytest.fixture(scope="module")
def index(build):
    return build("A", "B", chip_size=200, levels=(0, 1))


def changed(index, name, change):
    table = index.to_arrow()
    column = table.column(name).to_pylist()
    kind = table.schema.field(name).type
    values = pa.array(change(column), kind.value_type if pa.types.is_dictionary(kind) else kind)
    values = values.dictionary_encode() if pa.types.is_dictionary(kind) else values
    return ChipIndex.from_table(table.set_column(table.schema.names.index(name), name, values), index.tables)


def with_first(value):
    return lambda column: [value, *column[1:]]


@pytest.mark.parametrize(
    ("column", "change", "message"),
    [
        ("id", lambda c: [c[1], *c[1:]], "column 'id': ids are not unique (row 0, 2 rows)"),
        ("id", with_first(None), "column 'id': must not be null (row 0)"),
        ("item_id", with_first("Z"), "column 'item_id': item 'sensor/Z' is not among the items"),
        ("assets", with_first("nir"), "column 'assets': asset 'nir' of item 'sensor/A' has no header"),
        ("chain", with_first("display-1"), "column 'chain': chain 'display-1' is not in the registry"),
        ("col_off", with_first(99_999), "column 'col_off': window lies outside the image (row 0)"),
        ("row_off", with_first(-200), "column 'row_off': window lies outside the image (row 0)"),
        ("width", with_first(0), "column 'width': must be positive (row 0)"),
        ("cloud_fraction", with_first(1.5), "column 'cloud_fraction': must be 0 to 1 (row 0)"),
        ("nodata_fraction", with_first(-0.1), "column 'nodata_fraction': must be 0 to 1 (row 0)"),
        ("geometry", with_first(b"nonsense"), "column 'geometry': is not a valid WKB geometry (row 0)"),
        ("level", with_first(77), "column 'level': must be 0 to 30 (row 0)"),
    ],
)
def test_check_names_column_and_row(index, column, change, message):
    assert index.check() == []
    assert message in [str(finding) for finding in changed(index, column, change).check()]


def test_check_finds_a_box_that_does_not_cover_its_footprint(index):
    def shrink(boxes):
        return [boxes[0] | {"xmin": boxes[0]["xmin"] + 1e-3}, *boxes[1:]]

    assert str(changed(index, "bbox", shrink).check()[0]) == "column 'bbox': xmin does not cover the geometry (row 0)"


def test_check_finds_rows_out_of_order(index):
    table = index.to_arrow().take(pa.array(np.arange(len(index))[::-1]))
    turned = ChipIndex.from_table(table, index.tables)

    assert "not in index order" in str(turned.check()[0])
    assert merge(turned).check() == [], "what the finding advises"


def test_check_opens_the_files_if_asked(write_tiff):
    path = write_tiff("a.tif", np.ones((64, 64), np.uint8))
    index = Indexer(path, 32).create_index()
    assert index.check(files=True) == []
    os.utime(path, ns=(0, 0))
    assert "not the file that was indexed: " in str(index.check(files=True)[0])
    path.write_bytes(path.read_bytes()[:1000])
    assert "found 1000" in str(index.check(files=True)[0])
    path.unlink()
    assert "a.tif" in str(index.check(files=True)[0])


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"size": (96, 64)}, "proj:shape is [64, 96], but"),
        ({"crs": "EPSG:32633"}, "its CRS is EPSG:32633, but"),
        ({"transform": (20, 0, 500_000, 0, -20, 5_000_000)}, "puts a corner"),
    ],
)
def test_check_finds_files_that_are_not_what_their_items_say(make_item, write_tiff, facts, message):
    href = str(write_tiff("a.tif", np.ones((64, 64), np.uint8)))
    index = Indexer(make_item(**{"size": (64, 64), **facts}, href=href), 32, read_headers=False).create_index()

    assert index.check() == []
    (finding,) = index.check(files=True)
    assert str(finding).startswith("sensor/A/red: ")
    assert message in str(finding)


def test_an_index_tells_a_person_what_is_in_it(index, tmp_path):
    text = repr(index)

    assert text.startswith(f"ChipIndex of {len(index)} chips from 2 items")
    for told in ("sensor (", "2025-05-01T10:00:00Z", "0 (40)", "1 (8)", "raw (", "in memory"):
        assert told in text
    index.save(tmp_path / "i.parquet")
    assert "B a chip in" in repr(ChipIndex.open(tmp_path / "i.parquet"))
    json.dumps(index.summary.to_json())


def test_the_notebook_table_escapes_what_items_say(make_item):
    name = "<script>alert(1)</script>"
    told = Indexer(make_item("A", collection=name), 200).create_index()._repr_html_()

    assert name not in told
    assert html.escape(name) in told


def test_users_columns_are_theirs_and_schema_columns_are_not(index):
    labelled = index.with_column("label", ["x"] * len(index)).with_column("label", list(range(len(index))))

    assert labelled.columns[-1] == "label"
    assert labelled.query(where="label < 3").to_arrow().column("label").to_pylist() == [0, 1, 2]
    with pytest.raises(IndexSchemaError, match="column 'level' belongs to the chip schema"):
        index.with_column("level", [0] * len(index))
    with pytest.raises(IndexSchemaError, match="column 'label' has 1 values, the index 48 chips"):
        index.with_column("label", [1])


def test_an_index_pickles_in_memory_and_on_disk(index, tmp_path):
    index.save(tmp_path / "i")
    for one in (index, ChipIndex.open(tmp_path / "i")):
        two = pickle.loads(pickle.dumps(one))
        assert two.to_arrow().equals(one.to_arrow())
        assert two.tables == one.tables


def test_chips_become_stac_items(index):
    import pystac

    documents = list(index.to_stac())
    first = pystac.Item.from_dict(documents[0])

    assert [document["id"] for document in documents] == index.to_arrow().column("id").to_pylist()
    assert first.properties["proj:shape"] == [200, 200]
    assert first.properties["proj:transform"][:6] == [10, 0, 500_000, 0, -10, 5_000_000]
    assert documents[-1]["properties"]["proj:transform"][0] == 20
    assert first.properties["chip:item_id"] == "A"
