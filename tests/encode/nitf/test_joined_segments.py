"""Products of several image segments are one image for all that read, index and cut; sarkit as writer and judge."""

import io
import pickle
from dataclasses import replace

import numpy as np
import pytest
import sarkit.sicd
import sarkit.sidd
from chip_sources import radar_extension, sicd_xml
from lxml import etree
from nitf_files import file_of, image_of, written

from stacchip_osml import ChipIndex, Chipper, Indexer
from stacchip_osml.encode import IO, ChipFactory
from stacchip_osml.encode.io.assets import ImageAsset
from stacchip_osml.encode.io.converting import convert
from stacchip_osml.encode.io.metadata import BufferedMetadataProvider
from stacchip_osml.encode.nitf import read_nitf
from stacchip_osml.errors import DecodeError
from stacchip_osml.geometry import load_sensor_model
from stacchip_osml.imagery import read_header, read_window
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.imagery.display.complex import load_complex_remap
from stacchip_osml.pixel import ImageSize, PixelWindow
from stacchip_osml.stac import item_from_image
from tests.geometry.radar_documents import sicd_document
from tests.geometry.radar_products import sidd_document

ROWS, COLS, MOST = 50, 40, 20
SICD = {"IREP": "NODISPLY", "ICAT": "SAR", "PVTYPE": "SI", "ISUBCAT1": "I", "ISUBCAT2": "Q"}
SEAM = PixelWindow(7, 15, 20, 30)
"""Touches all three segments."""


def random_pixels(shape, dtype, seed=3):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 200, shape).astype(dtype)


@pytest.fixture
def sicd(tmp_path, monkeypatch):
    """Segments of 20, 20 and 10 rows, and their pixels."""
    monkeypatch.setattr(sarkit.sicd._io.sicdconst, "IS_SIZE_MAX", MOST * COLS * 8)
    tree = etree.ElementTree(etree.fromstring(sicd_document((ROWS, COLS))))
    part = {"security": {"clas": "U"}}
    metadata = sarkit.sicd.NitfMetadata(
        xmltree=tree, file_header_part={"ostaid": "nowhere", **part}, im_subheader_part={"isorce": "", **part},
        de_subheader_part=part,
    )  # fmt: skip
    pixels = random_pixels((ROWS, COLS), "f4") + 1j * random_pixels((ROWS, COLS), "f4", 4)
    pixels = pixels.astype("c8")
    path = tmp_path / "sicd.nitf"
    with path.open("wb") as file, sarkit.sicd.NitfWriter(file, metadata) as writer:
        writer.write_image(pixels)
    monkeypatch.undo()
    assert [image.fields["IID1"] for image in read_nitf(path).images] == ["SICD001", "SICD002", "SICD003"]
    return path, pixels


@pytest.fixture
def sidd(tmp_path, monkeypatch):
    """A product of three segments, and another of one."""
    monkeypatch.setattr(sarkit.sidd._io.siddconst, "LI_MAX", MOST * COLS)
    part = {"security": {"clas": "U"}}
    metadata = sarkit.sidd.NitfMetadata(file_header_part={"ostaid": "nowhere", **part})
    for rows in (ROWS, 9):
        tree = etree.ElementTree(etree.fromstring(sidd_document((rows, COLS))))
        metadata.images.append(
            sarkit.sidd.NitfProductImageMetadata(
                xmltree=tree, im_subheader_part=part, de_subheader_part=part
            )
        )  # fmt: skip
    pixels = [random_pixels((rows, COLS), "u1", rows) for rows in (ROWS, 9)]
    path = tmp_path / "sidd.nitf"
    with path.open("wb") as file, sarkit.sidd.NitfWriter(file, metadata) as writer:
        for number, each in enumerate(pixels):
            writer.write_image(number, each)
    monkeypatch.undo()
    return path, pixels


