"""Deflate: what zlib and libdeflate read is what was compressed, by either encoder, whole or in parts."""

import threading
import zlib
from concurrent.futures import ThreadPoolExecutor

import imagecodecs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stacchip_osml.encode.codecs import deflate_bytes, deflate_part

NOISE = np.random.default_rng(0).integers(0, 256, 300_000, dtype=np.uint8)


@pytest.mark.parametrize("level", [None, 0, 1, 6, 9, 12])
@pytest.mark.parametrize("size", [0, 1, 2, 65_535, 65_536, 300_000])
@pytest.mark.parametrize("values", [1, 6, 256])
def test_two_decoders_read_it(level, size, values):
    data = NOISE[:size] % values if values < 256 else NOISE[:size]

    packed = deflate_bytes(data, level)

    assert zlib.decompress(packed) == data.tobytes()
    if size:
        assert bytes(imagecodecs.deflate_decode(packed)) == data.tobytes()
    assert len(packed) < size * 1.001 + 64


@pytest.mark.parametrize("shape", [(7, 5), (3, 7, 5)])
@pytest.mark.parametrize("dtype", ["uint16", "float32", "int64", "complex128"])
def test_arrays_of_any_shape_and_type_are_their_bytes(shape, dtype):
    data = np.arange(np.prod(shape)).reshape(shape).astype(dtype)

    assert zlib.decompress(deflate_bytes(data)) == data.tobytes()


def test_a_level_is_libdeflates():
    for level in (1, 6, 12):
        assert deflate_bytes(NOISE % 6, level) == imagecodecs.deflate_encode(NOISE % 6, level=level)


@given(
    st.lists(st.integers(0, 3000), min_size=1, max_size=6),
    st.sampled_from([None, 0, 1, 6, 9]),
    st.sampled_from([1, 7, 256]),
)
def test_parts_make_one_stream_whatever_their_sizes(sizes, level, values):
    data = NOISE[: sum(sizes)] % values if values < 256 else NOISE[: sum(sizes)]
    ends = np.cumsum(sizes)
    pieces = [data[end - size : end] for end, size in zip(ends, sizes, strict=True)]

    parts = [deflate_part(piece, level, last=piece is pieces[-1]) for piece in pieces]

    bare = zlib.decompressobj(-15)
    assert bare.decompress(b"".join(piece for packed, _ in parts for piece in packed)) == data.tobytes()
    assert bare.eof
    assert not bare.unused_data
    assert [check for _, check in parts] == [zlib.adler32(piece) for piece in pieces]


@pytest.mark.parametrize("level", [None, 1])
def test_threads_give_the_same_bytes(level):
    pieces = [NOISE[start : start + 100_000] % 100 for start in range(0, 250_000, 10_000)]

    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda piece: deflate_bytes(piece, level), pieces))

    assert [zlib.decompress(packed) for packed in together] == [piece.tobytes() for piece in pieces]
    assert together == [deflate_bytes(piece, level) for piece in pieces]


def test_bytes_do_not_depend_on_the_thread():
    """igzip alone hashes an address of the stack: the third byte is then found again by some threads, not by others."""
    random = np.random.default_rng(1)
    pieces = [
        np.concatenate(
            (start, random.integers(0, 20, 300, np.uint8), start[2:7], random.integers(0, 20, 290, np.uint8))
        )
        for start in random.integers(0, 256, (20_000, 10), np.uint8)
    ]
    found = []
    threads = [threading.Thread(target=lambda: found.append([*map(deflate_bytes, pieces)])) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("compress", [deflate_bytes, lambda data: deflate_part(data, last=True)])
def test_others_go_on_while_it_compresses(compress):
    data = np.tile(NOISE, 60)
    thread = threading.Thread(target=compress, args=(data,))
    turns = 0

    thread.start()
    while thread.is_alive():
        turns += 1

    assert turns > 1000
