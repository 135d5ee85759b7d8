"""TREs that describe bands, cut down to the bands that a chip has: BANDSA and BANDSB.

STDI-0002 volume 1, appendices E and X. Both have a count and one entry for each
band, whose fields BANDSB's existence mask tells; after them it may have more.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from stacchip_osml.encode.nitf.records import Tre

__all__ = ["BAND_TRES", "select_bands"]

BANDSA_COUNT_AT, BANDSA_HEAD, BANDSA_BAND = 22, 26, 46
BANDSB_MASK_AT = 118
BANDSB_FIXED = 122
BANDSB_HEAD_BITS = {31: 28, 30: 7, 29: 32}
"""Bits of EXISTENCE_MASK → bytes of fields before the bands."""
BANDSB_WAVE_BITS = 0x01F80000
"""Any of these: a byte more before the bands, the unit of wavelengths."""
BANDSB_BAND_BITS = {
    **{28: 50, 27: 1, 26: 3, 25: 5, 24: 7, 23: 7, 22: 7, 21: 7, 20: 7, 19: 14, 18: 8, 17: 16, 16: 6, 15: 11},
    **{14: 16, 13: 14, 12: 10, 11: 16, 10: 14, 9: 16, 8: 24, 7: 32, 6: 48},
}
"""… and of the fields of each band."""
BANDSB_AUX_BIT = 0
AUX_BYTES = {"I": 10, "R": 4, "A": 20}
"""BAPF → bytes of a parameter."""


def select_bands(tre: Tre, bands: Sequence[int], count: int) -> Tre | None:
    """Keep the entries of some bands, in their order.

    Args:
        tre: a TRE of :data:`BAND_TRES`.
        bands: 0-based bands of the image.
        count: bands that the image has.

    Returns:
        None where the TRE is not of this image's bands, or is damaged: then nobody knows which entry is whose.
    """
    if tuple(bands) == tuple(range(count)):
        return tre
    data = BAND_TRES[tre.tag](tre.data, tuple(bands), count)
    return None if data is None else Tre(tre.tag, data)


def _bandsa(data: bytes, bands: tuple[int, ...], count: int) -> bytes | None:
    if _count(data[BANDSA_COUNT_AT:], 4) != count or len(data) != BANDSA_HEAD + BANDSA_BAND * count:
        return None
    entries = [data[BANDSA_HEAD + BANDSA_BAND * band :][:BANDSA_BAND] for band in bands]
    return data[:BANDSA_COUNT_AT] + b"%04d" % len(bands) + b"".join(entries)


def _bandsb(data: bytes, bands: tuple[int, ...], count: int) -> bytes | None:
    if _count(data, 5) != count or len(data) < BANDSB_FIXED:
        return None
    (mask,) = struct.unpack_from(">I", data, BANDSB_MASK_AT)
    start = BANDSB_FIXED + _length(mask, BANDSB_HEAD_BITS) + bool(mask & BANDSB_WAVE_BITS)
    size = _length(mask, BANDSB_BAND_BITS)
    end = start + size * count
    if end > len(data):
        return None
    entries = [data[start + size * band :][:size] for band in bands]
    tail = _auxiliary(data[end:], bands, count) if mask >> BANDSB_AUX_BIT & 1 else data[end:]
    return None if tail is None else b"%05d" % len(bands) + data[5:start] + b"".join(entries) + tail


def _auxiliary(data: bytes, bands: tuple[int, ...], count: int) -> bytes | None:
    """Select the parameters of bands; those of the cube stay."""
    number = _count(data, 2)
    if number is None or len(data) < 4:
        return None
    parts, at = [data[:4]], 4
    for _ in range(number):
        size = AUX_BYTES.get(data[at : at + 1].decode("latin-1"))
        if size is None or at + 8 + size * count > len(data):
            return None
        values = data[at + 8 : at + 8 + size * count]
        parts += [data[at : at + 8], *(values[size * band :][:size] for band in bands)]
        at += 8 + size * count
    return b"".join(parts) + data[at:]


def _count(data: bytes, digits: int) -> int | None:
    text = data[:digits]
    return int(text) if len(text) == digits and text.isdigit() else None


def _length(mask: int, table: dict[int, int]) -> int:
    return sum(size for bit, size in table.items() if mask >> bit & 1)


BAND_TRES = {"BANDSA": _bandsa, "BANDSB": _bandsb}
"""Tag → what selects bands in its data."""
