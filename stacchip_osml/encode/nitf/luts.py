"""Colour tables as a NITF's look-up tables (MIL-STD-2500C, table A-3)."""

from __future__ import annotations

from stacchip_osml.encode.palette import ENTRIES, whole_table
from stacchip_osml.imagery.display.picture import ColorTable

__all__ = ["lut_fields"]


def lut_fields(table: ColorTable) -> dict[str, str]:
    """Give the fields of an image of one 8-bit band whose values are entries of a colour table.

    Args:
        table: red, green and blue, 0 to 255, of the values from 0 on; those beyond are black.
    """
    tables = {f"LUTD1{n}": of.tobytes().decode("latin-1") for n, of in enumerate(whole_table(table).T, start=1)}
    return {"IREP": "RGB/LUT", "IREPBAND1": "LU", "NLUTS1": "3", "NELUT1": f"{ENTRIES:05d}", **tables}
