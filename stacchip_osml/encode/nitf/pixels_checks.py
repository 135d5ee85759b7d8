"""Samples against the bits that the subheader gives them: what does not fit is refused, never cut off."""

from __future__ import annotations

import numpy as np

from stacchip_osml.encode.nitf.pixels_storage import Storage
from stacchip_osml.errors import EncodeError
from stacchip_osml.imagery.providers.protocol import Pixels

__all__ = ["require_samples"]


def require_samples(pixels: Pixels, storage: Storage) -> None:
    """Check samples against ABPP and PJUST.

    Args:
        pixels: ``(bands, rows, cols)``.
        storage: what is declared.

    Raises:
        EncodeError: a sample has more bits.
    """
    bits = storage.abpp
    if storage.pvtype in {"R", "C"} or not pixels.size or bits >= pixels.dtype.itemsize * 8:
        return
    if storage.pjust == "L" and bits < storage.nbpp:
        if storage.nbpp < pixels.dtype.itemsize * 8:
            _require_range(pixels, storage.nbpp, storage)
        low = pixels.dtype.type((1 << (storage.nbpp - bits)) - 1)
        if np.any(pixels & low):
            raise EncodeError(
                f"{storage.name}: ABPP={bits}, PJUST=L: samples have bits below the upper {bits} of {storage.nbpp}; "
                "nonsignificant bits are 0 (MIL-STD-2500C, table A-3)"
            )
        return
    _require_range(pixels, bits, storage)


def _require_range(pixels: Pixels, bits: int, storage: Storage) -> None:
    is_signed = pixels.dtype.kind == "i"
    low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if is_signed else (0, (1 << bits) - 1)
    least, most = int(pixels.min()), int(pixels.max())
    if least < low or most > high:
        raise EncodeError(
            f"{storage.name}: ABPP={bits}, PVTYPE={storage.pvtype}: samples from {least} to {most} do not fit into "
            f"{low} to {high} (MIL-STD-2500C, table A-3)"
        )
