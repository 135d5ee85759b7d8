import struct

import imagecodecs
import numpy as np
import pytest
from jpeg2000_files import (
    assembled,
    codestream,
    copied,
    high_throughput,
    hills,
    parsed,
    tile_part_starts,
    tiles_of,
    with_segment,
    with_siz,
)

from stacchip_osml.errors import DecodeError, LimitError
from stacchip_osml.imagery import GdalImage
from stacchip_osml.imagery.blocks.layout import LevelLayout, Unserved
from stacchip_osml.imagery.jpeg2000 import blocks as jpeg2000
from stacchip_osml.imagery.jpeg2000.blocks import one_tile_codestream
from stacchip_osml.pixel import ImageSize, PixelWindow


def level_of(data, number=0, **options):
    level = parsed(data, **options).levels[number]
    assert isinstance(level, LevelLayout), level
    return level


def reason_of(data, **options):
    levels = parsed(data, **options).levels
    assert all(isinstance(level, Unserved) for level in levels), levels
    return levels[0].reason


def same_places(one, other):
    np.testing.assert_array_equal(one.offsets, other.offsets)
    np.testing.assert_array_equal(one.counts, other.counts)


@pytest.fixture(scope="module")
def tiled():
    """A codestream of 3 x 4 tiles, one tile-part each."""
    return high_throughput(hills(1, 150, 250, "uint16", 4000), tile=(64, 64), resolutions=3)


# ---- against GDAL


@pytest.mark.parametrize(
    ("bands", "dtype", "top"), [(1, "uint8", 255), (3, "uint8", 255), (2, "uint16", 65535), (1, "int16", 20000)]
)
@pytest.mark.parametrize("size", [(512, 512), (500, 702), (300, 520)])
def test_levels_and_pixels_are_gdals_tile_by_tile(tmp_path, bands, dtype, top, size):
    path = tmp_path / "a.jp2"
    data = copied(path, hills(bands, *size, dtype, top), blockxsize=256, blockysize=256, resolutions=3)
    image = GdalImage(str(path))

    layout = parsed(data)

    assert [level.size for level in layout.levels] == list(image.header.levels)
    assert len(layout.levels) > 1
    assert layout.levels[0].block_shape == image.header.block_shape == (256, 256)
    for number, level in enumerate(layout.levels[:2]):
        assert isinstance(level, LevelLayout)
        assert (level.codec.dtype, level.bands) == (image.header.bands[0].dtype, len(image.header.bands))
        assert (level.codec.compression, level.codec.reduce) == ("jpeg2000", number)
    np.testing.assert_array_equal(
        assembled(layout.levels[0], data), image.read(PixelWindow(0, 0, size[1], size[0])).pixels
    )
    if min(size[0] % 256 or 256, size[1] % 256 or 256) > 128:  # GDAL shows no overview of a small tile
        half = image.read(PixelWindow(0, 0, *layout.levels[1].size), level=1).pixels
        np.testing.assert_array_equal(assembled(layout.levels[1], data), half)


@pytest.mark.parametrize("size", [(100, 90), (700, 300), (500, 1030)])
def test_an_image_of_one_tile_is_one_block_at_all_of_gdals_levels(tmp_path, size):
    path = tmp_path / "a.jp2"
    data = copied(path, hills(1, *size), blockxsize=2048, blockysize=2048)
    image = GdalImage(str(path))

    layout = parsed(data)

    assert [level.size for level in layout.levels] == list(image.header.levels)
    for number, level in enumerate(layout.levels):
        assert isinstance(level, LevelLayout)
        assert (level.grid, level.block_shape) == ((1, 1), (level.size.height, level.size.width))
        whole = image.read(PixelWindow(0, 0, *level.size), level=number).pixels
        np.testing.assert_array_equal(assembled(level, data), whole)


def test_tiles_of_odd_sides_have_no_overviews_as_in_gdal(tmp_path):
    path = tmp_path / "a.jp2"
    data = copied(path, hills(1, 400, 400), blockxsize=150, blockysize=150, resolutions=4)

    layout = parsed(data)

    assert [level.size for level in layout.levels] == list(GdalImage(str(path)).header.levels)
    assert [level.block_shape for level in layout.levels] == [(150, 150), (75, 75)]


def test_a_palette_stays_indices_without_overviews_as_in_gdal(tmp_path):
    path = tmp_path / "a.jp2"
    palette = {value: (value, 255 - value, 7, 255) for value in range(256)}
    data = copied(path, hills(1, 300, 300), colormap=palette, blockxsize=256, blockysize=256)
    assert b"pclr" in data
    image = GdalImage(str(path))

    layout = parsed(data)

    assert len(layout.levels) == len(image.header.levels) == 1
    np.testing.assert_array_equal(assembled(layout.levels[0], data), image.read(PixelWindow(0, 0, 300, 300)).pixels)


# ---- every way to say where tiles are


