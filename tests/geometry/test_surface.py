"""Bounds and fits of surfaces against the exact locator."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stacchip_osml.geometry import AffineLocator
from stacchip_osml.geometry.rings import choose_segments
from stacchip_osml.geometry.surface import TOLERANCE, fit_surface
from stacchip_osml.pixel import GridSpec, ImageSize, chip_grid

SIDE = 4000
PLACES = {
    "EPSG:32633": ((10, 0, 480_000, 0, -10, 5_000_040), (3e5, 4e6)),
    "EPSG:3857": ((10, 0, 1e6, 0, -10, 8e6), (1e7, 6e6)),
    "EPSG:3413": ((25, 0, -5e5, 0, -25, -1.5e6), (3e5, 3e5)),
    "EPSG:3577": ((25, 0, 0, 0, -25, -4e6), (1e6, 1e6)),
}


@pytest.mark.parametrize("crs", PLACES)
def test_a_surface_is_the_locator_to_within_its_tolerance(crs):
    locate = AffineLocator(PLACES[crs][0], crs)
    surface = fit_surface(locate, (0, 0, SIDE, SIDE))
    cols, rows = np.random.default_rng(5).uniform(0, SIDE, (2, 60))
    lon, lat = surface.evaluate(cols, rows)
    across, down = np.meshgrid(cols, rows)

    assert surface.continuous
    np.testing.assert_allclose([lon, lat], locate(across, down), rtol=0, atol=1.5 * TOLERANCE)


@settings(max_examples=60)
@given(
    crs=st.sampled_from(sorted(PLACES)),
    shift=st.tuples(st.floats(-1, 1), st.floats(-1, 1)),
    chip=st.integers(40, 2000),
    turn=st.floats(0, 6.28),
    flip=st.sampled_from([1, -1]),
    level=st.integers(0, 2),
)
def test_what_bounds_tell_is_what_looking_tells(crs, shift, chip, turn, flip, level):
    (a, _, c, _, _, f), (across, down) = PLACES[crs]
    cos, sin = a * np.cos(turn), a * np.sin(turn)
    transform = (cos, flip * sin, c + shift[0] * across, sin, -flip * cos, f + shift[1] * down)
    grid = chip_grid(ImageSize(SIDE, SIDE), GridSpec.of(chip, edges="partial"), level=level)
    surface = fit_surface(AffineLocator(transform, crs), (0, 0, SIDE, SIDE))
    seen = choose_segments(replace(surface, bends=None), grid, None)

    assert choose_segments(surface, grid, None) == seen


@given(crs=st.sampled_from(sorted(PLACES)), x=st.floats(0, SIDE - 2), y=st.floats(0, SIDE - 2))
def test_no_derivative_exceeds_its_bound(crs, x, y):
    surface = fit_surface(AffineLocator(PLACES[crs][0], crs), (0, 0, SIDE, SIDE))
    bends, step = surface.bends(), 50.0
    x, y = min(max(x, step), SIDE - step), min(max(y, step), SIDE - step)
    values = surface.evaluate(x + np.array([-step, 0, step]), y + np.array([-step, 0, step]))
    for coordinate, value in enumerate(values):
        for direction, line in enumerate((value[1], value[:, 1])):
            mean, away = bends.slopes[coordinate][direction]
            assert abs((line[2] - line[0]) / (2 * step) - mean) <= away * (1 + 1e-9) + 1e-12
            assert abs(line[2] - 2 * line[1] + line[0]) / step**2 <= bends.curves[coordinate][direction] + 1e-14
    assert abs(values[1][1, 1] - bends.latitude[0]) <= bends.latitude[1] + 1e-12


def test_the_edges_of_a_satellite_tile_need_no_looking():
    surface = fit_surface(AffineLocator((10, 0, 499_980, 0, -10, 5_300_040), "EPSG:32632"), (0, 0, 10_980, 10_980))
    unseen = replace(surface, evaluate=lambda cols, rows: pytest.fail("looked"))

    assert choose_segments(unseen, chip_grid(ImageSize(10_980, 10_980), GridSpec.of(256)), None) == (1, False)