def test_a_sicd_of_several_segments_is_one_image_as_sarkit_reads_it(sicd):
    path, pixels = sicd
    image = BlockImage(str(path))

    assert (image.header.size, image.header.images) == (ImageSize(COLS, ROWS), 1)
    assert image.header.transform is None
    assert not image.header.gcps
    assert image.served_by(0) == "block/none"
    found = image.read(SEAM).pixels
    with path.open("rb") as file, sarkit.sicd.NitfReader(file) as reader:
        theirs, _ = reader.read_sub_image(SEAM.y, SEAM.x, SEAM.y + SEAM.height, SEAM.x + SEAM.width)
    np.testing.assert_array_equal(found[0] + 1j * found[1], theirs)
    np.testing.assert_array_equal(theirs, pixels[15:45, 7:27])
    again = pickle.loads(pickle.dumps(image))
    np.testing.assert_array_equal(again.read(SEAM).pixels, found)


def test_a_sicd_of_several_segments_is_shown_whole(sicd):
    path, pixels = sicd
    shown = load_complex_remap(BlockImage(str(path)), remap="magnitude")
    np.testing.assert_allclose(read_window(shown, (0, 0, COLS, ROWS))[0], np.abs(pixels), rtol=1e-6)


def test_a_chip_over_the_seam_is_the_sub_image_that_sarkit_cuts(sicd):
    path, pixels = sicd
    whole = load_sensor_model(str(path))
    with path.open("rb") as file, sarkit.sicd.NitfReader(file) as reader:
        _, tree = reader.read_sub_image(SEAM.y, SEAM.x, SEAM.y + SEAM.height, SEAM.x + SEAM.width)
    theirs = sarkit.sicd.XmlHelper(tree)
    for source in (str(path), io.BytesIO(path.read_bytes())):
        with IO.open([source]) as dataset:
            assert dataset.get_asset_keys("image") == ["image:0"]
            asset = dataset.get_asset("image:0")
            assert (asset.num_rows, asset.num_columns, asset.metadata["NROWS"]) == (ROWS, COLS, f"{ROWS:08d}")
            data = ChipFactory(asset, output_format="nitf").create_chip(SEAM)
        with io.BytesIO(data) as file, sarkit.sicd.NitfReader(file) as reader:
            np.testing.assert_array_equal(reader.read_image(), pixels[15:45, 7:27])
            ours = sarkit.sicd.XmlHelper(reader.metadata.xmltree)
        for name in ("FirstRow", "FirstCol", "NumRows", "NumCols"):
            assert ours.load(f"./{{*}}ImageData/{{*}}{name}") == theirs.load(f"./{{*}}ImageData/{{*}}{name}")
        corners = [each.load("./{*}GeoData/{*}ImageCorners") for each in (ours, theirs)]
        np.testing.assert_allclose(*corners, rtol=0, atol=1e-9)

        chip = load_sensor_model(read_nitf(data))
        cols, rows = np.array([0.0, 20.0, 3.5, 10.0]), np.array([0.0, 30.0, 4.5, 29.0])
        lons, lats, *_ = chip.image_to_world(cols, rows)
        back = whole.world_to_image(lons, lats)
        np.testing.assert_allclose(back[0], cols + SEAM.x, rtol=0, atol=0.01)
        np.testing.assert_allclose(back[1], rows + SEAM.y, rtol=0, atol=0.01)


def test_an_index_has_chips_over_the_seam(sicd, tmp_path):
    path, pixels = sicd
    item = item_from_image(str(path))
    (asset,) = item.document["assets"].values()
    assert asset["proj:shape"] == [ROWS, COLS]
    assert not [name for name in asset if name.endswith("images")]
    for headers in (False, True):
        index = Indexer(str(path), chip_size=16, edges="shift", headers=headers).create_index()
        assert sorted({row["row_off"] for row in index.rows(range(len(index)))}) == [0, 16, 32, 34]
        index.save(tmp_path / "index.parquet")
        chipper = Chipper(ChipIndex.open(tmp_path / "index.parquet"))
        for row in index.rows(range(len(index))):
            chip = chipper.chip(x=row["grid_col"], y=row["grid_row"])
            top, left = row["row_off"], row["col_off"]
            want = pixels[top : top + 16, left : left + 16]
            np.testing.assert_array_equal(chip.pixels[0] + 1j * chip.pixels[1], want)


