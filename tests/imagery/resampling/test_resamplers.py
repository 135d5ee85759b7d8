"""Whole images to another size, for every dtype."""

import cv2
import numpy as np
import pytest

from stacchip_osml.imagery.resampling import resamplers

PEERS = {
    "nearest_neighbor_resample": None,
    "bilinear_resample": cv2.INTER_LINEAR,
    "area_resample": cv2.INTER_AREA,
    "lanczos_resample": cv2.INTER_LANCZOS4,
}
DTYPES = ["uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64", "complex64"]


def image(dtype, shape=(2, 45, 62)):
    rng = np.random.default_rng(5)
    smooth = cv2.GaussianBlur(rng.normal(size=(shape[1], shape[2], shape[0])), (0, 0), 2).transpose(2, 0, 1)
    values = 60 + 150 * smooth
    return (np.clip(values, 0, 127) if np.dtype(dtype).kind in "iu" else values).astype(dtype)


@pytest.mark.parametrize("name", [name for name, flag in PEERS.items() if flag is not None])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32", "float64"])
@pytest.mark.parametrize("target", [(23, 31), (90, 124), (60, 40)])
def test_opencv_agrees_where_it_can(name, dtype, target):
    if name == "area_resample" and target[0] > 45:
        pytest.skip("OpenCV's area becomes another method when an axis grows")
    source = image(dtype)
    found = getattr(resamplers, name)(source, *target)
    expected = cv2.resize(source.transpose(1, 2, 0), target[::-1], interpolation=PEERS[name]).transpose(2, 0, 1)
    off = np.abs(found.astype(float) - expected.astype(float))
    # OpenCV weighs with 11-bit numbers; its Lanczos is the same function, tabulated.
    assert off.max() <= (1 if np.dtype(dtype).kind in "iu" else 0.5)
    assert off.mean() < 0.3


@pytest.mark.parametrize("name", PEERS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_keeps_dtype_layout_and_constants(name, dtype):
    function = getattr(resamplers, name)
    flat = np.full((3, 17, 20), 101, dtype)
    flat.setflags(write=False)
    for target in ((9, 10), (40, 33)):
        found = function(flat, *target)
        assert (found.dtype, found.shape) == (np.dtype(dtype), (3, *target))
        np.testing.assert_allclose(found, 101, rtol=1e-6)
        np.testing.assert_array_equal(function(flat[0], *target), found[0])
    assert function(flat, 17, 20) is flat


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int32", "uint64"])
def test_overshoot_is_clipped_to_the_range(dtype):
    info = np.iinfo(dtype)
    edge = np.full((16, 40), info.min, dtype)
    edge[:, 20:] = info.max
    found = resamplers.lanczos_resample(edge, 32, 80).astype(object)
    near = int(info.max) // 1000
    assert found.min() == info.min
    assert found.max() >= info.max - max(near, 1)
    assert (found[:, 4:30] <= int(info.min) + int(info.max) // 4).all()
    assert (found[:, 50:76] >= int(info.max) - int(info.max) // 4).all()


@pytest.mark.parametrize("name", PEERS)
def test_bool_is_0_and_1_rounded_and_not_whatever_is_touched(name):
    mask = np.random.default_rng(5).random((2, 40, 44)) < 0.3
    function = getattr(resamplers, name)

    for target in ((20, 22), (13, 17), (61, 90)):
        np.testing.assert_array_equal(function(mask, *target), function(mask.astype(np.uint8), *target) >= 1)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_lanczos_copies_pixels_that_it_stands_on_and_hears_of_no_others(bad):
    source = np.random.default_rng(6).normal(size=(12, 15))
    source[5, 6] = bad

    np.testing.assert_array_equal(resamplers.lanczos_resample(source, 4, 5), source[1::3, 1::3])


@pytest.mark.parametrize("name", PEERS)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "complex64"])
def test_infinite_pixels_are_silent(name, dtype):
    source = np.ones((16, 16), dtype)
    source[5, 5], source[5, 6], source[9, 9] = np.inf, -np.inf, np.finfo(dtype).max

    with np.errstate(all="raise", under="ignore"):
        getattr(resamplers, name)(source, 7, 6)


@pytest.mark.parametrize("name", PEERS)
def test_what_is_no_image_is_refused(name):
    function = getattr(resamplers, name)
    with pytest.raises(ValueError, match="pixels must be numbers"):
        function(np.full((4, 4), "a"), 2, 2)
    with pytest.raises(ValueError, match=r"must be \(rows, cols\)"):
        function(np.zeros(5), 2, 2)
    with pytest.raises(ValueError, match="must be positive, got 0 x 3"):
        function(np.zeros((5, 5)), 0, 3)
