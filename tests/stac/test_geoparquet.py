"""Items to stac-geoparquet and back, to the letter."""

import copy
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
import stac_geoparquet.arrow
from hypothesis import given, settings
from hypothesis import strategies as st

from stacchip_osml.errors import AssetMissing, DecodeError, IndexSchemaError, ItemError
from stacchip_osml.stac.difference import apply_difference, difference
from stacchip_osml.stac.geoparquet import EXACT_KEY, items_to_table, read_items, table_to_items

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=20,
)


def text(value):
    """Spell a value so that 1, 1.0 and true differ, and key order does not."""
    return json.dumps(value, sort_keys=True)


@given(have=JSON, want=JSON)
def test_a_difference_leads_from_any_value_to_any_other(have, want):
    assert text(apply_difference(have, difference(have, want))) == text(want)
    assert difference(want, want) is None
    through_json = json.loads(json.dumps(difference(have, want)))
    assert text(apply_difference(have, through_json)) == text(want)


def test_a_difference_that_does_not_fit_is_refused():
    with pytest.raises(IndexSchemaError, match="does not fit"):
        apply_difference([1], difference({"a": 1}, {"a": 2}))
    with pytest.raises(IndexSchemaError, match="not a difference"):
        apply_difference({}, 5)


@settings(max_examples=40)
@given(
    extras=st.lists(st.dictionaries(st.text(max_size=5), JSON, max_size=4), min_size=1, max_size=4),
    assets=st.lists(st.dictionaries(st.text(max_size=5), JSON, max_size=3), min_size=1, max_size=4),
)
def test_documents_of_any_shape_share_a_table_and_come_back_equal(tmp_path_factory, extras, assets):
    documents = [
        {
            "type": "Feature",
            "id": str(i),
            "collection": "c",
            "geometry": None,
            "properties": {"datetime": "2026-01-01T00:00:00Z", **extra},
            "links": [],
            "assets": {"a": {"href": "x", **asset}},
            "own": extra,
        }
        for i, (extra, asset) in enumerate(zip(extras, assets * len(extras), strict=False))
    ]
    table = items_to_table(documents)
    assert text(table_to_items(table)) == text(documents)
    path = tmp_path_factory.getbasetemp() / "law.parquet"
    pq.write_table(table, path)
    assert text(read_items(str(path))) == text(documents)


def variants(document):
    """One document in every shape that Arrow columns cannot hold together."""

    def variant(number, **changes):
        changed = copy.deepcopy(document) | {"id": f"v{number}"}
        for name, value in changes.items():
            if name == "properties":
                changed["properties"] |= value
            else:
                changed[name] = value
        return changed

    solid = {"type": "Point", "coordinates": [9.5, 48.5, 100]}
    return [
        variant(0),
        variant(1, geometry=None, bbox=None),
        variant(2, geometry=solid, bbox=[9, 48, 100, 10, 49, 100.5]),
        variant(3, properties={"datetime": None, "start_datetime": "2026-01-01T00:00:00.1234567+02:00"}),
        variant(4, properties={"gsd": "ten", "mixed": {"a": 1}}),
        variant(5, properties={"gsd": 10.0, "mixed": [1, "a", None, {"b": []}]}),
        variant(6, properties={"proj:geometry": solid, "proj:transform": None, "big": 2**70}),
        variant(7, assets={}, links=[{"rel": "self", "href": "x", "extra": {"deep": [[1]]}}]),
        variant(8, own={"field": None}, stac_extensions=[]),
        variant(9, properties={"id": "inner", "geometry": "text", "collection": 3}),
        variant(10, geometry={"type": "Polygon", "coordinates": [[[1, 2]]]}, properties={"half": "\ud800"}),
        variant(11, assets={"red": {"href": "x", "proj:geometry": solid, "bands": []}}),
        variant(12, assets={"a.b/c": {"href": "y"}}),
    ]


def test_documents_that_disagree_in_everything_share_a_table(document, tmp_path):
    documents = variants(document)
    table = items_to_table(documents)
    assert text(table_to_items(table)) == text(documents)
    pq.write_table(table, tmp_path / "items.parquet")
    assert text(read_items(str(tmp_path / "items.parquet"))) == text(documents)


