"""What places an image on the ground, of all that its file says: decided here, for index, items, chips and writers.

The first that there is:

1. of a NITF file: SIDD, SICD, RPC00B, RPC00A, GEOLOB or MAPLOB, BLOCKA, CSCRNA,
   IGEOLO, as :func:`.load_sensor_model` takes them, through ICHIPB;
2. a transform with a CRS on the Earth: the file is a map;
3. rational polynomials;
4. ground control points.

The transform that GDAL gives to a NITF file is made of its corner points, which
are rounded and know nothing of the sensor: it is kept only where the model is
those corners, too, and says the same. Frames of raster products (CADRG, CIB) are
the exception: they lie on the map that MIL-STD-2411 cuts them from, as GDAL and
their sensor model (``raster_frames``) say it alike; their corners are that map's in
whole seconds. A transform of any other file goes before its polynomials: what
was put on a map stays on it.

An image that metadata places wrongly is an ItemError that names the field, and
never placed by the next best.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from types import MappingProxyType

import numpy as np

from stacchip_osml.errors import ItemError
from stacchip_osml.geometry.gcp import GcpLocator
from stacchip_osml.geometry.locate import AffineLocator, Locator, Transform, is_local
from stacchip_osml.geometry.projective import AffineModel
from stacchip_osml.geometry.rpc import RpcLocator
from stacchip_osml.geometry.sensor_facts import SensorFacts, facts_from_header
from stacchip_osml.geometry.sensor_model import SensorModel
from stacchip_osml.geometry.sensor_packing import needed
from stacchip_osml.imagery.header import GroundControlPoint, ImageHeader
from stacchip_osml.pixel import ImageSize
from stacchip_osml.pixel.arguments import of_kind

__all__ = ["FOOTPRINTS", "Placing", "all_facts", "place_image", "place_plain"]

FOOTPRINTS: Mapping[str, str] = MappingProxyType(
    {
        "affine": "projected",
        "SIDD": "sidd",
        "SICD": "sicd",
        "RPC00B": "rpcs",
        "RPC00A": "rpcs",
        "GCPs": "gcps",
        "BLOCKA": "blocka",
        "CSCRNA": "cscrna",
        "IGEOLO": "igeolo",
    }
)
"""Kind of sensor model → what the ``footprint`` column says; all but ``projected`` are approximate."""
SAME = 1e-3
"""Pixels: transforms this near to each other are one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placing:
    """What places an image."""

    locator: Locator
    footprint: str
    """One of the values of :data:`FOOTPRINTS`."""
    transform: Transform | None = None
    """Where the locator is no more than this and ``crs``."""
    crs: str | None = None
    needs_sensor: bool = False
    """Whether it takes more than transform, control points and polynomials: NITF's own metadata."""


def all_facts(header: ImageHeader, sensor: SensorFacts | None) -> SensorFacts:
    """Put together what an image's header and, of a NITF file, its sensor metadata say.

    Raises:
        ItemError: they are of images of different sizes.
    """
    if sensor is None:
        return facts_from_header(header)
    if sensor.size != header.size:
        raise ItemError(
            f"the first image segment has {sensor.size.height} rows and {sensor.size.width} columns, "
            f"the image that is read {header.size.height} and {header.size.width}"
        )
    return replace(sensor, transform=header.transform, crs=header.crs, gcps=header.gcps, gcps_crs=header.gcps_crs)


def place_image(facts: SensorFacts) -> Placing | None:
    """Decide what places an image; None where nothing does.

    Raises:
        ItemError: metadata that is wrong, or places no image; the field is named.
        LimitError: metadata larger than any of its kind.
    """
    if not of_kind("facts", facts, SensorFacts, "SensorFacts").is_nitf:
        return place_plain(facts.transform, facts.crs, facts.rpcs, facts.gcps, facts.gcps_crs)
    is_on_map = facts.transform is not None and facts.crs is not None and not is_local(facts.crs)
    if not (is_on_map and _is_frame(facts)):
        own = needed(facts)
        model = _model(own.size, tuple(own.fields.items()), own.tres, own.file_tres, own.des_xml)
        if model is not None:
            return _by_model(model, facts)
    if is_on_map and facts.transform is not None and facts.crs is not None:
        return _on_map(facts.transform, facts.crs)
    return None  # what is left are GDAL's corners of an image that has not four of them


def place_plain(
    transform: Transform | None,
    crs: str | None,
    rpcs: tuple[tuple[str, str], ...],
    gcps: tuple[GroundControlPoint, ...],
    gcps_crs: str | None,
) -> Placing | None:
    """Decide what places an image that is no NITF file; None where nothing does.

    Raises:
        ItemError: what should place it is wrong.
    """
    if transform is not None and crs is not None and not is_local(crs):
        return _on_map(transform, crs)
    if rpcs:
        return Placing(locator=RpcLocator(rpcs), footprint="rpcs")
    if gcps and gcps_crs is not None:
        return Placing(locator=GcpLocator(gcps, gcps_crs), footprint="gcps")
    return None


Tres = tuple[tuple[str, bytes], ...]


@lru_cache(maxsize=16)
def _model(
    size: ImageSize, fields: tuple[tuple[str, str], ...], tres: Tres, file_tres: Tres, des_xml: tuple[bytes, ...]
) -> SensorModel | None:
    """Load a NITF's model once for all who ask one after the other: its item, its rows, its chips."""
    from stacchip_osml.geometry.sensor_loading import load_sensor_model  # much code, for NITF alone

    return load_sensor_model(
        SensorFacts(size=size, fields=MappingProxyType(dict(fields)), tres=tres, file_tres=file_tres, des_xml=des_xml)
    )


def _is_frame(facts: SensorFacts) -> bool:
    """Tell whether a NITF file is a frame of a raster product (MIL-STD-2411, RPF)."""
    return any(tag == "RPFIMG" for tag, _ in facts.tres) and any(tag == "RPFHDR" for tag, _ in facts.file_tres)


def _on_map(transform: Transform, crs: str, footprint: str = "projected") -> Placing:
    return Placing(locator=AffineLocator(transform, crs), footprint=footprint, transform=transform, crs=crs)


def _by_model(model: SensorModel, facts: SensorFacts) -> Placing:
    """Take a NITF's model, as a transform where it is one."""
    footprint = FOOTPRINTS[model.kind]
    transform, crs = facts.transform, facts.crs
    if footprint not in {"sidd", "sicd", "rpcs"}:
        if transform is not None and crs is not None and not is_local(crs):
            on_map = _on_map(transform, crs, footprint)
            if _are_same(on_map.locator, model, facts):
                return on_map
        elif isinstance(model, AffineModel):
            return _on_map(model.locator.transform, model.locator.crs)
    return Placing(locator=model, footprint=footprint, needs_sensor=True)


def _are_same(locator: Locator, model: SensorModel, facts: SensorFacts) -> bool:
    """Compare at the corners and in the middle."""
    across, down = np.array([0.0, 1.0, 1.0, 0.0, 0.5]), np.array([0.0, 0.0, 1.0, 1.0, 0.5])
    cols, rows = across * facts.size.width, down * facts.size.height
    with np.errstate(invalid="ignore"):
        found = model.world_to_image(*locator(cols, rows))
        return bool(np.hypot(found[0] - cols, found[1] - rows).max() <= SAME)
