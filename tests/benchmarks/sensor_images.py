"""A NITF image with a sensor model, for chips that carry it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.encode.nitf import NitfFile, NitfImage, Tre, write_nitf
from stacchip_osml.imagery import BufferedImageAssetProvider
from stacchip_osml.pixel import ImageSize
from stacchip_osml.testing import natural_scene

__all__ = ["make_rpc"]

BLOCK = 512


def make_rpc(folder: Path, side: int) -> Path:
    """Make a panchromatic image of 16 bits with rational polynomials."""
    from tests.geometry.sensor_tres import rpc_tre

    path = folder / f"create-chip-rpc-{side}.ntf"
    if not path.exists():
        source = BufferedImageAssetProvider.from_array(_scene(side), block_width=BLOCK, block_height=BLOCK)
        fields = {"ICAT": "VIS", "NPPBH": str(BLOCK), "NPPBV": str(BLOCK)}
        image = NitfImage(pixels=source, fields=fields, tres=(Tre("RPC00B", rpc_tre("RPC00B")),))
        write_nitf(path, NitfFile(images=(image,)))
    return path


def _scene(side: int) -> NDArray[np.uint16]:
    piece = natural_scene(ImageSize(min(side, 1024), min(side, 1024)), bands=("red",))
    count = side // piece.shape[1]
    return np.tile(piece, (1, count, count))
