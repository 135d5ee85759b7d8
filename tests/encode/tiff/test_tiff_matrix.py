"""Compression x predictor x dtype x interleave x layout: read back equal by three readers, or refused by name."""

import io

import numpy as np
import pytest
import rasterio
import tifffile
from rasterio.io import MemoryFile

from stacchip_osml.encode import write_tiff
from stacchip_osml.encode.tiff.codecs import COMPRESSIONS
from stacchip_osml.errors import EncodeError
from stacchip_osml.imagery import BufferedImageAssetProvider
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.pixel import PixelWindow
from tests.encode.encode_chips import ALL_DTYPES, pixels_of

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

LOSSLESS = [name for name in COMPRESSIONS if name != "jpeg"]
NOT_IN_GDAL = {"jpegxl"}
"""Compressions that rasterio's wheels are built without."""


def image_of(pixels, block=48):
    return BufferedImageAssetProvider.from_array(pixels, block_width=block, block_height=block - 16)


def written(image, **options):
    out = io.BytesIO()
    write_tiff(out, image, **options)
    return out.getvalue()


def gdal(data):
    with MemoryFile(data) as memory, memory.open() as dataset:
        return dataset.read()


def ours(data, folder):
    path = folder / "image.tif"
    path.write_bytes(data)
    image = BlockImage(str(path))
    assert image.served_by(0).startswith("block"), image.served_by(0)
    return image.read(PixelWindow(0, 0, image.num_columns, image.num_rows)).pixels


def same(got, want):
    """Bit for bit; float16 comes as float32 before GDAL 3.11, bool as uint8, both exact."""
    got = got.astype(np.float32) if got.dtype == np.float16 else got
    wide = {"float16": np.float32, "bool": np.uint8}.get(want.dtype.name, want.dtype)
    return got.dtype == wide and got.tobytes() == np.ascontiguousarray(want.astype(wide)).tobytes()


@pytest.mark.parametrize("dtype", [*ALL_DTYPES, "bool"])
@pytest.mark.parametrize("compression", LOSSLESS)
@pytest.mark.parametrize("interleave", ["pixel", "band"])
def test_every_dtype_and_compression_reads_back_equal_or_is_refused_by_name(tmp_path, dtype, compression, interleave):
    pixels = pixels_of("uint8", (3, 70, 90)) > 100 if dtype == "bool" else pixels_of(dtype, (3, 70, 90))
    row = COMPRESSIONS[compression]
    options = {"compression": compression, "interleave": interleave, "tile": 32}
    together = 3 if interleave == "pixel" else 1
    if (row.dtypes and dtype not in row.dtypes) or (row.samples and together not in row.samples):
        with pytest.raises(EncodeError, match=rf"{compression} \(tag 259\) holds"):
            written(image_of(pixels), **options)
        return
    data = written(image_of(pixels), **options)

    if compression not in NOT_IN_GDAL:
        assert same(gdal(data), pixels)
        assert same(ours(data, tmp_path), pixels)
    page = tifffile.TiffFile(io.BytesIO(data)).pages[0]
    by_tifffile = page.asarray()
    planes = by_tifffile.transpose(2, 0, 1) if interleave == "pixel" else by_tifffile
    assert np.ascontiguousarray(planes).tobytes() == pixels.tobytes()


@pytest.mark.parametrize("dtype", ALL_DTYPES)
@pytest.mark.parametrize("predictor", ["none", "horizontal", "float"])
@pytest.mark.parametrize(("byteorder", "bands"), [("little", 1), ("big", 3)])
def test_every_predictor_and_byte_order_reads_back_equal_or_is_refused_by_name(
    tmp_path, dtype, predictor, byteorder, bands
):
    pixels = pixels_of(dtype, (bands, 40, 50))
    kind = pixels.dtype.kind
    options = {"predictor": predictor, "byteorder": byteorder, "interleave": "pixel", "compression": "lzw"}
    if predictor != "none" and (kind == "c" or (predictor == "float" and kind != "f")):
        with pytest.raises(EncodeError, match=r"predictor \(tag 317\) . does not go with"):
            written(image_of(pixels), **options)
        return
    data = written(image_of(pixels), **options)

    assert same(gdal(data), pixels)
    assert same(ours(data, tmp_path), pixels)


@pytest.mark.parametrize("compression", ["none", "lzw", "jpeg", "webp", "lerc", "packbits"])
def test_a_predictor_that_the_compression_has_not_is_refused(compression):
    if COMPRESSIONS[compression].predicted:
        return
    with pytest.raises(EncodeError, match=rf"none of {compression}'s .TIFF 6.0, section 14."):
        written(image_of(pixels_of("uint8")), compression=compression, predictor=2)


