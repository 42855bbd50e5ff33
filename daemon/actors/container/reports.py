"""What a container's own child tasks report to it: past tense, each states a fact.

All are frozen: a report may be logged, compared and put back for later.  Most are events; the few that
are commands have somebody who waits until they are written.
"""

from __future__ import annotations

import attrs

from daemon.actors.container.attachments import NOWHERE, Attachments
from daemon.actors.container.health import ProbeResult
from daemon.actors.mailbox import Command, Event
from daemon.errors import EngineError
from daemon.model import EndpointConfig, HostConfig
from daemon.runtimes.base import Exit, Run


@attrs.frozen
class Initialized(Command[None]):
    """Report that the runtime has created the process, which now waits to be started.

    Answered when attach sessions are connected, so that they miss nothing of its output.
    """

    run: Run
    attachments: Attachments = NOWHERE


@attrs.frozen
class Started(Command[None]):
    """Report that the process runs.

    Refused if that cannot be written: then nobody may be told, and the process has to end.
    """

    at_ns: int


@attrs.frozen
class Updating(Command[None]):
    """Report that from now on what runs may obey `limits`, or some of them; None: it obeys its record."""

    limits: HostConfig | None


@attrs.frozen
class Updated(Command[None]):
    """Report that an update has been applied to `run`, if there was one, and is now to be written."""

    host_config: HostConfig
    run: Run | None


@attrs.frozen
class Connected(Command[None]):
    """Report that the container is to be in one more network.

    `attachments` is what `run` has now; None if nothing runs that is to be in it.
    """

    network: str
    endpoint: EndpointConfig
    attachments: Attachments | None = None
    run: Run | None = None


@attrs.frozen
class Disconnected(Command[None]):
    """Report that the container is no longer to be in a network.

    `attachments` is what `run` has left, None if nothing that runs was there; the rest is as in `Disconnect`.
    """

    network: str
    network_id: str
    driver: str
    attachments: Attachments | None = None
    run: Run | None = None


@attrs.frozen
class LaunchFailed(Event):
    """The process could not be started; `run` is what there was of it."""

    error: EngineError
    exit_code: int
    run: Run | None = None


@attrs.frozen
class Exited(Event):
    """The process has ended and all its output is in the log; `late` if it had before this engine watched."""

    exit: Exit
    at_ns: int
    late: bool = False


@attrs.frozen
class WriteAgain(Event):
    """What the disk would not take may fit by now."""


@attrs.frozen
class Lost(Event):
    """The monitor has ended without saying how the process did; `late` as in `Exited`."""

    at_ns: int
    late: bool = False


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
