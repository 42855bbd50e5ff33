"""The engine as its front sees it: what is configured, what there is, and the journal of both."""

from __future__ import annotations

import platform
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final

import attrs
import structlog
import trio

from daemon import log
from daemon.actors.configuration.actor import Announcer, ConfigurationActor, LiveConfiguration
from daemon.actors.configuration.beginning import first_configuration
from daemon.actors.configuration.deriving import ConfigurationHost, LinuxConfigurationHost
from daemon.actors.configuration.event import reload_event
from daemon.actors.configuration.value import Configuration
from daemon.actors.container.actor import KIND as CONTAINER
from daemon.actors.container.bundle import CGROUP_PARENT, Bundles
from daemon.actors.container.commits import Commits
from daemon.actors.container.files import ContainerFiles
from daemon.actors.container.linux import LinuxHost
from daemon.actors.container.namespaces import NamespaceFinder
from daemon.actors.container.networking.linux import FirewallPublisher, LinuxSandboxes
from daemon.actors.container.networking.others import OtherContainers
from daemon.actors.container.networking.runs import ContainerNetworks
from daemon.actors.container.snapshot import ContainerSnapshot
from daemon.actors.containers import Containers
from daemon.actors.disk_usage import written_bytes
from daemon.actors.exec.linux import LinuxExecHost
from daemon.actors.execs import Execs
from daemon.actors.image_actor import ImagesActor
from daemon.actors.image_deletion import ImageUser
from daemon.actors.image_transfers import Transfers, make_transfers
from daemon.actors.images import Images
from daemon.actors.network.linux import LinuxNetworkHost
from daemon.actors.networks import Networks
from daemon.actors.published import Cell
from daemon.actors.recovery.clearing import clear_up
from daemon.actors.recovery.known import Known
from daemon.actors.recovery.networks import NetworkRecovery
from daemon.actors.recovery.salvage import Salvage
from daemon.actors.shared import Shared
from daemon.actors.statistics import Statistics
from daemon.actors.supervision import Supervision
from daemon.actors.wiring import Wiring
from daemon.configuration import Source
from daemon.failpoints import reached
from daemon.graphdrivers.base import GraphDriver
from daemon.graphdrivers.storage import Storage, open_storage
from daemon.images.blobs import BlobStore
from daemon.images.content import Content
from daemon.images.rebuilding import Rebuilding
from daemon.images.records import IMAGE_KIND as IMAGE
from daemon.images.registry.deferred import DeferredRegistries
from daemon.images.registry.repository import Registries
from daemon.journal import EventDraft, Journal, open_journal
from daemon.journal.retention import Retention
from daemon.networks.records import NETWORK_KIND
from daemon.runtimes.discovery import wrappers_directory
from daemon.runtimes.host import engine_id, read_host
from daemon.runtimes.inotify import Inotify
from daemon.runtimes.layout import Layout
from daemon.runtimes.seccomp import DEFAULT_PROFILE, SeccompProfiles
from daemon.runtimes.spec.inputs import HostFacts, host_facts
from daemon.runtimes.usage.meter import HostMeter
from daemon.settings import Settings

LOG = structlog.get_logger(__name__)
JOURNAL: Final = "journal.db"
CLEANUP_SECONDS: Final = 5.0


@attrs.frozen
class Engine:
    """Everything a handler may ask; reads go to snapshots, writes to mailboxes."""

    id: str
    live: LiveConfiguration
    host: HostFacts
    journal: Journal
    graph_driver: GraphDriver
    images: Images
    transfers: Transfers
    networks: Networks
    containers: Containers
    execs: Execs
    files: ContainerFiles
    commits: Commits
    statistics: Statistics
    inotify: Inotify
    hostname: str
    objections: Cell[tuple[str, ...]]
    written: Shared[Mapping[str, int]] = attrs.field(init=False)
    """What each container has written, in bytes; a walk over the disk."""

    @written.default
    def _measure_written(self) -> Shared[Mapping[str, int]]:
        return Shared(partial(written_bytes, self.graph_driver, self.containers))

    @property
    def registries(self) -> Registries:
        """Where images come from and go to."""
        return self.transfers.registries

    @property
    def configuration(self) -> Configuration:
        """The configuration in force: take it once for each operation."""
        return self.live.current


