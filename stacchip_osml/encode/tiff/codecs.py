"""How the blocks of a TIFF are compressed: one row a compression, one object that encodes blocks.

Rules:

- what a compression cannot hold is refused by name before anything is encoded;
- a predictor is the dtype's own (section 14 of TIFF 6.0 for integers, Technical Note 3
  for floats) where the compression has one;
- JPEG tables stand once in the directory and not in every block (Technical Note 2).

It must not know where a block lies in an image.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from numbers import Real
from types import NoneType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.encode import codecs
from stacchip_osml.encode.jpeg_streams import EOI, SOI, segment, taken_apart
from stacchip_osml.encode.tiff.file import Tags
from stacchip_osml.errors import EncodeError

__all__ = ["COMPRESSIONS", "BlockCoder", "Compression", "block_coder", "compression_of"]

Level = float | None
Samples = NDArray[Any]

NONE, HORIZONTAL, FLOAT = 1, 2, 3
PREDICTORS: Mapping[Any, int | None] = {
    None: None,
    True: None,
    "auto": None,
    False: NONE,
    "none": NONE,
    "horizontal": HORIZONTAL,
    "float": FLOAT,
    "floatingpoint": FLOAT,
    "floating point": FLOAT,
}
"""What may be said of the predictor → its number in the file; None for the dtype's own."""
NUMBERS = {1: NONE, 2: HORIZONTAL, 3: FLOAT}
SUBSAMPLINGS = {"444": (1, 1), "422": (2, 1), "420": (2, 2)}
INTEGERS = ("uint8", "int8", "uint16", "int16", "uint32", "int32")
SAMPLE_FORMATS = {"u": 1, "i": 2, "f": 3, "c": 6, "b": 1}
LERC_THEN = {None: 0, "deflate": 1, "zstd": 2}
LERC_VERSION = 4
"""LERC 2.4, what libtiff writes."""
YCBCR = 6
TABLES, APPLICATIONS = (0xDB, 0xC4), range(0xE0, 0xF0)
"""Markers of JPEG."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compression:
    """One compression of TIFF."""

    name: str
    code: int
    """The value of tag 259."""
    encode: Callable[[Any, Level], bytes]
    """``(rows, cols)`` or ``(rows, cols, samples)``, contiguous, and the level → bytes."""
    levels: tuple[float, float] | None = None
    """Lowest and highest; None where it has none."""
    level: Level = None
    """What is meant where nobody says one; None where that is a way of its own."""
    whole: bool = True
    """Whether levels are whole numbers."""
    predicted: bool = False
    """Whether it may have a predictor."""
    octets: bool = True
    """Whether it takes any bytes; else samples of its own types."""
    dtypes: tuple[str, ...] = ()
    """That it can hold; none named for all of TIFF's."""
    samples: tuple[int, ...] = ()
    """How many it can hold together; none named for any number."""
    lossy: Callable[[Level], bool] = lambda _: False
    """Whether a level loses anything."""


def _plain(function: Callable[[Any], bytes]) -> Callable[[Any, Level], bytes]:
    """Make an encoder of one that has no level."""
    return lambda data, _: function(data)


def _whole(function: Callable[[Any, int], bytes]) -> Callable[[Any, Level], bytes]:
    """Make an encoder of one whose levels are whole numbers."""
    return lambda data, level: function(data, int(level or 0))


def _deflate(data: Any, level: Level) -> bytes:
    return codecs.deflate_bytes(data, None if level is None else int(level))


def _lerc(then: Literal["deflate", "zstd"] | None) -> Callable[[Any, Level], bytes]:
    return lambda samples, error: codecs.lerc_bytes(samples, error=error or 0.0, then=then)


_LERC = {"code": 34887, "octets": False, "dtypes": (*INTEGERS, "float32", "float64"), "whole": False}
_ERRORS: dict[str, Any] = {"levels": (0, float("inf")), "level": 0, "lossy": bool}

