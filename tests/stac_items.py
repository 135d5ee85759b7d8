"""STAC items with nothing but assets and a time, for tests that are about something else."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stacchip_osml.pixel import ImageSize

GEOTIFF = "image/tiff; application=geotiff"


def plain_item(
    hrefs: Mapping[str, str | Path],
    *,
    item_id: str = "S",
    collection: str | None = "c",
    when: str = "2025-05-01T00:00:00Z",
    media_type: str = GEOTIFF,
) -> dict[str, Any]:
    """Give an item of images by asset key; what they are, their files have to say."""
    item: dict[str, Any] = {
        "type": "Feature",
        "stac_version": "1.1.0",
        "id": item_id,
        "geometry": None,
        "properties": {"datetime": when},
        "links": [],
        "assets": {key: {"href": str(href), "type": media_type, "roles": ["data"]} for key, href in hrefs.items()},
    }
    return item if collection is None else item | {"collection": collection}


def placed_item(
    hrefs: Mapping[str, str | Path], size: ImageSize, transform: Sequence[float], **about: str
) -> dict[str, Any]:
    """Give an item that says where its images lie in EPSG:32632, so that no file is asked."""
    item = plain_item(hrefs, **about)
    item["properties"] |= {
        "proj:code": "EPSG:32632",
        "proj:shape": [size.height, size.width],
        "proj:transform": list(transform),
    }
    return item
