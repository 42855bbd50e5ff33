"""Terminals: `run -it`, `exec -it`, resizing, detaching and coming back."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from tests.clients.cli import Docker
from tests.clients.terminal import Terminal, terminal

Open = Callable[..., AbstractContextManager[Terminal]]
CTRL_P, CTRL_Q, CTRL_X = b"\x10", b"\x11", b"\x18"


@pytest.fixture
def typing_at(docker: Docker) -> Open:
    """Run a docker command in a terminal."""

    def opened(*arguments: str) -> AbstractContextManager[Terminal]:
        return terminal([docker.program, *arguments], docker.environment)

    return opened


def test_run_it_is_a_terminal_that_can_be_typed_at(typing_at: Open) -> None:
    with typing_at("run", "--rm", "-it", "busybox", "sh") as shell:
        shell.read_until(b"# ")
        shell.type(b"tty; echo $((6*7))\n")
        assert b"/dev/" in shell.read_until(b"42\r\n")
        shell.type(b"exit 7\n")
        assert shell.wait() == 7


def test_the_size_of_the_terminal_is_known_inside_and_follows(typing_at: Open) -> None:
    with typing_at("run", "--rm", "-it", "busybox", "sh") as shell:
        shell.read_until(b"# ")
        shell.type(b"until [ \"$(stty size)\" = '24 80' ]; do :; done; echo first-$?\n")
        shell.read_until(b"first-0")
        shell.type(b"until [ \"$(stty size)\" = '41 123' ]; do :; done; echo second-$?\n")
        shell.resize_until(41, 123, b"second-0")


def test_exec_it_follows_the_size_too(docker: Docker, typing_at: Open) -> None:
    container = docker.sleeper()
    with typing_at("exec", "-it", container, "sh") as shell:
        shell.read_until(b"# ")
        shell.type(b"until [ \"$(stty size)\" = '33 99' ]; do :; done; echo resized-$?\n")
        shell.resize_until(33, 99, b"resized-0")
        shell.type(b"exit 3\n")
        assert shell.wait() == 3


def test_control_c_reaches_the_process(typing_at: Open) -> None:
    with typing_at(
        "run",
        "--rm",
        "-it",
        "busybox",
        "sh",
        "-c",
        "trap 'echo caught; exit 4' INT; echo up; sleep 1000 & wait",
    ) as shell:
        shell.read_until(b"up\r\n")
        shell.type(b"\x03")
        shell.read_until(b"caught")
        assert shell.wait() == 4


def test_detach_keys_leave_the_container_running_and_attach_comes_back(
    docker: Docker, typing_at: Open
) -> None:
    with typing_at("run", "-it", "--name", "stays", "busybox", "sh") as shell:
        shell.read_until(b"# ")
        shell.type(b"MARK=here\n")
        shell.read_until(b"# ")
        shell.type(CTRL_P)
        shell.type(CTRL_Q)
        assert shell.wait() in {0, 1}
    assert docker.inspect("stays")["State"]["Running"]
    with typing_at("attach", "stays") as again:
        again.read_until(b"# ")  # the shell shows its prompt again, for its window has been resized
        again.type(b"echo $MARK\n")
        again.read_until(b"here\r\n")
        again.type(b"exit 0\n")
        assert again.wait() == 0


def test_detach_keys_can_be_chosen(docker: Docker, typing_at: Open) -> None:
    with typing_at("run", "-it", "--name", "stays", "--detach-keys", "ctrl-x,x", "busybox", "sh") as shell:
        shell.read_until(b"# ")
        shell.type(CTRL_X)
        shell.type(b"x")
        assert shell.wait() in {0, 1}
    assert docker.inspect("stays")["State"]["Running"]


def test_a_control_p_that_is_not_followed_by_control_q_is_typed(typing_at: Open) -> None:
    with typing_at(
        "run",
        "--rm",
        "-it",
        "busybox",
        "sh",
        "-c",
        "stty raw -echo; echo up; dd bs=1 count=2 2>/dev/null | od -An -tx1",
    ) as shell:
        shell.read_until(b"up")
        shell.type(CTRL_P)
        shell.type(b"z")
        shell.read_until(b"10 7a")


def test_detaching_from_an_exec_leaves_it_running(docker: Docker, typing_at: Open) -> None:
    container = docker.sleeper()
    with typing_at(
        "exec", "-it", container, "sh", "-c", "echo up; read line; echo $line > /tmp/answer"
    ) as shell:
        shell.read_until(b"up\r\n")
        shell.type(CTRL_P)
        shell.type(CTRL_Q)
        shell.wait()
    assert "read line" in docker("top", container).out


def test_a_detached_terminal_has_the_size_that_was_asked_for_later(docker: Docker) -> None:
    container = docker.detached("-t", "busybox", "sh", "-c", "test -t 1 && echo terminal")
    docker("wait", container)
    assert docker("logs", container).stdout == b"terminal\r\n"
