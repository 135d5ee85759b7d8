"""What a step is: pixels go in and come out, its settings are JSON, and it says beforehand what comes out.

Rules: a step never changes the arrays it was given; what stands under a False
mask has no influence on any other pixel; the same settings always give the
same pixels, or the step has a new version.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.errors import ChainError, ChipError
from stacchip_osml.pixel.arguments import each_of, of_kind
from stacchip_osml.pixel.counts import number_array, truth_array, whole_number

__all__ = ["REQUIRED", "BandedPixels", "Setting", "Settings", "Spec", "StepKind", "called", "is_whole", "pixel_dtype"]

T = TypeVar("T")

Settings = Mapping[str, Any]
Mask = NDArray[np.bool_]

REQUIRED = object()
"""Default of a setting that has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BandedPixels:
    """Pixels with what a step may need to know of each band."""

    pixels: NDArray[Any]
    """``(bands, rows, cols)``."""
    mask: Mask
    """``(bands, rows, cols)``, True where valid."""
    scales: tuple[float, ...]
    """Physical value = stored × scale + offset, a band each."""
    offsets: tuple[float, ...]
    nodata: tuple[float | complex | None, ...]
    names: tuple[str, ...] = ()
    """One a band; empty where not known."""
    colors: tuple[str, ...] = ()
    """What each band is shown as: ``red``, ``gray``, ``alpha`` …; empty where not known."""

    @classmethod
    def of(cls, pixels: NDArray[Any], mask: Mask | None = None) -> BandedPixels:
        """Take bare pixels: scale 1, offset 0, no nodata value, all valid where no mask is given.

        Raises:
            ChainError: (a ValueError) another shape than ``(bands, rows, cols)``.
            TypeError: pixels that are no numbers, or a mask that is not of bool.
        """
        pixels = number_array("pixels", pixels)
        if pixels.ndim != 3:
            raise ChainError(f"a chain works on (bands, rows, cols), got an array of shape {pixels.shape}")
        if not pixels.dtype.isnative:
            pixels = pixels.astype(pixels.dtype.newbyteorder("="))
        if mask is None:
            mask = np.broadcast_to(np.True_, pixels.shape)
        mask = truth_array("mask", mask)
        if mask.shape != pixels.shape:
            raise ChainError(f"the mask of pixels {pixels.shape} has their shape, not {mask.shape}")
        count = len(pixels)
        return cls(pixels=pixels, mask=mask, scales=(1.0,) * count, offsets=(0.0,) * count, nodata=(None,) * count)

    def renewed(self, pixels: NDArray[Any], mask: Mask, *, fill: float = 0, is_value: bool = True) -> BandedPixels:
        """Give new values, which nothing else refers to, with their own meaning: scale 1 and offset 0.

        Bands keep their names where there are as many as before.

        Args:
            pixels: written here: NaN (float) or ``fill`` (integer) goes where nothing is valid.
            mask: True where valid; a NaN is never.
            fill: for integers.
            is_value: whether a valid pixel may be ``fill`` too, so that it does not tell which are not.
        """
        of_kind("pixels", pixels, np.ndarray, "an array")
        of_kind("mask", mask, np.ndarray, "an array of bool")
        if pixels.ndim != 3 or mask.shape != pixels.shape or mask.dtype != np.bool_:
            shapes = f"{pixels.shape} and {mask.shape} of {mask.dtype}"
            raise ChainError(f"pixels and their mask of bool must be (bands, rows, cols), got {shapes}")
        is_real = number_array("pixels", pixels).dtype.kind in "iub"
        if not is_real:
            missing = np.isnan(pixels)
            mask = mask & ~missing if missing.any() else mask
        if not is_whole(mask):
            _fill(pixels, mask, fill if is_real else np.nan)
        count = len(pixels)
        nodata = (None if is_value else fill) if is_real else float("nan")
        is_same = count == len(self.pixels)
        return BandedPixels(
            pixels=pixels,
            mask=mask,
            scales=(1.0,) * count,
            offsets=(0.0,) * count,
            nodata=(nodata,) * count,
            names=self.names if is_same else (),
            colors=self.colors if is_same else (),
        )

    def selected(self, bands: Sequence[int]) -> BandedPixels:
        """Give some bands, in the order asked for."""
        count = len(self.pixels)
        chosen = [
            whole_number("bands", band, least=0, most=count - 1) for band in each_of("bands", bands, object, "a list")
        ]
        return replace(
            self,
            pixels=self.pixels[chosen],
            mask=self.mask[chosen],
            scales=tuple(self.scales[band] for band in chosen),
            offsets=tuple(self.offsets[band] for band in chosen),
            nodata=tuple(self.nodata[band] for band in chosen),
            names=_distinct(tuple(self.names[band] for band in chosen)) if self.names else (),
            colors=tuple(self.colors[band] for band in chosen) if self.colors else (),
        )

    def require_whole(self, step: str) -> None:
        """Refuse what a step left half changed: a mask or a list that is not of its bands.

        Raises:
            ChainError: such a one.
        """
        if self.mask.dtype != np.bool_:
            raise ChainError(f"step {step!r} must give a mask of bool, it gave {self.mask.dtype}")
        count = len(self.pixels)
        lists = {name: len(getattr(self, name)) for name in ("scales", "offsets", "nodata")}
        lists |= {name: len(getattr(self, name)) or count for name in ("names", "colors")}
        for name, length in lists.items():
            if length != count:
                raise ChainError(f"step {step!r} gave {count} bands, and {name} of {length}")


def _distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    """Keep names that tell bands apart; a band taken twice has none of its own."""
    return names if len(set(names)) == len(names) else ()


