"""Whole numbers that callers give, everywhere: any integer is one, and what is none or too small is named."""

import numpy as np
import pytest

from stacchip_osml import ChipFactory, Chipper, Indexer
from stacchip_osml.encode import IO, BufferedImageAssetProvider, imsave, write_tiff
from stacchip_osml.encode.io.converting import convert
from stacchip_osml.encode.nitf import NitfFile, NitfImage, write_nitf
from stacchip_osml.errors import EncodeError, SettingError
from stacchip_osml.imagery import (
    DownsampledImageProvider,
    FetchLimits,
    PyramidBuilder,
    ReadLimits,
    RetiledImageProvider,
    TileCache,
    TiledImagePyramid,
    build_pyramid_levels,
    compute_image_statistics,
)
from stacchip_osml.load import DecodedStore
from stacchip_osml.pixel.counts import chosen_rows, whole_number, whole_or_none

PIXELS = np.arange(64 * 64, dtype=np.uint16).reshape(1, 64, 64)
IMAGE = BufferedImageAssetProvider.from_array(PIXELS)


@pytest.mark.parametrize("value", [3, np.int64(3), np.uint8(3)])
def test_any_integer_is_a_whole_number(value):
    number = whole_number("n", value, least=1)

    assert (number, type(number)) == (3, int)
    assert whole_or_none("n", None, least=1) is None


@pytest.mark.parametrize("value", [0, -1, 1.0, 1.5, "1", True, np.bool_(True), None, float("nan")])
def test_what_is_none_or_too_small_is_named_with_the_range(value):
    with pytest.raises(ValueError, match="n must be a whole number of at least 1, got ") as caught:
        whole_number("n", value, least=1)
    assert str(caught.value).endswith(repr(value))
    assert isinstance(caught.value, SettingError)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("numbers")
    imsave(path / "a.tif", PIXELS)
    return path


@pytest.fixture(scope="module")
def index(folder):
    return Indexer(str(folder / "a.tif"), 32).create_index()


CALLS = {
    "Chipper threads": lambda f, i, n: Chipper(i, threads=n),
    "Chipper.stream batch_size": lambda f, i, n: Chipper(i).stream([0], batch_size=n),
    "Chipper.stream in_flight": lambda f, i, n: Chipper(i).stream([0], in_flight=n),
    "ChipFactory threads": lambda f, i, n: ChipFactory(IMAGE, threads=n),
    "ChipIndex.with_headers threads": lambda f, i, n: i.with_headers(threads=n),
    "IO.open workers": lambda f, i, n: IO.open(f / "b.tif", "w", workers=n),
    "imsave workers": lambda f, i, n: imsave(f / "b.tif", PIXELS, workers=n),
    "convert workers": lambda f, i, n: convert(f / "a.tif", f / "b.png", workers=n),
    "write_tiff workers": lambda f, i, n: write_tiff(f / "b.tif", IMAGE, workers=n),
    "write_nitf workers": lambda f, i, n: write_nitf(
        f / "b.ntf", NitfFile(images=(NitfImage(pixels=IMAGE),)), workers=n
    ),
    "PyramidBuilder min_size": lambda f, i, n: PyramidBuilder(IMAGE, min_size=n),
    "PyramidBuilder tile_width": lambda f, i, n: PyramidBuilder(IMAGE, tile_width=n),
    "build_pyramid_levels min_size": lambda f, i, n: build_pyramid_levels(IMAGE, min_size=n),
    "RetiledImageProvider tile_height": lambda f, i, n: RetiledImageProvider(IMAGE, 16, n),
}
FROM_ZERO = {
    "Chipper cache_bytes": lambda f, i, n: Chipper(i, cache_bytes=n),
    "ChipFactory cache_bytes": lambda f, i, n: ChipFactory(IMAGE, cache_bytes=n),
    "TileCache max_bytes": lambda f, i, n: TileCache(n),
    "DecodedStore budget_bytes": lambda f, i, n: DecodedStore(n),
    "PyramidBuilder num_workers": lambda f, i, n: PyramidBuilder(IMAGE, num_workers=n),
    "compute_image_statistics num_workers": lambda f, i, n: compute_image_statistics(IMAGE, num_workers=n),
}


@pytest.mark.parametrize("number", [0, -1, 1.5, "2", True])
@pytest.mark.parametrize("call", CALLS)
def test_parameters_that_begin_at_1_say_so(folder, index, call, number):
    with pytest.raises(ValueError, match=rf"{call.split()[1]} (must be|is) a whole number of at least 1, got "):
        CALLS[call](folder, index, number)
    assert not list(folder.glob("b.*"))


