"""Chips as NITF and NSIF files: what writes them is imported when the first one is written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stacchip_osml.pixel.counts import whole_number

if TYPE_CHECKING:
    from stacchip_osml.encode.chip import Chip
    from stacchip_osml.encode.nitf.records import Version

__all__ = ["encode_nitf", "encode_nsif"]


def encode_nitf(
    chip: Chip, *, overrides: Mapping[str, Any] | None = None, version: Version = "NITF02.10", workers: int = 1
) -> bytes:
    """Write a chip as a NITF 2.1 or NSIF 1.0 file, in memory.

    Args:
        chip: its origin, where it has one, tells the file that it was cut from.
        overrides: fields of the image subheader or the file header, and TREs, that are to be others than they would
            be: ``{"IC": "C8", "COMRAT": "N1.0", "ICHIPB": None}``. Only read.
        version: of the format.
        workers: threads that encode.

    Returns:
        The whole file.

    Raises:
        EncodeError: a field breaks a rule, the format cannot carry the pixels, or a SICD chip is resampled.
        ReadError: the parent's headers could not be read.
    """
    from stacchip_osml.encode.nitf.chip import chip_file
    from stacchip_osml.encode.nitf.write import nitf_bytes

    workers = whole_number("workers", workers, least=1)
    return nitf_bytes(chip_file(chip, overrides=overrides, version=version), workers=workers)


def encode_nsif(chip: Chip, *, overrides: Mapping[str, Any] | None = None, workers: int = 1) -> bytes:
    """Write a chip as NSIF 1.0; see :func:`encode_nitf`."""
    return encode_nitf(chip, overrides=overrides, version="NSIF01.00", workers=workers)
