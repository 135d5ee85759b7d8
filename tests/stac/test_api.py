"""A STAC API, spoken to over HTTP."""

import copy

import pytest

from stacchip_osml.errors import AssetMissing, ItemError, RemoteReadError
from stacchip_osml.stac import FetchLimits, iter_items, search_api

QUICK = FetchLimits(connect_s=1, idle_s=1, total_s=5, attempts=2, backoff_s=0.01)
CORE = "https://api.stacspec.org/v1.0.0/core"
SEARCH = "https://api.stacspec.org/v1.0.0/item-search"


@pytest.fixture
def api(serve, document):
    """Five items in pages of two; the third is broken."""
    items = [copy.deepcopy(document) | {"id": f"scene-{i}", "collection": "c"} for i in range(5)]
    items[2]["properties"]["datetime"] = "never"
    answers = {}
    server = serve(answers)
    server.bodies = []

    def search(path, body):
        server.bodies.append(body)
        start = int(body.get("token") or 0)
        page = {"type": "FeatureCollection", "features": items[start : start + 2], "links": []}
        if start + 2 < len(items):
            next_body = {**body, "token": str(start + 2)}
            href = f"{server.url}/search"
            page["links"] = [
                {"rel": "next", "href": href, "method": "POST", "body": next_body, "type": "application/geo+json"}
            ]
        return page

    answers["/"] = {
        "type": "Catalog",
        "stac_version": "1.0.0",
        "id": "api",
        "description": "x",
        "conformsTo": [CORE, SEARCH],
        "links": [
            {"rel": "root", "href": f"{server.url}/", "type": "application/json"},
            {"rel": "self", "href": f"{server.url}/", "type": "application/json"},
            {"rel": "search", "href": f"{server.url}/search", "type": "application/geo+json", "method": "POST"},
        ],
    }
    answers["/search"] = search
    answers["/plain.json"] = {"hello": 1}
    return server


def test_a_search_goes_through_all_pages_and_counts_bad_items(api):
    errors = []
    found = iter_items(api.url, search={"collections": ["c"], "limit": 2}, on_error=errors.append, limits=QUICK)
    assert [item.id for item in found] == ["scene-0", "scene-1", "scene-3", "scene-4"]
    assert len(errors) == 1
    assert api.asked.count("/search") == 3
    assert api.bodies[0]["collections"] == ["c"]


def test_a_search_stops_where_it_is_told_to(api):
    assert len(list(search_api(api.url, max_items=1, limits=QUICK))) == 1
    assert api.asked.count("/search") == 1
    with pytest.raises(ItemError, match="datetime: expected a time"):
        list(search_api(api.url, limits=QUICK))


def test_pages_are_fetched_when_they_are_reached(api):
    next(iter_items(api.url, search={"limit": 2}, limits=QUICK))
    assert api.asked.count("/search") == 1


def test_items_of_an_api_reach_no_local_file(api):
    (item,) = search_api(api.url, max_items=1, limits=QUICK)
    assert item.roots == ()
    assert item.base == api.url


def test_an_api_is_not_crawled_by_accident(api):
    with pytest.raises(ItemError, match="give search parameters"):
        list(iter_items(f"{api.url}/", limits=QUICK))


def test_search_parameters_for_anything_but_an_api_are_an_error(tmp_path):
    with pytest.raises(ItemError, match="need the URL of a STAC API"):
        list(iter_items(tmp_path, search={"collections": ["c"]}))


def test_failures_of_an_api_are_typed(api):
    with pytest.raises(AssetMissing, match="status 404"):
        list(search_api(f"{api.url}/nowhere", limits=QUICK))
    with pytest.raises(ItemError, match="no answer to this STAC search"):
        list(search_api(f"{api.url}/plain.json", limits=QUICK))
    with pytest.raises(ItemError, match="no answer to this STAC search"):
        list(search_api(api.url, nonsense=1, limits=QUICK))
    with pytest.raises(RemoteReadError, match="no answer"):
        list(search_api("http://127.0.0.1:9", limits=QUICK))
