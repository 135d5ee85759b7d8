"""JPEG 2000 codestreams: put together from tiles, read back by GDAL (OpenJPEG) and imagecodecs (OpenJPEG, OpenJPH)."""

import threading
from io import BytesIO

import imagecodecs
import numpy as np
import openjpeg
import pytest
import rasterio
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import MemoryFile

from stacchip_osml.encode.jpeg2000.tiles import ArraySource, Jpeg2000Options, array_codestream, write_codestream
from stacchip_osml.errors import EncodeError

pytestmark = pytest.mark.filterwarnings(f"ignore::{NotGeoreferencedWarning.__module__}.NotGeoreferencedWarning")

TILE = (256, 256)


def noise(shape, kind, *, seed=0):
    info = np.iinfo(kind)
    return np.random.default_rng(seed).integers(info.min, info.max, shape, kind, endpoint=True)


def scene(shape, *, seed=0):
    """Something smooth with a little noise, so that rates mean something."""
    bands, rows, cols = shape
    y, x = np.mgrid[:rows, :cols]
    waves = [np.sin(x / (9 + band)) + np.cos(y / 7 + x / 31) for band in range(bands)]
    grain = np.random.default_rng(seed).normal(0, 4, shape)
    return (np.stack(waves) * 50 + 128 + grain).clip(0, 255).astype(np.uint8)


def gdal_pixels(stream, **how):
    with MemoryFile(stream, ext=".j2k") as memory, memory.open(**how) as image:
        return image.read()


def gdal_stream(pixels, **options):
    bands, rows, cols = pixels.shape
    shape = {"width": cols, "height": rows, "count": bands, "dtype": pixels.dtype}
    with MemoryFile(ext=".j2k") as memory:
        with memory.open(driver="JP2OpenJPEG", codec="J2K", **shape, **options) as image:
            image.write(pixels)
        return bytes(memory.getbuffer())


def other_pixels(stream, shape, *, high_throughput):
    decoded = (imagecodecs.htj2k_decode if high_throughput else imagecodecs.jpeg2k_decode)(stream)
    if decoded.ndim == 3 and decoded.shape != shape:
        decoded = np.moveaxis(decoded, -1, 0)
    return decoded.reshape(shape)


@pytest.mark.parametrize("high_throughput", [False, True])
@pytest.mark.parametrize("kind", ["uint8", "uint16", "int16"])
@pytest.mark.parametrize(
    "shape",
    [(1, 256, 256), (3, 257, 513), (2, 300, 259), (1, 1, 1), (3, 1, 1), (4, 3, 700), (5, 280, 256)],
    ids=str,
)
def test_a_lossless_codestream_has_the_same_pixels_for_two_decoders(shape, kind, high_throughput):
    pixels = noise(shape, kind)

    stream = array_codestream(pixels, Jpeg2000Options(tile=TILE, high_throughput=high_throughput))

    assert np.array_equal(gdal_pixels(stream), pixels)
    assert np.array_equal(other_pixels(stream, shape, high_throughput=high_throughput), pixels)


@pytest.mark.parametrize("high_throughput", [False, True])
def test_reduced_resolutions_are_those_of_tiles_coded_in_their_place(high_throughput):
    pixels = noise((1, 700, 1030), "uint16")
    native = gdal_stream(pixels, blockxsize=256, blockysize=256, resolutions=6, reversible="YES", quality="100")

    stream = array_codestream(pixels, Jpeg2000Options(tile=TILE, high_throughput=high_throughput))

    with MemoryFile(stream, ext=".j2k") as memory, memory.open() as image:
        factors = image.overviews(1)
    assert factors[:3] == [2, 4, 8]
    for level in range(len(factors)):
        assert np.array_equal(gdal_pixels(stream, overview_level=level), gdal_pixels(native, overview_level=level))


def test_samples_of_32_bits_are_exact_with_high_throughput_and_refused_without():
    pixels = noise((2, 100, 90), "uint32")
    stream = array_codestream(pixels, Jpeg2000Options(high_throughput=True))

    assert np.array_equal(other_pixels(stream, pixels.shape, high_throughput=True), pixels)
    with pytest.raises(EncodeError, match=r"32 bits is not kept exactly, 24 bits are: say .* or write \.tif$"):
        array_codestream(pixels)


