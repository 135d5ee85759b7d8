"""The tags of a TIFF that say what its pixels are: colours, place, nodata, texts; from arguments and from metadata.

Rules:

- an argument wins over the metadata that says the same; a name over its number;
- every key of the metadata is honoured or refused. Facts of the pixels (sizes, bits,
  samples) are the pixels' own, whatever a copied mapping says of them;
- YCbCr, and CMYK and CIELab of 8 bits, are how another file stored its pixels: as
  delivered they are red, green, blue (and alpha);
- of an overview only the colours and nodata are said (OGC 21-026, COG).

References: TIFF 6.0; OGC 19-008r4 (GeoTIFF 1.1); GDAL's GTiff driver; RPCs in GeoTIFF (tag 50844).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from affine import Affine

from stacchip_osml.encode.tiff.codecs import BlockCoder
from stacchip_osml.encode.tiff.file import Tags
from stacchip_osml.encode.tiff.gdal_tags import GDAL_METADATA, GDAL_NODATA, metadata_tags, nodata_text
from stacchip_osml.encode.tiff.geokeys import KEY_DIRECTORY, gcp_tags, geo_tags
from stacchip_osml.encode.tiff.geokeys_named import GEO_NAMES, PLACE_NAMES, named_geo_tags
from stacchip_osml.encode.tiff.tag_names import TAG_NAMES
from stacchip_osml.encode.tiff.values import tag_number, tag_numbers, tag_text, told_value
from stacchip_osml.errors import EncodeError
from stacchip_osml.imagery.header import GroundControlPoint

__all__ = ["PALETTE", "Described", "Picture", "hints_of", "level_tags", "picture_of", "place_tags", "require_entries"]

PHOTOMETRIC, EXTRA_SAMPLES, COLOR_MAP, RPC = 262, 338, 320, 50844
MIN_IS_WHITE, MIN_IS_BLACK, RGB, PALETTE = 0, 1, 2, 3
CMYK, YCBCR, CIELAB = 5, 6, 8
INKS = ("cyan", "magenta", "yellow", "black")
OF_INKS = frozenset({332, 333, 334, 336})
UNASSOCIATED_ALPHA = 2
GEO_TAGS = frozenset({33550, 33922, 34264, 34735, 34736, 34737})
GEO_CRS_TAGS = frozenset({34735, 34736, 34737})
HINTS = frozenset({258, 259, 278, 284, 317, 322, 323})
"""How blocks are stored: :mod:`stacchip_osml.encode.tiff.options` reads them."""
OF_THE_PIXELS = frozenset({254, 255, 256, 257, 266, 277, 339, 347, 529, 530, 531, 532, 32996, 32997, 32998, 50674})
"""What pixels and their compression decide themselves; 32996 is SampleFormat in the files of SGI, and libtiff's LERC
heeds it."""
PLACES_IN_A_FILE = frozenset({273, 279, 288, 289, 324, 325, 330, 34665, 34853, 40965})

RPC_ORDER = (
    *("ERR_BIAS", "ERR_RAND", "LINE_OFF", "SAMP_OFF", "LAT_OFF", "LONG_OFF", "HEIGHT_OFF"),
    *("LINE_SCALE", "SAMP_SCALE", "LAT_SCALE", "LONG_SCALE", "HEIGHT_SCALE"),
    *("LINE_NUM_COEFF", "LINE_DEN_COEFF", "SAMP_NUM_COEFF", "SAMP_DEN_COEFF"),
)
"""Fields of tag 50844, the last four of 20 numbers."""
RPC_NUMBERS = 92
UNKNOWN_ERROR = "-1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """What is said of an image besides its pixels."""

    metadata: Mapping[int, Any] = field(default_factory=dict)
    """Numeric tags."""
    named: Mapping[str, Any] = field(default_factory=dict)
    """Geo keys by name."""
    crs: str | None = None
    transform: Affine | None = None
    """Pixel corner (col, row) → CRS (x, y)."""
    gcps: tuple[GroundControlPoint, ...] = ()
    rpcs: Mapping[str, str] | None = None
    """By GDAL's names."""
    nodata: tuple[float | complex | None, ...] = ()
    """One a band, or none at all."""
    color_table: tuple[tuple[int, ...], ...] | None = None
    colors: tuple[str, ...] = ()
    """Colour interpretation of each band; none where the metadata or the pixels decide."""
    band_names: tuple[str | None, ...] = ()
    scales: tuple[float, ...] = ()
    offsets: tuple[float, ...] = ()
    items: Mapping[str, str] = field(default_factory=dict)
    """GDAL metadata of the whole image."""

    @classmethod
    def of(cls, metadata: Mapping[Any, Any] | None, **told: Any) -> Described:
        """Tell numbers from names.

        Raises:
            EncodeError: a key that is neither, or one that points to places of another file.
        """
        numeric: dict[int, Any] = {}
        named: dict[str, Any] = {}
        for key, value in (metadata or {}).items():
            text = str(key).strip()
            if text in GEO_NAMES:
                named[text] = value
                continue
            number = int(text) if text.isascii() and text.isdecimal() else TAG_NAMES.get(text)
            if number is None or not 0 < number <= 65535:
                raise EncodeError(f"metadata {text[:80]!r} is no tag of TIFF and no Geo key of {', '.join(GEO_NAMES)}")
            if number in PLACES_IN_A_FILE:
                raise EncodeError(
                    f"tag {number} tells places of another file and cannot be copied (TIFF 6.0, section 2)"
                )
            numeric[number] = value
        return cls(metadata=numeric, named=named, **told)

    @property
    def has_table(self) -> bool:
        """Whether there is a colour table."""
        return self.color_table is not None or COLOR_MAP in self.metadata

    @property
    def common_nodata(self) -> float | None:
        """The value that is every band's nodata, else None."""
        if not self.nodata or any(value is None for value in self.nodata):
            return None
        first = complex(self.nodata[0] or 0)
        same = all(complex(value or 0) == first or (_is_nan(value) and _is_nan(first)) for value in self.nodata)
        return (self.nodata[0] or 0).real if same and (first.imag == 0 or math.isnan(first.real)) else None

    @property
    def has_one_nodata(self) -> bool:
        """Whether the file can say what pixels without data hold: it has one value for all bands."""
        return not self.nodata or self.common_nodata is not None

    @property
    def absent_value(self) -> float:
        """What a reader finds in a block that is not stored."""
        if self.nodata:
            value = self.common_nodata
            return 0.0 if value is None else value
        try:
            return float(tag_text(GDAL_NODATA, self.metadata.get(GDAL_NODATA, "0")))
        except ValueError:
            return 0.0


