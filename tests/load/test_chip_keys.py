"""What a stored chip is found by: everything that its pixels depend on, and nothing else."""

import os
from dataclasses import replace

import numpy as np
import pytest
from training_scene import CHIP, image, item, pixels_of, training_index

from stacchip_osml import ChipIndex, Chipper, Indexer
from stacchip_osml.chain import scale_offset_step
from stacchip_osml.index.layouts import StoredHeader
from stacchip_osml.load.decoded_store import ChipKeys, DecodedStore
from stacchip_osml.load.rows import RowPlans
from stacchip_osml.load.source import ChipSource


def keys(index, *, positions=range(4), headers=None, chain=None, epoch=0, lasting=True, made=None):
    plans = RowPlans(index)
    rows = plans.rows(np.array(positions))
    tables = index.tables
    maker = made or ChipKeys(headers or tables.headers, tables.chains, chain=chain)
    return maker.of(rows, plans.keys, epoch=epoch, lasting=lasting)


def test_every_row_has_a_key_of_its_own_that_stays(tmp_path):
    index = training_index(tmp_path)
    found = keys(index, positions=range(72))

    assert len(set(found)) == 72
    assert found == keys(index, positions=range(72))
    index.save(tmp_path / "chips.parquet")
    assert found == keys(ChipIndex.open(tmp_path / "chips.parquet"), positions=range(72))


def test_another_index_of_the_same_files_finds_the_same_chips(tmp_path):
    document = item(tmp_path, "2025-05-01")
    one = Indexer(document, CHIP, assets=["red", "nir"]).create_index()
    two = Indexer(document | {"id": "other", "collection": "d"}, CHIP, assets=["red", "nir"]).create_index()

    assert keys(one) == keys(two)


@pytest.mark.parametrize("change", ["assets", "order", "chain", "level", "window", "nodata"])
def test_whatever_changes_the_pixels_changes_the_key(tmp_path, change):
    document = item(tmp_path, "2025-05-01")
    settings = {"assets": ["red", "nir"]}
    before = keys(Indexer(document, CHIP, **settings).create_index())
    size = CHIP
    if change == "assets":
        settings["assets"] = ["red"]
    elif change == "order":
        settings["assets"] = ["nir", "red"]
    elif change == "chain":
        settings["chain"] = [scale_offset_step()]
    elif change == "level":
        settings["levels"], size = (1,), CHIP // 2
    elif change == "window":
        size = CHIP + 1
    else:
        bands = [{"name": "b", "nodata": 5, "data_type": "uint16"}]
        document["assets"]["red"] = document["assets"]["red"] | {"bands": bands}

    assert not set(before) & set(keys(Indexer(document, size, **settings).create_index()))


def test_another_chain_than_the_row_s_has_other_keys(tmp_path):
    document = item(tmp_path, "2025-05-01")
    index = Indexer(document, CHIP, assets=["red"], chain=[scale_offset_step()]).create_index()

    assert not set(keys(index)) & set(keys(index, chain="raw"))


def test_a_file_that_changes_has_other_keys_from_the_next_epoch_on(tmp_path):
    index = training_index(tmp_path, dates=("2025-05-01",))
    made = ChipKeys(index.tables.headers, index.chains)
    before = keys(index, made=made)
    path = tmp_path / "nir-2025-05-01.tif"
    image(path, pixels_of(99), nodata=0)

    assert keys(index, made=made) == before
    after = keys(index, made=made, epoch=1)
    assert not set(after) & set(before)
    os.utime(path, ns=(1, 1))
    assert not set(keys(index, made=made, epoch=2)) & {*before, *after}
    path.unlink()
    assert keys(index, made=made, epoch=3) == [None] * 4


def remote(index, **facts):
    stored = StoredHeader(facts="{}", levels=(), **facts) if facts else None
    return {
        key: replace(
            header,
            stored=stored,
            image=replace(header.image, location=f"https://host/{key[2]}.tif", size_bytes=None, modified_ns=None),
        )
        for key, header in index.tables.headers.items()
    }


def test_remote_files_are_told_apart_by_what_the_index_recorded(tmp_path):
    index = training_index(tmp_path)
    one = keys(index, headers=remote(index, size_bytes=9, etag='"a"'))
    two = keys(index, headers=remote(index, size_bytes=9, etag='"b"'))
    dated = keys(index, headers=remote(index, last_modified="Thu, 01 May 2025 00:00:00 GMT"))

    assert None not in {*one, *two, *dated}
    assert not set(one) & set(two)
    assert not set(dated) & {*one, *two}


def test_remote_files_of_which_nothing_is_known_are_kept_for_this_process_only(tmp_path):
    index = training_index(tmp_path)

    assert keys(index, headers=remote(index)) == [None] * 4
    assert None not in keys(index, headers=remote(index), lasting=False)


def test_a_chain_applied_by_the_chipper_is_stored_apart(tmp_path):
    document = item(tmp_path, "2025-05-01")
    index = Indexer(document, CHIP, assets=["red"], chain=[scale_offset_step()]).create_index()
    store = DecodedStore(1 << 24)
    ChipSource(Chipper(index, chain="raw"), store=store).load([0, 1])
    ChipSource(Chipper(index, chain="raw"), store=store).load([0, 1])

    assert store.counts[:3] == (2, 2, 2)
