"""What places an image, of all that its file says, and how that is kept."""

import zlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stacchip_osml.errors import ItemError, LimitError
from stacchip_osml.geometry import SensorFacts, SensorModel, load_sensor_model, place_image
from stacchip_osml.geometry.placing import FOOTPRINTS, all_facts
from stacchip_osml.geometry.sensor_packing import needed, pack_sensor, unpack_sensor
from stacchip_osml.imagery.header import BandHeader, GroundControlPoint, ImageHeader
from stacchip_osml.pixel import ImageSize
from tests.geometry.sensor_documents import COLS, ROWS, sicd, sidd
from tests.geometry.sensor_tres import RPC_VALUES, blocka, cscrna, rpc_tre

SIZE = ImageSize(COLS, ROWS)
ACROSS, DOWN = 0.02 / (COLS - 1), 0.02 / (ROWS - 1)
TRANSFORM = (ACROSS, 0.0, 12.49 - ACROSS / 2, 0.0, -DOWN, 47.91 + DOWN / 2)
"""Through the centres of the corner pixels that IGEOLO names."""
OTHER = (1e-4, 0.0, 12.4, 0.0, -1e-4, 47.95)
NAMED = {"IID1": "X"}
IGEOLO = {"ICORDS": "D", "IGEOLO": "+47.910+012.490+47.910+012.510+47.890+012.510+47.890+012.490", **NAMED}
CORNERS = [(12.49, 47.91, 9.0), (12.51, 47.91, 9.0), (12.51, 47.89, 9.0), (12.49, 47.89, 9.0)]
LOCATIONS = ["+47.910000+012.510000", "+47.890000+012.510000", "+47.890000+012.490000", "+47.910000+012.490000"]
RPCS = tuple((name, " ".join(map(str, np.atleast_1d(value)))) for name, value in RPC_VALUES.items())
GCPS = tuple(
    GroundControlPoint(row=row, col=col, x=12 + col / 1e4, y=48 - row / 1e4, z=0.0)
    for row, col in ((0, 0), (0, COLS), (ROWS, 0), (ROWS, COLS))
)
MAP = {"transform": OTHER, "crs": "EPSG:4326"}
POINTS = {"gcps": GCPS, "gcps_crs": "EPSG:4326"}
RPC_TRE = ("RPC00B", rpc_tre("RPC00B"))
LOCAL = 'ENGCRS["a",EDATUM["b"],CS[Cartesian,2],AXIS["x",east],AXIS["y",north],LENGTHUNIT["metre",1]]'


@pytest.mark.parametrize(
    ("facts", "footprint", "has_transform"),
    [
        ({**MAP, **POINTS, "rpcs": RPCS}, "projected", True),
        ({**POINTS, "rpcs": RPCS}, "rpcs", False),
        (POINTS, "gcps", False),
        ({"transform": OTHER, "crs": LOCAL, "rpcs": RPCS}, "rpcs", False),
        ({"transform": OTHER, "rpcs": RPCS}, "rpcs", False),
        ({**MAP, "fields": NAMED, "des_xml": (sidd(), sicd())}, "sidd", False),
        ({**MAP, "fields": NAMED, "des_xml": (sicd(),), "tres": (RPC_TRE,)}, "sicd", False),
        ({**MAP, "fields": IGEOLO, "tres": (RPC_TRE,)}, "rpcs", False),
        ({"transform": TRANSFORM, "crs": "EPSG:4326", "fields": IGEOLO}, "igeolo", True),
        ({**MAP, "fields": IGEOLO}, "igeolo", False),
        ({"fields": IGEOLO}, "igeolo", False),
        ({**MAP, "fields": IGEOLO, "tres": (("BLOCKA", blocka(LOCATIONS, lines=ROWS)),)}, "blocka", False),
        ({**MAP, "fields": IGEOLO, "tres": (("CSCRNA", cscrna(CORNERS)),)}, "cscrna", False),
        ({**MAP, "fields": IGEOLO, "tres": (("RPFIMG", b""),), "file_tres": (("RPFHDR", b""),)}, "projected", True),
        ({**MAP, "fields": NAMED}, "projected", True),
    ],
)
def test_the_first_that_there_is_places_the_image(facts, footprint, has_transform):
    whole = SensorFacts(size=SIZE, **facts)
    placing = place_image(whole)

    assert (placing.footprint, placing.transform is not None) == (footprint, has_transform)
    assert placing.needs_sensor == (bool(whole.fields) and not has_transform)
    assert np.isfinite(placing.locator(np.array([10.0]), np.array([10.0]))).all()
    assert placing.locator.approximate == (not has_transform)


