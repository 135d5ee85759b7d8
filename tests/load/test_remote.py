"""Chips of images behind HTTP and S3: the pixels of the local file, or a typed error in time, and no secrets."""

import logging
import socket
import time
from dataclasses import replace

import numpy as np
import pytest
import rasterio
from rasterio.transform import Affine

from stacchip_osml import Chipper, Indexer
from stacchip_osml.errors import AssetChanged, AssetMissing, ReadError, RemoteReadError
from stacchip_osml.imagery import GdalImage, close_idle_handles
from stacchip_osml.pixel import PixelWindow
from tests.fault_server import Signing, serving_faults, told_by
from tests.imagery.patience import PATIENT
from tests.stac_items import plain_item

SIDE = 1536
# The far corner: its blocks' places and bytes are beyond what opening the file fetches.
FAR = PixelWindow(SIDE - 60, SIDE - 60, 40, 40)
MASK = np.full((SIDE, SIDE), 255, "uint8")
MASK[::7] = 0


def image_bytes(path, *, seed=0, mask=None, side=SIDE, block=16):
    rng = np.random.default_rng(seed)
    profile = {"driver": "GTiff", "width": side, "height": side, "count": 2, "dtype": "uint8", "crs": "EPSG:32632"}
    profile |= {"transform": Affine(10, 0, 500_000, 0, -10, 5_000_000), "nodata": None if mask is not None else 0}
    profile |= {"tiled": True, "blockxsize": block, "blockysize": block}  # 9,216 blocks: their places are fetched late
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "w", **profile) as file:
        file.write(rng.integers(0, 255, (2, side, side)).astype("uint8"))
        if mask is not None:
            file.write_mask(mask)
    return path.read_bytes()


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    path = tmp_path_factory.mktemp("local") / "a.tif"
    image_bytes(path)
    return path


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    path = tmp_path_factory.mktemp("local") / "small.tif"
    image_bytes(path, side=300, block=128)
    return path


@pytest.fixture(scope="module")
def masked_file(tmp_path_factory):
    return image_bytes(tmp_path_factory.mktemp("local") / "masked.tif", mask=MASK)


@pytest.fixture(scope="module")
def pixels(local):
    return rasterio.open(local).read()


@pytest.fixture
def server(server, local, small):
    server.serve("/small.tif", small.read_bytes())
    server.serve("/a.tif", local.read_bytes())
    return server


def item(href):
    return plain_item({"image": href})


def assert_chips_are_those_of_the_file(index, local, *, sign=None):
    near = Chipper(Indexer(item(str(local)), 100, edges="partial", roots=[str(local.parent)]).create_index())
    far = Chipper(index, sign=sign)
    assert len(far) == len(near) == 9
    for here, there in zip(near, far, strict=True):
        np.testing.assert_array_equal(there.pixels, here.pixels)
        np.testing.assert_array_equal(there.mask, here.mask)
        assert there.transform == here.transform


def at(pixels, window):
    return pixels[:, window.y : window.y + window.height, window.x : window.x + window.width]


# ---- HTTP and S3


def test_chips_over_http_are_those_of_the_local_file(server, small):
    index = Indexer(item(f"{server.url}/small.tif"), 100, edges="partial").create_index()

    assert_chips_are_those_of_the_file(index, small)


def test_of_a_server_without_ranges_small_files_are_read_and_others_refused_with_the_reason(server, small):
    server.fault("whole")

    assert_chips_are_those_of_the_file(
        Indexer(item(f"{server.url}/small.tif"), 100, edges="partial").create_index(), small
    )
    for source in (item(f"{server.url}/a.tif"), f"{server.url}/a.tif"):
        with pytest.raises(ReadError, match=r"a\.tif: the server sends no byte ranges, as files above 1 MiB need"):
            Indexer(source, 100).create_index()


@pytest.fixture(scope="module")
def s3():
    boto3 = pytest.importorskip("boto3")
    moto_server = pytest.importorskip("moto.server")
    running = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    settings = {"aws_access_key_id": "KEYID", "aws_secret_access_key": "HUSHHUSH", "region_name": "us-east-1"}
    client = boto3.client("s3", endpoint_url=f"http://{host}:{port}", **settings)
    client.create_bucket(Bucket="bucket")
    client.url = f"http://{host}:{port}"
    yield client
    close_idle_handles()
    running.stop()


@pytest.fixture(params=["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_S3_ENDPOINT"])
def s3_environment(request, s3, monkeypatch):
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_S3_ENDPOINT", "AWS_HTTPS", "AWS_ALLOW_HTTP"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "KEYID")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "HUSHHUSH")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    if request.param == "AWS_S3_ENDPOINT":
        monkeypatch.setenv("AWS_S3_ENDPOINT", s3.url.removeprefix("http://"))
        monkeypatch.setenv("AWS_HTTPS", "NO")
    else:
        monkeypatch.setenv(request.param, s3.url)
    return s3


