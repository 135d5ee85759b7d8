"""Connections to HTTP servers: heads and bodies read as the standard has them, trusted servers, proxies on the way."""

import random
import socket
import ssl
import subprocess
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from stacchip_osml.errors import ReadError, RemoteReadError
from stacchip_osml.imagery.blocks.objects import RemoteObject
from stacchip_osml.imagery.network import connection_pool
from stacchip_osml.imagery.network.connection_pool import close_idle_connections
from stacchip_osml.imagery.network.http1 import AnswerError, chunk_size, parse_head, place_of, request_for
from tests.imagery.patience import PATIENT

DATA = random.Random(9).randbytes(300_000)


# ---- bytes


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("http://h", (False, "h", 80, "h", "/", None)),
        ("https://h/a b%20c?x=%2F&y=ä", (True, "h", 443, "h", "/a%20b%20c?x=%2F&y=%C3%A4", None)),
        ("http://h:81/a#frag", (False, "h", 81, "h:81", "/a", None)),
        ("http://[::1]:8/a", (False, "::1", 8, "[::1]:8", "/a", None)),
        ("http://bücher.example/é", (False, "xn--bcher-kva.example", 80, "xn--bcher-kva.example", "/%C3%A9", None)),
        ("http://u:p%3Aq@h/", (False, "h", 80, "h", "/", "Basic dTpwOnE=")),
    ],
)
def test_a_url_is_taken_apart_for_a_request(url, place):
    assert place_of(url) == place


@pytest.mark.parametrize("url", ["http://", "http://h:x/", "http://h:99999/", f"http://{'ä' * 80}/", "http://a b/"])
def test_what_is_no_url_is_refused(url):
    with pytest.raises(ReadError, match=r"not a URL that can be read|needs a host"):
        place_of(url)


def test_a_request_is_one_range_and_nothing_can_be_slipped_into_it():
    place = place_of("http://h/a\r\nX-Evil: 1\r\n/b?c d")
    sent = request_for(place, 5, 10, more={"If-Match": '"x"'})

    assert sent.startswith(b"GET /aX-Evil:%201/b?c%20d HTTP/1.1\r\nHost: h\r\n")
    assert sent.endswith(b'\r\nRange: bytes=5-14\r\nIf-Match: "x"\r\n\r\n')


def test_a_head_is_read():
    head = parse_head(
        b"HTTP/1.1 206 Partial Content\r\nContent-Length: 10\r\nVia: a\r\nvia:b \r\nContent-Range: bytes 5-14/20"
    )

    assert (head.status, head.length, head.chunked, head.keeps_alive) == (206, 10, False, True)
    assert head.headers["via"] == "a, b"
    assert head.span == (5, 14, 20)


@pytest.mark.parametrize(
    ("said", "span"),
    [
        ("bytes 5-14/*", (5, 14, None)),
        ("bytes */20", (None, None, 20)),
        ("bytes 5-4/20", None),
        ("bytes 5-20/20", None),
        ("bytes 5-14/20, bytes 1-2/20", None),
        ("items 5-14/20", None),
        ("bytes -5-14/20", None),
        ("", None),
    ],
)
def test_a_content_range_makes_sense_or_is_none(said, span):
    assert parse_head(f"HTTP/1.1 206 X\r\nContent-Range: {said}".encode()).span == span


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"HTTP/2 200", "not an HTTP/1 answer"),
        (b"HTTP/1.1 20 OK", "not an HTTP/1 answer"),
        (b"", "not an HTTP/1 answer"),
        (b"HTTP/1.1 200 OK\r\nA", "a header line that is none"),
        (b"HTTP/1.1 200 OK\r\nA: b\r\n folded", "a header line that is none"),
        (b"HTTP/1.1 200 OK\r\nA: b\rContent-Length: 5", "a header line that is none"),
        (b"HTTP/1.1 200 OK\r\nA: b\nContent-Length: 5", "a header line that is none"),
        (b"HTTP/1.1 200 OK\nContent-Length: 5", "not an HTTP/1 answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length : 5", "a header line that is none"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -5", "a Content-Length that is no number"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6", "a Content-Length that is no number"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked", "read in two ways"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked", "read in two ways"),
    ],
)
def test_a_head_that_can_be_read_in_two_ways_is_refused(raw, message):
    with pytest.raises(AnswerError, match=message):
        parse_head(raw)


def test_chunks_have_sizes():
    assert [chunk_size(line) for line in (b"0", b"1f", b"00A;x=y", b"5 ")] == [0, 31, 10, 5]
    for line in (b"", b"-1", b"0x5", b"f" * 16, b"5 5"):
        with pytest.raises(AnswerError, match="a chunk without a size"):
            chunk_size(line)


# ---- trust and proxies


