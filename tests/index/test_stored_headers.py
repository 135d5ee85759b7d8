"""Block layouts in an index: saved, opened, merged, queried, exported and moved without loss."""

import base64
import pickle
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stored_scenes import FULL, layout_of, require_same_layout, stored_of, with_stored

from stacchip_osml import ChipIndex, merge
from stacchip_osml.errors import CommitConflict, IndexSchemaError, LimitError
from stacchip_osml.imagery.blocks.layout import ImageLayout, LevelLayout, Unserved
from stacchip_osml.imagery.network.version import RemoteStamp
from stacchip_osml.index import tables
from stacchip_osml.index.headers import HEADER_SCHEMA, headers_from_table, headers_to_table
from stacchip_osml.index.layouts import StoredHeader
from stacchip_osml.index.tables import SideTables

STAMP = RemoteStamp(size_bytes=FULL.size_bytes, etag='"abc"', modified="Sat, 01 Nov 2025 00:00:00 GMT")
FORMS = ["index.parquet", "index"]


@pytest.fixture(scope="module")
def bare(build):
    return build("A", "B", "C", assets=("red", "nir"))


@pytest.fixture(scope="module")
def index(bare):
    """Layouts for all images but one; one image has a mask band and three bands, one is not served."""
    made = {
        ("sensor", "B", "nir"): StoredHeader.of(FULL, layout_of(FULL), remote=STAMP),
        ("sensor", "C", "nir"): StoredHeader.of(FULL, ImageLayout(levels=(Unserved(reason="its codec"),) * 2)),
        ("sensor", "C", "red"): None,
    }
    return with_stored(bare, lambda key: made.get(key, stored_of(seed=ord(key[1]))))


@pytest.mark.parametrize("form", FORMS)
def test_layouts_come_back_as_they_were_saved(index, tmp_path, form):
    index.save(tmp_path / form)
    opened = ChipIndex.open(tmp_path / form)

    assert opened.tables == index.tables
    assert opened.check() == []
    header, layout = opened.tables.headers["sensor", "B", "nir"].unpack()
    assert repr(header) == repr(FULL)
    require_same_layout(layout, layout_of(FULL))
    assert opened.tables.headers["sensor", "C", "red"].unpack() is None


@pytest.mark.parametrize("form", FORMS)
def test_a_portable_index_keeps_layouts_and_fingerprints_without_times(index, tmp_path, form):
    index.save(tmp_path / form, portable=True)
    opened = ChipIndex.open(tmp_path / form).tables.headers

    for key, header in index.tables.headers.items():
        assert opened[key].stored == (header.stored and replace(header.stored, modified_ns=None))
    assert opened["sensor", "A", "red"].stored.fingerprint == "f" * 32


def test_every_way_to_fewer_rows_keeps_the_layouts_of_their_images(index, tmp_path):
    some = index.query(where="item_id == 'A'")
    for name in ("one.parquet", "one"):
        some.save(tmp_path / name)
        kept = ChipIndex.open(tmp_path / name).tables.headers
        assert kept == {key: header for key, header in index.tables.headers.items() if key[1] == "A"}
    assert index.head(1).tables == index.sample(2).tables == pickle.loads(pickle.dumps(index)).tables == index.tables
    assert len(list(index.to_stac())) == len(index)


def test_a_row_of_the_header_table_stands_for_each_level(index):
    table = headers_to_table(index.tables.headers.values())
    rows = table.filter((pc.field("item_id") == "A") & (pc.field("asset_key") == "red")).to_pylist()

    assert [(row["level"], row["rows"], row["cols"]) for row in rows] == [(0, 800, 1000), (1, 400, 500)]
    assert [(row["block_rows"], row["block_cols"], row["compression"]) for row in rows] == [(256, 256, "deflate")] * 2
    assert [row["header"] is not None for row in rows] == [True, False]
    assert rows[1]["href"] is None
    assert sum(table.column("blocks").is_valid().to_pylist()) == 5 * 2


