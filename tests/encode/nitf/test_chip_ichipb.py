"""ICHIPB: the half-pixel grid, the true size of the full image, chips of chips."""

import io
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jbpy.extensions.tre.ICHIPB import ICHIPB

from stacchip_osml.encode.nitf.ichipb import ImageChip, chip_in_image, ichipb_tre, parse_ichipb
from stacchip_osml.errors import EncodeError
from stacchip_osml.pixel import ImageSize

IMAGE = ImageSize(5000, 6000)


def fields_of(tre):
    """The fields as jbpy reads them."""
    parsed = ICHIPB()
    parsed.load(io.BytesIO(tre.tag.ljust(6).encode() + b"%05d" % len(tre.data) + tre.data))
    return {name: parsed[name].encoded_value.decode() for name in parsed}


def test_a_chip_at_full_resolution_has_the_standards_numbers():
    tre = ichipb_tre(chip_in_image((100, 200, 512, 256), ImageSize(512, 256), IMAGE))

    fields = fields_of(tre)

    assert len(tre.data) == 224
    assert (fields["XFRM_FLG"], fields["SCALE_FACTOR"]) == ("00", "0001.00000")
    assert (fields["ANAMRPH_CORR"], fields["SCANBLK_NUM"]) == ("00", "00")
    assert [fields[f"OP_{axis}_{at}"] for at in ("11", "22") for axis in ("ROW", "COL")] == [
        *("00000000.500", "00000000.500"),
        *("00000255.500", "00000511.500"),
    ]
    assert [fields[f"FI_{axis}_{at}"] for at in ("12", "21") for axis in ("ROW", "COL")] == [
        *("00000200.500", "00000611.500"),
        *("00000455.500", "00000100.500"),
    ]
    assert (fields["FI_ROW"], fields["FI_COL"]) == ("00006000", "00005000")


def test_the_centre_of_a_reduced_pixel_is_the_centre_of_what_it_covers():
    chip = chip_in_image((100, 200, 512, 256), ImageSize(256, 128), IMAGE)

    assert chip.scale == 2.0
    assert chip.output[0] == (0.5, 0.5)
    assert chip.full[0] == (201.0, 101.0)


windows = st.tuples(
    st.floats(-40, 300, width=32),
    st.floats(-40, 300, width=32),
    st.floats(1, 400, width=32),
    st.floats(1, 400, width=32),
)
sizes = st.builds(ImageSize, st.integers(1, 600), st.integers(1, 600))


@given(window=windows, size=sizes)
@example(window=(0.0, 1.0, 1.0, 400.0), size=ImageSize(1, 1))  # one pixel that lies in the image but for a part
def test_every_chip_leads_back_to_its_window(window, size):
    image = ImageSize(500, 400)
    chip = chip_in_image(window, size, image)
    if chip is None:
        x, y, width, height = window
        assert min(x + width, image.width) - max(x, 0) < 1 or min(y + height, image.height) - max(y, 0) < 1
        return

    x, y, width, height = window
    cols, rows = np.array([0, size.width, size.width / 3]), np.array([size.height, 0, size.height / 2])
    full_cols, full_rows = parse_ichipb(ichipb_tre(chip).data).to_full(cols, rows)

    (low_row, low_col), (high_row, high_col) = chip.output[0], chip.output[3]
    # Three decimals, and what a grid that does not span the chip makes of them.
    loose_col = 0.0006 * (1 + 2 * size.width / (high_col - low_col))
    loose_row = 0.0006 * (1 + 2 * size.height / (high_row - low_row))
    np.testing.assert_allclose(full_cols, x + cols * width / size.width, atol=loose_col)
    np.testing.assert_allclose(full_rows, y + rows * height / size.height, atol=loose_row)


@settings(max_examples=60)
@given(outer=windows, inner=windows)
def test_a_chip_of_a_chip_refers_to_the_first_image(outer, inner):
    image, size = ImageSize(500, 400), ImageSize(256, 200)
    parent = chip_in_image(outer, size, image)
    if parent is None or parent.output[0] != (0.5, 0.5) or parent.output[3] != (199.5, 255.5):
        return
    chip = chip_in_image(inner, ImageSize(64, 64), size, parent=parent)
    if chip is None:
        return

    scale = outer[2] / 256, outer[3] / 200
    col = np.array(chip.output)[:, 1] * inner[2] / 64 + inner[0]
    row = np.array(chip.output)[:, 0] * inner[3] / 64 + inner[1]

    np.testing.assert_allclose(np.array(chip.full)[:, 1], outer[0] + col * scale[0], atol=1e-6)
    np.testing.assert_allclose(np.array(chip.full)[:, 0], outer[1] + row * scale[1], atol=1e-6)
    assert chip.full_size == image
    assert chip.scale == pytest.approx(np.sqrt(scale[0] * scale[1] * inner[2] * inner[3]) / 64)


