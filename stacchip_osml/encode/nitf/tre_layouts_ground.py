"""The layouts of what says where an image lies: on which map, how surely, from which sources.

STDI-0002 volume 1, appendix P. How rows are written stands in :mod:`stacchip_osml.encode.nitf.tre_rows`.
"""

from __future__ import annotations

__all__ = ["GROUND_ROWS"]

GEOSDE = "STDI-0002 volume 1 appendix P"

POINTS = "NUM_PTS 3 d ( NUM_PTS LON 15 r LAT 15 r )"
POLYGONS = f"NUM_BP 2 d ( NUM_BP {POINTS} )"
DATUMS = "DAG 80 a DCD 4 a ELL 80 a ELC 3 a DVR 80 a VDCDVR 4 a SDA 80 a VDCSDA 4 a"
PROJECTION = "PRN 80 a PCO 2 a NUM_PRJ 1 d ( NUM_PRJ PRJ 15 r ) XOR 15 r YOR 15 r"
INSETS = "NIN 2 d ( NIN INT 10 a INS_SCA 9 d " + " ".join(
    f"{ground}{corner} 15 r" for corner in ("TL", "VL", "TR", "VR", "RL", "SL", "RR", "SR") for ground in "NT"
)


def _measured(unit: str, *names: str) -> str:
    """Give values that are there if their unit is; each with its length."""
    return f"{unit} 3 a [ {unit} {' '.join(names)} ]"


GROUND_ROWS: dict[str, tuple[str, ...]] = {
    "ACCHZB": (
        GEOSDE,
        f"NUM_ACHZ 2 d ( NUM_ACHZ {_measured('UNIAAH', 'AAH 5 d')} {_measured('UNIAPH', 'APH 5 d')} {POINTS} )",
    ),
    "ACCPOB": (
        GEOSDE,
        f"NUM_ACPO 2 d ( NUM_ACPO {_measured('UNIAAH', 'AAH 5 d')} {_measured('UNIAAV', 'AAV 5 d')} "
        f"{_measured('UNIAPH', 'APH 5 d')} {_measured('UNIAPV', 'APV 5 d')} {POINTS} )",
    ),
    "ACCVTB": (
        GEOSDE,
        f"NUM_ACVT 2 d ( NUM_ACVT {_measured('UNIAAV', 'AAV 5 d')} {_measured('UNIAPV', 'APV 5 d')} {POINTS} )",
    ),
    "BNDPLB": (GEOSDE, "NUM_PTS 4 d ( NUM_PTS LON 15 r LAT 15 r )"),
    "GEOLOB": (GEOSDE, "ARV 9 r BRV 9 r LSO 15 r PSO 15 r"),
    "GEOPSB": (GEOSDE, f"TYP 3 a UNI 3 a {DATUMS} ZOR 15 d GRD 3 a GRN 80 a ZNA 4 a"),
    "GRDPSB": (GEOSDE, "NUM_GRDS 2 d ( NUM_GRDS ZVL 10 r BAD 10 a LOD 12 r LAD 12 r LSO 11 r PSO 11 r )"),
    "MAPLOB": (GEOSDE, "UNILOA 3 a LOD 5 d LAD 5 d LSO 15 r PSO 15 r"),
    "PRJPSB": (GEOSDE, PROJECTION),
    "REGPTB": (GEOSDE, "NUM_PTS 4 d ( NUM_PTS PID 10 a LON 15 r LAT 15 r ZVL 15 r DIX 11 r DIY 11 r )"),
    "SNSPSB": (
        GEOSDE,
        f"NUM_SNS 2 d ( NUM_SNS {POLYGONS} NUM_BND 2 d ( NUM_BND BID 5 a WS1 5 d WS2 5 d ) UNIRES 3 a REX 6 r REY 6 r "
        "GSX 6 r GSY 6 r GSL 12 a PLTFM 8 a INS 8 a MOD 4 a PRL 5 a SID 10 a ACT 18 a "
        f"{_measured('UNINOA', 'NOA 7 r')} {_measured('UNIANG', 'ANG 7 r')} {_measured('UNIALT', 'ALT 9 r')} "
        f"LONSCC 10 r LATSCC 10 r {_measured('UNISAE', 'SAZ 7 r', 'SEL 7 r')} "
        f"{_measured('UNIRPY', 'ROL 7 r', 'PIT 7 r', 'YAW 7 r')} {_measured('UNIPXT', 'PXT 14 r')} "
        "UNISPE 7 a [ UNISPE ROS 22 r PIS 22 r YAS 22 r ] NUM_AUX 3 d ( NUM_AUX API 20 a APF 1 a UNIAPX 7 a "
        "[ APF=I APN 10 a ] [ APF=R APR 20 r ] [ APF=A APA 20 e ] ) )",
    ),
    "SOURCB": (
        GEOSDE,
        f"IS_SCA 9 d CPATCH 10 a NUM_SOUR 2 d ( NUM_SOUR {POLYGONS} PRT 10 a URF 20 a EDN 7 a NAM 20 a CDP 3 d CDV 8 a "
        f"CDV27 8 a SRN 80 a SCA 9 d {_measured('UNISQU', 'SQU 10 d')} {_measured('UNIPCI', 'PCI 4 d')} WPC 3 d "
        f"NST 3 d {_measured('UNIHKE', 'HKE 6 a', 'LONHKE 15 r', 'LATHKE 15 r')} QSS 1 a QOD 1 a "
        "[ QSS!U [ QOD!Y CDV10 8 a ] ] QLE 80 a CPY 80 a NMI 2 d ( NMI CDV30 8 a UNIRAT 3 a RAT 8 r UNIGMA 3 a GMA 8 r "
        f"LONGMA 15 r LATGMA 15 r {_measured('UNIGCA', 'GCA 8 r')} ) NLI 2 d ( NLI BAD 10 a ) {DATUMS} "
        f"{PROJECTION} GRD 3 a GRN 80 a ZNA 4 a {INSETS} ) )",
    ),
}
"""Tag → where it is published, and its fields."""
