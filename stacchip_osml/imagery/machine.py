"""What this process may use of its machine: processor cores and memory.

Rules: the machine's own size is not what counts, but what is left of it by the
affinity mask, by limits of the process (``ulimit``) and by control groups, in
which containers and batch systems run; of nested groups, and of both versions
of them, the smallest counts. Groups are looked at once a process. What cannot
be read limits nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path, PurePosixPath

__all__ = ["fitting", "group_cores", "group_memory", "usable_cores", "usable_memory"]

PROCESS = Path("/proc/self")
SHARE = 8
"""No cache takes more than this part of the memory unless a caller says so: there are several of them."""


def usable_cores() -> int:
    """Count the processor cores that keep this process busy, at least 1; a quota of one and a half is two."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _group_cores()
    return max(cores if quota is None else min(cores, quota), 1)


@lru_cache(maxsize=1)
def usable_memory() -> int | None:
    """Give the bytes of memory that this process may have; None where nobody says."""
    limits = [group_memory(PROCESS), *_process_limits()]
    with suppress(AttributeError, ValueError, OSError):  # not on this system
        limits.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    return min((limit for limit in limits if limit is not None and limit > 0), default=None)


def fitting(size: int) -> int:
    """Give the size of a cache, in bytes: as wanted, but no more than a ``SHARE`` of the memory."""
    memory = usable_memory()
    return size if memory is None else min(size, memory // SHARE)


def group_cores(process: Path) -> int | None:
    """Give the cores that control groups leave a process, rounded up; None for any number.

    Args:
        process: folder of the process, as ``/proc/self``.
    """
    quotas = []
    for folder in _groups(process, "cpu"):
        said = _words(folder / "cpu.max") or [
            word for name in ("quota", "period") for word in _words(folder / f"cpu.cfs_{name}_us")
        ]
        if len(said) == 2 and said[0].isdigit() and said[1].isdigit():  # else "max", or -1: no quota
            quotas.append(-(-int(said[0]) // max(int(said[1]), 1)))
    return max(min(quotas), 1) if quotas else None


def group_memory(process: Path) -> int | None:
    """Give the bytes that control groups leave a process; None for any number.

    Args:
        process: folder of the process, as ``/proc/self``.
    """
    names = ("memory.max", "memory.high", "memory.limit_in_bytes")
    said = ["".join(_words(folder / name)) for folder in _groups(process, "memory") for name in names]
    return min((int(size) for size in said if size.isdigit()), default=None)


@lru_cache(maxsize=1)
def _group_cores() -> int | None:
    return group_cores(PROCESS)


def _groups(process: Path, controller: str) -> Iterator[Path]:
    """Give the folders of the groups that a process is in, and of all that these lie in."""
    mine: dict[str, str] = {}
    for line in _lines(process / "cgroup"):
        _, names, path = line.split(":", 2)
        mine.update(dict.fromkeys(names.split(","), path))  # version 2 has no name
    for line in _lines(process / "mountinfo"):
        place, _, system = line.partition(" - ")
        kind, _, options = system.split(" ", 2)
        if kind == "cgroup2":
            within = mine.get("")
        elif kind == "cgroup" and controller in options.split(","):
            within = mine.get(controller)
        else:
            continue
        if within is None:
            continue
        root, point = place.split(" ")[3:5]
        folder = Path(point)
        yield folder
        if PurePosixPath(within).is_relative_to(root):  # else what is mounted is the group itself: a container
            for part in PurePosixPath(within).relative_to(root).parts:
                folder /= part
                yield folder


def _process_limits() -> list[int]:
    """Give the limits of this process's own memory; unlimited ones are negative."""
    try:
        import resource
    except ImportError:  # not on this system
        return []
    return [resource.getrlimit(kind)[0] for kind in (resource.RLIMIT_AS, resource.RLIMIT_DATA)]


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return []


def _words(file: Path) -> list[str]:
    return " ".join(_lines(file)).split()
