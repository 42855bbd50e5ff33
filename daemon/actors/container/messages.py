"""What may be said to a container: commands from outside, reports from its own child tasks.

Commands are imperative and may be refused; reports are past tense and state a fact.  All are
frozen: a message may be logged, compared and put back for later.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from daemon.actors.container.health import ProbeResult
from daemon.actors.mailbox import Command, Event, Promise
from daemon.errors import EngineError
from daemon.model import HostConfig
from daemon.runtimes.attach import AttachSession
from daemon.runtimes.base import Exit, Run
from daemon.runtimes.spec.inputs import HostFacts
from daemon.runtimes.table import RuntimeTable

EMPTY: Mapping[str, str] = {}


@attrs.frozen
class Start(Command[None]):
    """Launch the process; answered once it runs.

    `runtimes` is the table in force when the start was asked for: what comes later does not concern it.
    """

    runtimes: RuntimeTable


@attrs.frozen
class Stop(Command[None]):
    """Signal the process, kill it when the grace has passed; answered once it has ended.

    `grace_seconds` below zero waits for ever; None is the container's own stop timeout, as
    `signal` None is its own stop signal.
    """

    grace_seconds: float | None = None
    signal: int | None = None
    by_hand: bool = True
    """Whether somebody means the container; the engine, when it stops, means itself."""


@attrs.frozen
class Restart(Stop):
    """Stop, then start; answered once the process runs again.  `runtimes` is as in `Start`."""

    runtimes: RuntimeTable = attrs.field(kw_only=True)


@attrs.frozen
class Kill(Command[None]):
    """SIGKILL; answered once the process has ended.  `by_hand` is as in `Stop`."""

    by_hand: bool = True


@attrs.frozen
class Signal(Command[None]):
    """Send any other signal; answered once it is sent."""

    signal: int


@attrs.frozen
class StartAgain(Command[None]):
    """Launch the process by its restart policy; `runtimes` is as in `Start`."""

    runtimes: RuntimeTable


@attrs.frozen
class Revive(Command[None]):
    """Launch the process by its restart policy when the engine starts; `runtimes` is as in `Start`."""

    runtimes: RuntimeTable


@attrs.frozen
class Pause(Command[None]):
    """Freeze all processes; answered once they are frozen."""


@attrs.frozen
class Unpause(Command[None]):
    """Let frozen processes go on; answered once they do."""


@attrs.frozen
class Remove(Command[None]):
    """Delete a container that does not run; answered once nothing of it is left."""


@attrs.frozen
class ForceRemove(Command[None]):
    """Kill if need be, then delete; answered once nothing of it is left."""


@attrs.frozen
class Rename(Command[None]):
    """Take another name."""

    name: str


@attrs.frozen
class Update(Command[Promise[None]]):
    """Change resources and restart policy to what `wanted` says of them; answered with a promise.

    A runtime may take its time over it, and so the answer to the promise is another one.  `host` is what
    there can be resources of.
    """

    wanted: HostConfig
    host: HostFacts


@attrs.frozen
class Attach(Command[AttachSession]):
    """Open a session on the container's stdio; answered at once, connected when it runs."""


@attrs.frozen
class Resize(Command[None]):
    """Tell the terminal its size in character cells."""

    height: int
    width: int


@attrs.frozen
class Note(Command[None]):
    """Put an event about this container into the journal, with the usual attributes added."""

    action: str
    attributes: Mapping[str, str] = EMPTY


@attrs.frozen
class Initialized(Command[None]):
    """Report that the runtime has created the process, which now waits to be started.

    Answered when attach sessions are connected, so that they miss nothing of its output.
    """

    run: Run


@attrs.frozen
class Started(Command[None]):
    """Report that the process runs.

    Refused if that cannot be written: then nobody may be told, and the process has to end.
    """

    at_ns: int


@attrs.frozen
class Updated(Command[None]):
    """Report that an update has been applied to whatever runs, and is now to be written."""

    host_config: HostConfig


@attrs.frozen
class LaunchFailed(Event):
    """The process could not be started; `run` is what there was of it."""

    error: EngineError
    exit_code: int
    run: Run | None = None


@attrs.frozen
class Exited(Event):
    """The process has ended and all its output is in the log; `late` if it had before anybody watched."""

    exit: Exit
    at_ns: int
    late: bool = False


@attrs.frozen
class WriteAgain(Event):
    """What the disk would not take may fit by now."""


@attrs.frozen
class Lost(Event):
    """The monitor has ended without saying how the process did."""

    at_ns: int


@attrs.frozen
class Relapsed(Event):
    """The process has ended as `end` says, and its restart policy has it started again."""

    end: Exited | Lost


@attrs.frozen
class GivenUp(Event):
    """The container cannot be started again: its runtime is not configured any more."""

    error: EngineError


@attrs.frozen
class Probed(Event):
    """The container's health was looked at."""

    result: ProbeResult


@attrs.frozen
class GraceExpired(Event):
    """The container has outlived the grace of a stop."""


@attrs.frozen
class Frozen(Event):
    """All processes are frozen."""


@attrs.frozen
class FreezeFailed(Event):
    """The runtime could not freeze the container."""

    error: EngineError


@attrs.frozen
class Thawed(Event):
    """The processes go on."""


@attrs.frozen
class ThawFailed(Event):
    """The runtime could not thaw the container."""

    error: EngineError


@attrs.frozen
class CleanedUp(Event):
    """Nothing of the run is left on the host: no process, mount, cgroup or bundle."""


@attrs.frozen
class Deleted(Event):
    """Nothing of the container is left on the host but its record."""


@attrs.frozen
class DeleteFailed(Event):
    """Something of the container could not be deleted."""

    error: EngineError
