"""A file is under its name whole, or what was there before is."""

import errno
import os
import re
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stacchip_osml.encode import atomic
from stacchip_osml.encode.atomic import atomic_file
from stacchip_osml.errors import ChipError, ReadError

FULL_DISK = """
import resource, signal, sys
from stacchip_osml.encode.atomic import atomic_file
from stacchip_osml.errors import ChipError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    with atomic_file(sys.argv[1]) as file:
        for _ in range(int(sys.argv[2])):
            file.write(bytes(1000))
except ChipError as error:
    print(error)
"""
KILLED = """
import sys
from stacchip_osml.encode.atomic import atomic_file
with atomic_file(sys.argv[1]) as file:
    file.write(bytes(100_000))
    file.flush()
    print("written", flush=True)
    sys.stdin.read()
"""


def test_a_file_gets_its_name_when_it_is_whole(tmp_path):
    target = tmp_path / "a.ntf"
    with atomic_file(target) as file:
        file.write(b"....body")
        file.seek(0)
        file.write(b"head")
        assert file.read() == b"body"
        assert not target.exists()

    assert target.read_bytes() == b"headbody"
    assert list(tmp_path.iterdir()) == [target]


ERRORS = [ValueError("mine"), ReadError("gone"), OSError(errno.EIO, "theirs"), KeyboardInterrupt()]


@pytest.mark.parametrize("error", ERRORS)
def test_what_fails_in_the_middle_is_passed_on_and_leaves_the_old_file(tmp_path, error):
    target = tmp_path / "a.ntf"
    target.write_bytes(b"old")

    def write():
        with atomic_file(target) as file:
            file.write(b"half")
            raise error

    with pytest.raises(type(error), match=re.escape(str(error))) as caught:
        write()
    assert caught.value is error
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("thousands", [4, 5, 100])
def test_a_full_disk_keeps_the_old_file(tmp_path, thousands):
    target = tmp_path / "a.ntf"
    target.write_bytes(b"old")
    command = [sys.executable, "-c", FULL_DISK, str(target), str(thousands)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)

    if thousands == 4:
        assert done.stdout == ""
        assert target.stat().st_size == 4000
    else:
        assert done.stdout.startswith(f"cannot write {target}: File too large")
        assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_killed_process_leaves_the_old_file(tmp_path):
    target = tmp_path / "a.ntf"
    target.write_bytes(b"old")
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(target)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout.readline() == b"written\n"
    process.send_signal(signal.SIGKILL)
    process.communicate()

    assert target.read_bytes() == b"old"
    (left,) = set(tmp_path.iterdir()) - {target}
    assert left.name.startswith(".writing-")

    for age, names in ((0, {"a.ntf", left.name, "b.ntf"}), (86_400 + 60, {"a.ntf", "b.ntf"})):
        os.utime(left, (time.time() - age,) * 2)
        atomic._clear.cache_clear()  # as another process
        with atomic_file(tmp_path / "b.ntf"):
            assert len(list(tmp_path.glob(".writing-*"))) == 2 - bool(age)
        assert {path.name for path in tmp_path.iterdir()} == names


def test_what_looks_nearly_like_an_abandoned_file_is_left(tmp_path):
    (tmp_path / ".writing-0123456789abcdef.tmp").mkdir()
    for name in (".writing-mine.tmp", "a.tmp", ".writing-0123456789abcdef.tmp.tif"):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (0, 0))
    before = set(tmp_path.iterdir())
    with atomic_file(tmp_path / "b.ntf"):
        pass

    assert set(tmp_path.iterdir()) == before | {tmp_path / "b.ntf"}


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_disk_that_refuses_at_the_end_leaves_nothing_new(tmp_path, monkeypatch, call):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(*((os, "fsync") if call == "fsync" else (Path, "replace")), full)
    with pytest.raises(ChipError, match=r"cannot write .*a\.ntf: No space left"), atomic_file(tmp_path / "a.ntf"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_a_file_is_refused_by_name(tmp_path):
    with (
        pytest.raises(ChipError, match=r"cannot write .*missing/a\.ntf: No such file"),
        atomic_file(tmp_path / "missing" / "a.ntf"),
    ):
        pass
    with pytest.raises(ChipError, match=r"cannot write .*: not a regular file"), atomic_file(tmp_path):
        pass
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ChipError, match="not a regular file"), atomic_file(tmp_path / "pipe"):
        pass


def test_permissions_and_links_are_kept(tmp_path):
    before = os.umask(0o027)
    try:
        with atomic_file(tmp_path / "a") as file:
            file.write(b"1")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640
    (tmp_path / "a").chmod(0o604)
    (tmp_path / "link").symlink_to("a")
    with atomic_file(tmp_path / "link") as file:
        file.write(b"2")

    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "a").read_bytes() == b"2"
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o604
