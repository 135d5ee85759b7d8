import warnings

import numpy as np
import pytest
import rasterio
from rasterio.control import GroundControlPoint as RasterioGcp
from rasterio.rpc import RPC
from rasterio.transform import Affine

from stacchip_osml.errors import DecodeError, LimitError, WindowError
from stacchip_osml.imagery import GdalImage, ImageProvider, ReadLimits, read_header
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.pixel import ImageSize, PixelWindow
from stacchip_osml.pixel.nodata import differs_from
from tests.imagery.blocks.jpeg2000_files import copied, hills
from tests.imagery.gdal.gdal_files import (
    HEIGHT,
    UTM,
    WIDTH,
    assert_reads_as_rasterio_does,
    noise,
    oracle,
    windows,
    write,
)

TILED = {"tiled": True, "blockxsize": 32, "blockysize": 48}
DTYPES = ["uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64"]
COMPLEX = ["complex64", "complex128"]


@pytest.mark.parametrize("dtype", DTYPES + COMPLEX)
@pytest.mark.parametrize("layout", [TILED, {"blockysize": 7}, {**TILED, "interleave": "pixel", "compress": "deflate"}])
def test_every_dtype_and_layout_reads_as_rasterio_does(tmp_path, dtype, layout):
    path = write(tmp_path / "a.tif", noise(2, dtype), levels=() if dtype in COMPLEX else (2, 4), **layout, **UTM)

    assert_reads_as_rasterio_does(GdalImage(path))


def test_complex_int16_arrives_as_complex64(tmp_path):
    pixels = np.round(noise(1, "complex64") * 100).astype("complex64")
    image = GdalImage(write(tmp_path / "a.tif", pixels, dtype="complex_int16"))

    assert image.header.bands[0].dtype == "complex64"
    np.testing.assert_array_equal(image.read(PixelWindow(0, 0, WIDTH, HEIGHT)).pixels, pixels)


@pytest.mark.parametrize(
    ("driver", "dtype", "count", "options"),
    [
        ("NITF", "uint16", 1, {"blockxsize": 64, "blockysize": 64}),
        ("NITF", "uint8", 3, {"blockxsize": 64, "blockysize": 64}),
        ("JP2OpenJPEG", "uint16", 2, {"QUALITY": "100", "REVERSIBLE": "YES", "blockxsize": 64, "blockysize": 64}),
        ("PNG", "uint16", 4, {}),
        ("PNG", "uint8", 1, {}),
        ("JPEG", "uint8", 3, {}),
    ],
)
def test_other_formats_read_as_rasterio_does(tmp_path, driver, dtype, count, options):
    path = write(tmp_path / "a.bin", noise(count, dtype), driver=driver, **options)
    image = GdalImage(path)

    assert image.header.driver == driver
    assert_reads_as_rasterio_does(image)


@pytest.mark.parametrize(
    ("dtype", "nodata"), [("uint8", 7), ("int16", -9999), ("float32", -3.4e38), ("float32", np.nan)]
)
def test_nodata_is_invalid_at_every_level(tmp_path, dtype, nodata):
    pixels = noise(2, dtype)
    pixels[:, ::3, ::2] = np.array(nodata).astype(dtype)
    image = GdalImage(write(tmp_path / "a.tif", pixels, levels=(2,), nodata=nodata, **TILED))

    assert image.header.mask == "nodata"
    assert_reads_as_rasterio_does(image)
    assert not image.read(PixelWindow(0, 0, 1, 1), level=1).mask.any()


def test_nodata_that_the_dtype_cannot_hold_masks_nothing(tmp_path):
    path = write(tmp_path / "a.tif", noise(1, "uint8"), nodata=0)
    assert differs_from(GdalImage(path).read(PixelWindow(0, 0, 9, 9)).pixels, -9999.0).all()
    assert differs_from(np.array([3], dtype="uint8"), 3.5).all()


