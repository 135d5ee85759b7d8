"""Chain ids: content decides, nothing else."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stacchip_osml.chain import (
    RAW,
    BandedPixels,
    ChainRegistry,
    ProcessingChain,
    align_step,
    apply_chain,
    canonical_json,
    chain_id,
    require_steps,
    resampling_for,
    scale_offset_step,
)
from stacchip_osml.errors import ChainError

settings_values = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
steps = st.dictionaries(st.text(), settings_values, max_size=4).map(lambda s: {**s, "step": "x", "version": 1})


ENDLESS: list[object] = []
ENDLESS.append(ENDLESS)


@given(step=steps)
def test_an_id_does_not_depend_on_the_order_in_which_settings_are_written(step):
    assert chain_id((step,)) == chain_id((dict(reversed(step.items())),))


@given(one=steps, two=steps)
def test_ids_differ_exactly_where_definitions_differ(one, two):
    assert (chain_id((one,)) == chain_id((two,))) == (canonical_json((one,)) == canonical_json((two,)))


def test_the_empty_chain_is_raw_and_every_registry_knows_it():
    assert chain_id(()) == RAW
    assert ChainRegistry()[RAW] == ()


@given(first=st.lists(steps, max_size=3), second=st.lists(steps, max_size=3))
def test_registries_merge_without_order(first, second):
    a, b = ChainRegistry([(s,) for s in first]), ChainRegistry([(s,) for s in second])

    assert a.union(b) == b.union(a)
    assert a.union(a) == a
    assert ChainRegistry.from_json(a.union(b).to_json()) == a.union(b)


def test_a_registry_whose_id_lies_is_refused():
    document = ChainRegistry([(scale_offset_step(),)]).to_json()
    name = next(name for name in document if name != RAW)
    document[name][0]["version"] = 2

    with pytest.raises(ChainError, match="two different definitions under one name"):
        ChainRegistry.from_json(document)


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        (({"version": 1},), "step 0 of a chain must be an object with a 'step' name"),
        (({"step": "x"},), "must state its 'version'"),
        (({"step": "x", "version": 1, "a": float("nan")},), "must be JSON values"),
        (({"step": "x", "version": 1, "a": object()},), "must be JSON values"),
        (({"step": "x", "version": 1, "a": "\ud800"},), "must be JSON values"),
        (({"step": "x", "version": 1, "a": ENDLESS},), "must be JSON values"),
        (({"step": "x", "version": True},), "must state its 'version'"),
    ],
)
def test_a_definition_that_json_cannot_carry_is_refused(definition, message):
    with pytest.raises(ChainError, match=message):
        chain_id(definition)


def test_an_unknown_id_and_an_unknown_step_name_what_is_known():
    with pytest.raises(ChainError, match="unknown processing chain 'x-1'; this registry knows raw"):
        ChainRegistry()["x-1"]
    with pytest.raises(ChainError, match=r"unknown step 'sharpen' version 1; known: align 1, .*scale_offset 1"):
        require_steps(({"step": "sharpen", "version": 1},))


def test_align_states_a_method_for_every_asset():
    step = align_step(default="bilinear", methods={"scl": "nearest"})

    assert resampling_for((step,), "scl") == "nearest"
    assert resampling_for((step,), "red") == "bilinear"
    assert resampling_for((), "red") == "auto"
    with pytest.raises(ChainError, match="resampling of 'scl' must be one of auto, nearest, bilinear, area"):
        align_step(methods={"scl": "cubic"})
    assert align_step(default="area", methods={"red": "area", "scl": "nearest"}) == align_step(
        default="area", methods={"scl": "nearest"}
    )


def test_scale_offset_gives_physical_values_and_nan_where_invalid():
    pixels = np.array([[[1, 2]], [[10, 0]]], np.uint16)
    mask = np.array([[[True, True]], [[True, False]]])
    chip = BandedPixels(pixels=pixels, mask=mask, scales=(0.5, 2.0), offsets=(0.0, -1.0), nodata=(None, 0))

    done = apply_chain((scale_offset_step(),), chip)

    assert done.pixels.dtype == np.float32
    np.testing.assert_array_equal(done.pixels, np.array([[[0.5, 1.0]], [[19.0, np.nan]]], np.float32))
    assert done.scales == (1.0, 1.0)
    assert done.offsets == (0.0, 0.0)
    assert np.isnan(done.nodata).all()
    with pytest.raises(ChainError, match="needs real pixels, got complex64"):
        apply_chain(
            (scale_offset_step(),),
            BandedPixels(
                pixels=pixels.astype(np.complex64), mask=mask, scales=(1, 1), offsets=(0, 0), nodata=(None, None)
            ),
        )


def test_nobody_changes_what_an_id_stands_for():
    given = [{"step": "clip", "version": 1, "low": 0, "high": [1, [2]]}]
    registry = ChainRegistry([tuple(given)])
    (name,) = set(registry) - {"raw"}
    before = registry[name]

    given[0]["high"][1].append(9)
    registry[name][0]["high"].append(9)
    registry[name][0]["low"] = 5
    registry.to_json()[name][0]["high"][1][0] = 7

    assert registry[name] == before == ({"step": "clip", "version": 1, "low": 0, "high": [1, [2]]},)
    assert ChainRegistry.from_json(registry.to_json())[name] == before


def test_the_definition_of_a_chain_is_its_own():
    chain = ProcessingChain.from_definition(({"step": "select", "version": 1, "bands": [1, 0]},), (3, "uint8"))
    name, steps = chain.id, chain.definition

    steps[0]["bands"].append(2)
    steps[0]["version"] = 9

    assert chain.id == name
    assert chain.definition[0]["bands"] == [1, 0]
