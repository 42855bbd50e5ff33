"""A runtime that gets stuck in one of its commands, and what can be seen of whoever waits for it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import attrs

from tests.clients.engine import Engine, configure
from tests.clients.http_api import Api

WAYS: Final[Mapping[str, str]] = MappingProxyType({"sleeps": "{sleep} 1000", "stops": "kill -STOP $$"})
"""How: with a child of its own, or so that it hears nothing but SIGKILL.  Neither ends by itself."""

SCRIPT: Final = """#!/bin/sh
echo "$@" >> {log}
case " $* " in *" {command} "*) {way} ;; esac
exec crun "$@"
"""


@attrs.frozen
class StuckRuntime:
    """The runtime that is configured as "stuck"."""

    script: Path
    log: Path

    @classmethod
    def configured(cls, engine: Engine, api: Api, way: str, command: str) -> StuckRuntime:
        """Have the engine know it; everything about it is below the engine's root, to be missed if left."""
        sleep = engine.root / "sleep"
        if not sleep.exists():
            shutil.copy(shutil.which("sleep") or "", sleep)
        found = cls(engine.root / f"{way}-in-{command}", engine.root / f"{way}-in-{command}.log")
        found.log.write_text("")
        found.script.write_text(
            SCRIPT.format(log=found.log, command=command, way=WAYS[way].format(sleep=sleep))
        )
        found.script.chmod(0o755)
        configure(engine.root, {"runtimes": {"stuck": {"path": str(found.script)}}})
        api.reload()
        return found

    def calls(self, command: str) -> int:
        """Return how often it was told to do `command`."""
        return sum(f" {command} " in line for line in self.log.read_text().splitlines())


def operation(api: Api, container: str) -> dict[str, Any]:
    """Return what inspect shows as under way; nothing of it if nothing is."""
    return dict(api.get(f"/containers/{container}/json")["State"].get("Operation", {}))


def waits_for_its_runtime(api: Api, container: str) -> bool:
    """Tell whether a container is at something that the engine gives up one day."""
    return operation(api, container).get("Deadline") is not None


def actor(api: Api, container: str) -> dict[str, Any]:
    """Return what the actor of a container with this full id is doing."""
    (found,) = [one for one in api.get("/debug/actors")["Actors"] if one["Name"] == f"container {container}"]
    return dict(found)
