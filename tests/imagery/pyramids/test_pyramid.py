"""Pyramids of providers: their true ratios, which level serves a request, and where levels are found."""

import math

import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st
from rasterio.enums import Resampling

from stacchip_osml.errors import AssetMissing, LimitError
from stacchip_osml.imagery import GdalImage, TiledImagePyramid, find_rset
from stacchip_osml.imagery.adapters.downsampled import DownsampledImageProvider
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.imagery.pyramids.builder import PyramidBuilder
from stacchip_osml.imagery.pyramids.pyramid import build_pyramid_levels
from stacchip_osml.imagery.resampling.resamplers import area_resample
from stacchip_osml.pixel import PixelWindow
from tests.imagery.blocks.nitf_block_files import blocks_of, fields_of, write_nitf
from tests.imagery.pyramids.pyramid_scenes import CountingImage, LazyImage, noise, read_whole

sides = st.integers(1, 3000)


def nothing(*_):
    raise AssertionError("pixels were read")


def planned(cols, rows, *, min_size=1, function=None):
    """A pyramid of an image that nobody reads."""
    image = LazyImage(nothing, rows=rows, cols=cols)
    return TiledImagePyramid(build_pyramid_levels(image, min_size, resample_func=function))


def test_rows_of_blocks_that_no_memory_holds_are_refused_before_anything_is_read():
    image = LazyImage(nothing, rows=300, cols=2**31 - 1, dtype="uint8", block=(1, 2**31 - 1))

    with pytest.raises(
        LimitError,
        match=r"2147483647 x 300 pixels: a row of blocks takes 51199 MiB, more than 4096: its blocks are too large",
    ):
        PyramidBuilder(image)


@pytest.mark.parametrize(("side", "half"), [(513, 257), (1001, 501), (512, 256)])
@pytest.mark.parametrize("function", [None, area_resample])
def test_a_whole_image_at_the_size_of_a_level_is_that_level(side, half, function):
    pyramid = planned(side, side, function=function)

    assert pyramid.best_level_for((side, side), (half, half)) == 1
    assert pyramid.best_level_for((side, side), (half + 1, half)) == 0
    assert pyramid.best_level_for((side, side), (1, 1)) == pyramid.num_levels - 1


@given(sides, sides, st.sampled_from([None, area_resample]), st.data())
def test_the_level_chosen_is_the_coarsest_that_is_not_upsampled(cols, rows, function, data):
    pyramid = planned(cols, rows, function=function)
    window = data.draw(st.integers(1, cols)), data.draw(st.integers(1, rows))
    output = data.draw(st.integers(1, 2 * cols)), data.draw(st.integers(1, 2 * rows))

    chosen = pyramid.best_level_for(window, output)

    def has(level):
        ratio, (_, height, width) = pyramid.ratio_at_level(level), pyramid.image_shape_at_level(level)
        return [
            whole if part == full else part / each
            for part, full, whole, each in zip(window, (cols, rows), (width, height), ratio, strict=True)
        ]

    enough = [
        level
        for level in range(pyramid.num_levels)
        if all(there >= wanted * (1 - 1e-9) for there, wanted in zip(has(level), output, strict=True))
    ]
    assert chosen == max(enough, default=0)


@given(sides, sides)
def test_ratios_are_exact_powers_where_levels_keep_their_phase_and_those_of_the_sizes_else(cols, rows):
    kept, stretched = planned(cols, rows), planned(cols, rows, function=area_resample)

    for level in range(kept.num_levels):
        _, height, width = stretched.image_shape_at_level(level)
        assert kept.ratio_at_level(level) == (2**level, 2**level)
        assert stretched.ratio_at_level(level) == pytest.approx((cols / width, rows / height), rel=1e-12)
        assert (height, width) == (-(-rows >> level), -(-cols >> level))


def test_built_and_lazy_levels_say_the_same_of_themselves():
    image = CountingImage(noise(301, 222))
    lazy, built = (
        TiledImagePyramid(build_pyramid_levels(image, 30)),
        TiledImagePyramid(PyramidBuilder(image, 30).build()),
    )

    assert lazy.num_levels == built.num_levels == 4
    for level in range(4):
        assert lazy.image_shape_at_level(level) == built.image_shape_at_level(level)
        assert lazy.ratio_at_level(level) == built.ratio_at_level(level)
        np.testing.assert_array_equal(read_whole(lazy.get_level(level)), read_whole(built.get_level(level)))
    assert built.tile_grid_at_level(1) == (5, 4)
    assert lazy.tile_grid_at_level(1) == (10, 7)
    assert repr(built).endswith("(222 x 301, 111 x 151, 56 x 76, 28 x 38)")


