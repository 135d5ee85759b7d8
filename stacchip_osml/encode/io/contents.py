"""What a file to be written is made of."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from stacchip_osml.encode.io.format_names import DatasetFormat
from stacchip_osml.encode.io.kinds import AssetType
from stacchip_osml.encode.io.metadata import BufferedMetadataProvider

__all__ = ["Contents", "Entry", "WriteContents"]

OVERVIEW = re.compile(r"^(.*):overview:([0-9]+)$")
"""Key of a smaller level: that of its image, and its number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One asset to be written."""

    key: str
    kind: AssetType
    provider: Any
    """Of an image: what a writer reads; of others: the asset."""
    title: str
    description: str
    roles: tuple[str, ...]
    metadata: BufferedMetadataProvider
    record: Any = None
    """The format's own record of the image, where it comes from a dataset."""

    @property
    def overview_of(self) -> tuple[str, int] | None:
        """The key of the image that it is a smaller level of, and which level; None of a full image."""
        found = OVERVIEW.match(self.key)
        if self.roles and "overview" not in self.roles:
            return None
        if found is not None:
            return found[1], int(found[2])
        return ("", 0) if "overview" in self.roles else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What one file is made of."""

    format: DatasetFormat
    entries: tuple[Entry, ...]
    metadata: BufferedMetadataProvider
    """Of the file."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Of the format's writer, besides what metadata say."""

    @property
    def images(self) -> tuple[Entry, ...]:
        """Images in order, overviews among them."""
        return tuple(entry for entry in self.entries if entry.kind is AssetType.Image)


WriteContents = Callable[..., None]
"""``(out, contents, *, workers, progress)``: writes one file."""
