"""``convert`` of a part: a window, some bands, another size, a picture."""

import numpy as np
import pytest
import rasterio
from cli_scenes import only_error, run, run_json

from stacchip_osml.encode import imsave
from stacchip_osml.encode.nitf import NitfFile, NitfImage, Tre, read_nitf, write_nitf
from stacchip_osml.geometry import load_sensor_model
from stacchip_osml.imagery import BufferedImageAssetProvider
from tests.geometry.sensor_tres import rpc_tre

CORNERS = [(-77.0, 39.0), (-76.5, 39.0), (-76.5, 38.5), (-77.0, 38.5)]
PIXELS = np.random.default_rng(3).integers(0, 4000, (4, 256, 320), np.uint16)


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    path = tmp_path_factory.mktemp("part") / "scene.tif"
    imsave(path, PIXELS, corners=CORNERS, overviews=1, nodata=0)
    return path


@pytest.fixture(scope="module")
def nitf(tmp_path_factory):
    path = tmp_path_factory.mktemp("part") / "scene.ntf"
    image = NitfImage(
        pixels=BufferedImageAssetProvider.from_array(PIXELS[:2]),
        fields={
            **{"IC": "NC", "IREP": "MULTI", "ICAT": "MS", "ICORDS": "D"},
            "IGEOLO": "+47.000+013.000+47.000+013.010+46.990+013.010+46.990+013.000",
        },
        tres=(Tre("RPC00B", rpc_tre("RPC00B")),),
    )
    write_nitf(path, NitfFile(images=(image,)))
    return path


def test_a_window_and_some_bands_keep_pixels_and_place(scene, tmp_path):
    told = run_json("convert", scene, tmp_path / "a.tif", "--window", "10,20,100,50", "--bands", "3,1")

    with rasterio.open(scene) as whole, rasterio.open(tmp_path / "a.tif") as part:
        assert np.array_equal(part.read(), PIXELS[[3, 1], 20:70, 10:110])
        assert np.allclose(part.transform, whole.window_transform(rasterio.windows.Window(10, 20, 100, 50)), atol=1e-12)
        assert (part.crs, part.nodata) == (whole.crs, 0)
    assert told["images"] == [{"key": "image:0", "width": 100, "height": 50, "bands": 2, "dtype": "uint16"}]
    assert told["bytes"] == (tmp_path / "a.tif").stat().st_size


def test_a_level_is_the_stored_one_and_a_scale_any_size(scene, tmp_path):
    run("convert", scene, tmp_path / "level.tif", "--level", "1")
    run("convert", scene, tmp_path / "scale.tif", "--scale", "0.25")
    run("convert", scene, tmp_path / "both.tif", "--level", "1", "--scale", "0.5", "--window", "0,0,160,128")

    with rasterio.open(scene, overview_level=0) as stored, rasterio.open(tmp_path / "level.tif") as part:
        assert np.array_equal(part.read(), stored.read())
        assert np.allclose(part.bounds, stored.bounds, atol=1e-12)
    for name, size in (("scale", (80, 64)), ("both", (40, 32))):
        with rasterio.open(tmp_path / f"{name}.tif") as part:
            assert (part.width, part.height) == size


def test_a_picture_is_of_eight_bits_and_reads_no_pixel_when_only_asked_for(scene, tmp_path):
    told = run_json("convert", scene, tmp_path / "a.png", "--display", "--bands", "2,1,0", "--dry-run")
    assert told["images"] == [{"key": "image:0", "width": 320, "height": 256, "bands": 3, "dtype": "uint8"}]
    assert told["left_out"] == ["nodata", "its place on the ground"]
    assert not (tmp_path / "a.png").exists()
    assert "? x uint8" in run("convert", scene, tmp_path / "a.png", "--display", "--dry-run").stdout

    run("convert", scene, tmp_path / "a.png", "--display", "--bands", "2,1,0")
    with rasterio.open(tmp_path / "a.png") as picture:
        shown = picture.read()
    assert (shown.dtype, shown.shape[1:]) == (np.uint8, (256, 320))
    for band, source in zip(shown[:3], (2, 1, 0), strict=True):
        assert np.corrcoef(band.ravel(), PIXELS[source].ravel())[0, 1] > 0.99
    assert "exists already" in only_error(run("convert", scene, tmp_path / "a.png", "--display", code=2))


def test_complex_pixels_are_shown_by_their_brightness(tmp_path):
    bright = np.full((1, 64, 64), 10 + 10j, np.complex64)
    bright[:, :32] = 1
    imsave(tmp_path / "a.tif", bright, corners=CORNERS)
    run("convert", tmp_path / "a.tif", tmp_path / "a.png", "--display")
    with rasterio.open(tmp_path / "a.png") as picture:
        shown = picture.read(1)
    assert shown[40, 5] > shown[5, 5]
    refused = run("convert", tmp_path / "a.tif", tmp_path / "b.png", "--display", "--bands", "0", code=3)
    assert "by their brightness, not by bands (--bands)" in only_error(refused)