@pytest.mark.parametrize("byteorder", ["little", "big"])
@pytest.mark.parametrize("bigtiff", [True, False])
@pytest.mark.parametrize("layout", ["tiff", "cog"])
@pytest.mark.parametrize("interleave", ["pixel", "band"])
@pytest.mark.parametrize("blocks", [{"tile": (48, 32)}, {"rows_per_strip": 7}, {"rows_per_strip": 500}, {}])
def test_every_container_reads_back_equal(tmp_path, byteorder, bigtiff, layout, interleave, blocks):
    pixels = pixels_of("uint16", (2, 100, 75))
    options = {"byteorder": byteorder, "bigtiff": bigtiff, "layout": layout, "interleave": interleave, **blocks}
    if layout == "cog" and "rows_per_strip" in blocks:
        with pytest.raises(EncodeError, match="a COG has tiles"):
            written(image_of(pixels), **options)
        return
    data = written(image_of(pixels), **options)

    assert (
        data[:4]
        == {
            ("little", False): b"II*\0",
            ("little", True): b"II+\0",
            ("big", False): b"MM\0*",
            ("big", True): b"MM\0+",
        }[byteorder, bigtiff]
    )
    assert same(gdal(data), pixels)
    assert same(ours(data, tmp_path), pixels)
    with tifffile.TiffFile(io.BytesIO(data)) as tiff:
        assert tiff.series[0].shape in {(2, 100, 75), (100, 75, 2)}


@pytest.mark.parametrize("bits", range(1, 17))
def test_odd_bit_depths_are_packed(tmp_path, bits):
    compression = ("none", "deflate", "packbits")[bits % 3]
    dtype = np.uint8 if bits <= 8 else np.uint16
    pixels = np.random.default_rng(bits).integers(0, 1 << bits, (2, 33, 45)).astype(dtype)
    for interleave in ("pixel", "band"):
        data = written(image_of(pixels), bits=bits, compression=compression, interleave=interleave, tile=16)

        assert same(gdal(data), pixels)
        assert same(ours(data, tmp_path), pixels)


@pytest.mark.parametrize(
    ("dtype", "bits", "compression"),
    [
        ("uint16", 7, "none"),
        ("int16", 12, "none"),
        ("float32", 16, "none"),
        ("uint8", 9, "none"),
        ("uint8", 4, "jpeg"),
        ("uint32", 24, "deflate"),
    ],
)
def test_bits_that_do_not_go_with_the_pixels_are_refused(dtype, bits, compression):
    with pytest.raises(EncodeError, match=rf"BitsPerSample \(258\) of {bits}"):
        written(image_of(pixels_of(dtype, (1, 20, 20))), bits=bits, compression=compression)


@pytest.mark.parametrize("bits", [1, 4])
def test_a_value_that_does_not_fit_into_its_bits_is_refused(bits):
    with pytest.raises(EncodeError, match=r"BitsPerSample \(258\) of [14] cannot hold the value 16"):
        written(image_of(np.full((1, 20, 20), 16, np.uint8)), bits=bits)


def test_overviews_of_fewer_bits_than_the_type_has_stay_within_them(tmp_path):
    pixels = np.random.default_rng(1).integers(0, 2, (1, 200, 190), np.uint16) * np.uint16(4095)
    path = tmp_path / "a.tif"
    path.write_bytes(written(image_of(pixels), bits=12, layout="cog", tile=64))  # a sharp filter overshoots

    with rasterio.open(path) as dataset:
        np.testing.assert_array_equal(dataset.read(), pixels)
    with rasterio.open(path, overview_level=0) as dataset:
        assert dataset.read().max() == 4095


@pytest.mark.parametrize("nodata", [0, 1])
def test_one_bit_may_have_nodata(tmp_path, nodata):
    pixels = np.random.default_rng(1).integers(0, 2, (1, 200, 190)).astype(bool)
    path = tmp_path / "a.tif"
    path.write_bytes(written(image_of(pixels), nodata=nodata, layout="cog", tile=64))

    with rasterio.open(path) as dataset:
        assert dataset.nodata == nodata
        np.testing.assert_array_equal(dataset.read(), pixels)


