"""What a NITF 2.1 or NSIF 1.0 file holds, as records that know nothing of bytes on disk.

Field names are those of MIL-STD-2500C (and of the JBP, which follows it), without
the number of the segment: ``IID1``, ``ISCLAS``, ``FTITLE``. Values are text as
it stands in the file, without its padding. What follows from the pixels and
from the other segments (lengths, ``NROWS``, ``NBPP``, ``IDLVL``, ``CLEVEL`` …) is
computed when the file is written, never taken from here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from stacchip_osml.errors import EncodeError

__all__ = [
    "DataExtension",
    "GraphicSegment",
    "NitfFile",
    "NitfImage",
    "ParentImage",
    "StoredPixels",
    "TextSegment",
    "Tre",
    "Version",
    "in_red_green_blue",
    "is_decoded_to_rgb",
]

Version = Literal["NITF02.10", "NSIF01.00"]
"""``FHDR`` and ``FVER`` together."""

Fields = Mapping[str, str]


def _no_fields() -> Fields:
    """Give an empty mapping: Python 3.11 takes no mappingproxy for a default."""
    return MappingProxyType({})


def _no_images() -> Mapping[int, NitfImage]:
    return MappingProxyType({})


TRE_LONGEST = 99_985
"""Bytes of ``CEDATA`` that any tagged record extension may have (MIL-STD-2500C, table A-7)."""


@dataclass(frozen=True, slots=True)
class Tre:
    """A tagged record extension (MIL-STD-2500C, 5.8.1): ``CETAG`` and ``CEDATA``; ``CEL`` follows.

    Raises:
        EncodeError: the tag is not 1 to 6 printable characters, or the data is longer than a TRE may be.
    """

    tag: str
    """``CETAG`` without padding."""
    data: bytes = field(repr=False)
    """``CEDATA``, byte for byte; also of tags that nobody knows."""

    def __post_init__(self) -> None:
        if not (
            1 <= len(self.tag) <= 6 and self.tag.isascii() and self.tag.isprintable() and self.tag == self.tag.strip()
        ):
            raise EncodeError(
                f"CETAG is 1 to 6 printable ASCII characters (MIL-STD-2500C, table A-7), got {self.tag!r}"
            )
        if len(self.data) > TRE_LONGEST:
            raise EncodeError(f"CEL of {self.tag} ends at {TRE_LONGEST} bytes, got {len(self.data)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class DataExtension:
    """A data extension segment (MIL-STD-2500C, 5.8.3): SICD, SIDD, XML, or anything else.

    ``TRE_OVERFLOW`` is none of them: the writer makes and dissolves it.
    """

    fields: Fields
    """``DESID``, ``DESVER`` and the ``DES…`` security fields."""
    user_header: bytes = field(default=b"", repr=False)
    """``DESSHF``, byte for byte (773 bytes for XML_DATA_CONTENT)."""
    data: bytes = field(default=b"", repr=False)
    """``DESDATA``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextSegment:
    """A text segment (MIL-STD-2500C, 5.7)."""

    fields: Fields = field(default_factory=_no_fields)
    """``TEXTID``, ``TXTDT``, ``TXTITL``, ``TXTFMT`` and the ``TS…`` security fields."""
    tres: tuple[Tre, ...] = ()
    data: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StoredPixels:
    """The image data of a segment as it lies in another file: what a copy takes over byte for byte.

    It counts while the image's ``pixels`` are ``provider`` and its fields ask for no other storage (``IC``, ``COMRAT``,
    ``IMODE``, blocking, ``PVTYPE``, ``ABPP`` …); otherwise the pixels are read and encoded anew.
    """

    provider: Any = field(repr=False)
    """The pixels that these bytes are."""
    fields: Fields = field(repr=False)
    """All fields of the subheader that describes them."""
    read: Callable[[int, int], bytes] = field(repr=False)
    """``(offset, size)`` → bytes of the file, fewer at its end."""
    check: Callable[[], object] = field(repr=False)
    """Raises where the file is no longer the one that was read."""
    offset: int
    """Of the image data, mask table included."""
    size: int
    """``LI``."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NitfImage:
    """An image: one segment, or several where its rows exceed what a segment may hold.

    ``fields`` may have any field of the image subheader (``IID1``, ``IDATIM``, ``TGTID``, ``IID2``, ``IS…`` security,
    ``ISORCE``, ``ICAT``, ``IREP``, ``ICORDS``, ``IGEOLO``, ``ICOM1`` …, ``IC``, ``COMRAT``, ``IMODE``, ``NPPBH``,
    ``NPPBV``, ``ABPP``, ``PVTYPE``, ``PJUST``, ``IREPBAND1`` …, ``ISUBCAT1`` …) and the encoder's own hints
    ``J2K_DECOMPOSITION_LEVELS`` and ``J2K_QUALITY_LAYERS``, which are not written.
    """

    pixels: Any
    """An :class:`~stacchip_osml.imagery.providers.protocol.ImageProvider`, read at level 0, block by block."""
    fields: Fields = field(default_factory=_no_fields)
    tres: tuple[Tre, ...] = ()
    """In order; those that do not fit into the subheader go to a ``TRE_OVERFLOW``."""
    stored: StoredPixels | None = None
    """The same pixels as they lie in the file that they were read from."""
    segments: tuple[NitfImage, ...] = ()
    """Those that it was read from, where they are several: a dataset copies them where storage and place stay."""
    has_pad: bool = True
    """Whether stored pixels of the pad value hold nothing; else a masked coding says so only where it must, of blocks
    that are stored in part."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphicSegment:
    """A graphic segment (MIL-STD-2500C, 5.6), copied as it is: ``fields`` are those of its subheader."""

    fields: Fields = field(default_factory=_no_fields)
    tres: tuple[Tre, ...] = ()
    data: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NitfFile:
    """A whole file, ready to be written or as it was read."""

    version: Version = "NITF02.10"
    fields: Fields = field(default_factory=_no_fields)
    """``OSTAID``, ``FDT``, ``FTITLE``, ``FBKGC``, ``ONAME``, ``OPHONE`` and the ``FS…`` security fields."""
    tres: tuple[Tre, ...] = ()
    """Of the file header."""
    images: tuple[NitfImage, ...] = ()
    """One a segment, of a file that was read."""
    joined: Mapping[int, NitfImage] = field(default_factory=_no_images)
    """Products of a file that was read whose segments are several (SICD, SIDD), by the first one's place in ``images``:
    each as one image, which is not written beside its segments."""
    texts: tuple[TextSegment, ...] = ()
    graphics: tuple[GraphicSegment, ...] = ()
    extensions: tuple[DataExtension, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ParentImage:
    """An image segment of a file, with the file: what a chip of it says about where it comes from."""

    file: NitfFile
    index: int = 0
    """Of ``file.images``."""

    @property
    def image(self) -> NitfImage:
        """The segment itself."""
        return self.file.images[self.index]


def is_decoded_to_rgb(fields: Mapping[str, str]) -> bool:
    """Tell whether an image says Y'CbCr, and its decoder gives red, green and blue.

    So does JPEG whose three components are one stream, and JPEG 2000, if the bands are in that order.

    Args:
        fields: of a subheader.
    """
    said = {name: fields.get(name, "").strip() for name in ("IREP", "IC", "IMODE")}
    bands = [fields.get(f"IREPBAND{band}", "").strip() for band in (1, 2, 3)]
    is_one_stream = said["IC"] in {"C8", "I1"} or (said["IC"] in {"C3", "M3"} and said["IMODE"] == "P")
    return said["IREP"] == "YCbCr601" and is_one_stream and bands in (["Y", "Cb", "Cr"], ["", "", ""])


def in_red_green_blue(fields: Mapping[str, str]) -> dict[str, str]:
    """Give fields of an image that say what its decoded pixels are."""
    return {**fields, "IREP": "RGB", **{f"IREPBAND{band}": mark for band, mark in enumerate("RGB", start=1)}}
