"""A locator from rational polynomial coefficients (RPC00B, STDI-0002 volume 1 appendix E).

The model gives line and sample from latitude, longitude and height as ratios
of cubics; here it is inverted at one height by Newton's method, all positions
at once, with the analytic derivative. Rules:

- RPC lines and samples are 0 at the *centre* of the first pixel; positions here
  are corners, so they differ by half a pixel.
- The height is ``HEIGHT_OFF``: where terrain is higher or lower, the footprint
  is off by its height times the tangent of the look angle.
- A position for which Newton's method does not arrive, or arrives far outside of
  the model's own extent, is infinite.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stacchip_osml.errors import ItemError
from stacchip_osml.geometry.locate import wrap_longitude

__all__ = ["RpcLocator"]

Floats = NDArray[np.float64]

_OFFSETS = ("LINE_OFF", "SAMP_OFF", "LAT_OFF", "LONG_OFF", "HEIGHT_OFF")
_SCALES = ("LINE_SCALE", "SAMP_SCALE", "LAT_SCALE", "LONG_SCALE", "HEIGHT_SCALE")
_CUBICS = ("LINE_NUM_COEFF", "LINE_DEN_COEFF", "SAMP_NUM_COEFF", "SAMP_DEN_COEFF")

# Exponents of L (longitude), P (latitude), H (height) of the 20 terms, in RPC00B's order.
_L = np.array([0, 1, 0, 0, 1, 1, 0, 2, 0, 0, 1, 3, 1, 1, 2, 0, 0, 2, 0, 0])
_P = np.array([0, 0, 1, 0, 1, 0, 1, 0, 2, 0, 1, 0, 2, 0, 1, 3, 1, 0, 2, 0])
_H = np.array([0, 0, 0, 1, 0, 1, 1, 0, 0, 2, 1, 0, 0, 2, 0, 0, 2, 1, 1, 3])

_ARRIVED = 1e-9  # pixels
_ROUNDS = 30
_REACH = 3.0  # scales from the offset: cubics mean nothing far outside of what they were fitted to


@dataclass(frozen=True, slots=True)
class RpcLocator:
    """Pixels placed at a constant height by rational polynomials."""

    rpcs: tuple[tuple[str, str], ...]
    """Names and texts as GDAL gives them; a mapping is taken too."""
    _model: _Model = field(init=False, repr=False, compare=False)

    def __init__(self, rpcs: Mapping[str, str] | Iterable[tuple[str, str]]) -> None:
        """Parse and check the coefficients; ItemError names the one that is missing or malformed."""
        pairs = rpcs.items() if isinstance(rpcs, Mapping) else rpcs
        texts = {str(name).strip().upper(): str(text) for name, text in pairs}
        object.__setattr__(self, "rpcs", tuple(sorted(texts.items())))
        object.__setattr__(self, "_model", _parsed(texts))

    @property
    def approximate(self) -> bool:
        """True: the ground is not at one height."""
        return True

    def __call__(self, cols: ArrayLike, rows: ArrayLike) -> tuple[Floats, Floats]:
        """Give ``(lon, lat)`` of pixel positions at ``HEIGHT_OFF``."""
        across, down = np.asarray(cols, np.float64), np.asarray(rows, np.float64)
        lon, lat = self._model.invert(across.ravel() - 0.5, down.ravel() - 0.5)
        return wrap_longitude(lon).reshape(across.shape), lat.reshape(across.shape)

    def image(self, lon: ArrayLike, lat: ArrayLike, height: float | None = None) -> tuple[Floats, Floats]:
        """Give pixel corner positions ``(col, row)`` of ground points; ``height`` in metres, default ``HEIGHT_OFF``."""
        model = self._model
        h = 0.0 if height is None else (height - model.offsets[4]) / model.scales[4]
        east = wrap_longitude(np.asarray(lon, np.float64) - model.offsets[3]) / model.scales[3]
        north = (np.asarray(lat, np.float64) - model.offsets[2]) / model.scales[2]
        line, sample, _ = model.forward(east.ravel(), north.ravel(), h)
        return sample.reshape(east.shape) + 0.5, line.reshape(east.shape) + 0.5


@dataclass(frozen=True, slots=True, eq=False)
class _Model:
    offsets: Floats
    """line, sample, latitude, longitude, height"""
    scales: Floats
    cubics: Floats
    """``(4, 20)``: numerator and denominator of line, then of sample"""

    def forward(self, east: Floats, north: Floats, height: float) -> tuple[Floats, Floats, Floats]:
        """Give line, sample, and ``(4, n)`` derivatives: line by east, by north, sample alike; ground normalised."""
        across = np.stack([np.ones_like(east), east, east * east, east**3])
        down = np.stack([np.ones_like(north), north, north * north, north**3])
        weighted = self.cubics * height**_H
        values = weighted @ (across[_L] * down[_P])
        by_east = (weighted * _L) @ (across[np.maximum(_L - 1, 0)] * down[_P])
        by_north = (weighted * _P) @ (across[_L] * down[np.maximum(_P - 1, 0)])
        top, bottom = values[::2], values[1::2]
        ratio = top / bottom
        slope_east = (by_east[::2] - ratio * by_east[1::2]) / bottom * self.scales[:2, None]
        slope_north = (by_north[::2] - ratio * by_north[1::2]) / bottom * self.scales[:2, None]
        line, sample = ratio * self.scales[:2, None] + self.offsets[:2, None]
        return line, sample, np.stack([slope_east[0], slope_north[0], slope_east[1], slope_north[1]])

    def invert(self, samples: Floats, lines: Floats) -> tuple[Floats, Floats]:
        """Find the ground at the offset height by Newton's method."""
        east, north = np.zeros_like(samples), np.zeros_like(samples)
        miss = np.full_like(samples, np.inf)
        with np.errstate(all="ignore"):  # what overflows has not arrived, and is marked below
            for _ in range(_ROUNDS):
                line, sample, (le, ln, se, sn) = self.forward(east, north, 0.0)
                dl, ds = lines - line, samples - sample
                miss = np.hypot(dl, ds)
                if not (miss > _ARRIVED).any():
                    break
                determinant = le * sn - ln * se
                step_east, step_north = (dl * sn - ds * ln) / determinant, (ds * le - dl * se) / determinant
                settled = np.maximum(np.abs(step_east), np.abs(step_north)) < 1e-15
                east, north = east + step_east, north + step_north
                if settled.all():
                    break
            lost = ~((miss < 1e-6) & (np.maximum(np.abs(east), np.abs(north)) < _REACH))
        lon = np.where(lost, np.inf, east * self.scales[3] + self.offsets[3])
        lat = np.where(lost, np.inf, north * self.scales[2] + self.offsets[2])
        return lon, lat


