"""An image in memory, block by block."""

import copy
import pickle

import numpy as np
import pytest
from provider_cases import Foreign, random_pixels

from stacchip_osml.errors import DecodeError, LimitError
from stacchip_osml.imagery import BlockGrid, BufferedImageAssetProvider, read_window
from stacchip_osml.pixel import ImageSize


def made(**settings):
    return BufferedImageAssetProvider.create("image", 50, 40, 2, 16, 16, "UINT16", **settings)


def test_blocks_that_were_not_set_are_absent_and_read_as_padding():
    image = made(pad_pixel_value=9)
    image.set_block(2, 3, np.full((2, 8, 2), 5, np.uint16))

    assert image.has_block(2, 3)
    assert not image.has_block(0, 0)
    assert not image.has_block(2, 3, 1)
    assert (image.get_block(0, 0) == 9).all()
    assert image.get_block(0, 0, bands=[1]).shape == (1, 16, 16)
    assert image.get_block(2, 3).shape == (2, 8, 2)


def test_an_array_comes_out_as_it_went_in():
    pixels = random_pixels((3, 41, 57), "float32")
    image = BufferedImageAssetProvider.from_array(pixels, block_width=16, block_height=10, title="A scene")

    np.testing.assert_array_equal(read_window(image, (0, 0, 57, 41)), pixels)
    assert (image.title, image.description, image.num_bits_per_pixel) == ("A scene", "", 32)
    pixels[...] = 0
    assert read_window(image, (0, 0, 57, 41)).any()


def test_the_array_that_was_set_stays_the_callers_and_the_one_given_out_is_read_only():
    image, block = made(), np.ones((2, 16, 16), np.uint16)

    image.set_block(0, 0, block)
    block[...] = 2
    held = image.get_block(0, 0)

    assert (held == 1).all()
    with pytest.raises(ValueError, match="read-only"):
        held[...] = 0
    image.set_block(0, 0, block)
    assert (held == 1).all()


def test_a_full_block_at_the_edge_is_cut_off():
    image = made()
    image.set_block(2, 3, np.ones((2, 16, 16), np.uint16))

    assert image.get_block(2, 3).shape == (2, 8, 2)


@pytest.mark.parametrize(
    ("block", "message"),
    [
        (np.ones((2, 16, 15), np.uint16), "not uint16 \\(2, 16, 15\\)"),
        (np.ones((1, 16, 16), np.uint16), "not uint16 \\(1, 16, 16\\)"),
        (np.ones((2, 16, 16), np.int32), "not int32"),
    ],
)
def test_a_block_of_another_shape_or_type_is_refused(block, message):
    with pytest.raises(ValueError, match=message):
        made().set_block(0, 0, block)
    with pytest.raises(IndexError, match="no block \\(3, 0\\) in a grid of 3 x 4"):
        made().set_block(3, 0, np.ones((2, 16, 16), np.uint16))
    with pytest.raises(ValueError, match="not \\(2, 40, 51\\)"):
        made().set_full_image(np.ones((2, 40, 51), np.uint16))


def test_images_that_cannot_be_are_refused():
    with pytest.raises(DecodeError, match="unknown type 'UINT12'"):
        BufferedImageAssetProvider.create("image", 4, 4, pixel_type="UINT12")
    with pytest.raises(LimitError, match="a side"):
        BufferedImageAssetProvider.create("image", 2**32, 4)
    with pytest.raises(LimitError, match="0 bands"):
        BufferedImageAssetProvider.create("image", 4, 4, 0)
    with pytest.raises(DecodeError, match="no image"):
        BufferedImageAssetProvider.create("image", 0, 4)
    with pytest.raises(LimitError, match="reduced by 2"):
        BufferedImageAssetProvider(
            "i", grid=BlockGrid(ImageSize(4, 4), (4, 4), 2), num_bands=1, pixel_value_type="byte"
        )


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda image: pickle.loads(pickle.dumps(image))])
def test_a_copy_has_its_own_blocks(again):
    image = made()
    image.set_block(0, 0, np.ones((2, 16, 16), np.uint16))

    other = again(image)
    other.set_block(0, 0, np.zeros((2, 16, 16), np.uint16))

    assert (image.get_block(0, 0) == 1).all()
    assert other.pixel_identity != image.pixel_identity
    with pytest.raises(ValueError, match="read-only"):
        other.get_block(0, 0)[...] = 1


def test_a_sparse_provider_is_copied_sparse():
    source = Foreign(random_pixels((2, 40, 50)), absent={(1, 1), (0, 2)}, padded=True)

    image = BufferedImageAssetProvider.from_provider(source, metadata={"IC": "NM"})

    assert [(r, c) for r in range(3) for c in range(4) if not image.has_block(r, c)] == [(0, 2), (1, 1)]
    np.testing.assert_array_equal(
        read_window(image, (0, 0, 50, 40), fill_value=3), read_window(source, (0, 0, 50, 40), fill_value=3)
    )
    assert (image.key, image.metadata) == ("image:0", {"IC": "NM"})
