"""Chips of reduced levels show what their transform says, however the levels were made and wherever the image begins.

Pixels are their own positions, so many counts a pixel: what a chip shows and what its transform says are compared.
"""

import struct
import warnings

import imagecodecs
import numpy as np
import pytest
import rasterio
import rasterio.shutil
from rasterio.enums import Resampling
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import MemoryFile
from rasterio.transform import Affine

from stacchip_osml.encode import IO, ChipFactory
from stacchip_osml.errors import DecodeError, EncodeError
from stacchip_osml.geometry import AffineLocator
from stacchip_osml.imagery import (
    BufferedImageAssetProvider,
    GdalImage,
    PyramidBuilder,
    TiledImagePyramid,
    write_pyramid,
)
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.imagery.jpeg2000.blocks import one_tile_codestream
from stacchip_osml.imagery.level_places import LevelPlace
from stacchip_osml.imagery.resampling.resamplers import area_resample
from stacchip_osml.pixel import ImageSize, PixelWindow
from tests.imagery.blocks.jpeg2000_files import copied, parsed

CLOSE = 0.01
"""Pixels of full resolution, of which integers are off by up to 0.007."""
COUNTS = 72
WIDTH, HEIGHT = 701, 603
PLACE = Affine(2.0, 0.5, 500_000, 0.25, -3.0, 4_000_000)
MARGIN = 80
"""Pixels at the image's edges where the longest wavelets curve a ramp."""


