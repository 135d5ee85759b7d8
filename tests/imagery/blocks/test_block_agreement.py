"""Which levels blocks serve, and how their pixels are judged: what GDAL's header says decides."""

from dataclasses import replace

import numpy as np
import pytest
from block_files import PART, scene, write_tiff
from synthetic_blocks import store_array

from stacchip_osml.errors import LimitError
from stacchip_osml.imagery import BandHeader, GdalImage, ImageHeader, ReadLimits
from stacchip_osml.imagery.blocks.agreement import agreed_layout, unserved_layout
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.imagery.blocks.layout import ImageLayout, LevelLayout, Unserved
from stacchip_osml.imagery.blocks.sources import LevelSources, fill_values
from stacchip_osml.pixel import ImageSize, PixelWindow

LEVEL = store_array(np.zeros((2, 40, 50), np.uint16), block_shape=(16, 16)).layout
HALF = store_array(np.zeros((2, 20, 25), np.uint16), block_shape=(16, 16)).layout
MASK = store_array(np.zeros((1, 40, 50), np.uint8), block_shape=(16, 16), stored="u1").layout


def header(**changes) -> ImageHeader:
    stated = ImageHeader(
        driver="GTiff",
        levels=(LEVEL.size, HALF.size),
        bands=(BandHeader(dtype="uint16"),) * 2,
        block_shape=(16, 16),
    )
    return replace(stated, **changes)


def reasons(layout: ImageLayout) -> list[str | None]:
    return [level.reason if isinstance(level, Unserved) else None for level in layout.levels]


def test_levels_that_the_header_confirms_are_kept_as_they_are():
    layout = ImageLayout(levels=(LEVEL, HALF))

    assert agreed_layout(layout, header(), nodata=[(None, None)] * 2).levels == layout.levels


@pytest.mark.parametrize(
    ("levels", "changes", "expected"),
    [
        ((LEVEL,), {}, [None, "level 1 was not found"]),
        ((LEVEL, LEVEL), {}, [None, "says 50 x 40 pixels, GDAL 25 x 20"]),
        ((LEVEL, HALF), {"bands": (BandHeader(dtype="uint16"),) * 3}, ["2 bands of uint16, GDAL 3 of uint16"] * 2),
        ((LEVEL, HALF), {"bands": (BandHeader(dtype="int16"),) * 2}, ["2 bands of uint16, GDAL 2 of int16"] * 2),
        ((LEVEL, HALF), {"mask": "mask"}, ["the mask band is not stored"] * 2),
        ((replace(LEVEL, mask=MASK), HALF), {"mask": "mask"}, [None, "the mask band is not stored"]),
        ((replace(LEVEL, mask=MASK), HALF), {}, ["a mask band that GDAL does not use", None]),
        ((LEVEL, replace(HALF, mask=MASK)), {"mask": "mask"}, ["the mask band is not", "another shape than its level"]),
        ((LEVEL, Unserved(reason="fax")), {}, [None, "fax"]),
        ((Unserved(reason="a volume"),), {}, ["a volume"] * 2),
        ((), {}, ["its structure shows no image"] * 2),
    ],
)
def test_where_layout_and_header_differ_gdal_serves_the_level(levels, changes, expected):
    found = reasons(agreed_layout(ImageLayout(levels=levels), header(**changes)))

    assert len(found) == len(expected) == 2
    for reason, part in zip(found, expected, strict=True):
        assert (reason is None) if part is None else part in reason


@pytest.mark.parametrize(
    ("dtype", "base", "level", "same"),
    [
        ("uint16", 0, 0, True),
        ("uint16", 0, 7, False),
        ("uint16", None, 0, False),
        ("uint16", 3, None, False),
        ("float32", float("nan"), float("nan"), True),
        ("float32", float("nan"), 0.0, False),
        ("float32", -3.4028234663852886e38, -3.40282346638529e38, True),
        ("float64", 0.1, 0.10000001, False),
        ("uint8", float("nan"), float("nan"), True),
    ],
)
def test_levels_with_another_nodata_value_are_left_to_gdal(dtype, base, level, same):
    pixels = np.zeros((1, 40, 50), dtype)
    kind = np.dtype(dtype).newbyteorder("<").str
    layouts = [store_array(each, block_shape=(16, 16), stored=kind).layout for each in (pixels, pixels[:, :20, :25])]
    stated = header(bands=(BandHeader(dtype=dtype, nodata=base),), mask="nodata")

    found = reasons(agreed_layout(ImageLayout(levels=tuple(layouts)), stated, nodata=[(base,), (level,)]))

    assert found == [None, None if same else "level 1 has another nodata value than level 0"]


