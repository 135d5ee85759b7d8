"""The image files that a chip can become: one table, one function.

A new format is a row of ``FORMATS`` and a file with its encoder; one of a caller's
own is a row that ``register_format`` adds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from stacchip_osml.encode.chip import Chip
from stacchip_osml.encode.jpeg2000.chip import encode_j2k, encode_jhc, encode_jp2, encode_jph
from stacchip_osml.encode.nitf.chip_encoders import encode_nitf, encode_nsif
from stacchip_osml.encode.option_kinds import require_kinds
from stacchip_osml.encode.pictures.chip import encode_jpeg, encode_png
from stacchip_osml.encode.tiff.chip import encode_geotiff
from stacchip_osml.errors import ChipError, EncodeError
from stacchip_osml.extensions import load_extensions
from stacchip_osml.imagery.turns import CORES

__all__ = ["FORMATS", "ImageFormat", "encode_chip", "image_format", "register_format", "require_fields"]

OVERRIDES = "overrides"
"""An encoder's keyword argument for fields of its format; how the rows that have it tell that they do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFormat:
    """One kind of image file."""

    name: str
    """Canonical name."""
    aliases: tuple[str, ...]
    """Other names that mean the same."""
    extensions: tuple[str, ...]
    """File name endings; the first is written."""
    media_type: str
    """As STAC assets name it."""
    options: frozenset[str]
    """Keyword arguments of the encoder."""
    encode: Callable[..., bytes]
    """Chip and options → file bytes."""

    @property
    def takes_overrides(self) -> bool:
        """Whether fields of the file may be given: the option ``overrides``."""
        return OVERRIDES in self.options


def _format(
    name: str, aliases: tuple[str, ...], extensions: tuple[str, ...], media_type: str, encode: Callable[..., bytes]
) -> ImageFormat:
    options = frozenset(getattr(encode, "__kwdefaults__", None) or ())
    return ImageFormat(
        name=name, aliases=aliases, extensions=extensions, media_type=media_type, options=options, encode=encode
    )


FORMATS: dict[str, ImageFormat] = {
    row.name: row
    for row in (
        _format("png", (), (".png",), "image/png", encode_png),
        _format("jpeg", ("jpg",), (".jpg", ".jpeg"), "image/jpeg", encode_jpeg),
        _format(
            "geotiff",
            ("gtiff", "tif", "tiff"),
            (".tif", ".tiff"),
            "image/tiff; application=geotiff",
            encode_geotiff,
        ),
        _format("nitf", ("ntf", "nitf21", "nitf2.1"), (".ntf", ".nitf"), "application/vnd.nitf", encode_nitf),
        _format("jp2", ("jpeg2000",), (".jp2",), "image/jp2", encode_jp2),
        _format("j2k", (), (".j2k",), "image/j2c", encode_j2k),
        _format("jph", ("htj2k",), (".jph",), "image/jph", encode_jph),
        _format("jhc", (), (".jhc",), "image/jphc", encode_jhc),
        _format("nsif", ("nsf", "nsif10", "nsif1.0"), (".nsf", ".nsif"), "application/vnd.nitf", encode_nsif),
    )
}
"""Canonical name → format."""

NAMES = {alias: row for row in FORMATS.values() for alias in (row.name, *row.aliases)}


_OWN = frozenset(NAMES)


def register_format(
    name: str,
    encode: Callable[..., bytes],
    *,
    extensions: Sequence[str],
    media_type: str = "application/octet-stream",
    aliases: Sequence[str] = (),
) -> ImageFormat:
    """Make a format of your own known to this process, so that chips can be written in it by its name.

    The command line knows it where an installed extension registers it (entry-point group ``stacchip_osml``).

    Args:
        name: in lower case; none of this package's.
        encode: chip → the whole file. Its keyword arguments with defaults are the options that it takes; one that is
            called ``overrides`` gets the fields that a caller gives.
        extensions: file name endings with their dot; the first is written.
        media_type: as STAC assets name it.
        aliases: other names that mean the same.

    Raises:
        EncodeError: a name is taken or not in lower case, or there is no ending.
    """
    if isinstance(extensions, str) or not extensions or not all(ending.startswith(".") for ending in extensions):
        raise EncodeError(f"format {name!r} needs a list of file name endings with a dot, got {extensions!r}")
    row = _format(name, tuple(aliases), tuple(extensions), media_type, encode)
    for each in (name, *row.aliases):
        if each != each.lower() or not each or each.startswith("."):
            raise EncodeError(f"a format's name is in lower case and without a dot, got {each!r}")
        if each in _OWN or NAMES.get(each, row) != row:
            raise EncodeError(f"the format name {each!r} is taken")
    FORMATS[name] = row
    NAMES.update(dict.fromkeys((name, *row.aliases), row))
    return row


