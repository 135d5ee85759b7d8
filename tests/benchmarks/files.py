"""Chips of an index as files: one after the other, against all cores ahead of who takes them.

From local COGs, and from the same behind HTTP, every request 30 ms late. Rows are in the order of the index, as
``chip cut`` takes them, another run of them every round. The files have to be the same.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from stacchip_osml import Chipper
from tests.benchmarks.imagery import BANDS, FULL, QUICK, Scene, make_scene, open_scene
from tests.benchmarks.late_server import DELAY_S, serving
from tests.benchmarks.report import Options, Report
from tests.benchmarks.timing import Side, alternate, timed

__all__ = ["run"]

LAYOUT, BLOCK = "deflate 512", 512
FORMATS = {
    "geotiff": {},
    "nitf": {"metadata_overrides": {"FDT": "20260321101112"}},
    "png": {"display": True},
    "jp2": {},
}
"""Format → options."""
TURN, SLOW_TURN = 128, 32
"""Chips a turn; of JPEG 2000."""
CACHE = 32 << 20
"""Bytes of decoded blocks kept: less than a turn has, so that no turn gains by an earlier one."""


def run(options: Options) -> list[Report]:
    """Time both ways of all formats."""
    side = QUICK if options.quick else FULL
    rounds = options.rounds or (1 if options.quick else 5)
    files = make_scene(options.folder, LAYOUT, side=side)
    rows = []
    with serving(options.folder) as server:
        hrefs = {band: server.address(files[band].relative_to(options.folder)) for band in BANDS}
        for place, where in (("local", files), ("HTTP", hrefs)):
            scene = open_scene(LAYOUT, where, side=side, block=BLOCK, headers=True)
            for kind, extra in FORMATS.items():
                turn = 4 if options.quick else SLOW_TURN if kind == "jp2" else TURN
                rows.append(_row(scene, place, kind, extra, turn=turn, rounds=rounds))
    notes = [
        f"Four bands of 256 x 256, uint16; PNG of three, 8 bits. {DELAY_S * 1e3:.0f} ms a request of HTTP. Medians of "
        f"{rounds} rounds, in turns."
    ]
    return [Report(title="files: chips of an index as files", rows=rows, notes=notes)]


def _row(scene: Scene, place: str, kind: str, extra: dict[str, Any], *, turn: int, rounds: int) -> dict[str, Any]:
    turns = [range(first, first + turn) for first in range(0, len(scene.windows) - turn + 1, turn)]

    def one(chipper: Chipper, positions: range) -> list[bytes | None]:
        return [chipper.encode(position, format=kind, **extra) for position in positions]

    def ahead(chipper: Chipper, positions: range) -> list[bytes | None]:
        return [file.data for file in chipper.encoded(positions, format=kind, **extra)]

    ways = {"one": one, "ahead": ahead}
    chippers = {name: Chipper(scene.index, cache_bytes=CACHE) for name in ways}
    if len({tuple(ways[name](chippers[name], turns[0])) for name in ways}) > 1:
        raise AssertionError("other files ahead of who takes them")

    def side(name: str) -> Side:
        mine: Iterator[range] = itertools.cycle(turns[1:] or turns)
        return timed(lambda: ways[name](chippers[name], next(mine)))

    found = alternate({name: side(name) for name in ways}, rounds=rounds)
    single, many = found["one"], found["ahead"]
    return {
        "source": place,
        "format": kind,
        "encode, chips/s": turn / single.median,
        "encoded, chips/s": turn / many.median,
        "times faster": single.median / many.median,
        "CPU ms a chip, encode": single.median_cpu / turn * 1e3,
        "CPU ms a chip, encoded": many.median_cpu / turn * 1e3,
    }
