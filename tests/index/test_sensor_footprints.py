"""Footprints of NITF images are what their sensor models say, by the hands of others, and need the image once."""

from __future__ import annotations

import pickle

import numpy as np
import pyarrow as pa
import pytest
import shapely

from stacchip_osml import Chipper, Indexer
from stacchip_osml.encode.nitf import DataExtension, NitfFile, NitfImage, Tre, write_nitf, xml_user_header
from stacchip_osml.errors import DecodeError, IndexSchemaError, ItemError
from stacchip_osml.geometry import load_sensor_model, sensor_facts_of
from stacchip_osml.imagery import BufferedImageAssetProvider
from stacchip_osml.index import ChipIndex
from stacchip_osml.index.headers import headers_from_table, headers_to_table
from stacchip_osml.stac import iter_items
from tests.geometry.sensor_documents import COLS, ROWS, sicd, sidd
from tests.geometry.sensor_tres import blocka, ichipb, rpc_tre
from tests.index.place_oracles import igeolo_pixels, misses, rpc_pixels, sicd_pixels, sidd_pixels, through_chip

IGEOLO = {"ICORDS": "D", "IGEOLO": "+47.000+013.000+47.000+013.010+46.990+013.010+46.990+013.000"}
BROKEN = {"ICORDS": "D", "IGEOLO": "+47.000+013.000+47.000+013.010+46.990+013.010+46.990+013.00x"}
SKEWED = {"ICORDS": "D", "IGEOLO": "+47.000+013.000+47.003+013.010+46.990+013.011+46.991+013.000"}
FIRST, SCALE = (400.0, 300.0), 2.0
CHIP = ichipb((int(FIRST[1]), int(FIRST[0])), (ROWS, COLS), scale=SCALE)
CASES = {
    "sicd": ({}, (), sicd(), sicd_pixels(sicd())),
    "sidd": ({"IID1": "SIDD001001"}, (), sidd(), sidd_pixels(sidd())),
    "rpc00b": ({}, (Tre("RPC00B", rpc_tre("RPC00B")),), None, rpc_pixels(rpc_tre("RPC00B"), "RPC00B")),
    "rpc00a": ({}, (Tre("RPC00A", rpc_tre("RPC00A")),), None, rpc_pixels(rpc_tre("RPC00A"), "RPC00A")),
    "chip": (
        {},
        (Tre("RPC00B", rpc_tre("RPC00B")), Tre("ICHIPB", CHIP)),
        None,
        through_chip(rpc_pixels(rpc_tre("RPC00B"), "RPC00B"), FIRST, SCALE),
    ),
    "igeolo": (SKEWED, (), None, igeolo_pixels(SKEWED["IGEOLO"], (COLS, ROWS))),
    "map": (IGEOLO, (), None, igeolo_pixels(IGEOLO["IGEOLO"], (COLS, ROWS))),
}
FOOTPRINTS = {"rpc00b": "rpcs", "rpc00a": "rpcs", "chip": "rpcs", "map": "igeolo"}


def write(path, fields, tres=(), xml=None, size=(COLS, ROWS)):
    extensions = ()
    if xml is not None:
        kind = "SICD" if b"urn:SICD" in xml else "SIDD"
        header = xml_user_header({"DESSHTN": f"urn:{kind}:1.0.0"})
        extensions = (DataExtension(fields={"DESID": "XML_DATA_CONTENT", "DESSHF": header}, data=xml),)
    pixels = BufferedImageAssetProvider.from_array(
        np.arange(size[0] * size[1], dtype=np.uint16).reshape(1, *size[::-1])
    )
    given = {"IC": "NC", "IREP": "MONO", "ICAT": "SAR" if xml else "VIS", **IGEOLO, **fields}
    write_nitf(path, NitfFile(images=(NitfImage(pixels=pixels, fields=given, tres=tres),), extensions=extensions))


