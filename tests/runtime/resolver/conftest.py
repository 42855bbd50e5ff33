from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import trio

from daemon.networks.resolver.client import Resolver
from daemon.networks.resolver.link import Lost, connect
from tests.runtime.resolver.places import SECONDS, Namespace, namespaces


@pytest.fixture
def spaces() -> Iterator[list[Namespace]]:
    """Three network namespaces."""
    with namespaces(3) as made:
        yield made


@pytest.fixture
async def control() -> AsyncIterator[Path]:
    """Where a resolver may listen (a path that is short enough); whatever does is ended afterwards."""
    directory = Path(tempfile.mkdtemp(prefix="lsr-"))
    yield directory / "resolver.sock"
    await end(directory / "resolver.sock")
    shutil.rmtree(directory)


@pytest.fixture
async def resolver(control: Path) -> AsyncIterator[Resolver]:
    """An engine's side of a resolver that is not started yet."""
    made = Resolver(control)
    yield made
    made.close()


async def pid_of(control: Path) -> int:
    link = await connect(control)
    try:
        return int((await link.ask("hello"))["pid"])
    finally:
        link.close()


async def end(control: Path) -> None:
    """Kill the resolver that listens at `control`, if one does, and see it gone."""
    try:
        pid = await pid_of(control)
    except Lost:
        return
    pidfd = os.pidfd_open(pid)
    try:
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        with trio.fail_after(SECONDS):
            await trio.lowlevel.wait_readable(pidfd)
    finally:
        os.close(pidfd)
