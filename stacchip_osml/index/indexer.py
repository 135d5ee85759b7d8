"""The Indexer: STAC items in, a chip index out."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from stacchip_osml.chain import (
    RAW,
    ChainDefinition,
    ChainRegistry,
    ProcessingChain,
    chain_id,
    complete_chain,
    is_resolved,
    resolve,
)
from stacchip_osml.errors import ChainError, ChipError, ItemError, LimitError, ReadError, WindowError, redact
from stacchip_osml.geometry import Footprints
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.index.assembly import assemble
from stacchip_osml.index.chip_index import ChipIndex
from stacchip_osml.index.filling import Filler, filled_in_order
from stacchip_osml.index.headers import AssetHeader, HeaderKey
from stacchip_osml.index.item_statistics import item_statistics
from stacchip_osml.index.plan import AssetChoice, ItemPlan, plan_item
from stacchip_osml.index.rows import (
    ChipFractions,
    GridPart,
    GridRows,
    Kept,
    build_rows,
    grid_parts,
    locate_chips,
    plan_grid,
)
from stacchip_osml.index.statistics import QualityBand, chip_fractions, preset
from stacchip_osml.index.tables import ItemKey, SideTables
from stacchip_osml.pixel import ChipGrid, GridSpec
from stacchip_osml.pixel.arguments import function_or_none, of_kind, one_of, words
from stacchip_osml.pixel.counts import number_within, whole_number
from stacchip_osml.stac.collect import iter_items
from stacchip_osml.stac.hrefs import given_roots
from stacchip_osml.stac.image_place import FileReader
from stacchip_osml.stac.items import StacItem

__all__ = ["MAX_ITEM_CHIPS", "Indexer"]

MAX_ITEM_CHIPS = 8_000_000
"""Most chips an item may have: about 2 GB of rows in memory."""
KEPT = 4
"""Grids whose footprints are kept for the next item."""
Planned = tuple[StacItem, ItemPlan, list[ChipGrid]]


class Indexer:
    """Turns STAC items into a chip index.

    Example:
        >>> index = Indexer("catalog.json", chip_size=256, quality="scl").create_index()
    """

    def __init__(
        self,
        items: Any,
        chip_size: int | tuple[int, int] = 256,
        *,
        assets: Sequence[str] | None = None,
        reference: str | None = None,
        levels: Sequence[int] = (0,),
        stride: int | tuple[int, int] | None = None,
        edges: str = "drop",
        anchor: str = "image",
        chain: str | ChainDefinition | Sequence[Mapping[str, Any]] | ProcessingChain = RAW,
        statistics: Callable[[StacItem, tuple[str, ...]], Any] | None = None,
        resampling: Mapping[str, str] | str | None = None,
        quality: QualityBand | str | None = None,
        max_nodata: float = 1.0,
        alternate: str | None = None,
        base: str | os.PathLike[str] | None = None,
        roots: Sequence[str] | None = None,
        search: Mapping[str, Any] | None = None,
        sign: Callable[[str], str] | None = None,
        read_headers: bool = True,
        headers: bool = False,
        on_error: str = "raise",
        progress: Callable[[str, int], None] | None = None,
    ) -> None:
        """Say what to index and how.

        Args:
            items: a pystac Item, ItemCollection, Catalog or Collection; a dict; an iterable of items; a path or
                URL to an item, item collection, catalog, stac-geoparquet file or STAC API; an image or a folder.
            chip_size: pixels of the chip's level: one side, or ``(width, height)``.
            assets: asset keys to cut together, in band order; None takes every image asset.
            reference: the asset whose R0 pixels windows count; None takes the one with the smallest pixels.
            levels: pyramid levels to cut chips at; a chip of level 2 covers four times its pixels in R0.
            stride: step between chips, pixels of the level; None = the chip size.
            edges: ``drop``, ``partial``, ``pad`` or ``shift``.
            anchor: ``image``, or ``crs`` for chips of different dates with the same bounds.
            chain: ``raw``, or steps of a processing chain.
            statistics: item and asset keys → statistics of their bands, in order (``ImageStatistics``), for steps
                whose ``resolve`` is ``item``: their numbers are put into the chain of each item. None takes those
                that are stored with the images, or reads their coarsest level with ten million pixels.
            resampling: how assets come to the reference grid: a method, or methods by asset key;
                None = nearest for classes, bilinear (up) and area (down) for measurements.
            quality: the band that gives nodata and cloud fractions: ``scl``, ``qa_pixel`` or a QualityBand.
            max_nodata: drop chips whose nodata fraction is above this; needs ``quality`` below 1.
            alternate: prefer this alternate href of an asset, for example ``s3``.
            base: folder, or path or URL of a document, that relative hrefs of items given as objects resolve against.
            roots: local folders that assets may lie under, instead of the item's own.
            search: parameters of a STAC API search: collections, bbox, datetime, query, filter, max_items …
            sign: href → href, applied when bytes are read and never stored.
            read_headers: whether an image may be opened for facts that its item lacks.
            headers: open every image, and store its header and where its blocks are, so that no reader has to.
            on_error: ``raise``, or ``skip`` to leave such items out and list them in ``ChipIndex.problems``.
            progress: called after each item with its id and the chips so far.

        Raises:
            WindowError: an impossible grid.
            ChainError: an unknown step or method.
            ChipError: a value outside of what is named above.
        """
        one_of("on_error", on_error, ("raise", "skip"))
        self.max_nodata = number_within("max_nodata", max_nodata, least=0, most=1)
        if self.max_nodata < 1 and quality is None:
            raise ChipError("max_nodata needs quality=: without it no nodata fraction is computed")
        if headers and not read_headers:
            raise ChipError("headers=True opens every image, which read_headers=False forbids")
        self.items = items
        self.spec = GridSpec.of(chip_size, stride=stride, edges=edges, anchor=anchor)
        self.levels = _levels(levels)
        self.choice = AssetChoice(
            assets=None if assets is None else _keys(assets),
            reference=None if reference is None else of_kind("reference", reference, str, "an asset key"),
            steps=_steps(chain),
            resampling=resampling,
            quality=_quality(quality),
            alternate=None if alternate is None else of_kind("alternate", alternate, str, "an alternate's name"),
        )
        self.statistics = function_or_none("statistics", statistics)
        self.is_resolved = is_resolved(self.choice.steps)
        if not self.is_resolved and statistics is None and not read_headers:
            raise ChainError(
                "a step of the chain takes its limits from the whole item, whose images read_headers=False forbids to "
                "open: give them by statistics="
            )
        self.base = base
        self.roots = given_roots(roots)
        self.search = search
        self.sign = function_or_none("sign", sign)
        self.read_headers = read_headers
        self.headers = headers
        self.on_error = on_error
        self.progress = function_or_none("progress", progress)
        self._located: Kept[Footprints | None] = Kept(KEPT)
        self.problems: list[ChipError] = []
        """Items left out so far, with the reason."""

    def __repr__(self) -> str:
        is_place = isinstance(self.items, str | os.PathLike)
        items = repr(redact(str(self.items))) if is_place else type(self.items).__name__
        width, height = self.spec.size
        levels = f", levels {', '.join(map(str, self.levels))}" if self.levels != (0,) else ""
        return f"Indexer({items}, chips of {width}x{height}{levels})"

    def create_index(self) -> ChipIndex:
        """Build the index.

        Returns:
            All rows in memory, in index order; ``problems`` lists what was left out.

        Raises:
            ItemError: an item cannot be indexed and ``on_error`` is ``raise``.
            ReadError: a header or quality band could not be read and ``on_error`` is ``raise``.
        """
        rows: dict[tuple[str, int], list[GridRows]] = {}
        documents: dict[ItemKey, dict[str, Any]] = {}
        headers: dict[HeaderKey, AssetHeader] = {}
        chains: dict[str, ChainDefinition] = {}
        chips = 0
        for item, plan, grids in self._filled(self._plans()) if self.headers else self._plans():
            name = chain_id(plan.chain)
            try:
                built = [self._rows(plan, part, name) for grid in grids for part in grid_parts(grid)]
            except ChipError as error:
                self._refuse(item, error)
                continue
            rows.setdefault((item.collection, plan.place), []).extend(built)
            chips += sum(map(len, built))
            documents[item.collection, item.id] = item.document
            headers.update({header.key: header for header in plan.headers})
            chains[name] = plan.chain
            if self.progress is not None:
                self.progress(item.id, chips)
        tables = SideTables(documents, headers, ChainRegistry(chains.values()))
        return ChipIndex.from_table(assemble(rows), tables, problems=self.problems)

    def plan(self) -> Iterator[tuple[ItemPlan, list[ChipGrid]]]:
        """Yield what would be indexed, item by item, without building rows: a dry run."""
        for _, plan, grids in self._plans():
            yield plan, grids

    def _plans(self) -> Iterator[Planned]:
        self.problems = []
        self._located = Kept(KEPT)
        files = FileReader(sign=self.sign)
        reader = files.header if self.read_headers else None
        skip = self.problems.append if self.on_error == "skip" else None
        for item in iter_items(
            self.items,
            base=self.base,
            roots=self.roots,
            search=self.search,
            sign=self.sign,
            read_header=files.header,
            read_sensor=files.sensor,
            on_error=skip,
        ):
            try:
                plan = plan_item(item, self.choice, read_header=reader, read_sensor=files.sensor)
                if not self.is_resolved:
                    plan = replace(plan, chain=resolve(plan.chain, self._statistics(item, plan)))
                grids = [plan_grid(plan.grid, self.spec, level=level) for level in self.levels]
                self._require_few(grids)
            except ChipError as error:
                self._refuse(item, error)
                continue
            yield item, plan, grids

    def _statistics(self, item: StacItem, plan: ItemPlan) -> Any:
        if self.statistics is not None:
            return self.statistics(item, plan.grid.assets)
        images = {header.image.asset_key: header.image for header in plan.headers}
        return item_statistics([images[key] for key in plan.grid.assets], sign=self.sign)

    def _filled(self, plans: Iterable[Planned]) -> Iterator[Planned]:
        """Add to plans what their files say, several items ahead; leave items out whose files cannot be read."""
        filler = Filler(sign=self.sign)
        work = ((planned, [partial(filler.filled, header) for header in planned[1].headers]) for planned in plans)
        for (item, plan, grids), found in filled_in_order(work):
            if isinstance(found, ChipError):
                self._refuse(item, found)
            else:
                yield item, replace(plan, headers=found), grids

    @staticmethod
    def _require_few(grids: Sequence[ChipGrid]) -> None:
        chips = sum(len(grid) for grid in grids)
        if chips > MAX_ITEM_CHIPS:
            raise LimitError(f"{chips:,} chips, at most {MAX_ITEM_CHIPS:,} an item; use a larger chip_size or stride")

    def _rows(self, plan: ItemPlan, part: GridPart, chain: str) -> GridRows:
        places, fractions = self._places(plan, part.grid), self._fractions(plan, part.grid)
        rows = build_rows(plan.grid, self.spec, part, places, chain=chain, fractions=fractions)
        if self.max_nodata == 1 or fractions is None or fractions.nodata is None:
            return rows
        keep = fractions.nodata.astype(np.float64) <= self.max_nodata
        return rows if keep.all() else replace(rows, keep=keep)

    def _places(self, plan: ItemPlan, grid: ChipGrid) -> Footprints | None:
        """Locate a grid's chips; dates of one tile share the work."""
        image = plan.grid.reference
        if plan.grid.footprint != "projected":
            return locate_chips(plan.grid, grid)
        key = (image.transform, image.crs, image.size, grid.level, int(grid.rows.offset[:1].sum()))
        return self._located.find(key, lambda: locate_chips(plan.grid, grid))

    def _fractions(self, plan: ItemPlan, grid: ChipGrid) -> ChipFractions | None:
        if plan.quality is None or self.choice.quality is None:
            return None
        reader = BlockImage(plan.quality.location, sign=self.sign)
        return chip_fractions(reader, self.choice.quality, grid, reference=plan.grid.reference, quality=plan.quality)

    def _refuse(self, item: StacItem, error: ChipError) -> None:
        """Count an item that cannot be indexed, or stop at it."""
        if isinstance(error, (ItemError, ReadError, WindowError, LimitError)):
            named = error if str(error).startswith(str(item.error(""))) else item.error(str(error))
            if self.on_error == "skip":
                self.problems.append(named)
                return
            if isinstance(error, ItemError):
                raise named from error
        raise error


