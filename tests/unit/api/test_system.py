from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import attrs
import pytest

from daemon import __version__
from daemon.actors.configuration.actor import LiveConfiguration, Refusal
from daemon.actors.configuration.value import Configuration, changes
from daemon.actors.engine import Engine
from daemon.actors.published import Cell
from daemon.api.app import Application, make_app
from daemon.api.docker import swarm, system
from daemon.api.docker.info import FEATURES, registry_config
from daemon.api.docker.swarm import NO_MANAGER
from daemon.runtimes.spec.inputs import HostFacts
from daemon.runtimes.table import RuntimeTable
from daemon.settings import Settings
from tests.unit.actors.configurations import a_live_configuration
from tests.unit.runtimes.tables import a_runtime, a_table

from .serving import read_all, request, serving

VERSION_KEYS = {
    *("Platform", "Components", "Version", "ApiVersion", "MinAPIVersion", "GitCommit", "GoVersion"),
    *("Os", "Arch", "KernelVersion", "BuildTime", "Experimental"),
}


@attrs.frozen
class Shown:
    up: bool
    paused: bool


@attrs.frozen
class FakeContainer:
    snapshot: Shown


@attrs.frozen
class FakeDriver:
    name: str = "overlay2"
    status: tuple[tuple[str, str], ...] = (("Backing Filesystem", "extfs"),)


@attrs.frozen
class FakeEngine:
    """What these routes ask of an engine."""

    id: str
    live: LiveConfiguration
    containers: tuple[FakeContainer, ...]
    images: tuple[str, ...]
    graph_driver: FakeDriver
    host: HostFacts
    objections: Cell[tuple[str, ...]] = attrs.field(factory=lambda: Cell(()))

    @property
    def configuration(self) -> Configuration:
        return self.live.current


@pytest.fixture
def live() -> LiveConfiguration:
    settings = Settings(labels=("a=b",), data_root=Path("/data"))
    crun = attrs.evolve(a_runtime("crun"), configured="crun", features={"ociVersionMin": "1.0.0"})
    mine = attrs.evolve(a_runtime("mine", "/opt/mine"), arguments=("--debug",))
    return a_live_configuration(settings, RuntimeTable({"crun": crun, "mine": mine}, "crun"))


def an_engine(live: LiveConfiguration) -> FakeEngine:
    states = [(True, False), (True, True), (False, False), (False, False)]
    return FakeEngine(
        id="the-engine",
        live=live,
        containers=tuple(FakeContainer(Shown(running, paused)) for running, paused in states),
        images=("an image",),
        graph_driver=FakeDriver(),
        host=HostFacts(2, {}, frozenset(), (6, 1), 4),
    )


@pytest.fixture
def app(live: LiveConfiguration) -> Application:
    return make_app(cast("Engine", an_engine(live)), [system.routes, swarm.routes])


async def get(app: Application, path: str) -> Any:
    response = await app.test_client().get(path)
    assert response.status_code == 200
    return await response.get_json()


async def test_ping_is_ok(app: Application) -> None:
    response = await app.test_client().get("/_ping")
    assert await response.get_data() == b"OK"
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert response.headers["Content-Length"] == "2"
    assert response.headers["Builder-Version"] == "1"
    assert response.headers["Swarm"] == "inactive"
    assert response.headers["Cache-Control"] == "no-cache, no-store, must-revalidate"
    assert response.headers["Pragma"] == "no-cache"
    assert response.headers["Api-Version"] == "1.51"


async def test_ping_by_head_has_no_body(app: Application, tmp_path: Path) -> None:
    async with serving(app, tmp_path) as (_, dial), await dial() as client:
        await client.send_all(request("HEAD /_ping", "Connection: close"))
        head = (await read_all(client)).lower()
    assert head.startswith(b"http/1.1 200 ok\r\n")
    assert head.endswith(b"\r\n\r\n")
    assert b"\r\ncontent-length: 0\r\n" in head
    assert b"\r\napi-version: 1.51\r\n" in head


