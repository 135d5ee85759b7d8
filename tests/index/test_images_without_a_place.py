"""Images that claim no place are indexed without one; those whose place is none on the Earth are left out by name."""

import numpy as np
import pytest
import rasterio
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS

from stacchip_osml import Chipper, Indexer
from stacchip_osml.errors import ItemError

PLACE = rasterio.Affine(0.1, 0, 10, 0, -0.1, 20)
MARS = 'GEOGCS["Mars",DATUM["Mars",SPHEROID["Mars",3396190,169.9]],PRIMEM["Mars",0],UNIT["Degree",0.0174532925199433]]'
LINE = [(0, 0, 10, 20), (32, 32, 11, 19), (64, 64, 12, 18)]
UNPLACED = {
    "nothing": {},
    "no_crs": {"transform": PLACE},
    "local": {"crs": 'LOCAL_CS["site",UNIT["metre",1]]', "transform": PLACE},
}
REFUSED = {
    "mars": (
        {"crs": MARS, "transform": PLACE},
        "no coordinate operation leads to longitude and latitude from 'GEOGCRS",
    ),
    "geocentric": ({"crs": "EPSG:4978", "transform": PLACE}, "expected a geographic or projected CRS, got Geocentric"),
    "one_point": ({"gcps": LINE[:1]}, "expected at least 3 ground control points, got 1"),
    "on_a_line": ({"gcps": LINE}, "the 3 ground control points lie on a line"),
    "singular": (
        {"crs": "EPSG:4326", "transform": rasterio.Affine(0.1, 0.1, 10, 0.1, 0.1, 20)},
        "maps the image to a line or a point",
    ),
    "all_zero": ({"crs": "EPSG:4326", "transform": rasterio.Affine(0, 0, 10, 0, 0, 20)}, "to a line or a point"),
}

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


def write(path, *, crs=None, transform=None, gcps=()):
    how = {} if transform is None else {"transform": transform}
    how |= {} if crs is None else {"crs": CRS.from_user_input(crs)}
    with rasterio.open(path, "w", driver="GTiff", width=64, height=64, count=1, dtype="uint8", **how) as image:
        image.write(np.arange(4096, dtype=np.uint8).reshape(1, 64, 64))
        if gcps:
            image.gcps = [GroundControlPoint(*point) for point in gcps], CRS.from_epsg(4326)


@pytest.mark.parametrize("name", UNPLACED)
def test_an_image_that_claims_no_place_is_indexed_without_one(tmp_path, name):
    write(tmp_path / f"{name}.tif", **UNPLACED[name])
    index = Indexer(str(tmp_path / f"{name}.tif"), 32).create_index()

    assert index.to_arrow()["geometry"].null_count == len(index) == 4
    assert [row["footprint"] for row in index.rows(range(4))] == [None] * 4
    assert Chipper(index)[3].pixels[0, 0, 0] == (32 * 64 + 32) % 256


@pytest.mark.parametrize("name", REFUSED)
def test_a_place_that_is_none_on_the_earth_is_refused_by_name(tmp_path, name):
    how, message = REFUSED[name]
    write(tmp_path / f"{name}.tif", **how)
    with pytest.raises(ItemError, match=f"item '{name}': .*{message}"):
        Indexer(str(tmp_path / f"{name}.tif"), 32).create_index()


@pytest.mark.parametrize("name", ["mars", "geocentric"])
def test_an_item_that_states_no_crs_has_it_indexed_without_a_place(tmp_path, name):
    how, _ = REFUSED[name]
    write(tmp_path / "image.tif", **how)
    facts = {"proj:code": None, "proj:shape": [64, 64], "proj:transform": list(PLACE)[:6]}
    item = {"type": "Feature", "stac_version": "1.1.0", "id": name, "geometry": None, "links": []}
    item |= {"assets": {"image": {"href": "image.tif"}}, "properties": {"datetime": "2026-01-01T00:00:00Z"}}
    item["properties"] |= facts
    index = Indexer([item], 32, base=tmp_path).create_index()

    assert [row["footprint"] for row in index.rows(range(len(index)))] == [None] * 4
    assert Chipper(index)[3].pixels[0, 0, 0] == (32 * 64 + 32) % 256


def test_such_images_stop_no_build_that_skips_them_and_are_listed(tmp_path):
    for name, how in (UNPLACED | {name: how for name, (how, _) in REFUSED.items()}).items():
        write(tmp_path / f"{name}.tif", **how)
    write(tmp_path / "good.tif", crs="EPSG:4326", transform=PLACE)

    index = Indexer(str(tmp_path), 32, on_error="skip").create_index()

    assert sorted({row["item_id"] for row in index.rows(range(len(index)))}) == sorted([*UNPLACED, "good"])
    told = "\n".join(map(str, index.problems))
    assert len(index.problems) == len(REFUSED)
    for name, (_, message) in REFUSED.items():
        assert f"item '{name}'" in told
        assert message in told
