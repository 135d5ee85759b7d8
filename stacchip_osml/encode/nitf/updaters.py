"""SICD and SIDD XML of a part of an image, for callers who write the file themselves.

The same documents as those in NITF chips: nothing is kept between calls but parents
already parsed, and nothing that is given is changed.
"""

from __future__ import annotations

from collections.abc import Sequence

from stacchip_osml.encode.nitf.sicd import sicd_of_chip, sicd_parent
from stacchip_osml.encode.nitf.sidd import GeometricChip, sidd_of_chip, sidd_parent
from stacchip_osml.errors import EncodeError
from stacchip_osml.pixel import ImageSize

__all__ = ["chipped_coordinate_to_full", "update_sicd_for_chip", "update_sidd_for_chip"]

Point = tuple[float, float]
Window = tuple[float, float, float, float]


def update_sicd_for_chip(
    xml_str: str | bytes, chip_bounds: Sequence[float], output_size: Sequence[int] | None = None
) -> str:
    """Give the SICD XML of a part of an image: its rows and columns, corners and valid data.

    Args:
        xml_str: of the image that it is a part of, itself a part or not.
        chip_bounds: ``(x, y, width, height)`` in pixels of that image.
        output_size: ``(width, height)`` of the chip; None for that of its bounds, and no other is allowed.

    Raises:
        EncodeError: (a ValueError) a chip that is resampled, between pixels or outside of the image; no SICD XML.
    """
    window, size = _chip(chip_bounds, output_size)
    return sicd_of_chip(sicd_parent(_octets(xml_str)), window=window, size=size)[0].decode("utf-8")


def update_sidd_for_chip(
    xml_str: str | bytes, chip_bounds: Sequence[float], output_size: Sequence[int] | None = None
) -> str:
    """Give the SIDD XML of a part of an image at any size: GeometricChip, composed, and what belongs to it.

    Args:
        xml_str: of the image that it is a part of, itself a part or not.
        chip_bounds: ``(x, y, width, height)`` in pixels of that image.
        output_size: ``(width, height)`` of the chip; None for that of its bounds.

    Raises:
        EncodeError: (a ValueError) no SIDD XML, or bounds without pixels.
    """
    window, size = _chip(chip_bounds, output_size)
    return sidd_of_chip(sidd_parent(_octets(xml_str)), window=window, size=size)[0].decode("utf-8")


def chipped_coordinate_to_full(
    chip_coordinate: Point, chip_size: Sequence[int], original_corner_coordinates: Sequence[Point]
) -> Point:
    """Map a pixel of a SIDD chip to the original image, between its corner pixels (NGA.STND.0025-1, 5.1.1).

    Args:
        chip_coordinate: ``(col, row)``, pixel centres: 0 is the first pixel, ``width - 1`` the last.
        chip_size: ``(width, height)``.
        original_corner_coordinates: ``(col, row)`` of the upper left, upper right, lower right and lower left pixel in
            the original.

    Returns:
        ``(col, row)`` in the original.
    """
    upper_left, upper_right, lower_right, lower_left = ((row, col) for col, row in original_corner_coordinates)
    chip = GeometricChip(
        size=ImageSize(int(chip_size[0]), int(chip_size[1])),
        corners=(upper_left, upper_right, lower_left, lower_right),
    )
    row, col = chip.to_original(chip_coordinate[1], chip_coordinate[0])
    return col, row


def _octets(xml: str | bytes) -> bytes:
    return xml if isinstance(xml, bytes) else xml.encode("utf-8")


def _chip(bounds: Sequence[float], output_size: Sequence[int] | None) -> tuple[Window, ImageSize]:
    x, y, width, height = (float(value) for value in bounds)
    across, down = (width, height) if output_size is None else output_size
    size = ImageSize(round(across), round(down))
    if min(width, height) <= 0 or min(size) < 1:
        raise EncodeError(f"a chip has pixels, got {width:g} x {height:g} as {across} x {down}")
    return (x, y, width, height), size