@pytest.fixture(scope="module", params=CASES)
def case(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("sensor")
    fields, tres, xml, pixels = CASES[request.param]
    write(folder / "image.ntf", fields, tres, xml)
    index = Indexer(str(folder / "image.ntf"), chip_size=128, edges="partial").create_index()
    index.save(folder / "index")
    return request.param, folder, pixels


def test_every_chip_lies_where_others_say(case):
    name, folder, pixels = case
    rows = ChipIndex.open(folder / "index").to_arrow().to_pylist()

    assert len(rows) == 20
    assert {row["footprint"] for row in rows} == {FOOTPRINTS.get(name, name)}
    assert max(misses(row, pixels) for row in rows) < 0.01
    assert {row["proj:code"] for row in rows} == {"EPSG:4326" if name == "map" else None}


def test_the_item_says_what_its_outline_is_made_of(case):
    name, folder, _ = case
    (item,) = iter_items(str(folder / "image.ntf"))
    (asset,) = item.assets.values()
    chips = shapely.from_wkb(ChipIndex.open(folder / "index").to_arrow()["geometry"].to_pylist())

    assert asset["stacchip_osml:footprint"] == FOOTPRINTS.get(name, name)
    assert ("proj:transform" in asset) == (name == "map")
    outline, together = shapely.geometry.shape(item.geometry), shapely.union_all(chips)
    assert outline.symmetric_difference(together).area < 1e-3 * outline.area


def test_chips_know_their_place_without_the_image_s_headers(case, tmp_path):
    """The index holds what it takes: its sensor metadata is not read again, and goes with it to other processes."""
    name, folder, pixels = case
    index = pickle.loads(pickle.dumps(ChipIndex.open(folder / "index")))
    (header,) = index.tables.headers.values()
    placing = header.image.placing()
    chip = Chipper(index)[7]

    lon, lat = placing.locator(np.array([3.0, 77.0]), np.array([5.0, 200.0]))
    assert np.abs(np.array(pixels(lon, lat)) - [[3.0, 77.0], [5.0, 200.0]]).max() < 0.01
    assert (chip.origin.locator is None) == (name == "map")
    assert (header.image.sensor is None) == (name == "map")
    if name != "map":
        assert chip.transform is None
        assert np.array_equal(chip.origin.locator([9.0], [9.0]), load_sensor_model(folder / "image.ntf")([9.0], [9.0]))


def test_a_single_file_holds_the_sensor_metadata_too(case, tmp_path):
    _, folder, _ = case
    index = ChipIndex.open(folder / "index")

    index.save(tmp_path / "index.parquet")

    again = ChipIndex.open(tmp_path / "index.parquet")
    assert dict(again.tables.headers) == dict(index.tables.headers)
    assert again.to_arrow().equals(index.to_arrow())


def test_an_index_of_before_has_no_sensor_columns_and_is_read_all_the_same(case):
    _, folder, _ = case
    table = headers_to_table(ChipIndex.open(folder / "index").tables.headers.values())
    old = headers_from_table(table.drop_columns(["sensor", "footprint"]), root=folder, where="old")
    assert [header.image.sensor for header in old.values()] == [None]
    wrong = table.set_column(table.schema.get_field_index("footprint"), "footprint", pa.array(["guess"]))
    with pytest.raises(IndexSchemaError, match="footprint must be one of"):
        headers_from_table(wrong, root=folder, where="new")


def test_metadata_that_is_wrong_refuses_the_image_and_names_its_field(tmp_path):
    write(tmp_path / "a.ntf", {}, (Tre("RPC00B", rpc_tre("RPC00B").replace(b"+0000.10", b"+0000.1x")[:-1] + b"x"),))
    with pytest.raises(ItemError, match=r"RPC00B \w+COEFF must be a number"):
        Indexer(str(tmp_path / "a.ntf"), chip_size=128).create_index()
    (item,) = iter_items(str(tmp_path / "a.ntf"))
    assert item.geometry is None
    assert "RPC00B" in item.properties["stacchip_osml:unlocated"]
    assert "proj:transform" not in item.assets["image"]

    skipped = Indexer(str(tmp_path), chip_size=128, on_error="skip").create_index()
    assert len(skipped) == 0
    assert ["COEFF must be a number" in str(problem) for problem in skipped.problems] == [True]


def test_a_frame_of_a_raster_product_lies_on_its_map(real_data):
    """Zone 9 is polar: its corners in whole seconds, and lines of longitude between them, are kilometres off."""
    index = Indexer(str(real_data / "nitf" / "imaging-nitf__bug3337.ntf"), chip_size=512).create_index()
    assert set(index.to_arrow()["footprint"].to_pylist()) == {"projected"}


def real_images(folder):
    endings = (".ntf", ".nitf", ".nsf", ".NTF", ".r0", ".r2", ".r4", ".r5", ".on1", ".ON9")
    return sorted(
        path for part in ("nitf", "sicd_sidd") for path in (folder / part).iterdir() if path.suffix in endings
    )


def oracle_of(facts):
    """Choose the oracle that the headers ask for; None where there is none."""
    tres = dict(facts.tres)
    for xml in facts.des_xml:
        if b"urn:SIDD:" in xml[:4096]:
            return "sidd", sidd_pixels(xml)
    for xml in facts.des_xml:
        if b"urn:SICD:" in xml[:4096]:
            return "sicd", sicd_pixels(xml)
    for tag in ("RPC00B", "RPC00A"):
        if tag in tres:
            return "rpcs", rpc_pixels(tres[tag], tag)
    if facts.fields.get("ICORDS") == "G" and not {"RPFIMG", "BLOCKA"} & {tag for tag, _ in facts.tres}:
        return "igeolo", igeolo_pixels(facts.fields["IGEOLO"], facts.size)
    return None


def test_chips_of_every_real_image_lie_where_others_say(real_data):
    seen: dict[str, int] = {}
    for path in real_images(real_data):
        try:
            index = Indexer(str(path), chip_size=400, edges="partial").create_index()
            oracle = oracle_of(sensor_facts_of(path))
        except (ItemError, DecodeError):  # no image in it, or damaged: test_real_headers and others look at those
            continue
        if oracle is None or not len(index):
            continue
        kind, pixels = oracle
        rows = index.to_arrow().to_pylist()
        assert {row["footprint"] for row in rows} == {kind}, path
        assert max(misses(row, pixels) for row in rows[:12]) < 0.01, path
        seen[kind] = seen.get(kind, 0) + 1
    assert seen["sicd"] >= 8
    assert seen["rpcs"] >= 2
    assert {"sidd", "igeolo"} <= set(seen)


def test_blocka_of_a_whole_image_is_taken_before_igeolo(tmp_path):
    corners = ["+46.990000+013.010000", "+46.980000+013.012000", "+46.980000+013.000000", "+46.990500+013.000000"]
    write(tmp_path / "a.ntf", {}, (Tre("BLOCKA", blocka(corners, lines=ROWS)),))
    index = Indexer(str(tmp_path / "a.ntf"), chip_size=128).create_index()
    assert isinstance(index, ChipIndex)
    assert set(index.to_arrow()["footprint"].to_pylist()) == {"blocka"}


@pytest.mark.parametrize(
    ("fields", "size"),
    [
        ({"ICORDS": "G", "IGEOLO": "470000N0130000E" * 4}, (64, 48)),  # a chip of less than a second of arc
        ({"ICORDS": "G", "IGEOLO": "470000N0130000E470000N0130001E470000N0130001E470000N0130000E"}, (64, 48)),
        (IGEOLO, (1, 48)),
        (IGEOLO, (64, 1)),
    ],
)
def test_an_image_whose_corners_are_no_four_points_is_cut_and_has_no_place(fields, size, tmp_path):
    write(tmp_path / "a.ntf", fields, size=size)
    index = Indexer(str(tmp_path / "a.ntf"), chip_size=40, edges="partial").create_index()
    (item,) = iter_items(str(tmp_path / "a.ntf"))
    chip = Chipper(index)[0]

    assert index.to_arrow()["geometry"].null_count == len(index)
    assert f"places no image of {size[0]} x {size[1]} pixels" in item.properties["stacchip_osml:unlocated"]
    assert (chip.transform, chip.crs, chip.origin.locator) == (None, None, None)
    np.testing.assert_array_equal(chip.pixels[0, :, 0], np.arange(min(size[1], 40), dtype=np.uint16) * size[0])
    assert Chipper(index).encode(0, format="nitf")[:4] == b"NITF"
