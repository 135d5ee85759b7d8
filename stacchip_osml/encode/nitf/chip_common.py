"""Fields that chips of one kind have in common: put together, and their markings compared, once for thousands.

A kind is all that decides these fields: the image that chips are cut from, what was
chosen of it, and what the caller says. Windows, corners, names and comments are a chip's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from stacchip_osml.encode.nitf.chip_fields import ChipKind, kind_fields, sicd_storage, without_bits
from stacchip_osml.encode.nitf.chip_overrides import Overrides
from stacchip_osml.encode.nitf.fields_alike import TEXTS, CommonFields, SharedFields, names_and_texts
from stacchip_osml.encode.nitf.records import NitfFile, NitfImage
from stacchip_osml.encode.nitf.security import require_no_less
from stacchip_osml.encode.nitf.tables import FILE_FIELDS
from stacchip_osml.encode.nitf.types_known import require_known
from stacchip_osml.pixel import ImageSize

__all__ = ["Stored", "common_fields", "with_texts"]

PARENTS = tuple(name for name in FILE_FIELDS if name != "FDT")
"""Fields of the parent's header that a chip's has, too."""
MASKED = {"NC": "NM", "CD": "MD"}
KINDS = 128
"""Of which fields are held."""
IID1 = {"SICD": "SICD000", "SIDD": "SIDD001001"}

Said = tuple[tuple[tuple[str, str], ...], tuple[tuple[str, str], ...], frozenset[str]]


class Stored(NamedTuple):
    """What decides common fields besides image and bands."""

    product: str | None
    """``SICD`` or ``SIDD``, where the chip still is one."""
    sicd_size: ImageSize | None
    """Of a SICD's chip."""
    icords: str | None
    """``ICORDS``, where the chip has a place."""
    pad: float | None
    """The pad pixel; None where every pixel holds something."""


def common_fields(
    file: NitfFile | None, image: NitfImage | None, kind: ChipKind, stored: Stored, said: Overrides
) -> tuple[CommonFields, Mapping[str, str]]:
    """Give the fields of chips of a kind, and those of their image that chips have unless they have others.

    Args:
        file: that the image is of; None where it is no NITF.
        image: that they were cut from, or that tells their names and markings.
        kind: of chip.
        stored: how its file is.
        said: by the caller.

    Raises:
        EncodeError: what is said marks less than the image, or readers do not know the type.
    """
    own = tuple((name, text) for name, text in said.image.items() if name not in TEXTS), tuple(said.file.items())
    if all(type(text) is str for fields in own for _, text in fields):  # others are equal, and stored otherwise
        return _kept(file, image, kind, stored, (*own, said.without))
    return _made(file, image, kind, stored, (*own, said.without))


def with_texts(common: CommonFields, texts: Mapping[str, str], said: Overrides) -> SharedFields:
    """Join common fields, and a chip's own texts under those that the caller says."""
    own = {name: text for name, text in texts.items() if name not in said.without} if said.without else dict(texts)
    for name, text in said.image.items():
        if name in TEXTS and name not in said.without:
            own[name] = text
    return SharedFields(common, own)


def _made(
    file: NitfFile | None, image: NitfImage | None, kind: ChipKind, stored: Stored, said: Said
) -> tuple[CommonFields, Mapping[str, str]]:
    fields = kind_fields(image, kind)
    if stored.product is not None:
        fields["IID1"] = IID1[stored.product]
    if stored.sicd_size is not None:
        fields |= sicd_storage(stored.sicd_size)
    if stored.icords is not None:
        fields["ICORDS"] = stored.icords
    if stored.pad is not None:
        fields = without_bits(fields, stored.pad) | {"IC": MASKED.get(fields["IC"], fields["IC"])}
    texts = {name: fields.pop(name) for name in tuple(fields) if name in TEXTS}
    headers = {} if file is None else {name: file.fields[name] for name in PARENTS if name in file.fields}
    of_image, of_file, without = said
    fields, headers = _said(fields, dict(of_image), without), _said(headers, dict(of_file), without)
    require_known(kind.dtype.name, fields)
    alike = names_and_texts(fields), names_and_texts(headers)
    return CommonFields(fields, headers, None if None in alike else alike), texts


_kept = lru_cache(maxsize=KINDS)(_made)


def _said(fields: Mapping[str, str], own: Mapping[str, str], without: frozenset[str]) -> dict[str, str]:
    """Put the caller's fields over the others, but never a lower marking."""
    marks = {**dict.fromkeys(without), **own}
    for prefix in "IF":
        require_no_less(prefix, marks, fields)
    merged = {name: text for name, text in {**fields, **own}.items() if name not in without}
    if "IC" in own and "COMRAT" not in own:
        merged.pop("COMRAT", None)
    return merged
