import warnings

import imagecodecs
import numpy as np
import pytest
import rasterio
import rasterio.shutil
from nitf_block_files import Reads, fields_of, layout_of, masked, write_nitf
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import MemoryFile

from stacchip_osml.imagery import GdalImage, ReadLimits
from stacchip_osml.imagery.blocks.layout import LevelLayout, Unserved
from stacchip_osml.imagery.jpeg2000.blocks import one_tile_codestream
from stacchip_osml.imagery.nitf.blocks import parse_nitf, parse_nitf_segments
from stacchip_osml.pixel import PixelWindow

JPEG = {"NBPP": 8, "COMRAT": "00.0"}


def hills(bands, rows, cols, top=255, dtype="uint8"):
    """Smooth pixels, which codecs like."""
    y, x = np.mgrid[:rows, :cols]
    waves = [np.sin(x / (9 + band)) + np.cos(y / (13 + 2 * band)) for band in range(bands)]
    return np.round((np.stack(waves) + 2) * (top / 4)).astype(dtype)


def read(path, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path, **options) as dataset:
            return dataset.read()


def written_by_gdal(path, pixels, **options):
    """Have GDAL copy pixels into a NITF file; only its copies are compressed."""
    bands, rows, cols = pixels.shape
    profile = {"driver": "GTiff", "dtype": pixels.dtype, "count": bands, "width": cols, "height": rows}
    with warnings.catch_warnings(), MemoryFile() as memory:
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with memory.open(**profile) as dataset:
            dataset.write(pixels)
        rasterio.shutil.copy(memory.name, path, driver="NITF", **options)


def streams(level, data):
    """Give ((row, col), parts) of every stored block."""
    for row, col in np.ndindex(*level.grid):
        places = zip(level.offsets[:, 0, row, col].tolist(), level.counts[:, 0, row, col].tolist(), strict=True)
        parts = [data[offset : offset + size] for offset, size in places if size]
        if parts:
            yield (row, col), parts


def assembled(level, data, decode):
    """Decode every block and put it where the layout says; 0 where none is stored."""
    (rows, cols), (down, across) = level.block_shape, level.grid
    image = np.zeros((level.bands, down * rows, across * cols), level.codec.dtype)
    for (row, col), parts in streams(level, data):
        block = decode(parts)
        block = np.moveaxis(block if block.ndim == 3 else block[..., None], 2, 0)
        image[:, row * rows : row * rows + block.shape[1], col * cols : col * cols + block.shape[2]] = block
    return image[:, : level.size.height, : level.size.width]


def jpeg(parts):
    (stream,) = parts
    assert stream[:2] == b"\xff\xd8"
    return imagecodecs.jpeg8_decode(stream)


def of_rgb(parts):
    return imagecodecs.jpeg8_decode(parts[0], outcolorspace="RGB")


