"""PNG, JPEG and JPEG 2000 files of a dataset: one image each, its encoding said by its metadata.

Names are those of NITF where it has one, so that the same metadata serve both:
``COMRAT``, ``NPPBH``, ``NPPBV``, ``J2K_DECOMPOSITION_LEVELS``, ``J2K_QUALITY_LAYERS``.
Other metadata have no place in these files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.encode.io.checked import ProviderSource
from stacchip_osml.encode.io.contents import Contents, Entry
from stacchip_osml.encode.io.losses import JPEG, JPEG2000
from stacchip_osml.encode.io.places import colors_of, header_of, place_of
from stacchip_osml.encode.jpeg2000.boxes import write_jp2
from stacchip_osml.encode.jpeg2000.markers import is_tile_side
from stacchip_osml.encode.jpeg2000.tiles import Jpeg2000Options, write_codestream
from stacchip_osml.encode.nitf.pixels_rates import parse_rate
from stacchip_osml.encode.palette import whole_table
from stacchip_osml.encode.pictures.stream_jpeg import write_jpeg
from stacchip_osml.encode.pictures.stream_png import write_png
from stacchip_osml.errors import EncodeError
from stacchip_osml.imagery.display.picture import color_table_of
from stacchip_osml.imagery.providers.facts import dtype_of

__all__ = [
    "jpeg2000_options",
    "require_readable",
    "write_jpeg2000_contents",
    "write_jpeg_contents",
    "write_png_contents",
]

Progress = Callable[..., object] | None


def only_image(contents: Contents) -> Entry:
    """Give the one image of a format that holds one.

    Raises:
        EncodeError: there are more.
    """
    first, *others = contents.entries
    if others:
        raise EncodeError(f"{contents.format.name} holds one image, and {others[0].key} would be another")
    return first


def write_png_contents(out: BinaryIO, contents: Contents, *, workers: int, progress: Progress) -> None:
    """Write a PNG file; a last band that an image's file says to be anything but alpha is not made it."""
    entry = only_image(contents)
    source, header = ProviderSource(entry.provider), header_of(entry.provider)
    last = None if header is None or len(header.bands) != source.bands else header.bands[-1].color
    if source.bands in (2, 4) and last not in (None, "alpha"):
        raise EncodeError(
            f"{entry.key}: the last of {source.bands} samples is alpha in PNG, and band {source.bands} of this "
            f"image is {last}; choose one or three bands (--bands), or make a picture (--display)"
        )
    table, nodata = _table(entry), None if header is None or header.mask != "nodata" else header.bands[0].nodata
    hole = int(np.real(nodata)) if table is not None and nodata is not None and nodata in range(256) else None
    write_png(out, source, table=table, hole=hole, workers=workers, progress=progress, **contents.options)


def _table(entry: Entry) -> NDArray[np.uint8] | None:
    """Give the colour table of an image of 8-bit values; these formats hold no other."""
    table = color_table_of(entry.provider)
    return whole_table(table) if table is not None and dtype_of(entry.provider) == np.uint8 else None


def write_jpeg_contents(out: BinaryIO, contents: Contents, *, workers: int, progress: Progress) -> None:
    """Write a JPEG file; ``COMRAT`` of a JPEG or of no ``IC`` is its quality."""
    entry = only_image(contents)
    if color_table_of(entry.provider) is not None:
        raise EncodeError(
            f"{entry.key}: jpeg gives other entries of a colour table than it is given; write PNG, TIFF or NITF, "
            "or make a picture (--display)"
        )
    quality = 90
    text = str(entry.metadata.get("COMRAT", "")).strip()
    if text and str(entry.metadata.get("IC", "C3")).strip() in JPEG:
        try:
            quality = round(float(text))
        except ValueError as error:
            raise EncodeError(f"{entry.key}: COMRAT of a JPEG file is a quality from 1 to 100, got {text!r}") from error
    settings = {"quality": quality, **contents.options}
    write_jpeg(out, ProviderSource(entry.provider), workers=workers, progress=progress, **settings)


