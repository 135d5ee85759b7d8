import logging
import os
import shutil
import socket
from pathlib import Path

import numpy as np
import pytest
import rasterio

from stacchip_osml.errors import AssetChanged, AssetMissing, DecodeError, LimitError, ReadError, RemoteReadError
from stacchip_osml.imagery import GdalImage, close_idle_handles
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.pixel import PixelWindow
from tests.imagery.blocks.tiff_assembler import FILL_ORDER, SUB_IFDS, SUBFILE, gray, save
from tests.imagery.gdal.gdal_files import assert_reads_as_rasterio_does, noise, write

ONE = PixelWindow(0, 0, 1, 1)


@pytest.mark.parametrize(
    "location",
    [
        "/vsizip/a.zip/b.tif",
        "/vsicurl/http://127.0.0.1/a.tif",
        "/VSIMEM/a.tif",
        "/vsistdin/",
        "<VRTDataset rasterXSize='1'/>",
        "zip+file:///a.zip!b.tif",
        "zip:///a.zip!b.tif",
        "file:///etc/passwd",
        "ftp://host/a.tif",
        "vrt:///a.tif?bands=1",
        "NETCDF:/a.nc:v",
        "HDF5:/a.h5://v",
        "GTIFF_DIR:1:/a.tif",
        "GTIFF_RAW:/a.tif",
        "NITF_IM:0:/a.ntf",
        "JPEG_SUBFILE:1,2,/a.ntf",
        "a.tif",
        "../a.tif",
        "",
        "/tmp/a.tif\0.png",
        "https:///a.tif",
        "HTTPS+zip://h/a",
    ],
)
def test_other_names_than_paths_and_urls_are_refused(location):
    with pytest.raises(ReadError, match=r"not served|needs a host|NUL"):
        GdalImage(location)


def test_what_signing_returns_must_be_a_served_location_too(tmp_path):
    path = write(tmp_path / "a.tif", noise(1, "uint8"))

    with pytest.raises(ReadError, match="virtual file systems are not served"):
        _ = GdalImage(path, sign=vsi_sign).header


def vsi_sign(location):
    return "/vsisubfile/0_100," + location


def test_a_vrt_that_is_named_tif_is_not_opened(tmp_path):
    source = write(tmp_path / "a.tif", noise(1, "uint8"))
    evil = tmp_path / "evil.tif"
    evil.write_text(
        "<VRTDataset rasterXSize='150' rasterYSize='110'><VRTRasterBand dataType='Byte' band='1'><SimpleSource>"
        f"<SourceFilename>{source}</SourceFilename></SimpleSource></VRTRasterBand></VRTDataset>"
    )
    with rasterio.open(evil) as dataset:
        assert dataset.driver == "VRT", "GDAL itself would open it"

    with pytest.raises(DecodeError, match=r"not a TIFF, NITF, JPEG 2000, PNG or JPEG file; it begins b'<VRTData"):
        _ = GdalImage(str(evil)).header


@pytest.mark.parametrize(
    "content", [b"", b"II", b"II\x2a\x00\x08\x00\x00\x00", b"NITF02.10", b"\xff\x4f\xff\x51", b"hello"]
)
def test_a_file_that_is_no_image_is_a_decode_error(tmp_path, content):
    (tmp_path / "a.tif").write_bytes(content)

    with pytest.raises(DecodeError, match=r"a\.tif"):
        _ = GdalImage(str(tmp_path / "a.tif")).header


def test_a_missing_file_a_directory_and_a_pipe_are_typed_errors(tmp_path):
    with pytest.raises(AssetMissing, match="no such file"):
        _ = GdalImage(str(tmp_path / "none.tif")).header
    with pytest.raises(DecodeError, match="not a regular file"):
        _ = GdalImage(str(tmp_path)).header
    os.mkfifo(tmp_path / "pipe.tif")
    with pytest.raises(DecodeError, match="not a regular file"):
        _ = GdalImage(str(tmp_path / "pipe.tif")).header


def test_what_gdal_says_of_one_file_is_not_held_against_another(tmp_path):
    """A signal that rasterio did not raise was raised by its next call, of whichever file that was about."""
    noise = [bytes(range(100))]
    good = save(tmp_path / "good.tif", gray(10, 10, noise))
    bad = [
        save(tmp_path / "order.tif", gray(10, 10, noise, tags={FILL_ORDER: 3})),
        save(tmp_path / "chain.tif", gray(10, 10, noise, next_ifd=0xFFFFFFF0)),
    ]

    for name in (good, *bad, good, *bad, *reversed(bad), good):
        assert GdalImage(name).header.size == (10, 10)
        assert GdalImage(name).read(PixelWindow(0, 0, 10, 10)).pixels[0, 9].tolist() == list(range(90, 100))


