"""Scenes to cut chips from: natural-looking COGs as satellites deliver them, and their index.

A scene is four single-band uint16 COGs of 10 m. One piece of countryside is
made once and laid side by side: blocks are as those of a scene that large,
and a deflate block with predictor 2 is about 1.6 times smaller than its pixels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.transform import Affine

from stacchip_osml import ChipIndex, Indexer
from stacchip_osml.pixel import ImageSize
from stacchip_osml.testing import natural_scene
from tests.benchmarks.items import tile

__all__ = [
    "BANDS",
    "CHIP",
    "LAYOUTS",
    "Scene",
    "copies_of",
    "make_scene",
    "open_scene",
    "scene_item",
    "turns_of",
    "unaligned",
]

BANDS = ("blue", "green", "red", "nir")
CHIP = 256
LAYOUTS: dict[str, dict[str, Any]] = {
    "deflate 512": {"compress": "deflate", "blocksize": 512},
    "deflate 1024": {"compress": "deflate", "blocksize": 1024},
    "zstd 512": {"compress": "zstd", "blocksize": 512},
}
FULL, QUICK = 10_240, 1024
"""Pixels of a scene's side: 1,600 chips, more than any cache of the readers holds; 16 for a try."""
PIECE, QUICK_PIECE = 2048, 512


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scene:
    """Four files, the chips of their index, and where those lie."""

    name: str
    hrefs: tuple[str, ...]
    """One a band: paths, or URLs."""
    index: ChipIndex
    windows: NDArray[np.int64]
    """``(N, 4)``: x, y, width, height of each row, pixels."""
    block: int
    """Side of a block, pixels."""

    def blocks(self, position: int) -> list[tuple[int, int]]:
        """Name the (row, col) of each block under a chip."""
        x, y, width, height = (int(value) for value in self.windows[position])
        return [
            (row, col)
            for row in range(y // self.block, -(-(y + height) // self.block))
            for col in range(x // self.block, -(-(x + width) // self.block))
        ]

    def shuffled(self, seed: int = 0) -> NDArray[np.int64]:
        """Order the rows at random."""
        return np.random.default_rng(seed).permutation(len(self.windows))

    def coherent(self, seed: int = 0) -> NDArray[np.int64]:
        """Order the rows so that those of one block follow each other; the blocks at random."""
        random = np.random.default_rng(seed)
        _, group = np.unique(self.windows[:, :2] // self.block, axis=0, return_inverse=True)
        lots = random.permutation(group.max() + 1)
        return np.lexsort((random.random(len(group)), lots[group]))


def make_scene(folder: Path, layout: str, *, side: int = FULL) -> dict[str, Path]:
    """Write the four files of a layout, or find them; band → path."""
    place = folder / f"scene-{side}" / layout.replace(" ", "-")
    paths = {band: place / f"{band}.tif" for band in BANDS}
    for band, path in paths.items():
        if not path.exists():
            place.mkdir(parents=True, exist_ok=True)
            _write(path, _piece(folder, band, side), side, LAYOUTS[layout])
    return paths


def copies_of(paths: Mapping[str, Path], count: int) -> list[dict[str, Path]]:
    """Give the same files other names, so that readers take them for others; no bytes are copied."""
    copies = [dict(paths)]
    for number in range(1, count):
        copies.append({})
        for band, path in paths.items():
            other = path.with_name(f"{band}-{number}.tif")
            other.unlink(missing_ok=True)
            other.hardlink_to(path)
            copies[-1][band] = other
    return copies


def scene_item(hrefs: Mapping[str, Any], *, side: int, number: int = 0) -> dict[str, Any]:
    """Describe files as a STAC item; items of other numbers are other items at the same place."""
    document = tile(side=side)
    document["id"] = f"{document['id']}_{number}"
    for band in BANDS:
        document["assets"][band]["href"] = str(hrefs[band])
    return document


def open_scene(name: str, hrefs: Mapping[str, Any], *, side: int, block: int, headers: bool = False) -> Scene:
    """Index a scene by chips of 256; with ``headers`` the index knows where the blocks are."""
    index = Indexer(scene_item(hrefs, side=side), CHIP, assets=BANDS, headers=headers).create_index()
    return Scene(
        name=name,
        hrefs=tuple(str(hrefs[band]) for band in BANDS),
        index=index,
        windows=_windows(index),
        block=block,
    )


def unaligned(scene: Scene, *, side: int, seed: int = 7) -> Scene:
    """Move every chip to a place of its own that no grid knows."""
    table = scene.index.to_arrow()
    random = np.random.default_rng(seed)
    for name in ("col_off", "row_off"):
        at = table.schema.get_field_index(name)
        moved = random.integers(0, side - CHIP, len(table)).astype(np.int32)
        table = table.set_column(at, table.schema.field(at), [moved])
    index = ChipIndex.from_table(table, scene.index.tables)
    return Scene(
        name=f"{scene.name}, unaligned", hrefs=scene.hrefs, index=index, windows=_windows(index), block=scene.block
    )


def turns_of(order: NDArray[np.int64], size: int, turn: int) -> NDArray[np.int64]:
    """Take the rows of one turn, beginning anew at the end."""
    return order[(np.arange(size) + turn * size) % len(order)]


def _windows(index: ChipIndex) -> NDArray[np.int64]:
    table = index.to_arrow()
    columns = [table.column(name).to_numpy() for name in ("col_off", "row_off", "width", "height")]
    return np.stack(columns, axis=1).astype(np.int64)


def _piece(folder: Path, band: str, side: int) -> NDArray[Any]:
    size = PIECE if side == FULL else QUICK_PIECE
    path = folder / f"piece-{size}.npy"
    if not path.exists():
        np.save(path, natural_scene(ImageSize(size, size), bands=BANDS))
    piece = np.load(path)[BANDS.index(band)]
    return np.tile(piece, (side // size, side // size))


def _write(path: Path, pixels: NDArray[Any], side: int, layout: Mapping[str, Any]) -> None:
    facts = tile()["properties"]
    profile = {"driver": "COG", "count": 1, "dtype": pixels.dtype, "crs": facts["proj:code"], "predictor": "standard"}
    profile |= {"height": side, "width": side, "transform": Affine(*facts["proj:transform"]), "nodata": 0}
    temporary = path.with_suffix(".part")
    with rasterio.open(temporary, "w", **profile, **layout, overviews="auto", num_threads=2) as file:
        file.write(pixels, 1)
    temporary.rename(path)
