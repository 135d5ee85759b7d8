"""An invented spotlight collection: how its scene is seen, and what documents of it are spelled with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from stacchip_osml.geometry.ellipsoid import to_geodetic
from tests.geometry.sensor_documents import (
    CENTRE,
    DURATION,
    LIGHT,
    ORBIT,
    at,
    axes,
    poly1,
    poly2,
    poly_attributes,
    unit,
)

FREQUENCY, BANDWIDTH = 9.6e9, 150e6
SPACING = (0.8, 0.6)
"""Metres between rows and between columns."""
WIDTHS = (2 * BANDWIDTH / LIGHT, 1.3)
"""Spatial frequencies that rows and columns hold, cycles a metre."""
MIDDLE = DURATION / 2
PULSES = 8000
UP = np.array(
    [
        np.cos(np.radians(47.9)) * np.cos(np.radians(12.5)),
        np.cos(np.radians(47.9)) * np.sin(np.radians(12.5)),
        np.sin(np.radians(47.9)),
    ]
)
"""The ellipsoid's normal at the centre of the scene."""
EAST = unit(np.array([-CENTRE[1], CENTRE[0], 0.0]))
START = "2026-03-21T10:11:12.131415Z"
CORNERS = ("1:FRFC", "2:FRLC", "3:LRLC", "4:LRFC")


def side_of_track() -> str:
    place, speed = at(ORBIT, MIDDLE)
    return "L" if np.cross(place, speed) @ (CENTRE - place) > 0 else "R"


def slope() -> float:
    """Angle between the slant plane and the ground."""
    return float(np.radians(angles_of_sight()["SlopeAng"]))


def angles_of_sight() -> Mapping[str, float]:
    """Compute how the scene centre is seen at the middle of the aperture (NGA.STND.0024-3, section 3), in degrees."""
    place, speed = at(ORBIT, MIDDLE)
    reach = place - CENTRE
    slant = float(np.linalg.norm(reach))
    look = unit(reach)
    left = np.cross(unit(place), unit(speed))
    side = 1 if left @ -look > 0 else -1
    normal = unit(side * np.cross(reach, speed))  # of the slant plane, upwards
    ahead = unit(reach - (reach @ UP) * UP)  # on the ground, towards the platform
    sideways = np.cross(UP, ahead)
    graze = np.arcsin(look @ UP)
    north = np.cross(UP, EAST)
    shift = UP - normal / (normal @ UP)
    ground = float(np.linalg.norm(CENTRE) * np.arccos(unit(CENTRE) @ unit(place)))
    return {
        "SlantRange": slant,
        "GroundRange": ground,
        "DopplerConeAng": float(np.degrees(np.arccos(unit(speed) @ -look))),
        "GrazeAng": float(np.degrees(graze)),
        "IncidenceAng": float(90 - np.degrees(graze)),
        "TwistAng": float(-np.degrees(np.arcsin(sideways @ normal))),
        "SlopeAng": float(np.degrees(np.arccos(UP @ normal))),
        "AzimAng": float(np.degrees(np.arctan2(ahead @ EAST, ahead @ north)) % 360),
        "LayoverAng": float(np.degrees(np.arctan2(shift @ EAST, shift @ north)) % 360),
    }


def ground_corners(size: tuple[int, int]) -> np.ndarray:
    """Give ``(lat, lon)`` of the corner pixels, along the slant plane's normal onto the ground plane."""
    rows, cols = size
    row, col = axes(is_bistatic=False)
    normal = np.cross(row, col)
    points = []
    for at_row, at_col in ((0, 0), (0, cols - 1), (rows - 1, cols - 1), (rows - 1, 0)):
        offset = (at_row - rows // 2) * SPACING[0] * row + (at_col - cols // 2) * SPACING[1] * col
        points.append(CENTRE + offset - (offset @ UP) / (normal @ UP) * normal)
    lons, lats, _ = to_geodetic(np.stack(points, axis=1))
    return np.stack([lats, lons], axis=1)


def lat_lon(place: Sequence[float]) -> str:
    return f"<Lat>{float(place[0])!r}</Lat><Lon>{float(place[1])!r}</Lon>"


def si_lat_lon(place: Sequence[float]) -> str:
    """Write a place in SIDD's namespace of shared types."""
    return f"<si:Lat>{float(place[0])!r}</si:Lat><si:Lon>{float(place[1])!r}</si:Lon>"


def indexed(name: str, bodies: Iterable[str], indices: Iterable[Any] = range(1, 1000)) -> str:
    return "".join(f'<{name} index="{index}">{body}</{name}>' for index, body in zip(indices, bodies, strict=False))


def parameters(told: Mapping[str, str]) -> str:
    return "".join(f'<Parameter name="{name}">{text}</Parameter>' for name, text in told.items())


def poly1_of(name: str, values: Any) -> str:
    return f'<{name} order1="{len(values) - 1}">{poly1(values)}</{name}>'


def poly2_of(name: str, table: Any) -> str:
    return f"<{name} {poly_attributes(table)}>{poly2(table)}</{name}>"
