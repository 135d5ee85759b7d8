"""Datasets written and read: providers of any kind, keys, failures, R-sets, texts and data."""

import io
import warnings
from pathlib import Path

import numpy as np
import pytest
from io_scenes import Lazy, gdal_read, provider_of, scene

from stacchip_osml.encode import (
    IO,
    AssetType,
    BufferedDataAssetProvider,
    BufferedImageAssetProvider,
    BufferedMetadataProvider,
    BufferedTextAssetProvider,
    ChipFactory,
    PixelType,
    imsave,
)
from stacchip_osml.encode.io.checked import REQUIRED
from stacchip_osml.errors import AssetMissing, DecodeError, EncodeError, ProviderError
from stacchip_osml.imagery import read_window

FORMATS = ("tif", "ntf", "nsf", "png", "jp2", "j2k", "jph", "jhc")


def write(writer, *assets):
    with writer:
        for key, asset in assets:
            writer.add_asset(key, asset)


def pixels_of(path, key="image:0"):
    with IO.open(path) as dataset:
        image = dataset.get_asset(key)
    return read_window(image, (0, 0, image.num_columns, image.num_rows))


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("workers", [1, 3])
def test_a_duck_typed_provider_is_written_block_by_block(tmp_path, ending, workers):
    source = Lazy(700, 900)
    path = tmp_path / f"lazy.{ending}"

    with IO.open([path], "w", workers=workers) as writer:
        writer.add_asset("image:0", source, "Lazy", "made when asked for", ["data"])
        assert source.asked == []

    assert len(source.asked) == len(set(source.asked)) == 12  # each block once
    if ending not in {"jph", "jhc"}:
        assert np.array_equal(gdal_read(path.read_bytes())[0], source.pixels())
    assert np.array_equal(pixels_of(path), source.pixels())


@pytest.mark.parametrize(("rows", "cols"), [(6000, 200), (6000, 300), (600, 3000)])
@pytest.mark.parametrize("ending", ["tif", "ntf", "png", "jph"])
def test_each_block_is_asked_for_once_however_wide_the_image_is(tmp_path, ending, rows, cols):
    source = Lazy(rows, cols)

    with IO.open([tmp_path / f"lazy.{ending}"], "w", workers=2) as writer:
        writer.add_asset("image:0", source, "Lazy", "made when asked for", ["data"])

    assert len(source.asked) == len(set(source.asked))


@pytest.mark.parametrize("name", REQUIRED)
def test_a_missing_attribute_is_a_type_error_that_names_it(tmp_path, name):
    source = {each: getattr(Lazy(10, 10), each) for each in REQUIRED if each != name}

    with pytest.raises(TypeError, match=f"it has no {name} "), IO.open(tmp_path / "a.tif", "w") as writer:
        writer.add_asset("image:0", type("Duck", (), source)())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["num_rows", "num_columns", "num_bands"])
def test_an_image_without_pixels_is_refused_when_it_is_added(tmp_path, name):
    source = Lazy(10, 10)
    setattr(source, name, 0)

    with pytest.raises(EncodeError, match=f"{name} is 0; an image has at least 1"):
        IO.open(tmp_path / "a.tif", "w").add_asset("image:0", source)


@pytest.mark.parametrize("ending", FORMATS)
def test_a_provider_that_raises_is_told_with_its_cause_and_leaves_the_old_file(tmp_path, ending):
    class Broken(Lazy):
        def get_block(self, block_row, block_col, resolution_level, bands=None):
            if (block_row, block_col) == (1, 1):
                raise KeyError("tape is torn")
            return super().get_block(block_row, block_col, resolution_level)

    path = tmp_path / f"a.{ending}"
    path.write_bytes(b"the old file")
    with pytest.raises(ProviderError, match="tape is torn") as told, IO.open(path, "w") as writer:
        writer.add_asset("image:0", Broken(700, 700))
    assert isinstance(told.value, RuntimeError)
    assert isinstance(told.value.__cause__, KeyError)
    assert path.read_bytes() == b"the old file"
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_an_array_is_no_provider_and_the_message_names_what_makes_one(tmp_path):
    with pytest.raises(TypeError, match=r"an array .* BufferedImageAssetProvider\.from_array makes one"):
        write(IO.open(tmp_path / "a.tif", "w"), ("image:0", np.zeros((1, 8, 8), np.uint8)))


