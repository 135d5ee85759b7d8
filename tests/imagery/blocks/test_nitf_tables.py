"""Images whose bands have look-up tables (MIL-STD-2500C, NLUTS and NELUT in table A-3), any number of any length."""

import numpy as np
import pytest
from nitf_block_files import blocks_of, fields_of, write_nitf

from stacchip_osml.encode.io.converting import convert
from stacchip_osml.encode.nitf import read_nitf
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
