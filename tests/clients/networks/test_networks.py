"""`docker network` in all its forms, on a whole engine and a real kernel."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.clients.cli import Docker
from tests.clients.engine import until
from tests.clients.http_api import Api
from tests.clients.networks.hosts import OUTSIDE, Hosts
from tests.clients.networks.servers import (
    address,
    fetched,
    json_lines,
    settings,
    until_fetched,
    until_served,
    web,
)


def network(docker: Docker, name: str) -> dict[str, Any]:
    (found,) = json.loads(docker("network", "inspect", name).out)
    return dict(found)


def routes(docker: Docker, container: str) -> list[str]:
    return docker("exec", container, "ip", "route").out.splitlines()


def test_the_predefined_networks_are_there(docker: Docker) -> None:
    rows = docker("network", "ls", "--format", "{{.Name}} {{.Driver}} {{.Scope}}").lines
    assert sorted(rows) == ["bridge bridge local", "host host local", "none null local"]


@pytest.mark.parametrize("name", ["bridge", "host", "none"])
def test_a_predefined_network_cannot_be_removed(docker: Docker, name: str) -> None:
    refused = docker("network", "rm", name, ok=False)
    assert f"{name} is a pre-defined network and cannot be removed" in refused.err


def test_a_network_has_a_bridge_and_goes_with_it(docker: Docker, hosts: Hosts) -> None:
    before = hosts.links()
    made = docker("network", "create", "--label", "a=b", "web").out.strip()
    assert hosts.links() - before == {f"br-{made[:12]}"}
    found = network(docker, "web")
    assert (found["Id"], found["Driver"], found["Labels"]) == (made, "bridge", {"a": "b"})
    docker("network", "rm", "web")
    assert hosts.links() == before
    assert docker("network", "inspect", "web", ok=False).code == 1


def test_a_container_in_a_network_is_named_there(docker: Docker) -> None:
    docker("network", "create", "--subnet", "10.77.0.0/24", "--gateway", "10.77.0.9", "web")
    container = docker.sleeper("--network", "web", "--ip", "10.77.0.55", "--name", "one")
    member = network(docker, "web")["Containers"][container]
    assert (member["Name"], member["IPv4Address"]) == ("one", "10.77.0.55/24")
    assert address(docker, container, "web") == "10.77.0.55"
    assert routes(docker, container)[0] == "default via 10.77.0.9 dev eth0 "
    docker("rename", "one", "two")
    assert network(docker, "web")["Containers"][container]["Name"] == "two"
    refused = docker("network", "rm", "web", ok=False)
    assert "has active endpoints" in refused.err
    docker("rm", "-f", container)
    assert network(docker, "web")["Containers"] == {}


def test_an_address_in_use_is_refused(docker: Docker) -> None:
    docker("network", "create", "--subnet", "10.77.0.0/24", "web")
    docker.sleeper("--network", "web", "--ip", "10.77.0.55")
    refused = docker("run", "-d", "--network", "web", "--ip", "10.77.0.55", "busybox", ok=False)
    assert "Address already in use" in refused.err


@pytest.mark.parametrize("command", ["stop", "kill"])
def test_what_a_container_had_is_free_when_its_end_is_answered(
    docker: Docker, hosts: Hosts, command: str
) -> None:
    docker("network", "create", "--subnet", "10.77.0.0/24", "web")
    for _ in range(3):
        container = docker.sleeper("--network", "web", "--ip", "10.77.0.55", "-p", "8080:80")
        assert hosts.elements() == 1
        docker(command, container)
        assert hosts.elements() == 0
    docker("network", "rm", "web")


def test_a_start_that_failed_has_left_its_networks_when_that_is_answered(
    docker: Docker, hosts: Hosts, api: Api
) -> None:
    docker("network", "create", "web")
    docker("create", "--name", "bad", "--network", "web", "-p", "8080:80", "busybox", "no-such-program")
    for _ in range(10):
        assert api("POST", "/containers/bad/start").status == 400
        assert api.get("/networks/web")["Containers"] == {}
        assert hosts.elements() == 0
    docker("network", "rm", "web")


def test_who_knew_an_address_is_told_of_its_next_holder(docker: Docker) -> None:
    docker("network", "create", "--subnet", "10.78.0.0/24", "red")
    neighbour = docker.sleeper("--network", "red")
    holder = ("--network", "red", "--ip", "10.78.0.55", "--mac-address")
    first = docker.sleeper(*holder, "02:00:00:00:00:01")
    docker("exec", neighbour, "ping", "-c", "1", "-W", "5", "10.78.0.55")
    docker("rm", "--force", first)
    docker.sleeper(*holder, "02:00:00:00:00:02")
    known = "10.78.0.55 dev eth0 lladdr 02:00:00:00:00:02"
    until(lambda: known in docker("exec", neighbour, "ip", "neigh").out, "the neighbour knows")


def test_two_networks_cannot_reach_each_other(docker: Docker) -> None:
    for name in ("red", "blue"):
        docker("network", "create", name)
    server = web(docker, "--network", "red")
    friend = docker.sleeper("--network", "red")
    stranger = docker.sleeper("--network", "blue")
    until_fetched(docker, friend, address(docker, server, "red"))
    assert fetched(docker, stranger, address(docker, server, "red"), seconds=1) is None


def test_a_published_port_is_published_to_other_networks_too(docker: Docker, hosts: Hosts) -> None:
    for name in ("red", "blue"):
        docker("network", "create", name)
    web(docker, "--network", "red", "-p", "8080:80")
    until_served(hosts, "http://127.0.0.1:8080/")
    stranger = docker.sleeper("--network", "blue")
    assert fetched(docker, stranger, "192.0.2.1", 8080) == "hello"


def test_an_internal_network_has_no_way_out(docker: Docker) -> None:
    docker("network", "create", "--internal", "inside")
    server = web(docker, "--network", "inside")
    client = docker.sleeper("--network", "inside")
    until_fetched(docker, client, address(docker, server, "inside"))
    assert not [line for line in routes(docker, client) if line.startswith("default")]
    assert docker("exec", client, "ping", "-c", "1", "-W", "1", OUTSIDE[4], ok=False).code == 1


def test_containers_that_shall_not_talk_cannot(docker: Docker) -> None:
    docker("network", "create", "-o", "com.docker.network.bridge.enable_icc=false", "quiet")
    server = web(docker, "--network", "quiet")
    client = docker.sleeper("--network", "quiet")
    assert docker("exec", client, "ping", "-c", "1", "-W", "5", OUTSIDE[4]).code == 0
    assert fetched(docker, client, address(docker, server, "quiet"), seconds=1) is None


def test_a_network_of_both_families(docker: Docker, hosts: Hosts) -> None:
    docker("network", "create", "--ipv6", "--subnet", "fd77::/64", "--subnet", "10.77.0.0/24", "six")
    server = web(docker, "--network", "six", "-p", "8080:80")
    place = settings(docker, server)["Networks"]["six"]
    assert (place["GlobalIPv6PrefixLen"], place["IPv6Gateway"]) == (64, "fd77::1")
    client = docker.sleeper("--network", "six")
    until_fetched(docker, client, place["GlobalIPv6Address"])
    assert docker("exec", client, "ping", "-c", "1", "-W", "5", OUTSIDE[6]).code == 0
    ends = settings(docker, server)["Ports"]["80/tcp"]
    assert [end["HostIp"] for end in ends] == ["0.0.0.0", "::"]
    until_served(hosts, "http://[2001:db8::1]:8080/", outside=True)


def test_a_running_container_is_connected_and_disconnected(docker: Docker) -> None:
    for name, subnet in (("red", "10.78.0.0/24"), ("blue", "10.79.0.0/24")):
        docker("network", "create", "--subnet", subnet, name)
    container = docker.sleeper("--network", "red")
    server = web(docker, "--network", "blue")
    docker("network", "connect", "--ip", "10.79.0.77", "--alias", "me", "blue", container)
    until_fetched(docker, container, address(docker, server, "blue"))
    assert address(docker, container, "blue") == "10.79.0.77"
    assert sorted(settings(docker, container)["Networks"]) == ["blue", "red"]
    hosts_file = docker("exec", container, "cat", "/etc/hosts").out
    assert "10.79.0.77" in hosts_file
    again = docker("network", "connect", "blue", container, ok=False)
    assert "already exists in network blue" in again.err
    docker("network", "disconnect", "blue", container)
    assert not [line for line in routes(docker, container) if "10.79" in line]
    assert routes(docker, container)[0].startswith("default via 10.78.0.1")
    assert "10.79.0.77" not in docker("exec", container, "cat", "/etc/hosts").out
    gone = docker("network", "disconnect", "blue", container, ok=False)
    assert f"container {container} is not connected to network blue" in gone.err


def test_the_way_out_and_published_ports_move_with_the_last_network(docker: Docker, hosts: Hosts) -> None:
    for name, subnet in (("red", "10.78.0.0/24"), ("blue", "10.79.0.0/24")):
        docker("network", "create", "--subnet", subnet, name)
    server = web(docker, "--network", "blue", "-p", "8080:80")
    until_served(hosts, "http://127.0.0.1:8080/")
    docker("network", "connect", "red", server)
    docker("network", "disconnect", "blue", server)
    assert routes(docker, server)[0].startswith("default via 10.78.0.1")
    assert hosts.ask("http://127.0.0.1:8080/") == "hello"
    docker("network", "disconnect", "red", server)
    assert hosts.elements() == 0


def test_a_container_is_created_in_several_networks(docker: Docker, api: Api) -> None:
    """Docker's CLI asks for that since 25, and Debian's is older."""
    for name, subnet in (("red", "10.78.0.0/24"), ("blue", "10.79.0.0/24")):
        docker("network", "create", "--subnet", subnet, name)
    wanted = {
        "Image": "busybox",
        "Cmd": ["sleep", "100"],
        "HostConfig": {"NetworkMode": "red"},
        "NetworkingConfig": {"EndpointsConfig": {"red": {}, "blue": {}}},
    }
    container = api("POST", "/v1.44/containers/create", wanted).document["Id"]
    docker("start", container)
    assert sorted(settings(docker, container)["Networks"]) == ["blue", "red"]
    assert routes(docker, container)[0].startswith("default via 10.79.0.1")  # of equals, the first by name
    docker("kill", container)


def test_a_network_that_does_not_exist_is_missed_at_the_start(docker: Docker) -> None:
    refused = docker("run", "-d", "--name", "lost", "--network", "nowhere", "busybox", ok=False)
    assert "network nowhere not found" in refused.err
    assert docker.inspect("lost")["State"]["Status"] == "created"


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (("--subnet", "10.77.0.0/24", "bridge"), "operation is not permitted on predefined bridge network"),
        (("--driver", "overlay9", "x"), 'plugin "overlay9" not found'),
        (("--subnet", "172.17.4.0/24", "x"), "Pool overlaps with other one on this address space"),
        (("--subnet", "10.77.0.0/24", "--gateway", "10.78.0.1", "x"), "10.78.0.1"),
        (("--subnet", "10.77.0.0/33", "x"), "invalid"),
        (("--ipv6", "--subnet", "fd77::/127", "--subnet", "fd77:1::/64", "x"), ""),
    ],
)
def test_what_makes_no_network_is_refused_and_leaves_nothing(
    docker: Docker, hosts: Hosts, options: tuple[str, ...], text: str
) -> None:
    before, tables = hosts.links(), hosts.inside("nft", "list", "ruleset")
    refused = docker("network", "create", *options, ok=False)
    assert refused.code == 1
    assert text in refused.err
    assert (hosts.links(), hosts.inside("nft", "list", "ruleset")) == (before, tables)


def test_a_name_is_given_once(docker: Docker) -> None:
    docker("network", "create", "web")
    assert "network with name web already exists" in docker("network", "create", "web", ok=False).err


def test_unused_networks_are_pruned(docker: Docker) -> None:
    for name in ("used", "unused"):
        docker("network", "create", name)
    docker.sleeper("--network", "used")
    assert docker("network", "prune", "--force").out.split() == ["Deleted", "Networks:", "unused"]
    names = docker("network", "ls", "--filter", "type=custom", "--format", "{{.Name}}").lines
    assert names == ["used"]


def test_a_container_on_a_macvlan_has_an_address_of_the_lan(docker: Docker) -> None:
    docker("network", "create", "-d", "macvlan", "--subnet", "192.0.2.0/24", "--ip-range", "192.0.2.64/26",
           "--gateway", "192.0.2.2", "-o", "parent=wan0", "lan")  # fmt: skip
    container = docker.sleeper("--network", "lan")
    assert address(docker, container, "lan").startswith("192.0.2.")
    assert docker("exec", container, "ping", "-c", "1", "-W", "5", OUTSIDE[4]).code == 0


def test_events_tell_of_networks(docker: Docker) -> None:
    began = docker("info", "--format", "{{.SystemTime}}").out.strip()
    made = docker("network", "create", "web").out.strip()
    container = docker.sleeper("--network", "web")
    docker("rm", "-f", container)
    docker("network", "rm", "web")
    until = docker("info", "--format", "{{.SystemTime}}").out.strip()
    options = ("--since", began, "--until", until, "--filter", "type=network", "--format", "{{json .}}")
    events = json_lines(docker("events", *options).out)
    own = [(event["Action"], event["Actor"]["Attributes"].get("container", "")) for event in events
           if event["Actor"]["ID"] == made]  # fmt: skip
    assert own == [("create", ""), ("connect", container), ("disconnect", container), ("destroy", "")]
