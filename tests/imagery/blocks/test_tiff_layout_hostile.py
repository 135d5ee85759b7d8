"""Headers that lie: a typed error or a layout of bounded size, after few reads."""

import struct
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiff_assembler import (
    BITS,
    COMPRESSION,
    HEIGHT,
    JPEG_TABLES,
    PLANAR,
    ROWS_PER_STRIP,
    SAMPLES,
    STRIP_COUNTS,
    STRIP_OFFSETS,
    SUBFILE,
    TILE_LENGTH,
    TILE_WIDTH,
    WIDTH,
    Directory,
    assemble,
    gray,
)
from tiff_reference import Reads

from stacchip_osml.errors import ChipError, DecodeError, LimitError, RemoteReadError
from stacchip_osml.imagery.blocks.layout import ImageLayout, LevelLayout, Unserved
from stacchip_osml.imagery.limits import ReadLimits
from stacchip_osml.imagery.tiff.levels import parse_tiff

LONG, LONG8 = 4, 16


def parse(data, *, sized=True, limits=None):
    reads = Reads(data)
    size = len(data) if sized else None
    return parse_tiff(reads, name="a.tif", limits=limits or ReadLimits(), size=size), reads


def seeds():
    """Files of all the forms that there are, small."""
    strip = bytes(range(256)) * 2
    tags = {
        SAMPLES: 2,
        BITS: (3, [8, 8]),
        JPEG_TABLES: b"\xff\xd8" * 20,
        338: 0,
        339: (3, [1, 1]),
        50674: (LONG, [4, 1]),
    }
    many = gray(64, 48, [strip] * 12, tags={**tags, ROWS_PER_STRIP: 8, 284: 2})
    tiles = gray(64, 48, [strip] * 12, tags={TILE_WIDTH: 16, TILE_LENGTH: 16, COMPRESSION: 8, 317: 2})
    overview = gray(32, 24, [strip] * 3, tags={SUBFILE: 1})
    mask = gray(64, 48, [strip], tags={SUBFILE: 4, BITS: 1})
    subs = gray(64, 48, [strip] * 6, subs=[overview, mask])
    for big in (False, True):
        for order in "<>":
            yield assemble(many, order=order, big=big)
            yield assemble(tiles, overview, mask, gray(32, 24, [strip], tags={SUBFILE: 5}), order=order, big=big)
            yield assemble(subs, order=order, big=big)


SEEDS = list(seeds())
VALUES = [0, 1, 2, 3, 4, 7, 8, 255, 256, 4096, 65535, 2**16, 2**31 - 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1]
words = st.one_of(st.sampled_from(VALUES), st.integers(0, 2**64 - 1))
edits = st.lists(
    st.tuples(st.integers(0, 400), st.sampled_from([1, 2, 4, 8]), st.sampled_from("<>"), words), min_size=1, max_size=6
)


@settings(max_examples=400)
@given(seed=st.sampled_from(SEEDS), changes=edits, cut=st.one_of(st.none(), st.integers(0, 4000)), sized=st.booleans())
def test_any_change_of_a_header_gives_a_layout_or_a_typed_error(seed, changes, cut, sized):
    data = bytearray(seed)
    for at, size, order, value in changes:
        packed = (value % (1 << 8 * size)).to_bytes(size, "little" if order == "<" else "big")
        data[at : at + size] = packed[: max(len(data) - at, 0)]
    began = time.process_time()
    require_sane(outcome(bytes(data[:cut]), sized=sized))
    assert time.process_time() - began < 5


