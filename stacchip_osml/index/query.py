"""Choosing rows: box, shape, time and condition, reading only the row groups that could match."""

from __future__ import annotations

import calendar
import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from stacchip_osml.errors import IndexSchemaError
from stacchip_osml.index.arrays import numbers_of, positions, shapes_of, valid_of
from stacchip_osml.index.parts import GroupBounds
from stacchip_osml.index.schema import INTERVAL
from stacchip_osml.index.store import ChipStore
from stacchip_osml.index.where import parse_where

__all__ = ["Query", "matching_groups", "select_rows", "sides_of", "spans_of"]

Box = tuple[float, float, float, float]
_ROW = "row of the group"
_SLACK = 1e-6
"""Degrees that rounding may lead beyond ±180 or ±90."""
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A question to an index, parsed."""

    boxes: tuple[Box, ...] | None = None
    """Planar boxes any of which a row's bbox must meet; None = anywhere."""
    shape: Any = None
    """shapely geometry a row's footprint must intersect."""
    times: tuple[int, int] | None = None
    """First and last microsecond since the epoch, both included; an item's interval must meet them."""
    where: str | pc.Expression | None = None

    @classmethod
    def of(
        cls,
        *,
        bbox: Sequence[float] | None = None,
        intersects: Any = None,
        datetime: Any = None,
        where: str | pc.Expression | None = None,
    ) -> Query:
        """Parse what a caller gives.

        Args:
            bbox: ``xmin ymin xmax ymax`` (or 6 values with heights); ``xmin > xmax`` crosses the antimeridian.
            intersects: GeoJSON (a geometry, feature or feature collection), shapely, or anything with
                ``__geo_interface__``, such as a GeoDataFrame; lon, lat.
            datetime: a moment, an interval ``(start, end)``, or STAC text: ``2024-01-01/..``.
            where: condition text, or a pyarrow expression.

        Raises:
            IndexSchemaError: a value that is not what its name says.
        """
        if where is not None and not isinstance(where, str | pc.Expression):
            kind = type(where).__name__
            raise IndexSchemaError(f"where must be text or a pyarrow expression, got {kind}; truth values go to select")
        boxes = None if bbox is None else _boxes(bbox)
        shape = None
        if intersects is not None:
            shape = _shape(intersects)
            inside = _boxes(shape.bounds)
            boxes = inside if boxes is None else tuple(c for a in boxes for b in inside if (c := _overlap(a, b)))
        return cls(boxes=boxes, shape=shape, times=None if datetime is None else _interval(datetime), where=where)


def matching_groups(bounds: GroupBounds, query: Query) -> NDArray[np.int64]:
    """Give the row groups that could hold a match, in order."""
    keep = np.ones(len(bounds.bbox), bool)
    if query.boxes is not None:
        hit = np.zeros_like(keep)
        for west, south, east, north in query.boxes:
            box = bounds.bbox
            hit |= (box[:, 0] <= east) & (box[:, 2] >= west) & (box[:, 1] <= north) & (box[:, 3] >= south)
        keep &= hit
    if query.times is not None:
        keep &= (bounds.times[:, 0] <= query.times[1]) & (bounds.times[:, 1] >= query.times[0])
    return np.flatnonzero(keep)


def select_rows(store: ChipStore, query: Query, columns: Sequence[str] | None = None) -> pa.Table:
    """Read the rows that match.

    Args:
        store: the rows.
        query: which of them.
        columns: of them, all of the store's.

    Raises:
        IndexSchemaError: a condition that names an unknown column, or does not fit its types.
    """
    condition = parse_where(query.where, store.schema) if isinstance(query.where, str) else query.where
    filters = _condition_columns(query, store.schema)
    found = []
    asked = False
    for group in matching_groups(store.bounds, query).tolist():
        rows = _rows_around(store, group, query)
        if condition is not None and len(rows):
            rows = _filtered(store.read_groups([group], filters), rows, condition, query)
            asked = True
        if query.shape is not None and len(rows):
            footprints = store.read_groups([group], ["geometry"]).column("geometry").take(positions(rows))
            rows = rows[_intersecting(footprints, query.shape)]
        if len(rows):
            found.append(store.read_groups([group], columns).take(positions(rows)))
    if condition is not None and not asked:  # a wrong condition is refused wherever the box is
        _filtered(store.schema.empty_table(), np.zeros(0, np.int64), condition, query)
    if not found:
        return store.read_groups([], columns)
    return found[0] if len(found) == 1 else pa.concat_tables(found, promote_options="permissive").unify_dictionaries()


