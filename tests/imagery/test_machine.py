"""What a process may use: of affinity, limits and control groups the smallest counts."""

import os
import subprocess
import sys

import pytest

from stacchip_osml.imagery import machine
from stacchip_osml.imagery.machine import fitting, group_cores, group_memory, usable_cores, usable_memory

GIB = 1 << 30


@pytest.fixture
def process(tmp_path):
    """A made-up process folder; call with its groups, what is mounted, and the files of the groups."""

    def make(groups, mounts, files):
        for name, text in files.items():
            file = tmp_path / "mnt" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text + "\n")
        folder = tmp_path / "self"
        folder.mkdir()
        (folder / "cgroup").write_text("".join(f"{line}\n" for line in groups))
        lines = [
            f"{number} 22 0:{number} {root} {tmp_path / 'mnt' / at} rw,nosuid shared:9 - {kind} none rw,{options}\n"
            for number, (root, at, kind, options) in enumerate(mounts, start=30)
        ]
        (folder / "mountinfo").write_text("22 1 8:1 / / rw - ext4 /dev/sda1 rw\n" + "".join(lines))
        return folder

    return make


V2 = [("/", ".", "cgroup2", "nsdelegate")]


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({"cpu.max": "max 100000"}, None),
        ({"cpu.max": "200000 100000"}, 2),
        ({"cpu.max": "150000 100000"}, 2),
        ({"cpu.max": "1000 100000"}, 1),
        ({"cpu.max": "0 0"}, 1),
        ({"cpu.max": "400000 100000", "a/cpu.max": "max 100000", "a/b/cpu.max": "300000 100000"}, 3),
        ({"a/cpu.max": "200000 100000", "a/b/cpu.max": "900000 100000"}, 2),
        ({"a/b/c/cpu.max": "100000 100000"}, None),  # not a group of this process
        ({"cpu.max": ""}, None),
        ({"cpu.max": "half a core"}, None),
        ({}, None),
    ],
)
def test_a_quota_of_any_group_around_a_process_counts_rounded_up(process, files, cores):
    assert group_cores(process(["0::/a/b"], V2, files)) == cores


@pytest.mark.parametrize(
    ("group", "root"), [("/docker/1f", "/docker/1f"), ("/docker/1f", "/"), ("/", "/"), ("/../../pod", "/")]
)
def test_a_container_sees_its_quota_however_its_groups_are_mounted(process, group, root):
    inside = "docker/1f/" if (group, root) == ("/docker/1f", "/") else ""

    assert group_cores(process([f"0::{group}"], [(root, ".", "cgroup2", "x")], {f"{inside}cpu.max": "500 100"})) == 5


def test_groups_of_version_1_are_known_by_their_controller(process):
    groups = ["12:memory:/job/7", "4:cpu,cpuacct:/job/7", "1:name=systemd:/", "0::/"]
    mounts = [
        ("/", "cpu,cpuacct", "cgroup", "cpu,cpuacct"),
        ("/", "memory", "cgroup", "memory"),
        ("/", "unified", "cgroup2", "x"),
    ]
    files = {
        "cpu,cpuacct/cpu.cfs_quota_us": "-1",
        "cpu,cpuacct/cpu.cfs_period_us": "100000",
        "cpu,cpuacct/job/cpu.cfs_quota_us": "250000",
        "cpu,cpuacct/job/cpu.cfs_period_us": "100000",
        "cpu,cpuacct/job/7/cpu.cfs_quota_us": "800000",
        "cpu,cpuacct/job/7/cpu.cfs_period_us": "100000",
        "memory/memory.limit_in_bytes": "9223372036854771712",
        "memory/job/memory.limit_in_bytes": str(2 * GIB),
        "memory/job/7/memory.limit_in_bytes": str(4 * GIB),
        "unified/cpu.max": "max 100000",
    }
    found = process(groups, mounts, files)

    assert group_cores(found) == 3
    assert group_memory(found) == 2 * GIB


@pytest.mark.parametrize(
    ("files", "memory"),
    [
        ({"memory.max": "max"}, None),
        ({"memory.max": str(GIB)}, GIB),
        ({"memory.max": "max", "a/memory.max": str(3 * GIB), "a/memory.high": str(2 * GIB)}, 2 * GIB),
        ({"memory.max": "a lot"}, None),
    ],
)
def test_memory_is_limited_by_any_group_too(process, files, memory):
    assert group_memory(process(["0::/a"], V2, files)) == memory


def test_where_there_are_no_groups_nothing_is_limited(tmp_path):
    assert group_cores(tmp_path) is None
    assert group_memory(tmp_path) is None


def test_cores_are_those_that_this_process_may_use_and_groups_are_looked_at_once(monkeypatch):
    asked = []
    monkeypatch.setattr(machine, "group_cores", lambda process: asked.append(process) or 1)
    machine._group_cores.cache_clear()
    try:
        assert [usable_cores() for _ in range(3)] == [1, 1, 1]
        assert asked == [machine.PROCESS]
    finally:
        machine._group_cores.cache_clear()
    monkeypatch.undo()
    assert 1 <= usable_cores() <= (os.cpu_count() or 1)


def test_caches_are_as_large_as_said_where_there_is_memory_and_smaller_where_not(monkeypatch):
    monkeypatch.setattr(machine, "usable_memory", lambda: 64 * GIB)
    assert fitting(GIB) == GIB
    monkeypatch.setattr(machine, "usable_memory", lambda: GIB // 2)
    assert fitting(GIB) == GIB // 16
    monkeypatch.setattr(machine, "usable_memory", lambda: None)
    assert fitting(GIB) == GIB


def test_a_process_of_limited_memory_keeps_less_in_every_cache():
    resource = pytest.importorskip("resource")
    code = """
from stacchip_osml.encode.factory import CACHE_BYTES as factory
from stacchip_osml.imagery import TileCache
from stacchip_osml.imagery.blocks.arena import default_arena
from stacchip_osml.imagery.machine import usable_memory
from stacchip_osml.load.chipper import CACHE_BYTES as chipper
from stacchip_osml.load.source import CACHE_BYTES as source
assert usable_memory() == 2 << 30, usable_memory()
print(factory >> 20, default_arena().capacity >> 20, chipper >> 20, source >> 20, TileCache().max_bytes >> 20)
"""
    memory = usable_memory()
    if memory is not None and memory < 2 * GIB:
        pytest.skip("less memory than the test takes away")
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (2 * GIB, 2 * GIB)),
    )

    assert done.stdout.split() == ["128", "256", "256", "256", "256"], done.stderr
