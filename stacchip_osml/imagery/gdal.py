"""The GDAL reader: every image that rasterio opens, behind our own protocols.

The one file that imports rasterio. Rules:

- the driver is pinned from the file's magic bytes (``format``), the location
  is one of those that ``location`` admits, and sidecar files (``.aux.xml``,
  ``.ovr``, ``.msk``, world files) are off unless asked for;
- a dataset serves one thread at a time: handles are lent by one bounded pool;
- sizes are checked against ``ReadLimits`` before GDAL allocates for them;
- a local file is looked at before and after each read, so that pixels of two
  versions never mix;
- a mask is True where everything the file declares says valid: the mask band
  or, without one, nodata; the alpha band; and that a sparse GeoTIFF stores the
  block. The alpha band itself is a band like the others. A complex pixel is
  nodata when both its parts say so;
- ``complex_int16`` arrives as complex64, which holds it exactly; complex int32
  arrives as complex64 too, exact up to 2**24.
"""

from __future__ import annotations

import re
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from rasterio import Env
from rasterio._err import CPLE_BaseError
from rasterio.crs import CRS
from rasterio.errors import CRSError, NotGeoreferencedWarning, RasterioError
from rasterio.io import DatasetReader
from rasterio.session import DummySession
from rasterio.windows import Window

from stacchip_osml.errors import (
    AssetChanged,
    AssetMissing,
    DecodeError,
    RemoteReadError,
    WindowError,
    redact,
)
from stacchip_osml.imagery.format import sniff_driver
from stacchip_osml.imagery.gdal_facts import (
    Facts,
    Level,
    absent_parts,
    block_window,
    facts_of,
    grid_of,
    is_stored,
    level_of,
    planes,
)
from stacchip_osml.imagery.handle_pool import HandlePool
from stacchip_osml.imagery.header import GroundControlPoint, ImageHeader
from stacchip_osml.imagery.limits import ReadLimits
from stacchip_osml.imagery.location import (
    ATTEMPTS,
    FileStamp,
    gdal_name,
    is_remote,
    local_stamp,
    read_head,
    require_location,
)
from stacchip_osml.imagery.masks import valid_where
from stacchip_osml.imagery.provider import Mask, MaskedPixels, Pixels
from stacchip_osml.pixel import ImageSize, PixelWindow

__all__ = ["OPEN_HANDLES", "GdalImage", "close_idle_handles", "read_header"]

OPEN_HANDLES = 64
"""GDAL datasets kept open by one process."""

NETWORK = {
    "GDAL_HTTP_MAX_RETRY": str(ATTEMPTS - 1),
    "GDAL_HTTP_RETRY_DELAY": "0.1",
    "GDAL_HTTP_RETRY_CODES": "429,500,502,503,504",
    "GDAL_HTTP_CONNECTTIMEOUT": "10",
    "GDAL_HTTP_LOW_SPEED_TIME": "15",
    "GDAL_HTTP_LOW_SPEED_LIMIT": "1",
    "GDAL_HTTP_TIMEOUT": "60",
    # GDAL would keep an object's size and bytes for the life of the process, even after the object changed.
    "CPL_VSIL_CURL_NON_CACHED": "/vsicurl/:/vsis3/:/vsigs/:/vsiaz/",
}
SIDECARS_OFF = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "GDAL_PAM_ENABLED": "NO"}
SIDECARS_ON = {"GDAL_DISABLE_READDIR_ON_OPEN": "FALSE", "GDAL_PAM_ENABLED": "YES"}
GDAL_ERRORS = (RasterioError, CPLE_BaseError, CRSError, UnicodeDecodeError)
HTTP_STATUS = re.compile(r"(?:HTTP|response)[ _](?:response|error)?[ _]?code\D{0,4}(\d{3})", re.IGNORECASE)
NETWORK_TROUBLE = re.compile(r"HTTP|CURL|timed out|Timeout|Could not resolve|connection", re.IGNORECASE)
MASK_PROBE = 1 << 26
"""Pixels: the most that finding out about a mask's overviews may read."""

IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
_WARNINGS = threading.Lock()


class _Dataset(DatasetReader):  # type: ignore[misc]
    """A dataset that opens without reading its geotransform, because rasterio warns while it does."""

    def read_transform(self) -> list[float]:
        return [0.0, 1.0, 0.0, 0.0, 0.0, 1.0]


_POOL: HandlePool[_Dataset] = HandlePool(OPEN_HANDLES)


def close_idle_handles() -> None:
    """Close every file that no read is using; the next read opens it again."""
    _POOL.close_resting()


def read_header(
    location: str,
    *,
    sign: Callable[[str], str] | None = None,
    sidecars: bool = False,
    limits: ReadLimits | None = None,
) -> ImageHeader:
    """Read everything an image says of itself except its pixels.

    Args:
        location: absolute path, or ``http(s)://``, ``s3://``, ``gs://``, ``az://`` URL, unsigned.
        sign: turns ``location`` into what is really opened.
        sidecars: also believe the files next to it.
        limits: refused above these; None for the defaults.

    Raises:
        ReadError: not a location that is served.
        AssetMissing: there is no such file.
        DecodeError: it is not an image that GDAL reads.
        RemoteReadError: the server did not give it.
        LimitError: it is larger than ``limits``.
    """
    return GdalImage(location, sign=sign, sidecars=sidecars, limits=limits).header


