"""GDAL's own tags: names, scales, offsets and colours of bands (42112), and nodata (42113).

Reference: GDAL's GTiff driver documentation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape, quoteattr

from stacchip_osml.encode.tiff.file import Tags
from stacchip_osml.errors import EncodeError

__all__ = ["GDAL_METADATA", "GDAL_NODATA", "metadata_tags", "nodata_text"]

GDAL_METADATA, GDAL_NODATA = 42112, 42113
GDAL_COLOR_NAMES = {"Y": "YCbCr_Y", "Cb": "YCbCr_Cb", "Cr": "YCbCr_Cr", "other_ir": "OtherIR"}
"""Colour names that GDAL's metadata spells otherwise; the rest differ in case only, which GDAL ignores."""


def metadata_tags(
    bands: int,
    *,
    colors: Mapping[int, str],
    names: Sequence[str | None] = (),
    scales: Sequence[float] = (),
    offsets: Sequence[float] = (),
    nodata: Sequence[float | complex | None] = (),
    items: Mapping[str, str] | None = None,
) -> Tags:
    """Say what TIFF has no tags for.

    Args:
        bands: how many there are.
        colors: 0-based band → its colour interpretation, where TIFF's own tags do not say it.
        names: of all bands, or none.
        scales: of all bands, or none; 1 is not said.
        offsets: of all bands, or none; 0 is not said.
        nodata: each band's own value where there is no common one.
        items: of the whole image, without a domain.

    Returns:
        Tag 42112, or nothing where there is nothing to say.

    Raises:
        EncodeError: a control character in a text.
    """
    parts = [_item(name, None, "", value) for name, value in (items or {}).items()]
    for band in range(bands):
        if band in colors:
            color = colors[band]
            parts.append(_item("COLORINTERP", band, "colorinterp", GDAL_COLOR_NAMES.get(color, color.capitalize())))
        if names and (name := names[band]):
            parts.append(_item("DESCRIPTION", band, "description", name))
        if scales and scales[band] != 1:
            parts.append(_item("SCALE", band, "scale", repr(float(scales[band]))))
        if offsets and offsets[band] != 0:
            parts.append(_item("OFFSET", band, "offset", repr(float(offsets[band]))))
        if nodata and (value := nodata[band]) is not None:
            parts.append(_item("NODATA", band, "", nodata_text(value)))
    return {GDAL_METADATA: ("s", f"<GDALMetadata>{''.join(parts)}</GDALMetadata>")} if parts else {}


def nodata_text(value: float | complex) -> str:
    """Write a nodata value so that it reads back exactly; whole numbers as integers."""
    if isinstance(value, complex) and value.imag:
        return repr(value)
    real = value.real
    return str(int(real)) if float(real).is_integer() and abs(real) < 2**64 else repr(float(real))


def _item(name: str, band: int | None, role: str, value: str) -> str:
    """Write one metadata item; GDAL resolves entities twice on reading, so they are written twice."""
    if any(ord(letter) < 32 and letter not in "\n\t" for letter in name + value) or (role and "\n" in value):
        raise EncodeError(f"GDAL_METADATA (42112) cannot hold control characters, as in a name, got {value!r}")
    place = "" if band is None else f' sample="{band}"'
    as_role = f' role="{role}"' if role else ""
    return f"<Item name={quoteattr(name)}{place}{as_role}>{escape(escape(value))}</Item>"
