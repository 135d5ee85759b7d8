"""Complex pixels to I/Q, power and decibels; remaps against numbers worked out by hand."""

import math

import numpy as np
import pytest

from stacchip_osml.chain.complex import (
    ROLE_AMPLITUDE_INDEX,
    ROLE_IMAGINARY,
    ROLE_MAGNITUDE,
    ROLE_PHASE,
    ROLE_REAL,
    complex_to_power,
    decode_to_iq,
    power_to_decibels,
)
from stacchip_osml.chain.complex_remaps import (
    REMAPS,
    WHOLE_IMAGE,
    density_remap,
    linear_remap,
    log_remap,
    magnitude_remap,
    nrl_remap,
    pedf_remap,
    quarter_power_remap,
)
from stacchip_osml.errors import ChainError

AMPLITUDES = {
    "density": {"data_mean": 12.5},
    "pedf": {"data_mean": 12.5},
    "nrl": {"minimum": 2, "changeover": 12, "maximum": 1002},
    "linear": {"minimum": 10, "maximum": 110},
    "log": {"minimum": 1, "maximum": 100},
}


def amplitudes(*values, dtype=np.float32):
    """Real and imaginary part of given lengths: 3-4-5 triangles, so that neither part is 0."""
    lengths = np.array([values], np.float64)
    return np.stack([0.6 * lengths, -0.8 * lengths]).astype(dtype)


def scene(seed=0, shape=(40, 50)):
    random = np.random.default_rng(seed)
    return (random.normal(0, 30, (2, *shape)) * random.exponential(1, shape)).astype(np.float32)


# ---- decoding


def test_native_complex_pixels_come_apart_in_both_shapes():
    pixels = np.array([[1 + 2j, -3 - 4j]], np.complex128)

    expected = [[[1, -3]], [[2, -4]]]
    for data in (pixels, pixels[None], pixels.astype(np.complex64)):
        found = decode_to_iq(data)
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "int32", "float32", "float64"])
def test_two_bands_are_real_and_imaginary_part_in_the_order_said(dtype):
    data = np.array([[[1, 2]], [[3, 4]]], dtype)

    np.testing.assert_array_equal(decode_to_iq(data), data)
    np.testing.assert_array_equal(decode_to_iq(data, [ROLE_IMAGINARY, ROLE_REAL]), data[::-1])
    assert not np.shares_memory(decode_to_iq(data), data)


@pytest.mark.parametrize(
    ("dtype", "quarter"), [("uint8", 64), ("uint16", 1 << 14), (">u2", 1 << 14), (">i2", 1 << 14), ("uint32", 1 << 30)]
)
def test_integer_phase_is_a_share_of_a_full_turn(dtype, quarter):
    data = np.array([[[5, 5, 5, 5]], [[0, quarter, 2 * quarter, 3 * quarter]]]).astype(dtype)

    found = decode_to_iq(data, [ROLE_MAGNITUDE, ROLE_PHASE])

    np.testing.assert_allclose(found, [[[5, 0, -5, 0]], [[0, 5, 0, -5]]], atol=1e-6)


def test_signed_phase_is_the_same_angle_backwards():
    data = np.array([[[5, 5]], [[-64, -128]]], np.int8)

    np.testing.assert_allclose(decode_to_iq(data, ["magnitude", "phase"]), [[[0, -5]], [[-5, 0]]], atol=1e-6)


def test_float_phase_is_in_radians():
    data = np.array([[[0.5, 2]], [[2, math.pi / 6]]], np.float64)

    found = decode_to_iq(data, [ROLE_PHASE, ROLE_MAGNITUDE])

    expected = [[[2 * math.cos(0.5), math.pi / 6 * math.cos(2)]], [[2 * math.sin(0.5), math.pi / 6 * math.sin(2)]]]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_amplitude_indices_are_looked_up():
    table = np.linspace(0, 510, 256)
    data = np.array([[[0, 1, 255]], [[0, 64, 128]]], np.uint8)

    found = decode_to_iq(data, [ROLE_AMPLITUDE_INDEX, ROLE_PHASE], table)

    np.testing.assert_allclose(found, [[[0, 0, -510]], [[0, 2, 0]]], atol=1e-4)


BYTES = np.zeros((2, 1, 1), np.uint8)
TABLE = np.zeros(256)


