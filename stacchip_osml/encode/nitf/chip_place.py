"""Where the corner pixels of a chip are, and how its file says so."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from affine import Affine

from stacchip_osml.encode.chip import Chip
from stacchip_osml.encode.nitf.igeolo import Coordinates, Corners, igeolo_text, utm_zone
from stacchip_osml.errors import EncodeError, ItemError
from stacchip_osml.geometry.locate import AffineLocator, Locator
from stacchip_osml.pixel import ImageSize

__all__ = ["ChipPlace", "chip_place", "corners_on_earth", "place_fields", "zone_of"]

LONLAT: dict[str, Coordinates] = {"G": "G", "D": "D", "U": "U"}
"""ICORDS that any place on the Earth has."""


class ChipPlace(NamedTuple):
    """Corners at the centres of the corner pixels."""

    lonlat: Corners
    crs: Corners | None = None
    """In the chip's own CRS."""
    zone: tuple[Any, int] | None = None
    """Hemisphere and zone, where that CRS is UTM on WGS 84 and its digits in IGEOLO hold the corners."""


def chip_place(chip: Chip, *, locator: Locator | None, by_model: bool) -> ChipPlace | None:
    """Find where a chip's corner pixels are; None where nobody knows, or one has no place on the Earth.

    Args:
        chip: with transform and CRS, or an origin.
        locator: pixel corners of the origin's image → ground.
        by_model: prefer the locator: a NITF's transform is made of its IGEOLO, which its sensor model betters.
    """
    width, height = chip.size
    pixels = ((0.5, 0.5), (width - 0.5, 0.5), (width - 0.5, height - 0.5), (0.5, height - 0.5))
    if chip.transform is not None and chip.crs is not None and not (by_model and locator is not None):
        at = chip.transform  # its numbers one by one: a slice of it costs as much as all that is made of them here
        a, b, c, d, e, f = at.a, at.b, at.c, at.d, at.e, at.f
        on_map = [(col * a + row * b + c, col * d + row * e + f) for col, row in pixels]
        try:
            placed = AffineLocator((a, b, c, d, e, f), chip.crs)
            zone = zone_of(chip.crs, on_map)
            if zone is not None:  # has a place on the Earth, in degrees seldom asked for
                return ChipPlace(_CornersAskedFor(partial(_corners, placed, pixels)), on_map, zone)
            return _found(_corners(placed, pixels), on_map)
        except ItemError:  # a CRS of nowhere on the Earth, a local one or another planet's
            return None
    if chip.origin is None or locator is None:
        return None
    x, y, across, down = chip.origin.window
    return _found(_corners(locator, [(x + col * across / width, y + row * down / height) for col, row in pixels]))


def corners_on_earth(transform: Affine, crs: str, size: ImageSize) -> Corners | None:
    """Give the centres of a map's corner pixels in longitude and latitude, those beyond a pole as far as it.

    Returns:
        None where the map lies nowhere on the Earth.
    """
    width, height = size
    pixels = ((0.5, 0.5), (width - 0.5, 0.5), (width - 0.5, height - 0.5), (0.5, height - 0.5))
    try:
        corners = _corners(AffineLocator(tuple(transform[:6]), crs), pixels)
    except ItemError:
        return None
    if not all(math.isfinite(lon) and math.isfinite(lat) for lon, lat in corners):
        return None
    held = [(lon, min(max(lat, -90.0), 90.0)) for lon, lat in corners]
    return held if len({lat for _, lat in held}) > 1 else None


class _CornersAskedFor(Sequence[tuple[float, float]]):
    """Corners that are found when the first one is asked for."""

    def __init__(self, find: Callable[[], Corners]) -> None:
        self._find = find
        self._found: Corners | None = None

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: Any) -> Any:
        if self._found is None:
            self._found = self._find()
        return self._found[index]


def _corners(locator: Locator, pixels: Sequence[tuple[float, float]]) -> Corners:
    lons, lats = locator([col for col, _ in pixels], [row for _, row in pixels])
    return list(zip(lons.tolist(), lats.tolist(), strict=True))


def _found(lonlat: Corners, crs: Corners | None = None) -> ChipPlace | None:
    if not all(math.isfinite(lon) and abs(lat) <= 90 for lon, lat in lonlat):
        return None
    return ChipPlace(lonlat, crs)


def place_fields(place: ChipPlace | None, *, asked: str | None) -> dict[str, str]:
    """Give ICORDS and IGEOLO: UTM where the chip is in it, else degrees, minutes and seconds.

    Args:
        place: of the chip; None leaves both out, as the parent's never stay.
        asked: ICORDS that the caller wants.

    Raises:
        EncodeError: what is asked for cannot be written of this chip.
    """
    if asked is not None and not asked.strip():
        return {}
    if place is None:
        if asked is not None:
            raise EncodeError(f"ICORDS {asked!r} needs corners; nothing tells where the chip is")
        return {}
    if asked is None:
        asked = "G" if place.zone is None else str(place.zone[0])
    if asked in {"N", "S"}:
        if place.zone is None or place.zone[0] != asked or place.crs is None:
            raise EncodeError(
                f"ICORDS {asked!r} is UTM on WGS 84 (MIL-STD-2500C, table A-3); the chip is not in such a zone"
            )
        return {"ICORDS": asked, "IGEOLO": igeolo_text(place.crs, place.zone[0], zone=place.zone[1])}
    if asked not in LONLAT:
        raise EncodeError(f"ICORDS of a chip is G, D, U, N or S, got {asked!r}; give IGEOLO with it to write another")
    coordinates = LONLAT[asked]
    return {"ICORDS": asked, "IGEOLO": igeolo_text(place.lonlat, coordinates)}


def zone_of(crs: str, corners: Corners) -> tuple[Any, int] | None:
    """Tell hemisphere and zone of metres in UTM on WGS 84; None of others, and where IGEOLO cannot hold them."""
    zone = utm_zone(crs)
    if zone is None:
        return None
    eastings, northings = zip(*corners, strict=True)
    is_held = (
        round(min(eastings)) >= 0 <= round(min(northings))
        and round(max(eastings)) <= 999_999
        and round(max(northings)) <= 9_999_999
    )
    return zone if is_held else None