def test_levels_and_sizes_that_there_are_not_are_refused():
    pyramid = planned(600, 400, min_size=300)

    for ask in (pyramid.get_level, pyramid.image_shape_at_level, pyramid.tile_grid_at_level, pyramid.ratio_at_level):
        for level in (-1, 2):
            with pytest.raises(IndexError, match="there are 2"):
                ask(level)
    for window, output in (((0, 1), (1, 1)), ((1, 1), (1, -1)), ((math.nan, 1), (1, 1)), ((1, 1), (1, math.inf))):
        with pytest.raises(ValueError, match=r"must be (positive|a finite number)"):
            pyramid.best_level_for(window, output)
    with pytest.raises(ValueError, match="at least one level"):
        TiledImagePyramid([])
    with pytest.raises(ValueError, match="level 1 is 40 x 30 pixels, larger than level 0 of 30 x 40"):
        TiledImagePyramid.from_providers([CountingImage(noise(40, 30)), CountingImage(noise(30, 40))])
    with pytest.raises(ValueError, match="level 1 has 2 bands, level 0 has 1"):
        TiledImagePyramid.from_providers([CountingImage(noise(40, 30)), CountingImage(noise(20, 15, bands=2))])


class Dataset:
    """What a reader of datasets has to have."""

    def __init__(self, **assets):
        self.assets = {key.replace("__", ":"): asset for key, asset in assets.items()}

    def get_asset(self, key):
        return self.assets[key]


class RoleDataset(Dataset):
    def __init__(self, roles, **assets):
        super().__init__(**assets)
        self.roles = roles

    def get_assets_by_role(self, role):
        return self.roles.get(role, [])


def test_a_dataset_has_overviews_by_key_by_role_or_within_its_image():
    base, half, quarter = (CountingImage(noise(side, side), key=f"image:0:{side}") for side in (80, 40, 20))
    by_key = Dataset(image__0=base, image__0__overview__1=half, image__0__overview__2=quarter, image__1=half)
    other = CountingImage(noise(40, 40), key="image:1:half")
    by_role = RoleDataset({"overview": [quarter, other, "image:0:x"]}, image__0=base, **{"image__0__x": half})

    for reader in (by_key, by_role):
        pyramid = TiledImagePyramid.from_dataset(reader)
        assert [pyramid.get_level(level) for level in range(pyramid.num_levels)] == [base, half, quarter]
        assert pyramid.reader is reader
    assert TiledImagePyramid.from_dataset(by_key, "image:1").num_levels == 1
    with pytest.raises(KeyError, match="image:7"):
        TiledImagePyramid.from_dataset(by_key, "image:7")
    assert TiledImagePyramid.from_providers([base]).reader is None


@pytest.fixture(scope="module")
def cog(tmp_path_factory):
    path = tmp_path_factory.mktemp("tiff") / "odd.tif"
    profile = {"driver": "GTiff", "width": 1001, "height": 745, "count": 2, "dtype": "uint16"}
    with rasterio.open(path, "w", **profile, tiled=True, blockxsize=128, blockysize=128, compress="deflate") as file:
        file.write(noise(745, 1001, bands=2))
    with rasterio.open(path, "r+") as file:
        file.build_overviews([2, 4, 8], Resampling.average)
    return path


@pytest.mark.parametrize("opened", [GdalImage, BlockImage])
def test_overviews_of_a_tiff_are_levels_with_the_ratio_of_their_sizes(cog, opened):
    pyramid = TiledImagePyramid.from_asset(opened(str(cog)))

    assert pyramid.num_levels == 4
    for level in range(4):
        with rasterio.open(cog, **({"overview_level": level - 1} if level else {})) as file:
            expected = file.read()
        shown = pyramid.get_level(level)
        assert pyramid.image_shape_at_level(level) == expected.shape
        np.testing.assert_array_equal(read_whole(shown), expected)
        np.testing.assert_array_equal(read_whole(shown, bands=[1]), expected[[1]])
        assert pyramid.ratio_at_level(level) == pytest.approx((1001 / expected.shape[2], 745 / expected.shape[1]))
        assert level == 0 or shown.num_resolution_levels == 1
    assert pyramid.best_level_for((1001, 745), (501, 373)) == 1
    from_dataset = TiledImagePyramid.from_dataset(Dataset(image__0=opened(str(cog))))
    assert from_dataset.num_levels == 4


def test_resolutions_of_jpeg_2000_are_levels(tmp_path):
    path, pixels = tmp_path / "a.jp2", noise(500, 333, "uint8")
    with rasterio.open(
        path, "w", driver="JP2OpenJPEG", width=333, height=500, count=1, dtype="uint8",
        quality=100, reversible=True, resolutions=4, blockxsize=128, blockysize=128,
    ) as file:  # fmt: skip
        file.write(pixels)

    pyramid = TiledImagePyramid.from_asset(BlockImage(str(path)))

    assert pyramid.num_levels >= 2
    for level in range(1, pyramid.num_levels):
        with rasterio.open(path, overview_level=level - 1) as file:
            np.testing.assert_array_equal(read_whole(pyramid.get_level(level)), file.read())


