"""What a chip takes over from its image: name, place, and what its bands mean.

Image files say it in their headers. Adapters that show their pixels, cached,
retiled or smaller, have what they say; one that changes values keeps only the
place. Of any other provider the colours are known where its metadata has them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Complex
from typing import TYPE_CHECKING, Any

from stacchip_osml.chain import BandedPixels
from stacchip_osml.errors import DecodeError, EncodeError, ItemError, LimitError, redact
from stacchip_osml.imagery.adapters.mapped import MappedImageProvider
from stacchip_osml.imagery.adapters.view import ProviderView
from stacchip_osml.imagery.display.picture import picture_of
from stacchip_osml.imagery.header import ImageHeader
from stacchip_osml.imagery.level_places import FULL_RESOLUTION
from stacchip_osml.imagery.providers.block_grid import level_grid
from stacchip_osml.imagery.providers.facts import fact
from stacchip_osml.imagery.providers.protocol import MaskedPixels
from stacchip_osml.imagery.pyramids.levels import place_of
from stacchip_osml.pixel import ImageSize, Transform

if TYPE_CHECKING:
    from stacchip_osml.geometry import Locator, Placing

__all__ = ["SourceFacts", "image_behind", "image_placing", "source_facts"]

Nodata = tuple[float | complex | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFacts:
    """What an image says that its chips repeat."""

    name: str
    size: ImageSize
    """Of full resolution."""
    transform: Transform | None
    """Full-resolution pixel corner (col, row) → CRS (x, y)."""
    crs: str | None
    locator: Locator | None
    """Of an image that has no transform: its sensor model, polynomials or control points."""
    nodata: Nodata
    """One a band."""
    scales: tuple[float, ...]
    offsets: tuple[float, ...]
    names: tuple[str, ...]
    """One a band, empty ones where some have none; none at all where no band has."""
    colors: tuple[str, ...]
    has_masks: bool
    """Whether alpha or a mask band says which pixels are valid."""

    def banded(self, found: MaskedPixels, bands: Sequence[int] | None) -> BandedPixels:
        """Tell a chain what it needs to know of pixels.

        Args:
            found: pixels and their mask.
            bands: that they are of; None for all.
        """

        def of_bands(facts: tuple[Any, ...]) -> tuple[Any, ...]:
            return facts if bands is None or not facts else tuple(facts[band] for band in bands)

        return BandedPixels(
            pixels=found.pixels,
            mask=found.mask,
            scales=of_bands(self.scales),
            offsets=of_bands(self.offsets),
            nodata=of_bands(self.nodata),
            names=of_bands(self.names),
            colors=of_bands(self.colors),
        )


def source_facts(provider: Any, *, nodata: float | complex | Sequence[float | complex | None] | None) -> SourceFacts:
    """Gather what an image says.

    Args:
        provider: full resolution, any object of the image provider protocol.
        nodata: value of pixels that hold nothing, in all bands or a value for each; None for what the image says.
    """
    count = int(provider.num_bands)
    header, keeps_values = _header_of(provider)
    own = header if keeps_values and header is not None and len(header.bands) == count else None
    transform, crs, locator = (None, None, None) if header is None else _place(provider, header)
    bands = () if own is None else own.bands
    names = tuple(band.description or "" for band in bands)
    return SourceFacts(
        name=redact(str(fact(provider, "title") or fact(provider, "key"))),
        size=level_grid(provider).image_size,
        transform=transform,
        crs=crs,
        locator=locator,
        nodata=_nodata(provider, nodata, own, count),
        scales=tuple(band.scale for band in bands) or (1.0,) * count,
        offsets=tuple(band.offset for band in bands) or (0.0,) * count,
        names=names if any(names) else (),
        colors=tuple(band.color for band in bands) if own is not None else _told_colors(provider),
        has_masks=own is not None and own.mask in {"alpha", "mask"},
    )


def image_behind(provider: Any) -> tuple[Any, bool]:
    """Look through views whose pixels lie where their source's do.

    Returns:
        The image behind them; and whether a view may show other values than its.
    """
    is_changed = False
    while isinstance(provider, ProviderView):
        if level_grid(provider).image_size != level_grid(provider.source).image_size:
            break
        is_changed |= not vars(type(provider)).get("shows_source", False)
        provider = provider.source
    return provider, is_changed


def _header_of(provider: Any) -> tuple[ImageHeader | None, bool]:
    """Give the header of the file behind a provider, and whether the values are the file's."""
    keeps_values = True
    while isinstance(provider, ProviderView):
        keeps_values &= not isinstance(provider, MappedImageProvider)
        provider = provider.source
    header = getattr(provider, "header", None)
    return (header if isinstance(header, ImageHeader) else None), keeps_values


def _place(provider: Any, header: ImageHeader) -> tuple[Transform | None, str | None, Locator | None]:
    """Give the place of a provider's pixels, which may be larger than those of the file."""
    place = place_of(provider)
    if place is None:
        place = FULL_RESOLUTION if level_grid(provider).image_size == header.size else None
    if place is None:
        return None, None, None
    transform, crs, locator = header.transform, header.crs, None
    if header.driver == "NITF" or transform is None or crs is None:
        try:
            placing = image_placing(provider, header)
        except (ItemError, LimitError, DecodeError):
            return None, None, None  # what should place the image is damaged: the pixels are good, and have no place
        if placing is not None:
            transform, crs, locator = placing.transform, placing.crs, placing.locator
    if transform is None:
        return None, None, locator if place == FULL_RESOLUTION else None
    a, b, c, d, e, f = transform
    corner = a * place.x + b * place.y + c, d * place.x + e * place.y + f
    return (a * place.dx, b * place.dy, corner[0], d * place.dx, e * place.dy, corner[1]), crs, None


def image_placing(provider: Any, header: ImageHeader) -> Placing | None:
    """Decide what places the file behind a provider; a NITF file's headers say more than GDAL's.

    Raises:
        ItemError: what should place it is wrong.
        LimitError: its metadata is larger than any of its kind.
        ReadError: a NITF file that cannot be read.
    """
    from stacchip_osml.encode.nitf.parent import parent_of
    from stacchip_osml.encode.nitf.segment_image import SegmentImage
    from stacchip_osml.geometry.placing import all_facts, place_image
    from stacchip_osml.geometry.sensor_loading import sensor_facts_of

    while isinstance(provider, ProviderView):
        provider = provider.source
    facts = None
    if header.driver == "NITF":
        facts = sensor_facts_of(parent_of(provider) if isinstance(provider, SegmentImage) else provider)
    return place_image(all_facts(header, facts))


def _nodata(provider: Any, given: Any, header: ImageHeader | None, count: int) -> Nodata:
    if given is not None:
        values = tuple(given) if isinstance(given, (list, tuple)) else (given,) * count
        if any(value is not None and (isinstance(value, bool) or not isinstance(value, Complex)) for value in values):
            raise EncodeError(f"nodata is a number, or a list of one or None for each band, got {given!r:.60}")
        if len(values) != count:
            raise EncodeError(f"{len(values)} nodata values for an image of {count} bands")
        return values
    if header is not None:
        return tuple(band.nodata for band in header.bands)
    return (getattr(provider, "nodata", None),) * count if isinstance(provider, ProviderView) else (None,) * count


def _told_colors(provider: Any) -> tuple[str, ...]:
    colors = picture_of(provider).colors
    return tuple(color or "undefined" for color in colors) if any(colors) else ()
