"""A STAC API, spoken to over HTTP."""

import copy
import json
from urllib.parse import parse_qs, urlsplit

import pytest

from stacchip_osml.errors import AssetMissing, ItemError, LimitError, RemoteReadError
from stacchip_osml.stac import iter_items, search_api, source_images
from tests.imagery.patience import PATIENT

pytestmark = pytest.mark.filterwarnings(
    "ignore:Server does not conform to", "ignore:The requested method '(GET|POST|PUT)' is not advertised"
)

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
    server.answers, server.items = answers, items
    return server


INTERNAL = "http://10.0.0.1:9/"
"""An address of this network that is neither this machine nor there."""


def test_a_search_goes_through_all_pages_and_counts_bad_items(api):
    errors = []
    found = iter_items(api.url, search={"collections": ["c"], "limit": 2}, on_error=errors.append, limits=PATIENT)
    assert [item.id for item in found] == ["scene-0", "scene-1", "scene-3", "scene-4"]
    assert len(errors) == 1
    assert api.asked.count("/search") == 3
    assert api.bodies[0]["collections"] == ["c"]


def test_a_search_stops_where_it_is_told_to(api):
    assert len(list(search_api(api.url, max_items=1, limits=PATIENT))) == 1
    assert api.asked.count("/search") == 1
    with pytest.raises(ItemError, match="datetime: expected a time"):
        list(search_api(api.url, limits=PATIENT))


def test_pages_are_fetched_when_they_are_reached(api):
    next(iter_items(api.url, search={"limit": 2}, limits=PATIENT))
    assert api.asked.count("/search") == 1


def test_items_of_an_api_reach_no_local_file(api):
    (item,) = search_api(api.url, max_items=1, limits=PATIENT)
    assert item.roots == ()
    assert item.base == api.url


def test_an_api_is_not_crawled_by_accident(api):
    with pytest.raises(ItemError, match="give search parameters"):
        list(iter_items(f"{api.url}/", limits=PATIENT))


def test_search_parameters_for_anything_but_an_api_are_an_error(tmp_path):
    with pytest.raises(ItemError, match="need the URL of a STAC API"):
        list(iter_items(tmp_path, search={"collections": ["c"]}))


def test_failures_of_an_api_are_typed(api):
    with pytest.raises(AssetMissing, match="status 404"):
        list(search_api(f"{api.url}/nowhere", limits=PATIENT))
    with pytest.raises(ItemError, match="no answer to this STAC search"):
        list(search_api(f"{api.url}/plain.json", limits=PATIENT))
    with pytest.raises(RemoteReadError, match="no answer"):
        list(search_api("http://127.0.0.1:9", limits=PATIENT))


def test_relative_hrefs_resolve_against_the_items_own_url(api):
    api.items[0]["links"] = [{"rel": "self", "href": f"{api.url}/collections/c/items/scene-0"}]
    (item,) = search_api(api.url, max_items=1, limits=PATIENT)
    assert source_images(item, assets=["red"])[0].location == f"{api.url}/collections/c/items/red.tif"


@pytest.mark.parametrize(
    "own", [f"{INTERNAL}x/item.json", "http://10%2e0.0.1/i.json", "file:///etc/i.json", "/etc/i.json", 3]
)
def test_the_own_url_of_an_item_opens_no_other_host(api, own):
    api.items[0]["links"] = [{"rel": "self", "href": own}]
    api.items[0]["assets"]["other"] = {**api.items[0]["assets"]["red"], "href": f"{INTERNAL}x.tif"}
    (item,) = search_api(api.url, max_items=1, limits=PATIENT)
    assert item.base == api.url
    with pytest.raises(ItemError, match="may not name a host of this network"):
        source_images(item, assets=["other"])


