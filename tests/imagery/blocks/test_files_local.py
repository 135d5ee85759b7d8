"""Bytes of one version of a local file: all of them, from any thread, and never of two versions."""

import os
import pickle
import random
import threading
from pathlib import Path

import pytest

from stacchip_osml.errors import AssetChanged, AssetMissing, DecodeError, ReadError
from stacchip_osml.imagery.blocks import files
from stacchip_osml.imagery.blocks.files import MOST_OPEN, LocalFile, close_idle_files

SIZE = 200_000
BEYOND = [(SIZE - 5, 6), (SIZE, 1), (SIZE + 9, 5), (0, 1 << 40), (1 << 62, 1 << 62)]


@pytest.fixture
def content():
    return random.Random(7).randbytes(SIZE)


@pytest.fixture
def path(tmp_path, content):
    close_idle_files()
    path = tmp_path / "a.bin"
    path.write_bytes(content)
    return path


def open_descriptors():
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@pytest.mark.parametrize(("offset", "size"), [(0, 1), (0, SIZE), (17, 1000), (SIZE - 1, 1), (100, 0)])
def test_bytes_are_those_of_the_file(path, content, offset, size):
    file = LocalFile(str(path))
    buffer = bytearray(size)

    assert file.read_at(offset, size) == file.read_exactly(offset, size) == content[offset : offset + size]
    assert file.read_into(offset, memoryview(buffer)) == size
    assert buffer == content[offset : offset + size]
    assert file.size == SIZE


@pytest.mark.parametrize(
    ("offset", "size"), [(SIZE - 5, 6), (SIZE, 1), (SIZE + 9, 5), (0, 1 << 40), (1 << 62, 1 << 62)]
)
def test_what_lies_beyond_the_end_is_not_there_however_much_is_wanted(path, content, offset, size):
    file = LocalFile(str(path))
    buffer = bytearray(min(size, 1 << 20))

    assert file.read_at(offset, size) == content[offset : offset + size]
    assert file.read_into(offset, memoryview(buffer)) == len(content[offset : offset + size])
    with pytest.raises(DecodeError, match=rf"a\.bin: bytes {offset} to {offset + size} are wanted, the file ends at"):
        file.read_exactly(offset, size)


@pytest.mark.parametrize(
    ("offsets", "size"),
    [(range(3, 4, 1), 10), (range(0, SIZE, 50_000), 70), (range(9, 3000, 7), 5), (range(0, 900, 300), 300)],
)
def test_spans_that_lie_apart_are_joined(path, content, offsets, size):
    wanted = b"".join(content[offset : offset + size] for offset in offsets)

    assert LocalFile(str(path)).read_spans(offsets, size) == wanted


def test_spans_beyond_the_end_are_not_there(path, content):
    file = LocalFile(str(path))
    file.read_at(0, 10)
    os.truncate(path, 1000)

    assert file.read_spans(range(0, 1500, 500), 300) == content[:300] + content[500:800]
    assert file.read_spans(range(900, 1500, 500), 300) == content[900:1000]
    assert file.read_spans(range(-5, 100, 50), 5) == file.read_spans(range(0, 1 << 63, 1 << 62), 5) == b""


def test_reads_in_many_calls_are_as_good_as_one(path, content, monkeypatch):
    monkeypatch.setattr(files, "MOST_AT_ONCE", 7001)
    buffer = bytearray(SIZE)

    assert LocalFile(str(path)).read_into(0, memoryview(buffer)) == SIZE
    assert buffer == content
    assert LocalFile(str(path)).read_at(3, SIZE) == content[3:]


def test_a_file_cut_under_its_reader_gives_fewer_bytes_and_is_noticed(path):
    file = LocalFile(str(path))
    file.read_at(0, 10)
    os.truncate(path, 1000)

    assert file.read_into(0, memoryview(bytearray(SIZE))) == 1000
    with pytest.raises(DecodeError, match=r"bytes 900 to 1100 are wanted, the file ends at 1000"):
        file.read_exactly(900, 200)
    with pytest.raises(AssetChanged, match="changed since it was first read"):
        file.check()


