"""Chips of one kind share their fields; each is the file that it would be alone, and every byte of it is written."""

import io
from dataclasses import replace

import numpy as np
import pytest
from affine import Affine
from chip_sources import cut, scene_pixels, write_parent

from stacchip_osml.encode import Chip
from stacchip_osml.encode.nitf import chip_common, chip_file, encode_nitf, plan_alike, read_nitf, write, write_nitf
from stacchip_osml.encode.nitf.fields import StoredText
from stacchip_osml.errors import EncodeError
from stacchip_osml.pixel import PixelWindow

FDT = {"FDT": "20260321101112"}
UTM = Affine(10, 0, 500_000, 0, -10, 5_000_000)


def chip_of(shape=(3, 20, 24), dtype="uint16", *, seed=0, hole=False, **fields):
    pixels = np.random.default_rng(seed).integers(1, 99, shape).astype(dtype)
    mask = np.ones(shape, bool)
    mask[:, 3, 2] = not hole
    usual = {"transform": UTM, "crs": "EPSG:32632", "colors": ("red", "green", "blue")[: shape[0]]}
    return Chip(pixels=pixels, mask=mask, window=PixelWindow(seed, 7, shape[2], shape[1]), **usual | fields)


CHIPS = [
    (chip_of(), {}),
    (chip_of(seed=1), {}),
    (chip_of(seed=2, transform=UTM * Affine.translation(5, 6)), {}),
    (chip_of(transform=Affine(10, 0, -500_000, 0, -10, 5_000_000)), {}),
    (chip_of(crs="EPSG:4326", transform=Affine(0.1, 0, 10, 0, -0.1, 50)), {}),
    (chip_of(crs=None, transform=None), {}),
    (chip_of(colors=()), {}),
    (chip_of(hole=True), {}),
    (chip_of(hole=True, seed=3), {}),
    (chip_of(hole=True, dtype="float32"), {}),
    (chip_of(dtype="uint8"), {}),
    (chip_of((1, 20, 24)), {}),
    (chip_of((1, 5, 3)), {"ABPP": "12", "NBPP": "12"}),
    (chip_of(seed=4), {"IMODE": "P"}),
    (chip_of(seed=4), {"IMODE": "R", "NPPBH": "16", "NPPBV": "16"}),
    (chip_of(seed=5), {"IMODE": "S", "NPPBH": "16", "NPPBV": "16"}),
    (chip_of(seed=5), {"IC": "CD", "COMRAT": "N1.0"}),
    (chip_of(), {"IID2": "another", "ICOM1": "said"}),
    (chip_of(), {"IID2": "a third", "ICOM01": "said"}),
    (chip_of(), {"ICOM2": None}),
    (chip_of(), {"ISCLAS": "S", "FSCLAS": "T"}),
    (chip_of(), {"FTITLE": "one"}),
    (chip_of(), {"FTITLE": StoredText.of("one", b"one".ljust(80, b"\0"))}),
    (chip_of(), {"IID1": StoredText.of("one", b"one\0 \0 \0 \0")}),
    (chip_of(), {"IID1": "one"}),
    (chip_of(), {"ABCDEF": b"123"}),
    (chip_of(), {"GEOPSB": None, "MAPLOB": None}),
    (chip_of(row={"datetime": None, "item_id": "a name"}), {}),
    (chip_of(row={"datetime": None, "item_id": "another name"}), {}),
]


def forget():
    plan_alike._kept.clear()
    chip_common._kept.cache_clear()


def written(chip, said):
    return encode_nitf(chip, overrides={**FDT, **said})


def alone(chip, said):
    forget()
    return written(chip, said)


def test_a_chip_like_an_earlier_one_is_what_it_would_be_alone():
    apart = [alone(*each) for each in CHIPS]
    assert len(set(apart)) == len(apart)

    forget()
    for each, data in [*zip(CHIPS, apart, strict=True), *zip(CHIPS[::-1], apart[::-1], strict=True)]:
        assert written(*each) == data


@pytest.mark.parametrize("each", CHIPS)
def test_a_file_in_memory_is_the_one_that_is_written_anywhere(each):
    chip, said = each
    out = io.BytesIO(b"before")
    out.seek(6)
    write_nitf(out, chip_file(chip, overrides={**FDT, **said}))

    assert out.getvalue() == b"before" + written(chip, said)


@pytest.mark.parametrize("each", CHIPS)
def test_every_byte_of_a_file_is_written(each, monkeypatch):
    chip, said = each
    expected = written(chip, said)

    def filled_file(size):
        return io.BytesIO(b"\xa5" * size)

    monkeypatch.setattr(write, "fresh_file", filled_file)

    assert written(chip, said) == expected


def test_fields_of_a_chip_are_a_mapping_of_all_of_them():
    fields = chip_file(chip_of(), overrides={"IID2": "a name"}).images[0].fields

    assert fields["IID2"] == "a name"
    assert fields["IREP"] == "RGB"
    assert len(fields) == len(set(fields)) == len(dict(fields))
    assert fields == dict(fields)


def test_a_lower_marking_is_refused_of_every_chip_and_of_every_parent(tmp_path):
    open_one, secret = (
        write_parent(
            tmp_path / f"{mark}.ntf", scene_pixels((1, 20, 20)), fields={"ISCLAS": mark}, file_fields={"FSCLAS": mark}
        )
        for mark in "US"
    )
    windows = [(0, 0, 9, 9), (3, 0, 9, 9), (0, 5, 9, 9)]

    for window in windows:
        assert b"U" in encode_nitf(cut(open_one, window), overrides={"ISCLAS": "U"})
        assert read_nitf(encode_nitf(cut(secret, window))).images[0].fields["ISCLAS"] == "S"
        for name in ("ISCLAS", "FSCLAS"):
            with pytest.raises(EncodeError, match=f"{name} 'U' .* is below the source's 'S'"):
                encode_nitf(cut(secret, window), overrides={name: "U"})


def test_few_kinds_are_held():
    for number in range(chip_common.KINDS + 9):
        chip_file(chip_of((1, 4, 4)), overrides={"FTITLE": f"{number}"})

    assert chip_common._kept.cache_info().currsize <= chip_common.KINDS


def test_what_is_said_after_a_chip_was_made_is_another_chips():
    said = dict(FDT)
    first = encode_nitf(chip_of(), overrides=said)
    said["IID2"] = "later"

    assert encode_nitf(chip_of(), overrides=said) != first
    assert encode_nitf(replace(chip_of()), overrides=FDT) == first
