"""Packets of JPEG 2000: which bytes of each code-block they hold (ISO/IEC 15444-1, annex B.9 and B.10).

Read, they are noted in their sub-bands; written, the code-blocks that are
needed go into one layer, their bytes as they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

__all__ = ["Band", "OddStreamError", "Span", "packet_of", "read_packet"]

NEVER = 1 << 30
BITS, OCTETS_MORE = 256, 64
"""Bits at hand before a code-block is read, and bytes that are made bits at once."""
SOP_BYTES, EPH_BYTES = 6, 2
"""Markers before a packet, and behind its header."""
OCTETS = [f"{octet:08b}" for octet in range(256)]
Span = tuple[int, int]


class OddStreamError(Exception):
    """The stream is not of the plain kind."""


class _Tree:
    """A tag tree (B.10.2): values of leaves, told by the least of those below each node."""

    __slots__ = ("known", "low", "paths", "values")

    def __init__(self, paths: list[list[int]], values: dict[int, int] | None = None) -> None:
        """Begin with nothing told; ``values`` are what is to be written of some leaves, the others have none."""
        nodes = paths[0][0] + 1 if paths else 0
        self.paths = paths
        """Nodes of each leaf, from the root."""
        self.low, self.values, self.known = [0] * nodes, [NEVER] * nodes, [False] * nodes
        for leaf, value in (values or {}).items():
            for node in paths[leaf]:
                self.values[node] = min(self.values[node], value)

    def read(self, leaf: int, threshold: int, bits: str, at: int) -> int:
        """Find out whether a leaf's value is below a threshold, and which then; returns the bit that comes next."""
        low, values, least = self.low, self.values, 0
        for node in self.paths[leaf]:
            least = max(least, low[node])
            while least < threshold and values[node] == NEVER:
                if bits[at] == "1":
                    values[node] = least
                else:
                    least += 1
                at += 1
            low[node] = least
        return at

    def write(self, leaf: int, threshold: int) -> Iterator[str]:
        """Tell whether a leaf's value is below a threshold."""
        low, values, known, least = self.low, self.values, self.known, 0
        for node in self.paths[leaf]:
            least = max(least, low[node])
            while least < threshold and not known[node]:
                known[node] = values[node] <= least
                yield "1" if known[node] else "0"
                least += not known[node]
            low[node] = least


class Band:
    """A sub-band's code-blocks, and what packets say of them."""

    __slots__ = ("bodies", "included", "lblock", "needed", "passes", "paths", "zeros")

    def __init__(self, sides: tuple[Span, Span], needed: tuple[Span, Span], block: Span) -> None:
        """Cut a band into code-blocks (B.7).

        Args:
            sides: first sample and last and one, across and down.
            needed: the same of what a window is made of; may be larger.
            block: exponents of a code-block's sides.
        """
        places = [
            [number << exponent for number in range(low >> exponent, -(-high >> exponent))] if low < high else []
            for (low, high), exponent in zip(sides, block, strict=True)
        ]
        across, down = (
            [low - (1 << exponent) < place < high for place in axis]
            for axis, (low, high), exponent in zip(places, needed, block, strict=True)
        )
        self.needed = [col and row for row in down for col in across]
        number = len(self.needed)
        self.paths = _paths(len(across), len(down))
        self.included, self.zeros = _Tree(self.paths), _Tree(self.paths)
        self.lblock, self.passes = [3] * number, [0] * number
        self.bodies: list[list[memoryview]] = [[] for _ in range(number)]