def test_each_product_of_a_sidd_is_one_image(sidd):
    path, pixels = sidd
    assert read_header(str(path)).size == ImageSize(COLS, ROWS)
    assert read_header(str(path)).images == 2
    window = PixelWindow(0, 12, 40, 16)
    with IO.open(str(path)) as dataset:
        assert dataset.get_asset_keys("image") == ["image:0", "image:3"]
        for key, whole in zip(("image:0", "image:3"), pixels, strict=True):
            asset = dataset.get_asset(key)
            assert (asset.num_rows, asset.num_columns) == whole.shape
            np.testing.assert_array_equal(read_window(asset, (0, 0, *whole.shape[::-1]))[0], whole)
        data = ChipFactory(dataset.get_asset("image:0"), output_format="nitf").create_chip(window)
        model = load_sensor_model(dataset, "image:0")
    with io.BytesIO(data) as file, sarkit.sidd.NitfReader(file) as reader:
        np.testing.assert_array_equal(reader.read_image(0), pixels[0][12:28])
    lons, lats, *_ = load_sensor_model(read_nitf(data)).image_to_world([0.0, 40.0, 5.0], [0.0, 16.0, 8.5])
    cols, rows = model.world_to_image(lons, lats)[:2]
    np.testing.assert_allclose([cols, rows], [[0, 40, 5], [12, 28, 20.5]], rtol=0, atol=0.01)


def parts_file(path, rows, *, changed=(), **fields):
    """Write a SICD in segments of some rows; ``changed`` are fields of the last alone."""
    names = [f"SICD{number:03d}" for number in range(1, len(rows) + 1)]
    images = [
        image_of(
            (2, each, COLS),
            "int16",
            **({"IID1": name, **SICD, **fields} | (dict(changed) if name == names[-1] else {})),
        )
        for name, each in zip(names, rows, strict=True)
    ]
    path.write_bytes(written(file_of(*images, extensions=(radar_extension(sicd_xml(sum(rows), COLS), "SICD"),))))
    return str(path), np.concatenate([read_window(image.pixels, (0, 0, COLS, len_of(image))) for image in images], 1)


def len_of(image):
    return image.pixels.num_rows


@pytest.mark.parametrize("imode", ["B", "P", "R", "S"])
@pytest.mark.parametrize(
    ("rows", "sides"), [((20, 20, 10), (8, 16)), ((21, 29), (8, 16)), ((7, 7, 7), (7, 16)), ((3, 9), (9, 13))]
)
def test_blocks_of_any_shape_meet_at_the_seam(tmp_path, imode, rows, sides):
    path, pixels = parts_file(tmp_path / "a.ntf", rows, IMODE=imode, NPPBV=f"{sides[0]:04d}", NPPBH=f"{sides[1]:04d}")
    image = BlockImage(path)

    assert image.served_by(0) == "block/none"
    height = sum(rows)
    np.testing.assert_array_equal(image.read(PixelWindow(0, 0, COLS, height)).pixels, pixels)
    np.testing.assert_array_equal(image.read(PixelWindow(11, 2, 17, height - 3)).pixels, pixels[:, 2:-1, 11:28])
    down, across = image.block_grid_size
    last = image.get_block(down - 1, across - 1)
    np.testing.assert_array_equal(last, pixels[:, -last.shape[1] :, -last.shape[2] :])


@pytest.mark.parametrize("rows", [(20, 20, 10), (21, 29), (3, 7, 5)])
def test_rows_between_seams_are_read_together(tmp_path, rows):
    path, pixels = parts_file(tmp_path / "a.ntf", rows, IMODE="P", NPPBH="0000", NPPBV="0000")
    image = BlockImage(path)

    assert tuple(part.rows for part in image.source(0).parts) == rows
    np.testing.assert_array_equal(image.read(PixelWindow(2, 1, 30, sum(rows) - 1)).pixels, pixels[:, 1:, 2:32])


