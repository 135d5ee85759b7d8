"""What an open dataset says of how it is to be shown; imports no GDAL, the dataset is handed in."""

from __future__ import annotations

from typing import Any

from stacchip_osml.imagery.header import PictureTags

__all__ = ["read_picture_tags"]


def read_picture_tags(dataset: Any) -> PictureTags:
    """Read what an R0 dataset says of how it is to be shown."""
    bands = range(1, dataset.count + 1)
    return PictureTags(
        bands=tuple(dict(dataset.tags(band)) for band in bands),
        structure=_structure(dataset),
        color_tables=tuple(_color_table(dataset, band) for band in bands),
        wavelengths=tuple(_wavelength(dataset, band) for band in bands),
    )


def _structure(dataset: Any) -> dict[str, str]:
    """Read ``IMAGE_STRUCTURE``; of JPEG 2000 without what GDAL would look through all boxes for (see ``facts_of``)."""
    if not dataset.driver.startswith("JP2"):
        return dict(dataset.tags(ns="IMAGE_STRUCTURE"))
    found = dataset.get_tag_item("INTERLEAVE", "IMAGE_STRUCTURE")
    return {} if found is None else {"INTERLEAVE": found}


def _color_table(dataset: Any, band: int) -> tuple[tuple[int, int, int, int], ...] | None:
    try:
        table = dataset.colormap(band)
    except ValueError:  # rasterio's way to say that there is none
        return None
    return tuple(table[value] for value in range(len(table)))


def _wavelength(dataset: Any, band: int) -> float | None:
    text = dataset.tags(band, ns="IMAGERY").get("CENTRAL_WAVELENGTH_UM", "")
    try:
        return float(text)
    except ValueError:
        return None