def test_pixels_outside_of_the_image_are_no_grid_points():
    chip = chip_in_image((-3, -2.5, 8, 8), ImageSize(8, 8), IMAGE)

    assert chip.output[0] == (2.5, 3.5)
    assert chip.full[0] == (0.0, 0.5)
    assert chip.output[3] == (7.5, 7.5)
    assert chip_in_image((-8, 0, 8, 8), ImageSize(8, 8), IMAGE) is None
    assert chip_in_image((0, 6000, 8, 8), ImageSize(8, 8), IMAGE) is None


def test_a_chip_of_a_padded_chip_has_grid_points_in_the_first_image_only():
    image, size = ImageSize(500, 400), ImageSize(100, 100)
    parent = chip_in_image((-10, -20, 100, 100), size, image)
    assert parent is not None

    chip = chip_in_image((0, 0, 50, 50), ImageSize(50, 50), size, parent=parent)

    assert chip is not None
    assert (chip.output[0], chip.output[3]) == ((20.5, 10.5), (49.5, 49.5))
    np.testing.assert_allclose((chip.full[0], chip.full[3]), ((0.5, 0.5), (29.5, 39.5)), atol=1e-9)
    assert ichipb_tre(chip).tag == "ICHIPB"
    assert chip_in_image((0, 0, 10, 10), ImageSize(10, 10), size, parent=parent) is None


def test_a_size_that_its_own_grid_points_leave_limits_nothing():
    parent = replace(
        chip_in_image((100, 50, 60, 60), ImageSize(60, 60), ImageSize(500, 400)), full_size=ImageSize(90, 90)
    )

    chip = chip_in_image((10, 10, 20, 20), ImageSize(20, 20), ImageSize(60, 60), parent=parent)

    assert chip is not None
    np.testing.assert_allclose((chip.full[0], chip.full[3]), ((60.5, 110.5), (79.5, 129.5)), atol=1e-9)


def test_one_pixel_has_its_edges_for_a_grid():
    chip = chip_in_image((7, 9, 1, 1), ImageSize(1, 1), IMAGE)

    assert chip.output == ((0, 0), (0, 1), (1, 0), (1, 1))
    assert chip.full == ((9, 7), (9, 8), (10, 7), (10, 8))


def test_a_dewarped_image_stays_one_without_a_grid():
    parent = parse_ichipb(b"01" + b"0" * 222)

    chip = chip_in_image((1, 2, 3, 4), ImageSize(3, 4), IMAGE, parent=parent)

    assert chip.is_nonlinear
    assert ichipb_tre(chip).data.startswith(b"010000.00000")
    with pytest.raises(EncodeError, match="XFRM_FLAG 01 of ICHIPB gives no grid"):
        chip.to_full(0, 0)


def test_a_grid_that_stands_askew_is_a_projective_map():
    askew = ImageChip(
        output=((0.5, 0.5), (0.5, 9.5), (9.5, 0.5), (9.5, 8.5)),
        full=((10.0, 20.0), (12.0, 60.0), (50.0, 22.0), (55.0, 70.0)),
        full_size=IMAGE,
    )

    cols, rows = askew.to_full([p[1] for p in askew.output], [p[0] for p in askew.output])

    np.testing.assert_allclose(np.stack([rows, cols], axis=1), askew.full, atol=1e-9)
    flat = ImageChip(output=((1, 1),) * 4, full=askew.full, full_size=IMAGE)
    with pytest.raises(EncodeError, match="grid points of ICHIPB lie on one line"):
        flat.to_full(0, 0)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"00", "ICHIPB is 224 bytes .STDI-0002 volume 1, appendix B, table B-1., got 2"),
        (b"00" + b"x" * 222, "ICHIPB has a number at byte"),
        (b"00" + b"nan".rjust(10) + b"0" * 4 + b"nan".rjust(12) * 18 + b"0" * 16, "ICHIPB"),
    ],
)
def test_a_damaged_tre_is_refused_by_name(data, message):
    with pytest.raises(EncodeError, match=message):
        parse_ichipb(data[:224] if len(data) > 224 else data)


def test_what_a_field_cannot_hold_is_refused_by_name():
    chip = chip_in_image((0, 0, 10, 10), ImageSize(10, 10), ImageSize(10, 10))
    for wrong, message in (
        ({"scale": 10_000.0}, r"SCALE_FACTOR of ICHIPB lies from 0 to 9999.99999"),
        ({"full": ((-1.0, 0.0),) * 4}, r"FI_ROW_11 of ICHIPB lies from 0 to 99999999.999"),
        ({"anamorphic": "1"}, "ANAMRPH_CORR of ICHIPB is two digits"),
        ({"full_size": ImageSize(10**8, 1)}, "FI_COL of ICHIPB is 8 digits"),
    ):
        settled = {name: getattr(chip, name) for name in ("output", "full", "full_size", "scale")} | wrong
        with pytest.raises(EncodeError, match=message):
            ichipb_tre(ImageChip(**settled))


def test_what_is_written_is_read_back_field_by_field():
    chip = chip_in_image((10, 20, 60, 30), ImageSize(30, 10), ImageSize(800, 600))

    again = parse_ichipb(ichipb_tre(chip).data)

    assert (again.full_size, again.output) == (ImageSize(800, 600), chip.output)
    assert again.full == chip.full
    assert again.scale == pytest.approx(chip.scale, abs=1e-5)
