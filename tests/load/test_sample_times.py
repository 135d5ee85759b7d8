"""What a sample tells of the time of its rows."""

from datetime import datetime

import numpy as np
from training_scene import CHIP, DATES, item

from stacchip_osml import Indexer
from stacchip_osml.load.row_groups import group_rows
from stacchip_osml.load.source import ChipSource

ENDS = {"start_datetime": "2025-04-20T00:00:00Z", "end_datetime": "2025-05-20T12:00:00Z"}


def seconds(text):
    return datetime.fromisoformat(text).timestamp()


def test_the_bounds_of_a_sample_are_those_of_its_interval(tmp_path):
    items = [item(tmp_path, date) for date in DATES]
    items[0]["properties"] |= ENDS
    spans = [[seconds(end) for end in ENDS.values()], [seconds(items[1]["properties"]["datetime"])] * 2]
    dated = Indexer(items, CHIP, assets=["red", "nir"]).create_index()
    rows = group_rows(dated).rows

    single = ChipSource(dated).load(rows[0]).arrays["bounds"]
    assert single[:, 6:8].tolist() == spans
    stacked = ChipSource(dated, samples=group_rows(dated)).load([0]).arrays
    assert stacked["bounds"][0, 6:8].tolist() == [spans[0][0], spans[1][1]]
    assert stacked["time"].tolist() == [[row["datetime"].timestamp() for row in dated.rows(rows[0])]]


def test_a_row_that_a_sample_lacks_widens_no_bounds(tmp_path):
    items = [item(tmp_path, date) for date in DATES]
    items[0]["properties"] |= ENDS
    part = Indexer(items, CHIP, assets=["red", "nir"]).create_index()
    part = part.query(where=f"item_id == '{DATES[0]}' or grid_col > 0")
    samples = group_rows(part, slots="datetime", missing="pad")
    lacking = np.flatnonzero((samples.rows < 0).any(axis=1))

    assert len(lacking) == 6
    bounds = ChipSource(part, samples=samples).load(lacking).arrays["bounds"]
    assert bounds[:, 6:8].tolist() == [[seconds(end) for end in ENDS.values()]] * 6