@pytest.mark.parametrize(
    ("data", "roles", "table", "message"),
    [
        (BYTES, ["real", "colour"], None, "unknown role 'colour'"),
        (BYTES, ["real"], None, "1 roles for 2 bands"),
        (BYTES, ["real", "phase"], None, "make no complex number"),
        (BYTES, ["real", "real"], None, "make no complex number"),
        (BYTES, "real", None, "band_interpretation must be a list of words"),
        (BYTES, ["amplitude_index", "phase"], None, "needs an amplitude table"),
        (BYTES, ["magnitude", "phase"], TABLE, "there is none"),
        (BYTES, None, TABLE, "there is none"),
        (BYTES + 5, ["amplitude_index", "phase"], TABLE[:5], "index 5 of a table that has 5"),
        (BYTES.astype(np.int8), ["amplitude_index", "phase"], TABLE, "unsigned integer"),
        (BYTES, ["amplitude_index", "phase"], TABLE.reshape(2, 128), "list of finite numbers"),
        (BYTES, ["amplitude_index", "phase"], TABLE + np.nan, "list of finite numbers"),
        (np.zeros((3, 1, 1)), None, None, "3 bands of float64"),
        (np.zeros((1, 1)), None, None, "1 bands of float64"),
        (np.zeros((2, 1, 1), np.complex64), None, None, "2 bands of complex"),
        (np.zeros((1, 1), np.complex64), ["real", "imaginary"], None, "complex by themselves"),
        (np.zeros(3, np.complex64), None, None, r"not \(3,\)"),
        (np.zeros((2, 1, 1), bool), None, None, "bool pixels are no parts"),
    ],
)
def test_contradictions_are_refused(data, roles, table, message):
    with pytest.raises(ChainError, match=message) as caught:
        decode_to_iq(data, roles, table)
    assert isinstance(caught.value, ValueError)


# ---- power


def test_power_is_the_sum_of_squares_in_every_form():
    data = np.array([[[3, -1]], [[4, 2]]], np.int16)

    for form in (data, data.astype(np.float32), data[0] + 1j * data[1], (data[0] + 1j * data[1])[None]):
        np.testing.assert_array_equal(complex_to_power(form), [[25, 5]])


def test_squares_that_float32_and_int16_cannot_hold_do_not_overflow():
    large = np.full((2, 1, 1), 1e30, np.float32)
    assert complex_to_power(large)[0, 0] == pytest.approx(2e60, rel=1e-6)
    assert complex_to_power(np.full((2, 1, 1), -32768, np.int16))[0, 0] == 2**31
    assert magnitude_remap(large)[0, 0, 0] == pytest.approx(math.sqrt(2) * 1e30, rel=1e-6)
    assert quarter_power_remap(np.full((1, 1), 1e30 + 1e30j, np.complex64))[0, 0, 0] == pytest.approx(
        1.189207115e15, rel=1e-6
    )
    assert quarter_power_remap(np.full((1, 1), 3e300 + 4e300j))[0, 0, 0] == np.finfo(np.float32).max
    assert quarter_power_remap(np.full((2, 1, 1), 3e-40, np.float32))[0, 0, 0] == pytest.approx(2.0597e-20, rel=1e-3)


def test_decibels_are_ten_times_the_logarithm():
    power = np.array([100, 1, 0.001, 0, -5, np.nan, np.inf], np.float32)

    found = power_to_decibels(power)

    assert found.dtype == np.float32
    np.testing.assert_allclose(found, [20, 0, -30, -np.inf, -np.inf, np.nan, np.inf], rtol=1e-6)
    assert power_to_decibels(np.array([1000])).tolist() == [30.0]
    with pytest.raises(ChainError, match="real number, not complex64"):
        power_to_decibels(np.zeros(2, np.complex64))


# ---- remaps, by hand


def test_magnitude_and_quarter_power():
    block = amplitudes(0, 5, 16, 625)

    np.testing.assert_allclose(magnitude_remap(block), [[[0, 5, 16, 625]]], rtol=1e-6)
    np.testing.assert_allclose(quarter_power_remap(block), [[[0, 5**0.5, 4, 25]]], rtol=1e-6)


def test_density_puts_the_mean_where_it_is_published():
    # 0.8 of a mean of 12.5 is 10, which is 30; 40 times that is white; the root of 40 times is half way
    block = amplitudes(0, 10, 10 * 40**0.5, 400, 4000, 1)

    found = density_remap(block, data_mean=12.5)

    np.testing.assert_allclose(found, [[[0, 30, 142.5, 255, 255, 0]]], rtol=1e-5)
    np.testing.assert_allclose(density_remap(block, data_mean=12.5, dmin=60)[0, 0, 2], 157.5, rtol=1e-5)
    np.testing.assert_allclose(density_remap(block, data_mean=12.5, mmult=4)[0, 0, 2], 255, rtol=1e-5)


def test_pedf_halves_the_upper_half_and_goes_on_where_density_is_white():
    # density at 10 * 40**k is 30 + 225 k: 30, 142.5, 255, 367.5
    block = amplitudes(10, 10 * 40**0.5, 400, 400 * 40**0.5, 4e6)

    found = pedf_remap(block, data_mean=12.5)

    np.testing.assert_allclose(found, [[[30, 135.25, 191.5, 247.75, 255]]], rtol=1e-5)


def test_nrl_is_linear_to_the_changeover_and_logarithmic_above():
    # with (2, 12, 1002): a tenth of 220 at 3, 220 at 12; log(100) spans the rest, so 102 is half way to white
    block = amplitudes(1, 2, 3, 12, 102, 1002, 9000)

    found = nrl_remap(block, minimum=2, changeover=12, maximum=1002)

    np.testing.assert_allclose(found, [[[0, 0, 22, 220, 237.5, 255, 255]]], rtol=1e-5, atol=1e-5)


