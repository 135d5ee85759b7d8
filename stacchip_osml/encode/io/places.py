"""Where an image lies, as its provider or its metadata say: for files that take a transform and CRS, or points."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from affine import Affine

from stacchip_osml.encode.placement import Placement
from stacchip_osml.imagery.adapters.view import ProviderView

__all__ = ["colors_of", "header_of", "place_of"]


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