def test_header_rows_may_stand_in_any_order(index):
    table = headers_to_table(index.tables.headers.values())
    turned = table.take(pa.array(range(table.num_rows - 1, -1, -1)))

    assert headers_from_table(turned, root=None, where="x") == dict(index.tables.headers)


def edited(table, name, values):
    """Replace one column of a table; a function edits its list of values."""
    values = values(table.column(name).to_pylist()) if callable(values) else values
    position = table.schema.get_field_index(name)
    column = values if isinstance(values, pa.Array) else pa.array(values, HEADER_SCHEMA.field(name).type)
    return table.set_column(position, name, column)


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("level", lambda old: [9 if level else 0 for level in old], "one for each of its levels, from 0 on"),
        ("level", lambda old: [None if level else 0 for level in old], "one for each of its levels, from 0 on"),
        ("level", lambda old: [1] * len(old), "one for each of its levels, from 0 on"),
        ("level", lambda old: [0] * len(old), "header row 1"),
        ("asset_key", lambda old: [f"a{number}" for number in range(len(old))], "one for each of its levels"),
        ("header", lambda old: [None] * len(old), "header row 0: blocks without the header"),
        ("blocks", lambda old: [None] * len(old), "header row 0: a level without its blocks"),
        ("header_size_bytes", lambda old: [-1] * len(old), "header row 0: header_size_bytes is -1"),
        ("header_modified_ns", lambda old: [-1] * len(old), "header row 0: .* header_modified_ns is -1"),
        ("blocks", lambda old: pa.array([7] * len(old)), "header column 'blocks' is int64"),
        ("header", lambda old: pa.array([b"{}"] * len(old)), "header column 'header' is binary"),
        ("header_size_bytes", lambda old: pa.array([1.5] * len(old)), "header column 'header_size_bytes' is double"),
        ("etag", lambda old: pa.array([["x"]] * len(old)), "header column 'etag' is list"),
        ("item_id", lambda old: pa.array([["x"]] * len(old)), "not what their names promise|one for each"),
        ("level", lambda old: pa.array(["zero"] * len(old)), "not what their names promise"),
    ],
)
def test_a_header_table_that_cannot_be_is_refused_by_row_or_column(index, name, values, message):
    table = edited(headers_to_table(index.tables.headers.values()), name, values)

    with pytest.raises(IndexSchemaError, match=f"hostile: .*({message})"):
        headers_from_table(table, root=None, where="hostile")


def test_damaged_blocks_do_not_keep_an_index_from_opening_and_are_named_when_used(index, tmp_path):
    index.save(tmp_path / "index")
    (path,) = (tmp_path / "index").glob("headers-*.parquet")
    pq.write_table(edited(pq.read_table(path), "blocks", lambda old: [old[0][:40], *old[1:]]), path)
    opened = ChipIndex.open(tmp_path / "index")

    with pytest.raises(IndexSchemaError, match="sensor/A/nir: its stored header is damaged: claims"):
        opened.tables.headers["sensor", "A", "nir"].unpack()
    assert opened.tables.headers["sensor", "A", "red"].unpack() is not None


def test_a_footer_that_would_be_too_long_says_what_to_leave_out(index, bare, tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "MAX_FOOTER_BYTES", len(tables.pack(bare.tables, root=tmp_path)))

    bare.save(tmp_path / "bare.parquet")
    with pytest.raises(LimitError, match=r"save to a directory .* instead, or leave block layouts out"):
        index.save(tmp_path / "index.parquet")
    index.save(tmp_path / "index")
    assert [path.name for path in tmp_path.glob("*.parquet")] == ["bare.parquet"]


def test_blocks_in_a_footer_that_are_no_base64_are_refused():
    with pytest.raises(IndexSchemaError, match="its items and headers are not readable"):
        tables.unpack(repacked({"blocks": "***"}), root=None, where="x")


def repacked(row):
    import json

    text = json.dumps({"items": [], "headers": [row], "chains": {}}).encode()
    return f"{len(text)}:{base64.b64encode(pa.compress(text, codec='zstd', asbytes=True)).decode()}"


