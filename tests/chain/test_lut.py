"""Look-up tables."""

import numpy as np
import pytest

from stacchip_osml.chain import apply_lut
from stacchip_osml.errors import ChainError


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", ">i2"])
@pytest.mark.parametrize("out", ["uint8", "uint16", "int16", "float32", "int64", "complex64"])
@pytest.mark.parametrize("shape", [(7, 9), (3, 7, 9), (0, 9), (5,)])
def test_every_code_becomes_its_entry(dtype, out, shape):
    random = np.random.default_rng(1)
    lowest, highest = np.iinfo(dtype).min, np.iinfo(dtype).max
    image = random.integers(lowest, highest + 1, shape).astype(dtype)
    lut = random.integers(0, 255, highest - lowest + 1).astype(out)
    found = apply_lut(image, lut)

    assert found.dtype == lut.dtype
    entries = [lut[int(code) - lowest] for code in image.ravel()]
    np.testing.assert_array_equal(found, np.array(entries, out).reshape(shape))
    room = np.full(shape, 99, out)
    assert np.shares_memory(apply_lut(image, lut, out=room), room) == bool(image.size)
    np.testing.assert_array_equal(room, found)


def test_a_window_of_a_larger_image_is_looked_up_too():
    image = np.arange(256, dtype=np.uint8).reshape(16, 16)[2:9, 3:11]
    np.testing.assert_array_equal(apply_lut(image, np.arange(256, dtype=np.uint8)[::-1].copy()), 255 - image)


@pytest.mark.parametrize(
    ("image", "lut", "message"),
    [
        (np.zeros((2, 2), np.int32), np.zeros(65536, np.uint8), "needs codes of 8 or 16 bits, got int32"),
        (
            np.zeros((2, 2), np.uint8),
            np.zeros(255, np.uint8),
            r"for uint8 needs 256 entries in one dimension, got \(255,\)",
        ),
        (np.zeros((2, 2), np.uint8), np.zeros((256, 1), np.uint8), "in one dimension"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(image, lut, message):
    with pytest.raises(ChainError, match=message):
        apply_lut(image, lut)
