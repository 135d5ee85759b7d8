"""JPEG 2000 components that are subsampled alike are read sample by sample; others say why they are not."""

import numpy as np
import pytest
from jpeg2000_files import codestream, copied, hills, parsed, tile_part_starts, with_segment, with_siz
from jpeg2000_shapes import by_openjpeg, in_nitf, saved, spread, whole

from stacchip_osml.errors import DecodeError
from stacchip_osml.imagery import GdalImage
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.imagery.gdal.access import close_idle_handles
from stacchip_osml.pixel import ImageSize, PixelWindow

SIZES = [(260, 150), (130, 75), (65, 38)]
STEPS = [(2, 1), (1, 3), (4, 4), (255, 2)]
ORDERS = ("LRCP", "RLCP", "RPCL", "PCRL", "CPRL")


@pytest.fixture(scope="module")
def tiled(tmp_path_factory):
    """Pixels, and their codestream of 3 x 5 tiles that GDAL shows at three levels."""
    pixels = hills(2, 150, 260)
    path = tmp_path_factory.mktemp("j2k") / "a.j2k"
    options = {"blockxsize": 56, "blockysize": 56, "resolutions": 3, "codec": "J2K"}
    return pixels, copied(path, pixels, **options)


# ---- subsampled alike


@pytest.mark.parametrize("step", STEPS)
def test_samples_are_pixels_at_all_levels_whoever_reads_them(tmp_path, tiled, step):
    pixels, plain = tiled
    stream = spread(plain, step)
    image, by_gdal = (kind(saved(tmp_path / "a.j2k", stream)) for kind in (BlockImage, GdalImage))
    before = BlockImage(saved(tmp_path / "plain.j2k", plain))

    assert image.header.levels == before.header.levels == tuple(ImageSize(*size) for size in SIZES)
    assert image.served_by(0) == image.served_by(2) == "block/jpeg2000"
    np.testing.assert_array_equal(whole(image), pixels)
    if step != (255, 2):  # pylibjpeg would fill 66,300 x 300 pixels
        np.testing.assert_array_equal(by_openjpeg(stream), pixels)
    for level in range(3):
        np.testing.assert_array_equal(whole(image, level), whole(before, level))
        np.testing.assert_array_equal(whole(by_gdal, level), whole(before, level))
    window = PixelWindow(50, 40, 70, 80)
    np.testing.assert_array_equal(image.read(window).pixels, pixels[:, 40:120, 50:120])


@pytest.mark.parametrize("order", ORDERS)
def test_packets_of_every_order_stay_in_order(tmp_path, order):
    pixels = hills(3, 150, 170)
    options = {"blockxsize": 64, "blockysize": 64, "resolutions": 3, "codec": "J2K", "progression": order}
    stream = spread(copied(tmp_path / "a.j2k", pixels, precincts="{32,32},{16,16},{16,16}", **options), (3, 2))

    np.testing.assert_array_equal(whole(BlockImage(saved(tmp_path / "b.j2k", stream))), pixels)
    np.testing.assert_array_equal(by_openjpeg(stream), pixels)


def shifted(tmp_path, **options):
    """Pixels, and a codestream of one tile that lies from (32, 64) on: multiples of all its steps."""
    pixels = hills(1, 28, 30)
    stream = codestream(copied(tmp_path / "a.j2k", pixels, resolutions=3, codec="J2K", **options))
    places = {"Xsiz": 62, "Ysiz": 92, "XOsiz": 32, "YOsiz": 64, "XTsiz": 62, "YTsiz": 92}
    return pixels, with_siz(stream, **places)


def test_tiles_that_begin_between_samples_are_read_where_places_do_not_order_packets(tmp_path):
    pixels, stream = shifted(tmp_path)
    between = with_siz(spread(stream, (3, 2)), XOsiz=94, YOsiz=127)
    image = BlockImage(saved(tmp_path / "b.j2k", between))

    np.testing.assert_array_equal(whole(image), pixels)
    np.testing.assert_array_equal(by_openjpeg(between), pixels)
    np.testing.assert_array_equal(whole(GdalImage(image.location)), pixels)


@pytest.mark.parametrize("how", ["RPCL", "PCRL", "CPRL", "POC", "POC of a tile", "COD of a tile", "no header"])
def test_tiles_that_begin_between_samples_are_refused_where_places_may_order_packets(tmp_path, how):
    _, stream = shifted(tmp_path, **({"progression": how} if how in ORDERS else {}))
    stream = with_siz(spread(stream, (3, 2)), XOsiz=94)
    first = tile_part_starts(stream)[0]
    if how == "POC":
        stream = with_segment(stream, 0xFF5F, bytes(7))
    elif how.endswith("of a tile"):
        segment = b"\xff\x5f\x00\x09" + bytes(7) if how[:3] == "POC" else b"\xff\x52\x00\x0c" + bytes(10)
        head = bytearray(stream[first : first + 12])
        head[6:10] = (int.from_bytes(head[6:10], "big") + len(segment)).to_bytes(4, "big")
        stream = stream[:first] + bytes(head) + segment + stream[first + 12 :]
    elif how == "no header":
        stream = stream[: first + 12] + b"\0\0" + stream[first + 14 :]

    with pytest.raises(DecodeError, match="subsampled, and packets ordered by places between their samples"):
        _ = BlockImage(saved(tmp_path / "b.j2k", stream)).header