def ramp(width=WIDTH, height=HEIGHT, dtype=np.uint16):
    """Positions of pixel centres: bands x and y."""
    y, x = np.mgrid[:height, :width]
    return np.stack([2 * x + 1, 2 * y + 1]).astype(dtype) * dtype(COUNTS // 2)


def with_even_tiles(path, *origin):
    """Tell the side of an image's one tile larger than the image: of one with odd sides GDAL shows no levels."""
    data = bytearray(path.read_bytes())
    at = data.index(b"\xff\x4f\xff\x51")
    struct.pack_into(">2I", data, at + 24, 1024, 1024)
    path.write_bytes(data)
    return origin or (0, 0)


def tile_alone(path, row, col, **sizes):
    """An image that does not begin at the reference grid's origin: one tile of another image."""
    data = copied(path, ramp(**sizes), blockxsize=301, blockysize=301, resolutions=4)
    level = parsed(data).levels[0]
    places = zip(level.offsets[:, 0, row, col].tolist(), level.counts[:, 0, row, col].tolist(), strict=True)
    parts = [data[at : at + size] for at, size in places if size]
    path.write_bytes(one_tile_codestream(level.codec.shared, parts))
    return with_even_tiles(path, 301 * col, 301 * row)


def high_throughput(path):
    """Three bands, because it takes no two."""
    planes = np.moveaxis(np.concatenate([ramp(), ramp()[:1]]), 0, -1)
    stream = imagecodecs.htj2k_encode(np.ascontiguousarray(planes), reversible=True, resolutions=4)
    path.write_bytes(stream)
    return with_even_tiles(path)


def jpeg2000(path, **options):
    copied(path, ramp(), blockxsize=1024, blockysize=1024, resolutions=5, **options)
    return with_even_tiles(path)


def nitf(path):
    with warnings.catch_warnings(), MemoryFile() as memory:
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with memory.open(driver="GTiff", count=2, width=WIDTH, height=HEIGHT, dtype="uint16") as dataset:
            dataset.write(ramp())
        rasterio.shutil.copy(memory.name, path, driver="NITF", IC="C8", QUALITY="100")
    return with_even_tiles(path)


def overviews(path):
    with rasterio.open(
        path, "w", driver="GTiff", count=2, width=WIDTH, height=HEIGHT, dtype="float32", tiled=True,
        blockxsize=128, blockysize=128, transform=PLACE, crs="EPSG:32631",
    ) as dataset:  # fmt: skip
        dataset.write(ramp().astype(np.float32))
    with rasterio.open(path, "r+") as dataset:
        dataset.build_overviews([2, 4, 8], Resampling.average)
    return 0, 0


MADE = {
    "JPEG 2000, 5/3": jpeg2000,
    "JPEG 2000, 9/7": lambda path: jpeg2000(path, reversible="NO"),
    "JPEG 2000 from (301, 0)": lambda path: tile_alone(path, 0, 1, width=601, height=300),
    "JPEG 2000 from (301, 301)": lambda path: tile_alone(path, 1, 1, width=601, height=601),
    "JPEG 2000 from (602, 301)": lambda path: tile_alone(path, 1, 2, width=902, height=601),
    "HTJ2K": high_throughput,
    "NITF, C8": nitf,
    "average overviews": overviews,
}


def off(factory, level, rng, origin):
    """Cut chips of a level anywhere; give how far, in pixels, what they show is from where they say they are."""
    size, wide = factory.source.image_shape_at_level(0), 2**level
    margin = MARGIN if min(size[1:]) > 400 else 40
    worst = 0.0
    for _ in range(12):
        across, down = rng.uniform(3, (size[2] - 2 * margin) / wide), rng.uniform(3, (size[1] - 2 * margin) / wide)
        window = np.array([across, down]) * wide
        x, y = (rng.uniform(margin, length - margin - side) for length, side in zip(size[:0:-1], window, strict=True))
        step = rng.uniform(1, 1.9)
        shape = max(int(across / step), 1), max(int(down / step), 1)
        chip = factory.read_chip((x, y, *window), shape)
        assert chip.level == level
        assert chip.mask.all()
        rows, cols = np.mgrid[: shape[1], : shape[0]] + 0.5
        said = (~PLACE @ chip.transform) * (cols, rows)
        for pixels, positions, start in zip(chip.pixels, said, origin, strict=False):
            worst = max(worst, abs(pixels / COUNTS - start - positions).max())
    return worst


@pytest.fixture(scope="module", params=sorted(MADE))
def image(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("places") / "image"
    return str(path), MADE[request.param](path), request.param


@pytest.mark.parametrize("reader", [BlockImage, GdalImage])
def test_chips_show_what_their_transform_says(image, reader):
    path, origin, name = image
    if reader is GdalImage and name == "HTJ2K":
        pytest.skip("GDAL opens no bare high-throughput codestream")
    factory = ChipFactory(reader(path), sensor_model=AffineLocator(tuple(PLACE)[:6], "EPSG:32631"))
    rng = np.random.default_rng(0)

    assert factory.source.num_levels >= 3
    for level in range(min(factory.source.num_levels, 4)):
        assert off(factory, level, rng, origin) < CLOSE


# ---- pyramids of ours, in files


def write(paths, image, resample_func=None):
    with IO.open(paths, "w") as writer:
        write_pyramid(writer, PyramidBuilder(image, 150, resample_func=resample_func))


def in_memory(width=WIDTH, height=HEIGHT):
    return BufferedImageAssetProvider.from_array(
        ramp(width, height, np.float32), key="ramp", block_width=128, block_height=128
    )


def of_tiff(folder, image, resample_func=None):
    write(folder / "a.tif", image, resample_func)
    with IO.open(folder / "a.tif", "r") as reader:
        yield TiledImagePyramid.from_dataset(reader)
    yield TiledImagePyramid.from_asset(BlockImage(str(folder / "a.tif")))
    yield TiledImagePyramid.from_asset(GdalImage(str(folder / "a.tif")))


def of_rset(folder, image, resample_func=None):
    paths = [str(folder / name) for name in ("a.ntf", "a.ntf.r1", "a.ntf.r2", "a.ntf.r3")]
    write(paths, image, resample_func)
    with IO.open(paths, "r") as reader:
        yield TiledImagePyramid.from_dataset(reader)
    yield TiledImagePyramid.from_rset(paths[0])


def of_segments(folder, image, resample_func=None):
    write(folder / "a.ntf", image, resample_func)
    yield TiledImagePyramid.from_segments(folder / "a.ntf")


@pytest.mark.parametrize("made", [of_tiff, of_rset, of_segments])
def test_levels_of_sips_lie_where_they_did_when_they_are_read_back(made, tmp_path):
    rng = np.random.default_rng(1)
    for pyramid in made(tmp_path, in_memory()):
        factory = ChipFactory(pyramid, sensor_model=AffineLocator(tuple(PLACE)[:6], "EPSG:32631"))

        assert [pyramid.place_at_level(level) for level in range(4)] == [LevelPlace.halved(level) for level in range(4)]
        for level in range(4):
            assert off(factory, level, rng, (0, 0)) < 0.001


def test_stretched_levels_of_a_tiff_say_nothing_and_others_say_where_they_lie(tmp_path):
    for name, function, said in (("area", area_resample, None), ("sips", None, "0.0 0.0 2.0 2.0")):
        write(tmp_path / f"{name}.tif", in_memory(), function)
        with rasterio.open(tmp_path / f"{name}.tif", overview_level=0) as file:
            assert file.get_tag_item("LEVEL_PLACE", "STACCHIP_OSML", bidx=1) == said

    for path in of_tiff(tmp_path, in_memory(), area_resample):
        assert path.place_at_level(1) == LevelPlace.stretched(ImageSize(351, 302), ImageSize(WIDTH, HEIGHT))


def test_resolutions_of_jpeg_2000_that_are_copied_to_a_tiff_stay_where_they_were(tmp_path):
    copied(tmp_path / "a.jp2", ramp(704, 608), blockxsize=1024, blockysize=1024, resolutions=4)
    (found, *_) = of_tiff(tmp_path, BlockImage(str(tmp_path / "a.jp2")))
    factory = ChipFactory(found, sensor_model=AffineLocator(tuple(PLACE)[:6], "EPSG:32631"))

    assert found.place_at_level(2) == LevelPlace(-1.5, -1.5, 4, 4)
    for level in range(3):
        assert off(factory, level, np.random.default_rng(2), (0, 0)) < CLOSE


def test_overviews_that_gdal_makes_anew_are_stretched_again(tmp_path):
    write(tmp_path / "a.tif", in_memory())
    profile = {"driver": "GTiff", "tiled": True, "blockxsize": 128, "blockysize": 128}
    rasterio.shutil.copy(tmp_path / "a.tif", tmp_path / "b.tif", copy_src_overviews=False, **profile)
    with rasterio.open(tmp_path / "b.tif", "r+") as file:
        file.build_overviews([2, 4], Resampling.average)

    assert BlockImage(str(tmp_path / "b.tif")).level_place(1).dx == WIDTH / 351


@pytest.mark.parametrize("made", [of_rset, of_segments])
def test_levels_that_a_file_cannot_place_are_not_written(made, tmp_path):
    with pytest.raises(EncodeError, match=r"overview:1: such files do not say where .* 1 pixels of image:0 beside"):
        next(made(tmp_path, in_memory(), area_resample))
    assert not list(tmp_path.iterdir())

    (even,) = of_segments(tmp_path, in_memory(640, 512), area_resample)
    assert even.place_at_level(1) == LevelPlace.halved(1)


@pytest.mark.parametrize(
    "text", ["0.0 0.0 2.0    ", "0.0 0.0 2.0 two", "0.0 0.0 2.0 nan", "0.0 0.0 0.0 2.0", "inf 0.0 2.0 2.0"]
)
def test_a_place_that_is_none_is_refused(text, tmp_path):
    write(tmp_path / "a.tif", in_memory())
    data = (tmp_path / "a.tif").read_bytes()
    assert data.count(b">0.0 0.0 2.0 2.0<") == 1
    (tmp_path / "a.tif").write_bytes(data.replace(b">0.0 0.0 2.0 2.0<", f">{text}<".encode()))

    with pytest.raises(DecodeError, match=r"LEVEL_PLACE says .*a level"):
        _ = BlockImage(str(tmp_path / "a.tif")).header


def test_fractions_of_a_jpeg_are_halved(tmp_path):
    pixels = np.broadcast_to((np.arange(773) + 0.5) / 3.1, (1, 515, 773)).round().astype(np.uint8)
    with rasterio.open(
        tmp_path / "a.jpg", "w", driver="JPEG", count=1, width=773, height=515, dtype="uint8", quality=100
    ) as file:
        file.write(pixels)
    image = BlockImage(str(tmp_path / "a.jpg"))

    assert image.num_resolution_levels == 3
    for level in (1, 2):
        place, size = image.level_place(level), image.level_shape(level)
        found = image.read(PixelWindow(0, 0, *size), level=level).pixels[0].astype(float)
        off = 3.1 * found.mean(axis=0) - (place.x + (np.arange(size.width) + 0.5) * place.dx)
        assert place == LevelPlace.halved(level)
        # Whole numbers are rounded, each by decoders' own ways: many columns together say where they are.
        assert abs(off[1:97].mean()) < 0.3
        assert abs(off[-97:-1].mean()) < 0.3, "stretched, it would be half a pixel and more"
