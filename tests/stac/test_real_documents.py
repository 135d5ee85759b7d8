"""Every real document is indexed, or says what is missing; nothing else happens."""

import collections
import json
import re
import warnings

import pytest

from stacchip_osml import Indexer
from stacchip_osml.errors import ItemError, LimitError, ReadError
from stacchip_osml.stac import iter_items
from stacchip_osml.stac.geoparquet import items_to_table, table_to_items

SUFFIXES = {".json", ".geojson", ".ndjson"}
REASONS = {
    "not JSON": r"not JSON",
    "no STAC document": r"not STAC|not a STAC item|neither item, catalog nor list|without a list of features",
    "an API": r"give search parameters|search the API for its items",
    "an incomplete item": r"has no id|no time|must be|expected a time|no such time",
    "no image": r"no asset is an image|no assets",
    "no grid": r"does not state what a chip grid needs|nothing says where|CRS|no coordinate operation",
    "another grid": r"contradict|geotransform|maps the image to|proj:",
    "not reached": r"is refused|no such file|may not be read|no answer|status \d+",
    "a repetition": r"has this id",
    "too much": r"levels deep|the limit is|at most",
}
"""Why a document is refused → what its message says."""


@pytest.fixture(scope="module")
def documents(real_documents):
    folders = (real_documents / "stac", real_documents / "hostile")
    return [path for folder in folders for path in sorted(folder.iterdir()) if path.suffix in SUFFIXES]


@pytest.fixture(scope="module")
def outcomes(documents):
    """(file, indexed items, refusals) of each document; any other end is an error here."""
    rows = []
    for path in documents:
        index = Indexer(path, 256, on_error="skip", read_headers=False).create_index()
        rows.append((path, len(index.items), index.problems))
    return rows


def reason(error):
    return next((name for name, text in REASONS.items() if re.search(text, str(error))), f"other: {error}")


def leads_nowhere(path):
    """Whether a document is a catalog or collection that names no item and no child, or a list of nothing."""
    document = json.loads(path.read_bytes())
    links = [link.get("rel") for link in document.get("links", ())]
    return document.get("features") == [] or ("description" in document and not {"item", "child"} & set(links))


def test_every_document_is_indexed_or_refused_with_its_name_and_a_reason(outcomes):
    ends = collections.Counter()
    for path, indexed, refused in outcomes:
        end = "indexed" if indexed else "refused" if refused else "other"
        ends["leads nowhere" if end == "other" and leads_nowhere(path) else end] += 1
        for error in refused:
            assert isinstance(error, ItemError | LimitError | ReadError)
            assert str(error).startswith(str(path.parent)), error
            ends[reason(error)] += 1
    assert ends["other"] == 0
    assert not [name for name in ends if name.startswith("other:")]
    assert ends["indexed"] >= 40
    assert ends["indexed"] + ends["refused"] + ends["leads nowhere"] == len(outcomes)


def test_known_documents_are_refused_for_known_reasons(outcomes):
    said = {path.name: " ".join(map(str, refused)) for path, _, refused in outcomes}
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


def test_all_documents_survive_one_table(documents):
    known = {}
    for path in documents:
        for item in iter_items(path, on_error=lambda error: None):
            known.setdefault((item.collection, item.id), item.document)
    given = list(known.values())
    assert len(given) > 200
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        back = table_to_items(items_to_table(given))
    assert json.dumps(back, sort_keys=True) == json.dumps(given, sort_keys=True)
