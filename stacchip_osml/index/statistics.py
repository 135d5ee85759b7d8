"""Nodata and cloud fractions of every chip, exact, from one pass over a quality band.

The band is read once, in strips, at the level asked for; codes become flags by
a table look-up; flags are summed down the columns between the grid's row edges
(vectorised over the width), a piece at a time that the processor's caches
hold, and then along the rows between its column edges. Sums at fractional edges,
where a quality pixel is coarser than the chip grid, are area-weighted: the
prefix sum is linear inside a pixel. Pixels outside the image count as nodata.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.chain import apply_lut
from stacchip_osml.errors import ItemError
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.imagery.level_places import LevelPlace
from stacchip_osml.imagery.providers.protocol import MaskedPixels, PixelReader
from stacchip_osml.index.rows import ChipFractions
from stacchip_osml.pixel import ChipGrid, ImageSize, PixelWindow
from stacchip_osml.pixel.arguments import of_kind
from stacchip_osml.pixel.counts import whole_number
from stacchip_osml.pixel.nodata import differs_from
from stacchip_osml.stac.grids import relative_grid
from stacchip_osml.stac.source import SourceImage

__all__ = ["QualityBand", "chip_fractions", "preset"]

CLOUD_BITS = 8
NODATA, CLOUD = 1, 1 << CLOUD_BITS
"""Flags of a pixel, which add up in one number: nodata in its lower byte, and cloud in its upper."""
MOST_ROWS = 255
"""That add up so."""

STRIP_PIXELS = 2**23
STRIP_ROWS = 1024
"""A strip has a multiple of so many rows, so that its edges are those of blocks."""
PIECE_PIXELS = 2**17
"""Looked up and added up at once."""
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
        of_kind("asset", self.asset, str, "an asset key")
        whole_number("level", self.level, least=0)

    @property
    def judges_cloud(self) -> bool:
        """Whether cloud fractions are computed, not only nodata."""
        return bool(self.cloud or self.cloud_bits)

    def table(self, dtype: np.dtype[Any]) -> NDArray[np.uint16]:
        """Give the flags of every code: ``NODATA``, ``CLOUD`` or 0, never both.

        Raises:
            ItemError: the band holds no unsigned 8 or 16-bit codes.
        """
        if dtype not in (np.uint8, np.uint16):
            raise ItemError(f"quality band {self.asset!r} must hold uint8 or uint16 codes, has {dtype}")
        codes = np.arange(np.iinfo(dtype).max + 1)
        nodata = np.isin(codes, self.nodata) | (codes & _bits(self.nodata_bits) != 0)
        cloud = np.isin(codes, self.cloud) | (codes & _bits(self.cloud_bits) != 0)
        return np.where(nodata, NODATA, np.where(cloud, CLOUD, 0)).astype(np.uint16)


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
        raise ItemError(
            f"unknown quality preset {name!r}; known: {', '.join(PRESETS)}; any other band is a QualityBand"
        ) from None
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
    try:
        size = reader.level_shape(band.level)
    except IndexError as error:
        raise ItemError(f"quality band {band.asset!r}: {error}") from error
    told = getattr(reader, "level_place", None)
    place = LevelPlace.stretched(size, quality.size) if told is None else told(band.level)
    (x, y), shares = _edges(grid, reference=reference, quality=quality, place=place)
    nodata = np.empty((len(y), len(x)))
    cloud = np.empty_like(nodata)
    step = max(1, PREFIX_BYTES // (24 * max(size.width, 1)))
    for first in range(0, len(y) if len(x) else 0, step):
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
    across, down = np.clip(x, 0, size.width), np.clip(y, 0, size.height)
    cols, rows = _stops(across), _close(_stops(down))
    prefix = np.zeros((2, len(rows), len(cols)), np.int64)
    if min(len(rows), len(cols)) > 1:
        counts = _counts(reader, band, rows, slice(int(cols[0]), int(cols[-1])))
        np.add.reduceat(counts, cols[:-1] - cols[0], axis=2, dtype=np.int64, out=prefix[:, 1:, 1:])
    prefix = prefix.cumsum(axis=1).cumsum(axis=2)
    x_at, y_at = (np.interp(ends, stops, np.arange(len(stops))) for ends, stops in ((across, cols), (down, rows)))
    nodata, cloud = (_between(_between(plane, y_at).T, x_at).T for plane in prefix)
    return nodata, cloud


def _stops(edges: NDArray[np.float64]) -> NDArray[np.int64]:
    """List the pixel edges between which no chip begins or ends, but for those inside one pixel."""
    return np.unique(np.concatenate([np.floor(edges), np.ceil(edges)]).astype(np.int64))


def _close(stops: NDArray[np.int64]) -> NDArray[np.int64]:
    """Add stops until no two neighbours have more than ``MOST_ROWS`` between them."""
    far = np.flatnonzero(np.diff(stops) > MOST_ROWS)
    return np.unique(np.concatenate([stops, *(np.arange(stops[at], stops[at + 1], MOST_ROWS) for at in far)]))


def _between(plane: NDArray[np.number], edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Difference of a prefix sum (axis 0) at fractional positions ``(n, 2)``."""
    low = np.floor(edges).astype(np.int64)
    high = np.minimum(low + 1, len(plane) - 1)
    share = (edges - low)[..., None]
    value = plane[low] * (1 - share) + plane[high] * share
    return np.asarray(value[:, 1] - value[:, 0], dtype=np.float64)


