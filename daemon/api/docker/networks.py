"""Routes of networks: list, inspect, create, remove, prune.  Reads are answered from snapshots."""

from __future__ import annotations

import time
from http.client import CREATED
from typing import Final

import attrs
from quart import Blueprint, Response

from daemon.actors.network.messages import Remove
from daemon.actors.networks import Networks
from daemon.api.answers import empty, json
from daemon.api.app import engine
from daemon.api.body import json_body
from daemon.api.docker import network_filters
from daemon.api.docker.network_views import SCOPE, inspection, list_item
from daemon.api.docker.pruning import tell_of_prune
from daemon.api.query import filters, text
from daemon.api.versions import api_version
from daemon.errors import EngineError, NotFound
from daemon.networks.asked import NetworkAsked

routes = Blueprint("networks", __name__)
ASKS_IPV4_SINCE: Final = (1, 48)


def networks() -> Networks:
    """Return the networks of the engine that the current request is for."""
    found: Networks = engine().networks
    return found


@routes.get("/networks")
async def list_networks() -> Response:  # ruff: ignore[unused-async]  sync = a thread
    """Answer with the networks that the query selects, oldest first."""
    snapshots = (network.snapshot for network in networks())
    chosen = network_filters.listed(snapshots, filters(network_filters.LIST_KEYS))
    return json(b"[" + b",".join(list_item(one, api_version()) for one in chosen) + b"]\n")


@routes.get("/networks/<reference>")
async def inspect(reference: str) -> Response:  # ruff: ignore[unused-async]  sync = a thread
    """Show all of a network; `verbose` would add what only a swarm has."""
    found = networks().resolve(reference)
    if text("scope") not in {"", SCOPE}:
        raise NotFound(f"network {reference} not found")
    return json(inspection(found.snapshot, api_version()))


@routes.post("/networks/create")
async def create() -> Response:
    """Make a network."""
    asked = await json_body(NetworkAsked)
    if api_version() < ASKS_IPV4_SINCE:
        asked = attrs.evolve(asked, enable_ipv4=None)
    network = await networks().create(asked)
    return json({"Id": network.id, "Warning": ""}, CREATED)


@routes.delete("/networks/<reference>")
async def delete(reference: str) -> Response:
    """Remove a network that nobody is in."""
    await networks().resolve(reference).mailbox.ask(Remove())
    return empty()


@routes.post("/networks/prune")
async def prune() -> Response:
    """Remove the networks that nobody is in."""
    given = filters(network_filters.PRUNE_KEYS)
    snapshots = [network.snapshot for network in networks()]
    removed = []
    for one in network_filters.pruned(snapshots, given, time.time_ns()):
        try:
            await networks().resolve(one.id).mailbox.ask(Remove())
        except EngineError:
            continue  # somebody has joined or removed it meanwhile
        removed.append(one.record.name)
    await tell_of_prune(engine().journal, "network", 0)
    return json({"NetworksDeleted": removed or None})
