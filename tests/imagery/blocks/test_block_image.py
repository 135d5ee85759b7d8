"""A block image is a GDAL image, only faster: pixels, masks, facts and errors."""

import multiprocessing
import os
import pickle
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import rasterio.shutil
from block_files import HEIGHT, PART, WIDTH, require_same, scene, some_windows, write_tiff
from rasterio.errors import NotGeoreferencedWarning

from stacchip_osml.errors import AssetChanged, AssetMissing, DecodeError, LimitError, ReadError, WindowError
from stacchip_osml.imagery import GdalImage, ImageProvider, ReadLimits
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.imagery.blocks.layout import LevelLayout
from stacchip_osml.pixel import PixelWindow

TILES = {"tiled": True, "blockxsize": 32, "blockysize": 16}
DEFLATE = {"compress": "deflate", **TILES}
HALF_MASK = (np.indices((HEIGHT, WIDTH)).sum(0) % 7 > 2).astype(np.uint8) * 255
HALF_MASK[:20] = 0

WAYS = {
    "deflate tiles": (scene(3, "uint16"), {**DEFLATE, "levels": (2, 4)}),
    "differences": (scene(3, "int16"), {**DEFLATE, "predictor": 2}),
    "planes": (scene(3, "uint16"), {**DEFLATE, "interleave": "band"}),
    "strips": (scene(2, "uint8"), {"compress": "deflate", "blockysize": 7}),
    "uncompressed tiles": (scene(3, "uint16"), TILES),
    "uncompressed planes": (scene(3, "uint16"), {**TILES, "interleave": "band"}),
    "uncompressed strips": (scene(2, "uint16"), {"blockysize": 3, "levels": (2,)}),
    "uncompressed strips in planes": (scene(2, "float32"), {"interleave": "band", "blockysize": 3}),
    "other byte order": (scene(2, "uint16"), {"ENDIANNESS": "BIG", **TILES}),
    "other byte order, strips": (scene(1, "float64"), {"ENDIANNESS": "BIG", "blockysize": 5}),
    "complex": (scene(2, "complex64"), {}),
    "BigTIFF": (scene(1, "uint16"), {**DEFLATE, "BIGTIFF": "YES"}),
    "nodata": (scene(3, "uint16"), {**DEFLATE, "nodata": 0, "levels": (2, 3)}),
    "nodata that the type cannot hold": (scene(1, "uint8"), {**DEFLATE, "nodata": 0.5}),
    "NaN": (np.where(scene(2, "float32") == 0, np.nan, scene(2, "float32")), {**DEFLATE, "nodata": np.nan}),
    "float nodata": (np.where(scene(1, "float32") == 0, -3.4e38, scene(1, "float32")), {**TILES, "nodata": -3.4e38}),
    "alpha": (scene(4, "uint8"), {**DEFLATE, "alpha": True}),
    "alpha in planes": (scene(2, "uint8"), {**DEFLATE, "alpha": True, "interleave": "band"}),
    "alpha and nodata": (scene(3, "uint8"), {**TILES, "alpha": True, "nodata": 7}),
    "mask band": (scene(2, "uint16"), {**DEFLATE, "mask": HALF_MASK}),
    "mask band with levels": (scene(2, "uint16"), {**DEFLATE, "mask": HALF_MASK, "levels": (2, 4)}),
    "mask band outranks nodata": (scene(2, "uint16"), {**DEFLATE, "mask": HALF_MASK, "nodata": 0}),
    "mask band outranks alpha": (scene(4, "uint8"), {**DEFLATE, "mask": HALF_MASK, "alpha": True, "levels": (2,)}),
    "mask band outranks alpha and nodata": (
        scene(2, "uint8"),
        {**DEFLATE, "mask": HALF_MASK, "alpha": True, "nodata": 7},
    ),
    "sparse": (scene(2, "uint16"), {**DEFLATE, "only": PART}),
    "sparse with nodata": (scene(2, "uint16"), {**DEFLATE, "only": PART, "nodata": 9}),
    "sparse planes": (scene(2, "uint16"), {**DEFLATE, "only": PART, "interleave": "band"}),
    "sparse, uncompressed": (scene(2, "int16"), {**TILES, "only": PART, "nodata": -5}),
    "sparse with alpha": (scene(2, "uint8"), {**DEFLATE, "only": PART, "alpha": True}),
    "sparse with a mask band": (scene(1, "uint8"), {**DEFLATE, "only": PART, "mask": HALF_MASK}),
}


