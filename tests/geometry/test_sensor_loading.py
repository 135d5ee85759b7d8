"""Which model an image gets, from whom its metadata is taken, and what is said of what is not used."""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import rasterio
from sensor_documents import COLS, ROWS, geometric_chip, sicd, sidd
from sensor_tres import blocka, cscrna, ichipb, rpc_tre

from stacchip_osml.encode.nitf.records import DataExtension, NitfFile, NitfImage, ParentImage, Tre
from stacchip_osml.encode.nitf.write import write_nitf
from stacchip_osml.errors import ChipError, DecodeError, ItemError
from stacchip_osml.geometry import SensorFacts, chip_footprints, load_sensor_model, sensor_facts_of
from stacchip_osml.geometry.nitf_facts import read_nitf_facts
from stacchip_osml.imagery import BufferedImageAssetProvider, GdalImage, read_header
from stacchip_osml.pixel import GridSpec, ImageSize, chip_grid

SIZE = ImageSize(COLS, ROWS)
TRANSFORM = (1e-4, 0, 12.4, 0, -1e-4, 47.95)
IGEOLO = {"ICORDS": "D", "IGEOLO": "+47.910+012.490+47.910+012.510+47.890+012.510+47.890+012.490"}
CORNERS = [(12.49, 47.91, 9.0), (12.51, 47.91, 9.0), (12.51, 47.89, 9.0), (12.49, 47.89, 9.0)]
ALL = {
    "sidd": {"des_xml": (sidd(), sicd(size=(ROWS, COLS)))},
    "sicd": {"des_xml": (b"<other/>", sicd())},
    "rpc b": {"tres": (("RPC00A", rpc_tre("RPC00A")), ("RPC00B", rpc_tre("RPC00B")))},
    "rpc a": {"tres": (("RPC00A", rpc_tre("RPC00A")),)},
    "affine": {"transform": TRANSFORM, "crs": "EPSG:4326"},
    "corners": {"tres": (("CSCRNA", cscrna(CORNERS)),)},
    "igeolo": {"fields": IGEOLO},
}
KINDS = ("SIDD", "SICD", "RPC00B", "RPC00A", "affine", "CSCRNA", "IGEOLO")


def facts(*names: str, **more) -> SensorFacts:
    together: dict = {}
    for name in names:
        for key, value in ALL[name].items():
            together[key] = (
                (*together.get(key, ()), *value) if isinstance(value, tuple) and key != "transform" else value
            )
    return SensorFacts(size=SIZE, **(together | more))


@pytest.mark.parametrize("first", range(len(KINDS)))
def test_the_best_model_that_there_is_is_taken(first):
    model = load_sensor_model(facts(*list(ALL)[first:]))

    assert model.kind == KINDS[first]
    assert np.isfinite(model([10.0], [10.0])).all()


def test_an_image_that_says_nothing_of_its_place_has_no_model():
    assert load_sensor_model(facts()) is None
    assert load_sensor_model(facts(fields={"ICORDS": " ", "IGEOLO": " " * 60})) is None
    assert load_sensor_model(facts(transform=TRANSFORM)) is None
    assert load_sensor_model(SensorFacts(size=ImageSize(1, 200), fields=IGEOLO)) is None  # its corners are two pixels


def test_what_is_there_and_not_used_is_said():
    failed = (("RPC00B", b"0" + rpc_tre("RPC00B")[1:]),)
    rsm = (("RSMPCA", b"x"), ("RSMIDA", b"x"), ("RSMPCA", b"x"))
    other = sicd().replace(b">PFA<", b">OTHER<")

    assert load_sensor_model(facts("igeolo", tres=rsm)).notes == (
        "RSMIDA, RSMPCA: replacement sensor models are not used",
    )
    assert load_sensor_model(facts("igeolo", tres=failed)).notes == (
        "RPC00B says that its fit failed (SUCCESS is not 1)",
    )
    assert "no projection" in load_sensor_model(facts("igeolo", des_xml=(other,))).notes[0]
    unknown = (("RPC00B", rpc_tre("RPC00B")), ("ICHIPB", ichipb((0, 0), (ROWS, COLS), XFRM_FLAG="01")))
    model = load_sensor_model(facts("igeolo", tres=unknown))
    assert model.kind == "IGEOLO"
    assert "ICHIPB does not say where" in model.notes[0]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"tres": (("RPC00B", b"1" + b"x" * 1040),), "fields": IGEOLO}, "RPC00B LINE_OFF must be a number"),
        ({"des_xml": (sicd().replace(b"NumRows", b"Rows"),), "fields": IGEOLO}, "SICD lacks ImageData/NumRows"),
        ({"des_xml": (sicd(size=(50, 60)),)}, "SICD ImageData/NumRows and NumCols say 50 rows and 60 columns"),
        ({"des_xml": (sidd(size=(50, 60)),)}, "SIDD Measurement/PixelFootprint .* say 50 rows and 60 columns"),
        ({"des_xml": (sidd(),), "fields": {"IID1": "SIDD002001"}}, "IID1 'SIDD002001' names product 2 of 1"),
        ({"fields": {"ICORDS": "G", "IGEOLO": "x" * 60}}, "a corner of IGEOLO must be ddmmssXdddmmssY"),
        ({"transform": TRANSFORM, "crs": "EPSG:1"}, "expected a CRS that PROJ knows"),
    ],
)
def test_a_better_model_whose_metadata_is_wrong_is_not_passed_over(given, message):
    with pytest.raises(ItemError, match=message):
        load_sensor_model(facts(**given))


