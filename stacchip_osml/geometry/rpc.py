"""A locator from rational polynomial coefficients (RPC00B, STDI-0002 volume 1 appendix E).

The model gives line and sample from latitude, longitude and height as ratios
of cubics; here it is inverted at given heights by Newton's method, all positions
at once, with the analytic derivative. Rules:

- RPC lines and samples are 0 at the *centre* of the first pixel; positions here
  are corners, so they differ by half a pixel.
- Where no height is given it is ``HEIGHT_OFF``: where terrain is higher or lower,
  the footprint is off by its height times the tangent of the look angle.
- A latitude beyond a pole is no place: cubics go on there, the Earth does not.
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
from stacchip_osml.geometry.sensor_model import SensorModel, broadcast, flattened, placed, seen

__all__ = ["RpcLocator"]

Floats = NDArray[np.float64]

_OFFSETS = ("LINE_OFF", "SAMP_OFF", "LAT_OFF", "LONG_OFF", "HEIGHT_OFF")
_SCALES = ("LINE_SCALE", "SAMP_SCALE", "LAT_SCALE", "LONG_SCALE", "HEIGHT_SCALE")
_CUBICS = ("LINE_NUM_COEFF", "LINE_DEN_COEFF", "SAMP_NUM_COEFF", "SAMP_DEN_COEFF")


class _Basis:
    """Products of up to three of some variables, those of fewer first, each one multiplication away from another."""

    __slots__ = ("_steps", "low", "places", "size", "slopes")

    def __init__(self, variables: int) -> None:
        powers = [(0,) * variables]
        self._steps: list[tuple[int, int]] = []
        for power in powers:
            if sum(power) < 3:
                last = max((axis for axis in range(variables) if power[axis]), default=0)
                for axis in range(last, variables):
                    powers.append(tuple(count + (axis == at) for at, count in enumerate(power)))
                    self._steps.append((powers.index(power), axis))
        self.places = {power: at for at, power in enumerate(powers)}
        self.size, self.low = len(powers), sum(sum(power) < 3 for power in powers)
        self.slopes = np.zeros((variables, self.size, self.low))
        """``[variable]``: from coefficients to those of the derivative, which has the first ``low`` terms."""
        for power, at in self.places.items():
            for axis in range(variables):
                if power[axis]:
                    lower = tuple(count - (axis == where) for where, count in enumerate(power))
                    self.slopes[axis, at, self.places[lower]] = power[axis]

    def evaluate(self, *values: Floats) -> Floats:
        """Give all products, ``(size, n)``."""
        terms = np.empty((self.size, values[0].size))
        terms[0] = 1.0
        for at, (lower, axis) in enumerate(self._steps, 1):
            np.multiply(terms[lower], values[axis], out=terms[at])
        return terms


# Exponents of L (longitude), P (latitude), H (height) of the 20 terms, in RPC00B's order.
_L = np.array([0, 1, 0, 0, 1, 1, 0, 2, 0, 0, 1, 3, 1, 1, 2, 0, 0, 2, 0, 0])
_P = np.array([0, 0, 1, 0, 1, 0, 1, 0, 2, 0, 1, 0, 2, 0, 1, 3, 1, 0, 2, 0])
_H = np.array([0, 0, 0, 1, 0, 1, 1, 0, 0, 2, 1, 0, 0, 2, 0, 0, 2, 1, 1, 3])

_FLAT, _FULL = _Basis(2), _Basis(3)  # longitude and latitude, at one height; and height
_TO_FLAT = np.array([_FLAT.places[int(i), int(j)] for i, j in zip(_L, _P, strict=True)])
_TO_FULL = np.array([_FULL.places[int(i), int(j), int(k)] for i, j, k in zip(_L, _P, _H, strict=True)])

_ARRIVED = 1e-9  # pixels
_ROUNDS = 30
_CHUNK = 2048  # positions worked on at once: their 20 terms stay in the processor's caches
_REACH = 3.0  # scales from the offset: cubics mean nothing far outside of what they were fitted to


@dataclass(frozen=True, slots=True, repr=False)
class RpcLocator(SensorModel):
    """Pixels placed by rational polynomials: a :class:`SensorModel`."""

    rpcs: tuple[tuple[str, str], ...]
    """Names and texts as GDAL gives them; a mapping is taken too."""
    kind: str = "RPC00B"
    """``RPC00B``, or ``RPC00A`` where the coefficients came in that order."""
    notes: tuple[str, ...] = ()
    """What a user should know of how the model was chosen."""
    _model: _Model = field(init=False, repr=False, compare=False)

    def __init__(
        self, rpcs: Mapping[str, str] | Iterable[tuple[str, str]], kind: str = "RPC00B", notes: tuple[str, ...] = ()
    ) -> None:
        """Parse and check the coefficients, in RPC00B's order; ItemError names the one that is missing or malformed."""
        try:
            pairs = dict(rpcs)
        except (TypeError, ValueError) as error:
            raise ItemError(f"rpcs must be names and texts, got {rpcs!r:.60}") from error
        texts = {str(name).strip().upper(): str(text) for name, text in pairs.items()}
        object.__setattr__(self, "rpcs", tuple(sorted(texts.items())))
        object.__setattr__(self, "kind", kind)
        object.__setattr__(self, "notes", notes)
        object.__setattr__(self, "_model", _parsed(texts))

    @property
    def approximate(self) -> bool:
        """True: the ground is not at one height."""
        return True

    @property
    def default_height(self) -> float:
        """``HEIGHT_OFF``, metres: what is taken where no height is given."""
        return float(self._model.offsets[4])

    def image_to_world(
        self, cols: ArrayLike, rows: ArrayLike, heights: ArrayLike | None = None
    ) -> tuple[Floats, Floats, Floats]:
        """Give ``(lon, lat, height)`` of pixel corner positions; see :class:`SensorModel`."""
        model = self._model
        shape, samples, lines, high = flattened(cols, rows, self.default_height if heights is None else heights)
        lon, lat = np.empty_like(samples), np.empty_like(samples)
        for start in range(0, samples.size, _CHUNK):
            part = slice(start, start + _CHUNK)
            up = 0.0 if heights is None else model.above(high[part])
            lon[part], lat[part] = model.invert(samples[part], lines[part], up)
        return placed(shape, lon, lat, np.where(np.isfinite(lon), high, np.inf))

    def world_to_image(self, lon: ArrayLike, lat: ArrayLike, heights: ArrayLike | None = None) -> tuple[Floats, Floats]:
        """Give ``(cols, rows)`` of ground positions; see :class:`SensorModel`."""
        model = self._model
        shape, (east, north, high) = broadcast(
            lon=lon, lat=lat, heights=self.default_height if heights is None else heights
        )
        off_earth = ~(np.abs(north) <= 90.0)
        east = wrap_longitude(east - model.offsets[3]) / model.scales[3]
        north = (north - model.offsets[2]) / model.scales[2]
        samples, lines = np.empty_like(east), np.empty_like(east)
        with np.errstate(all="ignore"):  # what overflows is not seen
            for start in range(0, east.size, _CHUNK):
                part = slice(start, start + _CHUNK)
                up = 0.0 if heights is None else model.above(high[part])
                lines[part], samples[part] = model.forward(east[part], north[part], up)
            far = ~(np.maximum(np.abs(east), np.abs(north)) < _REACH) | ~np.isfinite(samples + lines)
            far |= off_earth
        samples[far] = lines[far] = np.inf
        return seen(shape, samples, lines)

    def image(self, lon: ArrayLike, lat: ArrayLike, height: float | None = None) -> tuple[Floats, Floats]:
        """Give pixel corner positions ``(col, row)`` of ground points; ``height`` in metres, default ``HEIGHT_OFF``."""
        return self.world_to_image(lon, lat, height)

    def __repr__(self) -> str:
        lat, lon = self._model.offsets[2:4]
        return f"RpcLocator({self.kind}, about longitude {lon:g}, latitude {lat:g})"


