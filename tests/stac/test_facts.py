"""From an item to the facts of its images."""

import copy
import math
import time

import pytest
from pyproj import CRS

from stacchip_osml.errors import ItemError
from stacchip_osml.imagery.header import BandHeader, GroundControlPoint, ImageHeader
from stacchip_osml.pixel import ImageSize
from stacchip_osml.stac import StacItem, image_assets, source_images

TRANSFORM = (10.0, 0.0, 500000.0, 0.0, -10.0, 5400000.0)
BROKEN_AXES = CRS("EPSG:4326").to_json_dict()
del BROKEN_AXES["coordinate_system"]["axis"][1]["unit"]


def header(**changes):
    facts = {
        "driver": "GTiff",
        "levels": (ImageSize(300, 200),),
        "bands": (BandHeader(dtype="uint16", nodata=0),),
        "block_shape": (256, 256),
        "transform": TRANSFORM,
        "crs": "EPSG:32632",
        "size_bytes": 123,
        "modified_ns": 456,
    }
    return ImageHeader(**(facts | changes))


def images(document, **options):
    return source_images(StacItem(document, "https://host.example/item.json"), **options)


def test_facts_stated_at_the_item_need_no_file(document):
    (image,) = images(document)
    assert image.asset_key == "red"
    assert image.location == "https://host.example/red.tif"
    assert image.href == "./red.tif"
    assert (image.size, image.transform, image.crs) == (ImageSize(300, 200), TRANSFORM, "EPSG:32632")
    assert image.gsd == 10
    (band,) = image.bands
    assert (band.name, band.common_name, band.dtype, band.nodata) == ("B04", "red", "uint16", 0)


def test_facts_stated_at_the_asset_win(document):
    document["assets"]["red"] |= {
        "proj:epsg": 32633,
        "proj:shape": [100, 150],
        "proj:transform": [20.0, 0.0, 500000.0, 0.0, -20.0, 5400000.0, 0, 0, 1],
        "gsd": 20,
    }
    (image,) = images(document)
    assert (image.size, image.crs, image.gsd) == (ImageSize(150, 100), "EPSG:32633", 20)
    assert image.transform == (20.0, 0.0, 500000.0, 0.0, -20.0, 5400000.0)


def test_a_transform_of_another_grid_is_not_inherited(document):
    document["assets"]["red"]["proj:shape"] = [100, 150]
    with pytest.raises(ItemError, match=r"red \(no proj:transform\)"):
        images(document)
    document["properties"]["proj:bbox"] = [500000.0, 5398000.0, 503000.0, 5400000.0]
    (image,) = images(document)
    assert image.transform == (20.0, 0.0, 500000.0, 0.0, -20.0, 5400000.0)


def test_a_grid_of_another_resolution_is_not_inherited(document):
    document["assets"]["red"]["bands"][0]["raster:spatial_resolution"] = 20
    with pytest.raises(ItemError, match=r"red \(no proj:shape and no proj:transform\)"):
        images(document)
    document["assets"]["red"]["bands"][0]["raster:spatial_resolution"] = 11
    assert images(document)[0].size == (300, 200)
    document["properties"] |= {"proj:code": "EPSG:4326", "proj:transform": [1e-4, 0, 9, 0, -1e-4, 48]}
    assert images(document)[0].size == (300, 200)


@pytest.mark.parametrize(
    ("fields", "crs"),
    [
        ({"proj:code": "EPSG:3031"}, "EPSG:3031"),
        ({"proj:code": "IAU_2015:30100"}, "IAU_2015:30100"),
        ({"proj:epsg": 3031}, "EPSG:3031"),
        ({"proj:code": None, "proj:epsg": 3031}, "EPSG:3031"),
        ({"proj:wkt2": CRS("EPSG:3031").to_wkt()}, "EPSG:3031"),
        ({"proj:epsg": None, "proj:projjson": CRS("EPSG:3031").to_json_dict()}, "EPSG:3031"),
        ({"proj:epsg": 3031, "proj:wkt2": CRS("EPSG:3031").to_wkt()}, "EPSG:3031"),
    ],
)
@pytest.mark.parametrize("place", ["item", "asset"])
def test_a_crs_is_read_in_every_spelling(document, fields, crs, place):
    del document["properties"]["proj:code"]
    (document["properties"] if place == "item" else document["assets"]["red"]).update(fields)
    (image,) = images(document)
    assert image.crs == crs


