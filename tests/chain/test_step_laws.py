"""What holds for every step, whatever it does: specs, masks, ids, and arrays left alone."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from step_samples import DTYPES, SAMPLES, pixels_of

from stacchip_osml.chain import (
    BandedPixels,
    Spec,
    apply_chain,
    canonical_json,
    chain_id,
    complete_chain,
    iter_kinds,
    lut_step,
    predict,
    require_steps,
)
from stacchip_osml.errors import ChainError

CASES = [(name, dtype) for name in SAMPLES for dtype in DTYPES]
BY_CHIP = {name for name, step in SAMPLES.items() if step.get("resolve") == "chip"} | {"complex_remap by chip"}
"""Steps whose numbers are those of the chip they are given."""


def accepted(definition, spec):
    try:
        predict((definition,), spec)
    except ChainError:
        return False
    return True


TAKEN = [(name, dtype) for name, dtype in CASES if accepted(SAMPLES[name], Spec.of((3, dtype)))]
"""Steps with the types that they take."""


def masked(dtype, *, seed=0, share=0.3):
    pixels = pixels_of(dtype, seed=seed)
    chip = BandedPixels.of(pixels, np.random.default_rng(seed + 1).random(pixels.shape) > share)
    return replace(
        chip, scales=(0.5, 1.0, 2.0), offsets=(1.0, 0.0, -1.0), names=("a", "b", "c"), colors=("red", "green", "blue")
    )


def same(one, two):
    """Equal pixels and masks; NaN equals NaN."""
    np.testing.assert_array_equal(one.mask, two.mask)
    np.testing.assert_array_equal(one.pixels, two.pixels)


def test_every_step_has_a_sample():
    from stacchip_osml.chain import steps

    assert {kind.name for kind in iter_kinds() if (kind.name, kind.version) in steps._OWN} == {
        sample["step"] for sample in SAMPLES.values()
    }


@pytest.mark.parametrize(("name", "dtype"), CASES)
def test_what_comes_out_is_what_was_predicted(name, dtype):
    chip = masked(dtype)
    definition = (SAMPLES[name],)
    if not accepted(SAMPLES[name], Spec.of(chip)):
        with pytest.raises(ChainError, match=r"."):
            apply_chain(definition, chip)
        return
    done = apply_chain(definition, chip)

    assert Spec.of(done) == predict(definition, chip)
    assert done.pixels.shape[1:] == chip.pixels.shape[1:]
    assert done.mask.shape == done.pixels.shape
    assert len(done.scales) == len(done.offsets) == len(done.nodata) == len(done.pixels)


def test_steps_take_the_types_that_they_are_for():
    taken = {name: {dtype for dtype in DTYPES if accepted(SAMPLES[name], Spec.of((3, dtype)))} for name in SAMPLES}

    everything, real = set(DTYPES), set(DTYPES) - {"complex64"}
    for name in ("align", "select", "mask_fill", "decibel"):
        assert taken[name] == everything, name
    for name in ("scale_offset", "linear", "rescale", "clip", "percentile", "dra", "color_space"):
        assert taken[name] == real, name
    assert taken["normalized_difference"] == real
    assert taken["gamma"] == real - {"int64"}
    assert taken["complex_remap"] == {"complex64"}
    assert taken["lut"] == {"uint8", "int8", "uint16", "int16"}


@pytest.mark.parametrize(("name", "dtype"), TAKEN)
def test_masked_pixels_have_no_influence_and_arrays_stay_as_they_were(name, dtype):
    chip = masked(dtype)
    before = chip.pixels.copy(), chip.mask.copy()
    done = apply_chain((SAMPLES[name],), chip)
    np.testing.assert_array_equal(chip.pixels, before[0])
    np.testing.assert_array_equal(chip.mask, before[1])
    for garbage in (np.nan, 99) if chip.pixels.dtype.kind in "fc" else (0, 99):
        other = replace(chip, pixels=np.where(chip.mask, chip.pixels, chip.pixels.dtype.type(garbage)))
        again = apply_chain((SAMPLES[name],), other)

        np.testing.assert_array_equal(again.mask, done.mask)
        np.testing.assert_array_equal(again.pixels[again.mask], done.pixels[done.mask])


@pytest.mark.parametrize(("name", "dtype"), TAKEN)
def test_an_invalid_pixel_never_becomes_valid(name, dtype):
    chip = masked(dtype)
    done = apply_chain((SAMPLES[name],), chip)

    if done.pixels.shape == chip.pixels.shape:
        assert not (done.mask & ~chip.mask).any()
    nothing = apply_chain((SAMPLES[name],), replace(chip, mask=np.zeros_like(chip.mask)))
    assert not nothing.mask.any()


@pytest.mark.parametrize(("name", "dtype"), [case for case in TAKEN if case[0] != "mask_fill"])
def test_nodata_that_is_stated_is_no_valid_value(name, dtype):
    chip = masked(dtype)
    done = apply_chain((SAMPLES[name],), chip)
    for band, mask, nodata in zip(done.pixels, done.mask, done.nodata, strict=True):
        if nodata is not None:
            assert not np.isin(band[mask], [nodata]).any()
            if np.isnan(nodata):
                assert np.isnan(band[~mask]).all()
            else:
                assert (band[~mask] == nodata).all()


@pytest.mark.parametrize("name", [name for name in SAMPLES if name not in {"lut", "lut by band"}])
@pytest.mark.parametrize("value", [0, 3, 77])
def test_a_constant_image_stays_defined(name, value):
    for dtype in DTYPES:
        if not accepted(SAMPLES[name], Spec.of((3, dtype))):
            continue
        done = apply_chain((SAMPLES[name],), BandedPixels.of(np.full((3, 4, 5), value, dtype)))

        values = done.pixels[done.mask]
        assert np.isfinite(values).all()
        for band, mask in zip(done.pixels, done.mask, strict=True):
            assert len(np.unique(band[mask])) <= 1
        if not done.mask.all():
            assert SAMPLES[name]["step"] in {"normalized_difference", "decibel"}
            assert value == 0


@pytest.mark.parametrize("name", [name for name in SAMPLES if name not in BY_CHIP])
def test_parts_of_an_image_come_out_as_parts_of_the_whole(name):
    chip = masked("complex64" if "complex" in name else "int16")
    part = (slice(None), slice(2, 7), slice(3, 11))
    whole = apply_chain((SAMPLES[name],), chip)
    found = apply_chain((SAMPLES[name],), replace(chip, pixels=chip.pixels[part], mask=chip.mask[part]))

    same(found, replace(whole, pixels=whole.pixels[part], mask=whole.mask[part]))


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("shape", [(3, 0, 5), (3, 4, 0), (3, 1, 1)])
def test_empty_and_single_pixel_images_come_through(name, shape):
    dtype = "uint8" if "lut" in name else "complex64" if "complex" in name else "float32"
    done = apply_chain((SAMPLES[name],), BandedPixels.of(np.ones(shape, dtype)))

    assert done.pixels.shape[1:] == shape[1:]


def spelled(value, *, as_float):
    """The same JSON value in another spelling: keys turned around, whole numbers as floats."""
    if isinstance(value, dict):
        return {key: spelled(part, as_float=as_float) for key, part in reversed(value.items())}
    if isinstance(value, list):
        return [spelled(part, as_float=as_float) for part in value]
    return float(value) if as_float and isinstance(value, int) and not isinstance(value, bool) else value


@pytest.mark.parametrize("name", SAMPLES)
def test_another_spelling_is_the_same_id(name):
    step = SAMPLES[name]
    other = spelled(step, as_float=True) | {"version": step["version"]}

    assert chain_id((other,)) == chain_id((step,))
    assert complete_chain((other,)) == (step,)
    assert complete_chain((json.loads(canonical_json((step,)))[0],)) == (step,)


@pytest.mark.parametrize("name", SAMPLES)
def test_a_default_written_out_is_the_default(name):
    step = SAMPLES[name]
    kind = next(kind for kind in iter_kinds() if kind.name == step["step"])
    for key in step:
        short = {other: value for other, value in step.items() if other != key}
        try:
            completed = kind.complete(short)
        except ChainError:  # the setting has no default, or none that agrees with the others
            continue
        if key in {"step", "version"}:
            continue
        written = kind.complete(short | {key: completed[key]})

        assert list(completed) == list(step)
        assert chain_id((completed,)) == chain_id((written,))
        assert chain_id(complete_chain((short | {key: None},))) == chain_id((completed,))


@pytest.mark.parametrize("name", ["linear", "rescale", "percentile", "minmax", "dra", "lut"])
def test_a_fill_is_in_the_id_only_where_it_is_written(name):
    step = next(step for step in SAMPLES.values() if step["step"] == name)
    if name == "lut":
        step = lut_step(np.zeros(3, np.uint8))
    for dtype, is_written in (("float32", False), ("uint8", True)):
        tables = {"tables": lut_step(np.zeros(3, dtype))["tables"]} if name == "lut" else {"out_high": 200}
        if name == "linear":
            tables = {}
        ids = {chain_id(complete_chain(({**step, **tables, "dtype": dtype, "fill": fill},))) for fill in (0, 5)}
        assert len(ids) == 1 + is_written


OTHER = {
    "resolve": {"chip": "item", "item": "chip"},
    "kind": {"power": "amplitude", "amplitude": "power"},
    "dtype": dict.fromkeys(("uint8", "uint16", "int16", "float32"), "float64") | {"float64": "float32"},
    "default": {"bilinear": "area"},
    "source": {"srgb": "linear_srgb"},
    "destination": {"cielab": "ciexyz"},
}


@pytest.mark.parametrize("name", SAMPLES)
def test_every_setting_is_in_the_id(name):
    step = SAMPLES[name]
    for key, value in step.items():
        if key == "step" or (name == "scale_offset" and key == "resolve"):
            continue
        if key in OTHER:
            other = OTHER[key][value]
        elif isinstance(value, list):
            other = [*value[:-1], value[-1] + ("A" if isinstance(value[-1], str) else 1)]
        elif key == "roles":
            other = ["real", "imaginary"]
        elif key == "remap":
            other = "magnitude"
        elif isinstance(value, dict):
            other = {}
        else:
            other = 1 if value is None else value + 1

        assert chain_id(({**step, key: other},)) != chain_id((step,)), key


@given(st.permutations(list(SAMPLES)))
def test_the_order_of_steps_is_in_the_id(names):
    wanted = chain_id(tuple(SAMPLES[name] for name in SAMPLES))

    assert (chain_id(tuple(SAMPLES[name] for name in names)) == wanted) == (names == list(SAMPLES))


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ({"step": "clip", "version": 1, "lo": 3}, "step 'clip' has no setting 'lo'; it has low, high"),
        ({"step": "clip", "version": 1}, "needs a low or a high limit"),
        ({"step": "clip", "version": 1, "low": "x"}, "'low' of step 'clip': expected a number, got 'x'"),
        ({"step": "clip", "version": 1, "low": True}, "expected a number, got True"),
        ({"step": "clip", "version": 1, "low": 5, "high": [9, 4]}, "a low limit lies above its high one"),
        ({"step": "clip", "version": 1, "low": [1, 2], "high": [3, 4, 5]}, "2 low limits and 3 high ones"),
        ({"step": "clip", "version": 2, "low": 5}, "unknown step 'clip' version 2; known: align 1, clip 1"),
        ({"step": "gamma", "version": 1}, "step 'gamma' needs the setting 'gamma'"),
        ({"step": "gamma", "version": 1, "gamma": 0}, "expected a number above 0, got 0"),
        ({"step": "gamma", "version": 1, "gamma": 1, "low": 5, "high": 5}, "must lie below the high one"),
        ({"step": "select", "version": 1, "bands": []}, "got an empty one"),
        ({"step": "select", "version": 1, "bands": [0.5]}, "expected a whole number from 0, got 0.5"),
        ({"step": "select", "version": 1, "bands": [-1]}, "expected a whole number from 0, got -1"),
        ({"step": "select", "version": 1, "bands": "01"}, "expected a list of bands"),
        ({"step": "rescale", "version": 1, "low": 9, "high": 1}, "out_low above out_high is a negative"),
        ({"step": "rescale", "version": 1, "low": 0, "high": 1, "out_high": 300}, "300 is no value of uint8"),
        ({"step": "rescale", "version": 1, "low": 0, "high": 1, "fill": 0.5}, "0.5 is no value of uint8"),
        ({"step": "rescale", "version": 1, "low": 0, "high": 1, "dtype": "int64"}, "expected one of uint8"),
        ({"step": "percentile", "version": 1, "lower": 60, "upper": 40}, "lies above the upper one"),
        ({"step": "percentile", "version": 1, "upper": 101}, "from 0 to 100, got 101"),
        ({"step": "minmax", "version": 1, "resolve": "index"}, "expected one of chip, item; got 'index'"),
        ({"step": "dra", "version": 1, "min_percentage": 0.98}, "must lie below the upper one"),
        ({"step": "lut", "version": 1, "dtype": "uint8", "tables": ["?"]}, "must be base64 of uint8"),
        ({"step": "lut", "version": 1, "dtype": "uint16", "tables": ["AAAA"]}, "must be base64 of uint16"),
        ({"step": "lut", "version": 1, "dtype": "uint8", "tables": ["AAA=", "AAAA"]}, "the same number of entries"),
        ({"step": "lut", "version": 1, "dtype": "uint8", "tables": ["AAB="]}, "written in more than one way"),
        ({"step": "lut", "version": 1, "dtype": "uint8", "tables": [[1, 2]]}, "lut_step writes it from an array"),
        ({"step": "color_space", "version": 1, "source": "rgb", "destination": "srgb"}, "expected one of srgb"),
        ({"step": "align", "version": 1, "default": "cubic"}, "must be one of auto, nearest, bilinear, area"),
        ({"step": "align", "version": 1, "methods": {"a": 3}}, "expected an object of texts"),
    ],
)
def test_an_impossible_step_is_refused_with_its_reason(step, message):
    with pytest.raises(ChainError, match=message):
        require_steps((step,))
    with pytest.raises(ValueError, match=message):
        complete_chain((step,))


@pytest.mark.parametrize(
    ("step", "spec", "message"),
    [
        ("select", (2, "uint8"), "band 2 of pixels that have 2, counted from 0"),
        ("rescale", (4, "uint8"), "'high' has a number for each of 3 bands, not 4 bands of uint8"),
        ("clip", (1, "float32"), "has a number for each of 3 bands, not 1 band of float32"),
        ("mask_fill", (1, "bool"), "7 is no value of bool"),
        ("normalized_difference", (2, "uint8"), "bands 2 and 0 of 2"),
        ("color_space", (4, "float32"), "needs three bands of numbers, got 4 bands of float32"),
        ("lut", (1, "uint32"), "needs integers of 8 or 16 bits, got uint32"),
        ("lut by band", (2, "uint8"), "has 3 tables for 2 bands"),
        ("gamma", (1, "int64"), "at most 32 bits"),
        ("linear", (3, "complex128"), "linear needs real pixels, got complex128"),
    ],
)
def test_pixels_that_a_step_cannot_take_are_refused_before_any_work(step, spec, message):
    with pytest.raises(ChainError, match=message):
        predict((SAMPLES[step],), spec)
