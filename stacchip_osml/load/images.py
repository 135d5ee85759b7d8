"""The images behind an index, opened once, verified once, and shared by all chips."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from stacchip_osml.errors import ItemError, LimitError, ReadError, redact
from stacchip_osml.imagery import FetchLimits, GdalImage, MaskedPixels
from stacchip_osml.index.headers import AssetHeader
from stacchip_osml.pixel import ImageSize, PixelWindow
from stacchip_osml.stac.facts import require_agreement
from stacchip_osml.stac.source import SourceBand, SourceImage

__all__ = ["ImageReader", "ImageShelf"]


class ImageReader:
    """One indexed image as a reader: what the item says of nodata holds where the file says nothing."""

    def __init__(self, image: SourceImage, source: GdalImage) -> None:
        """Open the header and compare it with the index.

        Raises:
            ItemError: the file's grid is not the indexed one.
            ReadError: the file cannot be read.
        """
        header = source.header
        require_agreement(image, header)
        self.image = image
        self.source = source
        self.levels: tuple[ImageSize, ...] = header.levels
        self.bands = _described(image, len(header.bands))
        self.dtypes = tuple(np.dtype(band.dtype) for band in header.bands)
        self.colors = tuple(band.color for band in header.bands)
        self.nodata = tuple(
            stored.nodata if stored.nodata is not None else stated.nodata
            for stored, stated in zip(header.bands, self.bands, strict=True)
        )
        self.scales = tuple(
            (stored.scale, stored.offset)
            if (stated.scale, stated.offset) == (1.0, 0.0)
            else (stated.scale, stated.offset)
            for stored, stated in zip(header.bands, self.bands, strict=True)
        )
        self._extra = tuple(
            stated.nodata if stored.nodata is None else None
            for stored, stated in zip(header.bands, self.bands, strict=True)
        )

    def level_shape(self, level: int) -> ImageSize:
        """Give the size of a stored level."""
        return self.levels[level]

    def read(self, window: PixelWindow, *, level: int = 0, bands: Sequence[int] | None = None) -> MaskedPixels | None:
        """Read a window of one stored level; see :class:`stacchip_osml.imagery.PixelReader`."""
        found = self.source.read(window, level=level, bands=bands)
        chosen = range(len(self._extra)) if bands is None else bands
        stated = [(place, self._extra[band]) for place, band in enumerate(chosen) if self._extra[band] is not None]
        if found is None or not stated:
            return found
        mask = found.mask.copy()
        for place, value in stated:
            plane = found.pixels[place]
            mask[place] &= ~np.isnan(plane) if value != value else plane != value  # noqa: PLR0124 - NaN
        return MaskedPixels(found.pixels, mask)


class ImageShelf:
    """Readers by image, the least recently used put away; safe for threads."""

    def __init__(
        self,
        *,
        sign: Callable[[str], str] | None = None,
        fetch: FetchLimits | None = None,
        threads: int | None = None,
        cache_bytes: int = 0,
        capacity: int = 4096,
    ) -> None:
        self.sign = sign
        self.fetch = fetch
        self.threads = threads
        self.cache_bytes = cache_bytes
        self.capacity = capacity
        self.arena = Arena()
        self._readers: OrderedDict[tuple[str, str], ImageReader] = OrderedDict()
        self._lock = threading.Lock()

    def reader(self, header: AssetHeader) -> ImageReader:
        """Give the reader of an image, opened and verified on first use.

        Raises:
            ItemError: the file's grid is not the indexed one.
            ReadError: the file cannot be read.
        """
        image = header.image
        key = (image.location, image.asset_key)
        with self._lock:
            held = self._readers.get(key)
            if held is not None and held.image == image:
                self._readers.move_to_end(key)
                return held
        expect = (image.size_bytes, image.modified_ns)
        source = GdalImage(image.location, sign=self.sign, fetch=self.fetch, expect=expect)
        made = ImageReader(image, source)
        with self._lock:
            self._readers[key] = made
            while len(self._readers) > self.capacity:
                self._readers.popitem(last=False)
        return made

    def read_all(self, parts: Sequence[Any]) -> list[Any]:
        """Read windows."""
        found: list[Any] = []
        for part in parts:
            try:
                found.append(part.asset.reader.read(part.window, level=part.asset.level))
            except (ReadError, LimitError) as error:
                found.append(error)
        return found

    def __reduce__(self) -> tuple[object, ...]:
        kept = ("sign", "fetch", "threads", "cache_bytes", "capacity")
        return (_shelf, ({name: getattr(self, name) for name in kept},))


def _shelf(settings: dict[str, Any]) -> ImageShelf:
    return ImageShelf(**settings)


class Arena:
    """Memory."""

    def array(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """Give memory."""
        return np.empty(shape, dtype)


def _described(image: SourceImage, count: int) -> tuple[SourceBand, ...]:
    """Give one description a band of the file."""
    if not image.bands:
        names = [image.asset_key] if count == 1 else [f"b{number}" for number in range(1, count + 1)]
        return tuple(SourceBand(name=name) for name in names)
    if len(image.bands) != count:
        raise ItemError(
            f"asset {image.asset_key!r} lists {len(image.bands)} bands, {redact(image.location)} has {count}"
        )
    return image.bands
