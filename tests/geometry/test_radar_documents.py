"""The invented documents are what they pretend to be: valid, consistent, and of the collection that they tell of."""

import lxml.etree
import numpy as np
import pytest
import sarkit.sicd
from sarkit.verification import SicdConsistency, SiddConsistency

from stacchip_osml.geometry import SicdModel
from stacchip_osml.geometry.sidd_model import load_sidd_model
from tests.geometry.radar_documents import sicd_document
from tests.geometry.radar_products import sidd_document

SIZE = (1024, 2048)


def checked(checker):
    """Run all of a checker's checks, the schema among them."""
    checker.check()
    assert any("check_against_schema" in name for name in checker.passes())
    return checker


def test_a_sicd_is_valid_by_its_schema_and_consistent():
    checker = checked(SicdConsistency.from_parts(lxml.etree.fromstring(sicd_document(SIZE))))

    assert not checker.failures()
    assert len(checker.passes()) > 65


def test_a_sidd_is_valid_by_its_schema_and_consistent():
    checker = checked(SiddConsistency.from_parts([lxml.etree.ElementTree(lxml.etree.fromstring(sidd_document(SIZE)))]))

    assert not checker.failures()


def test_angles_are_those_that_sarkit_computes():
    tree = lxml.etree.ElementTree(lxml.etree.fromstring(sicd_document(SIZE)))

    for theirs in sarkit.sicd.compute_scp_coa(tree):
        own = tree.find(f"{{*}}SCPCOA/{{*}}{theirs.tag.rpartition('}')[2]}")
        if len(theirs) == 0 and own.text not in {"L", "R"}:
            assert float(own.text) == pytest.approx(float(theirs.text), rel=1e-9), own.tag


@pytest.mark.parametrize("make", [sicd_document, sidd_document])
def test_corners_are_where_the_sensor_model_sees_them(make):
    xml = make(SIZE)
    model = SicdModel.from_xml(xml) if make is sicd_document else load_sidd_model(xml)[0]
    icps = lxml.etree.fromstring(xml).findall("{*}GeoData/{*}ImageCorners/{*}ICP")
    stated = np.array([[float(icp.findtext(f"{{*}}{name}")) for name in ("Lon", "Lat")] for icp in icps])
    rows, cols = SIZE

    lons, lats = model([0, cols, cols, 0], [0, 0, rows, rows])

    metres = (np.stack([lons, lats], axis=1) - stated) * [111_000 * np.cos(np.radians(47.9)), 111_000]
    assert np.abs(metres).max() < 2.0  # the plane and the sphere of constant height part by so much


def test_documents_are_as_long_as_real_ones():
    assert len(sicd_document(SIZE)) > 20_000
    assert len(sidd_document(SIZE)) > 5000
