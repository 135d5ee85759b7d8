"""Files in memory, and memory that threads use again: what is written is what any other file would hold."""

import io
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from stacchip_osml.encode import imsave
from stacchip_osml.encode.array_provider import ArrayProvider
from stacchip_osml.encode.codecs import integer_predict, interleaved
from stacchip_osml.encode.file_memory import LARGE, MOST_MOVED, fresh_file, reserve, room_for
from stacchip_osml.encode.io.checked import CheckedProvider
from stacchip_osml.encode.scratch import MOST, scratch
from stacchip_osml.encode.tiff.image import write_tiff
from stacchip_osml.imagery.providers.buffered import BufferedImageAssetProvider

RANDOM = np.random.default_rng(5)


@pytest.mark.parametrize("size", [0, 1, 5000, LARGE - 1, LARGE, LARGE + 4097])
@pytest.mark.parametrize("before", [b"", b"abc"])
def test_a_reserved_file_is_zeros_behind_what_it_held(size, before):
    out = io.BytesIO(before)
    out.seek(len(before))

    reserve(out, size)

    assert out.tell() == len(before)
    assert out.getvalue() == before.ljust(size, b"\0")


def test_a_file_that_is_long_enough_keeps_its_bytes():
    out = io.BytesIO(b"abcdef")

    reserve(out, 4)

    assert out.getvalue() == b"abcdef"


@pytest.mark.parametrize("written", [0, 3, LARGE, LARGE + 70_000, 3 * LARGE])
def test_room_that_is_not_used_is_given_back(written):
    out, data = io.BytesIO(), RANDOM.bytes(written)

    with room_for(out, LARGE + 70_000):
        out.write(data)

    assert out.getvalue() == data
    assert out.tell() == written


def test_room_is_given_back_when_writing_fails():
    out = io.BytesIO()

    def fail():
        with room_for(out, LARGE):
            out.write(b"half")
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        fail()

    assert out.getvalue() == b"half"


@pytest.mark.parametrize("before", [b"before", bytes(MOST_MOVED), bytes(MOST_MOVED + 1)])
def test_a_file_that_holds_something_is_written_behind_it(before):
    out = io.BytesIO(before)
    out.seek(0, io.SEEK_END)

    with room_for(out, LARGE):
        has_room = out.getbuffer().nbytes > len(before)
        out.write(b" and behind")

    assert has_room == (len(before) <= MOST_MOVED)
    assert out.getvalue() == before + b" and behind"


def test_a_file_that_goes_on_behind_where_it_stands_keeps_that():
    out = io.BytesIO(b"before and behind")
    out.seek(6)

    with room_for(out, LARGE):
        out.write(b" or ")

    assert out.getvalue() == b"before or  behind"


def test_a_failed_tiff_leaves_nothing_in_a_file_in_memory():
    class Broken(BufferedImageAssetProvider):
        def get_block(self, block_row, block_col, resolution_level=0, bands=None):
            if block_row:
                raise RuntimeError("no such tape")
            return super().get_block(block_row, block_col, resolution_level, bands)

    image = Broken.from_array(np.ones((3, 2048, 2048), np.uint8), key="image")
    out = io.BytesIO()

    with pytest.raises(Exception, match="no such tape"):
        write_tiff(out, image, compression="none")

    assert len(out.getvalue()) < 3 * 2048 * 2048


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int16", "uint16", "uint32", "float32", "float64", "complex64"])
@pytest.mark.parametrize("bands", [1, 2, 3, 4, 5])
def test_bands_are_interleaved_whatever_their_memory_layout(dtype, bands):
    whole = RANDOM.integers(0, 200, (bands, 40, 50)).astype(dtype)
    views = [whole, whole[:, 3:30, 7:29], whole[:, ::-1, ::-2], whole.transpose(0, 2, 1), whole[:, :1]]
    views.append(np.broadcast_to(whole[:, :1], whole.shape))

    for pixels in views:
        pixels.flags.writeable = False
        expected = pixels[0] if bands == 1 else pixels.transpose(1, 2, 0)
        for passing in (False, True):
            assert np.array_equal(interleaved(pixels, passing=passing), expected)


def test_each_thread_has_memory_of_its_own():
    def work(number):
        found = []
        for size in (100, 3, 70_000, 100):
            samples = np.full((1, size), number, np.uint16)
            samples[0, 0] = 2 * number
            found.append(integer_predict(samples, axis=1).sum(dtype=np.uint16) == number)
        return all(found)

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(200)))


def test_scratch_memory_is_used_again_and_large_memory_is_not_kept():
    first = scratch("test", (100, 7), np.float64)
    second = scratch("test", (3,), np.uint8)
    other = scratch("other", (3,), np.uint8)

    assert first.shape == (100, 7)
    assert first.flags.c_contiguous
    assert np.shares_memory(scratch("test", (100, 7), np.float64), first)
    assert second.shape == (3,)
    assert not np.shares_memory(other, first)
    assert not np.shares_memory(scratch("test", (MOST + 1,), np.uint8), scratch("test", (MOST + 1,), np.uint8))


@pytest.mark.parametrize("name", ["tiff", "png", "nitf", "jp2", "jpeg"])
@pytest.mark.parametrize("workers", [1, 3])
def test_an_array_is_written_as_its_blocks_are(name, workers):
    dtype = np.uint8 if name == "jpeg" else np.uint16
    pixels = RANDOM.integers(0, 255, (3, 333, 517)).astype(dtype)
    options = {"metadata": {"FDT": "20260321101112"}, "compression": "none"} if name == "nitf" else {}
    first, again = io.BytesIO(), io.BytesIO()

    imsave(first, pixels, format=name, workers=workers, **options)
    imsave(again, pixels.copy()[:, ::-1][:, ::-1], format=name, **options)

    assert first.getvalue() == again.getvalue()


def test_a_tiff_of_an_array_is_that_of_a_provider_of_the_same_blocks():
    pixels = RANDOM.integers(0, 4000, (3, 300, 517)).astype(np.uint16)
    image = ArrayProvider(pixels, block=(100, 128), pad=0, bits=None)
    files = [io.BytesIO(), io.BytesIO()]

    for out, source in zip(files, (image, CheckedProvider(image)), strict=True):
        write_tiff(out, source, compression="deflate", workers=2)

    assert files[0].getvalue() == files[1].getvalue()


@pytest.mark.parametrize("size", [0, 1, 5000, LARGE - 1, LARGE])
def test_a_fresh_file_holds_what_is_written_to_it(size):
    out, data = fresh_file(size), RANDOM.bytes(size)
    memory = out.getbuffer()
    assert memory.nbytes == size

    memory[:] = data
    memory.release()

    assert out.getvalue() == data
