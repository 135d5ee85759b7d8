"""Pyramids whose levels are files side by side (R-sets), or image segments of one NITF file.

A file or segment is a level of another only if its sides are those of the
other halved some number of times, rounded up or down, and if it has the same
bands and type: an old ``.r1`` of another image is refused, not shown.
"""

from __future__ import annotations

from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

from stacchip_osml.imagery.blocks.files import LocalFile
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.imagery.blocks.layout import ImageLayout, LevelLayout
from stacchip_osml.imagery.header import BandHeader, ImageHeader
from stacchip_osml.imagery.limits import ReadLimits
from stacchip_osml.imagery.nitf.blocks import parse_nitf_segments
from stacchip_osml.pixel import ImageSize
from stacchip_osml.pixel.arguments import of_kind

__all__ = ["LevelSegment", "find_rset", "open_rset", "open_segments"]


class LevelSegment(BlockImage):
    """One image segment of a NITF file, not the first; what is no pixel is the first one's."""

    def __init__(self, location: str, segment: int, *, layout: ImageLayout, header: ImageHeader) -> None:
        """Name the segment.

        Args:
            location: absolute path.
            segment: from 0, in the order of the file.
            layout: of the segment.
            header: of the segment.
        """
        super().__init__(location, layout=layout, header=header)
        self.segment = segment

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(LevelSegment, self.location, self.segment, layout=self.layout, header=self.header), ()

    def __repr__(self) -> str:
        return f"LevelSegment({self.name!r}, {self.segment})"

    @property
    def key(self) -> str:
        """The location, and which segment."""
        return f"{self.location}:image:{self.segment}"

    @property
    def version(self) -> tuple[object, ...]:
        """What no other version of this file, no other file and no other segment has."""
        return *super().version, self.segment


def find_rset(path: str | Path) -> tuple[Path, ...]:
    """Find the files of an R-set by their names.

    Beside ``a.ntf`` they are ``a.ntf.r1``, ``a.ntf.r2`` … or ``a.r1``, ``a.r2`` …, beside ``a.ntf.r0`` and ``a.r0``
    the same name with another number; ``R1`` is found like ``r1``.

    Args:
        path: of the finest level.

    Returns:
        It and its levels, up to the first number that is missing; it alone where there are none.
    """
    finest = Path(of_kind("path", path, (str, PathLike), "a path"))
    if not finest.name:
        raise ValueError(f"path must name a file, got {path!r}")
    stems = [finest.with_suffix("")] if finest.suffix.lower() == ".r0" else [finest, finest.with_suffix("")]
    for stem in stems:
        found: list[Path] = []
        while (level := _numbered(stem, len(found) + 1)) is not None:
            found.append(level)
        if found:
            return finest, *found
    return (finest,)


def open_rset(*paths: str | Path) -> list[BlockImage]:
    """Open the files of an R-set.

    Args:
        paths: all, from fine to coarse; or the finest alone, and the others are found by :func:`find_rset`.

    Returns:
        One image a file.

    Raises:
        ValueError: no path, or a file that is no smaller image of the first.
        ReadError: a file that is missing, or no image.
    """
    if not paths:
        raise ValueError("an R-set needs at least the file of its finest level")
    files = find_rset(paths[0]) if len(paths) == 1 else tuple(Path(path) for path in paths)
    images = [BlockImage(str(file.absolute())) for file in files]
    for image in images[1:]:
        if not _is_level(image.header, images[0].header):
            raise ValueError(
                f"{image.name} is no smaller image of {images[0].name}: "
                f"{_told(image.header)} and {_told(images[0].header)}"
            )
    return images


def open_segments(path: str | Path) -> list[BlockImage]:
    """Find the image segments of a NITF file that are smaller images of its first.

    Segments of other sizes, bands or types are other images and left out; so are those that the block reader does not
    serve, and all but the first of one size.

    Args:
        path: of a local file.

    Returns:
        The first image segment and its levels, from fine to coarse.

    Raises:
        ReadError: it is missing, or no NITF file.
        LimitError: the first image is larger than :class:`ReadLimits` allows.
    """
    location = str(Path(path).absolute())
    base, file = BlockImage(location), LocalFile(location)
    layouts = parse_nitf_segments(file.read_at, name=base.name, limits=ReadLimits(), size=file.size)
    levels: dict[ImageSize, LevelSegment] = {}
    for segment, layout in enumerate(layouts):
        finest = layout.levels[0]
        if segment == 0 or not isinstance(finest, LevelLayout):
            continue
        header = _header_of(finest, layout.pad)
        if _is_level(header, base.header) and finest.size not in levels:
            levels[finest.size] = LevelSegment(location, segment, layout=ImageLayout(levels=(finest,)), header=header)
    return [base, *(levels[size] for size in sorted(levels, reverse=True))]


def _numbered(stem: Path, number: int) -> Path | None:
    for letter in "rR":
        path = stem.with_name(f"{stem.name}.{letter}{number}")
        if path.is_file():
            return path
    return None


def _header_of(level: LevelLayout, pad: float | complex | None) -> ImageHeader:
    return ImageHeader(
        driver="NITF",
        levels=(level.size,),
        bands=(BandHeader(dtype=level.codec.kind.name, nodata=pad),) * level.bands,
        block_shape=level.block_shape,
        mask="none" if pad is None else "nodata",
    )


def _is_level(header: ImageHeader, base: ImageHeader) -> bool:
    """Tell whether one image may be another, halved some times."""
    kinds, expected = ([band.dtype for band in each.bands] for each in (header, base))
    (width, height), (full_width, full_height) = header.size, base.size
    return kinds == expected and any(
        width in {max(full_width >> halvings, 1), -(-full_width >> halvings)}
        and height in {max(full_height >> halvings, 1), -(-full_height >> halvings)}
        for halvings in range(1, max(full_width, full_height).bit_length() + 1)
    )


def _told(header: ImageHeader) -> str:
    return f"{header.size.width} x {header.size.height} pixels, {len(header.bands)} bands of {header.bands[0].dtype}"
