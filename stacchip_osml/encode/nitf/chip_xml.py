"""XML of radar products: parsed once for a parent, written for each chip by filling in what changes.

The parent's document becomes a template: bytes with slots where a chip says
something else. Everything between them is the parent's own. It comes from files of
others, so document types are refused and sizes bounded before anything is parsed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from stacchip_osml.errors import EncodeError, LimitError

__all__ = [
    "Point",
    "PolygonTags",
    "XmlTemplate",
    "clip_polygon",
    "floats_of",
    "local_name",
    "mark",
    "mark_valid_data",
    "number_of",
    "parse_xml",
    "polygon_xml",
    "template_of",
    "valid_data",
]

Point = tuple[float, float]

XML_BYTES = 1 << 24
"""Largest XML that is taken on."""
_SLOT = re.compile(rb"@slot-of-stacchip-osml:(\w+)@")
_DOCTYPE = re.compile(rb"<!\s*(DOCTYPE|ENTITY)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class XmlTemplate:
    """A document with slots."""

    pieces: tuple[bytes, ...] = field(repr=False)
    """Text and slot names in turn, text first and last."""

    def render(self, values: Mapping[str, str]) -> bytes:
        """Fill the slots; values are XML already."""
        parts = list(self.pieces)
        parts[1::2] = [values[name.decode("ascii")].encode("utf-8") for name in parts[1::2]]
        return b"".join(parts)


def parse_xml(data: bytes, *, name: str) -> Any:
    """Parse a document of somebody else.

    Returns:
        Its root, an ``lxml`` element.

    Raises:
        EncodeError: no well-formed XML, or it has a document type.
        LimitError: larger than any of its kind.
    """
    from lxml import etree

    if len(data) > XML_BYTES:
        raise LimitError(f"{name} of {len(data)} bytes, more than {XML_BYTES}")
    if _DOCTYPE.search(data):
        raise EncodeError(f"{name} has a document type; those are refused")
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        return etree.fromstring(data.strip(b" \t\r\n\0"), parser)
    except etree.XMLSyntaxError as error:
        raise EncodeError(f"{name} is not well-formed XML: {error}") from error


def local_name(element: Any) -> str:
    """Give an element's name without its namespace; empty for comments."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def mark(name: str) -> str:
    """Give the text that becomes the slot of this name."""
    return f"@slot-of-stacchip-osml:{name}@"


def _mark_whole(element: Any, name: str) -> None:
    """Put a slot in the place of a whole element, so that it may also become nothing."""
    parent, before = element.getparent(), element.getprevious()
    text = mark(name) + (element.tail or "")
    if before is None:
        parent.text = (parent.text or "") + text
    else:
        before.tail = (before.tail or "") + text
    element.tail = None
    parent.remove(element)


def _tag_of(element: Any) -> str:
    """Give an element's name with the prefix that the document has for it."""
    return f"{element.prefix}:{local_name(element)}" if element.prefix else local_name(element)


class PolygonTags(NamedTuple):
    """How a document spells a polygon."""

    polygon: str
    vertex: str
    first: str
    """``Row`` or ``Lat``."""
    second: str
    """``Col`` or ``Lon``."""


def _polygon_tags(element: Any, parts: tuple[str, str], *, name: str) -> PolygonTags:
    """Read how a polygon of the document is spelled.

    Raises:
        EncodeError: it has no vertex.
    """
    vertex = element.find("{*}Vertex")
    children = [None if vertex is None else vertex.find(f"{{*}}{part}") for part in parts]
    if vertex is None or None in children:
        raise EncodeError(f"{name} has no Vertex with {' and '.join(parts)} in its {local_name(element)}")
    return PolygonTags(*map(_tag_of, (element, vertex, *children)))


def valid_data(root: Any, place: str, *, name: str) -> tuple[Point, ...]:
    """Read the vertices ``(row, col)`` of the ValidData that stands in ``place``; none where it is not there."""
    vertices = root.iterfind(f"{{*}}{place}/{{*}}ValidData/{{*}}Vertex")
    return tuple((number_of(each, "Row", name=name), number_of(each, "Col", name=name)) for each in vertices)


