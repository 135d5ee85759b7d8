"""A chip is never less marked than its source: every security field of image and file, whatever a caller says."""

import pytest
from chip_sources import cut, scene_pixels, write_parent

from stacchip_osml.encode.nitf import encode_nitf, read_nitf
from stacchip_osml.encode.nitf.security import require_no_less
from stacchip_osml.encode.nitf.tables import security_names
from stacchip_osml.errors import EncodeError

MARKS = {
    **{"CLAS": "S", "CLSY": "US", "CODE": "AB CD", "CTLH": "XX", "REL": "GBR USA", "DCTP": "GD", "DCDT": "20501231"},
    **{"DCXM": "X1", "DG": "R", "DGDT": "20400101", "CLTX": "text", "CATP": "O", "CAUT": "authority", "CRSN": "A"},
    **{"SRDT": "20200102", "CTLN": "control"},
}


def marks_of(prefix, **changed):
    return {f"{prefix}S{name}": text for name, text in {**MARKS, **changed}.items()}


@pytest.fixture(scope="module")
def secret(tmp_path_factory):
    path = tmp_path_factory.mktemp("marks") / "a.ntf"
    return write_parent(path, scene_pixels((1, 20, 20)), fields=marks_of("I"), file_fields=marks_of("F"))


def said_of(secret, **overrides):
    file = read_nitf(encode_nitf(cut(secret, (0, 0, 9, 9)), overrides=overrides))
    return {**file.fields, **file.images[0].fields}


def test_the_marks_are_all_that_there_are():
    assert {f"IS{name}" for name in MARKS} == set(security_names("I"))


@pytest.mark.parametrize("name", [*security_names("I"), *security_names("F")])
@pytest.mark.parametrize("blank", ["", " ", None])
def test_no_mark_can_be_left_out(secret, name, blank):
    with pytest.raises(
        EncodeError, match=f"{name} cannot be left out, the source's is .*: a chip is never less marked"
    ):
        said_of(secret, **{name: blank})


LESS = {"CODE": "AB", "CTLH": "YY", "REL": "CAN GBR USA", "DCTP": "DE", "DCDT": "20301231", "DCXM": "X2", "DG": "U"}


@pytest.mark.parametrize("prefix", ["IS", "FS"])
@pytest.mark.parametrize(("part", "text"), (LESS | {"DGDT": "20390101"}).items())
def test_no_mark_can_allow_more(secret, prefix, part, text):
    with pytest.raises(EncodeError, match=f"{prefix}{part} '{text}' allows more than the source's '{MARKS[part]}'"):
        said_of(secret, **{f"{prefix}{part}": text})


@pytest.mark.parametrize(
    ("part", "text"),
    [
        *(("CLAS", "T"), ("CODE", "CD AB EF"), ("REL", "USA"), ("DCDT", "20601231"), ("DGDT", "20400102")),
        *(("CLTX", "other"), ("CAUT", "another"), ("CTLN", "number 2"), ("CLSY", "XN"), ("CRSN", "B")),
    ],
)
def test_a_mark_can_be_another_that_allows_no_more(secret, part, text):
    assert said_of(secret, **{f"IS{part}": text})[f"IS{part}"] == text


@pytest.mark.parametrize("part", ["REL", "DCTP", "DCDT", "DCXM", "DG", "DGDT"])
def test_what_a_classified_source_does_not_allow_is_not_allowed_of_its_chips(part):
    source = marks_of("I", **{part: ""})

    with pytest.raises(EncodeError, match=f"IS{part} '.*' allows more than the source's ''"):
        require_no_less("I", {f"IS{part}": MARKS[part]}, source)
    require_no_less("I", {f"IS{part}": MARKS[part]}, {"ISCLAS": "U"})
    require_no_less("I", {f"IS{part}": None}, source)


def test_a_chip_of_an_open_image_is_marked_as_its_caller_says(tmp_path):
    parent = write_parent(tmp_path / "a.ntf", scene_pixels((1, 20, 20)))

    said = said_of(parent, **marks_of("I"))

    assert {name: said[name] for name in marks_of("I")} == marks_of("I")
    assert said["FSCLAS"] == "S"
