"""Files that are none, and names that are no text: an error at once, and the rest of a folder is indexed."""

import os
import subprocess
import sys

import numpy as np
import pytest
import rasterio
from affine import Affine

ODD_NAMES = ("with space.tif", "ünï.TIF", "-dash.tif", "per%20cent.tif", "q?x=1.tif", "hash#1.tif", "a;b|c$(x).tif")


def run(folder, *arguments):
    """Run the program in a process of its own: what waits for a pipe cannot be interrupted."""
    command = [sys.executable, "-m", "stacchip_osml", *map(str, arguments)]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, errors="backslashreplace", timeout=100, check=False
    )


def write(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    profile = {"driver": "GTiff", "count": 1, "dtype": "uint8", "height": 32, "width": 32, "crs": "EPSG:32632"}
    with rasterio.open(path, "w", transform=Affine(10, 0, 5e5, 0, -10, 5e6), **profile) as file:
        file.write(np.ones((1, 32, 32), np.uint8))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("info", "pipe.tif"), "not a regular file"),
        (("convert", "pipe.tif", "out.png"), "not a regular file"),
        (("index", "build", "pipe", "out.parquet"), "no such file"),
        (("index", "build", "pipe.parquet", "out.parquet"), "no such file"),
        (("index", "info", "pipe.parquet"), "not a regular file"),
    ],
)
def test_pipes_are_not_waited_for(tmp_path, arguments, message):
    for name in ("pipe", "pipe.tif", "pipe.parquet"):
        os.mkfifo(tmp_path / name)
    done = run(tmp_path, *arguments)

    assert done.returncode in {3, 4}
    assert message in done.stderr


def test_a_folder_of_odd_names_is_indexed_but_for_what_is_hidden(tmp_path):
    folder = tmp_path / "images"
    for name in (*ODD_NAMES, "folder.tif/inside.tif", ".hidden/copy.tif", ".half-written.tif"):
        write(folder / name)
    (folder / "._with space.tif").write_bytes(b"\x00\x05\x16\x07")  # what a Mac leaves beside a file elsewhere
    (folder / "with space.tif.ovr").write_bytes(b"")
    (folder / "with space.tif.aux.xml").write_text("<PAMDataset/>")
    (folder / "loop").symlink_to(folder)
    done = run(tmp_path, "index", "build", "images", "out.parquet", "--chip-size", "16")

    assert done.returncode == 0, done.stderr
    assert f"{4 * (len(ODD_NAMES) + 1)} chips from {len(ODD_NAMES) + 1} items" in done.stdout
    assert run(tmp_path, "index", "check", "out.parquet", "--files").returncode == 0


def test_a_name_that_is_no_text_is_refused_and_the_others_go_on(tmp_path):
    folder = tmp_path / "images"
    write(folder / "good.tif")
    bad = os.fsencode(folder) + b"/bad\xff\xfe.tif"
    try:
        with open(bad, "wb") as file:  # noqa: PTH123 - bytes that are no text
            file.write((folder / "good.tif").read_bytes())
    except OSError:
        pytest.skip("this file system has no such names")
    done = run(tmp_path, "index", "build", "images", "out.parquet", "--chip-size", "16", "--on-error", "skip")

    assert done.returncode == 1, done.stderr
    assert "4 chips from 1 item\n" in done.stdout
    assert "a name that is no UTF-8 is not opened" in done.stdout + done.stderr
    assert run(tmp_path, "info", folder / os.fsdecode(b"bad\xff\xfe.tif")).returncode == 4

    for command in (["index", "info"], ["index", "build", "images/good.tif"]):
        done = run(tmp_path, *command, os.fsdecode(b"bad\xff.parquet"))
        assert done.returncode == 3, done.stderr
        assert done.stderr == "error: 'bad\\udcff.parquet': a name that is no UTF-8 is not opened\n"
