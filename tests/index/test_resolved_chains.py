"""Chains whose limits come from each item: their numbers are stored, and each item has its own chain."""

import json

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
from stacchip_osml.stac.from_image import item_from_image


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


def test_limits_are_those_of_the_images_when_nobody_gives_others(folder):
    index = Indexer(str(folder), 16, chain=(minmax_step(resolve="item"),)).create_index()
    again = Indexer(str(folder), 16, chain=(minmax_step(resolve="item"),)).create_index()

    rows = index.rows(range(len(index)))
    assert [row["chain"] for row in again.rows(range(len(again)))] == [row["chain"] for row in rows]
    for item_id, name in {(row["item_id"], row["chain"]) for row in rows}:
        pixels = pixels_of(folder, item_id).reshape(2, -1)
        (step,) = [step for step in index.chains[name] if step["step"] == "rescale"]
        assert (list(step["low"]), list(step["high"])) == (pixels.min(axis=1).tolist(), pixels.max(axis=1).tolist())


@pytest.mark.parametrize("says", ["file", "item"])
def test_nodata_sets_no_limit_whoever_declares_it(folder, says):
    with rasterio.open(folder / "1.tif", "r+") as image:
        pixels = image.read()
        pixels[:, :4] = 3000
        image.write(pixels)
        if says == "file":
            image.nodata = 3000
    document = dict(item_from_image(str(folder / "1.tif")).document)
    if says == "item":
        (asset,) = document["assets"].values()
        asset["bands"] = [{"name": name, "data_type": "uint16", "nodata": 3000} for name in "ab"]
    (folder / "item.json").write_text(json.dumps(document))
    index = Indexer(str(folder / "item.json"), 16, chain=(minmax_step(resolve="item"),)).create_index()

    (step,) = [step for step in index.chains[index.row(0)["chain"]] if step["step"] == "rescale"]
    assert list(step["high"]) == pixels[:, 4:].reshape(2, -1).max(axis=1).tolist()


def test_an_image_that_has_no_limits_is_left_out_with_its_reason(folder):
    with rasterio.open(
        folder / "1.tif", "w", driver="GTiff", width=32, height=32, count=1, dtype="complex64",
        crs="EPSG:32632", transform=from_origin(5e5, 5.5e6, 10, 10),
    ) as out:  # fmt: skip
        out.write(np.ones((1, 32, 32), np.complex64))
    indexer = Indexer(str(folder), 16, chain=(percentile_step(2, 98, resolve="item"),), on_error="skip")

    index = indexer.create_index()

    assert {row["item_id"].rsplit("/", 1)[-1] for row in index.rows(range(len(index)))} == {"2"}
    (problem,) = indexer.problems
    assert "has no limits to stretch its pixels by" in str(problem)


def test_an_index_is_not_made_of_limits_that_nobody_knows(folder):
    with pytest.raises(ChainError, match="read_headers=False forbids to open: give them by statistics="):
        Indexer(str(folder), 16, chain=(minmax_step(resolve="item"),), read_headers=False)


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
