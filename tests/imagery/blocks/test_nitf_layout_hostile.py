"""Headers of NITF and JPEG 2000 files that lie: typed errors, few reads, little memory."""

import random
import struct
import tracemalloc

import imagecodecs
import numpy as np
import pytest
from jpeg2000_files import copied, high_throughput, hills, parsed, with_segment, with_siz
from nitf_block_files import Reads, blocks_of, fields_of, masked, write_nitf

from stacchip_osml.errors import ChipError, DecodeError, LimitError
from stacchip_osml.imagery import ReadLimits
from stacchip_osml.imagery.blocks.layout import LevelLayout, Unserved
from stacchip_osml.imagery.jpeg2000.blocks import parse_jpeg2000
from stacchip_osml.imagery.nitf.blocks import parse_nitf, parse_nitf_segments

WORDS = [b"\xff\xff\xff\xff", b"\0\0\0\0", b"9999", b"\x7f\xff\xff\xff", b"\x80\0\0\0", b"\xff\x90\0\x0a", b"   "]


def subjects(folder):
    """One small file of each kind."""
    pixels = hills(2, 40, 50)
    blocks = blocks_of(pixels, (16, 16), "B")
    jpeg = imagecodecs.jpeg8_encode(hills(1, 32, 32)[0])
    tiled = high_throughput(hills(1, 90, 100), tile=(32, 32), tlm=True, tilepart=3)
    plain = {"NBPP": 8, "COMRAT": "00.0"}
    images = {
        "nc": (fields_of(pixels, (16, 16), "B"), b"".join(blocks)),
        "nm": (fields_of(pixels, (16, 16), "B", IC="NM"), masked([None, *blocks[1:]], pad=0, padded=True)),
        "c3": (fields_of(hills(1, 64, 64), (32, 32), "B", IC="C3", **plain), jpeg * 4),
        "m3": (fields_of(hills(1, 64, 64), (32, 32), "B", IC="M3", **plain), masked([jpeg, None, jpeg, jpeg])),
        "cd": (fields_of(hills(1, 90, 100), (32, 32), "B", IC="CD", COMRAT="N1.0"), tiled),
    }
    files = []
    for name, image in images.items():
        write_nitf(folder / name, [image, images["nc"]])
        files.append((parse_nitf, (folder / name).read_bytes()))
    files.append((parse_jpeg2000, tiled))
    files.append((parse_jpeg2000, high_throughput(hills(3, 90, 100), tile=(32, 32))))
    files.append((parse_jpeg2000, copied(folder / "a.jp2", hills(1, 64, 64))))
    return files


def mutated(data, rng):
    changed = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 5, 20])):
        at = rng.randrange(min(len(changed), rng.choice([64, 600, 1500, len(changed)])) or 1)
        kind = rng.randrange(6)
        if kind == 0:
            changed[at : at + 1] = bytes([rng.randrange(256)])
        elif kind == 1:
            changed[at : at + 1] = bytes([rng.choice(b"0123456789")])
        elif kind in {2, 3}:
            word = rng.choice(WORDS)
            changed[at : at + len(word)] = word
        elif kind == 4:
            del changed[at : at + rng.randrange(1, 20)]
        else:
            del changed[rng.randrange(len(changed) + 1) :]
    return bytes(changed)


