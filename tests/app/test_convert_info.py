"""``convert`` and ``info``: between all formats, and what is said of files."""

import numpy as np
import pytest
import rasterio
from cli_scenes import only_error, run, run_json

from stacchip_osml.app.cli import cli
from stacchip_osml.encode import (
    IO,
    BufferedImageAssetProvider,
    BufferedMetadataProvider,
    BufferedTextAssetProvider,
    imsave,
)
from stacchip_osml.encode.nitf import NitfFile, NitfImage, Tre, read_nitf, write_nitf
from stacchip_osml.imagery.blocks.image import BlockImage

CORNERS = [(-77.0, 39.0), (-76.5, 39.0), (-76.5, 38.5), (-77.0, 38.5)]
PIXELS = np.random.default_rng(3).integers(0, 255, (3, 300, 200), np.uint8)
EXACT = ("tif", "ntf", "nsf", "png", "jp2", "jph", "j2k")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("images")


@pytest.fixture(scope="module", params=["tif", "ntf", "png", "jp2"])
def source(request, folder):
    path = folder / f"source.{request.param}"
    imsave(path, PIXELS, **({} if request.param == "png" else {"corners": CORNERS}))
    return path


def facts(path):
    with rasterio.open(path) as image:
        return image.read(), image.crs, tuple(image.transform)[:6]


@pytest.mark.parametrize("ending", [*EXACT, "jpg"])
@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_pixels_and_place_go_from_any_format_to_any(source, tmp_path, ending):
    target = tmp_path / f"out.{ending}"
    told = run_json("convert", source, target)

    pixels, crs, transform = facts(target)
    if ending != "jpg":
        assert np.array_equal(pixels, PIXELS)
    has_place, keeps_place = source.suffix != ".png", ending in {"tif", "ntf", "nsf", "jp2", "jph"}
    assert (crs is not None) == (has_place and keeps_place)
    if has_place and keeps_place:
        assert transform == pytest.approx((0.0025, 0, -77, 0, -0.5 / 300, 39), rel=1e-12, abs=1e-12)
    assert ("its place on the ground" in told["left_out"]) == (has_place and not keeps_place)
    assert told["images"] == [{"key": "image:0", "width": 200, "height": 300, "bands": 3, "dtype": "uint8"}]
    assert told["bytes"] == target.stat().st_size


def test_a_tiff_becomes_a_cog_with_its_nodata_and_tags(tmp_path):
    source, target = tmp_path / "a.tif", tmp_path / "b.tif"
    imsave(source, np.tile(PIXELS, (1, 4, 6)), corners=CORNERS, nodata=7, items={"MINE": "kept"})

    run("convert", source, target, "--cog", "--compression", "zstd")

    with rasterio.open(target) as image:
        assert (image.nodata, image.compression.name, image.overviews(1)[:1]) == (7, "zstd", [2])
        assert image.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert image.tags()["MINE"] == "kept"
        assert np.array_equal(image.read(), np.tile(PIXELS, (1, 4, 6)))


def nitf(path, *, marking="U"):
    with IO.open(path, "w") as writer:
        writer.metadata = BufferedMetadataProvider({"FTITLE": "A FILE", "FSCLAS": marking, **authority(marking, "FS")})
        for number in range(2):
            metadata = BufferedMetadataProvider(
                {"IC": "NC", "IID1": f"IMAGE{number}", "ISCLAS": marking, **authority(marking, "IS")}
            )
            metadata["ZZZZZZ"] = b"whatever"
            image = BufferedImageAssetProvider.from_array(PIXELS[: number + 1], metadata=metadata)
            writer.add_asset(f"image:{number}", image)
        writer.add_asset("text:0", BufferedTextAssetProvider.create("text:0", "hello"), title="note")


def authority(marking, prefix):
    """What a marking needs besides (MIL-STD-2500C): a classification system."""
    return {} if marking == "U" else {f"{prefix}CLSY": "US"}