@pytest.mark.parametrize("number", [-1, 1.5, "2", True])
@pytest.mark.parametrize("call", FROM_ZERO)
def test_parameters_that_begin_at_0_say_so(folder, index, call, number):
    with pytest.raises(ValueError, match=f"{call.split()[1]} must be a whole number of at least 0, got "):
        FROM_ZERO[call](folder, index, number)


@pytest.mark.parametrize("two", [np.int64(2), np.uint8(2), np.int8(2)])
def test_factors_of_pyramids_may_be_numpy_s(two):
    assert [level.num_rows for level in build_pyramid_levels(IMAGE, 16, two)] == [64, 32, 16, 8]
    assert DownsampledImageProvider(IMAGE, two).get_block(0, 0).shape == (1, 32, 32)
    assert [grid.image_size.width for grid in PyramidBuilder(IMAGE, 16, two).level_grids] == [32, 16, 8]


@pytest.mark.parametrize("factor", [0, -2, 3, 2.0, True, "2"])
def test_a_factor_that_is_no_power_of_two_is_refused(factor):
    with pytest.raises(ValueError, match="scale_factor must be a power of two, got "):
        DownsampledImageProvider(IMAGE, factor)


@pytest.mark.parametrize("factor", [1, 0, -2, 2.0, True, "2", None, float("nan")])
def test_the_nominal_factor_of_a_pyramid_is_a_whole_number_from_2(factor):
    with pytest.raises(SettingError, match="scale_factor must be a whole number of at least 2, got "):
        TiledImagePyramid([IMAGE], scale_factor=factor)
    assert TiledImagePyramid([IMAGE], scale_factor=np.int8(3)).scale_factor == 3


@pytest.mark.parametrize("value", [0, -1, 1.0, 1e300, True, "9", None, float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["side", "bands", "block_bytes", "request_bytes"])
def test_limits_of_reading_are_whole_numbers_from_1(name, value):
    with pytest.raises(SettingError, match=f"{name} must be a whole number of at least 1, got "):
        ReadLimits(**{name: value})
    assert getattr(ReadLimits(**{name: np.int64(7)}), name) == 7


@pytest.mark.parametrize("value", [-1, 1e-9, 1e300, 10**400, True, "9", None, float("nan"), float("inf"), 1j])
@pytest.mark.parametrize("name", ["connect_s", "idle_s", "total_s", "backoff_s"])
def test_seconds_are_numbers_that_a_day_holds(name, value):
    if (name, value) == ("backoff_s", 1e-9):
        value = -1e-9
    with pytest.raises(SettingError, match=f"{name} must be a number from (0|0.001) to 100000, got "):
        FetchLimits(**{name: value})
    limits = FetchLimits(**{name: np.float32(0.5)})
    assert (getattr(limits, name), type(getattr(limits, name))) == (0.5, float)


@pytest.mark.parametrize("value", [0, -1, 1.0, 1001, 10**40, True, "9", None])
def test_attempts_are_counted_from_1_and_end(value):
    with pytest.raises(SettingError, match="attempts must be a whole number from 1 to 1000, got "):
        FetchLimits(attempts=value)
    assert FetchLimits(attempts=np.uint8(3), backoff_s=0) == FetchLimits(attempts=3, backoff_s=0.0)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("nodata", [1e300, -1.7976931348623157e308])
def test_nodata_beyond_all_floats_of_a_type_is_the_value_of_no_pixel(folder, nodata):
    floats = BufferedImageAssetProvider.from_array(np.array(PIXELS / 7, np.float32))
    whole = DownsampledImageProvider(floats).get_block(0, 0)

    np.testing.assert_array_equal(DownsampledImageProvider(floats, nodata=nodata).get_block(0, 0), whole)
    assert PyramidBuilder(floats, nodata=nodata).nodata is None
    with pytest.raises(EncodeError, match="is no value of float32 pixels"):
        imsave(folder / "floats.tif", np.array(PIXELS / 7, np.float32), nodata=nodata)
    assert not (folder / "floats.tif").exists()


def test_rows_are_chosen_by_number_from_either_end_or_by_one_truth_value_each():
    assert chosen_rows([3, -1, 0, 3], 5).tolist() == [3, 4, 0, 3]
    assert chosen_rows(range(2), 5).tolist() == [0, 1]
    assert chosen_rows([], 5).tolist() == []
    assert chosen_rows(np.array([False, True, True]), 3).tolist() == [1, 2]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([5], "row 5 of 5"),
        ([0, -6], "row -1 of 5"),
        ([True, False], "truth values choose of 5, one for each row; got 2"),
        ([1.5], "a row is chosen by a whole number, got .*1.5"),
        (["a"], "a row is chosen by a whole number, got .*a"),
        ([None], "a row is chosen by a whole number, got None"),
    ],
)
def test_what_chooses_no_row_is_named(rows, message):
    with pytest.raises(IndexError, match=message):
        chosen_rows(rows, 5)
