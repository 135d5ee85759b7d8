"""NITF and NSIF datasets: assets to records and back.

Keys are ``image:N``, ``text:N``, ``des:N`` and ``graphic:N`` from 0 on, in the
order of the file. An image of several segments has the number of its first one, and
is copied as these segments where nobody changes how it is stored or where it lies.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, BinaryIO

from stacchip_osml.encode.io.assets import DataAsset, GraphicsAsset, ImageAsset, TextAsset
from stacchip_osml.encode.io.contents import Contents, Entry
from stacchip_osml.encode.io.kinds import AssetType
from stacchip_osml.encode.io.losses import JPEG
from stacchip_osml.encode.io.metadata import BufferedMetadataProvider
from stacchip_osml.encode.io.nitf_metadata import metadata_of, split_metadata
from stacchip_osml.encode.io.nitf_places import NitfPlace, nitf_place
from stacchip_osml.encode.io.places import header_of, place_of
from stacchip_osml.encode.nitf.image_parts import HINTS, STORAGE
from stacchip_osml.encode.nitf.read import read_nitf
from stacchip_osml.encode.nitf.records import (
    DataExtension,
    GraphicSegment,
    NitfFile,
    NitfImage,
    TextSegment,
)
from stacchip_osml.encode.nitf.types_known import require_known
from stacchip_osml.encode.nitf.write import write_nitf
from stacchip_osml.encode.palette import lut_fields
from stacchip_osml.errors import EncodeError
from stacchip_osml.imagery.display.picture import color_table_of
from stacchip_osml.imagery.providers.facts import dtype_of
from stacchip_osml.pixel import ImageSize

__all__ = ["nitf_assets", "write_nitf_contents"]

MEDIA_TYPE = "image/nitf"
OF_SEGMENTS = frozenset(("IID1", "ICORDS", "IGEOLO", "IDLVL", "IALVL", "ILOC"))
"""Fields in which the segments of an image differ."""
COMMENT = 80
COMMENTS = 9
"""Characters and number of image comments (MIL-STD-2500C, table A-3)."""


def nitf_assets(source: Any) -> tuple[BufferedMetadataProvider, dict[str, Callable[[], Any]]]:
    """Read a file.

    Args:
        source: as :func:`~stacchip_osml.encode.nitf.read.read_nitf`.

    Returns:
        Metadata of the file; and for each key what gives its asset.
    """
    file = read_nitf(source)
    assets: dict[str, Callable[[], Any]] = {}
    within = {id(segment) for image in file.joined.values() for segment in image.segments}
    for number, segment in enumerate(file.images):
        image = file.joined.get(number, segment)
        if image is not segment or id(segment) not in within:
            assets[f"image:{number}"] = _made(_image, f"image:{number}", image)
    for number, text in enumerate(file.texts):
        assets[f"text:{number}"] = _made(_text, f"text:{number}", text)
    for number, graphic in enumerate(file.graphics):
        assets[f"graphic:{number}"] = _made(_graphic, f"graphic:{number}", graphic)
    for number, extension in enumerate(file.extensions):
        assets[f"des:{number}"] = _made(_extension, f"des:{number}", extension)
    metadata = metadata_of({"FHDR": file.version[:4], "FVER": file.version[4:], **file.fields}, file.tres)
    return metadata, assets


def _made(make: Callable[[str, Any], Any], key: str, record: Any) -> Callable[[], Any]:
    return lambda: make(key, record)


def _image(key: str, record: NitfImage) -> ImageAsset:
    fields = record.fields
    comments = [fields[name] for name in sorted(fields) if name.startswith("ICOM")]
    return ImageAsset(
        record.pixels,
        key=key,
        metadata=metadata_of(fields, record.tres),
        title=next(
            (name for field in ("IID2", "IID1") if (name := fields.get(field, "").strip())), record.pixels.title
        ),
        description=" ".join(comment.strip() for comment in comments),
        media_type=MEDIA_TYPE,
        record=record,
    )


def _text(key: str, record: TextSegment) -> TextAsset:
    fields = record.fields
    return TextAsset(
        key=key,
        metadata=metadata_of(fields, record.tres),
        title=fields.get("TXTITL", "").strip(),
        data=record.data,
        format=fields.get("TXTFMT", "").strip(),
        record=record,
    )


def _graphic(key: str, record: GraphicSegment) -> GraphicsAsset:
    return GraphicsAsset(
        key=key,
        metadata=metadata_of(record.fields, record.tres),
        title=record.fields.get("SNAME", "").strip(),
        data=record.data,
        record=record,
    )


def _extension(key: str, record: DataExtension) -> DataAsset:
    fields = dict(record.fields)
    if record.user_header:
        fields["DESSHF"] = record.user_header.decode("latin-1")
    is_xml = fields.get("DESID", "").strip() == "XML_DATA_CONTENT" or record.data[:64].lstrip()[:1] == b"<"
    return DataAsset(
        key=key,
        metadata=BufferedMetadataProvider(fields),
        title=fields.get("DESID", "").strip(),
        data=record.data,
        mime_type="application/xml" if is_xml else "application/octet-stream",
        record=record,
    )


def write_nitf_contents(out: BinaryIO, contents: Contents, *, workers: int, progress: Any) -> None:
    """Write a NITF or NSIF file.

    Raises:
        EncodeError: a field, a TRE or pixels that the standard does not allow, named.
    """
    write_nitf(out, nitf_file(contents), workers=workers, progress=progress)


def nitf_file(contents: Contents) -> NitfFile:
    """Make the records of a dataset."""
    fields, tres = split_metadata(contents.metadata, where="file")
    of_kind: dict[AssetType, list[Entry]] = {kind: [] for kind in AssetType}
    for entry in contents.entries:
        of_kind[entry.kind].append(entry)
    places = [_place(entry) for entry in of_kind[AssetType.Image]]
    maps = {place.file for place in places if place is not None and place.file}
    if len(maps) == 1 and not any(tre.tag == "GEOPSB" for tre in tres):
        tres += maps.pop()
    elif maps:  # one file header says one map: the images keep their corners
        places = [None if place is None else place._replace(image=()) for place in places]
    return NitfFile(
        version="NSIF01.00" if contents.format.name == "nsif" else "NITF02.10",
        fields=fields,
        tres=tres,
        images=tuple(
            image
            for entry, place in zip(of_kind[AssetType.Image], places, strict=True)
            for image in _as_read(nitf_image(entry, place), entry.record)
        ),
        texts=tuple(_text_segment(number, entry) for number, entry in enumerate(of_kind[AssetType.Text])),
        graphics=tuple(_graphic_segment(entry) for entry in of_kind[AssetType.Graphics]),
        extensions=tuple(_data_extension(entry) for entry in of_kind[AssetType.Data]),
    )


def _place(entry: Entry) -> NitfPlace | None:
    """Say where an image lies whose metadata do not say it in NITF's terms, as those of another format."""
    if isinstance(entry.record, NitfImage) or any(name in entry.metadata for name in ("IGEOLO", "ICORDS")):
        return None
    placement = place_of(entry.provider, entry.metadata)
    if placement is None:
        return None
    size = ImageSize(entry.provider.num_columns, entry.provider.num_rows)
    header = header_of(entry.provider)
    return nitf_place(placement, size, rpcs=() if header is None else header.rpcs)


