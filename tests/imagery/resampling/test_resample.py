import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stacchip_osml.imagery import GdalImage
from stacchip_osml.imagery.providers.protocol import MaskedPixels
from stacchip_osml.imagery.resampling import sums
from stacchip_osml.imagery.resampling.resample import METHODS, read_resampled, resample, source_extent
from stacchip_osml.pixel import ImageSize, PixelWindow
from tests.imagery.gdal.gdal_files import noise, write


def whole(pixels, mask=None):
    return MaskedPixels(pixels, np.ones(pixels.shape, dtype=bool) if mask is None else mask)


def box(low, high, limit):
    """List (pixel, overlap) of an interval with the pixels of one axis."""
    found = []
    for pixel in range(math.floor(low), math.ceil(high)):
        overlap = min(high, pixel + 1) - max(low, pixel)
        if 0 <= pixel < limit and overlap > 0:
            found.append((pixel, overlap))
    return found


def centred(low, high, limit):
    """The same, with weight moved between the ends until the centre of all is the interval's."""
    found = dict(box(low, high, math.inf)) if low >= 0 else dict(box(low + 100, high + 100, math.inf))
    off = 0 if low >= 0 else 100
    first, last = min(found), max(found)
    moment = sum(weight * (pixel - off + 0.5 - (low + high) / 2) for pixel, weight in found.items())
    found[first] += moment / (last - first)
    found[last] -= moment / (last - first)
    return [(pixel - off, weight) for pixel, weight in found.items() if 0 <= pixel - off < limit]


def enclosing(centre, limit):
    """List (pixel, weight) of the two pixel centres around a position."""
    if not 0 <= centre < limit:
        return []
    low = math.floor(centre - 0.5)
    far = centre - 0.5 - low
    weights = {}
    for pixel, weight in ((low, 1 - far), (low + 1, far)):
        at = min(max(pixel, 0), limit - 1)
        weights[at] = weights.get(at, 0) + weight
    return [(p, w) for p, w in weights.items() if w > 0]


def lobes(centre, limit):
    """List (pixel, weight) of the eight pixel centres around a position, by the windowed sinc."""
    if not 0 <= centre < limit:
        return []

    def sinc(x):
        return 1.0 if x == 0 else math.sin(math.pi * x) / (math.pi * x)

    low = math.floor(centre - 0.5)
    raw = {at: sinc(centre - 0.5 - at) * sinc((centre - 0.5 - at) / 4) for at in range(low - 3, low + 5)}
    weights = {}
    for pixel, weight in raw.items():
        at = min(max(pixel, 0), limit - 1)
        weights[at] = weights.get(at, 0) + weight / sum(raw.values())
    return list(weights.items())


def slowly(plane, mask, *, start, step, size, method):
    """Resample one band by plain loops: an implementation to check against."""

    def parts(axis, n):
        low, centre = start[axis] + n * step[axis], start[axis] + (n + 0.5) * step[axis]
        limit = plane.shape[1 - axis]
        how = ("balanced" if step[axis] > 1 else "bilinear") if method == "auto" else method
        if how == "area" or (how == "balanced" and step[axis] <= 1):
            return box(low, low + step[axis], limit), step[axis]
        if how == "balanced":
            return centred(low, low + step[axis], limit), step[axis]
        if how == "bilinear":
            return enclosing(centre, limit), 1
        if how == "lanczos":
            return lobes(centre, limit), 1
        return ([(math.floor(centre), 1)] if 0 <= centre < limit else []), 1

    values = np.zeros((size.height, size.width), dtype=complex if np.iscomplexobj(plane) else float)
    valid = np.zeros(values.shape, dtype=bool)
    for row in range(size.height):
        down, high = parts(1, row)
        for col in range(size.width):
            across, wide = parts(0, col)
            weighed = [(plane[y, x], wy * wx) for y, wy in down for x, wx in across if mask[y, x]]
            weight = sum(w for _, w in weighed)
            valid[row, col] = bool(weighed) and weight >= high * wide / 2 - 1e-9
            if valid[row, col]:
                values[row, col] = sum(p * w for p, w in weighed) / weight
    return values, valid


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "step", [(0.5, 0.5), (1 / 6, 1 / 6), (1 / 3, 1 / 3), (2, 2), (6, 6), (3, 3), (1.7, 2.3), (0.7, 1.4)]
)
@pytest.mark.parametrize("holes", [False, True])
def test_it_agrees_with_plain_loops(method, step, holes):
    rng = np.random.default_rng(5)
    plane = rng.normal(size=(23, 31))
    mask = rng.random(plane.shape) > 0.4 if holes else np.ones(plane.shape, dtype=bool)
    size = ImageSize(min(20, int(33 / step[0])), min(20, int(26 / step[1])))
    # An odd start keeps valid weights away from exactly one half, where rounding decides.
    start = (-0.9173, 0.3371)
    values, valid = slowly(plane, mask, start=start, step=step, size=size, method=method)

    got = resample(whole(plane[None], mask[None]), start=start, step=step, size=size, method=method)

    np.testing.assert_array_equal(got.mask[0], valid)
    np.testing.assert_allclose(got.pixels[0], values, atol=2e-5)


