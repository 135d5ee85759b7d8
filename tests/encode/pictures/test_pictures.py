import imagecodecs
import numpy as np
import pytest
from rasterio.io import MemoryFile

from stacchip_osml.encode import FORMATS, encode_chip, image_format, to_rgb8
from stacchip_osml.errors import EncodeError
from tests.encode.encode_chips import chip_of, pixels_of

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

COLORS = {1: ("gray",), 2: ("gray", "alpha"), 3: ("red", "green", "blue"), 4: ("red", "green", "blue", "alpha")}


def read(data):
    with MemoryFile(data) as memory, memory.open() as dataset:
        return dataset.driver, dataset.read(), tuple(color.name for color in dataset.colorinterp)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("bands", [1, 2, 3, 4])
@pytest.mark.parametrize("size", [(40, 50), (1, 1), (7, 300)])
@pytest.mark.parametrize("level", [0, 1, 6])
def test_png_holds_the_pixels_as_stored(dtype, bands, size, level):
    chip = chip_of(dtype, (bands, *size), colors=COLORS[bands])
    driver, pixels, colors = read(encode_chip(chip, "png", level=level))
    assert (driver, colors) == ("PNG", COLORS[bands])
    assert pixels.dtype == chip.pixels.dtype
    assert (pixels == chip.pixels).all()


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("bands", [1, 3])
@pytest.mark.parametrize("holes", ["shared", "each"])
def test_png_makes_invalid_pixels_transparent(dtype, bands, holes):
    chip = chip_of(dtype, (bands, 40, 50), holes=holes)
    _, pixels, _ = read(encode_chip(chip, "png"))
    assert (pixels[:-1] == chip.pixels).all()
    top = np.iinfo(dtype).max
    assert (pixels[-1] == np.where(chip.mask.any(axis=0), top, 0)).all()


def test_pure_blue_with_nodata_0_is_a_colour_and_no_hole():
    chip = chip_of("uint8", (3, 40, 50), colors=COLORS[3])
    chip.pixels[:, :5] = [[[0]], [[0]], [[200]]]
    chip.mask[:2, :5] = False

    assert (read(encode_chip(chip, "png"))[1] == chip.pixels).all()
    assert len(encode_chip(chip, "jpeg")) > 100
    assert (to_rgb8(chip.pixels, chip.mask) == chip.pixels.transpose(1, 2, 0)).all()


def test_png_lowers_a_stored_alpha_only_where_no_colour_is_valid():
    chip = chip_of("uint8", (4, 40, 50), colors=COLORS[4])
    chip.mask[:3, :5] = False
    _, pixels, _ = read(encode_chip(chip, "png"))
    assert (pixels[:3] == chip.pixels[:3]).all()
    assert (pixels[3, :5] == 0).all()
    assert (pixels[3, 5:] == chip.pixels[3, 5:]).all()


def test_png_mask_can_be_ignored_or_forced_by_choice():
    holed, whole = chip_of("uint8", holes="shared"), chip_of("uint8")
    assert (read(encode_chip(holed, "png", mask="ignore"))[1] == holed.pixels).all()
    forced = read(encode_chip(whole, "png", mask="alpha"))[1]
    assert forced.shape[0] == 4
    assert (forced[3] == 255).all()


@pytest.mark.parametrize("colors", [(), ("blue", "green", "red", "nir"), ("gray", *["undefined"] * 3)])
def test_png_never_shows_a_fourth_band_as_alpha_unless_asked(colors):
    chip = chip_of("uint8", (4, 20, 20), colors=colors)
    with pytest.raises(EncodeError, match=r"last of 4 samples is alpha in PNG.*mask='ignore'"):
        encode_chip(chip, "png")
    assert (read(encode_chip(chip, "png", mask="ignore"))[1] == chip.pixels).all()


@pytest.mark.parametrize("bands", [1, 3])
@pytest.mark.parametrize("subsampling", ["444", "422", "420"])
def test_jpeg_is_close_to_the_pixels(bands, subsampling):
    chip = chip_of("uint8", (bands, 64, 80))
    data = encode_chip(chip, "jpeg", quality=95, subsampling=subsampling)
    driver, pixels, colors = read(data)
    assert (driver, colors) == ("JPEG", COLORS[bands])
    assert np.abs(pixels.astype(int) - chip.pixels).mean() < 3
    decoded = imagecodecs.jpeg8_decode(data)
    assert decoded.shape == ((64, 80) if bands == 1 else (64, 80, 3))