def hints_of(described: Described) -> dict[int, Any]:
    """Give the tags of the metadata that say how blocks are to be stored."""
    return {tag: value for tag, value in described.metadata.items() if tag in HINTS}


@dataclass(frozen=True, slots=True)
class Picture:
    """How bands are colours."""

    photometric: int
    colors: tuple[str, ...]
    """One a band."""
    extra: tuple[int, ...]

    @property
    def is_rgb(self) -> bool:
        """Whether the first three bands are red, green and blue."""
        return self.photometric == RGB


def require_entries(picture: Picture, coder: BlockCoder) -> None:
    """Refuse to store entries of a colour table with loss.

    Raises:
        EncodeError: one entry a little off is any colour.
    """
    if picture.photometric == PALETTE and coder.compression.lossy(coder.level):
        name = coder.compression.name
        raise EncodeError(f"{name} gives other entries of a colour table than it is given: choose another compression")


def picture_of(described: Described, bands: int, dtype: np.dtype[Any]) -> Picture:
    """Decide how bands are colours.

    Raises:
        EncodeError: what is said does not go with the bands.
    """
    told = tag_number(PHOTOMETRIC, described.metadata[PHOTOMETRIC]) if PHOTOMETRIC in described.metadata else None
    has_table = described.has_table
    if described.colors:
        if len(described.colors) != bands:
            raise EncodeError(f"{len(described.colors)} colours of {bands} bands")
        colors = described.colors
        rgb = colors[:3] == ("red", "green", "blue")
        told = (
            PALETTE if colors == ("palette",) and has_table else RGB if rgb else told if told == MIN_IS_WHITE else None
        )
    else:
        guessed = told is None and not has_table and dtype == np.uint8 and bands in (3, 4)
        rgb = bands >= 3 and (guessed or told in (RGB, YCBCR) or (told in (CMYK, CIELAB) and dtype == np.uint8))
        first: tuple[str, ...] = ("red", "green", "blue") if rgb else ("palette",) if has_table else ("gray",)
        if told == CMYK and not rgb and bands >= len(INKS):
            first = INKS
        colors = first + ("undefined",) * (bands - len(first))
        if told in (CMYK, CIELAB) and rgb and bands == len(INKS):
            colors = (*first, "alpha")
    photometric = RGB if rgb else CMYK if colors[: len(INKS)] == INKS else MIN_IS_BLACK
    if has_table:
        if (bands != 1 and told != PALETTE) or dtype not in (np.uint8, np.uint16):
            raise EncodeError(
                f"ColorMap (320) goes with one band of uint8 or uint16: not {bands} of {dtype} (TIFF 6.0, section 5)"
            )
        if described.color_table is not None or told in {None, PALETTE}:
            photometric = PALETTE  # others have a map that only GDAL looks at
    if photometric == MIN_IS_BLACK and told == MIN_IS_WHITE:
        photometric = MIN_IS_WHITE
    count = bands - {RGB: 3, CMYK: len(INKS)}.get(photometric, 1)
    extra = tuple(UNASSOCIATED_ALPHA if color == "alpha" else 0 for color in colors[bands - count :])
    if not described.colors and count and EXTRA_SAMPLES in described.metadata:
        said = tag_numbers(EXTRA_SAMPLES, described.metadata[EXTRA_SAMPLES])
        if len(said) == count:
            extra = tuple(int(value) for value in said)
            colors = colors[: bands - count] + tuple("alpha" if value in (1, 2) else "undefined" for value in extra)
    return Picture(photometric, colors, extra)