def _condition_columns(query: Query, schema: pa.Schema) -> list[str]:
    """Name the columns that a condition could be about."""
    if not isinstance(query.where, str):
        return list(schema.names)  # an expression does not tell what it refers to
    # a name that only happens to stand in the text costs time, not correctness
    return [name for name in schema.names if name in query.where] or ["level"]


def _rows_around(store: ChipStore, group: int, query: Query) -> NDArray[np.int64]:
    """Give the rows of a group within the boxes and times; only these columns are read."""
    keep = np.ones(int(np.diff(store.bounds.start[group : group + 2])[0]), bool)
    if query.boxes is not None:
        boxes = store.read_groups([group], ["bbox"]).column("bbox")
        keep &= np.concatenate([np.zeros(0, bool), *(_meets(chunk, query.boxes) for chunk in boxes.chunks)])
    if query.times is not None and keep.any():
        keep &= _during(store.read_groups([group], ["datetime", *INTERVAL]), query.times)
    return np.flatnonzero(keep)


def _during(rows: pa.Table, times: tuple[int, int]) -> NDArray[np.bool_]:
    """Tell which rows meet a span of time; a row without a time meets none."""
    first, last, dated = spans_of(rows)
    return np.asarray(dated & (first <= times[1]) & (last >= times[0]))


