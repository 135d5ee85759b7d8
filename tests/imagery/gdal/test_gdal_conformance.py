"""Every image of the conformance data, where it is at hand: rasterio's pixels or a typed error."""

import csv
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from stacchip_osml.errors import DecodeError, LimitError
from stacchip_osml.imagery import GdalImage
from stacchip_osml.pixel import PixelWindow
from tests.imagery.gdal.gdal_files import oracle

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
DATA = Path(os.environ.get("STACCHIP_OSML_DATA", ROOT.parent / "shared" / "data"))

pytestmark = pytest.mark.skipif(not (DATA / "manifest.csv").exists(), reason="the conformance data is not here")

SERVED_AT_LEAST = {"tiff": 520, "nitf": 70, "j2k": 90, "pngjpg": 28}

IN_SAMPLES = {"nitf/imaging-nitf__p0_10b.ntf", "nitf/imaging-nitf__p1_01a.ntf"}
"""JPEG 2000 whose size is told to GDAL in samples; rasterio by itself does not open it."""


def rows_of(category):
    with (DATA / "manifest.csv").open(newline="") as file:
        return [row for row in csv.DictReader(file) if row["category"] == category]


def check(row, rng):
    """Compare the header with the manifest and a random window of each level with rasterio; say how it ended."""
    path = DATA / row["path"]
    image = GdalImage(str(path))
    try:
        header = image.header
        if row["path"] in IN_SAMPLES:
            return "in samples"
        stated = "x".join(map(str, (len(header.bands), header.size.height, header.size.width)))
        assert (header.driver, stated) == (row["driver"], row["shape"])
        for level, size in enumerate(header.levels):
            w, h = (min(side, int(rng.integers(1, 300))) for side in size)
            window = PixelWindow(
                int(rng.integers(0, size.width - w + 1)), int(rng.integers(0, size.height - h + 1)), w, h
            )
            got = image.read(window, level=level)
            if got is None:
                continue
            pixels, _ = oracle(str(path), window, overview=image._level(level).overview)
            if pixels.dtype == np.float16:  # as newer GDAL tells half floats
                pixels = pixels.astype(np.float32)
            assert got.pixels.dtype == pixels.dtype
            np.testing.assert_array_equal(got.pixels, pixels)
            assert got.mask.shape == pixels.shape
    except (DecodeError, LimitError) as error:
        return type(error).__name__ if path.name in str(error) else "error without a name"
    return "served"


@pytest.mark.parametrize("category", list(SERVED_AT_LEAST))
def test_every_conformance_image_gives_rasterios_pixels_or_a_typed_error(category):
    rng = np.random.default_rng(20)
    ends = Counter()
    for row in rows_of(category):
        try:
            ends[check(row, rng)] += 1
        except AssertionError as error:
            raise AssertionError(f"{row['path']}: {error}") from error

    assert ends["served"] >= SERVED_AT_LEAST[category], ends
    assert not ends["error without a name"]
    assert ends["in samples"] == (len(IN_SAMPLES) if category == "nitf" else 0)


def test_hostile_files_give_pixels_or_typed_errors_and_the_process_lives():
    paths = [str(path) for path in sorted((DATA / "hostile").iterdir())]
    done = subprocess.run(
        [sys.executable, str(HERE / "hostile_probe.py")],
        input="\n".join(paths),
        capture_output=True,
        text=True,
        timeout=600,
        cwd=ROOT,
        check=False,
    )
    ends = [line.split("\t") for line in done.stdout.splitlines()]

    assert done.returncode == 0, (ends[-1:], done.stderr[-2000:])
    assert [name for name, *_ in ends] == paths
    assert {end for _, end, *_ in ends} <= {"pixels", "DecodeError", "LimitError"}
    assert max(float(seconds) for _, _, seconds, _ in ends) < 10
    assert max(int(mib) for *_, mib in ends) < 1024
