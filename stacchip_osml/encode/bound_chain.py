"""A processing chain as a chip factory applies it: which bands are read for it, and what is done with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from stacchip_osml.chain import BandedPixels, ProcessingChain
from stacchip_osml.chain.kinds import Spec
from stacchip_osml.chain.processing import apply_function
from stacchip_osml.errors import ChainError
from stacchip_osml.imagery.providers.facts import dtype_of, require_bands

__all__ = ["UNNAMED", "BoundChain", "Chain"]

Pixels = NDArray[Any]
Chain = ProcessingChain | Callable[[Pixels], Pixels]

UNNAMED = "function"
"""Stands for the id of a chain that has none."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BoundChain:
    """A chain for one image."""

    chain: Chain
    bands: tuple[int, ...] | None
    """0-based bands of the image that it is given, in their order; None for all."""
    id: str
    """The chain's; ``UNNAMED`` where it has none."""
    shown_bands: tuple[int, ...] | None
    """Those bands, where the chain does nothing but choose them; else None."""

    @classmethod
    def of(cls, chain: Chain, provider: Any) -> BoundChain:
        """Bind a chain to an image.

        Args:
            chain: a chain, or a function from ``(bands, rows, cols)`` to such, perhaps with ``input_bands``.
            provider: any object of the image provider protocol.

        Raises:
            ChainError: it is neither, or wants bands or pixels that the image does not have.
        """
        if not isinstance(chain, ProcessingChain):
            if not callable(chain):
                raise ChainError(f"a processing chain must be a function of pixels, got {type(chain).__name__}")
            return cls(chain=chain, bands=_bands(provider, chain), id=UNNAMED, shown_bands=None)
        reading = chain.for_reading()
        bands = _bands(provider, reading)
        count = int(provider.num_bands) if bands is None else len(bands)
        spec = Spec(count, dtype_of(provider))
        if reading.source is not None and reading.source != spec:
            raise ChainError(f"the chain was made for {reading.source}, and is given {spec}")
        shown = None if reading.steps else tuple(range(count)) if bands is None else bands
        return cls(chain=reading, bands=bands, id=chain.id or UNNAMED, shown_bands=shown)

    def apply(self, pixels: BandedPixels) -> BandedPixels:
        """Apply the chain.

        Raises:
            ChainError: it rejects these pixels, or gives no pixels of their rows and columns.
        """
        if isinstance(self.chain, ProcessingChain):
            return self.chain.apply(pixels)
        return apply_function(self.chain, pixels, name="the processing chain")


def _bands(provider: Any, chain: Any) -> tuple[int, ...] | None:
    wanted = getattr(chain, "input_bands", None)
    if wanted is None:
        return None
    try:
        require_bands(provider, wanted)
    except IndexError as error:
        raise ChainError(f"the chain wants bands that the image does not have: {error}") from error
    return tuple(int(band) for band in wanted)
