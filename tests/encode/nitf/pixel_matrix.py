"""IC x IMODE x samples x bands: what is written, who reads it back, what is refused; the page is made of it.

Run this file to write the tables into ``docs/write_matrix.md``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from stacchip_osml.imagery.providers.buffered import BufferedImageAssetProvider

PAGE = Path(__file__).parents[3] / "docs" / "write_matrix.md"
MARKS = ("<!-- matrix: made by tests/encode/nitf/pixel_matrix.py -->", "<!-- end of matrix -->")
ICS = ("NC", "NM", "C3", "M3", "C8", "M8", "CD", "MD")
IMODES = ("B", "P", "R", "S")
BANDS = (1, 3)


class Samples(NamedTuple):
    """A type of pixels, and fields that say how to store it."""

    dtype: str
    fields: dict[str, str]
    bits: int
    label: str


SAMPLES = {
    "bit": Samples("bool", {}, 1, "B 1"),
    "u8": Samples("uint8", {}, 8, "INT 8"),
    "u12": Samples("uint16", {"NBPP": "12", "ABPP": "12"}, 12, "INT 12"),
    "u16": Samples("uint16", {}, 16, "INT 16"),
    "u20": Samples("uint32", {"ABPP": "20"}, 20, "INT 20 of 32"),
    "u32": Samples("uint32", {}, 32, "INT 32"),
    "u64": Samples("uint64", {}, 64, "INT 64"),
    "i8": Samples("int8", {}, 8, "SI 8"),
    "i12": Samples("int16", {"NBPP": "12", "ABPP": "12"}, 12, "SI 12"),
    "i16": Samples("int16", {}, 16, "SI 16"),
    "i32": Samples("int32", {}, 32, "SI 32"),
    "i64": Samples("int64", {}, 64, "SI 64"),
    "f32": Samples("float32", {}, 32, "R 32"),
    "f64": Samples("float64", {}, 64, "R 64"),
    "c64": Samples("complex64", {}, 64, "C 64"),
    "c128": Samples("complex128", {}, 128, "complex128"),
}
INTEGERS = tuple(name for name in SAMPLES if name[0] in "ui")


class Cell(NamedTuple):
    """What becomes of one kind of image."""

    readers: tuple[str, ...] = ()
    """Who reads it back equal, all of them."""
    refused: str = ""
    """What the error says."""
    lossy: bool = False


def cell(ic: str, imode: str, name: str, bands: int) -> Cell:
    """Say what is expected."""
    if name == "c128":
        return Cell(refused="PVTYPE: no type of NITF holds complex128")
    kind = {"C": "raw", "M": "raw"}.get(ic[1]) or {"3": "jpeg", "8": "j2k", "D": "ht"}[ic[1]]
    if kind == "jpeg" and name[0] != "u":
        return Cell(refused=f"IC={ic} holds PVTYPE INT, not")
    if kind in {"j2k", "ht"} and name not in INTEGERS:
        return Cell(refused=f"IC={ic} holds PVTYPE INT or SI, not")
    if kind == "jpeg" and name not in {"u8", "u12"}:
        return Cell(refused=f"IC={ic} holds NBPP 8 or 12")
    if kind == "jpeg" and imode == "R":
        return Cell(refused=f"IMODE of IC={ic} is B, P, S")
    if kind in {"j2k", "ht"} and imode != "B":
        return Cell(refused=f"IMODE of IC={ic} is B, got")
    if bands == 1 and imode != "B":
        return Cell(refused="IMODE of an image of one band is B")
    if kind == "jpeg":
        return _jpeg(imode, name, bands)
    if kind == "raw":
        return Cell(readers=_raw_readers(ic, imode, name, bands))
    if SAMPLES[name].bits > (24 if kind == "j2k" else 16):
        return Cell(refused=f"NBPP of IC={ic} ends at")
    readers = ["jbpy", "openjpeg", "blocks"]
    if name != "i8":  # GDAL has no signed bytes
        readers += ["codestream", *(("gdal",) if ic == "C8" else ())]
    return Cell(readers=tuple(readers))


def _jpeg(imode: str, name: str, bands: int) -> Cell:
    if imode == "P" and name == "u12":
        return Cell(refused="NBPP=12 with IMODE=P")
    several = bands > 1 and imode != "P"
    return Cell(readers=("jbpy", "streams", "blocks") if several else ("jbpy", "blocks", "gdal"), lossy=True)


def _raw_readers(ic: str, imode: str, name: str, bands: int) -> tuple[str, ...]:
    readers = ["jbpy", "blocks"]
    packed = name in {"bit", "u12", "i12"}
    masked_bands = ic == "NM" and bands > 1 and imode in {"B", "R"}
    if not packed and name not in {"u64", "i64"} and not masked_bands:
        readers.append("gdal")  # it packs 12 bits otherwise, and knows no blocks of bits
    if "gdal" not in readers:
        readers.append("bits" if packed else "envi")
    return tuple(readers)


def pixels_of(name: str, bands: int, shape: tuple[int, int], *, lossy: bool) -> np.ndarray:
    """Make pixels that use the whole range of their type; smooth ones for JPEG."""
    samples, generator = SAMPLES[name], np.random.default_rng([7, bands, *shape])
    kind, size = np.dtype(samples.dtype), (bands, *shape)
    if lossy:
        rows, cols = np.mgrid[: shape[0], : shape[1]]
        steps = np.stack([2 * rows + cols + 9 * band for band in range(bands)])
        return (steps * (1 << (samples.bits - 8))).astype(kind)
    if kind.kind == "b":
        return generator.random(size) > 0.5
    if kind.kind in "ui":
        low = -(1 << (samples.bits - 1)) if kind.kind == "i" else 0
        high = (1 << (samples.bits - (kind.kind == "i"))) - 1
        return generator.integers(low, high, size, dtype=kind, endpoint=True)
    values = generator.normal(size=size)
    return (values + 1j * values[:, ::-1] if kind.kind == "c" else values).astype(kind)


def image_of(pixels: np.ndarray, block: int, *, sparse: bool) -> tuple[Any, np.ndarray]:
    """Give a provider whose blocks are 3/4 of the file's, or the same ones with holes, and what is to be read."""
    bands, rows, cols = pixels.shape
    if not sparse:
        return BufferedImageAssetProvider.from_array(pixels, block_width=12, block_height=12), pixels
    whole = BufferedImageAssetProvider.from_array(pixels, block_width=block, block_height=block)
    image = BufferedImageAssetProvider.create("sparse", cols, rows, bands, block, block, pixels.dtype)
    wanted = np.zeros_like(pixels)
    for row, col in np.argwhere(np.add(*np.indices(whole.block_grid_size)) % 2 == 0).tolist():
        image.set_block(row, col, whole.get_block(row, col))
        here = np.s_[:, row * block : (row + 1) * block, col * block : (col + 1) * block]
        wanted[here] = pixels[here]
    return image, wanted


