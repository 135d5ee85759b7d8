"""Sensor metadata as few bytes, and back: what of a file an index keeps to place its chips without it.

JSON, deflated. Texts hold the bytes of TREs and XML one character a byte, so
they come back as they were. Only what a model is made of is kept: of the
replacement sensor models, which none uses, and of map frames the names, to say
that they are there.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from stacchip_osml.errors import ItemError, LimitError
from stacchip_osml.geometry.nitf_facts import XML_TOTAL
from stacchip_osml.geometry.sensor_facts import SensorFacts
from stacchip_osml.pixel import ImageSize

__all__ = ["needed", "pack_sensor", "unpack_sensor"]

FIELDS = ("ICORDS", "IGEOLO", "IID1")
TAGS = frozenset({"RPC00A", "RPC00B", "ICHIPB", "CSCRNA", "BLOCKA", "GEOLOB", "GEOPSB", "PRJPSB", "MAPLOB"})
UNPACKED = 2 * XML_TOTAL
"""Bytes that packed metadata may become: a character of a text is up to two."""


def pack_sensor(facts: SensorFacts) -> bytes:
    """Pack what sensor models take from a NITF file; transform, control points and polynomials are kept elsewhere."""
    kept = needed(facts)
    document = {
        "fields": dict(kept.fields),
        "tres": [(tag, data.decode("latin-1")) for tag, data in kept.tres],
        "file_tres": [(tag, data.decode("latin-1")) for tag, data in kept.file_tres],
        "xml": [each.decode("latin-1") for each in kept.des_xml],
    }
    return zlib.compress(json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode(), 6)


def unpack_sensor(data: bytes, size: ImageSize) -> SensorFacts:
    """Unpack what :func:`pack_sensor` packed.

    Args:
        data: packed.
        size: of the image.

    Raises:
        ItemError: damaged.
        LimitError: larger than any of its kind.
    """
    work = zlib.decompressobj()
    try:
        text = work.decompress(data, UNPACKED)
        if work.unconsumed_tail:
            raise LimitError(f"packed sensor metadata of more than {UNPACKED} bytes")
        document = json.loads(text)
        return SensorFacts(
            size=size,
            fields=MappingProxyType({str(name): str(value) for name, value in document["fields"].items()}),
            tres=_tres(document["tres"]),
            file_tres=_tres(document["file_tres"]),
            des_xml=tuple(each.encode("latin-1") for each in document["xml"]),
        )
    except (zlib.error, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ItemError(f"packed sensor metadata is damaged: {type(error).__name__}") from error


def needed(facts: SensorFacts) -> SensorFacts:
    """Leave out of a NITF file's facts what no model is made of."""
    fields = {"IID1": "", **{name: facts.fields[name] for name in FIELDS if name in facts.fields}}
    return replace(
        facts,
        fields=MappingProxyType(fields),
        tres=_kept(facts.tres),
        file_tres=_kept(facts.file_tres),
        des_xml=_models(facts.des_xml),
    )


def _kept(tres: tuple[tuple[str, bytes], ...]) -> tuple[tuple[str, bytes], ...]:
    return tuple(
        (tag, data if tag in TAGS else b"") for tag, data in tres if tag in TAGS or tag.startswith(("RSM", "RPF"))
    )


def _tres(pairs: Any) -> tuple[tuple[str, bytes], ...]:
    return tuple((str(tag), data.encode("latin-1")) for tag, data in pairs)


def _models(documents: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """Keep the documents of the products; those that they were made of place nothing where there are products."""
    products = tuple(each for each in documents if b"urn:SIDD:" in each[:4096])
    return products or tuple(each for each in documents if b"urn:SICD:" in each[:4096])
