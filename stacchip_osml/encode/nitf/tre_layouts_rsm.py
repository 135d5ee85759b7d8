"""The layouts of the replacement sensor model: what a sensor model is replaced with, and how sure that is.

STDI-0002 volume 1, appendix U. How rows are written stands in :mod:`stacchip_osml.encode.nitf.tre_rows`.
"""

from __future__ import annotations

__all__ = ["RSM_ROWS"]

RSM = "STDI-0002 volume 1 appendix U"


def _reals(names: str) -> str:
    return " ".join(f"{name} 21 r" for name in names.split())


def _places(names: str) -> str:
    return " ".join(f"{name} 2 d" for name in names.split())


def _quadratic(name: str) -> str:
    return " ".join(f"{name}{power}" for power in ("0", *"XYZ", "XX", "XY", "XZ", "YY", "YZ", "ZZ"))


def _powers(axis: str) -> str:
    return f"XPWR{axis} 1 d YPWR{axis} 1 d ZPWR{axis} 1 d"


def _terms(name: str) -> str:
    powers = " ".join(f"{name}PWR{axis} 1 d" for axis in "XYZ")
    return f"{powers} {name}TRMS 3 d ( {name}TRMS {name}PCF 21 r )"


IMAGE = "IID 80 a EDITION 40 a"
EDITED = f"{IMAGE} TID 40 a"
LOCAL = _reals("XUOL YUOL ZUOL XUXL XUYL XUZL YUXL YUYL YUZL ZUXL ZUYL ZUZL")
PLACES = _places(
    "IRO IRX IRY IRZ IRXX IRXY IRXZ IRYY IRYZ IRZZ IC0 ICX ICY ICZ ICXX ICXY ICXZ ICYY ICYZ ICZZ "
    "GXO GYO GZO GXR GYR GZR GS GXX GXY GXZ GYX GYY GYZ GZX GZY GZZ"
)
"""Which parameter of the adjustment each is, 0 or blank where it is none."""
ADJUSTED = (
    f"NPAR 2 d APTYP 1 a LOCTYP 1 a {_reals('NSFX NSFY NSFZ NOFFX NOFFY NOFFZ')} [ LOCTYP=R {LOCAL} ] APBASE 1 a "
    f"[ APTYP=I NISAP 2 d NISAPR 2 d ( NISAPR {_powers('R')} ) NISAPC 2 d ( NISAPC {_powers('C')} ) ] "
    "[ APTYP=G NGSAP 2 d ( NGSAP GSAPID 4 a ) ] [ APBASE=Y NBASIS 2 d ( NPAR ( NBASIS AEL 21 r ) ) ]"
)
SEGMENTS = "NCSEG 1 d ( NCSEG CORSEG 21 r TAUSEG 21 r )"
UNMODELED = "UNCSR 1 d ( UNCSR UCORSR 21 r UTAUSR 21 r ) UNCSC 1 d ( UNCSC UCORSC 21 r UTAUSC 21 r )"
VERTICES = " ".join(f"V{number}{axis}" for number in range(1, 9) for axis in "XYZ")

