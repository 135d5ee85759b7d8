"""Several bands in NITF blocks as every IMODE has them: packed samples, and JPEG streams of one band each."""

import imagecodecs
import numpy as np
import pytest
from nitf_block_files import Reads, fields_of, layout_of, masked, packed, write_nitf

from stacchip_osml.imagery import GdalImage
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.imagery.blocks.layout import Unserved
from stacchip_osml.imagery.limits import ReadLimits
from stacchip_osml.imagery.nitf import jpeg as nitf_jpeg
from stacchip_osml.imagery.nitf.blocks import parse_nitf
from stacchip_osml.index.layouts import StoredHeader
from stacchip_osml.pixel import PixelWindow

RANDOM = np.random.default_rng(8)
PACKED = {"B 1": ("uint8", 1), "INT 12": ("uint16", 12), "SI 12": ("int16", 12)}
WINDOWS = [(0, 0, 41, 29), (3, 2, 30, 1), (17, 11, 5, 13), (40, 28, 1, 1), (0, 20, 41, 3)]
JPEG = {"IC": "C3", "COMRAT": "00.0"}


def cut(pixels, block, imode):
    """Cut padded blocks, each as the arrays that its samples follow: one a band for IMODE B; band by band for S."""
    bands, rows, cols = pixels.shape
    down, across = -(-rows // block[0]), -(-cols // block[1])
    padded = np.pad(pixels, ((0, 0), (0, down * block[0] - rows), (0, across * block[1] - cols)), mode="edge")
    whole = padded.reshape(bands, down, block[0], across, block[1]).transpose(1, 3, 0, 2, 4)  # row, col, band, y, x
    if imode == "S":
        return list(whole.transpose(2, 0, 1, 3, 4).reshape(-1, *block))
    axes = {"B": (0, 1, 2), "P": (1, 2, 0), "R": (1, 0, 2)}[imode]
    return [each.transpose(axes) for each in whole.reshape(-1, bands, *block)]


def packed_block(samples, imode, bits):
    """Pack a block; of IMODE B each band by itself."""
    bare = samples.astype(np.int64) & ((1 << bits) - 1)
    return b"".join(packed(each, bits) for each in (bare if imode == "B" else [bare]))


def holes_of(grid, bands, imode):
    """Places in the file's order, and a ``(bands, down, across)`` table, of blocks that are left out."""
    down, across = grid
    table = np.add.outer(np.arange(bands) if imode == "S" else np.zeros(bands, int), np.add(*np.indices(grid))) % 3 == 1
    order = table.reshape(bands, -1).ravel() if imode == "S" else table[0].ravel()
    return order.tolist(), table.reshape(bands, down, across)


def opened(path, stored):
    """The image, from stored headers where that is asked for: then GDAL is not."""
    image = BlockImage(str(path))
    assert image.served_by(0).startswith("block/")
    if not stored:
        return image
    header, layout = StoredHeader.of(image.header, image.layout).unpack(name="a")
    again = BlockImage(str(path), header=header, layout=layout)
    assert again._gdal is None
    return again


@pytest.mark.parametrize("kind", PACKED)
@pytest.mark.parametrize("imode", ["B", "P", "R", "S"])
@pytest.mark.parametrize("block", [(16, 16), (7, 9), (29, 41), (13, 41), (5, 7)])
@pytest.mark.parametrize("ic", ["NC", "NM"])
def test_packed_samples_of_several_bands_are_as_they_were_put_in(tmp_path, kind, imode, block, ic):
    if imode == "S" and block == (29, 41):
        pytest.skip("IMODE S of one block is B")
    dtype, bits = PACKED[kind]
    low = -(1 << (bits - 1)) if kind[0] == "S" else 0
    pixels = RANDOM.integers(low, low + (1 << bits), (3, 29, 41)).astype(dtype)
    blocks = [packed_block(each, imode, bits) for each in cut(pixels, block, imode)]
    fields = fields_of(pixels, block, imode, IC=ic, NBPP=bits) | {"PVTYPE": kind.split()[0]}
    valid = np.ones(pixels.shape, bool)
    if ic == "NM":
        absent, table = holes_of((fields["NBPC"], fields["NBPR"]), 3, imode)
        blocks = [None if gone else each for each, gone in zip(blocks, absent, strict=True)]
        valid = ~np.repeat(np.repeat(table, block[0], 1), block[1], 2)[:, :29, :41]
    path = tmp_path / "a.ntf"
    write_nitf(path, [(fields, masked(blocks) if ic == "NM" else b"".join(blocks))])

    for stored in (False, True):
        image = opened(path, stored)
        for x, y, width, height in WINDOWS:
            for bands in (None, (2,), (1, 0)):
                here = np.s_[list(bands or range(3)), y : y + height, x : x + width]
                found = image.read(PixelWindow(x, y, width, height), bands=bands)
                if found is None:
                    assert not valid[here].any()
                    continue
                assert found.pixels.dtype == dtype
                np.testing.assert_array_equal(found.mask, valid[here])
                np.testing.assert_array_equal(found.pixels, np.where(valid[here], pixels[here], 0))


def test_each_band_of_a_block_begins_on_a_byte_as_gdal_has_it(tmp_path):
    path = tmp_path / "a.ntf"
    pixels = RANDOM.integers(0, 2, (3, 18, 35), np.uint8)  # 630 bits a band
    fields = fields_of(pixels, (18, 35), "B", NBPP=1) | {"PVTYPE": "B"}
    write_nitf(path, [(fields, packed_block(pixels, "B", 1))])

    (level,) = layout_of(path).levels

    assert (level.offsets[0, :, 0, 0] - level.offsets.flat[0]).tolist() == [0, 79, 158]
    for image in (BlockImage(str(path)), GdalImage(str(path))):
        np.testing.assert_array_equal(image.read(PixelWindow(0, 0, 35, 18)).pixels, pixels)


def test_an_unblocked_image_of_packed_pixels_is_given_as_strips_that_begin_on_bytes(tmp_path):
    path = tmp_path / "a.ntf"
    pixels = RANDOM.integers(0, 2, (3, 4000, 333), np.uint8)
    fields = fields_of(pixels, (4000, 333), "P", NBPP=1) | {"PVTYPE": "B"}
    write_nitf(path, [(fields, packed(cut(pixels, (4000, 333), "P")[0], 1))])

    (level,) = layout_of(path).levels
    found = BlockImage(str(path)).read(PixelWindow(0, 1500, 333, 40))

    assert level.grid[0] > 7
    assert level.block_shape[0] % 8 == 0
    np.testing.assert_array_equal(found.pixels, pixels[:, 1500:1540])


def smooth(bits, shape):
    rows, cols = np.mgrid[: shape[1], : shape[2]]
    waves = [(np.sin(rows / (7 + band)) + np.cos(cols / (9 + band)) + 2) / 4 for band in range(shape[0])]
    return np.round(np.stack(waves) * ((1 << bits) - 1)).astype("uint8" if bits == 8 else "uint16")


def jpeg_image(pixels, bits, imode, ic, block):
    """Subheader fields, data, where each stream begins by band and block, and the pixels that they decode to."""
    bands, rows, cols = pixels.shape
    fields = fields_of(pixels, block, imode, IC=ic, COMRAT="00.0", NBPP=bits, ABPP=bits)
    down, across = fields["NBPC"], fields["NBPR"]
    one_band = [[cut(pixels[band : band + 1], block, "B")[n][0] for n in range(down * across)] for band in range(bands)]
    coded = [
        [imagecodecs.jpeg8_encode(np.ascontiguousarray(each), level=90, bitspersample=bits) for each in band]
        for band in one_band
    ]
    wanted = np.zeros((bands, down * block[0], across * block[1]), pixels.dtype)
    for band in range(bands):
        for n, stream in enumerate(coded[band]):
            row, col = divmod(n, across)
            here = np.s_[band, row * block[0] : (row + 1) * block[0], col * block[1] : (col + 1) * block[1]]
            wanted[here] = imagecodecs.jpeg8_decode(stream)
    units = (
        [b"".join(band) for band in zip(*coded, strict=True)] if imode == "B" else [each for b in coded for each in b]
    )
    return fields, units, coded, wanted[:, :rows, :cols]


@pytest.mark.parametrize("bits", [8, 12])
@pytest.mark.parametrize("imode", ["B", "S"])
@pytest.mark.parametrize("ic", ["C3", "M3"])
@pytest.mark.parametrize("shape", [(2, 40, 70), (3, 64, 64), (11, 33, 33)])
def test_jpeg_streams_of_one_band_each_are_found(tmp_path, bits, imode, ic, shape):
    pixels = smooth(bits, shape)
    fields, units, coded, wanted = jpeg_image(pixels, bits, imode, ic, (32, 32))
    valid = np.ones(shape, bool)
    if ic == "M3":
        absent, table = holes_of((fields["NBPC"], fields["NBPR"]), shape[0], imode)
        units = [None if gone else each for each, gone in zip(units, absent, strict=True)]
        valid = ~np.repeat(np.repeat(table, 32, 1), 32, 2)[:, : shape[1], : shape[2]]
    path = tmp_path / "a.ntf"
    write_nitf(path, [(fields, masked(units) if ic == "M3" else b"".join(units))])

    (level,) = layout_of(path).levels
    data = path.read_bytes()

    assert (level.planes, level.codec.samples, level.codec.bits) == (shape[0], 1, bits)
    for band, row, col in np.argwhere(level.counts[0]).tolist():
        start, size = int(level.offsets[0, band, row, col]), int(level.counts[0, band, row, col])
        assert data[start : start + size] == coded[band][row * fields["NBPR"] + col]
    for stored in (False, True):
        found = opened(path, stored).read(PixelWindow(0, 0, shape[2], shape[1]))
        np.testing.assert_array_equal(found.mask, valid)
        np.testing.assert_array_equal(found.pixels, np.where(valid, wanted, 0))


def reason_of(path, **options):
    data = path.read_bytes()
    (level,) = parse_nitf(Reads(data), name="a", limits=ReadLimits(), size=len(data), **options).levels
    assert isinstance(level, Unserved)
    return level.reason


@pytest.mark.parametrize("ic", ["C3", "M3"])
@pytest.mark.parametrize("imode", ["B", "S"])
def test_streams_that_are_not_those_of_all_bands_are_not_taken_for_them(tmp_path, ic, imode):
    pixels = smooth(8, (3, 64, 64))
    fields, units, _, _ = jpeg_image(pixels, 8, imode, ic, (32, 32))
    few, colour, row = tmp_path / "few.ntf", tmp_path / "colour.ntf", tmp_path / "row.ntf"
    together = imagecodecs.jpeg8_encode(np.ascontiguousarray(pixels[:, :32, :32].transpose(1, 2, 0)), level=90)
    data = masked if ic == "M3" else b"".join
    short = [units[0][: len(units[0]) // 2], *units[1:]]
    write_nitf(few, [(fields, data(short))])
    write_nitf(colour, [(fields, data([together * (3 if imode == "B" else 1)] * len(units)))])
    write_nitf(row, [(fields | {"IMODE": "R"}, data(units))])

    if (ic, imode) != ("M3", "S"):  # there the table says where the streams are, and the decoder that one is cut short
        assert "JPEG streams for" in reason_of(few)
    assert "3 components in blocks of 32 x 32, 1 of 3 bands" in reason_of(colour)
    assert f"IC={ic} with IMODE=R and 3 bands" in reason_of(row)


def test_blocks_of_several_bands_beyond_what_is_walked_are_not_looked_for(tmp_path, monkeypatch):
    monkeypatch.setattr(nitf_jpeg, "MOST_WALKED", 1000)
    fields, units, _, _ = jpeg_image(smooth(8, (3, 64, 64)), 8, "B", "M3", (32, 32))
    write_nitf(tmp_path / "a.ntf", [(fields, masked(units))])

    assert "without a table of their places" in reason_of(tmp_path / "a.ntf")
