"""Chains as objects."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from step_samples import SAMPLES, pixels_of

from stacchip_osml.chain import (
    RAW,
    BandedPixels,
    ProcessingChain,
    Spec,
    align_step,
    apply_chain,
    band_select,
    band_select_step,
    chain_id,
    clip_step,
    compose,
    linear_step,
    predict,
    rescale_step,
    scale_offset_step,
)
from stacchip_osml.errors import ChainError, ReadError


def double(pixels):
    return pixels * 2


def mean(pixels):
    return pixels.mean(axis=0, keepdims=True, dtype=np.float32)


def words(pixels):
    return np.full(pixels.shape, "a")


def broken(pixels):
    return pixels / None


def image(bands=3, dtype=np.uint16):
    return np.random.default_rng(0).integers(0, 200, (bands, 6, 7)).astype(dtype)


def test_functions_are_called_one_after_the_other():
    chain = ProcessingChain([double, mean], 1, np.float32)

    np.testing.assert_array_equal(chain(image()), mean(double(image())))
    assert (chain.output_bands, chain.output_dtype, chain.input_bands) == (1, np.float32, None)
    assert ProcessingChain([], 3).output_dtype == np.uint8
    assert ProcessingChain([], 3)(image(dtype=np.uint8)) is not None


def test_a_chain_that_gives_something_else_than_it_says_is_stopped():
    with pytest.raises(ValueError, match="3 bands of uint8, and gave 3 bands of uint16 by its last, function 'double'"):
        ProcessingChain([double], 3)(image())
    with pytest.raises(ChainError, match="says it gives 3 bands of float32, and gave 1 band of float32"):
        ProcessingChain([mean], 3, np.float32)(image())
    with pytest.raises(ChainError, match=r"step 0 of the chain, function '.*<lambda>', must give an array of \(6, 7\)"):
        ProcessingChain([lambda pixels: pixels[:, ::2]], 3, np.uint16)(image())
    with pytest.raises(ChainError, match="got NoneType"):
        ProcessingChain([lambda pixels: None], 3, np.uint16)(image())
    with pytest.raises(
        ChainError, match="step 1 of the chain, function 'words', must give bands of numbers, got 3 of <U1"
    ):
        ProcessingChain([double, words], 3, np.uint16)(image())
    with pytest.raises(ChainError, match=r"function '.*', must give bands of numbers, got 0 of uint16"):
        ProcessingChain([lambda pixels: pixels[:0]], 3, np.uint16)(image())
    with pytest.raises(ChainError, match="a function of pixels, got int"):
        ProcessingChain([3], 3)
    with pytest.raises(ChainError, match="at least one band"):
        ProcessingChain([], 0)
    with pytest.raises(ChainError, match=r"works on \(bands, rows, cols\), got an array of shape \(6, 7\)"):
        ProcessingChain([], 3)(image()[0])


def test_a_function_that_fails_is_named_with_its_cause():
    with pytest.raises(ChainError, match="step 1 of the chain, function 'broken', failed with TypeError: ") as caught:
        ProcessingChain([double, broken], 3, np.uint16)(image())
    assert isinstance(caught.value.__cause__, TypeError)

    def refuse(pixels):
        raise ReadError("no such table")

    with pytest.raises(ReadError, match=r"^no such table$"):  # this package's own say what they are
        ProcessingChain([refuse], 3, np.uint16)(image())


def test_definitions_and_functions_differ_in_having_an_id():
    made = ProcessingChain.from_definition((align_step(), rescale_step(low=0, high=200)), image())
    assert made.definition == (rescale_step(low=0, high=200),)
    assert made.id == chain_id(made.definition)
    assert made.require_definition() == made.definition
    assert ProcessingChain.from_definition((), image()).id == RAW

    bare = ProcessingChain([band_select([0]), double], 1, np.uint16)
    assert bare.id is None
    assert bare.definition is None
    with pytest.raises(ChainError, match=r"step 1 of this chain is the function 'double', .* cannot be indexed"):
        bare.require_definition()


def test_what_a_chain_gives_is_known_from_what_it_takes():
    definition = (band_select_step([2, 0]), scale_offset_step())
    for source in (image(4), (4, "uint16"), Spec.of((4, np.uint16)), Provider()):
        chain = ProcessingChain.from_definition(definition, source)

        assert (chain.output_bands, chain.output_dtype) == (2, np.float32)
        assert chain.source == Spec(4, np.dtype(np.uint16))
    with pytest.raises(ChainError, match="the chain was made for 4 bands of uint16, got 3 bands of uint16"):
        chain(image(3))
    with pytest.raises(ChainError, match="got 4 bands of uint8"):
        chain(image(4, np.uint8))
    with pytest.raises(ChainError, match="band 2 of pixels that have 2"):
        ProcessingChain.from_definition(definition, (2, "uint16"))
    with pytest.raises(ChainError, match="expected an image provider, an array"):
        ProcessingChain.from_definition(definition, "uint16")
    with pytest.raises(ChainError, match="pixels of an unknown type 'pixel'"):
        ProcessingChain.from_definition(definition, (3, "pixel"))


class Provider:
    num_bands = 4
    pixel_value_type = "UINT16"


@given(names=st.lists(st.sampled_from(sorted(SAMPLES)), max_size=4))
def test_a_chain_object_is_its_definition(names):
    definition = tuple(SAMPLES[name] for name in names if name not in {"align"})
    pixels = pixels_of("int16")
    try:
        predict(definition, pixels)
    except ChainError:
        return
    mask = np.random.default_rng(3).random(pixels.shape) > 0.2
    chain = ProcessingChain.from_definition(definition, pixels)
    wanted = apply_chain(definition, BandedPixels.of(pixels, mask))
    found = chain.apply(BandedPixels.of(pixels, mask))

    np.testing.assert_array_equal(found.pixels, wanted.pixels)
    np.testing.assert_array_equal(found.mask, wanted.mask)
    assert chain.id == chain_id(definition)
    again = pickle.loads(pickle.dumps(chain))
    assert (again, hash(again), again.id) == (chain, hash(chain), chain.id)
    np.testing.assert_array_equal(again(pixels), chain(pixels))


@given(
    names=st.lists(st.sampled_from(["rescale", "clip", "linear", "select", "gamma", "mask_fill"]), max_size=5),
    place=st.integers(0, 5),
)
def test_a_composed_chain_is_one_chain_after_the_other(names, place):
    pixels = pixels_of("int16")
    definition = tuple(SAMPLES[name] for name in names)
    try:
        first = ProcessingChain.from_definition(definition[:place], pixels)
        second = ProcessingChain.from_definition(definition[place:], Spec(first.output_bands, first.output_dtype))
    except ChainError:
        return
    both = compose(first, second)

    np.testing.assert_array_equal(both(pixels), second(first(pixels)))
    assert both.id == chain_id(definition)
    assert (both.output_bands, both.output_dtype) == (second.output_bands, second.output_dtype)


def test_bands_that_the_second_chain_takes_are_chosen_between():
    first = ProcessingChain([double], 3, np.uint16, input_bands=[3, 1, 0])
    second = ProcessingChain([mean], 1, np.float32, input_bands=(2, 0))
    both = compose(first, second)

    np.testing.assert_array_equal(both(image(3)), second(first(image(3))[[2, 0]]))
    assert both.input_bands == (3, 1, 0)
    with pytest.raises(ValueError, match=r"takes bands \(2, 0\), and the first gives 2"):
        compose(ProcessingChain([], 2), second)
    with pytest.raises(ChainError, match="was made for 2 bands of uint8, and is given 3 bands of uint16"):
        compose(first, ProcessingChain.from_definition((), (2, "uint8")))
    with pytest.raises(ChainError, match=r"the chain takes bands \(2, 0\) of the source, got 3 bands"):
        second(image(3))


def test_chains_compose_associatively():
    a = ProcessingChain([double], 3, np.uint16)
    b = ProcessingChain([double], 2, np.uint16, input_bands=[2, 1])
    c = ProcessingChain([mean], 1, np.float32, input_bands=[1])

    np.testing.assert_array_equal(compose(compose(a, b), c)(image()), compose(a, compose(b, c))(image()))


def test_a_choice_of_bands_at_the_head_can_be_left_to_reading():
    chain = ProcessingChain.from_definition((band_select_step([2, 1]), linear_step(scale=3)), image(4))
    read = chain.for_reading()

    assert read.input_bands == (2, 1)
    assert read.id == chain.id
    assert read.definition == chain.definition
    np.testing.assert_array_equal(read(image(4)[[2, 1]]), chain(image(4)))
    twice = compose(ProcessingChain([], 3, np.uint16, input_bands=[3, 0, 1]), ProcessingChain([], 1, np.uint16, [2]))
    assert twice.for_reading().input_bands == (1,)
    plain = ProcessingChain.from_definition((clip_step(low=0),), image())
    assert plain.for_reading() is plain


def test_bare_functions_keep_the_mask_or_join_it():
    mask = np.ones((3, 6, 7), bool)
    mask[0, 0, 0] = mask[2, 1, 1] = False
    chip = BandedPixels.of(image(), mask)

    np.testing.assert_array_equal(ProcessingChain([double], 3, np.uint16).apply(chip).mask, mask)
    found = ProcessingChain([mean], 1, np.float32).apply(chip).mask
    np.testing.assert_array_equal(found[0], mask.all(axis=0))


def test_a_chain_changes_neither_pixels_nor_mask():
    pixels = image()
    before = pixels.copy()
    ProcessingChain.from_definition((clip_step(high=9), linear_step(scale=2)), pixels)(pixels)

    np.testing.assert_array_equal(pixels, before)


def test_a_mask_of_another_shape_is_refused():
    with pytest.raises(ChainError, match="the mask of pixels"):
        BandedPixels.of(image(), np.ones((6, 7), bool))
