"""A chip's pixels as the image that is written: one block, without a copy, and a pad pixel where some hold nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.encode.array_provider import ArrayProvider
from stacchip_osml.encode.chip import Chip
from stacchip_osml.errors import EncodeError
from stacchip_osml.pixel import PixelWindow

__all__ = ["ChipPixels", "chip_pixels", "quadrature"]

Pixels = NDArray[Any]


class ChipPixels(ArrayProvider):
    """A chip as provider."""

    def __init__(self, pixels: Pixels, *, key: str, pad: Any = 0, hole: PixelWindow | None = None) -> None:
        """Hold ``(bands, rows, cols)``; ``hole`` is a pixel that holds nothing, whose value is ``pad``."""
        _, rows, cols = pixels.shape
        super().__init__(pixels, block=(rows, cols), pad=pad, key=key)
        self._hole = hole

    @property
    def has_holes(self) -> bool:
        """Whether some pixels hold nothing."""
        return self._hole is not None

    @property
    def likeness(self) -> tuple[object, ...]:
        """What images that are stored alike have in common."""
        # two numbers that are equal may be stored otherwise: 0.0 and -0.0
        return self.key, self.pixels.dtype, self.pixels.shape, self._hole is None, repr(self.pad_pixel_value)

    def absent_parts(self, block_row: int, block_col: int, resolution_level: int = 0) -> tuple[PixelWindow, ...]:
        """Give a part that holds nothing, so that the pad pixel is declared."""
        del block_row, block_col, resolution_level
        return () if self._hole is None else (self._hole,)


def chip_pixels(chip: Chip, *, may_be_masked: bool) -> ChipPixels:
    """Give a chip's pixels as an image.

    Pixels that hold nothing get one value that no other pixel of the chip has: the chip's own nodata value where it
    has one and that is so.

    Args:
        chip: its pixels and mask.
        may_be_masked: False where the format's profile has no masks; the pixels are given as they are then.

    Raises:
        EncodeError: every value of the type is used by pixels that hold something.
    """
    name = "chip" if chip.origin is None else chip.origin.name
    pixels = np.ascontiguousarray(chip.pixels)
    # counted, not all(): that hands the interpreter to another thread for 10 microseconds, who keeps it for longer
    if not may_be_masked or np.count_nonzero(chip.mask) == chip.mask.size:
        return ChipPixels(pixels, key=name)
    held = pixels[chip.mask]
    pad = next((value for value in _candidates(chip, held) if not _has(held, value)), None)
    if pad is None:
        raise EncodeError(
            f"a pad pixel (TPXCD, MIL-STD-2500C, 5.4.3.2) is a value that no other pixel has; all values of "
            f"{pixels.dtype.name} are used. Ask for IC=NC to write the pixels without a mask, or cut no window that "
            "leaves the image (partial='clip' of a ChipFactory, edges='partial' or 'shift' of an index)"
        )
    pixels = np.where(chip.mask, pixels, pad)
    _, row, col = (int(axis[0]) for axis in np.nonzero(~chip.mask))
    return ChipPixels(pixels, key=name, pad=pad.item(), hole=PixelWindow(col, row, 1, 1))


def quadrature(pixels: Pixels, pvtype: str) -> Pixels:
    """Write complex pixels as the two bands, real and imaginary, that a SICD stores (NGA.STND.0024-2, 3.1).

    Args:
        pixels: ``(1, rows, cols)`` complex.
        pvtype: of the parent: ``R`` 32 bits, ``SI`` 16 bits.

    Raises:
        EncodeError: the stored type does not hold them exactly.
    """
    kinds: dict[str, np.dtype[Any]] = {"R": np.dtype(np.float32), "SI": np.dtype(np.int16)}
    parts = np.concatenate([pixels.real, pixels.imag])
    stored: Pixels | None = parts.astype(kinds[pvtype]) if pvtype in kinds else None
    if stored is None or not np.array_equal(stored, parts, equal_nan=True):
        raise EncodeError(
            f"complex pixels of a SICD are stored as I and Q of PVTYPE R or SI (NGA.STND.0024-2, table 3-2); "
            f"these are not exactly so, the parent's PVTYPE is {pvtype!r}"
        )
    return stored


def _candidates(chip: Chip, held: Pixels) -> list[Any]:
    """List values to be tried: nodata, nothing, the ends of the type, and one that is free."""
    kind = chip.pixels.dtype
    values: list[Any] = []
    for nodata in dict.fromkeys(chip.nodata):
        if nodata is not None and not isinstance(nodata, complex):
            with np.errstate(all="ignore"):
                value = np.array([nodata]).astype(kind)[0]
            if value == nodata or (value != value and nodata != nodata):  # noqa: PLR0124 - NaN
                values.append(value)
    if kind.kind in "ui":
        info = np.iinfo(kind)
        values += [kind.type(0), kind.type(info.max), kind.type(info.min)]
        if kind.itemsize <= 2 and held.size:
            free = np.setdiff1d(np.arange(int(info.min), int(info.max) + 1), np.unique(held))
            values += [kind.type(free[0])] if len(free) else []
    else:
        values += [kind.type(0), kind.type(np.nan)]
    return values


def _has(held: Pixels, value: Any) -> bool:
    return bool(np.isnan(held).any() if value != value else (held == value).any())  # noqa: PLR0124 - NaN