def test_a_crs_without_a_code_is_kept_as_wkt(document):
    custom = CRS("+proj=laea +lat_0=12 +lon_0=34 +ellps=GRS80 +units=m")
    document["assets"]["red"] |= {"proj:code": None, "proj:wkt2": custom.to_wkt()}
    (image,) = images(document)
    assert image.crs is not None
    assert CRS(image.crs) == custom


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"proj:epsg": 32633, "proj:code": "EPSG:32632"}, "proj:code and proj:epsg contradict"),
        ({"proj:code": "EPSG:32632", "proj:wkt2": CRS("EPSG:3857").to_wkt()}, "proj:code and proj:wkt2 contradict"),
        ({"proj:epsg": 99999}, "proj:epsg: PROJ knows no such CRS"),
        ({"proj:epsg": -1}, "proj:epsg must be"),
        ({"proj:code": "/etc/passwd"}, "proj:code must be"),
        ({"proj:code": "+proj=utm +zone=32"}, "proj:code must be"),
        ({"proj:wkt2": "hello"}, "proj:wkt2 must be WKT2"),
        ({"proj:wkt2": "PROJCRS[broken"}, "proj:wkt2: PROJ knows no such CRS"),
        ({"proj:projjson": {}}, "proj:projjson"),
        ({"proj:projjson": "text"}, "proj:projjson must be"),
        ({"proj:shape": [200]}, "proj:shape must be 2 numbers"),
        ({"proj:transform": [1.0, 0.0, 766000.0, 1e30, -1.0, 6732000.0]}, "to a line or a point"),
        ({"proj:transform": [1e200, 1e-9, 0.0, 1e200, 1e-9, 0.0]}, "to a line or a point"),
        ({"proj:transform": [1e200, 0.0, 0.0, 0.0, -1e200, 0.0]}, "to a line or a point"),
        ({"proj:transform": [10.0, 0.0, 5e5, 0.0, -10.0, 1e308]}, "lies too far off"),
        ({"proj:projjson": BROKEN_AXES}, "proj:projjson: PROJ knows no such CRS"),
        ({"proj:shape": [0, 300]}, "proj:shape must be two whole numbers"),
        ({"proj:shape": [2**31, 300]}, "proj:shape must be two whole numbers"),
        ({"proj:shape": [1.5, 300]}, "proj:shape must be two whole numbers"),
        ({"proj:shape": [True, 300]}, "proj:shape must be 2 numbers"),
        ({"proj:shape": [10**400, 300]}, "beyond all floats"),
        ({"proj:transform": [1, 2, 3]}, "proj:transform must be 6 or 9 numbers"),
        ({"proj:transform": [10, 0, math.nan, 0, -10, 0]}, "not finite"),
        ({"proj:transform": [10, 0, 0, 0, -10, 0, 0, 1, 1]}, "not affine"),
        ({"proj:transform": [0, 0, 5, 0, 0, 5]}, "a line or a point"),
        ({"proj:transform": [500000.0, 10.0, 0.0, 5400000.0, 0.0, -10.0]}, "is a GDAL geotransform"),
        ({"proj:bbox": [500000.0, 5398000.0, 503010.0, 5400000.0]}, None),
        ({"proj:bbox": [1, 1, 1, 1]}, "proj:bbox must be minimum x"),
    ],
)
def test_contradictions_and_malformed_facts_are_errors(document, fields, message):
    if message is None:  # a box of one item-wide pixel more is a contradiction only on the same level
        document["properties"].update(fields)
        message = "contradict proj:bbox"
        with pytest.raises(ItemError, match=message):
            images(document)
        return
    document["assets"]["red"].update(fields)
    with pytest.raises(ItemError, match=f"scene-1.*asset 'red': .*{message}"):
        images(document)


def test_a_rotated_gdal_geotransform_is_told_by_the_box(document):
    a, b, c, d, e, f = 8.0, 6.0, 500000.0, 6.0, -8.0, 5400000.0
    xs = [c, c + 300 * a, c + 200 * b, c + 300 * a + 200 * b]
    ys = [f, f + 300 * d, f + 200 * e, f + 300 * d + 200 * e]
    box = [min(xs), min(ys), max(xs), max(ys)]
    document["properties"] |= {"proj:transform": [a, b, c, d, e, f], "proj:bbox": box}
    (image,) = images(document)
    assert image.transform == (a, b, c, d, e, f)
    document["properties"]["proj:transform"] = [c, a, b, f, d, e]
    with pytest.raises(ItemError, match="is a GDAL geotransform"):
        images(document)


def test_a_sheared_affine_without_offset_is_no_geotransform(document):
    document["properties"]["proj:transform"] = [-20.0, 30.0, 0.0, -20.0, 0.0, 30.0]
    assert images(document)[0].transform == (-20.0, 30.0, 0.0, -20.0, 0.0, 30.0)


