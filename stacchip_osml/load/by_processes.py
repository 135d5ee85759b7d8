"""Chips cut and worked on by other processes, where threads of one would wait for Python's lock.

Rules:

- rows are shared out as among threads (``each``), never further ahead than ``AHEAD`` tasks a process;
- a process is started for the first task that finds none free, afresh and never by a plain fork: this one has threads;
- each has a Cutter, a share of cores and cache, and a connection of its own: one that dies holds nothing others need;
- they end with who takes what they make and with who started them, however that ends; an interrupt is not theirs;
- what is large is imported late: a process ignores interrupts before it loads the libraries.
"""

from __future__ import annotations

import os
import pickle
import signal
from collections.abc import Generator
from contextlib import nullcontext, suppress
from multiprocessing import get_all_start_methods, get_context, parent_process
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from queue import LifoQueue
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from stacchip_osml.errors import IndexSchemaError, ProcessLost, SettingError

if TYPE_CHECKING:
    from stacchip_osml.load.cut import Cutter
    from stacchip_osml.load.each import Done, Job, Positions, Work
    from stacchip_osml.load.rows import PlannedRows

__all__ = ["by_processes"]

AHEAD = 2
"""Tasks of a process that are under way or wait to be taken."""
T = TypeVar("T")


def by_processes(
    cutter: Cutter, positions: Positions, work: Work[T], *, chain: str | None, processes: int
) -> Generator[Done[T]]:
    """Cut rows and do work on each chip, as :func:`stacchip_osml.load.each.each` does, in other processes.

    Raises:
        SettingError: at once, what a process needs cannot be sent to it.
        ProcessLost: when its turn comes, a process ended before its work was done.
        IndexSchemaError: as that, the saved index has other rows now.
    """
    from stacchip_osml.imagery.machine import usable_cores
    from stacchip_osml.load.each import Job, tasks
    from stacchip_osml.load.stream import ahead

    threads = max((cutter.shelf.threads or usable_cores()) // processes, 1)
    try:
        job = pickle.dumps(Job(cutter, work, chain, threads, nullcontext, computes=True))
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise _not_sent(error) from error

    def done() -> Generator[Done[T]]:
        crew = _Crew(cutter, job, processes)
        shared = tasks(cutter, positions, processes)
        for some in ahead(crew.task, shared, in_flight=AHEAD * processes, at_end=crew.end):
            yield from some

    return done()


class _Worker(NamedTuple):
    process: BaseProcess
    connection: Connection


class _Crew:
    """Processes, none of them started yet; its tasks are asked for by threads."""

    def __init__(self, cutter: Cutter, job: bytes, count: int) -> None:
        self._context: Any = get_context("forkserver" if "forkserver" in get_all_start_methods() else "spawn")
        self._keys = cutter.rows.keys
        self._job, self._count = job, count
        self._lock = Lock()
        self._is_ended = False
        self._workers: list[_Worker] = []
        self._free: LifoQueue[_Worker | None] = LifoQueue()
        for _ in range(count):
            self._free.put(None)

    def task(self, rows: PlannedRows) -> list[Done[Any]]:
        """Have a process do a task, and wait for it."""
        worker = self._free.get()
        try:
            if worker is None:
                worker = self._started()
                worker.connection.send((self._job, self._count, dict(os.environ)))
            keys = [self._keys[source] for source in rows.sources.tolist()]
            worker.connection.send((rows.positions, rows.windows, keys))
            found: list[Done[Any]] | Exception = worker.connection.recv()
        except (EOFError, OSError) as error:
            raise self._lost(worker, error) from None
        finally:
            self._free.put(worker)
        if isinstance(found, Exception):
            raise found
        return found

    def end(self) -> None:
        """End all processes, whatever they do: nothing is theirs alone."""
        with self._lock:
            self._is_ended = True
            for worker in self._workers:
                worker.process.kill()
            for worker in self._workers:
                worker.process.join()

    def _started(self) -> _Worker:
        with self._lock:
            if self._is_ended:
                raise EOFError
            ours, theirs = self._context.Pipe()
            with theirs:
                process = self._context.Process(target=_serve, args=(theirs,), name="stacchip-osml", daemon=True)
                process.start()
            self._workers.append(_Worker(process, ours))
            return self._workers[-1]

    def _lost(self, worker: _Worker | None, error: Exception) -> ProcessLost:
        how = f"could not be started: {error}"
        if worker is not None:
            with self._lock:
                worker.process.join(timeout=1)
            code = worker.process.exitcode or 0
            how = "ended before its work was done, " + (f"by signal {-code}" if code < 0 else f"with exit code {code}")
        return ProcessLost(
            f"one of {self._count} processes {how}: take fewer processes where memory is short; "
            "a script begins its work below if __name__ == '__main__':"
        )


def _serve(connection: Connection) -> None:
    """Do tasks, until there is nobody who asks for them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with_parent, daemon=True).start()
    job: Job[Any] | None = None
    with suppress(EOFError, OSError):
        data, count, environment = connection.recv()
        os.environ.update(environment)  # a server of forks keeps what was so when it began
        while True:
            asked = connection.recv()
            try:
                job = job or _unpacked(data, count)
                connection.send(job.task(_planned(job, *asked)))
            except Exception as error:  # raised where it was asked for
                connection.send(error)


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _unpacked(data: bytes, count: int) -> Job[Any]:
    try:
        job: Job[Any] = pickle.loads(data)  # noqa: S301 - from who started this process
    except (AttributeError, ModuleNotFoundError) as error:
        raise _not_sent(error) from error
    job.cutter.shelf.work_beside(count, divided=True)
    return job


def _planned(job: Job[Any], positions: Any, windows: Any, keys: list[Any]) -> PlannedRows:
    """Find rows in this process's own index, which is opened by its path and may be another by now."""
    plans = job.cutter.rows
    if int(positions.max()) < len(plans.index):
        rows = plans.rows(positions)
        if (rows.windows == windows).all() and [plans.keys[source] for source in rows.sources.tolist()] == keys:
            return rows
    raise IndexSchemaError(f"{plans.index.path} was written anew since it was opened: open it again")


def _not_sent(error: Exception) -> SettingError:
    return SettingError(
        f"what other processes work with is sent to them: sign=, and what fetch= and others hold, have to be functions "
        f"of a module, not of another function or a session; {error}"
    )
