"""How an image is made smaller in parts: which source pixels a part needs, and what they give.

Rules:

- a part gives bit for bit what the same part of the whole image gives, however the image was cut;
- a side of ``n`` pixels becomes ``ceil(n / factor)``;
- SIPS halves again and again: by 4 it is its own result by 2, twice. Its pixels keep their phase: pixel ``i`` covers
  source pixels ``factor * i`` to ``factor * (i + 1)``; of an odd side the last one reaches beyond the image;
- nearest, bilinear, area and lanczos stretch the image's outer edges to the target's, so positions scale by the true
  ratio of the sizes;
- any other function is called on parts if it declares how far it looks (``halo_pixels``), else on the whole image,
  and only up to ``WHOLE_LIMIT`` pixels;
- with ``nodata``, pixels of that value have no weight, and only those without data get it; nor have those of which
  a mask says that they are missing (:mod:`stacchip_osml.imagery.resampling.reduction_masked`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import DTypeLike

from stacchip_osml.imagery.providers.protocol import MaskedPixels, Pixels
from stacchip_osml.imagery.resampling.lanczos_halving import lanczos_halved, lanczos_needed
from stacchip_osml.imagery.resampling.means import halves_exactly, mean_of_four
from stacchip_osml.imagery.resampling.reduction_sips import SipsReduction
from stacchip_osml.imagery.resampling.reduction_values import (
    Box,
    away_from_nodata,
    placed,
    require_nodata,
)
from stacchip_osml.imagery.resampling.resample import resampled, source_extent
from stacchip_osml.imagery.resampling.resamplers import (
    ResampleFunc,
    area_resample,
    bilinear_resample,
    lanczos_resample,
    nearest_neighbor_resample,
)
from stacchip_osml.imagery.resampling.sips import sips_rrds_resample
from stacchip_osml.pixel import ImageSize
from stacchip_osml.pixel.counts import whole_number
from stacchip_osml.pixel.nodata import differs_from

__all__ = ["WHOLE_LIMIT", "Reduction", "needed_box", "reduced_size", "reduction_of", "require_factor"]

WHOLE_LIMIT = 1 << 24
"""Source pixels, all bands counted: the most that a function without ``halo_pixels`` is given at once."""


class Reduction(Protocol):
    """A way to make an image smaller by a power of two."""

    @property
    def factor(self) -> int:
        """Source pixels a pixel, along each axis; sides are rounded up."""
        ...

    @property
    def whole(self) -> bool:
        """Every part needs all of the image."""
        ...

    @property
    def name(self) -> str:
        """What tells its pixels from those of others."""
        ...

    def pitch(self, length: int) -> float:
        """Give the source pixels from one pixel to the next, along an axis of ``length`` source pixels."""
        ...

    def needs(self, first: int, stop: int, length: int) -> tuple[int, int]:
        """Give the source pixels of one axis, half-open, that outputs ``first`` to ``stop`` need."""
        ...

    def is_within(self, size: ImageSize) -> bool:
        """Tell whether every pixel is made of some of those that it replaces, in an image of that size."""
        ...

    def reduce(self, part: Pixels, held: Box, size: ImageSize, wanted: Box, out: Pixels | None = None) -> Pixels:
        """Make ``wanted`` pixels of the result.

        Args:
            part: ``(bands, rows, cols)``: source pixels ``held``, at least the needed ones.
            held: where the part lies in the source.
            size: of the source.
            wanted: in pixels of the result.
            out: where they go, ``(bands, wanted rows, wanted cols)`` of the same dtype; None for new memory.

        Returns:
            ``(bands, wanted rows, wanted cols)``, the same dtype.
        """
        ...


METHODS: dict[ResampleFunc, str] = {
    nearest_neighbor_resample: "nearest",
    bilinear_resample: "bilinear",
    area_resample: "area",
    lanczos_resample: "lanczos",
}
"""Resamplers that are known to be exact on parts, and by what method."""


def reduction_of(
    function: ResampleFunc | None,
    factor: int,
    *,
    dtype: DTypeLike,
    nodata: float | complex | None = None,
    source_pixels: int = 0,
) -> Reduction:
    """Find how a resampler is used on parts.

    Args:
        function: a resampler; None for SIPS (``sips_rrds_resample``, also with a ``bit_depth`` by
            ``functools.partial``).
        factor: a power of two.
        dtype: of the pixels.
        nodata: value of pixels that have no weight; None where all count.
        source_pixels: pixels of the source, all bands counted.

    Raises:
        ValueError: the factor is no power of two, nodata is no value of ``dtype`` or is given with a resampler that
            takes no masks, or a resampler without ``halo_pixels`` would need more than ``WHOLE_LIMIT`` pixels at once.
    """
    factor = require_factor(factor)
    require_nodata(nodata, dtype)
    if function is None or function is sips_rrds_resample:
        return SipsReduction(factor=factor, nodata=nodata)
    if (
        isinstance(function, partial)
        and function.func is sips_rrds_resample
        and set(function.keywords) <= {"bit_depth"}
    ):
        return SipsReduction(factor=factor, nodata=nodata, bit_depth=function.keywords.get("bit_depth"))
    if function in METHODS:
        return MethodReduction(factor=factor, method=METHODS[function], nodata=nodata)
    name = getattr(function, "__qualname__", type(function).__qualname__)
    if nodata is not None:
        raise ValueError(f"{name} takes no masks: nodata needs SIPS, nearest, bilinear, area or lanczos")
    halo = getattr(function, "halo_pixels", None)
    if halo is None and source_pixels > WHOLE_LIMIT:
        raise ValueError(
            f"{name} does not say how far it looks (halo_pixels), so only the whole image gives right pixels, and "
            f"{source_pixels} pixels are more than the {WHOLE_LIMIT} that are reduced at once"
        )
    return FunctionReduction(factor=factor, function=function, halo=halo)


def require_factor(factor: int) -> int:
    """Give a factor as int, NumPy's integers too; refuse what is no power of two.

    Raises:
        ValueError: naming it.
    """
    try:
        number = whole_number("scale_factor", factor, least=1)
    except ValueError:
        number = 0
    if number.bit_count() != 1:
        raise ValueError(f"scale_factor must be a power of two, got {factor!r}")
    return number


def reduced_size(size: ImageSize, factor: int) -> ImageSize:
    """Divide both sides, rounded up."""
    return ImageSize(-(-size.width // factor), -(-size.height // factor))


def needed_box(reduction: Reduction, wanted: Box, size: ImageSize) -> Box:
    """Give the source pixels that a part of the result needs."""
    return Box(
        *reduction.needs(wanted.top, wanted.bottom, size.height),
        *reduction.needs(wanted.left, wanted.right, size.width),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodReduction:
    """Resample by a method that is exact on parts."""

    factor: int
    method: str
    nodata: float | complex | None = None
    whole: bool = False

    @property
    def name(self) -> str:
        """What tells its pixels from those of others."""
        return f"{self.method}/{self.factor}/{self.nodata!r}"

    def pitch(self, length: int) -> float:
        """Give the true ratio of the sizes."""
        return length / self._target(length)

    def needs(self, first: int, stop: int, length: int) -> tuple[int, int]:
        """Give the source pixels of one axis that outputs ``first`` to ``stop`` need."""
        if self._fits(length):
            return self.factor * first, self.factor * stop
        if self._is_lanczos_halving(length):
            return lanczos_needed(first, stop, length)
        return source_extent(
            self._start(first, length), self.pitch(length), stop - first, method=self.method, limit=length
        )

    def reduce(self, part: Pixels, held: Box, size: ImageSize, wanted: Box, out: Pixels | None = None) -> Pixels:
        """Make ``wanted`` pixels of the result from the ``held`` ones of an image."""
        if reduced_size(size, self.factor) == size:
            return placed(part[(slice(None), *wanted.seen_from(held))].copy(), out)
        is_within = self.is_within(size)
        if is_within:
            replaced = Box(*(self.factor * edge for edge in wanted))
            part, held = part[(slice(None), *replaced.seen_from(held))], replaced
            if self.method == "nearest":
                return self._picked(part, out)
        valid = None if self.nodata is None else differs_from(part, self.nodata)
        if valid is not None and valid.all():
            valid = None
        is_mean = is_within and self._is_halved_evenly and halves_exactly(part.dtype)
        if valid is None and (is_mean or all(map(self._is_lanczos_halving, size))):
            made = np.empty((len(part), wanted.rows, wanted.cols), part.dtype) if out is None else out
            if is_mean:
                mean_of_four(part, made)
            else:
                lanczos_halved(part, held, size, wanted, made)
            if self.nodata is not None:  # pixels, all valid, are not to be taken for it
                away_from_nodata(made, np.ones(made.shape, np.bool_), self.nodata)
            return made
        masked = MaskedPixels(part, np.broadcast_to(np.True_, part.shape) if valid is None else valid)
        done, valid = self.reduce_masked(masked, held, size, wanted)
        if self.nodata is not None:
            away_from_nodata(done, valid, self.nodata)
        return placed(done, out)

    def reduce_masked(self, part: MaskedPixels, held: Box, size: ImageSize, wanted: Box) -> MaskedPixels:
        """Make ``wanted`` pixels of those alone that a mask leaves, and tell which have enough of them."""
        return resampled(
            part,
            start=(self._start(wanted.left, size.width, held.left), self._start(wanted.top, size.height, held.top)),
            step=(self.pitch(size.width), self.pitch(size.height)),
            size=ImageSize(wanted.cols, wanted.rows),
            method=self.method,
        )

    def is_within(self, size: ImageSize) -> bool:
        """Tell whether every pixel is made of some of those that it replaces."""
        return all(map(self._fits, size))

    def _picked(self, part: Pixels, out: Pixels | None) -> Pixels:
        """Copy one pixel of each square."""
        middles = slice(self.factor // 2, None, self.factor)
        done: Pixels = part[:, middles, middles].copy() if out is None else out
        if out is not None:
            np.copyto(out, part[:, middles, middles])
        if self.nodata is not None:
            away_from_nodata(done, differs_from(done, self.nodata), self.nodata)
        return done

    def _fits(self, length: int) -> bool:
        """Tell whether a pixel is, along an axis, made of some of the ``factor`` pixels that it replaces."""
        return length % self.factor == 0 and (self.method in {"area", "nearest"} or self._is_halved_evenly)

    def _is_lanczos_halving(self, length: int) -> bool:
        """Tell whether, along an axis, all pixels have the same weights."""
        return self.method == "lanczos" and self.factor == 2 and length % 2 == 0

    @property
    def _is_halved_evenly(self) -> bool:
        """Of two pixels each counts half."""
        return self.factor == 2 and self.method in {"area", "bilinear"}

    def _target(self, length: int) -> int:
        return -(-length // self.factor)

    def _start(self, first: int, length: int, origin: int = 0) -> float:
        """Give where an output begins; the quotient of whole numbers is rounded once."""
        target = self._target(length)
        return (first * length - origin * target) / target


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FunctionReduction:
    """Call a foreign resampler: on parts with the halo that it declares, else on the whole image.

    A function with ``halo_pixels`` keeps its phase whatever it is given: its pixel ``i`` is made of source pixels
    ``factor * i - halo_pixels`` to ``factor * (i + 1) + halo_pixels``, those beyond the image by a rule of its own.
    """

    factor: int
    function: ResampleFunc
    halo: int | None

    @property
    def whole(self) -> bool:
        """Every part needs all of the image."""
        return self.halo is None

    @property
    def name(self) -> str:
        """What tells its pixels from those of others, as long as the function lives."""
        name = getattr(self.function, "__qualname__", type(self.function).__qualname__)
        return f"{name}@{id(self.function):x}/{self.factor}"

    def pitch(self, length: int) -> float:
        """Give the factor, or the ratio of the sizes where the function gets whole images."""
        return length / -(-length // self.factor) if self.halo is None else float(self.factor)

    def needs(self, first: int, stop: int, length: int) -> tuple[int, int]:
        """Give the source pixels of one axis that outputs ``first`` to ``stop`` need."""
        if self.halo is None:
            return 0, length
        around = -(-self.halo // self.factor) * self.factor
        return max(self.factor * first - around, 0), min(self.factor * stop + around, length)

    def is_within(self, size: ImageSize) -> bool:  # noqa: ARG002 - the same for every size
        """Tell nothing: what a foreign function looks at is its own affair."""
        return False

    def reduce(self, part: Pixels, held: Box, size: ImageSize, wanted: Box, out: Pixels | None = None) -> Pixels:
        """Make ``wanted`` pixels of the result from the ``held`` ones of an image."""
        needed = needed_box(self, wanted, size)
        given = np.ascontiguousarray(part[(slice(None), *needed.seen_from(held))])
        rows, cols = -(-needed.rows // self.factor), -(-needed.cols // self.factor)
        made = self.function(given, rows, cols)
        if made.shape != (part.shape[0], rows, cols) or made.dtype != part.dtype:
            raise ValueError(
                f"{self.name} gave {made.dtype} {made.shape} for {part.dtype} {(part.shape[0], rows, cols)}"
            )
        around = Box(needed.top // self.factor, 0, needed.left // self.factor, 0)
        return placed(made[(slice(None), *wanted.seen_from(around))].copy(), out)
