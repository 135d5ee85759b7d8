"""The step that remaps complex pixels: native ones, and two real bands with roles."""

import numpy as np
import pytest

from stacchip_osml.chain import (
    REMAPS,
    BandedPixels,
    apply_chain,
    chain_id,
    complex_remap_step,
    predict,
    quarter_power_remap,
    rescale_step,
)
from stacchip_osml.errors import ChainError


def iq(shape=(8, 9), seed=0):
    random = np.random.default_rng(seed)
    return random.integers(-3000, 3000, (2, *shape)).astype(np.int16)


@pytest.mark.parametrize("name", sorted(REMAPS))
def test_the_step_is_the_remap_of_that_name(name):
    pair = iq()
    native = (pair[0] + 1j * pair[1]).astype(np.complex64)[None]
    found = apply_chain((complex_remap_step(name),), BandedPixels.of(native)).pixels

    np.testing.assert_array_equal(found, REMAPS[name](native))
    as_pair = apply_chain((complex_remap_step(name, roles=["real", "imaginary"]),), BandedPixels.of(pair)).pixels
    np.testing.assert_allclose(as_pair, found, rtol=1e-5)
    assert as_pair.shape == (1, 8, 9)


def test_each_complex_band_is_remapped_by_itself():
    native = np.stack([iq(seed=seed)[0] + 1j * iq(seed=seed)[1] for seed in (1, 2, 3)]).astype(np.complex64)
    found = apply_chain((complex_remap_step(),), BandedPixels.of(native)).pixels

    assert found.shape == (3, 8, 9)
    np.testing.assert_array_equal(found[1:2], quarter_power_remap(native[1:2]))


def test_indices_of_amplitudes_need_their_table():
    table = np.linspace(0, 5, 256).astype(np.float32)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 4, 5)).astype(np.uint8)
    step = complex_remap_step("magnitude", roles=["amplitude_index", "phase"], amplitude_table=table)

    np.testing.assert_allclose(
        apply_chain((step,), BandedPixels.of(pixels)).pixels[0], table[pixels[0]], rtol=1e-5, atol=1e-6
    )
    with pytest.raises(ChainError, match=r"."):
        complex_remap_step(roles=["amplitude_index", "phase"])
    with pytest.raises(ChainError, match="belongs to the role amplitude_index"):
        complex_remap_step(amplitude_table=table)


def test_a_masked_index_outside_the_table_is_no_error_and_no_pixel():
    step = complex_remap_step("magnitude", roles=["amplitude_index", "phase"], amplitude_table=[1, 2, 3])
    pixels = np.array([[[0, 9]], [[0, 0]]], np.uint8)
    mask = np.array([[[True, False]], [[True, True]]])
    done = apply_chain((step,), BandedPixels.of(pixels, mask))

    assert done.pixels[0, 0, 0] == 1
    assert done.mask.ravel().tolist() == [True, False]
    assert np.isnan(done.pixels[0, 0, 1])


def test_what_is_not_finite_is_not_valid_and_counts_in_no_mean():
    pixels = np.array([[[3 + 4j, 6 + 8j, np.nan, np.inf]]], np.complex64)
    done = apply_chain((complex_remap_step("density"),), BandedPixels.of(pixels))

    assert done.mask.ravel().tolist() == [True, True, False, False]
    np.testing.assert_array_equal(
        done.pixels[..., :2], apply_chain((complex_remap_step("density"),), BandedPixels.of(pixels[..., :2])).pixels
    )


def test_numbers_of_the_whole_image_make_parts_equal_the_whole():
    native = (iq((32, 32))[0] + 1j * iq((32, 32))[1]).astype(np.complex64)[None]
    chain = (complex_remap_step("density", data_mean=float(np.abs(native).mean())), rescale_step(low=0, high=255))
    whole = apply_chain(chain, BandedPixels.of(native)).pixels

    np.testing.assert_array_equal(apply_chain(chain, BandedPixels.of(native[:, :9, 5:20])).pixels, whole[:, :9, 5:20])
    assert str(predict(chain, native)) == "1 band of uint8"


def test_parameters_are_written_out_in_the_id():
    assert complex_remap_step("density")["parameters"] == {"data_mean": None, "dmin": 30, "mmult": 40}
    assert chain_id((complex_remap_step("density", dmin=30.0),)) == chain_id((complex_remap_step("density"),))
    assert chain_id((complex_remap_step("density", dmin=31),)) != chain_id((complex_remap_step("density"),))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"remap": "sharp"}, "a remap is one of .*quarter_power.*; got 'sharp'"),
        ({"remap": "magnitude", "dmin": 3}, "the remap 'magnitude' has no parameter 'dmin'; it has none"),
        ({"remap": "density", "dmin": 300}, "dmin"),
        ({"remap": "density", "dmin": "x"}, "expected a number, got 'x'"),
        ({"roles": ["real"]}, "expected the roles of two bands"),
        ({"roles": ["real", "phase"]}, r"."),
    ],
)
def test_impossible_remaps_are_refused_when_they_are_defined(given, message):
    with pytest.raises(ChainError, match=message):
        complex_remap_step(**given)


def test_pixels_without_a_complex_meaning_are_refused():
    with pytest.raises(ChainError, match="needs complex pixels, or the roles of two real bands; got 2 bands of int16"):
        predict((complex_remap_step(),), (2, "int16"))
    with pytest.raises(ChainError, match="has roles for two real bands, got 3 bands of int16"):
        predict((complex_remap_step(roles=["real", "imaginary"]),), (3, "int16"))
