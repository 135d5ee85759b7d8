"""Chains that turn an image's pixels into a picture for people.

What is done follows from what the image says of itself, in this order:

1. complex pixels are refused: a remap comes first;
2. a palette's values become their colours; without a colour table they are
   refused, because their numbers mean nothing;
3. Y'CbCr that was not turned into RGB by its decoder is;
4. 8-bit pictures, RGB or gray, stay as they are;
5. everything else is stretched between limits that its statistics give.

What cannot be done right is refused. Nothing is passed on as it is only because
something else did not work. Not for measurement.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from stacchip_osml.chain.arithmetic import band_select_step
from stacchip_osml.chain.color_space import color_space_step
from stacchip_osml.chain.definition import ChainDefinition
from stacchip_osml.chain.dra import ADJUSTMENTS, DRAParameters
from stacchip_osml.chain.kinds import Spec, pixel_dtype
from stacchip_osml.chain.processing import ProcessingChain
from stacchip_osml.chain.radiometry import rescale_step
from stacchip_osml.chain.statistics import BandStatistics, ImageStatistics
from stacchip_osml.chain.tables import lut_step
from stacchip_osml.errors import ChainError
from stacchip_osml.imagery.display.picture import Picture, picture_of, rgb_bands
from stacchip_osml.imagery.display.statistics import display_statistics, without_fill
from stacchip_osml.imagery.pyramids.pyramid import TiledImagePyramid
from stacchip_osml.pixel.arguments import each_of, of_kind
from stacchip_osml.pixel.counts import whole_number

__all__ = ["DisplayChainFactory"]

Limits = tuple[float, float]

DARK = 64
"""An 8-bit band with all values below is no picture yet: a mask, classes, fewer bits."""


class DisplayChainFactory:
    """Builds display chains; it has no state."""

    @staticmethod
    def build(
        source: Any,
        stats: ImageStatistics | None = None,
        range_adjustment: str = "dra",
        band_selection: Sequence[int] | None = None,
        output_dtype: DTypeLike = np.uint8,
        *,
        common_names: Sequence[str | None] | None = None,
        dra: Mapping[str, float] | None = None,
        min_pixels: int = 10_000_000,
        nodata: Any = None,
        num_workers: int = 0,
        seed: int = 0,
    ) -> ProcessingChain:
        """Build the chain that shows an image.

        Args:
            source: an image provider, or a :class:`TiledImagePyramid`. The chain takes its pixels, and those of all
                its levels.
            stats: of all bands, or of those shown; None to take the stored ones or to compute them, which reads the
                coarsest level with at least ``min_pixels`` pixels, and of very large ones a part.
            range_adjustment: ``dra`` for most of the pixels (:class:`DRAParameters`), ``minmax`` for all.
            band_selection: 0-based bands to show, in this order; None for red, green and blue where the image tells
                which those are (:func:`stacchip_osml.imagery.display.picture.rgb_bands`), else the first three bands
                that are not alpha, or the first where there are fewer. Of a palette, the one band that has it.
            output_dtype: integers of up to 32 bits, float32 or float64; black is 0, white the largest value, or 1.0.
            common_names: STAC's names of the bands, where the image itself does not tell them.
            dra: settings of :meth:`DRAParameters.from_statistics`, such as ``{"a": 0.1}``.
            min_pixels: rows times columns that statistics are taken of.
            nodata: value of pixels that are no measurements, besides those that the image declares.
            num_workers: threads for statistics.
            seed: of the part of a very large image that statistics are taken of.

        Returns:
            A chain of declarative steps, with an id; ``input_bands`` are the bands it wants to be read.

        Raises:
            ChainError: (a ValueError) an unknown adjustment or type, no such band, complex pixels, a palette without
                its colours, statistics that do not fit or have no histogram, or no pixel to take them of.
        """
        if not isinstance(range_adjustment, str) or range_adjustment not in ADJUSTMENTS:
            raise ChainError(f"range_adjustment must be {' or '.join(ADJUSTMENTS)}, got {range_adjustment!r}")
        provider = source.get_level(0) if isinstance(source, TiledImagePyramid) else source
        picture = picture_of(provider, common_names=common_names)
        if picture.is_complex:
            raise ChainError(
                f"{picture.count} bands of {picture.dtype} are complex, and are shown through a remap: "
                "ComplexRemapFactory.build(source) gives the image to build a display chain for"
            )
        of_kind("stats", stats, (ImageStatistics, type(None)), "ImageStatistics or None")
        output = pixel_dtype(output_dtype)
        steps: ChainDefinition | None
        if picture.palette_band is not None:
            steps = _palette(picture, band_selection, output)
        else:
            bands = _shown(picture, band_selection)
            steps = _converted(picture, bands, output) or _as_it_is(picture, bands, output)
            if steps is None:
                found = stats
                if found is None:
                    found = display_statistics(
                        source,
                        bands,
                        range_adjustment=range_adjustment,
                        min_pixels=min_pixels,
                        nodata=nodata,
                        num_workers=num_workers,
                        seed=seed,
                    )
                chosen = _of_bands(found, bands, picture.count)
                limits = _limits(chosen, picture, range_adjustment, dra)
                stretch = _stretch(limits, output, is_inverted=picture.is_inverted)
                steps = (band_select_step(bands), *stretch)
        chain = ProcessingChain.from_definition(steps, Spec(picture.count, picture.dtype))
        return chain.for_reading()


def _shown(picture: Picture, selection: Sequence[int] | None) -> tuple[int, ...]:
    if selection is not None:
        chosen = tuple(
            whole_number("band_selection", band) for band in each_of("band_selection", selection, object, "bands")
        )
        if not chosen or min(chosen) < 0 or max(chosen) >= picture.count:
            raise ChainError(f"band_selection {chosen} of an image that has {picture.count} bands")
        return chosen
    known = rgb_bands(picture)
    if known is not None:
        return known[0]
    if {"y", "cb", "cr"} <= set(picture.colors):
        return tuple(picture.colors.index(color) for color in ("y", "cb", "cr"))
    plain = [band for band in range(picture.count) if picture.colors[band] != "alpha"] or [0]
    return tuple(plain[:3]) if len(plain) >= 3 else (plain[0],)


# ---- pictures that need no statistics


def _palette(picture: Picture, selection: Sequence[int] | None, output: np.dtype[Any]) -> ChainDefinition:
    band = picture.palette_band
    if selection is not None:
        (band,) = _shown(picture, selection) if len(selection) == 1 else (None,)
        if band is None:
            raise ChainError(f"of a palette image one band is shown, not {tuple(selection)}")
    if picture.color_table is None and picture.brightness_table is None:
        raise ChainError("a palette image without its colour table: its values say nothing of how bright they are")
    if picture.dtype.kind not in "ui" or picture.dtype.itemsize > 2:
        raise ChainError(f"a palette of {picture.dtype} pixels")
    if picture.brightness_table is not None:
        brightness = np.asarray(picture.brightness_table, np.uint16)
        white = (1 << int(brightness.max()).bit_length()) - 1
        return (band_select_step([band or 0]), lut_step(brightness), *_to_output(max(white, 1), output))
    table: NDArray[np.uint8] = np.asarray(picture.color_table, np.uint8).T
    # gray ones stay one band
    tables = table[:1] if (table == table[0]).all() else table
    return (band_select_step([band or 0]), lut_step(tables), *_to_output(255, output))


def _converted(picture: Picture, bands: tuple[int, ...], output: np.dtype[Any]) -> ChainDefinition | None:
    """Give the steps from Y'CbCr pixels to RGB; None where they are no such pixels."""
    colors = [picture.colors[band] for band in bands]
    if set(colors) != {"y", "cb", "cr"}:
        return None
    if picture.dtype.kind != "u":
        return None
    ordered = [bands[colors.index(color)] for color in ("y", "cr", "cb")]
    white = (1 << picture.bits) - 1
    return (
        band_select_step(ordered),
        color_space_step("ycrcb", "srgb", white=white),
        rescale_step(low=0, high=1, dtype=output),
    )


