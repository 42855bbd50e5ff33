"""Watches share one instance and lose nothing."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest
import trio
import trio.testing

from daemon.runtimes.inotify import IN_Q_OVERFLOW, Inotify, Watch

SECONDS = 60  # real time: inotify knows no other


def inotify_instances() -> int:
    names = (os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd") if _open(fd))
    return sum(name == "anon_inode:inotify" for name in names)


def _open(fd: str) -> bool:
    return os.path.lexists(f"/proc/self/fd/{fd}")


def append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"x")


def files(directory: Path, count: int) -> list[Path]:
    paths = [directory / str(n) / "log" for n in range(count)]
    for path in paths:
        path.parent.mkdir()
        path.touch()
    return paths


async def test_a_change_before_anybody_waits_is_remembered(tmp_path: Path) -> None:
    [path] = files(tmp_path, 1)
    with Inotify().watch(str(path), path.parent) as watch, trio.fail_after(SECONDS):
        append(path)
        await watch.changed()


async def test_a_file_that_appears_beside_it_is_a_change(tmp_path: Path) -> None:
    [path] = files(tmp_path, 1)
    with Inotify().watch(str(path), path.parent) as watch, trio.fail_after(SECONDS):
        (path.parent / "other").touch()
        await watch.changed()


async def test_a_directory_alone_can_be_watched(tmp_path: Path) -> None:
    [path] = files(tmp_path, 1)
    hub, woken = Inotify(), trio.Event()

    async def wait(watch: Watch) -> None:
        await watch.changed()
        woken.set()

    with (
        hub.watch_directory(path.parent) as directory,
        hub.watch(str(path), path.parent) as both,
        trio.fail_after(SECONDS),
    ):
        async with trio.open_nursery() as tasks:
            tasks.start_soon(wait, directory)
            append(path)
            await both.changed()
            assert not woken.is_set()
            path.rename(path.with_name("other"))


async def test_each_watcher_is_woken_for_its_own_file(tmp_path: Path) -> None:
    first, second = files(tmp_path, 2)
    hub = Inotify()
    woken = []

    async def wait(watch: Watch, name: str) -> None:
        await watch.changed()
        woken.append(name)

    with hub.watch(str(first), first.parent) as one, hub.watch(str(second), second.parent) as two:
        with trio.fail_after(SECONDS):
            async with trio.open_nursery() as tasks:
                tasks.start_soon(wait, one, "one")
                await trio.testing.wait_all_tasks_blocked()  # one reads for both
                tasks.start_soon(wait, two, "two")
                await trio.testing.wait_all_tasks_blocked()
                append(second)
                while not woken:
                    await trio.lowlevel.checkpoint()
                assert woken == ["two"]
                append(first)
        assert woken == ["two", "one"]


async def test_the_reading_is_handed_on_when_the_reader_is_cancelled(tmp_path: Path) -> None:
    first, second = files(tmp_path, 2)
    hub = Inotify()
    with hub.watch(str(first), first.parent) as one, hub.watch(str(second), second.parent) as two:
        with trio.fail_after(SECONDS):
            async with trio.open_nursery() as tasks:
                reading = trio.CancelScope()

                async def read() -> None:
                    with reading:
                        await one.changed()

                tasks.start_soon(read)
                await trio.testing.wait_all_tasks_blocked()
                tasks.start_soon(two.changed)
                await trio.testing.wait_all_tasks_blocked()
                reading.cancel()
                await trio.testing.wait_all_tasks_blocked()
                append(second)


async def test_an_overflow_tells_everybody_to_look(tmp_path: Path) -> None:
    first, second = files(tmp_path, 2)
    hub = Inotify()
    with hub.watch(str(first), first.parent) as one, hub.watch(str(second), second.parent) as two:
        hub.dispatch(struct.pack("iIII", -1, IN_Q_OVERFLOW, 0, 0))
        with trio.fail_after(SECONDS):
            await one.changed()
            await two.changed()


async def test_the_instance_exists_only_while_somebody_watches(tmp_path: Path) -> None:
    [path] = files(tmp_path, 1)
    before = inotify_instances()
    hub = Inotify()
    with hub.watch(str(path), path.parent), hub.watch(str(path), path.parent):
        assert inotify_instances() == before + 1
    assert inotify_instances() == before


async def test_a_file_that_does_not_exist_is_not_watched_and_nothing_stays_open(tmp_path: Path) -> None:
    before = inotify_instances()
    with pytest.raises(FileNotFoundError), Inotify().watch(str(tmp_path / "none"), tmp_path):
        pass
    assert inotify_instances() == before


async def test_a_deleted_file_ends_its_watch_without_an_error(tmp_path: Path) -> None:
    [path] = files(tmp_path, 1)
    with Inotify().watch(str(path), path.parent):
        path.unlink()
