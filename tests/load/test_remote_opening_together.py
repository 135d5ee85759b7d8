"""Remote images whose headers are read first: all of a batch are asked for at once, and each once."""

import numpy as np
import pytest
import rasterio
from rasterio.transform import Affine

from stacchip_osml import Chipper, Indexer
from stacchip_osml.errors import AssetMissing, RemoteReadError
from stacchip_osml.imagery.gdal.access import WORTH_BEGINNING
from stacchip_osml.pixel import ImageSize
from tests.imagery.patience import PATIENT
from tests.stac_items import placed_item

BANDS = ("blue", "green")
TRANSFORM = (10, 0, 500_000, 0, -10, 5_000_000)


def image_bytes(path, seed):
    """Write a COG, and make it as large as those of which GDAL does not ask for everything."""
    pixels = np.random.default_rng(seed).integers(1, 60_000, (600, 600)).astype(np.uint16)
    with rasterio.open(
        path, "w", driver="COG", width=600, height=600, count=1, dtype="uint16", crs="EPSG:32632",
        blocksize=128, transform=Affine(*TRANSFORM), compress="deflate", nodata=0,
    ) as file:  # fmt: skip
        file.write(pixels, 1)
    return path.read_bytes().ljust(WORTH_BEGINNING, b"\0"), pixels


@pytest.fixture
def scene(server, tmp_path):
    """Two items of two files each; their index, and the pixels by item."""
    items, pixels = [], {}
    for name in ("A", "B"):
        hrefs, found = {}, []
        for number, band in enumerate(BANDS):
            data, values = image_bytes(tmp_path / f"{name}-{band}.tif", 10 * ord(name) + number)
            hrefs[band] = server.serve(f"/{name}-{band}.tif", data)
            found.append(values)
        items.append(placed_item(hrefs, ImageSize(600, 600), TRANSFORM, item_id=name))
        pixels[name] = np.stack(found)
    index = Indexer(items, 100, assets=BANDS).create_index()
    server.asked()
    return index, pixels


def first_chips(index):
    """Give the position of the first chip of each item."""
    names = [row["item_id"] for row in index.rows(np.arange(len(index)))]
    return [names.index("A"), names.index("B")]


def test_a_first_batch_asks_for_all_headers_at_once_and_then_for_all_pixels(server, scene):
    index, pixels = scene
    server.set(together=4)  # the headers are answered once all four are asked for, and so are the pixels

    batch = Chipper(index, fetch=PATIENT).batch(first_chips(index))

    assert len(server.asked()) == 8
    for place, name in enumerate("AB"):
        x, y, width, height = batch.window(place)
        np.testing.assert_array_equal(batch.pixels[place], pixels[name][:, y : y + height, x : x + width])


def test_what_is_open_or_known_is_not_asked_for(server, scene):
    index, _ = scene
    chipper = Chipper(index, fetch=PATIENT)
    one, two = first_chips(index)
    chipper.batch([one])
    server.asked()
    chipper.batch([one, two])

    assert not [each.path for each in server.asked() if each.path.startswith("/A")]
    known = index.with_headers()
    server.asked()
    Chipper(known, fetch=PATIENT).batch([one, two])
    assert len(server.asked()) == 4


def test_what_cannot_be_opened_is_asked_for_once_and_leaves_the_others_alone(server, scene):
    index, pixels = scene
    server.fault(404, path="/A-green")
    chipper = Chipper(index, fetch=PATIENT)
    positions = first_chips(index)

    with pytest.raises(AssetMissing, match=r"A-green\.tif"):
        chipper.batch(positions)
    assert len([each for each in server.asked() if each.path == "/A-green.tif"]) == 1
    batch = Chipper(index, fetch=PATIENT).batch(positions, on_error="none")
    assert {place: type(error) for place, error in batch.errors.items()} == {0: AssetMissing}
    x, y, width, height = batch.window(1)
    np.testing.assert_array_equal(batch.pixels[1], pixels["B"][:, y : y + height, x : x + width])

    server.fault("ok")
    server.fault(503, path="/A-green")
    server.asked()
    with pytest.raises(RemoteReadError, match=r"A-green\.tif.* 503"):
        chipper.batch(positions)
    assert len([each for each in server.asked() if each.path == "/A-green.tif"]) == PATIENT.attempts
    server.fault("ok")
    assert chipper.batch(positions).present.all()
