"""The engine as its front sees it: what is configured, what there is, and the journal of both."""

from __future__ import annotations

import platform
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import attrs
import structlog
import trio

from daemon.actors.container.actor import KIND as CONTAINER
from daemon.actors.container.bundle import CGROUP_PARENT, Bundles
from daemon.actors.container.linux import LinuxHost
from daemon.actors.container.namespaces import NamespaceFinder
from daemon.actors.container.snapshot import Stored
from daemon.actors.containers import Containers
from daemon.actors.exec.linux import LinuxExecHost
from daemon.actors.exec.session import KIND as EXEC
from daemon.actors.exec.session import ExecRecord
from daemon.actors.execs import Execs
from daemon.actors.image_actor import ImagesActor
from daemon.actors.image_deletion import ImageUser
from daemon.actors.images import Images
from daemon.actors.supervision import Supervision
from daemon.graphdrivers.base import GraphDriver
from daemon.graphdrivers.layers import OverlayLayers
from daemon.graphdrivers.overlay import OverlayDriver
from daemon.images.blobs import BlobStore
from daemon.images.content import Content
from daemon.journal import Journal, open_journal
from daemon.runtimes.discovery import RuntimeTable
from daemon.runtimes.inotify import Inotify
from daemon.runtimes.layout import Layout
from daemon.runtimes.seccomp import DEFAULT_PROFILE, SeccompProfiles
from daemon.runtimes.spec.inputs import HostFacts, host_facts
from daemon.runtimes.strays import end_strays
from daemon.settings import Settings
from daemon.wire import parse_record

LOG = structlog.get_logger(__name__)
JOURNAL: Final = "journal.db"


@attrs.frozen
class Engine:
    """Everything a handler may ask; reads go to snapshots, writes to mailboxes."""

    settings: Settings
    runtimes: RuntimeTable
    host: HostFacts
    journal: Journal
    graph_driver: GraphDriver
    images: Images
    containers: Containers
    execs: Execs
    inotify: Inotify
    hostname: str


@asynccontextmanager
async def running_engine(settings: Settings, runtimes: RuntimeTable) -> AsyncGenerator[Engine, None]:
    """Recover what the journal knows and run the actors; on leaving, end them, never their containers.

    Raises:
        Failed: the journal cannot be opened.

    """
    layout = Layout(settings.data_root, settings.exec_root)
    layout.make()
    async with (
        open_journal(settings.data_root / JOURNAL) as journal,
        trio.open_nursery() as actors,
    ):
        if journal.set_aside is not None:
            LOG.error("the journal was damaged and has been set aside", file=str(journal.set_aside))
        supervision = Supervision(actors)
        engine = _assemble(settings, runtimes, layout, journal, supervision)
        await _recover(engine, supervision)
        try:
            yield engine
        finally:
            actors.cancel_scope.cancel()


def _assemble(
    settings: Settings,
    runtimes: RuntimeTable,
    layout: Layout,
    journal: Journal,
    supervision: Supervision,
) -> Engine:
    facts = host_facts()
    layers = OverlayLayers(settings.data_root / "overlay")
    graph_driver = OverlayDriver(settings.data_root / "overlay", layers)
    finder = NamespaceFinder()
    bundles = Bundles(layout, facts, finder.joined, settings.cgroup_parent or CGROUP_PARENT)
    own_profile = settings.seccomp_profile not in {"", "builtin"}  # the word is dockerd's
    profile = Path(settings.seccomp_profile) if own_profile else DEFAULT_PROFILE
    host = LinuxHost(layout, graph_driver, SeccompProfiles(facts, profile), bundles)
    containers = Containers(host, journal, supervision)
    finder.containers = containers

    def users_of(image_id: str) -> Iterator[ImageUser]:
        return (
            ImageUser(container.id, container.snapshot.running)
            for container in containers
            if container.snapshot.record.image_id == image_id
        )

    images = Images(
        Content(BlobStore(settings.data_root / "blobs"), layers), users_of, settings.data_root / "spool"
    )
    execs = Execs(LinuxExecHost(layout, bundles), journal, supervision, containers)
    return Engine(
        settings,
        runtimes,
        facts,
        journal,
        graph_driver,
        images,
        containers,
        execs,
        Inotify(),
        platform.node(),
    )


async def _recover(engine: Engine, supervision: Supervision) -> None:
    """Show what the journal knows; its actors find out how each thing is now."""
    containers = [parse_record(record.body, Stored) for record in engine.journal.records(CONTAINER)]
    execs = [parse_record(record.body, ExecRecord) for record in engine.journal.records(EXEC)]
    rescue = sorted(engine.settings.data_root.glob(f"{JOURNAL}.damaged-*"))
    if rescue:
        LOG.error("nothing is cleared up: what it knew may be needed; move it away", file=str(rescue[-1]))
    else:
        await _clear_up(engine, containers, execs)
    await engine.images.recover(engine.journal, discard=not rescue)
    supervision.keep("images", ImagesActor(engine.images, engine.journal).run)
    engine.containers.recover(containers)
    engine.execs.recover(execs)


async def _clear_up(engine: Engine, containers: Sequence[Stored], execs: Sequence[ExecRecord]) -> None:
    """Clear away what is in no record: a crash came between the making and the writing."""
    runs = (*(found.run for found in containers), *(found.run for found in execs))
    known = {(run.monitor_pid, run.monitor_started_ticks) for run in runs if run is not None}
    await end_strays(engine.settings.exec_root, known)
    await engine.graph_driver.prune({found.record.id for found in containers})
    await engine.execs.host.prune({record.id for record in execs})
