"""The container actors' host: graph driver, bundle, runtime and monitor, in a launch's order."""

from __future__ import annotations

import signal
from collections.abc import Generator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Final

import attrs
import structlog
import trio

from daemon.actors.concurrent import all_of
from daemon.actors.container.attachments import Attachments
from daemon.actors.container.bundle import Bundles, Devices
from daemon.actors.container.logs import log_of
from daemon.actors.container.networking.changes import NetworkChanges
from daemon.actors.container.networking.naming import NetworkFacts
from daemon.actors.container.networking.runs import ContainerNetworks
from daemon.actors.container.snapshot import ContainerRecord, locked_runtime
from daemon.errors import EngineError, Failed, RuntimeUnusable
from daemon.failpoints import reached
from daemon.graphdrivers.base import GraphDriver
from daemon.model import HostConfig
from daemon.runtimes import conmon
from daemon.runtimes.attach import AttachSocket
from daemon.runtimes.base import Exit, ProbeOutcome, Run
from daemon.runtimes.console import resize
from daemon.runtimes.host import online
from daemon.runtimes.inotify import Inotify
from daemon.runtimes.layout import Layout
from daemon.runtimes.logrotation import keep_settled, settled
from daemon.runtimes.oci import OciRuntime
from daemon.runtimes.oom import killed_for_memory
from daemon.runtimes.probes import Prober
from daemon.runtimes.processes import lives, send_signal, wait_ended
from daemon.runtimes.seccomp import SeccompProfiles
from daemon.runtimes.spec.devices import find_block_devices, find_devices
from daemon.runtimes.spec.resources import instead_of
from daemon.runtimes.spec.sources import make_bind_sources
from daemon.runtimes.stages import stage

LOG: Final = structlog.get_logger(__name__)
KILLED: Final = 128 + signal.SIGKILL


