"""Containers that the journal has lost, found again from what they have on the host.

At each start a container's record is copied to a file beside its log; its monitor's command line, its
bundle, its runtime and the kept exit say the rest.  What cannot be found out is not made up: who is known to
have run, and has neither a monitor nor an exit, has ended with the code 255 and a text, as one whose monitor
is lost.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

import attrs
import structlog
import trio

from daemon.actors.container.attachments import NOWHERE, RunNetworks
from daemon.actors.container.logs import log_of
from daemon.actors.container.restarting import EXIT_UNKNOWN
from daemon.actors.container.snapshot import ContainerRecord, Stored, locked_runtime
from daemon.actors.container.states import State
from daemon.actors.recovery.known import check_record
from daemon.errors import EngineError, Failed, RuntimeFailed
from daemon.runtimes.base import Exit, Run
from daemon.runtimes.conmon import GONE_TICKS
from daemon.runtimes.families import end_family
from daemon.runtimes.layout import Layout
from daemon.runtimes.processes import started_ticks
from daemon.runtimes.runs import run_of
from daemon.runtimes.strays import Monitor, children_of
from daemon.wire import parse_record

LOG: Final = structlog.get_logger(__name__)
LOST_TEXT: Final = "the exit code is not known: the journal's record of this container was damaged"
STATES: Final[Mapping[str, State]] = MappingProxyType({"created": State.STARTING, "paused": State.PAUSED})
"""What a runtime calls states that are not RUNNING."""


@attrs.frozen
class Adoption:
    """Finds lost containers; `monitors` are the containers' own, by container id."""

    layout: Layout
    monitors: Mapping[str, Monitor]
    now_ns: Callable[[], int] = time.time_ns

    async def find(self, container_id: str) -> Stored | None:
        """Return what the host tells of a container, or None if that is not enough."""
        record = await trio.to_thread.run_sync(self._record, container_id)
        if record is None:
            return None
        run = await trio.to_thread.run_sync(self._run, container_id)
        if run is None:
            return await trio.to_thread.run_sync(self._ended, record)
        state = await self._state(record)
        if state is State.STARTING:
            await end_family(run.monitor_pid)
        return Stored(
            record,
            state,
            run if state is not State.STARTING else None,
            started_ns=self._started_ns(container_id),
            finished_ns=0,
            exit_code=0,
            error="",
            oom_killed=False,
            exits=0,
            attachments=self.networks(container_id).attachments if state is not State.STARTING else NOWHERE,
        )

    def networks(self, container_id: str) -> RunNetworks:
        """Return what a run has of the network, nothing if that cannot be read."""
        path = self.layout.run_networks(container_id)
        try:
            return parse_record(path.read_bytes(), RunNetworks)
        except FileNotFoundError:
            return RunNetworks(NOWHERE, ())  # it is in none
        except (EngineError, OSError) as error:
            LOG.error("what a container has of the network cannot be read", file=str(path), reason=str(error))
            return RunNetworks(NOWHERE, ())

    def _record(self, container_id: str) -> ContainerRecord | None:
        path = self.layout.record(container_id)
        try:
            record = parse_record(path.read_bytes(), ContainerRecord)
            check_record(record, container_id)
            if record.runtime is None:
                raise Failed("it names no runtime")
        except FileNotFoundError:
            return None  # it never ran, or is being removed
        except (EngineError, OSError) as error:
            LOG.error("the copy of a container's record cannot be read", file=str(path), reason=str(error))
            return None
        return record

    def _run(self, container_id: str) -> Run | None:
        """Return the run that has a monitor, or had one that has left an exit code since."""
        monitor = self.monitors.get(container_id)
        found = run_of(self.layout.monitor(container_id), monitor)
        if found is None and monitor is not None:  # the bundle is gone, or the process is still being made
            pid = next(iter(children_of(monitor.pid)), monitor.pid)
            return Run(pid, started_ticks(pid) or GONE_TICKS, monitor.pid, monitor.started_ticks)
        return found

    async def _state(self, record: ContainerRecord) -> State:
        if record.id not in self.monitors:
            return State.RUNNING  # until its exit file has been read
        try:
            status = await self.layout.oci_runtime(locked_runtime(record)).status(record.id)
        except RuntimeFailed as error:  # of a runtime without its state, the monitor still knows the process
            LOG.warning("taken to be running", container=record.id, reason=str(error))
            return State.RUNNING
        return STATES.get(status, State.RUNNING)

    def _ended(self, record: ContainerRecord) -> Stored:
        started_ns = self._started_ns(record.id)
        log = log_of(record)
        kept = self.layout.monitor(record.id).read_exit()  # not after a reboot
        found = kept or Exit(EXIT_UNKNOWN, at_ns=_mtime_ns(log.path) if log else 0)
        return Stored(
            record,
            State.STOPPED,
            None,
            started_ns=started_ns,
            finished_ns=max(started_ns, found.at_ns),
            exit_code=found.code,
            error="" if kept else LOST_TEXT,
            oom_killed=found.oom_killed,
            exits=1,
            stopped_by_hand=True,  # for all we know; `always` brings it back even so
        )

    def _started_ns(self, container_id: str) -> int:
        pid_file = self.layout.bundle(container_id) / "pid"
        return _mtime_ns(pid_file) or _mtime_ns(self.layout.record(container_id)) or self.now_ns()


def _mtime_ns(file: Path) -> int:
    try:
        return file.stat().st_mtime_ns
    except OSError:
        return 0
