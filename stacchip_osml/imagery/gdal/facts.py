"""What an open dataset says of itself, as plain records.

Works on the dataset that the GDAL adapter hands in and imports no GDAL
itself: everything is read through attributes and turned into text and numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from stacchip_osml.errors import DecodeError, redact
from stacchip_osml.imagery.gdal.signs import nodata_with_sign, require_all_bands
from stacchip_osml.imagery.header import BandHeader, colors_of_pixels
from stacchip_osml.imagery.level_places import PLACE_ITEM, LevelPlace
from stacchip_osml.imagery.limits import ReadLimits
from stacchip_osml.imagery.providers.block_grid import BlockGrid
from stacchip_osml.pixel import ImageSize, PixelWindow

__all__ = [
    "Facts",
    "Level",
    "absent_parts",
    "blocks_under",
    "facts_of",
    "is_stored",
    "level_of",
    "planes",
    "with_pad",
]

STANDS_FOR = {"complex_int16": "complex64", "complex": "complex128", "float16": "float32"}
"""rasterio's dtype names → the numpy dtype that is delivered. Before GDAL 3.11 floats of 16 bits were of 32 to it."""


@dataclass(frozen=True, slots=True)
class Level:
    """One stored pyramid level."""

    size: ImageSize
    block_shape: tuple[int, int]
    """(rows, cols)."""
    overview: int | None
    """GDAL's overview index, None for R0."""
    nodata: tuple[float | complex | None, ...]
    """One value a band; some files write it with other digits in each level."""
    place: LevelPlace | None = None
    """Where it lies on R0, where the level itself says it."""
    grid: BlockGrid = field(init=False, repr=False, compare=False)
    """Where its blocks lie."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "grid", BlockGrid(self.size, self.block_shape))


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What reading needs to know of an image."""

    driver: str
    base: Level
    """R0."""
    overviews: int
    dtype: np.dtype[Any]
    actual_bits: int
    bands: tuple[BandHeader, ...]
    alpha: int | None
    """The alpha band, 0-based."""
    shared_mask: bool
    """One mask band, or one NODATA_VALUES tuple, for all bands."""
    own_masks: tuple[bool, ...]
    """Bands with a mask band of their own."""
    planar: bool
    """Bands are stored apart, so a block holds one of them."""
    compression: str | None
    interleave: str | None
    has_mask_table: bool
    """It is a NITF image with one, in which pixels that hold nothing may have a value of their own."""
    pad: float | complex | None = None
    """That value, where the file has it and GDAL does not say it."""

    @property
    def count(self) -> int:
        """Bands, alpha included."""
        return len(self.bands)

    @property
    def mask(self) -> str:
        """The first of ``mask``, ``alpha``, ``nodata``, ``none`` that applies."""
        if self.shared_mask or any(self.own_masks):
            return "mask"
        if self.alpha is not None:
            return "alpha"
        return "none" if all(value is None for value in self.base.nodata) else "nodata"


def facts_of(dataset: Any, name: str, limits: ReadLimits) -> Facts:
    """Read the facts of an open R0 dataset.

    Raises:
        DecodeError: it holds no image, bands of several dtypes, or more bands than GDAL shows.
        LimitError: it is larger than ``limits``.
    """
    size = ImageSize(dataset.width, dataset.height)
    limits.require_image(name, size, dataset.count)
    if not dataset.count:
        raise DecodeError(f"{name}: holds no image")
    require_all_bands(dataset)
    dtypes = {STANDS_FOR.get(dtype, dtype) for dtype in dataset.dtypes}
    if len(dtypes) > 1:
        raise DecodeError(f"{name}: bands of several dtypes, {', '.join(sorted(map(str, dtypes)))}")
    dtype = np.dtype(dtypes.pop())
    if dataset.sign:
        dtype = np.dtype(f"i{dtype.itemsize}")
    told = [color.name.lower() for color in dataset.colorinterp]  # before GDAL signals what it thinks of the file
    flags = [{flag.name for flag in band} for band in dataset.mask_flag_enums]
    # One by one: for all of them GDAL looks through the boxes of a JPEG 2000 file, and does not come back from some.
    interleave, compression = (dataset.get_tag_item(name, "IMAGE_STRUCTURE") for name in ("INTERLEAVE", "COMPRESSION"))
    colors = colors_of_pixels(told, compression)
    said = "16" if "float16" in dataset.dtypes else dataset.tags(1, ns="IMAGE_STRUCTURE").get("NBITS")
    bits = said or dataset.tags().get("NITF_ABPP", "")
    return Facts(
        driver=dataset.driver,
        base=level_of(dataset, None),
        overviews=0 if dataset.packing else len(dataset.overviews(1)),
        dtype=dtype,
        actual_bits=int(bits) if bits.isdigit() and int(bits) else dtype.itemsize * 8,
        bands=tuple(
            BandHeader(
                dtype=dtype.name,
                nodata=nodata_with_sign(dataset, nodata),
                scale=scale,
                offset=offset,
                description=description or None,
                color=color,
            )
            for nodata, scale, offset, description, color in zip(
                dataset.nodatavals, dataset.scales, dataset.offsets, dataset.descriptions, colors, strict=True
            )
        ),
        alpha=colors.index("alpha") if "alpha" in colors else None,
        shared_mask=any("per_dataset" in band and "alpha" not in band for band in flags),
        own_masks=tuple(not band for band in flags),
        planar=interleave == "BAND",
        compression=compression,
        interleave=interleave,
        has_mask_table=dataset.driver == "NITF" and "M" in (dataset.get_tag_item("NITF_IC") or ""),
    )