def test_nitf_to_nitf_keeps_every_segment_and_tre(tmp_path):
    nitf(tmp_path / "a.ntf", marking="S")
    run("convert", tmp_path / "a.ntf", tmp_path / "b.nsf")

    before, after = read_nitf(tmp_path / "a.ntf"), read_nitf(tmp_path / "b.nsf")
    assert (after.version, after.fields["FTITLE"], after.fields["FSCLAS"]) == ("NSIF01.00", "A FILE", "S")
    assert [image.tres for image in after.images] == [image.tres for image in before.images]
    assert [dict(image.fields) for image in after.images] == [dict(image.fields) for image in before.images]
    assert [text.data for text in after.texts] == [b"hello"]


def test_compression_of_nitf_is_changed_for_all_images(tmp_path):
    nitf(tmp_path / "a.ntf")
    run("convert", tmp_path / "a.ntf", tmp_path / "b.ntf", "--compression", "jpeg2000", "--block-size", "128x64")

    with IO.open(tmp_path / "b.ntf") as dataset:
        for number, key in enumerate(("image:0", "image:1")):
            image = dataset.get_asset(key)
            assert (image.metadata["IC"], image.metadata["NPPBH"], image.metadata["NPPBV"]) == ("C8", "0128", "0064")
            assert np.array_equal(image.get_block(0, 0), PIXELS[: number + 1, :64, :128])
            assert image.metadata["ZZZZZZ"] == b"whatever"


def test_a_marking_is_not_lost_without_a_word(tmp_path):
    nitf(tmp_path / "a.ntf", marking="S")
    refused = run("convert", tmp_path / "a.ntf", tmp_path / "b.tif", code=3)
    assert "image:0 is marked ISCLAS S, FSCLAS S, and tiff has no place for a marking" in only_error(refused)
    assert not (tmp_path / "b.tif").exists()

    told = run_json("convert", tmp_path / "a.ntf", tmp_path / "b.tif", "--drop-marking")
    assert told["left_out"] == ["image:1", "text:0", "marking ISCLAS S", "marking FSCLAS S", "TRE ZZZZZZ"]


def test_one_image_of_several_is_chosen(tmp_path):
    nitf(tmp_path / "a.ntf")
    told = run_json("convert", tmp_path / "a.ntf", tmp_path / "b.png", "--image", "image:0")
    assert told["assets"] == ["image:0"]
    assert "there is no image 'image:5' in it; there are image:0, image:1" in only_error(
        run("convert", tmp_path / "a.ntf", tmp_path / "c.png", "--image", "image:5", code=3)
    )


def test_a_dry_run_writes_nothing_and_force_replaces(tmp_path):
    source, target = tmp_path / "a.tif", tmp_path / "b.png"
    imsave(source, PIXELS, corners=CORNERS)
    told = run_json("convert", source, target, "--dry-run")
    assert (told["dry_run"], told["bytes"], told["left_out"]) == (True, None, ["its place on the ground"])
    assert not target.exists()

    run("convert", source, target)
    assert "exists already; --force replaces it" in only_error(run("convert", source, target, code=2))
    run("convert", source, target, "--force")


@pytest.mark.parametrize(
    ("target", "options", "code", "message"),
    [
        ("b.xyz", [], 3, "no format is known by the ending '.xyz'; give format= (--format), one of nitf"),
        ("b.jp2", ["--quality", "90"], 3, "jp2 has no quality; how much JPEG 2000 may lose is ratio= (--ratio)"),
        ("b.jpg", ["--ratio", "9"], 3, "jpeg has no ratio, which is of JPEG 2000: say quality= (--quality)"),
        ("b.ntf", ["--compression", "jpeg", "--ratio", "9"], 3, "NITF with IC C3 has no ratio"),
        ("b.ntf", ["--compression", "c8", "--quality", "90"], 3, "NITF with IC C8 has no quality"),
        ("b.ntf", ["--ratio", "9"], 3, "ratio of NITF needs a compression, jpeg2000 or htj2k"),
        ("b.jpg", ["--quality", "nan"], 3, "JPEG quality is a whole number from 1 to 100, got nan"),
        ("b.png", ["--quality", "5"], 3, "png is lossless"),
        ("b.png", ["--cog"], 3, "png has no overviews here, and is no COG"),
        ("b.tif", ["--quality", "5"], 3, "GeoTIFF has a quality with compression jpeg"),
        ("b.jp2", ["--compression", "lzw"], 3, "jp2 is compressed as jpeg2000 or htj2k, not lzw"),
        ("b.ntf", ["--quality", "5"], 3, "quality of NITF needs a compression"),
        ("b.tif", ["--block-size", "100"], 3, "multiple of 16"),
        ("a.tif/b.tif", [], 6, "a.tif: File exists"),
    ],
)
def test_what_cannot_be_is_one_line_and_an_exit_code(tmp_path, target, options, code, message):
    imsave(tmp_path / "a.tif", PIXELS)
    assert message in only_error(run("convert", tmp_path / "a.tif", tmp_path / target, *options, code=code))
    assert [each.name for each in tmp_path.iterdir()] == ["a.tif"]


