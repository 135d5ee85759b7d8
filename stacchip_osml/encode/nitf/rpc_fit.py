"""RPC00B that says a map which no other TRE says: rational polynomials through a grid of its pixels.

Such maps are those of other datums and projections, that stand askew, or whose pixels
have sizes that MAPLOB does not hold. Maps about a pole are even in a projection, and
circles in degrees. Polynomials of the third degree over others, in longitude and
latitude about the image's middle, follow them to a hundredth of a pixel where they
do not hold the pole; what does not is not written. Heights have no part in it: a map has none.

One polynomial above and 1 below is enough for most maps, and tried first. Ratios are
found by linear least squares of ``top - value * bottom``, again and again, each point
weighted by the bottom found before.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.encode.nitf.igeolo import Corners
from stacchip_osml.encode.nitf.records import Tre
from stacchip_osml.encode.nitf.rpc_tre import rpc00b_tre
from stacchip_osml.geometry.locate import Locator
from stacchip_osml.geometry.tre_models import rpc_model
from stacchip_osml.pixel import ImageSize

__all__ = ["fitted_rpc00b"]

Floats = NDArray[np.float64]

TERMS = {
    0: (0, 0),
    1: (1, 0),
    2: (0, 1),
    4: (1, 1),
    7: (2, 0),
    8: (0, 2),
    11: (3, 0),
    12: (1, 2),
    14: (2, 1),
    15: (0, 3),
}
"""Place among RPC00B's twenty terms → exponents of longitude and latitude; the others have heights."""
POINTS, SEEN = 17, 41
"""Points a side that are fitted, and that are looked at after it."""
NARROW = 1.0
"""Degrees from one corner to another of a map that every third of these points shows as well."""
ROUNDS = 5
EXACT = 0.01
"""Pixels that any point may be off."""
HALF_TURN, QUARTER_TURN = 180.0, 90.0


def fitted_rpc00b(locator: Locator, size: ImageSize, corners: Corners) -> Tre | None:
    """Fit polynomials to a map.

    Args:
        locator: pixel corners (cols, rows) → longitude and latitude.
        size: of the image.
        corners: ``(lon, lat)`` of its corner pixels.

    Returns:
        None where they do not hold to ``EXACT`` pixels.
    """
    points, seen = (POINTS, SEEN) if _is_wide(corners) else (POINTS // 3 + 1, SEEN // 3)
    nodes = (1.0 - np.cos(np.linspace(0.0, np.pi, points))) / 2.0  # denser towards the edges, where fits are worst
    cols, rows = _grid(size, nodes)
    lons, lats = locator(cols, rows)
    if not (np.isfinite(lons).all() and np.isfinite(lats).all()):
        return None
    lons = lons[0] + np.remainder(lons - lons[0] + HALF_TURN, 2 * HALF_TURN) - HALF_TURN  # the antimeridian parts some
    offsets = [(float(each.max()) + float(each.min())) / 2 for each in (lons, lats)]
    scales = [float(np.ptp(each)) / 2 for each in (lons, lats)]
    if min(scales) <= 0 or 2 * scales[0] >= HALF_TURN:
        return None
    terms = _terms((lons - offsets[0]) / scales[0], (lats - offsets[1]) / scales[1])
    texts = {"LAT_OFF": offsets[1], "LAT_SCALE": scales[1], "LONG_OFF": offsets[0], "LONG_SCALE": scales[0]}
    rpcs = {name: repr(value) for name, value in texts.items()} | {"HEIGHT_OFF": "0", "HEIGHT_SCALE": "1"}
    window = 0.0, 0.0, float(size.width), float(size.height)
    for fit in (_polynomial, _ratio):
        for name, values, count in (("LINE", rows, size.height), ("SAMP", cols, size.width)):
            half = count / 2
            top, bottom = fit(terms, (values - half) / half)
            rpcs |= {f"{name}_OFF": repr(half - 0.5), f"{name}_SCALE": repr(half)}
            rpcs |= {f"{name}_NUM_COEFF": _twenty(top), f"{name}_DEN_COEFF": _twenty(bottom)}
        tre = rpc00b_tre(rpcs.items(), window=window, size=size, corners=corners)
        if tre is not None and _error(tre, locator, size, seen) <= EXACT:
            return tre
    return None


def _is_wide(corners: Corners) -> bool:
    """Tell whether a map is large, holds a pole, or is parted by the antimeridian."""
    lons, lats = zip(*corners, strict=True)
    return bool(max(max(lons) - min(lons), max(lats) - min(lats)) > NARROW)


def _grid(size: ImageSize, nodes: Floats) -> tuple[Floats, Floats]:
    cols, rows = np.meshgrid(size.width * nodes, size.height * nodes)
    return cols.ravel(), rows.ravel()


def _terms(lons: Floats, lats: Floats) -> Floats:
    """Give ``(points, 10)``."""
    return np.stack([lons**across * lats**down for across, down in TERMS.values()], axis=1)


def _polynomial(terms: Floats, values: Floats) -> tuple[Floats, Floats]:
    """Find the coefficients above; below there is 1."""
    top = np.asarray(np.linalg.lstsq(terms, values, rcond=None)[0], np.float64)
    return top, np.array([1.0])


def _ratio(terms: Floats, values: Floats) -> tuple[Floats, Floats]:
    """Find the coefficients above and below whose ratio is nearest to ``(points,)`` values; the first below is 1."""
    weights, count = np.ones(len(values)), terms.shape[1]
    unknown = np.concatenate([terms, -values[:, None] * terms[:, 1:]], axis=1)
    for _ in range(ROUNDS):
        found = np.asarray(np.linalg.lstsq(unknown * weights[:, None], values * weights, rcond=1e-13)[0], np.float64)
        bottom = 1.0 + terms[:, 1:] @ found[count:]
        if np.abs(bottom).min() < EXACT:
            break
        weights = 1.0 / bottom
    return found[:count], np.concatenate([np.ones(1), found[count:]])


def _twenty(values: Floats) -> str:
    placed = dict(zip(TERMS, values.tolist(), strict=False))
    return " ".join(repr(placed.get(place, 0.0)) for place in range(20))


def _error(tre: Tre, locator: Locator, size: ImageSize, seen: int) -> float:
    """Give the pixels that a point is off at most, by the TRE as it stands; beyond a pole there is none."""
    model = rpc_model(tre.tag, tre.data, notes=())
    if model is None:
        return np.inf
    cols, rows = _grid(size, np.linspace(0.0, 1.0, seen))
    lons, lats = locator(cols, rows)
    beyond = np.isfinite(lats) & (np.abs(lats) > QUARTER_TURN)
    with np.errstate(all="ignore"):
        found = model.world_to_image(lons, lats)
        worst = float(np.hypot(found[0] - cols, found[1] - rows)[~beyond].max(initial=0.0))
    return worst if np.isfinite(worst) else np.inf
