"""Rows to pixels: what rasterio reads, on the grid that the row says."""

import json
import multiprocessing
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import rasterio
import rasterio.warp
from rasterio.enums import Resampling
from rasterio.transform import Affine
from rasterio.windows import Window

from stacchip_osml import ChipIndex, Chipper, Indexer, merge
from stacchip_osml.chain import scale_offset_step
from stacchip_osml.errors import (
    AssetChanged,
    AssetMissing,
    ChainError,
    EncodeError,
    IndexSchemaError,
    ItemError,
    WindowError,
)
from tests.stac_items import plain_item

NORTH_UP = Affine(10, 0, 500_000, 0, -10, 5_000_000)


def write(path, pixels, *, transform=NORTH_UP, crs="EPSG:32632", overviews=(), scales=None, mask=None, **options):
    pixels = pixels[None] if pixels.ndim == 2 else pixels
    profile = {"driver": "GTiff", "count": len(pixels), "dtype": pixels.dtype, "crs": crs, "transform": transform}
    profile |= {"height": pixels.shape[1], "width": pixels.shape[2], "tiled": True, "blockxsize": 64, "blockysize": 64}
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "w", **profile | options) as file:
        file.write(pixels)
        if mask is not None:
            file.write_mask(mask)
        if scales is not None:
            file.scales, file.offsets = scales
        if overviews:
            file.build_overviews(overviews, Resampling.average)
    return path


def random(shape, dtype="uint16", seed=0):
    return np.random.default_rng(seed).integers(1, 255 if dtype == "uint8" else 4000, shape).astype(dtype)


def scene(folder, *, ratio=2, size=(200, 160)):
    """Give an item of two measurements and a class band, the last two coarser by ``ratio``."""
    coarse = NORTH_UP @ Affine.scale(ratio)
    small = (round(size[1] / ratio), round(size[0] / ratio))
    write(folder / "red.tif", random((size[1], size[0])), nodata=0)
    write(folder / "swir.tif", random(small, seed=1), transform=coarse, nodata=0)
    write(folder / "scl.tif", random(small, "uint8", seed=2) % 12, transform=coarse, nodata=0)
    return plain_item({key: folder / f"{key}.tif" for key in ("red", "swir", "scl")})


@pytest.mark.parametrize("edges", ["drop", "partial", "pad", "shift"])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", "complex64"])
def test_chips_are_what_rasterio_reads(tmp_path, edges, dtype):
    path = write(tmp_path / "a.tif", random((2, 150, 210), dtype))
    chipper = Chipper(Indexer(path, 64, edges=edges).create_index())

    with rasterio.open(path) as file:
        for chip in chipper:
            window = Window(*chip.window)
            expected = file.read(window=window, boundless=True, fill_value=0)
            assert chip.pixels.dtype == np.dtype(dtype)
            np.testing.assert_array_equal(chip.pixels, expected)
            inside = file.read_masks(window=window, boundless=True) != 0
            np.testing.assert_array_equal(chip.mask, inside)
            assert chip.transform.almost_equals(file.window_transform(window), 1e-9)
            assert chip.crs == "EPSG:32632"


@pytest.mark.parametrize("ratio", [2, 3, 2.5])
def test_coarser_assets_come_to_the_reference_grid(tmp_path, ratio):
    item = scene(tmp_path, ratio=ratio, size=(240, 180))
    index = Indexer(item, 60).create_index()
    chip = Chipper(index).chip(x=1, y=1)
    place = {"dst_transform": chip.transform, "dst_crs": chip.crs, "src_crs": chip.crs}
    found = dict(zip(chip.band_names, chip.pixels, strict=True))

    with rasterio.open(tmp_path / "red.tif") as red:
        np.testing.assert_array_equal(found["red"], red.read(1, window=Window(60, 60, 60, 60)))
    for key, method, most in (("scl", Resampling.nearest, 0), ("swir", Resampling.bilinear, 1)):
        with rasterio.open(tmp_path / f"{key}.tif") as file:
            expected = np.zeros((60, 60), np.uint16)
            rasterio.warp.reproject(
                file.read(1).astype(np.uint16), expected, src_transform=file.transform, resampling=method, **place
            )
        assert np.abs(found[key].astype(int) - expected.astype(int)).max() <= most


