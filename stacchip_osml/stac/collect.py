"""Items from anywhere: objects, files, folders, catalogs, tables, APIs.

Rules
- Links are followed by this file alone: ``child`` and ``item``, each place
  once. A local catalog leads only to places under its own folder or to URLs; a
  remote one never to local files.
- A document read from a file may name local assets under the folder of its
  catalog's root (where its ``root`` link leads to one that exists), else under
  its own folder. A document from a URL may name none. A document that the
  caller hands over as an object, and that says nothing of where it comes from,
  is the caller's own: it may name any local file.
- A failure belongs to one document. It is raised, or given to ``on_error``
  while the others go on.
- The same collection and id twice: a repetition of the same document is passed
  over, a different document under the same id is a failure.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from stacchip_osml.errors import ChipError, ItemError, redact
from stacchip_osml.stac.api import search_api
from stacchip_osml.stac.documents import FetchLimits, parse_json, parse_json_lines, read_bytes, require_shallow
from stacchip_osml.stac.facts import HeaderReader
from stacchip_osml.stac.from_image import IMAGE_SUFFIXES, item_from_image, renamed, unique_ids
from stacchip_osml.stac.hrefs import MAX_HREF, document_place, given_roots, is_remote, resolve_href, roots_of
from stacchip_osml.stac.image_place import SensorReader
from stacchip_osml.stac.item_tables import is_table, items_of
from stacchip_osml.stac.items import StacItem
from stacchip_osml.stac.places import (
    LINES_SUFFIXES,
    TABLE_SUFFIXES,
    document_roots,
    folder_documents,
    folder_images,
    is_catalog,
    is_image,
    rels_of,
    suffix_of,
)

__all__ = ["iter_items"]

ErrorSink = Callable[[ChipError], object]
_NOT_JSON = TABLE_SUFFIXES | LINES_SUFFIXES | IMAGE_SUFFIXES
_ROOT_NAMES = ("catalog.json", "collection.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Context:
    """What holds for one document and all that it leads to."""

    base: str | None
    roots: tuple[str, ...]
    fixed_roots: tuple[str, ...] | None
    search: Mapping[str, Any] | None
    sign: Callable[[str], str] | None
    on_error: ErrorSink | None
    limits: FetchLimits | None
    read_header: HeaderReader | None
    read_sensor: SensorReader | None
    source: str
    image_id: str | None = None
    """Id for an item made from an image; None: its file stem."""

    def at(self, location: str, *, roots: tuple[str, ...]) -> _Context:
        """Step to a document at a place."""
        roots = self.fixed_roots if self.fixed_roots is not None else roots
        return replace(self, base=location, roots=roots, source=location, image_id=None)

    def fetch(self) -> bytes:
        """Read the document at ``base``; a signed href lives no longer than this call."""
        location = str(self.base)
        signed = self.sign(location) if self.sign is not None and is_remote(location) else location
        return read_bytes(signed, limits=self.limits)


def iter_items(
    source: Any,
    *,
    base: str | os.PathLike[str] | None = None,
    roots: Iterable[str] | None = None,
    search: Mapping[str, Any] | None = None,
    sign: Callable[[str], str] | None = None,
    on_error: ErrorSink | None = None,
    limits: FetchLimits | None = None,
    read_header: HeaderReader | None = None,
    read_sensor: SensorReader | None = None,
) -> Iterator[StacItem]:
    """Go through the items of a source, one at a time.

    Args:
        source: a ``pystac`` Item, ItemCollection, Catalog or Collection; the same as a dict; a path or URL of
            one, of a list of items, of newline-delimited items or of a stac-geoparquet table; such a table (Arrow,
            GeoDataFrame); an image file; a folder of any of these; the URL of a STAC API, together with ``search``;
            or an iterable of sources.
        base: folder, path or URL of a document, that relative hrefs of documents given as objects resolve against.
        roots: local folders that assets may lie under, instead of what each document's place implies.
        search: parameters of a STAC API search (``collections``, ``bbox``, ``datetime``, ``query``, ``filter``,
            ``max_items`` …); the source is then an API's URL.
        sign: makes a fetchable href of an href when a remote document is read; its answers are not kept.
        on_error: takes each failure, and the rest goes on; without it, the first failure is raised.
        limits: time limits and tries for remote documents.
        read_header: opens image files; the default is :func:`stacchip_osml.imagery.read_header`.
        read_sensor: reads the sensor metadata of NITF files; the default signs no URL.

    Raises:
        ItemError: a document is no item, catalog or collection, or breaks a rule above.
        LimitError: a document is too long or nested too deep.
        ReadError: a document could not be read.
    """
    base = document_place(base)
    fixed = given_roots(roots)
    context = _Context(
        base=base,
        roots=fixed if fixed is not None else roots_of(base),
        fixed_roots=fixed,
        search=search,
        sign=sign,
        on_error=on_error,
        limits=limits,
        read_header=read_header,
        read_sensor=read_sensor,
        source="item",
    )
    seen: dict[tuple[str, str], tuple[bytes, str]] = {}
    for item in _from_any(source, context):
        try:
            new = _unrepeated(item, seen)
        except ItemError as error:
            _report(error, context)
        else:
            if new is not None:
                yield new


def _unrepeated(item: StacItem, seen: dict[tuple[str, str], tuple[bytes, str]]) -> StacItem | None:
    """Pass a new item on, and drop a repetition; images of one name in several folders get distinct ids."""
    digest = item.digest()
    known = seen.get((item.collection, item.id))
    if known is None:
        seen[item.collection, item.id] = digest, item.source
        return item
    if known[0] == digest:
        return None
    other = renamed(item)
    if other is None:
        raise item.error(f"another item of collection {item.collection!r} has this id: {redact(known[1])}")
    return _unrepeated(other, seen)


def _report(error: ChipError, context: _Context) -> None:
    if context.on_error is None:
        raise error
    context.on_error(error)


def _guarded(items: Iterator[StacItem], context: _Context) -> Iterator[StacItem]:
    """Go through items; a failure ends this source only."""
    try:
        yield from items
    except ChipError as error:
        _report(error, context)


def _from_any(source: Any, context: _Context) -> Iterator[StacItem]:
    if isinstance(source, StacItem):
        yield source
    elif isinstance(source, str | os.PathLike):
        yield from _guarded(_from_place(os.fspath(source), context), context)
    elif isinstance(source, Mapping):
        yield from _guarded(_from_object(dict(source), context), context)
    elif _is_pystac(source, "Item", "Catalog"):
        yield from _guarded(_from_pystac(source, context), context)
    elif is_table(source):
        yield from _guarded(_from_list(items_of(source), context), context)
    elif isinstance(source, Iterable):
        for part in source:
            yield from _from_any(part, context)
    else:
        _report(ItemError(f"no source of items: {type(source).__name__}"), context)


def _from_object(document: dict[str, Any], context: _Context) -> Iterator[StacItem]:
    require_shallow(document, source=context.source)
    yield from _from_document(document, _with_self(document, context))


def _is_pystac(source: object, *names: str) -> bool:
    pystac = sys.modules.get("pystac")  # not imported: then nothing can be an object of it
    return pystac is not None and isinstance(source, tuple(getattr(pystac, name) for name in names))


def _from_pystac(source: Any, context: _Context) -> Iterator[StacItem]:
    if _is_pystac(source, "Item"):
        # Without transform_hrefs=False, pystac would follow the root link, over the network if need be.
        document = source.to_dict(include_self_link=True, transform_hrefs=False)
        require_shallow(document, source=context.source)
        yield StacItem(document, *_place_of(source, context), f"pystac item {source.id!r:.120}")
        return
    base, roots = _place_of(source, context)
    here = replace(context, base=base, roots=roots, source=base or f"pystac catalog {source.id!r:.120}")
    _report_api({str(link.rel) for link in source.links}, here)
    for link in source.links:
        if link.rel not in {"child", "item"}:
            continue
        if link.is_resolved():
            yield from _from_any(link.target, here)
        else:
            yield from _from_links([{"rel": "item", "href": link.href}], here, set())


def _place_of(source: Any, context: _Context) -> tuple[str | None, tuple[str, ...]]:
    """Find where a pystac object lies, from its links alone; its own word counts, then the caller's."""
    own = source.get_self_href()
    if not own:
        return context.base, context.roots
    if is_remote(own):
        return own, context.fixed_roots or ()
    root_link = source.get_root_link()
    root = root_link.get_target_str() if root_link is not None else None
    if root is None and root_link is not None and root_link.is_resolved():
        root = root_link.target.get_self_href()
    folder = Path(own).absolute().parent
    if root and not is_remote(root):
        folder = Path(os.path.normpath(folder / root)).parent
    return str(Path(own).absolute()), context.fixed_roots if context.fixed_roots is not None else (str(folder),)


