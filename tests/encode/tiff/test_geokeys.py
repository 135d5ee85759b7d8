import pyproj
import pytest
import rasterio
from affine import Affine
from rasterio.io import MemoryFile

from stacchip_osml.encode import encode_chip
from stacchip_osml.errors import EncodeError
from tests.encode.encode_chips import NORTH_UP, chip_of

CODES = [
    4326,
    4258,
    4979,
    8254,
    4807,
    32633,
    32733,
    3857,
    2263,
    5070,
    27700,
    2154,
    3035,
    3031,
    3995,
    32661,
    6933,
    27572,
    2056,
    3408,
]
WITHOUT_CODE = [
    "ESRI:102001",
    "ESRI:102003",
    "ESRI:54008",
    "ESRI:54009",
    "ESRI:54030",
    "+proj=aea +lat_1=29.5 +lat_2=45.5 +lat_0=23 +lon_0=-96 +x_0=10 +y_0=20 +datum=NAD83",
    "+proj=sinu +R=6371007.181",
    "+proj=aeqd +lat_0=40 +lon_0=-100 +datum=WGS84",
    "+proj=stere +lat_0=40 +lon_0=-100 +k=.9 +x_0=3 +datum=WGS84",
    "+proj=stere +lat_0=90 +lat_ts=70 +lon_0=-45 +ellps=clrk66",
    "+proj=stere +lat_0=-90 +k=0.97 +lon_0=-45 +ellps=GRS80",
    "+proj=sterea +lat_0=52 +lon_0=5 +k=.9999 +ellps=bessel",
    "+proj=eqc +lat_ts=30 +lat_0=10 +datum=WGS84",
    "+proj=cea +lat_ts=30 +datum=WGS84",
    "+proj=merc +lat_ts=10 +datum=WGS84",
    "+proj=merc +k=.99 +lon_0=12 +ellps=clrk66",
    "+proj=robin",
    "+proj=ortho +lat_0=10",
    "+proj=poly +lat_0=10",
    "+proj=laea +lat_0=52 +lon_0=10 +x_0=1 +y_0=2 +ellps=GRS80",
    "+proj=laea +lat_0=52 +lon_0=10 +R=6370000",
    "+proj=lcc +lat_1=33 +lat_2=45 +lat_0=39 +lon_0=-96 +x_0=1000 +y_0=2000 +datum=NAD83 +units=us-ft",
    "+proj=lcc +lat_1=33 +lat_0=33 +k_0=.999 +datum=WGS84",
    "+proj=tmerc +lat_0=1 +lon_0=9.1 +k=0.9996 +x_0=500000 +datum=WGS84 +units=ft",
    "+proj=tmerc +lon_0=9 +datum=WGS84 +x_0=7 +to_meter=2.5",
    "+proj=tmerc +lon_0=9 +ellps=bessel +towgs84=1,2,3",
    "+proj=tmerc +lon_0=9 +ellps=bessel +towgs84=1,2,3,.1,.2,.3,4",
    "+proj=cass +lat_0=10 +lon_0=-61 +ellps=clrk66",
    "+proj=omerc +lat_0=45 +lonc=-86 +alpha=337 +gamma=337 +k=0.9996 +x_0=10 +datum=NAD83",
    "+proj=omerc +no_uoff +lat_0=45 +lonc=-86 +alpha=337 +gamma=337 +k=0.9996 +datum=NAD83",
    "+proj=moll +lon_0=10",
    "+proj=eck4",
    "+proj=gnom +lat_0=90",
    "+proj=eqearth",
    "+proj=geos +h=35785831 +lon_0=0",
    "+proj=utm +zone=25 +south +ellps=GRS80 +towgs84=0,0,0",
    "+proj=longlat +R=1737400",
    "+proj=longlat +a=6378000 +rf=299",
    "+proj=longlat +ellps=bessel +towgs84=1,2,3",
]


def crs_read_back(crs):
    data = encode_chip(chip_of("uint8", (1, 16, 16), transform=NORTH_UP, crs=crs), "geotiff")
    with MemoryFile(data) as memory, memory.open() as dataset:
        assert dataset.transform == NORTH_UP
        return dataset.crs


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("as_wkt", [False, True])
def test_an_epsg_crs_is_written_as_its_code(code, as_wkt):
    text = pyproj.CRS.from_epsg(code).to_wkt() if as_wkt else f"EPSG:{code}"
    assert crs_read_back(text).to_epsg() == code