def spans_of(rows: pa.Table) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Give first and last time of rows, of their interval or, where they have none, their time.

    Returns:
        ``(rows,)`` each: both in µs since the epoch, and whether the row has a time at all.
    """
    sides = [pc.coalesce(rows.column(side), rows.column("datetime")) for side in INTERVAL]
    dated = np.ones(len(rows), bool)
    for column in sides:
        if column.null_count:
            dated &= np.concatenate([valid_of(chunk) for chunk in column.chunks])
    first, last = map(numbers_of, sides)
    return first, last, dated


def _meets(bboxes: pa.StructArray, boxes: Sequence[Box]) -> NDArray[np.bool_]:
    """Tell which bboxes meet any of the boxes; null meets none."""
    # Arrow's own comparisons take five times as long; float64, or numpy would round the boxes
    xmin, ymin, xmax, ymax = sides_of(bboxes)
    keep = np.zeros(len(bboxes), bool)
    for west, south, east, north in boxes:
        keep |= (xmin <= east) & (xmax >= west) & (ymin <= north) & (ymax >= south)
    return keep


def sides_of(bboxes: pa.StructArray) -> list[NDArray[np.float64]]:
    """Give xmin, ymin, xmax, ymax of bboxes, degrees; NaN where a row has none."""
    return [numbers_of(side, null=np.nan).astype(np.float64) for side in bboxes.flatten()]


def _filtered(table: pa.Table, rows: NDArray[np.int64], condition: pc.Expression, query: Query) -> NDArray[np.int64]:
    """Keep those rows of a table that meet the condition."""
    numbers = positions(rows)
    try:
        return np.asarray(table.take(numbers).append_column(_ROW, numbers).filter(condition).column(_ROW).to_numpy())
    except (pa.ArrowException, ValueError, TypeError) as error:
        raise IndexSchemaError(f"where: {query.where}: {error}") from error


def _intersecting(geometry: pa.ChunkedArray, shape: Any) -> NDArray[np.bool_]:
    import shapely

    shapely.prepare(shape)
    return np.asarray(shapely.intersects(shape, shapes_of(geometry)), dtype=bool)


def _boxes(values: Sequence[float]) -> tuple[Box, ...]:
    try:
        numbers = [float(value) for value in values]
    except (TypeError, ValueError):
        raise IndexSchemaError(f"bbox must be 4 or 6 numbers, got {values!r}") from None
    if len(numbers) == 6:
        numbers = [numbers[0], numbers[1], numbers[3], numbers[4]]
    if len(numbers) != 4 or not np.isfinite(numbers).all():
        raise IndexSchemaError(f"bbox must be 4 or 6 finite numbers: xmin ymin xmax ymax, got {list(values)}")
    west, south, east, north = numbers
    if south > north:
        raise IndexSchemaError(f"bbox south {south} is above its north {north}")
    if max(abs(west), abs(east)) > 180 + _SLACK or max(-south, north) > 90 + _SLACK:
        raise IndexSchemaError(
            f"a box is in degrees, longitudes from -180 to 180 (west above east crosses ±180), got {numbers}"
        )
    if west <= east:
        return ((west, south, east, north),)
    return ((west, south, 180.0, north), (-180.0, south, east, north))


def _overlap(a: Box, b: Box) -> Box | None:
    box = (max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3]))
    return box if box[0] <= box[2] and box[1] <= box[3] else None


def _shape(value: Any) -> Any:
    import shapely
    from shapely.geometry import shape

    if isinstance(value, shapely.Geometry):
        found = value
    else:
        document = getattr(value, "__geo_interface__", value)
        if not isinstance(document, Mapping):
            raise IndexSchemaError(
                f"intersects must be GeoJSON, as json.load gives it, or shapely's; got {value!r:.60}"
            )
        try:
            if document.get("type") == "FeatureCollection":
                features = [feature for feature in document["features"] if feature.get("geometry")]
                found = shapely.union_all([_shape(feature) for feature in features])
            else:
                found = shape(document["geometry"] if document.get("type") == "Feature" else document)
        except (shapely.errors.ShapelyError, AttributeError, KeyError, TypeError, ValueError) as error:
            raise IndexSchemaError(f"intersects must be a GeoJSON or shapely geometry: {error}") from error
    if found.is_empty:
        raise IndexSchemaError("intersects is an empty geometry")
    return found


def _interval(value: Any) -> tuple[int, int]:
    if isinstance(value, str) and "/" in value:
        parts: Sequence[Any] = value.split("/")
    elif isinstance(value, (tuple, list)):
        parts = value
    else:
        parts = (value, value)
    if len(parts) != 2:
        raise IndexSchemaError(f"datetime must be a moment or an interval start/end, got {value!r}")
    first, last = _moment(parts[0], end=False), _moment(parts[1], end=True)
    if first > last:
        raise IndexSchemaError(f"datetime interval {value!r} ends before it starts")
    return first, last


def _moment(value: Any, *, end: bool) -> int:
    if value is None or (isinstance(value, str) and value in {"", ".."}):
        limit = np.iinfo(np.int64)
        return int(limit.max if end else limit.min)
    whole_day = isinstance(value, str) and len(value) <= 10
    if isinstance(value, str):
        try:
            value = dt.datetime.fromisoformat(_full_date(value, end=end) if whole_day else value)
        except ValueError:
            raise IndexSchemaError(
                f"datetime {value!r} is not RFC 3339, such as 2024-05-01T00:00:00Z, 2024-05-01 or 2024-05; "
                "an interval is start/end"
            ) from None
    elif isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        whole_day = True
        value = dt.datetime.combine(value, dt.time())
    if not isinstance(value, dt.datetime) or value != value:  # noqa: PLR0124 - pandas' missing time is one
        raise IndexSchemaError(f"datetime must be text, a date or a datetime, got {value!r}")
    if value.tzinfo is None:
        value = value.replace(tzinfo=dt.UTC)
    micros: int = (value - _EPOCH) // dt.timedelta(microseconds=1)
    return micros + (86_400_000_000 - 1 if end and whole_day else 0)


def _full_date(text: str, *, end: bool) -> str:
    """Complete ``2024`` or ``2024-05`` to the first or last day it covers."""
    year, *rest = text.split("-")
    month = int(rest[0]) if rest else (12 if end else 1)
    if len(rest) > 1:
        return text
    if not end:
        return f"{year}-{month:02d}-01"
    return f"{year}-{month:02d}-{calendar.monthrange(int(year), month)[1]}"
