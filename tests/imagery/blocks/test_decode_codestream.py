"""JPEG 2000 tiles decode to what rasterio reads, at every resolution, and ask for no more memory than they explain."""

from __future__ import annotations

import struct
import warnings

import imagecodecs
import numpy as np
import pytest
import rasterio
from decode_cases import codec_of, scene
from hypothesis import given
from hypothesis import strategies as st
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import MemoryFile

from stacchip_osml.errors import DecodeError
from stacchip_osml.imagery.blocks.decode import Scratch, decode_block
from stacchip_osml.imagery.blocks.layout import LevelLayout
from stacchip_osml.imagery.jpeg2000.blocks import parse_jpeg2000
from stacchip_osml.imagery.jpeg2000.codestream import require_codestream
from stacchip_osml.imagery.limits import ReadLimits

IMAGE = np.ascontiguousarray(scene(1, "uint16", rows=200, cols=260)[0] // 16)
PLAIN = imagecodecs.jpeg2k_encode(IMAGE, codecformat="J2K", resolutions=4, reversible=True)
CODEC = codec_of("jpeg2000", "uint16")
COD = PLAIN.index(b"\xff\x52")


def decoded(data, shape=IMAGE.shape, codec=CODEC):
    return decode_block(codec, data, shape=shape, rows=shape[0], scratch=Scratch())


def tiles_of(data: bytes, level: LevelLayout):
    """Each tile's (row, col), tile-parts and (rows, cols)."""
    rows, cols = level.block_shape
    for row, col in np.ndindex(level.offsets.shape[2:]):
        places = zip(level.offsets[:, 0, row, col].tolist(), level.counts[:, 0, row, col].tolist(), strict=True)
        parts = b"".join(data[at : at + count] for at, count in places)
        shape = min(rows, level.size.height - row * rows), min(cols, level.size.width - col * cols)
        yield (row, col), parts, shape


def assert_all_levels_are_rasterios(data: bytes) -> int:
    layout = parse_jpeg2000(lambda at, size: data[at : at + size], name="made", limits=ReadLimits(), size=len(data))
    for number, level in enumerate(layout.levels):
        assert isinstance(level, LevelLayout), level
        overview = {} if number == 0 else {"OVERVIEW_LEVEL": number - 1}
        with warnings.catch_warnings(), MemoryFile(data) as memory:
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with memory.open(driver="JP2OpenJPEG", **overview) as dataset:
                expected = dataset.read()
        rows, cols = level.block_shape
        for (row, col), parts, shape in tiles_of(data, level):
            got = decode_block(level.codec, parts, shape=shape, rows=shape[0], scratch=Scratch())
            here = expected[:, row * rows : row * rows + shape[0], col * cols : col * cols + shape[1]]
            assert got.dtype == expected.dtype
            np.testing.assert_array_equal(got, here)
    return len(layout.levels)


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16"])
@pytest.mark.parametrize("reversible", ["YES", "NO"])
def test_tiles_of_every_level_are_what_rasterio_reads(tmp_path, count, dtype, reversible):
    pixels = scene(count, dtype, rows=300, cols=420)
    options = {"BLOCKXSIZE": 128, "BLOCKYSIZE": 128, "RESOLUTIONS": 4, "REVERSIBLE": reversible, "QUALITY": 50}
    path = tmp_path / "a.j2k"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        profile = {"count": count, "height": 300, "width": 420, "dtype": dtype, **options}
        with rasterio.open(path, "w", driver="JP2OpenJPEG", **profile) as dataset:
            dataset.write(pixels)

    assert assert_all_levels_are_rasterios(path.read_bytes()) == 3


@pytest.mark.parametrize("reversible", [True, False])
@pytest.mark.parametrize("tilepart", [None, 1])
def test_high_throughput_tiles_of_every_level_are_what_rasterio_reads(reversible, tilepart):
    pixels = np.ascontiguousarray(scene(3, "uint8", rows=300, cols=420).transpose(1, 2, 0))
    loss = {"reversible": reversible, "level": None if reversible else 0.01}
    data = imagecodecs.htj2k_encode(pixels, tile=(128, 128), resolutions=3, tilepart=tilepart, tlm=True, **loss)

    assert assert_all_levels_are_rasterios(data) == 3


def test_a_whole_codestream_is_a_block_too():
    boxed = imagecodecs.jpeg2k_encode(IMAGE, codecformat="JP2", resolutions=4, reversible=True)

    np.testing.assert_array_equal(decoded(PLAIN)[0], IMAGE)
    np.testing.assert_array_equal(decoded(boxed)[0], IMAGE)


# ---- damage


@pytest.mark.parametrize("shape", [(200, 261), (201, 260), (100, 130)])
def test_a_tile_of_another_size_is_refused_before_it_is_decoded(shape):
    with pytest.raises(DecodeError, match=r"JPEG 2000 of 260 x 200 pixels, 1 components in a block of"):
        decoded(PLAIN, shape)


def test_other_samples_than_the_blocks_are_refused():
    with pytest.raises(DecodeError, match="1 components in a block of 260 x 200, 2"):
        decoded(PLAIN, codec=codec_of("jpeg2000", "uint16", samples=2))
    with pytest.raises(DecodeError, match="JPEG 2000"):
        decoded(PLAIN, codec=codec_of("jpeg2000", "uint8"))


def test_a_tile_that_is_cut_short_is_damaged():
    start = PLAIN.index(b"\xff\x90\x00\x0a")
    codec = codec_of("jpeg2000", "uint16", shared=PLAIN[:start])
    part = PLAIN[start:-2]

    np.testing.assert_array_equal(decoded(part, codec=codec)[0], IMAGE)
    for size in (0, 5, 13, 40, len(part) // 2, len(part) - 1):
        with pytest.raises(DecodeError, match=r"tile-part|where one of tile"):
            decoded(part[:size], codec=codec)


def test_tiles_that_a_codestream_does_not_have_are_an_error():
    tiled = bytearray(PLAIN)
    struct.pack_into(">II", tiled, 24, 64, 64)

    with pytest.raises(DecodeError, match="JPEG 2000 of 20 tiles, of which 1 were found"):
        decoded(bytes(tiled))


@pytest.mark.parametrize(("side", "message"), [(1, "52000 tiles of 1 x 1, .* precincts"), (0, "in a block of")])
def test_more_tiles_than_their_pixels_explain_are_refused(side, message):
    tiled = bytearray(PLAIN)
    struct.pack_into(">II", tiled, 24, side, side)

    with pytest.raises(DecodeError, match=message):
        decoded(bytes(tiled))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({9: (">B", 33)}, "not allowed|resolutions"),
        ({10: (">B", 9)}, "not allowed"),
        ({2: (">H", 3)}, "not allowed|cut short|marker|layers"),
    ],
)
def test_headers_that_break_the_rules_are_refused(change, message):
    data = bytearray(PLAIN)
    for place, (form, value) in change.items():
        struct.pack_into(form, data, COD + place, value)

    with pytest.raises(DecodeError, match=message):
        require_codestream(bytes(data), CODEC, shape=IMAGE.shape)


