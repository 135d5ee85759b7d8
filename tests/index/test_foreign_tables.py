"""Parquet files that are no chip index: refused by name, as index and as items."""

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stacchip_osml import ChipIndex, Indexer
from stacchip_osml.errors import ChipError, IndexSchemaError


@pytest.fixture(scope="module")
def tables(real_data):
    found = [*sorted((real_data / "parquet").iterdir()), *sorted((real_data / "hostile").glob("*.parquet"))]
    assert len(found) > 90
    return found


def test_no_foreign_table_opens_as_an_index(tables):
    for path in tables:
        with pytest.raises(IndexSchemaError, match=path.name.replace("+", r"\+")):
            ChipIndex.open(path)


def test_a_foreign_table_gives_items_or_a_reason(tables):
    for path in tables:
        try:
            index = Indexer(path, 256, on_error="skip", read_headers=False).create_index()
        except ChipError:
            continue
        assert len(index.items) or index.problems


@settings(max_examples=15)
@given(
    size=st.integers(40, 400),
    stride=st.integers(40, 400),
    edges=st.sampled_from(["drop", "partial", "pad", "shift"]),
    anchor=st.sampled_from(["image", "crs"]),
    levels=st.sampled_from([(0,), (1, 3), (0, 2)]),
    single=st.booleans(),
)
def test_rows_come_back_from_parquet_as_they_were(
    size, stride, edges, anchor, levels, single, make_item, tmp_path_factory
):
    items = [make_item("A"), make_item("B", crs="EPSG:32601", transform=(10, 2, 300_000, 1, -10, 5_000_000))]
    chosen = items if anchor == "image" else items[:1]
    index = Indexer(chosen, size, stride=stride, edges=edges, anchor=anchor, levels=levels).create_index()
    path = tmp_path_factory.mktemp("rows") / ("index.parquet" if single else "index")
    index.save(path)
    opened = ChipIndex.open(path)

    assert opened.to_arrow().equals(index.to_arrow())
    assert opened.check() == []


SCRIPT = """
import hashlib, json, sys
from stacchip_osml import Indexer
items = json.loads(sys.argv[1])
Indexer(items, 100, levels=(0, 1)).create_index().save(sys.argv[2])
print(hashlib.sha256(open(sys.argv[2], "rb").read()).hexdigest())
"""


def test_an_index_does_not_depend_on_time_zone_locale_or_hash_seed(make_item, tmp_path):
    import json

    items = json.dumps(
        [make_item("A"), make_item("B", when="2025-05-02T23:30:00+03:00"), make_item("Ä", collection=None)]
    )
    seen = set()
    for number, (zone, locale, seed) in enumerate(
        (("UTC", "C.UTF-8", "0"), ("Asia/Tokyo", "tr_TR", "1"), ("", "C", "7"))
    ):
        environment = {"TZ": zone, "LC_ALL": locale, "PYTHONHASHSEED": seed, "PATH": "/usr/bin:/bin"}
        command = [sys.executable, "-c", SCRIPT, items, str(tmp_path / f"{number}.parquet")]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        seen.add(done.stdout)
    assert len(seen) == 1
