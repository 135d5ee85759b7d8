"""A dataset open for reading: its assets by key, each read when it is asked for.

Rules:

- the format is told by the first bytes of a file, those of registered readers
  included; one that is named must be it;
- images are those of the library's readers, so pixels come block by block, from
  any thread, and an image outlives the dataset it was taken from;
- ``image:0`` is the image, ``image:0:overview:N`` its level N, of a file of its
  own in an R-set, or stored in a TIFF; ``image:N`` is a further segment of NITF or
  page of a TIFF. The segments of a SICD's or SIDD's product are one image, under the
  number of the first.
"""

from __future__ import annotations

import os
import tempfile
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from stacchip_osml.encode.io.assets import ImageAsset
from stacchip_osml.encode.io.format_names import FORMATS, DatasetFormat
from stacchip_osml.encode.io.kinds import AssetType
from stacchip_osml.encode.io.metadata import BufferedMetadataProvider
from stacchip_osml.errors import AssetMissing, DecodeError
from stacchip_osml.extensions import load_extensions
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.imagery.location import is_remote, read_local_head
from stacchip_osml.imagery.providers.own_readers import READERS, image_kind

if TYPE_CHECKING:
    from stacchip_osml.geometry.sensor_facts import SensorFacts

__all__ = ["DatasetReader", "open_dataset"]

Makers = dict[str, Callable[[], Any]]

MEDIA_TYPES = {"GTiff": "image/tiff", "PNG": "image/png", "JPEG": "image/jpeg", "JP2OpenJPEG": "image/jp2"}
HIGH_THROUGHPUT = b"\x40"
"""From which first byte of Rsiz on a codestream is one (ISO/IEC 15444-15, A.3: bit 14)."""
KINDS = {
    "image": AssetType.Image,
    "text": AssetType.Text,
    "des": AssetType.Data,
    "graphic": AssetType.Graphics,
}
"""Beginning of a key → kind."""


class _Copies:
    """Files with the bytes of open files; they are removed when nobody reads them any more, or the process ends."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.remove = weakref.finalize(self, _remove, self.paths, os.getpid())


_HELD: weakref.WeakKeyDictionary[Any, _Copies] = weakref.WeakKeyDictionary()
"""Image → the copies it is read from: it may outlive the reader that gave it."""


class DatasetReader:
    """A dataset open for reading; a context manager. Made by :meth:`IO.open`."""

    def __init__(
        self,
        makers: Makers,
        metadata: BufferedMetadataProvider,
        *,
        name: str,
        copies: _Copies,
    ) -> None:
        """Hold what gives the assets.

        Args:
            makers: key → what makes its asset.
            metadata: of the dataset.
            name: of the format, canonical.
            copies: files that it reads, and removes when it is closed.
        """
        self._makers, self._metadata, self.format = makers, metadata, name
        self._copies = copies
        self._made: dict[str, Any] = {}
        self._open = True

    def __repr__(self) -> str:
        held = ", ".join(self._makers) or "no assets"
        return f"DatasetReader({self.format}: {held}{'' if self._open else '; closed'})"

    @property
    def metadata(self) -> BufferedMetadataProvider:
        """Metadata of the file itself."""
        self._require_open()
        return self._metadata

    def get_asset_keys(
        self, asset_type: AssetType | str | None = None, roles: Iterable[str] | None = None
    ) -> list[str]:
        """List the keys of assets.

        Args:
            asset_type: only of this kind: ``AssetType.Image``, ``"text"`` …; None for all.
            roles: only those with one of these roles; None for all.

        Raises:
            ValueError: an unknown kind, or the dataset is closed.
        """
        self._require_open()
        wanted = None if asset_type is None else AssetType(_kind_name(asset_type))
        chosen = None if roles is None else set(roles)
        return [
            key
            for key in self._makers
            if wanted in {None, KINDS[key.partition(":")[0]]}
            and (chosen is None or chosen & set(self.get_asset(key).roles))
        ]

    def has_asset(self, key: str) -> bool:
        """Tell whether there is an asset of a key."""
        return key in self._makers

    def get_asset(self, key: str) -> Any:
        """Give an asset: :class:`ImageAsset`, :class:`TextAsset`, :class:`DataAsset` or :class:`GraphicsAsset`.

        Raises:
            KeyError: there is none of that key; the message lists those that are.
            ValueError: the dataset is closed.
            ReadError: it cannot be read.
        """
        self._require_open()
        if key not in self._makers:
            raise KeyError(f"no asset {key!r}; there are {', '.join(self._makers) or 'none'}")
        if key not in self._made:
            made = self._made[key] = self._makers[key]()
            if self._copies.paths and isinstance(made, ImageAsset):
                _HELD[made.source] = self._copies
        return self._made[key]

    def sensor_facts(self, asset_key: str | None = None) -> SensorFacts:
        """Give what a sensor model is made of, for :func:`stacchip_osml.geometry.load_sensor_model`.

        Args:
            asset_key: of an image; None for the first.

        Raises:
            KeyError: there is no such image.
            ValueError: the dataset is closed.
        """
        key = next(iter(self.get_asset_keys(AssetType.Image)), "image:0") if asset_key is None else asset_key
        found: SensorFacts = self.get_asset(key).sensor_facts()
        return found

    def close(self) -> None:
        """Give no more assets; those given can be used on, but for what was read from an open file."""
        self._open = False
        self._copies.remove()

    def __enter__(self) -> Self:
        """Give the reader itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def _require_open(self) -> None:
        if not self._open:
            raise ValueError("the dataset is closed")


