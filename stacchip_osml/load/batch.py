"""A batch of chips: one array, and what describes each chip when it is asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.encode import Chip, ChipOrigin
from stacchip_osml.errors import ChipError
from stacchip_osml.forked import cached_property
from stacchip_osml.index import ChipIndex
from stacchip_osml.load.cut import CutChips
from stacchip_osml.load.ready import ReadySource
from stacchip_osml.load.rows import IndexRow, PlannedRows, RowReader
from stacchip_osml.pixel import PixelWindow

__all__ = ["ChipBatch", "chip_origin"]


class ChipBatch:
    """Chips of one shape, as one array; its memory is used again once nothing refers to it."""

    def __init__(self, index: ChipIndex, rows: PlannedRows, cut: CutChips) -> None:
        """Hold what was cut; made by :meth:`Chipper.batch`."""
        self._index = index
        self._rows = rows
        self._cut = cut
        self._reader = RowReader(index, rows.positions)
        self.pixels: NDArray[Any] = cut.pixels
        """``(N, C, H, W)``; nodata (or 0) where a pixel does not exist."""
        self.mask: NDArray[np.bool_] = cut.mask
        """``(N, C, H, W)``, True where valid."""
        self.present: NDArray[np.bool_] = cut.present
        """``(N,)``, False for chips that are sparse, or could not be read under ``on_error="none"``."""
        self.positions: NDArray[np.int64] = rows.positions
        """``(N,)``: rows of the index."""
        self.errors: dict[int, ChipError] = cut.errors
        """What went wrong, by position in the batch."""

    def __len__(self) -> int:
        """Count the chips."""
        return len(self.pixels)

    def __repr__(self) -> str:
        shape = " x ".join(map(str, self.pixels.shape))
        missing = len(self) - int(self.present.sum())
        return f"ChipBatch({shape} {self.pixels.dtype}{f', {missing} not present' if missing else ''})"

    @property
    def band_names(self) -> tuple[str, ...]:
        """One name a band, of the first chip that could be opened."""
        return self._cut.band_names

    @cached_property
    def rows(self) -> list[dict[str, Any]]:
        """The index row of each chip, read when first asked for."""
        return self._index.rows(self.positions)

    def window(self, place: int) -> PixelWindow:
        """Give a chip's window in R0 pixels of its reference asset."""
        return PixelWindow(*self._rows.windows[place].tolist())

    def images(self, place: int) -> dict[str, Any]:
        """Give the provider of each asset that a chip is cut from, in the order of its bands."""
        source = self._cut.sources[place]
        return {} if source is None else {asset.reader.image.asset_key: asset.reader.source for asset in source.assets}

    def chip(self, place: int) -> Chip | None:
        """Give one chip with all that describes it, its pixels not copied; None where it is not present."""
        source, described = self._cut.sources[place], self._cut.described(place)
        if source is None or described is None or not self.present[place]:
            return None
        window, plan = self.window(place), source.plan
        return Chip(
            pixels=self.pixels[place],
            mask=self.mask[place],
            window=window,
            level=plan.level,
            chain=plan.key.chain,
            transform=plan.transform(window),
            crs=plan.reference.crs,
            band_names=described.names,
            nodata=described.nodata,
            scales=described.scales,
            offsets=described.offsets,
            colors=described.colors,
            row=IndexRow(self._reader, place % len(self)),
            origin=chip_origin(source, window),
        )


def chip_origin(source: ReadySource, window: PixelWindow) -> ChipOrigin:
    """Tell where a chip's pixels come from: its one asset, or the first of several, by the pixels of that."""
    plan, asset = source.plan, source.assets[0]
    size, scale, placing, image = plan.size(window), 2**plan.level, asset.placing, asset.reader.image
    across, down = placing.per_pixel
    return ChipOrigin(
        name=asset.reader.source.title,
        image_size=image.size,
        window=(
            placing.start[0] + window.x * across,
            placing.start[1] + window.y * down,
            size.width * scale * across,
            size.height * scale * down,
        ),
        bands=source.shown_bands,
        is_processed=source.has_steps and source.shown_bands is None,
        locator=asset.reader.locator,
        provider=asset.reader.source,
    )
