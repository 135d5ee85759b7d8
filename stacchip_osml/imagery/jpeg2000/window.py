"""A JPEG 2000 tile made smaller: of its code-blocks only those that a window needs (ISO/IEC 15444-1, annex B).

Decoders expand every code-block of a tile, which is nearly all of their work.
What is written here is the same tile at the same place, in one layer of the
code-blocks under a window: it decodes to the same samples there, and to
anything beside it.

Rules: packet headers are read, code-blocks are copied as they are. A stream
that is not of the plain kind, or is not sound, is given back as it is: what to
say of it is its decoder's part.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from itertools import product
from typing import NamedTuple

from stacchip_osml.imagery.jpeg2000.main_header import SIZ_HEAD
from stacchip_osml.imagery.jpeg2000.packets import Band, OddStreamError, Span, packet_of, read_packet
from stacchip_osml.pixel import PixelWindow

__all__ = ["only_window"]

SIZ, CAP, COD, QCD, QCC, COM, PLT, SOT, SOD = 0xFF51, 0xFF50, 0xFF52, 0xFF5C, 0xFF5D, 0xFF64, 0xFF58, 0xFF90, 0xFF93
PLAIN = frozenset({SIZ, CAP, COD, QCD, QCC, COM})
"""Marker segments of a main header that say nothing of where packets are."""
HIGH_THROUGHPUT = 0x40
STYLES = frozenset({0, HIGH_THROUGHPUT})
"""Code-block styles by which the passes of a layer are one run of bytes (table A.19)."""
MOST_BLOCKS = MOST_PACKETS = 1 << 16
"""Of a tile; more take longer to look through than to decode."""
MOST_LEVELS, LARGEST_BLOCK = 32, 10
"""Decompositions, and the exponent of a code-block's side (tables A.15, A.18)."""
MARGIN = 4
"""Samples beside a window that its own are made of, at each decomposition; the longer filter has three (F.3.8)."""
UNTOLD = 0xFF
"""Exponents of a precinct's sides where none are told."""


class _Coding(NamedTuple):
    """What COD says (tables A.14, A.15, A.20)."""

    at: int
    """Where it is."""
    is_marked: tuple[bool, bool]
    """Packets have SOP before them, EPH behind their headers."""
    progression: int
    layers: int
    levels: int
    block: Span
    """Exponents of (width, height)."""
    style: int
    precincts: bytes
    """Exponents of each resolution's precinct, from the smallest: width in the lower four bits, height above."""


class _Packet(NamedTuple):
    """One of the places where packets are told apart, in all layers."""

    level: int
    """Resolution, from the smallest."""
    component: int
    number: int
    """Of the precinct."""
    y: int
    x: int
    """Where it begins, on the reference grid."""
    bands: list[Band]


ORDERS: tuple[Callable[[tuple[int, _Packet]], tuple[int, ...]], ...] = (
    lambda each: (each[0], each[1].level, each[1].component, each[1].number),
    lambda each: (each[1].level, each[0], each[1].component, each[1].number),
    lambda each: (each[1].level, each[1].y, each[1].x, each[1].component, each[0]),
    lambda each: (each[1].y, each[1].x, each[1].component, each[1].level, each[0]),
    lambda each: (each[1].component, each[1].y, each[1].x, each[1].level, each[0]),
)
"""Progression → what (layer, packet) are in order of (B.12.1)."""


def only_window(stream: bytes, window: PixelWindow) -> bytes:
    """Give a codestream of the code-blocks that a window needs.

    Args:
        stream: a codestream of one tile.
        window: its pixels, counted from the tile's corner.

    Returns:
        A codestream of the same size whose samples are the same under the window; ``stream`` itself where it is odd.
    """
    try:
        return _pruned(stream, window)
    except (OddStreamError, struct.error, IndexError, ValueError):
        return stream


def _pruned(stream: bytes, window: PixelWindow) -> bytes:
    _, _, _, x, y, left, top, *tile, components = SIZ_HEAD.unpack_from(stream, 2)
    if tile[2] + tile[0] < x or tile[3] + tile[1] < y:
        raise OddStreamError
    start, coding = _main_header(stream)
    blocks = ((x - left >> coding.block[0]) + 2) * ((y - top >> coding.block[1]) + 2) + 4 * coding.levels
    if components * blocks > MOST_BLOCKS:
        raise OddStreamError
    body = b"".join(_bodies(stream, start))
    wanted = (left + window.x, left + window.x + window.width), (top + window.y, top + window.y + window.height)
    packets: list[_Packet] = []
    for component in range(components):
        for packet in _packets(((left, x), (top, y)), wanted, coding, component):
            packets.append(packet)
            if len(packets) * coding.layers > MOST_PACKETS:
                raise OddStreamError
    _read_packets(body, packets, coding)
    packets.sort(key=lambda packet: ORDERS[0]((0, packet)))
    written = b"".join(packet_of(packet.bands) for packet in packets)
    head = bytearray(stream[:start])
    head[coding.at + 4] &= 1
    struct.pack_into(">BH", head, coding.at + 5, 0, 1)  # one layer, in the first of the orders
    part = struct.pack(">HHHIBBH", SOT, 10, 0, len(written) + 14, 0, 1, SOD)
    return b"".join((head, part, written, b"\xff\xd9"))


