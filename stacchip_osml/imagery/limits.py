"""How large and how long a read may be: sizes are checked from headers, before anything is decoded."""

from __future__ import annotations

from dataclasses import dataclass, fields

from stacchip_osml.errors import LimitError, WindowError
from stacchip_osml.pixel import ImageSize, PixelWindow
from stacchip_osml.pixel.arguments import function_or_none, of_kind
from stacchip_osml.pixel.counts import number_within, whole_number

__all__ = ["FetchLimits", "ReadLimits", "reading_limits", "require_inside"]

MIB = 1 << 20
SHORTEST_S, LONGEST_S = 0.001, 100_000.0
"""A day, about; what lies outside of it is a slip."""
MOST_ATTEMPTS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadLimits:
    """The largest image, block and request that a reader takes on.

    Raises:
        SettingError: (a ValueError) one that is no whole number of at least 1.
    """

    side: int = 2**31
    """Pixels along one side of an image."""
    bands: int = 1024
    block_bytes: int = 512 * MIB
    """One decoded block, all its bands."""
    request_bytes: int = 512 * MIB
    """Pixels of one read, all its bands; the mask comes on top."""

    def __post_init__(self) -> None:
        for each in fields(self):
            object.__setattr__(self, each.name, whole_number(each.name, getattr(self, each.name), least=1))

    def require_image(self, name: str, size: ImageSize, bands: int) -> None:
        """Refuse an image that is too large.

        Raises:
            LimitError: naming the image, the limit and what the header says.
        """
        if max(size) > self.side:
            raise LimitError(f"{name}: {size.width} x {size.height} pixels, more than {self.side} a side")
        if bands > self.bands:
            raise LimitError(f"{name}: {bands} bands, more than {self.bands}")

    def require_block(self, name: str, shape: tuple[int, int], bands: int, itemsize: int) -> None:
        """Refuse blocks that decode to more than ``block_bytes``.

        Raises:
            LimitError: naming the image, the limit and the block.
        """
        decoded = shape[0] * shape[1] * bands * itemsize
        if decoded > self.block_bytes:
            raise LimitError(
                f"{name}: blocks of {shape[1]} x {shape[0]} pixels decode to {decoded} bytes, "
                f"more than {self.block_bytes}"
            )

    def require_request(self, name: str, size: ImageSize, bands: int, itemsize: int) -> None:
        """Refuse a read of more than ``request_bytes``.

        Raises:
            LimitError: naming the image, the limit and the request.
        """
        wanted = size.width * size.height * bands * itemsize
        if wanted > self.request_bytes:
            raise LimitError(
                f"{name}: {size.width} x {size.height} pixels of {bands} bands are {wanted} bytes, "
                f"more than {self.request_bytes}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchLimits:
    """How long and how often a server is asked.

    Raises:
        SettingError: (a ValueError) seconds not from 0.001 (a pause: 0) to 100,000, or attempts not from 1 to 1000.
    """

    connect_s: float = 10.0
    idle_s: float = 15.0
    """Longest wait between two pieces of an answer."""
    total_s: float = 60.0
    """Longest time for one request, all tries together; nothing is begun again after it."""
    attempts: int = 4
    backoff_s: float = 0.1
    """First pause between tries; doubled each time, with jitter, up to 5 s."""

    def __post_init__(self) -> None:
        for name, least in (
            ("connect_s", SHORTEST_S),
            ("idle_s", SHORTEST_S),
            ("total_s", SHORTEST_S),
            ("backoff_s", 0),
        ):
            seconds = number_within(name, getattr(self, name), least=least, most=LONGEST_S)
            object.__setattr__(self, name, seconds)
        attempts = whole_number("attempts", self.attempts, least=1, most=MOST_ATTEMPTS)
        object.__setattr__(self, "attempts", attempts)

    @property
    def try_s(self) -> float:
        """Longest time for one try."""
        return self.total_s / self.attempts


def reading_limits(
    *,
    sign: object,
    sidecars: bool,
    expect: tuple[int | None, int | None],
    limits: ReadLimits | None,
    fetch: FetchLimits | None,
) -> tuple[ReadLimits, FetchLimits]:
    """Check how a file is to be read, as every reader is told it, and give the limits, the defaults for None.

    Raises:
        TypeError, ValueError: naming the argument that is nothing of what it should be.
    """
    function_or_none("sign", sign)
    of_kind("sidecars", sidecars, bool, "True or False")
    if not isinstance(expect, tuple) or len(expect) != 2:
        raise TypeError(f"expect must be two, bytes and nanoseconds or None, not {expect!r:.60}")
    for number in expect:
        if number is not None:
            whole_number("expect", number)
    limits = ReadLimits() if limits is None else of_kind("limits", limits, ReadLimits, "ReadLimits or None")
    fetch = FetchLimits() if fetch is None else of_kind("fetch", fetch, FetchLimits, "FetchLimits or None")
    return limits, fetch


def require_inside(name: str, window: PixelWindow, size: ImageSize, level: int) -> None:
    """Refuse a window that is empty or leaves its level.

    Raises:
        WindowError: naming the image, the window and the level's ``size``.
    """
    x, y, width, height = of_kind("window", window, PixelWindow, "a PixelWindow")
    if width <= 0 or height <= 0 or x < 0 or y < 0 or x + width > size.width or y + height > size.height:
        raise WindowError(f"{name}: {window} is empty or leaves level {level} of {size.width} x {size.height} pixels")
