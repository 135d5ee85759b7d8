"""The decoded store: chips as they were cut, kept within a budget, for the epochs after the first.

A chip is found by what its pixels depend on: the version of every file behind
it, the window, the level, the chain, and how its assets lie on one another. So
a store can outlive an index, serve several, and never gives the pixels of a
file that has changed since.
"""

from __future__ import annotations

import os
import platform
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.chain import ChainRegistry
from stacchip_osml.errors import ReadError, WindowError
from stacchip_osml.forked import ForkLock
from stacchip_osml.imagery.blocks.arena import default_arena
from stacchip_osml.imagery.location import is_remote, local_stamp
from stacchip_osml.index.headers import AssetHeader, HeaderKey
from stacchip_osml.load.plan import SourcePlan, plan_source
from stacchip_osml.load.rows import PlannedRows, SourceKey
from stacchip_osml.load.slot_file import KEY_BYTES, SlotFile
from stacchip_osml.pixel.arguments import of_kind
from stacchip_osml.pixel.counts import whole_number

__all__ = ["ChipKeys", "DecodedStore", "StoreCounts", "StoredChips"]

_PRESENT, _ALL_VALID, _NONE_VALID = 1, 2, 4
"""Flags of a slot."""
_FORMAT = 1
"""Raised when the same key would mean other pixels."""


