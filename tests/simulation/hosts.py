"""The engine's hands on the machine: slow, now and then failing, once in a while never returning.

They die with the engine: what was under way then is neither finished nor undone.
"""

from __future__ import annotations

import socket
from collections.abc import Collection, Mapping
from typing import Final

import attrs
import trio

from daemon.actors.container.actor import Container
from daemon.actors.container.attachments import NOWHERE, Attachments
from daemon.actors.container.snapshot import ContainerRecord
from daemon.actors.exec.lifecycle import StartExec
from daemon.actors.exec.session import ExecRecord
from daemon.errors import Failed, RuntimeFailed
from daemon.model import HostConfig
from daemon.runtimes.attach import AttachSession, AttachSocket
from daemon.runtimes.base import Exit, ProbeOutcome, Run
from tests.simulation.machine import KILL, Machine, Process

MANY: Final = 10_000
CRASH: Final = 0.4  # of the engine, with the start of an exec session that nobody has written yet


@attrs.define
class Faults:
    """What may go wrong, as probabilities; `hang` is how many host calls go well before one never returns."""

    error: float = 0.0
    bug: float = 0.0
    disk: float = 0.0
    hang: int = MANY

    def stop(self) -> None:
        """Let nothing go wrong any more."""
        self.error = self.bug = self.disk = 0.0
        self.hang = MANY


class Bug(Exception):
    """What a host never raises, unless there is a bug in it."""


@attrs.define(eq=False)
class Hands:
    """What both hosts have in common; `dead` once the engine is."""

    machine: Machine
    faults: Faults
    dead: bool = attrs.field(default=False, init=False)

    async def step(self, stage: str, container_id: str, failure: type[Failed] = RuntimeFailed) -> None:
        """Take some time, and perhaps fail."""
        machine, chance = self.machine, self.machine.chance
        await chance.pause()
        self.faults.hang -= 1
        if self.faults.hang == 0:
            machine.trace.note("hang", stage, container_id[:6])
            machine.stuck.add(container_id)
            await trio.sleep_forever()
        if chance.happens(self.faults.bug):
            machine.trace.note("bug", stage, container_id[:6])
            raise Bug(stage)
        if chance.happens(self.faults.error):
            machine.trace.note("fault", stage, container_id[:6])
            raise RuntimeFailed(stage, "it was to fail") if failure is RuntimeFailed else failure(stage)

    async def process_ended(self, run: Run) -> None:
        process = self.machine.processes.get(run.pid)
        if process is not None:
            await process.over.wait()

    async def _exit_of(self, run: Run) -> Exit | None:
        process = self.machine.processes[run.pid]
        await process.monitor_over.wait()
        await trio.lowlevel.checkpoint()
        return process.exit if process.filed else None


