"""The layouts of what an image shows and how its pixels came to be: bands, quality, history, light, targets, marking.

STDI-0002 volume 1, by its appendices; two of DPPDB (MIL-PRF-89034), one of raster products (MIL-STD-2411). How rows are
written stands in :mod:`stacchip_osml.encode.nitf.tre_rows`.
"""

from __future__ import annotations

__all__ = ["CONTENT_ROWS"]

STDI = "STDI-0002 volume 1 appendix "
PIAE = f"{STDI}C"
DPPDB = "MIL-PRF-89034"
RPF = "MIL-STD-2411"

GRID = " ".join(
    f"{kind}_{axis}_{corner} 12 r" for kind in ("OP", "FI") for corner in (11, 12, 21, 22) for axis in ("ROW", "COL")
)
PIA = (
    "CLOUDCVR 3 a SRP 1 a SENSMODE 12 a SENSNAME 18 a SOURCE 255 a COMGEN 2 a SUBQUAL 1 a PIAMSNNUM 7 a CAMSPECS 32 a "
    "PROJID 2 a GENERATION 1 a ESD 1 a OTHERCOND 2 a"
)
PRODUCT = (
    "ACCESSID 64 a FMCONTROL 32 a SUBDET 1 a PRODCODE 2 a PRODUCERSE 6 a PRODIDNO 20 a PRODSNME 10 a PRODUCERCD 2 a "
    "PRODCRTIME 14 a MAPID 40 a SECTITLEREP 2 d ( SECTITLEREP SECTITLE 40 a PPNUM 5 a TPP 3 d ) "
    "REQORGREP 2 d ( REQORGREP REQORG 64 a ) KEYWORDREP 2 d ( KEYWORDREP KEYWORD 255 a ) "
    "ASSRPTREP 2 d ( ASSRPTREP ASSRPT 20 a ) ATEXTREP 2 d ( ATEXTREP ATEXT 255 a )"
)
TARGET = "TGTUTM 15 a PIATGAID 15 a PIACTRY 2 a PIACAT 5 a TGTGEO 15 a DATUM 3 a TGTNAME 38 a PERCOVER 3 d"
IMAGES = "NUMAIS 3 a [ NUMAIS!ALL ( NUMAIS AISDLVL 3 d ) ]"
"""Display levels of the images that it speaks of, or all."""
RESERVED = "RESERVED_LEN 5 d [ RESERVED_LEN RESERVED =RESERVED_LEN b ]"


def _masked(*cases: str) -> str:
    """Give fields that a bit of the mask says are there; each case begins with its bit, or several."""
    return " ".join(f"[ EXISTENCE_MASK:{case} ]" for case in cases)


def _stored(form: str, name: str) -> str:
    """Give an auxiliary parameter as the field before says that it is stored."""
    return f"[ {form}=I {name}N 10 a ] [ {form}=R {name}R 4 x ] [ {form}=A {name}A 20 a ]"