def test_a_block_raised_in_the_with_leaves_nothing(tmp_path):
    writer = IO.open(tmp_path / "a.tif", "w")
    with pytest.raises(TypeError, match="is no image provider"):
        write(writer, ("image:0", provider_of(scene())), ("image:1", "mine"))
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(EncodeError, match="the dataset is closed"):
        writer.add_asset("image:1", provider_of(scene()))


def test_a_buffer_is_written_where_it_stands_and_cut_back_by_a_failure():
    out = io.BytesIO(b"before")
    out.seek(6)
    with pytest.raises(EncodeError, match="float32"), IO.open(out, "w", "png") as writer:
        writer.add_asset("image:0", provider_of(scene(kind="float32")))
    assert out.getvalue() == b"before"

    with IO.open(out, "w", "png") as writer:
        writer.add_asset("image:0", provider_of(scene()))
    assert np.array_equal(gdal_read(out.getvalue()[6:])[0], scene())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.ntf", "nitf"), ("a.nitf", "nitf"), ("a.NTF", "nitf"), ("a.ntf.r1", "nitf"),
        ("a.nsf", "nsif"), ("a.nsif", "nsif"), ("a.nsif.r12", "nsif"),
        ("a.tif", "tiff"), ("a.tiff", "tiff"), ("a.gtif", "tiff"), ("a.gtiff", "tiff"), ("a.tif.r2", "tiff"),
        ("a.png", "png"), ("a.j2k", "j2k"), ("a.jpc", "j2k"), ("a.jp2", "jp2"), ("a.jpg", "jpeg"), ("a.jpeg", "jpeg"),
    ],
)  # fmt: skip
def test_the_ending_says_the_format(name, expected):
    assert IO.open(name, "w").format == expected


@pytest.mark.parametrize("kind", ["nitf", "nsif", "tiff", "png", "j2k", "jp2", "jhc", "jph", "jpeg"])
def test_the_first_bytes_say_the_format_that_was_written(kind):
    out = io.BytesIO()
    imsave(out, scene(), format=kind)

    out.seek(0)
    assert IO.open(out).format == kind


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("nitf", "nitf21", "nitf2.1", "NITF"), "nitf"),
        (("nsif", "nsif10", "nsif1.0"), "nsif"),
        (("tiff", "tif", "geotiff", "gtiff", "GeoTIFF"), "tiff"),
        (("png",), "png"),
        (("j2k",), "j2k"),
        (("jp2",), "jp2"),
        (("jpeg", "jpg"), "jpeg"),
    ],
)
def test_a_format_named_wins_over_the_ending(names, expected):
    assert {IO.open("a.tif", "w", name).format for name in names} == {expected}


@pytest.mark.parametrize(
    ("paths", "mode", "kind", "message"),
    [
        ("a.xyz", "w", None, "no format is known by the ending '.xyz'; give format="),
        ("a", "w", None, "no format is known by the ending ''"),
        ("a.tif", "w", "bmp", "unknown format 'bmp'; choose one of nitf, nitf21"),
        ("a.tif", "a", None, "mode is 'r' or 'w', got 'a'"),
        ([], "w", None, "no path to open"),
        (["a.ntf", "b.ntf"], "w", None, "files after the first are an R-set's levels"),
        (["a.ntf", "a.ntf.r2", "a.ntf.r1"], "w", None, "come in the order of their numbers, after .r2"),
        ("s3://bucket/a.tif", "w", None, "s3:// is not written to"),
    ],
)
def test_wrong_arguments_are_value_errors_that_say_what_to_do(paths, mode, kind, message):
    with pytest.raises(ValueError, match=message):
        IO.open(paths, mode, kind)