def image_format(name: str) -> ImageFormat:
    """Look a format up by any of its names, in any case, with or without a leading dot.

    Raises:
        EncodeError: the name is not known.
    """
    if not isinstance(name, str):
        raise EncodeError(f"a format is named by text, got {name!r}")
    key = name.lower().removeprefix(".")
    if key not in NAMES:
        failed = load_extensions()
        if key not in NAMES:
            raise EncodeError(f"unknown image format {name!r}; choose one of {', '.join(NAMES)}{failed}")
    return NAMES[key]


def require_fields(format: str, overrides: Mapping[str, Any] | None, options: Iterable[str]) -> ImageFormat:  # noqa: A002
    """Look a format up and check that it knows what is asked of it, before any pixel is read.

    Raises:
        EncodeError: the format is not known, has no such option, or no fields that could be given.
    """
    row = image_format(format)
    if unknown := sorted(str(name) for name in options if name not in row.options or name == OVERRIDES):
        allowed = ", ".join(sorted(row.options - {OVERRIDES}))
        raise EncodeError(f"{row.name} has no option {', '.join(unknown)}; it has {allowed}")
    if not isinstance(overrides, Mapping | None):
        raise EncodeError(f"fields are given by name, as a mapping; got {overrides!r:.60}")
    if overrides and not row.takes_overrides:
        raise EncodeError(f"{row.name} has no fields that could be given; got {', '.join(sorted(map(str, overrides)))}")
    return row


def encode_chip(
    chip: Chip,
    format: str,  # noqa: A002 - the everyday word for it
    *,
    overrides: Mapping[str, Any] | None = None,
    **options: Any,
) -> bytes:
    """Write a chip as a standalone image file, in memory.

    Args:
        chip: the pixels and all that describes them.
        format: a name or alias of ``FORMATS``: ``png``, ``jpeg``, ``geotiff``, ``nitf``, ``jp2``, ``jph`` …
        overrides: fields of the file that come before those that the chip has, for formats that have such fields;
            copied, never changed.
        **options: of the format's encoder: :func:`~stacchip_osml.encode.pictures.chip.encode_png`,
            :func:`~stacchip_osml.encode.pictures.chip.encode_jpeg`,
            :func:`~stacchip_osml.encode.tiff.chip.encode_geotiff`,
            :func:`~stacchip_osml.encode.nitf.chip_encoders.encode_nitf`,
            :func:`~stacchip_osml.encode.jpeg2000.chip.encode_jp2`; None is as good as not given.

    Returns:
        The whole file.

    Raises:
        EncodeError: the format or an option is not known, the format cannot carry this chip or these fields, or a
            caller's own encoder failed.
    """
    row = require_fields(format, overrides, options)
    if overrides:
        options[OVERRIDES] = MappingProxyType(dict(overrides))
    if row.name not in _OWN:
        return _encoded(row, chip, options)
    require_kinds(options)
    given = {name: value for name, value in options.items() if value is not None}
    with CORES:
        return row.encode(chip, **given)


def _encoded(row: ImageFormat, chip: Chip, options: Mapping[str, Any]) -> bytes:
    """Call a caller's own encoder; what goes wrong there is told by the format's name, with its cause."""
    try:
        data: Any = row.encode(chip, **options)
    except (ChipError, MemoryError):
        raise
    except Exception as error:  # whatever code of one's own raises: told once
        raise EncodeError(f"format {row.name!r} failed with {type(error).__name__}: {error}") from error
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise EncodeError(f"format {row.name!r} must give bytes, it gave {type(data).__name__}")
    return bytes(data)
