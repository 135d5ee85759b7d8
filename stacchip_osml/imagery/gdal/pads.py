"""The facts of an image file, with the pad pixel of a NITF image, of which GDAL tells codes of 8 bits only."""

from __future__ import annotations

from stacchip_osml.imagery.gdal.access import FileAccess
from stacchip_osml.imagery.gdal.facts import Facts, facts_of, with_pad
from stacchip_osml.imagery.limits import ReadLimits

__all__ = ["read_facts"]


def read_facts(access: FileAccess, limits: ReadLimits) -> Facts:
    """Read what reading needs to know of an image; the pad pixel of a mask table is nodata where GDAL has none.

    Raises:
        ReadError: the file cannot be read, is not the one expected, or holds no image that is served.
        LimitError: the image is larger than ``limits``.
    """
    facts = access.on(None, lambda dataset: facts_of(dataset, access.name, limits), facts=True)
    if not facts.has_mask_table or all(value is not None for value in facts.base.nodata):
        return facts
    from stacchip_osml.imagery.blocks.nitf_pads import first_pad_pixel

    file = access.bytes_of()
    pad = first_pad_pixel(file.read_at, name=access.name, limits=limits, size=file.size)
    return facts if pad is None else with_pad(facts, pad)
