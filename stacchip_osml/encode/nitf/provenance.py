"""Where a chip comes from, told in its image comments (ICOM, MIL-STD-2500C table A-3).

Comments are the one place that every reader shows and no profile gives another
meaning (ISORCE is the sensor's for SIDD). What the parent says in its own
comments stays, chips of chips included; where nine lines do not hold all, the
oldest of ours go first.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version

from stacchip_osml.encode.chip import Chip
from stacchip_osml.encode.nitf.records import NitfImage

__all__ = ["comment_lines", "comments_of_chip"]

LINES, WIDTH = 9, 80
NAMES = tuple(f"ICOM{line}" for line in range(1, LINES + 1))
NAME, PLACE, CHAIN = "Chip of ", "Chip window ", "Chip chain "


def comments_of_chip(chip: Chip, parent: NitfImage | None) -> dict[str, str]:
    """Give ``ICOM1`` … of a chip.

    Args:
        chip: with its origin.
        parent: the image that it was cut from; None where that is no NITF.
    """
    given = {} if parent is None else parent.fields
    inherited = [given[name].rstrip() for name in NAMES if name in given]
    ours = comment_lines(chip)
    while len(inherited) + len(ours) > LINES:
        drop = next(
            (i for i, line in enumerate(inherited) if line.startswith((NAME, PLACE, CHAIN))), len(inherited) - 1
        )
        del inherited[drop]
    return dict(zip(NAMES, (*inherited, *ours), strict=False))


def comment_lines(chip: Chip) -> list[str]:
    """Tell parent, window, level, chain and software in two lines of at most 80 characters, or three."""
    origin = chip.origin
    name = "?" if origin is None else origin.name
    window = tuple(chip.window) if origin is None else origin.window
    place = "x {:.10g}, y {:.10g}, w {:.10g}, h {:.10g}".format(*window)
    line, software = f"{PLACE}{place}; level {chip.level}", f"; stacchip-osml {_version()}"
    whole = f"{line}; chain {_plain(chip.chain)}{software}"
    lines = [whole] if len(whole) <= WIDTH else [line, _fitted(CHAIN, chip.chain, room=len(software)) + software]
    return [_fitted(NAME, name), *lines]


def _fitted(head: str, name: str, *, room: int = 0) -> str:
    """Keep the end of a long name, where folders and steps come first; ``room`` is for what follows it."""
    text, room = _plain(name), WIDTH - len(head) - room
    return head + (text if len(text) <= room else "..." + text[len(text) - room + 3 :])


@lru_cache(maxsize=64)  # names and chains are those of many chips
def _plain(text: str) -> str:
    return "".join(letter if " " <= letter <= "~" else "?" for letter in text)


@lru_cache(maxsize=1)
def _version() -> str:
    try:
        return version("stacchip-osml")
    except PackageNotFoundError:
        return "?"
