"""Complex images as providers of brightness: what is complex, how it is encoded, and its remap.

SICD files arrive as two bands of numbers; what these are is said by the SICD
XML, or by the bands' ISUBCAT.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.chain.complex import (
    ROLE_AMPLITUDE_INDEX,
    ROLE_IMAGINARY,
    ROLE_MAGNITUDE,
    ROLE_PHASE,
    ROLE_REAL,
    decode_to_iq,
    require_interpretation,
)
from stacchip_osml.chain.complex_remaps import REMAPS, WHOLE_IMAGE, Remap
from stacchip_osml.errors import ChainError
from stacchip_osml.imagery.adapters.mapped import MappedImageProvider
from stacchip_osml.imagery.adapters.tile_cache import TileCache
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.imagery.display.picture import picture_of
from stacchip_osml.imagery.display.sicd_pixels import parse_sicd_pixels, read_sicd_xml
from stacchip_osml.imagery.gdal.image import GdalImage
from stacchip_osml.imagery.providers.facts import dtype_of, key_of
from stacchip_osml.imagery.providers.protocol import Pixels
from stacchip_osml.imagery.statistics import compute_image_statistics
from stacchip_osml.pixel.arguments import of_kind

__all__ = ["ComplexRemapFactory", "is_complex", "load_complex_remap", "measure_complex_remap"]

Interpretation = tuple[tuple[str, ...] | None, NDArray[np.float64] | None]
"""Roles of the bands (None: complex by themselves), and the amplitude table."""

PIXEL_TYPES = {
    "RE32F_IM32F": ("float32", (ROLE_REAL, ROLE_IMAGINARY)),
    "RE16I_IM16I": ("int16", (ROLE_REAL, ROLE_IMAGINARY)),
    "AMP8I_PHS8I": ("uint8", (ROLE_AMPLITUDE_INDEX, ROLE_PHASE)),
}
"""SICD's PixelType → type of the bands, and what they hold (NGA.STND.0024-1, ImageData)."""
SUBCATEGORIES = {"I": ROLE_REAL, "Q": ROLE_IMAGINARY, "M": ROLE_MAGNITUDE, "P": ROLE_PHASE}
"""A NITF band's ISUBCAT (MIL-STD-2500C, table A-3) → what it holds."""
BINS = 65_536
"""Of the histogram that the changeover of NRL is read from."""


def is_complex(source: Any) -> bool:
    """Tell whether an image's pixels are complex numbers, by definite signs alone.

    Those are: a complex type; ICAT ``SARIQ``; bands of ISUBCAT ``I`` and ``Q``; of ``M`` and ``P`` where ICAT is
    ``SAR`` or ``ISAR``; IREP ``POLAR`` where ICAT is ``SAR``. ICAT ``SAR`` alone says nothing: pictures made of radar
    images have it too.

    Args:
        source: any object of the image provider protocol.
    """
    return picture_of(source).is_complex


class ComplexRemapFactory:
    """Builds providers of one band of brightness over complex images."""

    @staticmethod
    def build(
        source: Any,
        band_interpretation: Sequence[str] | None = None,
        amplitude_table: NDArray[Any] | None = None,
        remap: str | Remap = "quarter_power",
        cache: TileCache | None = None,
        *,
        settings: Mapping[str, float] | None = None,
    ) -> MappedImageProvider:
        """Show a complex image through a remap.

        Args:
            source: any object of the image provider protocol.
            band_interpretation: a role for each band; None: complex pixels, or two bands, real and imaginary part.
            amplitude_table: length for each index, where a band is ``amplitude_index``; None elsewhere.
            remap: a name of :data:`stacchip_osml.chain.REMAPS`, or a function from ``(2, rows, cols)`` float32, real
                and imaginary part, to ``(1, rows, cols)`` float32.
            cache: keeps results; None for nothing.
            settings: of the remap. What depends on the whole image (:data:`stacchip_osml.chain.WHOLE_IMAGE`) has to be
                among them, or every block would be stretched by itself; :func:`measure_complex_remap` measures it.

        Returns:
            One band of float32, 0 where pixels are not finite and where none are stored.

        Raises:
            ChainError: (a ValueError) roles, table, remap and settings contradict each other or the image.
        """
        dtype, count = dtype_of(source), int(source.num_bands)
        try:
            roles = require_interpretation(count, dtype, band_interpretation, amplitude_table)
        except ChainError as error:
            raise ChainError(f"{key_of(source)}: {error}") from error
        table = None if amplitude_table is None else np.array(amplitude_table, np.float64)
        function = _Remapped(roles, table, _remap_of(remap), _settings_of(remap, settings))
        return MappedImageProvider(
            source,
            function,
            cache,
            name="complex_remap",
            num_bands=1,
            pixel_value_type=np.dtype(np.float32),
            pad_pixel_value=0.0,
        )


