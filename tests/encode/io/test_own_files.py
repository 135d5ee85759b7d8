"""Files of registered readers through every door: described, converted, chipped and written like any other."""

import io

import numpy as np
import pytest

from stacchip_osml import ImageSize
from stacchip_osml.encode import IO, ChipFactory, imsave, write_tiff
from stacchip_osml.encode.io.converting import convert
from stacchip_osml.encode.io.converting_part import Part, convert_part
from stacchip_osml.encode.io.informing import image_info
from stacchip_osml.encode.nitf.records import NitfFile, NitfImage
from stacchip_osml.encode.nitf.write import write_nitf
from stacchip_osml.errors import DecodeError, EncodeError
from stacchip_osml.geometry import load_sensor_model
from stacchip_osml.imagery import BandHeader, ImageHeader, register_reader
from stacchip_osml.imagery.providers.own_readers import READERS
from stacchip_osml.imagery.windows.reader import WindowReader
from stacchip_osml.pixel import PixelWindow

PIXELS = np.arange(3 * 70 * 90, dtype=np.uint16).reshape(3, 70, 90)
WHOLE = PixelWindow(0, 0, 90, 70)


class NumpyFile:
    num_pixels_per_block_horizontal = num_pixels_per_block_vertical = 32
    num_resolution_levels = 2
    description = "a field"

    def __init__(self, path):
        self.pixels = np.load(path)
        self.num_bands, self.num_rows, self.num_columns = self.pixels.shape
        self.pixel_value_type = self.pixels.dtype.name
        self.metadata = {"gain": np.float32(1.5), "FLAGS": np.array([1, 2]), 7: np.array(2j)}
        self.header = ImageHeader(
            driver="npy",
            levels=(ImageSize(90, 70), ImageSize(45, 35)),
            bands=tuple(BandHeader(dtype="uint16", nodata=5, description=name) for name in ("red", "nir", "swir")),
            block_shape=(32, 32),
            transform=(10.0, 0.0, 500_000.0, 0.0, -10.0, 5_400_000.0),
            crs="EPSG:32632",
        )

    def get_block(self, row, col, level=0, bands=None):
        step = 32 >> level
        chosen = slice(None) if bands is None else list(bands)
        part = self.pixels[:, :: 1 << level, :: 1 << level]
        return part[chosen, row * step : (row + 1) * step, col * step : (col + 1) * step]


@pytest.fixture
def known():
    before = dict(READERS)

    def register(reader=NumpyFile):
        READERS.clear()
        return register_reader("npy", reader, begins=b"\x93NUMPY")

    yield register
    READERS.clear()
    READERS.update(before)


@pytest.fixture
def scene(tmp_path, known):
    known()
    np.save(tmp_path / "scene.npy", PIXELS)
    return tmp_path / "scene.npy"


def pixels_of(image):
    return WindowReader.of(image).read(WHOLE).pixels


def test_a_dataset_has_its_image_by_path_by_name_and_from_an_open_file(scene):
    for dataset in (IO.open(scene), IO.open(scene, format="npy"), IO.open(scene.open("rb"))):
        with dataset:
            image = dataset.get_asset("image:0")
            assert dataset.format == "npy"
            assert (dataset.get_asset_keys(), image.media_type) == (["image:0"], "application/x-npy")
            assert (image.description, image.metadata["gain"], image.num_resolution_levels) == ("a field", 1.5, 2)
            assert (pixels_of(image) == PIXELS).all()
            assert load_sensor_model(image) is not None
    imsave(scene.with_suffix(".tif"), PIXELS)
    with pytest.raises(DecodeError, match=r"scene.tif: is no npy, its first bytes are those of tiff"):
        IO.open(scene.with_suffix(".tif"), format="npy")
    with pytest.raises(DecodeError, match=r"scene.npy: is no png, its first bytes are those of npy"):
        IO.open(scene, format="png")
    with pytest.raises(EncodeError, match="unknown format 'npy'"):
        IO.open(scene, "w", format="npy")


def test_info_tells_of_it_what_it_tells_of_others(scene):
    found = image_info(scene)
    (image,) = found["images"]

    assert (found["format"], found["assets"]) == ("npy", ["image:0"])
    assert (image["width"], image["height"], image["bands"], image["dtype"]) == (90, 70, 3, "uint16")
    assert [(level["width"], level["block_width"], level["read_by"]) for level in image["levels"]] == [
        (90, 32, "reader/npy"),
        (45, 32, "reader/npy"),
    ]
    assert (image["crs"], image["placed_by"], image["mask"]) == ("EPSG:32632", "projected", "nodata")
    assert image["band_facts"][1] == {
        **{"description": "nir", "color": "undefined", "nodata": 5, "scale": 1.0, "offset": 0.0}
    }
    assert image["metadata"] == {"gain": 1.5, "FLAGS": [1, 2], "7": "2j"}