def mark_valid_data(root: Any, place: str, *, name: str) -> dict[str, PolygonTags]:
    """Put slots in the places of the ValidData of pixels, in ``place``, and of the one of the ground.

    Returns:
        How each is spelled, by the element that holds it; its slot is named after that.

    Raises:
        EncodeError: one has no vertex.
    """
    tags = {}
    for holder, parts in ((place, ("Row", "Col")), ("GeoData", ("Lat", "Lon"))):
        polygon = root.find(f"{{*}}{holder}/{{*}}ValidData")
        if polygon is not None:
            tags[holder] = _polygon_tags(polygon, parts, name=name)
            _mark_whole(polygon, holder)
    return tags


def polygon_xml(tags: PolygonTags, points: Sequence[tuple[float, float]]) -> str:
    """Write a polygon: vertices are counted from 1."""
    vertices = "".join(
        f'<{tags.vertex} index="{index}"><{tags.first}>{first!r}</{tags.first}>'
        f"<{tags.second}>{second!r}</{tags.second}></{tags.vertex}>"
        for index, (first, second) in enumerate(points, start=1)
    )
    return f'<{tags.polygon} size="{len(points)}">{vertices}</{tags.polygon}>'


def template_of(root: Any) -> XmlTemplate:
    """Make the template of a document whose changing texts were marked."""
    from lxml import etree

    text = etree.tostring(root.getroottree(), encoding="UTF-8", xml_declaration=True)
    return XmlTemplate(tuple(_SLOT.split(text)))


def number_of(root: Any, path: str, *, name: str) -> float:
    """Read the number at a path of local names, ``ImageData/FirstRow``.

    Raises:
        EncodeError: there is none.
    """
    element = root.find("/".join(f"{{*}}{part}" for part in path.split("/")))
    text = "" if element is None else (element.text or "").strip()
    try:
        value = float(text)
    except ValueError as error:
        raise EncodeError(f"{name} has no number at {path}, got {text[:40]!r}") from error
    if not math.isfinite(value):
        raise EncodeError(f"{name} has no finite number at {path}, got {text[:40]!r}")
    return value


def floats_of(root: Any, path: str, parts: Iterable[str], *, name: str) -> tuple[float, ...]:
    """Read the numbers of several children, ``X``, ``Y``, ``Z`` or ``Row``, ``Col``."""
    return tuple(number_of(root, f"{path}/{part}", name=name) for part in parts)


def clip_polygon(polygon: Sequence[Point], low: Point, high: Point) -> list[tuple[int, int]]:
    """Clip a polygon of (row, col) to a rectangle, as the standards have their ValidData.

    The result is convex (it encloses the valid data, and may hold other pixels), clockwise, begins at the lowest row
    and there at the lowest column, and stands on whole pixels.

    Returns:
        Vertices; fewer than three where the polygon has no area in the rectangle.
    """
    points = list(polygon)
    edges: tuple[tuple[int, float, Callable[[float, float], bool]], ...] = (
        (0, low[0], float.__ge__),
        (1, low[1], float.__ge__),
        (0, high[0], float.__le__),
        (1, high[1], float.__le__),
    )
    for axis, limit, is_inside in edges:
        points = _cut(points, axis, float(limit), is_inside)
    return _hull({(round(row), round(col)) for row, col in points})


def _cut(points: list[Point], axis: int, limit: float, is_inside: Callable[[float, float], bool]) -> list[Point]:
    """Keep what lies on one side of a line (Sutherland and Hodgman)."""
    kept: list[Point] = []
    for before, point in zip(points[-1:] + points[:-1], points, strict=True):
        was, now = is_inside(float(before[axis]), limit), is_inside(float(point[axis]), limit)
        if was != now:
            part = (limit - before[axis]) / (point[axis] - before[axis])
            kept.append((before[0] + part * (point[0] - before[0]), before[1] + part * (point[1] - before[1])))
        if now:
            kept.append(point)
    return kept


def _hull(points: set[tuple[int, int]]) -> list[tuple[int, int]]:
    """Give the convex hull clockwise (rows down, columns right), from the lowest (row, col) (Andrew's chains)."""
    ordered = sorted(points)
    if len(ordered) < 3:
        return ordered

    def chain(line: list[tuple[int, int]]) -> list[tuple[int, int]]:
        kept: list[tuple[int, int]] = []
        for point in line:
            while len(kept) > 1 and _turn(kept[-2], kept[-1], point) >= 0:
                kept.pop()
            kept.append(point)
        return kept[:-1]

    return chain(ordered) + chain(ordered[::-1])


def _turn(a: tuple[int, int], b: tuple[int, int], c: tuple[int, int]) -> int:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