@pytest.mark.parametrize("method", ["auto", "bilinear", "area", "balanced"])
@pytest.mark.parametrize("step", [0.25, 0.4, 1, 1.5, 2, 3.3, 7])
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64"])
def test_a_ramp_stays_a_ramp(method, step, dtype):
    if method in {"area", "balanced"} and step < 1:
        pytest.skip("area of less than a pixel is a staircase by definition")
    y, x = np.mgrid[:60, :80] + 0.5
    size = ImageSize(int(70 / step), int(50 / step))
    got = resample(
        whole(np.stack([x, y]).astype(dtype)), start=(3.25, 4.5), step=(step, step), size=size, method=method
    )

    assert got.mask.all()
    assert got.pixels.dtype == dtype
    # Where an output cuts source pixels, averaging what it covers weighs a cut pixel at its own centre:
    # the position errs by t(1 - t)/2 of a source pixel at each end, opposed, so by 1/8 over the step at most.
    cut = step > 1 and step != int(step)
    bound = 0.125 / step + 1e-3 if cut and method == "area" else 1e-3
    assert abs(got.pixels[0] - (3.25 + (np.arange(size.width) + 0.5) * step)).max() < bound
    assert abs(got.pixels[1] - (4.5 + (np.arange(size.height) + 0.5) * step)[:, None]).max() < bound


starts = st.floats(-20, 60, allow_nan=False)
steps = st.one_of(st.sampled_from([0.25, 1 / 3, 0.5, 1.0, 2.0, 3.0, 10980 / 5490, 10980 / 1373]), st.floats(0.1, 9))
dtypes = st.sampled_from(["uint8", "int8", "uint16", "int32", "float32", "float64", "complex64"])


@settings(max_examples=150, deadline=None)
@given(data=st.data(), sx=steps, sy=steps, x=starts, y=starts, dtype=dtypes, method=st.sampled_from(METHODS))
def test_a_window_gives_what_the_whole_gives(data, sx, sy, x, y, dtype, method):
    rng = np.random.default_rng(7)
    pixels = noise(2, dtype)[:, :41, :47]
    image = FakeImage(pixels, rng.random(pixels.shape) > data.draw(st.sampled_from([0, 0.3])))
    size = ImageSize(24, 20)
    complete = resample(MaskedPixels(image.pixels, image.mask), start=(x, y), step=(sx, sy), size=size, method=method)
    left, top = data.draw(st.integers(0, 23)), data.draw(st.integers(0, 19))
    part = ImageSize(data.draw(st.integers(1, 24 - left)), data.draw(st.integers(1, 20 - top)))
    expected = [plane[:, top : top + part.height, left : left + part.width] for plane in complete]

    got = read_resampled(image, start=(x + left * sx, y + top * sy), step=(sx, sy), size=part, method=method)

    if got is None:
        assert not expected[1].any()
    else:
        np.testing.assert_array_equal(got.mask, expected[1])
        np.testing.assert_array_equal(got.pixels, expected[0])


