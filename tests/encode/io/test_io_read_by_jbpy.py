"""What jbpy finds in NITF datasets: segments, subheaders, TREs."""

import jbpy
import numpy as np
from io_scenes import CORNERS, provider_of, scene

from stacchip_osml.encode import IO, BufferedDataAssetProvider, BufferedTextAssetProvider, imsave


def opened(path):
    found = jbpy.Jbp()
    with path.open("rb") as file:
        found.load(file)
    return found


def tags_of(tres):
    """The first field of a TRE is its tag, however jbpy names it."""
    return [next(iter(tre.values())).value for tre in tres]


def test_segments_have_the_lengths_and_levels_that_the_standard_wants(tmp_path):
    path = tmp_path / "a.ntf"
    metadata = {"IC": "NC", "IMODE": "P", "ISCLAS": "U", "ZZZZZZ": b"12345", "ICHIPB": ichipb()}
    with IO.open(path, "w") as writer:
        writer.metadata = {"FTITLE": "A FILE", "OSTAID": "HERE"}
        writer.add_asset("image:0", provider_of(scene(), metadata=metadata), "Title", "What it shows", ["data"])
        writer.add_asset("image:1", provider_of(scene(1, 50, 40, "int16")))
        writer.add_asset("text:0", BufferedTextAssetProvider.create("text:0", "hello\nyou"), "Note")
        xml = {"DESID": "XML_DATA_CONTENT", "DESVER": "01"}
        writer.add_asset("des:0", BufferedDataAssetProvider.create("des:0", b"<a/>", "application/xml", metadata=xml))

    found = opened(path)
    header = found["FileHeader"]
    assert header["FL"].value == path.stat().st_size
    assert (header["NUMI"].value, header["NUMT"].value, header["NUMDES"].value) == (2, 1, 1)
    assert header["FTITLE"].value == "A FILE"
    first, second = (segment["subheader"] for segment in found["ImageSegments"])
    assert (first["IID2"].value, first["ICOM1"].value) == ("Title", "What it shows")
    assert [each["IDLVL"].value for each in (first, second)] == [1, 2]
    assert (first["IMODE"].value, second["PVTYPE"].value) == ("P", "SI")
    tags = tags_of(first["IXSHD"])
    assert tags == ["ZZZZZZ", "ICHIPB"]
    assert found["TextSegments"][0]["subheader"]["TXTITL"].value == "Note"
    des = found["DataExtensionSegments"][0]
    assert des["subheader"]["DESID"].value == "XML_DATA_CONTENT"
    with path.open("rb") as file:
        file.seek(found["ImageSegments"][0]["Data"].get_offset())
        stored = np.frombuffer(file.read(scene().size), np.uint8)
    assert stored.size == scene().size


def ichipb():
    corners = {
        f"{prefix}_{axis}_{place}": "00000000.500"
        for prefix in ("OP", "FI")
        for axis in ("ROW", "COL")
        for place in ("11", "12", "21", "22")
    }
    head = {"XFRM_FLAG": "00", "SCALE_FACTOR": "0001.00000", "ANAMRPH_CORR": "00", "SCANBLK_NUM": "00"}
    order = [
        *(f"OP_{axis}_{place}" for place in ("11", "12", "21", "22") for axis in ("ROW", "COL")),
        *(f"FI_{axis}_{place}" for place in ("11", "12", "21", "22") for axis in ("ROW", "COL")),
    ]
    return {**head, **{name: corners[name] for name in order}, "FI_ROW": "00000300", "FI_COL": "00000200"}


def test_imsave_says_the_corners_and_the_exact_place(tmp_path):
    imsave(tmp_path / "a.ntf", scene(), corners=CORNERS)
    found = opened(tmp_path / "a.ntf")
    image = found["ImageSegments"][0]["subheader"]
    assert (image["ICORDS"].value, image["IC"].value, image["IREP"].value) == ("G", "C8", "RGB")
    assert image["IGEOLO"].value.startswith("385957N0765956W")
    assert tags_of(image["IXSHD"]) == ["GEOLOB"]
    assert tags_of(found["FileHeader"]["XHD"]) == ["GEOPSB"]


def test_a_comrat_of_the_documented_length_is_written_in_four_characters(tmp_path):
    for text, expected in (("N001.0", "N"), ("V002.0", "V020"), ("00.5", "0050"), ("01.0", "0100")):
        path = tmp_path / "a.ntf"
        with IO.open(path, "w") as writer:
            writer.add_asset("image:0", provider_of(scene(), metadata={"IC": "C8", "COMRAT": text}))
        told = opened(path)["ImageSegments"][0]["subheader"]["COMRAT"].value
        assert len(told) == 4
        assert told.startswith(expected)