@dataclass(frozen=True, slots=True, eq=False)
class _Model:
    offsets: Floats
    """line, sample, latitude, longitude, height"""
    scales: Floats
    cubics: Floats
    """``(4, 20)``: numerator and denominator of line, then of sample"""

    def above(self, heights: Floats) -> Floats:
        """Normalise heights."""
        with np.errstate(all="ignore"):  # of a scale of 0, which files have where all is at one height
            scaled: Floats = (heights - self.offsets[4]) / self.scales[4]
        return scaled

    def forward(self, east: Floats, north: Floats, up: Floats | float) -> tuple[Floats, Floats]:
        """Give line and sample; ground normalised."""
        weights, terms, _ = self._terms(east, north, up)
        values = weights @ terms
        ratio = values[::2] / values[1::2] * self.scales[:2, None] + self.offsets[:2, None]
        return ratio[0], ratio[1]

    def _terms(self, east: Floats, north: Floats, up: Floats | float) -> tuple[Floats, Floats, _Basis]:
        """Give coefficients ``(4, terms)`` and terms ``(terms, n)``; one height goes into the coefficients."""
        if isinstance(up, float):
            weights = np.zeros((4, _FLAT.size))
            np.add.at(weights.T, _TO_FLAT, (self.cubics * up**_H).T)
            return weights, _FLAT.evaluate(east, north), _FLAT
        weights = np.empty((4, _FULL.size))
        weights[:, _TO_FULL] = self.cubics
        return weights, _FULL.evaluate(east, north, up), _FULL

    def slopes(self, east: Floats, north: Floats, up: Floats | float) -> tuple[Floats, Floats, Floats]:
        """Give line, sample, and ``(4, n)`` derivatives: line by east, by north, sample alike; ground normalised."""
        weights, terms, basis = self._terms(east, north, up)
        values, low = weights @ terms, terms[: basis.low]
        by_east, by_north = (weights @ basis.slopes[0]) @ low, (weights @ basis.slopes[1]) @ low
        top, bottom = values[::2], values[1::2]
        ratio = top / bottom
        slope_east = (by_east[::2] - ratio * by_east[1::2]) / bottom * self.scales[:2, None]
        slope_north = (by_north[::2] - ratio * by_north[1::2]) / bottom * self.scales[:2, None]
        line, sample = ratio * self.scales[:2, None] + self.offsets[:2, None]
        return line, sample, np.stack([slope_east[0], slope_north[0], slope_east[1], slope_north[1]])

    def invert(self, samples: Floats, lines: Floats, up: Floats | float) -> tuple[Floats, Floats]:
        """Find the ground at normalised heights by Newton's method."""
        east, north = np.zeros_like(samples), np.zeros_like(samples)
        miss = np.full_like(samples, np.inf)
        with np.errstate(all="ignore"):  # what overflows has not arrived, and is marked below
            for _ in range(_ROUNDS):
                line, sample, (le, ln, se, sn) = self.slopes(east, north, up)
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
            lost |= ~(np.abs(north * self.scales[2] + self.offsets[2]) <= 90.0)  # cubics know no poles
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
