"""A host without processes: it does at once what it is asked, unless a test holds it or lets it fail."""

from __future__ import annotations

import contextlib
import signal
import socket
from collections.abc import Collection, Iterator, Mapping
from itertools import count
from typing import Final, NamedTuple

import attrs
import trio

from daemon.actors.container.actor import Container
from daemon.actors.container.attachments import NOWHERE, Attachment, Attachments
from daemon.actors.container.snapshot import ContainerRecord
from daemon.actors.exec.lifecycle import StartExec
from daemon.actors.exec.session import ExecRecord
from daemon.errors import RuntimeFailed
from daemon.model import HostConfig
from daemon.networks.records import Lease
from daemon.runtimes.attach import AttachSession, AttachSocket
from daemon.runtimes.base import Exit, ProbeOutcome, Run
from daemon.runtimes.spec.resources import Online, instead_of

TERM: Final = int(signal.SIGTERM)
KILL: Final = int(signal.SIGKILL)


class Call(NamedTuple):
    """What the host was asked, and when in seconds since the test began."""

    at: float
    stage: str
    detail: object = None


@attrs.define(eq=False)
class FakeProcess:
    """A process that ends by the signals it obeys; frozen, it hears none until it is thawed."""

    obeys: frozenset[int]
    frozen: bool = False
    died: trio.Event = attrs.field(factory=trio.Event)
    ended: trio.Event = attrs.field(factory=trio.Event)
    exit: Exit | None = None
    _pending: list[int] = attrs.field(factory=list, init=False)

    def hear(self, number: int) -> None:
        if self.frozen:
            self._pending.append(number)
        elif number in self.obeys:
            self.end(128 + number)

    def thaw(self) -> None:
        self.frozen = False
        for number in self._pending:
            self.hear(number)
        self._pending.clear()

    def end(self, code: int, *, oom_killed: bool = False) -> None:
        if not self.ended.is_set():
            self.exit = Exit(code, oom_killed)
            self.died.set()
            self.ended.set()

    def lose(self) -> None:
        """End without anybody knowing how."""
        self.died.set()
        self.ended.set()


@attrs.define(eq=False)
class Stages:
    """What both fakes have: a record of the calls, and ways to hold them or let them fail.

    Attributes:
        faults: raised by the stage of that name while it is there.
        gates: the stage of that name waits for its gate.

    """

    calls: list[Call] = attrs.field(factory=list, init=False)
    faults: dict[str, Exception] = attrs.field(factory=dict, init=False)
    gates: dict[str, trio.Event] = attrs.field(factory=dict, init=False)
    processes: dict[int, FakeProcess] = attrs.field(factory=dict, init=False)
    sockets: list[tuple[AttachSocket, socket.socket]] = attrs.field(factory=list, init=False)
    obeys: frozenset[int] = frozenset({TERM, KILL})
    born: float = attrs.field(factory=trio.current_time, init=False)
    _pids: Iterator[int] = attrs.field(factory=lambda: count(1000), init=False)

    def hold(self, stage: str) -> trio.Event:
        """Let `stage` wait until the returned event is set."""
        self.gates[stage] = trio.Event()
        return self.gates[stage]

    def asked(self, stage: str) -> list[tuple[float, object]]:
        """Return when and with what `stage` was asked for."""
        return [(call.at, call.detail) for call in self.calls if call.stage == stage]

    @property
    def now(self) -> float:
        """The virtual time in seconds since the test began."""
        return round(trio.current_time() - self.born, 6)

    @property
    def stages(self) -> list[str]:
        return [call.stage for call in self.calls]

    @property
    def process(self) -> FakeProcess:
        """The process made last."""
        return self.processes[max(self.processes)]

    def close(self) -> None:
        for near, far in self.sockets:
            near.close()
            far.close()

    def make_process(self) -> Run:
        pid = next(self._pids)
        self.processes[pid] = FakeProcess(self.obeys)
        return Run(pid, pid * 2, pid + 100_000, pid * 2 - 1)

    async def process_ended(self, run: Run) -> None:
        await self.processes[run.pid].died.wait()

    async def ended(self, run: Run) -> Exit | None:
        process = self.processes[run.pid]
        await process.ended.wait()
        return process.exit

    def open_socket(self) -> AttachSocket:
        near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        near.setblocking(False)
        self.sockets.append((AttachSocket(near), far))
        return self.sockets[-1][0]

    def note(self, stage: str, detail: object = None) -> None:
        self.calls.append(Call(self.now, stage, detail))
        if stage in self.faults:
            raise self.faults[stage]

    async def stage(self, stage: str, detail: object = None) -> None:
        self.calls.append(Call(self.now, stage, detail))
        await trio.lowlevel.checkpoint()
        if stage in self.gates:
            await self.gates[stage].wait()
        if stage in self.faults:
            raise self.faults[stage]


