"""NITF to NITF in another coding: blocks stay as they were, but for those that the new coding cannot have."""

import numpy as np
import pytest

from stacchip_osml.encode import IO, BufferedImageAssetProvider
from stacchip_osml.encode.io.converting import convert
from stacchip_osml.encode.nitf import NitfFile, NitfImage, read_nitf, write_nitf
from stacchip_osml.imagery import read_window


@pytest.mark.parametrize(
    ("size", "block", "compression", "kept"),
    [
        ((100, 70), ("0064", "0032"), "jpeg2000", ("0064", "0032")),
        ((100, 70), ("0048", "0032"), "jpeg2000", ("0100", "0032")),
        ((100, 70), ("0064", "0017"), "htj2k", ("0064", "0070")),
        ((100, 70), ("0016", "0001"), "htj2k", ("0100", "0070")),
        ((100, 70), ("0048", "0017"), "none", ("0048", "0017")),
        ((100, 70), ("0048", "0017"), "jpeg", ("0048", "0017")),
        ((8200, 3), ("0000", "0003"), "jpeg2000", ("1024", "0003")),
        ((8200, 3), ("0000", "0000"), "jpeg", ("1024", "0003")),
    ],
)
def test_blocks_that_the_new_coding_cannot_have_are_laid_out_anew(tmp_path, size, block, compression, kept):
    cols, rows = size
    pixels = np.broadcast_to(np.arange(cols, dtype=np.uint8) // 2, (1, rows, cols)).copy()
    fields = {"IC": "NC", "NPPBH": block[0], "NPPBV": block[1]}
    image = NitfImage(pixels=BufferedImageAssetProvider.from_array(pixels), fields=fields)
    write_nitf(tmp_path / "a.ntf", NitfFile(images=(image,)))

    convert(tmp_path / "a.ntf", tmp_path / "b.ntf", compression=compression)

    found = read_nitf(tmp_path / "b.ntf").images[0].fields
    assert (found["NPPBH"], found["NPPBV"]) == kept
    with IO.open(tmp_path / "b.ntf") as dataset:
        back = read_window(dataset.get_asset("image:0"), (0, 0, cols, rows))
    assert np.abs(back.astype(int) - pixels).max() <= (40 if compression == "jpeg" else 0)