def test_nothing_served_says_why_for_every_level():
    assert reasons(unserved_layout(header(), "no")) == ["no", "no"]


@pytest.mark.parametrize(
    ("dtype", "nodata"),
    [
        *(("uint8", value) for value in (0, 9, 2.5)),
        *(("int16", value) for value in (0, 2.5, 300, -7)),
        *(("float32", value) for value in (0, 2.5, -7, float("nan"))),
    ],
)
def test_what_is_not_stored_reads_as_gdal_fills_it(tmp_path, dtype, nodata):
    path = write_tiff(
        tmp_path / "a.tif", scene(1, dtype), nodata=nodata, only=PART, tiled=True, blockxsize=16, blockysize=16
    )
    image, oracle = BlockImage(path), GdalImage(path)
    window = PixelWindow(0, 0, 150, 110)
    found, expected = image.read(window), oracle.read(window)

    assert image.served_by(0) == "block/none"
    np.testing.assert_array_equal(found.pixels, expected.pixels)
    np.testing.assert_array_equal(found.mask, expected.mask)


def test_absent_blocks_are_filled_with_what_the_type_can_hold():
    values = (None, 3.5, -1.0, 1e9, float("nan"), float("inf"))

    assert fill_values(values, np.dtype("uint8")).tolist() == [0, 4, 0, 255, 0, 255]
    assert fill_values((2**64, -(2.0**70)), np.dtype("int64")).tolist() == [2**63 - 1, -(2**63)]
    assert np.isnan(fill_values(values, np.dtype("float32"))[4])
    assert fill_values((1 + 2j, None), np.dtype("complex64")).tolist() == [1 + 2j, 0]


def sources(layout: LevelLayout, limits: ReadLimits | None = None, **changes) -> LevelSources:
    stated = header(levels=(layout.size,), **changes)
    return LevelSources(stated, ImageLayout(levels=(layout,)), name="a.tif", limits=limits or ReadLimits())


def test_what_decides_validity_is_found_once_for_bands():
    gray, alpha = BandHeader(dtype="uint16", nodata=3), BandHeader(dtype="uint16", nodata=4, color="alpha")
    one = sources(LEVEL, bands=(gray, gray)).find(0, None)
    mixed = sources(LEVEL, bands=(gray, replace(gray, nodata=5)))
    with_alpha = sources(LEVEL, bands=(gray, alpha))
    masked = sources(replace(LEVEL, mask=MASK), bands=(gray, gray), mask="mask").find(0, (1,))

    assert (one.bands, one.late, one.value, one.size) == ((0, 1), False, 3, ImageSize(50, 40))
    assert mixed.find(0, (1, 1)).value == 5
    assert [mixed.find(0, bands).late for bands in (None, (0,), (1, 1))] == [True, False, False]
    assert [with_alpha.find(0, bands).extra_alpha for bands in (None, (0,), (1,))] == [False, True, False]
    assert masked.late
    assert masked.nodata == (None, None)
    assert masked.mask is not None
    assert masked.fill.ravel().tolist() == [3]
    assert mixed.find(0, (1, 1)) is mixed.find(0, (1, 1))
    with pytest.raises(IndexError, match=r"a.tif: bands \(2,\) of an image that has 2"):
        mixed.find(0, (2,))


def test_blocks_that_have_to_be_decoded_whole_are_held_to_the_limits():
    coded = store_array(np.zeros((2, 40, 50), np.uint16), block_shape=(16, 16), compression="deflate").layout
    small = ReadLimits(block_bytes=1000)

    assert sources(LEVEL, small).find(0, None).level is not None
    with pytest.raises(LimitError, match="blocks of 16 x 16 pixels decode to 1024 bytes"):
        sources(coded, small).find(0, None)