def test_half_a_pixel_is_the_tolerance_between_box_and_transform(document):
    document["properties"]["proj:bbox"] = [500000.0 - 4.9, 5398000.0, 503000.0, 5400000.0]
    assert images(document)[0].transform == TRANSFORM
    document["properties"]["proj:bbox"][0] = 500000.0 - 5.2
    with pytest.raises(ItemError, match=r"by 0\.52 pixels"):
        images(document)


def test_missing_facts_are_listed_with_their_assets(document):
    for name in ("proj:shape", "proj:transform", "proj:code"):
        del document["properties"][name]
    document["assets"]["nir"] = copy.deepcopy(document["assets"]["red"])
    with pytest.raises(ItemError, match=r"red \(no proj:shape and no proj:transform and no proj:code\), nir \("):
        images(document)


def test_missing_facts_are_read_once_from_the_header(document):
    for name in ("proj:shape", "proj:transform", "proj:code"):
        del document["properties"][name]
    opened = []

    def read(location):
        opened.append(location)
        return header()

    (image,) = images(document, read_header=read)
    assert opened == ["https://host.example/red.tif"]
    assert (image.size, image.transform, image.crs) == (ImageSize(300, 200), TRANSFORM, "EPSG:32632")
    assert (image.size_bytes, image.modified_ns) == (123, 456)
    assert image.bands[0].name == "B04"


def test_no_header_is_read_when_the_item_says_enough(document):
    def read(location):
        raise AssertionError(location)

    assert len(images(document, read_header=read)) == 1


@pytest.mark.parametrize(
    ("missing", "changes", "message"),
    [
        ("proj:code", {"levels": (ImageSize(301, 200),)}, "200 rows and 301 columns"),
        ("proj:shape", {"crs": "EPSG:32633"}, "its CRS is EPSG:32632, but .* has EPSG:32633"),
        ("proj:shape", {"transform": (10.0, 0.0, 500000.02, 0.0, -10.0, 5400000.0)}, "0.002 pixels away"),
        ("proj:shape", {"transform": (10.0, 0.0, 500000.0, 0.0, -10.001, 5400000.0)}, "pixels away"),
    ],
)
def test_an_item_that_contradicts_its_file_is_refused(document, missing, changes, message):
    del document["properties"][missing]
    with pytest.raises(ItemError, match=message):
        images(document, read_header=lambda _: header(**changes))


def test_an_item_agrees_with_a_file_that_spells_its_crs_otherwise(document):
    del document["properties"]["proj:shape"]
    (image,) = images(document, read_header=lambda _: header(crs=CRS("EPSG:32632").to_wkt("WKT1_GDAL")))
    assert image.crs == "EPSG:32632"


def test_images_with_control_points_only_are_in_sensor_geometry(document):
    document["properties"] = {"datetime": "2026-01-01T00:00:00Z", "proj:code": None, "proj:shape": [200, 300]}
    gcps = tuple(GroundControlPoint(row=r, col=c, x=c, y=r, z=0) for r, c in ((0, 0), (0, 300), (200, 0)))
    (image,) = images(document, read_header=lambda _: header(transform=None, crs=None, gcps=gcps, gcps_crs="EPSG:4326"))
    assert (image.transform, image.crs, image.gcps, image.gcps_crs) == (None, None, gcps, "EPSG:4326")


def test_bands_of_older_versions_are_merged(document):
    asset = document["assets"]["red"]
    del asset["bands"]
    asset["raster:bands"] = [
        {"data_type": "int16", "nodata": "nan", "scale": 0.1, "offset": -2},
        {"data_type": "cfloat32", "nodata": "-inf"},
    ]
    asset["eo:bands"] = [{"name": "B1", "common_name": "red"}, {"name": "B2"}]
    one, two = images(document)[0].bands
    assert (one.name, one.common_name, one.dtype, one.scale, one.offset) == ("B1", "red", "int16", 0.1, -2.0)
    assert math.isnan(one.nodata)
    assert (two.name, two.dtype, two.nodata) == ("B2", "complex64", -math.inf)


def test_band_fields_of_the_asset_hold_for_all_its_bands(document):
    document["assets"]["red"] |= {
        "bands": [{"name": "a"}, {}],
        "data_type": "float32",
        "nodata": "nan",
        "raster:scale": 2,
    }
    one, two = images(document)[0].bands
    assert (one.name, two.name, one.dtype, two.dtype, two.scale) == ("a", "b2", "float32", "float32", 2.0)