def _with_self(document: Mapping[str, Any], context: _Context) -> _Context:
    """Let a document given as an object say where it comes from, unless the caller does."""
    links = document.get("links")
    if context.base is not None or not isinstance(links, list):
        return context
    for link in links:
        href = link.get("href") if isinstance(link, Mapping) and link.get("rel") == "self" else None
        if isinstance(href, str) and len(href) > MAX_HREF:
            continue
        if isinstance(href, str) and is_remote(href):
            return context.at(href, roots=())
        if isinstance(href, str) and href.startswith("/"):
            return context.at(href, roots=(str(Path(href).parent),))
    return context


def _from_place(place: str, context: _Context) -> Iterator[StacItem]:
    if is_remote(place):
        if context.search is not None:
            yield from search_api(place, limits=context.limits, on_error=context.on_error, **context.search)
        else:
            yield from _from_file(context.at(place, roots=()))
        return
    if context.search is not None:
        raise ItemError(f"{place}: search parameters need the URL of a STAC API")
    path = Path(place).expanduser().absolute()
    if path.is_dir():
        yield from _from_folder(path, context)
    else:
        yield from _from_file(context.at(str(path), roots=(str(path.parent),)))


def _from_folder(folder: Path, context: _Context) -> Iterator[StacItem]:
    """A catalog where there is one; else all STAC documents; else all images."""
    for name in _ROOT_NAMES:
        if (folder / name).is_file():
            yield from _from_file(context.at(str(folder / name), roots=(str(folder),)))
            return
    inside = context.at(str(folder), roots=(str(folder),))
    chosen = folder_documents(folder)
    images = [] if chosen else folder_images(folder)
    ids = unique_ids([file.relative_to(folder).as_posix() for file in images])
    if not (chosen or images):
        raise ItemError(f"{folder}: no catalog, STAC document or image in this folder")
    for file in chosen or images:
        here = replace(
            inside.at(str(file), roots=(str(folder),)), image_id=ids.get(file.relative_to(folder).as_posix())
        )
        yield from _guarded(_from_file(here), here)


