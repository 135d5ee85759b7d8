"""Places that cannot be written to, and providers that are none, are refused by name."""

from __future__ import annotations

import io

import numpy as np
import pytest

from stacchip_osml.encode import IO, imsave, write_tiff
from stacchip_osml.errors import AssetMissing, ChipError, EncodeError
from stacchip_osml.imagery import BufferedImageAssetProvider

GRAY = np.zeros((40, 48), np.uint8)
COUNTS = (
    *("num_rows", "num_columns", "num_bands", "num_resolution_levels"),
    *("num_pixels_per_block_horizontal", "num_pixels_per_block_vertical"),
)


@pytest.mark.parametrize("name", ["a\0.tif", "a\ud800.tif"])
def test_a_name_that_no_file_can_have_is_refused(tmp_path, name):
    with pytest.raises(ChipError, match="cannot write '"):
        imsave(f"{tmp_path}/{name}", GRAY)
    with pytest.raises(ChipError, match="cannot write '"):
        write_tiff(f"{tmp_path}/{name}", BufferedImageAssetProvider.from_array(GRAY[None]))
    assert list(tmp_path.iterdir()) == []


def test_a_name_with_a_nul_is_no_file_to_read():
    with pytest.raises(AssetMissing, match="no file's name has a NUL"):
        IO.open("a\0.tif")


def test_a_file_that_is_closed_or_only_read_is_refused(tmp_path):
    closed = io.BytesIO()
    closed.close()
    (tmp_path / "there.tif").write_bytes(b"kept")

    with pytest.raises(EncodeError, match="a file to write to must be open and seekable"):
        imsave(closed, GRAY, format="tif")
    with (
        (tmp_path / "there.tif").open("rb") as only_read,
        pytest.raises(EncodeError, match="a file to write to must be open for writing"),
    ):
        imsave(only_read, GRAY, format="tif")
    assert (tmp_path / "there.tif").read_bytes() == b"kept"


def test_a_file_of_text_is_no_target():
    with pytest.raises(TypeError, match="a target is a path or a binary file open for writing, not a StringIO"):
        imsave(io.StringIO(), GRAY, format="tif")


@pytest.mark.parametrize("form", ["tiff", "nitf", "png"])
@pytest.mark.parametrize("name", COUNTS)
@pytest.mark.parametrize("value", [None, "x", 1.5, float("nan"), float("inf"), []])
def test_counts_of_a_provider_are_whole_numbers(form, name, value):
    class Odd:
        def __getattr__(self, attribute):
            return getattr(BufferedImageAssetProvider.from_array(GRAY[None]), attribute)

    provider, out = Odd(), io.BytesIO()
    setattr(provider, name, value)

    writer = IO.open(out, "w", form)
    with pytest.raises(EncodeError, match=f"{name} is a whole number, got "):
        writer.add_asset("odd", provider)
    assert out.getvalue() == b""


@pytest.mark.parametrize("form", ["tiff", "nitf", "png"])
@pytest.mark.parametrize("name", ["actual_bits_per_pixel", "pad_pixel_value"])
@pytest.mark.parametrize("value", ["x", {1: 2}, []])
def test_bits_and_padding_of_a_provider_are_numbers(form, name, value):
    class Odd:
        def __getattr__(self, attribute):
            return getattr(BufferedImageAssetProvider.from_array(GRAY[None]), attribute)

    provider = Odd()
    setattr(provider, name, value)

    with pytest.raises(EncodeError, match=f"{name} is a number, got "):
        IO.open(io.BytesIO(), "w", form).add_asset("odd", provider)
