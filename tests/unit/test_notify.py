"""The service manager hears what sd_notify(3) would have told it."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from daemon.notify import Notifier
from daemon.runtimes.processes import plain_environment

DATAGRAM_BYTES = 4096


@pytest.fixture
def manager() -> Iterator[socket.socket]:
    """The service manager's end, bound by whoever uses it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as bound:
        yield bound


def notifier(address: Path | str) -> Notifier:
    return Notifier.from_environment({"NOTIFY_SOCKET": str(address)})


def test_each_stage_is_one_message(manager: socket.socket, tmp_path: Path) -> None:
    manager.bind(str(tmp_path / "notify"))
    under_test = notifier(tmp_path / "notify")
    under_test.ready()
    under_test.stopping()
    assert [manager.recv(DATAGRAM_BYTES) for _ in range(2)] == [b"READY=1", b"STOPPING=1"]


def test_a_reload_carries_the_monotonic_time_in_microseconds(manager: socket.socket, tmp_path: Path) -> None:
    manager.bind(str(tmp_path / "notify"))
    before = time.monotonic_ns() // 1000
    notifier(tmp_path / "notify").reloading()
    after = time.monotonic_ns() // 1000
    first, second = manager.recv(DATAGRAM_BYTES).decode().split("\n")
    key, _, microseconds = second.partition("=")
    assert (first, key) == ("RELOADING=1", "MONOTONIC_USEC")
    assert before <= int(microseconds) <= after


def test_the_socket_may_have_an_abstract_name(manager: socket.socket) -> None:
    manager.bind("")  # the kernel chooses a free one (unix(7), autobind)
    name: bytes = manager.getsockname()
    notifier("@" + name[1:].decode()).ready()
    assert manager.recv(DATAGRAM_BYTES) == b"READY=1"


def test_the_sockets_path_need_not_be_utf_8(manager: socket.socket, tmp_path: Path) -> None:
    path = tmp_path / b"\xff".decode(errors="surrogateescape")
    manager.bind(bytes(path))
    notifier(path).ready()
    assert manager.recv(DATAGRAM_BYTES) == b"READY=1"


@pytest.mark.parametrize("environment", [{}, {"NOTIFY_SOCKET": ""}])
def test_without_a_manager_nothing_is_said(environment: dict[str, str]) -> None:
    under_test = Notifier.from_environment(environment)
    with capture_logs() as logs:
        under_test.reloading()
        under_test.ready()
        under_test.stopping()
    assert logs == []


@pytest.mark.parametrize("address", ["/nonesuch/notify", "@longshore-nobody-listens", "/" + 200 * "n"])
def test_a_manager_that_is_not_there_is_a_line_in_the_log(address: str) -> None:
    with capture_logs() as logs:
        notifier(address).ready()
    assert [(line["log_level"], line["message"]) for line in logs] == [("warning", "READY=1")]


def test_a_manager_that_does_not_read_does_not_hold_us_up(manager: socket.socket, tmp_path: Path) -> None:
    manager.bind(str(tmp_path / "notify"))
    queue = int(Path("/proc/sys/net/unix/max_dgram_qlen").read_text())
    with capture_logs() as logs:
        for _ in range(queue + 2):
            notifier(tmp_path / "notify").ready()
    assert logs


def test_programs_that_we_run_cannot_speak_for_us(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/systemd/notify")
    assert "NOTIFY_SOCKET" not in plain_environment()
