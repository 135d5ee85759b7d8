"""What a chip costs, told without reading a pixel."""

from __future__ import annotations

from typing import Any

from stacchip_osml.errors import redact
from stacchip_osml.imagery.resampling.resample import is_copied
from stacchip_osml.imagery.windows.cut import plan_cut
from stacchip_osml.load.cut import Cutter
from stacchip_osml.load.ready import ReadyStack
from stacchip_osml.load.rows import PlannedRows
from stacchip_osml.pixel import ImageSize, PixelWindow

__all__ = ["explain_rows"]


def explain_rows(cutter: Cutter, rows: PlannedRows, chain: str | None) -> list[dict[str, Any]]:
    """Give JSON values a row: the chip, and for each asset the file, reader, level, window, blocks and bytes.

    Raises:
        ReadError: a header could not be read.
    """
    told = []
    for position, number, values in zip(
        rows.positions.tolist(), rows.sources.tolist(), rows.windows.tolist(), strict=True
    ):
        source, window = cutter.ready(number, chain), PixelWindow(*values)
        size = source.plan.size(window)
        told.append(
            {
                "id": cutter.index.row(position)["id"],
                "window": list(window),
                "level": source.plan.level,
                "size": list(size),
                "chain": source.plan.key.chain,
                "reads": [_explain_read(asset, window, size) for asset in source.assets],
            }
        )
    return told


def _explain_read(asset: ReadyStack, window: PixelWindow, size: ImageSize) -> dict[str, Any]:
    reader, placing = asset.reader, asset.placing
    cut = plan_cut(placing, window.x, window.y, size)
    needed = PixelWindow(0, 0, 0, 0) if cut is None else cut.window
    header = reader.source.header
    rows, cols = reader.source.level_grid(placing.level).block_shape
    blocks = 0
    if needed.width:
        across = -(-(needed.x + needed.width) // cols) - needed.x // cols
        down = -(-(needed.y + needed.height) // rows) - needed.y // rows
        blocks = across * down
    pixel_bytes = sum(kind.itemsize for kind in reader.dtypes)
    return {
        "asset": reader.image.asset_key,
        "file": redact(reader.image.location),
        "reader": reader.source.served_by(placing.level),
        "compression": header.compression,
        "stored_level": placing.level,
        "window": list(needed),
        "resampling": None if is_copied(placing.corner(window.x, window.y), placing.step) else placing.method,
        "block_shape": [rows, cols],
        "blocks": blocks,
        "decoded_bytes": blocks * rows * cols * pixel_bytes,
        "pixel_bytes": needed.width * needed.height * pixel_bytes,
    }
