"""The real host with one busybox image, and the fake one that must behave the same."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, Protocol

import attrs
import trio

from daemon.actors.container.admission import Defaults, admit
from daemon.actors.container.attachments import Attachments
from daemon.actors.container.bundle import Bundles
from daemon.actors.container.host import ContainerHost
from daemon.actors.container.linux import LinuxHost
from daemon.actors.container.snapshot import ContainerRecord
from daemon.actors.containers import new_id
from daemon.errors import RuntimeFailed
from daemon.graphdrivers.layers import layer_id
from daemon.graphdrivers.overlay import OverlayDriver
from daemon.graphdrivers.roots import Roots
from daemon.model import Config, HostConfig, ImageConfig, NetworkingConfig
from daemon.runtimes.attach import AttachSocket
from daemon.runtimes.base import Exit, Run
from daemon.runtimes.inotify import Inotify
from daemon.runtimes.layout import Layout
from daemon.runtimes.seccomp import SeccompProfiles
from daemon.runtimes.spec.inputs import host_facts
from daemon.runtimes.table import LockedRuntime
from tests.clients.leaks import leftovers
from tests.runtime.monitors import BUSYBOX, installed
from tests.unit.actors.fakes import KILL, TERM, FakeHost
from tests.unit.actors.world import a_record
from tests.unit.runtimes.tables import a_table
from tests.unwired import no_networks

RUNTIMES: Final = ("crun", "runc")
REAL_SECONDS: Final = 60
CHAIN: Final = "sha256:" + "c" * 64
READY: Final = b"ready\n"
EXIT: Final = "exit"
OBEDIENT: Final = ("sh", "-c", 'trap "exit 143" TERM; echo ready; while :; do sleep 0.02; done')
DEAF: Final = ("sh", "-c", 'trap "" TERM; echo ready; while :; do sleep 1; done')
FACTS: Final = host_facts()


class Rig(Protocol):
    """A host, and what a test must know of it."""

    @property
    def host(self) -> ContainerHost: ...

    def record(self, *command: str, **changes: Any) -> ContainerRecord:
        """Return a container of the busybox image."""
        ...

    def left(self, record: ContainerRecord) -> list[str]:
        """Return what is left of a container's runs."""
        ...

    async def lose(self, run: Run) -> None:
        """End the monitor before it can say anything."""
        ...


@attrs.frozen
class Started:
    """A container that runs; it is cleaned up when the test ends."""

    rig: Rig
    record: ContainerRecord
    run: Run
    stdio: AttachSocket

    async def output(self) -> bytes:
        """Return all it has written, once it has ended."""
        written = b""
        while packets := await self.stdio.receive_batch():
            written += b"".join(packet.payload for packet in packets)
        return written

    async def ready(self) -> None:
        """Return once the program has said that it is ready for signals."""
        written = b""
        while not written.startswith(READY):
            written += b"".join(packet.payload for packet in await self.stdio.receive_batch())

    async def wait(self) -> Exit | None:
        return await self.rig.host.wait(self.record, self.run)

    async def still_runs(self) -> bool:
        with trio.move_on_after(0.1):
            await self.wait()
            return False
        return True


@asynccontextmanager
async def started(rig: Rig, record: ContainerRecord) -> AsyncGenerator[Started, None]:
    """Run a container; afterwards nothing of it may be left."""
    run = None
    try:
        with trio.fail_after(REAL_SECONDS):
            run, _ = await rig.host.create(record)
            stdio = rig.host.connect(record)
            await rig.host.start(record, run)
            try:
                yield Started(rig, record, run, stdio)
            finally:
                stdio.close()
    finally:
        await discarded(rig, record, run)
    assert rig.left(record) == []


async def launched(rig: Rig, record: ContainerRecord) -> Run:
    """Have a process created and started."""
    run, _ = await rig.host.create(record)
    await rig.host.start(record, run)
    return run


async def discarded(rig: Rig, record: ContainerRecord, run: Run | None = None) -> None:
    """Clean up after a run and delete the container, whatever has become of the test."""
    with trio.CancelScope(shield=True):
        try:
            await rig.host.clean_up(record, run)
        finally:
            await rig.host.delete(record)