class FakeImage:
    """An array as reader, which remembers what was asked of it."""

    def __init__(self, pixels, mask=None):
        self.pixels = pixels
        self.mask = np.ones(pixels.shape, dtype=bool) if mask is None else mask
        self.asked = []

    def level_shape(self, level):
        return ImageSize(self.pixels.shape[2], self.pixels.shape[1])

    def read(self, window, *, level=0, bands=None):
        self.asked.append(window)
        place = (slice(None), slice(window.y, window.y + window.height), slice(window.x, window.x + window.width))
        assert window.x >= 0
        assert window.y >= 0
        chosen = slice(None) if bands is None else list(bands)
        return MaskedPixels(self.pixels[place][chosen], self.mask[place][chosen])


@given(
    dtype=dtypes, x=st.integers(0, 10), y=st.integers(0, 10), w=st.integers(1, 20), h=st.integers(1, 20),
    method=st.sampled_from(METHODS),
)  # fmt: skip
def test_the_same_grid_gives_the_very_same_pixels(dtype, x, y, w, h, method):
    pixels = noise(2, dtype)[:, :30, :30]

    got = resample(whole(pixels), start=(x, y), step=(1, 1), size=ImageSize(w, h), method=method)

    np.testing.assert_array_equal(got.pixels, pixels[:, y : y + h, x : x + w])
    assert np.shares_memory(got.pixels, pixels)


@given(start=starts, step=steps, count=st.integers(1, 30), limit=st.integers(1, 60), method=st.sampled_from(METHODS))
def test_the_extent_is_inside_the_image_and_is_all_that_counts(start, step, count, limit, method):
    first, stop = source_extent(start, step, count, method=method, limit=limit)

    assert 0 <= first <= stop <= limit
    line = np.random.default_rng(1).normal(size=(1, 1, limit))
    poisoned = np.full_like(line, np.nan)
    poisoned[..., first:stop] = line[..., first:stop]
    clean, poison = (
        resample(whole(p), start=(start, 0), step=(step, 1), size=ImageSize(count, 1), method=method)
        for p in (line, poisoned)
    )
    np.testing.assert_array_equal(clean.pixels, poison.pixels)


def test_the_extent_of_a_bilinear_window_has_one_pixel_of_halo():
    assert source_extent(10, 0.5, 4, method="bilinear", limit=100) == (9, 13)
    assert source_extent(10, 2, 4, method="area", limit=100) == (10, 18)
    assert source_extent(10.5, 2, 4, method="auto", limit=100) == (10, 19)
    assert source_extent(10, 0.5, 4, method="nearest", limit=100) == (10, 12)
    assert source_extent(-9, 1, 4, method="bilinear", limit=100) == (0, 0)
    assert source_extent(100, 1, 4, method="area", limit=100) == (0, 0)


def test_masked_pixels_have_no_weight_and_half_decides():
    pixels = np.array([[[10, 99], [20, 99]], [[10, 20], [99, 99]]], dtype="uint8")
    mask = pixels != 99
    mask[1, 0, 1] = False

    got = resample(MaskedPixels(pixels, mask), start=(0, 0), step=(2, 2), size=ImageSize(1, 1), fill=(7, 8))

    assert got.pixels.ravel().tolist() == [15, 8]
    assert got.mask.ravel().tolist() == [True, False]


def test_nan_that_has_no_weight_stays_out():
    pixels = np.array([[[1.0, 2.0, np.nan, np.inf]]])
    got = resample(whole(pixels), start=(0, 0), step=(2, 1), size=ImageSize(2, 1), method="area")
    assert got.pixels[0, 0, 0] == 1.5
    got = resample(whole(pixels), start=(0, 0), step=(1, 0.5), size=ImageSize(4, 2), method="bilinear")
    np.testing.assert_array_equal(got.pixels[0], np.broadcast_to(pixels[0], (2, 4)))


def test_integers_round_half_to_even_and_keep_their_range():
    halves = np.array([[[0, 1, 1, 2, 2, 3]]], dtype="uint8")
    assert resample(whole(halves), start=(0, 0), step=(2, 1), size=ImageSize(3, 1)).pixels.ravel().tolist() == [0, 2, 2]
    for dtype in ("uint8", "int8", "uint16", "int32", "uint64", "int64"):
        info = np.iinfo(dtype)
        for extreme in (info.min, info.max):
            flat = np.full((1, 4, 4), extreme, dtype=dtype)
            got = resample(whole(flat), start=(0.3, 0.3), step=(1.5, 1.5), size=ImageSize(2, 2))
            assert got.pixels.dtype == dtype
            assert abs(got.pixels.astype(float) - float(extreme)).max() <= abs(float(extreme)) * 2e-16