async def test_version_tells_all_that_clients_read(app: Application) -> None:
    document = await get(app, "/version")
    assert document.keys() == VERSION_KEYS
    assert (document["ApiVersion"], document["MinAPIVersion"]) == ("1.51", "1.24")
    assert (document["Version"], document["Os"], document["Arch"]) == (__version__, "linux", "amd64")
    assert document["Platform"]["Name"] == "Longshore"
    assert all(isinstance(value, str) for value in document["Components"][0]["Details"].values())


async def test_info_counts_what_there_is(app: Application) -> None:
    document = await get(app, "/v1.41/info")
    counts = ("Containers", "ContainersRunning", "ContainersPaused", "ContainersStopped", "Images")
    assert [document[name] for name in counts] == [4, 1, 1, 2, 1]


async def test_info_tells_how_the_engine_is_set_up(app: Application) -> None:
    document = await get(app, "/info")
    assert (document["DefaultRuntime"], document["Driver"]) == ("crun", "overlay2")
    assert document["DriverStatus"] == [["Backing Filesystem", "extfs"]]
    assert (document["CgroupVersion"], document["CgroupDriver"], document["NCPU"]) == ("2", "cgroupfs", 4)
    assert (document["Labels"], document["DockerRootDir"]) == (["a=b"], "/data")
    assert document["Swarm"]["LocalNodeState"] == "inactive"
    assert "name=cgroupns" in document["SecurityOptions"]
    assert document["MemTotal"] > 0


@pytest.mark.parametrize(
    ("proxy", "shown"),
    [
        ("http://me:secret@proxy:3128/x", "http://xxxxx:xxxxx@proxy:3128/x"),
        ("me:se@cret@proxy:3128", "xxxxx:xxxxx@proxy:3128"),
        ("http://proxy:3128/@", "http://proxy:3128/@"),
        ("", ""),
    ],
)
async def test_info_names_a_proxy_without_its_password(
    app: Application, monkeypatch: pytest.MonkeyPatch, proxy: str, shown: str
) -> None:
    monkeypatch.delenv("HTTPS_PROXY", raising=False)
    monkeypatch.setenv("HTTP_PROXY", proxy)
    monkeypatch.setenv("https_proxy", proxy)
    document = await get(app, "/info")
    assert (document["HttpProxy"], document["HttpsProxy"]) == (shown, shown)


@pytest.mark.parametrize(
    ("version", "status"),
    [("1.43", {}), ("1.44", {"status": {FEATURES: '{"ociVersionMin":"1.0.0"}'}})],
)
async def test_info_shows_runtimes_as_configured_and_what_they_tell(
    app: Application, version: str, status: dict[str, Any]
) -> None:
    assert (await get(app, f"/v{version}/info"))["Runtimes"] == {
        "crun": {"path": "crun", **status},
        "mine": {"path": "/opt/mine", "runtimeArgs": ["--debug"]},
    }


async def test_info_warns_of_nothing_that_is_in_order(app: Application) -> None:
    assert not [text for text in (await get(app, "/info"))["Warnings"] if "configuration" in text]


async def test_info_warns_of_firewalls_that_stand_in_the_way(live: LiveConfiguration) -> None:
    engine = an_engine(live)
    engine.objections.publish(("chain FORWARD drops",))
    app = make_app(cast("Engine", engine), [system.routes])
    assert "WARNING: chain FORWARD drops" in (await get(app, "/info"))["Warnings"]


async def test_info_warns_of_a_reload_that_was_refused(app: Application, live: LiveConfiguration) -> None:
    live.refusal = Refusal(0, ("mtu: no", "bip: no"))
    assert (
        "WARNING: the configuration of generation 0 stays: "
        "the reload at 1970-01-01T00:00:00Z was refused: mtu: no; bip: no"
    ) in (await get(app, "/info"))["Warnings"]