def level_tags(described: Described, picture: Picture, *, bits: int) -> Tags:
    """Give the tags that every level has: colours, and the common nodata value."""
    tags: Tags = {PHOTOMETRIC: ("H", [picture.photometric])}
    if picture.extra:
        tags[EXTRA_SAMPLES] = ("H", list(picture.extra))
    if described.has_table:
        tags[COLOR_MAP] = ("H", _color_map(described, bits))
    value = described.common_nodata
    if value is not None:
        tags[GDAL_NODATA] = ("s", nodata_text(value))
    elif not described.nodata and GDAL_NODATA in described.metadata:
        tags[GDAL_NODATA] = ("s", tag_text(GDAL_NODATA, described.metadata[GDAL_NODATA]))
    return tags


def place_tags(described: Described, picture: Picture) -> Tags:
    """Give the tags that full resolution alone has: place, names, all else.

    Args:
        described: all that is said.
        picture: how its bands are colours.

    Raises:
        EncodeError: a value is none of its tag's, or two contradict each other.
    """
    tags: Tags = {}
    done = GEO_TAGS | HINTS | OF_THE_PIXELS | {PHOTOMETRIC, EXTRA_SAMPLES, COLOR_MAP, GDAL_NODATA, GDAL_METADATA, RPC}
    done |= frozenset() if picture.photometric == CMYK else OF_INKS
    for number, value in described.metadata.items():
        if number not in done:
            tags[number] = told_value(number, value)
    return tags | _geo(described) | _rpcs(described) | _gdal(described, picture)


# ---- place


def _geo(described: Described) -> Tags:
    """Give the GeoTIFF tags of arguments, names and numbers, in this order."""
    raw = {tag: told_value(tag, value) for tag, value in described.metadata.items() if tag in GEO_TAGS}
    named = dict(described.named)
    point = _is_point(described)
    if described.crs is not None:
        raw = {tag: value for tag, value in raw.items() if tag not in GEO_CRS_TAGS}
        named = {name: value for name, value in named.items() if name in PLACE_NAMES}
    if described.transform is not None or described.gcps:
        raw = {tag: value for tag, value in raw.items() if tag in GEO_CRS_TAGS}
        named = {name: value for name, value in named.items() if name not in PLACE_NAMES}
    tags = named_geo_tags(named, raw) if named or raw else {}
    point = point and (described.crs is not None or KEY_DIRECTORY in tags)
    if described.gcps and described.transform is not None:
        raise EncodeError("an image is placed by transform= or by gcps=, not by both (GeoTIFF 1.1, 7.3)")
    if described.gcps:
        return tags | gcp_tags(described.gcps, described.crs, point=point)
    return tags | geo_tags(described.transform, described.crs, point=point)


def _is_point(described: Described) -> bool:
    return str(described.named.get("GeoRasterType", "")).strip().lower() in {"pixelispoint", "2"}


