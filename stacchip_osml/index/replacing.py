"""Replacing items: of an item that several indexes hold, the last index alone counts.

An item that changed has another definition, other facts of its images or other
fractions of its chips, so its older chips are left out whole, whatever their
size, level or chain.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from stacchip_osml.index.tables import ItemKey

if TYPE_CHECKING:
    from stacchip_osml.index.chip_index import ChipIndex

__all__ = ["latest_items"]


def latest_items(indexes: Sequence[ChipIndex]) -> list[ChipIndex]:
    """Give the indexes, each without the items that a later one holds."""
    kept: list[ChipIndex] = []
    newer: set[ItemKey] = set()
    for index in reversed(indexes):
        gone = newer & index.items.keys()
        newer |= index.items.keys()
        kept.insert(0, _without(index, gone) if gone else index)
    return kept


def _without(index: ChipIndex, gone: Collection[ItemKey]) -> ChipIndex:
    left = index.query(where=~_is_of(gone))
    return index.from_table(left.to_arrow(), index.tables.only(index.items.keys() - gone), problems=index.problems)


def _is_of(keys: Collection[ItemKey]) -> pc.Expression:
    """Make the condition that a row is of one of some items."""
    collection = pc.coalesce(pc.field("collection").cast(pa.string()), pc.scalar(""))
    item_id = pc.field("item_id").cast(pa.string())
    found = pc.scalar(False)
    for name in sorted({key[0] for key in keys}):
        found |= (collection == name) & item_id.isin([key[1] for key in keys if key[0] == name])
    return found
