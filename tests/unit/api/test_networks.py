"""The routes of networks over actors without a kernel."""

from __future__ import annotations

from collections.abc import AsyncIterator
from http.client import BAD_REQUEST, CONFLICT, CREATED, FORBIDDEN, NO_CONTENT, NOT_FOUND, OK
from typing import Any, cast

import attrs
import orjson
import pytest

from daemon.actors.engine import Engine
from daemon.actors.networks import Networks
from daemon.api.app import make_app
from daemon.api.docker.networks import routes
from tests.unit.actors.networks import NetworkWorld, a_join, network_world
from tests.unit.fakes import FakeLedger


@attrs.frozen
class OnlyNetworks:
    """As much of an engine as these routes need."""

    networks: Networks
    journal: FakeLedger


@attrs.define(eq=False)
class Docker:
    """A client of an engine that has nothing but networks."""

    world: NetworkWorld
    client: Any

    async def call(self, method: str, path: str, body: Any = None, **query: Any) -> tuple[int, Any]:
        given = {key: orjson.dumps(value) for key, value in query.items()}
        more = {} if body is None else {"json": body}
        response = await self.client.open(path, method=method, query_string=given or None, **more)
        data = await response.get_data()
        return response.status_code, orjson.loads(data) if data else None

    async def get(self, path: str, **query: Any) -> Any:
        status, answer = await self.call("GET", path, **query)
        assert status == OK, answer
        return answer

    async def names(self, **filters: Any) -> list[str]:
        return [one["Name"] for one in await self.get("/networks", filters=filters)]

    async def create(self, name: str, **document: Any) -> str:
        status, answer = await self.call("POST", "/networks/create", {"Name": name, **document})
        assert status == CREATED, answer
        assert answer == {"Id": answer["Id"], "Warning": ""}
        return str(answer["Id"])


@pytest.fixture
async def docker() -> AsyncIterator[Docker]:
    async with network_world() as world:
        app = make_app(cast("Engine", OnlyNetworks(world.networks, world.ledger)), [routes])
        yield Docker(world, app.test_client())


async def test_a_network_is_shown_with_all_that_was_asked_for(docker: Docker) -> None:
    pool = {
        "Subnet": "10.0.0.0/24",
        "IPRange": "10.0.0.128/25",
        "Gateway": "10.0.0.1",
        "AuxiliaryAddresses": {"router": "10.0.0.9"},
    }
    network_id = await docker.create(
        "web",
        CheckDuplicate=True,
        Driver="bridge",
        Internal=True,
        Attachable=True,
        IPAM={"Driver": "default", "Options": {"a": "b"}, "Config": [pool]},
        Options={"com.docker.network.bridge.name": "mine"},
        Labels={"l": "1"},
    )
    shown = await docker.get("/v1.47/networks/web")
    assert shown.pop("Created").endswith("Z")
    assert shown == {
        "Name": "web",
        "Id": network_id,
        "Scope": "local",
        "Driver": "bridge",
        "EnableIPv6": False,
        "IPAM": {"Driver": "default", "Options": {"a": "b"}, "Config": [pool]},
        "Internal": True,
        "Attachable": True,
        "Ingress": False,
        "ConfigFrom": {"Network": ""},
        "ConfigOnly": False,
        "Containers": {},
        "Options": {"com.docker.network.bridge.name": "mine"},
        "Labels": {"l": "1"},
    }
    assert (await docker.get("/networks/web"))["EnableIPv4"] is True


async def test_who_is_in_a_network_is_shown(docker: Docker) -> None:
    network = docker.world.networks.resolve(await docker.create("web", EnableIPv6=True))
    assert (await docker.get("/networks/web"))["Containers"] == {}
    lease = await network.mailbox.ask(a_join("c" * 64, "db"))
    member = {
        "Name": "db",
        "EndpointID": lease.endpoint_id,
        "MacAddress": "02:42:ac:12:00:02",
        "IPv4Address": "172.18.0.2/16",
        "IPv6Address": str(lease.address6),
    }
    assert (await docker.get("/networks/web"))["Containers"] == {"c" * 64: member}
    (row,) = await docker.get("/networks", filters={"name": ["web"]})
    assert row["Containers"] == {}
    (row,) = await docker.get("/v1.27/networks", filters={"name": ["web"]})
    assert row["Containers"] == {"c" * 64: member}


async def test_a_container_without_addresses_is_shown_without(docker: Docker) -> None:
    await docker.world.networks.resolve("host").mailbox.ask(a_join("c" * 64, "db"))
    (member,) = (await docker.get("/networks/host"))["Containers"].values()
    assert (member["MacAddress"], member["IPv4Address"], member["IPv6Address"]) == ("", "", "")


