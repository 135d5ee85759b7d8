"""Reading fields out of SICD and SIDD XML.

Fields are found by their names whatever the version's namespace is, and what is
missing or is no number is refused by its path.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from stacchip_osml.errors import ItemError

__all__ = ["XmlFields"]

EXPONENT = 40
"""Largest exponent of a polynomial; orders come from the file, and memory would follow them."""

Poly = tuple[float, ...]
Poly2 = tuple[tuple[float, ...], ...]
Vector = tuple[float, float, float]


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
