"""RPC00B of a chip of an image that carries its rational polynomials elsewhere (STDI-0002 volume 1, appendix E).

A NITF parent's own RPC00B is kept as it is, and ICHIPB leads to it. Other images
have coefficients as a GeoTIFF's tags or a text file have them, with more digits than
RPC00B holds: six of each coefficient, whole lines and samples, a ten-thousandth of a
degree. So that nothing is lost, the polynomials are rewritten in the chip's own
pixels and about its own centre; that is algebra, no fit. What is then rounded is a
millionth of the chip, not of the image.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.encode.nitf.igeolo import Corners
from stacchip_osml.encode.nitf.records import Tre
from stacchip_osml.errors import EncodeError
from stacchip_osml.pixel import ImageSize

__all__ = ["is_scaled", "rpc00b_tre"]

Floats = NDArray[np.float64]
Place = tuple[float, float, float, float]

CLAUSE = "STDI-0002 volume 1, appendix E, table E-22"
FAR = 20.0
"""Half an image: how far a chip may lie from the image's middle; polynomials say nothing of what is farther."""
OFFSETS = ("LINE_OFF", "SAMP_OFF", "LAT_OFF", "LONG_OFF", "HEIGHT_OFF")
SCALES = ("LINE_SCALE", "SAMP_SCALE", "LAT_SCALE", "LONG_SCALE", "HEIGHT_SCALE")
CUBICS = ("LINE_NUM_COEFF", "LINE_DEN_COEFF", "SAMP_NUM_COEFF", "SAMP_DEN_COEFF")
TERMS = np.array(
    [
        *((0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (1, 0, 1), (0, 1, 1), (2, 0, 0), (0, 2, 0), (0, 0, 2)),
        *((1, 1, 1), (3, 0, 0), (1, 2, 0), (1, 0, 2), (2, 1, 0), (0, 3, 0), (0, 1, 2), (2, 0, 1), (0, 2, 1), (0, 0, 3)),
    ]
)
"""Exponents of longitude, latitude, height in RPC00B's order."""


def is_scaled(rpcs: Sequence[tuple[str, str]]) -> bool:
    """Tell whether there are polynomials, and scales to divide by: those of some files are 0."""
    scales = [text for name, text in rpcs if name.strip().upper().endswith("_SCALE")]
    try:
        return bool(rpcs) and all(float(text.split()[0]) != 0 for text in scales)
    except (ValueError, IndexError):
        return False


def rpc00b_tre(rpcs: Iterable[tuple[str, str]], *, window: Place, size: ImageSize, corners: Corners) -> Tre | None:
    """Write the polynomials of a chip.

    Args:
        rpcs: names and texts as GDAL gives them, of the full image.
        window: ``(x, y, width, height)`` of the chip in pixels of it.
        size: of the chip.
        corners: ``(lon, lat)`` of the chip: the polynomials are centred there.

    Returns:
        None where the fields cannot hold them (a corner that is nowhere, heights beyond four digits), or corners are
        far from where the polynomials are.

    Raises:
        EncodeError: coefficients are missing, or a scale is zero.
    """
    texts = {name.strip().upper(): text for name, text in rpcs}
    offsets = [_numbers(texts, name, 1)[0] for name in OFFSETS]
    scales = [_numbers(texts, name, 1)[0] for name in SCALES]
    for name, scale in zip(SCALES[:4], scales, strict=False):
        if scale == 0:
            raise EncodeError(f"{name} of the image's RPC is zero, and nothing is placed by it ({CLAUSE})")
    cubes = [_cube(_numbers(texts, name, 20)) for name in CUBICS]
    lons, lats = [lon for lon, _ in corners], [lat for _, lat in corners]
    if not all(map(math.isfinite, (*lons, *lats))):
        return None
    # A chip that the antimeridian parts is told as its parent is: readers take the shorter way from LONG_OFF.
    lons = [lons[0] + math.remainder(lon - lons[0], 360.0) for lon in lons]
    centre = [round((min(each) + max(each)) / 2, 4) for each in (lats, lons)]
    reach = [max(math.ceil((max(each) - min(each)) * 5e3) / 1e4, 1e-4) for each in (lats, lons)]
    height = round(offsets[4]), max(round(scales[4]), 1)
    east = math.remainder(centre[1] - offsets[3], 360.0)  # the antimeridian may lie between the two
    if math.hypot(east / scales[3], (centre[0] - offsets[2]) / scales[2]) > FAR:
        return None
    # Normalised values of before, by those of the chip: old = step * new + start.
    centre[1] = math.remainder(centre[1], 360.0)
    ground = (
        (reach[1] / scales[3], east / scales[3]),
        (reach[0] / scales[2], (centre[0] - offsets[2]) / scales[2]),
        (height[1] / scales[4], (height[0] - offsets[4]) / scales[4]) if scales[4] else (0.0, 0.0),
    )
    moved = [_substituted(cube, ground) for cube in cubes]
    x, y, width, height_of = window
    image = []
    for index, start, step, count in (
        (0, y, height_of / size.height, size.height),
        (1, x, width / size.width, size.width),
    ):
        half = max(count // 2, 1)
        # Chip line of the full image's: (line + 0.5 - start) / step - 0.5, so that the ratio moves and stretches.
        top = (scales[index] * moved[2 * index] + (offsets[index] + 0.5 - start) * moved[2 * index + 1]) / step
        top = (top - (0.5 + half) * moved[2 * index + 1]) / half
        largest = np.abs(moved[2 * index + 1]).max()
        image.append((half, top / largest, moved[2 * index + 1] / largest))
    (lines, line_top, line_bottom), (samples, sample_top, sample_bottom) = image
    cubics = [_flat(each) for each in (line_top, line_bottom, sample_top, sample_bottom)]
    fields = [
        ("1", 1),
        (_error(texts, "ERR_BIAS"), 7),
        (_error(texts, "ERR_RAND"), 7),
        (f"{lines:06d}", 6),
        (f"{samples:05d}", 5),
        (f"{centre[0]:+08.4f}", 8),
        (f"{centre[1]:+09.4f}", 9),
        (f"{height[0]:+05d}", 5),
        (f"{lines:06d}", 6),
        (f"{samples:05d}", 5),
        (f"{reach[0]:+08.4f}", 8),
        (f"{reach[1]:+09.4f}", 9),
        (f"{height[1]:+05d}", 5),
        *((_coefficient(value), 12) for cubic in cubics for value in cubic),
    ]
    if any(len(text) != width for text, width in fields):
        return None
    return Tre("RPC00B", "".join(text for text, _ in fields).encode("ascii"))


def _cube(values: list[float]) -> Floats:
    """Give coefficients by exponent: ``(4, 4, 4)`` of longitude, latitude, height."""
    cube = np.zeros((4, 4, 4))
    cube[tuple(TERMS.T)] = values
    return cube


def _flat(cube: Floats) -> list[float]:
    values: list[float] = cube[tuple(TERMS.T)].tolist()
    return values


def _substituted(cube: Floats, ground: tuple[tuple[float, float], ...]) -> Floats:
    """Write a cubic in other variables: each of the old ones is ``step * new + start``."""
    matrices = []
    for step, start in ground:
        matrix = np.zeros((4, 4))
        for power in range(4):
            for low in range(power + 1):
                matrix[low, power] = math.comb(power, low) * step**low * start ** (power - low)
        matrices.append(matrix)
    moved: Floats = np.einsum("lpn,al,bp,cn->abc", cube, *matrices)
    return moved


def _coefficient(value: float) -> str:
    """Write ``±d.ddddddE±d``; what is below the smallest exponent is zero."""
    if abs(value) < 1e-9:
        return "+0.000000E+0"
    mantissa, exponent = f"{value:+.6E}".split("E")
    return f"{mantissa}E{int(exponent):+d}"


def _error(texts: dict[str, str], name: str) -> str:
    try:
        value = float(texts.get(name, "").split()[0])
    except (ValueError, IndexError):
        value = 0.0
    return f"{min(max(value, 0.0), 9999.99):07.2f}"


def _numbers(texts: dict[str, str], name: str, count: int) -> list[float]:
    words = texts.get(name, "").replace(",", " ").split()
    try:
        values = [float(word) for word in (words[:1] if count == 1 else words)]
    except ValueError as error:
        raise EncodeError(f"RPC {name} is {count} numbers ({CLAUSE}), got {texts[name][:80]!r}") from error
    if len(values) != count or not all(map(math.isfinite, values)):
        raise EncodeError(f"RPC {name} is {count} finite numbers ({CLAUSE}), got {texts.get(name, '')[:80]!r}")
    return values