class GdalImage:
    """One image file as provider and reader; safe for threads, cheap to pickle, opened on first use."""

    def __init__(
        self,
        location: str,
        *,
        sign: Callable[[str], str] | None = None,
        sidecars: bool = False,
        expect: tuple[int | None, int | None] = (None, None),
        limits: ReadLimits | None = None,
    ) -> None:
        """Name the image; nothing is opened yet.

        Args:
            location: absolute path, or ``http(s)://``, ``s3://``, ``gs://``, ``az://`` URL, unsigned.
            sign: turns ``location`` into what is really opened; hashable, and picklable if the image is to be.
            sidecars: also believe the files next to it.
            expect: ``(size_bytes, modified_ns)`` when indexed, None where unknown.
            limits: refused above these; None for the defaults.

        Raises:
            ReadError: not a location that is served.
        """
        self.location = require_location(location)
        self.sign = sign
        self.sidecars = sidecars
        self.expect = expect
        self.limits = ReadLimits() if limits is None else limits
        self._remote = is_remote(location)
        self._name = redact(location)
        self._stamp: FileStamp | None = None
        self._size_bytes: int | None = None
        self._known: Facts | None = None
        self._stored: tuple[Level, ...] | None = None
        self._header: ImageHeader | None = None
        self._level_masks: bool | None = None
        self._tags: Mapping[str, Any] | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopened, (self.location, self.sign, self.sidecars, self.expect, self.limits)

    def __repr__(self) -> str:
        return f"GdalImage({self._name!r})"

    # ---- PixelReader

    def level_shape(self, level: int) -> ImageSize:
        """Give the true size of a stored level.

        Raises:
            IndexError: the image has no such level.
        """
        return self._level(level).size

    def read(self, window: PixelWindow, *, level: int = 0, bands: Sequence[int] | None = None) -> MaskedPixels | None:
        """Read one window of one stored level.

        Args:
            window: pixels of that level, inside it.
            level: 0 is full resolution.
            bands: 0-based, in the order wanted; None for all.

        Returns:
            ``(bands, rows, cols)`` in the source dtype with its mask; None where every block under the
            window is absent from a sparse GeoTIFF.

        Raises:
            WindowError: ``window`` is empty or leaves the level.
            IndexError: no such level or band.
            LimitError: the blocks or the request are larger than the limits.
            AssetMissing: the file is gone.
            AssetChanged: the file is not the one expected, or changed under the read.
            DecodeError: the bytes are not a readable image.
            RemoteReadError: the server did not give them.
        """
        facts, stored = self._facts(), self._level(level)
        chosen = self._bands(facts, bands)
        _require_inside(self._name, window, stored.size, level)
        self._require_small(facts, stored, ImageSize(window.width, window.height), len(chosen))
        with self._borrow(stored.overview) as dataset:
            holes = absent_parts(dataset, facts, stored, window, chosen) if facts.driver == "GTiff" else ()
            if holes is None:
                return None
            pixels = _pixels(dataset, window, chosen)
            mask = self._mask(dataset, facts, stored, window=window, chosen=chosen, pixels=pixels)
        for hole in holes:
            mask[hole] = False
        if facts.shared_mask:
            mask &= self._shared_mask(facts, stored, window)
        return MaskedPixels(pixels, mask)

    # ---- ImageProvider

    @property
    def key(self) -> str:
        """The location, unsigned."""
        return self.location

    @property
    def title(self) -> str:
        """The file's name."""
        return PurePosixPath(self._name.partition("?")[0]).name

    @property
    def description(self) -> str:
        """What the file says it shows, empty where it says nothing."""
        return str(self.metadata.get("TIFFTAG_IMAGEDESCRIPTION", ""))

    @property
    def num_rows(self) -> int:
        """R0 rows."""
        return self._facts().base.size.height

    @property
    def num_columns(self) -> int:
        """R0 columns."""
        return self._facts().base.size.width

    @property
    def num_bands(self) -> int:
        """Bands, alpha included."""
        return self._facts().count

    @property
    def num_bits_per_pixel(self) -> int:
        """Bits of one band's pixel as delivered."""
        return self._facts().dtype.itemsize * 8

    @property
    def actual_bits_per_pixel(self) -> int:
        """Bits that carry information, where the file says so."""
        return self._facts().actual_bits

    @property
    def num_pixels_per_block_horizontal(self) -> int:
        """Columns of an R0 block."""
        return self._facts().base.block_shape[1]

    @property
    def num_pixels_per_block_vertical(self) -> int:
        """Rows of an R0 block."""
        return self._facts().base.block_shape[0]

    @property
    def num_resolution_levels(self) -> int:
        """Stored levels, R0 included."""
        return 1 + self._facts().overviews

    @property
    def block_grid_size(self) -> tuple[int, int]:
        """(rows, cols) of the R0 block grid."""
        return grid_of(self._facts().base)

    @property
    def pixel_value_type(self) -> np.dtype[Any]:
        """The numpy dtype of blocks."""
        return self._facts().dtype

    @property
    def pad_pixel_value(self) -> float:
        """The first band's nodata, 0 where it has none."""
        nodata = self._facts().base.nodata[0]
        return 0.0 if nodata is None else float(nodata.real)

    @property
    def metadata(self) -> Mapping[str, Any]:
        """The file's own tags, as GDAL names them."""
        if self._tags is None:
            with self._borrow(None) as dataset:
                self._tags = dict(dataset.tags())
        return self._tags

    def has_block(self, block_row: int, block_col: int, resolution_level: int = 0) -> bool:
        """Tell whether a block is in the grid and stored (False where a GeoTIFF is sparse)."""
        facts = self._facts()
        if not 0 <= resolution_level < self.num_resolution_levels:
            return False
        stored = self._level(resolution_level)
        rows, cols = grid_of(stored)
        if not (0 <= block_row < rows and 0 <= block_col < cols):
            return False
        if facts.driver != "GTiff":
            return True
        with self._borrow(stored.overview) as dataset:
            return any(is_stored(dataset, block_row, block_col, band) for band in planes(facts, range(facts.count)))

    def get_block(
        self, block_row: int, block_col: int, resolution_level: int = 0, bands: Sequence[int] | None = None
    ) -> Pixels:
        """Read one block, short at the right and bottom edge; an absent one reads as nodata or 0.

        Returns:
            ``(bands, rows, cols)``.

        Raises:
            IndexError: no such block, level or band.
            ReadError: as ``read``.
            LimitError: as ``read``.
        """
        facts, stored = self._facts(), self._level(resolution_level)
        chosen = self._bands(facts, bands)
        rows, cols = grid_of(stored)
        if not (0 <= block_row < rows and 0 <= block_col < cols):
            raise IndexError(f"{self._name}: no block ({block_row}, {block_col}) in a grid of {rows} x {cols}")
        window = block_window(stored, block_row, block_col)
        self._require_small(facts, stored, ImageSize(window.width, window.height), len(chosen))
        with self._borrow(stored.overview) as dataset:
            return _pixels(dataset, window, chosen)

    # ---- header

    @property
    def header(self) -> ImageHeader:
        """Everything about the image that is not pixels."""
        if self._header is None:
            facts = self._facts()
            levels = tuple(level.size for level in self._levels())
            with self._borrow(None) as dataset:
                self._header = _header(dataset, facts, levels, self._stamp, self._size_bytes)
        return self._header

    def _facts(self) -> Facts:
        if self._known is None:
            with self._borrow(None) as dataset:
                self._known = facts_of(dataset, self._name, self.limits)
        return self._known

    def _levels(self) -> tuple[Level, ...]:
        """List the stored levels from fine to coarse, whatever order the file has them in."""
        if self._stored is None:
            facts = self._facts()
            coarse = []
            for overview in range(facts.overviews):
                with self._borrow(overview) as dataset:
                    coarse.append(level_of(dataset, overview))
            coarse.sort(key=lambda level: -level.size.width * level.size.height)
            self._stored = (facts.base, *coarse)
        return self._stored

    def _level(self, level: int) -> Level:
        if level == 0:
            return self._facts().base
        if not 0 < level < self.num_resolution_levels:
            raise IndexError(f"{self._name}: no level {level}; it has {self.num_resolution_levels}")
        return self._levels()[level]

    def _bands(self, facts: Facts, bands: Sequence[int] | None) -> tuple[int, ...]:
        chosen = tuple(range(facts.count)) if bands is None else tuple(bands)
        if not chosen or not all(0 <= band < facts.count for band in chosen):
            raise IndexError(f"{self._name}: bands {chosen} of an image that has {facts.count}")
        return chosen

    def _require_small(self, facts: Facts, stored: Level, size: ImageSize, bands: int) -> None:
        itemsize = facts.dtype.itemsize
        self.limits.require_block(self._name, stored.block_shape, 1 if facts.planar else facts.count, itemsize)
        self.limits.require_request(self._name, size, bands, itemsize)

    # ---- masks

    def _mask(
        self,
        dataset: _Dataset,
        facts: Facts,
        stored: Level,
        *,
        window: PixelWindow,
        chosen: tuple[int, ...],
        pixels: Pixels,
    ) -> Mask:
        """Build the mask from what is declared band by band; a mask band for all outranks nodata (GDAL RFC 15)."""
        nodata = (None,) * facts.count if facts.shared_mask else stored.nodata
        alpha = None
        if facts.alpha is not None:
            held = facts.alpha in chosen
            alpha = pixels[chosen.index(facts.alpha)] if held else _pixels(dataset, window, (facts.alpha,))[0]
        mask = valid_where(pixels, chosen, nodata=nodata, alpha_band=facts.alpha, alpha=alpha)
        for position, band in enumerate(chosen):
            if facts.own_masks[band]:
                mask[position] &= _stored_mask(dataset, window, band)
        return mask

    def _shared_mask(self, facts: Facts, stored: Level, window: PixelWindow) -> Mask:
        """Read the mask band of a level ``(rows, cols)``; R0's, decimated, where that level has none of its own."""
        if stored.overview is None or self._masks_have_levels():
            with self._borrow(stored.overview) as dataset:
                return _stored_mask(dataset, window, 0)
        across = facts.base.size.width / stored.size.width
        down = facts.base.size.height / stored.size.height
        place = Window(window.x * across, window.y * down, window.width * across, window.height * down)
        with self._borrow(None) as dataset:
            decimated = dataset.read_masks(1, window=place, out_shape=(window.height, window.width))
        return np.asarray(decimated, dtype=np.bool_)

    def _masks_have_levels(self) -> bool:
        """Find out whether the mask band has overviews.

        Where it has none, GDAL calls every overview pixel valid; so a hole in
        the coarsest level proves that it has.
        """
        if self._level_masks is None:
            coarsest = self._levels()[-1]
            self._level_masks = False
            if coarsest.size.width * coarsest.size.height <= MASK_PROBE:
                with self._borrow(coarsest.overview) as dataset:
                    whole = _stored_mask(dataset, PixelWindow(0, 0, *coarsest.size), 0)
                self._level_masks = not bool(whole.all())
        return self._level_masks

    # ---- handles

    @contextmanager
    def _borrow(self, overview: int | None) -> Iterator[_Dataset]:
        """Lend the handle of one level, with the file checked before and after and errors translated."""
        stamp = self._checked_stamp()
        key = (self.location, self.sign, self.sidecars, overview, stamp)
        around = _environment(self.sidecars) if self._remote else nullcontext()
        with self._translated(), around, _POOL.lend(key, lambda: self._open(overview)) as dataset:
            yield dataset
        self._checked_stamp()

    def _open(self, overview: int | None) -> _Dataset:
        target = self.location if self.sign is None else require_location(self.sign(self.location))
        head, size = read_head(target)
        if self._remote:
            self._require_expected(size, None)
            self._size_bytes = size
        driver = sniff_driver(head)
        if driver is None:
            raise DecodeError(f"{self._name}: not a TIFF, NITF, JPEG 2000, PNG or JPEG file; it begins {head[:8]!r}")
        options = {} if overview is None else {"OVERVIEW_LEVEL": overview}
        with _environment(self.sidecars):
            return _Dataset(gdal_name(target), driver=driver, sharing=False, **options)

    def _checked_stamp(self) -> FileStamp | None:
        if self._remote:
            return None
        stamp = local_stamp(self.location)
        if self._stamp is None:
            self._require_expected(stamp.size_bytes, stamp.modified_ns)
            self._stamp, self._size_bytes = stamp, stamp.size_bytes
        elif stamp != self._stamp:
            raise AssetChanged(f"{self._name}: the file changed since it was first read")
        return stamp

    def _require_expected(self, size: int | None, modified: int | None) -> None:
        for what, expected, found in (("bytes", self.expect[0], size), ("ns mtime", self.expect[1], modified)):
            if expected is not None and found is not None and expected != found:
                raise AssetChanged(f"{self._name}: expected {expected} {what}, found {found}")

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except GDAL_ERRORS as error:
            said = _story(error)
            # The foreign exception may quote a signed URL, so the cause is its redacted text.
            cause = OSError(said)
            if self._remote and NETWORK_TROUBLE.search(said):
                status = HTTP_STATUS.search(said)
                code = int(status[1]) if status else None
                if code in (404, 410):
                    raise AssetMissing(f"{self._name}: status {code}") from cause
                raise RemoteReadError(self.location, status=code, attempts=ATTEMPTS) from cause
            raise DecodeError(f"{self._name}: {said}") from cause


