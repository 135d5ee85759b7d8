"""Fixtures and settings that every room's tests share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.fault_server import FaultServer, serving_faults

ROOT = Path(__file__).parents[1]

# Shared machines stall: a slow example says nothing about the code. The same examples every time in CI.
settings.register_profile("default", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def samples(root: Path) -> Path:
    """The STAC catalog of the sample imagery."""
    return root / "indexes" / "imagery" / "catalog.json"


@pytest.fixture(scope="session")
def real_data(root: Path) -> Path:
    """A folder of real imagery with manifest.csv; tests that need it are skipped without."""
    folder = Path(os.environ.get("STACCHIP_OSML_DATA", root.parent / "shared" / "data")).resolve()
    if not (folder / "manifest.csv").is_file():
        pytest.skip(f"no real imagery at {folder}; set STACCHIP_OSML_DATA")
    return folder


@pytest.fixture(scope="session")
def running_server() -> Iterator[FaultServer]:
    """The one server that ``server`` gives as if it were new."""
    with serving_faults() as running:
        yield running


@pytest.fixture
def server(running_server: FaultServer) -> Iterator[FaultServer]:
    """A server of byte ranges that serves nothing yet; afterwards nothing is open to it."""
    from stacchip_osml.imagery import close_idle_handles

    running_server.reset()
    yield running_server
    close_idle_handles()
