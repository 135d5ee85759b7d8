"""Packed layouts: nothing is lost, little is kept, and damage is told."""

import dataclasses
import json
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stacchip_osml.errors import LimitError
from stacchip_osml.imagery import ReadLimits
from stacchip_osml.imagery.blocks import packing
from stacchip_osml.imagery.blocks.integers import PackedSource, pack_integers, unpack_integers
from stacchip_osml.imagery.blocks.layout import BlockCodec, LevelLayout, Unserved
from stacchip_osml.imagery.blocks.packing import pack_level, unpack_level
from stacchip_osml.pixel import ImageSize

PLAIN = BlockCodec(compression="deflate", dtype="uint16", stored="<u2", bits=16, samples=1, predictor=2)
MASK = BlockCodec(compression="deflate", dtype="uint8", stored="|u1", bits=1, samples=1)


def cog_level(side, *, start=16_000, block=512, seed=0, mask=False):
    """A level as GDAL's COG writer places it: 8 bytes from block to block, the mask's block behind the image's."""
    rng = np.random.default_rng(seed)
    grid = -(-side // block)
    shape = (1, 1, grid, grid)
    counts = rng.normal(300_000, 60_000, grid * grid).clip(1000).astype(np.int64)
    masked = rng.integers(40, 400, grid * grid) if mask else np.zeros(grid * grid, np.int64)
    room = counts + 8 + (masked + 8 if mask else 0)
    offsets = start + np.cumsum(room) - room
    common = {"size": ImageSize(side, side), "block_shape": (block, block), "short_edge": False}
    return LevelLayout(
        **common,
        codec=PLAIN,
        offsets=offsets.reshape(shape),
        counts=counts.reshape(shape),
        mask=LevelLayout(
            **common, codec=MASK, offsets=(offsets + counts + 8).reshape(shape), counts=masked.reshape(shape)
        )
        if mask
        else None,
    )


def require_same(one, two):
    """Everything but the offsets of parts that are not stored."""
    for name in ("size", "block_shape", "short_edge", "codec"):
        assert getattr(one, name) == getattr(two, name)
    np.testing.assert_array_equal(one.counts, two.counts)
    np.testing.assert_array_equal(np.where(one.counts, one.offsets, 0), two.offsets)
    assert two.offsets.dtype == two.counts.dtype == np.int64
    assert (one.mask is None) == (two.mask is None)
    if one.mask is not None:
        require_same(one.mask, two.mask)
    assert len(one.below) == len(two.below)
    for part, other in zip(one.below, two.below, strict=True):
        require_same(part, other)


codecs = st.builds(
    BlockCodec,
    compression=st.sampled_from(["none", "deflate", "jpeg", "lerc_zstd", "jpeg2000"]),
    dtype=st.sampled_from(["uint8", "int16", "float32", "complex64"]),
    stored=st.sampled_from([">u2", "|u1", "<f4", "<c8", "uint16"]),
    bits=st.integers(1, 64),
    samples=st.integers(1, 4),
    order=st.sampled_from(["pixel", "row", "band"]),
    predictor=st.integers(1, 3),
    color=st.sampled_from(["stored", "rgb"]),
    pairs=st.booleans(),
    shared=st.binary(max_size=300),
    reduce=st.integers(0, 5),
    invert=st.booleans(),
)


@st.composite
def placed(draw, *, size, codec, planes):
    """Blocks of one image anywhere in a file, some of them not stored."""
    block = draw(st.tuples(st.integers(8, 200), st.integers(8, 200)))
    shape = (draw(st.integers(1, 3)), planes, -(-size.height // block[0]), -(-size.width // block[1]))
    rng = np.random.default_rng(draw(st.integers(0, 9)))
    count = int(np.prod(shape))
    counts = rng.integers(draw(st.sampled_from([0, 1])), draw(st.sampled_from([2, 300, 2**33])), count)
    match draw(st.sampled_from(["anywhere", "rule", "rule with exceptions"])):
        case "anywhere":
            offsets = rng.integers(0, 2**59, count)
        case "rule":
            offsets = 8 + np.cumsum(counts + 8) - counts
        case _:
            offsets = 8 + np.cumsum(counts + 8) - counts + np.where(rng.random(count) < 0.1, 1 << 40, 0)
    return LevelLayout(
        size=size,
        block_shape=block,
        short_edge=draw(st.booleans()),
        codec=codec,
        offsets=offsets.astype(np.int64).reshape(shape),
        counts=counts.astype(np.int64).reshape(shape),
    )


@st.composite
def levels(draw):
    size = ImageSize(draw(st.integers(1, 900)), draw(st.integers(1, 900)))
    level = draw(placed(size=size, codec=draw(codecs), planes=draw(st.integers(1, 3))))
    match draw(st.sampled_from(["alone", "masked", "over others"])):
        case "masked":
            level = dataclasses.replace(level, mask=draw(placed(size=size, codec=MASK, planes=1)))
        case "over others":
            codec = dataclasses.replace(level.codec, shared=draw(st.binary(max_size=9)))
            sizes = [ImageSize(size.width, height) for height in draw(st.lists(st.integers(1, 300), max_size=3))]
            below = [draw(placed(size=each, codec=codec, planes=level.planes)) for each in sizes]
            level = LevelLayout.stacked([level, *below])
    return level


@settings(max_examples=200)
@given(level=levels())
def test_a_level_comes_back_as_it_was(level):
    packed = pack_level(level)

    require_same(level, unpack_level(packed, end=1 << 60))
    assert pack_level(unpack_level(packed)) == packed


def stacked(count=2, **changes):
    """Levels of one width below each other; ``changes`` are of the last."""
    size, blocks = ImageSize(30, 20), np.ones((1, 1, 1, 1), np.int64)
    codec = BlockCodec(compression="deflate", dtype="uint8", stored="|u1", bits=8, samples=1)
    level = LevelLayout(
        size=size, block_shape=(32, 32), short_edge=False, codec=codec, offsets=9 * blocks, counts=blocks
    )
    return LevelLayout.stacked([*([level] * (count - 1)), dataclasses.replace(level, **changes)])


def test_as_many_parts_as_a_nitf_file_may_have_segments_come_back():
    level = stacked(999)
    assert level.size == ImageSize(30, 999 * 20)
    require_same(level, unpack_level(pack_level(level)))


@pytest.mark.parametrize(
    "changes",
    [
        {"size": ImageSize(29, 20)},
        {"codec": BlockCodec(compression="deflate", dtype="int8", stored="i1", bits=8, samples=1)},
        {"codec": BlockCodec(compression="deflate", dtype="uint8", stored="|u1", bits=8, samples=2)},
    ],
)
def test_parts_that_cannot_lie_below_each_other_are_damage(changes):
    with pytest.raises(ValueError, match="below it is of another width, or of other bands"):
        unpack_level(pack_level(stacked(**changes)))


def test_what_has_something_below_it_has_no_mask():
    level = stacked()
    (top, _), message = level.apart, "neither has what lies above or below other blocks"
    for wrong in (dataclasses.replace(level, mask=top), stacked(mask=top), stacked(below=(top,))):
        with pytest.raises(ValueError, match=message):
            pack_level(wrong)


@given(reason=st.text(max_size=900))
def test_why_a_level_is_not_served_comes_back(reason):
    assert unpack_level(pack_level(Unserved(reason=reason))) == Unserved(reason=reason)


@given(
    values=st.lists(st.integers(-(2**62), 2**62 - 1) | st.integers(-3, 3), min_size=1, max_size=300),
    more=st.binary(max_size=3),
)
def test_integers_come_back_and_what_follows_them_stays(values, more):
    source = PackedSource(pack_integers(np.array(values, np.int64)) + more, 0)
    low, high = min(values), max(values)
    if high - low < 2**63:
        assert unpack_integers(source, len(values)).tolist() == values
        assert source.take(len(more), 3) == more


def test_a_band_of_a_sentinel_tile_takes_less_than_three_kilobytes():
    sides = (10_980, 5_490, 2_745, 1_373, 687)
    packed = [
        pack_level(cog_level(side, start=16_000 + number * 2**30, seed=number)) for number, side in enumerate(sides)
    ]

    assert sum(map(len, packed)) < 2600


def test_blocks_that_alternate_with_their_masks_cost_no_offsets():
    level = cog_level(10_980, mask=True)
    alone = dataclasses.replace(level, mask=None)
    integers = sum(len(pack_integers(one.counts.ravel())) for one in (level, level.mask))

    assert len(pack_level(level)) < integers + 400
    assert len(pack_level(alone)) > len(pack_integers(level.counts.ravel())) + 400


def test_blocks_that_are_not_stored_cost_nothing():
    shape = (1, 1, 1000, 1000)
    level = LevelLayout(
        size=ImageSize(256_000, 256_000),
        block_shape=(256, 256),
        short_edge=False,
        codec=PLAIN,
        offsets=np.zeros(shape, np.int64),
        counts=np.zeros(shape, np.int64),
    )

    assert len(pack_level(level)) < 200
    require_same(level, unpack_level(pack_level(level)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"counts": -1}, "must not be negative"),
        ({"offsets": -1}, "must not be negative"),
        ({"offsets": 1 << 61}, "beyond any file's end"),
    ],
)
def test_a_layout_that_no_file_can_have_is_not_packed(changes, message):
    level = cog_level(1000)
    (name, value), *_ = changes.items()
    level = dataclasses.replace(level, **{name: np.full_like(level.counts, value)})

    with pytest.raises(ValueError, match=message):
        pack_level(level)


def test_a_grid_that_does_not_cover_the_image_is_not_packed():
    level = dataclasses.replace(cog_level(1000), size=ImageSize(5000, 1000))

    with pytest.raises(ValueError, match=r"offsets and .* counts for"):
        pack_level(level)


def test_more_parts_than_may_be_packed_are_refused(monkeypatch):
    monkeypatch.setattr(packing, "MAX_PARTS", 3)

    with pytest.raises(LimitError, match="4 parts of blocks, at most 3"):
        pack_level(cog_level(1000))


def test_a_block_behind_the_files_end_is_refused():
    level = cog_level(1000)
    end = int((level.offsets + level.counts).max())

    require_same(level, unpack_level(pack_level(level), end=end))
    with pytest.raises(ValueError, match="lies outside of its file, of at most"):
        unpack_level(pack_level(level), end=end - 1)


def test_readers_limits_hold_for_what_was_stored():
    packed = pack_level(cog_level(1000))

    with pytest.raises(LimitError, match="held: 1000 x 1000 pixels, more than 999"):
        unpack_level(packed, limits=ReadLimits(side=999), name="held")
    two = pack_level(dataclasses.replace(cog_level(1000), codec=dataclasses.replace(PLAIN, samples=2)))
    with pytest.raises(LimitError, match="held: 2 bands, more than 1"):
        unpack_level(two, limits=ReadLimits(bands=1), name="held")


def with_head(changes, *, of="image", level=None):
    """A packed level whose head says something else."""
    packed = pack_level(cog_level(1000) if level is None else level)
    size = packed[1] | 0
    at = 2
    if size > 127:
        size, at = (size & 127) | packed[2] << 7, 3
    head = json.loads(packed[at : at + size])
    target = head[of] if of else head
    target.update(changes)
    text = json.dumps(head, separators=(",", ":"), sort_keys=True).encode()
    return bytes([packed[0], (len(text) & 127) | 128, len(text) >> 7]) + text + packed[at + size :]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size": [2**31 - 1, 2**31 - 1], "block": [1, 1]}, "claims 4611686014132420609 parts of blocks, at most"),
        ({"stack": [2**31 - 1, 2**31 - 1]}, "parts of blocks, at most"),
        ({"size": [0, 5]}, "two positive numbers"),
        ({"size": [True, 5]}, "two positive numbers"),
        ({"size": 5}, "two positive numbers"),
        ({"block": [2**31, 5]}, "two positive numbers"),
        ({"stack": [1, 1, 1]}, "two positive numbers"),
        ({"shared": -1}, "-1 shared bytes"),
        ({"shared": 2**40}, "shared bytes"),
        ({"shared": 1 << 24}, "claims 16777216 bytes where at most"),
        ({"codec": None}, "a codec is None"),
        ({"codec": {"compression": "none"}}, "is not possible"),
        ({"codec": {"unknown": 1}}, "a codec is"),
    ],
)
def test_a_head_that_claims_what_cannot_be_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        unpack_level(with_head(changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"dtype": "O"},
        {"dtype": "V1000000000"},
        {"dtype": "uint16,uint16"},
        {"stored": ">u3"},
        {"stored": 5},
        {"bits": 0},
        {"samples": 0},
        {"samples": 2**40},
        {"samples": 1.0},
        {"predictor": 7},
        {"predictor": True},
        {"order": "any"},
        {"reduce": 99},
        {"pairs": 1},
        {"compression": "../../x"},
    ],
)
def test_a_codec_that_cannot_be_is_refused(changes):
    codec = {"compression": "none", "dtype": "uint8", "stored": "|u1", "bits": 8, "samples": 1}

    with pytest.raises(ValueError, match="is not possible"):
        unpack_level(with_head({"codec": codec | changes}))


