"""Rows of one item at one level, built with array operations only.

The unit is the item's reference grid (:class:`GridPlan`): everything that is
constant over an item is one word or number; everything that varies comes from
the two axes of the chip grid, which items of one product share, and from where
the chips are. :mod:`.assembly` makes the table of them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stacchip_osml.errors import ItemError, LimitError
from stacchip_osml.geometry import Footprints, Locator, chip_footprints
from stacchip_osml.index.arrays import column_of
from stacchip_osml.index.ids import chip_ids, grid_token
from stacchip_osml.pixel import ChipGrid, GridSpec, ImageSize, chip_grid
from stacchip_osml.stac.source import SourceImage

__all__ = ["WINDOWS", "ChipFractions", "GridPart", "GridPlan", "GridRows", "Kept"]
__all__ += ["build_rows", "grid_parts", "locate_chips", "plan_grid"]

WINDOWS = ("grid_col", "grid_row", "col_off", "row_off", "width", "height")
"""Columns that say where a chip is in its image."""
PART_CHIPS = 2**18
"""Rows are built in parts of about this many chips."""
_WINDOW = pa.int32()

Made = TypeVar("Made")


@dataclass(frozen=True, slots=True, kw_only=True)
class GridPlan:
    """What is decided about one item before its rows are built."""

    collection: str | None
    item_id: str
    datetime_us: int | None
    """Microseconds since the epoch, UTC."""
    interval_us: tuple[int, int] | None
    """First and last microsecond of its interval; None where it has none."""
    assets: tuple[str, ...]
    """Keys of the assets cut together, in band order."""
    reference: SourceImage
    """The asset whose R0 pixels the windows count."""
    locate: Locator | None
    """Pixel corner → lon, lat; None where nothing is known of the ground."""
    footprint: str | None
    """A value of :data:`stacchip_osml.geometry.placing.FOOTPRINTS`, ``item``, or None without any geometry."""
    gsd: float | None = None
    """Ground sample distance of the reference (m) at R0."""
    outline: tuple[bytes, tuple[float, float, float, float]] | None = None
    """WKB and planar bounds of the item's own geometry, used where ``footprint`` is ``item``."""


@dataclass(frozen=True, slots=True)
class ChipFractions:
    """Quality of each chip of a grid, row by row; float32, NaN = no valid pixel to judge by."""

    nodata: NDArray[np.float32] | None = None
    cloud: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True)
class GridPart:
    """Some whole rows of a chip grid, with their windows one by one."""

    grid: ChipGrid
    columns: Mapping[str, pa.Array]
    """``WINDOWS``, row by row."""

    @classmethod
    def of(cls, grid: ChipGrid) -> GridPart:
        """Expand a grid."""
        windows = grid.windows()
        return cls(grid, {name: column_of(_WINDOW, getattr(windows, name)) for name in WINDOWS})


@dataclass(frozen=True, slots=True, kw_only=True)
class GridRows:
    """The rows of one part of an item's grid, before they are columns."""

    plan: GridPlan
    part: GridPart
    chain: str
    """Id of the processing chain."""
    ids: pa.Array
    places: Footprints | None
    """Where the chips are; None where nothing is known of it."""
    fractions: ChipFractions
    keep: NDArray[np.bool_] | None = None
    """The rows that stay; None: all."""

    def __len__(self) -> int:
        """Count the rows that stay."""
        return len(self.ids) if self.keep is None else int(np.count_nonzero(self.keep))


class Kept(OrderedDict[Hashable, Made]):
    """What was made for the last few keys: items that follow each other have much in common."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most

    def find(self, key: Hashable, make: Callable[[], Made]) -> Made:
        """Give what was made for a key, or make it."""
        if key in self:
            self.move_to_end(key)
            return self[key]
        made = self[key] = make()
        if len(self) > self.most:
            self.popitem(last=False)
        return made


_FEW = 1 << 16
"""Chips of an axis up to which its grid is kept, and of a grid up to which its windows are."""


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
    size = plan.reference.size
    if max(size.width // spec.stride.width, size.height // spec.stride.height) >> level > _FEW:
        return chip_grid(size, spec, level=level, origin=origin)
    return _kept_grid(size, spec, level, origin)


@lru_cache(maxsize=16)
def _kept_grid(size: ImageSize, spec: GridSpec, level: int, origin: tuple[float, float]) -> ChipGrid:
    """Keep grids: images of one product share theirs."""
    grid = chip_grid(size, spec, level=level, origin=origin)
    for axis in (grid.cols, grid.rows):
        for values in (axis.index, axis.offset, axis.length):
            values.setflags(write=False)
    return grid


def grid_parts(grid: ChipGrid) -> tuple[GridPart, ...]:
    """Cut a grid into parts of about ``PART_CHIPS`` chips."""
    return _kept_parts(grid) if len(grid) <= _FEW else _new_parts(grid)


def _new_parts(grid: ChipGrid) -> tuple[GridPart, ...]:
    return tuple(GridPart.of(part) for part in grid.parts(PART_CHIPS))


_kept_parts = lru_cache(maxsize=4)(_new_parts)
"""Images of one product share their grid, and so its windows."""


def build_rows(
    plan: GridPlan,
    spec: GridSpec,
    part: GridPart,
    places: Footprints | None,
    *,
    chain: str,
    fractions: ChipFractions | None = None,
) -> GridRows:
    """Say what the rows of one part of a grid are, in row-by-row order.

    Raises:
        LimitError: the ids are more text than an Arrow array holds.
    """
    token = grid_token(spec, assets=plan.assets, reference=plan.reference.asset_key)
    ids = chip_ids(part.grid, collection=plan.collection or "", item_id=plan.item_id, token=token, chain=chain)
    return GridRows(plan=plan, part=part, chain=chain, ids=ids, places=places, fractions=fractions or ChipFractions())


def locate_chips(plan: GridPlan, grid: ChipGrid) -> Footprints | None:
    """Compute where the chips of a grid are; None where nothing is known of it.

    Raises:
        LimitError: the footprints are more than an Arrow array holds.
    """
    found = _repeated(plan, len(grid)) if plan.locate is None else chip_footprints(grid, plan.locate)
    if found is not None and found.offsets[-1] >= 2**31:
        raise LimitError(f"the footprints of {len(grid):,} chips are more than 2 GiB; use a larger chip_size or stride")
    return found


def _repeated(plan: GridPlan, count: int) -> Footprints | None:
    """Give every chip the item's own outline, where it has one."""
    if plan.outline is None:
        return None
    wkb, bounds = plan.outline
    if len(wkb) * count >= 2**31:
        raise LimitError(f"the footprints of {count:,} chips are more than 2 GiB; use a larger chip_size or stride")
    return Footprints(
        wkb=np.frombuffer(wkb * count, np.uint8),
        offsets=np.arange(count + 1, dtype=np.int64) * len(wkb),
        bbox=np.repeat(np.array(_outward(bounds), np.float32)[:, None], count, axis=1).T,
        present=None,
        segments=1,
        approximate=True,
    )


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
