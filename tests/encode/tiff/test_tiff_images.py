"""Images of any provider, written block by block: levels, masks, sparse blocks, threads, failures."""

import io
import threading

import numpy as np
import pytest
import rasterio
import tifffile
from affine import Affine
from rasterio.io import MemoryFile

from stacchip_osml.encode import encode_chip, write_tiff
from stacchip_osml.errors import ChipError, EncodeError
from stacchip_osml.imagery import BufferedImageAssetProvider, PyramidBuilder, read_window
from stacchip_osml.imagery.blocks.image import BlockImage
from tests.encode.encode_chips import NORTH_UP, chip_of, pixels_of

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


class Lazy:
    """Pixels that are computed, with a note of what was asked for."""

    def __init__(self, rows=500, cols=420, bands=2, block=(64, 100), dtype="uint16", fail_at=None):
        self.key = self.title = "lazy"
        self.description = ""
        self.num_rows, self.num_columns, self.num_bands = rows, cols, bands
        self.num_pixels_per_block_vertical, self.num_pixels_per_block_horizontal = block
        self.num_resolution_levels, self.pad_pixel_value = 1, 0
        self.num_bits_per_pixel = self.actual_bits_per_pixel = 8 * np.dtype(dtype).itemsize
        self.pixel_value_type = np.dtype(dtype)
        self.asked = []
        self.fail_at = fail_at
        self.threads = set()

    def get_block(self, block_row, block_col, resolution_level=0, bands=None):
        assert resolution_level == 0
        if len(self.asked) == self.fail_at:
            raise ZeroDivisionError("the source is gone")
        self.asked.append((block_row, block_col))
        self.threads.add(threading.get_ident())
        height, width = self.num_pixels_per_block_vertical, self.num_pixels_per_block_horizontal
        y, x = block_row * height, block_col * width
        rows = np.arange(y, min(y + height, self.num_rows))[:, None]
        cols = np.arange(x, min(x + width, self.num_columns))
        block = np.stack([(rows * 3 + cols * 5 + 1000 * band) % 251 for band in range(self.num_bands)])
        block = block.astype(self.pixel_value_type)
        return block if bands is None else block[list(bands)]

    def whole(self):
        rows, cols = np.arange(self.num_rows)[:, None], np.arange(self.num_columns)
        planes = [(rows * 3 + cols * 5 + 1000 * band) % 251 for band in range(self.num_bands)]
        return np.stack(planes).astype(self.pixel_value_type)


def written(image, **options):
    out = io.BytesIO()
    write_tiff(out, image, **options)
    return out.getvalue()


def pixels(data, **how):
    with MemoryFile(data) as memory, memory.open(**how) as dataset:
        return dataset.read()


@pytest.mark.parametrize("layout", ["tiff", "cog"])
@pytest.mark.parametrize("interleave", ["pixel", "band"])
@pytest.mark.parametrize("overviews", [0, 2])
def test_each_source_block_is_read_once_and_the_bytes_do_not_depend_on_threads(layout, interleave, overviews):
    options = {"layout": layout, "interleave": interleave, "overviews": overviews, "tile": 128}
    results = []
    for workers in (1, 2, 5):
        image = Lazy()
        results.append(written(image, workers=workers, **options))
        assert sorted(image.asked) == [(row, col) for row in range(8) for col in range(5)]
        if workers == 1:
            assert image.threads == {threading.get_ident()}

    assert results[0] == results[1] == results[2]
    assert (pixels(results[0]) == Lazy().whole()).all()


def test_overviews_are_the_builders(tmp_path):
    path = tmp_path / "a.tif"
    image = Lazy(dtype="float32")
    write_tiff(path, image, overviews=2, tile=64)
    made = PyramidBuilder(image, 200, tile_width=64, tile_height=64).build()

    for level in (1, 2):
        size = made[level].num_columns, made[level].num_rows
        want = read_window(made[level], (0, 0, *size))
        with rasterio.open(path, overview_level=level - 1) as dataset:
            assert dataset.shape == size[::-1]
            assert (dataset.read() == want).all()


