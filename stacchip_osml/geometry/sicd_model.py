"""The sensor model of SICD images: image grid to range and range rate, as the image was formed.

SICD volume 3 (NGA.STND.0024-3), chapter 4: which of the formulas applies follows
from ``Grid/Type`` and ``ImageFormAlgo``. Rows and columns of a chip count from
``FirstRow`` and ``FirstCol`` of the full image. Offsets of
``AdjustableParameterOffsets`` (SICD 1.4 and later) are applied.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stacchip_osml.errors import ItemError
from stacchip_osml.geometry.ellipsoid import heights_above
from stacchip_osml.geometry.polynomials import derived, poly, poly2, vector_poly
from stacchip_osml.geometry.range_rate import Contour, Sensor, cross, dot, measure, to_ground, to_image
from stacchip_osml.geometry.sensor_model import SensorModel, broadcast, flattened, placed, seen
from stacchip_osml.geometry.sicd_fields import Bistatic, Inca, Offsets, Pfa, SicdParameters, parse_sicd
from stacchip_osml.geometry.xml_fields import Vector
from stacchip_osml.pixel import ImageSize

__all__ = ["SicdModel"]

Floats = NDArray[np.float64]

LIGHT = 299792458.0
"""Metres a second."""


@dataclass(frozen=True, slots=True, repr=False)
class SicdModel(SensorModel):
    """Pixels of a SICD image on the ground."""

    parameters: SicdParameters
    notes: tuple[str, ...] = ()
    """What a user should know of how the model was chosen."""
    _grid: _Grid = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_grid", _Grid(self.parameters))

    @classmethod
    def from_xml(cls, xml: bytes, *, notes: tuple[str, ...] = ()) -> SicdModel:
        """Read a model from SICD XML of any version.

        Raises:
            ItemError: a field is missing or not what it should be; it is named.
            LimitError: the XML is larger than any SICD.
        """
        return cls(parse_sicd(xml), notes)

    @property
    def kind(self) -> str:
        """``SICD``."""
        return "SICD"

    @property
    def approximate(self) -> bool:
        """True: the ground is not at one height."""
        return True

    @property
    def size(self) -> ImageSize:
        """Of the image, pixels."""
        return self.parameters.size

    @property
    def default_height(self) -> float:
        """Height above the ellipsoid that is taken where none is given: the scene centre's, metres."""
        return self._grid.scene_height

    def image_to_world(
        self, cols: ArrayLike, rows: ArrayLike, heights: ArrayLike | None = None
    ) -> tuple[Floats, Floats, Floats]:
        """Give ``(lon, lat, height)`` of pixel corner positions; see :class:`SensorModel`."""
        shape, samples, lines, high = flattened(cols, rows, self.default_height if heights is None else heights)
        return placed(shape, *to_ground(self._grid, samples, lines, high))

    def world_to_image(self, lon: ArrayLike, lat: ArrayLike, heights: ArrayLike | None = None) -> tuple[Floats, Floats]:
        """Give ``(cols, rows)`` of ground positions; see :class:`SensorModel`."""
        shape, flat = broadcast(lon=lon, lat=lat, heights=self.default_height if heights is None else heights)
        return seen(shape, *to_image(self._grid, *flat))

    def __repr__(self) -> str:
        p = self.parameters
        return f"SicdModel({p.grid_type}, {p.algorithm}, {p.size.width} x {p.size.height} pixels)"


