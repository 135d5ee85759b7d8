"""Questions about what items say of themselves: the same rows as asking each row's item."""

import json

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stacchip_osml import ChipIndex, Indexer, merge
from stacchip_osml.errors import IndexSchemaError
from stacchip_osml.index import parquet

SAYS = {
    ("radar", "A"): {"platform": "s-1a", "sar:polarizations": ["VV", "VH"], "view:off_nadir": 3, "path": 44},
    ("radar", "B"): {"platform": "s-1b", "sar:polarizations": ["VV"], "view:off_nadir": 3.5, "path": "44"},
    ("optical", "A"): {"platform": "s-2a", "eo:cloud_cover": 12, "tasked": True, "of": {"orbit": 7}},
    (None, "A"): {"platform": None, "eo:cloud_cover": 80, "tasked": False, "gsd": 0.5, "huge": 2**70},
}
"""(collection, id) → properties."""


@pytest.fixture(scope="module")
def built(make_item):
    items = []
    for (collection, name), properties in SAYS.items():
        items.append(make_item(name, collection=collection))
        items[-1]["properties"] |= properties
    return Indexer(items, 200).create_index()


@pytest.fixture(scope="module", params=["memory", "file", "directory", "part"])
def index(request, built, tmp_path_factory):
    if request.param == "memory":
        return built
    if request.param == "part":
        return built.query(where="grid_col > 0")
    path = tmp_path_factory.mktemp("properties") / ("index.parquet" if request.param == "file" else "index")
    group, parquet.ROW_GROUP = parquet.ROW_GROUP, 7
    try:
        built.save(path)
    finally:
        parquet.ROW_GROUP = group
    return ChipIndex.open(path)


def items_of(index):
    return {(row["collection"], row["item_id"]) for row in index.rows(range(len(index)))}


@pytest.mark.parametrize(
    ("where", "means"),
    [
        ("platform == 's-1a'", lambda p: p.get("platform") == "s-1a"),
        ("platform != 's-1a'", lambda p: p.get("platform") not in (None, "s-1a")),
        ("platform is None", lambda p: p.get("platform") is None),
        ("platform in ['s-1a', 's-2a'] and grid_row >= 0", lambda p: p.get("platform") in ("s-1a", "s-2a")),
        ("view:off_nadir <= 3", lambda p: p.get("view:off_nadir", 9) <= 3),
        ("3 < `view:off_nadir`", lambda p: p.get("view:off_nadir", 0) > 3),
        (
            "eo:cloud_cover < 20 or platform == 's-1b'",
            lambda p: p.get("eo:cloud_cover", 99) < 20 or p["platform"] == "s-1b",
        ),
        ("'VH' in sar:polarizations", lambda p: "VH" in p.get("sar:polarizations", ())),
        ("'V' in sar:polarizations", lambda p: False),
        ("'VH' not in sar:polarizations", lambda p: p.get("sar:polarizations") == ["VV"]),
        ("sar:polarizations == 'VV,VH'", lambda p: p.get("sar:polarizations") == ["VV", "VH"]),
        ("tasked", lambda p: p.get("tasked") is True),
        ("not tasked", lambda p: p.get("tasked") is False),
        ("path == '44'", lambda p: "path" in p),
        ("of == '{\"orbit\": 7}'", lambda p: "of" in p),
        ("huge > 1e20", lambda p: "huge" in p),
    ],
)
def test_a_condition_on_properties_finds_the_chips_of_their_items(index, where, means):
    found = index.query(where=where)
    wanted = {key for key, properties in SAYS.items() if means(properties)}

    assert items_of(found) == wanted
    assert len(found) == sum((row["collection"], row["item_id"]) in wanted for row in index.rows(range(len(index))))
    assert found.columns == index.columns


def test_a_column_stands_before_a_property_of_its_name(index):
    own = index.with_column("platform", ["mine"] * len(index))

    assert len(index.query(where="gsd == 0.5")) == 0, "gsd is a column: that of the chips"
    assert len(own.query(where="platform == 'mine' and eo:cloud_cover == 12")) == len(index.query(where="tasked"))


def test_a_pyarrow_expression_may_name_properties(index):
    found = index.query(where=(pc.field("view:off_nadir") > 3) & (pc.field("level") == 0))

    assert items_of(found) == {("radar", "B")}


