"""What a container may be told from outside: imperative, and it may be refused.

All are frozen: a command may be logged, compared and put back for later.  What the container's own
child tasks say to it is in `reports.py`.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from daemon.actors.container.visits import Visitor
from daemon.actors.mailbox import Command, Promise
from daemon.model import EndpointConfig, HostConfig
from daemon.runtimes.attach import AttachSession
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
    """Freeze all processes; answered once they are frozen.

    `briefly`: whoever asks will have them go on, and so does the next engine if this one ends.
    """

    briefly: bool = False


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
class Connect(Command[Promise[None]]):
    """Be in a network, too; answered with a promise, as `Update` is.

    `network` is its name, under which the record is to have it.
    """

    network: str
    endpoint: EndpointConfig


@attrs.frozen
class Disconnect(Command[Promise[None]]):
    """Be in a network no more; answered with a promise, as `Update` is.

    `network` is its name, `network_id` its id and `driver` its driver, the latter empty if it is gone.
    """

    network: str
    network_id: str = ""
    driver: str = ""


@attrs.frozen
class Attach(Command[AttachSession]):
    """Open a session on the container's stdio; answered at once, connected when it runs."""


@attrs.frozen
class Resize(Command[None]):
    """Tell the terminal its size in character cells."""

    height: int
    width: int


@attrs.frozen
class Visit(Command[None]):
    """Let somebody use the root filesystem, until `visitor` leaves; answered once that is so."""

    visitor: Visitor


@attrs.frozen
class Export(Visit):
    """Let somebody use it to export it whole."""


@attrs.frozen
class Commit(Visit):
    """Let somebody use it to make an image of it."""


@attrs.frozen
class Note(Command[None]):
    """Put an event about this container into the journal, with the usual attributes added."""

    action: str
    attributes: Mapping[str, str] = EMPTY
