"""Bytes become samples: every order, byte order, packing, small float and complex pair."""

from __future__ import annotations

import numpy as np
import pytest
from decode_cases import codec_of, one_strip
from hypothesis import given
from hypothesis import strategies as st
from rasterio.io import MemoryFile

from stacchip_osml.errors import DecodeError
from stacchip_osml.imagery.blocks.decode import Scratch, decode_block
from stacchip_osml.imagery.blocks.layout import BlockCodec
from stacchip_osml.imagery.blocks.unpack import block_bytes

ORDERS = {"pixel": (1, 2, 0), "row": (1, 0, 2), "band": (0, 1, 2)}
"""``(samples, rows, cols)`` → as stored."""
sides = st.integers(1, 20)


def packed(values: np.ndarray, bits: int, *, aligned: bool) -> bytes:
    """The lowest bits of each number, the highest of them first; lines are the last axis."""
    spread = (values[..., None].astype(np.uint64) >> np.arange(bits, dtype=np.uint64)[::-1]) & 1
    lines = spread.astype(np.uint8).reshape(-1, values.shape[-1] * bits)
    return np.packbits(lines, axis=1).tobytes() if aligned else np.packbits(lines.reshape(-1)).tobytes()


@given(
    rows=sides,
    cols=sides,
    samples=st.integers(1, 4),
    order=st.sampled_from(sorted(ORDERS)),
    stored=st.sampled_from(["u1", "<u2", ">u2", ">i4", "<f4", ">f8", ">c8", "<c16", ">u8"]),
    share=st.floats(0, 1),
)
def test_samples_of_every_order_and_byte_order_come_apart(rows, cols, samples, order, stored, share):
    kind = np.dtype(stored)
    pixels = np.random.default_rng(1).integers(0, 256, (samples, rows, cols)).astype(kind.newbyteorder("="))
    data = pixels.transpose(ORDERS[order]).astype(stored).tobytes()
    codec = codec_of("none", pixels.dtype.name, stored=stored, samples=samples, order=order)
    wanted = max(1, round(rows * share))

    got = decode_block(
        codec, data[: block_bytes(codec, (rows, cols), wanted)], shape=(rows, cols), rows=wanted, scratch=Scratch()
    )

    assert got.dtype.isnative
    np.testing.assert_array_equal(got[:, :wanted], pixels[:, :wanted])


@given(
    rows=sides,
    cols=sides,
    samples=st.integers(1, 3),
    order=st.sampled_from(sorted(ORDERS)),
    bits=st.sampled_from([bits for bits in range(1, 32) if bits not in (8, 16, 24)]),
    aligned=st.booleans(),
    signed=st.booleans(),
    share=st.floats(0, 1),
)
def test_packed_samples_of_every_order_come_apart(rows, cols, samples, order, bits, aligned, signed, share):
    stored = ("i" if signed else "u") + ("1" if bits < 8 else "2" if bits < 16 else "4")
    numbers = np.random.default_rng(2).integers(0, 2**bits, (samples, rows, cols), np.uint64).astype(np.int64)
    pixels = np.where(signed & (numbers >> (bits - 1) > 0), numbers - 2**bits, numbers).astype(stored)
    laid = numbers.transpose(ORDERS[order])
    lines = laid.reshape(rows, -1) if order == "pixel" else laid.reshape(-1, cols)
    data = packed(lines, bits, aligned=aligned)
    codec = BlockCodec(
        compression="none",
        dtype=pixels.dtype.name,
        stored=stored,
        bits=bits,
        samples=samples,
        order=order,
        aligned_rows=aligned,
    )
    wanted = max(1, round(rows * share))

    assert block_bytes(codec, (rows, cols), rows) == len(data)
    got = decode_block(
        codec, data[: block_bytes(codec, (rows, cols), wanted)], shape=(rows, cols), rows=wanted, scratch=Scratch()
    )
    np.testing.assert_array_equal(got[:, :wanted], pixels[:, :wanted])


@pytest.mark.parametrize("stored", ["<i2", ">i2", "<i4", ">i4"])
def test_pairs_of_integers_are_complex(stored):
    pairs = np.random.default_rng(3).integers(-30_000, 30_000, (5, 6, 2, 2))
    codec = codec_of("none", "complex64", stored=stored, samples=2, pairs=True)

    got = decode_block(codec, pairs.astype(stored).tobytes(), shape=(5, 6), rows=4, scratch=Scratch())

    assert got.dtype == np.complex64
    np.testing.assert_array_equal(got, (pairs[..., 0] + 1j * pairs[..., 1]).transpose(2, 0, 1)[:, :4])


