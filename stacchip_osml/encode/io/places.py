"""Where an image lies, as its provider or its metadata say: for files that take a transform and CRS, or points."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from affine import Affine

from stacchip_osml.encode.placement import Placement
from stacchip_osml.imagery.adapters.view import ProviderView
from stacchip_osml.imagery.providers.facts import fact

if TYPE_CHECKING:
    from stacchip_osml.encode.io.format_names import DatasetFormat
    from stacchip_osml.pixel import PixelWindow

__all__ = ["WithoutCrs", "colors_of", "header_of", "lost_crs", "names_of_file", "place_of"]

SAY_CRS = frozenset(("tiff", "jp2", "jph"))
"""Formats that say a CRS, in GeoTIFF's keys."""
WKT_NAME = re.compile(r'\w+\["([^"]*)"')


class WithoutCrs(ProviderView):
    """An image whose header says no CRS, and all else as it does."""

    @property
    def header(self) -> Any:
        """The source's, but its CRS."""
        return replace(header_of(self.source), crs=None, gcps_crs=None)

    def read(self, window: PixelWindow, **how: Any) -> Any:
        """Read as the source does, with what is valid."""
        return self.source.read(window, **how)


def lost_crs(image: Any, kind: DatasetFormat, *, keeps_tags: bool = True) -> str | None:
    """Give the name of an image's CRS that a format has keys for, and they cannot say; None where nothing is lost.

    Args:
        image: with its metadata.
        kind: of the new file.
        keeps_tags: a TIFF of a TIFF has the other's own geo keys, whatever they say.
    """
    from stacchip_osml.encode.tiff.geokeys import sayable_crs

    header = header_of(image)
    crs = None if header is None else header.crs or header.gcps_crs
    is_kept = keeps_tags and kind.name == "tiff" and any(key.isdecimal() for key in image.metadata)
    if crs is None or kind.name not in SAY_CRS or is_kept or sayable_crs(crs) is not None:
        return None
    name = WKT_NAME.match(crs)
    return crs if name is None else name[1]


def header_of(provider: Any) -> Any:
    """Give the :class:`~stacchip_osml.imagery.ImageHeader` of an image, below what only changes values or blocks."""
    while True:
        found = getattr(provider, "header", None)
        if found is not None and hasattr(found, "transform"):
            return found
        if not isinstance(provider, ProviderView):
            return None
        below = provider.source
        if (below.num_rows, below.num_columns) != (provider.num_rows, provider.num_columns):
            return None
        provider = below


def names_of_file(provider: Any) -> Iterable[str]:
    """Give the names that an image's own file has for its metadata, where they are neither TIFF's nor NITF's."""
    while isinstance(provider, ProviderView):
        provider = provider.source
    header = header_of(provider)
    return () if header is None or header.driver in {"GTiff", "NITF"} else tuple(fact(provider, "metadata"))


def colors_of(provider: Any) -> tuple[str, ...]:
    """Give the colour interpretation of each band, where the image's file says it; nothing where it does not."""
    header = header_of(provider)
    if header is None or len(header.bands) != int(provider.num_bands):
        return ()
    colors = tuple(band.color for band in header.bands)
    return () if all(color == "undefined" for color in colors) else colors


def place_of(provider: Any, metadata: Mapping[str, Any]) -> Placement | None:
    """Say where an image lies: GeoTIFF's names and tags in its metadata first, then the header of its file.

    Raises:
        EncodeError: metadata that name a place, and are none.
    """
    named = _named(metadata)
    if named is not None:
        return named
    header = header_of(provider)
    if header is None:
        return None
    if header.transform is not None:
        return Placement(transform=Affine(*header.transform), crs=header.crs)
    if header.gcps:
        return Placement(gcps=tuple(header.gcps), crs=header.gcps_crs)
    return None


def _named(metadata: Mapping[str, Any]) -> Placement | None:
    """Read the place that GeoTIFF's names say, where they name a CRS by its code too."""
    from stacchip_osml.encode.tiff.geokeys_named import GEO_NAMES, PLACE_NAMES, crs_code, geo_names, named_geo_tags

    names = {name: metadata[name] for name in GEO_NAMES if name in metadata}
    if not any(name in names for name in PLACE_NAMES):
        return None
    crs = crs_code(names)
    if crs is None:  # none, or one that only the file's own keys say
        return None
    tags = named_geo_tags(names, {})
    place = geo_names({tag: value for tag, (_, value) in tags.items()}).get("GeoTransform")
    return None if place is None else Placement(transform=Affine.from_gdal(*place), crs=crs)
