"""Which sensor model an image has, of all that its metadata allows.

In this order, the first that there is:

1. SIDD, then SICD XML (a SIDD file may carry its SICD as well);
2. RPC00B, then RPC00A, then coefficients in a GeoTIFF, seen through ICHIPB where there is one;
3. an affine transform with a CRS; the map of a CADRG or CIB frame; GEOLOB, MAPLOB;
4. ground control points; BLOCKA; CSCRNA; IGEOLO: corners, which are approximate.

What is there and cannot be used (RSM, a failed RPC fit, a grid that SICD defines no
projection for) is said in the model's ``notes``. What is wrong is an error that
names the field: a model that the file means to be better is never passed over.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from os import PathLike, fspath
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from stacchip_osml.errors import ItemError
from stacchip_osml.geometry.chipped import ChippedModel, PlaneMap
from stacchip_osml.geometry.gcp import GcpLocator
from stacchip_osml.geometry.igeolo import igeolo_model
from stacchip_osml.geometry.locate import AffineLocator
from stacchip_osml.geometry.map_tres import map_locator
from stacchip_osml.geometry.nitf_facts import is_nitf, read_nitf_facts
from stacchip_osml.geometry.projective import AffineModel, GcpModel
from stacchip_osml.geometry.raster_frames import frame_map
from stacchip_osml.geometry.rpc import RpcLocator
from stacchip_osml.geometry.sensor_facts import HasSensorFacts, SensorFacts, facts_from_header
from stacchip_osml.geometry.sensor_model import NoProjectionError, SensorModel
from stacchip_osml.geometry.sicd_model import SicdModel
from stacchip_osml.geometry.sidd_model import load_sidd_model
from stacchip_osml.geometry.tre_models import blocka_model, cscrna_model, parse_ichipb, rpc_model
from stacchip_osml.imagery.header import ImageHeader
from stacchip_osml.imagery.nitf.product_segments import first_row, is_beside, product_segment
from stacchip_osml.pixel import ImageSize

if TYPE_CHECKING:
    from stacchip_osml.imagery.blocks.image import BlockImage

__all__ = ["load_sensor_model", "sensor_facts_of"]

PRODUCT = re.compile(r"SIDD(\d{3})\d{3}")
"""IID1 of a SIDD image segment: which of the file's products it is, from 1."""


@runtime_checkable
class _NitfImage(Protocol):
    """A record of a NITF image segment."""

    @property
    def fields(self) -> Mapping[str, str]: ...
    @property
    def tres(self) -> Sequence[Any]: ...
    @property
    def pixels(self) -> Any: ...


@runtime_checkable
class _JoinedImage(_NitfImage, Protocol):
    """A record of an image of several segments."""

    @property
    def segments(self) -> Sequence[_NitfImage]: ...


@runtime_checkable
class _NitfFile(Protocol):
    """A record of a NITF file."""

    @property
    def tres(self) -> Sequence[Any]: ...
    @property
    def images(self) -> Sequence[_NitfImage]: ...
    @property
    def joined(self) -> Mapping[int, _JoinedImage]: ...
    @property
    def extensions(self) -> Sequence[Any]: ...


@runtime_checkable
class _NitfParent(Protocol):
    """A record of one image of a NITF file."""

    @property
    def file(self) -> _NitfFile: ...
    @property
    def index(self) -> int: ...


def load_sensor_model(source: Any, asset_key: str | None = None) -> SensorModel | None:
    """Give the best sensor model that an image's metadata allows.

    Args:
        source: :class:`SensorFacts`; anything that gives them (:class:`HasSensorFacts`); an image header; an image
            (``GdalImage``, ``BlockImage``); the path or URL of a file; a NITF file's record, or one of its images.
        asset_key: which image, of a source with several: ``image:1`` or ``1`` of a NITF file; None for the first.

    Returns:
        The model, or None where nothing says where the image is.

    Raises:
        ItemError: metadata that is not what its standard says; the field is named.
        LimitError: metadata larger than any of its kind.
        ReadError: the file cannot be read.
        TypeError: nothing that facts can be taken from.
    """
    facts = sensor_facts_of(source, asset_key)
    notes: list[str] = []
    for choose in (_from_xml, _from_rpc, _from_affine, _from_frame, _from_map, _from_points):
        model = choose(facts, notes)
        if model is not None:
            return model
    return None


