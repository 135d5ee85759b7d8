"""Steps of one's own: registered by name, in this process."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from stacchip_osml.chain import (
    REQUIRED,
    BandedPixels,
    ProcessingChain,
    Spec,
    apply_chain,
    chain_id,
    predict,
    register_step,
    require_steps,
)
from stacchip_osml.chain.steps import STEPS
from stacchip_osml.errors import ChainError


@pytest.fixture(autouse=True)
def _forget():
    before = dict(STEPS)
    yield
    STEPS.clear()
    STEPS.update(before)


def invert(settings, chip):
    return chip.renewed(settings["white"] - chip.pixels, chip.mask)


def test_a_step_of_ones_own_has_an_id_and_is_applied_by_its_name():
    step = register_step("invert", 1, invert, settings={"white": 255}, about="a negative")
    pixels = np.arange(6, dtype=np.uint8).reshape(1, 2, 3)

    assert step() == {"step": "invert", "version": 1, "white": 255}
    assert chain_id((step(),)).startswith("invert-")
    assert chain_id((step(white=9),)) != chain_id((step(),))
    np.testing.assert_array_equal(apply_chain((step(),), BandedPixels.of(pixels)).pixels, 255 - pixels)
    chain = ProcessingChain.from_definition((step(),), pixels)
    assert chain.id == chain_id((step(),))
    np.testing.assert_array_equal(chain(pixels), 255 - pixels)


def test_settings_without_a_default_and_unknown_ones_are_refused():
    step = register_step("cut", 1, invert, settings={"white": REQUIRED})
    with pytest.raises(ChainError, match="step 'cut' needs the setting 'white'"):
        step()
    with pytest.raises(ChainError, match="has no setting 'black'; it has white"):
        step(black=1)
    with pytest.raises(ChainError, match="must be JSON values"):
        step(white=np.zeros(2))


@pytest.mark.parametrize(
    ("one", "other"),
    [(2, 2.0), (2, np.float64(2)), (0, -0.0), ([1, 2], (1.0, 2)), ({"a": 1, "b": 2}, {"b": 2.0, "a": 1})],
)
def test_what_has_one_id_is_one_thing_to_the_function(one, other):
    seen = []
    step = register_step(
        "see", 1, lambda settings, chip: seen.append(repr(settings["value"])) or chip, settings={"value": 0}
    )
    chip = BandedPixels.of(np.zeros((1, 2, 2), np.uint8))

    assert chain_id((step(value=one),)) == chain_id((step(value=other),))
    for value in (one, other):
        apply_chain((step(value=value),), chip)
    assert seen[0] == seen[1]


def test_settings_are_nobody_elses():
    default, given = [1], [2]
    step = register_step("list", 1, invert, settings={"values": default})
    plain, own = step(), step(values=given)
    default.append(9)
    given.append(9)

    assert (plain["values"], step()["values"], own["values"]) == ([1], [1], [2])


def test_checks_and_predictions_of_ones_own_are_asked():
    def check(settings):
        if settings["white"] < 0:
            raise ChainError("white below 0")

    def total(settings, chip):
        return chip.renewed(chip.pixels.sum(axis=0, keepdims=True, dtype="int32"), chip.mask[:1])

    step = register_step(
        "sum", 2, total, settings={"white": 1}, check=check, output=lambda settings, spec: Spec(1, np.dtype("int32")),
    )  # fmt: skip
    assert predict((step(),), (3, "uint8")) == Spec(1, np.dtype("int32"))
    assert apply_chain((step(),), BandedPixels.of(np.ones((3, 2, 2), np.uint8))).pixels.max() == 3
    with pytest.raises(ChainError, match="white below 0"):
        step(white=-1)


def test_a_step_that_gives_something_else_than_it_said_is_stopped():
    step = register_step("wrong", 1, lambda settings, chip: chip.renewed(chip.pixels.astype("float32"), chip.mask))
    with pytest.raises(ChainError, match=r"'wrong' said it gives 1 band of uint8 .* and gave pixels .* float32"):
        apply_chain((step(),), BandedPixels.of(np.zeros((1, 2, 2), np.uint8)))
    half = register_step(
        "half", 1, lambda settings, chip: BandedPixels(
            pixels=chip.pixels, mask=chip.mask, scales=(), offsets=chip.offsets, nodata=chip.nodata
        ),
    )  # fmt: skip
    with pytest.raises(ChainError, match="step 'half' gave 1 bands, and scales of 0"):
        apply_chain((half(),), BandedPixels.of(np.zeros((1, 2, 2), np.uint8)))


def test_names_are_taken_once():
    register_step("mine", 1, invert)
    register_step("mine", 1, invert)
    register_step("mine", 2, lambda settings, chip: chip)
    with pytest.raises(ChainError, match="step 'mine' version 1 is taken"):
        register_step("mine", 1, lambda settings, chip: chip)
    with pytest.raises(ChainError, match="step 'clip' version 7 is taken"):
        register_step("clip", 7, invert)
    with pytest.raises(ChainError, match="named like a variable, got 'a b'"):
        register_step("a b", 1, invert)
    with pytest.raises(ChainError, match="cannot be called 'step' or 'version'"):
        register_step("other", 1, invert, settings={"version": 1})
    with pytest.raises(ChainError, match="whole number from 1, got 0"):
        register_step("other", 0, invert)


def test_what_another_process_registered_is_unknown_here_and_named():
    code = (
        "from stacchip_osml.chain import register_step, canonical_json\n"
        "print(canonical_json((register_step('theirs', 3, lambda s, c: c)(),)))"
    )
    text = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    import json

    with pytest.raises(ChainError, match=r"unknown step 'theirs' version 3; .*register_step"):
        require_steps(tuple(json.loads(text)))


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (lambda settings, spec: settings["none"], "step 'said' cannot say .* its output= failed with KeyError: 'none'"),
        (lambda settings: None, "step 'said' cannot say what it gives of 1 band of uint8: .* TypeError"),
        (lambda settings, spec: (1, "uint8"), r"step 'said' must say .* as a Spec, its output= gave \(1, 'uint8'\)"),
    ],
)
def test_a_step_that_cannot_say_what_it_gives_is_named(output, message):
    step = register_step("said", 1, lambda settings, chip: chip, output=output)

    with pytest.raises(ChainError, match=message):
        predict((step(),), (1, "uint8"))
    with pytest.raises(ChainError, match=message):
        apply_chain((step(),), BandedPixels.of(np.zeros((1, 2, 2), np.uint8)))


@pytest.mark.parametrize(
    ("apply", "message"),
    [
        (lambda settings, chip: chip.pixels["a"], "step 'faulty' failed with IndexError: only integers"),
        (lambda settings: None, "step 'faulty' failed with TypeError: .* 2 were given"),
        (lambda settings, chip: chip.pixels, r"step 'faulty' must give BandedPixels, .* it gave ndarray"),
        (lambda settings, chip: None, r"step 'faulty' must give BandedPixels, .* it gave NoneType"),
        (lambda settings, chip: replace(chip, pixels=[[[1]]]), "step 'faulty' must give .* arrays, it gave list and"),
        (
            lambda settings, chip: replace(chip, mask=chip.mask.astype("u1")),
            "'faulty' must give a mask of bool, it gave",
        ),
        (
            lambda settings, chip: chip.renewed(chip.pixels[:, 1:], chip.mask[:, 1:]),
            "step 'faulty' said it gives 1 band",
        ),
    ],
)
def test_a_step_that_fails_or_gives_no_pixels_is_named(apply, message):
    step = register_step("faulty", 1, apply)
    pixels = np.zeros((1, 2, 2), np.uint8)

    for run in (
        lambda: apply_chain((step(),), BandedPixels.of(pixels)),
        lambda: ProcessingChain.from_definition((step(),), pixels)(pixels),
    ):
        with pytest.raises(ChainError, match=message) as caught:
            run()
        assert ("failed with" in message) == (caught.value.__cause__ is not None)


def test_a_check_that_fails_is_named_with_its_step():
    step = register_step("checked", 1, invert, settings={"white": 1}, check=lambda settings: settings["black"])

    with pytest.raises(ChainError, match="the check of step 'checked' failed with KeyError: 'black'"):
        step()