def test_aligned_chips_tile_without_seams(tmp_path):
    item = scene(tmp_path, ratio=3, size=(210, 180))
    whole = Chipper(Indexer(item, (210, 180)).create_index())[0]
    for chip in Chipper(Indexer(item, 70, edges="partial").create_index()):
        x, y, width, height = chip.window
        np.testing.assert_array_equal(chip.pixels, whole.pixels[:, y : y + height, x : x + width])
        np.testing.assert_array_equal(chip.mask, whole.mask[:, y : y + height, x : x + width])


def test_a_level_is_read_from_the_overview_that_holds_it(tmp_path):
    path = write(tmp_path / "a.tif", random((256, 256)), overviews=(2, 4))
    index = Indexer(path, 32, levels=(2,)).create_index()
    chip = Chipper(index).chip(x=1, y=0)

    assert chip.window == (128, 0, 128, 128)
    assert chip.pixels.shape == (1, 32, 32)
    assert chip.transform.almost_equals(NORTH_UP @ Affine.translation(128, 0) @ Affine.scale(4), 1e-9)
    with rasterio.open(path, overview_level=1) as level:
        np.testing.assert_array_equal(chip.pixels, level.read(window=Window(32, 0, 32, 32)))


def test_a_level_without_overview_is_averaged_from_full_resolution(tmp_path):
    pixels = random((128, 128), "float64")
    chip = Chipper(Indexer(write(tmp_path / "a.tif", pixels), 16, levels=(2,)).create_index()).chip(x=1, y=1)
    expected = pixels[64:128, 64:128].reshape(16, 4, 16, 4).mean(axis=(1, 3))

    np.testing.assert_allclose(chip.pixels[0], expected, rtol=1e-12)


def test_pixels_of_a_level_of_odd_size_lie_where_the_transform_says(tmp_path):
    ramp = np.tile(np.arange(1001, dtype=np.float64), (501, 1))
    path = write(tmp_path / "a.tif", ramp, overviews=(2, 4))
    for chip in Chipper(Indexer(path, 50, levels=(1, 2), edges="partial").create_index()):
        columns = np.arange(chip.pixels.shape[2]) + 0.5
        x = (chip.transform.c + chip.transform.a * columns - NORTH_UP.c) / NORTH_UP.a
        inside = (x > 6) & (x < 995)
        expected = np.broadcast_to(x - 0.5, chip.pixels.shape[1:])[:, inside]
        known = chip.mask[0][:, inside]
        assert known.mean() > 0.9 or not known.size
        assert np.abs(chip.pixels[0][:, inside] - expected)[known].max(initial=0) < 0.51


@pytest.mark.parametrize("kind", ["nodata", "alpha", "mask", "nan"])
def test_validity_is_kept_whatever_states_it(tmp_path, kind):
    pixels = random((4, 96, 96), "uint8")
    hole = np.zeros((96, 96), bool)
    hole[10:40, 20:70] = True
    options = {}
    if kind == "nodata":
        pixels[:, hole] = 0
        options = {"nodata": 0}
    elif kind == "alpha":
        pixels[3] = np.where(hole, 0, 255)
        options = {"photometric": "rgb", "alpha": "yes"}
    elif kind == "mask":
        options = {"mask": ~hole}
    else:
        pixels = pixels.astype("float32")
        pixels[:, hole] = np.nan
        options = {"nodata": np.nan}
    path = write(tmp_path / "a.tif", pixels, **options)

    for chip in Chipper(Indexer(path, 32).create_index()):
        x, y, width, height = chip.window
        colours = chip.mask[:3]
        assert (colours == ~hole[y : y + height, x : x + width]).all()
        np.testing.assert_array_equal(chip.pixels, pixels[:, y : y + height, x : x + width])


def test_nodata_that_only_the_item_states_is_honoured(tmp_path):
    pixels = random((64, 64))
    pixels[:20] = 7
    item = scene(tmp_path, size=(64, 64))
    write(tmp_path / "red.tif", pixels)
    item["assets"] = {"red": item["assets"]["red"] | {"bands": [{"name": "B04", "nodata": 7, "data_type": "uint16"}]}}
    chip = Chipper(Indexer(item, 64).create_index())[0]

    assert chip.nodata == (7,)
    assert not chip.mask[0, :20].any()
    assert chip.mask[0, 20:].all()


