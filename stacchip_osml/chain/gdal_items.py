"""The items that GDAL writes of bands: XML of a TIFF's tag 42112, and of an ``.aux.xml`` file.

The text comes from files, so it is bounded in size and depth, and a document
type or an entity is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from xml.parsers import expat

from stacchip_osml.errors import ChainError

__all__ = ["ITEM_KEYS", "Items", "band_items"]

Items = dict[str, str]

ITEM_KEYS = ("GDAL_METADATA", "42112", 42112, "xml:PAM", "PAM")
"""Where a mapping may hold the XML text."""
MAX_CHARACTERS = 1 << 24
"""The most text that is looked at: some hundred bands with 65,536 bins each are less."""
MAX_DEPTH = 16
MAX_BANDS = 65_535
"""What a TIFF's SamplesPerPixel can hold."""
PAM_HISTOGRAM = {
    "HistMin": "STATISTICS_HISTOMIN",
    "HistMax": "STATISTICS_HISTOMAX",
    "BucketCount": "STATISTICS_HISTONUMBINS",
    "HistCounts": "STATISTICS_HISTOBINVALUES",
}
"""What an ``.aux.xml`` calls the items of a histogram."""


def band_items(text: str | bytes) -> dict[int, Items]:
    """Read the items of each band, 0-based; an ``.aux.xml``'s histogram by the names of a TIFF's items.

    Raises:
        ChainError: not such a document, or one that goes beyond the bounds.
    """
    if len(text) > MAX_CHARACTERS:
        raise ChainError(f"GDAL's metadata of {len(text):,} characters is more than {MAX_CHARACTERS:,}")
    reader = _Reader()
    parser = expat.ParserCreate("utf-8")
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse
    parser.EntityDeclHandler = _refuse
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    try:
        # a TIFF's text ends with a NUL, which a reader may leave there
        parser.Parse(data.strip(b"\0\r\n\t "), True)
    except (expat.ExpatError, KeyError, ValueError) as error:
        if isinstance(error, ChainError):
            raise
        raise ChainError(f"not GDAL's metadata: {error}") from error
    return reader.found


def _refuse(*_: Any) -> None:
    raise ChainError("GDAL's metadata has no document type and no entities")


class _Reader:
    """Picks the items out of both kinds of document as their elements go by."""

    def __init__(self) -> None:
        self.found: dict[int, Items] = {}
        self.path: list[str] = []
        self.band: int | None = None
        self.target: tuple[int, str] | None = None
        self.words: list[str] = []

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        self.path.append(name)
        if len(self.path) > MAX_DEPTH:
            raise ChainError(f"GDAL's metadata is more than {MAX_DEPTH} elements deep")
        self.target, self.words = None, []
        if self.path == ["PAMDataset", "PAMRasterBand"]:
            self.band = int(attributes["band"]) - 1
        elif self.path == ["GDALMetadata", "Item"]:
            self._aim(attributes.get("sample"), attributes.get("name", ""))
        elif self.band is not None and name == "MDI" and len(self.path) == 4:
            self._aim(self.band, attributes.get("key", ""))
        elif self.band is not None and self.path[2:4] == ["Histograms", "HistItem"] and len(self.path) == 5:
            told = PAM_HISTOGRAM.get(name)
            # the first histogram is the one that GDAL takes
            if told and told not in self.found.get(self.band, {}):
                self._aim(self.band, told)

    def text(self, words: str) -> None:
        if self.target is not None:
            self.words.append(words)

    def end(self, _: str) -> None:
        if self.target is not None:
            band, key = self.target
            self.found.setdefault(band, {})[key] = "".join(self.words).strip()
        if self.path == ["PAMDataset", "PAMRasterBand"]:
            self.band = None
        self.target = None
        self.path.pop()

    def _aim(self, band: str | int | None, key: str) -> None:
        if band is None or not key:
            return
        sample = int(band)
        if not 0 <= sample < MAX_BANDS:
            raise ChainError(f"GDAL's metadata names band {sample}")
        self.target = sample, key
