"""How blocks become samples, or why that is left to GDAL: decided by tags, held to what GDAL does with them."""

import zlib

import imagecodecs
import numpy as np
import pytest
import rasterio
import tifffile
from tiff_assembler import (
    BITS,
    COMPRESSION,
    EXTRA_SAMPLES,
    FILL_ORDER,
    INK_SET,
    PHOTOMETRIC,
    PLANAR,
    PREDICTOR,
    ROWS_PER_STRIP,
    SAMPLE_FORMAT,
    SAMPLES,
    SUBFILE,
    assemble,
    gray,
    save,
)
from tiff_parity import assert_reads_as_gdal_does, gdal_levels
from tiff_reference import layout_of, reversed_bits

from stacchip_osml.errors import DecodeError
from stacchip_osml.imagery import GdalImage
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.imagery.blocks.layout import LevelLayout, Unserved
from stacchip_osml.pixel import PixelWindow

SHORT = 3
PACKERS = {
    1: bytes,
    5: imagecodecs.lzw_encode,
    8: zlib.compress,
    32773: imagecodecs.packbits_encode,
    32946: zlib.compress,
    34925: imagecodecs.lzma_encode,
    50000: imagecodecs.zstd_encode,
}
RAW = np.random.default_rng(2).integers(0, 256, 64 * 48 * 16, np.uint8).tobytes()


