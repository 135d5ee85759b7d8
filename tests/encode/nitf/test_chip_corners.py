"""IGEOLO, BLOCKA and map TREs of chips: exact text, and what GDAL reads of it."""

import io

import numpy as np
import pytest
import rasterio
from affine import Affine
from chip_sources import RPCS, cut, jbpy_of, scene_pixels, write_parent
from jbpy.extensions.tre.BLOCKA import BLOCKA
from rasterio.io import MemoryFile

from stacchip_osml.encode import ChipFactory
from stacchip_osml.encode.chip import Chip
from stacchip_osml.encode.nitf import encode_nitf, read_nitf
from stacchip_osml.encode.nitf.blocka import blocka_tre
from stacchip_osml.encode.nitf.chip_map import map_tres, move_map
from stacchip_osml.encode.nitf.igeolo import igeolo_text, utm_zone
from stacchip_osml.encode.nitf.rpc_tre import rpc00b_tre
from stacchip_osml.errors import EncodeError
from stacchip_osml.geometry import AffineLocator, RpcLocator, load_sensor_model
from stacchip_osml.geometry.mgrs import from_mgrs
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.pixel import ImageSize, PixelWindow


def map_chip(transform, crs, shape=(1, 300, 400)):
    pixels = scene_pixels(shape)
    return Chip(
        pixels=pixels,
        mask=np.ones(shape, bool),
        window=PixelWindow(0, 0, shape[2], shape[1]),
        transform=transform,
        crs=crs,
    )


@pytest.mark.parametrize(
    ("corner", "text"),
    [
        ((11.5, 48.25), "481500N0113000E"),
        ((-11.5, -48.25), "481500S0113000W"),
        ((179.99999, 89.99999), "900000N1800000E"),
        ((0.016666, -1e-9), "000000S0000100E"),
    ],
)
def test_degrees_minutes_and_seconds_carry(corner, text):
    assert igeolo_text([corner] * 4, "G") == text * 4


def test_decimal_degrees_and_utm_have_their_digits():
    assert igeolo_text([(-7.1234, 3.9)] * 4, "D") == "+03.900-007.123" * 4
    assert igeolo_text([(5000.4, 12.6)] * 4, "S", zone=7) == "070050000000013" * 4
    assert (utm_zone("EPSG:32631"), utm_zone("EPSG:32701")) == (("N", 31), ("S", 1))
    assert utm_zone("EPSG:32661") is utm_zone("EPSG:4326") is utm_zone(None) is None


@pytest.mark.parametrize(
    ("corners", "coordinates", "message"),
    [
        ([(0, 91)] * 4, "G", "not on the Earth"),
        ([(181, 0)] * 4, "D", "not on the Earth"),
        ([(np.inf, 0)] * 4, "G", "four corners with finite coordinates"),
        ([(0, 0)] * 3, "G", "four corners"),
        ([(-5, 0)] * 4, "N", "zone, 6 digits of easting"),
    ],
)
def test_corners_that_igeolo_cannot_say_are_refused(corners, coordinates, message):
    with pytest.raises(EncodeError, match=message):
        igeolo_text(corners, coordinates, zone=1)


def test_blocka_has_the_corners_in_its_own_order_and_keeps_angles():
    corners = [(1.5, 50.25), (2.5, 50.0), (2.25, 49.0), (1.25, 49.125)]
    tre = blocka_tre(corners, rows=77, parent=b"01" + b"0" * 10 + b"123045" + b" " * 105)

    parsed = BLOCKA()
    parsed.load(io.BytesIO(b"BLOCKA00123" + tre.data))

    assert parsed["L_LINES"].value == 77
    assert (parsed["LAYOVER_ANGLE"].value, parsed["SHADOW_ANGLE"].value) == (123, 45)
    assert parsed["FRFC_LOC"].value == "+50.250000+001.500000"
    assert parsed["FRLC_LOC"].value == "+50.000000+002.500000"
    assert parsed["LRLC_LOC"].value == "+49.000000+002.250000"
    assert parsed["LRFC_LOC"].value == "+49.125000+001.250000"
    assert blocka_tre(corners, rows=100_000) is None
    assert blocka_tre([(np.inf, 0)] * 4, rows=5) is None


