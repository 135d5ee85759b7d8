"""Small scenes to train on: two dates of one ground, stored in blocks that several chips share."""

import numpy as np
import rasterio
from rasterio.transform import Affine
from rasterio.windows import Window

from stacchip_osml import Indexer
from tests.stac_items import plain_item

GROUND = Affine(10, 0, 500_000, 0, -10, 5_000_000)
SIDE, CHIP, BLOCK = 192, 32, 64
DATES = ("2025-05-01", "2025-06-01")


def image(path, pixels, *, blocks=None, transform=GROUND, **options):
    """Write (bands, rows, cols); ``blocks`` (col, row) leaves all others out of the file."""
    profile = {"driver": "GTiff", "count": len(pixels), "dtype": pixels.dtype, "crs": "EPSG:32632"}
    profile |= {"height": pixels.shape[1], "width": pixels.shape[2], "transform": transform, "compress": "deflate"}
    profile |= {"tiled": True, "blockxsize": BLOCK, "blockysize": BLOCK, "SPARSE_OK": True}
    with rasterio.open(path, "w", **profile | options) as file:
        if blocks is None:
            file.write(pixels)
        for col, row in blocks or ():
            x, y = col * BLOCK, row * BLOCK
            file.write(pixels[:, y : y + BLOCK, x : x + BLOCK], window=Window(x, y, BLOCK, BLOCK))
    return path


def pixels_of(seed, bands=1, dtype="uint16", side=SIDE):
    """Numbers none of which is 0."""
    return np.random.default_rng(seed).integers(1, 200, (bands, side, side)).astype(dtype)


def item(folder, date, *, blocks=None):
    """One date: red, nir and class codes, nodata 0."""
    folder.mkdir(parents=True, exist_ok=True)
    seed = int(date.replace("-", ""))
    for number, key in enumerate(("red", "nir")):
        image(folder / f"{key}-{date}.tif", pixels_of(seed + number), blocks=blocks, nodata=0)
    image(folder / f"scl-{date}.tif", pixels_of(seed + 2, dtype="uint8") % 7 + 1, blocks=blocks, nodata=0)
    hrefs = {key: folder / f"{key}-{date}.tif" for key in ("red", "nir", "scl")}
    return plain_item(hrefs, item_id=date, when=f"{date}T00:00:00Z")


def training_index(folder, *, assets=("red", "nir"), dates=DATES, blocks=None):
    """Index both dates: 36 chips of 32² a date, four in each block."""
    items = [item(folder, date, blocks=blocks) for date in dates]
    return Indexer(items, CHIP, assets=list(assets)).create_index()
