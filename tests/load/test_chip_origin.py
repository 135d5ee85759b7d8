"""Chips of an index: where they come from, where they lie, and the fields of the files they become."""

import json

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.control import GroundControlPoint
from rasterio.enums import Resampling
from rasterio.transform import Affine

from stacchip_osml import Chipper, Indexer
from stacchip_osml.chain import band_select_step, scale_offset_step
from stacchip_osml.encode import ChipFactory, formats
from stacchip_osml.encode.nitf import read_nitf
from stacchip_osml.errors import EncodeError
from stacchip_osml.imagery.blocks.image import BlockImage
from tests.fault_server import serving_faults

NORTH_UP = Affine(10, 0, 500_000, 0, -10, 5_000_000)


def ramp(width, height):
    y, x = np.mgrid[:height, :width] + 0.5
    return np.stack([x, y]).astype(np.float32)


def write(path, pixels, *, overviews=(), gcps=None, **profile):
    profile = {"driver": "GTiff", "tiled": True, "blockxsize": 64, "blockysize": 64, **profile}
    profile |= {"count": len(pixels), "height": pixels.shape[1], "width": pixels.shape[2], "dtype": pixels.dtype}
    if gcps is None:
        profile |= {"crs": "EPSG:32632", "transform": NORTH_UP}
    with rasterio.open(path, "w", **profile) as file:
        if gcps is not None:
            file.gcps = gcps, "EPSG:4326"
        file.write(pixels)
        if overviews:
            file.build_overviews(overviews, Resampling.average)
    return str(path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("origin")


@pytest.mark.parametrize("level", [0, 1, 2])
def test_a_ramp_says_where_each_pixel_of_a_row_is(folder, level):
    path = write(folder / f"{level}.tif", ramp(320, 256), overviews=[2, 4])
    chipper = Chipper(Indexer(path, 32, levels=[level], edges="partial").create_index())

    for chip in chipper:
        rows, cols = np.mgrid[: chip.shape[1], : chip.shape[2]] + 0.5
        x, y = (~NORTH_UP @ chip.transform) * (cols, rows)
        assert abs(chip.pixels[0] - x)[chip.mask[0]].max() < 0.01
        assert abs(chip.pixels[1] - y)[chip.mask[1]].max() < 0.01
        left, top, width, height = chip.origin.window
        assert (~NORTH_UP @ chip.transform) * (0, 0) == pytest.approx((left, top))
        assert (~NORTH_UP @ chip.transform) * tuple(chip.size) == pytest.approx((left + width, top + height))


@settings(max_examples=25)
@given(st.integers(0, 31), st.sampled_from([0, 1]))
def test_a_chipper_and_a_factory_cut_the_same_pixels(folder, position, level):
    path = folder / "same.tif"
    if not path.exists():
        write(path, ramp(256, 128), overviews=[2])
    chipper = Chipper(Indexer(str(path), 32 >> level, levels=[level]).create_index())
    factory = ChipFactory(BlockImage(str(path)), output_format="geotiff")
    chip = chipper[position]

    other = factory.read_chip(chip.origin.window, chip.size)

    np.testing.assert_array_equal(chip.pixels, other.pixels)
    np.testing.assert_array_equal(chip.mask, other.mask)
    assert (chip.transform, chip.crs, chip.level) == (other.transform, other.crs, other.level)
    assert chip.origin.window == other.origin.window
    assert chip.origin.image_size == other.origin.image_size
    assert chip.origin.bands == other.origin.bands == (0, 1)


def test_the_origin_names_the_image_and_its_bands(folder):
    path = write(folder / "named.tif", ramp(128, 128))
    index = Indexer(path, 64).create_index()

    origin = Chipper(index)[1].origin

    assert (origin.name, origin.image_size, origin.window) == ("named.tif", (128, 128), (64, 0, 64, 64))
    assert (origin.bands, origin.is_processed, origin.locator) == ((0, 1), False, None)
    assert origin.provider.location == path
    assert origin.is_one_to_one


def test_a_chain_that_only_chooses_bands_leaves_them_known(folder):
    path = write(folder / "chains.tif", ramp(128, 128))

    def origin(step):
        return Chipper(Indexer(path, 64, chain=[step]).create_index())[0].origin

    assert (origin(band_select_step([1])).bands, origin(band_select_step([1])).is_processed) == ((1,), False)
    assert (origin(scale_offset_step()).bands, origin(scale_offset_step()).is_processed) == (None, True)


def test_chips_in_sensor_geometry_keep_their_place_in_geotiff(folder):
    points = [GroundControlPoint(row, col, 9 + col / 1e4, 40 - row / 1e4) for row in (0, 128) for col in (0, 128)]
    path = write(folder / "gcps.tif", ramp(128, 128), gcps=points)
    chipper = Chipper(Indexer(path, 64).create_index())

    lon, lat = chipper[3].origin.locator(64, 64)
    with rasterio.MemoryFile(chipper.encode(3)) as memory, memory.open() as file:
        place, crs = file.transform * (0, 0), file.crs

    np.testing.assert_allclose((lon, lat), (9.0064, 39.9936), atol=1e-9)
    np.testing.assert_allclose(place, (lon, lat), atol=1e-9)
    assert crs == "EPSG:4326"


def test_fields_are_handed_on_and_refused_before_a_pixel_is_read(folder, monkeypatch):
    def encode_fields(chip, *, overrides=None):
        return json.dumps(dict(overrides or {})).encode()

    row = formats._format("fields", (), (".fields",), "application/json", encode_fields)
    monkeypatch.setitem(formats.NAMES, "fields", row)
    path = write(folder / "fields.tif", ramp(128, 128))
    chipper = Chipper(Indexer(path, 64).create_index())
    overrides = {"IC": "C8"}

    assert json.loads(chipper.encode(0, format="fields", metadata_overrides=overrides)) == overrides
    monkeypatch.setattr(chipper, "_cut", None)
    with pytest.raises(EncodeError, match="png has no fields that could be given; got IC"):
        chipper.encode(0, format="png", metadata_overrides=overrides)
    with pytest.raises(EncodeError, match="png has no option quality"):
        chipper.encode(0, format="png", quality=3)


def test_when_a_file_was_written_is_no_time_of_its_image(folder):
    undated = write(folder / "undated.tif", ramp(64, 64))
    dated = write(folder / "dated.tif", ramp(64, 64))
    with rasterio.open(dated, "r+") as file:
        file.update_tags(TIFFTAG_DATETIME="2025:05:14 10:27:31")

    def said(path):
        chipper = Chipper(Indexer(path, 32).create_index())
        assert chipper[0].row["datetime"] is not None
        return read_nitf(chipper.encode(0, format="nitf")).images[0].fields

    assert said(undated)["IDATIM"].strip("-") == ""
    assert said(dated)["IDATIM"] == "20250514102731"


def test_chips_of_a_remote_image_are_byte_for_byte_those_of_the_local_one(folder):
    path = write(folder / "local.tif", (ramp(96, 64)[:1] * 2).astype(np.uint8))

    def files(source):
        chipper = Chipper(Indexer(source, 32).create_index())
        said = {"nitf": {"FDT": "20260101000000"}, "nsif": {"FDT": "20260101000000"}}
        kinds = ("geotiff", "nitf", "nsif", "png", "jpeg", "jp2", "j2k", "jph", "jhc")
        return {kind: chipper.encode(4, format=kind, metadata_overrides=said.get(kind)) for kind in kinds}

    with serving_faults() as server:
        server.serve("/local.tif", (folder / "local.tif").read_bytes())
        assert files(f"{server.url}/local.tif") == files(path)
