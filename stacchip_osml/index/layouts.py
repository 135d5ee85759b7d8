"""What the index keeps of a file so that its pixels can be read without opening it.

A :class:`StoredHeader` is text and bytes: it compares, merges and pickles by
them, and costs nothing until it is unpacked. Unpacking believes nothing: facts
and layout are checked alone, against each other and against the file's size.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from stacchip_osml.errors import IndexSchemaError, LimitError
from stacchip_osml.imagery.blocks.layout import ImageLayout, LevelLayout
from stacchip_osml.imagery.blocks.packing import pack_level, unpack_level
from stacchip_osml.imagery.header import BandHeader, GroundControlPoint, ImageHeader
from stacchip_osml.imagery.level_places import FULL_RESOLUTION, LevelPlace
from stacchip_osml.imagery.limits import ReadLimits
from stacchip_osml.pixel import ImageSize

if TYPE_CHECKING:
    from stacchip_osml.imagery.location import FileStamp
    from stacchip_osml.imagery.network.version import RemoteStamp

__all__ = ["StoredHeader", "dump_number", "parse_number"]

MASKS = frozenset({"none", "nodata", "alpha", "mask"})
_TEXTS = ("crs", "gcps_crs", "compression", "interleave", "acquired")
_DEFAULTS = {field.name: field.default for field in dataclasses.fields(ImageHeader)}
_BAND_DEFAULTS = {field.name: field.default for field in dataclasses.fields(BandHeader)}
_KNOWN = _DEFAULTS.keys() - {"size_bytes", "modified_ns"}
_ELSEWHERE = frozenset({"size_bytes", "modified_ns", "levels", "bands", "gcps", "places"})
_FAR = float(1 << 32)
"""R0 pixels: where no level lies, whatever its image."""
_STRETCHED = frozenset({"GTiff"})
"""Drivers whose levels are stretched, unless a header says where they lie; of others it always does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredHeader:
    """One file's header and block layout, packed, and the version of the file that they are of."""

    facts: str
    """The ImageHeader as JSON, without what the fields below say."""
    levels: tuple[bytes, ...]
    """A packed layout for each level."""
    size_bytes: int | None = None
    """Size of the file."""
    modified_ns: int | None = None
    """Time of a local file; None for a remote one, and where the index was saved as portable."""
    etag: str | None = None
    """ETag of a remote object, where it has one."""
    last_modified: str | None = None
    """Last-Modified of a remote object as its server spells it."""
    fingerprint: str | None = None
    """Of a local file: :func:`stacchip_osml.imagery.blocks.fingerprint.fingerprint`; what counts where no time does."""

    @classmethod
    def of(
        cls,
        header: ImageHeader,
        layout: ImageLayout,
        *,
        remote: RemoteStamp | None = None,
        fingerprint: str | None = None,
    ) -> StoredHeader:
        """Pack what a reader found out.

        Args:
            header: size and time of a local file are taken from it.
            layout: of the same levels.
            remote: version of a remote object.
            fingerprint: of a local file.

        Raises:
            LimitError: the layout has too many blocks to be stored.
            ValueError: header and layout do not belong together.
        """
        _require_together(header, layout)
        return cls(
            facts=_dump_facts(header),
            levels=tuple(pack_level(level) for level in layout.levels),
            size_bytes=header.size_bytes if remote is None else remote.size_bytes,
            modified_ns=header.modified_ns,
            etag=None if remote is None else remote.etag,
            last_modified=None if remote is None else remote.modified,
            fingerprint=fingerprint,
        )

    def unpack(self, *, name: str, limits: ReadLimits | None = None) -> tuple[ImageHeader, ImageLayout]:
        """Give what was packed.

        Args:
            name: names the image in messages.
            limits: refused above these; None for the defaults.

        Raises:
            IndexSchemaError: damaged, or not possible.
            LimitError: the image is larger than ``limits``.
        """
        try:
            header = _parse_facts(self.facts, size_bytes=self.size_bytes, modified_ns=self.modified_ns)
            levels = tuple(unpack_level(data, end=self.size_bytes, limits=limits, name=name) for data in self.levels)
            layout = ImageLayout(levels=levels)
            _require_together(header, layout)
        except LimitError:
            raise
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise IndexSchemaError(f"{name}: its stored header is damaged: {error}") from error
        return header, layout

    def is_of_file(self, stamp: FileStamp, fingerprint: Callable[[], str]) -> bool:
        """Tell whether a local file, as it is now, is the version that this header is of.

        Args:
            stamp: its size and time.
            fingerprint: gives its fingerprint; asked where the times do not decide.
        """
        if self.size_bytes != stamp.size_bytes:
            return False
        return self.modified_ns == stamp.modified_ns or (
            self.fingerprint is not None and self.fingerprint == fingerprint()
        )

    @property
    def sizes(self) -> tuple[ImageSize, ...]:
        """Size of each level.

        Raises:
            IndexSchemaError: the facts are damaged.
        """
        try:
            sizes = tuple(ImageSize(_side(width), _side(height)) for width, height in json.loads(self.facts)["levels"])
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise IndexSchemaError(f"a stored header is damaged: {error}") from error
        if len(sizes) != len(self.levels):
            raise IndexSchemaError(f"a stored header is damaged: {len(sizes)} levels, {len(self.levels)} of blocks")
        return sizes

    @property
    def lacks_places(self) -> bool:
        """Whether it is one of before: its levels are not stretched, and it does not say where they lie.

        Raises:
            IndexSchemaError: the facts are damaged.
        """
        if len(self.levels) < 2 or '"places"' in self.facts:
            return False
        try:
            return json.loads(self.facts)["driver"] not in _STRETCHED
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise IndexSchemaError(f"a stored header is damaged: {error}") from error

    @property
    def rank(self) -> tuple[object, ...]:
        """Where two are of one image: the greater counts, one that is complete, a later look before an earlier one."""
        return (
            not self.lacks_places,
            -1 if self.modified_ns is None else self.modified_ns,
            self.etag or "",
            self.last_modified or "",
            -1 if self.size_bytes is None else self.size_bytes,
            self.fingerprint or "",
            self.facts,
            self.levels,
        )


