"""The sensor model protocol: pixels to ground and ground to pixels, whatever the image is.

Every model is a locator too, so footprints, chips and writers take any of them.
Rules, the same for all models:

- positions are arrays of any one shape (or shapes that broadcast); (0, 0) is the
  upper-left *corner* of the upper-left pixel, whatever the native numbers are;
- longitudes and latitudes are degrees on WGS 84, longitudes within [-180, 180];
  heights are metres above its ellipsoid;
- what has no place on the ground, or is not seen by the image, is infinite;
- models are values: they pickle and compare, hold no file and no PROJ object.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stacchip_osml.errors import ItemError, SettingError
from stacchip_osml.geometry.locate import wrap_longitude
from stacchip_osml.geometry.pixel_positions import to_centres, to_corners
from stacchip_osml.pixel.counts import real_numbers

__all__ = ["NoProjectionError", "SensorModel", "broadcast", "flattened", "placed", "seen"]

Floats = NDArray[np.float64]


class NoProjectionError(ItemError):
    """Metadata that is in order, and of a kind that no projection is defined for; the message says which."""


@runtime_checkable
class SensorModel(Protocol):
    """Pixel corner positions to the ground and back, vectorised."""

    __slots__ = ()

    @property
    def kind(self) -> str:
        """What it is made of: ``SICD``, ``SIDD``, ``RPC00B``, ``affine``, ``IGEOLO`` and so on."""
        ...

    @property
    def approximate(self) -> bool:
        """True where the model is a fit (corners, GCPs) or depends on terrain (RPC, SICD, SIDD planes)."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know: metadata that is there and not used, and why."""
        ...

    def __call__(self, cols: ArrayLike, rows: ArrayLike) -> tuple[Floats, Floats]:
        """Give ``(lon, lat)`` of pixel positions at the model's own height."""
        lon, lat, _ = self.image_to_world(cols, rows)
        return lon, lat

    def image_to_world(
        self, cols: ArrayLike, rows: ArrayLike, heights: ArrayLike | None = None
    ) -> tuple[Floats, Floats, Floats]:
        """Give ``(lon, lat, height)`` of pixel positions.

        Args:
            cols: pixels from the left edge.
            rows: pixels from the top edge, of a shape that broadcasts with ``cols``.
            heights: metres above the ellipsoid, likewise; None for the model's own: the height the image was
                made for.

        Returns:
            Degrees and metres, all of one shape; infinite where the position has no place on the ground.
        """
        ...

    def world_to_image(self, lon: ArrayLike, lat: ArrayLike, heights: ArrayLike | None = None) -> tuple[Floats, Floats]:
        """Give ``(cols, rows)`` of ground positions, also outside of the image; infinite where it cannot see them."""
        ...


def broadcast(**values: ArrayLike) -> tuple[tuple[int, ...], list[Floats]]:
    """Give the shape that arrays have together, and each of them flat in that shape.

    Raises:
        TypeError: they are no real numbers.
        SettingError: (a ValueError) they have no shape together.
    """
    given = [real_numbers(name, value) for name, value in values.items()]
    try:
        arrays = np.broadcast_arrays(*given)
    except ValueError as error:
        shapes = ", ".join(str(array.shape) for array in given)
        raise SettingError(f"{', '.join(values)} must be of shapes that broadcast, got {shapes}") from error
    return arrays[0].shape, [np.ravel(array) for array in arrays]


def flattened(cols: ArrayLike, rows: ArrayLike, heights: ArrayLike) -> tuple[tuple[int, ...], Floats, Floats, Floats]:
    """Give the shape of positions, and flat samples, lines (0 at a pixel's centre) and heights."""
    shape, (across, down, high) = broadcast(cols=cols, rows=rows, heights=heights)
    return shape, *to_centres(across, down), high


def placed(shape: tuple[int, ...], lon: Floats, lat: Floats, heights: Floats) -> tuple[Floats, Floats, Floats]:
    """Give ground positions the shape that was asked for."""
    return wrap_longitude(lon).reshape(shape), lat.reshape(shape), heights.reshape(shape)


def seen(shape: tuple[int, ...], samples: Floats, lines: Floats) -> tuple[Floats, Floats]:
    """Give corner positions of flat samples and lines in the shape that was asked for."""
    cols, rows = to_corners(samples, lines)
    return cols.reshape(shape), rows.reshape(shape)
