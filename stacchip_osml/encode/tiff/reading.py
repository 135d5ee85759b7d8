"""What an existing TIFF says of itself: numeric tags and named Geo keys, to be copied and changed.

Everything is bounded: entries of a directory, bytes of a value, bytes read in all.
"""

from __future__ import annotations

import os
import re
import struct
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from stacchip_osml.encode.tiff.geokeys_named import geo_names
from stacchip_osml.errors import DecodeError, ReadError
from stacchip_osml.imagery.tiff.ifd import Directory, Field, TiffBytes

__all__ = ["tiff_metadata"]

MOST_BYTES = 16 << 20
"""Of one value; block tables of the largest files are longer, and left out."""
LETTERS = {3: "u2", 4: "u4", 6: "i1", 8: "i2", 9: "i4", 11: "f4", 12: "f8", 13: "u4", 16: "u8", 17: "i8", 18: "u8"}
RATIONALS = {5: "u4", 10: "i4"}
SIZES = {1: 1, 2: 1, 7: 1, 5: 8, 10: 8} | {kind: int(letter[1]) for kind, letter in LETTERS.items()}
POSITIONS = frozenset({273, 279, 324, 325, 330, 34665, 34853, 40965})
"""Tags that point to places of the file: of no use elsewhere."""
BITS_PER_SAMPLE = 258
UTF8 = frozenset({42112, 42113})
"""GDAL's tags, whose texts are UTF-8."""
DATE_TIME, DATE = 306, re.compile(rb"\d{4}:\d\d:\d\d \d\d:\d\d:\d\d")


def tiff_metadata(source: str | os.PathLike[str] | bytes | BinaryIO, *, page: int = 0) -> dict[str, Any]:
    """Read the tags of one directory of a TIFF.

    Args:
        source: a local file, its bytes, or an open seekable file.
        page: which directory; 0 is full resolution.

    Returns:
        Each tag under its number as text (``"259"``): a number, a text, bytes, or a list of numbers; what points to
        places of the file is left out. Besides these the Geo keys by name
        (:data:`stacchip_osml.encode.tiff.geokeys_named.GEO_NAMES`): of a file with a projected CRS ``GeoModelType``
        says so.

    Raises:
        DecodeError: not a TIFF, or damaged.
        ReadError: the file cannot be read.
        IndexError: no such directory.
    """
    if isinstance(source, bytes):
        return _metadata(lambda at, size: source[at : at + size], name="TIFF", size=len(source), page=page)
    if isinstance(source, (str, os.PathLike)):
        if Path(source).is_fifo():  # would be waited for
            raise DecodeError(f"{Path(source).name}: not a regular file")
        try:
            with Path(source).open("rb") as file:
                return _of_file(file, name=Path(source).name, page=page)
        except DecodeError:
            raise
        except OSError as error:
            raise ReadError(f"{Path(source).name}: {error.strerror or error}") from error
    return _of_file(source, name="TIFF", page=page)


def _of_file(file: BinaryIO, *, name: str, page: int) -> dict[str, Any]:
    def read(at: int, size: int) -> bytes:
        file.seek(at)
        return file.read(size)

    size = file.seek(0, os.SEEK_END)
    return _metadata(read, name=name, size=size, page=page)


def _metadata(read: Any, *, name: str, size: int, page: int) -> dict[str, Any]:
    file = TiffBytes(read, name=name, size=size)
    for number, directory in enumerate(file.chain()):
        if number == page:
            values = {BITS_PER_SAMPLE: 1} | _values(file, directory)  # the default (TIFF 6.0, section 8)
            return {str(tag): values[tag] for tag in sorted(values)} | geo_names(_lists(values))
    raise IndexError(f"{name}: no directory {page}")


def _lists(values: dict[int, Any]) -> dict[int, Any]:
    """Give every value that consists of numbers as a list."""
    return {
        tag: [value] if isinstance(value, (int, float)) else value
        for tag, value in values.items()
        if not isinstance(value, (str, bytes))
    }


def _values(file: TiffBytes, directory: Directory) -> dict[int, Any]:
    return {
        tag: _value(file, field)
        for tag, field in directory.fields.items()
        if tag not in POSITIONS and field[1] in SIZES and field[2] * SIZES[field[1]] <= MOST_BYTES
    }


def _value(file: TiffBytes, field: Field) -> Any:
    """Read one value.

    Raises:
        DecodeError: the file ends in it.
    """
    tag, kind, count, inline = field
    size = count * SIZES[kind]
    if size <= len(inline):
        data = inline[:size]
    else:
        (offset,) = struct.unpack(file.order + ("Q" if file.big else "I"), inline)
        data = file.at(offset, size)
    if kind == 2:
        text = data[:-1] if data.endswith(b"\0") else data
        return _text(tag, text)
    if kind in (1, 7):
        return data if count > 4 or kind == 7 else data[0] if count == 1 else list(data)
    if kind in RATIONALS:
        pairs = np.frombuffer(data, file.order + RATIONALS[kind]).reshape(-1, 2).tolist()
        numbers: list[Any] = [above / below if below else 0.0 for above, below in pairs]
    else:
        numbers = np.frombuffer(data, file.order + LETTERS[kind]).tolist()
    return numbers[0] if len(numbers) == 1 else numbers


def _text(tag: int, text: bytes) -> str | bytes:
    """Read a text; one that is not as the standard has it stays bytes, which are copied as they are."""
    if tag in UTF8:
        return text.decode("utf-8", "replace")
    fine = text.isascii() and b"\0" not in text and (tag != DATE_TIME or DATE.fullmatch(text))
    return text.decode("ascii") if fine else text
