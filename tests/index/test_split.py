"""Parts of an index by place: no ground in two of them, whatever the dates, sensors and CRSs."""

import warnings
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
import shapely
from pyproj import Geod, Transformer

from stacchip_osml import ChipIndex, Indexer, merge
from stacchip_osml.errors import IndexSchemaError, SettingError, WindowError
from stacchip_osml.index import split_by_place

SHARES = {"train": 7, "val": 2, "test": 1}
EARTH = Geod(ellps="WGS84")


def column(index):
    return index.to_arrow()["split"].to_pylist()


def footprints(index, part):
    table = index.query(where=f"split == '{part}'").to_arrow()
    return shapely.from_wkb(table["geometry"].to_numpy(zero_copy_only=False))


@pytest.fixture(scope="module")
def index(make_item):
    """One ground in two dates and two zones, in chips that overlap."""
    x, y = Transformer.from_crs("EPSG:32632", "EPSG:32633", always_xy=True).transform(690_000, 5_300_000)
    place = {"size": (400, 400)}
    items = [
        make_item("one", **place, transform=(10, 0, 690_000, 0, -10, 5_300_000)),
        make_item("two", **place, transform=(10, 0, 690_000, 0, -10, 5_300_000), when="2025-06-01T10:00:00Z"),
        make_item("zone", **place, transform=(10, 0, x, 0, -10, y), crs="EPSG:32633"),
    ]
    return Indexer(items, 20, stride=13).create_index()


def test_chips_of_different_parts_share_no_ground(index):
    split = split_by_place(index, SHARES, cell_m=700)
    parts = {part: shapely.union_all(footprints(split, part)) for part in SHARES}

    assert all(shape.area for shape in parts.values())
    for one, two in (("train", "val"), ("train", "test"), ("val", "test")):
        assert not shapely.intersection(parts[one], parts[two]).area


def test_both_dates_of_a_place_are_in_one_part(index):
    split = split_by_place(index, SHARES, cell_m=700).to_arrow().select(["item_id", "grid_col", "grid_row", "split"])
    found = {}
    for row in split.to_pylist():
        if row["item_id"] != "zone":
            found.setdefault((row["grid_col"], row["grid_row"]), set()).add(row["split"])

    assert all(len(parts) == 1 for parts in found.values())


def test_a_part_does_not_depend_on_what_else_is_in_the_index(index):
    whole = split_by_place(index, SHARES, cell_m=700)
    some = split_by_place(index.select(np.arange(len(index)) % 3 == 0), SHARES, cell_m=700)

    assert column(some) == column(whole)[::3]
    assert column(split_by_place(index, SHARES, cell_m=700)) == column(whole)
    assert column(split_by_place(index, SHARES, cell_m=700, seed=1)) != column(whole)


def test_a_gap_lies_between_chips_of_different_parts(index):
    split = split_by_place(index, SHARES, cell_m=900, gap_m=150)
    parts = {part: np.unique(shapely.get_coordinates(footprints(split, part)), axis=0) for part in SHARES}
    one, two = parts["train"], parts["val"]
    pairs = np.repeat(one, len(two), axis=0), np.tile(two, (len(one), 1))
    near = np.abs(pairs[0] - pairs[1]).max(axis=1) < 0.01
    distances = EARTH.inv(*pairs[0][near].T, *pairs[1][near].T)[2]

    assert 150 <= distances.min() < 400


def test_shares_are_those_of_the_cells(make_item):
    item = make_item(size=(6000, 6000), transform=(100, 0, 300_000, 0, -100, 6_000_000))
    index = Indexer(item, 25).create_index()
    found = Counter(column(split_by_place(index, SHARES, cell_m=30_000)))
    used = sum(found[part] for part in SHARES)

    assert found[None] < 0.4 * len(index)
    assert [found[part] / used for part in SHARES] == pytest.approx([0.7, 0.2, 0.1], abs=0.12)
    assert Counter(column(split_by_place(index, {"a": 0.5}, cell_m=30_000))) == {"a": len(index)}


def test_chips_without_a_place_or_across_the_antimeridian_are_in_no_part(index, make_item):
    across = Indexer(
        make_item("across", size=(800, 40), transform=(10, 0, 826_000, 0, -10, 1_000_000), crs="EPSG:32660"), 40
    ).create_index()
    table = index.to_arrow()
    at = table.schema.get_field_index("bbox")
    boxes = table["bbox"].to_pylist()
    nowhere = table.set_column(at, "bbox", pa.array([None, *boxes[1:]], table.schema.field("bbox").type))

    assert column(split_by_place(ChipIndex.from_table(nowhere, index.tables), {"a": 1}, cell_m=700))[:2] == [None, "a"]
    assert column(split_by_place(across, {"a": 1}, cell_m=700)) == ["a"] * 9 + [None] + ["a"] * 10
    assert column(split_by_place(across, {"a": 1}, cell_m=900, gap_m=300)) == ["a"] * 9 + [None] * 2 + ["a"] * 9


def test_an_index_on_disk_is_split_and_keeps_its_rows(index, tmp_path):
    index.save(tmp_path / "chips.parquet")
    split = split_by_place(ChipIndex.open(tmp_path / "chips.parquet"), SHARES, cell_m=700, column="part")

    assert split.columns[-1] == "part"
    assert len(merge(split, index)) == len(split) == len(index)


def test_a_split_that_loses_most_chips_says_so(index):
    many = {str(part): 1 for part in range(100)}  # hardly any two neighbours are of one part
    with pytest.warns(UserWarning, match=r"of 2,700 chips .* in no part: cells of 260 m .* of 2\d\d m, gap included"):
        split = split_by_place(index, many, cell_m=260)
    assert 2 * column(split).count(None) > len(index)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        split_by_place(index, many, cell_m=10_000)
        split_by_place(index.head(0), many, cell_m=260)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"shares": {}}, WindowError, "shares must be one part or more by name, with positive numbers, got {}"),
        ({"shares": {"a": 1, "b": 0}}, WindowError, "shares must be one part or more by name"),
        ({"cell_m": 100}, WindowError, r"cell_m must be as large as chips and gap, 2\d\d m; got 100"),
        ({"cell_m": 300, "gap_m": 200}, WindowError, r"cell_m must be as large as chips and gap, 4\d\d m; got 300"),
        ({"cell_m": float("nan")}, SettingError, "cell_m must be a number from 0.001 to 1e.09, got nan"),
        ({"column": "level"}, IndexSchemaError, "column 'level' belongs to the chip schema"),
    ],
)
def test_impossible_splits_are_refused(index, settings, error, message):
    with pytest.raises(error, match=message):
        split_by_place(index, **{"shares": SHARES, "cell_m": 700} | settings)
