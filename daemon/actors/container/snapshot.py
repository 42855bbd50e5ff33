"""What a container is (its record) and how it is now (its snapshot).

Both are immutable.  The record changes only with its name and, at a start, its runtime; the snapshot is
replaced at each transition.  What goes into the journal is `Stored`: enough to find everything else on the
host again.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import attrs

from daemon.actors.container.attachments import NOWHERE, Attachments
from daemon.actors.container.health import Health, remembered
from daemon.actors.container.resuming import DURABLE
from daemon.actors.container.states import ALIVE, BETWEEN_RUNS, LAUNCHING, State
from daemon.model import Config, EndpointConfig, HostConfig
from daemon.runtimes.base import Run
from daemon.runtimes.table import LockedRuntime

LIVE: Final = frozenset({*ALIVE, State.STOPPING})
PAUSED: Final = frozenset({State.PAUSED, State.RESUMING})
OPERATIONS: Final[Mapping[State, str]] = MappingProxyType(
    {
        State.STARTING: "starting",
        State.INITIALIZED: "starting",
        State.PAUSING: "pausing",
        State.RESUMING: "resuming",
        State.STOPPING: "stopping",
        State.STOPPED: "clearing up",
        State.UNKNOWN: "clearing up",
        State.RELAPSED: "clearing up",
        State.REMOVING: "removing",
    }
)
"""What is under way in each state that passes by itself."""


@attrs.frozen
class ContainerRecord:
    """What was asked for, completed with the image's and the engine's defaults.

    `host_config.runtime` is the runtime's name; `runtime` is what that meant when the container was last
    started, and stays so for that run; None if it never was.  `networks` has what it is to be in each of its
    networks, by name.
    """

    id: str
    name: str
    created_ns: int
    image_id: str
    image_reference: str
    chain_ids: tuple[str, ...]
    config: Config
    host_config: HostConfig
    path: str
    args: tuple[str, ...]
    log_path: str
    runtime: LockedRuntime | None = None
    networks: Mapping[str, EndpointConfig] = attrs.field(factory=dict)


def locked_runtime(record: ContainerRecord) -> LockedRuntime:
    """Return the runtime of the current run, or of the last one."""
    assert record.runtime is not None  # whoever asks has started it
    return record.runtime


@attrs.frozen
class Stored:
    """The journal's record of a container."""

    record: ContainerRecord
    state: State
    run: Run | None
    started_ns: int
    finished_ns: int
    exit_code: int
    error: str
    oom_killed: bool
    exits: int
    restart_count: int = 0
    backoff_ns: int = 0
    stopped_by_hand: bool = False
    told_paused: bool = False
    health: Health | None = None
    let_go: bool = True
    attachments: Attachments = NOWHERE
    may_obey: HostConfig | None = None


@attrs.frozen(eq=False)
class ContainerSnapshot:
    """A container as everybody may see it, until the next transition.

    `exits` counts how often it has ended, so that a waiter cannot miss an exit; `restart_count` how often
    it was started again by itself since somebody started it, the last time `backoff_ns` later; `let_go` is
    whether the process of `run` has gone on to the user's program, or may only be ended; `told_paused`
    whether an event has said that it is paused, and none yet that it goes on; `may_obey` limits that it may
    obey instead of its record's, while they are being changed; `paused_briefly` whether it is, or was last,
    paused for a moment only, which is not to outlive the engine; `revision`
    is the journal's sequence number that it shows; `renderings` is where the API keeps what it has made
    of it.
    """

    record: ContainerRecord
    state: State = State.CONFIGURED
    run: Run | None = None
    started_ns: int = 0
    finished_ns: int = 0
    exit_code: int = 0
    error: str = ""
    oom_killed: bool = False
    exits: int = 0
    restart_count: int = 0
    backoff_ns: int = 0
    stopped_by_hand: bool = False
    told_paused: bool = False
    health: Health | None = None
    let_go: bool = True
    attachments: Attachments = NOWHERE
    may_obey: HostConfig | None = None
    paused_briefly: bool = False
    exec_ids: tuple[str, ...] = ()
    operation_since_ns: int = 0
    renderings: dict[object, Any] = attrs.field(factory=dict)

    @property
    def id(self) -> str:
        """The full id, 64 hexadecimal digits."""
        return self.record.id

    @property
    def pid(self) -> int:
        """The process's pid on the host, or 0."""
        return self.run.pid if self.run and self.running else 0

    @property
    def running(self) -> bool:
        """Whether it has a process, frozen or not."""
        return self.state in LIVE

    @property
    def paused(self) -> bool:
        """Whether the process is frozen."""
        return self.state in PAUSED

    @property
    def launching(self) -> bool:
        """Whether it is on its way to run."""
        return self.state in LAUNCHING

    @property
    def restarting(self) -> bool:
        """Whether it has ended and will be, or is being, started again by itself."""
        return self.state in BETWEEN_RUNS or (self.launching and self.restart_count > 0)

    @property
    def up(self) -> bool:
        """Whether Docker calls it running: it has a process, or will have one again by itself."""
        return self.running or self.restarting

    @property
    def idle(self) -> bool:
        """Whether it neither has a process nor will have one by itself."""
        return not (self.up or self.launching)

    @property
    def operation(self) -> str:
        """What is under way, in a state that passes by itself; empty in others."""
        return OPERATIONS.get(self.state, "")

    @property
    def removed(self) -> bool:
        """Whether it is gone; whoever sees this holds the last snapshot there is."""
        return self.state is State.REMOVED

    def replace(self, **changes: Any) -> ContainerSnapshot:
        """Return a snapshot with `changes`, and nothing rendered yet."""
        return attrs.evolve(self, renderings={}, **changes)

    def stored(self) -> Stored:
        """Return what of it belongs into the journal; a state that is not durable becomes one that is."""
        values = {field.name: getattr(self, field.name) for field in attrs.fields(Stored)}
        values["health"] = remembered(self.health)
        if not self.running:  # what is being made, and what is being cleared away, is found by its id
            values["attachments"] = NOWHERE
        durable = DURABLE.get(self.state, self.state)
        if durable is State.PAUSED and self.paused_briefly:
            durable = State.RESUMING
        if durable is State.RESUMING and not (self.run and self.let_go):  # stopped before it was started
            durable = State.STARTING
        if durable is State.STARTING:  # a restart ends whatever the runtime knows of this container
            values["run"] = None
        return Stored(**{**values, "state": durable})


def restored(stored: Stored, at_ns: int = 0) -> ContainerSnapshot:
    """Return the snapshot that a journal record describes, to be taken up at `at_ns`."""
    values = {f.name: getattr(stored, f.name) for f in attrs.fields(Stored)}
    return ContainerSnapshot(**values, operation_since_ns=at_ns)