@attrs.frozen
class RealRig:
    """A `LinuxHost` on one runtime, with its state below `root`."""

    root: Path
    runtime: str
    host: LinuxHost

    @classmethod
    def make(cls, root: Path, runtime: str) -> RealRig:
        installed("conmon")
        layout = Layout(root / "data", root / "exec")
        layout.make()
        driver = OverlayDriver(layout.data_root / "overlay")
        driver.files.prepare()
        driver.files.create(layer_id(CHAIN), "")
        _make_image(driver.files.layer(layer_id(CHAIN)))
        bundles = Bundles(layout, FACTS, lambda _: {})
        networks = no_networks(root / "netns")
        host = LinuxHost(layout, Roots(driver), SeccompProfiles(FACTS), bundles, Inotify(), networks)
        return cls(root, installed(runtime), host)

    @property
    def layer(self) -> Path:
        """The image's only layer."""
        return self.root / "data" / "overlay" / "layers" / layer_id(CHAIN)

    def record(self, *command: str, **changes: Any) -> ContainerRecord:
        name = Path(self.runtime).name
        config, host_config = Config(image="busybox", cmd=command), HostConfig()
        own = {key: value for key, value in changes.items() if key in attrs.fields_dict(Config)}
        theirs = {key: value for key, value in changes.items() if key in attrs.fields_dict(HostConfig)}
        found = admit(
            attrs.evolve(config, **own),
            attrs.evolve(host_config, **theirs),
            NetworkingConfig(),
            ImageConfig("sha256:0", Config(env=("PATH=/bin",)), (), "amd64", "linux"),
            (1, 51),
            Defaults(FACTS, a_table(name), os.uname().nodename),
        )
        container_id = new_id()
        return ContainerRecord(
            id=container_id,
            name="web",
            created_ns=1,
            image_id="sha256:0",
            image_reference="busybox",
            chain_ids=(CHAIN,),
            config=found.config,
            host_config=found.host_config,
            path=command[0],
            args=command[1:],
            log_path=str(self.host.layout.log(container_id)),
            runtime=LockedRuntime(name, self.runtime, self.runtime),
        )

    def left(self, record: ContainerRecord) -> list[str]:
        return [*leftovers(self.root, [record.id]), *map(str, self.host.layout.runtime_state.iterdir())]

    async def lose(self, run: Run) -> None:
        os.kill(run.monitor_pid, signal.SIGKILL)


def _make_image(layer: Path) -> None:
    (layer / "bin").mkdir(parents=True)
    shutil.copy(BUSYBOX, layer / "bin" / "busybox")
    for applet in ("sh", "sleep", "seq", "touch", "cat", "dd", "kill", "stty"):
        (layer / "bin" / applet).symlink_to("busybox")
    for name in ("proc", "dev", "sys", "etc", "tmp"):
        (layer / name).mkdir()


@attrs.define(eq=False)
class ProgrammedHost(FakeHost):
    """A fake that knows the programs of these tests: how they end, and that they say when they are ready."""

    live: set[str] = attrs.field(factory=set, init=False)

    async def create(self, record: ContainerRecord) -> tuple[Run, Attachments]:
        if record.path == "/nonesuch":
            self.faults["create"] = RuntimeFailed("create", "/nonesuch: no such file or directory")
        self.obeys = frozenset({KILL, TERM} if (record.path, *record.args) == OBEDIENT else {KILL})
        self.live.add(record.id)
        return await super().create(record)

    async def start(self, record: ContainerRecord, run: Run) -> None:
        await super().start(record, run)
        if record.args and record.args[-1].startswith(EXIT):
            self.processes[run.pid].end(int(record.args[-1].removeprefix(EXIT)))
        for _, far in self.sockets:
            with contextlib.suppress(OSError):  # nobody listens any more
                far.send(b"\x02" + READY)

    async def clean_up(self, record: ContainerRecord, run: Run | None) -> None:
        await super().clean_up(record, run)
        self.live.discard(record.id)

    async def delete(self, record: ContainerRecord) -> None:
        await super().delete(record)
        self.live.discard(record.id)


@attrs.frozen
class FakeRig:
    """The fake host; nothing is left of what it never made."""

    host: ProgrammedHost = attrs.field(factory=ProgrammedHost)

    def record(self, *command: str, **changes: Any) -> ContainerRecord:
        return attrs.evolve(a_record(**changes), path=command[0], args=command[1:])

    def left(self, record: ContainerRecord) -> list[str]:
        return sorted(self.host.live & {record.id})

    async def lose(self, run: Run) -> None:
        self.host.processes[run.pid].lose()
