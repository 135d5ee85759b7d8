"""How the pixels of an image are to be stored: what the subheader asks for, checked against type and bands.

Everything here is found out before a byte is written. Rules:

- the type of the pixels decides PVTYPE and NBPP; fields may ask for fewer bits
  (NBPP 12, ABPP), for bi-level pixels (B) and for complex pixels as two real
  bands (R), and for nothing else: pixels are never converted;
- what is not given is what most readers read: IMODE P where a masked image or a
  JPEG has several bands, B otherwise;
- what a field says against the standard is refused, with the clause.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from stacchip_osml.encode.nitf.pixels_rates import JpegRate, Rate, parse_jpeg_rate, parse_rate
from stacchip_osml.errors import EncodeError
from stacchip_osml.imagery.providers.facts import dtype_of, fact, key_of, pad_number

__all__ = ["COMPRESSIONS", "Compression", "Storage", "number", "storage_of"]

CLAUSE = "MIL-STD-2500C, table A-3"
NATURAL = {
    "bool": ("B", 1),
    **{f"uint{bits}": ("INT", bits) for bits in (8, 16, 32, 64)},
    **{f"int{bits}": ("SI", bits) for bits in (8, 16, 32, 64)},
    "float32": ("R", 32),
    "float64": ("R", 64),
    "complex64": ("C", 64),
}
"""Type of the pixels → PVTYPE and NBPP."""
PACKED_BITS = 12
"""The only NBPP of INT and SI that does not fill its bytes."""
IREP_BANDS = {"RGB": 3, "YCbCr601": 3, "RGB/LUT": 1}
"""Bands of representations that have a number of them."""
IREPS = {
    **dict.fromkeys(("MONO", "RGB", "RGB/LUT", "MULTI", "NODISPLY", "NVECTOR", "POLAR", "VPH"), ()),
    "MONO": ("M",),
    "RGB": ("R", "G", "B"),
    "RGB/LUT": ("LU",),
    "YCbCr601": ("Y", "Cb", "Cr"),
}
"""IREP → IREPBANDn, where they follow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compression:
    """What an IC allows."""

    kind: str
    """``raw``, ``jpeg`` or ``jpeg2000``."""
    masked: bool = False
    imodes: str = "BPRS"
    pvtypes: frozenset[str] = frozenset({"B", "INT", "SI", "R", "C"})
    high_throughput: bool = False


INTEGERS = frozenset({"INT", "SI"})
COMPRESSIONS = {
    "NC": Compression(kind="raw"),
    "NM": Compression(kind="raw", masked=True),
    "C3": Compression(kind="jpeg", imodes="BPS", pvtypes=frozenset({"INT"})),
    "M3": Compression(kind="jpeg", imodes="BPS", pvtypes=frozenset({"INT"}), masked=True),
    "I1": Compression(kind="jpeg", imodes="B", pvtypes=frozenset({"INT"})),
    "C8": Compression(kind="jpeg2000", imodes="B", pvtypes=INTEGERS),
    "M8": Compression(kind="jpeg2000", imodes="B", pvtypes=INTEGERS, masked=True),
    "CD": Compression(kind="jpeg2000", imodes="B", pvtypes=INTEGERS, high_throughput=True),
    "MD": Compression(kind="jpeg2000", imodes="B", pvtypes=INTEGERS, masked=True, high_throughput=True),
}
"""IC → what it allows."""
STANDARDS = {
    "raw": CLAUSE,
    "jpeg": "MIL-STD-188-198A; MIL-STD-2500C, table A-3",
    "jpeg2000": "BPJ2K01.20, 8.1; MIL-STD-2500C, table A-3",
}


ASKED = frozenset(
    (
        *("IC", "COMRAT", "IMODE", "PVTYPE", "NBPP", "ABPP", "PJUST", "IREP", "ICAT", "NLUTS1"),
        *("J2K_DECOMPOSITION_LEVELS", "J2K_QUALITY_LAYERS"),
    )
)
ASKED_OF_BANDS = ("IREPBAND", "ISUBCAT")
"""Fields that say how pixels are to be stored."""


