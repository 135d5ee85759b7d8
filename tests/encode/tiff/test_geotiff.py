import io
import re
import warnings
from dataclasses import replace

import numpy as np
import pytest
import tifffile
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.enums import ColorInterp
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import MemoryFile

from stacchip_osml.encode import BufferedImageAssetProvider, encode_chip, imsave, write_tiff
from stacchip_osml.errors import EncodeError
from stacchip_osml.imagery import GdalImage
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.pixel import PixelWindow
from tests.encode.encode_chips import ALL_DTYPES, NORTH_UP, chip_of, pixels_of

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


class Read:
    """What GDAL finds in a file."""

    def __init__(self, data):
        with MemoryFile(data) as memory, memory.open() as dataset:
            self.driver = dataset.driver
            self.pixels = dataset.read()
            self.mask = dataset.read_masks() > 0
            self.transform, self.crs = dataset.transform, dataset.crs
            self.nodata = dataset.nodatavals
            self.names = dataset.descriptions
            self.scales, self.offsets = dataset.scales, dataset.offsets
            self.colors = tuple(color.name for color in dataset.colorinterp)
            self.blocks = dataset.block_shapes
            self.profile = dict(dataset.profile)
            self.tags = dataset.tags()
            self.band_tags = [dataset.tags(band) for band in dataset.indexes]
            self.overviews = dataset.overviews(1)


def assert_same_pixels(got, want):
    """Bit for bit, NaN included; GDAL before 3.11 promotes float16 to float32, which is exact."""
    if want.dtype == np.float16:
        got = got.astype(np.float32)
        want = want.astype(np.float32)
    assert got.dtype == want.dtype
    assert got.tobytes() == np.ascontiguousarray(want).tobytes()


@pytest.mark.parametrize("dtype", ALL_DTYPES)
@pytest.mark.parametrize("compression", ["none", "deflate", "zstd", "lzw"])
@pytest.mark.parametrize("interleave", ["band", "pixel"])
@pytest.mark.parametrize("holes", ["none", "shared", "each"])
def test_every_dtype_reads_back_bit_for_bit_with_its_mask(dtype, compression, interleave, holes):
    chip = chip_of(dtype, holes=holes, transform=NORTH_UP, crs="EPSG:32633")
    read = Read(encode_chip(chip, "geotiff", compression=compression, interleave=interleave))
    assert_same_pixels(read.pixels, chip.pixels)
    assert (read.mask == chip.mask).all()
    assert (read.transform, read.crs.to_epsg(), read.driver) == (NORTH_UP, 32633, "GTiff")
    assert read.profile.get("compress", "none") == compression
    assert read.profile["interleave"] == interleave
    assert read.tags["AREA_OR_POINT"] == "Area"


@pytest.mark.parametrize("dtype", ALL_DTYPES)
def test_neither_byte_order_nor_strides_matter(dtype):
    chip = chip_of(dtype, (2, 40, 50))
    swapped = chip.pixels.astype(chip.pixels.dtype.newbyteorder(">"))[:, ::-1, ::-1]
    read = Read(encode_chip(replace(chip, pixels=swapped), "geotiff"))
    assert_same_pixels(read.pixels, chip.pixels[:, ::-1, ::-1])


NODATA = {
    "uint8": (0, 255, 7),
    "int8": (-128, 0),
    "uint16": (0, 65535),
    "int16": (-32768, -9999),
    "uint32": (2**32 - 1,),
    "int32": (-(2**31),),
    "uint64": (0, 2**40),
    "int64": (-9999, -(2**40)),
    "float16": (float("nan"), -9999.0, 0.1),
    "float32": (float("nan"), -3.4028234663852886e38, -9999.0, 0.1, float("-inf")),
    "float64": (float("nan"), -1.7976931348623157e308, 0.1, 1e-300),
    "complex64": (0j, complex(1, 2), complex("nan")),
}


@pytest.mark.parametrize(("dtype", "nodata"), [(dtype, value) for dtype, values in NODATA.items() for value in values])
@pytest.mark.parametrize("agree", [True, False])
def test_nodata_is_stated_and_the_mask_is_the_chips_even_where_they_disagree(dtype, nodata, agree):
    chip = chip_of(dtype, holes="shared")
    pixels = chip.pixels.copy()
    pixels[~chip.mask] = nodata
    if not agree:
        pixels[0, 20, 20] = nodata  # a measurement that has the nodata value
        pixels[:, 3, 5] = 1  # an invalid pixel that has not
    chip = replace(chip, pixels=pixels, nodata=(nodata,) * 3)
    data = encode_chip(chip, "geotiff")
    read = Read(data)
    assert_same_pixels(read.pixels, pixels)
    assert (read.mask == chip.mask).all()
    if complex(nodata).imag == 0:
        expected = np.float32(nodata.real) if dtype == "float32" else nodata.real
        assert read.nodata == pytest.approx((expected,) * 3, rel=1e-6, abs=0, nan_ok=True)


