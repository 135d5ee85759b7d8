import pickle
import subprocess
import sys
from dataclasses import FrozenInstanceError, replace

import imagecodecs
import numpy as np
import pytest
from affine import Affine

from stacchip_osml.encode import to_rgb8
from stacchip_osml.errors import ChipError, MissingExtraError
from tests.encode.encode_chips import NORTH_UP, chip_of

ROTATED = Affine(8.66, 5.0, 5e5, 5.0, -8.66, 4e6)


def test_a_chip_knows_its_extent():
    chip = chip_of(transform=NORTH_UP)
    assert chip.shape == (3, 40, 50)
    assert chip.size == (50, 40)
    assert chip.bounds == (500_000, 3_999_600, 500_500, 4_000_000)
    assert chip_of().bounds is None


def test_bounds_hold_every_corner_of_a_rotated_chip():
    chip = chip_of(transform=ROTATED)
    left, bottom, right, top = chip.bounds
    corners = [(8.66 * x + 5.0 * y + 5e5, 5.0 * x - 8.66 * y + 4e6) for x, y in ((0, 0), (50, 0), (0, 40), (50, 40))]
    assert (left, right) == (min(x for x, _ in corners), max(x for x, _ in corners))
    assert (bottom, top) == (min(y for _, y in corners), max(y for _, y in corners))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pixels": np.zeros((40, 50), "u1")}, r"must be \(bands, rows, cols\)"),
        ({"pixels": np.zeros((3, 0, 50), "u1")}, r"none of them 0; got \(3, 0, 50\)"),
        ({"mask": np.ones((1, 40, 50), bool)}, r"shape \(3, 40, 50\); got bool \(1, 40, 50\)"),
        ({"mask": np.ones((3, 40, 50), "u1")}, "got uint8"),
        ({"band_names": ("a",)}, r"band_names must be empty or one a band \(3\); got 1"),
        ({"nodata": (0,)}, "nodata must be empty or one a band"),
        ({"scales": (1.0, 1.0)}, "scales must be empty or one a band"),
        ({"offsets": (1.0,) * 4}, "offsets must be empty or one a band"),
        ({"colors": ("red",)}, "colors must be empty or one a band"),
    ],
)
def test_a_chip_that_contradicts_itself_is_refused(changes, message):
    with pytest.raises(ChipError, match=message):
        replace(chip_of(), **changes)


def test_a_chip_is_frozen_and_pickles_whole():
    chip = chip_of(transform=NORTH_UP, crs="EPSG:32633", band_names=("a", "b", "c"), row={"id": "x"})
    with pytest.raises(FrozenInstanceError, match="level"):
        chip.level = 1
    again = pickle.loads(pickle.dumps(chip))
    assert (again.pixels == chip.pixels).all()
    assert (again.mask == chip.mask).all()
    for name in ("window", "level", "chain", "transform", "crs", "band_names", "row"):
        assert getattr(again, name) == getattr(chip, name)


def test_the_repr_says_what_it_is_and_not_every_pixel():
    text = repr(
        chip_of(holes="shared", crs="EPSG:32633", transform=NORTH_UP, band_names=("r", "g", "b"), row={"id": "i/7"})
    )
    assert text == (
        "<Chip i/7; 3 bands × 40 rows × 50 cols uint16; 95.5 % valid; x=128 y=64 width=50 height=40; "
        "level 0; EPSG:32633; bands r, g, b>"
    )
    assert "sensor geometry" in repr(chip_of())
    assert len(repr(chip_of(shape=(200, 4, 4), band_names=tuple("n" * 200)))) < 300


def test_xarray_has_pixel_centres_and_keeps_the_stored_values():
    chip = chip_of(holes="shared", transform=NORTH_UP, crs="EPSG:32633", band_names=("r", "g", "b"), nodata=(0, 0, 0))
    array = chip.to_xarray()
    assert array.dims == ("band", "y", "x")
    assert array.dtype == np.uint16
    assert (array.values == chip.pixels).all()
    assert list(array.band.values) == ["r", "g", "b"]
    assert (array.x.values[0], array.x.values[-1]) == (500_005, 500_495)
    assert (array.y.values[0], array.y.values[-1]) == (3_999_995, 3_999_605)
    assert array.attrs["crs"] == "EPSG:32633"
    assert array.attrs["transform"] == tuple(NORTH_UP[:6])
    assert array.attrs["nodata"] == (0, 0, 0)


@pytest.mark.parametrize(
    ("dtype", "wide"),
    [
        ("uint8", "float32"),
        ("int16", "float32"),
        ("int32", "float64"),
        ("float64", "float64"),
        ("complex64", "complex64"),
    ],
)
def test_masked_xarray_has_nan_exactly_where_invalid(dtype, wide):
    chip = chip_of(dtype, holes="each")
    array = chip.to_xarray(masked=True)
    assert array.dtype == wide
    assert (np.isnan(array.values) == ~chip.mask).all()
    assert (array.values[chip.mask] == chip.pixels[chip.mask]).all()
    assert not np.isnan(chip.pixels).any()


def test_a_rotated_chip_has_no_coordinates_along_its_axes():
    assert not {"x", "y"} & set(chip_of(transform=ROTATED).to_xarray().coords)


@pytest.mark.parametrize("shape", [(3, 40, 50), (1, 2_500, 30)])
def test_a_notebook_shows_a_picture_of_bounded_size(shape):
    picture = imagecodecs.png_decode(chip_of(shape=shape)._repr_png_())
    assert max(picture.shape) <= 1024
    assert picture.shape[2] == 3


def test_a_picture_of_a_chip_is_that_of_its_pixels_colours_and_names():
    chip = chip_of("uint16", holes="each")
    named = replace(chip, band_names=("nir", "green", "red"))

    assert np.array_equal(chip.to_rgb8(), to_rgb8(chip.pixels, chip.mask))
    assert np.array_equal(named.to_rgb8(bands=[2]), to_rgb8(chip.pixels, chip.mask, bands=[2]))
    turned = replace(chip, band_names=("blue", "green", "red"))
    assert np.array_equal(turned.to_rgb8(), to_rgb8(chip.pixels, chip.mask, bands=[2, 1, 0]))


def test_a_plot_is_drawn_in_ground_units():
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    axes = chip_of(holes="shared", transform=NORTH_UP, row={"id": "i/7"}).plot(bands=(0,))
    assert axes.get_title() == "i/7"
    assert axes.get_xlim() == (500_000, 500_500)
    assert axes.get_ylim() == (3_999_600, 4_000_000)
    assert chip_of().plot(axes) is axes
    plt.close("all")


@pytest.mark.parametrize(("module", "method"), [("xarray", "to_xarray"), ("matplotlib", "plot")])
def test_a_missing_extra_is_named(monkeypatch, module, method):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=r"stacchip-osml\[explore\]"):
        getattr(chip_of(), method)()


def test_importing_the_room_loads_no_codec_and_no_plotting():
    heavy = ("rasterio", "imagecodecs", "cv2", "pyproj", "matplotlib", "xarray", "tifffile", "pyarrow")
    code = f"import stacchip_osml.encode, sys; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_public_name_of_the_room_is_there():
    from stacchip_osml import encode

    assert [getattr(encode, name).__name__ for name in encode.__all__ if name != "FORMATS"] == [
        name for name in encode.__all__ if name != "FORMATS"
    ]
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        encode.nothing  # noqa: B018
