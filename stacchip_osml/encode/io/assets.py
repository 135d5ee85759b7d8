"""Assets that are not only pixels: images with their kind and roles, texts, data, graphics; read or made in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from typing import TYPE_CHECKING, Any

from stacchip_osml.encode.io.kinds import AssetType, PixelType
from stacchip_osml.encode.io.metadata import BufferedMetadataProvider
from stacchip_osml.errors import DecodeError, EncodeError
from stacchip_osml.imagery.adapters.view import ProviderView
from stacchip_osml.imagery.providers.buffered import BufferedImageAssetProvider
from stacchip_osml.imagery.providers.facts import dtype_of

if TYPE_CHECKING:
    from stacchip_osml.geometry.sensor_facts import SensorFacts

__all__ = [
    "BufferedDataAssetProvider",
    "BufferedImageAssetProvider",
    "BufferedTextAssetProvider",
    "DataAsset",
    "GraphicsAsset",
    "ImageAsset",
    "TextAsset",
]

ENCODINGS = {"UTF-8": ("utf-8", "U8S"), "ASCII": ("ascii", "STA"), "ECS": ("latin-1", "UT1"), "MTF": ("ascii", "MTF")}
"""Name → (Python's codec, TXTFMT of NITF)."""


class ImageAsset(ProviderView):
    """One image of a dataset, with its own key, metadata and roles; its pixels are its source's."""

    shows_source = True
    asset_type = AssetType.Image

    def __init__(
        self,
        source: Any,
        *,
        key: str,
        metadata: Mapping[str, Any] | None = None,
        title: str | None = None,
        description: str | None = None,
        roles: Sequence[str] = ("data",),
        media_type: str = "application/octet-stream",
        record: Any = None,
    ) -> None:
        """Look at an image.

        Args:
            source: any object of the image provider protocol.
            key: of the asset.
            metadata: None for the source's.
            title: None for the source's.
            description: None for the source's.
            roles: of the asset.
            media_type: of the file that it is in.
            record: the format's own record of the image, where it was read from one.
        """
        super().__init__(source)
        self._key, self._metadata, self._title, self._description = key, metadata, title, description
        self.roles = list(roles)
        self.media_type = media_type
        self.record = record

    @property
    def key(self) -> str:
        """Of the asset."""
        return self._key

    @property
    def title(self) -> str:
        """What the image is called."""
        return super().title if self._title is None else self._title

    @property
    def description(self) -> str:
        """What the image says it shows."""
        return super().description if self._description is None else self._description

    @property
    def metadata(self) -> Mapping[str, Any]:
        """The format's own fields of this image."""
        return super().metadata if self._metadata is None else self._metadata

    @property
    def pixel_value_type(self) -> PixelType:
        """The type of pixels."""
        return PixelType(dtype_of(self.source).name)

    def sensor_facts(self, asset_key: str | None = None) -> SensorFacts:  # noqa: ARG002 - of readers of many images
        """Give what a sensor model of the image is made of, for :func:`stacchip_osml.geometry.load_sensor_model`."""
        from stacchip_osml.encode.nitf.parent import parent_of
        from stacchip_osml.geometry.sensor_loading import sensor_facts_of

        return sensor_facts_of(parent_of(self.source) or self.source)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asset:
    key: str
    metadata: Mapping[str, Any] = field(default_factory=BufferedMetadataProvider)
    """The format's own fields."""
    title: str = ""
    description: str = ""
    roles: tuple[str, ...] = ("data",)
    data: bytes = field(default=b"", repr=False)
    """As it stands in the file."""
    record: Any = field(default=None, repr=False)
    """The format's own record, where it was read from one."""

    @property
    def raw_asset(self) -> BytesIO:
        """The bytes as a file."""
        return BytesIO(self.data)


@dataclass(frozen=True, slots=True, kw_only=True)
class TextAsset(_Asset):
    """A text."""

    format: str = "U8S"
    """``TXTFMT`` of NITF: ``STA``, ``MTF``, ``UT1`` or ``U8S``."""
    asset_type = AssetType.Text
    media_type = "text/plain"

    @property
    def encoding(self) -> str:
        """``UTF-8``, ``ASCII``, ``ECS`` or ``MTF``."""
        return next((name for name, (_, code) in ENCODINGS.items() if code == self.format), "ECS")

    @property
    def text(self) -> str:
        """The text, decoded; lines end as in the file.

        Raises:
            DecodeError: it is not what its format says.
        """
        try:
            return self.data.decode(ENCODINGS[self.encoding][0])
        except UnicodeDecodeError as error:
            raise DecodeError(f"{self.key}: its {len(self.data)} bytes are not {self.encoding}: {error}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class DataAsset(_Asset):
    """Structured data: XML, JSON, or anything else."""

    mime_type: str = "application/octet-stream"
    asset_type = AssetType.Data

    @property
    def media_type(self) -> str:
        """The same as ``mime_type``."""
        return self.mime_type


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphicsAsset(_Asset):
    """A graphic (CGM), as it stands."""

    asset_type = AssetType.Graphics
    media_type = "image/cgm"


class BufferedTextAssetProvider:
    """Makes texts; see :meth:`create`."""

    @staticmethod
    def create(  # noqa: PLR0917 - the documented order
        key: str,
        text_content: str,
        encoding: str = "UTF-8",
        title: str | None = None,
        description: str | None = None,
        roles: Sequence[str] | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> TextAsset:
        """Make a text.

        Args:
            key: of the asset.
            text_content: the text; its lines are ended with CR LF, as NITF wants it.
            encoding: ``UTF-8``, ``ASCII``, ``ECS`` (Latin-1) or ``MTF``.
            title: of the text.
            description: of the text.
            roles: of the asset.
            metadata: further fields of a NITF text subheader: ``TEXTID``, ``TXTDT``, ``TSCLAS`` …

        Raises:
            EncodeError: an unknown encoding, or one that does not have a character of the text.
        """
        if encoding not in ENCODINGS:
            raise EncodeError(f"{key}: encoding must be one of {', '.join(ENCODINGS)}; got {encoding!r}")
        codec, code = ENCODINGS[encoding]
        lines = text_content.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n")
        try:
            data = lines.encode(codec)
        except UnicodeEncodeError as error:
            raise EncodeError(f"{key}: {encoding} does not have {text_content[error.start]!r}") from error
        return TextAsset(
            key=key,
            data=data,
            format=code,
            title=title or "",
            description=description or "",
            roles=tuple(roles or ("data",)),
            metadata=BufferedMetadataProvider(metadata),
        )


class BufferedDataAssetProvider:
    """Makes data assets; see :meth:`create`."""

    @staticmethod
    def create(  # noqa: PLR0917 - the documented order
        key: str,
        data: bytes,
        mime_type: str = "application/octet-stream",
        title: str | None = None,
        description: str | None = None,
        roles: Sequence[str] | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> DataAsset:
        """Make a data asset, which NITF has as a data extension segment.

        Args:
            key: of the asset.
            data: the bytes.
            mime_type: what they are.
            title: of the data.
            description: of the data.
            roles: of the asset.
            metadata: fields of the subheader: ``DESID``, ``DESVER``, ``DESCLAS`` …; ``DESSHF`` is the user-defined
                one, bytes or text.
        """
        return DataAsset(
            key=key,
            data=bytes(data),
            mime_type=mime_type,
            title=title or "",
            description=description or "",
            roles=tuple(roles or ("data",)),
            metadata=BufferedMetadataProvider(metadata),
        )
