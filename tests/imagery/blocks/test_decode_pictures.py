"""JPEG, WebP, LERC and JPEG XL blocks: pixels as rasterio or a second decoder has them, and of no other size."""

from __future__ import annotations

import struct
from dataclasses import replace

import cv2
import imagecodecs
import numpy as np
import pytest
from decode_cases import assert_decodes, blocks_of, codec_of, scene, written

from stacchip_osml.errors import DecodeError
from stacchip_osml.imagery.blocks.decode import Scratch, decode_block

RGB = np.ascontiguousarray(scene(3, "uint8", rows=160, cols=96).transpose(1, 2, 0))
GRAY = np.ascontiguousarray(RGB[..., 0])


def decoded(codec, data, shape=RGB.shape[:2], rows=None):
    return decode_block(codec, data, shape=shape, rows=rows or shape[0], scratch=Scratch())


# ---- JPEG


@pytest.mark.parametrize("options", [{}, {"JPEG_QUALITY": 40}, {"JPEGTABLESMODE": 0}])
def test_gray_jpeg_with_and_without_shared_tables_is_what_rasterio_reads(tmp_path, options):
    found = written(tmp_path / "a.tif", scene(1, "uint8"), compress="jpeg", **options)

    assert bool(found.level.codec.shared) == ("JPEGTABLESMODE" not in options)
    assert_decodes(found)


@pytest.mark.parametrize("planes", ["pixel", "band"])
def test_jpeg_of_stored_colours_is_what_rasterio_reads(tmp_path, planes):
    found = written(
        tmp_path / "a.tif", scene(3, "uint8"), compress="jpeg", photometric="RGB", JPEG_QUALITY=90, interleave=planes
    )

    assert found.level.codec.color == "stored"
    assert_decodes(found)


def test_jpeg_of_four_and_two_bands_is_what_rasterio_reads(tmp_path):
    for count in (2, 4):
        assert_decodes(
            written(
                tmp_path / f"{count}.tif",
                scene(count, "uint8"),
                compress="jpeg",
                interleave="pixel",
                photometric="MINISBLACK",
            )
        )


def test_ycbcr_becomes_rgb_as_two_other_decoders_have_it(tmp_path):
    found = written(
        tmp_path / "a.tif", scene(3, "uint8"), compress="jpeg", photometric="YCBCR", interleave="pixel", JPEG_QUALITY=92
    )
    codec = found.level.codec

    assert codec.color == "rgb"
    for block in blocks_of(found):
        got = decoded(codec, block.data, block.shape)
        stream = codec.shared[:-2] + block.data[2:]
        second = cv2.imdecode(np.frombuffer(stream, np.uint8), cv2.IMREAD_COLOR)[..., ::-1].transpose(2, 0, 1)
        np.testing.assert_array_equal(got, second)
        # Decoders smooth halved chroma each in their own way.
        assert np.abs(got[:, : block.pixels.shape[1]] - block.pixels.astype(float)).mean() < 1


@pytest.mark.parametrize(
    ("subsampling", "color"),
    [("444", "stored"), *((subsampling, "rgb") for subsampling in ("444", "422", "420", "411", "440"))],
)
def test_first_rows_of_a_jpeg_are_those_of_the_whole(subsampling, color):
    data = imagecodecs.jpeg8_encode(RGB, level=85, subsampling=subsampling)
    codec = codec_of("jpeg", "uint8", samples=3, color=color)
    whole = decoded(codec, data).copy()

    assert whole.shape == (3, *RGB.shape[:2])
    for rows in (1, 7, 16, 33, 100, 111, 112, 159):
        got = decoded(codec, data, rows=rows)
        np.testing.assert_array_equal(got[:, :rows], whole[:, :rows])
        assert got.shape[1] < 160 or rows > 100


def test_jpeg_of_twelve_bits_keeps_them():
    pixels = (GRAY.astype(np.uint16) * 16 + 3) % 4096
    data = imagecodecs.jpeg8_encode(pixels, level=98, bitspersample=12)
    codec = codec_of("jpeg", "uint16", bits=12)

    got = decoded(codec, data)

    assert got.dtype == np.uint16
    np.testing.assert_array_equal(got[0], imagecodecs.jpeg8_decode(data))
    assert np.abs(got[0].astype(int) - pixels).mean() < 20


def test_cmyk_jpeg_stays_cmyk():
    inks = np.dstack([RGB, GRAY[::-1]])
    data = imagecodecs.jpeg8_encode(inks, level=100, colorspace="CMYK", outcolorspace="CMYK")

    got = decoded(codec_of("jpeg", "uint8", samples=4), data)

    assert np.abs(got.transpose(1, 2, 0).astype(int) - inks).max() < 6