@pytest.mark.parametrize(
    "changed", [{"ISCLAS": "C"}, {"IC": "C8"}, {"IMODE": "P"}, {"ISUBCAT1": "Q"}, {"IID1": "SICD004"}]
)
def test_segments_that_differ_in_more_than_rows_are_images_of_their_own(tmp_path, changed):
    path, pixels = parts_file(tmp_path / "a.ntf", (20, 20, 10), changed=changed.items())

    assert (BlockImage(path).header.size.height, BlockImage(path).header.images) == (20, 3)
    np.testing.assert_array_equal(BlockImage(path).read(PixelWindow(0, 0, COLS, 20)).pixels, pixels[:, :20])
    with IO.open(path) as dataset:
        assert dataset.get_asset_keys("image") == ["image:0", "image:1", "image:2"]


def test_a_copy_keeps_the_segments_byte_for_byte(tmp_path):
    path, pixels = parts_file(tmp_path / "a.ntf", (20, 20, 10), ICORDS="G", IGEOLO="000000N0000000E" * 4)
    before = read_nitf(path)
    convert(path, tmp_path / "copy.ntf")
    after = read_nitf(tmp_path / "copy.ntf")
    assert [image.fields for image in after.images] == [image.fields for image in before.images]
    datas = [
        [each.stored.read(each.stored.offset, each.stored.size) for each in file.images] for file in (before, after)
    ]
    assert datas[0] == datas[1]

    convert(path, tmp_path / "blocked.ntf", block_size=(16, 16))
    (image,) = read_nitf(tmp_path / "blocked.ntf").images
    assert (image.fields["IID1"].strip(), image.fields["NROWS"], image.fields["NPPBV"]) == (
        "SICD000",
        "00000050",
        "0016",
    )
    np.testing.assert_array_equal(read_window(image.pixels, (0, 0, COLS, ROWS)), pixels)
    convert(path, tmp_path / "a.tif")
    np.testing.assert_array_equal(read_window(BlockImage(str(tmp_path / "a.tif")), (0, 0, COLS, ROWS)), pixels)


def test_a_copy_has_what_was_changed_in_every_segment(tmp_path):
    path, _ = parts_file(tmp_path / "a.ntf", (20, 30))
    with IO.open(path) as dataset, IO.open(tmp_path / "b.ntf", "w") as writer:
        writer.metadata = dataset.metadata
        asset = dataset.get_asset("image:0")
        metadata = BufferedMetadataProvider(asset.metadata)
        metadata["ISORCE"] = "elsewhere"
        writer.add_asset(
            "image:0", ImageAsset(asset.source, key="image:0", metadata=metadata, record=asset.record), roles=["data"]
        )
    images = read_nitf(tmp_path / "b.ntf").images
    assert [
        (image.fields["IID1"].strip(), image.fields["NROWS"], image.fields["ISORCE"].strip()) for image in images
    ] == [
        ("SICD001", "00000020", "elsewhere"),
        ("SICD002", "00000030", "elsewhere"),
    ]


def test_a_file_that_ends_early_gives_the_rows_that_are_there(tmp_path):
    path, pixels = parts_file(tmp_path / "a.ntf", (20, 30), IMODE="P")
    second = read_nitf(path).images[1].stored
    data = (tmp_path / "a.ntf").read_bytes()[: second.offset + 10 * COLS * 4]
    (tmp_path / "a.ntf").write_bytes(data)
    image = BlockImage(path)

    assert image.header.size == ImageSize(COLS, 50)
    np.testing.assert_array_equal(image.read(PixelWindow(0, 12, COLS, 18)).pixels, pixels[:, 12:30])
    with pytest.raises(DecodeError):
        image.read(PixelWindow(0, 12, COLS, 30))


def test_files_beside_an_image_of_several_segments_do_not_make_it_its_first_one(tmp_path):
    path, pixels = parts_file(tmp_path / "a.ntf", (20, 30))
    image = BlockImage(path, sidecars=True)

    np.testing.assert_array_equal(image.read(PixelWindow(0, 0, COLS, 50)).pixels, pixels)


