"""What the index needs to know of one image of one item: the seam between STAC and the rest.

Plain values only; nothing here reads a file or knows pystac.
"""

from __future__ import annotations

from dataclasses import dataclass

from stacchip_osml.imagery.header import GroundControlPoint
from stacchip_osml.pixel import ImageSize

__all__ = ["SourceBand", "SourceImage"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceBand:
    """One band, in STAC's terms."""

    name: str
    common_name: str | None = None
    """``red``, ``nir`` … of the eo extension."""
    dtype: str | None = None
    """numpy name; None where neither item nor header says."""
    nodata: float | complex | None = None
    scale: float = 1.0
    """Physical value = stored × scale + offset (raster extension)."""
    offset: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceImage:
    """One image asset of one item, with every fact that a chip grid needs."""

    asset_key: str
    href: str
    """As the item has it: relative hrefs stay relative."""
    location: str
    """Where it can be read: an absolute path, or ``https://``, ``s3://``, ``gs://`` …; never signed."""
    size: ImageSize
    """R0 size (``proj:shape`` turned)."""
    transform: tuple[float, float, float, float, float, float] | None
    """``proj:transform``: affine a b c d e f, corner (col, row) → CRS (x, y); None in sensor geometry."""
    crs: str | None
    """``EPSG:n``, other authority code or WKT2; None in sensor geometry."""
    gcps: tuple[GroundControlPoint, ...] = ()
    gcps_crs: str | None = None
    rpcs: tuple[tuple[str, str], ...] = ()
    bands: tuple[SourceBand, ...] = ()
    """Empty where neither item nor header lists them."""
    media_type: str | None = None
    roles: tuple[str, ...] = ()
    is_classes: bool = False
    """Pixels are class codes or bit fields: never interpolated."""
    gsd: float | None = None
    """Stated ground sample distance (m) at R0."""
    size_bytes: int | None = None
    """Size of the file when indexed, where known."""
    modified_ns: int | None = None
    """Modification time of a local file when indexed, ns since the epoch."""
