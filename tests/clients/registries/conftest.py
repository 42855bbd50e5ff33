"""Registries on loopback: Debian's, with TLS and a password, and one that goes wrong as it is told."""

from __future__ import annotations

from collections.abc import Iterator

import attrs
import pytest

from tests.clients.cli import Docker
from tests.clients.engine import Engine
from tests.clients.registries.background import in_background
from tests.registries import scripted
from tests.registries.real import PASSWORD, USER, RealRegistry, docker_registry
from tests.registries.shelf import Shelf


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRegistry]:
    """Debian's registry."""
    directory = tmp_path_factory.mktemp("registry")
    with in_background(lambda: docker_registry(directory, tls=True, password=True)) as registry:
        yield registry


@attrs.frozen
class Place:
    """A scripted registry and what is on its shelf."""

    address: str
    shelf: Shelf

    def name(self, tag: str = "1", repository: str = "box") -> str:
        return f"{self.address}/{repository}:{tag}"


@pytest.fixture
def place() -> Iterator[Place]:
    """A scripted registry."""
    shelf = Shelf()
    with in_background(lambda: scripted.serving(shelf)) as server:
        yield Place(server.address, shelf)


@pytest.fixture
def images(docker: Docker) -> Iterator[Docker]:
    """The CLI, and afterwards no image but the busybox there was."""
    before = set(docker("images", "--all", "--quiet", "--no-trunc").out.split())
    yield docker
    docker.remove_all()
    names = docker("images", "--format", "{{.Repository}}:{{.Tag}}").lines
    for name in set(names) - {"busybox:latest"}:
        docker("rmi", "--force", name, ok=False)
    for image in set(docker("images", "--all", "--quiet", "--no-trunc").out.split()) - before:
        docker("rmi", "--force", image)
    docker("image", "prune", "--force")  # partial downloads


@pytest.fixture
def member(images: Docker, registry: RealRegistry) -> Iterator[Docker]:
    """The CLI of somebody who has logged in to Debian's registry."""
    images("login", "--username", USER, "--password-stdin", registry.address, stdin=PASSWORD.encode())
    yield images
    images("logout", registry.address)


@pytest.fixture
def partials(engine: Engine) -> set[str]:
    """Which partial downloads there are; read it again each time."""
    return {f"sha256:{file.name}" for file in (engine.root / "data/blobs/partial").iterdir()}
