"""Any readable image as a file of another format, or of the same, block by block.

Rules:

- NITF to NITF or NSIF keeps everything: all segments, TREs and markings; image
  data that is not asked to change is copied byte for byte;
- every other conversion is of one image. What the new format has no place for is
  listed, never lost without a word; a security marking, and a CRS that GeoTIFF and JP2
  cannot say exactly, are not left behind unless told to.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NoReturn

from stacchip_osml.encode.io.absent_blocks import lost_absence, masked_hints
from stacchip_osml.encode.io.assets import ImageAsset
from stacchip_osml.encode.io.converting_options import encoder_options, nitf_hints
from stacchip_osml.encode.io.format_names import DatasetFormat, format_of_name, format_of_path
from stacchip_osml.encode.io.kinds import AssetType
from stacchip_osml.encode.io.losses import JPEG, JPEG2000
from stacchip_osml.encode.io.metadata import BufferedMetadataProvider
from stacchip_osml.encode.io.opening import IO
from stacchip_osml.encode.io.places import WithoutCrs, header_of, lost_crs, place_of
from stacchip_osml.encode.io.reader import DatasetReader
from stacchip_osml.encode.io.targets import as_target
from stacchip_osml.encode.io.writer import DatasetWriter
from stacchip_osml.encode.jpeg2000.markers import is_tile_side
from stacchip_osml.encode.nitf.pixels_blocking import LONGEST_SIDE
from stacchip_osml.encode.palette import holds_colors
from stacchip_osml.errors import ChipError, EncodeError
from stacchip_osml.imagery.adapters.view import ProviderView
from stacchip_osml.imagery.display.palettes import has_color_table
from stacchip_osml.imagery.display.picture import color_table_of
from stacchip_osml.imagery.providers.facts import dtype_of
from stacchip_osml.pixel import ImageSize
from stacchip_osml.pixel.counts import whole_number

__all__ = ["Conversion", "convert", "left_out_of", "require_image"]

WITHOUT_ALPHA = {"nitf", "nsif", "j2k", "jhc", "jpeg"}
"""Formats that do not say which band is alpha."""
CODED_SO = ("IC", "COMRAT", "IMODE", "J2KLRA")
"""Fields and TREs that say how an image is coded, and say nothing of one that is coded anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """What a conversion does, or would do."""

    source_format: str
    format: str
    keys: tuple[str, ...]
    """Of the source's assets that are written."""
    left_out: tuple[str, ...]
    """What the new format has no place for."""
    images: tuple[Mapping[str, Any], ...]
    """Key, width, height, bands and type of each image."""


def convert(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    format: str | None = None,  # noqa: A002 - the documented name
    image: str | None = None,
    compression: str | None = None,
    quality: float | None = None,
    ratio: float | None = None,
    block_size: tuple[int, int] | None = None,
    cog: bool = False,
    overviews: int | None = None,
    drop_marking: bool = False,
    drop_crs: bool = False,
    dry_run: bool = False,
    workers: int = 1,
    progress: Callable[..., object] | None = None,
) -> Conversion:
    """Write an image file anew.

    Args:
        source: a local path, or an ``http(s)://``, ``s3://``, ``gs://`` or ``az://`` URL.
        target: a local path, written whole or not at all; it may be the source's.
        format: of the target; what its ending says by default.
        image: key of the one image that is wanted; by default all of NITF to NITF, else ``image:0``.
        compression: as :func:`imsave` takes it; None keeps NITF's own, and is the format's default otherwise.
        quality: as :func:`imsave` takes it.
        ratio: as :func:`imsave` takes it.
        block_size: ``(width, height)`` of tiles or blocks.
        cog: lay a TIFF out as COG.
        overviews: levels that a TIFF is to have; None: as many as a COG needs, none otherwise.
        drop_marking: let a security marking be lost where the new format has none.
        drop_crs: let a CRS be lost that GeoTIFF's keys cannot say exactly; the transform or the points stay.
        dry_run: say what would be done; write nothing, read no pixel.
        workers: threads that encode.
        progress: is told what is done and what there is.

    Raises:
        EncodeError: the new format cannot carry the image, an option, the marking or the CRS.
        ReadError: the source cannot be read.
        ChipError: the file system refused.
        ValueError: ``workers`` is less than 1.
    """
    workers = whole_number("workers", workers, least=1)
    place = as_target(target)
    kind = format_of_path(str(place)) if format is None else format_of_name(format)
    with IO.open(source) as dataset:
        keys = _keys(dataset, kind, image)
        images = [dataset.get_asset(key) for key in keys if key.startswith("image:")]
        left_out = left_out_of(dataset, images, keys, kind, drop_marking=drop_marking)
        lost = [crs for each in images if drop_crs and (crs := lost_crs(each, kind)) is not None]
        left_out += [f"CRS {crs}" for crs in lost]
        options = encoder_options(kind, compression=compression, quality=quality, ratio=ratio, block=block_size)
        if kind.name == "tiff":
            options |= {"layout": "cog"} if cog else {}
            options |= {} if overviews is None else {"overviews": overviews}
        elif cog or overviews is not None:
            raise EncodeError(f"{kind.name} has no overviews here, and is no COG: write .tif")
        hints = nitf_hints(kind, compression=compression, quality=quality, ratio=ratio, block=block_size, images=images)
        is_nitf = dataset.format in {"nitf", "nsif"}
        if kind.driver != "NITF":
            left_out += [each for image in images for each in lost_absence(image, kind)]
        elif hints or not is_nitf:  # else image data is copied
            masked, unsaid = masked_hints(images, hints, compression=compression, is_nitf=is_nitf)
            hints, left_out = hints | masked, left_out + unsaid
        if "IC" in hints:
            left_out += [f"TRE J2KLRA of {each.key}" for each in images if "J2KLRA" in each.metadata]

        def written(asset: Any) -> Any:
            return _as_written(asset, kind, dataset.format, hints, has_crs=not lost)

        done = Conversion(
            source_format=dataset.format,
            format=kind.name,
            keys=tuple(keys),
            left_out=tuple(left_out),
            images=tuple(_told(each) for each in images),
        )
        if dry_run:
            if not _is_nitf_to_nitf(dataset, kind):  # else its data may be copied
                _require_writable(written(images[0]), kind, options)
            return done
        with DatasetWriter([place], kind, workers=workers, progress=progress, options=options) as writer:
            if _is_nitf_to_nitf(dataset, kind):
                writer.metadata = dataset.metadata
            for key in keys:
                asset = dataset.get_asset(key)
                writer.add_asset(key, written(asset), roles=["data"])
    return done