def _remove(paths: Sequence[str], process: int) -> None:
    """Remove files in the process that made them: a forked one has no say."""
    for path in paths if os.getpid() == process else ():
        with suppress(OSError):
            Path(path).unlink()


def _kind_name(kind: Any) -> str:
    return str(getattr(kind, "value", kind)).lower()


def open_dataset(sources: Sequence[Any], kind: DatasetFormat | None, *, levels: Sequence[int]) -> DatasetReader:
    """Open the files of a dataset.

    Args:
        sources: the base, then the levels of an R-set.
        kind: the format that they must have; None for what their first bytes say.
        levels: numbers of the files after the base.

    Raises:
        ReadError: a file that is missing, no image, or of another format; a level that is none of the base.
    """
    copies = _Copies()
    try:
        files = [_location(source, copies.paths) for source in sources]
        heads = [b"" if is_remote(file) else read_local_head(file) for file in files]
        drivers = [_driver(file, head, kind) for file, head in zip(files, heads, strict=True)]
        metadata, makers = _assets(files[0], drivers[0], with_levels=not levels)
        for number, file, driver in zip(levels, files[1:], drivers[1:], strict=True):
            key = f"image:0:overview:{number}"
            makers[key] = _renamed(_level_of_rset(file, driver), key)
    except BaseException:  # which holds this frame for as long as somebody looks at it
        copies.remove()
        raise
    name = _format_name(heads[0], drivers[0]) if kind is None else kind.name
    return DatasetReader(makers, metadata, name=name, copies=copies)


def _level_of_rset(file: str, driver: str) -> Callable[[], Any]:
    _, makers = _assets(file, driver, with_levels=False)
    if "image:0" not in makers:
        raise DecodeError(f"{file}: a level of an R-set without an image")
    return makers["image:0"]


def _location(source: Any, copies: list[str]) -> str:
    """Give an absolute path or a URL; of an open file, its bytes go to a file of their own."""
    if isinstance(source, (str, os.PathLike)):
        text = os.fspath(source)
        if text.lower().startswith("file://"):
            from stacchip_osml.encode.io.targets import local_path

            text = local_path(text)
        if "\0" in text:
            raise AssetMissing(f"{text!r:.200}: no file's name has a NUL")
        return text if is_remote(text) else str(Path(text).absolute())
    if not hasattr(source, "read"):
        raise TypeError(f"a dataset is read from a path, a URL or an open binary file, not a {type(source).__name__}")
    with tempfile.NamedTemporaryFile(prefix="dataset-", delete=False) as file:
        copies.append(file.name)
        while piece := source.read(1 << 20):
            file.write(piece)
    return file.name