def load_complex_remap(
    reader: GdalImage | BlockImage | Any,
    asset_key: str | None = None,
    remap: str | Remap = "quarter_power",
    cache: TileCache | None = None,
    *,
    settings: Mapping[str, float] | None = None,
) -> MappedImageProvider:
    """Find out how an image file encodes complex pixels, and show it through a remap.

    The SICD XML says so (PixelType, AmpTable); where a file has none, its pixels' type or its bands' ISUBCAT do.

    Args:
        reader: an image file, of which the first image segment is shown; or a dataset reader (of ``IO.open``).
        asset_key: of the dataset's image; None for its first. An image file holds one, of its own key.
        remap: as in :meth:`ComplexRemapFactory.build`.
        cache: as there.
        settings: as there.

    Raises:
        ChainError: (a ValueError) nothing tells what the bands are, or it contradicts the pixels.
        DecodeError: the SICD XML is damaged or refused.
        LimitError: it is larger than any SICD's.
        ReadError: the file could not be read.
    """
    of_kind("asset_key", asset_key, (str, type(None)), "the key of an image or None")
    if hasattr(reader, "get_asset"):
        image, xml = _of_dataset(reader, asset_key)
        roles, table = _interpretation(image, lambda: xml)
        return ComplexRemapFactory.build(image, roles, table, remap, cache, settings=settings)
    if asset_key is not None and asset_key != key_of(reader):
        raise ChainError(f"{key_of(reader)}: has no image {asset_key!r}")
    roles, table = _interpretation(reader, lambda: read_sicd_xml(_file_of(reader).read_at, name=key_of(reader)))
    return ComplexRemapFactory.build(reader, roles, table, remap, cache, settings=settings)


def measure_complex_remap(
    source: Any,
    remap: str,
    *,
    band_interpretation: Sequence[str] | None = None,
    amplitude_table: NDArray[Any] | None = None,
    level: int = 0,
) -> dict[str, float]:
    """Measure what a remap has to know of the whole image: its ``settings``.

    Args:
        source: any object of the image provider protocol, with complex pixels; or what a factory built of it with the
            remap ``magnitude``.
        remap: a name of :data:`stacchip_osml.chain.REMAPS`.
        band_interpretation: as in :meth:`ComplexRemapFactory.build`.
        amplitude_table: as there.
        level: resolution level that is read, in full; 0 is full resolution.

    Returns:
        Empty where the remap needs nothing. Magnitudes of exactly 0 are no measurements here (they are what padding
        is made of); NRL's changeover comes from a histogram of 65,536 bins.

    Raises:
        ChainError: (a ValueError) an unknown remap, or no pixel to measure.
        ReadError: as the provider raises.
    """
    _remap_of(of_kind("remap", remap, str, "the name of a remap"))
    wanted = WHOLE_IMAGE.get(remap, ())
    if not wanted:
        return {}
    lengths = source
    if not (isinstance(source, MappedImageProvider) and isinstance(source.func, _Remapped)):
        lengths = ComplexRemapFactory.build(source, band_interpretation, amplitude_table, "magnitude")
    found = compute_image_statistics(lengths, num_bins=BINS, force_recompute=True, level=level, nodata=0.0)
    if found is None or not found.bands[0].count:
        raise ChainError(f"{key_of(source)}: no pixel to measure")
    band = found.bands[0]
    numbers = {"data_mean": band.mean, "minimum": band.min, "maximum": band.max}
    if "changeover" in wanted:
        passed = np.cumsum(band.histogram)
        place = int(np.searchsorted(passed, 0.99 * passed[-1]))
        numbers["changeover"] = min(max(float(band.bin_edges[place + 1]), band.min), band.max)
    return {name: float(numbers[name]) for name in wanted}


