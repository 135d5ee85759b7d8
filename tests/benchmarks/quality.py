"""Nodata and cloud fractions of every chip from a scene class band, against stacchip 0.1.38's ``Sentinel2Indexer``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.transform import Affine

from stacchip_osml import ChipIndex, Indexer
from stacchip_osml.imagery import close_idle_handles
from stacchip_osml.index.statistics import preset
from tests.benchmarks.items import SIDE, tile
from tests.benchmarks.peer import STACCHIP_HELP, open_stacchip
from tests.benchmarks.report import Options, Report
from tests.benchmarks.timing import alternate, timed

__all__ = ["run"]

LEVELS = (0, 1, 2)


def run(options: Options) -> list[Report]:
    """Time the same tile from full resolution and from two overviews; the band is opened anew in every round."""
    band = _scene_classes(options.folder / "scl.tif")
    made: dict[int, ChipIndex] = {}

    def build(level: int) -> None:
        close_idle_handles()  # GDAL keeps decoded blocks with an open file; stacchip opens it each time
        indexer = Indexer(_item(band), 256, assets=["red"], quality=preset("scl", level=level), roots=["/"])
        made[level] = indexer.create_index()

    sides = {f"ours, level {level}": timed(lambda level=level: build(level)) for level in LEVELS}  # type: ignore[misc]
    with open_stacchip() as peer:
        theirs: dict[str, Any] = {}
        if peer is not None:

            def ask() -> tuple[float, float]:
                theirs.update(peer.ask({"items": [_item(band, old=True)], "fractions": True}))
                return theirs["wall"], theirs["cpu"]

            sides["stacchip"] = ask
        found = alternate(sides, rounds=options.rounds or 5)
    rows = []
    for level in LEVELS:
        samples = found[f"ours, level {level}"]
        row: dict[str, Any] = {"read at level": level, "ours ms": samples.median * 1e3}
        if theirs:
            row["stacchip ms"] = found["stacchip"].median * 1e3
            row["times faster"] = found["stacchip"].median / samples.median
            row |= _errors(made[level], theirs["fractions"])
        rows.append(row)
    if theirs and max(rows[0]["largest error, cloud"], rows[0]["largest error, nodata"]) > 1e-6:
        raise AssertionError(f"full resolution differs from stacchip: {rows[0]}")
    notes = [f"{len(made[0]):,} chips of 256 at 10 m, classes at 20 m", *([] if theirs else STACCHIP_HELP.splitlines())]
    return [Report(title="quality: nodata and cloud fractions", rows=rows, notes=notes)]


def _errors(index: ChipIndex, fractions: list[list[float]]) -> dict[str, float]:
    """Compare with stacchip's fractions, which count clouds over all pixels."""
    table = index.to_arrow()
    nodata = table.column("nodata_fraction").to_numpy()
    cloud = table.column("cloud_fraction").fill_null(0).to_numpy() * (1 - nodata)
    errors = [np.abs(mine - np.array(theirs)) for mine, theirs in zip((nodata, cloud), fractions, strict=True)]
    return {
        "largest error, nodata": float(errors[0].max()),
        "largest error, cloud": float(errors[1].max()),
        "mean error, cloud": float(errors[1].mean()),
    }


def _item(band: Path, *, old: bool = False) -> dict[str, Any]:
    item = tile(32, 1, 45, old=old)
    corner = item["properties"]["proj:transform"]
    item["assets"]["scl"] = {
        "href": str(band),
        "type": "image/tiff; application=geotiff",
        "proj:shape": [SIDE // 2, SIDE // 2],
        "proj:transform": [20, 0, corner[2], 0, -20, corner[5]],
    }
    return item


def _scene_classes(path: Path) -> Path:
    """Write a class band: fields, water, cloud banks with a rim of cirrus, a slanted swath edge, some speckle."""
    if path.exists():
        return path
    random, side = np.random.default_rng(0), SIDE // 2

    def smooth(sigma: float) -> NDArray[np.float32]:
        field = cv2.GaussianBlur(random.standard_normal((side // 10, side // 10)).astype(np.float32), (0, 0), sigma)
        return np.asarray(
            cv2.resize((field - field.min()) / np.ptp(field), (side, side), interpolation=cv2.INTER_CUBIC)
        )

    cloud, land = smooth(12), smooth(5)
    codes = np.select([cloud > 0.7, cloud > 0.62, cloud > 0.58, land > 0.55, land < 0.35], [9, 8, 10, 5, 6], 4)
    codes[random.random(codes.shape) < 0.01] = 7
    codes[np.add.outer(np.arange(side) * 0.3, np.arange(side)) < 900] = 0
    corner = tile(32, 1, 45)["properties"]["proj:transform"]
    profile = {"driver": "COG", "width": side, "height": side, "count": 1, "dtype": "uint8", "nodata": 0}
    place = {"crs": "EPSG:32632", "transform": Affine(20, 0, corner[2], 0, -20, corner[5])}
    with rasterio.open(path, "w", **profile, **place, compress="deflate", blocksize=512, resampling="nearest") as file:
        file.write(codes.astype(np.uint8), 1)
    return path
