"""Synthetic imagery: the same ground for every sensor, natural statistics, exact repetition."""

import zlib

import numpy as np
import pytest
from pyproj import Transformer

from stacchip_osml.pixel import ImageSize
from stacchip_osml.testing import SCENE_CLASSES, cloud_mask, natural_scene, north_up, scene_classes, swath_mask
from stacchip_osml.testing.noise import cell_noise, gradient_noise, hash_unit

ORIGIN = (500_000.0, 5_500_000.0)
QUIET = {"seed": 4, "noise": 0.0, "dtype": np.float64, "scale": 1.0}


@pytest.fixture(scope="module")
def scene():
    return natural_scene(ImageSize(300, 280), bands=("green", "red", "nir"), **QUIET)


def correlation(a, b):
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


def test_the_same_arguments_give_the_same_bytes_and_another_seed_gives_another_place():
    size = ImageSize(70, 50)
    first, again, other = (natural_scene(size, seed=seed) for seed in (3, 3, 5))

    assert first.shape == (4, 50, 70)
    assert first.dtype == np.uint16
    assert first.tobytes() == again.tobytes()
    assert abs(correlation(first[0], other[0])) < 0.5


def test_a_part_of_the_scene_equals_that_part_of_the_whole(scene):
    corner = (ORIGIN[0] + 40 * 10, ORIGIN[1] - 25 * 10)
    part = natural_scene(ImageSize(64, 48), bands=("green", "red", "nir"), ground=north_up(10, corner), **QUIET)

    np.testing.assert_array_equal(part, scene[:, 25 : 25 + 48, 40 : 40 + 64])


def test_a_finer_sensor_in_another_crs_sees_the_same_fields():
    to_scene = Transformer.from_crs("EPSG:3035", "EPSG:32632", always_xy=True)
    east, north = to_scene.transform(ORIGIN[0] + 900, ORIGIN[1] - 900, direction="INVERSE")

    def fine(col, row):
        return to_scene.transform(east + 2.5 * col, north - 2.5 * row)

    sharp = natural_scene(ImageSize(320, 320), bands=("red",), ground=fine, **QUIET)[0]
    x, y = fine(*np.meshgrid((np.arange(80) + 0.5) * 4, (np.arange(80) + 0.5) * 4))
    # Where the fine image's 4x4 blocks lie, in the 10 m image: nearest pixel.
    coarse = natural_scene(ImageSize(300, 280), bands=("red",), supersample=2, **QUIET)[0]
    row, col = ((ORIGIN[1] - y) / 10).astype(int), ((x - ORIGIN[0]) / 10).astype(int)

    blocks = sharp.reshape(80, 4, 80, 4).mean(axis=(1, 3))
    assert correlation(blocks, coarse[row, col]) > 0.95
    assert correlation(blocks, coarse[row + 9, col + 9]) < 0.6  # and not anywhere else


def test_pixels_look_like_sixteen_bit_imagery_to_a_compressor():
    pixels = natural_scene(ImageSize(512, 512), seed=0)
    packed = sum(
        len(zlib.compress(np.diff(tile, axis=1, prepend=np.zeros((256, 1), np.uint16)).tobytes(), 6))
        for band in pixels
        for tile in (band[r : r + 256, c : c + 256] for r in (0, 256) for c in (0, 256))
    )

    assert 1.45 < pixels.nbytes / packed < 1.75


def test_neighbours_are_alike_and_far_pixels_are_not(scene):
    band = scene[1]

    assert correlation(band[:, 1:], band[:, :-1]) > 0.7
    assert correlation(band[:, 120:], band[:, :-120]) < 0.5


def test_covers_have_their_spectra(scene):
    green, red, nir = scene
    classes = scene_classes(ImageSize(300, 280), seed=4)
    share = {code: float((classes == code).mean()) for code in np.unique(classes)}

    assert set(share) == {4, 5, 6}
    assert min(share.values()) > 0.01
    assert np.median(nir[classes == 6]) < 0.03 < np.median(green[classes == 6])
    assert np.median(nir[classes == 4] / red[classes == 4]) > 3
    assert np.median(nir[classes == 5] / red[classes == 5]) < 2.6