def nitf_image(entry: Entry, place: NitfPlace | None = None) -> NitfImage:
    """Make the record of an image: its metadata say how; place, title and description fill what they do not say."""
    kind = dtype_of(entry.provider).name
    require_known(kind, entry.metadata, f"{entry.key}: ")
    fields, tres = split_metadata(entry.metadata, where=entry.key)
    if fields.get("IC", "").strip() in {"NC", "NM"}:
        fields.pop("COMRAT", None)  # a copy brought it along, and nothing is compressed
    if entry.title and "IID2" not in fields:
        fields["IID2"] = entry.title
    if entry.description and "NICOM" not in fields and not any(name.startswith("ICOM") for name in fields):
        fields |= _comments(entry)
    if place is not None:
        fields |= place.fields
        tres += tuple(tre for tre in place.image if not any(tre.tag == each.tag for each in tres))
    record = entry.record
    if isinstance(record, NitfImage):
        return replace(record, fields=fields, tres=tres, has_pad=_has_pad(entry))
    if fields.get("IREP", "").strip() == "YCbCr601" and fields.get("IC", "").strip() not in JPEG:
        raise EncodeError(
            f"{entry.key}: IREP=YCbCr601 is of JPEG (MIL-STD-2500C, table A-3), and IC is {fields.get('IC', 'none')}: "
            "pixels that were read of JPEG are red, green and blue, so say IREP RGB, and IREPBAND1 to 3 R, G, B"
        )
    table = color_table_of(entry.provider)
    if table is not None and kind == "uint8" and "IREP" not in fields:
        fields |= lut_fields(table)
    return NitfImage(pixels=entry.provider, fields=fields, tres=tres, has_pad=_has_pad(entry))


