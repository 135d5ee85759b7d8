"""JPEG in NITF: the application segment, restart intervals, colours, and the same streams as GDAL's."""

from __future__ import annotations

import io
import re

import imagecodecs
import numpy as np
import pytest
from pixel_readers import READERS, first_segment

from stacchip_osml.encode.jpeg_streams import restarted_jpeg
from stacchip_osml.encode.nitf.records import NitfFile, NitfImage
from stacchip_osml.encode.nitf.write import write_nitf
from stacchip_osml.imagery.blocks import batch
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.imagery.providers.buffered import BufferedImageAssetProvider
from stacchip_osml.pixel import PixelWindow

RESTART = re.compile(rb"\xff[\xd0-\xd7]")


def ramps(bands: int = 3, shape: tuple[int, int] = (100, 120), dtype: str = "uint8") -> np.ndarray:
    rows, cols = np.mgrid[: shape[0], : shape[1]]
    return np.stack([rows + cols // 2 + 20 * band for band in range(bands)]).astype(dtype)


def area_of(pixels: np.ndarray, **fields: str) -> tuple[bytes, bytes]:
    out = io.BytesIO()
    provider = BufferedImageAssetProvider.from_array(pixels)
    image = NitfImage(pixels=provider, fields={"IC": "C3", "NPPBH": "64", "NPPBV": "64", **fields})
    write_nitf(out, NitfFile(images=(image,)))
    segment = first_segment(out.getvalue())
    at = segment["Data"].get_offset()
    return out.getvalue(), out.getvalue()[at : at + segment["Data"].size]


def markers(stream: bytes) -> list[tuple[int, bytes]]:
    """Marker segments before the scan."""
    at, found = 2, []
    while not found or found[-1][0] != 0xDA:
        length = int.from_bytes(stream[at + 2 : at + 4], "big")
        found.append((stream[at + 1], stream[at + 4 : at + 2 + length]))
        at += 2 + length
    return found


@pytest.mark.parametrize(
    ("bands", "more", "segment"),
    [
        (1, {}, "4e49544600 0200 42 0002 0002 00 08 00 01 00 00 08 01 01 0000"),
        (3, {}, "4e49544600 0200 50 0002 0002 01 08 00 01 00 02 08 01 01 0000"),
        (3, {"IREP": "RGB"}, "4e49544600 0200 50 0002 0002 01 08 00 01 00 01 08 01 01 0000"),
        (2, {"IMODE": "S"}, "4e49544600 0200 53 0002 0002 00 08 00 01 00 00 08 01 01 0000"),
        (1, {"COMRAT": "03.0"}, "4e49544600 0200 42 0002 0002 00 08 03 01 00 00 08 01 01 0000"),
    ],
)
def test_the_application_segment_comes_first_and_says_what_the_stream_is(bands, more, segment):
    _, area = area_of(ramps(bands), **more)

    assert area[:2] == b"\xff\xd8"
    marker, body = markers(area)[0]
    assert marker == 0xE6
    assert body == bytes.fromhex(segment)  # those of one and three bands are GDAL's, byte for byte
    assert all(code != 0xE0 for code, _ in markers(area))


def test_twelve_bits_are_another_process():
    _, area = area_of(ramps(1, dtype="uint16") * np.uint16(20), ABPP="12")

    (_, body), *others = markers(area)
    assert (body[13], body[15], body[18]) == (12, 4, 12)
    frame = dict(others)[0xC1]
    assert frame[0] == 12
    assert int.from_bytes(dict(others)[0xDD], "big") == 64  # all MCUs of the block


@pytest.mark.parametrize(("bands", "step", "interval"), [(1, 8, 8), (3, 16, 4)])
def test_every_row_of_mcus_is_a_restart_interval(bands, step, interval):
    _, area = area_of(ramps(bands), IREP="MONO" if bands == 1 else "YCbCr601")
    stream = area[: area.index(b"\xff\xd9") + 2]

    assert int.from_bytes(dict(markers(stream))[0xDD], "big") == interval
    scan = stream[stream.index(b"\xff\xda") :]
    assert [found[1] - 0xD0 for found in RESTART.findall(scan)] == [n % 8 for n in range(64 // step - 1)]


@pytest.mark.parametrize("subsampled", [True, False])
def test_intervals_change_no_pixel(subsampled):
    samples = np.random.default_rng(2).integers(0, 256, (45, 70, 3), dtype=np.uint8)
    settings = {"subsampling": "420"} if subsampled else {"outcolorspace": "RGB"}
    whole = imagecodecs.jpeg8_encode(samples, level=80, **settings)

    pixels = samples.transpose(2, 0, 1)
    stream = restarted_jpeg(pixels, quality=80, application=b"NITF\0", subsampled=subsampled)

    np.testing.assert_array_equal(imagecodecs.jpeg8_decode(stream), imagecodecs.jpeg8_decode(whole))


@pytest.mark.parametrize("quality", [1, 20, 49, 50, 75, 90, 100])
@pytest.mark.parametrize(
    "shape", [(3, 64, 48), (3, 45, 71), (3, 1, 1), (1, 64, 48), (1, 45, 71), (1, 1, 1), (1, 9, 900)]
)
def test_intervals_are_rows_of_mcus_as_they_are_compressed_alone(shape, quality):
    pixels = (ramps(shape[0], shape[1:]) + np.random.default_rng(3).integers(0, 60, shape)).astype(np.uint8)
    samples = pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0).copy()
    step = 16 if len(pixels) == 3 else 8
    settings = {"subsampling": "420"} if len(pixels) == 3 else {}
    alone = [
        imagecodecs.jpeg8_encode(samples[row : row + step].copy(), level=quality, **settings)
        for row in range(0, shape[1], step)
    ]

    stream = restarted_jpeg(pixels, quality=quality, application=b"NITF\0", subsampled=True)

    assert b"\xff\xdd\0\4" + (-(-shape[2] // step)).to_bytes(2, "big") in stream
    scans = [RESTART.split(each.split(b"\xff\xda", 1)[1][:-2]) for each in (stream, *alone)]
    length = int.from_bytes(scans[0][0][:2], "big")
    assert [scans[0][0][length:], *scans[0][1:]] == [scan[0][length:] for scan in scans[1:]]


def test_colours_are_stored_as_they_are_called():
    for irep, ids in (("YCbCr601", (1, 2, 3)), ("RGB", (0x52, 0x47, 0x42))):
        data, area = area_of(ramps(), IREP=irep)

        frame = dict(markers(area))[0xC0]
        assert tuple(frame[6::3]) == ids
        assert first_segment(data)["subheader"]["IREP"].value == irep
        for reader in ("gdal", "blocks", "jbpy"):
            assert np.abs(READERS[reader](data, fill=0).astype(int) - ramps()).max() < 5


def test_the_three_readers_see_the_same_pixels():
    data, _ = area_of(ramps())

    found = [READERS[reader](data, fill=0) for reader in ("gdal", "blocks", "jbpy")]

    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])


def test_a_downsampled_image_is_one_stream_of_its_own_size():
    data, area = area_of(ramps(1), IC="I1", NPPBH="0", NPPBV="0")

    subheader = first_segment(data)["subheader"]
    assert (subheader["IC"].value, subheader["COMRAT"].value, subheader["NPPBH"].value) == ("I1", "00.0", 120)
    assert dict(markers(area))[0xC0][1:5] == bytes.fromhex("00640078")
    assert np.abs(READERS["jbpy"](data, fill=0).astype(int) - ramps(1)).max() < 5
    assert np.abs(READERS["streams"](data, fill=0).astype(int) - ramps(1)).max() < 5


def test_many_bands_are_streams_of_their_own():
    pixels = (ramps(11, (40, 56), "uint16") // 2).astype(np.uint8)
    for imode in "BS":
        data, area = area_of(pixels, IMODE=imode, NPPBH="32", NPPBV="32")

        assert area.count(b"\xff\xd8\xff\xe6") == 44
        assert np.abs(READERS["jbpy"](data, fill=0).astype(int) - pixels).max() < 5


@pytest.mark.parametrize("imode", ["B", "S"])
def test_bands_read_one_by_one_are_their_own_whatever_the_providers_blocks(imode):
    pixels = np.stack([band * 60 + ramps(1)[0] // 4 for band in range(3)]).astype(np.uint8)
    files = []
    for block in (64, 48, 100):
        provider = BufferedImageAssetProvider.from_array(pixels, block_width=block, block_height=block)
        fields = {"IC": "C3", "IMODE": imode, "IREP": "MULTI", "NPPBH": "64", "NPPBV": "64"}
        out = io.BytesIO()
        write_nitf(out, NitfFile(fields={"FDT": "20200101000000"}, images=(NitfImage(pixels=provider, fields=fields),)))
        files.append(out.getvalue())

    assert files[1] == files[0]
    assert files[2] == files[0]


def test_a_stream_that_gdal_cuts_into_rows_is_decoded_for_the_first_and_for_all_others(tmp_path, monkeypatch):
    path, decoded = str(tmp_path / "one.ntf"), []
    image = NitfImage(pixels=BufferedImageAssetProvider.from_array(ramps()), fields={"IC": "C3", "NPPBH": "0"})
    write_nitf(path, NitfFile(images=(image,)))

    def counted(codec, data, *, rows, decode=batch.decode_block, **how):
        decoded.append(rows)
        return decode(codec, data, rows=rows, **how)

    monkeypatch.setattr(batch, "decode_block", counted)
    source = BlockImage(path)
    assert source.level_grid(0).block_shape == (1, 120)
    rows = np.concatenate([source.get_block(row, 0) for row in range(100)], axis=1)

    assert len(decoded) <= 2
    np.testing.assert_array_equal(rows, source.read(PixelWindow(0, 0, 120, 100)).pixels)
