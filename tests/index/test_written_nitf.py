"""Every kind of NITF image that is written is indexed, told of and cut, also where GDAL does not open it."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from stacchip_osml import Chipper, Indexer
from stacchip_osml.app.cli import cli
from stacchip_osml.encode.nitf import NitfFile, NitfImage, write_nitf
from stacchip_osml.errors import DecodeError
from stacchip_osml.imagery import GdalImage, read_header
from tests.encode.nitf.pixel_matrix import BANDS, ICS, IMODES, SAMPLES, cell, image_of, pixels_of

SHAPE = (64, 48)
IGEOLO = "+45.000+009.000+45.000+009.100+44.900+009.100+44.900+009.000"
KINDS = [
    (ic, imode, name, bands)
    for ic in ICS
    for imode in IMODES
    for name in SAMPLES
    for bands in BANDS
    if not cell(ic, imode, name, bands).refused
]


def write(path, ic, imode, name, bands):
    """Write an image with blocks at its edges, and holes where its kind may have some; give what is to be read."""
    block = "32" if ic[1] in "8D" else "40"
    fields = {"IC": ic, "IMODE": imode, "NPPBH": block, "NPPBV": block, **SAMPLES[name].fields}
    if ic[1] in "8D3":
        fields.pop("NBPP", None)
    if bands == 3:
        fields["IREP"] = "YCbCr601" if ic[1] == "3" and imode == "P" else "MULTI"
    pixels = pixels_of(name, bands, SHAPE, lossy=cell(ic, imode, name, bands).lossy)
    image, wanted = image_of(pixels, int(block), sparse="M" in ic)
    place = {"IDATIM": "20240102030405", "ICORDS": "D", "IGEOLO": IGEOLO}
    write_nitf(path, NitfFile(images=(NitfImage(pixels=image, fields=fields | place),)))
    return wanted


def is_beyond_gdal(path):
    try:
        _ = GdalImage(str(path)).header
    except DecodeError:
        return True
    return False


@pytest.mark.parametrize("ic", ICS)
def test_every_kind_that_is_written_is_indexed_and_cut(tmp_path, ic):
    for number, kind in enumerate(kind for kind in KINDS if kind[0] == ic):
        path = tmp_path / f"{number}.ntf"
        wanted = write(path, *kind)

        header = read_header(str(path))
        index = Indexer(str(path), SHAPE[::-1]).create_index()
        (chip,) = Chipper(index)

        assert (header.size, len(header.bands), header.acquired) == (SHAPE[::-1], kind[3], "20240102030405"), kind
        assert header.bands[0].dtype == chip.pixels.dtype.name, kind
        (row,) = index.rows([0])
        assert (row["footprint"], row["datetime"].year) == ("igeolo", 2024), kind
        if not cell(*kind).lossy:
            np.testing.assert_array_equal(chip.pixels, wanted, err_msg=str(kind))


def test_some_of_them_gdal_does_not_open(tmp_path):
    kinds = [("NC", "P", "u64", 3), ("NM", "B", "i64", 1), ("M8", "B", "u20", 1)]
    for number, kind in enumerate(kinds):
        write(tmp_path / f"{number}.ntf", *kind)
        assert is_beyond_gdal(tmp_path / f"{number}.ntf"), kind  # else the tests here would show less than they say


def test_they_are_told_of_and_indexed_by_commands(tmp_path):
    path = tmp_path / "a.ntf"
    write(path, "NM", "S", "i64", 3)
    run = CliRunner().invoke

    told = run(cli, ["info", str(path), "--json"])
    built = run(cli, ["index", "build", str(path), str(tmp_path / "a.parquet"), "--chip-size", "48"])
    checked = run(cli, ["index", "check", str(tmp_path / "a.parquet"), "--files"])

    assert told.exit_code == 0, told.output
    assert json.loads(told.stdout)["images"][0]["dtype"] == "int64"
    assert built.exit_code == 0, built.output
    assert checked.exit_code == 0, checked.output
