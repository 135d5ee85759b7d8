"""What a caller wants of an image, checked: the first stage of every chip.

Windows are full-resolution pixels, (0, 0) the corner of the upper-left pixel,
and may lie between pixels. A chip pixel never changes its size or place for
the sake of an edge: ``clip`` leaves out those of which nothing lies in the
image, ``pad`` keeps them as pixels that are not valid.
"""

from __future__ import annotations

import math
from collections.abc import Sequence, Set
from typing import Any, NamedTuple

from stacchip_osml.errors import WindowError
from stacchip_osml.pixel import ImageSize, PixelWindow

__all__ = ["PARTIAL", "ChipRequest", "chip_request"]

PARTIAL = ("pad", "clip", "refuse")
"""What is done with a window that is not wholly inside the image."""
FARTHEST = float(2**31)
_SLACK = 1e-9
"""Of a chip pixel: less of it inside the image is rounding."""

Window = tuple[float, float, float, float]


class ChipRequest(NamedTuple):
    """One chip."""

    window: Window
    """``(x, y, width, height)`` in full-resolution pixels: what the chip shows."""
    size: ImageSize
    """Of the chip."""
    asked: tuple[float, float]
    """``(width, height)`` of the window asked for, before it was clipped."""
    asked_size: ImageSize
    """Of the chip, before it was clipped."""

    @property
    def pitch(self) -> tuple[float, float]:
        """Full-resolution pixels a chip pixel, ``(x, y)``."""
        return self.asked[0] / self.asked_size.width, self.asked[1] / self.asked_size.height

    @property
    def pixel_window(self) -> PixelWindow:
        """The whole pixels that the window touches."""
        x, y, width, height = self.window
        left, top = math.floor(x), math.floor(y)
        return PixelWindow(left, top, math.ceil(x + width) - left, math.ceil(y + height) - top)


def chip_request(
    window: Sequence[float], output_size: Sequence[int] | None, *, image: ImageSize, partial: str, name: str
) -> ChipRequest | None:
    """Check what is asked for.

    Args:
        window: ``(x, y, width, height)``, full-resolution pixels, fractions allowed.
        output_size: ``(width, height)`` of the chip; None for the window's own, to the nearest whole pixel.
        image: size of full resolution.
        partial: one of ``PARTIAL``.
        name: of the image, for messages.

    Returns:
        None for a window wholly outside the image, unless it is refused.

    Raises:
        WindowError: (a ValueError) no window or size, or a window that leaves the image where that is refused.
    """
    x, y, width, height = asked = _window(window, name)
    size = _size(output_size, (width, height), name)
    inside = x >= 0 and y >= 0 and x + width <= image.width and y + height <= image.height
    if partial == "refuse" and not inside:
        raise WindowError(f"{name}: window {_text(asked)} leaves the image of {image.width} x {image.height} pixels")
    if x >= image.width or y >= image.height or x + width <= 0 or y + height <= 0:
        return None
    if partial == "clip" and not inside:
        across, down = width / size.width, height / size.height
        (left, right), (top, bottom) = (
            _kept(x, across, size.width, image.width),
            _kept(y, down, size.height, image.height),
        )
        kept = ImageSize(right - left, bottom - top)
        place = (x + left * across, y + top * down, kept.width * across, kept.height * down)
        return ChipRequest(place, kept, (width, height), size)
    return ChipRequest(asked, size, (width, height), size)


def _kept(start: float, step: float, count: int, limit: int) -> tuple[int, int]:
    """Give the pixels of one axis, half-open, of which anything lies in the image; one at least."""
    first = min(max(math.floor(-start / step + _SLACK), 0), count - 1)
    stop = min(math.ceil((limit - start) / step - _SLACK), count)
    return first, max(stop, first + 1)


def _window(window: Sequence[float], name: str) -> Window:
    values = _numbers(window, 4, "a window is x, y, width, height", name)
    x, y, width, height = values
    if not all(math.isfinite(value) and abs(value) < FARTHEST for value in values) or width <= 0 or height <= 0:
        raise WindowError(f"{name}: a window has a positive width and height and is finite, got {_text(values)}")
    return x, y, width, height


def _size(output_size: Sequence[int] | None, window: tuple[float, float], name: str) -> ImageSize:
    if output_size is None:
        return ImageSize(*(max(math.floor(side + 0.5), 1) for side in window))
    sides = _numbers(output_size, 2, "an output size is width, height", name)
    if not all(0 < side < FARTHEST and float(side).is_integer() for side in sides):
        raise WindowError(f"{name}: an output size is whole, positive pixels, got {tuple(output_size)}")
    return ImageSize(int(sides[0]), int(sides[1]))


def _numbers(values: Any, count: int, expected: str, name: str) -> tuple[float, ...]:
    if isinstance(values, str | bytes | Set):  # of characters, and in no order
        raise WindowError(f"{name}: {expected}, got {values!r}")
    try:
        found = tuple(float(value) for value in values)
    except (TypeError, ValueError, OverflowError) as error:
        raise WindowError(f"{name}: {expected}, got {values!r}") from error
    if len(found) != count:
        raise WindowError(f"{name}: {expected}, got {values!r}")
    return found


def _text(window: Sequence[float]) -> str:
    return "({})".format(", ".join(f"{value:g}" for value in window))
