"""Opening and reading with GDAL: the one file that imports rasterio.

Rules:

- the driver is the one that the caller found in the file's magic bytes, and
  sidecar files (``.aux.xml``, ``.ovr``, ``.msk``, world files) are off unless asked for;
- GDAL may signal a failure and yet return: an index of blocks that cannot be
  fetched reads as "no block is stored", a directory as "no mask". What is read
  lazily is therefore asked for while GDAL's signals are heard, and they raise;
- ``complex_int16`` arrives as complex64, which holds it exactly; complex int32
  arrives as complex64 too, exact up to 2**24;
- what rasterio and GDAL log of an opened URL is logged without its query.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from functools import lru_cache

import numpy as np
from rasterio import Env
from rasterio._err import _ERROR_STACK, CPLE_BaseError, stack_errors
from rasterio.crs import CRS
from rasterio.errors import CRSError, NotGeoreferencedWarning, RasterioError, RasterioIOError
from rasterio.io import DatasetReader, MemoryFile
from rasterio.session import DummySession
from rasterio.windows import Window

from stacchip_osml.errors import DecodeError, redact
from stacchip_osml.forked import ForkLock
from stacchip_osml.imagery.gdal.facts import Facts, Level, absent_parts, blocks_under, is_stored, planes
from stacchip_osml.imagery.gdal.signs import packing_of, require_understood, sign_of, with_sign
from stacchip_osml.imagery.header import GroundControlPoint, ImageHeader, nitf_time
from stacchip_osml.imagery.level_places import LevelPlace
from stacchip_osml.imagery.masks import valid_where
from stacchip_osml.imagery.providers.protocol import Mask, Pixels
from stacchip_osml.pixel import ImageSize, PixelWindow

__all__ = [
    "GDAL_ERRORS",
    "Dataset",
    "UnsureError",
    "absent_blocks",
    "declared_mask",
    "decode_codestream",
    "environment",
    "forget_signals",
    "hide_signatures",
    "open_dataset",
    "read_decimated_mask",
    "read_header_of",
    "read_mask",
    "read_pixels",
    "read_stored",
    "settle",
    "stores_block",
    "story",
]

SIDECARS_OFF = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "GDAL_PAM_ENABLED": "NO"}
SIDECARS_ON = {"GDAL_DISABLE_READDIR_ON_OPEN": "FALSE", "GDAL_PAM_ENABLED": "YES"}
GDAL_ERRORS = (RasterioError, CPLE_BaseError, CRSError, UnicodeDecodeError)
FORGETFUL = frozenset({"JP2OpenJPEG", "NITF"})
"""Drivers of JPEG 2000: where several of their threads decode tiles, a damaged one reads as anything, and no signal
says so."""
REMEMBERED = 4096
"""Block ranges that a handle remembers to be stored."""

IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
_WARNINGS = ForkLock()


class UnsureError(Exception):
    """A block is absent, or its place could not be fetched: only a new handle can tell which."""


class Dataset(DatasetReader):  # type: ignore[misc]
    """A dataset that opens without reading its geotransform, because rasterio warns while it does."""

    def read_transform(self) -> list[float]:
        """Give rasterio's default, which is not used."""
        return [0.0, 1.0, 0.0, 0.0, 0.0, 1.0]


AS_STORED = {"GTIFF_IMPLICIT_JPEG_OVR": "NO", "NITF_SAR_AS_COMPLEX_TYPE": "NO"}
"""No levels that a file does not hold; I and Q of a NITF image are its two bands, which GDAL 3.11 makes one of."""


@contextmanager
def environment(*, sidecars: bool, options: Mapping[str, str]) -> Iterator[None]:
    """Set GDAL's options for opening, and for network reads, without touching credentials."""
    files = SIDECARS_ON if sidecars else SIDECARS_OFF
    # rasterio's own session would ask for boto3; GDAL finds credentials in the environment itself.
    with Env(session=DummySession(), **AS_STORED, **files, **options):
        yield


