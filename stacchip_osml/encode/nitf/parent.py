"""The NITF file that an image comes from, with all of its headers; kept, as long as the file does not change."""

from __future__ import annotations

import os
import sys
from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeGuard, cast

from stacchip_osml.encode.nitf.records import NitfFile, NitfImage, ParentImage
from stacchip_osml.errors import DecodeError, EncodeError, ItemError
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.imagery.pyramids.pyramid import TiledImagePyramid

if TYPE_CHECKING:
    from stacchip_osml.geometry import SensorModel
    from stacchip_osml.imagery.gdal.image import GdalImage

__all__ = ["is_image_file", "model_of", "parent_of", "source_of"]

UNKNOWN = object()
KEPT = 32
"""Files whose headers are held."""
EARLIER_WIDTHS = {"CODE": 11, "CTLH": 2, "REL": 20, "CTLN": 15, "CAUT": 40}
"""Security fields of NITF 1.1 that 2.1 has too, and the room that it has for them (MIL-STD-2500C, table A-1)."""
EARLIER_FIELDS = ("IID1", "ISORCE", "ICAT", "IREP", "TGTID", "IMAG")

_kept: OrderedDict[tuple[Any, ...], NitfFile | None] = OrderedDict()
_models: OrderedDict[tuple[int, int], tuple[NitfFile, SensorModel | None]] = OrderedDict()
"""By identity of the file's record, which is held so that it stays this one's."""
_lock = Lock()


def parent_of(provider: Any) -> ParentImage | None:
    """Find the NITF image that a provider gives the pixels of.

    Args:
        provider: one that tells by itself, as its ``nitf_parent``, or an image file.

    Returns:
        None where it is no NITF, or nobody knows.

    Raises:
        DecodeError: it is a NITF whose headers are damaged.
        EncodeError: it is of a version before 2.0, and has a marking that does not fit into a file of today.
        ReadError: it could not be read.
    """
    told: Any = getattr(provider, "nitf_parent", UNKNOWN)
    if told is not UNKNOWN:
        return cast("ParentImage | None", told)
    if not is_image_file(provider) or provider.header.driver != "NITF":
        return None
    key = _key(provider)
    with _lock:
        if key in _kept:
            _kept.move_to_end(key)
            found = _kept[key]
            return None if found is None else ParentImage(file=found)
    file = _read(provider)
    with _lock:
        _kept[key] = file
        while len(_kept) > KEPT:
            _kept.popitem(last=False)
    return None if file is None else ParentImage(file=file)


def source_of(provider: Any) -> ParentImage | None:
    """Find the NITF image that another was made of, warped or smaller: what is made of it is marked as it is.

    Args:
        provider: any; adapters have what they look at as ``source``.
    """
    while provider is not None and (found := parent_of(provider)) is None:
        below = getattr(provider, "source", None)
        provider = below.get_level(0) if isinstance(below, TiledImagePyramid) else below
    return None if provider is None else found


def model_of(parent: ParentImage) -> SensorModel | None:
    """Give the sensor model of a NITF image, through ICHIPB where it is a chip; None where its headers have none."""
    from stacchip_osml.geometry import load_sensor_model

    key = id(parent.file), parent.index
    with _lock:
        if key in _models:
            _models.move_to_end(key)
            return _models[key][1]
    try:
        model = load_sensor_model(parent)
    except ItemError:  # what is damaged places nothing; the chip is written all the same, without corners
        model = None
    with _lock:
        _models[key] = parent.file, model
        while len(_models) > KEPT:
            _models.popitem(last=False)
    return model


def is_image_file(provider: Any) -> TypeGuard[BlockImage | GdalImage]:
    """Tell whether a provider is an image file of ours; GDAL is not imported to find out."""
    gdal_images = sys.modules.get("stacchip_osml.imagery.gdal.image")
    return isinstance(provider, BlockImage) or (gdal_images is not None and isinstance(provider, gdal_images.GdalImage))


def _key(provider: BlockImage | GdalImage) -> tuple[Any, ...]:
    """Name a file at a time: what it holds may be another's tomorrow."""
    try:
        told = os.stat(provider.location)  # noqa: PTH116 - once a chip, and Path.stat is three times slower
    except (OSError, ValueError):
        return provider.location, getattr(provider, "etag", None)
    return provider.location, told.st_size, told.st_mtime_ns


def _read(provider: BlockImage | GdalImage) -> NitfFile | None:
    from stacchip_osml.encode.nitf.file_bytes import open_bytes
    from stacchip_osml.encode.nitf.read import VERSIONS, read_nitf

    # The file itself tells its version: GDAL is opened for the earlier ones only.
    if open_bytes(provider.location, sign=provider.sign).read_at(0, 9) in VERSIONS:
        return read_nitf(provider.location, limits=provider.limits, sign=provider.sign)
    return _earlier(provider)


def _earlier(provider: BlockImage | GdalImage) -> NitfFile | None:
    """Take markings and names of NITF 1.1, as GDAL reads them."""
    tags = {name.removeprefix("NITF_"): str(text).strip() for name, text in provider.metadata.items()}
    if not tags.get("FHDR", "").startswith("NITF"):
        return None
    image = {name: tags[name] for name in EARLIER_FIELDS if tags.get(name)}
    if tags.get("ITITLE"):
        image["IID2"] = tags["ITITLE"]
    image["NBANDS"] = str(provider.num_bands)
    file = {name: tags[name] for name in ("OSTAID", "FTITLE", "ONAME", "OPHONE") if tags.get(name)}
    return NitfFile(
        fields=file | _markings(tags, "F", provider.title),
        images=(NitfImage(pixels=provider, fields=image | _markings(tags, "I", provider.title)),),
    )


def _markings(tags: dict[str, str], part: str, name: str) -> dict[str, str]:
    """Carry markings over; those of a file of which nothing is said stay classified as the file says.

    Raises:
        DecodeError: the classification is none.
        EncodeError: a marking is longer than its field of today.
    """
    level = tags.get(f"{part}SCLAS", "")
    if level not in {"T", "S", "C", "R", "U"}:
        raise DecodeError(f"{name}: {part}SCLAS is {level!r}, no classification")
    found = {f"{part}SCLAS": level}
    for field, width in EARLIER_WIDTHS.items():
        text = tags.get(f"{part}S{field}", "")
        if len(text) > width:
            raise EncodeError(
                f"{part}S{field} of {name} (NITF 1.1) is {text!r}; it has {width} characters in NITF 2.1 "
                "(MIL-STD-2500C, table A-1), and a marking is not cut"
            )
        if text:
            found[f"{part}S{field}"] = text
    return found
