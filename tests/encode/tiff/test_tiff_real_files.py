"""Real files copied: whatever GDAL reads of them it reads of the copy."""

import csv

import pytest
import rasterio

from stacchip_osml.encode import tiff_metadata, write_tiff
from stacchip_osml.imagery import read_window
from stacchip_osml.imagery.blocks.image import BlockImage

pytestmark = [
    pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning"),
    pytest.mark.filterwarnings("ignore::rasterio.errors.NodataShadowWarning"),
]

LARGEST_FILE, MOST_PIXELS, EVERY = 400_000, 1_000_000, 9


def facts(path):
    with rasterio.open(path, driver="GTiff") as dataset:
        points, crs = dataset.gcps
        # newer GDAL tells half floats by their name; a copy is as readers give them
        types = ["float32" if kind == "float16" else kind for kind in dataset.dtypes]
        try:
            table = dataset.colormap(1)
        except ValueError:
            table = None
        return {
            "types": types,
            "place": (dataset.crs, tuple(dataset.transform), [str(point) for point in points], crs),
            "rpcs": dataset.rpcs and dataset.rpcs.to_gdal(),
            "nodata": str(dataset.nodatavals),
            "tags": (dataset.tags(), [dataset.tags(band) for band in dataset.indexes]),
            "bands": (dataset.descriptions, dataset.scales, dataset.offsets, dataset.colorinterp, table),
            "masks": dataset.read_masks().tobytes(),
            "pixels": dataset.read().astype(types[0] if len(set(types)) == 1 else None, copy=False).tobytes(),
        }


LOG_LUV = 32845
"""Colours that GDAL gives as floats without a name, and a copy as gray."""


def candidates(folder):
    with (folder / "manifest.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["category"] == "tiff" and not row["sidecars"]]
    for row in rows[::EVERY]:
        path = folder / row["path"]
        if (
            row["rasterio_reads"] != "yes"
            or path.stat().st_size > LARGEST_FILE
            or row["dtype"].startswith("complex_int")
        ):
            continue
        with rasterio.open(path, driver="GTiff") as dataset:
            small = dataset.width * dataset.height * dataset.count <= MOST_PIXELS
        if small and tiff_metadata(path).get("262") != LOG_LUV:
            yield path


def test_copies_of_real_files_say_and_hold_the_same(real_data, tmp_path):
    copy, wrong, count = tmp_path / "copy.tif", [], 0
    for path in candidates(real_data):
        image = BlockImage(str(path))
        mask = "source" if image.header.mask == "mask" else None
        write_tiff(copy, image, metadata=tiff_metadata(path), compression="deflate", mask=mask)
        want, got = facts(path), facts(copy)
        if image.header.compression == "JPEG":  # libjpeg's two ways from chroma to colours differ a little
            want["pixels"] = read_window(image, (0, 0, image.num_columns, image.num_rows)).tobytes()
        wrong += [f"{path.name}: {what}" for what in want if want[what] != got[what]]
        count += 1

    assert wrong == []
    assert count > 20
