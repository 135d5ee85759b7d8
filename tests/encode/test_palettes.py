"""Images whose values are entries of a colour table: none is averaged, and their colours go along."""

from dataclasses import replace

import imagecodecs
import numpy as np
import pytest
import rasterio
from factory_scenes import write

from stacchip_osml import Chipper, Indexer
from stacchip_osml.encode import ChipFactory, contact_sheet
from stacchip_osml.encode.io.converting import convert
from stacchip_osml.encode.io.converting_part import Part, convert_part
from stacchip_osml.encode.nitf import NitfFile, NitfImage, write_nitf
from stacchip_osml.encode.pictures.sheet import GAP
from stacchip_osml.errors import EncodeError
from stacchip_osml.imagery import BufferedImageAssetProvider, DisplayChainFactory, build_pyramid_levels, read_window
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.pixel import ImageSize

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

CLASSES = np.random.default_rng(5).choice(np.array([0, 7, 200], np.uint8), (1, 96, 128))
COLORS = [(value, 255 - value, value // 2) for value in range(256)]
LUTS = {f"LUTD1{n + 1}": bytes(color[n] for color in COLORS).decode("latin-1") for n in range(3)}


def tiff(folder):
    write(folder / "classes.tif", CLASSES)
    with rasterio.open(folder / "classes.tif", "r+") as file:
        file.write_colormap(1, dict(enumerate(COLORS)))
    return folder / "classes.tif"


def nitf(folder):
    pixels = BufferedImageAssetProvider.from_array(CLASSES)
    fields = {"IC": "NC", "IREP": "RGB/LUT", "IREPBAND1": "LU", "NLUTS1": "3", "NELUT1": "00256", **LUTS}
    write_nitf(folder / "classes.ntf", NitfFile(images=(NitfImage(pixels=pixels, fields=fields),)))
    return folder / "classes.ntf"


@pytest.fixture(params=[tiff, nitf], ids=["tiff", "nitf"])
def path(request, tmp_path):
    return request.param(tmp_path)


def colors_of(path):
    with rasterio.open(path) as image:
        return image.colorinterp[0].name, [entry[:3] for entry in image.colormap(1).values()]


@pytest.mark.parametrize("size", [(40, 30), (16, 12), (200, 150)])
def test_a_resampled_chip_has_no_value_that_the_image_has_not(path, size):
    chip = ChipFactory(BlockImage(str(path)), output_format="geotiff").read_chip((0, 0, 128, 96), ImageSize(*size))

    assert set(np.unique(chip.pixels)) == {0, 7, 200}


@pytest.mark.parametrize("options", [{"compression": "jpeg"}, {"compression": "lerc", "level": 3}])
def test_chips_of_entries_are_not_stored_with_loss(path, options):
    factory = ChipFactory(BlockImage(str(path)), output_format="geotiff", format_options=options)
    with pytest.raises(EncodeError, match=f"{options['compression']} gives other entries of a colour table"):
        factory.create_chip((0, 0, 64, 64))


@pytest.mark.parametrize(
    ("kind", "options"), [("jpeg", {}), ("jp2", {"ratio": 8}), ("j2k", {"ratio": 8}), ("jph", {"ratio": 8})]
)
def test_pictures_of_entries_have_no_loss_but_may_show_their_colours(path, kind, options):
    factory = ChipFactory(BlockImage(str(path)), output_format=kind, format_options=options)
    with pytest.raises(EncodeError, match=r"gives other entries of a colour table .*display=True \(--display\)"):
        factory.create_chip((0, 0, 64, 64))

    shown = ChipFactory(BlockImage(str(path)), output_format=kind, format_options=options | {"display": True})
    with rasterio.MemoryFile(shown.create_chip((0, 0, 64, 64))) as memory, memory.open() as file:
        assert file.count == 3


def test_copies_of_entries_are_not_stored_with_loss(path):
    with pytest.raises(EncodeError, match="jpeg gives other entries of a colour table"):
        convert(path, path.with_name("out.tif"), compression="jpeg")


def test_a_jpeg_file_of_entries_is_refused_unless_it_shows_their_colours(path):
    with pytest.raises(EncodeError, match=r"image:0: jpeg gives other entries of a colour table .*--display"):
        convert(path, path.with_name("out.jpg"))
    convert_part(path, path.with_name("out.jpg"), Part(display=True))
    with rasterio.open(path.with_name("out.jpg")) as image:
        assert image.count == 3


def test_entries_without_loss_stay(path):
    factory = ChipFactory(BlockImage(str(path)), output_format="geotiff", format_options={"compression": "lerc"})
    with rasterio.MemoryFile(factory.create_chip((0, 0, 64, 64))) as memory, memory.open() as file:
        np.testing.assert_array_equal(file.read(), CLASSES[:, :64, :64])


def test_colours_that_are_shown_are_averaged(path):
    image = BlockImage(str(path))
    chain = DisplayChainFactory.build(image)
    chip = ChipFactory(image, None, "png", chain).read_chip((0, 0, 128, 96), ImageSize(16, 12))

    assert len(np.unique(chip.pixels[0])) > 3


def test_levels_and_overviews_have_no_value_that_the_image_has_not(path, tmp_path):
    smaller = build_pyramid_levels(BlockImage(str(path)), 32)[-1]
    assert set(np.unique(read_window(smaller, (0, 0, smaller.num_columns, smaller.num_rows)))) == {0, 7, 200}

    convert(path, tmp_path / "cog.tif", cog=True, overviews=2)
    with rasterio.open(tmp_path / "cog.tif", overview_level=1) as level:
        assert set(np.unique(level.read())) == {0, 7, 200}


@pytest.mark.parametrize("ending", ["tif", "ntf", "png", "jp2", "jph"])
def test_colours_go_along_into_files_that_hold_them(path, tmp_path, ending):
    whole, part = tmp_path / f"whole.{ending}", tmp_path / f"part.{ending}"
    done = [convert(path, whole), convert_part(path, part, Part(window=(8, 8, 32, 32)))]

    assert not any("colour table" in each.left_out for each in done)
    assert colors_of(whole) == colors_of(part) == ("palette", COLORS)


@pytest.mark.parametrize("ending", ["jp2", "png", "j2k"])
def test_colours_that_are_lost_are_said(path, tmp_path, ending):
    done = convert(path, tmp_path / f"out.{ending}")
    assert ("colour table" in done.left_out) == (ending == "j2k")
    shown = convert_part(path, tmp_path / f"shown.{ending}", Part(display=True))
    assert "colour table" not in shown.left_out
    with rasterio.open(tmp_path / f"shown.{ending}") as image:
        assert (image.read() == np.array(COLORS, np.uint8)[CLASSES[0]].transpose(2, 0, 1)).all()


def test_pictures_of_entries_are_in_their_colours(path, tmp_path):
    chip = ChipFactory(BlockImage(str(path)), output_format="geotiff").read_chip((0, 0, 128, 96))
    shown = np.array(COLORS, np.uint8)[CLASSES[0]]
    assert (chip.to_rgb8() == shown).all()
    assert (chip.to_rgb8(bands=[0]) == CLASSES[0][..., np.newaxis]).all()
    for stretch in ("chip", "sheet"):
        sheet = imagecodecs.png_decode(contact_sheet([chip], size=128, labels=(), stretch=stretch))
        assert (sheet[GAP + 16 : GAP + 112, GAP : GAP + 128] == shown).all()

    holed = replace(chip, mask=CLASSES != 7)
    assert (holed.to_rgb8() == np.dstack([np.where(holed.mask[0, ..., None], shown, 0), 255 * holed.mask[0]])).all()
    strange = replace(chip, pixels=chip.pixels.astype(np.int64))
    assert strange.to_rgb8().shape == (96, 128, 3)


def test_rows_of_an_index_are_shown_in_their_colours(path):
    chips = Chipper(Indexer(str(path), chip_size=32).create_index())
    assert (chips[0].to_rgb8() == np.array(COLORS, np.uint8)[CLASSES[0, :32, :32]]).all()
