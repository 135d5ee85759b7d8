"""What a NITF file says of itself, as plain values: for people, and for JSON."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, BinaryIO

from stacchip_osml.encode.nitf.earlier_tables import file_layout as earlier_layout
from stacchip_osml.encode.nitf.extensions import xml_fields
from stacchip_osml.encode.nitf.fields import StoredText, read_fields
from stacchip_osml.encode.nitf.file_bytes import open_bytes
from stacchip_osml.encode.nitf.read import VERSIONS, read_nitf
from stacchip_osml.encode.nitf.read_parts import LeftOut, Looked
from stacchip_osml.encode.nitf.records import DataExtension, NitfFile, Tre
from stacchip_osml.encode.nitf.tables import file_layout
from stacchip_osml.encode.nitf.tres import tre_fields
from stacchip_osml.errors import DecodeError, LimitError
from stacchip_osml.imagery.blocks.layout import ImageLayout, LevelLayout
from stacchip_osml.imagery.limits import ReadLimits
from stacchip_osml.imagery.nitf.blocks import parse_nitf_segments
from stacchip_osml.imagery.nitf.fields import EARLIER

__all__ = ["nitf_info"]

RAW = re.compile(r"LUTD\d+|FBKGC")
NAMESPACE = re.compile(rb"<[^?!>]*?xmlns(?::\w+)?\s*=\s*[\"']([^\"']{1,200})[\"']")
HEADER = 999_999
"""Bytes that a file header has at most."""
HEAD = 4096
"""Bytes of a data extension in which its XML namespace is looked for."""


def nitf_info(
    source: str | os.PathLike[str] | bytes | BinaryIO | Callable[[int, int], bytes],
    *,
    limits: ReadLimits | None = None,
    sign: Callable[[str], str] | None = None,
) -> dict[str, Any]:
    """Tell what a file holds: fields of all headers, TREs with their fields, extensions, levels.

    Args:
        source: as for :func:`~stacchip_osml.encode.nitf.read.read_nitf`.
        limits: refused above these; None for the defaults.
        sign: turns a URL into what is really opened.

    Returns:
        Values that JSON has: text, numbers, lists and mappings. Fields are text as it stands in the file; binary ones
        are hexadecimal. ``breaks_rules`` names the fields that the standard would not allow. Of NITF 2.0 they are those
        of the NITF 2.1 file that a copy is; ``version`` is the file's own. ``faults`` says what is wrong with
        the file header, with segments and with TREs; ``left_out`` lists segments that are damaged, encrypted, reserved
        or still written: where they begin, their lengths and the fields that can be read.

    Raises:
        DecodeError: not NITF 2.1, NSIF 1.0 or NITF 2.0.
        ReadError: the source cannot be read.
    """
    limits = ReadLimits() if limits is None else limits
    data = open_bytes(source, sign=sign)
    looked = Looked()
    version = data.read_at(0, 9)
    try:
        file = read_nitf(source, limits=limits, sign=sign, looked=looked)
    except (DecodeError, LimitError) as error:
        if version not in VERSIONS:
            raise
        looked.faults.append(str(error))
        file = NitfFile(fields=_intact(data.read_at(0, HEADER), version))
    layouts: tuple[ImageLayout, ...] = ()
    if file.images:
        with suppress(DecodeError, LimitError):  # of a subheader, which is told already
            layouts = parse_nitf_segments(data.read_at, name=data.name, limits=limits, size=data.size)
    damaged = {each.part.number - 1 for each in looked.left_out if each.part.segment.startswith("image ")}
    layouts = tuple(layout for number, layout in enumerate(layouts) if number not in damaged)
    if len(layouts) != len(file.images):
        layouts = ()
    return {
        "version": version.decode("latin-1"),
        **_part(file.fields, file.tres),
        "images": [
            {
                **_part(image.fields, image.tres),
                "data_bytes": None if image.stored is None else image.stored.size,
                **(_levels(layouts[number]) if layouts else {}),
            }
            for number, image in enumerate(file.images)
        ],
        "graphics": [{**_part(each.fields, each.tres), "data_bytes": len(each.data)} for each in file.graphics],
        "texts": [
            {**_part(each.fields, each.tres), "data_bytes": len(each.data), "text": _text(each.fields, each.data)}
            for each in file.texts
        ],
        "extensions": [_extension(each) for each in file.extensions],
        "left_out": [_left_out(each) for each in looked.left_out],
        "faults": looked.faults,
    }


def _intact(head: bytes, version: bytes) -> dict[str, str]:
    """Read the fields of a file header up to what is wrong with it."""
    fields: dict[str, str] = {}
    with suppress(DecodeError):
        read_fields(earlier_layout if version == EARLIER else file_layout, head, where="file header", into=fields)
    return fields


def _left_out(segment: LeftOut) -> dict[str, Any]:
    part = segment.part
    return {
        "segment": part.segment,
        "offset": part.at,
        "header_bytes": part.header,
        "data_bytes": part.data,
        **_part(segment.fields, ()),
        "fault": segment.fault,
    }


def _part(fields: Mapping[str, str], tres: Sequence[Tre]) -> dict[str, Any]:
    shown = {name: text.encode("latin-1").hex() if RAW.fullmatch(name) else str(text) for name, text in fields.items()}
    return {
        "fields": shown,
        "breaks_rules": [name for name, text in fields.items() if isinstance(text, StoredText)],
        "tres": [_tre(tre) for tre in tres],
    }


def _tre(tre: Tre) -> dict[str, Any]:
    """Show a TRE: its fields, or why there are none."""
    about: dict[str, Any] = {"tag": tre.tag, "data_bytes": len(tre.data)}
    try:
        fields = tre_fields(tre)
    except DecodeError as error:
        return {**about, "fields": None, "error": str(error)}
    return {**about, "fields": None if fields is None else {name: str(text) for name, text in fields.items()}}


def _levels(layout: ImageLayout) -> dict[str, Any]:
    """Show the stored levels of an image, and how they are read."""
    return {
        "levels": [list(level.size) for level in layout.levels if isinstance(level, LevelLayout)],
        "read_by": [
            f"block/{level.codec.compression}" if isinstance(level, LevelLayout) else f"gdal: {level.reason}"
            for level in layout.levels
        ],
    }


def _extension(extension: DataExtension) -> dict[str, Any]:
    about = {
        "fields": {name: str(text) for name, text in extension.fields.items()},
        "user_header_bytes": len(extension.user_header),
        "data_bytes": len(extension.data),
    }
    if extension.fields.get("DESID") == "XML_DATA_CONTENT":
        try:
            about["user_header"] = {name: str(text) for name, text in xml_fields(extension.user_header).items()}
        except DecodeError as error:
            about["user_header_error"] = str(error)
    found = NAMESPACE.search(extension.data[:HEAD])
    if found:
        about["xml_namespace"] = found[1].decode("utf-8", "replace")
    return about


def _text(fields: Mapping[str, str], data: bytes) -> str:
    return data.decode("utf-8" if fields.get("TXTFMT") == "U8S" else "latin-1", "replace")
