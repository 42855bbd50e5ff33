"""A journal that is lost: whoever runs is in its networks still, with its ports and its names."""

from __future__ import annotations

from tests.clients.networks.hosts import HOST, Hosts
from tests.clients.networks.servers import address, settings, until_fetched, until_served, web
from tests.clients.restarts.site import Site

URL = f"http://{HOST[4]}:8080/"


def lose_journal(site: Site) -> None:
    site.engine.kill()
    (site.root / "data" / "journal.db").write_bytes(b"no journal" * 1000)
    site.start()


def forget_what_was_rescued(site: Site) -> None:
    for path in (site.root / "data").glob("journal.db.damaged-*"):
        path.unlink()
    site.restart()


def test_networks_ports_and_names_go_on(site: Site, hosts: Hosts) -> None:
    site.start()
    made = site.docker("network", "create", "--subnet", "10.77.0.0/24", "web").out.strip()
    server = web(site.docker, "--network", "web", "--name", "server", "-p", "8080:80")
    client = site.docker.sleeper("--network", "web", "--name", "client")
    until_served(hosts, URL, outside=True)
    before = settings(site.docker, server)
    lose_journal(site)
    assert hosts.ask(URL, outside=True) == "hello"
    assert settings(site.docker, server) == before
    assert site.docker("network", "inspect", "--format", "{{.Id}}", "web").out.strip() == made
    until_fetched(site.docker, client, "server")
    site.docker("rm", "-f", server)
    assert hosts.ask(URL, outside=True, seconds=1) is None
    forget_what_was_rescued(site)
    until_fetched(site.docker, client, address(site.docker, web(site.docker, "--network", "web"), "web"))


def test_the_default_bridge_keeps_its_subnet_and_nobody_gets_an_address_twice(site: Site) -> None:
    site.start()
    server = web(site.docker, "--name", "server")
    own = address(site.docker, server)
    lose_journal(site)
    others = [site.docker.sleeper() for _ in range(3)]
    assert address(site.docker, server) == own
    assert own not in {address(site.docker, one) for one in others}
    until_fetched(site.docker, others[0], own)
    forget_what_was_rescued(site)