@pytest.mark.parametrize("reader", [GdalImage, BlockImage])
def test_a_tiff_of_very_many_directories_is_refused_before_it_holds_up_gdal(tmp_path, reader):
    page = [bytes(range(100))]
    itself = save(tmp_path / "subs.tif", gray(10, 10, page, tags={SUB_IFDS: (4, [8] * 60_000)}))
    reduced = gray(10, 10, page, tags={SUBFILE: 1})
    chain = save(tmp_path / "levels.tif", gray(10, 10, page), *[reduced] * 600)
    few = save(tmp_path / "few.tif", gray(10, 10, page), *[gray(10, 10, page, tags={SUBFILE: 2})] * 600)

    assert reader(few).header.levels == ((10, 10),)
    for name in (itself, chain):
        with pytest.raises(LimitError, match="more than 512 overviews, masks or sub-directories"):
            _ = reader(name).header


def test_odd_characters_in_a_path_are_only_characters(tmp_path):
    source = write(tmp_path / "x.tif", noise(1, "uint8"))
    for name in ("a b?.tif", "a!b.tif", "a:b.tif", "ä%20é.tif", "a,b.tif"):
        assert_reads_as_rasterio_does(GdalImage(str(shutil.copy(source, tmp_path / name))))


def test_sidecar_files_count_only_when_asked_for(tmp_path):
    path = write(tmp_path / "a.tif", noise(1, "uint8"))
    write(tmp_path / "a.tif.msk", noise(1, "uint8", seed=9))
    (tmp_path / "a.tfw").write_text("2\n0\n0\n-2\n100\n200\n")
    (tmp_path / "a.tif.aux.xml").write_text(
        "<PAMDataset><PAMRasterBand band='1'><NoDataValue>5</NoDataValue></PAMRasterBand></PAMDataset>"
    )
    plain, believing = GdalImage(path), GdalImage(path, sidecars=True)

    assert (plain.header.mask, plain.header.transform, plain.header.bands[0].nodata) == ("none", None, None)
    assert plain.read(PixelWindow(0, 0, 100, 100)).mask.all()
    assert believing.header.transform == (2, 0, 99, 0, -2, 201)
    assert believing.header.bands[0].nodata == 5


def test_external_overviews_count_only_when_asked_for(tmp_path):
    path = write(tmp_path / "a.tif", noise(1, "uint8"))
    with rasterio.Env(TIFF_USE_OVR="YES"), rasterio.open(path, "r+") as dataset:
        dataset.build_overviews([2], rasterio.enums.Resampling.nearest)
    assert (tmp_path / "a.tif.ovr").exists()

    assert len(GdalImage(path).header.levels) == 1
    assert len(GdalImage(path, sidecars=True).header.levels) == 2


def test_a_file_other_than_the_one_expected_is_refused(tmp_path):
    path = write(tmp_path / "a.tif", noise(1, "uint8"))
    found = Path(path).stat()

    assert GdalImage(path, expect=(found.st_size, found.st_mtime_ns)).read(ONE) is not None
    with pytest.raises(AssetChanged, match=f"expected 3 bytes, found {found.st_size}"):
        GdalImage(path, expect=(3, None)).read(ONE)
    with pytest.raises(AssetChanged, match="expected 7 ns mtime"):
        GdalImage(path, expect=(found.st_size, 7)).read(ONE)


def test_a_file_that_changes_or_goes_while_open_is_noticed(tmp_path):
    path = write(tmp_path / "a.tif", noise(1, "uint8"))
    image = GdalImage(path)
    image.read(ONE)
    write(tmp_path / "a.tif", noise(1, "uint8", seed=8))

    with pytest.raises(AssetChanged, match="changed since it was first read"):
        image.read(ONE)
    assert_reads_as_rasterio_does(GdalImage(path))
    other = GdalImage(path)
    other.read(ONE)
    Path(path).unlink()
    with pytest.raises(AssetMissing, match="no such file"):
        other.read(ONE)


