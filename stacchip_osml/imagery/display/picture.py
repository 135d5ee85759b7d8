"""What an image says of how it is to be shown: colours, palette, wavelengths, complex or not.

The facts come from our own images' headers and tags, and from the metadata of
any other provider, by the names that NITF, TIFF, GDAL and STAC give them. What
is not said is None; nothing is guessed here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from stacchip_osml.chain.gdal_items import ITEM_KEYS, band_items
from stacchip_osml.errors import ChainError
from stacchip_osml.imagery.adapters.mapped import MappedImageProvider
from stacchip_osml.imagery.display.palettes import has_color_table, stored_image
from stacchip_osml.imagery.providers.facts import dtype_of, fact
from stacchip_osml.imagery.statistics import bits_in_use
from stacchip_osml.pixel.arguments import each_of

__all__ = ["ColorTable", "Picture", "color_table_of", "picture_of", "rgb_bands"]

Words = tuple[str | None, ...]
ColorTable = tuple[tuple[int, ...], ...]

WHITE_IS_ZERO, RGB, PALETTE = 0, 2, 3
"""TIFF's PhotometricInterpretation (262)."""

REPRESENTATIONS = {
    "R": "red",
    "G": "green",
    "B": "blue",
    "M": "gray",
    "LU": "palette",
    "Y": "y",
    "CB": "cb",
    "CR": "cr",
}
"""A NITF's IREPBAND → the colour."""
COLOR_WORDS = ("red", "green", "blue")
RANGES_NM = {"red": (600.0, 720.0, 660.0), "green": (490.0, 600.0, 545.0), "blue": (430.0, 530.0, 480.0)}
"""From, to and middle of what STAC's common names mean, in nm."""
MICROMETRES = {"u": 1000.0, "um": 1000.0, "µm": 1000.0, "micrometers": 1000.0, "micrometres": 1000.0, "microns": 1000.0}
NANOMETRES = {"nm": 1.0, "nanometers": 1.0, "nanometres": 1.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """What an image says of how it is to be shown."""

    dtype: np.dtype[Any]
    count: int
    """Bands."""
    bits: int
    """Bits of an integer pixel that carry information."""
    colors: Words
    """Colour of each band: ``red``, ``gray``, ``alpha``, ``palette``, ``y``, ``cb``, ``cr`` …"""
    representations: Words
    """The same as a NITF's IREPBAND says it, where it does."""
    photometric: int | None
    """TIFF's PhotometricInterpretation."""
    wavelengths: tuple[float | None, ...]
    """Centre of each band in nm."""
    common_names: Words
    """STAC's: ``red``, ``nir`` …"""
    subcategories: Words
    """A NITF's ISUBCAT."""
    color_table: ColorTable | None
    """Red, green and blue, 0 to 255, of each value from 0 on."""
    brightness_table: tuple[int, ...] | None
    """0 to 65,535 of each value from 0 on, in place of colours."""
    palette_band: int | None
    """The band whose values the colour table explains, or for which there is none."""
    is_inverted: bool
    """0 is white."""
    is_complex: bool


def picture_of(provider: Any, *, common_names: Sequence[str | None] | None = None) -> Picture:
    """Gather what a provider says of how it is to be shown.

    Adapters that show their source's bands, smaller or cut in other tiles, have their source's facts. A mapped
    provider's bands are what its function makes: nothing is known of them but their type.

    Args:
        provider: any object of the image provider protocol.
        common_names: of the bands, where a STAC item tells them.
    """
    base = stored_image(provider)
    dtype, count = dtype_of(provider), int(provider.num_bands)
    told = isinstance(base, MappedImageProvider)
    tags: Mapping[Any, Any] = {} if told else fact(base, "metadata")
    own = None if told else getattr(base, "picture_tags", None)
    header = None if told else getattr(base, "header", None)
    bands = _band_records(tags, own, count)
    representations = _words(tags, bands, "IREPBAND", count)
    photometric = _photometric(tags)
    colors = _colors(tags, header, representations, count)
    structure = {} if own is None else own.structure
    palette_band = colors.index("palette") if "palette" in colors else 0 if photometric == PALETTE else None
    is_inverted = structure.get("MINISWHITE") == "YES" or photometric == WHITE_IS_ZERO
    subcategories = _words(tags, bands, "ISUBCAT", count)
    bits = bits_in_use(base) if dtype.kind in "iu" and not told else None
    return Picture(
        dtype=dtype,
        count=count,
        bits=8 * dtype.itemsize if bits is None else bits,
        colors=colors,
        representations=representations,
        photometric=photometric,
        wavelengths=_wavelengths(tags, bands, own, count),
        common_names=_common_names(tags, header, common_names, count),
        subcategories=subcategories,
        color_table=None if palette_band is None else _color_table(tags, own, palette_band),
        brightness_table=None if palette_band is None else _brightness_table(own, palette_band),
        palette_band=None if is_inverted else palette_band,
        is_inverted=is_inverted,
        is_complex=dtype.kind == "c" or _says_complex(tags, subcategories),
    )


def color_table_of(provider: Any) -> ColorTable | None:
    """Give red, green and blue, 0 to 255, of each value of an image of one band that a colour table explains.

    None also where values have no such table: of other types than uint8 and uint16, or one of another length.
    """
    dtype = dtype_of(provider)
    if int(provider.num_bands) != 1 or dtype not in (np.uint8, np.uint16) or not has_color_table(provider):
        return None
    table = picture_of(provider).color_table
    return table if table and len(table) <= 1 << 8 * dtype.itemsize else None


def rgb_bands(picture: Picture) -> tuple[tuple[int, int, int], str] | None:
    """Find the bands that are red, green and blue, and say by what; None where nothing tells.

    In this order: IREPBAND, PhotometricInterpretation, colour interpretation, wavelengths (BANDSB), STAC's common
    names, ISUBCAT.
    """
    for words, by in ((picture.representations, "IREPBAND"), (None, ""), (picture.colors, "colour interpretation")):
        if words is None:
            if picture.photometric == RGB and picture.count >= 3:
                return (0, 1, 2), "PhotometricInterpretation"
            continue
        found = _by_words(words)
        if found is not None:
            return found, by
    found = _by_wavelength(picture.wavelengths)
    if found is not None:
        return found, "wavelengths"
    for words, by in ((picture.common_names, "common names"), (picture.subcategories, "ISUBCAT")):
        found = _by_words(words)
        if found is not None:
            return found, by
    return None


def _by_words(words: Words) -> tuple[int, int, int] | None:
    lower = [REPRESENTATIONS.get(word.upper(), word.lower()) if word else None for word in words]
    if not all(color in lower for color in COLOR_WORDS):
        return None
    red, green, blue = (lower.index(color) for color in COLOR_WORDS)
    return red, green, blue


def _by_wavelength(wavelengths: Sequence[float | None]) -> tuple[int, int, int] | None:
    chosen = []
    for low, high, middle in RANGES_NM.values():
        near = [(abs(at - middle), band) for band, at in enumerate(wavelengths) if at is not None and low <= at <= high]
        if not near:
            return None
        chosen.append(min(near)[1])
    red, green, blue = chosen
    return (red, green, blue) if len({red, green, blue}) == 3 else None


# ---- what is said, and where


def _band_records(tags: Mapping[Any, Any], own: Any, count: int) -> list[dict[str, Any]]:
    """Give what is said of each band, whoever says it: GDAL's items of it, and a NITF's band fields."""
    records: list[dict[str, Any]] = [{} for _ in range(count)]
    if own is not None:
        for record, items in zip(records, own.bands, strict=False):
            record.update(items)
    for key in ITEM_KEYS:
        if isinstance(tags.get(key), str | bytes):
            try:
                found = band_items(tags[key])
            except ChainError:
                continue  # damaged metadata says nothing
            for band, items in found.items():
                if band < count:
                    records[band].update(items)
    for key in ("BAND_INFO", "bands", "eo:bands"):
        listed = tags.get(key)
        if isinstance(listed, list | tuple) and len(listed) == count:
            for record, fields in zip(records, listed, strict=True):
                if isinstance(fields, Mapping):
                    record.update(fields)
    return records


def _words(tags: Mapping[Any, Any], bands: list[dict[str, Any]], name: str, count: int) -> Words:
    """Give a NITF's field of each band: from a list of all, from the bands' own, or numbered as in a subheader."""
    said = tags.get(name)
    if isinstance(said, str):
        said = said.split(",")
    if not isinstance(said, list | tuple) or len(said) != count:
        numbered = [tags.get(f"{name}{number}") for number in range(1, count + 1)]
        said = [band.get(name, band.get(f"NITF_{name}", own)) for band, own in zip(bands, numbered, strict=True)]
    return tuple((str(word).strip() or None) if word is not None else None for word in said)


def _photometric(tags: Mapping[Any, Any]) -> int | None:
    for key in ("262", 262, "PhotometricInterpretation"):
        try:
            return int(str(tags[key]).strip())
        except (KeyError, ValueError):
            continue
    return None


def _colors(tags: Mapping[Any, Any], header: Any, representations: Words, count: int) -> Words:
    if header is not None:
        return tuple(band.color if band.color != "undefined" else None for band in header.bands)
    said: list[str | None] = [None] * count
    for band, items in enumerate(_band_records(tags, None, count)):
        word = next((str(value) for key, value in items.items() if key.lower() == "colorinterp"), "")
        said[band] = word.strip().lower() or None
    named = [REPRESENTATIONS.get(word.upper()) if word else None for word in representations]
    return tuple(a or b for a, b in zip(said, named, strict=True))


def _wavelengths(
    tags: Mapping[Any, Any], bands: list[dict[str, Any]], own: Any, count: int
) -> tuple[float | None, ...]:
    """Give the centre of each band in nm; a TRE or tag whose unit is not known says nothing."""
    listed = tags.get("BANDSB_CENTER_WAVELENGTHS")
    record = tags.get("BANDSB")
    if isinstance(record, Mapping):
        listed = record.get("center_wavelengths", listed)
    if isinstance(listed, list | tuple) and len(listed) == count:
        return tuple(_positive(value) for value in listed)
    unit = {**MICROMETRES, **NANOMETRES}.get(str(tags.get("NITF_BANDSB_WAVE_LENGTH_UNIT", "")).strip().lower())
    found: list[float | None] = []
    for band, items in enumerate(bands):
        at = _positive(tags.get(f"NITF_BANDSB_BAND_{band + 1:05d}_CWAVE"), unit)
        if at is None and own is not None and band < len(own.wavelengths):
            at = _positive(own.wavelengths[band], 1000.0)
        if at is None:
            at = _positive(items.get("eo:center_wavelength", items.get("center_wavelength")), 1000.0)
        if at is None:
            said = str(items.get("wavelength_units", "")).strip().lower()
            at = _positive(items.get("wavelength"), {**MICROMETRES, **NANOMETRES}.get(said))
        found.append(at)
    return tuple(found)


def _positive(value: Any, unit: float | None = 1.0) -> float | None:
    try:
        number = float(value) * float("nan" if unit is None else unit)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) and number > 0 else None


