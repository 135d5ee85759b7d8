"""Every real GeoTIFF, every edge policy: the pixels and the places that rasterio gives."""

import csv
import warnings

import numpy as np
import pytest
import rasterio
from rasterio.windows import Window

from stacchip_osml import Chipper, Indexer
from stacchip_osml.errors import ItemError


@pytest.fixture(scope="module")
def real_tiffs(real_data):
    with (real_data / "manifest.csv").open() as manifest:
        rows = [row for row in csv.DictReader(manifest) if (row["category"], row["tier"]) == ("tiff", "real-geo")]
    return [real_data / row["path"] for row in rows]


def require_chip(chip, file):
    """Compare one chip with rasterio's own windowed read."""
    x, y, width, height = chip.window
    left, top = max(x, 0), max(y, 0)
    right, bottom = min(x + width, file.width), min(y + height, file.height)
    there = np.s_[:, top - y : bottom - y, left - x : right - x]
    expected = file.read(window=Window(left, top, right - left, bottom - top))
    assert chip.pixels.shape == (file.count, height, width)
    assert chip.pixels.dtype == expected.dtype
    if (file.compression is not None and file.compression.name == "jpeg") and file.count == 3:
        # Subsampled chroma is interpolated here, as in Pillow, and repeated by the libjpeg of rasterio's wheels.
        off = np.abs(chip.pixels[there].astype(float) - expected)
        assert off.mean() < 2
        assert off.max() < 100
    else:
        assert chip.pixels[there].tobytes() == expected.tobytes()
    outside = chip.mask.copy()
    outside[there] = False
    assert not outside.any()
    if chip.transform is not None:
        back = ~file.transform
        for corner in ((0, 0), (width, 0), (0, height), (width, height)):
            col, row = back @ (chip.transform @ corner)
            assert max(abs(col - x - corner[0]), abs(row - y - corner[1])) < 1e-6


@pytest.mark.parametrize("edges", ["drop", "partial", "pad", "shift"])
def test_chips_of_real_imagery_are_what_rasterio_reads(real_tiffs, edges):
    cut = 0
    random = np.random.default_rng(7)
    for path in real_tiffs:
        index = Indexer(path, 96, edges=edges).create_index()
        chipper = Chipper(index)
        some = random.permutation(len(index))[:8]
        with warnings.catch_warnings(), rasterio.open(path) as file:
            warnings.simplefilter("ignore")
            for position in some.tolist():
                chip = chipper[position]
                if chip is not None:
                    require_chip(chip, file)
                    cut += 1
    assert cut > 400


def test_a_folder_of_real_imagery_is_one_index(real_data):
    index = Indexer(real_data / "tiff", 256, edges="partial", on_error="skip").create_index()

    assert len(index.items) > 450
    assert index.check() == []
    assert all(isinstance(problem, ItemError) for problem in index.problems)
