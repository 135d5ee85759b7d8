"""Layouts of TIFFs as rasterio and tifffile write them: places, shapes and samples are those that rasterio reads."""

import warnings

import imagecodecs
import numpy as np
import pytest
import rasterio
import tifffile
from rasterio.enums import Resampling
from rasterio.errors import NotGeoreferencedWarning
from rasterio.shutil import copy
from tiff_parity import assert_layout_is_gdals, assert_reads_as_gdal_does, gdal_levels
from tiff_reference import Reads, layout_of

from stacchip_osml.imagery.blocks.layout import LevelLayout
from stacchip_osml.imagery.limits import ReadLimits
from stacchip_osml.imagery.tiff.levels import parse_tiff

WIDTH, HEIGHT = 150, 110
TILES = {"tiled": True, "blockxsize": 64, "blockysize": 32}


def noise(count, dtype, bits=None):
    rng = np.random.default_rng(5)
    shape = (count, HEIGHT, WIDTH)
    if dtype.startswith("complex"):
        return (rng.normal(size=shape, scale=99) + 1j * rng.normal(size=shape, scale=99)).round().astype("complex64")
    if dtype.startswith("float"):
        return rng.normal(size=shape, scale=99).astype(dtype)
    top = (1 << bits) - 1 if bits else np.iinfo(dtype).max
    return rng.integers(0 if bits else np.iinfo(dtype).min, top, shape, dtype=dtype, endpoint=True)


def write(path, pixels, *, levels=(), mask=None, dtype=None, **profile):
    count, height, width = pixels.shape
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
            with rasterio.open(
                path, "w", "GTiff", width, height, count, dtype=dtype or pixels.dtype.name, **profile
            ) as dataset:
                dataset.write(pixels)
                if mask is not None:
                    dataset.write_mask(mask)
            if levels:
                with rasterio.open(path, "r+") as dataset:
                    dataset.build_overviews(list(levels), Resampling.nearest)
    return str(path)


@pytest.mark.parametrize("order", ["LITTLE", "BIG"])
@pytest.mark.parametrize(
    "dtype",
    [
        *("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64"),
        *("complex64", "complex128", "complex_int16"),
    ],
)
def test_every_sample_type_is_found_in_both_byte_orders(tmp_path, dtype, order):
    path = write(
        tmp_path / "a.tif", noise(2, dtype), dtype=dtype, ENDIANNESS=order, interleave="pixel", levels=[2], **TILES
    )

    assert_reads_as_gdal_does(path)


@pytest.mark.parametrize("bits", [*range(1, 8), *range(9, 16), *range(17, 24), *range(25, 32)])
@pytest.mark.parametrize("interleave", ["pixel", "band"])
def test_packed_bits_are_found(tmp_path, bits, interleave):
    dtype = "uint8" if bits < 8 else "uint16" if bits < 16 else "uint32"
    path = write(
        tmp_path / "a.tif", noise(2, dtype, bits), nbits=bits, interleave=interleave, compress="deflate", **TILES
    )

    layout = assert_reads_as_gdal_does(path)

    assert layout.levels[0].codec.bits == bits


@pytest.mark.parametrize(("compress", "predictors"), [
    ("deflate", (1, 2, 3)), ("lzw", (1, 2, 3)), ("zstd", (1, 2, 3)), ("lzma", (1,)), ("packbits", (1,)), (None, (1,))
])  # fmt: skip
@pytest.mark.parametrize("dtype", ["uint16", "float32", "float64"])
@pytest.mark.parametrize("form", [TILES, {"blockysize": 7}])
@pytest.mark.parametrize("interleave", ["pixel", "band"])
def test_compressions_predictors_and_interleaves_are_found(tmp_path, compress, predictors, dtype, form, interleave):
    for predictor in predictors:
        if predictor == 3 and dtype == "uint16":
            continue
        more = {"compress": compress, "predictor": predictor} if compress else {}
        path = write(tmp_path / f"{predictor}.tif", noise(3, dtype), interleave=interleave, **form, **more)

        layout = assert_reads_as_gdal_does(path)

        codec = layout.levels[0].codec
        assert (codec.compression, codec.predictor) == (compress or "none", predictor)
        assert codec.samples == (3 if interleave == "pixel" else 1)
        assert layout.levels[0].short_edge == (form is not TILES)


def test_half_floats_are_delivered_as_single_ones(tmp_path):
    path = write(tmp_path / "a.tif", noise(1, "float32"), nbits=16, compress="deflate", predictor=3, **TILES)

    layout = assert_reads_as_gdal_does(path)

    assert (layout.levels[0].codec.dtype, layout.levels[0].codec.stored) == ("float32", "<f2")


@pytest.mark.parametrize("big", ["YES", "NO"])
def test_overviews_masks_and_bigtiff_are_found(tmp_path, big):
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[30:, 40:90] = 255
    path = write(
        tmp_path / "a.tif", noise(3, "uint16"), mask=mask, levels=[2, 4, 8], BIGTIFF=big, compress="zstd", **TILES
    )

    layout = assert_reads_as_gdal_does(path)

    assert len(layout.levels) == 4
    assert all(level.mask is not None for level in layout.levels)
    assert layout.levels[0].mask.codec.bits == 1


