"""The Chipper: index rows in, chips out."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.chain import BandedPixels, apply_chain
from stacchip_osml.encode import Chip, encode_chip
from stacchip_osml.errors import ChipError, LimitError, ReadError, WindowError
from stacchip_osml.imagery import FetchLimits, read_resampled
from stacchip_osml.index import ChipIndex
from stacchip_osml.load.images import ImageReader, ImageShelf
from stacchip_osml.load.plan import AssetRead, ChipPlan, plan_chip, stored_level

__all__ = ["ChipBatch", "Chipper"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ChipBatch:
    """Chips of one shape, as one array."""

    pixels: NDArray[Any]
    """``(N, C, H, W)``; nodata (or 0) where ``mask`` is False."""
    mask: NDArray[np.bool_]
    """``(N, C, H, W)``, True where valid."""
    present: NDArray[np.bool_]
    """``(N,)``, False for chips that are sparse, or could not be read under ``on_error="none"``."""
    rows: list[dict[str, Any]]
    """The index row of each chip."""
    band_names: tuple[str, ...]
    errors: dict[int, ChipError]
    """What went wrong, by position in the batch."""

    def __len__(self) -> int:
        """Count the chips."""
        return len(self.pixels)


class Chipper:
    """Cuts the pixels of index rows; safe for threads, and picklable.

    Example:
        >>> chipper = Chipper("my_index.parquet")
        >>> chip = chipper[0]
    """

    def __init__(
        self,
        index: ChipIndex | str | os.PathLike[str],
        *,
        chain: str | None = None,
        sign: Callable[[str], str] | None = None,
        fetch: FetchLimits | None = None,
    ) -> None:
        """Hold an index, or open one.

        Args:
            index: rows with their tables, or where they are saved.
            chain: processing chain instead of each row's, by its id in the index's registry.
            sign: href → href, applied when a file is opened and never stored.
            fetch: how long and how often a server is asked; None for the defaults.

        Raises:
            IndexSchemaError: there is no chip index at that path.
            ChainError: no such chain.
        """
        self.index = index if isinstance(index, ChipIndex) else ChipIndex.open(index)
        self.chain = chain
        if chain is not None:
            _ = self.index.chains[chain]
        self._shelf = ImageShelf(sign=sign, fetch=fetch)

    def __len__(self) -> int:
        """Count the chips."""
        return len(self.index)

    def __getitem__(self, position: int) -> Chip | None:
        """Cut the chip of one row; None where its image is sparse there.

        Raises:
            IndexError: no such row.
            ReadError: the pixels could not be fetched or decoded.
            ItemError: the file is not what the row was made from.
        """
        return self._cut(self._plan(self.index.row(position)))

    def __iter__(self) -> Iterator[Chip | None]:
        """Cut all chips in index order."""
        step = 256
        for first in range(0, len(self), step):
            for row in self.index.rows(np.arange(first, min(first + step, len(self)))):
                yield self._cut(self._plan(row))

    def __repr__(self) -> str:
        return f"Chipper({self.index!r})"

    def chip(self, *, x: int, y: int, item_id: str | None = None) -> Chip | None:
        """Cut the chip at a grid position.

        Args:
            x: ``grid_col``.
            y: ``grid_row``.
            item_id: which item; needed where several have that position.

        Raises:
            WindowError: no such chip, or more than one.
        """
        where = f"grid_col == {int(x)} and grid_row == {int(y)}"
        if item_id is not None:
            where += f" and item_id == {item_id!r}"
        found = self.index.query(where=where)
        if len(found) != 1:
            ids = ", ".join(repr(row["id"]) for row in found.head(3).rows(np.arange(min(3, len(found)))))
            hint = f"{len(found)} chips, among them {ids}; give item_id= or cut by row" if len(found) else "no chip"
            raise WindowError(f"grid position x={x}, y={y}{'' if item_id is None else f' of {item_id!r}'}: {hint}")
        return self._cut(self._plan(found.row(0)))

    def batch(self, positions: Sequence[int] | NDArray[np.integer], *, on_error: str = "raise") -> ChipBatch:
        """Cut several chips of one shape into one array.

        Args:
            positions: rows, in the order wanted.
            on_error: ``raise``, or ``none`` to leave a chip that cannot be read empty and name it in ``errors``.

        Raises:
            WindowError: the chips differ in shape, bands or type; or there are none.
            ReadError: a chip could not be read and ``on_error`` is ``raise``.
        """
        if on_error not in {"raise", "none"}:
            raise ChipError(f"on_error must be 'raise' or 'none', got {on_error!r}")
        rows = self.index.rows(positions)
        if not rows:
            raise WindowError("a batch needs one chip at least")
        chips: list[Chip | None] = []
        errors: dict[int, ChipError] = {}
        for place, row in enumerate(rows):
            try:
                chips.append(self._cut(self._plan(row)))
            except (ReadError, LimitError) as error:
                if on_error == "raise":
                    raise
                errors[place] = error
                chips.append(None)
        return self._stack(rows, chips, errors)

    def encode(
        self,
        position: int,
        *,
        format: str = "geotiff",  # noqa: A002 - the word users know
        chain: str | None = None,
        **options: Any,
    ) -> bytes | None:
        """Cut one chip and write it as an image file.

        Args:
            position: row of the index.
            format: ``geotiff``, ``png`` or ``jpeg``.
            chain: processing chain instead of the row's, by its id in the index's registry.
            options: of the format, see :func:`stacchip_osml.encode.encode_chip`.

        Returns:
            The file's bytes; None where the image is sparse.

        Raises:
            EncodeError: the format cannot carry these pixels.
            ChainError: no such chain.
            ReadError: the pixels could not be fetched or decoded.
        """
        chip = self._cut(self._plan(self.index.row(position), chain))
        return None if chip is None else encode_chip(chip, format, **options)

    def explain(self, positions: Sequence[int] | NDArray[np.integer]) -> list[dict[str, Any]]:
        """Say what would be read for some rows: files, stored level, blocks and bytes; no pixel is read."""
        from stacchip_osml.load.explain import explain_plan

        plans = [self._plan(row) for row in self.index.rows(positions)]
        return [explain_plan(plan, self._shelf) for plan in plans]

    def _plan(self, row: dict[str, Any], chain: str | None = None) -> ChipPlan:
        chosen = chain or self.chain
        told = row if chosen is None else row | {"chain": chosen}
        return plan_chip(told, self.index.tables.headers, self.index.chains)

    def _cut(self, plan: ChipPlan) -> Chip | None:
        readers = [self._shelf.reader(read.image) for read in plan.reads]
        parts = [_read(read, reader, plan) for read, reader in zip(plan.reads, readers, strict=True)]
        if all(part is None for part in parts):
            return None
        dtype = np.result_type(*(kind for reader in readers for kind in reader.dtypes))
        nodata = tuple(value for reader in readers for value in reader.nodata)
        bands = len(nodata)
        pixels = np.empty((bands, plan.size.height, plan.size.width), dtype)
        mask = np.zeros(pixels.shape, bool)
        at = 0
        for part, reader in zip(parts, readers, strict=True):
            here = slice(at, at + len(reader.nodata))
            if part is None:
                pixels[here] = np.array([_fill(value, dtype) for value in reader.nodata], dtype)[:, None, None]
            else:
                pixels[here], mask[here] = part
            at = here.stop
        scales = [pair for reader in readers for pair in reader.scales]
        done = apply_chain(
            self.index.chains[plan.chain],
            BandedPixels(
                pixels=pixels,
                mask=mask,
                scales=tuple(scale for scale, _ in scales),
                offsets=tuple(offset for _, offset in scales),
                nodata=nodata,
            ),
        )
        return Chip(
            pixels=done.pixels,
            mask=done.mask,
            window=plan.window,
            level=plan.level,
            chain=plan.chain,
            transform=plan.transform,
            crs=plan.crs,
            band_names=_band_names(readers),
            nodata=done.nodata,
            scales=done.scales,
            offsets=done.offsets,
            colors=_colors(readers),
            row=plan.row,
        )

    @staticmethod
    def _stack(rows: list[dict[str, Any]], chips: list[Chip | None], errors: dict[int, ChipError]) -> ChipBatch:
        found = [chip for chip in chips if chip is not None]
        if not found:
            raise next(iter(errors.values()), WindowError("every chip of the batch is sparse: its shape is unknown"))
        first = found[0]
        for chip in found[1:]:
            if chip.pixels.shape != first.pixels.shape or chip.pixels.dtype != first.pixels.dtype:
                raise WindowError(
                    f"chips of a batch must agree: {first.row['id']!r} is {first.pixels.shape} {first.pixels.dtype}, "
                    f"{chip.row['id']!r} is {chip.pixels.shape} {chip.pixels.dtype}"
                )
        fill = np.array([_fill(value, first.pixels.dtype) for value in first.nodata], first.pixels.dtype)
        pixels = np.empty((len(chips), *first.pixels.shape), first.pixels.dtype)
        mask = np.zeros(pixels.shape, bool)
        for place, cut in enumerate(chips):
            if cut is None:
                pixels[place] = fill[:, None, None]
            else:
                pixels[place], mask[place] = cut.pixels, cut.mask
        return ChipBatch(
            pixels=pixels,
            mask=mask,
            present=np.array([chip is not None for chip in chips]),
            rows=rows,
            band_names=first.band_names,
            errors=errors,
        )


def _read(read: AssetRead, reader: ImageReader, plan: ChipPlan) -> tuple[NDArray[Any], NDArray[np.bool_]] | None:
    level = stored_level(reader.levels, read.step)
    base, size = reader.levels[0], reader.levels[level]
    ratio = (size.width / base.width, size.height / base.height)
    return read_resampled(
        reader,
        start=(read.start[0] * ratio[0], read.start[1] * ratio[1]),
        step=(read.step[0] * ratio[0], read.step[1] * ratio[1]),
        size=plan.size,
        level=level,
        method=read.method,
        fill=[_fill(value, kind) for value, kind in zip(reader.nodata, reader.dtypes, strict=True)],
    )


def _fill(nodata: float | complex | None, dtype: np.dtype[Any]) -> float | complex:
    """Give the value of pixels that hold nothing: nodata where the type can hold it, else 0."""
    if nodata is None:
        return 0
    if np.issubdtype(dtype, np.integer):
        limits = np.iinfo(dtype)
        real = float(nodata.real)
        return int(nodata.real) if real.is_integer() and limits.min <= real <= limits.max else 0
    return nodata


def _band_names(readers: Sequence[ImageReader]) -> tuple[str, ...]:
    """Name bands: the asset key for an asset of one band, the band's own name else; unique in any case."""
    names = []
    for reader in readers:
        own = [band.name for band in reader.bands]
        if len(own) == 1:
            own = [reader.image.asset_key]
        elif len(readers) > 1:
            own = [f"{reader.image.asset_key}.{name}" for name in own]
        names += own
    return tuple(names)


def _colors(readers: Sequence[ImageReader]) -> tuple[str, ...]:
    """Give the colour each band is shown in: what the file says, else the band's common name."""
    colors = []
    for reader in readers:
        for stored, band in zip(reader.colors, reader.bands, strict=True):
            common = band.common_name if band.common_name in {"red", "green", "blue"} else None
            colors.append(common if common and stored in {"undefined", "gray"} else stored)
    return tuple(colors)