@pytest.mark.parametrize(
    ("dtype", "nodata"),
    [("uint8", 0), ("int16", -9999), ("float32", -3.4028234663852886e38), ("float32", float("nan")), ("float64", 0.1)],
)
def test_nodata_that_says_the_mask_needs_no_mask_directory(dtype, nodata):
    chip = chip_of(dtype, holes="shared", nodata=(nodata,) * 3)
    chip.pixels[~chip.mask] = nodata
    with MemoryFile(encode_chip(chip, "geotiff")) as memory, memory.open() as dataset:
        assert [flags[0].name for flags in dataset.mask_flag_enums] == ["nodata"] * 3


def test_a_valid_float_next_to_nodata_stays_valid():
    chip = chip_of("float32", (1, 20, 20), nodata=(-9999.0,))
    chip.pixels[0, 4, 4] = np.nextafter(np.float32(-9999), np.float32(0))
    assert Read(encode_chip(chip, "geotiff")).mask.all()


def test_nodata_that_no_pixel_can_have_does_not_harm():
    for value in (-9999.0, 1e9, 0.5, float("nan")):
        chip = chip_of("uint8", (2, 20, 20), holes="shared", nodata=(value, value))
        read = Read(encode_chip(chip, "geotiff"))
        assert (read.mask == chip.mask).all()
        assert_same_pixels(read.pixels, chip.pixels)


def test_nodata_that_differs_between_bands_keeps_every_mask_and_names_every_value():
    chip = chip_of("int16", holes="each", nodata=(-9999, None, float("nan")))
    read = Read(encode_chip(chip, "geotiff"))
    assert (read.mask == chip.mask).all()
    assert [tags.get("NODATA") for tags in read.band_tags] == ["-9999", None, "nan"]


@pytest.mark.parametrize(
    "transform",
    [
        NORTH_UP,
        Affine(1 / 3, 0, 1e-17, 0, -0.1, 1 / 7),
        Affine(10, 0, 1, 0, 10, 2),
        Affine(-10, 0, 1, 0, -10, 2),
        Affine(0.0866, 0.15, 5e5, 0.05, -0.2598, 4e6),
        Affine(1, 0.25, 100, 0, -2, 7),
        Affine(0, 1, 0, 1, 0, 0),
    ],
)
@pytest.mark.parametrize("crs", ["EPSG:32633", None])
def test_every_transform_reads_back_exactly(transform, crs):
    read = Read(encode_chip(chip_of(transform=transform, crs=crs), "geotiff"))
    assert read.transform == transform
    assert (read.crs is None) == (crs is None)


def test_sensor_geometry_is_written_without_georeferencing():
    with MemoryFile(encode_chip(chip_of(), "geotiff")) as memory:
        with pytest.warns(NotGeoreferencedWarning, match="no geotransform"):
            dataset = memory.open()
        with dataset:
            assert dataset.crs is None
            assert dataset.transform == Affine.identity()


def test_a_transform_that_is_not_finite_is_refused():
    with pytest.raises(EncodeError, match="must be finite"):
        encode_chip(chip_of(transform=Affine(1, 0, float("nan"), 0, -1, 0)), "geotiff")


def test_names_scales_and_offsets_read_back():
    chip = chip_of(
        band_names=("B04", "été & <nir> \"x\" 'y'", ""), scales=(0.0001, 1.0, 1 / 3), offsets=(-0.1, 0.0, 1e-9)
    )
    read = Read(encode_chip(chip, "geotiff"))
    assert read.names == ("B04", "été & <nir> \"x\" 'y'", None)
    assert read.scales == chip.scales
    assert read.offsets == chip.offsets


