"""Arrays as GeoTIFF files: what ``imsave`` is asked for, as the TIFF writer takes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, BinaryIO

from stacchip_osml.encode.io.losses import tiff_level
from stacchip_osml.encode.io.save_request import SaveRequest
from stacchip_osml.encode.tiff.image import write_tiff
from stacchip_osml.encode.tiff.levels import holds
from stacchip_osml.errors import EncodeError

__all__ = ["tiff_writer"]

OPTIONS = frozenset(
    (
        *("layout", "level", "predictor", "interleave", "rows_per_strip", "subsampling", "bigtiff", "byteorder"),
        *("rpcs", "color_table", "colors", "band_names", "scales", "offsets", "items", "mask", "overviews"),
        *("resampling", "sparse"),
    )
)
"""Options of :func:`~stacchip_osml.encode.tiff.image.write_tiff` that are passed on."""


def tiff_writer(request: SaveRequest) -> Callable[[BinaryIO], object]:
    """Check a request, and give what writes it.

    Raises:
        EncodeError: an option that GeoTIFF does not have.
    """
    request.require_only(set(OPTIONS))
    options: dict[str, Any] = dict(request.options)
    level = tiff_level(request.compression, quality=request.quality, ratio=request.ratio)
    if level and "level" in options:
        raise EncodeError("quality and level both say how much is lost; give one of them")
    options |= level
    if "subsampling" in options and request.compression != "jpeg":
        raise EncodeError(f"GeoTIFF has subsampling with compression jpeg, not with {request.compression or 'deflate'}")
    dtype = request.pixels.dtype
    if request.nodata is not None and not holds(dtype, complex(request.nodata).real):
        raise EncodeError(
            f"nodata {request.nodata} is no value of {dtype} pixels, so none would be without measurement"
        )
    placement = request.placement
    if placement is not None:
        options |= {"transform": placement.transform, "crs": placement.crs, "gcps": placement.gcps}
    return lambda out: write_tiff(
        out,
        request.provider,
        compression=request.compression,
        tile=request.block,
        bits=request.bits,
        nodata=None if request.nodata is None else [request.nodata] * len(request.pixels),
        metadata=request.metadata,
        workers=request.workers,
        **options,
    )