MAPS = [
    ("EPSG:32631", Affine(10, 0, 500_000, 0, -10, 4_000_000), 1e-6),
    ("EPSG:32733", Affine(0.3, 0, 500_000.25, 0, -0.3, 7_000_000.125), 1e-6),
    ("EPSG:4326", Affine(1 / 3600, 0, -12.5, 0, -1 / 3600, 45), 1e-6),
    ("EPSG:4326", Affine(2.34567e-6, 0, 77.5, 0, -2.34567e-6, -45), 0.05),
    ("+proj=lcc +lat_1=44 +lat_2=49 +lat_0=46 +lon_0=3 +x_0=700000 +datum=WGS84", Affine(5, 0, 6e5, 0, -5, 64e4), 1e-6),
    ("+proj=aea +lat_1=44 +lat_2=49 +lat_0=46 +lon_0=3 +x_0=700000 +datum=WGS84", Affine(5, 0, 6e5, 0, -5, 64e4), 1e-6),
    # What no map TRE can say: corners to a millionth of a degree, 6 cm.
    ("EPSG:32731", Affine(0.3125, 0, 500_000.15625, 0, -0.3125, 4_000_000.5), 0.07),
    ("EPSG:3857", Affine(0.5, 0, 500_000, 0, -0.5, 4_000_000), 0.07),
    ("EPSG:32631", Affine(0.7, 0.2, 500_000, 0.3, -0.8, 4_000_000), 0.07),
]


@pytest.mark.parametrize(("crs", "transform", "metres"), MAPS)
def test_gdal_reads_a_chip_where_it_was(crs, transform, metres):
    chip = map_chip(transform, crs)
    cols, rows = np.array([0, 400, 400, 0, 200.0]), np.array([0, 0, 300, 300, 150.0])
    lon, lat = AffineLocator(tuple(transform[:6]), crs)(cols, rows)

    with MemoryFile(encode_nitf(chip)) as memory, memory.open() as file:
        np.testing.assert_array_equal(file.read(), chip.pixels)
        found = AffineLocator(tuple(file.transform[:6]), file.crs.to_wkt())(cols, rows)

    off = np.hypot((found[0] - lon) * np.cos(np.radians(lat)), found[1] - lat) * 111_320
    assert off.max() < metres


@pytest.mark.parametrize(
    ("crs", "left", "top"),
    [
        ("EPSG:32631", 500_000, 4_000_000),
        ("EPSG:32731", 743_900, 9_999_990),  # each corner in a zone of its own, near the equator
        ("EPSG:32733", 499_990, 8_000_005),
        ("EPSG:32632", 290_000, 6_700_000),  # Norway's zone
        ("EPSG:32633", 400_000, 8_700_000),  # Svalbard's
        ("EPSG:32760", 700_000, 2_200_000),
    ],
)
def test_corners_are_grid_references_where_that_is_asked_for(crs, left, top):
    transform = Affine(10, 0, left, 0, -10, top)
    data = encode_nitf(map_chip(transform, crs), overrides={"ICORDS": "U"})

    assert jbpy_of(data)["ImageSegments"][0]["subheader"]["ICORDS"].value == "U"
    with MemoryFile(data) as memory, memory.open() as file:
        text = file.tags()["NITF_IGEOLO"]
    cols, rows = np.array([0.5, 399.5, 399.5, 0.5]), np.array([0.5, 0.5, 299.5, 299.5])
    lon, lat = AffineLocator(tuple(transform[:6]), crs)(cols, rows)
    for at in range(4):
        zone, x, y = from_mgrs(text[15 * at : 15 * at + 15], what="IGEOLO")
        found = AffineLocator((1, 0, x, 0, 1, y), zone)(0, 0)
        off = np.hypot((found[0] - lon[at]) * np.cos(np.radians(lat[at])), found[1] - lat[at]) * 111_320
        assert off < 0.8


