"""NITF 2.1 and NSIF 1.0 files: what they hold as records, their pixels, their headers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stacchip_osml.lazy import lazy

if TYPE_CHECKING:
    from stacchip_osml.encode.nitf.chip import ChipAccount as ChipAccount
    from stacchip_osml.encode.nitf.chip import chip_account as chip_account
    from stacchip_osml.encode.nitf.chip import chip_file as chip_file
    from stacchip_osml.encode.nitf.chip_encoders import encode_nitf as encode_nitf
    from stacchip_osml.encode.nitf.extensions import xml_fields as xml_fields
    from stacchip_osml.encode.nitf.extensions import xml_user_header as xml_user_header
    from stacchip_osml.encode.nitf.info import nitf_info as nitf_info
    from stacchip_osml.encode.nitf.parent import parent_of as parent_of
    from stacchip_osml.encode.nitf.read import read_nitf as read_nitf
    from stacchip_osml.encode.nitf.records import DataExtension as DataExtension
    from stacchip_osml.encode.nitf.records import GraphicSegment as GraphicSegment
    from stacchip_osml.encode.nitf.records import NitfFile as NitfFile
    from stacchip_osml.encode.nitf.records import NitfImage as NitfImage
    from stacchip_osml.encode.nitf.records import ParentImage as ParentImage
    from stacchip_osml.encode.nitf.records import TextSegment as TextSegment
    from stacchip_osml.encode.nitf.records import Tre as Tre
    from stacchip_osml.encode.nitf.tres import make_tre as make_tre
    from stacchip_osml.encode.nitf.tres import tre_fields as tre_fields
    from stacchip_osml.encode.nitf.updaters import chipped_coordinate_to_full as chipped_coordinate_to_full
    from stacchip_osml.encode.nitf.updaters import update_sicd_for_chip as update_sicd_for_chip
    from stacchip_osml.encode.nitf.updaters import update_sidd_for_chip as update_sidd_for_chip
    from stacchip_osml.encode.nitf.write import write_nitf as write_nitf

HOME = {
    "ChipAccount": "chip",
    "chip_account": "chip",
    "chip_file": "chip",
    "encode_nitf": "chip_encoders",
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
"""Public name → the module that has it."""

__all__ = sorted(HOME)  # noqa: PLE0605 - one list to keep

__getattr__ = lazy(__name__, HOME)


def __dir__() -> list[str]:
    """List the public names, imported or not."""
    return sorted(__all__)
