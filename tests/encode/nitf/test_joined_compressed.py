"""SIDD products in several compressed or masked segments are one image; each segment keeps blocks of its own."""

import io
import pickle

import numpy as np
import pytest
import sarkit.sidd
from chip_sources import radar_extension
from nitf_files import file_of, written

from stacchip_osml import ChipIndex, Chipper, Indexer
from stacchip_osml.encode import IO, BufferedImageAssetProvider, ChipFactory
from stacchip_osml.encode.io.converting import convert
from stacchip_osml.encode.io.informing import image_info
from stacchip_osml.encode.nitf import NitfImage, read_nitf
from stacchip_osml.encode.nitf import pixels as pixels_module
from stacchip_osml.errors import DecodeError
from stacchip_osml.geometry import load_sensor_model
from stacchip_osml.imagery import read_window
from stacchip_osml.imagery.blocks.cache import BlockCache
from stacchip_osml.imagery.blocks.engine import WindowRead, read_windows
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.pixel import ImageSize, PixelWindow
from tests.geometry.radar_products import sidd_document

COLS, SIDE = 100, 32
ROWS = (70, 33, 47)
"""No seam lies on an edge of a block."""
HEIGHT = sum(ROWS)
SEAMS = PixelWindow(11, 60, 70, 60)
"""Touches all segments."""
KINDS = {
    "NC": {},
    "NM": {},
    "C3": {"COMRAT": "00.0"},
    "M3": {"COMRAT": "00.0"},
    "C8": {"COMRAT": "N001.0"},
    "M8": {"COMRAT": "N001.0"},
    "CD": {},
}


class WithHoles(BufferedImageAssetProvider):
    """Pixels of which one block is not stored."""

    def has_block(self, block_row, block_col, resolution_level=0):
        return (block_row, block_col) != (1, 0) and super().has_block(block_row, block_col, resolution_level)


def pixels_of(rows, seed):
    """Smooth, and nowhere 0."""
    down, across = np.mgrid[:rows, :COLS]
    return (100 + seed * 7 + 50 * np.sin(down / 9) * np.cos(across / 11)).astype("uint8")[None]


def product(path, ic, *, rows=ROWS, changed=None, **fields):
    """Write a product; give its location and its pixels, as each segment alone is read."""
    images = []
    for number, height in enumerate(rows, 1):
        kind = WithHoles if ic.startswith("M") or ic == "NM" else BufferedImageAssetProvider
        pixels = pixels_of(height, number)
        own = {"IID1": f"SIDD001{number:03d}", "IREP": "MONO", "ICAT": "SAR", "IC": ic, **KINDS.get(ic, {})}
        own |= {"NPPBH": str(SIDE), "NPPBV": str(SIDE), **fields, **((changed or {}) if number == len(rows) else {})}
        images.append(NitfImage(pixels=kind.from_array(pixels, block_width=SIDE, block_height=SIDE), fields=own))
    xml = radar_extension(sidd_document((sum(rows), COLS)), "SIDD")
    path.write_bytes(written(file_of(*images, extensions=(xml,))))
    segments = read_nitf(path).images
    assert [image.fields["IC"] for image in segments][:-1] == [ic] * (len(rows) - 1)
    return str(path), np.concatenate(
        [read_window(image.pixels, (0, 0, COLS, image.pixels.num_rows)) for image in segments], 1
    )


@pytest.mark.parametrize("ic", KINDS)
def test_a_product_in_compressed_or_masked_segments_is_one_image(tmp_path, ic):
    path, pixels = product(tmp_path / "a.ntf", ic)
    image = BlockImage(path)

    assert (image.header.size, image.header.images) == (ImageSize(COLS, HEIGHT), 1)
    assert image.served_by(0).startswith("block/")
    for window in (SEAMS, PixelWindow(0, 0, COLS, HEIGHT), PixelWindow(5, 71, 9, 20), PixelWindow(40, 149, 60, 1)):
        x, y, width, height = window
        np.testing.assert_array_equal(image.read(window).pixels, pixels[:, y : y + height, x : x + width])
    again = pickle.loads(pickle.dumps(image))
    np.testing.assert_array_equal(again.read(SEAMS).pixels, pixels[:, 60:120, 11:81])
    for row, col in np.ndindex(*image.block_grid_size):
        window = image.level_grid().window(row, col)
        want = pixels[:, window.y : window.y + window.height, window.x : window.x + window.width]
        np.testing.assert_array_equal(image.get_block(row, col), want)
    for source in (path, io.BytesIO((tmp_path / "a.ntf").read_bytes())):
        with IO.open([source]) as dataset:
            assert dataset.get_asset_keys("image") == ["image:0"]
            np.testing.assert_array_equal(read_window(dataset.get_asset("image:0"), (0, 0, COLS, HEIGHT)), pixels)


