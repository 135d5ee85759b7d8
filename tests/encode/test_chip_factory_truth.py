"""Chips show what their transform says: positions to a hundredth of a pixel, on every level, in files and arrays."""

import numpy as np
import pytest
from factory_scenes import NORTH_UP, TURNED, in_memory, noise, opened, pyramid, ramp, write
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.control import GroundControlPoint as RasterioPoint
from rasterio.transform import Affine, GCPTransformer

from stacchip_osml.encode import ChipFactory
from stacchip_osml.geometry import AffineLocator
from stacchip_osml.imagery import TiledImagePyramid, build_pyramid_levels
from stacchip_osml.imagery.resampling.resamplers import area_resample

CLOSE = 0.01
"""Pixels of the image."""
MARGIN = 17
"""SIPS levels curve a ramp at the image's edges: so many pixels of level 0 for two levels."""

sides = st.floats(6, 150, allow_subnormal=False)


def positions(transform, shape, place=NORTH_UP):
    """Say where pixel centres lie in the image, by the chip's transform and the image's."""
    rows, cols = np.mgrid[: shape[1], : shape[2]] + 0.5
    return (~place @ transform) * (cols, rows)


def off(pixels, transform, place=NORTH_UP):
    x, y = positions(transform, pixels.shape, place)
    return max(abs(pixels[0] - x).max(), abs(pixels[1] - y).max())


def a_window(draw, width, height, margin):
    wide, high = draw(sides), draw(sides)
    x = draw(st.floats(margin, width - margin - wide, allow_subnormal=False))
    y = draw(st.floats(margin, height - margin - high, allow_subnormal=False))
    return (x, y, wide, high), (draw(st.integers(2, 90)), draw(st.integers(2, 90)))


LEVELS = {
    "file": lambda path: pyramid(path, ramp(256, 224), overviews=[2, 4]),
    "turned file": lambda path: pyramid(path, ramp(256, 224), overviews=[2, 4], transform=TURNED),
    "sips": lambda _: TiledImagePyramid(build_pyramid_levels(in_memory(ramp(256, 224)), 60)),
    "sips, odd sides": lambda _: TiledImagePyramid(build_pyramid_levels(in_memory(ramp(255, 223)), 60)),
    "area": lambda _: TiledImagePyramid(
        build_pyramid_levels(in_memory(ramp(256, 224)), 60, resample_func=area_resample)
    ),
}


@pytest.fixture(scope="module", params=sorted(LEVELS))
def ramps(request, tmp_path_factory):
    return LEVELS[request.param](tmp_path_factory.mktemp("ramps") / "a.tif"), request.param


def test_there_are_levels_to_choose_from(ramps):
    assert ramps[0].num_levels == 3


@settings(max_examples=60)
@given(data=st.data())
def test_a_ramp_says_where_each_pixel_is(ramps, data):
    source, name = ramps
    place = TURNED if name == "turned file" else NORTH_UP
    window, size = a_window(data.draw, 255, 223, MARGIN)
    given_place = None if "file" in name else AffineLocator(tuple(NORTH_UP)[:6], "EPSG:32632")
    factory = ChipFactory(source, given_place, "geotiff")

    chip = factory.read_chip(window, size)
    written, mask, facts = opened(factory.create_chip(window, size))

    assert mask.all()
    assert off(chip.pixels, chip.transform, place) < CLOSE
    assert off(written, facts["transform"], place) < CLOSE
    assert (facts["width"], facts["height"]) == size
    corner = ~place @ facts["transform"] * (0, 0)
    np.testing.assert_allclose(corner, window[:2], atol=1e-6)


@settings(max_examples=30)
@given(data=st.data())
@pytest.mark.parametrize("method", ["nearest", "lanczos"])
def test_other_resamplings_stand_where_they_should(data, method):
    window, size = a_window(data.draw, 255, 223, MARGIN)
    factory = ChipFactory(in_memory(ramp(256, 224)), AffineLocator(tuple(NORTH_UP)[:6], "EPSG:32632"), "geotiff",
                          resampling=method)  # fmt: skip

    chip = factory.read_chip(window, size)

    step = max(window[2] / size[0], window[3] / size[1], 1)
    assert off(chip.pixels, chip.transform) < (0.51 if method == "nearest" else 0.02 * step)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float64", "complex64"])
def test_whole_windows_are_copied_bit_for_bit(tmp_path, dtype):
    scene = noise(dtype=dtype)
    for source in (in_memory(scene), write(tmp_path / "a.tif", scene)):
        factory = ChipFactory(source, output_format="geotiff")
        for window in ((0, 0, 120, 90), (31, 7, 50, 40), (119, 89, 1, 1)):
            x, y, width, height = window
            expected = scene[:, y : y + height, x : x + width]
            np.testing.assert_array_equal(factory.read_chip(window).pixels, expected)
            np.testing.assert_array_equal(opened(factory.create_chip(window))[0], expected)


