import struct
import warnings

import jbpy
import jbpy.image_data
import numpy as np
import pytest
import rasterio
from nitf_block_files import Reads, assembled, blocks_of, fields_of, layout_of, masked, packed, write_nitf
from rasterio.errors import NotGeoreferencedWarning

from stacchip_osml.errors import DecodeError, LimitError
from stacchip_osml.imagery import GdalImage, ReadLimits
from stacchip_osml.imagery.blocks.layout import LevelLayout, Unserved
from stacchip_osml.imagery.nitf.blocks import parse_nitf, parse_nitf_segments
from stacchip_osml.pixel import ImageSize

DTYPES = ["uint8", "uint16", "int16", "uint32", "int32", "float32", "float64", "complex64"]
MODES = ["B", "P", "R", "S"]
SHAPES = [(110, 150), (32, 48), (110, 48), (64, 150), (128, 160)]
"""Blocks (rows, cols) of an image of 110 x 150: one, padded both ways, padded one way, one padded block."""


def noise(bands, dtype, rows=110, cols=150):
    rng = np.random.default_rng(7)
    if np.dtype(dtype).kind in "fc":
        values = rng.normal(size=(bands, rows, cols)) + (
            1j * rng.normal(size=(bands, rows, cols)) if "c" in dtype else 0
        )
        return values.astype(dtype)
    info = np.iinfo(dtype)
    return rng.integers(info.min, info.max, (bands, rows, cols), dtype=dtype, endpoint=True)


def read(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path) as dataset:
            return dataset.read()


def only(layout):
    (level,) = layout.levels
    assert isinstance(level, LevelLayout), level
    return level


def jbpy_places(file, path):
    """(plane, row, col) → (offset, size, shape) by jbpy, IMODE B cut by bands."""
    segment = file["ImageSegments"][0]
    start = segment["Data"].get_offset()
    with path.open("rb") as opened:
        infos = jbpy.image_data.block_info_uncompressed(segment, opened)
    bands = segment["subheader"]["NBANDS"].value
    for info in infos:
        place = info["block_row_index"], info["block_col_index"]
        cut = bands if segment["subheader"]["IMODE"].value == "B" else 1
        for part in range(cut):
            size = info["nbytes"] // cut
            offset = None if info["offset"] is None else start + info["offset"] + part * size
            yield (info["block_band_index"] + part, *place), offset, size


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("imode", MODES)
@pytest.mark.parametrize("block", SHAPES)
def test_blocks_are_where_gdal_and_jbpy_find_them_in_every_dtype_and_interleaving(tmp_path, dtype, imode, block):
    path = tmp_path / "a.ntf"
    pixels = noise(3, dtype)
    file = write_nitf(path, [(fields_of(pixels, block, imode), b"".join(blocks_of(pixels, block, imode)))])

    level = only(layout_of(path))
    header = GdalImage(str(path)).header

    assert header.levels == (level.size,)
    assert [band.dtype for band in header.bands] == [level.codec.dtype] * level.bands
    assert header.block_shape == level.block_shape
    np.testing.assert_array_equal(assembled(level, path.read_bytes()), read(path))
    if level.grid != (110, 1):
        for place, offset, size in jbpy_places(file, path):
            assert (level.offsets[0][place], level.counts[0][place]) == (offset, size)


def test_an_image_of_one_block_is_given_as_rows_that_follow_each_other(tmp_path):
    path = tmp_path / "a.ntf"
    pixels = noise(3, "uint16")
    file = write_nitf(path, [(fields_of(pixels, (110, 150), "B"), b"".join(blocks_of(pixels, (110, 150), "B")))])

    level = only(layout_of(path))

    assert (level.block_shape, level.grid, level.planes, level.short_edge) == ((1, 150), (110, 1), 3, True)
    assert level.offsets[0, 0, 0, 0] == file["ImageSegments"][0]["Data"].get_offset()
    np.testing.assert_array_equal(np.diff(level.offsets.ravel()), 300)
    assert (level.counts == 300).all()


