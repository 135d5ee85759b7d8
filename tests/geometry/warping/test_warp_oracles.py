"""Warps against GDAL's: the same places to a twentieth of a pixel, the same values on smooth images."""

import numpy as np
import pytest
import rasterio
from rasterio import rpc
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT
from rasterio.warp import reproject

from stacchip_osml.geometry import (
    ConstantElevation,
    OrthoGridBuilder,
    ProjectedImageTileSet,
    RasterElevation,
    WarpedImageProvider,
    WarpGridOptions,
)
from stacchip_osml.imagery import GdalImage, read_window
from stacchip_osml.imagery.blocks.image import BlockImage
from tests.geometry.warping.test_warp_grids import HILLS
from tests.geometry.warping.warp_cases import EXACT, MODELS, RPC, RPC_NUMBERS, SIZE, image, ramp, smooth

METHODS = {"nearest": Resampling.nearest, "bilinear": Resampling.bilinear, "cubic": Resampling.cubic}
GDAL_RPC = rpc.RPC(
    **{name.lower(): value for name, value in RPC_NUMBERS.items()}, err_bias=0.0, err_rand=0.0
)  # fmt: skip
NOTHING = -1e9


def warped(source, model, elevation=None, options=None, *, crs="EPSG:3857", gsd=40.0, block=128):
    tiles = ProjectedImageTileSet.from_sensor_model(model, *SIZE, crs, gsd=gsd, block_size=(block, block))
    builder = OrthoGridBuilder(tiles, 0, model, *SIZE, elevation, options or WarpGridOptions())
    return WarpedImageProvider(source, builder)


def whole(provider):
    """All pixels, and where they are valid."""
    return read_window(provider, (0, 0, provider.num_columns, provider.num_rows)), masks(provider)


def masks(provider):
    rows, cols = provider.block_grid_size
    return np.block([[provider.get_valid_mask(row, col) for col in range(cols)] for row in range(rows)])


PLAIN = {"XSCALE": 1, "YSCALE": 1}
"""Else GDAL widens its kernel where it thinks that pixels become larger, and a ramp is no ramp any more."""
STRIP = 64
"""GDAL goes straight between positions that are right to an eighth of a pixel, along rows of what is asked for."""


def by_gdal_dataset(path, provider, method="bilinear", **settings):
    with (
        rasterio.open(path) as dataset,
        WarpedVRT(
            dataset, crs=provider.header.crs, transform=rasterio.Affine(*provider.header.transform), tolerance=1e-6,
            width=provider.num_columns, height=provider.num_rows, resampling=METHODS[method], **PLAIN, **settings,
        ) as virtual,
    ):  # fmt: skip
        return virtual.read(), virtual.dataset_mask() > 0


def by_gdal_rpc(pixels, provider, **settings):
    header, out = provider.header, np.full((len(pixels), provider.num_rows, provider.num_columns), NOTHING)
    for x in range(0, provider.num_columns, STRIP):
        part = np.full((len(pixels), provider.num_rows, STRIP), NOTHING)
        reproject(
            pixels, part, rpcs=GDAL_RPC, src_crs="EPSG:4326", dst_crs=header.crs, dst_nodata=NOTHING,
            dst_transform=rasterio.Affine(*header.transform) @ rasterio.Affine.translation(x, 0),
            resampling=Resampling.bilinear, **PLAIN, **settings,
        )  # fmt: skip
        out[:, :, x : x + STRIP] = part
    return out


def write_map(path, pixels, **settings):
    locator = MODELS[settings.pop("model", "map")].locator
    with rasterio.open(
        path, "w", driver="GTiff", width=SIZE.width, height=SIZE.height, count=len(pixels), dtype=pixels.dtype.name,
        tiled=True, blockxsize=128, blockysize=128, crs=locator.crs, transform=rasterio.Affine(*locator.transform),
        **settings,
    ) as dataset:  # fmt: skip
        dataset.write(pixels)
    return path


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ["map", "turned"])
def test_a_smooth_map_has_gdal_s_values(tmp_path, name, method):
    pixels = smooth(bands=2).astype("float64")
    provider = warped(image(pixels), MODELS[name], options=WarpGridOptions(max_error=0, remap_interpolation=method))
    ours, valid = whole(provider)
    path = write_map(tmp_path / "map.tif", pixels, model=name)
    theirs, there = by_gdal_dataset(path, provider, method, nodata=NOTHING)
    both = valid & there

    assert (valid != there).mean() < 1e-3
    inner = both & np.roll(both, 9, 0) & np.roll(both, -9, 0) & np.roll(both, 9, 1) & np.roll(both, -9, 1)
    off = np.abs(ours - theirs)[:, inner]
    if method == "nearest":
        assert (off > 1e-3).mean() < 1e-3  # positions half way between two pixels
    else:
        assert off.max() < 0.001  # of 700 counts


@pytest.mark.parametrize("reader", [GdalImage, BlockImage])
def test_a_file_is_warped_as_a_virtual_dataset_warps_it(tmp_path, reader):
    pixels = np.rint(smooth(bands=3)).astype("uint16")
    pixels[:, 100:160, 200:300] = 0
    path = write_map(tmp_path / "map.tif", pixels, nodata=0)
    provider = warped(reader(str(path)), MODELS["map"])
    ours, valid = whole(provider)
    theirs, there = by_gdal_dataset(path, provider, nodata=0)
    both = valid & there

    assert provider.header.bands[0].nodata == 0
    assert (valid != there).mean() < 0.01  # GDAL keeps what has a little weight of anything, here it is half
    assert np.abs(ours.astype(int) - theirs)[:, both].max() <= 1
    assert not ours[:, ~valid].any()


@pytest.mark.parametrize("options", [EXACT, WarpGridOptions()], ids=["exact", "approximate"])
@pytest.mark.parametrize("height", [None, 250.0])
def test_rational_polynomials_lead_to_the_same_pixels(options, height):
    provider = warped(image(ramp()), RPC, None if height is None else ConstantElevation(height), options)
    ours, valid = whole(provider)
    theirs = by_gdal_rpc(ramp(), provider, RPC_HEIGHT=300.0 if height is None else height)
    both = valid & (theirs[0] != NOTHING)

    assert both.mean() > 0.25
    assert (valid != (theirs[0] != NOTHING)).mean() < 0.005
    assert np.hypot(*(ours - theirs)[:, both]).max() < 0.05


def test_rational_polynomials_over_terrain_lead_to_the_same_pixels(tmp_path):
    path = tmp_path / "heights.tif"
    transform = (0.002, 0.0, 7.41, 0.0, -0.0015, 46.06)
    with rasterio.open(
        path, "w", driver="GTiff", width=90, height=80, count=1, dtype="float32", crs="EPSG:4326",
        transform=rasterio.Affine(*transform),
    ) as dataset:  # fmt: skip
        dataset.write(HILLS[None])
    dem = RasterElevation(GdalImage(str(path)), transform, "EPSG:4326")
    provider = warped(image(ramp()), RPC, dem)
    ours, valid = whole(provider)
    theirs = by_gdal_rpc(ramp(), provider, RPC_DEM=str(path), RPC_DEMINTERPOLATION="bilinear")
    both = valid & (theirs[0] != NOTHING)

    assert both.mean() > 0.25
    assert np.hypot(*(ours - theirs)[:, both]).max() < 0.05
    flat, _ = whole(warped(image(ramp()), RPC))
    assert np.hypot(*(ours - flat)[:, both]).max() > 5  # the hills do matter
