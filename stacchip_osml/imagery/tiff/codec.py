"""From the tags of one TIFF directory to how its blocks become samples, as GDAL delivers them.

Rules:

- what is delivered is what is stored. Where GDAL delivers something else than
  that (YCbCr, CMYK and CIELab become RGB unless JPEG does it, LogLuv becomes
  floats) or nothing at all, the directory is not served;
- GDAL looks at ``Predictor`` for the codecs that have one, at ``FillOrder`` for
  all but JPEG, and delivers white-is-zero and palette images as stored;
- sections named are those of TIFF 6.0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stacchip_osml.errors import DecodeError
from stacchip_osml.imagery.blocks.layout import BlockCodec, Unserved
from stacchip_osml.imagery.blocks.read_ahead import NotServedError
from stacchip_osml.imagery.tiff.ifd import Directory, TiffBytes
from stacchip_osml.pixel import ImageSize

__all__ = ["ImageTags", "codec_of", "delivered_bands", "delivers_bytes", "image_tags", "is_known"]

MAX_TABLES = 1 << 20
MAX_SAMPLES = (1 << 16) - 1
"""``SamplesPerPixel`` is a SHORT."""
CMYK, YCBCR, CIELAB = 5, 6, 8
JPEG = 7
LERC = 34887

SERVED = {
    1: "none",
    5: "lzw",
    JPEG: "jpeg",
    8: "deflate",
    32773: "packbits",
    32946: "deflate",
    34712: "jpeg2000",
    LERC: "lerc",
    34925: "lzma",
    50000: "zstd",
    50001: "webp",
    50002: "jpegxl",
    52546: "jpegxl",
}
"""``Compression`` → the codec's name; LERC's further compression is added to its name."""
LERC_THEN = {0: "lerc", 1: "lerc_deflate", 2: "lerc_zstd"}
OTHERS = {
    2: "CCITT run lengths",
    3: "CCITT group 3",
    4: "CCITT group 4",
    6: "old-style JPEG",
    32766: "NeXT",
    32771: "CCITT run lengths by words",
    32809: "ThunderScan",
    33003: "Aperio JPEG 2000",
    33005: "Aperio JPEG 2000",
    34661: "JBIG",
    34676: "LogLuv",
    34677: "LogLuv",
    34892: "lossy JPEG of DNG",
    34933: "PNG",
    34934: "JPEG XR",
}
BYTES_IN = frozenset({"none", "lzw", "deflate", "packbits", "lzma", "zstd"})
"""Codecs of bytes; the others hold samples of their own byte order, for which no predictor and no packing is known."""
PREDICTED = frozenset({"lzw", "deflate", "lzma", "zstd"})
WHOLE = {
    **{(1, bits): (f"uint{bits}", f"u{bits // 8}", False) for bits in (8, 16, 32, 64)},
    **{(4, bits): (f"uint{bits}", f"u{bits // 8}", False) for bits in (8, 16, 32, 64)},
    **{(2, bits): (f"int{bits}", f"i{bits // 8}", False) for bits in (8, 16, 32, 64)},
    (3, 16): ("float32", "f2", False),
    (3, 32): ("float32", "f4", False),
    (3, 64): ("float64", "f8", False),
    (5, 32): ("complex64", "i2", True),
    (5, 64): ("complex64", "i4", True),
    (6, 64): ("complex64", "c8", False),
    (6, 128): ("complex128", "c16", False),
}
"""(``SampleFormat``, ``BitsPerSample``) → sample as delivered, as stored, and whether that is half of a complex one."""
SAMPLES_OF = {
    "jpeg": ("uint8", "uint16"),
    "jpeg2000": ("uint8", "uint16"),
    "webp": ("uint8",),
    "jpegxl": ("uint8", "uint16", "float32"),
    "lerc": ("int8", "uint8", "int16", "uint16", "int32", "uint32", "float32", "float64"),
}
"""Codec of pictures → the samples it can hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageTags:
    """What one directory says of its image and how samples are stored."""

    size: ImageSize
    kind: int
    """``NewSubfileType``: bit 0 reduced, bit 2 mask."""
    compression: int
    photometric: int
    """-1 where the file does not say."""
    bits: int
    format: int
    """``SampleFormat``: 1 unsigned, 2 signed, 3 float, 4 undefined, 5 complex int, 6 complex float."""
    samples: int
    planar: int
    """``PlanarConfiguration``: 1 pixel-interleaved, 2 one plane of blocks a band."""
    predictor: int
    fill_order: int
    extra: tuple[int, ...]
    """``ExtraSamples``: 2 unassociated alpha."""
    inks: int
    depth: int
    """Slices; more than 1 only in volumes."""
    tables: bytes
    lerc: tuple[int, ...]


