"""Headers of real files come back from an index as they were read."""

import csv

import pytest
from stored_scenes import require_same_layout

from stacchip_osml.errors import ChipError
from stacchip_osml.imagery import close_idle_handles
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.index.layouts import StoredHeader

KINDS = (".tif", ".tiff", ".ntf", ".nitf", ".nsf", ".jp2", ".j2k", ".png", ".jpg")
STEP = 7
"""Every so many files of each folder: enough for each format and codec, quick enough for every run."""


@pytest.mark.filterwarnings("ignore")
def test_headers_and_layouts_of_real_files_are_stored_without_loss(real_data):
    rows = list(csv.DictReader((real_data / "manifest.csv").open(encoding="utf-8")))
    paths = [real_data / row["path"] for row in rows if not row["path"].startswith("hostile")]
    read = 0
    for path in [path for path in paths if path.suffix.lower() in KINDS][::STEP]:
        image = BlockImage(str(path.resolve()))
        try:
            header, layout = image.header, image.layout
        except ChipError:  # what GDAL refuses is no image
            continue
        stored = StoredHeader.of(header, layout)
        found, levels = stored.unpack(name=path.name)
        assert repr(found) == repr(header)
        require_same_layout(levels, layout)
        assert StoredHeader.of(found, levels) == stored
        read += 1
    close_idle_handles()
    assert read > 60
