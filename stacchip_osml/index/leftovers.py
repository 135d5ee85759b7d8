"""Files of an index directory that no version needs: what failed, what is old, what a killed writer left.

A file that a version names is never removed before that version is: of what is
there and not named, age decides, for its writer may yet commit it.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from stacchip_osml.errors import IndexSchemaError

__all__ = ["inside", "removed_unless_named", "vacuum"]

OURS = re.compile(r"(items|headers|part)-[0-9]{8}-[0-9a-f]{8}(-[0-9]{5,})?\.parquet")
"""Names that only a writer of an index gives."""
ABANDONED_S = 7 * 86_400
"""Seconds from the first file of a version to its commit that no writer needs."""


def inside(path: Path, name: Any) -> Path:
    """Resolve a name of a version file; it may not leave the index.

    Raises:
        IndexSchemaError: it does.
    """
    target = path / str(name)
    if not target.resolve().is_relative_to(path.resolve()):
        raise IndexSchemaError(f"{path}: version names the file {name!r} outside the index")
    return target


@contextmanager
def removed_unless_named(path: Path, version_file: Path) -> Iterator[list[str]]:
    """Collect names of new files; a failure removes them, unless it came when their version was there already."""
    names: list[str] = []
    try:
        yield names
    except BaseException:
        said = ""
        with suppress(OSError):
            said = version_file.read_text(encoding="utf-8")
        for name in names:
            if name not in said:
                with suppress(OSError):
                    (path / name).unlink(missing_ok=True)
        raise


def vacuum(path: Path, *, keep: tuple[int, ...]) -> None:
    """Remove files of versions that are not kept, and old ones of none; what cannot be removed is left.

    Args:
        path: the index.
        keep: numbers of versions; later ones are of other writers.
    """
    kept, stale, abandoned = set[str](), set[str](), _abandoned(path)
    for entry in sorted((path / "versions").glob("[0-9]*.json")):
        try:
            document = json.loads(entry.read_bytes())
            chips = {str(part["name"]) for part in document["chips"]}
            named = {*chips, document.get("items"), document.get("headers")} - {None}
        except (OSError, ValueError, KeyError, TypeError):
            abandoned = set()  # who knows what it names
            continue
        if int(entry.name[:8]) >= min(keep):
            kept |= named
        else:
            stale |= named | {f"versions/{entry.name}"}
    for name in (stale | abandoned) - kept:
        with suppress(OSError, IndexSchemaError):
            inside(path, name).unlink()


def _abandoned(path: Path) -> set[str]:
    """Name the whole files that are a week old: their writer has committed them since, or never will."""
    found = set[str]()
    for folder in (path, path / "chips", *path.glob("chips/collection=*")):
        with suppress(OSError):
            for entry in folder.iterdir():
                if OURS.fullmatch(entry.name) and time.time() - entry.stat().st_mtime > ABANDONED_S:
                    found.add(entry.relative_to(path).as_posix())
    return found
