"""XML that comes with an image from anywhere, as a tree.

No network, no entities, no document type; size and depth are bounded.
"""

from __future__ import annotations

from typing import Any

from stacchip_osml.errors import ChipError, ItemError, LimitError
from stacchip_osml.pixel.arguments import of_kind

__all__ = ["XML_BYTES", "parse_xml"]

XML_BYTES = 1 << 24
"""Largest document: real ones have some 100 kB."""
DEPTH = 64
"""Deepest nesting; SICD and SIDD have about 10."""


def parse_xml(data: bytes, *, what: str, error: type[ChipError] = ItemError) -> Any:
    """Parse a document and give its root (an lxml element).

    Args:
        data: the whole document.
        what: it is, for messages.
        error: what is raised.

    Raises:
        ChipError: ``error``: no XML, nested too deep, or with a document type.
        LimitError: larger than ``XML_BYTES``.
    """
    from lxml import etree

    if len(of_kind("xml", data, (bytes, bytearray), "XML as bytes")) > XML_BYTES:
        raise LimitError(f"{what}: XML of {len(data)} bytes, more than {XML_BYTES}")
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False, huge_tree=False,
        remove_comments=True, remove_pis=True,
    )  # fmt: skip
    try:
        root = etree.fromstring(data.strip(b"\0 \t\r\n"), parser)
    except (etree.XMLSyntaxError, ValueError) as reason:
        raise error(f"{what}: its XML does not parse: {str(reason)[:200]}") from reason
    if root.getroottree().docinfo.doctype:
        raise error(f"{what}: its XML has a document type; those are refused")
    depth = 0
    for event, _ in etree.iterwalk(root, events=("start", "end")):
        depth += 1 if event == "start" else -1
        if depth > DEPTH:
            raise error(f"{what}: its XML is nested deeper than {DEPTH}")
    return root
