"""Orders of an epoch: permutations that depend on (seed, epoch) alone, and mix as well as they say."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stacchip_osml.errors import SettingError, WindowError
from stacchip_osml.load.order import (
    SHUFFLES,
    block_decodes,
    draw_rows,
    epoch_order,
    mixing,
    random_words,
    spare_draws,
)

BLOCKS = np.arange(20_000) // 4
"""Four chips a block, as 256² chips in 512² blocks."""


@given(
    blocks=st.lists(st.integers(-3, 9), max_size=60),
    shuffle=st.sampled_from(SHUFFLES),
    window=st.integers(1, 12),
    lanes=st.integers(1, 5),
    chunk=st.integers(1, 7),
    seed=st.integers(0, 5),
)
def test_an_order_visits_every_row_exactly_once(blocks, shuffle, window, lanes, chunk, seed):
    order = epoch_order(np.array(blocks, int), seed=seed, shuffle=shuffle, window=window, lanes=lanes, chunk=chunk)

    assert order.dtype == np.int64
    assert sorted(order.tolist()) == list(range(len(blocks)))


@pytest.mark.parametrize("shuffle", ["rows", "blocks"])
def test_the_same_seed_and_epoch_repeat_and_others_differ(shuffle):
    def order(seed, epoch):
        return epoch_order(BLOCKS, seed=seed, epoch=epoch, shuffle=shuffle)

    np.testing.assert_array_equal(order(3, 1), order(3, 1))
    for seed, epoch in ((3, 2), (4, 1), (1, 3), (31, 0)):
        assert (order(seed, epoch) == order(3, 1)).mean() < 0.01


def test_orders_are_the_same_on_every_platform_and_version():
    """Fixed figures: whoever changes them breaks the resuming of saved runs."""
    assert random_words(2, seed=1, epoch=2, purpose="rows").tolist() == [2577139486672971982, 4500255989084920229]
    found = [epoch_order(BLOCKS, seed=5, epoch=7, shuffle=kind, lanes=2, chunk=32) for kind in SHUFFLES]
    found.append(draw_rows(np.arange(9.0), 50, seed=5, epoch=7))
    found.append(spare_draws(np.arange(5), 3, 1000, seed=5, epoch=7))

    assert [hashlib.sha256(values.astype("<i8").tobytes()).hexdigest()[:16] for values in found] == FIXED


FIXED = ["b49ed4334fe4a57f", "e1e07537b6c33ee5", "9b20e5c3bb8a8d3f", "5bc04ab96ec68738", "f587480bafa1005d"]


def test_an_order_does_not_depend_on_the_process():
    code = (
        "import numpy as np; from stacchip_osml.load.order import epoch_order;"
        "print(epoch_order(np.arange(400) // 4, seed=2, epoch=9, window=8).tolist())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == str(epoch_order(np.arange(400) // 4, seed=2, epoch=9, window=8).tolist())


def test_rows_do_not_move_further_than_half_a_window_from_their_block():
    order = epoch_order(BLOCKS, window=64)
    first, last = np.full(5000, 1 << 40), np.zeros(5000, int)
    np.minimum.at(first, BLOCKS[order], np.arange(20_000))
    np.maximum.at(last, BLOCKS[order], np.arange(20_000))
    begun, ended = np.sort(first), np.sort(last)
    under_way = [np.searchsorted(begun, at, "right") - np.searchsorted(ended, at) for at in range(0, 20_000, 50)]

    assert max(under_way) <= 64
    assert (last - first).max() <= 64 * 4 * 1.3


@pytest.mark.parametrize("window", [16, 64, 256])
def test_the_mixing_of_a_window_is_what_the_documentation_says(window):
    """Pairs that share a block: (m - 1) k² / (2 m W), for m rows a block, k rows a batch and W blocks."""
    order = epoch_order(BLOCKS, seed=1, window=window)
    batch_blocks = 32 / 4

    expected = 3 * 32**2 / (2 * 4 * window) * (1 - batch_blocks / (3 * window))
    assert mixing(order, BLOCKS, 32) == pytest.approx(expected, rel=0.1)


def test_the_measure_of_mixing_counts_pairs():
    blocks = np.array([0, 0, 0, 1, 1, 2, 2, 2])

    assert mixing(np.arange(8), blocks, 4) == (3 + 0 + 3) / 2
    assert mixing(np.array([0, 3, 5, 4, 1, 2, 6, 7]), blocks, 4) == (1 + 1 + 1) / 2
    assert mixing(np.arange(3), blocks, 4) == 0


def test_a_window_of_all_blocks_mixes_like_a_global_shuffle():
    widest = epoch_order(BLOCKS, window=5000)
    everything = epoch_order(BLOCKS, shuffle="rows")

    assert mixing(widest, BLOCKS, 32) < 0.2
    assert mixing(everything, BLOCKS, 32) < 0.2


def test_the_ends_of_an_epoch_are_mixed_too():
    order = epoch_order(BLOCKS, window=256, seed=3)
    for part in (order[:640], order[-640:]):
        assert mixing(part, BLOCKS, 32) < 2.5 * mixing(order, BLOCKS, 32)


def test_memory_for_one_and_a_half_windows_decodes_each_block_once():
    order = epoch_order(BLOCKS, window=128)

    assert block_decodes(order, BLOCKS, held=192, batch_size=32) < 1.02
    assert block_decodes(order, BLOCKS, held=128, batch_size=32) < 1.4
    assert block_decodes(epoch_order(BLOCKS, shuffle="rows"), BLOCKS, held=192, batch_size=32) > 3.5


@pytest.mark.parametrize("lanes", [2, 4])
def test_lanes_share_no_block_but_the_one_at_a_border(lanes):
    order = epoch_order(BLOCKS[:19_990], window=64, lanes=lanes, chunk=32, seed=8)
    number = np.arange(len(order)) // 32 % lanes
    used = [set(BLOCKS[order[number == lane]].tolist()) for lane in range(lanes)]

    assert sum(map(len, used)) <= len(set.union(*used)) + lanes - 1
    assert [int((number == lane).sum()) for lane in range(lanes)] == [
        len([j for j in range(len(order)) if j // 32 % lanes == lane]) for lane in range(lanes)
    ]


@given(st.lists(st.sampled_from([0.0, 0.5, 1.0, 3.0]), min_size=1, max_size=30).filter(any), st.integers(0, 99))
def test_rows_of_no_weight_are_never_drawn(weights, seed):
    drawn = draw_rows(np.array(weights), 200, seed=seed)

    assert len(drawn) == 200
    assert all(weights[row] > 0 for row in drawn)


def test_rows_are_drawn_as_often_as_their_weight_says():
    weights = np.array([1.0, 0.0, 2.0, 5.0])
    counts = np.bincount(draw_rows(weights, 80_000, seed=3), minlength=4)

    np.testing.assert_allclose(counts / 80_000, weights / 8, atol=0.006)
    assert (draw_rows(weights, 99, seed=3, epoch=1) != draw_rows(weights, 99, seed=3, epoch=2)).any()


def test_the_spares_of_a_place_do_not_depend_on_the_others():
    together = spare_draws(np.arange(100), 4, 1000, seed=2, epoch=3)

    assert together.shape == (100, 4)
    np.testing.assert_array_equal(spare_draws(np.array([42]), 4, 1000, seed=2, epoch=3)[0], together[42])
    assert 0 <= together.min() <= together.max() < 1000
    assert len(np.unique(together)) > 300


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"shuffle": "block"}, "shuffle must be one of none, rows, blocks; got 'block'"),
        ({"window": 0}, "window must be a whole number from 1 to 2147483648, got 0"),
        ({"lanes": 0}, "lanes must be a whole number from 1"),
    ],
)
def test_settings_that_make_no_order_are_refused(settings, message):
    with pytest.raises(SettingError, match=message):
        epoch_order(BLOCKS, **settings)


def test_arguments_that_make_no_order_are_refused():
    with pytest.raises(WindowError, match="needs to know the block of each row"):
        epoch_order(5, shuffle="blocks")
    with pytest.raises(SettingError, match=r"rows must be a whole number .*, got -1"):
        epoch_order(-1, shuffle="rows")
    for weights in ([-1.0, 2], [0.0, 0], [np.inf, 1], [np.nan, 1]):
        with pytest.raises(WindowError, match="weights must be one number a row, finite"):
            draw_rows(np.array(weights), 5)