def strip(tags, *, width=64, height=48, bits=8, samples=1, data=RAW):
    """One strip of noise, packed as the tags say."""
    size = -(-width * bits * samples // 8) * height
    packed = PACKERS.get(tags.get(COMPRESSION, 1), bytes)(data[:size])
    said = {BITS: bits, SAMPLES: samples, **tags}
    return gray(width, height, [reversed_bits(packed) if tags.get(FILL_ORDER) == 2 else packed], tags=said)


@pytest.mark.parametrize("compression", list(PACKERS))
@pytest.mark.parametrize("bits", [1, 4, 8, 12, 16])
def test_bits_from_the_lowest_turn_the_bytes_as_stored(tmp_path, compression, bits):
    path = save(tmp_path / "a.tif", strip({COMPRESSION: compression, FILL_ORDER: 2}, bits=bits))

    layout = assert_reads_as_gdal_does(path)

    assert layout.levels[0].codec.lsb_first


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", [1, 2, 3, 4, 5, 6])
@pytest.mark.parametrize("bits", [1, 4, 8, 12, 16, 20, 24, 31, 32, 33, 48, 64, 128])
def test_a_sample_is_served_as_gdal_delivers_it_or_left(tmp_path, kind, bits, order):
    path = save(tmp_path / "a.tif", strip({SAMPLE_FORMAT: kind}, bits=bits, width=8), order=order)
    (level,) = layout_of(path).levels

    if isinstance(level, LevelLayout):
        assert_reads_as_gdal_does(path)
    else:
        assert level == Unserved(reason=f"samples of {bits} bits in format {kind}")
        assert bits == 24 or kind >= 4 or (kind == 3 and bits < 32) or bits in (33, 48, 128)


@pytest.mark.parametrize("compression", [1, 5, 8, 32773, 34925, 50000])
@pytest.mark.parametrize("predictor", [0, 1, 2, 3, 4])
@pytest.mark.parametrize(("bits", "kind"), [(4, 1), (12, 1), (16, 1), (32, 3), (64, 6), (32, 5)])
def test_a_predictor_counts_where_its_codec_has_one(tmp_path, compression, predictor, bits, kind):
    tags = {COMPRESSION: compression, PREDICTOR: predictor, SAMPLE_FORMAT: kind}
    path = save(tmp_path / "a.tif", strip(tags, bits=bits, samples=2))
    (level,) = layout_of(path).levels

    if compression in (1, 32773) or predictor == 1:
        assert level.codec.predictor == 1
    if isinstance(level, LevelLayout):
        assert_reads_as_gdal_does(path)
    else:
        assert level == Unserved(reason=f"predictor {predictor} of {bits}-bit samples in format {kind}")


COLORS = {
    "white is zero": ({PHOTOMETRIC: 0}, 1, True),
    "white is zero, bits": ({PHOTOMETRIC: 0, BITS: 1}, 1, True),
    "no photometric interpretation": ({PHOTOMETRIC: None}, 1, True),
    "RGB with alpha": ({PHOTOMETRIC: 2, EXTRA_SAMPLES: 2}, 4, True),
    "palette": ({PHOTOMETRIC: 3, 320: (SHORT, [7] * 768)}, 1, True),
    "mask": ({PHOTOMETRIC: 4}, 1, True),
    "CMYK": ({PHOTOMETRIC: 5}, 4, False),
    "CMYK in planes": ({PHOTOMETRIC: 5}, 4, False),
    "CMYK of words": ({PHOTOMETRIC: 5, BITS: 16}, 4, False),
    "CMYK of floats": ({PHOTOMETRIC: 5, BITS: 32, SAMPLE_FORMAT: 3}, 4, True),
    "other inks": ({PHOTOMETRIC: 5, INK_SET: 2}, 4, True),
    "fewer inks": ({PHOTOMETRIC: 5}, 3, True),
    "YCbCr": ({PHOTOMETRIC: 6, 530: (SHORT, [1, 1])}, 3, False),
    "CIELab": ({PHOTOMETRIC: 8}, 3, False),
    "ICCLab": ({PHOTOMETRIC: 9}, 3, False),
    "filter array": ({PHOTOMETRIC: 32803}, 1, True),
    "linear raw": ({PHOTOMETRIC: 34892}, 3, True),
}


@pytest.mark.parametrize("case", list(COLORS))
def test_colours_are_served_where_gdal_delivers_them_as_stored(tmp_path, case):
    tags, samples, served = COLORS[case]
    tags = dict(tags)
    path = save(tmp_path / "a.tif", strip(tags, samples=samples, bits=tags.pop(BITS, 8)))
    (level,) = layout_of(path).levels

    assert isinstance(level, LevelLayout) == served, level
    if served:
        assert_reads_as_gdal_does(path)


def test_an_image_that_becomes_rgba_has_overviews_of_four_bands(tmp_path):
    inks = strip({PHOTOMETRIC: 5}, samples=5)
    others = [strip({SUBFILE: 1}, width=width, samples=samples) for width, samples in ((32, 5), (16, 4), (8, 3))]
    path = save(tmp_path / "a.tif", inks, *others)

    base, overview = layout_of(path).levels

    assert base == Unserved(reason="CMYK, delivered as RGBA")
    assert [gdal.size for gdal in gdal_levels(path)] == [(64, 48), tuple(overview.size)] == [(64, 48), (16, 48)]


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (2, "compression 2 (CCITT run lengths)"),
        (3, "compression 3 (CCITT group 3)"),
        (4, "compression 4 (CCITT group 4)"),
        (6, "compression 6 (old-style JPEG)"),
        (32809, "compression 32809 (ThunderScan)"),
        (34661, "compression 34661 (JBIG)"),
        (34676, "compression 34676 (LogLuv)"),
        (12345, "compression 12345 (unknown)"),
    ],
)
def test_other_compressions_are_left_by_name(tmp_path, number, reason):
    path = save(tmp_path / "a.tif", gray(64, 48, [b"1"], tags={COMPRESSION: number}))

    assert layout_of(path).levels == (Unserved(reason=reason),)


PICTURES = {
    (34712, 8, 1, 1): "jpeg2000",
    (34712, 16, 1, 3): "jpeg2000",
    (34712, 32, 3, 1): "jpeg2000 of 32-bit float32",
    (50002, 8, 1, 3): "jpegxl",
    (52546, 32, 3, 1): "jpegxl",
    (50002, 64, 3, 1): "jpegxl of 64-bit float64",
    (50001, 8, 1, 3): "webp",
    (50001, 8, 1, 2): "WebP of 2 bands, planar configuration 1",
    (50001, 16, 1, 3): "webp of 16-bit uint16",
    (7, 8, 1, 1): "jpeg",
    (7, 12, 1, 1): "jpeg",
    (7, 16, 1, 1): "JPEG of 16 bits",
    (7, 4, 1, 1): "jpeg of 4-bit uint8",
    (34887, 32, 3, 1): "lerc",
    (34887, 64, 2, 1): "lerc of 64-bit int64",
    (34887, 16, 3, 1): "lerc of 16-bit float32",
    (34887, 12, 1, 1): "lerc of 12-bit uint16",
}


