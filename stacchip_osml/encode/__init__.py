"""Chips and the files they become."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from stacchip_osml.encode.chip import Chip

if TYPE_CHECKING:
    from stacchip_osml.encode.display import to_rgb8
    from stacchip_osml.encode.formats import FORMATS, ImageFormat, encode_chip, image_format
    from stacchip_osml.encode.names import safe_name, write_chip
    from stacchip_osml.encode.sheet import contact_sheet

__all__ = [
    "FORMATS",
    "Chip",
    "ImageFormat",
    "contact_sheet",
    "encode_chip",
    "image_format",
    "safe_name",
    "to_rgb8",
    "write_chip",
]

_HOMES = {
    "FORMATS": "formats",
    "ImageFormat": "formats",
    "contact_sheet": "sheet",
    "encode_chip": "formats",
    "image_format": "formats",
    "safe_name": "names",
    "to_rgb8": "display",
    "write_chip": "names",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that a Chip costs no codec."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, imported or not."""
    return sorted(__all__)
