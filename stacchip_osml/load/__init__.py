"""Rows to pixels, and pixels to training loops."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stacchip_osml.lazy import lazy

if TYPE_CHECKING:
    from stacchip_osml.load.batch import ChipBatch as ChipBatch
    from stacchip_osml.load.chipper import ChipFile as ChipFile
    from stacchip_osml.load.chipper import Chipper as Chipper
    from stacchip_osml.load.decoded_store import DecodedStore as DecodedStore
    from stacchip_osml.load.each import Done as Done
    from stacchip_osml.load.order import block_decodes as block_decodes
    from stacchip_osml.load.order import epoch_order as epoch_order
    from stacchip_osml.load.order import mixing as mixing
    from stacchip_osml.load.row_groups import SampleRows as SampleRows
    from stacchip_osml.load.row_groups import block_groups as block_groups
    from stacchip_osml.load.row_groups import group_rows as group_rows
    from stacchip_osml.load.samples import SampleBatch as SampleBatch
    from stacchip_osml.load.schedule import EpochSchedule as EpochSchedule
    from stacchip_osml.load.source import ChipSource as ChipSource
    from stacchip_osml.load.torch_data import ChipDataset as ChipDataset
    from stacchip_osml.load.torch_data import ChipIterableDataset as ChipIterableDataset
    from stacchip_osml.load.torch_data import ChipLoader as ChipLoader
    from stacchip_osml.load.torch_data import collate as collate

HOME = {
    "ChipBatch": "batch",
    "ChipDataset": "torch_data",
    "ChipFile": "chipper",
    "ChipIterableDataset": "torch_data",
    "ChipLoader": "torch_data",
    "ChipSource": "source",
    "Chipper": "chipper",
    "DecodedStore": "decoded_store",
    "Done": "each",
    "EpochSchedule": "schedule",
    "SampleBatch": "samples",
    "SampleRows": "row_groups",
    "block_decodes": "order",
    "block_groups": "row_groups",
    "collate": "torch_data",
    "epoch_order": "order",
    "group_rows": "row_groups",
    "mixing": "order",
}
"""Public name → the module that has it."""

__all__ = sorted(HOME)  # noqa: PLE0605 - one list to keep

__getattr__ = lazy(__name__, HOME)
