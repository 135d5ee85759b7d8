"""JPEG files of images of any size: bands are restart intervals, and the pixels are those of one piece."""

import io

import imagecodecs
import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st

from stacchip_osml.encode.jpeg2000.tiles import ArraySource
from stacchip_osml.encode.pictures import stream_jpeg
from stacchip_osml.encode.pictures.stream_jpeg import write_jpeg
from stacchip_osml.pixel import PixelWindow


def scene(bands, rows, cols):
    down, across = np.mgrid[:rows, :cols]
    noise = np.random.default_rng(3).integers(0, 30, (bands, rows, cols))
    return ((down + 2 * across + 40 * np.arange(bands)[:, None, None]) // 3 % 200 + noise).astype(np.uint8)


def written(pixels, **options):
    out = io.BytesIO()
    write_jpeg(out, ArraySource(pixels), **options)
    return out.getvalue()


def in_one_piece(pixels, **options):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stream_jpeg, "BAND_BYTES", 1 << 30)
        return written(pixels, **options)


@settings(max_examples=60, deadline=None)
@given(
    bands=st.sampled_from([1, 3]),
    rows=st.integers(1, 120),
    cols=st.integers(1, 70),
    subsampling=st.sampled_from(["444", "422", "420"]),
    band=st.integers(1, 9000),
    workers=st.integers(1, 3),
)
def test_bands_of_any_height_hold_the_pixels_of_one_piece(bands, rows, cols, subsampling, band, workers):
    pixels = scene(bands, rows, cols)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stream_jpeg, "BAND_BYTES", band)
        data = written(pixels, subsampling=subsampling, workers=workers)

    whole = in_one_piece(pixels, subsampling=subsampling)
    np.testing.assert_array_equal(imagecodecs.jpeg8_decode(data), imagecodecs.jpeg8_decode(whole))


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize("bands", [1, 3])
def test_readers_find_the_pixels_of_many_bands(bands):
    pixels = scene(bands, 2500, 1301)
    data = written(pixels, quality=95, subsampling="444", workers=2)

    assert data.count(b"\xff\xd0") >= 1, "no restart"
    whole = in_one_piece(pixels, quality=95, subsampling="444")
    found = []
    for file in (data, whole):
        with rasterio.MemoryFile(file) as memory, memory.open() as image:
            found.append(image.read())
    np.testing.assert_array_equal(*found)
    assert np.abs(found[0].astype(int) - pixels).mean() < 6
    assert data == written(pixels, quality=95, subsampling="444")
    assert len(data) < len(whole) * 1.002


@pytest.mark.parametrize("cols", [300, 40_000])
def test_no_more_than_a_band_is_asked_for(cols):
    class Source(ArraySource):
        largest = 0

        def read(self, window: PixelWindow):
            self.largest = max(self.largest, window.width * window.height * 3)
            return super().read(window)

    source = Source(np.zeros((3, 2400 if cols == 300 else 50, cols), np.uint8))

    write_jpeg(io.BytesIO(), source)

    assert 0 < source.largest <= max(stream_jpeg.BAND_BYTES, 16 * cols * 3)
