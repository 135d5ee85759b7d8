"""One stored block → its samples: the table of codecs, and the way through them.

Rules:

- how large the result is, is known before a byte is looked at; streams decide
  no allocation, and one that holds another size than its block is damaged;
- damaged streams raise ``DecodeError`` and leave nothing of the block before
  in the result. What cannot be told from the stream (JPEG data altered
  without breaking its grammar) decodes to what the decoder makes of it;
- nothing but ``scratch`` and fresh memory is written to, so any number of threads may decode,
  each with a scratch of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.errors import DecodeError
from stacchip_osml.imagery.blocks.arena import Arena
from stacchip_osml.imagery.blocks.codec_library import codec_library
from stacchip_osml.imagery.blocks.differences import Differences, steps_of, summed
from stacchip_osml.imagery.blocks.layout import BlockCodec
from stacchip_osml.imagery.blocks.pictures import Picture, decode_jpeg, decode_jpegxl, decode_lerc, decode_webp
from stacchip_osml.imagery.blocks.prefixes import Bytes, row_prefixes_of_deflate, use_row_prefixes
from stacchip_osml.imagery.blocks.scratch import Scratch, Stays
from stacchip_osml.imagery.blocks.streams import STREAMS, Octets, Stream, reversed_bits
from stacchip_osml.imagery.blocks.unpack import block_bytes, inverted, samples_of
from stacchip_osml.imagery.jpeg2000.codestream import decode_jpeg2000

__all__ = [
    "DECODERS",
    "Decoder",
    "Scratch",
    "decode_block",
    "decode_differences",
    "decode_sums",
    "get_ready",
    "use_row_prefixes",
]


PICTURES: dict[str, Picture] = {
    "jpeg": decode_jpeg,
    "webp": decode_webp,
    "lerc": decode_lerc,
    "lerc_deflate": decode_lerc,
    "lerc_zstd": decode_lerc,
    "jpegxl": decode_jpegxl,
    "jpeg2000": decode_jpeg2000,
    "htj2k": decode_jpeg2000,
}
"""Codec → what decodes its pictures."""


class Decoder(Protocol):
    """What turns one kind of stream into samples."""

    def __call__(
        self,
        codec: BlockCodec,
        data: Bytes,
        *,
        shape: tuple[int, int],
        rows: int,
        scratch: Scratch,
        out: NDArray[Any] | None,
    ) -> NDArray[Any]:
        """Give ``(samples, rows or more, cols)``, native, of the dtype delivered, in ``out`` where that saves a copy.

        Raises:
            DecodeError: see ``decode_block``.
        """
        ...


def decode_block(
    codec: BlockCodec,
    data: Bytes,
    *,
    shape: tuple[int, int],
    rows: int,
    scratch: Scratch,
    out: NDArray[Any] | None = None,
) -> NDArray[Any]:
    """Decode one block, or as many of its first rows as are needed.

    Args:
        codec: how it is stored.
        data: its bytes as stored; all tile-parts of a JPEG 2000 tile, in order. Uncompressed data may end after the
            rows needed.
        shape: (rows, cols) that its stream holds.
        rows: how many of its first rows are needed.
        scratch: the calling thread's memory.
        out: where to write ``(samples, rows, cols)`` of ``codec.dtype``, of any strides; saves the copy that a caller
            who keeps the block would make.

    Returns:
        ``out``; without it ``(samples, rows or more, cols)``, native byte order, ``codec.dtype``: a view of
        ``scratch``, or of ``data`` where that holds samples as delivered, perhaps read-only, and valid until the next
        use of either.

    Raises:
        DecodeError: the stream is damaged, holds another size, or is of a kind that is not known. ``out`` then holds
            anything.
        ValueError: ``out`` is of another shape or dtype.
    """
    decoder = DECODERS.get(codec.compression)
    if decoder is None:
        raise DecodeError(f"no decoder for {codec.compression}")
    _require_rows(codec, shape, rows)
    if out is not None and (out.shape != (codec.samples, rows, shape[1]) or out.dtype != codec.kind):
        raise ValueError(f"{(codec.samples, rows, shape[1])} {codec.dtype} go into {out.shape} {out.dtype}")
    if codec.lsb_first:
        data = reversed_bits(data, scratch)
    pixels = decoder(codec, data, shape=shape, rows=rows, scratch=scratch, out=None if codec.invert else out)
    if codec.invert:
        pixels = inverted(pixels, codec, scratch)
    if out is None or pixels is out:
        return pixels
    np.copyto(out, pixels[:, :rows])
    return out


def decode_differences(
    codec: BlockCodec, data: Bytes, *, shape: tuple[int, int], rows: int, scratch: Scratch, arena: Arena
) -> Differences:
    """Decode one block, or its first rows, but for the predictor.

    Args:
        codec: how it is stored: one that :func:`~stacchip_osml.imagery.blocks.differences.has_differences`.
        data: its bytes as stored.
        shape: (rows, cols) that its stream holds.
        rows: how many of its first rows are needed.
        scratch: the calling thread's memory.
        arena: memory that the block stays in.

    Raises:
        DecodeError: as :func:`decode_block`.
    """
    octets = _steps(codec, data, shape, rows, Stays(scratch, arena))
    return Differences(octets, codec, cols=shape[1], arena=arena)


def decode_sums(
    codec: BlockCodec,
    data: Bytes,
    *,
    shape: tuple[int, int],
    rows: int,
    scratch: Scratch,
    first: int = 0,
    cols: int | None = None,
) -> NDArray[Any]:
    """Decode part of one block of differences, for one use.

    Args:
        codec: as :func:`decode_differences` has it.
        data: its bytes as stored.
        shape: (rows, cols) that its stream holds.
        rows: how many of its first rows are decoded.
        scratch: the calling thread's memory.
        first: of these rows, the first that is needed.
        cols: how many of a row's first pixels are needed; None for all.

    Returns:
        ``(samples, rows - first, cols)``, native, a view of ``scratch``.

    Raises:
        DecodeError: as :func:`decode_block`.
    """
    octets = _steps(codec, data, shape, rows, scratch)
    return summed(steps_of(octets, codec, shape[1])[first:, :cols], codec.kind, scratch)


def _steps(codec: BlockCodec, data: Bytes, shape: tuple[int, int], rows: int, scratch: Scratch) -> Octets:
    """Expand the first rows of a block of differences, which fill their bytes."""
    _require_rows(codec, shape, rows)
    line = shape[1] * codec.samples * codec.kind.itemsize
    return STREAMS[codec.compression](data, rows * line, shape[0] * line, scratch)


def _require_rows(codec: BlockCodec, shape: tuple[int, int], rows: int) -> None:
    """Refuse blocks of nothing, and more rows than a block has."""
    if not 0 < rows <= shape[0] or shape[1] < 1 or codec.samples < 1:
        raise DecodeError(f"{rows} rows of a block of {shape[0]} x {shape[1]} with {codec.samples} samples")


def get_ready(codecs: Iterable[BlockCodec]) -> None:
    """Import what decoding takes: most of a process's first block, better spent while its bytes are on their way."""
    for codec in codecs:
        library = codec_library()
        if codec.compression == "deflate":
            row_prefixes_of_deflate()
        elif codec.compression == "zstd":
            _ = library.zstd_decode
        if codec.predictor != 1:
            _ = library.delta_decode


