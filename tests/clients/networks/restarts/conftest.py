"""Engines on a host of their own that a test stops and kills, and proof that they left nothing there."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.clients.leaks import leftovers_when_settled
from tests.clients.networks.conftest import WITH_BRIDGE
from tests.clients.networks.hosts import Hosts, two_hosts
from tests.clients.restarts.site import Site


@pytest.fixture(scope="module", autouse=True)
def engine() -> None:
    """Do without the one engine that other modules share."""


@pytest.fixture
def configuration() -> None:
    """Each test has a configuration of its own."""


@pytest.fixture
def hosts() -> Iterator[Hosts]:
    """The engine's host and another one, for this test alone."""
    with two_hosts() as hosts:
        yield hosts


@pytest.fixture
def site(tmp_path: Path, data: Path, hosts: Hosts) -> Iterator[Site]:
    """A place for engines, with the image busybox; in the end nothing may be left by any of them."""
    subprocess.run(["cp", "-a", str(data), str(tmp_path / "data")], check=True)
    with ExitStack() as stack:
        site = Site(tmp_path, stack, hosts.host)
        site.configure(WITH_BRIDGE)
        before = hosts.links()
        try:
            yield site
        finally:
            _clear_up(site, hosts, before)


def _clear_up(site: Site, hosts: Hosts, before: set[str]) -> None:
    if site.engine.process.poll() is not None:
        site.start()
    site.docker.remove_all()
    site.docker("network", "prune", "--force")
    ids = site.docker.ids_ever()
    left = [
        *sorted(hosts.links_beside(before | {"longshore0"})),
        *map(str, (site.root / "exec/netns").iterdir()),
    ]
    published = hosts.elements()
    site.engine.stop()
    left += leftovers_when_settled(site.root, ids)
    shutil.rmtree(site.root / "data", ignore_errors=True)
    assert not left, "\n".join(left)
    assert published == 0