def test_levels_that_the_image_has_are_copied_and_given_ones_are_written_as_they_are(tmp_path):
    path, copy, other = tmp_path / "a.tif", tmp_path / "b.tif", tmp_path / "c.tif"
    write_tiff(path, Lazy(), overviews=2, tile=64, nodata=7, crs="EPSG:32633", transform=NORTH_UP)
    source = BlockImage(str(path))
    write_tiff(copy, source, layout="cog", tile=128)
    given = [Lazy(), Lazy(100, 90, block=(50, 50)), Lazy(30, 20)]
    write_tiff(other, given, rows_per_strip=64)

    assert BlockImage(str(copy)).num_resolution_levels == 3
    for level in range(3):
        size = source.level_shape(level)
        for ours, want in ((copy, source), (other, given[level])):
            image = BlockImage(str(ours))
            shape = size if ours == copy else (want.num_columns, want.num_rows)
            found = read_window(image, (0, 0, *shape), level)
            assert (found == read_window(want, (0, 0, *shape), level if ours == copy else 0)).all()
    with tifffile.TiffFile(path) as tiff:
        assert [page.tags["NewSubfileType"].value if 254 in page.tags else 0 for page in tiff.pages] == [0, 1, 1]
        assert [33550 in page.tags for page in tiff.pages] == [True, False, False]
        assert [page.tags[42113].value for page in tiff.pages] == ["7"] * 3


@pytest.mark.parametrize(
    ("levels", "message"),
    [
        ([], "no image to write"),
        ([Lazy(), Lazy(100, 90, dtype="uint8")], "an overview of 2 bands of uint8, not 2 bands of uint16|not 2 of"),
        ([Lazy(), Lazy(100, 90, bands=1)], "an overview of 1 bands"),
        ([Lazy(), Lazy(501, 90)], "an overview of 90 x 501 of 420 x 500 pixels"),
    ],
)
def test_levels_that_do_not_belong_together_are_refused(levels, message):
    with pytest.raises(EncodeError, match=message):
        written(levels)


# ---- sparse


def sparse_image(pad=0, dtype="int16"):
    image = BufferedImageAssetProvider.create("sparse", 300, 200, 2, 64, 64, dtype, pad_pixel_value=pad)
    for row, col in ((0, 0), (0, 4), (3, 2)):
        x, y, width, height = image.level_grid(0).window(row, col)
        del x, y
        image.set_block(row, col, np.full((2, height, width), 5 + row + col, dtype))
    return image


@pytest.mark.parametrize("interleave", ["pixel", "band"])
@pytest.mark.parametrize("layout", ["tiff", "cog"])
@pytest.mark.parametrize(("pad", "nodata"), [(0, None), (-9999, -9999), (0, -9999)])
def test_absent_blocks_stay_absent_where_a_reader_finds_the_same(tmp_path, interleave, layout, pad, nodata):
    image = sparse_image(pad)
    path = tmp_path / "a.tif"
    write_tiff(path, image, interleave=interleave, layout=layout, tile=64, nodata=nodata, overviews=0)
    page = tifffile.TiffFile(path).pages[0]
    stored = [(offset > 0, count > 0) for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True)]
    assert (
        sum(offset for offset, _ in stored)
        == sum(count for _, count in stored)
        == 3 * (2 if interleave == "band" else 1)
    )

    absent = -9999 if nodata == -9999 else 0
    want = np.full((2, 200, 300), absent, "int16")
    for row, col, value in ((0, 0, 5), (0, 4, 9), (3, 2, 10)):
        want[:, 64 * row : 64 * row + 64, 64 * col : 64 * col + 64] = value
    with rasterio.open(path) as dataset:
        assert (dataset.read() == want).all()
    ours = BlockImage(str(path))
    assert [ours.has_block(*place) for place in ((0, 0), (0, 1), (3, 2))] == [True, False, True]


@pytest.mark.parametrize(
    ("pad", "options"), [(7, {}), (0, {"sparse": False}), (7, {"sparse": False}), (0, {"nodata": 1e9})]
)
def test_absent_blocks_are_written_where_a_reader_would_find_something_else(pad, options):
    image = sparse_image(pad)
    data = written(image, tile=64, **options)

    assert all(tifffile.TiffFile(io.BytesIO(data)).pages[0].dataoffsets)
    assert (pixels(data) == read_window(image, (0, 0, 300, 200), fill_value=pad)).all()


