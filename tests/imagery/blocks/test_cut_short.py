"""Files that end before their image does: the blocks that are there are read, and each of the others is an error."""

import numpy as np
import pytest
from jpeg2000_files import copied, high_throughput, hills, parsed, tile_part_starts, tiles_of

from stacchip_osml.encode import BufferedImageAssetProvider
from stacchip_osml.encode.nitf import NitfFile, NitfImage, read_nitf, write_nitf
from stacchip_osml.errors import DecodeError
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.pixel import PixelWindow

SIDE = 64
PIXELS = hills(3, 300, 380)
NAMED = r"block \({row}, {col}\) of level 0: its bytes end before it does, \d+ to \d+ of the file$"
KINDS = {
    "NC, B": {"IC": "NC", "IMODE": "B"},
    "NC, P": {"IC": "NC", "IMODE": "P"},
    "NC, R": {"IC": "NC", "IMODE": "R"},
    "NM": {"IC": "NM", "IMODE": "B"},
    "C3": {"IC": "C3", "IMODE": "P"},
    "M3": {"IC": "M3", "IMODE": "P"},
    "C8": {"IC": "C8"},
    "CD": {"IC": "CD"},
}


def image_of(pixels, **fields):
    provider = BufferedImageAssetProvider.from_array(pixels, block_width=SIDE, block_height=SIDE)
    return NitfImage(pixels=provider, fields={"NPPBH": str(SIDE), "NPPBV": str(SIDE), **fields})


def whole_and_cut(folder, fields, number):
    """Write an image as the first or second of a file; give it, and the file without two fifths of its data."""
    images = [image_of(PIXELS, **fields)]
    if number:
        images.insert(0, image_of(PIXELS[:1], IC="NC"))
    path = folder / "whole.ntf"
    write_nitf(path, NitfFile(images=tuple(images)))
    image = read_nitf(path).images[number]
    end = image.stored.offset + image.stored.size * 3 // 5
    (folder / "cut.ntf").write_bytes(path.read_bytes()[:end])
    return image.pixels, folder / "cut.ntf"


def require_intact(image, whole, *, lost):
    """Read each block: it is the other image's, or an error that names it."""
    rows, cols = whole.block_grid_size
    failed = []
    for row, col in np.ndindex(rows, cols):
        try:
            found = image.get_block(row, col)
        except DecodeError:
            with pytest.raises(DecodeError, match=NAMED.format(row=row, col=col)):
                image.get_block(row, col)
            failed.append((row, col))
        else:
            np.testing.assert_array_equal(found, whole.get_block(row, col))
    assert lost(len(failed))
    assert failed == list(np.ndindex(rows, cols))[-len(failed) :]


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("kind", KINDS)
def test_blocks_that_are_there_are_read_of_any_segment(tmp_path, kind, number):
    whole, path = whole_and_cut(tmp_path, KINDS[kind], number)

    image = read_nitf(path).images[number].pixels

    assert image.served_by(0).startswith("block/")
    require_intact(image, whole, lost=lambda count: 8 <= count <= 18)
    both = PixelWindow(0, 0, 380, 300)
    with pytest.raises(DecodeError, match="its bytes end before it does"):
        image.read(both)


@pytest.mark.parametrize("kind", ["NC, B", "C3", "C8"])
def test_a_server_gives_them_too(server, tmp_path, kind):
    whole, path = whole_and_cut(tmp_path, KINDS[kind], 0)
    image = BlockImage(server.serve("/a.ntf", path.read_bytes()))

    np.testing.assert_array_equal(image.get_block(1, 2), whole.get_block(1, 2))
    with pytest.raises(DecodeError, match=r"a\.ntf"):
        image.get_block(4, 5)


def test_rows_of_one_large_block_are_read_up_to_the_end(tmp_path):
    path = tmp_path / "a.ntf"
    provider = BufferedImageAssetProvider.from_array(PIXELS, block_width=0, block_height=0)
    write_nitf(path, NitfFile(images=(NitfImage(pixels=provider, fields={"IC": "NC", "IMODE": "B"}),)))
    path.write_bytes(path.read_bytes()[: -3 - 380 * 10])
    image = BlockImage(str(path))

    np.testing.assert_array_equal(image.read(PixelWindow(5, 0, 300, 289)).pixels, PIXELS[:, :289, 5:305])
    np.testing.assert_array_equal(image.read(PixelWindow(0, 289, 380, 11), bands=(0, 1)).pixels, PIXELS[:2, 289:])
    with pytest.raises(DecodeError, match=r"block \(\d+, 0\) of level 0: its bytes end"):
        image.read(PixelWindow(0, 280, 380, 20))


# ---- JPEG 2000


@pytest.mark.parametrize("options", [{"tlm": True, "tilepart": 3}, {"tlm": True}, {"tilepart": 3}, {}])
def test_tiles_of_a_codestream_are_those_all_of_whose_parts_are_there(options):
    data = high_throughput(hills(1, 200, 260), tile=(64, 64), **options)
    whole = parsed(data).levels[0]
    parts = tiles_of(whole, data)
    for end in (len(data) * 2 // 5, len(data) - 100, tile_part_starts(data)[9]):
        level = parsed(data[:end]).levels[0]

        ends = (level.offsets + level.counts).max(axis=0)[0]
        told = (whole.offsets + whole.counts).max(axis=0)[0]
        np.testing.assert_array_equal(ends <= end, told <= end)
        for place, found in tiles_of(level, data[:end]):
            if told[place] <= end:
                assert found == dict(parts)[place]


def test_a_tile_that_does_not_say_of_how_many_parts_it_is_may_lack_some():
    data = bytearray(high_throughput(hills(1, 200, 260), tile=(64, 64)))
    starts = tile_part_starts(bytes(data))
    for at in starts:
        data[at + 11] = 0  # TNsot
    level = parsed(bytes(data)).levels[0]
    assert (level.counts > 14).all()

    found = parsed(bytes(data[: starts[9] + 30])).levels[0]

    assert "cut short" in found.reason


def test_reduced_levels_of_whole_tiles_are_read(tmp_path):
    pixels = hills(1, 512, 512)
    data = copied(tmp_path / "a.j2k", pixels, blockxsize=128, blockysize=128, resolutions=3, codec="J2K")
    (tmp_path / "cut.j2k").write_bytes(data[: tile_part_starts(data)[6] + 50])
    whole, cut = BlockImage(str(tmp_path / "a.j2k")), BlockImage(str(tmp_path / "cut.j2k"))

    window = PixelWindow(0, 0, 256, 64)
    np.testing.assert_array_equal(cut.read(window, level=1).pixels, whole.read(window, level=1).pixels)
    with pytest.raises(DecodeError, match=r"block \(1, 2\) of level 1: its bytes end before it does"):
        cut.read(PixelWindow(128, 64, 64, 64), level=1)
