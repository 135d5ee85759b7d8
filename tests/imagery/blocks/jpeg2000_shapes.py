"""JPEG 2000 codestreams that are unlike others, made of plain ones, and read without the block reader."""

from __future__ import annotations

import struct
from itertools import pairwise

import imagecodecs
import numpy as np
import openjpeg
from jpeg2000_files import hills, tile_part_starts, with_segment, with_siz
from nitf_block_files import fields_of, write_nitf

from stacchip_osml.pixel import PixelWindow


def sizes_of(stream):
    return struct.unpack_from(">8I", stream, 8)


def spread(stream, *steps):
    """Put the samples of each component ``steps`` apart (the last ones for the rest); sizes follow the first."""
    names = ("Xsiz", "Ysiz", "XOsiz", "YOsiz", "XTsiz", "YTsiz", "XTOsiz", "YTOsiz")
    numbers = (value * steps[0][place % 2] for place, value in enumerate(sizes_of(stream)))
    changed = bytearray(with_siz(stream, **dict(zip(names, numbers, strict=True))))
    for number in range(int.from_bytes(stream[40:42], "big")):
        changed[43 + 3 * number : 45 + 3 * number] = bytes(steps[min(number, len(steps) - 1)])
    return bytes(changed)


def by_openjpeg(stream):
    """Each component of an image with its own place on the reference grid, of which pylibjpeg fills all pixels."""
    x, y, left, top = sizes_of(stream)[:4]
    count = int.from_bytes(stream[40:42], "big")
    filled = openjpeg.decode(stream).reshape(-1)[: (x - left) * (y - top) * count]
    planes = filled.reshape(y - top, x - left, count)
    found = []
    for number in range(count):
        across, down = stream[43 + 3 * number : 45 + 3 * number]
        rows, cols = np.arange(-(-top // down) * down, y, down), np.arange(-(-left // across) * across, x, across)
        found.append(planes[rows - top][:, cols - left, number])
    return np.stack(found)


def whole(image, level=0):
    return image.read(PixelWindow(0, 0, *image.level_shape(level)), level=level).pixels


def saved(path, data):
    path.write_bytes(data)
    return str(path)


def in_nitf(path, stream, pixels, size=None, **fields):
    bands, rows, cols = pixels.shape
    rows, cols = size or (rows, cols)
    known = fields_of(np.zeros((bands, rows, cols), pixels.dtype), (rows, cols), "B")
    write_nitf(path, [(known | {"IC": "C8", "COMRAT": "N001", **fields}, stream)])
    return str(path)


def irregular(kind="htj2k", bands=3, *, rows=(0, 32, 96, 130), cols=(0, 48, 112, 170), tile=64):
    """Pixels, and a codestream whose first tiles are narrower and lower: the tile grid begins outside of the image."""
    pixels = hills(bands, rows[-1], cols[-1])
    parts, head = [], b""
    for row, (top, bottom) in enumerate(pairwise(rows)):
        for col, (left, right) in enumerate(pairwise(cols)):
            piece = np.ascontiguousarray(np.moveaxis(pixels[:, top:bottom, left:right], 0, -1).squeeze())
            options = {"resolutions": 2, "reversible": True}
            if kind == "htj2k":
                one = imagecodecs.htj2k_encode(piece, **options)
            else:
                one = imagecodecs.jpeg2k_encode(piece, codecformat="J2K", mct=False, **options)
            start = tile_part_starts(one)[0]
            head = head or one[:start]
            part = bytearray(one[start:-2])
            part[4:6] = ((len(cols) - 1) * row + col).to_bytes(2, "big")
            part[6:10] = len(part).to_bytes(4, "big")
            parts.append(bytes(part))
    left, top = 2 * tile - cols[1], 2 * tile - rows[1]  # each tile where its own codestream might have it
    places = {"Xsiz": left + cols[-1], "Ysiz": top + rows[-1], "XOsiz": left, "YOsiz": top}
    tiles = {"XTsiz": tile, "YTsiz": tile, "XTOsiz": tile, "YTOsiz": tile}
    return pixels, with_siz(b"".join([head, *parts, b"\xff\xd9"]), **places, **tiles)


def packed(stream):
    """Move the packet headers of all tile-parts into the main header (A.7.4); they lie between SOP and EPH."""
    starts = tile_part_starts(stream)
    headers, parts = b"", []
    for first, last in pairwise([*starts, len(stream) - 2]):
        head, _, body = stream[first:last].partition(b"\xff\x93")
        moved, kept = b"", b""
        for packet in body.split(b"\xff\x91\x00\x04")[1:]:
            number, (header, end, data) = packet[:2], packet[2:].partition(b"\xff\x92")
            moved, kept = moved + header + end, kept + b"\xff\x91\x00\x04" + number + data
        headers += struct.pack(">I", len(moved)) + moved
        part = bytearray(head + b"\xff\x93" + kept)
        part[6:10] = len(part).to_bytes(4, "big")
        parts.append(bytes(part))
    return with_segment(stream[: starts[0]] + b"".join(parts) + b"\xff\xd9", 0xFF60, b"\0" + headers)
