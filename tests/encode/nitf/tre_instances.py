"""TREs made by the description of them that GDAL brings along; values are by chance where nothing depends on them."""

from __future__ import annotations

import re
import struct
from pathlib import Path
from xml.etree import ElementTree

import pytest
import rasterio

SPECIFICATION = Path(rasterio.__file__).parent / "gdal_data" / "nitf_spec.xml"
NAME = re.compile(r"[A-Z]\w*")
CONDITION = re.compile(r"(\w+)(!=|=|:)(.*)")
UNITS = 0x01F80000
"""Bits of BANDSB any of which comes with the unit of wavelengths; GDAL looks at the first of them alone."""


def described():
    """Tag → the element of it."""
    if not SPECIFICATION.exists():
        pytest.skip("this GDAL has no description of TREs beside it")
    return {each.get("name"): each for each in ElementTree.parse(SPECIFICATION).iter("tre")}


def conditions(element):
    """All of them, split where they are joined."""
    texts = [text for each in element.iter("if") for text in each.get("cond").split(" AND ")]
    return [CONDITION.fullmatch(text).groups() for text in texts]


class Instance:
    """A TRE: ``fields``, names and bytes, and ``data``, all of them together."""

    def __init__(self, element, rng):
        self.rng, self.latest, self.fields = rng, {}, []
        self.tag = element.get("name")
        told = [each.get(name, "") for each in element.iter() for name in ("counter", "length_var", "formula")]
        self.counters = {name for text in told for name in NAME.findall(text)}
        self.cases, self.counts = {}, {}
        for name, sign, value in conditions(element):
            self.cases.setdefault(name, []).append((sign, value))
        self.walk(element)
        self.data = b"".join(value for _, value in self.fields)

    def walk(self, element):
        for each in element:
            if each.tag == "field":
                length = int(each.get("length") or self.number(each.get("length_var")))
                name = each.get("name")
                self.latest[name] = value = self.value(name, length, each.get("type") or "string")
                assert len(value) == length
                self.fields.append((name, value))
            elif each.tag == "loop":
                for _ in range(self.times(each)):
                    self.walk(each)
            elif each.tag == "if" and all(self.holds(text) for text in each.get("cond").split(" AND ")):
                self.walk(each)

    def holds(self, condition):
        name, sign, value = CONDITION.fullmatch(condition).groups()
        found = self.latest[name]
        if sign == ":":
            return int.from_bytes(found, "big") >> int(value) & 1
        return (found.decode().strip() == value.strip()) == (sign == "=")

    def number(self, name):
        found = self.latest[name]
        return int(found) if found.isdigit() else int.from_bytes(found, "big")

    def times(self, loop):
        if loop.get("counter"):
            return self.number(loop.get("counter"))
        if loop.get("iterations"):
            return int(loop.get("iterations"))
        formula = NAME.sub(lambda found: str(self.number(found[0])), loop.get("formula"))
        assert re.fullmatch(r"[\d()*/+-]+", formula)
        return int(eval(formula))

    def value(self, name, length, kind):
        cases = self.cases.get(name, [])
        if kind == "bitmask":
            mask = int(self.rng.integers(1 << 8 * length))
            if self.tag == "BANDSB" and mask & UNITS:
                mask |= 1 << 24
            return mask.to_bytes(length, "big")
        if kind == "UnsignedInt_BigEndian":
            return int(self.rng.integers(1, 4)).to_bytes(length, "big")
        if kind == "IEEE754_Float32_BigEndian":
            return struct.pack(">f", self.rng.integers(99) / 4)
        if name in self.counters:
            counts = [1, 2, 3] + [0] * any(value.strip("0") == "" for _, value in cases)
            texts = [str(count).zfill(length) for count in counts] + ["ALL"] * (("!=", "ALL") in cases)
            return self.counts.setdefault(name, str(self.rng.choice(texts))).encode()
        if name == "ENGDTS":
            return b"1"  # GDAL does not look at it
        if cases or name in {"DETAIL_CMPR", "SECCOMP", "ENGTYP"}:
            values = [value for _, value in cases if value.strip()] + ["N", "A"]
            values += [""] * (("!=", "   ") not in cases)  # GDAL takes three blanks for no blanks
            return str(self.rng.choice(values)).strip().ljust(length).encode()
        if kind == "integer":
            return str(self.rng.integers(0, 10)).zfill(length).encode()
        if kind == "real":
            return (("+" if length > 1 else "") + "5".rjust(length - (length > 1), "0")).encode()
        return "".join(self.rng.choice(list("ABYZ"), length)).encode()
