"""What goes through a container's links is counted in its statistics."""

from __future__ import annotations

from typing import Any, Final

from tests.clients.cli import Docker
from tests.clients.engine import Engine
from tests.clients.http_api import Api
from tests.clients.networks.servers import address

PINGS: Final = 5
PAYLOAD_BYTES: Final = 1000
SENT_BYTES: Final = 1_000_000


def links(engine: Engine, container: str) -> dict[str, Any] | None:
    """Return the links that the container's statistics tell of, None if they tell of no network."""
    found = Api(engine.socket_path).get(f"/containers/{container}/stats", stream=0, **{"one-shot": 1})
    told: dict[str, Any] | None = found.get("networks")
    return told


def test_each_side_counts_what_it_has_sent_and_received(engine: Engine, docker: Docker) -> None:
    sender, receiver = docker.sleeper(), docker.sleeper()
    before = [links(engine, one) for one in (sender, receiver)]
    ping = ("ping", "-c", str(PINGS), "-i", "0.1", "-s", str(PAYLOAD_BYTES), address(docker, receiver))
    docker("exec", sender, *ping)
    for container, link in zip((sender, receiver), before, strict=True):
        after = links(engine, container)
        assert link is not None
        assert after is not None
        for way in ("rx", "tx"):
            moved = after["eth0"][f"{way}_bytes"] - link["eth0"][f"{way}_bytes"]
            assert moved >= PINGS * PAYLOAD_BYTES
            assert after["eth0"][f"{way}_packets"] - link["eth0"][f"{way}_packets"] >= PINGS


def test_counters_are_the_containers_own_and_not_those_of_the_hosts_end(
    engine: Engine, docker: Docker
) -> None:
    sender = docker.sleeper()
    receiver = docker.detached("busybox", "sh", "-c", "sleep 1000 | nc -l -p 9 > /dev/null")
    flood = f"head -c {SENT_BYTES} /dev/zero | nc -w 5 {address(docker, receiver)} 9"
    docker("exec", sender, "sh", "-c", f"until {flood}; do sleep 0.1; done")  # it may not listen yet
    found = links(engine, sender)
    assert found is not None
    assert found["eth0"]["tx_bytes"] > SENT_BYTES > 2 * found["eth0"]["rx_bytes"]


def test_networks_come_and_go(engine: Engine, docker: Docker) -> None:
    container = docker.sleeper()
    docker("network", "create", "second")
    docker("network", "connect", "second", container)
    assert sorted(links(engine, container) or ()) == ["eth0", "eth1"]
    docker("network", "disconnect", "bridge", container)
    assert sorted(links(engine, container) or ()) == ["eth1"]


def test_a_container_in_another_ones_network_counts_that(engine: Engine, docker: Docker) -> None:
    owner = docker.sleeper("--name", "owner")
    guest = docker.sleeper("--network", "container:owner")
    assert list(links(engine, owner) or ()) == list(links(engine, guest) or ()) == ["eth0"]


def test_without_links_nothing_is_told_of_networks(engine: Engine, docker: Docker) -> None:
    assert links(engine, docker.sleeper("--network", "none")) is None
    assert links(engine, docker.sleeper("--network", "host")) is None
    stopped = docker.sleeper()
    docker("stop", stopped)
    assert links(engine, stopped) is None
