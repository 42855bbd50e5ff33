"""What a reload will do, or has done: pure functions of the configuration in force and the wanted one."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from daemon.actors.configuration.value import Change, Configuration, changes, fingerprint, in_force
from daemon.actors.container.snapshot import ContainerSnapshot
from daemon.runtimes.table import RuntimeTable
from daemon.settings import Settings, TakesEffect


@attrs.frozen
class RuntimeChange:
    """A runtime's name that means another program; a path is empty where there is none."""

    name: str
    before: str
    after: str


@attrs.frozen
class OlderRun:
    """A run that goes on with the runtime of an earlier configuration."""

    id: str
    name: str
    runtime: str
    path: str
    generation: int


@attrs.frozen
class Plan:
    """A reload: the configuration it publishes, and what that means.

    `changes` apply without a restart; those that need one are the configuration's `pending`.
    """

    configuration: Configuration
    changes: tuple[Change, ...]
    runtimes: tuple[RuntimeChange, ...]
    older: tuple[OlderRun, ...]


def make_plan(
    now: Configuration, wanted: Settings, runtimes: RuntimeTable, containers: Iterable[ContainerSnapshot]
) -> Plan:
    """Plan the step from `now` to `wanted`, whose runtimes have been looked up."""
    differing = changes(now.settings, wanted)
    settings = in_force(wanted, now.settings)
    same = fingerprint(settings, runtimes) == fingerprint(now.settings, now.runtimes)
    configuration = Configuration(
        settings,
        attrs.evolve(runtimes, generation=now.generation + (not same)),
        tuple(change for change in differing if change.takes_effect is TakesEffect.RESTART),
    )
    return Plan(
        configuration,
        tuple(change for change in differing if change.takes_effect is not TakesEffect.RESTART),
        _runtime_changes(now.runtimes, runtimes),
        older_runs(configuration.generation, containers),
    )


def older_runs(generation: int, containers: Iterable[ContainerSnapshot]) -> tuple[OlderRun, ...]:
    """Return the running containers that were started under an earlier configuration, the oldest first."""
    runs = (
        OlderRun(found.id, found.record.name, locked.name, locked.path, locked.generation)
        for found in containers
        if found.running and (locked := found.record.runtime) and locked.generation < generation
    )
    return tuple(sorted(runs, key=lambda run: run.generation))


def _runtime_changes(before: RuntimeTable, after: RuntimeTable) -> tuple[RuntimeChange, ...]:
    old = {name: found.path for name, found in before.runtimes.items()}
    new = {name: found.path for name, found in after.runtimes.items()}
    return tuple(
        RuntimeChange(name, old.get(name, ""), new.get(name, ""))
        for name in sorted(old | new)
        if old.get(name) != new.get(name)
    )
