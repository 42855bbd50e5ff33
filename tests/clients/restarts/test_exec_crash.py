"""Crashes in the start of an exec session: its command runs once at most, however often it is asked for."""

from __future__ import annotations

import contextlib
import http.client
import time
from pathlib import Path
from typing import Any

import pytest

from tests.clients.engine import until
from tests.clients.restarts.site import Site

COMMAND = ["sh", "-c", "echo ran >>/shared/runs; exit 7"]


def begun(site: Site, shared: Path) -> tuple[str, str]:
    """Start a container and make a session in it; return their ids."""
    shared.mkdir()
    site.start()
    container = site.docker.detached("-v", f"{shared}:/shared", "busybox", "sleep", "1000")
    made = site.api("POST", f"/containers/{container}/exec", {"Cmd": COMMAND})
    assert made.status == 201, made
    return container, made.document["Id"]


def start(site: Site, session: str) -> Any:
    return site.api("POST", f"/exec/{session}/start", {"Detach": True})


def crashes_while_it_starts(site: Site, session: str, place: str) -> None:
    """Have an engine die at `place`, when it has been asked to start the session, and begin another one."""
    site.engine.stop()
    site.start(LONGSHORE_FAILPOINT=place)
    with contextlib.suppress(OSError, http.client.HTTPException):
        start(site, session)
    site.engine.process.wait()
    site.start()


def runs(shared: Path) -> int:
    file = shared / "runs"
    return len(file.read_text().splitlines()) if file.exists() else 0


def inspect(site: Site, session: str) -> tuple[bool, int | None]:
    found = site.api.get(f"/exec/{session}/json")
    return found["Running"], found["ExitCode"]


@pytest.mark.parametrize(
    "place", ["exec-effect-launch-before", "exec-effect-launch-after", "exec-written", "exec-monitored"]
)
def test_a_start_that_had_not_begun_can_be_asked_for_again(site: Site, tmp_path: Path, place: str) -> None:
    _, session = begun(site, tmp_path / "shared")
    crashes_while_it_starts(site, session, place)
    assert (inspect(site, session), runs(tmp_path / "shared")) == ((False, None), 0)
    assert start(site, session).status == 200
    until(lambda: inspect(site, session) == (False, 7), "it has run")
    assert runs(tmp_path / "shared") == 1


def test_a_start_that_has_happened_is_not_repeated(site: Site, tmp_path: Path) -> None:
    container, session = begun(site, tmp_path / "shared")
    crashes_while_it_starts(site, session, "exec-started")
    until(lambda: inspect(site, session) == (False, 7), "its end is known")
    again = start(site, session)
    assert (again.status, again.document["message"]) == (409, f"exec command {session} has already run")
    assert runs(tmp_path / "shared") == 1
    filters = ("--filter", f"container={container}", "--since", "1", "--until", f"{time.time():.9f}")
    actions = [line.split()[0] for line in site.docker("events", *filters, "--format", "{{.Action}}").lines]
    assert actions[2:] == ["exec_create:", "exec_start:", "exec_die"]


def test_a_start_that_may_have_happened_is_not_repeated(site: Site, tmp_path: Path) -> None:
    _, session = begun(site, tmp_path / "shared")
    crashes_while_it_starts(site, session, "exec-begun")
    until(lambda: inspect(site, session) == (False, 255), "it is over")
    for _ in range(2):
        again = start(site, session)
        assert again.status == 409
        assert again.document["message"].endswith(
            "is not run again: the engine ended while it was being started, and it may have run"
        )
        site.restart()
    assert runs(tmp_path / "shared") == 0
