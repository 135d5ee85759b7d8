"""Display chains: every kind of image becomes a picture that is not black, not white, not inverted, or is refused."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import tifffile
from foreign_provider import Foreign

from stacchip_osml.chain import BandedPixels, compute_statistics, statistics_from_gdal_metadata
from stacchip_osml.errors import ChainError
from stacchip_osml.imagery import (
    ComplexRemapFactory,
    DisplayChainFactory,
    GdalImage,
    MappedImageProvider,
    TiledImagePyramid,
    read_window,
)
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.imagery.display import statistics as module
from stacchip_osml.imagery.display.statistics import cheapest_level
from tests.imagery.gdal.gdal_files import write

build = DisplayChainFactory.build
SIDE = 64


def scene(low, high, dtype, bands=1, *, seed=0):
    """Values of a bell curve between two numbers, as most images have them."""
    values = np.random.default_rng(seed).normal((low + high) / 2, (high - low) / 8, (bands, SIDE, SIDE))
    return values.clip(low, high).astype(dtype)


def shown(image, pixels, **settings):
    chain = build(image, **settings)
    return chain, chain(pixels if chain.input_bands is None else pixels[list(chain.input_bands)])


def assert_well_shown(picture, pixels):
    """Middle tones in the middle, dark below bright, and little at the ends."""
    for out, band in zip(picture, pixels, strict=True):
        assert 60 < np.median(out) < 190
        assert (out == 0).mean() < 0.03
        assert (out == 255).mean() < 0.03
        assert np.corrcoef(out.ravel(), band.ravel().astype(np.float64))[0, 1] > 0.98


# ---- kinds of pixels


@pytest.mark.parametrize("adjustment", ["dra", "minmax"])
@pytest.mark.parametrize(
    ("dtype", "low", "high", "facts"),
    [
        ("uint16", 0, 2047, {"actual_bits_per_pixel": 11}),
        ("uint16", 0, 4095, {"actual_bits_per_pixel": 12}),
        ("uint16", 0, 65_535, {}),
        ("uint16", 9_000, 11_000, {}),
        ("int8", -100, 100, {}),
        ("int16", -20_000, 20_000, {}),
        ("int16", -300, -100, {}),
        ("int32", -2_000_000, 2_000_000, {}),
        ("uint32", 0, 4_000_000_000, {}),
        ("int64", -9, 10**12, {}),
        ("float32", -3.0, 4.0, {}),
        ("float64", 1e-9, 2e-9, {}),
        ("float32", 100_000.0, 100_001.0, {}),
    ],
)
def test_pixels_of_any_kind_are_stretched_and_never_turned_around(dtype, low, high, facts, adjustment):
    pixels = scene(low, high, dtype)

    chain, picture = shown(Foreign(pixels, **facts), pixels, range_adjustment=adjustment)

    assert (picture.dtype, picture.shape) == (np.uint8, pixels.shape)
    assert (np.dtype(chain.output_dtype), chain.output_bands) == (np.uint8, 1)
    assert_well_shown(picture, pixels)


@pytest.mark.parametrize("dtype", ["int32", "uint32", "float32"])
def test_a_chain_for_wide_pixels_takes_little_memory(dtype):
    pixels = scene(0, 1_000_000, dtype)
    tracemalloc.start()

    build(Foreign(pixels))

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20_000_000


def test_limits_of_eleven_bit_data_are_exact():
    pixels = scene(200, 1800, "uint16")
    pixels[0, 0, :2] = 0, 2047
    low, high = np.percentile(pixels, (2, 98))

    (step,) = build(Foreign(pixels, actual_bits_per_pixel=11)).definition[-1:]

    assert step["low"] == pytest.approx(low - 0.2 * (high - low), abs=2)
    assert step["high"] == pytest.approx(high + 0.4 * (high - low), abs=2)


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint32"])
def test_rare_extremes_do_not_make_all_others_black(dtype):
    pixels = np.random.default_rng(0).lognormal(5, 0.3, (1, SIDE, SIDE))
    pixels[0, 0, :3] = 1e9, 3e9, 2e9
    pixels = pixels.astype(dtype)

    _, picture = shown(Foreign(pixels), pixels)

    assert 40 < np.median(picture) < 150
    assert len(np.unique(picture)) > 100


@pytest.mark.parametrize("value", [0, 500, 65_535])
@pytest.mark.parametrize("dtype", ["uint16", "int32", "float32"])
def test_a_constant_image_is_middle_grey(dtype, value):
    pixels = np.full((1, 8, 8), value, dtype)

    _, picture = shown(Foreign(pixels), pixels)

    assert (picture == 128).all()


def test_nan_is_shown_black_and_counts_for_nothing():
    pixels = scene(10, 20, "float32")
    pixels[0, :20] = np.nan
    chain = build(Foreign(pixels))

    out = chain.apply(BandedPixels.of(pixels))

    assert not out.mask[0, :20].any()
    assert (out.pixels[0, :20] == 0).all()
    assert_well_shown(out.pixels[:, 20:], pixels[:, 20:])


@pytest.mark.parametrize(
    ("dtype", "fill"), [("int16", -9999), ("uint16", 0), ("float32", -3.4e38), ("float32", -9999), ("uint16", 65_535)]
)
def test_fill_that_nothing_declares_does_not_set_the_limits(dtype, fill):
    pixels = scene(14_000, 20_000, dtype)
    pixels[0, :30] = fill

    _, picture = shown(Foreign(pixels), pixels)

    assert_well_shown(picture[:, 30:], pixels[:, 30:])
    assert (picture[0, :30] == (0 if fill < 14_000 else 255)).all()


def test_two_values_are_black_and_white_and_not_fill_and_data():
    pixels = np.zeros((1, 8, 8), np.uint16)
    pixels[0, 4:] = 100

    _, picture = shown(Foreign(pixels), pixels)

    assert set(picture.ravel()) == {0, 255}


# ---- pictures that are pictures already


def test_8_bit_rgb_passes_through_as_it_is(tmp_path):
    pixels = scene(0, 120, "uint8", 3)
    path = write(tmp_path / "a.tif", pixels, photometric="RGB")

    for image in (GdalImage(path), BlockImage(path), Foreign(pixels)):
        chain, picture = shown(image, pixels)
        np.testing.assert_array_equal(picture, pixels)
        assert not chain.steps


@pytest.mark.parametrize("selection", [None, [2, 1, 0], [1]])
@pytest.mark.parametrize(("output", "white"), [("uint8", 255), ("uint16", 65_535), ("float32", 1.0)])
def test_bands_and_output_type_are_honoured_for_8_bit_rgb_too(selection, output, white):
    pixels = scene(0, 255, "uint8", 3)

    chain, picture = shown(Foreign(pixels), pixels, band_selection=selection, output_dtype=output)

    chosen = pixels if selection is None else pixels[selection]
    assert (picture.dtype, len(picture)) == (np.dtype(output), len(chosen))
    assert np.dtype(chain.output_dtype) == picture.dtype
    np.testing.assert_allclose(picture, chosen / 255 * white, rtol=1e-6, atol=0.5 if output != "float32" else 0)


def test_8_bit_grey_stays_as_it_is_unless_it_is_dark_all_over():
    grey, mask = scene(0, 200, "uint8"), scene(0, 2, "uint8")
    mask[0, :9] = 2

    np.testing.assert_array_equal(shown(Foreign(grey), grey)[1], grey)
    assert shown(Foreign(mask), mask)[1].max() > 100


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_fewer_bits_than_8_are_brought_to_8(bits):
    pixels = np.arange(1 << bits, dtype=np.uint8).reshape(1, 1, -1)

    _, picture = shown(Foreign(pixels, actual_bits_per_pixel=bits), pixels)

    assert (picture.min(), picture.max()) == (0, 255)


def test_alpha_is_no_colour(tmp_path):
    pixels = scene(0, 255, "uint8", 4)
    pixels[3] = 255
    rgba = GdalImage(write(tmp_path / "a.tif", pixels, photometric="RGB", alpha="YES"))
    grey = GdalImage(write(tmp_path / "b.tif", pixels[2:], alpha="YES"))

    assert build(rgba).input_bands == (0, 1, 2)
    assert build(grey).input_bands == (0,)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_where_0_is_white_it_is_shown_white(dtype, tmp_path):
    pixels = scene(10, 240, dtype)
    image = GdalImage(write(tmp_path / "a.tif", pixels, photometric="MINISWHITE"))

    _, picture = shown(image, pixels)

    assert np.corrcoef(picture.ravel(), pixels.ravel())[0, 1] < -0.98
    foreign = Foreign(pixels, metadata={"262": "0"})
    np.testing.assert_array_equal(shown(foreign, pixels)[1], picture)


# ---- palettes and colour spaces

COLORS = {0: (0, 0, 0), 1: (255, 10, 20), 2: (128, 200, 3)}


def palette_file(path, pixels):
    """Write a palette TIFF with another writer than the reader's."""
    table = np.zeros((3, 256), np.uint16)
    for value, color in COLORS.items():
        table[:, value] = np.array(color) * 257
    tifffile.imwrite(path, pixels[0], photometric="palette", colormap=table)
    return str(path)