def test_parts_of_a_tile_that_are_absent_are_nodata_and_have_no_weight_in_overviews():
    image = sparse_image(-9999)
    data = written(image, tile=128, nodata=-9999, overviews=1)

    assert set(np.unique(pixels(data))) == {-9999, 5, 9, 10}
    assert set(np.unique(pixels(data, overview_level=0))) == {-9999, 5, 9, 10}


# ---- masks


@pytest.mark.parametrize(
    ("layout", "compression", "blocks"),
    [
        ("tiff", "deflate", {"tile": 64}),
        ("cog", "jpeg", {"tile": 64}),
        ("cog", "packbits", {"tile": 64}),
        ("tiff", "lerc", {"rows_per_strip": 48}),
    ],
)
def test_a_mask_is_written_with_every_level(tmp_path, layout, compression, blocks):
    image = BufferedImageAssetProvider.from_array(pixels_of("uint8", (3, 200, 150)))
    mask = np.ones((200, 150), bool)
    mask[20:90, 30:77] = False
    path = tmp_path / "a.tif"
    write_tiff(path, image, layout=layout, compression=compression, overviews=1, mask=mask, **blocks)
    with rasterio.open(path) as dataset:
        assert (dataset.dataset_mask() == mask * np.uint8(255)).all()
        assert [flags[0].name for flags in dataset.mask_flag_enums] == ["per_dataset"] * 3
    with rasterio.open(path, overview_level=0) as dataset:
        near = dataset.read_masks(1)[12:44, 17:37]
        assert (near == 0).all()
        assert dataset.read_masks(1).mean() > 150
    ours = BlockImage(str(path))
    assert (
        ours.read(ours.level_grid(0).window(0, 0)).mask[0]
        == mask[: 64 if "tile" in blocks else 48, : 64 if "tile" in blocks else 150]
    ).all()

    copy = tmp_path / "b.tif"
    write_tiff(copy, ours, layout=layout, compression="lzw", mask="source", overviews=1)
    with rasterio.open(copy) as dataset:
        assert (dataset.dataset_mask() == mask * np.uint8(255)).all()


def test_each_band_may_have_a_mask_of_its_own(tmp_path):
    mask = np.random.default_rng(0).random((2, 40, 50)) > 0.5
    path, copy = tmp_path / "a.tif", tmp_path / "b.tif"
    write_tiff(path, BufferedImageAssetProvider.from_array(pixels_of("int16", (2, 40, 50))), mask=mask)
    write_tiff(copy, BlockImage(str(path)), mask="bands")
    for written_file in (path, copy):
        with rasterio.open(written_file) as dataset:
            assert ((dataset.read_masks() > 0) == mask).all()
    with pytest.raises(EncodeError, match="bands differ in what is valid"):
        write_tiff(copy, BlockImage(str(path)), mask="source")


def test_a_mask_that_is_none_of_the_image_is_refused():
    image = Lazy()
    with pytest.raises(EncodeError, match=r"a mask of \(3, 4\) for 500 rows and 420 columns"):
        written(image, mask=np.ones((3, 4), bool))
    with pytest.raises(EncodeError, match=r"the image does not know what is valid"):
        written(image, mask="source")
    with pytest.raises(EncodeError, match="the mask's levels are"):
        written(image, mask=Lazy(400, 400, bands=1))


# ---- targets and failures


def test_a_failure_in_the_middle_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.tif"
    path.write_bytes(b"old")
    for options in ({}, {"layout": "cog"}, {"workers": 3}):
        with pytest.raises(ZeroDivisionError, match="the source is gone"):
            write_tiff(path, Lazy(fail_at=17), tile=32, **options)
        assert [each.name for each in tmp_path.iterdir()] == ["a.tif"]
        assert path.read_bytes() == b"old"

    def stop(done, total, level):
        if done == 5:
            raise KeyboardInterrupt("enough")

    with pytest.raises(KeyboardInterrupt, match="enough"):
        write_tiff(path, Lazy(), tile=32, workers=2, progress=stop)
    assert path.read_bytes() == b"old"
    with pytest.raises(EncodeError, match="cannot hold the value"):
        write_tiff(path, Lazy(dtype="uint8"), bits=3, workers=2)
    assert path.read_bytes() == b"old"
    with pytest.raises(ChipError, match="cannot write"):
        write_tiff(tmp_path / "no" / "a.tif", Lazy())


