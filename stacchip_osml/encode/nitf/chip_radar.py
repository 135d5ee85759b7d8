"""Data extensions of a parent in a chip: SICD and SIDD XML are brought up to date, others are kept or left out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, NamedTuple

from stacchip_osml.encode.nitf.igeolo import Corners
from stacchip_osml.encode.nitf.records import DataExtension, ParentImage
from stacchip_osml.encode.nitf.sicd import sicd_of_chip, sicd_parent
from stacchip_osml.encode.nitf.sidd import sidd_of_chip, sidd_parent
from stacchip_osml.errors import EncodeError, ItemError
from stacchip_osml.imagery.nitf.product_segments import first_row, is_beside, product_segment
from stacchip_osml.pixel import ImageSize

__all__ = ["ChipExtensions", "ExtensionFate", "chip_extensions"]

XML_IDS = frozenset(("XML_DATA_CONTENT", "SICD_XML", "SIDD_XML"))
ROOT = re.compile(rb"(?:\xef\xbb\xbf)?(?:\s|<\?.*?\?>|<!--.*?-->)*<(?:[\w.-]+:)?(SICD|SIDD)[\s>]", re.DOTALL)
"""The root element of a document, after all that may come before it."""
PRODUCT = re.compile(r"(SICD)\d{3}|(SIDD)(\d{3})\d{3}")
POLYGON = slice(283, 408)
"""DESSHLPG in the user-defined subheader of XML_DATA_CONTENT (STDI-0002 volume 2, appendix F)."""
NO_CHECK = b"99999"
"""DESCRC that says that there is none."""


class ExtensionFate(NamedTuple):
    """What became of one data extension of the parent."""

    desid: str
    fate: Literal["kept", "changed", "left out"]
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChipExtensions:
    """Those of a chip."""

    extensions: tuple[DataExtension, ...] = ()
    fates: tuple[ExtensionFate, ...] = ()
    """One for each of the parent's, in order."""
    kind: Literal["SICD", "SIDD"] | None = None
    """What the chip still is."""
    corners: Corners | None = None
    """``(lon, lat)`` that its XML states."""


def chip_extensions(
    parent: ParentImage, *, window: tuple[float, float, float, float], size: ImageSize, is_changed: bool
) -> ChipExtensions:
    """Bring data extensions up to date.

    Args:
        parent: the image that the chip was cut from.
        window: ``(x, y, width, height)`` in its pixels.
        size: of the chip.
        is_changed: whether the pixels are others than the parent's (a chain, or not all bands): what describes them
            is left out.

    Raises:
        EncodeError: a SICD's chip is resampled; or XML lacks what a chip needs.
    """
    named = product_segment(parent.image.fields)
    product = None if is_beside(named.icat) else PRODUCT.match(named.iid1)
    wanted = None if product is None or is_changed else product[1] or product[2]
    if wanted is not None:
        window = (window[0], window[1] + _first_row(parent), *window[2:])
    number = int(product[3]) if product is not None and product[3] else 1
    kept: list[DataExtension] = []
    fates: list[ExtensionFate] = []
    corners, kind, seen = None, None, {"SICD": 0, "SIDD": 0}
    for extension in parent.file.extensions:
        desid = extension.fields.get("DESID", "").strip()
        found = _kind_of(extension, desid)
        seen[found or "SICD"] += found is not None
        reason = _left_out(desid, found, wanted, seen, number, is_changed=is_changed)
        if reason:
            fates.append(ExtensionFate(desid, "left out", reason))
            continue
        if found is None or found != wanted:
            kept.append(extension)
            fates.append(ExtensionFate(desid, "kept", "of the collection" if found else ""))
            continue
        if found == "SICD":
            xml, corners = sicd_of_chip(sicd_parent(extension.data), window=window, size=size)
        else:
            xml, corners = sidd_of_chip(sidd_parent(extension.data), window=window, size=size)
        kind = found
        header = _located(extension.user_header, corners)
        kept.append(DataExtension(fields=extension.fields, user_header=header, data=xml))
        fates.append(ExtensionFate(desid, "changed", f"{found} XML of the chip"))
    return ChipExtensions(extensions=tuple(kept), fates=tuple(fates), kind=kind, corners=corners)


def _first_row(parent: ParentImage) -> int:
    """Count the rows of the product above the parent, which may be one of its segments.

    Raises:
        EncodeError: a segment above it is not there.
    """
    try:
        return first_row([product_segment(image.fields) for image in parent.file.images], parent.index)
    except ItemError as error:
        raise EncodeError(str(error)) from error


def _kind_of(extension: DataExtension, desid: str) -> Literal["SICD", "SIDD"] | None:
    if desid not in XML_IDS:
        return None
    root = ROOT.match(extension.data)
    if root is None:
        return None
    return "SICD" if root[1] == b"SICD" else "SIDD"


def _left_out(
    desid: str, found: str | None, wanted: str | None, seen: dict[str, int], number: int, *, is_changed: bool
) -> str:
    """Give the reason for leaving an extension out; nothing where it stays."""
    if found is None:
        return "it stands for the parent's file header" if desid == "STREAMING_FILE_HEADER" else ""
    if is_changed:
        return "the pixels are others than those that it describes"
    if wanted is None:
        return "it describes another image of the file"
    is_other = found == wanted and seen[found] != (number if found == "SIDD" else 1)
    return "it describes another product of the file" if is_other else ""


def _located(header: bytes, corners: Corners) -> bytes:
    """Write the corners into DESSHLPG, and no checksum of data that has changed."""
    if len(header) < POLYGON.stop:
        return header
    ring = [*corners, corners[0]]
    text = "".join(f"{lat:+012.8f}{lon:+013.8f}" for lon, lat in ring).encode("ascii")
    return NO_CHECK + header[len(NO_CHECK) : POLYGON.start] + text + header[POLYGON.stop :]
