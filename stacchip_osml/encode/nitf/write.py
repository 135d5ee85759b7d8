"""Writing a NITF 2.1 or NSIF 1.0 file: everything is checked, then written front to back, then the header is filled in.

Rules:

- all fields, TREs and markings are checked before a byte is written (``plan``);
- what image data decides (lengths, ``CLEVEL``, ``COMRAT``) is filled in when it is written;
- a file gets its name when it is whole; an open file is cut back to where it
  was when something fails.
"""

from __future__ import annotations

import io
import itertools
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, BinaryIO

import numpy as np

from stacchip_osml.encode.atomic import opened
from stacchip_osml.encode.file_memory import fresh_file, reserve
from stacchip_osml.encode.nitf.levels import bytes_level
from stacchip_osml.encode.nitf.plan import CLAUSE, HEADER_STEPS, LENGTHS, FilePlan
from stacchip_osml.encode.nitf.plan_alike import planned
from stacchip_osml.encode.nitf.records import NitfFile
from stacchip_osml.errors import EncodeError
from stacchip_osml.pixel.counts import whole_number

__all__ = ["nitf_bytes", "write_nitf"]

CLEVEL_AT, FL_AT, LI_AT = 9, 342, 369
"""First byte of ``CLEVEL``, ``FL`` and the first ``LI`` in the file header."""
MOST_BYTES = 999_999_999_998
"""What FL can say."""
ONE_PIECE = 32 << 20
"""Bytes of a file that is put together in memory at once."""


def write_nitf(
    target: str | os.PathLike[str] | BinaryIO,
    file: NitfFile,
    *,
    workers: int = 1,
    progress: Any = None,
    now: datetime | None = None,
) -> None:
    """Write a file.

    Args:
        target: a path, of a new file or one to be replaced; or an open binary file that can be sought, written to from
            where it stands.
        file: what to write.
        workers: threads that encode.
        progress: told by the encoder of pixels how far it is.
        now: what ``FDT`` says where the file does not; the time of the call by default.

    Raises:
        EncodeError: a field breaks a rule, which is named with the standard's clause, or the format cannot carry the
            pixels; nothing is written then.
        ReadError: pixels could not be read. What was under the name is still there.
        ChipError: the file system refused. What was under the name is still there.
        ValueError: ``workers`` is less than 1.
    """
    workers = whole_number("workers", workers, least=1)
    plan = planned(file, datetime.now(UTC) if now is None else now)
    with opened(target) as out:
        _write(plan, out, workers=workers, progress=progress)


def nitf_bytes(file: NitfFile, *, workers: int = 1) -> bytes:
    """Write a file to memory; see :func:`write_nitf`."""
    plan = planned(file, datetime.now(UTC))
    part, size = plan.parts[0] if len(plan.parts) == 1 else None, _known_bytes(plan)
    if part is None or part.segment is None or not part.size or size > ONE_PIECE:
        out = io.BytesIO()
        _write(plan, out, workers=workers, progress=None)
        return out.getvalue()
    out = fresh_file(size)
    memory = out.getbuffer()  # every byte of which is written
    at = 0
    for piece in (_filled(plan, [part.size], size), plan.subheaders[0].data):
        memory[at : at + len(piece)] = piece
        at += len(piece)
    part.segment.fill(np.frombuffer(memory, np.uint8, part.size, at))
    at += part.size
    for piece in itertools.chain.from_iterable(plan.others):
        memory[at : at + len(piece)] = piece
        at += len(piece)
    memory.release()  # or they would be copied
    return out.getvalue()


def _write(plan: FilePlan, out: BinaryIO, *, workers: int, progress: Any) -> None:
    """Write all of it from where ``out`` stands."""
    start = out.tell()
    if all(part.size for part in plan.parts):
        reserve(out, start + _known_bytes(plan))
    out.write(plan.head)
    sizes, late = [], []
    for part, header in zip(plan.parts, plan.subheaders, strict=True):
        at, head = out.tell(), header.data
        out.write(head)
        length, fields = part.write(out, workers=workers, progress=progress)
        if not 1 <= length <= LENGTHS["LI"]:
            raise EncodeError(f"{part.where}: LI is {length}; expected 1 to {LENGTHS['LI']} bytes ({CLAUSE})")
        if out.tell() != at + len(head) + length:
            raise EncodeError(
                f"{part.where}: {length} bytes of image data are said, {out.tell() - at - len(head)} written"
            )
        sizes.append(length)
        if changed := {name: text for name, text in fields.items() if part.fields.get(name) != text}:
            late.append((at, header.changed(changed, where=part.where).data))
    for head, data in plan.others:
        out.write(head)
        out.write(data)
    end = out.tell()
    for at, head in [(start, _filled(plan, sizes, end - start)), *late]:
        out.seek(at)
        out.write(head)
    out.seek(end)


def _known_bytes(plan: FilePlan) -> int:
    """Count the bytes that are sure to be written."""
    known = len(plan.head) + sum(len(header.data) for header in plan.subheaders) + sum(part.size for part in plan.parts)
    return known + sum(len(head) + len(data) for head, data in plan.others)


def _filled(plan: FilePlan, image_bytes: Sequence[int], file_bytes: int) -> bytes:
    """Fill in what is known when all is written: CLEVEL, FL and each LI.

    Raises:
        EncodeError: FL cannot say how long the file is.
    """
    if file_bytes > MOST_BYTES:
        raise EncodeError(f"FL is {file_bytes}; expected at most {MOST_BYTES} ({CLAUSE})")
    head = bytearray(plan.head)
    head[CLEVEL_AT : CLEVEL_AT + 2] = b"%02d" % max(plan.level, bytes_level(file_bytes))
    head[FL_AT : FL_AT + 12] = b"%012d" % file_bytes
    for number, size in enumerate(image_bytes):
        at = LI_AT + number * HEADER_STEPS["NUMI"]
        head[at : at + 10] = b"%010d" % size
    return bytes(head)
