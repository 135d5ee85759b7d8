"""Queries: the same rows as looking at every one."""

import datetime as dt
import json
from concurrent.futures import ThreadPoolExecutor

import geopandas
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from stacchip_osml import ChipIndex, Indexer, merge
from stacchip_osml.errors import IndexSchemaError
from stacchip_osml.index import parquet


@pytest.fixture(scope="module")
def index(make_item, tmp_path_factory):
    items = [
        make_item(f"{zone}-{x}-{day}", crs=f"EPSG:326{zone}", when=f"2025-05-{day:02d}T12:00:00Z",
                  transform=(10, 0, 300_000 + 90_000 * x, 0, -10, 5_000_000))
        for zone in ("01", "32", "60") for x in range(3) for day in (1, 20)
    ]  # fmt: skip
    made = Indexer(items, 100).create_index()
    made = made.with_column("label", [("a", "b", None)[i % 3] for i in range(len(made))])
    folder = tmp_path_factory.mktemp("query")
    group, parquet.ROW_GROUP = parquet.ROW_GROUP, 50
    try:
        made.save(folder / "index")
    finally:
        parquet.ROW_GROUP = group
    return ChipIndex.open(folder / "index")


boxes = st.tuples(st.floats(-180, 180), st.floats(44, 46), st.floats(0, 30), st.floats(0, 1)).map(
    lambda v: (v[0], v[1], min(v[0] + v[2], 180), v[1] + v[3])
)


@settings(max_examples=30)
@given(box=boxes)
def test_a_box_finds_the_rows_whose_bbox_meets_it(box, index):
    west, south, east, north = box
    expected = [
        row["id"]
        for row in index.to_arrow().to_pylist()
        if row["bbox"]["xmin"] <= east and row["bbox"]["xmax"] >= west
        and row["bbox"]["ymin"] <= north and row["bbox"]["ymax"] >= south
    ]  # fmt: skip
    assert index.query(bbox=box, columns=["id"]).column("id").to_pylist() == expected


def test_a_box_across_the_antimeridian_finds_both_sides(index):
    found = index.query(bbox=(176, 44, -176, 46))
    zones = {row["proj:code"] for row in found.to_arrow().to_pylist()}

    assert zones == {"EPSG:32601", "EPSG:32660"}
    assert len(found) == len(index.query(bbox=(176, 44, 180, 46))) + len(index.query(bbox=(-180, 44, -176, 46)))


@settings(max_examples=15)
@given(x=st.floats(6.2, 10), y=st.floats(44.9, 45.2), radius=st.floats(0.001, 0.3))
def test_a_shape_finds_the_rows_whose_footprint_it_meets(x, y, radius, index):
    shape = shapely.Point(x, y).buffer(radius)
    frame = index.to_geodataframe()
    expected = frame.id[frame.intersects(shape)].tolist()

    assert index.query(intersects=shape, columns=["id"]).column("id").to_pylist() == expected
    assert len(index.query(intersects=shape.__geo_interface__)) == len(expected)


@pytest.mark.parametrize(
    ("datetime", "days"),
    [
        ("2025-05-01", {1}),
        ("2025-05-01T12:00:00Z", {1}),
        ("2025-05-01T12:00:01Z/..", {20}),
        ("../2025-05-01T12:00:00Z", {1}),
        ("2025-05", {1, 20}),
        ("2024", set()),
        (dt.date(2025, 5, 20), {20}),
        ((dt.datetime(2025, 5, 2, tzinfo=dt.UTC), None), {20}),
    ],
)
def test_times_are_stac_intervals_both_ends_included(index, datetime, days):
    found = index.query(datetime=datetime, columns=["datetime"])
    assert {moment.day for moment in found.column("datetime").to_pylist()} == days