@pytest.mark.parametrize("subsampling", ["444", "422", "420"])
@pytest.mark.parametrize("quality", [1, 75, 90, 100])
@pytest.mark.parametrize("shape", [(1, 64, 80), (3, 64, 80), (3, 1, 2), (3, 17, 3), (1, 1, 9)])
def test_jpeg_has_the_bytes_of_libjpeg_turbo_whichever_library_calls_it(shape, quality, subsampling):
    chip = chip_of("uint8", shape)
    samples = chip.pixels[0] if shape[0] == 1 else np.ascontiguousarray(chip.pixels.transpose(1, 2, 0))
    written = encode_chip(chip, "jpeg", quality=quality, subsampling=subsampling)
    assert written == imagecodecs.jpeg8_encode(samples, level=quality, subsampling=subsampling)


@pytest.mark.parametrize("bands", [1, 3])
def test_jpeg_holds_a_single_pixel(bands):
    assert read(encode_chip(chip_of("uint8", (bands, 1, 1)), "jpeg"))[1].shape == (bands, 1, 1)


def test_jpeg_quality_trades_size_for_likeness():
    chip = chip_of("uint8", (3, 64, 80))
    sizes = [len(encode_chip(chip, "jpeg", quality=quality)) for quality in (30, 90, 100)]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[2]


def test_jpeg_refuses_invalid_pixels_unless_told_to_ignore_them():
    chip = chip_of("uint8", holes="shared")
    with pytest.raises(EncodeError, match="cannot say which pixels are valid"):
        encode_chip(chip, "jpeg")
    with pytest.raises(EncodeError, match="cannot say which pixels are valid"):
        encode_chip(chip, "jpeg", display=True)
    assert read(encode_chip(chip, "jpeg", mask="ignore"))[0] == "JPEG"


@pytest.mark.parametrize("dtype", ["int8", "int16", "uint32", "int64", "float16", "float64", "complex64"])
@pytest.mark.parametrize("name", ["png", "jpeg"])
def test_other_dtypes_are_refused_with_the_way_out_and_displayed_on_request(dtype, name):
    chip = chip_of(dtype, (5, 20, 30))
    with pytest.raises(EncodeError, match="display=True"):
        encode_chip(chip, name)
    _, pixels, _ = read(encode_chip(chip, name, display=True))
    assert pixels.shape == (3, 20, 30)
    assert np.ptp(pixels) > 100


@pytest.mark.parametrize(
    ("name", "dtype", "bands", "message"),
    [
        ("png", "uint8", 5, "one to four samples a pixel, not 5 bands"),
        ("jpeg", "uint16", 3, "JPEG holds uint8, not uint16"),
        ("jpeg", "uint8", 2, "one or three bands, not 2"),
        ("jpeg", "uint8", 4, "one or three bands, not 4"),
    ],
)
def test_what_a_picture_cannot_hold_is_refused(name, dtype, bands, message):
    with pytest.raises(EncodeError, match=message):
        encode_chip(chip_of(dtype, (bands, 20, 20)), name)


def test_a_jpeg_side_is_limited_before_encoding():
    with pytest.raises(EncodeError, match="65500 pixels, this chip is 65501 x 1"):
        encode_chip(chip_of("uint8", (1, 1, 65_501)), "jpeg")


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("png", {"mask": "none"}, "mask must be one of auto, alpha, ignore"),
        ("png", {"level": 10}, "PNG levels are 0 to 9"),
        ("jpeg", {"quality": 0}, "quality is 1 to 100"),
        ("jpeg", {"mask": "alpha"}, "mask must be one of auto, ignore"),
        ("jpeg", {"subsampling": "411"}, "subsampling must be one of 444, 422, 420"),
        ("png", {"quality": 9}, "png has no option quality; it has display, level, mask"),
        ("tif", {"display": True}, "geotiff has no option display"),
    ],
)
def test_an_option_that_is_not_the_formats_is_refused(name, options, message):
    with pytest.raises(EncodeError, match=message):
        encode_chip(chip_of("uint8"), name, **options)


@pytest.mark.parametrize(
    ("name", "canonical"),
    [("PNG", "png"), ("jpg", "jpeg"), (".JPEG", "jpeg"), ("TIF", "geotiff"), ("GTiff", "geotiff"), ("tiff", "geotiff")],
)
def test_formats_have_their_usual_names(name, canonical):
    assert image_format(name) is FORMATS[canonical]
    assert encode_chip(chip_of("uint8"), name) == encode_chip(chip_of("uint8"), canonical)


