"""Datasets for PyTorch: tensors of what the source gives, in any loader, with and without workers."""

import multiprocessing
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, RandomSampler
from training_scene import CHIP, training_index

from stacchip_osml.load.row_groups import group_rows
from stacchip_osml.load.source import ChipSource
from stacchip_osml.load.torch_data import ChipDataset, ChipIterableDataset, collate, rank_and_ranks

CREWS = [(0, None), (2, "fork")]
SPAWNED = [*CREWS, (1, "spawn")]
"""Workers, and how they are started; spawned ones take seconds to begin."""


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return ChipSource(training_index(tmp_path_factory.mktemp("scene"), assets=("red", "nir", "scl")), mask="scl")


def check(batch, source):
    """A batch holds the pixels of the rows that it names."""
    expected = source.load(batch["index"].numpy())
    assert isinstance(batch["image"], torch.Tensor)
    for name, values in expected.arrays.items():
        if name == "id":
            assert list(batch["id"]) == values
        else:
            np.testing.assert_array_equal(batch[name].numpy(), values)


def test_a_sample_is_a_dict_of_tensors_with_torchgeo_s_keys(source):
    sample = ChipDataset(source)[7]

    assert list(sample) == ["image", "mask", "valid", "bounds", "transform", "index", "id"]
    assert (sample["image"].shape, sample["image"].dtype) == ((2, CHIP, CHIP), torch.uint16)
    assert (sample["mask"].shape, sample["mask"].dtype) == ((CHIP, CHIP), torch.int64)
    assert sample["valid"].dtype == torch.bool
    assert sample["bounds"].shape == sample["transform"].shape == (9,)
    assert sample["bounds"].dtype == torch.float64
    assert int(sample["index"]) == 7
    np.testing.assert_array_equal(sample["image"].numpy(), source[7]["image"])
    assert len(ChipDataset(source)) == 72


def test_collating_shares_the_memory_of_the_batch(source):
    batch = source.load([1, 2, 5])
    tensors = collate(batch)
    batch.arrays["image"][1, 0, 0, 0] = 777

    assert tensors["image"][1, 0, 0, 0] == 777
    assert tensors["image"].data_ptr() == batch.arrays["image"].ctypes.data
    assert tensors["mask"].data_ptr() == batch.arrays["mask"].ctypes.data


@pytest.mark.parametrize(("workers", "context"), SPAWNED)
def test_a_loader_with_our_batches_reads_an_epoch(source, workers, context):
    schedule = source.schedule(batch_size=10, seed=4)
    loader = DataLoader(
        ChipDataset(source),
        batch_sampler=schedule,
        collate_fn=collate,
        num_workers=workers,
        multiprocessing_context=context,
    )
    batches = list(loader)

    assert [batch["index"].tolist() for batch in batches] == [drawn.samples.tolist() for drawn in schedule]
    assert len(loader) == len(batches) == 8
    for batch in batches:
        check(batch, source)


@pytest.mark.parametrize(("workers", "context"), CREWS)
def test_a_loader_with_torch_s_own_sampler_and_collating_reads_an_epoch(source, workers, context):
    generator = torch.Generator().manual_seed(1)
    dataset = ChipDataset(source)
    loader = DataLoader(
        dataset,
        batch_size=9,
        sampler=RandomSampler(dataset, generator=generator),
        num_workers=workers,
        multiprocessing_context=context,
    )
    seen = []
    for batch in loader:
        check(batch, source)
        seen += batch["index"].tolist()

    assert sorted(seen) == list(range(72))


@pytest.mark.parametrize(("workers", "context"), CREWS)
@pytest.mark.parametrize("ranks", [1, 2])
def test_an_iterable_dataset_gives_every_sample_once_in_order(source, workers, context, ranks):
    seen = []
    for rank in range(ranks):
        schedule = source.schedule(batch_size=5, seed=4, rank=rank, ranks=ranks)
        dataset = ChipIterableDataset(source, schedule)
        loader = DataLoader(dataset, batch_size=None, num_workers=workers, multiprocessing_context=context)
        batches = list(loader)
        assert [batch["index"].tolist() for batch in batches] == [drawn.samples.tolist() for drawn in schedule]
        assert len(loader) == len(batches)
        check({name: value for name, value in batches[0].items() if name != "position"}, source)
        seen += [index for batch in batches for index in batch["index"].tolist()]

    assert sorted(seen) == list(range(72))


def test_an_iterable_dataset_resumes_after_any_batch_with_other_workers(source):
    def make():
        return ChipIterableDataset(source, source.schedule(batch_size=7, seed=2))

    def read(dataset, workers):
        return list(DataLoader(dataset, batch_size=None, num_workers=workers))

    dataset = make()
    whole = read(dataset, 2)
    for stop, batch in enumerate(whole[:-1], start=1):
        resumed = make()
        resumed.load_state_dict(pickle.loads(pickle.dumps(dataset.state_dict(batch["position"]))))
        rest = read(resumed, 0 if stop % 3 else 1)
        assert [batch["id"] for batch in rest] == [batch["id"] for batch in whole[stop:]]
    assert dataset.state_dict(whole[-1]["position"])["epoch"] == 1
    assert dataset.state_dict()["position"] == 0


def test_workers_that_stay_see_the_next_epoch(source):
    dataset = ChipIterableDataset(source, source.schedule(batch_size=24, seed=2))
    loader = DataLoader(dataset, batch_size=None, num_workers=2, persistent_workers=True)
    epochs = []
    for epoch in range(3):
        dataset.set_epoch(epoch)
        epochs.append([index for batch in loader for index in batch["index"].tolist()])

    assert all(sorted(epoch) == list(range(72)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 3


def test_samples_of_several_dates_are_collated_too(source):
    groups = group_rows(source.index)
    dated = ChipDataset(ChipSource(source.index, samples=groups))
    (batch,) = DataLoader(dated, batch_size=36)
    ours = collate(dated.source.load(range(36)))

    assert batch["image"].shape == ours["image"].shape == (36, 2, 3, CHIP, CHIP)
    assert torch.equal(batch["index"], ours["index"])
    assert torch.equal(batch["time"], ours["time"])


def test_a_dataset_goes_to_another_process_and_back(source):
    dataset = ChipDataset(source)
    _ = dataset[0]  # files are open
    with multiprocessing.get_context("fork").Pool(1) as pool:
        there = pool.apply(read_one, (dataset, 9))

    np.testing.assert_array_equal(there, dataset[9]["image"].numpy())


def read_one(dataset, number):
    return dataset[number]["image"].numpy().copy()


def test_without_distributed_training_there_is_one_rank():
    assert rank_and_ranks() == (0, 1)


def test_without_torch_the_extra_is_named():
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import stacchip_osml.load.source\n"
        "from stacchip_osml.errors import MissingExtraError\n"
        "try:\n    import stacchip_osml.load.torch_data\n"
        "except MissingExtraError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.startswith("feeding PyTorch needs an extra: pip install 'stacchip-osml[torch]'")
