import errno
import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stacchip_osml.encode import encode_chip, safe_name, write_chip
from stacchip_osml.encode.names import write_file
from stacchip_osml.errors import ChipError, EncodeError
from tests.encode.encode_chips import chip_of

LEGAL = re.compile(r"[A-Za-z0-9._-]{1,120}")
texts = st.one_of(
    st.text(max_size=200),
    st.text("aAbB.-_/\\ \0éÉß~:*con1", max_size=12),
    st.from_regex(r"[a-z]{1,5}-[0-9a-f]{16}", fullmatch=True),
    st.sampled_from(["", ".", "..", "CON", "nul.txt", "-rf", "../../etc/passwd", "C:\\x", "a" * 500, "\ud800"]),
)


@given(st.lists(texts, unique=True, max_size=8), st.sampled_from(["", ".tif", ".png"]))
def test_distinct_texts_get_distinct_names_even_where_case_is_ignored(many, suffix):
    hashed = [safe_name(text, suffix=suffix).removesuffix(suffix) for text in many]
    everything = [*many, *(name for name in hashed if name not in many)]
    names = [safe_name(text, suffix=suffix).lower() for text in everything]
    assert len(set(names)) == len(set(everything))


@given(texts, st.sampled_from(["", ".tif"]))
def test_every_name_is_legal_everywhere(text, suffix):
    name = safe_name(text, suffix=suffix)
    assert LEGAL.fullmatch(name)
    assert name.endswith(suffix)
    assert name[0] not in ".-"
    assert name[-1] != "."
    stem = name.split(".")[0].lower()
    assert stem not in {"con", "prn", "aux", "nul"}
    assert not re.fullmatch(r"(com|lpt)[0-9]", stem)
    assert Path(name).name == name


@given(st.from_regex(r"[a-z0-9_][a-z0-9_]{0,60}x", fullmatch=True))
def test_a_lower_case_text_that_fits_is_its_own_name(text):
    assert safe_name(text) == text


def test_a_hashed_name_stays_readable_and_never_changes():
    assert safe_name("S2B_33TWN/items/7 8") == "S2B_33TWN_items_7_8-ad38277984e51c55"
    assert safe_name("A") == "A-559aead08264d579"
    assert safe_name("../x").startswith("x-")


def test_a_chip_is_written_under_its_id_inside_the_folder(tmp_path):
    chip = chip_of("uint8", row={"id": "../../up/and/away"})
    path = write_chip(tmp_path / "new" / "folder", chip, "png")
    assert path.parent == tmp_path / "new" / "folder"
    assert path.suffix == ".png"
    assert path.read_bytes() == encode_chip(chip, "png")
    assert list(path.parent.iterdir()) == [path]


def test_a_chip_without_id_is_named_by_its_window(tmp_path):
    assert write_chip(tmp_path, chip_of("uint8")).name == "x128_y64_w50_h40_l0.tif"
    assert write_chip(tmp_path, chip_of("uint8"), "jpeg", name="mine", quality=50).name == "mine.jpg"


def test_a_chip_that_cannot_be_encoded_leaves_nothing(tmp_path):
    with pytest.raises(EncodeError, match="JPEG holds uint8"):
        write_chip(tmp_path / "out", chip_of("uint16"), "jpeg")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_keeps_the_old_file_and_leaves_no_other(tmp_path, monkeypatch, call):
    target = tmp_path / "a.bin"
    write_file(target, b"old")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(*((os, "fsync") if call == "fsync" else (Path, "replace")), full)
    with pytest.raises(ChipError, match=r"cannot write .*a\.bin: No space left"):
        write_file(target, b"new")
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_that_cannot_be_made_is_an_error_that_names_it(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ChipError, match=r"cannot make the folder .*file"):
        write_chip(tmp_path / "file" / "below", chip_of("uint8"))


def test_written_files_have_the_usual_permissions(tmp_path):
    before = os.umask(0o022)
    try:
        path = write_chip(tmp_path, chip_of("uint8"))
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o644
