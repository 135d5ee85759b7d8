"""Items ↔ stac-geoparquet tables, without losing a character of their JSON."""

from __future__ import annotations
from typing import Any


def read_items(location: str) -> list[dict[str, Any]]:
    raise ImportError(location)
