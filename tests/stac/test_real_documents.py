"""Every real document yields items with facts, or says what is missing; nothing else happens."""

import collections
import json
import warnings

import pytest

from stacchip_osml.errors import ChipError
from stacchip_osml.stac import iter_items, source_images
from stacchip_osml.stac.geoparquet import items_to_table, table_to_items

SUFFIXES = {".json", ".geojson", ".ndjson"}


@pytest.fixture(scope="module")
def outcomes(real_documents):
    """(file, items with facts, refusals, items) of each document."""
    rows = []
    for folder in ("stac", "hostile"):
        for path in sorted((real_documents / folder).iterdir()):
            if path.suffix not in SUFFIXES:
                continue
            errors, indexed, items = [], 0, []
            for item in iter_items(path, on_error=errors.append):
                items.append(item)
                try:
                    indexed += bool(source_images(item))
                except ChipError as error:
                    errors.append(error)
            rows.append((path, indexed, errors, items))
    return rows


def test_every_document_is_indexed_or_refused_with_its_name(outcomes):
    counts = collections.Counter()
    for path, indexed, errors, items in outcomes:
        counts["indexed"] += bool(indexed)
        counts["refused"] += bool(errors) and not indexed
        counts["no items"] += not errors and not items
        for error in errors:
            assert str(error).startswith(str(path.parent)), error
    assert sum(counts.values()) == len(outcomes)
    assert counts["indexed"] >= 40


def test_known_documents_are_refused_for_known_reasons(outcomes):
    said = {path.name: " ".join(map(str, errors)) for path, _, errors, _ in outcomes}
    for name, message in {
        "pystac__LC80150322018141LGN00.json": "is a GDAL geotransform",
        "stac-spec__proj-example.json": "contradict proj:bbox",
        "pystac__example-with-version-1.2.json": "proj:code and proj:epsg contradict",
        "stac-validator__CBERS_4_MUX_20181029_177_106_L4.json": "PROJ knows no such CRS: 'EPSG:32763'",
        "rustac__invalid-item.json": "has no id",
        "stacchip__stacchip_test_item.json": "contradict proj:bbox",
        "modis__MCD12Q1.A2001001.h00v08.006.json": "no asset is an image",
        "geotools__landingPage.json": "give search parameters",
        "gdal__stac_item.json": "not JSON",
    }.items():
        if name in said:
            assert message in said[name], (name, said[name])


def test_all_documents_survive_one_table(outcomes):
    documents, seen = [], set()
    for _, _, _, items in outcomes:
        for item in items:
            if (item.collection, item.id) not in seen:
                seen.add((item.collection, item.id))
                documents.append(item.document)
    assert len(documents) > 200
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        back = table_to_items(items_to_table(documents))
    assert json.dumps(back, sort_keys=True) == json.dumps(documents, sort_keys=True)