def test_other_things_than_paths_are_type_errors():
    with pytest.raises(TypeError, match="paths are a path or a list of them, not a int"):
        IO.open(42)
    with pytest.raises(TypeError, match="paths are a path or a list of them, not a bytes"):
        IO.open(b"a.ntf", "w")
    with pytest.raises(TypeError, match="a target is a path or a binary file"):
        IO.open([42], "w", "tif")


def test_assets_are_found_by_key_kind_and_role(tmp_path):
    path = tmp_path / "a.ntf"
    with IO.open(path, "w") as writer:
        writer.metadata = BufferedMetadataProvider({"FTITLE": "A FILE"})
        writer.add_asset("first", provider_of(scene()), title="First", description="RGB", roles=["data"])
        writer.add_asset("second", provider_of(scene(1, 50, 60, "float32"), metadata={"IC": "NC", "IID1": "SECOND"}))
        writer.add_asset("note", BufferedTextAssetProvider.create("note", "line 1\nline 2 é"), title="A note")
        xml = BufferedDataAssetProvider.create(
            "xml", b"<a/>", "application/xml", metadata={"DESID": "XML_DATA_CONTENT", "DESVER": "01"}
        )
        writer.add_asset("xml", xml)
        with pytest.raises(EncodeError, match="first: there is an asset of that key already"):
            writer.add_asset("first", provider_of(scene()))

    with IO.open(path, "r") as dataset:
        assert dataset.get_asset_keys() == ["image:0", "image:1", "text:0", "des:0"]
        assert dataset.get_asset_keys(asset_type=AssetType.Image) == ["image:0", "image:1"]
        assert dataset.get_asset_keys(asset_type="text") == ["text:0"]
        assert dataset.get_asset_keys(roles=["overview"]) == []
        assert dataset.metadata["FTITLE"] == "A FILE"
        first, second = dataset.get_asset("image:0"), dataset.get_asset("image:1")
        assert (first.title, first.description, first.asset_type) == ("First", "RGB", AssetType.Image)
        assert first.pixel_value_type is PixelType.UInt8
        assert np.dtype(first.pixel_value_type.to_numpy_dtype()) == np.uint8
        assert second.metadata["IID1"] == "SECOND"
        text, data = dataset.get_asset("text:0"), dataset.get_asset("des:0")
        assert (text.text, text.encoding, text.format, text.title) == ("line 1\r\nline 2 é", "UTF-8", "U8S", "A note")
        assert (data.raw_asset.read(), data.mime_type) == (b"<a/>", "application/xml")
        with pytest.raises(KeyError, match="no asset 'image:7'; there are image:0, image:1, text:0, des:0"):
            dataset.get_asset("image:7")
    with pytest.raises(ValueError, match="the dataset is closed"):
        dataset.get_asset("image:0")
    assert np.array_equal(read_window(second, (0, 0, 60, 50)), scene(1, 50, 60, "float32"))  # outlives the dataset


@pytest.mark.parametrize("ending", ["ntf", "tif"])
def test_an_rset_is_one_file_a_level(tmp_path, ending):
    paths = [tmp_path / f"output.{ending}{suffix}" for suffix in ("", ".r1", ".r2")]
    levels = [scene(3, 512 >> level, 400 >> level) for level in range(3)]

    with IO.open(paths, "w") as writer:
        writer.add_asset("image:0", provider_of(levels[0]), "Full", "Base", ["data"])
        writer.add_asset("image:0:overview:2", provider_of(levels[2]), "O2", "4x", ["overview"])
        writer.add_asset("image:0:overview:1", provider_of(levels[1]), "O1", "2x", ["overview"])

    for path, level in zip(paths, levels, strict=True):
        assert np.array_equal(gdal_read(path.read_bytes())[0], level)
    with IO.open(paths) as dataset:
        keys = dataset.get_asset_keys(asset_type=AssetType.Image)
        sizes = [(dataset.get_asset(key).num_rows, dataset.get_asset(key).num_columns) for key in keys]
        assert keys == ["image:0", "image:0:overview:1", "image:0:overview:2"]
        assert sizes == [(512, 400), (256, 200), (128, 100)]
        assert dataset.get_asset_keys(roles=["overview"]) == keys[1:]