def open_dataset(name: str, *, driver: str, overview: int | None, head: bytes = b"") -> Dataset:
    """Open one stored level of a file, inside ``environment``; the caller closes it.

    Args:
        name: as GDAL spells it.
        driver: the only one that may open it.
        overview: GDAL's overview index, None for R0.
        head: the file's first bytes, where they may say more than GDAL.

    Raises:
        DecodeError: the file's name is no text.
    """
    if not _is_text(name):
        raise DecodeError(f"{name.encode(errors='backslashreplace').decode()}: a name that is no UTF-8 is not opened")
    level = {} if overview is None else {"OVERVIEW_LEVEL": overview}
    dataset = Dataset(name, driver=driver, sharing=False, **level)
    dataset.known_stored, dataset.known_split, dataset.sign = set(), {}, sign_of(dataset, head)
    dataset.packing, dataset.origin = packing_of(dataset), None
    return dataset


def _is_text(name: str) -> bool:
    """Tell names that are text from those whose bytes are none, which Python spells with lone surrogates."""
    return not any("\ud800" <= letter <= "\udfff" for letter in name)


def forget_signals() -> None:
    """Have GDAL forget what it signalled in this thread, of this file or of another one.

    rasterio takes the last signal for the outcome of its next call, where that gives a number other than 0 (a band's
    colour does).
    """
    with stack_errors():
        pass


def settle(dataset: Dataset) -> None:
    """Have GDAL look for masks and overviews now, where a failure to fetch them is heard."""
    with _heard():
        _ = dataset.mask_flag_enums
        dataset.overviews(1) if dataset.count else None


@contextmanager
def _heard() -> Iterator[None]:
    """Raise what GDAL signals inside and would not return.

    Raises:
        RasterioIOError: quoting every signal.
    """
    with stack_errors():
        yield
        signals = [str(signal) for signal in _ERROR_STACK.get()]
    if signals:
        raise RasterioIOError("; ".join(dict.fromkeys(signals)))


def read_pixels(dataset: Dataset, window: PixelWindow, bands: Sequence[int]) -> Pixels:
    """Read ``(bands, rows, cols)`` in the source dtype; ``bands`` are 0-based."""
    require_understood(dataset)
    dtype = "float32" if "float16" in dataset.dtypes else None
    with Env(session=DummySession(), GDAL_NUM_THREADS="1") if dataset.driver in FORGETFUL else nullcontext():
        pixels: Pixels = dataset.read([band + 1 for band in bands], window=Window(*window), out_dtype=dtype)
    return with_sign(dataset, pixels)


def read_mask(dataset: Dataset, window: PixelWindow, band: int) -> Mask:
    """Read what GDAL calls the mask of a band ``(rows, cols)``, True where valid."""
    return np.asarray(dataset.read_masks(band + 1, window=Window(*window)), dtype=np.bool_)


def declared_mask(
    dataset: Dataset, facts: Facts, level: Level, *, window: PixelWindow, chosen: tuple[int, ...], pixels: Pixels
) -> Mask:
    """Build the mask of what is declared band by band; a mask band for all outranks nodata and alpha (GDAL RFC 15)."""
    nodata = (None,) * facts.count if facts.shared_mask else level.nodata
    band = None if facts.shared_mask else facts.alpha
    alpha = None
    if band is not None:
        alpha = pixels[chosen.index(band)] if band in chosen else read_pixels(dataset, window, (band,))[0]
    mask = valid_where(pixels, chosen, nodata=nodata, alpha_band=band, alpha=alpha)
    for position, band in enumerate(chosen):
        if facts.own_masks[band]:
            mask[position] &= read_mask(dataset, window, band)
    return mask