@pytest.mark.parametrize("table", [{0: (1, 2, 3)}, 7, [(1, 2, "red")], [None]])
def test_colours_that_are_no_table_are_refused(table):
    with pytest.raises(EncodeError, match=r"color_table is red, green, blue \(and alpha\) of each value, got"):
        write_tiff(
            io.BytesIO(), BufferedImageAssetProvider.from_array(np.zeros((1, 4, 4), np.uint8)), color_table=table
        )


def test_a_refused_option_reads_no_pixel_and_makes_no_file(tmp_path):
    image = Lazy()
    with pytest.raises(EncodeError, match="webp"):
        write_tiff(tmp_path / "a.tif", image, compression="webp")
    assert image.asked == []
    assert list(tmp_path.iterdir()) == []


def test_an_open_file_is_written_from_its_position_on():
    out = io.BytesIO()
    out.write(b"before")
    write_tiff(out, Lazy())

    assert out.getvalue()[:6] == b"before"
    assert (pixels(out.getvalue()[6:]) == Lazy().whole()).all()
    assert out.tell() == len(out.getvalue())


def test_an_open_file_is_cut_back_to_where_it_stood_when_the_image_fails():
    out = io.BytesIO(b"before")
    out.seek(0, io.SEEK_END)

    with pytest.raises(ZeroDivisionError, match="the source is gone"):
        write_tiff(out, Lazy(fail_at=7), tile=32)

    assert out.getvalue() == b"before"


def test_progress_counts_every_block_of_every_level():
    told = []
    written(Lazy(), tile=128, overviews=1, progress=lambda *each: told.append(each))
    assert [done for done, _, _ in told] == list(range(1, 21))
    assert {total for _, total, _ in told} == {20}
    assert sorted({level for _, _, level in told}) == [0, 1]

    told.clear()
    written(sparse_image(), tile=64, progress=lambda *each: told.append(each))
    assert told == [(1, 20, 0), (2, 20, 0), (3, 20, 0), (20, 20, 0)]


def test_bigtiff_is_chosen_where_a_file_might_pass_four_gigabytes(monkeypatch):
    raw = 512 * 512 * 2 * 2  # four tiles of two bands
    for limit, compression, big in (
        (2 * raw + (2 << 20), "lzw", False),
        (raw + (5 << 18), "lzw", True),  # what noise may become
        (raw + (5 << 18), "none", False),
    ):
        monkeypatch.setattr("stacchip_osml.encode.tiff.pages.CLASSIC_BYTES", limit)
        assert written(Lazy(), compression=compression)[2] == (43 if big else 42)
    assert written(Lazy(), compression="lzw", bigtiff=False)[2] == 42


def test_what_passes_four_gigabytes_of_classic_tiff_is_refused(monkeypatch):
    monkeypatch.setattr("stacchip_osml.encode.tiff.file.CLASSIC_BYTES", 100_000)
    with pytest.raises(EncodeError, match="positions of 32 bits end at 4 GiB"):
        written(Lazy(), compression="none", bigtiff=False)


# ---- chips


def test_a_chip_between_pixels_is_placed_exactly():
    transform = NORTH_UP @ Affine.translation(0.37, 1 / 3) @ Affine.scale(1.7, 0.3)
    data = encode_chip(chip_of("uint8", transform=transform, crs="EPSG:32633"), "geotiff")
    with MemoryFile(data) as memory, memory.open() as dataset:
        assert dataset.transform == transform


@pytest.mark.parametrize("compression", ["jpeg", "webp", "lerc_zstd", "lzma", "packbits"])
def test_chips_have_every_compression(compression):
    chip = chip_of("uint8", colors=("red", "green", "blue"), holes="shared")
    with MemoryFile(encode_chip(chip, "geotiff", compression=compression)) as memory, memory.open() as dataset:
        assert ((dataset.read_masks() > 0) == chip.mask).all()
        close = np.abs(dataset.read().astype(int) - chip.pixels).mean()
        assert close < 5
        assert (close == 0) == (compression != "jpeg")
