"""The conformance suite: our providers keep the protocol, and every way of breaking it is seen."""

import csv
import pickle

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from stacchip_osml.errors import ReadError
from stacchip_osml.imagery import (
    BufferedImageAssetProvider,
    CachedImageProvider,
    GdalImage,
    MappedImageProvider,
    OsmlImageProvider,
    RetiledImageProvider,
    TileCache,
)
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.testing import NotConforming, check_provider


def invert(pixels):
    return (255 - pixels).astype(pixels.dtype)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A COG-like TIFF with overviews, one with holes, and a striped one."""
    folder = tmp_path_factory.mktemp("conformance")
    pixels = np.random.default_rng(1).integers(1, 200, (3, 150, 211)).astype("uint8")
    common = {"driver": "GTiff", "width": 211, "height": 150, "count": 3, "dtype": "uint8"}
    common |= {"crs": "EPSG:32618", "transform": from_origin(500_000, 4_600_000, 10, 10)}
    tiled = {"tiled": True, "blockxsize": 64, "blockysize": 32, "compress": "deflate"}
    with rasterio.open(folder / "tiled.tif", "w", **common, **tiled) as dataset:
        dataset.write(pixels)
        dataset.build_overviews([2, 4], rasterio.enums.Resampling.average)
    with rasterio.open(folder / "sparse.tif", "w", **common, **tiled, sparse_ok=True) as dataset:
        dataset.write(pixels[:, :32, :64], window=rasterio.windows.Window(64, 32, 64, 32))
    with rasterio.open(folder / "strips.tif", "w", **common, interleave="band") as dataset:
        dataset.write(pixels)
    return folder


WRAPS = {
    "itself": lambda image: image,
    "cached": lambda image: CachedImageProvider(image, TileCache(1 << 22)),
    "retiled": lambda image: RetiledImageProvider(image, 50, 70, cache=TileCache(1 << 22)),
    "padded": lambda image: RetiledImageProvider(image, 96, 96, pad_edges=True),
    "mapped": lambda image: MappedImageProvider(image, invert, TileCache(1 << 22), per_band=True),
    "all": lambda image: CachedImageProvider(
        MappedImageProvider(RetiledImageProvider(CachedImageProvider(image, TileCache(1 << 20)), 100, 30), invert),
        TileCache(1 << 20),
    ),
}


@pytest.mark.parametrize("wrap", sorted(WRAPS))
@pytest.mark.parametrize("name", ["tiled.tif", "sparse.tif", "strips.tif"])
@pytest.mark.parametrize("reader", [GdalImage, BlockImage])
def test_our_readers_and_adapters_keep_the_protocol(files, reader, name, wrap):
    report = check_provider(WRAPS[wrap](reader(str(files / name))), blocks=10, pickles=True, needs_all=True)

    assert report.blocks > 0
    assert report.levels == (3 if name == "tiled.tif" else 1)
    assert (report.absent > 0) == (name == "sparse.tif")


def test_an_image_in_memory_keeps_the_protocol():
    image = BufferedImageAssetProvider.create("image", 100, 90, 2, 32, 32, "complex64")
    image.set_block(2, 3, np.full((2, 26, 4), 1j, np.complex64))

    report = check_provider(image, pickles=True, needs_all=True)

    assert (report.blocks, report.absent, report.levels) == (1, 11, 1)


def test_real_files_keep_the_protocol(real_data):
    with (real_data / "manifest.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["rasterio_reads"] == "yes" and int(row["size"]) < 300_000]
    tried = 0
    for row in rows[::23]:
        image = BlockImage(str(real_data / row["path"]))
        try:
            small = image.num_rows * image.num_columns * image.num_bands < 1_000_000
        except ReadError:  # what ReadLimits and the drivers refuse is told elsewhere
            continue
        if small:
            check_provider(RetiledImageProvider(image, 100, 100), blocks=4, needs_all=True)
            tried += check_provider(image, blocks=4, needs_all=True).blocks > 0
    assert tried > 20


class Broken:
    """A provider in memory that breaks one rule at a time."""

    key, title, description, metadata = "broken", "", "", {}
    num_rows, num_columns, num_bands, num_resolution_levels = 40, 50, 2, 1
    num_pixels_per_block_vertical = num_pixels_per_block_horizontal = 16
    num_bits_per_pixel = actual_bits_per_pixel = 16
    pixel_value_type, pad_pixel_value, block_grid_size = "UINT16", 0.0, (3, 4)

    def __init__(self):
        self.pixels = np.random.default_rng(0).integers(1, 99, (2, 40, 50)).astype(np.uint16)

    def has_block(self, row, col, level=0):
        return level == 0 and 0 <= row < 3 and 0 <= col < 4

    def get_block(self, row, col, level=0, bands=None):
        if not (level == 0 and 0 <= row < 3 and 0 <= col < 4):
            raise IndexError("no such block")
        block = self.pixels[:, row * 16 : row * 16 + 16, col * 16 : col * 16 + 16].copy()
        return block if bands is None else block[list(bands)]


def breaking(**members):
    return type("Breaking", (Broken,), members)()


def other_each_time(self, row, col, level=0, bands=None):
    block = Broken.get_block(self, row, col, level, bands)
    self.pixels = self.pixels[:, ::-1]
    return block


BREACHES = {
    "num_rows is missing": {"num_rows": None},
    "num_bands is 0": {"num_bands": 0},
    "title is missing": {"title": None},
    "description is 7": {"description": 7},
    "types: .*unknown type 'UINT12'": {"pixel_value_type": "UINT12"},
    "types: 17 actual bits of 16": {"actual_bits_per_pixel": 17},
    "grid: block_grid_size is": {"block_grid_size": (4, 4)},
    "outside: has_block.* is true outside": {"has_block": lambda self, row, col, level=0: True},
    "outside: get_block.* gives pixels": {
        "get_block": lambda self, row, col, level=0, bands=None: Broken.get_block(self, row % 3, col % 4, 0, bands)
    },
    "blocks: .*uint32, not uint16": {
        "get_block": lambda self, *place, bands=None: Broken.get_block(self, *place, bands=bands).astype("uint32")
    },
    "blocks: .*not \\(2, 16, 16\\)": {
        "get_block": lambda self, *place, bands=None: Broken.get_block(self, *place, bands=bands)[:, 1:]
    },
    "bands: block .* is not those bands": {
        "get_block": lambda self, *place, bands=None: Broken.get_block(self, *place, bands=bands and sorted(bands))
    },
    "bands: .*of 2 is not refused": {
        "get_block": lambda self, *place, bands=None: Broken.get_block(
            self, *place, bands=bands and [min(band, 1) for band in bands]
        )
    },
    "own memory: writing to block": {
        "get_block": lambda self, row, col, level=0, bands=None: (
            Broken.get_block(self, row, col, level, bands)
            if bands or not self.has_block(row, col, level)
            else self.pixels[:, row * 16 : row * 16 + 16, col * 16 : col * 16 + 16]
        )
    },
    "own memory: block .* another the second time": {"get_block": other_each_time},
    "absent blocks: block .* has pixels": {
        "has_block": lambda self, row, col, level=0: Broken.has_block(self, row, col, level) and row == 0
    },
    "pickle: does not pickle": {"__reduce__": lambda self: (lambda: None, ())},
    "metadata has the key 1": {"metadata": {1: 2}},
}


@pytest.mark.parametrize("message", sorted(BREACHES))
def test_every_breach_of_the_protocol_is_seen(message):
    with pytest.raises(NotConforming, match=message):
        check_provider(breaking(**BREACHES[message]), pickles="pickle" in message, needs_all=True)


def test_what_breaks_nothing_is_told_so_and_what_breaks_more_is_told_all():
    report = check_provider(Broken(), pickles=True, needs_all=True)
    assert (report.name, report.blocks, report.absent, report.levels) == ("broken", 12, 0, 1)

    with pytest.raises(NotConforming) as caught:
        check_provider(breaking(block_grid_size=(1, 1), metadata={1: 2}))
    assert {finding.rule for finding in caught.value.findings} == {"grid", "metadata"}
    assert isinstance(caught.value, AssertionError)
    assert pickle.loads(pickle.dumps(caught.value)).findings == caught.value.findings


def test_attributes_that_only_writers_need_may_be_missing_until_one_asks():
    bare = breaking(title=None, description=None, actual_bits_per_pixel=None, pad_pixel_value=None, metadata=None)

    assert check_provider(bare).blocks == 12
    assert check_provider(CachedImageProvider(bare), needs_all=True).blocks == 12


def test_pixels_that_aws_osml_io_does_not_have_are_refused():
    image = BufferedImageAssetProvider.create("image", 4, 4, pixel_type="complex64")
    with pytest.raises(ValueError, match="no pixels of type complex64"):
        OsmlImageProvider(image)


def test_assets_of_aws_osml_io_keep_the_protocol_and_its_writers_take_ours(tmp_path):
    io = pytest.importorskip("aws.osml.io")
    image = BufferedImageAssetProvider.from_array(
        np.arange(3 * 90 * 70, dtype=np.uint16).reshape(3, 90, 70), block_width=32, block_height=32
    )
    for provider in (image, WRAPS["all"](image), RetiledImageProvider(image, 48, 40, pad_edges=True)):
        path = str(tmp_path / "written.ntf")
        with io.IO.open([path], "w", "nitf") as writer:
            writer.add_asset("image:0", OsmlImageProvider(provider), title="t", description="d", roles=["data"])
        with io.IO.open([path], "r") as reader:
            asset = reader.get_asset("image:0")
            for wrap in WRAPS.values():
                assert check_provider(wrap(asset), needs_all=True).blocks > 0
            copy = BufferedImageAssetProvider.from_provider(asset)
        same = BufferedImageAssetProvider.from_provider(provider)
        for row in range(copy.block_grid_size[0]):
            for col in range(copy.block_grid_size[1]):
                np.testing.assert_array_equal(copy.get_block(row, col), same.get_block(row, col))
