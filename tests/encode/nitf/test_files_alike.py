"""Files that are planned like an earlier one are what they would be alone, and are refused for the same reasons."""

import io
from datetime import UTC, datetime

import numpy as np
import pytest

from stacchip_osml.encode.nitf import DataExtension, NitfFile, NitfImage, Tre, plan_alike, write_nitf
from stacchip_osml.encode.nitf.chip_pixels import ChipPixels
from stacchip_osml.encode.nitf.fields import StoredText
from stacchip_osml.errors import EncodeError
from stacchip_osml.pixel import PixelWindow

NOW = datetime(2026, 3, 21, 10, 11, 12, tzinfo=UTC)
USUAL = {
    **{"IID1": "one", "IID2": "a name", "ICORDS": "G", "IGEOLO": "101010N0101010E" * 4, "ICOM1": "first"},
    **{"IREP": "MONO", "IREPBAND1": "M", "IC": "NC", "ISCLAS": "U"},
}
XML = {"DESID": "XML_DATA_CONTENT", "DESVER": "01"}


def file_of(fields=(), *, seed=0, shape=(1, 8, 9), dtype="uint8", tres=(), file_tres=(), xml=b"", header=b"", **file):
    pixels = np.random.default_rng(seed).integers(0, 99, shape).astype(dtype)
    pad = {"pad": file.pop("pad"), "hole": PixelWindow(0, 0, 1, 1)} if "pad" in file else {}
    image = NitfImage(pixels=ChipPixels(pixels, key="chip", **pad), fields=USUAL | dict(fields), tres=tuple(tres))
    extensions = (DataExtension(fields=XML, user_header=header, data=xml),) if xml else ()
    return NitfFile(fields=file, tres=tuple(file_tres), images=(image,), extensions=extensions)


EVERY = [
    file_of(),
    file_of(seed=1),
    file_of({"IID2": "another", "IGEOLO": "202020S0202020W" * 4, "ICOM1": "second"}),
    file_of({"IDATIM": "20260321101112"}),
    file_of({"ICORDS": "D", "IGEOLO": "+10.000-010.000" * 4}),
    file_of({"ICOM2": "more"}),
    file_of({"ISCLAS": "S"}),
    file_of({"IID1": StoredText.of("one", b"one\0\0\0\0\0\0\0")}),
    file_of({"IID1": StoredText.of("one", b"one\0 \0 \0 \0")}),
    file_of({"IID2": StoredText.of("a name", b"a name".ljust(80, b"\0"))}),
    file_of({"IC": "CD", "COMRAT": "N1.0"}),
    file_of({"IC": "CD", "COMRAT": "N1.0"}, seed=1),
    file_of({"NPPBH": "4", "NPPBV": "8"}),
    file_of(dtype="uint16"),
    file_of(shape=(1, 9, 8)),
    file_of(shape=(2, 8, 9), fields={"IREP": "MULTI"}),
    file_of({"IC": "NM"}, pad=7),
    file_of({"IC": "NM"}, pad=8),
    file_of({"IC": "NM", "IREP": "NODISPLY"}, dtype="float32", pad=0.0),
    file_of({"IC": "NM", "IREP": "NODISPLY"}, dtype="float32", pad=-0.0),
    file_of(tres=[Tre("ABCDEF", b"123")]),
    file_of(tres=[Tre("ABCDEF", b"\xff\x00\n")]),
    file_of(tres=[Tre("ABCDEF", b"1234")]),
    file_of(tres=[Tre("ABCDEF", bytes(60_000)), Tre("ABCDEF", bytes(60_000))]),
    file_of(tres=[Tre("ABCDEF", bytes(90_000))] * 3),
    file_of(file_tres=[Tre("ABCDEF", b"123")]),
    file_of(file_tres=[Tre("ABCDEF", b"456")]),
    file_of(FTITLE="A"),
    file_of(FTITLE=StoredText.of("A", b"A".ljust(80, b"\0"))),
    file_of(FDT="20200101000000"),
    file_of(xml=b"<a/>", header=b" " * 773),
    file_of(xml=b"<longer/>", header=b"+" * 773),
    file_of(xml=b"<a/>"),
]


def written(file, now=NOW):
    out = io.BytesIO()
    write_nitf(out, file, now=now)
    return out.getvalue()


def alone(file):
    plan_alike._kept.clear()
    return written(file)


def test_a_file_like_an_earlier_one_is_what_it_would_be_alone():
    apart = [alone(file) for file in EVERY]
    assert len(set(apart)) == len(apart)

    plan_alike._kept.clear()
    for file, data in [*zip(EVERY, apart, strict=True), *zip(EVERY[::-1], apart[::-1], strict=True)]:
        assert written(file) == data


def test_the_file_of_a_later_second_says_so():
    later = NOW.replace(second=13)

    assert alone(EVERY[0])[25:39] == b"20260321101112"
    assert written(EVERY[0], later)[25:39] == b"20260321101113"


def test_a_file_like_an_earlier_one_is_planned_by_it(monkeypatch):
    alone(EVERY[0])

    def planned_anew(*_):
        raise AssertionError("planned anew")

    monkeypatch.setattr(plan_alike, "plan_file", planned_anew)
    written(EVERY[1])
    written(EVERY[2])
    with pytest.raises(AssertionError, match="planned anew"):
        written(EVERY[6])


@pytest.mark.parametrize("wrong", [{"ICOM1": "\n"}, {"IID2": 7}, {"IGEOLO": "here"}, {"IREP": "WRONG"}])
def test_a_file_like_an_earlier_one_is_refused_like_it(wrong):
    plan_alike._kept.clear()
    with pytest.raises(EncodeError, match=r"I(COM1|ID2|GEOLO|REP) is ") as refused:
        written(file_of(wrong))
    alone(EVERY[0])
    with pytest.raises(EncodeError, match=r"I(COM1|ID2|GEOLO|REP) is ") as after:
        written(file_of(wrong))

    assert str(after.value) == str(refused.value)


def test_data_that_a_file_cannot_count_is_refused_after_an_earlier_one_too():
    alone(EVERY[-3])
    image = EVERY[0].images[0]
    empty = NitfFile(images=(image,), extensions=(DataExtension(fields=XML, user_header=b" " * 773, data=b""),))

    with pytest.raises(EncodeError, match="LD1 is 0; expected 1 to 999999999 bytes"):
        written(empty)


def test_few_plans_are_held_and_none_of_their_pixels():
    for number in range(plan_alike.KEPT + 9):
        written(file_of(FTITLE=f"{number}", xml=b"<a/>"))

    assert len(plan_alike._kept) <= plan_alike.KEPT
    assert all(not kept.plan.parts and kept.plan.extensions[0][1] == b"" for kept in plan_alike._kept.values())
