"""Every kind of image that NITF pixels come in: written and read back by others, or refused with the clause."""

from __future__ import annotations

import io

import numpy as np
import pytest
from pixel_matrix import BANDS, ICS, IMODES, MARKS, PAGE, SAMPLES, cell, image_of, page_with, pixels_of, tables
from pixel_readers import READERS

from stacchip_osml.encode.nitf.pixels import prepare_image
from stacchip_osml.encode.nitf.records import NitfFile, NitfImage
from stacchip_osml.encode.nitf.write import write_nitf
from stacchip_osml.errors import EncodeError

EXACT, EDGE = (32, 64), (40, 56)
TOLERANCE = {"u8": 6, "u12": 90}
CLAUSES = r"\((MIL-STD-2500C|MIL-STD-188-198A|BPJ2K01.20)"


def fields_of(ic: str, imode: str, name: str, bands: int) -> dict[str, str]:
    block = "32" if ic[1] in "8D" else "16"
    fields = {"IC": ic, "IMODE": imode, "NPPBH": block, "NPPBV": block, **SAMPLES[name].fields}
    if ic[1] in "8D3":
        fields.pop("NBPP", None)
    if bands == 3:
        fields["IREP"] = "YCbCr601" if ic[1] == "3" and imode == "P" else "MULTI"
    return fields


ALL = [(ic, imode, name, bands) for ic in ICS for imode in IMODES for name in SAMPLES for bands in BANDS]


@pytest.mark.parametrize("ic", ICS)
def test_every_cell_that_is_not_written_is_refused_with_its_clause(ic):
    refused = [place for place in ALL if place[0] == ic and cell(*place).refused]
    for _, imode, name, bands in refused:
        image = NitfImage(pixels=Anything(SAMPLES[name].dtype, bands), fields=fields_of(ic, imode, name, bands))
        with pytest.raises(EncodeError, match=f"{cell(ic, imode, name, bands).refused}.*{CLAUSES}"):
            prepare_image(image)


@pytest.mark.parametrize(("ic", "imode", "name", "bands"), [place for place in ALL if not cell(*place).refused])
def test_every_other_cell_is_read_back_by_two_others(ic, imode, name, bands):
    expected, fields = cell(ic, imode, name, bands), fields_of(ic, imode, name, bands)
    for shape in (EXACT, EDGE):
        for sparse in (False, True):
            pixels = pixels_of(name, bands, shape, lossy=expected.lossy)
            provider, wanted = image_of(pixels, int(fields["NPPBH"]), sparse=sparse)
            out = io.BytesIO()
            write_nitf(out, NitfFile(images=(NitfImage(pixels=provider, fields=fields),)))
            for reader in expected.readers:
                found = READERS[reader](out.getvalue(), fill=0)
                where = f"{reader}, {shape}, {'sparse' if sparse else 'dense'}"
                assert found.shape == wanted.shape, where
                if reader == "blocks" and name == "i8":
                    assert found.dtype == np.int8, where
                elif wanted.dtype.itemsize == 1:  # GDAL has no bits, and no signed bytes in NITF
                    found = found.view(wanted.dtype)
                assert found.dtype == wanted.dtype, where
                if expected.lossy:
                    assert np.abs(found.astype(int) - wanted).max() <= TOLERANCE[name], where
                else:
                    np.testing.assert_array_equal(found, wanted, err_msg=where)


class Anything:
    """Numbers of an image whose pixels are never asked for."""

    def __init__(self, dtype: str, bands: int) -> None:
        self.num_rows, self.num_columns, self.num_bands = *EDGE, bands
        self.pixel_value_type = np.dtype(dtype)

    def get_block(self, *_):
        raise AssertionError("read before it was refused")


def test_every_written_cell_has_two_readers_that_are_not_ours():
    written = [each for each in (cell(*place) for place in ALL) if not each.refused]

    assert len(written) == 216
    assert all(len(set(each.readers) - {"blocks"}) > 1 for each in written)


def test_the_page_shows_this_table():
    text = PAGE.read_text(encoding="utf-8")

    assert MARKS[0] in text
    assert page_with(text, tables()) == text
