"""Items as catalogs of many makers have them: rows in the right place, or an error that names item and field."""

import copy

import pytest
import shapely

from stacchip_osml import Indexer
from stacchip_osml.errors import AssetMissing, ItemError
from tests.stac_items import plain_item

SENSOR = {"proj:code": None, "proj:shape": [48, 64], "proj:transform": [1, 0, 0, 0, 1, 0]}
BEYOND = 10**400
"""A whole number that JSON can spell and no float can hold."""


def sensor_item(geometry, bbox=None):
    """An image that only its item's geometry places."""
    document = plain_item({"a": "https://host.example/a.tif"}) | {"geometry": geometry}
    document["properties"] |= SENSOR
    return document if bbox is None else document | {"bbox": bbox}


def polygon(*ring):
    return {"type": "Polygon", "coordinates": [[list(place) for place in (*ring, ring[0])]]}


PARTS = {"type": "MultiPolygon", "coordinates": [
    polygon((179, 0), (180, 0), (180, 1), (179, 1))["coordinates"],
    polygon((-180, 0), (-179, 0), (-179, 1), (-180, 1))["coordinates"],
]}  # fmt: skip


@pytest.mark.parametrize(
    ("geometry", "bbox"),
    [
        (PARTS, [179, 0, -179, 1]),
        (polygon((179, 0), (181, 0), (181, 1), (179, 1)), None),
        (polygon((-181, 0), (-179, 0), (-179, 1), (-181, 1)), [-181, 0, -179, 1]),
        (polygon((179, 0), (-179, 0), (-179, 1), (179, 1)), [179, 0, -179, 1]),
        (polygon((179, 0, 5), (181, 0, 5), (181, 1, 5), (179, 1, 5)), [179, 0, 5, -179, 1, 6]),
    ],
)
def test_an_item_over_the_antimeridian_lies_on_both_sides_of_it(geometry, bbox):
    index = Indexer(sensor_item(geometry, bbox), 16).create_index()
    found = shapely.from_wkb(index.to_arrow()["geometry"][0].as_py())

    assert found.symmetric_difference(shapely.geometry.shape(PARTS)).area < 1e-9
    assert len(index.query(bbox=(-179.9, 0.2, -179.5, 0.4))) == len(index.query(bbox=(179.5, 0.2, 179.9, 0.4))) == 12


def test_a_wide_item_that_does_not_cross_stays_as_it_is():
    wide = polygon((-170, 0), (170, 0), (170, 1), (-170, 1))
    index = Indexer(sensor_item(wide, [-170, 0, 170, 1]), 16).create_index()

    assert shapely.from_wkb(index.to_arrow()["geometry"][0].as_py()).equals(shapely.geometry.shape(wide))


@pytest.mark.parametrize(
    "geometry",
    [
        polygon((45, 170), (46, 170), (46, 171), (45, 171)),
        polygon((600000, 5000000), (600640, 5000000), (600640, 5000480), (600000, 5000480)),
    ],
)
def test_a_geometry_that_is_not_in_degrees_is_refused(geometry):
    with pytest.raises(ItemError, match=r"item 'S': geometry is not in degrees of longitude and latitude"):
        Indexer(sensor_item(geometry), 16).create_index()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda item: item | {"bbox": [BEYOND, 0, 1, 1]}, "bbox must be"),
        (lambda item: item | {"geometry": polygon((BEYOND, 0), (1, 0), (1, 1))}, "geometry is not GeoJSON"),
        (lambda item: with_asset(item, **{"raster:bands": [{"scale": BEYOND}]}), "scale of a band must be"),
        (lambda item: with_asset(item, **{"raster:bands": [{"nodata": BEYOND}]}), "nodata must be"),
        (lambda item: with_asset(item, **{"bands": [{}], "raster:bands": True}), "raster:bands must be a list"),
        (
            lambda item: with_asset(
                item, **{"proj:code": "EPSG:32632", "proj:transform": None, "proj:bbox": [0, 0, 640, 1e308]}
            ),
            "proj:bbox .* lies too far off",
        ),
    ],
)
def test_values_that_nothing_can_hold_are_refused_by_their_names(change, message):
    document = change(sensor_item(None))
    document["properties"].pop("proj:transform") if "bbox .*" in message else None
    with pytest.raises(ItemError, match=f"item 'S': .*{message}"):
        Indexer(document, 16).create_index()


def with_asset(item, **fields):
    changed = copy.deepcopy(item)
    changed["assets"]["a"] |= fields
    return changed


def test_a_place_that_no_float_holds_is_kept_with_its_item(write_tiff):
    import numpy as np

    document = plain_item({"a": write_tiff("a.tif", np.ones((48, 64), np.uint16))})
    document["geometry"] = polygon((BEYOND, 0), (1, 0), (1, 1))
    index = Indexer(document, 16).create_index()

    assert index.items_table().num_rows == 1
    assert index.items["c", "S"]["geometry"] == document["geometry"]


def test_a_missing_file_is_named_with_its_item_and_asset(tmp_path):
    with pytest.raises(AssetMissing, match=r"item 'S': asset 'a': .*gone\.tif: no such file"):
        Indexer(plain_item({"a": tmp_path / "gone.tif"}), 16).create_index()


def test_an_asset_of_another_resolution_is_not_on_the_grid_of_its_items_box():
    """The item states size and box of its 10 m bands; the other band says only that it is of 20 m."""
    document = plain_item({"fine": "https://host.example/f.tif", "coarse": "https://host.example/c.tif"})
    document["properties"] |= {"proj:code": "EPSG:32632", "proj:shape": [48, 64], "proj:bbox": [0, 0, 640, 480]}
    document["assets"]["coarse"]["raster:bands"] = [{"spatial_resolution": 20}]

    assert len(Indexer(document, 16, assets=["fine"], read_headers=False).create_index()) == 12
    with pytest.raises(ItemError, match=r"reading headers is off: coarse \(no proj:shape and no proj:transform\)"):
        Indexer(document, 16, read_headers=False).create_index()


@pytest.mark.parametrize(
    ("media_type", "counts"),
    [
        *((kind, True) for kind in ("image/x.geotiff", "image/vnd.stac.geotiff; cloud-optimized=true", "image/cog")),
        *((kind, True) for kind in ("application/geotiff", "image/x-tiff", "image/geo+tiff", "image/jpeg-2000")),
        *((kind, True) for kind in ("image/ntf", "application/vnd.nitf", "image/x-jp2", "IMAGE/TIFF")),
        *((kind, False) for kind in ("application/json", "application/x-hdf5", "text/tiff", "image/svg")),
        *((kind, False) for kind in ("application/vnd.google-earth.kml+xml", "image/tiffany", "application/cogent")),
    ],
)
def test_images_are_known_however_their_media_type_is_spelled(media_type, counts):
    document = sensor_item(None)
    document["assets"]["a"]["type"] = media_type
    index = Indexer(document, 16, on_error="skip").create_index()

    assert (len(index) == 12) is counts
    assert counts or "no asset is an image" in str(index.problems[0])
