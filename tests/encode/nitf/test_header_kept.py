"""Headers that are made of earlier ones: they are what they would be alone, and are refused for the same reasons."""

import io
from datetime import UTC, datetime

import numpy as np
import pytest

from stacchip_osml.encode.nitf import NitfFile, NitfImage, fields_kept, write_nitf
from stacchip_osml.encode.nitf.fields import StoredText, written_fields
from stacchip_osml.encode.nitf.tables import image_layout
from stacchip_osml.errors import EncodeError
from stacchip_osml.imagery.buffered import BufferedImageAssetProvider

NOW = datetime(2026, 3, 21, 10, 11, 12, tzinfo=UTC)


def written(title):
    pixels = BufferedImageAssetProvider.from_array(np.zeros((1, 8, 8), np.uint8))
    out = io.BytesIO()
    write_nitf(out, NitfFile(fields={"FTITLE": title}, images=(NitfImage(pixels=pixels),)), now=NOW)
    return out.getvalue()


def test_a_title_with_bytes_of_its_own_is_not_taken_for_the_same_text():
    stored = b"A".ljust(80, b"\0")

    plain, own, again = written("A"), written(StoredText.of("A", stored)), written("A")

    assert plain == again
    assert stored in own
    assert stored not in plain


def test_another_title_is_another_header():
    assert written("A") != written("B")


USUAL = {
    **{"PVTYPE": "INT", "IREP": "MONO", "ABPP": "8", "NROWS": "8", "NCOLS": "8", "NBANDS": "1", "IREPBAND1": "M"},
    **{"IC": "NC", "COMRAT": "N1.0", "IMODE": "B", "NBPR": "1", "NBPC": "1", "NPPBH": "8", "NPPBV": "8", "NBPP": "8"},
    **{"IDLVL": "1", "IALVL": "0", "ILOC": "0" * 10, "ICORDS": "G", "IGEOLO": "101010N0101010E" * 4, "NICOM": "1"},
    **{"ICOM1": "first", "NLUTS1": "0", "IXSHDL": "8", "IXSOFL": "0", "IXSHD": "abcde", "IID1": "one"},
}
OTHER = [
    {"ICOM1": "second", "IXSHD": "\xff\x00cde", "IGEOLO": "202020S0202020W" * 4},
    {"ICORDS": "D", "IGEOLO": "+10.000-010.000" * 4},
    {"ICORDS": "", "IID1": "none"},
    {"NICOM": "0"},
    {"IC": "C8"},
    {"IXSHDL": "7", "IXSHD": "abcd"},
    {"IID1": StoredText.of("one", b"one\0\0\0\0\0\0\0")},
    {"NLUTS1": "1", "NELUT1": "2", "LUTD11": "\x01\x02"},
]


def header(values, given=()):
    return written_fields(image_layout, values, where="image 1", given=given)


def test_a_header_made_of_an_earlier_one_is_what_it_would_be_alone():
    every = [USUAL, *(USUAL | other for other in OTHER)]
    alone = []
    for values in every:
        fields_kept._kept.clear()
        alone.append(header(values))
    assert len(set(alone)) == len(alone)

    for first in every:
        fields_kept._kept.clear()
        header(first)
        assert [header(values) for values in every] == alone
        assert [header(values) for values in every[::-1]] == alone[::-1]


@pytest.mark.parametrize("wrong", [{"IDATIM": "yesterday"}, {"ICOM1": "\n"}, {"IID1": 7}, {"NICOM": "x"}])
def test_a_header_made_of_an_earlier_one_is_refused_like_it(wrong):
    usual = USUAL | {"IDATIM": "20260321101112"}
    fields_kept._kept.clear()
    with pytest.raises(EncodeError, match=r"^image 1: ") as alone:
        header(usual | wrong)
    header(usual)
    with pytest.raises(EncodeError, match=r"^image 1: ") as after:
        header(usual | wrong)
    assert str(after.value) == str(alone.value)


def test_what_a_caller_gave_has_to_be_a_field_of_a_header_made_of_an_earlier_one_too():
    header(USUAL)
    with pytest.raises(EncodeError, match="image 1: no such field, or none that the others allow: COMRAT"):
        header(USUAL, given={"IID1", "COMRAT"})


def test_few_headers_are_held():
    for number in range(3 * fields_kept.KEPT):
        header(USUAL | {"IXSHDL": str(3 + number + 1), "IXSHD": "a" * (number + 1)})
    for number in range(3 * fields_kept.KINDS):
        header(USUAL | {f"NOTE{number}": ""})
    assert len(fields_kept._kept) <= fields_kept.KINDS
    assert all(len(held) <= fields_kept.KEPT for held in fields_kept._kept.values())