def test_a_place_near_a_pole_has_no_grid_reference():
    chip = map_chip(Affine(100, 0, 0, 0, -100, 500_000), "EPSG:3031")
    with pytest.raises(EncodeError, match=r"no grid reference .*end at latitudes -80 and 84"):
        encode_nitf(chip, overrides={"ICORDS": "U"})


def test_a_chip_that_hangs_over_the_south_pole_lies_where_it_does():
    transform = Affine(0.5, 0, -180, 0, -0.5, 0)

    data = encode_nitf(map_chip(transform, "EPSG:4326"))
    assert not {"IGEOLO", "BLOCKA"} & {name for name, text in read_nitf(data).images[0].fields.items() if text}
    with MemoryFile(data) as memory, memory.open() as file:
        assert (file.transform, file.crs) == (transform, "EPSG:4326")
    assert map_tres("EPSG:4326", Affine(0.5, 0, 0, 0, -0.5, 100), ImageSize(9, 9)) is None  # there is no such origin


def test_the_origin_of_a_chip_is_no_further_than_180_degrees():
    (tre,) = map_tres("EPSG:4326", Affine(0.5, 0, 180.5, 0, -0.5, 0), ImageSize(9, 9)).image
    assert tre.data[18:33] == b"-179.5000000000"
    (tre,) = map_tres("EPSG:4326", Affine(0.5, 0, 180, 0, -0.5, 0), ImageSize(9, 9)).image
    assert tre.data[18:33] == b"+180.0000000000"


@pytest.mark.parametrize(
    ("crs", "transform"),
    [
        ("EPSG:32631", Affine(10, 0, 500_000, 0, 10, 4_000_000)),
        ("EPSG:32631", Affine(10, 1, 500_000, 1, -10, 4_000_000)),
        ("EPSG:2154", Affine(10, 0, 500_000, 0, -10, 6_000_000)),
        ("EPSG:3857", Affine(10, 0, 500_000, 0, -10, 6_000_000)),
        ("EPSG:32631", Affine(0.3125, 0, 500_000, 0, -0.3125, 4_000_000)),
        ("EPSG:4326", Affine(200, 0, 0, 0, -200, 0)),
    ],
)
def test_what_map_tres_cannot_say_exactly_they_do_not_say(crs, transform):
    assert map_tres(crs, transform, ImageSize(256, 256)) is None


@pytest.mark.parametrize(("crs", "transform", "metres"), MAPS[:4])
def test_a_map_tre_moves_with_a_chip(crs, transform, metres):
    size, window = ImageSize(64, 32), (12.0, 20.0, 128.0, 64.0)
    (tre,) = map_tres(crs, transform, ImageSize(400, 300)).image
    part = transform * Affine.translation(12, 20) * Affine.scale(2, 2)

    moved = move_map(tre, window, size)

    assert moved == map_tres(crs, part, size).image[0]
    assert move_map(tre, (0.0, 0.0, 400.0, 300.0), ImageSize(400, 300)) is tre
    assert move_map(type(tre)(tre.tag, b"damaged"), window, size) is None
    assert metres > 0


def test_utm_chips_say_so_and_a_caller_may_have_degrees():
    chip = map_chip(Affine(10, 0, 500_000, 0, -10, 4_000_000), "EPSG:32631")

    fields = read_nitf(encode_nitf(chip)).images[0].fields
    assert fields["ICORDS"] == "N"
    assert fields["IGEOLO"][:15] == "315000053999995"
    degrees = read_nitf(encode_nitf(chip, overrides={"ICORDS": "G"})).images[0].fields
    assert (degrees["ICORDS"], degrees["IGEOLO"][:15]) == ("G", "360841N0030000E")
    assert read_nitf(encode_nitf(chip, overrides={"ICORDS": ""})).images[0].fields["ICORDS"] == ""
    with pytest.raises(EncodeError, match="ICORDS 'S' is UTM on WGS 84"):
        encode_nitf(chip, overrides={"ICORDS": "S"})
    with pytest.raises(EncodeError, match="ICORDS of a chip is G, D, U, N or S, got 'C'"):
        encode_nitf(chip, overrides={"ICORDS": "C"})