def _counts(reader: PixelReader, band: QualityBand, rows: NDArray[np.int64], cols: slice) -> NDArray[np.int32]:
    """Read the band once, and count down its columns between rows: ``(nodata or cloud, rows - 1, cols)``."""
    width = cols.stop - cols.start
    read: Callable[..., MaskedPixels | None] = reader.read
    empty = reader.empty_values(band.level, 0) if isinstance(reader, BlockImage) else None
    if isinstance(reader, BlockImage) and empty is not None:
        read = partial(reader.read, judged=False)
    counts = np.zeros((2, len(rows) - 1, width), np.int32)
    counter: _Counter | None = None
    first, last = int(rows[0]), int(rows[-1])
    step = max(STRIP_PIXELS // (STRIP_ROWS * width), 1) * STRIP_ROWS
    for strip in range(first // step * step, last, step):
        top, bottom = max(strip, first), min(strip + step, last)
        cuts = [top, *rows[(rows > top) & (rows < bottom)].tolist(), bottom]
        part = int(np.searchsorted(rows, top, side="right")) - 1
        parts = counts[:, part : part + len(cuts) - 1]
        found = read(PixelWindow(cols.start, top, width, bottom - top), level=band.level, bands=[0])
        if found is None:
            parts[0] += np.diff(cuts)[:, None].astype(np.int32)
            continue
        if counter is None:
            counter = _Counter(_with_empty(band.table(found.pixels.dtype), empty or ()), width)
        counter.add(found.pixels[0], found.mask[0] if empty is None else None, [cut - top for cut in cuts], parts)
    return counts


def _with_empty(table: NDArray[np.uint16], values: Sequence[float | complex]) -> NDArray[np.uint16]:
    """Make nodata of the codes by which a file itself says that pixels hold nothing."""
    codes = np.arange(len(table), dtype=np.min_scalar_type(len(table) - 1))
    for value in values:
        table[~differs_from(codes, value)] = NODATA
    return table


class _Counter:
    """Counts nodata and cloud down columns, in memory that is used again: fresh memory takes longer than counting."""

    def __init__(self, table: NDArray[np.uint16], width: int) -> None:
        self._table = table
        self._rows = max(PIECE_PIXELS // width, 1)
        self._flags = np.empty((self._rows, width), np.uint16)

    def add(
        self, codes: NDArray[Any], mask: NDArray[np.bool_] | None, cuts: Sequence[int], counts: NDArray[np.int32]
    ) -> None:
        """Add what lies between neighbouring cuts of the rows to ``counts`` ``(nodata or cloud, cuts - 1, cols)``."""
        sums = np.empty(counts.shape[1:], np.uint16)
        starts = {cut: part for part, cut in enumerate(cuts)}
        part = 0
        for top, bottom in pairwise(sorted({*cuts, *range(0, cuts[-1], self._rows)})):
            at = top % self._rows
            if at == 0:
                piece = slice(top, top + self._rows)
                flags = self._flagged(codes[piece], None if mask is None else mask[piece])
            run = flags[at : at + bottom - top]
            if top in starts:
                part = starts[top]
                np.add.reduce(run, axis=0, dtype=np.uint16, out=sums[part])
            else:
                sums[part] += np.add.reduce(run, axis=0, dtype=np.uint16)
        counts[0] += sums & (CLOUD - 1)
        counts[1] += sums >> CLOUD_BITS

    def _flagged(self, codes: NDArray[Any], mask: NDArray[np.bool_] | None) -> NDArray[np.uint16]:
        """Look codes up; what is masked is nodata, whatever its code."""
        flags: NDArray[np.uint16] = apply_lut(codes, self._table, out=self._flags[: len(codes)])
        if mask is not None and not mask.all():
            flags *= mask
            flags |= ~mask
        return flags


def _bits(positions: tuple[int, ...]) -> int:
    mask = 0
    for position in positions:
        mask |= 1 << position
    return mask
