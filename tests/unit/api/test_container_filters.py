"""Which containers a list shows, by their networks and ports."""

from __future__ import annotations

from collections.abc import AsyncIterator
from ipaddress import ip_address
from typing import cast

import attrs
import pytest

from daemon.actors.container.attachments import NOWHERE, Attachment, Attachments
from daemon.actors.container.snapshot import ContainerSnapshot
from daemon.actors.container.states import State
from daemon.actors.images import Images
from daemon.api.docker.container_filters import selected
from daemon.errors import InvalidParameter
from daemon.model import Config, EndpointConfig
from daemon.networks.plans import PublishedPort
from tests.unit.actors.attaching import a_lease, in_networks
from tests.unit.actors.networks import NetworkWorld, network_world

PORT = PublishedPort("tcp", ip_address("0.0.0.0"), 8080, ip_address("172.18.0.2"), 80)
EXPOSED = Config(exposed_ports={"80/tcp": {}, "53/udp": {}})


@pytest.fixture
async def world() -> AsyncIterator[NetworkWorld]:
    async with network_world() as found:
        await found.created("web")
        yield found


def containers() -> list[ContainerSnapshot]:
    """Return one that runs in network web with a published port, and one that is to be there."""
    wishes = {"web": EndpointConfig()}
    up = attrs.evolve(in_networks(wishes, EXPOSED), name="up")
    attachments = Attachments((Attachment(a_lease("web"), "eth0"),), (PORT,), "/run/netns/x")
    return [
        ContainerSnapshot(up, State.RUNNING, attachments=attachments),
        ContainerSnapshot(attrs.evolve(in_networks(wishes), name="down"), State.EXITED, attachments=NOWHERE),
    ]


def names(world: NetworkWorld, **given: str) -> list[str]:
    filters = {key: (value,) for key, value in given.items()}
    images = cast("Images", None)  # nothing here asks for them
    found = selected(containers(), filters, images, world.networks, everything=True, limit=0)
    return sorted(one.record.name for one in found)


async def test_a_network_by_name_or_id_whether_they_run_or_not(world: NetworkWorld) -> None:
    network = world.networks.resolve("web")
    assert names(world, network="web") == ["down", "up"]
    assert names(world, network=network.id) == ["down", "up"]
    assert names(world, network="bridge") == []
    assert names(world, network="nonsense") == []


@pytest.mark.parametrize("port", ["53/udp", "80", "80/tcp", "79-81/tcp"])
async def test_ports_that_are_exposed(world: NetworkWorld, port: str) -> None:
    assert names(world, expose=port) == ["up"]


async def test_ports_that_are_published(world: NetworkWorld) -> None:
    assert names(world, publish="80/tcp") == ["up"]
    assert names(world, publish="53/udp") == []
    assert names(world, publish="8080/tcp") == []  # the container's port is meant


@pytest.mark.parametrize("key", ["expose", "publish"])
async def test_what_is_no_port_is_refused_even_if_there_is_no_container(
    world: NetworkWorld, key: str
) -> None:
    with pytest.raises(InvalidParameter, match='invalid port specification: "http"'):
        selected([], {key: ("http",)}, cast("Images", None), world.networks, everything=True, limit=0)
