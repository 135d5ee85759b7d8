"""SICD and SIDD XML of a part, by itself: what NITF chips carry."""

import lxml.etree
import pytest
from chip_sources import sicd_xml, sidd_xml

from stacchip_osml.encode.nitf import chipped_coordinate_to_full, update_sicd_for_chip, update_sidd_for_chip
from stacchip_osml.encode.nitf.sidd import sidd_parent


def test_the_sicd_xml_of_a_part_says_which_rows_and_columns_it_has():
    whole = sicd_xml(40, 50, first=(100, 200))

    part = update_sicd_for_chip(whole.decode(), [5, 6, 20, 10])
    twice = update_sicd_for_chip(update_sicd_for_chip(whole, [2, 2, 40, 30]), (3, 4, 20, 10), (20, 10))

    root = lxml.etree.fromstring(part.encode())
    found = [root.findtext(f"{{*}}ImageData/{{*}}{name}") for name in ("FirstRow", "FirstCol", "NumRows", "NumCols")]
    assert found == ["106", "205", "10", "20"]
    assert lxml.etree.canonicalize(twice) == lxml.etree.canonicalize(part)


@pytest.mark.parametrize(
    ("bounds", "size", "message"),
    [
        ([0, 0, 20, 10], (10, 5), "one to one"),
        ([0.5, 0, 20, 10], None, "one to one"),
        ([40, 0, 20, 10], None, "lies inside its parent"),
        ([0, 0, 0, 10], None, "a chip has pixels"),
    ],
)
def test_a_part_that_sicd_cannot_describe_is_a_value_error(bounds, size, message):
    with pytest.raises(ValueError, match=message):
        update_sicd_for_chip(sicd_xml(40, 50), bounds, size)


def test_the_sidd_xml_of_a_part_leads_back_to_the_whole_at_any_size():
    xml = update_sidd_for_chip(
        update_sidd_for_chip(sidd_xml(60, 80).decode(), [10, 20, 40, 40], (20, 10)), [0, 0, 8, 6]
    )

    chip = sidd_parent(xml.encode()).chip

    assert chip.size == (8, 6)
    for col, row in ((0, 0), (7, 5), (3.5, 1.25)):
        corners = [(col, row) for row, col in (chip.corners[0], chip.corners[1], chip.corners[3], chip.corners[2])]
        full = chipped_coordinate_to_full((col, row), (8, 6), corners)
        assert full == pytest.approx((10 + (col + 0.5) * 2 - 0.5, 20 + (row + 0.5) * 4 - 0.5))


def test_a_chip_of_one_pixel_is_not_divided_by_zero():
    assert chipped_coordinate_to_full((0, 0), (1, 1), [(7, 9)] * 4) == (7, 9)
