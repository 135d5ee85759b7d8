"""Pages of a TIFF behind HTTP, through both readers."""

import numpy as np
import pytest
import tifffile

from stacchip_osml.errors import DecodeError
from stacchip_osml.imagery import GdalImage
from stacchip_osml.imagery.tiff.pages import TiffPage
from stacchip_osml.pixel import PixelWindow

PAGES = np.random.default_rng(5).integers(0, 255, (3, 300, 400), np.uint8)


def test_both_readers_give_the_pixels_of_a_page(tmp_path, server):
    for number, page in enumerate(PAGES):
        tifffile.imwrite(tmp_path / "a.tif", page, append=number > 0, tile=(64, 64))
    server.serve("/a.tif", (tmp_path / "a.tif").read_bytes())

    for image in (GdalImage(f"{server.url}/a.tif", page=2), TiffPage(f"{server.url}/a.tif", 2)):
        assert image.header.size == (400, 300)
        np.testing.assert_array_equal(image.read(PixelWindow(10, 20, 300, 200)).pixels, PAGES[2:, 20:220, 10:310])
    assert TiffPage(f"{server.url}/a.tif", 1).served_by(0) == "block/none"
    with pytest.raises(DecodeError, match="no page 3; it has 3"):
        _ = TiffPage(f"{server.url}/a.tif", 3).header