def test_what_leaves_the_image_is_invalid_and_filled():
    image = FakeImage(np.arange(1, 101, dtype="int16").reshape(1, 10, 10))

    got = read_resampled(image, start=(-2, 8), step=(1, 1), size=ImageSize(4, 4), fill=[-9])

    assert got.pixels[0].tolist() == [[-9, -9, 81, 82], [-9, -9, 91, 92], [-9] * 4, [-9] * 4]
    assert image.asked == [PixelWindow(0, 8, 2, 2)]
    assert read_resampled(image, start=(10, 0), step=(1, 1), size=ImageSize(4, 4)) is None
    assert read_resampled(image, start=(-8, 0), step=(2, 2), size=ImageSize(4, 4)) is None


def test_a_pyramid_level_of_a_real_file_is_read_by_fractions(tmp_path):
    pixels = noise(2, "float32")
    image = GdalImage(write(tmp_path / "a.tif", pixels, levels=(2,), tiled=True, blockxsize=32, blockysize=32))
    level = image.read(PixelWindow(0, 0, 75, 55), level=1)

    got = read_resampled(image, start=(3.5, 4.25), step=(0.5, 0.5), size=ImageSize(20, 10), level=1, bands=[1])

    expected, _ = slowly(
        level.pixels[1].astype(float), level.mask[1], start=(3.5, 4.25), step=(0.5, 0.5), size=ImageSize(20, 10),
        method="bilinear",
    )  # fmt: skip
    np.testing.assert_allclose(got.pixels[0], expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("method", "step"), [("cubic", 1.5), ("area", 0), ("area", -1), ("auto", math.nan), ("area", math.inf)]
)
def test_unknown_methods_and_steps_are_refused(method, step):
    with pytest.raises(ValueError, match=r"method must be one of|step must be a positive number"):
        resample(whole(np.zeros((1, 4, 4))), start=(0, 0), step=(step, step), size=ImageSize(2, 2), method=method)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "complex64"])
@pytest.mark.parametrize("method", ["auto", "area", "lanczos"])
@pytest.mark.parametrize("step", [0.7, 1.25, 2, 3.3])
def test_it_lands_in_the_arrays_that_are_given_however_many_rows_are_made_at_a_time(monkeypatch, dtype, method, step):
    rng = np.random.default_rng(5)
    pixels = rng.integers(0, 200, (3, 41, 37)).astype(dtype)
    mask = np.ones(pixels.shape, bool)
    mask[0, 7:20, 4:30] = False
    mask[1:, rng.random((41, 37)) < 0.3] = False
    asked = {
        "start": (-1.3, 2.75),
        "step": (step, step),
        "size": ImageSize(30, 24),
        "method": method,
        "fill": (1, 2, 3),
    }
    for valid in (mask, np.ones(pixels.shape, bool)):
        expected = resample(whole(pixels, valid), **asked)
        large = np.full((3, 50, 50), 77, dtype), np.zeros((3, 50, 50), bool)
        out = MaskedPixels(*(each[:, 5:29, 6:36] for each in large))
        with monkeypatch.context() as patch:
            patch.setattr(sums, "ROWS_BYTES", 1000)

            assert resample(whole(pixels, valid), **asked, out=out) is out
        np.testing.assert_array_equal(out.pixels, expected.pixels)
        np.testing.assert_array_equal(out.mask, expected.mask)
        assert (large[0][:, :5] == 77).all()
        assert not large[1][:, :, 36:].any()


def test_memory_of_an_earlier_image_is_seen_nowhere():
    poison = np.full((2, 60, 60), np.nan)
    resample(whole(poison), start=(0.0, 0.0), step=(1.5, 1.5), size=ImageSize(40, 40))
    sparse = np.zeros((2, 60, 60), bool)
    sparse[:, 20:40, 20:40] = True

    found = resample(whole(np.ones((2, 60, 60)), sparse), start=(-4.0, -4.0), step=(1.5, 1.5), size=ImageSize(46, 46))

    assert (found.pixels[found.mask] == 1).all()
    assert (found.pixels[~found.mask] == 0).all()
    assert 0 < found.mask.mean() < 0.3
