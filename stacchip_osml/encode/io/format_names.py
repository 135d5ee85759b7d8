"""Names and file endings of the formats that datasets are read and written in."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePath

from stacchip_osml.errors import EncodeError
from stacchip_osml.imagery.providers.own_readers import reader_named

__all__ = ["FORMATS", "DatasetFormat", "format_of_name", "format_of_path", "format_to_read", "rset_level"]

RSET = re.compile(r"\.[rR]([0-9]+)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetFormat:
    """One format."""

    name: str
    """Canonical."""
    names: tuple[str, ...]
    """All names that ``format=`` takes, the canonical among them."""
    extensions: tuple[str, ...]
    """File endings; the first is usual."""
    driver: str
    """GDAL driver that reads it, by which its first bytes are known."""
    images: str = "one image"
    """What it holds, for messages."""
    writer: str = ""
    """Module of this package, and its function that writes it; none of what is only read."""


_NITF = {"driver": "NITF", "images": "images, texts, graphics and data", "writer": "nitf_dataset:write_nitf_contents"}
_JPEG2000 = {"driver": "JP2OpenJPEG", "writer": "pictures:write_jpeg2000_contents"}

FORMATS: dict[str, DatasetFormat] = {
    row.name: row
    for row in (
        DatasetFormat(name="nitf", names=("nitf", "nitf21", "nitf2.1"), extensions=(".ntf", ".nitf"), **_NITF),
        DatasetFormat(name="nsif", names=("nsif", "nsif10", "nsif1.0"), extensions=(".nsf", ".nsif"), **_NITF),
        DatasetFormat(
            name="tiff",
            names=("tiff", "tif", "geotiff", "gtiff"),
            extensions=(".tif", ".tiff", ".gtif", ".gtiff"),
            driver="GTiff",
            images="an image and its overviews",
            writer="tiff_dataset:write_tiff_contents",
        ),
        DatasetFormat(
            name="png", names=("png",), extensions=(".png",), driver="PNG", writer="pictures:write_png_contents"
        ),
        DatasetFormat(name="j2k", names=("j2k",), extensions=(".j2k", ".j2c", ".jpc"), **_JPEG2000),
        DatasetFormat(name="jp2", names=("jp2",), extensions=(".jp2",), **_JPEG2000),
        DatasetFormat(name="jhc", names=("jhc",), extensions=(".jhc",), **_JPEG2000),
        DatasetFormat(name="jph", names=("jph",), extensions=(".jph",), **_JPEG2000),
        DatasetFormat(
            name="jpeg",
            names=("jpeg", "jpg"),
            extensions=(".jpg", ".jpeg"),
            driver="JPEG",
            writer="pictures:write_jpeg_contents",
        ),
    )
}
"""Canonical name → format. ``jhc`` and ``jph`` are ``j2k`` and ``jp2`` of high throughput (HTJ2K)."""

BY_NAME = {name: row for row in FORMATS.values() for name in row.names}
BY_EXTENSION = {extension: row for row in FORMATS.values() for extension in row.extensions}


def format_of_name(name: str) -> DatasetFormat:
    """Look up what ``format=`` names, in any case.

    Raises:
        EncodeError: an unknown name.
    """
    found = BY_NAME.get(name.lower())
    if found is None:
        raise EncodeError(f"unknown format {name!r}; choose one of {', '.join(BY_NAME)}")
    return found


def format_to_read(name: str) -> DatasetFormat:
    """Look up what ``format=`` of reading names: one of these formats, or a registered reader.

    Raises:
        EncodeError: an unknown name.
    """
    if name.lower() not in BY_NAME and (own := reader_named(name)) is not None:
        return DatasetFormat(name=own.name, names=(own.name,), extensions=(), driver=own.name)
    return format_of_name(name)


def format_of_path(path: str) -> DatasetFormat:
    """Look up a file's format by its ending; ``.rN`` of an R-set is looked behind.

    Raises:
        EncodeError: an unknown ending.
    """
    extension = PurePath(RSET.sub("", path)).suffix.lower()
    found = BY_EXTENSION.get(extension)
    if found is None:
        raise EncodeError(
            f"{path}: no format is known by the ending {extension!r}; give format= (--format), one of "
            f"{', '.join(BY_NAME)}, or a name that ends in {', '.join(BY_EXTENSION)}"
        )
    return found


def rset_level(path: str) -> int | None:
    """Give the number N of a path that ends in ``.rN``; None of others."""
    found = RSET.search(path)
    return None if found is None else int(found[1])
