"""TREs laid out by hand, field after field, of tags and cases that no description at hand has."""

import pytest

from stacchip_osml.encode.nitf import Tre, make_tre, tre_fields
from stacchip_osml.errors import DecodeError, EncodeError

LAID_OUT = {
    "ACFTA-154": (
        "MISSION_ID|TAIL_NO   |SENSOR~10|1|000006|19991019|000123|00045|GSP|391342.60N1181730.00W|+04177|"
        "391342.60N1181730.00W|+04178|107.485|0.73819|0.73820|000014|020.001|0002|000",
        {"AC_MSN_ID": "MISSION_ID", "ENTALT": "+04177", "TMAP": "107.485", "PATCH_TOT": "0002"},
    ),
    "ACFTA-132": (
        "MISSION_ID|S|0006|ASR|0002|000|19OCT99|123|00045|1|GS|391342.60N1181730.00W|+04177|391342.60N1181730.00W|"
        "+04178|107.485|1.0|0.73819|0.73820|0014|020.001",
        {"SCTYPE": "S", "PDATE": "19OCT99", "RCS": "1.0", "ABSWVER": "020.001"},
    ),
    "AIMIDA-73": (
        "19991019|GH01|01|001|  |00|000| |001|00001|  |002|00003|US|~4|3914N11817W|2104Z|19991020",
        {"MISSION_NO": "GH01", "END_ROW": "00003", "LOCATION": "3914N11817W", "CREATION_DATE": "19991020"},
    ),
    "AIMIDA-69": (
        "19OCT99|GH01|01|001|AA|00|000| |01|00001|AB|02|00003|US|~4|3914N11817W|2104Z|20OCT99",
        {"START_SEGMENT": "AA", "END_COLUMN": "02", "TIME": "2104Z"},
    ),
    "AIMIDA-89": (
        "19991019210400|GH01|ATO_NUMBER|01|001|AA|00|000| |001|00001|AB|002|00003|US|~4|3914N11817W|~13",
        {"MISSION_ID": "ATO_NUMBER", "CURRENT_SEGMENT": "AA", "COUNTRY": "US"},
    ),
    "BANDSA-118": (
        "0001.00|M|0002.00|M|000150|0002|0.5000.4000.600 0.20000100001.501.0002.0000.50|"
        "0.5500.4000.600 0.20000100001.501.0002.0000.50",
        {
            "COL_SPACING": "0002.00",
            "BANDCOUNT": "0002",
            "BANDPEAK2": "0.550",
            "BANDCALDRK1": "000100",
            "BANDGSD1": "00.50",
        },
    ),
    "EXPLTA-87": (
        "320|+15|GSP|~16|15|16|HH|08960| |1|TARGET______|BE_____________| |01|10|  |  |~5|~8",
        {"SQUINT_ANGLE": "+15", "SLOPE_ANG": "16", "NSAMP": "08960", "N_SEC": "01", "IPR": "10"},
    ),
    "MENSRA-174": (
        "393437.92N1184656.22W|+55712|391342.60N1181730.00W|+04177|+0000.0+0000.00.964970193202L|04480|04444|"
        "-0.648559|+0.761165|+0.000000|-0.761165|-0.648559|+0.000000|+0.000000|+0.000000|-1.000000",
        {"ACFT_ALT": "+55712", "RLMAP": "L", "CCRP_COL": "04444", "C_R_NC": "-0.648559", "C_AL_DC": "-1.000000"},
    ),
    "MENSRA-155": (
        "391342.60N1181730.00W|+04177|+0000.0+0000.00.964970193202L|04480|04444|393437.92N1184656.22W|55712|"
        "-0.6486+0.7612+0.0000|-0.7612-0.6486+0.0000+0.0000+0.0000-1.0000",
        {"CCRP_ALT": "+04177", "ACFT_ALT": "55712", "C_AZ_NC": "-0.7612"},
    ),
    "MTIRPA-72": (
        "01|001|0002|00003|1|12:34:56|+45.0|0.12345|001|391342.60N1181730.00W|+012|034|180|07|T",
        {
            "UTC": "12:34:56",
            "COSGRZ": "0.12345",
            "TGT_LOC1": "391342.60N1181730.00W",
            "TGT_HEADING1": "180",
            "TGT_CAT1": "T",
        },
    ),
    "PATCHA-115": (
        "000100001000888808888088880010896000001      75843.00220.122|9.80665|-0533|-0254|-0002|+00.0000|+00.0001|"
        "205|000.10|0.123456",
        {"UTC": "75843.00", "GRAVITY": "9.80665", "OFFLONG": "+00.0001", "TRACK": "205", "SHEAR": "0.123456"},
    ),
    "PATCHA-74": (
        "000100001000888808888088880010896000001      75843.00220.122|000.10|0.123456",
        {"SHEAD": "220.122", "GSWEEP": "000.10"},
    ),
    "SENSRA-132": (
        "00000001|00000002|MODEL |045|391342.60N1181730.00W|G|012345|f|00123|-01.000|+002.000|+003.000|-04.000|"
        "+005.000|006.0|I|0007.0|k|008.0|+0009|f|0010|0011|012",
        {
            "SENSOR_AGL": "00123",
            "PLATFORM_HDG": "006.0",
            "GROUND_SPD": "0007.0",
            "N_SWATHS": "0011",
            "SPOT_NUM": "012",
        },
    ),
    "CAMSDA-380": (
        "002|001|001|002|01234567-89ab-cdef-0123-456789abcdef|d~80|layer~36|001|000|0000000000|00001024|00002048|"
        "01234567-89ab-cdef-0123-456789abcdef|e~80|layer~36|002|001|0000000001|00000512|00000256",
        {"NUM_CAMERAS_IN_SET1": "002", "CAMERA_DESC1_2": "e", "NCOLS1_1": "00002048", "ILOC1_2": "0000000001"},
    ),
    "MICIDA-58": (
        "01|001|01234567-89ab-cdef-0123-456789abcdef|014|0170:0123-4567",
        {"CAMERA_ID1": "01234567-89ab-cdef-0123-456789abcdef", "CAMERA_CORE_ID1": "0170:0123-4567"},
    ),
    "MIMCSA-121": (
        "layer~36|1.000000E+00 |5.000000E-01 |2.000000E+00 |00|C8|profile~36|LEVEL1",
        {"MAX_FRAME_RATE": "2.000000E+00", "MI_REQ_DECODER": "C8", "MI_REQ_LEVEL": "LEVEL1"},
    ),
    "MTIMFA-138": (
        "layer~36|001|000002|001|01234567-89ab-cdef-0123-456789abcdef|001|20200102030405.123456789|"
        "20200102030405.123456789|003",
        {
            "TIME_INTERVAL_INDEX": "000002",
            "END_TIMESTAMP1_1": "20200102030405.123456789",
            "IMAGE_SEG_INDEX1_1": "003",
        },
    ),
    "MTIMSA-156": (
        "001|00|layer~36|001|01234567-89ab-cdef-0123-456789abcdef|000002|003|1.000000E+00 |000000001|"
        "20200102030405.123456789|\x00\x00\x00\x00\x00\x00\x03\xe8\x02\x00\x00\x00\x03\x00\x00\x00\x02\x00(\x00)",
        {
            "CAMERA_ID": "01234567-89ab-cdef-0123-456789abcdef",
            "DT_MULTIPLIER": "00000000000003e8",
            "DT_SIZE": "02",
            "DT1": "0028",
            "DT2": "0029",
        },
    ),
    "TMINTA-58": (
        "0001|000001|20200102030405.123456789|20200102030405.123456789",
        {"TIME_INTERVAL_INDEX1": "000001", "END_TIMESTAMP1": "20200102030405.123456789"},
    ),
    "EXOPTA-107": (
        "012|001.5| |02047|~7|30.00|-01.50|TARGET______|BE_____________|~5|001|  |0000000|001|000000|~12|+45.0|180.0",
        {"DYNAMIC_RANGE": "02047", "ROLL_ANG": "-01.50", "N_SEG": "001", "SUN_AZ": "180.0"},
    ),
    "PIAEQA-130": (
        "CODE   |NOMENCLATURE~45|MAKER~64|A|AIR|US|CA|TOP   ",
        {"EQPMAN": "MAKER", "OBTYPE": "A", "CTRYDSN": "CA", "OBJVIEW": "TOP"},
    ),
    "PIAEVA-46": (
        "FLOOD~38|NATURAL ",
        {"EVENTNAME": "FLOOD", "EVENTTYPE": "NATURAL"},
    ),
    "PIAPEB-94": (
        "LAST~28|FIRST~28|~28|19700101|US",
        {"DOB": "19700101", "ASSOCTRY": "US"},
    ),
    "PIATGA-96": (
        "UTM~15|ID~15|US|12345|GEO~15|WGE|NAME~38|050",
        {"PIACAT": "12345", "DATUM": "WGE", "TGTNAME": "NAME", "PERCOVER": "050"},
    ),
    "REGPTB-81": (
        "0001|POINT~10|+0000000000.500|-0000000001.500|000000000000100|00000000.50|00000001.50",
        {"PID1": "POINT", "LAT1": "-0000000001.500", "DIY1": "00000001.50"},
    ),
    "RPFHDR-48": (
        "\x00\x000|0BBA0010.I42|\x01|MIL-PRF-89041A |19950315|U|US|  |\x00\x00\x01,",
        {"HEADER_SECTION_LENGTH": "0030", "FILENAME": "0BBA0010.I42", "LOCATION_SECTION_LOCATION": "0000012c"},
    ),
    "SECTGA-28": (
        "TARGET______|BE_____________| ",
        {"SEC_ID": "TARGET______", "SEC_BE": "BE_____________"},
    ),
    # ---- cases that GDAL reads in another way
    "ENGRDA-92": (  # elements of several bytes: as many as there are, each of its size
        "SOURCE~20|002|04|TEMP|0003|0001|R|4|tC|00000003|?\x80\x00\x00@\x00\x00\x00@@\x00\x00|04|NOTE|0005|0001|A|1|"
        "NA|00000005|a\nb c",
        {"ENGDATU1": "tC", "ENGDATA1": "3f8000004000000040400000", "ENGLBL2": "NOTE", "ENGDATA2": "a\nb c"},
    ),
    "CSWRPB-235": (  # coefficients of all powers, from none to the order: 2 x 3 and 1 x 2
        "1|S|00000010000001000000100000010000001000000100000010000001|1201|+1.00000000000000E+00|"
        "+2.00000000000000E+00|+3.00000000000000E+00|+4.00000000000000E+00|+5.00000000000000E+00|"
        "+6.00000000000000E+00|+7.00000000000000E+00|+8.00000000000000E+00|00000",
        {"A1_1_1": "+1.00000000000000E+00", "A1_3_2": "+6.00000000000000E+00", "B1_2_1": "+8.00000000000000E+00"},
    ),
    "CCINFA-54": (  # an explanation that is plain text, and one that is compressed
        "002|2|US|3|09|as:ISO2:1|00006| |<a/>\n |2|CA|3|09|as:ISO2:1|00003|G|\x1f\x8b\x00",
        {"ESURN1": "as:ISO2:1", "DETAIL1": "<a/>\n ", "DETAIL_CMPR2": "G", "DETAIL2": "1f8b00"},
    ),
}
"""Tag and length → its fields, with ``|`` between them, ``~`` and a length after what blanks follow; some by name."""


