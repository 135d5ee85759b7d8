"""A level's layout as few bytes, and back.

Bytes of a level::

    format (1 byte) · length and JSON of the head · shared bytes of image and mask
    · counts of the image · counts of the mask · offset of the first part · steps

What lies below the image in blocks of its own takes the place of a mask.

A step is the gap from the end of one stored part to the start of the next:
writers leave the same gap everywhere (8 bytes in GDAL's COGs), so steps are
mostly one number. Parts are followed in the order that needs fewer bytes: plane
after plane, or block after block with the block's mask behind it. Offsets of
parts that are not stored are not kept: they come back as 0.

Images of one collection have the same heads, so those are parsed once.

Rules: what is unpacked is believed by readers, so every number is checked
here. Sizes are checked before anything is allocated for them; damage is a
ValueError, which says what is wrong.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import MISSING, dataclass, fields, replace
from functools import lru_cache
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.errors import LimitError
from stacchip_osml.imagery.blocks.integers import (
    PackedSource,
    pack_integers,
    pack_number,
    pack_signed,
    unpack_integers,
)
from stacchip_osml.imagery.blocks.layout import BlockCodec, LevelLayout, Unserved, stacked_size
from stacchip_osml.imagery.limits import ReadLimits
from stacchip_osml.pixel import ImageSize

__all__ = ["MAX_PARTS", "look_at_level", "pack_level", "unpack_level"]

FORMAT = 1
MAX_PARTS = 1 << 24
"""Most parts of blocks, mask included, that a level may have to be packed: 256 MiB as arrays."""
MAX_END = 1 << 60
"""No file is longer."""
MAX_HEAD = 1 << 18
"""Of an image in 999 segments, which a file may have."""
MAX_REASON = 1000
MAX_SHARED = 1 << 24
SIDE = 2**31
ORDERS = frozenset({"pixel", "row", "band"})
COLORS = frozenset({"stored", "rgb"})
_KIND = re.compile(r"[<>|=]?(u?int(8|16|32|64)|float(16|32|64)|complex(64|128)|[iu][1248]|f[248]|c8|c16)")
_WORD = re.compile(r"[a-z][a-z0-9_+-]{0,31}")
_CODEC = tuple(one.name for one in fields(BlockCodec) if one.name != "shared")
_DEFAULTS = {one.name: one.default for one in fields(BlockCodec) if one.default is not MISSING and one.name in _CODEC}


@dataclass(frozen=True, slots=True)
class _Head:
    """A level, its mask or what lies below it, without its integers."""

    size: ImageSize
    block_shape: tuple[int, int]
    short_edge: bool
    shape: tuple[int, int, int, int]
    """(parts, planes, rows, cols) of the offsets."""
    codec: BlockCodec
    """Without its shared bytes."""
    shared: int
    """How many those are."""

    @property
    def count(self) -> int:
        parts, planes, rows, cols = self.shape
        return parts * planes * rows * cols


def pack_level(level: LevelLayout | Unserved) -> bytes:
    """Give a level as bytes.

    Raises:
        LimitError: it has more than ``MAX_PARTS`` parts.
        ValueError: counts or offsets that no file can have.
    """
    if isinstance(level, Unserved):
        return _framed(_dump({"unserved": level.reason[:MAX_REASON]}))
    images = (*level.apart, *(() if level.mask is None else (level.mask,)))
    if any(image.below or image.mask is not None for image in images[1:]) or (level.below and level.mask is not None):
        raise ValueError("a mask has no mask, and neither has what lies above or below other blocks")
    if (parts := sum(image.offsets.size for image in images)) > MAX_PARTS:
        raise LimitError(f"{parts} parts of blocks, at most {MAX_PARTS} are packed")
    heads = tuple(_head_of(image) for image in images)
    counts, offsets = (_joined([getattr(image, name) for image in images]) for name in ("counts", "offsets"))
    if counts.min() < 0 or ((offsets < 0) | (offsets > MAX_END - counts))[counts > 0].any():
        raise ValueError("counts and offsets must not be negative, nor beyond any file's end")
    steps, is_turned = _pack_steps(offsets, counts), False
    if len(heads) > 1 or heads[0].shape[:2] != (1, 1):
        order = _block_order(tuple(head.shape for head in heads))
        turned = _pack_steps(offsets[order], counts[order])
        if len(turned) < len(steps):
            steps, is_turned = turned, True
    shared = [image.codec.shared for image in images]
    lengths = [pack_integers(image.counts.ravel()) for image in images]
    text = _head_text(heads, "below" if level.mask is None else "mask", is_turned=is_turned)
    return _framed(text, *shared, *lengths, steps)


def unpack_level(
    data: bytes, *, end: int | None = None, limits: ReadLimits | None = None, name: str = "level"
) -> LevelLayout | Unserved:
    """Read what :func:`pack_level` wrote.

    Args:
        data: the bytes.
        end: length of the file: no part may lie beyond it. None where it is not known.
        limits: refused above these; None for the defaults. Blocks are judged by who reads them.
        name: names the image in messages about limits.

    Raises:
        ValueError: damaged, or not possible.
        LimitError: the image is larger than ``limits``.
    """
    if not data.startswith(bytes([FORMAT])):
        raise ValueError(f"format {data[:1].hex() or 'none'} of a packed level is not known")
    source = PackedSource(data, 1)
    try:
        parsed = _parsed(source.take(source.number(), MAX_HEAD))
        if parsed.reason is not None:
            source.require_empty()
            return Unserved(reason=parsed.reason)
        most = MAX_END if end is None else min(end, MAX_END)
        parts = _unpack(source, parsed, most, limits or ReadLimits(), name)
    except IndexError:
        raise ValueError("ends before its integers do") from None
    if len(parts) == 1:
        return parts[0]
    if parsed.is_masked:
        return replace(parts[0], mask=parts[1])
    return LevelLayout.stacked(parts)


def look_at_level(data: bytes) -> tuple[tuple[int, int], str] | None:
    """Give (rows, cols) of a block and the compression of a packed level, its integers unseen; None if not served.

    Raises:
        ValueError: damaged.
    """
    source = PackedSource(data, 1)
    try:
        parsed = _parsed(source.take(source.number(), MAX_HEAD))
    except IndexError:
        raise ValueError("ends before its head does") from None
    return None if parsed.reason is not None else (parsed.heads[0].block_shape, parsed.heads[0].codec.compression)


def _unpack(source: PackedSource, parsed: _Parsed, end: int, limits: ReadLimits, name: str) -> list[LevelLayout]:
    """Give the image's blocks, and its mask or what lies below them."""
    heads, codecs = parsed.heads, []
    size = heads[0].size if parsed.is_masked else stacked_size([head.size for head in heads])
    limits.require_image(name, size, heads[0].shape[1] * heads[0].codec.samples)
    for head in heads:
        codec = head.codec
        codecs.append(replace(codec, shared=source.take(head.shared, MAX_SHARED)) if head.shared else codec)
    counts = _joined([unpack_integers(source, head.count) for head in heads])
    if parsed.is_turned:
        order = _block_order(tuple(head.shape for head in heads))
        offsets = np.empty_like(counts)
        offsets[order] = _unpack_steps(source, counts[order], end)
    else:
        offsets = _unpack_steps(source, counts, end)
    source.require_empty()
    edges = [0, *accumulate(head.count for head in heads)]
    return [
        LevelLayout(
            size=head.size,
            block_shape=head.block_shape,
            short_edge=head.short_edge,
            codec=codec,
            offsets=offsets[first:last].reshape(head.shape),
            counts=counts[first:last].reshape(head.shape),
        )
        for head, codec, (first, last) in zip(heads, codecs, pairwise(edges), strict=True)
    ]


