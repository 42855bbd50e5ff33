"""All routes of Docker's API: the one list that `make_app` is given."""

from __future__ import annotations

from typing import Final

from quart import Blueprint

from daemon.api.docker import (
    absent,
    archives,
    attach,
    commit,
    configuration,
    containers,
    debug,
    disk_usage,
    events,
    exec,
    images,
    lifecycle,
    logs,
    memberships,
    networks,
    registries,
    stats,
    swarm,
    system,
)

DOCKER: Final[tuple[Blueprint, ...]] = (
    system.routes,
    configuration.routes,
    debug.routes,
    disk_usage.routes,
    swarm.routes,
    registries.routes,
    images.blueprint,
    events.routes,
    containers.routes,
    lifecycle.routes,
    archives.routes,
    commit.routes,
    memberships.routes,
    networks.routes,
    exec.routes,
    logs.routes,
    stats.routes,
    attach.routes,
    absent.routes,
)