COMPRESSIONS: dict[str, Compression] = {
    row.name: row
    for row in (
        Compression(name="none", code=1, encode=_plain(codecs.raw_bytes)),
        Compression(name="lzw", code=5, encode=_plain(codecs.lzw_bytes), predicted=True),
        Compression(name="deflate", code=8, encode=_deflate, levels=(1, 12), predicted=True),
        Compression(name="zstd", code=50000, encode=_whole(codecs.zstd_bytes), levels=(1, 19), level=9, predicted=True),
        Compression(name="lzma", code=34925, encode=_whole(codecs.lzma_bytes), levels=(0, 9), level=6, predicted=True),
        Compression(name="packbits", code=32773, encode=_plain(codecs.packbits_bytes)),
        Compression(name="lerc", encode=_lerc(None), **_LERC, **_ERRORS),  # type: ignore[arg-type] # one table of mixed values
        Compression(name="lerc_deflate", encode=_lerc("deflate"), **_LERC, **_ERRORS),  # type: ignore[arg-type]
        Compression(name="lerc_zstd", encode=_lerc("zstd"), **_LERC, **_ERRORS),  # type: ignore[arg-type]
        Compression(
            name="jpeg",
            code=7,
            encode=_plain(codecs.raw_bytes),  # block_coder puts the quality, colours and tables in
            levels=(1, 100),
            level=85,
            octets=False,
            dtypes=("uint8",),
            samples=(1, 3, 4),
            lossy=lambda _: True,
        ),
        Compression(
            name="webp",
            code=50001,
            encode=lambda samples, quality: codecs.webp_bytes(samples, quality=quality),
            levels=(0, 100),
            whole=False,
            octets=False,
            dtypes=("uint8",),
            samples=(3, 4),
            lossy=lambda quality: quality is not None,
        ),
        Compression(
            name="jpegxl",
            code=50002,
            encode=lambda samples, quality: codecs.jpegxl_bytes(samples, quality=quality),
            levels=(0, 100),
            whole=False,
            octets=False,
            dtypes=("uint8", "uint16"),
            samples=(1, 2, 3, 4),
            lossy=lambda quality: quality is not None,
        ),
    )
}
"""Name → compression."""
CODES = {row.code: row.name for row in reversed(COMPRESSIONS.values())} | {32946: "deflate", 52546: "jpegxl"}


def compression_of(value: Any) -> Compression:
    """Find a compression by its name or its number in tag 259.

    Raises:
        EncodeError: there is no such one, or it is not written.
    """
    text = str(value).strip().lower()
    name = CODES.get(int(text), text) if text.isdecimal() else {"jpeg xl": "jpegxl", "jxl": "jpegxl"}.get(text, text)
    if name not in COMPRESSIONS:
        raise EncodeError(f"compression must be one of {', '.join(COMPRESSIONS)} (tag 259); got {value!r}")
    return COMPRESSIONS[name]


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockCoder:
    """Encodes the blocks of one directory; knows nothing of their place, so any thread may."""

    compression: Compression
    level: Level
    predictor: int
    bits: int
    """Of a stored sample."""
    order: str
    """Byte order of samples in the file."""
    tags: Tags
    """That tell a reader how blocks are stored."""
    encode_samples: Callable[[Any, Level], bytes]

    def encode(self, block: Samples, shape: tuple[int, int], *, planes: int = 1) -> list[bytes]:
        """Encode one block, its bands together or each alone.

        Args:
            block: ``(bands, rows, cols)``, native byte order.
            shape: rows and columns of a whole block; a smaller one is filled up.
            planes: 1, or the number of bands: what is done with all of them at once is done once.

        Raises:
            EncodeError: the compression cannot hold these samples.
        """
        if block.shape[1:] != shape:
            rows, cols = shape[0] - block.shape[1], shape[1] - block.shape[2]
            how = "edge" if self.compression.lossy(self.level) else "constant"  # no ringing along the image's edge
            block = np.pad(block, ((0, 0), (0, rows), (0, cols)), mode=how)  # type: ignore[call-overload] # a word of two
        if planes > 1 and self.predictor == HORIZONTAL:
            differences = codecs.integer_predict(block.view(f"u{block.dtype.itemsize}"), axis=2)
            return [self.encode_samples(self._ordered(plane), self.level) for plane in differences]
        parts = [block] if planes == 1 else [block[band : band + 1] for band in range(planes)]
        return [self._encoded(codecs.interleaved(part, passing=True)) for part in parts]

    def _encoded(self, samples: Samples) -> bytes:
        return self.encode_samples(self._octets(samples) if self.compression.octets else samples, self.level)

    def _octets(self, samples: Samples) -> Samples:
        """Difference, pack and order samples as the file's bytes are."""
        if self.bits < samples.dtype.itemsize * 8:
            rows = samples.reshape(len(samples), -1)
            if int(rows.max()) >> self.bits:
                raise EncodeError(f"BitsPerSample (258) of {self.bits} cannot hold the value {int(rows.max())}")
            if self.bits == 1:
                samples = np.packbits(rows, axis=1)
            else:
                samples = np.frombuffer(codecs.packed_integers(rows, bits=self.bits), np.uint8).reshape(len(rows), -1)
        elif self.predictor == HORIZONTAL:
            samples = codecs.integer_predict(samples.view(f"u{samples.dtype.itemsize}"), axis=1)
        elif self.predictor == FLOAT:
            samples = codecs.float_predict(samples, axis=1)
        return self._ordered(samples)

    def _ordered(self, samples: Samples) -> Samples:
        """Give what is to be compressed, in the file's byte order."""
        if self.order == ">" and self.predictor != FLOAT and samples.dtype.itemsize > 1:
            samples = samples.astype(samples.dtype.newbyteorder(">"))
        if self.compression.name == "packbits":
            return np.ascontiguousarray(samples).reshape(len(samples), -1).view(np.uint8)
        return samples if samples.dtype.isnative else samples.view(np.uint8)


