"""Ways to read pixels of NITF files that share nothing with what wrote them."""

from __future__ import annotations

import io
import tempfile
import warnings
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import imagecodecs
import jbpy
import jbpy.image_data
import numpy as np
import openjpeg
import rasterio
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import MemoryFile

from stacchip_osml.encode.nitf.read import read_nitf
from stacchip_osml.imagery.providers.block_utils import read_window

NOT_RECORDED = 0xFFFFFFFF


@lru_cache(maxsize=2)
def first_segment(data: bytes) -> jbpy.core.ImageSegment:
    """The first image segment, as jbpy has it."""
    file = jbpy.Jbp()
    file.load(io.BytesIO(data))
    return file["ImageSegments"][0]


def by_gdal(data: bytes, *, fill: float) -> np.ndarray:
    """GDAL's NITF driver."""
    del fill
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.Env(GDAL_PAM_ENABLED="NO"), MemoryFile(data, ext=".ntf") as memory, memory.open() as image:
            return image.read()


def by_blocks(data: bytes, *, fill: float) -> np.ndarray:
    """The block reader, which was written from the standard; GDAL does not help it here."""
    pixels = read_nitf(data).images[0].pixels
    size = pixels.level_shape(0)
    assert pixels.served_by(0).startswith("block/"), pixels.served_by(0)
    return read_window(pixels, (0, 0, size.width, size.height), fill_value=fill)


def by_jbpy(data: bytes, *, fill: float) -> np.ndarray:
    """jbpy's headers, mask tables and block places; bits by hand, codecs by imagecodecs."""
    segment = first_segment(data)
    subheader = segment["subheader"]
    read = BY_HAND[subheader["IC"].value]
    at = segment["Data"].get_offset()
    return read(segment, data[at : at + segment["Data"].size], data, fill)


