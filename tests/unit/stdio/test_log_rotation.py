"""The names of a log's files: after a rotation, after a crash at any instant, after an engine was away."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from daemon.runtimes.inotify import Inotify
from daemon.runtimes.logrotation import RotatedLog, keep_settled
from tests.unit.stdio.logtext import START_NS, line
from tests.unit.stdio.series import Log, a_log, held, lines, rotate, shown

SECONDS = 60  # real time: inotify knows no other


class Crash(Exception):
    """The engine dies."""


@contextmanager
def dying_after(steps: int) -> Generator[None, None, None]:
    """Let the engine die when it has renamed and linked so often."""
    left = steps

    def dying(step: Any) -> Any:
        def do(*arguments: Any) -> Any:
            nonlocal left
            if left == 0:
                raise Crash
            left -= 1
            return step(*arguments)

        return do

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Path, "replace", dying(Path.replace))
        patched.setattr(Path, "hardlink_to", dying(Path.hardlink_to))
        try:
            yield
        except Crash:
            return


def stored_bytes(directory: Path) -> int:
    return sum({path.stat().st_ino: path.stat().st_size for path in directory.iterdir()}.values())


def test_old_files_have_dockers_names_and_the_oldest_goes(tmp_path: Path) -> None:
    log, rotated = a_log(tmp_path, b"1")
    assert held(tmp_path) == {"log": [b"1"]}
    rotate(log, rotated, [b"2"])
    assert held(tmp_path) == {"log": [b"2"], "log.1": [b"1"]}
    rotate(log, rotated, [b"3", b"4"])
    assert held(tmp_path) == {"log": [b"4"], "log.1": [b"3"], "log.2": [b"2"]}
    assert stored_bytes(tmp_path) == 3 * len(line(START_NS, b"1"))


def test_settling_again_changes_nothing(tmp_path: Path) -> None:
    log, rotated = a_log(tmp_path, b"1")
    rotate(log, rotated, [b"2"])
    assert not rotated.due
    before = held(tmp_path)
    rotated.settle()
    assert held(tmp_path) == before


def test_a_log_of_one_file_has_no_second_name(tmp_path: Path) -> None:
    log, rotated = a_log(tmp_path, files=1)
    log.write(b"1")
    rotate(log, rotated, [b"2"])
    assert [path.name for path in tmp_path.iterdir()] == ["log"]
    assert held(tmp_path) == {"log": [b"2"]}


@pytest.mark.parametrize("steps", range(6))
@pytest.mark.parametrize("rotations", range(5))
async def test_a_crash_at_any_instant_loses_nothing_and_keeps_the_order(
    tmp_path: Path, rotations: int, steps: int
) -> None:
    log, rotated = a_log(tmp_path, b"0", files=4)
    rotate(log, rotated, [b"%d" % number for number in range(1, rotations + 1)])
    log.replace(b"last")
    expected = [*(b"%d" % number for number in range(rotations + 1)), b"last"][-4:]
    with dying_after(steps):
        rotated.settle()
    assert await lines(rotated) in (expected, [b"%d" % (rotations - 3), *expected])
    rotated.settle()
    assert await lines(rotated) == expected
    assert set(held(tmp_path)) == {"log", *(f"log.{number}" for number in range(1, len(expected)))}
    rotate(log, rotated, [b"next"])
    assert await lines(rotated) == [*expected, b"next"][-4:]


async def test_of_what_is_replaced_while_no_engine_is_there_the_first_file_stays(tmp_path: Path) -> None:
    log, rotated = a_log(tmp_path, b"1", files=4)
    rotate(log, rotated, [b"2"])
    for text in (b"3", b"4", b"5"):
        log.replace(text)
    assert await lines(rotated) == [b"1", b"2", b"5"]
    rotated.settle()
    assert held(tmp_path) == {"log": [b"5"], "log.1": [b"2"], "log.2": [b"1"]}


steps = st.lists(
    st.one_of(st.sampled_from(["write", "replace", "settle", "begin run"]), st.integers(0, 5)), max_size=30
)


@given(files=st.integers(1, 4), steps=steps)
def test_whatever_happens_the_order_holds_and_there_are_never_too_many(
    tmp_path_factory: pytest.TempPathFactory, files: int, steps: list[str | int]
) -> None:
    directory = tmp_path_factory.mktemp("log")
    log, rotated = a_log(directory, b"0", files=files)
    for last, step in enumerate(steps, 1):
        if step == "write":
            log.write(b"%d" % last)
        elif step == "replace":
            log.replace(b"%d" % last)
        elif step == "begin run":
            rotated.begin_run()
        else:
            with dying_after(step if isinstance(step, int) else 100):
                rotated.settle()
        numbers = [int(text) for text in trio.run(lines, rotated)]
        assert numbers == sorted(set(numbers))
        assert set(shown(log.path.read_bytes())) <= {b"%d" % number for number in numbers}
        assert len(held(directory)) <= files


@pytest.mark.parametrize(("files", "left"), [(1, {"log"}), (3, {"log", "log.1"})])
def test_a_log_that_is_full_when_a_run_begins_makes_room(tmp_path: Path, files: int, left: set[str]) -> None:
    full_bytes = len(line(START_NS, b"1"))
    rotated = RotatedLog(tmp_path / "log", full_bytes, files)
    rotated.begin_run()
    log = Log(rotated.path)
    log.append(line(START_NS, b"1")[:-1])
    rotated.begin_run()
    assert log.path.stat().st_size == full_bytes - 1
    log.append(b"\n")
    rotated.begin_run()
    log.append(b"")
    assert set(held(tmp_path)) == left
    assert log.path.stat().st_size == 0
    assert held(tmp_path).get("log.1", [b"1"]) == [b"1"]


async def test_a_crash_while_room_is_made_for_a_run_loses_nothing(tmp_path: Path) -> None:
    log, rotated = a_log(tmp_path, b"1")
    log.path.unlink()
    assert await lines(rotated) == [b"1"]
    rotated.settle()
    assert held(tmp_path) == {"log.1": [b"1"]}
    rotated.begin_run()
    assert held(tmp_path) == {"log": [], "log.1": [b"1"]}


@pytest.mark.parametrize("files", [2, 3])
async def test_a_file_that_somebody_has_given_the_name_before_is_read_once(
    tmp_path: Path, files: int
) -> None:
    log, rotated = a_log(tmp_path, b"1", files=files)
    log.path.rename(tmp_path / "log.1")
    rotated.settle()
    log.replace(b"2")
    rotated.settle()
    assert await lines(rotated) == [b"1", b"2"]
    rotate(log, rotated, [b"3"])
    assert (await lines(rotated))[-2:] == [b"2", b"3"]


async def test_a_log_whose_directory_is_not_there_is_empty(tmp_path: Path) -> None:
    rotated = RotatedLog(tmp_path / "none" / "log", 10, 3)
    rotated.settle()
    assert await lines(rotated) == []


async def settled(rotated: RotatedLog) -> None:
    """Return once a thread has done what there is to do."""
    while rotated.due:
        await trio.lowlevel.checkpoint()


async def test_a_log_is_settled_as_soon_as_its_file_is_replaced(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    log, rotated = a_log(tmp_path, b"1")
    nursery.start_soon(keep_settled, rotated, Inotify())
    with trio.fail_after(SECONDS):
        for text in (b"2", b"3"):
            log.replace(text)
            await settled(rotated)
    assert held(tmp_path) == {"log": [b"3"], "log.1": [b"2"], "log.2": [b"1"]}


async def test_what_was_replaced_before_anybody_looked_is_settled_first(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    log, rotated = a_log(tmp_path, b"1")
    log.replace(b"2")
    with capture_logs() as logged, trio.fail_after(SECONDS):
        nursery.start_soon(keep_settled, rotated, Inotify())
        while not logged:
            await trio.lowlevel.checkpoint()
    assert [(entry["event"], entry["log_level"]) for entry in logged] == [("log rotated", "debug")]
    assert held(tmp_path) == {"log": [b"2"], "log.1": [b"1"]}


async def test_a_log_of_one_file_is_not_watched(tmp_path: Path) -> None:
    with capture_logs() as logged, trio.fail_after(SECONDS):
        await keep_settled(RotatedLog(tmp_path / "none" / "log"), Inotify())
    assert logged == []


async def test_a_disk_that_refuses_is_tried_again(tmp_path: Path, nursery: trio.Nursery) -> None:
    log, rotated = a_log(tmp_path, b"1", files=2)
    obstacle = tmp_path / "log.1"
    obstacle.mkdir()
    with capture_logs() as logged, trio.fail_after(SECONDS):
        nursery.start_soon(keep_settled, rotated, Inotify())
        log.replace(b"2")
        while not logged:
            await trio.lowlevel.checkpoint()
        obstacle.rmdir()
        (tmp_path / "anything").touch()
        while not obstacle.is_file():
            await trio.lowlevel.checkpoint()
    assert (logged[0]["event"], logged[0]["log_level"]) == ("log not rotated", "error")
    assert shown(obstacle.read_bytes()) == [b"1"]


async def test_a_log_that_cannot_be_watched_is_said_so(tmp_path: Path) -> None:
    with capture_logs() as logged:
        await keep_settled(RotatedLog(tmp_path / "none" / "log", most_files=2), Inotify())
    assert [entry["event"] for entry in logged] == ["log is not rotated during this run"]