@pytest.mark.parametrize(("kind", "bits"), [("uint16", 11), ("uint16", 5), ("uint32", 24), ("int32", 20), ("int16", 9)])
@pytest.mark.parametrize("ratio", [None, 1.5])
def test_fewer_bits_than_the_type_has_are_said_in_the_codestream(kind, bits, ratio):
    low, high = (0, 2**bits) if kind.startswith("u") else (-(2 ** (bits - 1)), 2 ** (bits - 1))
    pixels = np.random.default_rng(1).integers(low, high, (1, 200, 270)).astype(kind)

    stream = array_codestream(pixels, Jpeg2000Options(bits=bits, tile=TILE, ratio=ratio))

    assert (stream[42] & 0x7F) + 1 == bits
    assert bool(stream[42] & 0x80) == (kind[0] == "i")
    decoded = imagecodecs.jpeg2k_decode(stream).astype(np.int64)
    if ratio is None:
        assert np.array_equal(decoded, pixels[0])
    else:
        assert np.corrcoef(decoded.ravel(), pixels.ravel().astype(float))[0, 1] > 0.98


@pytest.mark.parametrize(("kind", "bits"), [("uint16", 12), ("uint16", 7), ("uint8", 6), ("int16", 9)])
@pytest.mark.parametrize(("ratio", "loss"), [(None, 0), (2, 0.12)])
@pytest.mark.parametrize("bands", [1, 3])
def test_fewer_bits_are_coded_with_high_throughput_too(kind, bits, ratio, loss, bands):
    low = 0 if kind.startswith("u") else -(1 << (bits - 1))
    pixels = np.random.default_rng(3).integers(low, low + (1 << bits), (bands, 200, 270)).astype(kind)

    stream = array_codestream(pixels, Jpeg2000Options(bits=bits, tile=TILE, ratio=ratio, high_throughput=True))

    assert stream[42] == (bits - 1) | (0x80 if low else 0)
    for decode in (imagecodecs.htj2k_decode, openjpeg.decode):
        found = decode(stream).astype(np.int64)
        found = found[np.newaxis] if bands == 1 else found.transpose(2, 0, 1) if found.shape[2] == 3 else found
        assert np.sqrt(np.mean((found - pixels) ** 2)) <= loss * (1 << bits)
    if ratio is not None:
        assert pixels.size * bits / 8 / len(stream) == pytest.approx(ratio, rel=0.2)


def test_samples_beyond_the_bits_said_are_refused():
    with pytest.raises(EncodeError, match="samples from 0 to 2048 do not fit into 11 bits"):
        array_codestream(np.array([[[0, 2048]]], np.uint16), Jpeg2000Options(bits=11))


@pytest.mark.parametrize("high_throughput", [False, True])
@pytest.mark.parametrize("ratio", [4, 16])
def test_a_ratio_is_met_and_the_picture_stays_near(ratio, high_throughput):
    pixels = scene((3, 600, 520))

    stream = array_codestream(pixels, Jpeg2000Options(ratio=ratio, tile=TILE, high_throughput=high_throughput))

    assert pixels.nbytes / len(stream) == pytest.approx(ratio, rel=0.1)
    error = gdal_pixels(stream).astype(float) - pixels
    assert 0 < np.sqrt(np.mean(error**2)) < 6


@pytest.mark.parametrize("ratio", [None, 8])
def test_layers_are_in_the_codestream_and_the_last_is_the_whole(ratio):
    pixels = scene((1, 300, 300))

    stream = array_codestream(pixels, Jpeg2000Options(layers=4, ratio=ratio, tile=TILE))

    cod = stream.index(b"\xff\x52")
    assert int.from_bytes(stream[cod + 6 : cod + 8], "big") == 4
    error = np.abs(gdal_pixels(stream).astype(int) - pixels)
    assert (error.max() == 0) == (ratio is None)


def test_the_tile_table_says_where_every_tile_is():
    stream = array_codestream(noise((1, 600, 300), "uint8"), Jpeg2000Options(tile=TILE))
    at = stream.index(b"\xff\x55")
    entries = np.frombuffer(
        stream, np.dtype([("tile", ">u2"), ("length", ">u4")]), offset=at + 6, count=(stream[at + 3] - 4) // 6
    )
    place = stream.index(b"\xff\x90")
    for tile, length in entries:
        assert stream[place : place + 2] == b"\xff\x90"
        assert int.from_bytes(stream[place + 4 : place + 6], "big") == tile
        place += int(length)
    assert list(entries["tile"]) == list(range(6))
    assert stream[place:] == b"\xff\xd9"


