"""GEOLOB and MAPLOB are exact: what GDAL reads of them is what the sensor model says."""

from contextlib import contextmanager

import numpy as np
import pytest
import rasterio
from affine import Affine

from stacchip_osml.encode import imsave
from stacchip_osml.errors import ItemError
from stacchip_osml.geometry import SensorFacts, load_sensor_model
from stacchip_osml.geometry.locate import AffineLocator
from stacchip_osml.geometry.sensor_loading import sensor_facts_of
from stacchip_osml.pixel import ImageSize

PLACES = {
    "EPSG:4326": (0.002, 0.0, 9.0, 0.0, -0.0025, 50.0),
    "EPSG:32632": (10.0, 0.0, 500_000.0, 0.0, -10.0, 5_500_000.0),
}


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:32632"])
@pytest.mark.parametrize("from_record", [True, False])
def test_the_place_is_that_which_was_written_and_which_gdal_reads(crs, from_record, tmp_path):
    from stacchip_osml.encode.nitf import read_nitf

    path = tmp_path / "image.ntf"
    imsave(path, np.zeros((40, 50), np.uint8), transform=PLACES[crs], crs=crs)
    cols, rows = [0.0, 50.0, 25.5, 0.0], [0.0, 40.0, 3.25, 40.0]

    model = load_sensor_model(read_nitf(path) if from_record else str(path))

    assert (model.kind, model.approximate) == ("affine", False)
    with rasterio.open(path) as image:
        assert np.allclose(image.transform[:6], PLACES[crs], rtol=1e-12)
    expected = AffineLocator(PLACES[crs], crs)(cols, rows)
    np.testing.assert_allclose(model(cols, rows), expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("crs", ["EPSG:32632", "EPSG:32760"])
def test_an_image_on_a_map_that_gdal_does_not_open_is_indexed_there(crs, tmp_path):
    from stacchip_osml import Chipper, Indexer

    path, transform = tmp_path / "image.ntf", Affine(10.0, 0.0, 500_000.0, 0.0, -10.0, 1_500_000.0)
    imsave(tmp_path / "image.tif", np.ones((40, 50), np.int32), transform=transform, crs=crs)
    whole = Indexer(str(tmp_path / "image.tif"), chip_size=(50, 40)).create_index()
    path.write_bytes(Chipper(whole).encode(0, format="nitf"))

    index = Indexer(str(path), chip_size=16).create_index()
    chip = Chipper(index)[1]

    assert chip.crs == crs
    assert chip.transform == transform @ Affine.translation(16, 0)
    assert index.query(columns=["footprint"]).column(0).unique().to_pylist() == ["projected"]


def test_a_projection_that_has_no_code_is_told_as_items_tell_it(mapped):
    moved = tuple(
        (tag, data.replace(b"9.0", b"9.5") if tag == "PRJPSB" else data) for tag, data in facts_of(mapped).file_tres
    )

    crs = load_sensor_model(facts_of(mapped, file_tres=moved)).locator.crs

    assert crs.startswith("PROJCRS[")
    assert '"Longitude of natural origin",9.5' in crs


def facts_of(path, **changes):
    found = sensor_facts_of(str(path))
    values = {"size": found.size, "fields": found.fields, "tres": found.tres, "file_tres": found.file_tres}
    return SensorFacts(**{**values, **changes})


@pytest.fixture
def mapped(tmp_path):
    path = tmp_path / "image.ntf"
    imsave(path, np.zeros((40, 50), np.uint8), transform=PLACES["EPSG:32632"], crs="EPSG:32632")
    return path


def test_a_map_without_its_projection_is_not_used_and_says_so(mapped):
    model = load_sensor_model(facts_of(mapped, file_tres=()))

    assert model.kind != "affine"
    assert any("there is no PRJPSB" in note for note in model.notes)


def test_a_map_on_another_datum_is_not_used_and_says_so(mapped):
    other = tuple((tag, data.replace(b"WGE ", b"EUR ")) for tag, data in facts_of(mapped).file_tres)

    model = load_sensor_model(facts_of(mapped, file_tres=other))

    assert model.kind != "affine"
    assert any("datum 'EUR'" in note for note in model.notes)


@pytest.mark.parametrize(
    ("tag", "data", "message"),
    [
        ("GEOLOB", b"000000000000144000+009.0000000000+050.0000000000", "ARV must be above 0"),
        ("GEOLOB", b"00018000x000144000+009.0000000000+050.0000000000", "ARV must be a number"),
        ("GEOLOB", b"000180000000144000+009.00000000", "LSO must be a number|PSO must be a number"),
        ("GEOLOB", b"\xff" * 48, "not ASCII"),
    ],
)
def test_a_field_that_is_wrong_is_named(tag, data, message):
    with pytest.raises(ItemError, match=message):
        load_sensor_model(SensorFacts(size=ImageSize(50, 40), tres=((tag, data),)))


def test_a_unit_that_nobody_knows_is_named(mapped):
    ((tag, data),) = [each for each in facts_of(mapped).tres if each[0] == "MAPLOB"]

    with pytest.raises(ItemError, match="UNILOA must be one of UM, MM, CM, DM, M, KM"):
        load_sensor_model(facts_of(mapped, tres=((tag, b"FT " + data[3:]),)))


@pytest.mark.parametrize("name", ["U_0006A", "U_1125C", "U_1060A"])
def test_headers_of_nitf_2_0_with_a_downgrading_event_are_walked(name, real_data):
    path = real_data / f"nitf/imaging-nitf__{name}.NTF"

    with suppress_no_images():
        assert load_sensor_model(str(path)) is None


@contextmanager
def suppress_no_images():
    """Text-only files of the set have no image to place."""
    try:
        yield
    except ItemError as error:
        if "has 0 image segments" not in str(error):
            raise
