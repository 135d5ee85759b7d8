"""A remote TIFF file whose first bytes are there: GDAL makes its header from them, and asks for what lies behind."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from block_files import require_same, scene, some_windows, write_tiff

from stacchip_osml.errors import AssetChanged, DecodeError, ReadError
from stacchip_osml.imagery import GdalImage
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.imagery.format import OPENING_BYTES
from stacchip_osml.imagery.gdal import access
from stacchip_osml.pixel import PixelWindow
from tests.imagery.patience import PATIENT


@pytest.fixture(scope="module")
def cog(tmp_path_factory) -> str:
    """A COG of three levels, larger than what is asked for at first."""
    folder = tmp_path_factory.mktemp("cog")
    pixels = np.random.default_rng(1).integers(1, 60_000, (1, 3000, 3072), np.uint16)
    plain = folder / "plain.tif"
    profile = {"driver": "GTiff", "count": 1, "height": 3000, "width": 3072, "dtype": "uint16", "nodata": 0}
    with rasterio.open(
        plain, "w", crs="EPSG:32632", transform=rasterio.Affine(10, 0, 5e5, 0, -10, 5e6), **profile
    ) as f:
        f.write(pixels)
    rasterio.shutil.copy(plain, folder / "cog.tif", driver="COG", blocksize=512, compress="deflate")
    assert (folder / "cog.tif").stat().st_size > access.WORTH_BEGINNING
    return str(folder / "cog.tif")


@pytest.fixture
def small(tmp_path) -> str:
    """A file that GDAL is asked of: it has an alpha band."""
    options = {"tiled": True, "blockxsize": 64, "blockysize": 64, "levels": (2, 4), "nodata": 0, "alpha": True}
    path = write_tiff(tmp_path / "small.tif", np.tile(scene(3, "uint16"), (1, 2, 2)), **options)
    assert OPENING_BYTES < Path(path).stat().st_size <= access.WORTH_ALL
    return path


def test_a_first_window_of_a_cog_takes_two_requests(server, cog):
    image, oracle = BlockImage(server.serve("/cog.tif", Path(cog).read_bytes()), fetch=PATIENT), GdalImage(cog)
    window = PixelWindow(10, 20, 30, 40)

    found = image.read(window)

    assert found is not None
    np.testing.assert_array_equal(found.pixels, oracle.read(window).pixels)
    level = image.layout.levels[0]
    block = int(level.offsets[0, 0, 0, 0]), int(level.counts[0, 0, 0, 0])
    assert [asked.range for asked in server.asked()] == [(0, OPENING_BYTES), block]
    assert len(image.header.levels) == len(oracle.header.levels) == 4
    assert image.header.crs == oracle.header.crs
    assert image.header.transform == oracle.header.transform
    for level, of_level in enumerate(oracle.header.levels):
        for each in some_windows(of_level, 1):
            require_same(image, oracle, each, level)


def test_the_header_of_gdals_own_image_takes_one_request(server, cog):
    image = GdalImage(server.serve("/cog.tif", Path(cog).read_bytes()), fetch=PATIENT)

    assert image.header.levels == GdalImage(cog).header.levels
    assert [asked.range for asked in server.asked()] == [(0, OPENING_BYTES)]
    assert image._access.head is None, "held for good"
    np.testing.assert_array_equal(image.get_block(1, 1), GdalImage(cog).get_block(1, 1))


@pytest.mark.parametrize("stated", [{}, {"etag": False}])
@pytest.mark.parametrize("worth_all", [0, 1 << 20])
def test_directories_behind_the_first_bytes_are_found_too(server, tmp_path, monkeypatch, stated, worth_all):
    monkeypatch.setattr(access, "WORTH_BEGINNING", 1)
    monkeypatch.setattr(access, "WORTH_ALL", worth_all)
    options = {"tiled": True, "blockxsize": 16, "blockysize": 16, "levels": (2, 4), "nodata": 0}
    path = write_tiff(tmp_path / "a.tif", np.tile(scene(3, "uint16"), (1, 3, 3)), **options)
    data = Path(path).read_bytes()
    assert len(data) > 2 * OPENING_BYTES
    server.set(**stated)
    image, oracle = BlockImage(server.serve("/a.tif", data), fetch=PATIENT), GdalImage(path)

    for level, size in enumerate(oracle.header.levels):
        for window in some_windows(size, 3):
            require_same(image, oracle, window, level)


def test_a_small_file_is_asked_for_whole_and_its_pixels_by_themselves(server, small):
    image, oracle = BlockImage(server.serve("/small.tif", Path(small).read_bytes()), fetch=PATIENT), GdalImage(small)
    window = PixelWindow(10, 20, 30, 30)

    require_same(image, oracle, window, 0)

    whole = (0, Path(small).stat().st_size)
    assert [asked.range for asked in server.asked()][:2] == [(0, OPENING_BYTES), whole]
    assert len(image.header.levels) == len(oracle.header.levels) == 3
    require_same(image, oracle, window, 2)
    assert whole not in [asked.range for asked in server.asked()]


def test_of_a_plain_file_the_directories_alone_are_asked_for(server, tmp_path):
    options = {"tiled": True, "blockxsize": 64, "blockysize": 64, "levels": (2, 4), "nodata": 0}
    path = write_tiff(tmp_path / "plain.tif", np.tile(scene(3, "uint16"), (1, 2, 2)), **options)
    image, oracle = BlockImage(server.serve("/plain.tif", Path(path).read_bytes()), fetch=PATIENT), GdalImage(path)

    require_same(image, oracle, PixelWindow(70, 10, 30, 30), 1)

    asked = [each.range for each in server.asked()]
    assert asked[0] == (0, OPENING_BYTES)
    assert sum(size for _, size in asked) < Path(path).stat().st_size / 2
    assert len(asked) == 3
    assert image._gdal is None
    assert image.header.levels == oracle.header.levels


def test_a_small_file_that_changes_while_it_is_opened_is_noticed(server, small, monkeypatch):
    data = Path(small).read_bytes()
    image = BlockImage(server.serve("/small.tif", data), fetch=PATIENT)
    read = access.read_remote_head

    def late(target, fetch, **size):
        server.serve("/small.tif", data[::-1])
        return read(target, fetch, **size)

    monkeypatch.setattr(access, "read_remote_head", late)
    with pytest.raises(AssetChanged, match=r"small\.tif: the object changed"):
        _ = image.header


def test_a_file_that_ends_in_its_first_bytes_is_read_from_them(server, tmp_path):
    path = write_tiff(tmp_path / "a.tif", scene(1, "uint8")[:, :40, :40], nodata=0)
    image = GdalImage(server.serve("/a.tif", Path(path).read_bytes()), fetch=PATIENT)

    assert image.header.levels == GdalImage(path).header.levels
    assert len(server.asked()) == 1


def test_what_fails_behind_the_first_bytes_is_told_as_before(server, cog):
    data = bytearray(Path(cog).read_bytes())
    data[4:8] = (len(data) - 1000).to_bytes(4, "little")  # the first directory, where no directory is
    with pytest.raises(DecodeError):
        _ = BlockImage(server.serve("/cut.tif", bytes(data)), fetch=PATIENT).header
    server.fault(503, path="/cut", after=1)
    with pytest.raises(ReadError):
        _ = BlockImage(server.serve("/cut.tif", bytes(data)), fetch=PATIENT).header


def test_an_object_that_changes_after_its_first_bytes_is_noticed(server, cog):
    data = Path(cog).read_bytes()
    image = BlockImage(server.serve("/cog.tif", data), fetch=PATIENT)
    _ = image.header
    server.serve("/cog.tif", data[:-1] + b"x")

    with pytest.raises(AssetChanged):
        image.read(PixelWindow(0, 0, 9, 9))
    with pytest.raises(AssetChanged):
        image.gdal.read(PixelWindow(0, 0, 9, 9))
