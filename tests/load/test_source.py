"""Samples from an index: what the Chipper cuts, named and grouped for training."""

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from training_scene import CHIP, DATES, GROUND, image, item, pixels_of, training_index

from stacchip_osml import Chipper, Indexer, merge
from stacchip_osml.errors import (
    ChipError,
    IndexSchemaError,
    ResumeError,
    SettingError,
    WindowError,
)
from stacchip_osml.load.order import epoch_order, mixing
from stacchip_osml.load.row_groups import block_groups, group_rows
from stacchip_osml.load.source import ChipSource


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    return training_index(tmp_path_factory.mktemp("scene"))


def test_samples_are_what_the_chipper_cuts(index):
    source, chipper = ChipSource(index, valid="bands"), Chipper(index)
    batch = source.load([5, -1, 40])

    assert len(source) == len(index) == 72
    for place, position in enumerate([5, 71, 40]):
        chip, sample = chipper[position], batch[place]
        np.testing.assert_array_equal(sample["image"], chip.pixels)
        np.testing.assert_array_equal(sample["valid"], chip.mask)
        np.testing.assert_array_equal(sample["transform"], np.array(chip.transform))
        left, bottom, right, top = chip.bounds
        np.testing.assert_array_equal(sample["bounds"][:6], [left, right, 10, bottom, top, 10])
        assert sample["bounds"][6] == sample["bounds"][7] == chip.row["datetime"].timestamp()
        assert (sample["index"], sample["id"]) == (position, chip.row["id"])
    assert source[5]["image"].dtype == np.uint16
    assert ChipSource(index, dtype="float32")[5]["image"].dtype == np.float32


def test_the_pixels_of_a_batch_are_not_copied(index, monkeypatch):
    source = ChipSource(index)
    given = []
    real = source.chipper.cut_rows
    monkeypatch.setattr(source.chipper, "cut_rows", lambda *args, **kw: given.append(real(*args, **kw)) or given[-1])
    batch = source.load([1, 2, 3])

    assert np.shares_memory(batch.arrays["image"], given[0].pixels)
    assert np.shares_memory(batch[2]["image"], given[0].pixels)
    assert batch.arrays["image"].flags.writeable


def test_a_batch_is_also_a_sequence_of_samples(index):
    batch = ChipSource(index).load([3, 4])

    assert [sample["index"] for sample in batch] == [3, 4]
    assert batch[-1]["index"] == batch[0:2][1]["index"] == 4
    with pytest.raises(IndexError, match="sample 2 of a batch of 2"):
        batch[2]
    assert "image 2x2x32x32 uint16" in repr(batch)


def test_pixels_are_valid_where_all_bands_are(tmp_path):
    holed = pixels_of(1, 2)
    holed[0, :5], holed[1, :, :7] = 0, 0
    index = Indexer(image(tmp_path / "a.tif", holed, nodata=0), CHIP).create_index()

    np.testing.assert_array_equal(ChipSource(index)[0]["valid"], (holed[:, :CHIP, :CHIP] > 0).all(axis=0))
    np.testing.assert_array_equal(ChipSource(index, valid="bands")[0]["valid"], holed[:, :CHIP, :CHIP] > 0)
    assert "valid" not in ChipSource(index, valid=None)[0]


@pytest.mark.parametrize("assets", [("scl", "red", "nir"), ("red", "scl", "nir"), ("red", "nir", "scl")])
def test_a_band_of_the_chip_can_be_its_label_mask(tmp_path, assets):
    index = training_index(tmp_path, assets=assets)
    sample = ChipSource(index, mask="scl")[7]
    chip = Chipper(index)[7]

    np.testing.assert_array_equal(sample["mask"], chip.pixels[assets.index("scl")])
    np.testing.assert_array_equal(sample["image"], chip.pixels[[at for at in range(3) if assets[at] != "scl"]])
    assert (sample["mask"].dtype, sample["mask"].shape) == (np.int64, (CHIP, CHIP))
    assert ChipSource(index, mask="scl", mask_dtype=None)[7]["mask"].dtype == np.uint16


