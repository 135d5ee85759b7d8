"""Items from objects, files, folders and catalogs."""

import contextlib
import copy
import json
import sys
import time
from pathlib import Path

import geopandas
import pyarrow as pa
import pyarrow.parquet as pq
import pystac
import pytest

from stacchip_osml.errors import AssetMissing, ItemError, LimitError
from stacchip_osml.stac import TRUSTED, iter_items, source_images
from stacchip_osml.stac.geoparquet import items_to_table
from stacchip_osml.stac.hrefs import resolve_href


def write(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))
    return path


def numbered(document, number):
    return copy.deepcopy(document) | {"id": f"scene-{number}"}


def ids(source, **options):
    return [item.id for item in iter_items(source, **options)]


def catalog(links, kind="Catalog", name="c"):
    return {"type": kind, "stac_version": "1.1.0", "id": name, "description": "x", "links": links}


@pytest.fixture
def tree(tmp_path, document):
    """catalog.json → a/collection.json → items; item 2 is in a subfolder; a cycle back to the root."""
    links = [{"rel": "root", "href": "./catalog.json"}, {"rel": "child", "href": "./a/collection.json"}]
    root = write(tmp_path / "tree" / "catalog.json", catalog(links))
    links = [
        {"rel": "root", "href": "../catalog.json"},
        {"rel": "child", "href": "../catalog.json"},
        {"rel": "item", "href": "./1.json"},
        {"rel": "item", "href": "./two/2.json"},
        {"rel": "item", "href": "./1.json"},
    ]
    write(tmp_path / "tree" / "a" / "collection.json", catalog(links, "Collection", "a"))
    write(tmp_path / "tree" / "a" / "1.json", numbered(document, 1))
    two = numbered(document, 2) | {"links": [{"rel": "root", "href": "../../catalog.json"}]}
    two["assets"]["red"]["href"] = "../../images/red.tif"
    write(tmp_path / "tree" / "a" / "two" / "2.json", two)
    return root


def test_one_document_is_given_back_as_it_is(document):
    (item,) = iter_items(document)
    assert item.document == document
    assert (item.base, item.roots) == (None, TRUSTED)


def test_objects_of_pystac_are_read_without_following_links(document, monkeypatch):
    document["links"] = [{"rel": "root", "href": "https://host.invalid/catalog.json"}]
    item = pystac.Item.from_dict(document)
    monkeypatch.setattr(pystac.StacIO, "default", lambda: pytest.fail("pystac wanted to read"))
    (read,) = iter_items(item)
    assert read.id == "scene-1"
    assert read.document["assets"]["red"]["href"] == "./red.tif"
    assert ids(pystac.ItemCollection([item])) == ["scene-1"]


def test_a_pystac_item_lies_where_its_self_link_says(document, tmp_path):
    item = pystac.Item.from_dict(document)
    item.set_self_href("https://host.example/a/item.json")
    (read,) = iter_items(item)
    assert (read.base, read.roots) == ("https://host.example/a/item.json", ())
    item.set_self_href(str(tmp_path / "a" / "item.json"))
    (read,) = iter_items(item)
    assert read.roots == (str(tmp_path / "a"),)


def test_a_pystac_catalog_is_walked_in_memory_and_on_disk(tree, document):
    on_disk = pystac.Catalog.from_file(str(tree))
    assert ids(on_disk) == ["scene-1", "scene-2"]
    in_memory = pystac.Catalog(id="m", description="x")
    in_memory.add_item(pystac.Item.from_dict(numbered(document, 7)))
    assert ids(in_memory) == ["scene-7"]


def test_lists_feature_collections_and_mixtures_are_read(document, tmp_path):
    collection = {"type": "FeatureCollection", "features": [numbered(document, 1), numbered(document, 2)]}
    path = write(tmp_path / "collection.json", collection)
    assert ids(collection) == ids(path) == ids(str(path)) == ["scene-1", "scene-2"]
    assert ids([numbered(document, 5), path]) == ["scene-5", "scene-1", "scene-2"]
    assert ids(write(tmp_path / "list.json", collection["features"])) == ["scene-1", "scene-2"]
    lines = tmp_path / "items.ndjson"
    lines.write_text("\n".join(json.dumps(part) for part in collection["features"]) + "\n\n")
    assert ids(lines) == ["scene-1", "scene-2"]
    pq.write_table(items_to_table(collection["features"]), tmp_path / "items.parquet")
    assert ids(tmp_path / "items.parquet") == ["scene-1", "scene-2"]


