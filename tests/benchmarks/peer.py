"""Another library in its own environment, asked over pipes; it times itself."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["STACCHIP_HELP", "Peer", "open_stacchip"]

STACCHIP_HELP = """\
stacchip 0.1.38 was not found: nothing to compare with. Its pins clash with ours; give it its own environment:
  python3.11 -m venv /tmp/stacchip && /tmp/stacchip/bin/pip install --no-deps stacchip==0.1.38
  /tmp/stacchip/bin/pip install "numpy>=1.26,<2" "pystac>=1.9,<1.12" "pyarrow<20" "pandas<3" \\
    "geoarrow-pyarrow<0.4" "rasterio<1.5" pyproj shapely
  export STACCHIP_PYTHON=/tmp/stacchip/bin/python"""


class Peer:
    """A worker process that answers one line of JSON with one."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ask(self, question: dict[str, Any]) -> dict[str, Any]:
        """Put a question and wait for the answer."""
        pipes = self._process
        if pipes.stdin is None or pipes.stdout is None:
            raise RuntimeError("the worker was started without pipes")
        pipes.stdin.write(json.dumps(question) + "\n")
        pipes.stdin.flush()
        line = pipes.stdout.readline()
        if not line:
            raise RuntimeError(f"the worker ended with status {pipes.wait()}; its message stands above")
        answer: dict[str, Any] = json.loads(line)
        return answer


@contextmanager
def open_stacchip() -> Iterator[Peer | None]:
    """Start stacchip's worker; None where ``STACCHIP_PYTHON`` names no Python that has it."""
    python = shutil.which(os.environ.get("STACCHIP_PYTHON", "stacchip-python"))
    probe = [str(python), "-c", "import stacchip.indexer"]
    if python is None or subprocess.run(probe, check=False, capture_output=True).returncode:
        yield None
        return
    worker = str(Path(__file__).with_name("stacchip_worker.py"))
    command = [python, worker]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Peer(process)
        finally:
            process.terminate()
