"""Items from a STAC API, page by page, through pystac-client.

pystac-client pages and speaks the API's search; here stand the limits, the
retries, and the translation of its failures. Documents are taken as served.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from stacchip_osml.errors import AssetMissing, ChipError, ItemError, LimitError, RemoteReadError, redact
from stacchip_osml.stac.documents import FetchLimits
from stacchip_osml.stac.items import StacItem

__all__ = ["search_api"]

_RETRY_STATUS = (408, 429, 500, 502, 503, 504)


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
            ``datetime``, ``query``, ``filter``, ``sortby``, ``fields``, ``limit``, ``max_items``.

    Raises:
        ItemError: the URL is no STAC API, or the search is malformed.
        AssetMissing: the API refused (status 401, 403, 404).
        RemoteReadError: the API did not answer within the limits.
    """
    import requests
    from pystac.errors import STACError
    from pystac_client import Client
    from pystac_client.errors import ClientTypeError
    from pystac_client.exceptions import APIError
    from pystac_client.stac_api_io import StacApiIO
    from urllib3 import Retry

    limits = limits or FetchLimits()
    tries = limits.attempts - 1
    io = StacApiIO(
        headers=dict(headers or {}),
        request_modifier=modify_request,
        timeout=(limits.connect_s, limits.idle_s),
        max_retries=Retry(
            total=tries,
            backoff_factor=limits.backoff_s,
            backoff_jitter=limits.backoff_s,
            backoff_max=5.0,
            status_forcelist=_RETRY_STATUS,
            allowed_methods=None,  # a search by POST changes nothing either
        ),
    )
    try:
        client = Client.open(url, stac_io=io)
        for number, document in enumerate(client.search(**search).items_as_dicts()):
            try:
                item = StacItem(document, _self_href(document) or url, (), f"{url} [{number}]")
            except ItemError as error:
                if on_error is None:
                    raise
                on_error(error)
            else:
                yield item
    except RecursionError as error:
        raise LimitError(f"{redact(url)}: an answer is nested too deep") from error
    except APIError as error:
        status = getattr(error, "status_code", None)
        if status in {401, 403, 404}:
            raise AssetMissing(f"{redact(url)}: status {status}") from error
        raise RemoteReadError(url, status=status, attempts=limits.attempts) from error
    except requests.RequestException as error:
        raise RemoteReadError(url, status=None, attempts=limits.attempts) from error
    except (STACError, ClientTypeError, NotImplementedError, TypeError, ValueError, KeyError) as error:
        raise ItemError(f"{redact(url)}: no answer to this STAC search: {redact(str(error))[:300]}") from error


def _self_href(document: Mapping[str, Any]) -> str | None:
    """Give the item's own URL, which its relative hrefs resolve against."""
    links = document.get("links")
    for link in links if isinstance(links, list) else ():
        if isinstance(link, Mapping) and link.get("rel") == "self":
            href = link.get("href")
            return href if isinstance(href, str) and href.startswith(("https://", "http://")) else None
    return None
