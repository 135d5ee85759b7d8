"""A processing chain in a file: JSON, a list of steps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stacchip_osml.errors import ChainError, ReadError

if TYPE_CHECKING:
    from stacchip_osml.chain import ChainDefinition

__all__ = ["load_chain"]

MOST_BYTES = 64 * 2**20
"""The largest file that is read: tables of 16 bits for hundreds of bands."""


def load_chain(path: str) -> ChainDefinition:
    """Read a definition, every step in its one form.

    Raises:
        ReadError: the file cannot be read.
        ChainError: it holds no list of steps, or steps that are unknown or impossible.
    """
    from stacchip_osml.chain import complete_chain

    try:
        with Path(path).open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise ReadError(f"{path}: {error.strerror or error}") from error
    if len(data) > MOST_BYTES:
        raise ChainError(f"{path}: larger than a chain can be ({MOST_BYTES:,} bytes)")
    try:
        steps: Any = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ChainError(f"{path} is not JSON: {error}") from error
    if not isinstance(steps, list):
        raise ChainError(f"{path}: a chain is a JSON list of steps, got {type(steps).__name__}")
    try:
        return complete_chain(tuple(steps))
    except ChainError as error:
        raise ChainError(f"{path}: {error}") from error
