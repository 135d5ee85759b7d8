"""Every image of the conformance data: blocks give GDAL's pixels and masks, or GDAL serves the level for a reason."""

import csv
from collections import Counter

import numpy as np
import pytest

from stacchip_osml.errors import ChipError
from stacchip_osml.imagery import GdalImage
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.imagery.providers.protocol import MaskedPixels
from stacchip_osml.pixel import ImageSize, PixelWindow
from tests.imagery.gdal.gdal_files import oracle as raw_pixels

LEVELS_BY_BLOCKS = {"tiff": 570, "nitf": 90, "j2k": 150, "sicd_sidd": 12}
"""Levels served without GDAL, at least."""
JPEG_MEAN = 2.5
"""Grey levels that two correct JPEG decoders may differ by in a small window's mean: chroma is interpolated."""


def random_window(size: ImageSize, rng: np.random.Generator) -> PixelWindow:
    width, height = (min(side, int(rng.integers(1, 300))) for side in size)
    return PixelWindow(
        int(rng.integers(size.width - width + 1)), int(rng.integers(size.height - height + 1)), width, height
    )


def read(image: BlockImage | GdalImage, window: PixelWindow, level: int) -> MaskedPixels | ChipError | None:
    try:
        return image.read(window, level=level)
    except ChipError as error:
        return error


def difference(found, expected, *, by: str, driver: str) -> str | None:
    """Say in what a block image's answer differs from GDAL's beyond what is meant to differ."""
    if isinstance(found, ChipError) or isinstance(expected, ChipError):
        both = isinstance(found, ChipError) and isinstance(expected, ChipError)
        irregular = by == "block/jpeg2000" and "GDAL does not read JPEG 2000 tiles" in str(expected)
        return None if both or irregular else f"{found!r} and {expected!r}"
    if found is None or expected is None:
        # A NITF block that is not stored is absent here, and zeros there.
        return None if found is expected or driver == "NITF" else f"{found} and {expected}"
    if not np.array_equal(found.pixels, expected.pixels, equal_nan=found.pixels.dtype.kind in "fc"):
        mean = float(np.abs(found.pixels.astype(float) - expected.pixels.astype(float)).mean())
        return None if by == "block/jpeg" and mean < JPEG_MEAN else f"pixels, {mean} in the mean"
    if not np.array_equal(found.mask, expected.mask):
        stricter = driver == "NITF" and not (found.mask & ~expected.mask).any()
        return None if stricter else "masks"
    return None


def above_zero(found, path, window, overview):
    """Give what signed samples and GDAL's, which it cuts off at zero, have in common."""
    assert found.pixels.dtype == np.int8
    assert found.pixels.min() < 0
    pixels, mask = raw_pixels(str(path), window, overview=overview)
    return MaskedPixels(found.pixels.clip(0).astype(np.uint8), found.mask), MaskedPixels(pixels, mask)


@pytest.mark.parametrize("category", list(LEVELS_BY_BLOCKS))
def test_every_level_of_every_image_is_as_gdal_reads_it(real_data, category):
    rng = np.random.default_rng(7)
    ends: Counter[str] = Counter()
    differences = []
    with (real_data / "manifest.csv").open(newline="") as file:
        paths = [real_data / row["path"] for row in csv.DictReader(file) if row["category"] == category]
    for path in paths:
        image, oracle = BlockImage(str(path)), GdalImage(str(path))
        try:
            header = image.header
        except ChipError:
            continue
        for level, size in enumerate(header.levels):
            by = image.served_by(level)
            ends[by.partition("/")[0]] += 1
            if by.startswith("gdal/"):
                assert len(by.partition(": ")[2]) > 3
                continue
            window = random_window(size, rng)
            found, expected = read(image, window, level), read(oracle, window, level)
            if isinstance(expected, ChipError) and "GDAL gives none below zero" in str(expected):
                found, expected = above_zero(found, path, window, oracle._level(level).overview)
            told = difference(found, expected, by=by, driver=header.driver)
            if told is not None:
                differences.append((path.name, level, by, window, told))

    assert differences == []
    assert ends["block"] >= LEVELS_BY_BLOCKS[category]
