"""Items to rows."""

import numpy as np
import pyproj
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from stacchip_osml import Indexer
from stacchip_osml.errors import ChainError, ChipError, ItemError, LimitError, WindowError
from stacchip_osml.index import rows
from stacchip_osml.index.rows import _outward
from stacchip_osml.index.schema import CHIP_SCHEMA


def test_every_column_of_the_schema_is_there_and_filled(build, epoch_us):
    table = build("A", chip_size=200).to_arrow()
    row = table.slice(6, 1).to_pylist()[0]

    assert table.schema.names == CHIP_SCHEMA.names
    assert table.num_rows == 20
    assert row["collection"] == "sensor"
    assert row["item_id"] == "A"
    assert row["assets"] == row["reference"] == "red"
    assert row["datetime"].timestamp() * 1e6 == epoch_us("2025-05-01T10:00:00+00:00")
    assert (row["grid_col"], row["grid_row"]) == (1, 1)
    assert (row["col_off"], row["row_off"], row["width"], row["height"]) == (200, 200, 200, 200)
    assert row["level"] == 0
    assert row["chain"] == "raw"
    assert row["gsd"] == 10
    assert row["proj:code"] == "EPSG:32632"
    assert row["footprint"] == "projected"
    assert row["nodata_fraction"] is None
    assert row["cloud_fraction"] is None


@pytest.mark.parametrize("name", ["A", "0", "a\nb", "x" * 500])
def test_a_refused_item_is_named_once(make_item, name):
    item = make_item(name)
    del item["properties"]["proj:shape"]
    problems = Indexer([item, make_item("B")], 200, read_headers=False, on_error="skip").create_index().problems
    (told,) = map(str, problems)

    assert told.startswith("item: item ")
    assert told.count("item: item ") == 1


def test_footprints_are_where_pyproj_puts_the_corners(build):
    frame = build("A", chip_size=200).to_geodataframe()
    to_degrees = pyproj.Transformer.from_crs("EPSG:32632", "OGC:CRS84", always_xy=True)

    for _, row in frame.iterrows():
        x, y = 500_000 + 10 * row.col_off, 5_000_000 - 10 * row.row_off
        corners = shapely.box(x, y - 10 * row.height, x + 10 * row.width, y).exterior.coords
        expected = shapely.Polygon([to_degrees.transform(*corner) for corner in corners])
        assert row.geometry.symmetric_difference(expected).area < 1e-6 * expected.area


def test_chips_of_a_level_cover_as_much_more_ground(build):
    index = build("A", chip_size=100, levels=(0, 2))
    rows = index.to_arrow().to_pylist()
    coarse = [row for row in rows if row["level"] == 2]

    assert {row["width"] for row in coarse} == {400}
    assert len(coarse) == 2 * 2
    assert coarse[0]["gsd"] == pytest.approx(40, rel=1e-3)


def test_two_dates_on_a_crs_grid_have_chips_with_the_same_bounds(make_item):
    one = make_item("one", transform=(10, 0, 500_130, 0, -10, 5_000_070), size=(700, 700))
    two = make_item("two", transform=(10, 0, 501_050, 0, -10, 4_999_510), size=(700, 700), when="2025-06-01T00:00:00Z")
    index = Indexer([one, two], 100, anchor="crs").create_index()
    frame = index.to_geodataframe().sort_values(["grid_row", "grid_col"])
    shared = frame[frame.duplicated(["grid_row", "grid_col"], keep=False)]
    pairs = shared.groupby(["grid_row", "grid_col"], sort=True)

    assert len(pairs) > 20
    for _, pair in pairs:
        first, second = pair.geometry
        assert set(pair.item_id) == {"one", "two"}
        assert first.hausdorff_distance(second) < 1e-9


def test_a_crs_grid_needs_an_unrotated_image(make_item):
    rotated = make_item("r", transform=(10, 1, 500_000, 1, -10, 5_000_000))
    with pytest.raises(ItemError, match="'r': a CRS-anchored grid needs an unrotated image"):
        Indexer(rotated, 100, anchor="crs").create_index()


