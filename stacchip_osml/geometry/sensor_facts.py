"""What an image's metadata says of where it is, as plain facts that know no file format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol, runtime_checkable

from stacchip_osml.geometry.locate import Transform
from stacchip_osml.imagery.header import GroundControlPoint, ImageHeader
from stacchip_osml.pixel import ImageSize

__all__ = ["HasSensorFacts", "SensorFacts", "facts_from_header"]

NONE: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorFacts:
    """What a sensor model is made of; what an image has not is left empty."""

    size: ImageSize
    """Of the image at full resolution; of the one segment, where a NITF file stores it in several."""
    transform: Transform | None = None
    """Affine a b c d e f, pixel corner (col, row) → CRS (x, y)."""
    crs: str | None = None
    """Of the transform."""
    gcps: tuple[GroundControlPoint, ...] = ()
    gcps_crs: str | None = None
    rpcs: tuple[tuple[str, str], ...] = ()
    """RPC00B coefficients by GDAL's names; of this image, not of one that it is a chip of."""
    fields: Mapping[str, str] = field(default_factory=lambda: NONE)
    """NITF subheader fields: ``ICORDS``, ``IGEOLO``, ``IID1``."""
    tres: tuple[tuple[str, bytes], ...] = field(default=(), repr=False)
    """Tags and data of the image's tagged record extensions, those of a TRE_OVERFLOW too."""
    file_tres: tuple[tuple[str, bytes], ...] = field(default=(), repr=False)
    """Of the file's own header."""
    des_xml: tuple[bytes, ...] = field(default=(), repr=False)
    """Data of the file's XML extensions, in order."""

    first_row: int = 0
    """Of the segment in its SICD or SIDD product; above 0 where it is not the first of several."""

    @property
    def is_nitf(self) -> bool:
        """Whether the facts are those of a NITF image: its subheader was read."""
        return bool(self.fields)


@runtime_checkable
class HasSensorFacts(Protocol):
    """Anything that can tell its images' facts: readers of files with several images."""

    def sensor_facts(self, asset_key: str | None = None) -> SensorFacts:
        """Give the facts of one image; of the first where no key is given."""
        ...


def facts_from_header(header: ImageHeader) -> SensorFacts:
    """Take the facts that an image header has."""
    return SensorFacts(
        size=header.size,
        transform=header.transform,
        crs=header.crs,
        gcps=header.gcps,
        gcps_crs=header.gcps_crs,
        rpcs=header.rpcs,
    )