@pytest.mark.parametrize(
    ("where", "matches"),
    [
        ("grid_col == 3 and grid_row < 2", lambda r: r["grid_col"] == 3 and r["grid_row"] < 2),
        ("2 <= grid_col < 4", lambda r: 2 <= r["grid_col"] < 4),
        ("label == 'a' or label is None", lambda r: r["label"] in {"a", None}),
        ("not label in ['a', 'b']", lambda r: r["label"] is None),
        ("`proj:code` == 'EPSG:32632'", lambda r: r["proj:code"] == "EPSG:32632"),
        ("proj:code == 'EPSG:32632' or label == 'proj:code'", lambda r: r["proj:code"] == "EPSG:32632"),
        (
            "label != 'it\\'s `a`' and proj:code in ['EPSG:32601']",
            lambda r: r["proj:code"] == "EPSG:32601" and r["label"],
        ),
        ("item_id in ('32-0-1', '60-0-1')", lambda r: r["item_id"] in {"32-0-1", "60-0-1"}),
        ("datetime > '2025-05-10'", lambda r: r["datetime"].day == 20),
        ("cloud_fraction < 0.5", lambda _: False),
        ("grid_col > grid_row", lambda r: r["grid_col"] > r["grid_row"]),
    ],
)
def test_conditions_mean_what_they_say(index, where, matches):
    expected = [row["id"] for row in index.to_arrow().to_pylist() if matches(row)]
    assert index.query(where=where, columns=["id"]).column("id").to_pylist() == expected


def test_a_pyarrow_expression_is_a_condition_too(index):
    assert len(index.query(where=pc.field("grid_col") == 0)) == len(index.query(where="grid_col == 0"))


@pytest.mark.parametrize(
    ("question", "message"),
    [
        ({"where": "colour == 'red'"}, "no column 'colour', in no item either; there are id, collection"),
        ({"where": "__import__('os').system('true')"}, "is not a condition on columns"),
        ({"where": "grid_col +"}, "is not a condition"),
        ({"where": "grid_col = 1"}, "== for equal"),
        ({"where": "grid_col == 1 AND grid_row == 1"}, "small letters"),
        ({"where": "grid_col == 'three'"}, "column 'grid_col' is int32, compared with 'three'"),
        ({"where": "label == 3"}, "column 'label' is text, compared with 3"),
        ({"where": "label is 3"}, "'is' compares with None only"),
        ({"where": "(" * 5000 + "1" + ")" * 5000}, "is not a condition"),
        ({"columns": ["nothing"]}, "no column 'nothing'"),
        ({"bbox": (1, 2, 3)}, "bbox must be 4 or 6"),
        ({"bbox": (1, 5, 3, 2)}, "bbox south 5.0 is above its north 2.0"),
        ({"bbox": (float("nan"), 0, 1, 1)}, "finite"),
        ({"bbox": (500_000, 4_900_000, 510_000, 5_000_000)}, "in degrees, longitudes from -180 to 180"),
        ({"bbox": (350, 0, 370, 1)}, "in degrees, longitudes from -180 to 180"),
        ({"intersects": shapely.box(350, 0, 370, 1)}, "in degrees, longitudes from -180 to 180"),
        ({"datetime": "yesterday"}, "'yesterday' is not RFC 3339"),
        ({"datetime": "2025-05-02/2025-05-01"}, "ends before it starts"),
        ({"intersects": "area.geojson"}, r"as json\.load gives it, .* got 'area\.geojson'"),
        ({"intersects": {"type": "FeatureCollection", "features": []}}, "intersects is an empty geometry"),
        ({"intersects": {"type": "FeatureCollection", "features": [3]}}, "must be a GeoJSON"),
        ({"intersects": {"type": "Blob"}}, "intersects must be a GeoJSON or shapely geometry"),
        ({"intersects": shapely.Point()}, "intersects is an empty geometry"),
    ],
)
def test_questions_that_mean_nothing_are_refused(index, question, message):
    with pytest.raises(IndexSchemaError, match=message):
        index.query(**question)


def test_a_query_reads_only_row_groups_that_could_match(index, monkeypatch):
    read = []
    original = type(index._store).read_groups

    def counting(self, groups, columns=None):
        read.extend(groups)
        return original(self, groups, columns)

    monkeypatch.setattr(type(index._store), "read_groups", counting)
    groups = len(index._store.bounds.bbox)
    one = index.query(where="grid_col == 0").row(0)["bbox"]
    read.clear()
    index.query(bbox=(one["xmin"], one["ymin"], one["xmin"] + 1e-4, one["ymin"] + 1e-4))

    assert groups > 25
    assert 0 < len(read) <= 6


def test_a_query_result_is_an_index_with_its_items(index, tmp_path):
    found = index.query(where="item_id == '32-0-1'")
    found.save(tmp_path / "found.parquet")
    opened = ChipIndex.open(tmp_path / "found.parquet")

    assert list(opened.items) == [("sensor", "32-0-1")]
    assert opened.to_arrow().equals(found.to_arrow().unify_dictionaries()) or opened.check() == []
    assert len(merge(opened, index)) == len(index)


