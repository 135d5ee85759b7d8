"""Timing the first chip of fresh processes.

Everybody's modules are compiled before, as those of installed packages are.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.benchmarks.late_server import RangeServer, Traffic

__all__ = ["Cold", "cold_rows", "measure_cold"]


@dataclass(frozen=True, slots=True)
class Cold:
    """Seconds of each round of one reader."""

    first: list[float] = field(default_factory=list)
    """From the imports to the pixels."""
    imports: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    """Of ``first``, all threads."""
    process: list[float] = field(default_factory=list)
    """From starting the process to its end."""
    traffic: list[Traffic] = field(default_factory=list)

    @property
    def median(self) -> float:
        """Median seconds to the first pixels."""
        return statistics.median(self.first)


def measure_cold(
    commands: Mapping[str, Sequence[str]],
    *,
    rounds: int,
    server: RangeServer | None = None,
    env: Mapping[str, str],
) -> dict[str, Cold]:
    """Start readers in turn.

    Args:
        commands: name → reader of ``first_chip`` and what it is given.
        rounds: of each.
        server: asked what it was asked.
        env: of the processes.

    Raises:
        AssertionError: the readers give different pixels.
    """
    found = {name: Cold() for name in commands}
    digests = set()
    with tempfile.TemporaryDirectory() as compiled:
        settings = {name: value for name, value in env.items() if name != "PYTHONDONTWRITEBYTECODE"}
        settings["PYTHONPYCACHEPREFIX"] = compiled
        for number in range(-1, rounds):
            for name, arguments in commands.items():
                command = [sys.executable, "-m", "tests.benchmarks.first_chip", *arguments]
                if server is not None:
                    server.traffic()
                start = time.perf_counter()
                done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=settings)
                took = time.perf_counter() - start
                answer = json.loads(done.stdout)
                digests.add(answer["digest"])
                if number < 0:  # the round that compiles
                    continue
                found[name].process.append(took)
                if server is not None:
                    found[name].traffic.append(server.traffic())
                found[name].first.append(answer["first_s"])
                found[name].imports.append(answer["import_s"])
                found[name].cpu.append(answer["cpu_s"])
    if len(digests) != 1:
        raise AssertionError("first chips differ")
    return found


def cold_rows(found: Mapping[str, Cold]) -> list[dict[str, Any]]:
    """List readers as a table."""
    rows = []
    for name, cold in found.items():
        row: dict[str, Any] = {
            "reader": name,
            "first chip, ms": cold.median * 1e3,
            "CPU ms": statistics.median(cold.cpu) * 1e3,
            "imports, ms": statistics.median(cold.imports) * 1e3,
            "whole process, ms": statistics.median(cold.process) * 1e3,
        }
        if cold.traffic:
            row["requests"] = statistics.median(one.requests for one in cold.traffic)
            row["one after another"] = statistics.median(one.trips for one in cold.traffic)
            row["KiB"] = statistics.median(one.size for one in cold.traffic) / 1024
        rows.append(row)
    return rows