def by_gdal_codestream(data: bytes, *, fill: float) -> np.ndarray:
    """OpenJPEG as GDAL has it, on the codestream alone; it reads high throughput too."""
    segment = first_segment(data)
    at = segment["Data"].get_offset()
    stream, _ = _codestream(segment, data[at : at + segment["Data"].size], data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.Env(GDAL_PAM_ENABLED="NO"), MemoryFile(stream, ext=".j2k") as memory, memory.open() as image:
            return image.read()


def by_openjpeg(data: bytes, *, fill: float) -> np.ndarray:
    """OpenJPEG as pylibjpeg has it, on the codestream alone; it has signed bytes, and high throughput."""
    segment = first_segment(data)
    at = segment["Data"].get_offset()
    stream, _ = _codestream(segment, data[at : at + segment["Data"].size], data)
    pixels = openjpeg.decode(stream)
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def by_streams(data: bytes, *, fill: float) -> np.ndarray:
    """GDAL's JPEG driver, stream by stream; jbpy says where they are."""
    segment = first_segment(data)
    at = segment["Data"].get_offset()
    return _jpeg(segment, data[at : at + segment["Data"].size], data, fill, decode=_gdal_jpeg)


def by_packed_integers(data: bytes, *, fill: float) -> np.ndarray:
    """imagecodecs' packed integers, block by block; jbpy says where they are."""
    segment = first_segment(data)
    at = segment["Data"].get_offset()
    return _uncompressed(segment, data[at : at + segment["Data"].size], data, fill, unpack=_packed_integers)


def by_gdal_blocks(data: bytes, *, fill: float) -> np.ndarray:
    """GDAL's ENVI driver, on each block as a raster of its own; jbpy says where they are."""
    segment = first_segment(data)
    at = segment["Data"].get_offset()
    return _uncompressed(segment, data[at : at + segment["Data"].size], data, fill, unpack=_envi)


ENVI_KINDS = {
    **{("INT", 8): 1, ("INT", 16): 12, ("INT", 32): 13, ("INT", 64): 15},
    **{("SI", 8): 1, ("SI", 16): 2, ("SI", 32): 3, ("SI", 64): 14},
    **{("R", 32): 4, ("R", 64): 5, ("C", 64): 6},
}


def _envi(octets: bytes, bits: int, pvtype: str, shape: tuple[int, ...], imode: str) -> np.ndarray:
    interleave, axes = {"P": ("bip", (1, 2, 0)), "R": ("bil", (1, 0, 2))}.get(imode, ("bsq", (0, 1, 2)))
    bands, lines, samples = (shape[axes.index(axis)] for axis in range(3))
    header = (
        f"ENVI\nsamples = {samples}\nlines = {lines}\nbands = {bands}\nheader offset = 0\nbyte order = 1\n"
        f"data type = {ENVI_KINDS[pvtype, bits]}\ninterleave = {interleave}\n"
    )
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        raster = Path(folder) / "block.img"
        raster.write_bytes(octets)
        raster.with_suffix(".hdr").write_text(header)
        with rasterio.Env(GDAL_PAM_ENABLED="NO"), rasterio.open(raster, driver="ENVI") as image:
            return image.read().transpose(axes)


def _packed_integers(octets: bytes, bits: int, pvtype: str, shape: tuple[int, ...], imode: str) -> np.ndarray:
    del imode  # the order of the axes is in the shape
    values = imagecodecs.packints_decode(octets, "u1" if bits == 1 else "u2", bits)[: int(np.prod(shape))]
    if pvtype == "SI":
        values = (values << (16 - bits)).view(np.int16) >> (16 - bits)
    return values.reshape(shape)


def _gdal_jpeg(stream: bytes) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.Env(GDAL_PAM_ENABLED="NO"), MemoryFile(stream, ext=".jpg") as memory, memory.open() as image:
            return image.read(1)


READERS: dict[str, Callable[..., np.ndarray]] = {
    "gdal": by_gdal,
    "blocks": by_blocks,
    "jbpy": by_jbpy,
    "codestream": by_gdal_codestream,
    "openjpeg": by_openjpeg,
    "streams": by_streams,
    "bits": by_packed_integers,
    "envi": by_gdal_blocks,
}


def _numbers(subheader: jbpy.core.ImageSubheader) -> tuple[int, int, int, int, int, int, int]:
    rows, cols = subheader["NROWS"].value, subheader["NCOLS"].value
    bands = subheader.get("XBANDS", subheader["NBANDS"]).value
    high, wide = subheader["NPPBV"].value or rows, subheader["NPPBH"].value or cols
    return bands, rows, cols, high, wide, subheader["NBPC"].value, subheader["NBPR"].value


def _samples(octets: bytes, bits: int, pvtype: str, shape: tuple[int, ...], imode: str) -> np.ndarray:
    del imode  # as above
    count = int(np.prod(shape))
    if bits % 8 == 0:
        kind = np.dtype(jbpy.image_data.array_protocol_typestr(pvtype, bits))
        return np.frombuffer(octets, kind, count).reshape(shape).astype(kind.newbyteorder("="))
    digits = np.unpackbits(np.frombuffer(octets, np.uint8))[: count * bits].reshape(count, bits)
    values = digits.astype(np.int64) @ (1 << np.arange(bits - 1, -1, -1))
    if pvtype == "SI":
        values = np.where(values >> (bits - 1), values - (1 << bits), values)
    kind = np.uint8 if bits == 1 else np.int16 if pvtype == "SI" else np.uint16
    return values.astype(kind).reshape(shape)


def _uncompressed(
    segment: jbpy.core.ImageSegment,
    area: bytes,
    data: bytes,
    fill: float,
    unpack: Callable[..., np.ndarray] = _samples,
) -> np.ndarray:
    subheader = segment["subheader"]
    bands, rows, cols, high, wide, down, across = _numbers(subheader)
    bits, pvtype, imode = subheader["NBPP"].value, subheader["PVTYPE"].value, subheader["IMODE"].value
    table = None
    start = 0
    if subheader["IC"].value == "NM":
        table = jbpy.image_data.read_mask_table(segment, io.BytesIO(data))
        start = table["IMDATOFF"].value
    units = bands if imode == "S" else 1
    shape = {"B": (bands, high, wide), "P": (high, wide, bands), "R": (high, bands, wide), "S": (1, high, wide)}[imode]
    axes = {"B": (0, 1, 2), "P": (2, 0, 1), "R": (1, 0, 2), "S": (0, 1, 2)}[imode]
    length = -(-int(np.prod(shape)) * bits // 8)
    out = None
    for band in range(units):
        for number in range(down * across):
            place = start + (band * down * across + number) * length
            if table is not None:
                offset = table[table.bmr_name(number, band)].value
                place = None if offset == NOT_RECORDED else start + offset
            if place is not None:
                assert place + length <= len(area)
                block = unpack(area[place : place + length], bits, pvtype, shape, imode).transpose(axes)
            if out is None:
                kind = np.uint8 if place is None else block.dtype
                out = np.full((bands, down * high, across * wide), fill, kind)
            if place is None:
                continue
            if out.dtype != block.dtype:
                out = out.astype(block.dtype)
            row, col = divmod(number, across)
            chosen = slice(band, band + 1) if imode == "S" else slice(None)
            out[chosen, row * high : (row + 1) * high, col * wide : (col + 1) * wide] = block
    return out[:, :rows, :cols]


def _jpeg(
    segment: jbpy.core.ImageSegment,
    area: bytes,
    data: bytes,
    fill: float,
    decode: Callable[[bytes], np.ndarray] = imagecodecs.jpeg8_decode,
) -> np.ndarray:
    subheader = segment["subheader"]
    bands, rows, cols, high, wide, down, across = _numbers(subheader)
    imode = subheader["IMODE"].value
    units, streams = (bands, 1) if imode == "S" else (1, bands if imode == "B" else 1)
    places: list[int | None]
    if subheader["IC"].value.startswith("M"):
        table = jbpy.image_data.read_mask_table(segment, io.BytesIO(data))
        names = [(number, band) for band in range(units) for number in range(down * across)]
        offsets = [table[table.bmr_name(*name)].value for name in names]
        places = [None if at == NOT_RECORDED else table["IMDATOFF"].value + at for at in offsets]
    else:
        places = [0] * (units * down * across)  # one follows the other
    kind = np.uint8 if subheader["NBPP"].value == 8 else np.uint16
    out = np.full((bands, down * high, across * wide), fill, kind)
    at = 0
    for index, place in enumerate(places):
        if place is None:
            continue
        if subheader["IC"].value.startswith("M"):
            assert place == at or index == 0 or at == 0
            at = place
        unit, number = divmod(index, down * across)
        row, col = divmod(number, across)
        for stream in range(streams):
            end = area.index(b"\xff\xd9", at) + 2  # in entropy-coded data, FF is followed by 00 or RST
            block = decode(area[at:end])
            block = block[None] if block.ndim == 2 else block.transpose(2, 0, 1)
            first = unit if imode == "S" else stream
            out[first : first + len(block), row * high : (row + 1) * high, col * wide : (col + 1) * wide] = block
            at = end
    assert at == len(area) or set(places) == {None}
    return out[:, :rows, :cols]


def _codestream(segment: jbpy.core.ImageSegment, area: bytes, data: bytes) -> tuple[bytes, list[int]]:
    """Give the codestream, and the numbers of the blocks that are not recorded; places of tiles are checked."""
    subheader = segment["subheader"]
    if not subheader["IC"].value.startswith("M"):
        return area, []
    table = jbpy.image_data.read_mask_table(segment, io.BytesIO(data))
    stream = area[table["IMDATOFF"].value :]
    absent = []
    for number in range(subheader["NBPC"].value * subheader["NBPR"].value):
        at = table[table.bmr_name(number, 0)].value
        if at == NOT_RECORDED:
            absent.append(number)
        else:
            assert stream[at : at + 6] == b"\xff\x90\x00\x0a" + number.to_bytes(2, "big")
    return stream, absent


def _jpeg2000(segment: jbpy.core.ImageSegment, area: bytes, data: bytes, fill: float) -> np.ndarray:
    *_, high, wide, _, across = _numbers(segment["subheader"])
    stream, absent = _codestream(segment, area, data)
    decode = imagecodecs.htj2k_decode if segment["subheader"]["IC"].value[1] == "D" else imagecodecs.jpeg2k_decode
    bands = _numbers(segment["subheader"])[0]
    pixels = decode(stream, planar=True).copy()
    pixels = pixels[None] if bands == 1 else pixels
    for number in absent:
        row, col = divmod(number, across)
        here = pixels[:, row * high : (row + 1) * high, col * wide : (col + 1) * wide]
        assert (here == fill).all()  # who does not look at the mask table sees padding
    return pixels


BY_HAND = {
    **dict.fromkeys(("NC", "NM"), _uncompressed),
    **dict.fromkeys(("C3", "M3", "I1"), _jpeg),
    **dict.fromkeys(("C8", "M8", "CD", "MD"), _jpeg2000),
}