class _Grid:
    """The image grid: :class:`RangeRateGrid` of the parameters, as arrays."""

    __slots__ = (
        "_bistatic", "_centre", "_col", "_cos", "_first", "_inca", "_is_plane", "_normal", "_offsets", "_p", "_pfa",
        "_plane", "_row", "_sensor_poly", "_spacing", "_time", "_velocity_poly", "scene_height",
    )  # fmt: skip

    def __init__(self, parameters: SicdParameters) -> None:
        p = self._p = parameters
        self._centre, self._row, self._col = (_column(each) for each in (p.centre, p.row_unit, p.col_unit))
        self._spacing = p.spacing
        self._first = (p.centre_pixel[0] - p.first[0], p.centre_pixel[1] - p.first[1])
        self._time = np.array(p.time)
        self._sensor_poly = np.array(p.sensor_poly)
        self._velocity_poly = derived(self._sensor_poly)
        self._normal = _slant_normal(p)
        plane = cross(self._row, self._col)
        self._plane = plane / np.sqrt(dot(plane, plane))
        self._cos = float(dot(self._row, self._col)[0])
        self._is_plane = p.pfa is None and p.azimuth_scale is None and p.inca is None
        self._pfa = None if p.pfa is None else _Pfa(p.pfa)
        self._inca = None if p.inca is None else _Inca(p.inca, self._velocity_poly)
        self._bistatic = None if p.bistatic is None else _Bistatic(p.bistatic)
        self._offsets = p.offsets
        self.scene_height = float(heights_above(self._centre)[0][0])

    @property
    def side(self) -> int:
        """Of the track; of a bistatic collection the guess alone decides."""
        return 0 if self._bistatic else self._p.side

    def contour(self, samples: Floats, lines: Floats) -> Contour:
        """Give the curves of pixels."""
        x, y = self._metres(samples, lines)
        t = poly2(self._time, x, y)
        sensors: tuple[Sensor, ...]
        times: tuple[Floats, ...]
        if self._bistatic is None:
            sensor = Sensor(vector_poly(self._sensor_poly, t), vector_poly(self._velocity_poly, t))
            sensors, times = (sensor,), (t,)
        else:
            sensors, times = self._bistatic.sensors(t)
        reach, rate = self._reach(x, y, t, sensors)
        contour = Contour(sensors, reach, rate)
        return contour if self._offsets is None else adjusted(contour, self._offsets, times, self._p.centre_time)

    def _metres(self, samples: Floats, lines: Floats) -> tuple[Floats, Floats]:
        row, col = self._first
        return (lines - row) * self._spacing[0], (samples - col) * self._spacing[1]

    def _reach(self, x: Floats, y: Floats, t: Floats, sensors: tuple[Sensor, ...]) -> tuple[Floats, Floats]:
        """Give range and range rate, by the formula of the grid."""
        if self._is_plane:
            there = measure(self._centre + x * self._row + y * self._col, sensors)
            return there.reach, there.rate
        if self._inca is not None:
            return self._inca.reach(x, y, t)
        there = measure(self._centre, sensors)
        if self._pfa is not None:
            reach, rate = self._pfa.reach(x, y, t)
            return there.reach + reach, there.rate + rate
        velocity = sensors[0].velocity
        return there.reach + x, there.rate - np.sqrt(dot(velocity, velocity)) * (self._p.azimuth_scale or 0.0) * y

    def near_ground(self, samples: Floats, lines: Floats, heights: Floats) -> Floats:
        """Go from the image plane along the slant plane's normal to the height wanted."""
        x, y = self._metres(samples, lines)
        points = self._centre + x * self._row + y * self._col
        height, up = heights_above(points)
        away: Floats = points + (heights - height) / dot(up, self._normal) * self._normal
        return away

    def near_pixel(self, points: Floats) -> tuple[Floats, Floats]:
        """Go along the slant plane's normal to the image plane."""
        away = points - self._centre
        away = away - dot(away, self._plane) / dot(self._normal, self._plane) * self._normal
        along, across = dot(away, self._row), dot(away, self._col)
        sine2 = 1.0 - self._cos**2
        x, y = (along - self._cos * across) / sine2, (across - self._cos * along) / sine2
        return y / self._spacing[1] + self._first[1], x / self._spacing[0] + self._first[0]


class _Pfa:
    """Grid/Type RGAZIM, formed by PFA: relative to the scene centre."""

    __slots__ = ("_angle", "_rate", "_scale", "_slope")

    def __init__(self, given: Pfa) -> None:
        self._angle, self._scale = np.array(given.polar_angle), np.array(given.scale)
        self._rate, self._slope = derived(self._angle), derived(self._scale)

    def reach(self, x: Floats, y: Floats, t: Floats) -> tuple[Floats, Floats]:
        angle, turning = poly(self._angle, t), poly(self._rate, t)
        scale, slope = poly(self._scale, angle), poly(self._slope, angle)
        cosine, sine = np.cos(angle), np.sin(angle)
        along, across = x * cosine + y * sine, y * cosine - x * sine
        return scale * along, (slope * along + scale * across) * turning


