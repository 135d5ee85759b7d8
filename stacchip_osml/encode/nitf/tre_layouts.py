"""The layouts of published TREs, found by tag.

Their tables stand in ``tre_layouts_airborne``, ``tre_layouts_commercial``, ``tre_layouts_content``,
``tre_layouts_ground``, ``tre_layouts_rsm`` and ``tre_layouts_sensors``, how rows are written in
:mod:`stacchip_osml.encode.nitf.tre_rows`. Rules:

- names are the standard's; fields without a name are ``reserved1`` …;
- a row is read when its tag is first asked for.
"""

from __future__ import annotations

from functools import cache

from stacchip_osml.encode.nitf.fields import Layout
from stacchip_osml.encode.nitf.tre_layouts_airborne import AIRBORNE_ROWS
from stacchip_osml.encode.nitf.tre_layouts_commercial import COMMERCIAL_ROWS
from stacchip_osml.encode.nitf.tre_layouts_content import CONTENT_ROWS
from stacchip_osml.encode.nitf.tre_layouts_ground import GROUND_ROWS
from stacchip_osml.encode.nitf.tre_layouts_rsm import RSM_ROWS
from stacchip_osml.encode.nitf.tre_layouts_sensors import SENSOR_ROWS
from stacchip_osml.encode.nitf.tre_rows import layout_of_rows

__all__ = ["TRE_ROWS", "layouts_of"]

TRE_ROWS: dict[str, tuple[str, ...]] = {
    **AIRBORNE_ROWS,
    **COMMERCIAL_ROWS,
    **CONTENT_ROWS,
    **GROUND_ROWS,
    **RSM_ROWS,
    **SENSOR_ROWS,
}
"""Tag → where it is published, and its fields; further ones of other versions, which other lengths tell."""


def layouts_of(tag: str) -> tuple[Layout, ...]:
    """Give the layouts of a tag, the usual one first; none where nobody knows it."""
    return _layouts_of(tag) if tag in TRE_ROWS else ()


@cache
def _layouts_of(tag: str) -> tuple[Layout, ...]:
    source, *texts = TRE_ROWS[tag]
    return tuple(layout_of_rows(text, f"{source}, {tag}") for text in texts)