@pytest.mark.parametrize("tile", [(64, 64), (96, 40), (250, 64), (128, 150)])
@pytest.mark.parametrize("options", [{}, {"tlm": True}, {"tilepart": 1}, {"tilepart": 3, "tlm": True}])
def test_tiles_in_any_number_of_parts_are_found_with_and_without_a_table(tile, options):
    pixels = hills(3, 150, 250)
    data = high_throughput(pixels, tile=tile, resolutions=4, **options)

    layout = parsed(data)

    assert isinstance(layout.levels[0], LevelLayout)
    for reduce, level in enumerate(layout.levels):
        if isinstance(level, LevelLayout):
            whole = imagecodecs.htj2k_decode(data, skipres=reduce)
            np.testing.assert_array_equal(assembled(level, data), np.moveaxis(whole, -1, 0))
    assert layout.levels[0].codec.compression == "htj2k"
    assert (level.offsets.shape[0] > 1) == ("tilepart" in options)


def test_a_table_that_is_wrong_is_not_believed():
    data = high_throughput(hills(1, 150, 250), tile=(64, 64), tlm=True)
    at = data.index(b"\xff\x55")
    length = int.from_bytes(data[at + 2 : at + 4], "big")
    broken = bytearray(data)
    broken[at + length + 1] ^= 1  # the last length
    without = data[:at] + data[at + 2 + length :]

    found, expected = level_of(bytes(broken)), level_of(data)

    same_places(found, expected)
    assert [parts for _, parts in tiles_of(level_of(without), without)] == [parts for _, parts in tiles_of(found, data)]


def test_the_last_tile_part_may_leave_its_length_out(tiled):
    last = tile_part_starts(tiled)[-1]
    open_ended = tiled[: last + 6] + bytes(4) + tiled[last + 10 :]

    same_places(level_of(open_ended), level_of(tiled))
    same_places(level_of(tiled[:-2]), level_of(tiled))  # no EOC
    assert "has no length" in reason_of(open_ended, size=None)


def test_many_tiles_are_found_in_few_reads_with_a_table_and_left_to_gdal_without():
    pixels = np.random.default_rng(1).integers(0, 65536, (1, 520, 520), dtype=np.uint16)
    listed, bare = (high_throughput(pixels, tile=(40, 40), tlm=tlm) for tlm in (True, False))

    same_places(level_of(listed, reads=3), level_of(listed))
    assert level_of(bare, reads=13).grid == (13, 13)
    assert "more than 4 reads" in reason_of(bare, reads=4)


def test_boxes_of_every_kind_of_length_lead_to_the_codestream(tiled):
    opening = b"\0\0\0\x0cjP  \r\n\x87\n" + struct.pack(">I4s4sI4s", 20, b"ftyp", b"jp2 ", 0, b"jp2 ")
    long_box = struct.pack(">I4sQ", 1, b"uuid", 16 + 70000) + bytes(70000)
    for head in (
        struct.pack(">I4s", 8 + len(tiled), b"jp2c"),
        struct.pack(">I4s", 0, b"jp2c"),
        struct.pack(">I4sQ", 1, b"jp2c", 16 + len(tiled)),
    ):
        data = opening + long_box + head + tiled

        level = level_of(data)

        assert level.offsets.min() == len(data) - len(tiled) + tile_part_starts(tiled)[0]
        assert tiles_of(level, data) == tiles_of(level_of(tiled), tiled)


# ---- one tile alone


def test_one_tile_stays_where_it_was_on_the_reference_grid(tiled):
    level = level_of(tiled)
    (_, parts) = tiles_of(level, tiled)[6]  # row 1, column 2

    alone = one_tile_codestream(level.codec.shared, parts)

    assert struct.unpack_from(">8I", alone, 8) == (192, 128, 128, 64, 64, 64, 128, 64)
    assert parsed(alone).levels[0].size == ImageSize(64, 64)
    assert one_tile_codestream(level_of(alone).codec.shared, tiles_of(level_of(alone), alone)[0][1]) == alone


@pytest.mark.parametrize("tile", [(64, 64), (63, 65), (50, 41)])
def test_rounding_at_lower_resolutions_is_that_of_the_whole_image(tile):
    pixels = hills(1, 150, 250)
    data = high_throughput(pixels, tile=tile, resolutions=3)
    level = level_of(data)

    for reduce in range(4):
        step = 1 << reduce
        whole = imagecodecs.htj2k_decode(data, skipres=reduce)
        for (row, col), parts in tiles_of(level, data):
            alone = imagecodecs.htj2k_decode(one_tile_codestream(level.codec.shared, parts), skipres=reduce)
            top, left = -(-row * tile[1] // step), -(-col * tile[0] // step)
            np.testing.assert_array_equal(alone, whole[top : top + alone.shape[0], left : left + alone.shape[1]])


def test_parts_that_are_not_of_one_tile_are_refused(tiled):
    level = level_of(tiled)
    tiles = [parts[0] for _, parts in tiles_of(level, tiled)]

    with pytest.raises(DecodeError, match="tile 1 where one of tile 0 should be"):
        one_tile_codestream(level.codec.shared, tiles[:2])
    with pytest.raises(DecodeError, match="no JPEG 2000 tile-part"):
        one_tile_codestream(level.codec.shared, [])
    with pytest.raises(DecodeError, match="no JPEG 2000 tile-part"):
        one_tile_codestream(level.codec.shared, [tiles[0][1:]])
    strange = tiles[0][:4] + b"\xff\x00" + tiles[0][6:]
    with pytest.raises(DecodeError, match="one of 12 tiles, tile 65280"):
        one_tile_codestream(level.codec.shared, [strange])


# ---- what is not served


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda data: data[:43] + b"\x03" + data[44:], "subsampled by 3 x 1"),
        (lambda data: data[:42] + b"\x24" + data[43:], "more than 31 bits"),
        (lambda data: data[: tile_part_starts(data)[-1]] + b"\xff\xd9", "1 of 12 JPEG 2000 tiles are missing"),
        (lambda data: data[: tile_part_starts(data)[0] + 100], "cut short"),
        (lambda data: data[: tile_part_starts(data)[3]] + b"\0" * 50, "no JPEG 2000 tile-part at"),
        (lambda data: with_segment(data, 0xFF10, b"\0" * 9), "marker ff10"),
    ],
)
def test_what_a_tile_alone_would_get_wrong_is_left_to_gdal(tiled, change, reason):
    assert reason in reason_of(change(tiled))