def test_rows_keep_their_exact_part_when_filtered_and_reordered(document):
    documents = variants(document)
    order = [12 - i for i in range(13) if i != 1]
    taken = table_to_items(items_to_table(documents).take(order))
    assert text(taken) == text([documents[i] for i in order])


def test_two_documents_of_one_id_are_refused(document):
    with pytest.raises(ItemError, match="two documents of collection None have the id 'scene-1'"):
        items_to_table([document, document])


def test_the_table_is_valid_stac_geoparquet(document, tmp_path):
    documents = [document, copy.deepcopy(document) | {"id": "scene-2"}]
    path = tmp_path / "items.parquet"
    pq.write_table(items_to_table(documents), path)
    metadata = pq.read_schema(path).metadata
    assert json.loads(metadata[b"stac-geoparquet"]) == {"version": "1.1.0"}
    geo = json.loads(metadata[b"geo"])
    assert (geo["version"], geo["primary_column"]) == ("1.1.0", "geometry")
    table = pq.read_table(path)
    assert table.schema.field("datetime").type == pa.timestamp("us", tz="UTC")
    assert shapely.from_wkb(table["geometry"][0].as_py()).bounds == (9, 48, 10, 49)
    assert table["bbox"][0].as_py() == {"xmin": 9, "ymin": 48, "xmax": 10, "ymax": 49}
    read = list(stac_geoparquet.arrow.stac_table_to_items(table))
    for item, given_item in zip(read, documents, strict=True):
        # The library writes times with microseconds, and null for what the other asset has.
        assert item["properties"].pop("datetime") == "2026-03-04T05:06:07.089000Z"
        assert {k: v for k, v in item["assets"]["thumbnail"].items() if v is not None} == given_item["assets"][
            "thumbnail"
        ]
        assert item["assets"]["red"] == given_item["assets"]["red"]
        assert item["geometry"] == given_item["geometry"]
        assert item["bbox"] == given_item["bbox"]


def test_tables_of_the_library_are_read(document):
    table = stac_geoparquet.arrow.parse_stac_items_to_arrow([document]).read_all()
    (item,) = table_to_items(table)
    assert item == document


def test_a_year_of_a_foreign_table_has_four_digits(document):
    old = copy.deepcopy(document)
    old["properties"]["datetime"] = "0850-03-04T05:06:07.250Z"
    table = stac_geoparquet.arrow.parse_stac_items_to_arrow([old]).read_all()
    (item,) = table_to_items(table)
    assert item["properties"]["datetime"] == "0850-03-04T05:06:07.250Z"


def test_no_items_make_a_table_too():
    table = items_to_table([])
    assert table.num_rows == 0
    assert table_to_items(table) == []


def test_many_asset_keys_make_no_endless_schema(document):
    documents = [
        copy.deepcopy(document) | {"id": f"s{i}", "assets": {f"s{i}-{j}": {"href": "x"} for j in range(4)}}
        for i in range(600)
    ]
    table = items_to_table(documents)
    assert table.schema.field("assets").type.num_fields <= 1024
    assert text(table_to_items(table)) == text(documents)


def test_values_that_json_has_not_are_refused(document):
    document["properties"]["when"] = {1, 2}
    with pytest.raises(ItemError, match="holds a set, which JSON has not"):
        items_to_table([document])


@pytest.mark.parametrize("value", [b"%%%", b"AAAA", b"eJw="])
def test_a_damaged_exact_part_is_an_error(document, value):
    table = items_to_table([document])
    damaged = table.replace_schema_metadata((table.schema.metadata or {}) | {EXACT_KEY: value})
    with pytest.raises(IndexSchemaError, match=r"damaged|cut off"):
        table_to_items(damaged)


def test_what_is_no_table_of_items_is_named(tmp_path):
    with pytest.raises(AssetMissing, match="no such file"):
        read_items(str(tmp_path / "no.parquet"))
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 nothing PAR1")
    with pytest.raises(DecodeError, match="not a readable stac-geoparquet file"):
        read_items(str(tmp_path / "bad.parquet"))
    pq.write_table(pa.table({"a": [1]}), tmp_path / "other.parquet")
    with pytest.raises(ItemError, match="no columns 'id' and 'geometry' among a"):
        read_items(str(tmp_path / "other.parquet"))
