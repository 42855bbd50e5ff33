"""One container, or one exec session: what its client was promised beside what the engine says of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from daemon.actors.container.restarting import EXIT_UNKNOWN
from tests.clients.restarts.crash.history import Life
from tests.clients.restarts.crash.model import ALIVE, GONE, Session, Subject

UNDER_WAY: Final = {"restarting", "removing"}
INTERRUPTED: Final = ["exec_create", "exec_die"]

Found = Mapping[str, Any]


def of_life(subject: Subject, status: str, life: Life) -> Iterator[str]:
    """Compare a container with its events."""
    if (status if status != GONE or life.status else "") != life.status and status not in UNDER_WAY:
        yield f"is {status}, and {life.status!r} by its events"
    if not subject.starts <= life.starts or (life.starts > subject.tries and not subject.keeps_going):
        yield f"has {life.starts} starts, not {subject.starts} to {subject.tries}"
    if unknown := {*life.codes} - subject.codes_ever:
        yield f"has died with {unknown}, which is none of {set(subject.codes_ever)}"


def of_state(subject: Subject, found: Found, life: Life) -> Iterator[str]:
    """Compare a container with what inspect says."""
    state = found["State"]
    if found["Name"].removeprefix("/") not in {*subject.names, subject.name}:
        yield f"is called {found['Name']}, not {set(subject.names)}"
    if found["HostConfig"]["CpuShares"] not in subject.shares:
        yield f"has the limit {found['HostConfig']['CpuShares']}, not {set(subject.shares)}"
    if state.get("Operation"):
        yield f"is not settled: {state['Operation']}"
    if subject.pid and not subject.codes and state["Pid"] != subject.pid:
        yield f"has the process {state['Pid']}, not {subject.pid}"
    launched = state["Status"] == "exited" and not state["Error"]
    if launched and life.codes[-1:] != [state["ExitCode"]]:
        yield f"shows {state['ExitCode']}, its last event {life.codes}"
    ended = launched and subject.status in ALIVE and subject.codes and not subject.keeps_going
    if ended and state["ExitCode"] not in subject.codes:
        yield f"has exited with {state['ExitCode']}, not {set(subject.codes)}"


def of_session(session: Session, found: Found | None, steps: list[str]) -> str:
    """Return what is wrong with an exec session, if anything."""
    running = found is not None and found["Running"]
    if session.started and "exec_start" not in steps:
        return f"its start was answered and is not among {steps}"
    if running != (steps[-1:] == ["exec_start"]):
        return f"by its events {steps}"
    if session.started and not session.codes and not (running and found and found["Pid"] == session.pid):
        return "does not run any more"
    if steps == INTERRUPTED and found and found["ExitCode"] == EXIT_UNKNOWN and not session.started:
        return ""  # nobody knows whether it ran
    ended = found is not None and not running and found["ExitCode"] is not None
    if ended and found and session.attempted and session.codes and found["ExitCode"] not in session.codes:
        return "has another exit code"
    return ""