def read_decimated_mask(dataset: Dataset, *, window: PixelWindow, level: ImageSize, base: ImageSize) -> Mask:
    """Read R0's mask ``(rows, cols)`` where a coarser level of size ``level`` has its window."""
    across, down = base.width / level.width, base.height / level.height
    place = Window(window.x * across, window.y * down, window.width * across, window.height * down)
    return np.asarray(
        dataset.read_masks(1, window=place, out_shape=(window.height, window.width)),
        dtype=np.bool_,
    )


def absent_blocks(
    dataset: Dataset, facts: Facts, level: Level, window: PixelWindow, bands: Sequence[int]
) -> tuple[tuple[slice, slice, slice], ...] | None:
    """Find what a sparse GeoTIFF does not store of a window; see ``absent_parts``.

    A block's place is fetched when it is first asked for, so this comes before
    pixels are read, on the same handle.
    """
    blocks = blocks_under(facts, level, window, bands)
    if blocks in dataset.known_stored:
        return ()
    with _heard():
        absent = absent_parts(dataset, facts, level, window, bands)
    if absent == ():
        if len(dataset.known_stored) >= REMEMBERED:
            dataset.known_stored.clear()
        dataset.known_stored.add(blocks)
    return absent


def stores_block(dataset: Dataset, facts: Facts, row: int, col: int, *, sure: bool) -> bool:
    """Tell whether a GeoTIFF stores a block of any band.

    Raises:
        UnsureError: it seems not to, and the handle is not ``sure``.
    """
    with _heard():
        found = any(is_stored(dataset, row, col, band) for band in planes(facts, range(facts.count)))
    if not found and not sure:
        raise UnsureError
    return found


def read_stored(
    dataset: Dataset, facts: Facts, level: Level, window: PixelWindow, bands: Sequence[int], *, sure: bool
) -> tuple[Pixels, tuple[tuple[slice, slice, slice], ...] | None]:
    """Read pixels, and what of them is not stored; see ``absent_blocks``.

    Args:
        dataset: a handle of ``level``.
        facts: of the image.
        level: which level it is.
        window: pixels of the level, inside it.
        bands: 0-based.
        sure: whether an answer that a block is absent can be believed: the file is local, or the handle is new and
            has read nothing. Without it pixels are read first, because GDAL then fetches the places of blocks
            without holding Python's lock.

    Raises:
        UnsureError: a block seems absent, and the handle is not ``sure``.
        DecodeError: the level has another type than the image.
    """
    early = None if sure else read_pixels(dataset, window, bands)
    holes = absent_blocks(dataset, facts, level, window, bands) if facts.driver == "GTiff" else ()
    if holes != () and not sure:
        raise UnsureError
    pixels = read_pixels(dataset, window, bands) if early is None else early
    if pixels.dtype != facts.dtype:
        raise DecodeError(f"{redact(dataset.name)}: an overview of {pixels.dtype} where R0 is {facts.dtype}")
    return pixels, holes


MANY = frozenset({"GTiff", "NITF"})
"""Drivers whose files hold several images; of others GDAL would look through the whole file."""


def read_header_of(dataset: Dataset, facts: Facts, levels: tuple[Level, ...], *, sidecars: bool = False) -> ImageHeader:
    """Read what an R0 dataset says of itself; its file's size and time are the caller's to add.

    Args:
        dataset: of R0.
        facts: of it.
        levels: R0 first.
        sidecars: files next to it are believed, so its levels may be in one of them.
    """
    gcps, gcps_crs = dataset.gcps
    rpcs = tuple((str(key), str(value)) for key, value in dataset.tags(ns="RPC").items())
    tags = dataset.tags()
    return ImageHeader(
        driver=facts.driver,
        levels=tuple(level.size for level in levels),
        bands=facts.bands,
        block_shape=facts.base.block_shape,
        transform=_transform(dataset, tied=bool(gcps or rpcs)),
        crs=_crs_text(dataset.crs),
        gcps=tuple(GroundControlPoint(row=g.row, col=g.col, x=g.x, y=g.y, z=g.z or 0.0) for g in gcps),
        gcps_crs=_crs_text(gcps_crs) if gcps else None,
        rpcs=rpcs,
        area_or_point=tags.get("AREA_OR_POINT", "Area"),
        mask=facts.mask,
        compression=facts.compression,
        interleave=facts.interleave,
        acquired=tags.get("TIFFTAG_DATETIME") or nitf_time(tags.get("NITF_IDATIM"), tags.get("NITF_FDT")),
        images=max(len(dataset.subdatasets), 1) if facts.driver in MANY else 1,
        places=_places(dataset, levels, sidecars=sidecars),
    )


