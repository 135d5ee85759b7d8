"""Rows to pixels."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stacchip_osml.load.chipper import ChipBatch as ChipBatch
    from stacchip_osml.load.chipper import Chipper as Chipper

HOME = {"ChipBatch": "chipper", "Chipper": "chipper"}
"""Public name → the module that has it."""

__all__ = sorted(HOME)  # noqa: PLE0605 - one list to keep


def __getattr__(name: str) -> Any:
    if name not in HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{HOME[name]}"), name)
    globals()[name] = value
    return value
