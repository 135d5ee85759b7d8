"""Items from a STAC API, page by page, through pystac-client.

pystac-client pages and speaks the API's search; here stand the limits, the
retries, and the translation of its failures. Documents are taken as served.
Relative hrefs resolve against an item's own URL (its ``self`` link), if the API
may name that host; it grants nothing that the API's URL does not.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from stacchip_osml.errors import AssetMissing, ChipError, ItemError, LimitError, RemoteReadError, redact
from stacchip_osml.stac.documents import FetchLimits
from stacchip_osml.stac.hrefs import resolve_href
from stacchip_osml.stac.items import StacItem

__all__ = ["MAX_PAGES", "search_api"]

MAX_PAGES = 100_000
"""Pages of one search without ``max_items``; an API's usual page is 10 to 1,000 items."""

_RETRY_STATUS = (408, 429, 500, 502, 503, 504)
_MISSING_STATUS = frozenset({401, 403, 404, 410})
_MALFORMED_STATUS = frozenset({400, 405, 413, 414, 415, 422})
"""The server's word that this search will never be answered."""


def search_api(
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    modify_request: Callable[[Any], Any] | None = None,
    limits: FetchLimits | None = None,
    on_error: Callable[[ChipError], object] | None = None,
    **search: Any,
) -> Iterator[StacItem]:
    """Search a STAC API and go through what it answers, fetching each page when it is reached.

    Args:
        url: the API's landing page.
        headers: sent with every request.
        modify_request: sees every ``requests.Request`` before it is sent (authentication).
        limits: time limits and tries for each request.
        on_error: takes the failure of a single item; without it, it is raised.
        search: as ``pystac_client.Client.search``: ``collections``, ``ids``, ``bbox``, ``intersects``,
            ``datetime``, ``query``, ``filter``, ``sortby``, ``fields``, ``limit``, ``max_items``. A ``filter`` is
            CQL2 as text (sent in the URL), or as JSON, parsed or not.

    Raises:
        ItemError: the URL is no STAC API, the search is malformed, or the API leads to a host that it may not name.
        AssetMissing: the API refused (status 401, 403, 404).
        LimitError: it pages without end: a page leads to an earlier one, or there are more than ``MAX_PAGES``
            and no ``max_items``.
        RemoteReadError: the API did not answer within the limits.
    """
    import requests
    from pystac.errors import STACError
    from pystac_client import Client
    from pystac_client.errors import ClientTypeError
    from pystac_client.exceptions import APIError

    from stacchip_osml.stac.api_io import BoundedRetry, GuardedStacApiIO

    limits = limits or FetchLimits()
    tries = limits.attempts - 1
    io = GuardedStacApiIO(
        url,
        max_pages=None if search.get("max_items") else MAX_PAGES,
        headers=dict(headers or {}),
        request_modifier=modify_request,
        timeout=(limits.connect_s, limits.idle_s),
        max_retries=BoundedRetry(
            total=tries,
            backoff_factor=limits.backoff_s,
            backoff_jitter=limits.backoff_s,
            backoff_max=5.0,
            status_forcelist=_RETRY_STATUS,
            allowed_methods=None,  # a search by POST changes nothing either
        ),
    )
    try:
        pages = _prepared(Client.open(url, stac_io=io), search, url)
        for number, document in enumerate(pages.items_as_dicts()):
            try:
                item = StacItem(document, _own_url(document, url), (), f"{url} [{number}]")
            except ItemError as error:
                if on_error is None:
                    raise
                on_error(error)
            else:
                yield item
    except RecursionError as error:
        raise LimitError(f"{redact(url)}: an answer is nested too deep") from error
    except APIError as error:
        raise _api_error(error, url, limits) from error
    except requests.RequestException as error:
        raise RemoteReadError(url, status=None, attempts=limits.attempts) from error
    except (*_MALFORMED_ANSWER, STACError, ClientTypeError) as error:
        raise ItemError(f"{redact(url)}: no answer to this STAC search: {redact(str(error))[:300]}") from error


_PARAMETERS = (
    *("collections", "bbox", "intersects", "datetime", "ids", "query", "filter", "filter_lang", "sortby", "fields"),
    *("limit", "max_items", "method"),
)
"""Of a search, as pystac-client takes them."""

_MALFORMED_ANSWER = (NotImplementedError, TypeError, ValueError, KeyError, AttributeError)
"""What pystac-client fails with where JSON is not what it expects."""


def _prepared(client: Any, search: Mapping[str, Any], url: str) -> Any:
    """Check the search before anything is asked."""
    unknown = [name for name in search if name not in _PARAMETERS]
    if unknown:
        raise ItemError(f"{redact(url)}: no search parameter {unknown[0]!r}; there are {', '.join(_PARAMETERS)}")
    try:
        prepared = client.search(**_with_filter(search))
        prepared.get_parameters()
    except Exception as error:  # a bare Exception is what pystac-client raises for a malformed value
        raise ItemError(f"{redact(url)}: no answer to this STAC search: {redact(str(error))[:300]}") from error
    return prepared


def _with_filter(search: Mapping[str, Any]) -> dict[str, Any]:
    """Say in which language a filter is; text belongs in the URL, and the body takes JSON only."""
    named = dict(search)
    condition = named.get("filter")
    if isinstance(condition, str) and condition.lstrip().startswith("{"):
        named["filter"] = condition = json.loads(condition)
    if isinstance(condition, str):
        named.setdefault("filter_lang", "cql2-text")
        named.setdefault("method", "GET")
    elif condition is not None:
        named.setdefault("filter_lang", "cql2-json")
    return named


def _api_error(error: Any, url: str, limits: FetchLimits) -> ChipError:
    """Say what a status means: refused, malformed, or not answered."""
    status = getattr(error, "status_code", None)
    if status in _MISSING_STATUS:
        return AssetMissing(f"{redact(url)}: status {status}")
    if status in _MALFORMED_STATUS:
        return ItemError(f"{redact(url)}: the API refuses this search (status {status}): {_said(str(error))}")
    attempts = limits.attempts if status is None or status in _RETRY_STATUS else 1
    return RemoteReadError(url, status=status, attempts=attempts)


def _said(text: str) -> str:
    """Take a server's own words from its answer, which is JSON as a rule."""
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):
        answer = None
    if isinstance(answer, Mapping):
        text = next((str(answer[name]) for name in ("description", "detail", "message") if answer.get(name)), text)
    return redact(" ".join(text[:2000].split()))[:300]


def _own_url(document: Any, url: str) -> str:
    """Give the URL that an item's relative hrefs resolve against: its own, where the API may name it."""
    links = document.get("links") if isinstance(document, Mapping) else None
    for link in links if isinstance(links, list) else ():
        if isinstance(link, Mapping) and link.get("rel") == "self":
            href = link.get("href")
            if not isinstance(href, str) or not href.startswith(("https://", "http://")):
                return url
            try:
                return resolve_href(href, base=url, roots=())
            except ItemError:
                return url
    return url
