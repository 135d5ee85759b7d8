"""One array, one file: defaults, options, places, refusals."""

import io
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pyproj
import pytest
import rasterio
from affine import Affine
from io_scenes import CORNERS, gdal_read, scene

from stacchip_osml.encode import IO, imsave
from stacchip_osml.errors import EncodeError
from stacchip_osml.imagery import read_window

TRANSFORM = (0.0025, 0.0, -77.0, 0.0, -0.5 / 300, 39.0)
KINDS = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float16", "float32", "float64")
KINDS += ("complex64", "complex128", "bool")
HELD = {
    "tif": KINDS,
    "ntf": ("uint8", "uint16", "int16", "uint32", "int32", "float32", "float64", "complex64", "bool"),
    "png": ("uint8", "uint16"),
    "jpg": ("uint8",),
    "jp2": ("uint8", "uint16", "int16"),
    "j2k": ("uint8", "uint16", "int16"),
    "jph": ("uint8", "uint16", "int16"),
}


def extremes(kind, shape=(3, 40, 30)):
    """Both ends of a type's range among noise."""
    rng = np.random.default_rng(1)
    if kind == "bool":
        return rng.random(shape) > 0.5
    if np.dtype(kind).kind in "iu":
        info = np.iinfo(kind)
        pixels = rng.integers(info.min, info.max, shape, kind, endpoint=True)
        pixels[0, 0, :2] = info.min, info.max
        return pixels
    return (rng.normal(0, 1000, shape) + (1j * rng.normal(0, 9, shape) if kind.startswith("c") else 0)).astype(kind)


@pytest.mark.parametrize("ending", HELD)
@pytest.mark.parametrize("kind", KINDS)
def test_every_type_is_exact_or_refused_by_name(tmp_path, ending, kind):
    pixels = extremes(kind)
    path = tmp_path / f"image.{ending}"

    if kind not in HELD[ending]:
        with pytest.raises(EncodeError, match=kind):
            imsave(path, pixels)
        assert list(tmp_path.iterdir()) == []
        return
    imsave(path, pixels)
    found, _ = gdal_read(path.read_bytes())

    if ending == "jpg":
        assert found.shape == pixels.shape
    else:
        assert np.array_equal(found, pixels)
    with IO.open(path) as dataset:
        image = dataset.get_asset("image:0")
        assert (image.num_bands, image.num_rows, image.num_columns) == pixels.shape
        if ending != "jpg":
            assert np.array_equal(image.get_block(0, 0), pixels[:, : image.num_pixels_per_block_vertical])


def test_defaults_are_those_that_are_documented(tmp_path):
    pixels = scene(3, 1100, 1100)
    for name in ("a.tif", "a.ntf", "a.png", "a.jp2"):
        imsave(tmp_path / name, pixels)

    tif, ntf, png, jp2 = (gdal_read((tmp_path / name).read_bytes())[1] for name in ("a.tif", "a.ntf", "a.png", "a.jp2"))
    assert (tif["compression"], tif["blocks"]) == ("deflate", (256, 256))
    assert (ntf["tags"]["NITF_IC"], ntf["blocks"]) == ("C8", (1024, 1024))
    assert png["driver"] == "PNG"
    assert (jp2["driver"], jp2["blocks"]) == ("JP2OpenJPEG", (1024, 1024))
    assert jp2["colors"] == ["red", "green", "blue"]


def test_two_dimensions_are_one_band():
    out = io.BytesIO()
    imsave(out, np.arange(600, dtype=np.uint16).reshape(20, 30), format="png")

    assert np.array_equal(gdal_read(out.getvalue())[0], np.arange(600).reshape(1, 20, 30))


