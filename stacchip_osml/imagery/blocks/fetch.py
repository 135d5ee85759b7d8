"""Many byte ranges of many remote objects at once, in the order in which they come.

Rules:

- requests are begun while fewer than ``in_flight`` are under way and the bytes
  under way or waiting to be taken stay within ``bytes_in_flight``: a consumer
  that is slow stops what is begun, not what memory holds. A request larger than
  that is made alone. What was taken is the consumer's to bound;
- a request that fails is a result, and the others go on;
- closing ends what is under way; nobody waits for it;
- requests are carried out by daemon threads of the process, started when first
  wanted, ``MOST_THREADS`` at most. They wait for servers, never for consumers.
  A forked child starts without.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from queue import SimpleQueue
from types import TracebackType
from typing import Generic, NamedTuple, Protocol, Self, TypeVar

from stacchip_osml.errors import ChipError, ReadError
from stacchip_osml.imagery.limits import FetchLimits
from stacchip_osml.imagery.network.connections import Call, CancelledError

__all__ = ["Fetched", "RangeRequest", "Ranged", "fetch_ranges"]

MIB = 1 << 20
MOST_THREADS = 256
T = TypeVar("T")
Tell = Callable[[], None]
"""Tells of a task that it is done."""


class Ranged(Protocol):
    """A remote object."""

    fetch: FetchLimits

    def read_exactly(self, offset: int, size: int, call: Call | None = None) -> memoryview:
        """Read bytes that must be there; raises ReadError."""
        ...


class RangeRequest(NamedTuple, Generic[T]):
    """Bytes to fetch."""

    file: Ranged
    offset: int
    size: int
    tag: T
    """Whatever tells the consumer what this is."""


class Fetched(NamedTuple, Generic[T]):
    """One request's result."""

    tag: T
    data: memoryview | ChipError
    """All the bytes asked for; or why they did not come: ReadError, LimitError."""


class _State(Generic[T]):
    """What the consumer's side and the threads share; the threads know no more, so that the consumer's side can end."""

    def __init__(self, requests: Iterator[RangeRequest[T]], *, most: int, most_bytes: int) -> None:
        self.changed = threading.Condition()
        self.results: deque[tuple[RangeRequest[T], memoryview | BaseException]] = deque()
        self.under_way = 0
        self.bytes = 0
        """Of requests under way, and of results that wait."""
        self.failure: BaseException | None = None
        """What the iterator of requests raised."""
        self._requests: Iterator[RangeRequest[T]] | None = requests
        self._most, self._most_bytes = most, most_bytes
        self._next: RangeRequest[T] | None = None
        self._calls: set[Call] = set()
        self.cancelled = False

    def cancel(self) -> None:
        """Hang up; takes no lock, because it may be called from the middle of anything."""
        self.cancelled = True
        while self._calls:
            try:
                self._calls.pop().cancel()
            except KeyError:  # the last one has just ended by itself
                break

    def take(self, *, leaving: int = 0) -> RangeRequest[T] | None:
        """Give a request that may be begun now, and count it as begun; the caller holds the lock.

        Args:
            leaving: how many of those under way are about to end.
        """
        if self._next is None:
            self._next = self._drawn()
        request = self._next
        if request is None or self.cancelled:
            return None
        held = self.under_way + len(self.results)
        full = self.under_way - leaving >= self._most or self.bytes + request.size > self._most_bytes
        if held and full:
            return None
        self._next = None
        self.bytes += request.size
        self.under_way += 1
        return request

    def carry_out(self, request: RangeRequest[T]) -> Tell:
        """Do requests one after the other, in a thread of the crew; the last result is told last."""
        while True:
            done = self._done(request)
            with self.changed:
                following = self.take(leaving=1)
                if following is None:
                    return partial(self._tell, request, done)
                self._tell(request, done)
            request = following

    def _drawn(self) -> RangeRequest[T] | None:
        if self._requests is None:
            return None
        try:
            found = next(self._requests, None)
        except BaseException as error:  # raised again in the consumer's thread
            found, self.failure = None, error
        if found is None:
            self._requests = None
        return found

    def _done(self, request: RangeRequest[T]) -> memoryview | BaseException:
        call = Call(request.file.fetch)
        self._calls.add(call)
        try:
            # Should it end now, who ends it either sees the call or has set this before.
            return CancelledError() if self.cancelled else request.file.read_exactly(request.offset, request.size, call)
        except BaseException as error:  # told to the consumer, who raises what is none of ours
            return error
        finally:
            self._calls.discard(call)

    def _tell(self, request: RangeRequest[T], done: memoryview | BaseException) -> None:
        with self.changed:
            self.under_way -= 1
            if not self.cancelled:
                self.results.append((request, done))
            self.changed.notify_all()


