"""What is complex, how files encode it, and complex images as providers of brightness."""

import importlib.util
import math
import pickle
from pathlib import Path

import lxml.etree
import numpy as np
import pytest
import rasterio
import sarkit

from stacchip_osml.chain import REMAPS, decode_to_iq
from stacchip_osml.encode import IO
from stacchip_osml.errors import ChainError, DecodeError, LimitError
from stacchip_osml.imagery import (
    BufferedImageAssetProvider,
    ComplexRemapFactory,
    GdalImage,
    RetiledImageProvider,
    TileCache,
    is_complex,
    load_complex_remap,
    measure_complex_remap,
    read_window,
)
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.imagery.display.sicd_pixels import parse_sicd_pixels, read_sicd_xml
from stacchip_osml.imagery.xml_trees import XML_BYTES
from stacchip_osml.testing import check_provider

LUT = np.linspace(0, 51, 256) ** 2
AMP_TABLE = "".join(f'<Amplitude index="{index}">{value!r}</Amplitude>' for index, value in enumerate(LUT.tolist()))
AMP_TABLE = f'<AmpTable size="256">{AMP_TABLE}</AmpTable>'
READERS = (GdalImage, BlockImage)


def sicd_xml(pixel_type, table="", *, space="urn:SICD:1.3.0", before=""):
    data = f"<ImageData><PixelType>{pixel_type}</PixelType>{table}<NumRows>7</NumRows></ImageData>"
    return f'<?xml version="1.0"?>{before}<SICD xmlns="{space}">{data}</SICD>'.encode()


def with_extension(data, xml, *, des=b"XML_DATA_CONTENT", urn=b"urn:SICD:1.3.0", length=None):
    """Append a data extension segment to a NITF file that GDAL wrote."""
    header_length = int(data[354:360])
    at = 363 + 16 * int(data[360:363])
    assert data[at : at + 12] == b"0" * 12, "no graphics, nothing reserved, no texts, no extensions"
    user = b"00000" + b" " * 40 + urn.ljust(120)
    subheader = b"DE" + des.ljust(25) + b"01" + b"U".ljust(167) + b"%04d" % len(user) + user
    entry = b"%04d%09d" % (len(subheader), len(xml) if length is None else length)
    grown = bytearray(data[: at + 9] + b"001" + entry + data[at + 12 :] + subheader + xml)
    grown[354:360] = b"%06d" % (header_length + 13)
    grown[342:354] = b"%012d" % len(grown)
    return bytes(grown)


@pytest.fixture
def nitf(tmp_path):
    def write(pixels, xml=None, *, subcategories=None, icat="SAR", **how):
        path = tmp_path / "image.ntf"
        shape = {"count": len(pixels), "height": pixels.shape[1], "width": pixels.shape[2]}
        with rasterio.open(path, "w", driver="NITF", dtype=pixels.dtype, ICAT=icat, IREP="MULTI", **shape) as file:
            file.write(pixels)
        data = path.read_bytes()
        if subcategories is not None:
            blank = b"M       N   0"
            assert data.count(blank) == len(pixels)
            for word in subcategories:
                data = data.replace(blank, b"M " + word.encode().ljust(6) + b"N   0", 1)
        path.write_bytes(data if xml is None else with_extension(data, xml, **how))
        return str(path)

    return write


def parts(dtype="int16", shape=(2, 7, 9)):
    return np.random.default_rng(1).integers(0, 200, shape).astype(dtype)


def provider(pixels, **facts):
    facts = {"key": "image:0", "block_width": 4, "block_height": 4} | facts
    return BufferedImageAssetProvider.from_array(pixels, **facts)


# ---- what is complex


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({}, False),
        ({"ICAT": "SARIQ"}, True),
        ({"ICAT": "SAR"}, False),
        ({"ISUBCAT": ["I", "Q"]}, True),
        ({"ISUBCAT": ["M", "P"], "ICAT": "SAR"}, True),
        ({"ISUBCAT": ["M", "P"], "ICAT": "ISAR"}, True),
        ({"ISUBCAT": ["M", "P"], "ICAT": "VIS"}, False),
        ({"IREP": "POLAR", "ICAT": "SAR"}, True),
        ({"IREP": "POLAR", "ICAT": "WIND"}, False),
    ],
)
def test_only_definite_signs_make_an_image_complex(metadata, expected):
    if "ISUBCAT" in metadata:
        metadata = metadata | {f"ISUBCAT{band + 1}": word for band, word in enumerate(metadata["ISUBCAT"])}
    image = provider(parts(), metadata=metadata)

    assert is_complex(image) is expected
    assert is_complex(RetiledImageProvider(image, 8, 8)) is expected


