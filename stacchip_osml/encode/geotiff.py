"""GeoTIFF files of chips: what a GDAL reader sees is what the chip says.

Rules:

- Validity is whatever GDAL would derive from the file. If nodata or alpha already
  say the chip's mask, that is all; otherwise an internal mask directory is written
  (one sample, or one a band where the bands' masks differ), which GDAL prefers.
- GDAL_NODATA holds one value for all bands. Where bands differ it is left out, the
  mask directory carries validity, and each value is kept as a ``NODATA`` band item.
- Names, scales, offsets and colour interpretations go to GDAL_METADATA as GDAL writes them.

References: TIFF 6.0; GDAL's GTiff driver documentation (tags 42112 and 42113, internal masks).
"""

from __future__ import annotations

import cmath
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.encode.chip import Chip
from stacchip_osml.encode.chip_place import chip_place
from stacchip_osml.encode.codecs import COMPRESSORS
from stacchip_osml.encode.geokeys import TIEPOINT, geo_tags
from stacchip_osml.encode.tiff import PLANAR, Page, Tags, tiff_bytes, tiled_page
from stacchip_osml.errors import EncodeError

__all__ = ["encode_geotiff"]

PHOTOMETRIC, EXTRA_SAMPLES, SUBFILE_TYPE = 262, 338, 254
GDAL_METADATA, GDAL_NODATA = 42112, 42113
MIN_IS_BLACK, RGB, TRANSPARENCY_MASK = 1, 2, 4
MASK_SUBFILE = 4
UNASSOCIATED_ALPHA = 2

DTYPES = (
    *("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64"),
    *("float16", "float32", "float64", "complex64", "complex128"),
)
GDAL_COLOR_NAMES = {"Y": "YCbCr_Y", "Cb": "YCbCr_Cb", "Cr": "YCbCr_Cr", "other_ir": "OtherIR"}
"""Colour names that GDAL's metadata spells otherwise; the rest differ in case only, which GDAL ignores."""


def encode_geotiff(
    chip: Chip,
    *,
    compression: str = "deflate",
    level: int = 1,
    predictor: bool = True,
    interleave: str | None = None,
    tile: int = 256,
) -> bytes:
    """Write a chip as a tiled GeoTIFF with its place, validity, names and scales.

    Args:
        chip: any real or complex dtype that TIFF has; float16 reads back as float32 in GDAL.
        compression: ``deflate``, ``zstd``, ``lzw`` or ``none``.
        level: effort; 1 is the fastest of deflate and zstd.
        predictor: difference neighbouring pixels before compressing (not complex).
        interleave: ``band`` or ``pixel``; by default pixel for 8-bit pictures, which every viewer
            opens, and band for everything else, which compresses better and faster.
        tile: largest tile side in pixels, a multiple of 16.

    Raises:
        EncodeError: an option or dtype is not TIFF's, or the CRS cannot be said exactly.
    """
    _require_options(chip, compression, level, interleave, tile)
    pixels = chip.pixels.astype(chip.pixels.dtype.newbyteorder("="), copy=False)
    bands = len(pixels)
    if interleave is None:
        interleave = "pixel" if pixels.dtype == np.uint8 and bands in (1, 3, 4) else "band"
    nodata = _common_nodata(chip)
    tags: Tags = {
        **_color_tags(chip),
        **_place_tags(chip),
        **_metadata_tags(chip, keep_nodata=nodata is None),
    }
    if nodata is not None:
        tags[GDAL_NODATA] = ("s", _number(nodata))

    def page(samples: NDArray[Any], own: Tags, how: str, *, predict: bool) -> Page:
        return tiled_page(
            samples, tags=own, compression=compression, level=level, predictor=predict, interleave=how, tile=tile
        )

    pages = [page(pixels, tags, interleave, predict=predictor)]
    if not _says_mask(chip, pixels, nodata):
        mask = chip.mask[:1] if (chip.mask == chip.mask[:1]).all() else chip.mask
        own: Tags = {SUBFILE_TYPE: ("I", [MASK_SUBFILE]), PHOTOMETRIC: ("H", [TRANSPARENCY_MASK])}
        if len(mask) > 1:
            own[EXTRA_SAMPLES] = ("H", [0] * (len(mask) - 1))
        pages.append(page(mask, own, "band", predict=False))
    return tiff_bytes(pages)


def _require_options(chip: Chip, compression: str, level: int, interleave: str | None, tile: int) -> None:
    if chip.pixels.dtype.name not in DTYPES:
        raise EncodeError(f"GeoTIFF cannot hold {chip.pixels.dtype.name} pixels; it holds {', '.join(DTYPES)}")
    if compression not in COMPRESSORS:
        raise EncodeError(f"compression must be one of {', '.join(COMPRESSORS)}; got {compression!r}")
    levels = COMPRESSORS[compression][1]
    if level not in levels:
        raise EncodeError(f"{compression} levels are {levels.start} to {levels.stop - 1}, got {level}")
    if interleave not in {None, *PLANAR}:
        raise EncodeError(f"interleave must be band or pixel, got {interleave!r}")
    if tile < 16 or tile % 16:
        raise EncodeError(f"a TIFF tile side must be a multiple of 16, got {tile}")


def _place_tags(chip: Chip) -> Tags:
    """Say the chip's place; tie points are what GDAL reads as ground control points."""
    place = chip_place(chip)
    tags = geo_tags(place.transform, place.crs)
    if place.tie_points:
        tags[TIEPOINT] = ("d", [number for col, row, x, y in place.tie_points for number in (col, row, 0.0, x, y, 0.0)])
    return tags


