"""The facts of an image as columns of the header table, and back."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

from stacchip_osml.geometry.placing import FOOTPRINTS
from stacchip_osml.imagery.header import GroundControlPoint
from stacchip_osml.index.layouts import dump_number, parse_number
from stacchip_osml.pixel import ImageSize
from stacchip_osml.stac.source import SourceBand, SourceImage

__all__ = ["image_from_row", "image_row"]


def image_row(image: SourceImage, root: Path | None) -> dict[str, Any]:
    """Give the columns of an image; its location relative where it is local and under ``root``."""
    return {
        "href": image.href,
        "location": _relative(image.location, root),
        "rows": image.size.height,
        "cols": image.size.width,
        "proj:transform": None if image.transform is None else list(image.transform),
        "crs": image.crs,
        "gcps": _dump([dataclasses.astuple(point) for point in image.gcps]),
        "gcps_crs": image.gcps_crs,
        "rpcs": _dump([list(pair) for pair in image.rpcs]),
        "sensor": image.sensor,
        "footprint": image.footprint,
        "bands": _dump([_band_row(band) for band in image.bands]),
        "media_type": image.media_type,
        "roles": list(image.roles),
        "is_classes": image.is_classes,
        "gsd": image.gsd,
        "size_bytes": image.size_bytes,
        "modified_ns": image.modified_ns,
    }


def image_from_row(row: Mapping[str, Any], root: Path | None) -> SourceImage:
    """Read the columns of an image.

    Raises:
        ValueError: a value is not what its name promises; TypeError and KeyError likewise.
    """
    transform = row["proj:transform"]
    if transform is not None and (len(transform) != 6 or not all(map(math.isfinite, transform))):
        raise ValueError(f"proj:transform must be 6 finite numbers, got {transform}")
    if not (0 < row["rows"] < 2**31 and 0 < row["cols"] < 2**31):
        raise ValueError(f"rows and cols must be positive, got {row['rows']} x {row['cols']}")
    if row["footprint"] is not None and row["footprint"] not in FOOTPRINTS.values():
        raise ValueError(
            f"footprint must be one of {', '.join(sorted({*FOOTPRINTS.values()}))}, got {row['footprint']!r:.40}"
        )
    return SourceImage(
        asset_key=str(row["asset_key"]),
        href=str(row["href"]),
        location=_absolute(row["location"], root),
        size=ImageSize(row["cols"], row["rows"]),
        transform=None if transform is None else tuple(transform),
        crs=row["crs"],
        gcps=tuple(GroundControlPoint(**_point(point)) for point in _parsed(row["gcps"])),
        gcps_crs=row["gcps_crs"],
        rpcs=tuple((str(name), str(value)) for name, value in _parsed(row["rpcs"])),
        sensor=row["sensor"],
        footprint=row["footprint"],
        bands=_bands(row["bands"]),
        media_type=row["media_type"],
        roles=tuple(row["roles"] or ()),
        is_classes=bool(row["is_classes"]),
        gsd=row["gsd"],
        size_bytes=row["size_bytes"],
        modified_ns=row["modified_ns"],
    )


def _point(values: list[float]) -> dict[str, float]:
    return dict(zip(("row", "col", "x", "y", "z"), map(float, values), strict=True))


def _band_row(band: SourceBand) -> dict[str, Any]:
    row = {field.name: getattr(band, field.name) for field in dataclasses.fields(band)}
    row["nodata"] = dump_number(row["nodata"])
    return {name: value for name, value in row.items() if value is not None}


@lru_cache(maxsize=64)  # images of one collection have the same
def _bands(text: str | None) -> tuple[SourceBand, ...]:
    return tuple(_band(band) for band in _parsed(text))


def _band(row: Mapping[str, Any]) -> SourceBand:
    return SourceBand(**{**row, "nodata": parse_number(row.get("nodata"))})


def _parsed(text: str | None) -> list[Any]:
    return json.loads(text) if text else []  # what it holds is checked where it is used


def _dump(values: list[Any]) -> str | None:
    return json.dumps(values, separators=(",", ":"), allow_nan=False) if values else None


def _relative(location: str, root: Path | None) -> str:
    if root is None or "://" in location:
        return location
    try:
        return PurePosixPath(Path(location).relative_to(root)).as_posix()
    except ValueError:
        return location


def _absolute(location: Any, root: Path | None) -> str:
    text = str(location)
    if "://" in text:
        return text
    if root is None:
        raise ValueError(f"a remote index may not point at the local file {text!r}")
    path = PurePosixPath(text)
    if not path.is_absolute() and ".." in path.parts:
        raise ValueError(f"location {text!r} leaves the folder that holds the index")
    return str(root / text)
