"""Installed extensions: their steps, readers and formats are known by name in any process, the command line's too."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from stacchip_osml.encode import imsave
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.pixel import PixelWindow

MODULE = """
import numpy as np

from stacchip_osml.chain import register_step
from stacchip_osml.encode import register_format
from stacchip_osml.imagery import register_reader


def doubled(settings, chip):
    return chip.renewed(chip.pixels * 2, chip.mask)


class NumpyFile:
    num_pixels_per_block_horizontal = num_pixels_per_block_vertical = 32
    num_resolution_levels = 1

    def __init__(self, path):
        self.pixels = np.load(path)
        self.num_bands, self.num_rows, self.num_columns = self.pixels.shape
        self.pixel_value_type = self.pixels.dtype.name

    def get_block(self, row, col, level=0, bands=None):
        chosen = slice(None) if bands is None else list(bands)
        return self.pixels[chosen, row * 32 : row * 32 + 32, col * 32 : col * 32 + 32]


doubled_step = register_step("doubled", 1, doubled)
register_reader("npy", NumpyFile, begins=b"\\x93NUMPY")
register_format("plain", lambda chip: chip.pixels.tobytes(), extensions=(".plain",))
"""
BUILD = """
from sample_extension import doubled_step
from stacchip_osml import Indexer

Indexer("scene.npy", chip_size=32, chain=(doubled_step(),)).create_index().save("chips.parquet")
Indexer("scene.tif", chip_size=32, chain=(doubled_step(),)).create_index().save("tiff.parquet")
"""
COMMAND = "from stacchip_osml.app.cli import main; main()"


def install(folder, module, text):
    folder.mkdir(exist_ok=True)
    (folder / f"{module}.py").write_text(text)
    about = folder / f"{module}-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[stacchip_osml]\n{module} = {module}\n")
    return folder


def python(folder, code, *args, site=None):
    paths = [str(site)] if site else []
    paths += [path for path in [os.environ.get("PYTHONPATH")] if path]
    return subprocess.run(
        [sys.executable, "-c", code, *args],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
        check=False,
        capture_output=True,
        text=True,
    )


@pytest.fixture
def site(tmp_path):
    return install(tmp_path / "site", "sample_extension", MODULE)


def test_what_an_extension_registers_is_known_where_it_is_installed_and_named_where_it_is_not(tmp_path, site):
    pixels = np.arange(2 * 64 * 32, dtype=np.uint16).reshape(2, 64, 32)
    np.save(tmp_path / "scene.npy", pixels)
    imsave(tmp_path / "scene.tif", pixels)
    built = python(tmp_path, BUILD, site=site)
    assert built.returncode == 0, built.stderr

    cut = ["chip", "cut", "chips.parquet", "out", "--format", "Plain"]
    done = python(tmp_path, COMMAND, *cut, site=site)
    assert done.returncode == 0, done.stderr
    files = sorted((tmp_path / "out").iterdir(), key=lambda file: file.read_bytes()[:2])
    assert [file.suffix for file in files] == [".plain", ".plain"]
    assert {file.read_bytes() for file in files} == {(2 * pixels[:, n : n + 32]).tobytes() for n in (0, 32)}
    told = json.loads(python(tmp_path, COMMAND, "info", "scene.npy", "--json", site=site).stdout)
    assert (told["format"], told["images"][0]["height"]) == ("npy", 64)
    assert told["images"][0]["levels"][0]["read_by"] == "reader/npy"
    assert "scene.npy: npy, 1 asset" in python(tmp_path, COMMAND, "info", "scene.npy", site=site).stdout
    for name in ("whole.tif", "whole.ntf"):
        done = python(tmp_path, COMMAND, "convert", "scene.npy", name, site=site)
        assert done.returncode == 0, done.stderr
        assert (BlockImage(str(tmp_path / name)).read(PixelWindow(0, 0, 32, 64)).pixels == pixels).all()
    listed = python(tmp_path, COMMAND, "chain", "list", site=site)
    assert "doubled" in listed.stdout

    without = python(tmp_path, COMMAND, *cut)
    assert without.returncode == 2
    assert "unknown image format 'Plain'" in without.stderr
    without = python(tmp_path, COMMAND, "chip", "cut", "tiff.parquet", "out")
    assert without.returncode == 3
    assert "unknown step 'doubled' version 1" in without.stderr
    without = python(tmp_path, COMMAND, "chip", "cut", "chips.parquet", "out")
    assert without.returncode == 4
    assert "and no reader is registered for that" in without.stderr
    without = python(tmp_path, COMMAND, "info", "scene.npy")
    assert without.returncode == 4
    assert "its first bytes are those of no image format that is read" in without.stderr


def test_an_extension_that_cannot_be_imported_is_named_where_its_names_are_missed(tmp_path):
    site = install(tmp_path / "site", "broken_extension", "raise RuntimeError('no licence')")
    install(site, "sample_extension", MODULE)
    step = "from stacchip_osml.chain.steps import step_kind; step_kind({'step': %r, 'version': 1})"

    assert python(tmp_path, step % "doubled", site=site).returncode == 0
    missed = python(tmp_path, step % "absent", site=site)
    failed = "broken_extension (broken_extension) failed with RuntimeError: no licence"
    assert failed in missed.stderr
    np.save(tmp_path / "scene.npy", np.zeros((1, 32, 32), np.uint8))
    assert python(tmp_path, COMMAND, "info", "scene.npy", site=site).returncode == 0
    (tmp_path / "other.tif").write_bytes(b"another format")
    for command in (["info", "other.tif"], ["index", "build", "other.tif", "chips.parquet", "--chip-size", "32"]):
        assert failed in python(tmp_path, COMMAND, *command, site=site).stderr


def test_no_extension_is_imported_before_an_unknown_name_is_asked_for(tmp_path):
    site = install(tmp_path / "site", "broken_extension", "raise SystemExit('imported')")
    code = (
        "from stacchip_osml.chain import clip_step, complete_chain; from stacchip_osml.encode import image_format;"
        "complete_chain((clip_step(low=0),)); image_format('png')"
    )

    assert python(tmp_path, code, site=site).returncode == 0
