"""Display chains on real files: none inverted, none refused without a reason."""

from __future__ import annotations

import csv

import numpy as np

from stacchip_osml.chain import BandedPixels
from stacchip_osml.errors import ChainError, ReadError
from stacchip_osml.imagery import DisplayChainFactory
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.pixel import PixelWindow


def chain_of(image):
    """The display chain of an image; None of complex ones, and of files that cannot be read."""
    try:
        return DisplayChainFactory.build(image)
    except ChainError as error:
        if "are complex" not in str(error):
            raise
    except ReadError:
        pass  # another test's
    return None


def test_every_real_image_is_shown_the_right_way_round(real_data):
    with (real_data / "manifest.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["rasterio_reads"] == "yes"]
    seen = 0
    for row in rows:
        if row["tier"] != "real-geo" and row["category"] != "sicd_sidd":
            continue
        image = BlockImage(str(real_data / row["path"]))
        chain = chain_of(image)
        if chain is None:
            continue
        level = image.num_resolution_levels - 1
        found = image.read(PixelWindow(0, 0, *image.level_shape(level)), level=level, bands=chain.input_bands)
        if found is None:
            continue
        out = chain.apply(BandedPixels.of(found.pixels, found.mask))
        seen += 1
        if any(step["step"] == "lut" for step in chain.definition) or len(out.pixels) != len(found.pixels):
            continue
        for band, source, valid in zip(out.pixels, found.pixels.astype(np.float64), out.mask, strict=True):
            values, tones = source[valid], band[valid]
            if values.size > 9 and values.std() > 0 and tones.std() > 0:
                assert np.corrcoef(values, tones)[0, 1] > 0.2, row["path"]
    assert seen > 100
