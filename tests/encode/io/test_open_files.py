"""Datasets read from open files: their bytes lie in files for as long as somebody reads them, and no longer."""

import gc
import io
import os
import subprocess
import sys
import tempfile

import numpy as np
import pytest
from io_scenes import scene

from stacchip_osml.encode import IO, imsave
from stacchip_osml.errors import AssetMissing, DecodeError
from stacchip_osml.imagery import read_window

READ = """
import sys
from stacchip_osml.encode import IO
dataset = IO.open(open(sys.argv[1], "rb"))
image = dataset.get_asset("image:0")
image.get_block(0, 0)
"""


@pytest.fixture
def left(tmp_path, monkeypatch):
    """Give what lies in the folder of temporary files."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return lambda: list(folder.iterdir())


def opened(form="tif"):
    out = io.BytesIO()
    imsave(out, scene(), format=form)
    out.seek(0)
    return IO.open(out)


def pixels_of(image):
    return read_window(image, (0, 0, image.num_columns, image.num_rows))


@pytest.mark.parametrize("form", ["tif", "nitf", "png", "jp2"])
def test_a_reader_that_nobody_closes_leaves_no_file(left, form):
    dataset = opened(form)
    assert np.array_equal(pixels_of(dataset.get_asset("image:0")), scene())
    assert len(left()) == 1

    del dataset
    gc.collect()

    assert left() == []


@pytest.mark.parametrize("form", ["tif", "nitf"])
def test_an_image_is_read_on_after_its_reader_is_gone(left, form):
    image = opened(form).get_asset("image:0")
    gc.collect()
    assert np.array_equal(pixels_of(image), scene())
    source = image.source
    del image
    gc.collect()
    assert np.array_equal(pixels_of(source), scene())

    del source
    gc.collect()

    assert left() == []


def test_a_closed_reader_leaves_no_file_though_its_images_are_held(left):
    with opened() as dataset:
        image = dataset.get_asset("image:0")
    assert left() == []

    with pytest.raises(AssetMissing, match="no such file"):
        pixels_of(image)


def test_what_cannot_be_read_leaves_no_file_though_its_error_is_held(left):
    class Broken(io.BytesIO):
        def read(self, *size):
            if self.tell():
                raise OSError("the line is cut")
            return super().read(10)

    with pytest.raises(DecodeError, match="no image format") as no_image:
        IO.open(io.BytesIO(b"no image"))
    with pytest.raises(OSError, match="the line is cut") as cut:
        IO.open(Broken(b"II*\0" * 100))

    assert (left(), no_image.value is None, cut.value is None) == ([], False, False)


def test_a_program_that_ends_with_a_reader_open_leaves_no_file(left, tmp_path):
    imsave(tmp_path / "a.tif", scene())

    subprocess.run(
        [sys.executable, "-c", READ, str(tmp_path / "a.tif")],
        env={**os.environ, "TMPDIR": tempfile.gettempdir()},
        check=True,
    )

    assert left() == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system does not fork")
def test_a_forked_process_takes_no_file_from_the_one_that_reads_it(left):
    dataset = opened()
    child = os.fork()
    if not child:
        dataset.close()
        os._exit(0)
    os.waitpid(child, 0)

    assert np.array_equal(pixels_of(dataset.get_asset("image:0")), scene())
    dataset.close()
