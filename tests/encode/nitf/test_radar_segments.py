"""SICD and SIDD products in several image segments, with legends: which rows of which product a chip shows.

Segments of other markings are images of their own.
"""

import re

import numpy as np
import pytest
from chip_sources import cut, radar_extension, sicd_xml, sidd_xml
from nitf_files import file_of, image_of, written

from stacchip_osml.encode import IO
from stacchip_osml.encode.nitf import encode_nitf, read_nitf
from stacchip_osml.errors import EncodeError, ItemError
from stacchip_osml.geometry import load_sensor_model

COLS = 40
SICD = {
    "IC": "C8",
    "COMRAT": "N001.0",
    "IREP": "NODISPLY",
    "ICAT": "SAR",
    "PVTYPE": "SI",
    "ISUBCAT1": "I",
    "ISUBCAT2": "Q",
}
SIDD = {"IC": "C8", "COMRAT": "N001.0", "IREP": "MONO", "ICAT": "SAR"}


def sicd_file(path, *names_and_rows):
    """Segments of one image of 50 rows."""
    images = [image_of((2, rows, COLS), "int16", IID1=name, ISCTLN=name, **SICD) for name, rows in names_and_rows]
    path.write_bytes(written(file_of(*images, extensions=(radar_extension(sicd_xml(50, COLS), "SICD"),))))
    return path


def sidd_file(path, *segments):
    """Two products, of 50 and of 9 rows."""
    images = [
        image_of((1, rows, cols), IID1=name, ISCTLN=name, **{**SIDD, "ICAT": icat})
        for name, rows, cols, icat in segments
    ]
    documents = tuple(radar_extension(sidd_xml(rows, cols), "SIDD") for rows, cols in ((50, COLS), (9, 8)))
    path.write_bytes(written(file_of(*images, extensions=documents)))
    return path


def chip_of(path, key, window):
    with IO.open(path) as dataset:
        return read_nitf(encode_nitf(cut(dataset.get_asset(key).source, window, locate=False)))


def said(chip, *names):
    xml = chip.extensions[0].data.decode()
    return tuple(int(re.search(rf"<{name}>(\d+)<", xml)[1]) for name in names)


def agree(model, whole, *, below):
    cols, rows = np.array([0.0, 3.5, COLS]), np.array([0.0, 7.25, 20.0])
    np.testing.assert_allclose(
        model.image_to_world(cols, rows), whole.image_to_world(cols, rows + below), rtol=0, atol=1e-9
    )


def test_a_segment_of_a_sicd_lies_below_those_before_it(tmp_path):
    whole = load_sensor_model(str(sicd_file(tmp_path / "whole.ntf", ("SICD000", 50))))
    path = sicd_file(tmp_path / "parts.ntf", ("SICD001", 20), ("SICD002", 10), ("SICD003", 20))
    for key, below in (("image:0", 0), ("image:1", 20), ("image:2", 30)):
        with IO.open(path) as dataset:
            assert load_sensor_model(dataset, key).kind == "SICD"
        agree(load_sensor_model(str(path), key), whole, below=below)
        agree(load_sensor_model(read_nitf(path), key), whole, below=below)

        chip = chip_of(path, key, (5, 4, 10, 6))
        assert said(chip, "FirstRow", "FirstCol", "NumRows", "NumCols") == (below + 4, 5, 6, 10)
        np.testing.assert_allclose(
            load_sensor_model(chip).image_to_world(0, 0), whole.image_to_world(5, below + 4), rtol=0, atol=1e-9
        )


def test_a_segment_of_a_sidd_lies_below_those_before_it_and_a_legend_lies_nowhere(tmp_path):
    segments = [("SIDD001001", 30, COLS, "SAR"), ("SIDD001002", 20, COLS, "SAR"), ("SIDD001003", 5, 7, "LEG")]
    path = sidd_file(tmp_path / "parts.ntf", *segments, ("SIDD002001", 9, 8, "SAR"), ("DED001", 6, 6, "DED"))
    whole = load_sensor_model(
        str(sidd_file(tmp_path / "whole.ntf", ("SIDD001001", 50, COLS, "SAR"), ("SIDD002001", 9, 8, "SAR")))
    )
    agree(load_sensor_model(str(path), "image:1"), whole, below=30)

    chip = chip_of(path, "image:1", (5, 4, 10, 6))
    np.testing.assert_allclose(
        load_sensor_model(chip).image_to_world(0, 0), whole.image_to_world(5, 34), rtol=0, atol=1e-9
    )
    for key, name in (("image:2", "SIDD001003"), ("image:4", "DED001")):
        assert load_sensor_model(str(path), key) is None
        assert load_sensor_model(read_nitf(path), key) is None
        beside = chip_of(path, key, (1, 1, 4, 3))
        assert (beside.extensions, beside.images[0].fields["IID1"]) == ((), name)
        assert "IGEOLO" not in beside.images[0].fields


def test_a_segment_above_which_one_is_missing_is_placed_nowhere(tmp_path):
    path = sicd_file(tmp_path / "parts.ntf", ("SICD001", 20), ("SICD003", 20))
    message = "IID1 SICD003 counts 2 segments above it, the file has 1"
    with pytest.raises(ItemError, match=message):
        load_sensor_model(str(path), "image:1")
    with pytest.raises(EncodeError, match=message):
        chip_of(path, "image:1", (5, 4, 10, 6))
