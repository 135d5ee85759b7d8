"""What an image file says of its place, as far as items and indexes keep it.

The decision itself is :func:`stacchip_osml.geometry.place_image`'s. Here its
outcome is cut down to what is kept: a transform with its CRS, control points,
polynomials or, of a NITF file that they do not place, its packed metadata.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from stacchip_osml.imagery.header import GroundControlPoint, ImageHeader

if TYPE_CHECKING:
    from stacchip_osml.geometry import Placing, SensorFacts

__all__ = [
    "FOOTPRINT",
    "FilePlace",
    "FileReader",
    "SensorReader",
    "kept_place",
    "place_file",
    "read_sensor",
    "stated_footprint",
]

FOOTPRINT = "stacchip_osml:footprint"
"""Asset field: what an approximate place is made of."""
CORNERS = frozenset({"blocka", "cscrna", "igeolo"})
"""Footprints that a transform may be made of, without being a map's."""
SensorReader = Callable[[str], "SensorFacts | None"]
"""Location of a NITF file → the sensor metadata of its first image."""
Found = TypeVar("Found")
KEPT = 4
"""Files whose headers are kept: an item made of an image is indexed right after."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePlace:
    """What is kept of an image's place; all empty where it has none."""

    transform: tuple[float, float, float, float, float, float] | None = None
    crs: str | None = None
    gcps: tuple[GroundControlPoint, ...] = ()
    gcps_crs: str | None = None
    rpcs: tuple[tuple[str, str], ...] = ()
    sensor: bytes | None = field(default=None, repr=False)
    """Packed, see :mod:`stacchip_osml.geometry.sensor_packing`."""
    footprint: str | None = None
    """What the transform is made of, where that is approximate."""
    placing: Placing | None = field(default=None, repr=False)
    """What places the image."""


class FileReader:
    """Reads headers and sensor metadata of image files, those of the last few once only; for one thread."""

    def __init__(self, *, sign: Callable[[str], str] | None = None) -> None:
        self.sign = sign
        self._headers: OrderedDict[str, ImageHeader] = OrderedDict()
        self._sensors: OrderedDict[str, SensorFacts | None] = OrderedDict()

    def header(self, location: str) -> ImageHeader:
        """Read the header of an image file; see :func:`stacchip_osml.imagery.read_header`."""
        from stacchip_osml.imagery import read_header

        return _kept(self._headers, location, lambda: read_header(location, sign=self.sign))

    def sensor(self, location: str) -> SensorFacts | None:
        """Read the sensor metadata of a NITF file; see :func:`read_sensor`."""
        return _kept(self._sensors, location, lambda: read_sensor(location, sign=self.sign))


def _kept(held: OrderedDict[str, Found], location: str, read: Callable[[], Found]) -> Found:
    if location in held:
        held.move_to_end(location)
        return held[location]
    found = held[location] = read()
    while len(held) > KEPT:
        held.popitem(last=False)
    return found


def read_sensor(location: str, *, sign: Callable[[str], str] | None = None) -> SensorFacts | None:
    """Read the sensor metadata of the first image of a NITF file; None where it is none.

    Raises:
        ItemError: a field is not what the standard says.
        ReadError: the file cannot be read.
        LimitError: its metadata is larger than any of its kind.
    """
    from stacchip_osml.geometry import sensor_facts_of
    from stacchip_osml.imagery.blocks.image import BlockImage

    facts = sensor_facts_of(BlockImage(location, sign=sign))
    return facts if facts.is_nitf else None


def place_file(location: str, header: ImageHeader, sensor: SensorReader | None) -> FilePlace:
    """Tell what places an image file.

    Args:
        location: absolute path or URL.
        header: what the file says.
        sensor: reads the sensor metadata of a NITF file; None: as it is, unsigned.

    Raises:
        ItemError: what should place it is wrong.
        ReadError: a NITF file that cannot be read.
        LimitError: its metadata is larger than any of its kind.
    """
    from stacchip_osml.geometry.placing import all_facts, place_image

    facts = (sensor or read_sensor)(location) if header.driver == "NITF" else None
    return kept_place(header, facts, place_image(all_facts(header, facts)))


def kept_place(header: ImageHeader, sensor: SensorFacts | None, placing: Placing | None) -> FilePlace:
    """Cut down what places an image to what is kept of it."""
    from stacchip_osml.geometry.sensor_packing import pack_sensor

    if placing is not None and placing.needs_sensor and sensor is not None:
        return FilePlace(sensor=pack_sensor(sensor), placing=placing)
    if placing is not None and placing.transform is not None:
        footprint = placing.footprint if placing.footprint in CORNERS else None
        return FilePlace(transform=placing.transform, crs=placing.crs, footprint=footprint, placing=placing)
    if placing is None and header.transform is not None:
        return FilePlace(transform=header.transform, crs=header.crs)
    if sensor is not None and placing is None:
        return FilePlace()  # what GDAL has are the corners that place nothing
    return FilePlace(
        crs=header.crs if placing is None else None,
        gcps=header.gcps,
        gcps_crs=header.gcps_crs,
        rpcs=header.rpcs if sensor is None else (),
        placing=placing,
    )


def stated_footprint(asset: Mapping[str, Any]) -> str | None:
    """Read what an asset's transform is made of, as items made of images say it."""
    value = asset.get(FOOTPRINT)
    return value if isinstance(value, str) and value in CORNERS else None
