"""JPEG 2000 tiles that are no regular grid, or cannot be decoded alone, are decoded together."""

import re
import subprocess
import sys

import imagecodecs
import numpy as np
import pytest
import rasterio
from jpeg2000_files import copied, hills, parsed, tile_part_starts
from jpeg2000_shapes import by_openjpeg, in_nitf, irregular, packed, saved, whole
from rasterio.errors import RasterioIOError

from stacchip_osml.errors import DecodeError
from stacchip_osml.imagery import BufferedImageAssetProvider, DownsampledImageProvider, GdalImage
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.imagery.blocks.layout import LevelLayout, Unserved
from stacchip_osml.pixel import ImageSize, PixelWindow

# ---- tiles that are no regular grid from the image's corner


@pytest.mark.parametrize(("kind", "bands"), [("htj2k", 3), ("jpeg2000", 1), ("jpeg2000", 3)])
def test_an_irregular_grid_of_tiles_is_one_block(tmp_path, kind, bands):
    pixels, stream = irregular(kind, bands)
    path = saved(tmp_path / "a.j2k", stream)
    image = BlockImage(path)

    assert image.served_by(0) == f"block/{kind}"
    level = image.layout.levels[0]
    assert (level.grid, level.block_shape, level.bands) == ((1, 1), (130, 170), bands)
    np.testing.assert_array_equal(whole(image), pixels)
    np.testing.assert_array_equal(by_openjpeg(stream), pixels)
    np.testing.assert_array_equal(image.read(PixelWindow(40, 20, 100, 90)).pixels, pixels[:, 20:110, 40:140])
    nitf = BlockImage(in_nitf(tmp_path / "a.ntf", stream, pixels, IC="CD" if kind == "htj2k" else "C8"))
    np.testing.assert_array_equal(whole(nitf), pixels)
    for block in ((0, 0), (1, 1)):  # of this one it would give the pixels of another place
        with pytest.raises(DecodeError, match=r"GDAL does not read .*tiles that are not a regular grid"):
            GdalImage(path).get_block(*block)


def test_tiles_that_are_all_narrower_than_they_might_be_are_blocks_at_level_0(tmp_path):
    """Two columns, the last no wider than the first, are a regular grid, but not to GDAL."""
    pixels, stream = irregular(bands=1, rows=(0, 128, 256), cols=(0, 64, 128), tile=128)
    image = BlockImage(saved(tmp_path / "a.j2k", stream))

    assert image.layout.levels[0].block_shape == (128, 64)
    np.testing.assert_array_equal(whole(image), pixels)
    for reader in (image, GdalImage(image.location)):  # its overviews would be of other tiles
        assert reader.header.levels == (ImageSize(128, 256),)
    held = BufferedImageAssetProvider.from_array(pixels, block_width=64, block_height=64)
    halves = [DownsampledImageProvider(each, 2, tile_width=64, tile_height=64) for each in (image, held)]
    np.testing.assert_array_equal(*(half.get_block(1, 0) for half in halves))


def test_an_irregular_grid_is_left_to_gdal_where_it_takes_more_than_a_block_may():
    pixels, stream = irregular()
    held = 4 * (pixels.size + 3 * 64 * 64) + 9 * (8192 + 3 * 1280) + len(stream)

    inside, outside = (parsed(stream, block_bytes=held - missing).levels[0] for missing in (0, 1))

    assert isinstance(inside, LevelLayout)
    assert isinstance(outside, Unserved)
    assert re.search(f"not a regular grid .* take {held} bytes to decode, more than {held - 1}", outside.reason)
    assert "unknown size" in parsed(stream, size=None).levels[0].reason


PEAK = """
import resource, sys
import imagecodecs, numpy as np
data, side = open(sys.argv[1], "rb").read(), int(sys.argv[2])
out = np.ones((3, side, side), np.uint8)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
imagecodecs.jpeg2k_decode(data, planar=True, numthreads=1, out=out)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.parametrize("tile", [32, 512])
def test_openjpeg_holds_what_the_limit_is_held_against(tmp_path, tile):
    side = 1024
    pixels = np.random.default_rng(1).integers(0, 256, (side, side, 3), np.uint8)
    data = imagecodecs.htj2k_encode(pixels, tile=(tile, tile), resolutions=3, reversible=True)
    path = saved(tmp_path / "a.j2k", data)

    done = subprocess.run([sys.executable, "-c", PEAK, path, str(side)], capture_output=True, check=True)

    held = 4 * 3 * (side**2 + tile**2) + (side // tile) ** 2 * (8192 + 3 * 1280) + len(data)
    assert int(done.stdout) * 1024 < 1.1 * held + (4 << 20)


def test_a_tile_that_is_missing_of_an_irregular_grid_is_an_error(tmp_path):
    _, stream = irregular()
    path = tmp_path / "a.j2k"
    image = BlockImage(saved(path, stream))
    assert image.served_by(0) == "block/htj2k"
    at = tile_part_starts(stream)[4]
    again = BlockImage(str(path), layout=image.layout, header=image.header)
    path.write_bytes(stream[: at + 5] + b"\x03" + stream[at + 6 :])  # tile 3 twice, tile 4 never

    with pytest.raises(DecodeError, match="of 9 tiles, of which 8 were found"):
        again.read(PixelWindow(0, 0, 10, 10))
    with pytest.raises(DecodeError, match="out of order"):
        BlockImage(saved(path, path.read_bytes())).read(PixelWindow(0, 0, 10, 10))


# ---- packed packet headers


def test_packed_packet_headers_are_read_with_all_their_tiles(tmp_path):
    pixels = hills(2, 150, 200)
    options = {"blockxsize": 64, "blockysize": 64, "resolutions": 2, "codec": "J2K", "sop": "YES", "eph": "YES"}
    stream = packed(copied(tmp_path / "a.j2k", pixels, **options))
    path = saved(tmp_path / "b.j2k", stream)
    image = BlockImage(path)

    assert image.served_by(0) == "block/jpeg2000"
    np.testing.assert_array_equal(whole(image), pixels)
    np.testing.assert_array_equal(image.read(PixelWindow(40, 20, 100, 90)).pixels, pixels[:, 20:110, 40:140])
    with rasterio.open(path) as dataset:
        try:
            told = dataset.read()
        except RasterioIOError:
            told = np.zeros_like(pixels)
        assert (told != pixels).any()  # else there would be no reason to refuse
    assert image.num_resolution_levels == GdalImage(path).num_resolution_levels == 1
    with pytest.raises(DecodeError, match=r"GDAL does not read .*headers are packed in the main header \(PPM\)"):
        whole(GdalImage(path))


def test_packed_packet_headers_of_one_tile_are_gdals(tmp_path):
    pixels = hills(1, 100, 120)
    options = {"blockxsize": 512, "blockysize": 512, "resolutions": 2, "codec": "J2K", "sop": "YES", "eph": "YES"}
    image = BlockImage(saved(tmp_path / "b.j2k", packed(copied(tmp_path / "a.j2k", pixels, **options))))

    assert image.served_by(0).startswith("gdal/JP2OpenJPEG: JPEG 2000 packet headers are packed")
    np.testing.assert_array_equal(whole(image), pixels)
