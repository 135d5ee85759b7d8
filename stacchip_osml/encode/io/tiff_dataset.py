"""TIFF datasets: an image with its overviews as levels of one file, and what its tags say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, BinaryIO

from stacchip_osml.encode.io.places import place_of
from stacchip_osml.encode.io.writer import Contents, Entry
from stacchip_osml.errors import EncodeError
from stacchip_osml.imagery.blocks.image import BlockImage

PLACE_NAMES = ("GeoPixelScale", "GeoTiepoints", "GeoTransform")
PLACE_TAGS = ("33550", "33922", "34264")
"""Metadata that say a place."""

__all__ = ["tiff_metadata", "write_tiff_contents"]


def tiff_metadata(image: BlockImage) -> Mapping[str, Any]:
    """Give the tags of the image's own directory by number and the geo keys by name; of a remote file, GDAL's names."""
    from stacchip_osml.encode.tiff_reading import tiff_metadata as tags_of

    return image.metadata if image.remote else tags_of(image.location)


def write_tiff_contents(out: BinaryIO, contents: Contents, *, workers: int, progress: Any) -> None:
    """Write a GeoTIFF: the image, then its overviews from fine to coarse.

    Raises:
        EncodeError: more than one image, or levels that are none of it.
    """
    from stacchip_osml.encode.tiff import write_tiff

    base, levels = _levels(contents)
    write_tiff(
        out,
        [base.provider, *(level.provider for level in levels)],
        metadata=base.metadata,
        **place_of_file(base),
        workers=workers,
        progress=progress,
    )


def place_of_file(entry: Entry) -> dict[str, Any]:
    """Give the place that the file of an image says, where its metadata say none: of a NITF or a JP2."""
    if any(name in entry.metadata for name in (*PLACE_NAMES, *PLACE_TAGS)):
        return {}
    placement = place_of(entry.provider, {})
    if placement is None:
        return {}
    return {"transform": placement.transform, "crs": placement.crs, "gcps": placement.gcps}


def _levels(contents: Contents) -> tuple[Entry, list[Entry]]:
    full = [entry for entry in contents.images if entry.overview_of is None]
    if len(full) != 1:
        names = ", ".join(entry.key for entry in full) or "none"
        raise EncodeError(f"{contents.format.name} holds one image and its overviews, got as images: {names}")
    levels = [entry for entry in contents.images if entry.overview_of is not None]
    levels.sort(key=lambda entry: -entry.provider.num_rows * entry.provider.num_columns)
    return full[0], levels