def _fill(pixels: NDArray[Any], mask: Mask, value: float) -> None:
    """Write a value where nothing is valid."""
    if value == 0 and pixels.dtype.kind != "b":
        # ten times as fast as choosing the pixels; what was there is a finite number
        np.multiply(pixels, mask, out=pixels)
    else:
        np.putmask(pixels, ~mask, pixels.dtype.type(value))


def is_whole(mask: Mask) -> bool:
    """Say whether every pixel is valid; quick where one True stands for all."""
    if mask.size and not any(mask.strides):
        return bool(mask.flat[0])
    return bool(mask.all())


@dataclass(frozen=True, slots=True)
class Spec:
    """What an array is before its pixels are known."""

    bands: int
    dtype: np.dtype[Any]
    """Native byte order."""

    @classmethod
    def of(cls, source: Any) -> Spec:
        """Take the spec of an array, of :class:`BandedPixels`, of an image provider, or of ``(bands, dtype)``.

        Raises:
            ChainError: the source does not tell.
        """
        if isinstance(source, Spec):
            return source
        if isinstance(source, BandedPixels):
            source = source.pixels
        if isinstance(source, np.ndarray) and source.ndim:
            return cls(len(source), source.dtype.newbyteorder("="))
        if isinstance(source, tuple) and len(source) == 2:
            return cls(whole_number("bands", source[0], least=0), pixel_dtype(source[1]))
        if hasattr(source, "num_bands") and hasattr(source, "pixel_value_type"):
            return cls(int(source.num_bands), pixel_dtype(source.pixel_value_type))
        raise ChainError(f"expected an image provider, an array or (bands, dtype), got {type(source).__name__}")

    def __str__(self) -> str:
        return f"{self.bands} {'band' if self.bands == 1 else 'bands'} of {self.dtype.name}"


def pixel_dtype(value: Any) -> np.dtype[Any]:
    """Turn any provider's pixel value type into numpy's."""
    if hasattr(value, "to_numpy_dtype"):
        value = value.to_numpy_dtype()
    elif hasattr(value, "numpy_dtype"):
        value = value.numpy_dtype
    try:
        found = np.dtype(value.strip().lower() if isinstance(value, str) else value).newbyteorder("=")
    except (TypeError, ValueError) as error:
        raise ChainError(f"pixels of an unknown type {value!r}") from error
    if found.kind not in "biufc":
        raise ChainError(f"pixels must be numbers, got the type {found}")
    return found


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting of a step."""

    parse: Callable[[Any], Any]
    """Value → the same meaning in its one JSON form; ValueError says what was expected."""
    default: Any = REQUIRED
    """A value, or a function of the settings before it."""
    about: str = ""

    @property
    def is_required(self) -> bool:
        """Whether a definition must state it."""
        return self.default is REQUIRED


def _same(_: Settings, spec: Spec) -> Spec:
    return spec


def _nothing(_: Settings) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StepKind:
    """A step that definitions may name."""

    name: str
    version: int
    """Raised whenever the same settings give different pixels."""
    about: str
    """One line for people."""
    apply: Callable[[Settings, BandedPixels], BandedPixels]
    settings: Mapping[str, Setting] = field(default_factory=dict)
    output: Callable[[Settings, Spec], Spec] = _same
    """What comes out of pixels of a spec; ChainError where the step rejects them."""
    settle: Callable[[dict[str, Any]], dict[str, Any]] | None = None
    """Brings settings whose one form depends on others to it."""
    check: Callable[[Settings], None] = _nothing
    """ChainError where settings, each good by itself, contradict each other."""
    resolve: Callable[[Settings, Sequence[Any]], Mapping[str, Any]] | None = None
    """Settings that wait for an image, and a statistic of each of its bands → the step that waits for nothing."""
    keeps_values: bool = False
    """Whether valid pixels leave it as they came, so that statistics of the image stay true."""

    def define(self, **settings: Any) -> dict[str, Any]:
        """Write a definition with every default in it; a setting that is None is left at its default.

        Raises:
            ChainError: an unknown, missing or impossible setting.
        """
        return self.complete(settings)

    def complete(self, step: Settings) -> dict[str, Any]:
        """Bring a definition to its one form: every setting, each in its canonical JSON value.

        Raises:
            ChainError: an unknown, missing or impossible setting.
        """
        of_kind("step", step, Mapping, "an object of settings")
        unknown = [key for key in step if key not in self.settings and key not in {"step", "version"}]
        if unknown:
            raise ChainError(
                f"step {self.name!r} has no setting {unknown[0]!r}; it has {', '.join(self.settings) or 'none'}"
            )
        done: dict[str, Any] = {"step": self.name, "version": self.version}
        for key, setting in self.settings.items():
            value = step.get(key)
            if value is None:
                value = setting.default(done) if callable(setting.default) else setting.default
            if value is REQUIRED:
                raise ChainError(f"step {self.name!r} needs the setting {key!r}")
            if value is not None:
                try:
                    value = setting.parse(value)
                except (ValueError, TypeError, OverflowError) as error:
                    raise ChainError(f"{key!r} of step {self.name!r}: {error}") from error
            done[key] = value
        if self.settle is not None:
            done = self.settle(done)
        called(lambda: self.check(done), name=f"the check of step {self.name!r}")
        return done


def called(ask: Callable[[], T], *, name: str) -> T:
    """Call what may be a caller's own code; what goes wrong there is told by its name, with its cause.

    Raises:
        ChainError: it raised something that is none of this package's.
    """
    try:
        return ask()
    except (ChipError, MemoryError):
        raise
    except Exception as error:  # whatever code of one's own raises: told once
        raise ChainError(f"{name} failed with {type(error).__name__}: {error}") from error