class StoreCounts(NamedTuple):
    """What a store was asked for, by this process."""

    found: int = 0
    absent: int = 0
    stored: int = 0
    full: int = 0
    """Chips that found no room."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StoredChips:
    """Chips of one shape."""

    pixels: NDArray[Any]
    """``(N, C, H, W)``."""
    mask: NDArray[np.bool_] | None
    """``(N, C, H, W)``; None where all pixels are valid, or where it was not asked for."""
    present: NDArray[np.bool_]
    """``(N,)``; False where the image is sparse."""


class DecodedStore:
    """Decoded chips of one shape and type, in memory or in a file; shared by the processes that it is handed to.

    It is filled until the budget is used up, and then serves what it has. Keep the file on a local disk.
    """

    def __init__(self, budget_bytes: int, path: str | os.PathLike[str] | None = None) -> None:
        """Open a store; its room is taken when the first chip comes.

        Args:
            budget_bytes: how much memory, or how large a file.
            path: file; None keeps the chips in memory, for as long as this process lives.

        Raises:
            ValueError: a budget below 0.
            ReadError: something else is at that path.
            LimitError: the file there is larger than the budget.
        """
        self.budget_bytes = whole_number("budget_bytes", budget_bytes, least=0)
        self._own = -1
        if path is None:
            self._own = _memory_file()
            path = f"/proc/{os.getpid()}/fd/{self._own}" if platform.system() == "Linux" else f"/dev/fd/{self._own}"
        of_kind("path", path, (str, os.PathLike), "the path of a file")
        self.path = os.path.abspath(path)  # noqa: PTH100 - Path.resolve would follow /proc's link to nowhere
        self._file = SlotFile(self.path, self.budget_bytes)
        self._counts = StoreCounts()
        self._lock = ForkLock()

    @property
    def in_memory(self) -> bool:
        """Whether the chips are gone with the process that made the store."""
        return self.path.startswith(("/proc/", "/dev/fd/"))

    @property
    def counts(self) -> StoreCounts:
        """What this process asked for so far."""
        return self._counts

    @property
    def capacity(self) -> int:
        """Chips there is room for; 0 until the first is stored."""
        return self._file.capacity

    @property
    def band_names(self) -> tuple[str, ...]:
        """Bands of the chips; empty until the first is stored."""
        head = self._file.look()
        return () if head is None else tuple(head["bands"])

    def __len__(self) -> int:
        """Count the chips kept; a few of them may still be in the making."""
        return self._file.claimed

    def __repr__(self) -> str:
        place = "memory" if self.in_memory else self.path
        return f"DecodedStore({len(self)} of {self.capacity} chips, {self.budget_bytes} bytes, {place})"

    def find(self, keys: Sequence[bytes | None]) -> list[tuple[int, int] | None]:
        """Look chips up by the keys of :class:`ChipKeys`; None for what is not there or has no key."""
        found = self._file.find([key or b"" for key in keys])
        hits = len(found) - found.count(None)
        self._count(found=hits, absent=len(found) - hits)
        return found

    def read(self, places: Sequence[tuple[int, int]], *, want_mask: bool = True) -> StoredChips:
        """Read chips that were found.

        Raises:
            ReadError: the file was cut short by someone else.
        """
        head = self._file.look()
        if head is None:
            raise ReadError(f"{self.path}: the store is empty")
        shape, dtype = tuple(head["shape"]), np.dtype(head["dtype"])
        pixels = default_arena().take((len(places), *shape), dtype)
        flat = pixels.reshape(len(places), -1).view(np.uint8)
        flags = np.array([flag for _, flag in places], np.int64)
        masked = want_mask and not bool((flags & _ALL_VALID).all())
        stored = (flags & (_ALL_VALID | _NONE_VALID)) == 0
        bits = np.empty((len(places), -(-int(np.prod(shape)) // 8)) if masked else (0, 0), np.uint8)
        self._file.read(
            [slot for slot, _ in places],
            [[flat[row], bits[row]] if masked and stored[row] else [flat[row]] for row in range(len(places))],
        )
        mask = None
        if masked:
            mask = default_arena().take(pixels.shape, np.bool_)
            for row, valid in enumerate(mask):
                valid[...] = (
                    np.unpackbits(bits[row], count=valid.size).reshape(shape)
                    if stored[row]
                    else flags[row] & _ALL_VALID
                )
        return StoredChips(pixels=pixels, mask=mask, present=(flags & _PRESENT) != 0)

    def put(
        self,
        keys: Sequence[bytes | None],
        pixels: NDArray[Any],
        mask: NDArray[np.bool_],
        present: NDArray[np.bool_],
        *,
        band_names: Sequence[str] = (),
    ) -> None:
        """Store chips that have a key and are not there yet, as far as there is room.

        Raises:
            WindowError: the store holds chips of another shape or type.
            LimitError: the budget holds no chip, or the disk is full.
        """
        if not len(keys):
            return
        head = {"shape": list(pixels.shape[1:]), "dtype": pixels.dtype.str, "bands": list(band_names)}
        chip = pixels[0].nbytes + -(-pixels[0].size // 8)
        if self._file.head is None:
            self._file.make(head, chip)
        if self._file.head != head:
            raise WindowError(f"{self.path}: the store holds chips of {self._file.head}, and not of {head}")
        known = self._file.find([key or b"" for key in keys])
        new = [place for place, key in enumerate(keys) if key is not None and known[place] is None]
        slots = self._file.claim(len(new))
        for slot, place in zip(slots, new, strict=False):
            key, valid = keys[place], mask[place]
            flags = _PRESENT if present[place] else 0
            flags |= _ALL_VALID if valid.all() else 0 if valid.any() else _NONE_VALID
            parts = [np.ascontiguousarray(pixels[place]).reshape(-1).view(np.uint8)]
            if not flags & (_ALL_VALID | _NONE_VALID):
                parts.append(np.packbits(valid))
            self._file.write(slot, parts)
            self._file.publish(slot, key or b"", flags)
        self._count(stored=len(slots), full=len(new) - len(slots))

    def flush(self) -> None:
        """Bring the chips to the disk: only what is there is believed after a restart of the machine."""
        self._file.flush()

    def close(self) -> None:
        """Let the memory or the file go."""
        self._file.close()
        if self._own >= 0:
            os.close(self._own)
            self._own = -1

    def _count(self, **more: int) -> None:
        with self._lock:
            self._counts = self._counts._replace(
                **{name: getattr(self._counts, name) + count for name, count in more.items()}
            )

    def __reduce__(self) -> tuple[object, ...]:
        return (DecodedStore, (self.budget_bytes, self.path))


class ChipKeys:
    """The keys of index rows; remembers what rows of one source have in common."""

    def __init__(
        self, headers: Mapping[HeaderKey, AssetHeader], chains: ChainRegistry, *, chain: str | None = None
    ) -> None:
        """Hold an index's tables.

        Args:
            headers: by collection, item and asset.
            chains: registry.
            chain: instead of each row's.
        """
        self._headers, self._chains, self._chain = headers, chains, chain
        self._begun: tuple[int, dict[SourceKey, Any]] = (-1, {})
        """Epoch, and the hash begun with what rows of a source share."""

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_begun": (-1, {})}  # a hash that was begun does not pickle

    def of(
        self, rows: PlannedRows, sources: Sequence[SourceKey], *, epoch: int = 0, lasting: bool = False
    ) -> list[bytes | None]:
        """Give a key a row; None where the files behind it cannot be told from their next version.

        Args:
            rows: of the index.
            sources: what ``rows.sources`` numbers.
            epoch: files are looked at once an epoch.
            lasting: the store outlives the process.
        """
        held = self._begun
        if held[0] != epoch:
            held = self._begun = (epoch, {})
        prefixes = held[1]
        found: list[bytes | None] = []
        for number, window in zip(rows.sources.tolist(), rows.windows.astype("<i4"), strict=True):
            key = sources[number]
            if key not in prefixes:
                prefixes[key] = self._begin(key, lasting=lasting)
            begun = prefixes[key]
            if begun is None:
                found.append(None)
                continue
            mixed = begun.copy()
            mixed.update(window.tobytes())
            found.append(mixed.digest())
        return found

    def _begin(self, key: SourceKey, *, lasting: bool) -> Any:
        plan = plan_source(key if self._chain is None else key._replace(chain=self._chain), self._headers, self._chains)
        versions = [_version(grid.image.location, grid.header, lasting=lasting) for grid in plan.assets]
        if None in versions:
            return None
        return blake2b(repr((_FORMAT, versions, _settings(plan))).encode(), digest_size=KEY_BYTES)


def _settings(plan: SourcePlan) -> tuple[Any, ...]:
    """Everything but the files' content and the window that decides what the pixels are."""
    grids = [
        (grid.start, grid.step, grid.method, tuple(grid.image.size), grid.image.bands, grid.image.asset_key)
        for grid in plan.assets
    ]
    return (plan.level, plan.key.chain, plan.definition, grids)


def _version(location: str, header: AssetHeader, *, lasting: bool) -> tuple[Any, ...] | None:
    """Tell the version of a file: of a local one as it is now, of a remote one as it was indexed."""
    image = header.image
    if not is_remote(location):
        try:
            stamp = local_stamp(location)
        except ReadError:
            return None  # reading it says what is wrong
        return (location, stamp.size_bytes, stamp.modified_ns)
    stored = header.stored
    told = (image.size_bytes, None, None) if stored is None else (stored.size_bytes, stored.etag, stored.last_modified)
    if lasting and not any(told):
        return None
    return (location, image.size_bytes, *told)


def _memory_file() -> int:
    """Give a file that is memory; where the system has none, a temporary one without a name."""
    if platform.system() == "Linux":
        return os.memfd_create("decoded-chips", os.MFD_CLOEXEC)
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
