"""Image files as items."""

import numpy as np
import pystac
import pytest
import rasterio
import shapely
from jsonschema import Draft7Validator
from pystac.validation.local_validator import get_local_schema_cache
from rasterio.control import GroundControlPoint as RasterioGcp
from rasterio.transform import Affine
from rasterio.warp import transform_bounds
from referencing import Registry, Resource

from stacchip_osml.errors import ReadError
from stacchip_osml.imagery import read_header
from stacchip_osml.stac import item_from_header, iter_items, source_images
from stacchip_osml.stac.from_image import unique_ids


def save(path, *, size=(40, 30), count=2, tags=None, **profile):
    path.parent.mkdir(parents=True, exist_ok=True)
    defaults = {"driver": "GTiff", "dtype": "uint16", "nodata": 0}
    with rasterio.open(path, "w", width=size[0], height=size[1], count=count, **defaults | profile) as file:
        file.write(np.ones((count, size[1], size[0]), file.dtypes[0]))
        file.update_tags(**(tags or {}))
    return path


pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


@pytest.fixture
def geotiff(tmp_path):
    return save(
        tmp_path / "scene.tif",
        crs="EPSG:32632",
        transform=Affine(10, 0, 500000, 0, -10, 5400000),
        nodata=float("nan"),
        dtype="float32",
    )


def require_valid(document):
    """Judge an item by the specification's own schemas, which pystac carries."""
    resources = [(uri, Resource.from_contents(schema)) for uri, schema in get_local_schema_cache().items()]
    schema = get_local_schema_cache()["https://schemas.stacspec.org/v1.1.0/item-spec/json-schema/item.json"]
    Draft7Validator(schema, registry=Registry().with_resources(resources)).validate(document)
    pystac.Item.from_dict(document)


def test_a_geotiff_becomes_a_valid_item_that_needs_no_second_look(geotiff):
    (item,) = iter_items(geotiff)
    require_valid(item.document)
    (image,) = source_images(item)
    assert item.id == "scene"
    assert image.location == str(geotiff)
    assert (image.size, image.crs) == ((40, 30), "EPSG:32632")
    assert image.transform == (10, 0, 500000, 0, -10, 5400000)
    assert [(band.name, band.dtype) for band in image.bands] == [("b1", "float32"), ("b2", "float32")]
    assert np.isnan(image.bands[0].nodata)
    assert item.assets["image"]["file:size"] == geotiff.stat().st_size
    expected = transform_bounds("EPSG:32632", "EPSG:4326", 500000, 5399700, 500400, 5400000)
    assert item.bbox == pytest.approx(expected, abs=1e-5)
    assert shapely.geometry.shape(item.geometry).contains(shapely.Point(*np.mean([expected[:2], expected[2:]], axis=0)))


def test_facts_of_the_item_agree_with_the_header_read_again(geotiff):
    (item,) = iter_items(geotiff)
    del item.document["assets"]["image"]["proj:shape"]
    (image,) = source_images(item, read_header=read_header)
    assert image.size == (40, 30)


def test_the_time_is_the_files_own_where_it_has_one(geotiff):
    header = read_header(str(geotiff))
    properties = item_from_header(str(geotiff), header)["properties"]
    assert properties["stacchip_osml:datetime_from"] == "file modification time"
    assert pystac.utils.str_to_datetime(properties["datetime"]).timestamp() == pytest.approx(
        geotiff.stat().st_mtime, abs=1e-5
    )
    for text, expected in (
        ("2026:03:04 05:06:07", "2026-03-04T05:06:07Z"),
        ("20260304050607", "2026-03-04T05:06:07Z"),
        ("0000:00:00 00:00:00", None),
        ("--------------", None),
    ):
        own = type(header)(**{name: getattr(header, name) for name in header.__slots__} | {"acquired": text})
        properties = item_from_header(str(geotiff), own)["properties"]
        assert (properties["stacchip_osml:datetime_from"] == "image") == (expected is not None)
        assert expected is None or properties["datetime"] == expected


def test_an_image_without_georeferencing_has_no_place(tmp_path):
    (item,) = iter_items(save(tmp_path / "plain.png", driver="PNG", dtype="uint8", count=3, nodata=None))
    require_valid(item.document)
    assert item.geometry is None
    assert item.bbox is None
    (image,) = source_images(item, read_header=read_header)
    assert (image.transform, image.crs, image.size) == (None, None, (40, 30))


def test_an_image_with_control_points_is_placed_by_them(tmp_path):
    gcps = [RasterioGcp(r, c, 9 + c / 100, 48 - r / 100, 0) for r in (0, 30) for c in (0, 40)]
    path = save(tmp_path / "gcps.tif", gcps=gcps, crs="EPSG:4326")
    (item,) = iter_items(path)
    require_valid(item.document)
    assert item.bbox == pytest.approx((9, 47.7, 9.4, 48), abs=1e-4)
    (image,) = source_images(item, read_header=read_header)
    assert len(image.gcps) == 4
    assert image.gcps_crs == "EPSG:4326"


def test_a_folder_of_images_gives_distinct_ids(tmp_path):
    for name in ("a/x.tif", "b/x.tif", "b/y.tif", "x.tiff"):
        save(tmp_path / name, crs="EPSG:4326", transform=Affine(0.1, 0, 9, 0, -0.1, 48))
    (tmp_path / "notes.json").write_text("{}")
    assert [item.id for item in iter_items(tmp_path)] == ["a-x.tif", "b-x.tif", "y", "x.tiff"]


def test_images_of_one_name_given_one_by_one_get_distinct_ids(tmp_path):
    paths = [save(tmp_path / folder / "x.tif") for folder in "abc"]
    ids = [item.id for item in iter_items([*paths, paths[0]])]
    assert len(ids) == len(set(ids)) == 3
    assert ids[0] == "x"
    assert ids == [item.id for item in iter_items(paths)]


def test_ids_are_unique_whatever_the_paths():
    ids = unique_ids(["a/b-x.tif", "a-b/x.tif", "a/b/x.tif", "a-b-x.tif", "x.png"])
    assert len(set(ids.values())) == 5


def test_what_is_no_image_is_a_typed_error(tmp_path):
    (tmp_path / "bad.tif").write_bytes(b"II*\0 nothing")
    errors = []
    assert list(iter_items(tmp_path, on_error=errors.append)) == []
    assert isinstance(errors[0], ReadError)


def test_an_image_in_a_crs_without_a_place_keeps_its_pixels(tmp_path):
    local = 'LOCAL_CS["site",UNIT["metre",1],AXIS["x",EAST],AXIS["y",NORTH]]'
    (item,) = iter_items(save(tmp_path / "local.tif", crs=local, transform=Affine(1, 0, 0, 0, -1, 0)))
    assert item.geometry is None
    assert "stacchip_osml:unlocated" in item.properties


def test_georeferencing_that_leads_nowhere_is_stated(tmp_path):
    path = save(tmp_path / "far.tif", crs="EPSG:32632", transform=Affine(1e9, 0, 1e12, 0, -1e9, 1e12))
    (item,) = iter_items(path)
    require_valid(item.document)
    assert item.geometry is None
    assert "no place on the ground" in item.properties["stacchip_osml:unlocated"]
    assert source_images(item)[0].crs == "EPSG:32632"