def test_info_tells_levels_place_and_tags(tmp_path):
    path = tmp_path / "a.tif"
    imsave(path, PIXELS, corners=CORNERS, nodata=7, overviews=1)

    told = run_json("info", path)
    (image,) = told["images"]
    assert (told["format"], told["assets"]) == ("tiff", ["image:0", "image:0:overview:1"])
    assert [(level["width"], level["height"], level["read_by"]) for level in image["levels"]] == [
        (200, 300, "block/deflate"),
        (100, 150, "block/deflate"),
    ]
    assert (image["crs"], image["band_facts"][0]["nodata"], image["metadata"]["259"]) == ("EPSG:4326", 7.0, 8)
    shown = run("info", path).stdout
    for part in ("tiff, 2 assets", "200 x 300, 3 x uint8", "EPSG:4326", "block/deflate", "  Compression: Deflate\n"):
        assert part in shown


def test_info_tells_headers_tres_and_segments_of_nitf(tmp_path):
    path = tmp_path / "a.ntf"
    nitf(path)

    told = run_json("info", path)
    assert told["assets"] == ["image:0", "image:1", "text:0"]
    assert told["nitf"]["fields"]["FTITLE"] == "A FILE"
    assert told["nitf"]["images"][1]["tres"][0]["tag"] == "ZZZZZZ"
    assert told["images"][1]["metadata"]["ZZZZZZ"] == b"whatever".hex()
    shown = run("info", path).stdout
    for part in ("FTITLE: A FILE", "text:0: 5 bytes", "IID1: IMAGE1", "ZZZZZZ"):
        assert part in shown


def test_info_of_nitf_shows_what_is_intact_beside_an_image_that_is_not(tmp_path):
    path = tmp_path / "a.ntf"
    nitf(path)
    run("convert", path, tmp_path / "b.ntf", "--compression", "jpeg2000")
    data = bytearray((tmp_path / "b.ntf").read_bytes())
    step = data.index(b"\xff\x4f\xff\x51") + 43  # XRsiz: half as many samples as NCOLS
    data[step] = 2
    path.write_bytes(data)

    told = run_json("info", path)
    assert "JPEG 2000 data of 100 x 300 pixels" in told["images"][0]["error"]
    assert told["images"][0]["metadata"]["ZZZZZZ"] == b"whatever".hex()
    assert [level["width"] for level in told["images"][1]["levels"]][:1] == [200]
    shown = run("info", path).stdout
    for part in (
        "image:0 IMAGE0: /",
        "JPEG 2000 data of 100",
        "image:1 IMAGE1: 200 x 300, 2 x uint8",
        "text:0: 5 bytes",
    ):
        assert part in shown


def test_info_of_nitf_with_damaged_headers_shows_the_others(tmp_path):
    path = tmp_path / "a.ntf"
    nitf(path)
    path.write_bytes(path.read_bytes().replace(b"ZZZZZZ00008", b"ZZZZZZ00009", 1))

    told = run_json("info", path)
    assert (told["format"], len(told["nitf"]["images"])) == ("nitf", 2)
    assert [(image["key"], image["height"]) for image in told["images"]] == [("image:0", 300)]  # as GDAL reads it
    assert [len(image["tres"]) for image in told["nitf"]["images"]] == [0, 1]
    shown = run("info", path).stdout
    for part in ("fault: ", "'ZZZZZZ' of 9 bytes leaves its area", "FTITLE: A FILE", "image segment 2: "):
        assert part in shown


