"""All containers of an engine that has neither a disk nor processes."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any, Final, TypeVar

import attrs
import pytest
import trio

from daemon.actors.container.actor import Container
from daemon.actors.container.commands import Pause, Start
from daemon.actors.container.snapshot import ContainerRecord, ContainerSnapshot
from daemon.actors.container.states import State
from daemon.actors.containers import Containers, new_id
from daemon.actors.execs import Execs
from daemon.actors.mailbox import Command
from daemon.actors.supervision import Supervision
from daemon.errors import EngineError
from daemon.journal import Record
from daemon.model import Config, HostConfig
from daemon.runtimes.table import RuntimeTable
from tests.unit.actors.fakes import FakeExecHost, FakeHost
from tests.unit.fakes import FakeLedger
from tests.unit.runtimes.tables import RUNTIMES

A = TypeVar("A")
IMAGE: Final = "sha256:" + "1" * 64


def a_record(name: str = "web", **changes: Any) -> ContainerRecord:
    """Return the record of a container; `changes` may be of its record, config or host config."""
    values: dict[str, Any] = {}
    for part, default in (("config", Config(image="busybox")), ("host_config", HostConfig(runtime="crun"))):
        own = {key: value for key, value in changes.items() if key in attrs.fields_dict(type(default))}
        values[part] = attrs.evolve(default, **own)
        changes = {key: value for key, value in changes.items() if key not in own}
    container_id = changes.pop("id", new_id())
    known = {"created_ns": 1, "image_id": IMAGE, "image_reference": "busybox", "chain_ids": (), "args": ()}
    return ContainerRecord(
        id=container_id, name=name, path="true", log_path="/nowhere", **{**known, **values, **changes}
    )


@attrs.define(eq=False)
class World:
    """An engine's containers and exec sessions over fakes; their actors live in `nursery`."""

    nursery: trio.Nursery
    logs: list[MutableMapping[str, Any]] = attrs.field(factory=list)
    host: FakeHost = attrs.field(factory=FakeHost)
    exec_host: FakeExecHost = attrs.field(factory=FakeExecHost)
    ledger: FakeLedger = attrs.field(factory=FakeLedger)
    runtimes: RuntimeTable = RUNTIMES
    containers: Containers = attrs.field(init=False)
    execs: Execs = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.ledger.books.records["image", IMAGE] = Record("image", IMAGE, b"{}")
        supervision = Supervision(self.nursery)
        self.containers = Containers(self.host, self.ledger, supervision, lambda: self.runtimes)
        self.execs = Execs(self.exec_host, self.ledger, supervision, self.containers)

    async def created(self, name: str = "web", **changes: Any) -> Container:
        return await self.containers.create(a_record(name, **changes))

    async def running(self, name: str = "web", **changes: Any) -> Container:
        container = await self.created(name, **changes)
        await container.mailbox.ask(Start(RUNTIMES))
        return container

    async def paused(self, name: str = "web", **changes: Any) -> Container:
        container = await self.running(name, **changes)
        await container.mailbox.ask(Pause())
        return container

    def ask(self, container: Container, command: Command[A]) -> Asked:
        """Have `command` asked by a task of its own, and let the test go on."""
        asked = Asked()
        self.nursery.start_soon(asked.ask, container, command)
        return asked

    async def reaches(self, container: Container, state: State) -> ContainerSnapshot:
        return await container.cell.wait_for(lambda now: now.state is state)

    @property
    def now(self) -> float:
        """The virtual time in seconds since the test began."""
        return self.host.now

    @property
    def actions(self) -> list[str]:
        """All events since the container was made, a kill with its signal."""
        return [
            f"kill({event.attributes['signal']})" if event.action == "kill" else event.action
            for event in self.ledger.events
            if event.action != "create"
        ]


@attrs.define(eq=False)
class Asked:
    """What became of a command that somebody else asked."""

    error: EngineError | None = None
    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)
    over: trio.Event = attrs.field(factory=trio.Event)

    async def ask(self, container: Container, command: Command[Any]) -> None:
        with self.scope:
            try:
                await container.mailbox.ask(command)
            except EngineError as error:
                self.error = error
            self.over.set()

    async def answer(self) -> None:
        """Wait for the answer; raise it if it is an error."""
        await self.over.wait()
        if self.error is not None:
            raise self.error

    @property
    def pending(self) -> bool:
        return not self.over.is_set()


def refused(error: type[EngineError], text: str) -> pytest.RaisesExc[EngineError]:
    """Expect an error with exactly this text."""
    return pytest.RaisesExc(error, check=lambda raised: str(raised) == text)
