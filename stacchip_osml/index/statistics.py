"""Nodata and cloud fractions of every chip, exact, from one pass over a quality band.

The band is read once, in strips, at the level asked for; codes become flags by
a table look-up; flags are summed down the columns between the grid's row edges
(vectorised over the width) and then along the rows. Sums at fractional edges,
where a quality pixel is coarser than the chip grid, are area-weighted: the
prefix sum is linear inside a pixel. Pixels outside the image count as nodata.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.chain import apply_lut
from stacchip_osml.errors import ItemError
from stacchip_osml.imagery.level_places import LevelPlace
from stacchip_osml.imagery.provider import PixelReader
from stacchip_osml.index.rows import ChipFractions
from stacchip_osml.pixel import ChipGrid, ImageSize, PixelWindow
from stacchip_osml.stac.grids import relative_grid
from stacchip_osml.stac.source import SourceImage

__all__ = ["QualityBand", "chip_fractions", "preset"]

NODATA, CLOUD = 1, 16
"""Flags of a pixel. Fifteen rows add up in one byte, nodata in its lower half and cloud in its upper."""
RUN = 15

STRIP_ROWS = 1024
PREFIX_BYTES = 2**27


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityBand:
    """Which band judges the chips, and what its codes mean."""

    asset: str
    """Asset key of the band."""
    nodata: tuple[int, ...] = ()
    """Codes of pixels without a measurement."""
    cloud: tuple[int, ...] = ()
    """Codes of clouded pixels."""
    nodata_bits: tuple[int, ...] = ()
    """Bits (0 = lowest) any of which marks a pixel without a measurement."""
    cloud_bits: tuple[int, ...] = ()
    """Bits any of which marks a clouded pixel."""
    level: int = 0
    """Stored level to read; above 0 faster, and approximate."""

    def __post_init__(self) -> None:
        if self.level < 0:
            raise ItemError(f"quality band level must be 0 or more, got {self.level}")

    @property
    def judges_cloud(self) -> bool:
        """Whether cloud fractions are computed, not only nodata."""
        return bool(self.cloud or self.cloud_bits)

    def table(self, dtype: np.dtype[Any]) -> NDArray[np.uint8]:
        """Give the flags of every code: ``NODATA``, ``CLOUD`` or 0, never both.

        Raises:
            ItemError: the band holds no unsigned 8 or 16-bit codes.
        """
        if dtype not in (np.uint8, np.uint16):
            raise ItemError(f"quality band {self.asset!r} must hold uint8 or uint16 codes, has {dtype}")
        codes = np.arange(np.iinfo(dtype).max + 1)
        nodata = np.isin(codes, self.nodata) | (codes & _bits(self.nodata_bits) != 0)
        cloud = np.isin(codes, self.cloud) | (codes & _bits(self.cloud_bits) != 0)
        return np.where(nodata, NODATA, np.where(cloud, CLOUD, 0)).astype(np.uint8)


PRESETS = {
    "scl": QualityBand(asset="scl", nodata=(0,), cloud=(1, 3, 8, 9, 10)),
    "qa_pixel": QualityBand(asset="qa_pixel", nodata_bits=(0,), cloud_bits=(1, 3, 4)),
}
"""Sentinel-2 L2A scene classes (saturated, shadow, medium and high cloud, cirrus count as cloud);
Landsat collection 2 QA_PIXEL (fill; dilated cloud, cloud, shadow)."""


def preset(name: str, *, asset: str | None = None, level: int = 0) -> QualityBand:
    """Give a published code table, for an asset of another name or a coarser level if asked.

    Raises:
        ItemError: no such preset.
    """
    try:
        known = PRESETS[name.lower()]
    except KeyError:
        raise ItemError(f"unknown quality preset {name!r}; known: {', '.join(PRESETS)}") from None
    return QualityBand(
        asset=asset or known.asset,
        nodata=known.nodata,
        cloud=known.cloud,
        nodata_bits=known.nodata_bits,
        cloud_bits=known.cloud_bits,
        level=level,
    )


def chip_fractions(
    reader: PixelReader, band: QualityBand, grid: ChipGrid, *, reference: SourceImage, quality: SourceImage
) -> ChipFractions:
    """Judge every chip of a grid by one quality band.

    Args:
        reader: the quality band's pixels.
        band: what its codes mean, and which level to read.
        grid: chips in R0 pixels of ``reference``.
        reference: the asset the grid lies on.
        quality: the asset being read, whose pixels may be larger or smaller.

    Returns:
        float32 fractions in row-by-row order; cloud is NaN where a chip has no valid pixel.

    Raises:
        ItemError: the two assets are rotated against each other, or the codes are no codes.
        ReadError: the band could not be read.
    """
    size = reader.level_shape(band.level)
    told = getattr(reader, "level_place", None)
    place = LevelPlace.stretched(size, quality.size) if told is None else told(band.level)
    (x, y), shares = _edges(grid, reference=reference, quality=quality, place=place)
    nodata = np.empty((len(y), len(x)))
    cloud = np.empty_like(nodata)
    step = max(1, PREFIX_BYTES // (24 * max(size.width, 1)))
    for first in range(0, len(y), step):
        rows = slice(first, first + step)
        nodata[rows], cloud[rows] = _sums(reader, band, x, y[rows], size)
    area = (x[:, 1] - x[:, 0])[None, :] * (y[:, 1] - y[:, 0])[:, None]
    inside = shares[0][None, :] * shares[1][:, None] * area
    inside_x = np.clip(x, 0, size.width)
    inside_y = np.clip(y, 0, size.height)
    counted = (inside_x[:, 1] - inside_x[:, 0])[None, :] * (inside_y[:, 1] - inside_y[:, 0])[:, None]
    # Half a pixel of the image may lie beside those of the level, and is taken to be like them.
    scale = inside / np.maximum(counted, 1e-12)
    nodata, cloud = nodata * scale, cloud * scale
    empty = nodata + (area - inside)
    valid = area - empty
    share = np.where(valid > 1e-6 * area, cloud / np.maximum(valid, 1e-12), np.nan)
    return ChipFractions(
        nodata=np.clip(empty / area, 0, 1).astype(np.float32).ravel(),
        cloud=np.clip(share, 0, 1).astype(np.float32).ravel() if band.judges_cloud else None,
    )


def _edges(
    grid: ChipGrid, *, reference: SourceImage, quality: SourceImage, place: LevelPlace
) -> tuple[list[NDArray[np.float64]], list[NDArray[np.float64]]]:
    """Give ``(chips, 2)`` start and end per axis in pixels of the level that is read, and each's share in the image."""
    start, step = relative_grid(reference, quality)
    ends, shares = [], []
    for axis, origin, scale, side in zip((grid.cols, grid.rows), start, step, quality.size, strict=True):
        full = origin + np.stack([axis.offset, axis.offset + axis.length], axis=1) * scale
        inside = np.clip(full, 0, side)
        shares.append((inside[:, 1] - inside[:, 0]) / (full[:, 1] - full[:, 0]))
        ends.append(full)
    return list(place.from_base(*ends)), shares