def test_a_part_of_nitf_knows_what_it_was_cut_from(nitf, tmp_path):
    told = run_json("convert", nitf, tmp_path / "a.ntf", "--window", "64,32,128,96", "--compression", "jpeg2000")
    (image,) = read_nitf(tmp_path / "a.ntf").images
    whole, part = load_sensor_model(nitf), load_sensor_model(tmp_path / "a.ntf")

    assert (image.fields["IC"], told["left_out"]) == ("C8", [])
    assert {tre.tag for tre in image.tres} >= {"RPC00B", "ICHIPB"}
    assert np.abs(np.array(part([5.0], [7.0])) - whole([69.0], [39.0])).max() < 1e-8


@pytest.mark.parametrize(
    ("target", "options", "code", "message"),
    [
        ("b.tif", ["--bands", "4"], 3, "image:0 has bands 0 to 3 (--bands)"),
        ("b.tif", ["--window", "300,0,30,10"], 3, "320 x 256 pixels, and the window (--window) leaves it"),
        ("b.tif", ["--window", "0,0,0,10"], 2, "'0,0,0,10' is not x,y,width,height in pixels"),
        ("b.tif", ["--bands", "red"], 2, "'red' is not a list of bands from 0"),
        ("b.tif", ["--level", "2"], 3, "no level 2 (--level): it stores levels 0 to 1; any other size"),
        ("b.tif", ["--scale", "20"], 3, "a scale (--scale) is above 0 and at most 16, got 20"),
        ("b.tif", ["--scale", "0"], 2, "--scale"),
        ("b.tif", ["--scale", "0.5", "--cog"], 2, "--cog: of whole images, not of a part"),
        ("b.tif", ["--bands", "0", "--image", "image:3"], 3, "there is no image 'image:3' in it; there are image:0"),
        ("b.jpg", ["--bands", "0"], 3, "uint16"),
        (".", ["--bands", "0"], 2, "is a folder; name a file in it"),
        ("b.jpg", ["--bands", "0", "--ratio", "9"], 3, "say quality= (--quality)"),
        ("b.jp2", ["--bands", "0", "--compression", "htj2k"], 3, "a part compressed as htj2k is a .jph"),
    ],
)
def test_what_cannot_be_is_one_line_that_names_the_option(scene, tmp_path, target, options, code, message):
    assert message in only_error(run("convert", scene, tmp_path / target, *options, code=code))
    assert list(tmp_path.iterdir()) == []


def test_a_part_of_nitf_in_another_format_lies_where_the_sensor_model_says(nitf, tmp_path):
    """IGEOLO, which GDAL goes by, is kilometres from there."""
    run("convert", nitf, tmp_path / "a.tif", "--window", "64,32,128,96")
    with rasterio.open(tmp_path / "a.tif") as part:
        found = part.transform * (5.0, 7.0)
    across = np.diff(np.array(load_sensor_model(nitf)([69.0, 70.0], [39.0, 39.0])))[:, 0]
    assert (
        np.abs(np.array(found) - np.ravel(load_sensor_model(nitf)([69.0], [39.0]))).max() < 0.5 * np.abs(across).max()
    )


@pytest.fixture(scope="module")
def on_a_local_grid(tmp_path_factory):
    path = tmp_path_factory.mktemp("part") / "site.tif"
    with rasterio.open(
        path, "w", driver="GTiff", width=320, height=256, count=1, dtype="uint16",
        crs=rasterio.crs.CRS.from_wkt('LOCAL_CS["building site",UNIT["metre",1]]'),
        transform=rasterio.Affine(0.5, 0, 10, 0, -0.5, 20),
    ) as image:  # fmt: skip
        image.write(PIXELS[:1])
    return path


@pytest.mark.parametrize(("name", "part"), [("a.jp2", []), ("a.tif", ["--bands", "0"])])
def test_a_crs_that_the_format_cannot_say_is_lost_where_told_to_and_listed(on_a_local_grid, tmp_path, name, part):
    refused = only_error(run("convert", on_a_local_grid, tmp_path / name, *part, code=3))
    assert "cannot carry the CRS 'building site'" in refused
    assert "(--drop-crs)" in refused
    assert not (tmp_path / name).exists()

    for dry in (["--dry-run"], []):
        told = run_json("convert", on_a_local_grid, tmp_path / name, *part, "--drop-crs", *dry)
        assert told["left_out"] == ["CRS building site"]
    with rasterio.open(tmp_path / name) as image:
        assert (image.crs, tuple(image.transform)[:6]) == (None, (0.5, 0, 10, 0, -0.5, 20))
        assert np.array_equal(image.read(), PIXELS[:1])


