"""Option values, parsed where they are given: a wrong one is a usage error with its reason."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import click

from stacchip_osml.app.texts import DEBUG

__all__ = [
    "BANDS",
    "BOX",
    "LEVELS",
    "NAMES",
    "PLACE",
    "QUALITY",
    "ROWS",
    "SIZE",
    "SPAN",
    "WINDOW",
    "ChipFormat",
    "debug_option",
    "drop_crs_option",
    "drop_marking_option",
    "json_option",
]

Command = TypeVar("Command", bound=Callable[..., Any])


class _Parsed(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.2 only
    """A value that one function turns from text into what a command needs."""

    def __init__(self, name: str, parse: Callable[[str], Any]) -> None:
        self.name = name
        self.parse = parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return self.parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:  # noqa: ARG002 - click's
        return self.name


class ChipFormat(click.Choice):  # type: ignore[type-arg]  # as above
    """One of the names, or that of a format which an installed extension registers."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Give the name, in lower case."""
        if str(value).lower() in self.choices:
            return super().convert(value, param, ctx)
        from stacchip_osml.encode import image_format
        from stacchip_osml.errors import EncodeError

        try:
            return image_format(str(value)).name
        except EncodeError as error:
            self.fail(str(error), param, ctx)


class _Place(click.ParamType):  # type: ignore[type-arg]  # as above
    """A path or URL; nothing at all is none, and would be the folder that the program runs in."""

    name = "place"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not str(value).strip():
            self.fail("a path or URL is expected, got nothing", param, ctx)
        return value


def _size(text: str) -> int | tuple[int, int]:
    match = re.fullmatch(r"([1-9][0-9]{0,9})(?:[xX×]([1-9][0-9]{0,9}))?", text)
    if match is None:
        raise ValueError(f"{text!r} is not a number of pixels, N or WIDTHxHEIGHT")
    width, height = match.groups()
    return int(width) if height is None else (int(width), int(height))


def _names(text: str) -> list[str]:
    names = [part.strip() for part in text.split(",")]
    if not all(names) or len(set(names)) != len(names):
        raise ValueError(f"{text!r} is not a list of different names, such as a,b")
    return names


def _levels(text: str) -> list[int]:
    if not re.fullmatch(r"[0-9]{1,2}(,[0-9]{1,2})*", text):
        raise ValueError(f"{text!r} is not a list of levels, such as 0,1")
    levels = [int(part) for part in text.split(",")]
    if len(set(levels)) != len(levels) or max(levels) > 30:
        raise ValueError(f"{text!r}: levels are different numbers from 0 to 30")
    return levels


def _box(text: str) -> tuple[float, ...]:
    try:
        sides = tuple(float(part) for part in text.split(","))
    except ValueError:
        sides = ()
    if len(sides) != 4 or not all(math.isfinite(side) for side in sides):
        raise ValueError(f"{text!r} is not west,south,east,north in degrees")
    if sides[1] > sides[3]:
        raise ValueError(f"{text!r}: south is above north")
    if max(abs(sides[0]), abs(sides[2])) > 180 or max(-sides[1], sides[3]) > 90:
        raise ValueError(f"{text!r} is not in degrees, longitudes from -180 to 180")
    return sides


def _window(text: str) -> tuple[float, ...]:
    try:
        sides = tuple(float(part) for part in text.split(","))
    except ValueError:
        sides = ()
    if len(sides) != 4 or not all(math.isfinite(side) for side in sides) or min(sides[2:]) <= 0 or min(sides) < 0:
        raise ValueError(f"{text!r} is not x,y,width,height in pixels, such as 0,0,512,512")
    return sides


def _bands(text: str) -> tuple[int, ...]:
    if not re.fullmatch(r"[0-9]{1,5}(,[0-9]{1,5})*", text):
        raise ValueError(f"{text!r} is not a list of bands from 0, such as 3,2,1")
    return tuple(int(part) for part in text.split(","))