def test_info_of_nitf_shows_of_an_encrypted_segment_where_it_is_and_its_fields(tmp_path):
    path = tmp_path / "a.ntf"
    nitf(path)
    data = path.read_bytes()
    second = data.index(b"IMIMAGE1")
    path.write_bytes(data[: second + 290] + b"1" + data[second + 291 :])

    (one,) = run_json("info", path)["nitf"]["left_out"]
    assert (one["segment"], one["offset"], one["fields"]["ENCRYP"]) == ("image 2", second, "1")
    shown = run("info", path).stdout
    for part in ("image 2, left out: ", f"bytes at {second}", "  fault: ", "ENCRYP is '1'", "image:0 "):
        assert part in shown


@pytest.mark.parametrize(
    ("stated", "shown"),
    [
        ("20190704123456", ["  dated: 2019-07-04T12:34:56Z (20190704123456)"]),
        ("12000000ZFEB94", ["  dated: 1994-02-12T00:00:00Z (12000000ZFEB94)"]),
        ("201907--------", ["  dated: 2019-07-01T00:00:00Z to 2019-07-31T23:59:59Z (201907--------)"]),
        ("20160200065200", ["  dated: 20160200065200 (no time)"]),
        ("--------------", ["  dated: 2002-12-16T15:16:29Z (20021216151629)"]),  # of the file, by GDAL
    ],
)
def test_info_tells_the_date_of_an_image_and_how_its_file_says_so(tmp_path, stated, shown):
    path = tmp_path / "a.ntf"
    with rasterio.open(path, "w", driver="NITF", width=8, height=8, count=1, dtype="uint8", IDATIM=stated) as file:
        file.write(PIXELS[:1, :8, :8])

    assert [line for line in run("info", path).stdout.splitlines() if "dated" in line] == shown


def test_info_of_what_is_no_image_is_one_line(tmp_path):
    (tmp_path / "a.tif").write_text("hello")
    assert "no image format" in only_error(run("info", tmp_path / "a.tif", code=4))
    assert "no such file" in only_error(run("info", tmp_path / "b.tif", code=4)).lower()


@pytest.mark.parametrize("name", ["b.jpg", "b.png", "b.jp2"])
def test_what_a_picture_cannot_hold_is_refused_with_the_option_that_makes_one(tmp_path, name):
    imsave(tmp_path / "a.tif", PIXELS.astype(np.float32))
    assert "display chain first (--display)" in only_error(run("convert", tmp_path / "a.tif", tmp_path / name, code=3))
    run("convert", tmp_path / "a.tif", tmp_path / name, "--display")


def test_info_of_a_folder_says_that_it_is_one(tmp_path):
    assert "a folder, and an image is a file" in only_error(run("info", tmp_path, code=4))


def test_help_names_both():
    assert {"convert", "info"} <= set(cli.list_commands(None))


def test_a_mask_band_is_copied_into_a_tiff_and_listed_elsewhere(tmp_path):
    source = tmp_path / "a.tif"
    mask = np.ones((300, 200), np.uint8)
    mask[:40, 50:] = 0
    imsave(source, PIXELS, mask=mask)

    run("convert", source, tmp_path / "b.tif", "--compression", "lzw")
    with rasterio.open(tmp_path / "b.tif") as image:
        assert image.compression.name == "lzw"
        assert np.array_equal(image.dataset_mask() > 0, mask > 0)
        assert np.array_equal(image.read(), PIXELS)
    assert run_json("convert", source, tmp_path / "b.png")["left_out"] == ["mask"]


def test_an_image_that_is_itself_the_target_is_replaced(tmp_path):
    path = tmp_path / "a.tif"
    imsave(path, PIXELS, compression="none")
    run("convert", path, path, "--force", "--compression", "deflate")
    with rasterio.open(path) as image:
        assert (image.compression.name, np.array_equal(image.read(), PIXELS)) == ("deflate", True)


def test_a_ratio_is_met(tmp_path):
    source, target = tmp_path / "a.tif", tmp_path / "b.jp2"
    imsave(source, np.tile(PIXELS, (1, 2, 2)))
    run("convert", source, target, "--ratio", "8")
    assert PIXELS.nbytes * 4 / target.stat().st_size == pytest.approx(8, rel=0.15)
    run("convert", source, tmp_path / "b.ntf", "--compression", "htj2k", "--ratio", "4")
    assert read_nitf(tmp_path / "b.ntf").images[0].fields["COMRAT"] == "0200"


