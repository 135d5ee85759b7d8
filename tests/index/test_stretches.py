"""The order of large merges, by stretches, is the order that all rows together are sorted into."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stacchip_osml import ChipIndex, Indexer, merge
from stacchip_osml.index import merged, stretches
from stacchip_osml.index.merged import MergedStore
from stacchip_osml.index.order import row_order
from stacchip_osml.index.store import MemoryStore

PLACES = 3


@pytest.fixture(scope="module")
def kinds(make_item):
    """Indexes of one item each: places shared and not, several dates, grids, levels and collections."""
    made = []
    for number in range(12):
        place, date = number % PLACES, number // PLACES
        item = make_item(
            f"{date}-{place}",
            collection=(None, "other", "sensor", "sensor")[date],
            transform=(10, 0, 400_000 + 50_000 * place, 0, -10, 5_000_000),
            when=f"2025-05-0{date + 1}T00:00:00Z",
        )
        if item["collection"] is None:
            del item["collection"]
        sizes = (300, 250) if number % 4 == 0 else (300,)
        made.append(merge(*(Indexer(item, size, levels=(0, 1)[: 1 + number % 2]).create_index() for size in sizes)))
    return made


class Grouped(MemoryStore):
    """Rows in memory, in groups of a few."""

    def __init__(self, table, size):
        super().__init__(table)
        self.size = size

    @property
    def bounds(self):
        whole = super().bounds
        count = max(-(-self.num_rows // self.size), 1)
        start = np.minimum(np.arange(count + 1) * self.size, self.num_rows)
        return type(whole)(start, np.repeat(whole.bbox, count, axis=0), np.repeat(whole.times, count, axis=0))

    def read_groups(self, groups, columns=None):
        table = self.table if columns is None else self.table.select(list(columns))
        parts = [table.slice(self.size * group, self.size) for group in groups]
        return pa.concat_tables([table.slice(0, 0), *parts]).unify_dictionaries()


@pytest.fixture(scope="module")
def side(kinds):
    return merge(*kinds).tables


@settings(max_examples=30)
@given(
    data=st.data(),
    shuffled=st.booleans(),
    size=st.sampled_from([1, 2, 7, 1000]),
    long=st.sampled_from([0, 3, 10**6]),
    batch=st.sampled_from([1, 2, 32]),
)
def test_rows_of_stores_come_in_the_order_of_all_rows_sorted(kinds, side, data, shuffled, size, long, batch):
    numbers = data.draw(st.permutations(range(len(kinds))))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(numbers)), min_size=1, max_size=3)))
    chosen = [numbers[a:b] for a, b in zip([0, *cuts], [*cuts, len(numbers)], strict=True)]
    tables = [merge(*(kinds[number] for number in some)).to_arrow() for some in chosen if some]
    tables.append(tables[0].slice(0, 0))
    if shuffled:  # a table from elsewhere need not be in order
        rng = np.random.default_rng(len(numbers) + cuts[0])
        tables[0] = tables[0].take(pa.array(rng.permutation(len(tables[0]))))
    expected = pa.concat_tables(tables).unify_dictionaries()
    order = row_order(expected, side.places())
    expected = expected if order is None else expected.take(pa.array(order))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(merged, "LONG", long)
        patch.setattr(merged, "GROUP", 50)
        patch.setattr(stretches, "BATCH", batch)
        store = MergedStore.of([Grouped(table, size) for table in tables], side.places())
        found = store.read_groups(range(len(store.bounds.start) - 1))

    assert found.num_rows == store.num_rows == expected.num_rows
    for name in ("id", "item_id", "datetime", "col_off", "height", "geometry", "bbox"):
        assert found.column(name).to_pylist() == expected.column(name).to_pylist()


def test_places_of_one_stretch_are_ordered_without_looking_at_their_rows(kinds, monkeypatch):
    alone = [kinds[3 + place] for place in range(PLACES) if (3 + place) % 4]
    asked = []
    monkeypatch.setattr(stretches, "row_order", lambda table, places: asked.append(table.num_rows))
    side = merge(*alone).tables

    MergedStore.of([index._store for index in alone], side.places())
    assert asked == []


def test_stores_that_share_an_item_are_not_ordered_by_stretches(kinds):
    side = merge(*kinds).tables
    stores = [kinds[0]._store, merge(kinds[1], kinds[0])._store]

    assert MergedStore.of(stores, side.places()) is None
    assert MergedStore.of(stores[:1], side.places()) is not None


def test_rows_beyond_what_packs_into_one_number_are_compared_one_by_one(kinds):
    table = kinds[1].to_arrow()
    far = pa.array(np.where(np.arange(len(table)) % 2, 2**31 - 1, -(2**31)), pa.int32())
    for name in ("grid_row", "grid_col"):
        table = table.set_column(table.schema.get_field_index(name), table.schema.field(name), far)
    expected = merge(ChipIndex.from_table(table, kinds[1].tables)).to_arrow()
    store = MergedStore.of([MemoryStore(table)], kinds[1].tables.places())

    assert store.read_groups([0]).to_pylist() == expected.to_pylist()
