"""Reloading the configuration of a running engine: what is refused, planned, told, and pending."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest

from tests.clients.cli import Docker
from tests.clients.engine import Engine, configure, until
from tests.clients.http_api import Api

INVALID: Final = {"labels": "a=b", "lables": []}
WRAPPED: Final = {"path": "crun", "runtimeArgs": ["--debug"]}


def reconfigure(engine: Engine, api: Api, document: dict[str, Any]) -> Any:
    configure(engine.root, document)
    return api.reload()


def files(engine: Engine) -> list[str]:
    return sorted(str(path) for path in (engine.root / "data" / "runtimes").rglob("*"))


def test_an_invalid_file_at_sighup_changes_nothing_and_is_told_of(
    engine: Engine, api: Api, docker: Docker
) -> None:
    reconfigure(engine, api, {"labels": ["stays=yes"]})
    before = api.get("/reload")
    configure(engine.root, INVALID)
    engine.hang_up()
    until(lambda: api.get("/reload")["Refused"], "the refusal")
    problems = api.get("/reload")["Refused"].pop("Problems")
    assert "the following directives don't match any configuration option: lables" in problems
    assert api.get("/reload") | {"Refused": None} == before
    info = docker("info")
    assert "stays=yes" in info.out
    for problem in problems:
        assert problem in engine.log
        assert problem in info.err
    assert "WARNING: the configuration of generation" in info.err
    reconfigure(engine, api, {})
    assert "was refused" not in docker("info").err


def test_an_invalid_file_is_refused_with_all_its_problems(engine: Engine, api: Api) -> None:
    configure(engine.root, INVALID)
    for query in ({}, {"dry-run": 1}):
        refused = api("POST", "/reload", **query)
        assert refused.status == 400
        assert refused.message.startswith("configuration not reloaded: ")
        assert len(refused.document["problems"]) == 2
        assert any("labels" in problem for problem in refused.document["problems"])


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"labels": [1]}', '{"labels": {}}', "\0", "[" * 100_000, "\ud800"]
)
def test_what_is_no_configuration_is_a_400(engine: Engine, api: Api, text: str) -> None:
    (engine.root / "daemon.json").write_bytes(text.encode(errors="surrogatepass"))
    refused = api("POST", "/reload")
    assert (refused.status, bool(refused.document["problems"])) == (400, True)


@pytest.mark.parametrize("name", ["n" * 255, "with blank and 'quote'", "ä", ".hidden", "-x"])
def test_any_name_that_is_accepted_can_be_used(engine: Engine, api: Api, docker: Docker, name: str) -> None:
    configure(engine.root, {"runtimes": {name: WRAPPED}})
    if api("POST", "/reload").status == 200:
        assert docker.run("--runtime", name, "busybox", "echo", "works").out == "works\n"


def test_a_file_that_is_gone_is_a_400(engine: Engine, api: Api) -> None:
    (engine.root / "daemon.json").unlink()
    refused = api("POST", "/reload")
    assert (refused.status, "daemon.json" in refused.message) == (400, True)


def test_a_dry_run_plans_and_leaves_no_trace(engine: Engine, api: Api, docker: Docker) -> None:
    reconfigure(engine, api, {"runtimes": {"wrapped": WRAPPED}})
    run = docker.sleeper("--runtime", "wrapped")
    before, events, scripts = api.get("/reload"), api.reload_events(), files(engine)
    configure(engine.root, {"labels": ["a=b"], "mtu": 1400, "runtimes": {"other": WRAPPED}})
    plan = api("POST", "/reload", **{"dry-run": 1}).document
    assert (api.get("/reload"), api.reload_events(), files(engine)) == (before, events, scripts)
    assert api.get("/info")["Labels"] == []

    assert plan["DryRun"]
    assert plan["Generation"] == before["Generation"] + 1
    assert [(one["Key"], one["TakesEffect"]) for one in plan["AfterRestart"]] == [("mtu", "engine restart")]
    assert {one["Key"]: one["TakesEffect"] for one in plan["Changes"]} == {
        "labels": "now",
        "runtimes": "next start of a container",
    }
    assert [(one["Name"], bool(one["From"]), bool(one["To"])) for one in plan["Runtimes"]] == [
        ("other", False, True),
        ("wrapped", True, False),
    ]
    (older,) = plan["OlderGenerations"]
    assert [one["Id"] for one in older["Containers"]] == [run]
    assert api.reload() == plan | {"DryRun": False}


def test_what_takes_a_restart_is_pending_and_shown(engine: Engine, api: Api, docker: Docker) -> None:
    reconfigure(engine, api, {"mtu": 1400, "pidfile": "/nowhere/else.pid"})
    pending = api.get("/reload")["AfterRestart"]
    assert {one["Key"]: (one["From"], one["To"]) for one in pending}["mtu"] == (0, 1400)
    warnings = docker("info").err
    for key in ("mtu", "pidfile"):
        assert f"WARNING: {key}: the new value takes effect after a restart of the engine" in warnings
    reconfigure(engine, api, {})
    assert "takes effect after a restart" not in docker("info").err


def test_a_flag_in_the_file_as_well_is_refused(engine: Engine, api: Api) -> None:
    configure(engine.root, {"debug": True})
    text = "the following directives are specified both as a flag and in the configuration file: debug"
    assert text in api("POST", "/reload").message


def test_a_reload_is_one_event_that_clients_can_choose(engine: Engine, api: Api, docker: Docker) -> None:
    before = len(api.reload_events())
    reconfigure(engine, api, {"labels": ["a=b"], "shutdown-timeout": 7, "features": {"z": False, "a": True}})
    info = api.get("/info")
    options = ("--since", "0", "--until", info["SystemTime"], "--format", "{{json .}}")
    lines = docker("events", *options, "--filter", f"daemon={info['ID']}").lines
    events = [json.loads(line) for line in lines if json.loads(line)["Action"] == "reload"]
    assert len(events) == before + 1
    event = events[-1]
    attributes = event["Actor"]["Attributes"]
    assert (event["Type"], event["Actor"]["ID"], event["scope"]) == ("daemon", info["ID"], "local")
    assert sorted(attributes)[-1] == "shutdown-timeout"
    expected = {
        "debug": "true",
        "default-runtime": info["DefaultRuntime"],
        "features": "map[a:true z:false]",
        "generation": str(api.get("/reload")["Generation"]),
        "labels": '["a=b"]',
        "live-restore": "true",
        "max-concurrent-downloads": "3",
        "name": info["Name"],
        "registry-mirrors": "[]",
        "shutdown-timeout": "7",
    }
    assert attributes == attributes | expected
    elsewhere = docker("events", *options, "--filter", "daemon=somebody-else").lines
    assert elsewhere == []


def test_a_reload_that_changes_nothing_keeps_the_generation_and_is_told_of(engine: Engine, api: Api) -> None:
    reconfigure(engine, api, {"labels": ["a=b"]})
    before, events = api.get("/reload"), len(api.reload_events())
    assert api.reload()["Changes"] == []
    assert api.get("/reload") == before
    assert len(api.reload_events()) == events + 1
