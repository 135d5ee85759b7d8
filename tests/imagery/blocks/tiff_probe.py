"""Any TIFF as GDAL alone has it, window by window, held against ours; whole files and damaged ones.

Run as a program: ``tiff_probe.py FOLDER FIRST LAST`` makes file ``FIRST`` to ``LAST`` of ``tiff_random`` in FOLDER, one
at a time, reads each, then damages it some times and reads that. Each line is what was found of a number, so that
whatever stops the program can be repeated.
"""

from __future__ import annotations

import contextlib
import json
import logging
import resource
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from mutation_probe import mutated, peak_mib
from rasterio.enums import ColorInterp
from rasterio.errors import RasterioError
from rasterio.windows import Window
from tiff_parity import STANDS_FOR, opened
from tiff_random import write_any

from stacchip_osml.errors import ChipError, LimitError
from stacchip_osml.imagery.blocks.engine import WindowRead, read_windows
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.pixel import PixelWindow

DAMAGES = 3
"""Of each file."""
MOST_SIDE = 4000
GDAL_ERRORS = (RasterioError, UnicodeDecodeError)
UNLIKE = "YCbCr JPEG"
"""Halved chroma is interpolated in another way by another libjpeg: of noise, another picture."""
UNTOLD = ("JPEG", "WEBP", "CCITT", "YCbCr")
"""Codecs whose damage no decoder can tell: each makes something else of it."""


def windows(rng, width, height):
    """All of a level that is small; parts of it."""
    found = [PixelWindow(0, 0, min(width, 300), min(height, 300))]
    for _ in range(2):
        x, y = int(rng.integers(0, width)), int(rng.integers(0, height))
        found.append(
            PixelWindow(
                x, y, int(rng.integers(1, min(width - x, 90) + 1)), int(rng.integers(1, min(height - y, 90) + 1))
            )
        )
    return found


