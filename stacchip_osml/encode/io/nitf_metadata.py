"""Fields and TREs of NITF as metadata, and back, without loss.

Rules:

- a key in capitals is a field, its value the text as it stands, or a number for
  its digits; a TRE is a key of its tag with a dict of its fields, or with its bytes
  where nobody knows them or they are not what they should be, or a :class:`Tre` of any bytes;
- bytes that a caller gives of a TRE that is known have to be its fields; those that
  were read are written back, whatever they are;
- a TRE that was read and not changed is written back byte for byte;
- names of other formats (numbers, ``GeoTransform``) are no fields, and left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from stacchip_osml.encode.field_text import text_of
from stacchip_osml.encode.io.metadata import BufferedMetadataProvider
from stacchip_osml.encode.nitf.records import Tre
from stacchip_osml.encode.nitf.tables import FIELDS
from stacchip_osml.encode.nitf.tres import make_tre, tre_fields, tre_of_bytes
from stacchip_osml.errors import DecodeError, EncodeError

__all__ = ["KeptBytes", "TreRecord", "is_foreign", "metadata_of", "split_metadata"]

FIELD = re.compile(r"[A-Z][A-Z0-9_]*")
FOREIGN = ("TIFFTAG_", "AREA_OR_POINT", "NITF_", "STATISTICS_")
"""Beginnings of names that GDAL gives, not NITF."""


class KeptBytes(bytes):
    """The data of a TRE that was read and is not what its layout says."""


class TreRecord(dict[str, str]):
    """The fields of a TRE that was read; it remembers the bytes that they were."""

    def __init__(self, fields: Mapping[str, str], tre: Tre | None = None) -> None:
        """Copy fields.

        Args:
            fields: as :func:`~stacchip_osml.encode.nitf.tres.tre_fields` gives them.
            tre: what they are of.
        """
        super().__init__(fields)
        self._tre = tre
        self._read = dict(fields)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuilt, (dict(self), self._read, self._tre)

    def __deepcopy__(self, memo: dict[int, Any]) -> TreRecord:
        return _rebuilt(dict(self), self._read, self._tre)

    def unchanged(self) -> Tre | None:
        """Give the TRE that was read, if its fields still are what they were."""
        return self._tre if dict(self) == self._read else None


def _rebuilt(fields: dict[str, str], read: dict[str, str], tre: Tre | None) -> TreRecord:
    record = TreRecord(read, tre)
    record.clear()
    record.update(fields)
    return record


def metadata_of(fields: Mapping[str, str], tres: Iterable[Tre]) -> BufferedMetadataProvider:
    """Give fields and TREs as metadata, in their order."""
    metadata = BufferedMetadataProvider(fields)
    for tre in tres:
        try:
            known = tre_fields(tre)
        except DecodeError:
            metadata.append(tre.tag, KeptBytes(tre.data))
        else:
            metadata.append(tre.tag, tre.data if known is None else TreRecord(known, tre))
    return metadata


def split_metadata(metadata: BufferedMetadataProvider, *, where: str) -> tuple[dict[str, str], tuple[Tre, ...]]:
    """Take metadata apart into fields and TREs.

    Args:
        metadata: of a file, image, text …
        where: what it is of, for messages.

    Raises:
        EncodeError: a value is neither text, number, dict of fields, bytes nor a :class:`Tre`, or a field's is bytes;
            or a TRE that its fields or bytes do not make.
    """
    fields: dict[str, str] = {}
    tres: list[Tre] = []
    for key, value in metadata.ordered():
        if isinstance(value, TreRecord) and (tre := value.unchanged()) is not None and tre.tag == key:
            tres.append(tre)
        elif isinstance(value, Mapping):
            tres.append(
                make_tre(key, {name: text_of(each, where=f"{where}: {key}: {name}") for name, each in value.items()})
            )
        elif isinstance(value, (bytes, bytearray)):
            if key in FIELDS:
                raise EncodeError(f"{where}: {key} is a field: its value is text, got bytes ({FIELDS[key].clause})")
            data = bytes(value)
            tres.append(Tre(key, data) if isinstance(value, KeptBytes) else tre_of_bytes(key, data))
        elif isinstance(value, Tre) and value.tag == key:
            tres.append(value)
        elif is_foreign(key, value) or value is None:
            continue
        else:
            _require_one(metadata, key, where)
            fields[key] = text_of(value, where=f"{where}: {key}")
    return fields, tuple(tres)


def is_foreign(key: str, value: Any) -> bool:
    """Tell whether metadata are another format's: no TRE, and no name that a field could have."""
    is_tre = isinstance(value, (Mapping, bytes, bytearray, Tre))
    return not is_tre and (FIELD.fullmatch(key) is None or key.startswith(FOREIGN))


def _require_one(metadata: BufferedMetadataProvider, key: str, where: str) -> None:
    if len(metadata.get_all(key)) > 1:
        raise EncodeError(f"{where}: {key} is a field and has one value, got {len(metadata.get_all(key))}")
