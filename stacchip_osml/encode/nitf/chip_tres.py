"""What becomes of each TRE of a parent in a chip: a table, and nothing that is not told.

TREs of sensors speak of the original full image and stay byte for byte: ICHIPB
leads from the chip to it. So do unknown ones. Others are of the file's own pixels,
and are made anew, cut down, moved, or left out. What is damaged and would have to be
read for that does not stop the chip: it is left out or replaced, and its fate says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from stacchip_osml.encode.nitf.band_tres import BAND_TRES, select_bands
from stacchip_osml.encode.nitf.chip_map import MAP_TRES, Place, move_map
from stacchip_osml.encode.nitf.records import Tre
from stacchip_osml.pixel import ImageSize

__all__ = ["TreFate", "fates_of_tres"]

UNPLACED = "damaged, or not able to say where it lies: there is no origin beyond a pole (partial='clip' cuts there)"
REPLACED = {
    "ICHIPB": "composed with the chip's own place in the image",
    "ICHIPA": "ICHIPB takes its place",
    "BLOCKA": "the chip has corners of its own",
}
LEFT_OUT = {"J2KLRA": "it describes the layers of the parent's JPEG 2000 data"}


class TreFate(NamedTuple):
    """What became of one TRE of the parent."""

    tag: str
    fate: Literal["kept", "changed", "replaced", "left out"]
    reason: str
    tre: Tre | None
    """As it stands in the chip; None where it does not, or where another one takes its place."""


def fates_of_tres(
    tres: Sequence[Tre],
    *,
    own: Sequence[Tre],
    bands: Sequence[int] | None,
    count: int,
    window: Place,
    size: ImageSize,
    faults: Mapping[str, str],
) -> list[TreFate]:
    """Decide on the TREs of an image for a chip of it.

    Args:
        tres: of the parent's image.
        own: those made for the chip, which take the place of the parent's.
        bands: 0-based bands of the image that the chip has; None where a chain made others.
        count: bands of the image.
        window: ``(x, y, width, height)`` of the chip in pixels of the image.
        size: of the chip.
        faults: tags of damaged ones among those that are replaced → what is wrong with them.

    Returns:
        One for each TRE of the parent, in order; ``own`` are not among them.
    """
    made = {tre.tag for tre in own}

    def fate(tre: Tre) -> TreFate:
        if tre.tag in made or tre.tag in REPLACED:
            reason = faults.get(tre.tag) or REPLACED.get(tre.tag, "the chip has one of its own")
            return TreFate(tre.tag, "replaced" if tre.tag in made else "left out", reason, None)
        if tre.tag in LEFT_OUT:
            return TreFate(tre.tag, "left out", LEFT_OUT[tre.tag], None)
        if tre.tag in BAND_TRES:
            if bands is None:
                return TreFate(tre.tag, "left out", "a chain made other bands", None)
            selected = select_bands(tre, bands, count)
            return _changed(tre, selected, "the bands that the chip has", "damaged, or not of the image's bands")
        if tre.tag in MAP_TRES:
            moved = move_map(tre, window, size)
            return _changed(tre, moved, "where the chip's first pixel lies", UNPLACED)
        return TreFate(tre.tag, "kept", "", tre)

    return [fate(tre) for tre in tres]


def _changed(tre: Tre, new: Tre | None, reason: str, fault: str) -> TreFate:
    if new is None:
        return TreFate(tre.tag, "left out", fault, None)
    if new.data == tre.data:
        return TreFate(tre.tag, "kept", "", new)
    return TreFate(tre.tag, "changed", reason, new)
