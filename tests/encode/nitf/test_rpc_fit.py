"""Polynomials through a map: within a hundredth of a pixel, or none."""

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio import warp
from rasterio.io import MemoryFile
from rasterio.transform import RPCTransformer

from stacchip_osml.encode import ChipFactory
from stacchip_osml.encode.nitf import read_nitf
from stacchip_osml.encode.nitf.rpc_fit import fitted_rpc00b
from stacchip_osml.encode.nitf.rpc_tre import rpc00b_tre
from stacchip_osml.geometry import load_sensor_model
from stacchip_osml.geometry.locate import AffineLocator
from stacchip_osml.geometry.rpc import RpcLocator
from stacchip_osml.geometry.tre_models import rpc_model
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.pixel import ImageSize

POLAR = "+proj=aeqd +lat_0={} +lon_0=0 +R=6378137 +units=m"
SIZE = ImageSize(1500, 1000)


def write(path, shape, crs, transform):
    profile = {"driver": "GTiff", "count": shape[0], "height": shape[1], "width": shape[2], "dtype": "uint8"}
    with rasterio.open(path, "w", **profile, crs=crs, transform=transform) as file:
        file.write(np.random.default_rng(1).integers(1, 250, shape, dtype=np.uint8))
    return str(path)


def fitted(crs, left, top, pixel=150.0):
    locator = AffineLocator((pixel, 0.0, left, 0.0, -pixel, top), crs)
    width, height = SIZE
    lons, lats = locator([0.5, width - 0.5, width - 0.5, 0.5], [0.5, 0.5, height - 0.5, height - 0.5])
    return fitted_rpc00b(locator, SIZE, list(zip(lons.tolist(), lats.tolist(), strict=True))), locator


@pytest.mark.parametrize("pole", [90, -90])
@pytest.mark.parametrize(
    ("left", "top"),
    [(400_000, 1_200_000), (-1_000_000, 600_000), (300_000, -500_000), (-100_000, 600_000)],  # one across 180 degrees
)
def test_maps_about_a_pole_are_followed(pole, left, top):
    tre, locator = fitted(POLAR.format(pole), left, top)
    rng = np.random.default_rng(3)
    cols, rows = rng.uniform(0, SIZE.width, 500), rng.uniform(0, SIZE.height, 500)

    found = rpc_model("RPC00B", tre.data).world_to_image(*locator(cols, rows))

    np.testing.assert_allclose(found, (cols, rows), atol=0.01)


@pytest.mark.parametrize(
    ("crs", "left", "top"),
    [
        (POLAR.format(90), -100_000, 100_000),  # the pole is in it
        (POLAR.format(90), 50_000, 100_000),  # too near
        ("+proj=ortho +lat_0=0 +lon_0=0 +R=6378137", 7_000_000, 0),  # nowhere on the Earth
    ],
)
def test_what_is_not_followed_is_not_written(crs, left, top):
    assert fitted(crs, left, top)[0] is None


@pytest.mark.parametrize(
    ("offset", "corners"),
    [
        (180.0, (-179.96, -179.92)),
        (-179.98, (179.94, 179.98)),
        (180.0, (179.96, -179.96)),
        (-179.98, (179.99, -179.93)),
        (179.95, (179.98, -179.98)),
        (179.95, (180.0, -179.96)),
    ],
)
def test_a_chip_beyond_the_antimeridian_or_parted_by_it_lies_where_it_does_in_its_image(offset, corners):
    up, right, one = "0 0 1 " + "0 " * 17, "0 1 " + "0 " * 18, "1 " + "0 " * 19
    values = {"LINE_OFF": "100", "LINE_SCALE": "100", "SAMP_OFF": "100", "SAMP_SCALE": "100", "LAT_OFF": "40"}
    values |= {
        "LAT_SCALE": "0.1",
        "LONG_OFF": str(offset),
        "LONG_SCALE": "0.1",
        "HEIGHT_OFF": "0",
        "HEIGHT_SCALE": "500",
    }
    values |= {"LINE_NUM_COEFF": up, "LINE_DEN_COEFF": one, "SAMP_NUM_COEFF": right, "SAMP_DEN_COEFF": one}
    (west, east), (south, north) = corners, (39.98, 40.02)
    ground = [(west, north), (east, north), (east, south), (west, south)]

    tre = rpc00b_tre(values.items(), window=(0.0, 0.0, 400.0, 400.0), size=ImageSize(400, 400), corners=ground)
    assert abs(float(tre.data[34:43])) <= 180  # LONG_OFF, after SUCCESS, two errors, LINE_OFF, SAMP_OFF and LAT_OFF

    cols = 100 + 1000 * np.remainder(np.array(corners) - offset + 180, 360) - 180_000
    lon, lat = rpc_model(tre.tag, tre.data, notes=())(cols, [85.0, 115.0])
    expected = RpcLocator(tuple(values.items()))(cols, [85.0, 115.0])
    np.testing.assert_allclose(expected[0], corners, rtol=0, atol=1e-3)
    np.testing.assert_allclose((lon, lat), expected, rtol=0, atol=1e-6)