def test_complex_types_are_complex_and_their_remaps_are_not():
    image = provider((parts("float32")[:1] + 2j).astype(np.complex64))

    assert is_complex(image)
    assert not is_complex(ComplexRemapFactory.build(image))


# ---- the factory


@pytest.mark.parametrize("name", REMAPS)
def test_blocks_together_are_what_the_remap_makes_of_the_whole(name):
    block = np.random.default_rng(2).normal(0, 40, (2, 21, 18)).astype(np.float32)
    image = provider(block)
    settings = measure_complex_remap(image, name)

    remapped = ComplexRemapFactory.build(image, remap=name, settings=settings)

    assert (remapped.num_bands, remapped.pixel_value_type, remapped.pad_pixel_value) == (1, np.float32, 0)
    assert remapped.key == "image:0:mapped:complex_remap"
    np.testing.assert_array_equal(read_window(remapped, (0, 0, 18, 21)), REMAPS[name](block, **settings))
    check_provider(remapped)


def test_what_is_measured_are_the_numbers_of_the_magnitudes():
    block = np.random.default_rng(3).normal(0, 40, (2, 64, 50)).astype(np.float32)
    block[:, :5] = 0
    image = provider(block)
    length = np.hypot(*block.astype(np.float64))
    length = length[length > 0]

    assert measure_complex_remap(image, "quarter_power") == {}
    assert measure_complex_remap(image, "pedf")["data_mean"] == pytest.approx(length.mean(), rel=1e-6)
    found = measure_complex_remap(image, "nrl")
    assert found["minimum"] == pytest.approx(length.min(), rel=1e-6)
    assert found["maximum"] == pytest.approx(length.max(), rel=1e-6)
    assert found["changeover"] == pytest.approx(np.percentile(length, 99, method="inverted_cdf"), rel=1e-3)
    with pytest.raises(ChainError, match="no pixel to measure"):
        measure_complex_remap(provider(np.zeros((2, 4, 4), np.float32)), "linear")


def test_a_function_of_ones_own_gets_parts_and_gives_one_band():
    data = parts("uint8")

    remapped = ComplexRemapFactory.build(
        provider(data), ["magnitude", "phase"], remap=lambda block: np.arctan2(block[1], block[0])[None]
    )

    found = read_window(remapped, (0, 0, 9, 7))
    turned = np.angle(np.exp(2j * math.pi * data[1] / 256)) * (data[0] > 0)
    np.testing.assert_allclose(np.cos(found[0]), np.cos(turned), atol=1e-5)


def test_two_remaps_of_one_image_never_take_each_others_pixels_from_a_cache():
    image, cache = provider(parts()), TileCache()

    one = ComplexRemapFactory.build(image, cache=cache)
    two = ComplexRemapFactory.build(image, remap="magnitude", cache=cache)

    for _ in range(2):
        np.testing.assert_allclose(one.get_block(0, 0) ** 2, two.get_block(0, 0), rtol=1e-5)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(two)).get_block(0, 1), two.get_block(0, 1))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"remap": "sepia"}, "unknown remap 'sepia'"),
        ({"remap": "density"}, "needs data_mean of the whole image"),
        ({"settings": {"gain": 2}}, "has no setting 'gain'; it has none"),
        ({"remap": "linear", "settings": {"minimum": 5, "maximum": 4}}, "above the maximum"),
        ({"band_interpretation": ["real"]}, "image:0: 1 roles for 2 bands"),
        ({"band_interpretation": ["amplitude_index", "phase"]}, "needs an amplitude table"),
        ({"amplitude_table": LUT}, "there is none"),
    ],
)
def test_what_does_not_fit_together_is_refused_before_any_pixel_is_read(options, message):
    with pytest.raises(ChainError, match=message) as caught:
        ComplexRemapFactory.build(provider(parts()), **options)
    assert isinstance(caught.value, ValueError)