async def test_what_was_rendered_once_is_kept_until_something_changes(docker: Docker) -> None:
    network = docker.world.networks.resolve(await docker.create("web"))
    first = await docker.get("/networks/web")
    kept = dict(network.snapshot.renderings)
    assert await docker.get("/networks/web") == first
    assert network.snapshot.renderings == kept
    assert len(kept) == 1


async def test_a_network_is_found_by_a_beginning_of_its_id(docker: Docker) -> None:
    network_id = await docker.create("web")
    assert (await docker.get(f"/networks/{network_id[:12]}?verbose=true&scope=local"))["Name"] == "web"
    for path in ("/networks/x", "/networks/web?scope=swarm"):
        status, answer = await docker.call("GET", path)
        name = path.removeprefix("/networks/").partition("?")[0]
        assert (status, answer["message"]) == (NOT_FOUND, f"network {name} not found")


async def test_the_list_is_complete_and_oldest_first(docker: Docker) -> None:
    await docker.create("b")
    await docker.create("a")
    assert await docker.names() == ["bridge", "host", "none", "b", "a"]
    rows = {row["Name"]: row for row in await docker.get("/networks")}
    assert rows["none"]["IPAM"] == {"Driver": "default", "Options": None, "Config": []}
    assert rows["host"]["Driver"] == "host"
    assert rows["bridge"]["IPAM"]["Config"] == [{"Subnet": "172.17.0.0/16", "Gateway": "172.17.0.1"}]


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ({"name": ["b"]}, ["bridge", "web", "blue"]),
        ({"name": ["^b", "none"]}, ["bridge", "none", "blue"]),
        ({"name": {"^web$": True}}, ["web"]),
        ({"driver": ["bridge"]}, ["bridge", "web", "blue"]),
        ({"driver": ["null", "host"]}, ["host", "none"]),
        ({"type": ["builtin"]}, ["bridge", "host", "none"]),
        ({"type": ["custom"]}, ["web", "blue"]),
        ({"type": ["custom", "builtin"]}, ["bridge", "host", "none", "web", "blue"]),
        ({"label": ["color"]}, ["web", "blue"]),
        ({"label": ["color=blue"]}, ["blue"]),
        ({"label": ["color=blue", "size=1"]}, []),
        ({"label": ["size="]}, []),
        ({"scope": ["local"], "name": ["web"]}, ["web"]),
        ({"scope": ["swarm"]}, []),
        ({"dangling": ["true"]}, ["blue"]),
        ({"dangling": ["0"]}, ["bridge", "host", "none", "web"]),
        ({"name": []}, ["bridge", "host", "none", "web", "blue"]),
        ({}, ["bridge", "host", "none", "web", "blue"]),
    ],
)
async def test_filters_choose(docker: Docker, filters: dict[str, Any], names: list[str]) -> None:
    web = docker.world.networks.resolve(await docker.create("web", Labels={"color": "red", "size": "1"}))
    await docker.create("blue", Labels={"color": "blue"})
    await web.mailbox.ask(a_join("c1"))
    assert await docker.names(**filters) == names


async def test_a_part_of_an_id_chooses(docker: Docker) -> None:
    network_id = await docker.create("web")
    assert await docker.names(id=[network_id[3:20]]) == ["web"]


@pytest.mark.parametrize(
    ("filters", "text"),
    [
        ({"zoo": ["x"]}, "invalid filter 'zoo'"),
        ({"dangling": ["x"]}, "invalid filter 'dangling=[x]'"),
        ({"type": ["x"]}, "invalid filter 'type=x'"),
        ({"name": ["("]}, "invalid filter 'name=(': missing ), unterminated subpattern at position 0"),
        ({"id": ["["]}, "invalid filter 'id=[': unterminated character set at position 0"),
        ("x", "invalid filter"),
    ],
)
async def test_a_filter_that_makes_no_sense_is_refused(docker: Docker, filters: Any, text: str) -> None:
    status, answer = await docker.call("GET", "/networks", filters=filters)
    assert (status, answer["message"]) == (BAD_REQUEST, text)


