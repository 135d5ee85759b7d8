"""pystac-client's requests, held to the rules of hrefs.

The caller names the API. Every other URL is the API's word: its links to the
search and to the next page, and redirects. They lead to no file and to no
internal host but the API's own. An API that hands out the same page link twice
would page forever, and is stopped; so is one that goes on past ``max_pages``.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urljoin

from pystac import Link
from pystac_client.exceptions import APIError
from pystac_client.stac_api_io import StacApiIO
from urllib3 import BaseHTTPResponse, Retry

from stacchip_osml.errors import ChipError, ItemError, LimitError, redact
from stacchip_osml.stac.hrefs import resolve_href

__all__ = ["BoundedRetry", "GuardedStacApiIO"]

MAX_WAIT_S = 30.0
"""Longest pause that a server's ``Retry-After`` is granted."""


class BoundedRetry(Retry):
    """Retries that wait as long as a server asks for, within reason."""

    def get_retry_after(self, response: BaseHTTPResponse) -> float | None:
        """Give the pause in seconds; None where the server asks for none."""
        asked = super().get_retry_after(response)
        return None if asked is None else min(asked, MAX_WAIT_S)


class GuardedStacApiIO(StacApiIO):
    """Reads an API's answers, and goes nowhere else."""

    def __init__(self, url: str, *, max_pages: int | None, **settings: Any) -> None:
        """Take the API's URL, the most pages to follow (None: any number), and what ``StacApiIO`` takes."""
        super().__init__(**settings)
        self._url = url
        self._max_pages = max_pages
        self._followed: set[int] = set()
        self.session.hooks["response"].append(self._require_redirect)

    def read_text(self, source: Any, *args: Any, **kwargs: Any) -> str:
        """Read a page that a link leads to, or a URL; never a file."""
        if isinstance(source, Link):
            self._require_new(source)
        else:
            self._require_reachable(str(source))
        return super().read_text(source, *args, **kwargs)

    def request(self, href: str, *args: Any, **kwargs: Any) -> str:
        """Ask for one URL, if it may be asked for.

        Raises:
            ItemError: it, or what it redirects to, may not.
        """
        self._require_reachable(href)
        try:
            return super().request(href, *args, **kwargs)
        except APIError as error:
            if isinstance(error.__context__, ChipError):  # of a redirect: the client makes one error of all
                raise error.__context__ from None
            raise

    def _require_new(self, link: Link) -> None:
        page = link.to_dict()
        key = hash(json.dumps([page.get(name) for name in ("href", "method", "headers", "body")], sort_keys=True))
        if key in self._followed:
            raise LimitError(f"{redact(self._url)}: pages without end: a page leads to one before it")
        self._followed.add(key)
        if self._max_pages is not None and len(self._followed) >= self._max_pages:
            raise LimitError(
                f"{redact(self._url)}: more than {self._max_pages} pages; give max_items, or a larger limit a page"
            )

    def _require_redirect(self, response: Any, *_: Any, **__: Any) -> None:
        target = self.session.get_redirect_target(response)
        if target:
            self._require_reachable(urljoin(response.url, target))

    def _require_reachable(self, href: str) -> None:
        try:
            location = resolve_href(href, base=self._url, roots=())
        except ItemError as error:
            raise ItemError(f"{redact(self._url)}: link: {error}") from error
        if not href.lower().startswith(("http://", "https://")):
            raise ItemError(f"{redact(self._url)}: link: expected an http(s) URL, got {redact(location)!r:.200}")
