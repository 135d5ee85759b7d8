"""Where CADRG and CIB frames lie: on the map that they were cut from, whoever asks."""

import struct

import numpy as np
import pytest
from pyproj import Transformer

from stacchip_osml.errors import ItemError
from stacchip_osml.geometry import load_sensor_model
from stacchip_osml.geometry.locate import AffineLocator
from stacchip_osml.geometry.raster_frames import frame_map
from stacchip_osml.geometry.sensor_facts import SensorFacts
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.pixel import ImageSize

SIZE = ImageSize(1536, 1536)
FRAMES = (
    "nitf/imageio-ext__001zc013.on1",
    "nitf/imaging-nitf__U_3058B.NTF",  # over the antimeridian, with corners of IGEOLO in a wrong order
    "nitf/imaging-nitf__bug3337.ntf",  # about the pole
    "nitf/gdal__00027010.ON9",
)


def frame(corners, *, name=b"00000001.ON1", at=1644, kind=130, place=None):
    """TREs of a frame whose coverage section begins 24 bytes after its locations."""
    header = b"\0" + struct.pack(">H", 48) + name.ljust(12) + b"\0" * 29 + struct.pack(">I", at)
    record = struct.pack(">HII", kind, 96, at + 24 if place is None else place)
    image = struct.pack(">HIHHI", 24, 14, 1, 10, 96) + record + struct.pack(">12d", *corners, *[0.0] * 4)
    return {"RPFIMG": image}, {"RPFHDR": header}


def test_rows_and_columns_are_even_in_degrees():
    tres, file_tres = frame((40.0, 10.0, 39.0, 10.0, 40.0, 12.0, 39.0, 12.0))

    transform, crs = frame_map(tres, file_tres, SIZE)

    assert crs == "EPSG:4326"
    assert transform == (2 / 1536, 0.0, 10.0, 0.0, -1 / 1536, 40.0)


def test_a_frame_over_the_antimeridian_goes_on_eastwards():
    tres, file_tres = frame((40.0, 179.0, 39.0, 179.0, 40.0, -179.5, 39.0, -179.5))

    transform, _ = frame_map(tres, file_tres, SIZE)

    assert transform[0] == pytest.approx(1.5 / 1536, rel=1e-12)


@pytest.mark.parametrize(("letter", "pole"), [(b"9", 90), (b"J", -90)])
def test_frames_about_a_pole_are_even_in_the_projection_from_it(letter, pole):
    to_map = Transformer.from_crs("+proj=longlat +R=6378137", f"+proj=aeqd +lat_0={pole} +R=6378137", always_xy=True)
    left, top, right, bottom = 100_000.0, 900_000.0, 330_400.0, 669_600.0
    points = [(left, top), (left, bottom), (right, top), (right, bottom)]
    corners = [value for x, y in points for value in reversed(to_map.transform(x, y, direction="INVERSE"))]

    transform, crs = frame_map(*frame(corners, name=b"00000001.GN" + letter), SIZE)

    np.testing.assert_allclose(transform, (150.0, 0, left, 0, -150.0, top), atol=1e-6)
    lon, lat = AffineLocator(transform, crs)([768.0], [768.0])
    np.testing.assert_allclose(to_map.transform(lon[0], lat[0]), (215_200.0, 784_800.0), atol=1e-6)


@pytest.mark.parametrize(
    ("tres", "file_tres"),
    [
        ({}, {}),
        ({"RPFIMG": b""}, {"RPFHDR": b""}),
        frame((40.0, 10.0, 39.0, 10.0, 40.0, 12.0, 39.0, 12.0), kind=131),
        frame((40.0, 10.0, 39.0, 10.0, 40.0, 12.0, 39.0, 12.0), place=1),
        frame((40.0, 10.0, 39.0, 10.0, 40.0, 12.0, 39.0, 12.0), place=2**32 - 1),
    ],
)
def test_a_frame_that_does_not_say_its_place_has_none(tres, file_tres):
    assert frame_map(tres, file_tres, SIZE) is None


@pytest.mark.parametrize(
    ("corners", "message"),
    [
        ((140.0, 10.0, 39.0, 10.0, 40.0, 12.0, 39.0, 12.0), "must be latitudes and longitudes"),
        ((float("nan"), 10.0, 39.0, 10.0, 40.0, 12.0, 39.0, 12.0), "must be latitudes and longitudes"),
        ((40.0, 10.0, 40.0, 10.0, 40.0, 12.0, 40.0, 12.0), "place all pixels on a line"),
    ],
)
def test_a_place_that_is_none_is_refused(corners, message):
    with pytest.raises(ItemError, match=f"RPFIMG: the coverage section's corners .*{message}"):
        frame_map(*frame(corners), SIZE)


def test_the_sensor_model_is_the_map_and_not_the_rounded_corners():
    tres, file_tres = frame((40.0, 10.0, 39.0, 10.0, 40.0, 12.0, 39.0, 12.0))
    fields = {"ICORDS": "G", "IGEOLO": "400000N0100000E" * 4}
    facts = SensorFacts(size=SIZE, fields=fields, tres=tuple(tres.items()), file_tres=tuple(file_tres.items()))

    model = load_sensor_model(facts)

    assert (model.kind, model.notes) == ("affine", ("from RPFIMG",))
    np.testing.assert_allclose([each[0] for each in model.image_to_world([768.0], [768.0])[:2]], (11.0, 39.5))


@pytest.mark.parametrize("name", FRAMES)
def test_models_of_real_frames_agree_with_the_map_that_an_index_takes(real_data, name):
    image = BlockImage(str(real_data / name))
    cols, rows = np.array([0.0, 1536.0, 1536.0, 0.0, 700.0]), np.array([0.0, 0.0, 1536.0, 1536.0, 300.0])

    ground = AffineLocator(image.header.transform, image.header.crs)(cols, rows)

    np.testing.assert_allclose(load_sensor_model(image).world_to_image(*ground), (cols, rows), atol=1e-6)