@pytest.mark.parametrize("ic", ["NM", "M3", "M8"])
def test_blocks_that_a_segment_does_not_store_are_absent_there(tmp_path, ic):
    path, _ = product(tmp_path / "a.ntf", ic)
    image, first = BlockImage(path), 0

    mask = image.read(PixelWindow(0, 0, COLS, HEIGHT)).mask
    want = np.ones_like(mask)
    for rows in ROWS:
        want[0, first + SIDE : first + min(2 * SIDE, rows), :SIDE] = False
        first += rows
    np.testing.assert_array_equal(mask, want)
    assert image.read(PixelWindow(0, 40, 20, 20)) is None
    assert image.read(PixelWindow(0, 102, 20, 1)) is None  # the only row of that block, below the first seam
    assert image.has_block(2, 0)  # rows 64 to 95: of two segments
    assert not image.has_block(1, 0)


@pytest.mark.parametrize("ic", ["NM", "M3", "M8"])
@pytest.mark.parametrize("hole", [(0, 1), (3, 2)])
def test_an_image_of_which_some_segments_alone_are_masked_has_their_pad_pixel(tmp_path, monkeypatch, ic, hole):
    prepared = pixels_module.prepare_image
    monkeypatch.setattr(pixels_module, "prepare_image", lambda image: prepared(image, segment_rows=64))
    source = BufferedImageAssetProvider.create("sparse", 96, 160, 1, 32, 32, "uint8", pad_pixel_value=7)
    for row, col in np.ndindex(5, 3):
        if (row, col) != hole:
            source.set_block(row, col, np.full((1, 32, 32), 50 + row, "uint8"))
    fields = {"IC": ic, "IID1": "SIDD001001", "IREP": "MONO", "ICAT": "SAR", **KINDS[ic]}
    fields |= {"NPPBH": "32", "NPPBV": "32"}
    path = tmp_path / "a.ntf"
    path.write_bytes(written(file_of(NitfImage(pixels=source, fields=fields))))
    assert [image.pixels.header.bands[0].nodata for image in read_nitf(path).images].count(7) == 1

    want = np.ones((1, 160, 96), bool)
    want[0, hole[0] * 32 : hole[0] * 32 + 32, hole[1] * 32 : hole[1] * 32 + 32] = False
    for image in (BlockImage(str(path)), read_nitf(path.read_bytes()).joined[0].pixels):
        assert [band.nodata for band in image.header.bands] == [7]
        found = image.read(PixelWindow(0, 0, 96, 160))
        np.testing.assert_array_equal(found.mask, want)
        assert (found.pixels[~want] == 7).all()


def test_segments_of_different_pad_pixels_are_images_of_their_own(tmp_path):
    fields = {"IC": "NM", "IREP": "MONO", "ICAT": "SAR", "NPPBH": "32", "NPPBV": "32"}
    images = []
    for number in (1, 2):
        source = BufferedImageAssetProvider.create("sparse", 64, 64, 1, 32, 32, "uint8", pad_pixel_value=number)
        source.set_block(0, 0, np.full((1, 32, 32), 50, "uint8"))
        images.append(NitfImage(pixels=source, fields={**fields, "IID1": f"SIDD00100{number}"}))
    path = tmp_path / "a.ntf"
    path.write_bytes(written(file_of(*images)))
    assert BlockImage(str(path)).header.images == 2


@pytest.mark.parametrize("ic", ["NC", "C3", "C8", "CD"])
def test_windows_of_one_call_share_blocks_and_a_cache(tmp_path, ic):
    path, pixels = product(tmp_path / "a.ntf", ic)
    image, cache = BlockImage(path), BlockCache(1 << 24)
    windows = [PixelWindow(x, y, 40, 50) for x in (0, 33, 60) for y in (0, 25, 50, 99, 100)]
    for _ in range(2):
        found = read_windows([WindowRead(image=image, window=window) for window in windows], cache=cache)
        for (x, y, width, height), each in zip(windows, found, strict=True):
            np.testing.assert_array_equal(each.pixels, pixels[:, y : y + height, x : x + width])


def test_images_beside_each_other_are_read_with_one_of_several_segments(tmp_path):
    path, pixels = product(tmp_path / "a.ntf", "C8")
    other, beside = product(tmp_path / "b.ntf", "C8", rows=(HEIGHT,))
    pair = (BlockImage(path), BlockImage(other))
    (found,) = read_windows([WindowRead(image=pair, window=SEAMS)])
    np.testing.assert_array_equal(found.pixels, np.concatenate([pixels, beside])[:, 60:120, 11:81])


