"""The exec actors' host: a process document, a monitor, and stdio connected before anything runs."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

import attrs
import orjson
import trio

from daemon.actors.container.actor import Container
from daemon.actors.container.bundle import Bundles, Devices
from daemon.actors.container.snapshot import locked_runtime
from daemon.actors.exec.lifecycle import StartExec
from daemon.actors.exec.session import ExecRecord
from daemon.errors import Failed
from daemon.failpoints import reached
from daemon.runtimes import conmon
from daemon.runtimes.attach import AttachSession, AttachSocket
from daemon.runtimes.base import Exit, Run
from daemon.runtimes.console import resize
from daemon.runtimes.layout import Layout, fresh, write_private
from daemon.runtimes.monitorfiles import MonitorFiles
from daemon.runtimes.processes import wait_ended
from daemon.runtimes.runs import run_of
from daemon.runtimes.spec.process import build_process
from daemon.runtimes.strays import monitors
from daemon.runtimes.users import resolve_user

BEGUN: Final = "begun"
"""The file of a session whose process may run; it is there before that, and before the journal knows."""


@attrs.frozen
class LinuxExecHost:
    """Runs exec sessions on this machine."""

    layout: Layout
    bundles: Bundles

    async def execute(
        self, container: Container, record: ExecRecord, start: StartExec
    ) -> tuple[Run, AttachSession]:
        """Start the process of a session."""
        files = self._files(record)
        config = record.config
        if start.console_size is not None:
            config = attrs.evolve(config, console_size=start.console_size)
        try:
            await trio.to_thread.run_sync(self._write_process, container, attrs.evolve(record, config=config))
        except OSError as error:
            raise Failed(f"the exec session's files cannot be written: {error.strerror}") from error
        reached("exec-written")
        session = AttachSession()
        runtime = self.layout.oci_runtime(locked_runtime(container.snapshot.record))
        order = conmon.Order(
            id=container.id,
            runtime=runtime,
            files=files,
            log=None,
            terminal=config.tty,
            stdin=config.attach_stdin and not config.tty,
            exec_process=files.directory / "process.json",
        )

        def connect() -> None:
            reached("exec-monitored")
            if not start.attach:
                return
            try:
                session.offer(AttachSocket.connect(files.directory))
            except OSError as error:
                raise Failed(f"the exec session's monitor does not listen: {error.strerror}") from error

        def begin() -> None:
            connect()
            try:
                (files.directory / BEGUN).touch()
            except OSError as error:
                raise Failed(f"the exec session's files cannot be written: {error.strerror}") from error
            reached("exec-begun")

        try:
            run = await conmon.execute(order, begin)
        except BaseException:
            session.abandon()  # it may be connected already
            raise
        reached("exec-started")
        return run, session

    async def wait(self, record: ExecRecord, run: Run) -> Exit | None:
        """Return how the process ended."""
        return await conmon.wait_exit(run, self._files(record))

    async def process_ended(self, run: Run) -> None:
        """Return once the session's process has ended."""
        await wait_ended(run.pid, run.started_ticks)

    def resize(self, record: ExecRecord, height: int, width: int) -> None:
        """Set the terminal's size."""
        try:
            resize(self._files(record).directory, height, width)
        except OSError as error:
            raise Failed(f"the exec session's terminal cannot be resized: {error.strerror}") from error

    async def clean_up(self, record: ExecRecord) -> None:
        """Delete the session's files; its process and monitor have ended."""
        await trio.to_thread.run_sync(shutil.rmtree, self._files(record).directory, True)
        reached("exec-cleaned-up")

    async def begun(self, records: Collection[ExecRecord]) -> Mapping[str, Run | None]:
        """Return what came of starts that were begun under an earlier engine, by the session's id."""
        return await trio.to_thread.run_sync(self._begun, records)

    def _begun(self, records: Collection[ExecRecord]) -> Mapping[str, Run | None]:
        files = [self._files(record) for record in records]
        begun = [one for one in files if (one.directory / BEGUN).exists()]
        # The oldest of a directory is the monitor; what it has just forked looks like it.
        own = {found.directory: found for found in reversed(monitors(self.layout.exec_root) if begun else [])}
        return {one.directory.name: run_of(one, own.get(one.directory)) for one in begun}

    async def prune(self, exec_ids: Collection[str]) -> None:
        """Delete the files of all other sessions."""
        for directory in self.layout.exec_sessions.iterdir():
            if directory.name not in exec_ids:
                await trio.to_thread.run_sync(shutil.rmtree, directory, True)

    def _files(self, record: ExecRecord) -> MonitorFiles:
        return self.layout.exec_session(record.id, record.container_id)

    def _write_process(self, container: Container, record: ExecRecord) -> None:
        snapshot = container.snapshot
        rootfs = Path(f"/proc/{snapshot.pid}/root")
        inputs = self.bundles.inputs(snapshot.record, rootfs, None, Devices())
        config = record.config
        added = snapshot.record.host_config.group_add or ()
        user = resolve_user(rootfs, config.user, added) if config.user else None
        directory = self._files(record).directory
        fresh(directory)
        write_private(directory / "process.json", orjson.dumps(build_process(inputs, config, user)))
