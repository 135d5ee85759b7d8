"""JSON within limits, from files and servers."""

import contextlib
import http.server
import json
import threading
import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stacchip_osml.errors import AssetMissing, ItemError, LimitError, ReadError, RemoteReadError
from stacchip_osml.stac.documents import parse_json, read_bytes, read_json, require_shallow
from tests.imagery.patience import PATIENT


@pytest.mark.parametrize(
    "text", [b"[" * 10_000, b"[" * 10_000 + b"]" * 10_000, b'{"a":' * 10_000, b"[" * 65 + b"]" * 65]
)
def test_deep_json_is_refused_before_it_is_parsed(text):
    with pytest.raises(LimitError, match="levels deep"):
        parse_json(text, source="x.json")


def test_brackets_inside_texts_do_not_count():
    document = {"a": "[" * 1000, "b": '\\"[[[' * 100, "c": [[["]"]]]}
    assert parse_json(json.dumps(document).encode(), source="x.json") == document


def test_texts_of_closing_brackets_do_not_hide_depth():
    text = b'{"a":"' + b"]" * 20_000 + b'","b":' + b"[" * 10_000 + b"]" * 10_000 + b"}"
    with pytest.raises(LimitError, match="levels deep"):
        parse_json(text, source="x.json")


@given(
    st.recursive(
        st.none() | st.integers() | st.text(), lambda s: st.lists(s) | st.dictionaries(st.text(), s), max_leaves=30
    )
)
def test_json_of_any_texts_is_read_as_it_was_written(value):
    assert parse_json(json.dumps(value).encode(), source="x") == value
    assert parse_json(json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass"), source="x") == value


@given(st.binary(max_size=200))
def test_any_bytes_are_json_or_a_typed_error(data):
    with contextlib.suppress(ItemError, LimitError):
        parse_json(data, source="x.json")


def test_unclosed_texts_are_scanned_once():
    started = time.process_time()
    with pytest.raises(ItemError, match="not JSON"):
        parse_json(b'"' + b'\\"' * 2_000_000, source="x.json")
    assert time.process_time() - started < 5


def test_large_json_is_refused():
    with pytest.raises(LimitError, match="limit is"):
        parse_json(b" " * (16 * 2**20 + 1), source="x.json")


@pytest.mark.parametrize("text", [b"", b"{", b"\xff\xfe{}", b"[1,]", b"nul", b"1" * 5000])
def test_what_is_not_json_names_its_source(text):
    with pytest.raises(ItemError, match=r"folder/x\.json: not JSON"):
        parse_json(text, source="folder/x.json")


def test_objects_nested_too_deep_are_refused_without_recursion():
    deep: list = []
    for _ in range(10_000):
        deep = [deep]
    with pytest.raises(LimitError, match="more than 64 levels"):
        require_shallow({"a": deep}, source="item")
    require_shallow({"a": [[{"b": 1}]]}, source="item")


def test_missing_files_and_devices_are_typed_errors(tmp_path):
    for path in (tmp_path / "no.json", tmp_path, "/dev/zero", tmp_path / ("x" * 5000), "/proc/self/mem"):
        with pytest.raises(ReadError, match=r"no such file|a folder, not|name too long|may not be read|Input/output"):
            read_json(str(path))


@pytest.fixture(scope="module")
def server():  # noqa: C901 - one branch a behaviour
    """A real HTTP server whose paths say how it behaves; it counts what it was asked."""
    asked: dict[str, int] = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked[self.path] = asked.get(self.path, 0) + 1
            kind = self.path.strip("/").split("?")[0]
            if kind.startswith("heal") and asked[self.path] < 3:
                self.send_error(503)
            elif kind == "bucket/missing":
                self.send_error(404)
            elif kind.isdigit():
                self.send_error(int(kind))
            elif kind == "redirect-inside":
                self.answer(302, b"", Location="/fine")
            elif kind == "redirect-file":
                self.answer(302, b"", Location="file:///etc/passwd")
            elif kind == "loop":
                self.answer(302, b"", Location="/loop")
            elif kind == "stall":
                self.rfile.read(1)  # until the client hangs up
            elif kind == "short":
                self.send_response(200)
                self.send_header("Content-Length", "1000")
                self.end_headers()
                self.wfile.write(b'{"a"')
            elif kind == "large":
                self.answer(200, b" " * 3_000_000)
            else:
                self.answer(200, b'{"a": 1}')

        def answer(self, status, body, **headers):
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Last-Modified", "Wed, 21 Oct 2015 07:28:00 GMT")
            self.send_header("ETag", '"1"')
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        httpd.asked = asked
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield httpd
        httpd.shutdown()


def url(server, path):
    return f"http://127.0.0.1:{server.server_port}/{path}"


def test_a_document_is_read_from_a_server_that_heals(server):
    assert read_json(url(server, "heal.json"), limits=PATIENT) == {"a": 1}
    assert server.asked["/heal.json"] == 3


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429])
def test_a_failing_server_is_asked_a_bounded_number_of_times(server, status):
    with pytest.raises(RemoteReadError, match=f"status {status} after 3 attempts"):
        read_json(url(server, f"{status}?sig=secret"), limits=PATIENT)
    assert server.asked[f"/{status}?sig=secret"] == 3


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_what_is_not_there_is_not_asked_for_again(server, status):
    with pytest.raises(AssetMissing, match=rf"/{status}\?…: status {status}"):
        read_json(url(server, f"{status}?sig=secret"), limits=PATIENT)
    assert server.asked[f"/{status}?sig=secret"] == 1


@pytest.mark.parametrize(("path", "limits"), [("stall", replace(PATIENT, idle_s=0.3)), ("short", PATIENT)])
def test_stalls_and_cut_bodies_are_no_answer(server, path, limits):
    with pytest.raises(RemoteReadError, match="no answer after 3 attempts"):
        read_json(url(server, path), limits=limits)


def test_a_server_that_is_not_there_is_no_answer():
    with pytest.raises(RemoteReadError, match="no answer after 3 attempts"):
        read_json("http://127.0.0.1:9/x.json", limits=PATIENT)


def test_redirects_follow_the_rules_of_hrefs(server):
    assert read_json(url(server, "redirect-inside"), limits=PATIENT) == {"a": 1}
    with pytest.raises(ItemError, match="file"):
        read_json(url(server, "redirect-file"), limits=PATIENT)
    with pytest.raises(RemoteReadError, match="status 310"):
        read_json(url(server, "loop"), limits=PATIENT)


def test_documents_of_an_object_store_are_read(server, monkeypatch):
    for name, value in {
        "AWS_ENDPOINT_URL": url(server, "")[:-1],
        "AWS_NO_SIGN_REQUEST": "YES",
        "AWS_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    assert read_json("s3://bucket/a/item.json", limits=PATIENT) == {"a": 1}
    assert server.asked["/bucket/a/item.json"] == 1
    with pytest.raises(AssetMissing, match="no such object"):
        read_json("s3://bucket/missing", limits=PATIENT)


def test_large_answers_are_refused(server):
    with pytest.raises(LimitError, match="limit of a document"):
        read_bytes(url(server, "large"), limits=PATIENT, max_bytes=1_000_000)