class Ranges(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.seen.append((self.path, dict(self.headers)))
        first, last = map(int, self.headers["Range"].removeprefix("bytes=").split("-"))
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {first}-{last}/{len(DATA)}")
        self.send_header("Content-Length", str(last + 1 - first))
        self.end_headers()
        self.wfile.write(DATA[first : last + 1])

    def do_CONNECT(self):
        self.server.seen.append((self.path, dict(self.headers)))
        host, _, port = self.path.rpartition(":")
        if host == "refused.example":
            self.send_response(407)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        self.end_headers()
        with socket.create_connection((host.strip("[]"), int(port))) as there:
            back = threading.Thread(target=passed_on, args=(there, self.connection))
            back.start()
            passed_on(self.connection, there)
            back.join()
        self.close_connection = True

    def log_message(self, *_):
        """Say nothing."""


def passed_on(source, target):
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        return


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        """Say nothing of clients that hang up."""


def running(context=None):
    server = Server(("127.0.0.1", 0), Ranges)
    server.seen = []
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


@pytest.fixture(autouse=True)
def _anew(monkeypatch):
    for name in ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    connection_pool._trust.cache_clear()
    yield
    close_idle_connections()
    connection_pool._trust.cache_clear()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificate")
    command = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost"
    )
    try:
        subprocess.run(
            [*command.split(), "-keyout", folder / "key.pem", "-out", folder / "cert.pem"],
            check=True,
            capture_output=True,
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no openssl to make a certificate with")
    return folder


@pytest.fixture
def secure(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    server = running(context)
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def plain():
    server = running()
    yield server
    server.shutdown()
    server.server_close()


def test_a_trusted_server_is_read_and_the_connection_kept(secure, certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "cert.pem"))
    remote = RemoteObject(f"https://localhost:{secure.server_port}/a.tif", fetch=PATIENT)

    assert remote.read_at(5, 200_000) == DATA[5:200_005]
    monkeypatch.setattr(connection_pool, "_dial", None)
    assert remote.read_at(7, 7) == DATA[7:14]


def test_a_server_that_is_not_trusted_is_asked_for_nothing_and_tried_once(secure, certificate, monkeypatch):
    for host in ("localhost", "127.0.0.1"):
        if host != "localhost":  # trusted now, by another name
            monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "cert.pem"))
            connection_pool._trust.cache_clear()
        with pytest.raises(RemoteReadError, match="no answer after 1 attempts") as caught:
            RemoteObject(f"https://{host}:{secure.server_port}/a.tif", fetch=PATIENT).read_at(0, 1)
        assert "CERTIFICATE_VERIFY_FAILED" in str(caught.value.__cause__)
    assert secure.seen == []


def test_a_proxy_of_the_environment_is_asked_instead(plain, monkeypatch):
    monkeypatch.setenv("http_proxy", f"http://me:HUSH@127.0.0.1:{plain.server_port}")
    monkeypatch.setenv("no_proxy", "direct.invalid")

    assert RemoteObject("http://far.invalid/a.tif?b=c", fetch=PATIENT).read_at(5, 5) == DATA[5:10]
    ((path, headers),) = plain.seen
    assert (path, headers["Host"]) == ("http://far.invalid/a.tif?b=c", "far.invalid")
    assert headers["Proxy-Authorization"] == "Basic bWU6SFVTSA=="
    with pytest.raises(RemoteReadError, match="no answer after 3 attempts") as caught:
        RemoteObject("http://direct.invalid/a.tif", fetch=PATIENT).read_at(5, 5)
    assert "HUSH" not in str(caught.value.__cause__)


def test_a_proxy_passes_secure_requests_on_unread(plain, secure, certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "cert.pem"))
    monkeypatch.setenv("https_proxy", f"127.0.0.1:{plain.server_port}")
    remote = RemoteObject(f"https://localhost:{secure.server_port}/a.tif", fetch=PATIENT)

    assert remote.read_at(5, 50_000) == DATA[5:50_005]
    assert remote.read_at(6, 6) == DATA[6:12]
    assert [path for path, _ in plain.seen] == [f"localhost:{secure.server_port}"]
    with pytest.raises(RemoteReadError, match="no answer after 3 attempts") as caught:
        RemoteObject("https://refused.example/a.tif", fetch=PATIENT).read_at(0, 1)
    assert "the proxy answered with status 407" in str(caught.value.__cause__)


def test_a_connection_that_the_server_closed_while_it_rested_is_not_used(plain):
    remote = RemoteObject(f"http://127.0.0.1:{plain.server_port}/a.tif", fetch=replace(PATIENT, attempts=1))
    remote.read_at(0, 1)
    (resting,) = connection_pool._RESTING.by_server.values()
    resting[0].hang_up()

    assert remote.read_at(3, 3) == DATA[3:6]


def test_no_more_connections_rest_than_allowed(plain, monkeypatch):
    monkeypatch.setattr(connection_pool, "MOST_RESTING", 3)
    remotes = [
        RemoteObject(f"http://{host}:{plain.server_port}/a", fetch=PATIENT) for host in ("127.0.0.1", "localhost")
    ]
    for remote in remotes:
        threads = [threading.Thread(target=remote.read_at, args=(0, 100)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert sum(len(waiting) for waiting in connection_pool._RESTING.by_server.values()) == 3
    assert connection_pool._RESTING.count == 3
