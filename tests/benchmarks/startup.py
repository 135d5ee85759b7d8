"""Import and ``--help``, against a Python that does nothing.

All modules are compiled before, as those of installed packages are.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks.report import Options, Report
from tests.benchmarks.timing import alternate

__all__ = ["run"]


def run(options: Options) -> list[Report]:
    """Start processes in turn."""
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "import stacchip_osml": [sys.executable, "-c", "import stacchip_osml"],
        "import numpy": [sys.executable, "-c", "import numpy"],
        "Indexer, ChipIndex and Chipper": [
            sys.executable,
            "-c",
            "from stacchip_osml import Indexer, ChipIndex, Chipper",
        ],
    }
    program = Path(sys.executable).with_name("stacchip-osml")
    if program.exists():
        commands["stacchip-osml --help"] = [str(program), "--help"]
    with tempfile.TemporaryDirectory() as compiled:
        sides = {name: _start(command, compiled) for name, command in commands.items()}
        for side in sides.values():  # the round that compiles
            side()
        found = alternate(sides, rounds=options.rounds or 11)
    base = found["python -c pass"].median
    rows = [
        {"process": name, "ms": samples.median * 1e3, "ms over python": (samples.median - base) * 1e3}
        for name, samples in found.items()
    ]
    notes = [] if program.exists() else [f"{program} is not installed: its --help is left out"]
    return [Report(title="startup: a fresh process", rows=rows, notes=notes)]


def _start(command: list[str], compiled: str) -> Callable[[], tuple[float, float]]:
    settings = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    settings["PYTHONPYCACHEPREFIX"] = compiled

    def side() -> tuple[float, float]:
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=settings)
        return time.perf_counter() - start, 0.0

    return side
