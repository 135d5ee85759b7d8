"""index build --quality: presets, and the codes of any other sensor."""

import json

import numpy as np
import pytest
from cli_scenes import only_error, run

from stacchip_osml import ChipIndex, Indexer, QualityBand
from stacchip_osml.encode import imsave
from tests.stac_items import plain_item


@pytest.fixture
def item(tmp_path):
    """A scene of two chips, whose flags are 0 (nothing), 1 (ground), 2 and 12 (cloud)."""
    flags = np.random.default_rng(0).choice(np.uint8([0, 1, 2, 12]), (1, 32, 64))
    place = {"transform": (10, 0, 500_000, 0, -10, 5_400_000), "crs": "EPSG:32632"}
    imsave(tmp_path / "red.tif", np.ones((1, 32, 64), np.uint16), **place)
    imsave(tmp_path / "flags.tif", flags, **place)
    document = plain_item({"red": "./red.tif", "flags": "./flags.tif"})
    (tmp_path / "item.json").write_text(json.dumps(document))
    return tmp_path / "item.json"


@pytest.mark.parametrize(
    ("text", "band"),
    [
        ("flags:nodata=0:cloud=2,12", QualityBand(asset="flags", nodata=(0,), cloud=(2, 12))),
        ("flags:cloud_bits=1,3@0", QualityBand(asset="flags", cloud_bits=(1, 3))),
        ("flags:nodata_bits=0", QualityBand(asset="flags", nodata_bits=(0,))),
        ("qa_pixel:flags", QualityBand(asset="flags", nodata_bits=(0,), cloud_bits=(1, 3, 4))),
    ],
)
def test_codes_and_presets_give_the_fractions_that_python_gives(item, tmp_path, text, band):
    out = tmp_path / "index.parquet"
    run("index", "build", item, out, "--chip-size", 32, "--assets", "red", "--quality", text)

    expected = Indexer(item, chip_size=32, assets=["red"], quality=band).create_index().to_arrow()
    found = ChipIndex.open(out).to_arrow()
    for name in ("nodata_fraction", "cloud_fraction"):
        assert found[name].to_pylist() == expected[name].to_pylist()
    assert found["nodata_fraction"].null_count == 0


@pytest.mark.parametrize(
    "text", ["flags", "flags:", "flags:clouds=1", "flags:cloud=", "flags:cloud=1:cloud=2", ":cloud=1"]
)
def test_what_is_no_quality_band_is_refused(item, tmp_path, text):
    done = run("index", "build", item, tmp_path / "x.parquet", "--chip-size", 32, "--quality", text, code=2)

    assert "is not scl or qa_pixel" in only_error(done)
