"""Halving by Lanczos' kernel: to the bit what the resampler gives that takes any ratio."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stacchip_osml.imagery.resampling.lanczos_halving import lanczos_halved, lanczos_needed
from stacchip_osml.imagery.resampling.reduction_values import Box
from stacchip_osml.imagery.resampling.resamplers import lanczos_resample
from stacchip_osml.imagery.resampling.taps import find_taps
from stacchip_osml.pixel import ImageSize

DTYPES = ["bool", "uint8", "int8", "uint16", "int32", "uint64", "float16", "float32", "float64", "complex64"]


def noise(rows, cols, dtype, seed=0):
    random = np.random.default_rng(seed)
    values = (random.random((2, rows, cols)) - 0.3) * 250
    if np.dtype(dtype).kind == "c":
        return (values + 1j * random.random(values.shape)).astype(dtype)
    return np.clip(values, 0, 1 if dtype == "bool" else 120).astype(dtype)


def part_of(image, wanted):
    size = ImageSize(image.shape[2], image.shape[1])
    held = Box(
        *lanczos_needed(wanted.top, wanted.bottom, size.height), *lanczos_needed(wanted.left, wanted.right, size.width)
    )
    out = np.empty((len(image), wanted.rows, wanted.cols), image.dtype)
    lanczos_halved(image[:, held.top : held.bottom, held.left : held.right], held, size, wanted, out)
    return out


@given(
    rows=st.integers(1, 50), cols=st.integers(1, 50), dtype=st.sampled_from(DTYPES), data=st.data()
)  # fmt: skip
@settings(max_examples=80, deadline=None)
def test_any_part_has_the_bytes_of_the_resampled_whole(rows, cols, dtype, data):
    image = noise(2 * rows, 2 * cols, dtype)
    top, left = data.draw(st.integers(0, rows - 1)), data.draw(st.integers(0, cols - 1))
    bottom, right = data.draw(st.integers(top + 1, rows)), data.draw(st.integers(left + 1, cols))

    found = part_of(image, Box(top, bottom, left, right))

    whole = lanczos_resample(image, rows, cols)
    assert found.tobytes() == whole[:, top:bottom, left:right].tobytes()


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_images_of_many_tiles_are_right_too(dtype):
    image = noise(142, 1402, dtype)

    np.testing.assert_array_equal(part_of(image, Box(0, 71, 0, 701)), lanczos_resample(image, 71, 701))


@pytest.mark.filterwarnings("error")
def test_what_is_no_number_stays_where_its_weight_is():
    image = noise(64, 64, "float32")
    image[0, 30, 30], image[1, 2, 3] = np.nan, np.inf

    found = part_of(image, Box(0, 32, 0, 32))

    np.testing.assert_array_equal(found, lanczos_resample(image, 32, 32))
    assert np.isnan(found[0]).sum() == 16  # four outputs an axis look at a pixel
    np.testing.assert_array_equal(found, part_of(image, Box(0, 32, 0, 32)))  # nothing of it stays in memory


@given(st.integers(1, 60), st.data())
@settings(deadline=None)
def test_what_is_needed_is_what_has_weight(outputs, data):
    first = data.draw(st.integers(0, outputs - 1))
    stop = data.draw(st.integers(first + 1, outputs))
    origin, taps = find_taps(2.0 * first, 2.0, stop - first, method="lanczos", limit=2 * outputs)

    assert lanczos_needed(first, stop, 2 * outputs) == (origin + taps.index.min(), origin + taps.index.max() + 1)