@pytest.mark.parametrize("bands", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("subsampling", ["420", "422", "444"])
def test_jpeg_is_near_with_shared_tables(tmp_path, bands, subsampling):
    pixels = pixels_of("uint8", (bands, 100, 90))
    pixels[:] = pixels[:1] // 2 + 60  # no colour, which subsampling would take away
    data = written(image_of(pixels), compression="jpeg", level=95, subsampling=subsampling, tile=32)

    for got in (gdal(data), ours(data, tmp_path)):
        assert np.abs(got.astype(int) - pixels).max() <= 12
    page = tifffile.TiffFile(io.BytesIO(data)).pages[0]
    assert page.tags[347].value[:4] == b"\xff\xd8\xff\xdb"
    assert b"\xff\xdb" not in data[page.dataoffsets[0] : page.dataoffsets[0] + page.databytecounts[0]]
    assert page.photometric == (6 if bands == 3 else 2 if bands == 4 else 1)


def test_a_larger_error_of_lerc_stays_within_it():
    pixels = pixels_of("float32", (1, 64, 64))
    data = written(image_of(pixels), compression="lerc_zstd", level=0.5)

    assert 0 < np.abs(gdal(data) - pixels).max() <= 0.5001


@pytest.mark.parametrize("compression", ["lerc", "lerc_deflate"])
def test_nan_survives_lerc_band_by_band_and_is_refused_together(tmp_path, compression):
    pixels = pixels_of("float32", (2, 40, 40))
    pixels[0, 3, 4] = np.nan
    pixels[1, :, 7] = np.nan
    data = written(image_of(pixels), compression=compression, interleave="band")

    for got in (gdal(data), ours(data, tmp_path)):
        np.testing.assert_array_equal(got, pixels)
    with pytest.raises(EncodeError, match="LERC cannot hold NaN of bands stored together"):
        written(image_of(pixels), compression=compression, interleave="pixel")


def test_webp_keeps_colours_under_transparency_and_loses_with_a_quality():
    pixels = pixels_of("uint8", (4, 50, 50))
    pixels[3, :20] = 0
    assert same(gdal(written(image_of(pixels), compression="webp")), pixels)
    assert not same(gdal(written(image_of(pixels), compression="webp", level=50)), pixels)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"compression": "ccitt"}, "compression must be one of none, lzw"),
        ({"compression": 4}, "compression must be one of none, lzw"),
        ({"level": 13}, "deflate levels are 1 to 12"),
        ({"level": 2.5}, "deflate levels are 1 to 12"),
        ({"compression": "lzw", "level": 3}, "lzw has no levels"),
        ({"compression": "jpeg", "level": 0}, "jpeg levels are 1 to 100"),
        ({"predictor": "vertical"}, "must be none, horizontal or float"),
        ({"interleave": "line"}, "band or pixel"),
        ({"tile": 100}, "multiple of 16"),
        ({"tile": 256, "rows_per_strip": 3}, "tiles .322, 323. or strips .278., not both"),
        ({"rows_per_strip": 0}, r"RowsPerStrip \(278\) must be at least 1"),
        ({"compression": "jpeg", "rows_per_strip": 20}, r"RowsPerStrip \(278\) of JPEG must be a multiple of 16"),
        ({"compression": "jpeg", "subsampling": "411"}, r"subsampling \(tag 530\)"),
        ({"layout": "zarr"}, "layout must be one of tiff, cog"),
        ({"byteorder": "middle"}, "byteorder must be little or big"),
        ({"bigtiff": "maybe"}, "bigtiff must be"),
        ({"overviews": -1}, "0 or more"),
        ({"overviews": 20}, "20 overviews of 50 x 40 pixels; there can be 6"),
    ],
)
def test_an_option_that_cannot_be_honoured_is_refused(options, message):
    with pytest.raises(EncodeError, match=message):
        written(image_of(pixels_of("uint8")), **options)


@pytest.mark.parametrize("compression", ["lerc", "lerc_zstd", "jpegxl"])
def test_a_compression_that_keeps_samples_in_its_own_order_is_not_written_big_endian(compression):
    """Readers swap the samples that come out of it, so both LERC and its readers would have to swap them."""
    with pytest.raises(EncodeError, match=f"{compression} .* keeps samples in an order of its own"):
        written(image_of(pixels_of("uint16", (1, 40, 50))), compression=compression, byteorder="big")
    pixels = pixels_of("uint8", (1, 40, 50))
    assert same(gdal(written(image_of(pixels), compression="lerc", byteorder="big")), pixels)


@pytest.mark.parametrize(("dtype", "nodata"), [("uint64", 0.5), ("uint64", float("inf")), ("int64", float("nan"))])
def test_a_nodata_that_gdal_would_read_as_0_is_refused(dtype, nodata):
    with pytest.raises(EncodeError, match=f"nodata {nodata} is no {dtype}"):
        written(image_of(pixels_of(dtype)), nodata=nodata)


@pytest.mark.parametrize("compression", ["jpeg", "webp"])
def test_what_fills_a_lossy_tile_up_does_not_ring_into_the_image(compression):
    pixels = np.full((3, 20, 45), 200, np.uint8)
    data = written(image_of(pixels), compression=compression, level=60, tile=(32, 32), interleave="pixel")
    assert np.abs(gdal(data).astype(int) - 200).max() <= 1
