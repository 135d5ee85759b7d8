"""Samples that GDAL gives as others than the file has: signed ones of up to 8 and of 12 bits, packed ones of NITF.

Signed ones it calls unsigned. Uncompressed ones keep all of their bits, so the
sign is put back. Of JPEG 2000 GDAL gives 0 for what is below 0, and packed
samples, and masked blocks of several bands, it takes apart in another way: such
pixels are refused here. The block reader reads them.
"""

from __future__ import annotations

from base64 import b64decode
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.errors import DecodeError, redact

if TYPE_CHECKING:
    from stacchip_osml.imagery.nitf.fields import Subheader

__all__ = ["Sign", "nodata_with_sign", "packing_of", "require_all_bands", "require_understood", "sign_of", "with_sign"]

Sign = Literal["", "kept", "lost"]
"""Of a dataset's pixels: none to speak of; GDAL keeps it among the bits; GDAL loses it."""

KEPT = frozenset({"NC", "NM"})
LOST = frozenset({"C8", "M8", "CD", "MD"})
JPEG = frozenset({"C3", "M3"})
SIZE_MARKER = b"\xff\x4f\xff\x51"
"""SOC and SIZ, with which a codestream begins (ISO/IEC 15444-1 A.4, A.5.1)."""
FIRST_COMPONENT = 42
"""Byte of a codestream that holds Ssiz of the first component; its highest bit says signed."""


def sign_of(dataset: Any, head: bytes) -> Sign:
    """Find out how GDAL treats the sign of an open dataset's samples.

    Args:
        dataset: of any level.
        head: the file's first bytes.
    """
    kinds = set(dataset.dtypes)
    if kinds not in ({"uint8"}, {"uint16"}):
        return ""
    if dataset.driver == "NITF":
        if dataset.get_tag_item("NITF_PVTYPE") != "SI":
            return ""
        compression = (dataset.get_tag_item("NITF_IC") or "").strip()
        return "kept" if compression in KEPT and kinds == {"uint8"} else "lost" if compression in KEPT | LOST else ""
    return "lost" if kinds == {"uint8"} and dataset.driver == "JP2OpenJPEG" and _is_signed(head) else ""


def _is_signed(head: bytes) -> bool:
    """Look into the codestream's SIZ, or into the image header box before it (I.5.3.1)."""
    if head.startswith(SIZE_MARKER):
        return len(head) > FIRST_COMPONENT and head[FIRST_COMPONENT] > 0x7F
    at = head.find(b"ihdr")
    depth = head[at + 14] if 0 < at < len(head) - 14 else 0xFF
    return 0x7F < depth < 0xFF  # 255: components differ, and are refused or told by the codestream


def packing_of(dataset: Any) -> str:
    """Say what uncompressed samples are where GDAL takes them apart wrongly; nothing where it does not.

    Args:
        dataset: of any level.
    """
    if dataset.driver != "NITF" or (ic := (dataset.get_tag_item("NITF_IC") or "").strip()) not in KEPT:
        return ""
    imode = (dataset.get_tag_item("NITF_IMODE") or "").strip()
    where = f"IMODE={imode} and {dataset.count} bands"
    if ic == "NM" and dataset.count > 1 and imode in {"B", "R"}:
        return f"masked blocks of {where}"
    if dataset.get_tag_item("NBITS", "IMAGE_STRUCTURE", bidx=1) not in {"1", "12"}:
        return ""
    bits = 0 if (subheader := _subheader(dataset)) is None else subheader.bits
    if bits == 12 or (bits == 1 and dataset.count > 1 and imode in {"P", "R"}):
        return f"packed samples of NBPP={bits}, {where}"
    return ""


def require_all_bands(dataset: Any) -> None:
    """Refuse a NITF image of which GDAL shows the first of several JPEG streams for all.

    Args:
        dataset: of R0.

    Raises:
        DecodeError: saying how many bands it has.
    """
    if dataset.driver != "NITF" or dataset.count != 1 or (dataset.get_tag_item("NITF_IC") or "").strip() not in JPEG:
        return
    subheader = _subheader(dataset)
    if subheader is not None and subheader.bands != 1:
        raise DecodeError(f"{redact(dataset.name)}: GDAL shows one of {subheader.bands} bands")


def _subheader(dataset: Any) -> Subheader | None:
    """Read what GDAL does not tell (NBPP, NBANDS) but gives as it is; None where its fields are not numbers."""
    from stacchip_osml.imagery.blocks.read_ahead import NotServedError, ReadAhead
    from stacchip_osml.imagery.limits import ReadLimits
    from stacchip_osml.imagery.nitf.fields import Segment, read_subheader

    text = dataset.get_tag_item("NITFImageSubheader", "NITF_METADATA") or ""
    data = b64decode(text.partition(" ")[2])
    ahead = ReadAhead(
        lambda offset, size: data[offset : offset + size], name=dataset.name, size=len(data), reads=len(data)
    )
    version = (dataset.get_tag_item("NITF_FHDR") or "").encode("latin-1")
    try:
        return read_subheader(ahead, Segment(0, version, 0, len(data), len(data)), ReadLimits())
    except NotServedError:
        return None


def require_understood(dataset: Any) -> None:
    """Refuse to read pixels that GDAL takes apart wrongly, as the ``packing`` of an open dataset tells.

    Raises:
        DecodeError: saying what they are.
    """
    if dataset.packing:
        raise DecodeError(f"{redact(dataset.name)}: GDAL does not read {dataset.packing}")


def with_sign(dataset: Any, pixels: NDArray[Any]) -> NDArray[Any]:
    """Put the sign of an open dataset's pixels back, as its ``sign`` tells.

    Raises:
        DecodeError: it is lost.
    """
    if dataset.sign == "lost":
        what = "JPEG 2000 samples are signed and of 8 bits or less" if pixels.itemsize == 1 else "samples are signed"
        raise DecodeError(f"{redact(dataset.name)}: {what}: GDAL gives none below zero")
    return pixels.view(np.int8) if dataset.sign else pixels


def nodata_with_sign(dataset: Any, value: float | complex | None) -> float | complex | None:
    """Read a nodata value of an open dataset as one of signed bytes, where it has those."""
    is_wrapped = dataset.sign and dataset.dtypes[0] == "uint8" and isinstance(value, int | float) and 127 < value < 256
    return value - 256 if is_wrapped and value is not None else value
