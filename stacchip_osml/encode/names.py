"""File names that are safe anywhere, and files that are whole or absent.

A name is ``[A-Za-z0-9._-]{1,120}``, means nothing to a shell, a path or Windows,
and differs for different texts even where upper and lower case are the same
file. To keep that promise a text is its own name only if it is lower case;
every other one gets a readable beginning and a hash. A text that looks like such
a name is hashed too, so that none can be forged.
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import Any

from stacchip_osml.encode.atomic import temporary_beside
from stacchip_osml.encode.chip import Chip
from stacchip_osml.errors import ChipError

__all__ = ["safe_name", "write_chip", "write_file"]

MAX_NAME = 120
HASH_DIGITS = 16
PLAIN = re.compile(r"[a-z0-9_][a-z0-9._-]*")
HASHED = re.compile(rf".*-[0-9a-f]{{{HASH_DIGITS}}}")
FORBIDDEN = re.compile(r"[^A-Za-z0-9._-]+")
DEVICE = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)
"""Names that Windows gives to devices, with any ending."""


def safe_name(text: str, *, suffix: str = "") -> str:
    """Give a file name for a text: readable, distinct, harmless.

    Args:
        text: an id or key; anything.
        suffix: a file ending to append, ``.tif``; names of one suffix are distinct among themselves.

    Returns:
        ``[A-Za-z0-9._-]{1,120}`` with the suffix included; the text itself where it is lower case and fits.
    """
    room = MAX_NAME - len(suffix)
    if (
        PLAIN.fullmatch(text)
        and len(text) <= room
        and not text.endswith(".")
        and not DEVICE.fullmatch(text)
        and not HASHED.fullmatch(text)
    ):
        return text + suffix
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:HASH_DIGITS]
    readable = FORBIDDEN.sub("_", text).strip("._-")[: room - HASH_DIGITS - 1].rstrip("._-")
    if DEVICE.fullmatch(readable) or not readable:
        readable = f"chip_{readable}".rstrip("_")
    return f"{readable}-{digest}{suffix}"


def write_file(path: Path, data: bytes) -> None:
    """Write a file so that its name shows all of it or what was there before.

    Raises:
        ChipError: the file system refused; nothing is left behind.
    """
    with temporary_beside(path) as temporary:
        try:
            with temporary.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except OSError as error:
            raise ChipError(f"cannot write {path}: {error.strerror}") from error


def write_chip(
    folder: str | Path,
    chip: Chip,
    format: str = "geotiff",  # noqa: A002 - the everyday word for it
    *,
    name: str | None = None,
    **options: Any,
) -> Path:
    """Encode a chip and write it into a folder, whole or not at all.

    Args:
        folder: made if it is not there.
        chip: what to write.
        format: a name of ``FORMATS``.
        name: text that the file is named after, made safe; by default the id of the chip's row, else its window.
        **options: of the format's encoder.

    Returns:
        The file's path: always directly in ``folder``.

    Raises:
        EncodeError: see :func:`~stacchip_osml.encode.formats.encode_chip`.
        ChipError: the file system refused.
    """
    from stacchip_osml.encode.formats import encode_chip, image_format

    data = encode_chip(chip, format, **options)
    window = chip.window
    by_place = f"x{window.x}_y{window.y}_w{window.width}_h{window.height}_l{chip.level}"
    text = name if name is not None else str(chip.row.get("id") or by_place)
    target = Path(folder)
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ChipError(f"cannot make the folder {target}: {error.strerror}") from error
    path = target / safe_name(text, suffix=image_format(format).extensions[0])
    write_file(path, data)
    return path
