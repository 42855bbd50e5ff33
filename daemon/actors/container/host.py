"""What a container's actor needs of the host: the seam at which a fake takes its place in tests.

Nothing behind it decides anything, and each method may be called again after a crash: what is
already so is left so.  Errors of the host come as leaves of `daemon.errors`.
"""

from __future__ import annotations

from typing import Protocol

import trio

from daemon.actors.container.attachments import Attachments
from daemon.actors.container.snapshot import ContainerRecord
from daemon.model import HostConfig
from daemon.runtimes.attach import AttachSocket
from daemon.runtimes.base import Exit, ProbeOutcome, Run


class ContainerHost(Protocol):
    """The host, as one container sees it."""

    async def create(self, record: ContainerRecord) -> tuple[Run, Attachments]:
        """Make root filesystem, bundle and network, and have the process created but not started.

        If it fails or is cancelled, no process is left; the rest is `clean_up`'s.

        Raises:
            EngineError: it cannot be created.

        """

    async def start(self, record: ContainerRecord, run: Run) -> None:
        """Let the created process go on to the user's program.

        Raises:
            EngineError: it cannot be started.

        """

    async def keep_log(self, record: ContainerRecord) -> None:
        """Give old files of the log their names while the container runs; return if there never are any."""

    async def wait(self, record: ContainerRecord, run: Run) -> Exit | None:
        """Return how the process ended, once it has; None if nobody will ever know."""

    def monitored(self, run: Run) -> bool:
        """Return whether the monitor is there that will tell how the process ends."""

    async def probe(
        self, record: ContainerRecord, limit_seconds: float, *, task_status: trio.TaskStatus[ProbeOutcome]
    ) -> None:
        """Run the container's health check once; if cancelled, break it off.

        `task_status` is given the outcome as soon as it is known, which never fails; this returns when
        nothing of the probe is left.
        """

    async def process_ended(self, run: Run) -> None:
        """Return once the process has ended; its monitor may still have output to pass on."""

    def signal(self, run: Run, number: int) -> None:
        """Send a signal to the process; one that has just ended hears nothing, which is no error."""

    async def freeze(self, record: ContainerRecord) -> None:
        """Freeze all processes; if that fails, none stays frozen."""

    async def thaw(self, record: ContainerRecord) -> None:
        """Thaw all processes; those that are not frozen go on."""

    async def update(self, record: ContainerRecord, before: HostConfig) -> None:
        """Have the running container's cgroup obey the limits of `record`; it may obey those of `before`.

        Raises:
            EngineError: the runtime or the kernel refuses; it may obey some of either then.

        """

    async def join_network(
        self, record: ContainerRecord, attachments: Attachments, network: str
    ) -> Attachments:
        """Bring what runs into one more of the record's networks; return what it has then.

        Raises:
            EngineError: it cannot be there; then nothing has changed.

        """

    async def leave_network(
        self, record: ContainerRecord, attachments: Attachments, network: str
    ) -> Attachments:
        """Take what runs out of a network, by its name; return what it has left.

        Raises:
            EngineError: the kernel refuses.

        """

    async def rename_in_networks(self, record: ContainerRecord, attachments: Attachments) -> None:
        """Have the container found by its new name."""

    async def leave_networks(self, record: ContainerRecord) -> None:
        """Leave nothing of a container whose process has ended in any network, nor of the host's ports.

        Raises:
            EngineError: something could not be undone; everything else is.

        """

    async def clean_up(self, record: ContainerRecord, run: Run | None) -> None:
        """Leave nothing of the run: process, monitor, cgroup, mount, bundle, place in a network."""

    async def delete(self, record: ContainerRecord) -> None:
        """Leave nothing of the container: writable layer, log, files."""

    def connect(self, record: ContainerRecord) -> AttachSocket:
        """Open a connection to the process's stdio.

        Raises:
            Failed: the monitor does not listen.

        """

    def resize(self, record: ContainerRecord, height: int, width: int) -> None:
        """Set the terminal's size in character cells."""