def header_only(side: int, *, layers: int, precincts: int) -> bytes:
    """A codestream without data: one tile, six resolutions, all precincts of ``2**precincts`` pixels a side."""
    siz = struct.pack(">HHHIIIIIIIIHBBB", 0xFF51, 41, 0, side, side, 0, 0, side, side, 0, 0, 1, 7, 1, 1)
    sizes = bytes((precincts * 17,)) * 6
    cod = struct.pack(">HHBBHBBBBBB6s", 0xFF52, 18, 1, 0, layers, 0, 5, 4, 4, 0, 1, sizes)
    return b"\xff\x4f" + siz + cod + struct.pack(">HHHIBB", 0xFF90, 10, 0, 14, 0, 1) + b"\xff\x93\xff\xd9"


@pytest.mark.parametrize(
    ("side", "layers", "precincts", "message"),
    [
        (8192, 1, 1, "8192 x 8192 pixels in .* precincts"),
        (8192, 60000, 8, "60000 layers"),
        (16384, 1, 15, "16384 x 16384 pixels, 1 components, 1 tiles"),
    ],
)
def test_headers_that_ask_for_more_memory_than_they_explain_are_refused(side, layers, precincts, message):
    codec = codec_of("jpeg2000", "uint8")
    require_codestream(header_only(8192, layers=20, precincts=8), codec, shape=(8192, 8192))

    with pytest.raises(DecodeError, match=message):
        require_codestream(header_only(side, layers=layers, precincts=precincts), codec, shape=(side, side))


def test_a_resolution_that_gdal_does_not_show_is_an_error():
    start = PLAIN.index(b"\xff\x90\x00\x0a")
    codec = codec_of("jpeg2000", "uint16", shared=PLAIN[:start], reduce=3)

    with pytest.raises(DecodeError, match="JPEG 2000: "):
        decode_block(codec, PLAIN[start:-2], shape=(25, 33), rows=25, scratch=Scratch())


@given(
    changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=6),
    head=st.booleans(),
    name=st.sampled_from(["jpeg2000", "htj2k"]),
)
def test_damaged_codestreams_are_errors_or_pixels(changes, head, name):
    small = np.ascontiguousarray(IMAGE[:64, :64])
    data = bytearray(
        imagecodecs.htj2k_encode(small, resolutions=3)
        if name == "htj2k"
        else imagecodecs.jpeg2k_encode(small, codecformat="J2K", resolutions=3)
    )
    for share, value in changes:
        data[int(share * ((150 if head else len(data)) - 1))] = value
    try:
        got = decoded(bytes(data), small.shape, codec_of(name, "uint16"))
    except DecodeError:
        return
    assert got.shape == (1, 64, 64)
