"""Layouts of TREs against the description of them that GDAL brings along: the same fields, in the same order."""

import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import rasterio

from stacchip_osml.encode.nitf import Tre, make_tre, read_nitf, tre_fields
from stacchip_osml.encode.nitf.tre_layouts_rsm import RSM_LAYOUTS
from stacchip_osml.encode.nitf.tre_layouts_sensors import SENSOR_LAYOUTS
from stacchip_osml.errors import DecodeError

SPECIFICATION = Path(rasterio.__file__).parent / "gdal_data" / "nitf_spec.xml"
TAGS = sorted({*RSM_LAYOUTS, *SENSOR_LAYOUTS})


@pytest.fixture(scope="module")
def described():
    if not SPECIFICATION.exists():
        pytest.skip("this GDAL has no description of TREs beside it")
    return {each.get("name"): each for each in ElementTree.parse(SPECIFICATION).iter("tre")}


class Instance:
    """A TRE made by GDAL's description: values of fields, by chance where nothing depends on them."""

    def __init__(self, element, rng):
        self.rng, self.latest, self.fields = rng, {}, []
        self.counters, self.cases = set(), {}
        for each in element.iter():
            told = [each.get(name) for name in ("counter", "length_var", "formula") if each.get(name)]
            self.counters |= {name for text in told for name in re.findall(r"[A-Z]\w*", text)}
            if each.get("cond"):
                name, _, value = each.get("cond").partition("=")
                self.cases.setdefault(name, []).append(value)
        self.counts = {name: int(rng.integers(1, 4)) for name in sorted(self.counters)}
        self.walk(element)
        self.data = "".join(value for _, value in self.fields).encode("ascii")

    def walk(self, element):
        for each in element:
            if each.tag == "field":
                length = int(each.get("length") or self.counts[each.get("length_var")])
                name = each.get("name") or ""
                self.latest[name] = value = self.value(name, length, each.get("type"))
                self.fields.append((name, value))
            elif each.tag == "loop":
                for _ in range(self.times(each)):
                    self.walk(each)
            elif each.tag == "if":
                name, _, value = each.get("cond").partition("=")
                if self.latest[name].strip() == value:
                    self.walk(each)

    def times(self, loop):
        if loop.get("counter"):
            return self.counts[loop.get("counter")]
        formula = re.sub(r"[A-Z]\w*", lambda found: str(self.counts[found[0]]), loop.get("formula"))
        assert re.fullmatch(r"[\d()*/+-]+", formula)
        return int(eval(formula))

    def value(self, name, length, kind):
        if name in self.counts:
            return str(self.counts[name]).zfill(length)
        if name in self.cases:
            return str(self.rng.choice([*self.cases[name], "N"])).ljust(length)
        if kind == "integer":
            return str(self.rng.integers(0, 10)).zfill(length)
        if kind == "real":
            return ("+" if length > 1 else "") + "5".rjust(length - (length > 1), "0")
        return "".join(self.rng.choice(list("ABYZ"), length))


@pytest.mark.parametrize("tag", TAGS)
def test_fields_are_those_of_gdal_s_description(described, tag):
    for seed in range(40):
        told = Instance(described[tag], np.random.default_rng(seed))

        fields = tre_fields(Tre(tag, told.data))

        is_binary = re.compile(r"ENGDATA\d*").fullmatch
        assert [bytes.fromhex(value).decode() if is_binary(name) else value for name, value in fields.items()] == [
            value.strip() for _, value in told.fields
        ]
        assert make_tre(tag, fields).data == told.data
        for ours, (theirs, _) in zip(fields, told.fields, strict=True):
            plain = re.sub(r"_(M+|N+)$", "", theirs)
            assert not theirs or re.fullmatch(OTHER_NAMES.get((tag, plain), plain) + r"(\d+(_\d+)*)?", ours)


OTHER_NAMES = {("RSMECA", "EG"): "ERRCVG"}
"""GDAL's name → the appendix's."""


def test_every_tre_of_real_files_is_read_to_its_last_byte(real_data):
    read = set()
    for path in [each for each in sorted(real_data.rglob("*")) if each.is_file()]:
        if path.open("rb").read(4) not in {b"NITF", b"NSIF"}:
            continue
        try:
            file = read_nitf(path)
        except DecodeError:
            continue
        for tre in [tre for part in (file, *file.images, *file.graphics, *file.texts) for tre in part.tres]:
            fields = tre_fields(tre)
            if fields is not None:
                read.add(tre.tag)
                assert make_tre(tre.tag, fields).data == tre.data

    assert read >= {"ENGRDA", "MENSRB", "PATCHB", "PIAPEA", "PIAPRC", "RSMDCA", "RSMECA", "RSMIDA", "RSMPCA", "SENSRB"}


@pytest.mark.parametrize(
    ("tag", "data", "message"),
    [
        ("ENGRDA", "R".ljust(20) + "00100", "ENGLN1 is 0, and ENGLBL1 is not without length"),
        ("ENGRDA", "R".ljust(20) + "001x7", "ENGLN1 is 'x7', not a whole number"),
        ("RSMAPA", "1".ljust(160) + "99", "ends within XUOL"),
        ("RSMGGA", "1".ljust(120) + "0" * 300 + "9" * 300, "RSMGGA"),
    ],
)
def test_counts_that_the_data_does_not_hold_are_refused(tag, data, message):
    with pytest.raises(DecodeError, match=message):
        tre_fields(Tre(tag, data.encode()))
