from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from daemon.images.registry.proxies import Proxies
from daemon.images.registry.registries import RemoteRegistries
from daemon.settings import Settings
from tests.registries.real import RealRegistry, docker_registry


@pytest.fixture
async def plain(tmp_path: Path) -> AsyncIterator[RealRegistry]:
    """A real registry without TLS, for everybody."""
    async with docker_registry(tmp_path) as registry:
        yield registry


@pytest.fixture
async def guarded(tmp_path: Path) -> AsyncIterator[RealRegistry]:
    """A real registry with TLS and a password."""
    async with docker_registry(tmp_path, tls=True, password=True) as registry:
        yield registry


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    """An empty directory certs.d."""
    directory = tmp_path / "certs.d"
    directory.mkdir()
    return directory


@pytest.fixture
def registries(certificates: Path) -> RemoteRegistries:
    """The client as the engine has it, with that directory and no proxies."""
    return RemoteRegistries(Settings, certificates, Proxies())