def write_jpeg2000_contents(out: BinaryIO, contents: Contents, *, workers: int, progress: Progress) -> None:
    """Write a codestream (``j2k``, ``jhc``) or a file with boxes (``jp2``, ``jph``)."""
    entry = only_image(contents)
    source = ProviderSource(entry.provider)
    options = jpeg2000_options(
        entry.metadata, source, high_throughput=contents.format.name in {"jhc", "jph"}, name=entry.key
    )
    if contents.options:
        options = replace(options, **contents.options)
    require_readable(source.dtype, options)
    if options.ratio is not None and color_table_of(entry.provider) is not None:
        raise EncodeError(
            f"{entry.key}: a ratio, or a COMRAT with loss, gives other entries of a colour table than it is given; "
            "leave it out, which loses nothing, or make a picture (--display)"
        )
    if contents.format.name in {"j2k", "jhc"}:
        write_codestream(out, source, options, workers=workers, progress=progress)
    else:
        placement, colors = place_of(entry.provider, entry.metadata), colors_of(entry.provider)
        write_jp2(
            out,
            source,
            options,
            colors=colors,
            table=_table(entry),
            placement=placement,
            workers=workers,
            progress=progress,
        )


def require_readable(dtype: np.dtype[Any], options: Jpeg2000Options) -> None:
    """Refuse what the standard has and readers of files do not.

    Raises:
        EncodeError: naming the type, and what is read.
    """
    if dtype.kind not in "iu":
        raise EncodeError(
            f"JPEG 2000 holds integers of 8, 16 and 32 bits, not {dtype.name}; make a picture by a display chain "
            "first (--display), or write TIFF"
        )
    if dtype == np.int8:
        raise EncodeError("JPEG 2000 files of int8 are read as unsigned by most readers: write int16, or .tif")
    if options.high_throughput and dtype.itemsize > 2:
        raise EncodeError(f"high-throughput JPEG 2000 of {dtype.name} is read by hardly any reader: write .tif")


def jpeg2000_options(
    metadata: Mapping[str, Any], source: ProviderSource, *, high_throughput: bool, name: str
) -> Jpeg2000Options:
    """Read how a JPEG 2000 image is to be coded.

    Args:
        metadata: of the image.
        source: its pixels.
        high_throughput: what the format says; ``IC`` of ``CD`` or ``MD`` says so too.
        name: of the image, for messages.

    Raises:
        EncodeError: a value that says nothing.
    """
    is_jpeg2000 = str(metadata.get("IC", "C8")).strip() in JPEG2000
    bits = source.bits if source.dtype.itemsize > 1 else None
    ratio = None
    if is_jpeg2000 and (text := str(metadata.get("COMRAT", "")).strip()):
        try:
            rate = parse_rate(text)
        except EncodeError as error:
            raise EncodeError(f"{name}: {error}") from error
        ratio = None if rate.kind == "N" else (bits or source.dtype.itemsize * 8) / rate.bits
    high_throughput = high_throughput or str(metadata.get("IC", "")).strip() in {"CD", "MD"}
    return Jpeg2000Options(
        ratio=None if ratio is not None and ratio <= 1 else ratio,
        levels=_number(metadata, "J2K_DECOMPOSITION_LEVELS", name),
        layers=_number(metadata, "J2K_QUALITY_LAYERS", name) or 1,
        high_throughput=high_throughput,
        tile=_tile(metadata, name) if is_jpeg2000 else (1024, 1024),
        bits=bits,
    )


def _tile(metadata: Mapping[str, Any], name: str) -> tuple[int, int]:
    """Read NPPBV and NPPBH, where they are tiles that JPEG 2000 is written in here; else 1024."""
    sides = [_number(metadata, key, name) or 1024 for key in ("NPPBV", "NPPBH")]
    rows, cols = (side if is_tile_side(side) else 1024 for side in sides)
    return rows, cols


def _number(metadata: Mapping[str, Any], key: str, name: str) -> int | None:
    value = metadata.get(key)
    if value is None or str(value).strip() == "":
        return None
    try:
        return int(str(value).strip())
    except ValueError as error:
        raise EncodeError(f"{name}: {key} is a whole number, got {value!r}") from error