def jpeg_blocks(pixels, size, **options):
    """Encode padded square blocks."""
    bands, rows, cols = pixels.shape
    down, across = -(-rows // size), -(-cols // size)
    padded = np.pad(pixels, ((0, 0), (0, down * size - rows), (0, across * size - cols)), mode="edge")
    for row, col in np.ndindex(down, across):
        block = np.moveaxis(padded[:, row * size : (row + 1) * size, col * size : (col + 1) * size], 0, -1)
        yield imagecodecs.jpeg8_encode(np.ascontiguousarray(block if bands > 1 else block[..., 0]), level=90, **options)


def only(layout):
    (level,) = layout.levels
    assert isinstance(level, LevelLayout), level
    return level


# ---- JPEG


@pytest.mark.parametrize(("rows", "cols"), [(150, 200), (64, 64), (65, 320)])
def test_blocked_jpeg_written_by_gdal_is_walked_from_stream_to_stream(tmp_path, rows, cols):
    path = tmp_path / "a.ntf"
    pixels = hills(1, rows, cols)
    written_by_gdal(path, pixels, ic="C3", blockxsize=64, blockysize=64)

    level = only(layout_of(path))
    header = GdalImage(str(path)).header

    assert (level.size, level.codec.dtype, level.bands) == (header.size, header.bands[0].dtype, 1)
    assert (level.codec.compression, level.block_shape, level.short_edge) == ("jpeg", (64, 64), False)
    np.testing.assert_array_equal(assembled(level, path.read_bytes(), jpeg), read(path))


def test_one_jpeg_block_is_read_whole_and_gdals_fractions_of_it_are_not_served(tmp_path):
    path = tmp_path / "a.ntf"
    pixels = hills(1, 530, 300)
    write_nitf(path, [(fields_of(pixels, (530, 300), "B", IC="C3", **JPEG), imagecodecs.jpeg8_encode(pixels[0]))])

    first, *rest = layout_of(path).levels
    header = GdalImage(str(path)).header

    assert isinstance(first, LevelLayout)
    assert len(rest) + 1 == len(header.levels) == 3
    assert [level.reason for level in rest] == ["JPEG decoded at a fraction of its size"] * 2
    assert first.grid == (1, 1)
    np.testing.assert_array_equal(assembled(first, path.read_bytes(), jpeg), read(path))


def test_masked_jpeg_blocks_end_where_the_next_one_begins(tmp_path):
    path = tmp_path / "a.ntf"
    pixels = hills(1, 100, 150)
    blocks = list(jpeg_blocks(pixels, 64))
    blocks[1] = blocks[5] = None
    write_nitf(path, [(fields_of(pixels, (64, 64), "B", IC="M3", **JPEG), masked(blocks, pad=0))])

    level = only(layout_of(path))

    assert sorted(place for place, _ in streams(level, path.read_bytes())) == [(0, 0), (0, 2), (1, 0), (1, 1)]
    np.testing.assert_array_equal(assembled(level, path.read_bytes(), jpeg), read(path))


def test_masked_jpeg_blocks_may_be_stored_in_any_order(tmp_path):
    path = tmp_path / "a.ntf"
    pixels = hills(1, 128, 128)
    blocks = list(jpeg_blocks(pixels, 64))
    data = bytearray(masked(list(blocks)))
    turned = [blocks[3], blocks[1], blocks[0], blocks[2]]
    starts = np.cumsum([0, *map(len, turned)])[:4]
    data[10:26] = b"".join(int(starts[place]).to_bytes(4, "big") for place in (2, 1, 3, 0))
    data[26:] = b"".join(turned)
    write_nitf(path, [(fields_of(pixels, (64, 64), "B", IC="M3", **JPEG), bytes(data))])

    level = only(layout_of(path))

    assert [parts for _, parts in streams(level, path.read_bytes())] == [[block] for block in blocks]
    np.testing.assert_array_equal(assembled(level, path.read_bytes(), jpeg), read(path))


@pytest.mark.parametrize(
    ("options", "color"),
    [
        ({"colorspace": "RGB", "outcolorspace": "YCBCR", "subsampling": "444"}, "rgb"),
        ({"colorspace": "RGB", "outcolorspace": "RGB"}, "stored"),
    ],
)
def test_colour_of_jpeg_is_what_the_stream_says(tmp_path, options, color):
    path = tmp_path / "a.ntf"
    pixels = hills(3, 100, 150)
    blocks = list(jpeg_blocks(pixels, 64, **options))
    write_nitf(path, [(fields_of(pixels, (64, 64), "P", IC="C3", **JPEG), b"".join(blocks))])

    level = only(layout_of(path))

    assert level.codec.color == color
    found = assembled(level, path.read_bytes(), of_rgb).astype(int)
    assert np.abs(found - read(path)).max() <= 2


def test_a_stuffed_byte_and_a_thumbnail_do_not_look_like_a_stream(tmp_path):
    path = tmp_path / "a.ntf"
    pixels = np.random.default_rng(1).integers(0, 256, (1, 64, 128), dtype=np.uint8)  # rich in 0xFF00
    blocks = list(jpeg_blocks(pixels, 64))
    thumbnail = imagecodecs.jpeg8_encode(pixels[0, :8, :8])
    extra = b"\xff\xe1" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail
    blocks = [block[:2] + extra + block[2:] for block in blocks]
    assert any(b"\xff\x00" in block for block in blocks)
    write_nitf(path, [(fields_of(pixels, (64, 64), "B", IC="C3", **JPEG), b"".join(blocks))])

    level = only(layout_of(path))

    assert [parts for _, parts in streams(level, path.read_bytes())] == [[block] for block in blocks]


@pytest.mark.parametrize(
    ("changes", "data", "reason"),
    [
        ({"IMODE": "R", "NBANDS": 3}, b"", "IC=C3 with IMODE=R and 3 bands"),
        ({"IMODE": "B", "NBANDS": 3}, b"", "0 JPEG streams for 3 blocks"),
        ({}, b"\xff\xd8" * 20, "no JPEG frame header"),
        ({}, b"no stream at all", "no JPEG stream where"),
        ({"NBPC": 2, "NPPBV": 32}, imagecodecs.jpeg8_encode(hills(1, 64, 64)[0]), "1 JPEG streams for 2 blocks"),
        ({"NPPBH": 80}, imagecodecs.jpeg8_encode(hills(1, 64, 64)[0]), "in blocks of 80 x 64"),
        ({"NBPP": 12, "ABPP": 12}, imagecodecs.jpeg8_encode(hills(1, 64, 64)[0]), "JPEG of 8 bits, NBPP=12"),
        ({}, imagecodecs.ljpeg_encode(hills(1, 64, 64)[0]), "JPEG process SOF3"),
    ],
)
def test_jpeg_that_is_left_to_gdal_says_why(tmp_path, changes, data, reason):
    path = tmp_path / "a.ntf"
    pixels = hills(1, 64, 64)
    write_nitf(path, [(fields_of(pixels, (64, 64), "B", IC="C3", **JPEG) | changes, data)])

    level = layout_of(path).levels[0]

    assert isinstance(level, Unserved)
    assert reason in level.reason


def test_streams_without_tables_of_their_own_are_left_to_gdal(tmp_path):
    path = tmp_path / "a.ntf"
    pixels = hills(1, 64, 64)
    stream = imagecodecs.jpeg8_encode(pixels[0])
    at = stream.index(b"\xff\xdb")
    bare = stream[:at] + stream[at + 2 + int.from_bytes(stream[at + 2 : at + 4], "big") :]
    write_nitf(path, [(fields_of(pixels, (64, 64), "B", IC="C3", **JPEG), bare)])

    level = layout_of(path).levels[0]

    assert isinstance(level, Unserved)
    assert "default tables" in level.reason


# ---- JPEG 2000


def j2k(parts, shared):
    return imagecodecs.jpeg2k_decode(one_tile_codestream(shared, parts))


@pytest.mark.parametrize("bands", [1, 3])
def test_tiled_jpeg_2000_written_by_gdal_has_gdals_levels_and_pixels(tmp_path, bands):
    path = tmp_path / "a.ntf"
    pixels = hills(bands, 500, 700)
    written_by_gdal(path, pixels, ic="C8", blockxsize=256, blockysize=256, quality=100)

    layout = layout_of(path)
    image = GdalImage(str(path))

    assert [level.size for level in layout.levels] == list(image.header.levels) == [(700, 500), (350, 250)]
    assert layout.levels[0].block_shape == image.header.block_shape
    for number, level in enumerate(layout.levels):
        assert isinstance(level, LevelLayout)
        assert (level.bands, level.codec.dtype, level.codec.reduce) == (bands, "uint8", number)
        found = assembled(level, path.read_bytes(), lambda parts, level=level: by_gdal(parts, level.codec))
        np.testing.assert_array_equal(found, image.read(PixelWindow(0, 0, *level.size), level=number).pixels)


def by_gdal(parts, codec):
    """Decode a tile with GDAL, at a lower resolution too."""
    stream = one_tile_codestream(codec.shared, parts)
    level = {"OVERVIEW_LEVEL": codec.reduce - 1} if codec.reduce else {}
    with warnings.catch_warnings(), MemoryFile(stream) as memory:
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with memory.open(**level) as dataset:
            return np.moveaxis(dataset.read(), 0, -1)


def ht(pixels, **options):
    planes = np.moveaxis(pixels, 0, -1)
    return imagecodecs.htj2k_encode(
        np.ascontiguousarray(planes if len(pixels) > 1 else planes[..., 0]), reversible=True, **options
    )


def tile_parts(stream):
    """Cut a codestream into its main header and ``(tile, bytes)`` of each tile-part."""
    at = first = stream.index(b"\xff\x90\x00\x0a")
    parts = []
    while stream[at : at + 2] == b"\xff\x90":
        length = int.from_bytes(stream[at + 6 : at + 10], "big")
        parts.append((int.from_bytes(stream[at + 4 : at + 6], "big"), stream[at : at + length]))
        at += length
    return stream[:first], parts


@pytest.mark.parametrize("options", [{}, {"tlm": True}, {"tlm": True, "tilepart": 3}])
@pytest.mark.parametrize("bands", [1, 3])
def test_high_throughput_images_are_served_whether_gdal_opens_them_or_not(tmp_path, options, bands):
    path = tmp_path / "a.ntf"
    pixels = hills(bands, 200, 300, top=4000, dtype="uint16")
    data = ht(pixels, tile=(96, 64), resolutions=3, **options)
    write_nitf(path, [(fields_of(pixels, (64, 96), "B", IC="CD", COMRAT="N1.0"), data)])

    layout = layout_of(path)

    assert [level.size for level in layout.levels] == [(300, 200), (150, 100), (75, 50)]
    for reduce, level in enumerate(layout.levels):
        assert isinstance(level, LevelLayout)
        assert (level.codec.compression, level.codec.reduce) == ("htj2k", reduce)
        shared = level.codec.shared
        found = assembled(
            level,
            path.read_bytes(),
            lambda parts, k=reduce, s=shared: imagecodecs.htj2k_decode(one_tile_codestream(s, parts), skipres=k),
        )
        whole = imagecodecs.htj2k_decode(data, skipres=reduce)
        np.testing.assert_array_equal(found, np.moveaxis(whole.reshape(*whole.shape[:2], bands), 2, 0))


@pytest.mark.parametrize("kind", ["tiles are there", "tiles are not there"])
def test_tiles_that_the_mask_table_leaves_out_are_not_stored(tmp_path, kind):
    path = tmp_path / "a.ntf"
    pixels = hills(1, 100, 150)
    head, parts = tile_parts(ht(pixels, tile=(64, 64), resolutions=2))
    absent = {1, 5}
    kept = [part for tile, part in parts if kind == "tiles are there" or tile not in absent]
    stream = b"".join([head, *kept, b"\xff\xd9"])
    records = masked([None if tile in absent else part for tile, part in parts])
    table = records[: int.from_bytes(records[:4], "big")]
    write_nitf(path, [(fields_of(pixels, (64, 64), "B", IC="MD", COMRAT="N1.0"), table + stream)])

    level = layout_of(path).levels[0]

    assert isinstance(level, LevelLayout)
    found = assembled(level, path.read_bytes(), lambda parts: j2k(parts, level.codec.shared))
    expected = pixels.copy()
    expected[:, :64, 64:128] = expected[:, 64:, 128:] = 0
    np.testing.assert_array_equal(found, expected)


def test_jpeg_2000_of_another_size_than_the_image_is_left_to_gdal(tmp_path):
    path = tmp_path / "a.ntf"
    pixels = hills(1, 64, 64)
    write_nitf(path, [(fields_of(pixels, (64, 64), "B", IC="CD", COMRAT="N1.0"), ht(pixels[:, :63]))])

    level = layout_of(path).levels[0]

    assert isinstance(level, Unserved)
    assert "64 x 63 pixels and 1 bands in an image of 64 x 64 and 1" in level.reason


def test_a_second_image_segment_is_found_behind_the_first(tmp_path):
    path = tmp_path / "a.ntf"
    pixels = hills(1, 64, 64)
    first = fields_of(pixels, (64, 64), "B", IC="C3", **JPEG), imagecodecs.jpeg8_encode(pixels[0])
    second = fields_of(pixels, (64, 64), "B", IC="CD", COMRAT="N1.0"), ht(pixels)
    write_nitf(path, [first, second])
    reads = Reads(path.read_bytes())

    layouts = parse_nitf_segments(reads, name="a", limits=ReadLimits(), size=len(reads.data))

    kinds = [level.codec.compression for layout in layouts for level in layout.levels if isinstance(level, LevelLayout)]
    assert kinds == ["jpeg", "htj2k"]
    level = layouts[1].levels[0]
    assert isinstance(level, LevelLayout)
    np.testing.assert_array_equal(assembled(level, reads.data, lambda parts: j2k(parts, level.codec.shared)), pixels)


def test_a_header_is_found_in_one_to_three_reads(tmp_path):
    path = tmp_path / "a.ntf"
    pixels = np.random.default_rng(1).integers(0, 256, (1, 500, 500), dtype=np.uint8)
    data = ht(pixels, tile=(64, 64), tlm=True)
    write_nitf(path, [(fields_of(pixels, (64, 64), "B", IC="CD", COMRAT="N1.0"), data)])
    reads = Reads(path.read_bytes())

    parse_nitf(reads, name="a", limits=ReadLimits(), size=len(reads.data))

    assert reads.calls <= 3
    assert reads.bytes < len(reads.data) // 4
