"""Clients: each asks for one thing after the other, at random, and does not always wait for the answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import attrs
import trio

from daemon.actors.container.actor import Container
from daemon.actors.container.commands import (
    Attach,
    ForceRemove,
    Kill,
    Pause,
    Remove,
    Restart,
    Signal,
    Start,
    Stop,
    Unpause,
    Update,
)
from daemon.actors.container.waiting import CONDITIONS, waiting_for
from daemon.actors.exec.lifecycle import StartExec
from daemon.actors.exec.lifecycle import State as ExecState
from daemon.actors.mailbox import Command
from daemon.errors import EngineError
from daemon.model import ExecConfig, HostConfig, RestartPolicy
from daemon.runtimes.spec.inputs import HostFacts
from tests.simulation.checker import Checker
from tests.simulation.engine import TABLES, SimulatedEngine
from tests.simulation.history import History, Operation, Outcome
from tests.simulation.machine import TERM
from tests.simulation.scheduler import Chance, now_ns
from tests.unit.actors.world import a_record

NAMES: Final = ("anna", "bert", "carl")
PATIENCE_SECONDS: Final = 900.0  # longer than any grace, back-off and pause before an actor is born again
WEIGHTS: Final = {
    "create": 10, "start": 14, "stop": 8, "kill": 5, "signal": 4, "pause": 8, "unpause": 6, "restart": 6,
    "rename": 3, "remove": 5, "force remove": 3, "attach": 2, "wait": 3, "exec": 4, "update": 3,
    "inspect": 8, "reload": 1,
}  # fmt: skip
POLICIES: Final = (
    RestartPolicy("no"),
    RestartPolicy("no"),
    RestartPolicy("always"),
    RestartPolicy("unless-stopped"),
    RestartPolicy("on-failure"),
    RestartPolicy("on-failure", 2),
)
FACTS: Final = HostFacts(2, {}, frozenset(), (6, 1), 4)
ADMITTED: Final = {
    "network_mode": "none", "ipc_mode": "private", "cgroupns_mode": "private", "cmd": ("true",),
}  # fmt: skip
Act = Callable[[], Awaitable[Any]]


@attrs.define(eq=False)
class Client:
    """One client; `engine` returns the engine that lives, which it waits for."""

    chance: Chance
    history: History
    checker: Checker
    engine: Callable[[], Awaitable[SimulatedEngine]]
    impatient: float = 0.15  # how often it leaves before it has its answer

    async def run(self, acts: int) -> None:
        for _ in range(acts):
            await self.chance.pause()
            engine = await self.engine()
            await self._act(engine, self.chance.weighted(WEIGHTS))

    async def _act(self, engine: SimulatedEngine, kind: str) -> None:
        if kind == "reload":
            engine.runtimes = self.chance.pick((*TABLES, TABLES[0]))
        elif kind == "create":
            await self._create(engine)
        elif containers := list(engine.containers):
            container = self.chance.pick(containers)
            await getattr(self, f"_{kind.replace(' ', '_')}")(engine, container)

    async def do(
        self, engine: SimulatedEngine, operation: Operation, act: Act, *, stay: bool = False
    ) -> None:
        """Carry out `act` as `operation`, and have the checker look at what came of it."""
        leaves = not stay and self.chance.happens(self.impatient)
        with trio.CancelScope() as scope:
            engine.connections[scope] = None
            scope.deadline = trio.current_time() + (self.chance.seconds() if leaves else PATIENCE_SECONDS)
            outcome = await self._answer(operation, act)
        del engine.connections[scope]
        if engine.dead:
            outcome = Outcome.CUT_OFF
        elif scope.cancelled_caught:
            outcome = Outcome.LEFT if leaves else Outcome.NEVER
        self.history.end(operation, outcome)
        self.checker.answered(engine, operation)

    async def _answer(self, operation: Operation, act: Act) -> Outcome:
        try:
            operation.value = await act()
        except EngineError as error:
            operation.error = error
            return Outcome.REFUSED
        return Outcome.DONE

    async def ask(
        self, engine: SimulatedEngine, container: Container, kind: str, command: Command[Any]
    ) -> None:
        """Have `command` carried out."""
        operation = self.history.begin(kind, container.id)
        await self.do(engine, operation, lambda: container.mailbox.ask(command))

    async def _create(self, engine: SimulatedEngine) -> None:
        policy = self.chance.pick(POLICIES)
        record = a_record(
            self.chance.pick(NAMES),
            id=self.chance.hexadecimal(64),
            created_ns=now_ns(),
            restart_policy=policy,
            auto_remove=policy.name == "no" and self.chance.happens(0.3),
            runtime=self.chance.pick(("crun", "runc", "runc")),
            stop_timeout=self.chance.pick((None, 0, 3)),
            **ADMITTED,
        )
        operation = self.history.begin("create", record.id)
        self.checker.records[record.id] = record
        await self.do(engine, operation, lambda: engine.containers.create(record))

    async def _start(self, engine: SimulatedEngine, container: Container) -> None:
        await self.ask(engine, container, "start", Start(engine.runtimes))

    async def _stop(self, engine: SimulatedEngine, container: Container) -> None:
        await self.ask(engine, container, "stop", Stop(self.chance.pick((None, 0, 1, 20))))

    async def _kill(self, engine: SimulatedEngine, container: Container) -> None:
        await self.ask(engine, container, "kill", Kill())

    async def _signal(self, engine: SimulatedEngine, container: Container) -> None:
        await self.ask(engine, container, "signal", Signal(self.chance.pick((TERM, 10))))

    async def _pause(self, engine: SimulatedEngine, container: Container) -> None:
        await self.ask(engine, container, "pause", Pause())

    async def _unpause(self, engine: SimulatedEngine, container: Container) -> None:
        await self.ask(engine, container, "unpause", Unpause())

    async def _restart(self, engine: SimulatedEngine, container: Container) -> None:
        grace = self.chance.pick((None, 0, 1))
        await self.ask(engine, container, "restart", Restart(grace, runtimes=engine.runtimes))

    async def _remove(self, engine: SimulatedEngine, container: Container) -> None:
        await self.ask(engine, container, "remove", Remove())

    async def _force_remove(self, engine: SimulatedEngine, container: Container) -> None:
        await self.ask(engine, container, "force remove", ForceRemove())

    async def _rename(self, engine: SimulatedEngine, container: Container) -> None:
        name = self.chance.pick(NAMES)
        operation = self.history.begin("rename", container.id)
        await self.do(engine, operation, lambda: engine.containers.rename(container, name))

    async def _update(self, engine: SimulatedEngine, container: Container) -> None:
        wanted = HostConfig(cpu_shares=self.chance.pick((8, 16)))

        async def update() -> None:
            await (await container.mailbox.ask(Update(wanted, FACTS))).outcome()

        await self.do(engine, self.history.begin("update", container.id), update)

    async def _attach(self, engine: SimulatedEngine, container: Container) -> None:
        async def attend() -> None:
            session = await container.mailbox.ask(Attach())
            with trio.move_on_after(self.chance.seconds()):
                await session.connected()
            session.abandon()

        await self.do(engine, self.history.begin("attach", container.id), attend)

    async def _wait(self, engine: SimulatedEngine, container: Container) -> None:
        self.wait(engine, container)
        await trio.lowlevel.checkpoint()

    def wait(self, engine: SimulatedEngine, container: Container) -> None:
        """Begin to wait for the container's end or removal."""
        waiting = waiting_for(container.snapshot, self.chance.pick(CONDITIONS))

        async def wait() -> int:
            return waiting.exit_code(await container.cell.wait_for(waiting.is_over))

        # How long that takes is not the engine's choice: whoever waits in the end is woken by the removal.
        operation = self.history.begin("wait", container.id)
        self.checker.waiters.start_soon(self._see_through, engine, operation, wait)

    async def _see_through(self, engine: SimulatedEngine, operation: Operation, act: Act) -> None:
        with trio.CancelScope() as scope:
            engine.connections[scope] = None
            operation.value = await act()
        self.history.end(operation, Outcome.CUT_OFF if scope.cancelled_caught else Outcome.DONE)
        self.checker.answered(engine, operation)

    async def _exec(self, engine: SimulatedEngine, container: Container) -> None:
        async def execute() -> None:
            waiting = [one for one in engine.execs.of(container) if one.snapshot.state is ExecState.CREATED]
            if waiting and self.chance.happens(0.8):  # perhaps from before a crash
                session = self.chance.pick(waiting)
            else:
                session = await engine.execs.create(container, ExecConfig(cmd=("true",)))
            self.checker.sessions[session.id] = container.id
            await self.chance.pause()
            await session.mailbox.ask(StartExec(attach=self.chance.happens(0.5)))

        await self.do(engine, self.history.begin("exec", container.id), execute)

    async def _inspect(self, engine: SimulatedEngine, container: Container) -> None:
        self.checker.seen(engine, container)
        await trio.lowlevel.checkpoint()