@asynccontextmanager
async def running_engine(
    source: Source, settings: Settings, announcer: Announcer
) -> AsyncGenerator[Engine, None]:
    """Recover what the journal knows and run the actors; on leaving, end them, never their containers.

    Args:
        source: where the configuration is read again for a reload.
        settings: what was read there for this start.
        announcer: who is told of reloads.

    Raises:
        Failed: the journal cannot be opened, or the disk refuses.
        MissingProgram: there is no runtime.

    """
    layout = Layout(settings.data_root, settings.exec_root)
    layout.make()
    with Wiring.of(layout) as wiring:
        async with (
            open_journal(settings.data_root / JOURNAL, Retention.of(settings)) as journal,
            trio.open_nursery() as actors,
        ):
            if journal.set_aside is not None:
                LOG.error("the journal was damaged and has been set aside", file=str(journal.set_aside))
            storage = await open_storage(settings)
            salvage = Salvage(journal, layout, _rescued(settings), _rebuilding(settings, storage))
            known = await salvage.known()
            host = LinuxConfigurationHost(source, wrappers_directory(settings))
            configuration = await first_configuration(
                settings, host, journal, known.runtimes, sweep=CONTAINER not in known.incomplete
            )
            supervision = Supervision(actors)
            wiring.keep(supervision)
            engine = _assemble(configuration, host, layout, journal, storage, supervision, wiring)
            await _recover(engine, known, salvage, supervision, wiring)
            reloader = _configuration_actor(engine, announcer, supervision, wiring)
            supervision.keep("configuration", reloader.run)
            try:
                yield engine
            finally:
                actors.cancel_scope.cancel()
                with trio.move_on_after(CLEANUP_SECONDS, shield=True):
                    await storage.roots.close()


def _rescued(settings: Settings) -> Path | None:
    """Return the latest of the damaged journals that are still to be looked at."""
    found = settings.data_root.glob(f"{JOURNAL}.damaged-*")
    return max((path for path in found if not path.name.endswith(("-wal", "-shm"))), default=None)


def _rebuilding(settings: Settings, storage: Storage) -> Rebuilding:
    blobs = BlobStore(settings.data_root / "blobs")

    def unpacked_bytes(chain_id: str) -> int:
        return trio.from_thread.run(storage.layers.size_bytes, chain_id)

    return Rebuilding(blobs, storage.layers, unpacked_bytes)