def _require_together(header: ImageHeader, layout: ImageLayout) -> None:
    if len(header.levels) != len(layout.levels):
        raise ValueError(f"{len(header.levels)} levels in the header, {len(layout.levels)} in the layout")
    kinds = {np.dtype(band.dtype) for band in header.bands}
    for size, level in zip(header.levels, layout.levels, strict=True):
        if not isinstance(level, LevelLayout):
            continue
        if level.size != size:
            raise ValueError(f"a level of {size} in the header has blocks for {level.size}")
        if level.bands != len(header.bands) or {level.codec.kind} != kinds:
            raise ValueError(
                f"{len(header.bands)} bands of {', '.join(sorted(map(str, kinds)))} in the header, "
                f"{level.bands} of {level.codec.kind} in the layout"
            )


def _dump_facts(header: ImageHeader) -> str:
    """Leave out what is as a new ImageHeader has it."""
    document = {
        name: value
        for name, default in _DEFAULTS.items()
        if name not in _ELSEWHERE and (value := getattr(header, name)) != default
    }
    document["levels"] = [list(size) for size in header.levels]
    if header.places:
        document["places"] = [dataclasses.astuple(place) for place in header.places]
    document["bands"] = [_dump_band(band) for band in header.bands]
    if header.gcps:
        document["gcps"] = [dataclasses.astuple(point) for point in header.gcps]
    return json.dumps(document, separators=(",", ":"), sort_keys=True, allow_nan=False)