def test_blocks_beyond_the_image_are_left_out(tmp_path):
    path = tmp_path / "a.ntf"
    pixels = noise(2, "uint8", 60, 70)
    wide = np.zeros((2, 96, 144), "uint8")
    wide[:, :60, :70] = pixels
    fields = fields_of(wide, (32, 48), "S") | {"NROWS": 60, "NCOLS": 70}
    write_nitf(path, [(fields, b"".join(blocks_of(wide, (32, 48), "S")))])

    level = only(layout_of(path))

    assert level.grid == (2, 2)
    np.testing.assert_array_equal(assembled(level, path.read_bytes()), pixels)
    np.testing.assert_array_equal(read(path), pixels)


def test_a_side_of_zero_means_the_whole_image(tmp_path):
    path = tmp_path / "a.ntf"
    pixels = noise(1, "uint8", 3, 9000)
    write_nitf(path, [(fields_of(pixels, (3, 9000), "B") | {"NPPBH": 0, "NPPBV": 0}, pixels.tobytes())])

    level = only(layout_of(path))

    assert level.block_shape == GdalImage(str(path)).header.block_shape == (1, 9000)
    np.testing.assert_array_equal(assembled(level, path.read_bytes()), pixels)


@pytest.mark.parametrize("bands", [12, 257])
def test_more_than_nine_bands_are_counted_by_xbands(tmp_path, bands):
    path = tmp_path / "a.ntf"
    pixels = noise(bands, "uint8", 20, 30)
    write_nitf(path, [(fields_of(pixels, (8, 16), "B"), b"".join(blocks_of(pixels, (8, 16), "B")))])

    level = only(layout_of(path))

    assert level.bands == bands
    np.testing.assert_array_equal(assembled(level, path.read_bytes()), read(path))


def test_look_up_tables_and_comments_are_walked_over(tmp_path):
    path = tmp_path / "a.ntf"
    pixels = noise(2, "uint8", 20, 30)
    luts = {"NLUTS00001": 3, "NELUT00001": 200} | {f"LUTD00001{n}": bytes(range(200)) for n in (1, 2, 3)}
    fields = fields_of(pixels, (8, 16), "P") | {"ICORDS": "G", "NICOM": 2} | luts
    fields |= {"IGEOLO": "451234N0451234E451234N0451234E451234N0451234E451234N0451234E"}
    file = write_nitf(path, [(fields, b"".join(blocks_of(pixels, (8, 16), "P")))])
    assert file["ImageSegments"][0]["subheader"]["IMODE"].get_offset() > 1300

    level = only(layout_of(path))

    np.testing.assert_array_equal(assembled(level, path.read_bytes()), pixels)


