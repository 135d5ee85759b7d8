"""Where the pixels of a level lie on full resolution (R0): not by its size alone.

How a level was made decides it, and whoever made or parsed it knows:

- overviews that average, GDAL's, **stretch**: the level's outer edges are R0's, so its pixels are ``size / size``
  R0 pixels wide. This is what is meant where nothing is said;
- levels that are **halved**, as those of SIPS (NGA.STND.0014, 2.2) and of JPEG decoders, are exactly ``2**n`` wide
  from the upper-left corner on; of an odd side the last pixel reaches beyond the image;
- resolutions of JPEG 2000 are **samples**: one of resolution ``n`` lies on every ``2**n``-th of the reference grid
  (ISO/IEC 15444-1, B-15; the low-pass filters of annex F are symmetric about it), so a pixel ``2**n`` wide has its
  middle in the middle of an R0 pixel.

Positions are those of pixel edges, (0, 0) the upper-left corner of the image.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Any

from stacchip_osml.imagery.providers.block_grid import level_grid
from stacchip_osml.pixel import ImageSize
from stacchip_osml.pixel.arguments import of_kind
from stacchip_osml.pixel.counts import whole_number, whole_numbers

__all__ = ["FULL_RESOLUTION", "PLACE_ITEM", "LevelPlace", "level_place"]

PLACE_ITEM = "LEVEL_PLACE", "STACCHIP_OSML"
"""Name and domain of the item of GDAL's metadata (TIFF tag 42112), of an overview's first band, that says its place."""


@dataclass(frozen=True, slots=True)
class LevelPlace:
    """The pixel grid of a level, in R0 pixels."""

    x: float = 0.0
    """Left edge of its first column."""
    y: float = 0.0
    """Upper edge of its first row."""
    dx: float = 1.0
    """From one column to the next."""
    dy: float = 1.0
    """From one row to the next."""

    @classmethod
    def stretched(cls, size: ImageSize, base: ImageSize) -> LevelPlace:
        """Place a level of ``size`` pixels whose outer edges are those of R0, of ``base`` pixels."""
        of_kind("size", size, ImageSize, "an ImageSize")
        of_kind("base", base, ImageSize, "an ImageSize")
        return cls(0.0, 0.0, base.width / size.width, base.height / size.height)

    @classmethod
    def halved(cls, times: int) -> LevelPlace:
        """Place a level whose pixels each are exactly ``2**times`` R0 pixels wide, from the upper-left corner on."""
        wide = float(1 << whole_number("times", times, least=0, most=LEVELS))
        return cls(0.0, 0.0, wide, wide)

    @classmethod
    def of_samples(cls, level: int, origin: tuple[int, int]) -> LevelPlace:
        """Place a resolution of JPEG 2000.

        Args:
            level: resolutions left out, 0 for full resolution.
            origin: ``(XOsiz, YOsiz)``, where the image begins on the reference grid, in samples.
        """
        wide = 1 << whole_number("level", level, least=0, most=LEVELS)
        x, y = (-(-start // wide) * wide - start + 0.5 - wide / 2 for start in whole_numbers("origin", origin, 2))
        return cls(x, y, float(wide), float(wide))

    @classmethod
    def parse(cls, text: str) -> LevelPlace:
        """Read what ``text`` gives: a file of ours says it of an overview that is not stretched (``LEVEL_PLACE``).

        Raises:
            ValueError: it is no place of a level.
        """
        try:
            numbers = [float(word) for word in of_kind("text", text, str, "text").split()]
        except ValueError:
            numbers = []
        if len(numbers) != 4 or not all(map(isfinite, numbers)) or min(numbers[2:]) <= 0:
            raise ValueError(f"text of a level's place is x y dx dy, got {text!r:.80}")
        return cls(*numbers)

    @property
    def text(self) -> str:
        """``x y dx dy``."""
        return " ".join(map(repr, (self.x, self.y, self.dx, self.dy)))

    @property
    def ratio(self) -> tuple[float, float]:
        """``(x, y)`` R0 pixels from one pixel to the next."""
        return self.dx, self.dy

    def from_base(self, x: Any, y: Any) -> tuple[Any, Any]:
        """Give a position of R0, or arrays of them, in pixels of the level."""
        return (x - self.x) / self.dx, (y - self.y) / self.dy

    def inside(self, outer: LevelPlace) -> LevelPlace:
        """Place a level of a level: this one lies on one that lies on R0 as ``outer`` does."""
        of_kind("outer", outer, LevelPlace, "a LevelPlace")
        return LevelPlace(
            outer.x + self.x * outer.dx, outer.y + self.y * outer.dy, self.dx * outer.dx, self.dy * outer.dy
        )

    def seen_from(self, other: LevelPlace) -> LevelPlace:
        """Place a level on another of the same image; ``inside`` of that it is itself again."""
        of_kind("other", other, LevelPlace, "a LevelPlace")
        x, y = other.from_base(self.x, self.y)
        return LevelPlace(x, y, self.dx / other.dx, self.dy / other.dy)


LEVELS = 1000
"""More than any pyramid has."""
FULL_RESOLUTION = LevelPlace()
"""Where R0 lies."""


def level_place(provider: Any, level: int = 0) -> LevelPlace:
    """Tell where a level of any provider lies on its level 0: as it says itself (``level_place``), else stretched.

    Args:
        provider: any object of the image provider protocol.
        level: 0 is the provider's own full resolution.

    Raises:
        IndexError: the provider has no such level.
        DecodeError: the provider's numbers are no image.
    """
    if whole_number("level", level) == 0:
        return FULL_RESOLUTION
    known = getattr(provider, "level_place", None)
    if known is not None:
        place: LevelPlace = known(level)
        return place
    return LevelPlace.stretched(level_grid(provider, level).image_size, level_grid(provider).image_size)