def _numbers(texts: Mapping[str, str], name: str, count: int) -> list[float]:
    """Parse what GDAL gives: numbers apart by spaces (or commas), a unit may follow a single one."""
    if name not in texts:
        raise ItemError(f"RPC metadata lacks {name}")
    words = texts[name].replace(",", " ").split()
    try:
        values = [float(word) for word in (words[:1] if count == 1 else words)]
    except ValueError as error:
        raise ItemError(f"RPC {name} must be {count} numbers, got {texts[name][:80]!r}") from error
    if len(values) != count or not np.isfinite(values).all():
        raise ItemError(f"RPC {name} must be {count} finite numbers, got {texts[name][:80]!r}")
    return values


def _parsed(texts: Mapping[str, str]) -> _Model:
    offsets = np.array([_numbers(texts, name, 1)[0] for name in _OFFSETS])
    scales = np.array([_numbers(texts, name, 1)[0] for name in _SCALES])
    for name, scale in zip(_SCALES, scales, strict=True):
        if scale == 0.0 and name != "HEIGHT_SCALE":
            raise ItemError(f"RPC {name} must not be zero")
    cubics = np.array([_numbers(texts, name, 20) for name in _CUBICS])
    for name, cubic in zip(_CUBICS, cubics, strict=True):
        if name.endswith("DEN_COEFF") and not cubic.any():
            raise ItemError(f"RPC {name} must not be all zero")
    return _Model(offsets, scales, cubics)
