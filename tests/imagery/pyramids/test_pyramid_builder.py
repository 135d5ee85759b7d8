"""Pyramids in one pass: every level right, every block read once, the same with any number of threads."""

import threading
import time
import tracemalloc
from collections import Counter
from concurrent.futures import CancelledError

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stacchip_osml.imagery.adapters.retiled import RetiledImageProvider
from stacchip_osml.imagery.providers.protocol import ImageProvider
from stacchip_osml.imagery.pyramids.builder import PyramidBuilder
from stacchip_osml.imagery.pyramids.pyramid import build_pyramid_levels
from stacchip_osml.imagery.pyramids.writing import write_pyramid
from stacchip_osml.imagery.resampling.resamplers import (
    area_resample,
    bilinear_resample,
    lanczos_resample,
    nearest_neighbor_resample,
)
from stacchip_osml.imagery.resampling.sips import sips_rrds_resample
from tests.imagery.pyramids.pyramid_scenes import CountingImage, LazyImage, noise, read_whole


def every_second(image, rows, cols):
    return image[:, ::2, ::2].copy()


every_second.halo_pixels = 0


def whole_only(image, rows, cols):
    return area_resample(image, rows, cols)


RESAMPLERS = [
    None, nearest_neighbor_resample, bilinear_resample, area_resample, lanczos_resample, every_second, whole_only,
]  # fmt: skip
NAMES = ["sips", "nearest", "bilinear", "area", "lanczos", "every second", "whole only"]


