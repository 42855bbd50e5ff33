"""A runtime that hangs: its container can still be read, ended and removed, and so can all others."""

from __future__ import annotations

import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final, cast

import pytest

from daemon.actors.engine import Engine as Inside
from daemon.api.app import make_app
from daemon.api.docker.table import DOCKER
from tests.clients.cli import Docker
from tests.clients.engine import Engine, until
from tests.clients.http_api import Api
from tests.clients.stuck import WAYS, StuckRuntime, actor, operation, waits_for_its_runtime

NO_SUCH_THING: Final = (400, 404, 405, 409, 500, 501, 503)
NOWHERE: Final = "127.0.0.1:1"  # a registry that is not there
READS: Final[dict[str, tuple[tuple[str, dict[str, Any]], ...]]] = {
    "/_ping": (("/_ping", {}),),
    "/version": (("/version", {}),),
    "/info": (("/info", {}),),
    "/plugins": (("/plugins", {}),),
    "/plugins/<path:rest>": (("/plugins/x/json", {}),),
    "/reload": (("/reload", {}),),
    "/debug/actors": (("/debug/actors", {}),),
    "/<any(swarm,services,nodes,tasks,secrets,configs):group>": (("/swarm", {}),),
    "/<any(swarm,services,nodes,tasks,secrets,configs):group>/<path:rest>": (("/services/x", {}),),
    "/images/json": (("/images/json", {"all": 1}),),
    "/images/search": (("/images/search", {"term": f"{NOWHERE}/x"}),),
    "/images/<path:name>/json": (("/images/busybox/json", {}),),
    "/images/<path:name>/history": (("/images/busybox/history", {}),),
    "/images/get": (("/images/get", {"names": "busybox"}),),
    "/images/<path:name>/get": (("/images/busybox/get", {}),),
    "/events": (("/events", {"since": 1, "until": 2}), ("/events", {"since": 1, "until": "0s"})),
    "/containers/json": (("/containers/json", {"all": 1}), ("/containers/json", {"all": 1, "size": 1})),
    "/containers/<name>/json": (("/containers/{stuck}/json", {"size": 1}), ("/containers/{other}/json", {})),
    "/containers/<name>/top": (("/containers/{stuck}/top", {}), ("/containers/{other}/top", {})),
    "/containers/<name>/logs": (
        ("/containers/{stuck}/logs", {"stdout": 1, "stderr": 1}),
        ("/containers/{other}/logs", {"stdout": 1, "tail": 5}),
    ),
    "/containers/<name>/stats": (
        ("/containers/{stuck}/stats", {"stream": 0, "one-shot": 1}),
        ("/containers/{other}/stats", {"stream": 0, "one-shot": 1}),
    ),
    "/containers/<name>/attach/ws": (("/containers/{other}/attach/ws", {}),),
    "/containers/<name>/changes": (("/containers/{stuck}/changes", {}),),
    "/containers/<name>/export": (("/containers/{other}/export", {}),),
    "/containers/<name>/archive": (("/containers/{other}/archive", {"path": "/bin"}),),
    "/containers/<name>/checkpoints": (("/containers/{stuck}/checkpoints", {}),),
    "/exec/<exec_id>/json": (("/exec/{session}/json", {}),),
    "/distribution/<path:name>/json": ((f"/distribution/{NOWHERE}/busybox/json", {}),),
    "/system/df": (("/system/df", {}),),
    "/networks": (("/networks", {}),),
    "/networks/<reference>": (("/networks/x", {}),),
    "/volumes": (("/volumes", {}),),
    "/volumes/<name>": (("/volumes/x", {}),),
}
"""For each route that can be read, what to ask of it."""


@pytest.fixture(params=sorted(WAYS))
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@contextmanager
def stuck(api: Api, docker: Docker) -> Generator[tuple[str, subprocess.Popen[bytes]], None, None]:
    """Lend a container that got stuck when it was started, and the client that waits for that."""
    container = docker("create", "--name", "stuck", "--runtime", "stuck", "busybox", "top").out.strip()
    client = docker.start("start", container)
    try:
        until(lambda: waits_for_its_runtime(api, container), "the start to get stuck")
        yield container, client
    finally:
        docker("rm", "--force", container, ok=False)
        client.communicate()