def test_crops_change_with_the_season_and_water_does_not(scene):
    autumn = natural_scene(ImageSize(300, 280), bands=("green", "red", "nir"), day=290, **QUIET)
    water = scene_classes(ImageSize(300, 280), seed=4) == 6

    np.testing.assert_array_equal(autumn[:, water], scene[:, water])
    assert correlation(autumn[2][~water], scene[2][~water]) < 0.9


def test_zero_is_never_a_measurement_and_integers_are_clipped_to_their_range():
    dark = natural_scene(ImageSize(64, 64), seed=4, dtype=np.uint8, scale=0.5)
    bright = natural_scene(ImageSize(64, 64), seed=4, dtype=np.uint8, scale=1e-6)

    assert dark.min() == 1
    assert bright.min() == bright.max() == 255


def test_an_unknown_band_is_refused_by_name():
    with pytest.raises(ValueError, match="got thermal"):
        natural_scene(ImageSize(4, 4), bands=("red", "thermal"))


def test_clouds_are_bright_cast_shadows_and_are_where_the_classes_say():
    size, ground = ImageSize(160, 160), north_up(40, ORIGIN)
    clouds = cloud_mask(size, seed=31, cover=0.25, ground=ground)
    clear = natural_scene(size, bands=("red",), ground=ground, **QUIET)[0]
    cloudy = natural_scene(size, bands=("red",), ground=ground, clouds=clouds, **QUIET)[0]
    classes = scene_classes(size, seed=4, ground=ground, clouds=clouds)

    assert set(np.unique(classes)) <= set(SCENE_CLASSES)
    assert cloudy[classes == 9].min() > 0.3 > np.median(clear[classes == 9])
    shaded = (classes == 3) & (clouds.thickness == 0)
    assert shaded.any()
    assert (cloudy[shaded] < 0.8 * clear[shaded]).all()
    untouched = (clouds.thickness == 0) & (clouds.shadow == 0)
    np.testing.assert_array_equal(cloudy[untouched], clear[untouched])


@pytest.mark.parametrize("cover", [0.0, 0.1, 0.4])
def test_cloud_cover_is_what_was_asked_for_over_a_wide_area(cover):
    clouds = cloud_mask(ImageSize(200, 200), seed=2, cover=cover, ground=north_up(600, ORIGIN))

    assert (clouds.thickness > 0).mean() == pytest.approx(cover, abs=0.05)


def test_thin_cirrus_brightens_without_hiding():
    size, ground = ImageSize(120, 120), north_up(100, ORIGIN)
    clouds = cloud_mask(size, seed=13, cover=0.0, cirrus=0.5, ground=ground)

    assert clouds.cirrus.max() <= 0.3
    assert {10} <= set(np.unique(scene_classes(size, seed=4, ground=ground, clouds=clouds)))


def test_the_swath_edge_is_a_slanted_line_through_its_point():
    size = ImageSize(100, 200)
    seen = swath_mask(size, edge=(ORIGIN[0] + 500, ORIGIN[1] - 1000), heading=12)
    widths = seen.sum(axis=1)

    assert widths[100] == pytest.approx(50, abs=1)
    assert (np.diff(widths) <= 0).all()
    assert (widths[0] - widths[-1]) / 199 == pytest.approx(np.tan(np.deg2rad(12)), rel=0.03)
    assert (scene_classes(size, valid=seen)[~seen] == 0).all()


def test_noise_is_a_function_of_place_only():
    rng = np.random.default_rng(0)
    x, y = rng.uniform(-1e6, 1e6, (2, 500))
    order = rng.permutation(500)

    np.testing.assert_array_equal(gradient_noise(x, y, 7)[order], gradient_noise(x[order], y[order], 7))
    name, border = cell_noise(x, y, size=300, seed=1)
    again = cell_noise(x[order], y[order], size=300, seed=1)
    np.testing.assert_array_equal(name[order], again[0])
    np.testing.assert_array_equal(border[order], again[1])


def test_hashes_are_spread_evenly_also_at_negative_positions():
    col, row = np.meshgrid(np.arange(-150, 150), np.arange(-150, 150))
    values = hash_unit(col, row, 3)
    counts, _ = np.histogram(values, bins=50, range=(0, 1))

    assert values.min() >= 0
    assert values.max() < 1
    assert counts == pytest.approx(90_000 / 50, rel=0.12)
    assert abs(correlation(values[:, 1:], values[:, :-1])) < 0.02