def test_float_nodata_is_recognised_to_float32_precision_and_nan_is_not_near_it():
    pixels = np.array([-1.2676506e30, -1.2676506002282294e30, -1.2676e30, 0.0, np.nan, np.inf, -np.inf])

    assert differs_from(pixels, -1.2676506e30).tolist() == [False, False, True, True, True, True, True]
    assert differs_from(pixels, 0.0).tolist() == [True, True, True, False, True, True, True]
    assert differs_from(pixels, -np.inf).tolist() == [True] * 6 + [False]
    assert differs_from(pixels, np.nan).tolist() == [True] * 4 + [False] + [True] * 2
    assert differs_from(np.array([1e-45, 3.4e38], dtype="float32"), -3.4028234663852886e38).all()


def test_an_alpha_band_of_zero_makes_the_others_invalid_and_stays_a_band(tmp_path):
    pixels = noise(4, "uint8")
    pixels[3] = np.where(np.arange(WIDTH) < 40, 0, 200)
    image = GdalImage(write(tmp_path / "a.tif", pixels, levels=(2,), photometric="RGB", alpha="YES", **TILED))

    assert image.header.mask == "alpha"
    assert image.header.bands[3].color == "alpha"
    assert_reads_as_rasterio_does(image)
    one = image.read(PixelWindow(0, 0, WIDTH, 1), bands=[1])
    assert one.pixels.shape == (1, 1, WIDTH)
    np.testing.assert_array_equal(one.mask[0, 0], np.arange(WIDTH) >= 40)
    assert image.read(PixelWindow(0, 0, WIDTH, 1), bands=[3]).mask.all()


def test_an_alpha_band_in_an_unusual_place_counts_all_the_same(tmp_path):
    pixels = noise(5, "uint8")
    pixels[1, :, :50] = 0
    pixels[1, :, 50:] = 9
    image = GdalImage(write(tmp_path / "a.tif", pixels, alpha="YES"))

    assert [band.color for band in image.header.bands].index("alpha") == 1
    mask = image.read(PixelWindow(0, 0, WIDTH, HEIGHT)).mask
    assert mask[1].all()
    np.testing.assert_array_equal(mask[4], np.broadcast_to(np.arange(WIDTH) >= 50, (HEIGHT, WIDTH)))


@pytest.mark.parametrize("nodata", [None, 7])
@pytest.mark.parametrize("kind", [GdalImage, BlockImage])
def test_a_mask_band_outranks_alpha_and_nodata_as_in_gdal(tmp_path, kind, nodata):
    mask = np.random.default_rng(1).random((HEIGHT, WIDTH)) > 0.5
    pixels = noise(4, "uint8")
    pixels[3] = np.where(np.arange(WIDTH) < 40, 0, 200)
    path = write(tmp_path / "a.tif", pixels, mask=mask, nodata=nodata, photometric="RGB", alpha="YES", **TILED)

    found = kind(path).read(PixelWindow(0, 0, WIDTH, HEIGHT))
    with rasterio.open(path) as gdal:
        np.testing.assert_array_equal(found.mask, gdal.read_masks() > 0)
    np.testing.assert_array_equal(found.mask, np.broadcast_to(mask, pixels.shape))


def test_a_mask_band_is_honoured_at_every_level(tmp_path):
    mask = np.random.default_rng(1).random((HEIGHT, WIDTH)) > 0.5
    image = GdalImage(write(tmp_path / "a.tif", noise(3, "uint8"), mask=mask, levels=(2, 4), **TILED))

    assert image.header.mask == "mask"
    assert_reads_as_rasterio_does(image)
    assert 0.3 < image.read(PixelWindow(0, 0, 75, 55), level=1).mask.mean() < 0.7


def test_a_mask_band_without_overviews_of_its_own_is_decimated_not_lost(tmp_path):
    path = write(tmp_path / "a.tif", noise(3, "uint8"), levels=(2,), **TILED)
    mask = np.zeros((HEIGHT, WIDTH), dtype=bool)
    mask[:, 60:] = True
    with warnings.catch_warnings(), rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        warnings.simplefilter("ignore")
        with rasterio.open(path, "r+") as dataset:
            dataset.write_mask(mask)
    image = GdalImage(path)

    assert oracle(path, PixelWindow(0, 0, 75, 55), overview=0)[1].all(), "GDAL itself loses the mask here"
    np.testing.assert_array_equal(image.read(PixelWindow(20, 3, 40, 20), level=1).mask[0, 5], np.arange(20, 60) >= 30)


