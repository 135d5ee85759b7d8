"""Uniting indexes: their rows by id, and what stands beside them."""

from __future__ import annotations

import os

from stacchip_osml.errors import ChipError
from stacchip_osml.index.chip_index import ChipIndex

__all__ = ["merge"]


def merge(*indexes: ChipIndex | str | os.PathLike[str], replace: bool = False) -> ChipIndex:
    """Unite indexes: rows by id, items, headers and chains.

    Associative, commutative and idempotent; users' columns survive, filled
    with null where an index lacks them.

    Args:
        indexes: indexes, or paths of them.
        replace: of an item that several hold, only the last one's chips and definition stay; the order then matters.

    Raises:
        IndexSchemaError: an item, image, column or chip with two different definitions under one name.
        ChipError: nothing to merge, or a list of indexes.
    """
    if not indexes:
        raise ChipError("merge needs one index at least")
    first, *others = indexes
    if isinstance(first, list | tuple):
        raise ChipError("merge takes indexes one by one: merge(first, second), or merge(*indexes) of a list")
    return (first if isinstance(first, ChipIndex) else ChipIndex.open(first)).merge(*others, replace=replace)
