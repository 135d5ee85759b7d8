"""The header table: what is known of every indexed image, so that no chip needs its item parsed again.

One row per (collection, item, asset, level); level 0 carries the facts of the
image. Nested facts (bands, GCPs, RPCs) are JSON text, everything that a query
could want is a column. Locations under the folder that holds the index are
stored relative to it, so that an index can be moved with its imagery.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa

from stacchip_osml.errors import IndexSchemaError
from stacchip_osml.imagery.header import GroundControlPoint
from stacchip_osml.pixel import ImageSize
from stacchip_osml.stac.source import SourceBand, SourceImage

__all__ = ["HEADER_SCHEMA", "AssetHeader", "HeaderKey", "headers_from_table", "headers_to_table"]

HeaderKey = tuple[str, str, str]
"""(collection or empty, item id, asset key)."""

HEADER_SCHEMA = pa.schema(
    [
        ("collection", pa.string()),
        ("item_id", pa.string()),
        ("asset_key", pa.string()),
        ("level", pa.uint8()),
        ("href", pa.string()),
        ("location", pa.string()),
        ("rows", pa.int32()),
        ("cols", pa.int32()),
        ("proj:transform", pa.list_(pa.float64())),
        ("crs", pa.string()),
        ("gcps", pa.string()),
        ("gcps_crs", pa.string()),
        ("rpcs", pa.string()),
        ("bands", pa.string()),
        ("media_type", pa.string()),
        ("roles", pa.list_(pa.string())),
        ("is_classes", pa.bool_()),
        ("gsd", pa.float64()),
        ("size_bytes", pa.int64()),
        ("modified_ns", pa.int64()),
        ("place", pa.uint32()),
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetHeader:
    """One indexed image."""

    collection: str | None
    item_id: str
    image: SourceImage
    place: int = 0
    """Hilbert index of the item's centre: the index is sorted by it."""

    @property
    def key(self) -> HeaderKey:
        """What identifies the image in an index."""
        return (self.collection or "", self.item_id, self.image.asset_key)


def headers_to_table(headers: Iterable[AssetHeader], *, root: Path | None = None, portable: bool = False) -> pa.Table:
    """Write headers as a table, sorted by key; local locations under ``root`` become relative.

    ``portable`` leaves out modification times, which do not survive a copy or a checkout.
    """
    rows = [
        _row(header, root) | ({"modified_ns": None} if portable else {})
        for header in sorted(headers, key=lambda header: header.key)
    ]
    return pa.Table.from_pylist(rows, schema=HEADER_SCHEMA)


def headers_from_table(table: pa.Table, *, root: Path | None, where: str) -> dict[HeaderKey, AssetHeader]:
    """Read what :func:`headers_to_table` wrote.

    Args:
        table: any table with the header columns.
        root: what relative locations are relative to; None refuses every local location (a remote index).
        where: names the table in messages.

    Raises:
        IndexSchemaError: a column is missing or a value is not what its name promises.
    """
    missing = [name for name in HEADER_SCHEMA.names if name not in table.schema.names]
    if missing:
        raise IndexSchemaError(f"{where}: header columns missing: {', '.join(missing)}")
    found = {}
    for position, row in enumerate(table.select(HEADER_SCHEMA.names).to_pylist()):
        try:
            header = _header(row, root)
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise IndexSchemaError(f"{where}: header row {position}: {error}") from error
        found[header.key] = header
    return found


def _row(header: AssetHeader, root: Path | None) -> dict[str, Any]:
    image = header.image
    return {
        "collection": header.collection,
        "item_id": header.item_id,
        "asset_key": image.asset_key,
        "level": 0,
        "href": image.href,
        "location": _relative(image.location, root),
        "rows": image.size.height,
        "cols": image.size.width,
        "proj:transform": None if image.transform is None else list(image.transform),
        "crs": image.crs,
        "gcps": _dump([dataclasses.astuple(point) for point in image.gcps]),
        "gcps_crs": image.gcps_crs,
        "rpcs": _dump([list(pair) for pair in image.rpcs]),
        "bands": _dump([_band_row(band) for band in image.bands]),
        "media_type": image.media_type,
        "roles": list(image.roles),
        "is_classes": image.is_classes,
        "gsd": image.gsd,
        "size_bytes": image.size_bytes,
        "modified_ns": image.modified_ns,
        "place": header.place,
    }


def _header(row: Mapping[str, Any], root: Path | None) -> AssetHeader:
    transform = row["proj:transform"]
    if transform is not None and (len(transform) != 6 or not all(map(math.isfinite, transform))):
        raise ValueError(f"proj:transform must be 6 finite numbers, got {transform}")
    if not (0 < row["rows"] < 2**31 and 0 < row["cols"] < 2**31):
        raise ValueError(f"rows and cols must be positive, got {row['rows']} x {row['cols']}")
    return AssetHeader(
        collection=row["collection"],
        item_id=str(row["item_id"]),
        place=int(row["place"] or 0),
        image=SourceImage(
            asset_key=str(row["asset_key"]),
            href=str(row["href"]),
            location=_absolute(row["location"], root),
            size=ImageSize(row["cols"], row["rows"]),
            transform=None if transform is None else tuple(transform),
            crs=row["crs"],
            gcps=tuple(GroundControlPoint(**_point(point)) for point in json.loads(row["gcps"] or "[]")),
            gcps_crs=row["gcps_crs"],
            rpcs=tuple((str(name), str(value)) for name, value in json.loads(row["rpcs"] or "[]")),
            bands=tuple(_band(band) for band in json.loads(row["bands"] or "[]")),
            media_type=row["media_type"],
            roles=tuple(row["roles"] or ()),
            is_classes=bool(row["is_classes"]),
            gsd=row["gsd"],
            size_bytes=row["size_bytes"],
            modified_ns=row["modified_ns"],
        ),
    )


def _point(values: list[float]) -> dict[str, float]:
    return dict(zip(("row", "col", "x", "y", "z"), map(float, values), strict=True))


def _band_row(band: SourceBand) -> dict[str, Any]:
    row = {field.name: getattr(band, field.name) for field in dataclasses.fields(band)}
    nodata = row["nodata"]
    if isinstance(nodata, complex):
        row["nodata"] = ["complex", nodata.real, nodata.imag]
    elif isinstance(nodata, float) and not math.isfinite(nodata):
        row["nodata"] = str(nodata)
    return {name: value for name, value in row.items() if value is not None}


def _band(row: Mapping[str, Any]) -> SourceBand:
    nodata = row.get("nodata")
    if isinstance(nodata, list):
        nodata = complex(float(nodata[1]), float(nodata[2]))
    elif isinstance(nodata, str):
        nodata = float(nodata)
    return SourceBand(**{**row, "nodata": nodata})


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
