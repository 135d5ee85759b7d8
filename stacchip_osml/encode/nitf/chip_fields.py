"""Fields of a chip's image subheader: what it has from its parent, and what its own pixels make of it.

Rules (MIL-STD-2500C, table A-3):

- identification, source, category and all markings are the parent's; of an image that
  is no NITF the index knows the time and the item's id (IDATIM, IID2), but when its
  file was written is no time of the image;
- what stores pixels (IC, blocking) is the writer's own choice: uncompressed, and
  HTJ2K without loss where the parent has that, which is as exact and nearly as quick.
  Lossy compression is never repeated unless it is asked for;
- IREP, IREPBAND, ISUBCAT and look-up tables follow the bands that were chosen, and
  so does IREP where the parent's is none, or is of another number of bands; bands
  that a chain made have none of the parent's.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.encode.chip import Chip
from stacchip_osml.encode.nitf.parent import is_image_file
from stacchip_osml.encode.nitf.pixels_blocking import LONGEST_SIDE
from stacchip_osml.encode.nitf.pixels_storage import IREP_BANDS, IREPS
from stacchip_osml.encode.nitf.provenance import comments_of_chip
from stacchip_osml.encode.nitf.records import NitfImage, is_decoded_to_rgb
from stacchip_osml.encode.nitf.tables import security_names
from stacchip_osml.encode.palette import lut_fields
from stacchip_osml.imagery.display.picture import ColorTable
from stacchip_osml.pixel import ImageSize

__all__ = [
    "KEPT_FIELDS",
    "ChipKind",
    "chip_bands",
    "chip_kind",
    "chip_texts",
    "kept_of",
    "kind_fields",
    "magnification",
    "sicd_storage",
    "without_bits",
]

KEPT_FIELDS = ("IID1", "IDATIM", "TGTID", "IID2", *security_names("I"), "ISORCE", "ICAT")
"""Fields of the parent's that a chip has too."""
BAND_FIELD = re.compile(r"(IREPBAND|ISUBCAT|IFC|IMFLT|NLUTS|NELUT)(\d+)|(LUTD)(\d+)(\d)")
STORED_AS = ("PVTYPE", "ABPP", "PJUST")
COLORS = {"red": "R", "green": "G", "blue": "B"}
LOSSLESS_HT = {"CD", "MD"}
HT_BYTES = 2
"""Of the largest samples that are written with high throughput."""
DIVISORS = {2**power: f"/{2**power}" for power in range(1, 8)}
COMPLEX_CATEGORIES = {"SARIQ": "SAR"}
"""What a picture made of complex pixels is called."""
UNKNOWN = datetime(1970, 1, 1, tzinfo=UTC)
"""What an item says whose image has no time."""


def chip_kind(
    chip: Chip,
    parent: NitfImage | None,
    *,
    bands: tuple[int, ...] | None,
    count: int,
    scale: tuple[float, float],
) -> ChipKind:
    """Tell of which kind a chip is.

    Args:
        chip: its pixels are those that are written.
        parent: the image that it was cut from; None where that is no NITF.
        bands: of that image that the chip has; None where it has others.
        count: bands of that image.
        scale: pixels of that image for one of the chip's, (across, down).
    """
    has_bands = bands is not None and parent is not None
    return ChipKind(
        bands=bands if has_bands else None,
        image_bands=count,
        scale=scale,
        dtype=chip.pixels.dtype,
        own_bands=len(chip.pixels),
        colors=chip.colors,
        color_table=None if has_bands else chip.color_table,
        is_processed=chip.origin is not None and chip.origin.is_processed,
        keeps_storage=parent is not None
        and has_bands
        and _keeps_storage(chip, parent.fields, is_resampled=scale != (1.0, 1.0)),
    )


def chip_texts(chip: Chip, parent: NitfImage | None) -> dict[str, str]:
    """Give what only this chip says: where it comes from, and of an item its time and name."""
    comments = comments_of_chip(chip, parent)
    return comments if parent is not None else comments | _item_fields(chip)


@lru_cache(maxsize=32)
def kept_of(image: NitfImage) -> NitfImage:
    """Give an image of which nothing is said but the names and markings of another."""
    return NitfImage(pixels=None, fields={name: image.fields[name] for name in KEPT_FIELDS if name in image.fields})


class ChipKind(NamedTuple):
    """What decides the fields of a chip besides its image; not its window and name."""

    bands: tuple[int, ...] | None
    image_bands: int
    scale: tuple[float, float]
    dtype: np.dtype[Any]
    own_bands: int
    colors: tuple[str, ...]
    color_table: ColorTable | None
    is_processed: bool
    keeps_storage: bool