def at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def test_every_read_is_answered_while_a_container_is_stuck(
    engine: Engine, api: Api, docker: Docker, way: str
) -> None:
    StuckRuntime.configured(engine, api, way, "create")
    routes = {
        rule.rule
        for rule in make_app(cast("Inside", None), DOCKER).url_map.iter_rules()
        if "GET" in (rule.methods or ())
    }
    assert set(READS) == routes, "a route that can be read is not tested, or is gone"
    other = docker.sleeper()
    session = api("POST", f"/containers/{other}/exec", {"Cmd": ["true"]}).document["Id"]
    with stuck(api, docker) as (container, _):
        before = operation(api, container)
        for path, query in (read for reads in READS.values() for read in reads):
            target = path.format(stuck=container, other=other, session=session)
            answer = api("GET", target, **query)
            assert answer.status in {200, *NO_SUCH_THING}, f"{target}: {answer.status} {answer.body!r}"
        # So all of them were answered in the meantime, however long that took.
        assert operation(api, container) == before


def test_inspect_shows_what_is_under_way_and_until_when(
    engine: Engine, api: Api, docker: Docker, way: str
) -> None:
    runtime = StuckRuntime.configured(engine, api, way, "create")
    with stuck(api, docker) as (container, _):
        shown = operation(api, container)
        assert (shown["Kind"], shown["Stage"]) == ("starting", f"{runtime.script.name} create")
        assert 119 < at(shown["Deadline"]) - at(shown["Since"]) < 150
        assert docker.inspect(container)["State"]["Status"] == "created"
        assert actor(api, container)["State"] == "starting"
    assert operation(api, docker.sleeper()) == {}


@pytest.mark.parametrize("command", ["create", "start"])
@pytest.mark.parametrize("end", ["kill", "stop --time 1", "rm --force"])
def test_what_is_stuck_can_be_ended(
    engine: Engine, api: Api, docker: Docker, way: str, command: str, end: str
) -> None:
    StuckRuntime.configured(engine, api, way, command)
    with stuck(api, docker) as (container, client):
        docker(*end.split(), container)
        _, said = client.communicate()
        if end == "rm --force":
            assert container not in docker.ids()
            return
        state = docker.inspect(container)["State"]
        assert (state["Running"], state["Pid"]) == (False, 0)
        if command == "create":
            assert (client.returncode, "was stopped before it had started" in said.decode()) == (1, True)
            assert state["StartedAt"].startswith("0001")
        docker("rm", container)


def test_a_container_is_ended_and_removed_where_its_runtime_never_deletes_it(
    engine: Engine, api: Api, docker: Docker
) -> None:
    runtime = StuckRuntime.configured(engine, api, "stops", "delete")
    container = docker.sleeper("--runtime", "stuck")
    docker("kill", container)
    until(
        lambda: docker.inspect(container)["State"]["Status"] == "exited", "it to be done without its runtime"
    )
    assert docker.inspect(container)["State"]["ExitCode"] == 137
    assert runtime.calls("delete") == 1
    docker("start", container)
    docker("rm", "--force", container)
    assert container not in docker.ids()


def test_an_exec_that_is_stuck_ends_with_its_container(
    engine: Engine, api: Api, docker: Docker, way: str
) -> None:
    runtime = StuckRuntime.configured(engine, api, way, "exec")
    container = docker.sleeper("--runtime", "stuck")
    client = docker.start("exec", container, "true")
    until(lambda: runtime.calls("exec"), "the exec to get stuck")
    docker("kill", container)
    assert client.wait() != 0
    client.communicate()
    docker("rm", container)


def test_what_was_asked_by_a_client_that_has_hung_up_is_not_carried_out(
    engine: Engine, api: Api, docker: Docker
) -> None:
    runtime = StuckRuntime.configured(engine, api, "stops", "create")
    with stuck(api, docker) as (container, _):
        with engine.connect() as connection:
            request = f"POST /containers/{container}/restart HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
            connection.sendall(request.encode())
            until(lambda: postponed(api, container) == [("Restart", False)], "the restart to wait its turn")
        until(lambda: postponed(api, container) == [("Restart", True)], "the engine to notice")
        docker("kill", container)
        until(lambda: operation(api, container) == {}, "the container to be cleared up")
        until(lambda: actor(api, container)["Open"] == [], "all that was asked to be dealt with")
        assert docker.inspect(container)["State"]["Status"] == "created"
        assert runtime.calls("create") == 1


def postponed(api: Api, container: str) -> list[tuple[str, bool]]:
    """Return what was asked of a container for later, and whether its client has left."""
    return [
        (request["Message"], request["Abandoned"])
        for request in actor(api, container)["Open"]
        if request["Postponed"]
    ]