def test_an_unknown_format_names_those_that_are_known():
    with pytest.raises(EncodeError, match="unknown image format 'webp'; choose one of png, jpeg, jpg, geotiff"):
        encode_chip(chip_of("uint8"), "webp")


@pytest.mark.parametrize("bands", [1, 3])
def test_a_picture_is_displayed_as_it_is(bands):
    chip = chip_of("uint8", (bands, 20, 20))
    shown = to_rgb8(chip.pixels, chip.mask)
    assert (shown == chip.pixels.transpose(1, 2, 0)).all()


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "float32", "complex64", "bool"])
def test_a_constant_image_is_mid_grey(dtype):
    pixels = np.full((2, 9, 9), 1, dtype)
    assert (to_rgb8(pixels, np.ones(pixels.shape, bool)) == 128).all()


def test_an_image_without_valid_pixels_is_transparent():
    pixels = pixels_of("uint16", (4, 9, 9))
    shown = to_rgb8(pixels, np.zeros(pixels.shape, bool))
    assert shown.shape == (9, 9, 4)
    assert (shown == 0).all()


def test_the_stretch_ignores_invalid_and_non_finite_pixels():
    pixels = np.linspace(0, 1, 10_000, dtype=np.float32).reshape(1, 100, 100).copy()
    mask = np.ones(pixels.shape, bool)
    clean = to_rgb8(pixels, mask)
    pixels[0, 50, :3], mask[0, 50, 3:6] = (np.nan, np.inf, -np.inf), False
    pixels[0, 50, 3:6] = 1e30
    shown = to_rgb8(pixels, mask)
    assert (shown[50, :6] == 0).all()
    assert (shown[50, 6:, 3] == 255).all()
    assert np.abs(shown[51:, :, :3].astype(int) - clean[51:]).max() <= 1


def test_the_stretch_maps_the_second_and_98th_percentile_to_black_and_white():
    pixels = np.arange(10_000, dtype=np.uint16).reshape(1, 100, 100)
    shown = to_rgb8(pixels, np.ones(pixels.shape, bool)).reshape(-1, 3)[:, 0]
    assert (shown[:200] == 0).all()
    assert (shown[9_800:] == 255).all()
    assert (np.diff(shown.astype(int)) >= 0).all()
    assert shown[5_000] == 128


@pytest.mark.parametrize(
    ("colors", "names", "expected"),
    [
        (("blue", "green", "red", "nir"), (), (2, 1, 0)),
        ((), ("B02", "B03", "B04", "B08"), (2, 1, 0)),
        ((), ("SR_B2", "SR_B3", "SR_B4", "SR_B5"), (2, 1, 0)),
        ((), ("Nir", "Red", "Green", "Blue"), (1, 2, 3)),
        ((), ("VV", "VH"), (0,)),
        ((), (), (0, 1, 2)),
        (("alpha", "undefined", "undefined", "undefined"), (), (1, 2, 3)),
        (("gray", "alpha"), (), (0,)),
    ],
)
def test_red_green_and_blue_are_found_by_colour_then_name_then_place(colors, names, expected):
    bands = len(colors or names) or 5
    pixels, mask = pixels_of("uint16", (bands, 20, 20)), np.ones((bands, 20, 20), bool)
    shown = to_rgb8(pixels, mask, colors=colors, band_names=names)
    assert (shown == to_rgb8(pixels, mask, bands=expected)).all()


def test_a_stored_alpha_makes_the_picture_transparent():
    pixels = pixels_of("uint8", (4, 20, 20))
    pixels[3, :5] = 0
    shown = to_rgb8(pixels, np.ones(pixels.shape, bool), colors=COLORS[4])
    assert (shown[..., 3] == np.where(pixels[3] > 0, 255, 0)).all()


@pytest.mark.parametrize("bands", [(0, 1), (0, 1, 5), (-1,), ()])
def test_bands_that_make_no_picture_are_refused(bands):
    pixels = pixels_of("uint8", (3, 9, 9))
    with pytest.raises(EncodeError, match="one or three bands of 0 to 2"):
        to_rgb8(pixels, np.ones(pixels.shape, bool), bands=bands)
