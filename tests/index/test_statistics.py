"""Fractions: the same as counting the pixels of every chip."""

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.transform import Affine

from stacchip_osml import Indexer, QualityBand
from stacchip_osml.errors import ItemError
from stacchip_osml.imagery import GdalImage
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.imagery.providers.protocol import MaskedPixels
from stacchip_osml.index import statistics
from stacchip_osml.index.statistics import chip_fractions, preset
from stacchip_osml.pixel import GridSpec, ImageSize, chip_grid
from stacchip_osml.stac.source import SourceImage


class Codes:
    """A class band in memory."""

    def __init__(self, codes, *, sparse_rows=()):
        self.codes = codes
        self.sparse_rows = sparse_rows

    def level_shape(self, level):
        return ImageSize(self.codes.shape[1] >> level, self.codes.shape[0] >> level)

    def read(self, window, *, level=0, bands=None):
        assert list(bands) == [0]
        codes = self.codes[:: 1 << level, :: 1 << level]
        cut = codes[window.y : window.y + window.height, window.x : window.x + window.width]
        assert cut.shape == (window.height, window.width)
        return MaskedPixels(cut[None], np.ones((1, *cut.shape), bool))


def image(size, pixel=10.0, key="red"):
    return SourceImage(
        asset_key=key,
        href="x",
        location="/x",
        size=size,
        transform=(pixel, 0.0, 500_000.0, 0.0, -pixel, 5_000_000.0),
        crs="EPSG:32632",
    )


BAND = QualityBand(asset="scl", nodata=(0,), cloud=(8, 9))


def counted(codes, grid, ratio):
    """Blow the codes up to the reference grid and count in every chip, one by one."""
    fine = np.repeat(np.repeat(codes, ratio, axis=0), ratio, axis=1)
    windows = grid.windows()
    nodata, cloud = [], []
    for x, y, w, h in zip(windows.col_off, windows.row_off, windows.width, windows.height, strict=True):
        cut = fine[max(y, 0) : max(y + h, 0), max(x, 0) : max(x + w, 0)]
        empty = int(w) * int(h) - cut.size + (cut == 0).sum()
        valid = int(w) * int(h) - empty
        nodata.append(empty / (int(w) * int(h)))
        cloud.append(np.isin(cut, (8, 9)).sum() / valid if valid else np.nan)
    return np.array(nodata), np.array(cloud)


@settings(max_examples=60)
@given(
    width=st.integers(3, 40),
    height=st.integers(3, 40),
    ratio=st.integers(1, 4),
    size=st.integers(2, 30),
    stride=st.integers(1, 30),
    edges=st.sampled_from(["drop", "partial", "pad", "shift"]),
    level=st.integers(0, 2),
    seed=st.integers(0, 99),
)
def test_fractions_are_what_counting_gives(width, height, ratio, size, stride, edges, level, seed):
    codes = np.random.default_rng(seed).choice([0, 4, 8, 9], (height, width)).astype(np.uint8)
    reference = image(ImageSize(width * ratio, height * ratio))
    quality = image(ImageSize(width, height), 10.0 * ratio, "scl")
    grid = chip_grid(reference.size, GridSpec.of(size, stride=stride, edges=edges), level=level)
    found = chip_fractions(Codes(codes), BAND, grid, reference=reference, quality=quality)
    nodata, cloud = counted(codes, grid, ratio)

    np.testing.assert_allclose(found.nodata, nodata, atol=1e-6)
    np.testing.assert_allclose(found.cloud, cloud, atol=1e-5)


def test_reading_in_strips_and_parts_changes_nothing(monkeypatch):
    codes = np.random.default_rng(1).choice([0, 4, 8], (700, 90)).astype(np.uint8)
    reference, quality = image(ImageSize(180, 1400)), image(ImageSize(90, 700), 20.0, "scl")
    grid = chip_grid(reference.size, GridSpec.of(61, edges="partial"))
    whole = chip_fractions(Codes(codes), BAND, grid, reference=reference, quality=quality)
    monkeypatch.setattr(statistics, "STRIP_ROWS", 33)
    monkeypatch.setattr(statistics, "STRIP_PIXELS", 33 * 90)
    monkeypatch.setattr(statistics, "PIECE_PIXELS", 90 * 32)
    monkeypatch.setattr(statistics, "PREFIX_BYTES", 24 * 90 * 3)
    parts = chip_fractions(Codes(codes), BAND, grid, reference=reference, quality=quality)

    np.testing.assert_allclose(parts.nodata, whole.nodata, atol=1e-7)
    np.testing.assert_allclose(parts.cloud, whole.cloud, atol=1e-7)


class Holes(Codes):
    """A class band with masked pixels, and no rows from 64 to 128."""

    def read(self, window, *, level=0, bands=None):
        found = super().read(window, level=level, bands=bands)
        if window.y == 64:
            return None
        mask = np.random.default_rng(window.y).random(found.pixels.shape) < 0.9
        self.codes[window.y : window.y + window.height, window.x : window.x + window.width][~mask[0]] = 99
        return MaskedPixels(found.pixels, mask)


def test_pixels_that_are_masked_or_not_stored_hold_nothing(monkeypatch):
    monkeypatch.setattr(statistics, "STRIP_ROWS", 64)
    monkeypatch.setattr(statistics, "STRIP_PIXELS", 64 * 90)
    codes = np.random.default_rng(1).choice([0, 4, 8], (200, 90)).astype(np.uint8)
    size = image(ImageSize(90, 200))
    grid = chip_grid(size.size, GridSpec.of(30, edges="partial"))
    found = chip_fractions(Holes(codes), BAND, grid, reference=size, quality=size)
    codes[codes == 99] = 0
    codes[64:128] = 0
    nodata, cloud = counted(codes, grid, 1)

    np.testing.assert_allclose(found.nodata, nodata, atol=1e-6)
    np.testing.assert_allclose(found.cloud, cloud, atol=1e-5)


