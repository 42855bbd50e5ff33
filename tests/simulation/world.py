"""One run of the simulation: clients and engines over a machine, then rest, then the end of everything."""

from __future__ import annotations

from functools import partial
from typing import Final

import attrs
import trio
from structlog.processors import format_exc_info
from structlog.testing import capture_logs

from daemon.actors.container.actor import Container
from daemon.actors.container.commands import ForceRemove, Stop
from daemon.actors.exec.actor import KEEP_SECONDS
from daemon.errors import Failed, Unavailable
from daemon.journal import Record
from tests.simulation.checker import ORDINARY, Checker
from tests.simulation.clients import Client
from tests.simulation.disk import CONTAINER, Disk
from tests.simulation.engine import SimulatedEngine, running
from tests.simulation.grammar import Reader
from tests.simulation.history import History, Outcome
from tests.simulation.hosts import Faults
from tests.simulation.justice import Judge
from tests.simulation.machine import Machine
from tests.simulation.scheduler import Chance, run
from tests.simulation.trace import Trace
from tests.unit.actors.world import IMAGE

CRASHES: Final = ("actor crashed", "task crashed")
REST_SECONDS: Final = 200.0


@attrs.frozen
class Result:
    """What became of a run."""

    seed: int
    violations: list[str]
    story: list[str]
    digest: str
    steps: int

    def __str__(self) -> str:
        return "\n".join([f"seed {self.seed}:", *self.story, *self.violations])


def a_plan(chance: Chance) -> Faults:
    """Choose what goes wrong in a run: in every third nothing but the engine's death."""
    if chance.happens(0.33):
        return Faults()
    return Faults(
        error=chance.pick((0.0, 0.02, 0.1)),
        bug=chance.pick((0.0, 0.0, 0.02)),
        disk=chance.pick((0.0, 0.0, 0.05)),
        hang=int(chance.between(1, 40)) if chance.happens(0.2) else 10_000,
    )


@attrs.define(eq=False)
class World:
    """Everything of one run."""

    chance: Chance
    faults: Faults
    trace: Trace
    machine: Machine
    disk: Disk
    history: History
    checker: Checker
    engine: SimulatedEngine | None = None
    up: trio.Event = attrs.field(factory=trio.Event)

    async def live_engine(self) -> SimulatedEngine:
        """Return the engine, once there is one."""
        while self.engine is None or self.engine.dead:
            await self.up.wait()
        return self.engine

    async def lives(self) -> None:
        """Let engines live and die while clients are busy, and the last one until all has come to rest."""
        async with trio.open_nursery() as nursery:
            busy = trio.CancelScope()
            nursery.start_soon(self._use, busy)
            with busy:
                for _ in range(self.chance.pick((0, 1, 1, 2, 3))):
                    await self._live(self.chance.between(0, 1) ** 3 * 60)
                    await self.chance.pause()
                while True:  # until nobody is busy any more
                    await self._live(float("inf"))
        self.faults.stop()
        await self._finish()

    async def _use(self, busy: trio.CancelScope) -> None:
        """Have clients do what they do; then the engine is killed once more, for good or with luck."""
        async with trio.open_nursery() as clients:
            for _ in range(self.chance.pick((2, 3, 4))):
                client = Client(self.chance, self.history, self.checker, self.live_engine)
                clients.start_soon(client.run, self.chance.pick((6, 10)))
        busy.cancel()

    async def _live(self, seconds: float) -> None:
        self.history.boot()
        async with running(self.machine, self.disk, self.faults) as self.engine:
            self.checker.recovered(self.engine)
            self.up.set()
            self.up = trio.Event()
            self.machine.crash = trio.Event()
            with trio.move_on_after(seconds):
                await self.machine.crash.wait()

    async def _finish(self) -> None:
        """Stop everything and look; then remove everything and look."""
        self.history.boot()
        async with running(self.machine, self.disk, self.faults) as self.engine:
            self.checker.recovered(self.engine)
            self.up.set()
            client = Client(self.chance, self.history, self.checker, self.live_engine)
            await trio.sleep(REST_SECONDS)  # whatever starts with the engine has started
            for container in self.engine.containers:
                self.checker.has_settled(container)
                client.wait(self.engine, container)
                operation = self.history.begin("stop", container.id)
                await client.do(self.engine, operation, partial(container.mailbox.ask, Stop()), stay=True)
            await trio.sleep(REST_SECONDS)
            for container in self.engine.containers:
                self.checker.at_rest(container)
            for container in self.engine.containers:
                await self._remove(client, self.engine, container)
            await trio.sleep(KEEP_SECONDS + REST_SECONDS)
            self._check_end(self.engine)

    async def _remove(self, client: Client, engine: SimulatedEngine, container: Container) -> None:
        operation = self.history.begin("force remove", container.id)
        await client.do(engine, operation, partial(container.mailbox.ask, ForceRemove()), stay=True)
        if operation.outcome is not Outcome.DONE:
            self.trace.violate(f"{container.id[:6]} cannot be removed: {operation.error!r}")

    def _check_end(self, engine: SimulatedEngine) -> None:
        """Check that nothing is left of anything, and that every story was a good one."""
        if len(engine.containers) or self.disk.records(CONTAINER) or self.disk.records("exec"):
            self.trace.violate("something is left that nobody can see")
        if any(process.lives for process in self.machine.processes.values()):
            self.trace.violate("a process is left")
        for operation in self.history.operations:
            if operation.outcome is Outcome.UNDER_WAY:
                self.trace.violate(f"{operation.kind} of {operation.target[:6]} waits for ever")
        for container_id, record in self.checker.records.items():
            self.checker.nothing_left(container_id)
            full = self.disk.was_full_for(container_id)
            reader = Reader(container_id, self.machine, self.history.boots)
            judge = Judge(
                container_id, self.history, record.host_config.restart_policy.name, self.disk.entries
            )
            complaints = reader.read(self.disk.entries, all_written=not full)
            for complaint in complaints + ([] if full else judge.judge()):
                self.trace.violate(complaint)


async def _simulated(chance: Chance, plan: Faults | None) -> Result:
    trace, faults = Trace(), attrs.evolve(plan) if plan else a_plan(chance)
    expected = ORDINARY | ({Failed} if faults.disk or faults.error else set())
    expected |= {Unavailable} if faults.bug else set()
    async with trio.open_nursery() as nursery:
        machine = Machine(chance, trace, nursery)
        disk = Disk(chance, trace, faults)
        disk.books.records["image", IMAGE] = Record("image", IMAGE, b"{}")
        history = History(trace)
        checker = Checker(trace, machine, disk, history, nursery, expected)
        bugs = faults.bug
        with capture_logs(processors=[format_exc_info]) as logs:
            await World(chance, faults, trace, machine, disk, history, checker).lives()
        for log in logs:
            if log["event"] in CRASHES and not bugs:
                trace.violate(f"{log['event']}: {log['exception']}")
        nursery.cancel_scope.cancel()
    return Result(chance.seed, trace.violations, trace.lines(), trace.digest(), trace.tick)


def simulate(seed: int, plan: Faults | None = None) -> Result:
    """Run one seed to its end, and return what was wrong in it; what goes wrong by itself may be planned."""
    return run(seed, lambda chance: _simulated(chance, plan))
