"""The loader that says where it stands: what its consumer was given, whatever workers have read ahead."""

import json
import os
import pickle
import threading
import time

import numpy as np
import pytest
import torch
import torch.distributed
import torch.multiprocessing
from training_scene import CHIP, image, item, pixels_of, training_index

from stacchip_osml import Indexer
from stacchip_osml.errors import AssetChanged, AssetMissing, ResumeError
from stacchip_osml.load.decoded_store import DecodedStore
from stacchip_osml.load.faults import Faults
from stacchip_osml.load.source import ChipSource
from stacchip_osml.load.torch_data import ChipLoader, rank_and_ranks

CREWS = [(0, None), (2, "fork")]
"""Workers, and how they are started; spawned ones, which take seconds to begin, are tried once below."""


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    return training_index(tmp_path_factory.mktemp("scene"))


def loader(index, *, workers=0, context=None, rank=0, ranks=1, batch_size=7, store=None, **settings):
    source = ChipSource(index, store=store)
    schedule = source.schedule(batch_size=batch_size, seed=5, window=3, rank=rank, ranks=ranks)
    return ChipLoader(source, schedule, num_workers=workers, context=context, **settings)


def rows(batches):
    return [index for batch in batches for index in batch["index"].tolist()]


@pytest.mark.parametrize(("workers", "context"), CREWS)
def test_epochs_follow_one_another_each_in_its_own_order(index, workers, context):
    load = loader(index, workers=workers, context=context)
    epochs = [rows(load) for _ in range(3)]

    assert all(sorted(epoch) == list(range(72)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 3
    assert epochs == [[s for d in load.schedule.batches(epoch=e) for s in d.samples.tolist()] for e in range(3)]
    load.set_epoch(1)
    assert rows(load) == epochs[1]
    assert len(load) == 11


def test_workers_change_neither_pixels_nor_order(index):
    here, there = loader(index), loader(index, workers=2, prefetch=1)
    for one, two in zip(here, there, strict=True):
        for name, value in one.items():
            assert torch.equal(two[name], value) if isinstance(value, torch.Tensor) else two[name] == value


@pytest.mark.parametrize(("workers", "context"), CREWS)
def test_an_epoch_resumes_after_every_batch(index, workers, context):
    whole = [batch["id"] for batch in loader(index)]
    for stop in range(len(whole) + 1):
        first = loader(index, workers=workers, context=context)
        seen = []
        if stop:
            for batch in first:
                seen.append(batch["id"])
                if len(seen) == stop:
                    break
        state = json.loads(json.dumps(first.state_dict()))
        second = loader(index, workers=workers if stop % 2 else 0, context=context if stop % 2 else None)
        second.load_state_dict(state)
        assert seen == whole[:stop]
        if stop == len(whole):
            assert (state["epoch"], state["position"]) == (1, 0)
        else:
            assert [batch["id"] for batch in second] == whole[stop:]


@pytest.mark.parametrize(("ranks", "others"), [(1, 2), (2, 1), (2, 3)])
def test_other_ranks_and_workers_read_exactly_the_rest(index, ranks, others):
    for stop in (1, 3):
        seen, states = [], []
        for rank in range(ranks):
            load = loader(index, rank=rank, ranks=ranks)
            batches = iter(load)
            seen += rows([next(batches) for _ in range(stop)])
            states.append(load.state_dict())
            batches.close()
        for rank in range(others):
            load = loader(index, rank=rank, ranks=others, workers=1, batch_size=4)
            load.load_state_dict(states[0])
            seen += rows(load)

        assert all(state == states[0] for state in states)
        assert sorted(seen) == list(range(72))


def test_a_consumer_that_stops_early_begins_the_epoch_again(index):
    load = loader(index, workers=2)
    first = next(iter(load))["id"]
    again = [batch["id"] for batch in load]

    assert again[0] == first
    assert len(again) == 11
    assert load.schedule.epoch == 1


def test_no_more_is_read_ahead_than_agreed(index):
    load = loader(index, batch_size=4, prefetch=2)
    asked = []
    real = load.source.load
    load.source.load = lambda drawn: asked.append(1) or real(drawn)
    for given, _ in enumerate(load, start=1):
        time.sleep(0.005)
        assert len(asked) <= given + 2


def test_a_transform_runs_where_the_batch_is_read(index):
    for workers in (0, 2):
        load = loader(index, workers=workers, transform=add_process)
        found = {batch["process"] for batch in load}
        assert found == {os.getpid()} if not workers else os.getpid() not in found and len(found) == 2


def test_without_workers_a_transform_runs_in_the_consumers_thread_so_that_its_chances_repeat(index):
    def drawn():
        torch.manual_seed(3)
        return [batch["drawn"] for batch in loader(index, transform=add_chance, prefetch=4)]

    one, two = drawn(), drawn()
    assert [chance for chance, _ in one] == [chance for chance, _ in two]
    assert {thread for _, thread in one} == {threading.get_ident()}


def add_chance(batch):
    return batch | {"drawn": (float(torch.rand(1)), threading.get_ident())}


def add_process(batch):
    return batch | {"process": os.getpid(), "image": batch["image"].float() / 100}


def test_pinned_memory_is_asked_for_in_vain_without_an_accelerator(index):
    for workers in (0, 1):
        batch = next(iter(loader(index, workers=workers, pin_memory=True)))
        assert batch["image"].is_pinned() == torch.cuda.is_available()


@pytest.mark.parametrize("workers", [0, 2])
def test_faults_in_workers_are_counted_or_raised(tmp_path, workers):
    index = training_index(tmp_path)
    (tmp_path / "red-2025-06-01.tif").unlink()

    def make(policy):
        source = ChipSource(index, on_error=policy)
        return ChipLoader(source, source.schedule(batch_size=8, seed=1), num_workers=workers)

    there = [row for row in range(72) if index.row(row)["item_id"] == "2025-05-01"]
    load = make("replace")
    assert set(rows(load)) <= set(there)
    assert load.counts == Faults(missing=36, replaced=36)
    load = make("skip")
    assert sorted(rows(load)) == there
    assert load.counts == Faults(missing=36, skipped=36)
    with pytest.raises(AssetMissing, match=r"red-2025-06-01\.tif"):
        rows(make("raise"))


@pytest.mark.parametrize(
    ("kind", "workers", "context"),
    [("memory", 0, None), ("file", 0, None), ("memory", 2, "fork"), ("file", 2, "fork"), ("memory", 1, "spawn")],
)
def test_a_store_serves_the_epochs_after_the_first(index, tmp_path, workers, context, kind, monkeypatch):
    store = DecodedStore(64 << 20, None if kind == "memory" else tmp_path / "store")
    load = loader(index, workers=workers, context=context, store=store)
    plain = {row: batch["image"][at] for batch in loader(index) for at, row in enumerate(batch["index"].tolist())}
    assert len(rows(load)) == 72
    assert 72 <= len(store) <= 72 + 8
    if not workers:
        monkeypatch.setattr(load.source.chipper, "batch", None)  # nothing is cut any more
    for batch in load:
        for at, row in enumerate(batch["index"].tolist()):
            assert torch.equal(batch["image"][at], plain[row])
    if not workers:
        assert store.counts.found == 72


@pytest.mark.parametrize("kind", ["memory", "file"])
def test_a_source_that_has_filled_its_store_goes_to_another_process(index, tmp_path, kind):
    store = DecodedStore(64 << 20, None if kind == "memory" else tmp_path / "store")
    source = ChipSource(index, store=store)
    first = source.load([1, 2]).arrays["image"]
    again = pickle.loads(pickle.dumps(source))  # as a spawned worker gets it

    np.testing.assert_array_equal(again.load([1, 2]).arrays["image"], first)
    assert again.store.counts.found == 2


@pytest.mark.parametrize("kind", ["memory", "file"])
def test_a_store_gives_no_pixels_of_a_file_that_has_changed(tmp_path, kind):
    document = item(tmp_path / "scene", "2025-05-01")
    path = image(tmp_path / "scene" / "red-2025-05-01.tif", pixels_of(1), compress="none")
    Indexer(document, CHIP, assets=["red", "nir"]).create_index().save(tmp_path / "chips.parquet", portable=True)
    store = DecodedStore(64 << 20, None if kind == "memory" else tmp_path / "store")
    load = loader(tmp_path / "chips.parquet", store=store)
    before = {row: b["image"][at] for b in load for at, row in enumerate(b["index"].tolist())}
    image(path, pixels_of(2), compress="none")  # as large as before, and the index says nothing of times
    fresh = {r: b["image"][at] for b in loader(tmp_path / "chips.parquet") for at, r in enumerate(b["index"].tolist())}
    with pytest.raises(AssetChanged, match=r"red-2025-05-01\.tif"):
        rows(load)
    load = loader(tmp_path / "chips.parquet", store=store)
    after = {row: b["image"][at] for b in load for at, row in enumerate(b["index"].tolist())}

    assert len(before) == len(after) == 36
    assert all(torch.equal(after[row], fresh[row]) and not torch.equal(before[row], fresh[row]) for row in fresh)
    assert len(store) == 72


def test_a_store_keeps_masks_and_sparse_chips(tmp_path):
    index = training_index(tmp_path / "scene", dates=("2025-05-01",), blocks=[(0, 0), (2, 1)])
    source = ChipSource(index, store=DecodedStore(64 << 20), on_sparse="keep", valid="bands")
    first = source.load(np.arange(36))
    half = ChipSource(index, store=source.store, on_sparse="keep", valid="bands").load(np.arange(36)[::-1])
    plain = ChipSource(index, on_sparse="keep", valid="bands").load(np.arange(36))

    assert first.faults.sparse == half.faults.sparse == plain.faults.sparse == 28
    for name in ("image", "valid", "bounds"):
        np.testing.assert_array_equal(first.arrays[name], plain.arrays[name])
        np.testing.assert_array_equal(half.arrays[name], plain.arrays[name][::-1])


def test_a_store_that_is_full_serves_what_it_has(index):
    source = ChipSource(index, store=DecodedStore(40 * 8192))
    for _ in range(2):
        batch = source.load(np.arange(72))
        np.testing.assert_array_equal(batch.arrays["image"], ChipSource(index).load(np.arange(72)).arrays["image"])

    assert 20 < source.store.capacity < 72
    assert source.store.counts.full > 0


def test_ranks_of_a_process_group_are_known(tmp_path):
    torch.multiprocessing.start_processes(in_group, args=(str(tmp_path / "meet"),), nprocs=2, start_method="fork")


def in_group(rank, meeting):
    torch.distributed.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=2)
    assert rank_and_ranks() == (rank, 2)
    torch.distributed.destroy_process_group()


def test_settings_that_load_nothing_are_refused(index):
    with pytest.raises(ValueError, match="num_workers must be a whole number from 0 to 32768, got -1"):
        loader(index, workers=-1)
    state = loader(index).state_dict()
    with pytest.raises(ResumeError, match="of another order"):
        loader(index).load_state_dict(state | {"order": "x"})
