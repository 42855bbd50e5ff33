"""Containers on the predefined bridge."""

from __future__ import annotations

import ipaddress

from tests.clients.cli import Docker
from tests.clients.networks.hosts import OUTSIDE, Hosts
from tests.clients.networks.servers import address, settings, until_fetched, until_served, web


def test_a_container_has_an_address_a_gateway_and_a_way_out(docker: Docker) -> None:
    script = f"ip -4 -o addr show eth0; ip route; ping -c 1 -W 5 {OUTSIDE[4]}"
    out = docker.run("busybox", "sh", "-c", script).out
    assert "inet 172.17.0." in out
    assert "default via 172.17.0.1 dev eth0" in out
    assert "1 packets received" in out


def test_inspect_says_at_once_what_the_container_has(docker: Docker) -> None:
    container = docker.sleeper("--name", "web")
    found = settings(docker, container)
    place = found["Networks"]["bridge"]
    own = docker("exec", container, "sh", "-c", "cat /sys/class/net/eth0/address; hostname -i").out.split()
    assert [place["MacAddress"], place["IPAddress"]] == own
    assert ipaddress.ip_address(own[1]) in ipaddress.ip_network("172.17.0.0/16")
    assert (found["IPAddress"], found["Gateway"], found["IPPrefixLen"]) == (own[1], "172.17.0.1", 16)
    assert (place["Gateway"], place["IPPrefixLen"]) == ("172.17.0.1", 16)
    assert len(place["EndpointID"]) == len(place["NetworkID"]) == 64
    assert found["SandboxKey"].endswith(container)


def test_what_has_stopped_has_no_address(docker: Docker) -> None:
    container = docker.sleeper()
    docker("stop", container)
    found = settings(docker, container)
    assert (found["IPAddress"], found["Ports"], found["Networks"]["bridge"]["IPAddress"]) == ("", {}, "")


def test_containers_on_the_bridge_reach_each_other(docker: Docker) -> None:
    server = web(docker)
    client = docker.sleeper()
    until_fetched(docker, client, address(docker, server))


def test_the_host_reaches_a_container(docker: Docker, hosts: Hosts) -> None:
    server = web(docker)
    until_served(hosts, f"http://{address(docker, server)}/")


def test_the_containers_own_name_stands_in_its_hosts_file(docker: Docker) -> None:
    out = docker.run("--hostname", "me", "--add-host", "db:10.9.8.7", "busybox", "cat", "/etc/hosts").out
    assert [line.split() for line in out.splitlines()][-2:][0] == ["10.9.8.7", "db"]
    assert out.splitlines()[-1].split()[1] == "me"
    assert out.splitlines()[-1].startswith("172.17.0.")


def test_the_hosts_gateway_has_a_name_on_request(docker: Docker) -> None:
    out = docker.run("--add-host", "up:host-gateway", "busybox", "cat", "/etc/hosts").out
    assert "172.17.0.1\tup\n" in out


def test_a_mac_address_of_ones_choice(docker: Docker) -> None:
    out = docker.run(
        "--mac-address", "02:42:00:00:00:09", "busybox", "cat", "/sys/class/net/eth0/address"
    ).out
    assert out.strip() == "02:42:00:00:00:09"


def test_a_container_in_another_ones_network_has_its_addresses(docker: Docker) -> None:
    server = web(docker, "--name", "server")
    joined = docker.sleeper("--network", "container:server")
    until_fetched(docker, joined, "127.0.0.1")
    assert settings(docker, joined)["Networks"] == {}
    assert docker.inspect(joined)["HostConfig"]["NetworkMode"] == f"container:{server}"


def test_a_link_names_the_other_container(docker: Docker) -> None:
    web(docker, "--name", "db")
    client = docker.sleeper("--link", "db:mydb")
    until_fetched(docker, client, "mydb")
    assert f"mydb {docker.inspect('db')['Id'][:12]} db\n" in docker("exec", client, "cat", "/etc/hosts").out


def test_a_link_to_what_does_not_run_is_refused(docker: Docker) -> None:
    docker("create", "--name", "db", "busybox")
    refused = docker.run("--link", "db", "busybox", "true", ok=False)
    assert "Cannot link to a non running container: /db" in refused.err


def test_a_server_of_ones_choice_is_asked_for_names(docker: Docker) -> None:
    options = ("--dns", "9.9.9.9", "--dns-search", "example.org", "--dns-option", "ndots:2")
    out = docker.run(*options, "busybox", "cat", "/etc/resolv.conf").out
    assert out == "nameserver 9.9.9.9\nsearch example.org\noptions ndots:2\n"


def test_a_predefined_network_may_be_named_by_its_id(docker: Docker) -> None:
    (of_host,) = docker("network", "ls", "--quiet", "--no-trunc", "--filter", "name=^host$").out.split()
    container = docker.sleeper("--network", of_host)
    assert docker.inspect(container)["HostConfig"]["NetworkMode"] == "host"
    assert "wan0" in docker("exec", container, "ip", "link").out
