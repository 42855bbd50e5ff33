"""What `docker top` shows, from what ps printed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from trio.testing import MockClock

from daemon.errors import Conflict, Failed, InvalidParameter
from daemon.runtimes import processtable
from daemon.runtimes.processtable import ProcessTable, pids_with, process_table, select

PRINTED = """UID          PID    PPID CMD
root           1       0 /sbin/init
root          42       1 sleep 10 20
"""


def test_the_rows_of_the_containers_processes_are_kept() -> None:
    table = select(PRINTED, frozenset({42}))
    assert table == ProcessTable(["UID", "PID", "PPID", "CMD"], [["root", "42", "1", "sleep 10 20"]])


@pytest.mark.parametrize("printed", ["", "\n", "CMD\nsleep\n"])
def test_without_a_pid_column_nothing_can_be_told(printed: str) -> None:
    with pytest.raises(Failed, match="Couldn't find PID field in ps output"):
        select(printed, frozenset({1}))


@pytest.mark.parametrize("row", ["root", "root x 1 sleep", ""])
def test_a_row_without_a_pid_is_left_out(row: str) -> None:
    assert select(f"UID PID PPID CMD\n{row}\n", frozenset({1})).rows == []


async def test_what_does_not_run_has_no_processes() -> None:
    with pytest.raises(Conflict, match="container c1 is not running"):
        await process_table("c1", 0, "-ef")


async def test_arguments_that_ps_does_not_know_are_refused() -> None:
    with pytest.raises(InvalidParameter, match=r"^ps: "):
        await process_table("c1", os.getpid(), "--nonesuch")


async def test_a_host_without_ps_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonesuch")
    with pytest.raises(Failed, match="apt install procps"):
        await process_table("c1", os.getpid(), "-ef")


async def test_a_ps_that_hangs_is_ended(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, autojump_clock: MockClock
) -> None:
    (tmp_path / "ps").write_text("#!/bin/sh\nexec sleep 1000\n")
    (tmp_path / "ps").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(Failed, match="ps did not end within 10 s"):
        await process_table("c1", os.getpid(), "-ef")


async def test_the_processes_are_those_of_the_cgroup(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processtable, "pids_with", lambda _: frozenset({os.getpid()}))
    table = await process_table("c1", os.getpid(), "-ef")
    [row] = table.rows
    assert row[table.titles.index("PID")] == str(os.getpid())


async def test_a_container_that_ends_meanwhile_does_not_run() -> None:
    with pytest.raises(Conflict, match="container c1 is not running"):
        await process_table("c1", 2**22 + 1, "-ef")  # above the largest pid there can be


@pytest.mark.runtime  # in a namespace the tree may be another one
def test_a_process_is_in_its_own_cgroup() -> None:
    assert os.getpid() in pids_with(os.getpid())
