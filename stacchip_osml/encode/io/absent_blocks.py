"""What becomes of blocks that an image does not store, where the new format is not TIFF.

Masked codings of NITF say it of whole blocks, without a pad value that stored
pixels could be taken for; every other format writes zeros there, and is told.
An image with a nodata value has that in absent blocks; whether the new format
says what the value means is another matter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from stacchip_osml.encode.io.format_names import DatasetFormat
from stacchip_osml.encode.io.places import header_of
from stacchip_osml.encode.jpeg2000.markers import is_tile_side
from stacchip_osml.encode.nitf.pixels_blocking import LONGEST_SIDE
from stacchip_osml.encode.tiff.absence import is_cut_by, with_bands_apart
from stacchip_osml.imagery.providers.block_grid import BlockGrid, level_grid
from stacchip_osml.imagery.providers.facts import has_absent

__all__ = ["lost_absence", "masked_hints"]

ABSENT = "which pixels are absent"
MASKED = {"NC": "NM", "C3": "M3"}
"""IC → the same coding, masked. M8 and MD are read by few, GDAL not among them: who wants them says so."""
SAY_IT = ("NM", "M3", "M8", "MD")


def lost_absence(image: Any, kind: DatasetFormat) -> list[str]:
    """List what a format without masks does not say of an image: which of its pixels are absent, where some are.

    Args:
        image: whose loss of nodata, a mask or alpha is told elsewhere.
        kind: of the new file.
    """
    header = header_of(image)
    is_told = header is not None and header.mask != "none"
    return [] if kind.name == "tiff" or is_told or not _is_sparse(image) else [ABSENT]


def masked_hints(
    images: Sequence[Any], hints: Mapping[str, str], *, compression: str | None, is_nitf: bool
) -> tuple[dict[str, str], list[str]]:
    """Have absent blocks said by NITF's fields, of images that are coded anew.

    Args:
        images: with their metadata, to be written in one file.
        hints: fields that say how they are to be coded.
        compression: as it was asked for: an IC is kept, a name may become the masked coding of it.
        is_nitf: they are of a NITF file, which says its pad pixels as nodata.

    Returns:
        Fields to be added to ``hints``, and what is lost all the same.
    """
    found: dict[str, str] = {}
    sparse = [each for each in images if (is_nitf or not _has_nodata(each)) and _is_sparse(each)]
    for image in sparse:
        grid = level_grid(image)
        named = (("NPPBV", grid.block_shape[0]), ("NPPBH", grid.block_shape[1]))
        rows, cols = (int(hints.get(name, side)) for name, side in named)
        coding = hints.get("IC", str(image.metadata.get("IC", "NC")) if is_nitf else "NC").strip()
        is_held = coding in {"NC", "NM"} or (is_tile_side(rows) and is_tile_side(cols))
        is_held &= min(rows, cols) >= 1 and max(rows, cols) <= LONGEST_SIDE
        is_cut = not is_held or is_cut_by(image, BlockGrid(grid.image_size, (rows, cols)))
        is_cut = is_cut or with_bands_apart(image) is not None
        if coding in SAY_IT:
            if is_cut and not _has_nodata(image):
                return {}, ["valid pixels of value 0"]
        elif coding == (compression or "").upper() or coding not in MASKED or (is_cut and not _has_nodata(image)):
            return {}, [ABSENT]
        else:
            found["IC"] = MASKED[coding]
        if not is_nitf:
            found |= {"NPPBV": f"{rows:04d}", "NPPBH": f"{cols:04d}"}
    return found, []


def _is_sparse(image: Any) -> bool:
    return has_absent(image) or with_bands_apart(image) is not None


def _has_nodata(image: Any) -> bool:
    header = header_of(image)
    return header is not None and any(band.nodata is not None for band in header.bands)