@pytest.mark.parametrize("imode", MODES)
@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("gap", [0, 5])
def test_masked_blocks_are_where_their_records_say(tmp_path, imode, padded, gap):
    path = tmp_path / "a.ntf"
    pixels = noise(3, "uint16", 60, 70)
    blocks = blocks_of(pixels, (32, 48), imode)
    gone = {1, 5} if imode == "S" else {1}
    data = masked([None if n in gone else block for n, block in enumerate(blocks)], pad=9, padded=padded, gap=gap)
    file = write_nitf(path, [(fields_of(pixels, (32, 48), imode, IC="NM"), data)])

    level = only(layout_of(path))

    expected = pixels.copy()
    absent = {(n // 4, n % 4) for n in gone} if imode == "S" else {(band, 1) for band in range(3)}
    for band, number in absent:
        expected[band, 32 * (number // 2) :, 48 * (number % 2) :][:32, :48] = 0
    np.testing.assert_array_equal(assembled(level, path.read_bytes()), expected)
    for place, offset, size in jbpy_places(file, path):
        if offset is None:
            assert level.counts[0][place] == 0
        else:
            assert (level.offsets[0][place], level.counts[0][place]) == (offset, size)


def test_a_masked_image_of_several_bands_reads_as_gdal_reads_it(tmp_path):
    path = tmp_path / "a.ntf"
    pixels = noise(3, "uint8", 60, 70)
    blocks = [None if n == 2 else block for n, block in enumerate(blocks_of(pixels, (32, 48), "P"))]
    write_nitf(path, [(fields_of(pixels, (32, 48), "P", IC="NM"), masked(blocks, pad=77, padded=True))])

    level = only(layout_of(path))

    assert not level.counts[0, 0, 1, 0]
    np.testing.assert_array_equal(assembled(level, path.read_bytes(), fill=77), read(path))


def test_a_mask_of_pad_pixels_alone_leaves_the_blocks_in_order_after_it(tmp_path):
    path = tmp_path / "a.ntf"
    pixels = noise(1, "uint16", 60, 70)
    data = masked(list(blocks_of(pixels, (32, 48), "B")), pad=0, records=False, padded=True)
    write_nitf(path, [(fields_of(pixels, (32, 48), "B", IC="NM"), data)])

    level = only(layout_of(path))

    np.testing.assert_array_equal(assembled(level, path.read_bytes()), pixels)
    np.testing.assert_array_equal(read(path), pixels)


@pytest.mark.parametrize(("rows", "cols"), [(18, 35), (7, 16), (600, 401)])
def test_twelve_bit_samples_follow_each_other_from_the_highest_bit(tmp_path, rows, cols):
    path = tmp_path / "a.ntf"
    pixels = np.random.default_rng(2).integers(0, 4096, (1, rows, cols), dtype=np.uint16)
    write_nitf(path, [(fields_of(pixels, (rows, cols), "B", NBPP=12), packed(pixels, 12))])

    level = only(layout_of(path))
    data = path.read_bytes()

    assert (level.codec.bits, level.codec.dtype, level.codec.aligned_rows, level.short_edge) == (
        12,
        "uint16",
        False,
        True,
    )
    height = level.block_shape[0]
    for strip in range(level.grid[0]):
        offset, size = int(level.offsets[0, 0, strip, 0]), int(level.counts[0, 0, strip, 0])
        assert data[offset : offset + size] == packed(pixels[:, strip * height : (strip + 1) * height], 12)


@pytest.mark.parametrize("bits", [1, 2, 3, 5, 7])
def test_packed_samples_of_one_block_are_the_bits_that_gdal_unpacks(tmp_path, bits):
    path = tmp_path / "a.ntf"
    pixels = np.random.default_rng(2).integers(0, 1 << bits, (1, 19, 35), dtype=np.uint8)
    write_nitf(path, [(fields_of(pixels, (19, 35), "B", NBPP=bits), packed(pixels, bits))])

    level = only(layout_of(path))
    offset, size = int(level.offsets[0, 0, 0, 0]), int(level.counts[0, 0, 0, 0])

    assert level.block_shape == GdalImage(str(path)).header.block_shape
    assert path.read_bytes()[offset : offset + size] == packed(read(path), bits)
    assert (level.codec.stored, level.codec.bits, level.codec.aligned_rows) == ("u1", bits, False)


@pytest.mark.parametrize("event", [False, True])
def test_nitf_2_0_with_and_without_a_downgrading_event(tmp_path, event):
    path = tmp_path / "a.ntf"
    pixels = noise(2, "uint16", 60, 70)
    blocks = b"".join(blocks_of(pixels, (32, 48), "B"))
    file = write_nitf(path, [(fields_of(pixels, (32, 48), "B"), blocks)])
    data = path.read_bytes()
    start = file["ImageSegments"][0]["subheader"].get_offset()
    head, image = bytearray(data[:start]), bytearray(data[start:])
    head[:9], image[371:372] = b"NITF02.00", b"N"
    if event:
        head[354:360], head[363:369] = b"%06d" % (start + 40), b"%06d" % (int(head[363:369]) + 40)
        head[280:286], image[284:290] = b"999998", b"999998"
        head[286:286], image[290:290] = b" " * 40, b" " * 40
    path.write_bytes(head + image)

    level = only(layout_of(path))

    np.testing.assert_array_equal(assembled(level, path.read_bytes()), pixels)
    np.testing.assert_array_equal(read(path), pixels)


def test_one_read_is_enough_where_headers_are_short(tmp_path):
    path = tmp_path / "a.ntf"
    pixels = noise(1, "uint8")
    write_nitf(path, [(fields_of(pixels, (32, 48), "B"), b"".join(blocks_of(pixels, (32, 48), "B")))])
    reads = Reads(path.read_bytes())

    only(parse_nitf(reads, name="a", limits=ReadLimits(), size=len(reads.data)))

    assert reads.calls == 1


def test_the_first_image_is_the_one_that_gdal_opens_and_all_can_be_had(tmp_path):
    path = tmp_path / "a.ntf"
    images = [noise(1, "uint8", 20, 30), noise(2, "int16", 40, 50)]
    data = [b"".join(blocks_of(pixels, (16, 16), "P")) for pixels in images]
    write_nitf(
        path, [(fields_of(pixels, (16, 16), "P"), each) for pixels, each in zip(images, data, strict=True)], nsif=True
    )
    reads = Reads(path.read_bytes())

    layouts = parse_nitf_segments(reads, name="a", limits=ReadLimits(), size=len(reads.data))

    assert only(layout_of(path)).size == GdalImage(str(path)).header.size == ImageSize(30, 20)
    for layout, pixels in zip(layouts, images, strict=True):
        np.testing.assert_array_equal(assembled(only(layout), reads.data), pixels)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"IC": "C1", "COMRAT": "1D  "}, "IC=C1: bi-level"),
        ({"IC": "M4", "COMRAT": "2.00"}, "IC=M4: vector quantization"),
        ({"IC": "I1", "COMRAT": "00.0"}, "IC=I1: downsampled JPEG"),
        ({"IC": "C5", "COMRAT": "00.0"}, "IC=C5: lossless JPEG"),
        ({"NBPP": 7, "NBANDS": 3, "IMODE": "P"}, "samples of 7 bits, IMODE=P and 3 bands"),
        ({"PVTYPE": "SI", "NBPP": 7}, "PVTYPE=SI with NBPP=7"),
        ({"NBPP": 3, "NBPC": 4, "NPPBV": 7}, "samples of 3 bits"),
        ({"PVTYPE": "R", "NBPP": 16}, "PVTYPE=R with NBPP=16"),
        ({"NBPR": 1, "NPPBH": 20}, "do not cover"),
        ({"NROWS": 800, "NPPBV": 800, "NCOLS": 8000, "NPPBH": 8000}, "cut short"),
    ],
)
def test_what_is_left_to_gdal_says_why(tmp_path, changes, reason):
    path = tmp_path / "a.ntf"
    pixels = noise(1, "uint8", 25, 35)
    write_nitf(path, [(fields_of(pixels, (25, 35), "B") | changes, pixels.tobytes() * 2)])

    (level,) = layout_of(path).levels

    assert isinstance(level, Unserved)
    assert reason in level.reason