# ---- merging

STORED = [
    None,
    stored_of(seed=1),
    stored_of(seed=2),
    stored_of(seed=1, modified_ns=None),
    stored_of(seed=3, modified_ns=5),
    stored_of(seed=1, etag='"a"', modified_ns=None),
    stored_of(seed=1, etag='"b"', modified_ns=None, fingerprint=None),
]
TIMES = [None, 5, 1_700_000_000_123_456_789]


def sides(base, stored, modified):
    header = base.tables.headers["sensor", "A", "red"]
    header = replace(header, stored=stored, image=replace(header.image, modified_ns=modified))
    return SideTables({}, {header.key: header})


choices = st.tuples(st.sampled_from(STORED), st.sampled_from(TIMES))


@settings(max_examples=150)
@given(one=choices, two=choices, three=choices)
def test_headers_merge_in_any_order_to_the_same(one, two, three, bare):
    a, b, c = (sides(bare, *choice) for choice in (one, two, three))

    assert a.union(b).union(c) == a.union(b.union(c)) == a.union(b, c)
    assert a.union(b) == b.union(a)
    assert a.union(a) == a
    assert a.union(b).union(b) == a.union(b)


@given(one=choices, two=choices)
def test_a_merge_keeps_a_layout_that_either_has(one, two, bare):
    (header,) = sides(bare, *one).union(sides(bare, *two)).headers.values()

    assert (header.stored is None) == (one[0] is None and two[0] is None)
    assert header.stored in (one[0], two[0])
    if None not in (one[0], two[0]) and one[0].modified_ns and two[0].modified_ns:
        assert header.stored.modified_ns == max(one[0].modified_ns, two[0].modified_ns)


def test_an_index_with_layouts_and_one_without_merge_to_the_one_with(index, bare, tmp_path):
    index.save(tmp_path / "with")
    bare.save(tmp_path / "without.parquet")

    for pair in ((tmp_path / "with", tmp_path / "without.parquet"), (bare, index), (index, index)):
        united = merge(*pair)
        assert united.tables == index.tables
        assert united.to_arrow().equals(index.to_arrow())


# ---- saved in place


def test_headers_saved_where_their_rows_came_from_leave_the_rows_alone(index, bare, tmp_path):
    bare.save(tmp_path / "index")
    rows = {path: path.stat().st_mtime_ns for path in (tmp_path / "index").rglob("part-*.parquet")}
    opened = ChipIndex.open(tmp_path / "index")
    filled = ChipIndex(opened._store, index.tables, rows_of=opened._rows_of)
    filled.save(tmp_path / "index")

    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "index").rglob("part-*.parquet")} == rows
    again = ChipIndex.open(tmp_path / "index")
    assert again.tables == index.tables
    assert again.to_arrow().equals(bare.to_arrow())
    assert len(list((tmp_path / "index").glob("headers-*.parquet"))) == 2
    again.append(bare)
    assert len(list((tmp_path / "index").rglob("part-*.parquet"))) == 2


def test_headers_for_rows_that_were_replaced_meanwhile_are_a_conflict(index, bare, build, tmp_path):
    bare.save(tmp_path / "index")
    opened = ChipIndex.open(tmp_path / "index")
    filled = ChipIndex(opened._store, index.tables, rows_of=opened._rows_of)
    for number in range(3):
        build(f"D{number}").save(tmp_path / "index")
        before = sorted(tmp_path.rglob("*"))
        with pytest.raises(CommitConflict, match="another writer committed first"):
            filled.save(tmp_path / "index")
        assert sorted(tmp_path.rglob("*")) == before
    filled.save(tmp_path / "other")
    assert ChipIndex.open(tmp_path / "other").tables == index.tables


def test_an_image_with_many_levels_and_blocks_opens_without_unpacking(index, tmp_path, monkeypatch):
    index.save(tmp_path / "index")
    monkeypatch.setattr(LevelLayout, "__init__", None)

    assert len(ChipIndex.open(tmp_path / "index").tables.headers) == 6