def image_tags(file: TiffBytes, directory: Directory) -> ImageTags:
    """Read what a directory says of its image, with TIFF's defaults.

    Raises:
        DecodeError: it holds no image, a tag holds what no reader accepts, or samples differ in size or type.
        NotServedError: a tag that readers can do without is damaged.
    """
    fields = directory.fields

    def number(tag: int, default: int) -> int:
        return file.number(directory, tag, default)

    width, height, samples, planar = number(256, 0), number(257, 0), number(277, 1), number(284, 1)
    if width < 1 or height < 1 or not 0 < samples <= MAX_SAMPLES or planar not in (1, 2):
        raise DecodeError(
            f"{file.name}: {width} x {height} pixels of {samples} samples in planar configuration {planar}"
        )
    bits, kind = _of_all_samples(file, directory, 258, samples), _of_all_samples(file, directory, 339, samples)
    if bits < 1:
        raise DecodeError(f"{file.name}: samples of {bits} bits")
    try:
        return ImageTags(
            size=ImageSize(width, height),
            kind=number(254, 0),
            compression=number(259, 1),
            photometric=number(262, -1),
            bits=bits,
            format=kind,
            samples=samples,
            planar=planar,
            predictor=number(317, 1),
            fill_order=number(266, 1),
            extra=tuple(file.numbers(fields[338], most=64).tolist()) if 338 in fields else (),
            inks=number(332, 1),
            depth=max(number(32997, 1), number(32998, 1)),
            tables=file.octets(fields[347], most=MAX_TABLES) if 347 in fields else b"",
            lerc=tuple(file.numbers(fields[50674], most=4).tolist()) if 50674 in fields else (),
        )
    except DecodeError as error:  # tags that libtiff does without
        raise NotServedError(str(error)) from error


def _of_all_samples(file: TiffBytes, directory: Directory, tag: int, samples: int) -> int:
    """Read ``BitsPerSample`` or ``SampleFormat``: one value for all samples, or one each, all the same."""
    field = directory.fields.get(tag)
    if field is None:
        return 1
    count = field[2]
    if count == 1:
        return file.number(directory, tag, 1)
    values = set(file.numbers(field, most=samples).tolist())
    if count < samples or len(values) != 1:
        raise DecodeError(f"{file.name}: tag {tag} with {count} values {sorted(values)} for {samples} samples")
    return int(values.pop())


def delivered_bands(tags: ImageTags) -> int:
    """Count the bands that GDAL delivers of a first directory: CMYK and CIELab become red, green, blue, alpha."""
    if tags.photometric in (CMYK, CIELAB) and _becomes_rgba(tags):
        return 4
    return tags.samples


def is_known(tags: ImageTags) -> bool:
    """Tell whether GDAL opens a directory at all: its compression and the type of its samples have a meaning."""
    whole = tags.bits in (8, 16, 32, 64)
    formats = {
        1: whole or tags.bits < 32,
        2: whole or tags.bits < 32,
        3: tags.bits in (16, 24, 32, 64),
        4: whole or tags.bits == 1,
        5: whole or tags.bits == 1,
        6: whole or tags.bits in (1, 128),
    }
    return formats.get(tags.format, False) and (tags.compression in SERVED or tags.compression in OTHERS)


def delivers_bytes(tags: ImageTags) -> bool:
    """Tell whether GDAL delivers samples as uint8."""
    return tags.bits <= 8 and not (tags.bits == 8 and tags.format == 2)


def codec_of(tags: ImageTags, *, order: str) -> BlockCodec | Unserved:
    """Say how a block's bytes become samples, or why that is left to GDAL.

    Args:
        tags: of the directory.
        order: byte order of the file, ``<`` or ``>``.
    """
    try:
        name = _compression(tags)
        color = _color(tags)
        dtype, stored, pairs = _sample(tags, name)
        predictor = _predictor(tags, name, dtype)
    except NotServedError as left:
        return Unserved(reason=str(left))
    # libtiff turns the bytes of what LERC gave too, so a big-endian file holds LERC of turned samples.
    in_order = (name in BYTES_IN or tags.compression == LERC) and tags.bits in (16, 32, 64, 128)
    return BlockCodec(
        compression=name,
        dtype=dtype,
        stored=(order + stored) if in_order else stored,
        bits=tags.bits,
        samples=tags.samples if tags.planar == 1 else 1,
        predictor=predictor,
        color=color,
        pairs=pairs,
        lsb_first=tags.fill_order == 2 and tags.compression != JPEG,
        shared=tags.tables if tags.compression == JPEG else b"",
    )


