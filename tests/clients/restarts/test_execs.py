"""Exec sessions across a crash: what was answered is kept, whatever had become of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.clients.engine import until
from tests.clients.restarts.site import Site


def made(site: Site, container: str, *command: str) -> str:
    answer = site.api("POST", f"/containers/{container}/exec", {"Cmd": command, "AttachStdout": True})
    assert answer.status == 201, answer.body
    return str(answer.document["Id"])


def begun(site: Site, session: str) -> str:
    assert site.api("POST", f"/exec/{session}/start", {"Detach": True}).status == 200
    return session


def shown(site: Site, session: str) -> dict[str, Any]:
    return dict(site.api.get(f"/exec/{session}/json"))


def ended(site: Site, session: str) -> int:
    until(lambda: shown(site, session)["ExitCode"] is not None, "the session ends")
    return int(shown(site, session)["ExitCode"])


def test_sessions_are_what_they_were_before_the_crash(site: Site) -> None:
    site.start()
    container = site.docker.sleeper()
    waiting = made(site, container, "echo", "here")
    over = begun(site, made(site, container, "sh", "-c", "exit 7"))
    assert ended(site, over) == 7
    runs = begun(site, made(site, container, "sleep", "1000"))
    before = [shown(site, session) for session in (waiting, over, runs)]
    site.crash()
    assert [shown(site, session) for session in (waiting, over, runs)] == before
    assert sorted(site.docker.inspect(container)["ExecIDs"]) == sorted((waiting, runs))
    assert b"here\n" in site.api("POST", f"/exec/{waiting}/start", {"Detach": False}).body
    assert ended(site, waiting) == 0
    assert site.api("POST", f"/exec/{over}/start", {"Detach": True}).status == 409


def test_a_session_that_ends_while_there_is_no_engine_has_its_code(site: Site) -> None:
    site.start()
    container = site.docker.sleeper()
    script = "while [ ! -e /go ]; do sleep 0.01; done; exit 7"
    runs = begun(site, made(site, container, "sh", "-c", script))
    pid = shown(site, runs)["Pid"]
    site.engine.kill()
    Path(f"/proc/{pid}/root/go").touch()
    until(lambda: not Path(f"/proc/{pid}").exists(), "the process ends")
    site.start()
    assert ended(site, runs) == 7


def test_a_session_goes_with_its_container(site: Site) -> None:
    site.start()
    container = site.docker.sleeper()
    session = made(site, container, "true")
    site.docker("rm", "--force", container)
    until(lambda: site.api("GET", f"/exec/{session}/json").status == 404, "the session is forgotten")
    site.crash()
    assert site.api("GET", f"/exec/{session}/json").status == 404
