"""How a converted image is to be coded, by what is asked for: options of a format's writer, or fields of NITF."""

from __future__ import annotations

from typing import Any

from stacchip_osml.encode.io.assets import ImageAsset
from stacchip_osml.encode.io.format_names import DatasetFormat
from stacchip_osml.encode.io.losses import (
    JPEG,
    JPEG2000,
    NITF_COMPRESSIONS,
    jpeg_quality,
    nitf_rate,
    require_no_quality,
    require_no_ratio,
    tiff_level,
)
from stacchip_osml.errors import EncodeError

__all__ = ["encoder_options", "nitf_hints"]


def encoder_options(
    kind: DatasetFormat,
    *,
    compression: str | None,
    quality: float | None,
    ratio: float | None,
    block: tuple[int, int] | None,
) -> dict[str, Any]:
    """Give the options of a format's writer; of NITF they are metadata."""
    named = None if compression is None else compression.lower()
    if kind.driver == "NITF":
        return {}
    if kind.name == "tiff":
        options: dict[str, Any] = {} if named is None else {"compression": named}
        options |= tiff_level(named, quality=quality, ratio=ratio)
        return options if block is None else {**options, "tile": (block[1], block[0])}
    if kind.name in {"png", "jpeg"}:
        if named not in {None, {"png": "deflate"}.get(kind.name, kind.name)} or block is not None:
            raise EncodeError(f"{kind.name} has one compression and no blocks")
        require_no_ratio(kind.name, ratio, has_quality=kind.name == "jpeg")
        if quality is None:
            return {}
        if kind.name == "png":
            raise EncodeError("png is lossless and has no quality")
        return {"quality": jpeg_quality(quality)}
    if named not in {None, "jpeg2000", "j2k", "htj2k"}:
        raise EncodeError(f"{kind.name} is compressed as jpeg2000 or htj2k, not {named}")
    require_no_quality(kind.name, quality)
    options = {"ratio": ratio}
    if named is not None:
        options["high_throughput"] = named == "htj2k" or kind.name in {"jhc", "jph"}
    return options if block is None else {**options, "tile": (block[1], block[0])}


def nitf_hints(
    kind: DatasetFormat,
    *,
    compression: str | None,
    quality: float | None,
    ratio: float | None,
    block: tuple[int, int] | None,
    images: list[ImageAsset],
) -> dict[str, str]:
    """Say in NITF's fields how images are to be coded."""
    if kind.driver != "NITF":
        return {}
    hints: dict[str, str] = {}
    if compression is not None:
        ic = NITF_COMPRESSIONS.get(compression.lower(), compression.upper())
        hints["IC"] = ic
        bits = max((image.actual_bits_per_pixel for image in images), default=8)
        hints |= nitf_rate(ic, bits, quality=75.0 if quality is None and ic in JPEG else quality, ratio=ratio)
        if ic in JPEG2000:
            hints["IMODE"] = "B"
    elif quality is not None:
        raise EncodeError("quality of NITF needs a compression, jpeg")
    elif ratio is not None:
        raise EncodeError("ratio of NITF needs a compression, jpeg2000 or htj2k")
    if block is not None:
        hints |= {"NPPBH": f"{block[0]:04d}", "NPPBV": f"{block[1]:04d}"}
    return hints
