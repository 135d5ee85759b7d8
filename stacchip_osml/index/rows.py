"""Rows of one item at one level, built with array operations only.

The unit is the item's reference grid (:class:`GridPlan`): everything that is
constant over an item is a dictionary of one word; everything that varies comes
from the two axes of the chip grid.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stacchip_osml.errors import ItemError, LimitError
from stacchip_osml.geometry import Footprints, Locator, chip_footprints, effective_gsd
from stacchip_osml.index.ids import chip_ids, grid_token
from stacchip_osml.index.schema import BBOX, CHIP_SCHEMA
from stacchip_osml.pixel import ChipGrid, GridSpec, chip_grid
from stacchip_osml.stac.source import SourceImage

__all__ = ["ChipFractions", "ChipPlaces", "GridPlan", "build_rows", "locate_chips", "plan_grid"]

WORD = CHIP_SCHEMA.field("item_id").type


@dataclass(frozen=True, slots=True, kw_only=True)
class GridPlan:
    """What is decided about one item before its rows are built."""

    collection: str | None
    item_id: str
    datetime_us: int | None
    """Microseconds since the epoch, UTC."""
    assets: tuple[str, ...]
    """Keys of the assets cut together, in band order."""
    reference: SourceImage
    """The asset whose R0 pixels the windows count."""
    locate: Locator | None
    """Pixel corner → lon, lat; None where nothing is known of the ground."""
    footprint: str | None
    """A value of :data:`stacchip_osml.geometry.placing.FOOTPRINTS`, ``item``, or None without any geometry."""
    outline: tuple[bytes, tuple[float, float, float, float]] | None = None
    """WKB and planar bounds of the item's own geometry, used where ``footprint`` is ``item``."""


@dataclass(frozen=True, slots=True)
class ChipFractions:
    """Quality of each chip of a grid, row by row; float32, NaN = no valid pixel to judge by."""

    nodata: NDArray[np.float32] | None = None
    cloud: NDArray[np.float32] | None = None


def plan_grid(plan: GridPlan, spec: GridSpec, *, level: int) -> ChipGrid:
    """Lay the chip grid over an item's reference image.

    Raises:
        ItemError: a CRS-anchored grid is asked of an image that has no axis-parallel transform.
    """
    origin = (0.0, 0.0)
    if spec.anchor == "crs":
        transform = plan.reference.transform
        if transform is None:
            raise ItemError(f"item {plan.item_id!r}: a CRS-anchored grid needs a projected image; this one has no CRS")
        a, b, c, d, e, f = transform
        if b or d:
            raise ItemError(f"item {plan.item_id!r}: a CRS-anchored grid needs an unrotated image, not {transform}")
        origin = (-c / (a * 2**level), -f / (e * 2**level))
    return chip_grid(plan.reference.size, spec, level=level, origin=origin)


class ChipPlaces(NamedTuple):
    """Where the chips of a grid are, row by row."""

    geometry: pa.Array
    """WKB; null where a chip has no place on the ground."""
    bbox: pa.Array
    present: pa.Buffer | None
    """Bit by bit which chips have a place; None: all have what there is to have."""


def build_rows(
    plan: GridPlan,
    spec: GridSpec,
    grid: ChipGrid,
    places: ChipPlaces,
    *,
    chain: str,
    fractions: ChipFractions | None = None,
) -> pa.RecordBatch:
    """Build the chip rows of one grid, in row-by-row order, by the chip schema.

    Chips that have no place on the ground have no geometry, bbox and footprint.
    """
    count = len(grid)
    token = grid_token(spec, assets=plan.assets, reference=plan.reference.asset_key)
    windows = grid.windows()
    found = fractions or ChipFractions()
    first = _column(np.zeros(count, np.int32))
    columns = {
        "id": chip_ids(grid, collection=plan.collection or "", item_id=plan.item_id, token=token, chain=chain),
        "collection": _word(plan.collection, first),
        "item_id": _word(plan.item_id, first),
        "assets": _word(",".join(plan.assets), first),
        "reference": _word(plan.reference.asset_key, first),
        "datetime": _times(plan.datetime_us, count),
        "grid_col": _column(windows.grid_col),
        "grid_row": _column(windows.grid_row),
        "col_off": _column(windows.col_off),
        "row_off": _column(windows.row_off),
        "width": _column(windows.width),
        "height": _column(windows.height),
        "level": _column(np.full(count, grid.level, np.uint8)),
        "chain": _word(chain, first),
        "gsd": _floats(_gsd(plan, grid.level), count),
        "proj:code": _word(_code(plan.reference.crs), first),
        "footprint": _word(plan.footprint, first, places.present),
        "nodata_fraction": _fractions(found.nodata, count),
        "cloud_fraction": _fractions(found.cloud, count),
        "geometry": places.geometry,
        "bbox": places.bbox,
    }
    return pa.RecordBatch.from_arrays(list(columns.values()), schema=CHIP_SCHEMA)