@settings(max_examples=40)
@given(data=st.data())
def test_chips_of_a_chip_are_chips_of_the_image(data):
    image = ChipFactory(in_memory(ramp(128, 128)), output_format="png")
    x, y = (data.draw(st.integers(0, 40)) for _ in range(2))
    chip = image.read_chip((x, y, 80, 80))
    again = ChipFactory(in_memory(chip.pixels, block=24), output_format="png")
    # Where a chip pixel is larger than the image's, it needs none outside its window.
    wide, high = (data.draw(st.floats(10, 60)) for _ in range(2))
    size = data.draw(st.integers(2, 9)), data.draw(st.integers(2, 9))
    left, top = data.draw(st.floats(1, 79 - wide)), data.draw(st.floats(1, 79 - high))

    one, two = again.read_chip((left, top, wide, high), size), image.read_chip((x + left, y + top, wide, high), size)

    np.testing.assert_array_equal(one.mask, two.mask)
    np.testing.assert_allclose(one.pixels, two.pixels, atol=1e-4)
    whole = again.read_chip((7, 9, 30, 20)).pixels
    np.testing.assert_array_equal(whole, image.read_chip((x + 7, y + 9, 30, 20)).pixels)


@pytest.mark.parametrize("crs", ["EPSG:32632", "EPSG:4326", "EPSG:3857", "ESRI:54009"])
@pytest.mark.parametrize("transform", [NORTH_UP, TURNED, Affine(10, 0, 5, 0, 10, 7)])
def test_geotiff_chips_of_a_geotiff_keep_crs_and_transform_exactly(tmp_path, crs, transform):
    image = write(tmp_path / "a.tif", noise(), crs=crs, transform=transform)
    factory = ChipFactory(TiledImagePyramid.from_asset(image), output_format="gtiff")

    whole, part, half = (
        opened(factory.create_chip(*asked))[2]
        for asked in [((0, 0, 120, 90),), ((13, 8, 64, 64),), ((0, 0, 120, 90), (60, 45))]
    )

    with_rasterio = opened((tmp_path / "a.tif").read_bytes())[2]
    assert whole["crs"] == part["crs"] == with_rasterio["crs"]
    assert whole["transform"] == transform
    assert part["transform"] == transform @ Affine.translation(13, 8)
    assert half["transform"] == transform @ Affine.scale(2)


def test_levels_and_adapters_keep_the_place(tmp_path):
    from stacchip_osml.imagery import CachedImageProvider, MappedImageProvider, RetiledImageProvider

    image = write(tmp_path / "a.tif", noise(), nodata=0)
    small = build_pyramid_levels(image, 30, resample_func=area_resample)[1]
    for source, scale in (
        (CachedImageProvider(image), 1),
        (RetiledImageProvider(image, 50, 40), 1),
        (MappedImageProvider(image, np.sqrt, pixel_value_type="float32"), 1),
        (small, 2),
    ):
        chip = ChipFactory(source, output_format="geotiff").read_chip((5, 6, 20, 20))
        assert chip.crs == "EPSG:32632"
        assert chip.transform == NORTH_UP @ Affine.scale(scale) @ Affine.translation(5, 6)


class Bowl:
    """A sensor model that no affine is."""

    approximate = True

    def __init__(self, bend):
        self.bend = bend

    def __call__(self, cols, rows):
        cols, rows = np.asarray(cols, float), np.asarray(rows, float)
        return 179.999 + 1e-5 * cols + self.bend * rows**2, 40 - 1e-5 * rows + self.bend * cols**2


def test_chips_of_a_sensor_model_have_a_crs_and_a_transform_where_that_is_right():
    flat = ChipFactory(in_memory(noise()), Bowl(1e-10), "geotiff")

    facts = opened(flat.create_chip((20, 30, 40, 40), (20, 20)))[2]

    assert facts["crs"] == "EPSG:4326"
    for col, row in ((0, 0), (20, 0), (7, 13), (20, 20)):
        lon, lat = Bowl(1e-10)(20 + 2 * col, 30 + 2 * row)
        back = ~facts["transform"] * (lon, lat)
        np.testing.assert_allclose(back, (col, row), atol=0.02)
    assert flat.read_chip((20, 30, 40, 40)).transform is None


def test_where_no_transform_is_right_tie_points_are_written():
    bent = ChipFactory(in_memory(noise()), Bowl(2e-8), "geotiff")

    facts = opened(bent.create_chip((0, 0, 120, 90)))[2]

    points, crs = facts["gcps"]
    assert crs == "EPSG:4326"
    assert len(points) == 49
    for point in points:
        assert isinstance(point, RasterioPoint)
        lon, lat = Bowl(2e-8)(point.col, point.row)
        np.testing.assert_allclose((point.x, point.y), (lon, lat), rtol=1e-12)
    with GCPTransformer(points) as transformer:
        lon, lat = Bowl(2e-8)(60, 45)
        np.testing.assert_allclose(transformer.rowcol(lon, lat, op=float), (45, 60), atol=0.5)


def test_control_points_of_a_file_are_its_sensor_model(tmp_path):
    points = [RasterioPoint(row, col, 9 + col / 1e4, 40 - row / 1e4) for row in (0, 90) for col in (0, 120)]
    image = write(tmp_path / "a.tif", noise(), gcps=(points, "EPSG:4326"))
    factory = ChipFactory(image, output_format="geotiff")

    facts = opened(factory.create_chip((30, 40, 10, 10)))[2]

    assert factory.read_chip((0, 0, 10, 10)).transform is None
    assert facts["crs"] == "EPSG:4326"
    np.testing.assert_allclose(facts["transform"] * (5, 5), (9.0035, 39.9955), atol=1e-9)