def test_what_says_nothing_places_nothing():
    assert place_image(SensorFacts(size=SIZE)) is None
    assert place_image(SensorFacts(size=SIZE, fields=NAMED, gcps=GCPS, gcps_crs="EPSG:4326")) is None
    assert place_image(SensorFacts(size=SIZE, transform=OTHER, crs=LOCAL)) is None


def test_what_is_wrong_is_never_passed_over_for_the_next_best():
    broken = {**IGEOLO, "IGEOLO": IGEOLO["IGEOLO"][:-1] + "x"}
    with pytest.raises(ItemError, match=r"corner of IGEOLO must be"):
        place_image(SensorFacts(size=SIZE, fields=broken, **MAP))
    with pytest.raises(ItemError, match=r"SICD lacks ImageData/NumRows"):
        place_image(SensorFacts(size=SIZE, fields=IGEOLO, des_xml=(sicd().replace(b"NumRows", b"Rows"),), **MAP))


def test_headers_and_sensor_metadata_must_be_of_one_image():
    header = ImageHeader(driver="NITF", levels=(SIZE,), bands=(BandHeader(dtype="uint8"),), block_shape=(8, 8), **MAP)
    facts = all_facts(header, SensorFacts(size=SIZE, fields=IGEOLO))
    assert (facts.transform, facts.crs, facts.fields) == (OTHER, "EPSG:4326", IGEOLO)
    assert not all_facts(header, None).is_nitf
    with pytest.raises(ItemError, match="has 5 rows and 4 columns, the image that is read 400 and 600"):
        all_facts(header, SensorFacts(size=ImageSize(4, 5), fields=IGEOLO))


FULL = SensorFacts(
    size=SIZE,
    fields={**IGEOLO, "OTHER": "x"},
    tres=(RPC_TRE, ("ZZZZZZ", b"1" * 5000), ("RSMPCA", b"2" * 5000), ("BLOCKA", blocka(LOCATIONS, lines=ROWS))),
    file_tres=(("GEOPSB", bytes(range(256))),),
    des_xml=(b"<other/>", sicd()),
)


def test_what_models_are_made_of_is_packed_and_comes_back():
    packed = pack_sensor(FULL)
    again = unpack_sensor(packed, SIZE)

    assert again == needed(FULL)
    assert load_sensor_model(again) == load_sensor_model(FULL)
    assert {tag for tag, _ in again.tres} == {"RPC00B", "RSMPCA", "BLOCKA"}
    assert "RSMPCA: replacement sensor models are not used" in load_sensor_model(again).notes
    assert (again.des_xml, again.file_tres) == ((sicd(),), FULL.file_tres)
    assert len(packed) < len(sicd()) / 2 + 1200


def test_a_product_s_packed_metadata_leave_out_what_it_was_made_of():
    facts = replace(FULL, des_xml=(sicd(), sidd(), sidd()), fields={**NAMED, "IID1": "SIDD002001"})
    again = unpack_sensor(pack_sensor(facts), SIZE)
    assert again.des_xml == (sidd(), sidd())
    assert load_sensor_model(again).kind == "SIDD"


@given(st.binary(max_size=200))
def test_damaged_metadata_is_refused(data):
    with pytest.raises(ItemError, match="packed sensor metadata is damaged"):
        unpack_sensor(data, SIZE)
    packed = bytearray(pack_sensor(FULL))
    for at, byte in enumerate(data[:20]):
        packed[(at * 37 + byte) % len(packed)] ^= byte | 1
    try:
        found = unpack_sensor(bytes(packed), SIZE)
    except ItemError:
        return
    assert isinstance(found, SensorFacts)


def test_metadata_that_unpacks_to_more_than_any_is_refused(monkeypatch):
    monkeypatch.setattr("stacchip_osml.geometry.sensor_packing.UNPACKED", 1 << 16)
    with pytest.raises(LimitError, match="packed sensor metadata of more than 65536 bytes"):
        unpack_sensor(zlib.compress(b" " * (1 << 17)), SIZE)
    with pytest.raises(ItemError, match="is damaged: KeyError"):
        unpack_sensor(zlib.compress(b'{"fields": {}}'), SIZE)


def test_every_kind_of_model_has_a_word():
    assert set(FOOTPRINTS) >= {"affine", "SIDD", "SICD", "RPC00B", "RPC00A", "GCPs", "BLOCKA", "CSCRNA", "IGEOLO"}
    assert isinstance(place_image(FULL).locator, SensorModel)