def locate_chips(plan: GridPlan, grid: ChipGrid) -> ChipPlaces:
    """Compute where the chips of a grid are.

    Raises:
        LimitError: the footprints are more than an Arrow array holds.
    """
    count = len(grid)
    if plan.locate is not None:
        return _footprint_arrays(chip_footprints(grid, plan.locate), count)
    if plan.outline is None:
        return ChipPlaces(pa.nulls(count, pa.binary()), pa.nulls(count, BBOX), None)
    wkb, bounds = plan.outline
    box = pa.StructArray.from_arrays(
        [_column(np.full(count, side, np.float32)) for side in _outward(bounds)], fields=list(BBOX)
    )
    return ChipPlaces(pa.repeat(pa.scalar(wkb, pa.binary()), count), box, None)


def _footprint_arrays(shapes: Footprints, count: int) -> ChipPlaces:
    if shapes.offsets[-1] >= 2**31:
        raise LimitError(f"the footprints of {count:,} chips are more than 2 GiB; use a larger chip_size or stride")
    present = None if shapes.present is None else pa.py_buffer(np.packbits(shapes.present, bitorder="little"))
    offsets = pa.py_buffer(np.ascontiguousarray(shapes.offsets, dtype=np.int32))
    wkb = pa.Array.from_buffers(pa.binary(), count, [present, offsets, pa.py_buffer(shapes.wkb)])
    sides = [_column(side, present) for side in np.ascontiguousarray(shapes.bbox.T)]
    return ChipPlaces(wkb, pa.Array.from_buffers(BBOX, count, [present], children=sides), present)


def _outward(bounds: tuple[float, float, float, float]) -> list[np.float32]:
    low, high = np.float32(-np.inf), np.float32(np.inf)
    sides = [np.float32(bound) for bound in bounds]
    for position, toward in ((0, low), (1, low), (2, high), (3, high)):
        exact = bounds[position]
        rounded = float(sides[position])  # numpy would round the exact value to compare
        beyond = rounded > exact if toward == low else rounded < exact
        if beyond:
            sides[position] = np.nextafter(sides[position], toward)
    return sides


def _column(values: NDArray[Any], present: pa.Buffer | None = None) -> pa.Array:
    """Take a contiguous array as a column: pyarrow.array does the same, but looks for pandas and nulls first."""
    return pa.Array.from_buffers(pa.from_numpy_dtype(values.dtype), len(values), [present, pa.py_buffer(values)])


def _word(value: str | None, first: pa.Int32Array, present: pa.Buffer | None = None) -> pa.Array:
    """Give a column of one word; ``first`` is as many zeros, the index of the word, and is shared by all columns."""
    if value is None:
        return pa.nulls(len(first), WORD)
    buffers = [present, first.buffers()[1]]
    return pa.DictionaryArray.from_buffers(WORD, len(first), buffers, pa.array([value], pa.string()))


def _times(value: int | None, count: int) -> pa.Array:
    kind = pa.timestamp("us", "UTC")
    return pa.nulls(count, kind) if value is None else _column(np.full(count, value, np.int64)).view(kind)


def _floats(value: float | None, count: int) -> pa.Array:
    return pa.nulls(count, pa.float32()) if value is None else _column(np.full(count, value, np.float32))


def _fractions(values: NDArray[np.float32] | None, count: int) -> pa.Array:
    return pa.nulls(count, pa.float32()) if values is None else pa.array(values, pa.float32(), from_pandas=True)


def _code(crs: str | None) -> str | None:
    """Give an authority code as ``proj:code`` has it; WKT and PROJJSON have none."""
    return crs if crs is not None and len(crs) <= 32 and ":" in crs and "[" not in crs and "{" not in crs else None


def _gsd(plan: GridPlan, level: int) -> float | None:
    if plan.locate is not None:
        return effective_gsd(plan.locate, plan.reference.size, level)
    return None if plan.reference.gsd is None else plan.reference.gsd * 2**level
