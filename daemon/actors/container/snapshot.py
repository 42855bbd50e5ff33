"""What a container is (its record) and how it is now (its snapshot).

Both are immutable.  The record changes only with its name and, at a start, its runtime; the snapshot is
replaced at each transition.  What goes into the journal is `Stored`: enough to find everything else on the
host again.
"""

from __future__ import annotations

from typing import Any, Final

import attrs

from daemon.actors.container.lifecycle import ALIVE, DURABLE, LAUNCHING, State
from daemon.model import Config, HostConfig
from daemon.runtimes.base import Run
from daemon.runtimes.table import LockedRuntime

LIVE: Final = frozenset({*ALIVE, State.STOPPING})
PAUSED: Final = frozenset({State.PAUSED, State.RESUMING})


@attrs.frozen
class ContainerRecord:
    """What was asked for, completed with the image's and the engine's defaults.

    `host_config.runtime` is the runtime's name; `runtime` is what that meant when the container was last
    started, and stays so for that run; None if it never was.
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


@attrs.frozen(eq=False)
class ContainerSnapshot:
    """A container as everybody may see it, until the next transition.

    `exits` counts how often it has ended, so that a waiter cannot miss an exit; `revision` is the
    journal's sequence number that it shows; `renderings` is where the API keeps what it has made of it.
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
    exec_ids: tuple[str, ...] = ()
    operation: str = ""
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
    def removed(self) -> bool:
        """Whether it is gone; whoever sees this holds the last snapshot there is."""
        return self.state is State.REMOVED

    def replace(self, **changes: Any) -> ContainerSnapshot:
        """Return a snapshot with `changes`, and nothing rendered yet."""
        return attrs.evolve(self, renderings={}, **changes)

    def stored(self) -> Stored:
        """Return what of it belongs into the journal; a state that is not durable becomes one that is."""
        values = {field.name: getattr(self, field.name) for field in attrs.fields(Stored)}
        durable = DURABLE.get(self.state, self.state)
        if durable is State.RESUMING and self.run is None:  # stopped before it had a process
            durable = State.STARTING
        if durable is State.STARTING:  # a restart ends whatever the runtime knows of this container
            values["run"] = None
        return Stored(**{**values, "state": durable})


def restored(stored: Stored) -> ContainerSnapshot:
    """Return the snapshot that a journal record describes."""
    return ContainerSnapshot(**{f.name: getattr(stored, f.name) for f in attrs.fields(Stored)})