def _decode_stream(
    expand: Stream,
    codec: BlockCodec,
    data: Bytes,
    *,
    shape: tuple[int, int],
    rows: int,
    scratch: Scratch,
    out: NDArray[Any] | None,
) -> NDArray[Any]:
    """Decode a stream of bytes as far as it is needed, and make samples of them."""
    wanted, whole = block_bytes(codec, shape, rows), block_bytes(codec, shape, shape[0])
    octets = expand(data, wanted, whole, scratch)
    return samples_of(octets, codec, shape=shape, rows=rows, scratch=scratch, out=out)


def _decode_picture(
    decoder: Picture,
    codec: BlockCodec,
    data: Bytes,
    *,
    shape: tuple[int, int],
    rows: int,
    scratch: Scratch,
    out: NDArray[Any] | None,  # noqa: ARG001 - pictures are copied there
) -> NDArray[Any]:
    """Decode a picture, which knows its samples by itself."""
    return decoder(codec, data, shape=shape, rows=rows, scratch=scratch)


DECODERS: dict[str, Decoder] = {
    **{name: partial(_decode_stream, expand) for name, expand in STREAMS.items()},
    **{name: partial(_decode_picture, decoder) for name, decoder in PICTURES.items()},
}
"""``BlockCodec.compression`` → its decoder."""
