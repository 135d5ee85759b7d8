"""Readers of a caller's own: their files are indexed and cut like any other, by path and from STAC items."""

import numpy as np
import pytest

from stacchip_osml import Chipper, ImageSize, Indexer
from stacchip_osml.errors import AssetChanged, DecodeError, LimitError, ReadError
from stacchip_osml.imagery import BandHeader, ImageHeader, ReadLimits, register_reader
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.imagery.providers.own_readers import READERS
from stacchip_osml.pixel import PixelWindow
from tests.stac_items import plain_item

PIXELS = np.arange(2 * 70 * 90, dtype=np.uint16).reshape(2, 70, 90)
MAGIC = b"\x93NUMPY"
PLACE = {"transform": (10.0, 0.0, 500_000.0, 0.0, -10.0, 5_400_000.0), "crs": "EPSG:32632"}


class NumpyFile:
    """The fewest attributes that an image has; levels are every second pixel of the one before."""

    num_pixels_per_block_horizontal = num_pixels_per_block_vertical = 32
    num_resolution_levels = 2

    def __init__(self, path):
        self.pixels = np.load(path)
        self.num_bands, self.num_rows, self.num_columns = self.pixels.shape
        self.pixel_value_type = self.pixels.dtype.name

    def has_block(self, row, col, level=0):
        return (row, col) != (0, 2) or level > 0

    def get_block(self, row, col, level=0, bands=None):
        step = 32 >> level
        chosen = slice(None) if bands is None else list(bands)
        part = self.pixels[:, :: 1 << level, :: 1 << level]
        return part[chosen, row * step : (row + 1) * step, col * step : (col + 1) * step]


class PlacedFile(NumpyFile):
    """The same, whose header says what the protocol does not."""

    def __init__(self, path):
        super().__init__(path)
        self.header = ImageHeader(
            driver="npy",
            levels=(ImageSize(90, 70), ImageSize(45, 35)),
            bands=tuple(BandHeader(dtype="uint16", nodata=5, description=name) for name in ("red", "nir")),
            block_shape=(32, 32),
            **PLACE,
        )


@pytest.fixture
def known():
    before = dict(READERS)

    def register(reader=PlacedFile):
        READERS.clear()
        return register_reader("npy", reader, begins=MAGIC)

    yield register
    READERS.clear()
    READERS.update(before)


@pytest.fixture
def scene(tmp_path):
    np.save(tmp_path / "scene.npy", PIXELS)
    return tmp_path / "scene.npy"


def test_a_file_a_folder_and_an_item_lead_to_the_same_chips(known, scene):
    known()
    item = plain_item({"data": "./scene.npy"}, media_type="application/x-npy")
    for items, base in ((scene, None), (scene.parent, None), ([item], scene.parent)):
        for headers in (False, True):
            index = Indexer(items, chip_size=32, base=base, headers=headers).create_index()
            index.save(scene.parent / "index.parquet")
            chipper = Chipper(scene.parent / "index.parquet")

            assert len(index) == 4
            for y, x in ((0, 0), (0, 32), (32, 0), (32, 32)):
                chip = next(chip for chip in chipper if (chip.row["row_off"], chip.row["col_off"]) == (y, x))
                assert (chip.pixels == PIXELS[:, y : y + 32, x : x + 32]).all()
                assert (chip.mask == (chip.pixels != 5)).all()
                assert chip.band_names == ("red", "nir")
                assert (chip.crs, chip.transform[2]) == ("EPSG:32632", 500_000 + 10 * x)
            assert chipper.explain([0])[0]["reads"][0]["reader"] == "reader/npy"
            assert index.check(files=True) == []


def test_levels_and_blocks_that_are_not_stored_are_those_of_the_provider(known, scene):
    known()
    image = BlockImage(str(scene))

    assert (image.read(PixelWindow(3, 4, 40, 30), level=1).pixels == PIXELS[:, 8:68:2, 6:86:2]).all()
    assert image.get_block(1, 0, 1).tobytes() == PIXELS[:, 64::2, :64:2].tobytes()
    assert [image.has_block(0, col) for col in range(4)] == [True, True, False, False]
    assert image.read(PixelWindow(64, 0, 20, 20)) is None
    assert set(image.get_block(0, 2).ravel()) == {5}
    assert (image.read(PixelWindow(60, 0, 10, 10), bands=[1]).mask == (np.arange(10) < 4)).all()


def test_without_a_header_there_is_no_place_and_every_stored_pixel_is_valid(known, scene):
    known(NumpyFile)
    index = Indexer(scene, chip_size=64).create_index()

    (chip,) = Chipper(index)
    assert chip.crs is None
    assert chip.row["footprint"] is None
    assert (chip.pixels == PIXELS[:, :64, :64]).all()
    assert chip.mask.all()


def broken(self, row, col, level=0, bands=None):
    raise KeyError("dataset")


@pytest.mark.parametrize(
    ("reader", "message"),
    [
        (lambda path: 1 / 0, r"scene.npy: reader 'npy' failed with ZeroDivisionError"),
        (lambda path: object(), r"reader 'npy' failed with TypeError: provider must be an image, .*num_columns"),
        (type("Broken", (PlacedFile,), {"get_block": broken}), r"reader 'npy' failed with KeyError: 'dataset'"),
        (type("Tall", (PlacedFile,), {"num_resolution_levels": 1}), r"header says .* the image has"),
    ],
)
def test_what_a_reader_does_wrong_is_an_error_with_its_name(known, scene, reader, message):
    known(reader)
    image = BlockImage(str(scene))

    with pytest.raises(DecodeError, match=message):
        image.read(PixelWindow(0, 0, 8, 8))


def test_limits_and_changes_of_the_file_hold_for_it_too(known, scene):
    known()
    with pytest.raises(LimitError, match="90 x 70 pixels, more than 80 a side"):
        _ = BlockImage(str(scene), limits=ReadLimits(side=80)).header
    with pytest.raises(LimitError, match="more than 100"):
        BlockImage(str(scene), limits=ReadLimits(request_bytes=100)).read(PixelWindow(0, 0, 8, 8))
    image = BlockImage(str(scene))
    image.read(PixelWindow(0, 0, 8, 8))
    np.save(scene, PIXELS[:, :60])

    with pytest.raises(AssetChanged):
        image.read(PixelWindow(0, 0, 8, 8))


@pytest.mark.parametrize(
    ("name", "begins", "message"),
    [
        ("GTiff", b"mine", "the name 'GTiff' of a reader is taken"),
        ("", b"mine", "is taken"),
        ("npy", b"mine", "the name 'npy' of a reader is taken"),
        ("mine", b"", "known by 2 to 256 bytes"),
        ("mine", b"II", "have a reader"),
        ("mine", b"NITF02.10", "have a reader"),
        ("mine", MAGIC + b"\1", "have a reader"),
    ],
)
def test_a_name_or_beginning_that_is_taken_is_refused(known, name, begins, message):
    first = known()
    with pytest.raises(ReadError, match=message):
        register_reader(name, NumpyFile, begins=begins)

    assert {"npy": first} == READERS
    assert register_reader("npy", PlacedFile, begins=MAGIC) == first