@pytest.mark.parametrize("tile", [63, 150])
def test_tiles_whose_sides_are_no_multiples_are_not_told_in_samples(tmp_path, tiled, tile):
    _, plain = tiled
    stream = with_siz(spread(plain, (4, 2)), XTsiz=4 * tile + 1, YTsiz=2 * tile)

    with pytest.raises(DecodeError, match=r"; by its markers: JPEG 2000 components are subsampled by 4 x 2$"):
        _ = BlockImage(saved(tmp_path / "a.j2k", stream)).header


def test_a_component_without_samples_is_no_image(tiled):
    _, plain = tiled
    nothing = with_siz(spread(plain, (4, 4)), Xsiz=3, XOsiz=1, XTsiz=4)

    assert {level.reason for level in parsed(nothing).levels} == {"JPEG 2000 components are subsampled by 4 x 4"}


# ---- in other files


def test_nitf_counts_samples(tmp_path, tiled):
    pixels, plain = tiled
    path = in_nitf(tmp_path / "a.ntf", spread(plain, (2, 4)), pixels)
    image = BlockImage(path)

    assert image.served_by(0) == "block/jpeg2000"
    assert image.metadata["NITF_IC"] == "C8"
    np.testing.assert_array_equal(whole(image), pixels)
    np.testing.assert_array_equal(whole(GdalImage(path)), pixels)
    np.testing.assert_array_equal(image.get_block(1, 2), pixels[:, 56:112, 112:168])


def test_nitf_that_counts_the_reference_grid_is_refused(tmp_path, tiled):
    pixels, plain = tiled
    path = in_nitf(tmp_path / "a.ntf", spread(plain, (2, 4)), pixels, size=(600, 520))

    with pytest.raises(DecodeError, match="Unable to open JPEG2000 image"):
        _ = BlockImage(path).header


def test_boxes_count_the_reference_grid_so_they_are_refused(tmp_path):
    data = copied(tmp_path / "a.jp2", hills(1, 60, 70))
    stream = codestream(data)

    with pytest.raises(DecodeError, match=r"; by its markers: JPEG 2000 components are subsampled by 2 x 2$"):
        _ = BlockImage(saved(tmp_path / "b.jp2", data.replace(stream, spread(stream, (2, 2))))).header


def test_components_that_are_not_subsampled_alike_are_refused_and_told(tmp_path, tiled):
    _, plain = tiled
    path = saved(tmp_path / "a.j2k", spread(plain, (1, 1), (2, 1)))

    with pytest.raises(DecodeError, match=r"; by its markers: JPEG 2000 components are subsampled by 1 x 1, 2 x 1$"):
        _ = BlockImage(path).header


def test_a_file_that_gdal_does_not_open_for_another_reason_is_told_as_before(tmp_path, tiled):
    pixels, plain = tiled
    path = in_nitf(tmp_path / "a.ntf", spread(plain, (2, 4))[:90], pixels)

    for kind in (BlockImage, GdalImage):
        with pytest.raises(DecodeError, match="Unable to open JPEG2000 image"):
            _ = kind(path).header


def test_files_next_to_it_are_believed_or_it_is_not_read(tmp_path, tiled):
    _, plain = tiled

    with pytest.raises(DecodeError, match="not recognized"):
        _ = BlockImage(saved(tmp_path / "a.j2k", spread(plain, (2, 4))), sidecars=True).header


def test_a_remote_object_is_read_alike(server, tmp_path, tiled):
    pixels, plain = tiled
    path = in_nitf(tmp_path / "a.ntf", spread(plain, (2, 4)), pixels)
    for kind in (BlockImage, GdalImage):
        image = kind(server.serve("/a.ntf", (tmp_path / "a.ntf").read_bytes()))
        np.testing.assert_array_equal(whole(image), pixels)
        assert image.header.bands == GdalImage(path).header.bands
    server.serve("/a.ntf", bytes(300))
    close_idle_handles()


# ---- real files


@pytest.mark.parametrize("name", ["p0_10b", "p1_01a", "p1_05b"])
def test_real_files_are_what_another_reader_of_their_codestreams_gives(real_data, name):
    path = real_data / "nitf" / f"imaging-nitf__{name}.ntf"
    data = path.read_bytes()

    np.testing.assert_array_equal(
        whole(BlockImage(str(path))), by_openjpeg(data[data.index(b"\xff\x4f\xff\x51") :].rstrip(b" "))
    )
