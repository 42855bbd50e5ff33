"""Configurations without a host."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

import attrs
import trio

from daemon.actors.configuration.actor import ConfigurationActor, LiveConfiguration
from daemon.actors.configuration.value import Configuration
from daemon.actors.container.snapshot import ContainerSnapshot
from daemon.actors.published import Cell
from daemon.journal import EventDraft
from daemon.runtimes.table import RuntimeTable
from daemon.runtimes.wrappers import Wrapper
from daemon.settings import Settings
from tests.unit.fakes import FakeLedger
from tests.unit.runtimes.tables import RUNTIMES


@attrs.define(eq=False)
class FakeConfigurationHost:
    """A `ConfigurationHost` whose file says `wanted`, with `table` installed.

    Attributes:
        faults: raised by the step of that name while it is there.
        gates: the step of that name waits for its gate.
        steps: those that were begun, in order.
        looked_up: what runtimes were looked up for.
        swept: what was to be left.

    """

    wanted: Settings = attrs.field(factory=Settings)
    table: RuntimeTable = RUNTIMES
    faults: dict[str, Exception] = attrs.field(factory=dict)
    gates: dict[str, trio.Event] = attrs.field(factory=dict)
    steps: list[str] = attrs.field(factory=list)
    looked_up: list[Settings] = attrs.field(factory=list)
    swept: list[frozenset[Wrapper]] = attrs.field(factory=list)

    async def read(self) -> Settings:
        await self._step("read")
        return self.wanted

    async def look_up(self, settings: Settings) -> RuntimeTable:
        await self._step("look_up")
        self.looked_up.append(settings)
        return attrs.evolve(self.table, generation=0)

    async def realize(self, table: RuntimeTable) -> RuntimeTable:
        await self._step("realize")
        return table

    async def sweep(self, keep: Collection[Wrapper]) -> None:
        await self._step("sweep")
        self.swept.append(frozenset(keep))

    def hold(self, step: str) -> trio.Event:
        """Let `step` wait until the returned event is set."""
        self.gates[step] = trio.Event()
        return self.gates[step]

    async def _step(self, name: str) -> None:
        self.steps.append(name)
        await trio.lowlevel.checkpoint()
        if name in self.gates:
            await self.gates[name].wait()
        if name in self.faults:
            raise self.faults[name]


@attrs.define(eq=False)
class FakeAnnouncer:
    """An `Announcer` that remembers what it was told."""

    told: list[str] = attrs.field(factory=list)

    def reloading(self) -> None:
        self.told.append("reloading")

    def ready(self) -> None:
        self.told.append("ready")


def a_live_configuration(
    settings: Settings | None = None,
    table: RuntimeTable = RUNTIMES,
    containers: Iterable[ContainerSnapshot] = (),
    host: FakeConfigurationHost | None = None,
) -> LiveConfiguration:
    """Return a configuration in force, and no actor behind it."""

    def snapshots() -> Iterator[ContainerSnapshot]:
        return iter(containers)

    cell = Cell(Configuration(settings or Settings(), table))
    return LiveConfiguration(cell, host or FakeConfigurationHost(), snapshots)


@attrs.define(eq=False)
class Reloading:
    """A configuration in force, of generation 1, with everything around it; nobody runs `actor` yet.

    `applied` is what the rest of the engine was told of, each as it was found in force.
    """

    host: FakeConfigurationHost = attrs.field(factory=FakeConfigurationHost)
    ledger: FakeLedger = attrs.field(factory=FakeLedger)
    announcer: FakeAnnouncer = attrs.field(factory=FakeAnnouncer)
    applied: list[Configuration] = attrs.field(factory=list)
    live: LiveConfiguration = attrs.field(init=False)
    actor: ConfigurationActor = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.live = a_live_configuration(host=self.host)
        self.actor = ConfigurationActor(
            self.live, self.ledger, self.announcer, an_event, self._apply, now_ns=lambda: 7
        )

    def _apply(self, configuration: Configuration) -> None:
        assert configuration is self.live.current
        self.applied.append(configuration)

    @property
    def generations(self) -> list[str]:
        """The generations of the reloads that there are events of."""
        return [event.attributes["generation"] for event in self.ledger.events]


def an_event(configuration: Configuration) -> EventDraft:
    return EventDraft("daemon", "reload", "engine", {"generation": str(configuration.generation)})
