"""Small documents of our own, and the folder of real ones where it exists."""

import copy
import http.server
import json
import os
import threading
from pathlib import Path

import pytest

ITEM = {
    "type": "Feature",
    "stac_version": "1.1.0",
    "stac_extensions": ["https://stac-extensions.github.io/projection/v2.0.0/schema.json"],
    "id": "scene-1",
    "geometry": {
        "type": "Polygon",
        "coordinates": [[[9.0, 48.0], [10.0, 48.0], [10.0, 49.0], [9.0, 49.0], [9.0, 48.0]]],
    },
    "bbox": [9.0, 48.0, 10.0, 49.0],
    "properties": {
        "datetime": "2026-03-04T05:06:07.089Z",
        "proj:code": "EPSG:32632",
        "proj:shape": [200, 300],
        "proj:transform": [10.0, 0.0, 500000.0, 0.0, -10.0, 5400000.0],
        "gsd": 10,
    },
    "links": [],
    "assets": {
        "red": {
            "href": "./red.tif",
            "type": "image/tiff; application=geotiff; profile=cloud-optimized",
            "roles": ["data"],
            "bands": [{"name": "B04", "eo:common_name": "red", "data_type": "uint16", "nodata": 0}],
        },
        "thumbnail": {"href": "./thumb.png", "type": "image/png", "roles": ["thumbnail"]},
    },
}


@pytest.fixture
def document():
    return copy.deepcopy(ITEM)


@pytest.fixture(scope="session")
def real_documents():
    root = Path(os.environ.get("STACCHIP_OSML_DATA", Path(__file__).parents[3] / "shared" / "data")).resolve()
    if not (root / "stac").is_dir():
        pytest.skip("the folder of real documents is not here")
    return root


class Served:
    """A real HTTP server of a few JSON answers, which remembers what it was asked."""

    def __init__(self, answers):
        self.asked = []
        served = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.answer(b"")

            def do_POST(self):
                self.answer(self.rfile.read(int(self.headers["Content-Length"])))

            def answer(self, body):
                served.asked.append(self.path)
                given = answers.get(self.path.split("?")[0])
                given = given(self.path, json.loads(body or b"{}")) if callable(given) else given
                status, given = given if isinstance(given, tuple) else (404 if given is None else 200, given)
                data = given if isinstance(given, bytes) else json.dumps(given).encode()
                self.send_response(status)
                if status in {301, 302, 307, 308}:
                    self.send_header("Location", given)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *args):
                pass

        self.httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.httpd.server_port}"
        threading.Thread(target=self.httpd.serve_forever, args=(0.02,), daemon=True).start()


@pytest.fixture
def serve():
    """Start servers; all are stopped after the test."""
    servers = []

    def start(answers):
        servers.append(Served(answers))
        return servers[-1]

    yield start
    for server in servers:
        server.httpd.shutdown()
        server.httpd.server_close()
