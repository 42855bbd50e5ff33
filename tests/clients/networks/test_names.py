"""Names of containers in their networks, as `nslookup` and connections in them see them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.clients.cli import Docker
from tests.clients.networks.servers import address, until_fetched, web


@pytest.fixture
def docker(docker: Docker) -> Iterator[Docker]:
    """The CLI, with two networks."""
    for name in ("red", "blue"):
        docker("network", "create", name)
    yield docker
    docker.remove_all()
    docker("network", "prune", "--force")


def looked_up(docker: Docker, container: str, name: str) -> list[str]:
    """Return the addresses that a container finds for a name."""
    done = docker("exec", container, "nslookup", name, "127.0.0.11", ok=False)
    _, _, answer = done.out.partition("\n\n")
    return [line.split()[-1] for line in answer.splitlines() if line.startswith("Address")]


def test_the_resolver_is_in_resolv_conf(docker: Docker) -> None:
    lines = docker.run("--network", "red", "busybox", "cat", "/etc/resolv.conf").out.splitlines()
    assert lines[0] == "nameserver 127.0.0.11"
    assert "ndots:0" in lines[-1]


def test_a_container_is_found_by_name_alias_and_short_id(docker: Docker) -> None:
    server = web(docker, "--network", "red", "--name", "server", "--network-alias", "www")
    client = docker.sleeper("--network", "red")
    own = address(docker, server, "red")
    for name in ("server", "www", server[:12], "server.red", "SERVER"):
        assert looked_up(docker, client, name) == [own], name
    until_fetched(docker, client, "server")


def test_an_address_is_looked_up_backwards(docker: Docker) -> None:
    server = web(docker, "--network", "red", "--name", "server")
    client = docker.sleeper("--network", "red")
    out = docker("exec", client, "nslookup", address(docker, server, "red"), "127.0.0.11").out
    assert "name = server.red" in out


def test_only_shared_networks_tell_names(docker: Docker) -> None:
    web(docker, "--network", "red", "--name", "server")
    stranger = docker.sleeper("--network", "blue")
    assert looked_up(docker, stranger, "server") == []
    docker("network", "connect", "red", stranger)
    assert looked_up(docker, stranger, "server") != []
    docker("network", "disconnect", "red", stranger)
    assert looked_up(docker, stranger, "server") == []


def test_an_alias_of_two_means_both(docker: Docker) -> None:
    servers = [web(docker, "--network", "red", "--network-alias", "www") for _ in range(2)]
    client = docker.sleeper("--network", "red")
    assert sorted(looked_up(docker, client, "www")) == sorted(address(docker, one, "red") for one in servers)
    docker("stop", "-t", "0", servers[0])
    assert looked_up(docker, client, "www") == [address(docker, servers[1], "red")]


def test_a_new_name_is_known_at_once(docker: Docker) -> None:
    server = web(docker, "--network", "red", "--name", "server")
    client = docker.sleeper("--network", "red")
    docker("rename", "server", "other")
    assert looked_up(docker, client, "other") == [address(docker, server, "red")]
    assert looked_up(docker, client, "server") == []


def test_a_link_is_a_name_for_one_container_alone(docker: Docker) -> None:
    server = web(docker, "--network", "red", "--name", "server")
    client = docker.sleeper("--network", "red", "--link", "server:db")
    other = docker.sleeper("--network", "red")
    assert looked_up(docker, client, "db") == [address(docker, server, "red")]
    assert looked_up(docker, other, "db") == []


def test_a_container_may_serve_names_itself(docker: Docker) -> None:
    container = docker.detached("--network", "red", "busybox", "nc", "-l", "-p", "53")
    assert docker.inspect(container)["State"]["Running"]
    assert looked_up(docker, container, container[:12]) == [address(docker, container, "red")]
