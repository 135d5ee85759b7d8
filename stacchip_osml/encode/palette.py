"""Colour tables of 8-bit values in files: which formats hold them, and what they write.

A table is written whole, whatever a chip shows of it, so that the files of one
image have the same one; values beyond it are black.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from stacchip_osml.imagery.display.picture import ColorTable

__all__ = ["ENTRIES", "free_entry", "holds_colors", "lost_colors", "lut_fields", "whole_table"]

ENTRIES = 256
"""Of a table: one for every value of 8 bits."""
OF_8_BITS = frozenset(("png", "jp2", "jph", "nitf", "nsif"))
"""Formats that hold tables of 8-bit values. TIFF holds those of 16 bits too, a codestream none."""


def holds_colors(name: str, dtype: np.dtype[Any]) -> bool:
    """Tell whether files of a format hold a colour table of values of a type."""
    return name in {"geotiff", "tiff"} or (name in OF_8_BITS and dtype == np.uint8)


def lost_colors(name: str, dtype: np.dtype[Any], *, has_holes: bool) -> list[str]:
    """Say what chips with a colour table lose in a format: the table, all of them or those with invalid pixels."""
    if not holds_colors(name, dtype):
        return ["colour table"]
    return ["colour table of chips with invalid pixels"] if has_holes and name in {"jp2", "jph"} else []


def whole_table(table: Sequence[Sequence[int]]) -> NDArray[np.uint8]:
    """Give ``(256, 3)`` red, green and blue of a table of 256 entries at most."""
    whole = np.zeros((ENTRIES, 3), np.uint8)
    whole[: len(table)] = table
    return whole


def lut_fields(table: ColorTable) -> dict[str, str]:
    """Give NITF's fields of an image of one 8-bit band whose values are entries of a table (MIL-STD-2500C, table A-3).

    Args:
        table: red, green and blue, 0 to 255, of the values from 0 on; those beyond are black.
    """
    tables = {f"LUTD1{n}": of.tobytes().decode("latin-1") for n, of in enumerate(whole_table(table).T, start=1)}
    return {"IREP": "RGB/LUT", "IREPBAND1": "LU", "NLUTS1": "3", "NELUT1": f"{ENTRIES:05d}", **tables}


def free_entry(values: NDArray[np.uint8], valid: NDArray[np.bool_], nodata: float | complex | None) -> int | None:
    """Choose the entry that stands for pixels that hold nothing: one that no measurement has.

    Args:
        values: ``(rows, cols)``.
        valid: as ``values``, True where the pixel is a measurement.
        nodata: taken if it is free; else the last free one is.

    Returns:
        None where all are used.
    """
    counts = np.bincount(values[valid], minlength=ENTRIES)
    (free,) = np.nonzero(counts == 0)
    if nodata in free:
        return int(np.real(nodata))  # type: ignore[arg-type]
    return int(free[-1]) if free.size else None
