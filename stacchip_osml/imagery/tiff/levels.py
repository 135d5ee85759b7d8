"""Where the blocks of a TIFF or BigTIFF are: its directories as levels and masks.

Rules:

- the first directory is R0. Which of the others are its levels and masks is
  decided as GDAL does (``NewSubfileType``: bit 0 reduced, bit 2 mask; as many
  bands as R0; at most 30), so that both readers number levels alike;
- what libtiff repairs without guessing is repaired alike: absent sizes of
  uncompressed strips, block tables that are too short (the rest is absent),
  one large uncompressed strip (read as strips of 8 KiB);
- a level that cannot be served is kept as ``Unserved``, so that the others can.

It must not know how blocks are decoded.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from typing import NamedTuple

from stacchip_osml.errors import DecodeError
from stacchip_osml.imagery.blocks.layout import ImageLayout, LevelLayout, ReadAt, Unserved
from stacchip_osml.imagery.blocks.read_ahead import NotServedError
from stacchip_osml.imagery.limits import ReadLimits
from stacchip_osml.imagery.tiff.blocks import OFFSET_TAGS, level_of
from stacchip_osml.imagery.tiff.codec import (
    ImageTags,
    codec_of,
    delivered_bands,
    delivers_bytes,
    image_tags,
    is_known,
)
from stacchip_osml.imagery.tiff.ifd import Directory, TiffBytes
from stacchip_osml.pixel import ImageSize

__all__ = ["layout_of", "masked_sizes", "parse_tiff", "parse_tiff_directory"]

MAX_OVERVIEWS = 30
MAX_SUBS = 1 << 9
SUB_IFDS = 330
REDUCED, MASK = 1, 4


class _Image(NamedTuple):
    """A directory that holds an image."""

    directory: Directory
    tags: ImageTags


def parse_tiff(read: ReadAt, *, name: str, limits: ReadLimits, size: int | None = None) -> ImageLayout:
    """Read where the blocks of all levels of a TIFF are.

    Args:
        read: gives the file's bytes; called once for a usual COG.
        name: of the file, for messages.
        limits: refused above these.
        size: of the file in bytes, where known; nothing past it is asked for.

    Returns:
        R0, then the others from fine to coarse, in the file's order where two have as many pixels; one level that is
        not served where the directories take too much reading.

    Raises:
        DecodeError: not a TIFF, or its first directory or R0's block table is cut short or contradicts itself.
        LimitError: R0 is larger than ``limits``.
        ReadError: as ``read``.
    """
    try:
        return layout_of(TiffBytes(read, name=name, size=size), limits)
    except NotServedError as left:
        return ImageLayout(levels=(Unserved(reason=str(left)),))


def parse_tiff_directory(
    read: ReadAt, number: int, *, name: str, limits: ReadLimits, size: int | None = None
) -> ImageLayout:
    """Read where the blocks of one directory's image are, without levels and masks.

    Args:
        read: gives the file's bytes.
        number: of the directory in the file's chain, from 1.
        name: of the file, for messages.
        limits: refused above these.
        size: of the file in bytes, where known; nothing past it is asked for.

    Raises:
        DecodeError: there is no such directory, or it is cut short or contradicts itself.
        LimitError: its image is larger than ``limits``.
        ReadError: as ``read``.
    """
    try:
        file = TiffBytes(read, name=name, size=size)
        directory = next(islice(file.chain(), number - 1, None), None)
        if directory is None:
            raise DecodeError(f"{name}: has no directory {number}")
        image = _image(file, directory)
        limits.require_image(name, image.tags.size, delivered_bands(image.tags))
        return ImageLayout(levels=(_level(file, image, None, limits),))
    except NotServedError as left:
        return ImageLayout(levels=(Unserved(reason=str(left)),))


def layout_of(file: TiffBytes, limits: ReadLimits) -> ImageLayout:
    """Read the directories, then the block tables of those that count; see ``parse_tiff``.

    Raises:
        NotServedError: the directories take too much reading.
        ReadError: as ``parse_tiff``.
    """
    chain = file.chain()
    base = _image(file, next(chain))
    limits.require_image(file.name, base.tags.size, delivered_bands(base.tags))
    levels, masks = _levels(file, base, chain)
    found = [_level(file, base, masks[0], limits)]
    dtype = found[0].codec.dtype if isinstance(found[0], LevelLayout) else None
    coarse = sorted(
        zip(levels[1:], masks[1:], strict=True), key=lambda pair: -pair[0].tags.size.width * pair[0].tags.size.height
    )
    for image, mask in coarse:
        found.append(_overview(file, image, mask, limits=limits, dtype=dtype))
    return ImageLayout(levels=tuple(found))


def masked_sizes(read: ReadAt, *, name: str, size: int | None = None) -> frozenset[ImageSize]:
    """Tell the sizes of the levels that have a mask of their own in the file.

    Args:
        read: gives the bytes of a TIFF.
        name: for messages.
        size: of the file in bytes, where known.

    Raises:
        NotServedError: the directories take too much reading.
        ReadError: as ``parse_tiff``.
    """
    file = TiffBytes(read, name=name, size=size)
    chain = file.chain()
    levels, masks = _levels(file, _image(file, next(chain)), chain)
    return frozenset(level.tags.size for level, mask in zip(levels, masks, strict=True) if mask is not None)


def _image(file: TiffBytes, directory: Directory) -> _Image:
    """Read what a directory says of its image.

    Raises:
        DecodeError: it holds none, or contradicts itself.
    """
    if not any(tag in directory.fields for tag in OFFSET_TAGS):
        raise DecodeError(f"{file.name}: a directory without the positions of an image's blocks")
    return _Image(directory, image_tags(file, directory))


def _others(file: TiffBytes, base: _Image, chain: Iterator[Directory]) -> Iterator[_Image]:
    """Give the images that may belong to R0: its sub-directories, then those that follow and have none themselves.

    The first that cannot be read ends the search, as in GDAL.
    """
    subs = base.directory.fields.get(SUB_IFDS)
    with suppress(DecodeError):
        for offset in () if subs is None else file.numbers(subs, most=MAX_SUBS).tolist():
            yield _image(file, file.directory(offset))
    with suppress(DecodeError):
        for directory in chain:
            image = _image(file, directory)
            if SUB_IFDS not in directory.fields:
                yield image


def _levels(file: TiffBytes, base: _Image, chain: Iterator[Directory]) -> tuple[list[_Image], list[_Image | None]]:
    """Find R0, its overviews in the file's order, and the mask of each."""
    levels: list[_Image] = [base]
    masks: list[_Image | None] = [None]
    bands = delivered_bands(base.tags)
    for image in _others(file, base, chain):
        tags = image.tags
        if not is_known(tags):
            continue
        if tags.kind & MASK:
            if delivers_bytes(tags) and tags.samples in (1, bands):
                places = range(1, len(levels)) if tags.kind & REDUCED else range(1)
                free = (place for place in places if masks[place] is None and levels[place].tags.size == tags.size)
                for place in islice(free, 1):
                    masks[place] = image
        elif tags.kind & REDUCED and len(levels) <= MAX_OVERVIEWS and tags.samples == bands:
            levels.append(image)
            masks.append(None)
    return levels, masks


