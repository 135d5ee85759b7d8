"""Samples that cannot be used: refused, left out, kept or replaced, and counted; never unnoticed."""

import os
from dataclasses import replace

import numpy as np
import pytest
import tifffile
from training_scene import training_index

from stacchip_osml import Chipper
from stacchip_osml.errors import AssetMissing, ChipError, DecodeError, ReadError
from stacchip_osml.load.faults import Faults
from stacchip_osml.load.row_groups import group_rows
from stacchip_osml.load.source import ChipSource


@pytest.fixture
def broken(tmp_path):
    """Ten good chips of 36; a block that is garbage, blocks that are not stored; another date whose file is gone."""
    index = training_index(tmp_path / "scene", blocks=[(0, 0), (1, 0), (2, 2)])
    (tmp_path / "scene" / "red-2025-06-01.tif").unlink()
    path = tmp_path / "scene" / "nir-2025-05-01.tif"
    data = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as file:
        start = file.pages[0].dataoffsets[8]
    data[start : start + 40] = b"garbage!" * 5
    stat = path.stat()
    path.write_bytes(data)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    return index


def kinds(index):
    rows = index.rows(np.arange(72))
    gone = [at for at, row in enumerate(rows) if row["item_id"] == "2025-06-01"]
    here = [(at, row["col_off"] // 64, row["row_off"] // 64) for at, row in enumerate(rows) if at not in gone]
    good = [at for at, x, y in here if (x, y) in {(0, 0), (1, 0)}]
    bad = [at for at, x, y in here if (x, y) == (2, 2)]
    return good, bad, [at for at, x, y in here if at not in good + bad], gone


def test_unusable_samples_are_errors_unless_told_otherwise(broken):
    good, bad, sparse, gone = kinds(broken)
    source = ChipSource(broken)

    assert len(source.load(good)) == 8
    with pytest.raises(ReadError, match=r"the image of chip 'c/2025-05-01.*' is sparse there"):
        source.load([good[0], sparse[0]])
    with pytest.raises(DecodeError):
        source.load([good[0], bad[0]])
    with pytest.raises(AssetMissing, match=r"red-2025-06-01\.tif"):
        source.load([gone[0], good[0]])
    assert source.counts == Faults(sparse=1, missing=1, failed=1)


def test_unusable_samples_can_be_left_out(broken):
    good, bad, sparse, gone = kinds(broken)
    source = ChipSource(broken, on_sparse="skip", on_error="skip")
    batch = source.load([sparse[0], good[3], gone[1], bad[0], good[1]])

    assert batch.arrays["index"].tolist() == [good[3], good[1]]
    assert batch.faults == source.counts == Faults(sparse=1, missing=1, failed=1, skipped=3)
    assert len(source.load(gone[:3])) == 0
    assert len(source.load([])) == 0
    with pytest.raises(ReadError, match="cannot be skipped: ask for batches"):
        source[sparse[0]]


def test_unusable_samples_can_be_kept_without_a_valid_pixel(broken):
    good, bad, sparse, gone = kinds(broken)
    source = ChipSource(broken, on_sparse="keep", on_error="keep")
    batch = source.load([sparse[0], good[3], gone[1], bad[0]])

    assert batch.arrays["index"].tolist() == [sparse[0], good[3], gone[1], bad[0]]
    assert batch.arrays["valid"].any(axis=(1, 2)).tolist() == [False, True, False, False]
    assert not batch.arrays["image"][[0, 2, 3]].any()
    with pytest.raises(AssetMissing):
        source.load(gone[:2])


def test_unusable_samples_are_replaced_by_the_same_ones_every_time(broken):
    good, *_ = kinds(broken)
    source = ChipSource(broken, on_sparse="replace", on_error="replace")
    chips = Chipper(broken)

    def epoch(number, *, in_flight=1):
        schedule = source.schedule(batch_size=6, shuffle="rows", weights=np.where(np.isin(range(72), good), 40, 1))
        schedule.set_epoch(number)
        return list(source.batches(schedule, in_flight=in_flight))

    first = epoch(0)
    for batch in first:
        for sample in batch:
            assert sample["index"] in good
            np.testing.assert_array_equal(sample["image"], chips[int(sample["index"])].pixels)
            assert sample["id"] == broken.row(int(sample["index"]))["id"]
    numbers = [batch.arrays["index"].tolist() for batch in first]
    assert numbers == [batch.arrays["index"].tolist() for batch in epoch(0, in_flight=3)]
    assert numbers != [batch.arrays["index"].tolist() for batch in epoch(1)]
    assert sum(batch.faults.replaced for batch in first) > 5
    assert source[0]["index"] == source[0]["index"]


def test_a_batch_without_any_usable_sample_is_replaced_whole(broken):
    good, _, _, gone = kinds(broken)
    part = ChipSource(broken.query(where="item_id == '2025-06-01'"), on_error="replace")
    with pytest.raises(ReadError, match="cannot be used, nor any of 8 drawn for it"):
        part.load([0, 1])
    source = ChipSource(broken, on_sparse="replace", on_error="replace")
    (drawn,) = source.schedule(batch_size=72, shuffle="none").batches()
    only_bad = replace(drawn, samples=np.array(gone[:3]), spares=np.array([[gone[4], good[at]] for at in (1, 2, 3)]))
    batch = source.load(only_bad)
    assert batch.arrays["index"].tolist() == [good[at] for at in (1, 2, 3)]
    np.testing.assert_array_equal(batch.arrays["image"], Chipper(broken).batch([good[at] for at in (1, 2, 3)]).pixels)


def test_a_grouped_sample_is_unusable_where_one_of_its_rows_is(broken):
    good, *_ = kinds(broken)
    source = ChipSource(broken, samples=group_rows(broken), on_error="keep", on_sparse="keep")
    batch = source.load(np.arange(36))

    assert batch.faults.missing == 36
    assert set(batch.arrays["index"][batch.arrays["present"]].tolist()) == set(good)


def test_a_policy_that_there_is_not_is_refused(broken):
    with pytest.raises(ChipError, match="on_error must be one of raise, skip, replace, keep; got 'none'"):
        ChipSource(broken, on_error="none")
