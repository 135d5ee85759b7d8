"""Whole images on maps that no TRE names: NITF files of them have the polynomials that chips have."""

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio import warp
from rasterio.transform import RPCTransformer

from stacchip_osml.encode import imsave
from stacchip_osml.encode.io.converting import convert
from stacchip_osml.encode.nitf import read_nitf
from stacchip_osml.geometry import load_sensor_model

SHAPE = 480, 640
MAPS = [
    ("EPSG:2154", Affine(0.5, 0, 700_000, 0, -0.5, 6_600_000)),
    ("EPSG:31467", Affine(1, 0, 3_500_000, 0, -1, 5_400_000)),  # another datum
    ("EPSG:3857", Affine(10, 0, 1_000_000, 0, -10, 5_000_000)),
    ("EPSG:3857", Affine(30, 0, 20_033_000, 0, -30, 5_000_000)),  # beyond the antimeridian
    ("EPSG:32733", Affine(8, 6, 500_000, 6, -8, 8_000_000)),  # askew, and south of the equator
    ("EPSG:4326", Affine(1e-4, 2e-5, 10.0, 2e-5, -1e-4, 50.0)),  # askew in degrees
    ("EPSG:3413", Affine(100, 0, -32_000, 0, -100, 900_000)),
]


def tags(path):
    return [tre.tag for tre in read_nitf(path).images[0].tres]


@pytest.mark.parametrize(("crs", "transform"), MAPS)
@pytest.mark.parametrize("is_converted", [False, True])
def test_a_whole_image_lies_on_its_map_by_polynomials(tmp_path, crs, transform, is_converted):
    path = tmp_path / "whole.ntf"
    pixels = np.random.default_rng(1).integers(1, 250, SHAPE, dtype=np.uint8)
    first = tmp_path / "map.tif" if is_converted else path
    imsave(first, pixels, crs=crs, transform=transform)
    if is_converted:
        convert(first, path)

    assert tags(path) == ["BLOCKA", "RPC00B"]
    cols, rows = (grid.ravel() for grid in np.meshgrid(np.linspace(0, 640, 7), np.linspace(0, 480, 7)))
    lons, lats = warp.transform(crs, "OGC:CRS84", *(each.tolist() for each in transform * (cols, rows)))
    with rasterio.open(path) as file, RPCTransformer(file.rpcs) as polynomials:
        found = polynomials.rowcol(lons, lats, zs=[0.0] * len(lons), op=lambda value: value)
    np.testing.assert_allclose(found, (rows, cols), rtol=0, atol=0.01)
    model = load_sensor_model(str(path))
    assert model.kind == "RPC00B"
    np.testing.assert_allclose(model.world_to_image(lons, lats)[:2], (cols, rows), rtol=0, atol=0.01)


def test_maps_that_a_tre_names_and_those_that_no_polynomials_follow_have_none(tmp_path):
    pixels = np.ones(SHAPE, np.uint8)
    imsave(tmp_path / "utm.ntf", pixels, crs="EPSG:32633", transform=Affine(10, 0, 500_000, 0, -10, 5_000_000))
    assert tags(tmp_path / "utm.ntf") == ["MAPLOB"]
    imsave(tmp_path / "pole.ntf", pixels, crs="EPSG:3031", transform=Affine(30, 0, -9600, 0, -30, 7200))
    assert tags(tmp_path / "pole.ntf") == ["BLOCKA"]
    corners = [(10.0, 50.0), (11.0, 50.1), (11.2, 49.0), (10.1, 49.2)]  # no parallelogram, and so no map
    imsave(tmp_path / "points.ntf", pixels, corners=corners)
    assert tags(tmp_path / "points.ntf") == ["BLOCKA"]
