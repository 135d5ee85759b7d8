"""The step that looks values up in tables: photometric curves, classes, palettes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.chain.kinds import BandedPixels, Setting, Settings, Spec, StepKind
from stacchip_osml.chain.lut import apply_lut
from stacchip_osml.chain.radiometry import need_fit, settle_fill
from stacchip_osml.chain.settings import a_dtype, a_number, a_table, table_of, to_table
from stacchip_osml.errors import ChainError
from stacchip_osml.pixel.counts import number_array

__all__ = ["KINDS", "lut_step"]


def lut_step(tables: NDArray[Any] | Sequence[Any], *, first: int | None = None, fill: float = 0) -> dict[str, Any]:
    """Define the replacement of every value by its entry in a table.

    Args:
        tables: ``(entries,)`` for all bands, or ``(k, entries)``: a table for each of k bands; where the pixels
            have one band, each table makes a band of it, so that three are a palette.
        first: value that the first entry belongs to: 0 by default. Values beyond the entries take the nearest one.
        fill: value of invalid pixels in an integer type.

    Raises:
        ChainError: no table of real numbers.
    """
    found = np.atleast_2d(number_array("tables", tables))
    if found.ndim != 2 or not found.size or found.dtype.kind not in "iufb":
        raise ChainError(f"step 'lut' needs tables (entries,) or (k, entries) of real numbers, got {found.shape}")
    if found.dtype.kind in "iu" and found.dtype.itemsize == 8:
        # Python's own integers: the smallest type that holds them
        found = found.astype(np.result_type(np.min_scalar_type(found.max()), np.min_scalar_type(found.min())))
    if found.dtype.kind == "b":
        found = found.astype(np.uint8)
    return LUT.define(dtype=found.dtype.name, tables=[to_table(table) for table in found], first=first, fill=fill)


def _texts(value: Any) -> list[str]:
    if not isinstance(value, (list, tuple)) or not value:
        raise ValueError("expected a list of tables")
    return [a_table(text) for text in value]


def _first(value: Any) -> int:
    number = a_number(value)
    if not isinstance(number, int):
        raise TypeError(f"expected a whole number, got {value!r}")
    return number


def _check(settings: Settings) -> None:
    need_fit(settings, "fill")
    sizes = {len(table_of(text, settings["dtype"])) for text in settings["tables"]}
    if len(sizes) > 1 or 0 in sizes:
        raise ChainError(f"step 'lut': tables must have the same number of entries, got {sorted(sizes)}")


def _output(settings: Settings, spec: Spec) -> Spec:
    if spec.dtype.kind not in "iu" or spec.dtype.itemsize > 2:
        raise ChainError(f"step 'lut' needs integers of 8 or 16 bits, got {spec.dtype}")
    count = len(settings["tables"])
    if 1 not in (count, spec.bands) and count != spec.bands:
        raise ChainError(f"step 'lut' has {count} tables for {spec.bands} bands")
    return Spec(max(count, spec.bands), np.dtype(settings["dtype"]))


def _apply(settings: Settings, chip: BandedPixels) -> BandedPixels:
    dtype, source = settings["dtype"], chip.pixels.dtype
    tables = [_whole(text, dtype, settings["first"], source) for text in settings["tables"]]
    shape = (max(len(tables), len(chip.pixels)), *chip.pixels.shape[1:])
    mask = chip.mask
    if len(tables) == 1:
        pixels = apply_lut(chip.pixels, tables[0])
    else:
        mask = np.broadcast_to(mask, shape)
        pixels = np.empty(shape, dtype)
        for band, table, target in zip(np.broadcast_to(chip.pixels, shape), tables, pixels, strict=True):
            target[...] = apply_lut(band, table)
    return chip.renewed(pixels, mask, fill=settings["fill"])


@lru_cache(maxsize=64)
def _whole(text: str, dtype: str, first: int, source: np.dtype[Any]) -> NDArray[Any]:
    """Extend a table to every value of a type."""
    table = table_of(text, dtype)
    info = np.iinfo(source)
    return table[np.clip(np.arange(info.min, info.max + 1) - first, 0, len(table) - 1)]


LUT = StepKind(
    name="lut",
    version=1,
    about="each value's entry in a table; three tables make a palette of one band",
    settings={
        "dtype": Setting(a_dtype, about="type of the entries"),
        "tables": Setting(_texts, about="a list of tables: base64 of little-endian entries"),
        "first": Setting(_first, 0, "value of the first entry; those beyond the entries take the nearest"),
        "fill": Setting(a_number, 0, "value of invalid pixels in integer types"),
    },
    output=_output,
    apply=_apply,
    settle=settle_fill,
    check=_check,
)

KINDS = (LUT,)
