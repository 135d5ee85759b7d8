"""Item → facts: which assets are images, and all that a chip grid needs of each.

Pure but for two hooks of the caller: href resolution looks at local folders,
and ``read_header`` opens the file of an asset whose item says too little.

Which assets are images, unless the caller names them: those whose media type
(or, where there is none, whose file name) is TIFF, NITF or JPEG 2000, and
whose roles are not those of a picture about the item (thumbnail, overview,
preview, browse) or of metadata; PNG and JPEG only with the role ``data``. A
full-resolution ``visual`` image counts. Named assets are taken whatever they
are.

When a header is read, what the item states must agree with it: same size, same
CRS, corners within a thousandth of a pixel. Otherwise the item is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

from stacchip_osml.errors import ItemError, ReadError, redact
from stacchip_osml.imagery.header import ImageHeader
from stacchip_osml.imagery.providers.own_readers import is_own_type
from stacchip_osml.stac.bands import merge_header_bands, read_bands
from stacchip_osml.stac.crs import same_crs
from stacchip_osml.stac.hrefs import alternate_href, resolve_href
from stacchip_osml.stac.image_place import FilePlace, SensorReader, place_file, stated_footprint
from stacchip_osml.stac.items import StacItem
from stacchip_osml.stac.projection import Grid, corner_points, has_own_grid, read_grid
from stacchip_osml.stac.source import SourceImage

__all__ = ["HeaderReader", "image_assets", "require_agreement", "source_images"]

HeaderReader = Callable[[str], ImageHeader]

_IMAGE_TYPE = re.compile(
    r"(?:image|application)/(?:[\w.+\-]*[.+\-])?(?:tiff?|geotiff?|cog|jp2|jpx|j2k|jpeg-?2000|nitf|ntf)"
)
"""However a catalog spells it: ``image/vnd.stac.geotiff``, ``image/x.geotiff``, ``application/x-nitf`` …"""
_PICTURE_TYPES = frozenset({"image/png", "image/jpeg", "image/jpg", "image/vnd.stac.jpeg", "image/vnd.stac.png"})
_UNTOLD_TYPES = frozenset({"", "application/octet-stream", "binary/octet-stream"})
_IMAGE_NAME = re.compile(r"\.(tiff?|ntf|nitf|nsf|jp2|j2k|jpx)$", re.IGNORECASE)
_PICTURE_NAME = re.compile(r"\.(png|jpe?g)$", re.IGNORECASE)
_ABOUT_ROLES = frozenset({"thumbnail", "overview", "preview", "browse", "metadata", "tiles", "quicklook"})
_ABOUT_KEYS = frozenset({"thumbnail", "overview", "preview", "browse", "rendered_preview", "quicklook", "metadata"})

_CLASS_ROLES = frozenset(
    {
        "cloud",
        "cloud-shadow",
        "snow-ice",
        "land-water",
        "water-mask",
        "data-mask",
        "saturation",
        "classification",
        "labels",
        "labels-raster",
        "mask",
    }
)
_CLASS_FIELDS = frozenset({"classification:classes", "classification:bitfields", "file:values"})
_CLASS_KEY = re.compile(
    r"(^|[_\-.])(scl|fmask|qa|qc|bqa|qa60|qa_pixel|qa_radsat|qa_aerosol|cloud_qa|pixel_qa|radsat_qa|state|lulc"
    r"|landcover|land_cover|classification|mask|cloud_?mask|labels?|annotations?|segmentation|ground_?truth)([_\-.]|$)",
    re.IGNORECASE,
)
_GSD_FIELDS = dict.fromkeys(("gsd", "raster:spatial_resolution", "spatial_resolution", "eo:gsd"))
_TOLERANCE = 1e-3


def source_images(
    item: StacItem,
    *,
    assets: Sequence[str] | None = None,
    read_header: HeaderReader | None = None,
    read_sensor: SensorReader | None = None,
    alternate: str | None = None,
) -> tuple[SourceImage, ...]:
    """Gather the facts of an item's images.

    Args:
        item: the item.
        assets: asset keys, in the order wanted; None: all that are images, in the item's order.
        read_header: opens the file at a location when the item says too little; None: nothing is opened.
        read_sensor: reads the sensor metadata of a NITF file whose header was read; the default signs no URL.
        alternate: take the href under this name (``s3`` …) of the alternate-assets extension where there is one.

    Raises:
        ItemError: there is no image, a named asset is not there, a fact is missing and may not be read,
            or facts contradict each other or the file.
        ReadError: a file that had to be opened could not be read.
    """
    keys = image_assets(item) if assets is None else tuple(assets)
    unknown = [key for key in keys if key not in item.assets]
    if unknown:
        raise item.error(f"no asset {', '.join(map(repr, unknown))}; it has {', '.join(map(repr, item.assets))}")
    if not keys:
        raise item.error(f"no asset is an image; it has {_listing(item) or 'no assets'}")
    images, lacking = [], []
    whole = _Whole(item)
    for key in keys:
        try:
            image = _image(whole, key, read_header, read_sensor, alternate)
        except _LackError as lack:
            lacking.append(f"{key} ({lack})")
        except (ValueError, ItemError) as error:
            raise item.error(f"asset {key!r}: {error}") from error
        except ReadError as error:  # of its own class, with what it knows
            error.args = (str(item.error(f"asset {key!r}: {error}")),)
            raise
        else:
            images.append(image)
    if lacking:
        raise item.error(
            f"the item does not state what a chip grid needs, and reading headers is off: {', '.join(lacking)}"
        )
    return tuple(images)


class _LackError(Exception):
    """A fact is missing, and may not be read from the file."""


def _listing(item: StacItem) -> str:
    return ", ".join(f"{key} ({asset.get('type') or 'no type'})" for key, asset in list(item.assets.items())[:20])


def image_assets(item: StacItem) -> tuple[str, ...]:
    """Name the assets that are images to cut chips from, in the item's order."""
    return tuple(key for key, asset in item.assets.items() if _is_image(key, asset))


