"""Locators: where a pixel position is on the ground.

A locator is any callable ``(cols, rows) -> (lon, lat)``: float64 arrays of one
shape in and out, positions in pixels with (0, 0) at the upper-left *corner* of
the upper-left pixel, degrees on CRS84 out. Longitudes are within [-180, 180];
a position that has no place on the ground comes back as infinity, and whoever
needs it finite refuses it with the window's name. Locators are values: they
pickle and compare, and hold no PROJ object (:func:`to_crs84` keeps those).

The network of PROJ is switched off: a footprint must not depend on which datum
grid a server offers today.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stacchip_osml.errors import ItemError, SettingError
from stacchip_osml.pixel import ImageSize
from stacchip_osml.pixel.arguments import of_kind
from stacchip_osml.pixel.counts import finite_number, real_numbers

if TYPE_CHECKING:
    import pyproj

__all__ = ["CRS84", "LONLAT", "AffineLocator", "Locator", "Transform", "is_local", "is_lonlat", "is_unbounded"]
__all__ += ["native_of", "parse_crs", "to_crs84", "wrap_longitude"]

Floats = NDArray[np.float64]
Transform = tuple[float, float, float, float, float, float]

CRS84, LONLAT = "OGC:CRS84", "EPSG:4326"


_RETURN = 1.0
"""A position that does not come back to within this, CRS units, is none: PROJ's own inverses are good to 1e-3."""
_CYLINDERS = ("Popular Visualisation Pseudo Mercator", "Mercator (", "Equidistant Cylindrical", "Lambert Cylindrical")
"""Maps that go on eastward and westward: how EPSG's names of their methods begin."""
_UNBOUNDED = ("sinu", "hammer", "aitoff", "winkel", "wagner", "goode", "interrupted")


CRS_TEXT = "a CRS as text"
"""What a CRS is given as, for messages."""


class Locator(Protocol):
    """Pixel corner positions to degrees, vectorised."""

    @property
    def approximate(self) -> bool:
        """True where the model is a fit (GCPs) or depends on terrain (RPCs)."""
        ...

    def __call__(self, cols: ArrayLike, rows: ArrayLike) -> tuple[Floats, Floats]:
        """Give ``(lon, lat)`` of pixel positions."""
        ...


@dataclass(frozen=True, slots=True)
class AffineLocator:
    """Pixels placed in a CRS by an affine transform."""

    transform: Transform
    """a b c d e f: x = a·col + b·row + c, y = d·col + e·row + f."""
    crs: str
    """Anything PROJ knows: ``EPSG:n``, ``ESRI:n``, WKT2, PROJJSON text, a PROJ string."""

    def __post_init__(self) -> None:
        try:  # once a chip: numpy takes ten times as long
            values = tuple(
                value if type(value) is float else finite_number("transform", value) for value in self.transform
            )
        except (TypeError, SettingError):
            values = ()
        if len(values) != 6 or not all(map(math.isfinite, values)):
            raise ItemError(f"a transform is six finite numbers a b c d e f, got {self.transform!r}")
        a, b, _, d, e, _ = values
        if a * e == b * d:
            raise ItemError(f"the transform {values} maps all pixels onto a line")
        object.__setattr__(self, "transform", values)
        of_kind("crs", self.crs, str, CRS_TEXT)
        if not self.is_lonlat:
            to_crs84(self.crs)

    @property
    def approximate(self) -> bool:
        """False: the transform is the image's definition."""
        return False

    @property
    def is_lonlat(self) -> bool:
        """True where the CRS is CRS84 itself, so that the affine gives degrees."""
        return is_lonlat(self.crs)

    def project(self, cols: ArrayLike, rows: ArrayLike) -> tuple[Floats, Floats]:
        """Give CRS ``(x, y)`` of pixel positions; degrees are not wrapped."""
        a, b, c, d, e, f = self.transform
        across, down = real_numbers("cols", cols), real_numbers("rows", rows)
        return a * across + b * down + c, d * across + e * down + f

    def __call__(self, cols: ArrayLike, rows: ArrayLike) -> tuple[Floats, Floats]:
        """Give ``(lon, lat)`` of pixel positions."""
        x, y = self.project(cols, rows)
        if self.is_lonlat:
            return wrap_longitude(x), y
        lon, lat = to_crs84(self.crs).transform(x, y)
        if is_unbounded(self.crs):
            again = to_crs84(self.crs).transform(lon, lat, direction="INVERSE")
            with np.errstate(invalid="ignore"):
                off = ~(np.hypot(again[0] - x, again[1] - y) < _RETURN)
            lon, lat = np.where(off, np.inf, lon), np.where(off, np.inf, lat)
        return wrap_longitude(np.asarray(lon)), np.asarray(lat)