def block_coder(
    *,
    compression: Compression,
    level: Level,
    predictor: Any,
    dtype: np.dtype[Any],
    bits: int | None,
    samples: int,
    order: str,
    colors: bool,
    subsampling: str = "420",
) -> BlockCoder:
    """Check that blocks can be stored as asked for, and prepare to.

    Args:
        compression: a row of ``COMPRESSIONS``.
        level: effort, quality or largest error; None for the compression's own.
        predictor: a key of ``PREDICTORS``, or 1 to 3.
        dtype: of the samples.
        bits: stored of each sample; None for all.
        samples: in a block.
        order: byte order of the file.
        colors: whether three samples are red, green and blue.
        subsampling: of JPEG's chroma.

    Raises:
        EncodeError: the dtype, the number of samples, the level or the predictor is none of this compression's.
    """
    row = compression
    level = _require_level(row, level)
    if row.dtypes and dtype.name not in row.dtypes:
        raise EncodeError(f"{row.name} (tag 259) holds {', '.join(row.dtypes)}; these pixels are {dtype.name}")
    if order == ">" and not row.octets and dtype.itemsize > 1:
        raise EncodeError(f'{row.name} (tag 259) keeps samples in an order of its own: write byteorder="little"')
    if row.samples and samples not in row.samples:
        raise EncodeError(
            f"{row.name} (tag 259) holds {' or '.join(map(str, row.samples))} bands together; these are {samples}"
        )
    full = 1 if dtype.kind == "b" else dtype.itemsize * 8
    bits = full if bits is None else _require_bits(row, bits, dtype)
    tags: Tags = {
        258: ("H", [bits] * samples),
        259: ("H", [row.code]),
        339: ("H", [SAMPLE_FORMATS[dtype.kind]] * samples),
    }
    number = _require_predictor(row, predictor, dtype, whole=bits == full and dtype.kind != "b")
    if number != NONE:
        tags[317] = ("H", [number])
    encode = row.encode
    if row.name == "jpeg":
        encode = _jpeg(tags, quality=int(level or 0), samples=samples, colors=colors, subsampling=subsampling)
    elif row.code == _LERC["code"]:
        then = row.name.partition("_")[2] or None
        tags[50674] = ("I", [LERC_VERSION, LERC_THEN[then]])
    return BlockCoder(
        compression=row, level=level, predictor=number, bits=bits, order=order, tags=tags, encode_samples=encode
    )


