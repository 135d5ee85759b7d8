"""The layouts of airborne support data, and of what chips of any image need: RPC, BLOCKA, targets, moving targets.

STDI-0002 volume 1, appendix E. Many TREs that end with A are of earlier versions, of which some have several; which one
it is, their lengths tell. How rows are written stands in :mod:`stacchip_osml.encode.nitf.tre_rows`.
"""

from __future__ import annotations

__all__ = ["AIRBORNE_ROWS"]

ASDE = "STDI-0002 volume 1 appendix E"
EARLIER = "an earlier version of STDI-0002"

COEFFICIENTS = " ".join(
    f"{axis}_{part}_COEFF_{number} 12 r"
    for axis in ("LINE", "SAMP")
    for part in ("NUM", "DEN")
    for number in range(1, 21)
)
RPC = (
    "SUCCESS 1 a ERR_BIAS 7 r ERR_RAND 7 r LINE_OFF 6 r SAMP_OFF 5 r LAT_OFF 8 r LONG_OFF 9 r HEIGHT_OFF 5 r "
    f"LINE_SCALE 6 r SAMP_SCALE 5 r LAT_SCALE 8 r LONG_SCALE 9 r HEIGHT_SCALE 5 r {COEFFICIENTS}"
)
MENSURATION = "OF_PC_R 7 a OF_PC_A 7 a COSGRZ 7 a RGCRP 7 a RLMAP 1 a"
PATCH = (
    "PAT_NO 4 a LAST_PAT_FLAG 1 a LNSTRT 7 a LNSTOP 7 a AZL 5 a NVL 5 a FVL 3 a NPIXEL 5 a FVPIX 5 a FRAME 3 a "
    "UTC 8 a SHEAD 7 a"
)
PLATFORM = "GRAVITY 7 a INS_V_NC 5 a INS_V_EC 5 a INS_V_DC 5 a OFFLAT 8 a OFFLONG 8 a TRACK 3 a"


def _vectors(*lengths: int) -> str:
    """Give the unit vectors of range, azimuth and altitude."""
    return " ".join(
        f"C_{of}_{axis}C {length} a" for of, length in zip(("R", "AZ", "AL"), lengths, strict=True) for axis in "NED"
    )