def _rpcs(described: Described) -> Tags:
    if described.rpcs is None:
        if RPC not in described.metadata:
            return {}
        numbers = [float(value) for value in tag_numbers(RPC, described.metadata[RPC])]
        if len(numbers) != RPC_NUMBERS:
            raise EncodeError(f"RPCCoefficientTag (50844) has {RPC_NUMBERS} numbers, got {len(numbers)}")
        return {RPC: ("d", numbers)}
    numbers = []
    told = {"ERR_BIAS": UNKNOWN_ERROR, "ERR_RAND": UNKNOWN_ERROR, **described.rpcs}
    for name in RPC_ORDER:
        count = 20 if name.endswith("_COEFF") else 1
        try:
            values = [float(text) for text in str(told[name]).split()]
        except (KeyError, ValueError) as error:
            raise EncodeError(f"rpcs lack {name}, or it is no number (RPCCoefficientTag, 50844)") from error
        if len(values) != count or not all(map(math.isfinite, values)):
            raise EncodeError(f"rpcs {name} must be {count} finite numbers (RPCCoefficientTag, 50844)")
        numbers += values
    return {RPC: ("d", numbers)}


def _gdal(described: Described, picture: Picture) -> Tags:
    """Give GDAL's metadata: what is told anew, or what was copied."""
    bands = len(picture.colors)
    for name, values in (("names", described.band_names), ("scales", described.scales), ("offsets", described.offsets)):
        if len(values) not in (0, bands):
            raise EncodeError(f"{len(values)} {name} of {bands} bands (GDAL_METADATA, 42112)")
    if described.items.get("AREA_OR_POINT", "Area") != "Area" and not _is_point(described):
        raise EncodeError(
            "AREA_OR_POINT is no item of a TIFF, whose readers take it from GTRasterTypeGeoKey (1025): "
            'give metadata={"GeoRasterType": "PixelIsPoint"}'
        )
    tags = metadata_tags(
        bands,
        colors=_unsaid_colors(picture) if described.colors else {},
        names=described.band_names,
        scales=described.scales,
        offsets=described.offsets,
        nodata=described.nodata if described.common_nodata is None else (),
        items=described.items,
    )
    if GDAL_METADATA not in described.metadata:
        return tags
    if tags:
        raise EncodeError("GDAL_METADATA (42112) is given, and names, scales, offsets, colours or items besides")
    return {GDAL_METADATA: ("s", tag_text(GDAL_METADATA, described.metadata[GDAL_METADATA]))}


def _unsaid_colors(picture: Picture) -> dict[int, str]:
    """Give the colours that the tags of TIFF do not say."""
    said: dict[int, set[str]] = {}
    for band, color in enumerate(picture.colors):
        if picture.photometric == PALETTE and band == 0:
            said[band] = {"palette"}
        elif (picture.is_rgb and band < 3) or (picture.photometric == CMYK and band < len(INKS)):
            said[band] = {color}
        elif band == 0:
            said[band] = {"gray"}
        else:
            said[band] = {"alpha", "undefined"}
    return {band: color for band, color in enumerate(picture.colors) if color not in said[band] and color != "palette"}


# ---- values


def _color_map(described: Described, bits: int) -> list[int]:
    """Give the colour map: all reds, greens, blues, of 16 bits each (TIFF 6.0, section 5)."""
    count = 1 << bits
    if described.color_table is None:
        numbers = [int(value) for value in tag_numbers(COLOR_MAP, described.metadata[COLOR_MAP])]
        if len(numbers) != 3 * count:
            raise EncodeError(f"ColorMap (320) has 3 x {count} values of {bits} bits (TIFF 6.0, section 5)")
        return numbers
    table = described.color_table
    absent = described.common_nodata
    if len(table) > count or any(len(entry) not in (3, 4) or not all(0 <= v <= 255 for v in entry) for entry in table):
        raise EncodeError(f"a colour table has at most {count} colours of 3 or 4 numbers from 0 to 255")
    if any(len(entry) == 4 and entry[3] != 255 and index != absent for index, entry in enumerate(table)):
        raise EncodeError("ColorMap (320) has no transparency (TIFF 6.0, section 5): give nodata= or a mask")
    return [257 * entry[c] for c in range(3) for entry in (*table, *[(0, 0, 0)] * (count - len(table)))]


def _is_nan(value: float | complex | None) -> bool:
    return value is not None and complex(value) != complex(value)
