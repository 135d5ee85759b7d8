"""The layouts of published TREs that chips need, field by field (STDI-0002 volume 1, by its appendices).

How rows are written stands in :mod:`stacchip_osml.encode.nitf.tre_rows`. Names are
the appendices'; fields without a name are ``reserved1`` …
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

from stacchip_osml.encode.nitf.fields import Field, Layout, NotNumberError, counted, numbered
from stacchip_osml.encode.nitf.tre_layouts_rsm import RSM_LAYOUTS
from stacchip_osml.encode.nitf.tre_layouts_sensors import SENSOR_LAYOUTS
from stacchip_osml.encode.nitf.tre_rows import clause_of, fixed, row

__all__ = ["TRE_LAYOUTS"]

Values = Mapping[str, str]

CORNERS = ("UL", "UR", "LR", "LL")
COEFFICIENTS = " ".join(
    f"{axis}_{part}_COEFF_{number} 12 r"
    for axis in ("LINE", "SAMP")
    for part in ("NUM", "DEN")
    for number in range(1, 21)
)
GRID = " ".join(
    f"{kind}_{axis}_{corner} 12 r" for kind in ("OP", "FI") for corner in (11, 12, 21, 22) for axis in ("ROW", "COL")
)
RPC = (
    "SUCCESS 1 a ERR_BIAS 7 r ERR_RAND 7 r LINE_OFF 6 r SAMP_OFF 5 r LAT_OFF 8 r LONG_OFF 9 r HEIGHT_OFF 5 r "
    f"LINE_SCALE 6 r SAMP_SCALE 5 r LAT_SCALE 8 r LONG_SCALE 9 r HEIGHT_SCALE 5 r {COEFFICIENTS}"
)
PIA = (
    "CLOUDCVR 3 a SRP 1 a SENSMODE 12 a SENSNAME 18 a SOURCE 255 a COMGEN 2 a SUBQUAL 1 a PIAMSNNUM 7 a CAMSPECS 32 a "
    "PROJID 2 a GENERATION 1 a ESD 1 a OTHERCOND 2 a"
)
FIXED: dict[str, tuple[str, str]] = {
    "ICHIPB": (
        "appendix B",
        f"XFRM_FLAG 2 d SCALE_FACTOR 10 r ANAMRPH_CORR 2 d SCANBLK_NUM 2 d {GRID} FI_ROW 8 d FI_COL 8 d",
    ),
    "BLOCKA": (
        "appendix E",
        "BLOCK_INSTANCE 2 d N_GRAY 5 d L_LINES 5 d LAYOVER_ANGLE 3 d SHADOW_ANGLE 3 d reserved1 16 a "
        "FRLC_LOC 21 a LRLC_LOC 21 a LRFC_LOC 21 a FRFC_LOC 21 a reserved2 5 a",
    ),
    "RPC00A": ("appendix E", RPC),
    "RPC00B": ("appendix E", RPC),
    "CSCRNA": (
        "appendix D",
        "PREDICT_CORNERS 1 a "
        + " ".join(f"{corner}CNR_LAT 9 r {corner}CNR_LONG 10 r {corner}CNR_HT 8 r" for corner in CORNERS),
    ),
    "CSDIDA": (
        "appendix D",
        "DAY 2 d MONTH 3 a YEAR 4 d PLATFORM_CODE 2 a VEHICLE_ID 2 a PASS 2 a OPERATION 3 a SENSOR_ID 2 a "
        "PRODUCT_ID 2 a RESERVED_0 4 a TIME 14 a PROCESS_TIME 14 a RESERVED_1 2 a RESERVED_2 2 a RESERVED_3 1 a "
        "RESERVED_4 1 a SOFTWARE_VERSION_NUMBER 10 a",
    ),
    "CSEXRA": (
        "appendix D",
        "SENSOR 6 a TIME_FIRST_LINE_IMAGE 12 a TIME_IMAGE_DURATION 12 a MAX_GSD 5 a ALONG_SCAN_GSD 5 a "
        "CROSS_SCAN_GSD 5 a GEO_MEAN_GSD 5 a A_S_VERT_GSD 5 a C_S_VERT_GSD 5 a GEO_MEAN_VERT_GSD 5 a "
        "GSD_BETA_ANGLE 5 a DYNAMIC_RANGE 5 a NUM_LINES 7 a NUM_SAMPLES 5 a ANGLE_TO_NORTH 7 a OBLIQUITY_ANGLE 6 a "
        "AZ_OF_OBLIQUITY 7 a GRD_COVER 1 a SNOW_DEPTH_CAT 1 a SUN_AZIMUTH 7 a SUN_ELEVATION 7 a "
        "PREDICTED_NIIRS 3 a CIRCL_ERR 3 a LINEAR_ERR 3 a",
    ),
    "USE00A": (
        "appendix D",
        "ANGLE_TO_NORTH 3 d MEAN_GSD 5 r reserved1 1 a DYNAMIC_RANGE 5 d reserved2 3 a reserved3 1 a reserved4 3 a "
        "OBL_ANG 5 r ROLL_ANG 6 r reserved5 12 a reserved6 15 a reserved7 4 a reserved8 1 a reserved9 3 a "
        "reserved10 1 a reserved11 1 a N_REF 2 d REV_NUM 5 d N_SEG 3 d MAX_LP_SEG 6 d reserved12 6 a reserved13 6 a "
        "SUN_EL 5 r SUN_AZ 5 r",
    ),
    "STDIDC": (
        "appendix D",
        "ACQUISITION_DATE 14 a MISSION 14 a PASS 2 a OP_NUM 3 d START_SEGMENT 2 a REPRO_NUM 2 d REPLAY_REGEN 3 a "
        "BLANK_FILL 1 a START_COLUMN 3 d START_ROW 5 d END_SEGMENT 2 a END_COLUMN 3 d END_ROW 5 d COUNTRY 2 a "
        "WAC 4 d LOCATION 11 a reserved1 5 a reserved2 8 a",
    ),
    "PIAIMB": ("appendix C", PIA),
    "PIAIMC": (
        "appendix C",
        f"{PIA} MEANGSD 7 a IDATUM 3 a IELLIP 3 a PREPROC 2 a IPROJ 2 a SATTRACK 8 a",
    ),
    "AIMIDB": (
        "appendix E",
        "ACQUISITION_DATE 14 a MISSION_NO 4 a MISSION_IDENTIFICATION 10 a FLIGHT_NO 2 a OP_NUM 3 d CURRENT_SEGMENT 2 a "
        "REPRO_NUM 2 d REPLAY 3 a reserved1 1 a START_TILE_COLUMN 3 d START_TILE_ROW 5 d END_SEGMENT 2 a "
        "END_TILE_COLUMN 3 d END_TILE_ROW 5 d COUNTRY 2 a reserved2 4 a LOCATION 11 a reserved3 13 a",
    ),
    "ACFTB": (
        "appendix E",
        "AC_MSN_ID 20 a AC_TAIL_NO 10 a AC_TO 12 a SENSOR_ID_TYPE 4 a SENSOR_ID 6 a SCENE_SOURCE 1 a SCNUM 6 a "
        "PDATE 8 a IMHOSTNO 6 a IMREQID 5 a MPLAN 3 a ENTLOC 25 a LOC_ACCY 6 a ENTELV 6 a ELV_UNIT 1 a "
        "EXITLOC 25 a EXITELV 6 a "
        "TMAP 7 a ROW_SPACING 7 a ROW_SPACING_UNITS 1 a COL_SPACING 7 a COL_SPACING_UNITS 1 a FOCAL_LENGTH 6 a "
        "SENSERIAL 6 a ABSWVER 7 a CAL_DATE 8 a PATCH_TOT 4 a MTI_TOT 3 a",
    ),
    "EXPLTB": (
        "appendix E",
        "ANGLE_TO_NORTH 7 a ANGLE_TO_NORTH_ACCY 6 a SQUINT_ANGLE 7 a SQUINT_ANGLE_ACCY 6 a MODE 3 a reserved1 16 a "
        "GRAZE_ANG 5 a GRAZE_ANG_ACCY 5 a SLOPE_ANG 5 a POLAR 2 a NSAMP 5 a reserved2 1 a SEQ_NUM 1 a PRIME_ID 12 a "
        "PRIME_BE 15 a reserved3 1 a N_SEC 2 a IPR 2 a",
    ),
    "SECTGA": ("appendix E", "SEC_ID 12 a SEC_BE 15 a reserved1 1 a"),
    "EXOPTA": (
        "appendix E",
        "ANGLE_TO_NORTH 3 a MEAN_GSD 5 a reserved1 1 a DYNAMIC_RANGE 5 a reserved2 7 a OBL_ANG 5 a ROLL_ANG 6 a "
        "PRIME_ID 12 a PRIME_BE 15 a reserved3 5 a N_SEC 3 a reserved4 2 a reserved5 7 a N_SEG 3 a MAX_LP_SEG 6 a "
        "reserved6 12 a SUN_EL 5 a SUN_AZ 5 a",
    ),
    "GEOLOB": ("appendix P", "ARV 9 r BRV 9 r LSO 15 r PSO 15 r"),
    "MAPLOB": ("appendix P", "UNILOA 3 a LOD 5 d LAD 5 d LSO 15 r PSO 15 r"),
    "GEOPSB": (
        "appendix P",
        "TYP 3 a UNI 3 a DAG 80 a DCD 4 a ELL 80 a ELC 3 a DVR 80 a VDCDVR 4 a SDA 80 a VDCSDA 4 a ZOR 15 d GRD 3 a "
        "GRN 80 a ZNA 4 a",
    ),
}
"""Tag → its appendix, and its fields; all of fixed length."""


PRJPSB = row("PRN 80 a PCO 2 a NUM_PRJ 1 d PRJ 15 r XOR 15 r YOR 15 r", clause_of("PRJPSB", "appendix P"))


def _prjpsb(values: Values) -> Iterator[Field]:
    """Map projection parameters: up to nine of them."""
    yield from PRJPSB[:3]
    for number in range(1, counted(values, "NUM_PRJ") + 1):
        yield numbered(PRJPSB[3], number)
    yield from PRJPSB[4:]


REGPTB = row("NUM_PTS 4 d PID 10 a LON 15 r LAT 15 r ZVL 15 r DIX 11 r DIY 11 r", clause_of("REGPTB", "appendix P"))


def _regptb(values: Values) -> Iterator[Field]:
    """Registration points."""
    yield REGPTB[0]
    for number in range(1, counted(values, "NUM_PTS") + 1):
        for field in REGPTB[1:]:
            yield numbered(field, number)


J2KLRA = row(
    "ORIG 1 d NLEVELS_O 2 d NBANDS_O 5 d NLAYERS_O 3 d LAYER_ID 3 d BITRATE 9 r "
    "NLEVELS_I 2 d NBANDS_I 5 d NLAYERS_I 3 d",
    "STDI-0002 volume 1, J2KLRA",
)
PARSED = frozenset("13579")
"""ORIG of a codestream of which parts were left out."""


def _j2klra(values: Values) -> Iterator[Field]:
    """Layers of a JPEG 2000 codestream, counted from 0; what this image has of them, where it was parsed."""
    yield from J2KLRA[:4]
    for number in range(counted(values, "NLAYERS_O")):
        yield numbered(J2KLRA[4], number)
        yield numbered(J2KLRA[5], number)
    if values["ORIG"] in PARSED:
        yield from J2KLRA[6:]


BANDSB_HEAD = (
    "COUNT 5 d RADIOMETRIC_QUANTITY 24 a RADIOMETRIC_QUANTITY_UNIT 1 a SCALE_FACTOR 4 x ADDITIVE_FACTOR 4 x "
    "ROW_GSD 7 a ROW_GSD_UNIT 1 a COL_GSD 7 a COL_GSD_UNIT 1 a SPT_RESP_ROW 7 a SPT_RESP_UNIT_ROW 1 a SPT_RESP_COL 7 a "
    "SPT_RESP_UNIT_COL 1 a DATA_FLD_1 48 a EXISTENCE_MASK 4 x"
)
BANDSB_ONCE = (
    (31, "RADIOMETRIC_ADJUSTMENT_SURFACE 24 a ATMOSPHERIC_ADJUSTMENT_ALTITUDE 4 x"),
    (30, "DIAMETER 7 a"),
    (29, "DATA_FLD_2 32 a"),
    (24, "WAVE_LENGTH_UNIT 1 a"),
)
BANDSB_BAND = (
    (28, "BANDID 50 a"),
    (27, "BAD_BAND 1 a"),
    (26, "NIIRS 3 a"),
    (25, "FOCAL_LEN 5 a"),
    (24, "CWAVE 7 a"),
    (23, "FWHM 7 a"),
    (22, "FWHM_UNC 7 a"),
    (21, "NOM_WAVE 7 a"),
    (20, "NOM_WAVE_UNC 7 a"),
    (19, "LBOUND 7 a UBOUND 7 a"),
    (18, "SCALE_FACTOR 4 x ADDITIVE_FACTOR 4 x"),
    (17, "START_TIME 16 a"),
    (16, "INT_TIME 6 a"),
    (15, "CALDRK 6 a CALIBRATION_SENSITIVITY 5 a"),
    (14, "ROW_GSD 7 a"),
    (13, "ROW_GSD_UNC 7 a"),
    (14, "ROW_GSD_UNIT 1 a COL_GSD 7 a"),
    (13, "COL_GSD_UNC 7 a"),
    (14, "COL_GSD_UNIT 1 a"),
    (12, "BKNOISE 5 a SCNNOISE 5 a"),
    (11, "SPT_RESP_FUNCTION_ROW 7 a"),
    (10, "SPT_RESP_UNC_ROW 7 a"),
    (11, "SPT_RESP_UNIT_ROW 1 a SPT_RESP_FUNCTION_COL 7 a"),
    (10, "SPT_RESP_UNC_COL 7 a"),
    (11, "SPT_RESP_UNIT_COL 1 a"),
    (9, "DATA_FLD_3 16 a"),
    (8, "DATA_FLD_4 24 a"),
    (7, "DATA_FLD_5 32 a"),
    (6, "DATA_FLD_6 48 a"),
)
AUXILIARY = {"I": "APN 10 a", "R": "APR 4 x", "A": "APA 20 a"}
"""BAPF, CAPF → how the parameter is stored."""
BANDSB = clause_of("BANDSB", "appendix X")
_HEAD = row(BANDSB_HEAD, BANDSB)
_ONCE = tuple((bit, row(text, BANDSB)) for bit, text in BANDSB_ONCE)
_BAND = tuple((bit, row(text, BANDSB)) for bit, text in BANDSB_BAND)
_COUNTS = row("NUM_AUX_B 2 d NUM_AUX_C 2 d", BANDSB)
_BAND_AUX, _CUBE_AUX = row("BAPF 1 a UBAP 7 a", BANDSB), row("CAPF 1 a UCAP 7 a", BANDSB)
_VALUE = {letter: row(text, BANDSB)[0] for letter, text in AUXILIARY.items()}


def _bandsb(values: Values) -> Iterator[Field]:
    """General-purpose band parameters: 32 bits say which fields there are, 31 is the most significant.

    Fields of a band have its number at the end (``CWAVE1``), auxiliary ones theirs too: ``BAPF1``, and of band 2
    ``APR1_2``; those of the cube are ``CAPF1``, ``CUBE_APR1``.
    """
    yield from _HEAD
    mask = int(values["EXISTENCE_MASK"], 16)
    for bit, fields in _ONCE:
        if mask >> bit & 1:
            yield from fields
    count = counted(values, "COUNT")
    each = [field for bit, fields in _BAND if mask >> bit & 1 for field in fields]
    for band in range(1, count + 1) if each else ():
        for field in each:
            yield numbered(field, band)
    if mask & 1:
        yield from _auxiliary(values, count)


def _auxiliary(values: Values, bands: int) -> Iterator[Field]:
    """Parameters that the standard does not name: of every band, and of the whole cube."""
    yield from _COUNTS
    for number in range(1, counted(values, "NUM_AUX_B") + 1):
        for field in _BAND_AUX:
            yield numbered(field, number)
        stored = _stored(values, f"BAPF{number}")
        for band in range(1, bands + 1):
            yield numbered(stored, f"{number}_{band}")
    for number in range(1, counted(values, "NUM_AUX_C") + 1):
        for field in _CUBE_AUX:
            yield numbered(field, number)
        yield numbered(_CUBES[_stored(values, f"CAPF{number}").name], number)


def _stored(values: Values, name: str) -> Field:
    """Give the form in which an auxiliary parameter is stored."""
    found = _VALUE.get(values[name])
    if found is None:
        raise NotNumberError(f"{name} is {values[name]!r}; expected one of I, R, A ({BANDSB})")
    return found


_CUBES = {
    field.name: Field(f"CUBE_{field.name}", field.length, field.charset, None, blank=field.blank, clause=BANDSB)
    for field in _VALUE.values()
}

TRE_LAYOUTS: dict[str, Layout] = {
    **{tag: partial(fixed, row(text, clause_of(tag, appendix))) for tag, (appendix, text) in FIXED.items()},
    "J2KLRA": _j2klra,
    "PRJPSB": _prjpsb,
    "REGPTB": _regptb,
    "BANDSB": _bandsb,
    **RSM_LAYOUTS,
    **SENSOR_LAYOUTS,
}
"""Tag → its fields."""