def require_locator(locate: Locator, size: ImageSize) -> None:
    """Raise TypeError unless this is a locator, and that the size of an image."""
    if not callable(locate):
        raise TypeError(f"locate must be a locator, not {type(locate).__name__}: {locate!r:.60}")
    of_kind("size", size, ImageSize, "an ImageSize")


def wrap_longitude(lon: Floats) -> Floats:
    """Bring longitudes into [-180, 180]; those already inside keep their value and sign."""
    lon = real_numbers("lon", lon)
    outside = np.abs(lon) > 180.0
    if not outside.any():
        return lon
    with np.errstate(invalid="ignore"):
        return np.where(outside & np.isfinite(lon), lon - 360.0 * np.round(lon / 360.0), lon)


def is_lonlat(crs: str) -> bool:
    """Tell whether a CRS is CRS84 itself; EPSG:4326 is, as x comes before y here."""
    return crs in {CRS84, LONLAT}


def native_of(crs: str, lon: Floats, lat: Floats, *, near: float) -> tuple[Floats, Floats]:
    """Give CRS x, y of degrees; not finite where there is none, and beyond the poles.

    Args:
        crs: any that PROJ knows.
        lon: degrees.
        lat: degrees.
        near: an x; where x goes on around the Earth, places within half a turn of it are given.
    """
    x, y = lon, np.where(np.abs(lat) <= 90.0, lat, np.inf)
    if not is_lonlat(crs):
        x, y = (np.asarray(each) for each in to_crs84(crs).transform(x, y, direction="INVERSE"))
    turn = _turn(crs)
    if turn is None:
        return x, y
    with np.errstate(invalid="ignore"):
        return x - turn * np.round((x - near) / turn), y


@lru_cache(maxsize=256)
def _turn(crs: str) -> float | None:
    """Give the CRS units once around the Earth, of degrees or a cylinder whose axis is the Earth's; None of others."""
    parsed = parse_crs(crs)
    if parsed.is_geographic:
        return 360.0
    operation = parsed.coordinate_operation
    if operation is None or not any(operation.method_name.startswith(name) for name in _CYLINDERS):
        return None
    east, _ = to_crs84(crs).transform([0.0, 1.0, 90.0, 91.0], [0.0] * 4, direction="INVERSE")
    # the map's edge lies in one of them at most
    return 360.0 * float(min(abs(east[1] - east[0]), abs(east[3] - east[2])))


def parse_crs(crs: str) -> pyproj.CRS:
    """Parse a CRS that positions on the Earth can be given in.

    Raises:
        ItemError: PROJ does not know it, or it does not place x and y on the Earth (local, geocentric, vertical).
    """
    import pyproj

    try:
        parsed = pyproj.CRS.from_user_input(of_kind("crs", crs, str, CRS_TEXT))
    except (pyproj.exceptions.CRSError, UnicodeEncodeError) as error:
        raise ItemError(f"expected a CRS that PROJ knows, got {_short(crs)}") from error
    horizontal = parsed.sub_crs_list[0] if parsed.is_compound else parsed
    if not (horizontal.is_geographic or horizontal.is_projected):
        raise ItemError(f"expected a geographic or projected CRS, got {parsed.type_name}: {_short(crs)}")
    return parsed


def is_local(crs: str) -> bool:
    """Tell whether a CRS is stated to be local: an engineering CRS has axes, and no place on the Earth."""
    return _is_local(of_kind("crs", crs, str, CRS_TEXT))


@lru_cache(maxsize=256)
def _is_local(crs: str) -> bool:
    import pyproj

    try:
        return bool(pyproj.CRS.from_user_input(crs).is_engineering)
    except (pyproj.exceptions.CRSError, UnicodeEncodeError):
        return False


@lru_cache(maxsize=256)
def to_crs84(crs: str) -> Any:
    """Give the pyproj Transformer (x, y) → (lon, lat); it keeps one PROJ object a thread by itself.

    Raises:
        ItemError: the CRS is unknown, or no operation leads from it to CRS84.
    """
    import pyproj
    from pyproj.network import set_network_enabled  # type: ignore[attr-defined]  # exported, not declared

    set_network_enabled(active=False)
    source = parse_crs(crs)
    try:
        return pyproj.Transformer.from_crs(source, CRS84, always_xy=True)
    except pyproj.exceptions.ProjError as error:
        raise ItemError(f"no coordinate operation leads to longitude and latitude from {_short(crs)}") from error


@lru_cache(maxsize=256)
def is_unbounded(crs: str) -> bool:
    """Tell whether PROJ gives positions beyond the edge of the projection's map a place, which is another's."""
    operation = parse_crs(crs).coordinate_operation
    return operation is not None and any(word in operation.method_name.lower() for word in _UNBOUNDED)


def _short(crs: object) -> str:
    text = repr(crs)
    return text if len(text) <= 200 else f"{text[:200]}…"
