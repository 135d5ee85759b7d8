"""Levels that are images of their own in a file or an R-set: where a reader will take their pixels to be.

Nothing in such a file says where a level lies on another image, so a reader has to assume it
(:func:`stacchip_osml.imagery.pyramids.levels.assumed_place`). A level that lies elsewhere is refused.
"""

from __future__ import annotations

from collections.abc import Sequence

from stacchip_osml.encode.io.contents import Entry
from stacchip_osml.encode.io.format_names import DatasetFormat
from stacchip_osml.errors import EncodeError
from stacchip_osml.imagery.level_places import FULL_RESOLUTION
from stacchip_osml.imagery.providers.block_grid import level_grid
from stacchip_osml.imagery.pyramids.levels import assumed_place, place_of

__all__ = ["require_assumed_places"]

LEAST = 0.01
"""Pixels of full resolution that a level may lie elsewhere."""


def require_assumed_places(entries: Sequence[Entry], kind: DatasetFormat) -> None:
    """Refuse levels that a reader would take to lie elsewhere.

    Args:
        entries: images with their levels; those that do not say where they lie are believed.
        kind: format of the files.

    Raises:
        EncodeError: naming the level, and how far its pixels are from where they would be taken to be.
    """
    images = {entry.key: entry for entry in entries if entry.overview_of is None}
    first = next(iter(images.values()), None)
    for entry in entries:
        level = entry.overview_of
        base = first if level is None else images.get(level[0], first)
        place = None if level is None or base is None else place_of(entry.provider)
        if base is None or place is None:
            continue
        size = level_grid(entry.provider).image_size
        place = place.seen_from(place_of(base.provider) or FULL_RESOLUTION)
        taken = assumed_place(size, level_grid(base.provider).image_size, nitf=kind.driver == "NITF")
        off = max(
            abs(place.x - taken.x),
            abs(place.y - taken.y),
            abs(place.x - taken.x + (place.dx - taken.dx) * size.width),
            abs(place.y - taken.y + (place.dy - taken.dy) * size.height),
        )
        if off > LEAST:
            how = "made as those of SIPS are, the usual way" if kind.driver == "NITF" else "area_resample's"
            raise EncodeError(
                f"{entry.key}: such files do not say where a level lies, and its pixels would be taken to be up to "
                f"{off:.3g} pixels of {base.key} beside their place; a .tif says it, or write levels {how}"
            )