def _reopened(
    location: str,
    sign: Callable[[str], str] | None,
    sidecars: bool,
    expect: tuple[int | None, int | None],
    limits: ReadLimits,
) -> GdalImage:
    return GdalImage(location, sign=sign, sidecars=sidecars, expect=expect, limits=limits)


@contextmanager
def _environment(sidecars: bool) -> Iterator[None]:
    """Set GDAL's options for opening, and for network reads, without touching credentials."""
    files = SIDECARS_ON if sidecars else SIDECARS_OFF
    # rasterio's own session would ask for boto3; GDAL finds credentials in the environment itself.
    with Env(session=DummySession(), GTIFF_IMPLICIT_JPEG_OVR="NO", **files, **NETWORK):
        yield


def _story(error: BaseException) -> str:
    """Join what an exception and its causes say, without credentials."""
    told: list[str] = []
    cause: BaseException | None = error
    while cause is not None and len(told) < 4:
        text = redact(str(cause)).strip()
        if text and text not in told:
            told.append(text)
        cause = cause.__cause__ or cause.__context__
    return "; ".join(told) or type(error).__name__


def _pixels(dataset: _Dataset, window: PixelWindow, bands: Sequence[int]) -> Pixels:
    pixels: Pixels = dataset.read([band + 1 for band in bands], window=Window(*window))
    return pixels


