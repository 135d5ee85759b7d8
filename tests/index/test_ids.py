"""Ids: stable, unique, readable."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stacchip_osml.index.ids import chip_ids, grid_token
from stacchip_osml.pixel import GridSpec, ImageSize, chip_grid


def ids(size=256, *, collection="c", item_id="i", level=0, chain="raw", assets=("red",), origin=(0, 0), **grid):
    spec = GridSpec.of(size, **grid)
    laid = chip_grid(ImageSize(700, 600), spec, level=level, origin=origin)
    token = grid_token(spec, assets=assets, reference=assets[0])
    return chip_ids(laid, collection=collection, item_id=item_id, token=token, chain=chain).to_pylist()


def test_an_id_reads_as_a_path():
    assert ids(chain="raw")[3].startswith("c/i/256-drop-")
    assert ids(chain="raw")[3].endswith("/0/00001/00001/raw")


VARIANTS = [
    {"size": 256},
    {"size": 128},
    {"size": (256, 128)},
    {"size": 256, "stride": 128},
    {"size": 256, "edges": "partial"},
    {"size": 256, "edges": "pad"},
    {"size": 256, "anchor": "crs"},
    {"size": 256, "level": 1},
    {"size": 256, "chain": "align-0123456789ab"},
    {"size": 256, "assets": ("red", "green")},
    {"size": 256, "assets": ("green", "red")},
    {"size": 256, "item_id": "j"},
    {"size": 256, "collection": "d"},
    {"size": 256, "collection": "c/i", "item_id": "256"},
    {"size": 256, "collection": "c", "item_id": "i/256"},
    {"size": 256, "collection": "c", "item_id": "i%2F256"},
]


def test_ids_are_unique_across_sizes_levels_assets_and_chains():
    made = [name for variant in VARIANTS for name in ids(**variant)]

    assert len(made) > 40
    assert len(set(made)) == len(made)


@given(x=st.integers(-3000, 3000), y=st.integers(-3000, 3000), size=st.integers(20, 90))
def test_grids_that_cross_zero_have_unique_ids_that_hold_their_numbers(x, y, size):
    spec = GridSpec.of(size)
    grid = chip_grid(ImageSize(400, 300), spec, origin=(x, y))
    made = chip_ids(grid, collection="c", item_id="i", token="t", chain="raw").to_pylist()
    windows = grid.windows()

    assert len(set(made)) == len(made)
    numbers = [tuple(int(part) for part in name.split("/")[4:6]) for name in made]
    assert numbers == list(zip(windows.grid_row.tolist(), windows.grid_col.tolist(), strict=True))


@pytest.mark.parametrize("level", [0, 1])
def test_ids_do_not_change_from_run_to_run(level):
    assert ids(level=level) == ids(level=level)
    assert ids()[0] == "c/i/256-drop-e18d70/0/00000/00000/raw"
