"""Network namespaces: each engine has one of its own, for its bridges, its rules and its ports.

So dockerd, which rewrites the host's iptables, may have them as it comes, no two engines get in each other's
way, and nothing of the host's network is touched.  `ip netns exec` is no way in: it mounts another /sys, in
which a runtime does not find its cgroups.
"""

from __future__ import annotations

import subprocess
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import attrs

NAMED: Final = Path("/run/netns")
"""Where ip-netns(8) keeps them."""


@attrs.frozen
class NetSpace:
    """A network namespace, by its file."""

    file: Path

    def command(self, command: Sequence[str]) -> list[str]:
        """Return what runs `command` in it; the process is the command's own."""
        return ["nsenter", f"--net={self.file}", "--", *command]


@contextmanager
def netspace(name: str) -> Generator[NetSpace, None, None]:
    """Lend a new namespace with loopback alone."""
    _ip("netns", "add", name)
    try:
        _ip("-n", name, "link", "set", "lo", "up")
        yield NetSpace(NAMED / name)
    finally:
        remove(name)


def remove(name: str) -> None:
    """Remove a namespace; what is in it goes when the last process has left."""
    if (NAMED / name).exists():
        _ip("netns", "delete", name)


def of_process(pid: int) -> NetSpace:
    """Return the namespace that a process is in, for as long as it is."""
    return NetSpace(Path(f"/proc/{pid}/ns/net"))


def named(prefix: str) -> list[str]:
    """Return the names of the namespaces that begin so."""
    return sorted(file.name for file in NAMED.glob(f"{prefix}*"))


def _ip(*arguments: str) -> None:
    subprocess.run(("ip", *arguments), check=True, capture_output=True, text=True)