def test_chips_taller_than_a_byte_can_count_are_counted():
    codes = np.full((2100, 40), 8, np.uint8)
    size = image(ImageSize(40, 2100))
    grid = chip_grid(size.size, GridSpec.of((40, 2100)))
    found = chip_fractions(Codes(codes), BAND, grid, reference=size, quality=size)

    assert found.nodata.tolist() == [0]
    assert found.cloud.tolist() == [1]


def test_bits_mean_what_landsat_says():
    band = preset("qa_pixel")
    table = band.table(np.dtype("uint16"))

    assert table[1] == statistics.NODATA
    assert table[1 << 3] == table[1 << 1] == table[1 << 4] == statistics.CLOUD
    assert table[1 << 2] == table[1 << 6] == 0
    assert table[1 | 1 << 3] == statistics.NODATA


@pytest.mark.parametrize("dtype", ["float32", "int16"])
def test_a_band_that_holds_no_codes_is_refused(dtype):
    with pytest.raises(ItemError, match=f"'scl' must hold uint8 or uint16 codes, has {dtype}"):
        BAND.table(np.dtype(dtype))


def write(path, pixels, scale):
    profile = {"driver": "GTiff", "count": 1, "dtype": pixels.dtype, "crs": "EPSG:32632", "nodata": 0}
    profile |= {"height": len(pixels), "width": pixels.shape[1], "compress": "deflate"}
    profile["transform"] = Affine(10 * scale, 0, 500_000, 0, -10 * scale, 5_000_000)
    with rasterio.open(path, "w", **profile) as file:
        file.write(pixels, 1)


def test_an_index_with_quality_holds_exact_fractions_and_drops_empty_chips(tmp_path):
    codes = np.full((100, 120), 4, np.uint8)
    codes[:50, :60] = 0
    codes[75:, 60:90] = 9
    write(tmp_path / "scl.tif", codes, 2)
    write(tmp_path / "red.tif", np.ones((200, 240), np.uint16), 1)
    item = {
        "type": "Feature",
        "stac_version": "1.1.0",
        "id": "A",
        "geometry": None,
        "properties": {"datetime": "2025-05-01T00:00:00Z"},
        "links": [],
        "assets": {key: {"href": str(tmp_path / f"{key}.tif"), "type": "image/tiff"} for key in ("red", "scl")},
    }
    index = Indexer(item, 100, assets=["red"], quality="scl", edges="partial").create_index()
    rows = {(row["grid_col"], row["grid_row"]): row for row in index.to_arrow().to_pylist()}

    assert index.columns[-4:-2] == ["nodata_fraction", "cloud_fraction"]
    assert rows[0, 0]["nodata_fraction"] == 1
    assert rows[0, 0]["cloud_fraction"] is None
    assert rows[1, 0]["nodata_fraction"] == pytest.approx(0.2 * 1.0)
    assert rows[1, 1]["cloud_fraction"] == pytest.approx(30 * 25 / 2500)
    assert rows[0, 1]["cloud_fraction"] == 0
    kept = Indexer(item, 100, assets=["red"], quality="scl", edges="partial", max_nodata=0.5).create_index()
    assert len(kept) == len(index) - 1
    assert kept.row(0)["assets"] == "red"
    assert ("", "A", "scl") in kept.tables.headers


FILES = {
    "nodata that is a code without a meaning": ({"nodata": 4}, {}, (4.0,)),
    "no nodata": ({}, {}, ()),
    "strips": ({"nodata": 9, "tiled": False}, {}, (9.0,)),
    "16 bits": ({"nodata": 0, "dtype": "uint16"}, {}, (0.0,)),
    "sparse": ({"SPARSE_OK": True}, {"only": ((0, 32), (0, 64))}, None),
    "mask band": ({}, {"mask": True}, None),
    "alpha": ({"count": 2, "ALPHA": "YES"}, {}, None),
}


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize("kind", FILES)
def test_what_a_file_says_holds_nothing_is_nodata_whoever_reads_it(tmp_path, kind):
    profile, more, values = FILES[kind]
    profile = {"count": 1, "dtype": "uint8", "tiled": True, "blockxsize": 32, "blockysize": 32, **profile}
    random = np.random.default_rng(3)
    codes = random.choice([0, 4, 8, 9], (100, 120)).astype(profile["dtype"])
    path = str(tmp_path / "scl.tif")
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(path, "w", driver="GTiff", width=120, height=100, compress="deflate", **profile) as file,
    ):
        (top, bottom), (left, right) = window = more.get("only", ((0, 100), (0, 120)))
        file.write(codes[top:bottom, left:right], 1, window=window)
        if profile["count"] == 2:
            file.write(random.choice([0, 255], codes.shape).astype(np.uint8), 2)
        if "mask" in more:
            file.write_mask(random.random(codes.shape) < 0.7)
    size = image(ImageSize(120, 100))
    grid = chip_grid(size.size, GridSpec.of(17, edges="partial"))
    by_blocks, by_gdal = (
        chip_fractions(reader, BAND, grid, reference=size, quality=size)
        for reader in (BlockImage(path), GdalImage(path))
    )

    assert BlockImage(path).empty_values(0, 0) == values
    np.testing.assert_array_equal(by_blocks.nodata, by_gdal.nodata)
    np.testing.assert_array_equal(by_blocks.cloud, by_gdal.cloud)
