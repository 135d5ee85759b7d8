"""The sensor model of SIDD images: a product surface, and the collection behind it.

NGA.STND.0025-1, chapter 3 gives each pixel a point on the product's surface: a
plane (PGD), a cylinder along the strip (CGD), the ellipsoid in degrees (GGD) or
polynomials (PFGD). On a plane or cylinder that point is the pixel's ground only
where the ground is on it; elsewhere the ground is where the point's curve of
constant range and range rate meets the height, as with SICD. Rules:

- without heights the product's surface is the ground, and its heights come back;
- with heights, pixels of planes and cylinders go along their curves; geographic
  and polynomial products are maps, whose pixels have one place for all heights;
- a chip (``GeometricChip``) is the original image behind a map between the centres
  of first and last pixels: N - 1 steps for N pixels.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stacchip_osml.errors import ItemError
from stacchip_osml.geometry.chipped import BilinearMap, ChippedModel
from stacchip_osml.geometry.pixel_positions import to_corners
from stacchip_osml.geometry.sensor_model import SensorModel, broadcast, flattened, placed, seen
from stacchip_osml.geometry.sidd_fields import SiddChip, SiddParameters, parse_sidd
from stacchip_osml.geometry.sidd_surfaces import SURFACES, Surface
from stacchip_osml.pixel import ImageSize

__all__ = ["SiddModel", "load_sidd_model"]

Floats = NDArray[np.float64]
Ground = tuple[Floats, Floats, Floats]


def load_sidd_model(xml: bytes, *, notes: tuple[str, ...] = ()) -> tuple[SensorModel, ImageSize]:
    """Read the model of an image from its SIDD XML, of any version, and the size that the XML says it has.

    A chip is seen through its ``GeometricChip``.

    Raises:
        ItemError: a field is missing or not what it should be; it is named.
        LimitError: the XML is larger than any SIDD.
    """
    model = SiddModel(parse_sidd(xml), notes)
    chip = model.parameters.chip
    if chip is None:
        return model, model.size
    return ChippedModel(model, _chip_map(chip)), chip.size


@dataclass(frozen=True, slots=True, repr=False)
class SiddModel(SensorModel):
    """Pixels of an original (unchipped) SIDD image on the ground."""

    parameters: SiddParameters
    notes: tuple[str, ...] = ()
    """What a user should know of how the model was chosen."""
    _surface: Surface = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_surface", SURFACES[self.parameters.projection](self.parameters))

    @property
    def kind(self) -> str:
        """``SIDD``."""
        return "SIDD"

    @property
    def approximate(self) -> bool:
        """True for planes and cylinders: the ground is not on them."""
        return self._surface.has_curves

    @property
    def size(self) -> ImageSize:
        """Of the original image, pixels."""
        return self.parameters.size

    def image_to_world(self, cols: ArrayLike, rows: ArrayLike, heights: ArrayLike | None = None) -> Ground:
        """Give ``(lon, lat, height)`` of pixel corner positions; without heights, on the product's surface."""
        shape, samples, lines, high = flattened(cols, rows, 0.0 if heights is None else heights)
        return placed(shape, *self._surface.ground(samples, lines, None if heights is None else high))

    def world_to_image(self, lon: ArrayLike, lat: ArrayLike, heights: ArrayLike | None = None) -> tuple[Floats, Floats]:
        """Give ``(cols, rows)`` of ground positions; without heights, at the reference point's."""
        shape, flat = broadcast(
            lon=lon, lat=lat, heights=self._surface.reference_height if heights is None else heights
        )
        return seen(shape, *self._surface.image(*flat))

    def __repr__(self) -> str:
        width, height = self.parameters.size
        return f"SiddModel({self.parameters.projection}, {width} x {height} pixels)"


def _chip_map(chip: SiddChip) -> BilinearMap:
    """Give the map between corner positions, of the one between pixel centres."""
    height, width = chip.size.height, chip.size.width
    (top, left), right, low = chip.upper_left, chip.upper_right, chip.lower_left
    last = chip.lower_right
    if height == 1:  # one line has no step down: a pixel of the original is taken
        low, last = (top + 1.0, left), (right[0] + 1.0, right[1])
    if width == 1:
        right, last = (top, left + 1.0), (low[0], low[1] + 1.0)
    first, right, low, last = (_corner(point) for point in ((top, left), right, low, last))
    try:
        return BilinearMap(
            origin=_corner((0.0, 0.0)),
            span=(max(width - 1.0, 1.0), max(height - 1.0, 1.0)),
            corners=(first, right, low, last),
        )
    except ItemError as error:
        raise ItemError(f"SIDD DownstreamReprocessing/GeometricChip: {error}") from error


def _corner(point: tuple[float, float]) -> tuple[float, float]:
    """Give (col, row) of a pixel's corner system of (row, col) of its centre's."""
    col, row = to_corners(point[1], point[0])
    return float(col), float(row)
