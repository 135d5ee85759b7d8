"""Damaged files of every codec: a typed error or pixels, and the process lives."""

import struct
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from rasterio.enums import Resampling

from stacchip_osml import errors
from stacchip_osml.imagery.blocks.agreement import unserved_layout
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.pixel import ImageSize, PixelWindow
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
        command, input="\n".join(good_files), capture_output=True, text=True, check=False, timeout=1200
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


def test_a_box_inside_a_box_that_claims_the_rest_of_the_file_does_not_hold_up_a_reader(good_files, tmp_path):
    """GDAL, asked for all that it knows of such a file's structure, walks its boxes for ever."""
    data = Path(good_files[-1]).read_bytes()
    at = data.index(b"jp2c") - 4
    label = struct.pack(">I4s", 0, b"lbl ") + b"endless"
    path = tmp_path / "endless.jp2"
    path.write_bytes(data[:at] + struct.pack(">I4s", 8 + len(label), b"asoc") + label + data[at:])
    read = "from stacchip_osml.imagery import GdalImage; from stacchip_osml.imagery.blocks.image import BlockImage"
    ask = f"{read}; print(BlockImage({str(path)!r}).header.driver, GdalImage({str(path)!r}).picture_tags.structure)"

    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=False, timeout=300)

    assert done.stdout.startswith("JP2OpenJPEG {"), done.stderr[-400:]


def test_a_header_of_another_image_is_told_where_gdal_reads(good_files):
    """What GDAL finds in the file must be what the header says, or pixels would go to the wrong places."""
    image = BlockImage(good_files[0])
    levels = image.header.levels
    headers = [
        replace(image.header, levels=(*levels, ImageSize(10, 9))),
        replace(image.header, levels=(ImageSize(171, 150), *levels[1:])),
        replace(image.header, bands=image.header.bands[:1]),
        replace(image.header, bands=tuple(replace(band, dtype="uint8") for band in image.header.bands)),
    ]
    for header in headers:
        other = BlockImage(good_files[0], header=header, layout=unserved_layout(header, "GDAL is to read it"))

        with pytest.raises(errors.AssetChanged, match="its header is another image's"):
            other.read(PixelWindow(0, 0, 5, 5), level=len(header.levels) - 1)
