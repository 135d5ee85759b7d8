"""Real NITF and JPEG 2000 files: what is served is what GDAL delivers, and what is not says why."""

import logging
import re

import jbpy
import numpy as np
import pytest
from jpeg2000_files import assembled as assembled_tiles
from jpeg2000_files import parsed
from nitf_block_files import Reads, assembled, layout_of

from stacchip_osml.errors import ChipError
from stacchip_osml.imagery import GdalImage, ReadLimits
from stacchip_osml.imagery.blocks.layout import LevelLayout, Unserved
from stacchip_osml.imagery.blocks.read_ahead import ReadAhead
from stacchip_osml.imagery.nitf.blocks import parse_nitf, parse_nitf_segments
from stacchip_osml.imagery.nitf.fields import read_segments, read_subheader
from stacchip_osml.pixel import PixelWindow

JPEG_2000 = (b"\xff\x4f\xff\x51", b"\0\0\0\x0c")
NITF = (b"NITF", b"NSIF")
KNOWN_REASONS = re.compile(
    r"IC=[CM][14]: |JPEG decoded at a fraction|its JPEG streams rely on default tables|its image data is cut short|"
    r"0 JPEG streams for 20 blocks|samples of 1 bits, IMODE=B and 2 bands|"
    r"(the )?JPEG 2000 (components are (subsampled|signed)|components differ in depth|packet headers are packed|"
    r"tiles of \d+ x \d+ are too small|codestream is cut short|tiles of level \d+ are not a regular grid|"
    r"tile-parts are missing)|\d+ of \d+ JPEG 2000 tiles are missing|marker [0-9a-f]{4} in its JPEG 2000 main header"
)
LARGEST = 250_000
"""Pixels that are compared one by one, all bands together."""


def files(folder, magics):
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.stat().st_size < 20_000_000:
            with path.open("rb") as opened:
                if opened.read(4) in magics:
                    yield path


@pytest.fixture(scope="module")
def nitf_files(real_data):
    return list(files(real_data, NITF))


@pytest.fixture(scope="module")
def jpeg_2000_files(real_data):
    return [path for path in files(real_data, JPEG_2000) if path.parent.name in {"j2k", "hostile"}]


def held_against_gdal(path, layout, pixels_of):
    """Compare a layout with GDAL's header and pixels; give what was served and why not."""
    told = [f"served {level.codec.compression}" for level in layout.levels if isinstance(level, LevelLayout)]
    told += [level.reason for level in layout.levels if isinstance(level, Unserved)]
    image = GdalImage(str(path))
    try:
        header = image.header
    except ChipError:
        return told  # neither does GDAL read it
    first = layout.levels[0]
    if len(layout.levels) == 1 and isinstance(first, Unserved):
        return told
    assert len(layout.levels) == len(header.levels), path
    for level, size in zip(layout.levels, header.levels, strict=True):
        if isinstance(level, LevelLayout):
            assert level.size == size, path
            assert [level.codec.dtype] * level.bands == [band.dtype for band in header.bands], path
    if isinstance(first, LevelLayout) and first.size.width * first.size.height * first.bands <= LARGEST:
        found = pixels_of(first, path.read_bytes())
        if found is not None:
            try:
                expected = image.read(PixelWindow(0, 0, *first.size)).pixels
            except ChipError:
                return told
            np.testing.assert_array_equal(found, expected, err_msg=str(path))
            told.append("pixels equal")
    return told


def uncompressed(level, data):
    plain = level.codec.compression == "none" and level.codec.bits % 8 == 0 and level.counts.all()
    whole = int((level.offsets + level.counts).max()) <= len(data)
    return assembled(level, data) if plain and whole else None


def test_nitf_layouts_are_gdals_levels_bands_and_pixels_or_say_why_not(nitf_files):
    told = []
    for path in nitf_files:
        try:
            layout = layout_of(path)
        except ChipError:
            with pytest.raises(ChipError):
                _ = GdalImage(str(path)).header
            continue
        told += held_against_gdal(path, layout, uncompressed)

    assert told.count("served none") >= 30
    assert told.count("served jpeg2000") >= 50
    assert told.count("served jpeg") >= 7
    assert told.count("pixels equal") >= 25
    unknown = {reason for reason in told if not reason.startswith(("served", "pixels"))}
    assert {reason for reason in unknown if not KNOWN_REASONS.match(reason) and " is '" not in reason} == set()


