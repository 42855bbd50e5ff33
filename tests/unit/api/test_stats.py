"""`GET /containers/{name}/stats` over our own server, on a container that is only a snapshot."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final, cast

import attrs
import orjson
import pytest
import trio
from hypercorn.typing import ASGIFramework
from trio.testing import MockClock

from daemon.actors.container.actor import Container
from daemon.actors.container.snapshot import ContainerSnapshot
from daemon.actors.container.states import State
from daemon.actors.mailbox import Mailbox
from daemon.actors.published import Cell
from daemon.actors.statistics import LEAST_SECONDS, PERIOD_SECONDS, Reading, Statistics
from daemon.api.app import Application, make_app
from daemon.api.docker import stats
from daemon.api.docker.stats_views import render
from daemon.errors import Failed, NotFound
from daemon.runtimes.base import Run
from daemon.runtimes.usage.cgroup1 import Cgroup1
from daemon.runtimes.usage.cgroup2 import Cgroup2
from daemon.runtimes.usage.sample import Interface, Sample, Subject, Usage
from tests.unit.actors.world import a_record
from tests.unit.api.serving import Dial, read_answer, read_head, request, serving
from tests.unit.runtimes.usage.trees import CGROUP, VERSION_1, VERSION_2, write

SUBJECT: Final = Subject(CGROUP, 11, 1)
AT_NS: Final = 1_790_000_000_000_000_001
NEVER: Final = "0001-01-01T00:00:00Z"
NO_CPU: Final = {
    "cpu_usage": {"total_usage": 0, "usage_in_kernelmode": 0, "usage_in_usermode": 0},
    "throttling_data": {"periods": 0, "throttled_periods": 0, "throttled_time": 0},
}
LISTS: Final = (
    "io_service_bytes_recursive",
    "io_serviced_recursive",
    "io_queue_recursive",
    "io_service_time_recursive",
    "io_wait_time_recursive",
    "io_merged_recursive",
    "io_time_recursive",
    "sectors_recursive",
)


def usage(root: Path, version: int) -> Usage:
    files, cgroups = ((VERSION_1, Cgroup1.below), (VERSION_2, Cgroup2))[version - 1]
    found = cgroups(write(root, files, version)).usage(CGROUP)
    assert found is not None
    return found


@attrs.define(eq=False)
class FakeMeter:
    """Has the same sample for everybody."""

    usage: Usage
    failure: Failed | None = None
    asked: trio.Event = attrs.field(factory=trio.Event)

    async def read(self, subjects: Mapping[str, Subject]) -> dict[str, Sample]:
        self.asked.set()
        if self.failure is not None:
            raise self.failure
        return {key: Sample(subject, AT_NS, self.usage, 50, 2, None) for key, subject in subjects.items()}


@attrs.define(eq=False)
class FakeEngine:
    """One container, called web."""

    web: Container
    meter: FakeMeter
    statistics: Statistics = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.statistics = Statistics(self, lambda record: record.id, self.meter)

    @property
    def containers(self) -> FakeEngine:
        return self

    def resolve(self, reference: str) -> Container:
        if reference != "web":
            raise NotFound(f"No such container: {reference}")
        return self.web

    def become(self, state: State) -> None:
        self.web.cell.publish(self.web.snapshot.replace(state=state))


@attrs.define
class World:
    """A served engine."""

    engine: FakeEngine
    dial: Dial
    clients: AsyncExitStack

    async def get(self, target: str) -> trio.SocketStream:
        client = await self.clients.enter_async_context(await self.dial())
        await client.send_all(request(f"GET {target}"))
        return client

    async def answer(self, target: str) -> tuple[int, Any]:
        """Return status and document of a whole answer."""
        head, _, body = (await read_answer(await self.get(target))).partition(b"\r\n\r\n")
        return int(head.split()[1]), orjson.loads(body)


def app_of(engine: FakeEngine) -> Application:
    return make_app(cast("Any", engine), [stats.routes])


@pytest.fixture
def engine(tmp_path: Path) -> FakeEngine:
    snapshot = ContainerSnapshot(a_record("web"), State.RUNNING, Run(11, 1, 10, 1))
    web = Container(snapshot.id, Mailbox("container web"), Cell(snapshot))
    return FakeEngine(web, FakeMeter(usage(tmp_path, 1)))


@pytest.fixture
async def world(engine: FakeEngine, tmp_path: Path) -> AsyncGenerator[World, None]:
    app = cast("ASGIFramework", app_of(engine))
    async with serving(app, tmp_path) as (_, dial), AsyncExitStack() as clients:
        yield World(engine, dial, clients)


async def read_record(client: trio.SocketStream) -> Any:
    """Read one chunk, which is one record; None for the last one."""
    size = b""
    while not size.endswith(b"\r\n"):
        size += await client.receive_some(1)
    record = b""
    while len(record) < int(size, 16) + 2:
        record += await client.receive_some(int(size, 16) + 2 - len(record))
    return orjson.loads(record) if int(size, 16) else None


async def test_one_shot_is_one_sample_that_is_compared_with_nothing(world: World) -> None:
    status, found = await world.answer("/containers/web/stats?stream=0&one-shot=1")
    assert status == 200
    assert (found["read"], found["preread"]) == ("2026-09-21T14:13:20.000000001Z", NEVER)
    assert found["cpu_stats"]["cpu_usage"]["total_usage"] == 691987502
    assert found["precpu_stats"] == NO_CPU


@pytest.mark.parametrize("version", ["", "/v1.40"])
async def test_without_it_there_are_two(engine: FakeEngine, autojump_clock: MockClock, version: str) -> None:
    one_shot = "&one-shot=1" if version else ""  # older clients know nothing of it
    client = app_of(engine).test_client()
    answer = await client.get(f"{version}/containers/web/stats?stream=false{one_shot}")
    found = await answer.get_json()
    assert (answer.status_code, found["preread"]) == (200, found["read"])
    assert found["precpu_stats"] == found["cpu_stats"]
    assert LEAST_SECONDS <= trio.current_time() <= LEAST_SECONDS + PERIOD_SECONDS


async def test_a_stream_begins_at_once_and_ends_with_the_container(world: World) -> None:
    client = await world.get("/containers/web/stats")
    head = (await read_head(client)).lower()
    assert head.startswith(b"http/1.1 200")
    assert b"transfer-encoding: chunked" in head
    assert b"content-type: application/json\r\n" in head
    assert b"ostype: linux" in head
    first = await read_record(client)
    assert (first["preread"], first["precpu_stats"]) == (NEVER, NO_CPU)
    world.engine.become(State.REMOVED)
    assert await read_record(client) is None


@pytest.mark.parametrize("query", ["stream=0", "stream=0&one-shot=1"])
async def test_what_does_not_run_has_empty_records_at_once(world: World, query: str) -> None:
    world.engine.become(State.EXITED)
    status, found = await world.answer(f"/containers/web/stats?{query}")
    assert (status, found) == (
        200,
        {
            "read": NEVER,
            "preread": NEVER,
            "pids_stats": {},
            "blkio_stats": dict.fromkeys(LISTS),
            "num_procs": 0,
            "storage_stats": {},
            "cpu_stats": NO_CPU,
            "precpu_stats": NO_CPU,
            "memory_stats": {},
            "name": "/web",
            "id": world.engine.web.id,
        },
    )


async def test_a_removal_between_two_samples_is_told(world: World) -> None:
    client = await world.get("/containers/web/stats?stream=0")
    await world.engine.meter.asked.wait()
    world.engine.become(State.REMOVED)
    assert (await read_answer(client)).startswith(b"HTTP/1.1 404")


@pytest.mark.parametrize(
    ("target", "status", "message"),
    [
        ("/containers/db/stats", 404, "No such container: db"),
        ("/containers/db/stats?stream=0", 404, "No such container: db"),
        ("/containers/web/stats?one-shot=1", 400, "cannot have stream=true and one-shot=true"),
    ],
)
async def test_what_cannot_be_is_refused(world: World, target: str, status: int, message: str) -> None:
    assert await world.answer(target) == (status, {"message": message})


async def test_what_cannot_be_read_is_told(world: World) -> None:
    world.engine.meter.failure = Failed("statistics cannot be read: no more files")
    status, told = await world.answer("/containers/web/stats?stream=0")
    assert (status, told["message"]) == (500, "statistics cannot be read: no more files")


def rendered(root: Path, version: int, interfaces: Mapping[str, Interface] | None = None) -> Any:
    snapshot = ContainerSnapshot(a_record("web"), State.RUNNING)
    sample = Sample(SUBJECT, AT_NS, usage(root, version), 50, 2, interfaces)
    return orjson.loads(render(Reading(snapshot, sample)))


def test_version_1_as_docker_spells_it(tmp_path: Path) -> None:
    found = rendered(tmp_path, 1)
    assert found["cpu_stats"] == {
        "cpu_usage": {
            "total_usage": 691987502,
            "percpu_usage": [435296819, 256690683],
            "usage_in_kernelmode": 30000000,
            "usage_in_usermode": 660000000,
        },
        "system_cpu_usage": 50,
        "online_cpus": 2,
        "throttling_data": {"periods": 35, "throttled_periods": 6, "throttled_time": 26711869},
    }
    memory = found["memory_stats"]
    assert memory["stats"].pop("total_inactive_file") == 20971522
    assert memory.pop("stats")["rss"] == 49152
    assert memory == {"usage": 323584, "max_usage": 3682304, "failcnt": 5, "limit": 67108864}
    assert found["pids_stats"] == {"current": 2, "limit": 50}
    assert tuple(found["blkio_stats"]) == LISTS
    assert found["blkio_stats"]["io_service_bytes_recursive"][0] == {
        "major": 8,
        "minor": 0,
        "op": "Read",
        "value": 4096,
    }
    assert [len(found["blkio_stats"][name]) for name in LISTS] == [6, 2, 0, 0, 0, 0, 0, 0]
    assert "networks" not in found


def test_version_2_as_docker_spells_it(tmp_path: Path) -> None:
    found = rendered(tmp_path, 2)
    assert "percpu_usage" not in found["cpu_stats"]["cpu_usage"]
    assert found["memory_stats"] == {
        "usage": 323584,
        "stats": {
            "anon": 49152,
            "file": 20971520,
            "inactive_file": 20971520,
            "kernel_stack": 16384,
            "slab": 53248,
        },
        "failcnt": 5,
        "limit": 67108864,
    }
    assert found["blkio_stats"] == {
        **dict.fromkeys(LISTS),
        "io_service_bytes_recursive": [
            {"major": 8, "minor": 0, "op": "read", "value": 4096},
            {"major": 8, "minor": 0, "op": "write", "value": 8192},
        ],
    }


def test_links_are_told_of_by_name(tmp_path: Path) -> None:
    names = ("bytes", "packets", "errors", "dropped")
    found = rendered(tmp_path, 1, {"eth0": Interface(*range(1, 9))})
    received = {f"rx_{name}": count for count, name in enumerate(names, 1)}
    sent = {f"tx_{name}": count for count, name in enumerate(names, 5)}
    assert found["networks"] == {"eth0": received | sent}
    assert rendered(tmp_path, 1, {})["networks"] == {}