def test_scale_and_offset_are_kept_or_applied_by_choice(tmp_path):
    path = write(tmp_path / "a.tif", random((64, 64)), scales=([0.5], [-10.0]), nodata=0)
    raw = Chipper(Indexer(path, 64).create_index())[0]
    physical = Chipper(Indexer(path, 64, chain=[scale_offset_step()]).create_index())[0]

    assert raw.pixels.dtype == np.uint16
    assert (raw.scales, raw.offsets) == ((0.5,), (-10.0,))
    assert (physical.scales, physical.offsets) == ((1.0,), (0.0,))
    np.testing.assert_allclose(physical.pixels, raw.pixels * 0.5 - 10)


def test_sparse_chips_are_none_and_stay_out_of_a_batch(tmp_path):
    path = tmp_path / "a.tif"
    profile = {"driver": "GTiff", "count": 1, "dtype": "uint8", "width": 256, "height": 64, "crs": "EPSG:32632"}
    options = {"transform": NORTH_UP, "tiled": True, "blockxsize": 64, "blockysize": 64, "SPARSE_OK": True}
    with rasterio.open(path, "w", **profile, **options) as file:
        file.write(np.full((1, 64, 64), 9, np.uint8), window=Window(64, 0, 64, 64))
    chipper = Chipper(Indexer(path, 64).create_index())
    batch = chipper.batch(range(4))

    assert [chip is None for chip in chipper] == [True, False, True, True]
    assert chipper.encode(0) is None
    assert batch.present.tolist() == [False, True, False, False]
    assert batch.mask.any(axis=(1, 2, 3)).tolist() == [False, True, False, False]
    assert (batch.pixels[1] == 9).all()


def test_a_batch_is_its_chips(tmp_path):
    chipper = Chipper(Indexer(scene(tmp_path), 40).create_index())
    wanted = [5, 0, -1, 5]
    batch = chipper.batch(wanted)

    assert batch.pixels.shape == (4, 3, 40, 40)
    assert batch.band_names == ("red", "swir", "scl")
    assert [row["id"] for row in batch.rows] == [row["id"] for row in chipper.index.rows(wanted)]
    for place, position in enumerate(wanted):
        np.testing.assert_array_equal(batch.pixels[place], chipper[position].pixels)
        np.testing.assert_array_equal(batch.mask[place], chipper[position].mask)


def test_batches_of_different_shapes_are_refused(tmp_path):
    path = write(tmp_path / "a.tif", random((100, 100)))
    chipper = Chipper(Indexer(path, 64, edges="partial").create_index())

    with pytest.raises(WindowError, match=r"chips of a batch must agree: .*64, 64.*64, 36"):
        chipper.batch([0, 1])
    with pytest.raises(WindowError, match="at least"):
        chipper.batch([])


def test_a_failing_chip_stops_a_batch_or_is_named(tmp_path):
    one, two = (write(tmp_path / f"{name}.tif", random((64, 64))) for name in "ab")
    chipper = Chipper(Indexer([one, two], 64).create_index())
    two.unlink()

    with pytest.raises(AssetMissing, match=r"b\.tif"):
        chipper.batch([0, 1])
    batch = chipper.batch([0, 1], on_error="none")
    assert batch.present.tolist() == [True, False]
    assert isinstance(batch.errors[1], AssetMissing)


def test_a_grid_position_names_one_chip_or_says_why_not(tmp_path):
    one, two = (write(tmp_path / f"{name}.tif", random((128, 128))) for name in "ab")
    chipper = Chipper(Indexer([one, two], 64).create_index())

    assert chipper.chip(x=1, y=0, item_id="b").row["item_id"] == "b"
    with pytest.raises(WindowError, match=r"x=1, y=0: 2 chips, among them .* give item_id="):
        chipper.chip(x=1, y=0)
    with pytest.raises(WindowError, match="x=7, y=0: no chip"):
        chipper.chip(x=7, y=0)
    with pytest.raises(IndexError, match="row 8 of an index of 8 chips"):
        chipper[8]


def test_a_file_that_contradicts_its_item_gives_an_error_never_pixels(tmp_path):
    item = scene(tmp_path)
    facts = {"proj:code": "EPSG:32632", "proj:shape": [160, 200], "proj:transform": [10, 0, 500_000, 0, -10, 5_000_000]}
    item["assets"] = {"red": item["assets"]["red"] | facts}
    assert Chipper(Indexer(item, 50).create_index())[0] is not None

    for wrong in (
        {"proj:shape": [150, 200]},
        {"proj:transform": [10, 0, 500_005, 0, -10, 5_000_000]},
        {"proj:code": "EPSG:32633"},
    ):
        told = json.loads(json.dumps(item))
        told["assets"]["red"] |= wrong
        with pytest.raises(ItemError, match=r"red\.tif"):
            Chipper(Indexer(told, 50, read_headers=False).create_index())[0]