@pytest.mark.parametrize("case", list(PICTURES))
def test_picture_codecs_are_served_for_the_samples_that_they_hold(tmp_path, case):
    number, bits, kind, samples = case
    tags = {COMPRESSION: number, BITS: bits, SAMPLE_FORMAT: kind, SAMPLES: samples, PREDICTOR: 2}
    path = save(tmp_path / "a.tif", gray(64, 48, [b"1"], tags=tags), order=">")

    (level,) = layout_of(path).levels

    if isinstance(level, Unserved):
        assert level.reason == PICTURES[case]
    else:
        assert (level.codec.compression, level.codec.predictor) == (PICTURES[case], 1)
        # libtiff turns the bytes of LERC's samples, as it does those of streams of bytes
        assert np.dtype(level.codec.stored).isnative == (PICTURES[case] != "lerc")


def test_lerc_says_what_it_was_compressed_with_further():
    def served(tags):
        said = {COMPRESSION: 34887, ROWS_PER_STRIP: 48, **tags}
        (level,) = layout_of(assemble(gray(64, 48, [b"1"] * said.get(SAMPLES, 1), tags=said))).levels
        return level.reason if isinstance(level, Unserved) else level.codec.compression

    assert served({}) == "lerc"
    assert served({50674: (4, [4, 0])}) == "lerc"
    assert served({50674: (4, [4, 1])}) == "lerc_deflate"
    assert served({50674: (4, [4, 2])}) == "lerc_zstd"
    assert served({50674: (4, [4, 3])}) == "LERC with further compression 3"
    assert served({SAMPLES: 2, EXTRA_SAMPLES: 2}) == "LERC with alpha in its mask"
    assert served({SAMPLES: 2, EXTRA_SAMPLES: 2, PLANAR: 2}) == "lerc"


def test_ycbcr_is_served_in_three_band_jpeg_alone():
    def served(**tags):
        said = {COMPRESSION: 7, PHOTOMETRIC: 6, SAMPLES: 3, **{int(tag[1:]): value for tag, value in tags.items()}}
        (level,) = layout_of(assemble(gray(64, 48, [b"1"] * 3, tags=said))).levels
        return level.reason if isinstance(level, Unserved) else level.codec.color

    assert served() == "rgb"
    assert served(t284=2) == served(t277=4) == served(t259=50001) == "YCbCr outside three-band JPEG"


def test_volumes_are_left():
    (level,) = layout_of(assemble(gray(64, 48, [RAW[:3072]], tags={32997: 2}))).levels

    assert level == Unserved(reason="a volume of 2 slices a block")


@pytest.mark.parametrize("bits", [2, 5, 7])
@pytest.mark.parametrize("codec", ["ccittrle", "ccittfax3", "ccittfax4"])
@pytest.mark.parametrize("reader", [BlockImage, GdalImage])
def test_ccitt_of_more_than_one_bit_holds_nothing_or_is_refused(tmp_path, reader, codec, bits):
    """GDAL makes such files without a word, their encoder refuses every block, and it reads them as valid zeros."""
    path, other = tmp_path / "a.tif", tmp_path / "b.tif"
    how = {"driver": "GTiff", "width": 50, "height": 40, "count": 1, "dtype": "uint8", "compress": codec}
    for place, depth in ((path, bits), (other, 1)):
        with rasterio.open(place, "w", nbits=depth, **how) as out:
            out.write(np.ones((1, 40, 50), np.uint8))
    with tifffile.TiffFile(other, mode="r+") as tiff:
        tiff.pages[0].tags["BitsPerSample"].overwrite(bits)
    whole = PixelWindow(0, 0, 50, 40)

    assert tifffile.TiffFile(path).pages[0].databytecounts == (0,)
    assert reader(str(path)).read(whole) is None
    with pytest.raises(DecodeError, match="IReadBlock failed"):
        reader(str(other)).read(whole)
