"""Chips of several sensors in one batch: alike after their chains, whatever their files hold."""

import numpy as np
import pytest

from stacchip_osml import Chipper, Indexer, merge
from stacchip_osml.chain import linear_step
from stacchip_osml.encode import imsave
from stacchip_osml.errors import ReadError, WindowError
from stacchip_osml.load import ChipSource

BYTES = np.random.default_rng(1).integers(1, 255, (2, 64, 64), np.uint8)
WORDS = np.random.default_rng(2).integers(1, 9999, (3, 64, 64), np.uint16)
WORDS[:, :10] = 0


@pytest.fixture
def both(tmp_path):
    """Four chips of each of two sensors, whose chains give two bands of float32."""
    imsave(tmp_path / "bytes.tif", BYTES)
    imsave(tmp_path / "words.tif", WORDS, nodata=0)
    halves = linear_step(scale=0.5)
    choice = {"step": "select", "version": 1, "bands": [2, 0]}
    one = Indexer(tmp_path / "bytes.tif", chip_size=32, chain=(halves,)).create_index()
    two = Indexer(tmp_path / "words.tif", chip_size=32, chain=(choice, linear_step(scale=0.25))).create_index()
    return merge(one, two)


def expected(row):
    y, x = row["row_off"], row["col_off"]
    if row["item_id"] == "bytes":
        return BYTES[:, y : y + 32, x : x + 32] * np.float32(0.5)
    return WORDS[[2, 0], y : y + 32, x : x + 32] * np.float32(0.25)


def test_a_batch_of_unlike_files_holds_each_chip_as_its_chain_made_it(both):
    chipper = Chipper(both)
    order = [5, 0, 7, 2, 5]
    batch = chipper.batch(order)

    assert batch.pixels.shape == (5, 2, 32, 32)
    assert batch.pixels.dtype == np.float32
    for place, position in enumerate(order):
        row, alone = both.row(position), chipper[position]
        mask = batch.mask[place]
        assert (mask == alone.mask).all()
        assert (batch.pixels[place][mask] == expected(row)[mask]).all()
        np.testing.assert_array_equal(batch.pixels[place], alone.pixels)
    source = ChipSource(both)
    seen = [each for found in source.batches(source.schedule(batch_size=3, seed=1)) for each in found.arrays["index"]]
    assert sorted(seen) == list(range(8))


def test_what_cannot_be_read_leaves_chips_of_the_other_sensor_alone(both, tmp_path):
    (tmp_path / "words.tif").unlink()
    with pytest.raises(ReadError, match=r"words\.tif"):
        Chipper(both).batch(range(8))
    batch = Chipper(both).batch(range(8), on_error="none")

    for place in range(8):
        row = both.row(place)
        is_there = row["item_id"] == "bytes"
        assert batch.present[place] == is_there
        assert batch.mask[place].all() == is_there
        if is_there:
            assert (batch.pixels[place] == expected(row)).all()


def test_chips_that_their_chains_do_not_make_alike_are_refused(both, tmp_path):
    with pytest.raises(
        WindowError, match=r"must agree: .* is \(2, 32, 32\) uint8, .* is \(3, 32, 32\) uint16; .* chain"
    ):
        Chipper(both, chain="raw").batch(range(8))
    raw = Indexer(tmp_path / "words.tif", chip_size=32).create_index()
    with pytest.raises(WindowError, match="must agree: their chains give"):
        Chipper(merge(both.query(where="item_id == 'bytes'"), raw)).batch(range(8))


def test_a_chipper_says_how_many_chips_it_cuts_and_of_which_index(both, tmp_path):
    assert repr(Chipper(both)) == "Chipper(8 chips)"
    both.select([0]).save(tmp_path / "one.parquet")
    assert repr(Chipper(tmp_path / "one.parquet")) == f"Chipper(1 chip in {tmp_path / 'one.parquet'})"
