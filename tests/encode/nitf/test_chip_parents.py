"""Where a chip's parent is found, of whatever kind it is; and pixels that hold nothing."""

import io
import pickle
import struct
import subprocess
import sys
from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest
from chip_sources import cut, scene_pixels, write_parent
from rasterio.io import MemoryFile

from stacchip_osml.encode import ChipFactory
from stacchip_osml.encode.chip import Chip
from stacchip_osml.encode.nitf import NitfFile, NitfImage, Tre, chip_file, encode_nitf, parent_of, read_nitf, write_nitf
from stacchip_osml.errors import DecodeError, EncodeError
from stacchip_osml.imagery import CachedImageProvider, DownsampledImageProvider, MappedImageProvider
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.imagery.header import BandHeader, ImageHeader
from stacchip_osml.imagery.providers.buffered import BufferedImageAssetProvider
from stacchip_osml.imagery.pyramids.levels import LevelView
from stacchip_osml.pixel import ImageSize, PixelWindow


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
def test_pixels_that_hold_nothing_are_pad_pixels(dtype):
    pixels = scene_pixels((2, 30, 40), dtype)
    mask = np.ones(pixels.shape, bool)
    mask[:, 4:9, 5:20] = False
    chip = Chip(pixels=pixels, mask=mask, window=PixelWindow(0, 0, 40, 30), nodata=(0, 0))

    data = encode_nitf(chip)

    image = read_nitf(data).images[0]
    table = image.stored.read(image.stored.offset, 100)
    length, _, _, bits = struct.unpack(">IHHH", table[:10])
    pad = np.frombuffer(table[10 : 10 + bits // 8], np.dtype(dtype).newbyteorder(">"))[0]
    with MemoryFile(data) as memory, memory.open() as file:
        found, valid = file.read(), file.read_masks() != 0
    np.testing.assert_array_equal(found != pad, mask)
    np.testing.assert_array_equal(found[mask], pixels[mask])
    assert image.fields["IC"] == "NM"
    assert length == 10 + bits // 8 + 4 * 2  # one block, of which it is told that there are pad pixels
    if dtype == "uint8":  # of other types GDAL does not read pad pixels
        np.testing.assert_array_equal(valid, mask)


def test_a_pad_pixel_is_a_value_that_no_other_pixel_has():
    pixels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    mask = np.ones(pixels.shape, bool)
    mask[0, 7, 7] = False
    chip = Chip(pixels=pixels, mask=mask, window=PixelWindow(0, 0, 16, 16), nodata=(0,))

    with MemoryFile(encode_nitf(chip)) as memory, memory.open() as file:
        assert file.nodata == 7 * 16 + 7
    full = replace(
        chip, pixels=np.concatenate([pixels, pixels], axis=1), mask=np.concatenate([mask, ~mask | True], axis=1)
    )
    with pytest.raises(EncodeError, match=r"all values of uint8 are used\. Ask for IC=NC .* or cut no window that"):
        encode_nitf(full)
    assert read_nitf(encode_nitf(full, overrides={"IC": "NC"})).images[0].fields["IC"] == "NC"


def test_headers_of_a_parent_are_read_again_when_the_file_changes(tmp_path):
    path = tmp_path / "a.ntf"
    source = write_parent(path, scene_pixels((1, 20, 20)), file_fields={"FTITLE": "before"})
    first = parent_of(BlockImage(source))

    assert parent_of(BlockImage(source)).file is first.file
    write_parent(path, scene_pixels((1, 30, 20)), file_fields={"FTITLE": "after"})
    assert parent_of(BlockImage(source)).file.fields["FTITLE"] == "after"
    assert parent_of(object()) is None


SECRET = {"ISCLAS": "S", "ISCLSY": "US", "ISCODE": "WORD", "IID1": "NAME"}


@pytest.mark.parametrize("shown", [lambda image: MappedImageProvider(image, np.negative), CachedImageProvider])
def test_a_chip_of_what_shows_a_parent_pixel_by_pixel_is_marked_and_placed_as_its_own(tmp_path, shown):
    source = write_parent(tmp_path / "a.ntf", scene_pixels((1, 64, 64)), fields=SECRET, tres=(Tre("VENDOR", b"bytes"),))

    chip = read_nitf(ChipFactory(shown(BlockImage(source)), output_format="nitf").create_chip((8, 8, 16, 16)))

    assert {name: chip.images[0].fields[name] for name in SECRET} == SECRET
    assert (chip.fields["FSCLAS"], chip.fields["FSCODE"]) == ("S", "WORD")
    assert [tre.tag for tre in chip.images[0].tres] == ["VENDOR", "ICHIPB"]


@pytest.mark.parametrize("made", [lambda image: DownsampledImageProvider(image, 2), lambda image: LevelView(image, 1)])
def test_a_chip_of_what_is_made_of_a_parent_is_marked_as_it_is_and_no_chip_of_it(tmp_path, made):
    write_nitf(
        tmp_path / "a.ntf",
        NitfFile(
            images=(
                NitfImage(
                    pixels=BufferedImageAssetProvider.from_array(scene_pixels((1, 512, 512))),
                    fields={"IC": "C8", "J2K_DECOMPOSITION_LEVELS": "2", **SECRET},
                    tres=(Tre("RPC00B", b"of the whole"),),
                ),
            )
        ),
    )

    image = made(BlockImage(str(tmp_path / "a.ntf")))
    chip = read_nitf(ChipFactory(image, output_format="nitf").create_chip((8, 8, 16, 16)))

    assert {name: chip.images[0].fields[name] for name in SECRET} == SECRET
    assert (chip.fields["FSCLAS"], chip.fields["FSCODE"]) == ("S", "WORD")
    assert chip.images[0].tres == ()


def test_a_provider_that_knows_its_file_is_asked(tmp_path):
    source = write_parent(tmp_path / "a.ntf", scene_pixels((1, 20, 20)), tres=(Tre("XYZABC", b"x"),))

    class Known:
        nitf_parent = parent_of(BlockImage(source))

    chip = cut(source, (1, 2, 10, 9))
    other = replace(chip, origin=replace(chip.origin, provider=Known()))

    assert [tre.tag for tre in chip_file(other).images[0].tres] == ["XYZABC", "ICHIPB"]


def test_a_segment_of_bytes_in_memory_knows_its_file(tmp_path):
    titles = ("first", "second")
    images = [
        NitfImage(
            pixels=BufferedImageAssetProvider.from_array(scene_pixels((1, 20, 24), seed=number)),
            fields={"IC": "NC", "IREP": "MONO", "IID2": title},
            tres=(Tre(f"NUM{number}", b"x"),),
        )
        for number, title in enumerate(titles)
    ]
    out = io.BytesIO()
    write_nitf(out, NitfFile(images=tuple(images)))
    segment = read_nitf(out.getvalue()).images[1].pixels

    image = read_nitf(encode_nitf(cut(segment, (3, 4, 10, 9), locate=False))).images[0]

    assert image.fields["IID2"] == "second"
    assert [tre.tag for tre in image.tres] == ["NUM1", "ICHIPB"]


def test_a_stored_header_is_enough_to_find_the_parent(tmp_path):
    source = write_parent(tmp_path / "a.ntf", scene_pixels((1, 20, 20)), file_fields={"FTITLE": "title"})
    stored = BlockImage(source).header
    script = (
        "import sys, pickle; from stacchip_osml.encode.nitf import parent_of;"
        "from stacchip_osml.imagery.blocks.image import BlockImage;"
        "image = BlockImage(sys.argv[1], header=pickle.loads(bytes.fromhex(sys.argv[2])));"
        "assert parent_of(image).file.fields['FTITLE'] == 'title'; assert 'rasterio' not in sys.modules"
    )

    subprocess.run([sys.executable, "-c", script, source, pickle.dumps(stored).hex()], check=True)


class Earlier(BlockImage):
    """An image of NITF 1.1, of which GDAL tells the header."""

    metadata: ClassVar = {}


def earlier_image(path, **tags):
    path.write_bytes(b"NITF01.10" + b" " * 100)
    header = ImageHeader(
        driver="NITF", levels=(ImageSize(9, 8),), bands=(BandHeader(dtype="uint8"),), block_shape=(8, 9)
    )
    image = Earlier(str(path), header=header)
    image.metadata = {"NITF_FHDR": "NITF01.10", "NITF_FSCLAS": "S", "NITF_ISCLAS": "C"}
    image.metadata |= {f"NITF_{name}": text for name, text in tags.items()}
    return image


def test_markings_of_nitf_11_are_carried_over(tmp_path):
    image = earlier_image(tmp_path / "a.ntf", ISCODE="CODE", FSREL="GBR", ITITLE="title", ISCTLH="")

    file = read_nitf(encode_nitf(cut(image, (0, 0, 9, 8), pixels=scene_pixels((1, 8, 9)), locate=False)))

    assert (file.fields["FSCLAS"], file.fields["FSREL"]) == ("S", "GBR")
    fields = file.images[0].fields
    assert (fields["ISCLAS"], fields["ISCODE"], fields["IID2"]) == ("C", "CODE", "title")


def test_a_marking_that_has_no_room_is_not_cut(tmp_path):
    image = earlier_image(tmp_path / "a.ntf", ISCTLH="three words long")

    with pytest.raises(EncodeError, match=r"ISCTLH of .*a.ntf \(NITF 1.1\) is 'three words long'; it has 2 characters"):
        encode_nitf(cut(image, (0, 0, 9, 8), pixels=scene_pixels((1, 8, 9)), locate=False))
    image = earlier_image(tmp_path / "b.ntf", ISCLAS="?")
    with pytest.raises(DecodeError, match=r"ISCLAS is '.', no classification"):
        encode_nitf(cut(image, (0, 0, 9, 8), pixels=scene_pixels((1, 8, 9)), locate=False))


def test_all_segments_of_a_file_share_one_record_of_it(tmp_path):
    """A file of hundreds of segments is not read hundreds of times."""
    pixels = [BufferedImageAssetProvider.from_array(np.full((1, 4, 5), each, np.uint8)) for each in range(4)]
    write_nitf(tmp_path / "a.ntf", NitfFile(images=tuple(NitfImage(pixels=each, fields={}) for each in pixels)))

    images = read_nitf(tmp_path / "a.ntf").images
    parents = [parent_of(image.pixels) for image in images[1:]]

    assert [parent.index for parent in parents] == [1, 2, 3]
    assert len({id(parent.file) for parent in parents}) == 1
