"""Which directories are levels and masks, and what is made of tables that writers get wrong: as GDAL has it."""

import zlib

import numpy as np
import pytest
from tiff_assembler import (
    BITS,
    COMPRESSION,
    FILL_ORDER,
    HEIGHT,
    PHOTOMETRIC,
    PLANAR,
    ROWS_PER_STRIP,
    SAMPLES,
    STRIP_COUNTS,
    STRIP_OFFSETS,
    SUBFILE,
    TILE_COUNTS,
    TILE_LENGTH,
    TILE_WIDTH,
    WIDTH,
    Directory,
    assemble,
    gray,
    save,
)
from tiff_parity import assert_reads_as_gdal_does, gdal_levels
from tiff_reference import layout_of

from stacchip_osml.errors import DecodeError, LimitError
from stacchip_osml.imagery.blocks.layout import LevelLayout, Unserved
from stacchip_osml.imagery.limits import ReadLimits

SHORT, LONG = 3, 4


def filled(size):
    return (np.arange(size) % 251).astype(np.uint8).tobytes()


def image(width, height, subfile=None, *, samples=1, tags=None, **more):
    said = {SUBFILE: subfile, SAMPLES: samples, **(tags or {})}
    bits = said.get(BITS, 8) if isinstance(said.get(BITS, 8), int) else 16
    return gray(width, height, [filled(-(-width * samples * bits // 8) * height)], tags=said, **more)


BASE = image(64, 48)
LEVELS = {
    "one page": [BASE],
    "an overview": [BASE, image(32, 24, 1)],
    "a page is no overview": [BASE, image(32, 24, 0), image(16, 12, 2)],
    "a reduced page": [BASE, image(32, 24, 3)],
    "other bits of the type are not looked at": [BASE, image(32, 24, 0xFFF0 | 1)],
    "the obsolete SubfileType is not looked at": [BASE, image(32, 24, tags={255: (SHORT, [2])})],
    "an overview larger than R0": [BASE, image(128, 96, 1)],
    "an overview as large as R0": [BASE, image(64, 48, 1), image(32, 24, 1)],
    "overviews in no order": [BASE, image(16, 12, 1), image(32, 24, 1), image(33, 24, 1), image(24, 33, 1)],
    "another number of bands": [BASE, image(32, 24, 1, samples=2), image(16, 12, 1)],
    "a mask": [BASE, image(64, 48, 4, tags={PHOTOMETRIC: 4})],
    "a mask of bits": [BASE, image(64, 48, 4, tags={PHOTOMETRIC: 4, BITS: 1})],
    "two masks": [BASE, image(64, 48, 4), image(64, 48, 4, tags={BITS: 1})],
    "a mask of another size": [BASE, image(32, 24, 4)],
    "a mask of words": [BASE, image(64, 48, 4, tags={BITS: 16})],
    "masks of overviews": [BASE, image(64, 48, 4), image(32, 24, 1), image(16, 12, 1), image(32, 24, 5)],
    "a mask before its overview": [BASE, image(64, 48, 4), image(32, 24, 5), image(32, 24, 1)],
    "a link back to R0": [BASE, image(32, 24, 1, next_ifd=8)],
    "a link to itself": [image(64, 48, next_ifd=8)],
    "a link past the end": [image(64, 48, next_ifd=10**7)],
    "a link into pixels": [image(64, 48, next_ifd=500)],
    "an overview without a width ends the chain": [BASE, image(32, 24, 1, tags={WIDTH: None}), image(16, 12, 1)],
    "an overview without blocks ends the chain": [
        BASE,
        Directory({WIDTH: 32, HEIGHT: 24, SUBFILE: 1, BITS: 8}),
        image(16, 12, 1),
    ],
    "an overview of unlike samples ends the chain": [
        BASE,
        image(32, 24, 1, samples=2, tags={BITS: (SHORT, [8, 16])}),
        image(16, 12, 1),
    ],
    "an overview of an unknown codec is left out": [BASE, image(32, 24, 1, tags={COMPRESSION: 999}), image(16, 12, 1)],
    "an overview of no known samples is left out": [BASE, image(32, 24, 1, tags={BITS: 40}), image(16, 12, 1)],
    "sub-directories": [image(64, 48, subs=[image(32, 24, 1), image(16, 12, 1)])],
    "sub-directories, then a chain": [image(64, 48, subs=[image(16, 12, 1)]), image(32, 24, 1)],
    "overviews with sub-directories are none": [BASE, image(32, 24, 1, subs=[image(8, 6, 1)]), image(16, 12, 1)],
    "masks among sub-directories": [image(64, 48, subs=[image(64, 48, 4), image(32, 24, 1), image(32, 24, 5)])],
    "R0 that calls itself reduced": [image(64, 48, 1), image(32, 24, 1)],
    "more than thirty overviews": [BASE, *(image(40 - n, 24, 1) for n in range(33))],
}


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("case", list(LEVELS))
def test_levels_and_masks_are_those_that_gdal_finds(tmp_path, case, big):
    path = save(tmp_path / "a.tif", *LEVELS[case], big=big, order=">" if big else "<")

    assert_reads_as_gdal_does(path)


TILE = {TILE_WIDTH: 64, TILE_LENGTH: 48}


def strips(count, *, tags=None, size=512):
    return gray(64, 48, [filled(size)] * count, tags={ROWS_PER_STRIP: 8, **(tags or {})})


TABLES = {
    "one long strip": image(1000, 48),
    "one long strip of bits": image(9001, 48, tags={BITS: 4}),
    "one long strip of a plane": image(1000, 48, tags={PLANAR: 2}),
    "strips of planes": gray(1000, 48, [filled(48000)] * 2, tags={SAMPLES: 2, PLANAR: 2, ROWS_PER_STRIP: 48}),
    "one strip of size 0": image(1000, 48, tags={STRIP_COUNTS: (LONG, [0])}),
    "one strip of too small a size": image(1000, 48, tags={STRIP_COUNTS: (LONG, [10])}),
    "one strip of too large a size": image(1000, 48, tags={STRIP_COUNTS: (LONG, [10**6])}),
    "one strip without a size": image(1000, 48, tags={STRIP_COUNTS: None}),
    "planes without a size": gray(
        64, 48, [filled(3072)] * 2, tags={SAMPLES: 2, PLANAR: 2, STRIP_COUNTS: None, ROWS_PER_STRIP: 48}
    ),
    "one tile without a size": gray(64, 48, [filled(3072)], tags={**TILE, TILE_COUNTS: None}),
    "one tile of size 0": gray(64, 48, [filled(3072)], tags={**TILE, TILE_COUNTS: (LONG, [0])}),
    "no RowsPerStrip": image(64, 48, tags={ROWS_PER_STRIP: None}),
    "RowsPerStrip without bound": image(64, 48, tags={ROWS_PER_STRIP: (LONG, [2**32 - 1])}),
    "a table that is too short": strips(3),
    "a table of one": image(64, 48, tags={ROWS_PER_STRIP: 1}),
    "a table that is too long": strips(9),
    "a last strip cut at the image": gray(64, 45, [filled(512)] * 5 + [filled(320)], tags={ROWS_PER_STRIP: 8}),
    "a last strip that goes on below": gray(64, 45, [filled(512)] * 6, tags={ROWS_PER_STRIP: 8}),
    "sizes that cannot be": strips(6, tags={STRIP_COUNTS: (LONG, [10, 20, 30, 40, 50, 60])}),
    "sizes with room to spare": strips(6, tags={STRIP_COUNTS: (LONG, [600] * 6)}),
    "absent strips": gray(64, 48, [filled(512), b"", filled(512), b"", b"", filled(512)], tags={ROWS_PER_STRIP: 8}),
    "a strip of size 0 with a place": strips(6, tags={STRIP_COUNTS: (LONG, [512, 0, 512, 512, 512, 512])}),
    "tables of bytes": gray(
        8, 4, [filled(8)] * 4, tags={STRIP_COUNTS: (1, [8] * 4), WIDTH: (1, [8]), HEIGHT: (9, [4])}
    ),
    "tables of words": gray(64, 48, [filled(512)] * 6, kinds=(LONG, SHORT), tags={ROWS_PER_STRIP: (LONG, [8])}),
    "one value of bits for all samples": image(64, 48, samples=2),
    "more values of bits than samples": image(64, 48, tags={BITS: (SHORT, [8, 8, 8])}),
    "no tag of bits": Directory({WIDTH: 64, HEIGHT: 48, PHOTOMETRIC: 1}, [filled(384)]),
    "two compressions": image(64, 48, tags={COMPRESSION: (SHORT, [1, 1])}),
    "a fill order that does not exist": image(64, 48, tags={FILL_ORDER: 3}),
}  # fmt: skip


@pytest.mark.parametrize("case", list(TABLES))
def test_block_tables_are_understood_as_gdal_does(tmp_path, case):
    path = save(tmp_path / "a.tif", TABLES[case])

    assert_reads_as_gdal_does(path)


def test_tiles_may_be_listed_in_the_tags_of_strips(tmp_path):
    known = assemble(gray(64, 48, [filled(3072)], tags=TILE))
    at = known.index(filled(3072))
    tags = {**TILE, STRIP_OFFSETS: (LONG, [at]), STRIP_COUNTS: (LONG, [3072])}
    path = tmp_path / "a.tif"
    path.write_bytes(assemble(gray(64, 48, [], tags=tags)).ljust(at, b"\0") + filled(3072))

    assert_reads_as_gdal_does(str(path))


@pytest.mark.parametrize("counts", [None, (LONG, [0])])
def test_one_compressed_strip_without_a_size_is_left_to_gdal(tmp_path, counts):
    packed = zlib.compress(filled(3072))
    path = save(tmp_path / "a.tif", gray(64, 48, [packed], tags={COMPRESSION: 8, STRIP_COUNTS: counts}))

    (level,) = layout_of(path).levels

    assert level == Unserved(reason="a compressed block of unknown size")
    assert gdal_levels(path)[0].pixels.tobytes() == filled(3072)


def test_what_is_wrong_with_an_overview_leaves_the_other_levels(tmp_path):
    other = image(32, 24, 1, tags={BITS: 16})
    cut = gray(16, 12, [b"1"] * 12, tags={SUBFILE: 1, TILE_WIDTH: 4, TILE_LENGTH: 4, TILE_COUNTS: None})
    data = assemble(BASE, other, cut)

    base, unlike, broken = layout_of(data).levels

    assert isinstance(base, LevelLayout)
    assert unlike == Unserved(reason="an overview of uint16 where R0 is uint8")
    assert broken == Unserved(reason="made.tif: 1 x 3 x 4 blocks without their positions or sizes")


def test_a_mask_that_is_not_served_takes_its_level_along(tmp_path):
    fax = image(64, 48, 4, tags={BITS: 1, COMPRESSION: 4})
    wide = image(64, 48, 4, samples=2)

    (level,) = layout_of(assemble(BASE, fax)).levels
    (other,) = layout_of(assemble(image(64, 48, samples=2), wide)).levels

    assert level == Unserved(reason="its mask has compression 4 (CCITT group 4)")
    assert other == Unserved(reason="a mask of 2 bands")


REFUSED = {
    "rows of none": (image(64, 48, tags={ROWS_PER_STRIP: 0}), "blocks of 64 x 0 pixels"),
    "tiles of none": (image(64, 48, tags={TILE_WIDTH: 0, TILE_LENGTH: 0}), "blocks of 0 x 0 pixels"),
    "no positions": (strips(6, tags={STRIP_OFFSETS: None}), "without the positions"),
    "no sizes": (strips(6, tags={STRIP_COUNTS: None}), "1 x 6 x 1 blocks without their positions or sizes"),
    "too few values of bits": (image(64, 48, samples=3, tags={BITS: (SHORT, [8, 8])}), "tag 258 with 2 values"),
    "unlike samples": (image(64, 48, samples=2, tags={BITS: (SHORT, [8, 16])}), r"tag 258 with 2 values \[8, 16\]"),
    "no samples": (image(64, 48, tags={SAMPLES: 0}), "of 0 samples"),
    "no planes": (image(64, 48, tags={PLANAR: 3}), "planar configuration 3"),
    "a negative width": (image(64, 48, tags={WIDTH: (9, [-64])}), "tag 256 with a negative number"),
    "no image": (Directory({WIDTH: 64}, [b"1"]), "64 x 0 pixels"),
}  # fmt: skip


@pytest.mark.parametrize("case", list(REFUSED))
def test_what_gdal_does_not_open_is_refused(tmp_path, case):
    directory, message = REFUSED[case]
    path = save(tmp_path / "a.tif", directory)

    with pytest.raises(DecodeError, match=f"a.tif: .*{message}"):
        layout_of(path)
    with pytest.raises(OSError, match=r"a\.tif"):
        gdal_levels(path)


def test_limits_hold_before_anything_is_read():
    with pytest.raises(LimitError, match=r"made\.tif: 64 x 48 pixels, more than 50 a side"):
        layout_of(assemble(BASE), limits=ReadLimits(side=50))
    with pytest.raises(LimitError, match="3 bands, more than 2"):
        layout_of(assemble(image(64, 48, samples=3)), limits=ReadLimits(bands=2))
    tile = gray(64, 48, [b"1"], tags={TILE_WIDTH: 60000, TILE_LENGTH: 60000})

    (level,) = layout_of(assemble(tile)).levels

    assert level == Unserved(
        reason="made.tif: blocks of 60000 x 60000 pixels decode to 3600000000 bytes, more than 536870912"
    )