def test_a_chip_without_a_place_has_none(tmp_path):
    chip = cut(write_parent(tmp_path / "a.ntf", scene_pixels((1, 40, 50))), (5, 6, 20, 10))

    image = read_nitf(encode_nitf(chip)).images[0]

    assert image.fields["ICORDS"] == ""
    assert [tre.tag for tre in image.tres] == ["ICHIPB"]
    with pytest.raises(EncodeError, match="ICORDS 'G' needs corners"):
        encode_nitf(chip, overrides={"ICORDS": "G"})


@pytest.mark.parametrize(
    "crs",
    ['ENGCRS["site",EDATUM["site"],CS[Cartesian,2],AXIS["x",east],AXIS["y",north],LENGTHUNIT["m",1]]', "ESRI:104905"],
)
def test_a_chip_of_nowhere_on_the_earth_is_written_without_corners(crs):
    chip = Chip(
        pixels=scene_pixels((1, 20, 30)),
        mask=np.ones((1, 20, 30), bool),
        window=PixelWindow(0, 0, 30, 20),
        transform=Affine(1, 0, 10, 0, -1, 20),
        crs=crs,
    )

    image = read_nitf(encode_nitf(chip)).images[0]

    assert (image.fields["ICORDS"].strip(), image.tres) == ("", ())


def test_an_image_whose_polynomials_place_nothing_has_chips_without_any(tmp_path):
    rpcs = {**dict(RPCS), "LINE_SCALE": "0"}
    with rasterio.open(tmp_path / "a.tif", "w", driver="GTiff", width=30, height=20, count=1, dtype="uint8") as file:
        file.write(scene_pixels((1, 20, 30)))
        file.update_tags(ns="RPC", **rpcs)
    source = BlockImage(str(tmp_path / "a.tif"))
    assert dict(source.header.rpcs)["LINE_SCALE"].startswith("0")

    chip = read_nitf(ChipFactory(source, output_format="nitf").create_chip((0, 0, 10, 10)))

    assert chip.images[0].tres == ()


def test_a_parents_corners_never_stay_on_a_chip(tmp_path):
    corners = igeolo_text([(10, 50), (11, 50), (11, 49), (10, 49)], "G")
    parent = write_parent(tmp_path / "a.ntf", scene_pixels((1, 101, 101)), fields={"ICORDS": "G", "IGEOLO": corners})

    placed = read_nitf(encode_nitf(cut(parent, (50, 50, 51, 51)))).images[0].fields
    lost = (
        read_nitf(
            encode_nitf(
                cut(
                    parent,
                    (50, 50, 51, 51),
                    locate=False,
                )
            )
        )
        .images[0]
        .fields
    )

    assert placed["IGEOLO"][:15] == "493000N0103000E"
    assert placed["IGEOLO"][30:45] == "490000N0110000E"
    assert lost["IGEOLO"] != corners


def test_an_rpc_that_places_nothing_is_refused_by_the_scale_that_is_zero():
    rpcs = {**RPCS, "LINE_SCALE": "0"}
    with pytest.raises(EncodeError, match=r"LINE_SCALE .* is zero"):
        rpc00b_tre(rpcs.items(), window=(0, 0, 4, 4), size=ImageSize(4, 4), corners=[(0, 0)] * 4)


def test_polynomials_with_more_digits_than_rpc00b_are_rewritten_for_the_chip():
    window, size = (300.0, 250.0, 200.0, 160.0), ImageSize(100, 80)
    full = RpcLocator(RPCS)
    cols, rows = np.array([300, 500, 500, 300, 401.5]), np.array([250, 250, 410, 410, 333.25])
    lon, lat = full(cols, rows)

    tre = rpc00b_tre(RPCS.items(), window=window, size=size, corners=list(zip(lon[:4], lat[:4], strict=True)))

    assert len(tre.data) == 1041
    chip = RpcLocator(rpc00b_texts(tre.data))
    for height in (300.0, 520.4, 800.0):
        east, north = full.image(lon, lat, height), chip.image(lon, lat, height)
        np.testing.assert_allclose(north[0], (east[0] - 300) / 2, atol=0.005)
        np.testing.assert_allclose(north[1], (east[1] - 250) / 2, atol=0.005)
    with pytest.raises(EncodeError, match="RPC LINE_OFF is 1 finite numbers"):
        rpc00b_tre([], window=window, size=size, corners=[(0, 0)] * 4)


