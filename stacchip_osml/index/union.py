"""Uniting indexes: their rows by id, and what stands beside them."""

from __future__ import annotations

import os

from stacchip_osml.errors import ChipError
from stacchip_osml.index.chip_index import ChipIndex
from stacchip_osml.index.merged import MergedStore
from stacchip_osml.index.merging import merge_rows
from stacchip_osml.index.replacing import latest_items

__all__ = ["merge"]

IN_MEMORY = 1_000_000
"""Rows above which indexes without a common item are merged without reading them all."""


def merge(*indexes: ChipIndex | str | os.PathLike[str], replace: bool = False) -> ChipIndex:
    """Unite indexes: rows by id, items, headers and chains.

    Associative, commutative and idempotent; users' columns survive, filled
    with null where an index lacks them.

    Args:
        indexes: indexes, or paths of them.
        replace: of an item that several hold, only the last one's chips and definition stay; the order then matters.

    Raises:
        IndexSchemaError: an item, image, column or chip with two different definitions under one name.
        ChipError: nothing to merge.
    """
    if not indexes:
        raise ChipError("merge needs one index at least")
    opened = [index if isinstance(index, ChipIndex) else ChipIndex.open(index) for index in indexes]
    opened = latest_items(opened) if replace else opened
    tables = opened[0].tables.union(*(index.tables for index in opened[1:]))
    problems = [problem for index in opened for problem in index.problems]
    stores = [index._store for index in opened]
    merged = MergedStore.of(stores, tables.places()) if sum(map(len, opened)) > IN_MEMORY else None
    if merged is not None:
        return ChipIndex(merged, tables, problems=problems)
    return ChipIndex.from_table(merge_rows([index.to_arrow() for index in opened], tables), tables, problems=problems)
