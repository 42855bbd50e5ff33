"""`docker exec`: streams, exit codes, options."""

from __future__ import annotations

import os

import pytest

from tests.clients.cli import Docker


@pytest.fixture
def container(docker: Docker) -> str:
    return docker.sleeper("-e", "FROM=container")


def test_output_errors_and_exit_code_are_the_commands(docker: Docker, container: str) -> None:
    result = docker("exec", container, "sh", "-c", "echo out; echo err >&2; exit 5", ok=False)
    assert (result.code, result.out, result.err) == (5, "out\n", "err\n")


def test_half_close_ends_stdin_but_not_the_output(docker: Docker, container: str) -> None:
    result = docker("exec", "-i", container, "sh", "-c", "wc -c; echo after", stdin=b"x" * 70000)
    assert result.out.split() == ["70000", "after"]


def test_megabytes_go_through_byte_for_byte(docker: Docker, container: str) -> None:
    sent = os.urandom(4 << 20)
    assert docker("exec", "-i", container, "cat", stdin=sent).stdout == sent


def test_environment_directory_and_user_can_be_given(docker: Docker, container: str) -> None:
    script = 'echo "$FROM $MORE $(pwd) $(id -un)"'
    result = docker("exec", "-e", "MORE=exec", "-w", "/tmp", "-u", "guest", container, "sh", "-c", script)
    assert result.out == "container exec /tmp guest\n"


def test_privileged_has_all_capabilities(docker: Docker, container: str) -> None:
    command = (container, "grep", "CapEff", "/proc/self/status")
    plain, privileged = (
        int(docker("exec", *options, *command).out.split()[1], 16) for options in ((), ("--privileged",))
    )
    assert plain & privileged == plain < privileged


@pytest.mark.parametrize(("program", "code"), [("no-such-program", 127), ("/etc/passwd", 126)])
def test_what_cannot_run_has_the_shells_codes(
    docker: Docker, container: str, program: str, code: int
) -> None:
    assert docker("exec", container, program, ok=False).code == code


def test_a_detached_exec_returns_at_once_and_runs(docker: Docker, container: str) -> None:
    docker("exec", "-d", container, "sh", "-c", "echo done > /tmp/flag")
    script = "until [ -s /tmp/flag ]; do sleep 0.05; done; cat /tmp/flag"
    assert docker("exec", container, "sh", "-c", script).out == "done\n"


def test_a_container_that_is_not_running_refuses(docker: Docker) -> None:
    stopped = docker("create", "busybox").out.strip()
    result = docker("exec", stopped, "true", ok=False)
    assert result.code == 1
    assert "is not running" in result.err


def test_an_unknown_user_is_named(docker: Docker, container: str) -> None:
    result = docker("exec", "-u", "nobody-here", container, "true", ok=False)
    assert "unable to find user nobody-here: no matching entries in passwd file" in result.err + result.out


def test_exec_processes_end_with_their_container(docker: Docker, container: str) -> None:
    waiting = docker.start("exec", container, "sh", "-c", "touch /tmp/up; exec sleep 1000")
    docker("exec", container, "sh", "-c", "until [ -e /tmp/up ]; do sleep 0.05; done")
    docker("kill", container)
    waiting.communicate(timeout=60)
    assert waiting.returncode == 137
