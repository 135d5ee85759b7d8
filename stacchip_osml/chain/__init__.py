"""Processing chains: declarative steps, their ids and the registry; what pixels become, and nothing of where they are.

Names are loaded when first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stacchip_osml.lazy import lazy

if TYPE_CHECKING:
    from stacchip_osml.chain.definition import RAW as RAW
    from stacchip_osml.chain.definition import ChainDefinition as ChainDefinition
    from stacchip_osml.chain.definition import ChainRegistry as ChainRegistry
    from stacchip_osml.chain.definition import canonical_json as canonical_json
    from stacchip_osml.chain.definition import chain_id as chain_id
    from stacchip_osml.chain.lut import apply_lut as apply_lut
    from stacchip_osml.chain.steps import BandedPixels as BandedPixels
    from stacchip_osml.chain.steps import align_step as align_step
    from stacchip_osml.chain.steps import apply_chain as apply_chain
    from stacchip_osml.chain.steps import require_steps as require_steps
    from stacchip_osml.chain.steps import resampling_for as resampling_for
    from stacchip_osml.chain.steps import scale_offset_step as scale_offset_step

HOME = {
    "RAW": "definition",
    "BandedPixels": "steps",
    "ChainDefinition": "definition",
    "ChainRegistry": "definition",
    "align_step": "steps",
    "apply_chain": "steps",
    "apply_lut": "lut",
    "canonical_json": "definition",
    "chain_id": "definition",
    "require_steps": "steps",
    "resampling_for": "steps",
    "scale_offset_step": "steps",
}
"""Public name → the module that has it."""

__all__ = sorted(HOME)  # noqa: PLE0605 - one list to keep

__getattr__ = lazy(__name__, HOME)
