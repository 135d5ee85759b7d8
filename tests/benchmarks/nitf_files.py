"""NITF files of the kinds that windows are read from, and a large unblocked SICD-like one."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagecodecs
import jbpy
import numpy as np
import rasterio
import rasterio.shutil
from numpy.typing import NDArray
from rasterio.io import MemoryFile

from stacchip_osml.pixel import ImageSize
from stacchip_osml.testing import natural_scene

__all__ = ["BLOCK", "KINDS", "make_large_sicd", "make_nitf"]

logging.getLogger("jbpy").setLevel(logging.ERROR)  # it does not know CD, and says so

BLOCK = 1024
"""Pixels of a block's side."""
PIECE = 512


def make_nitf(folder: Path, kind: str, *, side: int) -> Path:
    """Write a file of a kind, or find it."""
    path = folder / f"nitf-{side}-{kind.replace(' ', '-')}.ntf"
    if not path.exists():
        temporary = path.with_suffix(".part")
        KINDS[kind](temporary, folder, side)
        temporary.rename(path)
    return path


def make_large_sicd(path: Path, *, side: int) -> None:
    """Write complex samples as SICD has them: unblocked, I and Q of 32-bit floats side by side; a row at a time.

    With a side of 11,585 the file has 1 GB.
    """
    random = np.random.default_rng(0)
    rows = (random.standard_normal((64, 2 * side)) * 40).astype(">f4")  # speckle

    def write(file: Any) -> None:
        for first in range(0, side, len(rows)):
            file.write(np.roll(rows, first, axis=1)[: side - first].tobytes())

    facts = {"PVTYPE": "R", "IREP": "NODISPLY", "ICAT": "SAR", "IMODE": "P", "NBANDS": 2, "NBPP": 32, "ABPP": 32}
    facts |= {"ISUBCAT00001": "I", "ISUBCAT00002": "Q"}
    _write_segment(path, side, facts, block=side, size=8 * side * side, write=write)


def _gdal(*, bands: int, dtype: str, **options: Any) -> Callable[[Path, Path, int], None]:
    def write(path: Path, folder: Path, side: int) -> None:
        pixels = _pixels(folder, side, bands=bands, dtype=dtype)
        profile = {"driver": "GTiff", "width": side, "height": side, "count": bands, "dtype": dtype}
        if bands == 3:
            profile["photometric"] = "RGB"
        with warnings.catch_warnings(), MemoryFile() as memory:
            warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
            with memory.open(**profile) as file:
                file.write(pixels)
            with memory.open() as file:  # compressed NITF is made by a copy only
                rasterio.shutil.copy(file, path, driver="NITF", **options)

    return write


def _htj2k(path: Path, folder: Path, side: int) -> None:
    (pixels,) = _pixels(folder, side, bands=1, dtype="uint16")
    stream = imagecodecs.htj2k_encode(pixels, tile=(BLOCK, BLOCK), reversible=True, resolutions=5, tlm=True)
    facts = {"PVTYPE": "INT", "IC": "CD", "COMRAT": "N075", "IMODE": "B", "NBANDS": 1, "NBPP": 16, "ABPP": 16}
    _write_segment(path, side, facts, block=BLOCK, size=len(stream), write=lambda file: file.write(bytes(stream)))


def _write_segment(
    path: Path, side: int, facts: dict[str, Any], *, block: int, size: int, write: Callable[[Any], object]
) -> None:
    """Write a NITF 2.1 file of one image segment (MIL-STD-2500C): headers first, then its data."""
    document = jbpy.Jbp()
    document["FileHeader"]["NUMI"].value = 1
    segment = document["ImageSegments"][0]
    subheader = segment["subheader"]
    subheader["NROWS"].value = subheader["NCOLS"].value = side
    for name, value in facts.items():
        subheader[name].value = value
    subheader["NBPR"].value = subheader["NBPC"].value = -(-side // block)
    stated = 0 if block > 8192 else block  # 0: one block, larger than the field may say
    subheader["NPPBH"].value = subheader["NPPBV"].value = stated
    segment["Data"].size = size
    document.finalize()
    with path.open("wb+") as file:
        document.dump(file)
        file.seek(segment["Data"].get_offset())
        write(file)


def _pixels(folder: Path, side: int, *, bands: int, dtype: str) -> NDArray[Any]:
    path = folder / f"nitf-piece-{PIECE}.npy"
    if not path.exists():
        np.save(path, natural_scene(ImageSize(PIECE, PIECE), bands=("red", "green", "blue")))
    piece = np.load(path)[:bands]
    if dtype == "uint8":
        piece = np.clip(piece / 12, 0, 255).astype(np.uint8)
    return np.tile(piece, (1, side // PIECE, side // PIECE))


KINDS: dict[str, Callable[[Path, Path, int], None]] = {
    "NC blocked": _gdal(bands=1, dtype="uint16", IC="NC", BLOCKXSIZE=BLOCK, BLOCKYSIZE=BLOCK),
    "NC unblocked": _gdal(bands=1, dtype="uint16", IC="NC"),
    "C3": _gdal(bands=3, dtype="uint8", IC="C3", BLOCKXSIZE=BLOCK, BLOCKYSIZE=BLOCK, QUALITY="85"),
    "C8": _gdal(
        bands=1, dtype="uint16", IC="C8", BLOCKXSIZE=BLOCK, BLOCKYSIZE=BLOCK, PROFILE="NPJE_NUMERICALLY_LOSSLESS"
    ),
    "CD": _htj2k,
}
"""What it is → how it is written; the second argument is the folder of the benchmark's data."""