@pytest.mark.parametrize("stored", ["<f2", ">f2"])
@pytest.mark.parametrize("predictor", [1, 3])
def test_half_floats_are_widened(stored, predictor):
    floats = np.random.default_rng(4).normal(size=(6, 7)).astype(np.float16)
    data = floats.astype(stored).tobytes()
    if predictor == 3:
        planes = floats.astype(">f2").view(np.uint8).reshape(6, 7, 2).transpose(0, 2, 1).reshape(6, 14)
        data = np.diff(planes, axis=1, prepend=np.uint8(0)).tobytes()

    codec = codec_of("none", "float32", stored=stored, predictor=predictor)
    got = decode_block(codec, data, shape=(6, 7), rows=6, scratch=Scratch())

    assert got.dtype == np.float32
    np.testing.assert_array_equal(got[0], floats)


@pytest.mark.parametrize("predictor", [1, 3])
def test_floats_of_24_bits_are_those_that_gdal_reads(predictor):
    rng = np.random.default_rng(5)
    octets = rng.integers(0, 256, (9, 11, 3), np.uint8)  # from the highest byte: any sign, exponent and mantissa
    octets[0, :5] = [[0, 0, 0], [0x80, 0, 0], [0x7F, 0, 0], [0xFF, 0, 0], [0, 0, 1]]
    data = octets[..., ::-1].tobytes()
    if predictor == 3:
        data = np.diff(octets.transpose(0, 2, 1).reshape(9, 33), axis=1, prepend=np.uint8(0)).tobytes()
    import zlib

    file = one_strip(zlib.compress(data), {256: 11, 257: 9, 258: 24, 259: 8, 339: 3, 317: predictor})
    with MemoryFile(file) as memory, memory.open(driver="GTiff") as dataset:
        expected = dataset.read()
    codec = codec_of("deflate", "float32", stored="<f4", bits=24, predictor=predictor)

    got = decode_block(codec, zlib.compress(data), shape=(9, 11), rows=9, scratch=Scratch())

    np.testing.assert_array_equal(got, expected)


def test_samples_that_count_from_white_are_turned():
    bits = np.random.default_rng(6).integers(0, 2, (4, 9), np.uint8)
    codec = BlockCodec(compression="none", dtype="uint8", stored="u1", bits=1, samples=1, invert=True)
    out = np.empty((1, 4, 9), np.uint8)

    got = decode_block(codec, packed(bits, 1, aligned=True), shape=(4, 9), rows=4, scratch=Scratch(), out=out)

    assert got is out
    np.testing.assert_array_equal(got[0], 1 - bits)


@pytest.mark.parametrize(
    ("codec", "message"),
    [
        (codec_of("none", "uint16", predictor=3), "predictor 3 of samples stored as <u2"),
        (codec_of("none", "complex64", predictor=2), "predictor 2 of samples stored as <c8"),
        (codec_of("none", "uint16", predictor=7), "predictor 7"),
        (codec_of("none", "uint8", order="spiral"), "samples in spiral order"),
        (codec_of("none", "uint8", stored="<f4"), "samples stored as <f4, delivered as uint8"),
        (codec_of("none", "uint32", stored="u4", bits=24), "24-bit samples stored as u4"),
        (codec_of("none", "float32", invert=True), "float32 samples that count from white"),
    ],
)
def test_samples_of_unknown_kinds_are_refused(codec, message):
    with pytest.raises(DecodeError, match=message):
        decode_block(codec, bytes(4096), shape=(4, 4), rows=4, scratch=Scratch())


def test_memory_is_used_again_and_large_buffers_are_let_go():
    scratch = Scratch()
    first = scratch.octets("stream", 1000)
    again = scratch.octets("stream", 900)
    large = scratch.octets("stream", 1 << 27)

    assert np.shares_memory(first, again)
    assert not np.shares_memory(first, scratch.octets("delivered", 10))
    assert not np.shares_memory(large, scratch.octets("stream", 10))
    assert np.shares_memory(first, scratch.octets("stream", 10))
