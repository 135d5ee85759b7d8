"""Blocks of byte streams decode to what rasterio reads, whole or in part, and never to more or less than a block."""

from __future__ import annotations

import lzma
import zlib

import imagecodecs
import numpy as np
import pytest
from decode_cases import SIDE, assert_decodes, blocks_of, codec_of, one_strip, opened, scene, written
from hypothesis import given
from hypothesis import strategies as st

from stacchip_osml.errors import DecodeError
from stacchip_osml.imagery.blocks import prefixes
from stacchip_osml.imagery.blocks.decode import DECODERS, Scratch, decode_block, use_row_prefixes

STREAMS = ["none", "deflate", "lzw", "zstd", "packbits", "lzma"]
PREDICTED = ["deflate", "lzw", "zstd", "lzma"]
INTEGERS = ["uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64"]
FLOATS = ["float32", "float64"]
ENCODERS = {
    "none": bytes,
    "deflate": zlib.compress,
    "zstd": imagecodecs.zstd_encode,
    "lzw": imagecodecs.lzw_encode,
    "packbits": imagecodecs.packbits_encode,
    "lzma": imagecodecs.lzma_encode,
}


@pytest.fixture
def _whole_blocks():
    use_row_prefixes(False)
    yield
    use_row_prefixes(True)


def noise(rows: int, cols: int = 128, *, seed: int = 1) -> np.ndarray:
    """uint16 that zstd and deflate find something in."""
    rng = np.random.default_rng(seed)
    return np.cumsum(rng.integers(-9, 10, (rows, cols)), axis=1).astype(np.uint16)


@pytest.mark.parametrize("compression", STREAMS)
@pytest.mark.parametrize("dtype", [*INTEGERS, *FLOATS, "complex64", "complex128", "complex_int16"])
def test_every_codec_gives_every_dtype_as_rasterio_reads_it(tmp_path, compression, dtype):
    pixels = scene(1, "complex64" if dtype == "complex_int16" else dtype)
    found = written(tmp_path / "a.tif", pixels, compress=compression, dtype=dtype)

    assert found.level.codec.compression == compression
    assert_decodes(found)


@pytest.mark.parametrize("endianness", ["BIG", "LITTLE"])
@pytest.mark.parametrize("samples", [1, 3, 5])
@pytest.mark.parametrize(
    ("predictor", "dtype"),
    [*((predictor, dtype) for dtype in [*INTEGERS, *FLOATS] for predictor in (1, 2)), (3, "float32"), (3, "float64")],
)
def test_predictors_are_undone_in_both_byte_orders(tmp_path, endianness, samples, predictor, dtype):
    options = {"interleave": "pixel", "compress": "deflate", "predictor": predictor, "ENDIANNESS": endianness}
    found = written(tmp_path / "a.tif", scene(samples, dtype), **options)

    assert found.level.codec.samples == samples
    assert found.level.codec.predictor == predictor
    assert_decodes(found)


@pytest.mark.parametrize("compression", PREDICTED)
@pytest.mark.parametrize(("dtype", "predictor"), [("uint8", 2), ("int16", 2), ("float32", 3), ("float64", 3)])
def test_every_codec_with_a_predictor_has_it_undone(tmp_path, compression, dtype, predictor):
    assert_decodes(written(tmp_path / "a.tif", scene(2, dtype), compress=compression, predictor=predictor))


@pytest.mark.parametrize("compression", STREAMS)
@pytest.mark.parametrize("endianness", ["BIG", "LITTLE"])
def test_strips_end_with_the_image(tmp_path, compression, endianness):
    pixels = scene(3, "uint16", rows=50, cols=37)
    options = {"tiled": False, "blockysize": 16, "interleave": "pixel", "ENDIANNESS": endianness}

    assert_decodes(written(tmp_path / "a.tif", pixels, compress=compression, **options))


@pytest.mark.parametrize("bits", [1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 17, 20, 23, 25, 31])
@pytest.mark.parametrize("samples", [1, 3])
def test_packed_samples_are_unpacked_as_gdal_does(tmp_path, bits, samples):
    kind = "uint8" if bits < 8 else "uint16" if bits < 16 else "uint32"
    pixels = scene(samples, "uint32", cols=67) % 2**bits
    options = {"NBITS": bits, "interleave": "pixel", "compress": "deflate", "tiled": False, "blockysize": 16}
    found = written(tmp_path / "a.tif", pixels.astype(kind), **options)

    assert found.level.codec.bits == bits
    assert_decodes(found)