def test_nrl_has_limits_for_degenerate_statistics():
    block = np.array([[1, 3, 5]]) + 0j

    np.testing.assert_allclose(nrl_remap(block, minimum=3, changeover=3, maximum=5), [[[0, 0, 255]]])
    np.testing.assert_allclose(nrl_remap(block, minimum=1, changeover=5, maximum=5), [[[0, 110, 220]]], rtol=1e-6)
    np.testing.assert_array_equal(nrl_remap(amplitudes(4, 4)), [[[0, 0]]])


def test_linear_and_log_between_two_magnitudes():
    np.testing.assert_allclose(
        linear_remap(amplitudes(0, 10, 60, 110, 500), minimum=10, maximum=110), [[[0, 0, 127.5, 255, 255]]], rtol=1e-5
    )
    np.testing.assert_allclose(
        log_remap(amplitudes(0, 0.1, 1, 10, 100, 1e5), minimum=1, maximum=100),
        [[[0, 0, 0, 127.5, 255, 255]]],
        rtol=1e-5,
        atol=1e-4,
    )


def test_what_is_left_out_is_taken_from_the_array_without_what_is_not_finite():
    block = scene()
    length = np.hypot(*block.astype(np.float64))
    broken = np.concatenate([block, np.full((2, 1, 50), np.nan, np.float32)], axis=1)
    broken[0, -1, 7] = np.inf
    given = {
        "density": {"data_mean": length.mean()},
        "pedf": {"data_mean": length.mean()},
        "nrl": {"minimum": length.min(), "changeover": np.percentile(length, 99), "maximum": length.max()},
        "linear": {"minimum": length.min(), "maximum": length.max()},
        "log": {"minimum": length.min(), "maximum": length.max()},
    }
    for name, settings in given.items():
        whole = REMAPS[name](block, **settings)
        found = REMAPS[name](broken)
        np.testing.assert_allclose(found[:, :-1], whole, rtol=1e-6, atol=1e-5, err_msg=name)
        assert whole.min() >= 0
        assert 100 < whole.max() <= 255


@pytest.mark.parametrize("name", REMAPS)
def test_every_remap_gives_one_band_of_float32_and_0_where_not_finite(name):
    block = scene()
    block[0, 0, :3], block[1, 0, 2:6] = np.nan, -np.inf
    before = block.copy()

    found = REMAPS[name](block, **AMPLITUDES.get(name, {}))

    assert found.dtype == np.float32
    assert found.shape == (1, 40, 50)
    assert np.isfinite(found).all()
    assert not found[0, 0, :6].any()
    np.testing.assert_array_equal(block, before)


@pytest.mark.parametrize("name", REMAPS)
def test_tiles_equal_the_whole_where_image_wide_settings_are_given(name):
    block = scene()
    settings = AMPLITUDES.get(name, {})
    assert set(settings) == set(WHOLE_IMAGE.get(name, ()))

    whole = REMAPS[name](block, **settings)

    tiles = [REMAPS[name](np.ascontiguousarray(block[:, :, at : at + 7]), **settings) for at in range(0, 50, 7)]
    np.testing.assert_array_equal(np.concatenate(tiles, axis=2), whole)


@pytest.mark.parametrize("name", REMAPS)
@pytest.mark.parametrize("shape", [(0, 0), (2, 3)])
def test_nothing_and_black_stay_black(name, shape):
    for block in (np.zeros((2, *shape), np.float32), np.full((2, *shape), np.nan, np.float32)):
        np.testing.assert_array_equal(REMAPS[name](block), np.zeros((1, *shape)))


@pytest.mark.parametrize("name", REMAPS)
def test_complex_pixels_and_their_parts_give_the_same(name):
    block = scene()

    found = REMAPS[name](block[0] + 1j * block[1])

    np.testing.assert_array_equal(found, REMAPS[name](block))
    np.testing.assert_array_equal(found, REMAPS[name]((block[0] + 1j * block[1])[None]))
    with pytest.raises(ChainError, match=r"\(2, rows, cols\), not \(3, 4, 5\)"):
        REMAPS[name](np.zeros((3, 4, 5)))


@pytest.mark.parametrize(
    ("remap", "settings", "message"),
    [
        (density_remap, {"dmin": 255}, "dmin must be"),
        (density_remap, {"mmult": 1}, "mmult must be above 1"),
        (pedf_remap, {"data_mean": -1}, "data_mean must be 0 or more"),
        (density_remap, {"data_mean": math.nan}, "data_mean must be a finite number"),
        (nrl_remap, {"knee": 255}, "knee must be between"),
        (nrl_remap, {"minimum": 5, "changeover": 4, "maximum": 9}, "not in this order"),
        (linear_remap, {"minimum": 5, "maximum": 4}, "above the maximum"),
        (log_remap, {"minimum": 0, "maximum": 4}, "minimum must be above 0"),
        (log_remap, {"minimum": 5, "maximum": 4}, "above the maximum"),
    ],
)
def test_settings_out_of_range_are_refused(remap, settings, message):
    with pytest.raises(ChainError, match=message):
        remap(amplitudes(1, 2, 3), **settings)
