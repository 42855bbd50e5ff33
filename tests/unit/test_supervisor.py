"""What the engine does at a hangup; everything else of the supervisor needs a host (tests/clients)."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio
from structlog.testing import capture_logs

from daemon import supervisor
from daemon.configuration import InvalidSettings
from daemon.settings import Settings
from daemon.startup import CannotStart
from tests.unit.actors.configurations import Reloading


async def test_a_hangup_reloads_and_one_that_is_refused_is_not_the_last(nursery: trio.Nursery) -> None:
    reloading = Reloading()
    reloading.host.wanted = Settings(debug=True)

    async def hangups() -> AsyncIterator[int]:
        reloading.host.faults["read"] = InvalidSettings("no")
        yield 1
        assert reloading.live.refusal is not None
        reloading.host.faults.clear()
        yield 1

    with capture_logs():
        nursery.start_soon(reloading.actor.run)
        await supervisor._reload_at(hangups(), reloading.live)
    assert (reloading.generations, reloading.live.refusal) == (["2"], None)


def test_without_a_socket_from_systemd_it_says_where_one_would_come_from(tmp_path: Path) -> None:
    with socket.socket() as idle, (tmp_path / "file").open("w") as file:
        for fd in (os.dup(idle.fileno()), file.fileno(), 1 << 20):
            with pytest.raises(
                CannotStart, match="is no listening socket: start the engine by its socket unit"
            ):
                supervisor._inherited(fd)
