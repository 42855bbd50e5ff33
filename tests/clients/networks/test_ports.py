"""Published ports, as clients on the host, on another host and in other containers see them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.clients.cli import Docker
from tests.clients.engine import entering, until
from tests.clients.networks.hosts import HOST, OUTSIDE, Hosts
from tests.clients.networks.servers import fetched, ports_in_list, published, settings, until_served, web

UDP_ECHO = """
import socket
server = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
server.bind(("::", 53))
print("ready", flush=True)
while True:
    data, client = server.recvfrom(1000)
    server.sendto(data, client)
"""


def url(address: str, port: int) -> str:
    return f"http://[{address}]:{port}/" if ":" in address else f"http://{address}:{port}/"


def test_a_published_port_is_reached_from_everywhere(docker: Docker, hosts: Hosts) -> None:
    server = web(docker, "-p", "8080:80")
    until_served(hosts, url("127.0.0.1", 8080))
    assert hosts.ask(url(HOST[4], 8080)) == "hello"
    assert hosts.ask(url("172.17.0.1", 8080)) == "hello"
    assert hosts.ask(url(HOST[4], 8080), outside=True) == "hello"
    other = docker.sleeper()
    assert fetched(docker, other, HOST[4], 8080) == "hello"
    assert fetched(docker, server, HOST[4], 8080) == "hello"  # its own, by the host
    assert fetched(docker, other, "172.17.0.1", 8080) == "hello"


def test_a_port_is_published_from_when_the_start_was_answered(docker: Docker, hosts: Hosts) -> None:
    container = docker.sleeper("-p", "8080:80", "--name", "web")
    assert settings(docker, container)["Ports"] == {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}]}
    assert ports_in_list(docker, "web") == "0.0.0.0:8080->80/tcp"
    assert docker("port", container).out.strip() == "80/tcp -> 0.0.0.0:8080"
    assert hosts.elements() == 1


def test_the_client_outside_is_seen_with_its_own_address(docker: Docker, hosts: Hosts) -> None:
    container = web(docker, "-p", "8080:80")
    until_served(hosts, url(HOST[4], 8080), outside=True)
    assert OUTSIDE[4] in docker("logs", container).err


def test_a_port_on_the_loopback_is_the_hosts_alone(docker: Docker, hosts: Hosts) -> None:
    web(docker, "-p", "127.0.0.1:8080:80")
    until_served(hosts, url("127.0.0.1", 8080))
    assert hosts.ask(url(HOST[4], 8080), seconds=1) is None
    assert hosts.ask(url(HOST[4], 8080), outside=True, seconds=1) is None


def test_what_is_not_published_cannot_be_reached_by_a_route(docker: Docker, hosts: Hosts) -> None:
    server = web(docker, "-p", "8080:80")
    until_served(hosts, url(HOST[4], 8080), outside=True)
    own = settings(docker, server)["IPAddress"]
    subprocess.run(
        ["ip", "-n", hosts.outside, "route", "replace", "172.17.0.0/16", "via", HOST[4]], check=True
    )
    assert hosts.ask(url(own, 80), outside=True, seconds=1) is None


def test_the_engine_chooses_a_port_and_frees_it(docker: Docker, hosts: Hosts) -> None:
    server = web(docker, "-P", "--expose", "80")
    port = published(docker, server)
    until_served(hosts, url(HOST[4], port), outside=True)
    docker("stop", "-t", "0", server)
    assert hosts.ask(url(HOST[4], port), seconds=1) is None
    assert hosts.elements() == 0
    docker("start", server)
    assert published(docker, server) != 0


def test_a_range_is_published_one_to_one(docker: Docker) -> None:
    container = docker.sleeper("-p", "9000-9002:80-82", "-p", "5353:53/udp")
    found = {port: ends[0]["HostPort"] for port, ends in settings(docker, container)["Ports"].items()}
    assert found == {"53/udp": "5353", "80/tcp": "9000", "81/tcp": "9001", "82/tcp": "9002"}


def test_exposed_ports_are_shown_without_a_host_port(docker: Docker) -> None:
    container = docker.sleeper("--expose", "443", "--name", "web")
    assert settings(docker, container)["Ports"] == {"443/tcp": None}
    assert ports_in_list(docker, "web") == "443/tcp"


@pytest.mark.parametrize("version", [4, 6])
def test_datagrams_find_their_way_and_answers_come_from_where_they_were_sent_to(
    docker: Docker, hosts: Hosts, version: int
) -> None:
    docker("network", "create", "--ipv6", "six")
    container = docker.sleeper("--network", "six", "-p", "5353:53/udp")
    pid = docker.inspect(container)["State"]["Pid"]
    server = [*entering(f"/proc/{pid}/ns/net"), sys.executable, "-c", UDP_ECHO]
    with subprocess.Popen(server, stdout=subprocess.PIPE) as echo:
        try:
            assert echo.stdout is not None
            assert echo.stdout.readline() == b"ready\n"
            assert hosts.datagram(b"hello", HOST[version], 5353) == b"hello"
        finally:
            echo.kill()


def test_a_port_of_another_container_is_refused_and_nothing_is_left(docker: Docker, hosts: Hosts) -> None:
    docker.sleeper("-p", "8080:80")
    links = hosts.links()
    refused = docker("run", "--name", "late", "-d", "-p", "8080:80", "busybox", ok=False)
    assert "Bind for 0.0.0.0:8080 failed: port is already allocated" in refused.err
    state = docker.inspect("late")["State"]
    assert (state["Status"], state["ExitCode"]) == ("created", 128)
    assert "port is already allocated" in state["Error"]
    assert not hosts.links_beside(links)
    assert hosts.elements() == 1


def test_a_port_of_the_hosts_own_is_refused(docker: Docker, hosts: Hosts) -> None:
    command = [*entering(hosts.host), "busybox", "nc", "-l", "-p", "8080"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as server:
        try:
            until_bound(hosts, 8080)
            refused = docker("run", "-d", "-p", "8080:80", "busybox", ok=False)
        finally:
            server.kill()
    assert "failed to bind host port 0.0.0.0:8080/tcp: address already in use" in refused.err


def until_bound(hosts: Hosts, port: int) -> None:
    until(lambda: f":{port} " in hosts.inside("ss", "-Hltn"), "the host's own server listens")


def test_a_port_is_free_again_as_soon_as_its_container_has_stopped(docker: Docker) -> None:
    for _ in range(5):
        container = docker.sleeper("-p", "8080:80")
        docker("stop", container)


@pytest.mark.parametrize("port", ["0.0.0.0:70000:80", "8080:0", "8080:80/icmp"])
def test_what_is_no_port_is_refused(docker: Docker, port: str) -> None:
    assert docker("create", "-p", port, "busybox", ok=False).code != 0


def test_a_kernel_without_sctp_says_so(docker: Docker) -> None:
    done = docker("run", "--rm", "-p", "8080:80/sctp", "busybox", "true", ok=False)
    if done.code != 0:
        assert "sctp" in done.err
        assert "protocol not supported" in done.err.lower()