def _parse_facts(text: str, *, size_bytes: int | None, modified_ns: int | None) -> ImageHeader:
    facts = dict(json.loads(text))
    if unknown := set(facts) - _KNOWN:
        raise ValueError(f"facts that are not known: {', '.join(sorted(unknown)):.80}")
    transform = facts.get("transform")
    if transform is not None:
        transform = tuple(map(float, transform))
        if len(transform) != 6 or not all(map(math.isfinite, transform)):
            raise ValueError(f"its transform is {transform}")
    for name in _TEXTS:
        if not isinstance(facts.get(name), str | None):
            raise TypeError(f"its {name} is {facts[name]!r:.40}")
    bands = tuple(_parse_band(band) for band in facts["bands"])
    levels = tuple(ImageSize(_side(width), _side(height)) for width, height in facts["levels"])
    if not levels or not bands or facts.get("mask", "none") not in MASKS:
        raise ValueError(f"{len(levels)} levels, {len(bands)} bands, mask {facts.get('mask')!r:.40}")
    places = tuple(_level_place(place) for place in facts.get("places", ()))
    if places and (len(places) != len(levels) or places[0] != FULL_RESOLUTION):
        raise ValueError(f"{len(places)} places of {len(levels)} levels, the first {places[0]}")
    if len(levels) > 1 and facts["driver"] not in _STRETCHED and not places:
        raise ValueError("it does not say where its levels lie, as those of before did not: run 'index headers' again")
    rows, cols = facts["block_shape"]
    return ImageHeader(
        driver=str(facts["driver"]),
        levels=levels,
        bands=bands,
        block_shape=(_side(rows), _side(cols)),
        transform=transform,
        gcps=tuple(_point(point) for point in facts.get("gcps", ())),
        rpcs=tuple((str(name), str(value)) for name, value in facts.get("rpcs", ())),
        area_or_point=str(facts.get("area_or_point", "Area")),
        mask=facts.get("mask", "none"),
        images=_side(facts.get("images", 1)),
        size_bytes=size_bytes,
        modified_ns=modified_ns,
        places=places,
        **{name: facts.get(name) for name in _TEXTS},
    )


def _level_place(values: Sequence[Any]) -> LevelPlace:
    x, y, dx, dy = map(float, values)
    if not (abs(x) < _FAR and abs(y) < _FAR and 0 < dx < _FAR and 0 < dy < _FAR):
        raise ValueError(f"a level at {x}, {y} with pixels of {dx} x {dy}")
    return LevelPlace(x, y, dx, dy)


def _point(values: Sequence[Any]) -> GroundControlPoint:
    row, col, x, y, z = map(float, values)
    return GroundControlPoint(row=row, col=col, x=x, y=y, z=z)


def _dump_band(band: BandHeader) -> dict[str, Any]:
    return {
        name: dump_number(value)
        for name, default in _BAND_DEFAULTS.items()
        if (value := getattr(band, name)) is not default and value != default
    }


def _parse_band(facts: Any) -> BandHeader:
    if not isinstance(facts, Mapping):
        raise TypeError(f"a band is {facts!r:.40}")
    nodata = parse_number(facts.get("nodata"))
    description = facts.get("description")
    kind = np.dtype(str(facts["dtype"]))
    if kind.kind not in "iufc" or not isinstance(description, str | None):
        raise ValueError(f"a band of {kind} called {description!r:.40}")
    if isinstance(nodata, bool) or not isinstance(nodata, int | float | complex | None):
        raise ValueError(f"nodata is {nodata!r:.40}")  # noqa: TRY004 - damage is one kind of error
    return BandHeader(
        dtype=kind.name,
        nodata=nodata,
        scale=float(parse_number(facts.get("scale", 1.0))),
        offset=float(parse_number(facts.get("offset", 0.0))),
        description=description,
        color=str(facts.get("color", "undefined")),
    )


def _side(value: Any) -> int:
    if type(value) is not int or not 0 < value < 2**31:
        raise ValueError(f"{value!r:.40} pixels")
    return value


def dump_number(value: Any) -> Any:
    """Turn a number into one that JSON has; all else stays."""
    if isinstance(value, complex):
        return ["complex", dump_number(value.real), dump_number(value.imag)]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def parse_number(value: Any) -> Any:
    """Read what :func:`dump_number` wrote for a number."""
    if isinstance(value, list):
        _, real, imag = value
        return complex(float(real), float(imag))
    return float(value) if isinstance(value, str) else value