def test_other_chips_of_the_same_ground_can_be_the_labels(index, tmp_path):
    codes = pixels_of(9, dtype="uint8")
    codes[0, :40] = 0
    labels = Indexer(image(tmp_path / "labels.tif", codes, nodata=0), CHIP).create_index()
    source = ChipSource(index, mask=Chipper(labels), mask_fill=-100)
    batch = source.load(np.arange(72))

    for sample, row in zip(batch, index.rows(np.arange(72)), strict=True):
        x, y = row["col_off"], row["row_off"]
        expected = codes[0, y : y + CHIP, x : x + CHIP].astype(int)
        np.testing.assert_array_equal(sample["mask"], np.where(expected == 0, -100, expected))


def test_of_several_labels_of_one_ground_those_of_the_same_time_count(tmp_path):
    items = [item(tmp_path, date) for date in DATES]
    images, codes = (Indexer(items, CHIP, assets=assets).create_index() for assets in (["red", "nir"], ["scl"]))
    first = codes.query(datetime="2025-05-01")
    expected = [chip.pixels[0] for chip in Chipper(codes)]

    np.testing.assert_array_equal(ChipSource(images, mask=Chipper(codes)).load(range(72)).arrays["mask"], expected)
    alone = ChipSource(images, mask=Chipper(first)).load(range(72)).arrays["mask"]
    assert len(np.unique(alone.reshape(72, -1), axis=0)) == 36  # one date of labels is that of all dates
    with pytest.raises(IndexSchemaError, match="several label chips of one time lie where"):
        ChipSource(images, mask=Chipper(merge(codes, images)))
    later = training_index(tmp_path / "later", dates=("2025-07-01",))
    with pytest.raises(
        IndexSchemaError, match=r"36 of 36 chips have no label chip .* \(and, where there are several, time"
    ):
        ChipSource(later, mask=Chipper(codes))


def test_chips_of_several_bands_can_stand_beside_the_image(tmp_path):
    items = [item(tmp_path, "2025-05-01")]
    codes, pair = (Indexer(items, CHIP, assets=assets).create_index() for assets in (["scl"], ["red", "nir"]))
    beside = ChipSource(codes, mask=Chipper(pair), mask_dtype=None, mask_fill=9).load([3, 0]).arrays["mask"]

    np.testing.assert_array_equal(beside, [Chipper(pair)[3].pixels, Chipper(pair)[0].pixels])
    assert beside.dtype == np.uint16


def test_labels_of_another_ground_are_refused(index, tmp_path):
    elsewhere = image(tmp_path / "a.tif", pixels_of(1), transform=GROUND @ GROUND.translation(1, 0))
    with pytest.raises(IndexSchemaError, match="72 of 72 chips have no label chip of the same CRS, transform and size"):
        ChipSource(index, mask=Chipper(Indexer(elsewhere, CHIP).create_index()))
    with pytest.raises(
        IndexSchemaError, match=r"no band 'scl' beside others to be the mask; there are \('red', 'nir'\)"
    ):
        ChipSource(index, mask="scl")[0]


def test_columns_label_whole_chips(index):
    numbered = index.with_column("class", list(range(72))).with_column("word", ["b", None, "a"] * 24)
    numbered = numbered.with_column("share", np.arange(72) / 8)

    assert ChipSource(numbered, label="class").load([4, 9]).arrays["label"].tolist() == [4, 9]
    assert ChipSource(numbered, label="share").load([4]).arrays["label"].tolist() == [0.5]
    source = ChipSource(numbered, label="word")
    assert source.classes == ("a", "b")
    assert source.load([0, 1, 2]).arrays["label"].tolist() == [1, -1, 0]
    with pytest.raises(IndexSchemaError, match="no column 'nothing'; there are id, "):
        ChipSource(index, label="nothing")
    with pytest.raises(IndexSchemaError, match="has 71 rows without a value"):
        ChipSource(index.with_column("holes", [1] + [None] * 71), label="holes")