def with_pad(facts: Facts, pad: float | complex) -> Facts:
    """Take a pad pixel for the nodata value of all bands that have none."""
    bands = tuple(replace(band, nodata=pad) if band.nodata is None else band for band in facts.bands)
    base = replace(facts.base, nodata=tuple(band.nodata for band in bands))
    return replace(facts, base=base, bands=bands, pad=pad)


def level_of(dataset: Any, overview: int | None, *, pad: float | complex | None = None) -> Level:
    """Read the size and blocks of the level that a dataset was opened at; ``pad`` is nodata where GDAL says none."""
    rows, cols = dataset.block_shapes[0]
    nodata = tuple(pad if value is None else nodata_with_sign(dataset, value) for value in dataset.nodatavals)
    place = None if overview is None or dataset.driver != "GTiff" else _told_place(dataset)
    return Level(ImageSize(dataset.width, dataset.height), (int(rows), int(cols)), overview, nodata, place)


def _told_place(dataset: Any) -> LevelPlace | None:
    """Read where an overview lies, which files of ours say; GDAL's own are stretched, and do not.

    Raises:
        DecodeError: what it says is no place.
    """
    text = dataset.get_tag_item(*PLACE_ITEM, bidx=1)
    try:
        return None if text is None else LevelPlace.parse(text)
    except ValueError as error:
        raise DecodeError(f"{redact(dataset.name)}: {PLACE_ITEM[0]} says {error}") from error


SPLIT_ROWS = 2000
"""A strip of more rows than this is shown row by row, where its codec allows it."""
MOST_ROWS = 1 << 16
"""Rows that are asked for their place before all of them are taken for one strip."""


def planes(facts: Facts, bands: Iterable[int]) -> Sequence[int]:
    """Name one band for each separately stored block."""
    return tuple(bands) if facts.planar else (0,)


def is_stored(dataset: Any, row: int, col: int, band: int) -> bool:
    """Tell whether a GeoTIFF stores a block: GDAL gives an offset only to those it does."""
    return _has_offset(dataset, row, col, band) or (row > 0 and _is_split(dataset, band))


def _has_offset(dataset: Any, row: int, col: int, band: int) -> bool:
    return dataset.get_tag_item(f"BLOCK_OFFSET_{col}_{row}", "TIFF", bidx=band + 1) is not None


def _is_split(dataset: Any, band: int) -> bool:
    """Tell whether GDAL shows the only strip of a large image row by row: then it has an offset of the first alone."""
    if band not in dataset.known_split:
        rows, cols = dataset.block_shapes[band]
        dataset.known_split[band] = (
            (rows, cols) == (1, dataset.width)
            and dataset.height > SPLIT_ROWS
            and _has_offset(dataset, 0, 0, band)
            and not any(_has_offset(dataset, row, 0, band) for row in range(1, min(dataset.height, MOST_ROWS)))
        )
    found: bool = dataset.known_split[band]
    return found


def blocks_under(
    facts: Facts, level: Level, window: PixelWindow, bands: Sequence[int]
) -> tuple[int, int, int, int, Sequence[int]]:
    """Give the blocks under a window: half-open rows, half-open columns, and the planes of ``planes``."""
    height, width = level.block_shape
    x, y, across, down = window
    top, bottom = y // height, (y + down - 1) // height + 1
    left, right = x // width, (x + across - 1) // width + 1
    return top, bottom, left, right, planes(facts, bands)


def absent_parts(
    dataset: Any, facts: Facts, level: Level, window: PixelWindow, bands: Sequence[int]
) -> tuple[tuple[slice, slice, slice], ...] | None:
    """Find what a sparse GeoTIFF does not store of a window.

    Returns:
        Index into ``(bands, rows, cols)`` of the window for each absent block; None where all are absent.
    """
    height, width = level.block_shape
    top, bottom, left, right, stored = blocks_under(facts, level, window, bands)
    rows, cols = range(top, bottom), range(left, right)
    absent = []
    for position, band in enumerate(stored):
        planes_of = slice(position, position + 1) if facts.planar else slice(None)
        for row in rows:
            for col in cols:
                if not is_stored(dataset, row, col, band):
                    y, x = row * height - window.y, col * width - window.x
                    absent.append((planes_of, slice(max(y, 0), y + height), slice(max(x, 0), x + width)))
    return None if len(absent) == len(stored) * len(rows) * len(cols) else tuple(absent)