@settings(max_examples=200)
@given(
    head=st.sampled_from([b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08", b"II+\0\x08\0\0\0\x10" + bytes(7)]), rest=st.binary()
)
def test_any_bytes_give_a_layout_or_a_typed_error(head, rest):
    require_sane(outcome(head + rest))


def outcome(data, *, sized=True):
    try:
        return parse(data, sized=sized)[0]
    except (DecodeError, LimitError) as error:
        return error


def require_sane(layout):
    """What whoever plans reads from a layout believes; an error names the file."""
    if isinstance(layout, ChipError):
        assert str(layout).startswith("a.tif: ")
        return
    assert isinstance(layout, ImageLayout)
    assert layout.levels
    for level in layout.levels:
        for one in (level, getattr(level, "mask", None)):
            if not isinstance(one, LevelLayout):
                assert one is None or one.reason
                continue
            rows, cols = one.block_shape
            assert one.offsets.shape == one.counts.shape
            assert one.offsets.dtype == one.counts.dtype == np.int64
            assert one.grid == (-(-one.size.height // rows), -(-one.size.width // cols))
            assert int(one.offsets.min()) >= 0
            assert int(one.counts.min()) >= 0
            assert int(one.offsets.max()) + int(one.counts.max()) <= 1 << 60
            decoded = rows * cols * one.codec.samples * one.codec.kind.itemsize
            assert decoded <= ReadLimits().block_bytes
            assert int(one.counts.max()) <= 4 * decoded + (1 << 20)
            assert np.dtype(one.codec.stored).itemsize * 8 * (2 if one.codec.pairs else 1) >= one.codec.bits


@pytest.mark.parametrize("head", [b"", b"II", b"II*\0", b"II*\0\x08\0\0", b"II+\0\x08\0\0\0\0\0"])
def test_a_file_that_ends_in_its_first_bytes_is_no_image(head):
    with pytest.raises(DecodeError, match=r"a\.tif: (not a TIFF|ends in its header)"):
        parse(head)


@pytest.mark.parametrize("head", [b"XX*\0\x08\0\0\0", b"II\x2c\0\x08\0\0\0", b"II+\0\x04\0\0\0" + bytes(8)])
def test_other_formats_are_no_tiffs(head):
    with pytest.raises(DecodeError, match=r"a\.tif: not a TIFF"):
        parse(head + bytes(100))


def test_a_file_without_a_directory_holds_no_image():
    with pytest.raises(DecodeError, match=r"a\.tif: has no directory"):
        parse(b"II*\0" + bytes(20))


def test_a_directory_of_too_many_entries_is_none():
    for count in (0, 4097):
        with pytest.raises(DecodeError, match=f"a directory of {count} entries at 8, expected 1 to 4096"):
            parse(b"II*\0\x08\0\0\0" + struct.pack("<H", count) + bytes(60000))


def test_a_link_may_be_missing_behind_the_last_directory():
    data = assemble(Directory({WIDTH: 8, HEIGHT: 8, BITS: 8, STRIP_OFFSETS: 8, STRIP_COUNTS: 64}))

    layout, _ = parse(data[:-4])

    assert layout.levels[0].size == (8, 8)


@pytest.mark.parametrize("sized", [True, False])
def test_a_table_is_not_allocated_for_before_the_file_has_it(sized):
    tags = {WIDTH: 2**20, HEIGHT: 2**20, TILE_WIDTH: 512, TILE_LENGTH: 512, COMPRESSION: 8}
    data = bytearray(assemble(gray(1, 1, [b"1", b"2"], tags=tags)))
    for tag in (324, 325):
        place = data.index(struct.pack("<HH", tag, LONG))
        struct.pack_into("<II", data, place + 4, 2**32 - 1, 8)

    with pytest.raises(DecodeError, match=r"a\.tif: ends before its header does, no 16777216 bytes at 8"):
        parse(bytes(data), sized=sized)


def test_more_blocks_than_can_be_held_are_left():
    tags = {TILE_WIDTH: 16, TILE_LENGTH: 16, COMPRESSION: 8}

    layout, _ = parse(assemble(gray(2**16, 2**16, [b"1", b"2"], tags=tags)))

    assert layout.levels == (Unserved(reason="1 x 4096 x 4096 blocks, more than 4194304"),)


def test_a_block_stored_in_more_bytes_than_any_codec_needs_is_left():
    tags = {COMPRESSION: 8, STRIP_COUNTS: (LONG, [2**31])}

    layout, _ = parse(assemble(gray(64, 48, [b"1"], tags=tags)))

    assert layout.levels == (Unserved(reason="blocks of up to 2147483648 bytes, where 1060864 would hold any"),)


def test_places_past_any_file_stay_past_it():
    tags = {COMPRESSION: 8, STRIP_OFFSETS: (LONG8, [2**64 - 1])}

    layout, _ = parse(assemble(gray(64, 48, [b"1"], tags=tags), big=True))

    assert layout.levels[0].offsets.tolist() == [[[[1 << 59]]]]


def test_a_chain_strewn_over_a_file_is_left_after_a_thousand_reads():
    step = 1 << 20
    page = assemble(gray(8, 8, [bytes(64)]))[8:]

    def read(offset, size):
        """Pages without end, one every MiB, each linking to the next."""
        if offset < 8:
            return b"II*\0" + struct.pack("<I", step) + bytes(size - 8)
        inside = offset % step
        piece = page[inside : inside + size]
        link = page.index(bytes(4), 2 + 12 * 9)
        data = bytearray(page)
        struct.pack_into("<I", data, link, offset - inside + step)
        reads.append(offset)
        return bytes(data[inside : inside + size]) if piece else bytes(size)

    reads = []

    layout = parse_tiff(read, name="a.tif", limits=ReadLimits())

    assert layout.levels == (Unserved(reason="its directories take more than 268435456 bytes or 1000 reads"),)
    assert len(reads) <= 1000


def test_what_reading_raises_is_passed_on():
    def read(offset, size):
        raise RemoteReadError("https://example.com/a.tif", status=503, attempts=4)

    with pytest.raises(RemoteReadError, match="status 503 after 4 attempts"):
        parse_tiff(read, name="a.tif", limits=ReadLimits())


def test_a_reader_that_gives_less_than_asked_is_a_short_file():
    data = SEEDS[1]

    with pytest.raises(ChipError, match=r"a\.tif: ends before its header does"):
        parse_tiff(lambda offset, size: data[offset : offset + 20], name="a.tif", limits=ReadLimits())


@pytest.mark.parametrize("tag", [STRIP_OFFSETS, STRIP_COUNTS])
def test_a_table_that_lacks_blocks_of_whole_bands_is_left_to_gdal(tag):
    strips = [bytes(range(100))] * 3
    directory = gray(10, 10, strips, tags={SAMPLES: 3, PLANAR: 2, ROWS_PER_STRIP: 10, tag: (4, [300, 100])})

    (level,) = parse(assemble(directory))[0].levels

    assert isinstance(level, Unserved)
    assert level.reason == "2 places or sizes of 3 blocks in 3 planes"
