"""Footprints against per-chip loops of pyproj and shapely, and the laws that hold for every CRS."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pyproj
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from stacchip_osml.errors import ItemError
from stacchip_osml.geometry import AffineLocator, Footprints, bounds_of, chip_footprints, image_outline
from stacchip_osml.pixel import ChipGrid, GridSpec, ImageSize, chip_grid

SINUSOIDAL = "+proj=sinu +lon_0=0 +x_0=0 +y_0=0 +R=6371007.181 +units=m +no_defs"
ROTATION = (8.0, 3.0, 500_000.0, 3.5, -9.0, 5_200_000.0)

# name: transform, CRS, image size, chip
CASES: dict[str, tuple[tuple[float, ...], str, tuple[int, int], int]] = {
    "UTM north": ((10, 0, 300_000, 0, -10, 5_000_040), "EPSG:32633", (5000, 4000), 512),
    "UTM south": ((10, 0, 600_000, 0, -10, 6_200_000), "EPSG:32733", (3000, 3000), 512),
    "web Mercator": ((4.8, 0, 1e6, 0, -4.8, 8e6), "EPSG:3857", (4096, 4096), 512),
    "state plane, US feet": ((2, 0, 980_000, 0, -2, 200_000), "EPSG:2263", (4000, 4000), 512),
    "polar stereographic north, pole inside": ((500, 0, -500_300, 0, -500, 600_700), "EPSG:3413", (2048, 2048), 256),
    "polar stereographic south, pole inside": ((500, 0, -500_300, 0, -500, 600_700), "EPSG:3031", (2048, 2048), 256),
    "polar stereographic, pole at a chip corner": ((1000, 0, -512e3, 0, -1000, 512e3), "EPSG:3413", (1024, 1024), 256),
    "polar stereographic, pole on a chip edge": ((1000, 0, -512e3, 0, -1000, 400e3), "EPSG:3031", (1024, 1024), 256),
    "polar stereographic, pole in a chip's middle": ((1e3, 0, -384e3, 0, -1e3, 384e3), "EPSG:3413", (768, 768), 256),
    "UTM 60 over the antimeridian": ((30, 0, 600_000, 0, -30, 7_000_000), "EPSG:32660", (9000, 3000), 256),
    "UTM 1 over the antimeridian": ((30, 0, 200_000, 0, -30, 9_000_000), "EPSG:32701", (9000, 3000), 256),
    "degrees over 180": ((0.001, 0, 178.9, 0, -0.001, 10), "EPSG:4326", (2100, 1000), 256),
    "degrees from 0 to 360": ((0.25, 0, 0, 0, -0.25, 90), "EPSG:4326", (1440, 720), 120),
    "degrees, the whole Earth in one chip": ((0.5, 0, -180, 0, -0.5, 90), "OGC:CRS84", (720, 360), 720),
    "degrees of another datum": ((0.25, 0, -180, 0, -0.25, 90), "EPSG:4269", (1440, 720), 180),
    "MODIS sinusoidal": ((463.3127, 0, -8895604.157, 0, -463.3127, 4447802.079), SINUSOIDAL, (2400, 2400), 240),
    "rotated": (ROTATION, "EPSG:32632", (3000, 2000), 300),
    "sheared": ((10, 4, 300_000, 0, -10, 5_000_040), "EPSG:32633", (3000, 2000), 300),
    "south-up": ((10, 0, 300_000, 0, 10, 5_000_040), "EPSG:32633", (3000, 2000), 300),
    "west-left": ((-10, 0, 600_000, 0, -10, 5_000_040), "EPSG:32633", (3000, 2000), 300),
    "row and column swapped": ((0, 10, 300_000, -10, 0, 5_000_040), "EPSG:32633", (3000, 2000), 300),
    "whole Earth in web Mercator": (
        (156543.03392804097, 0, -20037508.342789244, 0, -156543.03392804097, 20037508.342789244),
        "EPSG:3857",
        (256, 256),
        64,
    ),
}


def polygons(footprints: Footprints) -> np.ndarray:
    ends = footprints.offsets
    return shapely.from_wkb([footprints.wkb[a:b].tobytes() for a, b in zip(ends[:-1], ends[1:], strict=True)])


def make(name: str, *, edges: str = "partial", level: int = 0) -> tuple[ChipGrid, AffineLocator]:
    transform, crs, size, chip = CASES[name]
    return chip_grid(ImageSize(*size), GridSpec.of(chip, edges=edges), level=level), AffineLocator(transform, crs)


def centres(grid: ChipGrid, locate) -> np.ndarray:
    w = grid.windows()
    return shapely.points(*locate(w.col_off + w.width / 2, w.row_off + w.height / 2))


@pytest.mark.parametrize("name", CASES)
def test_every_chip_holds_its_centre_in_a_valid_counter_clockwise_polygon(name):
    grid, locate = make(name)
    footprints = chip_footprints(grid, locate)
    shapes = polygons(footprints)

    assert len(footprints) == len(grid)
    assert shapely.is_valid(shapes).all()
    points = centres(grid, locate)
    seam = (np.abs(shapely.get_x(points)) == 180) | (np.abs(shapely.get_y(points)) > 90 - 1e-9)
    assert shapely.contains(shapes, points)[~seam].all()
    assert shapely.intersects(shapes, points).all()
    assert shapely.is_ccw(shapely.get_exterior_ring(shapely.get_parts(shapes))).all()
    bounds = shapely.bounds(shapes)
    assert (bounds[:, 0] >= -180).all()
    assert (bounds[:, 2] <= 180).all()
    assert (np.abs(bounds[:, [1, 3]]) <= 90).all()
    assert (footprints.bbox[:, :2] <= bounds[:, :2]).all()
    assert (footprints.bbox[:, 2:] >= bounds[:, 2:]).all()
    np.testing.assert_allclose(footprints.bbox, bounds, rtol=1.2e-7, atol=1e-30)
