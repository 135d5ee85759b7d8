"""One STAC item: its document exactly as given, and where it came from.

Nothing is migrated, completed or reordered: whatever an item says is what is
stored, so that an index gives the same items back. Only what every item must
have is required here; what its images need is another file's business.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from json import JSONEncoder
from typing import Any

from stacchip_osml.errors import ItemError, redact

__all__ = ["StacItem", "parse_datetime"]

_ONE_TEXT = JSONEncoder(sort_keys=True, default=str, ensure_ascii=False)
_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9})\d*)?)?\s*([Zz]|[+-]\d\d(?::?\d\d)?)?)?\s*"
)


@dataclass(frozen=True, slots=True)
class StacItem:
    """One item, validated once."""

    document: dict[str, Any]
    """The item's JSON as given; never changed."""
    base: str | None = None
    """Absolute path or URL of the document that the item came from; relative hrefs resolve against it."""
    roots: tuple[str, ...] = ()
    """Local folders that its assets may lie under; empty: none; ``("/",)``: anywhere."""
    source: str = "item"
    """Where it was found, for messages."""

    def __post_init__(self) -> None:
        document = self.document
        if not isinstance(document, dict) or document.get("type") != "Feature":
            kind = document.get("type") if isinstance(document, dict) else type(document).__name__
            raise ItemError(f"{redact(self.source)}: not a STAC item: type is {kind!r:.80}, expected 'Feature'")
        if not isinstance(document.get("id"), str) or not document["id"]:
            raise ItemError(f"{redact(self.source)}: item has no id (a text), got {document.get('id')!r:.80}")
        for name in ("properties", "assets"):
            if not isinstance(document.get(name), dict):
                raise self.error(f"{name} must be an object, got {type(document.get(name)).__name__}")
        if not isinstance(document.get("collection"), str | None):
            raise self.error(f"collection must be text, got {document['collection']!r:.80}")
        for key, asset in document["assets"].items():
            if not isinstance(asset, dict):
                raise self.error(f"asset {key!r:.80} must be an object, got {type(asset).__name__}")
        _ = self.datetime, self.interval
        self._require_place()

    def _require_place(self) -> None:
        bbox, geometry = self.document.get("bbox"), self.document.get("geometry")
        if bbox is not None and not _is_bbox(bbox):
            raise self.error(f"bbox must be 4 or 6 finite numbers or null, got {bbox!r:.120}")
        if geometry is not None and not (isinstance(geometry, Mapping) and isinstance(geometry.get("type"), str)):
            raise self.error(f"geometry must be a GeoJSON geometry or null, got {geometry!r:.80}")

    def error(self, message: str) -> ItemError:
        """Make the error that names this item and the file it came from."""
        return ItemError(f"{redact(self.source)}: item {self.document.get('id')!r:.120}: {message}")

    def digest(self) -> bytes:
        """Give what tells the document from any other.

        Raises:
            ItemError: it holds what no file can: half a character, which JSON can spell.
        """
        text = _ONE_TEXT.encode(self.document)
        try:
            return hashlib.blake2b(text.encode(), digest_size=16).digest()
        except UnicodeEncodeError as error:
            around = text[max(0, error.start - 20) : error.end + 20]
            raise self.error(f"it holds half a character (a lone surrogate): {around!r}") from error

    @property
    def id(self) -> str:
        """Unique within the collection."""
        return str(self.document["id"])

    @property
    def collection(self) -> str:
        """Id of the collection; empty where the item names none."""
        return self.document.get("collection") or ""

    @property
    def properties(self) -> dict[str, Any]:
        """The item's ``properties`` as given."""
        properties: dict[str, Any] = self.document["properties"]
        return properties

    @property
    def assets(self) -> dict[str, dict[str, Any]]:
        """The item's ``assets`` as given."""
        assets: dict[str, dict[str, Any]] = self.document["assets"]
        return assets

    @property
    def geometry(self) -> dict[str, Any] | None:
        """GeoJSON geometry in lon/lat, as given; None where the item is not located."""
        return self.document.get("geometry")

    @property
    def bbox(self) -> tuple[float, ...] | None:
        """Four or six numbers as given; None where the item has none."""
        bbox = self.document.get("bbox")
        return None if bbox is None else tuple(float(value) for value in bbox)

    @property
    def interval(self) -> tuple[datetime, datetime] | None:
        """First and last time in UTC, both included; None unless it has both, ``start_datetime`` and ``end_datetime``.

        Raises:
            ItemError: the text of one is no time, or the end is before the start.
        """
        if self.properties.get("start_datetime") is None or self.properties.get("end_datetime") is None:
            return None
        start, end = self._time("start_datetime"), self._time("end_datetime")
        if end < start:
            raise self.error(f"end_datetime {end.isoformat()} is before start_datetime {start.isoformat()}")
        return start, end

    def _time(self, name: str) -> datetime:
        try:
            return parse_datetime(self.properties[name])
        except ValueError as error:
            raise self.error(f"{name}: {error}") from error

    @property
    def datetime(self) -> datetime:
        """The item's time in UTC; the start of its interval where ``datetime`` is null.

        Raises:
            ItemError: neither is there, or the text is no time.
        """
        for name in ("datetime", "start_datetime"):
            if self.properties.get(name) is not None:
                return self._time(name)
        raise self.error("no time: datetime is null or missing, and there is no start_datetime")


def parse_datetime(text: object) -> datetime:
    """Read an RFC 3339 time as UTC, to the microsecond.

    Sloppy spellings that have one meaning are read too: a space for the T, no
    seconds, no offset (UTC), one of whole hours, a date alone (its midnight). A leap second is the
    second that follows it.

    Raises:
        ValueError: the text is no such time.
    """
    found = _parsed(text) if isinstance(text, str) else None
    if found is None:
        raise ValueError(f"expected a time such as 2026-01-31T12:00:00Z, got {text!r:.80}")
    return found


@lru_cache(maxsize=64)
def _parsed(text: str) -> datetime | None:
    """Keep the last ones: an item is asked for its time when it is checked, and when it is used."""
    match = _RFC3339.fullmatch(text.strip())
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    microsecond = int((match[7] or "").ljust(6, "0")[:6])
    leap = second == 60
    try:
        moment = datetime(year, month, day, hour, minute, 59 if leap else second, microsecond, tzinfo=_zone(match[8]))
        return (moment + timedelta(seconds=int(leap))).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"no such time: {text!r:.80} ({error})") from error


def _zone(text: str | None) -> timezone:
    if text is None or text in {"Z", "z"}:
        return UTC
    minutes = int(text[1:3]) * 60 + int(text[3:].lstrip(":") or 0)
    return timezone(timedelta(minutes=-minutes if text[0] == "-" else minutes))


def _is_bbox(bbox: object) -> bool:
    return isinstance(bbox, list | tuple) and len(bbox) in {4, 6} and all(map(_is_finite, bbox))


def _is_finite(value: object) -> bool:
    try:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # a whole number beyond all floats
        return False