def test_properties_are_given_as_columns_and_become_ones(index, tmp_path):
    names = ["platform", "id", "eo:cloud_cover", "sar:polarizations", "tasked"]
    table = index.query(columns=names, where="grid_row == 1")

    assert table.column_names == names
    for row, source in zip(table.to_pylist(), index.query(where="grid_row == 1").to_arrow().to_pylist(), strict=True):
        says = SAYS[source["collection"], source["item_id"]]
        assert row["id"] == source["id"]
        assert row["platform"] == says.get("platform")
        assert row["eo:cloud_cover"] == says.get("eo:cloud_cover")
        assert row["sar:polarizations"] == (",".join(says.get("sar:polarizations", ())) or None)
        assert row["tasked"] == says.get("tasked")
    kept = index.with_column("platform", index.query(columns=["platform"])["platform"])
    kept.save(tmp_path / "kept.parquet")
    assert (
        ChipIndex.open(tmp_path / "kept.parquet")
        .query(where="platform == 's-1a'")
        .to_arrow()
        .equals(kept.query(where="platform == 's-1a'").to_arrow())
    )


@pytest.mark.parametrize(
    ("question", "message"),
    [
        (
            {"where": "plattform == 's-1a'"},
            r"no column 'plattform', in no item either \(did you mean 'platform'\?\); there are id, collection, .*"
            "bbox; in items eo:cloud_cover, huge, of, path, platform, ",
        ),
        (
            {"where": "platform == 's-1a' and tasqued"},
            r"no column 'tasqued'.*did you mean 'tasked'",
        ),
        ({"where": "`eo:cloud_covr` < 3"}, r"no column 'eo:cloud_covr'.*did you mean 'eo:cloud_cover'"),
        ({"where": "clowd_fraction < 3"}, r"no column 'clowd_fraction'.*did you mean 'cloud_fraction'"),
        ({"where": "platform == 3"}, "column 'platform' is text, compared with 3"),
        ({"where": "eo:cloud_cover < 'much'"}, "column 'eo:cloud_cover' is int64, compared with 'much'"),
        ({"where": "3 in sar:polarizations"}, "column 'sar:polarizations' is text, compared with 3"),
        ({"where": "3 in eo:cloud_cover"}, "'in' looks for a word in a column of text"),
        ({"columns": ["id", "plattform"]}, "no column 'plattform'.*did you mean 'platform'.*; in items eo:cloud_cover"),
        ({"where": "platform == 's-1a'", "bbox": (100, 0, 101, 1), "columns": ["nothing"]}, "no column 'nothing'"),
    ],
)
def test_what_no_item_says_is_refused(index, question, message):
    with pytest.raises(IndexSchemaError, match=message):
        index.query(**question)


def test_items_are_not_read_where_columns_answer(built, tmp_path, monkeypatch):
    built.save(tmp_path / "index")
    opened = ChipIndex.open(tmp_path / "index")
    monkeypatch.setattr(ChipIndex, "items", property(lambda index: pytest.fail("items were read")))

    opened.query(where="proj:code == 'EPSG:32632' and collection is not None", columns=["id", "gsd"])
    opened.query(where=pc.field("level") == 0)


values = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["a", "b", "1"]) | st.lists(st.just("a"))


@settings(max_examples=40)
@given(says=st.lists(st.dictionaries(st.sampled_from(["p", "q:r"]), values), min_size=1, max_size=4))
def test_any_values_of_any_items_can_be_asked_for(says, make_item):
    items = [make_item(f"item-{number}", size=(400, 400)) for number in range(len(says))]
    for item, properties in zip(items, says, strict=True):
        item["properties"] |= properties
    index = merge(*(Indexer(item, 200).create_index() for item in items))

    for name in {name for properties in says for name in properties}:
        told = [properties.get(name) for properties in says]
        given_out = dict(
            zip(*(index.query(columns=["item_id", name]).column(i).to_pylist() for i in (0, 1)), strict=True)
        )
        for number, value in enumerate(told):
            found = given_out[f"item-{number}"]
            text = ",".join(value) if isinstance(value, list) else json.dumps(value)
            assert found == (text if isinstance(found, str) and not isinstance(value, str) else value)
        assert len(index.query(where=f"`{name}` is None")) == 4 * told.count(None)


def test_what_rows_without_an_item_would_say_is_null(built):
    lonely = ChipIndex.from_table(built.to_arrow(), built.tables.only([("radar", "A")]))

    assert items_of(lonely.query(where="platform is not None")) == {("radar", "A")}
    assert pa.types.is_dictionary(lonely.query(columns=["platform"]).schema.field("platform").type)