def _roles(asset: Mapping[str, Any]) -> tuple[str, ...]:
    roles = asset.get("roles")
    return tuple(str(role) for role in roles) if isinstance(roles, list | tuple) else ()


def _is_image(key: str, asset: Mapping[str, Any]) -> bool:
    roles = _roles(asset)
    is_data = "data" in roles
    if not is_data and (not _ABOUT_ROLES.isdisjoint(roles) or key.lower() in _ABOUT_KEYS):
        return False
    media_type = str(asset.get("type") or "").partition(";")[0].strip().lower()
    if _IMAGE_TYPE.fullmatch(media_type):
        return True
    if media_type in _PICTURE_TYPES:
        return is_data
    if media_type not in _UNTOLD_TYPES:
        return is_own_type(media_type)
    href = asset.get("href")
    path = re.split(r"[?#]", href, maxsplit=1)[0] if isinstance(href, str) else ""
    return bool(_IMAGE_NAME.search(path)) or (is_data and bool(_PICTURE_NAME.search(path)))


@lru_cache(maxsize=1024)
def _is_class_key(key: str) -> bool:
    """Keep the answers: items of one product have the same keys."""
    return _CLASS_KEY.search(key) is not None


def _is_classes(key: str, asset: Mapping[str, Any], roles: tuple[str, ...]) -> bool:
    if not _CLASS_ROLES.isdisjoint(roles) or _is_class_key(key):
        return True
    if not _CLASS_FIELDS.isdisjoint(asset) and any(asset.get(name) for name in _CLASS_FIELDS):
        return True
    bands = [*(asset.get("bands") or ()), *(asset.get("raster:bands") or ())]
    return any(isinstance(band, Mapping) and any(band.get(name) for name in _CLASS_FIELDS) for band in bands)


class _Whole:
    """What the assets of an item have in common, read once."""

    def __init__(self, item: StacItem) -> None:
        self.item = item
        self.gsd = _stated_gsd(item.properties)
        self._grid: Grid | None = None

    def grid(self, asset: Mapping[str, Any]) -> Grid:
        """Read an asset's grid: most have that of their item."""
        if has_own_grid(asset):
            return read_grid(asset, self.item.properties)
        if self._grid is None:
            self._grid = read_grid(asset, self.item.properties)
        return self._grid


