"""What a local folder holds, and which folder a local document belongs to.

A folder that holds any STAC document is a folder of documents, and images in
it belong to them; JSON beside images alone (sidecars, notes) is not ours.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from stacchip_osml.errors import ChipError
from stacchip_osml.imagery.format import HEAD_BYTES
from stacchip_osml.imagery.providers.own_readers import READERS, image_kind
from stacchip_osml.stac.documents import read_json
from stacchip_osml.stac.from_image import IMAGE_SUFFIXES
from stacchip_osml.stac.hrefs import MAX_HREF, is_remote

__all__ = [
    "LINES_SUFFIXES",
    "TABLE_SUFFIXES",
    "document_roots",
    "folder_documents",
    "folder_images",
    "is_catalog",
    "is_image",
    "rels_of",
    "suffix_of",
]

TABLE_SUFFIXES = frozenset({".parquet", ".geoparquet"})
LINES_SUFFIXES = frozenset({".ndjson", ".jsonl"})
_INDEX_FOLDERS = frozenset({"chips", "versions"})
"""What a chip index that is a directory holds."""
_INDEX_KEY = b"\x0dstacchip_osml"
"""The key of a chip index's metadata, as a Parquet footer spells it: its length, then its letters."""
_FOOTER = 1 << 26
_LEVELS = re.compile(r"\.r[0-9]+", re.IGNORECASE)
"""Suffixes of files that hold one smaller level of the image beside them."""
_TEXT_SUFFIXES = frozenset({".json", ".geojson"}) | LINES_SUFFIXES | TABLE_SUFFIXES


_KNOWN = IMAGE_SUFFIXES | _TEXT_SUFFIXES | {".xml", ".txt", ".ovr", ".msk", ".md", ".csv", ".pdf", ".zip"}
"""Suffixes that need no look at the file."""


def is_catalog(document: Mapping[str, Any]) -> bool:
    """Tell catalogs and collections, which lead to others, from items and from APIs."""
    kind = document.get("type")
    is_named = kind in ("Catalog", "Collection") or (kind is None and {"stac_version", "id"} <= document.keys())
    return is_named and isinstance(document.get("links"), list) and "conformsTo" not in document


def rels_of(links: object) -> set[str]:
    """Name what the links of a document lead to: ``item``, ``child``, ``next``."""
    listed = links if isinstance(links, list) else []
    return {link["rel"] for link in listed if isinstance(link, Mapping) and isinstance(link.get("rel"), str)}


def suffix_of(location: str) -> str:
    """Give the file name's suffix in lower case, without a URL's query."""
    path = location.split("?", 1)[0] if is_remote(location) else location
    return os.path.splitext(path)[1].lower()  # noqa: PTH122 - a URL is no Path


def is_image(location: str) -> bool:
    """Tell images from documents: by the suffix or, of a local file with another, by its first bytes."""
    suffix = suffix_of(location)
    if suffix in IMAGE_SUFFIXES:
        return True
    if suffix in _TEXT_SUFFIXES or is_remote(location):
        return False
    return _kind(Path(location)) is not None


def _kind(file: Path) -> str | None:
    """Name the driver or registered reader of a local file; None of one that is no image, or cannot be looked at."""
    try:
        if not file.is_file():  # a pipe would be waited for
            return None
        with file.open("rb") as opened:
            return image_kind(opened.read(HEAD_BYTES))
    except OSError:  # whoever reads it says why
        return None


def folder_images(folder: Path) -> list[Path]:
    """List the images below a folder, in order.

    They are known by suffix; NITF files (a map frame's suffix is its series and zone), and those of registered
    readers, by their first bytes.
    """
    named = folder_files(folder, IMAGE_SUFFIXES)
    others = (
        file for file in _files(folder) if file.suffix.lower() not in _KNOWN and not _LEVELS.fullmatch(file.suffix)
    )
    return sorted([*named, *(file for file in others if _kind(file) in {"NITF", *READERS})])


def folder_files(folder: Path, suffixes: Collection[str]) -> list[Path]:
    """List the files below a folder that have one of the suffixes, in order."""
    return sorted(file for file in _files(folder) if file.suffix.lower() in suffixes)


def _files(folder: Path) -> Iterator[Path]:
    """Go through the files below a folder, but for hidden ones and those of chip indexes that were saved there."""
    for at, below, names in os.walk(folder):
        if set(below) >= _INDEX_FOLDERS:
            below.clear()
            continue
        below[:] = (name for name in below if not name.startswith("."))
        yield from (Path(at, name) for name in names if not name.startswith("."))


def folder_documents(folder: Path) -> list[Path]:
    """List the documents of a folder; none where it is a folder of images."""
    documents = [file for file in folder_files(folder, _TEXT_SUFFIXES) if not _is_index(file)]
    if documents and folder_images(folder) and not any(map(_is_stac, documents)):
        return []
    return documents


def _is_index(file: Path) -> bool:
    """Tell whether a file is a chip index that was saved beside the images: a Parquet footer with its key."""
    if file.suffix.lower() not in TABLE_SUFFIXES or not file.is_file():
        return False
    try:
        with file.open("rb") as opened:
            end = opened.seek(0, os.SEEK_END)
            opened.seek(max(end - 8, 0))
            tail = opened.read(8)
            length = int.from_bytes(tail[:4], "little")
            if tail[4:] != b"PAR1" or not length <= min(end - 8, _FOOTER):
                return False
            opened.seek(end - 8 - length)
            return _INDEX_KEY in opened.read(length)
    except OSError:  # whoever reads it says why
        return False


def _is_stac(file: Path) -> bool:
    if file.suffix.lower() in TABLE_SUFFIXES | LINES_SUFFIXES:
        return True
    try:
        document = read_json(str(file))
    except ChipError:
        return False
    if isinstance(document, list):
        return any(isinstance(part, dict) and part.get("type") == "Feature" for part in document)
    return isinstance(document, dict) and (
        "stac_version" in document or document.get("type") in {"Feature", "FeatureCollection"}
    )


def document_roots(document: Mapping[str, Any], base: str, roots: tuple[str, ...]) -> tuple[str, ...]:
    """Widen the roots to the folder of the catalog that a local document belongs to, if that catalog is there."""
    links = document.get("links")
    for link in links if isinstance(links, list) else ():
        if not isinstance(link, Mapping) or link.get("rel") != "root":
            continue
        href = link.get("href")
        if not isinstance(href, str) or len(href) > MAX_HREF or is_remote(href) or not href.startswith("."):
            break
        target = Path(os.path.realpath(Path(base).parent / href))
        if any(target.is_relative_to(root) for root in roots):
            break
        if target.parent == Path("/") or not target.is_file():
            break
        try:
            root = read_json(str(target))
        except ChipError:
            break
        if isinstance(root, dict) and root.get("type", "Catalog") in {"Catalog", "Collection"} and "links" in root:
            return (*roots, str(target.parent))
    return roots
