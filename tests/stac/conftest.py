"""Small documents of our own, and the folder of real ones where it exists."""

import copy
import os
from pathlib import Path

import pytest

ITEM = {
    "type": "Feature",
    "stac_version": "1.1.0",
    "stac_extensions": ["https://stac-extensions.github.io/projection/v2.0.0/schema.json"],
    "id": "scene-1",
    "geometry": {
        "type": "Polygon",
        "coordinates": [[[9.0, 48.0], [10.0, 48.0], [10.0, 49.0], [9.0, 49.0], [9.0, 48.0]]],
    },
    "bbox": [9.0, 48.0, 10.0, 49.0],
    "properties": {
        "datetime": "2026-03-04T05:06:07.089Z",
        "proj:code": "EPSG:32632",
        "proj:shape": [200, 300],
        "proj:transform": [10.0, 0.0, 500000.0, 0.0, -10.0, 5400000.0],
        "gsd": 10,
    },
    "links": [],
    "assets": {
        "red": {
            "href": "./red.tif",
            "type": "image/tiff; application=geotiff; profile=cloud-optimized",
            "roles": ["data"],
            "bands": [{"name": "B04", "eo:common_name": "red", "data_type": "uint16", "nodata": 0}],
        },
        "thumbnail": {"href": "./thumb.png", "type": "image/png", "roles": ["thumbnail"]},
    },
}


@pytest.fixture
def document():
    return copy.deepcopy(ITEM)


@pytest.fixture(scope="session")
def real_documents():
    root = Path(os.environ.get("STACCHIP_OSML_DATA", Path(__file__).parents[3] / "shared" / "data"))
    if not (root / "stac").is_dir():
        pytest.skip("the folder of real documents is not here")
    return root
