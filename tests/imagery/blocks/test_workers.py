"""The crew: everything is done once, nobody waits for who never comes."""

import multiprocessing
import os
import threading
import time

import pytest

from stacchip_osml.imagery.blocks.workers import Work


def do(count: int, threads: int, *, pause: float = 0.0, crew: int = 1) -> tuple[list[int], set[int]]:
    """Do tasks, each of which waits until ``crew`` threads are at them, or have been."""
    done: list[int] = []
    where: set[int] = set()
    all_came = threading.Event()

    def task(number: int) -> None:
        where.add(threading.get_ident())
        if len(where) >= crew:
            all_came.set()
        all_came.wait(60)
        time.sleep(pause)
        done.append(number)

    work = Work(threads)
    work.add([lambda number=number: task(number) for number in range(count)])
    work.finish()
    return done, where


@pytest.mark.parametrize("threads", [1, 2, 8])
def test_every_task_is_done_once(threads):
    done, where = do(60, threads, pause=0.001, crew=min(threads, 2))

    assert sorted(done) == list(range(60))
    assert min(threads, 2) <= len(where) <= threads


def test_one_thread_is_the_callers_own():
    assert do(5, 1)[1] == {threading.get_ident()}


def test_many_callers_at_once_all_finish():
    results: list[list[int]] = []
    callers = [threading.Thread(target=lambda: results.append(do(20, 4)[0]), daemon=True) for _ in range(64)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(120)

    assert [sorted(done) for done in results] == [list(range(20))] * 64


def test_work_inside_work_does_not_deadlock():
    done: list[int] = []
    outer = Work(2)
    outer.add([lambda: done.extend(do(3, 2)[0]) for _ in range(8)])
    outer.finish()

    assert len(done) == 24


def test_tasks_may_be_added_while_helpers_work():
    done: list[int] = []
    work = Work(3)
    for number in range(40):
        work.add([lambda number=number: done.append(number)])
        time.sleep(0.0005)
    work.finish()

    assert sorted(done) == list(range(40))


@pytest.mark.parametrize("threads", [1, 3])
def test_a_fault_in_a_task_reaches_the_caller(threads):
    def fault() -> None:
        raise ZeroDivisionError("a fault of this program")

    work = Work(threads)
    work.add([lambda: time.sleep(0.001)] * 4 + [fault] + [lambda: time.sleep(0.001)] * 50)

    with pytest.raises(ZeroDivisionError, match="a fault"):
        work.finish()
    assert sorted(do(10, threads)[0]) == list(range(10))


def test_threads_do_not_pile_up():
    do(20, 4, pause=0.001)
    before = threading.active_count()
    for _ in range(50):
        do(8, 4)

    assert threading.active_count() <= before


def _child(channel) -> None:
    channel.send(sorted(do(20, 3, pause=0.001)[0]))
    channel.close()
    os._exit(0)


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_gets_helpers_of_its_own():
    do(20, 3, pause=0.001)
    ours, theirs = multiprocessing.Pipe()
    child = multiprocessing.get_context("fork").Process(target=_child, args=(theirs,))
    child.start()

    assert ours.poll(120)
    assert ours.recv() == list(range(20))
    child.join()


def test_tasks_that_come_one_by_one_get_as_many_helpers_as_are_wanted():
    together = threading.Barrier(5)
    work = Work(5)
    for _ in range(4):
        work.add([lambda: together.wait(60)])
    together.wait(60)  # passes only when four helpers have come
    work.finish()
