"""Chips as items."""

from datetime import UTC, datetime

import pystac
import pytest
from jsonschema import Draft7Validator
from pystac.validation.local_validator import get_local_schema_cache
from referencing import Registry, Resource

from stacchip_osml.errors import ItemError
from stacchip_osml.stac import StacItem, chip_to_item, source_images

DAY = (datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 1, 3, tzinfo=UTC))
CHIP = {
    "chip_id": "c/scene-1/256/0/3-4/raw",
    "collection": "c",
    "geometry": {"type": "Polygon", "coordinates": [[[9, 48], [10, 48], [10, 49], [9, 48]]]},
    "bbox": [9, 48, 10, 49],
    "moment": datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC),
    "properties": {"cloud_fraction": 0.25, "nodata_fraction": None, "level": 0},
    "shape": (256, 256),
    "transform": (10.0, 0.0, 500000.0, 0.0, -10.0, 5400000.0),
    "crs": "EPSG:32632",
    "source_href": "./items/scene-1.json",
}


def errors_of(document):
    resources = [(uri, Resource.from_contents(schema)) for uri, schema in get_local_schema_cache().items()]
    schema = get_local_schema_cache()["https://schemas.stacspec.org/v1.1.0/item-spec/json-schema/item.json"]
    return list(Draft7Validator(schema, registry=Registry().with_resources(resources)).iter_errors(document))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"collection": ""},
        {"geometry": None, "bbox": None, "transform": None, "crs": None},
        {"shape": None, "transform": None, "crs": None},
        {"interval": DAY},
        {"interval": DAY, "moment": None},
        {"assets": {"chip": {"href": "./x.tif", "type": "image/tiff"}}},
    ],
)
def test_chips_are_valid_items(changes):
    document = chip_to_item(**CHIP | changes)
    assert errors_of(document) == []
    pystac.Item.from_dict(document)


def test_the_schema_check_can_fail():
    assert errors_of(chip_to_item(**CHIP) | {"bbox": [1]})


def test_a_chip_says_where_it_comes_from_and_nothing_invented():
    document = chip_to_item(**CHIP)
    assert document["properties"] == {
        "datetime": "2026-01-02T03:04:05.678000Z",
        "cloud_fraction": 0.25,
        "level": 0,
        "proj:shape": [256, 256],
        "proj:transform": [10.0, 0.0, 500000.0, 0.0, -10.0, 5400000.0],
        "proj:code": "EPSG:32632",
    }
    assert document["assets"] == {}
    assert {link["rel"] for link in document["links"]} == {"derived_from", "collection"}


def test_a_chip_of_an_interval_says_it_whether_it_has_a_time_or_not():
    ends = {"start_datetime": "2026-01-02T00:00:00Z", "end_datetime": "2026-01-03T00:00:00Z"}
    assert chip_to_item(**CHIP | {"interval": DAY})["properties"].items() > ends.items()
    assert (
        chip_to_item(**CHIP | {"interval": DAY, "moment": None})["properties"].items()
        > {"datetime": None, **ends}.items()
    )


def test_a_chip_with_a_file_can_be_indexed_again():
    document = chip_to_item(**CHIP | {"assets": {"chip": {"href": "https://host.example/x.tif", "type": "image/tiff"}}})
    (image,) = source_images(StacItem(document))
    assert (image.size, image.crs, image.transform) == ((256, 256), "EPSG:32632", CHIP["transform"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"chip_id": ""}, "needs an id"),
        ({"moment": datetime(2026, 1, 1)}, "has no zone"),
        ({"interval": (DAY[0], datetime(2026, 1, 3))}, "has no zone: 2026-01-03T00:00:00"),
        ({"moment": None}, "neither a time nor an interval"),
        ({"bbox": None}, "come together"),
    ],
)
def test_chips_that_are_no_items_are_refused(changes, message):
    with pytest.raises(ItemError, match=message):
        chip_to_item(**CHIP | changes)