def _from_file(context: _Context) -> Iterator[StacItem]:
    """Read the document at the context's place."""
    location = str(context.base)
    suffix = suffix_of(location)
    if is_image(location):
        yield item_from_image(
            location, roots=context.roots, item_id=context.image_id, read_header=context.read_header,
            read_sensor=context.read_sensor,
        )  # fmt: skip
    elif suffix in TABLE_SUFFIXES:
        from stacchip_osml.stac.geoparquet import read_items

        yield from _from_list(read_items(location), context)
    elif suffix in LINES_SUFFIXES:
        yield from _from_list(parse_json_lines(context.fetch(), source=location), context)
    else:
        document = parse_json(context.fetch(), source=location)
        if isinstance(document, dict) and not is_remote(location) and context.fixed_roots is None:
            context = replace(context, roots=document_roots(document, location, context.roots))
        yield from _from_document(document, context)


def _from_document(document: Any, context: _Context) -> Iterator[StacItem]:
    if isinstance(document, list):
        yield from _from_list(document, context)
        return
    if not isinstance(document, dict):
        raise ItemError(f"{redact(context.source)}: neither item, catalog nor list: {type(document).__name__}")
    kind = document.get("type")
    if kind == "Feature":
        yield StacItem(document, context.base, context.roots, context.source)
    elif kind == "FeatureCollection":
        features = document.get("features")
        if not isinstance(features, list):
            raise ItemError(f"{redact(context.source)}: FeatureCollection without a list of features")
        if "next" in rels_of(document.get("links")):
            _report_page(context)
        yield from _from_list(features, context)
    elif "conformsTo" in document:
        raise ItemError(
            f"{redact(context.source)}: a STAC API, not a static catalog: give search parameters"
            " (collections, bbox, datetime, max_items …)"
        )
    elif is_catalog(document):
        yield from _from_links(document["links"], context, set())
    else:
        raise ItemError(f"{redact(context.source)}: not STAC: type is {kind!r:.80}, expected Feature, Catalog …")