@pytest.fixture(scope="module", params=WAYS)
def pair(request, tmp_path_factory):
    pixels, how = WAYS[request.param]
    path = write_tiff(tmp_path_factory.mktemp("ways") / "image.tif", pixels, **how)
    return BlockImage(path), GdalImage(path)


def test_pixels_and_masks_are_gdals_at_every_level(pair):
    image, oracle = pair
    for level, size in enumerate(oracle.header.levels):
        assert image.served_by(level).startswith("block/")
        for number, window in enumerate(some_windows(size, 12, seed=level)):
            bands = None if number % 3 else list(np.random.default_rng(number).integers(0, image.num_bands, 2))
            require_same(image, oracle, window, level, bands)


def test_it_is_the_provider_that_gdals_image_is(pair):
    image, oracle = pair
    assert isinstance(image, ImageProvider)
    names = [name for name in dir(ImageProvider) if not name.startswith("_")]
    for name in (name for name in names if not callable(getattr(oracle, name)) or name == "pixel_value_type"):
        np.testing.assert_equal(getattr(image, name), getattr(oracle, name), err_msg=name)
    for level in range(-1, oracle.num_resolution_levels + 1):
        for row, col in [(0, 0), (1, 2), (0, 99), (-1, 0), (2, 1)]:
            assert image.has_block(row, col, level) == oracle.has_block(row, col, level)
            if 0 <= level < oracle.num_resolution_levels and 0 <= row < 3 and 0 <= col < 3:
                try:
                    expected = oracle.get_block(row, col, level)
                except IndexError:
                    with pytest.raises(IndexError, match="no block"):
                        image.get_block(row, col, level)
                else:
                    np.testing.assert_array_equal(image.get_block(row, col, level), expected)


@pytest.fixture(scope="module")
def cog(tmp_path_factory):
    return write_tiff(tmp_path_factory.mktemp("cog") / "image.tif", scene(3, "uint16"), **DEFLATE, levels=(2,))


def test_what_is_asked_wrongly_is_refused_as_gdals_image_refuses_it(cog):
    for image in (BlockImage(cog), GdalImage(cog)):
        with pytest.raises(WindowError, match="leaves level 1 of 75 x 55 pixels"):
            image.read(PixelWindow(70, 0, 6, 5), level=1)
        with pytest.raises(WindowError, match="is empty"):
            image.read(PixelWindow(0, 0, 0, 5))
        with pytest.raises(IndexError, match="no level 2; it has 2"):
            image.read(PixelWindow(0, 0, 1, 1), level=2)
        with pytest.raises(IndexError, match="bands \\(0, 3\\) of an image that has 3"):
            image.read(PixelWindow(0, 0, 1, 1), bands=[0, 3])
        with pytest.raises(IndexError, match="no block \\(7, 0\\)"):
            image.get_block(7, 0)
    for kind in (BlockImage, GdalImage):
        with pytest.raises(LimitError, match="more than 1000"):
            kind(cog, limits=ReadLimits(request_bytes=1000)).read(PixelWindow(0, 0, 50, 50))
        with pytest.raises(LimitError, match="decode to"):
            kind(cog, limits=ReadLimits(block_bytes=1000)).read(PixelWindow(0, 0, 5, 5))
        with pytest.raises(AssetMissing, match="no such file"):
            kind(cog + "f").read(PixelWindow(0, 0, 5, 5))
        with pytest.raises(AssetChanged, match="expected 12 bytes"):
            kind(cog, expect=(12, None)).read(PixelWindow(0, 0, 5, 5))
        with pytest.raises(ReadError, match="absolute path"):
            kind("image.tif")


def test_one_uncompressed_block_may_be_larger_than_the_limit_because_only_its_rows_are_read(tmp_path):
    path = write_tiff(tmp_path / "image.tif", scene(1, "uint16"), blockysize=HEIGHT)
    image = BlockImage(path, limits=ReadLimits(block_bytes=10_000))

    require_same(image, GdalImage(path), PixelWindow(3, 50, 20, 10), 0)


def test_a_file_that_changes_under_it_is_noticed(tmp_path):
    path = write_tiff(tmp_path / "image.tif", scene(1, "uint16"), **DEFLATE)
    image = BlockImage(path)
    assert image.read(PixelWindow(0, 0, 5, 5)) is not None

    os.utime(path, ns=(1, 1))
    with pytest.raises(AssetChanged, match="changed"):
        image.read(PixelWindow(0, 0, 5, 5))
    Path(path).unlink()
    with pytest.raises(AssetMissing, match="no such file"):
        image.read(PixelWindow(0, 0, 5, 5))


