"""The configuration over HTTP, an extension: what is in force, what a reload would do, and the reload.

    GET  /reload             what is in force and what became of the last reload
    POST /reload             read the configuration again and put it in force
    POST /reload?dry-run=1   say what that would do

A plan is answered in the form of `_plan`; a refusal is a 400 with all problems.
"""

from __future__ import annotations

from itertools import groupby
from typing import Any, Final

import orjson
from quart import Blueprint, Response

from daemon.actors.configuration.actor import LiveConfiguration, ReloadRefused
from daemon.actors.configuration.plan import OlderRun, Plan, older_runs
from daemon.actors.configuration.value import Change, Configuration
from daemon.api import answers
from daemon.api.app import engine
from daemon.api.query import flag
from daemon.api.timestamps import rfc3339

routes = Blueprint("configuration", __name__)
REFUSED: Final = 400


@routes.get("/reload")
async def show() -> Response:  # ruff: ignore[unused-async]  Quart would run it in a thread
    """Show what is in force, and the last reload if it was refused."""
    live = engine().live
    configuration = live.current
    older = older_runs(configuration.generation, live.containers())
    return answers.json({**_in_force(configuration, older), "Refused": _refusal(live)})


@routes.post("/reload")
async def reload() -> Response:
    """Reload, or say what a reload would do."""
    live, dry_run = engine().live, flag("dry-run")
    try:
        plan = await (live.plan() if dry_run else live.reload())
    except ReloadRefused as error:
        body = {"message": str(error), "problems": list(error.problems)}
        return Response(orjson.dumps(body), REFUSED, content_type="application/json")
    return answers.json({"DryRun": dry_run, **_plan(plan)})


def _plan(plan: Plan) -> dict[str, Any]:
    return {
        **_in_force(plan.configuration, plan.older),
        "Changes": [_change(change) for change in plan.changes],
        "Runtimes": [
            {"Name": change.name, "From": change.before, "To": change.after} for change in plan.runtimes
        ],
    }


def _in_force(configuration: Configuration, older: tuple[OlderRun, ...]) -> dict[str, Any]:
    generations = groupby(older, lambda run: run.generation)
    return {
        "Generation": configuration.generation,
        "AfterRestart": [_change(change) for change in configuration.pending],
        "OlderGenerations": [
            {"Generation": generation, "Containers": [_older(run) for run in runs]}
            for generation, runs in generations
        ],
        "Warnings": list(configuration.warnings),
    }


def _change(change: Change) -> dict[str, Any]:
    return {
        "Key": change.key,
        "From": change.before,
        "To": change.after,
        "TakesEffect": change.takes_effect.value,
    }


def _older(run: OlderRun) -> dict[str, str]:
    return {"Id": run.id, "Name": run.name, "Runtime": run.runtime, "Path": run.path}


def _refusal(live: LiveConfiguration) -> dict[str, Any] | None:
    refusal = live.refusal
    if refusal is None:
        return None
    return {"At": rfc3339(refusal.at_ns), "Problems": list(refusal.problems)}
