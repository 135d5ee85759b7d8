"""NITF files written by jbpy around pixels of our own making, and blocks read back without the block reader."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jbpy
import numpy as np

from stacchip_osml.imagery.blocks.layout import ImageLayout, LevelLayout
from stacchip_osml.imagery.limits import ReadLimits
from stacchip_osml.imagery.nitf.blocks import parse_nitf

TYPES = {"u": "INT", "i": "SI", "f": "R", "c": "C"}


class Reads:
    """A file's bytes, counting the calls."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.calls = 0
        self.bytes = 0

    def __call__(self, offset: int, size: int) -> bytes:
        assert offset >= 0
        assert size > 0
        self.calls += 1
        found = self.data[offset : offset + size]
        self.bytes += len(found)
        return found


def layout_of(path: Path | str, **limits: int) -> ImageLayout:
    data = Path(path).read_bytes()
    return parse_nitf(Reads(data), name=str(path), limits=ReadLimits(**limits), size=len(data))


def write_nitf(path: Path, images: Iterable[tuple[dict[str, Any], bytes]], *, nsif: bool = False) -> jbpy.Jbp:
    """Write image segments: subheader fields by name, and image data."""
    images = list(images)
    file = jbpy.Jbp()
    head = file["FileHeader"]
    if nsif:
        head["FHDR"].value, head["FVER"].value = "NSIF", "01.00"
    for name, value in {"OSTAID": "HERE", "FSCLAS": "U", "FDT": "20240101000000", "STYPE": "BF01", "CLEVEL": 3}.items():
        head[name].value = value
    head["NUMI"].value = len(images)
    for number, (fields, data) in enumerate(images):
        segment = file["ImageSegments"][number]
        subheader = segment["subheader"]
        known = {"IID1": f"IMAGE{number}", "IDATIM": "20240101000000", "ISCLAS": "U", "IREP": "MULTI", "ICAT": "VIS"}
        known |= {"IDLVL": number + 1, "IALVL": 0, "ILOC": (0, 0), "IMAG": "1.0 ", "PJUST": "R"}
        known |= fields
        known.setdefault("ABPP", known["NBPP"])
        for name in sorted(known, key=lambda name: name in {"COMRAT", "XBANDS"}):  # their fields appear with others
            subheader[name].value = known[name]
        segment["Data"].size = len(data)
    file.finalize()
    with path.open("wb") as out:
        file.dump(out)
        for segment, (_, data) in zip(file["ImageSegments"], images, strict=True):
            out.seek(segment["Data"].get_offset())
            out.write(data)
    return file


def fields_of(pixels: np.ndarray, block: tuple[int, int], imode: str, **more: Any) -> dict[str, Any]:
    """Subheader fields of ``(bands, rows, cols)`` in blocks of (rows, cols)."""
    bands, rows, cols = pixels.shape
    fields = {
        "NROWS": rows,
        "NCOLS": cols,
        "PVTYPE": TYPES[pixels.dtype.kind],
        "IC": "NC",
        "NBANDS": bands if bands < 10 else 0,
        "IMODE": imode,
        "NBPR": -(-cols // block[1]),
        "NBPC": -(-rows // block[0]),
        "NPPBH": block[1],
        "NPPBV": block[0],
        "NBPP": pixels.dtype.itemsize * 8,
    }
    return fields | ({"XBANDS": bands} if bands > 9 else {}) | more


def blocks_of(pixels: np.ndarray, block: tuple[int, int], imode: str) -> list[bytes]:
    """Cut padded blocks in the order of the file: by band first for IMODE S."""
    bands, rows, cols = pixels.shape
    down, across = -(-rows // block[0]), -(-cols // block[1])
    padded = np.zeros((bands, down * block[0], across * block[1]), pixels.dtype.newbyteorder(">"))
    padded[:, :rows, :cols] = pixels
    cut = padded.reshape(bands, down, block[0], across, block[1])
    order = {"S": (0, 1, 3, 2, 4), "B": (1, 3, 0, 2, 4), "P": (1, 3, 2, 4, 0), "R": (1, 3, 2, 0, 4)}[imode]
    count = down * across * (bands if imode == "S" else 1)
    return [each.tobytes() for each in np.ascontiguousarray(cut.transpose(order)).reshape(count, -1)]


def masked(
    blocks: list[bytes | None],
    *,
    pad: int | bytes | None = None,
    bits: int | None = None,
    records: bool = True,
    padded: bool = False,
    gap: int = 0,
) -> bytes:
    """Put a mask table before blocks, None for one that is not recorded; ``bits`` are TPXCDLNTH if not all of TPXCD."""
    code = b"" if pad is None else pad if isinstance(pad, bytes) else pad.to_bytes(1, "big")
    places, at = [], 0
    for block in blocks:
        places.append(0xFFFFFFFF if block is None else at)
        at += gap + len(block) if block is not None else 0
    table = struct.pack(f">{len(places)}I", *places) if records else b""
    table += struct.pack(f">{len(places)}I", *places) if padded else b""
    head = 10 + len(code) + len(table)
    start = struct.pack(">IHHH", head, 4 if records else 0, 4 if padded else 0, 8 * len(code) if bits is None else bits)
    filler = bytes([0xAA]) * gap
    return start + code + table + b"".join(block + filler for block in blocks if block is not None)


def packed(values: np.ndarray, bits: int) -> bytes:
    """Pack samples most significant bit first, by writing the bits out (not as any reader does it)."""
    digits = "".join(format(value, f"0{bits}b") for value in values.ravel().tolist())
    digits += "0" * (-len(digits) % 8)
    return int(digits, 2).to_bytes(len(digits) // 8, "big")


def assembled(level: LevelLayout, data: bytes, *, fill: float = 0) -> np.ndarray:
    """Read all pixels of uncompressed whole-byte blocks, by hand."""
    codec, (rows, cols) = level.codec, level.block_shape
    down, across = level.grid
    image = np.full((level.bands, down * rows, across * cols), fill, codec.dtype)
    for plane in range(level.planes):
        bands = slice(plane * codec.samples, (plane + 1) * codec.samples)
        for row in range(down):
            for col in range(across):
                offset, size = (int(table[0, plane, row, col]) for table in (level.offsets, level.counts))
                held = min(rows, level.size.height - row * rows) if level.short_edge else rows
                if size:
                    assert offset + size <= len(data)
                    assert size == held * cols * codec.samples * np.dtype(codec.stored).itemsize
                    block = np.frombuffer(data[offset : offset + size], codec.stored)
                    shape, axes = {
                        "pixel": ((held, cols, codec.samples), (2, 0, 1)),
                        "row": ((held, codec.samples, cols), (1, 0, 2)),
                    }[codec.order]
                    image[bands, row * rows : row * rows + held, col * cols : (col + 1) * cols] = block.reshape(
                        shape
                    ).transpose(axes)
    return image[:, : level.size.height, : level.size.width]
