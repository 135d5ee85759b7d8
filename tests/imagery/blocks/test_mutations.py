"""Damaged files of every codec: a typed error or pixels, and the process lives."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from rasterio.enums import Resampling

from stacchip_osml import errors
from stacchip_osml.pixel import ImageSize
from stacchip_osml.testing import natural_scene

PROBE = Path(__file__).with_name("mutation_probe.py")
MUTATIONS = 300
KINDS = [
    ("GTiff", {"compress": "deflate", "predictor": 2, "tiled": True}, "uint16"),
    ("GTiff", {"compress": "zstd", "predictor": 3}, "float32"),
    ("GTiff", {"compress": "lzw", "tiled": True, "interleave": "band"}, "uint8"),
    ("GTiff", {"compress": "packbits"}, "uint8"),
    ("GTiff", {"compress": "lzma", "bigtiff": "yes"}, "int16"),
    ("GTiff", {"compress": "jpeg", "photometric": "ycbcr", "tiled": True}, "uint8"),
    ("GTiff", {"compress": "webp", "tiled": True}, "uint8"),
    ("GTiff", {"compress": "lerc_zstd", "tiled": True}, "float32"),
    ("GTiff", {"nbits": 12, "endianness": "big"}, "uint16"),
    ("NITF", {"blockxsize": 64, "blockysize": 64}, "uint16"),
    ("NITF", {"ic": "C3", "blockxsize": 64, "blockysize": 64}, "uint8"),
    ("NITF", {"ic": "C8"}, "uint8"),
    ("JP2OpenJPEG", {"blockxsize": 64, "blockysize": 64}, "uint16"),
]


@pytest.fixture(scope="module")
def good_files(tmp_path_factory):
    """One small file of each kind, with an overview where the format has them."""
    folder = tmp_path_factory.mktemp("good")
    names = []
    for number, (driver, options, dtype) in enumerate(KINDS):
        bands = 3 if options.get("compress") in {"jpeg", "webp"} or options.get("ic") == "C3" else 2
        pixels = natural_scene(ImageSize(170, 150), bands=("red", "green", "blue")[:bands], seed=number)
        pixels = (pixels >> 6).astype(dtype) if dtype in {"uint8", "int16"} else pixels.astype(dtype)
        ending = {"GTiff": "tif", "NITF": "ntf"}.get(driver, "jp2")
        path, plain = folder / f"{number}.{ending}", folder / "plain.tif"
        profile = {"driver": "GTiff", "count": bands, "height": 150, "width": 170, "dtype": dtype}
        with rasterio.open(plain, "w", **profile) as file:
            file.write(np.minimum(pixels, 4095) if "nbits" in options else pixels)
        blocks = {"blockxsize": 64, "blockysize": 64} if options.get("tiled") else {}
        rasterio.shutil.copy(plain, path, driver=driver, **blocks, **options)
        if driver == "GTiff":
            with rasterio.open(path, "r+") as file:
                file.build_overviews([2], Resampling.nearest)
        names.append(str(path))
    return names


def test_damaged_files_give_a_typed_error_or_pixels(good_files, tmp_path):
    command = [sys.executable, str(PROBE), str(tmp_path), "0", str(MUTATIONS)]
    done = subprocess.run(
        command, input="\n".join(good_files), capture_output=True, text=True, check=False, timeout=600
    )
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    kept = f"mutation {lines[-1][0] if lines else 0}: {done.stderr[-400:]}"

    assert done.returncode == 0, kept
    assert len(lines) == MUTATIONS
    words = {word for _, told, _, _ in lines for part in told.split() for word in part.split("+")}
    assert words >= {"pixels", "DecodeError"}
    assert all(word == "pixels" or issubclass(getattr(errors, word), errors.ChipError) for word in words)
    assert max(float(seconds) for _, _, seconds, _ in lines) < 10
    assert max(int(peak) for *_, peak in lines) < 1024
