"""Sources made ready for cutting: their files opened, and where chips lie on which level of each.

Assets that follow each other and are cut alike, from levels on which chips lie
alike, are one stack: they are asked for and read together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from stacchip_osml.chain.arithmetic import SELECT
from stacchip_osml.chain.steps import ALIGN
from stacchip_osml.errors import ChipError
from stacchip_osml.imagery.windows.cut import LevelPlacing, fill_value
from stacchip_osml.index.headers import HeaderKey
from stacchip_osml.load.images import ImageReader, ImageShelf, ReaderStack
from stacchip_osml.load.plan import SourcePlan, stored_level

__all__ = ["ReadySource", "ReadyStack", "ready_source"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReadyStack:
    """Opened assets of a source whose pixels are read together: one, or several that are alike."""

    readers: ReaderStack
    placing: LevelPlacing
    """Of chips of the source on the level that they are read from; one object for assets that lie alike."""
    bands: slice
    """Where they stand in the chip."""
    fill: tuple[float | complex, ...]
    """Value of pixels that hold nothing, a band each."""
    dtype: np.dtype[Any]
    single: tuple[ReadyStack, ...] = ()
    """The assets one by one, for chips that are resampled; empty of a stack of one."""

    @property
    def reader(self) -> ImageReader:
        """The first asset, or the only one."""
        return self.readers.readers[0]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReadySource:
    """A source with its files opened and compared with the index."""

    plan: SourcePlan
    assets: tuple[ReadyStack, ...]
    """One by one."""
    stacks: tuple[ReadyStack, ...]
    """Those together that are read together."""
    dtype: np.dtype[Any]
    nodata: tuple[float | complex | None, ...]
    scales: tuple[float, ...]
    offsets: tuple[float, ...]
    band_names: tuple[str, ...]
    colors: tuple[str, ...]
    shown_bands: tuple[int, ...] | None
    """0-based bands of its one asset that chips show; None of several assets, or where a chain makes others."""

    @property
    def has_steps(self) -> bool:
        """Whether pixels change after they were read."""
        return any(step["step"] != ALIGN for step in self.plan.definition)


def ready_source(plan: SourcePlan, shelf: ImageShelf, failures: Mapping[HeaderKey, ChipError]) -> ReadySource:
    """Open the files of a source; ``failures`` tell which are known not to open.

    Raises:
        ReadError: a file cannot be read.
        ItemError: a file is not what the rows were made from.
    """
    headers = [asset.header for asset in plan.assets]
    for header in headers:
        if header.key in failures:
            raise failures[header.key]
    readers = [shelf.reader(header) for header in headers]
    scale = 2**plan.level
    ready: list[ReadyStack] = []
    at = 0
    for grid, reader in zip(plan.assets, readers, strict=True):
        level = stored_level(reader.places, (grid.step[0] * scale, grid.step[1] * scale))
        place = reader.places[level]
        bands = slice(at, at + len(reader.nodata))
        at = bands.stop
        step = grid.step[0] * scale / place.dx, grid.step[1] * scale / place.dy
        placing = LevelPlacing(
            level=level,
            size=reader.levels[level],
            place=place,
            step=step,
            start=grid.start,
            per_pixel=grid.step,
            method=grid.method,
        )
        placing = next((other.placing for other in ready if other.placing == placing), placing)
        fill = tuple(fill_value(value, kind) for value, kind in zip(reader.nodata, reader.dtypes, strict=True))
        ready.append(
            ReadyStack(readers=ReaderStack([reader]), placing=placing, bands=bands, fill=fill, dtype=reader.dtypes[0])
        )
    scales = [pair for reader in readers for pair in reader.scales]
    return ReadySource(
        plan=plan,
        assets=tuple(ready),
        stacks=tuple(_stacks(ready)),
        dtype=np.result_type(*(kind for reader in readers for kind in reader.dtypes)),
        nodata=tuple(value for reader in readers for value in reader.nodata),
        scales=tuple(scale for scale, _ in scales),
        offsets=tuple(offset for _, offset in scales),
        band_names=_band_names(readers),
        colors=_colors(readers),
        shown_bands=_shown_bands(plan, at),
    )


def _stacks(assets: Sequence[ReadyStack]) -> list[ReadyStack]:
    """Put together the assets that follow each other and are read alike."""
    runs: list[list[ReadyStack]] = []
    for asset in assets:
        kinds = {*asset.reader.dtypes}
        if runs and asset.placing is runs[-1][0].placing and kinds == {*runs[-1][0].reader.dtypes} and len(kinds) == 1:
            runs[-1].append(asset)
        else:
            runs.append([asset])
    return [run[0] if len(run) == 1 else _stack(run) for run in runs]


def _stack(assets: Sequence[ReadyStack]) -> ReadyStack:
    return ReadyStack(
        readers=ReaderStack([asset.reader for asset in assets]),
        placing=assets[0].placing,
        bands=slice(assets[0].bands.start, assets[-1].bands.stop),
        fill=tuple(value for asset in assets for value in asset.fill),
        dtype=assets[0].dtype,
        single=tuple(assets),
    )


def _shown_bands(plan: SourcePlan, count: int) -> tuple[int, ...] | None:
    """Give the bands of the one asset that a chain, if there is any, does nothing but choose."""
    if len(plan.assets) > 1:
        return None
    bands = list(range(count))
    for step in plan.definition:
        if step["step"] == SELECT.name:
            bands = [bands[band] for band in step["bands"]]
        elif step["step"] != ALIGN:
            return None
    return tuple(bands)


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
