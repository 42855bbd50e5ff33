"""What clients do with their containers, by what the container is doing.

Each deed announces what may come of it, asks, and notes the answer.  Which status allows which deeds, and how
often each is done, is one table.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from tests.clients.http_api import SECONDS
from tests.clients.restarts.crash.box import Unheard
from tests.clients.restarts.crash.client import CODES, Client, EngineDied, call, hijacked
from tests.clients.restarts.crash.commits import commit
from tests.clients.restarts.crash.copies import copy
from tests.clients.restarts.crash.model import BY_SIGNAL, GONE, Subject
from tests.clients.restarts.crash.networks import (
    OWN,
    connect_network,
    connectable,
    create_network,
    disconnect_network,
    remove_network,
    unused,
)
from tests.clients.restarts.crash.sessions import SESSION_DEEDS
from tests.clients.restarts.crash.together import abort, remove_while_copied, stop_and_start, stop_twice

GRACES_SECONDS: Final = (0, 5)
AROUND_BACK_OFF_SECONDS: Final = 0.3
RELAPSES: Final = 5  # the wait before the last is 1.6 s
PERIOD_SECONDS: Final = 0.002
FOCUS: Final = 0.8
"""How often a client does what it is wanted to, if it can."""

Deed = Callable[[Client, Subject], None]


def act(client: Client, wanted: Collection[str] = ()) -> None:
    """Do one thing, if possible one of the `wanted`.

    Raises:
        EngineDied: there was no answer.

    """
    subject = client.chosen()
    if subject is None:
        if not client.networks:
            create_network(client)
        client.create()
        return
    if subject.codes or (subject.keeps_going and subject.status == "exited"):
        client.remove(subject, force=True)  # a crash, or its policy, leaves open what it does next
        return
    allowed = {**DEEDS[subject.status], **NETWORK_DEEDS}
    weights = {deed: weight for deed, weight in allowed.items() if possible(deed, client, subject)}
    focused = [deed for deed in weights if deed.__name__ in wanted]
    if focused and client.dice.random() < FOCUS:
        weights = dict.fromkeys(focused, 1)
    (deed,) = client.dice.choices([*weights], [*weights.values()])
    deed(client, subject)


def possible(deed: Deed, client: Client, subject: Subject) -> bool:
    """Whether a client and its container take part in a deed at all."""
    simple = not (subject.auto_remove or subject.keeps_going)
    conditions: dict[Deed, bool] = {
        resize: subject.tty,
        abort: simple,
        remove_while_copied: simple,
        stop_and_start: simple,
        stop_in_back_off: subject.keeps_going,
        rename: not subject.auto_remove,
        create_network: len(client.networks) < OWN,
        remove_network: bool(unused(client)),
        connect_network: simple and bool(connectable(client, subject)),
        disconnect_network: simple and len(subject.networks) > 1,
    }
    return conditions.get(deed, True)


def start(client: Client, subject: Subject) -> None:
    undone = GONE if subject.auto_remove else subject.status
    with subject.attempt(undone, "running", starts=1):
        client.post(subject, "start", 204)
    subject.started()
    client.look(subject)


def remove(client: Client, subject: Subject) -> None:
    client.remove(subject)


def force_remove(client: Client, subject: Subject) -> None:
    client.remove(subject, force=True)


def rename(client: Client, subject: Subject) -> None:
    name = client.free_name()
    with subject.attempt(name=name):
        client.post(subject, "rename", 204, name=name)


def output(client: Client, subject: Subject) -> None:
    """Have the process print, now or when it is thawed; nobody waits for that."""
    try:
        subject.box.tell(f"print {client.dice.randrange(1, 30)}")
    except Unheard:  # it has only just been started
        return


def leave(client: Client, subject: Subject) -> None:
    """Have the process end by itself, and wait for that."""
    code = client.dice.choice(CODES)
    if not client.tell_to_exit(subject, code):
        return
    if subject.keeps_going:
        if client.dice.random() < 0.5:
            time.sleep(client.dice.uniform(0, AROUND_BACK_OFF_SECONDS))
            stop(client, subject)
        return
    answer = call(client.api, "POST", f"/containers/{subject.id}/wait")
    if answer.status == 200 and not answer.body:
        raise EngineDied  # the head of this answer comes at once
    gone = subject.auto_remove and answer.status == 404
    assert gone or answer.document["StatusCode"] == code, (subject.key, code, answer)
    subject.becomes(subject.after_exit)


def stop_in_back_off(client: Client, subject: Subject) -> None:
    """Have a container end until its policy waits long enough for that to be seen, and stop it then."""
    for _ in range(RELAPSES):
        if _waits(client, subject):
            break
    stop(client, subject)


def _waits(client: Client, subject: Subject) -> bool:
    """Have the process end; return whether its policy was seen waiting before it ran again."""
    runs, code, told = subject.box.runs(), client.dice.choice(CODES), False
    deadline = time.monotonic() + SECONDS
    while subject.box.runs() == runs:
        assert time.monotonic() < deadline, f"{subject.key} neither waits nor runs again"
        told = told or client.tell_to_exit(subject, code)
        actors = call(client.api, "GET", "/debug/actors").document["Actors"]
        states = {actor["State"] for actor in actors if actor["Name"] == f"container {subject.id}"}
        if states == {"restarting"}:
            return True
        time.sleep(PERIOD_SECONDS)
    return False


def stop(client: Client, subject: Subject) -> None:
    _end(client, subject, "stop", t=client.dice.choice(GRACES_SECONDS))


def kill(client: Client, subject: Subject) -> None:
    _end(client, subject, "kill")


def _end(client: Client, subject: Subject, verb: str, **query: Any) -> None:
    with subject.attempt(subject.status, subject.after_exit, codes=BY_SIGNAL):
        client.post(subject, verb, 204, **query)
    subject.becomes(subject.after_exit)


def restart(client: Client, subject: Subject) -> None:
    with subject.attempt("running", subject.after_exit, codes=BY_SIGNAL, starts=1):
        client.post(subject, "restart", 204, t=client.dice.choice(GRACES_SECONDS))
    subject.started()
    client.look(subject)


def pause(client: Client, subject: Subject) -> None:
    with subject.attempt("paused"):
        client.post(subject, "pause", 204)
    subject.becomes("paused")


def unpause(client: Client, subject: Subject) -> None:
    with subject.attempt("running"):
        client.post(subject, "unpause", 204)
    subject.becomes("running")


def resize(client: Client, subject: Subject) -> None:
    client.post(subject, "resize", 200, h=client.dice.randrange(1, 200), w=80)


def attach(client: Client, subject: Subject) -> None:
    """Come and go."""
    with hijacked(client, f"/containers/{subject.id}/attach?stream=1&stdin=1&stdout=1"):
        return


def update(client: Client, subject: Subject) -> None:
    """Change a limit."""
    shares = client.dice.randrange(100, 1000)
    with subject.attempt_shares(shares):
        client.post(subject, "update", 200, body={"CpuShares": shares})


DEEDS: Final[Mapping[str, Mapping[Deed, int]]] = {
    "created": {
        start: 12,
        update: 1,
        remove: 2,
        rename: 2,
        attach: 1,
        abort: 1,
        copy: 2,
        commit: 1,
        remove_while_copied: 1,
    },
    "running": {
        output: 5,
        leave: 4,
        stop: 3,
        kill: 2,
        restart: 2,
        pause: 3,
        rename: 1,
        attach: 1,
        resize: 2,
        **SESSION_DEEDS,
        update: 1,
        force_remove: 2,
        stop_twice: 1,
        stop_and_start: 1,
        stop_in_back_off: 1,
        copy: 2,
        commit: 2,
    },
    "paused": {unpause: 5, kill: 1, stop: 1, force_remove: 1, output: 1, copy: 1, commit: 1},
    "exited": {start: 6, remove: 4, rename: 1, abort: 1, copy: 2, commit: 1, remove_while_copied: 1},
}

NETWORK_DEEDS: Final[Mapping[Deed, int]] = {
    create_network: 1,
    remove_network: 2,
    connect_network: 2,
    disconnect_network: 2,
}
"""What can be done whatever a container is doing."""