class Facts(NamedTuple):
    """What a provider says of its pixels."""

    name: str
    dtype: np.dtype[Any]
    bands: int
    bits: int
    """That are used; 0 where it does not say."""
    pad: str
    """Its pad pixel in ``dtype``, as hexadecimal digits: no two that are stored otherwise are equal."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Storage:
    """How pixels are stored; images that are stored alike have the same one."""

    name: str
    """Of the provider, for messages."""
    ic: str
    imode: str
    pvtype: str
    nbpp: int
    abpp: int
    pjust: str
    irep: str
    icat: str
    bands: int
    """As stored: NBANDS or XBANDS."""
    dtype: np.dtype[Any]
    """Of a sample as stored, native."""
    source_dtype: np.dtype[Any]
    pad: np.generic
    """In ``dtype``."""
    band_fields: Mapping[str, str]
    """IREPBANDn and ISUBCATn."""
    rate: Rate | JpegRate | None = None
    levels: int | None = None
    layers: int = 1

    @property
    def compression(self) -> Compression:
        """What its IC allows."""
        return COMPRESSIONS[self.ic]

    @property
    def is_split(self) -> bool:
        """Complex pixels become two bands, real and imaginary."""
        return self.source_dtype.kind == "c" and self.pvtype != "C"

    @property
    def is_lossless(self) -> bool:
        """Every sample is read back as it was."""
        if self.compression.kind == "jpeg2000":
            return isinstance(self.rate, Rate) and (self.rate.kind == "N" or self.rate.bits >= self.nbpp)
        return self.compression.kind == "raw"

    def fields(self) -> dict[str, str]:
        """Give the fields that do not depend on blocks."""
        few = self.bands <= 9
        return {
            "PVTYPE": self.pvtype,
            "IREP": self.irep,
            "ICAT": self.icat,
            "ABPP": f"{self.abpp:02d}",
            "PJUST": self.pjust,
            "IC": self.ic,
            **({} if self.rate is None else {"COMRAT": _comrat(self.rate)}),
            "NBANDS": f"{self.bands if few else 0}",
            **({} if few else {"XBANDS": f"{self.bands:05d}"}),
            **self.band_fields,
            "IMODE": self.imode,
            "NBPP": f"{self.nbpp:02d}",
        }


def _comrat(rate: Rate | JpegRate) -> str:
    return rate.text if isinstance(rate, JpegRate) else rate.text()


def storage_of(provider: Any, fields: Mapping[str, str]) -> Storage:
    """Find how the pixels of a provider are stored.

    Args:
        provider: any object of the image provider protocol.
        fields: of the image subheader.

    Raises:
        EncodeError: naming field, rule and clause.
    """
    facts = Facts(
        name=key_of(provider),
        dtype=dtype_of(provider),
        bands=int(provider.num_bands),
        bits=int(fact(provider, "actual_bits_per_pixel") or 0),
        pad=pad_number(provider).tobytes().hex(),
    )
    asked = [(name, str(text)) for name, text in fields.items() if name in ASKED or name.startswith(ASKED_OF_BANDS)]
    return _storage(facts, tuple(asked))


@lru_cache(maxsize=256)
def _storage(facts: Facts, asked: tuple[tuple[str, str], ...]) -> Storage:
    """Find how pixels are stored; the chips of one image are asked for alike."""
    fields = dict(asked)
    ic = _word(fields, "IC") or "NC"
    if ic not in COMPRESSIONS:
        raise EncodeError(f"IC={ic} is not written here; {', '.join(COMPRESSIONS)} are ({CLAUSE})")
    kind, bands = facts.dtype, facts.bands
    pvtype, nbpp, split = _pvtype(fields, kind, ic)
    count = bands * 2 if split else bands
    if not 1 <= count <= 99_999:
        raise EncodeError(f"NBANDS, XBANDS: 1 to 99999 bands, not {count} ({CLAUSE})")
    nbpp, abpp, pjust = _bits(facts, fields, ic=ic, pvtype=pvtype, nbpp=nbpp)
    irep = _irep(fields, ic, pvtype, nbpp, count)
    dtype = np.dtype(f"f{nbpp // 8}") if split else kind
    if kind.kind == "b":
        dtype = np.dtype(np.uint8)
    storage = Storage(
        name=facts.name,
        ic=ic,
        imode=_imode(fields, ic, irep, count),
        pvtype=pvtype,
        nbpp=nbpp,
        abpp=abpp,
        pjust=pjust,
        irep=irep,
        icat=_word(fields, "ICAT") or ("MS" if irep == "MULTI" else "VIS"),
        bands=count,
        dtype=dtype,
        source_dtype=kind,
        pad=dtype.type(np.frombuffer(bytes.fromhex(facts.pad), kind)[0].real),
        band_fields=_band_fields(fields, irep, count, split=split),
    )
    storage = _with_rate(storage, fields)
    if irep == "RGB/LUT" and not storage.is_lossless:
        raise EncodeError(
            f"{facts.name}: IC={ic} with loss gives other entries of a colour table than it is given; NC, or C8 or CD "
            "with COMRAT N1.0, loses nothing"
        )
    return storage


def number(fields: Mapping[str, str], name: str) -> int | None:
    """Read a field of digits; None where it is not given.

    Raises:
        EncodeError: it is something else.
    """
    text = _word(fields, name)
    if not text:
        return None
    if not (text.isascii() and text.isdigit()):
        raise EncodeError(f"{name} is digits ({CLAUSE}), got {text!r}")
    return int(text)


def _word(fields: Mapping[str, str], name: str) -> str:
    return str(fields.get(name, "")).strip()


def _pvtype(fields: Mapping[str, str], kind: np.dtype[Any], ic: str) -> tuple[str, int, bool]:
    """Give PVTYPE, bits of a sample of the type, and whether complex pixels become two bands."""
    asked = _word(fields, "PVTYPE")
    if kind.kind == "c" and asked == "R":
        pvtype, bits, split = "R", kind.itemsize * 4, True
    elif kind.name not in NATURAL:
        raise EncodeError(f"PVTYPE: no type of NITF holds {kind.name} pixels; C is two floats of 32 bits ({CLAUSE})")
    else:
        (pvtype, bits), split = NATURAL[kind.name], False
        if kind == np.uint8 and (asked == "B" or (asked == "SI" and COMPRESSIONS[ic].kind == "raw")):
            pvtype, bits = asked, 1 if asked == "B" else 8  # signed bytes are read as unsigned ones, by GDAL too
    if asked and asked != pvtype:
        raise EncodeError(f"PVTYPE={asked}: the pixels are {kind.name}, which is {pvtype} ({CLAUSE})")
    rule = COMPRESSIONS[ic]
    if pvtype not in rule.pvtypes:
        allowed = " or ".join(sorted(rule.pvtypes))
        raise EncodeError(f"IC={ic} holds PVTYPE {allowed}, not {pvtype} ({STANDARDS[rule.kind]})")
    return pvtype, bits, split


def _bits(facts: Facts, fields: Mapping[str, str], *, ic: str, pvtype: str, nbpp: int) -> tuple[int, int, str]:
    """Give NBPP, ABPP and PJUST."""
    rule, kind = COMPRESSIONS[ic], facts.dtype
    asked, known = number(fields, "NBPP"), number(fields, "ABPP")
    told = nbpp if pvtype in {"R", "C", "B"} else facts.bits
    if known == 0:
        raise EncodeError(f"ABPP is 1 to 96 ({CLAUSE}), got 0")
    abpp = known or (told if 1 <= told <= nbpp else nbpp)
    if asked is not None and asked != nbpp and not (pvtype in INTEGERS and asked < nbpp):
        raise EncodeError(f"NBPP={asked}: the pixels are {kind.name}, of {nbpp} bits ({CLAUSE})")
    if rule.kind == "raw":
        stored = PACKED_BITS if asked == PACKED_BITS and nbpp == 16 else nbpp
        if known is None:
            abpp = min(abpp, stored)
    else:
        stored = _coded_bits(kind, ic, known or (min(abpp, asked) if asked else abpp), nbpp)
        abpp = known or min(abpp, stored)
    if not 1 <= abpp <= stored or (pvtype in {"R", "C", "B"} and abpp != stored):
        most = stored if pvtype in {"R", "C", "B"} else f"1 to NBPP, {stored}"
        raise EncodeError(f"ABPP of {kind.name} pixels is {most} ({CLAUSE}), got {abpp}")
    pjust = _word(fields, "PJUST") or "R"
    if pjust not in {"L", "R"}:
        raise EncodeError(f"PJUST is L or R ({CLAUSE}), got {pjust!r}")
    if pjust == "L" and abpp < stored and rule.kind != "raw":
        raise EncodeError(f"PJUST=L of fewer bits than NBPP has no meaning in IC={ic} ({STANDARDS[rule.kind]})")
    return stored, abpp, pjust


def _coded_bits(kind: np.dtype[Any], ic: str, abpp: int, nbpp: int) -> int:
    """Give the bits of a compressed sample."""
    rule = COMPRESSIONS[ic]
    if rule.kind == "jpeg2000":
        return min(abpp, nbpp)
    if nbpp == 8:
        return 8
    if nbpp == 16 and abpp <= 12 and ic != "I1":
        return 12
    raise EncodeError(
        f"IC={ic} holds NBPP 8{'' if ic == 'I1' else ' or 12'}, and the pixels are {kind.name} with ABPP {abpp} "
        f"({STANDARDS['jpeg']})"
    )


def _irep(fields: Mapping[str, str], ic: str, pvtype: str, nbpp: int, bands: int) -> str:
    irep = _word(fields, "IREP")
    if not irep:
        if pvtype == "C" or (pvtype == "R" and bands > 1):
            return "NODISPLY"
        if bands == 1:
            return "MONO"
        is_color = bands == 3 and pvtype == "INT" and nbpp == 8
        if is_color and COMPRESSIONS[ic].kind == "jpeg":  # streams of a band each are of several bands, not of colours
            return "YCbCr601" if _word(fields, "IMODE") in {"", "P"} else "MULTI"
        return "RGB" if is_color else "MULTI"
    if irep not in IREPS:
        raise EncodeError(f"IREP is one of {', '.join(IREPS)} ({CLAUSE}), got {irep!r}")
    needs = IREP_BANDS.get(irep, bands)
    if bands != needs:
        raise EncodeError(f"IREP={irep} has {needs} band{'s'[: needs > 1]}, not {bands} ({CLAUSE}, and table A-2)")
    if irep == "RGB/LUT" and number(fields, "NLUTS1") != 3:
        raise EncodeError(f"IREP=RGB/LUT has three tables of colours: NLUTS1 3, LUTD11 to LUTD13 ({CLAUSE}, and A-2)")
    return irep


def _imode(fields: Mapping[str, str], ic: str, irep: str, bands: int) -> str:
    rule, imode = COMPRESSIONS[ic], _word(fields, "IMODE")
    is_color = irep in {"RGB", "YCbCr601"}
    if not imode:
        if rule.kind == "jpeg":
            return "P" if is_color and "P" in rule.imodes else "B"
        return "P" if rule.kind == "raw" and rule.masked and bands > 1 else "B"
    if imode not in set(rule.imodes):
        raise EncodeError(f"IMODE of IC={ic} is {', '.join(rule.imodes)}, got {imode!r} ({STANDARDS[rule.kind]})")
    if bands == 1 and imode != "B":
        raise EncodeError(f"IMODE of an image of one band is B, got {imode} ({CLAUSE})")
    if rule.kind == "jpeg" and imode == "P" and not is_color:
        raise EncodeError(
            f"IMODE=P of IC={ic} is for IREP=RGB and YCbCr601, and IREP is {irep}: write its bands one by one, as "
            f"IMODE B or S ({STANDARDS['jpeg']})"
        )
    if rule.kind == "jpeg" and irep == "YCbCr601" and imode != "P":
        raise EncodeError(f"IREP=YCbCr601 of IC={ic} has IMODE=P, its components in one stream ({STANDARDS['jpeg']})")
    return imode


def _band_fields(fields: Mapping[str, str], irep: str, bands: int, *, split: bool) -> dict[str, str]:
    usual = IREPS[irep] if len(IREPS[irep]) == bands else ("",) * bands
    found: dict[str, str] = {}
    for band in range(bands):
        for name, rule, default in (
            (f"IREPBAND{band + 1}", 2, usual[band]),
            (f"ISUBCAT{band + 1}", 6, "IQ"[band % 2] if split else ""),
        ):
            value = str(fields.get(name, default)).rstrip()
            if len(value) > rule or not (value.isascii() and (value.isprintable())):
                raise EncodeError(f"{name} is up to {rule} printable characters ({CLAUSE}), got {value!r}")
            found[name] = value
    return found


def _with_rate(storage: Storage, fields: Mapping[str, str]) -> Storage:
    """Add COMRAT and the hints for JPEG 2000."""
    rule, comrat = storage.compression, str(fields.get("COMRAT", ""))
    if rule.kind == "raw":
        return storage  # COMRAT has no place in the subheader; one that was copied says nothing
    if rule.kind == "jpeg":
        if storage.nbpp == 12 and storage.imode == "P":
            raise EncodeError(f"NBPP=12 with IMODE=P: colour JPEG is written with 8 bits ({STANDARDS['jpeg']})")
        return replace(storage, rate=parse_jpeg_rate(comrat))
    layers = number(fields, "J2K_QUALITY_LAYERS")
    return replace(
        storage,
        rate=parse_rate(comrat),
        levels=number(fields, "J2K_DECOMPOSITION_LEVELS"),
        layers=1 if layers is None else layers,
    )
