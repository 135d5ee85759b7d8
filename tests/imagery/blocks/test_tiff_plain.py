"""A plain TIFF says of its pixels what GDAL says of them; of any other file GDAL is asked."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
from block_files import HEIGHT, PART, WIDTH, require_same, scene, some_windows, write_tiff
from tiff_assembler import EXTRA_SAMPLES, PHOTOMETRIC, SUBFILE, TILE_LENGTH, TILE_WIDTH, Directory, gray, save

from stacchip_osml.errors import AssetChanged, AssetMissing, DecodeError, LimitError
from stacchip_osml.imagery import GdalImage, ReadLimits
from stacchip_osml.imagery.blocks.files import LocalFile
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.imagery.blocks.parsing import plain_image
from stacchip_osml.pixel import PixelWindow

TILES = {"tiled": True, "blockxsize": 32, "blockysize": 16}
DEFLATE = {"compress": "deflate", **TILES}
HOLES = np.pad(np.zeros((20, 30), np.uint8), ((0, HEIGHT - 20), (0, WIDTH - 30)), constant_values=255)

PLAIN = {
    "classes": (scene(1, "uint8"), {**DEFLATE, "nodata": 0, "levels": (2, 4, 8)}),
    "measurements": (scene(3, "uint16"), {**DEFLATE, "predictor": 2, "levels": (2,)}),
    "planes": (scene(3, "int16"), {**DEFLATE, "interleave": "band", "nodata": -9999}),
    "floats": (scene(2, "float32"), {**DEFLATE, "predictor": 3, "nodata": np.nan}),
    "halves": (scene(1, "float64"), {**TILES, "nodata": -0.5}),
    "big": (scene(1, "uint32"), {**DEFLATE, "BIGTIFF": "YES", "ENDIANNESS": "BIG"}),
    "color": (scene(3, "uint8"), {**DEFLATE, "photometric": "RGB", "crs": "EPSG:32632"}),
    "sparse": (scene(2, "uint16"), {**DEFLATE, "only": PART}),
    "JPEG": (scene(1, "uint8"), {"compress": "jpeg", **TILES, "levels": (2,)}),
    "zstd": (scene(1, "int32"), {**TILES, "compress": "zstd"}),
}
OTHER = {
    "strips": (scene(1, "uint8"), {"compress": "deflate"}),
    "mask": (scene(1, "uint8"), {**DEFLATE, "mask": HOLES}),
    "alpha": (scene(2, "uint8"), {**DEFLATE, "alpha": True}),
    "RGBA": (scene(4, "uint8"), {**DEFLATE, "photometric": "RGB", "ALPHA": "YES"}),
    "nodata beyond the type": (scene(1, "uint8"), {**DEFLATE, "nodata": 0.5}),
    "nodata that the type rounds": (scene(1, "float32"), {**DEFLATE, "nodata": 0.1}),
    "white is zero": (scene(1, "uint8"), {**DEFLATE, "photometric": "MINISWHITE"}),
    "few bits": (scene(1, "uint8") % 4, {**DEFLATE, "NBITS": 2}),
    "complex": (scene(1, "complex64"), DEFLATE),
    "signed bytes": (scene(1, "uint8").astype(np.int8), DEFLATE),
    "LZMA": (scene(1, "uint8"), {**TILES, "compress": "lzma"}),
}


def plain(path: str, **limits: int):
    return plain_image(LocalFile(path), name=path, limits=ReadLimits(**limits))


@pytest.mark.parametrize("kind", PLAIN)
def test_a_plain_file_says_what_gdal_says(tmp_path, kind):
    pixels, how = PLAIN[kind]
    path = write_tiff(tmp_path / "image.tif", pixels, **how)
    found, image, oracle = plain(path), BlockImage(path), GdalImage(path)
    header = oracle.header

    assert found is not None
    told = found.header
    assert (told.driver, told.levels, told.block_shape) == (header.driver, header.levels, header.block_shape)
    assert (told.mask, told.places) == (header.mask, header.places)
    values = np.array([[band.nodata for band in each.bands] for each in (told, header)], float)
    np.testing.assert_array_equal(*values)
    assert [band.dtype for band in told.bands] == [band.dtype for band in header.bands]
    assert "alpha" not in {band.color for band in header.bands}
    for level, size in enumerate(header.levels):
        for window in some_windows(size, 4):
            require_same(image, oracle, window, level)
    assert image._gdal is None
    assert image.header == header
    assert repr(image.gdal.stored_levels()) == repr(oracle.stored_levels())
    for level in range(len(header.levels)):
        np.testing.assert_array_equal(image.gdal.get_block(0, 0, level), oracle.get_block(0, 0, level))


@pytest.mark.parametrize("kind", OTHER)
def test_of_any_other_file_gdal_is_asked(tmp_path, kind):
    pixels, how = OTHER[kind]
    path = write_tiff(tmp_path / "image.tif", pixels, **how)
    image = BlockImage(path)

    assert plain(path) is None
    assert image.pixel_header == GdalImage(path).header
    require_same(image, GdalImage(path), PixelWindow(0, 0, WIDTH, HEIGHT), 0)


def test_what_gdals_items_say_of_pixels_is_left_to_gdal(tmp_path):
    told = {}
    for name, tags in {"statistics": {"STATISTICS_MEAN": "4"}, "masks": {"NODATA_VALUES": "1 2 3"}}.items():
        path = write_tiff(tmp_path / f"{name}.tif", scene(3, "uint8"), **DEFLATE)
        with rasterio.open(path, "r+") as file:
            file.update_tags(**tags)
        told[name] = plain(path)

    assert told["statistics"] is not None
    assert told["masks"] is None


def tiles(side=32, *, tags=None, **more) -> Directory:
    """A grey image of tiles of 16 pixels."""
    sides = {TILE_WIDTH: 16, TILE_LENGTH: 16, 278: None}
    return gray(side, side, [bytes(range(256))] * (side // 16) ** 2, tags={**sides, **(tags or {})}, **more)


def reduced(side=16):
    return tiles(side, tags={SUBFILE: 1})


NODATA = 42113
SEVEN = (2, b"7\0")

DIRECTORIES = {
    "level": ([tiles(), reduced()], True),
    "two levels": ([tiles(64), reduced(32), reduced()], True),
    "nodata of all levels": ([tiles(tags={NODATA: SEVEN}), tiles(16, tags={SUBFILE: 1, NODATA: SEVEN})], True),
    "nodata of one level": ([tiles(tags={NODATA: SEVEN}), reduced()], False),
    "page": ([tiles(), tiles(16)], False),
    "mask": ([tiles(), tiles(tags={SUBFILE: 4})], False),
    "level as large as R0": ([tiles(), reduced(32)], False),
    "levels in another order": ([tiles(64), reduced(), reduced(32)], False),
    "sub-directory": ([tiles(subs=[reduced()])], False),
    "chain that goes round": ([tiles(next_ifd=8)], False),
    "chain that leads nowhere": ([tiles(), tiles(16, tags={SUBFILE: 1}, next_ifd=1 << 20)], False),
    "unknown tag": ([tiles(tags={65000: 1})], False),
    "known tag of another type": ([tiles(tags={PHOTOMETRIC: (4, [1])})], False),
    "alpha that GDAL knows": ([tiles(tags={EXTRA_SAMPLES: 2})], False),
    "samples that are not told": ([tiles(tags={PHOTOMETRIC: 2})], False),
    "tiles of odd sides": ([tiles(tags={TILE_LENGTH: 8})], False),
    "R0 that says it is reduced": ([reduced(32)], False),
    "turned": ([tiles(tags={274: 3})], False),
}


@pytest.mark.parametrize("kind", DIRECTORIES)
def test_directories_that_are_no_plain_levels_are_left_to_gdal(tmp_path, kind):
    directories, is_plain = DIRECTORIES[kind]
    path = save(tmp_path / "image.tif", *directories)

    assert (plain(path) is not None) == is_plain
    try:
        header = GdalImage(path).header
    except (DecodeError, LimitError) as error:
        with pytest.raises(type(error)):
            BlockImage(path).read(PixelWindow(0, 0, 16, 16))
        return
    image = BlockImage(path)
    assert image.pixel_header.levels == header.levels
    for level, size in enumerate(header.levels):
        require_same(image, GdalImage(path), PixelWindow(0, 0, *size), level)


def test_a_file_that_ends_in_its_directories_is_no_plain_one(tmp_path):
    path = Path(save(tmp_path / "image.tif", tiles(64), reduced(32), reduced()))
    whole = path.read_bytes()
    last = whole.rindex(bytes(range(256))) - 40

    for size in (0, 3, 4, 8, 20, 100, last):
        path.write_bytes(whole[:size])
        assert plain(str(path)) is None


def test_errors_are_those_of_a_file_that_gdal_opens(tmp_path):
    path = write_tiff(tmp_path / "image.tif", scene(1, "uint16"), **DEFLATE)
    window = PixelWindow(0, 0, 5, 5)
    os.mkfifo(tmp_path / "pipe.tif")

    for kind in (BlockImage, GdalImage):
        with pytest.raises(LimitError, match="150 x 110 pixels, more than 100 a side"):
            kind(path, limits=ReadLimits(side=100)).read(window)
        with pytest.raises(AssetMissing, match="no such file"):
            kind(path + "f").read(window)
        with pytest.raises(AssetChanged, match="ns mtime"):
            kind(path, expect=(None, 5)).read(window)
        with pytest.raises(DecodeError, match=r"pipe\.tif: "):
            kind(str(tmp_path / "pipe.tif")).read(window)


def test_reading_a_plain_file_imports_no_gdal_not_even_in_a_copy(tmp_path):
    path = write_tiff(tmp_path / "image.tif", scene(1, "uint16"), **DEFLATE, nodata=0, levels=(2,))
    image = BlockImage(path)
    assert image.read(PixelWindow(0, 0, 5, 5)) is not None
    (tmp_path / "image.pickle").write_bytes(pickle.dumps(image))
    code = (
        "import pathlib, pickle, sys\n"
        "from stacchip_osml.imagery.blocks.image import BlockImage\n"
        "from stacchip_osml.pixel import PixelWindow\n"
        f"copy = pickle.loads(pathlib.Path({str(tmp_path / 'image.pickle')!r}).read_bytes())\n"
        f"for image in (copy, BlockImage({path!r})):\n"
        "    found = image.read(PixelWindow(0, 0, 75, 55), level=1)\n"
        "    print(int(found.pixels.sum()), int(found.mask.sum()), image.served_by(1), 'rasterio' in sys.modules)\n"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300).stdout

    expected = GdalImage(path).read(PixelWindow(0, 0, 75, 55), level=1)
    assert expected is not None
    assert told == f"{expected.pixels.sum()} {expected.mask.sum()} block/deflate False\n" * 2
