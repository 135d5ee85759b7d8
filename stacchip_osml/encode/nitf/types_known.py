"""Types of pixels that the standard has and readers do not know: refused unless they are asked for."""

from __future__ import annotations

from collections.abc import Container

from stacchip_osml.errors import EncodeError

__all__ = ["MISREAD", "require_known"]

MISREAD = {
    "int8": "most readers take it for unsigned; write int16, or .tif",
    "int64": "few readers know 64-bit integers; write .tif",
    "uint64": "few readers know 64-bit integers; write .tif",
}
"""Types that the standard has and readers do not."""


def require_known(dtype: str, fields: Container[str], where: str = "") -> None:
    """Refuse a type that readers do not know, unless PVTYPE is among the fields of the image.

    Raises:
        EncodeError: naming the type, and what is read.
    """
    if dtype in MISREAD and "PVTYPE" not in fields:
        raise EncodeError(f"{where}NITF of {dtype}: {MISREAD[dtype]}; or give PVTYPE to have it all the same")