def test_rows_can_be_taken_in_any_order_from_any_row_group(index):
    ids = index.to_arrow().column("id").to_pylist()
    wanted = [len(ids) - 1, 0, 77, 0, -1, 300]

    assert [row["id"] for row in index.rows(wanted)] == [ids[position] for position in wanted]
    with pytest.raises(IndexError, match=f"row {len(ids)} of an index of {len(ids)} chips"):
        index.row(len(ids))


def test_rows_are_selected_by_number_or_truth_value_each_once_and_in_order(index):
    ids = index.to_arrow().column("id").to_pylist()
    first = np.array(index.to_arrow().column("grid_col")) == 0

    assert index.select([77, 0, 77, -1]).to_arrow().column("id").to_pylist() == [ids[0], ids[77], ids[-1]]
    assert index.select(first).to_arrow().equals(index.query(where="grid_col == 0").to_arrow())
    assert list(index.select([0]).items) == list(index.items)
    with pytest.raises(IndexError, match="truth values choose"):
        index.select(first[:-1])
    with pytest.raises(IndexSchemaError, match=r"where must be text .* got ndarray; truth values go to select"):
        index.query(where=first)


def test_a_sample_is_drawn_without_replacement_and_repeats(index):
    one, two = index.sample(40, seed=3), index.sample(40, seed=3)

    assert one.to_arrow().equals(two.to_arrow())
    assert len(set(one.to_arrow().column("id").to_pylist())) == 40
    assert not one.to_arrow().equals(index.sample(40, seed=4).to_arrow())
    with pytest.raises(IndexSchemaError, match="sample of 99999 chips"):
        index.sample(99_999)


def test_a_box_is_not_rounded_to_the_precision_of_the_rows(index):
    xmin = index.row(7)["bbox"]["xmin"]
    just_west = float(np.nextafter(xmin, -np.inf, dtype=np.float64))

    ids = index.query(bbox=(-180, 40, xmin, 50), columns=["id"]).column("id").to_pylist()
    without = index.query(bbox=(-180, 40, just_west, 50), columns=["id"]).column("id").to_pylist()
    assert index.row(7)["id"] in ids
    assert set(ids) - set(without) == {row["id"] for row in _rows(index) if row["bbox"]["xmin"] == xmin}


@pytest.mark.parametrize("null_sides", [True, False])
def test_rows_without_a_bbox_or_a_side_of_one_are_in_no_box(index, null_sides):
    table = index.to_arrow()
    kind = table.schema.field("bbox").type
    values = [
        box if i % 3 else ({**box, "xmax": None} if null_sides else None)
        for i, box in enumerate(table.column("bbox").to_pylist())
    ]
    chunks = pa.chunked_array([values[:100], values[100:]], kind)
    table = table.set_column(table.schema.get_field_index("bbox"), "bbox", chunks)
    found = ChipIndex.from_table(table, index.tables).query(bbox=(-180, -90, 180, 90), columns=["id"])

    ids = table.column("id").to_pylist()
    assert found.column("id").to_pylist() == [name for i, name in enumerate(ids) if i % 3]


def test_a_wrong_condition_is_refused_wherever_the_box_is(index):
    for box in ((0, 0, 1, 1), (-180, -90, 180, 90)):
        with pytest.raises(IndexSchemaError, match=r"where: .*label < 3.*no kernel"):
            index.query(bbox=box, where=pc.field("label") < 3)


def _rows(index):
    return index.to_arrow().to_pylist()


def test_threads_that_ask_one_index_get_the_same_rows(index):
    def ask(number):
        return index.query(bbox=(-180, 40, 180 - number, 50), where="label == 'a'", columns=["id"])

    alone = [ask(number) for number in range(20)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(ask, range(20))) == alone


def test_a_feature_collection_and_a_frame_are_all_their_shapes(index):
    boxes = index.query(columns=["bbox"]).column("bbox").to_pylist()
    shapes = [shapely.box(*boxes[at].values()).buffer(-0.001) for at in (0, -1)]
    frame = geopandas.GeoDataFrame(geometry=[shapes[0], None, shapes[1]], crs=4326)
    each = {name for shape in shapes for name in index.query(intersects=shape).to_arrow()["id"].to_pylist()}

    assert 1 < len(each) < len(index)
    for question in (frame, frame.__geo_interface__, json.loads(frame.to_json())):
        assert set(index.query(intersects=question).to_arrow()["id"].to_pylist()) == each
