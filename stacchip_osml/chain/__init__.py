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
    from stacchip_osml.chain.definition import RAW as RAW
    from stacchip_osml.chain.definition import ChainDefinition as ChainDefinition
    from stacchip_osml.chain.definition import ChainRegistry as ChainRegistry
    from stacchip_osml.chain.definition import canonical_json as canonical_json
    from stacchip_osml.chain.definition import chain_id as chain_id
    from stacchip_osml.chain.kinds import REQUIRED as REQUIRED
    from stacchip_osml.chain.kinds import BandedPixels as BandedPixels
    from stacchip_osml.chain.kinds import Spec as Spec
    from stacchip_osml.chain.kinds import StepKind as StepKind
    from stacchip_osml.chain.limits import dra_step as dra_step
    from stacchip_osml.chain.limits import minmax_step as minmax_step
    from stacchip_osml.chain.limits import percentile_step as percentile_step
    from stacchip_osml.chain.lut import apply_lut as apply_lut
    from stacchip_osml.chain.radiometry import clip_step as clip_step
    from stacchip_osml.chain.radiometry import gamma_step as gamma_step
    from stacchip_osml.chain.radiometry import linear_step as linear_step
    from stacchip_osml.chain.radiometry import rescale_step as rescale_step
    from stacchip_osml.chain.radiometry import scale_offset_step as scale_offset_step
    from stacchip_osml.chain.steps import align_step as align_step
    from stacchip_osml.chain.steps import apply_chain as apply_chain
    from stacchip_osml.chain.steps import complete_chain as complete_chain
    from stacchip_osml.chain.steps import is_resolved as is_resolved
    from stacchip_osml.chain.steps import predict as predict
    from stacchip_osml.chain.steps import register_step as register_step
    from stacchip_osml.chain.steps import require_steps as require_steps
    from stacchip_osml.chain.steps import resampling_for as resampling_for
    from stacchip_osml.chain.steps import resolve as resolve
    from stacchip_osml.chain.tables import lut_step as lut_step

HOME = {
    "BandedPixels": "kinds",
    "ChainDefinition": "definition",
    "ChainRegistry": "definition",
    "RAW": "definition",
    "REQUIRED": "kinds",
    "Spec": "kinds",
    "StepKind": "kinds",
    "align_step": "steps",
    "apply_chain": "steps",
    "apply_lut": "lut",
    "band_select_step": "arithmetic",
    "canonical_json": "definition",
    "chain_id": "definition",
    "clip_step": "radiometry",
    "complete_chain": "steps",
    "decibel_step": "arithmetic",
    "dra_step": "limits",
    "gamma_step": "radiometry",
    "is_resolved": "steps",
    "linear_step": "radiometry",
    "lut_step": "tables",
    "mask_fill_step": "arithmetic",
    "minmax_step": "limits",
    "normalized_difference_step": "arithmetic",
    "percentile_step": "limits",
    "predict": "steps",
    "register_step": "steps",
    "require_steps": "steps",
    "resampling_for": "steps",
    "rescale_step": "radiometry",
    "resolve": "steps",
    "scale_offset_step": "radiometry",
}
"""Public name → the module that has it."""

__all__ = sorted(HOME)  # noqa: PLE0605 - one list to keep

__getattr__ = lazy(__name__, HOME)
