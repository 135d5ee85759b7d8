"""PNG and JPEG files of chips: pixels as stored, and validity never dropped silently.

Rules: both formats hold one or three colours (PNG up to four samples with alpha);
what they cannot say (other dtypes, more bands, nodata in a JPEG) is refused with
the way out named, unless the caller chooses that way.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.encode.chip import Chip
from stacchip_osml.encode.codecs import interleaved, jpeg_bytes
from stacchip_osml.encode.palette import free_entry, whole_table
from stacchip_osml.encode.pictures.png import png_bytes, require_png_level
from stacchip_osml.errors import EncodeError
from stacchip_osml.imagery.providers.protocol import Mask

__all__ = ["encode_jpeg", "encode_png"]

JPEG_MAX_SIDE = 65_500
"""libjpeg's limit, a little below the standard's 65,535."""
SUBSAMPLINGS = ("444", "422", "420")
PNG_MASKS = ("auto", "alpha", "ignore")
JPEG_MASKS = ("auto", "ignore")


def encode_png(chip: Chip, *, mask: str = "auto", display: bool = False, level: int | None = None) -> bytes:
    """Write a chip as PNG, samples as stored in the chip's band order.

    Args:
        chip: uint8 or uint16; one or three bands, or two or four of which the last is alpha.
        mask: PNG has no nodata, so ``auto`` makes invalid pixels transparent by an alpha sample where there
            is one; ``alpha`` always writes alpha; ``ignore`` writes the samples as they are, whatever the mask
            says. A pixel is opaque where any of its bands is valid: with nodata 0, pure blue is no hole.
            With a colour table of 8-bit values the file has it, and ``auto`` makes an entry that no valid pixel has
            the transparent one; the two samples of ``alpha`` have no table, nor have 16-bit values.
        display: render the chip for the eye first (any dtype, any number of bands).
        level: of deflate, 0 to 9; the fastest way by default, which costs little on imagery.

    Raises:
        EncodeError: PNG cannot hold these pixels, or an option is not known.
    """
    _require(mask, "mask", PNG_MASKS)
    require_png_level(level)
    if display:
        picture = chip.to_rgb8()
        if mask == "ignore":
            picture = np.ascontiguousarray(picture[..., :3])
        elif mask == "alpha" and picture.shape[2] == 3:
            picture = np.dstack([picture, np.full(picture.shape[:2], 255, np.uint8)])
        return png_bytes(picture, level=level)
    bands = len(chip.pixels)
    if chip.pixels.dtype not in (np.uint8, np.uint16):
        raise EncodeError(f"PNG holds uint8 and uint16, not {chip.pixels.dtype.name}; {WAY_OUT}")
    if bands > 4:
        raise EncodeError(f"PNG holds one to four samples a pixel, not {bands} bands; {WAY_OUT}")
    has_alpha = chip.colors[-1:] == ("alpha",) and bands in (2, 4)
    if bands in (2, 4) and not has_alpha and mask != "ignore":
        raise EncodeError(
            f"the last of {bands} samples is alpha in PNG, and band {bands} of this chip is "
            f"{chip.colors[-1] if chip.colors else 'not known to be alpha'}; {WAY_OUT}, "
            "or pass mask='ignore' to write the bands as they are"
        )
    table = chip.color_table if mask != "alpha" and chip.pixels.dtype == np.uint8 else None
    if table is not None:
        entries, hole = _entries(chip, mask)
        return png_bytes(entries, level=level, table=whole_table(table), hole=hole)
    return png_bytes(_png_samples(chip, mask, has_alpha=has_alpha), level=level)


def encode_jpeg(
    chip: Chip, *, quality: int = 90, subsampling: str = "420", mask: str = "auto", display: bool = False
) -> bytes:
    """Write a chip as baseline JPEG.

    Args:
        chip: uint8 with one or three bands.
        quality: 1 to 100.
        subsampling: of colour: ``444`` (none), ``422`` or ``420``.
        mask: JPEG cannot say which pixels are valid: ``auto`` refuses a chip with invalid ones, ``ignore``
            writes their stored values.
        display: render the chip for the eye first (any dtype, any number of bands).

    Raises:
        EncodeError: JPEG cannot hold these pixels or their mask, or an option is not known.
    """
    _require(mask, "mask", JPEG_MASKS)
    _require(subsampling, "subsampling", SUBSAMPLINGS)
    if not 1 <= quality <= 100:
        raise EncodeError(f"JPEG quality is 1 to 100, got {quality}")
    if max(chip.pixels.shape[1:]) > JPEG_MAX_SIDE:
        raise EncodeError(
            f"JPEG sides end at {JPEG_MAX_SIDE} pixels, this chip is {chip.size.width} x {chip.size.height}"
        )
    bands = len(chip.pixels)
    if not display and chip.pixels.dtype != np.uint8:
        raise EncodeError(f"JPEG holds uint8, not {chip.pixels.dtype.name}; {WAY_OUT}")
    if not display and bands not in (1, 3):
        raise EncodeError(f"JPEG holds one or three bands, not {bands}; {WAY_OUT}")
    if not display and chip.color_table is not None:
        raise EncodeError(f"jpeg gives other entries of a colour table than it is given; write PNG, or {WAY_OUT}")
    picture = chip.to_rgb8() if display else None
    if mask == "auto" and not (_has_all(chip) if picture is None else picture.shape[2] == 3):
        raise EncodeError(
            "JPEG cannot say which pixels are valid, and this chip has invalid ones; pass mask='ignore', or write PNG"
        )
    pixels = chip.pixels if picture is None else picture[..., :3].transpose(2, 0, 1)
    return jpeg_bytes(pixels, quality=quality, subsampling=subsampling)


WAY_OUT = "apply a processing chain that makes a picture, or pass display=True (--display)"


def _png_samples(chip: Chip, mask: str, *, has_alpha: bool) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Give the samples to write, in memory that this thread uses again."""
    pixels = chip.pixels
    colors = chip.mask[:-1] if has_alpha else chip.mask
    if mask == "ignore" or ((has_alpha or mask == "auto") and (_is_full(colors[0]) or colors.any(axis=0).all())):
        return interleaved(pixels, passing=True)
    valid = colors.any(axis=0)
    stored = pixels[-1] if has_alpha else np.full(valid.shape, np.iinfo(pixels.dtype).max, pixels.dtype)
    alpha = np.where(valid, stored, np.zeros((), pixels.dtype))
    return interleaved(np.concatenate([pixels[: len(colors)], alpha[np.newaxis]]), passing=True)


def _entries(chip: Chip, mask: str) -> tuple[NDArray[np.uint8], int | None]:
    """Give entries of a colour table, and the one among them that stands for pixels that hold nothing."""
    pixels, valid = chip.pixels[0], chip.mask[0]
    if mask == "ignore" or _is_full(valid):
        return pixels, None
    hole = free_entry(pixels, valid, chip.nodata[0] if chip.nodata else None)
    if hole is None:
        raise EncodeError(
            "this chip has invalid pixels, and all 256 entries of its colour table are used: none is left to be "
            "transparent; write GeoTIFF, or pass mask='alpha' to write entries and alpha without the colours"
        )
    return np.where(valid, pixels, np.uint8(hole)), hole


def _has_all(chip: Chip) -> bool:
    """Tell whether every pixel is valid in a band: mostly in the first one, which is quicker seen."""
    return _is_full(chip.mask[0]) or bool(chip.mask.any(axis=0).all())


def _is_full(mask: Mask) -> bool:
    """Tell whether all of a mask is True; counted, as ``all`` hands the interpreter to another thread meanwhile."""
    return bool(np.count_nonzero(mask) == mask.size)


def _require(value: str, name: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise EncodeError(f"{name} must be one of {', '.join(allowed)}; got {value!r}")