def _as_it_is(picture: Picture, bands: tuple[int, ...], output: np.dtype[Any]) -> ChainDefinition | None:
    """Give the steps of what is a picture already: 8-bit RGB; None where it is not."""
    if picture.dtype != np.uint8 or len(bands) != 3 or picture.is_inverted:
        return None
    known = rgb_bands(picture)
    is_three = len([color for color in picture.colors if color != "alpha"]) == 3
    if not is_three and (known is None or set(known[0]) != set(bands)):
        return None
    return (band_select_step(bands), *_to_output((1 << picture.bits) - 1, output))


def _to_output(white: int, output: np.dtype[Any]) -> ChainDefinition:
    """Give the step from 8-bit pixels to the output, none where they are that."""
    if output == np.uint8 and white == 255:
        return ()
    return (rescale_step(low=0, high=white, dtype=output),)


# ---- pictures that need them


def _of_bands(stats: ImageStatistics, bands: tuple[int, ...], count: int) -> list[BandStatistics]:
    if len(stats.bands) == count:
        return [stats.bands[band] for band in bands]
    if len(stats.bands) == len(bands):
        return list(stats.bands)
    raise ChainError(f"statistics of {len(stats.bands)} bands for an image of {count}, of which {len(bands)} are shown")


def _limits(
    stats: Sequence[BandStatistics], picture: Picture, range_adjustment: str, dra: Mapping[str, float] | None
) -> list[Limits]:
    if not any(np.isfinite(band.max) for band in stats):
        raise ChainError("an image in which no pixel is a measurement has nothing to show")
    white = (1 << picture.bits) - 1
    if len(stats) == 1 and picture.dtype == np.uint8 and (white < DARK or stats[0].max >= DARK):
        return [(0.0, float(white))]
    return [
        DRAParameters.from_statistics(without_fill(band), **(dra or {})).limits()
        if range_adjustment == "dra" and np.isfinite(band.max)
        else (band.min, band.max)
        if np.isfinite(band.max)
        else (0.0, 0.0)
        for band in stats
    ]


def _stretch(limits: list[Limits], output: np.dtype[Any], *, is_inverted: bool) -> ChainDefinition:
    low, high = [low for low, _ in limits], [high for _, high in limits]
    if not is_inverted:
        return (rescale_step(low=low, high=high, dtype=output),)
    white = 1.0 if output.kind == "f" else float(np.iinfo(output).max)
    return (rescale_step(low=low, high=high, dtype=output, out_low=white, out_high=0),)
