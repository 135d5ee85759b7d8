"""Saving and opening: one committed version, whole or not at all."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import duckdb
import geopandas
import pyarrow.parquet as pq
import pytest

from stacchip_osml import ChipIndex, Indexer, merge
from stacchip_osml.errors import CommitConflict, IndexSchemaError, LimitError
from stacchip_osml.index import files, tables
from stacchip_osml.index.parts import PartRecord


@pytest.fixture(scope="module")
def index(make_item):
    items = [
        make_item("A"),
        make_item("B", when="2025-06-01T00:00:00Z"),
        make_item("A", collection="other", crs="EPSG:32601", transform=(10, 0, 300_000, 0, -10, 5_000_000)),
        {**make_item("N"), "collection": None},
    ]
    made = Indexer(items, 100, levels=(0, 1)).create_index()
    return made.with_column("label", list(range(len(made))))


FORMS = ["index.parquet", "index"]


@pytest.mark.parametrize("form", FORMS)
def test_an_index_comes_back_as_it_was_saved(index, tmp_path, form):
    index.save(tmp_path / form)
    opened = ChipIndex.open(tmp_path / form)

    assert len(opened) == len(index)
    assert opened.columns == index.columns
    assert opened.to_arrow().equals(index.to_arrow())
    assert opened.tables == index.tables
    assert opened.check() == []
    assert not list(tmp_path.rglob("*.tmp"))


@pytest.mark.parametrize("form", FORMS)
def test_saving_twice_replaces_and_leaves_nothing_behind(index, tmp_path, form):
    index.save(tmp_path / form)
    index.head(7).save(tmp_path / form)
    index.head(3).save(tmp_path / form)

    assert len(ChipIndex.open(tmp_path / form)) == 3
    if form == "index":
        assert len(list((tmp_path / form / "versions").iterdir())) == 2


def parts(folder):
    return sorted(str(path) for path in folder.rglob("part-*.parquet"))


def test_written_files_are_conformant_geoparquet(index, tmp_path):
    index.save(tmp_path / "index.parquet")
    index.save(tmp_path / "index")
    validator = Path(sys.executable).with_name("geoparquet-validator")
    for path in [str(tmp_path / "index.parquet"), *parts(tmp_path / "index")]:
        done = subprocess.run([validator, "check", path], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "0 fail" in done.stdout


def test_other_readers_read_what_is_written(index, tmp_path):
    index.save(tmp_path / "index.parquet")
    index.save(tmp_path / "index")
    ids = index.to_arrow().column("id").to_pylist()
    glob = str(tmp_path / "index" / "chips" / "**" / "*.parquet")

    frame = geopandas.read_parquet(tmp_path / "index.parquet")
    assert frame.crs.to_string() == "OGC:CRS84"
    assert frame.id.tolist() == ids
    assert sorted(geopandas.read_parquet(tmp_path / "index" / "chips").id) == sorted(ids)
    assert sorted(pq.read_table(tmp_path / "index" / "chips").column("id").to_pylist()) == sorted(ids)
    for place in (str(tmp_path / "index.parquet"), glob):
        rows = duckdb.execute(f"SELECT id, collection, bbox.xmin FROM read_parquet('{place}')").fetchall()
        assert sorted(row[0] for row in rows) == sorted(ids)
        assert {row[1] for row in rows} == {"sensor", "other", None}


def plain(value):
    """Leave out nulls, and bring times to one spelling."""
    if isinstance(value, dict):
        return {key: plain(part) for key, part in sorted(value.items()) if part is not None}
    if isinstance(value, list):
        return [plain(part) for part in value]
    return value.replace(".000000Z", "Z") if isinstance(value, str) else value


def test_items_are_stac_geoparquet_that_turns_back_into_the_same_items(index, tmp_path):
    import stac_geoparquet

    index.save(tmp_path / "index")
    (path,) = (tmp_path / "index").glob("items-*.parquet")
    metadata = json.loads(pq.read_metadata(path).metadata[b"stac-geoparquet"])
    peer = list(stac_geoparquet.arrow.stac_table_to_items(pq.read_table(path)))

    assert metadata["version"] == "1.1.0"
    assert list(ChipIndex.open(tmp_path / "index").items.values()) == list(index.items.values())
    # the library adds nulls that Arrow's structs bring, and spells times with microseconds
    told = sorted((plain(item) for item in peer), key=str)
    assert told == sorted((plain(document) for document in index.items.values()), key=str)


def test_an_index_moves_with_its_imagery(write_tiff, tmp_path):
    import numpy as np

    write_tiff("imagery/a.tif", np.arange(64 * 64, dtype=np.uint16).reshape(64, 64))
    (tmp_path / "imagery").rename(tmp_path / "old")
    Indexer(tmp_path / "old", 32).create_index().save(tmp_path / "index.parquet")
    (tmp_path / "moved").mkdir()
    for name in ("old", "index.parquet"):
        (tmp_path / name).rename(tmp_path / "moved" / name)

    opened = ChipIndex.open(tmp_path / "moved" / "index.parquet")
    (header,) = opened.tables.headers.values()
    assert header.image.location == str(tmp_path / "moved" / "old" / "a.tif")
    assert opened.check(files=True) == []


def test_a_footer_has_a_limit_and_says_what_to_do(index, tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "MAX_FOOTER_BYTES", 100)
    with pytest.raises(LimitError, match="save to a directory"):
        index.save(tmp_path / "index.parquet")
    assert not list(tmp_path.iterdir())
    index.save(tmp_path / "index")
    assert len(ChipIndex.open(tmp_path / "index")) == len(index)


def damage(path, at, value=0xFF):
    data = bytearray(path.read_bytes())
    data[at] ^= value
    path.write_bytes(data)


def test_a_flipped_bit_is_found(index, tmp_path):
    index.save(tmp_path / "index.parquet")
    good = (tmp_path / "index.parquet").read_bytes()
    footer = int.from_bytes(good[-8:-4], "little") + 8
    found = 0
    positions = range(4, len(good) - footer, max(1, (len(good) - footer) // 60))
    for position in positions:
        (tmp_path / "index.parquet").write_bytes(good)
        damage(tmp_path / "index.parquet", position, 1)
        try:
            table = ChipIndex.open(tmp_path / "index.parquet").to_arrow()
        except IndexSchemaError:
            found += 1
        else:
            assert table.equals(index.to_arrow())
    assert found > 0.9 * len(positions)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.parquet", b"", "not a Parquet file"),
        ("x.parquet", b"PAR1 this is no parquet PAR1", "not a Parquet file"),
    ],
)
def test_what_is_no_index_is_refused(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(IndexSchemaError, match=message):
        ChipIndex.open(tmp_path / name)


def test_a_url_is_no_place_for_an_index_and_the_message_keeps_its_secret(index):
    for act in (ChipIndex.open, index.save):
        with pytest.raises(IndexSchemaError, match="opened and saved on a local path") as caught:
            act("https://user:secret@example.com/index.parquet?sig=secret")
        assert "secret" not in str(caught.value)


def test_missing_empty_and_foreign_places_are_refused(index, tmp_path):
    with pytest.raises(IndexSchemaError, match="no such file or directory"):
        ChipIndex.open(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(IndexSchemaError, match="no committed version"):
        ChipIndex.open(tmp_path / "empty")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("mine")
    with pytest.raises(IndexSchemaError, match="not empty and is no chip index"):
        index.save(tmp_path / "full")
    assert (tmp_path / "full" / "letter.txt").read_text() == "mine"
    index.save(tmp_path / "index")
    with pytest.raises(IndexSchemaError, match="open the directory"):
        ChipIndex.open(parts(tmp_path / "index")[0])


def rewrite(path, change):
    table = pq.read_table(path)
    metadata = pq.read_metadata(path).metadata
    table, metadata = change(table, dict(metadata))
    pq.write_table(table.replace_schema_metadata(metadata), path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t, m: (t.drop_columns(["bbox"]), m), r"column 'bbox' is missing; .* ChipIndex\.join"),
        (lambda t, m: (t.rename_columns({"level": "gsd", "gsd": "level"}), m), "must be uint8, is float; .*join"),
        (lambda t, m: (t, {b"geo": m[b"geo"]}), r"not a chip index .*; rows that another program .* ChipIndex\.join"),
        (lambda t, m: (t.select(["id"]), {b"geo": m[b"geo"]}), r"not a chip index \(.*\)$"),
        (lambda t, m: (t, m | {b"stacchip_osml": b'{"version": 99}'}), "chip index format 99"),
        (lambda t, m: (t, m | {b"stacchip_osml": b'{"version": "x"}'}), "chip index format x"),
        (lambda t, m: (t, m | {b"stacchip_osml": b'{"version": 1}'}), r"earlier version \(format 1\); build it again"),
        (lambda t, m: (t, m | {b"stacchip_osml": b"[" * 9999}), "metadata is not readable"),
    ],
)
def test_a_wrong_schema_is_named(index, tmp_path, change, message):
    index.save(tmp_path / "index.parquet")
    rewrite(tmp_path / "index.parquet", change)
    with pytest.raises(IndexSchemaError, match=message):
        ChipIndex.open(tmp_path / "index.parquet")


@pytest.mark.parametrize("text", ["", "12", "x:AAAA", "12:AAAA", "99999999999:AAAA"])
def test_damaged_tables_in_a_footer_are_refused(index, tmp_path, text):
    index.save(tmp_path / "index.parquet")
    value = json.dumps({"version": files.FORMAT_VERSION, "tables": text}).encode()
    rewrite(tmp_path / "index.parquet", lambda t, m: (t, m | {b"stacchip_osml": value}))
    with pytest.raises(IndexSchemaError, match="items and headers"):
        ChipIndex.open(tmp_path / "index.parquet").items  # noqa: B018 - the property is what raises


def test_a_version_may_not_name_files_outside_the_index(index, tmp_path):
    index.save(tmp_path / "index")
    index.save(tmp_path / "other")
    (version,) = (tmp_path / "index" / "versions").iterdir()
    document = json.loads(version.read_text())
    document["chips"] = [
        PartRecord.of(f"../other/{Path(part).relative_to(tmp_path / 'other')}", part).to_json()
        for part in parts(tmp_path / "other")
    ]
    version.write_text(json.dumps(document))
    with pytest.raises(IndexSchemaError, match="outside the index"):
        ChipIndex.open(tmp_path / "index")


def test_of_two_writers_one_wins_and_no_row_is_lost(index, build, tmp_path):
    index.head(5).save(tmp_path / "index")
    barrier = threading.Barrier(2)
    outcomes = {}

    def write(name):
        addition = build(name, chip_size=300)
        barrier.wait()
        while True:
            try:
                ChipIndex.open(tmp_path / "index").append(addition)
            except (CommitConflict, IndexSchemaError):
                outcomes[name] = outcomes.get(name, 0) + 1
            else:
                return

    writers = [threading.Thread(target=write, args=(name,)) for name in ("X", "Y")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()

    items = {key[1] for key in ChipIndex.open(tmp_path / "index").items}
    assert {"X", "Y"} <= items


def test_a_second_commit_of_one_version_is_a_conflict(index, tmp_path, monkeypatch):
    index.save(tmp_path / "index")
    index.head(9).save(tmp_path / "index")
    before = sorted(tmp_path.rglob("*"))
    monkeypatch.setattr(files, "latest_version", lambda _: 1)
    with pytest.raises(CommitConflict, match="another writer committed first"):
        index.save(tmp_path / "index")
    monkeypatch.undo()
    assert sorted(tmp_path.rglob("*")) == before
    assert len(ChipIndex.open(tmp_path / "index").to_arrow()) == 9


def _write_for_ever(index, path):
    while True:
        index.save(path)


@pytest.mark.parametrize("form", FORMS)
def test_a_writer_killed_at_any_moment_leaves_a_whole_index(index, tmp_path, form):
    small = index.head(11)
    small.save(tmp_path / form)
    context = multiprocessing.get_context("fork")
    for delay in (0.0, 0.003, 0.007, 0.012, 0.018, 0.025):
        writer = context.Process(target=_write_for_ever, args=(index, tmp_path / form))
        writer.start()
        time.sleep(0.05 + delay)
        os.kill(writer.pid, signal.SIGKILL)
        writer.join()
        opened = ChipIndex.open(tmp_path / form)
        assert len(opened.to_arrow()) in {11, len(index)}
        assert len(opened.items) in {len(index.items), len(small.items), 1}
    index.save(tmp_path / form)
    assert ChipIndex.open(tmp_path / form).to_arrow().equals(index.to_arrow())


@pytest.mark.parametrize("form", FORMS)
def test_readers_during_commits_see_one_version(index, tmp_path, form):
    sizes = {5, len(index)}
    one, two = index.head(5), index
    one.save(tmp_path / form)
    seen, stop = set(), threading.Event()

    def read():
        while not stop.is_set():
            seen.add(len(ChipIndex.open(tmp_path / form).to_arrow()))

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(15):
        two.save(tmp_path / form)
        one.save(tmp_path / form)
    stop.set()
    reader.join()
    assert seen
    assert seen <= sizes


@pytest.mark.parametrize("moment", ["_version_document", "inside"])
def test_a_reader_that_commits_overtake_reads_the_last_version(index, tmp_path, monkeypatch, moment):
    index.save(tmp_path / "index")
    step = getattr(files, moment)

    def overtaken(*given):
        monkeypatch.setattr(files, moment, step)
        for rows in (3, 4, 5):
            index.head(rows).save(tmp_path / "index")
        return step(*given)

    monkeypatch.setattr(files, moment, overtaken)
    assert len(ChipIndex.open(tmp_path / "index")) == 5


def test_an_empty_index_saves_and_opens(make_item, tmp_path):
    empty = Indexer(make_item("A", size=(50, 50)), 100).create_index()
    for form in FORMS:
        empty.save(tmp_path / form)
        assert len(ChipIndex.open(tmp_path / form)) == 0
        assert len(merge(tmp_path / form, tmp_path / form)) == 0


FULL_DISK = """
import resource, signal, sys
from stacchip_osml import ChipIndex
index = ChipIndex.open(sys.argv[1])
index.to_arrow(), index.tables
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), int(sys.argv[3])))
try:
    index.save(sys.argv[2])
except OSError as error:
    print(type(error).__name__)
"""


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("room", [0, 1000, 4000])
def test_a_disk_that_fills_up_leaves_the_old_index_and_nothing_else(index, tmp_path, form, room):
    index.save(tmp_path / "source.parquet")
    index.head(7).save(tmp_path / form)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    command = [sys.executable, "-c", FULL_DISK, str(tmp_path / "source.parquet"), str(tmp_path / form), str(room)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)

    assert done.stdout.strip().endswith("Error")
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert len(ChipIndex.open(tmp_path / form).to_arrow()) == 7
