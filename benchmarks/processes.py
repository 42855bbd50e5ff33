"""Processes of the engines: started, weighed, and ended by pid.

Only processes that a benchmark started, or that were started on its behalf (their command line
names its own directory), are ever signalled.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")
PR_SET_PDEATHSIG: Final = 1
STOP_SECONDS: Final = 20.0
MONITORS: Final = frozenset({"conmon", "containerd-shim"})
"""Names of the processes that keep one container each."""

KERNEL_PARTS: Final = ("Slab", "KernelStack", "PageTables", "Percpu", "VmallocUsed")

_LIBC: Final = ctypes.CDLL(None, use_errno=True)


def _die_with_parent() -> None:
    """Be ended when the benchmark is, even by SIGKILL: it must leave no engine behind."""
    _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def spawn(
    command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start a long-running process, in a session of its own as a service has, with its output in a file."""
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
            preexec_fn=_die_with_parent,
            start_new_session=True,
        )


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ask a process to end, and kill it when it does not."""
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def mentioning(root: Path) -> list[int]:
    """Return the pids of all processes whose command line names `root`, other than this one."""
    needle = str(root).encode()
    return [pid for pid in _pids() if pid != os.getpid() and needle in _read(pid, "cmdline")]


def inhabitants(netspace: Path) -> list[int]:
    """Return the pids of all processes in a network namespace."""
    inode = netspace.stat().st_ino
    return [pid for pid in _pids() if _netspace_inode(pid) == inode]


def end(pids: Sequence[int]) -> None:
    """Kill processes and wait until they are gone."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            handle = os.pidfd_open(pid)
            try:
                signal.pidfd_send_signal(handle, signal.SIGKILL)
                select.select([handle], [], [], STOP_SECONDS)
            finally:
                os.close(handle)


def family(pid: int) -> list[int]:
    """Return a process and its descendants, without monitors and what they keep."""
    children: dict[int, list[int]] = {}
    for other in _pids():
        children.setdefault(_parent(other), []).append(other)
    found, todo = [], [pid]
    while todo:
        found.append(current := todo.pop())
        todo += [child for child in children.get(current, ()) if _name(child) not in MONITORS]
    return found


def monitors(root: Path) -> list[int]:
    """Return the pids of the monitors that keep containers of the engine under `root`."""
    return [pid for pid in mentioning(root) if _name(pid) in MONITORS]


def pss_mib(pids: Sequence[int]) -> float:
    """Return the proportional set size of some processes together, in MiB."""
    return sum(_pss_kib(pid) for pid in pids) / 1024


def resident_mib(pid: int) -> float:
    """Return how much of a process is in memory, in MiB."""
    return _status_kib(pid, b"VmRSS:") / 1024


def peak_mib(pid: int) -> float:
    """Return how much of it was at most, since `forget_peak`."""
    return _status_kib(pid, b"VmHWM:") / 1024


def forget_peak(pid: int) -> None:
    """Begin with a new peak, from what it is now; see proc(5) on clear_refs."""
    (PROC / str(pid) / "clear_refs").write_text("5")


def kernel_mib() -> float:
    """Return what the kernel keeps for itself, in MiB (proc_meminfo(5)); all that runs has a share in it."""
    lines = (line.split() for line in (PROC / "meminfo").read_text().splitlines())
    sizes = {words[0].rstrip(":"): int(words[1]) for words in lines}
    return sum(sizes[part] for part in KERNEL_PARTS) / 1024


def cpu_ticks(pid: int) -> int:
    """Return the CPU time of a process and of all children it has waited for, in clock ticks (proc(5))."""
    after_name = _read(pid, "stat").rpartition(b")")[2].split()
    return sum(map(int, after_name[11:15]))


def cpu_ms(pids: Sequence[int]) -> float:
    """Return the CPU time of some processes together, in milliseconds."""
    return sum(cpu_ticks(pid) for pid in pids) * 1000 / os.sysconf("SC_CLK_TCK")


def _pss_kib(pid: int) -> int:
    for line in _read(pid, "smaps_rollup").splitlines():
        if line.startswith(b"Pss:"):
            return int(line.split()[1])
    return 0


def _status_kib(pid: int, name: bytes) -> int:
    for line in _read(pid, "status").splitlines():
        if line.startswith(name):
            return int(line.split()[1])
    return 0


def _pids() -> Iterator[int]:
    return (int(entry.name) for entry in PROC.iterdir() if entry.name.isdecimal())


def _netspace_inode(pid: int) -> int:
    try:
        return (PROC / str(pid) / "ns" / "net").stat().st_ino
    except (FileNotFoundError, ProcessLookupError):
        return 0


def _parent(pid: int) -> int:
    # The name, in brackets, may hold spaces and brackets itself: count from the last one.
    after_name = _read(pid, "stat").rpartition(b")")[2].split()
    return int(after_name[1]) if after_name else 0


def _name(pid: int) -> str:
    return _read(pid, "comm").decode(errors="replace").strip()


def _read(pid: int, file: str) -> bytes:
    """Read a file of a process; nothing when the process has ended meanwhile."""
    try:
        return (PROC / str(pid) / file).read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""