BANDSB = (
    "COUNT 5 d RADIOMETRIC_QUANTITY 24 a RADIOMETRIC_QUANTITY_UNIT 1 a SCALE_FACTOR 4 x ADDITIVE_FACTOR 4 x "
    "ROW_GSD 7 a ROW_GSD_UNIT 1 a COL_GSD 7 a COL_GSD_UNIT 1 a SPT_RESP_ROW 7 a SPT_RESP_UNIT_ROW 1 a SPT_RESP_COL 7 a "
    "SPT_RESP_UNIT_COL 1 a DATA_FLD_1 48 a EXISTENCE_MASK 4 x "
    + _masked(
        "31 RADIOMETRIC_ADJUSTMENT_SURFACE 24 a ATMOSPHERIC_ADJUSTMENT_ALTITUDE 4 x",
        "30 DIAMETER 7 a",
        "29 DATA_FLD_2 32 a",
        "24|23|22|21|20|19 WAVE_LENGTH_UNIT 1 a",
    )
    + " ( COUNT "
    + _masked(
        "28 BANDID 50 a",
        "27 BAD_BAND 1 a",
        "26 NIIRS 3 a",
        "25 FOCAL_LEN 5 a",
        "24 CWAVE 7 a",
        "23 FWHM 7 a",
        "22 FWHM_UNC 7 a",
        "21 NOM_WAVE 7 a",
        "20 NOM_WAVE_UNC 7 a",
        "19 LBOUND 7 a UBOUND 7 a",
        "18 SCALE_FACTOR 4 x ADDITIVE_FACTOR 4 x",
        "17 START_TIME 16 a",
        "16 INT_TIME 6 a",
        "15 CALDRK 6 a CALIBRATION_SENSITIVITY 5 a",
        "14 ROW_GSD 7 a",
        "13 ROW_GSD_UNC 7 a",
        "14 ROW_GSD_UNIT 1 a COL_GSD 7 a",
        "13 COL_GSD_UNC 7 a",
        "14 COL_GSD_UNIT 1 a",
        "12 BKNOISE 5 a SCNNOISE 5 a",
        "11 SPT_RESP_FUNCTION_ROW 7 a",
        "10 SPT_RESP_UNC_ROW 7 a",
        "11 SPT_RESP_UNIT_ROW 1 a SPT_RESP_FUNCTION_COL 7 a",
        "10 SPT_RESP_UNC_COL 7 a",
        "11 SPT_RESP_UNIT_COL 1 a",
        "9 DATA_FLD_3 16 a",
        "8 DATA_FLD_4 24 a",
        "7 DATA_FLD_5 32 a",
        "6 DATA_FLD_6 48 a",
    )
    + " ) "
    + _masked(
        "0 NUM_AUX_B 2 d NUM_AUX_C 2 d "
        f"( NUM_AUX_B BAPF 1 a UBAP 7 a ( COUNT {_stored('BAPF', 'AP')} ) ) "
        f"( NUM_AUX_C CAPF 1 a UCAP 7 a {_stored('CAPF', 'CUBE_AP')} )"
    )
)
"""Fields of a band have its number at the end, auxiliary ones theirs before: ``CWAVE1``, ``APR1_2`` of band 2."""
ILLUMB = (
    "NUM_BANDS 4 d BAND_UNIT 40 e ( NUM_BANDS LBOUND 16 r UBOUND 16 r ) NUM_OTHERS 2 d ( NUM_OTHERS OTHER_NAME 40 e ) "
    "NUM_COMS 1 d ( NUM_COMS COMMENT 80 e ) GEO_DATUM 80 a GEO_DATUM_CODE 4 a ELLIPSOID_NAME 80 a ELLIPSOID_CODE 3 a "
    "VERTICAL_DATUM_REF 80 a VERTICAL_REF_CODE 4 a EXISTENCE_MASK 3 x "
    + _masked("23 RAD_QUANTITY 40 e RADQ_UNIT 40 e")
    + " NUM_ILLUM_SETS 3 d ( NUM_ILLUM_SETS DATETIME 14 a TARGET_LAT 10 r TARGET_LON 11 r TARGET_HGT 14 r "
    + _masked(
        "22 SUN_AZIMUTH 5 r SUN_ELEV 5 r",
        "21 MOON_AZIMUTH 5 r MOON_ELEV 5 r",
        "20 MOON_PHASE_ANGLE 6 r",
        "19 MOON_ILLUM_PERCENT 3 d",
        "18 ( NUM_OTHERS OTHER_AZIMUTH 5 r OTHER_ELEV 5 r )",
        "17 SENSOR_AZIMUTH 5 r SENSOR_ELEV 5 r",
        "16 CATS_ANGLE 5 r",
        "15 SUN_GLINT_LAT 10 r SUN_GLINT_LON 11 r",
        "14 CATM_ANGLE 5 r",
        "13 MOON_GLINT_LAT 10 r MOON_GLINT_LON 11 r",
        "10 SOL_LUN_DIST_ADJUST 7 r",
    )
    + " ( NUM_BANDS "
    + _masked(
        "12 SUN_ILLUM_METHOD 1 a SUN_ILLUM 16 r",
        "11 MOON_ILLUM_METHOD 1 a MOON_ILLUM 16 r",
        "10 TOT_SUNMOON_ILLUM 16 r",
        "9 ( NUM_OTHERS OTHER_ILLUM_METHOD 1 a OTHER_ILLUM 16 r )",
        "8 ART_ILLUM_METHOD 1 a ART_ILLUM_MIN 16 r ART_ILLUM_MAX 16 r",
    )
    + " ) )"
)
HISTOA = (
    "SYSTYPE 20 a PC 12 a PE 4 a REMAP_FLAG 1 a LUTID 2 a NEVENTS 2 d ( NEVENTS PDATE 14 a PSITE 10 a PAS 10 a "
    "NIPCOM 1 d ( NIPCOM IPCOM 80 a ) IBPP 2 a IPVTYPE 3 a INBWC 10 a DISP_FLAG 1 a "
    "ROT_FLAG 1 a [ ROT_FLAG=1 ROT_ANGLE 8 a ] ASYM_FLAG 1 a [ ASYM_FLAG=1 ZOOMROW 7 a ZOOMCOL 7 a ] PROJ_FLAG 1 a "
    "SHARP_FLAG 1 a [ SHARP_FLAG=1 SHARPFAM 2 a SHARPMEM 2 a ] MAG_FLAG 1 a [ MAG_FLAG=1 MAG_LEVEL 7 a ] "
    "DRA_FLAG 1 a [ DRA_FLAG=1 DRA_MULT 7 a DRA_SUB 5 a ] TTC_FLAG 1 a [ TTC_FLAG=1 TTCFAM 2 a TTCMEM 2 a ] "
    "DEVLUT_FLAG 1 a OBPP 2 a OPVTYPE 3 a OUTBWC 10 a )"
)