def test_a_truncated_file_is_an_error_and_the_next_read_still_works(tmp_path):
    path = write(tmp_path / "a.tif", noise(1, "uint8"), compress="deflate", blockysize=10)
    whole = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "cut.tif").write_bytes(whole[: len(whole) // 2])
    cut = GdalImage(str(tmp_path / "cut.tif"))
    failed = 0
    for _ in range(2):
        try:
            cut.read(PixelWindow(0, 100, 150, 10))
        except DecodeError:
            failed += 1
    assert failed == 2
    assert_reads_as_rasterio_does(GdalImage(path))


def test_http_gives_the_pixels_of_the_file(tmp_path, server):
    pixels = noise(2, "uint16")
    path = write(tmp_path / "a.tif", pixels, tiled=True, blockxsize=64, blockysize=64, compress="deflate")
    data = Path(path).read_bytes()
    image = GdalImage(server.serve("/a.tif", data), expect=(len(data), None))

    np.testing.assert_array_equal(image.read(PixelWindow(3, 4, 100, 90)).pixels, pixels[:, 4:94, 3:103])
    assert image.header.size_bytes == len(data)
    with pytest.raises(AssetChanged, match="expected 5 bytes"):
        GdalImage(server.serve("/other.tif", data), expect=(5, None)).read(ONE)


@pytest.mark.parametrize("reader", [GdalImage, BlockImage])
@pytest.mark.parametrize("kind", ["subs", "levels", "few"])
def test_a_remote_tiff_of_very_many_directories_is_refused_too(tmp_path, server, reader, kind):
    page = [bytes(range(100))]
    files = {
        "subs": [gray(10, 10, page, tags={SUB_IFDS: (4, [8] * 60_000)})],
        "levels": [gray(10, 10, page), *[gray(10, 10, page, tags={SUBFILE: 1})] * 600],
        "few": [gray(10, 10, page), *[gray(10, 10, page, tags={SUBFILE: 1})] * 20],
    }
    save(tmp_path / "a.tif", *files[kind])
    image = reader(server.serve("/a.tif", (tmp_path / "a.tif").read_bytes()))

    if kind == "few":
        assert len(image.header.levels) == 21
        return
    for _ in range(2):  # it is no better when asked again
        with pytest.raises(LimitError, match="more than 512 overviews, masks or sub-directories"):
            _ = image.header


def test_directories_within_the_first_bytes_take_no_request_of_their_own(tmp_path, server):
    path = write(tmp_path / "a.tif", noise(1, "uint8"), tiled=True, blockxsize=64, blockysize=64)
    image = GdalImage(server.serve("/a.tif", Path(path).read_bytes()))

    _ = image.header

    assert len(server.asked()) == 1


def sign(location):
    return location + "?sig=SECRET"


def wrong_sign(location):
    return location + "?sig=SECRETWRONG"


def test_signing_happens_when_opening_and_leaves_no_trace(tmp_path, server, caplog):
    path = write(tmp_path / "a.tif", noise(1, "uint8"))
    caplog.set_level(logging.DEBUG)
    server.set(token="sig=SECRET")
    image = GdalImage(server.serve("/a.tif", Path(path).read_bytes()), sign=sign)

    assert image.read(ONE) is not None
    assert image.key == f"{server.url}/a.tif"
    assert "SECRET" not in repr(image) + str(image.header)
    with pytest.raises(RemoteReadError, match="status 403 after 1 attempts") as caught:
        GdalImage(f"{server.url}/b.tif", sign=wrong_sign).read(ONE)
    told, error = [], caught.value
    while error is not None:
        told.append(str(error))
        error = error.__cause__
    assert "SECRET" not in " ".join(told)


def test_a_server_that_heals_within_the_retries_gives_the_pixels(tmp_path, server):
    pixels = noise(1, "uint8")
    image = GdalImage(server.serve("/a.tif", Path(write(tmp_path / "a.tif", pixels)).read_bytes()))
    server.fault(503, times=2)

    assert image.read(ONE).pixels[0, 0, 0] == pixels[0, 0, 0]


def test_remote_failures_are_typed(server):
    with pytest.raises(AssetMissing, match="status 404"):
        GdalImage(f"{server.url}/none.tif").read(ONE)
    server.fault(503)
    with pytest.raises(RemoteReadError, match="status 503 after 4 attempts") as caught:
        GdalImage(f"{server.url}/down.tif").read(ONE)
    assert (caught.value.status, caught.value.attempts) == (503, 4)
    with socket.socket() as taken:  # and not listened at: nobody else takes it meanwhile
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(RemoteReadError, match="no answer after 4 attempts"):
            GdalImage(f"http://127.0.0.1:{port}/a.tif").read(ONE)


def test_a_remote_object_that_changes_is_read_anew_once_its_handles_are_closed(tmp_path, server):
    path = write(tmp_path / "a.tif", noise(1, "uint8"))
    GdalImage(server.serve("/a.tif", Path(path).read_bytes())).read(ONE)
    close_idle_handles()
    pixels = noise(1, "uint8", seed=11)
    server.serve("/a.tif", Path(write(tmp_path / "a.tif", pixels)).read_bytes())

    np.testing.assert_array_equal(GdalImage(f"{server.url}/a.tif").read(PixelWindow(0, 0, 150, 110)).pixels, pixels)
