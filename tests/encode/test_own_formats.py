"""Formats of a caller's own: registered once, known to everything that writes chips."""

import numpy as np
import pytest

from stacchip_osml import ChipFactory
from stacchip_osml.encode import encode_chip, image_format, register_format, write_chip
from stacchip_osml.encode import formats as table
from stacchip_osml.errors import EncodeError
from stacchip_osml.imagery import BufferedImageAssetProvider

PIXELS = np.arange(3 * 40 * 50, dtype=np.uint16).reshape(3, 40, 50)


def encode_raw(chip, *, order="C", overrides=None):
    return bytes(str(dict(overrides or {})), "ascii") + chip.pixels.tobytes(order)


@pytest.fixture
def raw(monkeypatch):
    monkeypatch.setattr(table, "FORMATS", dict(table.FORMATS))
    monkeypatch.setattr(table, "NAMES", dict(table.NAMES))
    return register_format("raw", encode_raw, extensions=(".raw", ".bin"), aliases=("bytes",))


def factory(**options):
    return ChipFactory(BufferedImageAssetProvider.from_array(PIXELS, key="a"), **options)


def test_chips_are_written_in_a_format_of_ones_own_by_any_of_its_names(raw, tmp_path):
    chip = factory(output_format="raw").read_chip((0, 0, 50, 40))

    assert image_format(".RAW") == image_format("bytes") == raw
    assert encode_chip(chip, "bytes") == b"{}" + PIXELS.tobytes()
    assert write_chip(tmp_path, chip, "raw").suffix == ".raw"
    assert factory(output_format="raw").create_chip((10, 0, 8, 8)) == b"{}" + PIXELS[:, :8, 10:18].tobytes()


def test_its_keyword_arguments_are_its_options_and_others_are_refused(raw):
    made = factory(output_format="raw", format_options={"order": "F"}, metadata_overrides={"A": 1})
    assert made.create_chip((0, 0, 8, 8)) == b"{'A': 1}" + PIXELS[:, :8, :8].tobytes("F")

    with pytest.raises(EncodeError, match="raw has no option level; it has order"):
        factory(output_format="raw", format_options={"level": 3})


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("png", {}, "the format name 'png' is taken"),
        ("mine", {"aliases": ("tif",)}, "the format name 'tif' is taken"),
        ("bytes", {}, "the format name 'bytes' is taken"),
        ("Mine", {}, "in lower case and without a dot, got 'Mine'"),
        (".mine", {}, "in lower case and without a dot, got '.mine'"),
        ("mine", {"extensions": ()}, "needs a list of file name endings"),
        ("mine", {"extensions": ("bin",)}, "needs a list of file name endings"),
        ("mine", {"extensions": ".bin"}, "needs a list of file name endings with a dot"),
    ],
)
def test_a_name_that_is_taken_or_none_is_refused(raw, name, options, message):
    before = dict(table.NAMES)
    with pytest.raises(EncodeError, match=message):
        register_format(name, encode_raw, **({"extensions": (".bin",)} | options))

    assert before == table.NAMES
    assert "mine" not in table.FORMATS


def test_the_same_registration_again_changes_nothing(raw):
    again = register_format("raw", encode_raw, extensions=(".raw", ".bin"), aliases=("bytes",))

    assert again == raw == image_format("raw")


@pytest.mark.parametrize(
    ("encode", "message"),
    [
        (lambda chip: {}["driver"], "format 'mine' failed with KeyError: 'driver'"),
        (lambda chip: 3, "format 'mine' must give bytes, it gave int"),
    ],
)
def test_an_encoder_that_fails_is_named(raw, tmp_path, encode, message):
    register_format("mine", encode, extensions=[".mine"])
    chip = factory().read_chip((0, 0, 50, 40))

    with pytest.raises(EncodeError, match=message):
        write_chip(tmp_path, chip, "mine")
    assert list(tmp_path.iterdir()) == []
