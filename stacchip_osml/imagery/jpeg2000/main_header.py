"""What the main header of a JPEG 2000 codestream says, and where the tile-parts lie.

ISO/IEC 15444-1 annex A, by its names; part 15 (high throughput) differs by
markers that are only noticed here. Rules:

- TLM, where it is there, gives every tile-part at once; it is believed after
  the first and the last tile-part in the file were found where it says. Otherwise the
  tile-parts are followed one by one, in as many reads as allowed;
- what decides the pixels but is not read here (packed headers in the main
  header, parts that are missing or repeated) is not served: GDAL judges. Of a
  codestream that is cut short the tiles that are known to be whole are served;
- of the main header, the part that a decoder of one tile needs is kept.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.errors import DecodeError
from stacchip_osml.imagery.blocks.read_ahead import AHEAD, NotServedError, ReadAhead

__all__ = [
    "MOST_SAMPLES",
    "MOST_TILES",
    "SIZ_HEAD",
    "Codestream",
    "Component",
    "Siz",
    "TileParts",
    "may_order_by_position",
    "read_main_header",
    "read_tile_parts",
]

SOC, SIZ, CAP, COD, COC, TLM, PLM, POC, PPM, CRG, COM, SOT, SOD, EOC = (
    0xFF4F, 0xFF51, 0xFF50, 0xFF52, 0xFF53, 0xFF55, 0xFF57, 0xFF5F, 0xFF60, 0xFF63, 0xFF64, 0xFF90, 0xFF93, 0xFFD9,
)  # fmt: skip
LEFT_OUT = frozenset({TLM, PLM, CRG, COM})
"""Marker segments that say nothing about pixels, or about all tiles' lengths."""
MOST_SAMPLES = 1 << 27
"""Samples of one tile: decoders hold them as 32-bit numbers, some of them twice."""
SIZ_HEAD = struct.Struct(">HHHIIIIIIIIH")
"""SIZ, Lsiz, Rsiz, Xsiz, Ysiz, XOsiz, YOsiz, XTsiz, YTsiz, XTOsiz, YTOsiz, Csiz."""
END = EOC.to_bytes(2, "big")
SOT_HEAD = struct.Struct(">HHHIBB")
"""SOT, Lsot, Isot, Psot, TPsot, TNsot."""
MOST_SHARED = 1 << 20
"""Bytes of a main header that is kept with every level."""
MOST_SEGMENTS = 1 << 16
"""Marker segments of a main header: two for each of 16,384 components are possible."""
MOST_TILES = 65535
LAST_UNPLACED = 1
"""LRCP, RLCP: progression orders in which places do not count come first (table A.16)."""
NEAR = 1 << 16
"""Bytes: tile-parts smaller than this are looked for several at a time."""


class Component(NamedTuple):
    """One component's depth and sampling (table A.11)."""

    bits: int
    signed: bool
    step: tuple[int, int]
    """(XRsiz, YRsiz)."""