@pytest.mark.parametrize("interleave", ["pixel", "band"])
def test_absent_blocks_are_those_that_gdal_does_not_find(tmp_path, interleave):
    pixels = noise(2, "uint8")
    pixels[:, :70, 30:] = 0
    pixels[1] = 0
    path = write(tmp_path / "a.tif", pixels, SPARSE_OK=True, compress="deflate", interleave=interleave, **TILES)

    layout = assert_reads_as_gdal_does(path)

    counts = layout.levels[0].counts
    assert 0 < (counts == 0).sum() < counts.size


@pytest.mark.parametrize(("bands", "profile", "codec"), [
    (3, {"compress": "jpeg", "photometric": "ycbcr", "interleave": "pixel"}, ("jpeg", "rgb")),
    (3, {"compress": "jpeg", "photometric": "rgb", "interleave": "pixel"}, ("jpeg", "stored")),
    (3, {"compress": "jpeg", "photometric": "rgb", "interleave": "band"}, ("jpeg", "stored")),
    (1, {"compress": "jpeg"}, ("jpeg", "stored")),
    (4, {"compress": "webp", "interleave": "pixel"}, ("webp", "stored")),
    (2, {"compress": "lerc", "interleave": "pixel", "photometric": "minisblack", "alpha": "no"}, ("lerc", "stored")),
    (1, {"compress": "lerc_deflate"}, ("lerc_deflate", "stored")),
    (1, {"compress": "lerc_zstd"}, ("lerc_zstd", "stored")),
])  # fmt: skip
@pytest.mark.parametrize("form", [{"tiled": True, "blockxsize": 64, "blockysize": 64}, {"blockysize": 16}])
def test_picture_codecs_are_found_with_what_becomes_of_their_colours(tmp_path, bands, profile, codec, form):
    pixels = noise(bands, "uint8")
    path = write(tmp_path / "a.tif", pixels, levels=[2], **profile, **form)

    layout, gdal = layout_of(path), gdal_levels(path)

    for level, known in zip(layout.levels, gdal, strict=True):
        assert_layout_is_gdals(level, known)
        assert (level.codec.compression, level.codec.color) == codec
        assert bool(level.codec.shared) == (codec[0] == "jpeg")


def test_jpeg_blocks_decode_with_the_tables_that_they_share(tmp_path):
    path = write(tmp_path / "a.tif", noise(1, "uint8") // 4, compress="jpeg", jpeg_quality=90, **TILES)
    (level,) = layout_of(path).levels

    start, count = int(level.offsets[0, 0, 1, 1]), int(level.counts[0, 0, 1, 1])
    data = Reads(path)(start, count)
    block = imagecodecs.jpeg_decode(data, tables=level.codec.shared)

    np.testing.assert_array_equal(block, gdal_levels(path)[0].pixels[0, 32:64, 64:128])


@pytest.mark.parametrize("overviews", [0, 2])
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_sub_directories_of_tifffile_are_levels(tmp_path, overviews, byteorder):
    pixels = noise(1, "uint16")[0]
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path, bigtiff=True, byteorder=byteorder) as file:
        file.write(pixels, subifds=overviews, tile=(32, 64), compression="zlib", predictor=True)
        for level in range(1, overviews + 1):
            file.write(
                pixels[:: 2**level, :: 2**level].copy(), subfiletype=1, tile=(16, 16), compression="zlib"
            )  # fmt: skip

    layout = assert_reads_as_gdal_does(str(path))

    assert len(layout.levels) == 1 + overviews


def test_a_cog_of_many_blocks_is_parsed_in_one_read(tmp_path):
    row = np.arange(6000, dtype=np.uint16)
    source = write(tmp_path / "a.tif", np.broadcast_to(row, (1, 6000, 6000)), tiled=True, compress="zstd")
    path = str(tmp_path / "cog.tif")
    copy(source, path, driver="COG", COMPRESS="ZSTD", BLOCKSIZE=256)
    reads = Reads(path)

    layout = parse_tiff(reads, name="cog.tif", limits=ReadLimits())

    assert sum(level.counts.size for level in layout.levels) > 558
    assert len(reads.log) == 1
    assert all(isinstance(level, LevelLayout) for level in layout.levels)
    for level, gdal in zip(layout.levels, gdal_levels(path, pixels=False), strict=True):
        assert_layout_is_gdals(level, gdal)


def test_a_cog_whose_tables_are_long_takes_few_reads(tmp_path):
    path = str(tmp_path / "a.tif")
    side = 16 * 200
    write(path, np.zeros((1, side, side), np.uint8), tiled=True, blockxsize=16, blockysize=16, compress="deflate")
    cog = str(tmp_path / "cog.tif")
    copy(path, cog, driver="COG", COMPRESS="DEFLATE", BLOCKSIZE=128, OVERVIEWS="NONE")
    for file, most in ((path, 4), (cog, 1)):
        reads = Reads(file)

        parse_tiff(reads, name="a.tif", limits=ReadLimits())

        assert len(reads.log) <= most