def test_polynomials_of_another_place_than_the_images_map_are_not_rewritten(tmp_path):
    # here at 11.6 E, 48.1 N; the map is elsewhere, and places the image
    for name, crs, transform, tags in (
        ("exact.tif", "EPSG:4326", Affine(0.001, 0, -45, 0, -0.001, -22), {"GEOLOB"}),
        ("other.tif", "EPSG:3857", Affine(10, 0, -5_000_000, 0, -10, -2_500_000), {"BLOCKA", "RPC00B"}),
    ):
        settings = {"driver": "GTiff", "width": 300, "height": 200, "count": 1, "dtype": "uint8"}
        with rasterio.open(tmp_path / name, "w", **settings, crs=crs, transform=transform) as file:
            file.write(scene_pixels((1, 200, 300)))
            file.update_tags(ns="RPC", **RPCS)
        source = BlockImage(str(tmp_path / name))
        chip = read_nitf(ChipFactory(source, output_format="nitf").create_chip((10, 20, 100, 80)))

        assert {tre.tag for tre in chip.images[0].tres} == tags
        lon, lat, _ = load_sensor_model(chip).image_to_world(50, 40)
        found = AffineLocator(tuple(transform[:6]), crs)(60, 60)
        np.testing.assert_allclose((lon, lat), found, atol=1e-6)


def test_corners_of_a_chip_of_a_chip_are_those_of_the_chip(tmp_path):
    full = RpcLocator(RPCS)
    corners = list(zip(*(axis.tolist() for axis in full([0, 400, 400, 0], [0, 0, 300, 300])), strict=True))
    whole = rpc00b_tre(RPCS.items(), window=(0, 0, 400, 300), size=ImageSize(400, 300), corners=corners)
    parent = write_parent(tmp_path / "a.ntf", scene_pixels((1, 300, 400)), tres=(whole,))
    (tmp_path / "b.ntf").write_bytes(encode_nitf(cut(parent, (40, 30, 200, 150), locate=False)))
    # What GDAL says of a chip's polynomials are those of the full image.
    plain = RpcLocator(BlockImage(parent).header.rpcs)

    twice = read_nitf(encode_nitf(cut(str(tmp_path / "b.ntf"), (25, 35, 60, 50), locate=False, locator=plain)))
    once = read_nitf(encode_nitf(cut(parent, (65, 65, 60, 50), locate=False)))

    assert twice.images[0].fields["IGEOLO"] == once.images[0].fields["IGEOLO"]
    assert set(twice.images[0].tres) == set(once.images[0].tres)
    lon, lat = plain([65.5], [65.5])
    (blocka,) = (tre.data for tre in once.images[0].tres if tre.tag == "BLOCKA")
    assert blocka[97:118].decode() == f"{lat[0]:+010.6f}{lon[0]:+011.6f}"


def rpc00b_texts(data):
    """RPC00B by GDAL's names."""
    text, names, at = data.decode(), {}, 15
    widths = (6, 5, 8, 9, 5)
    for group in ("OFF", "SCALE"):
        for name, width in zip(("LINE", "SAMP", "LAT", "LONG", "HEIGHT"), widths, strict=True):
            names[f"{name}_{group}"] = text[at : at + width]
            at += width
    for name in ("LINE_NUM", "LINE_DEN", "SAMP_NUM", "SAMP_DEN"):
        names[f"{name}_COEFF"] = " ".join(text[at + 12 * i : at + 12 * (i + 1)] for i in range(20))
        at += 240
    return names
