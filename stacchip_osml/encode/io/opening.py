"""``IO.open``: datasets for reading and writing, their format told by name, ending, or first bytes."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, Literal, overload

from stacchip_osml.encode.io.format_names import (
    DatasetFormat,
    format_of_name,
    format_of_path,
    format_to_read,
    rset_level,
)
from stacchip_osml.encode.io.reader import DatasetReader, open_dataset
from stacchip_osml.encode.io.targets import as_target
from stacchip_osml.encode.io.writer import DatasetWriter
from stacchip_osml.errors import EncodeError

__all__ = ["IO"]


class IO:
    """Opens datasets."""

    @overload
    @staticmethod
    def open(
        paths: Any,
        mode: Literal["r"] = "r",
        format: str | None = None,
        *,
        workers: int = 1,
        progress: Callable[..., object] | None = None,
    ) -> DatasetReader: ...
    @overload
    @staticmethod
    def open(
        paths: Any,
        mode: Literal["w"],
        format: str | None = None,
        *,
        workers: int = 1,
        progress: Callable[..., object] | None = None,
    ) -> DatasetWriter: ...
    @staticmethod
    def open(
        paths: Any,
        mode: str = "r",
        format: str | None = None,  # noqa: A002 - the documented name
        *,
        workers: int = 1,
        progress: Callable[..., object] | None = None,
    ) -> DatasetReader | DatasetWriter:
        """Open a dataset.

        Args:
            paths: a path, or a list: the base file, then the files of an R-set's levels, whose names end in ``.rN``.
                One binary file instead, open for reading or writing and seekable, needs ``format`` to be written.
            mode: ``r`` or ``w``.
            format: a name of the format, in any case: ``nitf``, ``nitf21``, ``nitf2.1``; ``nsif``, ``nsif10``,
                ``nsif1.0``; ``tiff``, ``tif``, ``geotiff``, ``gtiff``; ``png``; ``j2k``, ``jp2``, and of high
                throughput ``jhc``, ``jph``; ``jpeg``, ``jpg``. By default the ending of the first path says what is
                written, and the first bytes of a file what is read; of reading also the name of a registered reader.
            workers: threads that encode.
            progress: of writing: is told what is done and what there is in all.

        Raises:
            ValueError: no path, an unknown mode, format or ending (EncodeError), or a further path that is no ``.rN``.
            TypeError: paths that are none.
            ReadError: a file that is missing, no image, or not of the format named.
        """
        listed = _listed(paths)
        if mode not in {"r", "w"}:
            raise EncodeError(f"mode is 'r' or 'w', got {mode!r}")
        levels = _rset_levels(listed)
        if mode == "r":
            return open_dataset(listed, None if format is None else format_to_read(format), levels=levels)
        kind = None if format is None else format_of_name(format)
        return DatasetWriter(
            [as_target(path) for path in listed],
            _write_format(listed[0]) if kind is None else kind,
            levels=levels,
            workers=workers,
            progress=progress,
        )


def _listed(paths: Any) -> list[Any]:
    if isinstance(paths, (str, os.PathLike)) or hasattr(paths, "read") or hasattr(paths, "write"):
        return [paths]
    if not isinstance(paths, Sequence) or isinstance(paths, bytes):
        raise TypeError(f"paths are a path or a list of them, not a {type(paths).__name__}")
    if not paths:
        raise EncodeError("no path to open")
    return list(paths)


def _rset_levels(listed: Sequence[Any]) -> list[int]:
    """Give the numbers of the files after the base."""
    levels: list[int] = []
    for path in listed[1:]:
        number = rset_level(os.fspath(path)) if isinstance(path, (str, os.PathLike)) else None
        if not number:
            raise EncodeError(f"{path}: files after the first are an R-set's levels: their names end in .r1, .r2 …")
        if levels and number <= levels[-1]:
            raise EncodeError(f"{path}: an R-set's files come in the order of their numbers, after .r{levels[-1]}")
        levels.append(number)
    return levels


def _write_format(path: Any) -> DatasetFormat:
    if not isinstance(path, (str, os.PathLike)):
        raise EncodeError("an open file has no ending that says its format: give format=")
    return format_of_path(os.fspath(path))