def _places(dataset: Dataset, levels: tuple[Level, ...], *, sidecars: bool) -> tuple[LevelPlace, ...]:
    """Tell where levels lie, by what makes them; none of GeoTIFF, whose overviews are stretched unless they say it."""
    if len(levels) == 1 or (dataset.driver == "GTiff" and not any(level.place for level in levels)):
        return ()
    if not (sidecars and any(name.lower().endswith((".ovr", ".r1")) for name in dataset.files)):
        if dataset.origin is not None:
            return tuple(LevelPlace.of_samples(level, dataset.origin) for level in range(len(levels)))
        if dataset.driver == "JPEG" or (dataset.get_tag_item("NITF_IC") or "")[1:] in {"1", "3"}:
            return tuple(LevelPlace.halved(level) for level in range(len(levels)))
    return tuple(level.place or LevelPlace.stretched(level.size, levels[0].size) for level in levels)


def _transform(dataset: Dataset, *, tied: bool) -> tuple[float, float, float, float, float, float] | None:
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
    is_nameless = wkt.startswith('PROJCS["unnamed",GEOGCS["WGS 84",')  # as GDAL writes the UTM zone of a NITF
    code: int | None = crs.to_epsg(confidence_threshold=70 if is_nameless else 100)
    return code if code is not None and CRS.from_epsg(code) == crs else None


def decode_codestream(data: bytes, *, level: int, window: PixelWindow) -> Pixels:
    """Decode a part of a JPEG 2000 codestream at a smaller resolution.

    Args:
        data: the codestream; tiles beside the window may be missing.
        level: 1 for half the size, and so on.
        window: pixels of that resolution.

    Returns:
        ``(components, rows, cols)``.

    Raises:
        DecodeError: it is damaged, or GDAL shows no such resolution.
    """
    try:
        with (
            environment(sidecars=False, options={"GDAL_NUM_THREADS": "1"}),
            MemoryFile(data) as memory,
            _heard(),
            open_dataset(memory.name, driver="JP2OpenJPEG", overview=level - 1) as dataset,
        ):
            return read_pixels(dataset, window, range(dataset.count))
    except GDAL_ERRORS as error:
        raise DecodeError(f"JPEG 2000: {story(error)}") from error


def story(error: BaseException) -> str:
    """Join what an exception and its causes say, without credentials."""
    told: list[str] = []
    cause: BaseException | None = error
    while cause is not None and len(told) < 4:
        text = redact(str(cause)).strip()
        if text and text not in told:
            told.append(text)
        cause = cause.__cause__ or cause.__context__
    return "; ".join(told) or type(error).__name__


class _Redacting(logging.Filter):
    """Takes user names and queries out of the URLs that a record names."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redact(record.getMessage()), ()
        if record.exc_info and record.exc_info[1] is not None:
            record.msg = f"{record.msg}: {story(record.exc_info[1])}"
            record.exc_info = record.exc_text = None
        return True


@lru_cache(maxsize=1)
def hide_signatures() -> None:
    """Let the loggers of rasterio, which repeat what they open, leave out signatures."""
    hiding = _Redacting()
    for name in [name for name in logging.root.manager.loggerDict if name.partition(".")[0] == "rasterio"]:
        logging.getLogger(name).addFilter(hiding)