@pytest.mark.parametrize("ratio", [None, 5])
def test_threads_give_the_same_bytes(ratio):
    pixels = noise((1, 700, 600), "uint16")

    def written(workers):
        out, told = BytesIO(b"before"), []
        out.seek(6)
        length = write_codestream(
            out,
            ArraySource(pixels),
            Jpeg2000Options(tile=TILE, ratio=ratio),
            workers=workers,
            progress=lambda done, total: told.append((done, total)),
        )
        assert out.getvalue()[:6] == b"before"
        assert len(out.getvalue()) == 6 + length
        assert told == [(done, 9) for done in range(1, 10)]
        return out.getvalue()

    assert written(1) == written(4)


@pytest.mark.parametrize("ratio", [None, 5])
@pytest.mark.parametrize("high_throughput", [False, True])
@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 1, 7), (3, 90, 1), (3, 200, 170), (5, 64, 130)], ids=str)
def test_threads_that_share_one_tile_give_the_same_bytes(shape, high_throughput, ratio):
    pixels = noise(shape, "uint16")
    options = Jpeg2000Options(ratio=ratio, high_throughput=high_throughput)
    one = array_codestream(pixels, options)
    for workers in (2, 3, 8):
        assert array_codestream(pixels, options, workers=workers) == one


@pytest.mark.parametrize(("kind", "shapes"), [("uint16", [(300, 310)] * 3), ("uint8", [(300, 310, 3)])])
def test_bands_of_a_tile_are_shared_out_unless_their_colours_are_transformed(kind, shapes, monkeypatch):
    encode, given = imagecodecs.htj2k_encode, []

    def noted(samples, **how):
        given.append(samples.shape)
        return encode(samples, **how)

    monkeypatch.setattr(imagecodecs, "htj2k_encode", noted)
    array_codestream(noise((3, 300, 310), kind), Jpeg2000Options(high_throughput=True), workers=3)
    assert given == shapes


@pytest.mark.parametrize("workers", [0, -1, 1.5, "2"])
def test_workers_that_are_no_number_of_threads_are_refused(workers):
    with pytest.raises(ValueError, match="workers must be a whole number of at least 1"):
        array_codestream(noise((1, 8, 8), "uint8"), workers=workers)


def test_few_tiles_share_the_threads_that_are_left():
    pixels, told = noise((3, 256, 512), "uint16"), []
    options = Jpeg2000Options(tile=TILE, high_throughput=True)
    for workers in (1, 5):
        told.append(array_codestream(pixels, options, workers=workers))
    assert told[0] == told[1]
    assert np.array_equal(gdal_pixels(told[1]), pixels)


