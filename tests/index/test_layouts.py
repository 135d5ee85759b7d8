"""Stored headers: nothing is lost between a parser and a reader, and nothing is believed unseen."""

import json
import pickle
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stored_scenes import FULL, HEADER, layout_of, require_same_layout, stored_of

from stacchip_osml.errors import IndexSchemaError, LimitError
from stacchip_osml.imagery import BandHeader, GroundControlPoint, ImageHeader, ReadLimits
from stacchip_osml.imagery.blocks.fingerprint import FINGERPRINT_HEAD, FINGERPRINT_TAIL, fingerprint
from stacchip_osml.imagery.blocks.layout import ImageLayout, Unserved
from stacchip_osml.imagery.level_places import LevelPlace
from stacchip_osml.imagery.location import FileStamp
from stacchip_osml.imagery.network.version import RemoteStamp
from stacchip_osml.index.layouts import StoredHeader
from stacchip_osml.pixel import ImageSize

finite = st.floats(allow_nan=False, allow_infinity=False)
finite_places = st.floats(-(2**31), 2**31)
texts = st.none() | st.text(max_size=30)
bands = st.builds(
    BandHeader,
    dtype=st.just("float32"),
    nodata=st.none() | st.floats(allow_nan=False) | st.complex_numbers(allow_nan=False),
    scale=finite,
    offset=finite,
    description=texts,
    color=st.sampled_from(["undefined", "gray", "alpha", "palette"]),
)
headers = st.builds(
    ImageHeader,
    driver=st.sampled_from(["GTiff", "NITF"]),
    levels=st.lists(st.builds(ImageSize, *[st.integers(1, 2**31 - 1)] * 2), min_size=1, max_size=4).map(tuple),
    bands=st.lists(bands, min_size=1, max_size=4).map(tuple),
    block_shape=st.tuples(st.integers(1, 4096), st.integers(1, 4096)),
    transform=st.none() | st.tuples(*[finite] * 6),
    crs=texts,
    gcps=st.lists(st.builds(GroundControlPoint, row=finite, col=finite, x=finite, y=finite, z=finite), max_size=3).map(
        tuple
    ),
    gcps_crs=texts,
    rpcs=st.lists(st.tuples(st.text(max_size=9), st.text(max_size=9)), max_size=3).map(tuple),
    area_or_point=st.sampled_from(["Area", "Point"]),
    mask=st.sampled_from(["none", "nodata", "alpha", "mask"]),
    compression=texts,
    interleave=texts,
    acquired=texts,
    size_bytes=st.none() | st.integers(0, 2**62),
    modified_ns=st.none() | st.integers(0, 2**62),
)


def placed(header, places):
    """Images of most formats say where their levels lie."""
    is_told = header.driver != "GTiff" or places[0].x > 0
    if len(header.levels) == 1 or not is_told:
        return header
    return replace(header, places=(LevelPlace(), *places[: len(header.levels) - 1]))


pixels = st.floats(2**-20, 2**31)
level_places = st.lists(st.builds(LevelPlace, x=finite_places, y=finite_places, dx=pixels, dy=pixels), min_size=3)


@given(header=st.builds(placed, headers, level_places))
def test_every_fact_of_a_header_comes_back(header):
    layout = ImageLayout(levels=tuple(Unserved(reason="not read") for _ in header.levels))
    found, levels = StoredHeader.of(header, layout).unpack(name="image")

    assert found == header
    assert levels == layout or levels.levels == layout.levels
    assert type(found.transform) is type(header.transform)


@pytest.mark.parametrize("header", [HEADER, FULL], ids=["plain", "full"])
def test_a_header_and_its_layout_come_back_as_they_were(header):
    layout = layout_of(header)
    stored = StoredHeader.of(header, layout)
    found, levels = pickle.loads(pickle.dumps(stored)).unpack(name="image")

    assert repr(found) == repr(header)  # NaN is not equal to itself
    require_same_layout(levels, layout)
    assert StoredHeader.of(found, levels) == stored


def test_facts_that_are_as_usual_are_not_written():
    facts = json.loads(stored_of().facts)

    assert facts["bands"] == [{"dtype": "uint16", "nodata": 0.0, "color": "gray"}]
    assert not {"gcps", "rpcs", "area_or_point", "size_bytes", "modified_ns"} & set(facts)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (replace(HEADER, levels=HEADER.levels[:1]), "1 levels in the header, 2 in the layout"),
        (replace(HEADER, levels=(ImageSize(1000, 800), ImageSize(501, 400))), "has blocks for"),
        (replace(HEADER, bands=HEADER.bands * 2), "2 bands of uint16 in the header, 1 of uint16 in the layout"),
        (replace(HEADER, bands=(BandHeader(dtype="int16"),)), "1 bands of int16 in the header, 1 of uint16"),
    ],
)
def test_a_layout_of_another_image_is_refused(header, message):
    with pytest.raises(ValueError, match=message):
        StoredHeader.of(header, layout_of())

    facts = StoredHeader.of(header, ImageLayout(levels=tuple(Unserved(reason="") for _ in header.levels))).facts
    with pytest.raises(IndexSchemaError, match=f"sensor/A/red: its stored header is damaged: .*{message}"):
        replace(stored_of(), facts=facts).unpack(name="sensor/A/red")


