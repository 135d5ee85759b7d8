"""Processing chains: declarative steps, their ids and the registry; what pixels become, and nothing of where they are.

Names are loaded when first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stacchip_osml.lazy import lazy

if TYPE_CHECKING:
    from stacchip_osml.chain.arithmetic import band_select_step as band_select_step
    from stacchip_osml.chain.arithmetic import decibel_step as decibel_step
    from stacchip_osml.chain.arithmetic import mask_fill_step as mask_fill_step
    from stacchip_osml.chain.arithmetic import normalized_difference_step as normalized_difference_step
    from stacchip_osml.chain.color_space import COLOR_SPACES as COLOR_SPACES
    from stacchip_osml.chain.color_space import color_space_step as color_space_step
    from stacchip_osml.chain.color_space import color_space_transform as color_space_transform
    from stacchip_osml.chain.complex import ROLE_AMPLITUDE_INDEX as ROLE_AMPLITUDE_INDEX
    from stacchip_osml.chain.complex import ROLE_IMAGINARY as ROLE_IMAGINARY
    from stacchip_osml.chain.complex import ROLE_MAGNITUDE as ROLE_MAGNITUDE
    from stacchip_osml.chain.complex import ROLE_PHASE as ROLE_PHASE
    from stacchip_osml.chain.complex import ROLE_REAL as ROLE_REAL
    from stacchip_osml.chain.complex import complex_to_power as complex_to_power
    from stacchip_osml.chain.complex import decode_to_iq as decode_to_iq
    from stacchip_osml.chain.complex import power_to_decibels as power_to_decibels
    from stacchip_osml.chain.complex_remaps import REMAPS as REMAPS
    from stacchip_osml.chain.complex_remaps import WHOLE_IMAGE as WHOLE_IMAGE
    from stacchip_osml.chain.complex_remaps import density_remap as density_remap
    from stacchip_osml.chain.complex_remaps import linear_remap as linear_remap
    from stacchip_osml.chain.complex_remaps import log_remap as log_remap
    from stacchip_osml.chain.complex_remaps import magnitude_remap as magnitude_remap
    from stacchip_osml.chain.complex_remaps import nrl_remap as nrl_remap
    from stacchip_osml.chain.complex_remaps import pedf_remap as pedf_remap
    from stacchip_osml.chain.complex_remaps import quarter_power_remap as quarter_power_remap
    from stacchip_osml.chain.complex_step import complex_remap_step as complex_remap_step
    from stacchip_osml.chain.definition import RAW as RAW
    from stacchip_osml.chain.definition import ChainDefinition as ChainDefinition
    from stacchip_osml.chain.definition import ChainRegistry as ChainRegistry
    from stacchip_osml.chain.definition import canonical_json as canonical_json
    from stacchip_osml.chain.definition import chain_id as chain_id
    from stacchip_osml.chain.dra import DRAParameters as DRAParameters
    from stacchip_osml.chain.dra import dynamic_range_adjust as dynamic_range_adjust
    from stacchip_osml.chain.gdal_statistics import statistics_from_gdal_metadata as statistics_from_gdal_metadata
    from stacchip_osml.chain.gdal_statistics import statistics_to_gdal_metadata as statistics_to_gdal_metadata
    from stacchip_osml.chain.kinds import REQUIRED as REQUIRED
    from stacchip_osml.chain.kinds import BandedPixels as BandedPixels
    from stacchip_osml.chain.kinds import Spec as Spec
    from stacchip_osml.chain.kinds import StepKind as StepKind
    from stacchip_osml.chain.limits import dra_step as dra_step
    from stacchip_osml.chain.limits import minmax_step as minmax_step
    from stacchip_osml.chain.limits import percentile_step as percentile_step
    from stacchip_osml.chain.lut import apply_lut as apply_lut
    from stacchip_osml.chain.processing import ChainStep as ChainStep
    from stacchip_osml.chain.processing import ProcessingChain as ProcessingChain
    from stacchip_osml.chain.processing import band_select as band_select
    from stacchip_osml.chain.processing import compose as compose
    from stacchip_osml.chain.radiometry import linear_step as linear_step
    from stacchip_osml.chain.radiometry import rescale_step as rescale_step
    from stacchip_osml.chain.radiometry import scale_offset_step as scale_offset_step
    from stacchip_osml.chain.statistics import BandStatistics as BandStatistics
    from stacchip_osml.chain.statistics import ImageStatistics as ImageStatistics
    from stacchip_osml.chain.statistics import SamplingStrategy as SamplingStrategy
    from stacchip_osml.chain.statistics import compute_statistics as compute_statistics
    from stacchip_osml.chain.statistics import merge_statistics as merge_statistics
    from stacchip_osml.chain.steps import align_step as align_step
    from stacchip_osml.chain.steps import apply_chain as apply_chain
    from stacchip_osml.chain.steps import complete_chain as complete_chain
    from stacchip_osml.chain.steps import is_resolved as is_resolved
    from stacchip_osml.chain.steps import iter_kinds as iter_kinds
    from stacchip_osml.chain.steps import predict as predict
    from stacchip_osml.chain.steps import register_step as register_step
    from stacchip_osml.chain.steps import require_steps as require_steps
    from stacchip_osml.chain.steps import resampling_for as resampling_for
    from stacchip_osml.chain.steps import resolve as resolve
    from stacchip_osml.chain.tables import lut_step as lut_step
    from stacchip_osml.chain.tone import clip_step as clip_step
    from stacchip_osml.chain.tone import gamma_step as gamma_step

HOME = {
    "BandStatistics": "statistics",
    "BandedPixels": "kinds",
    "COLOR_SPACES": "color_space",
    "ChainDefinition": "definition",
    "ChainRegistry": "definition",
    "ChainStep": "processing",
    "DRAParameters": "dra",
    "ImageStatistics": "statistics",
    "ProcessingChain": "processing",
    "RAW": "definition",
    "REMAPS": "complex_remaps",
    "REQUIRED": "kinds",
    "ROLE_AMPLITUDE_INDEX": "complex",
    "ROLE_IMAGINARY": "complex",
    "ROLE_MAGNITUDE": "complex",
    "ROLE_PHASE": "complex",
    "ROLE_REAL": "complex",
    "SamplingStrategy": "statistics",
    "Spec": "kinds",
    "StepKind": "kinds",
    "WHOLE_IMAGE": "complex_remaps",
    "align_step": "steps",
    "apply_chain": "steps",
    "apply_lut": "lut",
    "band_select": "processing",
    "band_select_step": "arithmetic",
    "canonical_json": "definition",
    "chain_id": "definition",
    "clip_step": "tone",
    "color_space_step": "color_space",
    "color_space_transform": "color_space",
    "complete_chain": "steps",
    "complex_remap_step": "complex_step",
    "complex_to_power": "complex",
    "compose": "processing",
    "compute_statistics": "statistics",
    "decibel_step": "arithmetic",
    "decode_to_iq": "complex",
    "density_remap": "complex_remaps",
    "dra_step": "limits",
    "dynamic_range_adjust": "dra",
    "gamma_step": "tone",
    "is_resolved": "steps",
    "iter_kinds": "steps",
    "linear_remap": "complex_remaps",
    "linear_step": "radiometry",
    "log_remap": "complex_remaps",
    "lut_step": "tables",
    "magnitude_remap": "complex_remaps",
    "mask_fill_step": "arithmetic",
    "merge_statistics": "statistics",
    "minmax_step": "limits",
    "normalized_difference_step": "arithmetic",
    "nrl_remap": "complex_remaps",
    "pedf_remap": "complex_remaps",
    "percentile_step": "limits",
    "power_to_decibels": "complex",
    "predict": "steps",
    "quarter_power_remap": "complex_remaps",
    "register_step": "steps",
    "require_steps": "steps",
    "resampling_for": "steps",
    "rescale_step": "radiometry",
    "resolve": "steps",
    "scale_offset_step": "radiometry",
    "statistics_from_gdal_metadata": "gdal_statistics",
    "statistics_to_gdal_metadata": "gdal_statistics",
}
"""Public name → the module that has it."""

__all__ = sorted(HOME)  # noqa: PLE0605 - one list to keep

__getattr__ = lazy(__name__, HOME)