@attrs.frozen
class LinuxHost:
    """Runs containers on this machine."""

    layout: Layout
    graph_driver: GraphDriver
    seccomp: SeccompProfiles
    bundles: Bundles
    inotify: Inotify
    networks: ContainerNetworks
    prober: Prober = attrs.field(factory=Prober)

    def runtime(self, record: ContainerRecord) -> OciRuntime:
        """Return the runtime that runs this container, as it was locked in when it was started."""
        return self.layout.oci_runtime(locked_runtime(record))

    async def create(self, record: ContainerRecord) -> tuple[Run, Attachments]:
        """Make root filesystem, bundle and network, and have the process created."""
        locked_runtime(record).check_installed()
        attachments = await self.networks.reserve(record)
        reached("launch-reserved")
        runtime = self.runtime(record)
        await all_of(
            partial(self._prepare, record, runtime, attachments),
            partial(self.networks.plumb, record, attachments),
        )
        reached("launch-bundled")
        run = await conmon.create(self._order(record, runtime))
        reached("launch-created")
        return run, attachments

    async def _prepare(self, record: ContainerRecord, runtime: OciRuntime, attachments: Attachments) -> None:
        with stage("mounting"):
            rootfs = await self.graph_driver.mount(record.id, record.chain_ids)
        reached("launch-mounted")
        await self._forget(record, runtime)  # in case the last run could not be cleaned up
        described = self.networks.descriptions
        facts = described.facts(record, attachments, described.links(record))
        with stage("writing the bundle"):
            await self._write_bundle(record, runtime, rootfs, facts)
            await self._keep_networks(record, attachments)

    async def _write_bundle(
        self, record: ContainerRecord, runtime: OciRuntime, rootfs: Path, facts: NetworkFacts
    ) -> None:
        seccomp = await self.seccomp.resolve(record.host_config, accepts_bpf=runtime.accepts_bpf)
        devices = Devices(
            await find_devices(record.host_config), await find_block_devices(record.host_config)
        )
        await make_bind_sources(record.host_config)
        with _translated("the container's files cannot be written"):
            await trio.to_thread.run_sync(self.bundles.write, record, rootfs, seccomp, devices, facts)
            if (log := log_of(record)) is not None and log.size_max_bytes is not None:
                await trio.to_thread.run_sync(log.begin_run)

    async def start(self, record: ContainerRecord, run: Run) -> None:
        """Let the created process go on; if it cannot, end it."""
        try:
            await self.runtime(record).start(record.id)
            reached("launch-started")
        except BaseException:
            # Shielded: a launch that is broken off must leave no process; `end` is bounded by itself.
            with trio.CancelScope(shield=True):
                await conmon.end(run)
            raise

    async def keep_log(self, record: ContainerRecord) -> None:
        """Give old files of the log their names while the container runs."""
        if (log := log_of(record)) is not None:
            await keep_settled(log, self.inotify)

    async def wait(self, record: ContainerRecord, run: Run) -> Exit | None:
        """Return how the process ended, once its output is in the log."""
        found = await conmon.wait_exit(run, self.layout.monitor(record.id))
        if found is None or found.oom_killed or found.code != KILLED:
            return found
        cgroup = self.bundles.cgroup(record)
        return attrs.evolve(found, oom_killed=await trio.to_thread.run_sync(killed_for_memory, cgroup))

    def monitored(self, run: Run) -> bool:
        """Return whether the monitor is there that will tell how the process ends."""
        return lives(run.monitor_pid, run.monitor_started_ticks)

    async def probe(  # noqa: ASYNC128  it is passed on
        self, record: ContainerRecord, limit_seconds: float, *, task_status: trio.TaskStatus[ProbeOutcome]
    ) -> None:
        """Run the container's health check once, as the bundle has it."""
        command = self.runtime(record).probe_command(record.id, self.layout.probe(record.id))
        await self.prober.probe(command, limit_seconds, task_status=task_status)

    async def process_ended(self, run: Run) -> None:
        """Return once the container's first process has ended."""
        await wait_ended(run.pid, run.started_ticks)

    def signal(self, run: Run, number: int) -> None:
        """Send a signal to the container's first process."""
        send_signal(run.pid, run.started_ticks, number)

    async def freeze(self, record: ContainerRecord) -> None:
        """Freeze all processes; if that fails, none stays frozen."""
        try:
            await self.runtime(record).pause(record.id)
        except EngineError as error:
            refusal = error
        else:
            return
        with suppress(EngineError):  # as a rule there is nothing to undo, and that is why it fails, too
            await self.runtime(record).resume(record.id)
        raise refusal

    async def thaw(self, record: ContainerRecord) -> None:
        """Thaw all processes; of a container that its runtime has forgotten, by its cgroup."""
        runtime = self.runtime(record)
        if (runtime.root / record.id).exists():
            await runtime.resume(record.id)
            return
        with _translated("the container cannot be thawed"):
            await trio.to_thread.run_sync(self.bundles.thaw, record)

    async def update(self, record: ContainerRecord, before: HostConfig) -> None:
        """Have the running container's cgroup obey the limits of `record`."""
        limits = instead_of(before, record.host_config, await trio.to_thread.run_sync(online))
        await self.runtime(record).update(record.id, limits)

    async def join_network(
        self, record: ContainerRecord, attachments: Attachments, network: str
    ) -> Attachments:
        """Bring what runs into one more of the record's networks."""
        changes = NetworkChanges(self.networks)
        after = await changes.join(record, attachments, network)
        try:
            await self._tell_container(record, after)
        except BaseException:
            # Shielded: whoever is broken off here must leave nothing; what is done is bounded by itself.
            with trio.CancelScope(shield=True):
                await changes.undo(record, after, network)
            raise
        return after

    async def leave_network(
        self, record: ContainerRecord, attachments: Attachments, network: str
    ) -> Attachments:
        """Take what runs out of a network."""
        rest = await NetworkChanges(self.networks).quit(record, attachments, network)
        await self._tell_container(record, rest)
        return rest

    async def rename_in_networks(self, record: ContainerRecord, attachments: Attachments) -> None:
        """Have the container found by its new name."""
        await NetworkChanges(self.networks).rename(record, attachments)

    async def _tell_container(self, record: ContainerRecord, attachments: Attachments) -> None:
        """Have the container's own files say what its networks are now."""
        described = self.networks.descriptions
        facts = described.facts(record, attachments, described.links_left(record))
        with _translated("the container's files cannot be written"):
            await trio.to_thread.run_sync(self.bundles.write_names, record, facts)
        await self._keep_networks(record, attachments)

    async def _keep_networks(self, record: ContainerRecord, attachments: Attachments) -> None:
        if not attachments.sandbox:
            return  # where there are no links, there is nothing that could be lost
        kept = self.networks.descriptions.kept(attachments)
        with _translated("the container's networks cannot be written down"):
            await trio.to_thread.run_sync(self.bundles.keep_networks, record, kept)

    async def leave_networks(self, record: ContainerRecord) -> None:
        """Leave nothing of a container whose process has ended in any network, nor of the host's ports."""
        await self.networks.leave(record)

    async def clean_up(self, record: ContainerRecord, run: Run | None) -> None:
        """Leave nothing of the run; the writable layer stays."""
        # At the same time, because unmounting syncs a disk.
        await all_of(
            partial(self._end, record, run),
            partial(self._unmount, record),
            partial(self.networks.leave, record),
        )
        reached("clean-up-ended")
        with stage("deleting the bundle"), _translated("the container's bundle cannot be deleted"):
            await trio.to_thread.run_sync(self.bundles.discard, record)
        reached("clean-up-discarded")
        if (log := log_of(record)) is not None:
            await settled(log)

    async def delete(self, record: ContainerRecord) -> None:
        """Leave nothing of the container, nor of a run that could not be cleaned up."""
        await self._end(record, None)
        await self.networks.leave(record)
        reached("delete-ended")
        with stage("deleting the root filesystem"):
            await self.graph_driver.remove(record.id)
        reached("delete-unmounted")
        with stage("deleting files"), _translated("the container's files cannot be deleted"):
            await trio.to_thread.run_sync(self.bundles.forget, record)
        reached("delete-forgotten")

    async def _end(self, record: ContainerRecord, run: Run | None) -> None:
        if record.runtime is not None:  # or else it never ran
            await self._forget(record, self.runtime(record))
        if run is not None:
            with stage("ending the monitor"):
                await conmon.end(run)

    async def _forget(self, record: ContainerRecord, runtime: OciRuntime) -> None:
        """Have a container ended and forgotten; a runtime that hangs, or is not there, is done without."""
        try:
            await runtime.delete(record.id)
        except RuntimeUnusable as error:
            LOG.warning("a container is ended without its runtime", id=record.id, reason=str(error))
            with (
                stage("ending it without its runtime"),
                _translated("the container's processes cannot be ended"),
            ):
                await trio.to_thread.run_sync(self.bundles.end, record)
            await runtime.forget(record.id)

    async def _unmount(self, record: ContainerRecord) -> None:
        with stage("unmounting"):
            await self.graph_driver.unmount(record.id)

    def connect(self, record: ContainerRecord) -> AttachSocket:
        """Open a connection to the process's stdio."""
        with _translated("the container's monitor does not listen"):
            return AttachSocket.connect(self.layout.bundle(record.id))

    def resize(self, record: ContainerRecord, height: int, width: int) -> None:
        """Set the terminal's size."""
        with _translated("the container's terminal cannot be resized"):
            resize(self.layout.bundle(record.id), height, width)

    def _order(self, record: ContainerRecord, runtime: OciRuntime) -> conmon.Order:
        config, log = record.config, log_of(record)
        return conmon.Order(
            id=record.id,
            runtime=runtime,
            files=self.layout.monitor(record.id),
            log=None if log is None else log.path,
            log_size_max_bytes=None if log is None else log.size_max_bytes,
            terminal=config.tty,
            stdin=config.open_stdin and not config.tty,  # a terminal has its input anyway
            leave_stdin_open=config.open_stdin and not config.stdin_once,
        )


@contextmanager
def _translated(what: str) -> Generator[None, None, None]:
    try:
        yield
    except OSError as error:
        raise Failed(f"{what}: {error.strerror}: {error.filename or ''}".rstrip(": ")) from error
