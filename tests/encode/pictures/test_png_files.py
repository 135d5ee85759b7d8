"""PNG files of images of any size: bands of rows that threads compress, one stream for every reader."""

import io
import zlib
from dataclasses import dataclass

import cv2
import imagecodecs
import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st

from stacchip_osml.encode.io import IO, imsave
from stacchip_osml.encode.pictures import stream_png
from stacchip_osml.encode.pictures.stream_png import write_png
from stacchip_osml.errors import EncodeError
from stacchip_osml.pixel import ImageSize
from tests.encode.io.io_scenes import Lazy


@dataclass
class Source:
    """Pixels that count how they are asked for."""

    pixels: np.ndarray
    largest: int = 0

    @property
    def size(self):
        return ImageSize(self.pixels.shape[2], self.pixels.shape[1])

    @property
    def bands(self):
        return len(self.pixels)

    @property
    def dtype(self):
        return self.pixels.dtype

    def read(self, window):
        self.largest = max(self.largest, window.height)
        return self.pixels[:, window.y : window.y + window.height, window.x : window.x + window.width]


def scene(bands, rows, cols, dtype="uint8", seed=0):
    slope = np.add.outer(np.arange(rows) * 3, np.arange(cols) * 2)
    noise = np.random.default_rng(seed).integers(0, 9, (bands, rows, cols))
    return ((slope + noise) * (1 if dtype == "uint8" else 97)).astype(dtype)


def written(pixels, **options):
    out = io.BytesIO()
    write_png(out, Source(pixels), **options)
    return out.getvalue()


def chunks(data):
    at, found = 8, []
    while at < len(data):
        length, name = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        content = data[at + 8 : at + 8 + length]
        assert zlib.crc32(name + content) == int.from_bytes(data[at + 8 + length : at + 12 + length], "big")
        found.append((name, content))
        at += 12 + length
    return found


@settings(max_examples=60, deadline=None)
@given(
    bands=st.integers(1, 4),
    rows=st.integers(1, 40),
    cols=st.integers(1, 30),
    dtype=st.sampled_from(["uint8", "uint16"]),
    level=st.sampled_from([None, 0, 1, 6, 9]),
    band=st.integers(1, 2000),
    workers=st.integers(1, 3),
)
def test_bands_of_any_height_are_one_stream_with_a_true_check_value(bands, rows, cols, dtype, level, band, workers):
    pixels = scene(bands, rows, cols, dtype)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stream_png, "BAND_BYTES", band)
        data = written(pixels, level=level, workers=workers)

    lines = zlib.decompress(b"".join(content for name, content in chunks(data) if name == b"IDAT"))
    assert len(lines) == rows * (1 + cols * bands * pixels.itemsize)
    samples = pixels[0] if bands == 1 else pixels.transpose(1, 2, 0)
    np.testing.assert_array_equal(imagecodecs.png_decode(data).reshape(samples.shape), samples)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize("bands", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_every_reader_finds_the_pixels_of_many_bands(bands, dtype):
    pixels = scene(bands, 900, 1301, dtype)
    data = written(pixels, workers=2)

    assert sum(name == b"IDAT" for name, _ in chunks(data)) > 2
    with rasterio.MemoryFile(data) as memory, memory.open() as file:
        np.testing.assert_array_equal(file.read(), pixels)
    samples = pixels[0] if bands == 1 else pixels.transpose(1, 2, 0)
    np.testing.assert_array_equal(imagecodecs.png_decode(data), samples)
    if bands != 2:  # cv2 reads gray and alpha as colours
        order = {1: ..., 3: np.s_[..., ::-1], 4: np.s_[..., [2, 1, 0, 3]]}[bands]
        np.testing.assert_array_equal(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)[order], samples)
    image = pytest.importorskip("PIL.Image")
    if dtype == "uint8" or bands == 1:  # Pillow gives 16-bit colours as 8
        np.testing.assert_array_equal(np.asarray(image.open(io.BytesIO(data))), samples)


def test_the_bytes_are_the_same_by_any_number_of_workers():
    pixels = scene(3, 1500, 1000)

    first = written(pixels)

    assert len(chunks(first)) > 5
    assert all(written(pixels, workers=workers) == first for workers in (2, 3, 8))


def test_bands_cost_next_to_nothing():
    pixels = scene(3, 1500, 1000)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stream_png, "BAND_BYTES", 1 << 30)
        whole = len(written(pixels))

    assert len(written(pixels)) < whole * 1.002


def test_no_more_than_a_band_is_asked_for():
    source = Source(scene(3, 3000, 700))

    write_png(io.BytesIO(), source)

    assert 0 < source.largest * 700 * 3 <= stream_png.BAND_BYTES


def test_workers_and_levels_reach_it_from_imsave_and_datasets(tmp_path):
    lazy = Lazy(1100, 900)
    with IO.open(tmp_path / "a.png", "w", "png", workers=2) as writer:
        writer.add_asset("image:0", lazy)
    imsave(tmp_path / "b.png", lazy.pixels(), workers=3)
    imsave(tmp_path / "c.png", lazy.pixels(), level=9)

    first, second, third = ((tmp_path / f"{name}.png").read_bytes() for name in "abc")

    assert first == second
    assert len(third) < len(first)


def test_progress_is_told_the_rows():
    told = []

    written(scene(3, 1500, 1000), progress=lambda done, rows: told.append((done, rows)), workers=2)

    assert told[-1] == (1500, 1500)
    assert [done for done, _ in told] == sorted({done for done, _ in told})


@pytest.mark.parametrize("level", [-1, 10, 1.5])
def test_a_level_that_is_none_is_refused_before_a_byte_is_written(level):
    out = io.BytesIO()

    with pytest.raises(EncodeError, match="PNG levels are 0 to 9"):
        write_png(out, Source(scene(1, 5, 5)), level=level)

    assert out.getvalue() == b""
