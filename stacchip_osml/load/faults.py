"""What is done about samples that cannot be used, and how many there were."""

from __future__ import annotations

from typing import NamedTuple

from stacchip_osml.errors import AssetMissing, ChipError
from stacchip_osml.pixel.arguments import one_of

__all__ = ["POLICIES", "Faults", "require_policy"]

POLICIES = ("raise", "skip", "replace", "keep")
"""Stop; leave the sample out of its batch; take another drawn for its place; keep it, with no pixel valid."""


class Faults(NamedTuple):
    """How many samples were not what they should be, and what became of them."""

    sparse: int = 0
    """Their image holds nothing there."""
    missing: int = 0
    """Their file does not exist, or may not be reached."""
    failed: int = 0
    """They could not be read for another reason."""
    replaced: int = 0
    skipped: int = 0

    def plus(self, other: Faults) -> Faults:
        """Add two counts."""
        return Faults(*(one + more for one, more in zip(self, other, strict=True)))

    def noting(self, error: ChipError | None) -> Faults:
        """Count one more: None is a sparse sample."""
        if error is None:
            return self._replace(sparse=self.sparse + 1)
        if isinstance(error, AssetMissing):
            return self._replace(missing=self.missing + 1)
        return self._replace(failed=self.failed + 1)


def require_policy(name: str, value: str) -> str:
    """Give back a policy.

    Raises:
        SettingError: there is no such policy.
    """
    return one_of(name, value, POLICIES)
