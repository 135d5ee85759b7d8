"""Levels of our own making: an array, stored in blocks in every way a layout can say, and where each block went."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from stacchip_osml.imagery.blocks.layout import BlockCodec, LevelLayout
from stacchip_osml.pixel import ImageSize, PixelWindow

TRANSPOSED = {"pixel": (1, 2, 0), "row": (1, 0, 2), "band": (0, 1, 2)}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StoredArray:
    """What was stored, and where."""

    pixels: NDArray
    """``(bands, rows, cols)``, 0 where no block is stored."""
    stored: NDArray[np.bool_]
    """The same shape: True where a block is stored."""
    layout: LevelLayout
    data: bytes
    """The file."""


def store_array(
    pixels: NDArray,
    *,
    block_shape: tuple[int, int],
    planes: int = 1,
    compression: str = "none",
    order: str = "pixel",
    stored: str = "<u2",
    short_edge: bool = False,
    absent: NDArray[np.bool_] | None = None,
    gap: int = 0,
    start: int = 8,
    reverse: bool = False,
) -> StoredArray:
    """Store an array in blocks, one after the other; ``absent`` is ``(planes, grid rows, grid cols)``."""
    bands, height, width = pixels.shape
    samples = bands // planes
    rows, cols = block_shape
    grid = -(-height // rows), -(-width // cols)
    absent = np.zeros((planes, *grid), bool) if absent is None else absent
    there = np.zeros(pixels.shape, bool)
    offsets, counts = np.zeros((1, planes, *grid), np.int64), np.zeros((1, planes, *grid), np.int64)
    data = bytearray(b"\xaa" * start)
    places = list(np.ndindex(planes, *grid))
    for plane, row, col in reversed(places) if reverse else places:
        if absent[plane, row, col]:
            continue
        here = np.s_[
            plane * samples : (plane + 1) * samples, row * rows : (row + 1) * rows, col * cols : (col + 1) * cols
        ]
        there[here] = True
        held = pixels[here]
        deep = held.shape[1] if short_edge and row == grid[0] - 1 else rows
        block = np.full((samples, deep, cols), 77, pixels.dtype)
        block[:, : held.shape[1], : held.shape[2]] = held
        raw = np.ascontiguousarray(block.transpose(TRANSPOSED[order])).astype(stored).tobytes()
        coded = raw if compression == "none" else zlib.compress(raw, 1)
        offsets[0, plane, row, col], counts[0, plane, row, col] = len(data), len(coded)
        data += coded + b"\xbb" * gap
    codec = BlockCodec(
        compression=compression,
        dtype=np.dtype(stored).newbyteorder("=").name,
        stored=stored,
        bits=np.dtype(stored).itemsize * 8,
        samples=samples,
        order=order,
    )
    layout = LevelLayout(
        size=ImageSize(width, height),
        block_shape=block_shape,
        short_edge=short_edge,
        codec=codec,
        offsets=offsets,
        counts=counts,
    )
    return StoredArray(pixels=np.where(there, pixels, 0), stored=there, layout=layout, data=bytes(data))


@st.composite
def stored_arrays(draw: st.DrawFn, compressions: tuple[str, ...] = ("none", "deflate")) -> StoredArray:
    """Any array of up to four bands and 40 pixels a side, stored in any way."""
    bands = draw(st.integers(1, 4))
    height, width = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    planes = draw(st.sampled_from([1, bands]))
    strips = draw(st.booleans())
    block_shape = draw(st.integers(1, 17)), width if strips else draw(st.integers(1, 17))
    grid = planes, -(-height // block_shape[0]), -(-width // block_shape[1])
    holes = draw(st.sampled_from([0.0, 0.0, 0.3, 1.0]))
    seed = draw(st.integers(0, 2**16))
    rng = np.random.default_rng(seed)
    return store_array(
        rng.integers(1, 60_000, (bands, height, width)).astype(np.uint16),
        block_shape=block_shape,
        planes=planes,
        compression=draw(st.sampled_from(compressions)),
        order=draw(st.sampled_from(["pixel", "row", "band"])),
        stored=draw(st.sampled_from(["<u2", ">u2"])),
        short_edge=strips and draw(st.booleans()),
        absent=rng.random(grid) < holes,
        gap=draw(st.sampled_from([0, 0, 5, 300])),
        reverse=draw(st.booleans()),
    )


@st.composite
def windows_of(draw: st.DrawFn, size: ImageSize) -> PixelWindow:
    """Any window inside an image."""
    x, y = draw(st.integers(0, size.width - 1)), draw(st.integers(0, size.height - 1))
    return PixelWindow(x, y, draw(st.integers(1, size.width - x)), draw(st.integers(1, size.height - y)))
