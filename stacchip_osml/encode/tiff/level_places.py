"""Where the overviews of a TIFF lie, said of those that a reader would take to be elsewhere.

A reader takes an overview to stretch the image's outer edges to its own, as GDAL's do. One that lies elsewhere says so
in its own directory: an item of GDAL's metadata (tag 42112), which GDAL shows and does not bring along to other files.
"""

from __future__ import annotations

from stacchip_osml.encode.tiff.file import Tags
from stacchip_osml.encode.tiff.gdal_tags import GDAL_METADATA
from stacchip_osml.encode.tiff.levels import Levels
from stacchip_osml.imagery.level_places import FULL_RESOLUTION, PLACE_ITEM, LevelPlace
from stacchip_osml.imagery.pyramids.levels import place_of

__all__ = ["level_place_tags"]


def level_place_tags(levels: Levels) -> list[Tags]:
    """Give the tags of each level that say where it lies; none of full resolution, and of levels that are stretched."""
    stretched = [LevelPlace.stretched(size, levels.sizes[0]) for size in levels.sizes]
    return [
        {} if place in {None, expected} else _tag(place)
        for place, expected in zip(_places(levels), stretched, strict=True)
    ]


def _places(levels: Levels) -> list[LevelPlace | None]:
    """Tell where levels lie on the first; None of those that do not know."""
    builders = levels.builders
    base = place_of(builders[0].source) or FULL_RESOLUTION
    if len(builders) == 1:
        places: list[LevelPlace | None] = [builders[0].pixel_place(level) for level in range(len(levels.sizes))]
    else:
        places = [place_of(builder.source) for builder in builders]
    return [None, *(None if place is None else place.seen_from(base) for place in places[1:])]


def _tag(place: LevelPlace) -> Tags:
    name, domain = PLACE_ITEM
    item = f'<Item name="{name}" domain="{domain}" sample="0">{place.text}</Item>'
    return {GDAL_METADATA: ("s", f"<GDALMetadata>{item}</GDALMetadata>")}
