"""Use the installed wheel as a stranger would: an image file in, an index, a chip out, in every lossless format.

Run by the interpreter the wheel is installed in, from an empty folder: python -I wheel_check.py VERSION
"""

import sys
import tempfile
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

import numpy as np
import rasterio
from rasterio.transform import from_origin

import stacchip_osml
from stacchip_osml.encode import IO, imsave
from stacchip_osml.imagery import read_window
from stacchip_osml.testing import natural_scene

expected = sys.argv[1]
if not stacchip_osml.__version__ == version("stacchip-osml") == expected:
    sys.exit(f"expected version {expected}, installed {version('stacchip-osml')}, imported {stacchip_osml.__version__}")
if "site-packages" not in str(stacchip_osml.__file__):
    sys.exit(f"imported from {stacchip_osml.__file__}, not from the wheel")
if not files(stacchip_osml).joinpath("py.typed").is_file():
    sys.exit("the wheel has no py.typed")

with tempfile.TemporaryDirectory() as folder:
    image, saved = Path(folder) / "image.tif", Path(folder) / "chips.parquet"
    pixels = natural_scene(stacchip_osml.ImageSize(200, 130), seed=1)
    profile = {"count": 4, "height": 130, "width": 200, "dtype": "uint16", "crs": "EPSG:32632"}
    with rasterio.open(image, "w", driver="GTiff", transform=from_origin(5e5, 55e5, 10, 10), **profile) as out:
        out.write(pixels)
    stacchip_osml.Indexer(image, chip_size=64).create_index().save(saved)
    index = stacchip_osml.ChipIndex.open(saved)
    chip = stacchip_osml.Chipper(index).chip(x=1, y=1)
    if len(index) != 6 or chip is None or not np.array_equal(chip.pixels, pixels[:, 64:128, 64:128]):
        sys.exit(f"expected 6 chips and the pixels that were written; got {len(index)} and {chip}")
    # Wider than a tile, and the last one narrower than its levels: what libraries do with such differs most.
    wide = natural_scene(stacchip_osml.ImageSize(1030, 40), seed=2)
    for ending in ("tif", "ntf", "jp2", "jph"):
        imsave(Path(folder) / f"wide.{ending}", wide)
        with IO.open([str(Path(folder) / f"wide.{ending}")], "r") as file:
            found = read_window(file.get_asset("image:0"), (0, 0, 1030, 40))
        if not np.array_equal(found, wide):
            sys.exit(f"{ending}: other pixels than were written")
print(f"wheel {expected}, Python {sys.version.split()[0]}: index, save, open, cut and write work outside of the tree")
