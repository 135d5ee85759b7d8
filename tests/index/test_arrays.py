"""Arrow arrays made and read without pandas are what Arrow itself makes and reads."""

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stacchip_osml.index.arrays import column_of, numbers_of, positions, valid_of, words_of

KINDS = [pa.int8(), pa.uint8(), pa.int32(), pa.int64(), pa.float32(), pa.float64(), pa.timestamp("us", "UTC")]
values = st.lists(st.none() | st.integers(0, 100), max_size=20)


@pytest.mark.parametrize("kind", KINDS, ids=str)
@given(values=values, cut=st.integers(0, 20))
def test_numbers_are_the_columns_whatever_its_slice_and_chunks(kind, values, cut):
    whole = pa.array(values, kind)
    expected = [-1 if value is None else value for value in values]

    assert numbers_of(whole.slice(cut), null=1).tolist() == [1 if v is None else v for v in values[cut:]]
    if not pa.types.is_unsigned_integer(kind):
        chunks = pa.chunked_array([whole.slice(0, cut), whole.slice(cut)])
        assert numbers_of(chunks, null=-1).tolist() == expected


@given(values=values, cut=st.integers(0, 20))
def test_rows_that_are_not_null_are_told(values, cut):
    assert valid_of(pa.array(values, pa.int32()).slice(cut)).tolist() == [value is not None for value in values[cut:]]


@given(values=st.lists(st.integers(-9, 9), max_size=20))
def test_columns_are_what_arrow_makes(values):
    numbers = np.array(values, np.int32)
    there = numbers >= 0

    assert column_of(pa.int32(), numbers).equals(pa.array(values, pa.int32()))
    assert column_of(pa.int32(), numbers, there).equals(pa.array(numbers, mask=~there))
    assert positions(numbers[::2]).equals(pa.array(values[::2], pa.int64()))


@given(words=st.lists(st.text(st.characters(codec="utf-8"), max_size=5), max_size=9))
def test_words_are_what_arrow_makes(words):
    assert words_of(words).equals(pa.array(words, pa.string()))


def test_none_of_it_imports_pandas():
    code = (
        "import sys, numpy as np, pyarrow as pa; from stacchip_osml.index.arrays import *\n"
        "from stacchip_osml.stac.plain_rows import plain_rows\n"
        "there = np.array([True, False])\n"
        "column = column_of(pa.timestamp('us', 'UTC'), np.arange(2), there)\n"
        "numbers_of(column, null=7), valid_of(column), words_of(['a', 'b']).to_pylist()\n"
        "plain_rows(pa.Table.from_arrays([column], ['datetime']))\n"
        "sys.exit('pandas' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
