"""The place of an image in NITF's terms: IGEOLO to the second or metre, and TREs that say it exactly.

GEOLOB or MAPLOB (with GEOPSB and PRJPSB in the file header) where the image is
north-up on a map they know, else BLOCKA; RPC00B where its file has polynomials, or
where some follow a map that no other TRE says (``rpc_fit``). Chips are written by the
same rules.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from stacchip_osml.encode.nitf.blocka import blocka_tre
from stacchip_osml.encode.nitf.chip_map import map_tres
from stacchip_osml.encode.nitf.chip_place import ChipPlace, place_fields, zone_of
from stacchip_osml.encode.nitf.records import Tre
from stacchip_osml.encode.nitf.rpc_fit import fitted_rpc00b
from stacchip_osml.encode.nitf.rpc_tre import is_scaled, rpc00b_tre
from stacchip_osml.encode.placement import Placement
from stacchip_osml.errors import ItemError
from stacchip_osml.geometry.locate import AffineLocator
from stacchip_osml.pixel import ImageSize

__all__ = ["NitfPlace", "nitf_place"]

MOST_NORTH = 90
Points = list[tuple[float, float]]


class NitfPlace(NamedTuple):
    """What says the place."""

    fields: dict[str, str]
    """ICORDS and IGEOLO."""
    image: tuple[Tre, ...]
    """Of the image subheader."""
    file: tuple[Tre, ...]
    """Of the file header."""


def nitf_place(placement: Placement, size: ImageSize, *, rpcs: Sequence[tuple[str, str]] = ()) -> NitfPlace | None:
    """Say where an image lies.

    Args:
        placement: a transform, or control points at the image's four outer corners.
        size: of the image.
        rpcs: rational polynomials of the image, by GDAL's names.

    Returns:
        None where NITF cannot say it: other control points, no CRS or none on the Earth, a transform onto a line.
    """
    centres = _centres(placement, size)
    if centres is None or placement.crs is None:
        return None
    if placement.transform is not None and placement.transform.determinant == 0:
        return None
    try:
        lons, lats = AffineLocator((1, 0, 0, 0, 1, 0), placement.crs)([x for x, _ in centres], [y for _, y in centres])
    except ItemError:  # a CRS of nowhere on Earth
        return None
    if not (np.isfinite(lons).all() and (np.abs(lats) <= MOST_NORTH).all()):
        return None
    lonlat: Points = list(zip(lons.tolist(), lats.tolist(), strict=True))
    fields = place_fields(ChipPlace(lonlat, centres, zone_of(placement.crs, centres)), asked=None)
    on_map = None if placement.transform is None else map_tres(placement.crs, placement.transform, size)
    found: list[Tre | None] = [blocka_tre(lonlat, rows=size.height)] if on_map is None else list(on_map.image)
    polynomials = None
    if is_scaled(rpcs):
        whole = 0.0, 0.0, float(size.width), float(size.height)
        polynomials = rpc00b_tre(rpcs, window=whole, size=size, corners=lonlat)
    if polynomials is None and on_map is None and placement.transform is not None:
        polynomials = fitted_rpc00b(AffineLocator(tuple(placement.transform[:6]), placement.crs), size, lonlat)
    found.append(polynomials)
    return NitfPlace(
        fields, tuple(tre for tre in found if tre is not None), () if on_map is None else tuple(on_map.file)
    )


def _centres(placement: Placement, size: ImageSize) -> Points | None:
    """Give the centres of the corner pixels in the CRS; None where only other points are known."""
    width, height = size
    pixels = ((0.5, 0.5), (width - 0.5, 0.5), (width - 0.5, height - 0.5), (0.5, height - 0.5))
    if placement.transform is not None:
        return [placement.transform * pixel for pixel in pixels]
    corners = placement.corners(size)
    if corners is None or len(placement.gcps) != len(corners):
        return None
    return [_between(corners, col / width, row / height) for col, row in pixels]


def _between(corners: Sequence[tuple[float, float]], across: float, down: float) -> tuple[float, float]:
    """Interpolate between four corners, bilinearly."""
    (ul, ur, lr, ll) = corners
    x, y = (
        (1 - down) * ((1 - across) * ul[axis] + across * ur[axis])
        + down * ((1 - across) * ll[axis] + across * lr[axis])
        for axis in (0, 1)
    )
    return x, y
