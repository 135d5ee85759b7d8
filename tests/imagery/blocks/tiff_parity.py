"""What rasterio alone says of a TIFF, level by level, and the comparison of a layout with it."""

from __future__ import annotations

import warnings
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import rasterio
from rasterio.errors import NotGeoreferencedWarning
from tiff_reference import UNPACKERS, layout_of, read_level

from stacchip_osml.imagery.blocks.layout import ImageLayout, LevelLayout

ALONE = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "GDAL_PAM_ENABLED": "NO", "GTIFF_IMPLICIT_JPEG_OVR": "NO"}
STANDS_FOR = {"complex_int16": "complex64", "float16": "float32"}


class GdalLevel(NamedTuple):
    size: tuple[int, int]
    block_shape: tuple[int, int]
    dtype: str
    count: int
    stored: np.ndarray
    """``(bands, grid rows, grid cols)``: GDAL knows a place of the block."""
    pixels: np.ndarray | None
    mask: np.ndarray | None
    """``(rows, cols)`` where the file has a mask band for all bands."""
    overview: bool


@contextmanager
def opened(path: str):
    """Every level of a file, R0 first, then from fine to coarse."""
    with ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        stack.enter_context(rasterio.Env(**ALONE))
        base = stack.enter_context(rasterio.open(path, driver="GTiff", sharing=False))
        more = range(len(base.overviews(1)))
        coarse = [
            stack.enter_context(rasterio.open(path, driver="GTiff", sharing=False, OVERVIEW_LEVEL=i)) for i in more
        ]
        yield [base, *sorted(coarse, key=lambda one: -one.width * one.height)]


def gdal_levels(path: str, *, pixels: bool = True, most_blocks: int = 1 << 30) -> list[GdalLevel]:
    """Read all levels; of grids with more blocks only the first ones of each row are asked for their place."""
    with opened(path) as levels:
        return [_level(dataset, pixels, most_blocks, overview=dataset is not levels[0]) for dataset in levels]


def _level(dataset, pixels: bool, most_blocks: int, *, overview: bool) -> GdalLevel:
    rows, cols = dataset.block_shapes[0]
    grid = -(-dataset.height // rows), -(-dataset.width // cols)
    few = grid if grid[0] * grid[1] <= most_blocks else (min(grid[0], 30), min(grid[1], 30))
    bands = dataset.count if dataset.tags(ns="IMAGE_STRUCTURE").get("INTERLEAVE") == "BAND" else 1
    stored = np.zeros((bands, *few), bool)
    for band, row, col in np.ndindex(stored.shape):
        place = dataset.get_tag_item(f"BLOCK_OFFSET_{col}_{row}", "TIFF", bidx=band + 1)
        stored[band, row, col] = place is not None
    flags = {flag.name for flag in dataset.mask_flag_enums[0]}
    return GdalLevel(
        (dataset.width, dataset.height),
        (rows, cols),
        STANDS_FOR.get(dataset.dtypes[0], dataset.dtypes[0]),
        dataset.count,
        stored,
        dataset.read(out_dtype="float32" if "float16" in dataset.dtypes else None) if pixels else None,
        dataset.read_masks(1) != 0 if pixels and flags == {"per_dataset"} else None,
        overview,
    )


def assert_layout_is_gdals(level: LevelLayout, gdal: GdalLevel) -> None:
    assert tuple(level.size) == gdal.size
    assert level.block_shape == gdal.block_shape
    assert (level.codec.dtype, level.bands) == (gdal.dtype, gdal.count)
    bands, rows, cols = gdal.stored.shape
    assert level.offsets.shape == level.counts.shape
    assert level.offsets.shape[0] == 1
    planes = np.arange(bands) // level.codec.samples
    np.testing.assert_array_equal(level.counts[0, planes, :rows, :cols] > 0, gdal.stored)


def assert_pixels_are_gdals(data: bytes, level: LevelLayout, gdal: GdalLevel) -> None:
    if level.codec.compression in UNPACKERS:
        np.testing.assert_array_equal(read_level(data, level), gdal.pixels)
    if level.mask is None:
        # An overview without a mask of its own has one that is all valid where R0 has a mask.
        assert gdal.mask is None or (gdal.overview and gdal.mask.all())
    else:
        np.testing.assert_array_equal(read_level(data, level.mask)[0] != 0, gdal.mask)


def assert_reads_as_gdal_does(path: str) -> ImageLayout:
    """Compare all levels of a file that is served wholly; give its layout."""
    layout, levels = layout_of(path), gdal_levels(path)
    data = Path(path).read_bytes()
    assert len(layout.levels) == len(levels)
    for level, gdal in zip(layout.levels, levels, strict=True):
        assert isinstance(level, LevelLayout), level
        assert_layout_is_gdals(level, gdal)
        assert_pixels_are_gdals(data, level, gdal)
    return layout
