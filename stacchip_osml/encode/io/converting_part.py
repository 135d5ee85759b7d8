"""A part of an image file as a file of its own: a window of it, some bands, a smaller size, a picture for people.

What is asked for is cut as one chip, by the chip factory: it knows its place,
and a chip of a NITF file carries its parent's metadata on, told of the window.
It is made in memory; what is larger than a reader takes on is refused.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stacchip_osml.chain import ProcessingChain
from stacchip_osml.encode.atomic import atomic_file
from stacchip_osml.encode.factory import ChipFactory
from stacchip_osml.encode.io.assets import ImageAsset
from stacchip_osml.encode.io.converting import Conversion, left_out_of, require_image
from stacchip_osml.encode.io.converting_options import encoder_options, nitf_hints
from stacchip_osml.encode.io.format_names import format_of_name, format_of_path
from stacchip_osml.encode.io.opening import IO
from stacchip_osml.encode.io.places import header_of, lost_crs
from stacchip_osml.encode.io.targets import local_path
from stacchip_osml.encode.palette import lost_colors
from stacchip_osml.errors import EncodeError, WindowError
from stacchip_osml.imagery.display.picture import color_table_of
from stacchip_osml.imagery.providers.facts import dtype_of
from stacchip_osml.pixel import ImageSize
from stacchip_osml.pixel.counts import whole_number

if TYPE_CHECKING:
    from stacchip_osml.encode.io.format_names import DatasetFormat

__all__ = ["Part", "convert_part"]

LARGEST_SCALE = 16.0
"""Pixels of the part a pixel of the image, along each side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What of an image is wanted; nothing said is all of it."""

    window: tuple[float, float, float, float] | None = None
    """x, y, width, height in full-resolution pixels, inside the image."""
    level: int = 0
    """Stored level whose pixel size the part has."""
    scale: float = 1.0
    """Pixels of the part a pixel of ``level``, along each side."""
    bands: tuple[int, ...] | None = None
    """0-based, in the order wanted."""
    display: bool = False
    """Stretch to eight bits, colours where the image tells them."""

    @property
    def is_whole(self) -> bool:
        """Whether nothing of the image is to change."""
        return self == Part()


def convert_part(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    part: Part,
    *,
    format: str | None = None,  # noqa: A002 - the documented name
    image: str | None = None,
    compression: str | None = None,
    quality: float | None = None,
    ratio: float | None = None,
    drop_marking: bool = False,
    drop_crs: bool = False,
    dry_run: bool = False,
    workers: int = 1,
) -> Conversion:
    """Write a part of an image as a file.

    Args:
        source: a local path, or an ``http(s)://``, ``s3://``, ``gs://`` or ``az://`` URL.
        target: a local path, written whole or not at all.
        part: what is wanted.
        format: of the target; what its ending says by default.
        image: key of the image; None for ``image:0``.
        compression: as ``convert`` of a whole image takes it.
        quality: as there.
        ratio: as there.
        drop_marking: let a security marking be lost where the new format has none.
        drop_crs: let a CRS be lost that GeoTIFF's keys cannot say exactly; the transform or the points stay.
        dry_run: say what would be done; write nothing, read no pixel.
        workers: threads that decode.

    Raises:
        EncodeError: the format cannot carry the part, an option, the marking or the CRS, or there is no such band or
            level in the image.
        WindowError: the window leaves the image.
        ChainError: an image that cannot be shown.
        LimitError: the part is too large to be made in memory.
        ReadError: the source cannot be read.
        ChipError: the file system refused.
    """
    workers = whole_number("workers", workers, least=1)
    place = local_path(os.fspath(target))
    kind = format_of_path(place) if format is None else format_of_name(format)
    with IO.open(source) as dataset:
        key = image or "image:0"
        require_image(dataset, key)
        asset = dataset.get_asset(key)
        left_out = left_out_of(dataset, [asset], [key], kind, drop_marking=drop_marking)
        if part.display:  # its colours are shown
            left_out = [each for each in left_out if each != "colour table"]
        elif color_table_of(asset) is not None and "colour table" not in left_out:
            header = header_of(asset)
            has_holes = header is not None and header.mask != "none"
            left_out += lost_colors(kind.name, dtype_of(asset), has_holes=has_holes)
        lost = lost_crs(asset, kind, keeps_tags=False) if drop_crs else None
        left_out += [] if lost is None else [f"CRS {lost}"]
        window, size = _extent(asset, part)
        provider = _shown(asset.source, part)
        chain = None if dry_run and part.display else _chain(provider, part)
        factory = ChipFactory(
            provider,
            output_format="geotiff" if kind.name == "tiff" else kind.name,
            processing_chain=chain,
            partial="refuse",
            threads=workers,
            format_options={
                **_format_options(kind, compression=compression, quality=quality, ratio=ratio),
                **({} if lost is None else {"drop_crs": True}),
            },
            metadata_overrides=nitf_hints(
                kind, compression=compression, quality=quality, ratio=ratio, block=None, images=[asset]
            ),
        )
        done = Conversion(
            source_format=dataset.format,
            format=kind.name,
            keys=(key,),
            left_out=tuple(left_out),
            images=({"key": key, "width": size.width, "height": size.height, **_pixels(asset, part, chain)},),
        )
        if dry_run:
            return done
        data = factory.create_chip(window, size)
    if data is None:
        raise EncodeError(f"{key} stores no pixel in window {', '.join(f'{side:g}' for side in window)}")
    with atomic_file(place) as file:
        file.write(data)
    return done


def _extent(asset: ImageAsset, part: Part) -> tuple[tuple[float, float, float, float], ImageSize]:
    """Give the window, and the size that the part has."""
    whole = ImageSize(asset.num_columns, asset.num_rows)
    x, y, width, height = window = part.window or (0.0, 0.0, float(whole.width), float(whole.height))
    count = asset.num_resolution_levels
    if x < 0 or y < 0 or x + width > whole.width or y + height > whole.height:
        raise WindowError(f"{asset.key} has {whole.width} x {whole.height} pixels, and the window (--window) leaves it")
    if part.bands is not None and not all(0 <= band < asset.num_bands for band in part.bands):
        raise EncodeError(f"{asset.key} has bands 0 to {asset.num_bands - 1} (--bands)")
    if not 0 <= part.level < count:
        stored = f"levels 0 to {count - 1}" if count > 1 else "level 0 alone"
        raise EncodeError(
            f"{asset.key} has no level {part.level} (--level): it stores {stored}; any other size is a scale= (--scale)"
        )
    if not 0.0 < part.scale <= LARGEST_SCALE:
        raise EncodeError(f"a scale (--scale) is above 0 and at most {LARGEST_SCALE:g}, got {part.scale:g}")
    smaller = asset.level_grid(part.level).size
    sides = (
        width * smaller.width / whole.width * part.scale,
        height * smaller.height / whole.height * part.scale,
    )
    return window, ImageSize(*(max(round(side), 1) for side in sides))


def _shown(provider: Any, part: Part) -> Any:
    """Give what the picture is made of: complex pixels are shown by their brightness."""
    from stacchip_osml.imagery import is_complex, load_complex_remap

    if not part.display or not is_complex(provider):
        return provider
    if part.bands is not None:
        raise EncodeError("complex pixels are shown by their brightness, not by bands (--bands)")
    return load_complex_remap(provider)


def _chain(provider: Any, part: Part) -> ProcessingChain | None:
    from stacchip_osml.imagery import DisplayChainFactory

    if part.display:
        return DisplayChainFactory.build(provider, band_selection=part.bands)
    if part.bands is None:
        return None
    dtype = provider.pixel_value_type
    to_numpy = getattr(dtype, "to_numpy_dtype", None)
    return ProcessingChain(
        steps=(),
        output_bands=len(part.bands),
        output_dtype=dtype if to_numpy is None else to_numpy(),
        input_bands=part.bands,
    )


def _pixels(asset: ImageAsset, part: Part, chain: ProcessingChain | None) -> dict[str, Any]:
    """Say what bands and type come out; of a picture that was not made, how many are not known."""
    if chain is not None:
        return {"bands": chain.output_bands, "dtype": str(chain.output_dtype)}
    if part.display:
        return {"bands": None if part.bands is None else len(part.bands), "dtype": "uint8"}
    return {"bands": asset.num_bands, "dtype": asset.pixel_value_type.to_numpy_dtype()}


def _format_options(
    kind: DatasetFormat, *, compression: str | None, quality: float | None, ratio: float | None
) -> dict[str, Any]:
    """Give the options of a chip's encoder."""
    options = encoder_options(kind, compression=compression, quality=quality, ratio=ratio, block=None)
    if kind.name in {"jp2", "j2k", "jph", "jhc"}:
        wanted, is_high = options.pop("high_throughput", None), kind.name in {"jph", "jhc"}
        if wanted is not None and wanted != is_high:
            other = {"jp2": "jph", "j2k": "jhc", "jph": "jp2", "jhc": "j2k"}[kind.name]
            raise EncodeError(f"a part compressed as {compression} is a .{other}, not a .{kind.name}")
    return {name: value for name, value in options.items() if value is not None}
