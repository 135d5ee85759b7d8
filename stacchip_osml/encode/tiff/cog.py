"""What makes a TIFF a COG: where its parts stand, and what it says of that.

Rules (OGC 21-026; GDAL's COG driver):

- directories come first: full resolution, then levels from fine to coarse, each followed
  by its mask; then pixels, from the coarsest level to the finest, each level's mask before it;
- between header and directories stands GDAL's note on the layout, which lets its reader
  fetch a block without asking for its length: that stands before each block, and the
  block's last four bytes again after it.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["data_order", "ghost_note"]

FACTS = ("LAYOUT=IFDS_BEFORE_DATA", "BLOCK_ORDER=ROW_MAJOR", "BLOCK_LEADER=SIZE_AS_UINT4")
LAST_FACTS = ("BLOCK_TRAILER=LAST_4_BYTES_REPEATED", "KNOWN_INCOMPATIBLE_EDITION=NO")


def ghost_note(*, planar: bool) -> bytes:
    """Give GDAL's note on the layout.

    Args:
        planar: bands are stored one after the other, so that blocks are no single row-major sequence.
    """
    facts = (*(fact for fact in FACTS if not planar or not fact.startswith("BLOCK_ORDER")), *LAST_FACTS)
    text = "\n".join(facts) + "\n "
    return f"GDAL_STRUCTURAL_METADATA_SIZE={len(text):06d} bytes\n{text}".encode("ascii")


def data_order(levels: Sequence[Sequence[int]]) -> list[int]:
    """Give the order in which the pixels of the directories stand.

    Args:
        levels: from fine to coarse, the directories of each: the image, and its mask where it has one.
    """
    return [page for pages in reversed(levels) for page in reversed(pages)]