def _driver(location: str, head: bytes, kind: DatasetFormat | None) -> str:
    if is_remote(location):
        from stacchip_osml.imagery.reading import read_header

        driver: str | None = read_header(location).driver
    else:
        driver = image_kind(head)
    if driver is None:
        raise DecodeError(f"{location}: its first bytes are those of no image format that is read{load_extensions()}")
    if kind is not None and kind.driver != driver:
        raise DecodeError(f"{location}: is no {kind.name}, its first bytes are those of {_format_name(head, driver)}")
    return driver


def _format_name(head: bytes, driver: str) -> str:
    """Name a file's format by its first bytes; of what is not local, what its driver reads first."""
    if driver == "NITF":
        return "nsif" if head.startswith(b"NSIF") else "nitf"
    if driver == "JP2OpenJPEG":
        if head[4:8] == b"jP  ":
            return "jph" if head[20:24] == b"jph " else "jp2"
        return "jhc" if head[6:7] >= HIGH_THROUGHPUT else "j2k"
    return next((row.name for row in FORMATS.values() if row.driver == driver), driver)


def _assets(location: str, driver: str, *, with_levels: bool) -> tuple[BufferedMetadataProvider, Makers]:
    if driver == "NITF":
        from stacchip_osml.encode.io.nitf_dataset import nitf_assets

        return nitf_assets(location)
    image = BlockImage(location)
    metadata = _tags(image, driver)
    makers: Makers = {"image:0": lambda: _image(image, "image:0", metadata, driver, ("data",))}
    if with_levels and driver == "GTiff":
        for level in range(1, image.num_resolution_levels):
            key = f"image:0:overview:{level}"
            makers[key] = _level_maker(image, level, key, driver)
        makers |= _pages(image, driver) if image.header.images > 1 else {}
    else:
        image.header  # noqa: B018 - what is no image is an error now, not at its first pixel
    return BufferedMetadataProvider(), makers


def _pages(first: BlockImage, driver: str) -> Makers:
    """Give the further pages of a TIFF, each made when it is asked for."""
    from stacchip_osml.imagery.tiff.directories import page_directories
    from stacchip_osml.imagery.tiff.pages import TiffPage

    def maker(page: int, directory: int) -> Callable[[], ImageAsset]:
        image = TiffPage(first.location, page, directory=directory)
        return lambda: _image(image, f"image:{page}", image.metadata, driver, ("data",))

    directories = page_directories(first.file.read_at, name=first.name, size=first.file.size)
    return {f"image:{page}": maker(page, directory) for page, directory in enumerate(directories) if page}


def _tags(image: BlockImage, driver: str) -> Mapping[str, Any]:
    """Give the metadata of an image: a local TIFF's tags by number and geo keys by name; of others what GDAL names."""
    if driver != "GTiff" or image.remote:
        return image.metadata
    from stacchip_osml.encode.tiff.reading import tiff_metadata

    return tiff_metadata(image.location)


def _image(source: Any, key: str, metadata: Mapping[str, Any], driver: str, roles: tuple[str, ...]) -> ImageAsset:
    media_type = MEDIA_TYPES[driver] if driver in MEDIA_TYPES else READERS[driver].media_type
    return ImageAsset(source, key=key, metadata=BufferedMetadataProvider(metadata), roles=roles, media_type=media_type)


def _level_maker(image: BlockImage, level: int, key: str, driver: str) -> Callable[[], ImageAsset]:
    from stacchip_osml.imagery.pyramids.levels import LevelView

    return lambda: _image(LevelView(image, level), key, {}, driver, ("overview",))


def _renamed(make: Callable[[], Any], key: str) -> Callable[[], ImageAsset]:
    def renamed() -> ImageAsset:
        found: ImageAsset = make()
        return ImageAsset(
            found.source,
            key=key,
            metadata=found.metadata,
            title=found.title,
            description=found.description,
            roles=("overview",),
            media_type=found.media_type,
            record=found.record,
        )

    return renamed