def test_chips_of_an_object_store_are_those_of_the_local_file(s3_environment, small):
    s3_environment.put_object(Bucket="bucket", Key="deep/a b.tif", Body=small.read_bytes())
    index = Indexer(item("s3://bucket/deep/a b.tif"), 100, edges="partial").create_index()

    assert_chips_are_those_of_the_file(index, small)
    with pytest.raises(AssetMissing, match=r"s3://bucket/none\.tif: status 404"):
        GdalImage("s3://bucket/none.tif").read(FAR)


def test_an_object_that_is_replaced_under_an_open_handle_is_noticed(s3_environment, local, tmp_path, caplog):
    caplog.set_level(logging.DEBUG, "rasterio")
    s3_environment.put_object(Bucket="bucket", Key="b.tif", Body=local.read_bytes())
    image = GdalImage("s3://bucket/b.tif")
    image.read(PixelWindow(0, 0, 9, 9))
    s3_environment.put_object(Bucket="bucket", Key="b.tif", Body=image_bytes(tmp_path / "b.tif", seed=5))

    with pytest.raises(AssetChanged, match="changed since it was first read") as caught:
        image.read(FAR)
    assert "HUSHHUSH" not in told_by(caught.value) + caplog.text


# ---- change


def test_a_change_under_an_open_handle_is_noticed_where_the_server_honours_conditions(server, tmp_path, pixels):
    image = GdalImage(f"{server.url}/a.tif")
    image.read(PixelWindow(0, 0, 9, 9))
    server.serve("/a.tif", image_bytes(tmp_path / "b.tif", seed=5))

    with pytest.raises(AssetChanged, match="changed since it was first read"):
        image.read(FAR)
    assert not (GdalImage(f"{server.url}/a.tif").read(FAR).pixels == at(pixels, FAR)).all()


def test_a_change_is_noticed_on_reopening_where_the_server_does_not(server, tmp_path):
    server.set(conditional=False)
    image = GdalImage(f"{server.url}/a.tif")
    image.read(PixelWindow(0, 0, 9, 9))
    server.serve("/a.tif", image_bytes(tmp_path / "b.tif", seed=5))
    close_idle_handles()

    with pytest.raises(AssetChanged, match="changed since it was first read"):
        image.read(FAR)


def test_a_new_image_takes_no_handle_of_the_version_before(server, tmp_path):
    GdalImage(f"{server.url}/a.tif").read(FAR)
    server.serve("/a.tif", image_bytes(tmp_path / "b.tif", seed=5))

    with rasterio.open(tmp_path / "b.tif") as file:
        np.testing.assert_array_equal(GdalImage(f"{server.url}/a.tif").read(FAR).pixels, at(file.read(), FAR))


# ---- signatures


def test_an_index_of_signed_images_holds_no_signature(server, small, tmp_path):
    server.set(token="sig=HUSHHUSH")
    sign = Signing("sig=HUSHHUSH")
    index = Indexer(item(f"{server.url}/small.tif"), 100, edges="partial", sign=sign).create_index()
    index.save(tmp_path / "one.parquet")
    index.save(tmp_path / "folder")
    files = [path for path in tmp_path.rglob("*") if path.is_file()]

    assert_chips_are_those_of_the_file(index, small, sign=sign)
    assert len(files) > 2
    assert not any(b"HUSHHUSH" in path.read_bytes() for path in files)
    assert "HUSHHUSH" not in repr(Chipper(index, sign=sign)) + repr(index)


@pytest.mark.parametrize("handles", ["open", "closed"])
def test_an_expired_signature_is_asked_for_once_more(server, pixels, handles):
    server.set(token="sig=first")
    sign = Signing("sig=first", "sig=second")
    image = GdalImage(f"{server.url}/a.tif", sign=sign)
    image.read(PixelWindow(0, 0, 9, 9))
    assert sign.asked == 1
    server.set(token="sig=second")
    if handles == "closed":
        close_idle_handles()

    np.testing.assert_array_equal(image.read(FAR).pixels, at(pixels, FAR))
    assert sign.asked == 2


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("when", ["at first", "while open"])
def test_a_signature_that_stays_refused_is_an_error_without_it(server, caplog, status, when):
    caplog.set_level(logging.DEBUG)
    sign = Signing("sig=HUSHHUSH")
    image = GdalImage(f"{server.url}/a.tif", sign=sign)
    if when == "while open":
        image.read(PixelWindow(0, 0, 9, 9))
    server.fault(status)
    before = sign.asked

    with pytest.raises(RemoteReadError, match=f"status {status} after 1 attempts") as caught:
        image.read(FAR)
    assert sign.asked - before == (1 if when == "while open" else 2)
    assert "rasterio" in {record.name.partition(".")[0] for record in caplog.records} or when == "at first"
    assert "HUSHHUSH" not in told_by(caught.value) + caplog.text + repr(image)
    assert not any("HUSHHUSH" in str(record.__dict__) for record in caplog.records)


