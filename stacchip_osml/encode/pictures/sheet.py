"""Contact sheets: many chips as one picture.

Thumbnails keep their shape, stand on a dark ground in reading order, and have a
label below; a sparse chip is a hatched field. The picture depends on the chips
and settings alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from stacchip_osml.encode.chip import Chip
from stacchip_osml.encode.pictures.display import Limits, brightness, limits_of, shown_bands
from stacchip_osml.encode.pictures.png import png_bytes
from stacchip_osml.errors import EncodeError

__all__ = ["contact_sheet"]

Picture = NDArray[np.uint8]

GROUND = (24, 24, 27)
VOID = (44, 44, 50)
HATCH = (68, 68, 76)
INK = (212, 212, 216)
GAP = 8
LABEL_ROWS = 16
MAX_SIDE = 20_000
"""Pixels; a larger sheet would not be looked at."""


def contact_sheet(
    chips: Sequence[Chip | None],
    *,
    columns: int | None = None,
    size: int = 128,
    labels: Sequence[str] | None = None,
    stretch: str = "chip",
    bands: Sequence[int] | None = None,
) -> bytes:
    """Draw chips side by side.

    Args:
        chips: in reading order; None where a chip is sparse.
        columns: thumbnails a row; about as many as rows by default, a little wider.
        size: longest side of a thumbnail in pixels; smaller chips are enlarged without smoothing.
        labels: one text a chip, cut to the thumbnail's width; by default the grid position or window.
            An empty sequence writes none.
        stretch: ``chip``: each by its own percentiles; ``sheet``: all by common ones, so that brightness compares.
        bands: one or three 0-based bands; by default red, green and blue where they are known.

    Returns:
        A PNG file.

    Raises:
        EncodeError: there is no chip, a setting is out of range, or labels do not match the chips.
    """
    if not chips:
        raise EncodeError("a contact sheet needs at least one chip")
    if stretch not in ("chip", "sheet"):
        raise EncodeError(f"stretch must be chip or sheet, got {stretch!r}")
    texts = [_label(chip) for chip in chips] if labels is None else list(labels)
    if texts and len(texts) != len(chips):
        raise EncodeError(f"a contact sheet of {len(chips)} chips needs as many labels, got {len(texts)}")
    across = columns or math.ceil(math.sqrt(len(chips) * 1.4))
    down = -(-len(chips) // across)
    pitch_x, pitch_y = size + GAP, size + GAP + (LABEL_ROWS if texts else 0)
    width, height = GAP + across * pitch_x, GAP + down * pitch_y
    if not (across > 0 and 8 <= size <= 4096 and max(width, height) <= MAX_SIDE):
        raise EncodeError(f"a contact sheet of {width} x {height} pixels is out of range (sides to {MAX_SIDE})")
    limits = _common_limits([chip for chip in chips if chip is not None], bands) if stretch == "sheet" else None
    sheet = np.empty((height, width, 3), np.uint8)
    sheet[:] = GROUND
    for index, chip in enumerate(chips):
        y, x = GAP + index // across * pitch_y, GAP + index % across * pitch_x
        field = sheet[y : y + size, x : x + size]
        field[:] = _hatched(size, size)
        if chip is not None:
            _place(field, _thumbnail(chip, size, bands, limits))
        if texts:
            _write(sheet[y + size : y + size + LABEL_ROWS, x : x + size], texts[index])
    return png_bytes(sheet)


def _common_limits(chips: Sequence[Chip], bands: Sequence[int] | None) -> Limits | None:
    """Give the black and white that chips share; None when they show different numbers of bands."""
    values, masks = [], []
    for chip in chips:
        shown = list(shown_bands(len(chip.pixels), bands, colors=chip.colors, band_names=chip.band_names))
        real = brightness(chip.pixels[shown])
        values.append(real.reshape(len(shown), -1))
        masks.append((chip.mask[shown] & np.isfinite(real)).reshape(len(shown), -1))
    if len({len(value) for value in values}) != 1:
        return None
    return limits_of(np.concatenate(values, axis=1), np.concatenate(masks, axis=1))


def _label(chip: Chip | None) -> str:
    if chip is None:
        return "sparse"
    if "grid_col" in chip.row and "grid_row" in chip.row:
        return f"{chip.row['grid_col']}, {chip.row['grid_row']}"
    return f"{chip.window.x}, {chip.window.y}"


def _thumbnail(chip: Chip, size: int, bands: Sequence[int] | None, limits: Limits | None) -> Picture:
    """Scale a chip to ``size`` on the ground colour's hatch where it is invalid; ``(rows, cols, 3)``."""
    picture = chip.to_rgb8(bands=bands, limits=limits)
    rows, cols = picture.shape[:2]
    scale = size / max(rows, cols)
    target = (max(1, round(cols * scale)), max(1, round(rows * scale)))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST
    if picture.shape[2] == 3:
        return np.asarray(cv2.resize(picture, target, interpolation=how), np.uint8)
    # premultiplied, so that the black under transparent pixels does not bleed into their neighbours
    alpha = (picture[..., 3:] > 0).astype(np.float32)
    weight = cv2.resize(alpha, target, interpolation=how)[..., np.newaxis]
    color = cv2.resize(picture[..., :3] * alpha, target, interpolation=how)
    mixed = color + (1 - weight) * _hatched(target[1], target[0])
    return np.asarray(np.clip(np.rint(mixed), 0, 255), np.uint8)


def _place(field: Picture, thumbnail: Picture) -> None:
    """Put a thumbnail in the middle of its field, on plain ground."""
    field[:] = GROUND
    rows, cols = thumbnail.shape[:2]
    top, left = (field.shape[0] - rows) // 2, (field.shape[1] - cols) // 2
    field[top : top + rows, left : left + cols] = thumbnail


def _hatched(rows: int, cols: int) -> Picture:
    diagonal = (np.arange(rows)[:, np.newaxis] + np.arange(cols)) % 8 < 2
    return np.where(diagonal[..., np.newaxis], HATCH, VOID).astype(np.uint8)


def _write(strip: Picture, text: str) -> None:
    """Write one line, cut to the strip's width; letters outside ASCII become question marks."""
    font, scale = cv2.FONT_HERSHEY_SIMPLEX, 0.38
    line = text.encode("ascii", "replace").decode("ascii")
    while line and cv2.getTextSize(line, font, scale, 1)[0][0] > strip.shape[1]:
        line = line[:-1]
    ink = np.zeros(strip.shape[:2], np.uint8)
    cv2.putText(ink, line, (0, strip.shape[0] - 5), font, scale, 255, 1, cv2.LINE_AA)
    weight = ink[..., np.newaxis] / 255.0
    strip[:] = np.rint(strip * (1 - weight) + np.array(INK) * weight).astype(np.uint8)
