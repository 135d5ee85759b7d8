"""All floats of 16 bits, those that are no numbers and the smallest too, arrive as what they are."""

import numpy as np
import pytest
import tifffile

from stacchip_osml.imagery import GdalImage
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.pixel import PixelWindow

WHOLE = PixelWindow(0, 0, 256, 256)


@pytest.mark.parametrize(("compression", "predictor"), [(None, None), ("deflate", None), ("deflate", 3)])
def test_every_half_float_is_exact_through_both_readers(tmp_path, compression, predictor):
    codes = np.arange(1 << 16, dtype=np.uint16).view(np.float16).reshape(256, 256)
    path = str(tmp_path / "a.tif")
    tifffile.imwrite(path, codes, tile=(64, 64), compression=compression, predictor=predictor)
    image = BlockImage(path)

    found, other = image.read(WHOLE), GdalImage(path).read(WHOLE)

    assert image.served_by(0).startswith("block/")
    assert found.pixels.dtype == np.float32
    np.testing.assert_array_equal(found.pixels[0], codes.astype(np.float32))
    np.testing.assert_array_equal(np.signbit(found.pixels[0]), np.signbit(codes))
    assert found.pixels.tobytes() == other.pixels.tobytes()
    np.testing.assert_array_equal(found.mask, other.mask)