def _sums(
    reader: PixelReader,
    band: QualityBand,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    size: ImageSize,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sum nodata and cloud pixels under each chip of these chip rows."""
    inside = np.clip(y, 0, size.height)
    stops = np.unique(np.concatenate([np.floor(inside), np.ceil(inside)]).astype(np.int64))
    prefix = np.zeros((2, len(stops), size.width + 1), np.int64)
    for flags, first in _strips(reader, band, stops, size):
        at = int(np.searchsorted(stops, first, side="right"))
        nodata, cloud = flags
        prefix[0, at, 1:] += nodata
        prefix[1, at, 1:] += cloud
    prefix = prefix.cumsum(axis=1).cumsum(axis=2)
    sums = []
    for plane in prefix:
        down = _between(plane, np.interp(inside, stops, np.arange(len(stops))))
        columns = np.clip(x, 0, size.width)
        sums.append(_between(down.T, columns).T)
    return sums[0], sums[1]


def _between(plane: NDArray[np.number], edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Difference of a prefix sum (axis 0) at fractional positions ``(n, 2)``."""
    low = np.floor(edges).astype(np.int64)
    high = np.minimum(low + 1, len(plane) - 1)
    share = (edges - low)[..., None]
    value = plane[low] * (1 - share) + plane[high] * share
    return np.asarray(value[:, 1] - value[:, 0], dtype=np.float64)


def _strips(
    reader: PixelReader, band: QualityBand, stops: NDArray[np.int64], size: ImageSize
) -> Iterator[tuple[tuple[NDArray[np.int64], NDArray[np.int64]], int]]:
    """Read the band once and yield column sums between neighbouring stops."""
    if not len(stops):
        return
    table: NDArray[np.uint8] | None = None
    for top in range(int(stops[0]), int(stops[-1]), STRIP_ROWS):
        bottom = min(top + STRIP_ROWS, int(stops[-1]))
        found = reader.read(PixelWindow(0, top, size.width, bottom - top), level=band.level, bands=[0])
        cuts = np.unique(np.concatenate([[top, bottom], stops[(stops > top) & (stops < bottom)]]))
        if found is not None and table is None:
            table = band.table(found.pixels.dtype)
        flags = None if found is None or table is None else _flags(found.pixels[0], found.mask[0], table)
        for first, last in pairwise(cuts.tolist()):
            if flags is None:
                yield (np.full(size.width, last - first), np.zeros(size.width, np.int64)), first
            else:
                yield _column_sums(flags[first - top : last - top]), first


def _flags(codes: NDArray[Any], mask: NDArray[np.bool_], table: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Look codes up; what is masked is nodata, whatever its code."""
    flags = apply_lut(codes, table)
    if mask.all():
        return flags
    valid = mask.view(np.uint8)
    return np.asarray(flags * valid + (valid ^ NODATA))


def _column_sums(flags: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Count nodata and cloud down the columns."""
    nodata, cloud = np.zeros((2, flags.shape[1]), np.int64)
    for first in range(0, len(flags), RUN):
        both = np.add.reduce(flags[first : first + RUN], axis=0, dtype=np.uint8)
        nodata += both & 15
        cloud += both >> 4
    return nodata, cloud


def _bits(positions: tuple[int, ...]) -> int:
    mask = 0
    for position in positions:
        mask |= 1 << position
    return mask
