"""Windows of real files, cut and written again: what GDAL read before it reads after."""

import os
import warnings
from pathlib import Path

import numpy as np
import pyproj
import pytest
import rasterio
from rasterio.errors import RasterioError
from rasterio.io import MemoryFile
from rasterio.windows import Window

from stacchip_osml.encode import Chip, encode_chip
from stacchip_osml.errors import EncodeError
from stacchip_osml.pixel import PixelWindow
from tests.encode.encode_chips import chip_of

DATA = Path(os.environ.get("STACCHIP_OSML_DATA", Path(__file__).parents[3] / "../shared/data")).resolve()
FILES = sorted(path for path in (DATA / "tiff").glob("*.tif*") if path.is_file()) if DATA.is_dir() else []


def cut(path):
    """Read one window by rasterio as a chip, with everything that GDAL knows; None where it cannot."""
    try:
        with rasterio.open(path, driver="GTiff") as source:
            if len(set(source.dtypes)) != 1 or "palette" in (color.name for color in source.colorinterp):
                return None
            width, height = min(source.width, 200), min(source.height, 200)
            window = Window(source.width - width, source.height - height, width, height)
            pixels, mask = source.read(window=window), source.read_masks(window=window) > 0
            return Chip(
                pixels=pixels,
                mask=mask,
                window=PixelWindow(source.width - width, source.height - height, width, height),
                transform=None if source.transform.is_identity else source.window_transform(window),
                crs=source.crs.to_wkt() if source.crs else None,
                band_names=tuple(name or "" for name in source.descriptions),
                nodata=source.nodatavals,
                scales=source.scales,
                offsets=source.offsets,
                colors=tuple(color.name for color in source.colorinterp),
            )
    except (RasterioError, UnicodeDecodeError, ValueError, MemoryError):
        return None


@pytest.mark.skipif(not FILES, reason="the conformance files are not here")
@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_windows_of_real_files_survive_writing():
    written, refused, wrong = 0, {}, []
    for path in FILES:
        chip = cut(path)
        if chip is None:
            continue
        try:
            data = encode_chip(chip, "geotiff")
        except EncodeError as error:
            refused[path.name] = str(error)
            continue
        with warnings.catch_warnings(), MemoryFile(data) as memory, memory.open() as got:
            warnings.simplefilter("ignore")
            same = {
                "pixels": got.read().tobytes() == np.ascontiguousarray(chip.pixels).tobytes(),
                "mask": bool(((got.read_masks() > 0) == chip.mask).all()),
                "transform": chip.transform is None or got.transform == chip.transform,
                "crs": _same_crs(chip.crs, got.crs),
                "names": tuple(name or "" for name in got.descriptions) == chip.band_names,
                "scales": (got.scales, got.offsets) == (chip.scales, chip.offsets),
                "colors": tuple(color.name for color in got.colorinterp) == chip.colors,
                "nodata": None in chip.nodata or np.array_equal(got.nodatavals, chip.nodata, equal_nan=True),
            }
        written += 1
        wrong += [f"{path.name}: {what}" for what, fine in same.items() if not fine]
    assert wrong == []
    assert all("CRS" in why for why in refused.values()), refused
    assert written > 20 * len(refused)


def _same_crs(want, got):
    if want is None or got is None:
        return want is None and got is None
    return pyproj.CRS.from_wkt(got.to_wkt()).equals(pyproj.CRS.from_wkt(want), ignore_axis_order=True)


def test_the_comparison_can_fail():
    chip = chip_of("uint8", crs="EPSG:32633")
    assert not _same_crs(pyproj.CRS.from_epsg(32634).to_wkt(), rasterio.crs.CRS.from_epsg(32633))
    assert _same_crs(pyproj.CRS.from_user_input(chip.crs).to_wkt(), rasterio.crs.CRS.from_epsg(32633))