def require_possible(layout, size):
    for level in layout.levels:
        if isinstance(level, Unserved):
            assert level.reason
            continue
        rows, cols = level.block_shape
        assert level.offsets.shape == level.counts.shape
        assert level.offsets.dtype == level.counts.dtype == np.int64
        assert level.grid == (-(-level.size.height // rows), -(-level.size.width // cols))
        stored = level.counts > 0
        assert level.counts.min() >= 0
        assert (level.offsets[stored] >= 0).all()
        if size is not None:
            assert not stored.any() or ((level.offsets + level.counts)[stored] <= size).any()


def test_mutated_headers_give_typed_errors_or_places_of_which_some_are_inside_the_file(tmp_path):
    rng = random.Random(20)
    files = subjects(tmp_path)
    served = refused = 0
    for _ in range(4000):
        parse, data = rng.choice(files)
        changed = mutated(data, rng)
        size = len(changed) if rng.random() < 0.8 else None
        reads = Reads(changed)
        try:
            layout = parse(reads, name="a", limits=ReadLimits(), size=size)
            if parse is parse_nitf and rng.random() < 0.2:
                parse_nitf_segments(reads, name="a", limits=ReadLimits(), size=size)
        except (DecodeError, LimitError):
            refused += 1
        else:
            require_possible(layout, size)
            served += isinstance(layout.levels[0], LevelLayout)
    assert served > 400
    assert refused > 400


def peak_of(parse, data, **options):
    """Parse, and tell what came of it and the most memory that it took."""
    tracemalloc.start()
    try:
        outcome = parse(data, **options)
    except ChipError as error:
        outcome = error
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return outcome, peak


def nitf(data):
    return parse_nitf(Reads(data), name="a", limits=ReadLimits(), size=len(data))


def reason(outcome):
    (level,) = set(outcome.levels)
    assert isinstance(level, Unserved)
    return level.reason


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"NROWS": 99_999_999, "NPPBV": 0}, "cut short|blocks, more than"),
        ({"NROWS": 99_999_999, "NCOLS": 99_999_999, "NPPBV": 0, "NPPBH": 0}, "blocks, more than"),
        ({"NCOLS": 9999, "NROWS": 9999, "NBPR": 9999, "NBPC": 9999, "NPPBH": 1, "NPPBV": 1}, "99980001 blocks"),
        ({"NCOLS": 2040, "NROWS": 2040, "NBPR": 2040, "NBPC": 2040, "NPPBH": 1, "NPPBV": 1}, "16 are there"),
    ],
)
def test_a_small_nitf_file_that_claims_to_be_huge_costs_little(tmp_path, fields, expected):
    pixels = hills(1, 4, 4)
    write_nitf(tmp_path / "a", [(fields_of(pixels, (4, 4), "B") | fields, pixels.tobytes())])

    outcome, peak = peak_of(nitf, (tmp_path / "a").read_bytes())

    if expected == "16 are there":
        (level,) = outcome.levels
        size = (tmp_path / "a").stat().st_size
        assert ((level.offsets + level.counts) <= size).sum() == 16
    else:
        assert any(part in reason(outcome) for part in expected.split("|"))
    assert peak < 300 << 20


def test_more_bands_than_the_limit_are_refused_before_they_are_looked_at(tmp_path):
    pixels = hills(12, 4, 4)
    write_nitf(tmp_path / "a", [(fields_of(pixels, (4, 4), "B"), pixels.tobytes())])
    data = (tmp_path / "a").read_bytes().replace(b"000012M ", b"099999M ", 1).replace(b"000012  ", b"099999  ", 1)

    outcome, peak = peak_of(nitf, data)

    assert isinstance(outcome, LimitError)
    assert "99999 bands" in str(outcome)
    assert peak < 1 << 20


def test_a_mask_table_before_more_data_than_there_is_is_not_believed(tmp_path):
    pixels = hills(1, 40, 50)
    blocks = blocks_of(pixels, (16, 16), "B")
    for table, expected in (
        (struct.pack(">IHHH", 10, 4, 0, 0), "mask table has records of 4"),
        (struct.pack(">IHHH", 2**32 - 1, 0, 0, 0), "cut short"),
        (struct.pack(">IHHH", 200, 5, 0, 0), "mask table has records of 5"),
        (struct.pack(">IHHH", 10 + 48, 4, 0, 0) + struct.pack(">12I", *[2**32 - 2] * 12), "cut short"),
    ):
        write_nitf(tmp_path / "a", [(fields_of(pixels, (16, 16), "B", IC="NM"), table + b"".join(blocks))])
        assert expected in reason(nitf((tmp_path / "a").read_bytes()))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\xff" * (1 << 24), "0 JPEG streams"),
        (b"\xff\xd8\xff" + b"\xff\xc4\0\0" * (1 << 22), "0 JPEG streams"),
        (b"\xff\xd8\xff\xd9" * (1 << 20), "no JPEG frame header"),
        (b"\xff\xd8\xff\xd9" * 2000, "2000 JPEG streams"),
        (b"\xff\xd8" + b"\0\xff" * (1 << 23), "0 JPEG streams"),
    ],
)
def test_jpeg_data_without_streams_is_walked_once(tmp_path, data, expected):
    pixels = hills(1, 512, 512)
    fields = fields_of(pixels, (8, 8), "B", IC="C3", NBPP=8, COMRAT="00.0")
    write_nitf(tmp_path / "a", [(fields, data)])

    assert expected in reason(nitf((tmp_path / "a").read_bytes()))


