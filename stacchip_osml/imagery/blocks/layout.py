"""Where an image's blocks are in its file and how they are stored: what is needed to read pixels without opening it.

Plain values, made by the parsers (``tiff``, ``nitf``), kept in the index, used
by the engine. Nothing here reads a file. Bands are numbered as GDAL numbers
them, from 0: band ``b`` is sample ``b % samples`` of plane ``b // samples``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.imagery.level_places import LevelPlace
from stacchip_osml.pixel import ImageSize

__all__ = ["BlockCodec", "ImageLayout", "LevelLayout", "ReadAt", "Unserved", "stacked_size"]

ReadAt = Callable[[int, int], bytes]
"""``(offset, size)`` → bytes of the file, fewer at its end; what parsers read headers through."""


def stacked_size(sizes: Sequence[ImageSize]) -> ImageSize:
    """Give the size of images of one width, one below the other."""
    return ImageSize(sizes[0].width, sum(size.height for size in sizes))


_kind = lru_cache(maxsize=64)(np.dtype)


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockCodec:
    """How the bytes of one block become samples. Hashable; the same for all blocks of a level."""

    compression: str
    """A key of ``decode.DECODERS``: ``none``, ``deflate``, ``lzw``, ``zstd``, ``jpeg``, ``jpeg2000`` …"""
    dtype: str
    """numpy name of a sample as delivered, native byte order: ``uint8``, ``int16``, ``complex64`` …"""
    stored: str
    """numpy name with byte order of a sample as stored (``>u2``, ``<f4``, ``<c8``, ``>i2`` twice a ``complex int16`` is
    ``>i2`` with ``pairs``); for packed bits the unsigned type that they are unpacked to."""
    bits: int
    """Stored bits a sample; less than those of ``stored`` where samples are packed."""
    samples: int
    """Samples a pixel in one block; 1 where each band has blocks of its own."""
    order: str = "pixel"
    """How samples lie in a decoded block: ``pixel`` (rows, cols, samples), ``row`` (rows, samples, cols), ``band``
    (samples, rows, cols)."""
    predictor: int = 1
    """TIFF predictor: 1 none, 2 horizontal differences, 3 floating point (TIFF Technical Note 3)."""
    color: str = "stored"
    """What a picture codec's components become: ``stored`` as they are, ``rgb`` from YCbCr."""
    pairs: bool = False
    """Samples are (real, imaginary) pairs of integers, delivered as complex."""
    lsb_first: bool = False
    """TIFF FillOrder 2: bits of a byte from the lowest."""
    aligned_rows: bool = True
    """Each row of packed bits begins on a byte (TIFF); else rows follow each other bit by bit (NITF)."""
    shared: bytes = b""
    """What every block's stream needs: JPEG tables, a JPEG 2000 main header."""
    reduce: int = 0
    """JPEG 2000: resolutions to leave out."""
    invert: bool = False
    """Stored values count from white; GDAL delivers them turned (1-bit NITF look-up tables and the like)."""

    @property
    def kind(self) -> np.dtype[Any]:
        """The dtype delivered."""
        return _kind(self.dtype)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unserved:
    """A level that the block reader leaves to GDAL."""

    reason: str
    """For people: what it has that the block reader does not read."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LevelLayout:
    """Where the blocks of one pyramid level are."""

    size: ImageSize
    """With what lies ``below``."""
    block_shape: tuple[int, int]
    """(rows, cols) of one block."""
    short_edge: bool
    """The blocks of the last row hold only the rows inside the image (TIFF strips); else they are padded. JPEG 2000
    tiles hold only what lies inside the image, to the right and below."""
    codec: BlockCodec
    offsets: NDArray[np.int64]
    """``(parts, planes, rows, cols)`` of the block grid: byte position in the file. Mostly one part a block; JPEG 2000
    tiles may have several, in order."""
    counts: NDArray[np.int64]
    """Same shape: bytes; 0 where a part is not stored. A block without any stored part is absent (sparse)."""
    mask: LevelLayout | None = None
    """Blocks of the level's mask band: one sample, 0 where pixels hold nothing."""
    below: tuple[LevelLayout, ...] = ()
    """Rows below those of these blocks, in blocks of their own: an image in several NITF segments. Each as wide, of as
    many planes and samples and of the same dtype; none has a mask, or anything below it."""

    @property
    def grid(self) -> tuple[int, int]:
        """(rows, cols) of the block grid."""
        rows, cols = self.offsets.shape[2:]
        return rows, cols

    @classmethod
    def stacked(cls, parts: Sequence[LevelLayout]) -> LevelLayout:
        """Lay levels below each other; see ``below``."""
        return replace(parts[0], size=stacked_size([part.size for part in parts]), below=tuple(parts[1:]))

    @property
    def apart(self) -> tuple[LevelLayout, ...]:
        """From top to bottom the parts that have blocks of their own, nothing below any of them."""
        if not self.below:
            return (self,)
        height = self.size.height - sum(part.size.height for part in self.below)
        return replace(self, size=ImageSize(self.size.width, height), below=()), *self.below

    @property
    def planes(self) -> int:
        """Planes of blocks: 1, or one a band."""
        return int(self.offsets.shape[1])

    @property
    def bands(self) -> int:
        """Bands of the image."""
        return self.planes * self.codec.samples


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ImageLayout:
    """All levels of one image, in the order of its ``ImageHeader.levels``."""

    levels: tuple[LevelLayout | Unserved, ...]
    pad: float | complex | None = None
    """What a parser found to be the value of pixels that hold nothing, for whoever makes a header of the layout; where
    there is a header, its nodata counts."""
    places: tuple[LevelPlace, ...] = ()
    """Where the levels lie on R0, for whoever makes a header of the layout; none where they are stretched."""

    def served(self) -> ImageLayout:
        """Give the levels that blocks serve, alone."""
        kept = [number for number, level in enumerate(self.levels) if isinstance(level, LevelLayout)]
        places = tuple(self.places[number] for number in kept) if self.places else ()
        return replace(self, levels=tuple(self.levels[number] for number in kept), places=places)
