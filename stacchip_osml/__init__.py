"""Index every chip that a STAC catalog could yield; cut the pixels of any row on demand."""

from __future__ import annotations

__version__ = "0.1.0"
