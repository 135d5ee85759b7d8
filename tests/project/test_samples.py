"""The committed sample imagery: valid STAC, true facts, real COGs, small enough for a repository."""

import hashlib
import importlib.util
import json
from pathlib import Path

import numpy as np
import pystac
import pytest
import rasterio
from shapely import from_wkb, get_coordinates

from stacchip_osml import ChipIndex, Chipper

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "indexes"
LIMIT = 5_000_000
ITEMS = sorted(path for path in (FOLDER / "imagery").glob("*/*/*.json"))
IMAGES = sorted((FOLDER / "imagery").glob("*/*/*.tif"))


def test_everything_fits_into_five_megabytes():
    assert sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()) <= LIMIT


def test_the_catalog_leads_to_two_sensors_with_two_dates_each():
    catalog = pystac.Catalog.from_file(str(FOLDER / "imagery" / "catalog.json"))
    found = {child.id: [item.id for item in child.get_items()] for child in catalog.get_children()}

    assert found == {
        folder: [path.stem for path in ITEMS if path.parts[-3] == folder] for folder in ("sentinel-like", "aerial-like")
    }
    assert [len(items) for items in found.values()] == [2, 2]


@pytest.mark.parametrize("path", ITEMS, ids=lambda path: path.stem)
def test_an_item_is_valid_core_stac_with_relative_links(path):
    document = json.loads(path.read_text())
    # Extension schemas live on the network; the core schema comes with pystac.
    core = pystac.Item.from_dict(document | {"stac_extensions": []})

    assert core.validate()
    hrefs = [link["href"] for link in document["links"]] + [a["href"] for a in document["assets"].values()]
    assert all(href.startswith(("./", "../")) and (path.parent / href).is_file() for href in hrefs)


@pytest.mark.parametrize("path", ITEMS, ids=lambda path: path.stem)
def test_what_an_item_says_of_its_files_is_true(path):
    document = json.loads(path.read_text())
    for asset in document["assets"].values():
        data = (path.parent / asset["href"]).read_bytes()
        assert asset["file:size"] == len(data)
        assert asset["file:checksum"] == "1220" + hashlib.sha256(data).hexdigest()
        if "proj:shape" not in asset:
            continue
        with rasterio.open(path.parent / asset["href"]) as image:
            assert list(image.shape) == asset["proj:shape"]
            assert list(image.transform)[:6] == asset["proj:transform"]
            assert image.crs.to_string() == document["properties"]["proj:code"]
            assert image.dtypes[0] == asset["data_type"]
            assert image.nodata == asset.get("nodata")
            assert list(image.descriptions) == [band["name"] for band in asset["bands"]]
            assert list(image.scales) == [band.get("raster:scale", 1.0) for band in asset["bands"]]
            assert list(image.offsets) == [band.get("raster:offset", 0.0) for band in asset["bands"]]


@pytest.mark.parametrize("path", ITEMS, ids=lambda path: path.stem)
def test_cloud_cover_is_counted_from_the_class_band(path):
    document = json.loads(path.read_text())
    cover = 0.0
    if "scl" in document["assets"]:
        with rasterio.open(path.parent / "scl.tif") as image:
            classes = image.read(1)
        cover = 100 * np.isin(classes, (3, 8, 9, 10)).sum() / (classes != 0).sum()

    assert document["properties"]["eo:cloud_cover"] == pytest.approx(cover, abs=0.005)


@pytest.mark.parametrize("path", IMAGES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_an_image_is_a_tiled_compressed_cog_with_overviews(path):
    with rasterio.open(path) as image:
        layout = image.tags(ns="IMAGE_STRUCTURE")
        assert layout["LAYOUT"] == "COG"
        assert layout["COMPRESSION"] in {"DEFLATE", "ZSTD"}
        assert layout["PREDICTOR"] == "2"
        assert set(image.block_shapes) == {(256, 256)}
        assert image.overviews(1)[0] == 2


def test_the_two_sensors_see_the_same_ground():
    (west, south, east, north), *others = [json.loads(path.read_text())["bbox"] for path in ITEMS]
    for box in others:
        assert box[0] < east
        assert box[2] > west
        assert box[1] < north
        assert box[3] > south


def test_only_swath_edges_are_nodata_and_the_classes_and_mask_agree():
    for item in ITEMS:
        if "SEN" in item.stem:
            with rasterio.open(item.parent / "swir16.tif") as band, rasterio.open(item.parent / "scl.tif") as classes:
                np.testing.assert_array_equal(band.read(1) == 0, classes.read(1) == 0)
        else:
            with rasterio.open(item.parent / "image.tif") as image, rasterio.open(item.parent / "mask.tif") as mask:
                np.testing.assert_array_equal(image.read().min(axis=0) > 0, mask.read(1) == 1)


@pytest.fixture(scope="module")
def rebuilt():
    spec = importlib.util.spec_from_file_location("reference", FOLDER / "reference.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.build(FOLDER / "imagery")


@pytest.mark.parametrize("name", ["sentinel-like", "aerial-like", "both-sensors"])
def test_a_reference_index_is_what_the_indexer_builds_today(rebuilt, name, tmp_path):
    committed = ChipIndex.open(FOLDER / f"{name}.parquet")
    rebuilt[name].save(tmp_path / "fresh.parquet", portable=True)
    fresh = ChipIndex.open(tmp_path / "fresh.parquet")

    had, has = (index.to_arrow() for index in (committed, fresh))
    places = [get_coordinates(from_wkb(table["geometry"].to_pylist())) for table in (had, has)]
    np.testing.assert_allclose(*places, rtol=0, atol=1e-7)  # PROJ of other versions: another nanodegree
    assert had.drop_columns(["geometry"]).equals(has.drop_columns(["geometry"]))
    assert committed.items == fresh.items
    assert committed.chains == fresh.chains
    assert committed.check(files=True) == []
    assert committed.tables.headers.keys() == fresh.tables.headers.keys()
    for key, header in committed.tables.headers.items():
        # libraries of other versions spell and deflate the same differently
        (facts, layout), (facts_now, layout_now) = header.unpack(), fresh.tables.headers[key].unpack()
        assert (facts.levels, facts.bands) == (facts_now.levels, facts_now.bands)
        assert [level.codec for level in layout.levels] == [level.codec for level in layout_now.levels]
        for level, now in zip(layout.levels, layout_now.levels, strict=True):
            np.testing.assert_array_equal(level.offsets, now.offsets)
            np.testing.assert_array_equal(level.counts, now.counts)
        assert header.stored.fingerprint == fresh.tables.headers[key].stored.fingerprint


def test_a_reference_index_cuts_chips_of_both_sensors():
    chipper = Chipper(FOLDER / "both-sensors.parquet")
    chips = [chipper[0], chipper[-1]]

    assert {chip.row["collection"] for chip in chips} == {"sentinel-like", "aerial-like"}
    assert all(chip.mask.any() for chip in chips)
