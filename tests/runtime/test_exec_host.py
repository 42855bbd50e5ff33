"""Exec sessions on the real host."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

import attrs
import pytest
import trio

from daemon.actors.container.actor import Container
from daemon.actors.container.snapshot import ContainerSnapshot
from daemon.actors.container.states import State
from daemon.actors.containers import new_id
from daemon.actors.exec.lifecycle import StartExec
from daemon.actors.exec.linux import LinuxExecHost
from daemon.actors.exec.session import ExecRecord
from daemon.actors.mailbox import Mailbox
from daemon.actors.published import Cell
from daemon.errors import RuntimeFailed
from daemon.model import ExecConfig
from daemon.runtimes.attach import AttachSession
from daemon.runtimes.base import Exit, Run
from daemon.runtimes.failures import launch_failure
from tests.runtime.hosts import DEAF, REAL_SECONDS, RealRig, started
from tests.unit.actors.fakes import KILL

SIZED: Final = "until case $(stty size 2>/dev/null) in [1-9]*) true;; *) false;; esac; do :; done; stty size"
pytestmark = pytest.mark.runtime


@attrs.frozen
class Place:
    """A running container, and who runs exec sessions in it."""

    rig: RealRig
    container: Container
    run: Run
    host: LinuxExecHost

    def record(self, *command: str, **changes: object) -> ExecRecord:
        config = attrs.evolve(ExecConfig(cmd=command), **changes)  # type: ignore[arg-type]
        return ExecRecord(new_id(), self.container.id, config)

    async def execute(self, record: ExecRecord, start: StartExec | None = None) -> tuple[Run, AttachSession]:
        return await self.host.execute(self.container, record, start or StartExec())

    async def ended(self, record: ExecRecord, run: Run, session: AttachSession) -> tuple[bytes, Exit | None]:
        """Return what the session wrote and how it ended."""
        written = b""
        connection = await session.connected()
        assert connection is not None
        while packets := await connection.receive_batch():
            written += b"".join(packet.payload for packet in packets)
        connection.close()
        return written, await self.host.wait(record, run)


@asynccontextmanager
async def place(real: RealRig) -> AsyncGenerator[Place, None]:
    async with started(real, real.record(*DEAF)) as running:
        snapshot = ContainerSnapshot(running.record, State.RUNNING, running.run)
        container = Container(snapshot.id, Mailbox("container"), Cell(snapshot))
        yield Place(real, container, running.run, LinuxExecHost(real.host.layout, real.host.bundles))
    assert list((real.host.layout.exec_root / "execs").iterdir()) == []


@pytest.mark.parametrize("code", [0, 7, 255])
async def test_a_session_has_its_own_exit_code_and_output(real: RealRig, code: int) -> None:
    async with place(real) as there:
        record = there.record("sh", "-c", f"seq 1 5000; exit {code}")
        written, ended = await there.ended(record, *await there.execute(record))
        await there.host.clean_up(record)
    assert (len(written.splitlines()), ended) == (5000, Exit(code))


@pytest.mark.parametrize(("path", "code"), [("/nonesuch", 127), ("/etc", 126)])
async def test_what_cannot_be_executed_has_a_shells_exit_code(real: RealRig, path: str, code: int) -> None:
    async with place(real) as there:
        record = there.record(path)
        with pytest.raises(RuntimeFailed) as raised:
            await there.execute(record)
        await there.host.clean_up(record)
    assert launch_failure(raised.value)[1] == code


async def test_input_reaches_the_process_and_ends(real: RealRig) -> None:
    async with place(real) as there:
        record = there.record("cat", attach_stdin=True)
        run, session = await there.execute(record)
        connection = await session.connected()
        assert connection is not None
        await connection.send(b"hello")
        connection.send_eof()
        assert await there.ended(record, run, session) == (b"hello", Exit(0))
        await there.host.clean_up(record)


async def test_a_terminal_is_given_its_size(real: RealRig) -> None:
    """Not at the very first instruction: crun 1.8 sets it when it has let the process go already."""
    async with place(real) as there:
        record = there.record("sh", "-c", SIZED, tty=True)
        written, ended = await there.ended(
            record, *await there.execute(record, StartExec(console_size=(24, 80)))
        )
        await there.host.clean_up(record)
    assert (written.strip(), ended) == (b"24 80", Exit(0))


async def test_a_detached_session_is_not_connected(real: RealRig) -> None:
    async with place(real) as there:
        record = there.record("seq", "1", "100000")
        run, session = await there.execute(record, StartExec(attach=False))
        assert session.connection is None
        assert await there.host.wait(record, run) == Exit(0)
        await there.host.clean_up(record)


async def test_a_killed_monitor_leaves_an_exit_that_nobody_knows(real: RealRig) -> None:
    async with place(real) as there:
        record = there.record("sleep", "1000")
        run, session = await there.execute(record)
        session.abandon()
        os.kill(run.monitor_pid, signal.SIGKILL)
        assert await there.host.wait(record, run) is None
        await there.host.clean_up(record)


async def test_a_start_that_nobody_has_written_is_found_again(real: RealRig) -> None:
    async with place(real) as there:
        record, other = there.record("cat", attach_stdin=True), there.record("cat")
        run, session = await there.execute(record)
        assert await there.host.begun([record, other]) == {record.id: run}
        connection = await session.connected()
        assert connection is not None
        connection.send_eof()
        assert await there.ended(record, run, session) == (b"", Exit(0))
        (gone,) = (await there.host.begun([record])).values()
        assert gone is not None
        assert await there.host.wait(record, gone) == Exit(0)
        await there.host.clean_up(record)
        assert await there.host.begun([record]) == {}


async def test_a_start_that_has_left_neither_monitor_nor_exit_may_have_happened(real: RealRig) -> None:
    async with place(real) as there:
        record = there.record("sleep", "1000")
        run, session = await there.execute(record)
        session.abandon()
        os.kill(run.monitor_pid, signal.SIGKILL)
        assert await there.host.wait(record, run) is None
        assert await there.host.begun([record]) == {record.id: None}
        await there.host.clean_up(record)


async def test_a_session_ends_with_its_container(real: RealRig) -> None:
    async with place(real) as there:
        record = there.record("sleep", "1000")
        run, session = await there.execute(record)
        session.abandon()
        real.host.signal(there.run, KILL)
        with trio.fail_after(REAL_SECONDS):
            assert await there.host.wait(record, run) == Exit(137)
        await there.host.clean_up(record)