def sensor_facts_of(source: Any, asset_key: str | None = None) -> SensorFacts:
    """Take the facts that a sensor model is made of from a source; see :func:`load_sensor_model`."""
    if isinstance(source, SensorFacts):
        return source
    if isinstance(source, HasSensorFacts):
        return source.sensor_facts(asset_key)
    if isinstance(source, ImageHeader):
        return facts_from_header(source)
    image = _image(source)
    if image is not None:
        return _facts_of_image(image, asset_key)
    if isinstance(source, _NitfParent):
        return _facts_of_record(source.file, source.index)
    if isinstance(source, _NitfFile):
        return _facts_of_record(source, _index(asset_key))
    raise TypeError(
        f"source must be sensor facts, an image, a header, a path or a NITF record, got {type(source).__name__}"
    )


def _image(source: Any) -> BlockImage | None:
    """Give an image of ours, or the file of that name; nothing is opened."""
    from stacchip_osml.imagery.blocks.image import BlockImage

    if isinstance(source, BlockImage):
        return source
    if isinstance(source, str | PathLike):
        location = fspath(source)
        return BlockImage(location if "://" in location else str(Path(location).absolute()))
    from stacchip_osml.imagery.gdal.image import GdalImage

    if isinstance(source, GdalImage):
        return BlockImage(source.location, sign=source.sign, expect=source.expect, limits=source.limits)
    return None


def _facts_of_image(image: BlockImage, asset_key: str | None) -> SensorFacts:
    """NITF says more in its bytes than a header holds."""
    if is_nitf(image.file.read_at):
        file = image.file
        return read_nitf_facts(file.read_at, name=image.name, index=_index(asset_key), size=file.size)
    return facts_from_header(image.header)


def _facts_of_record(file: _NitfFile, index: int) -> SensorFacts:
    if not 0 <= index < len(file.images):
        raise ItemError(f"the file has {len(file.images)} images, none with number {index}")
    image, whole = file.images[index], file.joined.get(index)
    if whole is not None and whole.segments[0] is image:  # else the file's images are no longer those it was read with
        image = whole
    segments = [product_segment(each.fields) for each in file.images]
    xml = [each.data for each in file.extensions if each.data.lstrip(b"\0 \t\r\n\xef\xbb\xbf")[:1] == b"<"]
    if is_beside(segments[index].icat):
        xml = []
    return SensorFacts(
        size=ImageSize(image.pixels.num_columns, image.pixels.num_rows),
        fields=MappingProxyType(dict(image.fields)),
        tres=tuple((each.tag, each.data) for each in image.tres),
        file_tres=tuple((each.tag, each.data) for each in file.tres),
        des_xml=tuple(xml),
        first_row=first_row(segments, index) if xml else 0,
    )


def _index(asset_key: str | None) -> int:
    """Read ``image:1``, ``image_1`` or ``1``; the first image where there is no key."""
    if asset_key is None:
        return 0
    match = re.fullmatch(r"(?:.*[^0-9])?([0-9]{1,3})", asset_key)
    if match is None:
        raise ItemError(f"expected the number of an image, such as image:0, got {asset_key!r}")
    return int(match[1])


def _from_xml(facts: SensorFacts, notes: list[str]) -> SensorModel | None:
    """Take SIDD, else SICD; other XML is none of ours."""
    sidds = [xml for xml in facts.des_xml if _root(xml) == "SIDD"]
    if sidds:
        named = PRODUCT.match(facts.fields.get("IID1", ""))
        number = int(named[1]) if named else 1
        if not 1 <= number <= len(sidds):
            raise ItemError(f"IID1 {facts.fields['IID1']!r} names product {number} of {len(sidds)} with SIDD XML")
        sidd, size = load_sidd_model(sidds[number - 1], notes=_noted(facts, notes))
        return _of_segment(facts, sidd, size, "SIDD Measurement/PixelFootprint or GeometricChip/ChipSize")
    for xml in facts.des_xml:
        if _root(xml) == "SICD":
            try:
                sicd = SicdModel.from_xml(xml, notes=_noted(facts, notes))
            except NoProjectionError as reason:
                notes.append(str(reason))
                continue
            return _of_segment(facts, sicd, sicd.size, "SICD ImageData/NumRows and NumCols")
    return None


def _of_segment(facts: SensorFacts, model: SensorModel, said: ImageSize, what: str) -> SensorModel:
    """See the model of a product from the segment that the image is; refuse XML of another image."""
    (width, height), top = facts.size, facts.first_row
    is_part = top > 0 or facts.fields.get("IID1", "").strip()[-3:] in {"", "000", "001"}
    if facts.size != said and not (is_part and width == said.width and top + height <= said.height):
        raise ItemError(f"{what} say {said.height} rows and {said.width} columns, the image has {height} and {width}")
    if not top:
        return model
    corners = ((0.0, 0.0), (width, 0.0), (0.0, height), (width, height))
    return ChippedModel(model, PlaneMap(corners, tuple((col, row + top) for col, row in corners)))  # type: ignore[arg-type]