def _stored_mask(dataset: _Dataset, window: PixelWindow, band: int) -> Mask:
    return np.asarray(dataset.read_masks(band + 1, window=Window(*window)), dtype=np.bool_)


def _require_inside(name: str, window: PixelWindow, size: ImageSize, level: int) -> None:
    x, y, width, height = window
    if width <= 0 or height <= 0 or x < 0 or y < 0 or x + width > size.width or y + height > size.height:
        raise WindowError(f"{name}: {window} is empty or leaves level {level} of {size.width} x {size.height} pixels")


def _header(
    dataset: _Dataset, facts: Facts, levels: tuple[ImageSize, ...], stamp: FileStamp | None, size: int | None
) -> ImageHeader:
    gcps, gcps_crs = dataset.gcps
    rpcs = tuple((str(key), str(value)) for key, value in dataset.tags(ns="RPC").items())
    return ImageHeader(
        driver=facts.driver,
        levels=levels,
        bands=facts.bands,
        block_shape=facts.base.block_shape,
        transform=_transform(dataset, tied=bool(gcps or rpcs)),
        crs=_crs_text(dataset.crs),
        gcps=tuple(GroundControlPoint(row=g.row, col=g.col, x=g.x, y=g.y, z=g.z or 0.0) for g in gcps),
        gcps_crs=_crs_text(gcps_crs) if gcps else None,
        rpcs=rpcs,
        area_or_point=dataset.tags().get("AREA_OR_POINT", "Area"),
        mask=facts.mask,
        compression=facts.compression,
        interleave=facts.interleave,
        size_bytes=size,
        modified_ns=None if stamp is None else stamp.modified_ns,
    )