def test_a_mask_band_outranks_nodata(tmp_path):
    pixels = np.zeros((1, HEIGHT, WIDTH), dtype="uint8")
    mask = np.zeros((HEIGHT, WIDTH), dtype=bool)
    mask[:, 60:] = True
    image = GdalImage(write(tmp_path / "a.tif", pixels, mask=mask, nodata=0))

    np.testing.assert_array_equal(image.read(PixelWindow(0, 0, WIDTH, HEIGHT)).mask[0], mask)


@pytest.fixture
def sparse(tmp_path):
    path = str(tmp_path / "sparse.tif")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        profile = {"driver": "GTiff", "width": 300, "height": 200, "count": 2, "dtype": "uint16", "SPARSE_OK": "TRUE"}
        tiles = {"tiled": True, "blockxsize": 64, "blockysize": 64, "interleave": "band"}
        with rasterio.open(path, "w", **profile, **tiles) as dataset:
            dataset.write(np.full((2, 64, 64), 7, "uint16"), window=rasterio.windows.Window(64, 64, 64, 64))
            dataset.build_overviews([2], rasterio.enums.Resampling.nearest)
    return GdalImage(path)


def test_a_window_of_absent_blocks_is_none(sparse):
    assert sparse.read(PixelWindow(0, 0, 64, 64)) is None
    assert sparse.read(PixelWindow(128, 0, 172, 200)) is None
    assert sparse.read(PixelWindow(64, 0, 64, 32), level=1) is None
    assert sparse.has_block(1, 1)
    assert not sparse.has_block(0, 0)
    assert sparse.has_block(0, 0, 1)
    assert not sparse.has_block(0, 1, 1)
    assert not sparse.has_block(9, 9)


def test_absent_blocks_under_part_of_a_window_are_invalid(sparse):
    got = sparse.read(PixelWindow(60, 120, 10, 10))

    expected = np.zeros((10, 10), dtype=bool)
    expected[:8, 4:] = True
    np.testing.assert_array_equal(got.mask, np.stack([expected] * 2))
    np.testing.assert_array_equal(got.pixels, np.where(got.mask, 7, 0))


def test_the_header_says_where_a_plain_image_lies(tmp_path):
    path = write(
        tmp_path / "a.tif",
        noise(2, "uint16"),
        levels=(2, 4),
        nodata=0,
        compress="deflate",
        descriptions=("blue", "nir"),
        scales=(0.5, 0.25),
        **TILED,
        **UTM,
    )
    header = read_header(path)

    assert header.size == ImageSize(WIDTH, HEIGHT)
    assert header.levels == (ImageSize(150, 110), ImageSize(75, 55), ImageSize(38, 28))
    assert header.transform == (10, 0, 500_000, 0, -10, 4_600_000)
    assert header.crs == "EPSG:32618"
    assert (header.block_shape, header.compression, header.interleave) == ((48, 32), "DEFLATE", "PIXEL")
    assert [band.description for band in header.bands] == ["blue", "nir"]
    assert [(band.scale, band.nodata, band.dtype) for band in header.bands] == [(0.5, 0, "uint16"), (0.25, 0, "uint16")]
    assert header.size_bytes == (tmp_path / "a.tif").stat().st_size
    assert header.modified_ns == (tmp_path / "a.tif").stat().st_mtime_ns
    assert (header.mask, header.area_or_point) == ("nodata", "Area")


def test_a_rotated_transform_keeps_its_shear(tmp_path):
    affine = Affine(1.7, 1.0, 3e5, 1.0, -1.7, 4e6)
    header = read_header(write(tmp_path / "a.tif", noise(1, "uint8"), crs="EPSG:32631", transform=affine))

    assert header.transform == tuple(affine)[:6]