def _common_nodata(chip: Chip) -> float | complex | None:
    """Give the value that is every band's nodata, or None."""
    if len(chip.nodata) != len(chip.pixels) or any(value is None for value in chip.nodata):
        return None
    first = chip.nodata[0]
    same = all(value == first or (_is_nan(value) and _is_nan(first)) for value in chip.nodata)
    return first if same and first is not None and complex(first).imag == 0 else None


def _says_mask(chip: Chip, pixels: NDArray[Any], nodata: float | complex | None) -> bool:
    """Tell whether a GDAL reader, without a mask directory, finds exactly the chip's mask."""
    if nodata is not None:
        if pixels.dtype.kind == "c":
            return False  # GDAL compares real parts only
        invalid, near = _equal(pixels, float(nodata.real))
        return bool((invalid == ~chip.mask).all() and (near == invalid).all())
    if _alpha_speaks(chip):
        expected = np.broadcast_to(pixels[-1:] > 0, pixels.shape).copy()
        expected[-1] = True
        return bool((expected == chip.mask).all())
    return bool(chip.mask.all())


def _equal(pixels: NDArray[Any], value: float) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Give where pixels are a value, and where they are within a few units in the last place of it.

    GDAL takes floats a few units apart for equal; a valid one of those must not be lost.
    """
    if pixels.dtype.kind != "f":
        invalid = pixels == value
        return invalid, invalid
    if np.isnan(value):
        invalid = np.isnan(pixels)
        return invalid, invalid
    wide = pixels.astype(np.float32, copy=False) if pixels.dtype.itemsize < 4 else pixels
    target = wide.dtype.type(value)
    if not np.isfinite(target):
        invalid = wide == target
        return invalid, invalid
    limits = np.finfo(wide.dtype)
    few_units = 16 * (np.abs(target) * limits.eps + limits.smallest_subnormal)
    with np.errstate(over="ignore", invalid="ignore"):
        near = np.abs(wide - target) <= few_units
    return wide == target, near


def _alpha_speaks(chip: Chip) -> bool:
    """Tell whether GDAL takes the last band for the others' validity."""
    return (
        len(chip.pixels) in (2, 4)
        and chip.pixels.dtype in (np.uint8, np.uint16)
        and chip.colors[-1:] == ("alpha",)
        and "alpha" not in chip.colors[:-1]
    )


def _color_tags(chip: Chip) -> Tags:
    bands = len(chip.pixels)
    picture = chip.colors[:3] == ("red", "green", "blue")
    tags: Tags = {PHOTOMETRIC: ("H", [RGB if picture else MIN_IS_BLACK])}
    if extras := bands - (3 if picture else 1):
        kinds = [UNASSOCIATED_ALPHA if color == "alpha" else 0 for color in _colors(chip)[-extras:]]
        tags[EXTRA_SAMPLES] = ("H", kinds)
    return tags


def _colors(chip: Chip) -> tuple[str, ...]:
    return chip.colors or ("gray", *["undefined"] * (len(chip.pixels) - 1))


def _metadata_tags(chip: Chip, *, keep_nodata: bool) -> Tags:
    """Say names, scales, offsets, and colours that the tags of TIFF do not say."""
    picture = chip.colors[:3] == ("red", "green", "blue")
    items = []
    for band, color in enumerate(_colors(chip)):
        said = {"alpha"} | ({chip.colors[band]} if picture and band < 3 else {"undefined" if band else "gray"})
        if color == "alpha" and band == 0:
            said = set()
        if color not in said | {"palette"}:
            items.append(_item("COLORINTERP", band, "colorinterp", GDAL_COLOR_NAMES.get(color, color.capitalize())))
        if chip.band_names and chip.band_names[band]:
            items.append(_item("DESCRIPTION", band, "description", _text(chip.band_names[band])))
        if chip.scales and chip.scales[band] != 1:
            items.append(_item("SCALE", band, "scale", repr(float(chip.scales[band]))))
        if chip.offsets and chip.offsets[band] != 0:
            items.append(_item("OFFSET", band, "offset", repr(float(chip.offsets[band]))))
        if keep_nodata and chip.nodata and (value := chip.nodata[band]) is not None:
            items.append(_item("NODATA", band, "", _number(value)))
    return {GDAL_METADATA: ("s", f"<GDALMetadata>{''.join(items)}</GDALMetadata>")} if items else {}


def _item(name: str, band: int, role: str, value: str) -> str:
    """Write one metadata item; GDAL resolves entities twice on reading, so they are written twice."""
    as_role = f' role="{role}"' if role else ""
    return f'<Item name="{name}" sample="{band}"{as_role}>{escape(escape(value))}</Item>'


def _text(name: str) -> str:
    if any(ord(letter) < 32 for letter in name):
        raise EncodeError(f"GeoTIFF cannot hold control characters in a band name, got {name!r}")
    return name


def _number(value: float | complex) -> str:
    """Write a nodata value so that it reads back exactly; whole numbers as integers."""
    if isinstance(value, complex) and value.imag:
        return repr(value)
    real = value.real
    return str(int(real)) if float(real).is_integer() and abs(real) < 2**64 else repr(float(real))


def _is_nan(value: float | complex | None) -> bool:
    return value is not None and cmath.isnan(value)
