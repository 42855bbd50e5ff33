"""One engine with a bridge for each module, on a host of its own, and proof that it left nothing there."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from tests.clients.cli import Docker, connect, import_busybox
from tests.clients.engine import Engine, configure, running
from tests.clients.leaks import leftovers_when_settled
from tests.clients.networks.hosts import Hosts, two_hosts

WITH_BRIDGE = {"bridge": "longshore0"}


@pytest.fixture(scope="module")
def hosts() -> Iterator[Hosts]:
    """The engine's host and another one."""
    with two_hosts() as hosts:
        yield hosts


@pytest.fixture(scope="module", autouse=True)
def engine(tmp_path_factory: pytest.TempPathFactory, hosts: Hosts) -> Iterator[Engine]:
    """An engine with the image busybox and the default bridge; nothing of it may be left but that bridge."""
    root = tmp_path_factory.mktemp("engine")
    configure(root, WITH_BRIDGE)
    before = hosts.links()
    with running(root, "--debug", namespace=hosts.host) as engine:
        cli = connect(engine.url, root / "home")
        import_busybox(cli)
        yield engine
        ids = cli.ids_ever()
        left = [
            *sorted(hosts.links_beside(before | {"longshore0"})),
            *map(str, (root / "exec/netns").iterdir()),
        ]
        published = hosts.elements()
    left += leftovers_when_settled(root, ids)
    tracebacks = [line for line in engine.log.splitlines() if "Traceback" in line]
    shutil.rmtree(root / "data", ignore_errors=True)
    assert not left, "\n".join(left)
    assert published == 0
    assert not tracebacks, "\n".join(tracebacks)


@pytest.fixture
def docker(engine: Engine, hosts: Hosts) -> Iterator[Docker]:
    """The CLI, and an engine without containers, networks and links for the next test."""
    cli = connect(engine.url, engine.root / "home")
    before = hosts.links() | {"longshore0"}
    yield cli
    cli.remove_all()
    cli("network", "prune", "--force")
    assert not hosts.links_beside(before)


@pytest.fixture(autouse=True)
def configuration(engine: Engine) -> Iterator[None]:
    """Leave the configuration as it was."""
    yield
    configure(engine.root, WITH_BRIDGE)
