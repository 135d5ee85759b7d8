"""NITF images with sensor models, for chips that carry them: rational polynomials, SICD and SIDD."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.encode.nitf import DataExtension, NitfFile, NitfImage, Tre, write_nitf, xml_user_header
from stacchip_osml.imagery import BufferedImageAssetProvider
from stacchip_osml.pixel import ImageSize
from stacchip_osml.testing import natural_scene

__all__ = ["make_rpc", "make_sicd", "make_sicd_block", "make_sidd"]

BLOCK = 512
PIECE = 1024


def make_rpc(folder: Path, side: int) -> Path:
    """Make a panchromatic image of 16 bits with rational polynomials."""
    from tests.geometry.sensor_tres import rpc_tre

    path = folder / f"create-chip-rpc-{side}.ntf"
    if not path.exists():
        fields = {"ICAT": "VIS", "NPPBH": str(BLOCK), "NPPBV": str(BLOCK)}
        _write(path, _tiled(_scene(side), side), fields, tres=(Tre("RPC00B", rpc_tre("RPC00B")),))
    return path


def make_sicd(folder: Path, side: int) -> Path:
    """Make a complex image as SICD, 32-bit floats, speckle over countryside; in blocks."""
    return _sicd(folder, side, BLOCK)


def make_sicd_block(folder: Path, side: int) -> Path:
    """Make the same in one block, as SICD asks for (NGA.STND.0024-2, table 3-1)."""
    return _sicd(folder, side, side)


def _sicd(folder: Path, side: int, block: int) -> Path:
    from tests.geometry.radar_documents import sicd_document

    path = folder / f"create-chip-sicd-{block}-{side}.ntf"
    if not path.exists():
        amplitude = np.sqrt(_scene(side)[0].astype(np.float32))
        noise = np.random.default_rng(0).normal(size=(2, *amplitude.shape)).astype(np.float32)
        fields = {"IID1": "SICD000", "ICAT": "SAR", "IREP": "NODISPLY", "ISUBCAT1": "I", "ISUBCAT2": "Q"}
        fields |= {"IC": "NC", "IMODE": "P", "NPPBH": str(block), "NPPBV": str(block)}
        _write(path, _tiled(noise * amplitude, side), fields, document=("SICD", "1.3.0", sicd_document((side, side))))
    return path


def make_sidd(folder: Path, side: int) -> Path:
    """Make a detected image of 8 bits as SIDD."""
    from tests.geometry.radar_products import sidd_document

    path = folder / f"create-chip-sidd-{side}.ntf"
    if not path.exists():
        detected = (_scene(side) >> 4).clip(0, 255).astype(np.uint8)
        fields = {"IID1": "SIDD001001", "ICAT": "SAR", "ISORCE": "Invented", "IC": "NC"}
        fields |= {"NPPBH": str(BLOCK), "NPPBV": str(BLOCK)}
        _write(path, _tiled(detected, side), fields, document=("SIDD", "3.0", sidd_document((side, side))))
    return path


def _scene(side: int) -> NDArray[Any]:
    """Make a piece of countryside of one band."""
    piece = min(side, PIECE)
    return natural_scene(ImageSize(piece, piece), bands=("red",))


def _tiled(piece: NDArray[Any], side: int) -> NDArray[Any]:
    """Lay a piece side by side."""
    count = side // piece.shape[1]
    return np.tile(piece, (1, count, count))


def _write(
    path: Path,
    pixels: NDArray[Any],
    fields: dict[str, str],
    *,
    tres: Sequence[Tre] = (),
    document: tuple[str, str, bytes] | None = None,
) -> None:
    """Write a file of one image, and of one XML document where it has one."""
    source = BufferedImageAssetProvider.from_array(pixels, block_width=BLOCK, block_height=BLOCK)
    extensions = () if document is None else (_extension(*document),)
    image = NitfImage(pixels=source, fields=fields, tres=tuple(tres))
    write_nitf(path, NitfFile(images=(image,), extensions=extensions))


def _extension(kind: str, version: str, xml: bytes) -> DataExtension:
    """Put SICD or SIDD XML into its data extension (STDI-0002, volume 2, appendix F)."""
    header = xml_user_header(
        {
            "DESSHFT": "XML",
            "DESSHDT": "2026-03-21T11:00:00Z",
            "DESSHSI": f"{kind} Volume 1 Design & Implementation Description Document",
            "DESSHSV": version,
            "DESSHSD": "2021-11-30T00:00:00Z",
            "DESSHTN": f"urn:{kind}:{'1.3.0' if kind == 'SICD' else '3.0.0'}",
            "DESSHLPG": "+47.90000000+012.50000000" * 5,
        }
    )
    return DataExtension(fields={"DESID": "XML_DATA_CONTENT", "DESVER": "01"}, user_header=header, data=xml)
