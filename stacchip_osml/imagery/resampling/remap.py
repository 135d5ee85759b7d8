"""Pixels at given positions: what a warp takes from its source, however the two grids lie to each other.

Positions count from the centre of an image's first pixel: (0, 0) is that centre,
and the image reaches from -0.5 to ``width - 0.5``, half-open. Rules, those of
:mod:`stacchip_osml.imagery.resampling.resample` where both apply:

- ``nearest`` takes the pixel that a position lies in; ``bilinear`` weighs the
  four whose centres are around it, ``cubic`` sixteen (Keys 1981, a = -1/2); at
  the image's edges the edge pixel goes on;
- a masked pixel has no weight, so nodata never bleeds into what is valid. An
  output is valid where at least half of its weight is, and its position lies in
  the image;
- sums are float64 (float32 of 8-bit values): every type of pixels is taken,
  and images of any size; integers are rounded half to even and clipped;
- positions are rounded to 2**-20 of a pixel, so that a position that ought to
  be a pixel's centre is; where all are, pixels are copied, in every type;
- what becomes of an output depends on its own position and pixels alone: a part
  of a warp is bit for bit what it is in the whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.imagery.providers.protocol import Mask, MaskedPixels, Pixels
from stacchip_osml.imagery.resampling.sums import store
from stacchip_osml.imagery.resampling.taps import LATTICE, on_lattice
from stacchip_osml.pixel import ImageSize, PixelWindow

__all__ = ["REMAP_METHODS", "remap", "remap_window"]

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]
Axis = tuple[list[Ints], list[Floats]]
"""Indices and weights of each tap."""

REMAP_METHODS = {"nearest": (0, 0), "bilinear": (0, 1), "cubic": (-1, 2)}
"""Method → first and last tap, counted from the pixel at or before the position."""
_HALF = 0.5 / LATTICE
_CHUNK = 1 << 13
"""Outputs that are worked on at once, so that they stay in the processor's caches."""


def remap(
    source: MaskedPixels,
    map_x: Floats,
    map_y: Floats,
    *,
    method: str = "bilinear",
    fill: Sequence[float | complex] | None = None,
    corner: tuple[int, int] = (0, 0),
    image: ImageSize | None = None,
) -> MaskedPixels:
    """Take pixels at positions.

    Args:
        source: ``(bands, rows, cols)`` and its mask: an image, or the part of it that :func:`remap_window` names.
        map_x: columns, ``(rows, cols)`` of the output; not finite where there is none.
        map_y: rows, likewise.
        method: one of ``REMAP_METHODS``.
        fill: value of invalid outputs, one a band; None is 0.
        corner: ``(x, y)`` of the source's first pixel in the image that positions count in.
        image: size of that image; None where ``source`` is all of it.

    Returns:
        ``(bands, rows, cols)`` in the source's type.

    Raises:
        ValueError: an unknown method, or maps of two shapes.
    """
    _require(method, map_x, map_y)
    bands, height, width = source.pixels.shape
    size = ImageSize(width, height) if image is None else image
    shape = (bands, *map_x.shape)
    pixels, mask = np.empty((bands, map_x.size), source.pixels.dtype), np.empty((bands, map_x.size), np.bool_)
    flat_x, flat_y = np.ravel(map_x), np.ravel(map_y)
    planes = [_Plane(values, valid) for values, valid in zip(source.pixels, source.mask, strict=True)]
    for start in range(0, map_x.size, _CHUNK):
        part = slice(start, start + _CHUNK)
        x, y = on_lattice(flat_x[part]), on_lattice(flat_y[part])
        inside = _inside(x, size.width) & _inside(y, size.height)
        if not inside.all():
            x, y = np.where(inside, x, 0.0), np.where(inside, y, 0.0)
        x, y = x - corner[0], y - corner[1]
        whole = (x == np.floor(x)) & (y == np.floor(y))
        here = "nearest" if whole.all() else method
        across, down = _axis(x, here, width), _axis(y, here, height)
        taps = [
            _Tap(row * width + col, by_row * by_col)
            for row, by_row in zip(*down, strict=True)
            for col, by_col in zip(*across, strict=True)
        ]
        for band, plane in enumerate(planes):
            plane.take(taps, pixels[band, part], mask[band, part])
            if here != "nearest" and source.pixels.dtype.kind in "iu" and source.pixels.dtype.itemsize == 8:
                plane.copy(x, y, whole, pixels[band, part])  # sums are not exact above 2**53
        mask[:, part] &= inside
    for band, plane_of in enumerate(pixels):
        plane_of[~mask[band]] = 0 if fill is None else fill[band]
    return MaskedPixels(pixels.reshape(shape), mask.reshape(shape))


def remap_window(map_x: Floats, map_y: Floats, *, method: str, image: ImageSize) -> PixelWindow | None:
    """Tell which pixels of an image positions need.

    Args:
        map_x: columns, as in :func:`remap`.
        map_y: rows.
        method: one of ``REMAP_METHODS``.
        image: its size.

    Returns:
        A window inside the image; None where no position lies in it.

    Raises:
        ValueError: an unknown method, or maps of two shapes.
    """
    _require(method, map_x, map_y)
    inside = _inside(map_x, image.width, _HALF) & _inside(map_y, image.height, _HALF)
    if not inside.any():
        return None
    (left, right), (top, bottom) = (
        _extent(values, inside, method, limit) for values, limit in ((map_x, image.width), (map_y, image.height))
    )
    return PixelWindow(left, top, right - left, bottom - top)