def test_a_corrupt_block_is_named_and_the_others_are_read(tmp_path):
    path = write_tiff(tmp_path / "image.tif", scene(1, "uint16"), **DEFLATE)
    image = BlockImage(path)
    level = image.layout.levels[0]
    assert isinstance(level, LevelLayout)
    with Path(path).open("r+b") as file:
        file.seek(int(level.offsets[0, 0, 1, 2]) + 2)
        file.write(b"\xff" * 8)
    image = BlockImage(path)

    with pytest.raises(DecodeError, match=r"image.tif: block \(1, 2\) of level 0: "):
        image.read(PixelWindow(0, 0, WIDTH, HEIGHT))
    assert image.read(PixelWindow(0, 0, 64, 16)) is not None


def test_what_gdal_alone_can_read_is_read_by_gdal_and_said_so(tmp_path, cog):
    path = write_tiff(tmp_path / "mask.tif", scene(1, "uint8"), **DEFLATE, levels=(2,))
    with warnings.catch_warnings(), rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "r+") as dataset:
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        dataset.write_mask(HALF_MASK)  # added last: the level has none
    image, oracle = BlockImage(path), GdalImage(path)

    assert image.served_by(0) == "block/deflate"
    assert image.served_by(1) == "gdal/GTiff: the mask band is not stored with this level"
    for level in (0, 1):
        for window in some_windows(oracle.header.levels[level], 5):
            require_same(image, oracle, window, level)
    assert BlockImage(cog, sidecars=True).served_by(0) == "gdal/GTiff: files next to it are believed"
    with pytest.raises(IndexError, match="no level 5"):
        image.served_by(5)


def test_pictures_are_read_by_gdal(tmp_path):
    path = write_tiff(tmp_path / "image.tif", scene(3, "uint8"))
    rasterio.shutil.copy(path, tmp_path / "image.png", driver="PNG")
    image, oracle = BlockImage(str(tmp_path / "image.png")), GdalImage(str(tmp_path / "image.png"))

    assert image.served_by(0).startswith("gdal/PNG: ")
    require_same(image, oracle, PixelWindow(3, 4, 50, 60), 0, [2, 0])
    np.testing.assert_array_equal(image.get_block(0, 0), oracle.get_block(0, 0))
    assert image.has_block(0, 0)


def test_it_travels_with_what_it_found_out(cog):
    image = BlockImage(cog)
    whole = image.read(PixelWindow(0, 0, WIDTH, HEIGHT))
    assert whole is not None
    copy = pickle.loads(pickle.dumps(image))

    assert copy.header == image.header
    assert copy._given is not None
    assert copy.layout.levels[0] is copy._given.levels[0], "parsed again"
    again = copy.read(PixelWindow(0, 0, WIDTH, HEIGHT))
    np.testing.assert_array_equal(again.pixels, whole.pixels)


def test_with_header_and_layout_gdal_is_never_imported(cog, tmp_path):
    image = BlockImage(cog)
    _ = image.layout, image.header
    (tmp_path / "image.pickle").write_bytes(pickle.dumps(image))
    code = (
        "import pickle, sys, pathlib\n"
        f"image = pickle.loads(pathlib.Path({str(tmp_path / 'image.pickle')!r}).read_bytes())\n"
        "from stacchip_osml.pixel import PixelWindow\n"
        "found = image.read(PixelWindow(3, 4, 50, 60))\n"
        "heavy = {'rasterio', 'pyarrow', 'geopandas', 'torch', 'tifffile', 'obstore', 'jbpy'} & set(sys.modules)\n"
        "print(int(found.pixels.sum()), sorted(heavy))\n"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300).stdout

    expected = GdalImage(cog).read(PixelWindow(3, 4, 50, 60))
    assert expected is not None
    assert told.split(maxsplit=1) == [str(int(expected.pixels.sum())), "[]\n"]


def _sum(image: BlockImage) -> int:
    found = image.read(PixelWindow(0, 0, WIDTH, HEIGHT))
    return -1 if found is None else int(found.pixels.sum())


@pytest.mark.parametrize("method", sorted({"fork", "spawn"} & set(multiprocessing.get_all_start_methods())))
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_other_processes_read_the_same(cog, method):
    image = BlockImage(cog)
    expected = _sum(image)

    with multiprocessing.get_context(method).Pool(2) as pool:
        assert pool.map(_sum, [image] * 4) == [expected] * 4