@pytest.mark.parametrize(
    "made", [pq.read_table, lambda path: pq.read_table(path).to_reader(), geopandas.read_parquet, lambda path: [path]]
)
def test_tables_in_memory_are_read_as_their_files_are(document, tmp_path, made):
    path = tmp_path / "items.parquet"
    pq.write_table(items_to_table([numbered(document, 1), numbered(document, 2)]), path)
    items = list(iter_items(made(path)))

    assert [item.id for item in items] == ["scene-1", "scene-2"]
    assert items[0].document["assets"].keys() == document["assets"].keys()
    problems = []
    assert [item.id for item in iter_items([pa.table({"a": [1]}), made(path)], on_error=problems.append)] == ids(path)
    assert len(problems) == 1


def test_a_static_catalog_is_walked_once(tree):
    assert ids(tree) == ids(tree.parent) == ["scene-1", "scene-2"]
    assert ids(tree.parent / "a" / "collection.json") == ["scene-1", "scene-2"]


def test_assets_of_a_catalog_may_lie_anywhere_under_its_root(tree):
    image = tree.parent / "images" / "red.tif"
    for source in (tree, tree.parent / "a" / "two" / "2.json", tree.parent / "a" / "collection.json"):
        (two,) = (item for item in iter_items(source) if item.id == "scene-2")
        assert source_images(two)[0].location == str(image)


def test_an_item_claiming_a_root_that_is_no_catalog_gains_nothing(tree, document):
    document["links"] = [{"rel": "root", "href": "../../../claimed.json"}]
    document["assets"]["red"]["href"] = "../../../secret.tif"
    write(tree.parents[1] / "claimed.json", {"type": "Feature", "links": []})
    path = write(tree.parent / "a" / "b" / "item.json", document)
    (item,) = iter_items(path)
    with pytest.raises(ItemError, match="leads outside"):
        source_images(item)


def test_roots_given_by_the_caller_hold(tree, document):
    document["assets"]["red"]["href"] = "../../../outside.tif"
    path = write(tree.parent / "a" / "b" / "item.json", document)
    (item,) = iter_items(path, roots=[str(tree.parents[1])])
    assert source_images(item)[0].location == str(tree.parents[1] / "outside.tif")
    (item,) = iter_items(path, roots=[])
    with pytest.raises(ItemError, match="may not name a local file"):
        source_images(item)


def test_a_local_catalog_leads_nowhere_outside_its_folder(tree, document):
    write(tree.parents[1] / "outside.json", numbered(document, 9))
    links = [
        {"rel": "item", "href": href} for href in ("../outside.json", "/etc/hostname", "/vsimem/x", None, "no.json")
    ]
    write(tree, catalog([*links, {"rel": "child", "href": "a/collection.json"}]))
    errors = []
    assert ids(tree, on_error=errors.append) == ["scene-1", "scene-2"]
    assert [type(error) for error in errors] == [ItemError] * 4 + [AssetMissing]
    assert all("catalog.json: link: href" in str(error) for error in errors[:4])
    with pytest.raises(ItemError, match="leads outside"):
        ids(tree)


def test_a_chain_of_ten_thousand_catalogs_needs_no_recursion(tmp_path, document):
    count = max(2000, sys.getrecursionlimit() * 2)
    for i in range(count):
        write(tmp_path / f"{i}.json", catalog([{"rel": "child", "href": f"./{i + 1}.json"}], name=str(i)))
    write(tmp_path / f"{count}.json", document)
    assert ids(tmp_path / "0.json") == ["scene-1"]


def test_a_folder_of_documents_is_read_in_order_and_its_images_belong_to_them(tmp_path, document):
    write(tmp_path / "b.json", numbered(document, 2))
    write(tmp_path / "a.json", numbered(document, 1))
    write(tmp_path / "sub" / "c.geojson", numbered(document, 3))
    (tmp_path / "red.tif").write_bytes(b"not read")
    assert ids(tmp_path) == ["scene-1", "scene-2", "scene-3"]


def test_errors_are_raised_or_counted(tmp_path, document):
    write(tmp_path / "a.json", numbered(document, 1))
    (tmp_path / "b.json").write_text("[" * 10_000)
    (tmp_path / "c.json").write_text("{")
    write(tmp_path / "d.json", numbered(document, 2) | {"properties": {"datetime": "never"}})
    write(tmp_path / "e.json", {"type": "Topology"})
    write(tmp_path / "f.json", numbered(document, 3))
    errors = []
    assert ids(tmp_path, on_error=errors.append) == ["scene-1", "scene-3"]
    assert [type(error) for error in errors] == [LimitError, ItemError, ItemError, ItemError]
    with pytest.raises(LimitError, match=r"b\.json: JSON nested 10000 levels deep"):
        ids(tmp_path)