class _Remapped:
    """From stored blocks to brightness; one of its own for each provider, so that caches tell them apart."""

    def __init__(
        self,
        roles: tuple[str, ...] | None,
        table: NDArray[np.float64] | None,
        remap: Callable[..., Pixels],
        settings: Mapping[str, float],
    ) -> None:
        self.roles, self.table, self.remap, self.settings = roles, table, remap, dict(settings)

    def __call__(self, pixels: Pixels) -> Pixels:
        return self.remap(decode_to_iq(pixels, self.roles, self.table), **self.settings)


def _remap_of(remap: str | Remap) -> Remap:
    if callable(remap):
        return remap
    if of_kind("remap", remap, str, "a function or the name of a remap") not in REMAPS:
        raise ChainError(f"unknown remap {remap!r}; expected one of {', '.join(REMAPS)}, or a function")
    return REMAPS[remap]


def _settings_of(remap: str | Remap, settings: Mapping[str, float] | None) -> dict[str, float]:
    given = dict(of_kind("settings", {} if settings is None else settings, Mapping, "names and numbers, or None"))
    if not isinstance(remap, str):
        return given
    known = REMAPS[remap].__kwdefaults__ or {}
    for name in given:
        if name not in known:
            raise ChainError(f"the remap {remap!r} has no setting {name!r}; it has {', '.join(known) or 'none'}")
    missing = [name for name in WHOLE_IMAGE.get(remap, ()) if given.get(name) is None]
    if missing:
        raise ChainError(
            f"the remap {remap!r} needs {', '.join(missing)} of the whole image; measure_complex_remap measures it"
        )
    REMAPS[remap](np.zeros((2, 0, 0), np.float32), **given)
    return given


def _of_dataset(reader: Any, asset_key: str | None) -> tuple[Any, bytes | None]:
    """Find an image of a dataset, and its SICD XML: a data extension that names the namespace (NGA.STND.0024-2)."""
    keys = [str(key) for key in reader.get_asset_keys()]
    images = [key for key in keys if key.startswith("image:")]
    if not images or (asset_key is not None and asset_key not in keys):
        raise ChainError(f"the dataset has no image {asset_key or ''!r}; it has {', '.join(images) or 'none'}")
    for asset in (reader.get_asset(key) for key in keys if key.startswith("des:")):
        header = str(asset.metadata.get("DESSHF", "")) + str(asset.metadata.get("DESID", ""))
        if "urn:SICD:" in header or "SICD_XML" in header:
            return reader.get_asset(asset_key or images[0]), bytes(asset.data)
    return reader.get_asset(asset_key or images[0]), None


def _interpretation(image: Any, read_xml: Callable[[], bytes | None]) -> Interpretation:
    """Find what an image says of its bands, in its SICD XML first."""
    name, dtype = key_of(image), dtype_of(image)
    if dtype.kind == "c":
        return None, None
    xml = read_xml()
    if xml is not None:
        said = parse_sicd_pixels(xml, name=name)
        if said.pixel_type not in PIXEL_TYPES:
            raise ChainError(f"{name}: unknown SICD PixelType {said.pixel_type[:40]!r}")
        expected, roles = PIXEL_TYPES[said.pixel_type]
        if dtype.name != expected or image.num_bands != 2:
            raise ChainError(f"{name}: {said.pixel_type} is two bands of {expected}, not {image.num_bands} of {dtype}")
        if ROLE_AMPLITUDE_INDEX not in roles:
            return roles, None
        if said.amplitude_table is None:  # amplitudes are stored as they are (NGA.STND.0024-1, ImageData)
            return (ROLE_MAGNITUDE, ROLE_PHASE), None
        return roles, said.amplitude_table
    told = [SUBCATEGORIES.get((word or "").strip()) for word in picture_of(image).subcategories]
    if not is_complex(image) or not told or None in told:
        raise ChainError(f"{name}: nothing tells what its {image.num_bands} bands of {dtype} are (no SICD, no ISUBCAT)")
    return tuple(role for role in told if role is not None), None


def _file_of(image: GdalImage | BlockImage) -> Any:
    """Give the file's bytes."""
    of_kind("reader", image, (BlockImage, GdalImage), "an image file or a dataset reader")
    if isinstance(image, BlockImage):
        return image.file
    return BlockImage(image.location, sign=image.sign, expect=image.expect, limits=image.limits).file
