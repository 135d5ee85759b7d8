"""Merging: a union by id, whatever the order."""

import json

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stacchip_osml import ChipIndex, Indexer, merge
from stacchip_osml.errors import ChipError, IndexSchemaError
from stacchip_osml.index import merged

PIECES = {
    "A": {"chip_size": 300},
    "B": {"chip_size": 300},
    "A-small": {"chip_size": 250, "edges": "partial"},
    "A-coarse": {"chip_size": 200, "levels": (1,)},
    "A-scaled": {"chip_size": 300, "chain": [{"step": "scale_offset", "version": 1, "resolve": "item"}]},
    "C-labelled": {"chip_size": 400},
}


@pytest.fixture(scope="module")
def pieces(build):
    made = {name: build(name[0], **options) for name, options in PIECES.items()}
    labelled = made["C-labelled"]
    made["C-labelled"] = labelled.with_column("label", [f"l{i}" for i in range(len(labelled))])
    return made


def same(one, two):
    return one.to_arrow().equals(two.to_arrow()) and one.tables == two.tables


names = st.sampled_from(sorted(PIECES))


@settings(max_examples=30)
@given(chosen=st.lists(names, min_size=3, max_size=3))
def test_merge_is_associative_commutative_and_idempotent(chosen, pieces):
    a, b, c = (pieces[name] for name in chosen)

    assert same(merge(merge(a, b), c), merge(a, merge(b, c)))
    assert same(merge(a, b), merge(b, a))
    assert same(merge(a, a), merge(a))
    assert same(merge(merge(a, b), b), merge(a, b))


@settings(max_examples=20)
@given(chosen=st.lists(names, min_size=1, max_size=5))
def test_merge_holds_every_row_once_and_stays_sound(chosen, pieces):
    united = merge(*(pieces[name] for name in chosen))
    expected = {name for piece in chosen for name in pieces[piece].to_arrow().column("id").to_pylist()}
    found = united.to_arrow().column("id").to_pylist()

    assert set(found) == expected
    assert len(found) == len(expected)
    assert united.check() == []


def test_users_columns_survive_and_nulls_are_filled_from_duplicates(pieces):
    plain, labelled = pieces["A"], pieces["A"].with_column("label", ["x"] * len(pieces["A"]))
    weighted = pieces["A"].with_column("weight", [0.5] * len(pieces["A"]))

    table = merge(plain, labelled, weighted, pieces["B"]).to_arrow()

    assert table.schema.names[-2:] == ["label", "weight"]
    assert table.filter(pa.compute.equal(table.column("item_id").cast(pa.string()), "A"))["label"].null_count == 0
    assert table.column("weight").null_count == len(pieces["B"])


def test_two_values_of_one_chip_are_refused_by_name(pieces):
    one = pieces["A"].with_column("label", ["x"] * len(pieces["A"]))
    two = pieces["A"].with_column("label", ["y"] * len(pieces["A"]))

    with pytest.raises(IndexSchemaError, match=r"chip 'sensor/A/300-drop-.*' has two values of 'label': 'x' and 'y'"):
        merge(one, two)


def test_two_types_of_one_column_are_refused_by_name(pieces):
    one = pieces["A"].with_column("label", ["x"] * len(pieces["A"]))
    two = pieces["B"].with_column("label", [1] * len(pieces["B"]))

    with pytest.raises(IndexSchemaError, match="column 'label' is string in one index and int64 in another"):
        merge(one, two)


def test_two_items_of_one_name_are_refused(build):
    one, two = build("A", when="2025-05-01T00:00:00Z"), build("A", when="2025-05-02T00:00:00Z")

    with pytest.raises(IndexSchemaError, match="two different items under one name: sensor/A"):
        merge(one, two)


def test_two_images_of_one_name_are_refused(make_item):
    item = make_item("A")
    item["assets"]["red"]["alternate"] = {"s3": {"href": "s3://bucket/red.tif"}}
    one, two = (Indexer(item, alternate=name).create_index() for name in (None, "s3"))

    with pytest.raises(IndexSchemaError, match="two different images under one name: sensor/A/red"):
        merge(one, two)