def test_where_no_xml_says_it_a_product_lies_between_the_corners_of_all_its_segments(tmp_path):
    corners = ["010000N0100000E010000N0110000E003000N0110000E003000N0100000E"]
    corners += ["003000N0100000E003000N0110000E000000N0110000E000000N0100000E"]
    images = [
        image_of((1, 25, COLS), IID1=f"SIDD00100{number}", IREP="MONO", ICAT="SAR", ICORDS="G", IGEOLO=igeolo)
        for number, igeolo in enumerate(corners, 1)
    ]
    path = tmp_path / "a.ntf"
    path.write_bytes(written(file_of(*images)))
    for model in (load_sensor_model(str(path)), load_sensor_model(read_nitf(path))):
        assert model.kind == "IGEOLO"
        lons, lats, *_ = model.image_to_world([0.5, 39.5, 39.5], [0.5, 49.5, 25.0])
        np.testing.assert_allclose([lons, lats], [[10, 11, 11], [1, 0, 0.5]], rtol=0, atol=1e-9)
    other = replace(read_nitf(path), images=read_nitf(path).images[:1])  # no longer the image of both
    lons, lats, *_ = load_sensor_model(other).image_to_world([39.5], [24.5])
    np.testing.assert_allclose([lons, lats], [[11], [0.5]], rtol=0, atol=1e-9)


def test_a_product_behind_another_is_one_image_from_a_file_from_memory_and_in_another_process(tmp_path):
    names = ("SIDD001001", 9), ("SIDD002001", 7), ("SIDD002002", 5), ("SIDD002003", 4)
    images = [image_of((1, rows, COLS), IID1=name, IREP="MONO", ICAT="SAR") for name, rows in names]
    pixels = np.concatenate([read_window(image.pixels, (0, 0, COLS, len_of(image))) for image in images[1:]], 1)
    path = tmp_path / "a.ntf"
    path.write_bytes(written(file_of(*images)))
    for source in (str(path), io.BytesIO(path.read_bytes())):
        with IO.open([source]) as dataset:
            assert dataset.get_asset_keys("image") == ["image:0", "image:1"]
            image = dataset.get_asset("image:1").source
            np.testing.assert_array_equal(read_window(image, (0, 0, COLS, 16)), pixels)
            assert image.nitf_parent.index == 1
            if source == str(path):
                again = pickle.loads(pickle.dumps(image))
                np.testing.assert_array_equal(read_window(again, (3, 5, 20, 9)), pixels[:, 5:14, 3:23])
    segment, whole = read_nitf(path).images[1].pixels, read_nitf(path).joined[1].pixels
    assert segment.version != whole.version  # a cache holds blocks of both


def test_legends_and_elevations_beside_a_product_stay_images_of_their_own(tmp_path):
    names = ("SIDD001001", 9, "SAR"), ("SIDD001002", 5, "SAR"), ("SIDD001003", 4, "LEG"), ("DED001", 6, "DED")
    images = [image_of((1, rows, COLS), IID1=name, IREP="MONO", ICAT=icat) for name, rows, icat in names]
    path = tmp_path / "a.ntf"
    path.write_bytes(written(file_of(*images)))

    assert (BlockImage(str(path)).header.size, BlockImage(str(path)).header.images) == (ImageSize(COLS, 14), 3)
    with IO.open(path) as dataset:
        sizes = {key: dataset.get_asset(key).num_rows for key in dataset.get_asset_keys("image")}
    assert sizes == {"image:0": 14, "image:2": 4, "image:3": 6}


def test_a_remote_sicd_of_several_segments_is_one_image(tmp_path, server):
    _, pixels = parts_file(tmp_path / "a.ntf", (20, 20, 10), IMODE="P")
    image = BlockImage(server.serve("/a.ntf", (tmp_path / "a.ntf").read_bytes()))

    assert image.header.size == ImageSize(COLS, ROWS)
    np.testing.assert_array_equal(image.read(PixelWindow(3, 12, 30, 30)).pixels, pixels[:, 12:42, 3:33])
    assert load_sensor_model(image).kind == "SICD"
