"""Replacing items: of an item that several indexes hold, the last index alone counts.

An item that changed has another definition, other facts of its images or other
fractions of its chips, so its older chips are left out whole, whatever their
size, level or chain.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from stacchip_osml.index.query import Query, select_rows
from stacchip_osml.index.store import ChipStore, MemoryStore
from stacchip_osml.index.tables import ItemKey, SideTables

__all__ = ["latest_items"]

Held = tuple[ChipStore, SideTables]


def latest_items(indexes: Sequence[Held]) -> list[Held]:
    """Give the rows and tables of indexes, each without the items that a later one holds."""
    kept: list[Held] = []
    newer: set[ItemKey] = set()
    for store, tables in reversed(indexes):
        gone = newer & tables.items.keys()
        newer |= tables.items.keys()
        kept.insert(0, _without(store, tables, gone) if gone else (store, tables))
    return kept


def _without(store: ChipStore, tables: SideTables, gone: Collection[ItemKey]) -> Held:
    left = select_rows(store, Query.of(where=~_is_of(gone)))
    return MemoryStore(left), tables.only(tables.items.keys() - gone)


def _is_of(keys: Collection[ItemKey]) -> pc.Expression:
    """Make the condition that a row is of one of some items."""
    collection = pc.coalesce(pc.field("collection").cast(pa.string()), pc.scalar(""))
    item_id = pc.field("item_id").cast(pa.string())
    found = pc.scalar(False)
    for name in sorted({key[0] for key in keys}):
        found |= (collection == name) & item_id.isin([key[1] for key in keys if key[0] == name])
    return found
