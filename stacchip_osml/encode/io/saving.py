"""``imsave``: one array to one file, with what is usual for its format.

Rules: every option is honoured or refused by name; every dtype is kept exactly
or refused by name, with a format that has it; nothing is written then.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from numbers import Integral
from typing import Any, BinaryIO

import numpy as np
from affine import Affine
from numpy.typing import ArrayLike, NDArray

from stacchip_osml.encode.io.format_names import format_of_name, format_of_path
from stacchip_osml.encode.io.losses import jpeg_quality, require_no_quality, require_no_ratio
from stacchip_osml.encode.io.metadata import BufferedMetadataProvider
from stacchip_osml.encode.io.pictures import require_readable
from stacchip_osml.encode.io.save_request import SaveRequest
from stacchip_osml.encode.io.saving_nitf import nitf_writer
from stacchip_osml.encode.io.saving_tiff import tiff_writer
from stacchip_osml.encode.io.targets import as_target, opened_for_writing
from stacchip_osml.encode.jpeg2000.boxes import write_jp2
from stacchip_osml.encode.jpeg2000.tiles import ArraySource, Jpeg2000Options, write_codestream
from stacchip_osml.encode.option_kinds import require_kinds
from stacchip_osml.encode.pictures.stream_jpeg import write_jpeg
from stacchip_osml.encode.pictures.stream_png import write_png
from stacchip_osml.encode.placement import NamedCrs, find_placement
from stacchip_osml.errors import EncodeError
from stacchip_osml.imagery.header import GroundControlPoint
from stacchip_osml.pixel import ImageSize
from stacchip_osml.pixel.counts import whole_number, whole_or_none

__all__ = ["imsave"]


def imsave(
    path: str | os.PathLike[str] | BinaryIO,
    data: ArrayLike,
    *,
    format: str | None = None,  # noqa: A002 - the documented name
    compression: str | None = None,
    quality: float | None = None,
    ratio: float | None = None,
    block_size: int | tuple[int, int] | None = None,
    corners: Sequence[tuple[float, float]] | None = None,
    crs: str | int | NamedCrs | None = None,
    transform: Affine | Sequence[float] | None = None,
    gcps: Sequence[GroundControlPoint] = (),
    nodata: float | complex | None = None,
    bits: int | None = None,
    metadata: Mapping[str, Any] | None = None,
    workers: int = 1,
    **options: Any,
) -> None:
    """Save an array as an image file, whole or not at all.

    Args:
        path: the file, or a binary file open for writing, which needs ``format``.
        data: ``(rows, cols)`` or ``(bands, rows, cols)``.
        format: a name as :meth:`IO.open` takes; by default what the file's ending says.
        compression: GeoTIFF: ``deflate`` (default), ``lzw``, ``zstd``, ``packbits``, ``jpeg``, ``webp``, ``lerc``,
            ``none`` …; NITF: an ``IC``, or ``none``, ``jpeg``, ``jpeg2000`` (default, lossless, where the type
            allows), ``htj2k``; JPEG 2000: ``jpeg2000`` or ``htj2k``. PNG and JPEG have one each.
        quality: of JPEG, and of GeoTIFF and NITF of it: 1 to 100, 90 by default; of NITF from 5 on, 75 by default.
        ratio: of JPEG 2000, and of NITF of it: raw samples to file, 10 is ten to one; lossless by default.
        block_size: of tiles and blocks: a side, or ``(width, height)``; 256 in GeoTIFF and 1024 in NITF and JPEG 2000
            by default.
        corners: UL, UR, LR, LL as ``(x, y)`` of ``crs``, of the outer pixels' edges: longitude and latitude without
            ``crs``.
        crs: ``EPSG:n`` or n, WKT, or what else pyproj knows; or a CRS of pyproj or rasterio.
        transform: affine a b c d e f, pixel corner (col, row) → CRS (x, y), instead of corners.
        gcps: control points instead of corners.
        nodata: value of pixels that hold no measurement.
        bits: that carry information, of 8, 16 or 32: NITF and JPEG 2000.
        metadata: fields of the format: of NITF ``IID2``, ``ISCLAS``, TREs …; of TIFF tags by number or name.
        workers: threads that encode, at most; no more than there are cores are started.
        options: further ones of the format: ``predictor``, ``interleave``, ``level`` … of GeoTIFF; ``level`` of PNG;
            ``subsampling`` of JPEG; ``levels`` and ``layers`` of JPEG 2000.

    Raises:
        EncodeError: a ValueError: an unknown ending, an empty array or one of other dimensions; a dtype or option that
            the format does not have.
        ChipError: the file system refused.
    """
    target = as_target(path)
    if format is not None:
        kind = format_of_name(format)
    elif isinstance(target, str):
        kind = format_of_path(target)
    else:
        raise EncodeError("an open file has no ending that says its format: give format=")
    options = {name: value for name, value in options.items() if value is not None}
    told = {"compression": compression, "quality": quality, "ratio": ratio, "nodata": nodata, "bits": bits}
    require_kinds({**told, "workers": workers, **options})
    pixels = _checked(data)
    if bits is not None and bits > pixels.dtype.itemsize * 8:
        raise EncodeError(
            f"bits are those of a sample: at most {pixels.dtype.itemsize * 8} of {pixels.dtype}, got {bits}"
        )
    size = ImageSize(pixels.shape[2], pixels.shape[1])
    request = SaveRequest(
        kind=kind,
        pixels=pixels,
        placement=find_placement(size, corners=corners, crs=crs, transform=transform, gcps=gcps),
        compression=None if compression is None else compression.lower(),
        quality=quality,
        ratio=ratio,
        block=_block(block_size),
        nodata=nodata,
        bits=bits,
        metadata=BufferedMetadataProvider(metadata),
        options=options,
        workers=whole_number("workers", workers, least=1),
    )
    write = SAVERS[kind.name](request)
    with opened_for_writing([target]) as (out,):
        write(out)


def _checked(data: ArrayLike) -> NDArray[Any]:
    if np.ma.is_masked(data):
        raise EncodeError("what a masked array masks would be lost: fill it, data.filled(0), and in GeoTIFF give mask=")
    try:
        pixels = np.asarray(data)
    except ValueError as error:  # rows of unlike lengths
        raise EncodeError(f"an image is (rows, cols) or (bands, rows, cols): {error}") from error
    if pixels.ndim == 2:
        pixels = pixels[np.newaxis]
    if pixels.ndim != 3 or 0 in pixels.shape:
        raise EncodeError(
            f"an image is (rows, cols) or (bands, rows, cols), none of them 0; got shape {np.asarray(data).shape}"
        )
    if pixels.dtype.kind not in "biufc" or pixels.dtype.itemsize > 16 or pixels.dtype == np.longdouble:
        raise EncodeError(f"pixels are numbers of numpy's fixed-size types, not {pixels.dtype}")
    return pixels.astype(pixels.dtype.newbyteorder("="), copy=False)


def _block(size: Any) -> tuple[int, int] | None:
    """Give (rows, cols)."""
    if size is None:
        return None
    sides: Any = (size, size) if isinstance(size, Integral) else size
    if (
        not isinstance(sides, Sequence)
        or len(sides) != 2
        or not all(isinstance(side, Integral) and int(side) >= 1 for side in sides)
    ):
        raise EncodeError(f"block_size is a side or (width, height) of at least 1, got {size!r}")
    width, height = sides
    return int(height), int(width)


Write = Callable[[BinaryIO], object]


def _png(request: SaveRequest) -> Write:
    request.refuse("placement", "quality", "block", "nodata", "bits", "metadata")
    require_no_ratio("png", request.ratio)
    if request.compression not in {None, "deflate", "png"}:
        raise EncodeError(f"PNG has one compression, deflate, not {request.compression}")
    level = whole_or_none("level", request.options.get("level"), least=0)
    request.require_only({"level"})
    source = ArraySource(request.pixels)
    return lambda out: write_png(out, source, level=level, workers=request.workers)


def _jpeg(request: SaveRequest) -> Write:
    request.refuse("placement", "block", "nodata", "bits", "metadata")
    require_no_ratio("jpeg", request.ratio, has_quality=True)
    if request.compression not in {None, "jpeg"}:
        raise EncodeError(f"JPEG has one compression, not {request.compression}")
    request.require_only({"subsampling"})
    quality = jpeg_quality(90 if request.quality is None else request.quality)
    source = ArraySource(request.pixels)
    subsampling = request.options.get("subsampling", "420")
    return lambda out: write_jpeg(out, source, quality=quality, subsampling=subsampling, workers=request.workers)


def _jpeg2000(request: SaveRequest) -> Write:
    request.refuse("nodata", "metadata")
    require_no_quality(request.kind.name, request.quality)
    named = {"jhc": True, "jph": True}.get(request.kind.name, False)
    if request.compression not in {None, "jpeg2000", "j2k", "htj2k"}:
        raise EncodeError(f"{request.kind.name} is compressed as jpeg2000 or htj2k, not {request.compression}")
    if named and request.compression in {"jpeg2000", "j2k"}:
        raise EncodeError(f"{request.kind.name} is of high throughput (htj2k), not {request.compression}")
    request.require_only({"levels", "layers", "color_transform"})
    options = Jpeg2000Options(
        ratio=request.ratio,
        high_throughput=named or request.compression == "htj2k",
        tile=request.block or (1024, 1024),
        bits=request.bits,
        **request.options,
    )
    require_readable(request.pixels.dtype, options)
    source = ArraySource(request.pixels)
    if request.kind.name in {"j2k", "jhc"}:
        request.refuse("placement")
        return lambda out: write_codestream(out, source, options, workers=request.workers)
    return lambda out: write_jp2(out, source, options, placement=request.placement, workers=request.workers)


SAVERS: dict[str, Callable[[SaveRequest], Write]] = {
    "png": _png,
    "jpeg": _jpeg,
    "j2k": _jpeg2000,
    "jp2": _jpeg2000,
    "jhc": _jpeg2000,
    "jph": _jpeg2000,
    "nitf": nitf_writer,
    "nsif": nitf_writer,
    "tiff": tiff_writer,
}
"""Canonical name of a format → checks a request and gives what writes it."""