def kind_fields(image: NitfImage | None, kind: ChipKind) -> dict[str, str]:
    """Give the fields that chips of an image and a kind have in common, without ICORDS and IGEOLO."""
    parent: Mapping[str, str] = {} if image is None else image.fields
    fields = {name: parent[name] for name in KEPT_FIELDS if name in parent}
    fields["IMAG"] = magnification(parent.get("IMAG", "1.0"), kind.scale)
    if kind.bands is None:
        if fields.get("ICAT") in COMPLEX_CATEGORIES and kind.dtype.kind != "c":
            fields["ICAT"] = COMPLEX_CATEGORIES[fields["ICAT"]]
        return fields | _own_bands(kind) | {"IC": "NC"}
    fields |= _parents_bands(parent, kind.bands, kind.image_bands)
    if kind.keeps_storage:
        fields |= {name: parent[name] for name in STORED_AS if name in parent}
    return fields | _compression(parent, kind.dtype)


def _item_fields(chip: Chip) -> dict[str, str]:
    """Give what the index knows of an image that is no NITF: when it was taken, and the item's id."""
    if "datetime" not in chip.row or "item_id" not in chip.row:
        return {}
    moment, name = chip.row["datetime"], str(chip.row["item_id"])
    fields = {}
    if isinstance(moment, datetime) and not _is_of_file(moment, chip):
        last = chip.row.get("end_datetime") if chip.row.get("start_datetime") == moment else None
        fields["IDATIM"] = _known_digits(moment, last or moment)
    if len(name) <= 80 and name.isascii() and name.isprintable():
        fields["IID2"] = name
    return fields


def _known_digits(first: datetime, last: datetime) -> str:
    """Write IDATIM: of an interval what both ends have in common, and hyphens for what is not known."""
    texts = [f"{utc.year:04d}{utc:%m%d%H%M%S}" for utc in (each.astimezone(UTC) for each in (first, last))]  # %Y: no 0
    known = next((width for width in (14, 12, 10, 8, 6, 4) if texts[0][:width] == texts[1][:width]), 0)
    return texts[0][:known].ljust(14, "-")