def _as_read(image: NitfImage, record: Any) -> tuple[NitfImage, ...]:
    """Give the segments that an image was read from, with what was changed of it; itself where they cannot be kept."""
    if not image.segments:
        return (image,)
    before, after = record.fields, image.fields
    changed = {name for name in {*before, *after} if before.get(name) != after.get(name)}
    if changed & {*STORAGE, *HINTS, *OF_SEGMENTS}:
        return (replace(image, segments=()),)
    found = []
    for number, segment in enumerate(image.segments):
        kept = {name: text for name, text in segment.fields.items() if name not in changed}
        tres = segment.tres if number or image.tres == record.tres else image.tres
        fields = kept | {name: after[name] for name in changed if name in after}
        found.append(replace(segment, fields=fields, tres=tres))
    return tuple(found)


def _has_pad(entry: Entry) -> bool:
    """Tell whether pixels of the pad value hold nothing: not those of a file that says no nodata."""
    header = header_of(entry.provider)
    return header is None or any(band.nodata is not None for band in header.bands)


def _comments(entry: Entry) -> dict[str, str]:
    """Write a description as image comments."""
    text = " ".join(entry.description.split())
    lines = [text[at : at + COMMENT] for at in range(0, len(text), COMMENT)]
    if len(lines) > COMMENTS:
        raise EncodeError(
            f"{entry.key}: a description becomes ICOM1 to ICOM9 of {COMMENT} characters (MIL-STD-2500C, table A-3), "
            f"this one has {len(text)}"
        )
    return {f"ICOM{number}": line for number, line in enumerate(lines, 1)}


def _text_segment(number: int, entry: Entry) -> TextSegment:
    asset: TextAsset = entry.provider
    fields, tres = split_metadata(entry.metadata, where=entry.key)
    own = {"TEXTID": f"TEXT{number:03d}", "TXTITL": entry.title, "TXTFMT": asset.format}
    return TextSegment(fields={**own, **fields}, tres=tres, data=asset.data)


def _graphic_segment(entry: Entry) -> GraphicSegment:
    asset: GraphicsAsset = entry.provider
    if not isinstance(asset.record, GraphicSegment):
        raise EncodeError(f"{entry.key}: graphics are copied from NITF files only")
    fields, tres = split_metadata(entry.metadata, where=entry.key)
    return GraphicSegment(fields=fields, tres=tres, data=asset.data)


def _data_extension(entry: Entry) -> DataExtension:
    asset: DataAsset = entry.provider
    header = entry.metadata.get("DESSHF", b"")
    user_header = header if isinstance(header, bytes) else str(header).encode("latin-1")
    own = {key: value for key, value in entry.metadata.items() if key != "DESSHF"}
    fields, tres = split_metadata(BufferedMetadataProvider(own), where=entry.key)
    if tres:
        raise EncodeError(f"{entry.key}: a data extension holds no TREs; {tres[0].tag} belongs to an image or the file")
    if not fields.get("DESID"):
        raise EncodeError(
            f"{entry.key}: DESID says what a data extension is (MIL-STD-2500C, table A-8): put DESID and DESVER "
            "into its metadata"
        )
    return DataExtension(fields={"DESVER": "1", **fields}, user_header=user_header, data=asset.data)