def test_the_same_item_cut_twice_keeps_the_images_of_both(make_item):
    item = make_item("A", assets=("red", "nir"))
    one, two = (Indexer(item, 400, assets=[key]).create_index() for key in ("red", "nir"))
    united = merge(one, two)

    assert {key[2] for key in united.tables.headers} == {"red", "nir"}
    assert len(united) == len(one) + len(two)


@pytest.mark.parametrize("nodata", ["nan", float("nan")])
@pytest.mark.parametrize("name", ["index", "index.parquet"])
def test_a_nodata_value_of_nan_is_the_same_in_every_index(make_item, tmp_path, nodata, name):
    item = make_item("A")
    item["assets"]["red"]["bands"] = [{"data_type": "float32", "nodata": nodata}]
    index = Indexer(json.loads(json.dumps(item)), 200).create_index()
    other = Indexer(json.loads(json.dumps(item)), 100).create_index()
    index.save(tmp_path / name)

    assert len(merge(tmp_path / name, index)) == len(index)
    assert len(merge(index, other, tmp_path / name)) == len(index) + len(other)
    assert len(ChipIndex.open(tmp_path / name).append(other)) == len(index) + len(other)
    item["assets"]["red"]["bands"][0]["nodata"] = 0
    with pytest.raises(IndexSchemaError, match=r"they differ in assets\.red\.bands;"):
        merge(tmp_path / name, Indexer(item, 50).create_index())


def test_merge_takes_paths(pieces, tmp_path):
    pieces["A"].save(tmp_path / "a.parquet")
    pieces["B"].save(tmp_path / "b")

    assert same(merge(tmp_path / "a.parquet", str(tmp_path / "b")), merge(pieces["A"], pieces["B"]))


def test_merging_nothing_is_refused():
    with pytest.raises(ChipError, match="merge needs one index at least"):
        merge()


def test_append_to_a_saved_index_is_one_new_version(pieces, tmp_path):
    pieces["A"].save(tmp_path / "index")
    before = ChipIndex.open(tmp_path / "index")
    after = before.append(pieces["B"])

    assert same(after, merge(pieces["A"], pieces["B"]))
    assert same(ChipIndex.open(tmp_path / "index"), after)
    assert len(before.to_arrow()) == len(pieces["A"])


@pytest.mark.parametrize("form", ["index.parquet", "index"])
def test_a_large_merge_streams_to_the_same_index(make_item, tmp_path, monkeypatch, form):
    indexes = []
    for number in range(4):
        collection = "other" if number == 3 else "sensor"
        items = [
            make_item(
                f"{number}-{place}",
                collection=collection,
                transform=(10, 0, 400_000 + 20_000 * place, 0, -10, 5_000_000),
                when=f"2025-05-0{number + 1}T00:00:00Z",
            )
            for place in range(3)
        ]
        made = Indexer(items, 90, levels=(0, 1)).create_index()
        if number == 2:
            made = made.with_column("label", list(range(len(made))))
        made.save(tmp_path / f"{number}")
        indexes.append(ChipIndex.open(tmp_path / f"{number}"))
    expected = merge(*indexes)
    monkeypatch.setattr(merged, "IN_MEMORY", 10)
    monkeypatch.setattr(merged, "GROUP", 70)
    streamed = merge(*indexes)

    assert isinstance(streamed._store, merged.MergedStore)
    assert streamed.to_arrow().to_pylist() == expected.to_arrow().to_pylist()
    assert streamed.query(where="label == 5").row(0)["id"] == expected.query(where="label == 5").row(0)["id"]
    streamed.save(tmp_path / form)
    opened = ChipIndex.open(tmp_path / form)
    assert opened.to_arrow().to_pylist() == expected.to_arrow().to_pylist()
    assert opened.tables == expected.tables
    assert opened.check() == []


def test_a_large_merge_of_a_common_item_is_still_a_union(pieces, monkeypatch):
    monkeypatch.setattr(merged, "IN_MEMORY", 1)
    assert same(merge(pieces["A"], pieces["A-small"], pieces["A"]), merge(pieces["A-small"], pieces["A"]))


def test_a_list_of_indexes_is_no_index_and_the_message_says_how(pieces):
    with pytest.raises(ChipError, match=r"one by one: .*merge\(\*indexes\)"):
        merge([pieces["A"], pieces["B"]])
