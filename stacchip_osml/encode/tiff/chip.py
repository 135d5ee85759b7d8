"""GeoTIFF files of chips: what a GDAL reader sees is what the chip says.

Rules:

- Validity is whatever GDAL would derive from the file. If nodata or alpha already
  say the chip's mask, that is all; otherwise an internal mask directory is written
  (one sample, or one a band where the bands' masks differ), which all readers prefer.
  Nodata beside alpha is not enough: GDAL looks at nodata alone then, others at both.
- GDAL_NODATA holds one value for all bands. Where bands differ it is left out, the
  mask directory carries validity, and each value is kept as a ``NODATA`` band item.
- Names, scales, offsets and colour interpretations go to GDAL_METADATA as GDAL writes them.

References: TIFF 6.0; GDAL's GTiff driver documentation (tags 42112 and 42113, internal masks).
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from functools import lru_cache
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.encode.chip import Chip
from stacchip_osml.encode.chip_place import chip_place
from stacchip_osml.encode.tiff.codecs import compression_of
from stacchip_osml.encode.tiff.file import Container
from stacchip_osml.encode.tiff.geokeys import sayable_crs
from stacchip_osml.encode.tiff.image import array_blocks, image_pages, mask_page
from stacchip_osml.encode.tiff.levels import fits_gdal
from stacchip_osml.encode.tiff.options import Storage, storage_of
from stacchip_osml.encode.tiff.pages import PageBlock, write_pages
from stacchip_osml.encode.tiff.tags import Described, level_tags, picture_of, place_tags, require_entries

__all__ = ["encode_geotiff"]

FASTEST = {"zstd": 1}
"""Compression → the level of chips, where not the usual: with a predictor it is hardly larger."""


def encode_geotiff(
    chip: Chip,
    *,
    compression: str = "deflate",
    level: float | None = None,
    predictor: bool | str = True,
    interleave: str | None = None,
    tile: int = 256,
    drop_crs: bool = False,
) -> bytes:
    """Write a chip as a tiled GeoTIFF with its place, validity, names and scales.

    Args:
        chip: any real or complex dtype that TIFF has; float16 reads back as float32 in GDAL.
        compression: as of :func:`stacchip_osml.encode.tiff.image.write_tiff`.
        level: effort, quality or largest error; of deflate and zstd the fastest way by default.
        predictor: difference neighbouring pixels before compressing, where compression and dtype have one.
        interleave: ``band`` or ``pixel``; by default pixel for 8-bit pictures, which every viewer
            opens, and band for everything else, which compresses better and faster.
        tile: largest tile side in pixels, a multiple of 16.
        drop_crs: let a CRS be lost that GeoTIFF cannot say exactly; the transform or the points stay.

    Raises:
        EncodeError: an option or dtype is not TIFF's, or the CRS cannot be said exactly and is not to be lost.
    """
    row = compression_of(compression)
    pixels = chip.pixels.astype(chip.pixels.dtype.newbyteorder("="), copy=False)
    bands, dtype = len(pixels), pixels.dtype
    place = chip_place(chip)  # a sensor model's where the chip itself has none
    described = Described(
        crs=sayable_crs(place.crs) if drop_crs else place.crs,
        transform=place.transform,
        gcps=place.gcps,
        nodata=tuple(None if value is None or not fits_gdal(dtype, value) else value for value in chip.nodata),
        color_table=chip.color_table,
        colors=chip.colors or ("gray", *["undefined"] * (bands - 1)),
        band_names=chip.band_names,
        scales=chip.scales,
        offsets=chip.offsets,
    )
    picture = picture_of(described, bands, dtype)
    storage = _storage(
        size=chip.size,
        bands=bands,
        dtype=dtype,
        compression=row.name,
        level=FASTEST.get(row.name) if level is None else level,
        predictor=predictor,
        interleave=interleave,
        largest_tile=tile,
        colors=picture.is_rgb,
    )
    require_entries(picture, storage.coder)
    level_own = level_tags(described, picture, bits=storage.coder.bits)
    pages = image_pages(storage, [chip.size], level_own, place_tags(described, picture))
    streams: list[Iterator[PageBlock]] = [array_blocks(0, pages[0], pixels)]
    if not _says_mask(chip, pixels, described.common_nodata):
        mask = chip.mask[:1] if (chip.mask == chip.mask[:1]).all() else chip.mask
        pages.append(mask_page(storage, chip.size, len(mask)))
        streams.append(array_blocks(1, pages[1], mask))
    out = io.BytesIO()
    write_pages(out, pages, chain.from_iterable(streams), container=Container())
    return out.getvalue()


@lru_cache(maxsize=64, typed=True)  # chips are stored alike; True and 1 are not the same level or predictor
def _storage(**how: Any) -> Storage:
    """Decide how the pixels of a chip are stored."""
    return storage_of(layout="tiff", hints={}, **how)


def _says_mask(chip: Chip, pixels: NDArray[Any], nodata: float | complex | None) -> bool:
    """Tell whether a GDAL reader, without a mask directory, finds exactly the chip's mask."""
    if nodata is not None:
        if "alpha" in chip.colors and not pixels[chip.colors.index("alpha")].all():
            return False
        if pixels.dtype.kind == "c":
            return False  # GDAL compares real parts only
        invalid, near = _equal(pixels, float(nodata.real))
        return bool((invalid == ~chip.mask).all() and (near == invalid).all())
    if _alpha_speaks(chip):
        expected = np.broadcast_to(pixels[-1:] > 0, pixels.shape).copy()
        expected[-1] = True
        return bool((expected == chip.mask).all())
    return bool(chip.mask.all())


def _equal(pixels: NDArray[Any], value: float) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Give where pixels are a value, and where they are within a few units in the last place of it.

    GDAL takes floats a few units apart for equal; a valid one of those must not be lost.
    """
    if pixels.dtype.kind != "f":
        invalid = pixels == value
        return invalid, invalid
    if np.isnan(value):
        invalid = np.isnan(pixels)
        return invalid, invalid
    wide = pixels.astype(np.float32, copy=False) if pixels.dtype.itemsize < 4 else pixels
    target = wide.dtype.type(value)
    if not np.isfinite(target):
        invalid = wide == target
        return invalid, invalid
    limits = np.finfo(wide.dtype)
    few_units = 16 * (np.abs(target) * limits.eps + limits.smallest_subnormal)
    with np.errstate(over="ignore", invalid="ignore"):
        near = np.abs(wide - target) <= few_units
    return wide == target, near


def _alpha_speaks(chip: Chip) -> bool:
    """Tell whether GDAL takes the last band for the others' validity."""
    return (
        len(chip.pixels) in (2, 4)
        and chip.pixels.dtype in (np.uint8, np.uint16)
        and chip.colors[-1:] == ("alpha",)
        and "alpha" not in chip.colors[:-1]
    )