@attrs.define(eq=False)
class FakeHost(Stages):
    """A `ContainerHost` without a host; one for all containers of a test.

    A stubborn one cannot be kept from creating a process once it has begun.
    """

    stubborn: bool = False
    attachments: Attachments = NOWHERE
    outcomes: list[ProbeOutcome] = attrs.field(factory=list, init=False)
    probing: int = attrs.field(default=0, init=False)
    kept_logs: list[str] = attrs.field(factory=list, init=False)
    _of: dict[str, FakeProcess] = attrs.field(factory=dict, init=False)

    async def create(self, record: ContainerRecord) -> tuple[Run, Attachments]:
        with trio.CancelScope(shield=self.stubborn):
            await self.stage("create", record.id)
        run = self.make_process()
        self._of[record.id] = self.processes[run.pid]
        return run, self.attachments

    async def start(self, record: ContainerRecord, run: Run) -> None:
        await self.stage("start", run.pid)

    async def keep_log(self, record: ContainerRecord) -> None:
        self.kept_logs.append(record.id)
        try:
            await trio.sleep_forever()
        finally:
            self.kept_logs.remove(record.id)

    async def probe(
        self, record: ContainerRecord, limit_seconds: float, *, task_status: trio.TaskStatus[ProbeOutcome]
    ) -> None:
        self.probing += 1
        try:
            await self.stage("probe", limit_seconds)
            task_status.started(self.outcomes.pop(0) if self.outcomes else ProbeOutcome(0))
            await self.stage("probe ends")
        finally:
            self.probing -= 1

    async def wait(self, record: ContainerRecord, run: Run) -> Exit | None:
        await self.stage("wait", run.pid)
        return await self.ended(run)

    def monitored(self, run: Run) -> bool:
        return not self.processes[run.pid].ended.is_set()

    def signal(self, run: Run, number: int) -> None:
        self.note("signal", number)
        self.processes[run.pid].hear(number)

    async def freeze(self, record: ContainerRecord) -> None:
        await self.stage("freeze")
        self._of[record.id].frozen = True

    async def thaw(self, record: ContainerRecord) -> None:
        await self.stage("thaw")
        if not self.processes:
            raise RuntimeFailed("resume", "container does not exist")
        self._of.get(record.id, self.process).thaw()  # or the one of an earlier engine

    async def update(self, record: ContainerRecord, before: HostConfig) -> None:
        await self.stage("update", instead_of(before, record.host_config, Online("0-3", "0")))

    async def join_network(
        self, record: ContainerRecord, attachments: Attachments, network: str
    ) -> Attachments:
        await self.stage("join", network)
        return attachments.also_in(an_attachment(network))

    async def leave_network(
        self, record: ContainerRecord, attachments: Attachments, network: str
    ) -> Attachments:
        await self.stage("leave", network)
        gone = attachments.named(network)
        return attachments if gone is None else attachments.without(gone.lease.network_id)

    async def rename_in_networks(self, record: ContainerRecord, attachments: Attachments) -> None:
        await self.stage("rename", record.name)

    async def leave_networks(self, record: ContainerRecord) -> None:
        await self.stage("leave all", record.id)

    async def clean_up(self, record: ContainerRecord, run: Run | None) -> None:
        await self.stage("clean_up", run and run.pid)

    async def delete(self, record: ContainerRecord) -> None:
        await self.stage("delete", record.id)

    def connect(self, record: ContainerRecord) -> AttachSocket:
        self.note("connect")
        return self.open_socket()

    def resize(self, record: ContainerRecord, height: int, width: int) -> None:
        self.note("resize", (height, width))

    def knows(self, run: Run) -> FakeProcess:
        """Have a process that an earlier engine made."""
        self.processes[run.pid] = FakeProcess(self.obeys)
        return self.processes[run.pid]


def an_attachment(network: str) -> Attachment:
    """Return a place in a network, as good as any."""
    return Attachment(Lease(f"id-of-{network}", network, "bridge", "e" * 64), "eth0")


@attrs.define(eq=False)
class FakeExecHost(Stages):
    """An `ExecHost` without a host."""

    async def execute(
        self, container: Container, record: ExecRecord, start: StartExec
    ) -> tuple[Run, AttachSession]:
        await self.stage("execute", start)
        session = AttachSession()
        if start.attach:
            session.offer(self.open_socket())
        return self.make_process(), session

    async def wait(self, record: ExecRecord, run: Run) -> Exit | None:
        await self.stage("wait", run.pid)
        return await self.ended(run)

    def resize(self, record: ExecRecord, height: int, width: int) -> None:
        self.note("resize", (height, width))

    async def clean_up(self, record: ExecRecord) -> None:
        await self.stage("clean_up")

    async def begun(self, records: Collection[ExecRecord]) -> Mapping[str, Run | None]:
        await self.stage("begun")
        return {}

    async def prune(self, exec_ids: Collection[str]) -> None:
        self.note("prune", frozenset(exec_ids))


def fill(monitor: socket.socket) -> None:
    """Send packets until nobody takes any more."""
    monitor.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            monitor.send(b"\x02" + bytes(8192))