def _overview(
    file: TiffBytes, image: _Image, mask: _Image | None, *, limits: ReadLimits, dtype: str | None
) -> LevelLayout | Unserved:
    """Describe one overview; what is wrong with it leaves the other levels as they are."""
    try:
        level = _level(file, image, mask, limits)
    except DecodeError as error:
        return Unserved(reason=str(error))
    if isinstance(level, LevelLayout) and dtype not in (None, level.codec.dtype):
        return Unserved(reason=f"an overview of {level.codec.dtype} where R0 is {dtype}")
    return level


def _level(file: TiffBytes, image: _Image, mask: _Image | None, limits: ReadLimits) -> LevelLayout | Unserved:
    """Describe one level with its mask.

    Raises:
        DecodeError: its block table is cut short.
    """
    codec = codec_of(image.tags, order=file.order)
    if isinstance(codec, Unserved):
        return codec
    level = level_of(file, image.directory, image.tags, codec, limits=limits)
    if mask is None or isinstance(level, Unserved):
        return level
    if mask.tags.samples > 1:
        return Unserved(reason=f"a mask of {mask.tags.samples} bands")
    holes = _level(file, mask, None, limits)
    return (
        Unserved(reason=f"its mask has {holes.reason}") if isinstance(holes, Unserved) else replace(level, mask=holes)
    )