def test_a_mask_of_another_size_or_of_several_bands_is_refused():
    level = cog_level(1000, mask=True)
    for changes in ({"size": [999, 1000]}, {"stack": [1, 2]}):
        with pytest.raises(ValueError, match="its mask is not one band of the image's size"):
            unpack_level(with_head(changes, of="mask", level=level))


def test_deflated_integers_that_give_more_than_they_may_are_refused_without_being_kept():
    bomb = zlib.compressobj(9, zlib.DEFLATED, -15)
    data = bomb.compress(bytes(10_000_000)) + bomb.flush()
    packed = b"\0\1" + bytes([(len(data) & 127) | 128, len(data) >> 7]) + data

    with pytest.raises(ValueError, match=r"claims .* bytes where at most 100 are"):
        unpack_integers(PackedSource(packed, 0), 100)
    with pytest.raises(ValueError, match="are 20000, or more, where 20000 belong"):
        unpack_integers(PackedSource(packed, 0), 20_000)


@settings(max_examples=300)
@given(data=st.data())
def test_damaged_bytes_give_a_layout_inside_the_file_or_a_value_error(data):
    packed = bytearray(pack_level(cog_level(3000, mask=data.draw(st.booleans()))))
    for _ in range(data.draw(st.integers(1, 4))):
        packed[data.draw(st.integers(0, len(packed) - 1))] = data.draw(st.integers(0, 255))
    packed = bytes(packed[: data.draw(st.integers(0, len(packed)))]) if data.draw(st.booleans()) else bytes(packed)
    end = 10**9
    try:
        found = unpack_level(packed, end=end)
    except (ValueError, LimitError):
        return
    for level in (found, found.mask):
        if level is not None:
            assert (level.counts >= 0).all()
            assert (level.offsets >= 0).all()
            assert (level.offsets + level.counts <= end).all()


@pytest.mark.parametrize(
    "data", [b"", b"\x02", b"\x01", b"\x01\x05{}", b"\x01\x02[]", b"\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff"]
)
def test_what_is_no_packed_level_is_refused(data):
    with pytest.raises(ValueError, match=r"format|ends before|claims|its head|does not end"):
        unpack_level(data)
