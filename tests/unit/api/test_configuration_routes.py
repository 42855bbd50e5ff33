"""The configuration over HTTP: the shapes of what is answered, and when nothing is changed."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any, cast

import attrs
import pytest
import trio
from structlog.testing import capture_logs

from daemon.actors.configuration.actor import LiveConfiguration
from daemon.actors.container.snapshot import ContainerSnapshot
from daemon.actors.container.states import State
from daemon.actors.engine import Engine
from daemon.api.app import Application, make_app
from daemon.api.docker import configuration
from daemon.configuration import InvalidSettings
from daemon.errors import Failed
from daemon.runtimes.table import LockedRuntime
from daemon.settings import Settings
from tests.unit.actors.configurations import Reloading
from tests.unit.actors.world import a_record
from tests.unit.runtimes.tables import a_table

UNCHANGED = {"Generation": 1, "AfterRestart": [], "OlderGenerations": [], "Warnings": []}


@attrs.frozen
class FakeEngine:
    """What these routes ask of an engine."""

    live: LiveConfiguration


@pytest.fixture
async def reloading() -> AsyncGenerator[Reloading, None]:
    with capture_logs():
        async with trio.open_nursery() as nursery:
            reloading = Reloading()
            nursery.start_soon(reloading.actor.run)
            yield reloading
            nursery.cancel_scope.cancel()


@pytest.fixture
def app(reloading: Reloading) -> Application:
    return make_app(cast("Engine", FakeEngine(reloading.live)), [configuration.routes])


async def asked(app: Application, method: str, path: str) -> tuple[int, Any]:
    response = await getattr(app.test_client(), method.lower())(path)
    assert response.headers["Content-Type"] == "application/json"
    return response.status_code, await response.get_json()


def a_run(name: str, generation: int) -> ContainerSnapshot:
    runtime = LockedRuntime("crun", f"/runtimes/crun.{generation}", "/usr/bin/crun", ("-x",), generation)
    record = attrs.evolve(a_record(name, id=name * 64), runtime=runtime)
    return ContainerSnapshot(record, State.RUNNING)


def shown_run(name: str, generation: int) -> dict[str, str]:
    path = f"/runtimes/crun.{generation}"
    return {"Id": name * 64, "Name": name, "Runtime": "crun", "Path": path}


async def test_what_is_in_force_can_be_seen(app: Application) -> None:
    assert await asked(app, "GET", "/reload") == (200, {**UNCHANGED, "Refused": None})


async def test_versions_of_the_api_make_no_difference(app: Application) -> None:
    assert await asked(app, "GET", "/v1.41/reload") == await asked(app, "GET", "/reload")


async def test_a_reload_without_a_difference_says_so(app: Application) -> None:
    expected = {"DryRun": False, **UNCHANGED, "Changes": [], "Runtimes": []}
    assert await asked(app, "POST", "/reload") == (200, expected)


async def test_a_reload_says_what_it_has_changed(app: Application, reloading: Reloading) -> None:
    reloading.host.wanted = Settings(labels=("a=b",), mtu=1400)
    reloading.host.table = a_table("crun", "mine")
    status, plan = await asked(app, "POST", "/v1.41/reload")
    mtu = {"Key": "mtu", "From": 0, "To": 1400, "TakesEffect": "engine restart"}
    waiting = "mtu: the new value takes effect after a restart of the engine"
    assert (status, plan) == (
        200,
        {
            "DryRun": False,
            "Generation": 2,
            "AfterRestart": [mtu],
            "OlderGenerations": [],
            "Warnings": [waiting],
            "Changes": [{"Key": "labels", "From": [], "To": ["a=b"], "TakesEffect": "now"}],
            "Runtimes": [
                {"Name": "mine", "From": "", "To": "/usr/bin/mine"},
                {"Name": "runc", "From": "/usr/bin/runc", "To": ""},
            ],
        },
    )
    _, shown = await asked(app, "GET", "/reload")
    assert (shown["Generation"], shown["AfterRestart"], shown["Warnings"]) == (2, [mtu], [waiting])


@pytest.mark.parametrize(("query", "dry"), [("1", True), ("true", True), ("0", False), ("", False)])
async def test_only_a_dry_run_changes_nothing(
    app: Application, reloading: Reloading, query: str, dry: bool
) -> None:
    before = reloading.live.current
    reloading.host.wanted = Settings(debug=True)
    status, plan = await asked(app, "POST", f"/reload?dry-run={query}")
    assert (status, plan["DryRun"], plan["Generation"]) == (200, dry, 2)
    assert [change["Key"] for change in plan["Changes"]] == ["debug"]
    assert (reloading.live.current is before) is dry
    assert reloading.generations == ([] if dry else ["2"])


async def test_who_runs_on_from_earlier_is_grouped_by_generation(
    app: Application, reloading: Reloading
) -> None:
    running = [a_run("a", 2), a_run("b", 1), a_run("c", 2), a_run("d", 3)]
    reloading.live.containers = lambda: running
    now = reloading.live.current
    reloading.live.cell.publish(attrs.evolve(now, runtimes=attrs.evolve(now.runtimes, generation=3)))
    _, shown = await asked(app, "GET", "/reload")
    assert shown["OlderGenerations"] == [
        {"Generation": 1, "Containers": [shown_run("b", 1)]},
        {"Generation": 2, "Containers": [shown_run("a", 2), shown_run("c", 2)]},
    ]
    reloading.host.wanted = Settings(debug=True)
    _, plan = await asked(app, "POST", "/reload?dry-run=1")
    assert [older["Generation"] for older in plan["OlderGenerations"]] == [1, 2, 3]


@pytest.mark.parametrize("path", ["/reload", "/reload?dry-run=1"])
async def test_a_refusal_lists_every_problem(app: Application, reloading: Reloading, path: str) -> None:
    reloading.host.faults["read"] = InvalidSettings("mtu: no", "bip: no")
    assert await asked(app, "POST", path) == (
        400,
        {"message": "configuration not reloaded: mtu: no; bip: no", "problems": ["mtu: no", "bip: no"]},
    )


async def test_the_last_refusal_is_shown_until_a_reload_happens(
    app: Application, reloading: Reloading
) -> None:
    reloading.host.faults["read"] = InvalidSettings("mtu: no", "bip: no")
    await asked(app, "POST", "/reload")
    _, shown = await asked(app, "GET", "/reload")
    assert shown == {
        **UNCHANGED,
        "Refused": {"At": "1970-01-01T00:00:00.000000007Z", "Problems": ["mtu: no", "bip: no"]},
    }
    reloading.host.faults.clear()
    await asked(app, "POST", "/reload")
    assert (await asked(app, "GET", "/reload"))[1]["Refused"] is None


async def test_a_disk_that_refuses_is_an_error_of_the_engine(app: Application, reloading: Reloading) -> None:
    reloading.ledger.fails = Failed("the journal cannot be written")
    assert await asked(app, "POST", "/reload") == (500, {"message": "the journal cannot be written"})
    _, shown = await asked(app, "GET", "/reload")
    assert shown["Refused"]["Problems"] == ["the journal cannot be written"]
