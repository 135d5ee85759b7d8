"""Image to ground and back, through chips of chips, at the antimeridian and the poles, at all heights there are."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stacchip_osml.geometry import (
    AffineLocator,
    AffineModel,
    ChippedModel,
    GcpLocator,
    GcpModel,
    RpcLocator,
    SensorFacts,
    SicdModel,
    load_sensor_model,
)
from stacchip_osml.geometry.chipped import PlaneMap
from stacchip_osml.imagery import GroundControlPoint
from stacchip_osml.pixel import ImageSize
from tests.geometry.sensor_documents import sicd, sidd
from tests.geometry.sensor_tres import RPC_VALUES

SIZE = ImageSize(4000, 4000)


def rpc(lon, lat):
    values = {**RPC_VALUES, "LONG_OFF": lon, "LAT_OFF": lat}
    return RpcLocator({name: " ".join(map(str, np.atleast_1d(value))) for name, value in values.items()})


def on_map(crs, *transform):
    return AffineModel(AffineLocator(transform, crs), SIZE)


def points(lon, lat):
    return GcpModel(
        GcpLocator(
            tuple(
                GroundControlPoint(row=row, col=col, x=(lon + col / 4e5 + 180) % 360 - 180, y=lat - row / 4e5, z=100.0)
                for row in (0.0, 2000.0, 4000.0)
                for col in (0.0, 2000.0, 4000.0)
            ),
            "EPSG:4326",
        )
    )


MODELS = {
    "RPC": rpc(7.5, 46.0),
    "RPC, antimeridian": rpc(180.0, 46.0),
    "RPC, beyond it": rpc(-179.99, -12.0),
    "RPC, pole": rpc(20.0, 89.97),
    "UTM": on_map("EPSG:32632", 10.0, 0.0, 5e5, 0.0, -10.0, 5.5e6),
    "UTM, antimeridian": on_map("EPSG:32601", 10.0, 0.0, 1.8e5, 0.0, -10.0, 5e5),
    "polar": on_map("EPSG:3413", 100.0, 3.0, -2e5, 2.0, -100.0, 2e5),
    "degrees, antimeridian": on_map("EPSG:4326", 1e-3, 0.0, 178.0, 0.0, -1e-3, 20.0),
    "degrees, pole": on_map("EPSG:4326", 1e-2, 0.0, -20.0, 0.0, -1e-3, 90.0),
    "Mercator, antimeridian": on_map("EPSG:3857", 1000.0, 0.0, 18e6, 0.0, -1000.0, 1e6),
    "Mercator, west": on_map("EPSG:3395", 1000.0, 0.0, -21e6, 0.0, -1000.0, 1e6),
    "cylinder": on_map("EPSG:4087", 1000.0, 0.0, 18e6, 0.0, -1000.0, 1e6),
    "GCPs": points(7.0, 46.0),
    "GCPs, antimeridian": points(179.998, 3.0),
    "SICD": SicdModel.from_xml(sicd()),
    "SIDD": load_sensor_model(SensorFacts(size=ImageSize(600, 400), des_xml=(sidd(),))),
}


def chip_of(model, size, scale):
    """A quarter of an image, from a tenth of it on."""
    corners = ((0.0, 0.0), (size[0], 0.0), (0.0, size[1]), size)
    return ChippedModel(
        model, PlaneMap(corners, tuple((x * scale + size[0] / 10, y * scale + size[1] / 10) for x, y in corners))
    )


@settings(max_examples=25)
@given(
    at=st.tuples(st.floats(0.01, 0.99), st.floats(0.01, 0.99)),
    height=st.one_of(st.none(), st.floats(-500, 9000)),
    scales=st.lists(st.sampled_from([0.5, 1.0, 0.25]), max_size=3),
    turns=st.integers(-1, 1),
)
@pytest.mark.parametrize("name", MODELS)
def test_a_position_comes_back_from_the_ground(name, at, height, scales, turns):
    model = MODELS[name]
    size = tuple(map(float, getattr(model, "size", SIZE)))
    for scale in scales:
        size = size[0] * 0.5, size[1] * 0.5
        model = chip_of(model, size, scale)
    col, row = at[0] * size[0], at[1] * size[1]

    lon, lat, found = model.image_to_world(col, row, height)

    assert np.isfinite([lon, lat, found]).all() or np.isinf([lon, lat, found]).all()
    if np.isfinite(lon):
        assert abs(lon) <= 180.0
        assert abs(lat) <= 90.0
        np.testing.assert_allclose(model.world_to_image(lon + 360 * turns, lat, found), (col, row), rtol=0, atol=1e-3)


@pytest.mark.parametrize("lat", [90.5, -91.0, 1e308, np.inf, np.nan])
@pytest.mark.parametrize("name", MODELS)
def test_beyond_a_pole_there_is_nothing_to_be_seen(name, lat):
    lon = float(MODELS[name](10.0, 10.0)[0])

    with np.errstate(all="ignore"):
        assert not np.isfinite(MODELS[name].world_to_image(lon, lat)).any()


@pytest.mark.parametrize("name", MODELS)
def test_the_other_side_of_the_earth_is_not_in_the_image(name):
    model = MODELS[name]
    width, height = getattr(model, "size", SIZE)
    lon, lat, _ = model.image_to_world(width / 2, height / 2)

    col, row = model.world_to_image((lon + 360) % 360 - 180, -lat)

    assert not (0 <= col <= width and 0 <= row <= height)
