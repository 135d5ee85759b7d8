"""What files of chips have no place for, told once for all that are cut."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stacchip_osml.errors import ChipError

if TYPE_CHECKING:
    from stacchip_osml.index import ChipIndex

__all__ = ["left_out_of_chips"]

KNOWN = frozenset(("png", "jp2", "jph", "j2k", "jhc", "nitf", "nsif"))
"""Formats that hold some colour tables, or none: GeoTIFF holds all, JPEG refuses chips that have one."""
COLUMNS = ("collection", "reference")


def left_out_of_chips(index: ChipIndex, kind: str, *, chain: str | None) -> list[str]:
    """Give what files of chips are without: their colour table, or nothing.

    Images of one asset of a collection are alike: the first chip of each is looked at.

    Args:
        index: its rows are the chips.
        kind: name of one of this package's formats; nothing is known of others.
        chain: processing chain instead of the rows' own.
    """
    if kind not in KNOWN:
        return []
    from stacchip_osml.encode.palette import lost_colors
    from stacchip_osml.load import Chipper

    firsts: dict[tuple[str | None, ...], int] = {}
    starts = index.run_starts
    for number, start in enumerate(starts[:-1].tolist()):
        columns = [column.to_pylist() for column in index.read_run(number, COLUMNS).columns]
        for place, key in enumerate(zip(*columns, strict=True), start=start):
            firsts.setdefault(key, place)
    chipper = Chipper(index, chain=chain)
    for position in firsts.values():
        try:
            chip = chipper[position]
        except ChipError:
            continue  # told where it was cut
        if chip is not None and chip.color_table is not None:
            has_holes = any(value is not None for value in chip.nodata) or not chip.mask.all()
            if lost := lost_colors(kind, chip.pixels.dtype, has_holes=has_holes):
                return lost
    return []
