"""Chips as NITF and NSIF for the table of formats: what they need is imported when the first one is written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stacchip_osml.encode.chip import Chip
    from stacchip_osml.encode.nitf.records import Version

__all__ = ["encode_nitf", "encode_nsif"]


def encode_nitf(
    chip: Chip, *, overrides: Mapping[str, Any] | None = None, version: Version = "NITF02.10", workers: int = 1
) -> bytes:
    """Write a chip as NITF 2.1; see :func:`stacchip_osml.encode.nitf.chip.encode_nitf`."""
    from stacchip_osml.encode.nitf import chip as nitf_chip

    return nitf_chip.encode_nitf(chip, overrides=overrides, version=version, workers=workers)


def encode_nsif(chip: Chip, *, overrides: Mapping[str, Any] | None = None, workers: int = 1) -> bytes:
    """Write a chip as NSIF 1.0; see :func:`stacchip_osml.encode.nitf.chip.encode_nitf`."""
    return encode_nitf(chip, overrides=overrides, version="NSIF01.00", workers=workers)
