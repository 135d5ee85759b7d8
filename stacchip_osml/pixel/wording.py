"""Words of messages that several rooms have."""

from __future__ import annotations

__all__ = ["counted"]


def counted(number: int, what: str) -> str:
    """Say how many there are of something: ``1 chip``, ``2,000 chips``."""
    return f"{number:,} {what}{'s' * (number != 1)}"
