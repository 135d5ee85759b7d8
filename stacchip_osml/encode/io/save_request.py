"""What ``imsave`` was asked for, checked as far as all formats have it in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from stacchip_osml.encode.array_provider import ArrayProvider
from stacchip_osml.encode.io.format_names import DatasetFormat
from stacchip_osml.encode.io.metadata import BufferedMetadataProvider
from stacchip_osml.encode.placement import Placement
from stacchip_osml.errors import EncodeError

__all__ = ["SaveRequest"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SaveRequest:
    """One array, the format that it is to have, and how."""

    kind: DatasetFormat
    pixels: NDArray[Any]
    placement: Placement | None
    compression: str | None
    quality: float | None
    ratio: float | None
    block: tuple[int, int] | None
    nodata: float | complex | None
    bits: int | None
    metadata: BufferedMetadataProvider
    options: Mapping[str, Any] = field(default_factory=dict)
    workers: int = 1

    @property
    def provider(self) -> ArrayProvider:
        """The array as provider, in the blocks wanted."""
        _, rows, cols = self.pixels.shape
        block = self.block or (min(rows, 1024), min(cols, 1024))
        pad = 0.0 if self.nodata is None else float(complex(self.nodata).real)
        return ArrayProvider(self.pixels, block=block, pad=pad, bits=self.bits)

    def refuse(self, *names: str) -> None:
        """Refuse options that a format does not have."""
        for name in names:
            given = getattr(self, name) if hasattr(self, name) else self.options.get(name)
            if given is not None and not (isinstance(given, Mapping) and not given):
                raise EncodeError(f"{self.kind.name} has no {name.replace('_', ' ')}: leave it out, or {WAY_OUT[name]}")

    def require_only(self, known: set[str]) -> None:
        """Refuse options that a format does not have."""
        if unknown := sorted(set(self.options) - known):
            has = ", ".join(sorted(known)) or "none"
            raise EncodeError(f"{self.kind.name} has no option {unknown[0]!r}; it has {has}")


WAY_OUT = {
    "placement": "write .tif, .ntf or .jp2, which say a place",
    "compression": "choose another format",
    "quality": "write .jpg",
    "block": "write .tif, .ntf or .jp2",
    "nodata": "write .tif",
    "bits": "write .ntf or .jp2",
    "metadata": "write .tif or .ntf",
}
"""Option → where it can be had."""
