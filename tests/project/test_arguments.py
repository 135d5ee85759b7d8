"""Whatever is given to a public call by mistake, its error says which argument is meant, and comes before the work."""

from functools import partial

import numpy as np
import pytest

from stacchip_osml import Chip, ChipFactory, ChipIndex, Chipper, Indexer, PixelWindow, QualityBand, encode_chip, merge
from stacchip_osml.imagery import GdalImage, PyramidBuilder, compute_image_statistics, iter_blocks, level_grid
from stacchip_osml.index import pair_chips, split_by_place
from stacchip_osml.load import (
    ChipSource,
    DecodedStore,
    EpochSchedule,
    block_decodes,
    block_groups,
    epoch_order,
    group_rows,
    mixing,
)
from stacchip_osml.stac import iter_items
from tests.project.wrong_values import WRONG, is_named, refusal


@pytest.fixture(scope="module")
def scene(root):
    """Give what calls are made with: items, an index of them, an image, samples, a chip."""
    items = root / "indexes" / "imagery" / "sentinel-like" / "collection.json"
    index = Indexer(items, chip_size=128, assets=["red", "green"]).create_index()
    image = GdalImage(str(items.parent / "SEN_32UNA_20250514" / "red.tif"))
    chip = Chip(pixels=np.ones((1, 4, 4)), mask=np.ones((1, 4, 4), bool), window=PixelWindow(0, 0, 4, 4))
    return {"items": items, "index": index, "image": image, "source": ChipSource(index), "chip": chip}


def indexer(scene, **given):
    return Indexer(**{"items": scene["items"], **given})


def batches(scene, **given):
    return next(scene["source"].batches(**{"schedule": scene["source"].schedule(batch_size=1), **given}))


def epochs(scene, **given):
    return EpochSchedule(**{"order": scene["source"].schedule(batch_size=1).order, "batch_size": 1, **given})


def column(scene, **given):
    return scene["index"].with_column(**{"name": "a", "values": range(len(scene["index"])), **given})


def schedule(scene, **given):
    made = scene["source"].schedule(**{"batch_size": 2, "shuffle": "rows", **given})
    return list(made)


CALLS = {
    "Indexer": (
        indexer,
        "chip_size assets reference levels stride edges anchor chain statistics resampling quality max_nodata "
        "alternate base roots sign on_error progress",
    ),
    "QualityBand": (lambda _, **given: QualityBand(**{"asset": "scl", **given}), "asset level"),
    "merge": (lambda scene, an_index: merge(scene["index"], an_index), "an_index"),
    "ChipIndex.open": (lambda _, an_index: ChipIndex.open(an_index), "an_index"),
    "ChipIndex.query": (
        lambda scene, **given: scene["index"].query(**given),
        "bbox intersects datetime where columns",
    ),
    "ChipIndex.join": (
        lambda scene, **given: scene["index"].join(**{"table": {"id": ["a"]}} | given),
        "table on how columns",
    ),
    "ChipIndex.with_column": (column, "name values"),
    "ChipIndex.sample": (lambda scene, **given: scene["index"].sample(**{"n": 1} | given), "n seed"),
    "ChipIndex.head": (lambda scene, n: scene["index"].head(n), "n"),
    "ChipIndex.row": (lambda scene, row: scene["index"].row(row), "row"),
    "ChipIndex.select": (lambda scene, row: scene["index"].select(row), "row"),
    "ChipIndex.with_headers": (lambda scene, **given: scene["index"].head(0).with_headers(**given), "threads on_error"),
    "pair_chips": (
        lambda scene, **given: pair_chips(**{"one": scene["index"], "other": scene["index"]} | given),
        "one other overlap of within keep",
    ),
    "split_by_place": (
        lambda scene, **given: split_by_place(**{"index": scene["index"], "shares": {"a": 1}, "cell_m": 2000} | given),
        "shares cell_m gap_m seed",
    ),
    "iter_items": (lambda scene, **given: list(iter_items(str(scene["items"]), **given)), "base roots"),
    "Chipper": (
        lambda scene, **given: Chipper(scene["index"], **given),
        "chain sign threads cache_bytes",
    ),
    "Chipper.batch": (lambda scene, **given: Chipper(scene["index"]).batch(**{"positions": []} | given), "on_error"),
    "ChipSource": (
        lambda scene, **given: ChipSource(scene["index"], **given),
        "samples label valid on_sparse on_error store",
    ),
    "ChipSource.schedule": (
        schedule,
        "batch_size shuffle seed window lanes weights balance draws block_shape rank ranks tail",
    ),
    "ChipSource.batches": (batches, "schedule in_flight"),
    "EpochSchedule": (epochs, "order batch_size rank ranks tail"),
    "DecodedStore": (lambda _, **given: DecodedStore(**{"budget_bytes": 0} | given), "budget_bytes"),
    "group_rows": (
        lambda scene, **given: group_rows(**{"index": scene["index"]} | given),
        "index by slots size missing",
    ),
    "block_groups": (
        lambda scene, **given: block_groups(**{"chips": Chipper(scene["index"])} | given),
        "chips block_shape",
    ),
    "epoch_order": (
        lambda _, **given: epoch_order(**{"rows": 8, "shuffle": "rows"} | given),
        "rows seed epoch shuffle window lanes chunk",
    ),
    "mixing": (
        lambda _, **given: mixing(**{"order": np.arange(4), "blocks": np.arange(4), "batch_size": 2} | given),
        "order blocks batch_size",
    ),
    "block_decodes": (
        lambda _, **given: block_decodes(
            **{"order": np.arange(4), "blocks": np.arange(4), "held": 1, "batch_size": 2} | given
        ),
        "order blocks held batch_size",
    ),
    "Chip": (
        lambda scene, **given: Chip(
            **{"pixels": scene["chip"].pixels, "mask": scene["chip"].mask, "window": PixelWindow(0, 0, 4, 4)} | given
        ),
        "pixels mask band_names nodata scales offsets colors",
    ),
    "encode_chip": (lambda scene, **given: encode_chip(scene["chip"], **given), "format"),
    "ChipFactory": (
        lambda scene, **given: ChipFactory(**{"source": scene["image"]} | given),
        "output_format metadata_overrides format_options partial resampling cache_bytes threads",
    ),
    "ChipFactory of": (lambda _, an_image: ChipFactory(an_image), "an_image"),
    "PyramidBuilder": (
        lambda scene, **given: PyramidBuilder(**{"source": scene["image"]} | given),
        "min_size scale_factor tile_width tile_height num_workers",
    ),
    "PyramidBuilder of": (lambda _, an_image: PyramidBuilder(an_image), "an_image"),
    "compute_image_statistics": (lambda _, an_image: compute_image_statistics(an_image), "an_image"),
    "iter_blocks": (lambda _, an_image: list(iter_blocks(an_image)), "an_image"),
    "level_grid": (lambda _, an_image: level_grid(an_image), "an_image"),
}


@pytest.mark.parametrize(
    ("call", "name"), [(call, name) for call, (_, names) in CALLS.items() for name in names.split()]
)
def test_a_wrong_argument_is_refused_by_name(scene, tmp_path, monkeypatch, call, name):
    monkeypatch.chdir(tmp_path)
    for value in WRONG:
        message = refusal(partial(CALLS[call][0], scene), name, value)
        assert is_named(message, (name.removeprefix("an_"),)), f"{value!r}: {message}"