def test_an_rset_appears_whole_or_not_at_all(tmp_path):
    paths = [tmp_path / f"a.ntf{suffix}" for suffix in ("", ".r1")]
    base, level = ("image:0", provider_of(scene())), ("image:0:overview:2", provider_of(scene()))
    with pytest.raises(EncodeError, match=r"nothing was added for the R-set's file \.r1"):
        write(IO.open(paths, "w"), base)
    with pytest.raises(EncodeError, match=r"this R-set has files \.r1, none for level 2"):
        write(IO.open(paths, "w"), base, level)
    with pytest.raises(EncodeError, match="float16"):
        write(IO.open(paths, "w"), base, ("image:0:overview:1", provider_of(scene(kind="float16"))))
    with pytest.raises(EncodeError, match="the base file of this R-set has no image"):
        write(IO.open(paths, "w"), ("image:0:overview:1", provider_of(scene())))
    assert list(tmp_path.iterdir()) == []


def test_overviews_of_a_tiff_are_levels_of_its_file(tmp_path):
    path = tmp_path / "cog.tif"
    levels = [scene(3, 512 >> level, 512 >> level) for level in range(3)]
    with IO.open(path, "w", "tiff") as writer:
        writer.add_asset("image:0", provider_of(levels[0], metadata={"GeoTransform": "[0, 1, 0, 9, 0, -1]"}))
        writer.add_asset("image:0:overview:1", provider_of(levels[1]), roles=["overview"])
        writer.add_asset("image:0:overview:2", provider_of(levels[2]))  # the key says it

    pixels, facts = gdal_read(path.read_bytes())
    assert np.array_equal(pixels, levels[0])
    assert facts["overviews"] == [2, 4]
    assert facts["transform"] == (1.0, 0.0, 0.0, 0.0, -1.0, 9.0)
    for level, expected in enumerate(levels[1:], 1):
        assert np.array_equal(pixels_of(path, f"image:0:overview:{level}"), expected)


