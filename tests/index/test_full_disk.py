"""Items whose chips are not all on the ground: rows without a place are rows all the same."""

import numpy as np
import pyarrow.compute as pc
import pyproj
import pytest
import shapely

from stacchip_osml import ChipIndex, Indexer

GEOS = "+proj=geos +h=35786023 +lon_0=-75 +sweep=x +ellps=GRS80"
DISK = {"size": (1000, 1000), "transform": (11_000, 0, -5_500_000, 0, -11_000, 5_500_000), "crs": None}


@pytest.fixture
def make_disk(make_item):
    def made(item_id, **facts):
        item = make_item(item_id, **{**DISK, **facts})
        item["properties"] |= {"proj:code": None, "proj:wkt2": pyproj.CRS(GEOS).to_wkt()}
        return item

    return made


def shapes(table):
    return shapely.from_wkb(table.column("geometry").to_numpy(zero_copy_only=False))


def test_rows_off_the_disk_have_no_geometry_and_the_others_have_theirs(make_disk, tmp_path):
    index = Indexer(make_disk("disk"), 50).create_index()
    assert len(index) == 400
    index.save(tmp_path / "disk.parquet")
    table = ChipIndex.open(tmp_path / "disk.parquet").to_arrow()

    absent = np.asarray(pc.is_null(table.column("geometry")))
    assert 60 < absent.sum() < 120
    for name in ("bbox", "footprint"):
        np.testing.assert_array_equal(np.asarray(pc.is_null(table.column(name))), absent)
    assert set(table.column("footprint").to_pylist()) == {None, "projected"}
    assert shapely.is_valid(shapes(table)[~absent]).all()
    assert table.column("gsd").null_count == 0
    assert ChipIndex.open(tmp_path / "disk.parquet").check() == []


def test_an_item_wholly_off_the_ground_is_indexed_without_places(make_disk):
    far = make_disk("far", transform=(1000, 0, 6_000_000, 0, -1000, 6_000_000))
    index = Indexer(far, 250).create_index()
    table = index.to_arrow()

    assert len(table) == 16
    for name in ("geometry", "bbox", "footprint", "gsd"):
        assert table.column(name).null_count == 16
    assert index.check() == []


def test_a_disk_shares_an_index_with_tiles(make_item, make_disk):
    index = Indexer([make_disk("disk"), make_item("tile")], 200).create_index()

    assert {row["item_id"] for row in index.to_arrow().select(["item_id"]).to_pylist()} == {"disk", "tile"}
    assert index.check() == []


def test_a_search_finds_the_rows_that_have_a_place_only(make_disk):
    index = Indexer(make_disk("disk"), 50).create_index()
    present = len(index) - index.to_arrow().column("geometry").null_count

    assert len(index.query(bbox=(-180, -90, 180, 90))) == present
    assert len(index.query(intersects=shapely.box(-180, -90, 180, 90))) == present
    assert len(index.query(bbox=(-80, -4, -70, 4))) == 8