def _compression(tags: ImageTags) -> str:
    """Name the codec (section 2, ``Compression``, and its later registrations)."""
    name = SERVED.get(tags.compression)
    if name is None:
        raise NotServedError(f"compression {tags.compression} ({OTHERS.get(tags.compression, 'unknown')})")
    if tags.depth != 1:
        raise NotServedError(f"a volume of {tags.depth} slices a block")
    if tags.compression != LERC:
        return name
    then = tags.lerc[1] if len(tags.lerc) > 1 else 0
    if then not in LERC_THEN:
        raise NotServedError(f"LERC with further compression {then}")
    if tags.planar == 1 and tags.extra and tags.extra[-1] == 2 and tags.bits == 8 and tags.format == 1:
        raise NotServedError("LERC with alpha in its mask")
    return LERC_THEN[then]


def _color(tags: ImageTags) -> str:
    """Say what becomes of colours: JPEG turns YCbCr into RGB (section 22), everything else that is not RGB is left."""
    if tags.photometric == YCBCR:
        if tags.compression != JPEG or tags.planar != 1 or tags.samples != 3:
            raise NotServedError("YCbCr outside three-band JPEG")
        return "rgb"
    if tags.photometric == CMYK and _becomes_rgba(tags):
        raise NotServedError("CMYK, delivered as RGBA")
    if tags.photometric in (CIELAB, 9, 10, 32844, 32845):
        raise NotServedError(f"photometric interpretation {tags.photometric} (CIELab, LogL or LogLuv)")
    return "stored"


def _becomes_rgba(tags: ImageTags) -> bool:
    """Tell whether libtiff's RGBA interface, which GDAL uses for them, reads CMYK or CIELab."""
    if tags.format == 3 or tags.bits not in (1, 2, 4, 8, 16):
        return False
    if tags.photometric == CMYK:
        return tags.inks == 1 and tags.samples >= 4
    return tags.samples == 3 and not tags.extra and tags.bits in (8, 16)


def _sample(tags: ImageTags, name: str) -> tuple[str, str, bool]:
    """Give a sample as delivered, as stored without byte order, and whether that is half of a complex one."""
    found = WHOLE.get((tags.format, tags.bits))
    if found is None and tags.format in (1, 2) and tags.bits < 32 and tags.bits != 24:
        unsigned = "u1" if tags.bits < 8 else "u2" if tags.bits < 16 else "u4"
        found = np.dtype(unsigned).name, unsigned, False
    if found is None:
        raise NotServedError(f"samples of {tags.bits} bits in format {tags.format}")
    if name in BYTES_IN:
        return found
    twelve = name == "jpeg" and tags.bits == 12 and found[0] == "uint16"
    whole = tags.bits == 8 * np.dtype(found[0]).itemsize
    if found[0] not in SAMPLES_OF[name.partition("_")[0]] or not (whole or twelve):
        raise NotServedError(f"{name} of {tags.bits}-bit {found[0]}")
    if name == "jpeg" and tags.bits not in (8, 12):
        raise NotServedError(f"JPEG of {tags.bits} bits")
    if name == "webp" and (tags.planar != 1 or tags.samples not in (3, 4)):
        raise NotServedError(f"WebP of {tags.samples} bands, planar configuration {tags.planar}")
    return found


def _predictor(tags: ImageTags, name: str, dtype: str) -> int:
    """Give the predictor (section 14, Technical Note 3) where the codec has one."""
    if name not in PREDICTED or tags.predictor == 1:
        return 1
    whole = tags.bits in (8, 16, 32, 64) and np.dtype(dtype).kind != "c"
    if whole and (tags.predictor == 2 or (tags.predictor == 3 and tags.format == 3)):
        return tags.predictor
    raise NotServedError(f"predictor {tags.predictor} of {tags.bits}-bit samples in format {tags.format}")