@pytest.mark.parametrize(
    ("dtype", "bands", "target"),
    [
        *(("float32", 5, "b.png"), ("uint16", 1, "b.jpg"), ("float64", 1, "b.jp2"), ("complex64", 1, "b.png")),
        *(("uint8", 5, "b.png"), ("complex128", 1, "b.ntf")),
    ],
)
def test_a_dry_run_refuses_what_the_run_would(tmp_path, dtype, bands, target):
    source = tmp_path / "a.tif"
    imsave(source, np.ones((bands, 40, 30), dtype))

    said = [only_error(run("convert", source, tmp_path / target, *dry, code=3)) for dry in ((), ("--dry-run",))]

    assert said[0] == said[1]
    assert [path.name for path in tmp_path.iterdir()] == ["a.tif"]


@pytest.mark.parametrize("target", ["b.png", "b.jp2", "b.tif", "b.ntf"])
def test_a_dry_run_reads_no_pixel(tmp_path, monkeypatch, target):
    source = tmp_path / "a.tif"
    imsave(source, np.ones((1, 40, 30), np.uint16))
    monkeypatch.setattr(BlockImage, "get_block", None)
    monkeypatch.setattr(BlockImage, "read", None)

    assert "would be written" in run("convert", source, tmp_path / target, "--dry-run").stdout
    assert not (tmp_path / target).exists()


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize(("ending", "lost"), [("ntf", ["alpha"]), ("j2k", ["alpha"]), ("png", []), ("tif", [])])
def test_an_alpha_band_that_becomes_an_ordinary_one_is_said(tmp_path, ending, lost):
    source = tmp_path / "a.tif"
    imsave(source, np.concatenate([PIXELS, PIXELS[:1]]), colors=("red", "green", "blue", "alpha"))

    assert run_json("convert", source, tmp_path / f"out.{ending}")["left_out"] == lost


@pytest.mark.parametrize(("ending", "lost"), [("ntf", []), ("tif", []), ("jp2", ["nodata"]), ("png", ["nodata"])])
def test_padding_of_a_nitf_that_becomes_ordinary_pixels_is_said(tmp_path, ending, lost):
    source = tmp_path / "a.ntf"
    metadata = BufferedMetadataProvider({"IC": "NM"})
    sparse = BufferedImageAssetProvider.create(
        "sparse", 512, 512, 1, block_width=256, block_height=256, metadata=metadata
    )
    sparse.set_block(0, 0, PIXELS[:1, :256, :256].repeat(2, 2)[:, :256, :256])
    with IO.open(source, "w") as writer:
        writer.add_asset("image:0", sparse)

    assert run_json("convert", source, tmp_path / f"out.{ending}")["left_out"] == lost


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_tres_of_the_file_that_are_lost_are_told_too(tmp_path):
    source = tmp_path / "a.ntf"
    image = NitfImage(
        pixels=BufferedImageAssetProvider.from_array(PIXELS), fields={"IC": "NC"}, tres=(Tre("ONE", b"1"),)
    )
    write_nitf(source, NitfFile(images=(image,), tres=(Tre("TWO", b"2"),)))

    assert run_json("convert", source, tmp_path / "out.tif")["left_out"] == ["TRE ONE", "file TRE TWO"]


@pytest.mark.parametrize(
    ("name", "said", "fields"),
    [
        ("imaging-nitf__p1_07a.ntf", "JPEG 2000 components are subsampled by 4 x 1, 1 x 1", "IID1: p1_07.j2k"),
        ("imaging-nitf__GHSarNITF21_good.ntf", "0 JPEG streams for 20 blocks", "  PATCHB: "),
        ("six-library__GHSarNITF21_good.ntf", "fault: ", "TRE MENSRB: "),
    ],
)
def test_info_of_a_real_nitf_file_without_readable_pixels_shows_its_headers(real_data, name, said, fields):
    shown = run("info", real_data / "nitf" / name).stdout

    for part in (said, fields, "file header: NITF02.10", "NROWS: "):
        assert part in shown
