"""Segments of an image that is cut into several: each has corners of its own, as sarkit's writer gives them."""

import numpy as np
import pytest
import sarkit.sicd
import sarkit.sicd._io
import sarkit.wgs84
from chip_sources import radar_extension, sicd_xml
from lxml import etree
from nitf_files import file_of, image_of, written

from stacchip_osml.encode import IO, imsave
from stacchip_osml.encode.nitf import Tre, pixels, read_nitf
from stacchip_osml.encode.nitf.blocka import blocka_tre
from stacchip_osml.encode.nitf.igeolo import igeolo_text
from stacchip_osml.encode.nitf.segment_places import segment_place, segment_tres
from stacchip_osml.geometry import load_sensor_model
from stacchip_osml.geometry.igeolo import parse_igeolo
from stacchip_osml.geometry.tre_models import blocka_model
from stacchip_osml.pixel import ImageSize

ROWS, COLS, MOST = 50, 40, 20


@pytest.fixture
def small_segments(monkeypatch):
    """Segments of at most 20 rows, of any image."""
    prepared = pixels.prepare_image
    monkeypatch.setattr(pixels, "prepare_image", lambda image: prepared(image, segment_rows=MOST))


def sarkit_segments(corners, monkeypatch):
    """Rows, ILOC rows and IGEOLO of a SICD's segments, as sarkit's writer reckons them.

    It gives radians to what takes degrees: its edges are lines in degrees, of usual scenes no second apart.
    """
    icps = "".join(
        f'<ICP index="{name}"><Lat>{lat!r}</Lat><Lon>{lon!r}</Lon></ICP>'
        for name, (lon, lat) in zip(("1:FRFC", "2:FRLC", "3:LRLC", "4:LRFC"), corners, strict=True)
    )
    xml = (
        f'<SICD xmlns="urn:SICD:1.2.1"><ImageData><PixelType>RE16I_IM16I</PixelType><NumRows>{ROWS}</NumRows>'
        f"<NumCols>{COLS}</NumCols></ImageData><GeoData><ImageCorners>{icps}</ImageCorners></GeoData></SICD>"
    )
    monkeypatch.setattr(sarkit.sicd._io.sicdconst, "IS_SIZE_MAX", MOST * COLS * 4)
    tree = etree.ElementTree(etree.fromstring(xml))
    _, found = sarkit.sicd._io.image_segment_sizing_calculations(tree)
    return [(each.nrows, each.iloc_rows, each.igeolo) for each in found]


@pytest.mark.parametrize(
    "corners",
    [
        [(10.0, 50.0), (10.05, 50.01), (10.05, 49.98), (10.01, 49.97)],
        [(-0.01, 0.01), (0.01, 0.01), (0.01, -0.01), (-0.01, -0.01)],
        [(179.95, -60.0), (-179.95, -60.05), (-179.9, -60.2), (180.0, -60.15)],
    ],
)
def test_segments_of_a_sicd_have_the_corners_that_sarkit_gives_them(small_segments, monkeypatch, corners):
    sicd = {"IREP": "NODISPLY", "ICAT": "SAR", "PVTYPE": "SI", "ISUBCAT1": "I", "ISUBCAT2": "Q"}
    place = {"ICORDS": "G", "IGEOLO": igeolo_text(corners, "G")}
    images = read_nitf(written(file_of(image_of((2, ROWS, COLS), "int16", IID1="SICD000", **sicd, **place)))).images

    found = [(int(image.fields["NROWS"]), int(image.fields["ILOC"][:5]), image.fields["IGEOLO"]) for image in images]
    assert found == sarkit_segments(corners, monkeypatch)
    assert [image.fields["IID1"] for image in images] == ["SICD001", "SICD002", "SICD003"]


@pytest.mark.parametrize(
    "corners",
    [
        [(10.0, 50.0), (11.0, 50.25), (11.25, 47.0), (10.5, 46.5)],
        [(-170.0, 88.0), (-80.0, 88.5), (10.0, 88.0), (100.0, 88.5)],  # around the pole
    ],
)
def test_edges_of_a_large_sicd_are_lines_through_the_earth(corners):
    place = {"ICORDS": "G", "IGEOLO": igeolo_text(corners, "G")}
    upper_left, upper_right, lower_right, lower_left = (
        sarkit.wgs84.geodetic_to_cartesian([lat, lon, 0.0]) for lon, lat in corners
    )
    for first, rows, last in ((0, 20, 20), (20, 20, 40), (40, 10, 49)):
        edges = [
            begin + row / (ROWS - 1) * (end - begin)
            for row, begin, end in (
                *((first, upper_left, lower_left), (first, upper_right, lower_right)),
                *((last, upper_right, lower_right), (last, upper_left, lower_left)),
            )
        ]
        places = sarkit.wgs84.cartesian_to_geodetic(edges)
        expected = igeolo_text([(float(lon), float(lat)) for lat, lon, _ in places], "G")
        assert segment_place(place, first=first, rows=rows, of=ROWS, is_radar=True)["IGEOLO"] == expected


