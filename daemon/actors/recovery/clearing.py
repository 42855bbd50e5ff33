"""Clears away what belongs to no record: a crash came between the making and the writing, or the other way.

Everything here was made by this engine: it is below its own roots, or named by a bundle that is.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Final

import orjson
import structlog
import trio

from daemon.actors.container.states import State
from daemon.actors.exec.host import ExecHost
from daemon.actors.recovery.known import ID, Known
from daemon.errors import EngineError
from daemon.failpoints import reached
from daemon.graphdrivers.base import GraphDriver
from daemon.runtimes.cgroups import remove_cgroup
from daemon.runtimes.layout import Layout
from daemon.runtimes.strays import end_strays

LOG: Final = structlog.get_logger(__name__)


async def clear_up(layout: Layout, graph_driver: GraphDriver, execs: ExecHost, known: Known) -> None:
    """End and delete the runs, exec sessions, mounts and files of what is not `known`, nor to be spared."""
    watched = {(run.monitor_pid, run.monitor_started_ticks) for run in known.runs}
    await end_strays(layout.exec_root, watched, known.spared)
    reached("recover-strays-ended")
    containers = {*known.spared, *(found.record.id for found in known.containers)}
    sessions = {*known.spared, *known.running_execs}
    await trio.to_thread.run_sync(_clear_runs, layout, containers)
    await graph_driver.prune(containers)
    await _unmount_visited(graph_driver, known)
    await trio.to_thread.run_sync(_clear_directories, layout.containers, containers)
    await execs.prune(sessions)
    reached("recover-pruned")


async def _unmount_visited(graph_driver: GraphDriver, known: Known) -> None:
    """Unmount what was mounted for a copy only; what has run is unmounted by its own clearing up."""
    for found in known.containers:
        if found.state is not State.CONFIGURED:
            continue
        try:
            await graph_driver.unmount(found.record.id)
        except EngineError as error:
            LOG.error("it stays mounted", container=found.record.id, reason=str(error))


def _clear_runs(layout: Layout, known: Collection[str]) -> None:
    """Delete bundles, and before them what only they tell of: cgroups, with the processes in them."""

    def end(bundle: Path) -> None:
        if (cgroup := _cgroup(bundle)) is not None:
            remove_cgroup(cgroup)

    _clear_directories(layout.bundles, known, end)
    _clear_directories(layout.runtime_state, known)
    _clear_directories(layout.exits, known)


def _cgroup(bundle: Path) -> str | None:
    """Return the cgroup that a bundle names, if it is the container's own."""
    try:
        path = orjson.loads((bundle / "config.json").read_bytes())["linux"]["cgroupsPath"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    own = isinstance(path, str) and ID.fullmatch(bundle.name) and Path(path).name == bundle.name
    return path if own and ".." not in Path(path).parts else None


def _clear_directories(
    parent: Path, known: Collection[str], before: Callable[[Path], None] = lambda _: None
) -> None:
    for directory in parent.iterdir():
        if directory.name in known:
            continue
        LOG.warning("deleting what no record knows of", path=str(directory))
        try:
            before(directory)
            shutil.rmtree(directory)
        except OSError as error:  # it can wait for the next start; the engine cannot
            LOG.error("it stays", path=str(directory), reason=str(error))