CONTENT_ROWS: dict[str, tuple[str, ...]] = {
    "BANDSB": (f"{STDI}X", BANDSB),
    "CCINFA": (
        f"{STDI}AG",
        "NUMCODE 3 d ( NUMCODE CODE_LEN 1 d CODE =CODE_LEN a EQTYPE 1 a ESURN_LEN 2 d ESURN =ESURN_LEN a "
        "DETAIL_LEN 5 d [ DETAIL_LEN DETAIL_CMPR 1 a [ DETAIL_CMPR DETAIL =DETAIL_LEN x ] "
        "[ DETAIL_CMPR= DETAIL =DETAIL_LEN b ] ] )",
    ),
    "HISTOA": (f"{STDI}L", HISTOA),
    "ICHIPB": (
        f"{STDI}B",
        f"XFRM_FLAG 2 d SCALE_FACTOR 10 r ANAMRPH_CORR 2 d SCANBLK_NUM 2 d {GRID} FI_ROW 8 d FI_COL 8 d",
    ),
    "ILLUMB": (f"{STDI}AL", ILLUMB),
    "IMASDA": (
        DPPDB,
        "LONTR 22 r LATTR 22 r ELVTR 22 r LONSC 22 r LATSC 22 r ELVSC 22 r XITR 22 r YITR 22 r XISC 22 r YISC 22 r "
        "DELEV 22 r",
    ),
    "IMRFCA": (
        DPPDB,
        " ".join(f"{name}{number} 22 r" for name in ("XINC", "XIDC", "YINC", "YIDC") for number in range(1, 21)),
    ),
    "J2KLRA": (
        f"{STDI}Y",
        "ORIG 1 d NLEVELS_O 2 d NBANDS_O 5 d NLAYERS_O 3 d ( NLAYERS_O LAYER_ID 3 d BITRATE 9 r ) "
        "[ ORIG=1|3|5|7|9 NLEVELS_I 2 d NBANDS_I 5 d NLAYERS_I 3 d ]",
    ),
    "MATESA": (
        f"{STDI}AK",
        "CUR_SOURCE 42 e CUR_MATE_TYPE 16 e CUR_FILE_ID_LEN 4 d CUR_FILE_ID =CUR_FILE_ID_LEN e NUM_GROUPS 4 d "
        "( NUM_GROUPS RELATIONSHIP 24 e NUM_MATES 4 d ( NUM_MATES SOURCE 42 e MATE_TYPE 16 e MATE_ID_LEN 4 d "
        "MATE_ID =MATE_ID_LEN e ) )",
    ),
    "PIAEQA": (
        PIAE,
        "EQPCODE 7 a EQPNOMEN 45 a EQPMAN 64 a OBTYPE 1 a ORDBAT 3 a CTRYPROD 2 a CTRYDSN 2 a OBJVIEW 6 a",
    ),
    "PIAEVA": (PIAE, "EVENTNAME 38 a EVENTTYPE 8 a"),
    "PIAIMB": (PIAE, PIA),
    "PIAIMC": (PIAE, f"{PIA} MEANGSD 7 a IDATUM 3 a IELLIP 3 a PREPROC 2 a IPROJ 2 a SATTRACK 8 a"),
    "PIAPEA": (PIAE, "LASTNME 28 a FIRSTNME 28 a MIDNME 28 a DOB 6 a ASSOCTRY 2 a"),
    "PIAPEB": (PIAE, "LASTNME 28 a FIRSTNME 28 a MIDNME 28 a DOB 8 a ASSOCTRY 2 a"),
    "PIAPRC": (PIAE, PRODUCT),
    "PIAPRD": (PIAE, PRODUCT),
    "PIATGA": ("an earlier version of STDI-0002", TARGET),
    "PIATGB": (PIAE, f"{TARGET} TGTLAT 10 a TGTLON 11 a"),
    "PIXMTA": (
        f"{STDI}AJ",
        f"{IMAGES} ORIGIN_X 14 r ORIGIN_Y 14 r SCALE_X 14 r SCALE_Y 14 r SAMPLE_MODE 1 a NUMMETRICS 5 d PERBAND 1 a "
        "( NUMMETRICS DESCRIPTION 40 a UNIT 40 e FITTYPE 1 a [ FITTYPE=P NUMCOEF 1 d ( NUMCOEF COEF 15 r ) ] ) "
        f"{RESERVED}",
    ),
    "PIXQLA": (f"{STDI}AA", f"{IMAGES} NPIXQUAL 4 d PQ_BIT_VALUE 1 d ( NPIXQUAL PQ_CONDITION 40 a )"),
    "RPFHDR": (
        RPF,
        "LITTLE_BIG_ENDIAN_INDICATOR 1 x HEADER_SECTION_LENGTH 2 x FILENAME 12 a NEW_REPLACEMENT_UPDATE_INDICATOR 1 x "
        "GOVERNING_STANDARD_NUMBER 15 a GOVERNING_STANDARD_DATE 8 a SECURITY_CLASSIFICATION 1 a "
        "SECURITY_COUNTRY_INTERNATIONAL_CODE 2 a SECURITY_RELEASE_MARKING 2 a LOCATION_SECTION_LOCATION 4 x",
    ),
    "SECURA": (
        f"{STDI}AI",
        "FDATTIM 14 a NITFVER 9 a NFSECFLDS 207 e SECSTD 8 a SECCOMP 8 a SECLEN 5 d "
        "[ SECLEN [ SECCOMP SECURITY =SECLEN x ] [ SECCOMP= SECURITY =SECLEN b ] ]",
    ),
}
"""Tag → where it is published, and its fields."""