async def test_info_warns_of_what_waits_for_a_restart(app: Application, live: LiveConfiguration) -> None:
    pending = changes(live.current.settings, attrs.evolve(live.current.settings, mtu=1400))
    live.cell.publish(attrs.evolve(live.current, pending=pending))
    warning = "WARNING: mtu: the new value takes effect after a restart of the engine"
    assert warning in (await get(app, "/info"))["Warnings"]


async def test_info_follows_a_reload(app: Application, live: LiveConfiguration) -> None:
    settings = attrs.evolve(live.current.settings, labels=("c=d",), debug=True, live_restore=False)
    live.cell.publish(Configuration(settings, a_table("runc")))
    document = await get(app, "/info")
    assert (document["Labels"], document["Debug"], document["LiveRestoreEnabled"]) == (["c=d"], True, False)
    assert (document["DefaultRuntime"], [*document["Runtimes"]]) == ("runc", ["runc"])


def test_registries_of_this_host_need_no_tls() -> None:
    assert registry_config(Settings()) == {
        "InsecureRegistryCIDRs": ["::1/128", "127.0.0.0/8"],
        "IndexConfigs": {"docker.io": {"Name": "docker.io", "Mirrors": [], "Secure": True, "Official": True}},
        "Mirrors": [],
    }


def test_insecure_registries_are_names_or_networks() -> None:
    shown = registry_config(Settings(insecure_registries=("reg.example:5000", "10.0.0.0/8")))
    assert shown["InsecureRegistryCIDRs"] == ["::1/128", "127.0.0.0/8", "10.0.0.0/8"]
    assert [*shown["IndexConfigs"]] == ["docker.io", "reg.example:5000"]
    assert shown["IndexConfigs"]["reg.example:5000"] == {
        "Name": "reg.example:5000",
        "Mirrors": [],
        "Secure": False,
        "Official": False,
    }


def test_mirrors_are_of_the_official_registry_and_end_in_a_slash() -> None:
    shown = registry_config(Settings(registry_mirrors=("https://a.example", "https://b.example/")))
    assert shown["Mirrors"] == ["https://a.example/", "https://b.example/"]
    assert shown["IndexConfigs"]["docker.io"]["Mirrors"] == shown["Mirrors"]


async def test_engine_keeps_its_id(app: Application) -> None:
    assert (await get(app, "/info"))["ID"] == (await get(app, "/info"))["ID"]


@pytest.mark.parametrize(
    ("method", "path", "status", "message"),
    [
        ("GET", "/services", 503, NO_MANAGER),
        ("GET", "/v1.41/nodes/x", 503, NO_MANAGER),
        ("POST", "/secrets/create", 503, NO_MANAGER),
        ("GET", "/swarm", 503, NO_MANAGER),
        ("POST", "/swarm/leave", 503, NO_MANAGER),
        ("DELETE", "/configs/x", 503, NO_MANAGER),
        ("POST", "/swarm/init", 501, "swarm mode is not supported"),
        ("POST", "/plugins/pull", 501, "installing plugins is not supported yet"),
        ("GET", "/plugins/a/b:1/json", 404, 'plugin "a/b:1" not found'),
        ("DELETE", "/plugins/x", 404, 'plugin "x" not found'),
        ("PUT", "/info", 404, "page not found"),
    ],
)
async def test_what_is_not_here_is_refused(
    app: Application, method: str, path: str, status: int, message: str
) -> None:
    response = await getattr(app.test_client(), method.lower())(path)
    assert (response.status_code, await response.get_json()) == (status, {"message": message})


async def test_there_are_no_plugins(app: Application) -> None:
    assert await get(app, "/plugins") == []


async def test_options_are_answered_with_nothing(app: Application) -> None:
    response = await app.test_client().options("/containers/json")
    assert (response.status_code, await response.get_data()) == (200, b"")