@pytest.mark.parametrize("how", ["renamed over", "rewritten", "touched"])
def test_another_version_under_the_name_is_noticed_and_never_read(path, content, how, tmp_path):
    file = LocalFile(str(path))
    stamp = file.check()
    assert file.read_at(0, 100) == content[:100]
    file.unchanged(stamp)
    if how == "renamed over":
        (tmp_path / "b.bin").write_bytes(content[::-1])
        os.utime(tmp_path / "b.bin", ns=(stamp.modified_ns, stamp.modified_ns))
        (tmp_path / "b.bin").replace(path)
        assert file.read_at(0, 100) == content[:100]  # still the version that was opened
    elif how == "rewritten":
        path.write_bytes(content[::-1])
        os.utime(path, ns=(stamp.modified_ns + 1, stamp.modified_ns + 1))
    else:
        os.utime(path)

    with pytest.raises(AssetChanged, match="changed since it was first read"):
        file.check()
    with pytest.raises(AssetChanged, match="changed while it was read"):
        file.unchanged(stamp)
    close_idle_files()
    with pytest.raises(AssetChanged, match="changed since it was first read"):
        file.read_at(0, 100)
    assert LocalFile(str(path)).read_at(0, SIZE) == (content if how == "touched" else content[::-1])


def test_a_file_that_is_not_the_one_indexed_is_refused(path):
    facts = path.stat()

    assert LocalFile(str(path), expect=(SIZE, facts.st_mtime_ns)).size == SIZE
    with pytest.raises(AssetChanged, match="expected 5 bytes, found 200000"):
        LocalFile(str(path), expect=(5, None)).read_at(0, 1)
    with pytest.raises(AssetChanged, match="expected 12 ns mtime, found"):
        LocalFile(str(path), expect=(None, 12)).check()


def test_what_is_no_file_is_an_error_with_its_name(tmp_path, path):
    file = LocalFile(str(path))
    file.check()
    path.unlink()
    os.mkfifo(tmp_path / "pipe")

    for broken in (file, LocalFile(str(path)), LocalFile(str(tmp_path / "none.bin")), LocalFile(f"{path}/x")):
        with pytest.raises(AssetMissing, match=r"(a|none)\.bin(/x)?: no such file"):
            broken.read_at(0, 1)
    for odd in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(DecodeError, match="not a regular file"):
            LocalFile(str(odd)).read_at(0, 1)
    for location in ("a.bin", "/vsizip/a.zip/b", "https://host/a.tif"):
        with pytest.raises(ReadError, match=r"absolute path|not served|not a local file"):
            LocalFile(location)


def test_a_pipe_put_in_the_place_of_a_file_does_not_hold_the_reader(path):
    file = LocalFile(str(path))
    file.check()
    path.unlink()
    os.mkfifo(path)

    with pytest.raises(AssetChanged, match="changed since it was first read"):
        file.read_at(0, 1)


def test_few_files_are_open_however_many_are_read_by_however_many_threads(tmp_path):
    close_idle_files()
    paths = [tmp_path / f"{number}.bin" for number in range(3 * MOST_OPEN)]
    for number, path in enumerate(paths):
        path.write_bytes(number.to_bytes(4, "big") * 100)
    before = open_descriptors()
    opened = [LocalFile(str(path)) for path in paths]
    most, wrong = [], []

    def read(seed):
        order = random.Random(seed)
        for _ in range(600):
            number = order.randrange(len(paths))
            if opened[number].read_at(4 * order.randrange(99), 4) != number.to_bytes(4, "big"):
                wrong.append(number)
        most.append(open_descriptors())

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert not wrong
    assert max(most) <= before + MOST_OPEN + 16
    close_idle_files()
    assert open_descriptors() <= before


def test_a_file_is_pickled_as_its_name_and_what_is_expected(path, content):
    file = LocalFile(str(path), expect=(SIZE, None))
    file.read_at(0, 1)

    again = pickle.loads(pickle.dumps(file))

    assert again.read_at(5, 5) == content[5:10]
    assert repr(again) == repr(file)
    with pytest.raises(AssetChanged, match="expected 1 bytes"):
        pickle.loads(pickle.dumps(LocalFile(str(path), expect=(1, None)))).check()


def test_a_forked_child_reads_on_and_leaves_the_parents_descriptors_alone(path, content):
    file = LocalFile(str(path))
    file.read_at(0, 1)
    child = os.fork()
    if child == 0:
        good = file.read_at(50, 50) == content[50:100]
        close_idle_files()
        os._exit(0 if good and file.read_at(60, 50) == content[60:110] else 1)

    assert os.waitpid(child, 0)[1] == 0
    assert file.read_at(9, 90) == content[9:99]