@pytest.mark.parametrize("name", ["a.tif", "a.ntf", "a.nsf", "a.jp2", "a.j2k"])
def test_a_converted_file_has_its_pixels_and_its_place(scene, name):
    target = scene.parent / name
    done = convert(scene, target)
    part = convert_part(scene, target.with_stem("part"), Part(window=(10, 20, 30, 40), bands=(2, 0)))

    assert (done.source_format, part.source_format) == ("npy", "npy")
    assert convert(scene, target, dry_run=True) == done
    image = IO.open(target).get_asset("image:0")
    assert (pixels_of(image) == PIXELS).all()
    cut = IO.open(target.with_stem("part")).get_asset("image:0")
    assert (WindowReader.of(cut).read(PixelWindow(0, 0, 30, 40)).pixels == PIXELS[[2, 0], 20:60, 10:40]).all()
    if name == "a.tif":
        header = image.source.header
        assert (header.crs, header.transform[2], [band.nodata for band in header.bands]) == ("EPSG:32632", 5e5, [5] * 3)
        assert [band.description for band in header.bands] == ["red", "nir", "swir"]
    assert ("its place on the ground" in done.left_out) == (name == "a.j2k")


def test_its_image_is_given_to_writers_and_chipped(scene, tmp_path):
    image = IO.open(scene).get_asset("image:0")
    write_tiff(tmp_path / "a.tif", image)
    imsave(tmp_path / "b.tif", pixels_of(image))
    nitf = io.BytesIO()
    write_nitf(nitf, NitfFile(images=(NitfImage(pixels=image),)))
    (tmp_path / "c.ntf").write_bytes(nitf.getvalue())
    for name in ("d.tif", "d.ntf"):
        with IO.open(tmp_path / name, "w") as writer:
            writer.add_asset("image:0", image)

    for name in ("a.tif", "b.tif", "c.ntf", "d.tif", "d.ntf"):
        assert (pixels_of(IO.open(tmp_path / name).get_asset("image:0")) == PIXELS).all()
    factory = ChipFactory(image, output_format="geotiff")
    (tmp_path / "chip.tif").write_bytes(factory.create_chip((10, 20, 30, 40)))
    chip = IO.open(tmp_path / "chip.tif").get_asset("image:0").source
    assert (factory.read_chip((10, 20, 30, 40)).pixels == PIXELS[:, 20:60, 10:40]).all()
    assert (chip.header.crs, chip.header.transform[2]) == ("EPSG:32632", 500_100)


def fails(self, *_, **__):
    raise KeyError("dataset")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"__init__": fails}, "KeyError: 'dataset'"),
        ({"metadata": property(fails, lambda *_: None)}, "KeyError: 'dataset'"),
        ({"metadata": property(lambda self: 7, lambda *_: None)}, "TypeError"),
        ({"num_rows": property(fails, lambda *_: None)}, "KeyError: 'dataset'"),
        ({"num_resolution_levels": 1}, "its header says"),
    ],
)
def test_what_a_reader_fails_to_say_is_an_error_with_its_name_at_every_door(scene, known, tmp_path, changed, message):
    known(type("Broken", (NumpyFile,), changed))
    for ask in (image_info, lambda path: convert(path, tmp_path / "a.tif")):
        with pytest.raises(DecodeError, match=rf"scene.npy: reader 'npy' failed.*{message}"):
            _ = ask(scene)
    assert not (tmp_path / "a.tif").exists()


def wrong_type(self, *_, **__):
    return np.zeros((3, 32, 32), np.uint8)


def out_of_range(self, *_, **__):
    return self.pixels.tolist()[7]


@pytest.mark.parametrize(
    ("get_block", "message"),
    [(fails, "KeyError: 'dataset'"), (wrong_type, "is uint8, not uint16"), (out_of_range, "IndexError: list index")],
)
def test_a_block_that_it_fails_to_give_is_an_error_with_its_name(scene, known, tmp_path, get_block, message):
    known(type("Broken", (NumpyFile,), {"get_block": get_block}))
    image = IO.open(scene).get_asset("image:0")
    doors = (
        lambda: convert(scene, tmp_path / "a.tif"),
        lambda: write_tiff(tmp_path / "a.tif", image),
        lambda: ChipFactory(image, output_format="png").create_chip((0, 0, 8, 8)),
        lambda: image.get_block(0, 0),
    )
    for ask in doors:
        with pytest.raises(DecodeError, match=f"scene.npy: reader 'npy' failed.*{message}"):
            ask()
    with pytest.raises(IndexError, match="bands"):
        image.get_block(0, 0, bands=[3])
    assert not (tmp_path / "a.tif").exists()
