"""Where an image lies: an affine transform or control points, out of what a caller knows.

Corners are those of the image's outer pixels' edges, ``UL, UR, LR, LL``, each
``(x, y)`` of the CRS: longitude before latitude. Four of them are an affine
transform only if they are the corners of a parallelogram; otherwise they are
control points, and a format without such refuses them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any, Protocol

from affine import Affine

from stacchip_osml.encode.field_text import list_of
from stacchip_osml.errors import EncodeError
from stacchip_osml.imagery.header import GroundControlPoint
from stacchip_osml.pixel import ImageSize

__all__ = ["NamedCrs", "Placement", "find_placement"]

LON_LAT = "EPSG:4326"
ROUNDING = 8 * 2.0**-52
"""How far four corners of doubles may be from a parallelogram, relative to the largest of them."""


class NamedCrs(Protocol):
    """A CRS of pyproj or rasterio."""

    def to_string(self) -> str:
        """Give ``EPSG:n`` or WKT."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """The place of an image: a transform, or control points, never both."""

    transform: Affine | None = None
    """Pixel corner (col, row) → CRS (x, y)."""
    crs: str | None = None
    """``EPSG:n`` or WKT2."""
    gcps: tuple[GroundControlPoint, ...] = ()

    def corners(self, size: ImageSize) -> tuple[tuple[float, float], ...] | None:
        """Give UL, UR, LR, LL ``(x, y)`` of an image of that size; None where control points are elsewhere."""
        width, height = size
        if self.transform is not None:
            return tuple(self.transform * corner for corner in ((0, 0), (width, 0), (width, height), (0, height)))
        at = {(point.col, point.row): (point.x, point.y) for point in self.gcps}
        wanted = ((0.0, 0.0), (float(width), 0.0), (float(width), float(height)), (0.0, float(height)))
        return tuple(at[corner] for corner in wanted) if all(corner in at for corner in wanted) else None


def find_placement(
    size: ImageSize,
    *,
    corners: Sequence[tuple[float, float]] | None = None,
    crs: str | int | NamedCrs | None = None,
    transform: Affine | Sequence[float] | None = None,
    gcps: Sequence[GroundControlPoint] = (),
) -> Placement | None:
    """Put together what a caller says of an image's place.

    Args:
        size: of the image.
        corners: UL, UR, LR, LL; in longitude and latitude where there is no ``crs``.
        crs: ``EPSG:n`` or n, or anything that pyproj understands; or a CRS of pyproj or rasterio.
        transform: affine a b c d e f, pixel corner (col, row) → CRS (x, y).
        gcps: control points.

    Returns:
        None where nothing is said.

    Raises:
        EncodeError: more than one of ``corners``, ``transform`` and ``gcps``, or numbers that are no place.
    """
    points = list_of("gcps", gcps, GroundControlPoint, "a list of GroundControlPoint")
    given = [
        name
        for name, value in (("corners", corners), ("transform", transform), ("gcps", points or None))
        if value is not None
    ]
    if len(given) > 1:
        raise EncodeError(f"{' and '.join(given)} both say the place; give one of them")
    named = _crs_text(crs)
    if corners is not None:
        return _of_corners(size, corners, LON_LAT if named is None else named)
    if transform is not None:
        numbers = _numbers(transform)[:6]
        if len(numbers) < 6 or not all(map(math.isfinite, numbers)):
            raise EncodeError(f"a transform is six finite numbers, a b c d e f; got {transform!r}")
        matrix = Affine(*numbers)
        if matrix.determinant == 0:
            raise EncodeError(f"a transform must not map the image onto a line: {transform!r}")
        return Placement(transform=matrix, crs=named)
    if points:
        return Placement(gcps=points, crs=named)
    return None if named is None else Placement(crs=named)


def _crs_text(crs: Any) -> str | None:
    if crs is None or isinstance(crs, str):
        return crs
    if hasattr(crs, "to_string"):
        return str(crs.to_string())
    if isinstance(crs, bool) or not isinstance(crs, Integral):
        raise EncodeError(f"crs is EPSG:n or n, WKT, or a CRS of pyproj or rasterio, got {crs!r:.60}")
    return f"EPSG:{int(crs)}"


def _numbers(given: Any) -> tuple[float, ...]:
    """Give numbers; none where one of them is none."""
    try:
        return tuple(float(number) for number in given)
    except (TypeError, ValueError):
        return ()


def _listed(given: Any) -> tuple[Any, ...]:
    """Give things as a tuple; none where they are no list."""
    try:
        return tuple(given)
    except TypeError:
        return ()


def _of_corners(size: ImageSize, corners: Sequence[tuple[float, float]], crs: str) -> Placement:
    points = [_numbers(corner) for corner in _listed(corners)]
    if len(points) != 4 or any(len(point) != 2 or not all(map(math.isfinite, point)) for point in points):
        raise EncodeError(f"corners are four (x, y) of finite numbers, UL UR LR LL; got {corners!r}")
    if crs == LON_LAT and any(not (abs(lon) <= 360 and abs(lat) <= 90) for lon, lat in points):
        raise EncodeError(f"corners in degrees are (longitude, latitude); got {corners!r}")
    upper_left, upper_right, lower_right, lower_left = points
    width, height = size
    largest = max(abs(number) for point in points for number in point)
    is_affine = all(
        abs(upper_left[axis] + lower_right[axis] - upper_right[axis] - lower_left[axis]) <= ROUNDING * largest
        for axis in (0, 1)
    )
    matrix = Affine(
        (upper_right[0] - upper_left[0]) / width,
        (lower_left[0] - upper_left[0]) / height,
        upper_left[0],
        (upper_right[1] - upper_left[1]) / width,
        (lower_left[1] - upper_left[1]) / height,
        upper_left[1],
    )
    if matrix.determinant == 0:
        raise EncodeError(f"corners must not lie on a line: {corners!r}")
    if is_affine:
        return Placement(transform=matrix, crs=crs)
    pixels = ((0, 0), (width, 0), (width, height), (0, height))
    points_there = tuple(
        GroundControlPoint(row=float(row), col=float(col), x=x, y=y, z=0.0)
        for (col, row), (x, y) in zip(pixels, points, strict=True)
    )
    return Placement(gcps=points_there, crs=crs)