@pytest.mark.parametrize("output", ["uint8", "uint16", "float32"])
def test_a_palette_becomes_its_colours(output, tmp_path):
    pixels = np.array([[[0, 1], [2, 1]]], np.uint8)
    image = GdalImage(palette_file(tmp_path / "a.tif", pixels))

    chain, picture = shown(image, pixels, output_dtype=output)

    white = 1.0 if output == "float32" else np.iinfo(output).max
    expected = np.array([COLORS[value] for value in pixels.ravel()]).T.reshape(3, 2, 2) / 255 * white
    assert (chain.output_bands, picture.dtype) == (3, np.dtype(output))
    np.testing.assert_allclose(picture, expected, atol=0.5)
    assert BlockImage(image.location).picture_tags.color_tables[0][1] == (*COLORS[1], 255)


def test_the_palette_of_a_foreign_tiff_is_in_its_tag():
    pixels = np.array([[[0, 1, 3]]], np.uint8)
    table = [0, 65_535, 0, 257, 0, 0, 65_535, 514, 0, 0, 0, 771]

    _, picture = shown(Foreign(pixels, metadata={"262": "3", "320": table}), pixels)

    assert picture[:, 0].T.tolist() == [[0, 0, 0], [255, 0, 0], [1, 2, 3]]


@pytest.mark.parametrize("metadata", [{"262": "3"}, {"262": 3, "320": [1, 2]}, {"IREPBAND": "LU"}])
def test_a_palette_without_its_colours_is_refused(metadata):
    with pytest.raises(ValueError, match="palette image without its colour table"):
        build(Foreign(np.zeros((1, 4, 4), np.uint8), metadata=metadata))