def laid_out(name):
    text, expected = LAID_OUT[name]
    parts = [part.partition("~") for part in text.split("|")]
    data = "".join(value.ljust(int(length or 0)) for value, _, length in parts).encode("latin-1")
    return Tre(name.split("-")[0], data), int(name.split("-")[1]), expected


@pytest.mark.parametrize("name", LAID_OUT)
def test_fields_stand_where_the_bytes_have_them(name):
    tre, length, expected = laid_out(name)

    assert len(tre.data) == length
    fields = tre_fields(tre)
    assert expected.items() <= fields.items()
    assert make_tre(tre.tag, dict(fields)) == tre


def test_which_of_several_layouts_a_tre_has_its_fields_tell():
    tre, _, _ = laid_out("ACFTA-132")
    fields = dict(tre_fields(tre))

    assert make_tre("ACFTA", fields).data == tre.data
    with pytest.raises(EncodeError, match="ACFTA: AC_TAIL_NO is missing"):
        make_tre("ACFTA", {key: text for key, text in fields.items() if key != "RCS"})
    with pytest.raises(DecodeError, match="ACFTA: ends within"):
        tre_fields(Tre("ACFTA", tre.data[:-1]))


def test_turns_without_fields_take_no_time():
    head = b"99999" + b"X" * 25 + bytes(8) + b"0001.50M" * 4 + b" " * 48
    data = head + (1).to_bytes(4, "big") + b"9900" + b"Xunknown" * 99

    assert tre_fields(Tre("BANDSB", data))["BAPF99"] == "X"
