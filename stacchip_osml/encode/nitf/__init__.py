"""NITF 2.1 and NSIF 1.0 files: what they hold as records, their pixels, their headers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stacchip_osml.lazy import lazy

if TYPE_CHECKING:
    from stacchip_osml.encode.nitf.chip import ChipAccount, chip_account, chip_file, encode_nitf
    from stacchip_osml.encode.nitf.extensions import xml_fields, xml_user_header
    from stacchip_osml.encode.nitf.info import nitf_info
    from stacchip_osml.encode.nitf.parent import parent_of
    from stacchip_osml.encode.nitf.read import read_nitf
    from stacchip_osml.encode.nitf.records import (
        DataExtension,
        GraphicSegment,
        NitfFile,
        NitfImage,
        ParentImage,
        TextSegment,
        Tre,
    )
    from stacchip_osml.encode.nitf.tres import make_tre, tre_fields
    from stacchip_osml.encode.nitf.updaters import (
        chipped_coordinate_to_full,
        update_sicd_for_chip,
        update_sidd_for_chip,
    )
    from stacchip_osml.encode.nitf.write import write_nitf

__all__ = [
    "ChipAccount",
    "DataExtension",
    "GraphicSegment",
    "NitfFile",
    "NitfImage",
    "ParentImage",
    "TextSegment",
    "Tre",
    "chip_account",
    "chip_file",
    "chipped_coordinate_to_full",
    "encode_nitf",
    "make_tre",
    "nitf_info",
    "parent_of",
    "read_nitf",
    "tre_fields",
    "update_sicd_for_chip",
    "update_sidd_for_chip",
    "write_nitf",
    "xml_fields",
    "xml_user_header",
]

_HOMES = {
    "ChipAccount": "chip",
    "chip_account": "chip",
    "chip_file": "chip",
    "encode_nitf": "chip",
    "parent_of": "parent",
    "DataExtension": "records",
    "GraphicSegment": "records",
    "NitfFile": "records",
    "NitfImage": "records",
    "ParentImage": "records",
    "TextSegment": "records",
    "Tre": "records",
    "make_tre": "tres",
    "nitf_info": "info",
    "read_nitf": "read",
    "tre_fields": "tres",
    "chipped_coordinate_to_full": "updaters",
    "update_sicd_for_chip": "updaters",
    "update_sidd_for_chip": "updaters",
    "write_nitf": "write",
    "xml_fields": "extensions",
    "xml_user_header": "extensions",
}

__getattr__ = lazy(__name__, _HOMES)


def __dir__() -> list[str]:
    """List the public names, imported or not."""
    return sorted(__all__)
