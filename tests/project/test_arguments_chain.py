"""Whatever is given by mistake to the public calls of chain, its error says which argument is meant."""

import itertools

import numpy as np
import pytest

import stacchip_osml.chain as chain
from stacchip_osml.chain.steps import STEPS
from tests.project.wrong_values import ODD, WRONG, is_named, laid_out_otherwise, refusal

BYTES = np.arange(32, dtype=np.uint8).reshape(2, 4, 4)
COLORS = np.ones((3, 4, 4))
PARTS = np.linspace(-3, 4, 32, dtype=np.float32).reshape(2, 4, 4)
CHIP = chain.BandedPixels.of(BYTES)
STATISTICS = chain.compute_statistics(BYTES)
BAND = STATISTICS.bands[0]
DRA = chain.DRAParameters.from_statistics(BAND)
STEPS_OF = (chain.rescale_step(low=0, high=31),)
CHAIN = chain.ProcessingChain.from_definition(STEPS_OF, (2, "uint8"))
SELECT = chain.band_select([0])
TABLE = np.arange(256, dtype=np.uint8)
RANDOM = chain.SamplingStrategy.RANDOM
NUMBERS = itertools.count()


def called(function, *first, **base):
    return lambda **given: function(*first, **base | given)


def fields(record):
    return {name: getattr(record, name) for name in record.__dataclass_fields__}


def registered(**given):
    before = set(STEPS)
    try:
        chain.register_step(**{"name": f"wrong{next(NUMBERS)}", "version": 1, "apply": lambda _, chip: chip} | given)
    finally:
        for key in set(STEPS) - before:
            del STEPS[key]


