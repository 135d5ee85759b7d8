"""Bytes of objects in a store: the same promises as over plain HTTP, with as many requests, and no secrets."""

import json
import logging
import random
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from stacchip_osml.errors import AssetChanged, AssetMissing, DecodeError, ReadError, RemoteReadError
from stacchip_osml.imagery.blocks.fetch import RangeRequest, fetch_ranges
from stacchip_osml.imagery.blocks.objects import RemoteObject
from stacchip_osml.imagery.network import stores
from stacchip_osml.imagery.network.stores import Patience, obstore, shared_store
from tests.fault_server import told_by
from tests.imagery.patience import PATIENT, SOON_IDLE

DATA = random.Random(3).randbytes(100_000)
OTHER = random.Random(4).randbytes(100_000)


@pytest.fixture
def environment(monkeypatch):
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_S3_ENDPOINT", "AWS_HTTPS", "AWS_NO_SIGN_REQUEST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "KEYID")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "HUSHHUSH")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    return monkeypatch


# ---- a real store


@pytest.fixture(scope="module")
def moto():
    boto3 = pytest.importorskip("boto3")
    running = pytest.importorskip("moto.server").ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    settings = {"aws_access_key_id": "KEYID", "aws_secret_access_key": "HUSHHUSH", "region_name": "us-east-1"}
    client = boto3.client("s3", endpoint_url=f"http://{host}:{port}", **settings)
    client.create_bucket(Bucket="bucket")
    client.url = f"http://{host}:{port}"
    yield client
    running.stop()


@pytest.fixture
def s3(moto, environment):
    environment.setenv("AWS_ENDPOINT_URL", moto.url)
    moto.put_object(Bucket="bucket", Key="deep/a b+c.tif", Body=DATA)
    return moto


def test_bytes_of_an_object_are_those_put_there(s3):
    remote = RemoteObject("s3://bucket/deep/a b+c.tif", fetch=PATIENT)

    assert remote.read_at(10, 1000) == DATA[10:1010]
    assert remote.read_at(99_990, 1000) == DATA[99_990:]
    assert remote.read_at(100_000, 5) == RemoteObject(remote.location, fetch=PATIENT).read_at(100_000, 5) == b""
    assert remote.size == 100_000
    assert remote.version == (s3.head_object(Bucket="bucket", Key="deep/a b+c.tif")["ETag"],)
    with pytest.raises(DecodeError, match="bytes 99990 to 100010 are wanted, the object ends at 100000"):
        remote.read_exactly(99_990, 20)
    places = [(n, 100 * n, 50 + n) for n in range(60)]
    got = {n: bytes(data) for n, data in fetch_ranges(RangeRequest(remote, at, size, n) for n, at, size in places)}
    assert got == {n: DATA[at : at + size] for n, at, size in places}


def test_what_is_not_in_the_store_is_missing(s3):
    for url in ("s3://bucket/none.tif", "s3://nobucket/none.tif"):
        with pytest.raises(AssetMissing, match=r"none\.tif: status 404"):
            RemoteObject(url, fetch=PATIENT).read_at(0, 1)
    for url in ("s3://bucket/a//b.tif", "s3://bucket/a/../b.tif"):
        with pytest.raises(ReadError, match=r"b\.tif: no answer after 1 attempts"):
            RemoteObject(url, fetch=PATIENT).read_at(0, 1)


def test_an_object_that_is_replaced_is_noticed_at_the_next_request(s3):
    s3.put_object(Bucket="bucket", Key="c.tif", Body=DATA)
    remote = RemoteObject("s3://bucket/c.tif", fetch=PATIENT)
    remote.read_at(0, 10)
    (etag,) = remote.version
    s3.put_object(Bucket="bucket", Key="c.tif", Body=OTHER)

    for reader in (remote, RemoteObject("s3://bucket/c.tif", fetch=PATIENT, expect_etag=etag)):
        with pytest.raises(AssetChanged, match=r"c\.tif: the object changed since it was first read") as caught:
            reader.read_at(10, 10)
    assert "HUSH" not in told_by(caught.value)
    assert RemoteObject("s3://bucket/c.tif", fetch=PATIENT).read_at(0, 10) == OTHER[:10]


# ---- a store that fails


@pytest.fixture
def server(server, environment):
    environment.setenv("AWS_ENDPOINT_URL", server.url)
    server.serve("/bucket/a.tif", DATA)
    return server


@pytest.fixture
def remote(server):
    return RemoteObject("s3://bucket/a.tif", fetch=PATIENT)


def test_a_range_is_one_request_with_its_condition(server, remote):
    assert remote.read_at(5, 5) == DATA[5:10]
    assert remote.read_at(50, 5) == DATA[50:55]

    first, second = server.asked()
    assert (first.range, second.range) == ((5, 5), (50, 5))
    assert "if-match" not in first.headers
    assert (second.headers["if-match"],) == remote.version


