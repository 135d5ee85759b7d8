"""Halving in tiles: each pixel is what the rules say, to the last bit the same wherever a tile or a part ends."""

import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stacchip_osml.imagery.resampling.reduction_values import Box, range_of, whole_box
from stacchip_osml.imagery.resampling.sips_halving import ANTIALIAS, halved, needed
from stacchip_osml.pixel import ImageSize

DTYPES = ["uint8", "int8", "uint16", "int16", "uint32", "uint64", "float16", "float32", "float64"]


def smoothed(values):
    far, near, middle = (ANTIALIAS[tap] for tap in (0, 2, 3))
    total = (values[:-6] + values[6:]) * far
    total = total + (values[2:-4] + values[4:-2]) * near
    return total + values[3:-3] * middle


def interpolated(values):
    return ((values[1:-2] + values[2:-1]) * 0.5625 - (values[:-3] + values[3:]) * 0.0625)[::2]


def by_the_rules(image, bit_depth=None):
    """The whole image at once, one plain sum after another, all in float64."""
    limits = range_of(image.dtype)
    clip = limits if bit_depth is None else (0, 2**bit_depth - 1)
    _, rows, cols = image.shape
    made = []
    for band in image:
        padded = np.pad(band, [(4, 4 + rows % 2), (4, 4 + cols % 2)], mode="reflect").astype(float)
        smooth = smoothed(smoothed(padded).T).T
        if clip is not None:
            smooth = np.clip(np.rint(smooth), *clip)
        half = interpolated(interpolated(smooth).T).T
        made.append(half if limits is None else np.clip(np.rint(half), *limits))
    return np.array(made).astype(image.dtype)


def whole_of(image, **settings_):
    size = ImageSize(image.shape[2], image.shape[1])
    return halved(image, whole_box(size), size, half_of(size), **settings_)


def require_near(found, expected, *, clipped=False):
    """Sums of 32 bits round to the other neighbour where a value lies halfway, of smooth pixels as of halved ones."""
    dtype = expected.dtype
    assert (found.dtype, found.shape) == (dtype, expected.shape)
    if dtype.kind in "iu" and dtype.itemsize <= 4:
        away = np.abs(found.astype(np.int64) - expected.astype(np.int64))
        assert away.max() <= 1
        assert away.mean() < 0.01 or found.size < 500
    else:
        close = {2: 1e-3, 4: 1e-6, 8: 1e-14}[dtype.itemsize] * max(np.abs(expected.astype(float)).max(), 1)
        assert np.abs(found.astype(float) - expected.astype(float)).max() <= close + clipped


def rough(rows, cols, dtype, seed=0):
    """Noise over all of a type, so that sums overshoot it."""
    random = np.random.default_rng(seed)
    kind = np.dtype(dtype)
    if kind.kind == "f":
        return (1000 * random.normal(size=(2, rows, cols))).astype(dtype)
    info = np.iinfo(kind)
    return random.integers(info.min, info.max, (2, rows, cols), dtype, endpoint=True)


def half_of(size):
    return Box(0, -(-size.height // 2), 0, -(-size.width // 2))


def part_of(image, wanted, **settings_):
    """A part from what it needs alone."""
    size = ImageSize(image.shape[2], image.shape[1])
    held = Box(*needed(wanted.top, wanted.bottom, size.height), *needed(wanted.left, wanted.right, size.width))
    part = image[(slice(None), *held.seen_from(whole_box(size)))].copy()
    return halved(part, held, size, wanted, **settings_)


@pytest.mark.parametrize("bit_depth", [None, 7])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("rows", "cols"), [(1, 1), (2, 7), (5, 3), (64, 1024), (65, 1025), (131, 2101), (70, 1060)])
def test_pixels_are_those_of_the_rules(rows, cols, dtype, bit_depth):
    image = rough(rows, cols, dtype)

    require_near(whole_of(image, bit_depth=bit_depth), by_the_rules(image, bit_depth), clipped=bit_depth is not None)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "int32"])
def test_samples_are_clipped_to_more_bits_than_they_have_only_at_the_end(dtype):
    image = rough(90, 70, dtype)

    require_near(whole_of(image, bit_depth=20), by_the_rules(image, 20))


def test_halves_are_rounded_to_even():
    image = np.zeros((1, 40, 40), np.uint16)
    image[0, :, 20:] = 1  # an edge between the halves of a pixel that is left after smoothing
    for level in (0, 7, 1000, 40_000):
        flat = whole_of(np.full((1, 40, 40), level, np.uint16))
        assert (flat == level).all()
        np.testing.assert_array_equal(whole_of(image + level), by_the_rules(image + np.uint16(level)))


