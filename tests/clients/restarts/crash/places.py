"""Every failpoint there is, read from the engine's source, and what clients have to do to get there."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import daemon
from daemon.actors.container import effects
from daemon.actors.exec import actor as exec_actor

CHANGES: Final = ("create_network", "connect_network", "disconnect_network")
NAMED: Final[Mapping[str, tuple[str, ...]]] = {
    "effect-launch": ("start",),
    "effect-abort": ("abort",),
    "effect-connect": ("start",),
    "effect-signal": ("stop",),
    "effect-kill": ("kill", "force_remove"),
    "effect-arm-grace": ("stop",),
    "effect-shorten-grace": ("stop_twice",),
    "effect-freeze": ("pause",),
    "effect-thaw": ("pause", "unpause"),
    "effect-clean-up": ("stop", "kill"),
    "effect-auto-remove": ("auto-remove", "start", "kill"),
    "effect-back-off": ("keeps-going", "start", "leave"),
    "effect-end-back-off": ("keeps-going", "start", "stop_in_back_off"),
    "effect-delete": ("remove", "force_remove"),
    "effect-open-session": ("attach",),
    "effect-resize": ("start", "resize"),
    "effect-postpone": ("stop_and_start", "force_remove"),
    "exec-effect-launch": ("start", "session", "short_session"),
    "exec-effect-note": ("start", "detach"),
    "exec-effect-resize": ("start", "resize_session", "detach"),
    "effect-update": ("update",),
    "exec-effect-clean-up": ("start", "short_session"),
    "effect-admit": ("copy",),
    "effect-cut-off": ("force_remove", "remove_while_copied"),
    "effect-hurry": ("remove_while_copied",),
    "copy": ("copy",),
    "commit": ("start", "commit"),
    "exec": ("start", "session", "short_session"),
    "launch": ("start",),
    "clean-up": ("stop", "kill"),
    "delete": ("remove", "force_remove"),
    "create": ("remove", "force_remove"),
    "image-layer-imported": ("bring_in",),
    "image-blobs-discarded": ("load", "untag"),
    "image-blob-downloaded": ("pull", "untag"),
    "image-partial-grown": ("pull", "untag"),
    "image": ("load", "bring_in", "untag", "pull"),
    "layer": ("load", "bring_in", "untag", "pull"),
    "reload": ("reload",),
    "update": ("start", "update"),
    "effect-tell-name": ("own", "rename"),
    "effect-change-networks": ("bridge", "own", "start", *CHANGES),
    "network": ("create_network",),
    "network-withdrawn": ("create_network", "remove_network"),
    "network-lowered": ("create_network", "remove_network"),
    "network-deleted": ("create_network", "remove_network"),
    "plumb": ("bridge", "own", "start"),
    "plumb-published": ("bridge-published", "own-published", "start"),
    "plumb-told": ("own", "start"),
    "leave": ("bridge-published", "own-published", "start", "kill", "leave"),
    "leave-names-dropped": ("own", "start", "kill"),
    "join": ("bridge", "own", "start", *CHANGES),
    "quit": ("bridge", "own", "start", *CHANGES),
    "quit-claimed": ("bridge-published", "own-published", "start", *CHANGES),
    "rename": ("own", "start", "rename"),
    "firewall": ("create_network", "remove_network"),
    "netlink": ("bridge", "own", "start", "create_network"),
    "wrapper": ("reload",),
}
"""The deeds that lead to a failpoint, by the longest beginning of its name that is here; else any do."""
AFTER: Final[Mapping[str, str]] = {
    "effect-give-up-before": "launch-mounted",
    "effect-give-up-after": "launch-created",
    "update-taken-back": "update-applied",
}
"""Failpoints that only an engine reaches whose predecessor has died at another one."""
OUT_OF_REACH: Final = ("effect-thaw-again",)
"""Beginnings of the names of failpoints that only a failing runtime leads to; they have their own tests."""


def failpoints() -> list[str]:
    """Return the names of all failpoints that clients can lead to."""
    names = {name for file in Path(daemon.__file__).parent.rglob("*.py") for name in _reached(file)}
    for boundaries in (effects.FAILPOINTS, exec_actor.FAILPOINTS):
        names |= {name for boundary in boundaries.values() for name in boundary}
    return sorted(name for name in names if not name.startswith(OUT_OF_REACH))


def _reached(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text())):
        match node:
            case ast.Call(
                func=ast.Name(id="reached") | ast.Attribute(attr="reached"),
                args=[ast.Constant(value=str(name))],
            ):
                yield name


def first_time_only(failpoint: str) -> bool:
    """Whether an engine reaches a failpoint once at most, or in one way, that is at its start."""
    return failpoint in AFTER or failpoint.startswith("recover-")


def deeds_for(failpoint: str) -> tuple[str, ...]:
    """Return the deeds that lead to a failpoint."""
    fitting = [beginning for beginning in NAMED if failpoint.startswith(beginning)]
    return NAMED[max(fitting, key=len)] if fitting else ()