def test_ycbcr_that_was_not_decoded_is_converted(tmp_path):
    luma = np.full((3, 8, 8), 128, np.uint8)
    luma[0] = 100
    luma[2, :4] = 200  # Cr: red
    image = GdalImage(write(tmp_path / "a.ntf", luma, driver="NITF", IREP="YCbCr601"))

    _, picture = shown(image, luma)

    assert picture[:, 0, 0].tolist() == pytest.approx([201, 48, 100], abs=3)
    assert picture[:, 7, 7].tolist() == pytest.approx([100, 100, 100], abs=2)


def test_ycbcr_that_its_decoder_turned_into_rgb_stays_as_it_is(tmp_path):
    pixels = scene(0, 255, "uint8", 3)
    path = write(tmp_path / "a.tif", pixels, photometric="YCBCR", compress="JPEG")

    image = GdalImage(path)

    assert not build(image).steps
    assert not build(Foreign(pixels, metadata={"262": "6"})).steps


# ---- what it takes statistics of


def test_statistics_that_are_given_set_the_limits():
    pixels = scene(0, 4000, "uint16", 4)
    stats = compute_statistics(pixels)

    chain = build(Foreign(pixels, metadata={"IREPBAND": ["B", "G", "R", "N"]}), stats, "minmax")

    assert chain.input_bands == (2, 1, 0)
    assert chain.definition[-1]["high"] == [float(pixels[band].max()) for band in (2, 1, 0)]
    only = type(stats)(stats.bands[:3])
    assert build(Foreign(pixels), only, "minmax").definition[-1]["high"] == [float(b.max) for b in only.bands]
    with pytest.raises(ValueError, match="statistics of 2 bands for an image of 4, of which 3 are shown"):
        build(Foreign(pixels), type(stats)(stats.bands[:2]))


def test_statistics_without_a_histogram_serve_minmax_alone():
    text = "".join(
        f'<Item name="STATISTICS_{name}" sample="0">{value}</Item>'
        for name, value in {"MINIMUM": 5, "MAXIMUM": 60, "MEAN": 30, "STDDEV": 9}.items()
    )
    stats = statistics_from_gdal_metadata(f"<GDALMetadata>{text}</GDALMetadata>")
    image = Foreign(scene(0, 100, "uint16"), metadata={"42112": f"<GDALMetadata>{text}</GDALMetadata>"})

    assert build(image, range_adjustment="minmax").definition[-1]["high"] == 60
    assert build(image).definition[-1]["high"] != 60
    with pytest.raises(ValueError, match="without a histogram are of no use for DRA"):
        build(image, stats)


