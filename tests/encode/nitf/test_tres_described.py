"""Layouts of TREs against the description of them that GDAL brings along, and what its driver reads of their bytes."""

import re
import struct
from xml.etree import ElementTree

import numpy as np
import pytest
from nitf_files import file_of, image_of, written
from rasterio.io import MemoryFile
from tre_instances import Instance, described

from stacchip_osml.encode.nitf import Tre, make_tre, read_nitf, tre_fields
from stacchip_osml.encode.nitf.tre_layouts import TRE_ROWS
from stacchip_osml.errors import DecodeError

OWN = {"ACFTA", "AIMIDA", "BANDSA", "EXPLTA", "MENSRA", "MTIRPA", "PATCHA", "SENSRA"}
OWN |= {"CAMSDA", "MICIDA", "MIMCSA", "MTIMFA", "MTIMSA", "TMINTA"}
OWN |= {"EXOPTA", "PIAEQA", "PIAEVA", "PIAPEB", "PIATGA", "REGPTB", "RPFHDR", "SECTGA"}
"""Those that GDAL's description has not: other tests have bytes of them."""
APART = {"CSWRPB"}
"""GDAL has as many coefficients of a polynomial as its order, not one more."""
COUNTED = {"RSMDCA"}
"""GDAL's driver counts covariances by NPAR; its description says NPART."""
TAGS = sorted({*TRE_ROWS} - OWN - APART)
OTHER_NAMES = {
    ("RSMECA", "EG"): "ERRCVG",
    ("ENGRDA", "ENGDTU"): "ENGDATU",
    **{("CSEPHA", axis): f"EPHEM_{axis}" for axis in "XYZ"},
}
"""GDAL's name → the standard's."""


@pytest.fixture(scope="module")
def elements():
    return described()


def same(ours, theirs):
    """Tell whether a value is what these bytes are: text, or hexadecimal digits."""
    return ours in (theirs.hex(), theirs.decode("latin-1").rstrip())


@pytest.mark.parametrize("tag", TAGS)
def test_fields_are_those_of_gdal_s_description(elements, tag):
    for seed in range(40):
        told = Instance(elements[tag], np.random.default_rng(seed))

        fields = tre_fields(Tre(tag, told.data))

        assert len(fields) == len(told.fields)
        assert make_tre(tag, fields).data == told.data
        for (ours, text), (theirs, value) in zip(fields.items(), told.fields, strict=True):
            plain = re.sub(r"_(M+|N+)$", "", theirs or "")
            name = re.escape(OTHER_NAMES.get((tag, plain), plain))
            assert same(text, value)
            assert not theirs or re.fullmatch(rf"(CUBE_)?({name}|reserved)(_[A-Z]+)?(_?\d+)*", ours)


@pytest.mark.parametrize("tag", [tag for tag in TAGS if tag not in COUNTED])
def test_gdal_reads_the_same_fields_of_a_file(elements, tag):
    told = [Instance(elements[tag], np.random.default_rng(seed)) for seed in range(3)]
    tres = [Tre(tag, each.data) for each in told]

    with MemoryFile(written(file_of(image_of((1, 4, 4), tres=tres)))) as memory, memory.open() as file:
        found = ElementTree.fromstring(file.tags(ns="xml:TRE")["xml:TRE"]).findall("tre")

    assert [each.get("name") for each in found] == [tag] * 3
    for instance, tre, element in zip(told, tres, found, strict=True):
        assert not list(element.iter("error"))
        texts = [each.get("value").strip() for each in element.iter("field")]
        fields = zip(tre_fields(tre).values(), instance.fields, strict=True)
        ours = [text for text, (name, _) in fields if name is not None]  # others GDAL does not tell
        assert len(texts) == len(ours)
        for theirs, text in zip(texts, ours, strict=True):
            assert theirs == text.strip() or theirs in binary(text)


def binary(text):
    """Give a binary value as GDAL may write it: as a number, or as text."""
    if not re.fullmatch(r"([0-9a-f]{2})+", text):
        return []
    data = bytes.fromhex(text)
    reals = [f"{struct.unpack('>f', data)[0]:f}"] if len(data) == 4 else []
    return [str(int.from_bytes(data, "big")), data.decode("latin-1"), *reals]


def test_every_layout_has_an_oracle(elements):
    assert {*elements} >= {*TRE_ROWS} - OWN
    assert not OWN & {*elements} - {"RPFHDR"}  # newer ones have that


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
    assert read >= {"ACFTA", "AIMIDA", "EXPLTA", "MENSRA", "PATCHA"}


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
