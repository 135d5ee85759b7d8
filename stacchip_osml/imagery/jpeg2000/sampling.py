"""JPEG 2000 images whose components are all subsampled alike: their samples are the pixels, one for one.

Sample (x, y) of a component lies at (XRsiz x, YRsiz y) of the reference grid (ISO/IEC 15444-1, B.2). Where all
components have the same steps, nothing lies between: SIZ is told anew with steps of 1, and every decoder reads the
same samples. Rules:

- wavelets, precincts and code-blocks count a component's samples (B-12 to B-20), so no bit of the tiles changes;
- sizes and origins are divided and rounded up, as the standard does for a component; sides of several tiles must be
  multiples of the steps;
- only for bare codestreams and those of NITF, which counts rows and columns of samples (MIL-STD-2500C, NROWS);
  the boxes of a JP2 file count the reference grid, and what they say of the ground would not fit;
- where packets are ordered by position (RPCL, PCRL, CPRL), that order is of the reference grid. It is the same where
  tiles begin on multiples of the steps; where they do not, such an order is not served.
"""

from __future__ import annotations

from dataclasses import replace

from stacchip_osml.imagery.blocks.read_ahead import NotServedError, ReadAhead
from stacchip_osml.imagery.jpeg2000.main_header import (
    SIZ_HEAD,
    Codestream,
    Siz,
    TileParts,
    may_order_by_position,
)

__all__ = ["in_samples", "require_same_order"]


def in_samples(stream: Codestream) -> Codestream:
    """Tell SIZ in samples where all components are subsampled alike; else the codestream is given as it is."""
    siz = stream.siz
    steps = {each.step for each in siz.components}
    if len(steps) > 1 or steps == {(1, 1)}:
        return stream
    (step,) = steps
    told = _divided(siz, step)
    if told is None:
        return stream
    marker, length, capabilities, *_ = SIZ_HEAD.unpack_from(stream.shared, 2)
    numbers = told.end, told.origin, told.tile, told.tile_origin
    head = SIZ_HEAD.pack(marker, length, capabilities, *(n for pair in numbers for n in pair), len(told.components))
    at = 2 + SIZ_HEAD.size
    depths = b"".join(stream.shared[place : place + 1] + b"\1\1" for place in range(at, length + 4, 3))
    return replace(stream, siz=told, shared=stream.shared[:2] + head + depths + stream.shared[length + 4 :])


def _divided(siz: Siz, step: tuple[int, int]) -> Siz | None:
    """Give the sizes of a component as those of an image; None where its tiles would be others."""
    pairs = [zip(pair, step, strict=True) for pair in (siz.end, siz.origin, siz.tile_origin)]
    end, origin, corner = ((-(-x // a), -(-y // b)) for (x, a), (y, b) in pairs)
    if siz.grid == (1, 1):
        tile = (end[0] - corner[0], end[1] - corner[1])
    elif siz.tile[0] % step[0] or siz.tile[1] % step[1]:
        return None
    else:
        tile = (siz.tile[0] // step[0], siz.tile[1] // step[1])
    components = tuple(each._replace(step=(1, 1)) for each in siz.components)
    told = Siz(end, origin, tile, corner, components)
    axes = zip(end, origin, tile, corner, strict=True)
    is_one = all(first < last and low + side > first for last, first, side, low in axes)
    return told if is_one and told.grid == siz.grid else None


def require_same_order(ahead: ReadAhead, stream: Codestream, parts: TileParts) -> None:
    """Refuse a codestream, as it was before :func:`in_samples`, whose packets might be in another order after it.

    Raises:
        NotServedError: tiles do not begin on multiples of the steps, and the order is, or may be, by position.
    """
    siz = stream.siz
    starts = (siz.origin,) if siz.grid == (1, 1) else (siz.origin, siz.tile_origin)
    if all(value % step == 0 for start in starts for value, step in zip(start, siz.components[0].step, strict=True)):
        return
    if stream.by_position or any(may_order_by_position(ahead, int(at)) for at in parts.offsets):
        raise NotServedError("JPEG 2000 components are subsampled, and packets ordered by places between their samples")
