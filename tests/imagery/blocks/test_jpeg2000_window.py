"""Of a JPEG 2000 tile only the code-blocks under a window are decoded; its pixels are those of the tile."""

from __future__ import annotations

import struct
import tracemalloc
import warnings

import imagecodecs
import numpy as np
import pytest
from decode_cases import scene
from hypothesis import given, settings
from hypothesis import strategies as st
from jpeg2000_files import high_throughput, parsed, tiles_of
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import MemoryFile

from stacchip_osml.imagery.blocks.cache import BlockCache
from stacchip_osml.imagery.blocks.engine import WindowRead, read_windows
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.imagery.jpeg2000.blocks import one_tile_codestream
from stacchip_osml.imagery.jpeg2000.window import only_window
from stacchip_osml.pixel import PixelWindow

SIDES = (620, 700)
TILES = {"BLOCKXSIZE": "512", "BLOCKYSIZE": "512", "REVERSIBLE": "YES", "QUALITY": "100"}
LAYERS = {"QUALITY": "2,5,10,20,50,100"}
SMALL = "{128,128},{128,64},{64,64}"
ORDERS = {
    order: {"PROGRESSION": order, "PRECINCTS": SMALL, **LAYERS} for order in ("LRCP", "RLCP", "RPCL", "PCRL", "CPRL")
}
PLAIN = {
    **ORDERS,
    "one layer": {},
    "lossy": {"REVERSIBLE": "NO", "QUALITY": "5,20"},
    "small code-blocks": {"CODEBLOCK_WIDTH": "16", "CODEBLOCK_HEIGHT": "64"},
    "two resolutions": {"RESOLUTIONS": "2"},
    "packet lengths": {"PLT": "YES", **LAYERS},
    "one precinct": {"PRECINCTS": "{32768,32768}"},
    "markers": {"SOP": "YES", "EPH": "YES"},
}
ODD = {
    "a run of bytes for each pass": {"CODEBLOCK_STYLE": "TERMALL"},
    "raw passes": {"CODEBLOCK_STYLE": "BYPASS"},
}


def gdals(pixels: np.ndarray, **options: str) -> bytes:
    profile = {"driver": "JP2OpenJPEG", "count": len(pixels), "height": pixels.shape[1], "width": pixels.shape[2]}
    with warnings.catch_warnings(), MemoryFile() as memory:
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with memory.open(**profile, dtype=pixels.dtype, **{**TILES, **options}) as dataset:
            dataset.write(pixels)
        return memory.read()


def made(name: str, bands: int = 1) -> list[bytes]:
    """Each tile as a codestream."""
    pixels = scene(bands, "uint16" if bands == 1 else "uint8", rows=SIDES[0], cols=SIDES[1])
    if name == "high throughput":
        data = high_throughput(pixels, tile=(512, 512))
    else:
        data = gdals(pixels, **{**PLAIN, **ODD}[name])
    level = parsed(data).levels[0]
    return [one_tile_codestream(level.codec.shared, parts) for _, parts in tiles_of(level, data)]


def decoded(stream: bytes) -> np.ndarray:
    pixels = imagecodecs.jpeg2k_decode(stream, planar=True)
    return pixels[None] if pixels.ndim == 2 else pixels


