"""The layouts of commercial imagery, of the models of its sensors, and of motion imagery.

STDI-0006 (NITF 2.1 Commercial Dataset Requirements Document), STDI-0002 volume 1, appendices D and AF, and volume 2,
appendix M. How rows are written stands in :mod:`stacchip_osml.encode.nitf.tre_rows`.
"""

from __future__ import annotations

__all__ = ["COMMERCIAL_ROWS"]

NCDRD = "STDI-0006"
CSDE = "STDI-0002 volume 1 appendix D"
GLAS = "STDI-0002 volume 2 appendix M"
MIE4NITF = "STDI-0002 volume 1 appendix AF"

CORNERS = ("UL", "UR", "LR", "LL")
FRAMES = (
    "REFERENCE_FRAME_NUM 9 d BASE_TIMESTAMP 24 a DT_MULTIPLIER 8 x DT_SIZE 1 x NUMBER_FRAMES 4 x NUMBER_DT 4 x "
    "( #NUMBER_DT DT =#DT_SIZE x )"
)
"""When frames were taken; numbers are binary."""

COMMERCIAL_ROWS: dict[str, tuple[str, ...]] = {
    "CSCCGA": (
        NCDRD,
        "CCG_SOURCE 18 a REG_SENSOR 6 a ORIGIN_LINE 7 a ORIGIN_SAMPLE 5 a AS_CELL_SIZE 7 a CS_CELL_SIZE 5 a "
        "CCG_MAX_LINE 7 a CCG_MAX_SAMPLE 5 a",
    ),
    "CSCRNA": (
        NCDRD,
        "PREDICT_CORNERS 1 a "
        + " ".join(f"{corner}CNR_LAT 9 r {corner}CNR_LONG 10 r {corner}CNR_HT 8 r" for corner in CORNERS),
    ),
    "CSDIDA": (
        NCDRD,
        "DAY 2 d MONTH 3 a YEAR 4 d PLATFORM_CODE 2 a VEHICLE_ID 2 a PASS 2 a OPERATION 3 a SENSOR_ID 2 a "
        "PRODUCT_ID 2 a RESERVED_0 4 a TIME 14 a PROCESS_TIME 14 a RESERVED_1 2 a RESERVED_2 2 a RESERVED_3 1 a "
        "RESERVED_4 1 a SOFTWARE_VERSION_NUMBER 10 a",
    ),
    "CSEPHA": (
        NCDRD,
        "EPHEM_FLAG 12 a DT_EPHEM 5 a DATE_EPHEM 8 a T0_EPHEM 13 a NUM_EPHEM 3 d "
        "( NUM_EPHEM EPHEM_X 12 a EPHEM_Y 12 a EPHEM_Z 12 a )",
    ),
    "CSEXRA": (
        NCDRD,
        "SENSOR 6 a TIME_FIRST_LINE_IMAGE 12 a TIME_IMAGE_DURATION 12 a MAX_GSD 5 a ALONG_SCAN_GSD 5 a "
        "CROSS_SCAN_GSD 5 a GEO_MEAN_GSD 5 a A_S_VERT_GSD 5 a C_S_VERT_GSD 5 a GEO_MEAN_VERT_GSD 5 a "
        "GSD_BETA_ANGLE 5 a DYNAMIC_RANGE 5 a NUM_LINES 7 a NUM_SAMPLES 5 a ANGLE_TO_NORTH 7 a OBLIQUITY_ANGLE 6 a "
        "AZ_OF_OBLIQUITY 7 a GRD_COVER 1 a SNOW_DEPTH_CAT 1 a SUN_AZIMUTH 7 a SUN_ELEVATION 7 a "
        "PREDICTED_NIIRS 3 a CIRCL_ERR 3 a LINEAR_ERR 3 a",
    ),
    "CSPROA": (NCDRD, " ".join(f"reserved{number} 12 a" for number in range(1, 10)) + " BWC 12 a"),
    "CSSFAA": (
        NCDRD,
        "NUM_BANDS 1 d ( NUM_BANDS BAND_TYPE 1 a BAND_ID 6 a FOC_LENGTH 11 a NUM_DAP 8 a NUM_FIR 8 a DELTA 7 a "
        "OPPOFF_X 7 a OPPOFF_Y 7 a OPPOFF_Z 7 a START_X 11 a START_Y 11 a FINISH_X 11 a FINISH_Y 11 a )",
    ),
    "STDIDC": (
        CSDE,
        "ACQUISITION_DATE 14 a MISSION 14 a PASS 2 a OP_NUM 3 d START_SEGMENT 2 a REPRO_NUM 2 d REPLAY_REGEN 3 a "
        "BLANK_FILL 1 a START_COLUMN 3 d START_ROW 5 d END_SEGMENT 2 a END_COLUMN 3 d END_ROW 5 d COUNTRY 2 a "
        "WAC 4 d LOCATION 11 a reserved1 5 a reserved2 8 a",
    ),
    "USE00A": (
        CSDE,
        "ANGLE_TO_NORTH 3 d MEAN_GSD 5 r reserved1 1 a DYNAMIC_RANGE 5 d reserved2 3 a reserved3 1 a reserved4 3 a "
        "OBL_ANG 5 r ROLL_ANG 6 r reserved5 12 a reserved6 15 a reserved7 4 a reserved8 1 a reserved9 3 a "
        "reserved10 1 a reserved11 1 a N_REF 2 d REV_NUM 5 d N_SEG 3 d MAX_LP_SEG 6 d reserved12 6 a reserved13 6 a "
        "SUN_EL 5 r SUN_AZ 5 r",
    ),
    "CSEXRB": (
        GLAS,
        "IMAGE_UUID 36 a NUM_ASSOC_DES 3 d ( NUM_ASSOC_DES ASSOC_DES_ID 36 a ) PLATFORM_ID 6 a PAYLOAD_ID 6 a "
        "SENSOR_ID 6 a SENSOR_TYPE 1 a GROUND_REF_POINT_X 12 r GROUND_REF_POINT_Y 12 r GROUND_REF_POINT_Z 12 r "
        "[ SENSOR_TYPE=S DAY_FIRST_LINE_IMAGE 8 a TIME_FIRST_LINE_IMAGE 15 r TIME_IMAGE_DURATION 16 r ] "
        f"[ SENSOR_TYPE=F TIME_STAMP_LOC 1 d [ TIME_STAMP_LOC=0 {FRAMES} ] ] "
        "MAX_GSD 12 a ALONG_SCAN_GSD 12 a CROSS_SCAN_GSD 12 a GEO_MEAN_GSD 12 a A_S_VERT_GSD 12 a C_S_VERT_GSD 12 a "
        "GEO_MEAN_VERT_GSD 12 a GSD_BETA_ANGLE 5 a DYNAMIC_RANGE 5 a NUM_LINES 7 d NUM_SAMPLES 5 d ANGLE_TO_NORTH 7 a "
        "OBLIQUITY_ANGLE 6 a AZ_OF_OBLIQUITY 7 a ATM_REFR_FLAG 1 d VEL_ABER_FLAG 1 d GRD_COVER 1 d "
        "SNOW_DEPTH_CATEGORY 1 d SUN_AZIMUTH 7 a SUN_ELEVATION 7 a PREDICTED_NIIRS 3 a CIRCL_ERR 5 a LINEAR_ERR 5 a "
        "CLOUD_COVER 3 a [ SENSOR_TYPE=F ROLLING_SHUTTER_FLAG 1 a ] UE_TIME_FLAG 1 a RESERVED_LEN 5 d "
        "[ RESERVED_LEN RESERVED =RESERVED_LEN b ]",
    ),
    "CSRLSB": (
        GLAS,
        "N_RS_ROW_BLOCKS 2 d M_RS_COLUMN_BLOCKS 2 d ( N_RS_ROW_BLOCKS ( M_RS_COLUMN_BLOCKS RS_DT_1 12 r RS_DT_2 12 r "
        "RS_DT_3 12 r RS_DT_4 12 r ) )",
    ),
    "CSWRPB": (
        GLAS,
        "NUM_SETS_WARP_DATA 1 d SENSOR_TYPE 1 a [ SENSOR_TYPE=F WRP_INTERP 1 d ] ( NUM_SETS_WARP_DATA "
        "[ SENSOR_TYPE=F FL_WARP 11 r ] OFFSET_LINE 7 d OFFSET_SAMP 7 d SCALE_LINE 7 d SCALE_SAMP 7 d "
        "OFFSET_LINE_UNWRP 7 d OFFSET_SAMP_UNWRP 7 d SCALE_LINE_UNWRP 7 d SCALE_SAMP_UNWRP 7 d LINE_POLY_ORDER_M1 1 d "
        "LINE_POLY_ORDER_M2 1 d SAMP_POLY_ORDER_N1 1 d SAMP_POLY_ORDER_N2 1 d "
        "( LINE_POLY_ORDER_M2+1 ( LINE_POLY_ORDER_M1+1 A 21 r ) ) "
        "( SAMP_POLY_ORDER_N2+1 ( SAMP_POLY_ORDER_N1+1 B 21 r ) ) ) "
        "RESERVED_LEN 5 d [ RESERVED_LEN RESERVED =RESERVED_LEN b ]",
    ),
    "CAMSDA": (
        MIE4NITF,
        "NUM_CAMERA_SETS 3 d NUM_CAMERA_SETS_IN_TRE 3 d FIRST_CAMERA_SET_IN_TRE 3 d ( NUM_CAMERA_SETS_IN_TRE "
        "NUM_CAMERAS_IN_SET 3 d ( NUM_CAMERAS_IN_SET CAMERA_ID 36 a CAMERA_DESC 80 a LAYER_ID 36 a IDLVL 3 d IALVL 3 d "
        "ILOC 10 a NROWS 8 d NCOLS 8 d ) )",
    ),
    "MICIDA": (
        MIE4NITF,
        "MIIS_CORE_ID_VERSION 2 d NUM_CAMERA_IDS_IN_TRE 3 d ( NUM_CAMERA_IDS_IN_TRE CAMERA_ID 36 a CORE_ID_LENGTH 3 d "
        "CAMERA_CORE_ID =CORE_ID_LENGTH a )",
    ),
    "MIMCSA": (
        MIE4NITF,
        "LAYER_ID 36 a NOMINAL_FRAME_RATE 13 a MIN_FRAME_RATE 13 a MAX_FRAME_RATE 13 a T_RSET 2 d MI_REQ_DECODER 2 a "
        "MI_REQ_PROFILE 36 a MI_REQ_LEVEL 6 a",
    ),
    "MTIMFA": (
        MIE4NITF,
        "LAYER_ID 36 a CAMERA_SET_INDEX 3 d TIME_INTERVAL_INDEX 6 d NUM_CAMERAS_DEFINED 3 d ( NUM_CAMERAS_DEFINED "
        "CAMERA_ID 36 a NUM_TEMP_BLOCKS 3 d ( NUM_TEMP_BLOCKS START_TIMESTAMP 24 a END_TIMESTAMP 24 a "
        "IMAGE_SEG_INDEX 3 d ) )",
    ),
    "MTIMSA": (
        MIE4NITF,
        "IMAGE_SEG_INDEX 3 d GEOCOORDS_STATIC 2 d LAYER_ID 36 a CAMERA_SET_INDEX 3 d CAMERA_ID 36 a "
        f"TIME_INTERVAL_INDEX 6 d TEMP_BLOCK_INDEX 3 d NOMINAL_FRAME_RATE 13 a {FRAMES}",
    ),
    "TMINTA": (
        MIE4NITF,
        "NUM_TIME_INT 4 d ( NUM_TIME_INT TIME_INTERVAL_INDEX 6 d START_TIMESTAMP 24 a END_TIMESTAMP 24 a )",
    ),
}
"""Tag → where it is published, and its fields."""
