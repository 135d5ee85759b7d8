"""ICHIPB: where the pixels of a chip lie in the original full image (STDI-0002 volume 1, appendix B).

Support data of a sensor (RPC00B, USE00A, CSEXRA …) describe the *full image*; a
chip keeps them as they are, and ICHIPB leads from its pixels to those that they
speak of. Rules:

- the grid counts from the corner of the first pixel, so its centre is 0.500;
- four grid points are given, those of the first and last pixels of intelligent
  data: pixels of a chip that lie outside of the image are none. Where a side has
  one pixel only, its two edges are the grid points, or nothing would tell how
  large it is;
- a chip of a chip refers to the original: transforms are composed, and FI_ROW and
  FI_COL stay those of the first image;
- what was dewarped (XFRM_FLAG 01) has no grid: its chips say the same;
- so do chips of an image whose ICHIPB is damaged.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stacchip_osml.encode.nitf.records import Tre
from stacchip_osml.errors import EncodeError, ItemError
from stacchip_osml.geometry.chipped import ROUNDED
from stacchip_osml.pixel import ImageSize

__all__ = ["ImageChip", "chip_in_image", "chip_of_chip", "ichipb_tre", "parse_ichipb"]

Floats = NDArray[np.float64]
Place = tuple[float, float, float, float]

TAG = "ICHIPB"
LENGTH = 224
CLAUSE = "STDI-0002 volume 1, appendix B, table B-1"
_SCALE_MOST = 9999.99999
_GRID_MOST = 99_999_999.999
_SIZE_MOST = 99_999_999


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageChip:
    """The fields of ICHIPB; points are (row, col) of grid points 11, 12, 21, 22."""

    output: tuple[tuple[float, float], ...]
    """``OP_ROW_11``, ``OP_COL_11`` … in the chip."""
    full: tuple[tuple[float, float], ...]
    """``FI_ROW_11``, ``FI_COL_11`` … in the original full image."""
    full_size: ImageSize
    """``FI_COL`` and ``FI_ROW``; 0 where the file does not say."""
    scale: float = 1.0
    """``SCALE_FACTOR``: full-image pixels for one of the chip's."""
    anamorphic: str = "00"
    """``ANAMRPH_CORR``."""
    scan_block: str = "00"
    """``SCANBLK_NUM``."""
    is_nonlinear: bool = False
    """``XFRM_FLAG`` 01: dewarped; nothing else is said then."""

    def to_full(self, cols: ArrayLike, rows: ArrayLike) -> tuple[Floats, Floats]:
        """Give full-image ``(col, row)`` of chip positions, pixel corners both.

        Raises:
            EncodeError: the grid points do not tell (nonlinear, or all on one line).
        """
        if self.is_nonlinear:
            raise EncodeError(f"XFRM_FLAG 01 of {TAG} gives no grid: positions in the full image are not known")
        across, down = np.asarray(cols, np.float64), np.asarray(rows, np.float64)
        (row11, col11), (_, col12), (row21, _), _ = self.output
        if not (_is_upright(self.output) and _is_parallel(self.full)):
            return _projected(self, across, down)
        v, u = (down - row11) / (row21 - row11), (across - col11) / (col12 - col11)
        corners = np.array(self.full)
        weights = ((1 - v) * (1 - u), (1 - v) * u, v * (1 - u), v * u)
        row = sum(weight * corner for weight, corner in zip(weights, corners[:, 0], strict=True))
        col = sum(weight * corner for weight, corner in zip(weights, corners[:, 1], strict=True))
        return np.asarray(col), np.asarray(row)


NOT_KNOWN = ImageChip(output=((0.0, 0.0),) * 4, full=((0.0, 0.0),) * 4, full_size=ImageSize(0, 0), is_nonlinear=True)
"""``XFRM_FLAG`` 01: support data are the full image's, and nobody knows where in it this image lies."""