def test_a_cut_sicd_is_placed_as_the_whole_of_it(small_segments, monkeypatch, tmp_path):
    sicd = {"IREP": "NODISPLY", "ICAT": "SAR", "PVTYPE": "R", "ISUBCAT1": "I", "ISUBCAT2": "Q", "IID1": "SICD000"}
    corners = [(-0.01, 0.01), (0.01, 0.01), (0.01, -0.01), (-0.01, -0.01)]
    image = image_of((2, ROWS, COLS), "float32", **sicd, ICORDS="G", IGEOLO=igeolo_text(corners, "G"))
    file = file_of(image, extensions=(radar_extension(sicd_xml(ROWS, COLS), "SICD"),))
    (tmp_path / "parts.ntf").write_bytes(written(file))
    monkeypatch.undo()
    (tmp_path / "whole.ntf").write_bytes(written(file))

    whole = load_sensor_model(str(tmp_path / "whole.ntf"))
    cols, rows = np.array([0.0, 3.5, COLS]), np.array([0.0, 7.25, 10.0])
    for key, below in (("image:0", 0), ("image:1", 20), ("image:2", 40)):
        part = load_sensor_model(str(tmp_path / "parts.ntf"), key)
        assert part.kind == "SICD"
        np.testing.assert_allclose(
            part.image_to_world(cols, rows), whole.image_to_world(cols, rows + below), rtol=0, atol=1e-9
        )


@pytest.mark.parametrize(
    ("transform", "crs", "near"),
    [
        ((30.0, 0.0, 500_000.0, 0.0, -30.0, 5_400_000.0), "EPSG:32632", 1e-5),
        ((30.0, 12.0, 500_000.0, 9.0, -30.0, 6_400_000.0), "EPSG:32733", 2e-6),
        ((0.25, 0.0, 8.0, 0.0, -0.5, 60.0), "EPSG:4326", 1 / 3600),
        ((0.02, 0.0, 179.6, 0.0, -0.02, 10.0), "EPSG:4326", 1 / 3600),
    ],
)
def test_every_segment_of_another_image_lies_where_its_rows_do(small_segments, tmp_path, transform, crs, near):
    array = np.zeros((1, ROWS, COLS), np.uint8)
    imsave(tmp_path / "parts.ntf", array, compression="none", transform=transform, crs=crs)
    imsave(tmp_path / "whole.tif", array, transform=transform, crs=crs)

    whole = load_sensor_model(str(tmp_path / "whole.tif"))
    cols, rows = np.array([0.5, 20.0, 39.5]), np.array([0.5, 5.0, 9.5])
    with IO.open(tmp_path / "parts.ntf") as dataset:
        assert [dataset.get_asset(key).num_rows for key in dataset.get_asset_keys()] == [20, 20, 10]
        for number in range(3):
            expected = whole.image_to_world(cols, rows + MOST * number)
            found = load_sensor_model(dataset, f"image:{number}").image_to_world(cols, rows)
            apart = (np.array(found)[:2] - np.array(expected)[:2] + 180.0) % 360.0 - 180.0
            assert np.abs(apart).max() < near


def test_tres_are_those_of_the_first_segment_and_blocka_is_of_each():
    corners = [(10.0, 50.0), (11.0, 50.25), (11.25, 47.0), (10.5, 46.5)]
    whole, part = blocka_tre(corners, rows=ROWS), blocka_tre(corners, rows=ROWS - 1)
    size, other = ImageSize(COLS, ROWS), Tre("OTHER", b"1")
    first = segment_tres((other, whole, part), first=0, rows=20, size=size)
    last = segment_tres((other, whole, part), first=40, rows=10, size=size)

    assert (first[0], first[2], len(first), len(last)) == (other, part, 3, 1)
    upper, lower = (blocka_model(tre.data, ImageSize(COLS, rows)) for tre, rows in ((first[1], 20), (last[0], 10)))
    at = np.array([0.5, COLS - 0.5]), np.array([0.5, 9.5])
    np.testing.assert_allclose(upper.image_to_world(at[0], at[1] * 0 + 0.5)[0], [10.0, 11.0], rtol=0, atol=1e-6)
    np.testing.assert_allclose(lower.image_to_world(at[0], at[1] * 0 + 9.5)[1], [46.5, 47.0], rtol=0, atol=1e-6)
    assert segment_tres((Tre("BLOCKA", b"?"),), first=0, rows=20, size=size) == (Tre("BLOCKA", b"?"),)


def test_corners_that_cannot_be_read_and_none_stay_as_they_are():
    for fields in ({}, {"ICORDS": "G", "IGEOLO": "?" * 60}, {"ICORDS": " "}):
        assert segment_place(fields, first=20, rows=20, of=50) == {}


def test_corners_of_a_grid_reference_become_those_of_its_zone():
    place = {"ICORDS": "U", "IGEOLO": "".join(f"32UNV{east:05d}{north:05d}" for east, north in CORNERS)}
    crs, whole = parse_igeolo(place["ICORDS"], place["IGEOLO"])
    found = segment_place(place, first=20, rows=11, of=51)

    assert (found["ICORDS"], crs) == ("N", "EPSG:32632")
    (left, top), _, (_, bottom), _ = parse_igeolo(found["ICORDS"], found["IGEOLO"])[1]
    assert (left, top - bottom) == (whole[0][0], 200)
    assert top == whole[0][1] - 400


CORNERS = ((0, 5000), (900, 5000), (900, 4000), (0, 4000))