def test_connections_are_used_again(server, remote):
    for number in range(30):
        remote.read_at(number, 5)
        time.sleep(0.02)

    # the library gives one back a moment after its answer was read: sometimes another is opened meanwhile
    assert len({each.connection for each in server.asked()}) < 15


@pytest.mark.parametrize("kind", [500, 503, 429, "reset", "hang up", "short"])
def test_a_store_that_heals_gives_the_bytes_after_as_many_requests(server, remote, kind):
    server.fault(kind, times=2)

    assert remote.read_at(1000, 1000) == DATA[1000:2000]
    assert len(server.asked()) == 3


@pytest.mark.parametrize(
    ("kind", "status"),
    [(500, 500), (502, 502), (504, 504), (429, 429), ("reset", None), ("short", None)],
)
def test_a_store_that_stays_broken_is_an_error_that_counts_the_attempts(server, remote, kind, status, caplog):
    caplog.set_level(logging.DEBUG)
    server.fault(kind)
    said = "no answer" if status is None else f"status {status}"

    with pytest.raises(RemoteReadError, match=rf"^s3://bucket/a\.tif: {said} after 3 attempts$") as caught:
        remote.read_at(1000, 1000)
    assert len(server.asked()) == 3
    assert "HUSH" not in told_by(caught.value) + caplog.text
    assert caught.value.__context__ is None


def test_a_store_that_drips_fails_at_the_deadline(server, remote):
    server.fault("drip", every=0.1)  # for a quarter of an hour
    limits = replace(PATIENT, total_s=2)
    started = time.monotonic()

    with pytest.raises(RemoteReadError, match="no answer after 1 attempts"):
        RemoteObject(remote.location, fetch=limits).read_at(0, 10_000)
    assert time.monotonic() - started < PATIENT.idle_s


def test_an_object_of_a_store_whose_time_is_over_before_it_is_asked_for_is_no_answer(server):
    def slowly(href):
        time.sleep(0.2)
        return href

    remote = RemoteObject("s3://bucket/a.tif", sign=slowly, fetch=replace(PATIENT, total_s=0.1))

    with pytest.raises(RemoteReadError, match="no answer after 1 attempts"):
        remote.read_at(0, 10)
    assert server.asked() == []


@pytest.mark.parametrize("kind", ["whole", "other range"])
def test_a_store_that_ignores_ranges_or_conditions_gives_no_wrong_bytes(server, remote, kind):
    server.set(conditional=False)
    remote.read_at(0, 10)
    server.serve("/bucket/a.tif", OTHER)
    with pytest.raises(AssetChanged, match="changed since it was first read"):
        remote.read_at(0, 10)
    server.fault(kind)
    server.asked()

    said = "status 200 after 1 attempts" if kind == "whole" else "after 3 attempts"
    with pytest.raises(RemoteReadError, match=said):
        RemoteObject("s3://bucket/a.tif", fetch=PATIENT).read_at(10, 10)
    assert len(server.asked()) == (1 if kind == "whole" else 3)


@pytest.mark.parametrize("status", [401, 403])
def test_a_store_that_refuses_is_asked_once_more_with_new_credentials(server, remote, status, monkeypatch):
    monkeypatch.setattr(stores, "YOUNG_S", -1.0)
    patience = Patience.once(PATIENT, again=False)
    before = shared_store("s3://bucket/a.tif", patience)
    server.fault(status)

    with pytest.raises(RemoteReadError, match=f"status {status} after 2 attempts") as caught:
        remote.read_at(0, 10)
    assert len(server.asked()) == 2
    assert "HUSH" not in told_by(caught.value)
    assert shared_store("s3://bucket/a.tif", patience) is not before
    server.fault("ok")
    assert remote.read_at(0, 10) == DATA[:10]


def test_a_bucket_whose_requester_pays_is_told_who_pays(server, environment, remote):
    assert remote.read_at(5, 5) == DATA[5:10]
    environment.setenv("AWS_REQUEST_PAYER", "requester")
    assert RemoteObject("s3://bucket/a.tif", fetch=PATIENT).read_at(5, 5) == DATA[5:10]

    first, second = server.asked()
    assert [asked.headers.get("x-amz-request-payer") for asked in (first, second)] == [None, "requester"]


def test_stores_are_shared_by_the_objects_of_a_bucket_and_made_again_for_another_environment(
    server, environment, monkeypatch
):
    patience = Patience.once(PATIENT, again=False)
    monkeypatch.setattr(stores, "YOUNG_S", 1e6)
    one = shared_store("s3://bucket/a.tif", patience)

    assert shared_store("s3://bucket/b/c.tif", patience) is one
    assert shared_store("s3://bucket/b/c.tif", patience, instead_of=one) is one  # it is young
    assert shared_store("s3://other/a.tif", patience) is not one
    environment.setenv("AWS_ACCESS_KEY_ID", "OTHER")
    assert shared_store("s3://bucket/a.tif", patience) is not one


# ---- Google's and Azure's, as far as reading ranges goes