class _Inca:
    """Grid/Type RGZERO."""

    __slots__ = ("_range", "_scale", "_time", "_velocity_poly")

    def __init__(self, given: Inca, velocity_poly: Floats) -> None:
        self._time, self._scale = np.array(given.closest_time), np.array(given.rate_scale)
        self._range = given.closest_range
        self._velocity_poly = velocity_poly

    def reach(self, x: Floats, y: Floats, t: Floats) -> tuple[Floats, Floats]:
        closest = self._range + x
        time = poly(self._time, y)
        velocity = vector_poly(self._velocity_poly, time)
        late = t - time
        bend = poly2(self._scale, x, y) * dot(velocity, velocity) * late
        reach = np.sqrt(closest * closest + bend * late)
        return reach, bend / reach


class _Bistatic:
    """Positions of transmitter and receiver at the times that a pulse left and came."""

    __slots__ = ("_receive", "_receive_velocity", "_reference", "_transmit", "_transmit_velocity")

    def __init__(self, given: Bistatic) -> None:
        self._transmit, self._receive, self._reference = (
            np.array(each) for each in (given.transmit_poly, given.receive_poly, given.reference_poly)
        )
        self._transmit_velocity, self._receive_velocity = derived(self._transmit), derived(self._receive)

    def sensors(self, t: Floats) -> tuple[tuple[Sensor, ...], tuple[Floats, ...]]:
        target = vector_poly(self._reference, t)
        out, back = (vector_poly(each, t) - target for each in (self._transmit, self._receive))
        left, came = t - np.sqrt(dot(out, out)) / LIGHT, t + np.sqrt(dot(back, back)) / LIGHT
        return (
            Sensor(vector_poly(self._transmit, left), vector_poly(self._transmit_velocity, left)),
            Sensor(vector_poly(self._receive, came), vector_poly(self._receive_velocity, came)),
        ), (left, came)


def adjusted(contour: Contour, offsets: Offsets, times: tuple[Floats, ...], centre_time: float) -> Contour:
    """Apply adjustable parameter offsets (SICD volume 3, chapter on adjustable parameters)."""
    transmit, receive = offsets.transmit, offsets.receive
    if len(contour.sensors) == 1:
        (position, velocity), since = contour.sensors[0], times[0] - centre_time
        moved = Sensor(
            position + _column(transmit.position) + _column(transmit.velocity) * since,
            velocity + _column(transmit.velocity),
        )
        return Contour((moved,), contour.reach + LIGHT / 2.0 * (receive.time - transmit.time), contour.rate)
    sensors, delays, drifts = [], [], []
    for (position, velocity), given, time in zip(contour.sensors, (transmit, receive), times, strict=True):
        drift = -given.clock_scale / (1.0 + given.clock_scale)
        delay = given.time + drift * (time - centre_time)
        shift = velocity * delay + _column(given.position) + _column(given.velocity) * (time + delay - centre_time)
        sensors.append(Sensor(position + shift, velocity + _column(given.velocity)))
        delays.append(delay)
        drifts.append(drift)
    return Contour(
        tuple(sensors),
        contour.reach + LIGHT / 2.0 * (delays[1] - delays[0]),
        contour.rate + LIGHT / 2.0 * (drifts[1] - drifts[0]),
    )


def _slant_normal(p: SicdParameters) -> Floats:
    """Give the unit normal ``(3, 1)`` of the scene centre's slant plane, upwards."""
    platforms = (p.sensor,) if p.bistatic is None else (p.bistatic.transmit, p.bistatic.receive)
    centre = _column(p.centre)
    there = measure(centre, tuple(Sensor(_column(place), _column(velocity)) for place, velocity in platforms))
    normal = p.side * cross(there.by_reach, there.by_rate)
    size = np.sqrt(dot(normal, normal))
    if not size > 0.0:
        raise ItemError("SICD SCPCOA/ARPPos and ARPVel give no slant plane at GeoData/SCP/ECF")
    unit: Floats = normal / size
    return unit


def _column(vector: Vector) -> Floats:
    return np.array(vector, np.float64)[:, None]