# ---- files


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    ("pixel_type", "dtype", "table"),
    [("RE32F_IM32F", "float32", ""), ("RE16I_IM16I", "int16", ""), ("AMP8I_PHS8I", "uint8", AMP_TABLE)],
)
def test_a_sicd_file_says_by_its_xml_what_its_bands_are(nitf, reader, pixel_type, dtype, table):
    data = parts(dtype)
    image = reader(nitf(data, sicd_xml(pixel_type, table)))

    found = read_window(load_complex_remap(image, remap="magnitude"), (0, 0, 9, 7))

    lengths = LUT[data[0]] if table else np.hypot(*data.astype(np.float64))
    np.testing.assert_allclose(found[0], lengths, rtol=1e-6)


def sarkits_pixels(stored, xml):
    """Complex pixels by the one file of sarkit's that makes them; what stands beside it needs more packages."""
    place = Path(sarkit.__file__).parent / "_processing" / "_sicd" / "pixel_type.py"
    if not place.is_file():
        pytest.skip("this sarkit keeps its conversion elsewhere")
    found = importlib.util.spec_from_file_location("pixel_type", place)
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module.sicd_as_re32f_im32f(stored, lxml.etree.ElementTree(lxml.etree.fromstring(xml)))[0]


@pytest.mark.parametrize("table", ["", AMP_TABLE])
def test_amplitude_and_phase_are_what_sarkit_makes_of_them(nitf, table):
    data, xml = parts("uint8"), sicd_xml("AMP8I_PHS8I", table)
    stored = np.empty(data.shape[1:], [("amp", "u1"), ("phase", "u1")])
    stored["amp"], stored["phase"] = data
    expected = sarkits_pixels(stored, xml)
    image = BlockImage(nitf(data, xml))

    real, imaginary = (
        read_window(load_complex_remap(image, remap=lambda block, part=part: block[part : part + 1]), (0, 0, 9, 7))
        for part in (0, 1)
    )

    np.testing.assert_allclose(real[0] + 1j * imaginary[0], expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("key", [None, "image:0"])
def test_a_dataset_reader_says_the_same_as_its_file(nitf, key):
    data = parts("uint8")
    with IO.open(nitf(data, sicd_xml("AMP8I_PHS8I", AMP_TABLE))) as dataset:
        found = read_window(load_complex_remap(dataset, key, remap="magnitude"), (0, 0, 9, 7))
        with pytest.raises(ChainError, match="no image 'image:1'; it has image:0"):
            load_complex_remap(dataset, "image:1")

    np.testing.assert_allclose(found[0], LUT[data[0]], rtol=1e-6)


@pytest.mark.parametrize(
    ("words", "roles"), [(("I", "Q"), None), (("Q", "I"), ["imaginary", "real"]), (("M", "P"), ["magnitude", "phase"])]
)
def test_without_sicd_the_subcategories_of_the_bands_say_it(nitf, words, roles):
    data = parts("uint8")
    image = BlockImage(nitf(data, subcategories=words))

    remapped = load_complex_remap(image, image.key, remap=lambda block: block[1:])

    np.testing.assert_array_equal(read_window(remapped, (0, 0, 9, 7)), decode_to_iq(data, roles)[1:])


@pytest.mark.parametrize(
    ("pixel_type", "table", "message"),
    [
        ("RE32F_IM32F", "", "two bands of float32, not 2 of uint8"),
        ("RE64F_IM64F", "", "unknown SICD PixelType 'RE64F_IM64F'"),
    ],
)
def test_xml_that_contradicts_the_pixels_is_refused_and_nothing_else_is_asked(nitf, pixel_type, table, message):
    image = BlockImage(nitf(parts("uint8"), sicd_xml(pixel_type, table), subcategories=("I", "Q")))

    with pytest.raises(ChainError, match=message):
        load_complex_remap(image)


def test_bands_of_which_nothing_is_said_are_not_guessed(nitf):
    image = BlockImage(nitf(parts(), sicd_xml("RE16I_IM16I"), urn=b"urn:SIDD:3.0.0"))

    with pytest.raises(ChainError, match="nothing tells what its 2 bands of int16 are"):
        load_complex_remap(image)
    with pytest.raises(ChainError, match="has no image 'image:1'"):
        load_complex_remap(image, "image:1")


def test_a_file_of_complex_pixels_needs_no_words(tmp_path):
    pixels = (parts("float32")[:1] * (3 + 4j)).astype(np.complex64)
    path = tmp_path / "complex.tif"
    with rasterio.open(path, "w", driver="GTiff", dtype="complex64", count=1, height=7, width=9) as file:
        file.write(pixels)

    found = read_window(load_complex_remap(GdalImage(str(path)), remap="magnitude"), (0, 0, 9, 7))

    np.testing.assert_allclose(found, np.abs(pixels), rtol=1e-6)


# ---- hostile XML


BOMB = '<!DOCTYPE SICD [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'


@pytest.mark.parametrize(
    ("xml", "message"),
    [
        (sicd_xml("&b;", before=BOMB), "document type; those are refused"),
        (sicd_xml("x", before='<!DOCTYPE SICD SYSTEM "file:///etc/passwd">'), "document type"),
        (sicd_xml("RE16I_IM16I", space="urn:SIDD:1.0.0"), "not SICD's"),
        (sicd_xml("RE16I_IM16I", "<a>" * 70 + "</a>" * 70), "deeper than 64"),
        (sicd_xml("RE16I_IM16I")[:-3], "does not parse"),
        (b"", "does not parse"),
        (sicd_xml(""), "no ImageData/PixelType"),
        (sicd_xml("A", AMP_TABLE.replace('index="7"', 'index="8"')), "each index from 0 to 255"),
        (sicd_xml("A", AMP_TABLE.replace(">0.0<", ">nan<")), "finite lengths"),
        (sicd_xml("A", AMP_TABLE.replace(">0.0<", ">black<")), "holds no numbers"),
        (
            sicd_xml("A", AMP_TABLE.replace("</AmpTable>", '<Amplitude index="256">1</Amplitude></AmpTable>')),
            "more than",
        ),
    ],
)
def test_xml_that_is_not_a_plain_sicd_is_refused(xml, message):
    with pytest.raises(DecodeError, match=message):
        parse_sicd_pixels(xml, name="image")


def test_xml_beyond_any_sicd_is_refused_before_it_is_read_or_parsed(nitf):
    with pytest.raises(LimitError, match="more than"):
        parse_sicd_pixels(b" " * (XML_BYTES + 1), name="image")
    image = BlockImage(nitf(parts(), sicd_xml("RE16I_IM16I"), length=XML_BYTES + 1))
    with pytest.raises(LimitError, match="SICD XML of 16777217 bytes"):
        load_complex_remap(image)
    image = BlockImage(nitf(parts(), sicd_xml("RE16I_IM16I"), length=9999))
    with pytest.raises(DecodeError, match="ends where 9999 bytes of"):
        load_complex_remap(image)


def test_a_damaged_header_is_an_error_of_ours(nitf):
    data = Path(nitf(parts(), sicd_xml("RE16I_IM16I"))).read_bytes()
    assert read_sicd_xml(lambda at, size: data[at : at + size], name="image") == sicd_xml("RE16I_IM16I")

    # HL, NUMI and the lengths of the image segment; the counts and lengths after it
    for place in range(354, 404):
        broken = data[:place] + b"x" + data[place + 1 :]
        with pytest.raises(DecodeError, match=r"image: .* must be digits, and is"):
            read_sicd_xml(lambda at, size, broken=broken: broken[at : at + size], name="image")
    for end in range(10, 400, 7):
        with pytest.raises(DecodeError, match="image: ends where"):
            read_sicd_xml(lambda at, size, end=end: data[:end][at : at + size], name="image")
    assert read_sicd_xml(lambda at, size: b"II*\0"[at : at + size], name="image") is None


# ---- real files


def test_real_sicd_files_are_complex_and_have_a_magnitude(real_data):
    files = sorted((real_data / "sicd_sidd").glob("*.n*tf"))
    assert files
    for path in files:
        image = BlockImage(str(path))
        if "sidd" in path.name:
            assert not is_complex(image)
            continue
        assert is_complex(image)
        with rasterio.open(path) as file:
            stored = file.read()
        if stored.dtype.kind == "c":  # as newer GDAL tells I and Q
            stored = np.concatenate([stored.real, stored.imag])
        stored = stored.astype(np.float64)
        found = read_window(load_complex_remap(image, remap="magnitude"), (0, 0, stored.shape[2], stored.shape[1]))
        np.testing.assert_allclose(found[0], np.hypot(*stored), rtol=1e-6, err_msg=path.name)
