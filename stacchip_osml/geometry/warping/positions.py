"""Where the pixels of a target lie in a source image: exactly, or between control points with a measured error.

A target pixel goes to the ground, and from there to the source. Control points
form a lattice over a rectangle of the target whose outer points are the
rectangle's own corners, so that the next rectangle goes on where this one
ends; pixels are looked up at their centres. The lattice is made finer until
the points of the next finer one, computed, are within the error allowed of
those interpolated; the finer one is used. Where that does not come to pass
with 4 pixels between points, or a point has no place, every pixel is computed.

Over terrain the smooth part alone is interpolated: ground and source position
at three heights, a parabola between them. The height is looked up for every pixel.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.geometry.locate import wrap_longitude
from stacchip_osml.geometry.sensor_model import SensorModel
from stacchip_osml.geometry.warping.elevation import ConstantElevation, ElevationModel
from stacchip_osml.geometry.warping.terrain import ToGround, on_terrain
from stacchip_osml.pixel import PixelWindow

__all__ = ["Positions", "Warp"]

Floats = NDArray[np.float64]

NARROWEST = 4.0
"""Pixels between control points; closer together they cost as much as the pixels."""
CHUNK = 1 << 16
"""Pixels computed at once."""
STRIP = 1 << 13
"""Pixels interpolated at once, so that they stay in the processor's caches."""
SPREAD = 10.0
"""Metres added to the heights met at control points, above and below: most pixels are between."""


@dataclass(frozen=True, slots=True)
class Positions:
    """Where pixels lie in the source."""

    cols: Floats
    """Corner positions, ``(rows, cols)``; not finite where there is none."""
    rows: Floats
    error: float
    """Largest difference measured between computed and interpolated, source pixels; 0 where all is computed."""


