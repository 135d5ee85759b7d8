"""RPCs at given heights, both ways, against GDAL and written-out terms; RPC00A's order; chips by ICHIPB."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rasterio.rpc import RPC
from rasterio.transform import RPCTransformer
from sensor_tres import ICHIPB, RPC_VALUES, ichipb, rpc_tre

from stacchip_osml.errors import ItemError
from stacchip_osml.geometry import ChippedModel, RpcLocator, SensorModel
from stacchip_osml.geometry.tre_models import parse_ichipb, rpc_model

MODEL = rpc_model("RPC00B", rpc_tre("RPC00B"))
LINE_OFF, SAMP_OFF, LAT_OFF, LONG_OFF, HEIGHT_OFF = (
    RPC_VALUES[name] for name in ("LINE_OFF", "SAMP_OFF", "LAT_OFF", "LONG_OFF", "HEIGHT_OFF")
)


def gdal(values) -> RPCTransformer:
    coefficients = {name.lower(): list(v) if np.ndim(v) else v for name, v in values.items()}
    return RPCTransformer(
        RPC(**coefficients, err_bias=0.0, err_rand=0.0), RPC_PIXEL_ERROR_THRESHOLD=1e-9, RPC_MAX_ITERATIONS=40
    )


def terms(l, p, h, order: str) -> np.ndarray:  # noqa: E741
    """The 20 terms as appendix E lists them, for A and for B."""
    if order == "RPC00A":
        return np.array(
            [1, l, p, h, l * p, l * h, p * h, l * p * h, l * l, p * p, h * h, l**3, l * l * p, l * l * h, l * p * p,
             p**3, p * p * h, l * h * h, p * h * h, h**3]
        )  # fmt: skip
    return np.array(
        [1, l, p, h, l * p, l * h, p * h, l * l, p * p, h * h, p * l * h, l**3, l * p * p, l * h * h, l * l * p,
         p**3, p * h * h, l * l * h, p * p * h, h**3]
    )  # fmt: skip


def by_hand(lon: float, lat: float, height: float, order: str = "RPC00B") -> tuple[float, float]:
    """(col, row) of corner positions: line and sample are 0 at the first pixel's centre."""
    v = RPC_VALUES
    at = terms(
        (lon - LONG_OFF) / v["LONG_SCALE"], (lat - LAT_OFF) / v["LAT_SCALE"], (height - HEIGHT_OFF) / v["HEIGHT_SCALE"],
        order,
    )  # fmt: skip
    line, sample = ((at @ v[f"{n}_NUM_COEFF"]) / (at @ v[f"{n}_DEN_COEFF"]) for n in ("LINE", "SAMP"))
    return sample * v["SAMP_SCALE"] + SAMP_OFF + 0.5, line * v["LINE_SCALE"] + LINE_OFF + 0.5


@pytest.mark.parametrize("height", [None, 12.0, 900.0])
def test_gdal_has_the_same_places_and_pixels_at_every_height(height):
    cols, rows = np.random.default_rng(1).uniform(100, 3900, (2, 60))
    lon, lat, high = MODEL.image_to_world(cols, rows, height)
    with gdal(RPC_VALUES) as there:
        # rows and columns are corner positions to GDAL too; rasterio would add half a pixel of its own
        expected = there.xy(rows, cols, zs=high, offset="ul")
        back = there.rowcol(lon, lat, zs=high, op=lambda value: value)

    np.testing.assert_allclose([lon, lat], expected, rtol=0, atol=1e-9)
    np.testing.assert_allclose(MODEL.world_to_image(lon, lat, high), back[::-1], rtol=0, atol=1e-6)


@given(col=st.floats(0, 4000), row=st.floats(0, 4000), height=st.floats(-300, 1200))
def test_a_pixel_s_ground_at_any_height_is_seen_at_the_pixel(col, row, height):
    lon, lat, high = MODEL.image_to_world(col, row, height)

    assert high == height
    np.testing.assert_allclose(by_hand(lon, lat, height), (col, row), rtol=0, atol=1e-6)
    np.testing.assert_allclose(MODEL.world_to_image(lon, lat, high), (col, row), rtol=0, atol=1e-6)


def test_many_positions_with_heights_of_their_own_give_what_one_by_one_gives():
    cols, rows = np.meshgrid(np.linspace(0, 4000, 90), np.linspace(0, 4000, 60))  # more than are worked on at once
    heights = np.linspace(-100, 1000, 60)[:, None]
    lon, lat, high = MODEL.image_to_world(cols, rows, heights)

    assert high.shape == cols.shape
    for at in ((0, 0), (31, 77), (59, 89)):
        alone = MODEL.image_to_world(cols[at], rows[at], heights[at[0], 0])
        np.testing.assert_allclose([lon[at], lat[at], high[at]], alone, rtol=0, atol=1e-12)
        np.testing.assert_allclose(by_hand(lon[at], lat[at], high[at]), (cols[at], rows[at]), rtol=0, atol=1e-6)


def test_the_order_of_rpc00a_is_its_own():
    """GDAL 3.10 gives the LPH, L², P² and H² of RPC00A to each other, so the terms are written out instead."""
    model = rpc_model("RPC00A", rpc_tre("RPC00A"))
    lon, lat = LONG_OFF + np.array([0.01, -0.02]), LAT_OFF + np.array([0.02, 0.01])
    expected = [by_hand(x, y, 700.0, "RPC00A") for x, y in zip(lon, lat, strict=True)]

    assert model.kind == "RPC00A"
    np.testing.assert_allclose(np.stack(model.world_to_image(lon, lat, 700.0), axis=-1), expected, rtol=0, atol=1e-8)
    assert np.abs(np.array(expected) - [by_hand(x, y, 700.0) for x, y in zip(lon, lat, strict=True)]).max() > 0.01