@pytest.mark.parametrize(
    "changes",
    [
        {"levels": []},
        {"levels": [[1000, 800], [0, 400]]},
        {"levels": [[1000, 800], [500.0, 400]]},
        {"levels": [[1000, 800], [500, 2**31]]},
        {"levels": 7},
        {"bands": []},
        {"bands": [7]},
        {"bands": [{"dtype": "O"}]},
        {"bands": [{"dtype": "nothing"}]},
        {"bands": [{"dtype": "uint16", "nodata": {}}]},
        {"bands": [{"dtype": "uint16", "nodata": True}]},
        {"bands": [{"dtype": "uint16", "nodata": ["complex"]}]},
        {"bands": [{"dtype": "uint16", "scale": "large"}]},
        {"bands": [{"dtype": "uint16", "description": 3}]},
        {"block_shape": [256]},
        {"block_shape": [256, -1]},
        {"transform": [1, 2, 3]},
        {"transform": [1, 2, 3, 4, 5, float("nan")]},
        {"mask": "some"},
        {"mask": []},
        {"crs": 4326},
        {"gcps": [[1, 2, 3]]},
        {"rpcs": ["x"]},
        {"driver": None, "unknown": 1},
        {"places": [[0, 0, 1, 1]]},
        {"places": [[0, 0, 2, 2], [0, 0, 2, 2]]},
        {"places": [[0, 0, 1, 1], [0, 0, 2]]},
        {"places": [[0, 0, 1, 1], [0, 0, 0, 2]]},
        {"places": [[0, 0, 1, 1], [0, 0, 2, float("nan")]]},
        {"places": [[0, 0, 1, 1], [float("inf"), 0, 2, 2]]},
        {"places": [[0, 0, 1, 1], 2]},
    ],
)
def test_facts_that_cannot_be_are_refused_by_name(changes):
    facts = {**json.loads(stored_of().facts), **changes}

    with pytest.raises(IndexSchemaError, match="sensor/A/red: its stored header is damaged"):
        replace(stored_of(), facts=json.dumps(facts)).unpack(name="sensor/A/red")


@pytest.mark.parametrize("driver", ["JP2OpenJPEG", "NITF", "JPEG"])
def test_a_header_that_does_not_say_where_levels_lie_that_are_not_stretched_is_refused(driver):
    facts = json.loads(stored_of().facts) | {"driver": driver}

    with pytest.raises(IndexSchemaError, match=r"where its levels lie, .* run 'index headers' again"):
        replace(stored_of(), facts=json.dumps(facts)).unpack(name="image")
    old, new = (replace(stored_of(), facts=json.dumps(facts | more)) for more in ({}, {"places": [[0, 0, 1, 1]] * 2}))
    assert (old.lacks_places, new.lacks_places, stored_of().lacks_places) == (True, False, False)
    assert old.rank < new.rank


@pytest.mark.parametrize("facts", ["", "[]", "7", "null", "{", "[" * 100_000, '{"levels": [[1, 1]]}'])
def test_facts_that_are_no_header_are_refused(facts):
    with pytest.raises(IndexSchemaError, match="its stored header is damaged"):
        replace(stored_of(), facts=facts).unpack(name="image")
    with pytest.raises(IndexSchemaError, match="a stored header is damaged"):
        _ = replace(stored_of(), facts=facts).sizes


def test_blocks_that_lie_behind_the_files_end_are_refused():
    with pytest.raises(IndexSchemaError, match="lies outside of its file, of at most 100000 bytes"):
        stored_of(size_bytes=100_000).unpack(name="image")


def test_readers_limits_hold_for_stored_headers():
    with pytest.raises(LimitError, match="image: 1000 x 800 pixels, more than 999 a side"):
        stored_of().unpack(name="image", limits=ReadLimits(side=999))


def never():
    raise AssertionError("the file was read")


SIZE, TIME = HEADER.size_bytes, HEADER.modified_ns


@pytest.mark.parametrize(
    ("stored", "stamp", "now", "answer"),
    [
        ({}, (SIZE, TIME), never, True),
        ({}, (9, TIME), never, False),
        ({}, (SIZE, 5), lambda: "f" * 32, True),
        ({}, (SIZE, 5), lambda: "e" * 32, False),
        ({"modified_ns": None}, (SIZE, 5), lambda: "f" * 32, True),
        ({"modified_ns": None}, (SIZE, TIME), lambda: "e" * 32, False),
        ({"modified_ns": None, "fingerprint": None}, (SIZE, 5), never, False),
        ({"size_bytes": None}, (SIZE, TIME), never, False),
    ],
)
def test_a_header_knows_the_version_of_a_file_that_it_is_of(stored, stamp, now, answer):
    assert stored_of(**stored).is_of_file(FileStamp(*stamp, inode=7), now) is answer


def test_a_header_knows_the_version_of_an_object_that_it_is_of():
    stamp = RemoteStamp(size_bytes=SIZE, etag='"a"', modified="Sat, 01 Nov 2025 00:00:00 GMT")
    header = replace(HEADER, size_bytes=None, modified_ns=None)
    stored = StoredHeader.of(header, layout_of(), remote=stamp)

    assert (stored.size_bytes, stored.etag, stored.last_modified) == (stamp.size_bytes, stamp.etag, stamp.modified)
    assert stored.unpack(name="image")[0].size_bytes == SIZE


def finger(data):
    return fingerprint(lambda offset, size: data[offset : offset + size], len(data))


@pytest.mark.parametrize("size", [0, 1, 100, FINGERPRINT_HEAD, FINGERPRINT_HEAD + 5, 200_000])
def test_a_fingerprint_changes_with_size_beginning_and_end(size):
    data = bytearray(size)
    seen = {finger(data), finger(data + b"\0")}
    for place in {0, size // 3, FINGERPRINT_HEAD - 1, size - FINGERPRINT_TAIL, size - 1} & set(range(size)):
        if place < FINGERPRINT_HEAD or place >= size - FINGERPRINT_TAIL:
            changed = bytearray(data)
            changed[place] = 1
            assert finger(changed) not in seen
            seen.add(finger(changed))
    assert all(len(name) == 32 for name in seen)
