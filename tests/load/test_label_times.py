"""Which label chip a row has where several lie on its ground: that of its time or interval."""

import numpy as np
import pytest
from training_scene import CHIP, item

from stacchip_osml import Chipper, Indexer
from stacchip_osml.errors import IndexSchemaError, WindowError
from stacchip_osml.index import pair_chips
from stacchip_osml.load import row_groups
from stacchip_osml.load.source import ChipSource

MONTHS = {"2025-04-30": "2025-05-31", "2025-06-01": "2025-06-30"}
"""Date of a label's files, and the end of its interval."""


def scene(folder, times, asset):
    """Index the chips of one asset, an item for each date: at that moment, or until another date."""
    documents = []
    for date, end in times.items():
        document = item(folder, date)
        if end is not None:
            ends = {"start_datetime": f"{date}T00:00:00Z", "end_datetime": f"{end}T23:59:59Z"}
            document["properties"] |= ends | {"datetime": None}
        documents.append(document)
    return Indexer(documents, CHIP, assets=[asset]).create_index()


def labels_of(images, labels):
    """Name the item of each row, and that of the label chip whose pixels are its mask."""
    masks = ChipSource(images, mask=Chipper(labels)).load(range(len(images))).arrays["mask"]
    chips = {chip.pixels[0].tobytes(): chip.row["item_id"] for chip in Chipper(labels)}
    found = [chips[mask.astype(np.uint8).tobytes()] for mask in masks]
    return set(zip((row["item_id"] for row in images.rows(range(len(images)))), found, strict=True))


@pytest.mark.parametrize("compared", [5, 65_536])
def test_a_label_of_an_interval_is_that_of_the_moments_in_it(tmp_path, monkeypatch, compared):
    monkeypatch.setattr(row_groups, "_COMPARED", compared)
    images = scene(tmp_path, dict.fromkeys(("2025-05-01", "2025-05-31", "2025-06-30")), "red")

    found = labels_of(images, scene(tmp_path, MONTHS, "scl"))

    assert found == {
        ("2025-05-01", "2025-04-30"),
        ("2025-05-31", "2025-04-30"),
        ("2025-06-30", "2025-06-01"),
    }


def test_an_image_of_an_interval_has_the_label_of_a_moment_in_it(tmp_path):
    images = scene(tmp_path, MONTHS, "red")

    found = labels_of(images, scene(tmp_path, {"2025-05-20": None, "2025-06-10": None}, "scl"))

    assert found == {("2025-04-30", "2025-05-20"), ("2025-06-01", "2025-06-10")}


def test_the_same_interval_counts_before_one_that_only_meets(tmp_path):
    meeting = {"2025-05-01": "2025-06-01", "2025-06-01": "2025-07-01"}

    found = labels_of(scene(tmp_path / "images", meeting, "red"), scene(tmp_path / "labels", meeting, "scl"))

    assert found == {(date, date) for date in meeting}


def test_labels_that_no_time_tells_apart_and_rows_outside_of_all_are_refused(tmp_path):
    labels = scene(tmp_path, {"2025-05-01": "2025-05-31", "2025-05-15": "2025-06-30"}, "scl")
    with pytest.raises(IndexSchemaError, match=r"several label chips of one time lie where '.*2025-05-20.*' does"):
        ChipSource(scene(tmp_path, {"2025-05-20": None}, "red"), mask=Chipper(labels))
    outside = scene(tmp_path, {"2025-05-02": None, "2025-08-01": None}, "red")
    with pytest.raises(IndexSchemaError, match=r"36 of 72 chips have no label chip .*, time.*2025-08-01"):
        ChipSource(outside, mask=Chipper(labels))


def test_rows_of_other_chips_can_be_named_as_those_that_pairs_give(tmp_path):
    images = scene(tmp_path, {"2025-05-01": None, "2025-08-01": None}, "red")
    others = Indexer(item(tmp_path, "2025-05-02"), CHIP * 2, assets=["nir"]).create_index()
    pairs = pair_chips(images, others, keep="nearest")
    assert len(pairs) == len(images)

    source = ChipSource(images, mask=Chipper(others), mask_rows=pairs.rows[:, 1], mask_dtype=None)
    batch = source.load([70, 0]).arrays

    assert batch["image"].shape == (2, 1, CHIP, CHIP)
    wanted = Chipper(others)
    np.testing.assert_array_equal(batch["mask"], [wanted[int(pairs.rows[row, 1])].pixels[0] for row in (70, 0)])
    with pytest.raises(IndexSchemaError, match="mask_rows must be one for each of 72 chips, got 2"):
        ChipSource(images, mask=Chipper(others), mask_rows=[0, 1])
    with pytest.raises(IndexError, match="mask_row 9 of an index of 9 chips"):
        ChipSource(images, mask=Chipper(others), mask_rows=[9] * 72)
    with pytest.raises(WindowError, match="mask_rows are rows of other chips, and mask= names none"):
        ChipSource(images, mask_rows=[0] * 72)