def test_repetitions_are_passed_over_and_contradictions_are_errors(document):
    other = numbered(document, 1) | {"bbox": [0, 0, 1, 1]}
    elsewhere = other | {"collection": "b"}
    assert ids([numbered(document, 1), numbered(document, 1), elsewhere]) == ["scene-1", "scene-1"]
    with pytest.raises(ItemError, match="another item of collection '' has this id"):
        ids([numbered(document, 1), other])


def test_documents_given_as_objects_may_say_where_they_come_from(document):
    document["links"] = [{"rel": "self", "href": "https://host.example/x/item.json"}]
    (item,) = iter_items(document)
    assert (item.base, item.roots) == ("https://host.example/x/item.json", ())
    (item,) = iter_items(document, base="/data/item.json")
    assert (item.base, item.roots) == ("/data/item.json", ("/data",))


@pytest.mark.parametrize("spell", [str, Path, lambda folder: f"{folder}/", lambda folder: "."])
def test_a_folder_as_base_is_where_documents_given_as_objects_lie(document, tmp_path, monkeypatch, spell):
    monkeypatch.chdir(tmp_path)
    document["links"] = []
    (item,) = iter_items(document, base=spell(tmp_path))
    assert item.roots == (str(tmp_path),)
    assert resolve_href("red.tif", base=item.base, roots=item.roots) == f"{tmp_path}/red.tif"
    with pytest.raises(ItemError, match="is refused"):
        resolve_href("../outside.tif", base=item.base, roots=item.roots)


@pytest.mark.parametrize("own", [None, "/etc/item.json", "https://host.example/item.json"])
def test_objects_from_strangers_reach_no_local_file_without_roots(document, own):
    document["links"] = [] if own is None else [{"rel": "self", "href": own}]
    document["assets"]["red"]["href"] = "/etc/hostname"
    (item,) = iter_items(document, roots=[])
    with pytest.raises(ItemError, match="is refused"):
        source_images(item)


@pytest.mark.parametrize("kind", [["Catalog"], {"type": "Catalog"}, 7, True])
def test_a_type_that_is_no_text_is_no_stac(tmp_path, kind):
    path = tmp_path / "odd.json"
    path.write_text(json.dumps({"type": kind, "id": "odd", "stac_version": "1.0.0", "links": []}))
    with pytest.raises(ItemError, match="not STAC: type is"):
        list(iter_items(path))


def test_objects_nested_too_deep_are_typed_errors(document):
    deep: list = []
    for _ in range(10_000):
        deep = [deep]
    document["properties"]["deep"] = deep
    with pytest.raises(LimitError, match="more than 64 levels"):
        ids(document)


def test_nan_is_read_and_refused_where_it_would_place_pixels(tmp_path, document):
    document["assets"]["red"]["bands"][0]["nodata"] = float("nan")
    (item,) = iter_items(write(tmp_path / "a.json", document))
    assert source_images(item)[0].bands[0].nodata != 0
    document["properties"]["proj:transform"][2] = float("inf")
    (item,) = iter_items(write(tmp_path / "b.json", document))
    with pytest.raises(ItemError, match="not finite"):
        source_images(item)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (7, "no source of items: int"),
        ({"type": "FeatureCollection"}, "without a list of features"),
        ({"conformsTo": [], "links": [], "stac_version": "1.0.0", "id": "a"}, "give search parameters"),
        ({"type": "Collection", "id": "c", "links": [{"rel": "items", "href": "x"}]}, "search the API"),
        ({}, "not STAC"),
        (pa.table({"bands": [1]}), "no stac-geoparquet table: no columns 'id' and 'geometry'"),
    ],
)
def test_what_is_no_source_is_named(source, message):
    with pytest.raises(ItemError, match=message):
        ids(source)


