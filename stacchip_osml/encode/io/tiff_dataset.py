"""TIFF datasets: an image with its overviews as levels of one file, and what its tags say.

Rules:

- metadata of a TIFF are tags and say all; of another format, its names are no
  tags, and what the image's own header says is written instead: place, nodata,
  colours, names, scales;
- an image with overviews is a COG, parts in that order too;
- a mask band has no tag: it is copied from wherever it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, BinaryIO

from stacchip_osml.encode.io.contents import Contents, Entry
from stacchip_osml.encode.io.nitf_metadata import FIELD, FOREIGN
from stacchip_osml.encode.io.places import colors_of, header_of, place_of
from stacchip_osml.encode.tiff.geokeys_named import PLACE_NAMES
from stacchip_osml.encode.tiff.tag_names import TAG_NAMES
from stacchip_osml.errors import EncodeError
from stacchip_osml.imagery.display.picture import color_table_of
from stacchip_osml.imagery.pyramids.levels import LevelView

__all__ = ["write_tiff_contents"]

PLACE_TAGS = ("33550", "33922", "34264")
"""Metadata that say a place."""
BUILT_IN_MASK = "mask"


def write_tiff_contents(out: BinaryIO, contents: Contents, *, workers: int, progress: Any) -> None:
    """Write a GeoTIFF: the image, then its overviews from fine to coarse.

    Raises:
        EncodeError: more than one image, or levels that are none of it.
    """
    from stacchip_osml.encode.tiff.image import write_tiff

    base, levels = _levels(contents)
    metadata = {key: value for key, value in base.metadata.items() if not _is_foreign(key)}
    providers = [base.provider, *(level.provider for level in levels)]
    write_tiff(
        out,
        providers if levels else base.provider,
        metadata=metadata,
        workers=workers,
        progress=progress,
        **(_layout(levels, metadata) | _facts(base, levels, metadata) | dict(contents.options)),
    )


def _layout(levels: list[Entry], metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Lay an image with overviews out as COG, unless it is to have strips, which a COG has not."""
    return {"layout": "cog"} if levels and "278" not in metadata and "RowsPerStrip" not in metadata else {}


def _is_foreign(key: str) -> bool:
    """Tell whether a key is another format's: NITF's fields and GDAL's names are capitals, TIFF's tags are not."""
    return key not in TAG_NAMES and (FIELD.fullmatch(key) is not None or key.startswith(FOREIGN))


def _facts(entry: Entry, levels: list[Entry], metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Give what the header of the image's file says, and the metadata do not."""
    header = header_of(entry.provider)
    if header is None:
        return {}
    facts: dict[str, Any] = {}
    if header.mask == BUILT_IN_MASK:
        facts["mask"] = _mask(entry, levels)
    if any(key.isdecimal() for key in metadata):
        return facts
    if not any(name in metadata for name in (*PLACE_NAMES, *PLACE_TAGS)):
        placement = place_of(entry.provider, {})
        if placement is not None:
            facts |= {"transform": placement.transform, "crs": placement.crs, "gcps": placement.gcps}
        elif header.crs is not None:
            facts["crs"] = header.crs
    bands = header.bands
    facts |= {
        "colors": colors_of(entry.provider),
        "color_table": color_table_of(entry.provider),
        "band_names": [band.description for band in bands] if any(band.description for band in bands) else (),
        "scales": [band.scale for band in bands] if any(band.scale != 1 for band in bands) else (),
        "offsets": [band.offset for band in bands] if any(band.offset != 0 for band in bands) else (),
    }
    if any(band.nodata is not None for band in bands):
        facts["nodata"] = [band.nodata for band in bands]
    if header.rpcs:
        facts["rpcs"] = header.rpcs
    return facts


def _mask(entry: Entry, levels: list[Entry]) -> Any:
    """Give the mask band of the image, and of its overviews where they are the levels of a file."""
    from stacchip_osml.encode.tiff.levels import MaskView

    base = MaskView(entry.provider.source, per_band=False)
    stored = [level.provider.source for level in levels]
    if not stored or not all(isinstance(each, LevelView) and hasattr(each.source, "read") for each in stored):
        return base
    return [base, *(LevelView(MaskView(each.source, per_band=False), each.level) for each in stored)]


def _levels(contents: Contents) -> tuple[Entry, list[Entry]]:
    full = [entry for entry in contents.images if entry.overview_of is None]
    if len(full) != 1:
        names = ", ".join(entry.key for entry in full) or "none"
        raise EncodeError(f"{contents.format.name} holds one image and its overviews, got as images: {names}")
    levels = [entry for entry in contents.images if entry.overview_of is not None]
    levels.sort(key=lambda entry: -entry.provider.num_rows * entry.provider.num_columns)
    return full[0], levels