def _common_names(tags: Mapping[Any, Any], header: Any, given: Sequence[str | None] | None, count: int) -> Words:
    if given is not None:
        told = each_of("common_names", given, (str, type(None)), "a name or None for each band")
        if len(told) != count:
            raise ChainError(f"{len(told)} common names for an image of {count} bands")
        return told
    fields = _band_records({key: tags[key] for key in ("bands", "eo:bands") if key in tags}, None, count)
    names = [band.get("eo:common_name", band.get("common_name", band.get("name"))) for band in fields]
    if header is not None:
        names = [name or band.description for name, band in zip(names, header.bands, strict=False)]
    return tuple(str(name) if name else None for name in names)


def _color_table(tags: Mapping[Any, Any], own: Any, band: int) -> ColorTable | None:
    if own is not None:
        table = own.color_tables[band] or next((table for table in own.color_tables if table), None)
        return None if table is None else tuple(entry[:3] for entry in table)
    for key in ("320", 320, "ColorMap"):
        values = tags.get(key)
        if isinstance(values, list | tuple | np.ndarray) and len(values) and len(values) % 3 == 0:
            # TIFF 6.0: all reds, then all greens, then all blues, 65,535 the brightest
            table = np.asarray(values, np.int64).reshape(3, -1)
            if table.min() < 0 or table.max() > 65_535:
                return None
            return tuple(map(tuple, np.rint(table.T / 257).astype(int).tolist()))
    return None


def _brightness_table(own: Any, band: int) -> tuple[int, ...] | None:
    tables: Sequence[tuple[int, ...] | None] = getattr(own, "brightness_tables", ())
    return tables[band] if band < len(tables) else None


def _says_complex(tags: Mapping[Any, Any], subcategories: Words) -> bool:
    """Tell by a NITF's fields whether bands are parts of complex numbers; a SAR product alone does not say so."""
    category, representation = (str(tags.get(name, tags.get(f"NITF_{name}", ""))).strip() for name in ("ICAT", "IREP"))
    parts = set(subcategories)
    return (
        category == "SARIQ"
        or {"I", "Q"} <= parts
        or ({"M", "P"} <= parts and category in {"SAR", "ISAR"})
        or (representation == "POLAR" and category == "SAR")
    )
