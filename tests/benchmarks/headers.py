"""Block layouts in an index: what it takes to parse, pack, unpack, store and open them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import rasterio
import tifffile
from numpy.typing import NDArray
from rasterio.transform import Affine

from stacchip_osml import ChipIndex, Indexer
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.imagery.blocks.layout import ImageLayout, LevelLayout
from stacchip_osml.imagery.blocks.parsing import parse_layout
from stacchip_osml.imagery.limits import ReadLimits
from stacchip_osml.index.layouts import StoredHeader
from stacchip_osml.index.tables import SideTables
from tests.benchmarks.items import ASSETS, SIDE, tile, tiles
from tests.benchmarks.report import Options, Report
from tests.benchmarks.timing import alternate, timed

__all__ = ["run"]

TURNS = 20
"""Times that a round repeats work of less than a millisecond."""


def run(options: Options) -> list[Report]:
    """Measure one image, then an index of many."""
    path = options.folder / "headers" / "band.tif"
    if not path.exists():
        _write_cog(path)
    image = BlockImage(str(path))
    stored = StoredHeader.of(image.header, image.layout)
    return [
        _one_image(path, image, stored, rounds=options.rounds or 15),
        _many_images(options.folder / "headers", image, count=options.rows or 5000, rounds=options.rounds or 5),
    ]


def _one_image(path: Path, image: BlockImage, stored: StoredHeader, *, rounds: int) -> Report:
    header, layout = image.header, image.layout
    pages = _tifffile_layout(path)
    for level, (offsets, counts) in zip(layout.levels, pages, strict=True):
        if not isinstance(level, LevelLayout):
            raise TypeError(f"a level is not served: {level.reason}")
        np.testing.assert_array_equal(level.offsets.ravel(), offsets)
        np.testing.assert_array_equal(level.counts.ravel(), counts)
    works: dict[str, Callable[[], Any]] = {
        "tifffile: open and list": lambda: _tifffile_layout(path),
        "ours: parse (header given)": lambda: parse_layout(
            header, image.file.read_at, name="x", limits=ReadLimits(), size=image.file.size
        ),
        "ours: pack": lambda: StoredHeader.of(header, layout),
        "ours: unpack": lambda: stored.unpack(name="x"),
    }
    found = alternate({name: timed(_repeated(work)) for name, work in works.items()}, rounds=rounds)
    base = found["tifffile: open and list"].median
    rows = [
        {
            "work": name,
            "ms": samples.median * 1e3 / TURNS,
            "CPU ms": samples.median_cpu * 1e3 / TURNS,
            "of tifffile's": samples.median / base,
        }
        for name, samples in found.items()
    ]
    blocks = sum(level.offsets.size for level in layout.levels if isinstance(level, LevelLayout))
    raw = len(stored.facts) + sum(map(len, stored.levels))
    note = f"{blocks} blocks of 512 in {len(layout.levels)} levels; packed {raw:,} bytes, unpacked {16 * blocks:,}"
    return Report(
        title="headers: one COG of one band", rows=rows, notes=[note, "tifffile's places and lengths are ours"]
    )


def _many_images(folder: Path, image: BlockImage, *, count: int, rounds: int) -> Report:
    """Store layouts for many images and open the index: with them, and without."""
    plain = Indexer([tile(*place) for place in tiles(count // len(ASSETS))], SIDE, read_headers=False).create_index()
    random = np.random.default_rng(5)
    headers = {
        key: replace(header, stored=StoredHeader.of(image.header, _shuffled(image.layout, random)))
        for key, header in plain.tables.headers.items()
    }
    tables = SideTables(plain.tables.items, headers, plain.tables.chains)
    indexes = {"without": plain, "with": ChipIndex.from_table(plain.to_arrow(), tables)}
    paths = {name: index.save(folder / f"index-{count}-{name}") for name, index in indexes.items()}
    opens = alternate(
        {name: timed(lambda path=path: ChipIndex.open(path)) for name, path in paths.items()}, rounds=rounds
    )
    reads = alternate(
        {name: timed(lambda path=path: ChipIndex.open(path).tables) for name, path in paths.items()}, rounds=rounds
    )
    rows = [
        {
            "layouts": name,
            "open ms": opens[name].median * 1e3,
            "open and all items and headers ms": reads[name].median * 1e3,
            "header table B an image": max(path.glob("headers-*.parquet")).stat().st_size / len(headers),
        }
        for name, path in paths.items()
    ]
    if ChipIndex.open(paths["with"]).tables != tables:
        raise AssertionError("the layouts did not come back as they were saved")
    note = f"{len(headers):,} images; their blocks are those of the COG above, in another order in each"
    return Report(title="headers: an index of many images", rows=rows, notes=[note])


def _repeated(work: Callable[[], Any]) -> Callable[[], None]:
    def many() -> None:
        for _ in range(TURNS):
            work()

    return many


def _tifffile_layout(path: Path) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    with tifffile.TiffFile(path) as file:
        levels = file.series[0].levels
        return [(np.array(level.keyframe.dataoffsets), np.array(level.keyframe.databytecounts)) for level in levels]


def _shuffled(layout: ImageLayout, random: np.random.Generator) -> ImageLayout:
    """Give blocks the lengths of others, and places that follow from them."""
    levels, start = [], 20_000
    for level in reversed(layout.levels):
        assert isinstance(level, LevelLayout)
        counts = random.permutation(level.counts.ravel())
        ends = start + np.cumsum(counts + 8)
        shape = level.counts.shape
        levels.append(replace(level, counts=counts.reshape(shape), offsets=(ends - counts - 8).reshape(shape)))
        start = int(ends[-1])
    return ImageLayout(levels=tuple(reversed(levels)))


def _write_cog(path: Path) -> None:
    """Write a band of the size of a Sentinel-2 tile, smooth with grain that differs from place to place."""
    random = np.random.default_rng(1)

    def field(cells: int) -> NDArray[np.float32]:
        small = random.random((cells, cells), np.float32)
        return np.asarray(cv2.resize(small, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC), np.float32)

    pixels = 300 + 2000 * field(60) + 300 * field(900)
    pixels += random.standard_normal((SIDE, SIDE), np.float32) * (10 + 60 * field(40))
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(
        path, "w", driver="COG", width=SIDE, height=SIDE, count=1, dtype="uint16", crs="EPSG:32632",
        transform=Affine(10, 0, 500_000, 0, -10, 5_000_000), nodata=0,
        compress="deflate", predictor=2, blocksize=512, resampling="average",
    ) as file:  # fmt: skip
        file.write(pixels.clip(1, 65_535).astype(np.uint16), 1)
