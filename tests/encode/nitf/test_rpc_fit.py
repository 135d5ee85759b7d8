"""Polynomials through a map: within a hundredth of a pixel, or none."""

import numpy as np
import pytest

from stacchip_osml.encode.nitf.rpc_fit import fitted_rpc00b
from stacchip_osml.encode.nitf.rpc_tre import rpc00b_tre
from stacchip_osml.geometry.locate import AffineLocator
from stacchip_osml.geometry.rpc import RpcLocator
from stacchip_osml.geometry.tre_models import rpc_model
from stacchip_osml.pixel import ImageSize

POLAR = "+proj=aeqd +lat_0={} +lon_0=0 +R=6378137 +units=m"
SIZE = ImageSize(1500, 1000)


def fitted(crs, left, top, pixel=150.0):
    locator = AffineLocator((pixel, 0.0, left, 0.0, -pixel, top), crs)
    width, height = SIZE
    lons, lats = locator([0.5, width - 0.5, width - 0.5, 0.5], [0.5, 0.5, height - 0.5, height - 0.5])
    return fitted_rpc00b(locator, SIZE, list(zip(lons.tolist(), lats.tolist(), strict=True))), locator


@pytest.mark.parametrize("pole", [90, -90])
@pytest.mark.parametrize(("left", "top"), [(400_000, 1_200_000), (-1_000_000, 600_000), (300_000, -500_000)])
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
        (POLAR.format(90), -100_000, 600_000),  # so is the other side of the antimeridian
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
