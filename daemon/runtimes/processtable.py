"""The processes of a container, as the host's ps(1) shows them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import attrs
import trio

from daemon.errors import Conflict, Failed, InvalidParameter

CGROUP_ROOT: Final = Path("/sys/fs/cgroup")
PS_SECONDS: Final = 10.0  # it looks at every process of the host, and one that is stuck may keep it
CONTROLLER: Final = "pids"  # in cgroup v1 every controller has a tree of its own; any of them will do


@attrs.frozen
class ProcessTable:
    """What ps printed: the head, and one row for each process of the container."""

    titles: list[str]
    rows: list[list[str]]


async def process_table(container_id: str, pid: int, arguments: str) -> ProcessTable:
    """Run ps with `arguments` and keep the rows of the container whose first process is `pid`.

    Raises:
        Conflict: the container does not run.
        InvalidParameter: ps does not know such arguments.
        Failed: its output has no PID column, or there is no ps, or it does not end.

    """
    if not pid:
        raise Conflict(f"container {container_id} is not running")
    words = arguments.split()
    try:
        with trio.fail_after(PS_SECONDS):
            done = await trio.run_process(
                ["ps", *words], capture_stdout=True, capture_stderr=True, check=False, deliver_cancel=_kill
            )
    except FileNotFoundError as error:
        raise Failed("ps is not installed on the host (apt install procps)") from error
    except trio.TooSlowError as error:
        raise Failed(f"ps did not end within {PS_SECONDS:.0f} s") from error
    if done.returncode != 0:
        raise InvalidParameter(f"ps: {done.stderr.decode(errors='replace').strip()}")
    try:
        pids = await trio.to_thread.run_sync(pids_with, pid)
    except OSError as error:  # it has ended in the meantime
        raise Conflict(f"container {container_id} is not running") from error
    return select(done.stdout.decode(errors="replace"), pids)


async def _kill(ps: trio.Process) -> None:  # ruff: ignore[unused-async]  as trio wants it
    """End what has nothing to put in order."""
    ps.kill()


def select(printed: str, pids: frozenset[int]) -> ProcessTable:
    """Return the rows of `printed` whose PID is one of `pids`.

    Raises:
        Failed: there is no PID column.

    """
    lines = printed.splitlines()
    titles = lines[0].split() if lines else []
    if "PID" not in titles:
        raise Failed("Couldn't find PID field in ps output")
    column = titles.index("PID")
    split = (line.split(None, len(titles) - 1) for line in lines[1:])
    return ProcessTable(
        titles,
        [row for row in split if len(row) > column and row[column].isdecimal() and int(row[column]) in pids],
    )


def pids_with(pid: int) -> frozenset[int]:
    """Return the processes in the cgroup of `pid` and below it."""
    found: set[int] = set()
    for file in _cgroup(pid).rglob("cgroup.procs"):
        found.update(map(int, file.read_text().split()))
    return frozenset(found)


def _cgroup(pid: int) -> Path:
    """Return the directory of the process's cgroup in a hierarchy that tells (cgroups(7))."""
    for controllers, path in _memberships(pid):
        if controllers == "" and (CGROUP_ROOT / "cgroup.controllers").exists():
            return CGROUP_ROOT / path
        if CONTROLLER in controllers.split(","):
            return CGROUP_ROOT / CONTROLLER / path
    raise Failed(f"process {pid} is in no known cgroup")


def _memberships(pid: int) -> Iterator[tuple[str, str]]:
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        yield controllers, path.lstrip("/")