AIRBORNE_ROWS: dict[str, tuple[str, ...]] = {
    "ACFTA": (
        EARLIER,
        "AC_MSN_ID 10 a AC_TAIL_NO 10 a SENSOR_ID 10 a SCENE_SOURCE 1 a SCNUM 6 a PDATE 8 a IMHOSTNO 6 a IMREQID 5 a "
        "MPLAN 3 a ENTLOC 21 a ENTALT 6 a EXITLOC 21 a EXITALT 6 a TMAP 7 a ROW_SPACING 7 a COL_SPACING 7 a "
        "SENSERIAL 6 a ABSWVER 7 a PATCH_TOT 4 a MTI_TOT 3 a",
        "AC_MSN_ID 10 a SCTYPE 1 a SCNUM 4 a SENSOR_ID 3 a PATCH_TOT 4 a MTI_TOT 3 a PDATE 7 a IMHOSTNO 3 a "
        "IMREQID 5 a SCENE_SOURCE 1 a MPLAN 2 a ENTLOC 21 a ENTALT 6 a EXITLOC 21 a EXITALT 6 a TMAP 7 a RCS 3 a "
        "ROW_SPACING 7 a COL_SPACING 7 a SENSERIAL 4 a ABSWVER 7 a",
    ),
    "ACFTB": (
        ASDE,
        "AC_MSN_ID 20 a AC_TAIL_NO 10 a AC_TO 12 a SENSOR_ID_TYPE 4 a SENSOR_ID 6 a SCENE_SOURCE 1 a SCNUM 6 a "
        "PDATE 8 a IMHOSTNO 6 a IMREQID 5 a MPLAN 3 a ENTLOC 25 a LOC_ACCY 6 a ENTELV 6 a ELV_UNIT 1 a "
        "EXITLOC 25 a EXITELV 6 a "
        "TMAP 7 a ROW_SPACING 7 a ROW_SPACING_UNITS 1 a COL_SPACING 7 a COL_SPACING_UNITS 1 a FOCAL_LENGTH 6 a "
        "SENSERIAL 6 a ABSWVER 7 a CAL_DATE 8 a PATCH_TOT 4 a MTI_TOT 3 a",
    ),
    "AIMIDA": (
        EARLIER,
        "MISSION_DATE 8 a MISSION_NO 4 a FLIGHT_NO 2 a OP_NUM 3 a reserved1 2 a REPRO_NUM 2 a REPLAY 3 a reserved2 1 a "
        "START_COLUMN 3 a START_ROW 5 a reserved3 2 a END_COLUMN 3 a END_ROW 5 a COUNTRY 2 a reserved4 4 a "
        "LOCATION 11 a TIME 5 a CREATION_DATE 8 a",
        "MISSION_DATE 7 a MISSION_NO 4 a FLIGHT_NO 2 a OP_NUM 3 a START_SEGMENT 2 a REPRO_NUM 2 a REPLAY 3 a "
        "reserved1 1 a START_COLUMN 2 a START_ROW 5 a END_SEGMENT 2 a END_COLUMN 2 a END_ROW 5 a COUNTRY 2 a "
        "reserved2 4 a LOCATION 11 a TIME 5 a CREATION_DATE 7 a",
        "MISSION_DATE_TIME 14 a MISSION_NO 4 a MISSION_ID 10 a FLIGHT_NO 2 a OP_NUM 3 a CURRENT_SEGMENT 2 a "
        "REPRO_NUM 2 a REPLAY 3 a reserved1 1 a START_COLUMN 3 a START_ROW 5 a END_SEGMENT 2 a END_COLUMN 3 a "
        "END_ROW 5 a COUNTRY 2 a reserved2 4 a LOCATION 11 a reserved3 13 a",
    ),
    "AIMIDB": (
        ASDE,
        "ACQUISITION_DATE 14 a MISSION_NO 4 a MISSION_IDENTIFICATION 10 a FLIGHT_NO 2 a OP_NUM 3 d CURRENT_SEGMENT 2 a "
        "REPRO_NUM 2 d REPLAY 3 a reserved1 1 a START_TILE_COLUMN 3 d START_TILE_ROW 5 d END_SEGMENT 2 a "
        "END_TILE_COLUMN 3 d END_TILE_ROW 5 d COUNTRY 2 a reserved2 4 a LOCATION 11 a reserved3 13 a",
    ),
    "BANDSA": (
        ASDE,
        "ROW_SPACING 7 a ROW_SPACING_UNITS 1 a COL_SPACING 7 a COL_SPACING_UNITS 1 a FOCAL_LENGTH 6 a BANDCOUNT 4 d "
        "( BANDCOUNT BANDPEAK 5 a BANDLBOUND 5 a BANDUBOUND 5 a BANDWIDTH 5 a BANDCALDRK 6 a BANDCALINC 5 a "
        "BANDRESP 5 a BANDASD 5 a BANDGSD 5 a )",
    ),
    "BLOCKA": (
        ASDE,
        "BLOCK_INSTANCE 2 d N_GRAY 5 d L_LINES 5 d LAYOVER_ANGLE 3 d SHADOW_ANGLE 3 d reserved1 16 a "
        "FRLC_LOC 21 a LRLC_LOC 21 a LRFC_LOC 21 a FRFC_LOC 21 a reserved2 5 a",
    ),
    "EXOPTA": (
        ASDE,
        "ANGLE_TO_NORTH 3 a MEAN_GSD 5 a reserved1 1 a DYNAMIC_RANGE 5 a reserved2 7 a OBL_ANG 5 a ROLL_ANG 6 a "
        "PRIME_ID 12 a PRIME_BE 15 a reserved3 5 a N_SEC 3 a reserved4 2 a reserved5 7 a N_SEG 3 a MAX_LP_SEG 6 a "
        "reserved6 12 a SUN_EL 5 a SUN_AZ 5 a",
    ),
    "EXPLTA": (
        EARLIER,
        "ANGLE_TO_NORTH 3 a SQUINT_ANGLE 3 a MODE 3 a reserved1 16 a GRAZE_ANG 2 a SLOPE_ANG 2 a POLAR 2 a NSAMP 5 a "
        "reserved2 1 a SEQ_NUM 1 a PRIME_ID 12 a PRIME_BE 15 a reserved3 1 a N_SEC 2 a IPR 2 a reserved4 2 a "
        "reserved5 2 a reserved6 5 a reserved7 8 a",
    ),
    "EXPLTB": (
        ASDE,
        "ANGLE_TO_NORTH 7 a ANGLE_TO_NORTH_ACCY 6 a SQUINT_ANGLE 7 a SQUINT_ANGLE_ACCY 6 a MODE 3 a reserved1 16 a "
        "GRAZE_ANG 5 a GRAZE_ANG_ACCY 5 a SLOPE_ANG 5 a POLAR 2 a NSAMP 5 a reserved2 1 a SEQ_NUM 1 a PRIME_ID 12 a "
        "PRIME_BE 15 a reserved3 1 a N_SEC 2 a IPR 2 a",
    ),
    "MENSRA": (
        EARLIER,
        f"ACFT_LOC 21 a ACFT_ALT 6 a CCRP_LOC 21 a CCRP_ALT 6 a {MENSURATION} CCRP_ROW 5 a CCRP_COL 5 a "
        + _vectors(9, 9, 9),
        f"CCRP_LOC 21 a CCRP_ALT 6 a {MENSURATION} CCRP_ROW 5 a CCRP_COL 5 a ACFT_LOC 21 a ACFT_ALT 5 a "
        + _vectors(7, 7, 7),
    ),
    "MENSRB": (
        ASDE,
        f"ACFT_LOC 25 a ACFT_LOC_ACCY 6 a ACFT_ALT 6 a RP_LOC 25 a RP_LOC_ACCY 6 a RP_ELV 6 a {MENSURATION} "
        f"RP_ROW 5 a RP_COL 5 a {_vectors(10, 9, 9)} TOTAL_TILES_COLS 3 a TOTAL_TILES_ROWS 5 a",
    ),
    "MSTGTA": (
        ASDE,
        "TGT_NUM 5 d TGT_ID 12 a TGT_BE 15 a TGT_PRI 3 d TGT_REQ 12 a TGT_LTIOV 12 a TGT_TYPE 1 d TGT_COLL 1 d "
        "TGT_CAT 5 d TGT_UTC 7 a TGT_ELEV 6 a TGT_ELEV_UNIT 1 a TGT_LOC 21 a",
    ),
    "MTIRPA": (
        EARLIER,
        "MTI_DP 2 a MTI_PACKET_ID 3 a PATCH_NO 4 a WAMTI_FRAME_NO 5 a WAMTI_BAR_NO 1 a UTC 8 a SQUINT_ANGLE 5 a "
        "COSGRZ 7 a NO_VALID_TARGETS 3 d ( NO_VALID_TARGETS TGT_LOC 21 a TGT_VEL_R 4 a TGT_SPEED 3 a TGT_HEADING 3 a "
        "TGT_AMPLITUDE 2 a TGT_CAT 1 a )",
    ),
    "MTIRPB": (
        ASDE,
        "MTI_DP 2 a MTI_PACKET_ID 3 d PATCH_NO 4 d WAMTI_FRAME_NO 5 a WAMTI_BAR_NO 1 a DATIME 14 a ACFT_LOC 21 a "
        "ACFT_ALT 6 d ACFT_ALT_UNIT 1 a ACFT_HEADING 3 d MTI_LR 1 a SQUINT_ANGLE 6 a COSGRZ 7 a NO_VALID_TARGETS 3 d "
        "( NO_VALID_TARGETS TGT_LOC 23 a TGT_LOC_ACCY 6 a TGT_VEL_R 4 a TGT_SPEED 3 a TGT_HEADING 3 a "
        "TGT_AMPLITUDE 2 a TGT_CAT 1 a )",
    ),
    "PATCHA": (EARLIER, f"{PATCH} {PLATFORM} GSWEEP 6 a SHEAR 8 a", f"{PATCH} GSWEEP 6 a SHEAR 8 a"),
    "PATCHB": (ASDE, f"{PATCH} {PLATFORM} GSWEEP 6 a SHEAR 8 a BATCH_NO 6 a"),
    "RPC00A": (ASDE, RPC),
    "RPC00B": (ASDE, RPC),
    "SECTGA": (ASDE, "SEC_ID 12 a SEC_BE 15 a reserved1 1 a"),
    "STREOB": (
        ASDE,
        "ST_ID 60 a N_MATES 1 d MATE_INSTANCE 1 d B_CONV 5 a E_CONV 5 a B_ASYM 5 a E_ASYM 5 a B_BIE 6 a E_BIE 6 a",
    ),
}
"""Tag → where it is published, and its fields; further ones of another length."""