@pytest.fixture
def other_stores(server, environment, tmp_path):
    """Google's and Azure's, besides Amazon's."""
    account = tmp_path / "account.json"
    facts = {"gcs_base_url": server.url, "disable_oauth": True, "client_email": "", "private_key": ""}
    account.write_text(json.dumps(facts | {"private_key_id": ""}))
    environment.setenv("GOOGLE_SERVICE_ACCOUNT", str(account))
    environment.setenv("GOOGLE_ALLOW_HTTP", "true")
    environment.setenv("AZURE_STORAGE_ACCOUNT", "account")
    environment.setenv("AZURE_STORAGE_ACCOUNT_KEY", "SFVTSEhVU0g=")
    environment.setenv("AZURE_STORAGE_ENDPOINT", server.url)
    environment.setenv("AZURE_ALLOW_HTTP", "true")
    server.set(modified="Fri, 02 May 2025 03:04:05 GMT")


@pytest.fixture(params=["gs", "az"])
def other_store(request, other_stores):
    return request.param


def test_google_and_azure_are_read_by_the_same_rules(server, other_store):
    remote = RemoteObject(f"{other_store}://bucket/a.tif", fetch=PATIENT)
    server.fault(503, times=1)
    assert remote.read_at(7, 7) == DATA[7:14]
    assert remote.read_at(99_990, 1000) == DATA[99_990:]
    assert remote.size == 100_000
    server.serve("/bucket/a.tif", OTHER)
    with pytest.raises(AssetChanged, match="changed since it was first read"):
        remote.read_at(0, 7)
    asked = server.asked()
    assert [each.range for each in asked] == [(7, 7), (7, 7), (99_990, 10), (0, 7)]
    assert ["if-match" in each.headers for each in asked] == [False, False, True, True]


@pytest.mark.parametrize("kind", [500, 429, "reset", "short"])
def test_google_and_azure_heal_after_as_many_requests(server, other_store, kind):
    server.fault(kind, times=2)

    assert RemoteObject(f"{other_store}://bucket/a.tif", fetch=PATIENT).read_at(1000, 1000) == DATA[1000:2000]
    assert len(server.asked()) == 3


@pytest.mark.parametrize(
    ("kind", "error", "said", "requests"),
    [
        (503, RemoteReadError, "status 503 after 3 attempts", 3),
        (403, RemoteReadError, "status 403 after 2 attempts", 2),
        (404, AssetMissing, "status 404", 1),
        ("whole", RemoteReadError, "status 200 after 1 attempts", 1),
    ],
)
def test_google_and_azure_fail_as_promised(server, other_store, kind, error, said, requests, monkeypatch, caplog):
    monkeypatch.setattr(stores, "YOUNG_S", -1.0)
    caplog.set_level(logging.DEBUG)
    server.fault(kind)

    with pytest.raises(error, match=rf"^{other_store}://bucket/a\.tif: {said}$") as caught:
        RemoteObject(f"{other_store}://bucket/a.tif", fetch=PATIENT).read_at(1000, 1000)
    assert len(server.asked()) == requests
    assert "SFVTSEhVU0g" not in told_by(caught.value) + caplog.text


def test_many_ranges_come_from_google_and_azure_together(server, other_store):
    remote = RemoteObject(f"{other_store}://bucket/a.tif", fetch=PATIENT)
    places = [(n, 100 * n, 50 + n) for n in range(60)]

    got = {n: bytes(data) for n, data in fetch_ranges(RangeRequest(remote, at, size, n) for n, at, size in places)}

    assert got == {n: DATA[at : at + size] for n, at, size in places}


def test_a_store_that_stalls_is_given_up_and_asked_again_as_often_as_promised(server, other_stores):
    cases = [(scheme, kind) for scheme in ("s3", "gs", "az") for kind in ("stall", "stall body")]
    heals = {f"{scheme}://bucket/{scheme}{kind.replace(' ', '')}.tif": kind for scheme, kind in cases}
    stays = {f"{scheme}://bucket/{scheme}stays.tif": "stall" for scheme, _ in cases}
    for url, kind in (heals | stays).items():
        path = url.partition(":/")[2]
        server.serve(path, DATA)
        server.fault(kind, times=None if url in stays else 2, path=path)

    def end(url):
        try:
            return RemoteObject(url, fetch=SOON_IDLE).read_at(1000, 1000)
        except RemoteReadError as error:
            return str(error)

    with ThreadPoolExecutor(len(heals | stays)) as threads:  # side by side, because each waits several times
        ends = dict(zip(heals | stays, threads.map(end, heals | stays), strict=True))

    assert ends == dict.fromkeys(heals, DATA[1000:2000]) | {url: f"{url}: no answer after 3 attempts" for url in stays}
    asked = Counter(each.path for each in server.asked())
    assert asked == dict.fromkeys((url.partition(":/")[2] for url in heals | stays), 3)


# ---- the library


def test_the_library_is_loaded_when_a_store_is_first_read():
    assert obstore().__name__ == "obstore"
    assert obstore() is obstore()
