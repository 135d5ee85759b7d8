"""Colour spaces: sRGB, its linear form, Adobe RGB, ProPhoto RGB, CIE XYZ, CIE L*a*b* and Y'CrCb.

All are connected through CIE XYZ under D65 with the white's Y as 1. ProPhoto
has the white point D50 and is adapted by Bradford's method. Transfer curves
are odd functions, so that colours outside a space survive the way there and
back. Sources: IEC 61966-2-1 (sRGB), Adobe RGB (1998), ISO 22028-2 (ROMM,
ProPhoto), CIE 15 (L*a*b*), ITU-R BT.601 (Y'CrCb).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.chain.kinds import BandedPixels, Setting, Settings, Spec, StepKind
from stacchip_osml.chain.radiometry import need_real
from stacchip_osml.chain.settings import a_choice, a_positive
from stacchip_osml.errors import ChainError
from stacchip_osml.pixel.counts import number_array

__all__ = ["COLOR_SPACES", "KINDS", "color_space_step", "color_space_transform"]

Colors = NDArray[np.float64]
"""``(3, pixels)``."""
Curve = Callable[[Colors], Colors]

D65 = (0.3127, 0.3290)
D50 = (0.3457, 0.3585)
BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
SRGB_PRIMARIES = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
ADOBE_PRIMARIES = ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06))
PROPHOTO_PRIMARIES = ((0.734699, 0.265301), (0.159597, 0.840403), (0.036598, 0.000105))
LUMA = np.array([0.299, 0.587, 0.114])
LAB_SIDE = 6 / 29
"""Where the cube root of L*a*b* gives way to a line."""


def _odd(curve: Curve) -> Curve:
    """Continue a curve below 0 by its mirror image."""
    return lambda values: np.asarray(np.copysign(curve(np.abs(values)), values))


def _power(exponent: float) -> Curve:
    return _odd(lambda values: np.asarray(values**exponent))


def _as_it_is(values: Colors) -> Colors:
    return values


@dataclass(frozen=True, slots=True)
class _Rgb:
    """An RGB space: primaries and white as CIE xy, and its curve both ways."""

    primaries: tuple[tuple[float, float], ...]
    white: tuple[float, float]
    linear: Curve
    encoded: Curve

    def to_xyz(self, values: Colors) -> Colors:
        return _rgb_to_xyz(self.primaries, self.white) @ self.linear(values)

    def from_xyz(self, values: Colors) -> Colors:
        return self.encoded(np.linalg.inv(_rgb_to_xyz(self.primaries, self.white)) @ values)


@cache
def _rgb_to_xyz(primaries: tuple[tuple[float, float], ...], white: tuple[float, float]) -> Colors:
    """Give the matrix from linear RGB to XYZ under D65."""
    corners = np.array([_xyz(place) for place in primaries]).T
    matrix = corners * np.linalg.solve(corners, _xyz(white))
    cones = (BRADFORD @ _xyz(D65)) / (BRADFORD @ _xyz(white))
    adapted = np.linalg.inv(BRADFORD) @ (cones[:, None] * BRADFORD) @ matrix
    return np.asarray(matrix if white == D65 else adapted)


def _xyz(place: tuple[float, float]) -> Colors:
    x, y = place
    return np.array([x / y, 1.0, (1 - x - y) / y])


SRGB = _Rgb(
    SRGB_PRIMARIES,
    D65,
    _odd(lambda v: np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)),
    _odd(lambda v: np.where(v <= 0.0031308, v * 12.92, 1.055 * v ** (1 / 2.4) - 0.055)),
)


def _lab_to_xyz(values: Colors) -> Colors:
    middle = (values[0] + 16) / 116
    roots = np.stack([middle + values[1] / 500, middle, middle - values[2] / 200])
    found = np.where(roots > LAB_SIDE, roots**3, 3 * LAB_SIDE**2 * (roots - 4 / 29))
    return np.asarray(found * _xyz(D65)[:, None])


def _xyz_to_lab(values: Colors) -> Colors:
    shares = values / _xyz(D65)[:, None]
    x, y, z = np.where(shares > LAB_SIDE**3, np.cbrt(shares), shares / (3 * LAB_SIDE**2) + 4 / 29)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def _ycrcb_to_xyz(values: Colors) -> Colors:
    luma, red, blue = values[0], values[0] + 1.402 * (values[1] - 0.5), values[0] + 1.772 * (values[2] - 0.5)
    green = (luma - LUMA[0] * red - LUMA[2] * blue) / LUMA[1]
    return SRGB.to_xyz(np.stack([red, green, blue]))


def _xyz_to_ycrcb(values: Colors) -> Colors:
    red, green, blue = SRGB.from_xyz(values)
    luma = LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue
    return np.stack([luma, (red - luma) / 1.402 + 0.5, (blue - luma) / 1.772 + 0.5])


_LINEAR = _Rgb(SRGB_PRIMARIES, D65, _as_it_is, _as_it_is)
_ADOBE = _Rgb(ADOBE_PRIMARIES, D65, _power(563 / 256), _power(256 / 563))
_PROPHOTO = _Rgb(
    PROPHOTO_PRIMARIES,
    D50,
    _odd(lambda v: np.where(v < 16 * 2**-9, v / 16, v**1.8)),
    _odd(lambda v: np.where(v < 2**-9, v * 16, v ** (1 / 1.8))),
)

COLOR_SPACES: dict[str, tuple[Curve, Curve]] = {
    "srgb": (SRGB.to_xyz, SRGB.from_xyz),
    "linear_srgb": (_LINEAR.to_xyz, _LINEAR.from_xyz),
    "prophoto_rgb": (_PROPHOTO.to_xyz, _PROPHOTO.from_xyz),
    "adobe_rgb": (_ADOBE.to_xyz, _ADOBE.from_xyz),
    "ciexyz": (_as_it_is, _as_it_is),
    "cielab": (_lab_to_xyz, _xyz_to_lab),
    "ycrcb": (_ycrcb_to_xyz, _xyz_to_ycrcb),
}
"""Name → to XYZ and from it."""


def color_space_transform(image: NDArray[Any], source: str, destination: str) -> NDArray[np.float64]:
    """Convert colours from one space to another.

    Args:
        image: ``(3, rows, cols)`` of float. RGB and ``ycrcb`` (Y', Cr, Cb, the last two around 0.5) count from 0 to
            1, ``ciexyz`` with the white's Y as 1, ``cielab`` has L* from 0 to 100.
        source: a name of :data:`COLOR_SPACES`.
        destination: another, or the same, which gives a copy.

    Returns:
        ``(3, rows, cols)`` float64, not clipped: colours that a space has no room for lie outside 0 to 1.

    Raises:
        ChainError: (a ValueError) an unknown space, not three bands, or not float.
    """
    for name in (source, destination):
        if not isinstance(name, str) or name not in COLOR_SPACES:
            raise ChainError(f"a colour space is one of {', '.join(COLOR_SPACES)}; got {name!r}")
    image = number_array("image", image)
    if image.ndim != 3 or len(image) != 3 or image.dtype.kind != "f":
        raise ChainError(f"colours are (3, rows, cols) of float, got {image.shape} of {image.dtype}")
    values = image.reshape(3, -1).astype(np.float64)
    if source != destination:
        values = COLOR_SPACES[destination][1](COLOR_SPACES[source][0](values))
    return values.reshape(image.shape)


def color_space_step(source: str, destination: str, *, white: float | None = None) -> dict[str, Any]:
    """Define the conversion of three bands from one colour space to another; float32 comes out.

    Args:
        source: as :func:`color_space_transform` has it.
        destination: as ``source``.
        white: the number that means 1 in the pixels: by default an integer type's largest value, and 1 for float.

    Raises:
        ChainError: an unknown space, or an impossible number.
    """
    return COLOR_SPACE.define(source=source, destination=destination, white=white)


def _output(settings: Settings, spec: Spec) -> Spec:
    need_real(settings, spec)
    if spec.bands != 3 or spec.dtype.kind == "b":
        raise ChainError(f"step 'color_space' needs three bands of numbers, got {spec}")
    return Spec(3, np.dtype(np.float32))


def _apply(settings: Settings, chip: BandedPixels) -> BandedPixels:
    dtype, white = chip.pixels.dtype, settings["white"]
    if white is None:
        white = np.iinfo(dtype).max if dtype.kind in "iu" else 1
    mask = np.broadcast_to(chip.mask.all(axis=0) & ~np.isnan(chip.pixels).any(axis=0), chip.mask.shape)
    with np.errstate(invalid="ignore", over="ignore"):
        colors = color_space_transform(chip.pixels / np.float64(white), settings["source"], settings["destination"])
        # bands of another space are other bands
        return replace(chip.renewed(colors.astype(np.float32), mask), names=(), colors=())


COLOR_SPACE = StepKind(
    name="color_space",
    version=1,
    about="three bands from one colour space to another",
    settings={
        "source": Setting(a_choice(*COLOR_SPACES), about=", ".join(COLOR_SPACES)),
        "destination": Setting(a_choice(*COLOR_SPACES), about="as source"),
        "white": Setting(a_positive, None, "means 1; null: an integer type's largest value, 1 for float"),
    },
    output=_output,
    apply=_apply,
)

KINDS = (COLOR_SPACE,)
