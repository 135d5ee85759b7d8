"""Access to one image file: opened, checked for change, signed again, its errors translated.

Rules:

- a dataset serves one thread at a time: handles are lent by one bounded pool;
- a local file is looked at before and after each read (size, time, inode), so
  that pixels of two versions never mix;
- a remote object's version (size, ETag, Last-Modified) is noted when it is
  first asked for, compared whenever a handle is opened, and sent as a condition
  with every request, so that a server which honours conditions never gives
  bytes of another version. **Not noticed** is a change under an open handle
  where the server ignores conditions, or gives neither a strong ETag nor
  Last-Modified; and a change between images that leaves all three alike;
- what fails on a remote object is tried once more with a new signature and a
  new handle, unless ``FetchLimits.total_s`` is over; then it is the error. An
  object that is missing or changed is an error at once. The time holds for one
  request and its retries; a read may make several, and header lines that drip
  byte by byte are timed one by one.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from stacchip_osml.errors import AssetChanged, AssetMissing, DecodeError, ReadError, RemoteReadError, redact
from stacchip_osml.extensions import load_extensions
from stacchip_osml.imagery.blocks.objects import RemoteObject, read_remote_head
from stacchip_osml.imagery.format import HEAD_BYTES, OPENING_BYTES, sniff_driver
from stacchip_osml.imagery.gdal.codestreams import (
    StreamFacts,
    holds_codestream,
    sizes_in_samples,
    stream_facts,
    told_origin,
)
from stacchip_osml.imagery.gdal.directories import reading_on, require_few_directories_of
from stacchip_osml.imagery.gdal.handle_pool import HandlePool
from stacchip_osml.imagery.gdal.joined import Change, open_joined
from stacchip_osml.imagery.gdal.library import (
    GDAL_ERRORS,
    Dataset,
    environment,
    forget_signals,
    hide_signatures,
    open_dataset,
    settle,
    story,
)
from stacchip_osml.imagery.limits import FetchLimits
from stacchip_osml.imagery.location import (
    FileStamp,
    gdal_name,
    is_remote,
    local_stamp,
    read_local_head,
    require_location,
)
from stacchip_osml.imagery.network.remote import gdal_fetch_options
from stacchip_osml.imagery.network.version import TRANSIENT, RemoteStamp
from stacchip_osml.imagery.tiff.directories import page_directory
from stacchip_osml.pixel.counts import whole_number

if TYPE_CHECKING:
    from stacchip_osml.imagery.blocks.files import LocalFile

__all__ = ["OPEN_HANDLES", "FileAccess", "close_idle_handles"]

OPEN_HANDLES = 64
"""GDAL datasets kept open by one process."""

WORTH_ALL = 1 << 20
"""Bytes: so small a file comes whole in less time than GDAL takes to ask for the parts of its header, one by one."""
WORTH_BEGINNING = 1 << 24
"""Bytes: of a smaller file GDAL asks for all that lies behind the first bytes when it opens it so (3.10: of 10 MB)."""

HTTP_STATUS = re.compile(r"(?:HTTP|response)[ _](?:response|error)?[ _]?code\D{0,4}(\d{3})", re.IGNORECASE)
NETWORK_TROUBLE = re.compile(
    r"HTTP|CURL|timed out|Timeout|Could not resolve|connection|got \d+ bytes, expected|Cannot read offset",
    re.IGNORECASE,
)
UNRECOGNIZED = "not recognized as being in a supported file format"
REMOTE_NAME = re.compile(r"/vsi(?:curl|s3|gs|az)/[^\s']*")
OF_JPEG_2000 = frozenset({"NITF", "JP2OpenJPEG"})
"""Drivers of files that may hold it."""
T = TypeVar("T")
_POOL: HandlePool[Dataset] = HandlePool(OPEN_HANDLES)


def close_idle_handles() -> None:
    """Close every file and connection that no read is using; the next read opens it again."""
    from stacchip_osml.imagery.blocks.files import close_idle_files
    from stacchip_osml.imagery.network.connection_pool import close_idle_connections

    _POOL.close_resting()
    close_idle_files()
    close_idle_connections()


class FileAccess:
    """How one file is reached; safe for threads."""

    def __init__(
        self,
        location: str,
        *,
        sign: Callable[[str], str] | None,
        sidecars: bool,
        expect: tuple[int | None, int | None],
        fetch: FetchLimits,
        opening: Callable[[], tuple[bytes, RemoteStamp]] | None = None,
        page: int = 0,
    ) -> None:
        self.location = require_location(location)
        self.sign = sign
        self.sidecars = sidecars
        self.expect = expect
        self.fetch = fetch
        self.page = whole_number("page", page, least=0)
        self._directory: int | None = None
        self.remote = is_remote(location)
        self.name = redact(location)
        self._stamp: FileStamp | None = None
        self._version: RemoteStamp | None = None
        self._turn = 0
        self._opening = opening
        self._begins = b""
        self._change: Change | None = None
        self._stream: StreamFacts | None = None
        self._opening_bytes = b""
        self.head: bytes | None = None
        """First bytes of a remote TIFF file, of the version that was noted; whoever has all facts lets go of them."""

    @property
    def size_bytes(self) -> int | None:
        """The file's size, None before it was reached or where the server does not say."""
        held = self._version if self.remote else self._stamp
        return None if held is None else held.size_bytes

    @property
    def modified_ns(self) -> int | None:
        """A local file's modification time, ns since the epoch."""
        return None if self._stamp is None else self._stamp.modified_ns

    def on(self, overview: int | None, action: Callable[[Dataset], T], *, anew: bool = False, facts: bool = False) -> T:
        """Run ``action`` on a handle of one level that nobody else uses meanwhile.

        Args:
            overview: GDAL's overview index, None for R0.
            action: must have read all it wants when it returns; may run twice on a remote object.
            anew: use no handle that was open before.
            facts: it reads no pixels, so that of a remote object the first bytes may be all that it takes.

        Raises:
            AssetMissing: the file is gone.
            AssetChanged: the file is not the one expected, or changed.
            DecodeError: the bytes are not a readable image.
            RemoteReadError: the server did not give them.
        """
        if not self.remote:
            return self._on_local(overview, action)
        return self._on_remote(overview, action, anew=anew, facts=facts)

    # ---- local files

    def _on_local(self, overview: int | None, action: Callable[[Dataset], T]) -> T:
        stamp = self._checked_stamp()
        key = (self.location, self.page, self.sign, self.sidecars, overview, stamp)
        try:
            with _POOL.lend(key, lambda: self._open_local(overview)) as dataset:
                forget_signals()
                done = action(dataset)
        except GDAL_ERRORS as error:
            said = story(error)
            raise DecodeError(f"{self.name}: {said}") from OSError(said)
        self._checked_stamp()
        return done

    def _open_local(self, overview: int | None) -> Dataset:
        target = self._target()
        driver = self._driver(read_local_head(target))
        with environment(sidecars=self.sidecars, options={}):
            return self._open(target, driver=driver, overview=overview)

    def _checked_stamp(self) -> FileStamp:
        stamp = local_stamp(self.location)
        if self._stamp is None:
            self._require_expected(stamp.size_bytes, stamp.modified_ns)
            self._stamp = stamp
        elif stamp != self._stamp:
            raise AssetChanged(f"{self.name}: the file changed since it was first read")
        return stamp

    # ---- remote objects

    def _on_remote(self, overview: int | None, action: Callable[[Dataset], T], *, anew: bool, facts: bool) -> T:
        started = time.monotonic()
        if anew:
            self._turn += 1
        try:
            return self._once(overview, action, facts=facts)
        except (*GDAL_ERRORS, RemoteReadError) as error:
            is_trouble = _is_trouble(story(error))
            refused = isinstance(error, RemoteReadError) and (error.status not in {401, 403} or self.sign is None)
            late = time.monotonic() - started >= self.fetch.total_s
            if late and not isinstance(error, RemoteReadError):  # no time to find out what it was
                raise RemoteReadError(self.location, status=None, attempts=self.fetch.attempts) from OSError(
                    story(error)
                )
            if refused or late:
                raise self._translated(error) from OSError(story(error))
        # Handles at rest hold the old signature, or what they failed to read: the new number passes them by.
        self._turn += 1
        try:
            return self._once(overview, action)
        except (*GDAL_ERRORS, RemoteReadError) as error:
            in_time = time.monotonic() - started < self.fetch.total_s
            raise self._translated(error, may_ask=in_time and not is_trouble) from OSError(story(error))

    def _once(self, overview: int | None, action: Callable[[Dataset], T], *, facts: bool = False) -> T:
        seen = self.look() if self._version is None else None
        begun = facts and self.head is not None and self._turn == 0  # what fails is tried again without
        seen_as = (self._version, self.fetch, self._turn, begun)
        key = (self.location, self.page, self.sign, self.sidecars, overview, *seen_as)
        around = environment(sidecars=self.sidecars, options=gdal_fetch_options(self.fetch, self._version))
        with around, _POOL.lend(key, lambda: self._open_remote(overview, seen, begun=begun)) as dataset:
            forget_signals()
            return action(dataset)

    def _open_remote(self, overview: int | None, seen: tuple[str, str] | None, *, begun: bool) -> Dataset:
        hide_signatures()
        if begun and self.head is not None and self._version is not None and self._version.size_bytes is not None:
            target = self._target() if seen is None else seen[0]
            size = self._version.size_bytes
            first = Change(0, self.head, size)
            dataset = open_joined(first, gdal_name(target), driver="GTiff", overview=overview, prefix=self._prefix())
        else:
            target, driver = self.look() if seen is None else seen
            dataset = self._open(target, driver=driver, overview=overview)
        try:
            settle(dataset)
        except GDAL_ERRORS:
            dataset.close()
            raise
        return dataset

    def look(self) -> tuple[str, str]:
        """Ask for a remote object's first bytes, and check that it is the same version.

        Returns:
            What to open (signed), and with which driver.

        Raises:
            ReadError: as ``on``.
        """
        target = self._target()
        if not is_remote(target):
            return target, self._driver(read_local_head(target))
        if self._version is not None:
            head, version = read_remote_head(target, self.fetch)
        elif self._opening is not None:
            head, version = self._opening()
        else:
            head, version = read_remote_head(target, self.fetch, size=OPENING_BYTES)
        self._require_expected(version.size_bytes, None)
        if version.is_whole and (version.size_bytes or 0) > WORTH_ALL:
            raise ReadError(f"{self.name}: the server sends no byte ranges, as files above {WORTH_ALL >> 20} MiB need")
        driver = self._driver(head)
        if self._version is None:
            begins = self._beginning(target, head, version) if driver == "GTiff" and not self.sidecars else None
            if driver == "GTiff":
                read = reading_on(begins or head, version.size_bytes, self._object(version).read_at)
                require_few_directories_of(read, name=self.name, size=version.size_bytes)
            self._version, self.head = version, begins
            self._opening_bytes = head if driver in OF_JPEG_2000 else b""
        elif version.differs_from(self._version):
            raise AssetChanged(f"{self.name}: the object changed since it was first read")
        return target, driver

    def _beginning(self, target: str, head: bytes, version: RemoteStamp) -> bytes | None:
        """Give first bytes for GDAL to begin with, of a small file all; None where it has to ask for them itself."""
        size = version.size_bytes or 0
        if len(head) < size <= WORTH_ALL:
            head, again = read_remote_head(target, self.fetch, size=size)
            if again.differs_from(version):
                raise AssetChanged(f"{self.name}: the object changed since it was first read")
        if len(head) == size:
            return head
        # What lies behind them must be asked for under the condition that it is of the same version.
        return head if version.condition() is not None and size >= WORTH_BEGINNING else None

    def _translated(self, error: BaseException, *, may_ask: bool = False) -> ReadError:
        """Turn what GDAL said of a remote object into an error of ours, without credentials.

        Args:
            error: what was raised.
            may_ask: GDAL met no trouble before. It does not recognize what it did not get either, so it is believed
                that it does not recognize a file where it said so twice, and the server gives bytes when asked again.
        """
        if isinstance(error, RemoteReadError):
            # A signed href may differ from the location in more than its query.
            return RemoteReadError(self.location, status=error.status, attempts=error.attempts)
        said = story(error)
        if not _is_trouble(said) and (may_ask or UNRECOGNIZED not in said):
            try:
                if UNRECOGNIZED in said:
                    self.look()
            except ReadError as trouble:
                return self._translated(trouble) if isinstance(trouble, RemoteReadError) else trouble
            return DecodeError(f"{self.name}: {REMOTE_NAME.sub(self.name, said)}")
        status = HTTP_STATUS.search(said)
        code = int(status[1]) if status else None
        if code in (404, 410):
            return AssetMissing(f"{self.name}: status {code}")
        tried = self.fetch.attempts if code is None or code in TRANSIENT else 1
        return RemoteReadError(self.location, status=code, attempts=tried)

    # ---- both

    def bytes_of(self) -> LocalFile | RemoteObject:
        """Give the file's bytes, of the version that was noted."""
        from stacchip_osml.imagery.blocks.files import LocalFile

        target = self._target()
        if not is_remote(target):
            return LocalFile(target, expect=(self.size_bytes, self.modified_ns))
        return self._object(self._version)

    def _object(self, version: RemoteStamp | None) -> RemoteObject:
        size, etag = (None, None) if version is None else (version.size_bytes, version.etag)
        return RemoteObject(self.location, sign=self.sign, fetch=self.fetch, expect_size=size, expect_etag=etag)

    def _open(self, target: str, *, driver: str, overview: int | None) -> Dataset:
        """Open a level; of JPEG 2000 that GDAL refuses for its subsampling, as it is in samples."""
        name = self._prefix() + gdal_name(target)
        if self._change is None:
            try:
                dataset = open_dataset(name, driver=driver, overview=overview, head=self._begins)
            except GDAL_ERRORS as error:
                if driver not in OF_JPEG_2000 or self.sidecars or _is_trouble(story(error)):
                    raise
                self._change = sizes_in_samples(self.bytes_of(), driver=driver, name=self.name)
                if self._change is None:
                    raise
            else:
                return self._looked_at(dataset)
        dataset = open_joined(self._change, name, driver=driver, overview=overview, head=self._begins)
        dataset.origin = told_origin(self._change)
        return dataset

    def _prefix(self) -> str:
        """Give what stands before a file's name in GDAL's name for a further page of it."""
        if self.page and self._directory is None:
            read = self.bytes_of().read_at
            self._directory = page_directory(read, self.page, name=self.name, size=self.size_bytes)
        return f"GTIFF_DIR:{self._directory}:" if self.page else ""

    def _looked_at(self, dataset: Dataset) -> Dataset:
        """Note at a dataset what GDAL does not tell of it; of JPEG 2000 its file is asked, once."""
        if self._stream is None:
            try:
                self._stream = self._stream_facts(dataset.driver) if holds_codestream(dataset) else StreamFacts()
            except ReadError:
                dataset.close()
                raise
            self._opening_bytes = b""
        dataset.packing, dataset.origin = dataset.packing or self._stream.unread, self._stream.origin
        return dataset

    def _stream_facts(self, driver: str) -> StreamFacts:
        read = reading_on(self._opening_bytes, self.size_bytes, self.bytes_of().read_at)
        return stream_facts(read, size=self.size_bytes, driver=driver, name=self.name)

    def _target(self) -> str:
        return self.location if self.sign is None else require_location(self.sign(self.location))

    def _driver(self, head: bytes) -> str:
        driver, self._begins = sniff_driver(head), head[:HEAD_BYTES]
        if driver is None:
            begins = f"it begins {head[:8]!r}, and no reader is registered for that{load_extensions()}"
            raise DecodeError(f"{self.name}: not a TIFF, NITF, JPEG 2000, PNG or JPEG file; {begins}")
        return driver

    def _require_expected(self, size: int | None, modified: int | None) -> None:
        for what, expected, found in (("bytes", self.expect[0], size), ("ns mtime", self.expect[1], modified)):
            if expected is not None and found is not None and expected != found:
                raise AssetChanged(f"{self.name}: expected {expected} {what}, found {found}")


def _is_trouble(said: str) -> bool:
    """Tell whether GDAL speaks of the network; the name of what it opens does not count."""
    return NETWORK_TROUBLE.search(REMOTE_NAME.sub("", said)) is not None
