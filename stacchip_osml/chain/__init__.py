"""Processing chains: declarative steps, their ids and the registry."""

from stacchip_osml.chain.definition import RAW, ChainDefinition, ChainRegistry, canonical_json, chain_id
from stacchip_osml.chain.lut import apply_lut
from stacchip_osml.chain.steps import (
    BandedPixels,
    align_step,
    apply_chain,
    require_steps,
    resampling_for,
    scale_offset_step,
)

__all__ = [
    "RAW",
    "BandedPixels",
    "ChainDefinition",
    "ChainRegistry",
    "align_step",
    "apply_chain",
    "apply_lut",
    "canonical_json",
    "chain_id",
    "require_steps",
    "resampling_for",
    "scale_offset_step",
]