@pytest.mark.parametrize("bands", [1, 3])
@pytest.mark.parametrize("name", [*PLAIN, "high throughput"])
def test_a_window_has_the_pixels_of_its_tile(name, bands):
    random = np.random.default_rng(len(name))
    for stream in made(name, bands):
        whole = decoded(stream)
        rows, cols = whole.shape[1:]
        for number in range(6):
            width, height = int(random.integers(1, cols // 3)), int(random.integers(1, rows // 3))
            x, y = (0, 0) if number == 0 else (cols - width, rows - height)
            if number > 1:
                x, y = int(random.integers(cols - width)), int(random.integers(rows - height))
            part = only_window(stream, PixelWindow(x, y, width, height))

            assert part is not stream
            there = np.s_[:, y : y + height, x : x + width]
            np.testing.assert_array_equal(decoded(part)[there], whole[there])


def test_a_small_window_takes_few_code_blocks():
    stream = made("one layer")[0]

    assert len(only_window(stream, PixelWindow(200, 200, 40, 40))) < len(stream) / 3
    assert (decoded(only_window(stream, PixelWindow(0, 0, 700, 512))) == decoded(stream)).all()


@pytest.mark.parametrize("name", ODD)
def test_a_stream_that_is_not_plain_is_left_as_it_is(name):
    for stream in made(name):
        assert only_window(stream, PixelWindow(10, 10, 20, 20)) is stream


DAMAGED = {name: made(name)[-1] for name in ("one layer", "RPCL", "high throughput")}


@settings(max_examples=300)
@given(data=st.data(), name=st.sampled_from(sorted(DAMAGED)))
def test_damage_is_left_to_the_decoder(data, name):
    stream = bytearray(DAMAGED[name])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, 400) | st.integers(0, len(stream) - 1))
        stream[at] = data.draw(st.integers(0, 255))
    cut = bytes(stream[: data.draw(st.just(len(stream)) | st.integers(0, len(stream)))])

    assert isinstance(only_window(cut, PixelWindow(10, 10, 20, 20)), bytes)


@pytest.mark.parametrize("options", [LAYERS, {"REVERSIBLE": "NO"}])
def test_windows_of_one_call_share_what_is_decoded_of_a_tile(tmp_path, options):
    pixels = scene(3, "uint8", rows=1100, cols=1300)
    path = tmp_path / "tiles.jp2"
    path.write_bytes(gdals(pixels, **options))
    image = BlockImage(str(path))
    whole = image.read(PixelWindow(0, 0, 1300, 1100)).pixels
    windows = [
        [PixelWindow(3, 5, 20, 30)],
        [PixelWindow(500, 490, 30, 40), PixelWindow(600, 600, 9, 9), PixelWindow(610, 560, 20, 20)],
        [PixelWindow(0, 0, 60, 60), PixelWindow(450, 450, 60, 60)],
        [PixelWindow(1290, 1090, 10, 10), PixelWindow(0, 20, 1300, 3)],
    ]

    for cache in (None, BlockCache()):
        for several in windows:
            for bands in (None, (2, 0)):
                found = read_windows([WindowRead(image, window, bands=bands) for window in several], cache=cache)
                for one, (x, y, width, height) in zip(found, several, strict=True):
                    there = whole[:, y : y + height, x : x + width]
                    np.testing.assert_array_equal(one.pixels, there if bands is None else there[list(bands)])


@pytest.mark.parametrize(("block", "levels"), [(4, 0), (200, 0), (4, 40)], ids=["precincts", "code-block", "levels"])
def test_a_header_of_endless_precincts_is_left_to_the_decoder_before_memory_is_taken(block, levels):
    wide = 1 << 24
    size = struct.pack(">HHHIIIIIIIIHBBB", 0xFF51, 41, 0, wide, 1, 0, 0, wide, 1, 0, 0, 1, 7, 1, 1)
    precincts = bytes(levels + 1)
    coding = (
        struct.pack(">HHBBHBBBBBB", 0xFF52, 12 + len(precincts), 1, 0, 1, 0, levels, block, block, 0, 1) + precincts
    )
    part = struct.pack(">HHHIBBH", 0xFF90, 10, 0, 15, 0, 1, 0xFF93) + b"\0"
    stream = b"\xff\x4f" + size + coding + part + b"\xff\xd9"
    tracemalloc.start()
    try:
        assert only_window(stream, PixelWindow(0, 0, 8, 1)) is stream
        assert tracemalloc.get_traced_memory()[1] < 1 << 22
    finally:
        tracemalloc.stop()
