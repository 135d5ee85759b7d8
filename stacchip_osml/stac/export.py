"""Chips as STAC items: plain values in, a valid STAC 1.1 document out.

A chip is no file, so its item has no assets of its own making; a link
``derived_from`` names the item that it was cut from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from stacchip_osml.errors import ItemError
from stacchip_osml.stac.crs import is_code

__all__ = ["chip_to_item"]

_PROJECTION = "https://stac-extensions.github.io/projection/v2.0.0/schema.json"


def chip_to_item(
    *,
    chip_id: str,
    collection: str,
    geometry: Mapping[str, Any] | None,
    bbox: Sequence[float] | None,
    moment: datetime | None,
    interval: tuple[datetime, datetime] | None = None,
    properties: Mapping[str, Any] | None = None,
    shape: tuple[int, int] | None = None,
    transform: Sequence[float] | None = None,
    crs: str | None = None,
    source_href: str | None = None,
    collection_href: str = "./collection.json",
    assets: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """Write one chip as a STAC item.

    Args:
        chip_id: the chip's id in the index.
        collection: id of the chips' collection; empty for none.
        geometry: footprint as GeoJSON in lon/lat; None in sensor geometry without a place.
        bbox: west, south, east, north; None exactly where ``geometry`` is.
        moment: the time of the source item, with its time zone; None where it has an interval alone.
        interval: first and last time of the source item, with their time zones; None where it has a time alone.
        properties: further properties (the row's other columns); nulls are left out.
        shape: (rows, cols) of the chip.
        transform: affine a b c d e f, chip corner (col, row) → CRS (x, y).
        crs: ``EPSG:n`` or WKT2; None in sensor geometry.
        source_href: where the source item is.
        collection_href: where the collection is; the specification wants a link wherever a collection is named.
        assets: files written for this chip, if any.

    Raises:
        ItemError: the id is empty, there is no time, one has no zone, or only one of geometry and bbox is there.
    """
    if not chip_id:
        raise ItemError("a chip needs an id")
    if moment is None and interval is None:
        raise ItemError(f"chip {chip_id!r}: it has neither a time nor an interval")
    for time in (*([] if moment is None else [moment]), *(interval or ())):
        if time.tzinfo is None:
            raise ItemError(f"chip {chip_id!r}: its time has no zone: {time.isoformat()}")
    if (geometry is None) != (bbox is None):
        raise ItemError(f"chip {chip_id!r}: geometry and bbox come together")
    fields: dict[str, Any] = {"datetime": None if moment is None else _rfc3339(moment)}
    if interval is not None:
        fields |= {"start_datetime": _rfc3339(interval[0]), "end_datetime": _rfc3339(interval[1])}
    fields |= {key: value for key, value in (properties or {}).items() if value is not None}
    fields |= _projection(shape, transform, crs)
    document: dict[str, Any] = {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": [_PROJECTION] if any(key.startswith("proj:") for key in fields) else [],
        "id": chip_id,
        "geometry": None if geometry is None else dict(geometry),
        "properties": fields,
        "links": [],
        "assets": {key: dict(asset) for key, asset in (assets or {}).items()},
    }
    if bbox is not None:
        document["bbox"] = [float(value) for value in bbox]
    if source_href:
        document["links"].append({"rel": "derived_from", "href": source_href, "type": "application/geo+json"})
    if collection:
        document["collection"] = collection
        document["links"].append({"rel": "collection", "href": collection_href, "type": "application/json"})
    return document


def _projection(shape: tuple[int, int] | None, transform: Sequence[float] | None, crs: str | None) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if shape is not None:
        fields["proj:shape"] = [int(shape[0]), int(shape[1])]
    if transform is not None:
        fields["proj:transform"] = [float(value) for value in transform]
    if crs is not None and is_code(crs):
        fields["proj:code"] = crs
    elif crs is not None:
        fields |= {"proj:code": None, "proj:wkt2": crs}
    elif fields:
        fields["proj:code"] = None
    return fields


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