def _root(xml: bytes) -> str:
    """Guess what a document is from its beginning; parsing decides."""
    head = xml[:4096]
    return next((name for name in ("SIDD", "SICD") if f"urn:{name}:".encode() in head), "")


def _from_rpc(facts: SensorFacts, notes: list[str]) -> SensorModel | None:
    tres = dict(reversed(facts.tres))
    model: RpcLocator | None = None
    for tag in ("RPC00B", "RPC00A"):
        if tag in tres and model is None:
            model = rpc_model(tag, tres[tag], notes=_noted(facts, notes))
            if model is None:
                notes.append(f"{tag} says that its fit failed (SUCCESS is not 1)")
    if model is None:
        return RpcLocator(facts.rpcs, notes=_noted(facts, notes)) if facts.rpcs else None
    return _through_chip(model, tres, notes)


def _from_affine(facts: SensorFacts, notes: list[str]) -> SensorModel | None:
    if facts.transform is None or facts.crs is None:
        return None
    return AffineModel(AffineLocator(facts.transform, facts.crs), facts.size, _noted(facts, notes))


def _from_frame(facts: SensorFacts, notes: list[str]) -> SensorModel | None:
    found = frame_map(dict(reversed(facts.tres)), dict(reversed(facts.file_tres)), facts.size)
    if found is None:
        return None
    return AffineModel(AffineLocator(*found), facts.size, ("from RPFIMG", *_noted(facts, notes)))


def _from_map(facts: SensorFacts, notes: list[str]) -> SensorModel | None:
    found = map_locator(dict(reversed(facts.tres)), dict(reversed(facts.file_tres)), notes)
    if found is None:
        return None
    locator, tag = found
    return AffineModel(locator, facts.size, (f"from {tag}", *_noted(facts, notes)))


def _from_points(facts: SensorFacts, notes: list[str]) -> SensorModel | None:
    """Take what ties pixels to the ground, the finest first; nothing where the corners are not four pixels."""
    if facts.gcps and facts.gcps_crs is not None:
        return GcpModel(GcpLocator(facts.gcps, facts.gcps_crs), "GCPs", _noted(facts, notes))
    for choose in (_from_blocka, _from_cscrna, _from_igeolo):
        try:
            model = choose(facts, dict(reversed(facts.tres)), notes)
        except NoProjectionError as reason:
            notes.append(str(reason))
            continue
        if model is not None:
            return model
    return None


def _from_blocka(facts: SensorFacts, tres: Mapping[str, bytes], notes: list[str]) -> SensorModel | None:
    return blocka_model(tres["BLOCKA"], facts.size, notes=_noted(facts, notes)) if "BLOCKA" in tres else None


def _from_cscrna(facts: SensorFacts, tres: Mapping[str, bytes], notes: list[str]) -> SensorModel | None:
    """CSCRNA speaks of the full image, whose size ICHIPB says."""
    if "CSCRNA" not in tres:
        return None
    size = parse_ichipb(tres["ICHIPB"]).full_size if "ICHIPB" in tres else facts.size
    if size is None:
        return None
    return _through_chip(cscrna_model(tres["CSCRNA"], size, notes=_noted(facts, notes)), tres, notes)


def _from_igeolo(facts: SensorFacts, _: Mapping[str, bytes], notes: list[str]) -> SensorModel | None:
    icords, igeolo = facts.fields.get("ICORDS", ""), facts.fields.get("IGEOLO", "")
    if not icords.strip() or not igeolo.strip():
        return None
    return igeolo_model((icords, igeolo), facts.size, notes=_noted(facts, notes))


def _through_chip(full: SensorModel, tres: Mapping[str, bytes], notes: list[str]) -> SensorModel | None:
    """See a model of the full image through ICHIPB; None where that says that it cannot be done."""
    if "ICHIPB" not in tres:
        return full
    chip = parse_ichipb(tres["ICHIPB"])
    if chip.map is None:
        notes.append(f"{full.kind} is the full image's, and ICHIPB does not say where in it this one lies")
        return None
    return ChippedModel(full, chip.map)


def _noted(facts: SensorFacts, notes: list[str]) -> tuple[str, ...]:
    unused = sorted({tag for tag, _ in facts.tres if tag.startswith("RSM")})
    return (*notes, *([f"{', '.join(unused)}: replacement sensor models are not used"] if unused else []))
