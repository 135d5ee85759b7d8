"""One stored level made ready for planning: its layout as plain numbers, and whether its bytes are pixels already.

Uncompressed samples of whole bytes need no decoder: the rows and columns that
a window wants are byte ranges. :class:`RawForm` says where they lie. Strips of
such samples that follow each other without a gap are one tall block, so an
image of ten thousand one-row strips costs one read, not ten thousand.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.imagery.blocks.differences import has_differences
from stacchip_osml.imagery.blocks.layout import BlockCodec, LevelLayout
from stacchip_osml.pixel import PixelWindow

__all__ = ["TILED_STREAMS", "BandGroup", "RawForm", "StoredLevel"]

BandGroup = tuple[int, tuple[tuple[int, int], ...] | None]
"""A plane, and of it ``(band of the result, sample)`` pairs; None where its samples are the result's bands in order."""

TILED_STREAMS = frozenset({"jpeg2000", "htj2k"})
"""Codecs whose blocks, where they share a main header, are tiles of one stream: they end where the image does."""


QUICK = frozenset({"deflate", "zstd"})
"""Codecs that decode to some hundred megabytes a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RawForm:
    """Where the samples of an uncompressed block lie, in bytes from its start."""

    stored: np.dtype[Any]
    """Of a sample, of one part of it where they are pairs."""
    pairs: bool
    item: int
    """Bytes of a sample."""
    pixel: int
    """From one pixel to the next of a row."""
    row: int
    """From one row to the next."""
    sample: int
    """From one sample to the next, for samples that lie apart; 0 where a pixel's lie together."""
    direct: bool
    """Samples lie apart and are delivered as stored, but for the order of their bytes: they can be read in place."""

    @property
    def swapped(self) -> bool:
        """The order of bytes is not this machine's."""
        return not self.stored.isnative


class StoredLevel:
    """A level as the planner wants it. Compared by identity."""

    __slots__ = (
        "_groups",
        "codec",
        "cols",
        "dtype",
        "grid_cols",
        "grid_rows",
        "has_differences",
        "is_quick",
        "layout",
        "parts",
        "planes",
        "raw",
        "rows",
        "samples",
        "size",
        "title",
    )

    def __init__(self, layout: LevelLayout, *, title: str = "level 0") -> None:
        """Look at a layout once; ``title`` names it among the levels of its image, and no other."""
        layout = _joined(layout)
        self.title = title
        self.layout = layout
        self.size = layout.size
        self.codec = layout.codec
        self.dtype = layout.codec.kind
        self.rows, self.cols = layout.block_shape
        self.grid_rows, self.grid_cols = layout.grid
        self.planes = layout.planes
        self.samples = layout.codec.samples
        self.parts = int(layout.offsets.shape[0])
        self.raw = _raw_form(layout.codec, layout.block_shape) if self.parts == 1 else None
        self.has_differences = has_differences(layout.codec)
        """Blocks may be kept as they come out of their streams."""
        self.is_quick = layout.codec.compression in QUICK
        """Decoding a block takes not much more time than keeping it."""
        self._groups: dict[tuple[int, ...], tuple[BandGroup, ...]] = {}

    def shape_of(self, row: int, col: int) -> tuple[int, int]:
        """Give the (rows, cols) that a block's stream holds."""
        rows, cols = self.rows, self.cols
        tiles = self.codec.compression in TILED_STREAMS and bool(self.codec.shared)
        if (tiles or self.layout.short_edge) and row == self.grid_rows - 1:
            rows = self.size.height - row * rows
        if tiles and col == self.grid_cols - 1:
            cols = self.size.width - col * cols
        return rows, cols

    def groups(self, bands: tuple[int, ...]) -> tuple[BandGroup, ...]:
        """Tell in which planes and samples bands lie; each plane once."""
        found = self._groups.get(bands)
        if found is None:
            by_plane: dict[int, list[tuple[int, int]]] = {}
            for target, band in enumerate(bands):
                by_plane.setdefault(band // self.samples, []).append((target, band % self.samples))
            found = tuple(
                (plane, None if len(pairs) == len(bands) and _in_order(pairs, self.samples) else tuple(pairs))
                for plane, pairs in by_plane.items()
            )
            self._groups[bands] = found
        return found

    def stores(self, window: PixelWindow) -> bool:
        """Tell whether any plane stores any block under a window of the level."""
        x, y, width, height = window
        rows = slice(y // self.rows, (y + height - 1) // self.rows + 1)
        cols = slice(x // self.cols, (x + width - 1) // self.cols + 1)
        return bool(self.layout.counts[:, :, rows, cols].any())


def _in_order(pairs: list[tuple[int, int]], samples: int) -> bool:
    return pairs == [(sample, sample) for sample in range(samples)]


def _raw_form(codec: BlockCodec, block_shape: tuple[int, int]) -> RawForm | None:
    """Describe blocks whose bytes are samples, None for any other."""
    stored = np.dtype(codec.stored)
    item = stored.itemsize * (2 if codec.pairs else 1)
    plain = codec.compression == "none" and codec.predictor == 1 and codec.color == "stored"
    whole = codec.bits in {stored.itemsize * 8, item * 8}
    if not plain or not whole or codec.lsb_first or codec.invert:
        return None
    rows, cols = block_shape
    apart = codec.order != "pixel" or codec.samples == 1
    row = cols * item * (1 if codec.order == "band" else codec.samples)
    sample = {"pixel": 0, "row": cols * item, "band": rows * cols * item}[codec.order]
    return RawForm(
        stored=stored,
        pairs=codec.pairs,
        item=item,
        pixel=item if apart else item * codec.samples,
        row=row,
        sample=sample,
        direct=apart and not codec.pairs and stored.newbyteorder("=") == codec.kind,
    )


def _joined(layout: LevelLayout) -> LevelLayout:
    """Make one tall block of uncompressed strips that follow each other without a gap."""
    codec = layout.codec
    (rows, cols), (grid_rows, grid_cols) = layout.block_shape, layout.grid
    simple = codec.order != "band" or codec.samples == 1
    form = _raw_form(codec, layout.block_shape)
    if form is None or not simple or grid_cols != 1 or grid_rows == 1 or layout.offsets.shape[0] != 1:
        return layout
    offsets: NDArray[np.int64] = layout.offsets[0, :, :, 0]
    counts: NDArray[np.int64] = layout.counts[0, :, :, 0]
    expected = np.full(grid_rows, rows * form.row, np.int64)
    if layout.short_edge:
        expected[-1] = (layout.size.height - (grid_rows - 1) * rows) * form.row
    if (counts != expected).any() or (np.diff(offsets, axis=1) != counts[:, :-1]).any():
        return layout
    return replace(
        layout,
        block_shape=(layout.size.height, cols),
        short_edge=True,
        offsets=np.ascontiguousarray(offsets[None, :, :1, None]),
        counts=counts.sum(axis=1)[None, :, None, None],
    )