def test_jpeg_blocks_beyond_what_is_walked_are_left_to_gdal(tmp_path):
    pixels = hills(1, 64, 64)
    write_nitf(tmp_path / "a", [(fields_of(pixels, (8, 8), "B", IC="C3", NBPP=8, COMRAT="00.0"), b"")])
    data = bytearray((tmp_path / "a").read_bytes())
    data[369:379] = b"9000000000"
    reads = Reads(bytes(data))

    outcome = parse_nitf(reads, name="a", limits=ReadLimits(), size=None)

    assert "9000000000 bytes of JPEG blocks" in reason(outcome)
    assert reads.calls == 1


def test_tiles_without_end_are_not_followed():
    stream = high_throughput(hills(1, 64, 64), tile=(32, 32))
    head = with_siz(stream[: stream.index(b"\xff\x90\0\x0a")], Xsiz=1600, Ysiz=1600)  # 2500 tiles

    def parts(count, size):
        filler = b"\xff\x93" + bytes(size - 14)
        return b"".join(struct.pack(">HHHIBB", 0xFF90, 10, n % 2500, size, 0, 0) + filler for n in range(count))

    assert "missing or out of order" in reason(parsed(head + parts(400_000, 14)))
    assert "more than 160 reads" in reason(parsed(head + parts(200, 200_000)))


def test_a_table_of_tile_parts_that_do_not_exist_is_dropped():
    stream = high_throughput(hills(1, 64, 64), tile=(32, 32))
    body = b"\0\x60" + struct.pack(">HI", 0, 2**32 - 1) * 5000

    outcome, peak = peak_of(parsed, with_segment(stream, 0xFF55, body))

    assert isinstance(outcome.levels[0], LevelLayout)
    assert peak < 16 << 20


@pytest.mark.parametrize(
    "body", [b"", b"\0", b"\0\x30" + bytes(50), b"\0\x70" + bytes(49), b"\0\x60" + bytes(5), b"\0\x50\1"]
)
def test_a_table_of_tile_parts_in_no_known_form_is_dropped(body):
    stream = high_throughput(hills(1, 64, 64), tile=(32, 32))

    (level, *_) = parsed(with_segment(stream, 0xFF55, body)).levels

    assert isinstance(level, LevelLayout)
    assert level.offsets.min() == stream.index(b"\xff\x90\0\x0a") + 4 + len(body)


def test_many_marker_segments_do_not_add_up():
    stream = high_throughput(hills(1, 64, 64))
    at = stream.index(b"\xff\x90\0\x0a")
    many = stream[:at] + struct.pack(">HHB", 0xFF5C, 3, 0) * 300_000 + stream[at:]

    assert "more than 65536 marker segments" in reason(parsed(many))


def test_boxes_that_lead_nowhere_end():
    opening = b"\0\0\0\x0cjP  \r\n\x87\n"
    for boxes, expected in (
        (struct.pack(">I4s", 8, b"free") * 5000, "more than 256 JP2 boxes"),
        (struct.pack(">I4s", 4, b"free") * 5000, "shorter than its own header"),
        (struct.pack(">I4sQ", 1, b"free", 3) * 50, "shorter than its own header"),
        (struct.pack(">I4s", 2**31, b"jp2h"), "too large"),
    ):
        data = opening + boxes
        assert expected in reason(parsed(data, size=None if expected == "too large" else len(data)))
