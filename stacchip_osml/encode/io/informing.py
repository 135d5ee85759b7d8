"""What an image file says of itself, all formats alike: for people, and for JSON."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from stacchip_osml.encode.image_time import image_time
from stacchip_osml.encode.io.assets import ImageAsset
from stacchip_osml.encode.io.opening import IO
from stacchip_osml.encode.io.places import header_of
from stacchip_osml.encode.source_facts import image_placing
from stacchip_osml.errors import ChipError, DecodeError, ItemError, LimitError
from stacchip_osml.geometry.sensor_model import SensorModel
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.imagery.location import is_remote

__all__ = ["image_info"]

LONGEST = 1000
"""Characters or numbers of one value that are shown whole."""


def image_info(source: str | os.PathLike[str]) -> dict[str, Any]:
    """Tell what a file holds; reads headers, no pixel.

    Args:
        source: a local path, or an ``http(s)://``, ``s3://``, ``gs://`` or ``az://`` URL.

    Returns:
        Values that JSON has. ``nitf`` is :func:`~stacchip_osml.encode.nitf.info.nitf_info` of a NITF file; ``images``
        lists all images of any file with their levels. Of an image in a NITF file that cannot be read, there are
        ``key``, ``title`` and ``metadata``, and ``error`` says why; of a NITF file with damaged, encrypted or
        reserved segments, or a damaged file header, there is ``nitf``, whose ``faults`` and ``left_out`` say which, and
        in ``images`` the first image, where GDAL reads it.
        One of a version before 2.0 has no ``nitf``.

    Raises:
        ReadError: it cannot be read, or is no image.
    """
    try:
        with IO.open(source) as dataset:
            found: dict[str, Any] = {"format": dataset.format, "assets": dataset.get_asset_keys()}
            is_nitf = dataset.format in {"nitf", "nsif"}
            images = [dataset.get_asset(key) for key in found["assets"] if key.startswith("image:")]
            tell = _nitf_image if is_nitf else _image
            found["images"] = [tell(image) for image in images if ":overview:" not in image.key]
    except (DecodeError, LimitError) as error:
        try:
            nitf = _nitf(source)
        except (DecodeError, LimitError):  # no NITF file at all, or of another version
            images = _first_image(source)
            if not images:
                raise error from None
            return {"format": "nitf", "assets": ["image:0"], "images": images}
        return {"format": nitf["version"][:4].lower(), "assets": [], "images": _first_image(source), "nitf": nitf}
    return found | ({"nitf": _nitf(source)} if is_nitf else {})


def _first_image(source: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """Tell what GDAL reads of a NITF file that is not read whole, or of a version before 2.0; nothing of any other."""
    location = os.fspath(source)
    image = BlockImage(location if is_remote(location) else str(Path(location).absolute()))
    try:
        if image.header.driver != "NITF":
            return []
        return [_image(ImageAsset(image, key="image:0", metadata=image.metadata))]
    except (ChipError, ValueError):
        return []


def _nitf(source: str | os.PathLike[str]) -> dict[str, Any]:
    from stacchip_osml.encode.nitf.info import nitf_info

    return nitf_info(os.fspath(source))


def _nitf_image(image: ImageAsset) -> dict[str, Any]:
    """Tell what an image is or, where it cannot be read, why not, and what the fields around it say."""
    try:
        return _image(image)
    except (DecodeError, LimitError) as error:
        metadata = {key: _plain(value) for key, value in image.metadata.items()}
        return {"key": image.key, "title": image.title, "error": str(error), "metadata": metadata}


def _image(image: ImageAsset) -> dict[str, Any]:
    header = header_of(image)
    told: dict[str, Any] = {
        "key": image.key,
        "title": image.title,
        "width": image.num_columns,
        "height": image.num_rows,
        "bands": image.num_bands,
        "dtype": image.pixel_value_type.to_numpy_dtype(),
        "levels": _levels(image),
    }
    if header is not None:
        told |= {
            "compression": header.compression,
            "interleave": header.interleave,
            "crs": header.crs or header.gcps_crs,
            "transform": None if header.transform is None else list(header.transform),
            "control_points": len(header.gcps),
            "rpcs": dict(header.rpcs),
            **_place(image, header),
            "mask": header.mask,
            "area_or_point": header.area_or_point,
            "acquired": header.acquired,
            "time": _time(header.acquired),
            "images_in_file": header.images,
            "size_bytes": header.size_bytes,
            "band_facts": [
                {
                    "description": band.description,
                    "color": band.color,
                    "nodata": _plain(band.nodata),
                    "scale": band.scale,
                    "offset": band.offset,
                }
                for band in header.bands
            ],
        }
    told["metadata"] = {key: _plain(value) for key, value in image.metadata.items()}
    return told


def _place(image: ImageAsset, header: Any) -> dict[str, Any]:
    """Say what places the image, in the word of an index's ``footprint`` column, and what of its metadata does not."""
    try:
        placing = image_placing(image, header)
    except (ItemError, LimitError, DecodeError) as error:
        return {"placed_by": None, "place_notes": [str(error)]}
    if placing is None:
        return {"placed_by": None, "place_notes": []}
    notes = placing.locator.notes if isinstance(placing.locator, SensorModel) else ()
    return {"placed_by": placing.footprint, "place_notes": list(notes)}


def _time(text: str | None) -> str | list[str] | None:
    """Give a stated time as RFC 3339 has it; where it is known in part, the first and the last second it may be."""
    known = [moment.isoformat().replace("+00:00", "Z") for moment in image_time(text) or ()]
    return known if len(set(known)) > 1 else next(iter(known), None)


def _levels(image: ImageAsset) -> list[dict[str, Any]]:
    source = image.source
    levels = []
    for level in range(image.num_resolution_levels):
        grid = image.level_grid(level)
        told: dict[str, Any] = {
            "width": grid.size.width,
            "height": grid.size.height,
            "block_width": grid.block_shape[1],
            "block_height": grid.block_shape[0],
        }
        if isinstance(source, BlockImage):
            told["read_by"] = source.served_by(level)
        levels.append(told)
    return levels


def _plain(value: Any) -> Any:
    """Give a value as JSON can carry it; what is very long is told by its length."""
    if isinstance(value, (bytes, bytearray)):
        return value.hex() if len(value) <= LONGEST else f"{len(value)} bytes"
    if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and not value.ndim):
        return _plain(value.item())
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [_plain(each) for each in value] if len(value) <= LONGEST else f"{len(value)} values"
    return value if value is None or isinstance(value, (str, int, float)) else str(value)
