"""Markings of the images that a chip is cut from: none is lost, in a file without a place for one, or among several.

A chip of one image has that image's marking in NITF (``security``). One of several images has the first one's: the
others must not be marked higher, or otherwise than the caller says.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stacchip_osml.encode.nitf.parent import parent_of
from stacchip_osml.encode.nitf.records import ParentImage
from stacchip_osml.encode.nitf.security import RANK, require_no_less
from stacchip_osml.encode.nitf.tables import security_names
from stacchip_osml.errors import EncodeError

__all__ = ["require_marks"]

MARKED = frozenset(("nitf", "nsif"))
"""Formats that say a marking."""


def require_marks(
    images: Mapping[str, Any],
    *,
    kind: str,
    overrides: Mapping[str, Any],
    drop_marking: bool,
) -> None:
    """Refuse to write a chip whose file would be less marked than an image that it is cut from.

    Args:
        images: asset → provider, in the order of the bands.
        kind: canonical name of the chip's format.
        overrides: fields that the caller gives.
        drop_marking: let markings be lost where the format has no place for one.

    Raises:
        EncodeError: naming the asset and the field.
        ReadError: the headers of an image could not be read.
    """
    if kind not in MARKED:
        if not drop_marking:
            for asset, provider in images.items():
                _require_none(asset, parent_of(provider), kind)
        return
    if len(images) < 2:
        return
    first, *others = ((asset, parent_of(provider)) for asset, provider in images.items())
    of_image = _said("I", first[1], overrides)
    of_file = _said("F", first[1], overrides)
    # a file is marked as its segment where it says nothing, and never below it (file_marking)
    of_file = {name: text or of_image[f"I{name[1:]}"] for name, text in of_file.items()}
    of_file["FSCLAS"] = max(of_file["FSCLAS"], of_image["ISCLAS"], key=lambda letter: RANK.get(letter, -1))
    for prefix, said in (("I", of_image), ("F", of_file)):
        for asset, parent in others:
            try:
                require_no_less(prefix, said, _marks(prefix, parent))
            except EncodeError as error:
                raise EncodeError(f"asset {asset}, cut together with {first[0]}: {error}; give its fields") from error


def _said(prefix: str, parent: ParentImage | None, overrides: Mapping[str, Any]) -> dict[str, str]:
    """Give the security fields that a chip of an image has, empty ones too."""
    names = security_names(prefix)
    own = {name: str(overrides[name] or "") for name in names if name in overrides}
    return {**dict.fromkeys(names, ""), **_marks(prefix, parent), **own}


def _require_none(asset: str, parent: ParentImage | None, kind: str) -> None:
    found = {f"{prefix}SCLAS": _marks(prefix, parent).get(f"{prefix}SCLAS", "").strip() or "U" for prefix in "IF"}
    marked = [f"{name} {mark}" for name, mark in found.items() if mark != "U"]
    if marked:
        raise EncodeError(
            f"asset {asset} is marked {', '.join(marked)}, and {kind} has no place for a marking: write nitf, or "
            "drop it with drop_marking= (--drop-marking)"
        )


def _marks(prefix: str, parent: ParentImage | None) -> dict[str, str]:
    """Give the security fields of an image (``I``) or its file (``F``)."""
    if parent is None:
        return {}
    fields = parent.image.fields if prefix == "I" else parent.file.fields
    return {name: fields.get(name, "") for name in security_names(prefix)}