def test_a_progressive_jpeg_is_decoded_and_one_of_endless_scans_refused():
    ok, stream = cv2.imencode(".jpg", RGB, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])
    assert ok
    data = stream.tobytes()
    codec = codec_of("jpeg", "uint8", samples=3, color="rgb")

    got = decoded(codec, data, rows=5)

    np.testing.assert_array_equal(got[:, :5].transpose(1, 2, 0), cv2.imdecode(stream, cv2.IMREAD_COLOR)[:5, :, ::-1])
    last = data.rindex(b"\xff\xda")
    with pytest.raises(DecodeError, match="scans"):
        decoded(codec, data[:-2] + data[last:-2] * 200 + data[-2:])


@pytest.mark.parametrize("at", [0.1, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("progressive", [0, 1])
def test_a_jpeg_that_is_cut_short_is_damaged(at, progressive):
    stream = cv2.imencode(".jpg", RGB, [cv2.IMWRITE_JPEG_PROGRESSIVE, progressive])[1].tobytes()

    with pytest.raises(DecodeError, match=r"cut short|without a picture"):
        decoded(codec_of("jpeg", "uint8", samples=3, color="rgb"), stream[: int(len(stream) * at)])


def test_a_jpeg_may_be_followed_by_anything():
    data = imagecodecs.jpeg8_encode(GRAY, level=90)
    codec = codec_of("jpeg", "uint8")

    np.testing.assert_array_equal(decoded(codec, data + b"\0" * 9), decoded(codec, data))


@pytest.mark.parametrize(
    ("shape", "samples", "bits"),
    [((161, 96), 1, 8), ((160, 97), 1, 8), ((160, 95), 1, 8), ((160, 96), 3, 8), ((160, 96), 1, 12)],
)
def test_a_jpeg_of_another_size_than_its_block_is_damaged(shape, samples, bits):
    data = imagecodecs.jpeg8_encode(GRAY, level=90)
    codec = codec_of("jpeg", "uint8" if bits == 8 else "uint16", samples=samples, bits=bits)

    with pytest.raises(DecodeError, match=r"JPEG of 96 x 160 pixels, 1 components of 8 bits in a block of"):
        decoded(codec, data, shape)


def test_the_last_strip_may_hold_more_rows_than_the_image():
    data = imagecodecs.jpeg8_encode(GRAY, level=90)

    got = decoded(codec_of("jpeg", "uint8"), data, (40, 96))

    assert got.shape == (1, 40, 96)
    np.testing.assert_array_equal(got[0], imagecodecs.jpeg8_decode(data)[:40])


def test_a_jpeg_that_claims_to_be_huge_is_refused_before_it_is_decoded():
    data = bytearray(imagecodecs.jpeg8_encode(GRAY, level=90))
    frame = data.index(b"\xff\xc0") + 5
    data[frame : frame + 4] = b"\xff\xdc\xff\xdc"

    with pytest.raises(DecodeError, match="JPEG of 65500 x 65500 pixels"):
        decoded(codec_of("jpeg", "uint8"), bytes(data))


# ---- WebP


@pytest.mark.parametrize("count", [3, 4])
@pytest.mark.parametrize("options", [{"WEBP_LOSSLESS": True}, {"WEBP_LEVEL": 60}])
def test_webp_is_what_rasterio_reads(tmp_path, count, options):
    found = written(tmp_path / "a.tif", scene(count, "uint8"), compress="webp", interleave="pixel", **options)

    # libwebp versions may differ by a level where it loses.
    assert_decodes(found, within=0 if "WEBP_LOSSLESS" in options else 1)


def test_webp_without_alpha_is_opaque():
    data = imagecodecs.webp_encode(RGB, lossless=True)

    got = decoded(codec_of("webp", "uint8", samples=4), data)

    np.testing.assert_array_equal(got[:3].transpose(1, 2, 0), RGB)
    assert (got[3] == 255).all()


@pytest.mark.parametrize("lossless", [True, False])
def test_webp_of_another_size_or_cut_short_is_damaged(lossless):
    data = imagecodecs.webp_encode(RGB, lossless=lossless)
    codec = codec_of("webp", "uint8", samples=3)

    with pytest.raises(DecodeError, match="WebP"):
        decoded(codec, data, (160, 97))
    with pytest.raises(DecodeError, match="WebP"):
        decoded(codec, data[: len(data) // 2])
    with pytest.raises(DecodeError, match="WebP of 1 uint8 samples"):
        decoded(codec_of("webp", "uint8"), data)


def test_jpeg_of_subsampled_chroma_is_not_taken_for_red_green_and_blue():
    """A TIFF that calls it RGB contradicts its stream; libtiff refuses it too."""
    pixels = np.ascontiguousarray(scene(3, "uint8")[:, :64, :64].transpose(1, 2, 0))
    codec = codec_of("jpeg", "uint8", samples=3)
    kept = imagecodecs.jpeg8_encode(pixels, level=95, subsampling="444")
    halved = imagecodecs.jpeg8_encode(pixels, level=95, subsampling="420")

    assert decode_block(codec, kept, shape=(64, 64), rows=64, scratch=Scratch()).shape == (3, 64, 64)
    with pytest.raises(DecodeError, match="subsampled components"):
        decode_block(codec, halved, shape=(64, 64), rows=64, scratch=Scratch())
    assert decode_block(replace(codec, color="rgb"), halved, shape=(64, 64), rows=64, scratch=Scratch()).any()


# ---- LERC


@pytest.mark.parametrize("compress", ["lerc", "lerc_deflate", "lerc_zstd"])
@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64"])
def test_lerc_is_what_rasterio_reads(tmp_path, compress, dtype):
    found = written(tmp_path / "a.tif", scene(1, dtype), compress=compress)

    assert found.level.codec.compression == compress
    assert_decodes(found)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint32", "float32", "float64"])
@pytest.mark.parametrize("count", [1, 2])
def test_lerc_in_a_big_endian_file_is_turned_after_it_is_decoded(tmp_path, dtype, count):
    options = {"compress": "lerc_deflate", "endianness": "big", "interleave": "pixel"}
    found = written(tmp_path / "a.tif", scene(count, dtype), **options)

    assert np.dtype(found.level.codec.stored).isnative == (dtype == "uint8")
    assert_decodes(found)


@pytest.mark.parametrize("compress", ["lerc", "lerc_zstd"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("count", [1, 3])
def test_lerc_masks_are_nan(tmp_path, compress, dtype, count):
    pixels = scene(count, dtype)
    pixels[:, 10:50, 20:90] = np.nan
    pixels[0, 100:, 100:] = np.nan
    options = {"interleave": "pixel", "MAX_Z_ERROR": 0.01}

    assert_decodes(written(tmp_path / "a.tif", pixels, compress=compress, **options))


def test_lerc_of_several_samples_is_what_rasterio_reads(tmp_path):
    assert_decodes(written(tmp_path / "a.tif", scene(4, "uint16"), compress="lerc_deflate", interleave="pixel"))


@pytest.mark.parametrize(("name", "compression"), [("lerc", None), ("lerc_deflate", "deflate"), ("lerc_zstd", "zstd")])
def test_lerc_of_another_size_dtype_or_cut_short_is_damaged(name, compression):
    data = imagecodecs.lerc_encode(GRAY, compression=compression)
    codec = codec_of(name, "uint8")

    np.testing.assert_array_equal(decoded(codec, data)[0], GRAY)
    for wrong, stream, shape in (
        (codec, data, (161, 96)),
        (codec_of(name, "uint16"), data, (160, 96)),
        (codec_of(name, "uint8", samples=2), data, (160, 96)),
        (codec, data[: len(data) // 2], (160, 96)),
    ):
        with pytest.raises(DecodeError, match="LERC"):
            decoded(wrong, stream, shape)


# ---- JPEG XL


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("samples", [1, 3])
def test_jpeg_xl_without_loss_gives_back_what_went_in(dtype, samples):
    pixels = np.ascontiguousarray(scene(samples, dtype).transpose(1, 2, 0) if samples > 1 else scene(1, dtype)[0])
    if dtype == "float32":
        pixels = (pixels - pixels.min()) / np.ptp(pixels)
    data = imagecodecs.jpegxl_encode(pixels, lossless=True, effort=3)

    got = decoded(codec_of("jpegxl", dtype, samples=samples), data, pixels.shape[:2])

    np.testing.assert_array_equal(got.transpose(1, 2, 0).reshape(pixels.shape), pixels)


def test_jpeg_xl_of_another_size_or_cut_short_is_damaged():
    data = imagecodecs.jpegxl_encode(RGB, effort=3)
    codec = codec_of("jpegxl", "uint8", samples=3)

    for stream, shape in ((data, (160, 97)), (data[: len(data) // 2], (160, 96)), (data[:8], (160, 96))):
        with pytest.raises(DecodeError, match="JPEG XL"):
            decoded(codec, stream, shape)


def test_a_picture_of_many_pixels_in_few_bytes_is_refused_at_once():
    # The size headers of a lossless WebP: 14 bits a side.
    huge = struct.pack("<4sI4s4sIB", b"RIFF", 30, b"WEBP", b"VP8L", 17, 0x2F) + b"\xff\xff\xff\x0f" + bytes(13)

    with pytest.raises(DecodeError, match="WebP"):
        decoded(codec_of("webp", "uint8", samples=3), huge)