@pytest.mark.parametrize(
    ("pixels", "options", "message"),
    [
        (np.zeros((1, 8, 8), np.float32), {}, "integers of 8, 16 and 32 bits, not float32"),
        (np.zeros((1, 8, 8), np.uint64), {}, "not uint64"),
        (np.zeros((1, 2000, 8), np.uint8), {"tile": (1000, 1024)}, "power of two from 32 to 32768, got 1000"),
        (np.zeros((1, 8200, 8200), np.uint8), {"tile": (32, 32)}, "at most 65535 tiles"),
        (np.zeros((1, 8, 8), np.uint8), {"levels": 4}, "4 decomposition levels need tile sides of 32 here, not 8"),
        (np.zeros((1, 8, 8), np.uint8), {"levels": 40}, "0 to 32 decomposition levels, not 40"),
        (np.zeros((1, 8, 8), np.uint8), {"levels": 0, "high_throughput": True}, "1 decomposition level at least"),
        (np.zeros((1, 8, 8), np.uint8), {"ratio": 0.5}, "above 1 and at most 1000, got 0.5"),
        (np.zeros((1, 8, 8), np.uint8), {"layers": 0}, "layers are 1 to 32 here, got 0"),
        (np.zeros((1, 8, 8), np.uint8), {"layers": 2, "high_throughput": True}, "one quality layer"),
        (np.zeros((2, 8, 8), np.uint8), {"color_transform": True}, "needs three bands here, not 2"),
        (np.zeros((1, 8, 8), np.uint8), {"bits": 9}, "uint8 samples have 1 to 8 bits, not 9"),
        (np.zeros((1, 8, 8), np.uint16), {"bits": 17, "high_throughput": True}, "uint16 samples have 1 to 16 bits"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_done_is_refused_by_name(pixels, options, message):
    with pytest.raises(EncodeError, match=message):
        array_codestream(pixels, Jpeg2000Options(**options))


def test_levels_asked_for_are_those_written():
    pixels = noise((1, 512, 512), "uint8")
    for high_throughput in (False, True):
        stream = array_codestream(pixels, Jpeg2000Options(tile=TILE, levels=3, high_throughput=high_throughput))
        assert stream[stream.index(b"\xff\x52") + 9] == 3
        assert np.array_equal(gdal_pixels(stream), pixels)


@pytest.mark.parametrize("options", [{}, {"ratio": 10}, {"high_throughput": True}], ids=str)
def test_other_threads_run_while_one_encodes(options):
    pixels = noise((3, 1024, 1024), "uint8")
    array_codestream(pixels[:, :64, :64], Jpeg2000Options(**options))  # what is imported once
    ran, done = [], threading.Event()

    def tick():
        while not done.wait(0.001):
            ran.append(1)

    other = threading.Thread(target=tick)
    other.start()
    array_codestream(pixels, Jpeg2000Options(**options))
    done.set()
    other.join()

    assert len(ran) >= 5


def test_nothing_is_said_on_stderr(capfd):
    with rasterio.Env():
        array_codestream(scene((1, 300, 300)), Jpeg2000Options(ratio=5))

    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("high_throughput", [False, True])
@pytest.mark.parametrize("shape", [(7, 1, 33), (8, 2, 300), (5, 3, 5), (13, 1, 1), (4, 2, 2)])
def test_few_rows_of_many_bands_are_not_taken_for_planes(shape, high_throughput):
    pixels = noise(shape, "uint16")

    stream = array_codestream(pixels, Jpeg2000Options(high_throughput=high_throughput))

    decode = imagecodecs.htj2k_decode if high_throughput else imagecodecs.jpeg2k_decode
    assert np.array_equal(decode(stream, planar=True), pixels)
    assert np.array_equal(openjpeg.decode(stream).transpose(2, 0, 1), pixels)


def test_the_last_rows_of_an_image_of_many_bands_are_kept():
    pixels = noise((8, 258, 300), "uint16")
    for high_throughput in (False, True):
        stream = array_codestream(pixels, Jpeg2000Options(tile=TILE, high_throughput=high_throughput))
        assert np.array_equal(openjpeg.decode(stream).transpose(2, 0, 1), pixels)


@pytest.mark.parametrize("high_throughput", [False, True])
@pytest.mark.parametrize("bits", [1, 3, 8, 9, 16])
@pytest.mark.parametrize("kind", ["uint32", "int32", "uint16"])
@pytest.mark.parametrize("shape", [(1, 40, 50), (3, 5, 5), (2, 300, 17), (1, 1, 90), (2, 90, 1)])
def test_few_bits_of_a_large_type_are_kept(shape, kind, bits, high_throughput):
    low = 0 if kind[0] == "u" else -(1 << (bits - 1))
    pixels = np.random.default_rng(2).integers(low, low + (1 << bits), shape).astype(kind)

    options = Jpeg2000Options(bits=bits, high_throughput=high_throughput, tile=(32, 32) if max(shape) > 80 else TILE)
    found = openjpeg.decode(array_codestream(pixels, options))

    assert np.array_equal(found[np.newaxis] if found.ndim == 2 else found.transpose(2, 0, 1), pixels)


@pytest.mark.parametrize("color_transform", [False, True])
@pytest.mark.parametrize("shape", [(3, 112, 64), (3, 130, 64), (3, 64, 125), (3, 111, 64)])
@pytest.mark.parametrize("bits", [1, 2])
def test_noise_of_one_bit_fits_into_its_tiles(shape, bits, color_transform):
    pixels = np.random.default_rng(5).integers(0, 1 << bits, shape).astype(np.uint8)
    for tile in ((32, 64), (64, 32), (128, 128)):
        options = Jpeg2000Options(bits=bits, tile=tile, color_transform=color_transform)
        assert np.array_equal(openjpeg.decode(array_codestream(pixels, options)).transpose(2, 0, 1), pixels)


@pytest.mark.parametrize("ratio", [None, 8])
@pytest.mark.parametrize("rest", [30, 31, 32, 62, 63])
def test_the_last_tile_has_all_levels_whatever_its_sides(rest, ratio):
    """A side of 2**(levels + 1) - 1 was taken for large enough by us and for too small by GDAL's driver."""
    pixels = scene((1, 64 + rest, 40))
    stream = array_codestream(pixels, Jpeg2000Options(tile=(64, 64), ratio=ratio))
    found = gdal_pixels(stream)
    assert np.abs(found.astype(int) - pixels).mean() <= (0 if ratio is None else 12)


def test_levels_that_would_silently_be_none_are_refused():
    with pytest.raises(EncodeError, match="4 decomposition levels need tile sides of 32 here, not 31"):
        array_codestream(scene((1, 31, 31)), Jpeg2000Options(levels=4, ratio=5))