def test_the_file_decides_how_many_bands_there_are(document):
    del document["properties"]["proj:shape"]
    rgba = tuple(BandHeader(dtype="uint8", color=color) for color in ("red", "green", "blue", "alpha"))
    document["assets"]["red"]["bands"] = [{"name": name} for name in ("R", "G", "B")]
    (image,) = images(document, read_header=lambda _: header(bands=rgba))
    assert [band.name for band in image.bands] == ["R", "G", "B", "alpha"]
    assert {band.dtype for band in image.bands} == {"uint8"}


@pytest.mark.parametrize("bands", ["text", [1, "x"], {"a": 1}])
def test_malformed_bands_are_errors(document, bands):
    document["assets"]["red"]["bands"] = bands
    with pytest.raises(ItemError, match="bands must be a list of objects"):
        images(document)


@pytest.mark.parametrize(
    ("asset", "is_image"),
    [
        ({"type": "image/tiff; application=geotiff"}, True),
        ({"type": "IMAGE/TIFF"}, True),
        ({"type": "image/jp2"}, True),
        ({"type": "application/vnd.nitf"}, True),
        ({"href": "x.NTF"}, True),
        ({"href": "x.tif?sig=1"}, True),
        ({"href": "x.xml"}, False),
        ({"type": "application/json", "href": "x.tif"}, False),
        ({"type": "image/png"}, False),
        ({"type": "image/png", "roles": ["data"]}, True),
        ({"type": "image/tiff", "roles": ["thumbnail"]}, False),
        ({"type": "image/tiff", "roles": ["overview", "visual"]}, False),
        ({"type": "image/tiff", "roles": ["visual"]}, True),
        ({"type": "image/tiff", "roles": ["metadata"]}, False),
        ({"type": "image/tiff", "roles": ["data", "metadata"]}, True),
        ({"type": "application/x-hdf", "href": "x.hdf"}, False),
        ({"type": None, "href": None}, False),
        ({"type": 5, "roles": 7, "href": 3}, False),
    ],
)
def test_which_assets_are_images(document, asset, is_image):
    document["assets"] = {"a": {"href": "https://host/x"} | asset}
    assert image_assets(StacItem(document)) == (("a",) if is_image else ())


def test_an_item_without_images_says_what_it_has(document):
    del document["assets"]["red"]
    with pytest.raises(ItemError, match=r"no asset is an image; it has thumbnail \(image/png\)"):
        images(document)


def test_named_assets_are_taken_whatever_they_are(document):
    assert [image.asset_key for image in images(document, assets=["thumbnail", "red"])] == ["thumbnail", "red"]
    with pytest.raises(ItemError, match="no asset 'blue'; it has 'red', 'thumbnail'"):
        images(document, assets=["red", "blue"])


@pytest.mark.parametrize(
    ("key", "fields", "is_classes"),
    [
        ("scl", {}, True),
        ("SCL-jp2", {}, True),
        ("qa_pixel", {}, True),
        ("Fmask", {}, True),
        ("sur_refl_state_500m", {}, True),
        ("red", {"roles": ["data", "cloud"]}, True),
        ("map", {"classification:classes": [{"value": 1}]}, True),
        ("map", {"bands": [{"classification:bitfields": [{"offset": 0}]}]}, True),
        ("labels", {}, True),
        ("train_label", {}, True),
        ("red", {}, False),
        ("labelled", {}, False),
        ("scale", {}, False),
        ("aqua", {}, False),
    ],
)
def test_class_codes_are_told_from_measurements(document, key, fields, is_classes):
    document["assets"] = {key: document["assets"]["red"] | fields}
    assert images(document)[0].is_classes is is_classes


def test_alternate_hrefs_are_taken_on_request(document):
    document["assets"]["red"]["alternate"] = {"s3": {"href": "s3://bucket/red.tif"}}
    assert images(document)[0].location == "https://host.example/red.tif"
    assert images(document, alternate="s3")[0].location == "s3://bucket/red.tif"
    assert images(document, alternate="gs")[0].location == "https://host.example/red.tif"


def test_the_document_is_not_changed(document):
    before = copy.deepcopy(document)
    images(document)
    assert document == before


def test_twelve_assets_cost_little(document):
    red = document["assets"]["red"]
    own = {name: document["properties"][name] for name in ("proj:shape", "proj:transform")}
    document["assets"] = {f"b{i}": red | own | {"href": f"https://host.example/b{i}.tif"} for i in range(12)}
    item = StacItem(document, "https://host.example/item.json")
    source_images(item)
    started = time.process_time()
    for _ in range(20):
        source_images(item)
    # A bound against accidents (parsing a CRS an asset), far above what it takes.
    assert (time.process_time() - started) / 20 < 0.02
