"""COMRAT: every form in, four characters out, and rates that are kept."""

from __future__ import annotations

import io

import numpy as np
import pytest
from pixel_readers import READERS, first_segment

from stacchip_osml.encode.nitf.pixels import prepare_image
from stacchip_osml.encode.nitf.pixels_rates import JpegRate, Rate, parse_jpeg_rate, parse_rate
from stacchip_osml.encode.nitf.records import NitfFile, NitfImage
from stacchip_osml.encode.nitf.write import write_nitf
from stacchip_osml.imagery.providers.buffered import BufferedImageAssetProvider


@pytest.mark.parametrize(
    ("given", "kind", "bits", "text"),
    [
        ("", "N", 0.0, "N001"),
        ("N039", "N", 3.9, "N039"),
        ("N001.0", "N", 1.0, "N010"),
        ("N1.0", "N", 1.0, "N010"),
        ("V037", "V", 3.7, "V037"),
        ("V1", "V", 1.0, "V010"),
        ("N2", "N", 2.0, "N020"),
        ("V020.0", "V", 20.0, "V200"),
        ("0230", "", 2.3, "0230"),
        ("01.0", "", 1.0, "0100"),
        ("00.5 ", "", 0.5, "0050"),
    ],
)
def test_rates_of_jpeg_2000_are_read_in_all_forms_and_written_in_the_legal_one(given, kind, bits, text):
    rate = parse_rate(given)

    assert rate == Rate(kind, bits)
    assert rate.text() == text
    assert parse_rate(text).kind == kind


def test_a_lossless_rate_is_the_one_achieved():
    assert Rate("N", 0.0).text(3.94) == "N039"
    assert Rate("N", 0.0).text(0.001) == "N001"


@pytest.mark.parametrize(
    ("given", "imagery", "quality", "text"),
    [
        ("", 0, 75, "00.0"),
        ("00.0", 0, 75, "00.0"),
        ("01.5", 1, 90, "01.0"),
        ("85.0", 0, 85, "00.0"),
        ("05.0", 0, 5, "00.0"),
    ],
)
def test_rates_of_jpeg_are_the_standards_or_libjpegs_qualities(given, imagery, quality, text):
    rate = parse_jpeg_rate(given)

    assert rate == JpegRate(imagery, quality)
    assert rate.text == text


def texture(bands: int = 1, side: int = 256) -> np.ndarray:
    rows, cols = np.mgrid[:side, :side]
    noise = np.random.default_rng(5).normal(scale=3, size=(bands, side, side))
    return (100 + 60 * np.sin(rows / 9) * np.cos(cols / 13) + noise).clip(0, 255).astype(np.uint8)


def written(pixels: np.ndarray, **fields: str) -> bytes:
    out = io.BytesIO()
    provider = BufferedImageAssetProvider.from_array(pixels, block_width=128, block_height=128)
    write_nitf(out, NitfFile(images=(NitfImage(pixels=provider, fields={"NPPBH": "128", "NPPBV": "128", **fields}),)))
    return out.getvalue()


@pytest.mark.parametrize(
    ("ic", "comrat", "text"), [("C8", "01.0", "0100"), ("C8", "V015", "V015"), ("CD", "0150", "0150")]
)
def test_rates_are_kept(ic, comrat, text):
    pixels = texture()
    data = written(pixels, IC=ic, COMRAT=comrat)
    segment = first_segment(data)

    assert segment["subheader"]["COMRAT"].value == text
    asked = parse_rate(text).bits
    achieved = segment["Data"].size * 8 / pixels.size
    assert 0.6 * asked < achieved < 1.15 * asked
    found = READERS["jbpy"](data, fill=0)
    other = READERS["codestream"](data, fill=0)
    np.testing.assert_allclose(found.astype(int), other.astype(int), atol=1)  # irreversible: decoders round
    assert np.abs(found.astype(int) - pixels).mean() < 6


def test_a_rate_of_all_bits_is_lossless():
    data = written(texture(), IC="C8", COMRAT="V020.0")

    assert first_segment(data)["subheader"]["COMRAT"].value == "V200"
    np.testing.assert_array_equal(READERS["gdal"](data, fill=0), texture())


def test_layers_and_levels_are_in_the_codestream_and_lossless_stays_lossless():
    pixels = texture(3)
    data = written(pixels, IC="C8", J2K_QUALITY_LAYERS="3", J2K_DECOMPOSITION_LEVELS="4")

    coding = data[data.index(b"\xff\x52\x00\x0c") :]
    assert int.from_bytes(coding[6:8], "big") == 3
    assert coding[9] == 4
    for reader in ("gdal", "jbpy", "blocks"):
        np.testing.assert_array_equal(READERS[reader](data, fill=0), pixels)


def test_better_jpeg_quality_is_nearer_and_longer():
    lengths, errors = [], []
    for comrat in ("10.0", "00.1", "85.0", "95.0"):
        data = written(texture(), IC="C3", COMRAT=comrat)
        lengths.append(len(data))
        errors.append(np.abs(READERS["gdal"](data, fill=0).astype(int) - texture()).mean())

    assert lengths == sorted(lengths)
    assert errors == sorted(errors, reverse=True)


def test_an_encoders_hints_are_no_fields():
    image = NitfImage(
        pixels=BufferedImageAssetProvider.from_array(texture()), fields={"IC": "C8", "J2K_DECOMPOSITION_LEVELS": "3"}
    )

    assert not [name for name in prepare_image(image)[0].fields if name.startswith("J2K")]
