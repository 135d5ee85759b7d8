"""How much may be lost: ``quality`` of JPEG and its like, ``ratio`` of JPEG 2000.

The two are no scale of one another, and a number that is meant as one is a
disaster as the other: each is refused where there is the other, which is named.
"""

from __future__ import annotations

from stacchip_osml.encode.nitf.pixels_storage import COMPRESSIONS
from stacchip_osml.errors import EncodeError

__all__ = [
    "JPEG",
    "JPEG2000",
    "NITF_COMPRESSIONS",
    "jpeg_quality",
    "nitf_rate",
    "require_no_quality",
    "require_no_ratio",
    "tiff_level",
]

JPEG2000 = tuple(ic for ic, row in COMPRESSIONS.items() if row.kind == "jpeg2000")
JPEG = tuple(ic for ic, row in COMPRESSIONS.items() if row.kind == "jpeg")
NITF_COMPRESSIONS = {
    **{"none": "NC", "jpeg": "C3", "jpeg2000": "C8", "j2k": "C8", "htj2k": "CD"},
    **{ic.lower(): ic for ic in COMPRESSIONS},
}
"""Name of a compression → IC."""
TIFF_QUALITIES = ("jpeg", "webp", "jpegxl")
"""Compressions of TIFF whose level is a quality."""
LEAST_QUALITY, MOST_QUALITY = 5, 100
"""Of JPEG in NITF: COMRAT 00.0 to 04.5 says a type of imagery and a level (MIL-STD-2500C, table A-3)."""


def jpeg_quality(quality: float) -> int:
    """Give the quality of a JPEG file.

    Raises:
        EncodeError: it is no whole number; its range is the encoder's.
    """
    if not float(quality).is_integer():
        raise EncodeError(f"JPEG quality is a whole number from 1 to 100, got {quality}")
    return int(quality)


def tiff_level(compression: str | None, *, quality: float | None, ratio: float | None) -> dict[str, float]:
    """Give the level of a GeoTIFF's compression, where a quality is asked for.

    Raises:
        EncodeError: the compression has no quality; or a ratio is asked for, which none has.
    """
    has_quality, what = compression in TIFF_QUALITIES, compression or "deflate"
    require_no_ratio(f"GeoTIFF with {what}", ratio, has_quality=has_quality)
    if quality is None:
        return {}
    if not has_quality:
        raise EncodeError(f"GeoTIFF has a quality with compression {', '.join(TIFF_QUALITIES)}, not with {what}")
    return {"level": quality}


def require_no_quality(what: str, quality: float | None) -> None:
    """Refuse a quality of JPEG 2000.

    Raises:
        EncodeError: there is one.
    """
    if quality is not None:
        raise EncodeError(
            f"{what} has no quality; how much JPEG 2000 may lose is ratio= (--ratio), raw samples to file: 10 is ten "
            "to one, and without it nothing is lost"
        )


def require_no_ratio(what: str, ratio: float | None, *, has_quality: bool = False) -> None:
    """Refuse a ratio of what is not JPEG 2000.

    Raises:
        EncodeError: there is one.
    """
    if ratio is not None:
        other = "say quality= (--quality)" if has_quality else "leave it out"
        raise EncodeError(f"{what} has no ratio, which is of JPEG 2000: {other}")


def nitf_rate(
    ic: str, bits: int, *, quality: float | None, ratio: float | None, given: str | None = None
) -> dict[str, str]:
    """Give COMRAT of a NITF image, where its IC has one.

    Args:
        ic: of the image.
        bits: of a sample.
        quality: of JPEG.
        ratio: of JPEG 2000.
        given: COMRAT that is given as such, and kept.

    Raises:
        EncodeError: the IC has no such thing, it is out of range, or said twice.
    """
    what = f"NITF with IC {ic}"
    if ic in JPEG2000:
        require_no_quality(what, quality)
    else:
        require_no_ratio(what, ratio, has_quality=ic in JPEG)
        if ic not in JPEG and quality is not None:
            raise EncodeError(f"{what} has no quality")
    told = ratio if quality is None else quality
    if given is not None or ic not in JPEG2000 + JPEG:
        if told is not None:
            raise EncodeError(f"{what}: COMRAT is {given!r}, and {told} says how much is lost again; give one of them")
        return {}
    if ic in JPEG:
        if quality is not None and not LEAST_QUALITY <= quality <= MOST_QUALITY:
            raise EncodeError(
                f"{what}: quality is {LEAST_QUALITY} to {MOST_QUALITY}, below COMRAT is a type; got {quality}"
            )
        return {} if quality is None else {"COMRAT": f"{quality:04.1f}"}
    return {"COMRAT": _rate(bits, ratio)}


def _rate(bits: int, ratio: float | None) -> str:
    if ratio is None:
        return "N1.0"
    if not 1 < ratio <= 1000:
        raise EncodeError(f"ratio of JPEG 2000 is above 1 and at most 1000, got {ratio}; leave it out for lossless")
    return f"{max(bits / ratio, 0.01):05.2f}"
