"""How large and how long a read may be: sizes are checked from headers, before anything is decoded."""

from __future__ import annotations

from dataclasses import dataclass

from stacchip_osml.errors import LimitError, WindowError
from stacchip_osml.pixel import ImageSize, PixelWindow

__all__ = ["FetchLimits", "ReadLimits", "require_inside"]

MIB = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadLimits:
    """The largest image, block and request that a reader takes on."""

    side: int = 2**31
    """Pixels along one side of an image."""
    bands: int = 1024
    block_bytes: int = 512 * MIB
    """One decoded block, all its bands."""
    request_bytes: int = 512 * MIB
    """Pixels of one read, all its bands; the mask comes on top."""

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
    """How long and how often a server is asked."""

    connect_s: float = 10.0
    idle_s: float = 15.0
    """Longest wait between two pieces of an answer."""
    total_s: float = 60.0
    """Longest time for one request, all tries together; nothing is begun again after it."""
    attempts: int = 4
    backoff_s: float = 0.1
    """First pause between tries; doubled each time, with jitter, up to 5 s."""

    @property
    def try_s(self) -> float:
        """Longest time for one try."""
        return self.total_s / self.attempts


def require_inside(name: str, window: PixelWindow, size: ImageSize, level: int) -> None:
    """Refuse a window that is empty or leaves its level.

    Raises:
        WindowError: naming the image, the window and the level's ``size``.
    """
    x, y, width, height = window
    if width <= 0 or height <= 0 or x < 0 or y < 0 or x + width > size.width or y + height > size.height:
        raise WindowError(f"{name}: {window} is empty or leaves level {level} of {size.width} x {size.height} pixels")
