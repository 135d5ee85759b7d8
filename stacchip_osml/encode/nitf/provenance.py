"""Where a chip comes from, told in its image comments (ICOM, MIL-STD-2500C table A-3).

Comments are the one place that every reader shows and no profile gives another
meaning (ISORCE is the sensor's for SIDD). What the parent says in its own
comments stays, chips of chips included; where nine lines do not hold all, the
oldest of ours go first.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version

from stacchip_osml.encode.chip import Chip

__all__ = ["comment_lines", "comments_of_chip"]

LINES, WIDTH = 9, 80
NAME, PLACE, CHAIN = "Chip of ", "Chip window ", "Chip chain "


def comments_of_chip(chip: Chip, parent: Mapping[str, str]) -> dict[str, str]:
    """Give ``ICOM1`` … of a chip.

    Args:
        chip: with its origin.
        parent: image fields of the image that it was cut from.
    """
    inherited = [parent[f"ICOM{index}"].rstrip() for index in range(1, LINES + 1) if f"ICOM{index}" in parent]
    ours = comment_lines(chip)
    while len(inherited) + len(ours) > LINES:
        drop = next(
            (i for i, line in enumerate(inherited) if line.startswith((NAME, PLACE, CHAIN))), len(inherited) - 1
        )
        del inherited[drop]
    return {f"ICOM{index}": line for index, line in enumerate([*inherited, *ours], start=1)}


def comment_lines(chip: Chip) -> list[str]:
    """Tell parent, window, level, chain and software in two lines of at most 80 characters, or three."""
    origin = chip.origin
    name = "?" if origin is None else origin.name
    window = tuple(chip.window) if origin is None else origin.window
    place = ", ".join(f"{label} {value:.10g}" for label, value in zip(("x", "y", "w", "h"), window, strict=True))
    line, software = f"{PLACE}{place}; level {chip.level}", f"; stacchip-osml {_version()}"
    whole = f"{line}; chain {_plain(chip.chain)}{software}"
    lines = [whole] if len(whole) <= WIDTH else [line, _fitted(CHAIN, chip.chain, room=len(software)) + software]
    return [_fitted(NAME, name), *lines]


def _fitted(head: str, name: str, *, room: int = 0) -> str:
    """Keep the end of a long name, where folders and steps come first; ``room`` is for what follows it."""
    text, room = _plain(name), WIDTH - len(head) - room
    return head + (text if len(text) <= room else "..." + text[len(text) - room + 3 :])


def _plain(text: str) -> str:
    return "".join(letter if " " <= letter <= "~" else "?" for letter in text)


@lru_cache(maxsize=1)
def _version() -> str:
    try:
        return version("stacchip-osml")
    except PackageNotFoundError:
        return "?"
