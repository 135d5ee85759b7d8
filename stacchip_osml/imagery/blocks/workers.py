"""Threads that help a caller with its tasks; one crew a process.

Rules:

- the caller works too. Helpers are invited and may come late or not at all, so
  a caller waits only for those that have begun: it cannot deadlock, whoever
  calls from whatever thread;
- helpers are daemon threads, started when first wanted, as many as any caller
  wanted at once;
- a task tells its own errors. What it raises nevertheless is a fault of this
  program: the rest is dropped and the caller raises it;
- a forked child starts without helpers.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable
from queue import SimpleQueue

__all__ = ["Work"]

Task = Callable[[], None]
MOST_HELPERS = 256


class Work:
    """Tasks of one caller."""

    __slots__ = ("_at_work", "_closed", "_expected", "_failure", "_idle", "_tasks", "_threads")

    def __init__(self, threads: int) -> None:
        """Plan for ``threads`` threads at most, the caller included."""
        self._threads = threads
        self._tasks: deque[Task] = deque()
        self._idle = threading.Condition(threading.Lock())
        self._expected = 0
        self._at_work = 0
        self._closed = False
        self._failure: BaseException | None = None

    @property
    def waiting(self) -> int:
        """Tasks that nobody has begun."""
        return len(self._tasks)

    def add(self, tasks: Iterable[Task], *, mine: int = 0) -> None:
        """Add tasks, and invite as many helpers as they need.

        Args:
            tasks: done in order of their being added, by whoever is free.
            mine: how many of them the caller is about to do itself.
        """
        self._tasks.extend(tasks)
        if self._threads == 1:
            return
        with self._idle:
            coming = self._expected - self._at_work
            wanted = min(self._threads - 1 - self._expected, len(self._tasks) - mine - coming)
            self._expected += max(wanted, 0)
            expected = self._expected
        if wanted > 0:
            _CREW.invite(self, wanted, together=expected)

    def do_one(self) -> bool:
        """Do one task in this thread; False where none waits."""
        try:
            task = self._tasks.popleft()
        except IndexError:
            return False
        task()
        return True

    def drop(self) -> None:
        """Leave undone what nobody has begun."""
        self._tasks.clear()

    def finish(self) -> None:
        """Do what is left, and wait for the helpers that have begun.

        Raises:
            BaseException: what a task raised.
        """
        try:
            while self.do_one():
                pass
        finally:
            self._tasks.clear()
            with self._idle:
                self._closed = True
                while self._at_work:
                    self._idle.wait()
        if self._failure is not None:
            raise self._failure

    def help(self) -> None:
        """Do tasks in a helper's thread until none is left."""
        with self._idle:
            if self._closed:
                return
            self._at_work += 1
        try:
            while self.do_one():
                pass
        except BaseException as failure:  # raised again by `finish`, in the caller's thread
            self._failure = failure
            self._tasks.clear()
        finally:
            with self._idle:
                self._at_work -= 1
                self._expected -= 1
                self._idle.notify_all()


class _Crew:
    """The helpers of this process."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._lock = threading.Lock()
        self._invitations: SimpleQueue[Work] = SimpleQueue()
        self._helpers = 0

    def invite(self, work: Work, count: int, *, together: int) -> None:
        """Invite ``count`` helpers to what ``together`` helpers work on then."""
        with self._lock:
            while self._helpers < min(together, MOST_HELPERS):
                name = f"stacchip-osml-blocks-{self._helpers}"
                helper = threading.Thread(target=_help, args=(self._invitations,), name=name, daemon=True)
                try:
                    helper.start()
                except RuntimeError:  # no more threads, or the interpreter is ending: the caller does it all
                    break
                self._helpers += 1
        for _ in range(count):
            self._invitations.put(work)


def _help(invitations: SimpleQueue[Work]) -> None:
    while True:
        invitations.get().help()


_CREW = _Crew()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_CREW.reset)
