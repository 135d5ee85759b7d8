"""An image's pixels as the data of NITF image segments, in any IC and IMODE that is written here.

Everything is checked first, so that nothing is written of what the standard
forbids or an encoder does not keep; then blocks are read one after the other,
encoded by threads, and written in their order: the bytes do not depend on the
number of threads, and memory not on the size of the image. ``docs/write_matrix.md``
has the table of what is written.

References: MIL-STD-2500C (NITF 2.1; the JBP says the same), MIL-STD-188-198A (JPEG), BPJ2K01.20 (JPEG 2000).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.encode.nitf.masks import MOST_OFFSET, MaskTable
from stacchip_osml.encode.nitf.pixels_blocking import MOST_BYTES, MOST_PLACED_ROWS, Blocking, blocking_of, split_rows
from stacchip_osml.encode.nitf.pixels_jpeg import require_jpeg, write_jpeg
from stacchip_osml.encode.nitf.pixels_jpeg2000 import require_jpeg2000, write_jpeg2000
from stacchip_osml.encode.nitf.pixels_rates import Rate
from stacchip_osml.encode.nitf.pixels_raw import fill_raw, raw_bytes, write_raw
from stacchip_osml.encode.nitf.pixels_source import PixelSource, source_of
from stacchip_osml.encode.nitf.pixels_storage import Storage, number, storage_of
from stacchip_osml.encode.nitf.pixels_work import Progress, Work, Written, blocks_of
from stacchip_osml.encode.nitf.records import NitfImage
from stacchip_osml.errors import EncodeError
from stacchip_osml.pixel import ImageSize, PixelWindow

__all__ = ["PreparedSegment", "prepare_image"]

USUAL_SIDE = 1024
"""Of blocks whose size nobody says: BPJ2K01.20's, and below those of complexity level 3."""
MOST_USUAL_SIDE = 2048
PLACED = re.compile(r"SI[CD]D\d{3}")
"""IID1 of segments that are always placed by ILOC."""
WRITERS = {"raw": write_raw, "jpeg": write_jpeg, "jpeg2000": write_jpeg2000}


@dataclass(frozen=True, slots=True, eq=False)
class PreparedSegment:
    """One image segment, ready to be written."""

    storage: Storage
    blocking: Blocking
    source: PixelSource
    most_bytes: int
    has_pad: bool = True
    """Whether stored pixels of the pad value hold nothing."""

    @property
    def window(self) -> PixelWindow:
        """The part of the image that it holds: all columns, some rows. Its ILOC follows."""
        return self.blocking.window

    @property
    def size(self) -> int:
        """Bytes of its data, where they are known before it is written; else 0."""
        is_known = self.storage.compression.kind == "raw" and not self.storage.compression.masked
        return raw_bytes(self.storage, self.blocking) if is_known else 0

    @property
    def fields(self) -> dict[str, str]:
        """The fields of its subheader that follow from pixels, as text of their full width without spaces."""
        return dict(_fields(self.storage, self.blocking))

    def write(self, out: BinaryIO, *, workers: int = 1, progress: Progress | None = None) -> Written:
        """Write the mask table, if any, and all blocks.

        Args:
            out: seekable; written from where it stands, and left at the end of what was written.
            workers: threads that encode; the provider is read in the caller's alone.
            progress: told parts done, and their number.

        Raises:
            EncodeError: a sample does not fit into ABPP, or the data into LI.
            Whatever the provider raises.
        """
        absent, table = self._masked()
        work = Work(self.storage, self.blocking, self.source, table, absent, workers, progress)
        length = WRITERS[self.storage.compression.kind](out, work)
        if length > self.most_bytes:
            raise EncodeError(
                f"LI: {length} bytes of image data, more than {self.most_bytes} (MIL-STD-2500C, table A-1)"
            )
        fields = self.fields
        if isinstance(self.storage.rate, Rate) and self.storage.rate.kind == "N":
            samples = self.window.width * self.window.height * self.storage.bands
            fields["COMRAT"] = self.storage.rate.text(length * 8 / samples)
        return Written(length, fields)

    def fill(self, memory: NDArray[np.uint8]) -> None:
        """Put the data into memory of ``size`` bytes, which is not 0: as :meth:`write` would, in the caller's thread.

        Raises:
            EncodeError: a sample does not fit into ABPP.
        """
        fill_raw(memory, self.storage, self.blocking, self.source)

    def _masked(self) -> tuple[frozenset[int], MaskTable | None]:
        """Find the blocks that are not recorded, and what the mask table will say of padding."""
        storage = self.storage
        if not storage.compression.masked:
            return frozenset(), None
        blocks = blocks_of(self.blocking)
        absent = frozenset(block.number for block in blocks if not self.source.stores(block.window))
        stored = (block.window for block in blocks if block.number not in absent)
        has_holes = (bool(absent) and self.has_pad) or any(self.source.has_holes(window) for window in stored)
        return absent, MaskTable(
            records=len(blocks) * (storage.bands if storage.imode == "S" else 1),
            pad_bits=storage.nbpp if has_holes else 0,
            pad_code=_pad_code(storage) if has_holes else b"",
            has_pad_records=has_holes and storage.is_lossless,
        )