LAYOUTS = {
    "RSMIDA": (
        f"{IMAGE} ISID 40 a SID 40 a STID 40 a YEAR 4 d MONTH 2 d DAY 2 d HOUR 2 d MINUTE 2 d SECOND 9 r "
        f"NRG 8 d NCG 8 d TRG 21 r TCG 21 r GRNDD 1 a "
        + _reals(f"XUOR YUOR ZUOR XUXR XUYR XUZR YUXR YUYR YUZR ZUXR ZUYR ZUZR {VERTICES} GRPX GRPY GRPZ")
        + " FULLR 8 d FULLC 8 d MINR 8 d MAXR 8 d MINC 8 d MAXC 8 d "
        + _reals("IE0 IER IEC IERR IERC IECC IA0 IAR IAC IARR IARC IACC SPX SVX SAX SPY SVY SAY SPZ SVZ SAZ")
    ),
    "RSMPIA": (
        f"{IMAGE} {_reals(_quadratic('R'))} {_reals(_quadratic('C'))} RNIS 3 d CNIS 3 d TNIS 3 d RSSIZ 21 r CSSIZ 21 r"
    ),
    "RSMPCA": (
        f"{IMAGE} RSN 3 d CSN 3 d RFEP 21 r CFEP 21 r "
        + _reals("RNRMO CNRMO XNRMO YNRMO ZNRMO RNRMSF CNRMSF XNRMSF YNRMSF ZNRMSF")
        + f" {_terms('RN')} {_terms('RD')} {_terms('CN')} {_terms('CD')}"
    ),
    "RSMGIA": (
        f"{IMAGE} {_reals(_quadratic('GR'))} {_reals(_quadratic('GC'))} "
        "GRNIS 3 d GCNIS 3 d GTNIS 3 d GRSSIZ 21 r GCSSIZ 21 r"
    ),
    "RSMGGA": (
        f"{IMAGE} GGRSN 3 d GGCSN 3 d GGRFEP 21 r GGCFEP 21 r INTORD 1 d NPLN 3 d "
        + _reals("DELTAZ DELTAX DELTAY ZPLN1 XIPLN1 YIPLN1")
        + " REFROW 9 r REFCOL 9 r TNUMRD 2 d TNUMCD 2 d FNUMRD 1 d FNUMCD 1 d ( NPLN-1 IXO 4 r IYO 4 r ) "
        "( NPLN NXPTS 3 d NYPTS 3 d ( NXPTS*NYPTS RCOORD =TNUMRD a CCOORD =TNUMCD a ) )"
    ),
    "RSMAPA": f"{EDITED} NPAR 2 d {LOCAL} {PLACES} ( NPAR PARVAL 21 r )",
    "RSMAPB": f"{EDITED} {ADJUSTED} ( NPAR PARVAL 21 r )",
    "RSMDCA": (
        f"{EDITED} NPAR 2 d NIMGE 3 d NPART 5 d ( NIMGE IID 80 a NPARI 2 d ) {LOCAL} {PLACES} ( NPART/2 DERCOV 21 r )"
    ),
    "RSMDCB": (
        f"{EDITED} NROWCB 2 d NIMGE 3 d ( NIMGE IIDI 80 a NCOLCB 2 d ) INCAPD 1 a [ INCAPD=Y {ADJUSTED} ] "
        "( NIMGE ( NROWCB ( NCOLCB CRSCOV 21 r ) ) )"
    ),
    "RSMECA": (
        f"{EDITED} INCLIC 1 a INCLUC 1 a [ INCLIC=Y NPAR 2 d NPARO 2 d IGN 2 d CVDATE 8 a {LOCAL} {PLACES} "
        f"( IGN NUMOPG 2 d ( NUMOPG/2 ERRCVG 21 r ) TCDF 1 d {SEGMENTS} ) ( NPAR*NPARO MAP 21 r ) ] "
        f"[ INCLUC=Y URR 21 r URC 21 r UCC 21 r {UNMODELED} ]"
    ),
    "RSMECB": (
        f"{EDITED} INCLIC 1 a INCLUC 1 a [ INCLIC=Y NPARO 2 d IGN 2 d CVDATE 8 a {ADJUSTED} "
        "( IGN NUMOPG 2 d ( NUMOPG/2 ERRCVG 21 r ) TCDF 1 d ACSMC 1 a "
        f"[ ACSMC=N {SEGMENTS} ] [ ACSMC=Y {_reals('AC ALPC BETC TC')} ] ) ( NPAR ( NPARO MAP 21 r ) ) ] "
        f"[ INCLUC=Y URR 21 r URC 21 r UCC 21 r UACSMC 1 a [ UACSMC=N {UNMODELED} ] "
        f"[ UACSMC=Y {_reals('UACR UALPCR UBETCR UTCR UACC UALPCC UBETCC UTCC')} ] ]"
    ),
}

RSM_ROWS: dict[str, tuple[str, ...]] = {tag: (RSM, text) for tag, text in LAYOUTS.items()}
"""Tag → where it is published, and its fields."""
