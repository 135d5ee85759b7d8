from dataclasses import replace

import imagecodecs
import numpy as np
import pytest

from stacchip_osml.encode import contact_sheet
from stacchip_osml.encode.pictures.sheet import GAP, GROUND, HATCH, LABEL_ROWS, VOID
from stacchip_osml.errors import EncodeError
from tests.encode.encode_chips import chip_of


def field(sheet, index, *, columns, size, labels=True):
    """Cut the field of one chip out of a sheet."""
    step_y = size + GAP + (LABEL_ROWS if labels else 0)
    y, x = GAP + index // columns * step_y, GAP + index % columns * (size + GAP)
    return sheet[y : y + size, x : x + size]


def draw(chips, **settings):
    return imagecodecs.png_decode(contact_sheet(chips, **settings))


def test_chips_stand_in_reading_order_at_their_place():
    chips = [chip_of("uint8", (3, 64, 64), seed=seed) for seed in range(5)]
    sheet = draw(chips, columns=3, size=64)
    assert sheet.shape == (GAP + 2 * (64 + GAP + LABEL_ROWS), GAP + 3 * (64 + GAP), 3)
    for index, chip in enumerate(chips):
        assert (field(sheet, index, columns=3, size=64) == chip.pixels.transpose(1, 2, 0)).all()
    assert (field(sheet, 5, columns=3, size=64) == GROUND).all()


def test_a_sparse_chip_is_a_hatched_field():
    sparse = field(draw([None, chip_of("uint8")], columns=2, size=64), 0, columns=2, size=64)
    assert {tuple(color) for color in sparse.reshape(-1, 3)} == {HATCH, VOID}


def test_invalid_pixels_show_the_hatch_and_do_not_darken_their_neighbours():
    chip = chip_of("uint8", (3, 256, 256))
    chip.pixels[:] = 200
    chip.mask[:, :, :101] = False
    shown = field(draw([chip], columns=1, size=64), 0, columns=1, size=64)
    assert (shown[:, 26:] == 200).all()
    assert {tuple(color) for color in shown[:, :25].reshape(-1, 3)} == {HATCH, VOID}


def test_a_chip_keeps_its_shape():
    shown = field(draw([chip_of("uint8", (3, 32, 64))], columns=1, size=64), 0, columns=1, size=64)
    assert (shown[:16] == GROUND).all()
    assert (shown[48:] == GROUND).all()
    assert not (shown[16:48] == GROUND).all(axis=2).any()


def test_a_common_stretch_compares_brightness_and_an_own_one_does_not():
    dark, bright = chip_of("uint16", (1, 64, 64)), chip_of("uint16", (1, 64, 64))
    dark = replace(dark, pixels=dark.pixels // 4)
    for stretch, same in (("chip", True), ("sheet", False)):
        sheet = draw([dark, bright], columns=2, size=64, stretch=stretch)
        means = [field(sheet, index, columns=2, size=64).mean() for index in (0, 1)]
        assert (abs(means[0] - means[1]) < 5) == same


def test_labels_are_written_below_and_can_be_left_out():
    chip = chip_of("uint8", (3, 64, 64))
    lettered = draw([chip], size=64, labels=["Hg 1"])
    strip = lettered[GAP + 64 :, GAP : GAP + 64]
    assert strip.max() > 150
    blank = draw([chip], size=64, labels=[" "])
    assert (blank[GAP + 64 :] == GROUND).all()
    assert draw([chip], size=64, labels=[]).shape[0] == GAP + 64 + GAP
    assert draw([chip], size=64, labels=["é" * 300]).shape == lettered.shape


def test_the_default_label_is_the_grid_position():
    chip = chip_of("uint8", (3, 64, 64))
    placed = replace(chip, row={"grid_col": 3, "grid_row": 14})
    assert contact_sheet([placed]) == contact_sheet([placed], labels=["3, 14"])
    assert contact_sheet([chip]) == contact_sheet([chip], labels=["128, 64"])


@pytest.mark.parametrize("dtype", ["int8", "uint16", "float32", "complex64"])
def test_chips_of_any_kind_share_a_sheet(dtype):
    sheet = draw(
        [chip_of(dtype, (5, 20, 30), holes="each"), None, chip_of("uint8", (1, 300, 7))], size=32, stretch="sheet"
    )
    assert np.ptp(sheet) > 100


@pytest.mark.parametrize(
    ("chips", "settings", "message"),
    [
        ([], {}, "at least one chip"),
        ([None], {"stretch": "all"}, "stretch must be chip or sheet"),
        ([None], {"labels": ["a", "b"]}, "as many labels, got 2"),
        ([None], {"size": 4}, "out of range"),
        ([None], {"columns": 1000, "size": 128}, "out of range"),
        ([None], {"columns": -1}, "out of range"),
        ([chip_of()], {"bands": [9]}, "one or three bands of 0 to 2"),
        ([chip_of()], {"bands": [9], "stretch": "sheet"}, "one or three bands of 0 to 2"),
    ],
)
def test_a_sheet_that_makes_no_sense_is_refused(chips, settings, message):
    with pytest.raises(EncodeError, match=message):
        contact_sheet(chips, **settings)