def test_the_product_of_a_segment_is_the_one_that_its_name_says():
    second = sidd(size=(ROWS, COLS)).replace(b">180.25<", b">280.25<")
    one, two = (
        load_sensor_model(facts(des_xml=(sidd(), second), fields={"IID1": name}))
        for name in ("SIDD001001", "SIDD002001")
    )

    np.testing.assert_allclose(one(50.0, 100.0), two(50.0, 200.0), rtol=0, atol=1e-12)


def test_sensor_tres_are_seen_through_the_chip_and_corners_of_the_file_are_its_own():
    chip = ("ICHIPB", ichipb((100, 200), (ROWS, COLS)))
    through = load_sensor_model(facts(tres=(("RPC00B", rpc_tre("RPC00B")), chip)))
    whole = load_sensor_model(facts("rpc b"))

    np.testing.assert_allclose(through([3.0], [4.0]), whole([203.0], [104.0]), rtol=0, atol=1e-12)
    corners = load_sensor_model(facts(tres=(("CSCRNA", cscrna(CORNERS)), chip)))
    np.testing.assert_allclose(corners(-200 + 0.5, -100 + 0.5), CORNERS[0][:2], rtol=0, atol=1e-9)  # of the full image
    np.testing.assert_allclose(corners(4019.5 - 200, 3999.5 - 100), CORNERS[2][:2], rtol=0, atol=1e-9)
    texts = [f"{lat:+010.6f}{lon:+011.6f}" for lon, lat, _ in (*CORNERS[1:], CORNERS[0])]
    own = load_sensor_model(facts(tres=(("BLOCKA", blocka(texts, lines=ROWS)), chip)))
    np.testing.assert_allclose(own(0.5, 0.5), CORNERS[0][:2], rtol=0, atol=1e-9)


def test_footprints_are_made_of_any_model():
    model = load_sensor_model(facts("sicd"))
    found = chip_footprints(chip_grid(SIZE, GridSpec(size=ImageSize(100, 100), stride=ImageSize(100, 100))), model)

    assert len(found) == 24
    assert found.approximate
    assert np.isfinite(found.bbox).all()


# --- where facts come from ------------------------------------------------------------------------------------------


def write(path, **options) -> str:
    profile = {"driver": "NITF", "width": 30, "height": 20, "count": 1, "dtype": "uint8"}
    with rasterio.open(path, "w", **profile, **options) as file:
        file.write(np.zeros((1, 20, 30), np.uint8))
    return str(path)


def test_the_facts_of_a_file_are_read_from_its_bytes(tmp_path):
    path = write(tmp_path / "a.ntf", TRE=f"RPC00B={rpc_tre('RPC00B').decode()}", ICORDS="D", IGEOLO=IGEOLO["IGEOLO"])
    found = sensor_facts_of(path)

    assert found.size == ImageSize(30, 20)
    assert found.tres == (("RPC00B", rpc_tre("RPC00B")),)
    assert (found.fields["ICORDS"], found.fields["IGEOLO"]) == ("D", IGEOLO["IGEOLO"])
    for source in (path, tmp_path / "a.ntf", GdalImage(path), found):
        assert load_sensor_model(source).kind == "RPC00B"


