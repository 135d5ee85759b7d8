"""Footprints where the Earth ends: full disks, whole-Earth maps, and chips that are nowhere."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pyproj
import pytest
import shapely
import shapely.affinity

from stacchip_osml.errors import ItemError
from stacchip_osml.geometry import AffineLocator, Footprints, chip_footprints, image_outline
from stacchip_osml.pixel import ChipGrid, GridSpec, ImageSize, chip_grid

SINUSOIDAL = "+proj=sinu +lon_0=0 +x_0=0 +y_0=0 +R=6371007.181 +units=m +no_defs"


def polygons(footprints: Footprints) -> np.ndarray:
    ends = footprints.offsets
    return shapely.from_wkb([footprints.wkb[a:b].tobytes() or None for a, b in pairwise(ends)])


def centres(grid: ChipGrid, locate) -> np.ndarray:
    w = grid.windows()
    return shapely.points(*locate(w.col_off + w.width / 2, w.row_off + w.height / 2))


FULL_DISK = {
    "geostationary over the antimeridian": ("+proj=geos +h=35785863 +lon_0=140.7 +sweep=y +ellps=WGS84", 5_500_000),
    "geostationary": ("+proj=geos +h=35786023 +lon_0=-75 +sweep=x +ellps=GRS80", 5_500_000),
    "orthographic over a pole": ("+proj=ortho +lat_0=90 +lon_0=-30 +ellps=WGS84", 6_400_000),
    "orthographic, oblique": ("+proj=ortho +lat_0=50 +lon_0=170 +ellps=WGS84", 6_400_000),
    "Mollweide": ("+proj=moll +lon_0=0 +ellps=WGS84", 18_100_000),
    "sinusoidal": (SINUSOIDAL, 20_100_000),
}


@pytest.mark.parametrize("name", FULL_DISK)
@pytest.mark.parametrize("chip", [37, 100, 1000])
def test_chips_of_a_full_disk_have_a_footprint_exactly_where_their_middle_is_on_the_ground(name, chip):
    crs, reach = FULL_DISK[name]
    locate = AffineLocator((reach / 500, 0, -reach, 0, -reach / 500, reach), crs)
    grid = chip_grid(ImageSize(1000, 1000), GridSpec.of(chip, edges="partial"))
    footprints = chip_footprints(grid, locate)
    shapes, points = polygons(footprints), centres(grid, locate)
    on_ground = np.isfinite(shapely.get_coordinates(points)).all(axis=1)

    present = np.ones(len(grid), bool) if footprints.present is None else footprints.present
    np.testing.assert_array_equal(present, on_ground)
    np.testing.assert_array_equal(present, np.diff(footprints.offsets) > 0)
    np.testing.assert_array_equal(present, np.isfinite(footprints.bbox).all(axis=1))
    assert present.all() == (chip == 1000)
    assert shapely.is_valid(shapes[present]).all()
    seam = (np.abs(shapely.get_x(points)) == 180) | (shapely.get_y(points) > 90 - 1e-9)
    assert shapely.contains(shapes, points)[present & ~seam].all()
    assert shapely.intersects(shapes, points)[present].all()
    bounds = shapely.bounds(shapes[present])
    assert (footprints.bbox[present][:, :2] <= bounds[:, :2]).all()
    assert (footprints.bbox[present][:, 2:] >= bounds[:, 2:]).all()
    assert (np.abs(bounds) <= [180, 90, 180, 90]).all()


@pytest.mark.parametrize(
    "name", [name for name in FULL_DISK if "proj=geos" in FULL_DISK[name][0] or "proj=ortho" in FULL_DISK[name][0]]
)
def test_chips_of_a_full_disk_tile_it(name):
    crs, reach = FULL_DISK[name]
    locate = AffineLocator((reach / 500, 0, -reach, 0, -reach / 500, reach), crs)
    shapes = polygons(chip_footprints(chip_grid(ImageSize(1000, 1000), GridSpec.of(50)), locate))
    shapes = shapes[~shapely.is_missing(shapes)]
    outline = image_outline(ImageSize(1000, 1000), locate)
    union = shapely.union_all(shapes)

    assert outline.is_valid
    assert shapely.area(shapes).sum() == pytest.approx(union.area, rel=2e-3)  # no overlap
    assert union.difference(outline).area < 0.01 * outline.area
    assert outline.difference(union).area < 0.15 * outline.area  # chips at the limb with their middle beyond


def test_the_outline_of_a_full_disk_is_the_cap_that_the_satellite_sees():
    crs, reach = FULL_DISK["geostationary"]
    outline = image_outline(
        ImageSize(5000, 5000), AffineLocator((reach / 2500, 0, -reach, 0, -reach / 2500, reach), crs)
    )
    limb = math.degrees(math.acos(6378.137 / (35786.023 + 6378.137)))

    assert outline.bounds == pytest.approx((-75 - limb, -limb, -75 + limb, limb), abs=0.2)


@pytest.mark.parametrize(
    "name", [name for name in FULL_DISK if "proj=geos" in FULL_DISK[name][0] or "proj=ortho" in FULL_DISK[name][0]]
)
def test_the_outline_of_a_full_disk_ends_where_the_ground_does(name):
    crs, reach = FULL_DISK[name]
    locate = AffineLocator((reach / 50, 0, -reach, 0, -reach / 50, reach), crs)
    lon, lat = shapely.get_coordinates(image_outline(ImageSize(100, 100), locate)).T
    to = pyproj.Transformer.from_crs("OGC:CRS84", crs, always_xy=True)
    x, y = to.transform(*np.stack([lon, lat])[:, (np.abs(lon) < 180) & (np.abs(lat) < 90)])
    beyond, inside = (
        np.isfinite(locate(50 + x * f * 50 / reach, 50 - y * f * 50 / reach)[0]) for f in (1 + 1e-6, 1 - 1e-6)
    )

    assert x.size >= 32
    assert inside.all()
    assert not beyond.any()


@pytest.mark.parametrize("name", ["Mollweide", "sinusoidal"])
def test_the_whole_earth_on_one_map_is_the_whole_earth(name):
    crs, reach = FULL_DISK[name]
    outline = image_outline(ImageSize(100, 100), AffineLocator((reach / 50, 0, -reach, 0, -reach / 50, reach), crs))

    assert outline.is_valid
    assert outline.area == pytest.approx(360 * 180, rel=2e-2)


def test_grids_that_are_nowhere_on_the_ground_have_no_footprint_at_all():
    locate = AffineLocator((1000, 0, 6e6, 0, -1000, 6e6), FULL_DISK["geostationary"][0])
    footprints = chip_footprints(chip_grid(ImageSize(100, 100), GridSpec.of(10)), locate)

    assert not footprints.present.any()
    assert footprints.wkb.size == 0
    assert footprints.offsets.tolist() == [0] * 101
    with pytest.raises(ItemError, match=r"the middle of the image .100 x 100. has no place on the ground"):
        image_outline(ImageSize(100, 100), locate)


def test_a_chip_that_holds_both_poles_has_no_footprint():
    locate = AffineLocator((4e6, 0, -10e6, 0, -4e6, 20e6), "+proj=tmerc +lat_0=0 +lon_0=0 +ellps=WGS84")
    footprints = chip_footprints(chip_grid(ImageSize(5, 10), GridSpec.of((5, 10))), locate)

    assert footprints.present.tolist() == [False]


def test_an_image_that_holds_both_poles_is_refused_rather_than_turned_inside_out():
    locate = AffineLocator((4e6, 0, -10e6, 0, -4e6, 20e6), "+proj=tmerc +lat_0=0 +lon_0=0 +ellps=WGS84")

    with pytest.raises(ItemError, match="its edges do not tell which side of them it covers"):
        image_outline(ImageSize(5, 10), locate)