def _main_header(stream: bytes) -> tuple[int, _Coding]:
    """Give where the first tile-part is, and COD."""
    at, coding = 2, None
    while True:
        marker, length = struct.unpack_from(">HH", stream, at)
        if marker == SOT:
            break
        if marker not in PLAIN:
            raise OddStreamError
        if marker == COD:
            kind, progression, layers, _, levels, width, height, style = struct.unpack_from(">BBHBBBBB", stream, at + 4)
            sizes = stream[at + 14 : at + 15 + levels] if kind & 1 else bytes([UNTOLD] * (levels + 1))
            if progression >= len(ORDERS) or style not in STYLES or len(sizes) <= levels or levels > MOST_LEVELS:
                raise OddStreamError
            if max(width, height) + 2 > LARGEST_BLOCK:  # else few blocks would seem to cover any tile
                raise OddStreamError
            marked = bool(kind & 2), bool(kind & 4)
            coding = _Coding(at, marked, progression, layers, levels, (width + 2, height + 2), style, sizes)
        at += 2 + length
    if coding is None:
        raise OddStreamError
    return at, coding


def _bodies(stream: bytes, at: int) -> Iterator[bytes]:
    """Give the packets of all tile-parts."""
    while stream[at : at + 2] == b"\xff\x90":
        end = at + int.from_bytes(stream[at + 6 : at + 10], "big")
        at += 12
        while (marker := struct.unpack_from(">HH", stream, at))[0] == PLT:
            at += 2 + marker[1]
        if marker[0] != SOD or end < at + 2:
            raise OddStreamError
        yield stream[at + 2 : end]
        at = end


def _packets(sides: tuple[Span, Span], wanted: tuple[Span, Span], coding: _Coding, component: int) -> Iterator[_Packet]:
    """Give the precincts of a component with their sub-bands (B.5, B.6)."""
    for level in range(coding.levels, -1, -1):
        left = coding.levels - level
        exponents = coding.precincts[level] & 15, coding.precincts[level] >> 4
        kinds: tuple[Span, ...] = ((0, 0),)
        if level:
            wanted = tuple((low // 2 - MARGIN, high // 2 + 1 + MARGIN) for low, high in wanted)  # type: ignore[assignment]
            half = 1 << left
            kinds = ((half, 0), (0, half), (half, half))
        inner = tuple(exponent - bool(level) for exponent in exponents)
        block = min(coding.block[0], inner[0]), min(coding.block[1], inner[1])
        if min(inner) < 0:
            raise OddStreamError
        area = [(-(-low >> left), -(-high >> left)) for low, high in sides]
        grid = [
            range(low >> exponent, (high - 1 >> exponent) + 1)
            for (low, high), exponent in zip(area, exponents, strict=True)
        ]
        if any(low == high for low, high in area) or len(grid[0]) * len(grid[1]) > MOST_PACKETS:
            raise OddStreamError
        for number, (row, col) in enumerate(product(grid[1], grid[0])):
            bands = []
            for odd in kinds:
                parts = [
                    (
                        max(-(-(low - shift) >> left + bool(level)), place << exponent),
                        min(-(-(high - shift) >> left + bool(level)), place + 1 << exponent),
                    )
                    for (low, high), shift, place, exponent in zip(sides, odd, (col, row), inner, strict=True)
                ]
                bands.append(Band((parts[0], parts[1]), wanted, block))
            x, y = (
                max(low, place << exponent + left)
                for (low, _), place, exponent in zip(sides, (col, row), exponents, strict=True)
            )
            yield _Packet(level, component, number, y, x, bands)


def _read_packets(body: bytes, packets: list[_Packet], coding: _Coding) -> None:
    """Read all packets, in the order that COD says."""
    data, at, is_single = memoryview(body), 0, coding.style == HIGH_THROUGHPUT
    order = sorted(product(range(coding.layers), packets), key=ORDERS[coding.progression])
    for layer, packet in order:
        at = read_packet(data, at, packet.bands, layer, marked=coding.is_marked, is_single=is_single)
    if at != len(body):
        raise OddStreamError
