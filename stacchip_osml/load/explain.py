"""What a chip costs, told without reading a pixel."""

from __future__ import annotations

from typing import Any

from stacchip_osml.errors import redact
from stacchip_osml.imagery import source_extent
from stacchip_osml.load.images import ImageShelf
from stacchip_osml.load.plan import ChipPlan, stored_level

__all__ = ["explain_plan"]


def explain_plan(plan: ChipPlan, shelf: ImageShelf) -> dict[str, Any]:
    """Give JSON values: the chip, and for each asset the file, level, window, blocks and decoded bytes.

    Raises:
        ReadError: a header could not be read.
    """
    return {
        "id": plan.row["id"],
        "window": list(plan.window),
        "level": plan.level,
        "size": list(plan.size),
        "chain": plan.chain,
        "reads": [_explain_read(plan, number, shelf) for number in range(len(plan.reads))],
    }


def _explain_read(plan: ChipPlan, number: int, shelf: ImageShelf) -> dict[str, Any]:
    read = plan.reads[number]
    reader = shelf.reader(read.image)
    level = stored_level(reader.levels, read.step)
    base, size = reader.levels[0], reader.levels[level]
    spans = []
    for axis in (0, 1):
        ratio = size[axis] / base[axis]
        spans.append(
            source_extent(
                read.start[axis] * ratio,
                read.step[axis] * ratio,
                plan.size[axis],
                method=read.method,
                limit=size[axis],
            )
        )
    (left, right), (top, bottom) = spans
    header = reader.source.header
    rows, cols = header.block_shape
    blocks = 0
    if right > left and bottom > top:
        blocks = (-(-right // cols) - left // cols) * (-(-bottom // rows) - top // rows)
    pixel_bytes = sum(kind.itemsize for kind in reader.dtypes)
    return {
        "asset": read.image.asset_key,
        "file": redact(read.image.location),
        "reader": f"gdal/{header.driver}",
        "compression": header.compression,
        "stored_level": level,
        "window": [left, top, right - left, bottom - top],
        "resampling": read.method if _resampled(read.start, read.step, size.width / base.width) else None,
        "blocks": blocks,
        "decoded_bytes": blocks * rows * cols * pixel_bytes,
        "pixel_bytes": (right - left) * (bottom - top) * pixel_bytes,
    }


def _resampled(start: tuple[float, float], step: tuple[float, float], ratio: float) -> bool:
    return any(value * ratio != 1 for value in step) or any(value * ratio % 1 for value in start)
