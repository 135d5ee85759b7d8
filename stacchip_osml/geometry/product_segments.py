"""Which rows of a SICD or SIDD product an image segment holds (NGA.STND.0024-2, 3.2; NGA.STND.0025-2, 2.4).

IID1 names the product and counts its segments from the top. A legend is named as
if it were one of them, and elevations stand beside them: XML describes neither.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from stacchip_osml.errors import ItemError

__all__ = ["ProductSegment", "first_row", "is_beside", "product_segment"]

NAME = re.compile(r"(SICD|SIDD\d{3})(\d{3})")
BESIDE = frozenset(("LEG", "DED"))


class ProductSegment(NamedTuple):
    """What the subheader of an image segment says of its place in a product, without padding."""

    iid1: str
    icat: str
    rows: int
    """NROWS."""


def product_segment(fields: Mapping[str, str]) -> ProductSegment:
    """Take what a record of a subheader says."""
    rows = fields.get("NROWS", "")
    return ProductSegment(
        fields.get("IID1", "").strip(), fields.get("ICAT", "").strip(), int(rows) if rows.isdigit() else 0
    )


def is_beside(icat: str) -> bool:
    """Tell whether an image of this category is a legend or elevations, and so no pixels of a product."""
    return icat.strip() in BESIDE


def first_row(segments: Sequence[ProductSegment], index: int) -> int:
    """Count the rows of a product above one of its segments; 0 of an image that is named as no such segment.

    Args:
        segments: all images of the file, in order.
        index: of the segment.

    Raises:
        ItemError: a segment above it is not there.
    """
    product, number = _named(segments[index])
    above = {
        count: each.rows
        for each in segments
        for name, count in [_named(each)]
        if name == product and 0 < count < number and not is_beside(each.icat)
    }
    if product and len(above) < number - 1:
        raise ItemError(f"IID1 {segments[index].iid1} counts {number - 1} segments above it, the file has {len(above)}")
    return sum(above.values())


def _named(segment: ProductSegment) -> tuple[str, int]:
    found = NAME.fullmatch(segment.iid1)
    return ("", 0) if found is None else (found[1], int(found[2]))