CALLS = {
    "BandStatistics": (called(chain.BandStatistics, **fields(BAND)), "histogram bin_edges"),
    "ImageStatistics": (called(chain.ImageStatistics, bands=STATISTICS.bands), "bands sample_rate"),
    "BandedPixels.of": (called(chain.BandedPixels.of, pixels=BYTES), "pixels mask"),
    "BandedPixels.renewed": (called(CHIP.renewed, pixels=BYTES.copy(), mask=CHIP.mask), "pixels mask"),
    "BandedPixels.selected": (CHIP.selected, "bands"),
    "ChainRegistry": (chain.ChainRegistry, "definitions"),
    "ChainRegistry[]": (lambda name: chain.ChainRegistry()[name], "name"),
    "ChainRegistry.from_json": (chain.ChainRegistry.from_json, "document"),
    "ChainRegistry.union": (chain.ChainRegistry().union, "other"),
    "ChainStep": (chain.ChainStep, "definition"),
    "ChainStep()": (SELECT.__call__, "pixels"),
    "ChainStep.apply": (SELECT.apply, "chip"),
    "ChainStep.output": (SELECT.output, "spec"),
    "DRAParameters": (called(chain.DRAParameters, **fields(DRA)), "suggested_min suggested_max actual_min actual_max"),
    "DRAParameters.build_lut": (called(DRA.build_lut, input_dtype="u1"), "input_dtype output_dtype range_adjustment"),
    "DRAParameters.limits": (DRA.limits, "range_adjustment"),
    "DRAParameters.from_counts": (
        called(chain.DRAParameters.from_counts, counts=[1, 2, 3]),
        "counts first_bucket_value last_bucket_value min_percentage max_percentage a b",
    ),
    "DRAParameters.from_statistics": (
        called(chain.DRAParameters.from_statistics, band=BAND),
        "band min_percentage max_percentage a b",
    ),
    "ProcessingChain": (
        called(chain.ProcessingChain, steps=[SELECT], output_bands=1),
        "steps output_bands output_dtype input_bands source",
    ),
    "ProcessingChain()": (CHAIN.__call__, "pixels"),
    "ProcessingChain.apply": (CHAIN.apply, "chip"),
    "ProcessingChain.from_definition": (
        called(chain.ProcessingChain.from_definition, definition=STEPS_OF, source=(2, "uint8")),
        "definition source",
    ),
    "Spec.of": (chain.Spec.of, "source"),
    "align_step": (chain.align_step, "default methods"),
    "apply_chain": (called(chain.apply_chain, definition=STEPS_OF, chip=CHIP), "definition chip"),
    "apply_lut": (called(chain.apply_lut, image=BYTES, lut=TABLE), "image lut out"),
    "band_select": (chain.band_select, "bands"),
    "band_select_step": (chain.band_select_step, "bands"),
    "canonical_json": (chain.canonical_json, "definition"),
    "chain_id": (chain.chain_id, "definition"),
    "clip_step": (called(chain.clip_step, low=1), "low high"),
    "color_space_step": (
        called(chain.color_space_step, source="srgb", destination="cielab"),
        "source destination white",
    ),
    "color_space_transform": (
        called(chain.color_space_transform, image=COLORS, source="srgb", destination="cielab"),
        "image source destination",
    ),
    "complete_chain": (chain.complete_chain, "definition"),
    "complex_remap_step": (chain.complex_remap_step, "remap roles amplitude_table"),
    "complex_remap_step density": (called(chain.complex_remap_step, "density"), "data_mean dmin mmult minimum"),
    "complex_to_power": (chain.complex_to_power, "data"),
    "compose": (called(chain.compose, first=CHAIN, second=chain.ProcessingChain([], 2)), "first second"),
    "compute_statistics": (
        called(chain.compute_statistics, image=BYTES),
        "image num_bins bin_edges sampling sample_rate mask nodata bit_depth seed",
    ),
    "compute_statistics of floats": (
        called(chain.compute_statistics, image=COLORS),
        "num_bins bin_edges mask nodata bit_depth",
    ),
    "compute_statistics of some": (
        called(chain.compute_statistics, image=COLORS, sampling=RANDOM, sample_rate=0.5),
        "num_bins sample_rate seed",
    ),
    "decibel_step": (chain.decibel_step, "kind reference floor"),
    "decode_to_iq": (called(chain.decode_to_iq, data=PARTS), "data band_interpretation amplitude_table"),
    "density_remap": (called(chain.density_remap, block=PARTS), "block data_mean dmin mmult"),
    "pedf_remap": (called(chain.pedf_remap, block=PARTS), "block data_mean dmin mmult"),
    "linear_remap": (called(chain.linear_remap, block=PARTS), "block minimum maximum"),
    "log_remap": (called(chain.log_remap, block=PARTS), "block minimum maximum"),
    "nrl_remap": (called(chain.nrl_remap, block=PARTS), "block minimum changeover maximum knee"),
    "magnitude_remap": (chain.magnitude_remap, "block"),
    "quarter_power_remap": (chain.quarter_power_remap, "block"),
    "dra_step": (chain.dra_step, "min_percentage max_percentage a b resolve dtype out_low out_high fill"),
    "dynamic_range_adjust": (called(chain.dynamic_range_adjust, image=BYTES, luts=[TABLE, TABLE]), "image luts"),
    "gamma_step": (called(chain.gamma_step, gamma=2), "gamma low high"),
    "is_resolved": (chain.is_resolved, "definition"),
    "linear_step": (chain.linear_step, "scale offset dtype fill"),
    "lut_step": (called(chain.lut_step, tables=TABLE), "tables first fill"),
    "mask_fill_step": (chain.mask_fill_step, "value"),
    "merge_statistics": (chain.merge_statistics, "stats"),
    "minmax_step": (chain.minmax_step, "resolve dtype out_low out_high fill"),
    "normalized_difference_step": (chain.normalized_difference_step, "a b"),
    "percentile_step": (chain.percentile_step, "lower upper resolve dtype out_low out_high fill"),
    "power_to_decibels": (chain.power_to_decibels, "power"),
    "predict": (called(chain.predict, definition=STEPS_OF, source=(2, "uint8")), "definition source"),
    "register_step": (registered, "name version apply settings output check"),
    "require_steps": (chain.require_steps, "definition"),
    "resampling_for": (called(chain.resampling_for, definition=STEPS_OF, asset_key="a"), "definition asset_key"),
    "rescale_step": (called(chain.rescale_step, low=0, high=1), "low high dtype out_low out_high fill"),
    "resolve": (called(chain.resolve, definition=STEPS_OF, statistics=STATISTICS), "definition statistics"),
    "statistics_from_gdal_metadata": (chain.statistics_from_gdal_metadata, "md"),
    "statistics_to_gdal_metadata": (chain.statistics_to_gdal_metadata, "stats"),
}


