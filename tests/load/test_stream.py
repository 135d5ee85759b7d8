"""Batches ahead of their consumer."""

import threading
import time

import numpy as np
import pytest

from stacchip_osml import Chipper
from stacchip_osml.errors import ChipError
from stacchip_osml.load.stream import ahead


def test_results_come_in_order_and_no_more_than_agreed_are_ahead():
    lock = threading.Lock()
    begun, taken, most = [], [], []

    def work(task):
        with lock:
            begun.append(task)
            most.append(len(begun) - len(taken))
        time.sleep(0.002 * (task % 3))
        return task

    for result in ahead(work, range(40), in_flight=3):
        with lock:
            taken.append(result)
        time.sleep(0.003)
    assert taken == list(range(40))
    assert max(most) <= 3 + 1  # three ahead, and the one in the consumer's hands


def test_a_consumer_that_stops_stops_the_work():
    begun = []
    results = ahead(lambda task: begun.append(task) or task, range(1000), in_flight=2)
    assert next(results) == 0
    results.close()
    assert len(begun) <= 4
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("stacchip-ahead")]


def test_what_fails_is_raised_when_its_turn_comes():
    def work(task):
        if task == 3:
            raise ChipError("the fourth")
        return task

    results = ahead(work, range(10), in_flight=4)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ChipError, match="the fourth"):
        next(results)


def test_a_stream_gives_what_batches_give(root):
    chipper = Chipper(root / "indexes" / "sentinel-like.parquet")
    order = np.random.default_rng(0).permutation(len(chipper))[:50]
    alike = [position for position in order if chipper.index.row(position)["width"] == 96][:21]
    streamed = list(chipper.stream(alike, batch_size=4, in_flight=3))

    assert [len(batch) for batch in streamed] == [4, 4, 4, 4, 4, 1]
    assert np.concatenate([batch.positions for batch in streamed]).tolist() == alike
    for number, batch in enumerate(streamed):
        expected = chipper.batch(alike[number * 4 : number * 4 + 4])
        np.testing.assert_array_equal(batch.pixels, expected.pixels)
        np.testing.assert_array_equal(batch.mask, expected.mask)


@pytest.mark.parametrize(
    ("wrong", "error"),
    [({"batch_size": 0}, ValueError), ({"in_flight": 0}, ValueError), ({"on_error": "ignore"}, ChipError)],
)
def test_wrong_settings_of_a_stream_are_refused(root, wrong, error):
    chipper = Chipper(root / "indexes" / "sentinel-like.parquet")
    with pytest.raises(error, match=rf"{next(iter(wrong))} must be"):
        chipper.stream([0], **wrong)