def test_a_page_of_a_search_does_not_pass_for_all_of_it(tmp_path, document, serve):
    page = {"type": "FeatureCollection", "features": [numbered(document, 1)], "links": [{"rel": "next", "href": "?2"}]}
    path = write(tmp_path / "items.json", page)
    for saved in (path, page):  # the caller's own choice
        with pytest.warns(UserWarning, match=r"search the API for all items; its next link is not followed$"):
            assert ids(saved) == ["scene-1"]
    problems = []
    url = f"{serve({'/items.json': page}).url}/items.json"
    with pytest.raises(ItemError, match="one page of several: search the API for all items"):
        ids(url)
    assert ids(url, on_error=problems.append) == ["scene-1"]
    assert len(problems) == 1


@pytest.mark.parametrize("rel", ["items", "search"])
def test_objects_that_stand_for_an_api_are_not_empty_catalogs(rel):
    extent = pystac.Extent(pystac.SpatialExtent([[-180, -90, 180, 90]]), pystac.TemporalExtent([[None, None]]))
    client = pystac.Collection("c", "of an API", extent)
    assert ids(client) == []
    client.add_link(pystac.Link(rel, "https://api.example.com/search"))
    with pytest.raises(ItemError, match="STAC API: search the API for its items"):
        ids(client)


def test_an_empty_folder_and_a_missing_file_are_errors(tmp_path):
    with pytest.raises(ItemError, match="no catalog, STAC document or image"):
        ids(tmp_path)
    with pytest.raises(AssetMissing, match="no such file"):
        ids(tmp_path / "no.json")


def test_remote_catalogs_are_signed_walked_and_kept_from_local_files(tmp_path, document, serve):
    secret = write(tmp_path / "secret.json", numbered(document, 66))
    links = [
        {"rel": "item", "href": "items/1.json"},
        {"rel": "item", "href": str(secret)},
        {"rel": "item", "href": f"file://{secret}"},
        {"rel": "item", "href": "../../../../etc/passwd"},
    ]
    server = serve({"/cat/catalog.json": catalog(links), "/cat/items/1.json": numbered(document, 1)})
    errors = []
    items = list(iter_items(f"{server.url}/cat/catalog.json", sign=lambda h: f"{h}?sig=s3cret", on_error=errors.append))
    assert [(item.id, item.base, item.roots) for item in items] == [("scene-1", f"{server.url}/cat/items/1.json", ())]
    assert source_images(items[0])[0].location == f"{server.url}/cat/items/red.tif"
    assert len(errors) == 3
    assert server.asked == ["/cat/catalog.json?sig=s3cret", "/cat/items/1.json?sig=s3cret"]


HALF = "\ud800"


@pytest.mark.parametrize(
    "change",
    [
        {"id": HALF},
        {"collection": HALF},
        {"assets": {HALF: {"href": "x.tif"}}},
        {"assets": {"a": {"href": "x.tif", "roles": [HALF]}}},
        {"properties": {"datetime": "2025-01-01T00:00:00Z", "title": f"x{HALF}"}},
        {"properties": {"datetime": "2025-01-01T00:00:00Z", HALF: [{"a": 1}]}},
        {"links": [{"rel": "x", "href": HALF}]},
    ],
)
def test_text_that_no_file_can_hold_is_refused_and_the_rest_goes_on(document, tmp_path, change):
    path = tmp_path / "items.json"
    path.write_text(json.dumps([document | change, document]))
    errors = []
    assert [item.id for item in iter_items(path, on_error=errors.append)] == ["scene-1"]
    assert len(errors) == 1
    with pytest.raises(ItemError, match=r"half a character \(a lone surrogate\)"):
        raise errors[0]


def test_characters_of_every_plane_are_kept(document):
    document |= {"id": "\u00e9\u4e2d\U0001f6f0"}
    (item,) = iter_items(document)
    assert item.id == "\u00e9\u4e2d\U0001f6f0"


@pytest.mark.parametrize("rel", ["root", "item", "self", "asset"])
def test_long_hrefs_cost_no_time(document, tmp_path, rel):
    started = time.process_time()
    href = "./" + "a/" * 200_000 + "x.json"
    if rel == "asset":
        document["assets"]["red"]["href"] = href
    catalog = {"type": "Catalog", "stac_version": "1.0.0", "id": "c", "links": [{"rel": rel, "href": href}]}
    document["links"] = [{"rel": rel, "href": "/" + href if rel == "self" else href}]
    (tmp_path / "catalog.json").write_text(json.dumps(catalog))
    (tmp_path / "item.json").write_text(json.dumps(document))
    for source in (tmp_path / "catalog.json", tmp_path / "item.json", document):
        for item in iter_items(source, on_error=lambda error: None):
            with contextlib.suppress(ItemError):
                source_images(item)
    assert time.process_time() - started < 2
