"""Networks, ports and names go on without the engine, and the next one puts right what it finds."""

from __future__ import annotations

import signal
import subprocess

import pytest

from tests.clients.cli import Docker
from tests.clients.engine import entering
from tests.clients.networks.hosts import HOST, Hosts
from tests.clients.networks.servers import address, settings, until_fetched, until_served, web
from tests.clients.restarts.site import Site

URL = f"http://{HOST[4]}:8080/"


def in_container(pid: int, hosts: Hosts, *command: str) -> str:
    """Run a command of the host's in a container's network, with no engine to help."""
    done = subprocess.run(
        ["nsenter", f"--net=/proc/{pid}/ns/net", *command], capture_output=True, timeout=60, check=False
    )
    return done.stdout.decode()


def pair(docker: Docker) -> tuple[str, str]:
    """Start a server and a client in a network."""
    docker("network", "create", "web")
    server = web(docker, "--network", "web", "--name", "server", "-p", "8080:80")
    client = docker.sleeper("--network", "web", "--name", "client")
    until_fetched(docker, client, "server")
    return server, client


def test_ports_and_names_go_on_while_the_engine_is_away(site: Site, hosts: Hosts) -> None:
    site.start()
    server, client = pair(site.docker)
    until_served(hosts, URL, outside=True)
    own, pid = address(site.docker, server, "web"), site.docker.inspect(client)["State"]["Pid"]
    site.engine.kill()
    assert hosts.ask(URL, outside=True) == "hello"
    assert own in in_container(pid, hosts, "busybox", "nslookup", "server", "127.0.0.11")
    site.start()
    assert hosts.ask(URL, outside=True) == "hello"
    assert address(site.docker, server, "web") == own
    until_fetched(site.docker, client, "server")


def test_a_download_survives_the_next_engine(site: Site, hosts: Hosts) -> None:
    site.start()
    pair(site.docker)
    until_served(hosts, URL, outside=True)
    command = [*entering(hosts.outside), "busybox", "nc", HOST[4], "8080"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as connection:
        assert connection.stdin is not None
        site.crash()
        output, _ = connection.communicate(b"GET / HTTP/1.0\r\n\r\n", timeout=60)
    assert output.endswith(b"hello")


def test_what_a_container_holds_is_nobody_elses_after_a_crash(site: Site, hosts: Hosts) -> None:
    site.start()
    server, _ = pair(site.docker)
    own = address(site.docker, server, "web")
    site.crash()
    refused = site.docker("run", "-d", "-p", "8080:80", "busybox", ok=False)
    assert "port is already allocated" in refused.err
    others = {address(site.docker, site.docker.sleeper("--network", "web"), "web") for _ in range(3)}
    assert own not in others
    in_use = site.docker("network", "rm", "web", ok=False)
    assert "has active endpoints" in in_use.err


def test_who_ended_meanwhile_has_left_its_networks(site: Site, hosts: Hosts) -> None:
    site.start()
    server, _ = pair(site.docker)
    pid = site.docker.inspect(server)["State"]["Pid"]
    site.engine.kill()
    subprocess.run(["kill", "-9", str(pid)], check=True)
    site.start()
    site.docker("wait", server)
    assert settings(site.docker, server)["Networks"]["web"]["IPAddress"] == ""
    assert hosts.elements() == 0
    site.docker.detached("-p", "8080:80", "busybox", "true")


def test_a_flushed_ruleset_is_put_back(site: Site, hosts: Hosts) -> None:
    site.start()
    pair(site.docker)
    until_served(hosts, URL, outside=True)
    hosts.inside("nft", "flush", "ruleset")
    assert hosts.ask(URL, outside=True, seconds=1) is None
    site.reload()
    until_served(hosts, URL, outside=True)
    hosts.inside("nft", "flush", "ruleset")
    site.restart()
    assert hosts.ask(URL, outside=True) == "hello"


def test_rules_of_others_are_left_alone(site: Site, hosts: Hosts) -> None:
    hosts.inside("nft", "-f", "-", stdin="table inet other {\n chain c {\n ip saddr 10.0.0.1 drop\n }\n}\n")
    before = hosts.inside("nft", "list", "table", "inet", "other")
    site.start()
    pair(site.docker)
    site.crash()
    site.docker.remove_all()
    assert hosts.inside("nft", "list", "table", "inet", "other") == before


def test_what_no_record_knows_of_is_removed(site: Site, hosts: Hosts) -> None:
    site.start()
    _, client = pair(site.docker)
    site.engine.kill()
    owner = hosts.inside("ip", "-o", "link", "show", "type", "bridge").split("alias ")[1].split()[0]
    hosts.inside("ip", "link", "add", "br-orphan", "type", "bridge")
    hosts.inside("ip", "link", "set", "br-orphan", "alias", owner)
    hosts.inside("ip", "link", "add", "mine", "type", "bridge")
    site.start()
    assert "br-orphan" not in hosts.links()
    assert "mine" in hosts.links()
    until_fetched(site.docker, client, "server")
    hosts.inside("ip", "link", "delete", "mine")


@pytest.mark.parametrize("place", ["quit-unplugged", "quit-left", "join-plugged", "join-done"])
def test_a_change_of_networks_that_was_cut_off_is_as_if_it_had_not_begun(
    site: Site, hosts: Hosts, place: str
) -> None:
    site.start(LONGSHORE_FAILPOINT=place)
    server, client = pair(site.docker)
    site.docker("network", "create", "another")
    site.docker("network", "connect", "another", server, ok=False)
    site.docker("network", "disconnect", "web", server, ok=False)
    assert site.engine.process.wait(60) == -signal.SIGKILL
    site.start()
    networks = settings(site.docker, server)["Networks"]
    assert "web" in networks
    assert ("another" in networks) == place.startswith("quit")
    until_fetched(site.docker, client, address(site.docker, server, "web"))
    pid = site.docker.inspect(server)["State"]["Pid"]
    ways_out = [line for line in in_container(pid, hosts, "ip", "route").splitlines() if "default" in line]
    gateways = {one["Gateway"] for one in networks.values()}
    assert [way.split()[2] in gateways for way in ways_out] == [True]


def test_a_bridge_that_somebody_removed_is_made_again(site: Site, hosts: Hosts) -> None:
    site.start()
    made = site.docker("network", "create", "web").out.strip()
    site.engine.stop()
    hosts.inside("ip", "link", "delete", f"br-{made[:12]}")
    site.start()
    server = web(site.docker, "--network", "web")
    client = site.docker.sleeper("--network", "web")
    until_fetched(site.docker, client, address(site.docker, server, "web"))