# ---- faults


FAILS = [(404, after, True) for after in range(16)]  # in each request of a masked read, one after the other
FAILS += [(404, after, False) for after in range(5)]
FAILS += [(mode, after, masked) for mode in (500, "short") for after in (0, 3) for masked in (False, True)]


@pytest.mark.parametrize(("mode", "after", "masked"), FAILS)
def test_what_a_server_fails_to_give_is_an_error_and_never_sparse_or_masked(
    server, local, masked_file, pixels, mode, after, masked
):
    url = f"{server.url}/{after}{mode}{masked}.tif"
    data = masked_file if masked else local.read_bytes()
    server.serve(url.removeprefix(server.url), data)
    once = replace(PATIENT, attempts=1)
    image, other = GdalImage(url, fetch=once), GdalImage(url, fetch=once, sidecars=True)
    image.read(PixelWindow(0, 0, 9, 9))
    other.read(PixelWindow(0, 0, 9, 9))
    valid = at(MASK[None] if masked else pixels, FAR) != 0
    if masked:
        close_idle_handles()
    server.fault(mode, after=after)

    for _ in range(2):
        try:
            got = image.read(FAR)
        except ReadError:
            continue
        np.testing.assert_array_equal(got.pixels, at(pixels, FAR))
        assert (got.mask == valid).all()
    server.fault("ok")
    healed = image.read(FAR)
    np.testing.assert_array_equal(healed.pixels, at(pixels, FAR))
    assert (healed.mask == valid).all()


@pytest.mark.parametrize(("mode", "times"), [("short", 1), (500, 1), (503, 3)])
def test_a_server_that_heals_within_the_attempts_gives_the_pixels(server, pixels, mode, times):
    image = GdalImage(f"{server.url}/a.tif")
    image.read(PixelWindow(0, 0, 9, 9))
    server.fault(mode, times=times)

    np.testing.assert_array_equal(image.read(FAR).pixels, at(pixels, FAR))


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_server_that_stays_overloaded_is_an_error_that_counts_the_attempts(server, status):
    image = GdalImage(f"{server.url}/a.tif", fetch=PATIENT)
    image.read(PixelWindow(0, 0, 9, 9))
    server.fault(status)

    with pytest.raises(RemoteReadError, match=f"status {status} after 3 attempts"):
        image.read(FAR)


def test_a_server_that_dies_is_an_error_that_counts_the_attempts(local):
    with serving_faults() as server:
        server.serve("/a.tif", local.read_bytes())
        image = GdalImage(f"{server.url}/a.tif", fetch=PATIENT)
        index = Indexer(item(f"{server.url}/a.tif"), 500).create_index()
        chipper = Chipper(index)
        image.read(PixelWindow(0, 0, 9, 9))

    with pytest.raises(RemoteReadError, match="no answer after 3 attempts") as caught:
        image.read(FAR)
    with pytest.raises(RemoteReadError, match="no answer after 4 attempts"):
        chipper[0]
    batch_errors = pytest.raises(RemoteReadError, match="no answer after 4 attempts")
    with batch_errors:
        chipper.batch([0, 1], on_error="none")
    assert (caught.value.status, caught.value.attempts) == (None, 3)


@pytest.mark.parametrize("when", ["at first", "while open"])
def test_a_server_that_stalls_is_an_error_that_counts_the_attempts(server, when):
    limits = replace(PATIENT, connect_s=2, idle_s=2, attempts=2)  # a first read that the machine held up is tried again
    image = GdalImage(f"{server.url}/a.tif", fetch=limits)
    if when == "while open":
        image.read(PixelWindow(0, 0, 9, 9))
    server.fault("stall")
    started = time.monotonic()

    with pytest.raises(RemoteReadError, match="no answer after 2 attempts"):
        image.read(FAR)
    assert time.monotonic() - started < PATIENT.idle_s


def test_a_port_where_nobody_listens_is_an_error_at_once():
    with socket.socket() as taken:  # and not listened at: nobody else takes it meanwhile
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(RemoteReadError, match="no answer after 3 attempts"):
            GdalImage(f"http://127.0.0.1:{port}/a.tif", fetch=PATIENT).read(FAR)