@pytest.mark.parametrize("color", [color.name for color in ColorInterp if color.name != "palette"])
def test_every_colour_interpretation_reads_back(color):
    for colors in ((color,), ("gray", color), (color, "undefined", "red"), ("red", "green", "blue", color)):
        chip = chip_of("uint8", (len(colors), 20, 20), colors=colors)
        assert Read(encode_chip(chip, "geotiff")).colors == colors


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("bands", [2, 4])
@pytest.mark.parametrize("agree", [True, False])
def test_alpha_is_validity_only_where_it_says_the_mask(dtype, bands, agree):
    colors = ("gray", "alpha") if bands == 2 else ("red", "green", "blue", "alpha")
    chip = chip_of(dtype, (bands, 20, 30), colors=colors)
    chip.pixels[-1, :5] = 0
    chip.mask[:-1, :5] = False
    if not agree:
        chip.mask[0, 10, 10] = False
    read = Read(encode_chip(chip, "geotiff"))
    assert read.colors == colors
    assert (read.mask == chip.mask).all()
    assert_same_pixels(read.pixels, chip.pixels)


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (256, 256), (257, 16), (255, 513)])
@pytest.mark.parametrize("bands", [1, 5])
def test_every_size_is_tiled_and_a_small_chip_is_one_tile(size, bands):
    chip = chip_of("uint16", (bands, *size))
    chip.mask[:, 0, 0] = False
    read = Read(encode_chip(chip, "geotiff"))
    assert_same_pixels(read.pixels, chip.pixels)
    assert (read.mask == chip.mask).all()
    assert read.blocks[0] == tuple(min(256, -(-side // 16) * 16) for side in size)
    assert read.overviews == []


@given(
    dtype=st.sampled_from(ALL_DTYPES),
    bands=st.integers(1, 4),
    rows=st.integers(1, 70),
    cols=st.integers(1, 70),
    tile=st.sampled_from([16, 32, 256]),
    interleave=st.sampled_from(["band", "pixel"]),
    predictor=st.booleans(),
    seed=st.integers(0, 9),
)
@settings(deadline=None, max_examples=60)
def test_any_chip_survives_any_layout(dtype, bands, rows, cols, tile, interleave, predictor, seed):
    chip = chip_of(dtype, (bands, rows, cols), seed=seed)
    chip.mask[:] = np.random.default_rng(seed).random(chip.mask.shape) > seed / 9
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        read = Read(encode_chip(chip, "geotiff", tile=tile, interleave=interleave, predictor=predictor))
    assert_same_pixels(read.pixels, chip.pixels)
    assert (read.mask == chip.mask).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"compression": "jpeg"}, "jpeg .tag 259. holds uint8; these pixels are uint16"),
        ({"compression": "ccitt"}, "compression must be one of none, lzw, deflate, zstd"),
        ({"level": 13}, "deflate levels are 1 to 12, got 13"),
        ({"compression": "zstd", "level": 0}, "zstd levels are 1 to 19"),
        ({"tile": 100}, "multiple of 16, got 100"),
        ({"tile": 0}, "multiple of 16, got 0"),
        ({"interleave": "line"}, "band or pixel, got 'line'"),
    ],
)
def test_an_option_out_of_range_is_refused(options, message):
    with pytest.raises(EncodeError, match=message):
        encode_chip(chip_of(), "geotiff", **options)


@pytest.mark.parametrize("dtype", ["timedelta64[s]", "datetime64[s]"])
def test_a_dtype_that_geotiff_has_not_is_refused(dtype):
    chip = replace(chip_of(), pixels=pixels_of("uint8").astype(dtype))
    with pytest.raises(EncodeError, match=r"GeoTIFF cannot hold .* pixels"):
        encode_chip(chip, "geotiff")


def test_a_band_name_with_control_characters_is_refused():
    with pytest.raises(EncodeError, match="control characters"):
        encode_chip(chip_of(band_names=("a", "b\0", "c")), "geotiff")


def test_special_floats_survive():
    chip = chip_of("float32", (1, 20, 20))
    chip.pixels[0, :5, 0] = [np.nan, np.inf, -np.inf, -0.0, 1e-45]
    read = Read(encode_chip(chip, "geotiff"))
    assert_same_pixels(read.pixels, chip.pixels)
    assert read.mask.all()


def test_entities_in_a_name_are_not_resolved_twice():
    names = ("a &amp; b", "&lt;&amp;lt;&gt;", "]]> <!-- -->")
    assert Read(encode_chip(chip_of(band_names=names), "geotiff")).names == names


def test_the_same_chip_gives_the_same_bytes():
    assert encode_chip(chip_of(holes="each"), "geotiff") == encode_chip(chip_of(holes="each"), "geotiff")