def test_components_of_different_depths_are_left_to_gdal():
    data = high_throughput(hills(3, 64, 64))

    assert "differ in depth" in reason_of(data[:45] + b"\x06" + data[46:])


def test_tiles_that_are_tiny_are_left_to_gdal_as_it_reads_them_at_once(tmp_path):
    path = tmp_path / "a.j2k"
    data = high_throughput(hills(1, 200, 200), tile=(16, 16), resolutions=3)
    path.write_bytes(data)

    levels = parsed(data).levels

    assert len(levels) == len(GdalImage(str(path)).header.levels) == 2
    assert "tiles of 16 x 16 are too small" in reason_of(data)


def test_one_tile_larger_than_the_limit_of_a_block_is_left_to_gdal():
    data = high_throughput(hills(1, 200, 300, "uint16"), resolutions=2)

    first, second, _ = parsed(data, block_bytes=119_999).levels

    assert isinstance(first, Unserved)
    assert "decode to 120000 bytes, more than 119999" in first.reason
    assert isinstance(second, LevelLayout)
    with pytest.raises(LimitError, match="300 x 200 pixels, more than 299 a side"):
        parsed(data, side=299)


def test_a_tile_of_more_samples_than_a_decoder_is_given_is_left_to_gdal(monkeypatch):
    data = high_throughput(hills(1, 200, 300), resolutions=2)
    monkeypatch.setattr(jpeg2000, "MOST_SAMPLES", 200 * 300 - 1)
    many = parsed(data).levels
    monkeypatch.setattr(jpeg2000, "MOST_SAMPLES", 200 * 300)

    assert {level.reason for level in many} == {"JPEG 2000 tiles of 300 x 200 pixels, 1 components"}
    assert all(isinstance(level, LevelLayout) for level in parsed(data).levels)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "neither a JP2 file nor"),
        (b"\xff\x4f\xff\x51\x00\x29", "ends where"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "without a codestream"),
    ],
)
def test_what_is_no_codestream_is_damaged(data, message):
    with pytest.raises(DecodeError, match=message):
        parsed(data)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"XTsiz": 0}, "tiles of 0 x 64"),
        ({"XOsiz": 250}, "in an image"),
        ({"XTOsiz": 2**32 - 1}, "tiles of 64 x 64"),
        ({"XTsiz": 1, "YTsiz": 1, "Xsiz": 2500}, "2500 x 150 tiles, at most 65535"),
    ],
)
def test_a_size_that_cannot_be_is_damaged(tiled, fields, message):
    with pytest.raises(DecodeError, match=message):
        parsed(with_siz(tiled, **fields))


def test_a_bare_codestream_and_its_file_have_the_same_tiles(tmp_path):
    data = copied(tmp_path / "a.jp2", hills(1, 300, 300), blockxsize=128, blockysize=128)
    bare = codestream(data)

    assert tiles_of(level_of(bare), bare) == tiles_of(level_of(data), data)


def test_tile_parts_without_a_packet_are_parts_of_their_tile(tmp_path):
    """Writers that begin a tile-part with each resolution leave some of them empty: 14 bytes, SOT and SOD alone."""
    pixels = hills(1, 70, 130)
    data = copied(tmp_path / "a.jp2", pixels, blockxsize=64, blockysize=64, codec="J2K")
    stream = codestream(data)
    starts = tile_part_starts(stream)
    empty = bytearray(stream[starts[0] : starts[0] + 12] + b"\xff\x93")
    empty[6:10], empty[10] = (14).to_bytes(4, "big"), 1
    changed = stream[: starts[1]] + bytes(empty) + stream[starts[1] :]

    (level,) = parsed(changed).levels[:1]

    assert (level.counts[:, 0, 0, 0] == [starts[1] - starts[0], 14]).all()
    np.testing.assert_array_equal(assembled(level, changed), pixels)
