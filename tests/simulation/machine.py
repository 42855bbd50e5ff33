"""The machine under the engine: processes, their monitors, and what containers leave on the disk.

It goes on when the engine dies, and knows the truth that the engine is measured against.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from itertools import count
from signal import SIGKILL, SIGTERM
from typing import Final

import attrs
import trio

from daemon.runtimes.base import Exit, Run
from tests.simulation.scheduler import Chance, now_ns
from tests.simulation.trace import Trace

KILL: Final = int(SIGKILL)
TERM: Final = int(SIGTERM)
CODES: Final = (0, 0, 1, 7)


@attrs.define(eq=False)
class Process:
    """A process and its monitor, which outlives it a little and writes down how it ended."""

    owner: str
    run: Run
    obeys: frozenset[int]
    leaves_code: bool
    cpu_shares: int = 0
    started: bool = False
    frozen: bool = False
    killed_by: int = 0
    killed_at: int = 0
    exit: Exit | None = None
    filed: bool = False
    over: trio.Event = attrs.field(factory=trio.Event)
    thawed: trio.Event = attrs.field(factory=trio.Event)
    monitor_over: trio.Event = attrs.field(factory=trio.Event)
    pending: list[tuple[int, int]] = attrs.field(factory=list)

    @property
    def lives(self) -> bool:
        return self.exit is None


@attrs.define(eq=False)
class Traces:
    """What there is of one container; `unclean` once a fault has kept something from being cleared away."""

    mounted: bool = False
    bundle: bool = False
    layer: bool = False
    unclean: bool = False
    lifecycle: str = ""
    processes: list[Process] = attrs.field(factory=list)
    alive: list[tuple[int, int]] = attrs.field(factory=lambda: [(-1, 0)])  # (tick, how many run)
    frozen: list[tuple[int, bool]] = attrs.field(factory=lambda: [(-1, False)])

    @property
    def process(self) -> Process | None:
        """The container's living process."""
        return next((process for process in self.processes if process.lives), None)


@attrs.define(eq=False)
class Machine:
    """What the engine cannot take with it when it dies."""

    chance: Chance
    trace: Trace
    nursery: trio.Nursery
    of: defaultdict[str, Traces] = attrs.field(factory=lambda: defaultdict(Traces), init=False)
    processes: dict[int, Process] = attrs.field(factory=dict, init=False)
    sessions: dict[str, Process] = attrs.field(factory=dict, init=False)  # of exec, by their ids
    stuck: set[str] = attrs.field(
        factory=set, init=False
    )  # for whom a host call may never have come to anything
    crash: trio.Event = attrs.field(factory=trio.Event, init=False)  # of the engine, at once
    _pids: count[int] = attrs.field(factory=lambda: count(1000), init=False)

    def spawn(self, owner: str, *, obedient: bool | None = None) -> Process:
        """Make a process that waits to be started."""
        pid = next(self._pids)
        if obedient is None:
            obedient = self.chance.happens(0.7)
        process = Process(
            owner,
            Run(pid, pid, pid + 100_000, pid),
            frozenset({TERM, KILL} if obedient else {KILL}),
            leaves_code=not self.chance.happens(0.03),
        )
        self.processes[pid] = process
        self.trace.note("spawn", owner[:6], pid)
        return process

    def spawn_container(self, container_id: str) -> Process:
        """Make the one process of a container."""
        traces = self.of[container_id]
        if traces.process is not None:
            self.trace.violate(f"container {container_id[:6]} has two processes")
        process = self.spawn(container_id)
        traces.processes.append(process)
        return process

    def start(self, process: Process) -> None:
        """Let a process go on to the user's program, which ends by itself, sooner, later or never."""
        process.started = True
        process.obeys |= {KILL}
        self._count(process)
        longest = self.chance.pick((0.0, 0.02, 3.0, 30.0, None))
        if longest is not None:
            lasts = self.chance.between(0, longest)
            self.nursery.start_soon(self._live, process, lasts, self.chance.pick(CODES))

    async def _live(self, process: Process, seconds: float, code: int) -> None:
        with trio.move_on_after(seconds):
            await process.over.wait()
        while process.frozen:  # it stands still
            await process.thawed.wait()
        self.end(process, code)

    def signal(self, process: Process, number: int, sent_at: int | None = None) -> None:
        """Send a signal; what is frozen hears it when it is thawed (cgroup v1: not even SIGKILL)."""
        if not process.lives:
            return
        sent_at = self.trace.tick if sent_at is None else sent_at
        if process.frozen:
            process.pending.append((number, sent_at))
        elif number in process.obeys or (not process.started and number in {TERM, KILL}):
            process.killed_by, process.killed_at = number, sent_at
            self.end(process, 128 + number)

    def freeze(self, process: Process) -> None:
        process.frozen, process.thawed = True, trio.Event()
        self.of[process.owner].frozen.append((self.trace.note("frozen", process.run.pid), True))

    def thaw(self, process: Process) -> None:
        process.frozen = False
        process.thawed.set()
        self.of[process.owner].frozen.append((self.trace.note("thawed", process.run.pid), False))
        pending, process.pending = process.pending, []
        for number, sent_at in pending:
            self.signal(process, number, sent_at)

    def end(self, process: Process, code: int) -> None:
        """End a process; its monitor follows."""
        if not process.lives:
            return
        process.exit = Exit(code, at_ns=now_ns())
        process.frozen = False
        process.thawed.set()
        process.over.set()
        self._count(process)
        self.nursery.start_soon(self._end_monitor, process)

    async def _end_monitor(self, process: Process) -> None:
        await self.chance.pause()
        if not process.monitor_over.is_set():
            process.filed = process.leaves_code
            process.monitor_over.set()

    def destroy(self, process: Process) -> None:
        """End a process with its monitor, and whatever that has written."""
        self.end(process, 128 + KILL)
        process.filed = False
        process.monitor_over.set()

    def begun(self, session_ids: Iterable[str]) -> dict[str, Run | None]:
        """Return what came of those exec sessions that were started, as far as anybody can know."""
        found = {name: self.sessions[name] for name in session_ids if name in self.sessions}
        return {name: one.run if one.lives or one.filed else None for name, one in found.items()}

    def end_strays(self, known_pids: set[int]) -> None:
        """End every process that no record names, as the engine does when it starts."""
        for process in self.processes.values():
            if process.lives and process.run.pid not in known_pids:
                self.trace.note("stray", process.run.pid)
                self.destroy(process)

    def prune(self, known_ids: set[str]) -> None:
        """Delete what belongs to no container."""
        for container_id, traces in self.of.items():
            if container_id not in known_ids:
                traces.mounted = traces.bundle = traces.layer = False

    @contextmanager
    def exclusively(self, container_id: str, stage: str) -> Generator[None]:
        """Be the only one who makes or clears away a run of this container."""
        traces = self.of[container_id]
        if traces.lifecycle:
            self.trace.violate(f"{stage} of {container_id[:6]} began during {traces.lifecycle}")
        traces.lifecycle = stage
        try:
            yield
        finally:
            traces.lifecycle = ""

    def _count(self, process: Process) -> None:
        traces = self.of.get(process.owner)
        if traces is not None and process in traces.processes:
            running = sum(found.started and found.lives for found in traces.processes)
            tick = self.trace.note("alive", process.owner[:6], process.run.pid, running, process.exit)
            traces.alive.append((tick, running))
