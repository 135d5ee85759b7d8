"""The same chips cut beforehand and stored as training libraries want them: a second copy on disk.

Every sample is the chip's number and its pixels, ``(4, 256, 256)`` uint16.
"""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from tests.benchmarks.imagery import Scene
from tests.benchmarks.readers import has, rasterio_kept

__all__ = ["WRITERS", "cut_chips", "folder_bytes", "make_store"]

SHARDS = 16
"""Tars, and zarr shards."""
STEP = 100
"""Chips cut at a time."""
CHUNK_BYTES = 64 << 20
"""Of a chunk of LitData and MDS: what they choose themselves."""


def make_store(folder: Path, name: str, scene: Scene) -> Path | None:
    """Write a store, or find it; None where its library is not installed."""
    module, write = WRITERS[name]
    if module is not None and not has(module):
        return None
    path = folder / f"stores-{len(scene.index)}" / name.replace(" ", "-")
    if not path.exists():
        chips = cut_chips(folder, scene)
        temporary = path.with_name(path.name + ".part")
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        write(temporary, chips)
        temporary.rename(path)
    return path


def folder_bytes(path: Path) -> int:
    """Add up the files of a store."""
    return sum(entry.stat().st_size for entry in path.rglob("*") if entry.is_file())


def cut_chips(folder: Path, scene: Scene) -> NDArray[Any]:
    """Cut all chips once, a row of the index after the other."""
    path = folder / f"stores-{len(scene.index)}" / "chips.npy"
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        shape = (len(scene.index), len(scene.hrefs), 256, 256)
        temporary = path.with_suffix(".part")
        chips = np.lib.format.open_memmap(temporary, "w+", np.uint16, shape)
        with rasterio_kept(scene) as read:
            for first in range(0, len(chips), STEP):
                positions = np.arange(first, min(first + STEP, len(chips)))
                chips[positions] = read(positions)
        chips.flush()
        temporary.rename(path)
    return np.load(path, mmap_mode="r")


def _npy(path: Path, chips: NDArray[Any]) -> None:
    np.save(path / "chips.npy", chips)


def _webdataset(suffix: str, encode: Callable[[NDArray[Any]], bytes]) -> Callable[[Path, NDArray[Any]], None]:
    def write(path: Path, chips: NDArray[Any]) -> None:
        import webdataset

        pattern = f"{path}/shard-%04d.tar"
        with webdataset.ShardWriter(pattern, maxcount=_shard(chips), verbose=0) as writer:
            for number, chip in _numbered(chips):
                writer.write({"__key__": f"{number:08d}", suffix: encode(chip)})

    return write


def _npy_bytes(chip: NDArray[Any]) -> bytes:
    file = io.BytesIO()
    np.save(file, chip)
    return file.getvalue()


def _npz_bytes(chip: NDArray[Any]) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, chip=chip)
    return file.getvalue()


def _tif_bytes(chip: NDArray[Any]) -> bytes:
    file = io.BytesIO()
    options: dict[str, Any] = {"photometric": "minisblack", "planarconfig": "separate"}
    tifffile.imwrite(file, chip, compression="deflate", predictor=True, **options)
    return file.getvalue()


def _litdata(compression: str | None) -> Callable[[Path, NDArray[Any]], None]:
    def write(path: Path, chips: NDArray[Any]) -> None:
        from litdata.streaming.writer import BinaryWriter

        writer = BinaryWriter(str(path), chunk_bytes=CHUNK_BYTES, compression=compression)
        for number, chip in _numbered(chips):
            writer[number] = {"id": number, "image": chip}
        writer.done()
        writer.merge()

    return write


def _mds(path: Path, chips: NDArray[Any]) -> None:
    from streaming import MDSWriter

    columns = {"id": "int", "image": f"ndarray:uint16:{','.join(map(str, chips.shape[1:]))}"}
    with MDSWriter(out=str(path), columns=columns, size_limit=CHUNK_BYTES) as writer:
        for number, chip in _numbered(chips):
            writer.write({"id": number, "image": chip})


def _zarr(path: Path, chips: NDArray[Any]) -> None:
    import zarr

    one = chips.shape[1:]
    shard = _shard(chips)
    places: dict[str, Any] = {"shape": chips.shape, "chunks": (1, *one), "shards": (shard, *one)}
    codec = zarr.codecs.ZstdCodec(level=3)
    array: Any = zarr.create_array(path / "chips.zarr", dtype="uint16", compressors=codec, **places)
    for first in range(0, len(chips), shard):
        array[first : first + shard] = chips[first : first + shard]


def _shard(chips: NDArray[Any]) -> int:
    return -(-len(chips) // SHARDS)


def _numbered(chips: NDArray[Any]) -> Iterator[tuple[int, NDArray[Any]]]:
    for number in range(len(chips)):
        yield number, np.ascontiguousarray(chips[number])


WRITERS: dict[str, tuple[str | None, Callable[[Path, NDArray[Any]], None]]] = {
    "npy": (None, _npy),
    "WebDataset npy": ("webdataset", _webdataset("npy", _npy_bytes)),
    "WebDataset tif": ("webdataset", _webdataset("tif", _tif_bytes)),
    "WebDataset npz": ("webdataset", _webdataset("npz", _npz_bytes)),
    "LitData zstd": ("litdata", _litdata("zstd")),
    "LitData raw": ("litdata", _litdata(None)),
    "MDS raw": ("streaming", _mds),
    "zarr sharded": ("zarr", _zarr),
}
"""Store → the module it needs, and what writes it into an empty folder."""
