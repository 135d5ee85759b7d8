"""JPEG 2000 files of chips: a codestream alone, or with boxes that say colours, place and transparency.

Rules: samples are kept exactly unless a ratio is asked for; a mask becomes an
alpha channel where the file has boxes and the chip is a picture, and is refused
otherwise, unless the caller chooses to lose it. A codestream says no place:
a chip that has one is written as such only when the caller says so.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.encode.chip import Chip
from stacchip_osml.encode.chip_place import chip_place
from stacchip_osml.encode.jpeg2000.boxes import write_jp2
from stacchip_osml.encode.jpeg2000.tiles import ArraySource, Jpeg2000Options, array_codestream
from stacchip_osml.encode.palette import whole_table
from stacchip_osml.encode.placement import Placement
from stacchip_osml.encode.tiff.geokeys import sayable_crs
from stacchip_osml.errors import EncodeError

__all__ = ["encode_j2k", "encode_jhc", "encode_jp2", "encode_jph"]

MASKS = ("auto", "alpha", "ignore")
WAY_OUT = "pass mask='ignore', or write GeoTIFF"


def encode_jp2(
    chip: Chip,
    *,
    ratio: float | None = None,
    levels: int | None = None,
    layers: int = 1,
    mask: str = "auto",
    display: bool = False,
    drop_crs: bool = False,
    workers: int = 1,
) -> bytes:
    """Write a chip as JP2 file, with its place.

    Args:
        chip: uint8, uint16 or int16 of any number of bands.
        ratio: raw samples to file, 10 is ten to one; None is lossless.
        levels: of decomposition; None for 5 or what the size allows.
        layers: of quality.
        mask: ``auto`` writes an alpha channel where there are invalid pixels; ``alpha`` always; ``ignore`` never. Alpha
            needs uint8 or uint16 of one or three bands. The file has a colour table of 8-bit values where no alpha is
            written: readers do not take both.
        display: render the chip for the eye first.
        drop_crs: let a CRS be lost that GeoTIFF's keys cannot say exactly; the transform or the points stay.
        workers: threads that encode; the bytes are the same with any number.

    Raises:
        EncodeError: JPEG 2000 cannot hold these pixels, their mask or their place.
    """
    options = Jpeg2000Options(ratio=ratio, levels=levels, layers=layers)
    return _boxed(chip, mask, options, display=display, drop_crs=drop_crs, workers=workers)


def encode_jph(
    chip: Chip,
    *,
    ratio: float | None = None,
    levels: int | None = None,
    mask: str = "auto",
    display: bool = False,
    drop_crs: bool = False,
    workers: int = 1,
) -> bytes:
    """Write a chip as JPH file (HTJ2K in boxes); see :func:`encode_jp2`."""
    options = Jpeg2000Options(ratio=ratio, levels=levels, high_throughput=True)
    return _boxed(chip, mask, options, display=display, drop_crs=drop_crs, workers=workers)


def encode_j2k(
    chip: Chip,
    *,
    ratio: float | None = None,
    levels: int | None = None,
    layers: int = 1,
    mask: str = "auto",
    display: bool = False,
    workers: int = 1,
) -> bytes:
    """Write a chip as a bare JPEG 2000 codestream: without place, colours and mask; see :func:`encode_jp2`."""
    options = Jpeg2000Options(ratio=ratio, levels=levels, layers=layers)
    return _bare(chip, mask, options, display=display, workers=workers)


def encode_jhc(
    chip: Chip,
    *,
    ratio: float | None = None,
    levels: int | None = None,
    mask: str = "auto",
    display: bool = False,
    workers: int = 1,
) -> bytes:
    """Write a chip as a bare HTJ2K codestream; see :func:`encode_j2k`."""
    options = Jpeg2000Options(ratio=ratio, levels=levels, high_throughput=True)
    return _bare(chip, mask, options, display=display, workers=workers)


def _boxed(chip: Chip, mask: str, options: Jpeg2000Options, *, display: bool, drop_crs: bool, workers: int) -> bytes:
    _require_entries(chip, options, display=display)
    pixels, colors = _picture(chip, mask, has_alpha=True, display=display)
    place = chip_place(chip)  # a sensor model's where the chip itself has none
    if drop_crs:
        place = place._replace(crs=sayable_crs(place.crs))
    placement = Placement(**place._asdict()) if place.transform is not None or place.gcps else None
    out = io.BytesIO()
    table = chip.color_table if len(pixels) == 1 and pixels.dtype == np.uint8 else None
    entries = None if table is None else whole_table(table)
    write_jp2(out, ArraySource(pixels), options, colors=colors, table=entries, placement=placement, workers=workers)
    return out.getvalue()


def _bare(chip: Chip, mask: str, options: Jpeg2000Options, *, display: bool, workers: int) -> bytes:
    if mask == "alpha":
        raise EncodeError("a codestream does not say which band is alpha: write jp2")
    _require_entries(chip, options, display=display)
    pixels, _ = _picture(chip, mask, has_alpha=False, display=display)
    return array_codestream(pixels, options, workers=workers)


def _require_entries(chip: Chip, options: Jpeg2000Options, *, display: bool) -> None:
    """Refuse loss where samples are entries of a colour table."""
    if options.ratio is not None and not display and chip.color_table is not None:
        raise EncodeError(
            "a ratio gives other entries of a colour table than it is given; leave it out, which loses nothing, "
            "or pass display=True (--display) to write the colours"
        )


def _picture(chip: Chip, mask: str, *, has_alpha: bool, display: bool) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Give the bands to be written, and their colours."""
    if mask not in MASKS:
        raise EncodeError(f"mask must be one of {', '.join(MASKS)}; got {mask!r}")
    if display:
        picture = np.moveaxis(chip.to_rgb8(), -1, 0)
        if len(picture) == 4 and not has_alpha and mask != "ignore":
            raise EncodeError(
                f"a codestream cannot say which pixels are valid, and this chip has invalid ones; {WAY_OUT}"
            )
        count = 3 if mask == "ignore" else len(picture)
        return picture[:count], ("red", "green", "blue", "alpha")[:count]
    if chip.pixels.dtype.name not in {"uint8", "uint16", "int16"}:
        raise EncodeError(
            f"JPEG 2000 chips are uint8, uint16 or int16, not {chip.pixels.dtype.name}; apply a processing chain that "
            "makes a picture, or pass display=True (--display), or write GeoTIFF"
        )
    native = chip.pixels.astype(chip.pixels.dtype.newbyteorder("="), copy=False)
    own_alpha = chip.colors[-1:] == ("alpha",) and len(native) in {2, 4}
    measured = chip.mask[:-1] if own_alpha else chip.mask
    if mask == "ignore" or (mask == "auto" and bool(measured[0].all())):  # mostly so, and quickly seen
        return native, chip.colors
    valid = measured.any(axis=0)  # with nodata 0, pure blue is no hole
    if mask == "auto" and bool(valid.all()):
        return native, chip.colors
    if not has_alpha or len(native) - own_alpha not in {1, 3} or native.dtype.kind != "u":
        raise EncodeError(
            "this chip has invalid pixels, and JPEG 2000 says so only by alpha besides one or three unsigned bands, in "
            f"a file with boxes; {WAY_OUT}"
        )
    stored = native[-1] if own_alpha else np.full(valid.shape, np.iinfo(native.dtype).max, native.dtype)
    alpha = np.where(valid, stored, np.zeros((), native.dtype))
    bands = native[:-1] if own_alpha else native
    colors = chip.colors[: len(bands)] or (("gray",) if len(bands) == 1 else ("red", "green", "blue"))
    return np.concatenate([bands, alpha[np.newaxis]]), (*colors, "alpha")
