"""Footprints against per-chip loops of pyproj and shapely, and the laws that hold for every CRS."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pyproj
import pytest
import shapely
import shapely.affinity
from hypothesis import given, settings
from hypothesis import strategies as st

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
    "UTM 60 over the antimeridian": ((30, 0, 600_000, 0, -30, 7_000_000), "EPSG:32660", (9000, 2000), 300),
    "UTM 1 over the antimeridian": ((30, 0, 200_000, 0, -30, 9_000_000), "EPSG:32701", (9000, 2000), 300),
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
    return shapely.from_wkb([footprints.wkb[a:b].tobytes() or None for a, b in pairwise(ends)])


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


def ring_by_loop(locate, window, segments: int) -> list[tuple[float, float]]:
    """Compute one ring vertex by vertex, in plain Python, longitudes unrolled."""
    x0, y0, w, h = window
    path = [(x0, y0 + h * i / segments) for i in range(segments)]
    path += [(x0 + w * i / segments, y0 + h) for i in range(segments)]
    path += [(x0 + w, y0 + h - h * i / segments) for i in range(segments)]
    path += [(x0 + w - w * i / segments, y0) for i in range(segments)]
    a, b, c, d, e, f = locate.transform
    to = pyproj.Transformer.from_crs(locate.crs, "OGC:CRS84", always_xy=True)
    ring = []
    for col, row in path:
        lon, lat = to.transform(a * col + b * row + c, d * col + e * row + f)
        while ring and lon - ring[-1][0] > 180:
            lon -= 360
        while ring and lon - ring[-1][0] < -180:
            lon += 360
        ring.append((lon, lat))
    return [*ring, ring[0]]


def cut_by_shapely(ring):
    """Cut an unrolled ring at ±180 with boxes, the long way."""
    polygon = shapely.Polygon(ring)
    parts = [
        shapely.affinity.translate(polygon.intersection(shapely.box(-180 + turn, -90, 180 + turn, 90)), -turn)
        for turn in (-360, 0, 360)
    ]
    return shapely.union_all([part for part in parts if part.area > 0])


WITHOUT_POLE = [name for name in CASES if "pole" not in name and "whole" not in name]


@pytest.mark.parametrize("name", WITHOUT_POLE)
@pytest.mark.parametrize("edges", ["partial", "drop", "shift"])
def test_every_footprint_equals_one_computed_point_by_point(name, edges):
    grid, locate = make(name, edges=edges)
    footprints = chip_footprints(grid, locate)
    w = grid.windows()
    shapes = polygons(footprints)
    cut = shapely.get_num_geometries(shapes) > 1
    for i in np.flatnonzero(cut | (np.arange(len(shapes)) % 7 == 0)):
        shape = shapes[i]
        window = (w.col_off[i], w.row_off[i], w.width[i], w.height[i])
        expected = cut_by_shapely(ring_by_loop(locate, [int(v) for v in window], footprints.segments))

        np.testing.assert_allclose(shape.bounds, expected.bounds, atol=1e-8)
        assert shape.symmetric_difference(expected).area <= 1e-8 * shape.length
        assert shapely.hausdorff_distance(shape.boundary, expected.boundary) < 1e-8


def test_a_plain_chip_is_one_closed_ring_from_its_upper_left_corner():
    locate = AffineLocator((0.5, 0, 10, 0, -0.25, 40), "EPSG:4326")
    footprints = chip_footprints(chip_grid(ImageSize(4, 4), GridSpec.of(4)), locate)

    assert polygons(footprints)[0].wkt == "POLYGON ((10 40, 10 39, 12 39, 12 40, 10 40))"
    assert footprints.wkb.tobytes() == shapely.to_wkb(polygons(footprints)[0], byte_order=1)
    assert footprints.offsets.tolist() == [0, 93]
    assert footprints.offsets.dtype == np.int32
    assert footprints.bbox.tolist() == [[10, 39, 12, 40]]


def test_a_mirrored_chip_starts_at_the_same_corner_and_is_counter_clockwise():
    locate = AffineLocator((0.5, 0, 10, 0, 0.25, 40), "EPSG:4326")
    footprints = chip_footprints(chip_grid(ImageSize(4, 4), GridSpec.of(4)), locate)

    assert polygons(footprints)[0].wkt == "POLYGON ((10 40, 12 40, 12 41, 10 41, 10 40))"


def test_a_grid_without_chips_has_no_footprints():
    grid = chip_grid(ImageSize(10, 10), GridSpec.of(256))
    footprints = chip_footprints(grid, AffineLocator((1, 0, 0, 0, -1, 0), "EPSG:32633"))

    assert len(footprints) == 0
    assert footprints.offsets.tolist() == [0]
    assert footprints.bbox.shape == (0, 4)


@pytest.mark.parametrize(
    ("left", "expected"),
    [
        (178.0, ["POLYGON ((178 1, 178 0, 179 0, 179 1, 178 1))", "POLYGON ((179 1, 179 0, 180 0, 180 1, 179 1))"]),
        (-180.0, ["POLYGON ((-180 1, -180 0, -179 0, -179 1, -180 1))"]),
        (180.0, ["POLYGON ((-180 1, -180 0, -179 0, -179 1, -180 1))"]),
        (539.0, ["POLYGON ((179 1, 179 0, 180 0, 180 1, 179 1))"]),
    ],
)
def test_chips_that_touch_the_antimeridian_are_not_cut(left, expected):
    locate = AffineLocator((0.25, 0, left, 0, -0.25, 1), "EPSG:4326")
    grid = chip_grid(ImageSize(4 * len(expected), 4), GridSpec.of(4))

    assert [shape.wkt for shape in polygons(chip_footprints(grid, locate))] == expected


def test_a_chip_over_the_antimeridian_becomes_two_parts():
    locate = AffineLocator((0.25, 0, 179.5, 0, -0.25, 1), "EPSG:4326")
    footprints = chip_footprints(chip_grid(ImageSize(4, 4), GridSpec.of(4)), locate)
    (shape,) = polygons(footprints)

    assert shape.equals(shapely.MultiPolygon([shapely.box(179.5, 0, 180, 1), shapely.box(-180, 0, -179.5, 1)]))
    assert footprints.bbox.tolist() == [[-180, 0, 180, 1]]
    assert bounds_of(shape) == (179.5, 0, -179.5, 1)


def test_chips_over_the_antimeridian_share_the_bytes_of_the_others_around_them():
    grid, locate = make("UTM 60 over the antimeridian")
    footprints = chip_footprints(grid, locate)
    kinds = np.array([shape.geom_type for shape in polygons(footprints)])

    assert set(kinds) == {"Polygon", "MultiPolygon"}
    assert footprints.offsets[-1] == footprints.wkb.size
    across = (np.diff(footprints.bbox[:, ::2], axis=1) == 360).ravel()
    np.testing.assert_array_equal(across, kinds == "MultiPolygon")


@pytest.mark.parametrize(("crs", "pole"), [("EPSG:3413", 90.0), ("EPSG:3031", -90.0)])
def test_the_chip_with_the_pole_reaches_it_and_its_area_is_the_projected_one(crs, pole):
    locate = AffineLocator((1000, 0, -128e3, 0, -1000, 100e3), crs)
    (shape,) = polygons(chip_footprints(chip_grid(ImageSize(256, 256), GridSpec.of(256)), locate))

    assert shape.is_valid
    assert shape.bounds[0::2] == (-180, 180)
    assert pole in shape.bounds
    assert shape.covers(shapely.points([-180, -90, 0, 45, 180], pole)).all()
    back = shapely.transform(shapely.segmentize(shape, 0.1), pyproj.Proj(crs), interleaved=False)
    assert back.buffer(0).area == pytest.approx(256e3**2, rel=1e-3)


def test_four_chips_round_a_pole_meet_there_without_gap_or_overlap():
    grid, locate = make("polar stereographic, pole at a chip corner")
    shapes = polygons(chip_footprints(grid, locate))
    w = grid.windows()
    middle = shapes[(abs(w.col_off + 128 - 512) < 256) & (abs(w.row_off + 128 - 512) < 256)]

    assert len(middle) == 4
    assert shapely.union_all(middle).area == pytest.approx(shapely.area(middle).sum(), rel=1e-9)
    assert shapely.box(-180, 89, 180, 90).difference(shapely.union_all(middle)).area < 1e-9


@settings(max_examples=40, deadline=None)
@given(
    crs=st.sampled_from(["EPSG:32633", "EPSG:32733", "EPSG:3413", "EPSG:3031", "EPSG:32660", "EPSG:4326", "EPSG:6933"]),
    angle=st.floats(0, 6.28),
    shear=st.floats(-0.6, 0.6),
    flip=st.sampled_from([1, -1]),
    middle=st.tuples(st.floats(-1, 1), st.floats(-1, 1)),
    chip=st.integers(3, 60),
    edges=st.sampled_from(["drop", "partial", "pad", "shift"]),
    level=st.integers(0, 2),
)
def test_centres_are_inside_whatever_the_transform(crs, angle, shear, flip, middle, chip, edges, level):
    cos, sin = math.cos(angle), math.sin(angle)
    pixel = 0.01 if crs == "EPSG:4326" else 500.0
    x, y = {"EPSG:4326": (180, 60), "EPSG:6933": (17e6, 6e6), "EPSG:3413": (1e5, 1e5), "EPSG:3031": (1e5, 1e5)}.get(
        crs, (3e5, 3e6)
    )
    x0 = middle[0] * x + (500_000 if crs.startswith("EPSG:32") else 0)
    y0 = middle[1] * y + (5e6 if crs.startswith("EPSG:32") else 0)
    transform = (
        pixel * cos,
        pixel * (shear * cos - flip * sin),
        x0,
        pixel * sin,
        pixel * (shear * sin + flip * cos),
        y0,
    )
    locate = AffineLocator(transform, crs)
    grid = chip_grid(ImageSize(200, 130), GridSpec.of(chip, edges=edges), level=level)
    if not len(grid):
        return
    footprints = chip_footprints(grid, locate)
    shapes, points = polygons(footprints), centres(grid, locate)

    assert shapely.is_valid(shapes).all()
    seam = np.abs(np.abs(shapely.get_x(points)) - 180) < 1e-9
    assert shapely.contains(shapes, points)[~seam].all()
    assert shapely.is_ccw(shapely.get_exterior_ring(shapely.get_parts(shapes))).all()
    bounds = shapely.bounds(shapes)
    assert (footprints.bbox[:, :2] <= bounds[:, :2]).all()
    assert (footprints.bbox[:, 2:] >= bounds[:, 2:]).all()


@pytest.mark.parametrize("name", ["UTM north", "rotated", "MODIS sinusoidal", "state plane, US feet", "web Mercator"])
@pytest.mark.parametrize("level", [0, 2])
def test_straight_edges_stay_within_a_tenth_of_a_pixel_of_the_true_ones(name, level):
    grid, locate = make(name, level=level)
    footprints = chip_footprints(grid, locate)
    w = grid.windows()
    a, b, _, d, e, _ = locate.transform
    pixel = min(math.hypot(a, d), math.hypot(b, e)) * 2**level
    pixel *= 1.3 if "sinu" in locate.crs else 1.0  # it shears: its distances are not those on the ground
    back = pyproj.Transformer.from_crs("OGC:CRS84", locate.crs, always_xy=True)
    for i, shape in enumerate(polygons(footprints)):
        dense = shapely.transform(shapely.segmentize(shape, shape.length / 400), back.transform, interleaved=False)
        x, y = (np.array([0, 0, 1, 1]) * w.width[i] + w.col_off[i], np.array([0, 1, 1, 0]) * w.height[i] + w.row_off[i])
        true = shapely.Polygon(np.column_stack(locate.project(x, y)))
        assert shapely.hausdorff_distance(dense.boundary, true.boundary) < 0.1 * pixel + 0.012


def test_small_chips_need_no_vertices_on_their_edges_and_large_ones_do():
    locate = AffineLocator((10, 0, 300_000, 0, -10, 7_000_000), "EPSG:32633")
    size = ImageSize(10_980, 10_980)

    assert chip_footprints(chip_grid(size, GridSpec.of(128)), locate).segments == 1
    assert chip_footprints(chip_grid(size, GridSpec.of(2560)), locate).segments > 4


def test_degrees_that_go_on_beyond_a_pole_end_at_it():
    locate = AffineLocator((1, 0, -180, 0, -1, 90), "EPSG:4326")
    footprints = chip_footprints(chip_grid(ImageSize(360, 180), GridSpec.of(100, edges="pad")), locate)

    assert shapely.is_valid(polygons(footprints)).all()
    assert footprints.bbox[:, 1].min() == -90
    assert footprints.bbox[:, 3].max() == 90


def test_a_chip_beyond_the_pole_has_no_footprint():
    locate = AffineLocator((1, 0, -180, 0, -1, 140), "EPSG:4326")
    footprints = chip_footprints(chip_grid(ImageSize(100, 150), GridSpec.of(50)), locate)

    assert footprints.present.tolist() == [False, False, True, True, True, True]
    assert np.diff(footprints.offsets).tolist() == [0, 0, 93, 93, 93, 93]
    assert np.isnan(footprints.bbox[:2]).all()
    assert footprints.bbox[2].tolist() == [-180, 40, -130, 90]


def test_grids_worked_on_in_blocks_give_the_same_as_in_one(monkeypatch):
    for name in ("UTM 1 over the antimeridian", "polar stereographic north, pole inside"):
        grid, locate = make(name)
        whole = chip_footprints(grid, locate)
        for block in (3, 50):
            monkeypatch.setattr("stacchip_osml.geometry.footprint._BLOCK", block)
            pieces = chip_footprints(grid, locate)
            np.testing.assert_array_equal(pieces.offsets, whole.offsets)
            ours, theirs = polygons(pieces), polygons(whole)
            assert shapely.equals_exact(ours, theirs, tolerance=1e-9).all()
            np.testing.assert_allclose(pieces.bbox, whole.bbox, rtol=2e-7)
        monkeypatch.undo()


def test_the_outline_of_an_image_is_the_union_of_its_chips():
    for name in ("UTM north", "UTM 60 over the antimeridian", "polar stereographic south, pole inside", "sheared"):
        grid, locate = make(name)
        outline = image_outline(ImageSize(*CASES[name][2]), locate)
        union = shapely.union_all(shapely.buffer(polygons(chip_footprints(grid, locate)), 1e-7))

        assert outline.is_valid
        assert outline.symmetric_difference(union).area < 2e-3 * outline.area


def test_the_outline_of_the_whole_earth_is_the_whole_earth():
    locate = AffineLocator((0.5, 0, -180, 0, -0.5, 90), "EPSG:4326")
    outline = image_outline(ImageSize(720, 360), locate)

    assert outline.equals(shapely.box(-180, -90, 180, 90))
    assert bounds_of(outline) == (-180, -90, 180, 90)


@pytest.mark.parametrize("left", [0.0, -30.0, -180.25])
def test_the_outline_of_a_whole_turn_is_one_polygon_wherever_it_begins(left):
    outline = image_outline(ImageSize(720, 200), AffineLocator((0.501, 0, left, 0, -0.5, 90), "EPSG:4326"))

    assert outline.is_valid
    assert outline.equals(shapely.box(-180, -10, 180, 90))


@pytest.mark.parametrize("chip", [50, 25, 10])
def test_mercator_nearly_to_the_poles_and_nearly_round_the_earth_keeps_its_width(chip):
    locate = AffineLocator((801_492.645, 0, -20037508.342789244, 0, -1059634.016, 26491625.38), "EPSG:3857")
    shapes = polygons(chip_footprints(chip_grid(ImageSize(50, 50), GridSpec.of(chip)), locate))

    outline = image_outline(ImageSize(50, 50), locate)
    assert outline.bounds == pytest.approx((-180, -88.2, 179.9965, 88.2), abs=1e-3)
    assert shapely.area(shapes).sum() == pytest.approx(360 * 176.4, rel=1e-3)


def test_bounds_are_planar_where_nothing_crosses_the_antimeridian():
    assert bounds_of(shapely.box(1, 2, 3, 4)) == (1, 2, 3, 4)
    assert bounds_of(shapely.MultiPolygon([shapely.box(-180, 0, -170, 1), shapely.box(20, 0, 30, 1)])) == (
        -180,
        0,
        30,
        1,
    )


@pytest.mark.parametrize("left", [0.0, -30.0, -180.0, -180.25, 170.0, 180.0])
@pytest.mark.parametrize("side", [400, 720, 721, 1000, 2000])
def test_chips_of_a_whole_turn_and_of_more_are_valid_wherever_they_begin(left, side):
    locate = AffineLocator((0.5, 0, left, 0, -0.5, 90), "EPSG:4326")
    footprints = chip_footprints(chip_grid(ImageSize(720, 360), GridSpec.of(side, edges="pad")), locate)
    shapes = polygons(footprints)

    assert shapely.is_valid(shapes).all()
    if side >= 720:
        assert shapes[0].equals(shapely.box(-180, -90, 180, 90))
        assert footprints.bbox[0].tolist() == [-180, -90, 180, 90]
    else:
        assert shapely.area(shapes).tolist() == [200 * 180, 200 * 180]


@pytest.mark.parametrize("top", [2e7, 3e7])
@pytest.mark.parametrize("side", [400, 512, 700])
def test_padded_chips_of_more_than_all_of_mercator_do_not_cross_themselves(top, side):
    locate = AffineLocator((1e5, 0, -2e7, 0, -1e5, top), "EPSG:3857")
    shapes = polygons(chip_footprints(chip_grid(ImageSize(400, 400), GridSpec.of(side, edges="pad")), locate))

    assert shapely.is_valid(shapes).all()
    assert shapes[0].bounds[::2] == (pytest.approx(-180, abs=0.4), pytest.approx(180, abs=0.4))
