"""Real NITF files chipped twice in a row: pixels, TREs and data extensions one by one, and the place on the ground."""

import io
import warnings

import jbpy
import numpy as np
import pytest
from chip_sources import cut
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import MemoryFile

from stacchip_osml.encode.nitf import chip_account, encode_nitf, read_nitf
from stacchip_osml.geometry import load_sensor_model
from stacchip_osml.imagery.blocks.image import BlockImage

FILES = (
    "nitf/shareloc__wv3_20.NTF",
    "nitf/imaging-nitf__i_3128b.ntf",
    "nitf/imaging-nitf__20091021203850-01001116-VIS.ntf.r4",
    "nitf/imaging-nitf__fake_nsif.ntf",
    "nitf/imaging-nitf__file9_nc.ntf",
    "nitf/imaging-nitf__ns3321a.nsf",
    "nitf/imaging-nitf__LUinBand2.ntf",
    "nitf/imaging-nitf__rgb16_6ABPPLeft.ntf",
    "nitf/imaging-nitf__U_2001A.NTF",
    "nitf/gdal__SENSRB_TRE.ntf",
    "nitf/imaging-nitf__p0_10b.ntf",  # JPEG 2000 components that are subsampled alike
    "nitf/imaging-nitf__p1_01a.ntf",  # from an odd column on
    "nitf/imaging-nitf__p1_05b.ntf",  # tiles that are no regular grid, and packed packet headers
    "sicd_sidd/gdal__sar_sicd.ntf",
    "sicd_sidd/six-library__cropped_sicd_040.nitf",
    "sicd_sidd/six-library__cropped_sicd_extra_des.nitf",
    "sicd_sidd/six-library__cropped_sidd.nitf",
)
EXACT = {"RPC00B", "SICD", "SIDD"}
"""Models that hold for a chip exactly; corners are rounded."""
NEVER = {"ICHIPA", "J2KLRA"}
ONCE = {"ICHIPB", "BLOCKA"}


def window_in(size):
    return size.width // 3, size.height // 4, max(size.width // 2, 1), max(size.height // 2, 1)


def require_kept(parent, chip, account):
    """Every TRE and data extension of the parent is in the chip, or the account says why not."""
    tres = list(chip.images[0].tres)
    for tre, fate in zip(parent.images[0].tres, account.tres, strict=True):
        assert tre.tag == fate.tag
        if fate.fate == "kept":
            assert tre in tres, tre.tag
        else:
            assert fate.tag in NEVER | ONCE, fate
            assert fate.reason
    assert {tre.tag for tre in tres} - {tre.tag for tre in parent.images[0].tres} <= ONCE
    assert chip.tres == parent.tres
    fates = [fate.fate for fate in account.extensions]
    assert len(chip.extensions) == len(fates) - fates.count("left out")
    for before, after, fate in zip(parent.extensions, chip.extensions, fates, strict=True):
        assert before.fields == after.fields
        assert (before.data == after.data) == (fate == "kept")


def require_marked(parent, chip):
    for name, text in parent.images[0].fields.items():
        if name.startswith("IS") and name not in {"ISUBCAT", "ISYNC"} and not name.startswith("ISUBCAT"):
            assert chip.images[0].fields[name] == text
    for name, text in parent.fields.items():
        if name.startswith("FS") and name not in {"FSCOP", "FSCPYS"}:
            assert chip.fields[name] == text


@pytest.mark.parametrize("name", FILES)
def test_a_chip_of_a_chip_of_a_real_file(real_data, tmp_path, name):
    source, window, offset = str(real_data / name), window_in(BlockImage(str(real_data / name)).header.size), (0, 0)
    whole = load_sensor_model(source)
    for step in ("first", "second"):
        chip = cut(source, window)
        data = encode_nitf(chip)
        path = tmp_path / f"{step}.ntf"
        path.write_bytes(data)
        offset = offset[0] + window[0], offset[1] + window[1]

        found = read_nitf(data)
        np.testing.assert_array_equal(found.images[0].pixels.read(chip.window._replace(x=0, y=0)).pixels, chip.pixels)
        with warnings.catch_warnings(), MemoryFile(data) as memory:
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with memory.open() as file:
                stored = file.read()
                if stored.dtype.kind == "c" != chip.pixels.dtype.kind:  # as newer GDAL tells I and Q
                    stored = np.concatenate([stored.real, stored.imag])
                np.testing.assert_array_equal(stored, chip.pixels)
        jbpy.Jbp().load(io.BytesIO(data))
        if not BlockImage(source).metadata["NITF_FHDR"].endswith("02.00"):
            parent = read_nitf(source)
            require_kept(parent, found, chip_account(chip))
            require_marked(parent, found)
        if whole is not None and whole.kind in EXACT:
            width, height = chip.size
            cols, rows = np.array([0.5, width - 0.5, width / 2]), np.array([0.5, height - 0.5, height / 3])
            ground = load_sensor_model(str(path)).image_to_world(cols, rows)
            if np.isfinite(ground[0]).all():  # some test files have geometry that is none
                back = whole.world_to_image(*ground)
                np.testing.assert_allclose(back, (cols + offset[0], rows + offset[1]), atol=0.01)
        source, window = str(path), window_in(chip.size)