def halved(function, image):
    return (function or sips_rrds_resample)(image, -(-image.shape[-2] // 2), -(-image.shape[-1] // 2))


@pytest.mark.parametrize("function", RESAMPLERS, ids=NAMES)
@given(rows=st.integers(4, 200), cols=st.integers(4, 200), data=st.data())
@settings(max_examples=10, deadline=None)
def test_every_level_is_the_whole_of_the_one_before_whatever_the_blocks_and_threads(function, rows, cols, data):
    """D1, D2: no shift, nothing missing."""
    image = noise(rows, cols, data.draw(st.sampled_from(["uint8", "int16", "float32"])), bands=2)
    block, tile = (data.draw(st.sampled_from([(1, 200), (16, 16), (33, 7), (256, 256)])) for _ in range(2))
    source = CountingImage(image, block)
    workers = data.draw(st.sampled_from([0, 1, 3]))

    levels = PyramidBuilder(source, 4, 2, tile[1], tile[0], function, workers).build()

    assert levels[0] is source
    for level in levels[1:]:
        image = halved(function, image)
        np.testing.assert_array_equal(read_whole(level), image)
    assert set(source.reads.values()) == {1}


def test_a_large_image_in_many_strips_is_right_too():
    image = noise(1500, 1301)
    levels = PyramidBuilder(CountingImage(image, (128, 96)), 8, num_workers=2).build()

    assert len(levels) == 9
    for level in levels[1:]:
        image = halved(None, image)
        np.testing.assert_array_equal(read_whole(level), image)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_constant_image_stays_constant_at_every_level(workers):
    """D2: a constant-1000 image held 0..1265."""
    levels = PyramidBuilder(CountingImage(np.full((1, 700, 700), 1000, np.uint16)), 8, num_workers=workers).build()

    assert [np.unique(read_whole(level)).tolist() for level in levels] == [[1000]] * 8


@given(st.sets(st.tuples(st.integers(0, 5), st.integers(0, 4))), st.booleans(), st.sampled_from(RESAMPLERS[:5]))
@settings(max_examples=30, deadline=None)
def test_sparse_images_and_nodata_give_what_the_lazy_chain_gives(absent, masked, function):
    image = noise(96, 80, low=1)
    image[:, 10:33, 20:50] = 7
    source = CountingImage(image, (16, 16), absent=absent)
    nodata = 7 if masked else None

    levels = PyramidBuilder(source, 12, 2, 8, 8, function, nodata=nodata).build()

    chain = build_pyramid_levels(source, 12, 2, 8, 8, function, nodata=nodata)
    for level, lazy in zip(levels[1:], chain[1:], strict=True):
        np.testing.assert_array_equal(read_whole(level), read_whole(lazy))
        places = [(row, col) for row in range(6) for col in range(5)]
        assert [level.has_block(*place) for place in places] == [lazy.has_block(*place) for place in places]
        assert level.pad_pixel_value == lazy.pad_pixel_value
    assert not set(source.reads) & absent


def test_blocks_come_as_they_are_done_and_only_once():
    image = noise(1200, 300)
    source = CountingImage(image, (64, 64))
    builder = PyramidBuilder(source, 40, tile_width=32, tile_height=32)
    seen = Counter()
    first_reads = None

    for level, row, col, pixels in builder.blocks():
        if first_reads is None:
            first_reads = len(source.reads)
        seen[level, row, col] += 1
        place = builder.level_grids[level - 1].window(row, col)
        assert pixels.shape == (1, place.height, place.width)
        assert pixels.flags.writeable

    grids = builder.level_grids
    assert set(seen) == {
        (number, row, col)
        for number, grid in enumerate(grids, start=1)
        for row in range(grid.shape[0])
        for col in range(grid.shape[1])
    }
    assert set(seen.values()) == {1}
    assert first_reads <= 3 * 4 * 5 < 19 * 5, (
        "three strips are read, not all of the source, before the first block comes"
    )


@pytest.mark.parametrize("workers", [0, 2])
def test_memory_is_that_of_a_few_rows_of_blocks(workers):
    side, block = 16_384, 256
    ramp = np.arange(side, dtype=np.uint16)

    def make(top, left, rows, cols):
        return (ramp[left : left + cols] + np.arange(top, top + rows, dtype=np.uint16)[:, None])[None]

    source = LazyImage(make, rows=8 * block, cols=side, block=(block, block))
    row_of_blocks = block * side * 2
    builder = PyramidBuilder(source, num_workers=workers, resample_func=None)
    tracemalloc.start()
    try:
        count = sum(1 for _ in builder.blocks())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert count == 32 * 4 + 16 * 2 + 8 + 4
    assert peak < 5 * row_of_blocks, f"{peak / row_of_blocks:.1f} rows of blocks"


def test_spilled_levels_are_in_files_and_the_same(tmp_path):
    image = noise(500, 333, bands=3)
    source = CountingImage(image, (64, 64), absent={(0, 0), (0, 1), (1, 0), (1, 1)})
    held, spilled = (PyramidBuilder(source, 30).build(spill=spill, folder=tmp_path) for spill in (False, True))

    for one, other in zip(held[1:], spilled[1:], strict=True):
        np.testing.assert_array_equal(read_whole(one), read_whole(other))
        np.testing.assert_array_equal(read_whole(one, bands=(2, 0)), read_whole(one)[[2, 0]])
        np.testing.assert_array_equal(read_whole(other, bands=(2, 0)), read_whole(one)[[2, 0]])
        assert one.pixel_identity != other.pixel_identity
    assert list(tmp_path.iterdir()) == [], "the files have no names"


class Failing(CountingImage):
    def __init__(self, *arguments, at, **settings):
        super().__init__(*arguments, **settings)
        self.at = at

    def get_block(self, block_row, block_col, resolution_level=0, bands=None):
        if (block_row, block_col) == self.at:
            raise OSError("the disk is gone")
        return super().get_block(block_row, block_col, resolution_level, bands)


@pytest.mark.parametrize("workers", [0, 1, 2, 7])
@pytest.mark.parametrize("at", [(0, 0), (5, 3), (9, 9)])
def test_what_fails_in_a_thread_fails_in_the_callers(workers, at):
    """D3: it deadlocked."""
    builder = PyramidBuilder(Failing(noise(320, 320), (32, 32), at=at), 20, num_workers=workers)

    with pytest.raises(OSError, match="the disk is gone"):
        within(120, builder.build)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("pyramid")]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_failing_resampler_progress_or_consumer_ends_the_run(workers):
    def broken(image, rows, cols):
        raise ArithmeticError("no pixels")

    broken.halo_pixels = 0

    def impatient(completed, total, level):
        if completed == 7:
            raise TimeoutError("long enough")

    source = CountingImage(noise(320, 320))
    with pytest.raises(ArithmeticError, match="no pixels"):
        within(120, PyramidBuilder(source, 20, num_workers=workers, resample_func=broken).build)
    with pytest.raises(TimeoutError, match="long enough"):
        within(120, PyramidBuilder(source, 20, num_workers=workers, progress=impatient).build)
    blocks = PyramidBuilder(source, 20, num_workers=workers).blocks()
    next(blocks)
    within(120, blocks.close)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("pyramid")]