def test_a_file_that_changed_since_it_was_indexed_is_refused(tmp_path):
    path = write(tmp_path / "a.tif", random((64, 64)))
    chipper = Chipper(Indexer(path, 64).create_index())
    write(path, random((64, 64), "float64", seed=5))

    with pytest.raises(AssetChanged, match=r"a\.tif"):
        chipper[0]


def test_encode_writes_what_the_chip_is(tmp_path):
    chipper = Chipper(Indexer(scene(tmp_path), 40).create_index())
    chip = chipper[3]
    with rasterio.MemoryFile(chipper.encode(3)) as memory, memory.open() as file:
        np.testing.assert_array_equal(file.read(), chip.pixels)
        np.testing.assert_array_equal(file.read_masks() != 0, chip.mask)
        assert file.descriptions == chip.band_names
        assert file.transform.almost_equals(chip.transform, 1e-9)
        assert file.crs.to_epsg() == 32632
    assert chipper.encode(3, format="png", display=True).startswith(b"\x89PNG")
    assert chipper.encode(3, format="nitf").startswith(b"NITF02.10")
    with rasterio.MemoryFile(chipper.encode(3, format="jp2", mask="ignore")) as memory, memory.open() as file:
        np.testing.assert_array_equal(file.read(), chip.pixels)
        assert file.transform.almost_equals(chip.transform, 1e-9)
    with pytest.raises(EncodeError, match="unknown image format 'gif'"):
        chipper.encode(3, format="gif")
    with pytest.raises(ChainError, match="unknown processing chain 'display'"):
        chipper.encode(3, chain="display")


def test_explain_reads_no_pixel(tmp_path, monkeypatch):
    chipper = Chipper(Indexer(scene(tmp_path), 40).create_index())
    monkeypatch.setattr("stacchip_osml.load.images.read_windows", lambda *_, **__: pytest.fail("a pixel was read"))
    told = chipper.explain([0, 7])
    red, swir, scl = told[1]["reads"]

    assert [read["asset"] for read in (red, swir, scl)] == ["red", "swir", "scl"]
    assert red["window"] == told[1]["window"]
    assert red["resampling"] is None
    assert (swir["resampling"], scl["resampling"]) == ("auto", "nearest")
    assert {read["reader"] for read in (red, swir, scl)} == {"block/none"}
    assert red["blocks"] >= 1
    assert red["decoded_bytes"] == red["blocks"] * 64 * 64 * 2
    json.dumps(told)


def test_threads_and_processes_give_the_same_bytes(tmp_path):
    index = Indexer(scene(tmp_path, size=(400, 320)), 40).create_index()
    index.save(tmp_path / "index.parquet")
    chipper = Chipper(ChipIndex.open(tmp_path / "index.parquet"))
    expected = [chip.pixels.tobytes() for chip in chipper]

    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(lambda i: chipper[i].pixels.tobytes(), range(len(chipper)))) == expected
    for method in ("spawn", "fork"):
        with multiprocessing.get_context(method).Pool(2) as pool:
            assert pool.map(Cutter(chipper), range(len(chipper))) == expected
    again = pickle.loads(pickle.dumps(Chipper(index)))
    assert again[3].pixels.tobytes() == expected[3]


class Cutter:
    def __init__(self, chipper):
        self.chipper = chipper

    def __call__(self, position):
        return self.chipper[position].pixels.tobytes()


def test_chips_of_merged_sensors_know_their_own_item(tmp_path):
    (tmp_path / "s").mkdir()
    write(tmp_path / "a.tif", random((64, 64)), crs="EPSG:3857")
    united = merge(Indexer(scene(tmp_path / "s"), 64).create_index(), Indexer(tmp_path / "a.tif", 32).create_index())

    crs = {chip.row["item_id"]: chip.crs for chip in Chipper(united)}
    assert crs == {"S": "EPSG:32632", "a": "EPSG:3857"}


def test_a_row_whose_image_has_no_header_is_refused(tmp_path):
    index = Indexer(scene(tmp_path), 40).create_index()
    bare = ChipIndex.from_table(index.to_arrow(), type(index.tables)())

    assert len(bare.check()) > 0
    with pytest.raises(IndexSchemaError, match="asset 'red' has no header"):
        Chipper(bare)[0]