def chip_in_image(
    window: Place, size: ImageSize, image_size: ImageSize, *, parent: ImageChip | None = None
) -> ImageChip | None:
    """Tell where a chip lies.

    Args:
        window: ``(x, y, width, height)`` in pixels of the image, from its corner; may leave the image.
        size: of the chip.
        image_size: of the image.
        parent: the image's own ICHIPB where it is a chip itself.

    Returns:
        None where no pixel of the chip's lies in the image.

    Raises:
        EncodeError: a field cannot hold what it has to.
    """
    x, y, width, height = window
    across, down = width / size.width, height / size.height
    scale = math.sqrt(across * down)
    if parent is not None and parent.is_nonlinear:
        return parent
    inside_cols, inside_rows = _extent(image_size, parent)
    cols = _grid_line(x, across, size.width, inside_cols)
    rows = _grid_line(y, down, size.height, inside_rows)
    if cols is None or rows is None:
        return None
    output = tuple((row, col) for row in rows for col in cols)
    inside = [(y + row * down, x + col * across) for row, col in output]
    full_size, anamorphic, scan_block = image_size, "00", "00"
    if parent is not None:
        full_cols, full_rows = parent.to_full([col for _, col in inside], [row for row, _ in inside])
        inside = list(zip(full_rows.tolist(), full_cols.tolist(), strict=True))
        full_size, anamorphic, scan_block = parent.full_size, parent.anamorphic, parent.scan_block
        scale *= parent.scale if parent.scale > 0 else 1.0
    return ImageChip(
        output=output,
        full=tuple((max(row, 0.0), max(col, 0.0)) if min(row, col) > -0.0005 else (row, col) for row, col in inside),
        full_size=full_size,
        scale=scale,
        anamorphic=anamorphic,
        scan_block=scan_block,
    )


def chip_of_chip(window: Place, size: ImageSize, image_size: ImageSize, *, said: bytes) -> tuple[Tre | None, str]:
    """Write where a chip of a chip lies, by the parent's own ICHIPB.

    Where that is damaged nobody knows where in the full image the parent lies. Support data that go along speak of
    the full image: without ICHIPB they would be taken for the chip's own, and with a guess they would be misplaced.
    So the chip has one that says that nothing is known (``XFRM_FLAG`` 01).

    Args:
        window: as :func:`chip_in_image` has it.
        size: of the chip.
        image_size: of the image.
        said: the data of the image's ICHIPB.

    Returns:
        ICHIPB, None where no pixel of the chip's lies in the image; and what is wrong with the image's own, empty where
        nothing is.
    """
    fault = _fault(said)
    if fault:
        return ichipb_tre(NOT_KNOWN), fault
    try:
        lies = chip_in_image(window, size, image_size, parent=parse_ichipb(said))
        return None if lies is None else ichipb_tre(lies), ""
    except EncodeError as error:  # a grid that leads nowhere from here, or what no field holds
        return ichipb_tre(NOT_KNOWN), str(error)


@lru_cache(maxsize=64)
def _fault(said: bytes) -> str:
    """Tell what is wrong with an ICHIPB: what leads no sensor model leads no chip."""
    from stacchip_osml.geometry.tre_models import parse_ichipb as parse_model_ichipb

    try:
        parse_model_ichipb(said)
        parse_ichipb(said)
    except (ItemError, EncodeError) as error:
        return str(error)
    return ""


def ichipb_tre(chip: ImageChip) -> Tre:
    """Write ICHIPB.

    Raises:
        EncodeError: a field cannot hold what it has to.
    """
    if chip.is_nonlinear:
        return Tre(TAG, b"01" + b"0000.00000" + b"0000" + b"00000000.000" * 16 + b"00000000" * 2)
    parts = ["00", _fixed("SCALE_FACTOR", chip.scale, 10, 5, _SCALE_MOST)]
    parts += [_code("ANAMRPH_CORR", chip.anamorphic), _code("SCANBLK_NUM", chip.scan_block)]
    for prefix, points in (("OP", chip.output), ("FI", chip.full)):
        for name, (row, col) in zip(("11", "12", "21", "22"), points, strict=True):
            parts.append(_fixed(f"{prefix}_ROW_{name}", row, 12, 3, _GRID_MOST))
            parts.append(_fixed(f"{prefix}_COL_{name}", col, 12, 3, _GRID_MOST))
    for name, value in (("FI_ROW", chip.full_size.height), ("FI_COL", chip.full_size.width)):
        if not 0 <= value <= _SIZE_MOST:
            raise EncodeError(f"{name} of {TAG} is 8 digits ({CLAUSE}), got {value}")
        parts.append(f"{value:08d}")
    return Tre(TAG, "".join(parts).encode("ascii"))


def parse_ichipb(data: bytes) -> ImageChip:
    """Read ICHIPB.

    Raises:
        EncodeError: it is not 224 bytes, or a field is no number.
    """
    if len(data) != LENGTH:
        raise EncodeError(f"{TAG} is {LENGTH} bytes ({CLAUSE}), got {len(data)}")
    text = data.decode("latin-1")
    if text[:2] == "01":
        return NOT_KNOWN
    numbers = [_number(text, 16 + 12 * index, 12) for index in range(16)]
    points = tuple(zip(numbers[::2], numbers[1::2], strict=True))
    rows, cols = (_number(text, at, 8) for at in (208, 216))
    return ImageChip(
        output=points[:4],
        full=points[4:],
        full_size=ImageSize(int(cols), int(rows)),
        scale=_number(text, 2, 10),
        anamorphic=text[12:14],
        scan_block=text[14:16],
    )