@pytest.mark.parametrize("ic", ["C8", "NM"])
def test_an_index_has_chips_of_all_segments(tmp_path, ic):
    path, pixels = product(tmp_path / "a.ntf", ic)
    for headers in (False, True):
        index = Indexer(path, chip_size=32, edges="shift", headers=headers).create_index()
        assert max(row["row_off"] for row in index.rows(range(len(index)))) == HEIGHT - 32
        index.save(tmp_path / "index.parquet")
        opened = ChipIndex.open(tmp_path / "index.parquet")
        for row in opened.rows(range(len(opened))):
            chip = Chipper(opened).chip(x=row["grid_col"], y=row["grid_row"])
            top, left = row["row_off"], row["col_off"]
            if chip is not None:
                np.testing.assert_array_equal(chip.pixels, pixels[:, top : top + 32, left : left + 32])


@pytest.mark.parametrize("ic", ["C8", "CD", "M8"])
def test_a_chip_below_the_seam_lies_where_the_product_has_it(tmp_path, ic):
    path, pixels = product(tmp_path / "a.ntf", ic)
    window = PixelWindow(9, 98, 40, 30)
    whole = load_sensor_model(path)
    with IO.open(path) as dataset:
        data = ChipFactory(dataset.get_asset("image:0"), output_format="nitf").create_chip(window)
    chip = read_nitf(data)
    np.testing.assert_array_equal(read_window(chip.images[0].pixels, (0, 0, 40, 30)), pixels[:, 98:128, 9:49])
    with io.BytesIO(data) as file, sarkit.sidd.NitfReader(file) as reader:
        helper = sarkit.sidd.XmlHelper(reader.metadata.images[0].xmltree)
    assert tuple(helper.load("./{*}Measurement/{*}PixelFootprint")) == (30, 40)
    cols, rows = np.array([0.0, 40.0, 3.5]), np.array([0.0, 30.0, 28.5])
    lons, lats, *_ = load_sensor_model(chip).image_to_world(cols, rows)
    back = whole.world_to_image(lons, lats)[:2]
    np.testing.assert_allclose(back, [cols + 9, rows + 98], rtol=0, atol=0.01)


@pytest.mark.parametrize("ic", ["C3", "C8", "NM"])
def test_a_copy_keeps_compressed_segments_and_another_storage_is_one_image(tmp_path, ic):
    path, pixels = product(tmp_path / "a.ntf", ic)
    convert(path, tmp_path / "copy.ntf")
    datas = [
        [each.stored.read(each.stored.offset, each.stored.size) for each in read_nitf(file).images]
        for file in (path, tmp_path / "copy.ntf")
    ]
    assert datas[0] == datas[1]

    convert(path, tmp_path / "blocked.ntf", block_size=(64, 64), compression="none")
    (image,) = read_nitf(tmp_path / "blocked.ntf").images
    assert (image.fields["IID1"].strip(), image.fields["NROWS"]) == ("SIDD001001", f"{HEIGHT:08d}")
    np.testing.assert_array_equal(read_window(image.pixels, (0, 0, COLS, HEIGHT)), pixels)
    convert(path, tmp_path / "a.tif")
    np.testing.assert_array_equal(read_window(BlockImage(str(tmp_path / "a.tif")), (0, 0, COLS, HEIGHT)), pixels)


def test_info_tells_all_segments_and_one_image(tmp_path):
    path, _ = product(tmp_path / "a.ntf", "C8")
    told = image_info(path)
    assert [image["fields"]["IID1"].strip() for image in told["nitf"]["images"]] == [
        "SIDD001001",
        "SIDD001002",
        "SIDD001003",
    ]


@pytest.mark.parametrize("changed", [{"IC": "C3", "COMRAT": "00.0"}, {"IC": "NC", "COMRAT": None}])
def test_segments_of_other_compressions_are_images_of_their_own(tmp_path, changed):
    path, pixels = product(tmp_path / "a.ntf", "C8", changed=changed)
    image = BlockImage(path)
    assert (image.header.size, image.header.images) == (ImageSize(COLS, ROWS[0]), 3)
    np.testing.assert_array_equal(image.read(PixelWindow(0, 0, COLS, 70)).pixels, pixels[:, :70])


def test_a_damaged_segment_is_an_error_and_no_pixels_of_another_place(tmp_path):
    path, _ = product(tmp_path / "a.ntf", "C8")
    stored = read_nitf(path).images[1].stored
    data = bytearray((tmp_path / "a.ntf").read_bytes())
    data[stored.offset : stored.offset + 2] = b"??"
    (tmp_path / "a.ntf").write_bytes(data)
    image = BlockImage(path)
    assert image.header.size == ImageSize(COLS, HEIGHT)
    for window in (PixelWindow(0, 0, COLS, 10), SEAMS):
        with pytest.raises(DecodeError, match="image segment 2"):
            image.read(window)


def test_a_remote_product_in_compressed_segments_is_one_image(tmp_path, server):
    _, pixels = product(tmp_path / "a.ntf", "C8")
    image = BlockImage(server.serve("/a.ntf", (tmp_path / "a.ntf").read_bytes()))

    np.testing.assert_array_equal(image.read(SEAMS).pixels, pixels[:, 60:120, 11:81])