def _is_of_file(moment: datetime, chip: Chip) -> bool:
    """Tell whether it is when the image's file was written, or 1970: what an item has whose image has no time."""
    provider = None if chip.origin is None else chip.origin.provider
    written = provider.header.modified_ns if is_image_file(provider) else None
    return moment in (UNKNOWN, None if written is None else UNKNOWN + timedelta(microseconds=written // 1000))


def chip_bands(chip: Chip, parent: Mapping[str, str], count: int) -> tuple[int, ...] | None:
    """Tell which bands of its image a chip has; None where a chain changed them or nobody knows."""
    origin = chip.origin
    if origin is None or origin.is_processed:
        return None
    if chip.pixels.dtype.kind == "c" and count == 2 * len(chip.pixels) == 2:
        # One complex band is both of those that a SICD stores.
        is_iq = [parent.get(f"ISUBCAT{band}", "").strip() for band in (1, 2)] == ["I", "Q"]
        return (0, 1) if is_iq else None
    if origin.bands is not None:
        return origin.bands
    return tuple(range(count)) if len(chip.pixels) == count else None


def magnification(parent: str, scale: tuple[float, float]) -> str:
    """Give IMAG: four characters, ``1.0``, ``/2``, ``0.33``."""
    text = parent.strip() or "1.0"
    try:
        value = 1 / float(text[1:]) if text.startswith("/") else float(text)
        value /= math.sqrt(scale[0] * scale[1])
    except (ValueError, ZeroDivisionError):
        return "1.0"
    if not 0 < value < math.inf or abs(value - 1) < 1e-9:
        return "1.0"
    divisor = round(1 / value) if value < 1 else 0
    if divisor in DIVISORS and abs(value * divisor - 1) < 1e-9:
        return DIVISORS[divisor]
    plain = f"{value:.4f}"[:4] if value < 9999 else "9999"
    return plain if float(plain) > 0 else ".001"


def _parents_bands(parent: Mapping[str, str], bands: Sequence[int], count: int) -> dict[str, str]:
    """Renumber what the parent says of each band."""
    places: dict[int, list[int]] = {}
    for place, band in enumerate(bands, start=1):
        places.setdefault(band + 1, []).append(place)
    fields: dict[str, str] = {}
    for name, text in parent.items():
        found = _band_field(name)
        if found is not None:
            head, band, end = found
            fields |= {f"{head}{place}{end}": text for place in places.get(band, ())}
    irep = parent.get("IREP", "").strip()
    if is_decoded_to_rgb(parent):
        irep = "RGB"
        fields |= {f"IREPBAND{place}": "RGB"[band] for place, band in enumerate(bands, start=1)}
    fields["IREP"] = _representation(irep, fields, bands, count)
    if fields["IREP"] == "MONO" and not fields.get("NLUTS1", "0").strip("0 "):
        fields["IREPBAND1"] = "M"
    return fields


def _band_field(name: str) -> tuple[str, int, str] | None:
    """Take the name of a band's field apart: before the band's number, the number, after it; None of other fields."""
    found = BAND_FIELD.fullmatch(name)
    if found is None:
        return None
    return (found[1], int(found[2]), "") if found[1] else (found[3], int(found[4]), found[5])


def _representation(irep: str, fields: Mapping[str, str], bands: Sequence[int], count: int) -> str:
    if tuple(bands) == tuple(range(count)) and irep in IREPS and IREP_BANDS.get(irep, count) == count:
        return irep
    marks = [fields.get(f"IREPBAND{place}", "").strip() for place in range(1, len(bands) + 1)]
    if irep in {"NODISPLY", "NVECTOR", "POLAR", "VPH"}:
        return "NODISPLY"
    if len(bands) == 1:
        return "RGB/LUT" if irep == "RGB/LUT" else "MONO"
    return "RGB" if len(bands) == 3 and sorted(marks) == ["B", "G", "R"] else "MULTI"


def _keeps_storage(chip: Chip, parent: Mapping[str, str], *, is_resampled: bool) -> bool:
    """Tell whether the pixels are still of the parent's kind, and PVTYPE, ABPP and PJUST hold for them."""
    kind, pvtype = chip.pixels.dtype.kind, parent.get("PVTYPE", "").strip()
    fits = {"INT": "u", "SI": "i", "R": "f", "C": "c", "B": "u"}.get(pvtype) == kind
    bits = parent.get("ABPP", "").strip()
    if not fits or not bits.isdigit() or int(bits) > 8 * chip.pixels.dtype.itemsize:
        return False
    if parent.get("PJUST", "").strip() not in {"", "L", "R"}:
        return False
    if pvtype == "B" and (is_resampled or len(chip.pixels) > 1 or int(chip.pixels.max()) > 1):
        return False  # bits of several bands that do not end on a byte are read by few
    # averages fill bits that were empty, and some parents say fewer than they use
    return pvtype not in {"INT", "SI"} or _fits_abpp(chip.pixels, int(bits), parent.get("PJUST", "R"))


def without_bits(fields: Mapping[str, str], pad: float) -> dict[str, str]:
    """Leave out how samples were stored where a pad pixel is none of these: all bits of the type are used then."""
    kind, bits = fields.get("PVTYPE"), int(fields.get("ABPP", "0"))
    if kind not in {"INT", "SI", "B"}:  # the pad pixel of the others may be complex, or no number
        return dict(fields)
    low = -(1 << max(bits - 1, 0)) if kind == "SI" else 0
    fits = pad == 0 or (fields.get("PJUST") != "L" and low <= pad < low + (1 << bits))
    return {name: text for name, text in fields.items() if fits or name not in STORED_AS}


def _fits_abpp(pixels: NDArray[Any], bits: int, justified: str) -> bool:
    """Tell whether no sample has bits beyond ABPP: the upper ones where justified right, else the lower ones."""
    spare = 8 * pixels.dtype.itemsize - bits
    if not spare:
        return True
    if justified.strip() == "L":
        return not int(np.bitwise_or.reduce(pixels, axis=None)) & ((1 << spare) - 1)
    if pixels.dtype.kind == "i":
        limit = 1 << max(bits - 1, 0)
        return -limit <= int(pixels.min()) and int(pixels.max()) < limit
    return not int(pixels.max()) >> bits


def _own_bands(kind: ChipKind) -> dict[str, str]:
    """Describe bands that no parent describes: by their colours where they have some."""
    bands, is_complex = kind.own_bands, kind.dtype.kind == "c"
    marks = [COLORS.get(color, "") for color in kind.colors] or [""] * bands
    if bands == 3 and sorted(marks) != ["B", "G", "R"] and kind.dtype == np.uint8 and not any(marks):
        marks = ["R", "G", "B"] if kind.is_processed else marks
    fields = {f"IREPBAND{place}": mark for place, mark in enumerate(marks, start=1)}
    if is_complex:
        return dict.fromkeys(fields, "") | {"IREP": "NODISPLY"}
    if kind.color_table is not None and kind.dtype == np.uint8:
        return lut_fields(kind.color_table)
    if bands == 1:
        return {"IREP": "MONO", "IREPBAND1": "M"}
    if bands == 3 and sorted(marks) == ["B", "G", "R"]:
        return fields | {"IREP": "RGB"}
    seen: set[str] = set()
    for place, mark in enumerate(marks, start=1):
        fields[f"IREPBAND{place}"] = "" if mark in seen else mark
        seen.add(mark)
    return fields | {"IREP": "MULTI"}


def _compression(parent: Mapping[str, str], dtype: np.dtype[Any]) -> dict[str, str]:
    """Choose IC: lossless as the parent's where that is quick and keeps these pixels, else none."""
    is_kept = dtype.kind in "ui" and dtype.itemsize <= HT_BYTES
    if is_kept and parent.get("IC") in LOSSLESS_HT and parent.get("COMRAT", "").startswith("N"):
        return {"IC": "CD", "COMRAT": parent["COMRAT"]}
    return {"IC": "NC"}


def sicd_storage(size: ImageSize) -> dict[str, str]:
    """Give the blocking that SICD asks for: one block a side (NGA.STND.0024-2, table 3-1)."""
    return {
        "IC": "NC",
        "IMODE": "P",
        "NPPBH": str(size.width if size.width <= LONGEST_SIDE else 0),
        "NPPBV": str(size.height if size.height <= LONGEST_SIDE else 0),
    }
