"""The header of an image file, by whichever reader opens it.

GDAL is asked first, and its answer counts: it places images on the ground. What
it does not open and blocks serve is what the file's own fields say
(:mod:`~stacchip_osml.imagery.nitf.said`), so whatever is read is indexed.
"""

from __future__ import annotations

from collections.abc import Callable

from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.imagery.header import ImageHeader
from stacchip_osml.imagery.limits import FetchLimits, ReadLimits

__all__ = ["read_header"]


def read_header(
    location: str,
    *,
    sign: Callable[[str], str] | None = None,
    sidecars: bool = False,
    limits: ReadLimits | None = None,
    fetch: FetchLimits | None = None,
) -> ImageHeader:
    """Read everything an image says of itself except its pixels.

    Args:
        location: absolute path, or ``http(s)://``, ``s3://``, ``gs://``, ``az://`` URL, unsigned.
        sign: turns ``location`` into what is really opened.
        sidecars: also believe the files next to it.
        limits: refused above these; None for the defaults.
        fetch: how long and how often a server is asked; None for the defaults.

    Raises:
        ReadError: no location that is served, no such file, no image that is read, or not given by its server.
        LimitError: it is larger than ``limits``.
    """
    return BlockImage(location, sign=sign, sidecars=sidecars, limits=limits, fetch=fetch).header
