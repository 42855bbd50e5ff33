"""What must hold at every answer, at every look at a container, and when all has come to rest.

What clients were told (`history`) is compared with what is on the disk and with what the machine knows; the
whole story of each container is read once more at the end (`grammar`, `justice`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Final

import attrs
import trio

from daemon.actors.container.actor import Container, as_record
from daemon.actors.container.snapshot import ContainerRecord, ContainerSnapshot
from daemon.actors.container.states import State
from daemon.actors.exec.actor import KEEP_SECONDS
from daemon.actors.exec.lifecycle import State as ExecState
from daemon.errors import (
    Conflict,
    EngineError,
    Failed,
    InvalidParameter,
    NotFound,
    NotModified,
    RuntimeFailed,
)
from daemon.journal import Event
from tests.simulation.disk import CONTAINER, Disk, comparable
from tests.simulation.engine import SimulatedEngine
from tests.simulation.history import History, Operation, Outcome
from tests.simulation.machine import Machine
from tests.simulation.trace import Trace

ORDINARY: Final = frozenset({Conflict, NotFound, NotModified, InvalidParameter, RuntimeFailed})
AT_REST: Final = frozenset({State.CONFIGURED, State.EXITED, State.DEAD})


@attrs.define(eq=False)
class Checker:
    """Compares; `expected` are the errors that this run's faults may cause.

    `records` are the containers that clients asked for, `sessions` the exec sessions that they were
    promised, with their containers.
    """

    trace: Trace
    machine: Machine
    disk: Disk
    history: History
    waiters: trio.Nursery
    expected: frozenset[type[EngineError]] = ORDINARY
    records: dict[str, ContainerRecord] = attrs.field(factory=dict)
    sessions: dict[str, str] = attrs.field(factory=dict)
    _events: defaultdict[str, list[tuple[int, Event]]] = attrs.field(factory=lambda: defaultdict(list))
    _read: int = 0

    def events(self, container_id: str) -> list[tuple[int, Event]]:
        """Return what the journal says of a container, each with the number of when it was there."""
        for entry in self.disk.entries[self._read :]:
            for event in entry.events:
                self._events[event.actor_id].append((entry.durable, event))
        self._read = len(self.disk.entries)
        return self._events[container_id]

    def seen(self, engine: SimulatedEngine, container: Container) -> None:
        """Look at what a container shows: it has been written, unless it could not be."""
        snapshot = container.snapshot
        if engine.dead or snapshot.removed:
            return
        self._obeys(snapshot)
        if self.disk.was_full_for(container.id):
            return
        if (container.id, comparable(as_record(snapshot).body)) not in self.disk.bodies:
            self.trace.violate(f"{container.id[:6]} shows {snapshot.state.value}, which is not on the disk")

    def answered(self, engine: SimulatedEngine, operation: Operation) -> None:
        """Check what a client was told just now."""
        known = engine.containers.resolve(operation.target) if self._is_shown(engine, operation) else None
        if known is not None:
            self.seen(engine, known)
        if operation.outcome is Outcome.NEVER and operation.target not in self.machine.stuck:
            self.trace.violate(f"nobody answered {operation.kind} of {operation.target[:6]}")
        elif operation.outcome is Outcome.REFUSED:
            self._refused(operation)
        elif operation.done and operation.kind in CLAIMS:
            CLAIMS[operation.kind](self, operation)
            if known is not None and operation.kind in {"remove", "force remove"}:
                self.trace.violate(f"{operation.target[:6]} is removed and still shown")

    def _is_shown(self, engine: SimulatedEngine, operation: Operation) -> bool:
        return not engine.dead and any(container.id == operation.target for container in engine.containers)

    def _refused(self, operation: Operation) -> None:
        kind = type(operation.error)
        too_late = operation.kind in {"unpause", "update"} and kind is Failed
        if kind not in self.expected and not too_late:
            self.trace.violate(f"{operation.kind} of {operation.target[:6]} failed: {operation.error!r}")
        gone = any(event.action == "destroy" for _, event in self.events(operation.target))
        if kind is NotFound and operation.kind != "exec" and not gone:
            self.trace.violate(f"{operation.target[:6]} is said to be gone")

    def recovered(self, engine: SimulatedEngine) -> None:
        """Look for the exec sessions in an engine that has just begun; old ones may be forgotten."""
        ends = {
            event.attributes["execID"]: (entry.seconds, event.attributes["exitCode"])
            for entry in self.disk.entries
            for event in entry.events
            if event.action == "exec_die"
        }
        containers = {container.id for container in engine.containers}
        known = {session.id: session.snapshot.exit_code for session in engine.execs}
        for found in engine.execs:
            if found.snapshot.state is ExecState.CREATED and found.id in self.machine.sessions:
                self.trace.violate(f"an exec session of {self.sessions.get(found.id, '?')[:6]} may run again")
        for session, container in self.sessions.items():
            seconds, code = ends.get(session, (trio.current_time(), None))
            if container not in containers or trio.current_time() - seconds > KEEP_SECONDS / 2:
                continue
            if session not in known:
                self.trace.violate(f"an exec session of {container[:6]} is lost")
            elif code is not None and str(known[session]) != code:
                self.trace.violate(f"an exec session of {container[:6]} has forgotten how it ended")

    def happened(self, operation: Operation, action: str) -> None:
        """Claim that an event of the operation was on the disk before its answer."""
        if self.disk.was_full_for(operation.target):
            return
        if not any(
            event.action.startswith(action) and operation.begun < tick < operation.ended
            for tick, event in self.events(operation.target)
        ):
            self.trace.violate(
                f"{operation.kind} of {operation.target[:6]} is done, and there is no {action}"
            )

    def had_ended(self, operation: Operation) -> None:
        """Claim that the container did not run at some moment of the operation, and that this is written."""
        traces = self.machine.of[operation.target]
        if not _reached_zero(traces.alive, operation):
            self.trace.violate(f"{operation.kind} of {operation.target[:6]} is done, and it ran all the time")
        balance, steps = 0, [(-1, 0)]
        for tick, event in self.events(operation.target):
            balance += {"start": 1, "die": -1}.get(event.action, 0)
            steps.append((tick, balance))
        if not self.disk.was_full_for(operation.target) and not _reached_zero(steps, operation):
            self.trace.violate(f"{operation.kind} of {operation.target[:6]} is done, and no die is written")

    def was_frozen(self, operation: Operation) -> None:
        """Claim that the container was paused at some moment of the operation, and that this is written."""
        self.happened(operation, "pause")
        if not any(
            frozen and tick < operation.ended for tick, frozen in self.machine.of[operation.target].frozen
        ):
            self.trace.violate(f"{operation.target[:6]} is said to be paused")

    def is_gone(self, operation: Operation) -> None:
        """Claim that nothing of a removed container is left, anywhere."""
        self.happened(operation, "destroy")
        self.nothing_left(operation.target)

    def _obeys(self, snapshot: ContainerSnapshot) -> None:
        """Check that what runs has the limits of its record, unless that is in doubt."""
        process = self.machine.of[snapshot.id].process
        if snapshot.may_obey is not None or process is None or process.run != snapshot.run:
            return
        if process.cpu_shares != snapshot.record.host_config.cpu_shares:
            self.trace.violate(f"{snapshot.id[:6]} has other limits than its record")

    def has_settled(self, container: Container) -> None:
        """Check that nothing is in doubt a while after the start of the engine."""
        snapshot = container.snapshot
        if snapshot.may_obey is not None and snapshot.running and not self.disk.was_full_for(container.id):
            self.trace.violate(f"{container.id[:6]} has perhaps other limits than its record")

    def nothing_left(self, container_id: str) -> None:
        """Check that there is nothing of a container any more."""
        traces = self.machine.of[container_id]
        if traces.process is not None or traces.mounted or traces.bundle or traces.layer:
            self.trace.violate(f"something of {container_id[:6]} is left on the host")
        books = self.disk.books
        if (CONTAINER, container_id) in books.records or container_id in books.names.values():
            self.trace.violate(f"something of {container_id[:6]} is left in the journal")

    def true_code(self, operation: Operation) -> None:
        """Claim that a waiter was told a code that the container ended with, or failed to begin with."""
        codes = {
            event.attributes["exitCode"]
            for _, event in self.events(operation.target)
            if event.action == "die"
        }
        if str(operation.value) not in codes | {"0", "128"} and not self.disk.was_full_for(operation.target):
            self.trace.violate(f"{operation.target[:6]} is said to have ended with {operation.value}")

    def at_rest(self, container: Container) -> None:
        """Check a container that was stopped by hand long ago: all that tells of it agrees."""
        snapshot, traces = container.snapshot, self.machine.of[container.id]
        if snapshot.state not in AT_REST:
            self.trace.violate(f"{container.id[:6]} was stopped and is {snapshot.state.value}")
        if traces.process is not None or ((traces.mounted or traces.bundle) and not traces.unclean):
            self.trace.violate(f"a run of {container.id[:6]} is left on the host")
        written = self.disk.books.records.get((CONTAINER, container.id))
        agrees = written is not None and comparable(written.body) == comparable(as_record(snapshot).body)
        if not agrees and not self.disk.was_full_for(container.id):
            self.trace.violate(f"{container.id[:6]} is not written as it is shown")
        names = [name for (_, name), owner in self.disk.books.names.items() if owner == container.id]
        if names != [snapshot.record.name]:
            self.trace.violate(f"{container.id[:6]} is not written under its name")


def _reached_zero(steps: list[tuple[int, int]], operation: Operation) -> bool:
    """Tell whether a count that changed at `steps` was 0 at some moment of the operation."""
    ends = [tick for tick, _ in steps[1:]] + [1 << 60]
    return any(
        count == 0 and end > operation.begun and tick < operation.ended
        for (tick, count), end in zip(steps, ends, strict=True)
    )


CLAIMS: Final[Mapping[str, Callable[[Checker, Operation], None]]] = {
    "create": lambda checker, operation: checker.happened(operation, "create"),
    "start": lambda checker, operation: checker.happened(operation, "start"),
    "restart": lambda checker, operation: checker.happened(operation, "start"),
    "rename": lambda checker, operation: checker.happened(operation, "rename"),
    "unpause": lambda checker, operation: checker.happened(operation, "unpause"),
    "update": lambda checker, operation: checker.happened(operation, "update"),
    "exec": lambda checker, operation: checker.happened(operation, "exec_start"),
    "pause": Checker.was_frozen,
    "stop": Checker.had_ended,
    "kill": Checker.had_ended,
    "remove": Checker.is_gone,
    "force remove": Checker.is_gone,
    "wait": Checker.true_code,
}
"""What the answer to an operation means."""
