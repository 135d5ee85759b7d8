"""TIFF files put together tag by tag, for what no writer would write."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

SHORT, LONG, UNDEFINED, LONG8 = 3, 4, 7, 16
FORMATS = {1: "B", 2: "B", 3: "H", 4: "I", 7: "B", 9: "i", 13: "I", 16: "Q", 18: "Q"}

WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, FILL_ORDER = 256, 257, 258, 259, 262, 266
STRIP_OFFSETS, SAMPLES, ROWS_PER_STRIP, STRIP_COUNTS, PLANAR, PREDICTOR = 273, 277, 278, 279, 284, 317
TILE_WIDTH, TILE_LENGTH, TILE_OFFSETS, TILE_COUNTS = 322, 323, 324, 325
SUBFILE, SUB_IFDS, SAMPLE_FORMAT, EXTRA_SAMPLES, JPEG_TABLES, INK_SET = 254, 330, 339, 338, 347, 332

Tags = Mapping[int, "int | bytes | tuple[int, Sequence[int]] | None"]


@dataclass
class Directory:
    """One IFD: its tags, and its blocks with the tags that say where they are (``b""`` is an absent block)."""

    tags: Tags
    blocks: Sequence[bytes] = ()
    subs: Sequence[Directory] = ()
    kinds: tuple[int, int] = (LONG, LONG)
    next_ifd: int | None = None
    at: int = field(default=0, init=False)


def gray(width: int, height: int, blocks: Sequence[bytes], **more: object) -> Directory:
    """An 8-bit grey image of one strip a block, unless ``tags`` say otherwise."""
    tags = {WIDTH: width, HEIGHT: height, BITS: 8, COMPRESSION: 1, PHOTOMETRIC: 1, SAMPLES: 1}
    tags |= {ROWS_PER_STRIP: -(-height // max(len(blocks), 1)), **more.pop("tags", {})}
    return Directory(tags, blocks, **more)


def assemble(*directories: Directory, order: str = "<", big: bool = False) -> bytes:
    """Write the directories as one file, each followed by its values and blocks."""
    file = bytearray()
    mark = b"II" if order == "<" else b"MM"
    file += mark + (struct.pack(order + "HHHQ", 43, 8, 0, 16) if big else struct.pack(order + "HI", 42, 8))
    for position, directory in enumerate(directories):
        link = _write(file, directory, order, big)
        follows = position + 1 < len(directories)
        target = directory.next_ifd if directory.next_ifd is not None else len(file) if follows else 0
        struct.pack_into(order + ("Q" if big else "I"), file, link, target)
        if follows and directory.next_ifd is not None and directory.next_ifd >= len(file):
            break
    return bytes(file)


def save(path: Path, *directories: Directory, order: str = "<", big: bool = False) -> str:
    path.write_bytes(assemble(*directories, order=order, big=big))
    return str(path)


def _write(file: bytearray, directory: Directory, order: str, big: bool) -> int:
    """Append one directory and what it points to; return where its link to the next stands."""
    word, entry, head = ("Q", 20, 8) if big else ("I", 12, 2)
    tags = {tag: _typed(value) for tag, value in directory.tags.items() if value is not None}
    tiled = TILE_WIDTH in tags
    places, sizes = (TILE_OFFSETS, TILE_COUNTS) if tiled else (STRIP_OFFSETS, STRIP_COUNTS)
    if directory.blocks:
        if places not in directory.tags:
            tags[places] = directory.kinds[0], [0] * len(directory.blocks)
        if sizes not in directory.tags:
            tags[sizes] = directory.kinds[1], [len(block) for block in directory.blocks]
    if directory.subs:
        tags[SUB_IFDS] = LONG8 if big else LONG, [0] * len(directory.subs)
    directory.at = at = len(file)
    file += bytes(head + entry * len(tags) + struct.calcsize("=" + word))
    struct.pack_into(order + ("Q" if big else "H"), file, at, len(tags))
    homes = {}
    for position, (tag, (kind, values)) in enumerate(sorted(tags.items())):
        data = struct.pack(f"{order}{len(values)}{FORMATS[kind]}", *values)
        place = at + head + position * entry
        struct.pack_into(f"{order}HH{word}", file, place, tag, kind, len(values))
        home = place + entry - struct.calcsize("=" + word)
        if len(data) > entry - (home - place):
            struct.pack_into(order + word, file, home, len(file))
            home = len(file)
            file += data
        else:
            file[home : home + len(data)] = data
        homes[tag] = home, FORMATS[kind]
    if directory.blocks and places not in directory.tags:
        _point(file, order, homes[places], [_append(file, block) for block in directory.blocks])
    if directory.subs:
        found = []
        for sub in directory.subs:
            _write(file, sub, order, big)
            found.append(sub.at)
        _point(file, order, homes[SUB_IFDS], found)
    return at + head + entry * len(tags)


def _typed(value: int | bytes | tuple[int, Sequence[int]]) -> tuple[int, Sequence[int]]:
    if isinstance(value, bytes):
        return UNDEFINED, list(value)
    return ((SHORT if value < 1 << 16 else LONG), [value]) if isinstance(value, int) else value


def _append(file: bytearray, block: bytes) -> int:
    at = len(file) if block else 0
    file += block
    return at


def _point(file: bytearray, order: str, home: tuple[int, str], values: Sequence[int]) -> None:
    struct.pack_into(f"{order}{len(values)}{home[1]}", file, home[0], *values)