def _assemble(
    configuration: Configuration,
    configuration_host: ConfigurationHost,
    layout: Layout,
    journal: Journal,
    storage: Storage,
    supervision: Supervision,
    wiring: Wiring,
) -> Engine:
    settings = configuration.settings
    facts = host_facts()
    finder, others = NamespaceFinder(), OtherContainers()
    bundles = Bundles(layout, facts, finder.joined, settings.cgroup_parent or CGROUP_PARENT)
    own_profile = settings.seccomp_profile not in {"", "builtin"}  # the word is dockerd's
    profile = Path(settings.seccomp_profile) if own_profile else DEFAULT_PROFILE
    inotify = Inotify()
    cell = Cell(configuration)
    machine = read_host()
    own_id = engine_id(machine.machine_id, settings.data_root)
    network_host, expect = LinuxNetworkHost(wiring.firewall.mailbox), wiring.resolver.expect
    networks = Networks(network_host, journal, supervision, lambda: cell.current.settings, own_id, expect)
    used = ContainerNetworks(
        networks,
        LinuxSandboxes(),
        FirewallPublisher(wiring.firewall),
        wiring.resolver,
        wiring.ports,
        others,
        supervision,
        layout.sandboxes,
    )
    host = LinuxHost(layout, storage.roots, SeccompProfiles(facts, profile), bundles, inotify, used)
    containers = Containers(host, journal, supervision, lambda: cell.current.runtimes)
    finder.containers = others.containers = containers

    def users_of(image_id: str) -> Iterator[ImageUser]:
        return (
            ImageUser(container.id, container.snapshot.up)
            for container in containers
            if container.snapshot.record.image_id == image_id
        )

    images = Images(
        Content(BlobStore(settings.data_root / "blobs"), storage.layers),
        users_of,
        settings.data_root / "spool",
    )
    transfers = make_transfers(
        images,
        DeferredRegistries(lambda: cell.current.settings),
        downloads_at_once=lambda: cell.current.settings.max_concurrent_downloads,
        uploads_at_once=lambda: cell.current.settings.max_concurrent_uploads,
    )
    execs = Execs(LinuxExecHost(layout, bundles), journal, supervision, containers)

    def snapshots() -> Iterator[ContainerSnapshot]:
        return (container.snapshot for container in containers)

    return Engine(
        own_id,
        LiveConfiguration(cell, configuration_host, snapshots),
        facts,
        journal,
        storage.roots,
        images,
        transfers,
        networks,
        containers,
        execs,
        ContainerFiles(storage.roots, layout, supervision),
        Commits(host, storage.roots, images, supervision),
        Statistics(
            containers, bundles.cgroup, HostMeter.of_version(facts.cgroup_version, machine.memory_bytes)
        ),
        inotify,
        platform.node(),
        wiring.objections,
    )


def _configuration_actor(
    engine: Engine, announcer: Announcer, supervision: Supervision, wiring: Wiring
) -> ConfigurationActor:
    def event(configuration: Configuration) -> EventDraft:
        return reload_event(
            configuration,
            engine_id=engine.id,
            hostname=engine.hostname,
            cgroupns_mode=engine.host.cgroupns_mode,
        )

    def apply(configuration: Configuration) -> None:
        log.configure(configuration.settings.lowest_log_level, configuration.settings.log_format)
        engine.journal.retain(Retention.of(configuration.settings))
        supervision.see_through("repair of the firewall", wiring.repair_firewall)

    return ConfigurationActor(engine.live, engine.journal, announcer, event, apply)


async def _recover(
    engine: Engine, known: Known, salvage: Salvage, supervision: Supervision, wiring: Wiring
) -> None:
    """Show what the journal knows; its actors find out how each thing is now."""
    networks = NetworkRecovery(
        engine.networks, wiring.firewall, wiring.ports, wiring.resolver, salvage.layout.sandboxes
    )
    await networks.recover(known, clear=known.incomplete.isdisjoint({CONTAINER, NETWORK_KIND}))
    known = attrs.evolve(known, begun=await engine.execs.host.begun(known.unstarted_execs))
    supervision.see_through("a look at the firewalls of others", wiring.look_for_objections)
    if salvage.rescued is not None:
        file = str(salvage.rescued)
        LOG.error("nothing is cleared up: what it knew may be needed; move it away", file=file)
    else:
        await clear_up(salvage.layout, engine.graph_driver, engine.execs.host, known)
    await engine.graph_driver.adopt([found.record.id for found in known.containers if found.run is not None])
    engine.images.content.need((), salvage.layers(known))
    for stored in known.containers:
        await engine.images.content.layers.know(stored.record.chain_ids)
    await engine.images.recover(engine.journal, discard=IMAGE not in known.incomplete)
    reached("recover-images-shown")
    supervision.keep("images", ImagesActor(engine.images, engine.journal).run)
    supervision.keep("transfers", engine.transfers.run)
    engine.containers.recover(known.containers)
    engine.execs.recover(known.execs, known.begun)
