"""What a conversion keeps of odd files, lists as lost, or refuses: never another picture without a word."""

import numpy as np
import pytest
import rasterio
import rasterio.shutil
import tifffile
from rasterio.enums import Resampling

from stacchip_osml.encode import IO
from stacchip_osml.encode.io.converting import convert
from stacchip_osml.errors import EncodeError
from stacchip_osml.imagery import GdalImage

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
PIXELS = np.random.default_rng(4).integers(0, 256, (64, 80), np.uint8)


@pytest.fixture
def with_crs_alone(tmp_path):
    """A JP2 file that says its CRS, and not where it lies."""
    path = tmp_path / "crs.tif"
    with rasterio.open(path, "w", driver="GTiff", width=80, height=64, count=1, dtype="uint8", crs="EPSG:32632") as out:
        out.write(PIXELS, 1)
    rasterio.shutil.copy(path, tmp_path / "crs.jp2", driver="JP2OpenJPEG", REVERSIBLE="YES", QUALITY="100")
    return tmp_path / "crs.jp2"


def test_a_crs_without_a_transform_goes_into_a_tiff(with_crs_alone, tmp_path):
    done = convert(with_crs_alone, tmp_path / "out.tif")

    header = GdalImage(str(tmp_path / "out.tif")).header
    assert (header.crs, header.transform) == ("EPSG:32632", None)
    assert done.left_out == ()


@pytest.mark.parametrize("ending", ["png", "jp2", "ntf"])
def test_a_crs_without_a_transform_is_listed_where_it_is_lost(with_crs_alone, tmp_path, ending):
    assert "CRS without a transform" in convert(with_crs_alone, tmp_path / f"out.{ending}").left_out


@pytest.mark.parametrize("extra", [["unassalpha", "unspecified"], ["unspecified", "unassalpha"]])
def test_an_alpha_band_that_png_does_not_know_for_one_is_listed(tmp_path, extra):
    path = tmp_path / "a.tif"
    bands = np.stack([PIXELS, PIXELS // 2, PIXELS // 3], axis=-1)
    tifffile.imwrite(path, bands, photometric="minisblack", extrasamples=extra)

    assert convert(path, tmp_path / "a.png").left_out == ("alpha",)


def test_entries_of_a_colour_table_are_not_made_others_by_jpeg(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, PIXELS, photometric="palette", colormap=np.zeros((3, 256), np.uint16))

    with pytest.raises(EncodeError, match="jpeg gives other entries of a colour table"):
        convert(path, tmp_path / "b.tif", compression="jpeg")
    assert not (tmp_path / "b.tif").exists()


@pytest.mark.parametrize("compression", ["jpeg", "lerc"])
def test_black_and_white_of_one_bit_do_not_become_two_blacks(tmp_path, compression):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, PIXELS > 100)

    with pytest.raises(EncodeError, match=rf"BitsPerSample \(258\) of 1 is not kept by {compression}"):
        convert(path, tmp_path / "b.tif", compression=compression)


@pytest.mark.parametrize("factors", [[3], [2, 4, 8]])
def test_overviews_keep_their_own_masks(tmp_path, factors):
    path, copy = tmp_path / "a.tif", tmp_path / "b.tif"
    holes = np.random.default_rng(1).random((64, 80)) < 0.5
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK="YES"):
        with rasterio.open(path, "w", driver="GTiff", width=80, height=64, count=1, dtype="uint8") as out:
            out.write(PIXELS, 1)
            out.write_mask(~holes)
        with rasterio.open(path, "r+") as out:
            out.build_overviews(factors, Resampling.average)
    with IO.open(path) as source, IO.open([copy], "w", "tiff") as out:
        for key in source.get_asset_keys():
            out.add_asset(key, source.get_asset(key))

    for level in range(1 + len(factors)):
        which = {} if level == 0 else {"overview_level": level - 1}
        with rasterio.open(path, **which) as one, rasterio.open(copy, **which) as other:
            assert np.array_equal(one.read(), other.read())
            assert np.array_equal(one.dataset_mask(), other.dataset_mask())
