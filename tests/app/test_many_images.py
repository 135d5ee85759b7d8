"""Files that hold several images, folders of images that are not all good: what is left out is said."""

import numpy as np
import pytest
import rasterio
import tifffile
from cli_scenes import only_error, run, run_json

from stacchip_osml.encode import imsave
from stacchip_osml.imagery import read_header
from stacchip_osml.index import ChipIndex

PIXELS = np.random.default_rng(1).integers(0, 255, (3, 64, 80), np.uint8)
CORNERS = [(-77.0, 39.0), (-76.5, 39.0), (-76.5, 38.5), (-77.0, 38.5)]


@pytest.fixture
def folder(tmp_path):
    for number, page in enumerate(PIXELS):
        tifffile.imwrite(tmp_path / "pages.tif", page, append=number > 0)
    imsave(tmp_path / "one.tif", PIXELS, corners=CORNERS, overviews=1)
    return tmp_path


def test_pages_are_counted_and_levels_are_not(folder):
    assert (read_header(str(folder / "pages.tif")).images, read_header(str(folder / "one.tif")).images) == (3, 1)
    shown = run("info", folder / "pages.tif").stdout
    assert [line for line in shown.splitlines() if line.startswith("image:")] == [
        f"image:{page} pages.tif: 80 x 64, 1 x uint8" for page in range(3)
    ]
    assert run_json("info", folder / "one.tif")["images"][0]["placed_by"] == "projected"
    left = run_json("convert", folder / "pages.tif", folder / "a.png", "--dry-run")["left_out"]
    assert left == ["image:1", "image:2"]


def test_any_page_can_be_converted(folder):
    run("convert", folder / "pages.tif", folder / "a.png", "--image", "image:2")
    with rasterio.open(folder / "a.png") as written:
        np.testing.assert_array_equal(written.read(1), PIXELS[2])


def test_an_index_says_of_which_files_it_has_the_first_image_only(folder):
    built = run("index", "build", folder, folder / "index", "--chip-size", "32", "--headers")
    assert "of files that hold several images the first was indexed: pages (3)" in built.stderr
    assert "footprints   none (4), projected (4)" in built.stdout
    # indexes that were saved in the folder are no documents of it
    run("index", "build", folder, folder / "file.parquet", "--chip-size", "32")
    told = run_json("index", "build", folder, folder / "again", "--chip-size", "32")
    assert told["images_left"] == {"pages": 2}
    assert told["summary"]["footprints"] == {"none": 4, "projected": 4}

    headers = ChipIndex.open(folder / "index").tables.headers.values()
    assert {header.item_id: header.unpack()[0].images for header in headers} == {"pages": 3, "one": 1}


def test_a_folder_with_a_bad_file_names_the_way_on(folder):
    (folder / "bad.tif").write_bytes(b"II*\0rubbish")
    refused = run("index", "build", folder, folder / "index", "--chip-size", "32", code=4)
    assert "bad.tif" in only_error(refused)
    assert only_error(refused).endswith("(--on-error skip leaves such items out)")
    told = run_json("index", "build", folder, folder / "index", "--chip-size", "32", "--on-error", "skip", code=1)
    assert ["bad.tif" in problem["message"] for problem in told["problems"]] == [True]
    assert (told["summary"]["items"], told["images_left"]) == (2, {"pages": 2})


def test_images_are_known_by_their_first_bytes_where_their_names_say_nothing(folder):
    (folder / "one.tif").rename(folder / "one.image")
    assert (
        run_json("index", "build", folder / "one.image", folder / "index", "--chip-size", "32")["summary"]["chips"] == 4
    )
    frames = folder / "frames"
    frames.mkdir()
    imsave(frames / "a.ntf", PIXELS, corners=CORNERS)
    (frames / "a.ntf").rename(frames / "0000001.ON9")
    (frames / "a.ntf.r1").write_bytes((frames / "0000001.ON9").read_bytes())
    (frames / "a.ovr").write_bytes((folder / "pages.tif").read_bytes())
    told = run_json("index", "build", frames, folder / "framed", "--chip-size", "32")
    assert (told["summary"]["items"], told["summary"]["footprints"]) == (1, {"projected": 4})
