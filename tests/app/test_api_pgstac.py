"""Items of a real STAC API, stac-fastapi-pgstac on PostgreSQL: searched, indexed, and their chips cut over HTTP."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from pgstac_server import StacApi, file_server, stac_api, what_is_missing
from rasterio.warp import transform_bounds
from rasterio.windows import Window

from stacchip_osml import ChipIndex, Chipper, Indexer
from stacchip_osml.errors import ItemError

# One server for all of them: workers of a parallel run would start one each.
pytestmark = pytest.mark.xdist_group("pgstac")

SIDE = 64
CHIP = 32
COLUMNS, COUNT = 5, 25
HOSTILE = {
    "file:///etc/hostname": "may not name a local file",
    "/etc/hostname": "an absolute path in a document that is not local",
    "/vsicurl/http://127.0.0.1/x.tif": "virtual file systems are not followed",
    "http://169.254.169.254/latest/x.tif": "may not name a host of this network",
    "http://10.0.0.1/x.tif": "may not name a host of this network",
}
"""Href → why an item of an API on this machine may not have it."""
FIRST_DAY = datetime(2025, 6, 1, 10, tzinfo=UTC)
COMPOSITES = [
    {"datetime": None, "start_datetime": "2025-05-01T00:00:00Z", "end_datetime": "2025-05-31T23:59:59Z"},
    {"datetime": None, "start_datetime": "2025-01-01T00:00:00Z", "end_datetime": "2025-12-31T23:59:59.999999Z"},
    {"datetime": None, "start_datetime": "2025-05-20T12:00:00Z", "end_datetime": "2025-05-20T12:00:00Z"},
    {"datetime": None, "start_datetime": "2025-06-01T01:00:00+02:00", "end_datetime": "9999-12-31T23:59:59Z"},
    {"datetime": "2025-05-20T12:00:00Z"},
    {
        "datetime": "2025-05-20T12:00:00Z",
        "start_datetime": "2025-05-10T00:00:00Z",
        "end_datetime": "2025-06-10T00:00:00Z",
    },
    {
        "datetime": "2025-05-20T12:00:00Z",
        "start_datetime": "2025-07-01T00:00:00Z",
        "end_datetime": "2025-07-31T00:00:00Z",
    },
    {"datetime": "2025-05-20T12:00:00Z", "start_datetime": "2025-01-01T00:00:00Z"},
    {"datetime": "2025-05-20T12:00:00Z", "end_datetime": "2026-01-01T00:00:00Z"},
]
"""Times of items, with and without an interval; of one end alone, which is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A STAC API with the items it was given and the files that they name."""

    api: StacApi
    items: dict[str, dict]
    """By id; ``scene-00`` to ``scene-24`` lie 5 by 5, row by row from the north-west, one a day."""
    files: Path

    def searches(self) -> list[str]:
        """List the searches answered so far, a page each."""
        return [line for line in self.api.requests() if line.split()[1].startswith("/search")]


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    reason = what_is_missing()
    if reason is not None and os.environ.get("STACCHIP_OSML_REQUIRE_PGSTAC") == "1":
        pytest.fail(f"the STAC API has to be tested here, and cannot: {reason}")
    if reason is not None:
        pytest.skip(reason)
    files = tmp_path_factory.mktemp("images")
    with file_server(files) as url:
        items = [write_item(files, url, number) for number in range(COUNT)]
        items += [write_item(files, url, number, collection="others") for number in range(3)]
        items += [hostile_item(number, href) for number, href in enumerate(HOSTILE)]
        for number, times in enumerate(COMPOSITES):
            item = write_item(files, url, number, collection="composites")
            items.append({**item, "properties": {"proj:code": "EPSG:32632", **times}})
        names = ["scenes", "others", "hostile", "composites"]
        with stac_api([collection(name) for name in names], items) as api:
            yield Served(api=api, items={item["id"]: item for item in items}, files=files)


def collection(name: str) -> dict:
    return {
        "type": "Collection",
        "stac_version": "1.1.0",
        "id": name,
        "description": "Small images in a square of five by five.",
        "license": "other",
        "extent": {
            "spatial": {"bbox": [[-180, -90, 180, 90]]},
            "temporal": {"interval": [["2025-01-01T00:00:00Z", None]]},
        },
        "links": [],
    }


def write_item(files: Path, url: str, number: int, *, collection: str = "scenes") -> dict:
    """Write an image of random values, and give an item that states all a chip grid needs."""
    row, col = divmod(number, COLUMNS)
    transform = Affine(10, 0, 500_000 + col * 10 * SIDE, 0, -10, 5_500_000 - row * 10 * SIDE)
    item_id = f"{collection.removesuffix('s')}-{number:02d}"
    pixels = np.random.default_rng(number).integers(1, 10_000, (1, SIDE, SIDE), dtype=np.uint16)
    profile = {"width": SIDE, "height": SIDE, "count": 1, "dtype": "uint16", "blockxsize": 16, "blockysize": 16}
    with rasterio.open(
        files / f"{item_id}.tif", "w", driver="GTiff", tiled=True, crs="EPSG:32632", transform=transform, **profile
    ) as dataset:
        dataset.write(pixels)
        left, bottom, right, top = transform_bounds(dataset.crs, "EPSG:4326", *dataset.bounds)
    ring = [[left, bottom], [right, bottom], [right, top], [left, top], [left, bottom]]
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": ["https://stac-extensions.github.io/projection/v2.0.0/schema.json"],
        "id": item_id,
        "collection": collection,
        "bbox": [left, bottom, right, top],
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {
            "datetime": (FIRST_DAY + timedelta(days=number)).isoformat().replace("+00:00", "Z"),
            "eo:cloud_cover": number * 4.0,
            "proj:code": "EPSG:32632",
        },
        "assets": {
            "gray": {
                "href": f"{url}/{item_id}.tif",
                "type": "image/tiff; application=geotiff; profile=cloud-optimized",
                "roles": ["data"],
                "proj:shape": [SIDE, SIDE],
                "proj:transform": list(transform)[:6],
                "bands": [{"name": "gray", "data_type": "uint16"}],
            }
        },
        "links": [],
    }


def hostile_item(number: int, href: str) -> dict:
    """Give an item as its neighbours are, but for where its image is said to lie."""
    transform = [10, 0, 500_000, 0, -10, 5_500_000]
    facts = {"proj:code": "EPSG:32632", "proj:shape": [SIDE, SIDE], "proj:transform": transform}
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "id": f"hostile-{number}",
        "collection": "hostile",
        "bbox": [9, 49.6, 9.01, 49.7],
        "geometry": {"type": "Point", "coordinates": [9, 49.65]},
        "properties": {"datetime": "2025-06-01T10:00:00Z"},
        "assets": {"gray": {"href": href, "type": "image/tiff; application=geotiff", "roles": ["data"], **facts}},
        "links": [],
    }


def scenes(*numbers: int) -> set[str]:
    return {f"scene-{number:02d}" for number in numbers}


def build(served: Served, **search) -> ChipIndex:
    return Indexer(served.api.url, CHIP, search={"collections": ["scenes"]} | search, read_headers=False).create_index()


def found(index: ChipIndex) -> set[str]:
    return set(index.to_arrow().column("item_id").to_pylist())


def test_a_search_is_followed_to_its_last_page(served):
    before = len(served.searches())
    index = build(served, limit=10)

    assert served.searches()[before:] == ["POST /search 200"] * 3
    assert found(index) == scenes(*range(COUNT))
    assert len(index) == COUNT * (SIDE // CHIP) ** 2


def test_max_items_asks_for_no_page_that_it_does_not_need(served):
    before = len(served.searches())
    index = build(served, limit=4, max_items=7)

    assert len(served.searches()) - before == 2
    assert len(found(index)) == 7


@pytest.mark.filterwarnings("ignore:Server does not conform to SORT")  # it sorts; its landing page does not say so
@pytest.mark.parametrize(
    ("search", "numbers"),
    [
        pytest.param({"datetime": "2025-06-03T00:00:00Z/2025-06-05T23:59:59Z"}, [2, 3, 4], id="datetime"),
        pytest.param({"ids": ["scene-03", "scene-21"]}, [3, 21], id="ids"),
        pytest.param({"query": {"eo:cloud_cover": {"lt": 8}}}, [0, 1], id="query"),
        pytest.param(
            {"filter": "eo:cloud_cover >= 92"},
            [23, 24],
            id="filter as text",
        ),
        pytest.param(
            {"filter": {"op": "=", "args": [{"property": "eo:cloud_cover"}, 40]}},
            [10],
            id="filter as JSON",
        ),
        pytest.param({"sortby": "-datetime", "max_items": 2}, [23, 24], id="sortby"),
    ],
)
def test_a_search_finds_what_it_names(served, search, numbers):
    assert found(build(served, **search)) == scenes(*numbers)


def test_a_box_finds_the_items_that_it_meets(served):
    left, bottom, right, top = served.items["scene-07"]["bbox"]
    width, height = right - left, top - bottom
    box = [left + 0.3 * width, bottom + 0.3 * height, right - 0.3 * width, top - 0.3 * height]
    beyond = [left - 0.3 * width, *box[1:]]

    assert found(build(served, bbox=box)) == scenes(7)
    assert found(build(served, bbox=beyond)) == scenes(6, 7)
    assert found(build(served, bbox=beyond, datetime="2025-06-08")) == scenes(7)


@pytest.mark.parametrize(
    ("time", "count"),
    [
        ("2025-05-20T12:00:00Z", 7),
        ("2025-05-20T12:00:01Z", 3),
        ("2025-05-20", 7),
        ("2025-05", 8),
        ("2025-05-31T23:59:59Z", 4),
        ("2025-06-15T00:00:00Z/2025-06-20T00:00:00Z", 2),
        ("2025-07-31T00:00:00Z/..", 3),
        ("2025-07-31T00:00:01Z/..", 2),
        ("../2025-01-01T00:00:00Z", 1),
        ("../2024-12-31T23:59:59Z", 0),
        ("2026-01-01T00:00:00Z/2027-01-01T00:00:00Z", 1),
    ],
)
def test_a_time_finds_the_rows_of_the_items_that_the_api_finds(served, time, count):
    whole = build(served, collections=["composites"])
    searched = found(build(served, collections=["composites"], datetime=time))

    assert len(found(whole)) == len(COMPOSITES)
    assert found(whole.query(datetime=time)) == searched
    assert len(searched) == count


def test_the_index_is_the_one_that_the_same_items_give_as_objects(served):
    index = build(served).to_arrow()
    direct = Indexer([served.items[name] for name in sorted(scenes(*range(COUNT)))], CHIP).create_index().to_arrow()

    assert index.equals(direct)


def test_chips_hold_the_pixels_of_the_files_behind_the_api(served):
    chipper = Chipper(build(served, ids=["scene-08", "scene-16"]))

    assert len(chipper) == 8
    for chip in chipper:
        with rasterio.open(served.files / f"{chip.row['item_id']}.tif") as dataset:
            expected = dataset.read(window=Window(*chip.window))
        np.testing.assert_array_equal(chip.pixels, expected)
        assert chip.mask.all()


def test_an_item_that_says_too_little_has_its_header_read_over_http(served):
    search = {"collections": ["others"], "fields": {"exclude": ["properties.proj:code"]}}
    index = Indexer(served.api.url, CHIP, search=search).create_index()

    assert found(index) == {"other-00", "other-01", "other-02"}
    assert set(index.to_arrow().column("proj:code").to_pylist()) == {"EPSG:32632"}


def run_command(*arguments) -> subprocess.CompletedProcess[str]:
    code = "from stacchip_osml.app.cli import main; main()"
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)


def test_the_command_line_searches_indexes_and_cuts(served, tmp_path):
    west, south, east, north = served.items["scene-12"]["bbox"]
    out = tmp_path / "out.parquet"
    before = len(served.searches())
    done = run_command(
        *("index", "build", served.api.url, out, f"--chip-size={CHIP}", "--collections=scenes", "--max-items=9"),
        *(f"--bbox={west},{south},{east},{north}", "--datetime=2025-06-01/2025-06-30", "--json"),
    )
    assert done.returncode == 0, done.stderr
    index = ChipIndex.open(out)

    assert served.searches()[before:] == ["POST /search 200"]
    assert json.loads(done.stdout)["summary"]["chips"] == len(index) == 36
    assert found(index) == scenes(6, 7, 8, 11, 12, 13, 16, 17, 18)
    chip = Chipper(index)[0]
    with rasterio.open(served.files / f"{chip.row['item_id']}.tif") as dataset:
        np.testing.assert_array_equal(chip.pixels, dataset.read(window=Window(*chip.window)))


@pytest.mark.parametrize(
    ("option", "pages", "numbers"),
    [
        pytest.param("--datetime=2025-06-01/..", 3, range(COUNT), id="every page"),
        pytest.param("--max-items=4", 1, range(COUNT - 4, COUNT), id="the newest four"),
        pytest.param('--query={"eo:cloud_cover": {"lt": 8}}', 1, range(2), id="query"),
        pytest.param("--filter=eo:cloud_cover >= 92", 1, range(23, COUNT), id="filter as text"),
        pytest.param(
            '--filter={"op": "=", "args": [{"property": "eo:cloud_cover"}, 40]}', 1, [10], id="filter as JSON"
        ),
    ],
)
def test_an_option_of_the_command_line_reaches_the_search(served, tmp_path, option, pages, numbers):
    out = tmp_path / "out.parquet"
    before = len(served.searches())
    done = run_command("index", "build", served.api.url, out, f"--chip-size={CHIP}", "--collections=scenes", option)

    assert done.returncode == 0, done.stderr
    assert len(served.searches()) - before == pages
    assert found(ChipIndex.open(out)) == scenes(*numbers)


@pytest.mark.parametrize(("number", "reason"), list(enumerate(HOSTILE.values())))
def test_an_item_of_an_api_reaches_neither_local_files_nor_other_hosts_of_the_network(served, number, reason):
    with pytest.raises(ItemError, match=reason):
        build(served, collections=["hostile"], ids=[f"hostile-{number}"])


def test_items_that_are_refused_are_listed_and_the_others_indexed(served):
    search = {"collections": ["hostile", "others"]}
    index = Indexer(served.api.url, CHIP, search=search, on_error="skip").create_index()

    assert len(index.problems) == len(HOSTILE)
    assert found(index) == {"other-00", "other-01", "other-02"}


def test_a_search_that_finds_nothing_gives_an_empty_index(served):
    assert len(build(served, collections=["nowhere"])) == 0


def test_an_api_without_a_search_is_named_as_one(served):
    with pytest.raises(ItemError, match="a STAC API, not a static catalog: give search parameters"):
        Indexer(served.api.url, CHIP).create_index()


def test_a_search_that_the_api_refuses_is_an_error(served):
    with pytest.raises(ItemError, match=r"refuses this search \(status 400\)"):
        build(served, datetime="2025-06-01", query={"eo:cloud_cover": {"nonsense": 1}})