def of_gdal(dataset, window):
    """Pixels and masks of a window; None where nothing is stored of it."""
    place = Window(*window)
    dtype = "float32" if "float16" in dataset.dtypes else None  # as GDAL before 3.11 has it
    pixels, mask = dataset.read(window=place, out_dtype=dtype), dataset.read_masks(window=place) != 0
    rows, cols = dataset.block_shapes[0]
    planar = dataset.tags(ns="IMAGE_STRUCTURE").get("INTERLEAVE") == "BAND"
    alpha = [n for n, color in enumerate(dataset.colorinterp) if color == ColorInterp.alpha]
    if not has_mask_band(dataset):
        for band, nodata in enumerate(dataset.nodatavals):  # of complex pixels GDAL looks at the real part alone
            if nodata is not None and pixels.dtype.kind == "c":
                mask[band] = (pixels[band] != nodata) & ~(np.isnan(nodata) & np.isnan(pixels[band]))
            if alpha:  # the first, beside nodata too, of any type and number of bands
                is_shown = (pixels[alpha[0]] != 0) | (band == alpha[0])
                mask[band] = (mask[band] if nodata is not None else True) & is_shown
    absent = np.zeros(mask.shape, bool)
    for band in range(dataset.count) if planar else (0,):
        for row in range(window.y // rows, -(-(window.y + window.height) // rows)):
            for col in range(window.x // cols, -(-(window.x + window.width) // cols)):
                if dataset.get_tag_item(f"BLOCK_OFFSET_{col}_{row}", "TIFF", bidx=band + 1) is None:
                    y, x = row * rows - window.y, col * cols - window.x
                    which = slice(band, band + 1) if planar else slice(None)
                    absent[which, max(y, 0) : y + rows, max(x, 0) : x + cols] = True
    return None if absent.all() else (pixels, mask & ~absent)


def has_mask_band(dataset):
    """Tell whether GDAL's masks are those of a mask directory."""
    flags = [{flag.name for flag in each} for each in dataset.mask_flag_enums]
    return all("per_dataset" in each and "alpha" not in each for each in flags)


def header_differences(image, dataset):
    header = image.header
    bands = header.bands
    pairs = {
        "dtypes": ([band.dtype for band in bands], [STANDS_FOR.get(each, each) for each in dataset.dtypes]),
        "colors": ([band.color for band in bands], [each.name for each in dataset.colorinterp]),
        "scales": ([band.scale for band in bands], list(dataset.scales)),
        "nodata": ([repr(band.nodata) for band in bands], [repr(each) for each in dataset.nodatavals]),
        "crs": (header.crs is None, dataset.crs is None),
        "transform": (header.transform or tuple(Affine.identity())[:6], tuple(dataset.transform)[:6]),
        "gcps": (len(header.gcps), len(dataset.gcps[0])),
        "rpcs": (bool(header.rpcs), dataset.rpcs is not None),
        "palette": (_palette(image), _gdal_palette(dataset)),
    }
    if header.crs is not None and dataset.crs is not None:
        pairs["crs"] = (rasterio.CRS.from_user_input(header.crs), dataset.crs)
    return [f"{name} {ours!r:.80} {gdals!r:.80}" for name, (ours, gdals) in pairs.items() if ours != gdals]


def _palette(image):
    tables = image.picture_tags.color_tables
    return [dict(enumerate(table)) if table else None for table in tables][:1]


def _gdal_palette(dataset):
    with contextlib.suppress(ValueError):
        return [dataset.colormap(1)]
    return [None]


def asked(image, level, wanted):
    """Give what we say of windows of a level; an error once where it is of all."""
    return read_windows([WindowRead(image=image, window=window, level=level) for window in wanted])


def compared(path, rng, *, damaged=False):
    """Say what is different; with damage, what both say must be the same, or an error."""
    image = BlockImage(str(path))
    try:
        sizes = image.header.levels
    except ChipError as error:
        return [] if damaged or not _opens(path) else [f"header {error}"]
    told = []
    try:
        with opened(str(path)) as levels:
            told += [] if damaged else header_differences(image, levels[0])
            gdals = [(dataset.width, dataset.height) for dataset in levels]
            if [tuple(size) for size in sizes] != gdals:
                return [*told, f"levels {sizes} {gdals}"]
            for number, dataset in enumerate(levels if max(gdals[0]) <= MOST_SIDE else ()):
                wanted = windows(rng, *sizes[number])
                asked = [WindowRead(image=image, window=window, level=number) for window in wanted]
                for window, found in zip(wanted, read_windows(asked), strict=True):
                    where = f"level {number} {tuple(window)} {image.served_by(number)}"
                    told += [f"{where}: {each}" for each in window_differences(dataset, window, found, damaged, where)]
    except GDAL_ERRORS as error:
        told += [] if damaged else [f"GDAL {error}"]
    return told


def window_differences(dataset, window, found, damaged, where):
    """Compare one window: pixels, masks, and what is absent."""
    try:
        expected = of_gdal(dataset, window)
    except GDAL_ERRORS as error:
        return [] if damaged or isinstance(found, ChipError) else [f"pixels, and GDAL {str(error)[:90]}"]
    if isinstance(found, ChipError):
        return [] if damaged or isinstance(found, LimitError) else [f"{type(found).__name__} {found}"]
    if found is None or expected is None:
        return [f"absent {found is None} {expected is None}"] if (found is None) != (expected is None) else []
    pixels, mask = expected
    if found.pixels.dtype != pixels.dtype:
        return [f"{found.pixels.dtype} {pixels.dtype}"]
    codec = dataset.tags(ns="IMAGE_STRUCTURE").get("COMPRESSION", "")
    is_alike = codec != UNLIKE and not (damaged and codec.startswith(UNTOLD))
    told = []
    # GDAL has no word for a mask of an overview that is all valid, so the GDAL reader takes full resolution's then
    is_known = not (mask.all() and has_mask_band(dataset) and "gdal/" in where and not where.startswith("level 0"))
    if is_alike and not np.array_equal(
        _valid(found.pixels, mask), _valid(pixels, mask), equal_nan=pixels.dtype.kind in "fc"
    ):
        told.append(f"{(found.pixels != pixels).mean():.3f} of the pixels are others")
    if is_known and (is_alike or has_mask_band(dataset)) and not np.array_equal(found.mask, mask):
        told.append(f"{(found.mask != mask).mean():.3f} of the mask is other, {dataset.mask_flag_enums[0]}")
    return told


def _valid(pixels, mask):
    return np.where(mask, pixels, 0)


def _opens(path):
    try:
        with opened(str(path)) as levels:
            return bool(levels)
    except GDAL_ERRORS:
        return False


def run(folder, first, last):
    """Make, read, damage and read; give a line for each number."""
    for number in range(first, last):
        path = folder / f"{number}.tif"
        yield {"number": number, "begun": True}
        made = write_any(path, number)
        if made.startswith("none"):
            yield {"number": number, "made": made, "told": [], "damaged": [], "seconds": 0.0, "peak": peak_mib()}
            continue
        started = time.process_time()
        rng = np.random.default_rng(number)
        told = compared(path, rng)
        data, damaged = path.read_bytes(), []
        for which in range(DAMAGES):
            other = folder / f"{number}-{which}.tif"
            other.write_bytes(mutated(data, DAMAGES * number + which))
            damaged += [f"{which}: {each}" for each in compared(other, rng, damaged=True)]
            other.unlink()
        path.unlink()
        seconds = time.process_time() - started
        yield {"number": number, "made": made, "told": told, "damaged": damaged, "seconds": seconds, "peak": peak_mib()}


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    for line in run(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])):
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()