def _from_list(documents: Iterable[Any], context: _Context) -> Iterator[StacItem]:
    for number, document in enumerate(documents):
        here = replace(context, source=f"{context.source} [{number}]")
        yield from _guarded(_one(document, here), here)


def _one(document: Any, context: _Context) -> Iterator[StacItem]:
    yield StacItem(document, context.base, context.roots, context.source)


def _from_links(links: list[Any], context: _Context, visited: set[str]) -> Iterator[StacItem]:
    """Follow the links of a catalog depth first, with a stack of its own: a deep catalog needs no recursion."""
    visited.add(str(context.base))
    stack = _followed(links, context)
    while stack:
        href, parent = stack.pop()
        try:
            location = _resolve_link(href, parent)
            if location in visited:
                continue
            visited.add(location)
            here = parent.at(location, roots=() if is_remote(location) else parent.roots)
            document = parse_json(here.fetch(), source=location) if suffix_of(location) not in _NOT_JSON else None
        except ChipError as error:
            _report(error, context)
            continue
        if isinstance(document, dict) and is_catalog(document):
            stack.extend(_followed(document["links"], here))
        elif document is None:
            yield from _guarded(_from_file(here), here)
        else:
            yield from _guarded(_from_document(document, here), here)


def _followed(links: list[Any], context: _Context) -> list[tuple[object, _Context]]:
    """List the links to follow, last first, as a stack takes them."""
    _report_api(rels_of(links), context)
    wanted = [link for link in links if isinstance(link, Mapping) and str(link.get("rel")) in {"child", "item"}]
    return [(link.get("href"), context) for link in reversed(wanted)]


def _report_page(context: _Context) -> None:
    """Refuse one page of a search by its URL; one that was saved is the caller's own choice, and not taken silently."""
    text = f"{redact(context.source)}: one page of several: search the API for all items"
    if is_remote(str(context.base)):
        _report(ItemError(text), context)
    else:
        warnings.warn(f"{text}; its next link is not followed", stacklevel=2)


def _report_api(rels: set[str], context: _Context) -> None:
    """Refuse what has its items from searches only: the first page of them would pass for all."""
    if rels & {"items", "search"} and not rels & {"child", "item"}:
        kind = "collection of a STAC API" if "items" in rels else "STAC API"
        _report(ItemError(f"{redact(context.source)}: a {kind}: search the API for its items"), context)


def _resolve_link(href: object, context: _Context) -> str:
    try:
        return resolve_href(href, base=context.base, roots=context.roots)
    except ItemError as error:
        raise ItemError(f"{redact(context.source)}: link: {error}") from error