def test_an_image_larger_than_the_limits_is_refused_and_one_of_larger_blocks_left_to_gdal(tmp_path):
    path = tmp_path / "a.ntf"
    pixels = noise(3, "uint8", 20, 64)
    write_nitf(path, [(fields_of(pixels, (20, 32), "P"), b"".join(blocks_of(pixels, (20, 32), "P")))])

    with pytest.raises(LimitError, match="64 x 20 pixels, more than 63 a side"):
        layout_of(path, side=63)
    with pytest.raises(LimitError, match="3 bands, more than 2"):
        layout_of(path, bands=2)
    (level,) = layout_of(path, block_bytes=1919).levels
    assert isinstance(level, Unserved)
    assert "decode to 1920 bytes, more than 1919" in level.reason
    assert isinstance(layout_of(path, block_bytes=1920).levels[0], LevelLayout)


def test_a_table_of_very_many_blocks_is_not_made(tmp_path):
    path = tmp_path / "a.ntf"
    pixels = noise(1, "uint8", 1, 1)
    fields = fields_of(pixels, (1, 1), "B") | {"NROWS": 9999, "NCOLS": 9999, "NBPR": 9999, "NBPC": 9999, "IC": "NM"}
    write_nitf(path, [(fields, struct.pack(">IHHH", 10, 0, 0, 0) + b"\0")])

    (level,) = layout_of(path).levels

    assert isinstance(level, Unserved)
    assert "99980001 blocks, more than" in level.reason


@pytest.mark.parametrize("kept", [8, 100, 362, 400, 800])
def test_a_file_that_ends_within_its_headers_is_damaged(tmp_path, kept):
    path = tmp_path / "a.ntf"
    pixels = noise(1, "uint8")
    write_nitf(path, [(fields_of(pixels, (110, 150), "B"), pixels.tobytes())])
    path.write_bytes(path.read_bytes()[:kept])

    with pytest.raises(DecodeError, match=r"not a NITF|ends where"):
        layout_of(path)


def test_a_file_without_images_is_damaged(tmp_path):
    path = tmp_path / "a.ntf"
    write_nitf(path, [])

    with pytest.raises(DecodeError, match="holds no image"):
        layout_of(path)
