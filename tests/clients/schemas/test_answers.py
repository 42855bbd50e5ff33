"""What the engine answers, held against the published descriptions of the API.

They are not part of this project: they lie beside it (`../shared/spec`), or where LONGSHORE_SPEC says.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import attrs
import pytest

from tests.clients.cli import Docker
from tests.clients.http_api import Api
from tests.clients.schemas.spec import Spec

BESIDE: Final = Path(__file__).resolve().parents[4] / "shared/spec"
DIRECTORY: Final = Path(os.environ.get("LONGSHORE_SPEC", BESIDE))
SHARED: Final[dict[str, Any]] = {"shared-size": 1}
VERSIONS: Final = ("1.41", "1.44")
BUSY: Final = {
    "Image": "busybox",
    "Cmd": ["sleep", "1000"],
    "Labels": {"one": "two"},
    "Env": ["A=b"],
    "ExposedPorts": {"80/tcp": {}},
    "Healthcheck": {"Test": ["CMD", "true"], "Interval": 10**9},
    "HostConfig": {
        "Memory": 1 << 26,
        "CapAdd": ["NET_ADMIN"],
        "Binds": ["/tmp:/seen:ro"],
        "Tmpfs": {"/made": "size=1m"},
        "Ulimits": [{"Name": "nofile", "Soft": 100, "Hard": 200}],
        "ExtraHosts": ["other:192.0.2.1"],
        "LogConfig": {"Type": "json-file", "Config": {"max-size": "1m"}},
    },
}
AS_DOCKERD: Final = {
    "HostConfig.Isolation": "the empty text is not among the words, but what all Linux engines say",
    "Isolation": "the same, in /info",
    "HostConfig.RestartPolicy.Name": "`no` is missing from the words of 1.41",
    "HostConfig.MemorySwappiness": "null where nobody has asked for one",
    "HostConfig.OomKillDisable": "null where nobody has asked for it",
    "Config.StopTimeout": "null where nobody has asked for one; 1.44 says so",
    "Config.Healthcheck": "null in an image that has none",
    "ContainerConfig.Healthcheck": "the same",
    "ContainerConfig.StopTimeout": "as Config.StopTimeout",
    "ExitCode": "null as long as an exec session has not ended",
    "Containers.*": "1.41 has lists of containers here, by mistake",
}
"""Where dockerd itself is not as described, and how."""


@attrs.define
class Checked:
    """Calls whose answers are held against one version of the description."""

    api: Api
    version: str
    spec: Spec
    faults: set[tuple[str, str, str]] = attrs.field(factory=set)
    seen: int = 0

    def __call__(
        self, method: str, path: str, status: int = 200, body: Any = None, name: str = "", **query: Any
    ) -> Any:
        """Make a call that must end with `status`; `{id}` and `{name}` in the path stand for `name`."""
        called = f"/v{self.version}{path.format(id=name, name=name)}"
        answer = self.api(method, called, body, **query)
        assert answer.status == status, f"{method} {called}: {answer.status} {answer.body!r}"
        documents = list(_documents(answer.body.decode()))
        for document in documents:
            self.seen += 1
            for place, text in self.spec.faults(method, path, status, document):
                if place not in AS_DOCKERD:
                    self.faults.add((f"{method} {path}", place, text[:200]))
        return documents[0]


def _documents(text: str) -> Iterator[Any]:
    """Yield what is written one after the other, whatever is between."""
    decoder, end = json.JSONDecoder(), 0
    while text := text[end:].lstrip():
        document, end = decoder.raw_decode(text)
        yield document


@pytest.fixture(params=VERSIONS)
def checked(request: pytest.FixtureRequest, api: Api, docker: Docker) -> Iterator[Checked]:
    """Calls of one version; at the end nothing may have been otherwise than described."""
    file = DIRECTORY / f"docker-engine-v{request.param}.yaml"
    if not file.exists():
        pytest.skip(f"the published description is not at {file}")
    checked = Checked(api, request.param, Spec.read(file))
    yield checked
    assert checked.faults == set()
    assert checked.seen


@pytest.fixture
def running(checked: Checked) -> str:
    """A running container, made with a bit of everything."""
    made = checked("POST", "/containers/create", 201, BUSY)
    assert checked.api("POST", f"/containers/{made['Id']}/start").status == 204
    return str(made["Id"])


def test_containers(checked: Checked, running: str) -> None:
    checked("GET", "/containers/json", all=1, size=1)
    checked("GET", "/containers/{id}/json", name=running, size=1)
    checked("GET", "/containers/{id}/top", name=running)
    checked("GET", "/containers/{id}/stats", name=running, stream=0)
    checked("GET", "/containers/{id}/changes", name=running)
    policy = {"Name": "on-failure", "MaximumRetryCount": 3}
    checked("POST", "/containers/{id}/update", body={"RestartPolicy": policy}, name=running)
    assert checked.api("POST", f"/containers/{running}/kill").status == 204
    checked("POST", "/containers/{id}/wait", name=running)
    checked("GET", "/containers/{id}/json", name=running)
    checked("GET", "/containers/json", all=1)
    checked("POST", "/containers/prune")


def test_exec_sessions(checked: Checked, running: str) -> None:
    asked = {"Cmd": ["true"], "AttachStdout": True}
    made = checked("POST", "/containers/{id}/exec", 201, asked, name=running)
    checked("GET", "/exec/{id}/json", name=made["Id"])
    assert checked.api("POST", f"/exec/{made['Id']}/start", {}).status == 200
    assert checked("GET", "/exec/{id}/json", name=made["Id"])["Running"] is False


def test_images(checked: Checked, running: str) -> None:
    checked("POST", "/commit", 201, {}, container=running, repo="made")
    checked("GET", "/images/json", all=1, digests=1, **SHARED)
    checked("GET", "/images/{name}/json", name="busybox")
    checked("GET", "/images/{name}/history", name="busybox")
    assert checked.api("DELETE", f"/containers/{running}", force=1).status == 204
    checked("DELETE", "/images/{name}", name="made")
    checked("POST", "/images/prune")


def test_networks(checked: Checked) -> None:
    prefix = f"10.213.{os.getpid() % 256}"  # the machine's own network is shared with whoever else runs this
    pool = {"Subnet": f"{prefix}.0/24", "IPRange": f"{prefix}.128/25", "Gateway": f"{prefix}.1"}
    wanted = {"Name": "described", "Labels": {"one": "two"}, "Internal": True, "IPAM": {"Config": [pool]}}
    made = checked("POST", "/networks/create", 201, wanted)
    checked("GET", "/networks/{id}", name=made["Id"])
    checked("GET", "/networks")
    checked("POST", "/networks/prune")


def test_the_engine(checked: Checked, running: str) -> None:
    checked("GET", "/version")
    checked("GET", "/info")
    checked("GET", "/system/df")
    checked("GET", "/volumes")
    checked("GET", "/plugins")
    soon = int(time.time()) + 1  # what has just happened is before that
    assert checked("GET", "/events", since=1, until=soon)["Type"], "the first of them"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/containers/{id}/json", 404),
        ("POST", "/containers/{id}/start", 404),
        ("GET", "/images/{name}/json", 404),
        ("GET", "/networks/{id}", 404),
        ("GET", "/exec/{id}/json", 404),
        ("GET", "/swarm", 503),
    ],
)
def test_refusals(checked: Checked, method: str, path: str, status: int) -> None:
    checked(method, path, status, name="nothing")