def test_a_geotiff_s_facts_are_its_header_s(tmp_path):
    with rasterio.open(
        tmp_path / "a.tif", "w", driver="GTiff", width=30, height=20, count=1, dtype="uint8", crs="EPSG:32633",
        transform=rasterio.Affine(10, 0, 3e5, 0, -10, 5e6),
    ) as file:  # fmt: skip
        file.write(np.zeros((1, 20, 30), np.uint8))
    model = load_sensor_model(tmp_path / "a.tif")

    assert model.kind == "affine"
    assert load_sensor_model(read_header(str(tmp_path / "a.tif"))) == model


def pixels(width: int, height: int) -> BufferedImageAssetProvider:
    provider = BufferedImageAssetProvider.create(
        key="image:0",
        num_columns=width,
        num_rows=height,
        num_bands=1,
        pixel_type=np.uint8,
        block_width=64,
        block_height=64,
    )
    for row, col in np.ndindex(*provider.block_grid_size):
        provider.set_block(row, col, np.zeros((1, min(64, height - 64 * row), min(64, width - 64 * col)), np.uint8))
    return provider


def test_tres_that_overflowed_are_found_and_those_of_other_images_are_not(tmp_path):
    long = tuple(Tre(f"ZZZZZ{n}", b" " * 99_000) for n in range(2))
    first = NitfImage(pixels=pixels(30, 20), fields=IGEOLO, tres=(*long, Tre("RPC00A", rpc_tre("RPC00A"))))
    second = NitfImage(pixels=pixels(30, 20), fields=IGEOLO, tres=(*long, Tre("RPC00B", rpc_tre("RPC00B"))))
    write_nitf(tmp_path / "over.ntf", NitfFile(images=(first, second)))
    assert (tmp_path / "over.ntf").read_bytes().count(b"TRE_OVERFLOW") == 2

    for index, image in enumerate((first, second)):
        found = sensor_facts_of(tmp_path / "over.ntf", f"image:{index}")
        assert sorted(found.tres) == sorted((tre.tag, tre.data) for tre in image.tres)
    assert load_sensor_model(tmp_path / "over.ntf").kind == "RPC00A"
    assert load_sensor_model(tmp_path / "over.ntf", "1").kind == "RPC00B"


def test_records_of_a_file_and_of_its_images_are_taken():
    plain = NitfImage(pixels=pixels(COLS, ROWS), fields=IGEOLO)
    rpc = NitfImage(pixels=pixels(COLS, ROWS), tres=(Tre("RPC00B", rpc_tre("RPC00B")),))
    file = NitfFile(images=(plain, rpc))

    assert load_sensor_model(file).kind == "IGEOLO"
    assert load_sensor_model(file, "image:1").kind == "RPC00B"
    assert load_sensor_model(ParentImage(file=file, index=1)).kind == "RPC00B"
    xml = DataExtension(fields={"DESID": "XML_DATA_CONTENT"}, data=sicd())
    assert load_sensor_model(NitfFile(images=(plain,), extensions=(xml,))).kind == "SICD"
    with pytest.raises(ItemError, match="has 2 images, none with number 5"):
        load_sensor_model(file, "image:5")
    with pytest.raises(ItemError, match="expected the number of an image, such as image:0, got 'first'"):
        load_sensor_model(file, "first")


@dataclass
class Reader:
    facts: SensorFacts

    def sensor_facts(self, asset_key: str | None = None) -> SensorFacts:
        assert asset_key == "image:0"
        return self.facts


def test_whoever_tells_facts_is_asked():
    assert load_sensor_model(Reader(facts("affine")), "image:0").kind == "affine"
    with pytest.raises(TypeError, match=r"source must be sensor facts, an image, .* or a NITF record, got int"):
        load_sensor_model(7)


def test_a_chip_of_a_sidd_file_is_seen_where_it_lies():
    chip = geometric_chip((50, 60), [(100, 100), (100, 159), (149, 100), (149, 159)])
    model = load_sensor_model(SensorFacts(size=ImageSize(60, 50), des_xml=(sidd(chip=chip),)))

    np.testing.assert_allclose(model(10, 20), load_sensor_model(facts("sidd"))(110, 120), rtol=0, atol=1e-12)


