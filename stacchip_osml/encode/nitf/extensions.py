"""Data extension segments (DES): their subheaders, and the user-defined one of XML.

MIL-STD-2500C 5.8.3 and table A-8. ``XML_DATA_CONTENT`` (JBP-2025.1, STDI-0002
volume 2 appendix F), which SICD and SIDD use, has 773 bytes of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from stacchip_osml.encode.nitf.fields import Field, read_fields, written_fields
from stacchip_osml.encode.nitf.records import DataExtension
from stacchip_osml.encode.nitf.tables import des_layout
from stacchip_osml.errors import EncodeError

__all__ = ["XML_HEADER_BYTES", "des_subheader", "xml_fields", "xml_user_header"]

XML = "XML_DATA_CONTENT, STDI-0002 volume 2 appendix F table F-1"
XML_FIELDS = tuple(
    Field(name, length, "BCS-A" if charset else "ECS-A", default, blank=True, clause=XML)
    for name, length, charset, default in (
        ("DESCRC", 5, True, "99999"),
        ("DESSHFT", 8, True, "XML"),
        ("DESSHDT", 20, True, ""),
        ("DESSHRP", 40, False, ""),
        ("DESSHSI", 60, False, ""),
        ("DESSHSV", 10, True, ""),
        ("DESSHSD", 20, True, ""),
        ("DESSHTN", 120, True, ""),
        ("DESSHLPG", 125, True, ""),
        ("DESSHLPT", 25, True, ""),
        ("DESSHLI", 20, True, ""),
        ("DESSHLIN", 120, False, ""),
        ("DESSHABS", 200, False, ""),
    )
)
XML_HEADER_BYTES = sum(field.length for field in XML_FIELDS)
"""773."""
XML_LENGTHS = (0, 5, 283, XML_HEADER_BYTES)
"""The forms of DESSHF that there are."""
COMPUTED = frozenset(("DE", "DESSHL", "DESSHF", "DESOFLW", "DESITEM"))


def xml_user_header(fields: Mapping[str, str]) -> bytes:
    """Encode the 773 bytes of ``XML_DATA_CONTENT`` from ``DESCRC``, ``DESSHFT`` … ``DESSHABS``.

    Raises:
        EncodeError: naming field and rule.
    """
    if unknown := set(fields) - {field.name for field in XML_FIELDS}:
        raise EncodeError(f"{sorted(unknown)} are no fields of {XML}")
    return written_fields(lambda _: iter(XML_FIELDS), fields, where="DESSHF")


def xml_fields(user_header: bytes, *, where: str = "DESSHF") -> dict[str, str]:
    """Read the user-defined subheader of ``XML_DATA_CONTENT``; its shorter forms have fewer fields.

    Raises:
        DecodeError: it has none of the lengths that there are.
    """

    def layout(_: Mapping[str, str]) -> Iterator[Field]:
        room = len(user_header)
        for field in XML_FIELDS:
            if room <= 0:
                return
            room -= field.length
            yield field

    return read_fields(layout, user_header, where=where)[0]


def des_subheader(extension: DataExtension, *, where: str) -> bytes:
    """Encode the subheader of one segment.

    Raises:
        EncodeError: naming field and rule.
    """
    fields, header = extension.fields, extension.user_header
    if fields.get("DESID") == "TRE_OVERFLOW":
        raise EncodeError(f"{where}: TRE_OVERFLOW is made of the TREs that do not fit; give those")
    if fields.get("DESID") == "XML_DATA_CONTENT" and len(header) not in XML_LENGTHS:
        raise EncodeError(f"{where}: DESSHF has {len(header)} bytes; expected one of {XML_LENGTHS} ({XML})")
    given = {name: text for name, text in fields.items() if name not in COMPUTED}
    values = given | {"DESSHL": str(len(header)), "DESSHF": header.decode("latin-1")}
    return written_fields(des_layout, values, where=where, given=given)
