"""Chips as STAC items: one a row, each naming the item it was cut from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from stacchip_osml.index.tables import SideTables
from stacchip_osml.stac.export import chip_to_item

__all__ = ["chip_items"]
