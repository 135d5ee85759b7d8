"""The deciding columns of an index, as arrays."""

import pickle

import numpy as np
import pytest

from stacchip_osml import ChipIndex, Indexer
from stacchip_osml.index import parquet
from stacchip_osml.load import rows as planned
from stacchip_osml.load.rows import STRETCH, IndexRow, RowPlans, RowReader

NAMES = ("collection", "item_id", "reference", "assets", "chain", "level")


@pytest.fixture(scope="module")
def many_runs(tmp_path_factory, samples):
    """The sample index, in memory and saved as files of three runs and more."""
    folder = tmp_path_factory.mktemp("runs")
    index = Indexer(samples, 32, levels=(0, 1), stride=16).create_index()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parquet, "ROW_GROUP", 500)
        index.save(folder / "index.parquet")
    return index, ChipIndex.open(folder / "index.parquet")


def test_planned_rows_are_the_rows(many_runs):
    index, saved = many_runs
    wanted = np.random.default_rng(1).integers(-len(index), len(index), 300)
    assert len(saved.run_starts) > 3
    for held in (index, saved):
        plans = RowPlans(held)
        rows = plans.rows(wanted)
        for row, position, number, window in zip(held.rows(wanted), *rows, strict=True):
            assert held.row(int(position)) == row
            key = tuple(row[name] or "" if name != "level" else row[name] for name in NAMES)
            assert tuple(plans.keys[number]) == key
            assert tuple(window) == (row["col_off"], row["row_off"], row["width"], row["height"])


def test_sources_are_numbered_once_whatever_the_order_of_runs(many_runs):
    _, saved = many_runs
    plans = RowPlans(saved)
    backwards = plans.rows(np.arange(len(saved))[::-1]).sources[::-1]
    assert len(set(plans.keys)) == len(plans.keys)
    np.testing.assert_array_equal(plans.rows(np.arange(len(saved))).sources, backwards)


def test_kept_runs_are_bounded(many_runs, monkeypatch):
    _, saved = many_runs
    monkeypatch.setattr(planned, "KEPT_BYTES", 25_000)
    plans = RowPlans(saved)
    first = plans.rows(np.arange(len(saved)))
    assert plans._bytes <= 25_000
    assert len(plans._runs) < len(saved.run_starts) - 1
    np.testing.assert_array_equal(plans.rows(np.arange(len(saved))).windows, first.windows)


def test_a_row_that_does_not_exist_is_named(many_runs):
    index, _ = many_runs
    for wrong in (len(index), -len(index) - 1):
        with pytest.raises(IndexError, match=rf"row -?\d+ of an index of {len(index)} chips"):
            RowPlans(index).rows([0, wrong])


def test_rows_are_read_together_when_one_is_looked_at(many_runs, monkeypatch):
    index, _ = many_runs
    positions = np.random.default_rng(0).permutation(len(index))[: STRETCH + 5]
    expected = index.rows(positions)
    reader = RowReader(index, positions)
    row, neighbour, far = (IndexRow(reader, place) for place in (7, 8, STRETCH + 1))
    reads = []
    whole = ChipIndex.rows
    monkeypatch.setattr(ChipIndex, "rows", lambda self, at: reads.append(len(at)) or whole(self, at))

    assert not reads
    assert row["id"] == expected[7]["id"]
    assert dict(row) == expected[7]
    assert row == expected[7]
    assert pickle.loads(pickle.dumps(row)) == expected[7]
    assert neighbour == expected[8]
    assert reads == [STRETCH]
    assert dict(far) == expected[STRETCH + 1]
    assert reads == [STRETCH, 5]
