"""What has to be read for chips: pure arithmetic on rows and headers.

A chip's pixels are steps of ``2**level`` R0 pixels of the reference asset. For
each asset that grid is expressed in pixels of the stored level that is read:
the coarsest whose pixels are no larger than the chip's. Where the stored level
truly lies counts, never a nominal power of two, so pixels lie where the chip's
transform says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from affine import Affine

from stacchip_osml.chain import ChainDefinition, ChainRegistry, resampling_for
from stacchip_osml.errors import IndexSchemaError
from stacchip_osml.imagery.level_places import LevelPlace
from stacchip_osml.imagery.windows.cut import coarsest_level
from stacchip_osml.index.headers import AssetHeader, HeaderKey
from stacchip_osml.load.rows import SourceKey
from stacchip_osml.pixel import ImageSize, PixelWindow, window_transform
from stacchip_osml.stac.grids import relative_grid
from stacchip_osml.stac.source import SourceImage

__all__ = ["AssetGrid", "SourcePlan", "plan_source", "stored_level"]

_SLACK = 1.01
"""A stored level of odd size is a little coarser than nominal (10,980 / 1,372 = 8.003): still that level."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetGrid:
    """How the reference's R0 pixels lie on one asset."""

    header: AssetHeader
    start: tuple[float, float]
    """``(x, y)`` of the reference's corner in R0 pixels of the asset."""
    step: tuple[float, float]
    """R0 pixels of the asset an R0 pixel of the reference."""
    method: str
    """How it comes to the chip's grid; plays no part where the grids agree."""

    @property
    def image(self) -> SourceImage:
        """The asset."""
        return self.header.image


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SourcePlan:
    """What rows of one item, level and chain have in common."""

    key: SourceKey
    reference: SourceImage
    definition: ChainDefinition
    assets: tuple[AssetGrid, ...]

    @property
    def level(self) -> int:
        """Pyramid level of the chips."""
        return self.key.level

    def size(self, window: PixelWindow) -> ImageSize:
        """Chip pixels of a window."""
        scale = 2**self.level
        return ImageSize(-(-window.width // scale), -(-window.height // scale))

    def transform(self, window: PixelWindow) -> Affine | None:
        """Chip pixel corner (col, row) → CRS (x, y)."""
        if self.reference.transform is None:
            return None
        return Affine(*window_transform(self.reference.transform, window, level=self.level))


def plan_source(key: SourceKey, headers: Mapping[HeaderKey, AssetHeader], chains: ChainRegistry) -> SourcePlan:
    """Plan what rows of one source have in common.

    Raises:
        IndexSchemaError: they name an asset without a header.
        ChainError: they name a chain that is not in the registry.
    """
    found = []
    for asset in (key.reference, *key.assets.split(",")):
        header = headers.get((key.collection, key.item_id, asset))
        if header is None:
            raise IndexSchemaError(f"chips of item {key.item_id!r}: asset {asset!r} has no header in this index")
        found.append(header)
    reference, definition = found[0].image, chains[key.chain]
    assets = []
    for header in found[1:]:
        start, step = relative_grid(reference, header.image)
        method = resampling_for(definition, header.image.asset_key)
        assets.append(AssetGrid(header=header, start=start, step=step, method=method))
    return SourcePlan(key=key, reference=reference, definition=definition, assets=tuple(assets))


def stored_level(places: Sequence[LevelPlace], step: tuple[float, float]) -> int:
    """Choose the coarsest stored level whose pixels are no larger than a chip pixel.

    Args:
        places: of the stored levels, R0 first.
        step: ``(x, y)`` R0 pixels a chip pixel.
    """
    return coarsest_level([place.ratio for place in places], step, slack=_SLACK)
