"""Small NITF files for tests, and other readers of them."""

import io
import logging
from datetime import UTC, datetime

import jbpy
import numpy as np

from stacchip_osml.encode.nitf import NitfFile, NitfImage, read_nitf, write_nitf
from stacchip_osml.imagery.providers.buffered import BufferedImageAssetProvider

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


def pixels_of(shape=(1, 6, 8), dtype="uint8"):
    return np.arange(np.prod(shape)).astype(dtype).reshape(shape)


def image_of(shape=(1, 6, 8), dtype="uint8", *, tres=(), **fields):
    provider = BufferedImageAssetProvider.from_array(pixels_of(shape, dtype), block_width=0, block_height=0)
    return NitfImage(pixels=provider, fields={"IC": "NC", **fields}, tres=tuple(tres))


def file_of(*images, **parts):
    return NitfFile(images=images, **parts)


def written(file, **options):
    """The bytes of a file."""
    out = io.BytesIO()
    write_nitf(out, file, **{"now": NOW, **options})
    return out.getvalue()


def rewritten(file):
    """What is read of a file that was written."""
    return read_nitf(written(file))


def jbpy_of(data):
    """A file as jbpy reads it."""
    found = jbpy.Jbp()
    found.load(io.BytesIO(data))
    return found


class Complaints(logging.Handler):
    """What jbpy says is invalid while it reads."""

    def __init__(self):
        super().__init__()
        self.said = []

    def emit(self, record):
        self.said.append(record.getMessage())

    def __enter__(self):
        logging.getLogger("jbpy").addHandler(self)
        return self.said

    def __exit__(self, *_):
        logging.getLogger("jbpy").removeHandler(self)


def jbpy_complaints(data):
    """What jbpy finds wrong with the fields of a file."""
    with Complaints() as said:
        jbpy_of(data)
    return said
