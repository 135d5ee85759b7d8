"""Reading fields out of SICD and SIDD XML, which comes with an image from anywhere.

No network, no entities, no document type; size and depth are bounded. Fields
are found by their names whatever the version's namespace is, and what is
missing or is no number is refused by its path.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from stacchip_osml.errors import ItemError, LimitError
from stacchip_osml.pixel.arguments import of_kind

__all__ = ["XmlFields", "parse_xml"]

XML_BYTES = 1 << 24
"""Largest document: real ones have some 100 kB."""
DEPTH = 64
"""Deepest nesting; SICD and SIDD have about 10."""
EXPONENT = 40
"""Largest exponent of a polynomial; orders come from the file, and memory would follow them."""

Poly = tuple[float, ...]
Poly2 = tuple[tuple[float, ...], ...]
Vector = tuple[float, float, float]


def parse_xml(data: bytes, *, what: str) -> Any:
    """Parse a document and give its root (an lxml element).

    Raises:
        ItemError: no XML, nested too deep, or with a document type.
        LimitError: larger than ``XML_BYTES``.
    """
    from lxml import etree

    if len(of_kind("xml", data, (bytes, bytearray), "XML as bytes")) > XML_BYTES:
        raise LimitError(f"{what}: XML of {len(data)} bytes, more than {XML_BYTES}")
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False, huge_tree=False,
        remove_comments=True, remove_pis=True,
    )  # fmt: skip
    try:
        root = etree.fromstring(data.strip(b"\0 \t\r\n"), parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise ItemError(f"{what}: its XML does not parse: {str(error)[:200]}") from error
    if root.getroottree().docinfo.doctype:
        raise ItemError(f"{what}: its XML has a document type; those are refused")
    depth = 0
    for event, _ in etree.iterwalk(root, events=("start", "end")):
        depth += 1 if event == "start" else -1
        if depth > DEPTH:
            raise ItemError(f"{what}: its XML is nested deeper than {DEPTH}")
    return root


@dataclass(frozen=True, slots=True)
class XmlFields:
    """An element, whose fields are asked for by paths such as ``Grid/Row/SS``."""

    element: Any
    what: str
    """What the document is, for messages: ``SICD``."""
    path: str = ""
    """Of the element, ending in ``/`` where there is one."""

    def has(self, path: str) -> bool:
        """Tell whether there is such an element."""
        return self._find(path) is not None

    def at(self, path: str) -> XmlFields:
        """Give the element there.

        Raises:
            ItemError: there is none.
        """
        found = self._find(path)
        if found is None:
            raise ItemError(f"{self.what} lacks {self.path}{path}")
        return XmlFields(found, self.what, f"{self.path}{path}/")

    def all(self, path: str) -> list[XmlFields]:
        """Give all elements there, in order."""
        return [XmlFields(each, self.what, f"{self.path}{path}/") for each in self.element.findall(_anywhere(path))]

    def text(self, path: str) -> str:
        """Give an element's text, without space around it; ItemError where there is no such element."""
        return (self.at(path).element.text or "").strip()

    def number(self, path: str) -> float:
        """Give a finite number; ItemError where there is none."""
        return self._number(self.text(path), path)

    def whole(self, path: str) -> int:
        """Give a whole number; ItemError where there is none."""
        value = self.number(path)
        if not value.is_integer():
            raise ItemError(f"{self.what} {self.path}{path} must be a whole number, got {value}")
        return int(value)

    def numbers(self, path: str, names: Sequence[str]) -> tuple[float, ...]:
        """Give several numbers of one element: ``Row`` and ``Col``."""
        return tuple(self.at(path).number(name) for name in names)

    def vector(self, path: str) -> Vector:
        """Give ``X``, ``Y``, ``Z``."""
        x, y, z = self.numbers(path, "XYZ")
        return x, y, z

    def poly(self, path: str) -> Poly:
        """Give the coefficients of a polynomial of one variable; index = exponent."""
        return tuple(row[0] for row in self._coefficients(path, ("exponent1",)))

    def poly2(self, path: str) -> Poly2:
        """Give the coefficients of a polynomial of two variables; indices = exponents."""
        return self._coefficients(path, ("exponent1", "exponent2"))

    def vector_poly(self, path: str) -> tuple[Poly, Poly, Poly]:
        """Give the polynomials of x, y and z, of equal length."""
        parts = [self.poly(f"{path}/{axis}") for axis in "XYZ"]
        longest = max(map(len, parts))
        x, y, z = (part + (0.0,) * (longest - len(part)) for part in parts)
        return x, y, z

    def _coefficients(self, path: str, names: Sequence[str]) -> Poly2:
        """Read ``Coef`` elements; what is all zero at the high end is left out."""
        found: dict[tuple[int, int], float] = {}
        for each in self.at(path).all("Coef"):
            powers = [_power(each.element.get(name, "0")) for name in names]
            if None in powers:
                raise ItemError(
                    f"{self.what} {self.path}{path}/Coef must have {' and '.join(names)} of 0 to {EXPONENT}, "
                    f"got {dict(each.element.attrib)!r:.80}"
                )
            first, second = [power or 0 for power in (*powers, 0)][:2]
            value = self._number((each.element.text or "").strip(), f"{path}/Coef")
            if value != 0.0:
                found[first, second] = value
        down, across = (max([0, *(key[axis] for key in found)]) + 1 for axis in (0, 1))
        return tuple(tuple(found.get((i, j), 0.0) for j in range(across)) for i in range(down))

    def _find(self, path: str) -> Any:
        return self.element.find(_anywhere(path))

    def _number(self, text: str, path: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value) or "_" in text:
            raise ItemError(f"{self.what} {self.path}{path} must be a finite number, got {text[:40]!r}")
        return value


def _anywhere(path: str) -> str:
    return "/".join(f"{{*}}{name}" for name in path.split("/"))


def _power(text: str) -> int | None:
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 4 and int(text) <= EXPONENT else None
