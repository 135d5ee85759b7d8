"""Which function writes which format: a table, filled from the modules that do."""

from __future__ import annotations

from importlib import import_module

from stacchip_osml.encode.io.contents import WriteContents
from stacchip_osml.encode.io.format_names import DatasetFormat

__all__ = ["writer_of"]

WRITERS = {
    "nitf": "nitf_dataset:write_nitf_contents",
    "nsif": "nitf_dataset:write_nitf_contents",
    "tiff": "tiff_dataset:write_tiff_contents",
    "png": "pictures:write_png_contents",
    "jpeg": "pictures:write_jpeg_contents",
    "j2k": "pictures:write_jpeg2000_contents",
    "jp2": "pictures:write_jpeg2000_contents",
    "jhc": "pictures:write_jpeg2000_contents",
    "jph": "pictures:write_jpeg2000_contents",
}
"""Canonical name → module of this package and its function."""


def writer_of(kind: DatasetFormat) -> WriteContents:
    """Give the function that writes a format."""
    module, _, name = WRITERS[kind.name].partition(":")
    write: WriteContents = getattr(import_module(f"stacchip_osml.encode.io.{module}"), name)
    return write
