"""Limits that pixels give: a chip's own, or those of the whole item."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stacchip_osml.chain import (
    BandedPixels,
    align_step,
    apply_chain,
    band_select_step,
    chain_id,
    clip_step,
    compute_statistics,
    dra_step,
    is_resolved,
    mask_fill_step,
    minmax_step,
    percentile_step,
    rescale_step,
    resolve,
)
from stacchip_osml.errors import ChainError

STRETCHES = {"percentile": percentile_step, "minmax": minmax_step, "dra": dra_step}


def image(dtype, *, seed=0):
    random = np.random.default_rng(seed)
    return np.stack([random.normal(mean, 300, (40, 50)) for mean in (1000, 1500, 2000)]).round().astype(dtype)


@pytest.mark.parametrize("name", STRETCHES)
@pytest.mark.parametrize("dtype", ["uint16", "int16", "int32"])
def test_an_item_that_is_the_chip_gives_the_chip_s_own_limits(name, dtype):
    pixels = image(dtype)
    mask = np.random.default_rng(1).random(pixels.shape) > 0.1
    waiting = (STRETCHES[name](resolve="item"),)
    found = resolve(waiting, compute_statistics(pixels, mask=mask))

    own = apply_chain((STRETCHES[name](),), BandedPixels.of(pixels, mask))
    np.testing.assert_array_equal(apply_chain(found, BandedPixels.of(pixels, mask)).pixels, own.pixels)
    assert found[0]["step"] == "rescale"
    assert is_resolved(found)
    assert not is_resolved(waiting)
    assert len({chain_id(waiting), chain_id(found), chain_id((STRETCHES[name](),))}) == 3


def test_percentiles_of_a_float_item_are_within_a_bin_of_its_chip_s():
    pixels = image("float32")
    statistics = compute_statistics(pixels)
    (step,) = resolve((percentile_step(10, 90, resolve="item"),), statistics)
    for band, low, high, found in zip(pixels, step["low"], step["high"], statistics.bands, strict=True):
        width = found.bin_edges[1] - found.bin_edges[0]
        assert low == pytest.approx(np.percentile(band, 10), abs=width)
        assert high == pytest.approx(np.percentile(band, 90), abs=width)


@given(
    values=st.lists(st.integers(0, 255), min_size=1, max_size=60), lower=st.integers(0, 100), upper=st.integers(0, 100)
)
def test_a_percentile_is_the_smallest_value_that_as_many_do_not_exceed(values, lower, upper):
    lower, upper = sorted((lower, upper))
    pixels = np.array(values, np.uint8).reshape(1, 1, -1)
    (step,) = resolve((percentile_step(lower, upper, resolve="item"),), compute_statistics(pixels))
    low, high = np.percentile(pixels, (lower, upper), method="inverted_cdf")

    assert (step["low"], step["high"]) == (low, high)
    np.testing.assert_array_equal(
        apply_chain((percentile_step(lower, upper),), BandedPixels.of(pixels)).pixels,
        apply_chain((rescale_step(low=low, high=high),), BandedPixels.of(pixels)).pixels,
    )


@pytest.mark.parametrize("name", STRETCHES)
def test_chips_of_an_item_are_stretched_alike_only_by_the_item(name):
    pixels = image("uint16")
    left, right = pixels[:, :, :25], pixels[:, :, 25:] // 2
    statistics = compute_statistics(np.concatenate([left, right], axis=2))
    resolved = resolve((STRETCHES[name](resolve="item"),), statistics)
    both = apply_chain(resolved, BandedPixels.of(np.concatenate([left, right], axis=2))).pixels

    np.testing.assert_array_equal(apply_chain(resolved, BandedPixels.of(right)).pixels, both[:, :, 25:])
    assert (apply_chain((STRETCHES[name](),), BandedPixels.of(right)).pixels != both[:, :, 25:]).any()


@pytest.mark.parametrize("name", STRETCHES)
def test_a_chain_that_waits_for_an_item_cannot_be_applied(name):
    with pytest.raises(ChainError, match=r"takes its limits from the whole item.*resolve\(definition, statistics\)"):
        apply_chain((STRETCHES[name](resolve="item"),), BandedPixels.of(image("uint8")))


def test_statistics_follow_the_choice_of_bands_and_stop_at_changed_values():
    statistics = compute_statistics(image("uint16"))
    before = (align_step(), mask_fill_step(0), band_select_step([2, 0]))
    waiting = (*before, minmax_step(resolve="item"), clip_step(high=99))
    found = resolve(waiting, statistics)

    assert found[:3] == before
    assert found[4] == waiting[4]
    assert found[3]["high"] == [statistics.bands[2].max, statistics.bands[0].max]
    with pytest.raises(ChainError, match="'minmax' waits for statistics of the item, and 'clip' before it changes"):
        resolve((clip_step(high=5), minmax_step(resolve="item")), statistics)
    with pytest.raises(ChainError, match="band 3 of pixels that have 3"):
        resolve((band_select_step([3]), minmax_step(resolve="item")), statistics)


def test_a_chain_that_waits_for_nothing_is_resolved_to_itself():
    chain = (band_select_step([0]), percentile_step())

    assert resolve(chain, SimpleNamespace(bands=[None])) == chain


@pytest.mark.parametrize("name", STRETCHES)
def test_a_chip_without_valid_pixels_is_all_fill(name):
    pixels = image("float32")
    done = apply_chain((STRETCHES[name](fill=9),), BandedPixels.of(pixels, np.zeros(pixels.shape, bool)))

    assert (done.pixels == 9).all()
    assert not done.mask.any()


@pytest.mark.parametrize("name", STRETCHES)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
def test_a_constant_chip_is_middle_grey(name, dtype):
    done = apply_chain((STRETCHES[name](),), BandedPixels.of(np.full((1, 8, 8), 77, dtype)))

    assert (done.pixels == 128).all()
    assert done.mask.all()


def test_extremes_of_a_float_chip_leave_out_what_is_not_finite():
    pixels = np.array([[[np.nan, np.inf, -np.inf, 5, 10]]], np.float32)
    done = apply_chain((minmax_step(),), BandedPixels.of(pixels))

    assert done.pixels.ravel().tolist() == [0, 255, 0, 0, 255]
    assert done.mask.ravel().tolist() == [False, True, True, True, True]
