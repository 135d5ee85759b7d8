"""Training libraries as loaders of batches: shuffled, 32 chips, their numbers and their pixels."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import rasterio
import tifffile
import torch
from numpy.typing import NDArray
from rasterio.windows import Window
from torch.utils.data import DataLoader, Dataset

from tests.benchmarks.imagery import Scene

__all__ = ["Batches", "Loader", "from_files", "from_store", "from_tars"]

BUFFER = 256
"""Chips of a shuffle buffer, where a library has one."""
Batches = Iterator[tuple[Any, torch.Tensor]]


class Loader(NamedTuple):
    """A source of batches."""

    begin: Callable[[], Iterable[tuple[Any, torch.Tensor]]]
    """Begins an epoch: (numbers, ``(N, C, H, W)``) batch after batch."""
    settle: int = 0
    """Batches until it runs as it goes on."""


def from_files(scene: Scene, *, kept: bool, workers: int, batch: int) -> Loader:
    """Cut chips in random order with rasterio, its files opened for every chip or kept open."""
    return _loader(_Cut(scene, kept=kept), workers, batch)


def from_store(name: str, path: Path, *, workers: int, batch: int, each: bool = True) -> Loader:
    """Load a store of :mod:`tests.benchmarks.stores`.

    Args:
        name: the store.
        path: where it lies.
        workers: of the DataLoader.
        batch: chips.
        each: a memory map is read chip by chip, not batch by batch.
    """
    if name.startswith("WebDataset"):
        shards = sorted(str(shard) for shard in path.glob("*.tar"))
        return from_tars(shards, name.rpartition(" ")[2], workers=workers, batch=batch)
    if name.startswith("LitData"):
        return _litdata(path, workers, batch)
    if name.startswith("MDS"):
        return _mds(path, workers, batch)
    if name.startswith("zarr"):
        return _loader(_Zarr(path / "chips.zarr"), workers, batch)
    return _loader((_Each if each else _Memory)(path / "chips.npy"), workers, batch)


def _loader(dataset: Dataset[Any], workers: int, batch: int) -> Loader:
    batched = isinstance(dataset, _Memory)
    collate: Any = {"collate_fn": _whole} if batched else {}
    loader: Any = DataLoader(dataset, batch_size=batch, shuffle=True, num_workers=workers, drop_last=True, **collate)
    return Loader(lambda: loader)


def _whole(batch: Any) -> Any:
    return batch


class _Cut(Dataset[Any]):
    def __init__(self, scene: Scene, *, kept: bool) -> None:
        self.hrefs, self.windows, self.kept = scene.hrefs, scene.windows, kept
        self.files: list[Any] | None = None  # opened in the worker

    def __len__(self) -> int:
        return len(self.windows)

    def __getitem__(self, number: int) -> tuple[int, torch.Tensor]:
        x, y, width, height = self.windows[number].tolist()
        window = Window(x, y, width, height)
        if self.kept:
            if self.files is None:
                self.files = [rasterio.open(href) for href in self.hrefs]
            bands = [file.read(window=window) for file in self.files]
        else:
            bands = []
            for href in self.hrefs:
                with rasterio.open(href) as file:
                    bands.append(file.read(window=window))
        return number, torch.from_numpy(np.vstack(bands))


class _Each(Dataset[Any]):
    """A memory map, chip by chip."""

    def __init__(self, path: Path) -> None:
        self.chips = np.load(path, mmap_mode="r")

    def __len__(self) -> int:
        return len(self.chips)

    def __getitem__(self, number: int) -> tuple[int, torch.Tensor]:
        return number, torch.from_numpy(np.array(self.chips[number]))


class _Memory(_Each):
    """A memory map, batch by batch."""

    def __getitems__(self, numbers: list[int]) -> tuple[list[int], torch.Tensor]:
        return numbers, torch.from_numpy(self.chips[numbers])


class _Zarr(Dataset[Any]):
    def __init__(self, path: Path) -> None:
        import zarr

        self.chips: Any = zarr.open(path, mode="r")

    def __len__(self) -> int:
        return int(self.chips.shape[0])

    def __getitem__(self, number: int) -> tuple[int, torch.Tensor]:
        return number, torch.from_numpy(np.asarray(self.chips[number]))


def from_tars(shards: Sequence[str], suffix: str, *, workers: int, batch: int) -> Loader:
    """Load the tars of a WebDataset: paths, or URLs."""
    import webdataset

    decode = {"npy": _npy, "npz": _npz, "tif": _tif}[suffix]
    dataset = webdataset.WebDataset(list(shards), shardshuffle=len(shards)).shuffle(BUFFER)
    dataset = dataset.to_tuple("__key__", suffix).map_tuple(int, decode).batched(batch, partial=False)
    loader = webdataset.WebLoader(dataset, batch_size=None, num_workers=workers)
    return Loader(lambda: loader, settle=BUFFER // batch)


def _npy(data: bytes) -> NDArray[Any]:
    return np.asarray(np.load(io.BytesIO(data)))


def _npz(data: bytes) -> NDArray[Any]:
    return np.asarray(np.load(io.BytesIO(data))["chip"])


def _tif(data: bytes) -> NDArray[Any]:
    return np.asarray(tifffile.imread(io.BytesIO(data)))


def _litdata(path: Path, workers: int, batch: int) -> Loader:
    import litdata

    dataset = litdata.StreamingDataset(str(path), shuffle=True, drop_last=True)
    loader = litdata.StreamingDataLoader(dataset, batch_size=batch, num_workers=workers)
    return Loader(lambda: _named(loader))


def _mds(path: Path, workers: int, batch: int) -> Loader:
    from streaming import StreamingDataset
    from streaming.base.util import clean_stale_shared_memory

    clean_stale_shared_memory()
    dataset = StreamingDataset(local=str(path), shuffle=True, batch_size=batch)
    loader: Any = DataLoader(dataset, batch_size=batch, num_workers=workers, drop_last=True)
    return Loader(lambda: _named(loader))


def _named(loader: Iterable[dict[str, Any]]) -> Batches:
    for batch in loader:
        yield batch["id"], batch["image"]