@dataclass(frozen=True, slots=True)
class Warp:
    """From a target to a source."""

    to_ground: ToGround
    """Target corner positions and heights → ground."""
    is_flat: bool
    """The ground below a target pixel does not depend on its height: the target is a map."""
    source: SensorModel
    elevation: ElevationModel | None

    def exactly(self, cols: Floats, rows: Floats) -> tuple[Floats, Floats]:
        """Compute source positions of target positions, of any one shape."""
        if self.elevation is None:
            lon, lat, high = self.to_ground(cols, rows, None)
            return self._seen(lon, lat, None if self.is_flat else high)
        if self.is_flat:
            lon, lat, _ = self.to_ground(cols, rows, None)
            return self._seen(lon, lat, self.elevation.height(lon, lat))
        return self._seen(*on_terrain(self.to_ground, self.elevation, cols, rows))

    def over(
        self, part: PixelWindow, *, points: int, tolerance: float, image: tuple[int, int] | None = None
    ) -> Positions | None:
        """Give the source positions of all pixels of a rectangle.

        Args:
            part: of the target, in its pixels.
            points: control points a side to begin with.
            tolerance: source pixels; 0 computes every pixel.
            image: ``(width, height)`` of the source, so that what lies far outside is not worked out.

        Returns:
            Positions; None where the rectangle lies far outside of the image.
        """
        found = self._between_points(part, points, tolerance, image) if tolerance > 0 else self._each(part)
        if found is _TOO_ROUGH:
            return self._each(part)
        return found

    def _each(self, part: PixelWindow) -> Positions:
        """Compute every pixel."""
        cols, rows = np.empty((part.height, part.width)), np.empty((part.height, part.width))
        across = part.x + np.arange(part.width) + 0.5
        for strip in _strips(part, CHUNK):
            down = part.y + np.arange(strip.start, strip.stop) + 0.5
            cols[strip], rows[strip] = self.exactly(*np.broadcast_arrays(across, down[:, None]))
        return Positions(cols, rows, 0.0)

    def _seen(self, lon: Floats, lat: Floats, high: Floats | float | None) -> tuple[Floats, Floats]:
        with np.errstate(invalid="ignore", over="ignore"):
            return self.source.world_to_image(lon, lat, high)

    # ---- between control points

    def _between_points(
        self, part: PixelWindow, points: int, tolerance: float, image: tuple[int, int] | None
    ) -> Positions | None:
        """Interpolate; ``_TOO_ROUGH`` where that is not good enough."""
        heights = self._plane_heights(part, points)
        for _ in range(2):
            fitted = self._fitted(part, heights, points, tolerance)
            if fitted is None:
                return _TOO_ROUGH
            lattice, error = fitted
            if image is not None and _is_far(lattice, image):
                return None
            cols, rows = np.empty((part.height, part.width)), np.empty((part.height, part.width))
            lowest, highest = np.inf, -np.inf
            wide = _widened(lattice, part.width)
            for strip in _strips(part, STRIP):
                layers = _spread(wide, part.height, strip)
                if len(heights) == 1:
                    cols[strip], rows[strip] = layers
                    continue
                share, met = self._heights_met(layers, heights)
                cols[strip], rows[strip] = _at(share, layers[0::4]), _at(share, layers[1::4])
                lowest, highest = (
                    float(np.fmin.reduce(met, axis=None, initial=lowest)),
                    float(np.fmax.reduce(met, axis=None, initial=highest)),
                )
            if len(heights) == 1 or lowest > highest or _is_near(lowest, highest, heights):
                return Positions(cols, rows, error)
            heights = _three(lowest, highest)
        return _TOO_ROUGH

    def _plane_heights(self, part: PixelWindow, points: int) -> tuple[float | None, ...]:
        """Choose the heights of the lattice: one where the ground is flat, else three, of which two enclose it."""
        if self.elevation is None:
            return (None,)
        if isinstance(self.elevation, ConstantElevation):
            return (float(self.elevation.elevation),)
        nodes = _nodes(part, points)
        lon, lat, high = self.to_ground(*nodes, None)
        if self.is_flat:
            high = self.elevation.height(lon, lat)
        else:
            high = on_terrain(self.to_ground, self.elevation, *nodes)[2]
        known = high[np.isfinite(high)]
        if not known.size:
            return _three(0.0, 0.0)  # pixels between may still have some, and then are seen to be far away
        return _three(float(known.min()), float(known.max()))

    def _layers(self, nodes: tuple[Floats, Floats], heights: tuple[float | None, ...]) -> Floats | None:
        """Compute column and row, over terrain longitude and latitude too, at each height; None: one is nowhere."""
        layers: list[Floats] = []
        for height in heights:
            lon, lat, own = self.to_ground(*nodes, height)
            taken = height if height is not None or self.is_flat else own
            layers += self._seen(lon, lat, taken)
            if len(heights) == 3:
                layers += [lon, lat]
        found = np.stack(np.broadcast_arrays(*layers))
        if not np.isfinite(found).all():
            return None
        for at in (2, 6, 10) if len(heights) == 3 else ():
            found[at] = found[2, 0, 0] + wrap_longitude(found[at] - found[2, 0, 0])
        return found

    def _fitted(
        self, part: PixelWindow, heights: tuple[float | None, ...], points: int, tolerance: float
    ) -> tuple[Floats, float] | None:
        """Refine the lattice until it fits; None where it does not."""
        cells = max(points - 1, 1)
        coarse = self._layers(_nodes(part, cells + 1), heights)
        while coarse is not None:
            nodes = _nodes(part, 2 * cells + 1)
            fine = self._layers(nodes, heights)
            if fine is None:
                return None
            miss = np.abs(fine - _doubled(coarse))
            allowed = np.full((len(fine), 1, 1), tolerance)
            for at in (2, 3, 6, 7, 10, 11) if len(heights) == 3 else ():  # the ground: the same share of a target pixel
                allowed[at] = tolerance * _step(fine[at], part)
            if (miss <= allowed).all():
                return self._bent(nodes, heights, fine, float(miss[[0, 1]].max()), tolerance)
            if min(part.width, part.height) < 2 * cells * NARROWEST:
                return None
            cells, coarse = 2 * cells, fine
        return None

    def _bent(
        self, nodes: tuple[Floats, Floats], heights: tuple[float | None, ...], fine: Floats, error: float, limit: float
    ) -> tuple[Floats, float] | None:
        """See that positions are parabolas between the heights as well: at a quarter of the way."""
        low, high = heights[0], heights[-1]
        if len(heights) == 1 or low is None or high is None:
            return fine, error
        quarter = self._layers(nodes, (low + (high - low) / 4,))
        if quarter is None:
            return None
        share = np.full(quarter.shape[1:], 0.25)
        bend = max(float(np.abs(_at(share, fine[axis::4]) - quarter[axis]).max()) for axis in (0, 1))
        return (fine, max(error, bend)) if bend <= limit else None

    def _heights_met(self, layers: Floats, heights: tuple[float | None, ...]) -> tuple[Floats, Floats]:
        """Look up every pixel's height; give its share of the way from the lower to the higher, and itself."""
        low, high = float(heights[0] or 0.0), float(heights[-1] or 0.0)
        elevation = self.elevation
        if elevation is None:
            raise RuntimeError("no heights to be met")

        def ground(_: Floats, __: Floats, at: Floats | float | None) -> tuple[Floats, Floats, Floats]:
            taken = np.broadcast_to((low + high) / 2 if at is None else at, layers[2].shape)
            lon, lat = (_at((taken - low) / (high - low), layers[axis::4]) for axis in (2, 3))
            return wrap_longitude(lon), lat, taken

        if self.is_flat:
            met = elevation.height(wrap_longitude(layers[2]), layers[3])
        else:
            met = on_terrain(ground, elevation, layers[2], layers[3])[2]
        return (met - low) / (high - low), met