def test_a_crs_that_is_kept_is_not_listed(on_a_local_grid, scene, tmp_path):
    assert run_json("convert", on_a_local_grid, tmp_path / "a.tif", "--drop-crs")["left_out"] == []  # its own keys
    with rasterio.open(tmp_path / "a.tif") as image:
        assert "building site" in image.crs.wkt
    assert "CRS" not in " ".join(run_json("convert", scene, tmp_path / "a.jp2", "--drop-crs")["left_out"])
    with rasterio.open(tmp_path / "a.jp2") as image:
        assert image.crs.to_epsg() == 4326


def test_chips_of_it_are_cut_without_their_crs(on_a_local_grid, tmp_path):
    run("index", "build", on_a_local_grid, tmp_path / "i.parquet", "--chip-size", "128")
    assert "--drop-crs" in only_error(run("chip", "cut", tmp_path / "i.parquet", tmp_path / "chips", code=3))

    for format_name in ("geotiff", "png", "jp2"):
        options = ["--format", format_name, "--drop-crs"]
        cut = run_json("chip", "cut", tmp_path / "i.parquet", tmp_path / format_name, "--rows", "1", *options)
        with rasterio.open(cut["written"][0]) as chip:
            assert np.array_equal(chip.read(), PIXELS[:1, :128, 128:256])
            assert chip.crs is None
            assert format_name == "png" or tuple(chip.transform)[:6] == (0.5, 0, 74, 0, -0.5, 20)


@pytest.mark.parametrize(
    ("colors", "is_written"), [(("red", "green", "blue", "alpha"), True), (("undefined",) * 4, False)]
)
def test_a_fourth_band_that_is_no_alpha_does_not_make_a_picture_transparent(tmp_path, colors, is_written):
    path, target = tmp_path / "four.tif", tmp_path / "four.png"
    pixels = np.arange(4 * 8 * 8, dtype=np.uint8).reshape(4, 8, 8)
    with rasterio.open(
        path, "w", driver="GTiff", width=8, height=8, count=4, dtype="uint8", photometric="minisblack"
    ) as out:
        out.write(pixels)
        out.colorinterp = [rasterio.enums.ColorInterp[color] for color in colors]

    if is_written:
        run("convert", path, target)
        with rasterio.open(target) as picture:
            np.testing.assert_array_equal(picture.read(), pixels)
    else:
        assert "band 4 of this image is undefined; choose one or three bands" in only_error(
            run("convert", path, target, code=3)
        )
        assert not target.exists()


@pytest.mark.parametrize(("options", "is_kept"), [((), True), (("--compression", "none"), False)])
def test_layers_of_jpeg_2000_data_are_not_told_of_data_without(tmp_path, options, is_kept):
    path, target = tmp_path / "layers.ntf", tmp_path / "out.ntf"
    tres = (Tre("J2KLRA", b"x" * 40), Tre("XYZABC", b"unknown"))
    image = NitfImage(pixels=BufferedImageAssetProvider.from_array(PIXELS[:1]), fields={"IC": "C8"}, tres=tres)
    write_nitf(path, NitfFile(images=(image,)))

    told = run_json("convert", path, target, *options)

    assert [tre.tag for tre in read_nitf(target).images[0].tres] == ["J2KLRA", "XYZABC"][not is_kept :]
    assert told["left_out"] == ([] if is_kept else ["TRE J2KLRA of image:0"])


@pytest.mark.parametrize("part", [[], ["--scale", "0.5"]])
def test_folders_of_the_target_are_made_as_by_other_commands_and_none_for_nothing(tmp_path, part):
    imsave(tmp_path / "a.png", np.ones((1, 20, 30), np.uint8))
    target = tmp_path / "some" / "where" / "b.tif"
    run("convert", tmp_path / "a.png", target, "--dry-run", *part)
    run("convert", tmp_path / "missing.png", target, *part, code=4)
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]

    run("convert", tmp_path / "a.png", target, *part)
    assert [path.name for path in target.parent.iterdir()] == ["b.tif"]


def test_a_file_without_an_image_is_refused_the_same_way_whole_or_in_part(tmp_path):
    write_nitf(tmp_path / "none.ntf", NitfFile())

    for options in ([], ["--window", "0,0,8,8"]):
        said = only_error(run("convert", tmp_path / "none.ntf", tmp_path / "a.tif", *options, code=3))
        assert said.endswith("there is no image in it")