@pytest.mark.parametrize("text", WITHOUT_CODE)
@pytest.mark.parametrize("as_wkt", [False, True])
def test_a_crs_without_code_reads_back_as_the_same_crs(text, as_wkt):
    want = pyproj.CRS.from_user_input(text)
    got = crs_read_back(want.to_wkt() if as_wkt else text)
    assert pyproj.CRS.from_wkt(got.to_wkt()).equals(want, ignore_axis_order=True)
    if not want.is_geographic:  # rasterio also compares the axes' order, which GeoTIFF does not hold
        assert got == rasterio.crs.CRS.from_user_input(text)


def test_an_unknown_datum_is_not_given_the_name_of_a_known_one():
    got = crs_read_back("+proj=utm +zone=25 +south +ellps=GRS80")
    assert got.to_epsg(confidence_threshold=90) is None
    assert "SIRGAS" not in got.to_wkt()


def test_a_vertical_crs_is_kept():
    assert crs_read_back("EPSG:32633+5773") == rasterio.crs.CRS.from_user_input("EPSG:32633+5773")


@pytest.mark.parametrize(
    ("crs", "message"),
    [
        ("+proj=geos +h=35785831 +lon_0=-75 +sweep=x +ellps=GRS80", "neither GeoTIFF keys nor ESRI's WKT"),
        ("+proj=aeqd +guam +lat_0=10", "neither GeoTIFF keys nor ESRI's WKT"),
        ("+proj=tmerc +lon_0=9 +ellps=bessel +nadgrids=@null", "bound by something else|neither"),
        ("EPSG:4978", "neither a projected nor a geographic CRS"),
        ("+proj=ob_tran +o_proj=longlat +o_lon_p=-162 +o_lat_p=39 +lon_0=180", "nor a geographic CRS of its own"),
        ("IAU_2015:49901", "axes do not point east and north"),
        ("+proj=tmerc +lon_0=21 +axis=wsu", "axes do not point east and north"),
        ("no such crs", "not readable: 'no such crs'"),
    ],
)
def test_a_crs_that_cannot_be_said_exactly_is_refused(crs, message):
    with pytest.raises(EncodeError, match=message):
        encode_chip(chip_of(transform=Affine.identity(), crs=crs), "geotiff")


def test_an_angle_in_grads_is_never_written_as_degrees():
    text = pyproj.CRS.from_user_input("+proj=tmerc +lon_0=9 +ellps=bessel +pm=paris").to_wkt()
    with pytest.raises(EncodeError, match="not in degrees"):
        encode_chip(chip_of(crs=text), "geotiff")


@pytest.mark.parametrize("format_name", ["geotiff", "jp2", "jph"])
@pytest.mark.parametrize("crs", ["EPSG:4978", "+proj=geos +h=35785831 +lon_0=-75 +sweep=x +ellps=GRS80", "no such crs"])
def test_a_crs_that_cannot_be_said_is_lost_where_the_caller_says_so_and_nothing_else(crs, format_name):
    chip = chip_of(transform=NORTH_UP, crs=crs)
    with pytest.raises(EncodeError, match=r"drop_crs= \(--drop-crs\)|not readable"):
        encode_chip(chip, format_name)

    with MemoryFile(encode_chip(chip, format_name, drop_crs=True)) as file, file.open() as image:
        assert image.crs is None
        assert image.transform.almost_equals(NORTH_UP)
        assert (image.read() == chip.pixels).all()


@pytest.mark.parametrize("format_name", ["geotiff", "jp2"])
def test_a_crs_that_can_be_said_is_kept_whatever_may_be_lost(format_name):
    chip = chip_of(transform=NORTH_UP, crs="EPSG:32633")
    assert encode_chip(chip, format_name, drop_crs=True) == encode_chip(chip, format_name)


@pytest.mark.parametrize("code", [-129, 102001, 70000000])
def test_a_code_that_no_key_holds_is_none_of_epsgs(code):
    told = pyproj.CRS("+proj=laea +lat_0=10 +lon_0=20 +ellps=GRS80").to_json_dict()
    told["base_crs"]["datum"]["id"] = {"authority": "EPSG", "code": code}
    crs = pyproj.CRS.from_json_dict(told)

    data = encode_chip(chip_of("uint8", transform=NORTH_UP, crs=crs.to_wkt()), "geotiff")
    with MemoryFile(data) as memory, memory.open() as image:
        assert pyproj.CRS.from_wkt(image.crs.to_wkt()).coordinate_operation == crs.coordinate_operation
        assert image.crs.to_dict()["proj"] == "laea"
