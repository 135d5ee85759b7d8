"""A dataset that is being written: assets are collected and checked, and written when it is closed.

Rules:

- what is added is checked when it is added; a missing attribute is a TypeError then;
- nothing is written before the dataset is closed, and nothing at all if the
  ``with`` block raises; files appear whole, all of an R-set together;
- metadata of the dataset and of each image are kept apart; names that files of
  formats other than NITF and TIFF have for theirs are no format's to be written;
- an asset whose role is ``overview``, or, without roles, whose key holds
  ``:overview:``, is a smaller level of another. In an R-set its number says which
  file it goes to, and there it is the image of that file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from types import TracebackType
from typing import Any, Self

from stacchip_osml.encode.io.assets import DataAsset, GraphicsAsset, ImageAsset, TextAsset
from stacchip_osml.encode.io.checked import CheckedProvider, require_provider
from stacchip_osml.encode.io.contents import Contents, Entry, WriteContents
from stacchip_osml.encode.io.format_names import DatasetFormat
from stacchip_osml.encode.io.kinds import AssetType
from stacchip_osml.encode.io.level_places import require_assumed_places
from stacchip_osml.encode.io.metadata import BufferedMetadataProvider
from stacchip_osml.encode.io.places import names_of_file
from stacchip_osml.encode.io.targets import Target, opened_for_writing
from stacchip_osml.errors import EncodeError
from stacchip_osml.pixel.counts import whole_number

__all__ = ["DatasetWriter"]


class DatasetWriter:
    """A dataset open for writing; a context manager. Made by :meth:`IO.open`."""

    def __init__(
        self,
        targets: Sequence[Target],
        kind: DatasetFormat,
        *,
        levels: Sequence[int] = (),
        workers: int = 1,
        progress: Callable[..., object] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        """Name the files; nothing is opened yet.

        Args:
            targets: the base file, then those of an R-set's levels.
            kind: format of all.
            levels: numbers of the R-set's files after the base.
            workers: threads that encode.
            progress: is told blocks done and their number, of each image.
            options: of the format's writer, besides what metadata say.
        """
        self._targets = list(targets)
        self._format = kind
        self._levels = list(levels)
        self._workers, self._progress = whole_number("workers", workers, least=1), progress
        self._options = dict(options or {})
        self._entries: list[Entry] = []
        self._metadata = BufferedMetadataProvider()
        self._open = True

    def __repr__(self) -> str:
        held = ", ".join(entry.key for entry in self._entries) or "no assets yet"
        return f"DatasetWriter({self.format}: {held}{'' if self._open else '; closed'})"

    @property
    def format(self) -> str:
        """Canonical name of the format."""
        return self._format.name

    @property
    def metadata(self) -> BufferedMetadataProvider:
        """Metadata of the file itself; what is set is copied."""
        return self._metadata

    @metadata.setter
    def metadata(self, value: Mapping[str, Any]) -> None:
        self._metadata = BufferedMetadataProvider(value)

    def add_asset(
        self, key: str, provider: Any, title: str = "", description: str = "", roles: Sequence[str] | None = None
    ) -> None:
        """Add an image, text, data or graphic; it is written when the dataset is closed.

        Args:
            key: unique in this dataset; ``NAME:overview:N`` is level N of image ``NAME``.
            provider: any object of the image provider protocol; or a text, data or graphics asset.
            title: for people.
            description: for people.
            roles: ``data``, ``overview`` …; none: the key tells overviews.

        Raises:
            TypeError: no asset, or an image provider without all attributes.
            EncodeError: the key is there already, the format has no such asset, or the dataset is closed.
        """
        self._require_open()
        if not isinstance(key, str) or not key:
            raise EncodeError(f"an asset's key is text, got {key!r}")
        if any(entry.key == key for entry in self._entries):
            raise EncodeError(f"{key}: there is an asset of that key already")
        if isinstance(roles, str):
            raise TypeError(f"{key}: roles are a list of texts, got {roles!r}")
        entry = _entry(key, provider, title, description, tuple(roles or ()))
        if entry.kind is not AssetType.Image and self._format.driver != "NITF":
            raise EncodeError(f"{key}: {self._format.name} holds {self._format.images}, no {entry.kind}")
        self._require_place(entry)
        self._entries.append(entry)

    def close(self) -> None:
        """Write everything; a second time, do nothing.

        Raises:
            EncodeError: the format cannot carry an asset, which is named, or there is none.
            ProviderError: a provider failed.
            ChipError: the file system refused. Whatever is raised, no file was begun or replaced.
        """
        if not self._open:
            return
        self._open = False
        parts = self._parts()
        module, _, name = self._format.writer.partition(":")
        write: WriteContents = getattr(import_module(f"stacchip_osml.encode.io.{module}"), name)
        with opened_for_writing(self._targets) as files:
            for out, part in zip(files, parts, strict=True):
                write(out, part, workers=self._workers, progress=self._progress)

    def abandon(self) -> None:
        """Close without writing."""
        self._open = False
        self._entries.clear()

    def __enter__(self) -> Self:
        """Give the writer itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write everything, or nothing if the block raised."""
        if kind is None:
            self.close()
        else:
            self.abandon()

    def _require_open(self) -> None:
        if not self._open:
            raise EncodeError("the dataset is closed")

    def _require_place(self, entry: Entry) -> None:
        level = entry.overview_of
        if self._levels and level is not None and level[1] not in self._levels:
            numbers = ", ".join(f".r{number}" for number in self._levels)
            raise EncodeError(f"{entry.key}: this R-set has files {numbers}, none for level {level[1]}")

    def _parts(self) -> list[Contents]:
        """Say what each file is made of."""
        if not self._entries:
            raise EncodeError("a dataset without an asset is not written")
        if self._levels or self._format.driver == "NITF":
            require_assumed_places([entry for entry in self._entries if entry.kind is AssetType.Image], self._format)
        if not self._levels:
            return [self._contents(self._entries)]
        base = [entry for entry in self._entries if entry.overview_of is None]
        parts = [base]
        for number in self._levels:
            level = [entry for entry in self._entries if entry.overview_of and entry.overview_of[1] == number]
            if not level:
                raise EncodeError(f"nothing was added for the R-set's file .r{number}: add KEY:overview:{number}")
            parts.append([replace(entry, key=(entry.overview_of or ("",))[0], roles=("data",)) for entry in level])
        if not any(entry.kind is AssetType.Image for entry in base):
            raise EncodeError("the base file of this R-set has no image")
        return [self._contents(part) for part in parts]

    def _contents(self, entries: Sequence[Entry]) -> Contents:
        return Contents(format=self._format, entries=tuple(entries), metadata=self._metadata, options=self._options)


def _entry(key: str, provider: Any, title: str, description: str, roles: tuple[str, ...]) -> Entry:
    """Look at what is to be written."""
    kind = getattr(provider, "asset_type", AssetType.Image)
    if isinstance(provider, (TextAsset, DataAsset, GraphicsAsset)) or (
        kind is not AssetType.Image and not hasattr(provider, "get_block")
    ):
        asset = provider if isinstance(provider, (TextAsset, DataAsset, GraphicsAsset)) else _foreign(key, provider)
        return Entry(
            key=key,
            kind=asset.asset_type,
            provider=asset,
            title=title or asset.title,
            description=description or asset.description,
            roles=roles,
            metadata=BufferedMetadataProvider(asset.metadata),
            record=asset.record,
        )
    require_provider(provider)
    metadata = BufferedMetadataProvider(getattr(provider, "metadata", None))
    for name in names_of_file(provider):
        metadata.pop(name, None)
    record = provider.record if isinstance(provider, ImageAsset) else None
    return Entry(
        key=key,
        kind=AssetType.Image,
        provider=CheckedProvider(provider.source if isinstance(provider, ImageAsset) else provider),
        title=title,
        description=description,
        roles=roles,
        metadata=metadata,
        record=record,
    )


def _foreign(key: str, asset: Any) -> TextAsset | DataAsset:
    """Take a text or data asset of another library by its attributes."""
    kind = str(getattr(asset.asset_type, "name", asset.asset_type)).lower().rpartition(".")[2]
    if not hasattr(asset, "raw_asset") or kind not in {"text", "data"}:
        raise TypeError(f"{key}: {type(asset).__name__} is neither an image provider nor a text or data asset")
    raw = asset.raw_asset
    data = bytes(raw.read() if hasattr(raw, "read") else raw)
    metadata = BufferedMetadataProvider(getattr(asset, "metadata", None))
    if kind == "text":
        return TextAsset(key=key, data=data, format=str(getattr(asset, "format", "U8S")), metadata=metadata)
    return DataAsset(key=key, data=data, metadata=metadata, mime_type=str(getattr(asset, "mime_type", "")))
