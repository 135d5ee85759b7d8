"""Rows to pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stacchip_osml.lazy import lazy

if TYPE_CHECKING:
    from stacchip_osml.load.batch import ChipBatch as ChipBatch
    from stacchip_osml.load.chipper import Chipper as Chipper

HOME = {"ChipBatch": "batch", "Chipper": "chipper"}
"""Public name → the module that has it."""

__all__ = sorted(HOME)  # noqa: PLE0605 - one list to keep

__getattr__ = lazy(__name__, HOME)
