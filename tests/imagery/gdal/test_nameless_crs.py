"""The CRS of a NITF in UTM, which GDAL writes without a name."""

import re

import pytest
import rasterio
from rasterio.transform import Affine

from stacchip_osml.imagery import read_header
from stacchip_osml.imagery.gdal.library import _epsg_code
from tests.imagery.gdal.gdal_files import noise, write


@pytest.mark.parametrize(("kind", "code", "north"), [("N", "EPSG:32632", 5_500_000), ("S", "EPSG:32732", 9_500_000)])
def test_the_utm_zone_of_a_nitf_is_its_epsg_code(tmp_path, kind, code, north):
    place = {"crs": code, "transform": Affine(10, 0, 500_000, 0, -10, north)}
    path = write(tmp_path / "a.ntf", noise(1, "uint8"), driver="NITF", ICORDS=kind, **place)

    assert read_header(path).crs == code


@pytest.mark.parametrize("change", [("false_northing", 0.5), ("scale_factor", 0.9997), ("latitude_of_origin", 1)])
def test_a_nameless_crs_beside_a_utm_zone_is_none(change):
    utm = rasterio.crs.CRS.from_epsg(32632).wkt.replace("WGS 84 / UTM zone 32N", "unnamed")
    nameless = utm.replace(',AUTHORITY["EPSG","32632"]]', "]")
    other = re.sub(rf'("{change[0]}"),[\d.]+', rf"\g<1>,{change[1]}", nameless)

    assert other != nameless
    assert (_epsg_code(nameless), _epsg_code(other)) == (32632, None)