def test_real_files_have_the_models_that_their_metadata_says(real_data):
    expected = {
        "nitf/shareloc__wv3_20.NTF": "RPC00B",
        "nitf/imaging-nitf__GHSarNITF21_good.ntf": "BLOCKA",
        "nitf/imaging-nitf__i_3004g.ntf": "IGEOLO",
        "sicd_sidd/six-library__cropped_sicd_040.nitf": "SICD",
        "sicd_sidd/six-library__cropped_sicd_120.nitf": "SICD",
        "sicd_sidd/gdal__sar_sicd.ntf": "SICD",
        "sicd_sidd/six-library__cropped_sidd.nitf": "SIDD",
    }
    for name, kind in expected.items():
        found = sensor_facts_of(real_data / name)
        model = load_sensor_model(found)
        cols, rows = np.array([0.0, found.size.width / 3]), np.array([0.0, found.size.height / 2])

        assert model.kind == kind
        back = model.world_to_image(*model.image_to_world(cols, rows))
        np.testing.assert_allclose(back, [cols, rows], rtol=0, atol=1e-6)


# --- bad input ------------------------------------------------------------------------------------------------------


def test_files_cut_anywhere_or_with_bytes_changed_are_refused_or_read(tmp_path):
    path = write(tmp_path / "a.ntf", TRE=f"RPC00B={rpc_tre('RPC00B').decode()}", ICORDS="D", IGEOLO=IGEOLO["IGEOLO"])
    data = Path(path).read_bytes()
    random = np.random.default_rng(1)
    cases = [data[:end] for end in (0, 8, 100, 360, 400, 700, 900, 2000)]
    for _ in range(300):
        broken = bytearray(data)
        for at in random.integers(0, 2100, 2):
            broken[at] = random.integers(0, 256)
        cases.append(bytes(broken))
    outcomes = set()
    for case in cases:
        try:
            model = load_sensor_model(read_nitf_facts(lambda at, size, case=case: case[at : at + size], name="a.ntf"))
        except ChipError as error:
            outcomes.add(type(error))
        else:
            outcomes.add(None if model is None else model.kind)

    assert {ItemError, DecodeError, "RPC00B", "IGEOLO"} <= outcomes | {"IGEOLO"}


@pytest.mark.parametrize("field", ["HL", "NUMI", "NROWS", "NBANDS", "IXSHDL", "CEL of RPC00B"])
def test_a_count_that_is_no_number_is_refused_by_its_name(tmp_path, field):
    path = write(tmp_path / "a.ntf", TRE=f"RPC00B={rpc_tre('RPC00B').decode()}", ICORDS="D", IGEOLO=IGEOLO["IGEOLO"])
    data = bytearray(Path(path).read_bytes())
    begin = int(data[354:360])
    nbands = begin + 333 + 38 + 61 + 1 + 2
    udidl = nbands + 1 + 13 + 1 + 1 + 16 + 2 + 3 + 3 + 10 + 4
    tre = data.index(b"RPC00B")
    places = dict(zip(("HL", "NUMI", "NROWS", "NBANDS", "IXSHDL", "CEL of RPC00B"),
                      (354, 360, begin + 333, nbands, udidl + 5, tre + 6), strict=True))  # fmt: skip
    assert all(a < b for a, b in pairwise(places.values()))
    data[places[field]] = ord("x")

    with pytest.raises(ItemError, match=f"a.ntf: {field} must be"):
        read_nitf_facts(lambda at, size: bytes(data[at : at + size]), name="a.ntf")


@pytest.mark.parametrize(
    ("change", "fault", "message"),
    [
        (
            lambda data: data.replace(b"RPC00B01041", b"RPC00B01042"),
            ItemError,
            "'RPC00B' of 1042 bytes leaves its area",
        ),
        (lambda data: data.replace(b"01055000RPC00B", b"99999000RPC00B"), ItemError, "a.ntf: .*ends where 99999 bytes"),
        (lambda data: data.replace(b"01055000RPC00B", b"01060000RPC00B"), ItemError, "no TRE at byte 1052"),
        (lambda data: data[:1900], DecodeError, "a.ntf: ends where"),
    ],
)
def test_what_is_wrong_within_a_header_is_its_image_s_fault_and_a_file_that_ends_there_is_damaged(
    tmp_path, change, fault, message
):
    path = write(tmp_path / "a.ntf", TRE=f"RPC00B={rpc_tre('RPC00B').decode()}", ICORDS="D", IGEOLO=IGEOLO["IGEOLO"])
    data = change(Path(path).read_bytes())
    assert data != Path(path).read_bytes()

    with pytest.raises(fault, match=message) as caught:
        read_nitf_facts(lambda at, size: data[at : at + size], name="a.ntf")
    assert isinstance(caught.value, fault)
