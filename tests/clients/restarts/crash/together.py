"""What clients ask of one container at the same time, in two calls; which comes first is not known before."""

from __future__ import annotations

import threading
from typing import Any

from tests.clients.http_api import Answer
from tests.clients.restarts.crash.client import Client, EngineDied, call, half_read
from tests.clients.restarts.crash.model import BY_SIGNAL, GONE, KILLED, Subject


def stop_twice(client: Client, subject: Subject) -> None:
    """Stop a container patiently, and lose the patience."""
    with subject.attempt(subject.status, subject.after_exit, codes=BY_SIGNAL):
        for answer in _together(client, subject, ("stop", {"t": 60}), ("stop", {"t": 0})):
            assert answer.status in {204, 304} or (subject.auto_remove and answer.status == 404), answer
    subject.becomes(subject.after_exit)


def stop_and_start(client: Client, subject: Subject) -> None:
    """Ask for a stop and for a start at once; which comes first is not known before."""
    outcomes = ("running", "exited")
    with subject.attempt(*outcomes, codes=BY_SIGNAL, starts=1):
        stopped, started = _together(client, subject, ("stop", {"t": 5}), ("start", {}))
        assert stopped.status == 204, stopped
        assert started.status in {204, 304}, started
    if started.status == 304:
        subject.becomes("exited")
    else:
        subject.started()
        client.look(subject)


def abort(client: Client, subject: Subject) -> None:
    """Start a container, and kill it at once."""
    before = subject.status
    with subject.attempt(before, "running", "exited", codes=frozenset({KILLED}), starts=1):
        started, killed = _together(client, subject, ("start", {}), ("kill", {}))
        assert started.status in {204, 409}, started
        assert killed.status in {204, 409}, killed
    if started.status == 204 and killed.status == 409:  # the kill came too early
        subject.started()
        client.look(subject)
    elif started.status == 204:
        subject.starts += 1
        subject.becomes("exited")
    else:
        seen = client.inspect(f"/containers/{subject.id}/json")["State"]["Status"]
        assert seen in {before, "exited"}
        subject.becomes(seen)


def remove_while_copied(client: Client, subject: Subject) -> None:
    """Remove a container, and insist, while somebody fetches its files who does not read on."""
    with half_read(client, f"/containers/{subject.id}/archive?path=/bin"), subject.attempt(GONE):
        removals: list[tuple[str, dict[str, Any]]] = [("", {}), ("", {"force": 1})]
        statuses = {one.status for one in _together(client, subject, *removals, method="DELETE")}
        assert 204 in statuses, statuses
        assert statuses <= {204, 404, 409}, statuses
    subject.becomes(GONE)


def _together(
    client: Client, subject: Subject, *asked: tuple[str, dict[str, Any]], method: str = "POST"
) -> list[Answer]:
    answers: dict[int, Answer] = {}

    def ask(number: int, verb: str, query: dict[str, Any]) -> None:
        try:
            path = f"/containers/{subject.id}/{verb}".rstrip("/")
            answers[number] = call(client.api, method, path, **query)
        except EngineDied:
            return  # which the missing answer says

    threads = [threading.Thread(target=ask, args=(number, *one)) for number, one in enumerate(asked)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(answers) < len(asked):
        raise EngineDied
    return [answers[number] for number in range(len(asked))]