def test_rows_of_one_block_have_one_number(index):
    groups = block_groups(Chipper(index))
    rows = index.rows(np.arange(72))
    blocks = [(row["item_id"], row["col_off"] // 64, row["row_off"] // 64) for row in rows]

    assert len(set(zip(groups.tolist(), blocks, strict=True))) == len(set(blocks)) == len(set(groups.tolist())) == 18
    assert len(set(block_groups(Chipper(index), block_shape=(96, 192)).tolist())) == 4
    with pytest.raises(SettingError, match="block_shape must be a whole number from 1"):
        block_groups(Chipper(index), block_shape=(0, 1))


def test_blocks_are_those_of_the_asset_that_costs_most(tmp_path):
    image(tmp_path / "a.tif", pixels_of(0, 1))
    fine, coarse = pixels_of(0, 1), pixels_of(1, 5, side=96)
    image(tmp_path / "fine.tif", fine, blockxsize=16, blockysize=16)
    image(tmp_path / "coarse.tif", coarse, transform=GROUND @ GROUND.scale(2), blockxsize=48, blockysize=48)
    document = item(tmp_path, "2025-05-01")
    document["assets"] = {
        key: document["assets"]["red"] | {"href": str(tmp_path / f"{key}.tif")} for key in ("fine", "coarse")
    }
    index = Indexer(document, 32).create_index()
    groups = block_groups(Chipper(index))
    rows = index.rows(np.arange(len(index)))

    assert len({(g, r["col_off"] // 96, r["row_off"] // 96) for g, r in zip(groups.tolist(), rows, strict=True)}) == 4


def test_a_schedule_of_blocks_reads_each_block_about_once(index):
    schedule = ChipSource(index).schedule(batch_size=4, window=2, seed=3)
    blocks = block_groups(Chipper(index))
    order = np.concatenate([batch.samples for batch in schedule])

    np.testing.assert_array_equal(order, epoch_order(blocks, seed=3, window=2))
    assert mixing(order, blocks, 4) > 3 * mixing(epoch_order(72, shuffle="rows", seed=3), blocks, 4)


def test_dates_of_one_ground_are_one_sample(index):
    groups = group_rows(index)
    source = ChipSource(index, samples=groups)
    batch = source.load([0, 7])
    chips = Chipper(index)

    assert groups.rows.shape == (36, 2)
    assert batch.arrays["image"].shape == (2, 2, 2, CHIP, CHIP)
    for sample, rows in zip(batch, groups.rows[[0, 7]], strict=True):
        first, second = (chips[int(row)] for row in rows)
        np.testing.assert_array_equal(sample["image"], [first.pixels, second.pixels])
        assert first.bounds == second.bounds
        assert [first.row["item_id"], second.row["item_id"]] == ["2025-05-01", "2025-06-01"]
        assert sample["id"] == (first.row["id"], second.row["id"])
        assert sample["time"].tolist() == [chip.row["datetime"].timestamp() for chip in (first, second)]
        assert sample["bounds"][6:8].tolist() == sample["time"].tolist()
        assert sample["present"].all()


def test_samples_that_lack_a_date_are_left_out_padded_or_refused(index):
    part = index.query(where="item_id == '2025-05-01' or grid_col < 2")
    padded = group_rows(part, ["proj:code", "grid_col", "grid_row"], slots="item_id", missing="pad")
    source = ChipSource(part, samples=padded)
    lacking = int(np.flatnonzero((padded.rows < 0).any(axis=1))[0])
    batch = source.load([0, lacking])

    assert padded.slots == ("2025-05-01", "2025-06-01")
    assert len(padded) == 36
    assert batch.arrays["present"].tolist() == [[True, True], [True, False]]
    assert not batch.arrays["valid"][1, 1].any()
    assert not batch.arrays["image"][1, 1].any()
    assert batch.arrays["valid"][1, 0].all()
    assert batch.arrays["id"][1][1] == ""
    assert np.isnan(batch.arrays["time"][1, 1])
    assert batch.arrays["index"][1, 1] == -1
    skipped = group_rows(part)
    assert (len(skipped), skipped.skipped, skipped.left_out) == (12, 24, 24)
    told = "SampleRows(12 samples of 2 rows, 12 of them full, 24 that lack rows left out, 24 rows in none)"
    assert repr(skipped) == told
    assert repr(ChipSource(part, samples=skipped)) == "ChipSource(12 samples of 48 chips, 24 that lack rows left out)"
    assert (padded.skipped, padded.left_out) == (0, 0)
    with pytest.raises(IndexSchemaError, match="24 of 36 samples lack rows; the first is that of 'c/2025-05-01"):
        group_rows(part, missing="raise")
    with pytest.raises(IndexSchemaError, match=r"two rows for one place of a sample \(collection\): 'c/2025-05-01"):
        group_rows(index, "grid_col", slots="collection")


def test_the_earliest_rows_of_a_sample_are_kept(index):
    groups = group_rows(index, "collection", size=3)

    assert groups.rows.shape == (1, 3)
    assert {row["item_id"] for row in index.rows(groups.rows[0])} == {"2025-05-01"}
    assert groups.left_out == 69


def test_schedules_of_grouped_samples_draw_samples(index):
    groups = group_rows(index)
    source = ChipSource(index, samples=groups)
    schedule = source.schedule(batch_size=5, balance="grid_col")
    drawn = np.concatenate([batch.samples for batch in schedule])

    assert len(drawn) == 36
    assert drawn.max() < 36
    with pytest.raises(ResumeError, match="of other rows"):
        ChipSource(index).schedule(batch_size=5, shuffle="rows").load_state_dict(schedule.state_dict())


def test_classes_are_drawn_equally_often_and_rows_by_weight(index):
    rare = index.with_column(
        "class", ["rare" if row % 24 == 0 else None if row % 24 == 1 else "often" for row in range(72)]
    )
    source = ChipSource(rare.with_column("weight", np.arange(72.0) % 2))
    drawn = np.concatenate([b.samples for b in source.schedule(batch_size=9, balance="class", draws=4000)])
    odd = np.concatenate([b.samples for b in source.schedule(batch_size=9, weights="weight", shuffle="none")])

    assert 0.46 < (drawn % 24 == 0).mean() < 0.54
    assert not (drawn % 24 == 1).any()
    assert (odd % 2 == 1).all()
    with pytest.raises(WindowError, match="give weights or balance, not both"):
        source.schedule(batch_size=9, balance="class", weights="weight")
    with pytest.raises(IndexSchemaError, match="no column 'wait'"):
        source.schedule(batch_size=9, weights="wait")


def test_an_epoch_resumes_after_any_batch(index):
    def make():
        source = ChipSource(index)
        return source, source.schedule(batch_size=10, seed=1)

    source, schedule = make()
    whole = [batch.arrays["id"] for batch in source.batches(schedule)]
    assert schedule.epoch == 1
    for stop in range(1, 8):
        source, schedule = make()
        for number, _ in enumerate(source.batches(schedule, in_flight=3), start=1):
            if number == stop:
                break
        state = schedule.state_dict()
        resumed_source, resumed = make()
        resumed.load_state_dict(state)
        rest = [batch.arrays["id"] for batch in resumed_source.batches(resumed)] if stop < 8 else []
        assert rest == whole[stop:]


def test_a_state_of_other_rows_is_refused(index):
    state = ChipSource(index).schedule(batch_size=4, shuffle="rows").state_dict()
    other = ChipSource(index.query(where="grid_col < 9").head(71))
    same = ChipSource(index.query(where="grid_col < 9"))
    same.schedule(batch_size=4, shuffle="rows").load_state_dict(state)
    with pytest.raises(ResumeError, match="of other rows"):
        other.schedule(batch_size=4, shuffle="rows").load_state_dict(state)


def test_threads_and_processes_may_use_one_source(index):
    source = ChipSource(index)
    expected = source.load(np.arange(72)).arrays["image"]
    with ThreadPoolExecutor(6) as pool:
        for place, batch in enumerate(pool.map(lambda row: source.load([row]), range(72))):
            np.testing.assert_array_equal(batch.arrays["image"][0], expected[place])
    copy = pickle.loads(pickle.dumps(source))
    np.testing.assert_array_equal(copy.load([3])[0]["image"], expected[3])
    assert copy.digest() == source.digest()
    assert repr(copy) == "ChipSource(72 samples of 72 chips)"


def test_a_kind_of_validity_that_there_is_not_is_refused(index):
    with pytest.raises(ChipError, match="valid must be one of pixels, bands; got 'all'"):
        ChipSource(index, valid="all")


def test_samples_that_are_not_there_are_refused(index):
    with pytest.raises(IndexError, match="sample 72 of 72"):
        ChipSource(index).load([0, 72])
    with pytest.raises(WindowError, match="size is not given with slots, which say it; got 2"):
        group_rows(index, size=2, slots="datetime")
    with pytest.raises(SettingError, match="missing must be one of skip, pad, raise; got 'keep'"):
        group_rows(index, missing="keep")


@pytest.mark.parametrize("chips", [32, 48])
def test_pixels_are_the_same_where_nobody_asks_which_are_valid(tmp_path, chips):
    items = [item(tmp_path, "2025-05-01", blocks=[(0, 0), (1, 1)])]
    index = Indexer(items, chips, assets=["red", "scl"]).create_index()
    told = ChipSource(index, on_sparse="keep")
    for source in (ChipSource(index, valid=None, on_sparse="keep"), ChipSource(index, valid="bands", on_sparse="keep")):
        batch, other = source.load(range(len(index))), told.load(range(len(index)))
        np.testing.assert_array_equal(batch.arrays["image"], other.arrays["image"])
        assert batch.faults == other.faults
    assert other.arrays["valid"].any()
    assert not other.arrays["valid"].all()


def test_what_is_resampled_is_resampled_from_valid_pixels_also_where_nobody_asks_for_them(tmp_path):
    items = [item(tmp_path, "2025-05-01")]
    image(tmp_path / "red-2025-05-01.tif", pixels_of(1) % 3 * 50, nodata=0)
    index = Indexer(items, CHIP, levels=(1,), assets=["red"]).create_index()
    told, quiet = ChipSource(index, on_sparse="keep"), ChipSource(index, valid=None, on_sparse="keep")
    one, two = told.load(range(len(index))), quiet.load(range(len(index)))

    np.testing.assert_array_equal(one.arrays["image"], two.arrays["image"])
    assert "valid" not in two.arrays


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"shuffle": True}, "shuffle must be one of none, rows, blocks; got True"),
        ({"window": 0}, "window must be a whole number from 1"),
        ({"weights": [-1.0] * 72}, "weights must be one number a row"),
        ({"weights": [1j] * 72}, "weights must be numbers, one a sample: .*complex"),
    ],
)
def test_an_order_that_no_epoch_can_have_is_refused_when_it_is_made(index, settings, message):
    with pytest.raises((WindowError, SettingError), match=message):
        ChipSource(index).schedule(batch_size=8, **settings)


def test_samples_are_chosen_by_whole_numbers_or_by_a_truth_value_each(index):
    source = ChipSource(index)
    chosen = np.arange(72) % 30 == 1

    assert source.load(chosen).arrays["index"].tolist() == [1, 31, 61]
    with pytest.raises(IndexError, match=r"a sample is chosen by a whole number, got .*1\.5"):
        source.load([1.5])
    with pytest.raises(IndexError, match="truth values choose of 72, one for each row; got 2"):
        Chipper(index).batch([True, False])


def test_what_a_source_and_its_order_are_is_told_in_a_line(index):
    source = ChipSource(index, samples=group_rows(index))

    assert repr(source.samples) == "SampleRows(36 samples of 2 rows, 36 of them full)"
    assert repr(source) == "ChipSource(36 samples of 72 chips)"
    assert repr(source.schedule(batch_size=8, seed=2, rank=1, ranks=2)) == (
        "EpochSchedule(epoch 0 at 0 of 36 samples, batches of 8, shuffle blocks, seed 2, rank 1 of 2)"
    )
    some = group_rows(index.select(range(71)))
    assert repr(some) == "SampleRows(35 samples of 2 rows, 35 of them full, 1 that lack rows left out, 1 rows in none)"
