"""Samples in another type: floats may round, and no other value may change."""

import numpy as np
import pytest
from training_scene import training_index

from stacchip_osml.errors import ChipError
from stacchip_osml.load.samples import as_type
from stacchip_osml.load.source import ChipSource


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    return training_index(tmp_path_factory.mktemp("scene"))


def test_a_type_that_cannot_hold_the_pixels_is_refused_instead_of_turned_over(index):
    stored = ChipSource(index)[5]["image"]
    assert stored.max() > 127

    with pytest.raises(ChipError, match=r"dtype int8: cannot hold all values of these uint16 pixels"):
        ChipSource(index, dtype="int8").load([5])
    np.testing.assert_array_equal(ChipSource(index, dtype="int16")[5]["image"], stored)
    with pytest.raises(
        ChipError, match="dtype must be the name of a numpy type, such as 'float32', or None; got 'flt'"
    ):
        ChipSource(index, dtype="flt")


@pytest.mark.parametrize(
    ("values", "dtype", "is_held"),
    [
        (np.array([0, 7], np.float32), "int64", True),
        (np.array([0.5, 7], np.float32), "int64", False),
        (np.array([np.nan, 7], np.float32), "int64", False),
        (np.array([1e20], np.float64), "int32", False),
        (np.array([0.1], np.float64), "float32", True),
        (np.array([-1], np.int16), "uint16", False),
        (np.array([1 + 2j], np.complex128), "complex64", True),
        (np.array([1 + 0j], np.complex64), "float32", False),
        (np.array([1 + 0j], np.complex64), "uint8", False),
        (np.array([2], np.uint8), "bool", False),
    ],
)
def test_floats_may_round_and_no_other_value_may_change(values, dtype, is_held):
    if is_held:
        assert as_type("dtype", values, np.dtype(dtype)).dtype == dtype
    else:
        with pytest.raises(ChipError, match=f"dtype {dtype}: cannot hold"):
            as_type("dtype", values, np.dtype(dtype))
