"""Where the blocks of a NITF image lie: by arithmetic, or by its mask table (MIL-STD-2500C 5.4.3.2, table A-3(A))."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.imagery.blocks.layout import BlockCodec, LevelLayout
from stacchip_osml.imagery.blocks.read_ahead import NotServedError, ReadAhead
from stacchip_osml.imagery.limits import ReadLimits
from stacchip_osml.imagery.nitf.fields import Segment, Subheader

__all__ = [
    "MOST_BLOCKS",
    "Masked",
    "Places",
    "is_there",
    "nominal_places",
    "padded_level",
    "read_mask_table",
    "recorded_places",
    "require_few",
    "require_small",
]

MOST_BLOCKS = 1 << 22
"""Blocks of all planes: 64 MiB of places."""
NOT_RECORDED = 0xFFFFFFFF


class Places(NamedTuple):
    """Byte positions and lengths of blocks, each ``(planes, NBPC, NBPR)``."""

    offsets: NDArray[np.int64]
    counts: NDArray[np.int64]


def is_there(places: Places, end: int) -> NDArray[np.bool_]:
    """Tell which blocks are stored, and whole before byte ``end``, where the file ends."""
    found: NDArray[np.bool_] = (places.counts > 0) & (places.offsets + places.counts <= end)
    return found


class Masked(NamedTuple):
    """What the mask table says."""

    data: int
    """First byte of the blocks, in the file."""
    records: NDArray[np.int64] | None
    """BMR ``(planes, NBPC, NBPR)``: bytes from ``data``, -1 for a block that is not recorded; None: all are."""


def read_mask_table(ahead: ReadAhead, segment: Segment, image: Subheader) -> Masked:
    """Read the mask table before the blocks of a masked image.

    Raises:
        NotServedError: it is not one, or has too many records.
        DecodeError: the file ends before it.
    """
    planes = image.bands if image.imode == "S" else 1
    rows, cols = image.grid
    require_few(planes * rows * cols)
    head = ahead.exactly(segment.data, 10)
    data_at, recorded, padded, code = (int.from_bytes(head[a:b], "big") for a, b in ((0, 4), (4, 6), (6, 8), (8, 10)))
    table = 10 + -(-code // 8)
    needed = table + (recorded + padded) * planes * rows * cols
    if recorded not in {0, 4} or padded not in {0, 4} or data_at < needed:
        raise NotServedError(f"its mask table has records of {recorded} and {padded} bytes before byte {data_at}")
    data = segment.data + data_at
    if not recorded:
        return Masked(data, None)
    raw = ahead.exactly(segment.data + table, 4 * planes * rows * cols)
    records = np.frombuffer(raw, ">u4").astype(np.int64)
    records[records == NOT_RECORDED] = -1
    return Masked(data, records.reshape(planes, rows, cols))


def nominal_places(image: Subheader, data: int, records: NDArray[np.int64] | None) -> Places:
    """Place blocks of equal length, each beginning on a byte: one a band for IMODE B and S, else one for all bands.

    Args:
        image: uncompressed.
        data: first byte of the blocks.
        records: of the mask table, None where every block is there.

    Raises:
        NotServedError: there are too many.
    """
    planes = image.bands if image.imode in {"B", "S"} else 1
    rows, cols = image.grid
    require_few(planes * rows * cols)
    pixels = image.block_shape[0] * image.block_shape[1]
    length = -(-pixels * image.bits * (image.bands // planes) // 8)
    block = np.arange(rows * cols, dtype=np.int64).reshape(1, rows, cols)
    band = np.arange(planes, dtype=np.int64).reshape(planes, 1, 1)
    offsets = (band * (rows * cols) + block if image.imode == "S" else block * planes + band) * length
    counts = np.full_like(offsets, length)
    if records is not None:
        offsets = np.broadcast_to(records if image.imode == "S" else records + band * length, offsets.shape).copy()
        absent = np.broadcast_to(records < 0, offsets.shape)
        offsets[absent], counts[absent] = -data, 0
    return Places(offsets + data, counts)


def recorded_places(masked: Masked, image: Subheader, end: int, *, is_cut: bool) -> Places:
    """Place blocks of unknown lengths: each ends where the next one begins.

    Args:
        masked: their table.
        image: compressed.
        end: of the image data that is there.
        is_cut: the file ends before the image data does, so blocks may begin later.

    Raises:
        NotServedError: two begin at one place, or beyond ``end``.
    """
    if masked.records is None:
        raise NotServedError(f"IC={image.ic} without block mask records")
    offsets = masked.records.ravel().copy()
    stored = np.flatnonzero(offsets >= 0)
    offsets[stored] += masked.data
    order = stored[np.argsort(offsets[stored], kind="stable")]
    counts = np.zeros_like(offsets)
    counts[order] = np.diff(offsets[order], append=end)
    if is_cut:
        counts[order[offsets[order] >= end]] = 1
    if len(order) and int(counts[order].min()) <= 0:
        raise NotServedError("its mask table has two blocks at one place, or one outside of the image data")
    offsets[offsets < 0] = 0
    return Places(offsets.reshape(masked.records.shape), counts.reshape(masked.records.shape))


def padded_level(image: Subheader, codec: BlockCodec, places: Places) -> LevelLayout:
    """Lay out blocks that are padded to their full size, those that lie inside the image."""
    rows, cols = image.block_shape
    down, across = -(-image.size.height // rows), -(-image.size.width // cols)
    return LevelLayout(
        size=image.size,
        block_shape=image.block_shape,
        short_edge=False,
        codec=codec,
        offsets=np.ascontiguousarray(places.offsets[None, :, :down, :across]),
        counts=np.ascontiguousarray(places.counts[None, :, :down, :across]),
    )


def require_small(level: LevelLayout, limits: ReadLimits) -> None:
    """Refuse blocks that decode to more than the limit.

    Raises:
        NotServedError: saying how large they are.
    """
    rows, cols = level.block_shape
    decoded = rows * cols * level.codec.samples * level.codec.kind.itemsize
    if decoded > limits.block_bytes:
        raise NotServedError(
            f"blocks of {cols} x {rows} pixels decode to {decoded} bytes, more than {limits.block_bytes}"
        )


def require_few(blocks: int) -> None:
    """Refuse tables that would take much memory.

    Raises:
        NotServedError: they are more than ``MOST_BLOCKS``.
    """
    if blocks > MOST_BLOCKS:
        raise NotServedError(f"{blocks} blocks, more than {MOST_BLOCKS}")
