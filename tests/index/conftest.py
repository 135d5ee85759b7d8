"""Items made of facts alone, and small real images."""

import datetime as dt

import numpy as np
import pytest
import rasterio
from rasterio.transform import Affine

from stacchip_osml import Indexer


def item(
    item_id="A",
    *,
    collection="sensor",
    size=(1000, 800),
    transform=(10, 0, 500_000, 0, -10, 5_000_000),
    crs="EPSG:32632",
    when="2025-05-01T10:00:00Z",
    assets=("red",),
    href="https://example.com/{key}.tif",
):
    """Give an item of ``size`` (cols, rows) pixels with full projection facts and no file."""
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": [],
        "id": item_id,
        "collection": collection,
        "geometry": {"type": "Polygon", "coordinates": [[[9, 45], [9.1, 45], [9.1, 45.1], [9, 45.1], [9, 45]]]},
        "bbox": [9, 45, 9.1, 45.1],
        "properties": {
            "datetime": when,
            "proj:code": crs,
            "proj:shape": [size[1], size[0]],
            "proj:transform": list(transform),
        },
        "links": [],
        "assets": {
            key: {"href": href.format(key=key), "type": "image/tiff; application=geotiff", "roles": ["data"]}
            for key in assets
        },
    }


@pytest.fixture(scope="session")
def make_item():
    return item


@pytest.fixture(scope="session")
def build():
    """Index made-up items: ``build("A", "B", chip_size=100)``."""

    def made(*ids, chip_size=200, **options):
        facts = {key: options.pop(key) for key in ("size", "transform", "crs", "when", "assets") if key in options}
        return Indexer([item(name, **facts) for name in ids], chip_size, **options).create_index()

    return made


@pytest.fixture
def write_tiff(tmp_path):
    """Write a GeoTIFF in the test's folder."""

    def write(name, pixels, *, transform=(10, 0, 500_000, 0, -10, 5_000_000), crs="EPSG:32632", **options):
        pixels = np.asarray(pixels)
        pixels = pixels[None] if pixels.ndim == 2 else pixels
        profile = {"driver": "GTiff", "count": len(pixels), "dtype": pixels.dtype, "crs": crs}
        profile |= {"height": pixels.shape[1], "width": pixels.shape[2], "transform": Affine(*transform)}
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with rasterio.open(path, "w", **profile | options) as file:
            file.write(pixels)
        return path

    return write


@pytest.fixture(scope="session")
def epoch_us():
    def moment(text):
        return int(dt.datetime.fromisoformat(text).timestamp() * 1e6)

    return moment