SHORT = {
    "envi": "E",
    "gdal": "G",
    "blocks": "K",
    "jbpy": "J",
    "codestream": "O",
    "openjpeg": "P",
    "streams": "S",
    "bits": "T",
}


def tables() -> str:
    """Write the tables of the page."""
    parts = []
    for ic in ICS:
        rows = []
        for imode in IMODES:
            for bands in BANDS:
                found = [cell(ic, imode, name, bands) for name in SAMPLES]
                if not any(each.readers for each in found):
                    continue
                marks = ["".join(sorted(SHORT[reader] for reader in each.readers)) or "-" for each in found]
                rows.append(f"| {imode} | {bands} | " + " | ".join(marks) + " |")
        head = "| IMODE | bands | " + " | ".join(samples.label for samples in SAMPLES.values()) + " |"
        parts.append("\n".join([f"### IC={ic}", "", head, "|---|---|" + "---|" * len(SAMPLES), *rows]))
    return "\n\n".join(parts)


def page_with(text: str, made: str) -> str:
    """Put the tables between their marks."""
    before, rest = text.split(MARKS[0])
    after = rest.split(MARKS[1])[1]
    return f"{before}{MARKS[0]}\n\n{made}\n\n{MARKS[1]}{after}"


if __name__ == "__main__":
    PAGE.write_text(page_with(PAGE.read_text(encoding="utf-8"), tables()), encoding="utf-8")