@attrs.define(eq=False)
class SimulatedHost(Hands):
    """A `ContainerHost` on the machine."""

    async def create(self, record: ContainerRecord) -> tuple[Run, Attachments]:
        traces, process = self.machine.of[record.id], None
        with self.machine.exclusively(record.id, "create"):
            try:
                await self.step("mount", record.id)
                self._expect_clean(record.id)
                traces.mounted = traces.layer = True
                await self.step("bundle", record.id)
                traces.bundle = True
                process = self.machine.spawn_container(record.id)
                process.cpu_shares = record.host_config.cpu_shares
                await self.step("create", record.id)
            except BaseException:
                if process is not None and not self.dead:
                    self.machine.destroy(process)
                raise
        return process.run, NOWHERE

    def _expect_clean(self, container_id: str) -> None:
        traces = self.machine.of[container_id]
        if traces.process is not None or traces.bundle or traces.mounted:
            if not traces.unclean:
                self.machine.trace.violate(f"{container_id[:6]} is launched upon what the last run left")
            if traces.process is not None:
                self.machine.destroy(traces.process)

    async def start(self, record: ContainerRecord, run: Run) -> None:
        process = self.machine.processes[run.pid]
        with self.machine.exclusively(record.id, "start"):
            try:
                await self.step("start", record.id)
                if not process.lives:
                    raise RuntimeFailed("start", "the process is gone")
                self.machine.start(process)
                await self.step("started", record.id)
            except BaseException:
                if not self.dead:
                    self.machine.end(process, 128 + KILL)
                raise

    async def keep_log(self, record: ContainerRecord) -> None:
        await trio.sleep_forever()

    async def wait(self, record: ContainerRecord, run: Run) -> Exit | None:
        return await self._exit_of(run)

    def monitored(self, run: Run) -> bool:
        return not self.machine.processes[run.pid].monitor_over.is_set()

    async def probe(
        self, record: ContainerRecord, limit_seconds: float, *, task_status: trio.TaskStatus[ProbeOutcome]
    ) -> None:
        await self.machine.chance.pause()
        task_status.started(ProbeOutcome(self.machine.chance.pick((0, 1, None))))

    async def update(self, record: ContainerRecord, before: HostConfig) -> None:
        await self.step("update", record.id)
        self._living(record).cpu_shares = record.host_config.cpu_shares
        await self.step("updated", record.id)

    def signal(self, run: Run, number: int) -> None:
        if not self.dead:
            self.machine.trace.note("signal", run.pid, number)
            self.machine.signal(self.machine.processes[run.pid], number)

    async def freeze(self, record: ContainerRecord) -> None:
        await self.step("freeze", record.id)
        self.machine.freeze(self._living(record))
        try:
            await self.step("frozen", record.id)
        except RuntimeFailed:
            if (process := self.machine.of[record.id].process) is not None:
                self.machine.thaw(process)
            raise

    async def thaw(self, record: ContainerRecord) -> None:
        await self.step("thaw", record.id)
        self.machine.thaw(self._living(record))
        await self.machine.chance.pause()

    def _living(self, record: ContainerRecord) -> Process:
        process = self.machine.of[record.id].process
        if process is None:
            raise RuntimeFailed("state", "container does not exist")
        return process

    async def join_network(
        self, record: ContainerRecord, attachments: Attachments, network: str
    ) -> Attachments:
        return attachments

    async def leave_network(
        self, record: ContainerRecord, attachments: Attachments, network: str
    ) -> Attachments:
        return attachments

    async def rename_in_networks(self, record: ContainerRecord, attachments: Attachments) -> None:
        await self.machine.chance.pause()

    async def leave_networks(self, record: ContainerRecord) -> None:
        await self.machine.chance.pause()

    async def clean_up(self, record: ContainerRecord, run: Run | None) -> None:
        with self.machine.exclusively(record.id, "clean up"):
            await self._clear(record.id)

    async def _clear(self, container_id: str) -> None:
        traces = self.machine.of[container_id]
        try:
            await self.step("end", container_id)
            for process in traces.processes:
                self.machine.destroy(process)
            await self.step("unmount", container_id, Failed)
            traces.mounted = False
            await self.step("discard", container_id, Failed)
            traces.bundle = False
        except BaseException:
            traces.unclean = True
            raise
        traces.unclean = False

    async def delete(self, record: ContainerRecord) -> None:
        traces = self.machine.of[record.id]
        with self.machine.exclusively(record.id, "delete"):
            if traces.process is not None and not traces.unclean:
                self.machine.trace.violate(f"{record.id[:6]} is deleted while it has a process")
            await self._clear(record.id)
            await self.step("forget", record.id, Failed)
            traces.layer = False

    def connect(self, record: ContainerRecord) -> AttachSocket:
        self._living(record)
        unconnected = socket.socket()
        unconnected.close()  # nobody reads it here, and it costs no descriptor
        return AttachSocket(unconnected)

    def resize(self, record: ContainerRecord, height: int, width: int) -> None:
        self._living(record)


@attrs.define(eq=False)
class SimulatedExecHost(Hands):
    """An `ExecHost` on the machine."""

    async def execute(
        self, container: Container, record: ExecRecord, start: StartExec
    ) -> tuple[Run, AttachSession]:
        await self.step("exec", container.id)
        parent = self.machine.of[container.id].process
        if parent is None or not parent.started:
            raise RuntimeFailed("exec", "container is not running")
        process = self.machine.spawn(f"exec of {container.id}", obedient=True)
        if record.id in self.machine.sessions:
            self.machine.trace.violate(f"exec session {record.id[:6]} runs twice")
        self.machine.sessions[record.id] = process
        self.machine.start(process)
        self.machine.nursery.start_soon(self._follow, parent, process)
        if self.machine.chance.happens(CRASH):  # before the journal can know
            self.machine.crash.set()
        return process.run, AttachSession()

    async def _follow(self, parent: Process, process: Process) -> None:
        await parent.over.wait()
        self.machine.end(process, 128 + 9)

    async def wait(self, record: ExecRecord, run: Run) -> Exit | None:
        return await self._exit_of(run)

    def resize(self, record: ExecRecord, height: int, width: int) -> None:
        self.machine.trace.note("resize", record.id[:6])

    async def clean_up(self, record: ExecRecord) -> None:
        await self.machine.chance.pause()

    async def begun(self, records: Collection[ExecRecord]) -> Mapping[str, Run | None]:
        await trio.lowlevel.checkpoint()
        return self.machine.begun(record.id for record in records)

    async def prune(self, exec_ids: Collection[str]) -> None:
        await trio.lowlevel.checkpoint()