def prepare_image(
    image: NitfImage, *, segment_rows: int | None = None, segment_bytes: int = MOST_BYTES
) -> tuple[PreparedSegment, ...]:
    """Check how an image is to be stored, and cut it into segments, from top to bottom; mostly it is one.

    Args:
        image: its ``fields`` may say ``IC``, ``IMODE``, ``COMRAT``, ``NPPBH``, ``NPPBV``, ``PVTYPE``, ``NBPP``,
            ``ABPP``, ``PJUST``, ``IREP``, ``ICAT``, ``IREPBANDn``, ``ISUBCATn``, ``J2K_DECOMPOSITION_LEVELS`` and
            ``J2K_QUALITY_LAYERS``; others are not looked at.
        segment_rows: most rows of a segment; None for as many as NROWS can say, or as ILOC can where there are several
            and in SICD and SIDD, which ``IID1`` tells (NGA.STND.0024-2 and 0025-2: 99,999).
        segment_bytes: most bytes of a segment's data, reckoned uncompressed.

    Raises:
        EncodeError: naming the field, its rule and the clause.
        DecodeError: the provider's numbers are no image.
    """
    storage = storage_of(image.pixels, image.fields)
    source = source_of(image.pixels, storage)
    if segment_rows is None and PLACED.match(str(image.fields.get("IID1", ""))):
        segment_rows = MOST_PLACED_ROWS
    asked = number(image.fields, "NPPBV"), number(image.fields, "NPPBH")
    most_bytes = min(segment_bytes, MOST_OFFSET) if storage.compression.masked else segment_bytes
    blockings = _blockings(
        storage, source.size, source.block_shape, asked=asked, segment_rows=segment_rows, most_bytes=most_bytes
    )
    return tuple(PreparedSegment(storage, blocking, source, most_bytes, image.has_pad) for blocking in blockings)


@lru_cache(maxsize=256)
def _blockings(
    storage: Storage,
    size: ImageSize,
    block_shape: tuple[int, int],
    *,
    asked: tuple[int | None, int | None],
    segment_rows: int | None,
    most_bytes: int,
) -> tuple[Blocking, ...]:
    """Cut an image into segments and these into blocks."""
    kind, default = storage.compression.kind, _usual_block(storage, size, block_shape)
    rows, cols = (
        min(side, have) if want is None else want
        for want, side, have in zip(asked, default, (size.height, size.width), strict=True)
    )
    across = -(-size.width // (cols or size.width)) * (cols or size.width)
    windows = split_rows(
        size,
        row_bytes=max(1, -(-across * storage.bands * storage.nbpp // 8)),
        block_rows=rows if rows < size.height else 0,
        most_rows=segment_rows,
        most_bytes=most_bytes,
    )
    blockings = [blocking_of(window, asked, default=default, may_be_long=kind == "raw") for window in windows]
    for blocking in blockings:
        _require(storage, blocking)
    return tuple(blockings)


@lru_cache(maxsize=256)
def _fields(storage: Storage, blocking: Blocking) -> Mapping[str, str]:
    """Give the fields that follow from pixels."""
    return storage.fields() | blocking.fields()


def _require(storage: Storage, blocking: Blocking) -> None:
    if storage.imode == "S" and blocking.count == 1:
        raise EncodeError("IMODE of an image of one block is B where S is meant (MIL-STD-2500C, table A-3)")
    if storage.compression.kind == "jpeg":
        require_jpeg(storage, blocking)
    elif storage.compression.kind == "jpeg2000":
        require_jpeg2000(storage, blocking)


def _usual_block(storage: Storage, size: ImageSize, block_shape: tuple[int, int]) -> tuple[int, int]:
    """Give (NPPBV, NPPBH) where nobody says them: the provider's own where they are usual, else 1024."""
    if storage.ic == "I1":
        return size.height, size.width
    sides = []
    for have, length in zip(block_shape, (size.height, size.width), strict=True):
        is_usual = USUAL_SIDE // 4 <= have <= MOST_USUAL_SIDE
        if storage.compression.kind == "jpeg2000" and have & (have - 1):
            is_usual = False
        sides.append(have if is_usual else length if length <= USUAL_SIDE else USUAL_SIDE)
    return sides[0], sides[1]


def _pad_code(storage: Storage) -> bytes:
    """Write TPXCD: the pad pixel with NBPP bits, right-justified in whole bytes."""
    octets = -(-storage.nbpp // 8)
    if storage.nbpp % 8 == 0 and octets == storage.dtype.itemsize:
        return np.array(storage.pad, storage.dtype.newbyteorder(">")).tobytes()
    return (int(storage.pad) & ((1 << storage.nbpp) - 1)).to_bytes(octets, "big")
