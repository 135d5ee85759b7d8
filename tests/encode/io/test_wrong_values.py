"""What is given and cannot be meant is refused by name before a byte is written, whatever it is."""

from __future__ import annotations

import io

import numpy as np
import pytest
import rasterio
from affine import Affine

from stacchip_osml.encode import ChipFactory, imsave, write_tiff
from stacchip_osml.errors import ChipError, EncodeError
from stacchip_osml.imagery import BufferedImageAssetProvider

GRAY = np.zeros((40, 48), np.uint8)
COLORS = np.zeros((3, 40, 48), np.uint8)
PLACES = [
    ("corners", 0, "corners are four"),
    ("corners", np.array(3), "corners are four"),
    ("transform", 0, "a transform is six"),
    ("crs", 2.5, "crs is EPSG:n"),
    ("crs", True, "crs is EPSG:n"),
    ("gcps", 1, "gcps must be"),
    ("gcps", "x", "gcps must be"),
    ("gcps", np.array([1, 2]), "gcps must be"),
]


@pytest.mark.parametrize("form", ["tif", "nitf", "jp2", "png"])
@pytest.mark.parametrize(("name", "value", "message"), PLACES)
def test_what_is_no_place_is_refused_in_every_format(form, name, value, message):
    out = io.BytesIO()

    with pytest.raises(ChipError, match=message):
        imsave(out, GRAY, format=form, **{name: value})
    assert out.getvalue() == b""


@pytest.mark.parametrize(
    ("form", "name", "value"),
    [
        ("tif", "layout", np.array([1, 2])),
        ("tif", "predictor", []),
        ("tif", "interleave", []),
        ("tif", "rows_per_strip", "x"),
        ("tif", "rows_per_strip", float("nan")),
        ("tif", "rows_per_strip", 2.5),
        ("tif", "overviews", "x"),
        ("tif", "overviews", 1.5),
        ("tif", "bigtiff", np.array([1, 2])),
        ("tif", "byteorder", []),
        ("tif", "rpcs", 0),
        ("tif", "rpcs", "x"),
        ("tif", "colors", b"x"),
        ("tif", "colors", [[1, 2]]),
        ("tif", "band_names", b"x"),
        ("tif", "scales", ["x"]),
        ("tif", "offsets", [None]),
        ("tif", "items", 1),
        ("tif", "items", {1: "a"}),
        ("tif", "items", {"A": [1]}),
        ("tif", "sparse", np.array([1, 2])),
        ("tif", "color_table", [(1, 2, 3.5)]),
        ("tif", "bits", 10**30),
        ("png", "workers", None),
        ("png", "level", 2.5),
        ("jpeg", "subsampling", np.array([1, 2])),
        ("jp2", "bits", 10**30),
        ("jp2", "color_transform", "x"),
    ],
)
def test_a_value_of_another_kind_is_refused_by_the_name_of_its_option(form, name, value):
    out = io.BytesIO()
    words = {"items": "item", "color_table": "color_table", "bits": "bits", "rows_per_strip": "rows_per_strip"}

    with pytest.raises(ChipError, match=words.get(name, name)):
        imsave(out, GRAY, format=form, **{name: value})
    assert out.getvalue() == b""


@pytest.mark.parametrize(
    "options",
    [{"tile": "xx"}, {"tile": np.array(16.5)}, {"tile": (16,)}, {"level": "x"}, {"bits": "x"}, {"nodata": 1 + 2j}],
)
def test_the_tiff_writer_refuses_them_as_well(options):
    out = io.BytesIO()

    with pytest.raises(ChipError, match=f"{next(iter(options))}|deflate level"):
        write_tiff(out, BufferedImageAssetProvider.from_array(COLORS), **options)
    assert out.getvalue() == b""


def test_options_that_are_none_are_not_given():
    plain, none = io.BytesIO(), io.BytesIO()
    imsave(plain, COLORS, format="tif")
    imsave(none, COLORS, format="tif", colors=None, band_names=None, scales=None, offsets=None, items=None, sparse=None)

    assert none.getvalue() == plain.getvalue()


def test_numbers_of_numpy_are_numbers(tmp_path):
    imsave(
        tmp_path / "a.tif",
        COLORS,
        crs=np.int64(32633),
        transform=np.array([10.0, 0, 500_000, 0, -10, 5_000_000]),
        rows_per_strip=np.int16(8),
        scales=np.array([0.5, 1, 2]),
        items={"COUNT": 5},
        layout="tiff",
    )
    imsave(tmp_path / "a.png", COLORS, level=np.int8(3))
    write_tiff(tmp_path / "b.tif", BufferedImageAssetProvider.from_array(COLORS), tile=np.int64(16))

    with rasterio.open(tmp_path / "a.tif") as image:
        assert image.crs.to_epsg() == 32633
        assert image.transform == Affine(10, 0, 500_000, 0, -10, 5_000_000)
        assert image.block_shapes[0] == (8, 48)
        assert image.scales == (0.5, 1, 2)
        assert image.tags()["COUNT"] == "5"
    with rasterio.open(tmp_path / "b.tif") as image:
        assert image.block_shapes[0] == (16, 16)