def _joined(arrays: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    return arrays[0].ravel() if len(arrays) == 1 else np.concatenate([array.ravel() for array in arrays])


def _framed(head: bytes, *pieces: bytes) -> bytes:
    return b"".join([bytes([FORMAT]), pack_number(len(head)), head, *pieces])


# ---- heads


def _head_of(level: LevelLayout) -> _Head:
    shape, codec = level.offsets.shape, level.codec
    head = _Head(
        level.size,
        level.block_shape,
        level.short_edge,
        (shape[0], shape[1], shape[2], shape[3]),
        replace(codec, shared=b"") if codec.shared else codec,
        len(codec.shared),
    )
    if level.counts.shape != shape or shape[2:] != _grid(level.size, level.block_shape):
        raise ValueError(f"{shape} offsets and {level.counts.shape} counts for {level.size} in {level.block_shape}")
    return head


def _grid(size: ImageSize, block_shape: tuple[int, int]) -> tuple[int, int]:
    return -(-size.height // block_shape[0]), -(-size.width // block_shape[1])


@lru_cache(maxsize=512)
def _head_text(heads: tuple[_Head, ...], others: str, *, is_turned: bool) -> bytes:
    """Write heads down; ``others`` says what all but the first are of."""
    image, *more = map(_head_document, heads)
    document: dict[str, Any] = {"image": image, **({"order": "block"} if is_turned else {})}
    if more:
        document[others] = more[0] if others == "mask" else more
    return _dump(document)


def _head_document(head: _Head) -> dict[str, Any]:
    codec = {key: value for key in _CODEC if (value := getattr(head.codec, key)) != _DEFAULTS.get(key, MISSING)}
    document: dict[str, Any] = {"block": list(head.block_shape), "codec": codec, "size": list(head.size)}
    if head.short_edge:
        document["short"] = True
    if head.shape[:2] != (1, 1):
        document["stack"] = list(head.shape[:2])
    if head.shared:
        document["shared"] = head.shared
    return document


class _Parsed(NamedTuple):
    heads: tuple[_Head, ...] = ()
    """Of the image, then of its mask or of what lies below it."""
    is_masked: bool = False
    is_turned: bool = False  # parts go block by block
    reason: str | None = None
    """Why a level is not served."""


@lru_cache(maxsize=512)
def _parsed(text: bytes) -> _Parsed:
    """Read the heads of a level."""
    try:
        document = json.loads(text)
    except RecursionError as error:
        raise ValueError("its head is nested too deep") from error
    if not isinstance(document, dict):
        raise ValueError(f"its head is {document!r:.40}")  # noqa: TRY004 - damage is one kind of error
    if "unserved" in document:
        if not isinstance(document["unserved"], str):
            raise ValueError(f"its reason is {document['unserved']!r:.40}")
        return _Parsed(reason=document["unserved"])
    is_masked, below = "mask" in document, document.get("below", [])
    if not isinstance(below, list) or (below and is_masked):
        raise ValueError(f"below it lies {below!r:.40}")
    heads = tuple(map(_head, (document.get("image"), *([document["mask"]] if is_masked else below))))
    if (claimed := sum(head.count for head in heads)) > MAX_PARTS:
        raise ValueError(f"claims {claimed} parts of blocks, at most {MAX_PARTS} are packed")
    if is_masked and (heads[1].size != heads[0].size or heads[1].shape[1] * heads[1].codec.samples != 1):
        raise ValueError("its mask is not one band of the image's size")
    if below and len({(head.size.width, head.shape[1], head.codec.samples, head.codec.dtype) for head in heads}) > 1:
        raise ValueError("what lies below it is of another width, or of other bands")
    return _Parsed(heads, is_masked, document.get("order") == "block")


def _head(value: Any) -> _Head:
    if not isinstance(value, dict):
        raise ValueError(f"a head is {value!r:.40}")  # noqa: TRY004 - damage is one kind of error
    size, block_shape = ImageSize(*_pair(value.get("size"))), _pair(value.get("block"))
    stack = _pair(value.get("stack", [1, 1]))
    shared = value.get("shared", 0)
    if type(shared) is not int or not 0 <= shared <= MAX_SHARED:
        raise ValueError(f"{shared!r:.40} shared bytes")
    return _Head(
        size,
        block_shape,
        value.get("short") is True,
        (*stack, *_grid(size, block_shape)),
        _codec(value.get("codec")),
        shared,
    )


def _codec(value: Any) -> BlockCodec:
    """Build a codec, every field of its own type and range."""
    if not isinstance(value, dict) or not set(value) <= set(_CODEC):
        raise ValueError(f"a codec is {value!r:.200}")
    found: dict[str, Any] = {name: value.get(name, _DEFAULTS.get(name)) for name in _CODEC}
    is_possible = (
        all(type(found[name]) is type(default) for name, default in _DEFAULTS.items())
        and all(type(found[name]) is str for name in ("compression", "dtype", "stored"))
        and all(type(found[name]) is int for name in ("bits", "samples"))
        and _WORD.fullmatch(found["compression"])
        and all(_KIND.fullmatch(found[name]) for name in ("dtype", "stored"))
        and found["order"] in ORDERS
        and found["color"] in COLORS
        and found["predictor"] in {1, 2, 3}
        and 0 <= found["reduce"] <= 32
        and 1 <= found["bits"] <= 128
        and 1 <= found["samples"] < SIDE
    )
    if not is_possible:
        raise ValueError(f"codec {found!r:.400} is not possible")
    return BlockCodec(**found)


def _pair(value: Any) -> tuple[int, int]:
    """Read two numbers, each 1 to 2³¹ - 1."""
    is_pair = (
        isinstance(value, list) and len(value) == 2 and all(type(side) is int and 0 < side < SIDE for side in value)
    )
    if not is_pair:
        raise ValueError(f"{value!r:.60} where two positive numbers belong")
    return value[0], value[1]


def _dump(document: dict[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":"), sort_keys=True).encode()


# ---- steps


@lru_cache(maxsize=16)
def _block_order(shapes: tuple[tuple[int, int, int, int], ...]) -> NDArray[np.int64]:
    """Give the places, in plane order, of parts block after block: its parts, band after band, then its mask's."""
    first, columns = 0, []
    for parts, planes, rows, cols in shapes:
        count = parts * planes * rows * cols
        places = np.arange(first, first + count).reshape(parts, planes, rows, cols)
        columns.append(places.transpose(2, 3, 1, 0).reshape(rows * cols, -1))
        first += count
    if len({len(column) for column in columns}) > 1:
        return np.concatenate([column.ravel() for column in columns])
    return np.concatenate(columns, axis=1).ravel()


def _pack_steps(offsets: NDArray[np.int64], counts: NDArray[np.int64]) -> bytes:
    stored = counts > 0
    if not stored.all():
        offsets, counts = offsets[stored], counts[stored]
    if len(offsets) < 2:
        return b"".join(map(pack_number, offsets.tolist()))
    steps = offsets[1:] - offsets[:-1] - counts[:-1]
    middle = int(steps[len(steps) // 2])
    if (steps == middle).all():
        return pack_number(int(offsets[0])) + pack_signed(middle) + pack_integers(steps[:1] - middle)
    middle = int(np.partition(steps, len(steps) // 2)[len(steps) // 2])
    beside = steps - middle
    return pack_number(int(offsets[0])) + pack_signed(middle) + pack_integers((beside << 1) ^ (beside >> 63))


def _unpack_steps(source: PackedSource, counts: NDArray[np.int64], end: int) -> NDArray[np.int64]:
    """Follow the steps from part to part, all of them inside the file.

    What is too large to add up wraps around, and is found where the results are compared with the file.
    """
    stored = counts > 0
    is_whole = bool(stored.all())
    lengths = counts if is_whole else counts[stored]
    if not is_whole and counts.min() < 0:
        raise ValueError(f"a block of {counts.min()} bytes")
    if not len(lengths):
        return np.zeros_like(counts)
    first = source.number()
    places = lengths.copy()
    if len(places) > 1:
        steps = places[:-1]
        steps += source.signed()
        beside = unpack_integers(source, len(steps))
        if beside.any():
            steps += (beside >> 1) ^ -(beside & 1)
    ends = np.add.accumulate(places)
    places[0] = first
    np.add(ends[:-1], first, out=places[1:])
    if places.min() < 0 or (places > end - lengths).any():
        raise ValueError(f"a block lies outside of its file, of at most {end} bytes")
    if is_whole:
        return places
    offsets = np.zeros_like(counts)
    offsets[stored] = places
    return offsets