class _PixelsReachedError(ChipError):
    """A writer asks for pixels: it has refused nothing."""


class _Unread(ProviderView):
    """An image whose pixels are not read."""

    def get_block(self, *_: Any, **__: Any) -> NoReturn:
        """Tell that pixels are asked for."""
        raise _PixelsReachedError("pixels are asked for")

    read = get_block

    def has_block(self, *_: Any, **__: Any) -> bool:
        """Say that there are pixels, so that a writer comes to the first."""
        return True


def _require_writable(asset: ImageAsset, kind: DatasetFormat, options: Mapping[str, Any]) -> None:
    """Refuse what a format's writer refuses before it reads pixels, by having it write to memory until it does.

    Raises:
        EncodeError: the format cannot carry the image, or has no such option.
    """
    unread = ImageAsset(_Unread(asset.source), key=asset.key, metadata=asset.metadata)
    with suppress(_PixelsReachedError), DatasetWriter([io.BytesIO()], kind, options=options) as writer:
        writer.add_asset(asset.key, unread, roles=["data"])


def _keys(dataset: DatasetReader, kind: DatasetFormat, image: str | None) -> list[str]:
    """Choose the assets to be written."""
    if image is not None:
        require_image(dataset, image)
        return [image]
    keys = dataset.get_asset_keys()
    if _is_nitf_to_nitf(dataset, kind):
        return keys
    if "image:0" not in keys:
        raise EncodeError("there is no image in it")
    return ["image:0"]


def require_image(dataset: DatasetReader, key: str) -> None:
    """Refuse the key of what is no image of a dataset.

    Raises:
        EncodeError: naming those that there are.
    """
    keys = dataset.get_asset_keys(AssetType.Image)
    if key not in keys:
        others = f" {key!r} in it; there are {', '.join(keys)}" if keys else " in it"
        raise EncodeError(f"there is no image{others}")


def _is_nitf_to_nitf(dataset: DatasetReader, kind: DatasetFormat) -> bool:
    """Tell whether all of a file has a place in the new one."""
    return kind.driver == "NITF" and dataset.format in {"nitf", "nsif"}


def left_out_of(
    dataset: DatasetReader, images: list[ImageAsset], keys: list[str], kind: DatasetFormat, *, drop_marking: bool
) -> list[str]:
    """List what the new format has no place for; EncodeError where that is a marking that must not be lost."""
    others = [key for key in dataset.get_asset_keys() if key not in keys and ":overview:" not in key]
    is_copied = _is_nitf_to_nitf(dataset, kind)
    for image in images:
        if kind.name != "tiff" and (header := header_of(image)) is not None:
            others += _unsaid(header, kind)
        if kind.driver == "NITF" and not is_copied and not _has_place_in_nitf(image):
            others.append("its place on the ground")
        if not is_copied and has_color_table(image):
            if not _keeps_table(image, kind):
                others.append("colour table")
            elif kind.name == "png":  # has a transparent entry
                others = [each for each in others if each != "nodata"]
    if kind.driver == "NITF":
        return others
    (image,) = images
    marks = {name: str(each.get(name, "U")).strip() or "U" for name, each in _marked(dataset, image)}
    marked = [f"{name} {mark}" for name, mark in marks.items() if mark != "U"]
    if marked and not drop_marking:
        raise EncodeError(
            f"{image.key} is marked {', '.join(marked)}, and {kind.name} has no place for a marking: write .ntf, or "
            "drop it with drop_marking= (--drop-marking)"
        )
    others += [f"marking {mark}" for mark in marked]
    if dataset.format in {"nitf", "nsif"}:
        tres = [key for key in image.metadata if not isinstance(image.metadata[key], str)]
        others += [f"TRE {tag}" for tag in tres]
        others += [f"file TRE {key}" for key in dataset.metadata if not isinstance(dataset.metadata[key], str)]
    if kind.name in {"png", "jpeg", "j2k", "jhc"} and place_of(image, image.metadata) is not None:
        others.append("its place on the ground")
    return others


