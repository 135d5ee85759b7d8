"""Arrays as NITF and NSIF files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, BinaryIO

from stacchip_osml.encode.io.losses import JPEG2000, NITF_COMPRESSIONS, nitf_rate
from stacchip_osml.encode.io.nitf_metadata import is_foreign, split_metadata
from stacchip_osml.encode.io.nitf_places import nitf_place
from stacchip_osml.encode.io.save_request import SaveRequest
from stacchip_osml.encode.nitf.pixels_blocking import LONGEST_SIDE
from stacchip_osml.encode.nitf.records import NitfFile, NitfImage, Tre
from stacchip_osml.encode.nitf.tables import FILE_FIELDS
from stacchip_osml.encode.nitf.types_known import MISREAD
from stacchip_osml.encode.nitf.write import write_nitf
from stacchip_osml.errors import EncodeError, ItemError
from stacchip_osml.geometry.locate import parse_crs
from stacchip_osml.pixel import ImageSize

__all__ = ["nitf_writer"]

BY_DEFAULT = "C8"
BLOCK = 1024
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
    _, rows, cols = request.pixels.shape
    if foreign := [key for key, value in request.metadata.items() if is_foreign(key, value)]:
        raise EncodeError(f"metadata {foreign[0]!r} is no field of NITF, whose names are capitals, and no TRE")
    given, tres = split_metadata(request.metadata, where="metadata")
    of_file = {name: text for name, text in given.items() if name in FILE_FIELDS}
    fields = _storage(request, given) | {name: text for name, text in given.items() if name not in FILE_FIELDS}
    file_tres: tuple[Tre, ...] = ()
    if request.placement is not None and "IGEOLO" not in given:
        if request.placement.transform is None and not request.placement.gcps:
            raise EncodeError("a CRS alone says no place: give corners or transform with it")
        _require_readable(request.placement.crs)
        place = nitf_place(request.placement, ImageSize(cols, rows))
        if place is None:
            raise EncodeError("NITF says four corners on the Earth, and no other control points: write .tif")
        fields |= place.fields
        tres, file_tres = (*place.image, *tres), place.file
    image = NitfImage(pixels=request.provider, fields=fields, tres=tres)
    return NitfFile(
        version="NSIF01.00" if request.kind.name == "nsif" else "NITF02.10",
        fields=of_file,
        tres=file_tres,
        images=(image,),
    )


def _require_readable(crs: str | None) -> None:
    if crs is not None:
        try:
            parse_crs(crs)
        except ItemError as error:
            raise EncodeError(f"NITF places images on the Earth: {error}") from error


def _storage(request: SaveRequest, given: dict[str, str]) -> dict[str, Any]:
    """Give the fields of compression and blocking."""
    named = request.compression
    if named is not None and named not in NITF_COMPRESSIONS:
        raise EncodeError(f"NITF compressions are {', '.join(NITF_COMPRESSIONS)}; got {named!r}")
    exact = request.pixels.dtype.name in KEPT_BY_JPEG2000
    ic = given.get("IC") or (NITF_COMPRESSIONS[named] if named else BY_DEFAULT if exact else "NC")
    if named and ic != NITF_COMPRESSIONS[named]:
        raise EncodeError(
            f"compression {named} is IC {NITF_COMPRESSIONS[named]}, and metadata have IC {ic}; give one of them"
        )
    if ic not in JPEG2000 and (of_wavelets := sorted(set(HINTS) & set(request.options))):
        raise EncodeError(f"NITF with IC {ic} has no {of_wavelets[0]}, which are of JPEG 2000")
    fields: dict[str, Any] = {"IC": ic}
    bits = request.bits or request.pixels.dtype.itemsize * 8
    if request.bits is not None:
        fields["ABPP"] = f"{bits:02d}"
    fields |= nitf_rate(ic, bits, quality=request.quality, ratio=request.ratio, given=given.get("COMRAT"))
    fields |= {name: str(request.options[option]) for option, name in HINTS.items() if option in request.options}
    for name, side in zip(("NPPBV", "NPPBH"), request.block or (BLOCK, BLOCK), strict=True):
        if side > LONGEST_SIDE:
            raise EncodeError(f"{name} is 1 to {LONGEST_SIDE} (MIL-STD-2500C, table A-3), got {side}")
    rows, cols = request.block or (BLOCK, BLOCK)
    bands, height, width = request.pixels.shape
    is_packed = request.pixels.dtype == bool and bands > 1
    if is_packed and request.block is None:  # bands that begin within a byte are read by no one
        rows, cols = min(height, rows), min(-(-width // 8) * 8, cols)
    if is_packed or request.block is not None or height > rows or width > cols:
        fields |= {"NPPBV": f"{rows:04d}", "NPPBH": f"{cols:04d}"}
    return fields


HINTS = {"levels": "J2K_DECOMPOSITION_LEVELS", "layers": "J2K_QUALITY_LAYERS"}
