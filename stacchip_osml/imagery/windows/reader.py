"""Windows of any provider, with what is valid of them: the one way chips are read from an image.

Rules:

- an image file is read as it is (``BlockImage``, ``GdalImage``): nodata, alpha
  and mask bands say what is valid. Adapters that only show its pixels, whole or
  one level of it, are looked through;
- any other provider is read by its blocks (``provider_windows``);
- a window of which nothing is stored is None.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from stacchip_osml.errors import ChipError
from stacchip_osml.imagery.adapters.view import ProviderView
from stacchip_osml.imagery.blocks.engine import WindowRead, read_windows
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.imagery.providers.facts import dtype_of
from stacchip_osml.imagery.providers.protocol import MaskedPixels, PixelReader
from stacchip_osml.imagery.providers.windows import read_by_blocks, without_nodata
from stacchip_osml.imagery.pyramids.levels import LevelView
from stacchip_osml.imagery.windows.cut import NOWHERE, Destination
from stacchip_osml.pixel import PixelWindow

if TYPE_CHECKING:
    from stacchip_osml.imagery.blocks.cache import BlockCache

__all__ = ["WindowReader", "shown_image"]

Nodata = Sequence[float | complex | None]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WindowReader:
    """Reads windows of one level; safe for threads where the provider is."""

    image: Any
    """What is read: an image file, or any provider."""
    knows_masks: bool
    """It is a :class:`PixelReader`: alpha and mask bands are heeded."""
    level: int
    """Of the image."""
    dtype: np.dtype[Any]
    nodata: tuple[float | complex | None, ...] | None
    """Value of pixels that hold nothing, a band each, besides what the image says itself; None where there is none."""
    cache: BlockCache | None
    threads: int | None

    @classmethod
    def of(
        cls,
        provider: Any,
        *,
        nodata: Nodata | None = None,
        is_given: bool = True,
        cache: BlockCache | None = None,
        threads: int | None = None,
    ) -> WindowReader:
        """Find out how a provider is read, its level 0.

        Args:
            provider: any object of the image provider protocol.
            nodata: a value for each band, None where it has none.
            is_given: the value is the caller's and counts of any image; else an image file knows better.
            cache: decoded blocks of image files to use and to add to.
            threads: that decode; None for one a core.

        Raises:
            DecodeError: its pixels are of no known type.
        """
        image, level = shown_image(provider)
        knows_masks = isinstance(image, PixelReader)  # asked once: that takes longer than it takes to plan a window
        if not knows_masks:
            image, level, is_given = provider, 0, True
        is_told = nodata is not None and is_given and any(value is not None for value in nodata)
        values = tuple(nodata) if nodata is not None and is_told else None
        return cls(
            image=image,
            knows_masks=knows_masks,
            level=level,
            dtype=dtype_of(provider),
            nodata=values,
            cache=cache,
            threads=threads,
        )

    @property
    def is_local(self) -> bool:
        """Whether an image file on this machine is read."""
        return isinstance(self.image, BlockImage) and not self.image.remote

    def read(
        self, window: PixelWindow, *, bands: Sequence[int] | None = None, there: Destination = NOWHERE
    ) -> MaskedPixels | None:
        """Read one window.

        Args:
            window: pixels of the level, inside it.
            bands: 0-based, in the order wanted; None for all.
            there: arrays ``(bands, rows, cols)`` to read to.

        Returns:
            The pixels with their mask, new arrays or those of ``there``; None where nothing is stored.

        Raises:
            WindowError: the window leaves the level.
            IndexError: no such band.
            LimitError: larger than may be read.
            ReadError: as the provider raises.
        """
        chosen = None if bands is None else tuple(bands)
        told = self.nodata
        if told is not None and chosen is not None:
            told = tuple(told[band] for band in chosen)
        image, level = self.image, self.level
        if not self.knows_masks:
            return read_by_blocks(
                image, window, level=level, bands=chosen, nodata=told, pixels=there.pixels, mask=there.mask
            )
        found = self._read(image, window, chosen, there)
        return found if found is None or told is None else without_nodata(found, told)

    def _read(
        self, image: PixelReader, window: PixelWindow, bands: tuple[int, ...] | None, there: Destination
    ) -> MaskedPixels | None:
        if not isinstance(image, BlockImage):
            return image.read(window, level=self.level, bands=bands)
        asked = WindowRead(image, window, self.level, bands, there.pixels, there.mask)
        (found,) = read_windows([asked], threads=self.threads, cache=self.cache)
        if isinstance(found, ChipError):
            raise found
        return found


def shown_image(provider: Any) -> tuple[Any, int]:
    """Look through adapters that show the very pixels of another provider.

    Returns:
        The provider behind them, and which of its levels is shown.
    """
    level = 0
    while isinstance(provider, ProviderView):
        if isinstance(provider, LevelView):
            level += provider.level
        elif not vars(type(provider)).get("shows_source", False):
            break
        provider = provider.source
    return provider, level
