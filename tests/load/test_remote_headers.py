"""Headers of images behind HTTP, stored in an index: read with, and held to the version that they are of."""

import numpy as np
import pytest
import rasterio
from rasterio.transform import Affine

from stacchip_osml import ChipIndex, Indexer
from stacchip_osml.errors import AssetChanged, AssetMissing
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.pixel import ImageSize, PixelWindow
from tests.stac_items import placed_item

WINDOW = PixelWindow(20, 30, 200, 150)
TRANSFORM = (10, 0, 500_000, 0, -10, 5_000_000)


def image_bytes(path, seed):
    pixels = np.random.default_rng(seed).integers(0, 60_000, (300, 400)).astype(np.uint16)
    with rasterio.open(
        path, "w", driver="GTiff", width=400, height=300, count=1, dtype="uint16", crs="EPSG:32632", tiled=True,
        blockxsize=128, blockysize=128, transform=Affine(*TRANSFORM),
    ) as file:  # fmt: skip
        file.write(pixels, 1)
    return path.read_bytes(), pixels


def item(name, href):
    return placed_item({"red": href}, ImageSize(400, 300), TRANSFORM, item_id=name)


def test_stored_headers_of_remote_images_read_the_same_pixels_and_notice_another_object(server, tmp_path):
    first, pixels = image_bytes(tmp_path / "a.tif", 1)
    server.serve("/a.tif", first)
    made = Indexer(item("A", f"{server.url}/a.tif"), 100)
    index = made.create_index().with_headers()
    index.save(tmp_path / "index.parquet", portable=True)
    (header,) = ChipIndex.open(tmp_path / "index.parquet").tables.headers.values()
    stored = header.stored

    assert stored.etag.startswith('"')
    assert (stored.size_bytes, stored.modified_ns, stored.fingerprint) == (len(first), None, None)
    assert (header.image.size_bytes, header.image.modified_ns) == (None, None)
    facts, layout = header.unpack()

    def image():
        expect = (stored.size_bytes, None)
        return BlockImage(header.image.location, header=facts, layout=layout, etag=stored.etag, expect=expect)

    x, y, width, height = WINDOW
    np.testing.assert_array_equal(image().read(WINDOW).pixels[0], pixels[y : y + height, x : x + width])
    second, _ = image_bytes(tmp_path / "b.tif", 2)
    assert len(second) == len(first)
    server.serve("/a.tif", second)
    with pytest.raises(AssetChanged, match="the object"):
        image().read(WINDOW)


def test_a_remote_image_that_is_gone_is_told_by_name_or_left_without(server, tmp_path):
    server.serve("/a.tif", image_bytes(tmp_path / "a.tif", 1)[0])
    index = Indexer([item("A", f"{server.url}/a.tif"), item("B", f"{server.url}/none.tif")], 100).create_index()

    with pytest.raises(AssetMissing, match=r"none\.tif"):
        index.with_headers()
    filled = index.with_headers(on_error="skip")
    assert {key[1]: header.stored is not None for key, header in filled.tables.headers.items()} == {
        "A": True,
        "B": False,
    }
    assert [type(problem) for problem in filled.problems] == [AssetMissing]
