"""Arrays as NITF and NSIF files: an image that comes from nowhere is a chip without origin."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from stacchip_osml.encode.chip import Chip
from stacchip_osml.encode.io.nitf_metadata import split_metadata
from stacchip_osml.encode.nitf.chip import chip_file
from stacchip_osml.encode.nitf.chip_place import ChipPlace, place_fields
from stacchip_osml.encode.nitf.records import NitfFile
from stacchip_osml.encode.nitf.write import write_nitf
from stacchip_osml.encode.placement import Placement
from stacchip_osml.errors import EncodeError
from stacchip_osml.geometry.locate import AffineLocator
from stacchip_osml.pixel import ImageSize, PixelWindow

if TYPE_CHECKING:
    from stacchip_osml.encode.io.saving import SaveRequest

__all__ = ["nitf_writer"]

COMPRESSIONS = {
    "none": "NC",
    "jpeg": "C3",
    "jpeg2000": "C8",
    "j2k": "C8",
    "htj2k": "CD",
    **{name.lower(): name for name in ("NC", "NM", "C3", "M3", "C8", "M8", "CD", "MD", "I1")},
}
"""Name of a compression → IC."""
JPEG2000 = ("C8", "M8", "CD", "MD")
JPEG = ("C3", "M3", "I1")
BY_DEFAULT = "C8"
BLOCK = 1024
LARGEST_BLOCK = 8192
"""Pixels of a block's side (MIL-STD-2500C, table A-3: NPPBH)."""
MISREAD = {
    "int8": "most readers take it for unsigned; write int16, or .tif",
    "int64": "few readers know 64-bit integers; write .tif",
    "uint64": "few readers know 64-bit integers; write .tif",
}
"""Types that the standard has and readers do not."""
KEPT_BY_JPEG2000 = ("uint8", "uint16", "int16")


def nitf_writer(request: SaveRequest) -> Callable[[BinaryIO], object]:
    """Check a request, and give what writes it.

    Raises:
        EncodeError: an option that NITF does not have.
    """
    request.require_only({"levels", "layers"})
    request.refuse("nodata")
    if request.pixels.dtype.name in MISREAD:
        raise EncodeError(f"NITF of {request.pixels.dtype.name}: {MISREAD[request.pixels.dtype.name]}")
    file = _file(request)
    return lambda out: write_nitf(out, file, workers=request.workers)


def _file(request: SaveRequest) -> NitfFile:
    pixels, placement = request.pixels, request.placement
    _, rows, cols = pixels.shape
    is_affine = placement is not None and placement.transform is not None
    chip = Chip(
        pixels=pixels,
        mask=np.broadcast_to(np.True_, pixels.shape),
        window=PixelWindow(0, 0, cols, rows),
        transform=placement.transform if placement is not None and is_affine else None,
        crs=placement.crs if placement is not None and is_affine else None,
    )
    given, tres = split_metadata(request.metadata, where="metadata")
    ours = _storage(request, given)
    if placement is not None and placement.gcps:
        ours |= _corner_fields(placement, ImageSize(cols, rows))
    elif placement is not None and placement.transform is None:
        raise EncodeError("a CRS alone says no place: give corners or transform with it")
    file = chip_file(
        chip,
        overrides={**ours, **given},
        version="NSIF01.00" if request.kind.name == "nsif" else "NITF02.10",
    )
    image = file.images[0]
    return replace(file, images=(replace(image, tres=(*image.tres, *tres)),))


def _storage(request: SaveRequest, given: dict[str, str]) -> dict[str, Any]:
    """Give the fields of compression and blocking."""
    named = request.compression
    if named is not None and named not in COMPRESSIONS:
        raise EncodeError(f"NITF compressions are {', '.join(COMPRESSIONS)}; got {named!r}")
    exact = request.pixels.dtype.name in KEPT_BY_JPEG2000
    ic = given.get("IC") or (COMPRESSIONS[named] if named else BY_DEFAULT if exact else "NC")
    fields: dict[str, Any] = {"IC": ic}
    bits = request.bits or request.pixels.dtype.itemsize * 8
    if request.bits is not None:
        fields["ABPP"] = f"{bits:02d}"
    if "COMRAT" not in given and ic in JPEG2000:
        fields["COMRAT"] = "N1.0" if request.quality is None else _rate(bits, request.quality)
    elif request.quality is not None and ic in JPEG and "COMRAT" not in given:
        fields["COMRAT"] = f"{request.quality:04.1f}"
    elif request.quality is not None:
        raise EncodeError(f"NITF with IC {ic} has no quality")
    fields |= {name: str(request.options[option]) for option, name in HINTS.items() if option in request.options}
    for name, side in zip(("NPPBV", "NPPBH"), request.block or (BLOCK, BLOCK), strict=True):
        if side > LARGEST_BLOCK:
            raise EncodeError(f"{name} is 1 to {LARGEST_BLOCK} (MIL-STD-2500C, table A-3), got {side}")
    rows, cols = request.block or (BLOCK, BLOCK)
    _, height, width = request.pixels.shape
    if request.block is not None or height > rows or width > cols:
        fields |= {"NPPBV": f"{rows:04d}", "NPPBH": f"{cols:04d}"}
    return fields


HINTS = {"levels": "J2K_DECOMPOSITION_LEVELS", "layers": "J2K_QUALITY_LAYERS"}


def _rate(bits: int, ratio: float) -> str:
    if not ratio > 1:
        raise EncodeError(
            f"quality of JPEG 2000 is a compression ratio above 1, got {ratio}; leave it out for lossless"
        )
    return f"{max(bits / ratio, 0.01):05.2f}"


def _corner_fields(placement: Placement, size: ImageSize) -> dict[str, str]:
    """Say the corner pixels' centres of four corners that are no affine image."""
    corners = placement.corners(size)
    if corners is None or placement.crs is None or len(placement.gcps) != 4:
        raise EncodeError("NITF says four corners, and no other control points: give corners, or write .tif")
    width, height = size
    (ul, ur, lr, ll), centres = corners, []
    for col, row in ((0.5, 0.5), (width - 0.5, 0.5), (width - 0.5, height - 0.5), (0.5, height - 0.5)):
        across, down = col / width, row / height
        centres.append(
            tuple(
                (1 - down) * ((1 - across) * ul[axis] + across * ur[axis])
                + down * ((1 - across) * ll[axis] + across * lr[axis])
                for axis in (0, 1)
            )
        )
    lons, lats = AffineLocator((1, 0, 0, 0, 1, 0), placement.crs)([x for x, _ in centres], [y for _, y in centres])
    lonlat = list(zip(lons.tolist(), lats.tolist(), strict=True))
    return place_fields(ChipPlace(lonlat), asked=None)
