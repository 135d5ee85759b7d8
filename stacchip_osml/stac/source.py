"""What the index needs to know of one image of one item: the seam between STAC and the rest.

Plain values only; nothing here reads a file or knows pystac.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from stacchip_osml.imagery.header import GroundControlPoint
from stacchip_osml.pixel import ImageSize

if TYPE_CHECKING:
    from stacchip_osml.geometry import Placing

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
    sensor: bytes | None = field(default=None, repr=False)
    """NITF's own metadata, packed, where only that places the image; looked at when it is used."""
    footprint: str | None = None
    """What the transform is made of where it is approximate: ``igeolo``, ``blocka`` or ``cscrna``."""
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

    def placing(self) -> Placing | None:
        """Tell what places the image; None where nothing does.

        Raises:
            ItemError: what should place it is wrong.
            LimitError: its metadata is larger than any of its kind.
        """
        from stacchip_osml.geometry.placing import place_image, place_plain
        from stacchip_osml.geometry.sensor_packing import unpack_sensor

        if self.sensor is None:
            found = place_plain(self.transform, self.crs, self.rpcs, self.gcps, self.gcps_crs)
        else:
            facts = unpack_sensor(self.sensor, self.size)
            found = place_image(
                replace(facts, transform=self.transform, crs=self.crs, gcps=self.gcps, gcps_crs=self.gcps_crs)
            )
        return found if found is None or self.footprint is None else replace(found, footprint=self.footprint)
