"""Chips that hang over a pole: what of them lies on the Earth has its place, in an index and in a NITF file."""

import numpy as np
import pytest
from affine import Affine
from rasterio.io import MemoryFile
from rasterio.transform import RPCTransformer

from stacchip_osml import Indexer
from stacchip_osml.encode import ChipFactory, imsave
from stacchip_osml.encode.nitf import chip_account, read_nitf
from stacchip_osml.errors import EncodeError
from stacchip_osml.geometry import load_sensor_model
from stacchip_osml.imagery.blocks.image import BlockImage

DEGREES = Affine(0.5, 0, -90, 0, -0.5, 90)


@pytest.fixture
def north(tmp_path):
    """A map in degrees up to the north pole."""
    path = tmp_path / "north.tif"
    imsave(path, np.random.default_rng(0).integers(1, 250, (200, 360), np.uint8), crs="EPSG:4326", transform=DEGREES)
    return path


@pytest.mark.parametrize("above", [16, 40])  # of 48 rows
def test_a_padded_chip_over_the_north_pole_lies_where_it_does(north, above):
    data = ChipFactory(BlockImage(str(north)), output_format="nitf").create_chip((100, -above, 64, 48))
    image = read_nitf(data).images[0]

    assert [tre.tag for tre in image.tres] == ["RPC00B"]  # GEOLOB has no origin beyond a pole
    assert "IGEOLO" not in image.fields
    cols, rows = np.array([0.0, 64.0, 10.5, 32.0]), np.array([above, above, 44.25, 48.0])
    lons, lats = DEGREES * (cols + 100, rows - above)
    np.testing.assert_allclose(
        load_sensor_model(read_nitf(data)).world_to_image(lons, lats)[:2], (cols, rows), rtol=0, atol=0.01
    )
    with MemoryFile(data) as memory, memory.open() as file, RPCTransformer(file.rpcs) as polynomials:
        found = polynomials.rowcol(lons, lats, zs=[0.0] * len(lons), op=lambda value: value)
    np.testing.assert_allclose(found, (rows, cols), rtol=0, atol=0.01)


def test_nothing_places_a_chip_none_of_whose_rows_is_on_the_earth(north):
    far = ChipFactory(BlockImage(str(north)), output_format="nitf").create_chip((100, -47.8, 64, 48), (1, 1))
    assert not read_nitf(far).images[0].tres


def test_of_a_nitf_image_that_lies_by_geolob_the_account_tells_it(north, tmp_path):
    parent = tmp_path / "north.ntf"
    pixels = np.ones((200, 360), np.uint8)
    imsave(parent, pixels, crs="EPSG:4326", transform=DEGREES)
    image = BlockImage(str(parent))
    chip = ChipFactory(image, output_format="nitf").read_chip((100, -16, 64, 48))
    (fate,) = [each for each in chip_account(chip).tres if each.tre is None]
    assert fate.tag == "GEOLOB"
    assert "no origin beyond a pole (partial='clip' cuts there)" in fate.reason
    clipped = ChipFactory(image, output_format="nitf", partial="clip").create_chip((100, -16, 64, 48))
    assert "GEOLOB" in [tre.tag for tre in read_nitf(clipped).images[0].tres]


def test_an_image_that_begins_beyond_a_pole_is_refused_with_the_reason(tmp_path):
    with pytest.raises(EncodeError, match="NITF says four corners"):
        imsave(tmp_path / "a.ntf", np.ones((8, 8), np.uint8), crs="EPSG:4326", transform=Affine(1, 0, 0, 0, -1, 94))


def test_an_index_has_chips_over_the_pole_as_far_as_it(north):
    index = Indexer(str(north), chip_size=64, edges="pad", anchor="crs").create_index()
    tops = {row["row_off"]: row["bbox"]["ymax"] for row in index.rows(range(len(index)))}
    assert min(tops) < 0
    assert tops[min(tops)] == 90.0
