"""What has to be read for one chip: pure arithmetic on a row and its headers.

The chip's pixels are steps of ``2**level`` R0 pixels of the reference asset.
For each asset that grid is expressed in pixels of the stored level that is
read: the coarsest whose pixels are no larger than the chip's. The true ratio
of the stored level counts, never a nominal power of two, so pixels lie where
the chip's transform says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from affine import Affine

from stacchip_osml.chain import ChainRegistry, resampling_for
from stacchip_osml.errors import IndexSchemaError
from stacchip_osml.index.headers import AssetHeader, HeaderKey
from stacchip_osml.pixel import ImageSize, PixelWindow, window_transform
from stacchip_osml.stac.grids import relative_grid
from stacchip_osml.stac.source import SourceImage

__all__ = ["AssetRead", "ChipPlan", "plan_chip", "stored_level"]

_SLACK = 1.01
"""A stored level of odd size is a little coarser than nominal (10,980 / 1,372 = 8.003): still that level."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetRead:
    """One asset's part of a chip."""

    image: SourceImage
    start: tuple[float, float]
    """``(x, y)`` of the chip's corner in R0 pixels of the asset."""
    step: tuple[float, float]
    """R0 pixels of the asset a chip pixel."""
    method: str
    """How it comes to the chip's grid; plays no part where the grids agree."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChipPlan:
    """One chip, ready to be read."""

    row: Mapping[str, Any]
    window: PixelWindow
    level: int
    size: ImageSize
    """Chip pixels."""
    chain: str
    reads: tuple[AssetRead, ...]
    transform: Affine | None
    crs: str | None


def plan_chip(row: Mapping[str, Any], headers: Mapping[HeaderKey, AssetHeader], chains: ChainRegistry) -> ChipPlan:
    """Plan the reading of one index row.

    Raises:
        IndexSchemaError: the row names an asset without a header.
        ChainError: the row names a chain that is not in the registry.
    """
    key = (row["collection"] or "", row["item_id"])
    images = []
    for asset in (row["reference"], *row["assets"].split(",")):
        header = headers.get((*key, asset))
        if header is None:
            raise IndexSchemaError(f"chip {row['id']!r}: asset {asset!r} has no header in this index")
        images.append(header.image)
    reference, level = images[0], int(row["level"])
    definition = chains[row["chain"]]
    window = PixelWindow(row["col_off"], row["row_off"], row["width"], row["height"])
    scale = 2**level
    reads = []
    for image in images[1:]:
        start, step = relative_grid(reference, image)
        reads.append(
            AssetRead(
                image=image,
                start=(start[0] + window.x * step[0], start[1] + window.y * step[1]),
                step=(step[0] * scale, step[1] * scale),
                method=resampling_for(definition, image.asset_key),
            )
        )
    transform = None
    if reference.transform is not None:
        transform = Affine(*window_transform(reference.transform, window, level=level))
    return ChipPlan(
        row=row,
        window=window,
        level=level,
        size=ImageSize(-(-window.width // scale), -(-window.height // scale)),
        chain=row["chain"],
        reads=tuple(reads),
        transform=transform,
        crs=reference.crs,
    )


def stored_level(levels: Sequence[ImageSize], step: tuple[float, float]) -> int:
    """Choose the coarsest stored level whose pixels are no larger than a chip pixel.

    Args:
        levels: sizes of the stored levels, R0 first.
        step: ``(x, y)`` R0 pixels a chip pixel.
    """
    base = levels[0]
    chosen = 0
    for number, size in enumerate(levels[1:], start=1):
        if base.width / size.width <= step[0] * _SLACK and base.height / size.height <= step[1] * _SLACK:
            chosen = number
    return chosen
