"""The images behind an index, opened once, verified once, and shared by all chips."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.errors import AssetChanged, ChipError, ItemError, redact
from stacchip_osml.forked import ForkLock, cached_property
from stacchip_osml.imagery import FetchLimits, MaskedPixels
from stacchip_osml.imagery.blocks.arena import Arena, default_arena
from stacchip_osml.imagery.blocks.cache import BlockCache
from stacchip_osml.imagery.blocks.engine import WindowRead, read_windows
from stacchip_osml.imagery.blocks.files import LocalFile
from stacchip_osml.imagery.blocks.fingerprint import fingerprint
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.imagery.location import is_remote
from stacchip_osml.imagery.machine import usable_cores
from stacchip_osml.index.headers import AssetHeader, HeaderKey
from stacchip_osml.pixel import ImageSize, PixelWindow
from stacchip_osml.pixel.counts import whole_number, whole_or_none
from stacchip_osml.pixel.nodata import differs_from
from stacchip_osml.stac.facts import require_agreement
from stacchip_osml.stac.source import SourceBand, SourceImage

if TYPE_CHECKING:
    from stacchip_osml.geometry import Locator

__all__ = ["ImageReader", "ImageShelf", "ReaderStack", "ShelfRead"]

MOST_TOGETHER = 16
"""Images opened at once: what takes the time then is reading their headers, not waiting for them."""


class ImageReader:
    """One indexed image: the item's nodata holds where the file has none, the file's scales where the item has none."""

    def __init__(self, image: SourceImage, source: BlockImage) -> None:
        """Take the facts of a file that was compared with the index.

        Raises:
            ItemError: the item lists other bands than the file has.
            ReadError: the file cannot be read.
        """
        header = source.header
        self.image = image
        self.source = source
        self.levels: tuple[ImageSize, ...] = header.levels
        self.places = tuple(header.place(level) for level in range(len(header.levels)))
        self.bands = _described(image, len(header.bands))
        self.dtypes = tuple(np.dtype(band.dtype) for band in header.bands)
        self.colors = tuple(band.color for band in header.bands)
        pairs = list(zip(header.bands, self.bands, strict=True))
        self.nodata = tuple(own.nodata if own.nodata is not None else told.nodata for own, told in pairs)
        self.scales = tuple(
            (own.scale, own.offset) if (told.scale, told.offset) == (1.0, 0.0) else (told.scale, told.offset)
            for own, told in pairs
        )
        self.told = tuple(
            (place, told.nodata)
            for place, (own, told) in enumerate(pairs)
            if own.nodata is None and told.nodata is not None
        )
        """Bands whose nodata only the item knows."""

    @cached_property
    def locator(self) -> Locator | None:
        """What locates an image that has no transform: its sensor model, polynomials or control points."""
        if self.image.transform is not None:
            return None
        placing = self.image.placing()
        return None if placing is None else placing.locator


class ReaderStack:
    """Images of one type whose bands follow each other in a chip."""

    __slots__ = ("_told", "image", "readers")

    def __init__(self, readers: Sequence[ImageReader]) -> None:
        """Hold at least one."""
        self.readers = tuple(readers)
        self.image = readers[0].source if len(readers) == 1 else tuple(reader.source for reader in readers)
        """As :class:`WindowRead` has it."""
        firsts = accumulate((len(reader.nodata) for reader in readers), initial=0)
        self._told = [
            (first + place, value)
            for first, reader in zip(firsts, readers, strict=False)
            for place, value in reader.told
        ]

    def judge(self, found: MaskedPixels) -> None:
        """Mark, in place, the pixels that only the item calls nodata."""
        for place, value in self._told:
            found.mask[place] &= differs_from(found.pixels[place], value)


class ShelfRead(NamedTuple):
    """One window to read, all bands."""

    stack: ReaderStack
    level: int
    window: PixelWindow
    """Pixels of the level."""
    pixels: NDArray[Any] | None
    """Where they go; None for a new array."""
    mask: NDArray[np.bool_] | None
    judged: bool
    """False where nobody asks which pixels are valid."""
    empty: tuple[float | complex, ...]
    """A band each: what an image that stores nothing there reads as."""


class ImageShelf:
    """Readers by image, the least recently used put away, and what their reads share; safe for threads."""

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
        self.threads = whole_or_none("threads", threads, least=1)
        self.cache_bytes = whole_number("cache_bytes", cache_bytes, least=0)
        self.capacity = capacity
        self.arena: Arena = default_arena()
        self._cache = BlockCache(self.cache_bytes) if self.cache_bytes else None
        self._readers: OrderedDict[tuple[str, ...], tuple[AssetHeader, ImageReader]] = OrderedDict()
        self._lock = ForkLock()
        self._is_sharing = False

    def reader(self, header: AssetHeader) -> ImageReader:
        """Give the reader of an image, opened and verified on first use.

        Raises:
            ItemError: the file's grid is not the indexed one.
            AssetChanged: the file is not the one whose header the index holds.
            ReadError: the file cannot be read.
        """
        key = _key(header)
        with self._lock:
            held = self._readers.get(key)
            if held is not None and (held[0] is header or held[0] == header):
                self._readers.move_to_end(key)
                return held[1]
        made = ImageReader(header.image, self._source(header))
        with self._lock:
            self._readers[key] = (header, made)
            while len(self._readers) > self.capacity:
                self._readers.popitem(last=False)
        return made

    def open_together(self, headers: Iterable[AssetHeader]) -> dict[HeaderKey, ChipError]:
        """Open those images that a server has to be asked about first, all at once: ``reader`` then has them.

        Returns:
            Why some cannot be opened, so that they are not asked for once more.
        """
        with self._lock:
            to_ask = {
                header.key: header for header in headers if self._asks(header) and _key(header) not in self._readers
            }
        if len(to_ask) < 2:
            return {}
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(min(len(to_ask), MOST_TOGETHER), thread_name_prefix="stacchip-osml-open") as pool:
            found = dict(zip(to_ask, pool.map(self._opening_failure, to_ask.values()), strict=True))
        return {key: failure for key, failure in found.items() if failure is not None}

    def _asks(self, header: AssetHeader) -> bool:
        stored = header.stored
        is_known = stored is not None and (stored.etag is not None or self._cache is None)
        return is_remote(header.image.location) and not is_known

    def _opening_failure(self, header: AssetHeader) -> ChipError | None:
        """Ask all that has to be asked before an image's pixels; gives what went wrong."""
        try:
            source = self.reader(header).source
            _ = source.layout, source.version
        except ChipError as failure:
            return failure
        return None

    def read(self, reads: Sequence[ShelfRead], *, threads: int | None = None) -> list[MaskedPixels | ChipError | None]:
        """Read windows of any images together; see :func:`stacchip_osml.imagery.blocks.engine.read_windows`."""
        asked = [
            WindowRead(stack.image, window, level, None, pixels, mask, judged, empty)
            for stack, level, window, pixels, mask, judged, empty in reads
        ]
        threads = self.threads if threads is None else threads
        found = read_windows(asked, threads=threads, cache=self._cache, arena=self.arena)
        for read, each in zip(reads, found, strict=True):
            if read.judged and isinstance(each, MaskedPixels):
                read.stack.judge(each)
        return found

    def work_beside(self, others: int, *, divided: bool) -> None:
        """Take a share, once; see :meth:`Chipper.work_beside`."""
        if self._is_sharing:
            return
        self._is_sharing = True
        if self.threads is None:
            self.threads = max(usable_cores() // others, 1)
        if divided and self.cache_bytes:
            self.cache_bytes = -(-self.cache_bytes // others)
            self._cache = BlockCache(self.cache_bytes)

    def _source(self, header: AssetHeader) -> BlockImage:
        image, stored = header.image, header.stored
        how: dict[str, Any] = {"sign": self.sign, "fetch": self.fetch}
        if stored is None:
            source = BlockImage(image.location, expect=(image.size_bytes, image.modified_ns), **how)
            require_agreement(image, source.header)
            return source
        facts, layout = stored.unpack(name="/".join(part for part in header.key if part))
        require_agreement(image, facts)
        size = stored.size_bytes if image.size_bytes is None else image.size_bytes
        expect = (size, image.modified_ns)
        source = BlockImage(image.location, expect=expect, etag=stored.etag, header=facts, layout=layout, **how)
        file = source.file
        if isinstance(file, LocalFile):
            stamp = file.check()
            if not stored.is_of_file(stamp, lambda: fingerprint(file.read_at, stamp.size_bytes)):
                raise AssetChanged(
                    f"{source.name}: its header in the index is of another version of the file: build the index again"
                )
        return source

    def __reduce__(self) -> tuple[object, ...]:
        kept = ("sign", "fetch", "threads", "cache_bytes", "capacity")
        return (_shelf, ({name: getattr(self, name) for name in kept},))


def _key(header: AssetHeader) -> tuple[str, ...]:
    return (header.image.location, *header.key)


def _shelf(settings: dict[str, Any]) -> ImageShelf:
    return ImageShelf(**settings)


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
