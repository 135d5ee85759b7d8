"""Image files as STAC items, so that a user without a catalog starts in one command.

What the item says comes from the header alone. The time is the file's own
(TIFF DateTime, NITF IDATIM; both taken as UTC), an interval where it is known in
part, else the file's modification time, else 1970-01-01; the property
``stacchip_osml:datetime_from`` says which. The footprint is in lon/lat. An image that has no georeferencing has a null
geometry, and so has one whose georeferencing gives it no outline; then the
property ``stacchip_osml:unlocated`` says why. What an approximate place is made
of is told by the asset's ``stacchip_osml:footprint``. Of a file of several images the
first is the asset, whose ``stacchip_osml:images`` says how many there are.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from stacchip_osml.encode.image_time import image_time
from stacchip_osml.errors import ChipError, ItemError, LimitError
from stacchip_osml.imagery.header import BandHeader, ImageHeader
from stacchip_osml.imagery.providers.own_readers import READERS
from stacchip_osml.stac.crs import is_code
from stacchip_osml.stac.hrefs import is_remote
from stacchip_osml.stac.image_place import FOOTPRINT, FilePlace, SensorReader, kept_place
from stacchip_osml.stac.image_place import read_sensor as default_sensor
from stacchip_osml.stac.items import StacItem

if TYPE_CHECKING:
    from stacchip_osml.geometry import Locator, SensorFacts
    from stacchip_osml.stac.facts import HeaderReader

__all__ = ["IMAGE_SUFFIXES", "item_from_header", "item_from_image", "renamed", "unique_ids"]

IMAGE_SUFFIXES = frozenset({".tif", ".tiff", ".ntf", ".nitf", ".nsf", ".jp2", ".j2k", ".jpx", ".png", ".jpg", ".jpeg"})

ASSET_KEY = "image"
_DATETIME_FROM = "stacchip_osml:datetime_from"
IMAGES = "stacchip_osml:images"
"""Asset field: how many images the file holds, of which the first is the asset."""
_UNLOCATED = "stacchip_osml:unlocated"

_MEDIA_TYPES = {
    "GTiff": "image/tiff; application=geotiff",
    "NITF": "application/vnd.nitf",
    "JP2OpenJPEG": "image/jp2",
    "PNG": "image/png",
    "JPEG": "image/jpeg",
}
_DATA_TYPES = {
    **{name: name for name in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")},
    **{name: name for name in ("float16", "float32", "float64")},
    "complex64": "cfloat32",
    "complex128": "cfloat64",
}
_EXTENSIONS = (
    "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
    "https://stac-extensions.github.io/raster/v2.0.0/schema.json",
    "https://stac-extensions.github.io/file/v2.1.0/schema.json",
)
_EO = "https://stac-extensions.github.io/eo/v2.0.0/schema.json"
_COLORS = frozenset({"red", "green", "blue"})
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def item_from_image(
    location: str,
    *,
    roots: tuple[str, ...] = (),
    item_id: str | None = None,
    read_header: HeaderReader | None = None,
    read_sensor: SensorReader | None = None,
) -> StacItem:
    """Read the header of an image file and make an item of it.

    Args:
        location: absolute path or URL.
        roots: folders that the item's local assets may lie under.
        item_id: the item's id; None: the file stem.
        read_header: opens the file; the default is :func:`stacchip_osml.imagery.read_header`.
        read_sensor: reads the sensor metadata of a NITF file; the default signs no URL.

    Raises:
        ReadError: the file could not be read as an image.
    """
    if read_header is None:
        from stacchip_osml.imagery import read_header as default_header

        read_header = default_header
    header = read_header(location)
    sensor: SensorFacts | ChipError | None = None
    if header.driver == "NITF":
        try:
            sensor = (read_sensor or default_sensor)(location)
        except ChipError as error:  # the pixels are good
            sensor = error
    document = item_from_header(location, header, item_id=item_id, sensor=sensor)
    return StacItem(document, location, roots, location)


def item_from_header(
    location: str,
    header: ImageHeader,
    *,
    item_id: str | None = None,
    sensor: SensorFacts | ChipError | None = None,
) -> dict[str, Any]:
    """Make a STAC 1.1 item that describes one image file, without reading it.

    Args:
        location: absolute path or URL; the href of the item's one asset.
        header: what the file says.
        item_id: the item's id; None: the file stem.
        sensor: of a NITF file its sensor metadata, which places it, or why it cannot be read.
    """
    place, unlocated = _place(header, sensor)
    geometry, bbox = None, None
    if unlocated is None and place.placing is not None:
        geometry, bbox, unlocated = _outline(header, place.placing.locator)
    properties = _times(header)
    if unlocated is not None:
        properties[_UNLOCATED] = unlocated
    asset = _asset(location, header, place)
    has_colors = any("eo:common_name" in band for band in asset["bands"])
    document: dict[str, Any] = {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": [*_EXTENSIONS, _EO] if has_colors else list(_EXTENSIONS),
        "id": item_id or PurePosixPath(location.split("?", 1)[0]).stem or "image",
        "geometry": geometry,
        "properties": properties,
        "links": [],
        "assets": {ASSET_KEY: asset},
    }
    if bbox is not None:
        document["bbox"] = bbox
    return document


def _place(header: ImageHeader, sensor: SensorFacts | ChipError | None) -> tuple[FilePlace, str | None]:
    """Give what places the image, or why nothing does."""
    from stacchip_osml.geometry.placing import all_facts, place_image

    if isinstance(sensor, ChipError):
        return FilePlace(), str(sensor)
    try:
        place = kept_place(header, sensor, place_image(all_facts(header, sensor)))
    except (ItemError, LimitError) as error:  # the pixels are good
        return FilePlace() if sensor is not None else kept_place(header, None, None), str(error)
    if place.placing is None and place.transform is not None and place.crs is not None:
        return place, f"its CRS is local: {place.crs:.80}"
    if place.placing is None and sensor is not None and (corners := sensor.fields.get("IGEOLO", "").strip()):
        return place, f"IGEOLO {corners:.60} places no image of {header.size.width} x {header.size.height} pixels"
    return place, None


def _outline(header: ImageHeader, locate: Locator) -> tuple[dict[str, Any] | None, list[float] | None, str | None]:
    """Give geometry and bbox in lon/lat, or why there are none: a CRS whose domain ends before the image's middle."""
    from shapely.geometry import mapping

    from stacchip_osml.geometry import bounds_of, image_outline

    try:
        outline = image_outline(header.size, locate)
    except ItemError as error:
        return None, None, str(error)
    return _lists(mapping(outline)), [float(value) for value in bounds_of(outline)], None


