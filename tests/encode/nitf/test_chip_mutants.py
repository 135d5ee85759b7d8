"""Damaged TREs of a parent: its chips are written, nothing is misplaced by them, and what became of each is told."""

import numpy as np
import pytest
from chip_sources import cut, scene_pixels, write_parent
from hypothesis import given, settings
from hypothesis import strategies as st

from stacchip_osml.encode.nitf import Tre, chip_account, encode_nitf, read_nitf
from stacchip_osml.errors import DecodeError, EncodeError, ItemError
from stacchip_osml.geometry import load_sensor_model
from tests.geometry.sensor_tres import ichipb, rpc_tre

PIXELS = scene_pixels((2, 40, 50))
WINDOW = (5, 6, 20, 10)
SENSOR = Tre("RPC00B", rpc_tre("RPC00B"))
REAL = {
    "ICHIPB": ichipb((100, 200), (40, 50)),
    "RPC00A": rpc_tre("RPC00A"),
    "RPC00B": SENSOR.data,
    "BLOCKA": b"010000000040" + b" " * 22 + b"+46.000000+007.500000" * 4 + b"010.0",
    "CSCRNA": b"Y" + b"+46.0000+007.500000300.0" * 4,
    "PIAIMC": b"005" + b" " * 359,
    "USE00A": b"012" + b" " * 104,
    "CSEXRA": b"PAN   " + b"0" * 126,
    "BANDSA": b"0" * 22 + b"0002" + b"0" * 92,
    "BANDSB": b"00002" + b"R" * 24 + b"\0" * 93,
    "MAPLOB": b"M  0001000010" + b"+000500000.0000" * 2,
    "GEOLOB": b"000003600000003600" + b"+000000010.0000" * 2,
    "STDIDC": b"20200101" + b"0" * 81,
    "J2KLRA": b"0" * 30,
    "VENDOR": b"bytes that nobody knows",
}
AS_IT_IS = {"RPC00A", "RPC00B", "CSCRNA", "PIAIMC", "USE00A", "CSEXRA", "STDIDC", "VENDOR"}
"""Nothing in these depends on the chip's window."""
DAMAGES = {
    "empty": lambda data: b"",
    "short": lambda data: data[:-1],
    "long": lambda data: data + b"0",
    "half": lambda data: data[: len(data) // 2],
    "questions": lambda data: b"?" * len(data),
    "zeros": lambda data: b"0" * len(data),
    "NUL": lambda data: b"\0" * len(data),
    "high bytes": lambda data: b"\xff" * len(data),
    "spaces": lambda data: b" " * len(data),
    "no number": lambda data: (b"nan            " * len(data))[: len(data)],
    "flag": lambda data: b"07" + data[2:],
}


def chipped(folder, tres, **settings):
    path = write_parent(folder / "parent.ntf", PIXELS, tres=tres)
    chip = cut(path, WINDOW, locate=False, **settings)
    (folder / "chip.ntf").write_bytes(encode_nitf(chip))
    return path, str(folder / "chip.ntf"), chip_account(chip)


def model_or_none(path):
    try:
        return load_sensor_model(path)
    except ItemError:
        return None


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("tag", REAL)
def test_a_damaged_tre_does_not_stop_a_chip_and_is_accounted_for(tmp_path, tag, damage):
    given = Tre(tag, DAMAGES[damage](REAL[tag]))
    tres = (Tre("FIRST", b"1"), given, SENSOR, Tre("LAST", b"2")) if tag != "RPC00B" else (given,)

    parent, chip, account = chipped(tmp_path, tres)
    found = read_nitf(chip).images[0].tres

    assert [fate.tag for fate in account.tres] == [tre.tag for tre in tres]
    assert all(tre in found for tre in tres if tre.tag in AS_IT_IS | {"FIRST", "LAST"})
    for fate in account.tres:
        assert (fate.tre in found) if fate.tre is not None else fate.reason
    before, after = model_or_none(parent), model_or_none(chip)
    if after is not None and before is not None and before.kind == after.kind:
        cols, rows = np.array([0.0, 20.0, 3.0]), np.array([0.0, 10.0, 9.0])
        np.testing.assert_allclose(after(cols, rows), before(cols + 5, rows + 6), rtol=0, atol=2e-6)


@pytest.mark.parametrize("damage", [name for name in DAMAGES if name != "zeros"])
def test_a_chip_of_an_image_with_a_damaged_ichipb_says_that_its_place_in_the_full_image_is_not_known(tmp_path, damage):
    parent, chip, account = chipped(tmp_path, (Tre("ICHIPB", DAMAGES[damage](REAL["ICHIPB"])), SENSOR))

    told = [tre for tre in read_nitf(chip).images[0].tres if tre.tag == "ICHIPB"]
    assert [tre.data[:2] for tre in told] == [b"01"]
    assert model_or_none(parent) is None
    assert model_or_none(chip) is None
    assert account.tres[0].fate == "replaced"
    assert account.tres[0].reason.startswith("damaged, so that its chips say XFRM_FLAG 01: ")
    again = tmp_path / "again.ntf"
    again.write_bytes(encode_nitf(cut(chip, (1, 2, 9, 7), locate=False)))
    assert [tre.data for tre in read_nitf(again).images[0].tres if tre.tag == "ICHIPB"] == [told[0].data]


@pytest.mark.parametrize(("tag", "reason"), [("BANDSA", "damaged, or not of the image's bands"), ("MAPLOB", "damaged")])
def test_what_would_have_to_be_read_and_cannot_be_is_left_out_and_told(tmp_path, tag, reason):
    pixels = scene_pixels((1, 10, 20))
    _, chip, account = chipped(tmp_path, (Tre(tag, b""),), bands=(1,), pixels=pixels)

    assert (account.tres[0].fate, account.tres[0].reason[: len(reason)]) == ("left out", reason)
    assert tag not in [tre.tag for tre in read_nitf(chip).images[0].tres]


def test_a_tre_that_leaves_its_area_hides_those_behind_it_and_is_refused(tmp_path):
    path = tmp_path / "parent.ntf"
    write_parent(path, PIXELS, tres=(SENSOR, Tre("VENDOR", b"abc")))
    data = bytearray(path.read_bytes())
    at = data.index(b"VENDOR00003")
    data[at : at + 11] = b"VENDOR00099"
    path.write_bytes(data)

    with pytest.raises(DecodeError, match="'VENDOR' of 99 bytes leaves its area"):
        encode_nitf(cut(str(path), WINDOW, locate=False))


def test_damaged_tres_of_real_files_do_not_stop_a_chip(real_data, tmp_path):
    found: dict[str, bytes] = {}
    for path in sorted(real_data.glob("**/*.[nN][tTiI][fF]*")):
        try:
            file = read_nitf(path)
        except (DecodeError, EncodeError):
            continue
        for tre in (tre for image in file.images for tre in image.tres if len(tre.data) < 5000):
            found.setdefault(tre.tag, tre.data)
    assert len(found) > 20
    for tag, data in found.items():
        for damage in ("empty", "questions"):
            tre = Tre(tag, DAMAGES[damage](data))
            _, chip, account = chipped(tmp_path, (tre, SENSOR))
            (fate,) = (fate for fate in account.tres if fate.tag == tag and (tag != "RPC00B" or fate.tre == tre))
            assert fate.tre == tre or fate.reason, (tag, damage)
            assert fate.tre is None or tre in read_nitf(chip).images[0].tres, (tag, damage)


@settings(max_examples=60)
@given(at=st.integers(0, 223), byte=st.integers(0, 255), scale=st.sampled_from([1.0, 2.0]))
def test_one_byte_of_ichipb_moves_a_chip_no_further_than_its_parent(tmp_path_factory, at, byte, scale):
    data = bytearray(ichipb((100, 200), (40, 50), scale=scale))
    data[at] = byte
    parent, chip, _ = chipped(tmp_path_factory.mktemp("one"), (Tre("ICHIPB", bytes(data)), SENSOR))

    before, after = model_or_none(parent), model_or_none(chip)
    assert before is not None or after is None
    if before is not None and after is not None:
        cols, rows = np.array([0.0, 20.0, 3.0]), np.array([0.0, 10.0, 9.0])
        expected = np.array(before(cols + 5, rows + 6))
        on_ground = np.isfinite(expected).all(axis=0)
        np.testing.assert_allclose(np.array(after(cols, rows))[:, on_ground], expected[:, on_ground], rtol=0, atol=1e-5)
