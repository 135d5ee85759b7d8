"""The chip index: build, query, merge, save."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stacchip_osml.lazy import lazy

if TYPE_CHECKING:
    from stacchip_osml.index.check import Finding as Finding
    from stacchip_osml.index.chip_index import ChipIndex as ChipIndex
    from stacchip_osml.index.headers import AssetHeader as AssetHeader
    from stacchip_osml.index.indexer import Indexer as Indexer
    from stacchip_osml.index.pairs import ChipPairs as ChipPairs
    from stacchip_osml.index.pairs import pair_chips as pair_chips
    from stacchip_osml.index.schema import CHIP_SCHEMA as CHIP_SCHEMA
    from stacchip_osml.index.split import split_by_place as split_by_place
    from stacchip_osml.index.statistics import QualityBand as QualityBand
    from stacchip_osml.index.summary import IndexSummary as IndexSummary
    from stacchip_osml.index.tables import SideTables as SideTables
    from stacchip_osml.index.union import merge as merge

HOME = {
    "AssetHeader": "headers",
    "CHIP_SCHEMA": "schema",
    "ChipIndex": "chip_index",
    "ChipPairs": "pairs",
    "Finding": "check",
    "IndexSummary": "summary",
    "Indexer": "indexer",
    "QualityBand": "statistics",
    "SideTables": "tables",
    "merge": "union",
    "pair_chips": "pairs",
    "split_by_place": "split",
}
"""Public name → the module that has it."""

__all__ = sorted(HOME)  # noqa: PLE0605 - one list to keep

__getattr__ = lazy(__name__, HOME)