def test_a_level_of_a_file_is_one_image(cog):
    level = TiledImagePyramid.from_asset(BlockImage(str(cog))).get_level(2)

    assert (level.key, level.num_resolution_levels) == (f"{cog}:level:2", 1)
    assert not level.has_block(0, 0, 1)
    with pytest.raises(IndexError, match="no level 1"):
        level.get_block(0, 0, 1)
    half = DownsampledImageProvider(level)
    assert half.pixel_place.ratio == pytest.approx((2 * 1001 / 251, 2 * 745 / 187))


def write_level(path, pixels, **more):
    write_nitf(path, [(fields_of(pixels, (64, 64), "B", **more), b"".join(blocks_of(pixels, (64, 64), "B")))])


def ascending(names):
    """Pixels of an R-set and the files that hold them."""
    return [(name, noise(-(-301 >> level), -(-222 >> level), seed=level)) for level, name in enumerate(names)]


@pytest.mark.parametrize(
    "names",
    [["a.ntf", "a.ntf.r1", "a.ntf.r2"], ["a.ntf", "a.r1", "a.r2"], ["a.ntf.r0", "a.ntf.r1", "a.ntf.R2"]],
)
def test_an_r_set_is_found_beside_its_finest_level(tmp_path, names):
    files = ascending(names)
    for name, pixels in files:
        write_level(tmp_path / name, pixels)
    write_level(tmp_path / "b.ntf.r3", files[2][1])

    found = TiledImagePyramid.from_rset(tmp_path / names[0])
    named = TiledImagePyramid.from_rset(*(tmp_path / name for name in names))

    assert [path.name for path in find_rset(tmp_path / names[0])] == names
    for pyramid in (found, named):
        for level, (_, pixels) in enumerate(files):
            np.testing.assert_array_equal(read_whole(pyramid.get_level(level)), pixels)
    assert found.best_level_for((222, 301), (56, 76)) == 2


def test_files_that_are_no_levels_of_each_other_are_refused(tmp_path):
    (name, pixels), _, (other, quarter) = ascending(["a.ntf", "", "a.ntf.r1"])
    write_level(tmp_path / name, pixels)
    write_level(tmp_path / other, quarter[:, :, :-2])

    with pytest.raises(
        ValueError, match=r"a.ntf.r1 is no smaller image of .*54 x 76 pixels, 1 bands of uint16 and 222"
    ):
        TiledImagePyramid.from_rset(tmp_path / name)
    write_level(tmp_path / other, quarter.astype("uint8"))
    with pytest.raises(ValueError, match="1 bands of uint8 and"):
        TiledImagePyramid.from_rset(tmp_path / name)
    with pytest.raises(ValueError, match="at least the file"):
        TiledImagePyramid.from_rset()
    with pytest.raises(AssetMissing, match="gone"):
        TiledImagePyramid.from_rset(tmp_path / name, tmp_path / "gone.ntf").get_level(1)
    (tmp_path / other).unlink()
    assert TiledImagePyramid.from_rset(tmp_path / name).num_levels == 1


def test_segments_of_a_nitf_that_are_smaller_images_are_levels(tmp_path):
    base, half, quarter = (noise(-(-301 >> level), -(-222 >> level), seed=level) for level in range(3))
    segments = [base, quarter, noise(90, 90), half.astype("uint8"), half, half[:, ::-1]]
    path = tmp_path / "a.ntf"
    write_nitf(
        path,
        [(fields_of(pixels, (64, 64), "B"), b"".join(blocks_of(pixels, (64, 64), "B"))) for pixels in segments],
    )

    pyramid = TiledImagePyramid.from_segments(path)

    assert pyramid.num_levels == 3
    for _ in range(2):  # the second time from the cache of decoded blocks
        for level, pixels in enumerate((base, half, quarter)):
            np.testing.assert_array_equal(read_whole(pyramid.get_level(level)), pixels)
            read = pyramid.get_level(level).read(PixelWindow(0, 0, 50, 60)) if level else None
            assert read is None or (read.pixels == pixels[:, :60, :50]).all()
    assert [pyramid.get_level(level).key for level in (1, 2)] == [f"{path}:image:4", f"{path}:image:1"]


def test_statistics_come_from_the_coarsest_level_that_is_large_enough():
    pyramid = planned(1000, 800)

    assert pyramid.level_for_statistics(800_000) == 0
    assert pyramid.level_for_statistics(200_000) == 1
    assert pyramid.level_for_statistics(199_000) == 1
    assert pyramid.level_for_statistics(50_000) == 2
    assert pyramid.level_for_statistics(10_000_000) == 0