@pytest.mark.parametrize(
    ("document", "status", "text"),
    [
        ({"Name": "web"}, CONFLICT, "network with name web already exists"),
        ({"Name": "host"}, FORBIDDEN, "operation is not permitted on predefined host network"),
        ({"Name": "x", "Driver": "zoo"}, NOT_FOUND, 'plugin "zoo" not found'),
        (
            {"Name": "x", "IPAM": {"Config": [{"Subnet": "172.18.1.0/24"}]}},
            FORBIDDEN,
            "Pool overlaps with other one on this address space",
        ),
        (
            {"Name": "x", "Labels": {"a": 1}},
            BAD_REQUEST,
            "invalid JSON: Labels.a: expected string, got int",
        ),
        (
            {"Name": "x", "EnableIPv4": False},
            BAD_REQUEST,
            "IPv4 or IPv6 must be enabled",
        ),
    ],
)
async def test_a_refusal_has_dockers_status_and_text(
    docker: Docker, document: dict[str, Any], status: int, text: str
) -> None:
    await docker.create("web")
    answered, answer = await docker.call("POST", "/networks/create", document)
    assert (answered, answer["message"]) == (status, text)
    assert len(docker.world.networks) == 4


async def test_older_clients_do_not_know_of_ipv4(docker: Docker) -> None:
    status, _ = await docker.call("POST", "/v1.47/networks/create", {"Name": "x", "EnableIPv4": False})
    assert status == CREATED
    assert docker.world.networks.resolve("x").record.enable_ipv4


async def test_what_clients_send_for_nothing_is_nothing(docker: Docker) -> None:
    nothing = {
        "IPAM": None,
        "Options": None,
        "Labels": None,
        "ConfigFrom": None,
        "Driver": None,
        "EnableIPv6": None,
    }
    await docker.create("a", **nothing)
    await docker.create("b", IPAM={"Driver": "", "Config": None, "Options": {}}, ConfigFrom={"Network": ""})
    shown = await docker.get("/networks/a")
    assert (shown["Options"], shown["Labels"]) == ({}, {})


async def test_a_network_is_removed(docker: Docker) -> None:
    await docker.create("web")
    assert await docker.call("DELETE", "/networks/web") == (NO_CONTENT, None)
    status, answer = await docker.call("DELETE", "/networks/web")
    assert (status, answer["message"]) == (NOT_FOUND, "network web not found")
    assert docker.world.host.is_clean


async def test_a_network_in_use_and_a_predefined_one_stay(docker: Docker) -> None:
    network_id = await docker.create("web")
    await docker.world.networks.resolve("web").mailbox.ask(a_join("c1"))
    status, answer = await docker.call("DELETE", "/networks/web")
    text = f"error while removing network: network web id {network_id} has active endpoints"
    assert (status, answer["message"]) == (FORBIDDEN, text)
    status, answer = await docker.call("DELETE", "/networks/bridge")
    assert (status, answer["message"]) == (
        FORBIDDEN,
        "bridge is a pre-defined network and cannot be removed",
    )


async def test_prune_removes_what_nobody_uses(docker: Docker) -> None:
    for name in ("used", "a", "b"):
        await docker.create(name)
    await docker.world.networks.resolve("used").mailbox.ask(a_join("c1"))
    assert await docker.call("POST", "/networks/prune") == (OK, {"NetworksDeleted": ["a", "b"]})
    assert await docker.names(type=["custom"]) == ["used"]
    last = docker.world.ledger.events[-1]
    assert (last.type, last.action, last.actor_id, last.attributes) == (
        "network",
        "prune",
        "",
        {"reclaimed": "0"},
    )
    assert await docker.call("POST", "/networks/prune") == (OK, {"NetworksDeleted": None})


@pytest.mark.parametrize(
    ("filters", "deleted"),
    [
        ({"label": ["color"]}, ["red", "blue"]),
        ({"label": ["color=red"]}, ["red"]),
        ({"label!": ["color=red"]}, ["plain", "blue"]),
        ({"until": ["24h"]}, None),
        ({"until": ["0s"]}, ["plain", "red", "blue"]),
    ],
)
async def test_prune_removes_what_is_chosen(
    docker: Docker, filters: dict[str, Any], deleted: list[str] | None
) -> None:
    await docker.create("plain")
    for color in ("red", "blue"):
        await docker.create(color, Labels={"color": color})
    status, answer = await docker.call("POST", "/networks/prune", filters=filters)
    assert (status, answer) == (OK, {"NetworksDeleted": deleted})


@pytest.mark.parametrize("filters", [{"dangling": ["true"]}, {"until": ["x"]}, {"until": ["1h", "2h"]}])
async def test_a_prune_that_makes_no_sense_removes_nothing(docker: Docker, filters: Any) -> None:
    await docker.create("web")
    status, _ = await docker.call("POST", "/networks/prune", filters=filters)
    assert status == BAD_REQUEST
    assert docker.world.networks.named("web") is not None