def _lists(value: Any) -> Any:
    """Turn a geometry's tuples into the lists that JSON has."""
    if isinstance(value, dict):
        return {key: _lists(part) for key, part in value.items()}
    return [_lists(part) for part in value] if isinstance(value, list | tuple) else value


def _times(header: ImageHeader) -> dict[str, Any]:
    """Give the properties that say when the image was taken, and how that is known."""
    known = image_time(header.acquired)
    if known is not None:
        first, last = (_rfc3339(moment) for moment in known)
        if first == last:
            return {"datetime": first, _DATETIME_FROM: "image"}
        return {"datetime": None, "start_datetime": first, "end_datetime": last, _DATETIME_FROM: "image"}
    if header.modified_ns is not None:
        moment = _rfc3339(_EPOCH + timedelta(microseconds=header.modified_ns // 1000))
        return {"datetime": moment, _DATETIME_FROM: "file modification time"}
    return {"datetime": _rfc3339(_EPOCH), _DATETIME_FROM: "unknown"}


def _rfc3339(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def _asset(location: str, header: ImageHeader, place: FilePlace) -> dict[str, Any]:
    asset: dict[str, Any] = {
        "href": location if is_remote(location) or location.startswith("/") else f"./{location}",
        "roles": ["data"],
        "proj:shape": [header.size.height, header.size.width],
        "proj:code": place.crs if place.crs is not None and is_code(place.crs) else None,
    }
    if header.driver in _MEDIA_TYPES:
        asset["type"] = _MEDIA_TYPES[header.driver]
    elif header.driver in READERS:
        asset["type"] = READERS[header.driver].media_type
    if place.crs is not None and asset["proj:code"] is None:
        asset["proj:wkt2"] = place.crs
    if place.transform is not None:
        asset["proj:transform"] = list(place.transform)
    if place.placing is not None and place.placing.footprint != "projected":
        asset[FOOTPRINT] = place.placing.footprint
    if header.images > 1:
        asset[IMAGES] = header.images
    if header.size_bytes is not None:
        asset["file:size"] = header.size_bytes
    asset["bands"] = [_band(band, f"b{i + 1}") for i, band in enumerate(header.bands)]
    return asset


def _band(band: BandHeader, default_name: str) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "name": band.description or default_name,
        "data_type": _DATA_TYPES.get(band.dtype, "other"),
    }
    if band.nodata is not None and not isinstance(band.nodata, complex):
        fields["nodata"] = _json_number(band.nodata)
    if band.scale != 1.0:
        fields["raster:scale"] = band.scale
    if band.offset != 0.0:
        fields["raster:offset"] = band.offset
    if band.color in _COLORS:
        fields["eo:common_name"] = band.color
    return fields


def _json_number(value: float) -> float | str:
    """Spell a number as STAC does: the ones that JSON has not are texts."""
    if math.isnan(value):
        return "nan"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    return value


def unique_ids(paths: Sequence[str]) -> dict[str, str]:
    """Name images by their stems; those that share one by their whole relative path."""
    stems = Counter(PurePosixPath(path).stem for path in paths)
    named = {
        path: PurePosixPath(path).stem if stems[PurePosixPath(path).stem] == 1 else path.replace("/", "-")
        for path in paths
    }
    taken = Counter(named.values())
    return {path: name if taken[name] == 1 else f"{name}-{_tag(path)}" for path, name in named.items()}


def renamed(item: StacItem) -> StacItem | None:
    """Give an item made from an image an id of its own place; None for any other item, or if it has one."""
    href = item.assets[ASSET_KEY].get("href") if ASSET_KEY in item.assets else None
    if _DATETIME_FROM not in item.properties or not isinstance(href, str) or item.id.endswith(f"-{_tag(href)}"):
        return None
    return replace(item, document={**item.document, "id": f"{item.id}-{_tag(href)}"})


def _tag(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=4).hexdigest()