_TOO_ROUGH = Positions(np.empty((0, 0)), np.empty((0, 0)), np.inf)


def _three(lowest: float, highest: float) -> tuple[float, float, float]:
    """Give the lower, the middle and the upper height of a lattice."""
    return lowest - SPREAD, (lowest + highest) / 2, highest + SPREAD


def _at(share: Floats, layers: Sequence[Floats] | Floats) -> Floats:
    """Give values on the parabola through those at the lower, the middle and the upper height."""
    low, middle, high = layers
    bend = 2.0 * (low + high) - 4.0 * middle
    found: Floats = low + share * ((high - low - bend) + share * bend)
    return found


def _nodes(part: PixelWindow, points: int) -> tuple[Floats, Floats]:
    """Give target positions of a lattice: its outer points are the rectangle's edges."""
    along = np.arange(points) / (points - 1)
    across, down = np.broadcast_arrays(part.x + along * part.width, (part.y + along * part.height)[:, None])
    return across, down


def _doubled(lattice: Floats) -> Floats:
    """Interpolate a lattice to one of half the distance."""
    layers, rows, cols = lattice.shape
    fine = np.empty((layers, 2 * rows - 1, 2 * cols - 1))
    fine[:, ::2, ::2] = lattice
    fine[:, 1::2, ::2] = (lattice[:, :-1] + lattice[:, 1:]) / 2
    fine[:, :, 1::2] = (fine[:, :, :-2:2] + fine[:, :, 2::2]) / 2
    return fine


def _strips(part: PixelWindow, pixels: int) -> Iterator[slice]:
    """Give the rows of a rectangle, so many pixels at a time."""
    lines = max(pixels // part.width, 1)
    return (slice(top, min(top + lines, part.height)) for top in range(0, part.height, lines))


def _is_near(lowest: float, highest: float, heights: tuple[float | None, ...]) -> bool:
    """Tell whether heights are those of a lattice, or half of its extent away."""
    low, high = float(heights[0] or 0.0), float(heights[-1] or 0.0)
    return lowest >= low - (high - low) / 2 and highest <= high + (high - low) / 2


def _widened(lattice: Floats, width: int) -> Floats:
    """Interpolate a lattice to the centres of pixels across; down it stays as it is."""
    left, share = _between(width, lattice.shape[2])
    return np.take(lattice, left, axis=2) + share * np.take(np.diff(lattice, axis=2), left, axis=2)


def _spread(lattice: Floats, height: int, strip: slice) -> Floats:
    """Interpolate a widened lattice to the centres of the pixels of some rows."""
    above, share = (each[strip] for each in _between(height, lattice.shape[1]))
    low = lattice[:, above]
    spread = lattice[:, above + 1]
    spread -= low
    spread *= share[:, None]
    spread += low
    return spread


def _between(count: int, points: int) -> tuple[NDArray[np.intp], Floats]:
    """Give the point before each pixel of an axis, and the share of the way to the next."""
    place = (np.arange(count) + 0.5) * ((points - 1) / count)
    low: NDArray[np.intp] = np.minimum(place.astype(np.intp), points - 2)
    share = np.asarray(place - low, np.float64)
    return low, share


def _step(layer: Floats, part: PixelWindow) -> float:
    """Give the most that a layer changes from a target pixel to the next."""
    rows, cols = layer.shape
    across = np.abs(np.diff(layer, axis=1)).max() * (cols - 1) / part.width
    down = np.abs(np.diff(layer, axis=0)).max() * (rows - 1) / part.height
    return max(float(across), float(down), 1e-12)


def _is_far(lattice: Floats, image: tuple[int, int]) -> bool:
    """Tell that no pixel lies in the image, whatever its height between the two, and as much beyond."""
    for axis, limit in enumerate(image):
        low = high = lattice[axis]
        if len(lattice) > 2:
            apart = np.abs(lattice[axis + 8] - lattice[axis])
            low, high = lattice[axis::4].min(axis=0) - apart, lattice[axis::4].max(axis=0) + apart
        if high.max() < -1.0 or low.min() > limit + 1.0:
            return True
    return False
