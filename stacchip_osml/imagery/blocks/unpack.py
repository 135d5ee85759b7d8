"""From expanded bytes to samples: predictors, byte order, packed bits, small floats, complex pairs, interleaving.

Rules:

- what is given back may be a view of the bytes that came in; what has to be
  turned is written into the scratch, once;
- TIFF predictor 2 adds up whole samples in native order, predictor 3 bytes,
  and its result is native whatever the file's order (TIFF Technical Note 3);
- everything here works without Python's lock.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.errors import DecodeError
from stacchip_osml.imagery.blocks.codec_library import codec_library
from stacchip_osml.imagery.blocks.layout import BlockCodec
from stacchip_osml.imagery.blocks.scratch import Scratch
from stacchip_osml.imagery.blocks.streams import Octets

__all__ = ["add_up", "arranged", "block_bytes", "inverted", "samples_of"]

Array = NDArray[Any]
ORDERS = frozenset({"pixel", "row", "band"})


def block_bytes(codec: BlockCodec, shape: tuple[int, int], rows: int) -> int:
    """Count the bytes that the first ``rows`` of a block expand to; of all bands up to the last one's last row.

    Args:
        codec: how samples are stored.
        shape: (rows, cols) of the block.
        rows: not more than those of the block.
    """
    if codec.order == "band":
        rows += shape[0] * (codec.samples - 1)
        per_row = shape[1]
    else:
        per_row = shape[1] * codec.samples
    bits = _stored_bits(codec)
    if is_packed(codec) and codec.aligned_rows:
        runs = codec.samples if codec.order == "row" else 1
        return int(rows * runs * -(-(per_row // runs) * bits // 8))
    return -(-rows * per_row * bits // 8)


def _stored_bits(codec: BlockCodec) -> int:
    stored = np.dtype(codec.stored).itemsize * 8
    if codec.pairs:
        return 2 * stored
    return codec.bits if is_packed(codec) else stored


def is_packed(codec: BlockCodec) -> bool:
    """Tell whether samples do not fill the bytes of the type that they are unpacked to; 24-bit floats are."""
    return not codec.pairs and 0 < codec.bits < np.dtype(codec.stored).itemsize * 8


def samples_of(
    octets: Octets,
    codec: BlockCodec,
    *,
    shape: tuple[int, int],
    rows: int,
    scratch: Scratch,
    out: Array | None = None,
) -> Array:
    """Make samples ``(samples, rows, cols)`` of a block's bytes, native and of the dtype delivered.

    Args:
        octets: as many as ``block_bytes`` says.
        codec: how samples are stored.
        shape: (rows, cols) of the block.
        rows: how many are there.
        scratch: memory; the octets may lie in its ``stream``.
        out: where to put them if that needs no pass of its own; the result is it then.

    Raises:
        DecodeError: such samples are not known.
    """
    if codec.order not in ORDERS:
        raise DecodeError(f"samples in {codec.order} order")
    count = rows if codec.order != "band" or codec.samples == 1 else rows + shape[0] * (codec.samples - 1)
    line = shape[1] if codec.order == "band" else shape[1] * codec.samples
    if out is not None and codec.predictor == 2 and codec.kind == np.dtype(codec.stored).newbyteorder("="):
        _predicted(octets, codec, count, line, scratch, out=out)
        return out
    if is_packed(codec):
        lines = _unpacked(octets, codec, count, line, scratch)
    elif codec.predictor != 1:
        lines = _predicted(octets, codec, count, line, scratch)
    else:
        lines = octets.view(codec.stored).reshape(count, -1)
    return arranged(_delivered(lines, codec, scratch), codec, shape=shape, rows=rows)


def arranged(lines: Array, codec: BlockCodec, *, shape: tuple[int, int], rows: int) -> Array:
    """View ``(lines, samples of a line)`` as ``(samples, rows, cols)``."""
    cols, samples = shape[1], codec.samples
    if samples == 1:
        return lines.reshape(1, rows, cols)
    if codec.order == "pixel":
        return lines.reshape(rows, cols, samples).transpose(2, 0, 1)
    if codec.order == "row":
        return lines.reshape(rows, samples, cols).transpose(1, 0, 2)
    whole = lines.reshape(-1)
    plane = shape[0] * cols
    item = whole.strides[0]
    return np.lib.stride_tricks.as_strided(
        whole, (samples, rows, cols), (plane * item, cols * item, item), writeable=False
    )


# ---- what is stored → numbers


def _delivered(lines: Array, codec: BlockCodec, scratch: Scratch) -> Array:
    """Turn stored numbers into native ones of the dtype delivered; a view where they are."""
    kind = codec.kind
    if codec.pairs:
        values = scratch.array("delivered", (len(lines), lines.shape[1] // 2), kind)
        np.copyto(values.view(values.real.dtype), lines, casting="same_kind")
        return values
    if lines.dtype == kind and lines.dtype.isnative:
        return lines
    if not np.can_cast(lines.dtype, kind, "same_kind"):
        raise DecodeError(f"samples stored as {codec.stored}, delivered as {codec.dtype}")
    values = scratch.array("delivered", lines.shape, kind)
    np.copyto(values, lines, casting="same_kind")
    return values


def _predicted(
    octets: Octets, codec: BlockCodec, count: int, line: int, scratch: Scratch, *, out: Array | None = None
) -> Array:
    """Undo a TIFF predictor: ``(rows, samples of a row)``, native, or of predictor 2 into ``(samples, rows, cols)``."""
    stored = np.dtype(codec.stored)
    if codec.order != "pixel" or codec.pairs or stored.kind == "c":
        raise DecodeError(f"predictor {codec.predictor} of samples stored as {codec.stored}, {codec.order} order")
    if codec.predictor == 2:
        return _summed(octets, stored, (count, line), codec.samples, scratch, out=out)
    if codec.predictor == 3 and stored.kind == "f":
        return _joined(octets, stored.itemsize, (count, line), codec.samples, scratch).view(stored.newbyteorder("="))
    raise DecodeError(f"predictor {codec.predictor} of samples stored as {codec.stored}")


def _summed(
    octets: Octets,
    stored: np.dtype[Any],
    shape: tuple[int, int],
    samples: int,
    scratch: Scratch,
    *,
    out: Array | None,
) -> Array:
    """Add horizontal differences up (TIFF 6.0, section 14)."""
    kind = np.dtype(f"u{stored.itemsize}")
    differences = octets.view(kind.newbyteorder(stored.byteorder)).reshape(shape)
    if out is not None:
        add_up(differences.reshape(shape[0], -1, samples), out.transpose(1, 2, 0), scratch)
        return differences
    room = differences if differences.dtype.isnative and octets.flags.writeable else scratch.array("added", shape, kind)
    pixels = (shape[0], -1, samples)
    add_up(differences.reshape(pixels), room.reshape(pixels), scratch)
    return room.view(stored.newbyteorder("="))


def add_up(differences: Array, out: Array, scratch: Scratch) -> None:
    """Add horizontal differences up (TIFF 6.0, section 14).

    Args:
        differences: ``(rows, cols, samples)``, unsigned, in any byte order; only read, unless ``out`` is the same.
        out: the same shape and item size, native; any strides.
        scratch: memory for the turned bytes of another byte order.
    """
    if not differences.dtype.isnative:
        swapped = scratch.array("sums", differences.shape, differences.dtype.newbyteorder("="))
        np.copyto(swapped, differences)
        differences = swapped
    codec_library().delta_decode(differences, axis=1, out=out.view(differences.dtype))


def _joined(octets: Octets, size: int, shape: tuple[int, int], samples: int, scratch: Scratch) -> Array:
    """Add byte differences up and join the bytes of each float, the highest first (Technical Note 3): native."""
    imagecodecs = codec_library()

    rows, line = shape
    sums = octets if octets.flags.writeable else scratch.octets("sums", len(octets))
    pixels = (rows, -1, samples)
    imagecodecs.delta_decode(octets.reshape(pixels), axis=1, out=sums.reshape(pixels))
    planes = sums.reshape(rows, size, line)
    joined = scratch.array("joined", (rows, line, size), np.uint8)
    for place in range(size):
        # One strided pass a byte: several times faster than one copy of the transposed array.
        joined[:, :, size - 1 - place if sys.byteorder == "little" else place] = planes[:, place]
    return joined.reshape(rows, line * size)


# ---- packed


def _unpacked(octets: Octets, codec: BlockCodec, count: int, line: int, scratch: Scratch) -> Array:
    """Unpack samples that do not fill their bytes."""
    stored = np.dtype(codec.stored)
    if stored.kind == "f" and codec.bits == 24:
        return _floats_of_24_bits(octets, codec, count, line, scratch)
    if stored.kind not in "iu" or codec.bits == 24 or codec.predictor != 1:
        raise DecodeError(f"{codec.bits}-bit samples stored as {codec.stored}, predictor {codec.predictor}")
    imagecodecs = codec_library()

    # Whole words are looked at, beyond the last byte too.
    source = scratch.octets("packed", len(octets) + 8)
    source[: len(octets)] = octets
    source[len(octets) :] = 0
    run = line
    if codec.aligned_rows and codec.order == "row":
        run = line // codec.samples
    elif not codec.aligned_rows:
        run = line * count
    narrow = np.dtype("u1" if codec.bits <= 8 else "u2" if codec.bits <= 16 else "u4")
    values = scratch.array("unpacked", (count, line), narrow)
    imagecodecs.packints_decode(source[: len(octets)], narrow, codec.bits, runlen=run, out=values.reshape(-1))
    return values if stored.kind == "u" else _signed(values, codec.bits)


def _signed(values: Array, bits: int) -> Array:
    """Read unsigned numbers of fewer bits than their type as two's complement, in place."""
    free = 8 * values.itemsize - bits
    np.left_shift(values, free, out=values)
    signed: Array = values.view(f"i{values.itemsize}")
    return np.right_shift(signed, free, out=signed)


def _floats_of_24_bits(octets: Octets, codec: BlockCodec, count: int, line: int, scratch: Scratch) -> Array:
    """Widen floats of 1 + 7 + 16 bits (Technical Note 3) to float32."""
    imagecodecs = codec_library()

    order = np.dtype(codec.stored).str[0]
    if codec.predictor == 3:
        octets = _joined(octets, 3, (count, line), codec.samples, scratch).reshape(-1)
        order = "<" if sys.byteorder == "little" else ">"
    elif codec.predictor != 1:
        raise DecodeError(f"predictor {codec.predictor} of 24-bit floats")
    values: Array = imagecodecs.float24_decode(octets, byteorder=order)
    return values.reshape(count, line)


def inverted(pixels: Array, codec: BlockCodec, scratch: Scratch) -> Array:
    """Count from the other end of the range that the stored bits have."""
    if codec.kind.kind != "u":
        raise DecodeError(f"{codec.dtype} samples that count from white")
    turned = scratch.array("inverted", pixels.shape, codec.dtype)
    np.subtract(codec.kind.type((1 << codec.bits) - 1), pixels, out=turned)
    return turned
