"""The chip: pixels that travel with what describes them.

The record is checked once when it is made and trusted afterwards. Pictures,
arrays of other libraries and plots are made on demand; their libraries are
imported only then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.errors import ChipError, MissingExtraError
from stacchip_osml.pixel import ImageSize, PixelWindow
from stacchip_osml.pixel.arguments import of_kind

if TYPE_CHECKING:
    from affine import Affine
    from matplotlib.axes import Axes
    from xarray import DataArray

    from stacchip_osml.encode.pictures.display import Limits
    from stacchip_osml.geometry import Locator
    from stacchip_osml.imagery.display.picture import ColorTable

__all__ = ["Chip", "ChipOrigin"]

NOTEBOOK_SIDE = 1024
"""Longest side in pixels of the picture shown in a notebook."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ChipOrigin:
    """Where the pixels of a chip come from."""

    name: str
    """Of the image, for people; without credentials."""
    image_size: ImageSize
    """Of its full resolution."""
    window: tuple[float, float, float, float]
    """``(x, y, width, height)`` in full-resolution pixels: the place the chip really shows, pixel corners."""
    bands: tuple[int, ...] | None = None
    """0-based bands of the image that the chip's bands are; None where a chain made others of them."""
    is_processed: bool = False
    """Whether a processing chain changed the values."""
    locator: Locator | None = None
    """Full-resolution pixel corners → ground, where the image has a sensor model."""
    provider: Any = None
    """The image itself (an image provider), asked for its headers when the format needs them."""

    @property
    def is_one_to_one(self) -> bool:
        """Whether the window falls on the image's own pixels; the chip's size must then be the window's."""
        return all(float(value).is_integer() for value in self.window)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Chip:
    """One chip of one image, with its place on the ground.

    Raises:
        ChipError: the mask does not fit the pixels, or a per-band field has another length than there are bands.
    """

    pixels: NDArray[Any]
    """``(bands, rows, cols)``."""
    mask: NDArray[np.bool_]
    """``(bands, rows, cols)``; True where the pixel is a measurement."""
    window: PixelWindow
    """R0 pixels of the reference asset."""
    level: int = 0
    """Pyramid level, 0 is full resolution."""
    chain: str = "raw"
    """Processing-chain id."""
    transform: Affine | None = None
    """Chip pixel corner (col, row) → CRS (x, y); None in sensor geometry."""
    crs: str | None = None
    """``EPSG:n`` or WKT2; None in sensor geometry."""
    band_names: tuple[str, ...] = ()
    """One name a band."""
    nodata: tuple[float | complex | None, ...] = ()
    """Nodata value of each band as stored; None where the band has none."""
    scales: tuple[float, ...] = ()
    """Physical value = stored × scale + offset, a band each; 1 where already applied."""
    offsets: tuple[float, ...] = ()
    """See ``scales``; 0 where already applied."""
    colors: tuple[str, ...] = ()
    """Colour interpretation of each band: ``red``, ``gray``, ``alpha``, ``undefined`` …"""
    row: Mapping[str, Any] = field(default_factory=dict)
    """The index row this chip was cut for."""
    origin: ChipOrigin | None = None
    """The image it was cut from, for formats that say so in the file."""

    def __post_init__(self) -> None:
        of_kind("a chip's pixels", self.pixels, np.ndarray, "an array")
        of_kind("a chip's mask", self.mask, np.ndarray, "an array")
        if self.pixels.ndim != 3 or 0 in self.pixels.shape:
            raise ChipError(f"a chip's pixels must be (bands, rows, cols), none of them 0; got {self.pixels.shape}")
        if self.mask.shape != self.pixels.shape or self.mask.dtype != np.bool_:
            raise ChipError(
                f"a chip's mask must be bool of its pixels' shape {self.pixels.shape}; "
                f"got {self.mask.dtype} {self.mask.shape}"
            )
        bands = len(self.pixels)
        for name in ("band_names", "nodata", "scales", "offsets", "colors"):
            count = len(of_kind(f"a chip's {name}", getattr(self, name), (tuple, list), "a tuple"))
            if count not in (0, bands):
                raise ChipError(f"a chip's {name} must be empty or one a band ({bands}); got {count}")

    @property
    def shape(self) -> tuple[int, int, int]:
        """``(bands, rows, cols)``."""
        bands, rows, cols = self.pixels.shape
        return bands, rows, cols

    @property
    def size(self) -> ImageSize:
        """Width and height in chip pixels."""
        return ImageSize(self.pixels.shape[2], self.pixels.shape[1])

    @property
    def bounds(self) -> tuple[float, float, float, float] | None:
        """``(min x, min y, max x, max y)`` over all four corners, in the CRS; None in sensor geometry."""
        if self.transform is None:
            return None
        width, height = self.size
        a, b, c, d, e, f = self.transform[:6]
        corners = ((0, 0), (width, 0), (width, height), (0, height))
        xs, ys = [a * x + b * y + c for x, y in corners], [d * x + e * y + f for x, y in corners]
        return min(xs), min(ys), max(xs), max(ys)

    @property
    def color_table(self) -> ColorTable | None:
        """Red, green and blue, 0 to 255, of each value; None of a chip whose values are no entries of a table."""
        origin = self.origin
        if self.colors != ("palette",) or origin is None or origin.is_processed or origin.provider is None:
            return None
        from stacchip_osml.imagery.display.picture import color_table_of

        return color_table_of(origin.provider)

    def to_xarray(self, *, masked: bool = False) -> DataArray:
        """Give an ``xarray.DataArray`` with dimensions band, y, x.

        Args:
            masked: replace invalid pixels by NaN, which makes integers float (float64 above 16 bits);
                False keeps the stored values and dtype.

        Returns:
            The pixels (not copied unless ``masked``); x and y are pixel centres in the CRS where the transform has
            no rotation, and absent otherwise; attributes say crs, transform (affine a to f), nodata, scales and
            offsets, window, level and chain.

        Raises:
            MissingExtraError: xarray is not installed.
        """
        try:
            import xarray as xr
        except ImportError as error:
            raise MissingExtraError("explore", purpose="turning a chip into an xarray.DataArray") from error
        coords: dict[str, Any] = {}
        if self.band_names:
            coords["band"] = list(self.band_names)
        if self.transform is not None and self.transform.b == 0 and self.transform.d == 0:
            width, height = self.size
            coords["y"] = self.transform.f + (np.arange(height) + 0.5) * self.transform.e
            coords["x"] = self.transform.c + (np.arange(width) + 0.5) * self.transform.a
        attrs: dict[str, Any] = {
            "crs": self.crs,
            "transform": None if self.transform is None else tuple(self.transform[:6]),
            "nodata": self.nodata,
            "scales": self.scales,
            "offsets": self.offsets,
            "window": tuple(self.window),
            "level": self.level,
            "chain": self.chain,
        }
        return xr.DataArray(
            self._with_nan() if masked else self.pixels, dims=("band", "y", "x"), coords=coords, attrs=attrs
        )

    def to_rgb8(self, *, bands: Sequence[int] | None = None, limits: Limits | None = None) -> NDArray[np.uint8]:
        """Give a picture for people, see :func:`stacchip_osml.encode.to_rgb8`.

        Args:
            bands: one or three 0-based bands; by default red, green and blue where they are known, and of an image
                with a colour table its colours.
            limits: (black, white) of each band shown; None for the chip's own percentiles.

        Returns:
            ``(rows, cols, 3)``, or 4 with alpha where some pixels are not valid.
        """
        from stacchip_osml.encode.pictures.display import colored, to_rgb8

        table = self.color_table if bands is None and self.pixels.dtype in (np.uint8, np.uint16) else None
        if table is not None:
            return colored(self.pixels[0], self.mask[0], table)
        return to_rgb8(
            self.pixels, self.mask, bands=bands, colors=self.colors, band_names=self.band_names, limits=limits
        )

    def plot(self, ax: Axes | None = None, *, bands: Sequence[int] | None = None) -> Axes:
        """Draw the chip with matplotlib, stretched for the eye.

        Args:
            ax: where to draw; a new figure by default.
            bands: one or three 0-based bands; by default red, green and blue where they are known.

        Returns:
            The axes: in CRS units where the transform has no rotation, in pixels otherwise.

        Raises:
            MissingExtraError: matplotlib is not installed.
        """
        try:
            from matplotlib import pyplot as plt
        except ImportError as error:
            raise MissingExtraError("explore", purpose="plotting a chip") from error
        axes: Axes = plt.subplots()[1] if ax is None else ax
        extent = None
        if self.transform is not None and self.transform.b == 0 and self.transform.d == 0:
            a, _, left, _, e, top = self.transform[:6]
            extent = (left, left + a * self.size.width, top + e * self.size.height, top)
        axes.imshow(self.to_rgb8(bands=bands), extent=extent, interpolation="nearest")
        axes.set_title(str(self.row.get("id", "")) or f"x {self.window.x}, y {self.window.y}, level {self.level}")
        return axes

    def _with_nan(self) -> NDArray[Any]:
        kind = self.pixels.dtype
        wide = kind if kind.kind in "fc" else np.float32 if kind.itemsize <= 2 else np.float64
        values = self.pixels.astype(wide)
        values[~self.mask] = np.nan
        return values

    def _repr_png_(self) -> bytes:
        """Draw the chip for a notebook."""
        from stacchip_osml.encode.pictures.png import png_bytes

        step = -(-max(self.size) // NOTEBOOK_SIDE)
        return png_bytes(np.ascontiguousarray(self.to_rgb8()[::step, ::step]))

    def __repr__(self) -> str:
        bands, rows, cols = self.shape
        parts = [
            f"{bands} band{'s' * (bands != 1)} × {rows} rows × {cols} cols {self.pixels.dtype.name}",
            f"{100 * float(self.mask.mean()):.4g} % valid",
            f"x={self.window.x} y={self.window.y} width={self.window.width} height={self.window.height}",
            f"level {self.level}",
        ]
        if self.chain != "raw":
            parts.append(f"chain {self.chain}")
        if self.crs is None:
            parts.append("sensor geometry" if self.transform is None else "no CRS")
        else:
            parts.append(self.crs if len(self.crs) < 30 else self.crs[:27] + "…")
        if self.band_names:
            parts.append("bands " + ", ".join(self.band_names[:8]) + (", …" if bands > 8 else ""))
        if "id" in self.row:
            parts.insert(0, str(self.row["id"]))
        return f"<Chip {'; '.join(parts)}>"
