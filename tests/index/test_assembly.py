"""One table of many grids: the same rows as of each item by itself, in order."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyproj
import pytest

from stacchip_osml import ChipIndex, Indexer
from stacchip_osml.index import assembly, merge
from stacchip_osml.index.rows import Kept
from stacchip_osml.index.schema import DICTIONARY_COLUMNS

AWAY = {"collection": "other", "crs": "EPSG:32633"}


def scenes(make_item):
    """Give items of several collections, places, dates and grids; some have no place on the ground."""
    found = [make_item(f"T{n}", size=(300 + n, 250), transform=(10, 0, 4e5 + 2e4 * n, 0, -10, 5e6)) for n in range(5)]
    found += [make_item(f"D{day}", when=f"2025-05-0{day}T10:00:00Z") for day in (3, 1, 2)]
    found.append(make_item("big", size=(4000, 3000), **AWAY))
    found.append(make_item("bare", collection=None))
    globe = "+proj=ortho +lat_0=0 +lon_0=0 +ellps=WGS84"
    found.append(make_item("globe", size=(1400, 1400), transform=(1e4, 0, -7e6, 0, -1e4, 7e6)))
    found[-1]["properties"].pop("proj:code")
    found[-1]["properties"]["proj:wkt2"] = pyproj.CRS(globe).to_wkt("WKT2_2019")
    return found


def built(items, **options) -> ChipIndex:
    return Indexer(items, 100, **options).create_index()


@pytest.mark.parametrize("options", [{}, {"levels": (0, 2), "edges": "pad", "stride": 70}])
@pytest.mark.parametrize("run", [(1, 1), (200, 2**20), (assembly.RUN_ROWS, assembly.RUN_BYTES)])
def test_items_together_are_the_same_rows_as_merged_one_by_one(make_item, monkeypatch, options, run):
    items = scenes(make_item)
    monkeypatch.setattr(assembly, "RUN_ROWS", run[0])
    monkeypatch.setattr(assembly, "RUN_BYTES", run[1])

    together = built(items, read_headers=False, **options).to_arrow()

    together.validate(full=True)
    apart = merge(*(built([item], read_headers=False, **options) for item in items)).to_arrow()
    assert together.equals(apart.cast(together.schema))
    assert 0 < together.column("geometry").null_count < len(together)


def test_words_stand_in_order_and_each_is_used(make_item):
    table = built(scenes(make_item)[:9], read_headers=False).to_arrow()

    for name in DICTIONARY_COLUMNS:
        assert table.column(name).num_chunks == 1
        words = table.column(name).chunk(0).dictionary.to_pylist()
        assert words == sorted(set(table.column(name).cast(pa.string()).to_pylist()) - {None})


def test_no_rows_are_an_empty_table_without_words(make_item):
    table = built([make_item("small", size=(50, 50))], read_headers=False).to_arrow()

    assert table.num_rows == 0
    assert table.schema.equals(built([], read_headers=False).to_arrow().schema)


def test_rows_that_are_too_empty_are_left_out_of_some_items_and_not_of_others(make_item, write_tiff):
    items = []
    for name, valid in (("full", 400), ("half", 200), ("none", 0)):
        codes = np.full((400, 400), 4, np.uint8)
        codes[:, valid:] = 0
        path = write_tiff(f"{name}.tif", codes)
        item = make_item(name, size=(400, 400), assets=("red", "scl"))
        item["assets"]["scl"]["href"] = str(path)
        items.append(item)
    options = {"assets": ["red"], "quality": "scl", "roots": ["/"]}

    table = built(items, max_nodata=0.5, **options).to_arrow()

    everything = built(items, **options).to_arrow()
    assert len(everything) == 48
    assert table.column("item_id").to_pylist().count("full") == 16
    assert table.column("item_id").to_pylist().count("half") == 8
    assert table.column("item_id").chunk(0).dictionary.to_pylist() == ["full", "half"]
    kept = everything.filter(pc.less_equal(everything.column("nodata_fraction"), 0.5))
    assert table.column("id").to_pylist() == kept.column("id").to_pylist()


def test_what_was_made_for_the_last_keys_is_kept():
    kept, made = Kept(2), []

    def make(key):
        made.append(key)
        return key

    for key in ("a", "b", "a", "c", "a", "b"):
        assert kept.find(key, lambda key=key: make(key)) == key
    assert made == ["a", "b", "c", "b"]