def test_places_far_outside_of_the_fit_are_not_seen():
    assert np.isinf(MODEL.world_to_image([LONG_OFF + 5, LONG_OFF], [LAT_OFF, -LAT_OFF])).all()
    assert np.isinf(MODEL.image_to_world([1e9], [0.0])).all()


def test_a_model_whose_height_scale_is_zero_serves_its_own_height_alone():
    values = {name: " ".join(map(repr, v)) if np.ndim(v) else repr(v) for name, v in RPC_VALUES.items()}
    model = RpcLocator({**values, "HEIGHT_SCALE": "0"})

    assert np.isfinite(model.image_to_world(10, 10)).all()
    assert np.isinf(model.image_to_world(10, 10, 50.0)).all()


def test_models_are_values():
    assert isinstance(MODEL, SensorModel)
    assert pickle.loads(pickle.dumps(MODEL)) == MODEL
    assert repr(MODEL) == "RpcLocator(RPC00B, about longitude 7.5, latitude 46)"
    assert rpc_model("RPC00A", rpc_tre("RPC00A")) != MODEL


@pytest.mark.parametrize(
    ("at", "text", "message"),
    [
        (15, b"00x000", "RPC00B LINE_OFF must be a number, got '00x000'"),
        (15, b"   nan", "RPC00B LINE_OFF must be a number"),
        (81, b"+1_0000000+0", "RPC00B LINE_NUM_COEFF must be a number"),
        (48, b"+000.0000", r"RPC LONG_SCALE must not be zero|must be a number"),
    ],
)
def test_wrong_fields_are_refused_by_name(at, text, message):
    data = bytearray(rpc_tre("RPC00B"))
    data[at : at + len(text)] = text

    if at == 48:
        data = bytearray(rpc_tre("RPC00B", LONG_SCALE=0.0))
    with pytest.raises(ItemError, match=message):
        rpc_model("RPC00B", bytes(data))


def test_a_failed_fit_is_no_model_and_a_wrong_length_is_refused():
    assert rpc_model("RPC00B", b"0" + rpc_tre("RPC00B")[1:]) is None
    with pytest.raises(ItemError, match="CEL of RPC00B must be 1041, got 1040"):
        rpc_model("RPC00B", rpc_tre("RPC00B")[:-1])


# --- chips ----------------------------------------------------------------------------------------------------------


def test_a_pixel_through_a_chip_is_the_full_image_s():
    chip = ChippedModel(MODEL, parse_ichipb(ichipb((1000, 2000), (512, 256))).map)
    cols, rows = np.random.default_rng(4).uniform(0, 256, (2, 40))
    lon, lat, high = chip.image_to_world(cols, rows, 250.0)

    np.testing.assert_allclose([lon, lat, high], MODEL.image_to_world(cols + 2000, rows + 1000, 250.0), atol=1e-12)
    np.testing.assert_allclose(chip.world_to_image(lon, lat, high), [cols, rows], rtol=0, atol=1e-6)
    np.testing.assert_allclose(chip(cols, rows), MODEL(cols + 2000, rows + 1000), atol=1e-12)
    assert pickle.loads(pickle.dumps(chip)) == chip
    assert (chip.kind, chip.approximate, chip.notes) == ("RPC00B", True, ())


@pytest.mark.parametrize("scale", [2.0, 3.0, 0.5])
def test_a_chip_at_another_resolution_covers_the_full_image_s_pixels_edge_to_edge(scale):
    chip = parse_ichipb(ichipb((1000, 2000), (120, 150), scale=scale)).map
    cols, rows = chip.forward(np.array([0.0, 150.0]), np.array([0.0, 120.0]))

    np.testing.assert_allclose(cols, [2000, 2000 + 150 * scale], atol=2e-3)  # three decimals in the file
    np.testing.assert_allclose(rows, [1000, 1000 + 120 * scale], atol=2e-3)


def test_corners_that_are_no_parallelogram_give_the_projective_map_through_them():
    values = {"FI_ROW_22": 1300.0, "FI_COL_22": 2600.0}
    chip = parse_ichipb(ichipb((1000, 2000), (512, 512), **values)).map
    cols, rows = np.array([0.5, 511.5, 0.5, 511.5, 200.0]), np.array([0.5, 0.5, 511.5, 511.5, 77.0])
    full = chip.forward(cols, rows)

    np.testing.assert_allclose(full[0][:4], [2000.5, 2511.5, 2000.5, 2600.0], atol=1e-6)
    np.testing.assert_allclose(full[1][:4], [1000.5, 1000.5, 1511.5, 1300.0], atol=1e-6)
    np.testing.assert_allclose(chip.inverse(*full), [cols, rows], rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"OP_ROW_21": 0.5, "OP_ROW_22": 0.5}, "ICHIPB: the four corner points in the chip lie on a line"),
        ({"FI_COL_12": 2000.5, "FI_COL_22": 2000.5}, "ICHIPB: the four corner points in the full image lie on a line"),
        ({"OP_ROW_11": "     north  "}, "ICHIPB OP_ROW_11 must be a number, got '     north  '"),
        ({"XFRM_FLAG": "07"}, "ICHIPB XFRM_FLAG must be 00 or 01, got '07'"),
    ],
)
def test_a_chip_that_lies_nowhere_is_refused_by_field(values, message):
    with pytest.raises(ItemError, match=message):
        parse_ichipb(ichipb((1000, 2000), (512, 512), **values))


def test_a_chip_that_says_that_its_fields_mean_nothing_has_no_map():
    assert parse_ichipb(ichipb((0, 0), (10, 10), XFRM_FLAG="01")).map is None
    assert sum(ICHIPB.values()) == 224