def _extent(size: ImageSize, parent: ImageChip | None) -> tuple[tuple[float, float], tuple[float, float]]:
    """Give which columns and rows of an image are intelligent data: of a chip those that lie in the full image."""
    width, height = parent.full_size if parent is not None else (0, 0)
    if (
        parent is None
        or not (_is_upright(parent.output) and _is_upright(parent.full))
        or not all(
            0 <= row <= height and 0 <= col <= width for row, col in parent.full
        )  # sizes that are none, or wrong
    ):
        return (0.0, float(size.width)), (0.0, float(size.height))

    def inside(axis: int, side: int, full_side: int) -> tuple[float, float]:
        (low, full_low), (high, full_high) = ((parent.output[at][axis], parent.full[at][axis]) for at in (0, 3))
        edges = [low + (edge - full_low) * (high - low) / (full_high - full_low) for edge in (0, full_side)]
        return max(0.0, min(edges)), min(float(side), max(edges))

    return inside(1, size.width, width), inside(0, size.height, height)


def _grid_line(start: float, step: float, count: int, limits: tuple[float, float]) -> tuple[float, float] | None:
    """Choose the two grid lines of one axis: the outermost pixel centres that lie in the image."""
    begin, end = ((limit - start) / step for limit in limits)
    first, last = max(0, math.ceil(begin - 0.5)), min(count - 1, math.floor(end - 0.5))
    if first < last:
        return first + 0.5, last + 0.5
    low, high = max(0.0, begin), min(float(count), end)
    # The fields hold three decimals of a chip's pixel, which may be many of the image's: lines that need no more.
    exact_low, exact_high = math.ceil(low * 1e3 - 1e-9) / 1e3, math.floor(high * 1e3 + 1e-9) / 1e3
    if exact_low < exact_high:
        return exact_low, exact_high
    return (low, high) if high - low > 1e-6 else None


def _is_upright(points: tuple[tuple[float, float], ...]) -> bool:
    (row11, col11), (row12, col12), (row21, col21), (row22, col22) = points
    return row11 == row12 != row21 == row22 and col11 == col21 != col12 == col22


def _is_parallel(points: tuple[tuple[float, float], ...]) -> bool:
    """Tell whether four points are an affine image of a rectangle's, but for what their decimals hide."""
    first, right, low, last = np.array(points)
    return bool(np.abs(first - right - low + last).max() <= 4 * ROUNDED)


def _projected(chip: ImageChip, cols: Floats, rows: Floats) -> tuple[Floats, Floats]:
    """Map by the projective transform of the four points, as sensor models do: for grids of others that stand askew."""
    lines: list[list[float]] = []
    for (row, col), (full_row, full_col) in zip(chip.output, chip.full, strict=True):
        lines.append([col, row, 1, 0, 0, 0, -col * full_col, -row * full_col])
        lines.append([0, 0, 0, col, row, 1, -col * full_row, -row * full_row])
    try:
        a = np.linalg.solve(np.array(lines), np.array([value for row, col in chip.full for value in (col, row)]))
    except np.linalg.LinAlgError as error:
        raise EncodeError(f"the grid points of {TAG} lie on one line: {chip.output}") from error
    below = a[6] * cols + a[7] * rows + 1
    return (a[0] * cols + a[1] * rows + a[2]) / below, (a[3] * cols + a[4] * rows + a[5]) / below


def _fixed(name: str, value: float, width: int, digits: int, most: float) -> str:
    text = f"{value + 0.0:0{width}.{digits}f}"
    if not 0 <= value <= most or len(text) != width:
        raise EncodeError(f"{name} of {TAG} lies from 0 to {most} ({CLAUSE}), got {value}")
    return text


def _code(name: str, text: str) -> str:
    if len(text) != 2 or not text.isdigit():
        raise EncodeError(f"{name} of {TAG} is two digits ({CLAUSE}), got {text!r}")
    return text


def _number(text: str, at: int, width: int) -> float:
    try:
        value = float(text[at : at + width])
    except ValueError as error:
        raise EncodeError(f"{TAG} has a number at byte {at} ({CLAUSE}), got {text[at : at + width]!r}") from error
    if not math.isfinite(value):
        raise EncodeError(f"{TAG} has a finite number at byte {at} ({CLAUSE}), got {value}")
    return value
