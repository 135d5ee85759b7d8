"""COGs: what validators and GDAL say of their layout."""

import struct

import numpy as np
import pytest
import rasterio
import tifffile
from rio_cogeo import cog_validate

from stacchip_osml.encode import imsave, write_tiff
from stacchip_osml.imagery import BufferedImageAssetProvider
from stacchip_osml.imagery.blocks.image import BlockImage
from tests.encode.encode_chips import NORTH_UP, pixels_of

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

SHAPES = [(700, 300), (1100, 530), (513, 17), (90, 2000), (512, 512), (40, 50)]
KINDS = [("uint8", 3, True), ("float32", 2, False), ("complex64", 1, True)]


def image_of(dtype, bands, shape, block=160):
    return BufferedImageAssetProvider.from_array(
        pixels_of(dtype, (bands, *shape)), block_width=block, block_height=block
    )


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("dtype", "bands", "masked"), KINDS)
def test_every_image_is_a_valid_cog(tmp_path, shape, dtype, bands, masked):
    path = tmp_path / "a.tif"
    mask = np.ones(shape, bool) if masked else None
    options = {"mask": mask, "crs": "EPSG:32633", "transform": NORTH_UP}
    write_tiff(path, image_of(dtype, bands, shape), layout="cog", **options)
    valid, errors, warnings = cog_validate(str(path), strict=True, quiet=True)

    assert (valid, errors, warnings) == (True, [], [])
    with rasterio.open(path) as dataset:
        assert (dataset.read() == pixels_of(dtype, (bands, *shape))).all()
        assert dataset.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        levels = dataset.overviews(1)
    last = levels[-1] if levels else 1
    assert max(-(-side // last) for side in shape) <= 512
    assert not levels or max(-(-side // levels[-2]) if len(levels) > 1 else side for side in shape) > 512


@pytest.mark.parametrize(("shape", "tile"), [
    ((1025, 1023), (256, 256)), ((1025, 1024), (256, 256)), ((5000, 4096), (256, 256)), ((513, 512), (256, 256)),
    ((3000, 512), (384, 384)), ((2048, 1024), (256, 256)), ((9000, 1023), (384, 384)), ((3000, 256), (512, 272)),
    ((3000, 160), (512, 176)), ((4000, 384), (256, 256)), ((600, 16), (512, 32)), ((1300, 1025), (512, 512)),
    ((1024, 2048), (512, 512)), ((600, 17), (512, 32)), ((513, 3), (512, 16)),
])  # fmt: skip
def test_no_level_of_a_cog_is_one_column_of_several_tiles(tmp_path, shape, tile):
    """Validators take such a level for one of strips, whatever its tags say."""
    path = tmp_path / "a.tif"
    imsave(path, np.ones(shape, np.uint8), layout="cog")

    assert cog_validate(str(path), strict=True, quiet=True) == (True, [], [])
    with rasterio.open(path) as dataset:
        assert dataset.block_shapes == [tile]


@pytest.mark.parametrize(("shape", "levels"), [((1, 600), 2), ((600, 1), 2), ((3, 5000), 5)])
def test_levels_end_with_the_longer_side_of_an_image_of_few_rows(tmp_path, shape, levels):
    path = tmp_path / "a.tif"
    write_tiff(path, image_of("uint8", 1, shape), layout="cog")
    assert BlockImage(str(path)).num_resolution_levels == levels
    write_tiff(path, image_of("uint8", 1, shape), layout="cog", overviews=1)
    assert BlockImage(str(path)).num_resolution_levels == 2


@pytest.mark.parametrize("options", [
    {"compression": "jpeg"}, {"compression": "webp"}, {"interleave": "band"}, {"compression": "lerc"},
    {"bigtiff": True}, {"byteorder": "big"}, {"tile": (64, 128)}, {"overviews": 5, "tile": 256},
])  # fmt: skip
def test_every_option_gives_a_valid_cog(tmp_path, options):
    path = tmp_path / "a.tif"
    write_tiff(path, image_of("uint8", 3, (700, 900)), layout="cog", workers=2, **options)
    valid, errors, warnings = cog_validate(str(path), strict=True, quiet=True)

    assert (valid, errors, warnings) == (True, [], [])
    assert BlockImage(str(path)).num_resolution_levels == {64: 5, 256: 6}.get(
        options["tile"] if isinstance(options.get("tile"), int) else options.get("tile", (0,))[0], 2
    )


def test_parts_stand_in_order_and_blocks_in_their_frames(tmp_path):
    path = tmp_path / "a.tif"
    image = image_of("uint16", 1, (1200, 1400))
    write_tiff(path, image, layout="cog", tile=256, mask=np.ones((1200, 1400), bool))
    data = path.read_bytes()

    note = data[8 : data.index(b"\n", 8)]
    assert note == b"GDAL_STRUCTURAL_METADATA_SIZE=000140 bytes"
    assert data[8 + len(note) + 1 :].startswith(b"LAYOUT=IFDS_BEFORE_DATA\nBLOCK_ORDER=ROW_MAJOR\n")
    with tifffile.TiffFile(path) as tiff:
        pages = list(tiff.pages)
        offsets = [page.offset for page in pages]
        kinds = [page.tags[254].value if 254 in page.tags else 0 for page in pages]
        places = [page.dataoffsets for page in pages]
        counts = [page.databytecounts for page in pages]
    assert kinds == [0, 4, 1, 5, 1, 5, 1, 5]
    assert offsets == sorted(offsets)
    assert max(offsets) < min(map(min, places))
    for table, lengths in zip(places, counts, strict=True):
        assert list(table) == sorted(table)
        for offset, length in zip(table, lengths, strict=True):
            assert struct.unpack("<I", data[offset - 4 : offset])[0] == length
            assert data[offset + length : offset + length + 4] == data[offset + length - 4 : offset + length]
    images = places[::2]
    assert [min(table) for table in images] == sorted((min(table) for table in images), reverse=True)


def test_a_cog_of_gdal_is_copied_level_by_level(tmp_path):
    source, copy = tmp_path / "gdal.tif", tmp_path / "ours.tif"
    profile = {"crs": "EPSG:32633", "transform": NORTH_UP, "count": 2, "dtype": "uint16", "width": 1300, "height": 900}
    pixels = pixels_of("uint16", (2, 900, 1300))
    with rasterio.MemoryFile() as memory:
        with memory.open(driver="GTiff", **profile) as dataset:
            dataset.write(pixels)
        with memory.open() as dataset:
            rasterio.shutil.copy(dataset, source, driver="COG", overview_resampling="average")
    write_tiff(copy, BlockImage(str(source)), layout="cog")

    for level in (0, 1):
        with rasterio.open(source, overview_level=level) as want, rasterio.open(copy, overview_level=level) as got:
            assert (want.read() == got.read()).all()
    assert cog_validate(str(copy), strict=True, quiet=True)[0]