MAPS = [
    ("EPSG:2154", Affine(0.5, 0, 700_000, 0, -0.5, 6_600_000)),
    ("EPSG:26918", Affine(1, 0, 400_000, 0, -1, 4_300_000)),
    ("EPSG:3857", Affine(10, 0, 1_000_000, 0, -10, 5_000_000)),
    ("EPSG:3857", Affine(30, 0, 20_033_000, 0, -30, 5_000_000)),  # beyond the antimeridian
    ("EPSG:32733", Affine(8, 6, 500_000, 6, -8, 8_000_000)),  # askew, and south of the equator
    ("EPSG:32731", Affine(0.3125, 0, 500_000.15625, 0, -0.3125, 4_000_000.5)),
    ("EPSG:3031", Affine(30, 0, 500_000, 0, -30, 900_000)),
    ("EPSG:3413", Affine(100, 0, -32_000, 0, -100, 900_000)),
    ("EPSG:32661", Affine(30, 0, 2_100_000, 0, -30, 2_500_000)),
]


@pytest.mark.parametrize("size", [(200, 150), (80, 60)])
@pytest.mark.parametrize(("crs", "transform"), MAPS)
def test_gdal_finds_the_places_of_a_map_in_a_chip_by_its_polynomials(tmp_path, crs, transform, size):
    path = write(tmp_path / "map.tif", (1, 480, 640), crs, transform)
    window = 101, 63, 200, 150
    data = ChipFactory(BlockImage(path), output_format="nitf").create_chip(window, size)

    assert [tre.tag for tre in read_nitf(data).images[0].tres] == ["BLOCKA", "RPC00B"]
    cols, rows = (grid.ravel() for grid in np.meshgrid(np.linspace(0, size[0], 6), np.linspace(0, size[1], 6)))
    at = transform * Affine.translation(*window[:2]) * Affine.scale(window[2] / size[0], window[3] / size[1])
    lons, lats = warp.transform(crs, "OGC:CRS84", *(each.tolist() for each in at * (cols, rows)))
    with MemoryFile(data) as memory, memory.open() as file, RPCTransformer(file.rpcs) as polynomials:
        found = polynomials.rowcol(lons, lats, zs=[0.0] * len(lons), op=lambda value: value)
    np.testing.assert_allclose(found, (rows, cols), rtol=0, atol=0.01)


def test_a_chip_of_such_a_chip_lies_where_it_does_on_the_map(tmp_path):
    crs, transform = MAPS[0]
    first = tmp_path / "first.ntf"
    image = BlockImage(write(tmp_path / "map.tif", (1, 480, 640), crs, transform))
    first.write_bytes(ChipFactory(image, output_format="nitf").create_chip((100, 60, 400, 300), (200, 150)))
    second = ChipFactory(BlockImage(str(first)), output_format="nitf").create_chip((20, 30, 100, 80), (50, 40))

    model = load_sensor_model(read_nitf(second))
    lon, lat, _ = model.image_to_world([0.0, 50.0, 25.0], [0.0, 40.0, 10.0])
    x, y = warp.transform("OGC:CRS84", crs, lon.tolist(), lat.tolist())
    cols, rows = ~transform * (np.array(x), np.array(y))
    np.testing.assert_allclose((cols, rows), ([140, 340, 240], [120, 280, 160]), rtol=0, atol=0.02)


def test_over_a_pole_corners_are_all_that_is_said(tmp_path):
    path = write(tmp_path / "pole.tif", (1, 480, 640), "EPSG:3031", Affine(30, 0, -9600, 0, -30, 7200))
    data = ChipFactory(BlockImage(path), output_format="nitf").create_chip((0, 0, 640, 480))

    assert [tre.tag for tre in read_nitf(data).images[0].tres] == ["BLOCKA"]