def _has_place_in_nitf(image: ImageAsset) -> bool:
    """Tell whether NITF can say where an image lies, or there is nothing to say."""
    from stacchip_osml.encode.io.nitf_places import nitf_place

    placement = place_of(image, {})
    size = ImageSize(image.num_columns, image.num_rows)
    return placement is None or nitf_place(placement, size) is not None


def _keeps_table(image: ImageAsset, kind: DatasetFormat) -> bool:
    """Tell whether a format holds the colour table of an image, which is of one band."""
    return holds_colors(kind.name, dtype_of(image)) and color_table_of(image) is not None


def _unsaid(header: Any, kind: DatasetFormat) -> list[str]:
    """List what a header says that only TIFF has a place for."""
    is_copied = (kind.driver, header.driver) == ("NITF", "NITF")
    colors = [band.color for band in header.bands]
    told = {
        "nodata": any(band.nodata is not None for band in header.bands) and not is_copied,
        "CRS without a transform": header.crs is not None and header.transform is None and not is_copied,
        "alpha": "alpha" in colors and (kind.name in WITHOUT_ALPHA or (kind.name == "png" and not _is_pngs(colors))),
        "mask": header.mask == "mask",
        "scales and offsets": any(band.scale != 1 or band.offset != 0 for band in header.bands),
        "polynomials (RPC)": bool(header.rpcs) and kind.driver != "NITF",
    }
    return [name for name, is_told in told.items() if is_told]


def _is_pngs(colors: list[str]) -> bool:
    """Tell whether alpha is where PNG has it: the last of two or four samples."""
    return colors[-1] == "alpha" and len(colors) in {2, 4}


def _marked(dataset: DatasetReader, image: ImageAsset) -> list[tuple[str, Mapping[str, Any]]]:
    return [("ISCLAS", image.metadata), ("FSCLAS", dataset.metadata)]


def _told(image: ImageAsset) -> Mapping[str, Any]:
    return {
        "key": image.key,
        "width": image.num_columns,
        "height": image.num_rows,
        "bands": image.num_bands,
        "dtype": image.pixel_value_type.to_numpy_dtype(),
    }


def _as_written(asset: Any, kind: DatasetFormat, source_format: str, hints: Mapping[str, str], *, has_crs: bool) -> Any:
    """Give an asset with the metadata that its new file is to be made of."""
    if not isinstance(asset, ImageAsset):
        return asset
    metadata = BufferedMetadataProvider(asset.metadata)
    if kind.driver == "NITF" and source_format not in {"nitf", "nsif"}:
        metadata = BufferedMetadataProvider(hints)
    elif kind.driver == "NITF":
        if "IC" in hints:
            for name in (*CODED_SO, *_sides_not_held(metadata, hints["IC"])):
                with suppress(KeyError):
                    del metadata[name]
        metadata.update(hints)
    elif source_format != "tiff" or kind.name != "tiff":
        metadata = BufferedMetadataProvider()  # how it was coded is not how it is to be
    else:
        for tag in CODING_TAGS:
            metadata.pop(tag, None)
    return ImageAsset(
        asset.source if has_crs else WithoutCrs(asset.source),
        key=asset.key,
        metadata=metadata,
        title=asset.title,
        description=asset.description,
        record=asset.record,
    )


def _sides_not_held(metadata: Mapping[str, Any], ic: str) -> list[str]:
    """List the sides of blocks, of an image that is coded anew, which the new coding cannot have."""
    found = []
    for side, blocks, length in (("NPPBH", "NBPR", "NCOLS"), ("NPPBV", "NBPC", "NROWS")):
        pixels, is_cut, whole = int(metadata[side]), int(metadata[blocks]) > 1, int(metadata[length])
        is_tile = not is_cut or is_tile_side(pixels)
        if (ic in JPEG2000 and not is_tile) or (ic in JPEG2000 + JPEG and (pixels or whole) > LONGEST_SIDE):
            found.append(side)
    return found


CODING_TAGS = ("254", "259", "278", "284", "317", "322", "323", "347", "529", "530", "531", "532")
"""Tags that say how a TIFF is coded; what its pixels mean stays."""
