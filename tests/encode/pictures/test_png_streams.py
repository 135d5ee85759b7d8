"""PNG streams of our own: what two other decoders read is what was written."""

import imagecodecs
import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st

from stacchip_osml.encode.pictures.png import png_bytes
from stacchip_osml.errors import EncodeError


@settings(max_examples=80)
@given(
    st.integers(1, 40),
    st.integers(1, 40),
    st.integers(1, 4),
    st.sampled_from(["uint8", "uint16", ">u2"]),
    st.sampled_from([None, *range(10)]),
    st.integers(0, 2**32 - 1),
)
def test_libpng_reads_what_was_written(rows, cols, count, dtype, level, seed):
    samples = np.random.default_rng(seed).integers(0, 2 ** (8 if dtype == "uint8" else 16), (rows, cols, count))
    samples = samples.astype(dtype)[..., 0] if count == 1 else samples.astype(dtype)

    found = imagecodecs.png_decode(png_bytes(samples, level=level))

    np.testing.assert_array_equal(found.reshape(samples.shape), samples)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize("count", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_gdal_reads_it_too_and_knows_the_colours(count, dtype):
    samples = np.random.default_rng(count).integers(0, 255, (33, 17, count)).astype(dtype)

    with rasterio.MemoryFile(png_bytes(samples)) as memory, memory.open() as file:
        assert file.driver == "PNG"
        assert [color.name for color in file.colorinterp] == {
            1: ["gray"],
            2: ["gray", "alpha"],
            3: ["red", "green", "blue"],
            4: ["red", "green", "blue", "alpha"],
        }[count]
        np.testing.assert_array_equal(file.read(), samples.transpose(2, 0, 1))


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros((4, 4, 5), np.uint8), "one to four samples a pixel, not 5 bands"),
        (np.zeros((4, 4), np.int16), "PNG holds uint8 and uint16, not int16"),
        (np.zeros((4, 4), np.float32), "PNG holds uint8 and uint16, not float32"),
        (np.zeros(4, np.uint8), "PNG cannot hold samples of shape"),
    ],
)
def test_what_png_does_not_hold_is_refused(samples, message):
    with pytest.raises(EncodeError, match=message):
        png_bytes(samples)


def test_an_image_without_pixels_is_refused():
    with pytest.raises(EncodeError, match="PNG sides are 1 to"):
        png_bytes(np.zeros((0, 4), np.uint8))


def test_imagery_becomes_smaller_and_noise_hardly_larger():
    smooth = np.add.outer(np.arange(300), np.arange(200)).astype(np.uint8)
    noise = np.random.default_rng(0).integers(0, 256, (300, 200), dtype=np.uint8)

    assert len(png_bytes(smooth)) < smooth.size / 20
    assert len(png_bytes(noise)) < noise.size * 1.02
