"""Colour tables in PNG, JPEG 2000 and NITF files: entries are exact, colours and holes are what other readers see."""

import io
import struct
from dataclasses import replace

import imagecodecs
import numpy as np
import pytest
import rasterio
import tifffile
from factory_scenes import write

from stacchip_osml.encode import Chip, ChipFactory, encode_chip
from stacchip_osml.encode.io.assets import ImageAsset
from stacchip_osml.encode.io.converting import convert
from stacchip_osml.encode.io.converting_part import Part, convert_part
from stacchip_osml.encode.io.metadata import BufferedMetadataProvider
from stacchip_osml.encode.io.opening import IO
from stacchip_osml.encode.jpeg2000.boxes import write_jp2
from stacchip_osml.encode.jpeg2000.tiles import ArraySource
from stacchip_osml.encode.palette import free_entry, whole_table
from stacchip_osml.encode.pictures.png import png_bytes
from stacchip_osml.errors import EncodeError
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.pixel import PixelWindow

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

PIXELS = np.random.default_rng(5).choice(np.array([0, 7, 200], np.uint8), (1, 96, 128))
COLORS = np.array([(value, 255 - value, value // 2) for value in range(256)], np.uint8)


def palette_file(path, pixels=PIXELS, **profile):
    write(path, pixels, **profile)
    with rasterio.open(path, "r+") as file:
        file.write_colormap(1, dict(enumerate(map(tuple, COLORS.tolist()))))
    return path


def chip_of(path):
    return ChipFactory(BlockImage(str(path))).read_chip((0, 0, 128, 96))


def seen(data):
    """Give pixels, mask, colours and nodata as GDAL has them; the colours without transparency."""
    with rasterio.MemoryFile(data) as memory, memory.open() as file:
        assert (file.count, file.colorinterp[0].name) == (1, "palette")
        table = np.array([entry[:3] for entry in file.colormap(1).values()])
        return file.read(1), file.dataset_mask() > 0, table, file.nodata


@pytest.mark.parametrize("kind", ["png", "jp2", "jph"])
def test_entries_and_colours_are_the_images(tmp_path, kind):
    chip = chip_of(palette_file(tmp_path / "a.tif"))
    data = encode_chip(chip, kind)
    pixels, mask, table, _ = seen(data)
    assert (pixels == PIXELS[0]).all()
    assert mask.all()
    assert (table == COLORS).all()

    (tmp_path / f"a.{kind}").write_bytes(data)
    again = chip_of(tmp_path / f"a.{kind}")
    assert (again.pixels == PIXELS).all()
    assert again.color_table == tuple(map(tuple, COLORS.tolist()))
    assert encode_chip(again, kind) == data

    decode = imagecodecs.png_decode if kind == "png" else imagecodecs.jpeg2k_decode
    assert (decode(data) == COLORS[PIXELS[0]]).all()


@pytest.mark.parametrize("kind", ["png", "jp2", "jph"])
def test_other_readers_find_entries_and_colours(tmp_path, kind):
    image = pytest.importorskip("PIL.Image")
    with image.open(io.BytesIO(encode_chip(chip_of(palette_file(tmp_path / "a.tif")), kind))) as picture:
        assert picture.mode == "P"
        assert (np.array(picture) == PIXELS[0]).all()
        assert (np.array(picture.convert("RGB")) == COLORS[PIXELS[0]]).all()


def test_a_whole_png_is_the_same_by_its_stream(tmp_path):
    pixels = np.random.default_rng(6).integers(0, 256, (1, 2500, 1000), np.uint8)
    convert(palette_file(tmp_path / "a.tif", pixels), tmp_path / "a.png", workers=2)
    found, _, table, _ = seen((tmp_path / "a.png").read_bytes())
    assert (found == pixels[0]).all()
    assert (table == COLORS).all()


def test_nodata_is_the_transparent_entry_of_a_png(tmp_path):
    data = encode_chip(chip_of(palette_file(tmp_path / "a.tif", nodata=7)), "png")
    pixels, mask, table, nodata = seen(data)
    assert (pixels == PIXELS[0]).all()
    assert (mask == (PIXELS[0] != 7)).all()
    assert (table == COLORS).all()
    assert nodata == 7
    assert ((imagecodecs.png_decode(data)[..., 3] > 0) == mask).all()


@pytest.mark.parametrize("nodata", [7, 0, None])
def test_nodata_of_a_whole_png_is_the_transparent_entry(tmp_path, nodata):
    done = convert(palette_file(tmp_path / "a.tif", nodata=nodata), tmp_path / "a.png")
    pixels, mask, table, found = seen((tmp_path / "a.png").read_bytes())
    assert "nodata" not in done.left_out
    assert found == nodata
    assert (pixels == PIXELS[0]).all()
    assert (mask == (PIXELS[0] != nodata)).all()
    assert (table == COLORS).all()


def test_masked_pixels_of_a_png_are_an_entry_that_no_other_has(tmp_path):
    chip = chip_of(palette_file(tmp_path / "a.tif"))
    holed = replace(chip, mask=chip.mask & (np.arange(128) % 5 > 0))
    pixels, mask, _, nodata = seen(encode_chip(holed, "png"))
    assert nodata == 255
    assert (mask == holed.mask[0]).all()
    assert (pixels[mask] == PIXELS[0][mask]).all()

    pixels, mask, _, nodata = seen(encode_chip(holed, "png", mask="ignore"))
    assert (pixels == PIXELS[0]).all()
    assert mask.all()
    assert nodata is None


def test_a_png_without_a_free_entry_says_so(tmp_path):
    pixels = np.arange(96 * 128).reshape(1, 96, 128).astype(np.uint8)
    chip = chip_of(palette_file(tmp_path / "a.tif", pixels))
    holed = replace(chip, mask=chip.mask & (np.arange(96) > 0)[:, np.newaxis])
    with pytest.raises(EncodeError, match=r"all 256 entries of its colour table are used.*mask='alpha'"):
        encode_chip(holed, "png")
    both = imagecodecs.png_decode(encode_chip(holed, "png", mask="alpha"))
    assert (both[..., 0] == pixels[0]).all()
    assert (both[..., 1] == 255 * holed.mask[0]).all()


@pytest.mark.parametrize("kind", ["jp2", "jph"])
def test_jpeg_2000_has_alpha_or_a_colour_table(tmp_path, kind):
    chip = chip_of(palette_file(tmp_path / "a.tif", nodata=7))
    with rasterio.MemoryFile(encode_chip(chip, kind)) as memory, memory.open() as file:
        assert [color.name for color in file.colorinterp] == ["gray", "alpha"]
        assert (file.read(1) == PIXELS[0]).all()
        assert ((file.dataset_mask() > 0) == (PIXELS[0] != 7)).all()
    pixels, mask, table, _ = seen(encode_chip(chip, kind, mask="ignore"))
    assert (pixels == PIXELS[0]).all()
    assert mask.all()
    assert (table == COLORS).all()


@pytest.mark.parametrize("kind", ["png", "jp2"])
def test_sixteen_bit_entries_are_exact_and_without_colours(tmp_path, kind):
    table = np.repeat(np.arange(65_536, dtype=np.uint16)[np.newaxis], 3, axis=0)
    tifffile.imwrite(tmp_path / "a.tif", PIXELS[0].astype(np.uint16) * 300, photometric="palette", colormap=table)
    with rasterio.MemoryFile(encode_chip(chip_of(tmp_path / "a.tif"), kind)) as memory, memory.open() as file:
        assert file.colorinterp[0].name == "gray"
        assert (file.read(1) == PIXELS[0].astype(np.uint16) * 300).all()
    assert "colour table" in convert(tmp_path / "a.tif", tmp_path / f"a.{kind}").left_out


def test_a_jpeg_2000_file_of_entries_has_no_loss(tmp_path):
    path, told = (
        palette_file(tmp_path / "a.tif"),
        r"image:0: a ratio.* gives other entries of a colour table .*--display",
    )
    with pytest.raises(EncodeError, match=told):
        convert(path, tmp_path / "a.jp2", ratio=8)

    with IO.open(path) as dataset:
        asset = dataset.get_asset("image:0")
        metadata = BufferedMetadataProvider({"COMRAT": "V008"})
        image = ImageAsset(asset.source, key="image:0", metadata=metadata)
        writer = IO.open([tmp_path / "a.jp2"], "w", "jp2")
        writer.add_asset("image:0", image, title="", description="", roles=["data"])
        with pytest.raises(EncodeError, match=told):
            writer.close()


@pytest.mark.parametrize(
    "said", [{"IC": "C3"}, {"IC": "I1"}, {"IC": "C8", "COMRAT": "V008"}, {"IC": "CD", "COMRAT": "01.0"}]
)
def test_nitf_chips_of_entries_have_no_loss(tmp_path, said):
    path = palette_file(tmp_path / "a.tif")
    convert(path, tmp_path / "a.ntf")
    for source in (path, tmp_path / "a.ntf"):
        factory = ChipFactory(BlockImage(str(source)), output_format="nitf", metadata_overrides=said)
        with pytest.raises(EncodeError, match=f"IC={said['IC']} with loss gives other entries of a colour table"):
            factory.create_chip((0, 0, 128, 96))


@pytest.mark.parametrize("said", [{"IC": "C8"}, {"IC": "C8", "COMRAT": "N1.0"}, {"IC": "NC"}])
def test_nitf_chips_of_entries_are_compressed_without_loss(tmp_path, said):
    factory = ChipFactory(
        BlockImage(str(palette_file(tmp_path / "a.tif"))), output_format="nitf", metadata_overrides=said
    )
    pixels, _, table, _ = seen(factory.create_chip((0, 0, 128, 96)))
    assert (pixels == PIXELS[0]).all()
    assert (table == COLORS).all()


def test_a_short_table_is_written_whole():
    whole = whole_table([(1, 2, 3), (4, 5, 6)])
    assert whole.shape == (256, 3)
    assert (whole[:2] == [(1, 2, 3), (4, 5, 6)]).all()
    assert not whole[2:].any()


def test_chunks_and_boxes_stand_where_the_standards_have_them():
    png = png_bytes(PIXELS[0], table=COLORS, hole=7)
    assert png[24:26] == bytes((8, 3))
    palette, holes, data = (png.index(name) for name in (b"PLTE", b"tRNS", b"IDAT"))
    assert palette < holes < data
    assert png[palette + 4 : palette + 772] == COLORS.tobytes()
    assert png[holes + 4 : holes + 12] == bytes([255] * 7 + [0])

    out = io.BytesIO()
    write_jp2(out, ArraySource(PIXELS), table=COLORS)
    file = out.getvalue()
    palette = file.index(b"pclr")
    assert file.index(b"colr") < palette < file.index(b"cmap") < file.index(b"jp2c")
    assert struct.unpack(">HB3B", file[palette + 4 : palette + 10]) == (256, 3, 7, 7, 7)
    assert file[palette + 10 : palette + 778] == COLORS.tobytes()
    assert file[file.index(b"cmap") + 4 :][:12] == bytes((0, 0, 1, 0, 0, 0, 1, 1, 0, 0, 1, 2))


@pytest.mark.parametrize(("nodata", "expected"), [(7, 7), (7.0, 7), (3, 255), (7.5, 255), (float("nan"), 255)])
def test_the_free_entry_is_nodata_if_no_measurement_has_it(nodata, expected):
    values, valid = np.array([[3, 7]], np.uint8), np.array([[True, False]])
    assert free_entry(values, valid, nodata) == expected
    assert free_entry(values, valid, None) == 255
    assert free_entry(np.arange(256, dtype=np.uint8)[np.newaxis], np.ones((1, 256), bool), nodata) is None


def test_grey_pngs_are_what_they_were():
    pixels = np.random.default_rng(8).integers(0, 256, (1, 32, 32), np.uint8)
    chip = Chip(
        pixels=pixels,
        mask=np.ones((1, 32, 32), bool),
        window=PixelWindow(0, 0, 32, 32),
        colors=("gray",),
    )
    assert encode_chip(chip, "png")[25] == 0


def test_a_part_in_jpeg_2000_says_where_alpha_stands_for_colours(tmp_path):
    told = "colour table of chips with invalid pixels"
    for nodata, expected in ((7, True), (None, False)):
        path = palette_file(tmp_path / f"{nodata}.tif", nodata=nodata)
        done = convert_part(path, tmp_path / "a.jp2", Part(window=(0, 0, 32, 32)))
        assert (told in done.left_out) == expected
        with rasterio.open(tmp_path / "a.jp2") as file:
            assert file.count == 1 + expected
