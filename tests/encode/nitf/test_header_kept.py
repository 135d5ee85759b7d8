"""File headers that are encoded once for many files: what was stored in a way of its own stays so."""

import io
from datetime import UTC, datetime

import numpy as np

from stacchip_osml.encode.nitf import NitfFile, NitfImage, write_nitf
from stacchip_osml.encode.nitf.fields import StoredText
from stacchip_osml.imagery.buffered import BufferedImageAssetProvider

NOW = datetime(2026, 3, 21, 10, 11, 12, tzinfo=UTC)


def written(title):
    pixels = BufferedImageAssetProvider.from_array(np.zeros((1, 8, 8), np.uint8))
    out = io.BytesIO()
    write_nitf(out, NitfFile(fields={"FTITLE": title}, images=(NitfImage(pixels=pixels),)), now=NOW)
    return out.getvalue()


def test_a_title_with_bytes_of_its_own_is_not_taken_for_the_same_text():
    stored = b"A".ljust(80, b"\0")

    plain, own, again = written("A"), written(StoredText.of("A", stored)), written("A")

    assert plain == again
    assert stored in own
    assert stored not in plain


def test_another_title_is_another_header():
    assert written("A") != written("B")
