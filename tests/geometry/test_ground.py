"""Centres, ground sample distances and the Hilbert curve."""

from __future__ import annotations

import numpy as np
import pyproj
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stacchip_osml.errors import ItemError
from stacchip_osml.geometry import AffineLocator, centre, curve_place, effective_gsd, hilbert, locator_gsd
from stacchip_osml.geometry.ground import place_and_gsd
from stacchip_osml.pixel import ImageSize

SIZE = ImageSize(1000, 800)


def test_the_centre_is_that_of_the_middle_pixels_corner():
    assert centre(SIZE, AffineLocator((0.01, 0, 10, 0, -0.01, 50), "EPSG:4326")) == pytest.approx((15, 46))


def test_a_centre_outside_the_domain_is_refused():
    locate = AffineLocator((1e6, 0, 0, 0, -1e6, 0), "+proj=ortho +lat_0=0 +lon_0=0 +ellps=WGS84")

    with pytest.raises(ItemError, match=r"the middle of the image .1000 x 800. has no place"):
        centre(SIZE, locate)


@pytest.mark.parametrize(
    ("transform", "crs", "expected"),
    [
        ((10, 0, 300_000, 0, -10, 5_000_040), "EPSG:32633", 10),
        ((0, 10, 300_000, -10, 0, 5_000_040), "EPSG:32633", 10),
        ((6, 8, 300_000, 8, -6, 5_000_040), "EPSG:32633", 10),
        ((2, 0, 980_000, 0, -2, 200_000), "EPSG:2263", 2 * 1200 / 3937),
        ((463.3127, 0, -8895604, 0, -463.3127, 4447802), "+proj=sinu +R=6371007.181 +units=m", 463.3127),
    ],
)
@pytest.mark.parametrize("level", [0, 3])
def test_a_projection_that_tells_the_truth_is_taken_at_its_word(transform, crs, expected, level):
    assert effective_gsd(AffineLocator(transform, crs), SIZE, level) == pytest.approx(expected * 2**level, rel=1e-9)


@pytest.mark.parametrize(
    ("transform", "crs"),
    [
        ((1e-4, 0, 10, 0, -1e-4, 60), "EPSG:4326"),
        ((1e-4, 0, 10, 0, -2e-4, -30), "EPSG:4326"),
        ((10, 0, 1e6, 0, -10, 8.4e6), "EPSG:3857"),
    ],
)
def test_degrees_and_web_mercator_are_measured_on_the_ellipsoid(transform, crs):
    locate = AffineLocator(transform, crs)
    x, y = SIZE.width / 2, SIZE.height / 2
    geod = pyproj.Geod(ellps="WGS84")

    def step(dx: float, dy: float) -> float:
        lon, lat = locate([x - dx, x + dx], [y - dy, y + dy])
        return geod.line_length(lon, lat)

    expected = np.sqrt(step(0.5, 0) * step(0, 0.5))
    assert effective_gsd(locate, SIZE) == pytest.approx(expected, rel=1e-6)
    assert locator_gsd(locate, SIZE, 2) == pytest.approx(4 * expected, rel=1e-6)


def test_the_pixel_at_a_pole_has_its_size():
    transform = (500, 0, -250_000, 0, -500, 200_000)

    assert effective_gsd(AffineLocator(transform, "EPSG:3413"), SIZE) == pytest.approx(500)
    assert locator_gsd(AffineLocator(transform, "EPSG:3413"), SIZE) == pytest.approx(500 / 0.97, rel=5e-3)


def curve(order: int) -> list[tuple[int, int]]:
    """Draw the Hilbert curve by its own definition: four copies, the first and last turned."""
    if order == 0:
        return [(0, 0)]
    part, half = curve(order - 1), 1 << (order - 1)
    return [
        *((y, x) for x, y in part),
        *((x, y + half) for x, y in part),
        *((x + half, y + half) for x, y in part),
        *((2 * half - 1 - y, half - 1 - x) for x, y in part),
    ]


@pytest.mark.parametrize("order", [1, 2, 3, 6])
def test_the_index_follows_the_curve(order):
    cells = np.array(curve(order))
    lon, lat = (cells + 0.5).T / 2**order * [[360], [180]] - [[180], [90]]

    np.testing.assert_array_equal(hilbert(lon, lat, order), np.arange(4**order))
    assert (np.abs(np.diff(cells, axis=0)).sum(axis=1) == 1).all()


def test_the_whole_earth_has_an_index_and_coarse_ones_are_prefixes_of_fine_ones():
    lon, lat = np.meshgrid(np.linspace(-180, 180, 37), np.linspace(-90, 90, 19))
    fine = hilbert(lon, lat)

    assert fine.dtype == np.uint32
    assert fine.shape == lon.shape
    assert int(fine.max()) > 2**31  # the last bit is used
    np.testing.assert_array_equal(fine >> 16, hilbert(lon, lat, 8))
    assert hilbert(180.0, 90.0) == hilbert(179.9999, 89.9999)


@pytest.mark.parametrize("order", [0, 17])
def test_an_order_that_does_not_fit_the_index_is_refused(order):
    with pytest.raises(ValueError, match=f"order must be a whole number from 1 to 16, got {order}"):
        hilbert(0.0, 0.0, order)


@given(lon=st.floats(-180, 180), lat=st.floats(-90, 90))
def test_the_place_of_one_image_is_its_place_on_the_curve(lon, lat):
    class Somewhere:
        approximate = False

        def __call__(self, cols, rows):
            return np.array([lon]), np.array([lat])

    assert curve_place(ImageSize(10, 10), Somewhere()) == int(hilbert(lon, lat))


@pytest.mark.parametrize(
    "locate",
    [
        AffineLocator((10, 0, 300_000, 0, -10, 5_000_040), "EPSG:32633"),
        AffineLocator((6, 8, 300_000, 8, -6, 5_000_040), "EPSG:32633"),
        AffineLocator((500, 0, -100_000, 0, -500, 100_000), "EPSG:3413"),
        AffineLocator((1000, 0, 1_000_000, 0, -1000, 10_000_000), "EPSG:3857"),
        AffineLocator((0.01, 0, 10, 0, -0.01, 50), "EPSG:4326"),
        AffineLocator((0.01, 0, 178, 0, -0.01, 50), "EPSG:4326"),
        AffineLocator((10, 0, 830_000, 0, -10, 100_000), "EPSG:32660"),
        AffineLocator((463.3127, 0, -8895604, 0, -463.3127, 4447802), "+proj=sinu +R=6371007.181 +units=m"),
        AffineLocator((1e6, 0, 0, 0, -1e6, 0), "+proj=ortho +lat_0=0 +lon_0=0 +ellps=WGS84"),
    ],
)
def test_place_and_gsd_are_what_each_is_by_itself(locate):
    assert place_and_gsd(SIZE, locate) == (curve_place(SIZE, locate), effective_gsd(locate, SIZE))
