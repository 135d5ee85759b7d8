"""COMRAT: what is asked for, and the four characters that say it (MIL-STD-2500C, table A-3).

JPEG 2000 (``Nxyz`` numerically lossless, ``Vxyz`` visually lossless, both with
xy.z bits; ``wxyz``, wx.yz bits per pixel per band) and JPEG (``XX.Y``, type of
imagery and quality level). Accepted too are forms with a decimal point where
the standard implies it, ``N001.0``, ``V020.0``, ``N1.0``, ``01.0``, ``00.5``, and
fewer digits, which are whole bits: ``V1``, ``N2``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from stacchip_osml.errors import EncodeError

__all__ = ["JpegRate", "Rate", "parse_jpeg_rate", "parse_rate"]

LOSSLESS = "N"
DEFAULT_QUALITY = 75
QUALITY_OF_LEVEL = (DEFAULT_QUALITY, 30, 45, 60, 75, 90)
"""libjpeg's quality of the levels 1 to 5; level 0 says that the tables are the writer's own choice."""
MOST_TYPE = 4
"""00 general, 01 visible, 02 infrared, 03 SAR, 04 downsampled."""
CLAUSE = "MIL-STD-2500C, table A-3"
_IMPLIED = re.compile(r"([NV])(\d{3})|(\d{4})")
_SPELLED = re.compile(r"([NV]?)(\d{1,3}\.\d{1,2})|([NV])(\d{1,2})")


@dataclass(frozen=True, slots=True)
class Rate:
    """What a JPEG 2000 image is to be."""

    kind: str
    """``N``, ``V``, or nothing for lossy."""
    bits: float
    """Per pixel per band; of no meaning for ``N``."""

    def text(self, achieved: float | None = None) -> str:
        """Write the four characters, with the rate that was achieved or else the one asked for.

        Args:
            achieved: bits per pixel per band.
        """
        bits = self.bits if achieved is None else achieved
        if self.kind:
            return f"{self.kind}{min(max(round(bits * 10), 1), 999):03d}"
        return f"{min(max(round(bits * 100), 1), 9999):04d}"


def parse_rate(text: str) -> Rate:
    """Read COMRAT of IC=C8, M8, CD, MD; nothing is numerically lossless.

    Raises:
        EncodeError: it is none of the forms, or no rate.
    """
    given = text.strip()
    if not given:
        return Rate(LOSSLESS, 0.0)
    implied, spelled = _IMPLIED.fullmatch(given), _SPELLED.fullmatch(given)
    if implied is not None:
        kind = implied[1] or ""
        bits = int(implied[2]) / 10 if kind else int(implied[3]) / 100
    elif spelled is not None:
        kind, bits = spelled[1] or spelled[3] or "", float(spelled[2] or spelled[4])
    else:
        raise EncodeError(f"COMRAT of JPEG 2000 is Nxyz, Vxyz or wxyz ({CLAUSE}), got {text!r}")
    most = 99.9 if kind else 99.99
    if (kind != LOSSLESS and bits <= 0) or bits > most:
        raise EncodeError(f"COMRAT of JPEG 2000 is above 0 and at most {most} bits a pixel ({CLAUSE}), got {text!r}")
    return Rate(kind, bits)


@dataclass(frozen=True, slots=True)
class JpegRate:
    """What a JPEG image is to be."""

    imagery: int
    """Type of imagery, 0 to 4: XX of COMRAT and the image class of the NITF application segment."""
    quality: int
    """libjpeg's, 1 to 100."""

    @property
    def text(self) -> str:
        """COMRAT: level 0, the tables are in the streams."""
        return f"{self.imagery:02d}.0"


def parse_jpeg_rate(text: str) -> JpegRate:
    """Read COMRAT of IC=C3, M3, I1; nothing is libjpeg's quality 75.

    ``XX.Y`` up to 04.5 is the standard's type and level, where levels stand for libjpeg's qualities of
    ``QUALITY_OF_LEVEL``; above, it is libjpeg's quality.

    Raises:
        EncodeError: it is not of the form.
    """
    given = text.strip()
    if not given:
        return JpegRate(0, DEFAULT_QUALITY)
    if not re.fullmatch(r"\d{1,3}\.\d", given) or float(given) > 100:
        raise EncodeError(f"COMRAT of JPEG is XX.Y ({CLAUSE}), got {text!r}")
    whole, part = given.split(".")
    if int(whole) <= MOST_TYPE and int(part) < len(QUALITY_OF_LEVEL):
        return JpegRate(int(whole), QUALITY_OF_LEVEL[int(part)])
    return JpegRate(0, max(round(float(given)), 1))
