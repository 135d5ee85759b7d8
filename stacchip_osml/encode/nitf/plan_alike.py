"""Plans of files like an earlier one: chips of one image have headers of a hundred fields, of which a few differ.

Two files of one image that is an array are alike where all that decides what is written is the same: every
field but those of ``TEXTS``, how pixels are stored, and how long TREs and user headers are. The later one's texts,
TREs and lengths are put into a copy of the earlier one's bytes, checked as they are the first time. Without this,
headers take longer than the pixels of a chip, and hold the GIL.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple

from stacchip_osml.encode.nitf.chip_pixels import ChipPixels
from stacchip_osml.encode.nitf.fields_alike import TEXTS, SharedFields, names_and_texts
from stacchip_osml.encode.nitf.image_parts import ImagePart
from stacchip_osml.encode.nitf.pixels import PreparedSegment
from stacchip_osml.encode.nitf.pixels_blocking import Blocking
from stacchip_osml.encode.nitf.pixels_source import source_of
from stacchip_osml.encode.nitf.pixels_storage import Storage
from stacchip_osml.encode.nitf.plan import FilePlan, moment, plan_file, require_length
from stacchip_osml.encode.nitf.records import NitfFile
from stacchip_osml.encode.nitf.tre_bytes import AREA_BYTES, tres_bytes

__all__ = ["planned"]

KEPT = 64
"""Plans that are held, without their pixels."""
FDT_AT, LD_AT = 25, 395
"""First byte of ``FDT``, and of the first ``LD`` in the header of a file of one image without graphics and texts."""
EXTENSION = 13
"""Bytes of the file header that a data extension takes, its length the last nine."""


class _Likeness(NamedTuple):
    """What files that are planned alike have in common, and what this one has of its own."""

    key: tuple[Any, ...]
    texts: dict[str, str]
    """Of the image subheader."""
    file_tres: bytes
    pixels: ChipPixels


@dataclass(frozen=True, slots=True, eq=False)
class _Kept:
    """A plan, and how its image is stored."""

    plan: FilePlan
    """Without images and data."""
    where: str
    fields: dict[str, str]
    storage: Storage
    blocking: Blocking
    most_bytes: int

    def part(self, pixels: ChipPixels) -> ImagePart:
        """Give the segment of another image."""
        segment = PreparedSegment(self.storage, self.blocking, source_of(pixels, self.storage), self.most_bytes)
        return ImagePart(
            where=self.where,
            fields=self.fields,
            given=frozenset(),
            tres=(),
            write=segment.write,
            size=segment.size,
            segment=segment,
        )


_kept: dict[tuple[Any, ...], _Kept] = {}


def planned(file: NitfFile, now: datetime) -> FilePlan:
    """Plan a file; see :func:`~stacchip_osml.encode.nitf.plan.plan_file`."""
    like = _likeness(file)
    if like is None:
        return plan_file(file, now)
    kept = _kept.get(like.key)
    if kept is not None:
        return _again(kept, file, like, now)
    plan = plan_file(file, now)
    if len(plan.parts) == 1 and not plan.overflows:
        _keep(like.key, plan)
    return plan


def _likeness(file: NitfFile) -> _Likeness | None:
    """Find what a file has in common with others; None where it is of no kind that is written often."""
    if len(file.images) != 1 or file.graphics or file.texts:
        return None
    image = file.images[0]
    pixels = image.pixels
    if type(pixels) is not ChipPixels or image.stored is not None:
        return None
    tres, file_tres = tres_bytes(image.tres), tres_bytes(file.tres)
    if max(len(tres), len(file_tres)) > AREA_BYTES:
        return None
    fields = image.fields
    if type(fields) is SharedFields and file.fields is fields.common.file:
        alike, texts = fields.common.likeness, dict(fields.texts)
    else:
        texts = {name: text for name, text in fields.items() if name in TEXTS}
        others = {name: text for name, text in fields.items() if name not in TEXTS}
        alike = names_and_texts(others), names_and_texts(file.fields)
    described = [names_and_texts(extension.fields) for extension in file.extensions]
    if alike is None or None in alike or None in described:
        return None
    names = tuple(texts)
    if tres:
        texts["IXSHD"] = tres.decode("latin-1")
    headers = tuple(len(extension.user_header) for extension in file.extensions)
    key = (file.version, names, len(tres), len(file_tres), headers, pixels.likeness, alike, *described)
    return _Likeness(key, texts, file_tres, pixels)


def _keep(key: tuple[Any, ...], plan: FilePlan) -> None:
    part = plan.parts[0]
    segment = part.segment
    if segment is None:
        return
    bare = replace(plan, parts=[], extensions=[(head, b"") for head, _ in plan.extensions])
    if len(_kept) >= KEPT:
        _kept.clear()
    _kept[key] = _Kept(bare, part.where, part.fields, segment.storage, segment.blocking, segment.most_bytes)


def _again(kept: _Kept, file: NitfFile, like: _Likeness, now: datetime) -> FilePlan:
    """Plan a file like the kept one.

    Raises:
        EncodeError: a text breaks a rule.
    """
    plan = kept.plan
    head = bytearray(plan.head)
    if "FDT" not in file.fields:
        head[FDT_AT : FDT_AT + 14] = moment(now.replace(microsecond=0)).encode("ascii")
    if like.file_tres:  # they stand at the header's end
        head[-len(like.file_tres) :] = like.file_tres
    extensions = []
    for number, (extension, (before, _)) in enumerate(zip(file.extensions, plan.extensions, strict=True)):
        header, data = extension.user_header, extension.data  # the user header stands at the subheader's end
        require_length("LD", number + 1, data)
        at = LD_AT + number * EXTENSION
        head[at : at + 9] = b"%09d" % len(data)
        extensions.append((before[: len(before) - len(header)] + header, data))
    return FilePlan(
        parts=[kept.part(like.pixels)],
        subheaders=[plan.subheaders[0].changed(like.texts, where=kept.where)],
        head=bytes(head),
        level=plan.level,
        graphics=plan.graphics,
        texts=plan.texts,
        extensions=extensions,
    )
