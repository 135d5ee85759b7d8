"""Items that changed: their new chips take the place of the old ones."""

import pytest

from stacchip_osml import ChipIndex, Indexer, merge
from stacchip_osml.errors import IndexSchemaError

FORMS = ["index.parquet", "index"]


@pytest.fixture
def items(make_item):
    return [make_item("A"), make_item("B"), make_item("A", collection="other"), {**make_item("A"), "collection": None}]


def names(index):
    rows = index.query(where="level == 0", columns=["collection", "item_id"]).to_pylist()
    return sorted({(row["collection"] or "", row["item_id"]) for row in rows})


def test_a_changed_item_is_refused_with_what_differs_and_what_to_do(items):
    changed = {**items[0], "properties": {**items[0]["properties"], "eo:cloud_cover": 12}, "title": "new"}
    message = r"name: sensor/A; they differ in properties.eo:cloud_cover, title; .*replace=True, --replace"
    with pytest.raises(IndexSchemaError, match=message):
        merge(Indexer(items, 200).create_index(), Indexer(changed, 200).create_index())


@pytest.mark.parametrize("form", FORMS)
def test_a_changed_item_replaces_all_older_chips_of_it_and_no_others(items, make_item, tmp_path, form):
    old = merge(Indexer(items, 200).create_index(), Indexer(items, 100).create_index())
    new = Indexer(make_item("A", size=(400, 400)), 200).create_index()
    path = old.save(tmp_path / form)
    grown = ChipIndex.open(path).append(new, replace=True)

    assert grown.check() == []
    assert names(grown) == names(old) == [("", "A"), ("other", "A"), ("sensor", "A"), ("sensor", "B")]
    assert grown.items["sensor", "A"]["properties"]["proj:shape"] == [400, 400]
    mine = grown.query(where="collection == 'sensor' and item_id == 'A'")
    assert mine.to_arrow().column("id").to_pylist() == new.to_arrow().column("id").to_pylist()
    assert len(grown) - len(mine) == len(old) - len(old.query(where="collection == 'sensor' and item_id == 'A'"))


def test_items_without_a_collection_are_replaced_too(items, make_item):
    new = Indexer({**make_item("A", size=(200, 200)), "collection": None}, 200).create_index()
    united = merge(Indexer(items, 200).create_index(), new, replace=True)

    assert len(united.query(where="collection is None")) == 1
    assert len(united.query(where="collection == 'sensor'")) == 40


def test_of_several_indexes_the_last_one_counts(make_item):
    sizes = [(600, 600), (400, 400), (200, 200)]
    indexes = [Indexer(make_item("A", size=size), 200).create_index() for size in sizes]

    assert [len(merge(*some, replace=True)) for some in (indexes, indexes[::-1])] == [1, 9]
    assert merge(*indexes[:1] * 2, replace=True).to_arrow().equals(indexes[0].to_arrow())


def test_indexes_without_a_common_item_are_merged_as_ever(build):
    assert merge(build("A"), build("B"), replace=True).to_arrow().equals(merge(build("A"), build("B")).to_arrow())