def test_half_floats_arrive_as_float32(tmp_path):
    found = written(tmp_path / "a.tif", scene(1, "float32"), NBITS=16, compress="zstd")

    assert found.level.codec.stored == "<f2"
    assert_decodes(found)


def test_bits_of_bytes_may_lie_the_other_way_round():
    pixels = noise(20)
    turned = np.packbits(np.unpackbits(np.frombuffer(zlib.compress(pixels.tobytes()), np.uint8), bitorder="little"))
    tags = {256: 128, 257: 20, 258: 16, 259: 8, 266: 2}
    found = opened(one_strip(turned.tobytes(), tags))

    np.testing.assert_array_equal(found.pixels[0], pixels)
    assert_decodes(found)


# ---- row prefixes


@given(
    compression=st.sampled_from(STREAMS),
    rows=st.integers(1, 300),
    share=st.floats(0, 1),
    predictor=st.sampled_from([1, 2]),
    level=st.sampled_from([1, 6, 9]),
    kind=st.sampled_from(["steps", "random", "flat", "mixed"]),
)
def test_first_rows_are_those_of_the_whole_block(compression, rows, share, predictor, level, kind):
    pixels = noise(rows, 257)
    if kind == "random":
        pixels = np.random.default_rng(2).integers(0, 2**16, pixels.shape, np.uint16)
    elif kind == "flat":
        pixels[:] = 7
    elif kind == "mixed":
        pixels[rows // 3 : rows // 2] = 7
        pixels[rows // 2 :] = np.random.default_rng(3).integers(0, 2**16, pixels[rows // 2 :].shape)
    plain = (imagecodecs.delta_encode(pixels, axis=-1) if predictor == 2 else pixels).tobytes()
    levels = {"level": level} if compression in {"deflate", "zstd"} else {}
    data = ENCODERS[compression](plain, **levels)
    codec = codec_of(compression, "uint16", predictor=predictor)
    wanted = max(1, round(rows * share))

    got = decode_block(codec, data, shape=pixels.shape, rows=wanted, scratch=Scratch())

    np.testing.assert_array_equal(got[0, :wanted], pixels[:wanted])


def test_a_prefix_of_a_zstd_block_is_really_less_work():
    plain = noise(2048, 512).tobytes()
    data = imagecodecs.zstd_encode(plain)
    frame = prefixes.read_frame(data)

    assert frame is not None
    assert frame.blocks >= len(plain) // prefixes.ZSTD_BLOCK
    begun = imagecodecs.zstd_decode(prefixes.first_blocks(data, frame, 2))
    assert plain.startswith(begun)
    assert 0 < len(begun) <= 2 * prefixes.ZSTD_BLOCK


def test_the_empty_block_that_ends_a_streamed_zstd_frame_does_not_count():
    plain = noise(1024, 256).tobytes()
    data = bytearray(imagecodecs.zstd_encode(plain))
    whole = prefixes.read_frame(bytes(data))
    assert whole is not None
    data[whole.edges[-2]] &= 0xFE  # no longer the last block
    data[whole.edges[-1] :] = b"\x01\0\0"

    frame = prefixes.read_frame(bytes(data))

    assert frame is not None
    assert frame.edges == whole.edges
    assert frame.end == len(data)
    assert prefixes.first_blocks(bytes(data), frame, 2) == prefixes.first_blocks(bytes(data), whole, 2)
    scratch = Scratch()
    scratch.octets("stream", len(plain))[:] = 0xEE
    got = decode_block(codec_of("zstd", "uint16"), data, shape=(1024, 256), rows=512, scratch=scratch)
    assert got[:, :512].tobytes() == plain[: len(plain) // 2]
    assert (scratch.octets("stream", len(plain))[len(plain) // 2 :] == 0xEE).all(), "more was decoded than the half"


def test_this_libdeflate_stops_early():
    assert prefixes._libdeflate_keeps_what_it_wrote()


def test_a_decoder_that_does_not_stop_early_is_not_asked_to(monkeypatch):
    pixels = noise(200)
    monkeypatch.setattr(prefixes, "_libdeflate_keeps_what_it_wrote", lambda: False)

    got = decode_block(
        codec_of("deflate", "uint16"),
        zlib.compress(pixels.tobytes()),
        shape=pixels.shape,
        rows=20,
        scratch=Scratch(),
    )

    np.testing.assert_array_equal(got[0, :20], pixels[:20])


@pytest.mark.usefixtures("_whole_blocks")
@pytest.mark.parametrize("compression", STREAMS)
def test_rows_are_the_same_where_prefixes_are_off(compression):
    pixels = noise(200)
    data = ENCODERS[compression](pixels.tobytes())

    got = decode_block(codec_of(compression, "uint16"), data, shape=pixels.shape, rows=9, scratch=Scratch())

    np.testing.assert_array_equal(got[0, :9], pixels[:9])


def test_stored_deflate_blocks_are_copied_whole_or_not_at_all():
    pixels = np.random.default_rng(0).integers(0, 256, (600, 512), np.uint8)
    data = zlib.compress(pixels.tobytes(), 0)
    scratch = Scratch()
    for rows in (1, 100, 127, 128, 129, 300, 599, 600):
        scratch.octets("stream", 600 * 512 + 100_000)[:] = 0xEE

        got = decode_block(codec_of("deflate", "uint8"), data, shape=pixels.shape, rows=rows, scratch=scratch)

        np.testing.assert_array_equal(got[0, :rows], pixels[:rows])


# ---- streams that are not the block's


@pytest.mark.parametrize("compression", STREAMS)
@pytest.mark.parametrize("share", [0.0, 0.3, 0.97])
def test_a_stream_that_ends_early_leaves_nothing_of_the_block_before(compression, share):
    pixels = np.random.default_rng(4).integers(0, 9, (300, 128)).astype(np.uint16)
    codec, scratch = codec_of(compression, "uint16"), Scratch()
    data = ENCODERS[compression](pixels.tobytes())
    decode_block(codec, data, shape=pixels.shape, rows=300, scratch=scratch)

    with pytest.raises(DecodeError, match=r"deflate|zstd|libtiff|LZMA|uncompressed|empty"):
        decode_block(codec, data[: int(len(data) * share)], shape=pixels.shape, rows=300, scratch=scratch)


@pytest.mark.parametrize("compression", STREAMS)
def test_a_stream_of_fewer_rows_is_damaged_where_they_are_wanted(compression):
    pixels = noise(100)
    data = ENCODERS[compression](pixels.tobytes())
    codec = codec_of(compression, "uint16")

    with pytest.raises(DecodeError, match=r"expected|libtiff"):
        decode_block(codec, data, shape=(101, 128), rows=101, scratch=Scratch())
    got = decode_block(codec, data, shape=(200, 128), rows=100, scratch=Scratch())
    np.testing.assert_array_equal(got[0, :100], pixels)


@pytest.mark.parametrize("compression", STREAMS)
@pytest.mark.parametrize("rows", [3, 40, 100])
def test_a_stream_that_goes_on_after_its_block_is_read_so_far(compression, rows):
    pixels = noise(1200, 256)
    data = ENCODERS[compression](pixels.tobytes())

    got = decode_block(codec_of(compression, "uint16"), data, shape=(rows, 256), rows=rows, scratch=Scratch())

    np.testing.assert_array_equal(got[0, :rows], pixels[:rows])


@pytest.mark.usefixtures("_whole_blocks")
@pytest.mark.parametrize("compression", STREAMS)
def test_a_stream_that_goes_on_after_its_block_is_read_so_far_without_prefixes(compression):
    pixels = noise(1200, 256)
    data = ENCODERS[compression](pixels.tobytes())

    got = decode_block(codec_of(compression, "uint16"), data, shape=(40, 256), rows=40, scratch=Scratch())

    np.testing.assert_array_equal(got[0, :40], pixels[:40])


@pytest.mark.parametrize("compression", STREAMS)
def test_bytes_after_the_stream_do_not_matter(compression):
    pixels = noise(80)
    data = ENCODERS[compression](pixels.tobytes()) + b"\0padding\xff"
    for rows in (10, 80):
        got = decode_block(codec_of(compression, "uint16"), data, shape=(80, 128), rows=rows, scratch=Scratch())

        np.testing.assert_array_equal(got[0, :rows], pixels[:rows])


def test_a_stream_that_would_fill_the_memory_is_no_larger_than_its_block():
    bombs = {"deflate": zlib.compress(bytes(50_000_000)), "zstd": imagecodecs.zstd_encode(bytes(50_000_000))}
    bombs["lzma"] = lzma.compress(bytes(5_000_000))
    for compression, data in bombs.items():
        scratch = Scratch()

        got = decode_block(codec_of(compression, "uint8"), data, shape=(8, 8), rows=8, scratch=scratch)

        assert not got.any()
        assert sum(buffer.nbytes for buffer in scratch._buffers.values()) < 1 << 19


def test_zstd_frames_may_follow_each_other():
    pixels = noise(90)
    data = b"".join(imagecodecs.zstd_encode(part.tobytes()) for part in (pixels[:50], pixels[50:]))

    got = decode_block(codec_of("zstd", "uint16"), data, shape=(90, 128), rows=90, scratch=Scratch())

    np.testing.assert_array_equal(got[0], pixels)


def test_lzw_of_old_writers_has_its_codes_the_other_way_round():
    # Codes 256 (clear), 65, 66, 258 (65 66), 257 (end), nine bits each from the lowest: ABAB.
    codes = sum(code << 9 * place for place, code in enumerate((256, 65, 66, 258, 257)))

    got = decode_block(codec_of("lzw", "uint8"), codes.to_bytes(6, "little"), shape=(2, 2), rows=2, scratch=Scratch())

    assert got.tobytes() == b"ABAB"


def test_lzw_that_would_crash_a_careless_decoder_is_an_error():
    codes = sum(code << 9 * (6 - place) for place, code in enumerate((256, 300, 258, 259, 260, 65, 66)))
    with pytest.raises(DecodeError, match="libtiff"):
        decode_block(
            codec_of("lzw", "uint8"), (codes << 1).to_bytes(8, "big"), shape=(30, 30), rows=30, scratch=Scratch()
        )


# ---- the call


def test_unknown_codecs_and_impossible_rows_are_refused():
    with pytest.raises(DecodeError, match="no decoder for morse"):
        decode_block(codec_of("morse", "uint8"), b"", shape=(1, 1), rows=1, scratch=Scratch())
    with pytest.raises(DecodeError, match="3 rows of a block of 2 x 2"):
        decode_block(codec_of("none", "uint8"), b"1234", shape=(2, 2), rows=3, scratch=Scratch())


@pytest.mark.parametrize("compression", [name for name in DECODERS if name not in STREAMS])
@pytest.mark.parametrize("data", [b"", b"\0", b"\xff\xd8", b"\xff\x4f\xff\x51", bytes(1000)])
def test_what_is_no_picture_at_all_is_an_error(compression, data):
    samples = 3 if compression == "webp" else 1
    with pytest.raises(DecodeError, match=r"JPEG|WebP|LERC|empty"):
        decode_block(codec_of(compression, "uint8", samples=samples), data, shape=(4, 4), rows=4, scratch=Scratch())


@pytest.mark.parametrize("predictor", [1, 2])
@pytest.mark.parametrize("stored", ["<u2", ">u2"])
def test_blocks_go_where_the_caller_wants_them(predictor, stored):
    pixels = noise(40, 60).reshape(40, 20, 3)
    plain = imagecodecs.delta_encode(pixels, axis=1) if predictor == 2 else pixels
    data = zlib.compress(plain.astype(stored).tobytes())
    codec = codec_of("deflate", "uint16", stored=stored, samples=3, predictor=predictor)
    wide = np.zeros((3, 50, 30), np.uint16)

    got = decode_block(codec, data, shape=(40, 20), rows=25, scratch=Scratch(), out=wide[:, 5:30, 2:22])

    assert np.shares_memory(got, wide)
    np.testing.assert_array_equal(wide[:, 5:30, 2:22], pixels.transpose(2, 0, 1)[:, :25])
    assert not wide[:, 30:].any()
    with pytest.raises(ValueError, match=r"\(3, 25, 20\) uint16 go into \(3, 25, 20\) int16"):
        decode_block(codec, data, shape=(40, 20), rows=25, scratch=Scratch(), out=np.zeros((3, 25, 20), np.int16))


def test_uncompressed_blocks_are_not_copied(tmp_path):
    block = next(blocks_of(written(tmp_path / "a.tif", scene(1, "uint16"), compress="none")))
    data = bytearray(block.data)

    got = decode_block(codec_of("none", "uint16"), memoryview(data), shape=(SIDE, SIDE), rows=SIDE, scratch=Scratch())

    assert np.shares_memory(got, np.frombuffer(data, np.uint8))
