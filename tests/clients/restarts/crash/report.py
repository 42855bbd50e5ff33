"""The report of a run that failed: all that is needed to understand it, since it is all there will be.

The report is a table of sections; one that cannot be had says why.
"""

from __future__ import annotations

import http.client
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

from tests.clients.http_api import Api
from tests.clients.restarts.crash.chronicle import mentions
from tests.clients.restarts.crash.host import cgroups_of, commands
from tests.clients.restarts.crash.model import Subject
from tests.clients.restarts.crash.world import World

LINES: Final = 60
CHARACTERS: Final = 1000  # of a line
SHORT_ID: Final = 12


def report(world: World, failure: BaseException) -> str:
    """Return what happened at a place, above all to what the failure names."""
    subjects = [one for one in world.checker.ever().values() if mentions(str(failure), _words(one))]
    words = {word for one in subjects for word in _words(one)}
    sections: Mapping[str, Callable[[], Iterator[str]]] = {
        "engines": lambda: iter(world.ends[-LINES:]),
        "what is known of the containers named above": lambda: (str(one) for one in subjects),
        "calls about them": lambda: iter(world.api.chronicle.about(words)[-LINES:]),
        "their events": lambda: _events(world, subjects),
        "what the engines have said of them": lambda: _said(world, words),
        "how they are": lambda: _inspected(world, subjects),
        "the last calls of all": lambda: iter(world.api.chronicle.last(LINES)),
        "the end of the engines' log": lambda: iter(world.checker.log().splitlines()[-LINES:]),
        "actors": lambda: _answer(world, "/debug/actors"),
        "processes": lambda: _processes(world),
    }
    return "\n".join(line for title, lines in sections.items() for line in _section(title, lines))


def _section(title: str, lines: Callable[[], Iterator[str]]) -> Iterator[str]:
    yield f"---- {title}"
    try:
        yield from (line[:CHARACTERS] for line in lines())
    except (OSError, ValueError, http.client.HTTPException) as error:
        yield f"not to be had: {error!r}"


def _words(subject: Subject) -> set[str]:
    return {subject.key, subject.id, subject.id[:SHORT_ID], *(one.id for one in subject.sessions)} - {""}


def _events(world: World, subjects: list[Subject]) -> Iterator[str]:
    keys = {subject.key for subject in subjects}
    for life in world.checker.history.lives.values():
        if life.key in keys:
            yield from life.told


def _said(world: World, words: set[str]) -> Iterator[str]:
    yield from [line for line in world.checker.log().splitlines() if mentions(line, words)][-LINES:]


def _inspected(world: World, subjects: list[Subject]) -> Iterator[str]:
    for subject in subjects:
        if subject.id:
            answer = Api(world.api.socket_path)("GET", f"/containers/{subject.id}/json")
            yield f"{subject.key}: {answer.status} {answer.document.get('State', answer.document)}"
            for group in cgroups_of(subject.id):
                yield f"{group}: {_text(group / 'cgroup.procs').split()} {_text(group / 'freezer.state')}"


def _answer(world: World, path: str) -> Iterator[str]:
    answer = Api(world.api.socket_path)("GET", path)
    text = answer.body.decode(errors="replace")
    yield from (text[at : at + CHARACTERS] for at in range(0, min(len(text), 20 * CHARACTERS), CHARACTERS))


def _processes(world: World) -> Iterator[str]:
    """Yield the engine, and everything that names its roots or has been started by such a one."""
    needle = os.fsencode(f"{world.root}/")
    found = {pid for pid, command in commands() if needle in command and pid != os.getpid()}
    found |= {world.checker.engine_pid}
    parents = {pid: _parent(pid) for pid, _ in commands()}
    for pid in sorted(found | {pid for pid, parent in parents.items() if parent in found}):
        yield f"{_text(Path(f'/proc/{pid}/stat'))[:40]} {_text(Path(f'/proc/{pid}/cmdline'))}".replace(
            "\0", " "
        )
        yield from (f"    {' < '.join(_stack(task))}" for task in Path(f"/proc/{pid}/task").glob("*"))


def _stack(task: Path) -> list[str]:
    """Return what a thread waits for in the kernel (proc(5)), the innermost function first."""
    return [line.partition("] ")[2].partition("+")[0] for line in _text(task / "stack").splitlines()]


def _parent(pid: int) -> int:
    fields = _text(Path(f"/proc/{pid}/stat")).rpartition(") ")[2].split()
    return int(fields[1]) if fields else 0


def _text(file: Path) -> str:
    try:
        return file.read_text(errors="replace")
    except OSError as error:
        return f"{error.strerror}"
