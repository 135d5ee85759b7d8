"""Invented countryside: what a band would see at a place on a day.

A pure function of ground coordinates (metres), day of the year and seed. Relief
decides where water, forest and towns lie; the rest is farmland, in parcels that
follow the direction of their district, each with its own crop and calendar.
Reflectances are 0-1 and typical of the cover, band by band; no place is real.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.testing.noise import Floats, cell_noise, fractal_noise, gradient_noise, hash_unit

__all__ = ["BANDS", "CLOUD_REFLECTANCE", "land_reflectance"]

BANDS = ("blue", "green", "red", "rededge", "nir", "swir16", "swir22")

_COVERS = {
    #             blue   green  red    rededge nir   swir16 swir22
    "water":     (0.045, 0.050, 0.030, 0.022, 0.014, 0.008, 0.006),
    "forest":    (0.022, 0.040, 0.024, 0.110, 0.290, 0.140, 0.065),
    "conifer":   (0.018, 0.028, 0.019, 0.070, 0.190, 0.090, 0.045),
    "meadow":    (0.040, 0.080, 0.052, 0.150, 0.340, 0.230, 0.130),
    "green":     (0.030, 0.068, 0.034, 0.150, 0.460, 0.210, 0.100),
    "flowering": (0.050, 0.150, 0.130, 0.230, 0.440, 0.230, 0.120),
    "ripe":      (0.085, 0.130, 0.175, 0.225, 0.300, 0.330, 0.240),
    "soil":      (0.072, 0.098, 0.132, 0.165, 0.215, 0.310, 0.270),
    "asphalt":   (0.105, 0.115, 0.125, 0.135, 0.150, 0.175, 0.165),
    "tiles":     (0.085, 0.110, 0.190, 0.215, 0.235, 0.260, 0.230),
    "concrete":  (0.230, 0.245, 0.260, 0.275, 0.290, 0.290, 0.260),
}  # fmt: skip
_SPECTRA = {cover: np.array(values) for cover, values in _COVERS.items()}
CLOUD_REFLECTANCE = dict(zip(BANDS, (0.62, 0.61, 0.61, 0.63, 0.66, 0.48, 0.36), strict=True))

# Share of farmland, then (day, green, ripe) knots: what is neither green nor ripe is bare soil.
_CROPS = (
    (
        0.30,
        (
            (0, 0.4, 0.0),
            (90, 0.6, 0.0),
            (140, 1.0, 0.0),
            (185, 0.2, 0.8),
            (205, 0.0, 0.9),
            (225, 0.1, 0.5),
            (260, 0.0, 0.1),
            (366, 0.4, 0.0),
        ),
    ),
    (0.14, ((0, 0.5, 0.0), (100, 0.9, 0.0), (165, 0.9, 0.1), (195, 0.1, 0.8), (230, 0.2, 0.4), (366, 0.5, 0.0))),
    (
        0.22,
        (
            (0, 0.0, 0.1),
            (130, 0.0, 0.0),
            (180, 0.8, 0.0),
            (235, 1.0, 0.0),
            (270, 0.4, 0.5),
            (290, 0.0, 0.3),
            (366, 0.0, 0.1),
        ),
    ),
    (0.12, ((0, 0.0, 0.0), (120, 0.05, 0.0), (170, 0.8, 0.0), (260, 0.95, 0.0), (300, 0.1, 0.0), (366, 0.0, 0.0))),
    (0.22, ((0, 0.6, 0.1), (120, 0.9, 0.0), (170, 0.7, 0.1), (180, 0.5, 0.2), (230, 0.8, 0.1), (366, 0.6, 0.1))),
)
_RAPESEED, _GRASS = 1, 4
_RAPESEED_FLOWERS = (108, 140)


def land_reflectance(x: Floats, y: Floats, *, bands: Sequence[str], seed: int = 0, day: int = 180) -> Floats:
    """Give the reflectance of the ground.

    Args:
        x: easting (m), any shape.
        y: northing (m), same shape.
        bands: names out of ``BANDS``, or ``pan``.
        seed: which countryside.
        day: day of the year; crops grow, ripen and are harvested.

    Returns:
        ``(bands, *x.shape)``, 0-1.
    """
    relief = fractal_noise(x, y, wavelength=5200, octaves=7, seed=seed + 10, gain=0.48)
    woods = fractal_noise(x, y, wavelength=2100, octaves=6, seed=seed + 20, gain=0.52)
    fine = fractal_noise(x, y, wavelength=40, octaves=4, seed=seed + 30, gain=0.55)
    spectrum, rough = _farmland(x, y, seed, day)
    spectrum, rough = _roads(x, y, seed, spectrum, rough)

    near_water = np.minimum(_river_distance(x, y, seed, 5400, 36.0), _river_distance(x, y, seed + 3, 2900, 7.0))
    town = fractal_noise(x, y, wavelength=3300, octaves=4, seed=seed + 40, gain=0.45)
    forest = (woods + 0.55 * relief > 0.24) | ((near_water < 28 + 60 * fine) & (near_water > 0))
    conifer = fractal_noise(x, y, wavelength=700, octaves=3, seed=seed + 50) > 0.08
    spectrum = _put(spectrum, forest & ~conifer, _SPECTRA["forest"] * _leaves(day))
    spectrum = _put(spectrum, forest & conifer, _SPECTRA["conifer"])
    rough = np.where(forest, 0.2, rough)

    built = (town > 0.34) & ~(forest & (town < 0.42))
    spectrum = np.where(built, _town(x, y, seed, town), spectrum)
    rough = np.where(built, 0.06, rough)

    spectrum *= 1 + rough * fine + 0.05 * fractal_noise(x, y, wavelength=420, octaves=3, seed=seed + 60)
    spectrum *= 1 + np.clip(_slope(x, y, seed), -0.22, 0.22)

    lake = relief + 0.25 * woods < -0.52
    depth = 1 + 0.25 * fractal_noise(x, y, wavelength=1300, octaves=3, seed=seed + 70)
    spectrum = np.where(lake | (near_water < 0), _column("water", x.ndim) * depth, spectrum)
    return _select(np.clip(spectrum, 0.002, 1.0), bands)


def _farmland(x: Floats, y: Floats, seed: int, day: int) -> tuple[Floats, Floats]:
    """Parcels: rectangles along the direction of their district, cut unevenly."""
    district, _ = _district(x, y, seed)
    angle = np.pi * district
    along, across = np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x
    strip = np.floor(across / (110 + 170 * _again(district, 1)))
    name = (district * 2**20).astype(np.int64)
    jitter = hash_unit(strip.astype(np.int64), name, seed + 101)
    parcel = np.floor(along / (180 + 360 * jitter) + jitter)
    parcel_id = hash_unit(strip.astype(np.int64) * 65_537 + parcel.astype(np.int64), name, seed + 102)
    tone, late = _again(parcel_id, 3), _again(parcel_id, 4)

    shares = np.cumsum([share for share, _ in _CROPS])
    crop = np.minimum(np.searchsorted(shares, parcel_id), len(_CROPS) - 1)
    green, ripe = np.zeros_like(x), np.zeros_like(x)
    when = day + 24 * (late - 0.5)  # no two farmers sow on the same day
    for number, (_, knots) in enumerate(_CROPS):
        days, greens, ripes = np.array(knots).T
        here = crop == number
        green[here] = np.interp(when[here], days, greens)
        ripe[here] = np.interp(when[here], days, ripes)
    green *= 0.8 + 0.2 * tone
    bare = np.clip(1 - green - ripe, 0, 1)
    lush = np.where(crop == _GRASS, _column("meadow", x.ndim), _column("green", x.ndim))
    flowers = (crop == _RAPESEED) & (when > _RAPESEED_FLOWERS[0]) & (when < _RAPESEED_FLOWERS[1])
    lush = np.where(flowers, _column("flowering", x.ndim), lush)
    soil = _column("soil", x.ndim) * (0.72 + 0.5 * _again(parcel_id, 5))
    spectrum = green * lush + ripe * _column("ripe", x.ndim) * (0.85 + 0.3 * tone) + bare * soil
    growth = 1 + 0.07 * fractal_noise(x, y, wavelength=150, octaves=3, seed=seed + 103)
    tramlines = 1 + 0.02 * np.sin(2 * np.pi * across / 21.0) * (tone > 0.3)
    return spectrum * growth * tramlines, np.full_like(x, 0.025)


def _roads(x: Floats, y: Floats, seed: int, spectrum: Floats, rough: Floats) -> tuple[Floats, Floats]:
    """Roads run between districts, hedges beside some of them; one highway crosses the land."""
    name, border = _district(x, y, seed)
    highway = np.abs(0.34 * x + 0.94 * y + 90 * np.sin(x / 2300) - 700 * hash_unit(*_zero(), seed + 110) - 2400)
    highway = np.abs((highway + 6500) % 13_000 - 6500)
    spectrum = _put(spectrum, (border > 5) & (border < 13) & (name > 0.45), _SPECTRA["forest"])
    spectrum = _put(spectrum, border < 4, _SPECTRA["asphalt"] * 1.15)
    spectrum = _put(spectrum, highway < 16, _SPECTRA["meadow"])
    spectrum = _put(spectrum, (highway < 13) & (highway > 1.5), _SPECTRA["asphalt"])
    return spectrum, np.where((border < 4) | (highway < 13), 0.05, rough)


def _town(x: Floats, y: Floats, seed: int, town: Floats) -> Floats:
    """Houses and halls on plots, gardens around them, streets between."""
    name, border = cell_noise(x, y, size=130, seed=seed + 120)
    angle = np.pi * name
    along, across = np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x
    large = town > 0.5
    plot = np.where(large, 62.0, 23.0)
    col, row = np.floor(along / plot), np.floor(across / plot)
    u, v = np.abs(along / plot - col - 0.5), np.abs(across / plot - row - 0.5)
    house = hash_unit(col.astype(np.int64) + (name * 2**16).astype(np.int64), row.astype(np.int64), seed + 121)
    roof = (u < 0.22 + 0.16 * house) & (v < 0.24 + 0.12 * _again(house, 1)) & (house > 0.14)
    spectrum = 0.75 * np.where(large, _column("asphalt", x.ndim), _column("meadow", x.ndim))
    spectrum = spectrum + 0.1 * _column("forest", x.ndim)
    bright = (0.75 + 0.4 * _again(house, 2)) * np.ones_like(x)
    tiles = np.where((house < 0.88) & ~large, _column("tiles", x.ndim), _column("concrete", x.ndim))
    spectrum = np.where(roof, tiles * bright, spectrum)
    return _put(spectrum, border < 4.5, _SPECTRA["asphalt"])


def _district(x: Floats, y: Floats, seed: int) -> tuple[Floats, Floats]:
    bend = 90 * gradient_noise(x / 900, y / 900, seed + 105), 90 * gradient_noise(x / 900, y / 900, seed + 106)
    return cell_noise(x + bend[0], y + bend[1], size=1150, seed=seed + 107)


def _river_distance(x: Floats, y: Floats, seed: int, wavelength: float, half_width: float) -> Floats:
    """Distance to a winding line, minus half its width: negative in the water (m)."""

    def level(px: Floats, py: Floats) -> Floats:
        return fractal_noise(px, py, wavelength=wavelength, octaves=3, seed=seed + 80, gain=0.38)

    step = 4.0
    here = level(x, y)
    slope = np.hypot(level(x + step, y) - here, level(x, y + step) - here) / step
    return np.abs(here) / np.maximum(slope, 2e-5) - half_width


def _slope(x: Floats, y: Floats, seed: int) -> Floats:
    """Light on the relief, from the south-east: a morning pass."""

    def height(px: Floats, py: Floats) -> Floats:
        return 240 * fractal_noise(px, py, wavelength=2600, octaves=5, seed=seed + 10, gain=0.42)

    return (height(x - 15, y + 15) - height(x + 15, y - 15)) / 42 * 0.9


def _leaves(day: int) -> Floats:
    """Broad leaves come in April and go in November; without them only bark and litter reflect."""
    cover = float(np.interp(day, (95, 135, 285, 320), (0.0, 1.0, 1.0, 0.0)))
    bark = np.array((2.0, 1.6, 2.6, 1.0, 0.6, 1.3, 1.7))
    return np.asarray(cover + (1 - cover) * bark)


def _again(name: Floats, turn: int) -> Floats:
    """Draw another number in [0, 1) from a cell's name."""
    return hash_unit((name * 2**31).astype(np.int64), np.full(name.shape, turn, dtype=np.int64), 130)


def _zero() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.int64)


def _column(cover: str, ndim: int) -> Floats:
    return _SPECTRA[cover].reshape(-1, *(1,) * ndim)


def _put(spectrum: Floats, where: NDArray[np.bool_], values: Floats) -> Floats:
    return np.where(where, values.reshape(-1, *(1,) * where.ndim), spectrum)


def _select(spectrum: Floats, bands: Sequence[str]) -> Floats:
    layers = {name: spectrum[number] for number, name in enumerate(BANDS)}
    layers["pan"] = spectrum[1:4].mean(axis=0)
    unknown = sorted(set(bands) - set(layers))
    if unknown:
        raise ValueError(f"bands must be of {', '.join(layers)}; got {', '.join(unknown)}")
    return np.stack([layers[name] for name in bands])
