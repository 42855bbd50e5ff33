"""What the host has of one engine, and what it should have: every process, cgroup, mount and file.

Seen from outside, without the engine's help: whoever has leaked something does not know of it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Final

import attrs

ID: Final = re.compile(r"[0-9a-f]{64}")
CGROUPS: Final = Path("/sys/fs/cgroup")
ENGINE_FILES: Final = {
    "engine.lock",
    "longshore.sock",
    "longshored.pid",
    "bundles",
    "execs",
    "exits",
    "netns",
    "runtime",
}
RESOLVER_FILES: Final = {"resolver.sock", "resolver.sock.lock", "resolver.sock.log"}
"""Of the resolver, once there was need of one."""
DATA_FILES: Final = {"blobs", "containers", "engine.lock", "overlay", "runtimes", "spool"}
JOURNAL: Final = "journal.db"
EMPTY: Final = ("blobs/tmp", "blobs/trash", "overlay/trash", "overlay/views", "spool")


@attrs.frozen
class Expected:
    """What the API says there is.

    `processes` has the pids of each running container, those of its exec sessions among them.
    """

    root: Path
    ids: Collection[str]
    processes: Mapping[str, Collection[int]]
    sessions: Collection[str]
    ever: Collection[str]
    layers: Collection[str]
    engine_pid: int
    sandboxes: Collection[str]

    def problems(self) -> list[str]:
        """Return a line for everything that is too much or missing."""
        return [
            *self._of_processes(),
            *self._of_cgroups(),
            *self._of_mounts(),
            *self._of_directories(),
        ]

    def _of_processes(self) -> Iterator[str]:
        """Every process that names the engine's root is the engine, or the monitor of something that runs."""
        needle = os.fsencode(self.root / "exec")
        monitored: list[str] = []
        for pid, command in commands():
            if needle not in command or pid in {self.engine_pid, os.getpid()}:
                continue
            bundle = _bundle(command, self.root)
            if resolver_of(command, self.root):
                continue
            if bundle is None:
                yield f"process {pid} belongs to nothing: {command!r}"
            else:
                monitored.append(bundle)
        wanted = sorted([*self.processes, *self.sessions])
        if sorted(monitored) != wanted:
            yield f"monitors of {_difference(monitored, wanted)}"

    def _of_cgroups(self) -> Iterator[str]:
        """The cgroups of all containers are those of the running ones, with just their processes."""
        for tree in _trees():
            left = {*self.ever}.intersection(_names(tree / "docker")) - {*self.processes}
            yield from (f"{tree / 'docker' / container_id} of what does not run" for container_id in left)
        for container_id, pids in self.processes.items():
            found = {int(pid) for group in cgroups_of(container_id) for pid in _processes(group)}
            if found != {*pids}:
                names = [(pid, _parent(pid), _command(pid)) for pid in found - {*pids}]
                yield f"cgroup of {container_id[:12]} has {found}, not {pids}: {names}"

    def _of_mounts(self) -> Iterator[str]:
        """What is mounted in our name is the root filesystem of each running container, once.

        So is the network namespace of each that has links.  Our name is the root, or a container's id.
        """
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
        ids = {*self.ever}
        ours = [line for line in lines if f"{self.root}/" in line or not ids.isdisjoint(ID.findall(line))]
        mounted = sorted(line.split()[4] for line in ours)
        containers = self.root / "data" / "overlay" / "containers"
        wanted = [str(containers / container_id / "merged") for container_id in self.processes]
        wanted += [str(self.root / "exec" / "netns" / container_id) for container_id in self.sandboxes]
        wanted.sort()
        if mounted != wanted:
            yield f"mounts {_difference(mounted, wanted)}"

    def _of_directories(self) -> Iterator[str]:
        data, state = self.root / "data", self.root / "exec"
        for directory, wanted in (
            (state / "bundles", [*self.processes]),
            (state / "execs", [*self.sessions]),
            (state / "runtime", [*self.processes]),
            *((data / "overlay" / name, [*self.layers]) for name in ("index", "layers", "parents")),
            (state, [*ENGINE_FILES, *RESOLVER_FILES.intersection(_names(state))]),
            (data, [*DATA_FILES, *(name for name in _names(data) if name.startswith(JOURNAL))]),
            *((data / name, []) for name in EMPTY),
        ):
            if _names(directory) != sorted(wanted):
                yield f"{directory} has {_difference(_names(directory), sorted(wanted))}"
        for directory in (state / "exits", data / "containers", data / "overlay" / "containers"):
            if left := {*_names(directory)} - {*self.ids}:
                yield f"{directory} has {left} of containers that do not exist"


def _trees() -> Iterator[Path]:
    yield from (CGROUPS, *CGROUPS.iterdir())


def cgroups_of(container_id: str) -> list[Path]:
    """Return a container's cgroups, in each of the trees."""
    return [group for tree in _trees() if (group := tree / "docker" / container_id).is_dir()]


def _processes(group: Path) -> list[str]:
    try:
        return (group / "cgroup.procs").read_text().split()
    except OSError:  # it has just been removed
        return []


def _names(directory: Path) -> list[str]:
    return sorted(os.listdir(directory)) if directory.exists() else []


def _difference(found: list[str], wanted: list[str]) -> str:
    return f"too much: {sorted({*found} - {*wanted})}, missing: {sorted({*wanted} - {*found})} ({len(found)})"


def _bundle(command: bytes, root: Path) -> str | None:
    """Return whose monitor a process is."""
    prefix = os.fsencode(f"--bundle={root / 'exec'}/")
    arguments = command.split(b"\0")
    if os.path.basename(arguments[0]) != b"conmon":
        return None
    return next((os.fsdecode(a).rpartition("/")[2] for a in arguments if a.startswith(prefix)), None)


def resolver_of(command: bytes, root: Path) -> bool:
    """Whether a process is the resolver of the engines below `root`."""
    arguments = command.split(b"\0")
    is_resolver = b"daemon.networks.resolver" in arguments
    return is_resolver and os.fsencode(root / "exec" / "resolver.sock") in arguments


def commands() -> Iterator[tuple[int, bytes]]:
    """Yield the pid and the command line of each process."""
    for name in os.listdir("/proc"):
        if name.isdecimal() and (command := _command(int(name))):
            yield int(name), command


def _parent(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/status").read_text().partition("PPid:")[2].split()[0]
    except (OSError, IndexError):
        return ""


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):  # it has just ended
        return b""
