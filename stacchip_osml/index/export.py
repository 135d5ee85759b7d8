"""Chips as STAC items, one a row, each naming the item it was cut from; chips as a GeoDataFrame."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import shapely

from stacchip_osml.index.arrays import shapes_of
from stacchip_osml.index.schema import INTERVAL
from stacchip_osml.index.tables import SideTables
from stacchip_osml.pixel import PixelWindow, window_transform
from stacchip_osml.stac.export import chip_to_item
from stacchip_osml.stac.json_values import plain

if TYPE_CHECKING:
    import geopandas

__all__ = ["chip_items", "geo_frame"]

_STATED = {"id", "collection", "datetime", *INTERVAL, "geometry", "bbox", "proj:code"}
"""Columns that have a place of their own in an item; the rest are properties."""

_CHUNK = 4096


def chip_items(table: pa.Table, tables: SideTables) -> Iterator[dict[str, Any]]:
    """Yield one STAC item a row, in order."""
    for first in range(0, table.num_rows, _CHUNK):
        chunk = table.slice(first, _CHUNK)
        shapes = shapes_of(chunk.column("geometry"), first)
        bounds = shapely.bounds(shapes).tolist()
        for row, shape, box in zip(chunk.drop_columns(["geometry"]).to_pylist(), shapes, bounds, strict=True):
            yield _item(row, shape, box, tables)


def geo_frame(table: pa.Table) -> geopandas.GeoDataFrame:
    """Give rows as a GeoDataFrame in CRS84 degrees."""
    import geopandas

    frame = table.drop_columns(["geometry"]).to_pandas()
    return geopandas.GeoDataFrame(frame, geometry=shapes_of(table.column("geometry"), 0), crs="OGC:CRS84")


def _item(row: Mapping[str, Any], shape: Any, bounds: list[float], tables: SideTables) -> dict[str, Any]:
    key = (row["collection"] or "", row["item_id"])
    header, source = tables.headers.get((*key, row["reference"])), tables.items.get(key, {})
    window, level = PixelWindow(row["col_off"], row["row_off"], row["width"], row["height"]), row["level"]
    transform = crs = None
    if header is not None and header.image.transform is not None:
        transform, crs = window_transform(header.image.transform, window, level=level), header.image.crs
    ends = row["start_datetime"], row["end_datetime"]
    interval = None if None in ends else ends
    columns = {name: value for name, value in row.items() if name not in _STATED}
    return chip_to_item(
        chip_id=row["id"],
        collection=key[0],
        geometry=None if shape is None else shapely.geometry.mapping(shape),
        bbox=None if shape is None else bounds,
        moment=None if interval is not None and _lacks_datetime(source) else row["datetime"],
        interval=interval,
        properties={
            (name if ":" in name or name == "gsd" else f"chip:{name}"): plain(v) for name, v in columns.items()
        },
        shape=(-(-window.height >> level), -(-window.width >> level)),
        transform=transform,
        crs=crs,
        source_href=_self_href(source),
    )


def _lacks_datetime(document: Mapping[str, Any]) -> bool:
    """Whether an item states no time beside its interval."""
    return "properties" in document and document["properties"].get("datetime") is None


def _self_href(document: Mapping[str, Any]) -> str | None:
    for link in document.get("links") or ():
        if isinstance(link, Mapping) and link.get("rel") == "self" and isinstance(link.get("href"), str):
            return str(link["href"])
    return None
