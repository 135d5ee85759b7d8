"""Rows at a level of JPEG 2000: the window says where their pixels lie, and those are brought there."""

import json
from dataclasses import replace

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from rasterio.io import MemoryFile
from rasterio.transform import Affine
from rasterio.windows import Window

from stacchip_osml import ChipIndex, Chipper, Indexer
from stacchip_osml.chain import align_step
from stacchip_osml.errors import IndexSchemaError

PLACE = Affine(10, 0, 500_000, 0, -10, 5_000_000)
WIDTH, HEIGHT = 704, 608
COUNTS = 80
MARGIN = 60
"""Pixels at the image's edges where wavelets curve a ramp."""


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    place = tmp_path_factory.mktemp("rows") / "a.jp2"
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    pixels = (np.stack([2 * x + 1, 2 * y + 1]) * (COUNTS // 2)).astype(np.uint16)
    profile = {"count": 2, "dtype": "uint16", "width": WIDTH, "height": HEIGHT, "crs": "EPSG:32632"}
    lossless = {"QUALITY": "100", "REVERSIBLE": "YES", "RESOLUTIONS": "4"}
    with MemoryFile() as memory:
        with memory.open(driver="GTiff", transform=PLACE, **profile) as file:
            file.write(pixels)
        rasterio.shutil.copy(memory.name, place, driver="JP2OpenJPEG", BLOCKXSIZE=1024, BLOCKYSIZE=1024, **lossless)
    return str(place)


def off(chip):
    """Give how far, in pixels of the image, what a chip shows is from where it says it is; and where that counts."""
    rows, cols = np.mgrid[: chip.pixels.shape[1], : chip.pixels.shape[2]] + 0.5
    x, y = (~PLACE @ chip.transform) * (cols, rows)
    inner = (x > MARGIN) & (x < WIDTH - MARGIN) & (y > MARGIN) & (y < HEIGHT - MARGIN)
    found = np.maximum(abs(chip.pixels[0] / COUNTS - x), abs(chip.pixels[1] / COUNTS - y))
    return found[inner]


@pytest.mark.parametrize("stored", [False, True])
def test_pixels_lie_where_the_transform_says(path, stored, tmp_path):
    index = Indexer(path, 40, levels=(1, 2), edges="partial").create_index()
    if stored:
        index.with_headers().save(tmp_path / "saved")
        index = ChipIndex.open(tmp_path / "saved")
    found = [(chip, off(chip)) for chip in Chipper(index)]

    assert {chip.level for chip, _ in found} == {1, 2}
    assert all(chip.mask.all() for chip, _ in found)
    assert sum(len(errors) for _, errors in found) > 50_000
    assert max(errors.max(initial=0) for _, errors in found) < 0.01


def test_who_wants_the_stored_pixels_has_them_by_the_nearest(path):
    index = Indexer(path, 40, levels=(1,), chain=[align_step(default="nearest")]).create_index()
    with rasterio.open(path, overview_level=0) as file:
        for chip in Chipper(index):
            x, y, width, height = (side // 2 for side in chip.window)
            np.testing.assert_array_equal(chip.pixels, file.read(window=Window(x, y, width, height)))


def test_headers_of_before_are_read_again(path, tmp_path):
    index = Indexer(path, 40, levels=(1,), headers=True).create_index()
    (header,) = index.tables.headers.values()
    facts = json.loads(header.stored.facts)
    del facts["places"]
    old = replace(header, stored=replace(header.stored, facts=json.dumps(facts)))
    before = ChipIndex.from_table(index.to_arrow(), replace(index.tables, headers={header.key: old}))

    with pytest.raises(IndexSchemaError, match="does not say where its levels lie"):
        Chipper(before)[0]
    assert before.with_headers().tables == index.tables
