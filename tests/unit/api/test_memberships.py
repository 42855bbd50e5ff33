"""The routes that connect containers and disconnect them, over actors without a kernel."""

from __future__ import annotations

from collections.abc import AsyncIterator
from http.client import BAD_REQUEST, FORBIDDEN, INTERNAL_SERVER_ERROR, NOT_FOUND, OK
from typing import Any, cast

import attrs
import orjson
import pytest
import trio

from daemon.actors.container.actor import Container
from daemon.actors.containers import Containers
from daemon.actors.engine import Engine
from daemon.actors.networks import Networks
from daemon.api.app import make_app
from daemon.api.docker.memberships import routes
from daemon.model import EndpointConfig
from tests.unit.actors.networks import network_world
from tests.unit.actors.world import World
from tests.unit.fakes import FakeLedger

HOME = {"home": EndpointConfig()}


@attrs.frozen
class Two:
    """As much of an engine as these routes need."""

    containers: Containers
    networks: Networks
    journal: FakeLedger


@attrs.define(eq=False)
class Docker:
    """A client of an engine with the networks `home` and `web`."""

    world: World
    client: Any

    async def call(self, network: str, verb: str, **body: Any) -> tuple[int, Any]:
        response = await self.client.post(f"/v1.47/networks/{network}/{verb}", json=body)
        data = await response.get_data()
        return response.status_code, orjson.loads(data)["message"] if data else None

    async def a_container(self, **changes: Any) -> Container:
        return await self.world.created(**{"networks": HOME, **changes})


@pytest.fixture
async def docker() -> AsyncIterator[Docker]:
    async with network_world() as others, trio.open_nursery() as nursery:
        for name in ("home", "web"):
            await others.created(name)
        world = World(nursery)
        engine = Two(world.containers, others.networks, world.ledger)
        yield Docker(world, make_app(cast("Engine", engine), [routes]).test_client())
        nursery.cancel_scope.cancel()


async def test_a_container_is_connected_as_what_is_asked(docker: Docker) -> None:
    container = await docker.a_container()
    endpoint = {"Aliases": ["www"], "GwPriority": 3, "IPAMConfig": {"IPv4Address": "172.20.0.9"}}
    answer = await docker.call("web", "connect", Container="web", EndpointConfig=endpoint)
    assert answer == (OK, None)
    wish = container.snapshot.record.networks["web"]
    assert (wish.aliases, wish.gw_priority) == (("www",), 3)
    assert wish.ipam_config == {"IPv4Address": "172.20.0.9"}


async def test_who_was_connected_can_be_disconnected(docker: Docker) -> None:
    container = await docker.a_container()
    assert (await docker.call("web", "connect", Container=container.id[:12]))[0] == OK
    assert list(container.snapshot.record.networks) == ["home", "web"]
    assert await docker.call("web", "disconnect", Container=container.id) == (OK, None)
    assert list(container.snapshot.record.networks) == ["home"]


async def test_who_is_there_already_is_refused(docker: Docker) -> None:
    await docker.a_container()
    text = "endpoint with name web already exists in network home"
    assert await docker.call("home", "connect", Container="web") == (FORBIDDEN, text)


async def test_who_is_not_there_cannot_leave(docker: Docker) -> None:
    container = await docker.a_container()
    text = f"container {container.id} is not connected to network web"
    assert await docker.call("web", "disconnect", Container="web") == (INTERNAL_SERVER_ERROR, text)


@pytest.mark.parametrize("verb", ["connect", "disconnect"])
async def test_what_is_not_there_is_not_found(docker: Docker, verb: str) -> None:
    await docker.a_container()
    assert await docker.call("gone", verb, Container="web") == (NOT_FOUND, "network gone not found")
    assert await docker.call("web", verb, Container="gone") == (NOT_FOUND, "No such container: gone")
    assert (await docker.call("web", verb))[0] == NOT_FOUND


async def test_a_network_that_is_gone_can_be_left_by_force(docker: Docker) -> None:
    container = await docker.a_container(networks={**HOME, "gone": EndpointConfig()})
    answer = await docker.call("gone", "disconnect", Container="web", Force=True)
    assert (answer, list(container.snapshot.record.networks)) == ((OK, None), ["home"])


@pytest.mark.parametrize(
    ("network", "endpoint", "text"),
    [
        ("bridge", {"Aliases": ["www"]}, "network-scoped aliases are only supported"),
        (
            "bridge",
            {"IPAMConfig": {"IPv4Address": "172.17.0.9"}},
            "user specified IP address is supported on",
        ),
        ("web", {"IPAMConfig": {"IPv4Address": "fd00::9"}}, "invalid IPv4 address: fd00::9"),
        ("web", {"IPAMConfig": {"LinkLocalIPs": ["169.254.1.1"]}}, "link-local addresses"),
        ("web", {"MacAddress": "nonsense"}, "invalid MAC address: nonsense"),
        ("host", {}, "connected to host network"),
        ("none", {}, "private (none) mode"),
    ],
)
async def test_what_cannot_be_is_refused(
    docker: Docker, network: str, endpoint: dict[str, Any], text: str
) -> None:
    container = await docker.a_container()
    status, message = await docker.call(network, "connect", Container="web", EndpointConfig=endpoint)
    assert (status, text in message) == (BAD_REQUEST, True), message
    assert container.snapshot.record.networks == HOME
