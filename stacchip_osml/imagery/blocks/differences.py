"""Blocks of horizontal differences (TIFF 6.0, section 14), added up only where pixels are asked for.

A window at random needs a third of the blocks under it, and adding up takes a seventh of the time that inflating
does. Rules:

- a row is added up from its first column to the last that is needed, rows above and below are left alone;
- once ``ENOUGH`` has been added up, all of it is, and kept: of a block that is asked for again and again hardly
  more is added up than if all had been at once;
- the differences never change, so any number of threads may ask.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.imagery.blocks.arena import Arena
from stacchip_osml.imagery.blocks.layout import BlockCodec
from stacchip_osml.imagery.blocks.scratch import Scratch
from stacchip_osml.imagery.blocks.streams import STREAMS, Octets
from stacchip_osml.imagery.blocks.unpack import add_up, is_packed

__all__ = ["Differences", "has_differences", "steps_of", "summed"]


ENOUGH = 0.6
"""Share of a block: chips that overlap in order need about twice all of it, those at random less than half."""


def has_differences(codec: BlockCodec) -> bool:
    """Tell whether a codec's streams expand to whole numbers that are delivered as they are, once added up."""
    stored = np.dtype(codec.stored)
    return (
        codec.predictor == 2
        and codec.compression in STREAMS
        and codec.compression != "none"  # such octets are those of the file, in memory that is read into again
        and codec.order == "pixel"
        and codec.kind == stored.newbyteorder("=")
        and stored.kind != "c"
        and not (codec.pairs or codec.invert or codec.lsb_first or is_packed(codec))
    )


def steps_of(octets: Octets, codec: BlockCodec, cols: int) -> NDArray[Any]:
    """View the octets of whole rows as differences ``(rows, cols, samples)``, unsigned, in the file's byte order."""
    return octets.view(_unsigned(codec.stored)).reshape(-1, cols, codec.samples)


def summed(steps: NDArray[Any], kind: np.dtype[Any], scratch: Scratch) -> NDArray[Any]:
    """Add differences ``(rows, cols, samples)`` up, in their own memory where that can be.

    Returns:
        ``(samples, rows, cols)`` of ``kind``, native.
    """
    sums = steps if steps.dtype.isnative else scratch.array("added", steps.shape, steps.dtype.newbyteorder("="))
    add_up(steps, sums, scratch)
    return sums.view(kind).transpose(2, 0, 1)


@lru_cache(maxsize=64)
def _unsigned(stored: str) -> np.dtype[Any]:
    """Give the unsigned type of the same size and byte order."""
    kind = np.dtype(stored)
    return np.dtype(f"u{kind.itemsize}").newbyteorder(kind.byteorder)


class Differences:
    """The first rows of a block, as they come out of its stream."""

    __slots__ = ("_added", "_arena", "_kind", "_state", "nbytes", "shape")

    def __init__(self, octets: Octets, codec: BlockCodec, *, cols: int, arena: Arena) -> None:
        """Hold octets, which must not change from now on.

        Args:
            octets: of whole rows.
            codec: one that :func:`has_differences`.
            cols: pixels of a row.
            arena: memory for all pixels, once they are worth it.
        """
        self._kind, self._arena = codec.kind, arena
        differences = steps_of(octets, codec, cols)
        self.nbytes = len(octets)
        """Bytes of the pixels."""
        self.shape = (codec.samples, len(differences), cols)
        """(samples, rows, cols)"""
        self._state = (False, differences)
        """Whether it is added up: then ``(samples, rows, cols)``, else ``(rows, cols, samples)``."""
        self._added = 0
        """Pixels that were added up; threads may miss one another's."""

    def cut(self, rows: slice, cols: slice, scratch: Scratch) -> NDArray[Any]:
        """Give the pixels of a rectangle.

        Args:
            rows: of the block, with both ends.
            cols: likewise.
            scratch: the calling thread's memory.

        Returns:
            ``(samples, rows, cols)``, native; valid until the next use of ``scratch``, and not to be written to.
        """
        is_added, held = self._state
        if is_added:
            return held[:, rows, cols]
        self._added += (rows.stop - rows.start) * cols.stop
        if self._added >= ENOUGH * self.shape[1] * self.shape[2]:
            whole = self._arena.take(self.shape, self._kind)
            add_up(held, whole.transpose(1, 2, 0), scratch)
            whole.flags.writeable = False
            self._state = (True, whole)
            return whole[:, rows, cols]
        sums = scratch.array("cut", (self.shape[0], rows.stop - rows.start, cols.stop), self._kind)
        add_up(held[rows, : cols.stop], sums.transpose(1, 2, 0), scratch)
        return sums[:, :, cols]