def _rows(text: str) -> tuple[tuple[int, int], ...]:
    """Parse ``0,5,7-9`` to first and last of each run."""
    runs = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*([0-9]{1,18})(?:-([0-9]{1,18}))?\s*", part)
        if match is None:
            raise ValueError(f"{part!r} is not a row or range of rows, such as 0,5,7-9")
        first = int(match[1])
        last = int(match[2]) if match[2] else first
        if last < first:
            raise ValueError(f"{part!r} ends before it starts")
        runs.append((first, last))
    return tuple(runs)


class Quality(NamedTuple):
    """A quality band, as an option names it."""

    preset: str | None
    """None where codes are given."""
    asset: str | None
    codes: dict[str, tuple[int, ...]]
    """As :class:`stacchip_osml.QualityBand` names them."""
    level: int


def _quality(text: str) -> Quality:
    """Parse ``preset[:asset][@level]``, or ``asset:cloud=1,2:nodata=0[@level]``."""
    whole = re.fullmatch(r"(.+?)(?:@([0-9]{1,2}))?", text)
    parts = whole[1].split(":") if whole else []
    level = int(whole[2] or 0) if whole else 0
    if parts and parts[0] in {"scl", "qa_pixel"} and not any("=" in part for part in parts):
        return Quality(parts[0], ":".join(parts[1:]) or None, {}, level)
    codes = [re.fullmatch(r"(nodata|cloud)(_bits)?=([0-9]{1,5}(?:,[0-9]{1,5})*)", part) for part in parts[1:]]
    found = {f"{code[1]}{code[2] or ''}": tuple(map(int, code[3].split(","))) for code in codes if code}
    if not codes or not parts[0] or len(found) < len(codes):
        raise ValueError(
            f"{text!r} is not scl or qa_pixel, with :ASSET if wanted, nor ASSET with codes or bits such as "
            ":nodata=0:cloud=2,3:cloud_bits=4; @LEVEL may follow"
        )
    return Quality(None, parts[0], found, level)


def _span(text: str) -> dt.timedelta:
    match = re.fullmatch(r"([0-9]{1,7}(?:\.[0-9]{1,6})?)([smhd])", text)
    if match is None:
        raise ValueError(f"{text!r} is not a time such as 14d, 6h, 30m or 90s")
    return float(match[1]) * _UNITS[match[2]]


_UNITS = {
    "s": dt.timedelta(seconds=1),
    "m": dt.timedelta(minutes=1),
    "h": dt.timedelta(hours=1),
    "d": dt.timedelta(days=1),
}
PLACE = _Place()
SIZE = _Parsed("N|WxH", _size)
NAMES = _Parsed("A,B,…", _names)
LEVELS = _Parsed("N,N,…", _levels)
BOX = _Parsed("W,S,E,N", _box)
SPAN = _Parsed("14d|6h|…", _span)
WINDOW = _Parsed("X,Y,W,H", _window)
BANDS = _Parsed("0,1,…", _bands)
ROWS = _Parsed("0,5,7-9", _rows)
QUALITY = _Parsed("scl|qa_pixel[:ASSET]|ASSET:CODES[@LEVEL]", _quality)


def debug_option(command: Command) -> Command:
    """Let ``--debug`` stand after a command as well as before it."""

    def remember(ctx: click.Context, _: click.Parameter, value: bool) -> None:
        if value:
            ctx.meta[DEBUG] = True

    return click.option("--debug", is_flag=True, expose_value=False, callback=remember, hidden=True)(command)


def drop_marking_option(command: Command) -> Command:
    """Add ``--drop-marking``."""
    text = "Go on where the format has no place for a security marking."
    return click.option("--drop-marking", is_flag=True, help=text)(command)


def drop_crs_option(command: Command) -> Command:
    """Add ``--drop-crs``."""
    text = "Go on where a GeoTIFF or JP2 cannot say the CRS; its transform stays."
    return click.option("--drop-crs", is_flag=True, help=text)(command)


def json_option(command: Command) -> Command:
    """Add ``--json``."""
    return click.option("--json", "as_json", is_flag=True, help="Write one JSON document to stdout.")(command)
