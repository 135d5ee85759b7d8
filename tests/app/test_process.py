"""The command line as a process: closed and full outputs, signals, limits of the system."""

import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from cli_scenes import run

MAIN = "from stacchip_osml.app.cli import main; main()"
AS_BY_HAND = """
import signal

signal.signal(signal.SIGINT, signal.default_int_handler)
for number in (signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_DFL)
"""
"""Whoever runs the tests may ignore signals, which children inherit."""
WAITING = """
import hashlib, sys, time
from concurrent.futures import ThreadPoolExecutor
import click
from stacchip_osml.app import cli, ending
from stacchip_osml.encode.atomic import atomic_file

cli.COMMANDS["wait"] = "__main__:wait"

@click.command()
@click.argument("path")
@click.argument("how")
def wait(path, how):
    with atomic_file(path) as out, ThreadPoolExecutor(1) as pool:
        out.write(b"half")
        out.flush()
        ending.LONGEST_END_S = {"long": 600, "sleep": 30}.get(how, 0.5)
        if how == "hang":
            pool.submit(time.sleep, 600)
        print("ready", file=sys.stderr, flush=True)
        if how in {"call", "long"}:
            hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)  # a quarter of an hour in C
        time.sleep(600)

cli.main()
"""


def shell(redirections, *args):
    """Run a command with redirected outputs, as a shell does it."""
    line = f'exec "$@" {redirections}'
    command = ["sh", "-c", line, "sh", sys.executable, "-c", MAIN, *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_with_closed_outputs_the_work_is_done_and_files_hold_nothing_else(two_dates, tmp_path, closed):
    done = shell(closed, "index", "build", *two_dates, tmp_path / "x.parquet", "--assets", "red", "--chip-size", "16")

    assert (done.returncode, done.stderr) == (0, "")
    run("index", "check", tmp_path / "x.parquet")
    assert shell(closed, "index", "info", tmp_path / "none").returncode == 4


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize("args", [["info"], ["query", "--json"], ["--help"]])
def test_an_output_that_is_full_is_one_line_and_exit_code_6(index, args):
    done = shell(">/dev/full", "index", args[0], *([] if args == ["--help"] else [index]), *args[1:])

    assert (done.returncode, done.stderr) == (6, "error: No space left on device\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_an_exit_code_is_right_where_its_message_cannot_be_written(tmp_path):
    assert shell("2>/dev/full", "index", "info", tmp_path / "none").returncode == 4


@contextmanager
def waiting(path, how, before=""):
    """A process in the middle of writing a file."""
    command = [sys.executable, "-c", AS_BY_HAND + before + WAITING, "wait", str(path), how]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr.readline() == "ready\n"
            yield process
        finally:
            process.kill()  # one that still is


@pytest.mark.parametrize("how", ["sleep", "hang", "call"])
@pytest.mark.parametrize(
    ("number", "code", "said"),
    [
        (signal.SIGINT, 130, "error: interrupted\n"),
        (signal.SIGTERM, 143, "error: ended by SIGTERM\n"),
        (signal.SIGHUP, 129, "error: ended by SIGHUP\n"),
    ],
)
def test_a_signal_ends_a_command_soon_whatever_it_waits_for_and_leaves_nothing(tmp_path, number, code, said, how):
    with waiting(tmp_path / "x", how) as process:
        process.send_signal(number)
        stderr = process.communicate(timeout=60)[1]

    assert (process.returncode, stderr) == (code, said)
    assert list(tmp_path.iterdir()) == []


def test_who_asks_twice_does_not_wait_and_nothing_is_left_either(tmp_path):
    with waiting(tmp_path / "x", "long") as process:
        process.send_signal(signal.SIGTERM)
        time.sleep(0.1)  # else it may be one
        process.send_signal(signal.SIGTERM)
        stderr = process.communicate(timeout=60)[1]

    assert process.returncode in {143, -signal.SIGTERM}  # the latter where it was about to end by itself
    assert stderr == "error: ended by SIGTERM\n"
    assert list(tmp_path.iterdir()) == []


def test_signals_that_whoever_started_it_ignores_stay_ignored(tmp_path):
    ignore = "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
    with waiting(tmp_path / "x", "sleep", before=ignore) as process:
        process.send_signal(signal.SIGHUP)
        time.sleep(0.5)
        is_alive = process.poll() is None
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)

    assert is_alive
    assert process.returncode == 143


@pytest.mark.parametrize(
    ("raised", "said"),
    [
        ("MemoryError()", "not enough memory"),
        (
            "__import__('pyarrow').ArrowMemoryError('malloc of size 9 failed')",
            "not enough memory: malloc of size 9 failed",
        ),
        ('RuntimeError("can\'t start new thread")', "the system gives this process no more threads"),
    ],
)
def test_a_lack_of_memory_or_threads_is_no_fault_of_the_program_and_none_of_the_data(index, raised, said):
    code = f"""
import pyarrow.parquet as pq
def refuse(*_, **__):
    raise {raised}
pq.ParquetFile.read_row_groups = refuse
{MAIN}
"""
    done = subprocess.run(
        [sys.executable, "-c", code, "index", "query", index], capture_output=True, text=True, timeout=300, check=False
    )

    assert (done.returncode, done.stderr) == (71, f"error: {said}\n")


def test_a_warning_of_a_library_is_one_line_without_its_source():
    program = f"import atexit, warnings; atexit.register(lambda: warnings.warn('odd\\nitems')); {MAIN}"
    done = subprocess.run([sys.executable, "-c", program, "--version"], check=False, capture_output=True, text=True)

    assert (done.returncode, done.stderr) == (0, "warning: odd items\n")