def test_the_finest_asset_is_the_reference_and_the_choice_can_be_overruled(make_item):
    item = make_item("A", assets=("swir", "red"))
    item["assets"]["swir"] |= {"proj:shape": [400, 500], "proj:transform": [20, 0, 500_000, 0, -20, 5_000_000]}

    fine = Indexer(item, 100).create_index().row(0)
    coarse = Indexer(item, 100, reference="swir").create_index().row(0)

    assert fine["reference"] == "red"
    assert fine["assets"] == "swir,red"
    assert fine["gsd"] == pytest.approx(10, rel=1e-3)
    assert coarse["reference"] == "swir"
    assert coarse["gsd"] == pytest.approx(20, rel=1e-3)
    assert fine["chain"].startswith("align-")


def test_classes_are_aligned_by_nearest_neighbour_and_the_chain_says_so(make_item):
    item = make_item("A", assets=("red", "scl"))
    item["assets"]["scl"] |= {"proj:shape": [400, 500], "proj:transform": [20, 0, 500_000, 0, -20, 5_000_000]}
    index = Indexer(item, 100).create_index()
    (step,) = index.chains[index.row(0)["chain"]]

    assert step == {"step": "align", "version": 1, "default": "auto", "methods": {"scl": "nearest"}}
    chosen = Indexer(item, 100, resampling={"red": "bilinear"}).create_index()
    assert chosen.chains[chosen.row(0)["chain"]][0]["methods"] == {"red": "bilinear", "scl": "nearest"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"proj:code": "EPSG:32633"}, "asset 'b' is in EPSG:32633, 'a' in EPSG:32632"),
        (
            {"proj:transform": [10, 1, 500_000, 1, -10, 5_000_000], "proj:shape": [800, 1000]},
            "asset 'b' is rotated or mirrored against 'a'",
        ),
    ],
)
def test_assets_that_cannot_be_cut_together_are_refused(make_item, change, message):
    item = make_item("A", assets=("a", "b"))
    item["assets"]["b"] |= change
    with pytest.raises(ItemError, match=message):
        Indexer(item, 100, reference="a").create_index()


def test_an_asset_key_with_a_comma_is_refused_since_no_row_could_name_it(make_item):
    item = make_item("A", assets=("a,b", "c"))

    with pytest.raises(ItemError, match="asset 'a,b' has a comma in its key"):
        Indexer(item, 100).create_index()

    assert set(Indexer(item, 100, assets=["c"]).create_index().to_arrow()["assets"].to_pylist()) == {"c"}


def test_a_refused_item_stops_the_build_or_is_listed(make_item):
    bad = make_item("bad")
    del bad["properties"]["proj:shape"]
    items = [make_item("A"), bad, make_item("B")]

    with pytest.raises(ItemError, match="bad"):
        Indexer(items, 100, read_headers=False).create_index()
    index = Indexer(items, 100, read_headers=False, on_error="skip").create_index()

    assert {row["item_id"] for row in index.to_arrow().to_pylist()} == {"A", "B"}
    assert len(index.problems) == 1
    assert "proj:shape" in str(index.problems[0])


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_rows_of_any_items_come_in_one_order_with_unique_ids(data, make_item):
    places = data.draw(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), min_size=1, max_size=5, unique=True))
    items = [
        make_item(
            f"{x}-{day}",
            transform=(10, 0, 400_000 + 20_000 * x, 0, -10, 5_000_000),
            when=f"2025-05-0{day + 1}T00:00:00Z",
        )
        for x, day in places
    ]
    shuffled = data.draw(st.permutations(items))
    one, two = (Indexer(some, 300, levels=(0, 1)).create_index().to_arrow() for some in (items, shuffled))

    assert one.equals(two)
    assert len(set(one.column("id").to_pylist())) == one.num_rows


