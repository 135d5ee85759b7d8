"""Images whose bands have look-up tables (MIL-STD-2500C, NLUTS and NELUT in table A-3), any number of any length."""

import io

import jbpy
import numpy as np
import pytest
from nitf_block_files import blocks_of, fields_of, write_nitf

from stacchip_osml.encode import BufferedImageAssetProvider, ChipFactory
from stacchip_osml.encode.io.converting import convert
from stacchip_osml.encode.nitf import NitfFile, NitfImage, read_nitf
from stacchip_osml.encode.nitf import write_nitf as write_ours
from stacchip_osml.imagery import DisplayChainFactory
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.pixel import PixelWindow

SIZE = PixelWindow(0, 0, 9, 6)


def with_tables(path, tables):
    """Write an image by jbpy, whose bands have so many tables of so many entries."""
    pixels = np.random.default_rng(4).integers(0, 256, (len(tables), 6, 9), np.uint8)
    fields = fields_of(pixels, (6, 9), "B", IREP="MONO" if len(tables) == 1 else "MULTI")
    for band, (count, entries) in enumerate(tables, 1):
        if count:
            fields |= {f"NLUTS{band:05d}": count, f"NELUT{band:05d}": entries}
            for table in range(1, count + 1):
                fields[f"LUTD{band:05d}{table}"] = bytes([255, table] * (entries // 2))
    order = ("NBANDS", "NLUTS", "NELUT", "LUTD")  # each makes room for the next
    ordered = dict(sorted(fields.items(), key=lambda item: next((n for n, s in enumerate(order) if s in item[0]), -1)))
    write_nitf(path, [(ordered, b"".join(blocks_of(pixels, (6, 9), "B")))])
    return pixels


@pytest.mark.parametrize(
    "tables",
    [
        ((1, 256),),
        ((2, 256),),
        ((3, 200),),
        ((4, 256),),
        ((4, 2), (0, 0)),
        ((2, 256), (2, 256)),
        ((0, 0), (2, 2), (1, 256)),
    ],
)
def test_an_image_is_read_and_copied_whatever_tables_its_bands_have(tmp_path, tables):
    path, copy = tmp_path / "a.ntf", tmp_path / "copy.ntf"
    pixels = with_tables(path, tables)

    convert(path, copy)

    for each in (path, copy):
        image = BlockImage(str(each))
        np.testing.assert_array_equal(image.read(SIZE).pixels, pixels)
        assert image.served_by(0) == "block/none"
    before, after = (read_nitf(each).images[0].fields for each in (path, copy))
    assert {name: before[name] for name in before if name.startswith(("NLUTS", "NELUT", "LUTD"))} == {
        name: after[name] for name in after if name.startswith(("NLUTS", "NELUT", "LUTD"))
    }


@pytest.mark.parametrize("entries", [256, 257, 2048, 65536])
@pytest.mark.parametrize("tables", [1, 2, 3])
def test_tables_of_16_bit_values_stay_with_chips_and_are_colours_in_any_segment(tmp_path, tables, entries):
    rng = np.random.default_rng(entries)
    pixels = rng.integers(0, entries, (1, 40, 50), np.uint16)
    luts = [rng.integers(0, 256, entries, np.uint8).tobytes() for _ in range(tables)]
    stored = {f"LUTD1{number}": lut.decode("latin-1") for number, lut in enumerate(luts, 1)}
    counts = {"IREPBAND1": "LU", "NLUTS1": str(tables), "NELUT1": f"{entries:05d}"}
    fields = {"IC": "NC", "IREP": "MONO" if tables < 3 else "RGB/LUT", **counts, **stored}
    provider = BufferedImageAssetProvider.from_array(pixels, block_width=0, block_height=0)
    path, chip = tmp_path / "a.ntf", tmp_path / "chip.ntf"
    write_ours(path, NitfFile(images=(NitfImage(pixels=provider, fields=fields),) * 2))

    for image in read_nitf(path).images:
        np.testing.assert_array_equal(image.pixels.read(PixelWindow(0, 0, 50, 40)).pixels, pixels)
        (colors,) = image.pixels.picture_tags.color_tables
        if tables != 2:  # of which GDAL makes colours by the second table, where it opens the file
            red, green, blue = luts if tables == 3 else [luts[0]] * 3
            assert colors == tuple(zip(red, green, blue, bytes([255]) * entries, strict=True))
        elif entries > 256:
            assert colors is None
        chip.write_bytes(ChipFactory(image.pixels, output_format="nitf").create_chip((3, 4, 20, 10)))
        again = read_nitf(ChipFactory(BlockImage(str(chip)), output_format="nitf").create_chip((1, 2, 5, 6))).images[0]
        np.testing.assert_array_equal(again.pixels.read(PixelWindow(0, 0, 5, 6)).pixels, pixels[:, 6:12, 4:9])
        assert {name: again.fields[name] for name in stored} == stored


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("entries", [200, 256, 1024])
def test_two_tables_are_16_bits_of_brightness_and_stored_values_stay(tmp_path, bits, entries):
    rng = np.random.default_rng(entries)
    values = np.sort(rng.integers(0, 3000, entries, np.uint16))  # of 12 bits
    pixels = rng.integers(0, min(entries, 1 << bits), (1, 40, 50), f"u{bits // 8}")
    tables = {"LUTD000011": (values >> 8).astype("u1").tobytes(), "LUTD000012": (values & 255).astype("u1").tobytes()}
    fields = fields_of(pixels, (40, 50), "B", IREP="MONO", IREPBAND00001="LU")
    fields |= {"NLUTS00001": 2, "NELUT00001": entries} | tables
    order = ("NBANDS", "IREPBAND", "NLUTS", "NELUT", "LUTD")  # each makes room for the next
    ordered = dict(sorted(fields.items(), key=lambda item: next((n for n, s in enumerate(order) if s in item[0]), -1)))
    path = tmp_path / "a.ntf"
    write_nitf(path, [(ordered, b"".join(blocks_of(pixels, (40, 50), "B")))] * 2)
    file = jbpy.Jbp()
    file.load(io.BytesIO(path.read_bytes()))
    header = file["ImageSegments"][0]["subheader"]
    upper, lower = (np.frombuffer(header[name].value, np.uint8).astype(int) for name in tables)
    white = 4095 if values.max() > 2047 else 2047

    first = BlockImage(str(path))
    for image in (first, read_nitf(path).images[1].pixels):
        whole = PixelWindow(0, 0, 50, 40)
        np.testing.assert_array_equal(image.read(whole).pixels, pixels)
        assert image.picture_tags.color_tables == (None,)
        assert image.picture_tags.brightness_tables == (tuple((upper * 256 + lower).tolist()),)
        chain = DisplayChainFactory.build(image)
        shown = chain(pixels)
        np.testing.assert_allclose(shown[0], values[pixels[0]] * 255.0 / white, atol=0.51)
    assert convert(path, tmp_path / "a.tif", image="image:0").left_out[-1:] == ("colour table",)