@pytest.mark.parametrize("ending", ["png", "jpg", "jp2", "tif"])
def test_formats_of_one_image_refuse_more(tmp_path, ending):
    with pytest.raises(EncodeError, match=r"holds one image"):
        write(
            IO.open(tmp_path / f"a.{ending}", "w"), ("image:0", provider_of(scene())), ("image:1", provider_of(scene()))
        )
    with pytest.raises(EncodeError, match="no text"), IO.open(tmp_path / f"a.{ending}", "w") as writer:
        writer.add_asset("t", BufferedTextAssetProvider.create("t", "text"))
    with pytest.raises(EncodeError, match="without an asset"), IO.open(tmp_path / f"a.{ending}", "w"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_blocks_that_are_not_set_stay_unset_in_nitf(tmp_path):
    sparse = provider_of(scene(1, 512, 512), metadata={"IC": "NM"})
    sparse = type(sparse).create("sparse", 512, 512, 1, 256, 256, "uint8", metadata={"IC": "NM"})
    sparse.set_block(0, 1, scene(1, 256, 256))
    with IO.open(tmp_path / "a.ntf", "w") as writer:
        writer.add_asset("image:0", sparse)

    with IO.open(tmp_path / "a.ntf") as dataset:
        image = dataset.get_asset("image:0")
        assert [[image.has_block(row, col) for col in (0, 1)] for row in (0, 1)] == [[False, True], [False, False]]
        assert np.array_equal(image.get_block(0, 1), scene(1, 256, 256))


def test_reading_tells_what_a_file_is_not(tmp_path):
    imsave(tmp_path / "a.tif", scene())
    (tmp_path / "text.ntf").write_text("hello")

    with pytest.raises(DecodeError, match=r"a.tif: is no nitf, its first bytes are those of tiff"):
        IO.open(tmp_path / "a.tif", "r", "nitf")
    with pytest.raises(DecodeError, match="those of no image format"):
        IO.open(tmp_path / "text.ntf")
    with pytest.raises(AssetMissing, match=r"none.ntf"):
        IO.open(tmp_path / "none.ntf")
    assert IO.open(f"file://{tmp_path}/a.tif").format == "tiff"


def test_bytes_in_memory_are_read_and_their_file_goes_with_the_dataset(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    out = io.BytesIO()
    imsave(out, scene(), format="tif")
    out.seek(0)

    with IO.open(out) as dataset:
        assert np.array_equal(dataset.get_asset("image:0").get_block(0, 0), scene()[:, :256])
        assert len(list(tmp_path.iterdir())) == 1
    assert list(tmp_path.iterdir()) == []


def test_threads_of_the_caller_see_no_warning(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with IO.open(tmp_path / "a.jp2", "w") as writer:
            writer.add_asset("image:0", provider_of(scene(), metadata={"COMRAT": "01.0"}))
    assert (tmp_path / "a.jp2").stat().st_size == pytest.approx(scene().size / 8, rel=0.2)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("0000", r"image:0: COMRAT of JPEG 2000 is above 0"),
        ("best", r"image:0: COMRAT of JPEG 2000 is Nxyz, .* 'best'"),
    ],
)
def test_a_rate_that_is_none_is_refused_by_name(tmp_path, said, message):
    with pytest.raises(EncodeError, match=message), IO.open(tmp_path / "a.jp2", "w") as writer:
        writer.add_asset("image:0", provider_of(scene(), metadata={"COMRAT": said}))


def test_the_files_of_an_rset_appear_in_order_the_base_first(tmp_path, monkeypatch):
    appeared = []
    real = Path.replace
    monkeypatch.setattr(Path, "replace", lambda self, target: (appeared.append(target.name), real(self, target))[1])
    paths = [tmp_path / name for name in ("a.ntf", "a.ntf.r1", "a.ntf.r2")]

    with IO.open(paths, "w") as writer:
        for number, key in enumerate(("image:0", "image:0:overview:1", "image:0:overview:2")):
            pixels = np.zeros((1, 64 >> number, 64 >> number), np.uint8)
            writer.add_asset(key, BufferedImageAssetProvider.from_array(pixels))

    assert appeared == ["a.ntf", "a.ntf.r1", "a.ntf.r2"]


def test_an_image_of_a_nitf_file_that_says_no_name_has_the_files(tmp_path):
    path = tmp_path / "scene.ntf"
    for fields, title in (({}, "scene.ntf"), ({"IID1": "FIRST"}, "FIRST"), ({"IID2": "second"}, "second")):
        with IO.open(path, "w") as writer:
            writer.add_asset("image:0", provider_of(scene(), metadata=fields))

        with IO.open(path) as dataset:
            image = dataset.get_asset("image:0")
            assert image.title == title
            chip = ChipFactory(image, output_format="nitf").create_chip((0, 0, 8, 8))
        with IO.open(io.BytesIO(chip)) as cut:
            assert cut.get_asset("image:0").metadata["ICOM1"] == f"Chip of {title}"


def test_datasets_say_what_they_hold(tmp_path):
    writer = IO.open(tmp_path / "two.ntf", "w")
    assert repr(writer) == "DatasetWriter(nitf: no assets yet)"
    write(writer, ("image:0", Lazy(40, 40)), ("text:0", BufferedTextAssetProvider.create("text:0", "hello")))
    assert repr(writer) == "DatasetWriter(nitf: image:0, text:0; closed)"
    with IO.open(tmp_path / "two.ntf") as dataset:
        assert repr(dataset) == "DatasetReader(nitf: image:0, text:0)"
    assert repr(dataset) == "DatasetReader(nitf: image:0, text:0; closed)"