def test_dates_of_one_place_lie_side_by_side(make_item):
    items = [make_item(f"d{day}", when=f"2025-05-0{day}T00:00:00Z") for day in (3, 1, 2)]
    table = Indexer(items, 400).create_index().to_arrow()

    assert table.column("item_id").to_pylist() == ["d1", "d2", "d3"] * 4
    assert table.column("grid_col").to_pylist() == [0] * 3 + [1] * 3 + [0] * 3 + [1] * 3


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"chip_size": 0}, WindowError, "chip_size must be positive"),
        ({"levels": ()}, ChipError, "levels must be different numbers"),
        ({"levels": (0, 0)}, ChipError, "levels must be different numbers"),
        ({"on_error": "ignore"}, ChipError, "on_error must be one of raise, skip; got"),
        ({"assets": ()}, ChipError, "assets must be different asset keys"),
        ({"max_nodata": 0.5}, ChipError, "max_nodata needs quality="),
        ({"chain": "display"}, ChainError, "the id 'display' says nothing by itself"),
        ({"chain": [{"step": "sharpen", "version": 1}]}, ChainError, "unknown step 'sharpen'"),
        ({"quality": "fog"}, ItemError, "unknown quality preset 'fog'.*QualityBand"),
        ({"assets": ["red"], "resampling": {"rde": "nearest"}}, ChainError, "resampling names rde, which is not among"),
    ],
)
def test_impossible_settings_are_refused_before_any_item_is_read(options, error, message):
    with pytest.raises(error, match=message):
        Indexer("no-such-file.json", **options)


def test_an_item_of_too_many_chips_is_refused_before_any_row_is_built(make_item):
    with pytest.raises(LimitError, match=r"10,000,000,000 chips, at most 8,000,000 an item"):
        Indexer(make_item("A", size=(1_000_000, 1_000_000)), 10).create_index()
    skipped = Indexer(make_item("A", size=(1_000_000, 1_000_000)), 10, on_error="skip").create_index()
    assert "'A': 10,000,000,000 chips" in str(skipped.problems[0])


def test_large_items_are_built_in_parts_that_join_without_seam(make_item, monkeypatch):
    whole = Indexer(make_item("A"), 50).create_index().to_arrow()
    monkeypatch.setattr(rows, "PART_CHIPS", 37)
    monkeypatch.setattr(rows, "_FEW", 37)
    parts = Indexer(make_item("A"), 50).create_index().to_arrow()

    assert parts.drop_columns(["geometry", "bbox"]).equals(whole.drop_columns(["geometry", "bbox"]))
    one, two = (shapely.from_wkb(table.column("geometry").to_numpy(zero_copy_only=False)) for table in (whole, parts))
    assert shapely.equals_exact(one, two, tolerance=1e-8).all()


def test_a_plan_counts_chips_without_building_rows(make_item):
    (plan, grids), *rest = Indexer(make_item("A"), 200, levels=(0, 1)).plan()

    assert not rest
    assert plan.grid.item_id == "A"
    assert [len(grid) for grid in grids] == [20, 4]


@given(bounds=st.lists(st.floats(-180, 180), min_size=4, max_size=4))
def test_boxes_of_single_precision_cover_what_they_round(bounds):
    west, south, east, north = (float(side) for side in _outward(tuple(bounds)))

    assert west <= bounds[0]
    assert south <= bounds[1]
    assert east >= bounds[2]
    assert north >= bounds[3]
    assert max(abs(one - two) for one, two in zip((west, south, east, north), bounds, strict=True)) < 1e-4


def test_an_image_without_any_place_has_null_geometry(write_tiff):
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = write_tiff("bare.tif", np.ones((64, 64), np.uint8), transform=(1, 0, 0, 0, 1, 0), crs=None)
    row = Indexer(path, 32).create_index().to_arrow().to_pylist()[0]

    assert row["geometry"] is None
    assert row["bbox"] is None
    assert row["footprint"] is None
    assert row["proj:code"] is None


def test_an_item_given_as_an_object_needs_a_base_for_relative_hrefs(make_item, write_tiff, tmp_path):
    write_tiff("red.tif", np.ones((800, 1000), np.uint8))
    item = make_item("A", href="./{key}.tif")

    with pytest.raises(ItemError, match="give the item's base"):
        Indexer(item, 200).create_index()
    index = Indexer(item, 200, base=str(tmp_path / "item.json")).create_index()
    (header,) = index.tables.headers.values()
    assert header.image.location == str(tmp_path / "red.tif")


def test_an_indexer_says_what_it_would_index(make_item):
    assert repr(Indexer("https://me:HUSH@stac.example.com/v1", (64, 32), levels=(0, 1), search={"limit": 1})) == (
        "Indexer('https://stac.example.com/v1', chips of 64x32, levels 0, 1)"
    )
    assert repr(Indexer([make_item("A")], 64)) == "Indexer(list, chips of 64x64)"