@dataclass(frozen=True, slots=True)
class Siz:
    """Image and tile sizes on the reference grid, all (x, y)."""

    end: tuple[int, int]
    origin: tuple[int, int]
    tile: tuple[int, int]
    tile_origin: tuple[int, int]
    components: tuple[Component, ...]

    @property
    def grid(self) -> tuple[int, int]:
        """(cols, rows) of tiles (B-5)."""
        (x, y), (xt, yt), (xto, yto) = self.end, self.tile, self.tile_origin
        return -(-(x - xto) // xt), -(-(y - yto) // yt)


@dataclass(frozen=True, slots=True, kw_only=True)
class Codestream:
    """What the main header says."""

    siz: Siz
    resolutions: int
    """Of the first component, R0 included."""
    fewest_resolutions: int
    """Of any component."""
    high_throughput: bool
    shared: bytes
    """SOC, SIZ and what else a decoder of a tile needs."""
    first: int
    """Where the first tile-part begins in the file."""
    lengths: tuple[bytes, ...]
    """Bodies of the TLM segments, in order."""
    packed_headers: bool
    """It has PPM."""
    by_position: bool
    """Packets are, or may be, ordered by their place: RPCL, PCRL, CPRL, or whatever POC says (table A.16)."""


class TileParts(NamedTuple):
    """All tile-parts in the order of the file, each ``int64``."""

    tiles: NDArray[np.int64]
    offsets: NDArray[np.int64]
    counts: NDArray[np.int64]
    cut: int | None = None
    """Where the file ends before the codestream does: tiles that are not listed would lie there."""


def read_main_header(ahead: ReadAhead, start: int) -> Codestream:
    """Read the main header of the codestream that begins at byte ``start`` of a file.

    Raises:
        DecodeError: it is not a codestream.
        NotServedError: its header is damaged, or larger than is kept.
    """
    opening = ahead.exactly(start, 6)
    if opening[:4] != b"\xff\x4f\xff\x51":
        raise DecodeError(f"{ahead.name}: no JPEG 2000 codestream at {start}")
    sized = ahead.exactly(start + 2, int.from_bytes(opening[4:], "big") + 2)
    siz = _siz(sized, ahead.name)
    kept, held = [opening[:2], sized], 2 + len(sized)
    resolutions: dict[int, int] = {}
    styles = 0
    lengths: list[bytes] = []
    packed_headers = high_throughput = by_position = False
    at = start + held
    for _ in range(MOST_SEGMENTS):
        marker, length = struct.unpack(">HH", ahead.exactly(at, 4))
        if marker == SOT:
            break
        if marker < SOC or marker in {SOC, SIZ, EOC} or length < 2:
            raise NotServedError(f"marker {marker:04x} in its JPEG 2000 main header")
        if marker == TLM:
            lengths.append(ahead.exactly(at + 4, length - 2))
        packed_headers |= marker == PPM
        by_position |= marker == POC
        if marker not in LEFT_OUT:
            held += length + 2
            if held > MOST_SHARED:
                raise NotServedError(f"its JPEG 2000 main header is larger than {MOST_SHARED} bytes")
            segment = ahead.exactly(at, length + 2)
            kept.append(segment)
            high_throughput |= marker == CAP and bool(segment[5:6] > b"\x01" and segment[5] & 0x02)  # Pcap15
            if marker in {COD, COC}:
                component, count, style = _coding(segment, len(siz.components), ahead.name)
                by_position |= marker == COD and segment[5] > LAST_UNPLACED
                resolutions[component] = count
                styles |= style
        at += length + 2
    else:
        raise NotServedError(f"more than {MOST_SEGMENTS} marker segments in its JPEG 2000 main header")
    if -1 not in resolutions:
        raise DecodeError(f"{ahead.name}: its JPEG 2000 main header has no COD")
    of_all = [resolutions.get(number, resolutions[-1]) for number in range(len(siz.components))]
    return Codestream(
        siz=siz,
        resolutions=of_all[0],
        fewest_resolutions=min(of_all),
        high_throughput=high_throughput or bool(styles & 0x40),
        shared=b"".join(kept),
        first=at,
        lengths=tuple(lengths),
        packed_headers=packed_headers,
        by_position=by_position,
    )


def _coding(segment: bytes, components: int, name: str) -> tuple[int, int, int]:
    """Read the component (-1: all others), resolutions and code-block style of COD or COC (A.6.1, A.6.2)."""
    wide = 2 if components > 256 else 1
    is_cod = segment[1] == COD & 0xFF
    at = 9 if is_cod else 5 + wide
    if len(segment) < at + 5 or segment[at] > 32:
        raise DecodeError(f"{name}: its coding style has more than 32 decomposition levels or is cut short")
    component = -1 if is_cod else int.from_bytes(segment[4 : 4 + wide], "big")
    return component, segment[at] + 1, segment[at + 3]


def _siz(segment: bytes, name: str) -> Siz:
    """Read SIZ (A.5.1), whole."""
    if len(segment) < SIZ_HEAD.size:
        raise DecodeError(f"{name}: its SIZ marker segment is cut short")
    _, length, _, x, y, xo, yo, xt, yt, xto, yto, count = SIZ_HEAD.unpack_from(segment)
    if not count or length != 38 + 3 * count:
        raise DecodeError(f"{name}: its SIZ marker segment holds {length} bytes for {count} components")
    rows = segment[SIZ_HEAD.size :]
    components = tuple(
        Component((rows[at] & 0x7F) + 1, bool(rows[at] & 0x80), (rows[at + 1], rows[at + 2]))
        for at in range(0, 3 * count, 3)
    )
    siz = Siz((x, y), (xo, yo), (xt, yt), (xto, yto), components)
    for end, first, tile, tile_first in zip(siz.end, siz.origin, siz.tile, siz.tile_origin, strict=True):
        if not (tile_first <= first < end and tile > 0 and tile_first + tile > first):
            raise DecodeError(
                f"{name}: tiles of {xt} x {yt} from ({xto}, {yto}) in an image ({xo}, {yo}) to ({x}, {y})"
            )
    if any(not 1 <= each.bits <= 38 or 0 in each.step for each in components):
        raise DecodeError(f"{name}: its SIZ marker segment has a component of no size")
    if siz.grid[0] * siz.grid[1] > MOST_TILES:
        raise DecodeError(f"{name}: {siz.grid[0]} x {siz.grid[1]} tiles, at most {MOST_TILES} are possible")
    return siz


def read_tile_parts(ahead: ReadAhead, stream: Codestream, end: int | None) -> TileParts:
    """Find every tile-part.

    Args:
        ahead: the file.
        stream: its main header.
        end: where the codestream ends in the file, None where unknown.

    Raises:
        NotServedError: a tile is damaged, or all are cut short; or there are too many places to look at.
    """
    tiles = stream.siz.grid[0] * stream.siz.grid[1]
    parts = _listed(ahead, stream, tiles, end) if stream.lengths else None
    parts = _followed(ahead, stream.first, tiles, end) if parts is None else parts
    if len(parts.tiles) and (int(parts.tiles.max()) >= tiles or int(parts.counts.min()) < SOT_HEAD.size + 2):
        raise NotServedError("a JPEG 2000 tile-part has a wrong number or length")
    if parts.cut is not None and not (parts.offsets + parts.counts <= parts.cut).any():
        raise NotServedError("the JPEG 2000 codestream is cut short")
    return parts


def may_order_by_position(ahead: ReadAhead, at: int) -> bool:
    """Tell whether the header of the tile-part at byte ``at`` changes the order of packets, or cannot be followed.

    Raises:
        NotServedError: no read is left.
    """
    at += SOT_HEAD.size
    for _ in range(MOST_SEGMENTS):
        head = ahead.upto(at, 4, ahead=SOT_HEAD.size)
        if head[:2] == SOD.to_bytes(2, "big"):
            return False
        if len(head) < 4 or head[0] != 0xFF or int.from_bytes(head[:2], "big") in {COD, POC}:
            return True
        at += 2 + int.from_bytes(head[2:], "big")
    return True


def _listed(ahead: ReadAhead, stream: Codestream, tiles: int, end: int | None) -> TileParts | None:
    """Read TLM (A.7.1); None where the tile-parts are not where it says."""
    numbers: list[NDArray[np.int64]] = []
    lengths: list[NDArray[np.int64]] = []
    known = last = 0
    for body in stream.lengths:
        tile_bytes, long = (body[1] >> 4 & 3, bool(body[1] & 0x40)) if len(body) > 2 else (3, False)
        if tile_bytes == 3 or body[0] < last:  # no such form, or out of order
            return None
        kind = np.dtype([("tile", f">u{tile_bytes or 1}"), ("length", ">u4" if long else ">u2")][not tile_bytes :])
        if (len(body) - 2) % kind.itemsize:
            return None
        last = body[0] + 1
        table = np.frombuffer(body, kind, offset=2)
        lengths.append(table["length"].astype(np.int64))
        # Without numbers, each tile is one tile-part and they come in order.
        numbers.append(table["tile"].astype(np.int64) if tile_bytes else np.arange(known, known + len(table)))
        known += len(table)
    counts, order = np.concatenate(lengths), np.concatenate(numbers)
    if not known or int(counts.min()) < SOT_HEAD.size or int(order.max()) >= tiles:
        return None
    offsets = stream.first + np.cumsum(counts) - counts
    cut = end if end is not None and int(offsets[-1] + counts[-1]) > end else None
    begun = known if end is None else np.searchsorted(offsets, end - SOT_HEAD.size, side="right")
    for at in (0, max(int(begun) - 1, 0)):
        found = ahead.upto(int(offsets[at]), SOT_HEAD.size, ahead=SOT_HEAD.size)
        if found[:10] not in (
            SOT_HEAD.pack(SOT, 10, int(order[at]), length, 0, 0)[:10] for length in (0, int(counts[at]))
        ):
            return None
    return TileParts(order, offsets, counts, cut)


def _followed(ahead: ReadAhead, first: int, tiles: int, end: int | None) -> TileParts:
    """Go from SOT to SOT (A.4.2)."""
    numbers: list[int] = []
    offsets: list[int] = []
    counts: list[int] = []
    seen: dict[int, int] = {}
    told: dict[int, int] = {}
    at, near = first, AHEAD
    while end is None or at + 2 < end:
        head = ahead.upto(at, SOT_HEAD.size, ahead=near)
        if head[:2] == END or (not head and numbers):
            end = None
            break
        if len(head) < SOT_HEAD.size:
            if end is None:
                raise NotServedError("the JPEG 2000 codestream is cut short")
            at = end + 1
            break
        marker, _, tile, length, part, of = SOT_HEAD.unpack(head)
        if marker != SOT:
            raise NotServedError(f"no JPEG 2000 tile-part at {at}")
        if length == 0:
            length = _up_to_end(ahead, at, end)
        elif length < SOT_HEAD.size + 2:
            raise NotServedError(f"a JPEG 2000 tile-part of {length} bytes")
        if part != seen.get(tile, 0):
            raise NotServedError("JPEG 2000 tile-parts are missing or out of order")
        seen[tile] = part + 1
        told[tile] = max(of, told.get(tile, 0))
        numbers.append(tile)
        offsets.append(at)
        counts.append(length)
        at += length
        near = min(2 * NEAR, 64 * length) if length < NEAR else SOT_HEAD.size
    parts = TileParts(*np.array((numbers, offsets, counts), np.int64))
    if end is None or (at + 2 == end and ahead.upto(at, 2, ahead=2) == END):
        return parts
    # Parts of a tile that came no more are not missed by a decoder: it is whole where TNsot, which may be 0, says so.
    least = 1 if at > end else 0
    lacking = [tile for tile, count in seen.items() if count < told[tile] or told[tile] < least]
    if not lacking and at <= end and len(seen) == tiles:
        return parts
    whole = ~np.isin(parts.tiles, lacking)
    return TileParts(parts.tiles[whole], parts.offsets[whole], parts.counts[whole], cut=end)


def _up_to_end(ahead: ReadAhead, at: int, end: int | None) -> int:
    """Give the length of a tile-part that says 0, which is allowed of the last one only: up to EOC (A.4.2)."""
    if end is None:
        raise NotServedError("the last JPEG 2000 tile-part has no length, and neither has the file")
    tail = ahead.upto(end - 2, 2, ahead=2) if end - 2 > at else b""
    return end - at - (2 if tail == END else 0)