@pytest.mark.parametrize("kind", ["uint8", "int16", "float32", "complex64"])
def test_nodata_with_an_imaginary_part_is_refused_rather_than_dropped(kind):
    out = io.BytesIO()

    with pytest.raises(EncodeError, match=r"nodata \(1\+2j\) has an imaginary part, which GDAL_NODATA \(42113\)"):
        imsave(out, np.ones((1, 16, 16), kind), format="tif", nodata=1 + 2j)
    assert out.getvalue() == b""


def test_a_masked_array_does_not_lose_its_mask():
    masked = np.ma.masked_equal(np.arange(256, dtype=np.uint8).reshape(16, 16), 7)

    with pytest.raises(EncodeError, match="what a masked array masks would be lost: fill it"):
        imsave(io.BytesIO(), masked, format="tif")
    imsave(io.BytesIO(), np.ma.masked_array(GRAY), format="tif")  # masks nothing


def test_rows_of_unlike_lengths_are_no_image():
    with pytest.raises(EncodeError, match=r"an image is \(rows, cols\)"):
        imsave(io.BytesIO(), [[1, 2], [3]], format="tif")


@pytest.mark.parametrize(
    ("form", "options", "message"),
    [
        ("geotiff", {"tile": "x"}, "tile must be a whole number"),
        ("geotiff", {"interleave": []}, "interleave is text"),
        ("jpeg", {"quality": "x"}, "quality is a finite number"),
        ("jp2", {"levels": "x"}, "levels is a whole number"),
        ("j2k", {"layers": 2.5}, "layers is a whole number"),
        ("jph", {"ratio": "x"}, "ratio is a finite number"),
        ("nitf", {"version": 5}, "version is text"),
        ("nitf", {5: 5}, "nitf has no option 5"),
    ],
)
def test_options_of_a_chip_are_of_their_kind_too(form, options, message):
    source = BufferedImageAssetProvider.from_array(COLORS)

    with pytest.raises(ChipError, match=message):
        ChipFactory(source, output_format=form, format_options=options).create_chip((0, 0, 20, 20))


@pytest.mark.parametrize("overrides", [{5: 5}, {"VENDOR": {1: "a"}}])
def test_names_of_what_a_caller_says_of_a_chip_are_text(overrides):
    source = BufferedImageAssetProvider.from_array(COLORS)

    with pytest.raises(EncodeError, match="are values by their names, got"):
        ChipFactory(source, metadata_overrides=overrides).create_chip((0, 0, 20, 20))


@pytest.mark.parametrize("value", ["x", b"x", [], (1, 2), {}, object(), np.array([1, 2]), True, ["a", 1, 2]])
def test_nodata_of_a_chip_that_is_none_is_refused(value):
    source = BufferedImageAssetProvider.from_array(COLORS)

    with pytest.raises(EncodeError, match="nodata"):
        ChipFactory(source, nodata=value).create_chip((0, 0, 20, 20))


def test_an_item_that_readers_take_from_elsewhere_is_not_lost(tmp_path):
    place = {"crs": "EPSG:32633", "transform": Affine(10, 0, 500_000, 0, -10, 5_000_000)}
    point = {"items": {"AREA_OR_POINT": "Point"}, **place}

    with pytest.raises(EncodeError, match=r"GTRasterTypeGeoKey \(1025\): give metadata="):
        imsave(tmp_path / "a.tif", GRAY, **point)
    imsave(tmp_path / "a.tif", GRAY, metadata={"GeoRasterType": "PixelIsPoint"}, **point)
    imsave(tmp_path / "b.tif", GRAY, items={"AREA_OR_POINT": "Area"}, **place)

    for name, kind in (("a", "Point"), ("b", "Area")):
        with rasterio.open(tmp_path / f"{name}.tif") as image:
            assert image.tags()["AREA_OR_POINT"] == kind
            assert image.transform == place["transform"]


@pytest.mark.parametrize(
    ("form", "options"),
    [
        ("jpeg", {"quality": None, "subsampling": None, "mask": None}),
        ("geotiff", {"compression": None, "predictor": None, "tile": None}),
        ("jp2", {"layers": None, "workers": None}),
    ],
)
def test_an_option_of_chips_that_is_none_is_not_given(form, options):
    image = BufferedImageAssetProvider.from_array(COLORS)

    files = [
        ChipFactory(image, output_format=form, format_options=each).create_chip((0, 0, 16, 16))
        for each in (options, {})
    ]

    assert files[0] == files[1] is not None