def test_jpeg_2000_layouts_are_gdals_levels_bands_and_pixels_or_say_why_not(jpeg_2000_files):
    told = []
    for path in jpeg_2000_files:
        try:
            layout = parsed(path.read_bytes())
        except ChipError:
            with pytest.raises(ChipError):
                _ = GdalImage(str(path)).header
            continue
        hostile = path.parent.name == "hostile"
        told += held_against_gdal(path, layout, (lambda *_: None) if hostile else assembled_tiles)

    assert told.count("served jpeg2000") >= 100
    assert told.count("served htj2k") >= 2
    assert told.count("pixels equal") >= 45
    unknown = {reason for reason in told if not reason.startswith(("served", "pixels"))}
    assert {reason for reason in unknown if not KNOWN_REASONS.match(reason) and " JP2 box " not in reason} == set()


def value_of(file, number):
    """LISH, as the file header says."""
    return file["FileHeader"][f"LISH{number + 1:03d}"].value


def test_fields_and_places_are_those_that_jbpy_reads(nitf_files, monkeypatch):
    monkeypatch.setattr(logging.root.manager, "disable", logging.CRITICAL)  # jbpy tells of every odd field
    compared = moved = 0
    for path in [path for path in nitf_files if path.parent.name != "hostile"]:
        with path.open("rb") as opened:
            magic = opened.read(9)
            opened.seek(0)
            file = jbpy.Jbp()
            if magic == b"NITF02.00" or "ns3321a" in path.name:  # jbpy reads neither 2.0 nor this one
                continue
            file.load(opened)
        if not len(file["ImageSegments"]):
            continue
        data = path.read_bytes()
        ahead = ReadAhead(Reads(data), name=path.name, size=len(data), reads=99)
        segments = read_segments(ahead)
        assert len(segments) == len(file["ImageSegments"])
        for segment, expected in zip(segments, file["ImageSegments"], strict=True):
            subheader = expected["subheader"]
            value = {name: subheader[name].value for name in subheader if hasattr(subheader[name], "value")}
            image = read_subheader(ahead, segment, ReadLimits())
            place = expected["Data"].get_offset()
            # Some files say that their subheader is longer than its fields: GDAL believes them, jbpy does not.
            assert segment.data == place or segment.data - segment.subheader == value_of(file, segment.number)
            moved += segment.data != place
            assert segment.end - segment.data == expected["Data"].size
            assert image.size == (value["NCOLS"], value["NROWS"])
            assert (image.pvtype, image.ic, image.imode) == (value["PVTYPE"], value["IC"], value["IMODE"])
            assert image.bands == value.get("XBANDS", value["NBANDS"])
            assert image.grid == (value["NBPC"], value["NBPR"])
            assert image.block_shape == (value["NPPBV"], value["NPPBH"])
            assert image.bits == value["NBPP"]
            compared += 1

    assert compared >= 55
    assert moved <= 4


def test_headers_are_found_in_one_to_three_reads(nitf_files):
    calls = []
    for path in [path for path in nitf_files if path.parent.name != "hostile"]:
        reads = Reads(path.read_bytes())
        if reads.data[342:354] == b"9" * 12:  # written as a stream, its lengths are at its end
            continue
        if "p1_05b" in path.name:  # a JPEG 2000 main header of 229 segments, 100 kB
            continue
        try:
            levels = parse_nitf(reads, name=path.name, limits=ReadLimits(), size=len(reads.data)).levels
        except ChipError:
            continue
        if isinstance(levels[0], LevelLayout):
            calls.append(reads.calls)

    assert max(calls) <= 3
    assert np.median(calls) == 1


def test_all_segments_of_a_file_can_be_had(real_data):
    path = real_data / "nitf" / "imaging-nitf__two_images_jp2.ntf"
    reads = Reads(path.read_bytes())

    layouts = parse_nitf_segments(reads, name=path.name, limits=ReadLimits(), size=len(reads.data))

    assert [layout.levels[0].codec.compression for layout in layouts] == ["none", "jpeg2000"]