@pytest.mark.parametrize("form", ["tif", "nitf", "jp2", "jph"])
@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:32618", None])
def test_corners_are_an_exact_transform_for_gdal(form, crs):
    utm = [(300000.0, 4300000.5), (300100.0, 4300000.5), (300100.0, 4299850.5), (300000.0, 4299850.5)]
    expected = (0.5, 0.0, 300000.0, 0.0, -0.5, 4300000.5) if crs == "EPSG:32618" else TRANSFORM
    out = io.BytesIO()

    imsave(out, scene(), format=form, corners=utm if crs == "EPSG:32618" else CORNERS, crs=crs)

    pixels, facts = gdal_read(out.getvalue())
    assert np.array_equal(pixels, scene())
    assert facts["crs"] == (crs or "EPSG:4326")
    assert facts["transform"] == pytest.approx(expected, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("form", ["tif", "nitf", "jp2"])
def test_a_crs_is_text_a_code_or_an_object_of_pyproj_or_rasterio(form):
    transform = (10.0, 0.0, 300000.0, 0.0, -10.0, 4300000.0)
    for crs in (32618, pyproj.CRS(32618), rasterio.CRS.from_epsg(32618), pyproj.CRS(32618).to_wkt()):
        out = io.BytesIO()
        imsave(out, scene(), format=form, transform=transform, crs=crs)
        _, facts = gdal_read(out.getvalue())
        assert (facts["crs"], facts["transform"]) == ("EPSG:32618", transform)


@pytest.mark.parametrize("shape", [(3, 1, 1), (3, 33, 45), (2, 9, 1030), (1, 33, 45)])
def test_bits_of_several_bands_are_read_by_all(shape):
    pixels = np.random.default_rng(1).random(shape) > 0.5
    out = io.BytesIO()

    imsave(out, pixels, format="nitf")

    out.seek(0)
    with IO.open(out) as dataset:
        image = dataset.get_asset("image:0")
        assert image.source.served_by(0).startswith("block")
        assert np.array_equal(read_window(image, (0, 0, shape[2], shape[1])), pixels)
    if max(shape) <= 1024:  # GDAL reads bits of one block only
        assert np.array_equal(gdal_read(out.getvalue())[0], pixels)


def test_a_rotated_transform_is_kept_exactly():
    matrix = Affine(0.7, 0.2, 500000.25, 0.3, -0.9, 4000000.125)
    for form in ("tif", "jp2"):
        out = io.BytesIO()
        imsave(out, scene(), format=form, transform=matrix, crs="EPSG:32633")
        assert gdal_read(out.getvalue())[1]["transform"] == tuple(matrix)[:6]


@pytest.mark.parametrize("form", ["tif", "jp2", "nitf"])
def test_corners_that_are_no_parallelogram_are_control_points(form):
    skewed = [(-77.0, 39.0), (-76.5, 39.1), (-76.4, 38.5), (-77.0, 38.5)]
    out = io.BytesIO()

    imsave(out, scene(), format=form, corners=skewed)

    points = sorted((point.col, point.row, point.x, point.y) for point in gdal_read(out.getvalue())[1]["gcps"])
    inset = 0.5 if form == "nitf" else 0.0  # IGEOLO says the centres of corner pixels, to the second
    expected = sorted(
        (col, row, *(across_down(skewed, axis, col / 200, row / 300) for axis in (0, 1)))
        for col in (inset, 200 - inset)
        for row in (inset, 300 - inset)
    )
    assert np.allclose(points, expected, rtol=0, atol=0.6 / 3600 if form == "nitf" else 1e-12)


def across_down(corners, axis, across, down):
    (ul, ur, lr, ll) = (corner[axis] for corner in corners)
    return (1 - down) * ((1 - across) * ul + across * ur) + down * ((1 - across) * ll + across * lr)


@pytest.mark.parametrize(
    ("form", "options", "message"),
    [
        ("png", {"corners": CORNERS}, "png has no placement: leave it out, or write .tif, .ntf or .jp2"),
        ("jpg", {"corners": CORNERS}, "jpeg has no placement"),
        ("j2k", {"corners": CORNERS}, "j2k has no placement"),
        ("png", {"quality": 80}, "png has no quality: leave it out, or write .jpg"),
        ("png", {"compression": "lzw"}, "PNG has one compression, deflate, not lzw"),
        ("png", {"block_size": 256}, "png has no block"),
        ("png", {"nodata": 0}, "png has no nodata"),
        ("nitf", {"nodata": 0}, "nitf has no nodata"),
        ("png", {"subsampling": "444"}, "png has no option 'subsampling'; it has level"),
        ("jpg", {"quality": 0}, "JPEG quality is 1 to 100, got 0"),
        ("jpg", {"quality": 80.5}, "whole number from 1 to 100, got 80.5"),
        ("jpg", {"subsampling": "411"}, "subsampling is one of 444, 422, 420"),
        ("jpg", {"compression": "deflate"}, "JPEG has one compression, not deflate"),
        ("jp2", {"compression": "lzw"}, "compressed as jpeg2000 or htj2k, not lzw"),
        ("jph", {"compression": "jpeg2000"}, "of high throughput"),
        ("jp2", {"ratio": 0.5}, "ratio is above 1"),
        ("jp2", {"quality": 90}, r"jp2 has no quality; .* is ratio= \(--ratio\), .*10 is ten to one"),
        ("jph", {"quality": 90}, r"jph has no quality; .* is ratio="),
        ("png", {"ratio": 10}, "png has no ratio, which is of JPEG 2000: leave it out"),
        ("jpg", {"ratio": 10}, r"jpeg has no ratio, .*: say quality= \(--quality\)"),
        ("tif", {"ratio": 10}, "GeoTIFF with deflate has no ratio, .*: leave it out"),
        ("tif", {"ratio": 10, "compression": "jpeg"}, "GeoTIFF with jpeg has no ratio, .*: say quality="),
        ("jp2", {"block_size": 100}, "power of two from 32 to 32768, got 100"),
        ("jp2", {"crs": "EPSG:4326"}, "a CRS alone says no place"),
        ("nitf", {"crs": "EPSG:4326"}, "a CRS alone says no place"),
        ("nitf", {"compression": "lzw"}, "NITF compressions are none, jpeg"),
        ("nitf", {"compression": "none", "quality": 9}, "NITF with IC NC has no quality"),
        ("nitf", {"compression": "none", "ratio": 9}, "NITF with IC NC has no ratio, .*: leave it out"),
        ("nitf", {"compression": "jpeg", "ratio": 9}, "NITF with IC C3 has no ratio, .*: say quality="),
        ("nitf", {"ratio": 0.5}, "ratio of JPEG 2000 is above 1 and at most 1000, got 0.5"),
        ("nitf", {"quality": 90}, "NITF with IC C8 has no quality; .* is ratio="),
        ("nitf", {"ratio": 9, "metadata": {"COMRAT": "N1.0"}}, "COMRAT is 'N1.0', and 9 says how much is lost again"),
        ("nitf", {"block_size": 9000}, "NPPBV is 1 to 8192"),
        ("tif", {"quality": 80}, "GeoTIFF has a quality with compression jpeg, webp, jpegxl, not with deflate"),
        ("tif", {"tiles": 4}, "tiff has no option 'tiles'"),
        ("tif", {"compression": "brotli"}, "brotli"),
        ("tif", {"corners": CORNERS, "transform": TRANSFORM}, "corners and transform both say the place"),
        ("tif", {"corners": CORNERS[:3]}, r"corners are four \(x, y\)"),
        ("tif", {"corners": [(39.0, -100.0)] * 4}, r"corners in degrees are \(longitude, latitude\)"),
        ("tif", {"corners": [(0, 0), (1, 1), (2, 2), (1, 1)]}, "must not lie on a line"),
        ("tif", {"transform": (1, 0, 0, 2, 0, 0)}, "must not map the image onto a line"),
        ("tif", {"transform": (1, 0, float("nan"), 0, 1, 0)}, "six finite numbers"),
        ("tif", {"block_size": (0, 5)}, "block_size is a side or"),
        ("tif", {"block_size": (64,)}, r"block_size is a side or .* got \(64,\)"),
        ("tif", {"block_size": 64.0}, "block_size is a side or .* got 64.0"),
        ("tif", {"nodata": 256}, "nodata 256 is no value of uint8"),
        ("tif", {"nodata": float("nan")}, "nodata nan is no value of uint8"),
        ("tif", {"nodata": "0"}, "nodata is a number, got '0'"),
        ("tif", {"subsampling": "444"}, "subsampling with compression jpeg, not with deflate"),
        ("tif", {"level": "9"}, "level is a finite number, got '9'"),
        ("tif", {"compression": 5}, "compression is text, got 5"),
        ("tif", {"transform": "abcdef"}, "a transform is six finite numbers"),
        ("tif", {"corners": "abcd"}, r"corners are four \(x, y\)"),
        ("jpg", {"quality": float("nan")}, "quality is a finite number, got nan"),
        ("jp2", {"ratio": "10"}, "ratio is a finite number, got '10'"),
        ("jp2", {"bits": 0}, "bits is a whole number of at least 1, got 0"),
        ("nitf", {"bits": 0}, "bits is a whole number of at least 1, got 0"),
        ("png", {"workers": 0}, "workers is a whole number of at least 1, got 0"),
        ("nitf", {"crs": "EPSG:0", "corners": CORNERS}, "a CRS that PROJ knows, got 'EPSG:0'"),
        ("nitf", {"metadata": {"Software": "x"}}, "metadata 'Software' is no field of NITF"),
        ("nitf", {"compression": "jpeg2000", "metadata": {"IC": "NC"}}, "compression jpeg2000 is IC C8, .* IC NC"),
        ("nitf", {"compression": "none", "levels": 3}, "NITF with IC NC has no levels, which are of JPEG 2000"),
        ("nitf", {"compression": "jpeg", "quality": 4}, "quality is 5 to 100, below COMRAT is a type; got 4"),
        ("nitf", {"compression": "htj2k", "levels": 0}, "J2K_DECOMPOSITION_LEVELS of IC=CD is 1 to"),
        ("gif", {}, "unknown format 'gif'; choose one of nitf"),
    ],
)
def test_what_a_format_does_not_have_is_refused_by_name(form, options, message):
    out = io.BytesIO(b"before")
    out.seek(6)
    with pytest.raises(EncodeError, match=message):
        imsave(out, scene(), format=form, **options)
    assert out.getvalue() == b"before"


def test_quality_and_compression_decide_sizes():
    pixels = scene()

    def size(form, **options):
        out = io.BytesIO()
        imsave(out, pixels, format=form, **options)
        return len(out.getvalue())

    assert size("jpg", quality=30) < size("jpg", quality=90) < size("jpg", quality=90, subsampling="444")
    assert size("jp2", ratio=20) == pytest.approx(pixels.nbytes / 20, rel=0.15)
    assert size("nitf", ratio=10) == pytest.approx(pixels.nbytes / 10, rel=0.25)
    assert size("nitf", compression="jpeg", quality=30) < size("nitf", compression="jpeg", quality=90)
    assert size("nitf", compression="none") > pixels.nbytes
    assert size("tif", compression="none") > pixels.nbytes > size("tif", compression="zstd")
    assert size("tif", compression="jpeg", quality=20) < size("tif", compression="jpeg", quality=90)
    assert size("png", level=9) < size("png", level=0) > size("png")


@pytest.mark.parametrize("named", ["nc", "NM", "c8", "m8", "cd", "md", "htj2k"])
def test_nitf_compressions_come_by_their_ic_too(named):
    out = io.BytesIO()
    imsave(out, scene(1), format="nitf", compression=named)

    out.seek(0)
    with IO.open(out) as dataset:
        image = dataset.get_asset("image:0")
        assert image.metadata["IC"] == {"htj2k": "CD"}.get(named, named.upper())
        assert np.array_equal(image.get_block(0, 0), scene(1)[:, : image.num_pixels_per_block_vertical])


def test_block_sizes_are_width_and_height():
    for form, expected in (("tif", (128, 64)), ("jp2", (128, 64)), ("nitf", (128, 64))):
        out = io.BytesIO()
        imsave(out, scene(), format=form, block_size=(64, 128))
        assert gdal_read(out.getvalue())[1]["blocks"] == expected


def test_fewer_bits_and_metadata_are_written():
    out = io.BytesIO()
    imsave(
        out,
        scene(1, kind="uint16"),
        format="nitf",
        bits=11,
        compression="none",
        metadata={"IID2": "A TITLE", "FTITLE": "A FILE", "ISCLAS": "U"},
    )
    tags = gdal_read(out.getvalue())[1]["tags"]
    assert (tags["NITF_ABPP"], tags["NITF_IID2"], tags["NITF_FTITLE"]) == ("11", "A TITLE", "A FILE")
    with pytest.raises(EncodeError, match="bits"):
        imsave(io.BytesIO(), scene(1, kind="uint16") * 100, format="jp2", bits=5)


TEXTS = {"nitf": "IID2", "tif": "Software"}


@pytest.mark.parametrize("form", TEXTS)
@pytest.mark.parametrize("value", [5, 1.5, -3, 1.0, np.int16(5), np.float32(0.1), Decimal("2.50"), 10**30])
def test_a_number_in_a_text_is_its_digits_in_every_format(tmp_path, form, value):
    imsave(tmp_path / f"a.{form}", scene(1), metadata={TEXTS[form]: value})

    with IO.open(tmp_path / f"a.{form}") as dataset:
        assert dataset.get_asset("image:0").metadata[{"nitf": "IID2", "tif": "305"}[form]] == str(value)


@pytest.mark.parametrize("form", TEXTS)
@pytest.mark.parametrize("value", [True, np.True_, [1], 1j, float("nan"), float("-inf"), 1e-7, Fraction(1, 3)])
def test_what_is_neither_text_nor_plain_digits_is_refused_in_every_format(tmp_path, form, value):
    with pytest.raises(EncodeError, match=r"(metadata: IID2|tag 305) is text or a number of plain digits, got "):
        imsave(tmp_path / f"a.{form}", scene(1), metadata={TEXTS[form]: value})
    assert not (tmp_path / f"a.{form}").exists()


@pytest.mark.parametrize("value", [float("nan"), 1e-7, 0, "7"])
def test_a_nodata_tag_may_be_any_number(tmp_path, value):
    imsave(tmp_path / "a.tif", scene(1, kind="float64"), metadata={"42113": value})

    np.testing.assert_equal(gdal_read((tmp_path / "a.tif").read_bytes())[1]["nodata"], float(value))


def test_nodata_of_a_geotiff_is_read_back():
    out = io.BytesIO()
    imsave(out, scene(1, kind="float32"), format="tif", nodata=-9999.0)
    assert gdal_read(out.getvalue())[1]["nodata"] == -9999.0


@pytest.mark.parametrize("data", [np.zeros(5), np.zeros((1, 2, 3, 4)), np.zeros((0, 5, 5)), np.zeros((5, 0))])
def test_arrays_that_are_no_image_are_refused(tmp_path, data):
    with pytest.raises(EncodeError, match=r"an image is \(rows, cols\) or \(bands, rows, cols\)"):
        imsave(tmp_path / "a.tif", data)


def test_texts_and_objects_are_no_pixels(tmp_path):
    with pytest.raises(EncodeError, match="pixels are numbers"):
        imsave(tmp_path / "a.tif", np.array([["a", "b"]]))


def test_an_unknown_ending_says_what_to_do(tmp_path):
    with pytest.raises(ValueError, match=r"no format is known by the ending '.xyz'; give format="):
        imsave(tmp_path / "image.xyz", scene())
    with pytest.raises(EncodeError, match="give format="):
        imsave(io.BytesIO(), scene())


def test_a_failure_leaves_what_was_there(tmp_path):
    path = tmp_path / "a.jp2"
    path.write_bytes(b"the old file")
    with pytest.raises(EncodeError, match="float32"):
        imsave(path, scene(kind="float32"))
    assert path.read_bytes() == b"the old file"
    assert [each.name for each in tmp_path.iterdir()] == ["a.jp2"]


def test_an_array_of_the_other_byte_order_is_the_same_image():
    swapped = scene(1, kind="uint16").astype(">u2")
    for form in ("tif", "nitf", "png", "jp2"):
        out = io.BytesIO()
        imsave(out, swapped, format=form)
        assert np.array_equal(gdal_read(out.getvalue())[0], swapped)


def test_bytes_are_no_value_of_a_field():
    with pytest.raises(EncodeError, match=r"IID1 is a field: its value is text, got bytes \(MIL-STD-2500C table A-3"):
        imsave(io.BytesIO(), scene(), format="nitf", metadata={"IID1": b"SCENE"})
