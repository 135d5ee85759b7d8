"""What goes wrong in the middle: the old file is there, or none, and an open file is cut back."""

import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from nitf_files import NOW, file_of, image_of, written

from stacchip_osml.encode.nitf import NitfImage, read_nitf, write_nitf
from stacchip_osml.errors import DecodeError, EncodeError, ReadError
from stacchip_osml.imagery.providers.buffered import BufferedImageAssetProvider

HELPERS = str(Path(__file__).parent)
PREAMBLE = f"import sys; sys.path.insert(0, {HELPERS!r})\n"
FULL_DISK = (
    PREAMBLE
    + """
import resource, signal
from nitf_files import *
from stacchip_osml.errors import ChipError
file = file_of(image_of((1, 100, 100)))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
try:
    write_nitf(sys.argv[1], file)
except ChipError as error:
    print(error)
"""
)
KILLED = (
    PREAMBLE
    + """
from nitf_files import *
class Waiting(BufferedImageAssetProvider):
    def get_block(self, row, col, *rest, **options):
        if row == 1:
            print("half", flush=True)
            sys.stdin.read()
        return super().get_block(row, col, *rest, **options)
pixels = Waiting.from_array(pixels_of((1, 4096, 64)), block_height=2048, block_width=64)
write_nitf(sys.argv[1], file_of(NitfImage(pixels=pixels, fields={"IC": "NC"})))
"""
)


class Failing(BufferedImageAssetProvider):
    """Gives its first block, and then an error where there is one."""

    error = ReadError("the disk is gone")

    def get_block(self, block_row, block_col, resolution_level=0, bands=None):
        if block_row and self.error is not None:
            raise self.error
        return super().get_block(block_row, block_col, resolution_level, bands)


def failing(error):
    image = Failing.create("failing", 64, 4096, 1, 64, 512)
    for row in range(8):
        image.set_block(row, 0, image_of((1, 512, 64)).pixels.get_block(0, 0))
    image.error = error
    return file_of(NitfImage(pixels=image, fields={"IC": "NC", "NPPBV": "512"}))


@pytest.mark.parametrize("error", [ReadError("gone"), RuntimeError("theirs"), KeyboardInterrupt("stop")])
@pytest.mark.parametrize("workers", [1, 2])
def test_a_provider_that_raises_leaves_the_old_file(tmp_path, error, workers):
    target = tmp_path / "a.ntf"
    target.write_bytes(b"old")
    with pytest.raises(type(error), match=str(error)):
        write_nitf(target, failing(error), workers=workers)
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_provider_that_raises_leaves_no_new_file(tmp_path):
    with pytest.raises(ReadError, match="gone"):
        write_nitf(tmp_path / "a.ntf", failing(ReadError("gone")))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("workers", [1, 2])
def test_an_open_file_is_cut_back_to_where_it_was(workers):
    out = io.BytesIO(b"before")
    out.seek(6)
    with pytest.raises(ReadError, match="gone"):
        write_nitf(out, failing(ReadError("gone")), workers=workers)
    assert out.getvalue() == b"before"


@pytest.mark.parametrize("workers", [1, 3])
def test_a_file_in_memory_is_cut_back_where_who_is_told_of_progress_stops(workers):
    def stop(done, _):
        if done == 2:
            raise KeyboardInterrupt("enough")

    out = io.BytesIO(b"before")
    out.seek(6)
    with pytest.raises(KeyboardInterrupt, match="enough"):
        write_nitf(out, failing(None), workers=workers, progress=stop)
    assert out.getvalue() == b"before"


def test_a_file_in_memory_that_held_more_keeps_what_is_not_written_over():
    data = written(file_of(image_of((1, 100, 100))))
    out = io.BytesIO(b"x" * (len(data) + 100))
    out.seek(50)
    write_nitf(out, file_of(image_of((1, 100, 100))), now=NOW)
    assert out.getvalue() == b"x" * 50 + data + b"x" * 50
    assert out.tell() == 50 + len(data)


@pytest.mark.parametrize("room", [0, 500, 5000])
def test_a_full_disk_leaves_the_old_file(tmp_path, room):
    target = tmp_path / "a.ntf"
    target.write_bytes(b"old")
    command = [sys.executable, "-c", FULL_DISK, str(target), str(room)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)

    assert done.stdout.startswith(f"cannot write {target}: File too large")
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_killed_process_leaves_the_old_file(tmp_path):
    target = tmp_path / "a.ntf"
    target.write_bytes(b"old")
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(target)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout.readline() == b"half\n"
    process.send_signal(signal.SIGKILL)
    process.communicate()

    assert target.read_bytes() == b"old"
    assert len(list(tmp_path.glob(".writing-*.tmp"))) == 1


def test_a_file_is_replaced_by_a_copy_of_itself(tmp_path):
    path = tmp_path / "a.ntf"
    write_nitf(path, file_of(image_of()), now=NOW)
    before = path.read_bytes()
    write_nitf(path, read_nitf(path))

    assert path.read_bytes() == before


def test_a_parent_that_ends_within_its_pixels_is_not_copied(tmp_path):
    data = written(file_of(image_of((1, 100, 100))))
    with pytest.raises(DecodeError, match=r"image data of 10000 bytes at \d+ ends after 9999"):
        write_nitf(tmp_path / "a.ntf", read_nitf(data[:-1]))
    assert list(tmp_path.iterdir()) == []


def test_a_parent_that_changed_meanwhile_is_not_copied(tmp_path):
    path = tmp_path / "a.ntf"
    write_nitf(path, file_of(image_of()))
    file = read_nitf(path)
    path.write_bytes(path.read_bytes() + b"more")
    os.utime(path, ns=(1, 1))
    out = io.BytesIO()
    with pytest.raises(ReadError, match="changed"):
        write_nitf(out, file)
    assert out.getvalue() == b""


def test_pixels_that_the_format_does_not_carry_are_refused(tmp_path):
    provider = BufferedImageAssetProvider.from_array(image_of((1, 4, 4), "float64").pixels.get_block(0, 0))
    file = file_of(NitfImage(pixels=provider, fields={"IC": "C8"}))
    with pytest.raises(EncodeError, match=r"IC"):
        write_nitf(tmp_path / "a.ntf", file)
    assert list(tmp_path.iterdir()) == []