def test_settings_of_dra_are_passed_on():
    pixels = scene(0, 4000, "uint16")

    narrow, wide = (build(Foreign(pixels), dra={"a": a, "b": a}).definition[-1] for a in (0, 1))

    assert wide["low"] < narrow["low"] < narrow["high"] < wide["high"]


def test_the_cheapest_level_that_is_large_enough_is_read(tmp_path):
    pixels = scene(0, 3000, "uint16")
    image = GdalImage(write(tmp_path / "a.tif", pixels, levels=(2, 4, 8)))
    pyramid = TiledImagePyramid.from_asset(image)

    assert cheapest_level(image, 16 * 16) == (image, 2)
    assert cheapest_level(image, 16 * 16 + 1) == (image, 1)
    assert cheapest_level(image, 10**7) == (image, 0)
    assert cheapest_level(pyramid, 32 * 32)[0] is pyramid.get_level(1)
    assert build(pyramid, min_pixels=256).id == build(image, min_pixels=256).id != build(image).id


def test_of_a_very_large_level_a_part_is_read(monkeypatch):
    monkeypatch.setattr(module, "MOST_PIXELS", 1 << 20)
    monkeypatch.setattr(module, "ENOUGH_PIXELS", 1 << 19)
    pixels = np.broadcast_to(np.arange(2048, dtype=np.uint16), (1, 2048, 2048))
    image = Foreign(pixels, side=512)

    chain = build(image, seed=3)

    assert len(image.reads) == 2
    assert chain.id == build(Foreign(pixels, side=512), seed=3).id


def test_gdal_and_blocks_give_the_same_chain_and_a_mapped_image_is_taken_for_what_it_is(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 3, (1, 32, 32), dtype=np.uint8)
    path = palette_file(tmp_path / "a.tif", pixels)
    mapped = MappedImageProvider(GdalImage(path), lambda block: block.astype(np.float32) * 7, None, "x", 1, "float32")

    assert build(GdalImage(path)).id == build(BlockImage(path)).id
    assert [step["step"] for step in build(mapped).definition] == ["select", "rescale"]


# ---- refusals


@pytest.mark.parametrize(
    ("pixels", "facts", "settings", "message"),
    [
        (np.zeros((1, 4, 4), np.complex64), {}, {}, "are complex, and are shown through a remap"),
        (np.zeros((2, 4, 4), np.float32), {"metadata": {"ISUBCAT": ["I", "Q"]}}, {}, "are complex"),
        (np.zeros((2, 4, 4), np.uint8), {"metadata": {"ICAT": "SAR", "ISUBCAT": ["M", "P"]}}, {}, "are complex"),
        (np.zeros((1, 4, 4), np.uint16), {}, {"range_adjustment": "log"}, "must be dra or minmax"),
        (np.zeros((1, 4, 4), np.uint16), {}, {"band_selection": [1]}, "of an image that has 1 bands"),
        (np.zeros((1, 4, 4), np.uint16), {}, {"band_selection": []}, "of an image that has 1 bands"),
        (np.zeros((1, 4, 4), np.uint16), {}, {"output_dtype": "complex64"}, "expected one of"),
        (np.zeros((1, 4, 4), np.uint16), {"absent": [(0, 0)]}, {}, "no pixels are stored"),
        (np.full((1, 4, 4), np.nan), {}, {}, "no pixel is a measurement"),
        (np.zeros((2, 4, 4), np.uint16), {}, {"common_names": ["red"]}, "1 common names for an image of 2"),
    ],
)
def test_what_cannot_be_shown_right_is_refused(pixels, facts, settings, message):
    with pytest.raises(ValueError, match=message) as caught:
        build(Foreign(pixels, **facts), **settings)

    assert isinstance(caught.value, ChainError)


def test_complex_pixels_are_shown_through_a_remap():
    random = np.random.default_rng(0)
    pixels = (random.normal(size=(1, SIDE, SIDE)) + 1j * random.normal(size=(1, SIDE, SIDE))).astype(np.complex64)
    pixels[0, :, 32:] *= 50
    bright = ComplexRemapFactory.build(Foreign(pixels))

    picture = build(bright)(read_window(bright, (0, 0, SIDE, SIDE)))

    assert picture.dtype == np.uint8
    assert np.median(picture[0, :, 32:]) > 2 * np.median(picture[0, :, :32]) > 0
    assert (picture == 255).mean() < 0.05