def _image(
    whole: _Whole,
    key: str,
    read_header: HeaderReader | None,
    read_sensor: SensorReader | None,
    alternate: str | None,
) -> SourceImage:
    item = whole.item
    asset = item.assets[key]
    href = (alternate_href(asset, prefer=alternate) if alternate else None) or asset.get("href")
    location = resolve_href(href, base=item.base, roots=item.roots)
    grid = whole.grid(asset)
    bands = read_bands(key, asset)
    roles = _roles(asset)
    lack = _lack(grid)
    header = None
    if lack:
        if read_header is None:
            raise _LackError(f"no {' and no '.join(lack)}")
        header = read_header(location)
        _require_agreement(grid, header, location)
        bands = merge_header_bands(key, bands, header.bands)
    size = grid.size if header is None else header.size
    if size is None:
        raise _LackError("no proj:shape")
    if header is None:
        place = FilePlace(transform=grid.transform, crs=grid.crs, footprint=stated_footprint(asset))
    elif grid.transform is not None:  # what the item states goes before the file, which agrees with it
        place = FilePlace(transform=grid.transform, crs=grid.crs or header.crs, footprint=stated_footprint(asset))
    else:
        place = place_file(location, header, read_sensor)
        if place.transform is not None:
            place = replace(place, crs=grid.crs or place.crs)
    is_palette = header is not None and any(band.color == "palette" for band in header.bands)
    return SourceImage(
        asset_key=key,
        href=str(href),
        location=location,
        size=size,
        transform=place.transform,
        crs=place.crs,
        gcps=place.gcps,
        gcps_crs=place.gcps_crs,
        rpcs=place.rpcs,
        sensor=place.sensor,
        footprint=place.footprint,
        bands=bands,
        media_type=asset.get("type") if isinstance(asset.get("type"), str) else None,
        roles=roles,
        is_classes=is_palette or _is_classes(key, asset, roles),
        gsd=_gsd(asset, whole.gsd, bands=len(bands)),
        size_bytes=header.size_bytes if header is not None else None,
        modified_ns=header.modified_ns if header is not None else None,
    )


def _lack(grid: Grid) -> list[str]:
    """Name what is missing for a grid: a null CRS that is stated needs no transform only if a header says so."""
    lack = []
    if grid.size is None:
        lack.append("proj:shape")
    if grid.transform is None:
        lack.append("proj:transform")
    if grid.crs is None and not grid.is_unprojected:
        lack.append("proj:code")
    return lack


def _gsd(asset: Mapping[str, Any], item_gsd: float | None, *, bands: int) -> float | None:
    """Take the ground sample distance nearest to the pixels: asset, its only band, item."""
    own = _stated_gsd(asset)
    if own is None and bands == 1:
        for name in ("bands", "raster:bands", "eo:bands"):
            listed = asset.get(name)
            if own is None and listed and isinstance(listed[0], Mapping):
                own = _stated_gsd(listed[0])
    return item_gsd if own is None else own


def _stated_gsd(fields: Mapping[str, Any]) -> float | None:
    if _GSD_FIELDS.keys().isdisjoint(fields):
        return None
    for name in _GSD_FIELDS:
        value = fields.get(name)
        if value is not None and isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e9:
            return float(value)
    return None


def require_agreement(image: SourceImage, header: ImageHeader) -> None:
    """Refuse a file whose grid is not the one that was indexed.

    Raises:
        ItemError: another size, CRS, or place of the corners.
    """
    grid = Grid(size=image.size, transform=image.transform, crs=image.crs, is_unprojected=False)
    _require_agreement(grid, header, image.location)


def _require_agreement(grid: Grid, header: ImageHeader, location: str) -> None:
    """Refuse an item that says one thing where its file says another."""
    place = redact(location)
    if grid.size is not None and grid.size != header.size:
        raise ItemError(
            f"proj:shape is [{grid.size.height}, {grid.size.width}], but {place} has"
            f" {header.size.height} rows and {header.size.width} columns"
        )
    if grid.crs is not None and header.crs is not None and not same_crs(grid.crs, header.crs):
        raise ItemError(f"its CRS is {grid.crs:.80}, but {place} has {header.crs:.80}")
    if grid.transform is None or header.transform is None:
        return
    a, b, _, d, e, _ = header.transform
    # Largest shift of a corner, in pixels of the file: its transform inverted.
    det = a * e - b * d
    for (x, y), (u, v) in zip(
        corner_points(header.size, grid.transform), corner_points(header.size, header.transform), strict=True
    ):
        cols, rows = (e * (x - u) - b * (y - v)) / det, (a * (y - v) - d * (x - u)) / det
        if not max(abs(cols), abs(rows)) <= _TOLERANCE:
            raise ItemError(
                f"proj:transform {list(grid.transform)} puts a corner of {place} {max(abs(cols), abs(rows)):.3g} pixels"
                f" away from where the file's own {list(header.transform)} puts it"
            )
