"""NITF images that GDAL does not open, or opens in part: their own fields say what they are, and blocks are read."""

import pickle

import imagecodecs
import numpy as np
import pytest
from nitf_block_files import blocks_of, fields_of, masked, packed, write_nitf

from stacchip_osml.encode import BufferedImageAssetProvider
from stacchip_osml.encode.nitf import NitfFile, NitfImage, read_nitf
from stacchip_osml.encode.nitf import write_nitf as write_ours
from stacchip_osml.errors import DecodeError, LimitError, RemoteReadError
from stacchip_osml.imagery import FetchLimits, GdalImage, ReadLimits
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.index.layouts import StoredHeader
from stacchip_osml.pixel import ImageSize, PixelWindow

RANDOM = np.random.default_rng(21)
WHOLE = PixelWindow(0, 0, 70, 40)


def wide(dtype, bands, imode, path, *, ic="NC", hole=False):
    """Write an image of 64-bit integers by jbpy."""
    info = np.iinfo(dtype)
    pixels = RANDOM.integers(info.min, info.max, (bands, 40, 70), dtype, endpoint=True)
    blocks = list(blocks_of(pixels, (16, 32), imode))
    if hole:
        blocks[1] = None
    fields = fields_of(pixels, (16, 32), imode, IC=ic, IREP="RGB" if bands == 3 else "MONO", ABPP=61)
    fields |= {f"IREPBAND{band:05d}": kind for band, kind in enumerate("RGB" if bands == 3 else "M", 1)}
    write_nitf(path, [(fields, masked(blocks) if ic == "NM" else b"".join(blocks))])
    return pixels


@pytest.mark.parametrize("dtype", ["uint64", "int64"])
@pytest.mark.parametrize(("imode", "bands"), [("B", 1), ("B", 3), ("P", 3), ("R", 3), ("S", 3)])
def test_integers_of_64_bits_are_read_whether_opened_anew_stored_or_pickled(tmp_path, dtype, imode, bands):
    path = tmp_path / "a.ntf"
    pixels = wide(dtype, bands, imode, path)
    with pytest.raises(DecodeError, match="not recognized"):
        _ = GdalImage(str(path)).header  # else there would be no reason not to believe it

    image = BlockImage(str(path))
    header, layout = StoredHeader.of(image.header, image.layout).unpack(name="a")

    for each in (image, pickle.loads(pickle.dumps(image)), BlockImage(str(path), header=header, layout=layout)):
        found = each.read(WHOLE)
        assert found.pixels.dtype == dtype
        np.testing.assert_array_equal(found.pixels, pixels)
        assert found.mask.all()
        assert each.actual_bits_per_pixel == 61
    assert image.served_by(0) == "block/none"
    assert image.metadata["NITF_PVTYPE"] == ("SI" if dtype == "int64" else "INT")
    assert [band.color for band in image.header.bands] == (["red", "green", "blue"] if bands == 3 else ["gray"])
    assert image.picture_tags.bands[0] == {"NITF_IREPBAND": "R" if bands == 3 else "M"}
    np.testing.assert_array_equal(image.get_block(1, 1), pixels[:, 16:32, 32:64])


def test_the_header_has_what_a_version_of_the_file_is_told_by(tmp_path):
    path = tmp_path / "a.ntf"
    wide("uint64", 1, "B", path)
    stamp = path.stat()

    header = BlockImage(str(path)).header

    assert (header.size_bytes, header.modified_ns) == (stamp.st_size, stamp.st_mtime_ns)
    assert (header.driver, header.levels, header.block_shape) == ("NITF", (ImageSize(70, 40),), (16, 32))
    assert (header.acquired, header.images, header.mask) == ("20240101000000", 1, "none")


def test_it_is_copied_and_read_from_a_server(server, tmp_path):
    path, copy = tmp_path / "a.ntf", tmp_path / "copy.ntf"
    pixels = wide("int64", 3, "P", path)

    write_ours(copy, read_nitf(path))
    remote = BlockImage(server.serve("/a.ntf", path.read_bytes())).read(WHOLE)

    np.testing.assert_array_equal(BlockImage(str(copy)).read(WHOLE).pixels, pixels)
    np.testing.assert_array_equal(remote.pixels, pixels)


