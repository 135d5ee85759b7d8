"""Shards and resumed epochs: together exactly the epoch's samples, whoever reads them."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stacchip_osml.errors import ResumeError, SettingError, WindowError
from stacchip_osml.load.order import epoch_order
from stacchip_osml.load.schedule import EpochSchedule, SampleOrder
from stacchip_osml.load.sharding import Shard, batch_bounds

CREWS = [(ranks, workers) for ranks in range(1, 5) for workers in range(1, 4)]
"""Ranks and workers."""


def schedules(ranks, *, count=41, batch_size=3, tail="keep", **settings):
    settings = {"blocks": np.arange(count) // 4, "window": 4, "seed": 7} | settings
    order = SampleOrder(count=count, **settings)
    return [EpochSchedule(order, batch_size=batch_size, rank=rank, ranks=ranks, tail=tail) for rank in range(ranks)]


def read(crew, *, workers=1, steps=None):
    """What ranks with some workers read, step by step, as a consumer of each sees it."""
    streams = []
    for schedule in crew:
        parts = [list(schedule.batches(worker=worker, workers=workers)) for worker in range(workers)]
        # A loader takes from its workers in turn.
        merged = [part[turn] for turn in range(max(map(len, parts))) for part in parts if turn < len(part)]
        streams.append(merged if steps is None else merged[:steps])
    return streams


def samples(streams):
    return [sample for stream in streams for batch in stream for sample in batch.samples.tolist()]


@pytest.mark.parametrize(("ranks", "workers"), CREWS)
@pytest.mark.parametrize("count", [0, 1, 5, 24, 41])
def test_ranks_and_workers_together_read_every_sample_exactly_once(ranks, workers, count):
    streams = read(schedules(ranks, count=count), workers=workers)

    assert sorted(samples(streams)) == list(range(count))


@pytest.mark.parametrize(("ranks", "workers"), CREWS)
def test_a_rank_reads_the_same_batches_with_any_number_of_workers(ranks, workers):
    crew = schedules(ranks)
    for one, several in zip(read(crew), read(crew, workers=workers), strict=True):
        assert [batch.samples.tolist() for batch in one] == [batch.samples.tolist() for batch in several]
        assert [batch.position for batch in one] == [batch.position for batch in several]


@given(
    length=st.integers(0, 200),
    batch_size=st.integers(1, 9),
    ranks=st.integers(1, 5),
    workers=st.integers(1, 4),
    tail=st.sampled_from(["keep", "drop", "pad"]),
    begin=st.floats(0, 1),
)
def test_shards_cover_the_order_as_their_tail_says(length, batch_size, ranks, workers, tail, begin):
    start = int(begin * length)
    shards = [Shard(rank=r, ranks=ranks, worker=w, workers=workers) for r in range(ranks) for w in range(workers)]
    bounds = [batch_bounds(length, batch_size=batch_size, start=start, shard=one, tail=tail) for one in shards]
    places = sorted(place for part in bounds for first, after in part.tolist() for place in range(first, after))
    counts = [sum(len(part) for part in bounds[rank * workers : (rank + 1) * workers]) for rank in range(ranks)]
    step = ranks * batch_size
    left = length - start

    assert places == list(range(start, start + len(places)))
    if tail == "keep":
        assert len(places) == left
        assert max(counts) - min(counts) <= 1
    else:
        assert len(places) == (left // step if tail == "drop" else -(-left // step)) * step
        assert len(set(counts)) == 1
        assert all(after - first == batch_size for part in bounds for first, after in part.tolist())


@pytest.mark.parametrize("ranks", [2, 3, 4])
def test_padding_takes_samples_from_the_order_s_begin(ranks):
    crew = schedules(ranks, tail="pad")
    read_ones = samples(read(crew))
    order = crew[0].order.epoch(0).tolist()
    more = -len(order) % (ranks * 3)

    assert sorted(read_ones) == sorted(order + order[:more])
    assert {len(schedule) for schedule in crew} == {-(-41 // (3 * ranks))}


@pytest.mark.parametrize("lanes", [1, 4])
@pytest.mark.parametrize(("ranks", "workers"), [(1, 4), (2, 2), (4, 1), (2, 1)])
def test_no_two_workers_read_the_same_block_where_there_are_lanes_for_them(lanes, ranks, workers):
    blocks = np.arange(1200) // 4
    crew = schedules(ranks, count=1200, blocks=blocks, window=16, lanes=lanes, chunk=5, batch_size=5)
    used = [
        {int(blocks[sample]) for batch in schedule.batches(worker=worker, workers=workers) for sample in batch.samples}
        for schedule in crew
        for worker in range(workers)
    ]
    doubled = sum(map(len, used)) - len(set.union(*used))

    assert doubled <= 3 if lanes == 4 else doubled > 100


@pytest.mark.parametrize(("ranks", "workers"), [(1, 1), (1, 3), (2, 2), (4, 3)])
@pytest.mark.parametrize("settings", [{}, {"lanes": 2, "chunk": 3}, {"shuffle": "rows"}, {"shuffle": "none"}])
def test_an_epoch_resumes_at_every_batch_in_the_same_order(ranks, workers, settings):
    whole = read(schedules(ranks, **settings), workers=workers)
    for step in range(max(map(len, whole)) + 1):
        begun = schedules(ranks, **settings)
        states = []
        for schedule, stream in zip(begun, read(begun, workers=workers, steps=step), strict=True):
            schedule.begin()
            for batch in stream:
                schedule.reached(batch.position)
            states.append(schedule.state_dict())
        assert step * ranks * 3 > 41 or all(state == states[0] for state in states)
        resumed = schedules(ranks, **settings)
        for schedule in resumed:
            schedule.load_state_dict(pickle.loads(pickle.dumps(states[0])))
        if states[0]["epoch"] == 1:
            assert step >= len(whole[0])
            continue
        rest = [[batch.samples.tolist() for batch in stream] for stream in read(resumed, workers=workers)]
        assert rest == [[batch.samples.tolist() for batch in stream[step:]] for stream in whole]


@pytest.mark.parametrize("ranks", [1, 2, 3])
@pytest.mark.parametrize(("others", "workers", "batch_size"), [(1, 1, 3), (2, 3, 3), (3, 2, 5), (4, 1, 2)])
def test_an_epoch_resumes_with_others_who_read_exactly_the_rest(ranks, others, workers, batch_size):
    whole = read(schedules(ranks))
    for step in range(len(whole[-1])):
        done = samples([stream[:step] for stream in whole])
        state = schedules(ranks)[0].state_dict(position=len(done))
        resumed = schedules(others, batch_size=batch_size)
        for schedule in resumed:
            schedule.load_state_dict(state)

        assert sorted(done + samples(read(resumed, workers=workers))) == list(range(41))


def test_the_batches_after_the_last_are_those_of_the_next_epoch():
    (schedule,) = schedules(1)
    epochs = []
    for _ in range(3):
        epochs.append(samples([list(schedule.begin())]))
        schedule.reached(41)
        assert schedule.state_dict()["epoch"] == len(epochs)
        schedule.finish()

    assert all(sorted(epoch) == list(range(41)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 3
    np.testing.assert_array_equal(epochs[2], epoch_order(np.arange(41) // 4, seed=7, epoch=2, window=4))


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_an_epoch_is_over_with_its_last_batch_though_nobody_asked_for_another(ranks):
    for schedule in schedules(ranks):
        for epoch in range(3):
            batches = schedule.begin()
            assert schedule.epoch == epoch
            for _ in range(len(schedule)):
                schedule.reached(next(batches).position)


def test_going_to_the_epoch_that_is_under_way_does_not_go_back():
    (schedule,) = schedules(1)
    schedule.load_state_dict(schedule.state_dict(position=9) | {"epoch": 2})
    schedule.set_epoch(2)
    assert schedule.position == 9
    schedule.set_epoch(3)
    assert (schedule.epoch, schedule.position) == (3, 0)


def test_weighted_draws_resume_like_any_order():
    settings = {"weights": np.arange(41.0), "draws": 60}
    (schedule,) = schedules(1, **settings)
    everything = samples([list(schedule)])
    (resumed,) = schedules(1, **settings)
    resumed.load_state_dict(schedule.state_dict(position=33))

    assert len(everything) == 60
    assert 0 not in everything
    assert samples([list(resumed)]) == everything[33:]
    assert set(samples([list(schedule)])) >= {s for b in schedule for s in b.spares.ravel().tolist()}


def test_weighted_draws_keep_blocks_together():
    order = SampleOrder(count=400, blocks=np.arange(400) // 4, window=2, weights=np.ones(400), draws=400).epoch(0)
    changes = int((np.diff(order // 4) != 0).sum())

    assert changes < 300
    assert len(np.unique(order)) < 300


def test_the_state_of_something_else_is_refused():
    (schedule,) = schedules(1)
    state = schedule.state_dict()
    for change in ({"seed": 8}, {"window": 5}, {"blocks": np.arange(41) // 5}, {"weights": np.ones(41)}):
        (other,) = schedules(1, **change)
        with pytest.raises(ResumeError, match="of another order: seed, shuffle"):
            other.load_state_dict(state)
    with pytest.raises(ResumeError, match="of other rows"):
        EpochSchedule(schedule.order, batch_size=3, rows=lambda: "others").load_state_dict(state)
    with pytest.raises(ResumeError, match="version 9; this one reads version 1"):
        schedule.load_state_dict(state | {"version": 9})
    with pytest.raises(ResumeError, match="stands at 42 of an epoch of 41"):
        schedule.load_state_dict(state | {"position": 42})
    with pytest.raises(ResumeError, match="not the state of a schedule: 'position'"):
        schedule.load_state_dict({"version": 1, "epoch": 0})


def test_settings_that_do_not_matter_to_the_order_do_not_hinder_resuming():
    state = schedules(1, shuffle="rows", window=4)[0].state_dict(position=6)
    schedules(3, shuffle="rows", window=9, batch_size=2, tail="drop")[2].load_state_dict(state)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Shard(rank=2, ranks=2), "got rank 2 of 2"),
        (lambda: Shard(worker=-1), "worker must be a whole number of at least 0, got -1"),
        (lambda: batch_bounds(5, batch_size=0), "batch_size must be a whole number from 1 to 2147483648, got 0"),
        (lambda: batch_bounds(5, batch_size=1, start=6), "start must be a whole number from 0 to 5, got 6"),
        (lambda: batch_bounds(5, batch_size=1, tail="wrap"), "tail must be one of keep, drop, pad; got 'wrap'"),
        (lambda: schedules(1, weights=np.ones(3)), r"weights must be one value a sample, \(41,\); got \(3,\)"),
        (lambda: schedules(1, draws=3), "only with weights"),
        (lambda: schedules(1, batch_size=0), "batch_size must be a whole number of at least 1, got 0"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(make, message):
    with pytest.raises((WindowError, SettingError), match=message):
        make()