def _working_type(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Give the type that sums of pixels are made in."""
    if dtype.kind == "c":
        return np.dtype(np.complex128)
    return np.dtype(np.float32 if dtype.kind in "iub" and dtype.itemsize == 1 else np.float64)


class _Tap:
    """One pixel of each output."""

    __slots__ = ("_typed", "place", "share")

    def __init__(self, place: Ints, share: Floats) -> None:
        self.place, self.share = place, share
        self._typed: NDArray[Any] = share

    def typed(self, dtype: np.dtype[Any]) -> NDArray[Any]:
        """Give what it weighs in the type of the sums, the same for all bands."""
        if self._typed.dtype != dtype:
            self._typed = self.share.astype(dtype)
        return self._typed


class _Plane:
    """One band, made ready."""

    def __init__(self, values: Pixels, valid: Mask) -> None:
        dtype = values.dtype
        self.values, self.valid = values, None if valid.all() else valid
        self.working = _working_type(dtype)
        held = values if self.valid is None else np.where(valid, values, np.zeros((), dtype))
        self.held = np.ravel(held)
        self.is_finite = dtype.kind not in "fc" or bool(np.isfinite(held).all())
        self.flat_valid = None if self.valid is None else np.ravel(self.valid)

    def copy(self, x: Floats, y: Floats, which: Mask, out: Pixels) -> None:
        """Copy the pixels at positions that are centres."""
        place = y[which].astype(np.intp) * self.values.shape[1] + x[which].astype(np.intp)
        out[which] = np.take(self.held, place, mode="clip")

    def take(self, taps: Sequence[_Tap], out: Pixels, mask: Mask) -> None:
        """Write the outputs of one chunk: of each tap, where it lies in the plane, and what it weighs."""
        if len(taps) == 1:
            place = taps[0].place
            np.take(self.held, place, out=out, mode="clip")
            mask[...] = True if self.flat_valid is None else np.take(self.flat_valid, place, mode="clip")
            return
        total, weight = np.zeros(out.shape, self.working), None if self.flat_valid is None else np.zeros(out.shape)
        for tap in taps:
            place, share = tap.place, tap.share
            values = np.take(self.held, place, mode="clip").astype(self.working, copy=False)
            if not self.is_finite:  # a value without weight is not looked at: it may be NaN
                values[share == 0] = 0
            values *= tap.typed(total.real.dtype)
            total += values
            if weight is not None and self.flat_valid is not None:
                weight += np.where(np.take(self.flat_valid, place, mode="clip"), share, 0.0)
        if weight is None:
            mask[...] = True
        else:
            np.greater_equal(weight, 0.5, out=mask)
            np.divide(total, weight.astype(total.real.dtype, copy=False), out=total, where=mask)
        store(total, out, overshoots=len(taps) > 4)


def _axis(position: Floats, method: str, count: int) -> Axis:
    """Give the taps of one axis, and what each weighs; those beyond the end are the pixel at the end."""
    if method == "nearest":
        low = np.floor(position + 0.5)
        return [np.clip(low, 0, count - 1).astype(np.intp)], [np.ones_like(position)]
    low = np.floor(position)
    far = position - low
    first, last = REMAP_METHODS[method]
    at = low.astype(np.intp)
    if at.min() + first >= 0 and at.max() + last < count:
        index = [at + tap for tap in range(first, last + 1)]
    else:
        index = [np.clip(at + tap, 0, count - 1) for tap in range(first, last + 1)]
    if method == "bilinear":
        return index, [1.0 - far, far]
    return index, [_keys(np.abs(far - tap)) for tap in range(first, last + 1)]


def _keys(away: Floats) -> Floats:
    """Weigh a pixel that lies so far away (R. Keys, IEEE Trans. ASSP 29, 1981, equation 15)."""
    near = (1.5 * away - 2.5) * away * away + 1.0
    far = ((-0.5 * away + 2.5) * away - 4.0) * away + 2.0
    return np.where(away <= 1.0, near, np.where(away < 2.0, far, 0.0))


def _inside(position: Floats, count: int, near: float = 0.0) -> Mask:
    """Tell which positions lie in the image, or so near that rounding brings them in."""
    with np.errstate(invalid="ignore"):
        inside: Mask = (position >= -0.5 - near) & (position < count - 0.5 + near)
    return inside


def _extent(position: Floats, inside: Mask, method: str, count: int) -> tuple[int, int]:
    if inside.all():
        low, high = on_lattice(float(position.min())), on_lattice(float(position.max()))
    else:
        low = on_lattice(float(position.min(where=inside, initial=np.inf)))
        high = on_lattice(float(position.max(where=inside, initial=-np.inf)))
    if method == "nearest":
        low, high = low + 0.5, high + 0.5
    first, last = REMAP_METHODS[method]
    return max(int(np.floor(low)) + first, 0), min(int(np.floor(high)) + last + 1, count)


def _require(method: str, map_x: NDArray[Any], map_y: NDArray[Any]) -> None:
    if method not in REMAP_METHODS:
        raise ValueError(f"method must be one of {', '.join(REMAP_METHODS)}; got {method!r}")
    if map_x.shape != map_y.shape:
        raise ValueError(f"maps of one shape are needed, got {map_x.shape} and {map_y.shape}")
