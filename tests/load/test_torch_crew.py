"""Workers that read parts of batches: nothing decoded twice, nothing copied through fresh memory, nothing changed."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from training_scene import training_index

from stacchip_osml import Chipper
from stacchip_osml.imagery.blocks.batch import Batch
from stacchip_osml.imagery.machine import usable_cores
from stacchip_osml.load import torch_crew
from stacchip_osml.load.shared_slots import SlotMap
from stacchip_osml.load.source import ChipSource
from stacchip_osml.load.torch_data import ChipLoader

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create 3 worker")


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    return training_index(tmp_path_factory.mktemp("scene"))


@pytest.fixture
def slots_for_all(monkeypatch):
    """Chips of the tests are small: put them into slots all the same."""
    monkeypatch.setattr(torch_crew, "LARGE", 1 << 10)


def loader(index, *, workers=2, shuffle="blocks", transform=None, prefetch=1, batch_size=8, lanes=1, **settings):
    source = ChipSource(index, **settings)
    schedule = source.schedule(batch_size=batch_size, shuffle=shuffle, seed=5, window=3, lanes=lanes)
    return ChipLoader(source, schedule, num_workers=workers, transform=transform, prefetch=prefetch)


def alike(one, two):
    assert list(one) == list(two)
    for name, value in one.items():
        if isinstance(value, torch.Tensor):
            assert two[name].dtype == value.dtype
            assert torch.equal(two[name], value)
        else:
            assert two[name] == value


@pytest.mark.parametrize("shuffle", ["blocks", "rows"])
@pytest.mark.parametrize("workers", [1, 2, 3])
def test_two_epochs_of_any_number_of_workers_are_those_of_none(index, slots_for_all, workers, shuffle):
    here, there = loader(index, workers=0, shuffle=shuffle), loader(index, workers=workers, shuffle=shuffle)
    for _ in range(2):
        for one, two in zip(here, there, strict=True):
            alike(one, two)


def test_batches_that_are_kept_stay_as_they_are(index, slots_for_all):
    expected = [batch["image"].clone() for batch in loader(index, workers=0)]
    kept = [batch["image"] for batch in loader(index)]

    assert all(torch.equal(one, two) for one, two in zip(expected, kept, strict=True))


def test_consumers_may_change_their_batches(index, slots_for_all):
    there = loader(index)
    for one, two in zip(loader(index, workers=0), there, strict=True):
        alike(one, two)
        two["image"].zero_()


@pytest.mark.skipif(sys.platform != "linux", reason="no such memory elsewhere")
def test_memory_is_used_again(index, slots_for_all):
    load = loader(index, batch_size=4)
    places = [batch["image"].data_ptr() for _ in range(2) for batch in load]

    settled = places[8:]
    assert len(settled) == 28
    assert len(set(settled)) <= load._crew._pool.most


def test_an_epoch_that_was_left_early_leaves_no_slot_behind(index, slots_for_all):
    load = loader(index, batch_size=4)
    whole = [batch["image"].clone() for batch in loader(index, batch_size=4, workers=0)]
    for stop in (1, 5, 9):
        for number, batch in enumerate(load):
            assert torch.equal(batch["image"], whole[number])
            if number == stop:
                break
    assert len(load._crew._pool._tasks) <= load._crew._pool.most
    again = [batch["image"].clone() for batch in load]
    assert all(torch.equal(one, two) for one, two in zip(whole, again, strict=True))


def test_no_block_is_decoded_by_two_workers(index, monkeypatch, tmp_path):
    decodes = tmp_path / "decodes"
    real = Batch.decode

    def noted(self, job, data):
        with decodes.open("a") as file:  # of all processes: short appends do not mix
            file.write(f"{os.getpid()} {job.image} {self._keys[job.image]} {job.row} {job.col}\n")
        real(self, job, data)

    monkeypatch.setattr(Batch, "decode", noted)
    for workers in (2, 3):
        decodes.write_text("")
        load = loader(index, workers=workers, batch_size=2)
        assert sum(len(batch["index"]) for batch in load) == 72
        seen = {tuple(line.split(" ", 2)) for line in decodes.read_text().splitlines()}
        readers = {}
        for process, _, block in seen:
            readers.setdefault(block, set()).add(process)
        assert len(readers) == 2 * len(np.unique(load.schedule.order.blocks))  # two bands
        assert {len(processes) for processes in readers.values()} == {1}
        assert len({process for process, _, _ in seen}) == workers


def test_skipped_samples_leave_no_gap(tmp_path, slots_for_all):
    index = training_index(tmp_path, blocks=[(0, 0), (0, 1), (1, 1), (2, 2)])
    policy = {"on_sparse": "skip", "batch_size": 16}
    here, there = loader(index, workers=0, **policy), loader(index, **policy)
    batches = list(here)

    for one, two in zip(batches, there, strict=True):
        alike(one, two)
    assert sum(len(batch["index"]) for batch in batches) == 32
    assert there.counts == here.counts
    assert there.counts.skipped == 40


def test_replaced_samples_are_the_same_ones(tmp_path, slots_for_all):
    index = training_index(tmp_path, blocks=[(0, 0), (0, 1), (1, 1), (2, 2)])
    for one, two in zip(loader(index, workers=0, on_sparse="replace"), loader(index, on_sparse="replace"), strict=True):
        alike(one, two)


def halved(batch):
    """Values of many kinds."""
    return {
        "image": batch["image"].to(torch.bfloat16) / 2,
        "first": batch["image"][:, :, ::2, ::2],
        "mean": batch["image"].double().mean(),
        "words": ("a", 1),
    }


def test_a_transform_gets_whole_batches_and_may_return_anything_a_dict_can_hold(index, slots_for_all):
    here, there = loader(index, workers=0, transform=halved), loader(index, transform=halved)
    for one, two in zip(here, there, strict=True):
        alike(one, two)


def counted_pairs(batch):
    return len(batch["index"]), batch["index"]


def test_a_transform_may_return_something_else(index):
    for size, numbers in loader(index, transform=counted_pairs):
        assert size == len(numbers) == 8


def test_where_slots_cannot_be_had_batches_go_torchs_way(index, slots_for_all, monkeypatch):
    monkeypatch.setattr(SlotMap, "bytes_of", lambda self, slot: None)
    for one, two in zip(loader(index, workers=0), loader(index), strict=True):
        alike(one, two)


def test_workers_end_with_their_loader(index):
    load = loader(index)
    _ = next(iter(load))
    workers = load._crew._loader._iterator._workers
    del load

    assert not any(worker.is_alive() for worker in workers)


def _odd(batch):
    return [batch["image"], torch.ones(1 << 16), torch.ones(3, dtype=torch.bfloat16), torch.tensor(4), "name"]


def _hopeless(batch):
    return lambda: batch


@pytest.mark.parametrize("transform", [None, _odd])
def test_a_temporary_folder_of_a_long_name_is_not_needed_and_nothing_is_left_there(tmp_path, transform):
    """No socket can have a name of more than 107 bytes: what torch sends by sockets never came."""
    code = (
        "import sys\nfrom pathlib import Path\nsys.path.insert(0, sys.argv[1])\n"
        "from training_scene import training_index\nimport test_torch_crew\n"
        "from stacchip_osml.load import ChipLoader, ChipSource\n"
        "source = ChipSource(training_index(Path(sys.argv[2])))\n"
        f"transform = {'None' if transform is None else 'test_torch_crew._odd'}\n"
        "loader = ChipLoader(source, source.schedule(batch_size=24), num_workers=1, transform=transform)\n"
        "for batch in loader: pass"
    )
    folder = tmp_path / ("long" * 20) / ("longer" * 10)
    folder.mkdir(parents=True)
    subprocess.run(
        [sys.executable, "-c", code, str(Path(__file__).parent), str(tmp_path)],
        env={**os.environ, "TMPDIR": str(folder)},
        check=True,
        timeout=300,
    )

    assert list(folder.iterdir()) == []


def test_whatever_a_transform_gives_comes_as_it_is(index):
    here, there = (list(loader(index, workers=workers, transform=_odd)) for workers in (0, 1))
    for one, two in zip(here, there, strict=True):
        assert [type(value) for value in one] == [type(value) for value in two]
        assert all(torch.equal(a, b) and a.dtype == b.dtype for a, b in zip(one[:4], two[:4], strict=True))
        two[0].zero_()
        assert two[4] == "name"


def test_what_cannot_be_sent_is_an_error_of_the_consumers(index):
    with pytest.raises((AttributeError, TypeError, pickle.PicklingError), match="pickle"):
        next(iter(loader(index, workers=1, transform=_hopeless)))


def test_workers_share_cores_and_blocks(index):
    source = ChipSource(Chipper(index, cache_bytes=1 << 20))
    source.work_beside(2, divided=True)
    source.work_beside(2, divided=True)
    shelf = source.chipper._cutter.shelf

    assert shelf.threads == max(usable_cores() // 2, 1)
    assert shelf._cache.capacity == 1 << 19
    told = ChipSource(Chipper(index, threads=5, cache_bytes=1 << 20))
    told.work_beside(2, divided=False)
    assert told.chipper._cutter.shelf.threads == 5
    assert told.chipper._cutter.shelf._cache.capacity == 1 << 20