def _keys(assets: Sequence[str]) -> tuple[str, ...]:
    keys = (assets,) if isinstance(assets, str) else words("assets", assets)
    if not keys or len(set(keys)) != len(keys):
        raise ChipError(f"assets must be different asset keys, got {list(keys)}")
    if any("," in key for key in keys):
        raise ChipError(f"asset keys with a comma cannot be indexed: {list(keys)}")
    return keys


def _levels(levels: Sequence[int]) -> tuple[int, ...]:
    if not isinstance(levels, Iterable) or np.ndim(levels) == 0:
        raise ChipError(f"levels must be different numbers from 0 to 30, as (0, 2), got {levels!r}")
    found = tuple(sorted(whole_number("levels", level, least=0, most=30) for level in levels))
    if not found or len(set(found)) != len(found):
        raise ChipError(f"levels must be different numbers from 0 to 30, got {list(levels)}")
    return found


def _quality(quality: QualityBand | str | None) -> QualityBand | None:
    if quality is None or isinstance(quality, QualityBand):
        return quality
    return preset(of_kind("quality", quality, str, "a QualityBand, the name of one, or None"))


def _steps(chain: str | ChainDefinition | Sequence[Mapping[str, Any]] | ProcessingChain) -> ChainDefinition:
    if isinstance(chain, str):
        if chain != RAW:
            raise ChainError(f"chain must be {RAW!r} or a list of steps; the id {chain!r} says nothing by itself")
        return ()
    of_kind("chain", chain, (ProcessingChain, Sequence), f"{RAW!r}, a ProcessingChain or a list of steps")
    if isinstance(chain, ProcessingChain):
        return complete_chain(chain.require_definition())
    return complete_chain(tuple(chain))
