"""One engine for each module of tests, and proof that the module has left nothing behind."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.clients.cli import Docker, connect, import_busybox
from tests.clients.engine import Engine, configure, running
from tests.clients.http_api import Api
from tests.clients.leaks import leftovers, leftovers_when_settled
from tests.clients.restarts.site import Site


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(__file__.rpartition("/")[0]):
            item.add_marker("client")


@pytest.fixture(scope="module", autouse=True)
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """An engine with the image busybox, stopped in the end; nothing of it may be left."""
    root = tmp_path_factory.mktemp("engine")
    with running(root, "--debug") as engine:
        cli = connect(engine.url, root / "home")
        import_busybox(cli)
        assert leftovers(root, ()), "whoever cannot see a running engine will not see what it leaves"
        yield engine
        cli.remove_all()
        ids = cli.ids_ever()
    left = leftovers_when_settled(root, ids)
    tracebacks = [line for line in engine.log.splitlines() if "Traceback" in line]
    shutil.rmtree(root / "data", ignore_errors=True)
    assert not left, "\n".join(left)
    assert not tracebacks, "\n".join(tracebacks)


@pytest.fixture
def docker(engine: Engine) -> Iterator[Docker]:
    """The CLI, and a clean engine for the next test."""
    cli = connect(engine.url, engine.root / "home")
    yield cli
    cli.remove_all()


@pytest.fixture
def api(engine: Engine) -> Iterator[Api]:
    """Plain HTTP, and an engine that has nothing configured for the next test."""
    api = Api(engine.socket_path)
    yield api
    configure(engine.root, {})
    api.reload()


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data-root with the image busybox, to be copied by tests that have engines of their own."""
    root = tmp_path_factory.mktemp("original")
    with ExitStack() as stack:
        site = Site(root, stack)
        site.start()
        import_busybox(site.docker)
        site.engine.stop()
    return root / "data"