def _require_level(row: Compression, level: Any) -> Level:
    if level is None:
        return row.level
    if row.levels is None:
        raise EncodeError(f"{row.name} has no levels, got {level!r}")
    low, high = row.levels
    is_number = isinstance(level, Real) and not isinstance(level, bool)
    if not is_number or not low <= level <= high or (row.whole and level != int(level)):
        raise EncodeError(f"{row.name} levels are {low:g} to {high:g}, got {level!r}")
    return float(level) if not row.whole else int(level)


def _require_bits(row: Compression, bits: int, dtype: np.dtype[Any]) -> int:
    full = dtype.itemsize * 8
    if dtype.kind == "b" and bits == 1:
        return 1
    if dtype.kind != "u" or not 0 < bits <= full or (bits != full and (bits <= full // 2 and full > 8)):
        raise EncodeError(f"BitsPerSample (258) of {bits} does not go with {dtype.name} pixels")
    if bits != full and (not row.octets or full > 16):
        raise EncodeError(f"BitsPerSample (258) of {bits} is not written with {row.name} of {dtype.name}")
    return bits


def _require_predictor(row: Compression, predictor: Any, dtype: np.dtype[Any], *, whole: bool) -> int:
    said = predictor.strip().lower() if isinstance(predictor, str) else predictor
    if isinstance(said, str) and said.isdecimal():
        said = int(said)
    if not isinstance(said, (str, int, NoneType)):
        said = ""
    number = NUMBERS.get(said, 0) if isinstance(said, int) and not isinstance(said, bool) else PREDICTORS.get(said, 0)
    if number == 0:
        raise EncodeError(f"predictor (tag 317) must be none, horizontal or float, got {predictor!r}")
    own = {"u": HORIZONTAL, "i": HORIZONTAL, "f": FLOAT}.get(dtype.kind, NONE) if whole else NONE
    if number is None:
        return own if row.predicted else NONE
    if number == NONE:
        return NONE
    if not row.predicted:
        raise EncodeError(f"predictor (tag 317) is none of {row.name}'s (TIFF 6.0, section 14)")
    if own == NONE or (number == FLOAT and own != FLOAT):
        raise EncodeError(
            f"predictor (tag 317) {number} does not go with {dtype.name} pixels "
            f"({'Technical Note 3' if number == FLOAT else 'TIFF 6.0, section 14'})"
        )
    return number


# ---- JPEG in TIFF (Technical Note 2)


def _jpeg(
    tags: Tags, *, quality: int, samples: int, colors: bool, subsampling: str
) -> Callable[[Samples, Level], bytes]:
    """Prepare the tables that all blocks share, and give what encodes a block without them."""
    if not isinstance(subsampling, str) or subsampling not in SUBSAMPLINGS:
        raise EncodeError(f"subsampling (tag 530) must be one of {', '.join(SUBSAMPLINGS)}, got {subsampling!r}")
    ycbcr = colors and samples == 3
    encode = partial(codecs.jpeg_stream, quality=quality, subsampling=subsampling, ycbcr=ycbcr)
    shape = (16, 16) if samples == 1 else (16, 16, samples)
    tables, _ = _split(encode(np.zeros(shape, np.uint8)))
    tags[347] = ("U", SOI + tables + EOI)
    if ycbcr:
        tags[530] = ("H", list(SUBSAMPLINGS[subsampling]))
        tags[532] = ("R", [0, 255, 128, 255, 128, 255])

    def block(picture: Samples, _: Level) -> bytes:
        own, rest = _split(encode(picture))
        if own != tables:
            raise EncodeError("JPEG blocks with tables of their own")
        return rest

    return block


def _split(stream: bytes) -> tuple[bytes, bytes]:
    """Take quantisation and Huffman tables (and what JFIF and Adobe add) out of a JPEG stream (ITU-T T.81, B.2)."""
    segments, scan = taken_apart(stream)
    tables = [segment(marker, body) for marker, body in segments if marker in TABLES]
    rest = [segment(marker, body) for marker, body in segments if marker not in TABLES and marker not in APPLICATIONS]
    return b"".join(tables), b"".join((SOI, *rest, scan, EOI))
