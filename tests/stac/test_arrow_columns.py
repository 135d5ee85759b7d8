"""Columns of a few documents are those that Arrow makes of them."""

from collections import OrderedDict
from types import MappingProxyType

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stacchip_osml.stac.arrow_columns import arrow_column, arrow_kind
from stacchip_osml.stac.columns import Kind, has_column, join_kind, shaper

words = st.text(st.characters(codec="utf-8"), max_size=3)
leaves = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | words
documents = st.recursive(
    leaves,
    lambda part: st.lists(part, max_size=3) | st.dictionaries(st.sampled_from("abcz"), part, max_size=3),
    max_leaves=12,
)
PLAIN = {
    pa.string(): ["a", None, "ä"],
    pa.binary(): [b"\0", None, b""],
    pa.uint8(): [255, None, 0],
    pa.int32(): [-(2**31), None, 7],
    pa.uint32(): [2**32 - 1, None, 0],
    pa.float64(): [0.1, None, 3],
    pa.bool_(): [True, None, False],
    pa.list_(pa.float64()): [[1.5, 2.0], None, []],
    pa.list_(pa.string()): [["x"], None, ["", "yy"]],
    pa.timestamp("us", "UTC"): [-1, None, 10**15],
    pa.struct([("x", pa.float64()), ("n", pa.string())]): [{"x": 1.0, "n": "a"}, None, {"x": None}],
}


@given(values=st.lists(documents, min_size=1, max_size=5))
def test_columns_are_those_that_arrow_infers(values):
    kind = Kind()
    for value in values:
        join_kind(kind, value)
    shape = shaper(kind)
    shaped = [None if value is None else shape(value) for value in values]
    if not has_column(kind):
        return

    expected, found = pa.array(shaped), arrow_column(shaped, arrow_kind(kind))

    found.validate(full=True)
    assert found.type == expected.type
    assert found.equals(expected)


def test_values_of_derived_classes_are_what_their_class_is():
    class Word(str):
        __slots__ = ()

    kind, values = Kind(), [{"a": Word("x"), "b": (1, 2)}, MappingProxyType({"a": "y", "b": [3]}), OrderedDict(b=[])]
    for value in values:
        join_kind(kind, value)
    shaped = list(map(shaper(kind), values))
    assert shaped == [{"a": "x", "b": [1, 2]}, {"a": "y", "b": [3]}, {"b": []}]
    assert type(shaped[0]["a"]) is str
    assert arrow_kind(kind) == pa.struct([("a", pa.string()), ("b", pa.list_(pa.int64()))])


@pytest.mark.parametrize("kind", PLAIN, ids=str)
@pytest.mark.parametrize("count", [0, 1, 3, 600])
def test_columns_of_a_given_type_are_those_that_arrow_makes(kind, count):
    values = (PLAIN[kind] * 200)[:count]

    found = arrow_column(values, kind)

    found.validate(full=True)
    assert found.equals(pa.array(values, kind))