@given(st.integers(1, 300), st.integers(1, 2600), st.sampled_from(DTYPES), st.data())
@settings(max_examples=60, deadline=None)
def test_a_part_has_the_bytes_of_the_whole_wherever_tiles_end(rows, cols, dtype, data):
    image = rough(rows, cols, dtype, seed=rows)
    size = ImageSize(cols, rows)
    all_ = half_of(size)
    whole = halved(image, whole_box(size), size, all_)
    for _ in range(4):
        top, left = data.draw(st.integers(0, all_.bottom - 1)), data.draw(st.integers(0, all_.right - 1))
        wanted = Box(
            top, data.draw(st.integers(top + 1, all_.bottom)), left, data.draw(st.integers(left + 1, all_.right))
        )
        found = part_of(image, wanted)
        assert found.tobytes() == whole[(slice(None), *wanted.seen_from(all_))].tobytes()


@given(st.integers(1, 60), st.data())
def test_what_a_part_needs_is_inside_and_enough(length, data):
    half = -(-length // 2)
    first = data.draw(st.integers(0, half - 1))
    stop = data.draw(st.integers(first + 1, half))
    there = np.pad(np.arange(length), (4, 5), mode="reflect")[2 * first : 2 * stop + 8]

    low, high = needed(first, stop, length)

    assert 0 <= low <= there.min()
    assert there.max() < high <= length
    if length > 12:
        assert (low, high) == (there.min(), there.max() + 1), "and no more than that"


def test_what_is_no_number_stays_near_and_shows_in_no_later_image():
    clean = rough(140, 1100, "float32")
    dirty = clean.copy()
    dirty[:, 60:80, 500:520] = np.nan
    dirty[:, 20, 30], dirty[:, 21, 31] = np.inf, -np.inf
    size = ImageSize(1100, 140)
    expected = whole_of(clean)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        spoilt = halved(dirty, whole_box(size), size, half_of(size))
        again = halved(clean, whole_box(size), size, half_of(size))

    assert again.tobytes() == expected.tobytes()
    touched = np.zeros(expected.shape, bool)
    for top, bottom, left, right in ((60, 80, 500, 520), (20, 21, 30, 31), (21, 22, 31, 32)):
        touched[:, (top - 5 + 1) // 2 : (bottom + 5) // 2, (left - 5 + 1) // 2 : (right + 5) // 2] = True
    np.testing.assert_array_equal(np.isfinite(spoilt), ~touched)
    np.testing.assert_array_equal(spoilt[~touched], expected[~touched])


@pytest.mark.parametrize("dtype", [">u2", ">i2", ">f4", ">i4"])
def test_bytes_in_the_other_order_give_the_same_pixels(dtype):
    image = rough(50, 40, np.dtype(dtype).newbyteorder("="))

    found = whole_of(image.astype(dtype))

    assert found.dtype == dtype
    np.testing.assert_array_equal(found, whole_of(image))


def test_threads_do_not_meet_in_memory():
    images = [rough(150, 700, dtype, seed) for seed, dtype in enumerate(DTYPES * 3)]

    def half(image):
        size = ImageSize(image.shape[2], image.shape[1])
        return halved(image, whole_box(size), size, half_of(size))

    expected = [half(image).tobytes() for image in images]
    with ThreadPoolExecutor(4) as pool:
        assert [found.tobytes() for found in pool.map(half, images)] == expected


FORKS = """
import os, threading
import numpy as np
from tests.imagery.resampling.test_sips_halving import rough, whole_of

image = rough(1500, 2200, "uint16")
assert image.size > 1 << 21
rough(8, 8, "float32")
whole_of(rough(8, 8, "uint16"))  # what is started once is started
before = len(os.listdir("/proc/self/task"))
expected = whole_of(image).tobytes()
assert len(os.listdir("/proc/self/task")) == before, "OpenCV started threads"
child = os.fork()
if child == 0:
    os._exit(0 if whole_of(image).tobytes() == expected else 1)
assert os.waitpid(child, 0)[1] == 0
print("alike")
"""


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="counts threads as Linux lists them")
def test_no_threads_are_started_and_a_forked_process_halves_too():
    found = subprocess.run([sys.executable, "-c", FORKS], check=False, capture_output=True, text=True, timeout=300)

    assert found.stdout.strip() == "alike", found.stderr


def test_loading_the_package_does_not_load_opencv():
    text = "import sys, stacchip_osml.imagery.resampling.sips; print('cv2' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", text], check=True, capture_output=True, text=True, timeout=300)

    assert found.stdout.strip() == "False"


def test_pixels_go_where_they_are_wanted():
    image = rough(50, 40, "uint16")
    room = np.zeros((2, 30, 30), np.uint16)

    found = halved(image, Box(0, 50, 0, 40), ImageSize(40, 50), Box(0, 25, 0, 20), out=room[:, 3:28, 5:25])

    assert found.base is not None
    np.testing.assert_array_equal(room[:, 3:28, 5:25], whole_of(image))
    assert room[:, :3].sum() == room[:, 28:].sum() == room[:, :, :5].sum() == room[:, :, 25:].sum() == 0


def test_pixels_that_are_no_numbers_are_refused():
    with pytest.raises(ValueError, match="numbers, got bool"):
        halved(np.zeros((1, 4, 4), np.bool_), Box(0, 4, 0, 4), ImageSize(4, 4), Box(0, 2, 0, 2))
