"""Chips of one image, as arrays or as image files: the stages, in the order that never changes.

1. **window**: what is asked for is checked (``chip_request``);
2. **level**: the coarsest of the pyramid that is not upsampled;
3. **read**: the pixels that the chip needs, of the bands that the chain needs;
4. **chain**: pixels to pixels, what is valid goes along;
5. **resample**: to the chip's grid, from the true position;
6. **metadata**: place, origin, and what the file's format says of them;
7. **encode**.

A chip read and a chip created are the same pixels. Nothing of a caller's is
changed, and no call leaves anything behind that the next could see, but decoded
blocks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from os import PathLike
from types import MappingProxyType, NoneType
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from stacchip_osml.chain import BandedPixels
from stacchip_osml.encode.bound_chain import BoundChain, Chain
from stacchip_osml.encode.chip import Chip, ChipOrigin
from stacchip_osml.encode.chip_request import PARTIAL, ChipRequest, chip_request
from stacchip_osml.encode.formats import encode_chip, require_fields
from stacchip_osml.encode.source_facts import image_behind, source_facts
from stacchip_osml.errors import EncodeError, redact
from stacchip_osml.imagery.blocks.arena import default_arena
from stacchip_osml.imagery.blocks.cache import BlockCache
from stacchip_osml.imagery.display.palettes import shows_indices
from stacchip_osml.imagery.limits import ReadLimits
from stacchip_osml.imagery.machine import fitting
from stacchip_osml.imagery.providers.protocol import MaskedPixels
from stacchip_osml.imagery.pyramids.pyramid import TiledImagePyramid
from stacchip_osml.imagery.resampling.resample import METHODS
from stacchip_osml.imagery.turns import ReadingTurns
from stacchip_osml.imagery.windows.cut import (
    NOWHERE,
    Cut,
    LevelPlacing,
    destination,
    even_step,
    fill_value,
    place_cut,
    plan_cut,
)
from stacchip_osml.imagery.windows.reader import WindowReader
from stacchip_osml.pixel import ImageSize, PixelWindow, Transform
from stacchip_osml.pixel.arguments import of_kind, one_of
from stacchip_osml.pixel.counts import whole_number, whole_or_none

if TYPE_CHECKING:
    from stacchip_osml.geometry import Locator

__all__ = ["CACHE_BYTES", "ChipFactory", "ChipMetadataBuilder"]

CACHE_BYTES = fitting(128 << 20)
"""Decoded blocks that a factory keeps, unless told otherwise."""

Pixels = NDArray[Any]


class ChipMetadataBuilder(Protocol):
    """Gives fields of the output format for one chip."""

    def build(self, src_window: PixelWindow, output_size: ImageSize) -> Mapping[str, Any]:
        """Give them for a chip.

        Args:
            src_window: what the chip shows, full-resolution pixels; fractions where it lies between pixels.
            output_size: of the chip.
        """
        ...


class ChipFactory:
    """Cuts chips of one image; safe for threads, and picklable where the image is.

    Example:
        >>> factory = ChipFactory(pyramid, output_format="png", processing_chain=chain)
        >>> thumbnail = factory.create_chip(PixelWindow(0, 0, 2048, 2048), ImageSize(256, 256))
    """

    def __init__(  # noqa: PLR0917 - the documented order
        self,
        source: TiledImagePyramid | Any,
        sensor_model: Locator | None = None,
        output_format: str = "nitf",
        processing_chain: Chain | None = None,
        metadata_builder: ChipMetadataBuilder | None = None,
        metadata_overrides: Mapping[str, Any] | None = None,
        *,
        partial: str = "pad",
        resampling: str = "auto",
        nodata: float | complex | Sequence[float | complex | None] | None = None,
        format_options: Mapping[str, Any] | None = None,
        cache_bytes: int = CACHE_BYTES,
        threads: int | None = None,
        limits: ReadLimits | None = None,
    ) -> None:
        """Hold an image; nothing is read but its header.

        Args:
            source: the image's levels; any provider is taken for a pyramid of its own levels.
            sensor_model: full-resolution pixel corners → ground; None for the control points or polynomials that an
                image file has. An ``AffineLocator`` is the chips' place instead of what the image says.
            output_format: of files, any name that :func:`stacchip_osml.encode.image_format` knows.
            processing_chain: a chain, or a function from ``(bands, rows, cols)`` to such; of the bands that its
                ``input_bands`` names. It is picklable where the factory is to be.
            metadata_builder: fields of the format for each chip; picklable where the factory is to be.
            metadata_overrides: fields that come before all others; copied.
            partial: of windows that leave the image: ``pad`` with pixels that are not valid, ``clip`` pixels of which
                nothing lies in the image, ``refuse``.
            resampling: ``auto`` (average what is covered where the chip is coarser, bilinear else; of a palette's
                indices the nearest), ``nearest``, ``bilinear``, ``area`` or ``lanczos``
                (:mod:`stacchip_osml.imagery.resampling.resample`).
            nodata: value of pixels that hold nothing, for all bands or each; None for what the image says itself.
            format_options: of the format's encoder, see :func:`stacchip_osml.encode.encode_chip`.
            cache_bytes: decoded blocks kept for the chips that come next; 0 keeps none. The default is less where
                memory is limited.
            threads: that decode one chip; None for as many as there are cores to use.
            limits: larger chips are refused; None for the defaults.

        Raises:
            EncodeError: (a ValueError) an unknown format or option, or fields for a format that takes none.
            SettingError: (a ValueError) an unknown policy for partial windows, or way of resampling.
            ChainError: (a ValueError) a chain that wants bands or pixels which the image does not have.
            ReadError: the image cannot be read.
            ValueError: ``threads`` is less than 1, or ``cache_bytes`` less than 0.
            TypeError: no image, but the path of one.
        """
        if isinstance(source, str | PathLike):
            raise TypeError(f"expected an image, got the path {redact(str(source))!r}: IO.open reads it")
        self.source = source if isinstance(source, TiledImagePyramid) else TiledImagePyramid.from_asset(source)
        self.sensor_model, self.processing_chain = sensor_model, processing_chain
        self.output_format, self.metadata_builder = output_format, metadata_builder
        for name, given in (("metadata_overrides", metadata_overrides), ("format_options", format_options)):
            of_kind(name, given, (Mapping, NoneType), "a mapping or None")
        self.metadata_overrides: Mapping[str, Any] = MappingProxyType(dict(metadata_overrides or {}))
        """A copy of what was given; it cannot be changed."""
        self.partial, self.resampling, self.nodata = partial, resampling, nodata
        self.format_options: Mapping[str, Any] = MappingProxyType(dict(format_options or {}))
        self.cache_bytes = whole_number("cache_bytes", cache_bytes, least=0)
        self.threads = whole_or_none("threads", threads, least=1)
        self.limits = ReadLimits() if limits is None else limits
        one_of("partial", partial, PARTIAL)
        one_of("resampling", resampling, METHODS)
        self._format = require_fields(output_format, self.metadata_overrides, self.format_options)
        if metadata_builder is not None and not self._format.takes_overrides:
            raise EncodeError(f"{self._format.name} has no fields that a metadata builder could give")
        base = self.source.get_level(0)
        self._facts = source_facts(base, nodata=nodata)
        self._chain = None if processing_chain is None else BoundChain.of(processing_chain, base)
        is_stored = self._chain is None or self._chain.shown_bands is not None
        self._shows_indices = is_stored and shows_indices(base)
        """Entries of a colour table are no quantities: no average of some is one."""
        self._cache = BlockCache(self.cache_bytes) if self.cache_bytes else None
        told = self._facts.nodata
        self._readers = [
            WindowReader.of(level, nodata=told, is_given=nodata is not None, cache=self._cache, threads=self.threads)
            for level in map(self.source.get_level, range(self.source.num_levels))
        ]
        self._turns = ReadingTurns() if all(reader.is_local for reader in self._readers) else None
        self._provider, self._is_changed = image_behind(base)
        self._place = _affine_of(sensor_model) or (self._facts.transform, self._facts.crs)
        self._placed: tuple[tuple[object, ...], LevelPlacing] | None = None

    def __repr__(self) -> str:
        return f"ChipFactory({self._facts.name!r}, {self.source!r}, output_format={self.output_format!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        given = (
            self.source,
            self.sensor_model,
            self.output_format,
            self.processing_chain,
            self.metadata_builder,
            dict(self.metadata_overrides),
        )
        settings = {
            "partial": self.partial,
            "resampling": self.resampling,
            "nodata": self.nodata,
            "format_options": dict(self.format_options),
            "cache_bytes": self.cache_bytes,
            "threads": self.threads,
            "limits": self.limits,
        }
        return _made, (given, settings)

    def create_chip(self, src_window: Sequence[float], output_size: Sequence[int] | None = None) -> bytes | None:
        """Cut a chip and write it as an image file, in memory.

        Args:
            src_window: ``(x, y, width, height)`` in full-resolution pixels, a :class:`PixelWindow` say; it may lie
                between pixels, and leave the image as ``partial`` allows.
            output_size: ``(width, height)`` of the chip, an :class:`ImageSize` say; None for the window's own.

        Returns:
            The whole file; None where the image stores nothing there, or the window lies wholly outside.

        Raises:
            WindowError: (a ValueError) an impossible window or size, or one that leaves the image and is refused.
            EncodeError: (a ValueError) the format cannot carry these pixels, or the product forbids it.
            ChainError: (a ValueError) the chain rejects the pixels.
            LimitError: the chip, or what has to be read for it, is too large.
            ReadError: the pixels could not be read.
        """
        request = self._request(src_window, output_size)
        if request is None:
            return None
        chip = self._cut(request)
        if chip is None:
            return None
        return encode_chip(chip, self._format.name, overrides=self._fields(request), **self.format_options)

    def read_chip(self, src_window: Sequence[float], output_size: Sequence[int] | None = None) -> Chip | None:
        """Cut a chip: the very pixels that :meth:`create_chip` writes.

        Args:
            src_window: as there.
            output_size: as there.

        Returns:
            The chip with its place and origin; None as there.

        Raises:
            WindowError, ChainError, LimitError, ReadError: as there.
        """
        request = self._request(src_window, output_size)
        return None if request is None else self._cut(request)

    # ---- the stages

    def _request(self, window: Sequence[float], size: Sequence[int] | None) -> ChipRequest | None:
        facts = self._facts
        return chip_request(window, size, image=facts.size, partial=self.partial, name=facts.name)

    def _cut(self, request: ChipRequest) -> Chip | None:
        """Go through the stages from the level to the metadata."""
        placing = self._placing(request)
        cut = plan_cut(placing, request.window[0], request.window[1], request.size)
        if cut is None:
            return None
        chain = self._chain
        with nullcontext() if self._turns is None else self._turns.turn():
            made = self._raw(placing, cut, request.size) if chain is None else self._chained(placing, cut, request)
        return None if made is None else self._described(made, request, placing.level)

    def _placing(self, request: ChipRequest) -> LevelPlacing:
        """Choose the level, and say how the chip's pixels lie on it; the same for chips of one size."""
        sizes = (request.asked, request.asked_size, request.size, self.resampling)
        placed = self._placed
        if placed is None or placed[0] != sizes:
            placed = self._placed = sizes, self._found_placing(request)
        return placed[1]

    def _found_placing(self, request: ChipRequest) -> LevelPlacing:
        # Before a plan is made, which has numbers for each row and column; bytes of a pixel are not known yet.
        bands = len(self._facts.nodata) if self._chain is None else 1
        self.limits.require_request(self._facts.name, request.size, bands, 1)
        level = self.source.best_level_for(request.asked, request.asked_size)
        while level and self._facts.has_masks and not self._readers[level].knows_masks:
            level -= 1  # one made of the colours alone does not know which of them are valid
        place, pitch = self.source.place_at_level(level), request.pitch
        _, rows, cols = self.source.image_shape_at_level(level)
        across, down = (even_step(pitch[axis] / place.ratio[axis], request.size[axis]) for axis in (0, 1))
        return LevelPlacing(
            level=level,
            size=ImageSize(cols, rows),
            place=place,
            step=(across, down),
            method="nearest" if self._shows_indices and self.resampling == "auto" else self.resampling,
        )

    def _raw(self, placing: LevelPlacing, cut: Cut, size: ImageSize) -> BandedPixels | None:
        """Read and resample; pixels on the level's grid are read to where they are given out."""
        reader, count = self._readers[placing.level], len(self._facts.nodata)
        pixels, mask = self._room(count, size, reader.dtype)
        there = destination(cut, pixels, mask, dtype=reader.dtype)
        found = reader.read(cut.window, there=there)
        if found is None:
            return None
        fill = tuple(fill_value(value, reader.dtype) for value in self._facts.nodata)
        place_cut(cut, placing, found, pixels, mask, fill=fill, there=there)
        return self._facts.banded(MaskedPixels(pixels, mask), None)

    def _chained(self, placing: LevelPlacing, cut: Cut, request: ChipRequest) -> BandedPixels | None:
        """Read, apply the chain to what was read, and resample what it gives."""
        chain = self._chain
        found = None if chain is None else self._readers[placing.level].read(cut.window, bands=chain.bands)
        if chain is None or found is None:
            return None
        done = chain.apply(self._facts.banded(found, chain.bands))
        if cut.target is not None and request.size == (cut.window.width, cut.window.height):
            return done
        dtype = done.pixels.dtype
        pixels, mask = self._room(len(done.pixels), request.size, dtype)
        fill = tuple(fill_value(value, dtype) for value in done.nodata)
        place_cut(cut, placing, MaskedPixels(done.pixels, done.mask), pixels, mask, fill=fill, there=NOWHERE)
        return replace(done, pixels=pixels, mask=mask)

    def _room(self, count: int, size: ImageSize, dtype: np.dtype[Any]) -> tuple[Pixels, Pixels]:
        """Give memory for a chip."""
        self.limits.require_request(self._facts.name, size, count, dtype.itemsize)
        arena, shape = default_arena(), (count, size.height, size.width)
        return arena.take(shape, dtype), arena.take(shape, np.dtype(np.bool_))

    def _described(self, made: BandedPixels, request: ChipRequest, level: int) -> Chip:
        """Say where the pixels are, and where they come from."""
        facts, chain = self._facts, self._chain
        transform, crs = self._place
        return Chip(
            pixels=made.pixels,
            mask=made.mask,
            window=request.pixel_window,
            level=level,
            chain="raw" if chain is None else chain.id,
            transform=None if transform is None else _moved(transform, request),
            crs=crs,
            band_names=made.names,
            nodata=made.nodata,
            scales=made.scales,
            offsets=made.offsets,
            colors=made.colors,
            origin=ChipOrigin(
                name=facts.name,
                image_size=facts.size,
                window=request.window,
                bands=tuple(range(len(facts.nodata))) if chain is None else chain.shown_bands,
                is_processed=self._is_changed or (chain is not None and chain.shown_bands is None),
                locator=facts.locator if self.sensor_model is None else self.sensor_model,
                provider=self._provider,
            ),
        )

    def _fields(self, request: ChipRequest) -> dict[str, Any]:
        """Gather fields for the format: a builder's, and those that come before them."""
        built: Mapping[str, Any] = {}
        if self.metadata_builder is not None:
            built = self.metadata_builder.build(PixelWindow(*map(_plain, request.window)), request.size)
        return {**built, **self.metadata_overrides}


def _affine_of(sensor_model: Locator | None) -> tuple[Transform, str] | None:
    """Give the transform and CRS of a sensor model that is just these."""
    if sensor_model is None:
        return None
    from stacchip_osml.geometry import AffineLocator

    return (sensor_model.transform, sensor_model.crs) if isinstance(sensor_model, AffineLocator) else None


def _moved(transform: Transform, request: ChipRequest) -> Affine:
    """Give the affine of a chip's own pixels."""
    a, b, c, d, e, f = transform
    (x, y, _, _), (across, down) = request.window, request.pitch
    return Affine(a * across, b * down, a * x + b * y + c, d * across, e * down, d * x + e * y + f)


def _plain(value: float) -> Any:
    """Give whole numbers as int: those of most windows."""
    return int(value) if value.is_integer() else value


def _made(given: tuple[Any, ...], settings: Mapping[str, Any]) -> ChipFactory:
    return ChipFactory(*given, **settings)
