"""Plans: each pixel from its block, each block once, no byte that is not needed."""

import itertools
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic_blocks import TRANSPOSED, StoredArray, store_array, stored_arrays, windows_of

from stacchip_osml.imagery.blocks.plan import (
    BlockJob,
    LevelRead,
    Pairs,
    Patch,
    ReadPlan,
    coalesced,
    layers_of,
    pairs_of,
    plan_reads,
    sliced,
)
from stacchip_osml.imagery.blocks.stored import StoredLevel
from stacchip_osml.pixel import PixelWindow


def one_read(level: StoredLevel, window: PixelWindow, bands: tuple[int, ...], *, images: int = 1) -> LevelRead:
    """Read bands of a level, of that many images that are stored alike."""
    layers = [layers_of(level, bands, image=image, first=image * len(bands)) for image in range(images)]
    return LevelRead(tuple(itertools.chain(*layers)), window)


def patches_of(job: BlockJob) -> list[tuple[Pairs, Patch]]:
    return [(pairs, patch) for pairs, patches in job.uses for patch in patches]


def carry_out(plan: ReadPlan, reads: list[LevelRead], source: StoredArray, *, most: int = 1 << 20) -> list[np.ndarray]:
    """Do what a plan says, in the simplest way; -1 where nothing was put, and nothing is put twice."""
    results = []
    for read in reads:
        bands = sum(len(pairs_of(layer.pairs)) for layer in read.layers)
        results.append(np.full((bands, read.window.height, read.window.width), -1))

    def put(read, bands, rows, cols, values):
        assert (results[read][bands, rows, cols] == -1).all()
        results[read][bands, rows, cols] = values

    for job in plan.jobs:
        raw = b"".join(source.data[start : start + size] for start, size in job.parts)
        if job.level.codec.compression == "deflate":
            raw = zlib.decompress(raw)
        shape = (job.level.samples, *job.shape)
        order = TRANSPOSED[job.level.codec.order]
        block = np.frombuffer(raw, job.level.codec.stored).reshape([shape[axis] for axis in order])
        block = block.transpose(np.argsort(order))[:, : job.needed]
        for pairs, patch in patches_of(job):
            for target, sample in pairs_of(pairs):
                values = block[sample, patch.block_rows, patch.block_cols]
                put(patch.read, target, patch.rows, patch.cols, values)
    for whole in plan.pieces:
        form = whole.level.raw
        for piece in sliced(whole, most=most):
            rows = [source.data[piece.offset + row * piece.stride :][: piece.span] for row in range(piece.rows)]
            assert piece.offset + piece.size <= piece.end
            values = np.frombuffer(b"".join(rows), form.stored).reshape(piece.rows, -1, form.pixel // form.item)
            for target, sample in piece.pairs:
                position = sample if form.pixel > form.item else 0
                put(piece.read, target, piece.target_rows, piece.target_cols, values[:, :, position])
    for hole in plan.holes:
        for band, _ in pairs_of(hole.pairs):
            put(hole.read, band, hole.rows, hole.cols, 0)
    return results


@given(st.data())
def test_a_plan_brings_every_pixel_of_every_window_once(data):
    source = data.draw(stored_arrays())
    level = StoredLevel(source.layout)
    bands = st.lists(st.integers(0, len(source.pixels) - 1), min_size=1, max_size=5)
    asked = data.draw(st.lists(st.tuples(windows_of(source.layout.size), bands), min_size=1, max_size=4))
    images = data.draw(st.integers(1, 3))
    reads = [one_read(level, window, tuple(chosen), images=images) for window, chosen in asked]

    plan = plan_reads(reads)
    results = carry_out(plan, reads, source, most=data.draw(st.sampled_from([1, 100, 1 << 20])))

    for number, (((x, y, width, height), chosen), result) in enumerate(zip(asked, results, strict=True)):
        here = np.s_[chosen, y : y + height, x : x + width]
        assert (result == np.concatenate([source.pixels[here]] * images)).all()
        absent = [(number, image) in plan.absent for image in range(images)]
        assert absent == [not source.stored[here].any()] * images
    places = [(job.image, job.plane, job.row, job.col) for job in plan.jobs]
    assert len(places) == len(set(places))
    for job in plan.jobs:
        assert job.needed == max(patch.block_rows.stop for _, patch in patches_of(job)) <= job.shape[0]


def image(height: int = 64, width: int = 64, bands: int = 1) -> np.ndarray:
    return np.arange(bands * height * width).reshape(bands, height, width).astype(np.uint16)


def test_windows_that_share_a_block_share_its_job_and_the_deepest_decides_its_rows():
    source = store_array(image(), block_shape=(32, 32), compression="deflate")
    level = StoredLevel(source.layout)
    windows = [PixelWindow(0, 0, 8, 8), PixelWindow(8, 3, 8, 8), PixelWindow(40, 40, 4, 4), PixelWindow(0, 0, 8, 8)]

    plan = plan_reads([one_read(level, window, (0,)) for window in windows])

    assert [(job.row, job.col, job.needed, len(patches_of(job))) for job in plan.jobs] == [(0, 0, 11, 3), (1, 1, 12, 1)]
    assert plan.jobs[0].decoded_bytes == 11 * 32 * 2


def test_planes_that_no_band_is_in_are_not_read():
    source = store_array(image(bands=3), block_shape=(64, 64), planes=3, compression="deflate")

    plan = plan_reads([one_read(StoredLevel(source.layout), PixelWindow(0, 0, 4, 4), (2, 0, 2))])

    assert [job.plane for job in plan.jobs] == [2, 0]
    assert [pairs_of(pairs) for job in plan.jobs for pairs, _ in patches_of(job)] == [((0, 0), (2, 0)), ((1, 0),)]


def test_of_an_unblocked_uncompressed_image_only_the_rows_and_columns_wanted_are_planned():
    source = store_array(image(), block_shape=(64, 64))

    (piece,) = plan_reads([one_read(StoredLevel(source.layout), PixelWindow(10, 20, 4, 3), (0,))]).pieces

    assert (piece.offset, piece.rows, piece.span, piece.stride) == (8 + 20 * 128 + 20, 3, 8, 128)


@pytest.mark.parametrize("short_edge", [True, False])
def test_uncompressed_strips_without_gaps_are_one_block(short_edge):
    source = store_array(image(63), block_shape=(4, 64), short_edge=short_edge)
    level = StoredLevel(source.layout)

    plan = plan_reads([one_read(level, PixelWindow(0, 1, 64, 62), (0,))])

    assert (level.grid_rows, level.rows) == (1, 63)
    assert [(piece.rows, piece.offset) for piece in plan.pieces] == [(62, 8 + 128)]


@pytest.mark.parametrize("how", [{"gap": 1}, {"reverse": True}, {"absent": np.arange(16).reshape(1, 16, 1) == 3}])
def test_uncompressed_strips_that_are_not_one_run_stay_apart(how):
    source = store_array(image(), block_shape=(4, 64), **how)

    assert StoredLevel(source.layout).grid_rows == 16


spans = st.lists(st.tuples(st.integers(0, 500), st.integers(1, 60)), max_size=20).map(sorted)


@given(spans, st.integers(0, 40), st.integers(1, 300))
def test_runs_cover_their_spans_in_order_and_split_only_where_they_must(spans, gap, most):
    runs = list(coalesced(spans, gap=gap, most=most))

    assert [place for run in runs for place in range(run.first, run.last)] == list(range(len(spans)))
    for run in runs:
        members = spans[run.first : run.last]
        assert run.start == members[0][0]
        assert run.start + run.size == max(offset + size for offset, size in members)
        assert len(members) == 1 or run.size <= most
        ends = np.maximum.accumulate([offset + size for offset, size in members])
        assert all(offset - end <= gap for (offset, _), end in zip(members[1:], ends, strict=False))
    for one, next_one in itertools.pairwise(runs):
        offset, size = spans[next_one.first]
        end = one.start + one.size
        assert offset - end > gap or max(end, offset + size) - one.start > most


def test_blocks_of_a_cog_lie_eight_bytes_apart_and_are_one_run():
    blocks = [(100 + place * 1008, 1000) for place in range(5)]

    assert [run[:2] for run in coalesced(blocks, gap=8, most=3100)] == [(100, 3016), (3124, 2008)]
