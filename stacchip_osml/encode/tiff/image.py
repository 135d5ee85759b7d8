"""TIFF, GeoTIFF and COG of any image, block by block in bounded memory.

One writer for all: chips come as arrays (:mod:`stacchip_osml.encode.tiff.chip`), images as
providers; both become pages and blocks, and :mod:`stacchip_osml.encode.tiff.pages` writes them.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from numbers import Real
from operator import index
from pathlib import Path
from types import NoneType
from typing import Any, BinaryIO

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from stacchip_osml.encode.atomic import opened
from stacchip_osml.encode.field_text import dict_of, list_of, text_of
from stacchip_osml.encode.tiff.absence import absence_mask
from stacchip_osml.encode.tiff.codecs import COMPRESSIONS, block_coder
from stacchip_osml.encode.tiff.cog import data_order, ghost_note
from stacchip_osml.encode.tiff.file import Container, Tags
from stacchip_osml.encode.tiff.level_places import level_place_tags
from stacchip_osml.encode.tiff.levels import Levels, MaskView, fits_gdal, holds, levels_of
from stacchip_osml.encode.tiff.options import Storage, storage_of
from stacchip_osml.encode.tiff.pages import Page, PageBlock, needs_big, write_pages
from stacchip_osml.encode.tiff.tags import Described, hints_of, level_tags, picture_of, place_tags, require_entries
from stacchip_osml.errors import EncodeError
from stacchip_osml.imagery.header import GroundControlPoint
from stacchip_osml.imagery.providers.block_grid import level_grid
from stacchip_osml.imagery.providers.facts import dtype_of
from stacchip_osml.imagery.resampling.reduction import reduction_of
from stacchip_osml.imagery.resampling.reduction_masked import maskable
from stacchip_osml.imagery.resampling.resamplers import ResampleFunc, nearest_neighbor_resample
from stacchip_osml.pixel import ImageSize
from stacchip_osml.pixel.counts import whole_number

__all__ = ["array_blocks", "image_pages", "mask_page", "write_tiff"]

LAYOUTS = ("tiff", "cog")
ORDERS = {"little": "<", "<": "<", "big": ">", ">": ">"}
PHOTOMETRIC, EXTRA_SAMPLES, SUBFILE_TYPE = 262, 338, 254
TRANSPARENCY_MASK, YCBCR = 4, 6
REDUCED, MASK = 1, 4

Progress = Callable[[int, int, int], None]


def write_tiff(
    target: str | os.PathLike[str] | BinaryIO,
    image_levels: Any,
    *,
    layout: str = "tiff",
    compression: str | int | None = None,
    level: float | None = None,
    predictor: str | int | bool | None = None,
    interleave: str | None = None,
    tile: int | tuple[int, int] | None = None,
    rows_per_strip: int | None = None,
    bits: int | None = None,
    subsampling: str = "420",
    bigtiff: str | bool = "auto",
    byteorder: str = "little",
    metadata: Mapping[Any, Any] | None = None,
    crs: str | None = None,
    transform: Affine | None = None,
    gcps: Sequence[GroundControlPoint] = (),
    rpcs: Mapping[str, str] | Sequence[tuple[str, str]] | None = None,
    nodata: float | Sequence[float | complex | None] | None = None,
    color_table: Sequence[Sequence[int]] | None = None,
    colors: Sequence[str] = (),
    band_names: Sequence[str | None] = (),
    scales: Sequence[float] = (),
    offsets: Sequence[float] = (),
    items: Mapping[str, str] | None = None,
    mask: Any = None,
    overviews: int | None = None,
    resampling: ResampleFunc | None = None,
    sparse: bool = True,
    workers: int = 1,
    progress: Progress | None = None,
) -> None:
    """Write an image as TIFF, GeoTIFF or COG.

    Args:
        target: a path, which gets the file whole or not at all; or an open seekable file, written from its position,
            and cut back to it where that fails.
        image_levels: any object of the image provider protocol; or a sequence of them, full resolution first, then
            overviews from fine to coarse. With more than one worker they are read by several threads.
        layout: ``tiff``, or ``cog`` with its overviews and its order of parts.
        compression: ``none``, ``deflate``, ``lzw``, ``zstd``, ``packbits``, ``lzma``, ``lerc``, ``lerc_deflate``,
            ``lerc_zstd``, ``jpeg``, ``webp``, ``jpegxl``, or the number of tag 259; deflate by default.
        level: effort of deflate (1 to 12; the fastest way without), zstd (1 to 19) and lzma (0 to 9); quality of jpeg
            (1 to 100), webp and jpegxl (0 to 100, lossless without); largest error of lerc (0: none).
        predictor: ``none``, ``horizontal`` or ``float``; the dtype's own where the compression has one by default.
        interleave: ``pixel`` or ``band``.
        tile: side of a tile, or ``(rows, cols)``, multiples of 16; 256 by default, in a COG 512, or what
            leaves no level a column of several tiles, which validators take for strips.
        rows_per_strip: strips instead of tiles.
        bits: stored of each sample: 1 to 7 of uint8, 9 to 15 of uint16. bool pixels take one.
        subsampling: of JPEG's chroma: ``420``, ``422`` or ``444``.
        bigtiff: ``auto``, where the file might pass 4 GiB; or True, False.
        byteorder: ``little`` or ``big``.
        metadata: tags by number (``"259"``) or name (:data:`~stacchip_osml.encode.tiff.tag_names.TAG_NAMES`), and Geo
            keys by name, as :func:`~stacchip_osml.encode.tiff.reading.tiff_metadata` gives them. Arguments win.
        crs: ``EPSG:n`` or WKT.
        transform: pixel corner (col, row) → CRS (x, y).
        gcps: points instead of a transform, x and y in ``crs``.
        rpcs: RPC00B coefficients by GDAL's names.
        nodata: one value, or one a band.
        color_table: red, green, blue (and alpha) of each value, 0 to 255, of a single band.
        colors: colour interpretation of each band: ``red``, ``gray``, ``alpha``, ``undefined`` …; by default three or
            four uint8 bands begin with red, green, blue.
        band_names: one a band.
        scales: one a band; physical value = stored × scale + offset.
        offsets: one a band.
        items: GDAL metadata of the image.
        mask: what is valid: a provider (or a sequence, as of the image) whose pixels are 0 where nothing is; an array
            ``(rows, cols)`` or ``(bands, rows, cols)``; or, where the image knows it by ``read``, ``"source"`` for a
            mask of all bands and ``"bands"`` for one of each.
        overviews: how many to make, or to copy where the image has them; in a COG as many as it needs by default.
        resampling: how overviews are made (:mod:`stacchip_osml.imagery.resampling.resamplers`); SIPS by default,
            nearest neighbour where values are no quantities (colour tables, bool, complex).
        sparse: leave out blocks that the image does not store, where a reader finds the same there: nodata, or 0.
        workers: threads that encode; the bytes are the same with any number.
        progress: called with blocks done, blocks in all, and their level; what it raises ends the writing.

    Raises:
        EncodeError: an option or value is not TIFF's or contradicts another, named with its tag and clause, mostly
            before a byte is written; or the image holds what its compression cannot.
        ChipError: the file system refused.
        ReadError: the image could not be read; whatever else it raises comes as it is.
        ValueError: ``workers`` is less than 1.
    """
    workers = whole_number("workers", workers, least=1)
    if not isinstance(layout, str) or layout not in LAYOUTS:
        raise EncodeError(f"layout must be one of {', '.join(LAYOUTS)}, got {layout!r}")
    if not isinstance(byteorder, str) or byteorder not in ORDERS:
        raise EncodeError(f"byteorder must be little or big (TIFF 6.0, section 2), got {byteorder!r}")
    base = image_levels[0] if isinstance(image_levels, (list, tuple)) and image_levels else image_levels
    if isinstance(base, (list, tuple)):
        raise EncodeError("no image to write")
    dtype, bands, size = dtype_of(base), int(base.num_bands), level_grid(base).image_size
    described = Described.of(
        metadata,
        crs=crs,
        transform=transform,
        gcps=list_of("gcps", gcps, GroundControlPoint, "a list of GroundControlPoint"),
        rpcs=None if rpcs is None else dict_of("rpcs", rpcs),
        nodata=_nodata(nodata, bands, dtype),
        color_table=None if color_table is None else _colors(color_table),
        colors=list_of("colors", colors, str, "a list of words"),
        band_names=list_of("band_names", band_names, (str, NoneType), "a list of texts"),
        scales=list_of("scales", scales, Real, "a list of numbers"),
        offsets=list_of("offsets", offsets, Real, "a list of numbers"),
        items={
            name: text_of(text, where=f"item {name!r:.40}")
            for name, text in dict_of("items", () if items is None else items).items()
        },
    )
    picture = picture_of(described, bands, dtype)
    storage = storage_of(
        size=size,
        bands=bands,
        dtype=dtype,
        layout=layout,
        hints=hints_of(described),
        compression=compression,
        level=level,
        predictor=predictor,
        interleave=interleave,
        tile=tile,
        rows_per_strip=rows_per_strip,
        bits=bits,
        order=ORDERS[byteorder],
        colors=picture.is_rgb,
        subsampling=subsampling,
    )
    require_entries(picture, storage.coder)
    own_tags = level_tags(described, picture, bits=storage.coder.bits)
    place = place_tags(described, picture)
    if resampling is None and "palette" in picture.colors:
        resampling = nearest_neighbor_resample

    def planned(
        images: Any, *, how: ResampleFunc | None, absent: float | None, keep_sparse: bool, valid: Any = None
    ) -> Levels:
        return levels_of(
            images,
            block=storage.block_of(size),
            overviews=None if overviews is None else whole_number("overviews", overviews),
            layout=layout,
            nodata=absent,
            sparse=keep_sparse,
            resampling=how,
            workers=workers,
            valid=valid,
            most=(1 << storage.coder.bits) - 1
            if dtype.kind == "u" and storage.coder.bits < dtype.itemsize * 8
            else None,
        )

    absent = described.absent_value if described.nodata or 42113 in described.metadata else None
    image = planned(image_levels, how=resampling, absent=absent, keep_sparse=sparse)
    pages = image_pages(storage, image.sizes, own_tags, place, level_place_tags(image))
    per_level = [[number] for number in range(len(pages))]
    streams = []
    masks = None if mask is None else _mask_provider(mask, image_levels, size)
    if masks is None and sparse and (absent is None or not (described.has_one_nodata and holds(dtype, absent))):
        masks = absence_mask(
            image_levels,
            image.sizes,
            storage.block_of(size),
            stays_sparse=image.stays_sparse,
            is_said="alpha" in picture.colors,
        )
    if masks is not None:
        heeded = image.builders[0].resample_func
        if maskable(reduction_of(heeded, 2, dtype=np.uint8)) is None:
            heeded = nearest_neighbor_resample
        valid = planned(masks, how=heeded, absent=None, keep_sparse=True, valid=masks)
        if valid.sizes != image.sizes:
            raise EncodeError(f"the mask's levels are {valid.sizes}, the image's {image.sizes}")
        image = planned(image_levels, how=resampling, absent=absent, keep_sparse=sparse, valid=masks)
        count = int(valid.builders[0].source.num_bands)
        pages = [
            page
            for each, shape in zip(pages, valid.sizes, strict=True)
            for page in (each, mask_page(storage, shape, count, level=each.level))
        ]
        per_level = [[2 * number, 2 * number + 1] for number in range(len(valid.sizes))]
        streams.append(valid.blocks([numbers[1] for numbers in per_level], as_mask=True))
    streams.insert(0, image.blocks([numbers[0] for numbers in per_level]))
    cog = layout == "cog"
    container = Container(
        big=_is_big(bigtiff, pages),
        order=ORDERS[byteorder],
        ghost=ghost_note(planar=any(page.planes > 1 for page in pages)) if cog else b"",
        framed=cog,
        order_of_data=data_order(per_level) if cog else None,
    )

    blocks = chain.from_iterable(streams)
    with opened(target) as out:
        folder = Path(os.path.realpath(target)).parent if isinstance(target, (str, os.PathLike)) else None
        write_pages(out, pages, blocks, container=container, workers=workers, progress=progress, folder=folder)


def image_pages(
    storage: Storage, sizes: Sequence[ImageSize], level: Tags, place: Tags, own: Sequence[Tags] = ()
) -> list[Page]:
    """Give the directory of each level.

    Args:
        storage: how pixels are stored.
        sizes: of the levels, full resolution first.
        level: tags of every level.
        place: tags of full resolution alone.
        own: tags of each level alone; none at all where no level has any.
    """
    if 530 in storage.coder.tags:
        level = {**level, PHOTOMETRIC: ("H", [YCBCR])}
    return [
        Page(
            size=size,
            block=storage.block_of(size),
            tiled=storage.tiled,
            bands=storage.bands,
            planes=storage.planes,
            coder=storage.coder,
            tags={**level, SUBFILE_TYPE: ("I", [REDUCED]), **own[number]} if number else {**level, **place},
            level=number,
        )
        for number, size in enumerate(sizes)
    ]


def mask_page(storage: Storage, size: ImageSize, bands: int, *, level: int = 0) -> Page:
    """Give the directory of a mask: one bit a pixel, compressed as the image is where that keeps bits.

    Args:
        storage: of the image.
        size: of the level.
        bands: 1, or one for each of the image's.
        level: 0 for full resolution.
    """
    row = storage.coder.compression
    row = row if row.octets else COMPRESSIONS["deflate"]
    coder = block_coder(
        compression=row,
        level=storage.coder.level if row is storage.coder.compression else None,
        predictor="none",
        dtype=np.dtype(np.bool_),
        bits=None,
        samples=1,
        order=storage.coder.order,
        colors=False,
    )
    kind = MASK | (REDUCED if level else 0)
    tags: Tags = {SUBFILE_TYPE: ("I", [kind]), PHOTOMETRIC: ("H", [TRANSPARENCY_MASK])}
    if bands > 1:
        tags[EXTRA_SAMPLES] = ("H", [0] * (bands - 1))
    block = storage.block_of(size)
    return Page(
        size=size, block=block, tiled=storage.tiled, bands=bands, planes=bands, coder=coder, tags=tags, level=level
    )


def array_blocks(number: int, page: Page, pixels: NDArray[Any]) -> Iterator[PageBlock]:
    """Cut an array into the blocks of a directory.

    Args:
        number: of the directory.
        page: the directory.
        pixels: ``(bands, rows, cols)`` in native byte order.
    """
    height, width = page.block
    for row, y in enumerate(range(0, page.size.height, height)):
        for col, x in enumerate(range(0, page.size.width, width)):
            yield PageBlock(number, row, col, pixels[:, y : y + height, x : x + width])


def _colors(table: Any) -> tuple[tuple[int, ...], ...]:
    try:
        return tuple(tuple(map(index, entry)) for entry in table)
    except (TypeError, ValueError) as error:
        raise EncodeError(
            f"color_table is red, green, blue (and alpha) of each value, got {str(table)[:60]} (TIFF 6.0, section 5)"
        ) from error


def _nodata(told: Any, bands: int, dtype: np.dtype[Any]) -> tuple[float | complex | None, ...]:
    if told is None:
        return ()
    values = tuple(told) if isinstance(told, (list, tuple)) else (told,) * bands
    if len(values) != bands:
        raise EncodeError(f"{len(values)} nodata values of {bands} bands (GDAL_NODATA, 42113)")
    for value in values:
        if value is not None and value.imag and not math.isnan(value.real):
            raise EncodeError(f"nodata {value} has an imaginary part, which GDAL_NODATA (42113) does not hold")
        if value is not None and not fits_gdal(dtype, value):
            read = "0" if dtype.kind in "iu" else "infinity"
            raise EncodeError(f"nodata {value} is no {dtype.name}, and would be read as {read} (GDAL_NODATA, 42113)")
    return values


def _is_big(told: str | bool, pages: Sequence[Page]) -> bool:
    if isinstance(told, str) and told == "auto":
        return needs_big(pages)
    if not isinstance(told, bool):
        raise EncodeError(f'bigtiff must be "auto", True or False, got {told!r}')
    return told


def _mask_provider(mask: Any, image_levels: Any, size: ImageSize) -> Any:
    """Give what masks are read from."""
    if isinstance(mask, str):
        images = list(image_levels) if isinstance(image_levels, (list, tuple)) else [image_levels]
        if mask not in {"source", "bands"} or not all(hasattr(image, "read") for image in images):
            raise EncodeError(f"mask={mask!r}: the image does not know what is valid")
        views = [MaskView(image, per_band=mask == "bands") for image in images]
        return views if len(views) > 1 else views[0]
    if isinstance(mask, np.ndarray):
        from stacchip_osml.imagery.providers.buffered import BufferedImageAssetProvider

        planes = mask[None] if mask.ndim == 2 else mask
        if planes.ndim != 3 or planes.shape[1:] != (size.height, size.width):
            raise EncodeError(f"a mask of {mask.shape} for {size.height} rows and {size.width} columns")
        return BufferedImageAssetProvider.from_array((planes != 0).astype(np.uint8), key="mask")
    return mask
