"""The file header of a NITF file that was written as a stream: its lengths stand at the end of the file.

Whoever writes before knowing how much sets FL, and lengths of segments, to all
nines, and puts the header with the true ones into a last data extension,
``STREAMING_FILE_HEADER``. It is found from the end (MIL-STD-2500C, table
A-8(B)): SFH-L1, SFH-DELIM1, SFH-DR, SFH-DELIM2, SFH-L2.
"""

from __future__ import annotations

from stacchip_osml.errors import DecodeError
from stacchip_osml.imagery.blocks.layout import ReadAt

__all__ = ["streamed_header"]

VERSIONS = (b"NITF02.10", b"NSIF01.00")
FL_AT, UNKNOWN = 342, b"9" * 12
DELIMITERS = bytes.fromhex("0a6e1d97"), bytes.fromhex("0eca14bf")
DIGITS = 7
AROUND = DIGITS + 4
"""Bytes before SFH-DR, and after it: its length and a delimiter."""


def streamed_header(read: ReadAt, *, name: str, size: int | None) -> bytes | None:
    """Give what replaces the first bytes of a file, where its own header says that lengths were not known.

    Args:
        read: the file.
        name: of the file, for messages.
        size: of the file; None where unknown, and then nothing is found.

    Returns:
        None where FL is known, or nothing at the end says the lengths.

    Raises:
        DecodeError: what stands at the end is damaged, or of another file.
    """
    if size is None or read(FL_AT, 12) != UNKNOWN:
        return None
    end = size - AROUND
    if end < AROUND:
        return None
    tail = read(end, AROUND)
    if tail[:4] != DELIMITERS[1] or not tail[4:].isdigit():
        return None
    length = int(tail[4:])
    start = end - length
    where = f"{name}: STREAMING_FILE_HEADER at {start - AROUND}"
    if start < FL_AT + 12 + AROUND:
        raise DecodeError(f"{where}: {length} bytes do not fit into the file (MIL-STD-2500C, table A-8(B))")
    before = read(start - AROUND, AROUND)
    if before != tail[4:] + DELIMITERS[0]:
        raise DecodeError(f"{where}: begins with {before!r}, not its length and delimiter (table A-8(B))")
    header = read(start, length)
    told = header[FL_AT : FL_AT + 12]
    if header[:9] not in VERSIONS or not told.isdigit() or int(told) != size:
        raise DecodeError(f"{where}: begins with {header[:9]!r} and FL is {told!r}; the file has {size} bytes")
    return header
