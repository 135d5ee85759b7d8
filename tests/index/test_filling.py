"""Headers read from real files: while indexing, and into an index that has none."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stacchip_osml import ChipIndex, Indexer
from stacchip_osml.errors import AssetChanged, AssetMissing, ChipError, ItemError
from stacchip_osml.imagery import GdalImage
from stacchip_osml.imagery.blocks.fingerprint import fingerprint
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.imagery.blocks.layout import LevelLayout
from stacchip_osml.imagery.location import local_stamp
from stacchip_osml.index.filling import filled_in_order
from stacchip_osml.pixel import PixelWindow


@pytest.fixture
def folder(write_tiff, tmp_path):
    """Three small tiled images, one with a mask of nodata; a PNG is no image of blocks."""
    rng = np.random.default_rng(3)
    for number, name in enumerate(("a", "b", "c")):
        pixels = rng.integers(1, 500, (200, 260)).astype(np.uint16)
        pixels[:40, :70] = 0
        write_tiff(
            f"imagery/{name}.tif", pixels, tiled=True, blockxsize=64, blockysize=64, compress="deflate", predictor=2,
            nodata=0, transform=(10, 0, 500_000 + 3000 * number, 0, -10, 5_000_000),
        )  # fmt: skip
    return tmp_path / "imagery"


def built(folder, **options):
    return Indexer(folder, 64, **options).create_index()


def test_an_index_built_with_headers_reads_every_image_without_gdal(folder, monkeypatch):
    index = built(folder, headers=True)
    truth = {key: GdalImage(header.image.location) for key, header in index.tables.headers.items()}
    window = PixelWindow(10, 5, 200, 150)
    expected = {key: image.read(window) for key, image in truth.items()}
    headers = {key: image.header for key, image in truth.items()}
    monkeypatch.setattr("stacchip_osml.imagery.gdal.image.GdalImage", None)

    assert len(index.tables.headers) == 3
    for key, asset in index.tables.headers.items():
        header, layout = asset.unpack()
        assert header == headers[key]
        assert all(isinstance(level, LevelLayout) for level in layout.levels)
        found = BlockImage(asset.image.location, header=header, layout=layout).read(window)
        np.testing.assert_array_equal(found.pixels, expected[key].pixels)
        np.testing.assert_array_equal(found.mask, expected[key].mask)


def test_headers_change_nothing_else_of_an_index(folder):
    plain, filled = built(folder), built(folder, headers=True)

    assert plain.to_arrow().equals(filled.to_arrow())
    assert plain.items == filled.items
    assert {key: replace(header, stored=None) for key, header in filled.tables.headers.items()} == plain.tables.headers


def test_an_index_is_filled_as_it_would_have_been_built(folder, tmp_path):
    seen = []
    filled = built(folder).with_headers(progress=seen.append, threads=2)

    assert filled.tables == built(folder, headers=True).tables
    assert sorted(seen) == ["a/image", "b/image", "c/image"]
    assert filled.with_headers(progress=seen.append).tables == filled.tables
    assert len(seen) == 3


def test_a_filled_index_moves_with_its_imagery_and_knows_its_files_by_their_bytes(folder, tmp_path):
    built(folder, headers=True).save(tmp_path / "index.parquet", portable=True)
    (tmp_path / "moved").mkdir()
    for name in ("imagery", "index.parquet"):
        shutil.move(tmp_path / name, tmp_path / "moved" / name)
    opened = ChipIndex.open(tmp_path / "moved" / "index.parquet")

    for header in opened.tables.headers.values():
        path = Path(header.image.location)
        os.utime(path)
        data = path.read_bytes()
        named = fingerprint(lambda offset, size, data=data: data[offset : offset + size], len(data))
        assert header.stored.modified_ns is None
        assert header.stored.is_of_file(local_stamp(str(path)), lambda named=named: named)
        assert not header.stored.is_of_file(local_stamp(str(path)), lambda: "0" * 32)


def test_what_gdal_must_read_is_stored_with_its_reason(write_tiff, tmp_path):
    write_tiff("imagery/p.png", np.ones((64, 64), np.uint8), driver="PNG")
    index = Indexer(tmp_path / "imagery" / "p.png", 32, headers=True).create_index()
    ((_, header),) = index.tables.headers.items()
    found, layout = header.unpack()

    assert found.driver == "PNG"
    assert "PNG files have no blocks" in layout.levels[0].reason


def item_of(make_item, path, **facts):
    item = make_item("A", size=(260, 200), **facts)
    item["assets"]["red"]["href"] = str(path)
    return item


def test_a_file_that_contradicts_its_item_is_refused_by_name(make_item, folder):
    item = item_of(make_item, folder / "a.tif", transform=(10, 0, 500_020, 0, -10, 5_000_000))
    made = {"base": str(folder / "item.json"), "roots": [str(folder)]}

    with pytest.raises(ItemError, match=r"A.*proj:transform .* puts a corner of .*a\.tif 2 pixels away"):
        Indexer(item, 64, headers=True, **made).create_index()
    assert len(Indexer(item, 64, **made).create_index()) > 0
    skipped = Indexer(item, 64, headers=True, on_error="skip", **made).create_index()
    assert (len(skipped), len(skipped.problems)) == (0, 1)


def test_an_item_whose_file_is_missing_is_left_out_and_the_others_stay(make_item, folder):
    items = [item_of(make_item, folder / name) for name in ("a.tif", "none.tif", "gone.tif")]
    for number, item in enumerate(items):
        item["id"] = f"i{number}"
    made = {"base": str(folder / "item.json"), "roots": [str(folder)], "headers": True}

    with pytest.raises(AssetMissing, match=r"none\.tif: no such file"):
        Indexer(items, 64, **made).create_index()
    index = Indexer(items, 64, on_error="skip", **made).create_index()
    assert [key[1] for key in index.items] == ["i0"]
    assert [str(problem).count(name) for problem, name in zip(index.problems, ("i1", "i2"), strict=True)] == [1, 1]
    assert index.check() == []


def test_files_that_cannot_be_read_stay_without_a_header(folder):
    index = built(folder)
    (folder / "b.tif").write_bytes(b"II*\0 no image")
    (folder / "c.tif").unlink()

    with pytest.raises((AssetChanged, AssetMissing), match=r"(b|c)\.tif"):
        index.with_headers()
    filled = index.with_headers(on_error="skip")
    assert {key[1]: header.stored is not None for key, header in filled.tables.headers.items()} == {
        "a": True,
        "b": False,
        "c": False,
    }
    assert sorted(type(problem).__name__ for problem in filled.problems) == ["AssetChanged", "AssetMissing"]
    assert filled.to_arrow().equals(index.to_arrow())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"on_error": "ignore"}, "on_error must be one of raise, skip; got"),
        ({"threads": 0}, "threads must be a whole number"),
    ],
)
def test_settings_that_make_no_sense_are_refused(folder, options, message):
    with pytest.raises((ChipError, ValueError), match=message):
        built(folder).with_headers(**options)


def test_headers_need_files_to_be_read(folder):
    with pytest.raises(ChipError, match="headers=True opens every image, which read_headers=False forbids"):
        Indexer(folder, headers=True, read_headers=False)


def test_work_is_taken_only_a_little_ahead_of_what_is_asked_for():
    taken = []

    def work():
        for number in range(1000):
            taken.append(number)
            yield number, [lambda number=number: number]

    found = filled_in_order(work(), threads=3)
    assert next(found) == (0, (0,))
    assert len(taken) < 20
    found.close()
    assert len(taken) < 20


def test_the_first_error_of_a_subject_is_its_answer_and_the_others_go_on():
    def fails():
        raise AssetMissing("gone")

    found = list(filled_in_order([("a", [lambda: 1]), ("b", [lambda: 1, fails, fails]), ("c", [])], threads=2))

    assert found[0] == ("a", (1,))
    assert isinstance(found[1][1], AssetMissing)
    assert found[2] == ("c", ())
