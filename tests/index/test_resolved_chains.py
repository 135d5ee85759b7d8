"""Chains whose limits come from each item: their numbers are stored, and each item has its own chain."""

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from stacchip_osml import ChipIndex, Chipper, Indexer
from stacchip_osml.chain import (
    ProcessingChain,
    chain_id,
    compute_statistics,
    minmax_step,
    percentile_step,
    rescale_step,
    resolve,
)
from stacchip_osml.errors import ChainError


@pytest.fixture
def folder(tmp_path):
    """Two images of different brightness."""
    for number in (1, 2):
        pixels = np.random.default_rng(number).integers(0, 1000 * number, (2, 32, 32)).astype(np.uint16)
        with rasterio.open(
            tmp_path / f"{number}.tif", "w", driver="GTiff", width=32, height=32, count=2, dtype="uint16",
            crs="EPSG:32632", transform=from_origin(5e5, 5.5e6, 10, 10),
        ) as out:  # fmt: skip
            out.write(pixels)
    return tmp_path


def pixels_of(folder, item_id):
    with rasterio.open(folder / f"{item_id.rsplit('/', 1)[-1].removesuffix('.tif')}.tif") as source:
        return source.read()


def test_each_item_has_a_chain_with_its_own_numbers(folder, tmp_path):
    asked = []

    def statistics(item, assets):
        asked.append((item.id, assets))
        return compute_statistics(pixels_of(folder, item.id))

    waiting = (percentile_step(1, 99, resolve="item"),)
    index = Indexer(str(folder), 16, chain=waiting, statistics=statistics).create_index()
    index.save(tmp_path / "index.parquet")
    opened = ChipIndex.open(tmp_path / "index.parquet")
    chains = {row["item_id"]: row["chain"] for row in opened.rows(range(len(opened)))}

    assert len(set(chains.values())) == 2
    assert sorted(item for item, _ in asked) == sorted(chains)
    for row, chip in zip(opened.rows(range(len(opened))), Chipper(opened), strict=True):
        whole = pixels_of(folder, row["item_id"])
        definition = resolve(waiting, compute_statistics(whole))
        assert row["chain"] == chain_id(definition)
        assert opened.chains[row["chain"]] == definition
        shown = ProcessingChain.from_definition(definition, whole)(whole)
        top, left = row["row_off"], row["col_off"]
        np.testing.assert_array_equal(chip.pixels, shown[:, top : top + 16, left : left + 16])


def test_an_index_is_not_made_of_limits_that_nobody_knows(folder):
    with pytest.raises(ChainError, match="takes its limits from the whole item: say where from, statistics="):
        Indexer(str(folder), 16, chain=(minmax_step(resolve="item"),))


def test_a_chain_is_indexed_by_its_meaning_however_it_is_written(folder):
    short = {"version": 1, "high": 500.0, "step": "rescale", "low": 0.0}
    chain = ProcessingChain.from_definition((rescale_step(low=0, high=500),), (2, "uint16"))
    names = {
        row["chain"]
        for written in ([short], (rescale_step(low=0, high=500),), chain)
        for row in Indexer(str(folder), 16, chain=written).create_index().rows([0])
    }

    assert names == {chain.id}
    with pytest.raises(ChainError, match="cannot be indexed"):
        Indexer(str(folder), 16, chain=ProcessingChain([np.sqrt], 2, np.float32))