def test_tifffile_reads_it_too():
    chip = chip_of("uint16", holes="each", transform=NORTH_UP, crs="EPSG:32633")
    with tifffile.TiffFile(io.BytesIO(encode_chip(chip, "geotiff"))) as tiff:
        assert (tiff.pages[0].asarray() == chip.pixels).all()
        assert tiff.pages[0].geotiff_tags["ProjectedCSTypeGeoKey"] == 32633
        assert len(tiff.pages) == 2


@pytest.mark.parametrize("nodata", [0.5, float("nan"), -9999.0])
def test_nodata_that_unsigned_integers_of_64_bits_cannot_have_makes_no_hole_where_pixels_are_0(nodata):
    chip = chip_of("uint64", nodata=(nodata,) * 3)
    chip.pixels[:, 0] = 0
    assert (Read(encode_chip(chip, "geotiff")).mask == chip.mask).all()


BEYOND = [("float32", 1e300), ("float32", -3.5e38), ("float16", 1e5), ("complex64", 1e39)]


@pytest.mark.parametrize(("dtype", "nodata"), BEYOND)
def test_nodata_beyond_all_floats_of_a_type_makes_no_hole_where_pixels_are_infinite(dtype, nodata):
    chip = chip_of(dtype, holes="shared", nodata=(nodata,) * 3)
    chip.pixels[:, 5] = np.sign(nodata) * np.inf
    read = Read(encode_chip(chip, "geotiff"))
    assert (read.mask == chip.mask).all()
    assert read.nodata == (None,) * 3


@pytest.mark.parametrize(("dtype", "nodata"), BEYOND)
def test_an_image_with_nodata_beyond_all_floats_of_its_type_is_refused_by_value_and_tag(dtype, nodata):
    image = BufferedImageAssetProvider.from_array(np.zeros((1, 8, 8), dtype))
    with pytest.raises(EncodeError, match=re.escape(f"nodata {nodata} is no {dtype}, and would be read as infinity")):
        write_tiff(io.BytesIO(), image, nodata=nodata)
    with pytest.raises(EncodeError, match=re.escape(f"nodata {nodata} is no value of {dtype} pixels")):
        imsave(io.BytesIO(), np.zeros((8, 8), dtype), format="tif", nodata=nodata)


@pytest.mark.parametrize("nodata", [3.4028235e38, -3.4e38, float("inf"), float("-inf"), float("nan"), 1e-60])
def test_nodata_at_the_end_of_a_types_range_is_written(nodata):
    out = io.BytesIO()
    imsave(out, np.zeros((8, 8), np.float32), format="tif", nodata=nodata)
    assert Read(out.getvalue()).nodata == pytest.approx((np.float32(nodata),), rel=1e-6, nan_ok=True)


def test_what_others_wrote_beyond_a_types_range_is_infinity_to_both_readers(tmp_path):
    pixels = np.array([[1, np.inf, -np.inf, np.nan]], np.float32)
    tifffile.imwrite(tmp_path / "a.tif", pixels, extratags=[(42113, "s", 0, "1e300", True)])
    for kind in (GdalImage, BlockImage):
        image = kind(str(tmp_path / "a.tif"))
        assert image.header.bands[0].nodata == np.inf
        assert image.read(PixelWindow(0, 0, 4, 1)).mask.tolist() == [[[True, False, True, True]]]


@pytest.mark.parametrize("nodata", [None, 7])
@pytest.mark.parametrize("alpha", [0, 255])
@pytest.mark.parametrize("holes", ["none", "shared"])
def test_a_chip_with_alpha_and_nodata_is_as_valid_to_every_reader(tmp_path, nodata, alpha, holes):
    chip = chip_of("uint8", (4, 40, 40), holes=holes, nodata=(nodata,) * 4, colors=("red", "green", "blue", "alpha"))
    pixels = np.where(chip.pixels == 7, 8, chip.pixels)
    pixels[:, ~chip.mask[0]] = 7
    pixels[3, 10:20] = alpha  # where the others are measurements, too
    chip = replace(chip, pixels=pixels)
    (tmp_path / "a.tif").write_bytes(encode_chip(chip, "geotiff"))

    assert (Read((tmp_path / "a.tif").read_bytes()).mask == chip.mask).all()
    for kind in (GdalImage, BlockImage):
        assert (kind(str(tmp_path / "a.tif")).read(PixelWindow(0, 0, 40, 40)).mask == chip.mask).all()
