"""Frames of raster products in NITF 2.0: read as plain images, whose place and markings are as they were."""

import io

import earlier_files as earlier
import numpy as np
import pytest
from nitf_files import jbpy_complaints

from stacchip_osml.encode.nitf import read_nitf, write_nitf
from stacchip_osml.encode.nitf.tre_bytes import iter_tres
from stacchip_osml.geometry import load_sensor_model
from stacchip_osml.geometry.locate import AffineLocator
from stacchip_osml.geometry.raster_frames import frame_map
from stacchip_osml.pixel import ImageSize

PIXELS = np.zeros((1, 64, 32), np.uint8)
CORNERS = (41.0, 10.0, 40.0, 10.0, 41.0, 11.0, 40.0, 11.0)
POLAR = (82.0, 113.0, 82.6, 98.0, 80.2, 108.0, 80.6, 96.0)
POLE = (86.189, -135.0, 86.189, -45.0, 86.189, 135.0, 86.189, 45.0)
IGEOLO = "410000N0100000E410000N0110000E400000N0110000E400000N0100000E"


def frame(corners=CORNERS, *, level="U", marked="U", ic="NC", comrat="", data=None, **options):
    file_tre, image_tre = earlier.frame_tres(corners, level=marked, **options)
    image = earlier.image(
        PIXELS,
        level=level,
        icords="G",
        igeolo=IGEOLO,
        tres=image_tre + earlier.tre("VENDOR", b"kept"),
        ic=ic,
        comrat=comrat,
        data=data,
    )
    more = earlier.extension(earlier.tre("RPFDES", b"\0\0\0\0\0\0\0\0\0\x08"))
    return earlier.file(images=[image], extensions=[more], tres=file_tre + earlier.tre("OTHER", b"kept"), level=level)


def copied(data):
    out = io.BytesIO()
    write_nitf(out, read_nitf(data))
    assert jbpy_complaints(out.getvalue()) == []
    return read_nitf(out.getvalue())


def lines_of(file):
    return file.texts[-1].data.decode("ascii").splitlines()


def test_tables_of_places_in_the_old_file_are_left_out_and_told():
    file = copied(frame())

    assert [tre.tag for tre in file.tres] == ["OTHER", "GEOPSB"]
    assert [tre.tag for tre in file.images[0].tres] == ["VENDOR", "GEOLOB"]
    told = [line.split(" was ")[0] for line in lines_of(file) if "left out" in line]
    assert told[:5] == [
        "file header: RPFHDR",
        *(f"file header: {what} of RPFHDR" for what in ("name", "standard", "date", "classification")),
    ]
    assert told[5:] == ["image 1: RPFIMG", "image 1: RPFDES"]


def test_the_place_is_that_of_the_frames_map_exactly():
    data = frame()
    cols, rows = np.array([0.0, 32.0, 11.5]), np.array([0.0, 64.0, 7.25])

    ground = load_sensor_model(copied(data)).image_to_world(cols, rows)

    np.testing.assert_allclose(ground[0], 10 + cols / 32, atol=1e-9)
    np.testing.assert_allclose(ground[1], 41 - rows / 64, atol=1e-9)
    assert copied(data).images[0].fields["IGEOLO"][:30] == "405932N0100056E405932N0105904E"


def test_the_map_of_a_frame_about_a_pole_is_in_polynomials():
    data = frame(POLAR, name="00000001.ON9")
    size = ImageSize(32, 64)
    file_tre, image_tre = (
        next(iter_tres(tre, where="frame")).data for tre in earlier.frame_tres(POLAR, name="00000001.ON9")
    )
    map_of = AffineLocator(*frame_map({"RPFIMG": image_tre}, {"RPFHDR": file_tre}, size))
    cols, rows = np.array([0.0, 32.0, 11.5]), np.array([0.0, 64.0, 7.25])

    file = copied(data)

    assert [tre.tag for tre in file.images[0].tres] == ["VENDOR", "RPC00B"]
    np.testing.assert_allclose(load_sensor_model(file).world_to_image(*map_of(cols, rows)), (cols, rows), atol=0.01)


def test_a_frame_that_holds_the_pole_has_its_corners_to_a_tenth_of_a_metre():
    file = copied(frame(POLE, name="00000001.ON9"))

    assert [tre.tag for tre in file.images[0].tres] == ["VENDOR", "BLOCKA"]
    assert [tre.tag for tre in file.tres] == ["OTHER"]


def test_a_frame_whose_coverage_is_none_keeps_its_corners():
    file = copied(frame((141.0, *CORNERS[1:])))

    assert file.images[0].fields["IGEOLO"] == IGEOLO
    assert [tre.tag for tre in file.images[0].tres] == ["VENDOR"]


@pytest.mark.parametrize(("level", "marked", "found"), [("U", "S", "S"), ("S", "C", "S"), ("R", "?", "R")])
def test_an_image_is_marked_as_highly_as_its_frame(level, marked, found):
    file = copied(frame(level=level, marked=marked))

    assert (file.images[0].fields["ISCLAS"], file.fields["FSCLAS"]) == (found, found)


def test_vector_quantization_without_tables_is_copied_as_it_is():
    image = earlier.image(PIXELS, ic="C4", comrat="0.75", data=b"a header, tables and codes")

    (found,) = copied(earlier.file(images=[image])).images

    assert (found.fields["IC"], found.fields["COMRAT"]) == ("C4", "0.75")
    assert found.stored.read(found.stored.offset, found.stored.size) == b"a header, tables and codes"


def test_pixels_of_a_frame_in_memory_cannot_be_read_and_say_why():
    file = read_nitf(frame(ic="C4", comrat="0.75", data=b"codes"))

    with pytest.raises(Exception, match="IC=C4: vector quantization") as caught:
        write_nitf(io.BytesIO(), file)
    assert type(caught.value).__module__ == "stacchip_osml.errors"