@lru_cache(maxsize=256)
def _paths(across: int, down: int) -> list[list[int]]:
    """Number the nodes of a tag tree: of each leaf those from the root to it."""
    first, width = 0, across
    paths: list[list[int]] = [[] for _ in range(across * down)]
    up = 0
    while paths:
        for leaf, path in enumerate(paths):
            path.insert(0, first + (leaf // width >> up) * across + (leaf % width >> up))
        first += across * down
        if across * down == 1:
            break
        across, down, up = -(-across // 2), -(-down // 2), up + 1
    return paths


class _Bits:
    """The bits of a packet header (B.10.1), as characters."""

    __slots__ = ("data", "first", "next", "text")

    def __init__(self, data: memoryview, at: int) -> None:
        self.data, self.first, self.next, self.text = data, at, at, ""

    def more(self, at: int) -> str:
        """Give all bits so far, enough of them behind one for the next code-block."""
        while len(self.text) < at + BITS and self.next < len(self.data):
            before = self.data[self.next - 1] if self.next > self.first else 0
            made = [self.text]
            for octet in self.data[self.next : self.next + OCTETS_MORE]:
                made.append(OCTETS[octet] if before != 0xFF else OCTETS[octet][1:])
                before = octet
            self.text = "".join(made)
            self.next += OCTETS_MORE
        return self.text

    def end(self, count: int) -> int:
        """Give the byte behind the one that a header of so many bits ends in."""
        at, before = self.first, 0
        while count > 0:
            count -= 7 if before == 0xFF else 8
            before = self.data[at]
            at += 1
        return at + (before == 0xFF)


def read_packet(
    data: memoryview, start: int, bands: list[Band], layer: int, *, marked: tuple[bool, bool], is_single: bool
) -> int:
    """Note what a packet holds of each code-block (B.10).

    Args:
        data: packets.
        start: first byte of this one.
        bands: of its precinct, in order.
        layer: which it is of.
        marked: whether it may have SOP before it, EPH behind its header.
        is_single: code-blocks have one pass: those of high throughput may have runs of bytes for others.

    Returns:
        Where it ends.

    Raises:
        OddStreamError: it is not of the plain kind.
        IndexError: it is not sound.
        ValueError: it is not sound.
    """
    if marked[0] and data[start : start + 2].tobytes() == b"\xff\x91":
        start += SOP_BYTES
    reader = _Bits(data, start)
    bits = reader.more(0)
    found: list[tuple[list[memoryview], int]] = []
    at = 1
    for band in bands if bits[0] == "1" else ():
        included, zeros, passes, lblock = band.included, band.zeros, band.passes, band.lblock
        for leaf in range(len(passes)):
            if len(bits) < at + BITS:
                bits = reader.more(at)
            if passes[leaf]:
                at += 1
                if bits[at - 1] == "0":
                    continue
            else:
                at = included.read(leaf, layer + 1, bits, at)
                if included.values[band.paths[leaf][-1]] > layer:
                    continue
                at = zeros.read(leaf, NEVER, bits, at)
            count, at = _passes(bits, at)
            more = bits.index("0", at) - at
            at += more + 1
            lblock[leaf] += more
            length = lblock[leaf] + count.bit_length() - 1
            found.append((band.bodies[leaf], int(bits[at : at + length], 2)))
            at += length
            passes[leaf] += count
            if at > len(bits) or (is_single and passes[leaf] != 1):
                raise OddStreamError
    end = reader.end(at)
    if marked[1] and data[end : end + 2].tobytes() == b"\xff\x92":
        end += EPH_BYTES
    for body, size in found:
        body.append(data[end : end + size])
        end += size
    return end


def _passes(bits: str, at: int) -> tuple[int, int]:
    """Read a number of coding passes (table B.4), and where it ends."""
    if bits[at] == "0":
        return 1, at + 1
    if bits[at + 1] == "0":
        return 2, at + 2
    if bits[at + 2 : at + 4] != "11":
        return 3 + int(bits[at + 2 : at + 4], 2), at + 4
    if bits[at + 4 : at + 9] != "11111":
        return 6 + int(bits[at + 4 : at + 9], 2), at + 9
    return 37 + int(bits[at + 9 : at + 16], 2), at + 16


def _passes_code(count: int) -> str:
    """Write a number of coding passes (table B.4)."""
    if count <= 2:
        return ("0", "10")[count - 1]
    if count <= 5:
        return f"11{count - 3:02b}"
    if count <= 36:
        return f"1111{count - 6:05b}"
    if count > 164:
        raise OddStreamError
    return f"111111111{count - 37:07b}"


def packet_of(bands: list[Band]) -> bytes:
    """Write the code-blocks that are needed as one packet."""
    bits, bodies = ["1"], []
    for band in bands:
        kept = [leaf for leaf, count in enumerate(band.passes) if count and band.needed[leaf]]
        included = _Tree(band.paths, dict.fromkeys(kept, 0))
        zeros = _Tree(band.paths, {leaf: band.zeros.values[band.paths[leaf][-1]] for leaf in kept})
        for leaf, count in enumerate(band.passes):
            bits += included.write(leaf, 1)
            if not count or not band.needed[leaf]:
                continue
            bits += zeros.write(leaf, zeros.values[band.paths[leaf][-1]] + 1)
            size, extra = sum(map(len, band.bodies[leaf])), count.bit_length() - 1
            lblock = max(3, size.bit_length() - extra)
            bits += (_passes_code(count), "1" * (lblock - 3), "0", f"{size:0{lblock + extra}b}")
            bodies += band.bodies[leaf]
    return b"".join((_octets("".join(bits)), *bodies)) if bodies else b"\0"


def _octets(bits: str) -> bytes:
    """Make bytes of a packet header's bits: behind one of ones alone only seven (B.10.1)."""
    found = bytearray()
    at = 0
    while at < len(bits) or found[-1] == 0xFF:
        count = 7 if found and found[-1] == 0xFF else 8
        found.append(int(bits[at : at + count].ljust(count, "0"), 2))
        at += count
    return bytes(found)
