"""Layouts of every real TIFF: what rasterio says of its levels, and the pixels that it reads."""

import csv
import logging
from collections import Counter
from pathlib import Path

import pytest
from rasterio.errors import RasterioError
from tiff_parity import assert_layout_is_gdals, assert_pixels_are_gdals, gdal_levels
from tiff_reference import Reads

from stacchip_osml.errors import DecodeError, LimitError
from stacchip_osml.imagery.blocks.layout import LevelLayout
from stacchip_osml.imagery.limits import ReadLimits
from stacchip_osml.imagery.tiff.levels import parse_tiff

STRIP_CHOP = {"gdal__tiff_dos_strip_chop.tif"}
"""Two thousand million strips for GDAL, of three bytes of file."""


def tiffs(real_data):
    with (real_data / "manifest.csv").open(newline="") as file:
        return [real_data / row["path"] for row in csv.DictReader(file) if row["driver"] == "GTiff"]


def parsed(path):
    reads = Reads(str(path))
    try:
        return parse_tiff(reads, name=path.name, limits=ReadLimits(), size=len(reads.data)), reads
    except (DecodeError, LimitError) as error:
        return error, reads


def compare(path: Path, layout) -> Counter:
    """Compare all levels of one file with rasterio's."""
    ends: Counter[str] = Counter()
    try:
        small = path.stat().st_size < 1 << 20
        gdal = gdal_levels(str(path), pixels=False, most_blocks=900)
    except RasterioError:
        return Counter({"rasterio opens none": 1})
    assert not isinstance(layout, Exception), layout
    assert len(layout.levels) == len(gdal)
    data = path.read_bytes()
    area = max(one.size[0] * one.size[1] for one in gdal)
    if small and area < 1 << 20 and all(isinstance(level, LevelLayout) for level in layout.levels):
        try:
            gdal = gdal_levels(str(path), most_blocks=900)
        except RasterioError:
            ends["rasterio reads none"] += 1
    for level, known in zip(layout.levels, gdal, strict=True):
        if not isinstance(level, LevelLayout):
            ends["left"] += 1
            continue
        assert_layout_is_gdals(level, known)
        if known.pixels is not None and (level.counts > 0).all():
            assert_pixels_are_gdals(data, level, known)
            ends["pixels"] += 1
        ends["served"] += 1
    return ends


def test_every_real_tiff_has_the_layout_that_rasterio_reads_by(real_data, caplog):
    caplog.set_level(logging.CRITICAL, logger="rasterio")
    ends: Counter[str] = Counter()
    reads: Counter[int] = Counter()
    for path in tiffs(real_data):
        if path.name in STRIP_CHOP:
            continue
        layout, log = parsed(path)
        reads[len(log.log)] += 1
        try:
            ends += compare(path, layout)
        except AssertionError as error:
            raise AssertionError(f"{path.name}: {error}") from error

    assert ends["served"] >= 600, ends
    assert ends["pixels"] >= 500, ends
    assert ends["left"] <= 45, ends
    assert reads[1] >= 0.9 * sum(reads.values()), reads
    assert max(reads) <= 5, reads


def test_every_hostile_file_has_a_layout_or_a_typed_error(real_data):
    paths = sorted((real_data / "hostile").iterdir())
    found = {path.name: parsed(path)[0] for path in paths}
    ends = Counter(type(one).__name__ for one in found.values())

    assert all(name in str(one) for name, one in found.items() if isinstance(one, Exception))
    assert ends["ImageLayout"] >= 25
    assert ends["DecodeError"] >= 60
    assert set(ends) <= {"ImageLayout", "DecodeError", "LimitError"}


@pytest.mark.parametrize("name", sorted(STRIP_CHOP))
def test_a_strip_of_any_height_becomes_few(real_data, name):
    layout, _ = parsed(real_data / "hostile" / name)

    (level,) = layout.levels
    assert level.offsets.size <= 1 << 16
