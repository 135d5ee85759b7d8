"""Where a redirected image may be read from."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from stacchip_osml.errors import ReadError
from stacchip_osml.imagery.blocks.objects import read_remote_head
from stacchip_osml.imagery.limits import FetchLimits


@pytest.fixture
def redirecting():
    """A server that sends ``/x`` to wherever the test says, and answers everything else."""
    seen = []

    class Handler(BaseHTTPRequestHandler):
        target = ""

        def do_GET(self):
            seen.append(self.path)
            if self.path == "/x":
                self.send_response(302)
                self.send_header("Location", self.target.format(port=self.server.server_port))
                self.end_headers()
            else:
                self.send_response(200)
                self.send_header("Content-Length", "4")
                self.end_headers()
                self.wfile.write(b"II*\0")

        def log_message(self, *_):
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield Handler, f"http://127.0.0.1:{server.server_port}/x", seen
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("target", ["/image", "http://127.0.0.1:{port}/image", "http://localhost:{port}/image"])
def test_a_redirect_within_the_host_is_followed(redirecting, target):
    handler, url, seen = redirecting
    handler.target = target

    assert read_remote_head(url, FetchLimits())[0] == b"II*\0"
    assert seen == ["/x", "/image"]


@pytest.mark.parametrize(
    "target",
    [
        "http://10.0.0.1/image",
        "http://169.254.169.254/latest/meta-data",
        "http://metadata/image",
        "http://127%2e0%2e0%2e1/image",
        "ftp://files.example.com/image",
        "file:///etc/passwd",
    ],
)
def test_a_redirect_to_another_host_of_this_network_or_to_no_http_is_refused_at_once(redirecting, target):
    handler, url, seen = redirecting
    handler.target = target

    with pytest.raises(ReadError, match=r"redirects to .+, where images are not read from|status 302"):
        read_remote_head(url, FetchLimits(attempts=2, backoff_s=0.01))
    assert seen == ["/x"]
