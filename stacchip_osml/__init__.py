"""Index every chip that a STAC catalog could yield; cut the pixels of any row on demand.

The everyday names are here; each room exports the rest. Names are loaded when
first used, so that importing the package imports no imagery library.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stacchip_osml.errors import ChipError
from stacchip_osml.lazy import lazy
from stacchip_osml.pixel import ImageSize, PixelWindow

if TYPE_CHECKING:
    from stacchip_osml.encode import Chip as Chip
    from stacchip_osml.encode import ChipFactory as ChipFactory
    from stacchip_osml.encode import contact_sheet as contact_sheet
    from stacchip_osml.encode import encode_chip as encode_chip
    from stacchip_osml.encode import write_chip as write_chip
    from stacchip_osml.index import ChipIndex as ChipIndex
    from stacchip_osml.index import Indexer as Indexer
    from stacchip_osml.index import QualityBand as QualityBand
    from stacchip_osml.index import merge as merge
    from stacchip_osml.index import split_by_place as split_by_place
    from stacchip_osml.load import Chipper as Chipper
    from stacchip_osml.load import ChipSource as ChipSource

__version__ = "0.1.0"

HOME = {
    "Chip": "encode",
    "ChipFactory": "encode",
    "ChipIndex": "index",
    "ChipSource": "load",
    "Chipper": "load",
    "Indexer": "index",
    "QualityBand": "index",
    "contact_sheet": "encode",
    "encode_chip": "encode",
    "merge": "index",
    "split_by_place": "index",
    "write_chip": "encode",
}
"""Public name → the room that has it."""

__all__ = ["ChipError", "ImageSize", "PixelWindow", "__version__", *sorted(HOME)]  # noqa: PLE0604 - one list to keep

__getattr__ = lazy(__name__, HOME)


def __dir__() -> list[str]:
    return sorted({*globals(), *HOME})