def _transform(dataset: _Dataset, *, tied: bool) -> tuple[float, float, float, float, float, float] | None:
    """Read the geotransform in STAC's order; None where GDAL made up an identity.

    rasterio says so by a warning only, and filters are the process's own, so
    the moment of changing them is kept short and to one thread at a time.
    """
    with _WARNINGS, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", NotGeoreferencedWarning)
        c, a, b, f, d, e = DatasetReader.read_transform(dataset)
    transform = (a, b, c, d, e, f)
    made_up = tied or any(issubclass(warning.category, NotGeoreferencedWarning) for warning in caught)
    return None if transform == IDENTITY and made_up else transform


def _crs_text(crs: CRS | None) -> str | None:
    """Write a CRS as ``EPSG:n`` where that is exactly what it is, else as WKT2."""
    if not crs:
        return None
    code = _epsg_code(crs.wkt)
    if code is not None:
        return f"EPSG:{code}"
    try:
        return str(crs.to_wkt(version="WKT2_2019"))
    except CRSError:
        return str(crs.wkt)  # engineering and incomplete systems have no WKT2


@lru_cache(maxsize=1024)
def _epsg_code(wkt: str) -> int | None:
    """Find the EPSG code that a CRS is certain to be; slow (15 ms), and the same for all images of a collection."""
    crs = CRS.from_wkt(wkt)
    code: int | None = crs.to_epsg(confidence_threshold=100)
    return code if code is not None and CRS.from_epsg(code) == crs else None
