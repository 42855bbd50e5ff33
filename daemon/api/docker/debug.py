"""What every actor of this engine is doing, an extension: `GET /debug/actors`.

Read from mailboxes, snapshots and the supervisor's notes, without asking anybody, so it can be had when
everything else is stuck.  The answer:

    {"Actors": [ACTOR, ...],       the configuration's, the images', the transfers', the containers', ...
     "Tasks": [{"Name", "Since"}]} what is seen through without an actor, such as the making of a container

and an ACTOR, in which every time is RFC 3339 and what there is none of is null or empty:

    {"Name": "container 4f1d...",
     "State": "starting",          of its state machine; where there is none, "busy" or "idle"
     "Waiting": 2,                 senders whose messages it has not taken yet
     "AtHand": {"Message", "Since"},  what it works on now; normally for about as long as a write to the disk
     "Open": [{"Message", "Since", "Postponed", "Abandoned"}],  requests taken and not answered: postponed
                                   until the next change of state; abandoned by clients that have hung up
     "Stages": [{"Name", "Since", "Deadline"}],  what its child tasks wait for, and until when at most
     "Alive": true,                false between a crash and the next incarnation
     "Crashes": 1,                 how often it was started again
     "LastCrash": {"At", "Error"}}
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from quart import Blueprint, Response

from daemon.actors.engine import Engine
from daemon.actors.mailbox import Mailbox
from daemon.actors.supervision import Kept
from daemon.api import answers
from daemon.api.app import engine
from daemon.api.timestamps import rfc3339
from daemon.runtimes.stages import Stage

routes = Blueprint("debug", __name__)
UNKNOWN: Final = Kept(alive=False)  # it is ending: the supervisor has forgotten it, its registry not yet


@routes.get("/debug/actors")
async def actors() -> Response:  # ruff: ignore[unused-async]  Quart would run it in a thread
    """Answer with all actors."""
    found = engine()
    tasks = [
        {"Name": task.name, "Since": rfc3339(task.since_ns)}
        for task in found.containers.supervision.seen_through
    ]
    return answers.json({"Actors": list(_actors(found)), "Tasks": tasks})


def _actors(found: Engine) -> Iterator[dict[str, Any]]:
    kept = found.containers.supervision.kept
    for mailbox in (found.live.mailbox, found.images.mailbox, found.transfers.mailbox):
        busy = bool(mailbox.at_hand or mailbox.unanswered)
        yield _actor(mailbox, "busy" if busy else "idle", (), kept.get(mailbox.name, UNKNOWN))
    for one in (*found.containers, *found.execs):
        yield _actor(one.mailbox, one.snapshot.state.value, one.stages, kept.get(one.mailbox.name, UNKNOWN))


def _actor(mailbox: Mailbox, state: str, stages: Iterable[Stage], kept: Kept) -> dict[str, Any]:
    at_hand, crash = mailbox.at_hand, kept.last_crash
    return {
        "Name": mailbox.name,
        "State": state,
        "Waiting": mailbox.waiting,
        "AtHand": at_hand and {"Message": _name(at_hand.message), "Since": rfc3339(at_hand.since_ns)},
        "Open": [
            {
                "Message": _name(request.command),
                "Since": rfc3339(request.taken_ns),
                "Postponed": request.postponed,
                "Abandoned": request.abandoned,
            }
            for request in mailbox.unanswered
        ],
        "Stages": [_stage(stage) for stage in stages],
        "Alive": kept.alive,
        "Crashes": kept.crashes,
        "LastCrash": crash and {"At": rfc3339(crash.at_ns), "Error": crash.text},
    }


def _stage(stage: Stage) -> dict[str, Any]:
    deadline_ns = stage.deadline_ns
    return {
        "Name": stage.name,
        "Since": rfc3339(stage.since_ns),
        "Deadline": None if deadline_ns is None else rfc3339(deadline_ns),
    }


def _name(message: object) -> str:
    return type(message).__name__