@pytest.mark.parametrize(
    ("call", "name"), [(call, name) for call, (_, names) in CALLS.items() for name in names.split()]
)
def test_a_wrong_argument_is_refused_by_name(call, name):
    for value in WRONG + ODD:
        message = refusal(CALLS[call][0], name, value)
        assert is_named(message, ("data",) if name == "block" else (name,)), f"{value!r}: {message}"


@pytest.mark.parametrize("mask", [np.ones((2, 4, 4), np.uint8), [[[1] * 4] * 4] * 2, np.full((2, 4, 4), 255)])
def test_a_mask_is_of_bool_and_not_of_numbers_whose_bits_would_be_turned(mask):
    with pytest.raises(TypeError, match="mask must be an array of bool"):
        chain.BandedPixels.of(BYTES, mask)
    with pytest.raises(TypeError, match="mask must be an array of bool"):
        chain.compute_statistics(BYTES, mask=mask)


@pytest.mark.parametrize("bands", [[-1], [True], [2], [0.0]])
def test_a_band_is_counted_from_the_first(bands):
    with pytest.raises(ValueError, match="bands must be a whole number from 0 to 1"):
        CHIP.selected(bands)


def test_a_table_of_two_dimensions_is_not_taken_for_a_list():
    with pytest.raises(ValueError, match=r"amplitude_table must be a list of numbers, got \(2, 128\)"):
        chain.complex_remap_step(roles=["amplitude_index", "phase"], amplitude_table=np.zeros((2, 128)))


def test_a_histogram_of_more_bins_than_memory_is_refused():
    with pytest.raises(ValueError, match="a histogram has 0"):
        chain.compute_statistics(COLORS, num_bins=10**12)


ARRAY_CALLS = {
    "chain": (CHAIN, BYTES),
    "table": (lambda image: chain.apply_lut(image, TABLE[::-1]), BYTES),
    "table of 16 bits": (lambda image: chain.apply_lut(image, np.arange(65536)[::-1]), BYTES.astype(np.int16)),
    "adjustment": (lambda image: chain.dynamic_range_adjust(image, [TABLE, TABLE[::-1]]), BYTES),
    "colours": (
        lambda image: chain.color_space_transform(image, "srgb", "cielab"),
        COLORS / 3,
    ),
    "parts": (chain.decode_to_iq, PARTS),
    "power": (chain.complex_to_power, PARTS),
    "decibels": (chain.power_to_decibels, np.abs(PARTS)),
    "density": (chain.density_remap, PARTS),
    "logarithm": (chain.log_remap, PARTS),
    "histogram": (lambda image: chain.compute_statistics(image).bands[1].histogram, BYTES.astype(np.uint16)),
    "moments": (lambda image: [band.stddev for band in chain.compute_statistics(image).bands], PARTS),
    "steps": (
        lambda image: (
            chain.apply_chain(
                (chain.clip_step(low=3), chain.gamma_step(2), chain.percentile_step()), chain.BandedPixels.of(image)
            ).pixels
        ),
        BYTES.astype(np.uint16),
    ),
}


@pytest.mark.parametrize("name", ARRAY_CALLS)
def test_how_pixels_lie_in_memory_makes_no_difference(name):
    call, values = ARRAY_CALLS[name]
    expected = call(values)
    for kind, other in laid_out_otherwise(values).items():
        np.testing.assert_array_equal(call(other), expected, err_msg=kind)