def test_an_image_without_georeferencing_has_no_transform_and_warns_nobody(tmp_path):
    path = write(tmp_path / "a.tif", noise(1, "uint8"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        header = read_header(path)
        GdalImage(path).read(PixelWindow(0, 0, 2, 2))

    assert (header.transform, header.crs, header.gcps, header.rpcs) == (None, None, (), ())


def test_an_identity_transform_that_the_file_states_stays(tmp_path):
    # South-up identity: GDAL's GeoTIFF writer stores it because it differs from its default.
    header = read_header(
        write(tmp_path / "a.tif", noise(1, "uint8"), crs="EPSG:3857", transform=Affine(1, 0, 0, 0, 1, 0))
    )

    assert header.crs == "EPSG:3857"
    with warnings.catch_warnings(record=True) as caught, rasterio.open(tmp_path / "a.tif"):
        warnings.simplefilter("always")
    stated = not any("geotransform" in str(warning.message) for warning in caught)
    assert header.transform == ((1, 0, 0, 0, 1, 0) if stated else None)


def test_gcps_are_kept_with_their_crs(tmp_path):
    ties = [RasterioGcp(row=r, col=c, x=2 + c / 100, y=48 - r / 100, z=5.0) for r in (0, 110) for c in (0, 150)]
    header = read_header(write(tmp_path / "a.tif", noise(1, "uint8"), gcps=(ties, rasterio.crs.CRS.from_epsg(4326))))

    assert header.transform is None
    assert header.crs is None
    assert header.gcps_crs == "EPSG:4326"
    assert [(g.row, g.col, g.x, g.y, g.z) for g in header.gcps] == [(t.row, t.col, t.x, t.y, t.z) for t in ties]


def test_rpcs_are_kept_by_gdal_names(tmp_path):
    powers = [0.5, *[0.0] * 19]
    rpcs = RPC(
        height_off=10, height_scale=500, lat_off=48, lat_scale=0.1, line_den_coeff=powers, line_num_coeff=powers,
        line_off=55, line_scale=55, long_off=2, long_scale=0.1, samp_den_coeff=powers, samp_num_coeff=powers,
        samp_off=75, samp_scale=75, err_bias=1.0, err_rand=0.5,
    )  # fmt: skip
    header = read_header(write(tmp_path / "a.tif", noise(1, "uint8"), rpcs=rpcs))

    found = dict(header.rpcs)
    assert float(found["LINE_OFF"]) == 55
    assert len(found["SAMP_NUM_COEFF"].split()) == 20
    assert header.transform is None


def test_a_crs_that_is_no_epsg_code_becomes_wkt(tmp_path):
    odd = rasterio.crs.CRS.from_proj4("+proj=laea +lat_0=11 +lon_0=13 +datum=WGS84 +units=m")
    header = read_header(write(tmp_path / "a.tif", noise(1, "uint8"), crs=odd, transform=UTM["transform"]))

    assert header.crs.startswith("PROJCRS[")
    assert rasterio.crs.CRS.from_wkt(header.crs) == odd


def test_palette_indices_are_the_pixels(tmp_path):
    colors = {value: (value, 255 - value, 0, 255) for value in range(256)}
    image = GdalImage(write(tmp_path / "a.tif", noise(1, "uint8"), photometric="palette", colormap=colors))

    assert image.header.bands[0].color == "palette"
    assert_reads_as_rasterio_does(image)


def test_an_image_is_a_provider_whose_blocks_make_up_the_image(tmp_path):
    pixels = noise(3, "int16")
    image = GdalImage(write(tmp_path / "a.tif", pixels, levels=(2,), nodata=-5, **TILED, **UTM))

    assert isinstance(image, ImageProvider)
    assert (image.num_rows, image.num_columns, image.num_bands) == (HEIGHT, WIDTH, 3)
    assert (image.num_pixels_per_block_vertical, image.num_pixels_per_block_horizontal) == (48, 32)
    assert (image.num_resolution_levels, image.block_grid_size) == (2, (3, 5))
    assert (image.num_bits_per_pixel, image.actual_bits_per_pixel) == (16, 16)
    assert (image.pixel_value_type, image.pad_pixel_value) == (np.dtype("int16"), -5)
    assert (image.title, image.key, image.description) == ("a.tif", image.location, "")
    assert image.metadata["AREA_OR_POINT"] == "Area"
    rows = [np.concatenate([image.get_block(r, c) for c in range(5)], axis=2) for r in range(3)]
    whole = np.concatenate(rows, axis=1)
    np.testing.assert_array_equal(whole, pixels)
    np.testing.assert_array_equal(image.get_block(2, 4, bands=[2, 0]), pixels[[2, 0], 96:, 128:])
    with pytest.raises(IndexError, match=r"no block \(3, 0\) in a grid of 3 x 5"):
        image.get_block(3, 0)
    with pytest.raises(IndexError, match="no level 2"):
        image.get_block(0, 0, 2)


def test_band_order_is_the_callers(tmp_path):
    pixels = noise(3, "uint16")
    image = GdalImage(write(tmp_path / "a.tif", pixels))

    np.testing.assert_array_equal(image.read(PixelWindow(5, 6, 7, 8), bands=[2, 0]).pixels, pixels[[2, 0], 6:14, 5:12])
    for bands in ([3], [-1], []):
        with pytest.raises(IndexError, match="of an image that has 3"):
            image.read(PixelWindow(0, 0, 1, 1), bands=bands)


@pytest.mark.parametrize("window", [(-1, 0, 5, 5), (0, 0, 0, 5), (148, 0, 3, 5), (0, 108, 3, 3), (0, 0, 5, -1)])
def test_a_window_that_leaves_the_image_is_refused(tmp_path, window):
    image = GdalImage(write(tmp_path / "a.tif", noise(1, "uint8")))

    with pytest.raises(WindowError, match="empty or leaves level 0 of 150 x 110 pixels"):
        image.read(PixelWindow(*window))


def test_levels_go_from_fine_to_coarse_whatever_order_the_file_has(tmp_path):
    path = write(tmp_path / "a.tif", noise(1, "uint8"), levels=(4,), **TILED)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with rasterio.open(path, "r+") as dataset:
            dataset.build_overviews([2], rasterio.enums.Resampling.nearest)
    image = GdalImage(path)

    assert image.header.levels == (ImageSize(150, 110), ImageSize(75, 55), ImageSize(38, 28))
    for level, size in enumerate(image.header.levels):
        whole = image.read(PixelWindow(0, 0, *size), level=level)
        assert whole.pixels.shape == (1, size.height, size.width)


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (ReadLimits(side=100), "150 x 110 pixels, more than 100 a side"),
        (ReadLimits(bands=1), "2 bands, more than 1"),
        (ReadLimits(block_bytes=1000), "blocks of 32 x 48 pixels decode to 3072 bytes, more than 1000"),
        (ReadLimits(request_bytes=500), "20 x 20 pixels of 2 bands are 800 bytes, more than 500"),
    ],
)
def test_sizes_above_the_limits_are_refused(tmp_path, limits, message):
    image = GdalImage(write(tmp_path / "a.tif", noise(2, "uint8"), **TILED), limits=limits)

    with pytest.raises(LimitError, match=message):
        image.read(PixelWindow(0, 0, 20, 20))


def test_every_window_of_the_test_is_inside():
    assert all(w.x + w.width <= 30 and w.y + w.height <= 20 for w in windows(30, 20, 50))


def test_a_damaged_tile_of_jpeg_2000_is_an_error_whatever_else_is_read_with_it(tmp_path):
    """Read by several threads, GDAL's default, it would be pixels of some kind."""
    data = bytearray(copied(tmp_path / "a.jp2", hills(1, 128, 192), blockxsize=64, blockysize=64, eph="YES"))
    second = data.index(b"\xff\x90\x00\x0a\x00\x01")
    data[second + 14 : second + 54] = bytes(40)  # empty packets, none of them ended as the header says
    (tmp_path / "b.jp2").write_bytes(data)
    image = GdalImage(str(tmp_path / "b.jp2"))

    assert image.read(PixelWindow(0, 64, 192, 64)).pixels.any()
    for window in ((0, 0, 192, 128), (64, 0, 64, 64), (60, 0, 10, 64)):
        with pytest.raises(DecodeError, match="opj_get_decoded_tile"):
            image.read(PixelWindow(*window))
