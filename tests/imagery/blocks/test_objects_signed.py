"""Objects that are signed, and objects that are somewhere else: each is found again, and nothing secret is told."""

import logging
import random
import threading

import pytest

from stacchip_osml.errors import ReadError, RemoteReadError
from stacchip_osml.imagery.blocks.objects import RemoteObject
from tests.fault_server import Signing, told_by
from tests.imagery.patience import PATIENT

DATA = random.Random(3).randbytes(100_000)


@pytest.fixture
def url(server):
    return server.serve("/a.tif", DATA)


# ---- signatures


def test_an_object_is_signed_once_for_many_reads_and_once_more_when_it_is_refused(server, url):
    server.set(token="sig=first")
    sign = Signing("sig=first", "sig=second")
    remote = RemoteObject(url, sign=sign, fetch=PATIENT)
    for _ in range(3):
        assert remote.read_at(0, 10) == DATA[:10]
    assert sign.asked == 1
    server.set(token="sig=second")

    assert remote.read_at(0, 10) == remote.read_at(0, 10) == DATA[:10]
    assert sign.asked == 2
    assert [asked.query for asked in server.asked()] == ["sig=first"] * 4 + ["sig=second"] * 2


def test_readers_that_are_refused_together_sign_once(server, url):
    server.set(token="sig=first")
    sign = Signing("sig=first", "sig=second")
    remote = RemoteObject(url, sign=sign, fetch=PATIENT)
    remote.read_at(0, 1)
    server.set(token="sig=second", delay=0.1)
    got = []
    threads = [threading.Thread(target=lambda: got.append(remote.read_at(5, 5))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert got == [DATA[5:10]] * 8
    assert sign.asked == 2


@pytest.mark.parametrize("status", [401, 403])
def test_a_signature_that_stays_refused_is_an_error_without_it(server, url, status, caplog):
    caplog.set_level(logging.DEBUG)
    sign = Signing("sig=HUSHHUSH")
    server.fault(status)

    with pytest.raises(RemoteReadError, match=f"status {status} after 2 attempts") as caught:
        RemoteObject(url, sign=sign, fetch=PATIENT).read_at(0, 10)
    assert (sign.asked, len(server.asked())) == (2, 2)
    assert "HUSH" not in told_by(caught.value) + caplog.text
    with pytest.raises(RemoteReadError, match=f"status {status} after 1 attempts"):
        RemoteObject(url, fetch=PATIENT).read_at(0, 10)


def test_a_signing_function_that_fails_or_leads_elsewhere_is_an_error_of_the_object(url):
    for sign, message in (
        (lambda href: 1 / 0, "signing it failed, ZeroDivisionError"),
        (lambda href: "file:///etc/passwd", "absolute path or an http"),
        (lambda href: "/etc/passwd", "signing it gave a local file"),
    ):
        with pytest.raises(ReadError, match=message):
            RemoteObject(url, sign=sign, fetch=PATIENT).read_at(0, 1)


# ---- redirects


@pytest.mark.parametrize("host", ["", "http://localhost:{port}"])
def test_a_redirect_is_followed_once_and_remembered_for_a_while(server, url, host, monkeypatch):
    port = server.url.rpartition(":")[2]
    server.fault("redirect", path="/from", to=host.format(port=port) + "/a.tif?sig=HUSH")
    remote = RemoteObject(f"{server.url}/from.tif", fetch=PATIENT)
    server.serve("/from.tif", b"")

    assert [remote.read_at(number, 9) for number in range(3)] == [DATA[number : number + 9] for number in range(3)]
    assert [asked.path for asked in server.asked()] == ["/from.tif", "/a.tif", "/a.tif", "/a.tif"]
    server.fault(403, path="/a.tif", times=1)  # the signature that it led to has expired
    assert remote.read_at(5, 5) == DATA[5:10]
    assert [asked.path for asked in server.asked()] == ["/a.tif", "/from.tif", "/a.tif"]


@pytest.mark.parametrize(
    "target",
    ["http://10.0.0.1/a", "http://169.254.169.254/latest/meta-data", "http://metadata/a", "ftp://example.com/a"],
)
def test_a_redirect_into_the_network_or_out_of_http_is_refused_at_any_request(server, url, target):
    remote = RemoteObject(url, fetch=PATIENT)
    remote.read_at(0, 10)
    server.fault("redirect", to=target)

    for reader in (remote, RemoteObject(url, fetch=PATIENT)):
        with pytest.raises(ReadError, match=r"redirects to .+, where images are not read from"):
            reader.read_at(10, 10)
    assert len(server.asked()) == 3


def test_redirects_in_a_circle_end(server, url):
    server.fault("redirect", to="/a.tif")

    with pytest.raises(RemoteReadError, match="no answer after 1 attempts"):
        RemoteObject(url, fetch=PATIENT).read_at(0, 10)
    assert len(server.asked()) == 6
