"""The pad pixel of a masked NITF image: the value of pixels that hold nothing (MIL-STD-2500C 5.4.3.2, table A-3(A)).

A pixel counts by its value alone, in whatever block it is, as in GDAL, which
takes codes of 8 bits only. Of complex pixels both parts count. A code of another
type or width than the pixels', so that none can have its value, is none.
"""

from __future__ import annotations

import numpy as np

from stacchip_osml.imagery.blocks.read_ahead import ReadAhead
from stacchip_osml.imagery.nitf.fields import Segment, Subheader

__all__ = ["pad_code", "pad_pixel"]

HEAD = 10
"""Bytes of IMDATOFF, BMRLNTH, TMRLNTH and TPXCDLNTH."""
MOST_BITS = 64
"""The widest sample that is one number."""
FLOATS = {("R", 32): ">f4", ("R", 64): ">f8", ("C", 64): ">c8"}
"""PVTYPE and NBPP → how a code of as many bits is stored."""


def pad_pixel(ahead: ReadAhead, segment: Segment, image: Subheader) -> float | complex | None:
    """Read TPXCD of a masked image; None where it has none, or the file ends before.

    Raises:
        NotServedError: no read is left.
    """
    bits, code = pad_code(ahead, segment, image.ic)
    return _value(code, bits, image) if bits else None


def pad_code(ahead: ReadAhead, segment: Segment, ic: str) -> tuple[int, bytes]:
    """Read TPXCDLNTH and TPXCD of an image with this IC; 0 and nothing where it has none, or the file ends before.

    Raises:
        NotServedError: no read is left.
    """
    if "M" not in ic:
        return 0, b""
    head = ahead.upto(segment.data, HEAD)
    bits = int.from_bytes(head[8:], "big")
    if len(head) < HEAD or not 0 < bits <= MOST_BITS or int.from_bytes(head[:4], "big") < HEAD:
        return 0, b""
    code = ahead.upto(segment.data, HEAD + -(-bits // 8))[HEAD:]
    return (bits, code) if len(code) == -(-bits // 8) else (0, b"")


def _value(code: bytes, bits: int, image: Subheader) -> float | complex | None:
    """Read a right-justified code as a sample of its image."""
    if image.pvtype not in {"B", "INT", "SI"}:
        kind = FLOATS.get((image.pvtype, bits)) if bits == image.bits else None
        return None if kind is None else np.frombuffer(code, kind)[0].item()
    value = int.from_bytes(code, "big") & ((1 << bits) - 1)
    if image.pvtype == "SI" and bits >= image.bits:  # a wider code repeats the sign, or has zeros before it
        value &= (1 << image.bits) - 1
        value -= (value >> (image.bits - 1)) << image.bits
    elif value >> image.bits:
        return None
    # As GDAL has nodata, but for what a float64 does not hold.
    return float(value) if int(float(value)) == value else value