def within(seconds, work):
    """Do work in a thread, so that a deadlock fails the test instead of hanging it."""
    failed = []

    def run():
        try:
            work()
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    assert not thread.is_alive(), f"not done after {seconds} s"
    if failed:
        raise failed[0]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_run_can_be_cancelled_from_another_thread(workers):
    def slow(top, left, rows, cols):
        time.sleep(0.01)
        return np.zeros((1, rows, cols), np.uint16)

    builder = PyramidBuilder(LazyImage(slow, rows=20_000, cols=600), num_workers=workers)
    timer = threading.Timer(0.1, builder.cancel)
    timer.start()

    with pytest.raises(CancelledError, match="was cancelled"):
        within(120, builder.build)


def test_progress_counts_source_blocks_in_order():
    calls = []
    source = CountingImage(noise(100, 130), (32, 32), absent={(1, 1)})

    PyramidBuilder(source, 20, progress=lambda *told: calls.append(told)).build()

    assert calls == [(number, 20, 0) for number in range(1, 21)]


class Levelled(CountingImage):
    def __init__(self, levels, block=(32, 32)):
        super().__init__(levels[0], block)
        self.levels = levels
        self.num_resolution_levels = len(levels)
        self.seen = Counter()

    def has_block(self, block_row, block_col, resolution_level=0):
        return True

    def get_block(self, block_row, block_col, resolution_level=0, bands=None):
        self.seen[resolution_level, block_row, block_col] += 1
        height, width = (-(-side // 2**resolution_level) for side in (32, 32))
        y, x = block_row * height, block_col * width
        return self.levels[resolution_level][:, y : y + height, x : x + width]


def test_levels_that_the_source_has_are_copied_and_r0_is_not_read():
    stored = [noise(199, 231, seed=1), noise(100, 116, seed=2), noise(50, 58, seed=3)]
    source = Levelled(stored)

    levels = PyramidBuilder(source, 20, tile_width=40, tile_height=24).build()

    np.testing.assert_array_equal(read_whole(levels[1]), stored[1])
    np.testing.assert_array_equal(read_whole(levels[2]), stored[2])
    third = halved(None, stored[2])
    np.testing.assert_array_equal(read_whole(levels[3]), third)
    np.testing.assert_array_equal(read_whole(levels[4]), halved(None, third))
    assert {place[0] for place in source.seen} == {1, 2}
    assert set(source.seen.values()) == {1}
    assert levels[2].pixel_place.ratio == pytest.approx((231 / 58, 199 / 50))
    assert levels[3].pixel_place.ratio == pytest.approx((2 * 231 / 58, 2 * 199 / 50))
    made = PyramidBuilder(source, 20, use_native_levels=False).build()
    np.testing.assert_array_equal(read_whole(made[1]), halved(None, stored[0]))
    only = PyramidBuilder(source, 80, num_workers=0).build()
    assert [(level.num_rows, level.num_columns) for level in only[1:]] == [(100, 116), (50, 58)]


def test_levels_have_every_attribute_of_a_provider():
    source = CountingImage(noise(90, 131, "int16", bands=3), (64, 32), pad=-5)

    half = PyramidBuilder(source, 50).build()[1]

    assert isinstance(half, ImageProvider)
    assert (half.num_rows, half.num_columns, half.num_bands, half.num_resolution_levels) == (45, 66, 3, 1)
    assert (half.num_pixels_per_block_vertical, half.num_pixels_per_block_horizontal) == (64, 32)
    assert (half.key, half.pad_pixel_value, half.pixel_place.ratio) == ("image:0:overview:1", -5, (2, 2))
    assert half.metadata is source.metadata
    with pytest.raises(IndexError, match="no level 1"):
        half.get_block(0, 0, 1)
    with pytest.raises(IndexError, match="no block"):
        half.get_block(1, 0)
    with pytest.raises(IndexError, match="bands"):
        half.get_block(0, 0, bands=[3])


def test_an_image_that_is_small_already_gets_no_levels():
    source = CountingImage(noise(100, 300))

    assert PyramidBuilder(source).build() == [source] == build_pyramid_levels(source)
    assert [level.num_rows for level in PyramidBuilder(source, 100).build()] == [100, 50]
    assert [(level.num_rows, level.num_columns) for level in PyramidBuilder(source, 1).build()][-2:] == [(1, 2), (1, 1)]


@pytest.mark.parametrize(
    ("settings_", "message"),
    [
        ({"scale_factor": 4}, "scale_factor is 4"),
        ({"min_size": 0}, "min_size must be a whole number of at least 1"),
        ({"num_workers": -1}, "num_workers must be a whole number of at least 0"),
        ({"tile_width": 0}, "tile_width must be a whole number of at least 1"),
        ({"nodata": 0.5}, "nodata 0.5 is no value of uint16"),
        ({"nodata": 0, "resample_func": every_second}, "takes no masks"),
    ],
)
def test_settings_that_give_no_pyramid_are_refused(settings_, message):
    with pytest.raises(ValueError, match=message):
        PyramidBuilder(CountingImage(noise(300, 300)), **settings_)


class Writer:
    """Notes what it is given, and reads pixels when it is closed."""

    def __init__(self):
        self.metadata = None
        self.assets = []

    def add_asset(self, key, provider, title, description, roles):
        self.assets.append((key, provider, tuple(roles)))
        assert isinstance(title, str)
        assert isinstance(description, str)

    def close(self):
        return {key: (read_whole(provider), provider.metadata, roles) for key, provider, roles in self.assets}


def test_overviews_are_written_without_the_base_which_is_the_callers():
    """D13: what is written is said, and the other function writes the base too."""
    image = noise(100, 90)
    writer = Writer()

    PyramidBuilder(CountingImage(image), 30).build_and_write(
        writer, "image:4", {"a": 1}, lambda level: {"level": level}
    )

    written = writer.close()
    assert writer.metadata == {"a": 1}
    assert list(written) == ["image:4:overview:1", "image:4:overview:2"]
    pixels, metadata, roles = written["image:4:overview:2"]
    np.testing.assert_array_equal(pixels, halved(None, halved(None, image)))
    assert (metadata, roles) == ({"level": 2}, ("overview",))
    assert "not** written" in PyramidBuilder.build_and_write.__doc__


@pytest.mark.parametrize("described", [False, True])
def test_a_pyramid_is_written_with_its_base_first(described):
    image = noise(100, 90)
    writer = Writer()
    describe = (lambda level: {"level": level}) if described else None

    write_pyramid(writer, PyramidBuilder(CountingImage(image), 60), file_metadata="F", image_metadata_fn=describe)

    written = writer.close()
    assert [(key, roles) for key, (_, _, roles) in written.items()] == [
        ("image:0", ("data",)),
        ("image:0:overview:1", ("overview",)),
    ]
    np.testing.assert_array_equal(written["image:0"][0], image)
    assert written["image:0"][1] == ({"level": 0} if described else {"name": "a test"})
    assert written["image:0:overview:1"][1] == ({"level": 1} if described else {"name": "a test"})
    assert writer.metadata == "F"


@pytest.mark.parametrize("function", RESAMPLERS[:5], ids=NAMES[:5])
def test_absent_parts_of_stored_tiles_do_not_bleed_into_data(function):
    """The tile is stored, and holds the pad value where blocks below it are not."""
    source = CountingImage(np.full((1, 128, 128), 1000, np.uint16), (32, 32), absent={(2, 1), (3, 3)})
    tiles = RetiledImageProvider(source, 64, 64)

    levels = PyramidBuilder(tiles, min_size=60, resample_func=function, nodata=65535).build()

    assert set(np.unique(read_whole(levels[1]))) == {1000, 65535}