class _Fetch(Generic[T]):
    """Requests under way: iterate for results, from any thread; close, or leave its ``with`` block, to end them."""

    def __init__(self, requests: Iterator[RangeRequest[T]], *, in_flight: int, bytes_in_flight: int) -> None:
        self._state = _State(requests, most=max(in_flight, 1), most_bytes=bytes_in_flight)
        self._pid = os.getpid()

    def __iter__(self) -> Iterator[Fetched[T]]:
        return self

    def __next__(self) -> Fetched[T]:
        if self._pid != os.getpid():
            raise ReadError("what was begun to be fetched before a fork ends in the parent")
        state = self._state
        with state.changed:
            while True:
                self._begin()
                if state.results:
                    break
                if state.under_way == 0 or state.cancelled:
                    if state.failure is not None:
                        raise state.failure
                    raise StopIteration
                state.changed.wait()
            request, data = state.results.popleft()
            state.bytes -= request.size
            self._begin()
        if isinstance(data, BaseException) and not isinstance(data, ChipError):
            self.close()
            raise data
        return Fetched(request.tag, data)

    @property
    def ready(self) -> bool:
        """Whether a result has come that nobody has taken."""
        return bool(self._state.results)

    def __enter__(self) -> Self:
        with self._state.changed:
            self._begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        self._state.cancel()

    def close(self) -> None:
        """End what is under way; there are no further results."""
        self._state.cancel()
        if self._pid == os.getpid():
            with self._state.changed:
                self._state.results.clear()
                self._state.changed.notify_all()

    def _begin(self) -> None:
        """Begin as many requests as may be under way; the caller holds the lock."""
        while (request := self._state.take()) is not None:
            try:
                _CREW.do(partial(self._state.carry_out, request))
            except RuntimeError as error:
                self._state.failure = error
                self._state.cancel()


def fetch_ranges(
    requests: Iterable[RangeRequest[T]], *, in_flight: int = 64, bytes_in_flight: int = 64 * MIB
) -> _Fetch[T]:
    """Fetch byte ranges, many at once; the first are begun with its ``with`` block, or as a result is asked for.

    Args:
        requests: taken one by one as they are begun, in whatever thread.
        in_flight: requests under way at once.
        bytes_in_flight: bytes under way, or come and not yet taken; more only where one request is larger.

    Returns:
        An iterator of ``Fetched`` in the order of completion; several threads may iterate it together. Closing or
        dropping it ends what is under way.
    """
    return _Fetch(iter(requests), in_flight=in_flight, bytes_in_flight=bytes_in_flight)


class _Crew:
    """The threads of this process that wait for servers."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._lock = threading.Lock()
        self._tasks: SimpleQueue[Callable[[], Tell]] = SimpleQueue()
        self._threads = 0
        self._idle = 0

    def do(self, task: Callable[[], Tell]) -> None:
        """Have a task done by a thread that has nothing else to do, while there may be more threads.

        Raises:
            RuntimeError: the system gives not even one.
        """
        with self._lock:
            if self._idle:
                self._idle -= 1
            elif self._threads < MOST_THREADS:
                name = f"stacchip-osml-fetch-{self._threads}"
                try:
                    threading.Thread(target=self._work, args=(self._tasks,), name=name, daemon=True).start()
                    self._threads += 1
                except RuntimeError:  # no more threads, or the interpreter is ending: those that there are do it
                    if not self._threads:
                        raise
        self._tasks.put(task)

    def _work(self, tasks: SimpleQueue[Callable[[], Tell]]) -> None:
        while True:
            tell = tasks.get()()
            with self._lock:
                self._idle += 1  # before it is told: who hears it wants the next thing done, and by no new thread
            tell()
            del tell


_CREW = _Crew()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_CREW.reset)