@pytest.mark.parametrize(
    "place",
    [f"{INTERNAL}search", "http://db/search", "http://127%2e0.0.1/search", "file:///etc/hostname", "/etc/hostname"],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_api_leads_to_no_other_host_of_the_network_and_to_no_file(api, place, method):
    search = api.answers["/search"]
    link = {"rel": "next", "href": place, "method": method, "body": {}, "type": "application/geo+json"}
    api.answers["/search"] = lambda path, body: search(path, body) | {"links": [link]}
    with pytest.raises(ItemError, match=r"link: .*(is refused|expected an http)"):
        list(search_api(api.url, limits=PATIENT, on_error=lambda error: None))

    link |= {"rel": "search"}
    api.answers["/"]["links"][2] = link
    if place.startswith(("file:", "http")):  # a path is the server's own
        with pytest.raises(ItemError, match=r"link: .*(is refused|expected an http)"):
            list(search_api(api.url, limits=PATIENT))


def test_an_api_redirects_to_no_other_host_of_the_network(api):
    for path in ("/search", "/"):
        api.answers[path] = (307, f"{INTERNAL}x")
        with pytest.raises(ItemError, match=r"link: href 'http://10.0.0.1:9/x' is refused"):
            list(search_api(api.url, limits=PATIENT))


def test_an_api_may_redirect_within_its_host(api):
    api.answers["/moved"] = api.answers["/search"]
    api.answers["/search"] = (307, "/moved")
    assert len(list(search_api(api.url, max_items=1, limits=PATIENT))) == 1
    assert "/moved" in api.asked


def test_a_landing_page_that_is_an_item_leads_to_no_collection(api):
    old = {"type": "Feature", "stac_version": "0.7.0", "id": "x", "properties": {}, "assets": {}, "geometry": None}
    link = {"rel": "collection", "href": f"{api.url}/seen"}
    api.answers["/"] = old | {"links": [link], "collection": "c"}
    with pytest.raises(ItemError, match="expected type=Catalog, found type=Feature"):
        list(search_api(api.url, limits=PATIENT))
    assert "/seen" not in api.asked


def test_an_api_that_leads_back_to_a_page_is_stopped(api):
    search = api.answers["/search"]
    link = {"rel": "next", "href": f"{api.url}/search", "method": "POST", "body": {"token": "2"}}
    api.answers["/search"] = lambda path, body: search(path, body) | {"links": [link]}
    with pytest.raises(LimitError, match="pages without end: a page leads to one before it"):
        list(search_api(api.url, limits=PATIENT, on_error=lambda error: None))
    assert api.asked.count("/search") == 2


def test_an_api_that_pages_forever_is_stopped(api, monkeypatch):
    monkeypatch.setattr("stacchip_osml.stac.api.MAX_PAGES", 7)
    search = api.answers["/search"]

    def endless(path, body):
        link = {"rel": "next", "href": f"{api.url}/search?page={len(api.asked)}", "method": "POST", "body": {}}
        return search("", {}) | {"links": [link]}

    api.answers["/search"] = endless
    with pytest.raises(LimitError, match="more than 7 pages; give max_items"):
        list(iter_items(api.url, search={}, limits=PATIENT))
    assert len([path for path in api.asked if path.startswith("/search")]) == 7
    assert len(list(search_api(api.url, max_items=20, limits=PATIENT))) == 20


@pytest.mark.parametrize(
    ("search", "said"),
    [
        ({"datetime": "yesterday"}, "invalid datetime component: yesterday"),
        ({"datetime": "2025/2026/2027"}, "too many datetime components"),
        ({"limit": 0}, "Invalid limit"),
        ({"method": "PUT"}, "Unsupported method"),
        ({"sortby": 3}, "sortby must be"),
        ({"intersects": 3}, "intersects must be"),
        ({"intersects": "nowhere"}, "Expecting value"),
        ({"bbox": ["a", 1, 2, 3]}, "could not convert"),
        ({"filter": "{"}, "Expecting property name"),
        ({"ids": [3], "method": "GET"}, "expected str instance"),
    ],
)
def test_a_malformed_search_is_named_before_it_is_sent(api, search, said):
    with pytest.raises(ItemError, match=f"no answer to this STAC search: .*{said}"):
        list(search_api(api.url, limits=PATIENT, **search))
    assert not [path for path in api.asked if path.startswith("/search")]


@pytest.mark.parametrize("status", [400, 422])
def test_a_search_that_the_api_refuses_is_not_repeated(api, status):
    answer = {"code": "RequestValidationError", "description": "bbox: south is above north, see https://h/x?token=1"}
    api.answers["/search"] = (status, answer)
    with pytest.raises(ItemError, match=rf"status {status}\): bbox: south is above north, see https://h/x\?…$"):
        list(search_api(api.url, limits=PATIENT))
    assert api.asked.count("/search") == 1


def test_an_api_that_fails_is_asked_again_and_named_with_its_status(api):
    api.answers["/search"] = (503, {"detail": "busy"})
    with pytest.raises(RemoteReadError, match=r"no answer|status 503") as caught:
        list(search_api(api.url, limits=PATIENT))
    assert caught.value.attempts == 3
    assert api.asked.count("/search") == 3
    api.answers["/search"] = (501, {"detail": "not here"})
    with pytest.raises(RemoteReadError, match="status 501 after 1 attempts"):
        list(search_api(api.url, limits=PATIENT))


@pytest.mark.parametrize(("asked", "waited"), [({"Retry-After": "5"}, 5), ({"Retry-After": "86400"}, 30), ({}, None)])
def test_a_server_is_waited_for_within_reason(asked, waited):
    from urllib3 import HTTPResponse

    from stacchip_osml.stac.api_io import BoundedRetry

    answer = HTTPResponse(status=503, headers=asked)
    retry = BoundedRetry(total=3, status_forcelist=[503]).increment("GET", "/", response=answer)
    assert retry.get_retry_after(answer) == waited


@pytest.mark.parametrize("page", [[], 3, {"features": "abc"}, {"features": [3]}, {"features": [{}], "links": ["x"]}])
def test_an_answer_that_is_no_page_of_items_is_an_error(api, page):
    api.answers["/search"] = page
    with pytest.raises(ItemError, match=r"no answer to this STAC search|not a STAC item"):
        list(search_api(api.url, limits=PATIENT))


@pytest.mark.parametrize(
    ("search", "method", "language"),
    [
        ({"filter": "cloud < 5"}, "GET", "cql2-text"),
        ({"filter": {"op": "<", "args": [{"property": "cloud"}, 5]}}, "POST", "cql2-json"),
        ({"filter": ' {"op": "<", "args": [{"property": "cloud"}, 5]}'}, "POST", "cql2-json"),
        ({"filter": {"op": "<", "args": [{"property": "cloud"}, 5]}, "method": "GET"}, "GET", "cql2-json"),
        ({"filter": "cloud < 5", "method": "POST", "filter_lang": "cql2-text"}, "POST", "cql2-text"),
    ],
)
def test_a_filter_is_sent_as_the_method_takes_it(api, search, method, language):
    list(search_api(api.url, max_items=1, limits=PATIENT, **search))
    asked = next(path for path in api.asked if path.startswith("/search"))
    sent = api.bodies[0] if method == "POST" else {k: v[0] for k, v in parse_qs(urlsplit(asked).query).items()}
    assert sent["filter-lang"] == language
    condition = search["filter"]
    if language == "cql2-json":
        given, found = (json.loads(c) if isinstance(c, str) else c for c in (condition, sent["filter"]))
        assert found == given
    else:
        assert sent["filter"] == condition


def test_a_search_parameter_that_is_none_is_named_with_those_there_are(api):
    with pytest.raises(ItemError, match=r"no search parameter 'cloud_cover'; there are collections, bbox, .*max_items"):
        list(search_api(api.url, limits=PATIENT, cloud_cover=10))
    assert not [path for path in api.asked if path.startswith("/search")]