def test_few_masked_bits_of_which_gdal_looks_for_more_than_there_are(tmp_path):
    path = tmp_path / "a.ntf"
    pixels = RANDOM.integers(0, 2, (3, 40, 70), np.uint8)
    whole = np.pad(pixels, ((0, 0), (0, 0), (0, 2))).reshape(3, 8, 5, 24, 3).transpose(1, 3, 0, 2, 4)
    blocks = [b"".join(packed(band, 1) for band in block) for block in whole.reshape(-1, 3, 5, 3)]
    write_nitf(path, [(fields_of(pixels, (5, 3), "B", IC="NM", NBPP=1) | {"PVTYPE": "B"}, masked(blocks))])

    np.testing.assert_array_equal(BlockImage(str(path)).read(WHOLE).pixels, pixels)


def test_all_bands_of_one_jpeg_block_are_there(tmp_path):
    path = tmp_path / "a.ntf"
    pixels = np.stack([np.full((40, 70), value, np.uint8) for value in (30, 120, 220)])
    data = b"".join(imagecodecs.jpeg8_encode(band, level=95) for band in pixels)
    write_nitf(path, [(fields_of(pixels, (40, 70), "B", IC="C3", COMRAT="00.0"), data)])

    np.testing.assert_array_equal(BlockImage(str(path)).read(WHOLE).pixels, pixels)


def test_levels_of_masked_jpeg_2000_of_20_bits_are_those_of_its_codestream(tmp_path):
    path = tmp_path / "a.ntf"
    pixels = RANDOM.integers(0, 1 << 20, (2, 700, 1300)).astype(np.uint32)
    provider = BufferedImageAssetProvider.from_array(pixels, block_width=256, block_height=256)
    fields = {"IC": "M8", "NPPBH": "256", "NPPBV": "256", "ABPP": "20", "IREP": "MULTI"}
    write_ours(path, NitfFile(images=(NitfImage(pixels=provider, fields=fields),)))

    image = BlockImage(str(path))

    assert image.header.levels[:2] == (ImageSize(1300, 700), ImageSize(650, 350))
    np.testing.assert_array_equal(image.read(PixelWindow(0, 0, 1300, 700)).pixels, pixels)
    assert image.read(PixelWindow(0, 0, 650, 350), level=1).pixels.shape == (2, 350, 650)


@pytest.mark.parametrize(
    ("changes", "cut", "reason"),
    [
        ({"IC": "C5", "COMRAT": "00.0"}, 0, "IC=C5: lossless JPEG"),  # a kind that nobody serves
        ({}, 22_399, "its image data is cut short"),
    ],
)
def test_what_blocks_do_not_serve_either_is_refused_with_both_reasons(tmp_path, changes, cut, reason):
    path = tmp_path / "a.ntf"
    wide("uint64", 1, "B", path)
    pixels = np.zeros((1, 40, 70), np.uint64)
    write_nitf(path, [(fields_of(pixels, (40, 70), "B") | changes, pixels.tobytes())])
    path.write_bytes(path.read_bytes()[: path.stat().st_size - cut])

    with pytest.raises(DecodeError, match=reason):
        BlockImage(str(path)).read(WHOLE)


@pytest.mark.parametrize("reader", [GdalImage, BlockImage])
def test_what_a_server_gives_and_nobody_reads_is_the_error_of_a_local_file(server, tmp_path, reader):
    path = tmp_path / "a.ntf"
    pixels = np.zeros((1, 40, 70), np.uint64)
    write_nitf(path, [(fields_of(pixels, (40, 70), "B") | {"IC": "C5", "COMRAT": "00.0"}, pixels.tobytes())])
    said = []
    for location in (str(path), server.serve("/a.ntf", path.read_bytes())):
        with pytest.raises(DecodeError, match="not recognized") as caught:
            _ = reader(location).header
        said.append(str(caught.value).replace(location, "NAME"))

    assert said[0] == said[1]


@pytest.mark.parametrize("reader", [GdalImage, BlockImage])
@pytest.mark.parametrize(("fault", "status"), [(503, 503), ("reset", None)])
def test_what_a_server_does_not_give_is_no_damage(server, tmp_path, reader, fault, status):
    path = tmp_path / "a.ntf"
    wide("uint64", 1, "B", path)
    quick = FetchLimits(connect_s=5, idle_s=10, total_s=30, attempts=2, backoff_s=0.01)
    location = server.serve("/a.ntf", path.read_bytes())
    server.fault(fault, after=1)
    with pytest.raises(RemoteReadError, match=r"a\.ntf: ") as caught:
        _ = reader(location, fetch=quick).header

    assert caught.value.status == status


def test_it_is_held_to_the_limits(tmp_path):
    path = tmp_path / "a.ntf"
    wide("uint64", 1, "B", path)

    with pytest.raises((DecodeError, LimitError), match="more than"):
        BlockImage(str(path), limits=ReadLimits(block_bytes=1000)).read(WHOLE)
