"""The benchmarks run: every module loads, and a quick run of those that read pixels gives its tables."""

import importlib
import json
import pkgutil
import re
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

import tests.benchmarks
from tests.benchmarks.__main__ import BENCHMARKS, main
from tests.benchmarks.late_server import serving
from tests.benchmarks.page import titles, with_tables
from tests.benchmarks.report import Report, to_text
from tests.benchmarks.targets import Target, report_targets

ROOT = Path(__file__).parents[2]
NEEDS = {"training": "torch"}
TABLES = {
    "pixels": [
        "pixels: random order",
        "pixels: block-coherent order",
        "pixels: CPU ms a chip, random order",
        "pixels: CPU ms a chip, block-coherent order",
        "pixels: targets",
    ],
    "remote": [
        "remote: chips behind 30 ms a request",
        "remote: first chip of a fresh process",
        "remote: training input",
        "remote: targets",
    ],
    "nitf": ["nitf: windows", "nitf: targets"],
    "files": ["files: chips of an index as files"],
    "large": ["large: images from a lazy provider", "large: targets"],
    "flat": ["flat: a chip in indexes of any size", "flat: targets"],
    "training": ["training: batches of a DataLoader", "training: targets"],
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return tmp_path_factory.mktemp("benchmarks")


@pytest.mark.parametrize("name", sorted(module.name for module in pkgutil.iter_modules(tests.benchmarks.__path__)))
def test_every_module_of_the_benchmarks_loads(name):
    for benchmark, library in NEEDS.items():
        if name.startswith(benchmark):
            pytest.importorskip(library)
    if name == "__main__":
        return

    assert importlib.import_module(f"tests.benchmarks.{name}").__doc__


def test_every_benchmark_that_is_named_can_be_run():
    modules = {module.name for module in pkgutil.iter_modules(tests.benchmarks.__path__)}

    assert set(BENCHMARKS) <= modules


@pytest.mark.xdist_group("benchmarks")
@pytest.mark.parametrize("name", sorted(TABLES))
def test_a_quick_run_gives_its_tables(name, data):
    if name in NEEDS:
        pytest.importorskip(NEEDS[name])
    command = [sys.executable, "-m", "tests.benchmarks", name, "--quick", "--folder", data, "--json", data / "out.json"]

    done = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True, timeout=1800)

    assert done.returncode == 0, done.stderr
    reports = json.loads((data / "out.json").read_text())["reports"]
    assert [report["title"] for report in reports] == TABLES[name]
    assert all(report["rows"] for report in reports)
    assert all(report["title"] in done.stdout for report in reports)


def test_targets_say_what_is_met_and_what_could_not_be_measured():
    targets = [
        Target(what="speed", target=2, reached=2.0),
        Target(what="speed", target=2, reached=1.99),
        Target(what="bytes", target=1.05, reached=1.05, most=True),
        Target(what="bytes", target=1.05, reached=1.06, most=True),
        Target(what="speed", target=2, reached=None),
    ]

    report = report_targets("targets", targets)

    assert [row["met"] for row in report.rows] == ["yes", "no", "yes", "no", "not measured"]
    assert "≤ 1.05" in to_text(report)


PAGE = """\
Read so:

<!-- table: cut: chips -->

| reader | ms |
|--------|----|
| old    | 1  |
| gone   | 2  |

<!-- table: merge: rows -->

| side | s |
|------|---|
| ours | 3 |

That was it.
"""


def test_a_page_gets_the_columns_that_it_shows_and_keeps_the_rest():
    report = Report(title="cut: chips", rows=[{"reader": "ours", "cores": 2, "ms": 0.5}, {"reader": "GDAL", "ms": 12}])

    page = with_tables(PAGE, [report])

    assert page == PAGE.replace("| old    | 1  |\n| gone   | 2  |", "| ours   | 0.5 |\n| GDAL   | 12  |").replace(
        "| reader | ms |\n|--------|----|", "| reader | ms  |\n|--------|-----|"
    )
    assert list(titles(page)) == [("cut: chips", ["reader", "ms"]), ("merge: rows", ["side", "s"])]


def test_a_column_that_no_benchmark_gives_is_refused():
    with pytest.raises(ValueError, match="'cut: chips' has no column ms"):
        with_tables(PAGE, [Report(title="cut: chips", rows=[{"reader": "ours"}])])


def test_every_table_of_the_page_comes_from_a_benchmark():
    page = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")

    found = list(titles(page))

    assert len(found) == len(re.findall(r"(?m)^\|[-|]+\|$", page))
    assert {title.split(":")[0] for title, _ in found} <= set(BENCHMARKS)


def test_quick_figures_are_not_written_into_a_page(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(PAGE)

    with pytest.raises(SystemExit):
        main(["cut", "--quick", "--page", str(page)])

    assert page.read_text() == PAGE


@pytest.fixture(scope="module")
def late(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    (folder / "a.bin").write_bytes(bytes(range(200)))
    (folder.parent / "secret").write_bytes(b"not served")
    with serving(folder, delay_s=0.05) as server:
        yield server


def get(url, **headers):
    request = urllib.request.Request(url, headers={name.replace("_", "-"): value for name, value in headers.items()})
    with urllib.request.urlopen(request) as answer:
        return answer.status, answer.read(), answer.headers


def test_the_late_server_gives_ranges_late_and_counts_them(late):
    late.traffic()
    whole = get(f"{late.url}/a.bin")
    first = get(f"{late.url}/a.bin", Range="bytes=10-19")
    last = get(f"{late.url}/a.bin", Range="bytes=-5")

    traffic = late.traffic()

    assert (whole[0], whole[1]) == (200, bytes(range(200)))
    assert (first[0], first[1], first[2]["Content-Range"]) == (206, bytes(range(10, 20)), "bytes 10-19/200")
    assert (last[0], last[1]) == (206, bytes(range(195, 200)))
    assert (traffic.requests, traffic.size, traffic.trips) == (3, 215, 3)
    assert late.traffic().requests == 0


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/a.bin", {"If_Match": '"another"'}, 412),
        ("/a.bin", {"Range": "bytes=200-"}, 416),
        ("/none.bin", {}, 404),
        ("/../secret", {}, 404),
    ],
)
def test_the_late_server_refuses_what_it_does_not_have(late, path, headers, status):
    with pytest.raises(urllib.error.HTTPError, match=str(status)):
        get(late.url + path, **headers)


def test_the_late_server_honours_the_version_it_named(late):
    version = get(f"{late.url}/a.bin")[2]["ETag"]

    assert get(f"{late.url}/a.bin", If_Match=version)[0] == 200
